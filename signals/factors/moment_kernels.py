"""Compiled rolling mean, standard deviation, skewness and kurtosis; see :mod:`signals.factors.kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308
STRIDE = 8216
"""Place of one block statistic after another in a flat scratch array; no multiple of a page. Longest chunk of rows."""


@njit(cache=True, error_model="numpy")
def _continue(window: int, size: int) -> int:
    """How many binary digits of the window lie beyond a block size that leads to it; -1 if it does not."""
    beyond = 0
    while (window >> beyond) > size:
        beyond += 1
    return beyond if size > 0 and (window >> beyond) == size else -1


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
def _first_two(x: np.ndarray, count: int, new: np.ndarray) -> None:
    """Mean and M2 of blocks of two rows."""
    late = x[1:]
    for k in range(count):
        d = late[k] - x[k]
        new[k] = x[k] + 0.5 * d
        new[STRIDE + k] = d * d * 0.5


@njit(cache=True, error_model="numpy")
def _double_mean(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    late = old[size:]
    for k in range(count):
        new[k] = old[k] + 0.5 * (late[k] - old[k])


@njit(cache=True, error_model="numpy")
def _append_mean(old: np.ndarray, x: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    late, share = x[size:], 1.0 / (size + 1.0)
    for k in range(count):
        new[k] = old[k] + share * (late[k] - old[k])


@njit(cache=True, error_model="numpy")
def _double_two(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Mean and M2 of blocks twice as long."""
    late, weight = old[size:], 0.5 * size
    for k in range(count):
        d = late[k] - old[k]
        new[k] = old[k] + 0.5 * d
        new[STRIDE + k] = old[STRIDE + k] + late[STRIDE + k] + d * d * weight


@njit(cache=True, error_model="numpy")
def _append_two(old: np.ndarray, x: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Mean and M2 of blocks one row longer."""
    late, share, weight = x[size:], 1.0 / (size + 1.0), size / (size + 1.0)
    for k in range(count):
        d = late[k] - old[k]
        new[k] = old[k] + share * d
        new[STRIDE + k] = old[STRIDE + k] + d * d * weight


@njit(cache=True, error_model="numpy")
def moments(
    x: np.ndarray,
    divisor: np.ndarray,
    starts: np.ndarray,
    windows: np.ndarray,
    min_count: np.ndarray,
    ddof: int,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """Mean, standard deviation and deviation / (mean + 1e-12): ``slots`` (3, W) names rows of ``out`` (K, R), -1 none.

    Windows ascend. ``divisor`` (R,) divides mean and deviation row by row; an empty one does not.
    """
    longest = windows[-1]
    chunk = min(STRIDE, max(768, 4 * longest))
    old, new = np.empty(2 * STRIDE), np.empty(2 * STRIDE)
    spread_wanted = (slots[1:] >= 0).any()
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low
        while base < high and (base == low or base + longest <= high):
            n = min(chunk, high - base)
            xs = x[base : base + n]
            size = 0
            for j in range(len(windows)):
                window = windows[j]
                if window > n:
                    break
                beyond = _continue(window, size)
                if beyond < 0:
                    size, beyond = 1, _digits(window)
                    if window == 1:
                        old[:n] = xs
                        old[STRIDE : STRIDE + n] = 0.0
                for digit in range(beyond - 1, -1, -1):
                    if not spread_wanted:
                        _double_mean(xs if size == 1 else old, size, n - 2 * size + 1, new)
                    elif size == 1:
                        _first_two(xs, n - 1, new)
                    else:
                        _double_two(old, size, n - 2 * size + 1, new)
                    old, new, size = new, old, 2 * size
                    if (window >> digit) & 1:
                        if spread_wanted:
                            _append_two(old, xs, size, n - size, new)
                        else:
                            _append_mean(old, xs, size, n - size, new)
                        old, new, size = new, old, size + 1
                first = (window if base == low else longest) - 1
                place = first - window + 1
                for which in range(2):
                    if slots[which, j] < 0:
                        continue
                    into = out[slots[which, j], base + first : base + n]
                    values = old[which * STRIDE + place :]
                    scale = 1.0 / (window - ddof) if which else 1.0
                    if which and window <= ddof:
                        into[:] = np.nan
                    elif len(divisor):
                        by = divisor[base + first : base + n]
                        if which:
                            for k in range(len(into)):
                                into[k] = np.sqrt(values[k] * scale) / by[k]
                        else:
                            for k in range(len(into)):
                                into[k] = values[k] / by[k]
                    elif which:
                        for k in range(len(into)):
                            into[k] = np.sqrt(values[k] * scale)
                    else:
                        for k in range(len(into)):
                            into[k] = values[k]
                if slots[2, j] >= 0:
                    into = out[slots[2, j], base + first : base + n]
                    means, squares = old[place:], old[STRIDE + place :]
                    scale = 1.0 / (window - ddof) if window > ddof else np.nan
                    for k in range(len(into)):
                        into[k] = np.sqrt(squares[k] * scale) / (means[k] + 1e-12)
            base += chunk - longest + 1
        gap = _last_gap(x[low:high])
        for j in range(len(windows)):
            _moments_with_gaps(x[low:high], divisor, low, windows[j], min_count[j], gap, ddof, slots[:, j], out)


@njit(cache=True, error_model="numpy")
def _moments_with_gaps(
    x: np.ndarray,
    divisor: np.ndarray,
    low: int,
    window: int,
    min_count: int,
    gap: int,
    ddof: int,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    present = 0
    for r in range(min(len(x), gap + window)):
        present += abs(x[r]) <= LARGEST
        if r >= window:
            present -= abs(x[r - window]) <= LARGEST
        if present == window:
            continue
        mean, spread = np.nan, np.nan
        if present >= min_count and present > 0:
            first, held, pivot, level, squares = max(0, r - window + 1), 0, np.nan, 0.0, 0.0
            for k in range(first, r + 1):
                if abs(x[k]) <= LARGEST:
                    held += 1
                    if held == 1:
                        pivot = x[k]
                    level += x[k] - pivot
            level /= held
            mean = pivot + level
            if held > ddof and (slots[1] >= 0 or slots[2] >= 0):
                for k in range(first, r + 1):
                    if abs(x[k]) <= LARGEST:
                        squares += (x[k] - pivot - level) ** 2
                spread = np.sqrt(squares / (held - ddof))
        by = divisor[low + r] if len(divisor) else 1.0
        if slots[0] >= 0:
            out[slots[0], low + r] = mean / by
        if slots[1] >= 0:
            out[slots[1], low + r] = spread / by
        if slots[2] >= 0:
            out[slots[2], low + r] = spread / (mean + 1e-12)


@njit(cache=True, error_model="numpy")
def _first_four(x: np.ndarray, count: int, new: np.ndarray) -> None:
    """Mean, M2, M3 and M4 of blocks of two rows."""
    late = x[1:]
    for k in range(count):
        d = late[k] - x[k]
        new[k] = x[k] + 0.5 * d
        new[STRIDE + k] = d * d * 0.5
        new[2 * STRIDE + k] = 0.0
        new[3 * STRIDE + k] = d * d * d * d * 0.125


@njit(cache=True, error_model="numpy")
def _double_four(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Mean, M2, M3 and M4 of blocks twice as long (Pebay 2008 for equal sizes)."""
    late, half = old[size:], 0.5 * size
    eighth = 0.125 * size
    for k in range(count):
        d = late[k] - old[k]
        two, two_late = old[STRIDE + k], late[STRIDE + k]
        three, three_late = old[2 * STRIDE + k], late[2 * STRIDE + k]
        new[k] = old[k] + 0.5 * d
        new[STRIDE + k] = two + two_late + d * d * half
        new[2 * STRIDE + k] = three + three_late + 1.5 * d * (two_late - two)
        new[3 * STRIDE + k] = (
            old[3 * STRIDE + k] + late[3 * STRIDE + k] + d * d * d * d * eighth
            + 1.5 * d * d * (two + two_late) + 2.0 * d * (three_late - three)
        )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _append_four(old: np.ndarray, x: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Mean, M2, M3 and M4 of blocks one row longer."""
    late, n = x[size:], size + 1.0
    share, weight = 1.0 / n, size / n
    for k in range(count):
        d = late[k] - old[k]
        step = d * share
        term = d * d * weight
        two, three = old[STRIDE + k], old[2 * STRIDE + k]
        new[k] = old[k] + step
        new[STRIDE + k] = two + term
        new[2 * STRIDE + k] = three + term * step * (size - 1.0) - 3.0 * step * two
        new[3 * STRIDE + k] = (
            old[3 * STRIDE + k] + term * step * step * (size * size - size + 1.0)
            + 6.0 * step * step * two - 4.0 * step * three
        )  # fmt: skip


@njit(cache=True, error_model="numpy")
def shapes(
    x: np.ndarray, starts: np.ndarray, window: int, min_count: int, kurtosis: bool, bias: bool, out: np.ndarray
) -> None:
    """Skewness or excess kurtosis as :func:`scipy.stats.skew` and :func:`scipy.stats.kurtosis` define them."""
    chunk = min(STRIDE, max(512, 4 * window))
    old, new = np.empty(4 * STRIDE), np.empty(4 * STRIDE)
    digits = _digits(window)
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low
        while base + window <= high:
            n = min(chunk, high - base)
            xs = x[base : base + n]
            size = 1
            if window == 1:
                old[:] = 0.0
            for digit in range(digits - 1, -1, -1):
                if size == 1:
                    _first_four(xs, n - 1, new)
                else:
                    _double_four(old, size, n - 2 * size + 1, new)
                old, new, size = new, old, 2 * size
                if (window >> digit) & 1:
                    _append_four(old, xs, size, n - size, new)
                    old, new, size = new, old, size + 1
            into = out[base + window - 1 : base + n]
            if kurtosis:
                times, less = _of_kurtosis(window, bias)
                for k in range(len(into)):
                    m2, m4 = old[STRIDE + k], old[3 * STRIDE + k]
                    into[k] = times * (m4 / (m2 * m2)) - less
            else:
                times = _of_skewness(window, bias)
                for k in range(len(into)):
                    m2, m3 = old[STRIDE + k], old[2 * STRIDE + k]
                    into[k] = times * (m3 / (m2 * np.sqrt(m2)))
            base += chunk - window + 1
        values = x[low:high]
        present = 0
        for r in range(min(len(values), _last_gap(values) + window)):
            present += abs(values[r]) <= LARGEST
            if r >= window:
                present -= abs(values[r - window]) <= LARGEST
            if present < window:
                out[low + r] = np.nan
                if present >= min_count and present > 0:
                    part = values[max(0, r - window + 1) : r + 1]
                    part = part[np.abs(part) <= LARGEST]
                    away = part - part[0]
                    away = away - away.mean()
                    squares = away * away
                    m2, m3, m4 = squares.sum(), (squares * away).sum(), (squares * squares).sum()
                    if kurtosis:
                        times, less = _of_kurtosis(present, bias)
                        out[low + r] = times * (m4 / (m2 * m2)) - less
                    else:
                        out[low + r] = _of_skewness(present, bias) * (m3 / (m2 * np.sqrt(m2)))


@njit(cache=True, error_model="numpy")
def _of_kurtosis(n: int, bias: bool) -> tuple[float, float]:
    """What M4 / M2^2 is multiplied with, and what is taken off."""
    if bias:
        return float(n), 3.0
    if n < 4:
        return np.nan, np.nan
    share = (n - 1.0) / ((n - 2.0) * (n - 3.0))
    return n * (n + 1.0) * share, 3.0 * (n - 1.0) * share


@njit(cache=True, error_model="numpy")
def _of_skewness(n: int, bias: bool) -> float:
    """What M3 / M2^1.5 is multiplied with."""
    if bias:
        return np.sqrt(float(n))
    return n * np.sqrt(n - 1.0) / (n - 2.0) if n > 2 else np.nan
