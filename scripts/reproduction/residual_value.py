"""Paper 1: an LSTM of next month's market value. What it trains, its main runs, and what is concluded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.presentation import number, percent
from engine.tearsheet_tables import Table, table
from feeds.synthetic_feed import is_spec
from reproduction.budget import Training
from reproduction.paper import Facts, Paper, Step
from reproduction.residual_value_fit import PUBLISHED_VALIDITY, fit, screening
from reproduction.residual_value_problem import Problem, problem_of
from reproduction.residual_value_search import (
    PUBLISHED_FINAL,
    PUBLISHED_SEARCHED,
    PUBLISHED_STATIC,
    holdings,
    rolling,
    static_sets,
)
from reproduction.results import claim, curves, figure, figures_of, survives
from reproduction.sections import Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

FEW = 4
"""Windows searched before the dearer static sets are trained: a small budget then has both."""

CONTROL = "signals.lstm_residual_value:LinearResidualValue"


def trainings(study: Study) -> list[Training]:
    """The main runs first; paper 1's full grid, the dearest, last."""
    problem = problem_of(study)
    walk = problem.windows
    one, once = walk * problem.cost(2), problem.cost(2, months=int(problem.table_5[0][:-1]))
    found = [Training(f"static-2-{p}", f"static set 2 in {walk} windows, {p}", one) for p in PROTOCOLS]
    found += [Training(f"fit-{p}", f"one fit of {problem.table_5[0]} (table 5), {p}", once) for p in PROTOCOLS]
    found.append(Training("in-sample", "one fit on the whole span, for the check of validity, paper",
                          problem.cost(2, months=108)))  # fmt: skip
    for p in PROTOCOLS:
        cost = walk * problem.cost(2, months=20)
        found.append(Training(f"twenty-{p}", f"static set 2 in {walk} windows of 20 months, {p}", cost))
    searched = problem.searches("halving", "honest", 12)
    found += searched[:FEW]
    for p in reversed(PROTOCOLS):
        found.append(Training(f"second-{p}", f"static set 2 on {problem.second}, {p}", one * problem.second_size))
        for k in (1, 3):
            found.append(Training(f"static-{k}-{p}", f"static set {k} in {walk} windows, {p}", walk * problem.cost(k)))
    found += searched[FEW:] + problem.searches("halving", "paper", 12)
    found += problem.searches("grid", "honest", 12) + problem.searches("halving", "honest", 20)
    return found + problem.searches("grid", "paper", 12) + problem.searches("halving", "paper", 20)


def main_runs(study: Study, facts: Facts) -> Found:
    """Static set 2 and the linear control under both protocols, and what differs from the paper."""
    problem = problem_of(study)
    lstm = {p: study.backtest(f"static-2-{p}", p, **problem.run(p, problem.hold)) for p in PROTOCOLS}
    control = {p: study.backtest(None, p, **problem.run(p, problem.hold, signal={"name": CONTROL})) for p in PROTOCOLS}
    found = {p: figures_of(lstm[p]) for p in PROTOCOLS}
    straight = {p: figures_of(control[p]) for p in PROTOCOLS}
    rows = []
    for label, key, write in (
        ("Annual return", "annual_return", percent), ("Max drawdown", "max_drawdown", percent),
        ("Excess over the benchmark a year", "excess_annual_return", percent), ("Sharpe ratio", "sharpe", number),
        ("Turnover a year, two-sided", "turnover", number),
    ):  # fmt: skip
        published = {"annual_return": PUBLISHED_STATIC[2][1], "max_drawdown": -PUBLISHED_STATIC[2][2]}.get(key)
        rows.append(Row(f"LSTM, set 2: {label.lower()}", write, published, *(figure(found[p], key) for p in PROTOCOLS)))
    for label, key in (("annual return", "annual_return"), ("excess a year", "excess_annual_return")):
        rows.append(Row(f"Linear control: {label}", percent, None, *(figure(straight[p], key) for p in PROTOCOLS)))
    missing = _missing(study, problem)
    title = f"Headline: {problem.hold} stocks of {problem.universe}, every three months"
    sections = [
        Section("What differs from the paper", tables=[_differs(study, problem, lstm, missing)]),
        Section(
            title,
            "Static set 2 of table 8, the paper's best one; the control is a straight line through the same inputs.",
            [three_ways("After all costs", rows)],
            [curves("Net value", {"LSTM, paper's procedure (LEAKS)": lstm["paper"], "LSTM, honest": lstm["honest"],
                                  "Linear, honest": control["honest"]})],
        ),
    ]  # fmt: skip
    return Found(sections, {"lstm": found, "control": straight})


def second_universe(study: Study, facts: Facts) -> Found:
    """The paper's own universe, as far as the data cover it."""
    problem = problem_of(study)
    runs = {
        p: study.backtest(f"second-{p}", p, **problem.run(p, problem.hold, second=True)) for p in PROTOCOLS
    }
    covered = next((run.result["coverage"] for run in runs.values() if run is not None), None)
    rows = [
        Row(label, percent, published, *(figure(figures_of(runs[p]), key) for p in PROTOCOLS))
        for label, key, published in (
            ("Annual return", "annual_return", PUBLISHED_STATIC[2][1]),
            ("Max drawdown", "max_drawdown", -PUBLISHED_STATIC[2][2]),
            ("Excess over the benchmark a year", "excess_annual_return", None),
        )
    ]  # fmt: skip
    title = f"{problem.second}: the data cover {percent(covered, 0)} of the memberships"
    text = (
        "The paper's universe. Quarterly figures and PE cover CSI 300 members and a minority of the others in free "
        "data, so that many inputs are missing here; it stands second for that reason."
    )
    return Found([Section(title, text, [three_ways("Static set 2", rows)])], {})


def _missing(study: Study, problem: Problem) -> str:
    from engine import plugins
    from engine.config import PluginConfig

    market = study.market(problem.universe, problem.start, problem.end, lookback=400, benchmark=problem.benchmark)
    signal: Any = plugins.build("signal", PluginConfig(name=CONTROL))
    have = signal.on(market.view(len(market.sessions) - 1)).factors
    return ", ".join(name for name in signal.wanted if name not in have) or "none"


def _differs(study: Study, problem: Problem, runs: dict[str, Any], missing: str) -> Table:
    run = next((one for one in runs.values() if one is not None), None)
    covered = "n/a" if run is None else percent(run.result["coverage"], 1)
    source = "synthetic market" if is_spec(study.data) else f"folder {Path(study.data).name}"
    rows = [
        ["Universe", "CSI 500", *[f"{problem.universe}; CSI 500 second"] * 2],
        ["Span", "2013-01 to 2022-12", *[f"{problem.start} to {problem.end}"] * 2],
        ["Data", "AKShare", *[f"{source}, {covered} of the memberships have bars"] * 2],
        ["Factors of its table 4", "17", *[f"17 less {missing}"] * 2],
        ["Missing values", "mean of the stock's other factors", "the same", "0 after standardising"],
        ["Training windows", "12 months", *[f"12 months, {problem.windows} windows"] * 2],
        ["Validation", "not told", "a tenth at random", "the last tenth of the months"],
        ["Optimizer, epochs", "not told", *[f"Adam, at most {problem.epochs}, early stopping"] * 2],
        ["Fill", "open of the rebalance day", "next open, price limits ignored", "next open, price limits held"],
        ["Costs", "stamp duty, transfer fee, commission, slippage", *["dated fees, 5 basis points of slippage"] * 2],
    ]
    return table(
        "What differs", ["", "The paper", "Ours, paper's procedure", "Ours, honest"], rows, texts=4, kind="sides"
    )


def conclusion(study: Study, facts: Facts) -> str:
    """What survives of the honest run, and the published figures beside ours."""
    honest, control = facts["main"]["lstm"]["honest"], facts["main"]["control"]["honest"]
    valid = facts["fit"]["validity"]

    def returns(runs: Mapping[str, Any]) -> list[Any]:
        return [figure(runs[p], "annual_return") for p in PROTOCOLS]

    claims = [
        claim("annual return of static set 2", PUBLISHED_STATIC[2][1], *returns(facts["main"]["lstm"])),
        claim("with parameters searched in each window", PUBLISHED_SEARCHED[1], *returns(facts["rolling"]["runs"])),
        claim("of the final model of 5 stocks", PUBLISHED_FINAL[0], *returns(facts["holdings"]["final"])),
        f"Published check of validity: {PUBLISHED_VALIDITY}; honestly {number(valid['honest'], 3)}, and "
        f"{number(valid['paper'], 3)} where the model is judged on the months it was fitted on.",
    ]
    return survives(study, honest, ("linear", control) if control else None, claims)


PAPER = Paper(
    title="Paper 1: LSTM residual market value",
    source="A multi-factor stock selection model on an LSTM, CSI 500, 2012 to 2022",
    budget=3 * 3600.0,
    quick_budget=40.0,
    quick_data="synthetic:stocks=60,seed=3",
    steps=(
        Step("main", "main runs", main_runs),
        Step("screening", "table 3, factors", screening),
        Step("fit", "table 5 and the check of validity", fit),
        Step("static", "table 9, static sets", static_sets),
        Step("rolling", "table 11, searched windows", rolling),
        Step("holdings", "table 13 and the final model", holdings),
        Step("second", "second universe", second_universe),
    ),
    trainings=trainings,
    conclusion=conclusion,
)
