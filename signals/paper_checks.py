"""How good scores were, as the papers measure it: rank correlation, R2, accuracy beside base rate, AUC, precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import SignalError
from signals.labels import Label, MarketValue, NextReturn
from signals.learning.figures import accuracy, auc, mean, nearness, r_squared, spearman

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market

Scores = Mapping[str, "pd.DataFrame"]
"""Scores by date of the decision, as of :class:`signals.walkforward.Walk`."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Scores of D decisions on N stocks beside what became of them; NaN where there is none.

    Attributes
    ----------
    days : ndarray of datetime64[D], shape (D,)
    score, returns, actual : ndarray of float64, shape (D, N)
        ``returns`` from each decision to the next, ``actual`` the label; the last decision has neither.
    classes : tuple of float
        Of the label; empty for a regression.
    chances : ndarray of float64, shape (D, N, K)
        Probability of each class, or how near a predicted label is to it; K = 0 without classes.
    predicted, naive : ndarray of float64, shape (D, N)
        Of a regression, in the label's unit: the prediction, and the last known value in its place (NaN for a return).
    """

    days: np.ndarray
    score: np.ndarray
    returns: np.ndarray
    actual: np.ndarray
    classes: tuple[float, ...]
    chances: np.ndarray
    predicted: np.ndarray
    naive: np.ndarray

    def figures(self, rows: slice | np.ndarray = slice(None), k: int = 10) -> dict[str, float]:
        """What some of the decisions came to.

        Returns
        -------
        dict
            ``decisions`` with an outcome and ``rank_ic``, the mean over them. Of a classification ``accuracy`` of the
            likeliest class, ``base_rate`` of the most frequent one, ``auc`` of the score for the highest class against
            the others and ``precision`` (share of the ``k`` highest scores that belong to it), both as means over
            decisions. Of a regression ``r2`` over all, and ``naive_r2``, what the last known value in place of the
            prediction reaches. NaN where no outcome is known.
        """
        score, actual = self.score[rows], self.actual[rows]
        ics = np.array([spearman(a, b) for a, b in zip(score, self.returns[rows], strict=True)])
        found = {"decisions": float(np.isfinite(ics).sum()), "rank_ic": mean(ics)}
        if not self.classes:
            return found | self._regression(rows)
        known = np.isfinite(score) & np.isin(actual, self.classes)
        codes = np.searchsorted(self.classes, actual[known])
        found["accuracy"], found["base_rate"] = accuracy(self.chances[rows][known], codes)
        top, areas, hits = actual == self.classes[-1], [], []
        for row, inside in enumerate(known):
            if inside.any():
                order = np.argsort(-score[row][inside], kind="stable")[:k]
                areas.append(auc(score[row][inside], top[row][inside]))
                hits.append(float(top[row][inside][order].mean()))
        return found | {"auc": mean(np.array(areas)), "precision": mean(np.array(hits))}

    def _regression(self, rows: slice | np.ndarray) -> dict[str, float]:
        actual, predicted, naive = self.actual[rows], self.predicted[rows], self.naive[rows]
        both = np.isfinite(predicted) & np.isfinite(actual)
        found = {"r2": r_squared(predicted[both], actual[both])}
        both &= np.isfinite(naive)
        if both.any():
            found["naive_r2"] = r_squared(naive[both], actual[both])
        return found


def outcomes(market: Market, scores: Scores, label: Label) -> Outcomes:
    """Scores beside the returns and labels that followed.

    Raises
    ------
    SignalError
        If there are fewer than two decisions.
    """
    days, score = _by_decision(market, scores)
    nothing = np.full_like(score, np.nan)
    predicted, naive, chances = nothing, nothing, np.empty((*score.shape, 0))
    if label.classes:
        names = [f"p_{one:g}" for one in label.classes]
        if all(name in next(iter(scores.values())) for name in names):
            chances = np.stack([_by_decision(market, scores, name)[1] for name in names], axis=2)
        else:  # a regression of the label
            chances = nearness(score, label.classes)
    elif isinstance(label, MarketValue):
        rows = np.searchsorted(market.sessions, days)
        naive = np.log(market.close[rows] * market.total_shares[rows])
        predicted = naive + np.log1p(np.maximum(score, -1.0 + 1e-12))
    elif "predicted" in next(iter(scores.values())):
        predicted, naive = (_by_decision(market, scores, column)[1] for column in ("predicted", "last"))
    else:
        predicted = score
    returns = NextReturn().build(market, days).values
    actual = label.build(market, days).values
    return Outcomes(days, score, returns, actual, tuple(label.classes), chances, predicted, naive)


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
    found = np.array([spearman(a, b) for a, b in zip(values[:-1], returns[:-1], strict=True)])
    return mean(found), found


def market_value_r2(market: Market, scores: Scores) -> float:
    """R2 of paper 1's predictions of the next decision's log market value, over all stocks and decisions but the last.

    Raises
    ------
    SignalError
        If there are fewer than two decisions.
    """
    return outcomes(market, scores, MarketValue()).figures()["r2"]


def classification(market: Market, scores: Scores, label: Label, *, k: int = 10) -> dict[str, float]:
    """How well class probabilities hit: ``accuracy``, ``base_rate``, ``auc`` and ``precision`` of :class:`Outcomes`.

    Parameters
    ----------
    market : Market
    scores : mapping
        With a column ``p_<class>`` for each class of the label.
    label : Label
        A classification of the next period; rows whose label is none of its classes are left out.
    k : int
        Stocks chosen each time for the precision.

    Raises
    ------
    SignalError
        If there are fewer than two decisions, the label has no classes or no row is labelled.
    """
    if not label.classes:
        raise SignalError(f"label '{label.name}' has no classes; classification() needs one that has")
    found = outcomes(market, scores, label).figures(k=k)
    if not np.isfinite(found["accuracy"]):
        raise SignalError("no scored stock has a label; give scores of more decisions")
    return {name: found[name] for name in ("accuracy", "base_rate", "auc", "precision")}


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
