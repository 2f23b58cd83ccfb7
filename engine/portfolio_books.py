"""Many portfolios in one pass, as arrays: every one is an account of its own under all rules of a basket's orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine import basket, portfolio_matching
from engine import portfolio_tables as tables
from engine.dividend_tax import regimes
from engine.errors import AccountError
from engine.lots import Lots
from engine.orders import Moment
from engine.portfolio_actions import PortfolioActions, followed
from engine.portfolio_day import Day, pays_tax
from engine.portfolio_ledger import FEES, History, PortfolioLedger
from engine.portfolio_lots import LotPool
from engine.portfolio_tables import Books
from engine.rules import Rules

if TYPE_CHECKING:
    from engine.market import Market


class PortfolioBooks:
    """Accounts and orders of P portfolios.

    Parameters
    ----------
    market : Market
    rules : Rules
    fees : fee model
    portfolios : int
    cash : int
        Fen that each begins with.
    at_close : bool
        Whether orders fill at the close.
    first, last : int
        Sessions of the run.

    Attributes
    ----------
    books : Books
    counts : ndarray of int64, shape (P,)
        Orders made so far.
    value : ndarray of int64, shape (P,)
        Fen, as of the last close.
    """

    def __init__(
        self, market: Market, rules: Rules, fees: Any, portfolios: int, cash: int, at_close: bool, first: int, last: int
    ) -> None:
        self.market, self._rules = market, rules
        taxed = regimes(rules.holder) if pays_tax(rules) else ()
        self._pool = LotPool(portfolios, len(market.symbols), market.sessions, taxed)
        self.books = Books.empty(portfolios, len(market.symbols), cash, self._pool.arrays)
        self.actions = PortfolioActions(market, rules, self.books, self._pool)
        self._day = Day(market, rules, fees, at_close)
        self._lots = Lots(market) if rules.lots else None
        self._history = History(portfolios, last - first + 1)
        self.counts = np.zeros(portfolios, dtype=np.int64)
        self.value = self.books.cash.copy()
        self._interest = np.zeros(portfolios, dtype=np.int64)
        self._settled = self.books.cash.copy()
        self._expected = self.books.cash.copy()
        self._audited = 0  # fills that are in it

    @property
    def cash(self) -> np.ndarray:
        """Fen, by portfolio."""
        return self.books.cash

    # -- baskets in -----------------------------------------------------------------------------

    def target(self, p: int, moment: Moment, stocks: list[int], weights: list[float]) -> None:
        """Trade a portfolio towards target weights; what is left of the basket before is cancelled.

        The orders are those of :meth:`engine.broker.AShareBroker.target_weights`.
        """
        books, market, rules = self.books, self.market, self._rules
        portfolio_matching.cancel(books, self._day.at(moment.t), p)
        plan = basket.plan(market, books.shares[p], int(self.value[p]), stocks, weights, moment.known, self._lots)
        sales, buys = (side.only(side.shares > 0) for side in (plan.sales, plan.buys))
        wished = basket.Entries(*(np.concatenate(pair) for pair in zip(sales, buys, strict=True)))
        count = len(wished.stocks)
        orders = books.orders[p, :count]
        orders[:] = np.zeros((), tables.ORDER)
        orders["number"] = np.arange(1, count + 1) + self.counts[p]
        orders["stock"], orders["left"], orders["refusal"] = wished.stocks, wished.shares, -1
        if rules.size_at == "fill":
            orders["target"] = wished.targets
        books.sales[p], books.counts[p] = len(sales.stocks), count
        books.waits[p, wished.stocks] = True
        self.counts[p] += count
        for i, size in zip(plan.unpriced.stocks.tolist(), plan.unpriced.shares.tolist(), strict=True):
            self.counts[p] += 1
            order = books.orders[p, count : count + 1]  # behind the others, and refused before they are tried
            order[:] = np.zeros((), tables.ORDER)
            order["number"], order["stock"], order["left"], order["refusal"] = self.counts[p], i, size, -1
            listed = market.listed[moment.known, i]
            self._reject(p, count, moment.t, True, tables.SUSPENDED if listed else tables.NOT_LISTED)

    def _reject(self, p: int, k: int, t: int, is_buy: bool, reason: int) -> None:
        """Refuse order ``k`` of a portfolio for good."""
        session = self._day.at(t)
        while portfolio_matching.is_full(self.books, session, self.books.orders[p, k]):
            self._grow()
        portfolio_matching.refuse_order(self.books, session, p, k, is_buy, reason)

    def _grow(self) -> None:
        """Make room for what is to be written down."""
        if self.books.lots.room.min() < len(self.books.lots.lots) // 2:
            self._pool.grow()
        self.books = self.books._replace(journal=self.books.journal.grown(), lots=self._pool.arrays)

    # -- the session ----------------------------------------------------------------------------

    def accrue(self, previous: int, t: int, rate: float) -> None:
        """Pay interest on cash for the calendar days since the session before; ``rate`` a year."""
        cash, sessions = self.books.cash, self.market.sessions
        days = int((sessions[t] - sessions[previous]).astype(int))
        self._interest = np.where(cash > 0, np.floor(cash * rate * days / 365.0 + 0.5), 0.0).astype(np.int64)
        cash += self._interest

    def trade(self, t: int) -> None:
        """Session ``t`` up to its close: payments, actions, holdings that left the market, orders."""
        actions, books = self.actions, self.books
        for p, concerning in actions.concerned(t).items():
            self._follow(p, t, *actions.open(p, t, concerning))
            for i in actions.gone(t):
                for k in self._orders_of(p, i):
                    self._reject(p, k, t, k >= books.sales[p], tables.DELISTED)
            actions.settle(p, t)
        self._settled = books.cash.copy()
        self.books = self.books._replace(lots=self._pool.arrays)  # actions may have replaced them
        session, p, k = self._day.at(t), 0, 0
        while p < len(books.cash):
            p, k = portfolio_matching.trade(self.books, session, p, k)
            if p < len(books.cash):
                self._grow()
        journal = self.books.journal
        actions.taxed(journal.taxes[: journal.used[tables.TAXES]])
        journal.used[tables.TAXES] = 0

    def _orders_of(self, p: int, i: int) -> list[int]:
        """Places of a portfolio's orders for a stock that wait: one or none."""
        orders = self.books.orders[p, : self.books.counts[p]]
        return np.flatnonzero((orders["stock"] == i) & (orders["left"] > 0)).tolist()  # type: ignore[no-any-return]

    def _follow(self, p: int, t: int, ratios: dict[int, float], factors: dict[int, float]) -> None:
        """Carry waiting orders over an ex-date, as :meth:`engine.order_book.OrderBook.follow`."""
        books = self.books
        for i in ratios:
            for k in self._orders_of(p, i) if books.waits[p, i] else ():
                order, ratio = books.orders[p, k], ratios[i]
                refusal, factor = int(order["refusal"]), factors.get(i, ratio)
                if refusal >= 0 and factor > 0:
                    self.books.journal.refusals["price"][refusal] /= factor
                if ratio == 1.0:
                    continue
                is_sale = k < books.sales[p]
                left = followed(int(order["left"]), int(books.shares[p, i]), ratio, is_sale)
                if not left:  # a consolidation leaves nothing to trade
                    self._reject(p, k, t, not is_sale, tables.LOT)
                    continue
                order["left"] = left
                if refusal >= 0:
                    row = self.books.journal.refusals[refusal]
                    row["wanted"] = row["done"] + left

    def close(self, t: int) -> None:
        """The close of session ``t``: who has the rights of actions to come, and the value of each portfolio.

        Raises
        ------
        AccountError
            If the cash of one is not what its postings say.
        """
        books = self.books
        self.actions.close(t)
        receivable = self.actions.receivable
        self.value = books.cash + portfolio_matching.worths(books, self._day.at(t)) + receivable
        self._audit(t)
        settled = np.minimum(books.cash, self._settled)
        self._history.close(t, (self.value, books.cash, self._interest, settled, receivable))
        self._interest = np.zeros_like(books.cash)

    def _audit(self, t: int) -> None:
        """Compare the cash with what was posted."""
        journal = self.books.journal
        fills = journal.fills[self._audited : journal.used[tables.FILLS]]
        flow = -np.sign(fills["shares"]) * fills["value"]
        for fee in FEES:
            flow -= fills[fee]
        self._expected += np.bincount(fills["portfolio"], flow, len(self._expected)).astype(np.int64)
        self._expected += self._interest + self.actions.posted()
        self._audited = int(journal.used[tables.FILLS])
        wrong = np.flatnonzero(self._expected != self.books.cash)
        if len(wrong):
            p = wrong[0]
            raise AccountError(
                f"the account does not balance on {self.market.sessions[t]}: cash is {self.books.cash[p] / 100:.2f} "
                f"yuan, the postings add up to {self._expected[p] / 100:.2f}; please report this"
            )

    # -- afterwards -----------------------------------------------------------------------------

    def ledgers(self) -> list[PortfolioLedger]:
        """What happened to each."""
        fills, refusals = self.books.journal.by_portfolio(len(self.books.cash))
        return [
            PortfolioLedger(self.market, p, self._history, *tables, self.actions.postings[p])
            for p, tables in enumerate(zip(fills, refusals, strict=True))
        ]
