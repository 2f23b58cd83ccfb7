"""The charts of the screening page, as plain Plotly dictionaries: the same screening gives the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from signals.pages import BAR, DIVERGING, GRID, LADDER, LINE, ZERO, layout, numbers, thin
from signals.screen import Screening
from signals.screening.evaluation import Evaluation


def heat_map(found: Screening) -> dict[str, Any]:
    """The correlation matrix in hierarchical order; the diagonal is left out."""
    matrix = found.everything.correlation[np.ix_(found.order, found.order)].copy()
    np.fill_diagonal(matrix, np.nan)
    names = [found.names[i] for i in found.order]
    size = max(320, min(1100, 15 * len(names) + 190))
    small = {"size": 10 if len(names) > 40 else 11}
    ticks = {"showgrid": False, "tickfont": small, "automargin": True, "type": "category"}
    shown = {"tickmode": "linear"} if len(names) <= 80 else {}
    trace = {
        "type": "heatmap", "x": names, "y": names, "z": [numbers(row, 3) for row in matrix], "zmin": -1, "zmax": 1,
        "colorscale": DIVERGING, "xgap": 1, "ygap": 1, "colorbar": {"thickness": 12, "len": 0.6, "outlinewidth": 0},
        "hovertemplate": "%{x}<br>%{y}<br>%{z:.2f}<extra></extra>", "hoverongaps": False,
    }  # fmt: skip
    return {
        "data": [trace], "height": size,
        "layout": layout(
            hovermode="closest", height=size, xaxis=ticks | shown | {"tickangle": -60},
            yaxis=ticks | shown | {"autorange": "reversed"}, margin={"l": 10, "r": 10, "t": 8, "b": 10},
        ),
    }  # fmt: skip


def ic_chart(found: Screening, one: Evaluation) -> dict[str, Any]:
    """Rank IC by date (by month where there are many) as bars, its running sum as a line."""
    series = one.rank_ic[one.at(found.horizon)]
    known = np.isfinite(series)
    dates, values = found.dates[known], series[known]
    running = np.cumsum(values)
    label = "Rank IC"
    bar_dates, bars = dates, values
    if len(dates) > 200:
        months, place = np.unique(dates.astype("datetime64[M]"), return_inverse=True)
        bar_dates, bars = months.astype("datetime64[D]"), np.bincount(place, values) / np.bincount(place)
        label = "Rank IC, mean of the month"
    few = thin(len(dates))
    return {
        "data": [
            {"type": "bar", "x": _text(bar_dates), "y": numbers(bars, 4), "name": label, "marker": {"color": BAR},
             "hovertemplate": "%{y:.3f}<extra>" + label + "</extra>"},
            {"type": "scatter", "mode": "lines", "x": _text(dates[few]), "y": numbers(running[few], 3),
             "name": "cumulative", "yaxis": "y2", "line": {"color": LINE, "width": 1.8},
             "hovertemplate": "%{y:.2f}<extra>cumulative</extra>"},
        ],
        "layout": layout(
            yaxis={"gridcolor": GRID, "zerolinecolor": ZERO, "automargin": True},
            yaxis2={"overlaying": "y", "side": "right", "showgrid": False, "zeroline": False, "automargin": True,
                    "tickmode": "auto", "nticks": 5},
        ),
    }  # fmt: skip


def quantile_chart(found: Screening, one: Evaluation) -> dict[str, Any]:
    """Value of each quantile portfolio against that of all names, compounded over returns that do not overlap."""
    h = one.at(found.horizon)
    step = -(-found.horizon // found.every)
    rows = np.arange(0, len(found.dates), step)
    ratio = (1.0 + one.quantile_means[h, rows]) / (1.0 + one.means[h, rows][:, None])
    rows, ratio = rows[np.isfinite(ratio).all(axis=1)], ratio[np.isfinite(ratio).all(axis=1)]
    value = np.cumprod(ratio, axis=0)
    few, count = thin(len(rows)), one.quantiles
    days = _text(found.dates[rows][few])
    data = []
    for k in range(count):
        colour = LADDER[round(k * (len(LADDER) - 1) / max(count - 1, 1))]
        name = f"{k + 1}" + (" lowest" if k == 0 else " highest" if k == count - 1 else "")
        data.append(
            {"type": "scatter", "mode": "lines", "x": days, "y": numbers(value[few, k], 4), "name": name,
             "line": {"color": colour, "width": 2.0 if k in (0, count - 1) else 1.3},
             "hovertemplate": "%{y:.3f}<extra>" + name + "</extra>"}
        )  # fmt: skip
    return {
        "data": data,
        "layout": layout(
            yaxis={"gridcolor": GRID, "automargin": True, "tickformat": ".2f"},
            margin={"l": 52, "r": 16, "t": 8, "b": 28},
        ),
    }


def _text(dates: np.ndarray) -> list[str]:
    return np.datetime_as_string(dates.astype("datetime64[D]")).tolist()
