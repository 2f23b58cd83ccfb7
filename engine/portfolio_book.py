"""Many portfolios in one pass, order by order: for rules, fees and slippage that have no array form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine import basket
from engine.account import Account
from engine.ledger import Ledger
from engine.lots import Lots
from engine.order_book import OrderBook
from engine.orders import Moment, Order
from engine.rules import Rules
from engine.trades import Trade

if TYPE_CHECKING:
    from engine.market import Market

_NO_TRADES: list[Trade] = []
_NONE = np.zeros(0, dtype=np.int64)


class PortfolioAccount(Account):
    """An account whose round trips nobody is told of, and whose holdings follow from its fills."""

    def _trade(self, i: int, owner: Any, data: Any, tradeid: int, size: int, price: float, comm: float) -> list[Trade]:
        return _NO_TRADES

    def _record(self, t: int, held: np.ndarray, shares: np.ndarray) -> None:
        self.ledger.close_session(
            t, self.cash, min(self.cash, self.settled), self.value, _NONE, _NONE, _NONE, self.desk.receivable
        )


class PortfolioBook(OrderBook):
    """The baskets of one portfolio; its orders are forgotten when they are over."""

    count = 0
    """Orders made so far."""

    def place(self, owner: Any, data: Any, i: int, shares: int, moment: Moment, close: float) -> Order:
        """As of the order book."""
        self.count += 1
        order = Order(self.count, owner, data, i, shares, moment, close, self.broker)
        order.basket = True
        return order

    def target(self, moment: Moment, stocks: list[int], weights: list[float]) -> None:
        """Trade towards target weights; what is left of the basket before is cancelled.

        The orders are those of :meth:`engine.broker.AShareBroker.target_weights`.
        """
        left, self.pending, self.submitted = self.open, [], []
        for order in left:
            self.end(order, Order.Canceled, "cancelled")
        market, account, rules = self.market, self.account, self.rules
        lots = self.lots if rules.lots else None
        plan = basket.plan(market, account.row(), account.value, stocks, weights, moment.known, lots)
        made = []
        for sign, entries in ((-1, plan.sales), (1, plan.buys)):
            for i, size, target, price in zip(*(column.tolist() for column in entries), strict=True):
                if not size:
                    continue
                order = self.place(self, market.handle(i), i, sign * size, moment, price)
                if rules.unfilled == "drop":
                    order.day, order.valid = True, moment.date
                if target and rules.size_at == "fill":
                    order.target = target
                made.append(order)
        self.submit_basket(made)
        for i, size, _, price in zip(*(column.tolist() for column in plan.unpriced), strict=True):
            self.reject_unpriced(self.place(self, market.handle(i), i, size, moment, price))

    def close(self, t: int) -> None:
        """As of the order book; nobody is told of orders."""
        super().close(t)
        self.notices.clear()


class SeparateBooks:
    """An order book of its own for each portfolio; all else as :class:`engine.portfolio_books.PortfolioBooks`.

    Parameters
    ----------
    market : Market
    rules : Rules
    fees, slippage : models
    portfolios : int
    cash : float
        Yuan that each begins with.
    fill : str
    broker : PortfoliosBroker
    """

    def __init__(
        self,
        market: Market,
        rules: Rules,
        fees: Any,
        slippage: Any,
        portfolios: int,
        cash: float,
        fill: str,
        broker: Any,
    ) -> None:
        lots = Lots(market)
        self._books: list[PortfolioBook] = []
        self._bar = 0
        for _ in range(portfolios):
            book = PortfolioBook(market, PortfolioAccount(market, cash, rules), rules, fees, slippage, fill)
            book.broker, book.lots = broker, lots
            self._books.append(book)

    @property
    def counts(self) -> np.ndarray:
        """Orders made so far."""
        return np.array([book.count for book in self._books], dtype=np.int64)

    @property
    def cash(self) -> np.ndarray:
        """Fen, by portfolio."""
        return np.array([book.account.cash for book in self._books])

    @property
    def value(self) -> np.ndarray:
        """Fen as of the last close, by portfolio."""
        return np.array([book.account.value for book in self._books])

    def target(self, p: int, moment: Moment, stocks: list[int], weights: list[float]) -> None:
        """Trade a portfolio towards target weights."""
        self._books[p].target(moment, stocks, weights)

    def accrue(self, previous: int, t: int, rate: float) -> None:
        """Pay interest on cash."""
        for book in self._books:
            book.account.accrue(previous, t, rate)

    def trade(self, t: int) -> None:
        """Session ``t`` up to its close."""
        self._bar += 1
        for book in self._books:
            book.account.open_session(t, self._bar)
            book.trade(t)

    def close(self, t: int) -> None:
        """The close of session ``t``."""
        for book in self._books:
            book.close(t)

    def ledgers(self) -> list[Ledger]:
        """What happened to each."""
        return [book.account.ledger for book in self._books]
