"""Paper 1's report on the thinned problem, and its plan."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from quick_report import Report, quick_report

from reproduction.budget import plan_of
from reproduction.residual_value import PAPER, trainings
from reproduction.residual_value_problem import problem_of, spread

pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return quick_report("lstm-residual-value", tmp_path_factory.mktemp("paper-1"))


def whole(data: str = "../shared/data") -> Any:
    return SimpleNamespace(quick=False, data=data)


def test_every_published_figure_stands_beside_ours(report: Report) -> None:
    static = report.rows("Table 9")
    assert [static[f"Set {k}: annual return"][0] for k in (1, 2, 3)] == ["11.06%", "14.18%", "10.79%"]
    assert [static[f"Set {k}: score of cross-validation"][0] for k in (1, 2, 3)] == ["0.790", "0.820", "0.780"]
    searched = report.rows("Table 11")
    assert searched["Searched: annual return"][0] == "14.83%" and searched["Searched: max drawdown"][0] == "-59.60%"
    holdings = report.rows("Table 13")
    assert [row[0] for name, row in holdings.items() if "annual" in name] == [
        "15.20%", "9.42%", "10.69%", "14.83%", "16.78%",
    ]  # fmt: skip
    assert [row[0] for row in report.rows("Table 5").values()] == ["0.940", "0.900", ""]
    assert report.rows("5.1.2")["Mean Spearman, score and next return"][0] == "0.820"
    assert report.rows("Table 3")["turnover_1d 换手率"][1] == "0.170"
    for rows in (static, searched, holdings, report.rows("Table 5"), report.rows("5.1.2")):
        assert all("n/a" not in row and "skipped" not in row for row in rows.values())


def test_it_opens_with_what_survives_and_then_with_what_differs(report: Report) -> None:
    conclusion = report.found["conclusion"]
    assert conclusion.startswith("This is the thinned problem: it says nothing about the paper.")
    assert "the control linear" in conclusion and "settings of top-n" in conclusion
    assert "Published annual return of static set 2: 14.18%" in conclusion and conclusion in report.out
    assert report.found["sections"][0]["title"] == "What differs from the paper"
    assert "17 less rd" in str(report.found["sections"][0]["tables"])


def test_protocols_are_apart_and_only_one_leaks(report: Report) -> None:
    validity = report.found["facts"]["fit"]["validity"]
    assert validity["paper"] != validity["honest"]
    headline = report.rows("Headline")["LSTM, set 2: annual return"]
    assert headline[1] != headline[2] and "(LEAKS)" in report.section("Headline")["tables"][0]["head"][2]


def test_what_is_trained_is_said_before_it_is_trained(report: Report) -> None:
    first = report.out.splitlines()
    assert first[0].startswith("Paper 1: LSTM residual market value: data ")
    assert first[0].endswith(", training budget 40 s of CPU")
    assert first[1].split()[0] == "trained" and "static set 2 in 3 windows, paper" in first[1]


def test_a_small_budget_pays_for_the_honest_headline_and_lists_the_grid_as_skipped() -> None:
    plan = plan_of(trainings(whole()), 600.0)
    assert "static-2-honest" in plan and "fit-honest" in plan
    assert [one.name for one in plan.skipped if one.name.startswith("grid-12-honest")] == [
        "grid-12-honest-2013-12", "grid-12-honest-2021-03", "grid-12-honest-2017-06",
    ]  # fmt: skip
    assert any("full grid over 216 points" in one.what for one in plan.skipped)


def test_the_default_budget_searches_every_honest_window() -> None:
    plan = plan_of(trainings(whole()), PAPER.budget)
    months = problem_of(whole()).months
    assert len(months) == 30 and months[0] == "2013-12" and months[-1] == "2021-03"
    assert all(f"halving-12-honest-{month}" in plan for month in months)


def test_the_grid_of_a_window_is_expected_to_cost_what_was_measured() -> None:
    """200 of the 216 points took 2,065 CPU seconds on a CSI 300 window of 2017."""
    assert 1500.0 < problem_of(whole())._grid(12) < 3500.0


@pytest.mark.parametrize("count", [1, 2, 3, 10, 30])
def test_any_beginning_of_the_windows_covers_the_span(count: int) -> None:
    months = [f"m{k:02d}" for k in range(count)]
    order = spread(months)
    assert sorted(order) == months and order[:2] == [months[0], months[-1]][: min(count, 2)]
    if count == 30:
        assert set(order[:5]) == {"m00", "m07", "m14", "m22", "m29"}
