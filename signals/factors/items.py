"""Accounting items as they were known at the sessions of a panel, whatever table of the data holds them.

``item(panel, "revenue", "ttm")`` is the revenue of the last twelve months in yuan, known at each session asked for,
taken stock by stock from the source (:mod:`signals.factors.item_sources`) with the latest quarter, in doubt the first
in the list. A figure counts from the day after its disclosure (:mod:`feeds.reports`) and until a later one is out, at
most :data:`OLDEST` months after the quarter's end: an older one is absent. Where the latest report leaves the item
empty, the last report that has it counts. Nothing is estimated: what cannot be derived is NaN.

A multiple of the day (market value over PE) counts as a report of the last quarter whose legal deadline has passed, so
that a report in the data comes before it and a year's figure behind it.

A figure since January is never set beside a year's: a table of year ends serves ``reported`` flows only where no table
of quarters has the item at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.errors import ConfigError, DataError, nearest
from signals.factors.item_sources import ITEMS, MULTIPLES, RATIOS, Item, Ratio, Source
from signals.factors.panel import FactorPanel
from signals.factors.report_kernels import take_newer
from signals.factors.report_series import FLOW_KINDS, KINDS, ReportSeries, Way

OLDEST = 18
"""Months after the end of its quarter from which a figure is too old to be used."""

FEW = 8
"""Sessions up to which figures are made of the reports in force on them alone, not of the whole history."""

_FIRST_QUARTER_DUE = np.array([2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 2, 2])  # by month: the last quarter that must be out
_YEARS_BACK = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])


def item(panel: FactorPanel, name: str, kind: str = "reported", lag: int = 0) -> np.ndarray:
    """An accounting item or ratio at the sessions that a panel asks for.

    Parameters
    ----------
    panel : FactorPanel
    name : str
        A key of :data:`ITEMS` (yuan; ``eps``: yuan a share; ``shareholders``: a number) or :data:`RATIOS`.
    kind : str
        ``reported``: as in the latest report, flows since 1 January; ``quarter``: the single quarter; ``ttm``: the last
        twelve months (flows); ``yoy``: growth of the reported figure over a year before, where that was above zero;
        ``quarter_yoy``, ``ttm_yoy``: the same of the single quarter and of twelve months; ``average``: mean of a level
        now and a year before; and ``surprise``, ``acceleration``, ``variation``, ``trend``: see
        :data:`signals.factors.report_series.KINDS`.
    lag : int
        So many quarters before the latest report.

    Returns
    -------
    ndarray of float64, shape (D, N)
        NaN where it is not known.

    Raises
    ------
    ConfigError
        If there is no such item or kind, the kind does not suit it, or ``lag`` is negative.
    DataError
        If the data have nothing that it could be read or derived from.
    """
    known: dict[str, Item | Ratio] = {**ITEMS, **RATIOS}
    if name not in known:
        raise ConfigError(f"there is no accounting item '{name}'; {nearest(name, known)}")
    if kind not in KINDS:
        raise ConfigError(f"unknown kind '{kind}' of figure; {nearest(kind, KINDS)}")
    wanted = known[name]
    if isinstance(wanted, Item) and not wanted.flow and kind in FLOW_KINDS:
        raise ConfigError(f"'{name}' is a figure of one day and has no kind '{kind}'; use reported, yoy or average")
    if lag < 0:
        raise ConfigError(f"lag={lag} asks for reports that are not out; use 0 or more quarters")
    if not available(panel, name):
        raise DataError(f"the data do not have '{name}'; {_advice(name)}")
    out = np.full(panel.shape, np.nan)
    best = np.full(panel.shape, -1, dtype=np.int32)
    for ways in _ways(panel, name, kind):
        _fill(panel, ways, kind, lag, out, best)
        best[np.isfinite(out)] = np.iinfo(np.int32).max  # what follows is instead of it
    return out


def available(panel: FactorPanel, name: str) -> bool:
    """Whether the data have anything from which an item or ratio can be read or derived.

    Raises
    ------
    ConfigError
        If there is no such item.
    """
    if name in RATIOS:
        ratio = RATIOS[name]
        if any(_present(panel, way) for way in ratio.published):
            return True
        return any(True for _ in _pairs(panel, ratio))
    if name not in ITEMS:
        raise ConfigError(f"there is no accounting item '{name}'; {nearest(name, {**ITEMS, **RATIOS})}")
    one = ITEMS[name]
    sources = (*one.sources, *(ITEMS[one.instead].sources if one.instead else ()))
    return any(_present(panel, source) for source in sources)


def _advice(name: str) -> str:
    ratio = RATIOS.get(name)
    if ratio is None:
        return f"a column '{name}' of fundamentals_quarterly.parquet would serve it"
    return f"columns '{ratio.top}' and '{ratio.bottom}' of fundamentals_quarterly.parquet would serve it"


def _present(panel: FactorPanel, source: Source) -> bool:
    known = panel._known
    return all(known.has(source.table, column) for column in source.columns)


def _ways(panel: FactorPanel, name: str, kind: str) -> Iterator[list[Way]]:
    """Ways to get an item, in order; further lists are instead of the first."""
    if name in RATIOS:
        ratio = RATIOS[name]
        published = [Way(source, rate=True) for source in ratio.published if _present(panel, source)]
        computed = list(_pairs(panel, ratio))
        ways = [*published, *computed] if ratio.published_first else [*computed, *published]
        ways = [way for way in ways if way.serves(kind)]
        mixed = ITEMS[ratio.top].flow and not ITEMS[ratio.bottom].flow
        yield _without_years(ways) if mixed and kind == "reported" else ways
        return
    for one in (ITEMS[name], ITEMS.get(ITEMS[name].instead)):
        if one is None:
            return
        ways = [Way(source) for source in one.sources if _present(panel, source)]
        if one.flow and kind == "reported":
            ways = _without_years(ways)
        if kind == "yoy":
            ways += [Way(source, growth=True) for source in one.growth if _present(panel, source)]
        yield [way for way in ways if way.serves(kind)]


def _without_years(ways: list[Way]) -> list[Way]:
    quarters = [way for way in ways if not way.source.yearly and way.serves("reported")]
    return quarters or ways


def _pairs(panel: FactorPanel, ratio: Ratio) -> Iterator[Way]:
    """Both items from one table."""
    for top in _with_instead(ratio.top):
        for bottom in _with_instead(ratio.bottom):
            fits = top.table == bottom.table != MULTIPLES and not (top.trailing or bottom.trailing)
            if fits and _present(panel, top) and _present(panel, bottom):
                yield Way(top, bottom=bottom, flows=(ITEMS[ratio.top].flow, ITEMS[ratio.bottom].flow))


def _with_instead(name: str) -> tuple[Source, ...]:
    one = ITEMS[name]
    return (*one.sources, *(ITEMS[one.instead].sources if one.instead else ()))


def _fill(panel: FactorPanel, ways: list[Way], kind: str, lag: int, out: np.ndarray, best: np.ndarray) -> None:
    """Put what the ways give into ``out``, later quarters over earlier ones, in doubt the first way."""
    oldest = panel.shared("oldest quarter", lambda: oldest_quarters(panel.dates))
    for way in ways:
        if way.source.table == MULTIPLES:
            if lag:
                continue
            values = _from_multiple(panel, way.source.columns[0])
            due = due_quarters(panel.dates)[:, None]
            better = np.isfinite(values) & (due > best)
            np.copyto(out, values, where=better)
            np.copyto(best, due, where=better, casting="same_kind")
            continue
        series, places = _series(panel, way.source.table)
        values, quarters = series.latest(way, kind, lag)
        take_newer(out, best, values, quarters, places, oldest)


def _series(panel: FactorPanel, table: str) -> tuple[ReportSeries, np.ndarray]:
    """The figures of a table by change of knowledge, and the change in force at the panel's sessions (D, N)."""
    series = ReportSeries.of(panel._known.reports(table))

    def make() -> tuple[ReportSeries, np.ndarray]:
        places = series.places(panel.dates)
        return series.in_force(places) if len(panel.dates) <= FEW else (series, places)

    return panel.shared(("changes", table), make)


def _from_multiple(panel: FactorPanel, column: str) -> np.ndarray:
    """Market value over a multiple of the same session, in yuan; (D, N)."""

    def fresh() -> np.ndarray:
        return panel.as_of(MULTIPLES, "date").astype("datetime64[D]") == panel.dates[:, None]

    multiple = panel.as_of(MULTIPLES, column)
    usable = panel.shared("multiples of the day", fresh) & (multiple != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usable, market_value(panel) / multiple, np.nan)


def market_value(panel: FactorPanel) -> np.ndarray:
    """Close times total shares, all classes at the price of the A share; yuan, (D, N)."""
    return panel.shared("market value", lambda: panel.at("close") * panel.at("total_shares"))


def due_quarters(days: np.ndarray) -> np.ndarray:
    """The last quarter that every company must have reported by each day (``4 * year`` for a first quarter); (D,)."""
    month = days.astype("datetime64[M]").astype(np.int64)
    of_year = month % 12
    return ((1970 + month // 12 - _YEARS_BACK[of_year]) * 4 + _FIRST_QUARTER_DUE[of_year]).astype(np.int32)


def oldest_quarters(days: np.ndarray) -> np.ndarray:
    """The first quarter that ended at most :data:`OLDEST` months before each day; (D,) int64."""
    month = days.astype("datetime64[M]").astype(np.int64)
    return 1970 * 4 - (-(month - OLDEST - 2) // 3)
