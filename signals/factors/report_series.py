"""Figures of one table of reports at every moment at which something new was known, and kinds derived from them.

A table of R reports has at most R such moments, so the arithmetic of a whole market and all its history is done on
some ten thousand numbers; only the result is laid over the sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.reports import Reports
from signals.factors import figure_kernels
from signals.factors.item_sources import MULTIPLES, Source
from signals.factors.report_kernels import last_changes

BACK = 5
"""Quarters back from the latest report in which an item is looked for that the latest leaves empty."""

KINDS: dict[str, int] = {
    "reported": figure_kernels.REPORTED,
    "quarter": figure_kernels.QUARTER,
    "ttm": figure_kernels.TTM,
    "yoy": figure_kernels.YOY,
    "quarter_yoy": figure_kernels.QUARTER_YOY,
    "ttm_yoy": figure_kernels.TTM_YOY,
    "average": figure_kernels.AVERAGE,
    "surprise": figure_kernels.SURPRISE,
    "acceleration": figure_kernels.ACCELERATION,
    "variation": figure_kernels.VARIATION,
    "trend": figure_kernels.TREND,
}
"""Kinds of figures. ``surprise``: the quarter's change over a year before, less the mean of eight such changes, over
their standard deviation (n - 1). ``acceleration``: the single quarter's growth less that of the quarter before.
``variation``: standard deviation (n - 1) of eight single quarters over the size of their mean. ``trend``: slope of a
line through the last five full years over the mean of their sizes, a year. All parts are the versions known on the
day; one that is missing makes the result NaN."""

FLOW_KINDS = ("quarter", "ttm", "quarter_yoy", "ttm_yoy", "surprise", "acceleration", "variation")
"""Kinds that only a flow has."""

_NOTHING = np.empty(0)


@dataclass(frozen=True)
class Way:
    """A source used in one manner; with ``bottom`` the ratio of two."""

    source: Source
    growth: bool = False
    rate: bool = False
    bottom: Source | None = None
    flows: tuple[bool, bool] = (True, False)

    @property
    def running(self) -> tuple[bool, bool]:
        """Which of its two figures run since 1 January, so that quarters and twelve months are computed."""
        plain = self.growth or self.rate
        top = self.flows[0] and not self.source.trailing and not plain
        return top, self.bottom is not None and self.flows[1] and not self.bottom.trailing and not plain

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
        self._sources: dict[Source, np.ndarray] = {}
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[int, np.ndarray] = {}
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
        part._reports, part._sources = self._reports, self._sources
        part._stock, part._day, part.quarter = self._stock[kept], self._day[kept], self.quarter[kept]
        part._forget()
        moved = np.searchsorted(kept, places).astype(np.int32)
        return part, np.where(places >= 0, moved, np.int32(-1))

    def places(self, days: np.ndarray) -> np.ndarray:
        """Change in force on each of the days (ascending), -1 before the first; (D, N) int32."""
        found: np.ndarray = last_changes(self._starts, self._day, days.astype("datetime64[D]").astype(np.int64))
        return found

    def latest(self, way: Way, kind: str, lag: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """A kind of figure at each change, of the latest report that has it, and that report's quarter.

        Returns
        -------
        values : ndarray of float64, shape (E,)
        quarters : ndarray of int64, shape (E,)
        """
        if (way, kind, lag) not in self._latest:
            # The growth that a report publishes is there as it is.
            wanted = KINDS["reported" if way.growth else kind]
            part, reach = figure_kernels.PARTS[wanted]
            top, under = (part if runs else figure_kernels.REPORTED for runs in way.running)
            bottom = _NOTHING if way.bottom is None else self._of(way.bottom)
            rows = self._back(lag + BACK + reach)
            self._latest[way, kind, lag] = figure_kernels.latest_figures(
                wanted, self._of(way.source), bottom, (top, under), rows, self.quarter, lag, BACK + 1
            )
        return self._latest[way, kind, lag]

    def _back(self, depth: int) -> np.ndarray:
        """Rows of the latest report and of those before it, (E, depth)."""
        if depth not in self._rows:
            deepest = max(depth, BACK + max(reach for _, reach in figure_kernels.PARTS.values()))
            if deepest not in self._rows:
                latest = self._reports.key(self._stock, self.quarter)
                lowest = latest - (self.quarter - self._reports.first)
                self._rows[deepest] = figure_kernels.rows_back(
                    *self._reports.versions(), latest, lowest, self._day, deepest
                )
            self._rows[depth] = np.ascontiguousarray(self._rows[deepest][:, :depth])
        return self._rows[depth]

    def _of(self, source: Source) -> np.ndarray:
        """A source's figure in every row of the table, NaN where it is no number; (R,)."""
        if source not in self._sources:
            with np.errstate(all="ignore"):
                values = source.combine(*(self._reports.column(name) for name in source.columns)) * source.factor
            self._sources[source] = np.where(np.isfinite(values), values, np.nan)
        return self._sources[source]
