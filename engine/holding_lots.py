"""Purchase lots of one account, first in, first out, and the tax on dividends that hangs on them.

Lots are kept lazily. A purchase appends one entry; a sale of a stock on which no tax is pending does
nothing at all, because the lots that are gone follow from what is still held. Only when a dividend comes,
or a stock with pending tax is sold, are the lots brought up to date.

Amounts are exact integers: a claim adds up ``shares x base x rate`` unrounded and what has been withheld on
a lot is always that sum rounded half-up to the fen, so that nothing is lost between payment and sale, in
however many parts a lot is sold.
"""

from __future__ import annotations

from collections.abc import MutableSet
from fractions import Fraction
from typing import Any

from engine.dividend_tax import RATE_SCALE, Regime

BASE_SCALE = 10_000
"""Taxable income a share is an integer in units of 1 / BASE_SCALE fen (a millionth of a yuan)."""

_SCALE = RATE_SCALE * BASE_SCALE


class Claim:
    """The tax on one dividend of the shares of one lot.

    ``base`` is the income a share (1 / :data:`BASE_SCALE` fen), ``due`` the unrounded tax of the shares that
    have been sold (1 / (RATE_SCALE x BASE_SCALE) fen) and ``withheld`` the fen taken so far.
    """

    __slots__ = ("base", "due", "regime", "withheld")

    def __init__(self, regime: Regime, base: int | Fraction, shares: int) -> None:
        self.regime, self.base = regime, base
        self.due: int | Fraction = 0
        self.withheld = 0
        self.charge(shares)

    def charge(self, left: int) -> int:
        """Fen to take now so that sold shares have paid in full and the ``left`` ones what is kept at payment."""
        total = int((2 * (self.due + left * self.base * self.regime.kept) + _SCALE) // (2 * _SCALE))
        taken, self.withheld = total - self.withheld, total
        return taken


class Lot:
    """Shares bought on one day; ``day`` is a day number."""

    __slots__ = ("claims", "day", "shares")

    def __init__(self, day: int, shares: int, claims: list[Claim] | None = None) -> None:
        self.day, self.shares, self.claims = day, shares, claims


class HoldingLots:
    """Lots of all stocks of one account.

    Attributes
    ----------
    lots : dict of int to list
        By stock; entries are ``(day, shares)`` as bought, or :class:`Lot` once looked at. Entries that sales
        have consumed may still be there.
    pending : mutable set of int
        Stocks on which a sale may cost tax. All others need no call on a sale but :meth:`clear` at zero.
    """

    def __init__(self) -> None:
        self.lots: dict[int, list[Any]] = {}
        self.pending: MutableSet[int] = set()

    def bought(self, i: int, day: int, shares: int) -> None:
        """A purchase of ``shares``, or shares that an action added, on a day number."""
        found = self.lots.get(i)
        if found is None:
            self.lots[i] = [(day, shares)]
        else:
            found.append((day, shares))

    def clear(self, i: int) -> None:
        """Forget a stock that is held no more and has nothing pending."""
        self.lots.pop(i, None)
        self.pending.discard(i)

    def resolve(self, i: int, held: int) -> list[Lot]:
        """The lots of the ``held`` shares, oldest first.

        Shares that no lot accounts for (bought before the lots were kept) come first, with an unknown, long
        past day.
        """
        entries = self.lots.get(i, [])
        lots = [entry if type(entry) is Lot else Lot(*entry) for entry in entries]
        gone = sum(lot.shares for lot in lots) - held
        if gone < 0:
            lots.insert(0, Lot(0, -gone))
        used = 0
        while gone > 0:
            lot = lots[used]
            if lot.shares > gone:
                lot.shares -= gone
                break
            gone -= lot.shares
            used += 1
        self.lots[i] = lots = lots[used:]
        return lots

    def entitle(self, i: int, held: int, day: int, regime: Regime, base: int) -> int:
        """Give every lot its share of a dividend; returns the fen kept at payment.

        Parameters
        ----------
        i : int
        held : int
            Shares with the right.
        day : int
            Day number of the ex-date, the first on which they can be sold without it.
        regime : Regime
            Fixed by the record date.
        base : int
            Taxable income a share in 1 / :data:`BASE_SCALE` fen: cash, and 1 yuan per bonus share out of profits.
        """
        kept, waiting = 0, False
        for lot in self.resolve(i, held):
            claim = Claim(regime, base, lot.shares)
            kept += claim.withheld
            open_claims = [c for c in (*(lot.claims or ()), claim) if not c.regime.is_settled(lot.day, day)]
            lot.claims = open_claims or None
            waiting = waiting or bool(open_claims)
        if waiting:
            self.pending.add(i)
        else:
            self.pending.discard(i)
        return kept

    def sell(self, i: int, held: int, shares: int, day: int) -> int:
        """Take ``shares`` out of the ``held`` ones, oldest lots first; returns the fen of tax that this costs.

        Needed only for stocks in :attr:`pending`; ``held`` is the holding before the sale.
        """
        lots, tax, used = self.resolve(i, held), 0, 0
        while shares > 0:
            lot = lots[used]
            part = min(shares, lot.shares)
            lot.shares -= part
            shares -= part
            used += lot.shares == 0
            for claim in lot.claims or ():
                claim.due += part * claim.base * claim.regime.bracket(lot.day, day).rate
                tax += claim.charge(lot.shares)
        del lots[:used]
        if not any(lot.claims for lot in lots):
            self.pending.discard(i)
        if not lots:
            del self.lots[i]
        return tax

    def tax_on(self, i: int, held: int, shares: int, day: int) -> int:
        """What :meth:`sell` would cost, without selling."""
        if i not in self.pending:
            return 0
        tax = 0
        for lot in self.resolve(i, held):
            part = min(shares, lot.shares)
            shares -= part
            for claim in lot.claims or ():
                due, withheld = claim.due, claim.withheld
                claim.due += part * claim.base * claim.regime.bracket(lot.day, day).rate
                tax += claim.charge(lot.shares - part)
                claim.due, claim.withheld = due, withheld
            if not shares:
                break
        return tax

    def rescale(self, i: int, held: int, shares: int, to: int | None = None, held_to: int = 0) -> None:
        """Turn ``held`` shares into ``shares`` without a purchase, day and tax of the lots staying what they were.

        With ``to`` they become shares of that stock (a merger, a change of code), of which ``held_to`` are held
        already. Lots stay whole and add up.
        """
        lots, kept, before = self.resolve(i, held), [], 0
        for lot in lots:
            after = before + lot.shares
            size = after * shares // held - before * shares // held
            before = after
            if not size:  # pending tax of a lot that left no share is not collected
                continue
            for claim in lot.claims or ():
                claim.base = Fraction(claim.base * lot.shares, size)
            lot.shares = size
            kept.append(lot)
        target = i if to is None else to
        self.clear(i)
        if kept:
            there = [] if to is None else self.resolve(to, held_to)
            self.lots[target] = sorted([*kept, *there], key=lambda lot: lot.day)
            if any(lot.claims for lot in kept):
                self.pending.add(target)
