"""Paper 2's report on the thinned problem, its plan, and its formulas."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from quick_report import Report, quick_report

from engine.presentation import percent
from reproduction.budget import plan_of
from reproduction.price_forecast import PAPER, trainings
from reproduction.price_forecast_errors import errors
from reproduction.price_forecast_factors import paper_classes, top_quintile
from reproduction.price_forecast_portfolios import beaten, fall_within
from reproduction.price_forecast_problem import problem_of, spread
from reproduction.price_forecast_search import words


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")
    return quick_report("lstm-price", tmp_path_factory.mktemp("paper-2"))


def whole(data: str = "../shared/data") -> Any:
    return SimpleNamespace(quick=False, data=data)


# -- the report ----------------------------------------------------------------------------------------


def test_every_published_figure_of_the_value_class_stands_beside_ours(report: Report) -> None:
    rows = report.rows("Table 3.1.3.1")
    printed = {
        "pe 市盈率": ("3.80%", "0.83", "5.21%"), "pb 市净率": ("2.50%", "0.76", "4.37%"),
        "ps 市销率": ("3.70%", "0.87", "8.63%"), "net_assets 净资产": ("2.80%", "0.91", "5.61%"),
        "turnover_1d 换手率": ("-2.30%", "0.62", "4.29%"), "float_market_value 流通市值": ("0.90%", "0.79", "3.28%"),
    }  # fmt: skip
    for name, figures in printed.items():
        for what, figure in zip(("alpha", "information ratio", "annual return"), figures, strict=True):
            published, paper, honest = rows[f"{name}: {what}"]
            assert published == figure and paper != honest and "n/a" not in (paper, honest)


def test_all_41_factors_of_the_appendix_are_tested_or_listed_as_without_data(report: Report) -> None:
    tables = report.section("Table 3.1.3.1")["tables"]
    tested = [row[0].split()[0] for row in tables[1]["rows"]]
    lacking = [row[0].split()[0] for row in tables[2]["rows"]]
    assert len(paper_classes()) == 41
    assert sorted([*tested, *lacking, "pe", "pb", "ps", "net_assets", "turnover_1d", "float_market_value"]) == sorted(
        paper_classes()
    )
    assert ["selling_expense 销售费用", "basic", "selling_expense"] in tables[2]["rows"]


def test_the_seven_that_remain_and_the_five_taken_out_have_their_correlations(report: Report) -> None:
    rows = report.rows("Chart 3.1.3.3")
    said = [row[1] for row in rows.values()]
    assert said.count("kept") == 7 and said.count("removed as correlated") == 5
    assert all(-1.0 <= float(row[3]) <= 1.0 for row in rows.values() if row[2] != "no data")
    assert [row[0] for row in report.section("Chart 3.1.3.2")["tables"][0]["rows"]] == ["pe, pb", "pe, ps", "pb, ps"]


def test_the_search_keeps_the_setting_of_least_error_of_each_protocol(report: Report) -> None:
    best = report.found["facts"]["search"]["best"]
    table = report.section("Search")["tables"][1]["rows"]
    for column, protocol in ((1, "paper"), (2, "honest")):
        least = min(table, key=lambda row: float(row[column].rstrip("%")))
        assert least[0] == words(best[protocol])


def test_forecasts_stand_beside_the_last_close_and_the_straight_line(report: Report) -> None:
    rows = report.rows("Predicted against actual")
    for what in ("mean error as a share of the close (MAPE)", "R2 of closes, all stocks together"):
        for name in ("LSTM", "Linear", "Last close in its place"):
            assert all(text not in ("n/a", "skipped") for text in rows[f"{name}: {what}"][1:])
    naive = rows["Last close in its place: mean error as a share of the close (MAPE)"]
    assert naive[1] == naive[2]  # the same closes under both protocols
    held = report.found["facts"]["forecasts"]["figures"]
    assert held["LSTM paper"]["mape"] < held["LSTM honest"]["mape"]  # it has seen what it forecasts


def test_the_four_portfolios_are_pictures_in_the_paper_and_figures_here(report: Report) -> None:
    rows = report.rows("Charts 4.2.1 to 4.2.4")
    for theirs, ours in problem_of(SimpleNamespace(quick=True, data="synthetic")).holds:  # type: ignore[arg-type]
        published, paper, honest = rows[f"Hold {theirs} (ours {ours}): annual return"]
        assert published == "picture only" and paper != honest and paper.endswith("%") and honest.endswith("%")
    said = report.section("Charts 4.2.1 to 4.2.4")["tables"][1]["rows"]
    assert said[0][:2] == ["Portfolios above the CSI 300", "all four"] and said[0][2].endswith(" of 4")


def test_it_opens_with_what_survives_and_then_with_what_differs(report: Report) -> None:
    conclusion = report.found["conclusion"]
    assert conclusion.startswith("This is the thinned problem: it says nothing about the paper.")
    assert "the control linear" in conclusion and "settings of top-n" in conclusion
    assert "Published: all four portfolios beat the CSI 300 and the largest earns most; by the paper's" in conclusion
    held = report.found["facts"]["portfolios"]["runs"]["list"]["honest"][-1]
    assert f"{percent(held['annual_return'])}." in conclusion
    first = report.found["sections"][0]
    assert first["title"] == "What differs from the paper"
    assert "7 less current_liabilities, which these data lack" in str(first["tables"])


# -- the plan ------------------------------------------------------------------------------------------


def test_the_honest_list_comes_first_and_the_whole_index_last() -> None:
    names = [one.name for one in trainings(whole())]
    assert names[:2] == ["list-honest", "list-paper"] and names[-2:] == ["whole-honest", "whole-paper"]


def test_a_small_budget_pays_for_the_list_and_lists_the_whole_index_as_skipped() -> None:
    plan = plan_of(trainings(whole()), 600.0)
    assert "list-honest" in plan and "list-paper" in plan
    assert {"whole-honest", "whole-paper"} <= {one.name for one in plan.skipped}


def test_the_default_budget_searches_and_pays_for_the_whole_index_honestly() -> None:
    plan = plan_of(trainings(whole()), PAPER.budget)
    assert "search-honest" in plan and "search-paper" in plan and "whole-honest" in plan


def test_by_the_papers_procedure_the_window_reaches_from_two_years_before_the_start_to_the_end() -> None:
    problem = problem_of(whole())
    # 2015-02 to 2021-06 are 77 months; the window holds the months before the last one.
    assert problem.signal("paper")["window"] == "76M" and problem.signal("paper")["in_sample"]
    assert problem.signal("honest")["window"] == "24M" and "in_sample" not in problem.signal("honest")
    assert problem.refits == 5


# -- formulas --------------------------------------------------------------------------------------------


def test_places_of_a_list_are_spread_over_the_ranks_of_what_is_known() -> None:
    value = np.array([3.0, np.nan, 9.0, 1.0, 5.0, 7.0])
    assert spread(value, 3) == [2, 4, 3]  # of 9 7 5 3 1 the first, the middle and the last
    assert spread(value, 9) == [2, 5, 4, 0, 3]


def test_errors_of_forecasts_by_hand() -> None:
    actual = np.array([[10.0], [20.0], [40.0], [40.0], [np.nan]])
    naive = np.array([[8.0], [10.0], [50.0], [40.0], [40.0]])
    predicted = np.array([[9.0], [22.0], [60.0], [44.0], [1.0]])
    found = errors(predicted, actual, naive)
    assert found["mape"] == pytest.approx((0.1 + 0.1 + 0.5 + 0.1) / 4)
    assert found["naive_mape"] == pytest.approx((0.2 + 0.5 + 0.25 + 0.0) / 4)
    # Moves: up, up, down, none; told: up, up, up.
    assert found["hits"] == pytest.approx(2 / 3) and found["naive_hits"] == pytest.approx(2 / 3)
    middle = 27.5
    total = sum((x - middle) ** 2 for x in (10.0, 20.0, 40.0, 40.0))
    assert found["own_r2"] == pytest.approx(1.0 - (1.0 + 4.0 + 400.0 + 16.0) / total)


def test_a_top_quintile_that_is_the_market_twice_has_no_alpha() -> None:
    market = np.array([0.01, -0.02, 0.03, 0.0, np.nan])
    one: Any = SimpleNamespace(quantile_means=2.0 * market[None, :, None], means=market[None, :])
    found = top_quintile(one, 250.0)
    assert found["alpha"] == pytest.approx(0.0, abs=1e-12)
    growth = 1.02 * 0.96 * 1.06
    assert found["annual_return"] == pytest.approx(growth ** (250.0 / 4.0) - 1.0)
    extra = market[:4]
    assert found["information_ratio"] == pytest.approx(extra.mean() / extra.std(ddof=1) * np.sqrt(250.0))


def test_the_fall_of_a_year_begins_with_the_last_value_before_it() -> None:
    dates = np.array(["2020-06-30", "2020-12-31", "2021-01-04", "2021-02-01", "2022-01-04"], dtype="datetime64[D]")
    value = np.array([200.0, 100.0, 90.0, 95.0, 10.0])
    assert fall_within(dates, value, 2021) == pytest.approx(-0.1)
    assert fall_within(dates, value, 2019) is None


def test_portfolios_above_the_benchmark_are_counted() -> None:
    assert beaten([{"excess_annual_return": x} for x in (0.1, -0.1, None, 0.2)]) == "2 of 4"
    assert beaten([]) == "not computed"
