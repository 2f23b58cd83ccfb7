"""Figures of one table of reports at every moment at which something new was known, and kinds derived from them.

A table of R reports has at most R such moments, so the arithmetic of a whole market and all its history is done on
some ten thousand numbers; only the result is laid over the sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feeds.reports import Reports
from signals.factors.item_sources import MULTIPLES, Source
from signals.factors.report_kernels import last_changes

BACK = 5
"""Quarters back from the latest report in which an item is looked for that the latest leaves empty."""


def _growth(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """now / before - 1 where the base is above zero."""
    return np.where(before > 0, now / before - 1.0, np.nan)


@dataclass(frozen=True)
class Way:
    """A source used in one manner; with ``bottom`` the ratio of two."""

    source: Source
    growth: bool = False
    rate: bool = False
    bottom: Source | None = None
    flows: tuple[bool, bool] = (True, False)

    def serves(self, kind: str) -> bool:
        """Whether a kind of figure can come from it."""
        if self.growth:
            return kind == "yoy"
        if self.rate:
            return kind in ("reported", "yoy")
        if self.source.table == MULTIPLES:
            return kind == ("ttm" if self.source.trailing else "reported")
        return kind in ("ttm", "ttm_yoy") or not self.source.trailing


class ReportSeries:
    """Figures of a table over its E changes of knowledge; what was made is kept.

    Parameters
    ----------
    reports : Reports

    Attributes
    ----------
    quarter : ndarray of int64, shape (E,)
        Quarter of the latest report from each change on; ``4 * year`` for a first quarter.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._stock, self._day, self.quarter = reports.changes()
        self._starts = np.searchsorted(self._stock, np.arange(reports.stocks + 1)).astype(np.int64)
        self._rows: dict[tuple[int, bool], np.ndarray] = {}
        self._latest: dict[tuple[Way, str, int], tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def of(cls, reports: Reports) -> ReportSeries:
        """The series of these reports, made once however many panels ask."""
        if cls not in reports.derived:
            reports.derived[cls] = cls(reports)
        found: ReportSeries = reports.derived[cls]
        return found

    def in_force(self, places: np.ndarray) -> tuple[ReportSeries, np.ndarray]:
        """The same series at the changes of some :meth:`places` alone, and what these are in it."""
        kept = np.unique(places[places >= 0])
        part: ReportSeries = object.__new__(ReportSeries)
        part._reports = self._reports
        part._stock, part._day, part.quarter = self._stock[kept], self._day[kept], self.quarter[kept]
        part._rows, part._latest = {}, {}
        moved = np.searchsorted(kept, places).astype(np.int32)
        return part, np.where(places >= 0, moved, np.int32(-1))

    def places(self, days: np.ndarray) -> np.ndarray:
        """Change in force on each of the days (ascending), -1 before the first; (D, N) int32."""
        found: np.ndarray = last_changes(self._starts, self._day, days.astype("datetime64[D]").astype(np.int64))
        return found

    def figure(self, column: str, back: int, year: bool = False) -> np.ndarray:
        """A column ``back`` quarters before the latest report, or at the year end on or before that; (E,)."""
        if (back, year) not in self._rows:
            quarter = self.quarter - back
            if year:
                quarter = quarter - (quarter + 1) % 4
            self._rows[back, year] = self._reports.places(self._stock, self._day, quarter)
        return self._reports.taken(column, self._rows[back, year])

    def latest(self, way: Way, kind: str, lag: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """A kind of figure at each change, of the latest report that has it, and that report's quarter.

        Returns
        -------
        values : ndarray of float64, shape (E,)
        quarters : ndarray of int64, shape (E,)
        """
        if (way, kind, lag) not in self._latest:
            self._latest[way, kind, lag] = self._make_latest(way, kind, lag)
        return self._latest[way, kind, lag]

    def _make_latest(self, way: Way, kind: str, lag: int) -> tuple[np.ndarray, np.ndarray]:
        make, figures = KINDS[kind], _Figures(self, way)
        values = np.full(len(self.quarter), np.nan)
        quarters = self.quarter - lag
        for back in range(BACK + 1):
            missing = np.isnan(values)
            if not missing.any():
                break
            with np.errstate(all="ignore"):
                found = make(figures, lag + back)
            found = np.where(np.isfinite(found), found, np.nan)
            values = np.where(missing, found, values)
            quarters = np.where(missing & ~np.isnan(found), self.quarter - back, quarters)
        return values, quarters


class _Figures:
    """One way's figures by quarters back; each made once."""

    def __init__(self, series: ReportSeries, way: Way) -> None:
        self._series, self._way = series, way
        self._made: dict[tuple[str, int, bool], np.ndarray] = {}

    def quarter(self, back: int) -> np.ndarray:
        return self._series.quarter - back

    def _of(self, source: Source, name: str, back: int, year: bool) -> np.ndarray:
        if (name, back, year) not in self._made:
            columns = [self._series.figure(column, back, year) for column in source.columns]
            values = source.combine(*columns) * source.factor
            self._made[name, back, year] = np.where(np.isfinite(values), values, np.nan)
        return self._made[name, back, year]

    def _made_of(self, kind: str, source: Source, name: str, flow: bool, back: int) -> np.ndarray:
        """One part of it: since January, of one quarter or of twelve months; a level as it is."""
        now = self._of(source, name, back, False)
        if kind == "reported" or not flow or source.trailing or self._way.growth or self._way.rate:
            return now
        if kind == "quarter":
            first = self.quarter(back) % 4 == 0
            return np.where(first, now, now - self._of(source, name, back + 1, False))
        whole = self.quarter(back) % 4 == 3
        rest = self._of(source, name, back, True) - self._of(source, name, back + 4, False)
        return np.where(whole, now, now + rest)

    def get(self, kind: str, back: int) -> np.ndarray:
        """The figure, or the ratio of two where the lower one is above zero."""
        way = self._way
        top = self._made_of(kind, way.source, "top", way.flows[0], back)
        if way.bottom is None:
            return top
        bottom = self._made_of(kind, way.bottom, "bottom", way.flows[1], back)
        return np.where(bottom > 0, top / bottom, np.nan)

    def year_end(self, years: int) -> np.ndarray:
        """The figure of the last full year but so many."""
        return self._of(self._way.source, "top", years, True)


def _as_it_is(kind: str) -> Callable[[_Figures, int], np.ndarray]:
    def make(f: _Figures, back: int) -> np.ndarray:
        return f.get(kind, back)

    return make


def _yoy(of: str) -> Callable[[_Figures, int], np.ndarray]:
    def make(f: _Figures, back: int) -> np.ndarray:
        return _growth(f.get(of, back), f.get(of, back + 4))

    return make


def _reported_yoy(f: _Figures, back: int) -> np.ndarray:
    if f._way.growth:
        return f.get("reported", back)
    return _growth(f.get("reported", back), f.get("reported", back + 4))


def _average(f: _Figures, back: int) -> np.ndarray:
    return 0.5 * (f.get("reported", back) + f.get("reported", back + 4))


def _eight(f: _Figures, back: int, change: bool) -> np.ndarray:
    """Eight single quarters, or their changes over a year before; (8, E)."""
    quarters = [f.get("quarter", back + k) for k in range(8)]
    if change:
        quarters = [now - f.get("quarter", back + k + 4) for k, now in enumerate(quarters)]
    return np.array(quarters)


def _surprise(f: _Figures, back: int) -> np.ndarray:
    changes = _eight(f, back, True)
    mean, spread = changes.mean(axis=0), changes.std(axis=0, ddof=1)
    return np.where(spread > 0, (changes[0] - mean) / spread, np.nan)


def _acceleration(f: _Figures, back: int) -> np.ndarray:
    now, before = (_growth(f.get("quarter", back + k), f.get("quarter", back + k + 4)) for k in (0, 1))
    return now - before


def _variation(f: _Figures, back: int) -> np.ndarray:
    quarters = _eight(f, back, False)
    mean = np.abs(quarters.mean(axis=0))
    return np.where(mean > 0, quarters.std(axis=0, ddof=1) / mean, np.nan)


def _trend(f: _Figures, back: int) -> np.ndarray:
    years = np.array([f.year_end(back + 4 * k) for k in range(5)])  # the newest first
    slope = (2 * years[0] + years[1] - years[3] - 2 * years[4]) / 10.0
    scale = np.abs(years).mean(axis=0)
    return np.where(scale > 0, slope / scale, np.nan)


KINDS: dict[str, Callable[[_Figures, int], np.ndarray]] = {
    "reported": _as_it_is("reported"),
    "quarter": _as_it_is("quarter"),
    "ttm": _as_it_is("ttm"),
    "yoy": _reported_yoy,
    "quarter_yoy": _yoy("quarter"),
    "ttm_yoy": _yoy("ttm"),
    "average": _average,
    "surprise": _surprise,
    "acceleration": _acceleration,
    "variation": _variation,
    "trend": _trend,
}
"""Kinds of figures. ``surprise``: the quarter's change over a year before, less the mean of eight such changes, over
their standard deviation (n - 1). ``acceleration``: the single quarter's growth less that of the quarter before.
``variation``: standard deviation (n - 1) of eight single quarters over the size of their mean. ``trend``: slope of a
line through the last five full years over the mean of their sizes, a year. All parts are the versions known on the
day; one that is missing makes the result NaN."""

FLOW_KINDS = ("quarter", "ttm", "quarter_yoy", "ttm_yoy", "surprise", "acceleration", "variation")
"""Kinds that only a flow has."""
