"""The charts of the page that shows runs side by side, as plain Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.comparison import Comparison
from engine.drawdowns import drawdown_series
from engine.tearsheet_charts import GRID, axis, layout_of, line

COLOURS = (
    "#1d4f7c", "#c8741f", "#2a7f73", "#8b3a62", "#6b7a1f", "#5b5ea6", "#b23a48", "#3d8fb3", "#7a5c3e", "#4b9b5f",
)  # fmt: skip
BENCHMARK = "#8d949c"


def curves(found: Comparison) -> dict[str, Any]:
    """Net value, drawdown and ratio to the benchmark (without one: to the first run) over one time axis."""
    dates = np.datetime_as_string(found.dates).tolist()
    data, below, ratios = [], [], []
    base = found.benchmark if found.benchmark is not None else found.net[:, 0]
    for k, label in enumerate(found.labels):
        colour, net = COLOURS[k % len(COLOURS)], found.net[:, k]
        data.append(line(dates, net, label, colour, "y", hover="%{y:.3f}", legendgroup=label))
        more = {"showlegend": False, "legendgroup": label}
        fall = drawdown_series(net)
        below.append(line(dates, fall, label, colour, "y2", hover="%{y:.1%}", line={"width": 1}, **more))
        if found.benchmark is not None or k:
            ratios.append(line(dates, net / base - 1.0, label, colour, "y3", hover="%{y:.1%}", **more))
    if found.benchmark is not None:
        data.append(line(dates, found.benchmark, "Benchmark", BENCHMARK, "y", hover="%{y:.3f}", line={"dash": "dot"}))
    to = "benchmark" if found.benchmark is not None else "first run"
    layout = layout_of(
        xaxis={"type": "date", "anchor": "y3", "gridcolor": GRID},
        yaxis=axis((0.52, 1), "Net value", ".2f"),
        yaxis2=axis((0.29, 0.48), "Drawdown", ".0%"),
        yaxis3=axis((0, 0.25), f"Ratio to {to} - 1", ".0%"),
    )
    return {"data": data + below + ratios, "layout": layout}


def overlap(found: Comparison, shared: Sequence[np.ndarray]) -> dict[str, Any]:
    """Share of each run's book that is also the first run's, by session."""
    dates = np.datetime_as_string(found.dates[1:]).tolist()
    data = [
        line(dates, share, found.labels[k], COLOURS[k % len(COLOURS)], "y", hover="%{y:.1%}", showlegend=True)
        for k, share in enumerate(shared, 1)
    ]
    left = axis((0, 1), "Same holdings", ".0%") | {"rangemode": "tozero"}
    return {"data": data, "layout": layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=left)}
