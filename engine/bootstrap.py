"""The stationary bootstrap: what a figure could have been, had the same days come in another order.

A resample strings together runs of consecutive sessions that begin anywhere and are of random (geometric) length,
round the end of the sample to its beginning, until it has as many sessions as the sample (Politis and Romano 1994).
Inside a run the order stays, and with it most of what returns remember. Several series are drawn alike, so that a
difference between two of them has an interval of its own.

Sums over a resample are sums of differences of running totals, one a run of sessions and not one a session.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

Array = np.ndarray

DRAWS = 1000
LEVEL = 0.95
MEAN_BLOCK = 20
"""Sessions: about a month, and so what most strategies hold a stock for."""
SEED = 20200101
"""Fixed, so that a run gives the same bytes and all runs over the same sessions are drawn alike."""


class Interval(NamedTuple):
    """The middle :data:`LEVEL` of what the resamples gave."""

    low: float
    high: float

    def excludes(self, x: float) -> bool:
        """Whether ``x`` lies outside."""
        return not self.low <= x <= self.high


class Resamples(NamedTuple):
    """Draws of ``sessions`` places with replacement, by runs.

    Attributes
    ----------
    sessions : int
        n, of the sample and of each resample.
    start, length, begin : ndarray of int, shape (draws, K)
        First place of each run in the sample (0 to n - 1), its length (0 for those not needed) and its first
        place in the resample.
    """

    sessions: int
    start: Array
    length: Array
    begin: Array

    def sums(self, x: Array) -> Array:
        """Sum of ``x`` (n,) over each resample, shape (draws,)."""
        total = np.concatenate([[0.0], np.cumsum(np.concatenate([x, x]))])
        return (total[self.start + self.length] - total[self.start]).sum(axis=1)

    def places(self) -> Array:
        """The places drawn, int32 (n, draws), counted on into a second copy of the sample."""
        draws = len(self.start)
        end = self.start + self.length
        jump = self.start.astype(np.int32)
        jump[:, 1:] -= (end[:, :-1] - 1).astype(np.int32)
        used = self.length > 0
        place = np.ones((self.sessions, draws), dtype=np.int32)
        place.reshape(-1)[(self.begin * draws + np.arange(draws)[:, None])[used]] = jump[used]
        for before, now in zip(place[:-1], place[1:], strict=True):  # four times as fast as a cumsum down the columns
            np.add(before, now, out=now)
        return place

    def deepest_falls(self, growth: Array) -> Array:
        """Maximum drawdown of each resample of each series.

        Parameters
        ----------
        growth : ndarray of float, shape (n, M)
            ``log(1 + return)`` of M series.

        Returns
        -------
        ndarray of float, shape (draws, M)
            Fractions at most 0.
        """
        twice = np.concatenate([growth, growth])
        shape = (len(self.start), growth.shape[1])
        level, high, low, step = (np.zeros(shape) for _ in range(4))
        # Session by session with all draws side by side: there is no sum to difference for a running maximum.
        for place in self.places():
            np.take(twice, place, axis=0, out=step, mode="clip")
            np.add(level, step, out=level)
            np.maximum(high, level, out=high)
            np.subtract(level, high, out=step)
            np.minimum(low, step, out=low)
        return np.expm1(low)


@functools.lru_cache(maxsize=4)
def resamples(sessions: int, mean_block: float = MEAN_BLOCK, draws: int = DRAWS, seed: int = SEED) -> Resamples:
    """The resamples of a sample of ``sessions``; the same for the same arguments.

    Parameters
    ----------
    sessions : int
        At least 1.
    mean_block : float
        Mean length of a run of sessions, at least 1; 1 draws each session by itself.
    draws, seed : int
    """
    rng = np.random.default_rng(seed)
    mean = sessions / mean_block
    runs = math.ceil(mean + 8.0 * math.sqrt(mean)) + 8  # eight standard deviations: more are never needed
    end = np.minimum(np.cumsum(rng.geometric(1.0 / mean_block, (draws, runs)), axis=1), sessions)
    end[:, -1] = sessions
    begin = np.concatenate([np.zeros((draws, 1), dtype=end.dtype), end[:, :-1]], axis=1)
    return Resamples(sessions, rng.integers(0, sessions, (draws, runs)), end - begin, begin)


def interval(found: Array, level: float = LEVEL) -> Interval | None:
    """Percentile interval of what the resamples gave; None where one of them gave no number."""
    if not np.isfinite(found).all():
        return None
    low, high = np.quantile(found, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high))
