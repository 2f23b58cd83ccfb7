"""A signal of three classes without a network: last month's losers, the middle and the winners."""

from __future__ import annotations

from typing import Any

import numpy as np

from signals.base import Signal


class ClassScores(Signal):
    """Activations by rank of the last month's return."""

    @property
    def lookback(self) -> int:
        """Sessions of history that predict reads."""
        return 21

    def predict(self, view: Any) -> Any:
        """Score by the return; classes with it."""
        close = view.adjusted("close", 21)
        change = close[-1] / close[0] - 1.0
        rank = np.argsort(np.argsort(np.where(np.isnan(change), np.inf, change))) / len(change)
        low, high = np.clip(1 - 2 * rank, 0, 1), np.clip(2 * rank - 1, 0, 1)
        return view.scores(change, **{"p_-1": low, "p_0": 1.0 - low - high, "p_1": high})
