"""``scripts/reproduce.py``: the budget, steps that are kept, tables three ways, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from user_script import run_script

from engine.errors import ConfigError
from engine.presentation import percent
from engine.tearsheet_tables import Cell, table
from reproduction import paper as papers
from reproduction.budget import Training, duration, plan_of, seconds_of
from reproduction.page import to_json, write_page
from reproduction.paper import Paper, Step
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, from_plain, three_ways, to_plain
from reproduction.study import Study

DATA = "synthetic:stocks=20,start=2016-01-04,end=2016-12-30"


def test_a_budget_takes_trainings_in_order_and_a_smaller_one_after_one_that_does_not_fit() -> None:
    trainings = [Training("a", "first", 50.0), Training("b", "dear", 60.0), Training("c", "cheap", 40.0)]
    plan = plan_of(trainings, 100.0)
    assert [one.name for one in plan.chosen] == ["a", "c"] and [one.name for one in plan.skipped] == ["b"]
    assert plan.seconds == 90.0 and "a" in plan and "b" not in plan


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200.0), ("90m", 5400.0), ("1h30m", 5400.0), ("600s", 600.0), ("0.5h", 1800.0)]
)
def test_a_budget_is_written_in_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 days", "-1h", "1h 30m"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="no CPU time; write 2h, 90m, 1h30m or 600s"):
        seconds_of(text)


def test_durations_are_written_in_the_unit_that_suits() -> None:
    assert [duration(x) for x in (45.4, 720.0, 9000.0)] == ["45 s", "12 min", "2.5 h"]


def test_a_table_shows_three_figures_and_says_where_there_is_none() -> None:
    rows = [Row("Return", percent, 0.1, 0.2, None), Row("Drawdown", percent, None, SKIPPED, -0.3)]
    found = three_ways("Title", rows)
    assert found.head == ["", "Published", "Ours by the paper's procedure (LEAKS)", "Ours, honest"]
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["Return", "10.00%", "20.00%", "n/a"], ["Drawdown", "", "skipped", "-30.00%"],
    ]  # fmt: skip


def test_what_a_step_found_comes_back_from_json_as_it_was() -> None:
    cells = [["a", Cell("b", colour="#fff", kind="up")]]
    chart = Chart("Curve", {"data": [{"y": [1.0, None]}], "layout": {}}, "note")
    before = Found([Section("S", "text", [table("T", ["", "x"], cells, note="n")], [chart])], {"x": [1, "two"]})
    after = from_plain(json.loads(json.dumps(to_plain(before))))
    assert to_plain(after) == to_plain(before) and after.sections[0].tables[0] == before.sections[0].tables[0]


# -- a paper of the tests' own -----------------------------------------------------------------------


class Steps:
    """Two steps that count their calls; the second can be made to die."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.dies = False

    def first(self, study: Study, facts: Any) -> Found:
        self.calls.append("first")
        run = study.backtest(
            None, "honest", universe="all", start="2016-06-01", end="2016-09-30", benchmark="000300",
            signal="reversal-20d", strategy={"name": "top-n", "hold": 5},
        )  # fmt: skip
        assert run is not None and study.backtest("dear", "honest") is None
        return Found([Section("First", "words")], {"value": run.result["headline"]["final_value"]})

    def second(self, study: Study, facts: Any) -> Found:
        self.calls.append("second")
        if self.dies:
            raise KeyboardInterrupt
        with study.spending("cheap"):
            pass
        return Found([Section("Second", f"{facts['first']['value']:.2f}")], {})

    def paper(self) -> Paper:
        return Paper(
            title="A paper", source="nowhere", budget=100.0, quick_budget=100.0, quick_data=DATA,
            steps=(Step("first", "first", self.first), Step("second", "second", self.second)),
            trainings=lambda study: [Training("cheap", "a cheap one", 10.0), Training("dear", "a dear one", 1000.0)],
            conclusion=lambda study, facts: f"It ended at {facts['first']['value']:.2f}.",
        )  # fmt: skip


def studied(steps: Steps, folder: Path) -> dict[str, Any]:
    study = Study("own", steps.paper(), DATA, folder, quick=True, budget=100.0)
    found = study.results()
    conclusion = study.paper.conclusion(study, {name: one.facts for name, one in found.items()})
    write_page(study, found, conclusion)
    return to_json(study, found, conclusion)


def test_a_report_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    steps = Steps()
    steps.dies = True
    with pytest.raises(KeyboardInterrupt):
        studied(steps, tmp_path / "killed")
    steps.dies = False
    resumed = studied(steps, tmp_path / "killed")
    assert steps.calls == ["first", "second", "second"]
    assert studied(Steps(), tmp_path / "whole") == resumed
    again = Steps()
    assert studied(again, tmp_path / "killed") == resumed and again.calls == []


def test_another_budget_makes_the_steps_anew(tmp_path: Path) -> None:
    steps = Steps()
    studied(steps, tmp_path)
    study = Study("own", steps.paper(), DATA, tmp_path, quick=True, budget=5.0)
    study.results()
    assert steps.calls == ["first", "second"] * 2 and [one.name for one in study.plan.skipped] == ["cheap", "dear"]


def test_the_page_opens_with_the_conclusion_and_ends_with_what_was_skipped(tmp_path: Path) -> None:
    shown = studied(Steps(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.index("What survives") < page.index(shown["conclusion"]) < page.index("<h2>First</h2>")
    assert page.index("<h2>Second</h2>") < page.index("a cheap one") < page.index("a dear one") < page.index("skipped")
    assert "thinned (--quick)" in page and shown["budget"]["skipped"] == ["dear"]


def test_every_paper_has_a_report_whose_full_budget_is_over_the_quick_one() -> None:
    for name in papers.MODULES:
        found = papers.paper_of(name)
        assert found.budget > found.quick_budget > 0.0 and len({step.name for step in found.steps}) == len(found.steps)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lstm-residual-valu"], "no report of a paper 'lstm-residual-valu'; did you mean 'lstm-residual-value'?"),
        (["three-class", "--budget", "soon"], "--budget 'soon' is no CPU time; write 2h, 90m, 1h30m or 600s"),
        (["three-class", "--out", "taken"], "--out 'taken' is a file; give a folder"),
        (["attention-gru", "--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "taken").write_text("")
    done = run_script("reproduce", tmp_path, *arguments)
    assert done.code == 2 and done.err.startswith("error: ") and done.err.count("\n") == 1
    assert sentence in done.err and not (tmp_path / "reports").exists()
