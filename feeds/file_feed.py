"""Reads a folder of the store's tables into arrays.

Bars go from Parquet to T x N arrays in one pass: Arrow decodes the needed columns of a year one by one, symbols
become columns and dates rows, and each field is scattered to its place. Nothing is pivoted, so ten years
of the whole market take a second and little more memory than the arrays themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.boards import check_symbol
from engine.errors import DataError
from feeds import arrow_numpy, schema
from feeds.bar_arrays import BarTarget
from feeds.ex_rights import check_events
from feeds.parquet_columns import ParquetColumns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BarTarget", "FileFeed"]

_REPORTS = re.compile(schema.OPEN + r"[a-z0-9_]+")
_QUARTERLY = "fundamentals_quarterly"
_BARS = schema.TABLES["daily_bars"] | schema.BAR_OPTIONAL
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("is_st",), ("open", "high", "low", "close", "preclose", "adj_factor"),
    ("volume",), ("amount",), ("turnover",), ("total_shares",), ("float_shares",), tuple(schema.BAR_OPTIONAL),
)  # fmt: skip
"""Columns of bars in the order in which they are read; those of a group are checked against each other."""


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
        self._coded: dict[int, tuple[np.ndarray, list[Any]]] = {}

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

    def columns(self, table: str) -> tuple[str, ...]:
        """Names of a table's columns."""
        return tuple(self._types(self.file(table)))

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
            with self._bars(year, ["symbol"] if whole else ["symbol", "date"]) as table:
                codes, names = arrow_numpy.coded(table.read("symbol"))
                # The bars come next, and decoding their symbols again would take long.
                self._coded[year] = codes, names
                if not whole:
                    days = arrow_numpy.days(table.read("date"))
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
        OSError
            If a target cannot write its files.
        """
        wanted = {"is_st" if name == "st" else name for target in targets for name in target.fields}
        names = [name for name in _BARS if name in wanted or name in ("date", "symbol")]
        years = calendar[first : last + 1].astype("datetime64[Y]").astype(np.int64) + 1970
        try:
            for target in targets:
                target.begin(len(years))
            for year in range(int(years[0]), int(years[-1]) + 1):
                begin, stop = np.searchsorted(years, [year, year + 1]).tolist()
                sessions = slice(first + begin, first + stop)
                self._scatter_year(year, names, calendar, sessions, slice(begin, stop), targets)
            for target in targets:
                target.finish()
        finally:
            self._coded.clear()
            for target in targets:
                target.close()

    def _scatter_year(
        self,
        year: int,
        names: list[str],
        calendar: np.ndarray,
        sessions: slice,
        rows: slice,
        targets: Sequence[BarTarget],
    ) -> None:
        """Put the bars of a year into the ``rows`` of the arrays, which are the ``sessions`` of the calendar."""
        file = self.bar_file(year)
        with self._bars(year, names) as table:
            codes, symbols = self._coded.pop(year, (np.zeros(0), []))
            if len(codes) != table.rows:
                codes, symbols = arrow_numpy.coded(table.read("symbol"))
            dates = arrow_numpy.days(table.read("date"))

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
            row_of = _session_rows(file, year, calendar, days, locate) - sessions.start
            places = [_places(target, symbols, codes, row_of, rows.stop - rows.start) for target in targets]
            for group in _GROUPS:
                values = {name: _bar_values(table, name) for name in group if name in table.names}
                for target, (keep, place) in zip(targets, places, strict=True):
                    _fill(file, target, rows, values, keep, place, locate)

    def _bars(self, year: int, names: list[str]) -> ParquetColumns:
        return ParquetColumns(self.bar_file(year), self.require(self.bar_file(year)), names, _BARS, schema.BAR_OPTIONAL)

    def _arrow(self, file: str, names: list[str], known: dict[str, schema.Column], optional: set[str]) -> pa.Table:
        with ParquetColumns(file, self.require(file), names, known, optional, encode=()) as table:
            return table.read_all()


def _bar_values(table: ParquetColumns, name: str) -> np.ndarray:
    return (arrow_numpy.flags if name == "is_st" else arrow_numpy.numbers)(table.read(name))


def _places(
    target: BarTarget, symbols: Sequence[str], codes: np.ndarray, row_of: np.ndarray, rows: int
) -> tuple[Any, np.ndarray]:
    """Which bars of a year a target takes, and the cells of those among its ``rows``, counted along the stocks."""
    column_of = {symbol: i for i, symbol in enumerate(target.symbols)}
    columns = np.array([column_of.get(symbol, -1) for symbol in symbols], dtype=np.int64)[codes]
    taken = (columns >= 0) & (row_of >= 0) & (row_of < rows)
    keep: Any = slice(None) if taken.all() else np.flatnonzero(taken)
    return keep, row_of[keep] * len(target.symbols) + columns[keep]


def _fill(
    file: str,
    target: BarTarget,
    rows: slice,
    values: Mapping[str, np.ndarray],
    keep: Any,
    place: np.ndarray,
    locate: schema.Locate,
) -> None:
    """Check some columns of the bars that a target takes, and put them in their place."""
    fields = {name: "st" if name == "is_st" else name for name in values}
    own = {fields[name]: value[keep] for name, value in values.items() if fields[name] in target.fields}

    def locate_kept(k: int) -> tuple[str, str]:
        return locate(k if isinstance(keep, slice) else int(keep[k]))

    if "st" in own and own["st"].dtype != bool:
        symbol, date = locate_kept(int(np.argmax([flag is None for flag in own["st"].tolist()])))
        raise DataError(f"{file}: column 'is_st' of {symbol} on {date} is empty; write true or false")
    schema.check_bars(file, {name: value for name, value in own.items() if name != "st"}, locate_kept)
    for name, value in own.items():
        target.put(name, rows, place, value)


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
