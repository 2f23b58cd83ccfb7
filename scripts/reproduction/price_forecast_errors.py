"""How well paper 2's networks forecast: errors beside those of the last close, and pictures (its 3.2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.presentation import known, number, percent
from reproduction.paper import Facts
from reproduction.price_forecast_problem import problem_of
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

if TYPE_CHECKING:
    import pandas as pd

    from engine.run_folder import Run

PICTURES = 4
"""Stocks that are drawn."""

PICTURE = "picture only"
"""What stands for a figure that the paper shows and does not print."""

Scores = dict[str, "pd.DataFrame"]


def forecasts(study: Study, facts: Facts) -> Found:
    """MAPE, R2, hits of the direction and Rank IC over the backtest; predicted against actual."""
    from signals.next_price import NextClose
    from signals.paper_checks import outcomes

    problem, symbols = problem_of(study), facts["differs"]["symbols"]
    hold = problem.holds[-1][1]
    market = study.market(symbols, problem.start, problem.end, lookback=1)
    figures: dict[str, dict[str, Any]] = {}
    scores: dict[str, Scores] = {}
    for p in PROTOCOLS:
        for name, training, signal in (("LSTM", f"list-{p}", problem.signal(p)), ("Linear", None, problem.control(p))):
            run = study.backtest(training, p, **problem.run(p, hold, symbols, signal))
            if run is None:
                continue
            made = by_decision(run)
            held = outcomes(market, made, NextClose())
            figures[f"{name} {p}"] = {**errors(held.predicted, held.actual, held.naive), **held.figures()}
            if name == "LSTM":
                scores[p] = made
    rows = []
    for key, label, write in (
        ("mape", "mean error as a share of the close (MAPE)", percent),
        ("r2", "R2 of closes, all stocks together", _four),
        ("own_r2", "R2 of a stock's closes, median", _four), ("hits", "direction of the next day told", percent),
        ("rank_ic", "Rank IC against the next day's return", _four),
    ):  # fmt: skip
        for name in ("LSTM", "Linear"):
            ours = [figures.get(f"{name} {p}", {}).get(key, SKIPPED) for p in PROTOCOLS]
            published = PICTURE if name == "LSTM" and key != "rank_ic" else None
            rows.append(Row(f"{name}: {label}", write, published, *ours))
        if key in ("mape", "r2", "own_r2", "hits"):
            word = "share of the more frequent direction" if key == "hits" else f"last close in its place: {label}"
            ours = [next((figures[f"{n} {p}"].get(f"naive_{key}") for n in ("LSTM", "Linear") if f"{n} {p}" in figures),
                         None) for p in PROTOCOLS]  # fmt: skip
            rows.append(Row(word[0].upper() + word[1:], write, None, *ours))
    text = (
        "Every forecast of the backtest beside the close that came. A level of prices is easy: the last close "
        "forecasts the next one with an R2 near 1, so only what beats it counts, and for a strategy only the "
        "direction. By the paper's procedure the network has seen nine tenths of the very closes that it forecasts."
    )
    section = Section(
        "Predicted against actual (3.2.3)", text, [three_ways("Errors of the forecasts", rows)],
        _pictures(market, scores, facts["differs"]["names"]),
    )  # fmt: skip
    return Found([section], {"figures": {k: {n: x for n, x in v.items() if known(x)} for k, v in figures.items()}})


def by_decision(run: Run) -> Scores:
    """The scores of a run by date of the decision, as a walk-forward has them."""
    parts = run.scores.set_index("symbol").groupby("date")
    return {f"{day:%Y-%m-%d}": part.drop(columns="date") for day, part in parts}


def errors(predicted: np.ndarray, actual: np.ndarray, naive: np.ndarray) -> dict[str, float]:
    """Errors of forecasts (D, N), and of the last close in their place.

    Returns
    -------
    dict
        ``mape`` and ``naive_mape``: mean absolute error over actual; ``own_r2`` and ``naive_own_r2``: R2 of one stock
        over its days, median of the stocks; ``hits``: share of the moves whose direction was told; ``naive_hits``:
        share of the more frequent direction. Where a close did not move there is no direction.
    """
    from signals.learning.figures import r_squared

    both = np.isfinite(predicted) & np.isfinite(actual) & np.isfinite(naive)
    found: dict[str, float] = {}
    for name, values in (("", predicted), ("naive_", naive)):
        found[f"{name}mape"] = _mean(np.abs(values[both] / actual[both] - 1.0))
        own = [r_squared(values[keep, i], actual[keep, i]) for i, keep in enumerate(both.T) if keep.sum() > 2]
        found[f"{name}own_r2"] = float(np.median(own)) if own else float("nan")
    moved = both & (actual != naive)
    up = (actual > naive)[moved]
    found["hits"] = _mean((predicted > naive)[moved] == up)
    found["naive_hits"] = max(_mean(up), _mean(~up)) if len(up) else float("nan")
    return found


def _mean(x: np.ndarray) -> float:
    return float(np.mean(x)) if len(x) else float("nan")


def _four(x: Any) -> str:
    return number(x, 4)


def _pictures(market: Any, scores: dict[str, Scores], names: dict[str, str]) -> list[Chart]:
    """Actual closes and both forecasts of stocks spread over the list."""
    from engine.tearsheet_charts import GRID, axis, layout_of, line
    from signals.lstm_price import predicted_and_actual
    from signals.pages import BAR, LINE, OTHER

    if not scores:
        return []
    told = [{symbol for part in made.values() for symbol in part.index} for made in scores.values()]
    there = sorted(set.intersection(*told))
    places = np.unique(np.linspace(0, len(there) - 1, PICTURES).round().astype(int)).tolist() if there else []
    chosen = [there[k] for k in places]
    shown = {p: predicted_and_actual(market, made, chosen) for p, made in scores.items()}
    charts = []
    for symbol in chosen:
        data: list[dict[str, Any]] = []
        for p, name, colour in (("honest", "honest", OTHER), ("paper", "by the paper's procedure (LEAKS)", BAR)):
            rows = shown.get(p, {}).get(symbol)
            if rows is None:
                continue
            days = np.datetime_as_string(rows["date"].to_numpy().astype("datetime64[D]")).tolist()
            if not data:
                data.append(line(days, rows["actual"].to_numpy(), "actual", LINE, "y", hover="%{y:.2f}"))
            told_of = rows["predicted"].to_numpy()
            data.append(
                line(days, told_of, f"predicted, {name}", colour, "y", hover="%{y:.2f}", line={"width": 1.1})
            )
        height = axis((0, 1), "Adjusted close, yuan", ",.4~g")
        layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=height)
        charts.append(Chart(f"{symbol} {names.get(symbol, '')}".strip(), {"data": data, "layout": layout}))
    return charts
