"""How orders end: refused, cut, blocked for now, expired, cancelled with another one; and who is told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from engine import matching
from engine.account import Account
from engine.linked_orders import Links
from engine.orders import Order, OrderNotice
from engine.rules import Rules
from engine.trades import Trade

if TYPE_CHECKING:
    from engine.market import Market


class OrderEnds:
    """The queues of a run's orders, and every way in which an order leaves them.

    Attributes
    ----------
    orders : list of Order
        Every order, in sequence; an order's ``ref`` is its position plus one.
    submitted, pending : list of Order
        Not yet taken in, and waiting for a price.
    notices : list of OrderNotice or list of Trade
        What the strategies have not been told yet; trades stand behind the order whose fill made them.
    """

    def __init__(self, market: Market, account: Account, rules: Rules, at_close: bool) -> None:
        self.market, self.account, self.rules, self._at_close = market, account, rules, at_close
        self.ledger = account.ledger
        self.orders: list[Order] = []
        self.submitted: list[Order] = []
        self.pending: list[Order] = []
        self.notices: list[OrderNotice | list[Trade]] = []
        self.links = Links()
        self._trying: tuple[deque[Order], list[Order]] = (deque(), [])  # to come and to keep, while matching
        self._blocked_sales: set[tuple[int, int]] = set()  # owners and bars of sales that will be tried again

    @property
    def open(self) -> list[Order]:
        """Orders that can still trade."""
        return [*self.pending, *self.submitted]

    def remove(self, order: Order) -> None:
        """Take an order out of the queues."""
        for queue in (self.pending, self.submitted):
            if order in queue:
                queue.remove(order)

    def _no_cash(self, order: Order, t: int) -> None:
        order.reason = matching.CASH
        self._close_refusal(order, "changed")
        self.ledger.refuse(t, order, order.left, 0, matching.CASH, "dropped")
        self.end(order, Order.Margin, "dropped")

    def _notice(self, order: Order) -> None:
        self.notices.append(OrderNotice(order))

    def tell(self, trades: list[Trade]) -> None:
        """Notice trades that opened or closed without an order, each to its owner."""
        for trade in trades:
            self.notices.append([trade])

    def end(self, order: Order, status: int, outcome: str) -> None:
        """Give an order its last status and tell its owner."""
        order.status = status
        order.ended = float(self.market.day_numbers[self.market.running.t])
        self._close_refusal(order, outcome)
        self._notice(order)
        if self.links.used:
            self._unlink(order)

    def _close_refusal(self, order: Order, outcome: str) -> None:
        """Close an order's open refusal, if it has one, at the price of the moment."""
        row = order.refusal
        if row is not None:
            row.close(outcome, self._price_now(row.i))
            order.refusal = None

    def _price_now(self, i: int) -> float:
        """Yuan: within a session the price of the fill moment, else (or without a bar) the last close."""
        market = self.market
        clock = market.running
        t = clock.t
        if clock.closed < t and market.traded[t, i]:
            return float((market.close if self._at_close else market.open)[t, i])
        return float(market.mark[t, i])

    def _unlink(self, order: Order) -> None:
        """Cancel what ends with an order that has traded or ended."""
        rivals = self.links.rivals(order)
        if rivals:
            to_come, kept = self._trying
            waiting = [*to_come, *kept] or self.pending
            for other in reversed(waiting):
                if other.ref in rivals and other is not order and other.alive():
                    self._void(other)
        void = self.links.filled(order) if order.status == Order.Completed else []
        if not order.alive() and order.status != Order.Completed:
            void = self.links.ended(order)
        for other in void:
            if other.status in (Order.Accepted, Order.Partial):  # one not yet taken in is found to be an orphan
                self._void(other)

    def _void(self, order: Order) -> None:
        """Cancel an order because of another one."""
        self.remove(order)
        for queue in self._trying:
            if order in queue:
                queue.remove(order)
        self.end(order, Order.Canceled, "cancelled")

    def reject(self, order: Order, t: int, wanted: int, reason: str) -> None:
        """Refuse an order for good."""
        order.reason = reason
        self._close_refusal(order, "changed")  # what waited is refused for good for this reason
        self.ledger.refuse(t, order, wanted, 0, reason, "dropped")
        self.end(order, Order.Rejected, "dropped")

    def _expire(self, order: Order, t: int) -> None:
        if order.refusal is None:
            reason = matching.EXPIRED if order.exectype == Order.Market else matching.NOT_REACHED
            self.ledger.refuse(t, order, order.left, 0, reason, "dropped")
            order.reason = reason
        self.end(order, Order.Expired, "dropped")

    def _blocked(self, order: Order, t: int, wanted: int, reason: str, price: float) -> None:
        """Note that a pending order could not trade today at ``price``; it stays pending unless it is a day order."""
        order.reason = reason
        if reason == matching.NOT_REACHED:
            return  # a resting limit order that waits is not refused; its expiry is
        if order.issell() and self.rules.unfilled == "carry" and not order.day:
            self._blocked_sales.add((id(order.owner), order.plen))
        row = order.refusal
        if row is not None and row.reason == reason:
            row.days += 1
            return
        if row is not None:
            row.close("changed", price)
        order.refusal = self.ledger.refuse(t, order, wanted, 0, reason, "pending", price)

    def _cut(self, order: Order, t: int, missing: int, reason: str) -> None:
        """Take ``missing`` shares off an order for good; it goes on with the rest."""
        left = order.left - missing
        order.reason = reason
        self._close_refusal(order, "changed")  # what it said is missing is said anew here
        self.ledger.refuse(t, order, order.left, left, reason, "cut" if left else "dropped")
        if left or order.fills:  # else the caller rejects the order as it was
            order.shrink(left)
