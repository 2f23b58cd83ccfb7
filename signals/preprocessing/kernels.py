"""Compiled work on one date's cross-section: a block of F factors x n stocks, contiguous by factor.

The stocks of a block are sorted by industry, so that sums over an industry run over neighbours: ``bounds`` holds where
the industries begin, and its last entry is n; stocks before ``bounds[0]`` have no known industry. NaN is a missing
value and is never counted. Imported by :mod:`signals.preprocessing.cross_sections` and the steps when they first work.

Sums may be taken in another order than written (``reassoc``), which the compiler fixes once for a machine; NaN keeps
its meaning.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_SUMS = {"reassoc", "contract", "nsz"}
_NO_SPREAD = 1e-26
"""A variance below this times the squared mean is rounding."""


# -- into a block and back ---------------------------------------------------------------------------


@njit(cache=True)
def gather(source, order, block):  # type: ignore[no-untyped-def]
    """Copy rows ``order`` of ``source`` (N, F) into ``block`` (F, n)."""
    count, factors = len(order), source.shape[1]
    whole = count - count % 8
    for j in range(0, whole, 8):  # eight stocks at a time fill the cache lines they are written to
        for f in range(factors):
            for k in range(8):
                block[f, j + k] = source[order[j + k], f]
    for j in range(whole, count):
        for f in range(factors):
            block[f, j] = source[order[j], f]


@njit(cache=True)
def scatter(block, order, target):  # type: ignore[no-untyped-def]
    """Copy ``block`` (F, n) to rows ``order`` of ``target`` (N, F)."""
    count, factors = len(order), target.shape[1]
    whole = count - count % 8
    for j in range(0, whole, 8):
        for k in range(8):
            row = order[j + k]
            for f in range(factors):
                target[row, f] = block[f, j + k]
    for j in range(whole, count):
        for f in range(factors):
            target[order[j], f] = block[f, j]


@njit(cache=True, fastmath=_SUMS)
def clean(block, given, infinite):  # type: ignore[no-untyped-def]
    """Make infinite values NaN; count finite and infinite ones by factor."""
    for f in range(block.shape[0]):
        row = block[f]
        finite, huge = 0, 0
        for j in range(len(row)):
            size = abs(row[j])
            finite += size < math.inf
            huge += size == math.inf
        if huge:
            for j in range(len(row)):
                if abs(row[j]) == math.inf:
                    row[j] = math.nan
        given[f], infinite[f] = finite, huge


@njit(cache=True, fastmath=_SUMS)
def count_values(block, counts):  # type: ignore[no-untyped-def]
    """Values that are not NaN, by factor."""
    for f in range(block.shape[0]):
        found = 0
        for v in block[f]:
            found += v == v
        counts[f] = found


# -- moments and bounds -------------------------------------------------------------------------------


@njit(cache=True, fastmath=_SUMS)
def moments(block, mean, spread, ddof):  # type: ignore[no-untyped-def]
    """Mean and standard deviation by factor; NaN without ``ddof`` + 1 values, spread 0 where it is rounding."""
    for f in range(block.shape[0]):
        row = block[f]
        count, total = 0, 0.0
        for v in row:
            count += v == v
            total += v if v == v else 0.0
        mean[f], spread[f] = math.nan, math.nan
        if count <= ddof:
            continue
        middle = total / count
        squares = 0.0
        for v in row:
            d = v - middle
            squares += d * d if v == v else 0.0
        variance = squares / (count - ddof)
        mean[f] = middle
        spread[f] = math.sqrt(variance) if variance > _NO_SPREAD * middle * middle else 0.0


@njit(cache=True, fastmath=_SUMS)
def clip(block, lower, upper, clipped):  # type: ignore[no-untyped-def]
    """Move values beyond the bounds of their factor onto them; how many, by factor."""
    for f in range(block.shape[0]):
        row, low, high = block[f], lower[f], upper[f]
        count = 0
        for j in range(len(row)):
            v = row[j]
            count += (v < low) | (v > high)
            v = low if v < low else v
            row[j] = high if v > high else v
        clipped[f] = count


@njit(cache=True, fastmath=_SUMS)
def scale(block, mean, spread):  # type: ignore[no-untyped-def]
    """(value - mean) / spread by factor; NaN where there is no spread."""
    for f in range(block.shape[0]):
        row, middle = block[f], mean[f]
        factor = 1.0 / spread[f] if spread[f] > 0.0 else math.nan
        for j in range(len(row)):
            row[j] = (row[j] - middle) * factor


# -- filling -----------------------------------------------------------------------------------------


@njit(cache=True, fastmath=_SUMS)
def _sum_of(row, start, stop):  # type: ignore[no-untyped-def]
    count, total = 0, 0.0
    for j in range(start, stop):
        v = row[j]
        count += v == v
        total += v if v == v else 0.0
    return count, total


@njit(cache=True)
def _put(row, start, stop, value, allowed):  # type: ignore[no-untyped-def]
    count = 0
    for j in range(start, stop):
        if allowed[j] and row[j] != row[j]:
            row[j] = value
            count += 1
    return count


@njit(cache=True)
def fill_groups(block, bounds, need, otherwise, allowed, filled, elsewhere, sparse):  # type: ignore[no-untyped-def]
    """Missing values become the mean of their industry; with ``otherwise`` the date's where that has none.

    ``filled`` counts them by factor, ``elsewhere`` those among them that took the date's mean; ``sparse`` is 1 for
    a factor with fewer than ``need`` values, which is left as it is.
    """
    n = block.shape[1]
    for f in range(block.shape[0]):
        row = block[f]
        known, total = _sum_of(row, 0, n)
        filled[f], elsewhere[f], sparse[f] = 0, 0, 0
        if known < need:
            sparse[f] = known < n
            continue
        if known == n:
            continue
        for g in range(len(bounds) - 1):
            start, stop = bounds[g], bounds[g + 1]
            count, part = _sum_of(row, start, stop)
            if 0 < count < stop - start:
                filled[f] += _put(row, start, stop, part / count, allowed)
        if otherwise:
            elsewhere[f] = _put(row, 0, n, total / known, allowed)
            filled[f] += elsewhere[f]


@njit(cache=True)
def fill_rows(block, need, allowed, filled, sparse):  # type: ignore[no-untyped-def]
    """Missing values become the mean of the stock's other factors."""
    factors, n = block.shape
    total, count, known = np.zeros(n), np.zeros(n, np.int64), np.zeros(factors, np.int64)
    for f in range(factors):
        for j in range(n):
            v = block[f, j]
            if v == v:
                total[j] += v
                count[j] += 1
                known[f] += 1
    for f in range(factors):
        filled[f], sparse[f] = 0, known[f] < need and known[f] < n
        if known[f] < need:
            continue
        for j in range(n):
            if block[f, j] != block[f, j] and count[j] > 0 and allowed[j]:
                block[f, j] = total[j] / count[j]
                filled[f] += 1


# -- ranks -------------------------------------------------------------------------------------------


@njit(cache=True)
def ranks(block, places):  # type: ignore[no-untyped-def]
    """(Average rank - 1/2) / count by factor, in (0, 1); ``places`` sorts each row, NaN last."""
    n = block.shape[1]
    for f in range(block.shape[0]):
        row, place = block[f], places[f]
        m = n
        while m > 0 and row[place[m - 1]] != row[place[m - 1]]:
            m -= 1
        start = 0
        while start < m:
            stop = start + 1
            value = row[place[start]]
            while stop < m and row[place[stop]] == value:
                stop += 1
            for j in range(start, stop):
                row[place[j]] = 0.5 * (start + stop) / m
            start = stop
