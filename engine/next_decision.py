"""A decision after the last session of a run: what its account has ordered there, or would order if it were asked.

A finished run holds it where the schedule decides on its last session. Elsewhere, and for holdings that are not the
run's, the run is repeated in memory with a decision on that session: the same signal, strategy, overlays and sizing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.account import Account
from engine.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from engine.backtest import Prepared
    from engine.broker import AShareBroker
    from engine.holdings_file import OwnHoldings
    from engine.market import Market
    from engine.run_folder import Run
    from engine.simulation import Progress
    from engine.view import View


@dataclass(frozen=True)
class Ordered:
    """An account after the close of session ``t``, and the orders that wait for the next.

    Attributes
    ----------
    t : int
        Place in the market's sessions.
    decided : bool
        Whether the strategy decided on it.
    cash, value : float
        Yuan.
    shares, sellable : dict of str to int
        Shares held by symbol, and those of them that can be sold on the next session.
    orders : DataFrame
        Those that can still trade, of the columns of ``orders.parquet``.
    refused : DataFrame
        Orders of the decision that were refused at once: symbol, reason.
    targets : DataFrame
        Of the decision: symbol, weight, reason.
    """

    t: int
    decided: bool
    cash: float
    value: float
    shares: dict[str, int]
    sellable: dict[str, int]
    orders: pd.DataFrame
    refused: pd.DataFrame
    targets: pd.DataFrame


def ordered_by(run: Run, market: Market, t_plus_one: bool) -> Ordered:
    """What stands in the tables of a finished run; see :class:`Ordered`."""
    day = run.equity["date"].iloc[-1]
    t = market.position_of(day.to_datetime64())
    held = run.positions[run.positions["date"] == day]
    bought: dict[str, int] = {}
    if t_plus_one:  # what was bought on the last session can be sold on the next; what is still to be listed cannot
        fills = run.fills[(run.fills["date"] == day) & (run.fills["side"] == "buy")]
        bought = fills.groupby("symbol")["shares"].sum().to_dict()
    rows = list(zip(held["symbol"], held["shares"].tolist(), held["sellable"].tolist(), strict=True))
    return Ordered(
        t,
        bool((run.decisions["decision"] == day).any()),
        float(run.equity["cash"].iloc[-1]),
        float(run.equity["value"].iloc[-1]),
        {symbol: shares for symbol, shares, _ in rows},
        {symbol: min(shares, free + int(bought.get(symbol, 0))) for symbol, shares, free in rows},
        *_waiting(run.orders, run.refusals, run.targets, day),
    )


def _waiting(
    orders: pd.DataFrame, refusals: pd.DataFrame, targets: pd.DataFrame, day: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Orders that can still trade, those of ``day`` that were refused at once, and the targets of ``day``."""
    made = orders.loc[orders["date"] == day, "order_id"]
    alive = orders[orders["closed_date"].isna()]
    refused = refusals[(refusals["date"] == day) & refusals["order_id"].isin(made)]
    return alive, refused[["symbol", "reason"]], targets[targets["date"] == day]


def decide(ready: Prepared, holdings: OwnHoldings | None = None, progress: Progress | None = None) -> Ordered:
    """Repeat a run in memory and let its strategy decide after the last session, on the schedule or not.

    Parameters
    ----------
    ready : Prepared
    holdings : OwnHoldings, optional
        Take the place of the run's account at that decision. What the strategy and its overlays ask of the account's
        past, as a drawdown stop does, is the run's: the file knows none.
    progress : callable, optional
        See :data:`engine.simulation.Progress`.

    Raises
    ------
    ConfigError
        If the strategy has no schedule: it sends its own orders.
    DataError
        If a holding is not listed on that session.
    """
    if not hasattr(ready.strategy, "decision_sessions"):
        raise ConfigError(
            f"strategy {ready.strategy.__name__} sends its own orders, so it cannot be asked for a decision on other "
            "positions; leave --positions out, or subclass strategies.base.RebalanceStrategy"
        )
    done = replace(ready, strategy=_asked(ready.strategy, holdings)).simulate(progress=progress)
    broker, market = done.broker, done.market
    t, day = market.running.t, market.sessions[market.running.t].astype("datetime64[ms]")
    account, ledger = broker.account, broker.ledger
    orders = ledger.orders_frame(broker.orders)
    if holdings is not None:
        orders = orders[orders["date"] == day]
    return Ordered(
        t,
        True,
        account.cash / 100.0,
        account.value / 100.0,
        {market.symbols[i]: account.holdings[i] for i in broker.held},
        {market.symbols[i]: account.unlocked(i) for i in broker.held},
        *_waiting(orders, ledger.refusals_frame(), broker.baskets.targets_frame(), day),
    )


def _asked(strategy: Any, holdings: OwnHoldings | None) -> type:
    """The strategy, deciding on the last session of its run as well."""

    class Asked(strategy):  # type: ignore[misc]
        def decision_sessions(self) -> list[int]:
            return sorted({*super().decision_sessions(), self.market.running.p.last})

        def rebalance(self, t: int, view: View) -> None:
            if holdings is not None and t == self.market.running.p.last:
                _hold(self.broker, t, holdings)
            super().rebalance(t, view)

    Asked.__name__ = strategy.__name__  # what goes wrong is told under the strategy's own name
    return Asked


def _hold(broker: AShareBroker, t: int, holdings: OwnHoldings) -> None:
    """Give the broker an account that holds ``holdings`` after the close of session ``t``."""
    market = broker.market
    account = Account(market, holdings.cash, broker.rules)
    for symbol, shares in holdings.shares.items():
        i = market.column(symbol)
        if not market.listed[t, i] or np.isnan(market.mark[t, i]):
            raise holdings.error(symbol, f"{symbol} is not listed on {market.sessions[t]}; remove the row")
        account.holdings[i], account.costs[i] = shares, float(market.mark[t, i])
    account.close_session(t)
    broker.account = broker.book.account = account
