"""Paper 2's backtests (its charts 4.2.1 to 4.2.4): 20, 30, 50 and 100 stocks, every day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.drawdowns import max_drawdown
from engine.presentation import known, number, percent
from engine.tearsheet_tables import Table
from reproduction.paper import Facts
from reproduction.price_forecast_errors import PICTURE
from reproduction.price_forecast_problem import Problem, problem_of
from reproduction.results import curves, figures_of
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

if TYPE_CHECKING:
    from engine.run_folder import Run

Runs = dict[str, list["Run"]]
"""By protocol, one for each number of holdings; empty where the budget did not pay."""

FIGURES = (
    ("annual_return", "annual return", percent), ("excess_annual_return", "excess over the CSI 300 a year", percent),
    ("sharpe", "Sharpe ratio", number), ("max_drawdown", "largest drawdown", percent),
    ("fall_2021", "largest drawdown within 2021", percent), ("turnover", "turnover a year, times the account", number),
)  # fmt: skip


def portfolios(study: Study, facts: Facts) -> Found:
    """The four portfolios on the list and on the whole universe; the largest by other settings, fees and models."""
    problem, symbols = problem_of(study), facts["differs"]["symbols"]
    holds = [ours for _, ours in problem.holds]
    made = {
        "list": _runs(study, problem, "list", symbols, holds, {p: problem.signal(p) for p in PROTOCOLS}),
        "best": _runs(study, problem, "best", symbols, holds[-1:], {
            p: problem.signal(p, **best) for p, best in facts["search"]["best"].items() if best
        }),
        "whole": _runs(study, problem, "whole", problem.universe, [theirs for theirs, _ in problem.holds],
                       {p: problem.signal(p) for p in PROTOCOLS}),
    }  # fmt: skip
    control = {
        p: study.backtest(None, p, **problem.run(p, holds[-1], symbols, problem.control(p))) for p in PROTOCOLS
    }
    more = {fees: _costs(study, problem, symbols, fees) for fees in ("zero", "a-share")}
    found = {name: {p: [_figures(run) for run in runs] for p, runs in by.items()} for name, by in made.items()}
    straight = {p: _figures(run) for p, run in control.items() if run is not None}
    sections = [
        Section(
            "Charts 4.2.1 to 4.2.4: daily portfolios", _text(problem),
            [_sides(problem, found["list"]), _sentences(found["list"])], _charts(problem, made["list"], control),
        ),
        Section(
            "What the costs take, and the control",
            "The same forecasts of the headline portfolio without costs and under the fees in force on each day, "
            "and least squares on the same inputs in the network's place.",
            [_beside(problem, found, straight, more)],
        ),
        Section(
            f"The networks of {problem.words}", "The paper's own numbers of holdings.",
            [_whole(problem, found["whole"])],
            _charts(problem, made["whole"], {}),
        ),
    ]  # fmt: skip
    return Found(sections, {"runs": found, "control": straight["honest"], "gross": more["zero"]["honest"]})


def _runs(
    study: Study, problem: Problem, training: str, universe: str | Sequence[str], holds: Sequence[int],
    signals: Mapping[str, dict[str, Any]],
) -> Runs:  # fmt: skip
    found: Runs = {}
    for p in PROTOCOLS:
        paid = p in signals and study.pays(f"{training}-{p}")
        runs = [
            study.backtest(f"{training}-{p}", p, **problem.run(p, hold, universe, signals[p])) for hold in holds if paid
        ]
        found[p] = [run for run in runs if run is not None]
    return found


def _costs(study: Study, problem: Problem, symbols: Sequence[str], fees: str) -> dict[str, Any]:
    """The headline portfolio under other fees, by protocol; None where its networks were not paid for."""
    hold = problem.holds[-1][1]
    runs = {
        p: study.backtest(f"list-{p}", p, **problem.run(p, hold, symbols, problem.signal(p), fees=fees))
        for p in PROTOCOLS
    }
    return {p: None if run is None else _figures(run) for p, run in runs.items()}


def _figures(run: Run) -> dict[str, Any]:
    dates = run.equity["date"].to_numpy().astype("datetime64[D]")
    found = figures_of(run) or {}
    return {**found, "fall_2021": fall_within(dates, run.equity["value"].to_numpy(dtype=float), 2021)}


def fall_within(dates: np.ndarray, value: np.ndarray, year: int) -> float | None:
    """The largest drawdown (at most 0) within a year, from the last value before it on; None without the year."""
    inside = np.flatnonzero(dates.astype("datetime64[Y]").astype(int) + 1970 == year)
    if not len(inside):
        return None
    return float(max_drawdown(value[max(inside[0] - 1, 0) : inside[-1] + 1]).depth)


def beaten(runs: Sequence[Mapping[str, Any]]) -> str:
    """How many of the portfolios beat the benchmark, in words."""
    if not runs:
        return "not computed"
    return _count(runs, "excess_annual_return", 0.0)


# -- tables ----------------------------------------------------------------------------------------


def _text(problem: Problem) -> str:
    return (
        "Equal weights of the highest forecasts over last close, new every day, filled at the next day's close. The "
        "paper prints four pictures and no figures. It holds 20, 30, 50 and 100 of 300 stocks; ours are the same "
        f"shares of the list of {problem.listed}. What is forecast is the very close at which the order is filled: "
        "the move has passed before the stock is held."
    )


def _sides(problem: Problem, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    rows = []
    for k, (theirs, ours) in enumerate(problem.holds):
        for key, words, write in FIGURES:
            sides = [found[p][k].get(key) if found[p] else SKIPPED for p in PROTOCOLS]
            published = PICTURE if key != "turnover" else None
            rows.append(Row(f"Hold {theirs} (ours {ours}): {words}", write, published, *sides))
    return three_ways("After the paper's costs", rows)


def _sentences(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """What the paper's 4.3 says of its pictures."""
    told: tuple[tuple[str, str, Callable[[Sequence[Mapping[str, Any]]], str]], ...] = (
        ("Portfolios above the CSI 300", "all four", beaten),
        ("The largest portfolio earns most", "yes", _largest_best),
        ("Sharpe ratios above 0", "all four are 'good'", lambda runs: _count(runs, "sharpe", 0.0)),
        ("Falls of 10 % or more within 2021", "all four fall much", _falls),
    )
    rows = [
        Row(words, str, published, *(say(found[p]) if found[p] else SKIPPED for p in PROTOCOLS))
        for words, published, say in told
    ]
    return three_ways("What the paper says of them (4.3)", rows)


def _largest_best(runs: Sequence[Mapping[str, Any]]) -> str:
    returns = [one["annual_return"] for one in runs]
    return "yes" if returns[-1] == max(returns) else "no"


def _count(runs: Sequence[Mapping[str, Any]], key: str, above: float) -> str:
    return f"{sum(known(one[key]) and one[key] > above for one in runs)} of {len(runs)}"


def _falls(runs: Sequence[Mapping[str, Any]]) -> str:
    falls = [one["fall_2021"] for one in runs]
    return f"{sum(x <= -0.1 for x in falls)} of {len(falls)}" if all(map(known, falls)) else "n/a"


def _beside(
    problem: Problem, found: Mapping[str, Any], straight: Mapping[str, Mapping[str, Any]], more: Mapping[str, Any]
) -> Table:
    hold = f"hold {problem.holds[-1][0]} (ours {problem.holds[-1][1]})"
    sides = {
        "the network": {p: runs[-1] for p, runs in found["list"].items() if runs},
        "the network, no costs at all": more["zero"],
        "the network, dated fees, commission 0.025 %": more["a-share"],
        "the network of the searched setting": {p: runs[-1] for p, runs in found["best"].items() if runs},
        "least squares": straight,
    }
    rows = []
    for name, by in sides.items():
        for key, words, write in FIGURES[:2]:
            ours = [SKIPPED if by.get(p) is None else by[p].get(key) for p in PROTOCOLS]
            rows.append(Row(f"{hold}, {name}: {words}", write, None, *ours))
    return three_ways("Costs and control", rows)


def _whole(problem: Problem, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    rows = []
    for k, (theirs, _) in enumerate(problem.holds):
        for key, words, write in FIGURES[:4] if any(found.values()) else FIGURES[:1]:
            sides = [found[p][k].get(key) if found[p] else SKIPPED for p in PROTOCOLS]
            rows.append(Row(f"Hold {theirs}: {words}", write, PICTURE, *sides))
    return three_ways("After the paper's costs", rows)


def _charts(problem: Problem, made: Runs, control: Mapping[str, Run | None]) -> list[Chart]:
    titles = {"paper": "Net value by the paper's procedure (LEAKS)", "honest": "Net value, honest"}
    charts = []
    for p in PROTOCOLS:
        if not made[p]:
            continue
        runs: dict[str, Run | None] = {
            f"hold {theirs}": run for (theirs, _), run in zip(problem.holds, made[p], strict=True)
        }
        if control:
            runs[f"least squares, hold {problem.holds[-1][0]}"] = control[p]
        chart = curves(titles[p], runs)
        chart.figure["layout"]["yaxis"] |= {"type": "log"}
        charts.append(chart._replace(note="Logarithmic scale."))
    return charts
