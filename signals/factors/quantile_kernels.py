"""Compiled rolling quantiles; see :mod:`signals.factors.kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308


@njit(cache=True, error_model="numpy")
def quantiles(
    x: np.ndarray,
    divisor: np.ndarray,
    starts: np.ndarray,
    windows: np.ndarray,
    fractions: np.ndarray,
    min_count: np.ndarray,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """Quantiles with linear interpolation; ``slots`` (Q, W). The window is kept sorted: one row out, one in."""
    ordered = np.empty(windows[-1] + 1)
    for i in range(len(starts) - 1):
        low, n = starts[i], starts[i + 1] - starts[i]
        for j in range(len(windows)):
            window = windows[j]
            wanted = 0
            for f in range(len(fractions)):
                wanted += slots[f, j] >= 0
            if not wanted:
                continue
            held = 0
            for r in range(n):
                new = x[low + r]
                comes = abs(new) <= LARGEST
                old = x[low + r - window] if r >= window else np.nan
                goes = abs(old) <= LARGEST
                if goes and comes:
                    k = _find(ordered, held, old)
                    if new > old:
                        while k + 1 < held and ordered[k + 1] < new:
                            ordered[k] = ordered[k + 1]
                            k += 1
                    else:
                        while k > 0 and ordered[k - 1] > new:
                            ordered[k] = ordered[k - 1]
                            k -= 1
                    ordered[k] = new
                elif goes:
                    for k in range(_find(ordered, held, old), held - 1):
                        ordered[k] = ordered[k + 1]
                    held -= 1
                elif comes:
                    k = held
                    while k > 0 and ordered[k - 1] > new:
                        ordered[k] = ordered[k - 1]
                        k -= 1
                    ordered[k] = new
                    held += 1
                by = divisor[low + r] if len(divisor) else 1.0
                for f in range(len(fractions)):
                    if slots[f, j] < 0:
                        continue
                    out[slots[f, j], low + r] = _quantile(ordered, held, fractions[f], min_count[j]) / by


@njit(cache=True, error_model="numpy")
def _find(ordered: np.ndarray, held: int, value: float) -> int:
    first, size = 0, held
    while size > 1:
        half = size // 2
        if ordered[first + half] <= value:
            first += half
        size -= half
    return first


@njit(cache=True, error_model="numpy")
def quantiles_at(
    x: np.ndarray,
    divisor: np.ndarray,
    rows: np.ndarray,
    lows: np.ndarray,
    windows: np.ndarray,
    fractions: np.ndarray,
    min_count: np.ndarray,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """:func:`quantiles` at some ``rows`` alone, with the same bits; ``lows``: first row of each one's stock.

    A window is sorted from its newest row back, so that the shorter windows are met on the way. Windows ascend; a row
    of -1 is passed over.
    """
    ordered = np.empty(windows[-1])
    for j in range(len(rows)):
        row, held, age = rows[j], 0, 0
        if row < 0:
            continue
        for w in range(len(windows)):
            while age < windows[w] and row - age >= lows[j]:
                new = x[row - age]
                if abs(new) <= LARGEST:
                    k = held
                    while k > 0 and ordered[k - 1] > new:
                        ordered[k] = ordered[k - 1]
                        k -= 1
                    ordered[k] = new
                    held += 1
                age += 1
            by = divisor[row] if len(divisor) else 1.0
            for f in range(len(fractions)):
                if slots[f, w] >= 0:
                    out[slots[f, w], row] = _quantile(ordered, held, fractions[f], min_count[w]) / by


@njit(cache=True, error_model="numpy")
def _quantile(ordered: np.ndarray, held: int, fraction: float, least: int) -> float:
    """Linear between neighbours; NaN where fewer than ``least`` values are held."""
    if held < least or held == 0:
        return np.nan
    place = fraction * (held - 1)
    k = int(place)
    value = ordered[k]
    if k + 1 < held:
        value += (ordered[k + 1] - ordered[k]) * (place - k)
    return value
