"""Reading of the dated rule tables in ``engine/tables``: one row of a CSV file is one rule.

Every table has ``from`` and ``to`` (first and last day on which the row holds, blank = open),
``source`` and ``confidence`` (H, M or L). What is wrong with a table is said when it is read, with file
and line, never on the day on which a backtest comes across it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DataError, nearest

TABLES = Path(__file__).parent / "tables"
"""Folder of the tables that come with the engine."""

OPEN_START = -(10**9)
OPEN_END = 10**9
"""Day numbers that stand for a blank ``from`` and a blank ``to``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule.

    Attributes
    ----------
    file : str
        Name of the table.
    line : int
        Line in the file; the header is line 1.
    values : dict of str to str
        The cells as written.
    first, last : int
        Days since 1970-01-01 on which it holds, both inclusive.
    """

    file: str
    line: int
    values: dict[str, str]
    first: int
    last: int

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def error(self, what: str) -> DataError:
        """The refusal of this row: ``what`` with file and line before it."""
        return DataError(f"{self.file} line {self.line}: {what}")

    def fraction(self, column: str, largest: Decimal) -> Decimal:
        """The rate in ``column``, a fraction in [0, ``largest``].

        Raises
        ------
        DataError
            If it is no number, negative, or so large that a percentage must have been meant.
        """
        text = self.values[column]
        try:
            rate = Decimal(text)
        except InvalidOperation:
            raise self.error(f"{column} '{text}' is no number; write a fraction such as 0.001") from None
        if not rate.is_finite() or rate < 0:
            raise self.error(f"{column} {text} is negative or not finite; write a fraction such as 0.001")
        if rate > largest:
            raise self.error(f"{column} {text} looks like a percentage; write it as a fraction (10 % is 0.10)")
        return rate

    def integer(self, column: str, smallest: int) -> int:
        """The whole number in ``column``, at least ``smallest``."""
        text = self.values[column]
        if not (text.isascii() and text.isdigit() and int(text) >= smallest):
            raise self.error(f"{column} '{text}' is not a whole number of at least {smallest}")
        return int(text)

    def choice(self, column: str, choices: Sequence[str], *, several: bool = False) -> tuple[str, ...]:
        """The word in ``column``, one of ``choices``; with ``several``, words; blank means all of them."""
        words = tuple(self.values[column].split())
        if several and not words:
            return tuple(choices)
        if not words or (len(words) > 1 and not several) or len(set(words)) < len(words):
            count = "each at most once" if several else "exactly one"
            raise self.error(f"{column} '{self.values[column]}' must be of {', '.join(choices)}, {count}")
        for word in words:
            if word not in choices:
                raise self.error(f"{column} '{word}' is unknown; {nearest(word, choices)}")
        return words


def day_number(day: Any) -> int:
    """Days since 1970-01-01 of a date, a datetime64 or an ISO text."""
    return int(np.datetime64(day, "D").astype(np.int64))


def day_text(number: int) -> str:
    """ISO date of a day number; ``(open)`` where it stands for a blank."""
    return "(open)" if abs(number) >= OPEN_END else str(np.datetime64(number, "D"))


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a rule table.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        What the header must hold, in this order; ``from``, ``to``, ``source`` and ``confidence`` among
        them.

    Raises
    ------
    DataError
        If the file is missing, has another header or a row with too few or many cells, an unreadable
        date, ``from`` after ``to``, no source, or a confidence other than H, M, L.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if header != list(columns):
                raise DataError(f"{path.name}: the header must be {','.join(columns)}, not {','.join(header)}")
            return [_row(path.name, reader.line_num, columns, cells) for cells in reader if cells]
    except OSError as error:
        raise DataError(f"the rule table '{path.name}' cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the rule table '{path.name}' is no readable CSV in UTF-8: {error}") from error


def _row(file: str, line: int, columns: Sequence[str], cells: list[str]) -> Row:
    values = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
    row = Row(file, line, values, 0, 0)
    if len(cells) != len(columns):
        raise row.error(f"{len(cells)} cells, expected {len(columns)}; quote a cell that holds a comma")
    if not row["source"]:
        raise row.error("the source is blank; say where the rule comes from")
    if row["confidence"] not in ("H", "M", "L"):
        raise row.error(f"confidence '{row['confidence']}' is not H, M or L")
    first, last = _day(row, "from", OPEN_START), _day(row, "to", OPEN_END)
    if first > last:
        raise row.error(f"from {row['from']} lies after to {row['to']}")
    return Row(file, line, values, first, last)


def _day(row: Row, column: str, blank: int) -> int:
    text = row[column]
    if not text:
        return blank
    try:
        return day_number(date.fromisoformat(text))
    except ValueError:
        raise row.error(f"{column} '{text}' is no date; write it like 2023-08-28") from None


def check_series(
    rows: Iterable[Row], keys: Callable[[Row], Iterable[Hashable]], *, gaps_until: int = OPEN_START
) -> None:
    """Refuse rows of one series that overlap, leave a gap, or end without a successor.

    Parameters
    ----------
    rows : iterable of Row
    keys : callable
        The series that a row belongs to.
    gaps_until : int
        A gap that ends on or before this day is allowed.

    Raises
    ------
    DataError
        Names file and line.
    """
    series: dict[Hashable, list[Row]] = {}
    for row in rows:
        for key in keys(row):
            series.setdefault(key, []).append(row)
    for key, members in series.items():
        members.sort(key=lambda row: (row.first, row.line))
        name = " ".join(str(word) for word in (key if isinstance(key, tuple) else (key,)))
        for before, after in zip(members, members[1:], strict=False):
            if after.first <= before.last:
                raise after.error(
                    f"overlaps line {before.line} for {name} on {day_text(max(after.first, before.first))}"
                )
            if after.first > before.last + 1 and after.first > gaps_until:
                raise after.error(f"no row says what holds for {name} from {day_text(before.last + 1)} on until here")
        if members[-1].last < OPEN_END:
            raise members[-1].error(f"nothing follows for {name}; leave 'to' blank or add the rule that came next")
