"""Compiled rolling sums, weighted averages and exponential averages; see :mod:`signals.factors.kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308
STRIDE = 8216
"""Longest chunk of rows, and the place of the second statistic in a flat scratch array."""
LANES = 64
"""Windows that are computed side by side."""


@njit(cache=True, error_model="numpy")
def _digits(window: int) -> int:
    digits = 0
    while (window >> digits) > 1:
        digits += 1
    return digits


@njit(cache=True, error_model="numpy")
def _present(x: np.ndarray) -> int:
    present = 0
    for k in range(len(x)):
        present += abs(x[k]) <= LARGEST
    return present


@njit(cache=True, error_model="numpy")
def _add_decayed(old: np.ndarray, late: np.ndarray, rate: float, count: int, new: np.ndarray) -> None:
    for k in range(count):
        new[k] = old[k] * rate + late[k]


@njit(cache=True, error_model="numpy")
def _decays(x: np.ndarray, n: int, window: int, rate: float, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Sums of ``rate**age x`` over blocks of ``window`` rows, by doubling; the one of two arrays that has them."""
    old[:n] = x[:n]
    size, power = 1, rate
    for digit in range(_digits(window) - 1, -1, -1):
        _add_decayed(old, old[size:], power, n - 2 * size + 1, new)
        old, new, size, power = new, old, 2 * size, power * power
        if (window >> digit) & 1:
            _add_decayed(old, x[size:], rate, n - size, new)
            old, new, size, power = new, old, size + 1, power * rate
    return old


@njit(cache=True, error_model="numpy")
def _double_ramp(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    late, step = old[size:], float(size)
    for k in range(count):
        new[k] = old[k] + (late[k] + step * late[STRIDE + k])
        new[STRIDE + k] = old[STRIDE + k] + late[STRIDE + k]


@njit(cache=True, error_model="numpy")
def _append_ramp(old: np.ndarray, x: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    late, step = x[size:], size + 1.0
    for k in range(count):
        new[k] = old[k] + step * late[k]
        new[STRIDE + k] = old[STRIDE + k] + late[k]


@njit(cache=True, error_model="numpy")
def _ramps(x: np.ndarray, n: int, window: int, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Sums of place x value over blocks, places 1 to ``window`` from the oldest row; plain sums behind them."""
    old[:n] = x[:n]
    old[STRIDE : STRIDE + n] = x[:n]
    size = 1
    for digit in range(_digits(window) - 1, -1, -1):
        _double_ramp(old, size, n - 2 * size + 1, new)
        old, new, size = new, old, 2 * size
        if (window >> digit) & 1:
            _append_ramp(old, x, size, n - size, new)
            old, new, size = new, old, size + 1
    return old


@njit(cache=True, error_model="numpy")
def sums(
    x: np.ndarray, starts: np.ndarray, window: int, min_count: int, rate: float, mode: int, out: np.ndarray
) -> None:
    """Sum of ``rate**age x value`` (mode 0), that over the number of values (1) or over the sum of weights (2).

    Mode 3: the average with weights w, w - 1, ..., 1 from the newest row back; ``rate`` does nothing there.
    Missing values, and rows before the history, add nothing.
    """
    ahead = window - 1
    chunk = min(STRIDE, max(1024, 4 * window))
    filled, there = np.empty(chunk), np.ones(chunk)
    a, b, c, d = np.empty(2 * STRIDE), np.empty(2 * STRIDE), np.empty(2 * STRIDE), np.empty(2 * STRIDE)
    whole = (_ramps(there, window, window, c, d) if mode == 3 else _decays(there, window, window, rate, c, d))[0]
    scale = 1.0 if mode == 0 else (float(window) if mode == 1 else whole)  # of a window without gaps
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low - ahead
        while base + ahead < high:
            n = min(chunk if base >= low else 2 * ahead, high - base)  # first those rows that look before the history
            into = out[base + ahead : base + n]
            if base >= low and _present(x[base : base + n]) == n:
                rows = x[base : base + n]
                values = _ramps(rows, n, window, a, b) if mode == 3 else _decays(rows, n, window, rate, a, b)
                for k in range(n - ahead):
                    into[k] = values[k] / scale
            else:
                before = max(0, low - base)
                filled[:before], there[:before] = 0.0, 0.0
                for k in range(before, n):
                    here = abs(x[base + k]) <= LARGEST
                    filled[k] = x[base + k] if here else 0.0
                    there[k] = 1.0 if here else 0.0
                values = _ramps(filled, n, window, a, b) if mode == 3 else _decays(filled, n, window, rate, a, b)
                weights = c
                if mode == 2:
                    weights = _decays(there, n, window, rate, c, d)
                elif mode == 3:
                    weights = _ramps(there, n, window, c, d)
                present = 0.0
                for k in range(ahead):
                    present += there[k]
                for k in range(n - ahead):
                    present += there[k + ahead]
                    by = scale if present == window else (1.0 if mode == 0 else present)
                    if mode >= 2 and present < window:
                        by = weights[k]
                    into[k] = values[k] / by if present >= min_count and present > 0.0 else np.nan
                    present -= there[k]
            base += (chunk if base >= low else 2 * ahead) - ahead


@njit(cache=True, error_model="numpy")
def _decay_lanes(x: np.ndarray, steps: np.ndarray, rate: float, blocks: np.ndarray) -> None:
    """Sums of ``rate**age x`` over windows side by side, (w, LANES), into ``blocks[0]``."""
    blocks[:] = x
    size, appends, power = np.int64(1), np.int64(0), rate
    for s in range(len(steps)):
        place = steps[s, 0]
        if steps[s, 1] != size or steps[s, 2] != appends:  # the next level
            power = power * rate if appends else power * power
            size, appends = steps[s, 1], steps[s, 2]
        if appends:
            for k in range(LANES):
                blocks[place, k] = blocks[place, k] * rate + x[place + size, k]
        else:
            for k in range(LANES):
                blocks[place, k] = blocks[place, k] * power + blocks[place + size, k]


@njit(cache=True, error_model="numpy")
def sums_at(
    x: np.ndarray,
    rows: np.ndarray,
    lows: np.ndarray,
    window: int,
    min_count: int,
    rate: float,
    mode: int,
    steps: np.ndarray,
    out: np.ndarray,
) -> None:
    """:func:`sums` in modes 0 to 2 at some ``rows`` alone, with the same bits, into ``out`` (A,); NaN at row -1.

    ``lows``: first row of each one's stock; ``steps``: those of :func:`signals.factors.blocks.steps`. Windows go side
    by side through vector instructions.
    """
    values, there = np.zeros((window, LANES)), np.ones((window, LANES))
    blocks, weights = np.empty((window, LANES)), np.empty((window, LANES))
    present = np.empty(LANES, dtype=np.int64)
    _decay_lanes(there, steps, rate, weights)
    scale = 1.0 if mode == 0 else (float(window) if mode == 1 else weights[0, 0])  # of a window without gaps
    for first in range(0, len(rows), LANES):
        count = min(LANES, len(rows) - first)
        present[:] = 0
        for p in range(window):
            for k in range(count):
                row = rows[first + k] - window + 1 + p
                value = x[row] if row >= lows[first + k] else np.nan
                here = abs(value) <= LARGEST
                values[p, k] = value if here else 0.0
                there[p, k] = 1.0 if here else 0.0
                present[k] += here
        gaps = present[:count].min() < window
        _decay_lanes(values, steps, rate, blocks)
        if gaps and mode == 2:
            _decay_lanes(there, steps, rate, weights)
        for k in range(count):
            seen = present[k]
            by = scale if seen == window else (1.0 if mode == 0 else float(seen))
            if mode == 2 and seen < window:
                by = weights[0, k]
            out[first + k] = blocks[0, k] / by if seen >= min_count and seen > 0 else np.nan


@njit(cache=True, error_model="numpy")
def emas(
    x: np.ndarray, begin: np.ndarray, end: np.ndarray, state: np.ndarray, alpha: float, min_count: int, out: np.ndarray
) -> None:
    """Exponential average, seeded with the first value; a missing value leaves it where it is.

    Rows ``begin[i]`` to ``end[i] - 1`` of stock i go on from ``state[i]``, which then holds what comes after them: the
    average and the number of values in it, (N, 2), zeros before the first. Two stocks go side by side: each step waits
    for the one before, so the processor has time for both.
    """
    stocks = len(begin)
    for i in range(0, stocks, 2):
        j = min(i + 1, stocks - 1)
        a, b = begin[i], begin[j]
        m, n = end[i] - a, (end[j] - b if j > i else 0)
        first, second, seen, seen_second = state[i, 0], state[j, 0], state[i, 1], state[j, 1]
        both = min(m, n)
        for r in range(both):
            u, v = x[a + r], x[b + r]
            if abs(u) <= LARGEST:
                first = first + alpha * (u - first) if seen else u
                seen += 1.0
            if abs(v) <= LARGEST:
                second = second + alpha * (v - second) if seen_second else v
                seen_second += 1.0
            out[a + r] = first if seen >= min_count else np.nan
            out[b + r] = second if seen_second >= min_count else np.nan
        for r in range(both, m):
            u = x[a + r]
            if abs(u) <= LARGEST:
                first = first + alpha * (u - first) if seen else u
                seen += 1.0
            out[a + r] = first if seen >= min_count else np.nan
        for r in range(both, n):
            v = x[b + r]
            if abs(v) <= LARGEST:
                second = second + alpha * (v - second) if seen_second else v
                seen_second += 1.0
            out[b + r] = second if seen_second >= min_count else np.nan
        state[j, 0], state[j, 1] = second, seen_second
        state[i, 0], state[i, 1] = first, seen


@njit(cache=True, error_model="numpy")
def shifts(x: np.ndarray, starts: np.ndarray, rows: int, out: np.ndarray) -> None:
    """The value ``rows`` rows earlier in the same stock, NaN before its history."""
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        first = min(high, low + rows)
        out[low:first] = np.nan
        out[first:high] = x[low : low + high - first]


@njit(cache=True, error_model="numpy")
def ratios(x: np.ndarray, starts: np.ndarray, rows: int, out: np.ndarray) -> None:
    """The value over that ``rows`` rows earlier in the same stock, NaN before its history."""
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        first = min(high, low + rows)
        out[low:first] = np.nan
        now, then, into = x[first:high], x[low : low + high - first], out[first:high]
        for k in range(len(into)):
            into[k] = now[k] / then[k]
