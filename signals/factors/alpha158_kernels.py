"""Compiled parts of Alpha158 that are no rolling statistic of their own: bars, lags, gains and losses."""

from __future__ import annotations

import numpy as np
from numba import njit

STRIDE = 8216
"""Place of one block statistic after another in a flat scratch array; no multiple of a page. Longest chunk of rows."""


@njit(cache=True, error_model="numpy")
def bars(
    opened: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    vwap: np.ndarray,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """The shape of the bar itself and its prices over the close; ``slots`` (13,) names rows of ``out``, -1 for none."""
    for which in range(13):
        if slots[which] < 0:
            continue
        into = out[slots[which]]
        for r in range(len(close)):
            o, h, b, c = opened[r], high[r], low[r], close[r]
            upper, lower = max(o, c), min(o, c)
            if which == 0:
                value = (c - o) / o
            elif which == 1:
                value = (h - b) / o
            elif which == 2:
                value = (c - o) / (h - b + 1e-12)
            elif which == 3:
                value = (h - upper) / o
            elif which == 4:
                value = (h - upper) / (h - b + 1e-12)
            elif which == 5:
                value = (lower - b) / o
            elif which == 6:
                value = (lower - b) / (h - b + 1e-12)
            elif which == 7:
                value = (2.0 * c - h - b) / o
            elif which == 8:
                value = (2.0 * c - h - b) / (h - b + 1e-12)
            elif which == 9:
                value = o / c
            elif which == 10:
                value = h / c
            elif which == 11:
                value = b / c
            else:
                value = vwap[r] / c
            into[r] = value


@njit(cache=True, error_model="numpy")
def lags(x: np.ndarray, starts: np.ndarray, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    """The value ``windows[j]`` rows ago over the current one, NaN before the history, into ``out[slots[j]]``."""
    for j in range(len(windows)):
        if slots[j] < 0:
            continue
        for i in range(len(starts) - 1):
            values = x[starts[i] : starts[i + 1]]
            into = out[slots[j], starts[i] : starts[i + 1]]
            lag = min(windows[j], len(values))
            into[:lag] = np.nan
            now, then, rest = values[lag:], values[: len(values) - lag], into[lag:]
            for k in range(len(rest)):
                rest[k] = then[k] / now[k]


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
def _double(old: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    late = old[size:]
    for k in range(count):
        new[k] = old[k] + late[k]
        new[STRIDE + k] = old[STRIDE + k] + late[STRIDE + k]


@njit(cache=True, error_model="numpy")
def _append(old: np.ndarray, x: np.ndarray, size: int, count: int, new: np.ndarray) -> None:
    late = x[size:]
    for k in range(count):
        new[k] = old[k] + late[k]
        new[STRIDE + k] = old[STRIDE + k] + late[STRIDE + k]


@njit(cache=True, error_model="numpy")
def gains(
    x: np.ndarray, starts: np.ndarray, windows: np.ndarray, counted: bool, slots: np.ndarray, out: np.ndarray
) -> None:
    """Share of gains, of losses, and their difference in the sum of moves, or in the number of rows if ``counted``.

    A move is the value less that of the row before; the first row has none. ``slots`` (3, W); windows ascend.
    """
    longest = windows[-1]
    ahead = longest - 1
    chunk = min(STRIDE, max(640, 4 * longest))
    a, b, moves = np.empty(2 * STRIDE), np.empty(2 * STRIDE), np.empty(2 * STRIDE)
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low - ahead
        while base + ahead < high:
            n = min(chunk, high - base)
            before = max(0, low + 1 - base)  # rows without a move
            for k in range(before):
                moves[k] = 0.0
                moves[STRIDE + k] = 0.0
            now, then = x[base + before : base + n], x[base + before - 1 : base + n - 1]
            ups, downs = moves[before:], moves[STRIDE + before :]
            if counted:
                for k in range(n - before):
                    ups[k] = 1.0 if now[k] > then[k] else 0.0
                    downs[k] = 1.0 if now[k] < then[k] else 0.0
            else:
                for k in range(n - before):
                    d = now[k] - then[k]
                    ups[k] = d if d > 0.0 else 0.0
                    downs[k] = -d if d < 0.0 else 0.0
            old, new, size = a, b, 0
            for j in range(len(windows)):
                window = windows[j]
                beyond = _continue(window, size)
                if beyond < 0:
                    size, beyond = 1, _digits(window)
                    old[:n] = moves[:n]
                    old[STRIDE : STRIDE + n] = moves[STRIDE : STRIDE + n]
                for digit in range(beyond - 1, -1, -1):
                    _double(old, size, n - 2 * size + 1, new)
                    old, new, size = new, old, 2 * size
                    if (window >> digit) & 1:
                        _append(old, moves, size, n - size, new)
                        old, new, size = new, old, size + 1
                up, down = old[longest - window :], old[STRIDE + longest - window :]
                for which in range(3):
                    if slots[which, j] < 0:
                        continue
                    into = out[slots[which, j], base + ahead : base + n]
                    first = base + ahead - low  # rows of the stock before these
                    if counted:
                        whole = 1.0 / window
                        for k in range(n - ahead):
                            into[k] = (up[k] if which == 0 else (down[k] if which == 1 else up[k] - down[k])) * whole
                        for k in range(min(n - ahead, window - 1 - first)):
                            value = up[k] if which == 0 else (down[k] if which == 1 else up[k] - down[k])
                            into[k] = value / (first + k + 1.0)
                    else:
                        for k in range(n - ahead):
                            value = up[k] if which == 0 else (down[k] if which == 1 else up[k] - down[k])
                            into[k] = value / (up[k] + down[k] + 1e-12)
                        if first == 0:
                            into[0] = np.nan
            base += chunk - ahead
