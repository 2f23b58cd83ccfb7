"""The table of fees by date, ``engine/tables/fees.csv``: one row is one rule."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from engine.dated_tables import TABLES, Row, check_series, read_rows

KINDS = ("stamp_duty", "transfer_fee", "handling_fee", "regulatory_fee")
EXCHANGES = ("SH", "SZ", "BJ")
SIDES = ("sell", "buy")  # indexed by is_buy
SCALE = 1_000_000_000
"""Rates are integers in units of 1 / SCALE."""

_COLUMNS = (
    "kind", "exchange", "board", "side", "from", "to", "base", "rate", "minimum", "inside",
    "source", "confidence",
)  # fmt: skip
_HIGHEST_RATE = Decimal("0.01")  # the highest that ever held was 0.006


@dataclass(frozen=True, slots=True)
class FeeRow:
    """One row of ``fees.csv``.

    Attributes
    ----------
    row : Row
    kind : str
        Of :data:`KINDS`.
    exchanges, sides : tuple of str
    on_value : int
        Rate on the traded value, 1e-9.
    per_share : int
        1e-9 fen a share. ``base`` face and shares are both yuan a share: the face value of an A share is
        taken as 1 yuan.
    minimum_fen : int
        Least amount per order.
    inside : bool
        Whether the commission already holds it.
    """

    row: Row
    kind: str
    exchanges: tuple[str, ...]
    sides: tuple[str, ...]
    on_value: int
    per_share: int
    minimum_fen: int
    inside: bool

    def series(self) -> Iterator[tuple[str, str, str]]:
        """What the row is the rule of: kind, exchange, side."""
        for exchange in self.exchanges:
            for side in self.sides:
                yield self.kind, exchange, side


def read_fees(path: Path = TABLES / "fees.csv") -> tuple[FeeRow, ...]:
    """Read and check a fee table.

    Raises
    ------
    DataError
        With file and line: an unknown word, a rate that is negative or looks like a percentage, rows of
        one series that overlap or leave a gap.
    """
    found = [_fee_row(row) for row in read_rows(path, _COLUMNS)]
    of_line = {fee.row.line: fee for fee in found}
    check_series((fee.row for fee in found), lambda row: of_line[row.line].series())
    return tuple(found)


def _fee_row(row: Row) -> FeeRow:
    kind = row.choice("kind", KINDS)[0]
    if row["board"]:
        raise row.error(f"board '{row['board']}' must be blank; fees depend on the exchange, not on the board")
    scaled = row.fraction("rate", _HIGHEST_RATE) * SCALE
    if scaled != int(scaled):
        raise row.error(f"rate {row['rate']} is finer than 0.000000001")
    base = row.choice("base", ("value", "shares", "face"))[0]
    if kind == "stamp_duty" and base != "value":
        raise row.error(f"base '{base}' does not fit stamp_duty, which is levied on the value")
    minimum = row.fraction("minimum", Decimal(1000)) * 100 if row["minimum"] else Decimal(0)
    if minimum != int(minimum):
        raise row.error(f"minimum {row['minimum']} is no whole number of fen; it is in yuan per order")
    if minimum and kind != "transfer_fee":
        raise row.error("only a transfer_fee row can have a minimum; that of the commission is an option of the run")
    if row["inside"] not in ("", "commission"):
        raise row.error(f"inside '{row['inside']}' must be blank or 'commission'")
    on_value, per_share = (int(scaled), 0) if base == "value" else (0, int(scaled) * 100)
    return FeeRow(
        row,
        kind,
        row.choice("exchange", EXCHANGES, several=True),
        row.choice("side", SIDES, several=True),
        on_value,
        per_share,
        int(minimum),
        row["inside"] == "commission",
    )


fee_table = functools.cache(read_fees)
