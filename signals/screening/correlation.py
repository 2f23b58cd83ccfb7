"""How alike factors are: the mean over dates of their rank correlations, and an order that puts like beside like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MISSING_RANK = -(2**31)
"""As :data:`signals.screening.evaluation_kernels.ABSENT`, without importing Numba for it."""


def sample_dates(dates: int, most: int = 120) -> np.ndarray:
    """At most ``most`` of ``dates`` rows, evenly spaced, the last one among them."""
    if dates <= most:
        return np.arange(dates)
    return np.unique(np.linspace(0, dates - 1, most).round().astype(np.int64))


def rank_correlation(ranks: Sequence[np.ndarray], min_names: int = 10) -> np.ndarray:
    """Mean over dates of the correlation between the ranks of each pair of factors.

    Parameters
    ----------
    ranks : sequence of F ndarrays of int32, shape (S, N)
        Each factor's ranks within its own sample of the date (``evaluate(..., ranks_at=...)``), the same dates for
        all; a pair is correlated over the names that have both.
    min_names : int
        A date counts for a pair when that many names have both.

    Returns
    -------
    ndarray, shape (F, F)
        Symmetric, 1 on the diagonal; NaN for a pair that never has enough names.
    """
    factors = len(ranks)
    total, count = np.zeros((factors, factors)), np.zeros((factors, factors))
    for date in range(len(ranks[0]) if factors else 0):
        rows = np.stack([r[date] for r in ranks])
        known = rows != MISSING_RANK
        used = known.any(axis=0)
        mask = known[:, used].astype(np.float64)
        a = np.where(known, rows, 0)[:, used].astype(np.float64)
        n, sums, products, squares = mask @ mask.T, a @ mask.T, a @ a.T, (a * a) @ mask.T
        with np.errstate(divide="ignore", invalid="ignore"):
            # whole numbers below 2^53: exact, so a constant factor has a variance of exactly zero
            covariance = n * products - sums * sums.T
            variance = n * squares - sums * sums
            one = covariance / (np.sqrt(variance) * np.sqrt(variance.T))
        good = (n >= min_names) & (variance > 0) & (variance.T > 0)
        total += np.where(good, one, 0.0)
        count += good
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(count > 0, np.clip(total / count, -1.0, 1.0), np.nan)
    np.fill_diagonal(result, 1.0)
    return result


def hierarchical_order(correlation: np.ndarray) -> np.ndarray:
    """Places of the factors so that like stands beside like.

    Average linkage on the distance 1 - \\|correlation\\|, leaves ordered optimally; an unknown correlation is taken
    for none.

    Parameters
    ----------
    correlation : ndarray, shape (F, F)

    Returns
    -------
    ndarray of int, shape (F,)
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(correlation) < 3:
        return np.arange(len(correlation))
    distance = 1.0 - np.abs(np.where(np.isnan(correlation), 0.0, correlation))
    distance = np.maximum((distance + distance.T) / 2.0, 0.0)
    np.fill_diagonal(distance, 0.0)
    condensed = squareform(distance, checks=False)
    return np.asarray(leaves_list(optimal_leaf_ordering(linkage(condensed, method="average"), condensed)))
