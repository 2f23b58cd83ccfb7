"""Compiled figures of reports: rows of the quarters before a report, and kinds of figures put together from them."""

from __future__ import annotations

import numpy as np
from numba import njit

REPORTED, QUARTER, TTM = 0, 1, 2
"""Parts: since 1 January, the single quarter, the last twelve months."""

(YOY, QUARTER_YOY, TTM_YOY, AVERAGE, SURPRISE, ACCELERATION, VARIATION, TREND) = range(3, 11)
"""Kinds put together from parts; a part is a kind too."""

PARTS = {
    REPORTED: (REPORTED, 1),
    QUARTER: (QUARTER, 2),
    TTM: (TTM, 5),
    YOY: (REPORTED, 5),
    QUARTER_YOY: (QUARTER, 6),
    TTM_YOY: (TTM, 9),
    AVERAGE: (REPORTED, 5),
    SURPRISE: (QUARTER, 13),
    ACCELERATION: (QUARTER, 7),
    VARIATION: (QUARTER, 9),
    TREND: (REPORTED, 20),
}
"""By kind the part that it is made of, and how many quarters it reads, its own the first."""


@njit(cache=True, error_model="numpy")
def rows_back(
    keys: np.ndarray,
    days: np.ndarray,
    rows: np.ndarray,
    latest: np.ndarray,
    lowest: np.ndarray,
    known: np.ndarray,
    depth: int,
) -> np.ndarray:
    """Rows of the reports of the latest quarter and of those before it as they were known on a day; (E, depth) int32.

    Parameters
    ----------
    keys, days, rows : ndarray of int64, shape (R,)
        Stock and quarter as one number that rises with the quarter, day from which the row counts, and the row itself;
        sorted by key and day.
    latest, lowest, known : ndarray of int64, shape (E,)
        Key of the latest quarter, least key of the stock, and the day.

    Returns
    -------
    ndarray
        Place k is k quarters before the latest; -1 where none was known.
    """
    out = np.full((len(latest), depth), -1, dtype=np.int32)
    for e in range(len(latest)):
        at = np.searchsorted(keys, latest[e], side="right") - 1
        while at >= 0 and keys[at] >= lowest[e] and latest[e] - keys[at] < depth:
            back = latest[e] - keys[at]
            if out[e, back] < 0 and days[at] <= known[e]:
                out[e, back] = rows[at]
            at -= 1
    return out


@njit(cache=True, error_model="numpy")
def _take_parts(part: int, taken: np.ndarray, side: int, begin: int, latest: int) -> None:
    """Make reported figures of the quarters ``begin`` and earlier parts, in place; ``latest``: the quarter at 0."""
    depth = taken.shape[1]
    if part == QUARTER:
        for k in range(begin, depth - 1):
            if (latest - k) % 4 != 0:
                taken[side, k] = taken[side, k] - taken[side, k + 1]
    elif part == TTM:
        for k in range(begin, depth - 4):
            beyond = (latest - k + 1) % 4  # quarters since the year's end
            if beyond:
                taken[side, k] = taken[side, k] + (taken[side, k + beyond] - taken[side, k + 4])


@njit(cache=True, error_model="numpy")
def _spread(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (n - 1)."""
    total = 0.0
    for value in values:
        total += value
    mean, squares = total / len(values), 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return mean, np.sqrt(squares / (len(values) - 1))


@njit(cache=True, error_model="numpy")
def _long_kind(kind: int, taken: np.ndarray, back: int, quarter: int) -> float:
    """A kind that reads eight quarters or five years, from those ``back`` quarters before the latest on."""
    if kind == TREND:
        size, years = 0.0, np.empty(5)
        for k in range(5):
            years[k] = taken[0, back + 4 * k + (quarter + 1) % 4]  # the newest first
            size += abs(years[k])
        slope, scale = (2 * years[0] + years[1] - years[3] - 2 * years[4]) / 10.0, size / 5
        return slope / scale if scale > 0 else np.nan
    parts = taken[0, back : back + 8]
    if kind == VARIATION:
        mean, spread = _spread(parts)
        return spread / abs(mean) if abs(mean) > 0 else np.nan
    changes = parts - taken[0, back + 4 : back + 12]
    mean, spread = _spread(changes)
    return (changes[0] - mean) / spread if spread > 0 else np.nan


@njit(cache=True, error_model="numpy")
def latest_figures(
    kind: int,
    top: np.ndarray,
    bottom: np.ndarray,
    parts: tuple[int, int],
    rows: np.ndarray,
    quarters: np.ndarray,
    lag: int,
    tries: int,
) -> tuple[np.ndarray, np.ndarray]:
    """A kind of figure of the latest report that has it, and that report's quarter.

    Parameters
    ----------
    kind : int
    top, bottom : ndarray of float64, shape (R,)
        A figure by row of the table, and what it is divided by; an empty one divides by nothing.
    parts : tuple of int
        As which part the two are taken.
    rows : ndarray of int32, shape (E, depth)
        See :func:`rows_back`; as many quarters as the tries and the kind need.
    quarters : ndarray of int64, shape (E,)
        Quarter of the latest report.
    lag, tries : int
        Quarters back from the latest report to begin with, and how many are tried.

    Returns
    -------
    values : ndarray of float64, shape (E,)
    found : ndarray of int64, shape (E,)
    """
    values, found = np.full(len(rows), np.nan), quarters - lag
    depth, sides = rows.shape[1], 2 if len(bottom) else 1
    taken = np.empty((2, depth))
    for e in range(len(rows)):
        for k in range(lag, depth):
            row = rows[e, k]
            taken[0, k] = top[row] if row >= 0 else np.nan
            if sides == 2:
                taken[1, k] = bottom[row] if row >= 0 else np.nan
        for side in range(sides):
            _take_parts(parts[side], taken, side, lag, quarters[e])
        if sides == 2:
            for k in range(lag, depth):
                taken[0, k] = taken[0, k] / taken[1, k] if taken[1, k] > 0 else np.nan
        for back in range(lag, lag + tries):
            now = taken[0, back]
            if kind <= TTM:
                value = now
            elif kind == AVERAGE:
                value = 0.5 * (now + taken[0, back + 4])
            elif kind < AVERAGE:
                before = taken[0, back + 4]
                value = now / before - 1.0 if before > 0 else np.nan
            elif kind == ACCELERATION:
                late, base, old = taken[0, back + 1], taken[0, back + 4], taken[0, back + 5]
                value = (now / base - 1.0) - (late / old - 1.0) if base > 0 and old > 0 else np.nan
            elif kind == TREND or np.isfinite(now):
                value = _long_kind(kind, taken, back, quarters[e] - back)
            else:
                value = np.nan
            if np.isfinite(value):
                values[e], found[e] = value, quarters[e] - (back - lag)
                break
    return values, found
