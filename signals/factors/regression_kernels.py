"""Compiled rolling regressions on time and on one series; see :mod:`signals.factors.kernels`.

The blocks carry sums of products of deviations too: ``C = C_a + C_b + d_x d_y ab/(a+b)``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308
STRIDE = 8216
"""Place of one block statistic after another in a flat scratch array; no multiple of a page. Longest chunk of rows."""


@njit(cache=True, error_model="numpy")
def _continue(window: int, size: int) -> int:
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
def _first_trend(x: np.ndarray, count: int, new: np.ndarray) -> None:
    """Mean, M2 and C with time of blocks of two rows."""
    late = x[1:]
    for k in range(count):
        d = late[k] - x[k]
        new[k] = x[k] + 0.5 * d
        new[STRIDE + k] = d * d * 0.5
        new[2 * STRIDE + k] = d * 0.5


@njit(cache=True, error_model="numpy")
def _double_trend(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Mean, M2 and C with time of blocks twice as long; between them time moves by ``size``."""
    late, weight = old[size:], 0.5 * size
    lag = weight * size
    for k in range(count):
        d = late[k] - old[k]
        new[k] = old[k] + 0.5 * d
        new[STRIDE + k] = old[STRIDE + k] + late[STRIDE + k] + d * d * weight
        new[2 * STRIDE + k] = old[2 * STRIDE + k] + late[2 * STRIDE + k] + d * lag


@njit(cache=True, error_model="numpy")
def _append_trend(old: np.ndarray, x: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Mean, M2 and C with time of blocks one row longer."""
    late, share, weight, half = x[size:], 1.0 / (size + 1.0), size / (size + 1.0), 0.5 * size
    for k in range(count):
        d = late[k] - old[k]
        new[k] = old[k] + share * d
        new[STRIDE + k] = old[STRIDE + k] + d * d * weight
        new[2 * STRIDE + k] = old[2 * STRIDE + k] + d * half


@njit(cache=True, error_model="numpy")
def trends(
    x: np.ndarray,
    divisor: np.ndarray,
    starts: np.ndarray,
    windows: np.ndarray,
    min_count: np.ndarray,
    flat: float,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """Regression on time 1..w: slope, R2 and the current row's residual; ``slots`` (3, W) names rows of ``out``.

    ``divisor`` divides slope and residual. R2 is NaN where the standard deviation is at most ``flat``.
    """
    longest = windows[-1]
    chunk = min(STRIDE, max(640, 4 * longest))
    old, new = np.empty(3 * STRIDE), np.empty(3 * STRIDE)
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
                        old[STRIDE:] = 0.0
                for digit in range(beyond - 1, -1, -1):
                    if size == 1:
                        _first_trend(xs, n - 1, new)
                    else:
                        _double_trend(old, size, n - 2 * size + 1, new)
                    old, new, size = new, old, 2 * size
                    if (window >> digit) & 1:
                        _append_trend(old, xs, size, n - size, new)
                        old, new, size = new, old, size + 1
                first = (window if base == low else longest) - 1
                place, count = first - window + 1, n - first
                time = window * (window * window - 1.0) / 12.0
                per, half, least = 1.0 / time, 0.5 * (window - 1.0) / time, flat * flat * (window - 1.0)
                by = divisor[base + first : base + n] if len(divisor) else divisor
                mean, square, product = old[place:], old[STRIDE + place :], old[2 * STRIDE + place :]
                if slots[0, j] >= 0:
                    into = out[slots[0, j], base + first : base + n]
                    for k in range(count):
                        into[k] = product[k] * per
                    if len(divisor):
                        for k in range(count):
                            into[k] /= by[k]
                if slots[1, j] >= 0:
                    into = out[slots[1, j], base + first : base + n]
                    for k in range(count):
                        fit = product[k] * product[k] / (square[k] * time)
                        into[k] = fit if square[k] > least else np.nan
                if slots[2, j] >= 0:
                    into, last = out[slots[2, j], base + first : base + n], xs[first:]
                    for k in range(count):
                        into[k] = last[k] - (mean[k] + product[k] * half)
                    if len(divisor):
                        for k in range(count):
                            into[k] /= by[k]
            base += chunk - longest + 1
        gap = _last_gap(x[low:high])
        for j in range(len(windows)):
            _trends_with_gaps(x[low:high], divisor, low, windows[j], min_count[j], gap, flat, slots[:, j], out)


@njit(cache=True, error_model="numpy")
def _trends_with_gaps(
    x: np.ndarray,
    divisor: np.ndarray,
    low: int,
    window: int,
    min_count: int,
    gap: int,
    flat: float,
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
        slope, fit, rest = np.nan, np.nan, np.nan
        if present >= max(min_count, 2):
            first = max(0, r - window + 1)
            time, level, pivot = 0.0, 0.0, np.nan
            for k in range(first, r + 1):
                if abs(x[k]) <= LARGEST:
                    if np.isnan(pivot):
                        pivot = x[k]
                    time += k - first
                    level += x[k] - pivot
            time, level = time / present, level / present
            tt, xx, tx = 0.0, 0.0, 0.0
            for k in range(first, r + 1):
                if abs(x[k]) <= LARGEST:
                    t, y = k - first - time, x[k] - pivot - level
                    tt, xx, tx = tt + t * t, xx + y * y, tx + t * y
            slope = tx / tt
            fit = tx * tx / (tt * xx) if xx > flat * flat * (present - 1.0) else np.nan
            rest = x[r] - pivot - (level + slope * (r - first - time)) if abs(x[r]) <= LARGEST else np.nan
        by = divisor[low + r] if len(divisor) else 1.0
        if slots[0] >= 0:
            out[slots[0], low + r] = slope / by
        if slots[1] >= 0:
            out[slots[1], low + r] = fit
        if slots[2] >= 0:
            out[slots[2], low + r] = rest / by


@njit(cache=True, error_model="numpy")
def _first_pair(x: np.ndarray, y: np.ndarray, count: int, new: np.ndarray) -> None:
    """Means, M2s and C of blocks of two rows."""
    x_late, y_late = x[1:], y[1:]
    for k in range(count):
        dx, dy = x_late[k] - x[k], y_late[k] - y[k]
        new[k] = x[k] + 0.5 * dx
        new[STRIDE + k] = y[k] + 0.5 * dy
        new[2 * STRIDE + k] = dx * dx * 0.5
        new[3 * STRIDE + k] = dy * dy * 0.5
        new[4 * STRIDE + k] = dx * dy * 0.5


@njit(cache=True, error_model="numpy")
def _double_pair(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Means, M2s and C of blocks twice as long."""
    late, weight = old[size:], 0.5 * size
    for k in range(count):
        dx, dy = late[k] - old[k], late[STRIDE + k] - old[STRIDE + k]
        new[k] = old[k] + 0.5 * dx
        new[STRIDE + k] = old[STRIDE + k] + 0.5 * dy
        new[2 * STRIDE + k] = old[2 * STRIDE + k] + late[2 * STRIDE + k] + dx * dx * weight
        new[3 * STRIDE + k] = old[3 * STRIDE + k] + late[3 * STRIDE + k] + dy * dy * weight
        new[4 * STRIDE + k] = old[4 * STRIDE + k] + late[4 * STRIDE + k] + dx * dy * weight


@njit(cache=True, error_model="numpy")
def _append_pair(old: np.ndarray, x: np.ndarray, y: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    """Means, M2s and C of blocks one row longer."""
    x_late, y_late, share, weight = x[size:], y[size:], 1.0 / (size + 1.0), size / (size + 1.0)
    for k in range(count):
        dx, dy = x_late[k] - old[k], y_late[k] - old[STRIDE + k]
        new[k] = old[k] + share * dx
        new[STRIDE + k] = old[STRIDE + k] + share * dy
        new[2 * STRIDE + k] = old[2 * STRIDE + k] + dx * dx * weight
        new[3 * STRIDE + k] = old[3 * STRIDE + k] + dy * dy * weight
        new[4 * STRIDE + k] = old[4 * STRIDE + k] + dx * dy * weight


@njit(cache=True, error_model="numpy")
def pairs(
    x: np.ndarray,
    y: np.ndarray,
    starts: np.ndarray,
    windows: np.ndarray,
    min_count: np.ndarray,
    flat: float,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """Correlation, covariance (n - 1), and slope and intercept of y on x; ``slots`` (4, W) in this order.

    The correlation is NaN where either standard deviation is at most ``flat``. Windows ascend.
    """
    longest = windows[-1]
    chunk = min(STRIDE, max(448, 4 * longest))
    old, new = np.empty(5 * STRIDE), np.empty(5 * STRIDE)
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low
        while base < high and (base == low or base + longest <= high):
            n = min(chunk, high - base)
            xs, ys = x[base : base + n], y[base : base + n]
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
                        old[STRIDE : STRIDE + n] = ys
                        old[2 * STRIDE :] = 0.0
                for digit in range(beyond - 1, -1, -1):
                    if size == 1:
                        _first_pair(xs, ys, n - 1, new)
                    else:
                        _double_pair(old, size, n - 2 * size + 1, new)
                    old, new, size = new, old, 2 * size
                    if (window >> digit) & 1:
                        _append_pair(old, xs, ys, size, n - size, new)
                        old, new, size = new, old, size + 1
                first = (window if base == low else longest) - 1
                place, count = first - window + 1, n - first
                mx, my = old[place:], old[STRIDE + place :]
                xx, yy, xy = old[2 * STRIDE + place :], old[3 * STRIDE + place :], old[4 * STRIDE + place :]
                least, per = flat * flat * (window - 1.0), 1.0 / (window - 1.0)
                for which in range(4):
                    if slots[which, j] < 0:
                        continue
                    into = out[slots[which, j], base + first : base + n]
                    if which == 0:
                        for k in range(count):
                            value = xy[k] / np.sqrt(xx[k] * yy[k])
                            value = value if value < 1.0 else (1.0 if value >= 1.0 else value)
                            value = value if value > -1.0 else (-1.0 if value <= -1.0 else value)
                            into[k] = value if (xx[k] > least) & (yy[k] > least) else np.nan
                    elif which == 1:
                        for k in range(count):
                            into[k] = xy[k] * per
                    elif which == 2:
                        for k in range(count):
                            into[k] = xy[k] / xx[k]
                    else:
                        for k in range(count):
                            into[k] = my[k] - xy[k] / xx[k] * mx[k]
            base += chunk - longest + 1
        xs, ys = x[low:high], y[low:high]
        gap = max(_last_gap(xs), _last_gap(ys))
        for j in range(len(windows)):
            _pairs_with_gaps(xs, ys, low, windows[j], min_count[j], gap, flat, slots[:, j], out)


@njit(cache=True, error_model="numpy")
def _pairs_with_gaps(
    x: np.ndarray,
    y: np.ndarray,
    low: int,
    window: int,
    min_count: int,
    gap: int,
    flat: float,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    present = 0
    for r in range(min(len(x), gap + window)):
        present += (abs(x[r]) <= LARGEST) and (abs(y[r]) <= LARGEST)
        if r >= window:
            present -= (abs(x[r - window]) <= LARGEST) and (abs(y[r - window]) <= LARGEST)
        if present == window:
            continue
        corr, cov, slope, level = np.nan, np.nan, np.nan, np.nan
        if present >= max(min_count, 2):
            first = max(0, r - window + 1)
            mx, my, px, py = 0.0, 0.0, np.nan, 0.0
            for k in range(first, r + 1):
                if abs(x[k]) <= LARGEST and abs(y[k]) <= LARGEST:
                    if np.isnan(px):
                        px, py = x[k], y[k]
                    mx, my = mx + (x[k] - px), my + (y[k] - py)
            mx, my = mx / present, my / present
            xx, yy, xy = 0.0, 0.0, 0.0
            for k in range(first, r + 1):
                if abs(x[k]) <= LARGEST and abs(y[k]) <= LARGEST:
                    u, v = x[k] - px - mx, y[k] - py - my
                    xx, yy, xy = xx + u * u, yy + v * v, xy + u * v
            least = flat * flat * (present - 1.0)
            cov = xy / (present - 1.0)
            if xx > least and yy > least:
                corr = max(-1.0, min(1.0, xy / np.sqrt(xx * yy)))
            if xx > 0.0:
                slope = xy / xx
                level = py + my - slope * (px + mx)
        found = (corr, cov, slope, level)
        for which in range(4):
            if slots[which] >= 0:
                out[slots[which], low + r] = found[which]
