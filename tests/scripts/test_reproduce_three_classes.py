"""Paper 4's report on the thinned problem, its plan, and its long-short by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from quick_report import Report, quick_report

from reproduction.budget import plan_of
from reproduction.three_classes import PAPER, trainings
from reproduction.three_classes_portfolios import long_short
from reproduction.three_classes_problem import main_width, problem_of


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")
    return quick_report("three-class", tmp_path_factory.mktemp("paper-4"))


def whole(budget: float | None = None, data: str = "../shared/data") -> Any:
    study = SimpleNamespace(quick=False, data=data)
    if budget is not None:
        study.plan = plan_of(trainings(study), budget)
    return study


def test_held_out_accuracy_stands_three_ways_beside_base_rates(report: Report) -> None:
    rows = report.rows("Loss and accuracy by iteration")
    assert rows["2 x 16: accuracy held out"][0] == rows["2 x 16: accuracy in the sample"][0] == "85% to 90%"
    assert rows["2 x 16: accuracy out of sample"][0] == "above 50%"
    assert all("skipped" not in row and "n/a" not in row for row in rows.values())
    facts = report.found["facts"]
    random, by_time = (facts[f"wide-{p}"]["validation"]["accuracy"] for p in ("paper", "honest"))
    assert rows["2 x 16: accuracy held out"][1:] == [f"{random:.1%}", f"{by_time:.1%}"]


def test_the_papers_training_is_so_many_random_batches_and_the_honest_one_may_stop(report: Report) -> None:
    facts = report.found["facts"]
    assert facts["wide-paper"]["iterations"] == 12 and facts["wide-paper"]["epochs"] == 4
    assert facts["wide-honest"]["iterations"] == 3 * facts["wide-honest"]["epochs"] <= 18
    curves = facts["wide-paper"]["curves"]
    assert {len(values) for values in curves.values()} == {4} and "validation_accuracy" in curves


def test_only_the_papers_split_draws_from_all_months(report: Report) -> None:
    facts = report.found["facts"]
    samples = {p: facts[f"wide-{p}"]["samples"] + facts[f"wide-{p}"]["held"] for p in ("paper", "honest")}
    assert facts["wide-paper"]["held"] == pytest.approx(0.1 * samples["paper"], abs=1)
    assert facts["wide-paper"]["validation"]["base_rate"] != facts["wide-honest"]["validation"]["base_rate"]
    rows = report.rows("How much of the accuracy the random split makes")
    assert "2 x 8, 3 passes over all samples: held-out accuracy" in rows
    assert rows["Held-out accuracy above the most frequent class"][1:] == [
        percent_of(facts, "paper"), percent_of(facts, "honest"),
    ]  # fmt: skip


def percent_of(facts: Any, protocol: str) -> str:
    held = facts[f"wide-{protocol}"]["validation"]
    edge = round(held["accuracy"] - held["base_rate"], 3) + 0.0
    return f"{edge:+.1%}" if edge else "0.0%"


def test_each_month_after_the_fit_has_its_accuracy(report: Report) -> None:
    rows = report.rows("Accuracy by month out of sample")
    assert list(rows)[:6] == ["2016-04", "2016-05", "2016-06", "2016-07", "2016-08", "2016-09"]
    assert rows["All months"][0] == "above 50%"
    facts = report.found["facts"]["wide-honest"]
    assert rows["2016-07"][2] == f"{facts['accuracy'][3]:.1%}"
    assert sum(facts["classes"]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("title", "total", "won"),
    [("By predicted class", "+4.5%", "75% of 12"), ("By the top 30%", "+9.0%", "over 90% of 12")],
)
def test_three_portfolios_and_long_less_short_stand_beside_the_published(
    report: Report, title: str, total: str, won: str
) -> None:
    rows = report.rows(title)
    assert rows["Long less short over the span"][0] == total
    assert rows["Months in which long beat short"][0] == won
    assert rows["Months in which long beat short"][1].endswith(" of 6")
    for name in ("below -3%", "between", "above +3%"):
        assert all(text not in ("", "skipped", "n/a") for text in rows[f"Portfolio '{name}': return over the span"][1:])
    if title == "By the top 30%":
        ends = [rows[f"Portfolio '{name}': stocks held"][1:] for name in ("below -3%", "above +3%")]
        held = [float(text) for row in ends for text in row]
        assert max(held) - min(held) < 2.0


def account(values: list[float]) -> Any:
    days = pd.to_datetime(["2016-04-29", "2016-05-16", "2016-05-31", "2016-06-30"])
    return SimpleNamespace(equity=pd.DataFrame({"date": days, "value": values}))


def test_long_short_is_the_ratio_of_values_and_a_month_is_won_by_its_return() -> None:
    found = long_short(account([100.0, 120.0, 110.0, 121.0]), account([200.0, 200.0, 210.0, 252.0]))
    assert found["value"] == pytest.approx([1.0, 1.2, 1.1 / 1.05, 1.21 / 1.26])
    assert found["total"] == pytest.approx(1.21 / 1.26 - 1.0)
    assert (found["months"], found["many"]) == (1, 2)  # +10 % over +5 %, then +10 % under +20 %


def test_input_weights_are_shown_by_iteration_and_factors_by_their_share(report: Report) -> None:
    facts = report.found["facts"]["wide-honest"]
    assert sum(facts["contribution"].values()) == pytest.approx(1.0)
    assert len(facts["contribution"]) == len(facts["factors"])
    recorded = facts["charts"]["weights"]["data"][0]
    assert recorded["x"][0] == 0 and recorded["x"][-1] == facts["iterations"]
    assert "Input weights of the first layer (input gate) by iteration" in report.page
    groups = report.rows("Inside the network")
    assert len(groups) == 10 and groups["earnings quality"][1] == "no factor"


def test_it_opens_with_what_survives_and_then_with_what_differs(report: Report) -> None:
    conclusion = report.found["conclusion"]
    assert conclusion.startswith("This is the thinned problem: it says nothing about the paper.")
    assert "the control linear" in conclusion and "Published held-out accuracy: 85% to 90%; ours" in conclusion
    assert "9.0% over the year, over 90% of months won" in conclusion
    first = report.found["sections"][0]
    assert first["title"] == "What differs from the paper"
    rows = {row[0]: row[1:] for row in first["tables"][0]["rows"]}
    assert rows["Learnt from"][0] == "2007-05 to 2016-04" and "2011" in rows["Learnt from"][1]
    assert rows["Held out"][1].endswith("(leak)") and rows["Held out"][2] != rows["Held out"][1]


def test_the_whole_problem_is_the_papers() -> None:
    problem = problem_of(whole())
    assert problem.drawn == 100 and problem.units["wide"] == 400
    assert (problem.universe, problem.start, problem.after, problem.end) == (
        "all", "2016-04-29", "2016-04-30", "2017-04-28",
    )  # fmt: skip
    paper = problem.signal("wide", "paper")
    assert paper["epochs"] * paper["batches"] == 100 and paper["patience"] == 0
    assert problem.signal("wide", "honest")["patience"] > 0


def test_a_small_budget_falls_back_to_the_narrow_network_and_lists_the_papers_as_skipped() -> None:
    small = whole(120.0)
    assert main_width(small) == "narrow" and {"wide-honest", "wide-paper"} <= {one.name for one in small.plan.skipped}
    assert main_width(whole(PAPER.budget)) == "wide" and not whole(PAPER.budget).plan.skipped


def test_the_papers_100_batches_are_expected_to_cost_what_was_measured() -> None:
    """A batch of 1,000 took 3.5 CPU seconds in float32 with 2 x 400, and 0.21 with 2 x 64."""
    problem = problem_of(whole())
    assert 350.0 < problem.cost("wide", "paper") < 900.0
    assert 21.0 < problem.cost("narrow", "paper") < 50.0
