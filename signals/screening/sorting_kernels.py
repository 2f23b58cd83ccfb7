"""Sorting of cross-sections, compiled: places in rising order of their values, by radix.

The keys are linear between the least value and the greatest; what is equal there is mended run by run, or sorted by the
bits of the values. Sorting forward returns once for all factors is here as well.

Importing this module imports Numba; only functions that compute import it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_SHORT_RUN = 24
_TOP = 4194303.0  # of 22 bits
BUCKETS = 2048
_MASK = np.uint64(2047)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(1 << 63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_FIRST, _SECOND, _THIRD = np.uint64(32), np.uint64(43), np.uint64(54)


@njit(cache=True)
def _radix(items, spare, low, high, counts, digits):  # type: ignore[no-untyped-def]
    """Sort ``items[low:high]`` by their upper 32 bits, stably; two or three digits of eleven bits."""
    counts[:digits] = 0
    for p in range(low, high):
        x = items[p]
        counts[0, (x >> _FIRST) & _MASK] += 1
        counts[1, (x >> _SECOND) & _MASK] += 1
    if digits == 3:
        for p in range(low, high):
            counts[2, items[p] >> _THIRD] += 1
    first = items[low]
    swapped = False
    for digit in range(digits):
        shift = _FIRST if digit == 0 else (_SECOND if digit == 1 else _THIRD)
        table = counts[digit]
        if table[(first >> shift) & _MASK] == high - low:
            continue  # one and the same digit everywhere
        total = low
        for b in range(BUCKETS):
            here = table[b]
            table[b] = total
            total += here
        source, target = (spare, items) if swapped else (items, spare)
        for p in range(low, high):
            x = source[p]
            b = (x >> shift) & _MASK
            target[table[b]] = x
            table[b] += 1
        swapped = not swapped
    if swapped:
        items[low:high] = spare[low:high]


@njit(cache=True)
def _mend(values, items, low, high):  # type: ignore[no-untyped-def]
    """Order ``items[low:high]``, whose keys are equal, by their values if that is quick; whether it is done."""
    if high - low <= _SHORT_RUN:
        for q in range(low + 1, high):
            x = items[q]
            v = values[x & _LOW]
            k = q - 1
            while k >= low and values[items[k] & _LOW] > v:
                items[k + 1] = items[k]
                k -= 1
            items[k + 1] = x
        return True
    same = True
    for q in range(low + 1, high):
        same &= values[items[q] & _LOW] == values[items[low] & _LOW]
    return same


@njit(cache=True)
def _sort_bits(values, items, spare, low, high, counts):  # type: ignore[no-untyped-def]
    """Order ``items[low:high]`` by the bits of their values, the upper half first: slower, but for any values."""
    buffer = np.empty(1)
    bits = buffer.view(np.uint64)
    for half in range(2):
        shift = _HALF if half == 0 else np.uint64(0)
        p = low
        while p < high:
            end = high
            if half == 1:
                end = p + 1
                top = items[p] >> _HALF
                while end < high and items[end] >> _HALF == top:
                    end += 1
                if _mend(values, items, p, end):
                    p = end
                    continue
            for q in range(p, end):
                j = items[q] & _LOW
                buffer[0] = values[j]
                key = bits[0] ^ (_ALL if bits[0] >= _SIGN else _SIGN)
                items[q] = (((key >> shift) & _LOW) << _HALF) | j
            _radix(items, spare, p, end, counts, 3)
            p = end


@njit(cache=True)
def sort_row(values, members, count, items, spare, counts):  # type: ignore[no-untyped-def]
    """Order ``members[:count]`` by ``values``; the place in the row comes out in the lower half of ``items``.

    ``values`` (N,) are finite at the members. The keys are linear between the least and the greatest in 22 bits; where
    too many share one (outliers, values that agree in most digits) the bits decide.
    """
    if count == 0:
        return
    least = greatest = values[members[0]]
    for p in range(count):
        v = values[members[p]]
        least = min(least, v)
        greatest = max(greatest, v)
    scale = _TOP / (greatest - least) if greatest > least else 0.0
    if not scale > 0.0 or scale > 1e300:  # all equal; or too far apart, or too near, for a linear scale
        for p in range(count):
            items[p] = np.uint64(members[p])
        if greatest > least:
            _sort_bits(values, items, spare, 0, count, counts)
        return
    for p in range(count):
        j = members[p]
        items[p] = (np.uint64((values[j] - least) * scale) << _HALF) | np.uint64(j)
    _radix(items, spare, 0, count, counts, 2)
    p = 0
    while p < count:
        end = p + 1
        top = items[p] >> _HALF
        while end < count and items[end] >> _HALF == top:
            end += 1
        if end - p > 1 and not _mend(values, items, p, end):
            _sort_bits(values, items, spare, p, end, counts)
        p = end


@njit(cache=True)
def order_returns(given, returns, order, lengths, offsets):  # type: ignore[no-untyped-def]
    """Sort every row of the forward returns over one horizon, once for all factors.

    In: ``given`` (D, N). Out: ``returns`` (D, N), the same with NaN for infinities and zeros for negative zeros;
    ``order`` (D, N) uint16: the places of the known ones in rising order; ``lengths`` (D,): how many; ``offsets``
    (D + 1,): which of the runs belong to a date.

    Returns
    -------
    ndarray of int16, shape (K, 2)
        Where each run of equal returns begins in the order, and where it has ended.
    """
    dates, names = given.shape
    members = np.empty(names, np.int32)
    items, spare = np.empty(names, np.uint64), np.empty(names, np.uint64)
    counts = np.empty((3, BUCKETS), np.int32)
    runs = np.empty((max(1024, names), 2), np.int16)
    found = 0
    offsets[0] = 0
    for d in range(dates):
        row = returns[d]
        count = 0
        for j in range(names):
            v = given[d, j] + 0.0
            members[count] = j
            finite = np.isfinite(v)
            row[j] = v if finite else np.nan
            count += 1 if finite else 0
        sort_row(row, members, count, items, spare, counts)
        if found + names > len(runs):
            larger = np.empty((2 * len(runs), 2), np.int16)
            larger[:found] = runs[:found]
            runs = larger
        begin = 0
        before = np.nan
        for p in range(count):
            place = np.int32(items[p] & _LOW)
            order[d, p] = place
            v = row[place]
            if v != before:
                if p - begin > 1:
                    runs[found, 0], runs[found, 1] = begin, p
                    found += 1
                begin, before = p, v
        if count - begin > 1:
            runs[found, 0], runs[found, 1] = begin, count
            found += 1
        lengths[d] = count
        offsets[d + 1] = found
    return runs[:found].copy()
