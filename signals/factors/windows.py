"""Windows that the papers give in months, in bars; and the age that a factor needs."""

from __future__ import annotations

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


def mean_of_there(panel: FactorPanel, values: np.ndarray, bars: int, least: int) -> np.ndarray:
    """Mean of the values that are there among the last ``bars`` bars, ``least`` of them at the least; (R,).

    NaN on the first ``bars - 1`` bars of each stock.
    """
    return aged(panel, kernels.rolling_decay(values, panel.runs, bars, least, rate=1.0), bars)


def free_days(panel: FactorPanel, field: str) -> np.ndarray:
    """A packed field without the days that closed at a price limit, where a quantity says little; (R,).

    A day counts as one if its close is the upper or lower limit of the day.
    """

    def make() -> np.ndarray:
        fen = np.rint(panel.bars("close") * 100.0)
        locked = (fen == panel.bars("limit_up")) | (fen == panel.bars("limit_down"))
        return np.where(locked, np.nan, panel.bars(field))

    return panel.shared(("free days", field), make)
