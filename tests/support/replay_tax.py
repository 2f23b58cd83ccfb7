"""Tax on dividends by purchase lots, worked out beside the engine in the plainest way: nothing is kept lazily."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from fractions import Fraction
from typing import Any

_UNIT = 10_000 * 10_000
"""Tax is counted in fen x 10,000 (income) x 10,000 (rate)."""


def tax_rates(holder: str, record: date) -> tuple[int, tuple[int, int, int]]:
    """Kept at payment, and due when held up to a month, up to a year, longer; in 1/10,000."""
    if holder == "none":
        return 0, (0, 0, 0)
    if record < date(2005, 6, 13):
        return 2000, (2000, 2000, 2000)
    if record < date(2013, 1, 1):
        return 1000, (1000, 1000, 1000)
    return (500, (2000, 1000, 500)) if record < date(2015, 9, 8) else (0, (2000, 1000, 0))


def months_on(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def rate_of(rates: tuple[int, int, int], bought: date, sold: date) -> int:
    return rates[0] if sold <= months_on(bought, 1) else rates[1] if sold <= months_on(bought, 12) else rates[2]


def half_up(amount: int | Fraction, unit: int) -> int:
    return int((2 * amount + unit) // (2 * unit))


class Purchase:
    """Shares of one purchase; a claim is [income a share, kept, rates, owed for what is sold, taken]."""

    def __init__(self, day: date, shares: int) -> None:
        self.day, self.shares = day, shares
        self.claims: list[list[Any]] = []

    def entitle(self, base: int, kept: int, rates: tuple[int, int, int]) -> int:
        taken = half_up(self.shares * base * kept, _UNIT)
        self.claims.append([base, kept, rates, 0, taken])
        return taken

    def sell(self, part: int, day: date) -> int:
        self.shares -= part
        due = 0
        for claim in self.claims:
            claim[3] += part * claim[0] * rate_of(claim[2], self.day, day)
            total = half_up(claim[3] + self.shares * claim[0] * claim[1], _UNIT)
            due, claim[4] = due + total - claim[4], total
        return due


def sell(purchases: list[Purchase], shares: int, day: date) -> int:
    """Take shares out, the oldest first; the tax that this costs."""
    due = 0
    while shares:
        first = purchases[0]
        part = min(shares, first.shares)
        due += first.sell(part, day)
        shares -= part
        if not first.shares:
            purchases.pop(0)
    return due


def rescaled(purchases: list[Purchase], held: int, shares: int) -> list[Purchase]:
    """The same purchases as ``shares`` instead of ``held``; what rounds to no share is dropped with its tax."""
    kept, before = [], 0
    for one in purchases:
        after = before + one.shares
        size = after * shares // held - before * shares // held
        before = after
        for claim in one.claims:
            claim[0] = Fraction(claim[0] * one.shares, size or 1)
        one.shares = size
        if size:
            kept.append(one)
    return kept
