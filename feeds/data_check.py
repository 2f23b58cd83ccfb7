"""Checks of a data folder: what a backtest would believe without asking.

Each check gives one :class:`Finding`: how many rows it looked at, how many are odd, whether that is fatal, and some
of them. Fatal is what makes results wrong: a calendar with a false day, prices that contradict each other, units that
are off. Odd rows that a market does have (a relisting, a special day) are counted and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.errors import HuiceError
from engine.market import Market
from feeds.file_feed import FileFeed
from feeds.limit_check import UNEXPLAINED, check_limits
from feeds.manifest import FILE, NO_FACTORS, Manifest, source_notes, tables_of

LEVELS = ("ok", "note", "warning", "fatal")

MOST_EXAMPLES = 12
_TOO_MANY_GAPS = 0.01
_TOO_MANY_MEANS = 0.01
_TOO_MANY_REFERENCES = 0.001
_TOO_MANY_LIMITS = 1e-4
"""Shares of the rows from which on a finding is fatal: there is then a rule behind it, not a slip."""

_JUMP = 0.25
"""Change of the close over the close before that no price limit allows a main board stock, with room for 20 %."""

_FEN = 0.01
_MEMBERS_OFF = 0.02


@dataclass
class Finding:
    """The result of one check.

    Attributes
    ----------
    check : str
    level : str
        Of :data:`LEVELS`.
    count, of : int
        Odd rows, and rows looked at.
    says : str
        One sentence.
    examples : list of dict
        Some of the rows, ready to print.
    by_year : dict of int to int
        Odd rows by year, where a row has one.
    """

    check: str
    level: str
    count: int
    of: int
    says: str
    examples: list[dict[str, Any]] = field(default_factory=list)
    by_year: dict[int, int] = field(default_factory=dict)


def check_tables(feed: FileFeed, schemas: bool = True) -> list[Finding]:
    """Check the files themselves: the manifest, and each table by its pandera schema."""
    return [_manifest(feed), *_derived(feed), *(_schemas(feed) if schemas else ())]


def check_market(market: Market, feed: FileFeed) -> list[Finding]:
    """Check what the tables say together.

    Parameters
    ----------
    market : Market
        All stocks and sessions of the folder.
    feed : FileFeed
    """
    checks: Sequence[Callable[[Market, FileFeed], Finding]] = (
        _calendar, _gaps, _inside_suspensions, _mean_prices, _references, _events, _limits, _jumps, _shares, _names,
        _members, _reports,
    )  # fmt: skip
    return [check(market, feed) for check in checks]


def worst(findings: Sequence[Finding]) -> str:
    """The gravest level of some findings."""
    return max((one.level for one in findings), key=LEVELS.index, default="ok")


# -- files --------------------------------------------------------------------------------------------


def _manifest(feed: FileFeed) -> Finding:
    files = tables_of(feed.folder)
    try:
        manifest = Manifest.read(feed.folder)
    except HuiceError as error:
        return Finding("manifest", "warning", 1, len(files), str(error))
    if not manifest.entries:
        return Finding("manifest", "note", 0, len(files), f"the folder has no {FILE}, so nothing says where it is from")
    changed = manifest.changed(feed.folder)
    says = "every file is as its feed wrote it" if not changed else "files are not as their feed wrote them"
    rows = [{"file": file, "is": what} for file, what in changed.items()]
    return Finding("manifest", "warning" if changed else "ok", len(changed), len(files), says, rows[:MOST_EXAMPLES])


def _derived(feed: FileFeed) -> list[Finding]:
    """What a feed had to derive or leave out, if it said so."""
    notes = source_notes(feed.folder)
    if not notes:
        return []
    level = "warning" if NO_FACTORS in notes else "note"
    rows = [{"note": note} for note in notes]
    return [Finding("conversion", level, len(notes), len(notes), "what was derived or left out", rows[:MOST_EXAMPLES])]


def _schemas(feed: FileFeed) -> list[Finding]:
    import pandas as pd

    from feeds.table_checks import canonical, columns_of, find_failures

    rows, bad = 0, []
    for file in tables_of(feed.folder):
        table = file.partition("/")[0].removesuffix(".parquet")
        try:
            columns_of(table)
        except HuiceError:
            continue  # a table of the user's own
        try:
            frame = canonical(table, pd.read_parquet(feed.folder / file))
            rows += len(frame)
            bad += [{"file": file, "says": sentence} for sentence in find_failures(table, frame)]
        except (HuiceError, OSError, ValueError) as error:
            bad.append({"file": file, "says": str(error).splitlines()[0]})
    says = "tables break their schema" if bad else "types, units' ranges, forms and duplicates of every table are right"
    return [Finding("schema", "fatal" if bad else "ok", len(bad), rows, says, bad[:MOST_EXAMPLES])]


# -- sessions and gaps --------------------------------------------------------------------------------


def _calendar(market: Market, feed: FileFeed) -> Finding:
    from feeds.synthetic_feed import exchange_sessions

    days = market.calendar
    try:
        known = exchange_sessions(days[-1].item())
    except HuiceError as error:
        return Finding("calendar", "warning", 0, len(days), str(error))
    known = known[(known >= days[0]) & (known <= days[-1])]
    extra, lost = np.setdiff1d(days, known), np.setdiff1d(known, days)
    rows = [{"date": str(day), "is": "no session of the exchange"} for day in extra]
    rows += [{"date": str(day), "is": "missing here"} for day in lost]
    says = "equal to the exchange's sessions (exchange-calendars XSHG)"
    if rows:
        says = "days differ from the exchange's sessions (exchange-calendars XSHG)"
    return _finding("calendar", rows, len(days), says, "fatal" if rows else "ok", [row["date"] for row in rows])


def _absent(market: Market, feed: FileFeed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bars, sessions inside each stock's life without one, and suspended sessions; bool (T, N)."""
    bar = ~np.isnan(market.close)
    t = np.arange(len(bar))[:, None]
    some = bar.any(axis=0)
    first = np.where(some, bar.argmax(axis=0), len(bar))
    last = np.where(some, len(bar) - 1 - bar[::-1].argmax(axis=0), -1)
    gap = ~bar & (t > first) & (t < last)
    halts = feed.read("suspensions")
    steps = np.zeros((len(bar) + 1, bar.shape[1]), np.int16)
    begin = np.searchsorted(market.sessions, halts["start"])
    end = np.where(
        np.isnat(halts["end"]), len(bar), np.searchsorted(market.sessions, halts["end"], side="right")
    )
    for symbol, a, b in zip(halts["symbol"].tolist(), begin.tolist(), end.tolist(), strict=True):
        i = market.index.get(symbol)
        if i is not None and a < b:
            steps[a, i] += 1
            steps[b, i] -= 1
    return bar, gap, np.cumsum(steps, axis=0)[:-1] > 0


def _gaps(market: Market, feed: FileFeed) -> Finding:
    bar, gap, halted = _absent(market, feed)
    bad = gap & ~halted
    says = "sessions without a bar between a stock's first and last one that no suspension explains"
    return _cells("gaps", market, bad, int(bar.sum()), says, _TOO_MANY_GAPS)


def _inside_suspensions(market: Market, feed: FileFeed) -> Finding:
    bar, _, halted = _absent(market, feed)
    return _cells("bars in suspensions", market, bar & halted, int(bar.sum()), "bars on suspended days", _TOO_MANY_GAPS)


# -- prices -------------------------------------------------------------------------------------------


def _mean_prices(market: Market, feed: FileFeed) -> Finding:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = market.amount / market.volume
        bad = (mean > market.high + _FEN) | (mean < market.low - _FEN)
    bad &= np.isfinite(mean)
    says = "bars whose mean price amount / volume lies outside low and high"
    return _cells("mean price", market, bad, int(np.isfinite(mean).sum()), says, _TOO_MANY_MEANS, mean=mean)


def _references(market: Market, feed: FileFeed) -> Finding:
    """``preclose`` = round(close before x factor before / factor, 2)."""
    bar = ~np.isnan(market.close)
    before = np.vstack([np.full((1, bar.shape[1]), np.nan), _carried(market.close)[:-1]])
    factor = np.vstack([np.full((1, bar.shape[1]), np.nan), market.adj_factor[:-1]])
    with np.errstate(invalid="ignore"):
        expected = before * factor / market.adj_factor
        bad = bar & (np.abs(expected - market.preclose) > 0.5 * _FEN + 1e-6 * np.abs(expected))
    says = "bars whose reference price is not the close before times factor before / factor"
    of = int((bar & ~np.isnan(expected)).sum())
    return _cells("reference price", market, bad, of, says, _TOO_MANY_REFERENCES, expected=expected)


def _events(market: Market, feed: FileFeed) -> Finding:
    """Steps of the factor against ex-dates."""
    factor = market.adj_factor
    with np.errstate(invalid="ignore"):
        step = np.abs(factor[1:] / factor[:-1] - 1.0) > 1e-6
    step = np.vstack([np.zeros((1, step.shape[1]), bool), step])
    listed = np.zeros(step.shape, bool)
    listed[market.events["t"], market.events["i"]] = True
    says = "steps of the adjustment factor without a row in ex_rights_events"
    return _cells("factor steps", market, step & ~listed, int(step.sum()), says, 0.01)


def _limits(market: Market, feed: FileFeed) -> Finding:
    check = check_limits(market, feed.read("securities"))
    bad = check.classes[UNEXPLAINED]
    explained = int(check.outside.sum()) - int(bad.sum())
    says = f"bars outside the price limits of their day without an explanation ({explained:,} more are explained)"
    return _cells("price limits", market, bad, int((~np.isnan(market.close)).sum()), says, _TOO_MANY_LIMITS)


def _jumps(market: Market, feed: FileFeed) -> Finding:
    """Closes far from the close before without an ex-date, on days that have a price limit."""
    from engine.rules import NO_LIMIT_UP

    bar = ~np.isnan(market.close)
    before = np.vstack([np.full((1, bar.shape[1]), np.nan), _carried(market.close)[:-1]])
    with np.errstate(invalid="ignore", divide="ignore"):
        change = market.close / before - 1.0
        bad = bar & (np.abs(change) > _JUMP) & (market.limit_up < NO_LIMIT_UP)
    bad[market.events["t"], market.events["i"]] = False
    says = f"closes more than {100 * _JUMP:.0f} % from the close before without an ex-date, on days with a price limit"
    return _cells("jumps", market, bad, int(bar.sum()), says, _TOO_MANY_LIMITS, change=change)


def _shares(market: Market, feed: FileFeed) -> Finding:
    with np.errstate(invalid="ignore"):
        bad = market.float_shares > market.total_shares * 1.000001
        turned = market.volume > market.total_shares
    says = "bars with more floating than total shares, or more shares traded than there are"
    of = int((~np.isnan(market.close)).sum())
    fields = ("float_shares", "total_shares", "volume")
    return _cells(
        "share capital", market, bad | turned, of, says, 0.01,
        tell=lambda t, i: {name: float(getattr(market, name)[t, i]) for name in fields},
    )  # fmt: skip


# -- names and members --------------------------------------------------------------------------------


def _names(market: Market, feed: FileFeed) -> Finding:
    """The ST flag of the bars against the name of the day, at the last session of each month."""
    if market.tables is None or not feed.exists("name_history"):
        return Finding("names", "note", 0, 0, "the folder has no name_history")
    months = market.sessions.astype("datetime64[M]")
    ends = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    names = market.tables.as_of("name_history", "name", market.sessions[ends])
    words, code = np.unique(names.astype(str), return_inverse=True)  # "None" where there is no name yet
    special = np.array(["ST" in word for word in words])[code.reshape(names.shape)]
    known = ~np.isnan(market.close[ends]) & (words != "None")[code.reshape(names.shape)]
    bad = np.zeros(market.shape, bool)
    bad[ends] = known & (special != market.st[ends].astype(bool))
    says = "bars at month ends whose ST flag is not what the name of the day says"
    row_of = {int(t): k for k, t in enumerate(ends)}

    def tell(t: int, i: int) -> dict[str, Any]:
        return {"name": str(names[row_of[t], i]), "is_st": "true" if market.st[t, i] else "false"}

    return _cells("names", market, bad, int(known.sum()), says, 0.01, tell=tell)


def _members(market: Market, feed: FileFeed) -> Finding:
    """The number of members of each index by session."""
    from feeds.universe import memberships

    if not feed.exists("constituents"):
        return Finding("members", "note", 0, 0, "the folder has no constituents")
    table = feed.read("constituents")
    rows: list[dict[str, Any]] = []
    days: list[str] = []
    total = 0
    for code in sorted(set(table["index_code"][~np.isnat(table["in_date"])].tolist())):
        try:
            spells = memberships(feed, code, "index")
        except HuiceError:
            continue  # a list of today only
        everyone = spells.members(market.sessions[0], market.sessions[-1])
        count = spells.mask(market.sessions, everyone).sum(axis=1, dtype=np.int64)
        count = count[np.argmax(count > 0) :] if (count > 0).any() else count
        usual = float(np.median(count)) if len(count) else 0.0
        odd = np.flatnonzero(np.abs(count - usual) > _MEMBERS_OFF * usual)
        first = len(market.sessions) - len(count)
        total += len(count)
        days += [str(market.sessions[first + k]) for k in odd.tolist()]
        rows += [{"date": days[-len(odd) + n], "index": code, "members": int(count[k]), "usual": usual}
                 for n, k in enumerate(odd.tolist())]  # fmt: skip
    says = f"sessions on which an index has over {100 * _MEMBERS_OFF:.0f} % more or fewer members than usual"
    return _finding("members", rows, total, says, "warning" if rows else "ok", days)


# -- reports ------------------------------------------------------------------------------------------


def _reports(market: Market, feed: FileFeed) -> Finding:
    rows: list[dict[str, Any]] = []
    total = early = 0
    for table in feed.report_tables():
        values = feed.read_reports(table)
        total += len(values["symbol"])
        told = values.get("announce_date")
        if told is None:
            rows.append({"table": table, "is": "no day of disclosure: served from the legal deadline"})
            continue
        bad = np.flatnonzero(told <= values["period_end"])
        early += len(bad)
        rows += [
            {"table": table, "symbol": values["symbol"][k], "period": str(values["period_end"][k]),
             "disclosed": str(told[k]), "is": "disclosed before the period's end"} for k in bad[:5].tolist()
        ]  # fmt: skip
    says = "reports disclosed before their period ends; they are served from the legal deadline"
    if not total:
        return Finding("reports", "note", 0, 0, "the folder has no fundamentals")
    return Finding("reports", "fatal" if early else "ok", early, total, says, rows[:MOST_EXAMPLES])


# -- findings -----------------------------------------------------------------------------------------


def _carried(values: np.ndarray) -> np.ndarray:
    """Each value carried forward over the sessions without one."""
    out = values.copy()
    for t in range(1, len(out)):
        np.copyto(out[t], out[t - 1], where=np.isnan(out[t]))
    return out


def _cells(
    check: str,
    market: Market,
    bad: np.ndarray,
    of: int,
    says: str,
    too_many: float,
    tell: Callable[[int, int], dict[str, Any]] | None = None,
    **more: np.ndarray,
) -> Finding:
    """A finding of the cells of a (T, N) mask; ``tell`` gives what to show of one in place of its prices."""
    t, i = np.nonzero(bad)
    level = "ok" if not len(t) else "fatal" if len(t) > too_many * max(of, 1) else "warning"
    years = market.sessions[t].astype("datetime64[Y]").astype(np.int64) + 1970
    pick = np.unique(np.linspace(0, max(len(t) - 1, 0), min(len(t), MOST_EXAMPLES)).astype(int)).tolist()
    rows = []
    for k in pick:
        cell = (t[k], i[k])
        row: dict[str, Any] = {"date": str(market.sessions[t[k]]), "symbol": market.symbols[i[k]]}
        if tell is not None:
            rows.append(row | tell(int(t[k]), int(i[k])))
            continue
        for name in ("preclose", "low", "high", "close"):
            value = float(getattr(market, name)[cell])
            row[name] = None if np.isnan(value) else round(value, 4)
        rows.append(row | {name: round(float(values[cell]), 4) for name, values in more.items()})
    count, number = np.unique(years, return_counts=True)
    by_year = dict(zip(count.tolist(), number.tolist(), strict=True))
    return Finding(check, level, len(t), of, says, rows, by_year)


def _finding(
    check: str, rows: list[dict[str, Any]], of: int, says: str, level: str, days: Sequence[str]
) -> Finding:
    by_year: dict[int, int] = {}
    for day in days:
        by_year[int(day[:4])] = by_year.get(int(day[:4]), 0) + 1
    return Finding(check, level, len(rows), of, says, rows[:MOST_EXAMPLES], by_year)
