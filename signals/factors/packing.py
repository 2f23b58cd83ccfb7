"""From T x N panels to rows packed by stock, and back.

Rolling work runs over bars of one stock after the other, sessions without a bar left out: R rows, those of stock i
at ``starts[i]:starts[i + 1]``.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def count_bars(traded: np.ndarray, begin: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Bars of each stock from session ``begin[i]`` on; (N,) int64.

    ``order``, here and below: the stocks by rising ``begin``, so that no session is walked for those that begin later.
    """
    sessions, stocks = traded.shape
    counts = np.zeros(stocks, dtype=np.int64)
    active = 0
    for t in range(begin[order[0]] if stocks else 0, sessions):
        while active < stocks and begin[order[active]] <= t:
            active += 1
        for k in range(active):
            i = order[k]
            if traded[t, i]:
                counts[i] += 1
    return counts


@njit(cache=True)
def pack(values: np.ndarray, sessions: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Values (T, N) on the bars, packed by stock; (R,) float64. ``sessions``: those of :func:`pack_sessions`."""
    out = np.empty(len(sessions), dtype=np.float64)
    for i in range(len(starts) - 1):
        for row in range(starts[i], starts[i + 1]):
            out[row] = values[sessions[row], i]
    return out


@njit(cache=True)
def cut(values: np.ndarray, longer: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The last bars of each stock, as many as ``starts`` says, from values packed with ``longer`` starts."""
    out = np.empty(starts[-1], dtype=values.dtype)
    for i in range(len(starts) - 1):
        count = starts[i + 1] - starts[i]
        out[starts[i] : starts[i + 1]] = values[longer[i + 1] - count : longer[i + 1]]
    return out


@njit(cache=True)
def pack_sessions(traded: np.ndarray, begin: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Index of the session of each packed row; (R,) int32."""
    sessions, stocks = traded.shape
    out = np.empty(starts[stocks], dtype=np.int32)
    place = starts[:-1].copy()
    active = 0
    for t in range(begin[order[0]] if stocks else 0, sessions):
        while active < stocks and begin[order[active]] <= t:
            active += 1
        for k in range(active):
            i = order[k]
            if traded[t, i]:
                out[place[i]] = t
                place[i] += 1
    return out


@njit(cache=True)
def find_places(
    traded: np.ndarray, begin: np.ndarray, order: np.ndarray, starts: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Packed row of each stock on each of the sessions ``rows`` (ascending), -1 without a bar; (D, N) int32."""
    sessions, stocks = traded.shape
    out = np.full((len(rows), stocks), -1, dtype=np.int32)
    place = starts[:-1].copy()
    active, d = 0, 0
    for t in range(begin[order[0]] if stocks else 0, sessions):
        while d < len(rows) and rows[d] < t:
            d += 1
        if d == len(rows):
            break
        while active < stocks and begin[order[active]] <= t:
            active += 1
        asked = rows[d] == t
        for k in range(active):
            i = order[k]
            if traded[t, i]:
                if asked:
                    out[d, i] = place[i]
                place[i] += 1
    return out


@njit(cache=True)
def gather(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Packed values at the places, NaN where a place is -1; (D, N) float64."""
    days, stocks = places.shape
    out = np.empty((days, stocks), dtype=np.float64)
    for d in range(days):
        for i in range(stocks):
            row = places[d, i]
            out[d, i] = values[row] if row >= 0 else np.nan
    return out


@njit(cache=True)
def last_bars(traded: np.ndarray, wanted: np.ndarray, end: int, bars: int) -> np.ndarray:
    """Session from which each stock has ``bars`` bars before session ``end``; (N,) int64.

    One that has fewer begins with its first; one that is not ``wanted`` (N,) begins after the last session.
    """
    sessions, stocks = traded.shape
    begin = np.full(stocks, sessions, dtype=np.int64)
    lacking = np.full(stocks, bars, dtype=np.int64)
    left = np.empty(stocks, dtype=np.int64)  # stocks that look for their first bar, walking back
    count = 0
    for i in range(stocks):
        if wanted[i]:
            begin[i] = end
            if bars > 0:
                left[count] = i
                count += 1
    t = end - 1
    while count and t >= 0:
        going = 0
        for k in range(count):
            i = left[k]
            if traded[t, i]:
                lacking[i] -= 1
                begin[i] = t
            if lacking[i] > 0:
                left[going] = i
                going += 1
        count = going
        t -= 1
    return begin


@njit(cache=True)
def first_bars(traded: np.ndarray) -> np.ndarray:
    """Session of each stock's first bar, T without one; (N,) int64."""
    sessions, stocks = traded.shape
    first = np.full(stocks, sessions, dtype=np.int64)
    for t in range(sessions - 1, -1, -1):
        for i in range(stocks):
            first[i] = t if traded[t, i] != 0 else first[i]
    return first


@njit(cache=True)
def mix_cells(words: np.ndarray, first: np.ndarray, keys: np.ndarray, begin: int, end: int) -> np.uint64:
    """A hash of sessions ``begin`` to ``end - 1`` of a panel (T, N) of whole numbers or bits.

    It tells changes, not attackers, apart. It is the sum of a hash of every cell with its session and its stock's key,
    over cells from the stock's first bar on: that of a longer span is the sum of those of its parts, and stocks that
    have not begun add nothing.
    """
    total = np.uint64(0)
    for t in range(begin, end):
        row = np.uint64(2 * t + 1) * np.uint64(0x9E3779B97F4A7C15)  # odd, so that no two words give the same
        for i in range(words.shape[1]):
            a = np.uint64(words[t, i]) ^ keys[i]
            a = (a ^ (a >> np.uint64(32))) * row  # a product carries upwards only: first the upper half goes down
            a ^= a >> np.uint64(29)
            total += a if t >= first[i] else np.uint64(0)
    return total


@njit(cache=True)
def mix_into(sums: np.ndarray, words: np.ndarray, rows: np.ndarray) -> None:
    """Take some ``rows`` of one more column (R,) of whole numbers into their hashes; uint64."""
    one, two = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
    for k in range(len(sums)):
        a = ((sums[k] + one) ^ words[rows[k]]) * one
        a = (a ^ (a >> np.uint64(29))) * two
        sums[k] = a ^ (a >> np.uint64(32))


@njit(cache=True)
def mix_texts(letters: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """A hash of each text; (R,) uint64. ``letters``: the code points of all, one text behind the other."""
    one, two = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
    out, place = np.empty(len(lengths), dtype=np.uint64), 0
    for r in range(len(lengths)):
        a = np.uint64(lengths[r])
        for k in range(place, place + lengths[r]):
            a = ((a ^ letters[k]) + one) * two
            a ^= a >> np.uint64(29)
        place += lengths[r]
        out[r] = a ^ (a >> np.uint64(32))
    return out
