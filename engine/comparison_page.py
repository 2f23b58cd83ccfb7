"""The page that shows runs side by side: one self-contained HTML file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.comparison import Comparison, Difference, difference, risk_free, shared_weight, sharpe_difference
from engine.comparison_charts import curves, overlap
from engine.conclusions import conclude
from engine.files import write_beside
from engine.luck import Luck, luck
from engine.presentation import MISSING, benchmark_text, bracket, intervals_text, known, number, percent, yuan
from engine.tearsheet import fill
from engine.tearsheet_tables import Cell, Table, heat, table

NAME = "comparison.html"

Write = Callable[[Any], str]

_rate: Write = percent
_signed: Write = functools.partial(percent, sign=True)

ROWS: tuple[tuple[str, str, Write], ...] = (
    ("Annual return", "annual_return", _rate),
    ("Excess a year (difference)", "excess_annual_return", _signed),
    ("Volatility a year", "volatility", _rate),
    ("Sharpe ratio", "sharpe", number),
    ("Sortino ratio", "sortino", number),
    ("Calmar ratio", "calmar", number),
    ("Max drawdown", "max_drawdown", _rate),
    ("Information ratio", "information_ratio", number),
    ("Tracking error a year", "tracking_error", _rate),
    ("Max drawdown of the ratio", "excess_max_drawdown", _rate),
    ("CAPM alpha a year", "alpha", _signed),
    ("CAPM beta", "beta", number),
    ("Win rate by month", "monthly_win_rate", _rate),
    ("Turnover a year, two-sided", "turnover", lambda x: f"{number(x)}×"),
    ("Final value, yuan", "final_value", yuan),
)


def write_comparison(shown: Mapping[str, Any], path: str | Path) -> Path:
    """Write the page of a :func:`context`, beside and then renamed."""
    path = Path(path)
    write_beside(path, fill("comparison.html.j2", shown))
    return path


def context(found: Comparison) -> dict[str, Any]:
    """Everything that the page shows; ``conclusions`` holds (label, text) of each run."""
    lucks = [luck(run.result, run.equity, run.folder.parent) for run in found.runs]
    shared = [
        shared_weight(found.runs[0].positions, run.positions, found.dates[1:]) for run in found.runs[1:]
    ]
    annual = [difference(found.returns[:, k], found.returns[:, 0], found.per_year) for k in range(1, len(found.runs))]
    charts = {"curves": curves(found), "overlap": overlap(found, shared)}
    facts = [
        ("Sessions that all share", f"{found.dates[1]} to {found.dates[-1]}, {len(found.dates) - 1:,}"),
        ("Benchmark", _benchmark(found)),
        ("In brackets", intervals_text(found.figures[0]) or "no intervals: too few sessions"),
    ]
    return {
        "title": f"{len(found.runs)} runs side by side",
        "facts": facts,
        "leaks": [label for label, run in zip(found.labels, found.runs, strict=True) if run.result.get("leaks")],
        "conclusions": _conclusions(found, annual, lucks),
        "headline": headline_table(found),
        "differences": difference_table(found, annual, shared),
        "luck": luck_table(found, lucks),
        "settings": settings_table(found),
        "matrices": [correlation_table(found)] if len(found.runs) > 2 else [],
        "charts": charts,
        "base": found.labels[0],
    }


def _conclusions(
    found: Comparison, annual: Sequence[Difference], lucks: Sequence[Luck | None]
) -> list[tuple[str, str]]:
    """What survives of each run on its own span, and its lead over the first on what they share: (label, text)."""
    lines = []
    for k, (label, run) in enumerate(zip(found.labels, found.runs, strict=True)):
        text = conclude(run.result, luck=lucks[k]).verdict
        if len(run.equity) > len(found.dates):
            text = f"From {run.result['start']} to {run.result['end']}: {text}"
        if k:
            text += " " + _lead(annual[k - 1])
        lines.append((label, text))
    return lines


def _lead(found: Difference) -> str:
    if found.value is None:
        return ""
    text = f"Beside the first it made {_signed(found.value)} a year"
    if found.interval is None:
        return text + "."
    clear = "" if found.interval.excludes(0.0) else "not "
    return f"{text} [{_signed(found.interval.low)}, {_signed(found.interval.high)}]: {clear}distinguishable."


def headline_table(found: Comparison) -> Table:
    """Each figure of each run on the sessions that all share, the interval under it."""
    rows = []
    for label, key, write in ROWS:
        cells = [_cell(figures, key, write) for figures in found.figures]
        if any(cell.text != MISSING for cell in cells):
            rows.append([label, *cells])
    return table("Headline", ["", *found.labels], rows, kind="sides")


def _cell(figures: Mapping[str, Any], key: str, write: Write) -> Cell:
    x = figures["headline"].get(key)
    return Cell(f"{write(x)} {bracket(figures, key, write)}".rstrip()) if known(x) else Cell(MISSING)


def difference_table(found: Comparison, annual: Sequence[Difference], shared: Sequence[np.ndarray]) -> Table:
    """Each run less the first."""
    rows = []
    rates = [risk_free(run, found.per_year) for run in found.runs]
    first = found.returns[:, 0]
    for k in range(1, len(found.runs)):
        own = found.returns[:, k]
        ratio = sharpe_difference(own - rates[k], first - rates[0], found.per_year)
        drawdowns = [figures["headline"].get("max_drawdown") for figures in (found.figures[k], found.figures[0])]
        deeper = drawdowns[0] - drawdowns[1] if all(map(known, drawdowns)) else None
        book = float(np.nanmean(shared[k - 1])) if np.isfinite(shared[k - 1]).any() else None
        rows.append(
            [found.labels[k], _difference(annual[k - 1], _signed), _difference(ratio, _plus), _signed(deeper),
             number(_correlation(own, first)), percent(book, 1)]
        )  # fmt: skip
    head = ["", "Annual return", "Sharpe ratio", "Max drawdown", "Correlation of returns", "Same holdings"]
    note = (
        f"Each less {found.labels[0]}, on the same sessions drawn alike: a difference whose brackets hold 0 may be "
        "chance. Same holdings: mean share of the two books that is in the same stocks."
    )
    return table("Differences", head, rows, note=note, kind="sides")


def _difference(found: Difference, write: Write) -> str:
    span = "" if found.interval is None else f" [{write(found.interval.low)}, {write(found.interval.high)}]"
    return write(found.value) + span


def _plus(x: Any) -> str:
    return f"{round(x, 2) + 0.0:+,.2f}" if known(x) else MISSING


def _correlation(own: np.ndarray, other: np.ndarray) -> float | None:
    return float(np.corrcoef(own, other)[0, 1]) if own.std() and other.std() else None


def luck_table(found: Comparison, lucks: Sequence[Luck | None]) -> Table:
    """The settings tried of each run's strategy, as the folder of runs counts them."""
    rows = [
        [
            label, f"{one.trials:,}", f"over {one.hurdle}", number(one.deflated, 3), number(one.overfitting),
        ] if one else [label, *[MISSING] * 4]
        for label, one in zip(found.labels, lucks, strict=True)
    ]  # fmt: skip
    head = ["", "Settings tried", "Sharpe ratio", "Deflated Sharpe ratio", "Probability of overfitting"]
    note = (
        "Settings of the same strategy on the same data over overlapping spans, counted in the folder of runs, for "
        "each run over its own whole span. Deflated: probability that the run is more than the luckiest of so many. "
        "Overfitting: how often the setting that is best in one half of the days is no better than the median in the "
        "other."
    )
    return table("Luck", head, rows, note=note, kind="sides")


def correlation_table(found: Comparison) -> Table:
    """Correlation of the returns of all pairs; over the benchmark where there is one."""
    moves = found.returns
    title = "Correlation of returns"
    if found.benchmark is not None:
        moves = moves - (found.benchmark[1:] / found.benchmark[:-1] - 1.0)[:, None]
        title = "Correlation of returns over the benchmark"
    rows = []
    for k, label in enumerate(found.labels):
        pairs = [_correlation(moves[:, k], moves[:, j]) for j in range(len(found.labels))]
        rows.append([label, *(Cell(number(x), colour=heat(x, 1.0).colour) if known(x) else "" for x in pairs)])
    return table(title, ["", *found.labels], rows, kind="sides")


def settings_table(found: Comparison) -> Table:
    """The settings that are not the same in all runs, and where each run lies."""
    rows = [["run", *(run.folder.name for run in found.runs)]]
    rows += [[key, *("" if x is None else str(x) for x in row)] for key, row in found.settings.items()]
    return table("What differs", ["", *found.labels], rows, kind="sides")


def _benchmark(found: Comparison) -> str:
    if found.benchmark is not None:
        return benchmark_text(found.runs[0].result.get("benchmark"))
    texts = {benchmark_text(run.result.get("benchmark")) for run in found.runs}
    return "none" if texts == {"none"} else "not the same in all runs, each has its own excess"
