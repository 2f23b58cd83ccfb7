"""The order book: what was submitted, what waits, and how a session's bar fills or refuses it."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import matching
from engine.account import Account
from engine.errors import RuleError
from engine.order_ends import OrderEnds
from engine.orders import Created, Order
from engine.rules import LotRule, Rules, legal_buy, legal_sell, lot_rule
from engine.slippage import NoSlippage

if TYPE_CHECKING:
    from engine.market import Market


class Moment(NamedTuple):
    """When an order is made: session, last known close, Backtrader's date, bar number."""

    t: int
    known: int
    date: float
    bar: int


_TRAILING = (Order.StopTrail, Order.StopTrailLimit)


def _turn(order: Order, market_first: bool) -> int:
    """Place of an order within a session: sales before purchases, what trades at the open before what waits.

    With fills at the open, market orders trade before limits are reached within the day; with fills at the
    close, after. Cash that comes later in the day cannot pay for what trades earlier.
    """
    later = (order.exectype != Order.Market) == market_first
    return 2 * later + (order.size > 0)


class OrderBook(OrderEnds):
    """All orders of one run: from submission to matching; their ends are :class:`OrderEnds`'s."""

    def __init__(self, market: Market, account: Account, rules: Rules, fees: Any, slippage: Any, fill: str) -> None:
        super().__init__(market, account, rules)
        self.fees, self.slippage, self.fill = fees, slippage, fill
        self._no_slippage = type(slippage) is NoSlippage
        self._lots: dict[str, tuple[int, LotRule]] = {}
        self._volume_taken: dict[int, int] = {}  # shares that the session's fills took of a stock's volume

    # -- orders in ------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """Where the clock stands, and whether the session's close is still to come."""
        clock = self.market.running
        t = clock.t
        before_close = clock.closed < t
        if self.fill == "same_close" and not before_close:
            raise RuleError(
                f"an order on {self.market.sessions[t]} came after the close it would fill at: with fill='same_close' "
                "issue orders in next_open(), before the close is known, or use fill='next_open'"
            )
        return Moment(t, t - 1 if before_close else t, float(self.market.day_numbers[t]), len(clock))

    def place(
        self,
        owner: Any,
        data: Any,
        i: int,
        shares: int,
        moment: Moment,
        close: float,
        kind: int = Order.Market,
        price: float | None = None,
        plimit: float | None = None,
        valid: float | None = None,
        tradeid: int = 0,
    ) -> Order:
        """Make an order and give it its number; :meth:`submit` sends it."""
        created = Created(moment.date, shares, price if price else close, plimit, close)
        order = Order(len(self.orders) + 1, owner, data, i, shares, kind, price, plimit, valid, tradeid, created)
        if valid == 0.0:
            order.day, order.valid = True, moment.date
        order.plen = moment.bar
        self.orders.append(order)
        return order

    def submit(self, order: Order, t: int) -> None:
        """Send an order on its way, with those that waited for it to be transmitted."""
        for sent in self.links.enter(order):
            sent.status = Order.Submitted
            self._notice(sent)
            if sent.parent is not None or not self.refused_at_once(sent, t):
                self.submitted.append(sent)

    def submit_basket(self, orders: list[Order]) -> None:
        """Send the orders of a basket; what can never trade is found when they are tried."""
        for order in orders:
            order.status = Order.Submitted
            self._notice(order)
        self.submitted.extend(orders)

    def refused_at_once(self, order: Order, t: int) -> bool:
        """Refuse what can never trade: a name without listing, a sale of what is not held."""
        market, i = self.market, order.i
        known = max(market.running.known, 0)
        if not market.listed[known, i]:
            reason = matching.DELISTED if market.age[known, i] else matching.NOT_LISTED
            trades_on = known + 1  # listing dates are announced: a debut on that session can be ordered
            if reason == matching.DELISTED or trades_on >= len(market.sessions) or not market.listed[trades_on, i]:
                self.reject(order, t, order.wanted, reason)
                return True
        if order.issell() and i not in self.account.holdings and not any(o.i == i and o.isbuy() for o in self.open):
            self.reject(order, t, order.wanted, matching.OVERSELL)
            return True
        return False

    # -- a session ------------------------------------------------------------------------------

    def follow(self, ratios: dict[int, float]) -> None:
        """Carry waiting orders over an ex-date: baskets grow with the share ratio, sales of all stay of all.

        Other orders stay as their owner wrote them, limit prices too.
        """
        for i, ratio in ratios.items():
            waiting = [order for order in self.open if order.i == i]
            if ratio == 1.0 or not waiting:
                continue
            held = self.account.holdings.get(i, 0)
            sales = [order for order in waiting if order.issell()]
            of_all = sum(order.remaining for order in sales) == math.floor(held / ratio + 0.5)
            left = held
            for order in waiting:
                if order.issell() and of_all:
                    size = left if order is sales[-1] else int(order.remaining * ratio) // 100 * 100
                    left -= size
                elif order.basket:
                    size = int(order.remaining * ratio)
                else:
                    continue
                order.resize(size)

    def drop_delisted(self, i: int, t: int) -> None:
        """Reject what waits for a stock that has left the market."""
        for order in [order for order in self.open if order.i == i]:
            self.remove(order)
            self.reject(order, t, order.remaining, matching.DELISTED)

    def accept(self, t: int) -> None:
        """Take in what was submitted; with ``check_submitted`` as Backtrader's own broker does."""
        submitted, self.submitted = self.submitted, []
        cash = self.account.cash
        for order in submitted:
            if self.links.is_orphan(order):
                self.reject(order, t, order.wanted, matching.PARENT)
                continue
            if self.rules.check_submitted:
                value = abs(order.created.size) * order.created.price * 100.0
                fees = self._day_fees(t).charge(self.market.exchanges[order.i], order.isbuy(), value, order.remaining)
                cash += (-value if order.isbuy() else value) - fees[0] - fees[1] - fees[2] - fees[3]
                if cash < 0:
                    self._no_cash(order, t)
                    continue
            order.status = Order.Accepted
            self._notice(order)
            self.pending.append(order)

    def match(self, t: int) -> None:
        """Try every pending order on session ``t``, sales first where the rules say so."""
        market, rules = self.market, self.rules
        now = float(market.day_numbers[t])
        orders = self.pending
        if rules.sells_first:
            if any(order.exectype != Order.Market for order in orders):
                first_market = self.fill == "next_open"
                orders = sorted(orders, key=lambda order: _turn(order, first_market))
            else:
                orders = [order for order in orders if order.size < 0] + [order for order in orders if order.size > 0]
        stocks = list(dict.fromkeys(order.i for order in orders))
        place = {i: k for k, i in enumerate(stocks)}
        bars = matching.bars_of(market, t, stocks)
        day_fees = self._day_fees(t)
        self._blocked_sales.clear()
        self._volume_taken.clear()
        self.links.activate()
        to_come, kept = self._trying = deque(orders), []
        while to_come:
            order = to_come.popleft()
            if self._is_over(order, now):
                self._expire(order, t)
                continue
            if not order.waits:
                self._try(order, t, bars, place[order.i], day_fees)
                if not order.alive():
                    continue
            kept.append(order)
        self._trying = (deque(), [])
        self.pending = kept
        for order in [order for order in kept if order.day]:
            self.pending.remove(order)
            self._expire(order, t)

    def _is_over(self, order: Order, now: float) -> bool:
        """Whether the order's ``valid`` has passed; Backtrader's own market orders know no end."""
        if order.valid is None or order.day or now <= order.valid:
            return False
        return not (self.rules.check_submitted and order.exectype == Order.Market)

    def _try(self, order: Order, t: int, bars: matching.Bars, k: int, day_fees: Any) -> None:
        """Fill an order at this bar, or note why not."""
        price, reason = matching.price_of(order, bars, k, self.fill != "next_open", self.rules.price_limits)
        if reason:
            if reason == matching.SUSPENDED and not self.market.listed[t, order.i]:
                left = bool(self.market.age[t, order.i])
                self.reject(order, t, order.remaining, matching.DELISTED if left else matching.NOT_LISTED)
            else:
                self._blocked(order, t, order.remaining, reason)
        elif order.target is not None and not self._resized(order, t, price):
            pass  # nothing left to do, or less than a lot
        elif order.size > 0:
            self._fill_buy(order, t, bars, k, price, day_fees)
        else:
            self._fill_sale(order, t, bars, k, price, day_fees)
        if order.exectype in _TRAILING and order.alive() and not order.triggered and bars.traded[k]:
            order.trailadjust(bars.close[k])

    def _day_fees(self, t: int) -> Any:
        return self.fees.on(self.market.sessions[t])

    def _resized(self, order: Order, t: int, price: float) -> bool:
        """Size a basket order at the fill's price (``size_at="fill"``); False if that ends it."""
        gap = (order.target or 0.0) - self.account.holdings.get(order.i, 0) * price
        size = int(abs(gap) // price) if (gap > 0) == order.isbuy() else 0
        order.target = None
        if not size:
            self.end(order, Order.Canceled, "done")
            return False
        if self.rules.lots and order.isbuy():
            legal = legal_buy(size, self.lot(order.i, t))
            if not legal:
                self.reject(order, t, size, matching.LOT)
                return False
            size = legal
        order.resize(size)
        return True

    def _room(self, order: Order, quantity: int, bars: matching.Bars, k: int) -> int:
        """What the participation cap leaves of ``quantity``; the session's fills of a stock share it."""
        cap = None if self._no_slippage else self.slippage.max_shares(bars.volume[k])
        return quantity if cap is None else max(0, min(quantity, int(cap) - self._volume_taken.get(order.i, 0)))

    def _slipped(self, order: Order, quantity: int, price: float, bars: matching.Bars, k: int) -> float:
        if self._no_slippage:
            return price
        is_buy = order.size > 0
        wished = self.slippage.price(is_buy, price, quantity, bars.volume[k])
        return matching.inside(bars, k, is_buy, wished, price, matching.limit_of(order), self.rules.price_limits)

    def _fill_sale(self, order: Order, t: int, bars: matching.Bars, k: int, price: float, day_fees: Any) -> None:
        i, rules = order.i, self.rules
        held = self.account.holdings.get(i, 0)
        quantity, waiting = order.remaining, ""
        if quantity > held:
            if rules.t_plus_one and any(other.i == i and other.size > 0 for other in self._trying[0]):
                quantity, waiting = held, matching.T_PLUS_ONE  # what it means to sell is bought today
            else:
                self._cut(order, t, quantity - held, matching.OVERSELL)
                quantity = held
        if rules.t_plus_one:
            sellable = self.account.sellable(i)
            if quantity > sellable:
                quantity, waiting = sellable, matching.T_PLUS_ONE
        room = self._room(order, quantity, bars, k)
        if room < quantity:
            quantity, waiting = room, matching.VOLUME_CAP
        if rules.lots and quantity > 0:
            legal = legal_sell(quantity, held, self.lot(i, t))
            if legal < quantity and not waiting:
                self._cut(order, t, quantity - legal, matching.LOT)
            quantity = legal
        self._trade(order, t, -quantity, price, bars, k, day_fees, waiting)

    def _fill_buy(self, order: Order, t: int, bars: matching.Bars, k: int, price: float, day_fees: Any) -> None:
        i, rules = order.i, self.rules
        quantity, waiting = order.remaining, ""
        room = self._room(order, quantity, bars, k)
        if room < quantity:
            quantity, waiting = room, matching.VOLUME_CAP
        lot = self.lot(i, t) if rules.lots else None
        if lot is not None:
            legal = legal_buy(quantity, lot)
            if legal < quantity and not waiting:
                self._cut(order, t, quantity - legal, matching.LOT)
            quantity = legal
        if quantity > 0:
            worst = self._slipped(order, quantity, price, bars, k)
            affordable = self.account.affordable(order, quantity, worst, day_fees, lot)
            if affordable < quantity:
                if (id(order.owner), order.plen) in self._blocked_sales and rules.short_cash == "cut":
                    waiting = matching.CASH  # sales decided with it are blocked and may still bring the cash
                elif not affordable:
                    self._no_cash(order, t)
                    return
                else:
                    self._cut(order, t, order.remaining - affordable, matching.CASH)
                    waiting = ""
                quantity = affordable
        self._trade(order, t, quantity, price, bars, k, day_fees, waiting)

    def _trade(
        self,
        order: Order,
        t: int,
        size: int,
        price: float,
        bars: matching.Bars,
        k: int,
        day_fees: Any,
        waiting: str,
    ) -> None:
        """Fill ``size`` shares and leave the rest waiting for the reason ``waiting``, if there is one."""
        if size:
            self._execute(order, t, size, self._slipped(order, abs(size), price, bars, k), price, day_fees)
        elif not waiting and order.alive():
            self.end(order, Order.Completed if order.executed.size else Order.Rejected, "dropped")
        if waiting and order.alive():
            self._blocked(order, t, order.remaining, waiting)

    def _execute(self, order: Order, t: int, size: int, price: float, unslipped: float, day_fees: Any) -> None:
        trades = self.account.execute(order, t, size, price, unslipped, day_fees)
        if trades is None:
            self._no_cash(order, t)
            return
        if not self._no_slippage:
            self._volume_taken[order.i] = self._volume_taken.get(order.i, 0) + abs(size)
        if order.refusal is not None:
            order.refusal.done += min(abs(size), order.refusal.wanted - order.refusal.done)
            if order.status == Order.Completed:
                order.refusal.outcome, order.refusal, order.reason = "done", None, ""
        self._notice(order, trades)
        if self.links.used:
            self._unlink(order)

    def lot(self, i: int, t: int) -> LotRule:
        """The lot rule of a stock's board on session ``t``."""
        board = self.market.boards[i]
        found = self._lots.get(board)
        if found is None or found[0] != t:
            found = self._lots[board] = (t, lot_rule(board, self.market.sessions[t]))
        return found[1]
