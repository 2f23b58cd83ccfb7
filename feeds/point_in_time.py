"""The dated tables of a data folder as a market may see them: reports, industries, names, memberships, valuation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, DataError, nearest
from feeds import schema
from feeds.asof import AsOf, gather, spells
from feeds.file_feed import FileFeed
from feeds.fingerprint import Digests
from feeds.reports import Reports
from feeds.universe import Memberships, index_code, memberships

DATED: dict[str, str] = {
    "industry_sw_history": "start_date",
    "name_history": "start_date",
    "valuation_daily": "date",
    "share_capital": "change_date",
}
"""Tables with a row a stock and day, and the column of the first day on which a row counts."""


class PointInTime:
    """Answers what was known of N stocks at the close of a day; reads each table when it is first asked for.

    Parameters
    ----------
    folder : Path
        A data folder.
    symbols : sequence of str, length N
        Columns of the answers.
    digests : mapping of str to str, optional
        SHA-256 by file: a table that has changed since is refused, because a run records them as what it used.
    """

    def __init__(self, folder: Path, symbols: Sequence[str], digests: Mapping[str, str] | None = None) -> None:
        self._digests = dict(digests or {})
        self._feed = FileFeed(folder)
        self._symbols = list(symbols)
        self._reports: dict[str, Reports] = {}
        self._dated: dict[str, tuple[AsOf, np.ndarray, dict[str, np.ndarray]]] = {}
        self._indices: dict[str, tuple[AsOf, np.ndarray, Memberships]] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        self._one_day: dict[str, tuple[int, np.ndarray]] = {}
        self._levels: dict[str, np.ndarray] = {}
        self._closes: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._report_tables: list[str] | None = None

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._feed.folder

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_reports", "_dated", "_indices", "_columns", "_levels", "_closes", "_one_day")
        empty: dict[str, Any] = {name: {} for name in kept}
        return self.__dict__ | empty

    def tables(self) -> list[str]:
        """Tables that :meth:`dated` serves: of fundamentals, and which of :data:`DATED` the folder holds."""
        return [*self.report_tables(), *(name for name in DATED if self._feed.exists(name))]

    def dated(self, table: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """All rows of one of :meth:`tables`; arrays of shape (R,).

        Returns
        -------
        stocks : ndarray of int64
            Column of the stock; -1 for a row that never counts.
        days : ndarray of datetime64[D]
            First day on which the row counts.
        values : dict of ndarray
            By column.
        """
        if table in self.report_tables():
            return self.reports(table).dated()
        join, keys, values = self._table(table)
        keys = keys.copy()
        keys[join.overruled()] = -1
        return keys, values[DATED[table]].astype("datetime64[D]"), values

    def _unchanged(self, table: str) -> None:
        file = self._feed.file(table)
        if file in self._digests and Digests(None).of(self._feed.require(file)) != self._digests[file]:
            raise DataError(f"{file} has changed since the market was opened; open it again")

    # -- reports --------------------------------------------------------------------------------

    def report_tables(self) -> list[str]:
        """Names of the tables of fundamentals, the quarterly one first."""
        if self._report_tables is None:
            self._report_tables = self._feed.report_tables()
        return list(self._report_tables)

    def asked(self) -> list[str]:
        """Tables of fundamentals that have been asked about so far."""
        return [name for name in self.report_tables() if name in self._reports]

    def reports(self, table: str) -> Reports:
        """One table of fundamentals.

        Raises
        ------
        ConfigError
            If the folder has no such table.
        DataError
            If it cannot be read.
        """
        if table not in self._reports:
            if table not in self.report_tables():
                raise ConfigError(f"the data have no fundamentals '{table}'; {nearest(table, self.report_tables())}")
            self._unchanged(table)
            self._reports[table] = Reports(self._feed.read_reports(table), self._symbols)
        return self._reports[table]

    def fundamentals(
        self,
        field: str,
        days: np.ndarray,
        *,
        kind: str = "reported",
        lag: int = 0,
        skip_empty: bool = False,
        table: str = "",
    ) -> np.ndarray:
        """One figure of the reports that were out before each day; see :meth:`feeds.reports.Reports.get`.

        Parameters
        ----------
        table : str
            Which table; by default the first that has the field.

        Returns
        -------
        ndarray, shape (D, N)

        Raises
        ------
        ConfigError
            If no table has the field, or an argument is out of range.
        DataError
            If the folder has no fundamentals at all.
        """
        tables = [table] if table else self.report_tables()
        if not tables:
            raise DataError(
                f"the data folder '{self._feed.folder}' has no fundamentals; add fundamentals_quarterly.parquet"
            )
        for name in tables:
            if field in self.figures(name):
                return self.reports(name).get(field, days, kind, lag, skip_empty)
        known = {figure for name in tables for figure in self.figures(name)}
        raise ConfigError(f"no fundamentals have the figure '{field}'; {nearest(field, known)}")

    def figures(self, table: str) -> tuple[str, ...]:
        """Names of the figures of a table, ``period_end`` and ``announce_date`` among them."""
        if table not in self._columns:
            self._columns[table] = (*self.reports(table).fields, "period_end", "announce_date")
        return self._columns[table]

    # -- other dated tables ---------------------------------------------------------------------

    def as_of(self, table: str, column: str, days: np.ndarray) -> np.ndarray:
        """The last value of a column on or before each day.

        Parameters
        ----------
        table : str
            Of :data:`DATED`.
        column : str
        days : ndarray of datetime64[D], shape (D,)

        Returns
        -------
        ndarray, shape (D, N)
            Numbers as float64 with NaN, text as object with None, flags False where nothing is known.

        Raises
        ------
        ConfigError
            If the table is none of :data:`DATED` or has no such column.
        DataError
            If the folder does not hold it.
        """
        if table not in DATED:
            raise ConfigError(f"'{table}' is no dated table; {nearest(table, DATED)}")
        join, _, values = self._table(table)
        if column not in values:
            raise ConfigError(f"table '{table}' has no column '{column}'; {nearest(column, schema.TABLES[table])}")
        return gather(values[column], self._in_force(table, join, days))

    def _in_force(self, table: str, join: AsOf, days: np.ndarray) -> np.ndarray:
        """Row of each stock on each day; those of the last single day are kept, for a look at many columns."""
        day = int(days.astype("datetime64[D]").astype(np.int64)[0]) if len(days) == 1 else None
        held = self._one_day.get(table)
        if held is not None and held[0] == day:
            return held[1]
        found = join.find(np.arange(len(self._symbols))[None, :], days[:, None])
        if day is not None:
            self._one_day[table] = day, found
        return found

    def _table(self, table: str) -> tuple[AsOf, np.ndarray, dict[str, np.ndarray]]:
        if table not in self._dated:
            self._unchanged(table)
            values = self._feed.read(table)
            column_of = {symbol: i for i, symbol in enumerate(self._symbols)}
            keys = np.array([column_of.get(symbol, -1) for symbol in values["symbol"].tolist()], dtype=np.int64)
            self._dated[table] = AsOf(keys, values[DATED[table]]), keys, values
        return self._dated[table]

    def has(self, table: str, column: str) -> bool:
        """Whether the folder has a table with a column; figures of reports by their table."""
        if table in self.report_tables():
            return column in self.figures(table)
        if table in self._dated:
            return column in self._dated[table][2]
        return self._feed.exists(table) and column in self._feed.columns(table)

    def index_close(self, code: str, days: np.ndarray) -> np.ndarray:
        """Close of an index on each day in points, NaN where the data have none; float64, shape (D,).

        Raises
        ------
        DataError
            If the folder has no levels of the index.
        """
        if code not in self._closes:
            table = self._index_levels()
            own = np.flatnonzero(table["index_code"] == code)
            if not len(own):
                codes = set(table["index_code"].tolist())
                raise DataError(f"index_daily.parquet has no levels of index {code}; {nearest(code, codes)}")
            dates = table["date"][own].astype("datetime64[D]")
            order = np.argsort(dates, kind="stable")
            self._closes[code] = dates[order], table["close"][own][order].astype(np.float64)
        dates, closes = self._closes[code]
        asked = days.astype("datetime64[D]")
        at = np.searchsorted(dates, asked, side="right") - 1  # of two rows of a day the last one counts
        return np.where((at >= 0) & (dates[at] == asked), closes[at], np.nan)

    def has_index(self, code: str) -> bool:
        """Whether the folder has levels of an index."""
        if not self._feed.exists("index_daily"):
            return False
        return code in set(self._index_levels()["index_code"].tolist())

    def _index_levels(self) -> dict[str, np.ndarray]:
        if not self._levels:
            self._unchanged("index_daily")
            self._levels = self._feed.read("index_daily", ["date", "index_code", "close"])
        return self._levels

    def members(self, index: str, days: np.ndarray) -> np.ndarray:
        """Members of an index by effective date, bool (D, N).

        Raises
        ------
        ConfigError
            If the data have no memberships of the index.
        """
        steps, count, _ = self._index(index)
        places = steps.places(np.arange(len(self._symbols))[None, :], days[:, None])
        return np.append(count, 0)[places] > 0

    def member_count(self, index: str, days: np.ndarray) -> np.ndarray:
        """Members of an index on each day, those outside the market too; int64 (D,)."""
        rows = self._index(index)[2]
        return ((rows.first <= days[:, None]) & (rows.end > days[:, None])).sum(axis=1)  # type: ignore[no-any-return]

    def _index(self, index: str) -> tuple[AsOf, np.ndarray, Memberships]:
        code = index_code(index)
        if code not in self._indices:
            self._unchanged("constituents")
            rows = memberships(self._feed, code, "index")
            column_of = {symbol: i for i, symbol in enumerate(self._symbols)}
            keys = np.array([column_of.get(symbol, -1) for symbol in rows.symbols.tolist()], dtype=np.int64)
            self._indices[code] = (*spells(keys, rows.first, rows.end), rows)
        return self._indices[code]
