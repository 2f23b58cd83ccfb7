"""What predictions are worth, in one number each: R2, Spearman's correlation, AUC, accuracy beside its base rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def r_squared(predicted: np.ndarray, actual: np.ndarray) -> float:
    """1 - squared errors over squared deviations from the mean; NaN for fewer than two values or no spread."""
    spread = float(np.sum((actual - np.mean(actual)) ** 2)) if len(actual) > 1 else 0.0
    return 1.0 - float(np.sum((actual - predicted) ** 2)) / spread if spread > 0.0 else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks from 1 on."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[place])


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation of the pairs that are known; NaN for fewer than three or no spread."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        return float("nan")
    one, two = ranks(a[both]), ranks(b[both])
    if np.ptp(one) == 0.0 or np.ptp(two) == 0.0:
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])


def auc(score: np.ndarray, top: np.ndarray) -> float:
    """Probability that one of the class scores higher than one of the others; NaN if either is missing."""
    ones = int(top.sum())
    zeros = len(top) - ones
    if not ones or not zeros:
        return float("nan")
    return float((ranks(score)[top].sum() - ones * (ones + 1) / 2.0) / (ones * zeros))


def accuracy(chances: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Share of samples whose likeliest class (chances (n, K)) is their own (codes (n,)), and that of the largest class.

    The second is what an answer that is always the same would reach.
    """
    if not len(codes):
        return float("nan"), float("nan")
    return float(np.mean(chances.argmax(axis=1) == codes)), float(np.bincount(codes).max() / len(codes))


def nearness(values: np.ndarray, classes: tuple[float, ...]) -> np.ndarray:
    """How near numbers (...) are to each class (..., K): the nearest is the class that a regression of labels names."""
    return np.asarray(-np.abs(values[..., None] - np.asarray(classes)))


def mean(values: Sequence[float] | np.ndarray) -> float:
    """Of those that are finite; NaN if none is."""
    given = np.asarray(values, dtype=np.float64)
    known = given[np.isfinite(given)]
    return float(known.mean()) if len(known) else float("nan")
