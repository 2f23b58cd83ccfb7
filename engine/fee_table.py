"""The table of fees by date, ``engine/tables/fees.csv``: one row is one rule."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from engine.dated_tables import OPEN_END, OPEN_START, TABLES, Row, check_series, read_rows

KINDS = ("stamp_duty", "transfer_fee", "handling_fee", "regulatory_fee")
"""What is charged beside the commission."""

LIMITS = ("commission_cap", "commission_floor")
"""What the law says of the commission, handling and regulatory fees counted in: never charged, only held against."""

EXCHANGES = ("SH", "SZ", "BJ")
SIDES = ("sell", "buy")  # indexed by is_buy
SCALE = 1_000_000_000
"""Rates are integers in units of 1 / SCALE."""

HIGHEST_RATE = Decimal("0.01")
"""A higher rate is taken for a percentage; the highest that ever held was 0.006."""

_COLUMNS = (
    "kind", "exchange", "board", "side", "from", "to", "base", "rate", "minimum", "inside",
    "source", "confidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FeeRow:
    """One row of ``fees.csv``.

    Attributes
    ----------
    row : Row
    kind : str
        Of :data:`KINDS` or :data:`LIMITS`.
    exchanges, sides : tuple of str
    on_value : int
        Rate on the traded value, 1e-9; 0 where the base is another.
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

    def holds(self, day: int) -> bool:
        """Whether it is in force on a day number."""
        return self.row.first <= day <= self.row.last

    def with_minimum(self, fen: int) -> FeeRow:
        """The same with a minimum of at least ``fen`` per order."""
        if fen <= self.minimum_fen:
            return self
        row = replace(self.row, values=self.row.values | {"minimum": f"{fen / 100:g}"})
        return replace(self, row=row, minimum_fen=fen)


def flat_row(kind: str, rate: float) -> FeeRow:
    """A rule of the run's own: ``rate`` of the value on every date and exchange; stamp duty from the seller alone."""
    sides = SIDES[:1] if kind == "stamp_duty" else SIDES
    values = dict.fromkeys(_COLUMNS, "") | {
        "kind": kind,
        "side": "sell" if kind == "stamp_duty" else "",
        "base": "value",
        "rate": format(Decimal(repr(rate)), "f"),
        "source": f"option {kind} of the run",
    }
    row = Row("", 0, values, OPEN_START, OPEN_END)
    return FeeRow(row, kind, EXCHANGES, sides, round(Decimal(repr(rate)) * SCALE), 0, 0, False)


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
    kind = row.choice("kind", (*KINDS, *LIMITS))[0]
    if row["board"]:
        raise row.error(f"board '{row['board']}' must be blank; fees depend on the exchange, not on the board")
    if row["inside"] not in ("", "commission"):
        raise row.error(f"inside '{row['inside']}' must be blank or 'commission'")
    if kind in LIMITS and row["inside"]:
        raise row.error(f"inside must be blank for {kind}, which is no charge")
    on_value, per_share = _rate(row, kind)
    minimum = row.fraction("minimum", Decimal(1000)) * 100 if row["minimum"] else Decimal(0)
    if minimum != int(minimum):
        raise row.error(f"minimum {row['minimum']} is no whole number of fen; it is in yuan per order")
    if minimum and kind == "commission_floor":
        raise row.error("a commission_floor has no minimum; that of the commission_cap says what an order may cost")
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


def _rate(row: Row, kind: str) -> tuple[int, int]:
    """Rate on the value, and per share, in units of 1e-9 (fen a share for the second)."""
    base = row.choice("base", ("value", "shares", "face", "fees"))[0]
    if base == "fees":
        if kind != "commission_floor" or row["rate"] != "1":
            raise row.error("base 'fees' means once the handling and regulatory fees: commission_floor with rate 1")
        return 0, 0
    scaled = row.fraction("rate", HIGHEST_RATE) * SCALE
    if scaled != int(scaled):
        raise row.error(f"rate {row['rate']} is finer than 0.000000001")
    if base != "value" and kind in ("stamp_duty", *LIMITS):
        raise row.error(f"base '{base}' does not fit {kind}, which goes by the value")
    return (int(scaled), 0) if base == "value" else (0, int(scaled) * 100)


fee_table = functools.cache(read_fees)
