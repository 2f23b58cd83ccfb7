"""Orders that hang together: brackets (a parent with its exits) and one-cancels-the-other groups.

The sequence of activations and cancellations is that of Backtrader's own broker.
"""

from __future__ import annotations

from collections import deque

from engine.orders import Order


class Links:
    """Which orders wait for, follow, or cancel which."""

    def __init__(self) -> None:
        self._brackets: dict[int, deque[Order]] = {}  # by the parent's ref: the parent, then its children
        self._leaders: dict[int, int] = {}
        self._groups: dict[int, set[int]] = {}
        self._due: list[Order] = []
        self.used = False
        """Whether any order of the run is linked."""

    def join(self, order: Order, oco: Order | None) -> None:
        """Put ``order`` into the one-cancels-the-other group of ``oco``."""
        if oco is not None:
            self.used = True
            leader = self._leaders.setdefault(oco.ref, oco.ref)
            self._leaders[order.ref] = leader
            self._groups.setdefault(leader, {leader}).add(order.ref)

    def enter(self, order: Order) -> list[Order]:
        """Enter a new order; returns those that are transmitted with it, in sequence.

        A parent sent with ``transmit=False`` and its children are held until the last of them, which has
        ``transmit=True``, comes.
        """
        parent = order.parent
        if parent is None and order.transmit:
            return [order]
        self.used = True
        ref = order.ref if parent is None else parent.ref
        bracket = self._brackets.setdefault(ref, deque())
        bracket.append(order)
        order.waits = parent is not None
        return list(bracket) if order.transmit else []

    def is_orphan(self, order: Order) -> bool:
        """Whether the order's parent has ended without opening it."""
        return order.parent is not None and order.parent.ref not in self._brackets

    def activate(self) -> None:
        """Let the children whose parent filled on the session before be tried from now on."""
        for order in self._due:
            order.waits = False
        self._due.clear()

    def filled(self, order: Order) -> list[Order]:
        """A linked order has filled completely; returns the exits that this makes void."""
        ref = order.ref if order.parent is None else order.parent.ref
        bracket = self._brackets.get(ref)
        if bracket is None:
            return []
        if order.parent is None:
            bracket.popleft()
            self._due.extend(bracket)
            return []
        return self.ended(order)

    def ended(self, order: Order) -> list[Order]:
        """A linked order has ended; returns the rest of its bracket, to be cancelled."""
        ref = order.ref if order.parent is None else order.parent.ref
        return [other for other in self._brackets.pop(ref, ()) if other is not order]

    def rivals(self, order: Order) -> set[int]:
        """Refs of the orders that end with this one (its group is dissolved)."""
        leader = self._leaders.get(order.ref)
        return self._groups.pop(leader, set()) if leader is not None else set()
