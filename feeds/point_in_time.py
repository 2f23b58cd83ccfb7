"""The dated tables of a data folder as a market may see them: reports, industries, names, memberships, valuation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, DataError, nearest
from feeds import schema
from feeds.asof import AsOf, digest_of, gather, spells
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
        self._dated: dict[str, tuple[AsOf, dict[str, np.ndarray]]] = {}
        self._indices: dict[str, tuple[AsOf, np.ndarray, Memberships]] = {}
        self._columns: dict[str, tuple[str, ...]] = {}

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._feed.folder

    def __getstate__(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"_reports": {}, "_dated": {}, "_indices": {}, "_columns": {}}
        return self.__dict__ | empty

    def history_digest(self, day: np.datetime64, stocks: np.ndarray | None = None) -> str:
        """Hash over all that the dated tables told up to and including a day, whatever came later.

        Parameters
        ----------
        day : datetime64[D]
        stocks : ndarray of bool, shape (N,), optional
            Which stocks count; all by default.
        """
        wanted = np.ones(len(self._symbols), dtype=bool) if stocks is None else stocks
        whole = hashlib.sha256()
        for name in self.report_tables():
            whole.update(self.reports(name).history_digest(day, wanted).encode())
        for name in DATED:
            if self._feed.exists(name):
                join, values = self._table(name)
                rows, keys = join.until(day)
                rows, keys = rows[wanted[keys]], keys[wanted[keys]]
                counts = np.bincount(keys, minlength=len(self._symbols))
                held = np.flatnonzero(counts)
                whole.update(" ".join(f"{self._symbols[k]} {counts[k]}" for k in held).encode())
                for column in sorted(set(values) - {"symbol"}):
                    whole.update(f"{name}.{column}".encode())
                    whole.update(digest_of(values[column][rows]))
        return whole.hexdigest()[:16]

    def _unchanged(self, table: str) -> None:
        file = self._feed.file(table)
        if file in self._digests and Digests(None).of(self._feed.require(file)) != self._digests[file]:
            raise DataError(f"{file} has changed since the market was opened; open it again")

    # -- reports --------------------------------------------------------------------------------

    def report_tables(self) -> list[str]:
        """Names of the tables of fundamentals, the quarterly one first."""
        return self._feed.report_tables()

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
        join, values = self._table(table)
        if column not in values:
            raise ConfigError(f"table '{table}' has no column '{column}'; {nearest(column, schema.TABLES[table])}")
        return gather(values[column], join.find(np.arange(len(self._symbols))[None, :], days[:, None]))

    def _table(self, table: str) -> tuple[AsOf, dict[str, np.ndarray]]:
        if table not in self._dated:
            self._unchanged(table)
            values = self._feed.read(table)
            column_of = {symbol: i for i, symbol in enumerate(self._symbols)}
            keys = np.array([column_of.get(symbol, -1) for symbol in values["symbol"].tolist()], dtype=np.int64)
            self._dated[table] = AsOf(keys, values[DATED[table]]), values
        return self._dated[table]

    def has(self, table: str, column: str) -> bool:
        """Whether the folder has a table with a column; figures of reports by their table."""
        if table in self.report_tables():
            return column in self.figures(table)
        return self._feed.exists(table) and column in self._feed.columns(table)

    def index_close(self, code: str, days: np.ndarray) -> np.ndarray:
        """Close of an index on each day in points, NaN where the data have none; float64, shape (D,).

        Raises
        ------
        DataError
            If the folder has no levels of the index.
        """
        self._unchanged("index_daily")
        table = self._feed.read("index_daily", ["date", "index_code", "close"])
        own = table["index_code"] == code
        if not own.any():
            raise DataError(
                f"index_daily.parquet has no levels of index {code}; {nearest(code, set(table['index_code'].tolist()))}"
            )
        dates = table["date"][own].astype("datetime64[D]")
        levels = dict(zip(dates.tolist(), table["close"][own].tolist(), strict=True))
        return np.array([levels.get(day, np.nan) for day in days.astype("datetime64[D]").tolist()], dtype=np.float64)

    def has_index(self, code: str) -> bool:
        """Whether the folder has levels of an index."""
        if not self._feed.exists("index_daily"):
            return False
        return code in set(self._feed.read("index_daily", ["index_code"])["index_code"].tolist())

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
