"""The order book: what was submitted, what waits, and how a session's bar fills or refuses it."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from engine import matching
from engine.account import Account, Quote
from engine.errors import RuleError
from engine.lots import Lots
from engine.order_ends import OrderEnds
from engine.orders import Moment, Order, OrderNotice
from engine.rules import LotRule, Rules, largest_order, legal_buy, legal_sell, lot_rule, order_sizes
from engine.slippage import NoSlippage

if TYPE_CHECKING:
    from engine.market import Market


_ALWAYS_ALLOWED = 50_000
"""Shares that one order may have on every board and date of ``lots.csv``."""
_TRAILING = (Order.StopTrail, Order.StopTrailLimit)
_MARKET, _SUBMITTED, _ACCEPTED, _PARTIAL = Order.Market, Order.Submitted, Order.Accepted, Order.Partial


def _turn(order: Order, market_first: bool) -> int:
    """Place of an order within a session: sales before purchases, what trades at the open before what waits.

    With fills at the open, market orders trade before limits are reached within the day; with fills at the
    close, after. Cash that comes later in the day cannot pay for what trades earlier.
    """
    later = (order.exectype != Order.Market) == market_first
    return 2 * later + (order.size > 0)


def moment_of(market: Market, fill: str) -> Moment:
    """Where the clock stands, and whether the session's close is still to come.

    Raises
    ------
    RuleError
        If orders fill at a close that is over.
    """
    clock = market.running
    t = clock.t
    before_close = clock.closed < t
    if fill == "same_close" and not before_close:
        raise RuleError(
            f"an order on {market.sessions[t]} came after the close it would fill at: with fill='same_close' "
            "issue orders in next_open(), before the close is known, or use fill='next_open'"
        )
    return Moment(t, t - 1 if before_close else t, float(market.day_numbers[t]), len(clock))


class OrderBook(OrderEnds):
    """All orders of one run: from submission to matching; their ends are :class:`OrderEnds`'s."""

    def __init__(self, market: Market, account: Account, rules: Rules, fees: Any, slippage: Any, fill: str) -> None:
        super().__init__(market, account, rules, at_close=fill != "next_open")
        self.fees, self.slippage, self.fill = fees, slippage, fill
        self.lots = Lots(market)
        self.broker: Any = None  # what the orders name as theirs
        self._no_slippage = type(slippage) is NoSlippage
        self._limits = rules.price_limits
        self._limit_fills = rules.limit_fills if rules.price_limits and rules.limit_fills != "moment" else None
        self._lot_rules: dict[str, tuple[int, LotRule]] = {}
        self._volume_taken: dict[int, int] = {}  # shares that the session's fills took of a stock's volume

    # -- orders in ------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """As :func:`moment_of`."""
        return moment_of(self.market, self.fill)

    def place(self, owner: Any, data: Any, i: int, shares: int, moment: Moment, close: float) -> Order:
        """Make a market order and give it its number; :meth:`submit` sends it."""
        order = Order(len(self.orders) + 1, owner, data, i, shares, moment, close, self.broker)
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
        notices = self.notices
        for order in orders:
            order.status = _SUBMITTED
            notices.append(OrderNotice(order))
        self.submitted.extend(orders)

    def reject_unpriced(self, order: Order) -> None:
        """Refuse an order of a basket whose stock has no close to be sized with."""
        listed = self.market.listed[order.moment.known, order.i]
        self.refuse_sent(order, matching.SUSPENDED if listed else matching.NOT_LISTED)

    def refuse_sent(self, order: Order, reason: str) -> None:
        """Send an order of a basket that cannot trade, and refuse it at once."""
        self.submit_basket([order])
        self.remove(order)
        self.reject(order, order.moment.t, order.wanted, reason)

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

    def trade(self, t: int) -> None:
        """Session ``t`` up to its close: payments, actions of its ex-date, holdings that left the market, orders."""
        account, desk = self.account, self.account.desk
        if desk.is_busy(t):
            if self.rules.corporate_actions:
                ratios, factors, closed = account.book_actions(t, self.waiting())
                if ratios:
                    self.follow(ratios, factors)
                self.tell(closed)
            for i in desk.gone(t):
                self.drop_delisted(i, t)
            self.tell(account.settle(t))
        account.settled = account.cash
        self.fill_orders(t)

    def fill_orders(self, t: int) -> None:
        """Take in what was submitted and try what waits."""
        if self.submitted:
            self.accept(t)
        if self.pending:
            self.match(t)

    def close(self, t: int) -> None:
        """The close of session ``t``: who has the rights of actions to come, and the account's value."""
        account = self.account
        if self.rules.corporate_actions and account.desk.is_busy(t):
            account.desk.close(t, account.holdings)
        account.close_session(t)

    def waiting(self) -> set[int]:
        """Stocks whose orders wait."""
        return {order.i for order in self.open}

    def follow(self, ratios: dict[int, float], factors: dict[int, float]) -> None:
        """Carry waiting orders over an ex-date: baskets grow with the share ratio, sales of all stay of all.

        Other orders stay as their owner wrote them, limit prices too.
        """
        for i, ratio in ratios.items():
            waiting = [order for order in self.open if order.i == i]
            for order in waiting:
                if order.refusal is not None:
                    order.refusal.rescale(factors.get(i, ratio))
            if ratio == 1.0 or not waiting:
                continue
            held = self.account.holdings.get(i, 0)
            sales = [order for order in waiting if order.issell()]
            of_all = sum(order.left for order in sales) == math.floor(held / ratio + 0.5)
            left = held
            for order in waiting:
                if order.issell() and of_all:
                    size = left if order is sales[-1] else int(order.left * ratio) // 100 * 100
                    left -= size
                elif order.basket:
                    size = int(order.left * ratio)
                else:
                    continue
                if size:
                    order.resize(size)
                else:  # a consolidation leaves nothing to trade
                    self.remove(order)
                    self.reject(order, self.market.running.t, order.left, matching.LOT)

    def drop_delisted(self, i: int, t: int) -> None:
        """Reject what waits for a stock that has left the market."""
        for order in [order for order in self.open if order.i == i]:
            self.remove(order)
            self.reject(order, t, order.left, matching.DELISTED)

    def accept(self, t: int) -> None:
        """Take in what was submitted; with ``check_submitted`` as Backtrader's own broker does."""
        submitted, self.submitted = self.submitted, []
        cash = self.account.cash
        notices, check_submitted = self.notices, self.rules.check_submitted
        for order in submitted:
            if order.parent is not None and self.links.is_orphan(order):
                self.reject(order, t, order.wanted, matching.PARENT)
                continue
            if check_submitted:
                value = abs(order.created.size) * order.created.price * 100.0
                fees = self._day_fees(t).charge(self.market.exchanges[order.i], order.isbuy(), value, order.left)
                cash += (-value if order.isbuy() else value) - fees[0] - fees[1] - fees[2] - fees[3]
                if cash < 0:
                    self._no_cash(order, t)
                    continue
            order.status = _ACCEPTED
            notices.append(OrderNotice(order))
            self.pending.append(order)

    def match(self, t: int) -> None:
        """Try every pending order on session ``t``, sales first where the rules say so."""
        market, rules = self.market, self.rules
        now = float(market.day_numbers[t])
        orders = self.pending
        all_market = all([order.exectype == _MARKET for order in orders])
        if rules.sells_first:
            if not all_market:
                first_market = self.fill == "next_open"
                orders = sorted(orders, key=lambda order: _turn(order, first_market))
            else:
                orders = [order for order in orders if order.size < 0] + [order for order in orders if order.size > 0]
        stocks = [order.i for order in orders]
        place = {i: k for k, i in enumerate(stocks)}
        bare = all_market and self._no_slippage and self._limit_fills is None
        bars = matching.bars_of(market, t, stocks, whole=not bare)
        day_fees = self._day_fees(t)
        self._blocked_sales.clear()
        self._volume_taken.clear()
        self.links.activate()
        to_come, kept = self._trying = deque(orders), []
        try_one = self._try
        while to_come:
            order = to_come.popleft()
            if order.valid is not None and self._is_over(order, now):
                self._expire(order, t)
                continue
            if not order.waits:
                try_one(order, t, bars, place[order.i], day_fees)
                if order.status > _PARTIAL:
                    continue
            kept.append(order)
        self._trying = (deque(), [])
        self.pending = kept
        for order in [order for order in kept if order.day]:
            self.pending.remove(order)
            self._expire(order, t)

    def _is_over(self, order: Order, now: float) -> bool:
        """Whether the order's ``valid`` has passed; Backtrader's own market orders know no end."""
        if order.day or now <= order.valid:  # type: ignore[operator]
            return False
        return not (self.rules.check_submitted and order.exectype == Order.Market)

    def _try(self, order: Order, t: int, bars: matching.Bars, k: int, day_fees: Any) -> None:
        """Fill an order at this bar, or note why not."""
        kind, limits, reason, was_triggered = order.exectype, self._limits, "", order.triggered
        if self._limit_fills is not None:
            limits, reason = matching.limit_rule(self._limit_fills, bars, k, order.size > 0)
        if reason:
            price = 0.0
        elif kind == _MARKET:
            price, reason = matching.market_price(bars, k, order.size > 0, self._at_close, limits)
        else:
            price, reason = matching.price_of(order, bars, k, self._at_close, limits)
        if reason:
            if reason == matching.SUSPENDED and not self.market.listed[t, order.i]:
                left = bool(self.market.age[t, order.i])
                self.reject(order, t, order.left, matching.DELISTED if left else matching.NOT_LISTED)
            else:
                self._blocked(order, t, order.left, reason, self._price_now(order.i))
        elif order.target is not None and not self._resized(order, t, price):
            pass  # nothing left to do, or less than a lot
        elif order.size > 0:
            self._fill_buy(order, t, bars, k, price, day_fees)
        else:
            self._fill_sale(order, t, bars, k, price, day_fees)
        if kind in _TRAILING and order.alive() and not was_triggered and bars.traded[k]:
            order.trailadjust(bars.close[k])

    def _day_fees(self, t: int) -> Any:
        return self.fees.on(self.market.sessions[t])

    def _resized(self, order: Order, t: int, price: float) -> bool:
        """Size a basket order at the fill's price (``size_at="fill"``); False if that ends it."""
        gap = (order.target or 0.0) - self.account.holdings.get(order.i, 0) * price
        size = int(abs(gap) // price) if (gap > 0) == order.isbuy() else 0
        order.target = None
        if not size:
            self.end(order, Order.Canceled, "cancelled")
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
        cap = self.slippage.max_shares(bars.volume[k])
        return quantity if cap is None else max(0, min(quantity, int(cap) - self._volume_taken.get(order.i, 0)))

    def _slipped(self, order: Order, quantity: int, price: float, bars: matching.Bars, k: int) -> float:
        is_buy = order.size > 0
        wished = self.slippage.price(is_buy, price, quantity, bars.volume[k])
        limits = self._limits
        if limits and self._limit_fills is not None:
            limits, _ = matching.limit_rule(self._limit_fills, bars, k, is_buy)
        return matching.inside(bars, k, is_buy, wished, price, matching.limit_of(order), limits)

    def _fill_sale(self, order: Order, t: int, bars: matching.Bars, k: int, price: float, day_fees: Any) -> None:
        i, account, rules = order.i, self.account, self.rules
        held = account.holdings.get(i, 0)
        quantity, waiting, worst = order.left, "", price
        if quantity > held:
            if rules.t_plus_one and any(other.i == i and other.size > 0 for other in self._trying[0]):
                quantity, waiting = held, matching.T_PLUS_ONE  # what it means to sell is bought today
            else:
                self._cut(order, t, quantity - held, matching.OVERSELL)
                quantity = held
        if account.restricted:
            free = account.sellable(i) if rules.t_plus_one else account.unlocked(i)
            if quantity > free:
                quantity, waiting = free, matching.T_PLUS_ONE
        if not self._no_slippage:
            room = self._room(order, quantity, bars, k)
            if room < quantity:
                quantity, waiting = room, matching.VOLUME_CAP
        if quantity < held and rules.lots:
            legal = legal_sell(quantity, held, self.lot(i, t))
            if legal < quantity and not waiting:
                self._cut(order, t, quantity - legal, matching.LOT)
            quantity = legal
        if quantity:
            if not self._no_slippage:
                worst = self._slipped(order, quantity, price, bars, k)
            self._fill(order, t, account.quote(order, quantity, worst, day_fees), price, day_fees)
        if waiting or not quantity:
            self._leave(order, t, quantity, waiting, price)

    def _fill_buy(self, order: Order, t: int, bars: matching.Bars, k: int, price: float, day_fees: Any) -> None:
        account, rules = self.account, self.rules
        quantity, waiting, worst, lot = order.left, "", price, None
        if not self._no_slippage:
            room = self._room(order, quantity, bars, k)
            if room < quantity:
                quantity, waiting = room, matching.VOLUME_CAP
        if rules.lots:
            lot = self.lot(order.i, t)
            legal = legal_buy(quantity, lot)
            if legal < quantity and not waiting:
                self._cut(order, t, quantity - legal, matching.LOT)
            quantity = legal
        if quantity > 0:
            if not self._no_slippage:
                worst = self._slipped(order, quantity, price, bars, k)
            quote = account.affordable(order, quantity, worst, day_fees, lot)
            if quote is None or quote[0] < quantity:
                if (id(order.owner), order.moment.bar) in self._blocked_sales and rules.short_cash == "cut":
                    waiting = matching.CASH  # sales decided with it are blocked and may still bring the cash
                elif quote is None:
                    self._no_cash(order, t)
                    return
                else:
                    self._cut(order, t, order.left - quote[0], matching.CASH)
                    waiting = ""
                quantity = 0 if quote is None else quote[0]
                if quote is not None and not self._no_slippage:  # fewer shares move the price less
                    worst = self._slipped(order, quantity, price, bars, k)
                    quote = account.quote(order, quantity, worst, day_fees)
            if quote is not None:
                self._fill(order, t, quote, price, day_fees)
        if waiting or not quantity:
            self._leave(order, t, quantity, waiting, price)

    def _leave(self, order: Order, t: int, filled: int, waiting: str, price: float) -> None:
        """Leave the rest of an order waiting for the reason ``waiting``, if there is one; else it is over."""
        if waiting:
            if order.alive():
                self._blocked(order, t, order.left, waiting, price)
        elif not filled and order.alive():
            self.end(order, Order.Completed if order.fills else Order.Rejected, "dropped")

    def _fill(self, order: Order, t: int, quote: Quote, unslipped: float, day_fees: Any) -> None:
        """Fill as quoted; in several parts where one order at the exchange may not be that large."""
        if quote[0] > _ALWAYS_ALLOWED and self.rules.lots:
            board, session = self.market.boards[order.i], self.market.sessions[t]
            sizes = order_sizes(quote[0], self.lot(order.i, t), largest_order(board, session))
            if len(sizes) > 1:
                self._fill_in_parts(order, t, quote, unslipped, day_fees, sizes)
                return
        trades = self.account.execute(order, t, quote, unslipped)
        if trades is None:
            self._no_cash(order, t)
            return
        if not self._no_slippage:
            self._volume_taken[order.i] = self._volume_taken.get(order.i, 0) + quote[0]
        if order.refusal is not None:
            order.refusal.trade(quote[0], quote[1])
            if order.status == Order.Completed:
                order.refusal.close("done", quote[1])
                order.refusal, order.reason = None, ""
        notices = self.notices
        notices.append(OrderNotice(order))
        if trades:
            notices.append(trades)
        if self.links.used:
            self._unlink(order)

    def _fill_in_parts(
        self, order: Order, t: int, quote: Quote, unslipped: float, day_fees: Any, sizes: list[int]
    ) -> None:
        for size in sizes:
            part = self.account.quote(order, size, quote[1], day_fees)
            if order.size > 0 and part[2] + part[4] > self.account.cash:  # fees rounded part by part
                self._cut(order, t, order.left, matching.CASH)
                return
            self._fill(order, t, part, unslipped, day_fees)

    def lot(self, i: int, t: int) -> LotRule:
        """The lot rule of a stock's board on session ``t``."""
        board = self.market.boards[i]
        found = self._lot_rules.get(board)
        if found is None or found[0] != t:
            found = self._lot_rules[board] = (t, lot_rule(board, self.market.sessions[t]))
        return found[1]
