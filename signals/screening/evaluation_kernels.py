"""Compiled passes of the laboratory: ranks, quantiles, correlations, lags.

One date is one row. A row is sorted once by its factor; ranks, quantile labels and, with the forward returns sorted
beforehand, every statistic follow by walking it. Ranks are whole numbers, ``2 rank - (n + 1)``, so a rank correlation
is exact up to its last division and square root. A loop has no branch that depends on one name's value: ties and
missing names are counted along, runs of equal values are put right afterwards. Sums run in one fixed order: the same
input gives the same bits.

Importing this module imports Numba; only functions that compute import it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from signals.screening.sorting_kernels import BUCKETS, sort_row

ABSENT = -(2**31)
"""Rank of a name that is not in the sample."""

_LOW = np.uint64(0xFFFFFFFF)


@njit(cache=True)
def _find_runs(rising, n, runs):  # type: ignore[no-untyped-def]
    """Where runs of equal values of ``rising`` (n,) begin and have ended, into ``runs`` (., 2); how many there are."""
    found, begin = 0, 0
    for p in range(1, n + 1):
        if p == n or rising[p] != rising[p - 1]:
            if p - begin > 1:
                runs[found, 0], runs[found, 1] = begin, p
                found += 1
            begin = p
    return found


@njit(cache=True)
def _walk(row, place, bounds, runs, run_count, values, ahead, known, sums):  # type: ignore[no-untyped-def]
    """One pass over the names in the factor's order: their ranks among those with a return, and sums by quantile.

    In: ``row`` (N,) returns; ``place`` names in rising order of the factor, quantile k at ``bounds[k]:bounds[k + 1]``;
    ``runs`` of equal values; ``values`` the factor in that order. Out: ``ahead`` (n + 1,) names with a return before
    each position; ``known`` at each place: ``2 (2 rank - 1) + 1``, or 0 without a return; ``sums`` (Q, 5) over the
    names with a return: x, y, x x, y y, x y, y less a level near to it.

    Returns
    -------
    m, ties : int
        Names with a return, and the sum of t^3 - t over runs of t equal values.
    level : float
        What was taken off the returns: the return of a name amid the order, so that equal returns leave nothing.
    """
    quantiles = sums.shape[0]
    n = bounds[quantiles]
    level = np.nan
    for p in range(n):
        level = row[place[(n // 2 + p) % n]]
        if level == level:
            break
    m = np.int64(0)
    for k in range(quantiles):
        xs = ys = xx = yy = xy = 0.0
        for p in range(bounds[k], bounds[k + 1]):
            j = place[p]
            y = row[j] - level
            has = y == y
            x = values[p] if has else 0.0
            y = y if has else 0.0
            ahead[p] = m
            known[j] = 4 * m + 3 if has else 0
            m += 1 if has else 0
            xs += x
            ys += y
            xx += x * x
            yy += y * y
            xy += x * y
        sums[k, 0], sums[k, 1], sums[k, 2], sums[k, 3], sums[k, 4] = xs, ys, xx, yy, xy
    ahead[n] = m
    ties = np.int64(0)
    for r in range(run_count):
        first, last = np.int64(ahead[runs[r, 0]]), np.int64(ahead[runs[r, 1]])
        size = last - first
        if size > 1:
            for p in range(runs[r, 0], runs[r, 1]):
                j = place[p]
                known[j] = 2 * (first + last) + 1 if known[j] != 0 else 0
            ties += size * (size * size - 1)
    return m, ties, level


@njit(cache=True)
def _rank_correlation(order, count, runs, first_run, last_run, known, after, m, ties):  # type: ignore[no-untyped-def]
    """Spearman's correlation of ``known`` (N,) of :func:`_walk` with the returns sorted in ``order``."""
    products, before = np.int64(0), np.int64(0)
    for p in range(count):
        a = known[order[p]]
        after[p] = before
        products += np.int64(a >> 1) * (2 * before + 1)  # a name without the factor adds nothing
        before += a & 1
    after[count] = before
    pairs = np.int64(0)
    for r in range(first_run, last_run):
        begin, end = runs[r, 0], runs[r, 1]
        first, last = np.int64(after[begin]), np.int64(after[end])
        size = last - first
        if size > 1:  # equal returns share the mean of their ranks
            for p in range(begin, end):
                products += np.int64(known[order[p]] >> 1) * (first + last - 2 * after[p] - 1)
            pairs += size * (size * size - 1)
    m = np.int64(m)
    products -= m * m * m  # both sides have m as their mean of 2 rank - 1
    squares = (m * (m * m - 1) - pairs) // 3
    factor_squares = (m * (m * m - 1) - ties) // 3
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
def _compare_labels(place, bounds, binned, then, sizes_then, turnover):  # type: ignore[no-untyped-def]
    """Share of each quantile's names that were not in it; NaN where either side is empty.

    ``place`` (n,) the names, quantile k at ``bounds[k]:bounds[k + 1]`` if they are ``binned``; ``then`` (N,) labels
    from 1, 0 for none.
    """
    for k in range(turnover.size):
        first, last = bounds[k], bounds[k + 1]
        stayed = 0
        for p in range(first, last):
            stayed += 1 if then[place[p]] == k + 1 else 0
        size = last - first
        turnover[k] = (size - stayed) / size if binned and size > 0 and sizes_then[k] > 0 else np.nan


@njit(cache=True)
def evaluate_rows(  # type: ignore[no-untyped-def]
    values, returns, order, lengths, runs, offsets_of_runs, universe, base, edges, drop_unbinned, min_names, lags,
    wanted, ic, rank_ic, sizes, means, offsets, squares, numbers, present, covered, autocorrelation, turnover, sampled,
):  # fmt: skip
    """Every statistic of one factor.

    In: ``values`` (D, N); ``returns``, ``order`` (H, D, N), ``lengths`` (H, D), ``runs`` (K, 2) and
    ``offsets_of_runs`` (H, D + 1), as :func:`signals.screening.sorting_kernels.order_returns` has them by horizon;
    ``universe`` and ``base`` (D, N) uint8: the cross-section, and what of it may be in the sample; ``edges`` (Q + 1,)
    fractions; ``lags`` (L,) rows between the dates compared; ``wanted`` (S,) rising rows whose ranks are asked for.

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
    counts = np.empty((3, BUCKETS), np.int32)
    place = np.empty(names, np.uint32)  # without a sign no index can count from the end
    in_order = np.empty(names)
    # the last rows only, which stay in the cache
    kept = min(lags.max() + 1, dates)
    ranks, labels = np.empty((kept, names), np.int32), np.empty((kept, names), np.uint8)
    label_sizes = np.empty((kept, quantiles), np.int64)
    asked = 0
    known, ahead = np.zeros(names, np.int32), np.empty(names + 1, np.int32)
    after = np.empty(names + 1, np.int32)
    equal = np.empty((names, 2), np.int32)
    sums = np.empty((quantiles, 5))
    cut = np.empty(quantiles + 1)
    bounds = np.empty(quantiles + 1, np.int64)
    for d in range(dates):
        rank, label = ranks[d % kept], labels[d % kept]
        count, inside = 0, 0
        for j in range(names):
            v = values[d, j] + 0.0
            value[j] = v
            rank[j] = ABSENT
            known[j] = 0
            label[j] = 0
            members[count] = j
            finite = 1 if np.isfinite(v) else 0
            count += finite if base[d, j] != 0 else 0
            inside += finite if universe[d, j] != 0 else 0
        n = count
        covered[d] = inside
        sort_row(value, members, n, items, spare, counts)
        for p in range(n):
            place[p] = np.uint32(items[p] & _LOW)
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
        for p in range(n):
            rank[place[p]] = 2 * p + 1 - n
        ties = _find_runs(in_order, n, equal)
        for r in range(ties):
            for p in range(equal[r, 0], equal[r, 1]):
                rank[place[p]] = equal[r, 0] + equal[r, 1] - n
        if asked < wanted.size and wanted[asked] == d:
            sampled[asked] = rank
            asked += 1
        for i in range(lags.size):
            autocorrelation[i, d] = np.nan
            turnover[i, d] = np.nan
            if lags[i] <= d:
                then = (d - lags[i]) % kept
                autocorrelation[i, d] = _compare_ranks(rank, ranks[then])
                _compare_labels(place, bounds, binned, labels[then], label_sizes[then], turnover[i, d])

        centre = 0.0
        for p in range(n):
            centre += in_order[p]
        centre /= max(n, 1)
        for p in range(n):
            in_order[p] -= centre
        for h in range(horizons):
            ahead_of = returns[h, d]
            for j in range(names):
                value[j] = ahead_of[j]  # in order of memory, into the cache, before it is read in the factor's
            m, tied, level = _walk(value, place, bounds, equal, ties, in_order, ahead, known, sums)
            xs, ys, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(quantiles):
                xs += sums[k, 0]
                ys += sums[k, 1]
                xx += sums[k, 2]
                yy += sums[k, 3]
                xy += sums[k, 4]
            middle = ys / m if m > 0 else np.nan
            sizes[h, d] = m
            means[h, d] = level + middle
            for k in range(quantiles):
                size = ahead[bounds[k + 1]] - ahead[bounds[k]] if binned else 0
                part, spread = sums[k, 1], sums[k, 3]
                numbers[h, d, k] = size
                offsets[h, d, k] = part / size - middle if size > 0 else np.nan
                squares[h, d, k] = max(spread - part * part / size, 0.0) if size > 0 else np.nan
            ic[h, d] = np.nan
            rank_ic[h, d] = np.nan
            if m >= min_names and m > 1:
                first, last = offsets_of_runs[h, d], offsets_of_runs[h, d + 1]
                both = _rank_correlation(order[h, d], lengths[h, d], runs, first, last, known, after, m, tied)
                rank_ic[h, d] = both
                bottom = np.sqrt(max(xx - xs * xs / m, 0.0)) * np.sqrt(max(yy - ys * ys / m, 0.0))
                if both == both and bottom > 0.0:
                    ic[h, d] = (xy - xs * ys / m) / bottom
