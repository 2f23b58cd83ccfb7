"""Paper 4's portfolios: by predicted class, by the strongest activations of each class, and long less short."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.comparison_charts import COLOURS
from engine.presentation import number, percent
from engine.tearsheet_charts import GRID, INK, axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction.paper import Facts
from reproduction.results import figures_of
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study
from reproduction.three_classes_problem import Problem, main_width, problem_of

if TYPE_CHECKING:
    from engine.run_folder import Run

WAYS = {"prediction": "By predicted class", "activation": "By the top 30% of each class's activation"}
CLASSES = {-1: "below -3%", 0: "between", 1: "above +3%"}
PUBLISHED = {"prediction": (0.045, "75%"), "activation": (0.09, "over 90%")}
"""Long-short return over the twelve months, and share of months in which it rose."""

_TEXT = (
    "Equal weights, set anew each month, each portfolio an account of its own after all costs. The paper gives net "
    "values as pictures; its numbers are of long less short: the value of the best portfolio over that of the worst."
)

CASH = 1e8
"""Yuan of each portfolio: lots of 100 shares then hardly matter among hundreds of stocks."""

_rate = partial(percent, digits=1)
_signed = partial(percent, digits=1, sign=True)


def runs(study: Study, facts: Facts) -> Found:
    """The six portfolios under both protocols, and the linear control's top 30 %."""
    problem, width = problem_of(study), main_width(study)
    found: dict[str, Any] = {}
    for p in PROTOCOLS:
        signal = {"name": "three-class-rnn", **problem.signal(width, p)}
        for by in WAYS:
            made = {c: study.backtest(f"{width}-{p}", p, **_run(problem, signal, _of_class(c, by))) for c in CLASSES}
            found |= {f"{by}-{c}-{p}": _told(run) for c, run in made.items()}
            top, bottom = made[1], made[-1]
            found[f"{by}-{p}"] = None if top is None or bottom is None else long_short(top, bottom)
    top_third = {"name": "top-quantile", "share": 0.3}
    found["linear"] = figures_of(study.backtest(None, "honest", **_run(problem, {"name": "linear"}, top_third)))
    return Found([], found)


def _of_class(label: int, by: str) -> dict[str, Any]:
    return {"name": "class-portfolios", "label": float(label), "by": by, "share": 0.3}


def _run(problem: Problem, signal: dict[str, Any], strategy: dict[str, Any]) -> dict[str, Any]:
    return {
        "universe": problem.universe, "benchmark": problem.benchmark, "start": problem.after, "end": problem.end,
        "rebalance": "1M", "cash": CASH, "signal": signal, "strategy": strategy,
    }  # fmt: skip


def _told(run: Run | None) -> dict[str, Any] | None:
    """The figures of a run, and how many stocks it held on average."""
    figures = figures_of(run)
    if figures is None or run is None:
        return None
    held = run.positions.groupby("date").size()
    return {**figures, "held": float(held.mean()) if len(held) else 0.0}


def long_short(top: Run, bottom: Run) -> dict[str, Any]:
    """Value of the best portfolio over that of the worst, and by month which of them earned more.

    Returns
    -------
    dict
        ``days`` and ``value`` (T,), ``total`` return over the span, a fraction, ``months`` in which the best earned
        more and of how ``many``.
    """
    from engine.measures import period_returns
    from engine.net_value_measures import long_short_value

    dates = top.equity["date"].to_numpy().astype("datetime64[D]")
    one, other = (run.equity["value"].to_numpy(dtype=float) for run in (top, bottom))
    value = long_short_value(one, other)
    ahead = period_returns(dates, one, "M")[1] > period_returns(dates, other, "M")[1]
    return {
        "days": np.datetime_as_string(dates).tolist(), "value": value.tolist(), "total": float(value[-1] - 1.0),
        "months": int(ahead.sum()), "many": len(ahead),
    }  # fmt: skip


def portfolios(study: Study, facts: Facts) -> Found:
    """Six portfolios three ways, their net values, and long less short."""
    found, sections = facts["runs"], []
    for by, title in WAYS.items():
        total, won = PUBLISHED[by]
        pairs = [found[f"{by}-{p}"] for p in PROTOCOLS]
        rows = [
            Row("Long less short over the span", _signed, total, *(one["total"] if one else SKIPPED for one in pairs)),
            Row("Months in which long beat short", str, f"{won} of 12", *(_months(one) for one in pairs)),
        ]
        for c, name in CLASSES.items():
            of = [found[f"{by}-{c}-{p}"] for p in PROTOCOLS]
            rows.append(Row(f"Portfolio '{name}': return over the span", _signed, None, *_each(of, "total_return")))
        for c, name in CLASSES.items():
            of = [found[f"{by}-{c}-{p}"] for p in PROTOCOLS]
            rows.append(Row(f"Portfolio '{name}': stocks held", partial(number, digits=0), None, *_each(of, "held")))
        charts = [chart for p in PROTOCOLS for chart in _values(study, found, by, p)]
        sections.append(Section(
            title, _TEXT, [three_ways(f"{title}: three portfolios", rows), _months_table(found, by)], charts,
        ))  # fmt: skip
    return Found(sections)


def _each(found: list[Any], key: str) -> list[Any]:
    return [one[key] if one else SKIPPED for one in found]


def _months(one: Any) -> str:
    return f"{_rate(one['months'] / one['many'])} of {one['many']}" if one else SKIPPED


def _values(study: Study, found: Any, by: str, p: str) -> list[Chart]:
    data = []
    for k, (c, name) in enumerate(CLASSES.items()):
        one = found[f"{by}-{c}-{p}"]
        if one is None:
            return []
        equity = study.load(one["run"]).equity
        days = np.datetime_as_string(equity["date"].to_numpy().astype("datetime64[D]")).tolist()
        value = equity["value"].to_numpy(dtype=float)
        data.append(line(days, value / value[0], name, COLOURS[k], "y", hover="%{y:.3f}"))
    pair = found[f"{by}-{p}"]
    value = np.array(pair["value"])
    data.append(line(pair["days"], value, "long over short", INK, "y", hover="%{y:.3f}", line={"dash": "dot"}))
    layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=axis((0, 1), "Net value", ".2f"))
    which = "paper's procedure (LEAKS)" if p == "paper" else "honest"
    return [Chart(f"{WAYS[by]}: net values, {which}", {"data": data, "layout": layout})]


def _months_table(found: Any, by: str) -> Table:
    rows = []
    for c, name in CLASSES.items():
        for p in PROTOCOLS:
            one = found[f"{by}-{c}-{p}"]
            label = f"'{name}', {p}{' (LEAKS)' * (p == 'paper')}"
            cells = [SKIPPED] * 5
            if one:
                cells = [_signed(one["excess_total_return"]), number(one["sharpe"]), percent(one["max_drawdown"]),
                         number(one["information_ratio"]), number(one["turnover"], 1)]  # fmt: skip
            rows.append([label, *cells])
    head = ["Portfolio", "Over the benchmark", "Sharpe", "Max drawdown", "Information ratio", "Turnover a year"]
    return table(f"{WAYS[by]}: risk and costs", head, rows)
