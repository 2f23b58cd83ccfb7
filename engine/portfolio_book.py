"""The orders of one of several portfolios: what is plain fills in array operations, all else as ever.

An order of a basket is plain if its stock trades inside its price limits and it fills in full at one price: a legal
lot, covered by the cash that is there at its turn, no tax and no lock on what it sells. Such orders never become
objects. All others (and all of a run whose slippage or fees have no array form) go through
:class:`engine.order_book.OrderBook` at their turn, so that cash comes and goes in the sequence of separate orders and
the account is the same to the fen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import basket, matching
from engine.day_fees import DayFees, DayFeesWithMinima
from engine.errors import RuleError
from engine.fee_table import EXCHANGES
from engine.lots import legal_buys, legal_sells
from engine.order_book import OrderBook
from engine.orders import Moment, Order
from engine.portfolio_account import PlainFills, PortfolioAccount
from engine.rules import legal_buy
from engine.undated_fees import ZeroFees

if TYPE_CHECKING:
    from engine.market import Market

_ARRAY_FEES = (DayFees, DayFeesWithMinima, ZeroFees)


def _exchanges(market: Market) -> np.ndarray:
    return np.array([EXCHANGES.index(exchange) for exchange in market.exchanges], dtype=np.intp)


@dataclass
class Basket:
    """Orders of one decision that have not been tried: sales, then purchases; arrays of shape (K,).

    ``numbers`` are theirs among the portfolio's orders, and ``orders`` holds those that have become objects.
    """

    owner: Any
    moment: Moment
    sales: int
    stocks: np.ndarray
    shares: np.ndarray
    targets: np.ndarray
    closes: np.ndarray
    numbers: np.ndarray
    orders: dict[int, Order] = field(default_factory=dict)


@dataclass
class Leftover:
    """Orders of a basket that wait for another session: sales, then purchases; arrays of shape (K,).

    ``suspended`` and ``short`` are those that wait for a bar, and those that wait for cash with a legal lot. ``days``
    counts sessions that their ``refusals`` have not been told of.
    """

    orders: list[Order]
    refusals: list[Any]
    sales: int
    stocks: np.ndarray
    suspended: np.ndarray
    short: np.ndarray
    days: np.ndarray

    @classmethod
    def of(cls, orders: list[Order]) -> Leftover:
        """Arrays of ``orders``; none of them is quiet until :meth:`look` has seen it."""
        count = len(orders)
        stocks = np.array([order.i for order in orders], dtype=np.int64)
        sales = sum(order.size < 0 for order in orders)
        suspended, short = np.zeros((2, count), dtype=bool)
        return cls(list(orders), [None] * count, sales, stocks, suspended, short, np.zeros(count, dtype=np.int64))

    def look(self, tried: list[int], legal: Callable[[Order], bool]) -> None:
        """Note what orders wait for that were tried, and forget those that are over.

        Parameters
        ----------
        tried : list of int
            Places in the arrays.
        legal : callable
            Whether what is left of an order is a legal purchase.
        """
        over = False
        for k in tried:
            self._write(k)
            order = self.orders[k]
            row = self.refusals[k] = order.refusal
            reason = "" if row is None else row.reason
            self.suspended[k] = reason == matching.SUSPENDED
            self.short[k] = reason == matching.CASH and order.size > 0 and legal(order)
            over = over or not order.alive()
        if over:
            alive = [order.alive() for order in self.orders]
            self.sales = sum(alive[: self.sales])
            self.orders = [order for order, is_alive in zip(self.orders, alive, strict=True) if is_alive]
            self.refusals = [row for row, is_alive in zip(self.refusals, alive, strict=True) if is_alive]
            self.stocks, self.suspended, self.short, self.days = (
                column[alive] for column in (self.stocks, self.suspended, self.short, self.days)
            )

    def write(self) -> None:
        """Add the days to the refusals."""
        for k in np.flatnonzero(self.days).tolist():
            self._write(k)

    def _write(self, k: int) -> None:
        if self.days[k]:
            self.refusals[k].days += int(self.days[k])
            self.days[k] = 0


class PortfolioBook(OrderBook):
    """The baskets of one portfolio."""

    account: PortfolioAccount
    _basket: Basket | None = None
    _left: Leftover | None = None
    count = 0
    """Orders made so far."""

    # -- orders in ------------------------------------------------------------------------------

    def target(self, owner: Any, stocks: list[int], weights: list[float]) -> None:
        """Trade towards target weights; what is left of the basket before is cancelled.

        The orders are those of :meth:`engine.broker.AShareBroker.target_weights`.
        """
        self._count_days()
        left, self.pending = self.pending, []
        for order in left:
            self.end(order, Order.Canceled, "cancelled")
        moment = self.moment()
        if moment.known < 0:
            raise RuleError(f"target weights on {self.market.sessions[moment.t]} have no close to be sized with yet")
        plan = basket.plan(self.account, stocks, weights, moment.known, self.lots if self.rules.lots else None)
        sales, buys = (side.only(side.shares > 0) for side in (plan.sales, plan.buys))
        joined = basket.Entries(*(np.concatenate(pair) for pair in zip(sales, buys, strict=True)))
        numbers = np.arange(1, len(joined.stocks) + 1) + self.count
        self.count += len(numbers)
        self._basket = Basket(owner, moment, len(sales.stocks), *joined, numbers)
        for i, size, _, price in zip(*(column.tolist() for column in plan.unpriced), strict=True):
            self.reject_unpriced(self._made(owner, i, size, moment, price))

    def _made(self, owner: Any, i: int, size: int, moment: Moment, close: float, number: int = 0) -> Order:
        if not number:
            self.count += 1
            number = self.count
        order = Order(number, owner, self.market.handle(i), i, size, moment, close, self.broker)
        order.basket = True
        return order

    def _as_object(self, waiting: Basket, k: int) -> Order:
        """Order ``k`` of a basket as an object that the order book can try."""
        order = waiting.orders.get(k)
        if order is None:
            size = int(waiting.shares[k]) * (-1 if k < waiting.sales else 1)
            order = waiting.orders[k] = self._made(
                waiting.owner, int(waiting.stocks[k]), size, waiting.moment, float(waiting.closes[k]),
                int(waiting.numbers[k]),
            )  # fmt: skip
            if self.rules.unfilled == "drop":
                order.day, order.valid = True, waiting.moment.date
            if self.rules.size_at == "fill" and waiting.targets[k]:
                order.target = float(waiting.targets[k])
            order.status = Order.Accepted
        return order

    # -- a session ------------------------------------------------------------------------------

    def waiting(self) -> set[int]:
        """Stocks whose orders wait."""
        left = {order.i for order in self.pending} if self._left is None else set(self._left.stocks.tolist())
        return left if self._basket is None else left | set(self._basket.stocks.tolist())

    def follow(self, ratios: dict[int, float], factors: dict[int, float]) -> None:
        """As of the order book; fresh orders of the stocks concerned become objects."""
        waiting = self.waiting()
        concerned = {i: ratio for i, ratio in ratios.items() if i in waiting}
        if concerned:
            self._count_days()
            self._submit_fresh(concerned)
            super().follow(concerned, factors)

    def drop_delisted(self, i: int, t: int) -> None:
        """As of the order book."""
        self._submit_fresh({i: 1.0})
        super().drop_delisted(i, t)

    def _submit_fresh(self, stocks: dict[int, float]) -> None:
        if self._basket is not None:
            for k, i in enumerate(self._basket.stocks.tolist()):
                if i in stocks and k not in self._basket.orders:
                    self.submitted.append(self._as_object(self._basket, k))

    def fill_orders(self, t: int) -> None:
        """Fill a fresh basket, or try again what is left of an older one."""
        fresh, self._basket = self._basket, None
        self._blocked_sales.clear()
        self._volume_taken.clear()
        if fresh is None:
            super().fill_orders(t)
            return
        self.submitted.clear()  # they are in the basket, and tried at their turn
        sold, bought = slice(0, fresh.sales), slice(fresh.sales, len(fresh.stocks))
        kept = [*self._fill_side(t, fresh, sold, False), *self._fill_side(t, fresh, bought, True)]
        self.pending = [order for order in kept if not order.day]
        for order in kept:
            if order.day:
                self._expire(order, t)

    def close(self, t: int) -> None:
        """As of the order book; nobody is told of orders."""
        super().close(t)
        self.notices.clear()

    # -- what is left of a basket ---------------------------------------------------------------

    def match(self, t: int) -> None:
        """Try what waits, sales first; where nothing has changed since the session before only the day is counted.

        Nothing has changed for an order whose stock is suspended still; nor, while a blocked sale may bring the cash,
        for a purchase that waits for it and whose smallest lot the cash does not buy.
        """
        market, account = self.market, self.account
        left = self._left
        if left is None:
            left = self._left = Leftover.of(self.pending)
            left.look(list(range(len(left.orders))), lambda order: self._is_legal(order, t))
        traded = market.traded[t].take(left.stocks) > 0
        quiet = left.suspended & ~traded & (market.listed[t].take(left.stocks) > 0)
        sales, tried = left.sales, list[int]()
        if quiet[:sales].any() and self.rules.unfilled == "carry":
            self._blocked_sales.add((id(left.orders[0].owner), left.orders[0].plen))
        day_fees, bars = self._day_fees(t), None
        for part in (slice(0, sales), slice(sales, len(left.orders))):
            enough = None
            if part.start == sales and self._blocked_sales and left.short.any():
                enough = self._enough_for_a_lot(t, left.stocks, traded)
                quiet |= left.short & (enough > account.cash)
            for k in (np.flatnonzero(~quiet[part]) + part.start).tolist():
                if enough is not None and left.short[k] and enough[k] > account.cash:
                    quiet[k] = True
                    continue
                if bars is None:
                    bars = matching.bars_of(market, t, left.stocks.tolist())
                self._try(left.orders[k], t, bars, k, day_fees)
                tried.append(k)
        left.days += quiet
        if tried:
            left.look(tried, lambda order: self._is_legal(order, t))
            self.pending = list(left.orders)

    def _count_days(self) -> None:
        """Write the days of quiet orders into their refusals, and forget the arrays."""
        if self._left is not None:
            self._left.write()
            self._left = None

    def remove(self, order: Order) -> None:
        """As of the order book."""
        self._count_days()
        super().remove(order)

    def stop(self) -> None:
        """The run has ended."""
        self._count_days()

    def _enough_for_a_lot(self, t: int, stocks: np.ndarray, traded: np.ndarray) -> np.ndarray:
        """Fen below which cash surely does not buy the smallest lot of a stock; 0 where it may not be bought at all."""
        market = self.market
        if not self._no_slippage or self._limit_fills is not None:
            return np.zeros(len(stocks))
        price = (market.close if self._at_close else market.open)[t].take(stocks)
        minimum = self.lots.of(stocks, t).minimum if self.rules.lots else 1
        if self._limits:
            traded = traded & (price < market.limit_up[t].take(stocks) / 100.0)
        return np.where(traded, price * minimum * 100.0 - 1.0, 0.0)

    def _is_legal(self, order: Order, t: int) -> bool:
        return not self.rules.lots or order.left == legal_buy(order.left, self.lot(order.i, t))

    # -- one side of a basket -------------------------------------------------------------------

    def _fill_side(self, t: int, fresh: Basket, part: slice, is_buy: bool) -> list[Order]:
        """Fill the sales or the purchases of a basket in their sequence; returns what goes on waiting."""
        account, first = self.account, part.start
        stocks = fresh.stocks[part]
        day_fees, count = self._day_fees(t), len(stocks)
        plain, fills = self._plain_fills(t, fresh, part, is_buy, day_fees)
        taxed = np.zeros(count, dtype=bool)
        if not is_buy and account.taxed:
            taxed = plain & np.array([i in account.taxed for i in stocks.tolist()], dtype=bool)
            plain &= ~taxed
        change = -(fills.values + fills.charged) if is_buy else fills.values - fills.charged
        balance = np.concatenate([[0], np.where(plain, change, 0).cumsum()])
        odd = [*np.flatnonzero(~plain).tolist(), count]
        kept: list[Order] = []
        bars, at, turn = None, 0, 0
        while True:
            stop = odd[turn]
            if is_buy:  # the first plain order before the next odd one that the cash does not cover
                below = balance[at] - account.cash
                stop = at + int(np.searchsorted(-balance[at + 1 : stop + 1], -below, side="right"))
            account.cash += int(balance[stop] - balance[at])
            if stop == count:
                break
            turn += stop == odd[turn]
            at = stop + 1
            if taxed[stop]:
                account.cash += int(change[stop])
                account.withhold(int(stocks[stop]), t, int(fills.shares[stop]))
                continue
            plain[stop] = False
            order = self._as_object(fresh, first + stop)
            if order.alive():
                if bars is None:
                    bars = matching.bars_of(self.market, t, stocks.tolist())
                self._try(order, t, bars, stop, day_fees)
                if order.alive():
                    kept.append(order)
        plain |= taxed
        if plain.any():
            account.book(t, is_buy, fills.only(plain))
        return kept

    def _plain_fills(
        self, t: int, fresh: Basket, part: slice, is_buy: bool, day_fees: Any
    ) -> tuple[np.ndarray, PlainFills]:
        """Which orders of one side are plain as long as cash lasts (bool, shape (K,)), and the fills of all."""
        market, rules, account = self.market, self.rules, self.account
        stocks, shares = fresh.stocks[part], fresh.shares[part]
        price = (market.close if self._at_close else market.open)[t].take(stocks)
        plain = market.traded[t].take(stocks) > 0
        if type(day_fees) not in _ARRAY_FEES or not self._has_array_form():
            plain[:] = False
        if self._limits and is_buy:
            plain &= price < market.limit_up[t].take(stocks) / 100.0
        elif self._limits:
            plain &= price > market.limit_down[t].take(stocks) / 100.0
        if rules.lots:
            lots = self.lots.of(stocks, t)
            plain &= shares <= lots.largest
        if is_buy and rules.lots:
            plain &= legal_buys(shares, lots) == shares
        elif not is_buy:
            held = np.array([account.holdings.get(i, 0) for i in stocks.tolist()], dtype=np.int64)
            plain &= shares <= held
            if rules.lots:
                plain &= legal_sells(shares, held, lots) == shares
            tied = account.tied
            if tied:
                plain &= np.array([i not in tied for i in stocks.tolist()], dtype=bool)
        for k in fresh.orders:
            if part.start <= k < part.stop:
                plain[k - part.start] = False
        values = (np.where(plain, price, 0.0) * shares * 100.0 + 0.5).astype(np.int64)
        places = market.shared(_exchanges).take(stocks)
        fees = day_fees.charge_first_fills(places, is_buy, values, shares) if plain.any() else None
        if fees is None:
            plain[:] = False
            fees = (np.zeros_like(values),) * 4
        fills = PlainFills(fresh.numbers[part], stocks, shares, values, fees)
        if not is_buy:
            plain &= fills.charged <= values
        return plain, fills

    def _has_array_form(self) -> bool:
        rules = self.rules
        return (
            self._no_slippage and self._limit_fills is None and rules.size_at == "decision"
            and self.account.exact and not rules.check_submitted
        )  # fmt: skip
