"""What corporate actions owe an account: bookings of each session, payments to come, shares not yet listed.

The desk knows the market's events and the account's purchase lots; the account hands it its holdings and
applies the bookings that come back. A booking always changes cash by ``cash_fen - tax_fen`` and the holding by
``shares``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine import corporate
from engine.dated_tables import Row
from engine.dividend_tax import Regime, regime_on
from engine.holding_lots import BASE_SCALE, HoldingLots
from engine.rules import Rules
from engine.successors import Successor, successors

if TYPE_CHECKING:
    from engine.market import Market


class Booking(NamedTuple):
    """One change of an account.

    ``shares`` is the change of the holding of stock ``i``, ``cash_fen`` what comes in before tax (negative: what is
    paid for rights or handed over for successor shares), ``tax_fen`` what is withheld and ``fraction`` the shares
    dropped.
    """

    i: int
    kind: str
    shares: int
    cash_fen: int
    tax_fen: int
    fraction: float


class _Right(NamedTuple):
    """What one action owes: shares that have it, and tax kept at payment."""

    shares: int
    tax_fen: int


class CorporateDesk:
    """Corporate actions of one account over one run.

    Attributes
    ----------
    lots : HoldingLots
        To be told of every purchase, and of sales of stocks in ``lots.pending``.
    receivable : int
        Fen after tax of dividends past their ex-date that are not paid yet.
    locked : mutable mapping of int to int
        Shares by stock that are credited but not yet listed and so cannot be sold.
    taxed : bool
        Whether the holder pays tax on dividends; if not, purchases need not be told.
    owed : mutable mapping of int to int
        Fen of tax by stock that the account's cash did not cover; taken at the next :meth:`open` that can.
    """

    def __init__(self, market: Market, rules: Rules | None = None) -> None:
        self.market, self.policy = market, rules or Rules()
        self.lots: Any = HoldingLots()
        self.receivable = 0
        self.locked: MutableMapping[int, int] = {}
        self.owed: MutableMapping[int, int] = {}
        self._book = market.shared(corporate.EventBook)
        self._days: list[int] = market.sessions.astype("datetime64[D]").astype(np.int64).tolist()
        self._rights: dict[corporate.Action, _Right] = {}
        self._payments: dict[int, list[Booking]] = {}
        self._unlocks: dict[int, list[tuple[int, int]]] = {}
        self._exchanges: dict[int, list[tuple[int, int, Successor]]] = {}
        self._agenda: set[int] = set()  # beside what the market's events ask for
        self.taxed = self.policy.holder != "none"
        self._regimes: dict[int, Regime] = {}
        self._rows: dict[tuple[str, int], Row] = {}

    def day(self, t: int) -> int:
        """Day number of session ``t``, the day that lots count with."""
        return self._days[t]

    def factors(self, t: int) -> dict[int, float]:
        """Close before over reference price of the ex-dates of session ``t``, by stock."""
        return {action.event.i: action.event.factor_ratio for action in self._book.actions_on(t)}

    def is_busy(self, t: int) -> bool:
        """Whether :meth:`open`, :meth:`settle` or :meth:`close` have something to do on session ``t``."""
        return t in self._book.sessions or t in self._agenda or bool(self.owed)

    def is_due(self, t: int) -> bool:
        """Whether session ``t`` brings payments, listings or exchanges, whatever its ex-dates are."""
        return t in self._agenda

    @property
    def has_rights(self) -> bool:
        """Whether rights of actions to come are known, which concern the account whatever it holds by then."""
        return bool(self._rights)

    # -- ex-dates and payments ------------------------------------------------------------------

    def open(
        self,
        t: int,
        holdings: Mapping[int, int],
        cash_fen: float,
        waiting: Container[int] = (),
        actions: Sequence[corporate.Action] | None = None,
    ) -> tuple[dict[int, float], list[Booking]]:
        """Payments and ex-dates of session ``t``, before trading.

        Parameters
        ----------
        t : int
        holdings : mapping of int to int
            Shares by stock after the close of the session before.
        cash_fen : float
            What can be spent on rights.
        waiting : container of int
            Stocks whose orders wait.
        actions : sequence of Action, optional
            Those with this ex-date that may concern the account; all by default.

        Returns
        -------
        (dict of int to float, list of Booking)
            Free shares after per share before of the stocks with an ex-date that are held or waited for, and what to
            book.
        """
        booked = self._payments.pop(t, [])
        for booking in booked:
            self.receivable -= booking.cash_fen - booking.tax_fen
        for i, shares in self._unlocks.pop(t, ()):
            left = self.locked.pop(i) - shares
            if left > 0:
                self.locked[i] = left
        for i in list(self.owed):
            tax = self._collect(i, 0, cash_fen + _net(booked))
            if tax:
                booked.append(Booking(i, corporate.TAX, 0, 0, tax, 0.0))
        ratios: dict[int, float] = {}
        for action in self._book.actions_on(t) if actions is None else actions:
            i = action.event.i
            right = self._rights.pop(action, None) if self._rights else None
            if right is None and i not in holdings and i not in waiting:
                continue
            ratios[i] = action.ratio
            if right is None or not action.plain or ratios[i] < 1.0:  # shares are swapped for who holds them now
                right = self._entitle(action, holdings.get(i, 0), t)
            if right.shares:
                booked += self._carry_out(action, right, holdings.get(i, 0), t, cash_fen + _net(booked))
        return ratios, booked

    def close(self, t: int, holdings: Mapping[int, int]) -> None:
        """After the close of session ``t``: who has the rights of actions whose ex-date is not the next session."""
        for action in self._book.recorded_on(t):
            self._rights[action] = self._entitle(action, holdings.get(action.event.i, 0), t + 1)

    def _entitle(self, action: corporate.Action, held: int, t: int) -> _Right:
        """The right of ``held`` shares; ``t`` is the first session on which they can be sold without it."""
        base = round(action.taxed_yuan * 100 * BASE_SCALE)
        if not (held and base > 0 and self.taxed):
            return _Right(held, 0)
        regime = self._regime(action.record_t)
        return _Right(held, self.lots.entitle(action.event.i, held, self._days[t], regime, base))

    def _regime(self, record_t: int) -> Regime:
        found = self._regimes.get(record_t)
        if found is None:
            # The record date of an event on the panel's first session lies before it; the day before will do.
            day = self._days[record_t] if record_t >= 0 else self._days[0] - 1
            found = self._regimes[record_t] = regime_on(self.policy.holder, day)
            self._use(*(bracket.row for bracket in found.brackets))
        return found

    def _carry_out(self, action: corporate.Action, right: _Right, held: int, t: int, spendable: float) -> list[Booking]:
        i, tax, booked = action.event.i, right.tax_fen, []
        before = spendable
        if action.plain and action.pay_t <= t:  # the dividend can pay for the rights
            spendable += corporate.fen(right.shares * action.event.cash)
        for kind, shares, cash, fraction in corporate.action_effects(
            action, right.shares, self.policy.rights, spendable - tax
        ):
            due = min(tax, cash) if kind == corporate.DIVIDEND else 0
            tax -= due
            booking = Booking(i, kind, shares, cash, due, fraction)
            if kind == corporate.DIVIDEND and action.pay_t > t:
                self._payments.setdefault(action.pay_t, []).append(booking)
                self._agenda.add(action.pay_t)
                self.receivable += cash - due
                continue
            if shares < 0:  # a consolidation takes no more than is left
                shares = max(shares, -held)
                booking = booking._replace(shares=shares)
            if shares < 0 or (kind == corporate.UNRESOLVED and shares):
                self.lots.rescale(i, held, held + shares)
            elif shares:
                self._credit(i, shares, t, action.list_t)
            booked.append(booking)
        if tax:  # bonus shares: little or nothing is paid that their tax could be kept from
            booked.append(Booking(i, corporate.TAX, 0, 0, self._collect(i, tax, before + _net(booked)), 0.0))
        return booked

    def _collect(self, i: int, tax: int, available: float) -> int:
        """The part of ``tax``, and of what stock ``i`` owes already, that ``available`` fen cover; the rest is owed."""
        total = tax + self.owed.pop(i, 0)
        taken = max(0, min(total, int(available)))
        if taken < total:
            self.owed[i] = total - taken
        return taken

    def _credit(self, i: int, shares: int, t: int, list_t: int) -> None:
        """New shares are a lot of their own, bought on the ex-date, and sellable from session ``list_t`` on."""
        self.lots.bought(i, self._days[t], shares)
        if list_t > t:
            self.locked[i] = self.locked.get(i, 0) + shares
            self._unlocks.setdefault(list_t, []).append((i, shares))
            self._agenda.add(list_t)

    def _use(self, *rows: Row) -> None:
        for row in rows:
            self._rows.setdefault((row.file, row.line), row)

    def rows_used(self) -> list[dict[str, Any]]:
        """Rows of ``dividend_tax.csv`` and ``successors.csv`` that bookings of this run went by.

        Returns
        -------
        list of dict
            The columns as written, ``table``, ``line`` and ``flagged``: whether the confidence is below H.
        """
        return [
            row.values | {"table": file, "line": line, "flagged": row["confidence"] != "H"}
            for (file, line), row in sorted(self._rows.items())
        ]

    # -- sales ----------------------------------------------------------------------------------

    def sold(self, i: int, t: int, held: int, shares: int, cash_fen: float) -> int:
        """Tax in fen to take out of ``cash_fen`` for the sale of ``shares`` out of ``held`` on session ``t``.

        To be called for stocks in ``lots.pending``, with the cash after the sale.
        """
        return self._collect(i, self.lots.sell(i, held, shares, self._days[t]), cash_fen)

    # -- delistings -----------------------------------------------------------------------------

    def gone(self, t: int) -> list[int]:
        """Stocks that session ``t`` finds gone from the market: their orders end."""
        return self._book.delisted_on(t)

    def settle(self, t: int, holdings: Mapping[int, int]) -> list[Booking]:
        """What session ``t`` makes of holdings that left the market; after :meth:`open`, before trading.

        Shares exchanged into a successor are two bookings: the old ones leave at their last price
        (:data:`engine.corporate.DELISTING`), the new ones come for that amount less the table's cash
        (:data:`engine.corporate.SUCCESSOR`). Until the successor trades, the old ones stay at their last price.
        """
        booked: list[Booking] = []
        for i in self._book.delisted_on(t):
            row = successors().get(self.market.symbols[i]) if self.policy.delisting == "successor" else None
            if row is not None and row.is_known:
                when = max(t, self.market.position_of(row.date))
                target = self.market.index.get(row.new, -1)
                if target >= 0 or not row.ratio:
                    self._exchanges.setdefault(when, []).append((i, target, row))
                    self._agenda.add(when)
                    continue
            if holdings.get(i, 0):
                price = 0.0 if self.policy.delisting == "zero" else float(self.market.mark[t, i])
                booked.append(self._pay_out(i, t, holdings[i], corporate.fen(price * holdings[i])))
        exchanges = self._exchanges.pop(t, ())
        there = dict(holdings) if exchanges else {}
        for i, target, row in exchanges:
            held = holdings.get(i, 0)
            if held and target >= 0 and not np.isfinite(self.market.mark[t, target]):  # it does not trade yet
                self._exchanges.setdefault(t + 1, []).append((i, target, row))
                self._agenda.add(t + 1)
            elif held:
                swapped = self._exchange(i, target, row, t, held, there)
                for booking in swapped:
                    there[booking.i] = there.get(booking.i, 0) + booking.shares
                booked += swapped
        return booked

    def _pay_out(self, i: int, t: int, held: int, cash: int) -> Booking:
        tax = self.sold(i, t, held, held, cash) if i in self.lots.pending else 0
        self.lots.clear(i)
        return Booking(i, corporate.DELISTING, -held, cash, tax, 0.0)

    def _exchange(
        self, i: int, target: int, row: Successor, t: int, held: int, holdings: Mapping[int, int]
    ) -> list[Booking]:
        self._use(row.row)
        cash = corporate.fen(float(row.cash) * held)
        if target < 0:
            return [self._pay_out(i, t, held, cash)]
        exact = held * row.ratio
        new = int(exact)
        worth = corporate.fen(float(self.market.mark[t, i]) * held)
        self.lots.rescale(i, held, new, target, holdings.get(target, 0))
        return [
            Booking(i, corporate.DELISTING, -held, worth, 0, 0.0),
            Booking(target, corporate.SUCCESSOR, new, cash - worth, 0, float(exact - new)),
        ]


def _net(bookings: Sequence[Booking]) -> int:
    """Fen by which bookings change the cash."""
    return sum(booking.cash_fen - booking.tax_fen for booking in bookings)
