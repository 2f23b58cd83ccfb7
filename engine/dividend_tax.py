"""Tax on dividends by holder, record date and holding period: ``engine/tables/dividend_tax.csv``.

A holding runs from the day of purchase to the day before the sale is delivered; shares are delivered on
the day of the sale. It counts whole calendar months: bought on 24 May and sold on 24 June it was held one
month, sold on 25 June more than one. Months without that day end on their last.
"""

from __future__ import annotations

import functools
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from engine.dated_tables import TABLES, Row, check_series, day_number, day_text, read_rows
from engine.errors import ConfigError, DataError, nearest

HOLDERS = ("individual", "fund", "none")
"""Kinds of holder: a natural person, a securities investment fund, one who pays nothing."""

RATE_SCALE = 10_000
"""Rates are integers in units of 1 / RATE_SCALE."""

_COLUMNS = ("holder", "from", "to", "up_to_months", "rate", "kept", "source", "confidence")
_HIGHEST_RATE = Decimal("0.5")
_UNIX_EPOCH = date(1970, 1, 1).toordinal()


class Bracket(NamedTuple):
    """One row: what a holding of at most ``up_to`` months pays (None: however long).

    ``rate`` is the whole tax and ``kept`` the part withheld at payment, both in 1 / :data:`RATE_SCALE`.
    """

    up_to: int | None
    rate: int
    kept: int
    row: Row


class Regime(NamedTuple):
    """The brackets that hold for record dates from ``first`` to ``last`` (day numbers), shortest first."""

    first: int
    last: int
    brackets: tuple[Bracket, ...]

    @property
    def kept(self) -> int:
        """Part withheld at payment, 1 / :data:`RATE_SCALE`; the same in every bracket."""
        return self.brackets[0].kept

    def bracket(self, bought: int, sold: int) -> Bracket:
        """The bracket of a holding from its purchase to its sale (day numbers)."""
        for bracket in self.brackets:
            if bracket.up_to is None or sold <= months_after(bought, bracket.up_to):
                return bracket
        raise AssertionError("the last bracket of a regime is open")  # read_dividend_tax sees to it

    def is_settled(self, bought: int, day: int) -> bool:
        """Whether no sale on ``day`` or later can cost more than what was kept at payment."""
        return all(b.rate == self.kept for b in self.brackets[self.brackets.index(self.bracket(bought, day)) :])


@functools.lru_cache(maxsize=1 << 14)
def months_after(day: int, months: int) -> int:
    """The day number ``months`` calendar months after ``day``."""
    start = date.fromordinal(day + _UNIX_EPOCH)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(start.day, last)).toordinal() - _UNIX_EPOCH


def read_dividend_tax(path: Path = TABLES / "dividend_tax.csv") -> dict[str, tuple[Regime, ...]]:
    """Read and check the table: the regimes of each holder in order of date.

    Raises
    ------
    DataError
        With file and line: an unknown holder, a rate that is negative or looks like a percentage, more kept
        than due, regimes that overlap or leave a gap, brackets that do not end with an open one.
    """
    found: dict[str, dict[tuple[int, int], list[Bracket]]] = {}
    for row in read_rows(path, _COLUMNS):
        holder = row.choice("holder", HOLDERS)[0]
        up_to = row.integer("up_to_months", 1) if row["up_to_months"] else None
        bracket = Bracket(up_to, _rate(row, "rate"), _rate(row, "kept"), row)
        if bracket.kept > bracket.rate:
            raise row.error(f"kept {row['kept']} is more than the rate {row['rate']}; the registrar pays nothing back")
        found.setdefault(holder, {}).setdefault((row.first, row.last), []).append(bracket)
    tables = {}
    for holder, spans in found.items():
        for brackets in spans.values():
            _check_brackets(brackets)
        check_series((brackets[0].row for brackets in spans.values()), lambda row: (row["holder"],))
        tables[holder] = tuple(Regime(*span, tuple(brackets)) for span, brackets in sorted(spans.items()))
    for holder in HOLDERS:
        if holder not in tables:
            raise DataError(f"{path.name} has no row for holder '{holder}'; add one")
    return tables


def _rate(row: Row, column: str) -> int:
    scaled = row.fraction(column, _HIGHEST_RATE) * RATE_SCALE
    if scaled != int(scaled):
        raise row.error(f"{column} {row[column]} is finer than 0.0001")
    return int(scaled)


def _check_brackets(brackets: Sequence[Bracket]) -> None:
    """Refuse brackets of one regime that are not in order, not closed by an open one, or keep differently."""
    for before, after in zip(brackets, brackets[1:], strict=False):
        if before.up_to is None or (after.up_to is not None and after.up_to <= before.up_to):
            raise after.row.error("the rows of one period must go from the shortest holding to the open one")
        if after.kept != before.kept:
            raise after.row.error("kept must be the same in all rows of one period: at payment the sale is not known")
    if brackets[-1].up_to is not None:
        raise brackets[-1].row.error("the longest holding has no row; add one with a blank up_to_months")


_tax_table = functools.cache(read_dividend_tax)


def regimes(holder: str) -> tuple[Regime, ...]:
    """The regimes of a holder, in order of date.

    Raises
    ------
    ConfigError
        If there is no such kind of holder.
    """
    if holder not in HOLDERS:
        raise ConfigError(f"holder '{holder}' is unknown; {nearest(holder, HOLDERS)}")
    return _tax_table()[holder]


def regime_on(holder: str, record: object) -> Regime:
    """The regime that a dividend's record date (a date, or its day number) fixes."""
    day = record if isinstance(record, int) else day_number(record)
    for regime in regimes(holder):
        if regime.first <= day <= regime.last:
            return regime
    raise DataError(f"dividend_tax.csv has no row for holder '{holder}' on {day_text(day)}")
