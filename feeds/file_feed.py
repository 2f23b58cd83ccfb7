"""Reads a folder of the store's tables into arrays.

Bars go from Parquet to T x N arrays in one pass: Arrow decodes the needed columns of a year, symbols
become columns and dates rows, and each field is scattered to its place. Nothing is pivoted, so ten years
of the whole market take two seconds and little more memory than the arrays themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.boards import check_symbol
from engine.errors import DataError
from feeds import arrow_numpy, schema
from feeds.ex_rights import check_events

if TYPE_CHECKING:
    import pyarrow as pa


_REPORTS = re.compile(schema.OPEN + r"[a-z0-9_]+")
_QUARTERLY = "fundamentals_quarterly"
_BARS = schema.TABLES["daily_bars"] | schema.BAR_OPTIONAL


@dataclass
class BarTarget:
    """Stocks and fields to read, and the arrays that receive them.

    Attributes
    ----------
    symbols : sequence of str, length N
    fields : sequence of str
        Of :data:`feeds.schema.BAR_NUMBERS` and :data:`feeds.schema.BAR_OPTIONAL`; "st" stands for the flag
        ``is_st``.
    arrays : dict of ndarray, shape (T, N)
        Filled by :meth:`FileFeed.read_bars`: float64, NaN without a bar; "st" is uint8, 0 without a bar. An
        optional column that no file has stays without an array.
    """

    symbols: Sequence[str]
    fields: Sequence[str]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class FileFeed:
    """The tables of one data folder.

    Parameters
    ----------
    folder : Path
        A folder in the layout of :mod:`feeds.schema`.

    Raises
    ------
    DataError
        If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataError(
                f"there is no data folder '{folder}'; give a folder with calendar.parquet and daily_bars/, "
                "or 'synthetic' for the embedded market"
            )
        self.folder = folder

    def file(self, table: str) -> str:
        """Name of a table's file relative to the folder."""
        return f"{table}.parquet"

    def exists(self, table: str) -> bool:
        """Whether the folder has the file of a small table."""
        return (self.folder / self.file(table)).is_file()

    def require(self, file: str) -> Path:
        """Path of a file that must be there.

        Raises
        ------
        DataError
            If it is not.
        """
        path = self.folder / file
        if not path.is_file():
            raise DataError(f"the data folder '{self.folder}' has no file '{file}', which this needs; add it")
        return path

    def read(self, table: str, columns: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Read a small table.

        Parameters
        ----------
        table : str
            A key of :data:`feeds.schema.TABLES` other than ``daily_bars``.
        columns : sequence of str, optional
            All columns of the schema by default, optional ones where the file has them.

        Returns
        -------
        dict of ndarray, shape (R,)
            Dates as datetime64[D] (NaT where empty), text as object, numbers as float64, flags as bool.

        Raises
        ------
        DataError
            If the file or a column is missing, a column has the wrong type, rows are there twice, or a span ends
            before it starts.
        """
        known = schema.TABLES[table] | schema.OPTIONAL_COLUMNS.get(table, {})
        names = list(known) if columns is None else list(columns)
        file = self.file(table)
        found = self._arrow(file, names, known, set(schema.OPTIONAL_COLUMNS.get(table, ())))
        values = {name: _column(found, name, known[name].kind) for name in names if name in found.column_names}
        unique = schema.UNIQUE.get(table, ())
        if unique and set(unique) <= set(names):
            schema.check_unique(file, unique, values)
        span = schema.SPANS.get(table)
        if span and {"symbol", *span} <= set(names):
            schema.check_spans(file, span, values["symbol"], values)
        if table == "ex_rights_events" and columns is None:
            check_events(values)
        return values

    def report_tables(self) -> list[str]:
        """Names of the tables of fundamentals in the folder, the quarterly one first, then by name."""
        found = (path.stem for path in self.folder.glob(f"{schema.OPEN}*.parquet"))
        return sorted((name for name in found if _REPORTS.fullmatch(name)), key=lambda name: (name != _QUARTERLY, name))

    def read_reports(self, table: str) -> dict[str, np.ndarray]:
        """Read a table of fundamentals with all its number columns.

        Parameters
        ----------
        table : str
            Of :meth:`report_tables`.

        Returns
        -------
        dict of ndarray, shape (R,)
            ``symbol``, ``period_end``, where there are ``announce_date`` and ``first_seen``, and the figures as
            float64. Columns of text are left out.

        Raises
        ------
        DataError
            As :meth:`read`, or if a row has no symbol.
        """
        import pyarrow as pa

        file = self.file(table)
        keys = schema.TABLES["fundamentals_annual"] | schema.FUNDAMENTAL_OPTIONAL
        kinds = self._types(file)
        number = {
            name: schema.Column("number", "", empty=True)
            for name, kind in kinds.items()
            if name not in keys and (pa.types.is_floating(kind) or pa.types.is_integer(kind))
        }
        known = keys | number
        found = self._arrow(file, list(known), known, set(schema.FUNDAMENTAL_OPTIONAL))
        values = {name: _column(found, name, known[name].kind) for name in known if name in found.column_names}
        if any(symbol is None for symbol in values["symbol"].tolist()):
            raise DataError(f"{file}: column 'symbol' is empty in some row; mend the row or leave it out")
        return values

    def _types(self, file: str) -> dict[str, Any]:
        """Arrow types of a file's columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            columns = pq.read_schema(self.require(file))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file} cannot be read as Parquet; write it again") from error
        return dict(zip(columns.names, columns.types, strict=True))

    def calendar(self) -> np.ndarray:
        """All sessions, datetime64[D], increasing.

        Raises
        ------
        DataError
            If the table is empty, has an empty date, or is not sorted.
        """
        days = self.read("calendar")["date"]
        if not len(days) or np.isnat(days).any():
            raise DataError("calendar.parquet must hold one date in every row; mend the table")
        back = days[1:] < days[:-1]
        if back.any():
            raise DataError(
                f"calendar.parquet is not sorted: {days[int(np.argmax(back)) + 1]} comes after a later date; "
                "sort it by date"
            )
        return days

    def bar_file(self, year: int) -> str:
        """Name of the bars of a calendar year relative to the folder."""
        return f"daily_bars/{year}.parquet"

    def symbols_with_bars(self, first: np.datetime64, last: np.datetime64) -> list[str]:
        """Symbols that have at least one bar from ``first`` to ``last``, sorted."""
        found: set[str] = set()
        for year in range(_year(first), _year(last) + 1):
            whole = np.datetime64(f"{year}-01-01") >= first and np.datetime64(f"{year}-12-31") <= last
            table = self._bars(year, ["symbol"] if whole else ["symbol", "date"])
            codes, names = arrow_numpy.coded(table["symbol"])
            if not whole:
                days = arrow_numpy.days(table["date"])
                codes = codes[(days >= first) & (days <= last)]
            held = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
            found.update(names[k] for k in held.tolist())
        return sorted(found)

    def read_bars(self, calendar: np.ndarray, first: int, last: int, targets: Sequence[BarTarget]) -> None:
        """Scatter daily bars into the arrays of ``targets`` in one pass over the files.

        Parameters
        ----------
        calendar : ndarray of datetime64[D]
            All sessions.
        first, last : int
            Indices in ``calendar`` of the panel's first and last session.
        targets : sequence of BarTarget
            Their ``arrays`` are made here.

        Raises
        ------
        DataError
            If a year's file is missing or a row breaks a rule of :mod:`feeds.schema`.
        """
        rows = last - first + 1
        for target in targets:
            shape = (rows, len(target.symbols))
            target.arrays = {
                name: np.zeros(shape, np.uint8) if name == "st" else np.full(shape, np.nan)
                for name in target.fields
                if name not in schema.BAR_OPTIONAL
            }
        wanted = {"is_st" if name == "st" else name for target in targets for name in target.fields}
        names = [name for name in _BARS if name in wanted or name in ("date", "symbol")]
        for year in range(_year(calendar[first]), _year(calendar[last]) + 1):
            self._scatter_year(year, names, calendar, first, rows, targets)

    def _scatter_year(
        self,
        year: int,
        names: list[str],
        calendar: np.ndarray,
        first: int,
        rows: int,
        targets: Sequence[BarTarget],
    ) -> None:
        file = self.bar_file(year)
        table = self._bars(year, names)
        codes, symbols = arrow_numpy.coded(table["symbol"])
        dates = arrow_numpy.days(table["date"])

        def locate(row: int) -> tuple[str, str]:
            return str(symbols[int(codes[row])]), str(dates[row])

        nameless = bool((codes < 0).any())
        if nameless or np.isnat(dates).any():
            column = "symbol" if nameless else "date"
            raise DataError(f"{file}: column '{column}' is empty in some row; mend the row or leave it out")
        for symbol in symbols:
            _check_code(file, symbol)
        days = dates.astype(np.int64)
        rank = np.empty(len(symbols), np.int64)
        rank[np.argsort(np.array(symbols, dtype=str), kind="stable")] = np.arange(len(symbols))
        schema.check_order(file, rank[codes], days, locate)
        row_of = _session_rows(file, year, calendar, days, locate) - first
        for target in targets:
            column_of = {symbol: i for i, symbol in enumerate(target.symbols)}
            columns = np.array([column_of.get(symbol, -1) for symbol in symbols], dtype=np.int64)[codes]
            keep: Any = (columns >= 0) & (row_of >= 0) & (row_of < rows)
            keep = slice(None) if keep.all() else np.flatnonzero(keep)
            place = row_of[keep] * len(target.symbols) + columns[keep]
            columns_of = {name: "is_st" if name == "st" else name for name in target.fields}
            values = {
                name: (arrow_numpy.flags if name == "st" else arrow_numpy.numbers)(table[column])[keep]
                for name, column in columns_of.items()
                if column in table.column_names
            }

            def locate_kept(k: int, keep: Any = keep) -> tuple[str, str]:
                return locate(k if isinstance(keep, slice) else int(keep[k]))

            if "st" in values and values["st"].dtype != bool:
                empty = np.array([flag is None for flag in values["st"].tolist()])
                symbol, date = locate_kept(int(np.argmax(empty)))
                raise DataError(f"{file}: column 'is_st' of {symbol} on {date} is empty; write true or false")
            schema.check_bars(file, {name: v for name, v in values.items() if name != "st"}, locate_kept)
            for name, value in values.items():
                if name not in target.arrays:  # an optional column
                    target.arrays[name] = np.full((rows, len(target.symbols)), np.nan)
                target.arrays[name].reshape(-1)[place] = value

    def _bars(self, year: int, names: list[str]) -> pa.Table:
        return self._arrow(self.bar_file(year), names, _BARS, set(schema.BAR_OPTIONAL), encode=["symbol"])

    def _arrow(
        self,
        file: str,
        names: list[str],
        known: dict[str, schema.Column],
        optional: set[str],
        encode: list[str] | None = None,
    ) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.require(file)
        try:
            with pq.ParquetFile(path, read_dictionary=encode) as parquet:
                present = list(parquet.schema_arrow.names)
                names = [name for name in names if name in present or name not in optional]
                for name in names:
                    if name not in present:
                        raise schema.missing_column(file, name, present)
                table = parquet.read(columns=names, use_threads=encode is not None)
        except (pa.ArrowException, OSError) as error:
            detail = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{file} cannot be read as Parquet ({detail}); write it again") from error
        for name in names:
            schema.check_kind(file, name, known[name], table.schema.field(name).type)
        return table


def _year(day: np.datetime64) -> int:
    return int(day.astype("datetime64[Y]").astype(np.int64)) + 1970


def _column(table: pa.Table, name: str, kind: str) -> np.ndarray:
    values = table[name]
    if kind == "date":
        return arrow_numpy.days(values)
    if kind == "number":
        return arrow_numpy.numbers(values).astype(np.float64)
    if kind == "flag":
        return arrow_numpy.flags(values).astype(bool)
    return arrow_numpy.words(values)


def _check_code(file: str, symbol: Any) -> None:
    try:
        check_symbol(symbol)
    except Exception as error:
        raise DataError(
            f"{file}: column 'symbol' holds '{symbol}', which is no A-share code such as 600519.SH; mend it"
        ) from error


def _session_rows(
    file: str, year: int, calendar: np.ndarray, days: np.ndarray, locate: schema.Locate
) -> np.ndarray:
    """Index in ``calendar`` of each row's date."""
    new_year = int(np.datetime64(f"{year}-01-01").astype(np.int64))
    offset = days - new_year
    numbers = calendar.astype(np.int64) - new_year
    inside = (numbers >= 0) & (numbers < 366) & (calendar < np.datetime64(f"{year + 1}-01-01"))
    row_at = np.full(368, -1, dtype=np.int64)  # the first and last entry stand for dates outside the year
    row_at[numbers[inside] + 1] = np.flatnonzero(inside)
    rows = row_at[np.clip(offset + 1, 0, 367)]
    bad = rows < 0
    if bad.any():
        symbol, date = locate(int(np.argmax(bad)))
        why = "is no session of calendar.parquet" if date[:4] == str(year) else f"does not belong to {year}"
        raise DataError(f"{file}: the date {date} of {symbol} {why}; mend the row or the calendar")
    return rows
