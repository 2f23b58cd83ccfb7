"""Paper 3, charts 16 to 24: how often the models are right out of sample, and the LSTM looked into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.comparison_charts import COLOURS
from engine.presentation import number, percent
from engine.tearsheet_charts import GRID, axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction import top_bottom_published as published
from reproduction.paper import Facts
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways, written
from reproduction.study import PROTOCOLS, Study
from reproduction.top_bottom_differs import differs
from reproduction.top_bottom_problem import EXCLUDE, NAMES, STAND_IN, Model, models_of, problem_of
from reproduction.top_bottom_weights import inside
from signals.learning.figures import mean

if TYPE_CHECKING:
    from _train_walk import Walked

FIGURES = ("accuracy", "auc")
LOOKED_INTO = "lstm"
"""The network of charts 18 to 24."""


def step(study: Study, facts: Facts) -> Found:
    """Train and score every model that the budget pays for."""
    problem, found, looked = problem_of(study), {}, {}
    seen: dict[str, dict[str, Any]] = {}
    for model, protocol, how in models_of(study):
        params = {name: value for name, value in how.signal.items() if name != "name"}
        walked = study.walk(
            how.training, how.signal["name"], protocol, universe=problem.universe, start=problem.start,
            end=problem.end, exclude=EXCLUDE, **params,
        )  # fmt: skip
        assert walked is not None
        found[f"{model}-{protocol}"] = by_month(walked) | {"mark": how.mark}
        seen.setdefault(protocol, _seen(walked, how))
        if model == LOOKED_INTO:
            looked[protocol] = next(iter(walked.walk.fitted.values()))
    everything = {key: {name: mean(one[name]) for name in (*FIGURES, "rank_ic")} for key, one in found.items()}
    sections = [
        Section("What differs", tables=[differs(study, seen)]),
        Section(
            "Charts 16 and 17: right answers and AUC out of sample",
            "Of the stocks that turned out in the best or the worst 30 %, the share told right, and the probability "
            "that one of the best scores above one of the worst; means over the months. Always giving the same answer "
            "is right half the time.",
            [_three_ways(everything, found), *(_by_stage(problem.stages, found, name) for name in FIGURES)],
            [_months_chart(found, protocol) for protocol in PROTOCOLS if any(k.endswith(protocol) for k in found)],
        ),
        *inside(looked),
    ]
    return Found(sections, {"all": everything, "months": found})


def by_month(walked: Walked) -> dict[str, Any]:
    """Days of the decisions whose outcome is known, and the figures of each."""
    known = walked.known
    rows = [(str(day), known.figures(np.array([k]))) for k, day in enumerate(known.days)]
    rows = [(day, one) for day, one in rows if one["decisions"]]
    return {"days": [day for day, _ in rows]} | {
        name: [one[name] for _, one in rows] for name in (*FIGURES, "rank_ic")
    }


def _seen(walked: Walked, how: Model) -> dict[str, Any]:
    """What the table of differences says of the data."""
    from feeds.survivorship import coverage_numbers

    last = list(walked.walk.fitted.values())[-1]
    first, end = np.datetime64(next(iter(walked.walk.scores))), walked.market.sessions[-1]
    return {
        "first": str(first), "last": str(end), "coverage": coverage_numbers(walked.market, first, end, figures=False),
        "used": len(last.factors), "left_out": list(last.left_out), "window": last.window,
        "data_from": str(walked.market.sessions[0]), "features": len(last.needs().facts["features"]),
    }  # fmt: skip


def _three_ways(everything: Mapping[str, Mapping[str, float]], found: Mapping[str, Any]) -> Table:
    rows = []
    for name, label, printed, write in (
        ("accuracy", "right answers", published.ACCURACY, percent), ("auc", "AUC", published.AUC, _four),
    ):  # fmt: skip
        for model, shown in NAMES.items():
            ours = [_cell(everything, found, f"{model}-{protocol}", name, write) for protocol in PROTOCOLS]
            rows.append(Row(f"{shown}: {label}", write, printed.get(model), *ours))
    return three_ways("Means over all months", rows, _note(found))


def _cell(everything: Mapping[str, Any], found: Mapping[str, Any], key: str, name: str, write: Any) -> str:
    if key not in everything:
        return SKIPPED
    return written(write, everything[key][name]) + found[key]["mark"]


def _note(found: Mapping[str, Any]) -> str:
    return STAND_IN if any(one["mark"] for one in found.values()) else ""


def _four(x: float) -> str:
    return number(x, 4)


def _by_stage(stages: tuple[int, ...], found: Mapping[str, Any], name: str) -> Table:
    write = percent if name == "accuracy" else _four
    rows = []
    for key, one in found.items():
        model, protocol = key.rsplit("-", 1)
        years = np.array(one["days"], dtype="datetime64[Y]").astype(int) + 1970
        values = np.array(one[name], dtype=float)
        cells = [written(write, mean(values[years == year])) for year in stages]
        rows.append([f"{NAMES[model]}, {protocol}{one['mark']}", *cells])
    title = "Right answers by stage" if name == "accuracy" else "AUC by stage"
    note = "Ours; the paper's charts of single months have no numbers. A stage is a calendar year. " + _note(found)
    return table(title, ["", *map(str, stages)], rows, note=note.strip(), kind="sides")


def _months_chart(found: Mapping[str, Any], protocol: str) -> Chart:
    data: list[dict[str, Any]] = []
    for k, model in enumerate(NAMES):
        one = found.get(f"{model}-{protocol}")
        if one is None:
            continue
        for name, place in (("accuracy", "y"), ("auc", "y2")):
            values = np.array(one[name], dtype=float)
            data.append(
                line(
                    one["days"], values, NAMES[model] + one["mark"], COLOURS[k], place, hover="%{y:.3f}",
                    legendgroup=model, showlegend=place == "y",
                )
            )  # fmt: skip
    layout = layout_of(
        xaxis={"type": "date", "anchor": "y2", "gridcolor": GRID}, yaxis=axis((0.54, 1), "Right answers", ".0%"),
        yaxis2=axis((0, 0.46), "AUC", ".2f"),
    )  # fmt: skip
    return Chart(f"By month, {protocol}", {"data": data, "layout": layout})
