"""Strategies that break the contract, each in one way that looks harmless."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from strategies.base import RebalanceStrategy

_runs = itertools.count()


def _equal(symbols: list[str]) -> dict[str, float]:
    return {symbol: 1.0 / len(symbols) for symbol in symbols}


class ReadsTomorrow(RebalanceStrategy):
    """Holds what will open higher than it closed, read from the market and not from the view."""

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        market = self.market
        tomorrow = min(view.t + 1, len(market.sessions) - 1)
        with np.errstate(invalid="ignore"):
            rises = market.open[tomorrow] > market.close[view.t]
        chosen = [market.symbols[i] for i in np.flatnonzero(rises & view.universe)[:10]]
        return _equal(chosen) if chosen else {}


class AsksForALaterView(RebalanceStrategy):
    """Looks at a view of the next session."""

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        later = self.market.view(view.t + 1)
        return _equal([later.symbols[0]])


class CountsItsRuns(RebalanceStrategy):
    """Holds another stock in each run of the process."""

    def start(self) -> None:
        self.number = next(_runs)
        super().start()

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        return _equal([view.symbols[self.number % 5]])


class GoesThroughASet(RebalanceStrategy):
    """Takes the first names of a set."""

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        return _equal(list({view.symbols[i] for i in np.flatnonzero(view.universe)})[:3])


class OrdersTooMuch(RebalanceStrategy):
    """Wants more than it has."""

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        return dict.fromkeys(view.symbols[:4], 0.3)


class NeverTrades(RebalanceStrategy):
    """Wants nothing."""

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        return {}


class NeedsEveryBar(RebalanceStrategy):
    """Fails where a stock has no bar."""

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        if np.isnan(view.close[-1, :5]).all():
            raise ValueError("no close")
        return _equal([view.symbols[i] for i in range(5) if int(1e6 * view.close[-1, i])])
