"""Compiled order statistics of a block's factors: medians and quantiles, exact and without sorting.

A sample brackets the value sought; what lies outside the bracket is counted without branches, and the search goes on in
the third that is left. NaN is a missing value.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FEW = 96
"""So many values are selected from by counting."""
_SAMPLE = 64
_SPREAD = 12  # three standard deviations of the rank of a sample's median


@njit(cache=True)
def _packed(row, target):  # type: ignore[no-untyped-def]
    """Copy what is not NaN to the front of ``target``; how many."""
    m = np.uint64(0)
    for v in row:
        target[m] = v
        m += np.uint64(v == v)
    return np.int64(m)


@njit(cache=True)
def _by_counting(a, n, k):  # type: ignore[no-untyped-def]
    """The k-th smallest (from 0) of the few values ``a[:n]`` and the one after it (the same at the end)."""
    first, second = a[0], a[0]
    after = min(k + 1, n - 1)
    for i in range(n):
        v = a[i]
        below, upto = 0, 0
        for j in range(n):
            below += a[j] < v
            upto += a[j] <= v
        if below <= k < upto:
            first = v
        if below <= after < upto:
            second = v
    return first, second


@njit(cache=True)
def _bracket(sample, place):  # type: ignore[no-untyped-def]
    """Values of a sample some ranks below and above the one at ``place``; infinite beyond its ends."""
    low, high = -math.inf, math.inf
    for i in range(_SAMPLE):
        v = sample[i]
        below, upto = 0, 0
        for j in range(_SAMPLE):
            below += sample[j] < v
            upto += sample[j] <= v
        if below <= place - _SPREAD < upto:
            low = v
        if below <= place + _SPREAD < upto:
            high = v
    return low, high


@njit(cache=True)
def two_smallest_from(a, n, k, b, sample):  # type: ignore[no-untyped-def]
    """The k-th smallest (from 0) of ``a[:n]`` and the one after it (the same at the end).

    Exact: two values of a sample bracket it, and what lies outside is only counted, without branches. ``a`` and ``b``
    are overwritten.
    """
    while n > FEW:
        for i in range(_SAMPLE):
            sample[i] = a[i * n // _SAMPLE]
        low, high = _bracket(sample, k * _SAMPLE // n)
        below = 0
        m = np.uint64(0)
        for i in range(n):
            v = a[i]
            below += v < low
            b[m] = v
            m += np.uint64((v >= low) & (v <= high))
        inside = np.int64(m)
        if low == high and below <= k and k + 1 < below + inside:
            return low, low
        if k < below or min(k + 1, n - 1) >= below + inside or inside == n:
            rest = np.sort(a[:n])
            return rest[k], rest[min(k + 1, n - 1)]
        k -= below
        n = inside
        a, b = b, a
    return _by_counting(a, n, k)


@njit(cache=True)
def _median(row, count, around, centre, a, b, sample):  # type: ignore[no-untyped-def]
    """Median of the ``count`` values of ``row``, or with ``around`` of their distances from ``centre``.

    The bracket is sought in the row itself: comparisons leave NaN out, so nothing has to be copied first.
    """
    n = len(row)
    k = (count - 1) // 2
    known = 0
    for i in range(_SAMPLE):
        v = row[i * n // _SAMPLE]
        sample[i] = abs(v - centre) if around else v
        known += v == v
    low, high = _bracket(sample, k * known // count)
    below = 0
    m = np.uint64(0)
    for v in row:
        if around:
            v = abs(v - centre)
        below += v < low
        b[m] = v
        m += np.uint64((v >= low) & (v <= high))
    inside = np.int64(m)
    if below <= k and min(k + 1, count - 1) < below + inside:
        first, second = two_smallest_from(b, inside, k - below, a, sample)
    else:
        m = np.uint64(0)
        for v in row:
            a[m] = abs(v - centre) if around else v
            m += np.uint64(v == v)
        first, second = two_smallest_from(a, count, k, b, sample)
    return first if count % 2 else 0.5 * (first + second)


@njit(cache=True)
def median_bounds(block, width, lower, upper):  # type: ignore[no-untyped-def]
    """Median -+ ``width`` times the median absolute deviation, by factor; -+inf where that deviation is 0."""
    n = block.shape[1]
    a, b, sample = np.empty(n + 1), np.empty(n + 1), np.empty(_SAMPLE)
    for f in range(block.shape[0]):
        lower[f], upper[f] = -math.inf, math.inf
        row = block[f]
        count = 0
        for v in row:
            count += v == v
        if count == 0:
            continue
        middle = _median(row, count, False, 0.0, a, b, sample)
        deviation = _median(row, count, True, middle, a, b, sample)
        if deviation > 0.0:
            lower[f], upper[f] = middle - width * deviation, middle + width * deviation


@njit(cache=True)
def quantile_bounds(block, low, high, lower, upper):  # type: ignore[no-untyped-def]
    """Quantiles ``low`` and ``high`` by factor, linear between order statistics; -+inf without values."""
    n = block.shape[1]
    a, b, sample = np.empty(n + 1), np.empty(n + 1), np.empty(_SAMPLE)
    for f in range(block.shape[0]):
        lower[f], upper[f] = -math.inf, math.inf
        for side in range(2):
            m = _packed(block[f], a)
            if m == 0:
                continue
            place = (low if side == 0 else high) * (m - 1)
            k = min(int(place), m - 1)
            first, second = two_smallest_from(a, m, k, b, sample)
            value = first + (second - first) * (place - k)
            if side == 0:
                lower[f] = value
            else:
                upper[f] = value
