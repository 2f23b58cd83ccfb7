"""The account: cash, shares and trades, and every way in which they change.

Money is integer fen where the rules say so (``exact_money``), else unrounded fen as floats, which is what
Backtrader's own broker computes with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import corporate
from engine.ledger import Ledger
from engine.orders import Execution, Order
from engine.rules import LotRule, Rules, legal_buy
from engine.trades import Trade

if TYPE_CHECKING:
    from engine.market import Market


_ANY_NUMBER = LotRule(1, 1)


class Account:
    """Cash and holdings of one run; every movement is posted to its ledger.

    Attributes
    ----------
    cash, value : int or float
        Fen; ``value`` as of the last close marked.
    holdings : dict of int to int
        Shares by stock, only of stocks held.
    costs : dict of int to float
        Average price a share, yuan, of the same stocks.
    """

    def __init__(self, market: Market, cash: float, rules: Rules) -> None:
        self.market, self.rules = market, rules
        self.exact = rules.exact_money
        self.cash: Any = self.fen(cash)
        self.value: Any = self.cash
        self.holdings: dict[int, int] = {}
        self.costs: dict[int, float] = {}
        self._arrays: tuple[np.ndarray, np.ndarray] | None = None  # stocks and shares, until they change
        self._bought: dict[int, int] = {}
        self._trades: dict[int, dict[tuple[int, int], Trade]] = {}
        self._trade_refs = 0
        self._bar, self._now = 0, 0.0
        self._priced: tuple[Order, int, float, tuple[Any, ...]] | None = None
        self._events = corporate.EventBook(market)
        self.ledger = Ledger(market, self.cash, self.exact)

    def fen(self, yuan: float) -> Any:
        """Yuan as fen, half-up where money is exact."""
        return math.floor(yuan * 100.0 + 0.5) if self.exact else yuan * 100.0

    def sellable(self, i: int) -> int:
        """Shares of a stock that were not bought on the current session."""
        return self.holdings.get(i, 0) - self._bought.get(i, 0)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Stocks held, ascending, and their shares; shared between sessions until a holding changes."""
        if self._arrays is None:
            stocks = sorted(self.holdings)
            shares = [self.holdings[i] for i in stocks]
            self._arrays = np.array(stocks, dtype=np.int64), np.array(shares, dtype=np.int64)
        return self._arrays

    # -- before trading -------------------------------------------------------------------------

    def open_session(self, t: int, bar: int) -> None:
        """Begin session ``t``, the run's bar number ``bar``: what was bought before it can be sold now."""
        self._bought.clear()
        self._bar, self._now = bar, float(self.market.day_numbers[t])

    def accrue(self, previous: int, t: int, rate: float) -> None:
        """Pay interest on cash for the calendar days since the session before; ``rate`` a year."""
        if not rate or self.cash <= 0:
            return
        days = int((self.market.sessions[t] - self.market.sessions[previous]).astype(int))
        earned = self.cash * rate * days / 365.0
        interest = math.floor(earned + 0.5) if self.exact else earned
        self.cash += interest
        self.ledger.interest(interest)

    def book_actions(self, t: int) -> tuple[dict[int, float], list[Trade]]:
        """Book the ex-dates of session ``t``.

        Returns
        -------
        (dict of int to float, list of Trade)
            Shares after per share before of the stocks concerned, held or not, and trades that an action
            left without a share.
        """
        ratios, closed = {}, []
        for event in self._events.on(t):
            i = event.i
            ratios[i] = corporate.holder_ratio(event)
            shares = self.holdings.get(i, 0)
            if not shares:
                continue
            for effect in corporate.effects(event, shares):
                self.ledger.corporate(t, i, effect.kind, effect.shares, effect.cash_fen)
                self.ledger.fractions += effect.fraction
                self.cash += effect.cash_fen
                if effect.shares:
                    new = shares + effect.shares
                    self._hold(i, new, self.costs[i] * shares / new if new else 0.0)
                closed += self._adjust_trades(i, effect.shares, effect.cash_fen / 100.0)
        return ratios, closed

    def _adjust_trades(self, i: int, added: int, cash: float) -> list[Trade]:
        """Share an action out over the open trades of a stock by size, the last taking the rest."""
        open_trades = [trade for trade in self._trades.get(i, {}).values() if trade.size]
        total = sum(trade.size for trade in open_trades)
        left_shares, left_cash = added, cash
        for k, trade in enumerate(open_trades):
            last = k == len(open_trades) - 1
            part = left_shares if last else int(added * trade.size / total)
            money = left_cash if last else round(cash * trade.size / total, 2)
            trade.adjust(part, money, self._bar, self._now)
            left_shares, left_cash = left_shares - part, left_cash - money
        return [trade for trade in open_trades if trade.isclosed]

    def delisted_on(self, t: int) -> list[int]:
        """Stocks that session ``t`` finds gone from the market."""
        return self._events.delisted_on(t)

    def settle(self, i: int, t: int) -> list[Trade]:
        """Pay out a delisted holding at its last price; returns the trades that this closes."""
        shares = self.holdings.get(i, 0)
        if not shares:
            return []
        price = float(self.market.mark[t, i])
        proceeds = self.fen(price * shares)
        self.cash += proceeds
        self.ledger.corporate(t, i, corporate.DELISTING, -shares, proceeds)
        self._hold(i, 0, 0.0)
        closed = [trade for trade in self._trades.get(i, {}).values() if trade.size]
        for trade in closed:
            trade.update(-trade.size, price, 0.0, self._bar, self._now)
        return closed

    # -- trading --------------------------------------------------------------------------------

    def charge(self, order: Order, is_buy: bool, value: Any, quantity: int, day_fees: Any) -> tuple[Any, ...]:
        """Fees of a fill in fen: commission, stamp duty, transfer fee, others; whole where money is exact."""
        fees: tuple[Any, ...] = day_fees.charge(self.market.exchanges[order.i], is_buy, value, quantity, *order.charged)
        if self.exact and type(fees[0]) is float:
            return tuple(math.floor(fee + 0.5) for fee in fees)
        return fees

    def cost_of(self, order: Order, quantity: int, price: float, day_fees: Any) -> Any:
        """Fen that a purchase takes, fees included."""
        value = self.fen(price * quantity)
        fees = self.charge(order, True, value, quantity, day_fees)
        self._priced = (order, quantity, price, fees)  # most purchases are then executed as they are
        return value + fees[0] + fees[1] + fees[2] + fees[3]

    def affordable(self, order: Order, quantity: int, price: float, day_fees: Any, lot: LotRule | None) -> int:
        """The largest legal quantity, at most ``quantity``, whose cost with fees the cash covers."""
        cost = self.cost_of(order, quantity, price, day_fees)
        if cost <= self.cash:
            return quantity
        if self.rules.short_cash == "refuse":
            return 0
        lot = lot or _ANY_NUMBER
        too_many = legal_buy(min(quantity, int(self.cash / (price * 100.0)) + lot.step), lot)
        # The legal quantities are minimum + n * step: halve the gap between an n that is covered and one that is not.
        covered, beyond = -1, (too_many - lot.minimum) // lot.step
        while beyond - covered > 1:
            middle = (covered + beyond) // 2
            if self.cost_of(order, lot.minimum + middle * lot.step, price, day_fees) <= self.cash:
                covered = middle
            else:
                beyond = middle
        return lot.minimum + covered * lot.step if covered >= 0 else 0

    def execute(
        self, order: Order, t: int, size: int, price: float, unslipped: float, day_fees: Any
    ) -> list[Trade] | None:
        """Exchange shares for money; returns the trades that this opens or closes.

        None, and nothing done, when a sale's fees exceed its proceeds and the cash together.
        """
        i = order.i
        quantity = abs(size)
        value = self.fen(price * quantity)
        priced = self._priced
        if priced is not None and priced[0] is order and priced[1] == size and priced[2] == price:
            fees = priced[3]
        else:
            fees = self.charge(order, size > 0, value, quantity, day_fees)
        self._priced = None
        charged = fees[0] + fees[1] + fees[2] + fees[3]
        if size < 0 and charged > value and self.cash + value < charged:
            return None
        if self.exact:
            price = value / (100.0 * quantity)  # what was truly paid a share
        before = order.charged
        order.charged = (before[0] + value, before[1] + fees[0], before[2] + quantity, before[3] + fees[2])
        old = self.holdings.get(i, 0)
        new = old + size
        cost = self.costs[i] if old else 0.0
        self.cash += (-value if size > 0 else value) - charged
        if size > 0:
            pnl, booked = 0.0, value / 100.0
            cost = (old * cost + quantity * price) / new
            self._bought[i] = self._bought.get(i, 0) + quantity
        else:
            pnl, booked = quantity * (price - cost), quantity * cost
        self._hold(i, new, cost)
        self.ledger.fill(t, order.ref, i, size, price, value, fees, abs(price - unslipped) * quantity)
        bit = Execution(self._now, size, price, booked, charged / 100.0, pnl, new, cost if new else 0.0)
        order.executed.add(bit)
        order.status = Order.Completed if not order.executed.remsize else Order.Partial
        return self._update_trades(order, bit)

    def _update_trades(self, order: Order, bit: Execution) -> list[Trade]:
        key = (id(order.owner), order.tradeid)
        trades = self._trades.setdefault(order.i, {})
        trade = trades.get(key)
        if trade is None or trade.isclosed:
            self._trade_refs += 1
            trade = trades[key] = Trade(self._trade_refs, order.owner, order.data, order.tradeid)
        trade.update(bit.size, bit.price, bit.comm, self._bar, self._now)
        if trade.isclosed:  # it will not change again
            return [trade]
        return [trade.clone()] if trade.justopened else []

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
        held, shares = self.arrays()
        marks = self.market.mark[t, held]
        if self.exact:
            self.value = self.cash + int((np.rint(marks * 100.0).astype(np.int64) * shares).sum())
        else:
            self.value = self.cash + float((marks * shares).sum()) * 100.0
        sellable = shares
        if self._bought and self.rules.t_plus_one:
            sellable = shares - np.array([self._bought.get(i, 0) for i in held.tolist()], dtype=np.int64)
        self.ledger.close_session(t, self.cash, self.value, held, shares, sellable)
