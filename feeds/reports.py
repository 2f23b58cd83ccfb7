"""Reports of companies as they were known on a day: the latest one, single quarters, twelve months.

A figure can be used on the first session after its disclosure, because reports come out after the close. A report
without a day of disclosure counts from the last day that the law allows: 30 April for the year and the first
quarter, 31 August, 31 October (CSRC, rules on periodic reports, articles 13 and 20 of the 2021 edition). A
restatement is a further row for the same stock and period; it counts from the day on which it was first seen, and
until then the row before it does. Flows (profit, revenue, cash flow) are cumulative from 1 January.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from engine.errors import ConfigError, nearest
from feeds.asof import AsOf, gather

KINDS = ("reported", "quarter", "ttm", "yoy")
"""As reported; the single quarter; the last twelve months; growth of the cumulative figure over a year before."""

_KEYS = ("symbol", "period_end", "announce_date", "first_seen")
_DEADLINES = {1: (0, "04-30"), 2: (0, "08-31"), 3: (0, "10-31"), 0: (1, "04-30")}
_DATES = ("period_end", "announce_date")


def deadlines(quarters: np.ndarray) -> np.ndarray:
    """Last legal day of disclosure by quarter (``4 * year + 0`` for the first), datetime64[D]."""
    out = np.empty(len(quarters), dtype="datetime64[D]")
    for number, (years, day) in _DEADLINES.items():
        at = quarters % 4 == (number - 1) % 4
        year = (quarters[at] // 4 + years - 1970).astype("datetime64[Y]").astype("datetime64[D]")
        month, dom = (int(part) for part in day.split("-"))
        out[at] = (year.astype("datetime64[M]") + np.timedelta64(month - 1, "M")).astype("datetime64[D]") + (
            np.timedelta64(dom - 1, "D")
        )
    return out


class Reports:
    """One table of fundamentals, ready for as-of questions.

    Parameters
    ----------
    table : mapping of str to ndarray, shape (R,)
        ``symbol``, ``period_end``, perhaps ``announce_date`` and ``first_seen``, and number columns.
    symbols : sequence of str, length N
        Stocks to be asked about, in their order.

    Attributes
    ----------
    fields : tuple of str
        Names of the figures.
    left_out : int
        Rows whose period does not end with a quarter; they are not served.
    undated : int
        Rows that count from the legal deadline, because their day of disclosure is empty or before the period's end.
    derived : dict
        Whatever others derive from these reports and want to keep as long as they are kept.
    """

    def __init__(self, table: Mapping[str, np.ndarray], symbols: Sequence[str]) -> None:
        self._table = dict(table)
        self.fields = tuple(name for name in table if name not in _KEYS)
        column = {symbol: i for i, symbol in enumerate(symbols)}
        self._stocks = len(symbols)
        stock = np.array([column.get(symbol, -1) for symbol in table["symbol"].tolist()], dtype=np.int64)
        end = table["period_end"].astype("datetime64[D]")
        month = end.astype("datetime64[M]")
        months = np.where(np.isnat(end), 0, month.astype(np.int64))
        last_day = (month + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
        whole = ~np.isnat(end) & (end == last_day) & ((months + 1) % 3 == 0)
        self.left_out = int((~whole).sum())
        quarter = 1970 * 4 + months // 3
        allowed = deadlines(quarter)
        told = table.get("announce_date", np.full(len(stock), np.datetime64("NaT", "D"))).astype("datetime64[D]")
        undated = np.isnat(told) | (told <= end)
        self.undated = int((undated & whole).sum())
        known = np.where(undated, allowed, told)
        seen = table.get("first_seen")
        if seen is not None:
            known = _restated(stock, quarter, known, seen.astype("datetime64[D]"))
        self._stock = np.where(whole, stock, -1)
        self._quarter = quarter
        self._day = known.astype(np.int64) + 1  # usable from the day after the disclosure
        self._first = int(quarter[whole].min()) if whole.any() else 0
        self._periods = (int(quarter[whole].max()) if whole.any() else 0) - self._first + 1
        self._skipping: dict[str, Reports] = {}
        self.derived: dict[Any, Any] = {}

    @cached_property
    def _versions(self) -> AsOf:
        """Rows by stock and period."""
        keys = np.where(self._stock < 0, -1, self._stock * self._periods + self._quarter - self._first)
        return AsOf(keys, self._day)

    @cached_property
    def _newest(self) -> tuple[AsOf, np.ndarray]:
        """Rows by stock, and the latest quarter that was known with each."""
        rows = AsOf(self._stock, self._day)
        key = self._stock[rows.rows]
        running = np.maximum.accumulate(key * (1 << 20) + self._quarter[rows.rows])
        return rows, running - key * (1 << 20)

    def dated(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """All rows as :meth:`feeds.point_in_time.PointInTime.dated` gives them, with their quarters."""
        stocks = self._stock.copy()
        stocks[self._versions.overruled()] = -1
        figures = {name: self._table[name] for name in self.fields}
        return stocks, self._day.astype("datetime64[D]"), {"quarter": self._quarter} | figures

    def changes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """When what is known of a stock changes.

        Returns
        -------
        stocks, days, quarters : ndarray of int64, shape (E,)
            Sorted by stock and day, each pair once: from the day (as a day number) on, a row more is known, and the
            latest report is that of the quarter.
        """
        rows, newest = self._newest
        stocks, days = self._stock[rows.rows], self._day[rows.rows]
        last = np.ones(len(stocks), dtype=bool)
        last[:-1] = (stocks[1:] != stocks[:-1]) | (days[1:] != days[:-1])
        return stocks[last], days[last], newest[last]

    def versions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All rows that count on some day, by stock, quarter and day.

        Returns
        -------
        keys, days, rows : ndarray of int64, shape (V,)
            :meth:`key` of stock and quarter, the day (as a day number) from which the row counts, and the row.
        """
        found = self._versions
        return found.keys, self._day[found.rows], found.rows

    def key(self, stocks: np.ndarray, quarters: np.ndarray) -> np.ndarray:
        """Stock and quarter as one number: of one stock that of a later quarter is so many quarters greater."""
        return stocks * self._periods + quarters - self._first  # type: ignore[no-any-return]

    @property
    def first(self) -> int:
        """The first quarter of any report; ``4 * year`` for a first quarter."""
        return self._first

    def column(self, field: str) -> np.ndarray:
        """A figure in all rows of the table; float64."""
        return self._table[field].astype(np.float64, copy=False)

    @property
    def stocks(self) -> int:
        """N, the number of stocks that can be asked about."""
        return self._stocks

    def latest(self, days: np.ndarray) -> np.ndarray:
        """Quarter of the latest report of each stock, known at the close of each day.

        Parameters
        ----------
        days : ndarray of datetime64[D], shape (D,)

        Returns
        -------
        ndarray of int64, shape (D, N)
            ``4 * year + 0`` for a first quarter; -1 where there is none.
        """
        rows, newest = self._newest
        places = rows.places(np.arange(self._stocks)[None, :], days[:, None])
        return np.append(newest, -1)[places]

    def rows(self, days: np.ndarray, quarters: np.ndarray) -> np.ndarray:
        """Row of the table that holds a quarter's report as it was known at the close of each day; -1: none.

        Parameters
        ----------
        days : ndarray of datetime64[D], shape (D,)
        quarters : ndarray of int, shape (D, N)
        """
        shifted = quarters - self._first
        keys = np.arange(self._stocks)[None, :] * self._periods + shifted
        return self._versions.find(np.where((shifted < 0) | (shifted >= self._periods), -1, keys), days[:, None])

    def get(
        self, field: str, days: np.ndarray, kind: str = "reported", lag: int = 0, skip_empty: bool = False
    ) -> np.ndarray:
        """One figure as it was known at the close of each day.

        Parameters
        ----------
        field : str
            Of :attr:`fields`, or ``period_end`` or ``announce_date``.
        days : ndarray of datetime64[D], shape (D,)
        kind : str
            Of :data:`KINDS`. ``quarter``: year to date less the quarter before, in the first quarter the figure
            itself. ``ttm``: year to date + last year - last year's to the same quarter. ``yoy``: year to date over
            last year's - 1, where last year's is above zero. All parts are the versions known on the day, and
            NaN in one makes the result NaN.
        lag : int
            So many quarters before the latest report.
        skip_empty : bool
            Take the latest report in which the field is filled in, not the latest one.

        Returns
        -------
        ndarray, shape (D, N)
            float64 (dates as datetime64[D]); NaN (NaT) where unknown.

        Raises
        ------
        ConfigError
            If there is no such field or kind, or ``lag`` is negative: that would be the future.
        """
        if field not in self.fields and field not in _DATES:
            raise ConfigError(f"the reports have no figure '{field}'; {nearest(field, self.fields)}")
        if kind not in KINDS:
            raise ConfigError(f"unknown kind '{kind}' of figure; {nearest(kind, KINDS)}")
        if lag < 0:
            raise ConfigError(f"lag={lag} asks for reports that are not out; use 0 or more quarters")
        if skip_empty and field in self.fields:
            return self._skip(field).get(field, days, kind, lag)
        quarter = self.latest(days)
        quarter = np.where(quarter < 0, -1, quarter - lag)
        if field in _DATES:
            values = self._table.get(field, np.full(len(self._stock), np.datetime64("NaT", "D")))
            return gather(values, self.rows(days, quarter))

        def figure(quarters: np.ndarray) -> np.ndarray:
            return gather(self._table[field], self.rows(days, quarters))

        now = figure(quarter)
        if kind == "quarter":
            return np.where(quarter % 4 == 0, now, now - figure(quarter - 1))
        if kind == "ttm":
            year = figure(quarter - quarter % 4 - 1) - figure(quarter - 4)
            return np.where(quarter % 4 == 3, now, now + year)
        if kind == "yoy":
            before = figure(quarter - 4)
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(before > 0, now / before - 1.0, np.nan)
        return now

    def all_latest(self, days: np.ndarray) -> dict[str, np.ndarray]:
        """Every figure of the latest reports, each of shape (D, N); one join for all."""
        rows = self.rows(days, self.latest(days))
        return {name: gather(self._table[name], rows) for name in self.fields}

    def _skip(self, field: str) -> Reports:
        """The same over the rows in which ``field`` is filled in."""
        if field not in self._skipping:
            filled = np.isfinite(self._table[field])
            one = Reports.__new__(Reports)
            one.__dict__ |= {key: value for key, value in self.__dict__.items() if key not in ("_versions", "_newest")}
            one._stock = np.where(filled, self._stock, -1)
            self._skipping[field] = one
        return self._skipping[field]


def _restated(stock: np.ndarray, quarter: np.ndarray, known: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """First days of knowledge with restatements: the first version of a report keeps its day of disclosure."""
    order = np.lexsort((np.where(np.isnat(seen), np.int64(-(1 << 40)), seen.astype(np.int64)), quarter, stock))
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (stock[order][1:] == stock[order][:-1]) & (quarter[order][1:] == quarter[order][:-1])
    out = known.copy()
    later = order[again]
    later = later[~np.isnat(seen[later])]
    out[later] = np.maximum(out[later], seen[later])
    return out
