"""What chance alone would give: noise of an IC, Newey-West errors, thresholds for many factors at once.

Sources: E|IC| of independent ranks is that of a normal variable of variance 1 / (n - 1). Newey and West (1987),
Bartlett weights. Bonferroni; Sidak (1967); Benjamini and Yekutieli (2001), which holds under any dependence.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


def noise_level(sizes: np.ndarray | float) -> np.ndarray:
    """Mean |IC| of a factor that knows nothing, ``sqrt(2 / (pi (n - 1)))``; NaN below two names.

    Parameters
    ----------
    sizes : ndarray or float
        Names in the cross-section.
    """
    n = np.asarray(sizes, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.where(n > 1, 2.0 / (np.pi * (n - 1.0)), np.nan))


class MeanTest(NamedTuple):
    """A mean with its Newey-West error: of ``dates`` observations, ``lags`` Bartlett lags, t = mean / error."""

    mean: float
    error: float
    t: float
    lags: int
    dates: int


def newey_west_lags(count: int, horizon: int = 1, every: int = 1) -> int:
    """Lags for the mean of ``count`` ICs: the overlap of their returns, at least ``floor(4 (count / 100)^(2/9))``.

    Returns over ``horizon`` sessions that start every ``every`` sessions share sessions with the
    ``ceil(horizon / every) - 1`` following ones.
    """
    overlap = -(-horizon // every) - 1
    rule = math.floor(4.0 * (count / 100.0) ** (2.0 / 9.0)) if count else 0
    return max(0, min(max(overlap, rule), count - 1))


def mean_test(series: np.ndarray, horizon: int = 1, every: int = 1, lags: int | None = None) -> MeanTest:
    """Mean of a series and its t with autocorrelation allowed for.

    Parameters
    ----------
    series : ndarray, shape (D,)
        NaN is skipped; the rest counts as consecutive.
    horizon, every : int
        For :func:`newey_west_lags`.
    lags : int, optional
        Instead of that rule.

    Returns
    -------
    MeanTest
        NaN error and t with fewer than two observations or no variation at all.
    """
    x = np.asarray(series, dtype=np.float64)
    x = x[np.isfinite(x)]
    count = len(x)
    if lags is None:
        lags = newey_west_lags(count, horizon, every)
    if not count:
        return MeanTest(math.nan, math.nan, math.nan, 0, 0)
    mean = float(x.mean())
    if count < 2 or x.min() == x.max():
        return MeanTest(mean, math.nan, math.nan, lags, count)
    u = x - mean
    variance = float(u @ u)
    for lag in range(1, min(lags, count - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * float(u[lag:] @ u[:-lag])
    error = math.sqrt(variance) / count if variance > 0.0 else math.nan
    return MeanTest(mean, error, mean / error if error > 0.0 else math.nan, lags, count)


def two_sided(t: np.ndarray | float) -> np.ndarray:
    """Two-sided p value of a t by the normal distribution; NaN stays."""
    from scipy.special import erfc

    return erfc(np.abs(np.asarray(t, dtype=np.float64)) / math.sqrt(2.0))


def critical_t(p: float) -> float:
    """The |t| whose two-sided p value is ``p``."""
    from scipy.special import ndtri

    return float(-ndtri(p / 2.0)) if p < 1.0 else 0.0


class Thresholds(NamedTuple):
    """|t| to pass at level ``alpha`` when ``tried`` factors were tried.

    ``single`` is that of one factor alone. ``yekutieli`` depends on the t values found: it is the bar of the last
    one that passes, or of the best one when none does.
    """

    alpha: float
    tried: int
    single: float
    bonferroni: float
    sidak: float
    yekutieli: float


def thresholds(t: np.ndarray, tried: int | None = None, alpha: float = 0.05) -> Thresholds:
    """Thresholds for |t| adjusted for the number of factors tried.

    Parameters
    ----------
    t : ndarray, shape (F,)
        NaN for a factor that could not be tested; it counts as tried.
    tried : int, optional
        How many factors were tried; all of ``t`` by default, never fewer.
    alpha : float
        Chance of one false discovery (Bonferroni, Sidak), or share of false ones among the discoveries
        (Benjamini, Hochberg and Yekutieli).
    """
    t = np.asarray(t, dtype=np.float64)
    m = max(len(t), tried or 0, 1)
    passed = int(discoveries(t, m, alpha).sum())
    level = max(passed, 1) * alpha / (m * harmonic(m))
    return Thresholds(
        alpha, m, critical_t(alpha), critical_t(alpha / m), critical_t(-math.expm1(math.log1p(-alpha) / m)),
        critical_t(level),
    )  # fmt: skip


def harmonic(m: int) -> float:
    """1 + 1/2 + ... + 1/m."""
    from scipy.special import digamma

    return float(digamma(m + 1.0) + np.euler_gamma)


def discoveries(t: np.ndarray, tried: int | None = None, alpha: float = 0.05) -> np.ndarray:
    """Which t values Benjamini, Hochberg and Yekutieli's step-up procedure lets pass.

    Returns
    -------
    ndarray of bool, shape (F,)
    """
    t = np.asarray(t, dtype=np.float64)
    m = max(len(t), tried or 0, 1)
    p = two_sided(t)
    p = np.where(np.isnan(p), np.inf, p)
    rising = np.sort(p)
    below = np.nonzero(rising <= np.arange(1, len(p) + 1) * alpha / (m * harmonic(m)))[0]
    return p <= rising[below[-1]] if len(below) else np.zeros(len(t), dtype=bool)
