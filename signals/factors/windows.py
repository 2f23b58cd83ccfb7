"""Windows that the papers give in months, in bars; and the age that a factor needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from signals.factors import kernels
from signals.factors.panel import FactorPanel

MONTH = 21
"""Bars of a month: 243 sessions a year are 20.3 a month, the papers' month-end windows hold 20 to 22."""

MONTHS = (1, 3, 6, 12)
"""The four horizons N of paper 3's chart 13."""


def aged(panel: FactorPanel, values: np.ndarray, bars: int) -> np.ndarray:
    """The values, now NaN on the first ``bars - 1`` bars of each stock: a factor younger than its window is absent."""
    starts = panel.runs[:-1]
    ends = panel.runs[1:]
    for late in range(bars - 1):
        rows = starts + late
        values[rows[rows < ends]] = np.nan
    return values


def back(panel: FactorPanel, values: np.ndarray, bars: int) -> np.ndarray:
    """Packed values so many of the stock's own bars before each session asked for, NaN without so many; (D, N)."""
    rows, lows = panel.asked
    there = (rows >= 0) & (rows - bars >= lows)
    return np.where(there, values[np.where(there, rows - bars, 0)], np.nan).reshape(panel.shape)


def at_asked(
    panel: FactorPanel,
    bars: int,
    single: Callable[[np.ndarray, np.ndarray], np.ndarray],
    every: Callable[[], np.ndarray],
) -> np.ndarray:
    """A statistic of the last ``bars`` bars at the sessions asked for, NaN for a stock with fewer; (D, N).

    Parameters
    ----------
    panel : FactorPanel
    bars : int
    single : callable
        From packed rows and the first rows of their stocks to the values on them, window by window.
    every : callable
        The values on all packed rows, in one pass: quicker once the windows hold several times as many rows.
    """
    rows, lows = panel.asked
    if len(rows) * bars >= 4 * panel.starts[-1]:
        return panel.spread(aged(panel, every(), bars))
    found = single(rows, lows)
    found[rows - lows < bars - 1] = np.nan
    return found.reshape(panel.shape)


def decayed(
    panel: FactorPanel, values: np.ndarray, bars: int, least: int, rate: float, normalise: bool = True
) -> np.ndarray:
    """Average with weights ``rate**age`` of the values that are there among the last ``bars`` bars; (D, N).

    ``least`` of them must be there, and the stock must have so many bars; ``normalise`` as in
    :func:`kernels.rolling_decay`.
    """
    more: dict[str, Any] = {"rate": rate, "normalise": normalise}
    return at_asked(
        panel,
        bars,
        lambda rows, lows: kernels.decay_at(values, rows, lows, bars, least, **more),
        lambda: kernels.rolling_decay(values, panel.runs, bars, least, **more),
    )


def mean_of_there(panel: FactorPanel, values: np.ndarray, bars: int, least: int) -> np.ndarray:
    """Mean of the values that are there among the last ``bars`` bars, ``least`` of them at the least; (D, N)."""
    return decayed(panel, values, bars, least, rate=1.0)


def free_days(panel: FactorPanel, field: str) -> np.ndarray:
    """A packed field without the days that closed at a price limit, where a quantity says little; (R,).

    A day counts as one if its close is the upper or lower limit of the day.
    """

    def make() -> np.ndarray:
        fen = np.rint(panel.bars("close") * 100.0)
        locked = (fen == panel.bars("limit_up")) | (fen == panel.bars("limit_down"))
        return np.where(locked, np.nan, panel.bars(field))

    return panel.shared(("free days", field), make)
