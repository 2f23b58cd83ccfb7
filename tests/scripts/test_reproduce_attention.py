"""Paper 5's report on the thinned problem, its plan, and its formulas by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from quick_report import Report, quick_report

from reproduction.attention import PAPER, trainings
from reproduction.attention_problem import CELLS, problem_of
from reproduction.attention_walk import naming
from reproduction.budget import plan_of
from reproduction.sections import SKIPPED


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")
    return quick_report("attention-gru", tmp_path_factory.mktemp("paper-5"))


def whole(data: str = "../shared/data") -> Any:
    return SimpleNamespace(quick=False, data=data)


def share(text: str) -> float:
    return float(text.rstrip("%")) / 100.0


def test_table_1_stands_beside_our_components(report: Report) -> None:
    rows = report.rows("Table 1")
    assert [rows[f"F{k}, contribution"][0] for k in range(1, 7)] == [
        "0.211", "0.149", "0.092", "0.071", "0.054", "0.040",
    ]  # fmt: skip
    assert rows["F1 to F6, cumulative"][0] == "0.616" and rows["Components to 90%"][0] == "24.0"
    for column in (1, 2):
        contributions = [float(rows[f"F{k}, contribution"][column]) for k in range(1, 7)]
        assert contributions == sorted(contributions, reverse=True)
        assert float(rows["F1 to F6, cumulative"][column]) == pytest.approx(sum(contributions), abs=0.004)


def test_one_fit_on_all_months_and_fits_by_window_find_other_components(report: Report) -> None:
    facts = report.found["facts"]
    by_window = facts["attention-gru-honest"]["shares"]
    assert len(by_window) == 4 and len({tuple(row) for row in by_window}) == 4
    assert len({tuple(row) for row in facts["attention-gru-paper"]["shares"]}) == 1  # the leak: all months in each
    assert facts["attention-gru-paper"]["whole"] != facts["attention-gru-paper"]["shares"][0]


def test_attention_has_a_weight_for_each_component_and_month(report: Report) -> None:
    found = report.found["facts"]["attention-gru-honest"]
    assert len(found["attention"]) == len(found["attention_days"]) == 10
    assert all(sum(row) == pytest.approx(1.0, abs=1e-5) for row in found["attention"])
    assert "Attention on each component by month" in report.page


def test_table_2_has_four_networks_three_ways_beside_the_base_rate(report: Report) -> None:
    rows = report.rows("Table 2")
    assert [rows[f"{name}: accuracy out of sample"][0] for name in ("RNN", "LSTM", "GRU", "Attention-GRU")] == [
        "95.36%", "98.15%", "98.76%", "99.73%",
    ]  # fmt: skip
    assert [rows[f"{name}: training time, CPU s"][0] for name in ("RNN", "LSTM", "GRU", "Attention-GRU")] == [
        "10.2", "36.2", "29.0", "24.9",
    ]  # fmt: skip
    assert rows["Answering 'not among the ten' always"][0] == "80.00%"
    assert all(SKIPPED not in row and "n/a" not in row for row in rows.values())
    beside = report.rows("Table 2", table=1)
    assert len(beside) == 8 and "RNN, paper (LEAKS)" in beside and "RNN, honest" in beside
    assert beside["GRU, paper (LEAKS)"] != beside["GRU, honest"]
    for base, accuracy, *_ in beside.values():
        assert share(base) == pytest.approx(0.82, abs=0.02)  # ten of some fifty-five
        assert share(accuracy) < 0.9


def test_naming_ten_of_fifty_four_of_them_rightly_is_right_in_76_of_100() -> None:
    assert naming(0.4, 10, 50) == pytest.approx(0.76)
    assert naming(1.0, 10, 50) == 1.0 and naming(0.0, 10, 50) == pytest.approx(0.6)


def test_table_3_has_the_published_figures_and_the_control(report: Report) -> None:
    rows = report.rows("Table 3")
    assert [rows[name][0] for name in ("Annual return", "Sharpe ratio", "Information ratio", "Max drawdown")] == [
        "29.80%", "2.53", "2.09", "-17.30%",
    ]  # fmt: skip
    assert all(rows["Annual return"][1:]) and rows["Annual return"][1] != rows["Annual return"][2]
    beside = report.rows("Table 3", table=1)
    assert len(beside) == 9 and beside["Attention-GRU, honest"][0] == rows["Annual return"][2]
    assert "Linear control, honest" in beside


def test_it_opens_with_what_survives_and_then_with_what_differs(report: Report) -> None:
    conclusion = report.found["conclusion"]
    assert conclusion.startswith("This is the thinned problem: it says nothing about the paper.")
    assert "the control linear" in conclusion and "Published annual return: 29.80%" in conclusion
    assert "Published accuracy: 99.73%; ours, honest and out of sample" in conclusion and "AUC" in conclusion
    first = report.found["sections"][0]
    assert first["title"] == "What differs from the paper"
    assert [row[0] for row in first["tables"][1]["rows"]] == ["value", "momentum", "technical", "trading", "sentiment"]


def test_real_data_are_taken_by_a_proxy_that_is_named_as_one_and_end_before_the_paper() -> None:
    problem = problem_of(whole())
    assert problem.universe == "sse50-proxy" and problem.benchmark == "000016"
    assert problem.universe_text.startswith("sse50-proxy (the data lack the members)")
    assert problem.fits == 19 and problem.end_text == ", where the data end"
    assert problem.run(problem.signal("gru"))["strategy"] == {"name": "top-n", "hold": 10, "trade": "newcomers"}


def test_a_small_budget_pays_for_the_papers_own_network_and_lists_what_is_skipped() -> None:
    listed = trainings(whole())
    assert len(listed) == 2 * len(CELLS) + 2 and len({one.name for one in listed}) == len(listed)
    both = sum(one.seconds for one in listed[:2])
    plan = plan_of(listed, both)
    assert [one.name for one in plan.chosen] == ["attention-gru-honest", "attention-gru-paper"]
    assert {one.name for one in plan.skipped} >= {"rnn-honest", "early-paper"}
    assert not plan_of(listed, PAPER.budget).skipped
