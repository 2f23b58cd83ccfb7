"""Compiled parts of technical indicators: Wilder's averages, directional movement, mean absolute deviation."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308


@njit(cache=True, error_model="numpy")
def wilder(
    x: np.ndarray, begin: np.ndarray, end: np.ndarray, state: np.ndarray, window: int, out: np.ndarray
) -> None:
    """Wilder's average: the mean of the first ``window`` values, then (average (w - 1) + value) / w.

    Missing values at the beginning of a stock are passed over (TA-Lib's seed), later ones leave it where it is. Rows
    ``begin[i]`` to ``end[i] - 1`` of stock i go on from ``state[i]``, which then holds what comes after them: the
    average (until there are w values their sum) and the number of values, (N, 2), zeros before the first.
    """
    for i in range(len(begin)):
        average, seen = state[i, 0], state[i, 1]
        for r in range(begin[i], end[i]):
            if abs(x[r]) <= LARGEST:
                seen += 1.0
                if seen <= window:
                    average += x[r]
                    if seen == window:
                        average /= window
                else:
                    average = (average * (window - 1) + x[r]) / window
            out[r] = average if seen >= window else np.nan
        state[i, 0], state[i, 1] = average, seen


@njit(cache=True, error_model="numpy")
def directional(
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    state: np.ndarray,
    window: int,
    out: np.ndarray,
) -> None:
    """Wilder's +DI, -DI and ADX in per cent, rows of ``out`` (3, R), with TA-Lib's seeds.

    The sums of movement and range begin with w - 1 bars, then lose a part in w at each bar; ADX begins with the mean
    of the first w DX. Rows ``begin[i]`` to ``end[i] - 1`` of stock i go on from ``state[i]``, which then holds what
    comes after them: the three sums, ADX, the number of DX in it and the number of bars, (N, 6), zeros before the
    first.
    """
    for i in range(len(begin)):
        plus, minus, ranged, average = state[i, 0], state[i, 1], state[i, 2], state[i, 3]
        found, bars = state[i, 4], state[i, 5]
        for r in range(begin[i], end[i]):
            for k in range(3):
                out[k, r] = np.nan
            bars += 1.0
            if bars == 1.0:
                continue
            up, down = high[r] - high[r - 1], low[r - 1] - low[r]
            span = max(high[r] - low[r], max(abs(high[r] - close[r - 1]), abs(low[r] - close[r - 1])))
            if bars > window:
                plus -= plus / window
                minus -= minus / window
                ranged -= ranged / window
            if down > 0.0 and up < down:
                minus += down
            elif up > 0.0 and up > down:
                plus += up
            ranged += span
            if bars <= window:
                continue
            if ranged > 0.0:
                out[0, r] = 100.0 * plus / ranged
                out[1, r] = 100.0 * minus / ranged
                both = out[0, r] + out[1, r]
                if both > 0.0:
                    index = 100.0 * abs(out[0, r] - out[1, r]) / both
                    found += 1.0
                    if found <= window:
                        average += index / window
                    else:
                        average = (average * (window - 1) + index) / window
            if found >= window:
                out[2, r] = average
        state[i, 0], state[i, 1], state[i, 2], state[i, 3] = plus, minus, ranged, average
        state[i, 4], state[i, 5] = found, bars


@njit(cache=True, error_model="numpy")
def mean_deviations(x: np.ndarray, means: np.ndarray, starts: np.ndarray, window: int, out: np.ndarray) -> None:
    """Mean of |value - mean of the window| over the last ``window`` rows; NaN where a value of them is missing."""
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        n = high - low
        out[low : min(high, low + window - 1)] = np.nan
        if n < window:
            continue
        into, centre = out[low + window - 1 : high], means[low + window - 1 : high]
        into[:] = 0.0
        for age in range(window):
            values = x[low + window - 1 - age : high - age]
            for k in range(len(into)):
                into[k] += abs(values[k] - centre[k])
        for k in range(len(into)):
            into[k] /= window
