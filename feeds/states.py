"""What decides a stock's price limits beside board, age and date, told from names, listings and suspensions.

The exchanges write a stock's state into its name: ST and ``*ST`` before it, S before the name of a company whose
share reform is not done, 退 in a delisting period, N on the first day of whatever is new. What has no mark of
its own, the return of a suspended listing, is told from when trading stopped, for how long, and under which
name. No symbol and no date of a particular stock appears here.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.price_limits import STATES

UNREFORMED, DELISTING, DELISTING_FIRST, RELISTING, SHARE_REFORM, OFFERING, NO_OFFERING = (
    STATES.index(name)
    for name in ("unreformed", "delisting", "delisting_first", "relisting", "share_reform", "offering", "no_offering")
)

REPORT_SEASON_ENDS = (5, 15)
"""Annual reports are due on 30 April. A company with its third loss stops trading when its report is out, and the
exchange suspends the listing within fifteen sessions; a stop that begins later has another reason."""

COMES_BACK_FROM = (3, 1)
"""A suspended listing can come back when the annual report of the next year is out, which is January at the
earliest, and the exchange has decided on it, for which it takes up to thirty sessions: March of a later year."""

_A_YEAR = np.timedelta64(365, "D")

_FACE_VALUE = 1.0
_BELOW_FACE_SESSIONS = 20
"""A stock that closes below its face value on so many sessions of its own in a row is delisted for its price."""

_NEW = re.compile(r"N(?=S?\*?ST|[^A-Za-z*])")
_UNREFORMED = re.compile(r"(?:XD|XR|DR|N)?S(?=\*?ST|[^A-Za-z*])")


@dataclass
class Names:
    """The names of one stock in order of date.

    Attributes
    ----------
    since : list of int
        Days since 1970-01-01.
    names : list of str
    """

    since: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def on(self, day: np.datetime64) -> str:
        """The name of a day; "" before the first one."""
        k = bisect.bisect_right(self.since, int(day.astype(np.int64))) - 1
        return self.names[k] if k >= 0 else ""


def is_new(name: str) -> bool:
    """Whether a name carries the N mark."""
    return _NEW.match(name) is not None


def is_unreformed(name: str) -> bool:
    """Whether a name carries the S mark: the share reform is not done."""
    return _UNREFORMED.match(name) is not None


def is_leaving(name: str) -> bool:
    """Whether a name says that the stock is in its delisting period."""
    return "退" in name


def names_by_stock(table: Mapping[str, np.ndarray]) -> dict[str, Names]:
    """The rows of ``name_history`` by symbol."""
    found: dict[str, Names] = {}
    order = np.argsort(table["start_date"], kind="stable")
    order = order[~np.isnat(table["start_date"][order])]
    days = table["start_date"][order].astype("datetime64[D]").astype(np.int64).tolist()
    for symbol, since, name in zip(table["symbol"][order].tolist(), days, table["name"][order].tolist(), strict=True):
        if name is not None:
            known = found.get(symbol)
            if known is None:
                known = found[symbol] = Names()
            known.since.append(since)
            known.names.append(name)
    return found


def data_begin(calendar: np.ndarray, securities: Mapping[str, np.ndarray]) -> np.datetime64:
    """First day on which any stock has a bar."""
    bars = securities["first_bar"][~np.isnat(securities["first_bar"])]
    return max(calendar[0], bars.min()) if len(bars) else calendar[0]


def day_states(
    sessions: np.ndarray,
    symbols: Sequence[str],
    calendar: np.ndarray,
    close: np.ndarray,
    securities: Mapping[str, np.ndarray],
    suspensions: Mapping[str, np.ndarray],
    names: Mapping[str, np.ndarray] | None,
) -> np.ndarray:
    """States other than normal and ST.

    Rules
    -----
    unreformed
        The name carries S without ST.
    delisting, delisting_first
        The name carries 退; its first session is ``delisting_first`` unless the last twenty closes before were
        all below the face value of one yuan, because a stock that leaves for its price has no free day.
    no_offering
        The first day of listing under a name without N: no shares were offered to the public, the listing comes
        from a merger or is one again. Only where the table marks first days at all.
    offering
        N on a stock that is listed already and was not under special treatment before.
    share_reform
        The first session on which the S mark is gone.
    relisting
        N on a stock that was under special treatment; or trading stopped under a ``*ST`` name in the season of
        annual reports and came back in a later year, from March on, not for a delisting period; or the stop
        began before the data do, and they hold no bar of their first year.

    Parameters
    ----------
    sessions : ndarray of datetime64[D], shape (T,)
    symbols : sequence of str, length N
    calendar : ndarray of datetime64[D]
        All sessions.
    close : ndarray of float64, shape (T, N)
        NaN without a bar.
    securities, suspensions, names : mapping of str to ndarray
        The tables; ``names`` may be missing.

    Returns
    -------
    ndarray of uint8, shape (T, N)
        Places in :data:`engine.price_limits.STATES`, 0 where normal or ST.
    """
    states = np.zeros(close.shape, np.uint8)
    column = {symbol: i for i, symbol in enumerate(symbols)}
    named = {} if names is None else names_by_stock(names)
    dates = np.where(np.isnat(securities["list_date"]), securities["first_bar"], securities["list_date"])
    numbers = dates.astype("datetime64[D]").astype(np.int64).tolist()
    listed = dict(zip(securities["symbol"].tolist(), numbers, strict=True))
    days = sessions.astype(np.int64)

    def put(symbol: str, day: np.datetime64, state: int) -> None:
        """A single day, if the stock trades on it."""
        t = int(np.searchsorted(sessions, day))
        i = column.get(symbol, -1)
        if i >= 0 and t < len(sessions) and sessions[t] == day and not np.isnan(close[t, i]):
            states[t, i] = state

    marks = _marks_first_days(named, listed)
    for symbol, i in column.items():
        known = named.get(symbol)
        if known is not None:
            _by_name(known, listed[symbol], marks, days, close[:, i], states[:, i])
    for symbol, day in _relistings(securities, suspensions, named, calendar):
        put(symbol, day, RELISTING)
    return states


def _by_name(
    known: Names,
    listed: int,
    marks: bool,
    days: np.ndarray,
    close: np.ndarray,
    states: np.ndarray,
) -> None:
    """Write what the names of one stock say into its column ``states``."""
    before = ""
    for k, (since, name) in enumerate(zip(known.since, known.names, strict=True)):
        single = 0
        if is_leaving(name) and not is_leaving(before):
            single = DELISTING_FIRST
        elif is_unreformed(before) and not is_unreformed(name):
            single = SHARE_REFORM
        elif since == listed and not is_new(name) and marks:
            single = NO_OFFERING
        elif since > listed and is_new(name):
            single = RELISTING if "ST" in name or "ST" in before else OFFERING
        lasting = DELISTING if is_leaving(name) else UNREFORMED if is_unreformed(name) and "ST" not in name else 0
        before = name
        if not (single or lasting):
            continue
        first = int(np.searchsorted(days, since))
        if lasting:
            ends = k + 1 == len(known.since)
            states[first : len(days) if ends else int(np.searchsorted(days, known.since[k + 1]))] = lasting
        inside = first < len(days) and days[first] == since and not np.isnan(close[first])
        if single and inside and not (single == DELISTING_FIRST and _leaves_for_its_price(close[:first])):
            states[first] = single


def _leaves_for_its_price(closes: np.ndarray) -> bool:
    own = closes[~np.isnan(closes)][-_BELOW_FACE_SESSIONS:]
    return len(own) == _BELOW_FACE_SESSIONS and bool((own < _FACE_VALUE).all())


def _marks_first_days(named: Mapping[str, Names], listed: Mapping[str, int]) -> bool:
    """Whether most first days that the name table holds carry N."""
    firsts = [is_new(known.names[0]) for symbol, known in named.items() if known.since[0] == listed.get(symbol)]
    return 2 * sum(firsts) > len(firsts)


def _relistings(
    securities: Mapping[str, np.ndarray],
    suspensions: Mapping[str, np.ndarray],
    named: Mapping[str, Names],
    calendar: np.ndarray,
) -> list[tuple[str, np.datetime64]]:
    """First days after a suspended listing, as far as dates and names before the stop tell."""
    start, end = suspensions["start"], suspensions["end"]
    long = np.flatnonzero(end.astype("datetime64[Y]") > start.astype("datetime64[Y]"))
    found = []
    for k in long.tolist():
        symbol, next_session = suspensions["symbol"][k], int(np.searchsorted(calendar, end[k], side="right"))
        known = named.get(symbol)
        if known is None or next_session >= len(calendar):
            continue
        back = calendar[next_session]
        stopped, resumed = start[k].item(), back.item()
        in_season = (stopped.month, stopped.day) <= REPORT_SEASON_ENDS
        later = resumed.year > stopped.year + 1 or (resumed.month, resumed.day) >= COMES_BACK_FROM
        was = known.on(start[k] - np.timedelta64(1, "D"))
        if in_season and later and "*ST" in was and not is_leaving(known.on(back)):
            found.append((symbol, back))
    begin = data_begin(calendar, securities)
    away = (securities["list_date"] < begin) & (securities["first_bar"] - begin >= _A_YEAR)
    for k in np.flatnonzero(away).tolist():
        symbol, back = securities["symbol"][k], securities["first_bar"][k]
        if symbol not in named or not is_leaving(named[symbol].on(back)):
            found.append((symbol, back))
    return found
