"""Compiled residuals of rolling regressions on three series; see :mod:`signals.factors.kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308
STRIDE = 8216
"""Place of one block statistic after another in a flat scratch array; no multiple of a page. Longest chunk of rows."""
LANES = 16
"""Windows that are computed side by side."""


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
        present = 0
        gap = _last_gap(y[low:high] + a[low:high] + b[low:high] + c[low:high])
        for r in range(low, min(high, low + gap + window)):
            present += abs(y[r] + a[r] + b[r] + c[r]) <= LARGEST
            if r - window >= low:
                k = r - window
                present -= abs(y[k] + a[k] + b[k] + c[k]) <= LARGEST
            if present < window:
                begin = max(low, r - window + 1)
                out[r] = _with_gaps(y, a, b, c, begin, r, max(min_count, 1), ddof, compact, m)


@njit(cache=True, error_model="numpy")
def _with_gaps(
    y: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    begin: int,
    end: int,
    least: int,
    ddof: int,
    compact: np.ndarray,
    m: np.ndarray,
) -> float:
    """The deviation over rows ``begin`` to ``end`` that have all four; ``compact`` (4, w) and ``m`` (10,) are room."""
    held = 0
    for k in range(begin, end + 1):
        if abs(y[k] + a[k] + b[k] + c[k]) <= LARGEST:
            compact[0, held], compact[1, held] = a[k], b[k]
            compact[2, held], compact[3, held] = c[k], y[k]
            held += 1
    if held < least:
        return np.nan
    for p in range(4):
        compact[p, :held] -= compact[p, 0]
        compact[p, :held] -= compact[p, :held].mean()
    place = 0
    for p in range(4):
        for q in range(p + 1):
            m[place] = (compact[p, :held] * compact[q, :held]).sum()
            place += 1
    return _left_over(m, held, ddof)


@njit(cache=True, error_model="numpy")
def _product_lanes(x: np.ndarray, steps: np.ndarray, d: np.ndarray, blocks: np.ndarray) -> None:
    """Four means and ten sums of products of windows side by side, (4, w, LANES), into ``blocks`` (14, w, LANES)."""
    blocks[:4] = x
    blocks[4:] = 0.0
    for s in range(len(steps)):
        at, size = steps[s, 0], steps[s, 1]
        late, appends = at + size, steps[s, 2] == 1
        share = 1.0 / (size + 1.0) if appends else 0.5
        weight = size / (size + 1.0) if appends else 0.5 * size
        for p in range(4):
            for k in range(LANES):
                d[p, k] = (x[p, late, k] if appends else blocks[p, late, k]) - blocks[p, at, k]
                blocks[p, at, k] = blocks[p, at, k] + share * d[p, k]
        place = 4
        for p in range(4):
            for q in range(p + 1):
                if appends:
                    for k in range(LANES):
                        blocks[place, at, k] = blocks[place, at, k] + d[p, k] * d[q, k] * weight
                else:
                    for k in range(LANES):
                        both = blocks[place, at, k] + blocks[place, late, k]
                        blocks[place, at, k] = both + d[p, k] * d[q, k] * weight
                place += 1


@njit(cache=True, error_model="numpy")
def residuals_at(
    y: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    rows: np.ndarray,
    lows: np.ndarray,
    window: int,
    min_count: int,
    ddof: int,
    steps: np.ndarray,
    out: np.ndarray,
) -> None:
    """:func:`three_factor_residuals` at some ``rows`` alone, with the same bits, into ``out`` (A,); NaN at row -1.

    ``lows``: first row of each one's stock; ``steps``: those of :func:`signals.factors.blocks.steps`. Windows go side
    by side through vector instructions.
    """
    x, blocks = np.zeros((4, window, LANES)), np.empty((14, window, LANES))
    d, compact, m = np.empty((4, LANES)), np.empty((4, window)), np.empty(10)
    waiting, count = np.empty(LANES, dtype=np.int64), 0
    for j in range(len(rows)):
        begin, whole = rows[j] - window + 1, True
        for r in range(max(begin, lows[j]), rows[j] + 1):
            whole &= abs(y[r] + a[r] + b[r] + c[r]) <= LARGEST
        if whole and begin >= lows[j]:
            waiting[count] = j
            count += 1
        else:
            out[j] = _with_gaps(y, a, b, c, max(begin, lows[j]), rows[j], max(min_count, 1), ddof, compact, m)
        if count == LANES or (count and j == len(rows) - 1):
            for at in range(window):
                for k in range(count):
                    r = rows[waiting[k]] - window + 1 + at
                    x[0, at, k], x[1, at, k], x[2, at, k], x[3, at, k] = a[r], b[r], c[r], y[r]
            _product_lanes(x, steps, d, blocks)
            for k in range(count):
                for p in range(10):
                    m[p] = blocks[4 + p, 0, k]
                out[waiting[k]] = _left_over(m, window, ddof)
            count = 0


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
