"""Compiled residuals of one date's factors on industry dummies and size; conventions of ``preprocess_kernels``."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_SUMS = {"reassoc", "contract", "nsz"}
_EXPLAINED = 1e-24
"""A residual sum of squares below this times the factor's own is rounding."""
_SAME_SIZE = 1e-20
"""The same for the sizes inside the industries."""


@njit(cache=True, fastmath=_SUMS)
def _group_means(row, size, start, stop):  # type: ignore[no-untyped-def]
    """Count, mean of the factor and mean of the size of the valid stocks of a group."""
    count, total, sizes = 0, 0.0, 0.0
    for j in range(start, stop):
        valid = (row[j] == row[j]) & (size[j] == size[j])
        count += valid
        total += row[j] if valid else 0.0
        sizes += size[j] if valid else 0.0
    if count == 0:
        return 0, math.nan, math.nan
    return count, total / count, sizes / count


@njit(cache=True, fastmath=_SUMS)
def _with_gaps(row, bounds, size, deviations):  # type: ignore[no-untyped-def]
    """Take group means away over the valid stocks, NaN for the others; sums that the slope needs, and counts."""
    xy, xx, scale, kept, single = 0.0, 0.0, 0.0, 0, 0
    for g in range(len(bounds) - 1):
        start, stop = bounds[g], bounds[g + 1]
        count, mean, middle = _group_means(row, size, start, stop)
        kept += count
        single += count == 1
        scale += count * middle * middle if count else 0.0
        for j in range(start, stop):
            x = size[j] - middle
            y = row[j] - mean if x == x else math.nan
            deviations[j] = x
            row[j] = y
            xy += x * y if y == y else 0.0
            xx += x * x if y == y else 0.0
    return xy, xx, scale, kept, single


@njit(cache=True, fastmath=_SUMS)
def _whole(row, bounds, deviations):  # type: ignore[no-untyped-def]
    """The same where all stocks are valid and ``deviations`` are the sizes less their group means; the product."""
    xy = 0.0
    for g in range(len(bounds) - 1):
        start, stop = bounds[g], bounds[g + 1]
        total = 0.0
        for j in range(start, stop):
            total += row[j]
        mean = total / max(stop - start, 1)
        for j in range(start, stop):
            y = row[j] - mean
            row[j] = y
            xy += deviations[j] * y
    return xy


@njit(cache=True, fastmath=_SUMS)
def _take_away(row, start, slope, deviations):  # type: ignore[no-untyped-def]
    """Subtract slope times deviations; the sum of squares that is left."""
    squares = 0.0
    for j in range(start, len(row)):
        y = row[j] - slope * deviations[j]
        row[j] = y
        squares += y * y if y == y else 0.0
    return squares


@njit(cache=True, fastmath=_SUMS)
def residuals(block, bounds, size, lost, alone, singular, explained):  # type: ignore[no-untyped-def]
    """Replace each factor by its least-squares residual on group dummies and ``size``.

    A size that is the same for all stocks explains nothing, so zeros stand for none. Stocks before ``bounds[0]`` and
    those without a size become NaN (``lost`` counts the values that go). By the theorem of Frisch, Waugh and Lovell:
    group means are taken from both sides, then one slope is left.

    alone : values that are the only one of their group; their residual is exactly 0.
    singular : 1 where sizes do not differ inside the groups; only the group means are taken away.
    explained : 1 where nothing but rounding is left; all residuals are exactly 0.
    """
    n = block.shape[1]
    first = bounds[0]
    own, fixed = np.empty(n), np.zeros(n)
    _, all_xx, all_scale, all_kept, all_single = _with_gaps(np.zeros(n), bounds, size, fixed)
    for f in range(block.shape[0]):
        row = block[f]
        before, inside, squares = 0, 0, 0.0
        for j in range(n):
            v = row[j]
            before += v == v
            inside += (v == v) & (j >= first)
            squares += v * v if v == v else 0.0
        for j in range(first):
            row[j] = math.nan
        deviations = own
        if inside == n - first == all_kept:
            deviations = fixed
            xy = _whole(row, bounds, fixed)
            xx, scale, kept, single = all_xx, all_scale, all_kept, all_single
        else:
            xy, xx, scale, kept, single = _with_gaps(row, bounds, size, own)
        flat = xx <= _SAME_SIZE * scale
        left = _take_away(row, first, 0.0 if flat else xy / xx, deviations)
        nothing = kept > 0 and left <= _EXPLAINED * squares
        if nothing:
            for j in range(n):
                row[j] = row[j] * 0.0
        lost[f], alone[f] = before - kept, single
        singular[f], explained[f] = flat and kept > 0, nothing
