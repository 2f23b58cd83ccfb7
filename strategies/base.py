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
from strategies.targets import Targets

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

    @property
    def values(self) -> np.ndarray:
        """Account value at each close of the run so far, yuan, the base day first."""
        return self._broker.ledger.equity_arrays()[1]


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
    overlays : sequence of Overlay
        What the allocated weights go through before they are ordered, in this order (:mod:`strategies.overlays`).
    """

    params: Any = (("signal", None), ("rebalance", "1M"), ("anchor", 12), ("overlays", ()))

    @classmethod
    def lookback_of(cls, params: Mapping[str, Any]) -> int:
        """Sessions of history that the strategy reads itself, for its parameters; the current one included."""
        return 1

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

        Returns
        -------
        mapping or Series of str to float
            :class:`strategies.targets.Targets` say more than weights: spares, the use of leftover cash, reasons.
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
        self._decisions = frozenset(self.decision_sessions())
        self._fitted_on: np.datetime64 | None = None
        self._allocated: Mapping[str, float] | pd.Series | None = None
        self._signal = self.p.signal
        if self._signal is not None:
            check_refit(getattr(self._signal, "refit", "never"), type(self._signal).__name__)
        self._before_close = self.broker.p.fill == "same_close"
        if hasattr(self._signal, "for_run"):
            early = int(self._before_close)
            asked = [t - early for t in sorted(self._decisions) if t - early >= clock.p.first]
            self._signal = self._signal.for_run(market, asked)

    def decision_sessions(self) -> list[int]:
        """Sessions on which the run decides, places in the market's, ascending: those of the schedule."""
        market, clock = self.market, self.market.running
        ends = market.sessions[[clock.p.first, clock.p.last]]
        first, last = np.searchsorted(market.calendar, ends).tolist()
        chosen = Schedule.parse(self.p.rebalance, self.p.anchor).decisions(market.calendar, first, last)
        return (chosen - first + clock.p.first).tolist()  # type: ignore[no-any-return]

    def next(self) -> None:
        """Decide after the close where the schedule says so."""
        if not self._before_close:
            t = self.market.running.t
            self._at(t, self.market.view(t))

    def next_open(self) -> None:
        """Decide before the close, on data up to the session before (``fill="same_close"``)."""
        t = self.market.running.t
        if self._before_close and t > self.market.running.p.first:
            self._at(t, self.market.view(t - 1))

    def _at(self, t: int, view: View) -> None:
        if t in self._decisions:
            self.rebalance(t, view)
        else:
            self.between(view)

    def rebalance(self, t: int, view: View) -> None:
        """Score, allocate, overlay, check, order."""
        scores = None if self.p.signal is None else self.score(view)
        portfolio = Portfolio(self.broker)
        weights = self.allocate(scores, portfolio, view)
        self.check_weights(weights, view)
        self._allocated = weights
        weights = self.overlaid(weights, portfolio, view)
        self.broker.ledger.decision(t, view.t, t if self._before_close else t + 1, len(weights), scores)
        self.order(weights)

    def between(self, view: View) -> None:
        """A session without a decision: what was allocated last is ordered anew where an overlay acts."""
        if self.p.overlays and self._allocated is not None:
            portfolio = Portfolio(self.broker)
            if any(overlay.acts(portfolio, view) for overlay in self.p.overlays):
                self.order(self.overlaid(self._allocated, portfolio, view))

    def overlaid(
        self, weights: Mapping[str, float] | pd.Series, portfolio: Portfolio, view: View
    ) -> Mapping[str, float] | pd.Series:
        """The weights after all overlays, checked again."""
        if not self.p.overlays:
            return weights
        targets = Targets.of(weights)
        for overlay in self.p.overlays:
            targets = targets.reweighted(overlay.apply(targets, portfolio, view))
        self.check_weights(targets, view)
        return targets

    def score(self, view: View) -> pd.DataFrame:
        """Call the signal, fitted as it declares, and check what it returns."""
        signal = self._signal
        if is_due(getattr(signal, "refit", "never"), view.date, self._fitted_on):
            self._signal = signal = signal.fit(view)
            self._fitted_on = view.date
        scores = signal.predict(view)
        check_scores(scores, view, type(self.p.signal).__name__)
        return scores  # type: ignore[no-any-return]

    def order(self, weights: Mapping[str, float] | pd.Series) -> None:
        """Send the basket."""
        more: dict[str, Any] = {}
        if isinstance(weights, Targets):
            more = {"spares": weights.spares, "spread": weights.spread, "reasons": weights.reasons}
        self.broker.target_weights(weights, owner=self, **more)

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
        index, symbols = self.market.index, list(weights.keys())
        if not index.keys() >= set(symbols):
            strange = next(symbol for symbol in symbols if symbol not in index)
            raise StrategyError(f"{name}.allocate named '{strange}' on {date}, which is not in this market")
        values = [weight for _, weight in weights.items()]
        total = sum(values)
        if not (math.isfinite(total) and min(values, default=0.0) >= 0.0):
            symbol, weight = next((s, w) for s, w in weights.items() if not (math.isfinite(w) and w >= 0.0))
            raise StrategyError(f"{name}.allocate gave {symbol} the weight {weight} on {date}; it must be 0 or more")
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
    symbols = scores.index.tolist()
    if not known.keys() >= set(symbols):
        strange = next(symbol for symbol in symbols if symbol not in known)
        raise SignalError(f"{name}.predict scored '{strange}' on {view.date}, which is not in this market")
    if scores.index.has_duplicates:
        raise SignalError(f"{name}.predict scored {scores.index[scores.index.duplicated()][0]} twice on {view.date}")


def best(scores: pd.DataFrame, number: int) -> list[str]:
    """The ``number`` symbols of highest score, ties in order of the symbol."""
    symbols = scores.index.to_numpy()
    order = np.lexsort((symbols.astype(str), -scores["score"].to_numpy()))
    return symbols[order[:number]].tolist()  # type: ignore[no-any-return]
