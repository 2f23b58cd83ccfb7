"""Compiled passes of the laboratory: sorting a cross-section, ranks, quantiles, correlations, lags.

One date is one row. A row is sorted once by its factor (radix on a linear scale, what is equal there is mended run by
run); ranks, quantile labels and, with the forward returns sorted beforehand, every statistic follow by
walking it. Ranks are whole numbers, ``2 rank - (n + 1)``, so a rank correlation is exact up to its last division and
square root. Sums run in one fixed order: the same input gives the same bits.

Importing this module imports Numba; only functions that compute import it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ABSENT = -(2**31)
"""Rank of a name that is not in the sample."""

_SHORT_RUN = 24
_TOP = 4194303.0  # of 22 bits
_BUCKETS = 2048
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
        for b in range(_BUCKETS):
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
def _sort(values, members, count, items, spare, counts):  # type: ignore[no-untyped-def]
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
def order_returns(returns, order, lengths):  # type: ignore[no-untyped-def]
    """Sort every row of forward returns once, for all factors.

    ``returns`` (H, D, N): infinities become NaN, negative zeros zeros. ``order`` (H, D, N) int16 receives the places
    of the known ones in rising order, ``~place`` where the value equals the one before; ``lengths`` (H, D) how many.
    """
    horizons, dates, names = returns.shape
    members = np.empty(names, np.int32)
    items, spare = np.empty(names, np.uint64), np.empty(names, np.uint64)
    counts = np.empty((3, _BUCKETS), np.int32)
    for h in range(horizons):
        for d in range(dates):
            row = returns[h, d]
            count = 0
            for j in range(names):
                v = row[j] + 0.0
                row[j] = v
                if np.isfinite(v):
                    members[count] = j
                    count += 1
                else:
                    row[j] = np.nan
            _sort(row, members, count, items, spare, counts)
            for p in range(count):
                place = np.int32(items[p] & _LOW)
                same = p > 0 and row[place] == row[np.int32(items[p - 1] & _LOW)]
                order[h, d, p] = ~place if same else place
            lengths[h, d] = count


@njit(cache=True)
def _rank(rising, places, n, ranks):  # type: ignore[no-untyped-def]
    """Write ``2 rank - (n + 1)`` of ``rising`` (n,) to ``places``, ties sharing the mean; return the sum of t^3 - t."""
    tied = False
    for p in range(1, n):
        tied |= rising[p] == rising[p - 1]
    for p in range(n):
        ranks[places[p]] = 2 * p + 1 - n
    total = np.int64(0)
    p = 0
    while tied and p < n:
        end = p + 1
        while end < n and rising[end] == rising[p]:
            end += 1
        for q in range(p, end):
            ranks[places[q]] = p + end - n
        size = np.int64(end - p)
        total += size * (size * size - 1)
        p = end
    return total


@njit(cache=True)
def _rank_correlation(places, count, ranks, n, factor_squares):  # type: ignore[no-untyped-def]
    """Spearman's correlation of ``ranks`` (N,) with the returns sorted in ``places``, on the ``n`` ranked names."""
    products, pairs, before = np.int64(0), np.int64(0), np.int64(0)
    total, size = np.int64(0), np.int64(0)
    for p in range(count):
        j = places[p]
        if j >= 0:  # a new value: the names of the one before share its mean rank
            products += total * (2 * before + size - n)
            pairs += size * (size * size - 1)
            before += size
            total, size = np.int64(0), np.int64(0)
        else:
            j = ~j
        a = ranks[j]
        if a != ABSENT:
            total += a
            size += 1
    products += total * (2 * before + size - n)
    pairs += size * (size * size - 1)
    m = np.int64(n)
    squares = (m * (m * m - 1) - pairs) // 3
    if squares <= 0 or factor_squares <= 0:
        return np.nan
    return products / (np.sqrt(float(squares)) * np.sqrt(float(factor_squares)))


@njit(cache=True)
def _compare_ranks(now, then):  # type: ignore[no-untyped-def]
    """Pearson's correlation of two rows of ranks over the names in both."""
    n, a, b = np.int64(0), np.int64(0), np.int64(0)
    ab, aa, bb = np.int64(0), np.int64(0), np.int64(0)
    for j in range(now.size):
        both = now[j] != ABSENT and then[j] != ABSENT
        u = np.int64(now[j]) if both else np.int64(0)
        v = np.int64(then[j]) if both else np.int64(0)
        n += 1 if both else 0
        a += u
        b += v
        ab += u * v
        aa += u * u
        bb += v * v
    if n < 2:
        return np.nan
    # n * aa can outgrow 64 bits beyond some 40,000 names: the last step is in floats, of exact sums
    top = float(ab) - float(a) * float(b) / n
    left = float(aa) - float(a) * float(a) / n
    right = float(bb) - float(b) * float(b) / n
    return top / (np.sqrt(left) * np.sqrt(right)) if left > 0.0 and right > 0.0 else np.nan


@njit(cache=True)
def _compare_labels(now, then, sizes, sizes_then, fresh, turnover):  # type: ignore[no-untyped-def]
    """Share of each quantile's names (``sizes`` (Q,)) that were not in it; NaN where either side is empty."""
    fresh[:] = 0
    for j in range(now.size):
        fresh[now[j]] += 1 if now[j] != then[j] else 0
    for k in range(turnover.size):
        turnover[k] = fresh[k + 1] / sizes[k] if sizes[k] > 0 and sizes_then[k] > 0 else np.nan


@njit(cache=True)
def evaluate_rows(  # type: ignore[no-untyped-def]
    values, returns, order, lengths, universe, base, edges, drop_unbinned, min_names, lags, wanted,
    ic, rank_ic, sizes, means, offsets, squares, numbers, present, covered, autocorrelation, turnover, sampled,
):  # fmt: skip
    """Every statistic of one factor.

    In: ``values`` (D, N), ``returns``, ``order``, ``lengths`` of :func:`order_returns`, ``universe`` and ``base``
    (D, N) uint8: the cross-section, and what of it may be in the sample; ``edges`` (Q + 1,) fractions; ``lags`` (L,)
    rows between the dates compared; ``wanted`` (S,) rising rows whose ranks are asked for.

    Out: ``ic``, ``rank_ic``, ``sizes``, ``means`` (H, D), the last the mean return of the sample; ``offsets`` (the
    quantile's mean less that one), ``squares`` (sum about the quantile's mean), ``numbers`` (H, D, Q); ``present``
    (D,) names with a factor in the sample, ``covered`` (D,) in the universe; ``autocorrelation`` (L, D), ``turnover``
    (L, D, Q); ``sampled`` (S, N) ranks.
    """
    dates, names = values.shape
    horizons = returns.shape[0]
    quantiles = edges.size - 1
    value = np.empty(names)
    members = np.empty(names, np.int32)
    items, spare = np.empty(names, np.uint64), np.empty(names, np.uint64)
    counts = np.empty((3, _BUCKETS), np.int32)
    place = np.empty(names, np.int32)
    in_order = np.empty(names)
    # the last rows only, which stay in the cache
    kept = min(lags.max() + 1, dates)
    ranks, labels = np.empty((kept, names), np.int32), np.empty((kept, names), np.uint8)
    label_sizes, fresh = np.empty((kept, quantiles), np.int64), np.empty(quantiles + 1, np.int64)
    asked = 0
    sub_rank = np.empty(names, np.int32)
    at = np.empty(names + 1, np.int32)
    left, right = np.empty(names + 1), np.empty(names + 1)
    cut = np.empty(quantiles + 1)
    bounds, near = np.empty(quantiles + 1, np.int64), np.empty(quantiles + 1, np.int64)
    for d in range(dates):
        rank, label = ranks[d % kept], labels[d % kept]
        count, known = 0, 0
        for j in range(names):
            v = values[d, j] + 0.0
            value[j] = v
            rank[j] = ABSENT
            sub_rank[j] = ABSENT
            label[j] = 0
            members[count] = j
            finite = 1 if np.isfinite(v) else 0
            count += finite if base[d, j] != 0 else 0
            known += finite if universe[d, j] != 0 else 0
        n = count
        covered[d] = known
        _sort(value, members, n, items, spare, counts)
        for p in range(n):
            place[p] = np.int32(items[p] & _LOW)
            in_order[p] = value[place[p]]

        # -- quantiles as pandas.qcut: edges interpolated between order statistics, right end included
        binned = n > 0
        if binned:
            for k in range(quantiles + 1):
                virtual = (n - 1) * edges[k]
                if virtual >= n - 1:
                    cut[k] = in_order[n - 1]
                else:
                    low = int(np.floor(virtual))
                    t = virtual - low
                    a, b = in_order[low], in_order[low + 1]
                    cut[k] = b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t
                if k > 0 and not cut[k] > cut[k - 1]:
                    binned = False
        if not binned and drop_unbinned:
            n = 0
        present[d] = n
        bounds[:] = n
        bounds[0] = 0
        label_sizes[d % kept] = 0
        if binned and n > 0:
            p = 0
            for k in range(1, quantiles + 1):
                while p < n and (in_order[p] <= cut[k] or k == quantiles):
                    label[place[p]] = k
                    p += 1
                bounds[k] = p
                label_sizes[d % kept, k - 1] = p - bounds[k - 1]

        # -- ranks of the whole sample
        factor_ties = _rank(in_order, place, n, rank)
        if asked < wanted.size and wanted[asked] == d:
            sampled[asked] = rank
            asked += 1
        for i in range(lags.size):
            autocorrelation[i, d] = np.nan
            turnover[i, d] = np.nan
            if lags[i] <= d:
                then = (d - lags[i]) % kept
                autocorrelation[i, d] = _compare_ranks(rank, ranks[then])
                _compare_labels(label, labels[then], label_sizes[d % kept], label_sizes[then], fresh, turnover[i, d])

        whole = 0.0
        for p in range(n):
            whole += in_order[p]
        centre = whole / max(n, 1)
        for h in range(horizons):
            # -- the names with a return, still in the factor's order
            row = returns[h, d]
            m, total = 0, 0.0
            for k in range(quantiles):
                near[k] = m
                for p in range(bounds[k], bounds[k + 1]):
                    y = row[place[p]]
                    at[m] = place[p]
                    left[m] = in_order[p]
                    right[m] = y
                    if y == y:
                        total += y
                        m += 1
            near[quantiles] = m
            sizes[h, d] = m
            ic[h, d] = np.nan
            rank_ic[h, d] = np.nan
            middle = total / m if m > 0 else np.nan
            means[h, d] = middle
            enough = m >= min_names and m > 1

            if enough:
                # -- Spearman; where a return is missing the ranks are anew (a name without one is never looked up)
                ties, used = factor_ties, rank
                if m < n:
                    ties, used = _rank(left, at, m, sub_rank), sub_rank
                big = np.int64(m)
                factor_squares = (big * (big * big - 1) - ties) // 3
                rank_ic[h, d] = _rank_correlation(order[h, d], lengths[h, d], used, m, factor_squares)

            # -- Pearson and the quantiles in one pass about the means
            xs, ys, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(quantiles):
                first, last = near[k], near[k + 1]
                part, spread = 0.0, 0.0
                for p in range(first, last):
                    x = left[p] - centre
                    y = right[p] - middle
                    xs += x
                    xx += x * x
                    xy += x * y
                    part += y
                    spread += y * y
                ys += part
                yy += spread
                size = last - first
                numbers[h, d, k] = size if binned else 0
                offsets[h, d, k] = part / size if binned and size > 0 else np.nan
                squares[h, d, k] = max(spread - part * part / size, 0.0) if binned and size > 0 else np.nan
            if enough and not np.isnan(rank_ic[h, d]):
                xx -= xs * xs / m
                xy -= xs * ys / m
                bottom = np.sqrt(max(xx, 0.0)) * np.sqrt(yy)
                if bottom > 0.0:
                    ic[h, d] = xy / bottom
