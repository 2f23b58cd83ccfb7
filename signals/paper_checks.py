"""How good scores were, as the papers measure it: rank correlation, R2, accuracy beside base rate, AUC, precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import SignalError
from signals.labels import Label, MarketValue, NextReturn
from signals.paper_signals import r_squared

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market

Scores = Mapping[str, "pd.DataFrame"]
"""Scores by date of the decision, as of :class:`signals.walkforward.Walk`."""


def validity(market: Market, scores: Scores) -> tuple[float, np.ndarray]:
    """Paper 1's check of validity (5.1.2): does the score go with the return to the next decision?

    Returns
    -------
    float
        Mean over decisions of Spearman's correlation, the mean Rank IC; the paper publishes 0.82.
    ndarray of float64
        By decision; the last has no next one and is left out, NaN where fewer than three stocks have both.

    Raises
    ------
    SignalError
        If there are fewer than two decisions.
    """
    days, values = _by_decision(market, scores)
    returns = NextReturn().build(market, days).values
    found = np.array([_spearman(a, b) for a, b in zip(values[:-1], returns[:-1], strict=True)])
    return _mean(found), found


def market_value_r2(market: Market, scores: Scores) -> float:
    """R2 of paper 1's predictions of the next decision's log market value, over all stocks and decisions but the last.

    Raises
    ------
    SignalError
        If there are fewer than two decisions.
    """
    days, values = _by_decision(market, scores)
    rows = np.searchsorted(market.sessions, days)
    now = np.log(market.close[rows] * market.total_shares[rows])
    actual = MarketValue().build(market, days).values[:-1]
    predicted = (now + np.log1p(np.maximum(values, -1.0 + 1e-12)))[:-1]
    both = np.isfinite(predicted) & np.isfinite(actual)
    return r_squared(predicted[both], actual[both])


def classification(market: Market, scores: Scores, label: Label, *, k: int = 10) -> dict[str, float]:
    """How well class probabilities hit.

    Parameters
    ----------
    market : Market
    scores : mapping
        With a column ``p_<class>`` for each class of the label.
    label : Label
        A classification of the next period; rows whose label is none of its classes are left out.
    k : int
        Stocks chosen each time for the precision.

    Returns
    -------
    dict
        ``accuracy`` of the likeliest class, ``base_rate`` of the class that is most frequent, ``auc`` of the score for
        the highest class against the others and ``precision`` (share of the ``k`` highest scores that belong to it),
        both as means over decisions.

    Raises
    ------
    SignalError
        If there are fewer than two decisions, the label has no classes or no row is labelled.
    """
    classes = np.asarray(label.classes)
    if not len(classes):
        raise SignalError(f"label '{label.name}' has no classes; classification() needs one that has")
    days, values = _by_decision(market, scores)
    chances = np.stack([_by_decision(market, scores, f"p_{one:g}")[1] for one in classes], axis=2)
    actual = label.build(market, days).values
    known = np.isfinite(values) & np.isin(actual, classes)
    if not known.any():
        raise SignalError("no scored stock has a label; give scores of more decisions")
    likeliest = classes[chances[known].argmax(axis=1)]
    _, counts = np.unique(actual[known], return_counts=True)
    top = actual == classes[-1]
    areas, hits = [], []
    for row in range(len(days)):
        inside = known[row]
        if not inside.any():
            continue
        order = np.argsort(-values[row][inside], kind="stable")[:k]
        areas.append(_auc(values[row][inside], top[row][inside]))
        hits.append(float(top[row][inside][order].mean()))
    return {
        "accuracy": float(np.mean(likeliest == actual[known])),
        "base_rate": float(counts.max() / counts.sum()),
        "auc": _mean(np.array(areas)),
        "precision": _mean(np.array(hits)),
    }


def _by_decision(market: Market, scores: Scores, column: str = "score") -> tuple[np.ndarray, np.ndarray]:
    """Dates (D,) and a column of the scores (D, N), NaN where a stock has none."""
    if len(scores) < 2:
        raise SignalError("scores of at least two decisions are needed, so that one has a next")
    days = np.array(sorted(scores), dtype="datetime64[D]")
    values = np.full((len(days), len(market.symbols)), np.nan)
    for k, day in enumerate(days):
        frame = scores[str(day)]
        values[k, [market.index[symbol] for symbol in frame.index]] = frame[column].to_numpy()
    return days, values


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks from 1 on."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[place])


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        return float("nan")
    one, two = _ranks(a[both]), _ranks(b[both])
    if np.ptp(one) == 0.0 or np.ptp(two) == 0.0:
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])


def _auc(score: np.ndarray, top: np.ndarray) -> float:
    """Probability that one of the class scores higher than one of the others; NaN if either is missing."""
    ones = int(top.sum())
    zeros = len(top) - ones
    if not ones or not zeros:
        return float("nan")
    return float((_ranks(score)[top].sum() - ones * (ones + 1) / 2.0) / (ones * zeros))
