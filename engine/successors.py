"""What became of codes that ended: ``engine/tables/successors.csv``.

One row is one code: replaced by another for the same company (``code_change``), exchanged into shares of another
company (``merger``), bought out for cash (``cash``), or nothing that a source says (``unknown``). ``from`` is the
first session on which the new shares trade or the cash is paid. A blank ratio is not known; such holdings, like
the unknown ones, are settled at their last price.
"""

from __future__ import annotations

import functools
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.boards import check_symbol
from engine.dated_tables import OPEN_START, TABLES, Row, read_rows

if TYPE_CHECKING:
    from engine.market import Market

KINDS = ("code_change", "merger", "cash", "unknown")
_COLUMNS = ("kind", "old", "new", "from", "to", "ratio", "cash", "source", "confidence")


class Successor(NamedTuple):
    """What one share of ``old`` became on ``date``: ``ratio`` shares of ``new`` and ``cash`` yuan."""

    kind: str
    old: str
    new: str
    date: np.datetime64
    ratio: Fraction
    cash: Decimal
    row: Row

    @property
    def is_known(self) -> bool:
        """Whether a holding can be turned into something."""
        return bool(self.ratio or self.cash)


def read_successors(path: Path = TABLES / "successors.csv") -> dict[str, Successor]:
    """Read and check the table: rows by old code.

    Raises
    ------
    DataError
        With file and line: an unknown kind, no A-share code, a code twice, a ratio of zero, negative cash, a known
        row without a date.
    """
    found: dict[str, Successor] = {}
    for row in read_rows(path, _COLUMNS):
        successor = _successor(row)
        if successor.old in found:
            raise row.error(f"{successor.old} is there already in line {found[successor.old].row.line}")
        found[successor.old] = successor
    return found


def _successor(row: Row) -> Successor:
    kind = row.choice("kind", KINDS)[0]
    for column in ("old", "new"):
        if row[column] or column == "old":
            try:
                check_symbol(row[column])
            except Exception as error:
                raise row.error(f"{column} '{row[column]}' is no A-share code such as 600519.SH") from error
    if row["old"] == row["new"]:
        raise row.error("a code cannot be its own successor")
    ratio, cash = _ratio(row), _cash(row)
    wants_new = kind in ("code_change", "merger")
    if wants_new != bool(row["new"]) or (not wants_new and ratio) or (kind == "cash" and not cash):
        raise row.error(f"kind '{kind}' does not fit the cells new '{row['new']}', ratio '{row['ratio']}'")
    if kind == "code_change" and (ratio != 1 or cash):
        raise row.error("a code_change is one share for one, without cash; call it a merger")
    if (ratio or cash) and row.first == OPEN_START:
        raise row.error("from is blank; say on which session the new shares trade first")
    date = np.datetime64("NaT", "D") if row.first == OPEN_START else np.datetime64(row.first, "D")
    return Successor(kind, row["old"], row["new"], date, ratio, cash, row)


def _ratio(row: Row) -> Fraction:
    """The ratio, written as a number or as ``a/b``; 0 where it is blank."""
    if not row["ratio"]:
        return Fraction(0)
    try:
        above, _, below = row["ratio"].partition("/")
        ratio = Fraction(Decimal(above)) / Fraction(Decimal(below or "1"))
    except (InvalidOperation, ValueError, ZeroDivisionError):
        raise row.error(f"ratio '{row['ratio']}' is no number; write new shares per old one: 0.56, 1/3.04") from None
    if ratio <= 0:
        raise row.error(f"ratio {row['ratio']} is not above zero; leave it blank where it is not known")
    return ratio


def _cash(row: Row) -> Decimal:
    try:
        cash = Decimal(row["cash"] or "0")
    except InvalidOperation:
        raise row.error(f"cash '{row['cash']}' is no number; it is in yuan per old share") from None
    if not cash.is_finite() or cash < 0:
        raise row.error(f"cash {row['cash']} is negative or not finite; it is in yuan per old share")
    return cash


successors = functools.cache(read_successors)
"""The table that comes with the engine, by old code."""


@functools.cache
def code_changes() -> dict[str, Successor]:
    """Changes of code by their new code."""
    return {row.new: row for row in successors().values() if row.kind == "code_change"}


def stable_id(symbol: str) -> str:
    """The latest code of a company: an id that outlives changes of code (mergers are other companies)."""
    seen = {symbol}
    while (row := successors().get(symbol)) is not None and row.kind == "code_change" and row.new not in seen:
        symbol = row.new
        seen.add(symbol)
    return symbol


def renamed_pairs(market: Market) -> list[tuple[str, str]]:
    """Pairs of codes that the data themselves show to be one company under an old and a new code.

    The rule: the old one's bars end, the new one's go on, the old one's first bar is also the new one's, and on
    every session of the old one both have the same open, high, low, close, volume and total shares.
    """
    has_bar = ~np.isnan(market.close)
    rows = np.arange(len(has_bar))[:, None]
    first = np.where(has_bar.any(axis=0), has_bar.argmax(axis=0), len(has_bar))
    last = np.where(has_bar, rows, -1).max(axis=0)
    pairs = []
    for i in np.flatnonzero(market.delisted & (last >= 0)).tolist():
        span = slice(int(first[i]), int(last[i]) + 1)
        for j in np.flatnonzero((first == first[i]) & (last > last[i])).tolist():
            fields = (market.open, market.high, market.low, market.close, market.volume, market.total_shares)
            if market.close[first[i], i] == market.close[first[i], j] and all(
                np.array_equal(field[span, i], field[span, j], equal_nan=True) for field in fields
            ):
                pairs.append((market.symbols[i], market.symbols[j]))
    return pairs
