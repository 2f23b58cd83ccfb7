"""The charts of the page that looks inside a walk-forward, as plain Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.learning.explain import Inside
from signals.neural.learning_curves import distributions
from signals.pages import BAR, DIVERGING, GRID, LINE, OTHER, RISING, ZERO, layout, numbers, thin

if TYPE_CHECKING:
    import pandas as pd

ROWS = 30
"""Factors in a chart."""
UNITS = 100
"""Lines of a chart of single weights."""

LOW = 240
"""Height of charts of which there are many, in pixels."""

Chart = dict[str, Any]


def curves_chart(found: Sequence[Inside], name: str) -> Chart | None:
    """One curve for each window by epoch, later windows darker; the last one bold, its best epoch marked."""
    there = [one for one in found if name in one.curves and np.isfinite(one.curves[name]).any()]
    if not there:
        return None
    data: list[Chart] = []
    for k, one in enumerate(there):
        last = k == len(there) - 1
        values = one.curves[name]
        data.append(
            {"type": "scatter", "mode": "lines", "x": list(range(1, len(values) + 1)), "y": numbers(values, 6),
             "name": one.day, "line": {"color": _between(k, len(there)), "width": 2.4 if last else 1.1},
             "hovertemplate": "epoch %{x}: %{y:.5g}<extra>" + one.day + "</extra>"}
        )  # fmt: skip
    best, values = there[-1].best_epoch, there[-1].curves[name]
    if 0 < best <= len(values):
        data.append(
            {"type": "scatter", "mode": "markers", "x": [best], "y": numbers(values[best - 1 : best], 6),
             "marker": {"color": OTHER, "size": 8}, "name": "kept", "hoverinfo": "skip"}
        )  # fmt: skip
    whole = {"dtick": 1} if max(len(one.curves[name]) for one in there) <= 10 else {}
    return {
        "data": data,
        "layout": layout(
            hovermode="closest", showlegend=len(there) <= 6, xaxis=_axis("epoch", showgrid=False, **whole),
            yaxis=_axis(""), margin={"l": 52, "r": 12, "t": 8, "b": 40},
        ),
    }  # fmt: skip


def weight_map(one: Inside) -> Chart:
    """Mean |input weight| of each factor by iteration, the largest at the end on top."""
    sizes = np.abs(one.record["weights_0"]).mean(axis=(1, 2))
    sizes = sizes.reshape(len(sizes), -1, len(one.features)).mean(axis=1)  # over steps that stand side by side
    order = np.argsort(-sizes[-1], kind="stable")[:ROWS]
    return _heat(
        one.record["iterations"].tolist(), [one.features[k] for k in order], sizes[:, order].T, RISING,
        "iteration %{x}<br>%{y}: %{z:.4f}<extra></extra>", "iteration",
    )  # fmt: skip


def leading(one: Inside, count: int) -> list[int]:
    """Inputs with the largest mean |weight| in the last recording."""
    sizes = np.abs(one.record["weights_0"][-1]).mean(axis=(0, 1))
    return [int(k) for k in np.argsort(-sizes, kind="stable")[:count]]


def trajectories(one: Inside, place: int) -> Chart:
    """The weights of one input into every unit of the first gate by iteration (paper 3, charts 20 and 21)."""
    weights = one.record["weights_0"][:, 0, :UNITS, place]
    iterations = one.record["iterations"].tolist()
    data = [
        {"type": "scatter", "mode": "lines", "x": iterations, "y": numbers(weights[:, unit], 4),
         "name": f"unit {unit + 1}", "line": {"color": _between(rank, weights.shape[1]), "width": 1}, "opacity": 0.75,
         "showlegend": False,
         "hovertemplate": "iteration %{x}: %{y:.3f}<extra>unit " + str(unit + 1) + "</extra>"}
        for rank, unit in enumerate(np.argsort(weights[-1], kind="stable").tolist())
    ]  # fmt: skip
    return {
        "data": data, "height": LOW,
        "layout": layout(
            hovermode="closest", xaxis=_axis("iteration", showgrid=False), yaxis=_axis(""), height=LOW,
            margin={"l": 44, "r": 12, "t": 8, "b": 40},
        ),
    }  # fmt: skip


def distribution(one: Inside, what: str, gate: int) -> Chart:
    """Shares of a gate's weights (``weights_0``) or biases (``biases_0``) in 50 bins by iteration (papers 3 and 4)."""
    edges, shares = distributions(one.record[what][:, gate])
    middles = (edges[1:] + edges[:-1]) / 2.0
    chart = _heat(
        one.record["iterations"].tolist(), numbers(middles, 4), np.sqrt(shares.T), RISING,
        "iteration %{x}<br>near %{y:.3f}: %{customdata:.1%}<extra></extra>", "iteration",
    )  # fmt: skip
    chart["data"][0]["customdata"] = [numbers(row, 4) for row in shares.T]
    chart["data"][0] |= {"xgap": 0, "ygap": 0}
    chart["layout"]["yaxis"] = _axis("", showgrid=False)
    chart["layout"]["height"] = LOW
    return {**chart, "height": LOW}


def bars(figures: Mapping[str, float], form: str, errors: Mapping[str, float] | None = None) -> Chart:
    """Figures of factors, the largest on top; ``errors`` as whiskers."""
    names = sorted(figures, key=lambda name: -figures[name])[:ROWS]
    trace: Chart = {
        "type": "bar", "orientation": "h", "y": names, "x": numbers(np.array([figures[name] for name in names]), 6),
        "marker": {"color": BAR}, "hovertemplate": "%{y}: %{x:" + form + "}<extra></extra>",
    }  # fmt: skip
    if errors is not None:
        trace["error_x"] = {
            "type": "data", "array": numbers(np.array([errors[name] for name in names]), 6), "color": LINE,
            "thickness": 1.2, "width": 2,
        }  # fmt: skip
    height = max(180, 20 * len(names) + 60)
    return {
        "data": [trace], "height": height,
        "layout": layout(
            hovermode="closest", height=height, yaxis={"autorange": "reversed", "automargin": True, "type": "category"},
            xaxis={"gridcolor": GRID, "zerolinecolor": ZERO, "tickformat": form},
            margin={"l": 10, "r": 12, "t": 8, "b": 28},
        ),
    }  # fmt: skip


def window_map(days: Sequence[str], names: Sequence[str], falls: np.ndarray) -> Chart:
    """What shuffling costs by window; ``falls`` (names, windows), NaN where a window does not have the factor."""
    chart = _heat(list(days), list(names), falls, DIVERGING, "%{x}<br>%{y}: %{z:+.4f}<extra></extra>", "")
    top = float(np.nanmax(np.abs(falls))) if np.isfinite(falls).any() else 1.0
    chart["data"][0] |= {"zmin": -top, "zmax": top}
    chart["layout"]["xaxis"]["type"] = "category"
    return chart


def attention_map(days: Sequence[str], names: Sequence[str], weights: np.ndarray) -> Chart:
    """Mean attention by decision; ``weights`` (D, K), NaN where a window has fewer inputs."""
    keep = np.argsort(-np.nan_to_num(np.nanmean(weights, axis=0)), kind="stable")[:ROWS]
    keep = np.sort(keep)
    return _heat(
        list(days), [names[k] for k in keep], weights[:, keep].T, RISING, "%{x}<br>%{y}: %{z:.1%}<extra></extra>", ""
    )


def predicted_chart(rows: pd.DataFrame) -> Chart:
    """Predicted against actual of one stock: columns ``date``, ``predicted``, ``actual``."""
    rows = rows.iloc[thin(len(rows))]
    days = np.datetime_as_string(rows["date"].to_numpy().astype("datetime64[D]")).tolist()
    lines = (("actual", LINE, 1.6), ("predicted", OTHER, 1.1))
    return {
        "data": [
            {"type": "scatter", "mode": "lines", "x": days, "y": numbers(rows[name].to_numpy(), 3), "name": name,
             "line": {"color": colour, "width": width}}
            for name, colour, width in lines
        ],
        "layout": layout(yaxis=_axis(""), margin={"l": 52, "r": 12, "t": 8, "b": 28}),
    }  # fmt: skip


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "gridcolor": GRID, "zerolinecolor": ZERO, "automargin": True, "title": {"text": title, "font": {"size": 11}},
    } | more  # fmt: skip


def _heat(
    x: list[Any], y: list[Any], z: np.ndarray, colours: list[list[Any]], hover: str, title: str
) -> Chart:
    height = max(220, 16 * len(y) + 80)
    trace = {
        "type": "heatmap", "x": x, "y": y, "z": [numbers(row, 5) for row in z], "colorscale": colours, "xgap": 1,
        "ygap": 1, "colorbar": {"thickness": 12, "len": 0.8, "outlinewidth": 0}, "hovertemplate": hover,
        "hoverongaps": False,
    }  # fmt: skip
    named = bool(y) and isinstance(y[0], str)
    vertical = {"autorange": "reversed", "type": "category", "automargin": True, "showgrid": False} if named else {}
    return {
        "data": [trace], "height": height,
        "layout": layout(
            hovermode="closest", height=height, xaxis=_axis(title, showgrid=False), yaxis=vertical,
            margin={"l": 10, "r": 10, "t": 8, "b": 30 + 12 * bool(title)},
        ),
    }  # fmt: skip


def _between(k: int, count: int) -> str:
    """From light to dark blue."""
    part = k / max(count - 1, 1)
    light, dark = (190, 206, 221), (29, 79, 124)
    return "rgb(" + ",".join(str(round(a + (b - a) * part)) for a, b in zip(light, dark, strict=True)) + ")"
