"""Compiled parts of technical indicators: Wilder's averages, directional movement, mean absolute deviation."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308


@njit(cache=True, error_model="numpy")
def wilder(x: np.ndarray, starts: np.ndarray, window: int, out: np.ndarray) -> None:
    """Wilder's average: the mean of the first ``window`` values, then (average (w - 1) + value) / w.

    Missing values at the beginning of a stock are passed over (TA-Lib's seed), later ones leave it where it is.
    """
    for i in range(len(starts) - 1):
        seen, average = 0, 0.0
        for r in range(starts[i], starts[i + 1]):
            if abs(x[r]) <= LARGEST:
                seen += 1
                if seen <= window:
                    average += x[r]
                    if seen == window:
                        average /= window
                else:
                    average = (average * (window - 1) + x[r]) / window
            out[r] = average if seen >= window else np.nan


@njit(cache=True, error_model="numpy")
def directional(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, starts: np.ndarray, window: int, out: np.ndarray
) -> None:
    """Wilder's +DI, -DI and ADX in per cent, rows of ``out`` (3, R), with TA-Lib's seeds.

    The sums of movement and range begin with w - 1 bars, then lose a part in w at each bar; ADX begins with the mean
    of the first w DX.
    """
    for i in range(len(starts) - 1):
        first = starts[i]
        plus, minus, ranged, average, found = 0.0, 0.0, 0.0, 0.0, 0
        for r in range(first, starts[i + 1]):
            for k in range(3):
                out[k, r] = np.nan
            if r == first:
                continue
            up, down = high[r] - high[r - 1], low[r - 1] - low[r]
            span = max(high[r] - low[r], max(abs(high[r] - close[r - 1]), abs(low[r] - close[r - 1])))
            if r - first >= window:
                plus -= plus / window
                minus -= minus / window
                ranged -= ranged / window
            if down > 0.0 and up < down:
                minus += down
            elif up > 0.0 and up > down:
                plus += up
            ranged += span
            if r - first < window:
                continue
            if ranged > 0.0:
                out[0, r] = 100.0 * plus / ranged
                out[1, r] = 100.0 * minus / ranged
                both = out[0, r] + out[1, r]
                if both > 0.0:
                    index = 100.0 * abs(out[0, r] - out[1, r]) / both
                    found += 1
                    if found <= window:
                        average += index / window
                    else:
                        average = (average * (window - 1) + index) / window
            if found >= window:
                out[2, r] = average


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
