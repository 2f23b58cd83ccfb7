"""Screening on a market: factors from the cache, forward returns and masks from the panel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.config_values import check_date
from engine.errors import ConfigError, DataError, nearest
from signals.factors.cache import FactorCache
from signals.factors.panel import FactorPanel, month_ends
from signals.screening.evaluation import Targets, prepare
from signals.screening.forward_returns import buyable
from signals.screening.honesty import check_factor, is_own

if TYPE_CHECKING:
    from engine.market import Market
    from signals.factors.registry import Factor
    from signals.screen import Screening

SCHEDULES: dict[str, str] = {"monthly": "month", "weekly": "week", "daily": "session"}
"""How often factors are looked at, and what one period is called."""

ENTRIES: dict[str, str] = {
    "open": "the next session's open",
    "close": "the same session's close (nobody can trade there)",
}
"""Where the forward return begins."""

Span = dt.date | str | None


@dataclass(frozen=True)
class Study:
    """What every factor of a study is held against.

    Attributes
    ----------
    rows : ndarray of int, shape (D,)
        Sessions on which factors are looked at.
    dates : ndarray of datetime64[D], shape (D,)
    targets : Targets
        Forward returns over 1, 2, ... periods, on the members of the universe.
    buyable : ndarray of bool, shape (D, N)
        Neither halted nor at the upper limit where the return begins.
    """

    rows: np.ndarray
    dates: np.ndarray
    targets: Targets
    buyable: np.ndarray


def history(factors: Sequence[Factor]) -> int:
    """Sessions before the start that a market must hold for these factors."""
    return max((one.history for one in factors), default=0)


def schedule_rows(sessions: np.ndarray, schedule: str, start: Span = None, end: Span = None) -> np.ndarray:
    """Indices of the sessions on which factors are looked at: the last of each month or week, or every one.

    Raises
    ------
    ConfigError
        If the schedule is none of :data:`SCHEDULES`.
    DataError
        If no session lies in the span.
    """
    if schedule not in SCHEDULES:
        raise ConfigError(f"unknown schedule '{schedule}'; {nearest(schedule, SCHEDULES)}")
    start, end = _day("start", start), _day("end", end)
    ends = month_ends(sessions, start, end)
    if schedule == "monthly":
        return ends
    first = 0 if start is None else int(np.searchsorted(sessions, np.datetime64(start, "D")))
    rows = np.arange(first, int(ends[-1]) + 1)
    if schedule == "daily":
        return rows
    # Weeks begin on Monday; 1970-01-01 was a Thursday.
    week = (sessions[rows].astype(np.int64) + 3) // 7
    return rows[np.append(week[1:] != week[:-1], True)]


def _day(name: str, value: Span) -> dt.date | None:
    """A date as the market's own options take it: 2013-01-01, or 20130101."""
    return None if value is None else check_date(name, value)


def study(
    market: Market,
    *,
    schedule: str = "monthly",
    start: Span = None,
    end: Span = None,
    periods: Sequence[int] = (1, 2, 3),
    entry: str = "open",
) -> Study:
    """Forward returns and masks of a market.

    A return over h periods goes from the entry after one look to the entry after the h-th look that follows, dividends
    included; it is missing unless the stock trades at both ends. Looks whose return has not ended are there with a
    missing return.

    Raises
    ------
    ConfigError
        If an option is unknown, or a period is below 1.
    DataError
        If no session lies in the span, or no return over one of the periods ends in it.
    """
    if entry not in ENTRIES:
        raise ConfigError(f"unknown entry '{entry}'; {nearest(entry, ENTRIES)}")
    if not periods or min(periods) < 1:
        raise ConfigError(f"periods {list(periods)} must be whole numbers of at least 1")
    rows = schedule_rows(market.sessions, schedule, start, end)
    delay = 1 if entry == "open" else 0
    field = getattr(market, entry)
    starts = rows + delay
    inside = starts < len(market.sessions)
    prices = np.full((len(rows), len(market.symbols)), np.nan)
    prices[inside] = field[starts[inside]] * market.adj_factor[starts[inside]]
    prices[inside] = np.where(market.traded[starts[inside]] > 0, prices[inside], np.nan)
    returns: dict[int, np.ndarray] = {}
    for period in sorted(set(periods)):
        ahead = np.full_like(prices, np.nan)
        if period < len(rows):
            ahead[:-period] = prices[period:] / prices[:-period] - 1.0
        returns[int(period)] = ahead
        if not np.isfinite(ahead).any():
            raise DataError(
                f"no return over {period} {SCHEDULES[schedule]}{'s' if period > 1 else ''} ends within "
                f"{len(rows)} date{'s' if len(rows) > 1 else ''} from {market.sessions[rows[0]]} to "
                f"{market.sessions[rows[-1]]}; give an earlier start, a later end or shorter periods"
            )
    members = (market.member[rows] > 0) & (market.listed[rows] > 0)
    can = buyable(np.where(market.traded > 0, field, np.nan), market.limit_up, rows, delay=delay)
    return Study(rows, market.sessions[rows], prepare(returns, universe=members), can)


def factor_values(
    market: Market,
    factors: Sequence[Factor],
    rows: np.ndarray,
    *,
    schedule: str,
    cache: FactorCache | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Mapping[str, np.ndarray]:
    """Values of factors from the cache; those of a user's file are held to what they declare.

    Raises
    ------
    LookAheadError
        If a user's factor reads the future.
    SignalError
        If it reads more bars or fields than it declares, fails, or returns no such array.
    DataError
        If the data lack what a factor needs.
    """
    kept = (cache or FactorCache()).values(market, factors, rows, schedule=schedule, progress=progress)
    for one in factors:
        if not is_own(one):
            check_factor(market, one, kept[one.name], rows)
    return kept


def screen_market(
    market: Market,
    factors: Sequence[Factor],
    what: Study,
    *,
    schedule: str = "monthly",
    cache: FactorCache | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> Screening:
    """Screen registered factors on a market.

    Parameters
    ----------
    market : Market
    factors : sequence of Factor
    what : Study
        Of :func:`study`, with the same ``schedule``.
    cache : FactorCache, optional
    progress : callable, optional
        Called with factors done, factors in all, and a name.
    **options
        As for :func:`signals.screen.screen`.

    Raises
    ------
    ConfigError
        If the data have none of the factors.
    LookAheadError, SignalError
        As :func:`factor_values`.
    """
    from signals.screen import screen

    panel = FactorPanel(market, what.rows, tail=1)
    missing = {one.name: ", ".join(one.missing(panel)) for one in factors}
    there = [one for one in factors if not missing[one.name]]
    if not there:
        name, words = next(iter(missing.items()))
        raise ConfigError(
            f"the data have none of the factors asked for: {name} needs {words}"
            + (f", and {len(missing) - 1} more need what is not there" if len(missing) > 1 else "")
        )
    rule = f"{schedule} from {what.dates[0]}"
    kept = factor_values(market, there, what.rows, schedule=rule, cache=cache, progress=progress)
    return screen(
        kept, what.targets, what.dates, buyable=what.buyable, unit=SCHEDULES[schedule],
        families={one.name: one.family for one in there}, titles={one.name: one.chinese for one in there},
        unavailable={name: f"needs {words}" for name, words in missing.items() if words}, **options,
    )  # fmt: skip
