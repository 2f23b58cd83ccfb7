"""The page of a sweep: heat maps of what each pair of options did, and what luck makes of the best point."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.conclusions import conclude
from engine.files import write_beside
from engine.luck import luck
from engine.presentation import MISSING, known, number, percent, yuan
from engine.run_folder import Run
from engine.sweep import TABLE, Sweep, label
from engine.tearsheet import fill
from engine.tearsheet_tables import Cell, Table, heat, table

NAME = "sweep.html"

SHOWN = 200
"""Points listed on the page, the best first; the others are in the table beside it."""

Write = Callable[[Any], str]
_signed: Write = functools.partial(percent, sign=True)

ABSOLUTE: tuple[tuple[str, str, Write], ...] = (
    ("Sharpe ratio", "sharpe", number), ("Annual return", "annual_return", percent),
    ("Max drawdown", "max_drawdown", percent),
)  # fmt: skip
RELATIVE: tuple[tuple[str, str, Write], ...] = (
    ("Information ratio", "information_ratio", number), ("Excess a year", "excess_annual_return", _signed),
    ("Max drawdown of the ratio", "excess_max_drawdown", percent),
)  # fmt: skip
"""What the heat maps show without and with a benchmark: title, figure, and how it is written; points are ranked by the
first."""


def write_page(done: Sweep) -> Path:
    """Write the page into the folder of the sweep, beside and then renamed."""
    path = done.folder / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(path, fill("sweep.html.j2", context(done)))
    return path


def context(done: Sweep) -> dict[str, Any]:
    """Everything that the page shows."""
    answers, points = done.answers, done.experiment.points
    shown = _figures(done)
    rank = [answer.figures.get(shown[0][1]) for answer in answers]
    order = sorted((k for k, x in enumerate(rank) if known(x)), key=lambda k: (-float(rank[k] or 0.0), k))
    failed = [k for k, answer in enumerate(answers) if answer.problem]
    return {
        "title": f"Sweep {done.experiment.name}: {len(points)} points",
        "facts": [("Grid", _grid(done)), ("Failed", f"{len(failed)} of {len(points)}"), *_run_facts(done, order)],
        "best": label(points[order[0]].values) if order else "",
        "verdict": verdict(done),
        "maps": maps(done, shown),
        "points": points_table(done, shown, order),
        "failures": table(
            "Failed points", ["Point", "Why"], [[label(points[k].values), answers[k].problem] for k in failed], texts=2
        ),
    }


def _figures(done: Sweep) -> tuple[tuple[str, str, Write], ...]:
    relative = any(known(answer.figures.get(RELATIVE[0][1])) for answer in done.answers)
    return RELATIVE if relative else ABSOLUTE


def verdict(done: Sweep) -> str:
    """What survives of the best point, luck among the settings tried included; "" if no point has a figure."""
    key = _figures(done)[0][1]
    good = [answer for answer in done.answers if known(answer.figures.get(key))]
    if not good:
        return ""
    best = max(good, key=lambda answer: (answer.figures[key], -answer.index))
    run = Run.load(done.store / best.run, tables=False)
    return conclude(run.result, luck=luck(run.result, run.equity, done.store)).text


def _grid(done: Sweep) -> str:
    return " × ".join(f"{key} ({len(values)})" for key, values in done.experiment.axes.items())


def _run_facts(done: Sweep, order: list[int]) -> list[tuple[str, str]]:
    config = done.experiment.points[order[0]].config if order else None
    if config is None:
        return []
    plain = {
        "Strategy": ("strategy", config.strategy.name), "Signal": ("signal", config.signal.name or "none"),
        "Universe": ("universe", config.universe if isinstance(config.universe, str) else "symbols given"),
        "Rebalanced": ("rebalance", config.rebalance), "Benchmark": ("benchmark", config.benchmark or "none"),
    }  # fmt: skip
    return [(name, text) for name, (key, text) in plain.items() if key not in done.experiment.axes]


# -- tables -----------------------------------------------------------------------------------------


def maps(done: Sweep, shown: tuple[tuple[str, str, Write], ...]) -> list[Table]:
    """A heat map of each figure for each pair of options with several values; of one such option, a plain table."""
    axes = {key: values for key, values in done.experiment.axes.items() if len(values) > 1}
    if len(axes) == 1:
        return [_line(done, next(iter(axes)), shown)]
    more = "The median of the points that have both values. " if len(axes) > 2 else ""
    note = f"{more}Blue is above the middle of the map, orange below; full colour at its ends."
    return [
        _map(done, down, across, figure, note) for down, across in itertools.combinations(axes, 2) for figure in shown
    ]


def _median(done: Sweep, key: str, chosen: dict[str, Any]) -> float | None:
    """The median of a figure over the points that have the values chosen."""
    found = [
        answer.figures.get(key)
        for answer, point in zip(done.answers, done.experiment.points, strict=True)
        if all(dict(point.values)[name] is value for name, value in chosen.items())
    ]
    numbers = [float(x) for x in found if known(x)]
    return float(np.median(numbers)) if numbers else None


def _map(done: Sweep, down: str, across: str, figure: tuple[str, str, Write], note: str) -> Table:
    title, key, write = figure
    axes = done.experiment.axes
    values = [[_median(done, key, {down: y, across: x}) for x in axes[across]] for y in axes[down]]
    numbers = [x for row in values for x in row if x is not None]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
    middle, full = (low + high) / 2.0, (high - low) / 2.0
    rows = [
        [_text(y), *(_cell(x, write, middle, full) for x in row)] for y, row in zip(axes[down], values, strict=True)
    ]
    return table(
        f"{title} by {down} (down) and {across} (across)", [down, *map(_text, axes[across])], rows, note=note,
        kind="heat even",
    )  # fmt: skip


def _cell(x: float | None, write: Write, middle: float, full: float) -> Cell:
    if x is None:
        return Cell(MISSING)
    return Cell(write(x), colour=heat(x - middle, full).colour if full and x != middle else "")


def _line(done: Sweep, key: str, shown: tuple[tuple[str, str, Write], ...]) -> Table:
    rows = [
        [_text(value), *(write(_median(done, name, {key: value})) for _, name, write in shown)]
        for value in done.experiment.axes[key]
    ]
    return table(f"By {key}", [key, *(title for title, _, _ in shown)], rows)


def _text(value: Any) -> str:
    return label((("", value),)).strip()


def points_table(done: Sweep, shown: tuple[tuple[str, str, Write], ...], order: list[int]) -> Table:
    """The points that ran, the best first."""
    axes = done.experiment.axes
    rows = []
    for k in order[:SHOWN]:
        point, figures = done.experiment.points[k], done.answers[k].figures
        cells = [write(figures.get(key)) for _, key, write in shown]
        more = [number(figures.get("turnover")), yuan(figures.get("final_value")), done.answers[k].run]
        rows.append([*(_text(value) for _, value in point.values), *cells, *more])
    head = [*axes, *(title for title, _, _ in shown), "Turnover a year", "Final value, yuan", "Run"]
    cut = f"The best {SHOWN} of {len(order)}; all are in {TABLE}. " if len(order) > SHOWN else ""
    note = f"{cut}Each is a folder of runs without tables: scripts/backtest.py --config adds them."
    return table("Points, the best first", head, rows, note=note, texts=len(axes))
