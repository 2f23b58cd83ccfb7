"""Compiled residuals of rolling regressions on three series; see :mod:`signals.factors.kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308
STRIDE = 8216
"""Place of one block statistic after another in a flat scratch array; no multiple of a page. Longest chunk of rows."""


@njit(cache=True, error_model="numpy")
def _digits(window: int) -> int:
    digits = 0
    while (window >> digits) > 1:
        digits += 1
    return digits


@njit(cache=True, error_model="numpy")
def _last_gap(x: np.ndarray) -> int:
    """Row of the last missing value, -1 without one."""
    present = 0
    for k in range(len(x)):
        present += abs(x[k]) <= LARGEST
    if present == len(x):
        return -1
    last = len(x) - 1
    while abs(x[last]) <= LARGEST:
        last -= 1
    return last


@njit(cache=True, error_model="numpy")
def _double_products(old: np.ndarray, size: int, count: int, d: np.ndarray, new: np.ndarray) -> None:
    """Four means and ten sums of products of blocks twice as long."""
    late, weight = old[size:], 0.5 * size
    for p in range(4):
        at = p * STRIDE
        for k in range(count):
            d[at + k] = late[at + k] - old[at + k]
            new[at + k] = old[at + k] + 0.5 * d[at + k]
    place = 4 * STRIDE
    for p in range(4):
        for q in range(p + 1):
            dp, dq = d[p * STRIDE :], d[q * STRIDE :]
            a, b, into = old[place:], late[place:], new[place:]
            for k in range(count):
                into[k] = a[k] + b[k] + dp[k] * dq[k] * weight
            place += STRIDE


@njit(cache=True, error_model="numpy")
def _append_products(old: np.ndarray, x: np.ndarray, size: int, count: int, d: np.ndarray, new: np.ndarray) -> None:
    """The same of blocks one row longer."""
    late, share, weight = x[size:], 1.0 / (size + 1.0), size / (size + 1.0)
    for p in range(4):
        at = p * STRIDE
        for k in range(count):
            d[at + k] = late[at + k] - old[at + k]
            new[at + k] = old[at + k] + share * d[at + k]
    place = 4 * STRIDE
    for p in range(4):
        for q in range(p + 1):
            dp, dq, a, into = d[p * STRIDE :], d[q * STRIDE :], old[place:], new[place:]
            for k in range(count):
                into[k] = a[k] + dp[k] * dq[k] * weight
            place += STRIDE


@njit(cache=True, error_model="numpy")
def three_factor_residuals(
    y: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    starts: np.ndarray,
    window: int,
    min_count: int,
    ddof: int,
    out: np.ndarray,
) -> None:
    """Standard deviation of the residuals of y on a constant, a, b and c; NaN where these are collinear."""
    chunk = min(STRIDE, max(256, 4 * window))
    old, new, d = np.empty(14 * STRIDE), np.empty(14 * STRIDE), np.empty(4 * STRIDE)
    rows, compact, m = np.empty(4 * STRIDE), np.empty((4, window)), np.empty(10)
    digits = _digits(window)
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low
        while base + window <= high:
            n = min(chunk, high - base)
            for p in range(4):
                source = (a, b, c, y)[p]
                rows[p * STRIDE : p * STRIDE + n] = source[base : base + n]
                old[p * STRIDE : p * STRIDE + n] = source[base : base + n]
            for p in range(4, 14):
                old[p * STRIDE : p * STRIDE + n] = 0.0
            size = 1
            for digit in range(digits - 1, -1, -1):
                _double_products(old, size, n - 2 * size + 1, d, new)
                old, new, size = new, old, 2 * size
                if (window >> digit) & 1:
                    _append_products(old, rows, size, n - size, d, new)
                    old, new, size = new, old, size + 1
            for k in range(n - window + 1):
                for p in range(10):
                    m[p] = old[(4 + p) * STRIDE + k]
                out[base + window - 1 + k] = _left_over(m, window, ddof)
            base += chunk - window + 1
        n, present = high - low, 0
        gap = _last_gap(y[low:high] + a[low:high] + b[low:high] + c[low:high])
        for r in range(low, min(high, low + gap + window)):
            present += abs(y[r] + a[r] + b[r] + c[r]) <= LARGEST
            if r - window >= low:
                k = r - window
                present -= abs(y[k] + a[k] + b[k] + c[k]) <= LARGEST
            if present == window:
                continue
            out[r] = np.nan
            if present >= max(min_count, 1):
                held = 0
                for k in range(max(low, r - window + 1), r + 1):
                    if abs(y[k] + a[k] + b[k] + c[k]) <= LARGEST:
                        compact[0, held], compact[1, held] = a[k], b[k]
                        compact[2, held], compact[3, held] = c[k], y[k]
                        held += 1
                for p in range(4):
                    compact[p, :held] -= compact[p, 0]
                    compact[p, :held] -= compact[p, :held].mean()
                place = 0
                for p in range(4):
                    for q in range(p + 1):
                        m[place] = (compact[p, :held] * compact[q, :held]).sum()
                        place += 1
                out[r] = _left_over(m, held, ddof)


@njit(cache=True, error_model="numpy")
def _left_over(m: np.ndarray, n: int, ddof: int) -> float:
    """Residual deviation from the sums of products aa ba bb ca cb cc ya yb yc yy, by elimination of a, b and c."""
    tiny = 1e-12
    aa, ba, bb, ca, cb, cc, ya, yb, yc, yy = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9]
    if n <= ddof or not aa > 0.0:
        return np.nan
    u, v, w = ba / aa, ca / aa, ya / aa
    bb1, cb1, cc1 = bb - u * ba, cb - v * ba, cc - v * ca
    yb1, yc1, yy1 = yb - w * ba, yc - w * ca, yy - w * ya
    if not bb1 > tiny * bb:
        return np.nan
    s, t = cb1 / bb1, yb1 / bb1
    cc2, yc2, yy2 = cc1 - s * cb1, yc1 - t * cb1, yy1 - t * yb1
    if not cc2 > tiny * cc:
        return np.nan
    return np.sqrt(max(yy2 - yc2 * yc2 / cc2, 0.0) / (n - ddof))
