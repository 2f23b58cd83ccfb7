"""Falls of a level from its highest point so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Drawdown(NamedTuple):
    """One fall from a high; the fields but ``depth`` are positions in the value array.

    ``depth`` is a fraction and at most zero. ``peak`` is the last session at the high, ``trough`` the lowest
    close after it, ``recovered`` the first close at or above the high again (None: not within the run).
    """

    depth: float
    peak: int
    trough: int
    recovered: int | None


def drawdown_series(value: Array) -> Array:
    """``value / highest value so far - 1``, fractions at most zero, shape (T,)."""
    value = np.asarray(value, dtype=float)
    return value / np.maximum.accumulate(value) - 1.0


def drawdowns(value: Array, top: int | None = None) -> list[Drawdown]:
    """All falls from a high, deepest first (ties: the earlier first), at most ``top`` of them.

    A fall ends when the old high is reached again, so falls do not overlap.
    """
    value = np.asarray(value, dtype=float)
    depth = drawdown_series(value)
    below = np.concatenate([[False], depth < 0, [False]])
    starts = np.flatnonzero(~below[:-1] & below[1:])
    ends = np.flatnonzero(below[:-1] & ~below[1:])  # first position at or above the high again
    falls = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(np.argmin(depth[start:end]))
        falls.append(Drawdown(float(depth[trough]), start - 1, trough, end if end < value.size else None))
    falls.sort(key=lambda fall: (fall.depth, fall.peak))
    return falls[:top]


def max_drawdown(value: Array) -> Drawdown:
    """The deepest fall of ``value`` (T,); depth 0 at position 0 when it never fell."""
    worst = drawdowns(value, top=1)
    return worst[0] if worst else Drawdown(0.0, 0, 0, 0)
