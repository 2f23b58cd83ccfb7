"""Compiled passes over prices: carried forward, and the returns ahead of given sessions."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def fill_forward(prices):  # type: ignore[no-untyped-def]
    """A copy of ``prices`` (T, N) in which a missing one is the last known one of its column."""
    filled = prices.copy()
    for t in range(1, filled.shape[0]):
        for j in range(filled.shape[1]):
            if np.isnan(filled[t, j]):
                filled[t, j] = filled[t - 1, j]
    return filled


@njit(cache=True, error_model="numpy")
def returns_ahead(prices, starts, horizon, result):  # type: ignore[no-untyped-def]
    """Return of ``prices`` (T, N) over ``horizon`` rows from each of ``starts`` (D,), NaN beyond either end."""
    for d in range(starts.size):
        begin, end = starts[d], starts[d] + horizon
        inside = begin >= 0 and end < prices.shape[0]
        for j in range(prices.shape[1]):
            result[d, j] = prices[end, j] / prices[begin, j] - 1.0 if inside else np.nan
