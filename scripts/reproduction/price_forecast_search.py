"""Paper 2's search over days, LSTM layers, dense layers and units (its 3.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.presentation import percent
from engine.tearsheet_tables import Table, table
from reproduction.paper import Facts
from reproduction.price_forecast_problem import Problem, problem_of
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

Point = tuple[dict[str, int], float]
"""A setting and the error on the days held out."""

SHOWN = 12


def search(study: Study, facts: Facts) -> Found:
    """All settings on the first stock of the list, by both ways of holding days out."""
    problem = problem_of(study)
    symbol = facts["differs"]["largest"]
    tried = {p: _tried(study, problem, facts["differs"]["symbols"], symbol, p) for p in PROTOCOLS}
    best = {p: min(points, key=lambda one: one[1]) for p, points in tried.items() if points}

    def each(say: Callable[[Sequence[Point]], Any]) -> list[Any]:
        return [say(tried[p]) if tried[p] else SKIPPED for p in PROTOCOLS]

    rows = [
        Row("Least error (MAPE)", percent, None, *each(lambda points: min(loss for _, loss in points))),
        Row("Its setting", str, None, *(words(best[p][0]) if p in best else SKIPPED for p in PROTOCOLS)),
        Row("Median error", percent, None, *each(lambda points: float(np.median([loss for _, loss in points])))),
        Row("Largest error", percent, None, *each(lambda points: max(loss for _, loss in points))),
        Row("Networks", str, "at most 2,700", *each(lambda points: f"{len(points)}, {problem.epochs} epochs each")),
    ]
    text = (
        f"One stock, {symbol}, the largest of the list, on the {problem.window} months before {problem.start}. Both "
        "protocols search the same days and differ in the tenth that judges: drawn at random among the days that "
        "are learnt from, or the last days. The paper prints neither its lists of values nor the setting it found; "
        "at 50 epochs each its 2,700 models are 54 settings, as many as ours. The backtests below take the "
        "plug-in's defaults (5 days, one LSTM layer of 32 units, one dense layer) where the budget does not pay for "
        "networks of the setting found."
    )
    charts = [_map(tried[p], f"MAPE by setting, {p}") for p in PROTOCOLS if len(tried[p]) > SHOWN]
    section = Section(
        "Search of days, LSTM layers, dense layers and units (3.2.2)", text,
        [three_ways("Search", rows), _settings(tried)], charts,
    )  # fmt: skip
    return Found([section], {"best": {p: setting for p, (setting, _) in best.items()}})


def words(setting: Mapping[str, int]) -> str:
    """``10 days, 2 LSTM, 1 dense, 32 units``."""
    layers = f"{setting['layers']} LSTM, {setting['dense_layers']} dense"
    return f"{setting['steps']} days, {layers}, {setting['units']} units"


def _tried(study: Study, problem: Problem, symbols: Sequence[str], symbol: str, protocol: str) -> list[Point]:
    from signals.lstm_price import LstmPrice
    from signals.walkforward import parallel

    training = f"search-{protocol}"
    if not study.pays(training):
        return []
    signal: Any = LstmPrice.model_validate({
        "protocol": protocol, "window": f"{problem.window}M", "epochs": problem.epochs, "stocks": (symbol,),
        "search": problem.search, "trials": problem.trials, "steps": max(LstmPrice.space["steps"]),
    })  # fmt: skip
    market = study.market(symbols, problem.start, problem.end, lookback=signal.lookback)
    t = int(np.searchsorted(market.sessions, np.datetime64(problem.start, "D")))
    with study.spending(training), parallel(study.jobs):
        study.say(f"search for {symbol}, {protocol}")
        fitted = signal.fit(market.view(t))
    return [(dict(point), float(loss)) for point, _, loss in fitted.needs().facts["tried"][symbol]]


def _settings(tried: Mapping[str, Sequence[Point]]) -> Table:
    """The best settings of the honest search, and what the other thought of them."""
    by = {p: {tuple(sorted(point.items())): loss for point, loss in tried[p]} for p in PROTOCOLS}
    first = sorted(tried["honest"] or tried["paper"], key=lambda one: one[1])[:SHOWN]
    rows = [
        [words(point), *(percent(by[p].get(tuple(sorted(point.items())))) for p in PROTOCOLS)] for point, _ in first
    ]
    head = ["Setting", "MAPE, a random tenth (LEAKS)", "MAPE, the last tenth"]
    note = f"The best {len(rows)} of {max(map(len, tried.values()))}."
    return table("The settings of least error", head, rows, note=note, kind="sides")


def _map(points: Sequence[Point], title: str) -> Chart:
    """Error by days and units (across), LSTM and dense layers (down)."""
    from signals.pages import RISING, layout

    across = sorted({(p["steps"], p["units"]) for p, _ in points})
    down = sorted({(p["layers"], p["dense_layers"]) for p, _ in points})
    error = {(p["steps"], p["units"], p["layers"], p["dense_layers"]): round(loss, 5) for p, loss in points}
    trace = {
        "type": "heatmap", "x": [f"{d} days, {u} units" for d, u in across],
        "y": [f"{n} LSTM, {k} dense" for n, k in down], "z": [[error.get((*a, *b)) for a in across] for b in down],
        "colorscale": RISING, "xgap": 1, "ygap": 1, "hovertemplate": "%{x}<br>%{y}<br>%{z:.2%}<extra></extra>",
        "colorbar": {"thickness": 12, "len": 0.8, "outlinewidth": 0, "tickformat": ".1%"},
        "texttemplate": "%{z:.1%}",
    }  # fmt: skip
    axes = {"type": "category", "showgrid": False, "automargin": True}
    return Chart(title, {"data": [trace], "layout": layout(hovermode="closest", height=380, xaxis=axes, yaxis=axes)})
