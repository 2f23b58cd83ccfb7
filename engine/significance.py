"""What remains of a Sharpe ratio when many settings were tried.

The deflated Sharpe ratio (Bailey and Lopez de Prado 2014) is the probability that the true ratio of the chosen setting
is above what the best of N worthless ones shows by luck; it allows for the length of the sample, for skewness and for
fat tails. The probability of backtest overfitting (Bailey, Borwein, Lopez de Prado and Zhu 2017) asks how often the
setting that is best in one half of the days is below the median of all in the other half.

All Sharpe ratios here are those of a session, not annualised, and of returns over whatever they are measured against:
the risk-free rate, or a benchmark.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

Array = np.ndarray

EULER = 0.5772156649015329
PARTS = 16
"""Blocks of sessions from which halves are made: 12,870 of them."""
FEWEST_IN_PART = 5


class Shape(NamedTuple):
    """What a sample of returns says of its Sharpe ratio: ``kurtosis`` is 3 for a normal one."""

    sessions: int
    sharpe: float
    skewness: float
    kurtosis: float


def shape_of(extra: Array) -> Shape | None:
    """Moments of returns over their hurdle, (n,); None below three of them or where all are equal."""
    extra = np.asarray(extra, dtype=float)
    if extra.size < 3 or extra.max() == extra.min():
        return None
    apart = extra - extra.mean()
    variance = float(np.mean(apart**2))
    return Shape(
        extra.size,
        float(extra.mean()) / float(extra.std(ddof=1)),
        float(np.mean(apart**3)) / variance**1.5,
        float(np.mean(apart**4)) / variance**2,
    )


def probabilistic_sharpe(shape: Shape, hurdle: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above ``hurdle``.

    ``N((SR - hurdle) sqrt(n - 1) / sqrt(1 - skewness SR + (kurtosis - 1) / 4 SR^2))`` (Bailey and Lopez de Prado 2012).
    """
    from statistics import NormalDist

    variance = 1.0 - shape.skewness * shape.sharpe + (shape.kurtosis - 1.0) / 4.0 * shape.sharpe**2
    if variance <= 0.0:  # no sample has such moments but a tiny one
        return float(shape.sharpe > hurdle)
    return NormalDist().cdf((shape.sharpe - hurdle) * math.sqrt(shape.sessions - 1) / math.sqrt(variance))


def best_by_luck(trials: int, spread: float) -> float:
    """Sharpe ratio that the best of ``trials`` settings without any merit is expected to show.

    Parameters
    ----------
    trials : int
        Settings tried, N; 0 or 1 expect nothing.
    spread : float
        Standard deviation of their Sharpe ratios.

    Returns
    -------
    float
        ``spread ((1 - e) Z(1 - 1 / N) + e Z(1 - 1 / (N exp(1))))``, with e Euler's constant and Z the normal quantile.
    """
    from statistics import NormalDist

    if trials < 2 or spread <= 0.0:
        return 0.0
    quantile = NormalDist().inv_cdf
    return spread * ((1.0 - EULER) * quantile(1.0 - 1.0 / trials) + EULER * quantile(1.0 - 1.0 / (trials * math.e)))


def deflated_sharpe(shape: Shape, tried: Array) -> float:
    """Probability that the true Sharpe ratio is above what luck gives the best of the settings tried.

    Parameters
    ----------
    shape : Shape
        Of the setting chosen.
    tried : ndarray of float, shape (N,)
        Sharpe ratios of all settings, the chosen one among them.
    """
    tried = np.asarray(tried, dtype=float)
    spread = float(tried.std(ddof=1)) if tried.size > 1 else 0.0
    return probabilistic_sharpe(shape, best_by_luck(tried.size, spread))


def overfitting(extra: Array, parts: int = PARTS) -> float | None:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    Parameters
    ----------
    extra : ndarray of float, shape (T, N)
        Returns of N settings on the same sessions, over their hurdle.
    parts : int
        Blocks of consecutive sessions, an even number; fewer where blocks would have under :data:`FEWEST_IN_PART`.

    Returns
    -------
    float or None
        Share of the halvings in which the setting with the best Sharpe ratio in one half ranks at or below the median
        in the other. None for fewer than two settings or too few sessions.

    Raises
    ------
    ValueError
        If ``parts`` is odd or below 2.
    """
    extra = np.asarray(extra, dtype=float)
    if parts < 2 or parts % 2:
        raise ValueError(f"{parts} parts cannot be halved; give an even number")
    sessions, settings = extra.shape
    parts = min(parts, sessions // FEWEST_IN_PART // 2 * 2)
    if settings < 2 or parts < 2:
        return None
    edges = np.linspace(0, sessions, parts + 1).astype(int)
    count = np.diff(edges).astype(float)
    sums = np.add.reduceat(extra, edges[:-1], axis=0)
    squares = np.add.reduceat(extra**2, edges[:-1], axis=0)
    chosen = np.array(list(itertools.combinations(range(parts), parts // 2)))
    inside = np.zeros((len(chosen), parts))
    inside[np.arange(len(chosen))[:, None], chosen] = 1.0
    best = np.argmax(_sharpe(inside, count, sums, squares), axis=1)
    outside = _sharpe(1.0 - inside, count, sums, squares)
    picked = outside[np.arange(len(best)), best][:, None]
    # Ranks from 1, ties in the middle: at the median and below is (N + 1) / 2 and below.
    rank = (outside < picked).sum(axis=1) + ((outside == picked).sum(axis=1) + 1) / 2.0
    return float(np.mean(rank <= (settings + 1) / 2.0))


def _sharpe(half: Array, count: Array, sums: Array, squares: Array) -> Array:
    """Sharpe ratio of each setting over each choice of blocks, (C, N); settings that never moved have -inf or inf."""
    n = (half @ count)[:, None]
    mean = half @ sums / n
    variance = np.maximum(half @ squares / n - mean**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(mean / np.sqrt(variance), nan=0.0, posinf=np.inf, neginf=-np.inf)
