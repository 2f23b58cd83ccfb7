"""Compiled rolling extremes, their age, and ranks; see :mod:`signals.factors.kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1.7976931348623157e308
STRIDE = 8216
"""Longest chunk of rows, and the place of the second statistic in a flat scratch array."""


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
def _present(x: np.ndarray, window: int, counts: np.ndarray) -> None:
    running = 0
    for k in range(len(x)):
        running += abs(x[k]) <= LARGEST
        if k >= window:
            running -= abs(x[k - window]) <= LARGEST
        counts[k] = running


@njit(cache=True, error_model="numpy")
def _widen(work: np.ndarray, turn: int, size: int, window: int, total: int) -> tuple[int, int]:
    """Maxima of blocks of the greatest power of two within the window, from those of a smaller power."""
    while 2 * size <= window:
        old, new, late = work[turn], work[1 - turn], work[turn, size:]
        for k in range(total - 2 * size + 1):
            new[k] = old[k] if old[k] > late[k] else late[k]
        size, turn = 2 * size, 1 - turn
    return size, turn


@njit(cache=True, error_model="numpy")
def _complete(x: np.ndarray) -> bool:
    present = 0
    for k in range(len(x)):
        present += abs(x[k]) <= LARGEST
    return present == len(x)


@njit(cache=True, error_model="numpy")
def _signed(x: np.ndarray, sign: float, ahead: int, into: np.ndarray) -> None:
    """``sign * x`` after ``ahead`` rows of nothing; what is missing is less than everything."""
    into[:ahead] = -np.inf
    rows = into[ahead:]
    for k in range(len(x)):
        rows[k] = sign * x[k] if abs(x[k]) <= LARGEST else -np.inf


@njit(cache=True, error_model="numpy")
def extremes(
    top: np.ndarray,
    bottom: np.ndarray,
    close: np.ndarray,
    starts: np.ndarray,
    windows: np.ndarray,
    min_count: np.ndarray,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """Greatest of ``top``, least of ``bottom``, both over ``close``, and where the close lies between them.

    ``slots`` (3, W) names the rows of ``out`` (K, R), -1 for none. An empty ``close`` divides by nothing. Windows must
    ascend. The place is ``(close - least) / (greatest - least + 1e-12)``.
    """
    longest = 1
    for i in range(len(starts) - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    high_wanted, low_wanted = (slots[0] >= 0).any() or (slots[2] >= 0).any(), (slots[1:] >= 0).any()
    ahead = windows[-1] - 1
    high_work, low_work = np.empty((2, longest + ahead)), np.empty((2, longest + ahead))
    highest, lowest = np.empty(longest), np.empty(longest)
    counts, low_counts = np.empty(longest, dtype=np.int64), np.empty(longest, dtype=np.int64)
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        n = high - low
        total = n + ahead
        whole = True
        if high_wanted:
            _signed(top[low:high], 1.0, ahead, high_work[0])
            whole = _complete(top[low:high])
        if low_wanted:
            _signed(bottom[low:high], -1.0, ahead, low_work[0])
            whole = whole and _complete(bottom[low:high])
        size, turn, low_size, low_turn = 1, 0, 1, 0
        for j in range(len(windows)):
            window = windows[j]
            first = ahead - window + 1  # the block that ends with the first bar
            if high_wanted:
                size, turn = _widen(high_work, turn, size, window, total)
                u, v = high_work[turn, first:], high_work[turn, first + window - size :]
                for k in range(n):
                    highest[k] = u[k] if u[k] > v[k] else v[k]
            if low_wanted:
                low_size, low_turn = _widen(low_work, low_turn, low_size, window, total)
                p, q = low_work[low_turn, first:], low_work[low_turn, first + window - low_size :]
                for k in range(n):
                    lowest[k] = -(p[k] if p[k] > q[k] else q[k])
            now = close[low:high] if len(close) else close
            for which in range(3):
                if slots[which, j] < 0:
                    continue
                into = out[slots[which, j], low:high]
                source = highest if which == 0 else lowest
                if which == 2:
                    for k in range(n):
                        into[k] = (now[k] - lowest[k]) / (highest[k] - lowest[k] + 1e-12)
                elif len(close):
                    for k in range(n):
                        into[k] = source[k] / now[k]
                else:
                    into[:] = source[:n]
            if whole:
                for which in range(3):
                    if slots[which, j] >= 0:
                        out[slots[which, j], low : min(high, low + min(min_count[j], window + 1) - 1)] = np.nan
                continue
            _present(top[low:high], window, counts)
            _present(bottom[low:high], window, low_counts)
            for which in range(3):
                if slots[which, j] >= 0:
                    into = out[slots[which, j], low:high]
                    for k in range(n):
                        seen = counts[k] if which == 0 else low_counts[k]
                        if which == 2:
                            seen = min(seen, counts[k])
                        if seen < min_count[j] or seen == 0:
                            into[k] = np.nan


@njit(cache=True, error_model="numpy")
def _first_places(x: np.ndarray, count: int, newest: bool, new: np.ndarray) -> None:
    """Greatest value and its row, of blocks of two rows."""
    late = x[1:]
    for k in range(count):
        greater = (late[k] > x[k]) | (newest & (late[k] == x[k]))
        new[k] = late[k] if greater else x[k]
        new[STRIDE + k] = k + 1.0 if greater else float(k)


@njit(cache=True, error_model="numpy")
def _double_places(old: np.ndarray, size: int, count: int, newest: bool, new: np.ndarray) -> None:
    """Greatest value and its row, of blocks twice as long; of equals the older, or the ``newest``."""
    late = old[size:]
    for k in range(count):
        greater = (late[k] > old[k]) | (newest & (late[k] == old[k]))
        new[k] = late[k] if greater else old[k]
        new[STRIDE + k] = late[STRIDE + k] if greater else old[STRIDE + k]


@njit(cache=True, error_model="numpy")
def _append_places(old: np.ndarray, x: np.ndarray, size: int, count: int, newest: bool, new: np.ndarray) -> None:
    late = x[size:]
    for k in range(count):
        greater = (late[k] > old[k]) | (newest & (late[k] == old[k]))
        new[k] = late[k] if greater else old[k]
        new[STRIDE + k] = float(k + size) if greater else old[STRIDE + k]


@njit(cache=True, error_model="numpy")
def extreme_ages(
    top: np.ndarray,
    bottom: np.ndarray,
    starts: np.ndarray,
    windows: np.ndarray,
    min_count: np.ndarray,
    by_window: bool,
    newest: bool,
    slots: np.ndarray,
    out: np.ndarray,
) -> None:
    """Place, from 1 at the oldest row there is, of the maximum and minimum, and the difference of the two.

    Of equals the oldest counts, or the ``newest``. ``by_window`` divides the places by the window.
    ``slots`` (3, W): maximum, minimum, difference. Windows ascend.
    """
    longest = windows[-1]
    ahead = longest - 1
    chunk = min(STRIDE, max(512, 4 * longest))
    a, b, signed = np.empty(2 * STRIDE), np.empty(2 * STRIDE), np.empty(chunk)
    places, seen = np.empty((2, len(windows), chunk)), np.empty(chunk, dtype=np.int64)
    for i in range(len(starts) - 1):
        low, high = starts[i], starts[i + 1]
        base = low - ahead
        while base + ahead < high:
            n = min(chunk, high - base)
            before = max(0, low - base)
            for side in range(2):
                x = top if side == 0 else bottom
                gaps = before
                signed[:before] = -np.inf
                for k in range(before, n):
                    value = x[base + k] if side == 0 else -x[base + k]
                    here = abs(value) <= LARGEST
                    signed[k] = value if here else -np.inf
                    gaps += not here
                old, new, size = a, b, 0
                for j in range(len(windows)):
                    window = windows[j]
                    if slots[side, j] < 0 and slots[2, j] < 0:
                        continue
                    beyond = _continue(window, size)
                    if beyond < 0:
                        size, beyond = 1, _digits(window)
                        if window == 1:
                            for k in range(n):
                                old[STRIDE + k] = k
                    for digit in range(beyond - 1, -1, -1):
                        if size == 1:
                            _first_places(signed, n - 1, newest, new)
                        else:
                            _double_places(old, size, n - 2 * size + 1, newest, new)
                        old, new, size = new, old, 2 * size
                        if (window >> digit) & 1:
                            _append_places(old, signed, size, n - size, newest, new)
                            old, new, size = new, old, size + 1
                    first = longest - window
                    rows = old[STRIDE + first :]
                    by = float(window) if by_window else 1.0
                    into = places[side, j]
                    for k in range(n - ahead):
                        into[k] = (rows[k] - max(first + k, before) + 1.0) / by
                    if gaps:
                        _present(signed[:n], window, seen)
                        for k in range(n - ahead):
                            if seen[k + ahead] < max(min_count[j], 1):
                                into[k] = np.nan
            for j in range(len(windows)):
                highest, lowest = places[0, j], places[1, j]
                for which in range(3):
                    if slots[which, j] < 0:
                        continue
                    into = out[slots[which, j], base + ahead : base + n]
                    if which == 2:
                        for k in range(n - ahead):
                            into[k] = highest[k] - lowest[k]
                    else:
                        into[:] = places[which, j, : n - ahead]
            base += chunk - ahead


@njit(cache=True, error_model="numpy")
def ranks(
    x: np.ndarray, starts: np.ndarray, windows: np.ndarray, min_count: np.ndarray, slots: np.ndarray, out: np.ndarray
) -> None:
    """Rank of the current value in its window over the number of values, ties averaged. Windows must ascend."""
    longest = 1
    for i in range(len(starts) - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    twice, counts = np.empty(longest, dtype=np.int32), np.empty(longest, dtype=np.int64)
    for i in range(len(starts) - 1):
        low, n = starts[i], starts[i + 1] - starts[i]
        values = x[low : low + n]
        whole = _complete(values)
        twice[:n] = 2  # twice the rank: itself, and below 2 for each that is smaller, 1 for each that is equal
        age = 1
        for j in range(len(windows)):
            window = windows[j]
            while age < min(window, n):
                now, then, into = values[age:], values[: n - age], twice[age:]
                for k in range(n - age):
                    into[k] += np.int32(then[k] < now[k]) + np.int32(then[k] <= now[k])
                age += 1
            if slots[j] < 0:
                continue
            result = out[slots[j], low : low + n]
            if whole:
                for k in range(n):
                    result[k] = 0.5 * twice[k] / window
                for k in range(min(n, window - 1)):
                    result[k] = 0.5 * twice[k] / (k + 1.0) if k + 1 >= min_count[j] else np.nan
                continue
            _present(values, window, counts)
            for k in range(n):
                enough = counts[k] >= min_count[j] and abs(values[k]) <= LARGEST
                result[k] = 0.5 * twice[k] / counts[k] if enough else np.nan
