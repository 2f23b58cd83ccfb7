"""The account: cash, shares and trades, and every way in which they change.

Money is integer fen where the rules say so (``exact_money``), else unrounded fen as floats, which is what
Backtrader's own broker computes with.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import corporate
from engine.entitlements import Booking, CorporateDesk
from engine.ledger import Ledger
from engine.orders import Fill, Order
from engine.rules import LotRule, Rules, legal_buy
from engine.trades import Trade

if TYPE_CHECKING:
    from engine.market import Market


_ANY_NUMBER = LotRule(1, 1)
_COMPLETED, _PARTIAL = Order.Completed, Order.Partial
_WHOLE = 2.0**53
"""Whole numbers below it are exact as floats, and so is their sum in any order."""


_NO_TRADES: list[Trade] = []
"""Shared, never changed."""


Quote = tuple[int, float, Any, tuple[Any, ...], Any]
"""What a fill takes or brings: shares, price (yuan), value of the shares, its four fees and their sum (fen)."""


class Account:
    """Cash and holdings of one run; every movement is posted to its ledger.

    Attributes
    ----------
    cash, value : int or float
        Fen; ``value`` as of the last close marked.
    settled : int or float
        Fen; cash as it was before the session's trading. Proceeds of its sales can buy at once, but be withdrawn
        from the next session on (``ashare_rules`` section 7).
    holdings : dict of int to int
        Shares by stock, only of stocks held.
    costs : dict of int to float
        Average price a share, yuan, of the same stocks.
    """

    def __init__(self, market: Market, cash: float, rules: Rules) -> None:
        self.market, self.rules = market, rules
        self.exact = rules.exact_money
        self._exchanges, self._mark, self._same_day = market.exchanges, market.mark, market.same_day
        self.cash: Any = self.fen(cash)
        self.value: Any = self.cash
        self.settled: Any = self.cash
        self.holdings: dict[int, int] = {}
        self.costs: dict[int, float] = {}
        self._arrays: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None  # until a holding changes
        self._bought: dict[int, int] = {}
        self._trades: dict[int, dict[tuple[int, int], Trade]] = {}
        self._trade_refs = 0
        self._bar, self._now = 0, 0.0
        self.desk = CorporateDesk(market, rules)
        self._taxed = self.desk.taxed and rules.corporate_actions
        self._lots, self._lot, self._pending = self.desk.lots, self.desk.lots.bought, self.desk.lots.pending
        self._day = 0
        self.ledger = Ledger(market, self.cash, self.exact)

    def fen(self, yuan: float) -> Any:
        """Yuan as fen, half-up where money is exact."""
        return math.floor(yuan * 100.0 + 0.5) if self.exact else yuan * 100.0

    def sellable(self, i: int) -> int:
        """Shares of a stock that were not bought on the current session, nor are still to be listed."""
        return max(0, self.holdings.get(i, 0) - self._bought.get(i, 0) - self.desk.locked.get(i, 0))

    @property
    def restricted(self) -> bool:
        """Whether there is any share that cannot be sold now."""
        return bool(self._bought or self.desk.locked)

    def unlocked(self, i: int) -> int:
        """Shares of a stock that are not still to be listed."""
        return max(0, self.holdings.get(i, 0) - self.desk.locked.get(i, 0))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Stocks held, ascending, and their shares; shared between sessions until a holding changes."""
        return self._held()[:2]

    def row(self) -> np.ndarray:
        """Shares of every stock; int64, shape (N,)."""
        stocks, shares = self.arrays()
        row = np.zeros(len(self.market.symbols), dtype=np.int64)
        row[stocks] = shares
        return row

    def _held(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stocks held, their shares, and the shares as floats."""
        if self._arrays is None:
            stocks = sorted(self.holdings)
            shares = np.array([self.holdings[i] for i in stocks], dtype=np.int64)
            self._arrays = np.array(stocks, dtype=np.int64), shares, shares.astype(np.float64)
        return self._arrays

    # -- before trading -------------------------------------------------------------------------

    def open_session(self, t: int, bar: int) -> None:
        """Begin session ``t``, the run's bar number ``bar``: what was bought before it can be sold now."""
        self._bought.clear()
        self._bar, self._now, self._day = bar, float(self.market.day_numbers[t]), self.desk.day(t)

    def accrue(self, previous: int, t: int, rate: float) -> None:
        """Pay interest on cash for the calendar days since the session before; ``rate`` a year."""
        if not rate or self.cash <= 0:
            return
        days = int((self.market.sessions[t] - self.market.sessions[previous]).astype(int))
        earned = self.cash * rate * days / 365.0
        interest = math.floor(earned + 0.5) if self.exact else earned
        self.cash += interest
        self.ledger.interest(interest)

    def book_actions(self, t: int, waiting: Container[int]) -> tuple[dict[int, float], dict[int, float], list[Trade]]:
        """Book payments and ex-dates of session ``t``, before trading.

        Returns
        -------
        (dict of int to float, dict of int to float, list of Trade)
            Shares after per share before, and price before over reference price, of the stocks with an ex-date that
            are held or ``waiting`` to be traded; and trades that an action left without a share.
        """
        ratios, bookings = self.desk.open(t, self.holdings, self.cash, waiting)
        return ratios, self.desk.factors(t) if waiting else {}, self._book(t, bookings)

    def settle(self, t: int) -> list[Trade]:
        """Book what session ``t`` makes of holdings that left the market; returns the trades closed and opened."""
        return self._book(t, self.desk.settle(t, self.holdings))

    def _book(self, t: int, bookings: list[Booking]) -> list[Trade]:
        told: list[Trade] = []
        leaving: list[Trade] = []
        for i, kind, shares, cash, tax, fraction in bookings:
            self.ledger.corporate(t, i, kind, shares, cash, tax)
            self.ledger.fractions += fraction
            self.cash += cash - tax
            old = self.holdings.get(i, 0)
            if kind == corporate.DELISTING:
                leaving = self._close_trades(i, cash / (-100.0 * shares), tax / 100.0)
                told += leaving
                self._hold(i, 0, 0.0)
            elif kind == corporate.SUCCESSOR and shares:
                price = cash / (-100.0 * shares)
                self._hold(i, old + shares, (old * self.costs.get(i, 0.0) + shares * price) / (old + shares))
                told += self._take_over(i, shares, price, leaving)
            else:
                if shares:
                    self._hold(i, old + shares, self.costs.get(i, 0.0) * old / (old + shares) if old + shares else 0.0)
                told += self._adjust_trades(i, shares, (cash - tax) / 100.0)
        return told

    def _adjust_trades(self, i: int, added: int, cash: float) -> list[Trade]:
        """Share an action out over the open trades of a stock by size, the last taking the rest.

        Sizes of trades that do not add up to a holding (bought and sold under other ids) share nothing out: all goes
        to the last.
        """
        trades = self._trades.get(i, {})
        open_trades = list(trades.values())
        total = sum(trade.size for trade in open_trades)
        left_shares, left_cash = added, cash
        for k, trade in enumerate(open_trades):
            last = k == len(open_trades) - 1
            part = left_shares if last else int(added * trade.size / total) if total > 0 else 0
            money = left_cash if last else round(cash * trade.size / total, 2) if total > 0 else 0.0
            trade.adjust(part, money, self._bar, self._now)
            left_shares, left_cash = left_shares - part, left_cash - money
        closed = [trade for trade in open_trades if trade.isclosed]
        if closed:
            self._trades[i] = {key: trade for key, trade in trades.items() if not trade.isclosed}
        return closed

    def _close_trades(self, i: int, price: float, tax: float) -> list[Trade]:
        """Close all trades of a stock that has left the market at ``price`` yuan."""
        self._adjust_trades(i, 0, -tax)
        closed = list(self._trades.pop(i, {}).values())
        for trade in closed:
            trade.update(-trade.size, price, 0.0, self._bar, self._now)
        return closed

    def _take_over(self, i: int, shares: int, price: float, leaving: list[Trade]) -> list[Trade]:
        """Open trades in a successor's ``shares`` for the owners of the trades that it closed, first come most."""
        opened: list[Trade] = []
        left = shares
        for k, old in enumerate(leaving):
            part = left if k == len(leaving) - 1 else shares // len(leaving)
            left -= part
            opened += self._trade(i, old.owner, self.market.handle(i), old.tradeid, part, price, 0.0)
        return opened

    # -- trading --------------------------------------------------------------------------------

    def quote(self, order: Order, quantity: int, price: float, day_fees: Any) -> Quote:
        """Value and fees of a fill of ``quantity`` shares; whole fen where money is exact."""
        value: Any = price * quantity * 100.0
        if self.exact:
            value = int(value + 0.5)
        exchange = self._exchanges[order.i]
        if order.fills:
            fees: tuple[Any, ...] = day_fees.charge(exchange, order.size > 0, value, quantity, *order.charged)
        else:
            fees = day_fees.charge(exchange, order.size > 0, value, quantity)
        if self.exact and type(fees[0]) is float:
            fees = tuple(math.floor(fee + 0.5) for fee in fees)
        return quantity, price, value, fees, fees[0] + fees[1] + fees[2] + fees[3]

    def affordable(self, order: Order, quantity: int, price: float, day_fees: Any, lot: LotRule | None) -> Quote | None:
        """The quote of the largest legal quantity, at most ``quantity``, whose cost with fees the cash covers."""
        quote = self.quote(order, quantity, price, day_fees)
        if quote[2] + quote[4] <= self.cash:
            return quote
        if self.rules.short_cash == "refuse":
            return None
        lot = lot or _ANY_NUMBER
        too_many = legal_buy(min(quantity, int(self.cash / (price * 100.0)) + lot.step), lot)
        # The legal quantities are minimum + n * step: halve the gap between an n that is covered and one that is not.
        found, covered, beyond = None, -1, (too_many - lot.minimum) // lot.step
        while beyond - covered > 1:
            middle = (covered + beyond) // 2
            quote = self.quote(order, lot.minimum + middle * lot.step, price, day_fees)
            if quote[2] + quote[4] <= self.cash:
                found, covered = quote, middle
            else:
                beyond = middle
        return found

    def execute(self, order: Order, t: int, quote: Quote, unslipped: float) -> list[Trade] | None:
        """Exchange shares for money as quoted; returns the trades that this opens or closes.

        None, and nothing done, when a sale's fees exceed its proceeds and the cash together.
        """
        i = order.i
        quantity, price, value, fees, charged = quote
        old = self.holdings.get(i, 0)
        slip = abs(price - unslipped) * quantity if price != unslipped else 0.0
        if self.exact:
            price = value / (100.0 * quantity)  # what was truly paid a share
        if order.size > 0:
            size, new, pnl, booked = quantity, old + quantity, 0.0, value / 100.0
            cost = (old * self.costs[i] + quantity * price) / new if old else price
            self.cash -= value + charged
            if i not in self._same_day:
                self._bought[i] = self._bought.get(i, 0) + quantity
            if self._taxed:
                self._lot(i, self._day, quantity)
        else:
            if charged > value and self.cash + value < charged:
                return None
            size, new, cost = -quantity, old - quantity, self.costs[i]
            pnl, booked = quantity * (price - cost), quantity * cost
            self.cash += value - charged
            if i in self._pending:
                self._withhold(i, t, old, quantity)
            elif not new:
                self._lots.clear(i)
        if new:
            self.holdings[i], self.costs[i] = new, cost
        else:
            del self.holdings[i], self.costs[i]
            cost = 0.0
        self._arrays = None
        comm = charged / 100.0
        fill: Fill = (t, order.ref, i, size, price, *fees, slip, self._now, comm, booked, pnl, new, cost)
        self.ledger.fill(fill, value)
        order.fills = (*order.fills, fill) if order.fills else (fill,)
        order.left = left = order.left - quantity
        if left:
            before = order.charged
            order.charged = (before[0] + value, before[1] + fees[0], before[2] + quantity, before[3] + fees[2])
        order.status = _PARTIAL if left else _COMPLETED
        return self._trade(i, order.owner, order.data, order.tradeid, size, price, comm)

    def _trade(self, i: int, owner: Any, data: Any, tradeid: int, size: int, price: float, comm: float) -> list[Trade]:
        """Book a fill in its owner's trade; returns the trade where it opens or closes."""
        trades = self._trades.get(i)
        if trades is None:
            trades = self._trades[i] = {}
        key = (id(owner), tradeid)
        trade = trades.get(key)
        if trade is None:
            self._trade_refs += 1
            opened = self._trade_refs, owner, data, tradeid, size, price, comm, self._bar, self._now
            trades[key] = Trade(*opened)
            return [Trade(*opened)]  # what is noticed must not change
        trade.update(size, price, comm, self._bar, self._now)
        if not trade.isclosed:
            return _NO_TRADES
        del trades[key]  # it will not change again
        return [trade]

    def _withhold(self, i: int, t: int, held: int, quantity: int) -> None:
        """Take the tax that a sale of ``quantity`` out of ``held`` shares owes on dividends received before."""
        tax = self.desk.sold(i, t, held, quantity, self.cash)
        if tax:
            self.cash -= tax
            self.ledger.corporate(t, i, corporate.TAX, 0, 0, tax)
            self._adjust_trades(i, 0, -tax / 100.0)

    def _hold(self, i: int, shares: int, cost: float) -> None:
        """Set a holding; none is forgotten."""
        if shares:
            self.holdings[i], self.costs[i] = shares, cost
        else:
            del self.holdings[i], self.costs[i]
        self._arrays = None

    # -- after trading --------------------------------------------------------------------------

    def close_session(self, t: int) -> None:
        """Mark all holdings at the session's close and let the ledger check the balance."""
        held, shares, weights = self._held()
        marks = self._mark[t].take(held)
        marks *= 100.0
        if not self.exact:
            self.value = self.cash + float(marks.dot(weights))
        else:
            worth = float(np.rint(marks, out=marks).dot(weights))
            if worth >= _WHOLE:
                worth = int((marks.astype(np.int64) * shares).sum())
            self.value = self.cash + int(worth)
        self.value += self.desk.receivable
        self._record(t, held, shares)

    def _record(self, t: int, held: np.ndarray, shares: np.ndarray) -> None:
        """Tell the ledger of the session's end."""
        sellable = shares
        blocked, locked = self._bought if self.rules.t_plus_one else {}, self.desk.locked
        if locked:
            blocked = {i: blocked.get(i, 0) + locked.get(i, 0) for i in blocked.keys() | locked.keys()}
        if blocked:
            sellable = np.maximum(0, shares - np.array([blocked.get(i, 0) for i in held.tolist()], dtype=np.int64))
        self.ledger.close_session(
            t, self.cash, min(self.cash, self.settled), self.value, held, shares, sellable, self.desk.receivable
        )
