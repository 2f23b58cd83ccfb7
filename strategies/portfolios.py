"""Strategies that hold several portfolios: all of them in one pass over the market, or one in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError, StrategyError, nearest
from engine.portfolios_broker import Decision, PortfoliosBroker
from strategies.base import Portfolio, RebalanceStrategy

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View

Weights = Mapping[str, Mapping[str, float]]
"""Target weights by symbol, by portfolio."""


class PortfoliosStrategy(RebalanceStrategy):
    """Forms portfolios from one set of scores.

    Subclasses write :meth:`names` and :meth:`portfolios`. With :class:`engine.portfolios_broker.PortfoliosBroker` the
    signal scores once a decision and every portfolio is traded on an account of its own; with the ordinary broker the
    strategy holds ``portfolio``, as any other strategy holds its one.

    Parameters
    ----------
    portfolio : str
        Which one to hold in a run of one account; the first by default.
    """

    params: Any = (("portfolio", ""),)

    def names(self) -> Sequence[str]:
        """Names of all portfolios of the run, known before its first decision."""
        raise StrategyError(f"{type(self).__name__} must write names(self)")

    def portfolios(self, scores: pd.DataFrame | None, view: View) -> Weights:
        """Target weights of the portfolios: of each as :meth:`allocate` returns them.

        A portfolio that is not there keeps what it has; empty weights sell it out.
        """
        raise StrategyError(f"{type(self).__name__} must write portfolios(self, scores, view)")

    @property
    def together(self) -> bool:
        """Whether the run trades all portfolios."""
        return isinstance(self.broker, PortfoliosBroker)

    def start(self) -> None:
        """Open the accounts.

        Raises
        ------
        ConfigError
            If ``portfolio`` is none of the names, or overlays are to act on many portfolios.
        """
        super().start()
        names = list(self.names())
        if self.together:
            if self.p.overlays:
                raise ConfigError("overlays act on one account; run one portfolio: -p portfolio=NAME")
            self.broker.open(names)
        elif self.p.portfolio and self.p.portfolio not in names:
            raise ConfigError(
                f"{type(self).__name__} has no portfolio '{self.p.portfolio}'; {nearest(self.p.portfolio, names)}"
            )
        self._first = names[0]

    def allocate(self, scores: pd.DataFrame | None, portfolio: Portfolio, view: View) -> Mapping[str, float]:
        """Weights of the one portfolio of a run of one account."""
        return self.portfolios(scores, view).get(self.p.portfolio or self._first, {})

    def rebalance(self, t: int, view: View) -> None:
        """Score once, allocate, check and order for every portfolio."""
        if not self.together:
            super().rebalance(t, view)
            return
        scores = None if self.p.signal is None else self.score(view)
        found = self.portfolios(scores, view)
        for weights in found.values():
            self.check_weights(weights, view)
        targets = {name: len(weights) for name, weights in found.items()}
        self.broker.decisions.append(Decision(t, view.t, t if self._before_close else t + 1, scores, targets))
        self.broker.target_portfolios(found, owner=self)
