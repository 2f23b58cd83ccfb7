"""What the HTML pages of signals share: the frame they are put into, cells of tables, the manner of charts.

A page opens without a network: styles, data and Plotly itself are inside. No clock is read: the same content gives the
same bytes. Charts are plain Plotly dictionaries.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from engine.presentation import number, percent

FRAMES = Path(__file__).parents[1] / "engine" / "templates"
STYLE = FRAMES / "tearsheet.css"

INK, GRID, ZERO = "#3a424c", "#e6e9ed", "#c9ced5"
LINE, BAR, OTHER = "#1d4f7c", "#a9bdd0", "#c8741f"
LADDER = ("#b4521a", "#dba070", "#b6bec8", "#7fa3c4", "#1d4f7c")
DIVERGING = [[0.0, "#b4521a"], [0.25, "#e3b592"], [0.5, "#ffffff"], [0.75, "#93b3cf"], [1.0, "#1d4f7c"]]
RISING = [[0.0, "#ffffff"], [0.35, "#c3d5e5"], [0.7, "#6b98c0"], [1.0, "#133a5e"]]
"""Colours: of text and lines, from the lowest to the highest group, around zero, and from zero on."""

MOST_POINTS = 500
"""Points of a line."""

Cell = dict[str, Any]


def rendered(templates: Path, name: str, **context: Any) -> str:
    """A template of a folder in the frame, with the charts of ``context["charts"]`` drawn when they come into sight."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader([templates, FRAMES]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(name).render(
        **context, style=STYLE.read_text(encoding="utf-8"), plotlyjs=get_plotlyjs()
    )


# -- cells -------------------------------------------------------------------------------------------


def cell(text: str, sort: Any = None, kind: str = "", colour: str = "") -> Cell:
    """A cell: its text, what it is sorted by, its class and its background."""
    value = sort if sort is not None else text
    if isinstance(value, float) and not math.isfinite(value):
        value = ""
    return {"text": text, "sort": value, "kind": kind, "colour": colour, "small": ""}


def figure(x: float, digits: int, sign: bool = False, kind: str = "") -> Cell:
    """A number."""
    text = number(x, digits)
    return cell(f"+{text}" if sign and math.isfinite(x) and round(x, digits) > 0 else text, float(x), kind)


def share(x: float, digits: int = 1, sign: bool = False) -> Cell:
    """A fraction as per cent."""
    return cell(percent(x, digits, sign=sign), float(x))


def shade(x: float) -> str:
    """Blue for positive, orange for negative, white at 0; ``x`` within -1 and 1."""
    if not math.isfinite(x):
        return ""
    base, strength = ((29, 95, 158) if x > 0 else (180, 82, 26)), min(abs(x), 1.0) * 0.55
    return "rgb(" + ",".join(str(round(255 - (255 - c) * strength)) for c in base) + ")"


# -- charts ------------------------------------------------------------------------------------------


def numbers(values: np.ndarray, digits: int) -> list[float | None]:
    """As JSON holds them: rounded, None for what is not finite."""
    return [x if np.isfinite(x) else None for x in np.round(values, digits).tolist()]


def layout(**more: Any) -> dict[str, Any]:
    """The layout of a chart, with ``more`` of its own."""
    return {
        "font": {"family": "system-ui, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "#ffffff", "plot_bgcolor": "#ffffff", "hovermode": "x unified", "autosize": True,
        "margin": {"l": 52, "r": 48, "t": 8, "b": 28}, "bargap": 0.15,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    } | more  # fmt: skip


def thin(count: int) -> np.ndarray:
    """Places of at most :data:`MOST_POINTS` points, the last one among them."""
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, MOST_POINTS).round().astype(np.int64))
