"""The contract of a strategy plug-in.

A strategy is a Backtrader ``Strategy``. Subclasses of :class:`RebalanceStrategy` have one method to
write, :meth:`RebalanceStrategy.allocate`; the schedule, the signal's call, its checks and the order
flow have defaults here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import backtrader as bt
import numpy as np

from engine.errors import SignalError, StrategyError
from engine.sessions import Schedule
from signals.learning.refits import check_refit, is_due

if TYPE_CHECKING:
    import pandas as pd

    from engine.broker import AShareBroker
    from engine.market import Market
    from engine.view import View


class Portfolio:
    """What the account holds at a decision.

    Attributes
    ----------
    value, cash : float
        Yuan, as of the last close booked.
    """

    __slots__ = ("_broker", "cash", "value")

    def __init__(self, broker: AShareBroker) -> None:
        self._broker = broker
        self.value = broker.getvalue()
        self.cash = broker.getcash()

    @property
    def shares(self) -> dict[str, int]:
        """Shares held, by symbol."""
        broker = self._broker
        return {broker.market.symbols[i]: broker.account.holdings[i] for i in broker.held}

    @property
    def weights(self) -> dict[str, float]:
        """Fraction of the account's value in each stock held."""
        broker = self._broker
        t = broker.market.running.known
        return {
            broker.market.symbols[i]: float(broker.account.holdings[i] * broker.market.mark[t, i]) / self.value
            for i in broker.held
        }


class RebalanceStrategy(bt.Strategy):  # type: ignore[misc]
    """Rebalances to target weights on a schedule.

    Parameters (Backtrader ``params``)
    ----------------------------------
    signal : Signal
        Whose scores :meth:`allocate` receives; ``None`` for a strategy that needs none.
    rebalance : str
        Schedule, see :meth:`engine.sessions.Schedule.parse`; ``"1M"`` is the last session of each month.
    anchor : int
        Month in which an n-month period ends.
    """

    params: Any = (("signal", None), ("rebalance", "1M"), ("anchor", 12))

    def allocate(
        self, scores: pd.DataFrame | None, portfolio: Portfolio, view: View
    ) -> Mapping[str, float] | pd.Series:
        """Choose target weights: fractions of account value by symbol, none negative, sum at most 1.

        Parameters
        ----------
        scores : DataFrame or None
            Indexed by symbol, column ``score``, high is good; None without a signal.
        portfolio : Portfolio
        view : View
            The market up to the decision.
        """
        raise StrategyError(f"{type(self).__name__} must write allocate(self, scores, portfolio, view)")

    # -- the flow, each step open to override ---------------------------------------------------

    @property
    def market(self) -> Market:
        """The market of the run; ``self.market["600519.SH"]`` is a stock's handle."""
        return self.broker.market  # type: ignore[no-any-return]

    def start(self) -> None:
        """Lay down the decision sessions of the run."""
        market = self.market
        clock = market.running
        sessions = market.sessions
        first, last = (int(np.searchsorted(market.calendar, sessions[k])) for k in (clock.p.first, clock.p.last))
        chosen = Schedule.parse(self.p.rebalance, self.p.anchor).decisions(market.calendar, first, last)
        self._decisions = frozenset((chosen - first + clock.p.first).tolist())
        self._fitted_on: np.datetime64 | None = None
        self._signal = self.p.signal
        if self._signal is not None:
            check_refit(getattr(self._signal, "refit", "never"), type(self._signal).__name__)
        self._before_close = self.broker.p.fill == "same_close"
        if hasattr(self._signal, "fit_ahead"):
            early = int(self._before_close)
            self._signal.fit_ahead(market, [t - early for t in sorted(self._decisions) if t - early >= clock.p.first])

    def next(self) -> None:
        """Decide after the close where the schedule says so."""
        t = self.market.running.t
        if t in self._decisions and not self._before_close:
            self.rebalance(t, self.market.view(t))

    def next_open(self) -> None:
        """Decide before the close, on data up to the session before (``fill="same_close"``)."""
        t = self.market.running.t
        if t in self._decisions and self._before_close and t > self.market.running.p.first:
            self.rebalance(t, self.market.view(t - 1))

    def rebalance(self, t: int, view: View) -> None:
        """Score, allocate, check, order."""
        scores = None if self.p.signal is None else self.score(view)
        weights = self.allocate(scores, Portfolio(self.broker), view)
        self.check_weights(weights, view)
        self.broker.ledger.decision(t, view.t, t if self._before_close else t + 1, len(weights), scores)
        self.order(weights)

    def score(self, view: View) -> pd.DataFrame:
        """Call the signal, fitted as it declares, and check what it returns."""
        signal = self._signal
        if is_due(getattr(signal, "refit", "never"), view.date, self._fitted_on):
            self._signal = signal = signal.fit(view)
            self._fitted_on = view.date
        scores = signal.predict(view)
        check_scores(scores, view, type(signal).__name__)
        return scores  # type: ignore[no-any-return]

    def order(self, weights: Mapping[str, float] | pd.Series) -> None:
        """Send the basket."""
        self.broker.target_weights(weights, owner=self)

    def check_weights(self, weights: Any, view: View) -> None:
        """Refuse weights that are no fractions, sum above 1 or name unknown stocks.

        Raises
        ------
        StrategyError
        """
        name, date = type(self).__name__, view.date
        if not hasattr(weights, "items"):
            raise StrategyError(
                f"{name}.allocate returned a {type(weights).__name__} on {date}; return weights by symbol"
            )
        market = self.market
        total = 0.0
        for symbol, weight in weights.items():
            if symbol not in market.index:
                raise StrategyError(f"{name}.allocate named '{symbol}' on {date}, which is not in this market")
            if not (math.isfinite(weight) and weight >= 0.0):
                raise StrategyError(
                    f"{name}.allocate gave {symbol} the weight {weight} on {date}; it must be 0 or more"
                )
            total += weight
        if total > 1.0 + 1e-9:
            raise StrategyError(
                f"{name}.allocate returned weights that sum to {total:.6f} on {date}; at most 1 is allowed"
            )


def check_scores(scores: Any, view: View, name: str) -> None:
    """Refuse scores that are no frame, lack the column, are not finite or name unknown stocks.

    Raises
    ------
    SignalError
    """
    import pandas as pd

    if not isinstance(scores, pd.DataFrame) or "score" not in scores.columns:
        raise SignalError(
            f"{name}.predict returned a {type(scores).__name__} on {view.date}; return a frame indexed by symbol with "
            "a column 'score', for instance view.scores(values)"
        )
    values = scores["score"].to_numpy()
    finite = np.isfinite(values.astype(np.float64))
    if not finite.all():
        bad = scores.index[int(np.argmin(finite))]
        raise SignalError(
            f"{name}.predict gave {bad} the score {scores['score'].loc[bad]} on {view.date}; leave it out instead"
        )
    known = view._market.index
    for symbol in scores.index:
        if symbol not in known:
            raise SignalError(f"{name}.predict scored '{symbol}' on {view.date}, which is not in this market")
    if scores.index.has_duplicates:
        raise SignalError(f"{name}.predict scored {scores.index[scores.index.duplicated()][0]} twice on {view.date}")


def best(scores: pd.DataFrame, number: int) -> list[str]:
    """The ``number`` symbols of highest score, ties in order of the symbol."""
    symbols = scores.index.to_numpy()
    order = np.lexsort((symbols.astype(str), -scores["score"].to_numpy()))
    return symbols[order[:number]].tolist()  # type: ignore[no-any-return]
