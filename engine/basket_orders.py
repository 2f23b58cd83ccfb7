"""Whole baskets: target weights as orders, and holdings sold between baskets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engine import basket, matching, small_account
from engine.errors import RuleError
from engine.orders import Order

if TYPE_CHECKING:
    from engine.account import Account
    from engine.market import Market
    from engine.order_book import OrderBook
    from engine.rules import Rules
    from engine.tracking import Baskets


class BasketOrders:
    """The part of a broker that takes baskets; see :class:`engine.broker.AShareBroker`."""

    if TYPE_CHECKING:
        market: Market
        account: Account
        book: OrderBook
        rules: Rules
        fees: Any
        baskets: Baskets
        cerebro: Any

        def cancel(self, order: Order) -> bool: ...

        def _today(self) -> str: ...

    def target_weights(
        self,
        weights: Mapping[str, float] | Any,
        owner: Any = None,
        *,
        spares: Iterable[str] = (),
        spread: bool = False,
        reasons: Mapping[str, str] | None = None,
    ) -> list[Order]:
        """Trade towards a whole basket: stocks held but not named are sold.

        Parameters
        ----------
        weights : mapping or Series of str to float
            Fractions of account value by symbol, none negative, sum at most 1. Cash goes to purchases in
            this order.
        owner : Strategy, optional
            Who is notified; needed where several strategies share the broker.
        spares : iterable of str
            Best first: they take the places of stocks whose smallest lot costs more than their target, which are
            refused with ``LOT``.
        spread : bool
            Cash that whole lots leave buys one lot more of the stocks that lack most; with
            ``size_at="decision"`` only, since other sizes are not known yet.
        reasons : mapping of str to str
            Why stocks are where they are, for ``targets.parquet``.

        Returns
        -------
        list of Order
            Sales first. The fills are those of the same orders sent one by one with
            ``order_target_percent``. What is left of the basket before is cancelled.

        Raises
        ------
        RuleError
            If a weight is negative or not a number, they sum above 1, or it is open whose basket it is.
        """
        market, rules = self.market, self.rules
        if owner is None:
            owner, *others = self.cerebro.runningstrats
            if others:
                raise RuleError(f"{1 + len(others)} strategies share this broker: target_weights(weights, owner=self)")
        for order in [order for order in self.book.open if order.basket and order.owner is owner]:
            self.cancel(order)
        stocks = market.columns(weights.keys())
        shares_of_value = [float(weight) for _, weight in weights.items()]
        total = math.fsum(shares_of_value)
        if not (math.isfinite(total) and min(shares_of_value, default=0.0) >= 0.0 and total <= 1.0 + 1e-9):
            raise RuleError(
                f"target weights must be fractions from 0 to 1 that sum to at most 1; on {self._today()} they sum to "
                f"{total:.6f} with a smallest of {min(shares_of_value, default=0.0):.6f}"
            )
        moment = self.book.moment()
        t = moment.known
        if t < 0:
            raise RuleError(f"target weights on {self._today()} have no close to be sized with yet")
        if len(set(stocks)) != len(stocks):
            raise RuleError(f"target weights name a stock twice on {self._today()}")
        why = {market.column(symbol): reason for symbol, reason in (reasons or {}).items()}
        too_dear: list[tuple[int, int]] = []
        lots = self.book.lots if rules.lots else None
        ranked = market.columns(spares) if lots else []
        if lots and ranked:
            named = set(stocks)
            stocks, shares_of_value, too_dear = small_account.seat(
                self.account, stocks, shares_of_value, ranked, t, lots
            )
            why |= {i: "SPARE" for i in stocks if i not in named} | {i: matching.LOT for i, _ in too_dear}
        self.baskets.post(moment.t, t, stocks, shares_of_value, why)
        account = self.account
        plan = basket.plan(market, account.row(), account.value, stocks, shares_of_value, t, lots)
        if lots and spread and rules.size_at == "decision":
            plan = small_account.spread(self.account, plan, t, lots, self._fees_on(t))
        for_a_day, at_fill, place = rules.unfilled == "drop", rules.size_at == "fill", self.book.place
        made = []
        for sign, entries in ((-1, plan.sales), (1, plan.buys)):
            for i, size, target, price in zip(*(column.tolist() for column in entries), strict=True):
                if not size:
                    continue
                order = place(owner, market.handle(i), i, sign * size, moment, price)
                order.basket = True
                if for_a_day:
                    order.day, order.valid = True, moment.date
                if target and at_fill:
                    order.target = target
                made.append(order)
        self.book.submit_basket(made)
        refused = [
            (i, size, price, matching.SUSPENDED if market.listed[t, i] else matching.NOT_LISTED)
            for i, size, _, price in zip(*(column.tolist() for column in plan.unpriced), strict=True)
        ]
        refused += [(i, size, float(market.mark[t, i]), matching.LOT) for i, size in too_dear]
        for i, size, price, reason in refused:
            order = place(owner, market.handle(i), i, size, moment, price)
            self.book.refuse_sent(order, reason)
            made.append(order)
        return made

    def sell_out(self, reasons: Mapping[str, str], owner: Any = None) -> list[Order]:
        """Sell whole holdings outside of a rebalance; the next basket takes the orders over.

        Parameters
        ----------
        reasons : mapping of str to str
            Stocks, and why they are sold (``ST``, ``LEFT_UNIVERSE``); those not held, or on their way out, are passed
            over.
        owner : Strategy, optional
            Who is notified; the only strategy by default.
        """
        market, book, holdings = self.market, self.book, self.account.holdings
        owner = owner or self.cerebro.runningstrats[0]
        moment = book.moment()
        made = []
        for i in (market.column(symbol) for symbol in reasons):
            waiting = [order for order in book.open if order.basket and order.owner is owner and order.i == i]
            if i not in holdings or any(order.issell() and order.left == holdings[i] for order in waiting):
                continue
            for order in waiting:
                self.cancel(order)
            order = book.place(owner, market.handle(i), i, -holdings[i], moment, float(market.mark[moment.known, i]))
            order.basket = True
            if self.rules.unfilled == "drop":
                order.day, order.valid = True, moment.date
            made.append(order)
        book.submit_basket(made)
        if made:
            why = {order.i: reasons[market.symbols[order.i]] for order in made}
            self.baskets.post(moment.t, moment.known, list(why), [0.0] * len(why), why, whole=False)
        return made

    def _fees_on(self, t: int) -> small_account.Fees:
        """Fees in yuan of trades, as they are on session ``t``."""
        charges, exchanges = self.fees.on(self.market.sessions[t]), self.market.exchanges

        def fees(i: int, value: float, shares: int) -> float:
            fen = charges.charge(exchanges[i], shares > 0, round(value * 100.0), abs(shares))
            return float(sum(fen)) / 100.0

        return fees
