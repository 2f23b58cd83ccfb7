"""Builds the panel of a request from a data folder: columns, states, events, names, benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import DataError, nearest
from engine.market import LISTED_LONG_AGO, Market
from engine.successors import code_changes
from feeds import benchmark, schema
from feeds.bar_arrays import BarTarget
from feeds.built_benchmark import (
    Recipe,
    all_share_members,
    equal_weighted,
    float_weighted,
    gross_returns,
    recipe_for,
)
from feeds.ex_rights import events_of, mend_share_ratios
from feeds.file_feed import FileFeed
from feeds.states import day_states
from feeds.universe import PROXIES, Memberships, Universe, largest, memberships

if TYPE_CHECKING:
    from feeds.store import Request

ON_DISK = ("open", "high", "low", "amount", "turnover", "total_shares", "float_shares")
"""Fields that a market takes over from the bars as they are."""

_LONG_AGO = 250
"""Sessions before the panel after which the exact age of a stock matters no more."""

_DAY_MARK = re.compile(r"^(?:XD|XR|DR|[NC](?=S?\*?ST|[^A-Za-z*]))")
_LISTED_MOST = 5
"""Symbols that an error message names."""


def build_panel(
    feed: FileFeed,
    calendar: np.ndarray,
    first: int,
    last: int,
    request: Request,
    digests: Mapping[str, str],
    fingerprint: str,
    folder: Path | None = None,
) -> Market:
    """Read the tables and build the market.

    Parameters
    ----------
    feed : FileFeed
    calendar : ndarray of datetime64[D]
        All sessions.
    first, last : int
        Indices of the panel's first and last session in ``calendar``.
    request : Request
    digests : mapping of str to str
        SHA-256 of each file read.
    fingerprint : str
        The hash over them.
    folder : Path, optional
        Where the fields :data:`ON_DISK` are written while they are read; by default all stay in memory.

    Raises
    ------
    ConfigError, DataError
        As :func:`feeds.store.open_market`.
    OSError
        If ``folder`` cannot be written.
    """
    sessions = calendar[first : last + 1]
    recipe = recipe_for(feed, request.benchmark) if request.benchmark else None
    listed = bool(request.benchmark) and recipe is None  # the data have the index itself
    levels = benchmark.price_levels(feed, request.benchmark, sessions) if listed else None
    index = memberships(feed, request.universe.code, "universe") if request.universe.kind == "index" else None
    weighed: Memberships | None = None
    published: np.ndarray | None = None
    if listed and request.benchmark_kind == "total-return":
        published = benchmark.published_total_return(feed, request.benchmark, sessions)
    if listed and request.benchmark_kind == "total-return" and published is None:
        weighed = memberships(feed, request.benchmark, "total-return benchmark")
    elif recipe is not None and recipe.base:
        weighed = memberships(feed, recipe.base, f"benchmark {request.benchmark}")
    securities = feed.read("securities")
    present = feed.symbols_with_bars(sessions[0], sessions[-1])
    symbols = _columns(request, index, sessions, present, set(securities["symbol"].tolist()))
    fields = [*schema.BAR_NUMBERS, *schema.BAR_OPTIONAL, "st"]
    panel = BarTarget(symbols, fields, {"turnover": 100.0}, folder, ON_DISK)
    targets = [panel]
    if weighed is not None or recipe is not None:
        inside, known = set(symbols), set(present)
        wanted = present if weighed is None else weighed.members(sessions[0], sessions[-1])
        others = [symbol for symbol in wanted if symbol in known and symbol not in inside]
        more = [] if recipe is None else ["preclose", "st"]
        targets.append(BarTarget(others, ["close", "float_shares", *more]))
    feed.read_bars(calendar, first, last, targets)
    raw = panel.arrays

    rights = feed.read("ex_rights_events")
    info: dict[str, Any] = {
        "universe": request.universe.name,
        "coverage": 1.0,
        "files": {name: digest[:16] for name, digest in sorted(digests.items())},
    }
    member: np.ndarray | None = None
    if index is not None:
        member = index.mask(sessions, symbols)
        info["coverage"] = _coverage(index, sessions, symbols)
        if request.universe.code in PROXIES:
            value = benchmark.carried(raw["close"]) * benchmark.carried(raw["float_shares"])
            member = largest(member, value, PROXIES[request.universe.code][2])
    elif request.universe.kind == "symbols":
        chosen = set(request.universe.symbols)
        member = np.tile(np.array([symbol in chosen for symbol in symbols], np.uint8), (len(sessions), 1))
        info["coverage"] = len(chosen & set(symbols)) / len(chosen)
    else:
        member = _once(sessions, symbols)
    series: dict[str, np.ndarray] = {}
    if levels is not None:
        if published is not None:
            series = {"benchmark": published, "benchmark_price": levels}
            info["benchmark"] = {"code": request.benchmark, "kind": request.benchmark_kind, "published": True}
        else:
            series, info["benchmark"] = _benchmark(request, sessions, levels, weighed, targets, rights, calendar)
    if recipe is not None:
        series, info["benchmark"] = _built(request, recipe, sessions, weighed, targets, rights, calendar, securities)
    if feed.exists("cn_gov_bond_10y"):
        series["risk_free_10y"] = benchmark.bond_yield(feed, sessions)
    halts = feed.read("suspensions")
    names = feed.read("name_history") if feed.exists("name_history") else None
    last_session, delisted = _departures(halts, securities, sessions, symbols)
    return Market.build(
        sessions,
        symbols,
        raw,
        list_age=_list_age(securities, calendar, first, symbols),
        last_session=last_session,
        delisted=delisted,
        member=member,
        states=day_states(sessions, symbols, calendar, raw["close"], securities, halts, names),
        events=mend_share_ratios(events_of(rights, sessions, symbols, calendar), raw["total_shares"]),
        names=_names(names, sessions[-1], symbols),
        series=series,
        calendar=calendar,
        info=info,
        fingerprint=fingerprint,
    )


def _columns(
    request: Request, index: Memberships | None, sessions: np.ndarray, present: Sequence[str], known: set[str]
) -> list[str]:
    """Symbols of the panel, sorted: those of the universe that have bars, and the extra ones."""
    universe: Universe = request.universe
    asked = universe.symbols if universe.kind == "symbols" else ()
    for symbol in (*asked, *request.extra):
        if symbol not in known:
            raise DataError(
                f"securities.parquet does not list {symbol}; {nearest(symbol, _alike(symbol, known))}"
            )
    with_bars = set(present)
    for symbol in request.extra:
        if symbol not in with_bars:
            raise DataError(
                f"{symbol} has no bar from {sessions[0]} to {sessions[-1]}; leave it out or move the dates"
            )
    unlisted = sorted(with_bars - known)
    if index is not None:
        chosen = with_bars.intersection(index.members(sessions[0], sessions[-1]))
    else:
        chosen = with_bars if universe.kind == "all" else with_bars.intersection(asked)
    if not chosen:
        raise DataError(
            f"no stock of universe '{universe.name}' has bars from {sessions[0]} to {sessions[-1]}; "
            "move the dates"
        )
    symbols = sorted(chosen | set(request.extra))
    lost = [symbol for symbol in unlisted if symbol in set(symbols)]
    if lost:
        raise DataError(
            f"securities.parquet does not list {', '.join(lost[:_LISTED_MOST])}, which daily_bars holds; "
            "add the rows"
        )
    return symbols


def _once(sessions: np.ndarray, symbols: Sequence[str]) -> np.ndarray | None:
    """Membership that counts a company once whose code changed, uint8 (T, N); None where there is none.

    Sources that keep both codes give the new one the bars of the old: until the change only the old one is in.
    """
    columns = {symbol: i for i, symbol in enumerate(symbols)}
    changed = [row for new, row in code_changes().items() if new in columns and row.old in columns]
    if not changed:
        return None
    member = np.ones((len(sessions), len(symbols)), np.uint8)
    for row in changed:
        member[sessions < row.date, columns[row.new]] = 0
    return member


def _alike(symbol: str, known: set[str]) -> list[str]:
    """Symbols worth suggesting for one that is not known."""
    return sorted(other for other in known if other[:3] == symbol[:3])[:2000] or sorted(known)[:_LISTED_MOST]


def _coverage(index: Memberships, sessions: np.ndarray, symbols: Sequence[str]) -> float:
    """Mean over sessions of the share of members that have a column."""
    everyone = index.members(sessions[0], sessions[-1])
    mask = index.mask(sessions, everyone)
    columns = set(symbols)
    there = mask[:, np.array([symbol in columns for symbol in everyone])].sum(axis=1, dtype=np.int64)
    listed = mask.sum(axis=1, dtype=np.int64)
    some = listed > 0
    return float(np.mean(there[some] / listed[some])) if some.any() else 0.0


def _benchmark(
    request: Request,
    sessions: np.ndarray,
    levels: np.ndarray,
    weighed: Memberships | None,
    targets: Sequence[BarTarget],
    rights: Mapping[str, np.ndarray],
    calendar: np.ndarray,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    about: dict[str, Any] = {"code": request.benchmark, "kind": request.benchmark_kind}
    if weighed is None:
        return {"benchmark": levels, "benchmark_price": levels}, about
    members = weighed.members(sessions[0], sessions[-1])
    symbols, (close, float_shares) = _gathered(targets, members, ("close", "float_shares"))
    events = events_of(rights, sessions, symbols, calendar)
    yields = benchmark.dividend_yields(weighed.mask(sessions, symbols), close, float_shares, events)
    about["coverage"] = _coverage(weighed, sessions, symbols)
    about["dividend_yield"] = benchmark.annual_yield(sessions, yields)
    return {"benchmark": benchmark.total_return(levels, yields), "benchmark_price": levels}, about


def _built(
    request: Request,
    recipe: Recipe,
    sessions: np.ndarray,
    weighed: Memberships | None,
    targets: Sequence[BarTarget],
    rights: Mapping[str, np.ndarray],
    calendar: np.ndarray,
    securities: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Levels of a benchmark that the data lack, and what there is to say of it."""
    everyone = [symbol for target in targets for symbol in target.symbols]
    members = everyone if weighed is None else weighed.members(sessions[0], sessions[-1])
    names = ("close", "preclose", "float_shares", "st")
    symbols, (close, preclose, float_shares, st) = _gathered(targets, members, names)
    total, price = gross_returns(close, preclose, events_of(rights, sessions, symbols, calendar))
    about: dict[str, Any] = {"code": request.benchmark, "kind": request.benchmark_kind, "built": recipe.name}
    if weighed is None:
        at = {symbol: k for k, symbol in enumerate(securities["symbol"].tolist())}
        days = securities["list_date"][[at[symbol] for symbol in symbols]]
        member, about["coverage"] = all_share_members(st, close, sessions, days), 1.0
    else:
        member, about["coverage"] = weighed.mask(sessions, symbols) > 0, _coverage(weighed, sessions, symbols)
    value = benchmark.carried(close * float_shares)
    if recipe.equal:
        priced = np.zeros(member.shape, dtype=bool)
        priced[1:] = ~np.isnan(value[:-1])
        levels = [equal_weighted(member, priced, gross) for gross in (total, price)]
    else:
        levels = [float_weighted(member, value, gross) for gross in (total, price)]
    used = levels[0] if request.benchmark_kind == "total-return" else levels[1]
    return {"benchmark": used, "benchmark_price": levels[1]}, about


def _gathered(
    targets: Sequence[BarTarget], wanted: Iterable[str], names: Sequence[str]
) -> tuple[list[str], list[np.ndarray]]:
    """Columns of the symbols wanted out of all targets: the symbols, and an array (T, M) for each of ``names``."""
    chosen = set(wanted)
    columns = [[i for i, symbol in enumerate(target.symbols) if symbol in chosen] for target in targets]
    symbols = [target.symbols[i] for target, some in zip(targets, columns, strict=True) for i in some]
    blocks = [np.hstack([t.arrays[name][:, some] for t, some in zip(targets, columns, strict=True)]) for name in names]
    return symbols, blocks


def _list_age(
    securities: Mapping[str, np.ndarray], calendar: np.ndarray, first: int, symbols: Sequence[str]
) -> np.ndarray:
    """Trading days of each stock before the panel, int32 (N,); 0 for those that list inside."""
    begin = calendar[first]
    listed = np.where(np.isnat(securities["list_date"]), securities["first_bar"], securities["list_date"])
    row = {symbol: k for k, symbol in enumerate(securities["symbol"].tolist())}
    days = listed[[row[symbol] for symbol in symbols]]
    sessions = first - np.searchsorted(calendar, days)
    # Before the calendar begins weekdays stand for sessions; with their holidays they count a little high.
    weekdays = np.busday_count(np.minimum(days, calendar[0]), calendar[0])
    age = np.maximum(sessions, 0) + weekdays
    return np.where(days >= begin, 0, np.where(age > _LONG_AGO, LISTED_LONG_AGO, age)).astype(np.int32)


def _departures(
    halts: Mapping[str, np.ndarray], securities: Mapping[str, np.ndarray], sessions: np.ndarray, symbols: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Last listed session of each stock, int32 (N,), and whether it leaves the market then.

    A stock whose bars stop is delisted, unless ``suspensions`` says that it is still suspended.
    """
    suspended = set(halts["symbol"][np.isnat(halts["end"])].tolist())
    row = {symbol: k for k, symbol in enumerate(securities["symbol"].tolist())}
    at = np.array([row[symbol] for symbol in symbols])
    last_bar = securities["last_bar"][at]
    halted = np.array([symbol in suspended for symbol in symbols])
    delisted = ~securities["active_at_end"][at] & (last_bar < sessions[-1]) & ~halted
    index = np.searchsorted(sessions, last_bar, side="right") - 1
    return np.where(delisted, index, len(sessions) - 1).astype(np.int32), delisted


def _names(table: Mapping[str, np.ndarray] | None, end: np.datetime64, symbols: Sequence[str]) -> dict[str, str]:
    """Last name of each symbol on or before ``end``, without the marks of single days.

    On an ex-date the exchange writes XD before a name and cuts its end off to make room, so the last
    unmarked name is taken where it begins with what is left.
    """
    if table is None:
        return {}
    wanted = set(symbols)
    order = np.argsort(table["start_date"], kind="stable")
    order = order[table["start_date"][order] <= end]
    names: dict[str, str] = {}
    for symbol, name in zip(table["symbol"][order].tolist(), table["name"][order].tolist(), strict=True):
        if symbol not in wanted or name is None:
            continue
        plain = _DAY_MARK.sub("", name)
        if plain == name or not names.get(symbol, "").startswith(plain):
            names[symbol] = plain
    return {symbol: names[symbol] for symbol in symbols if symbol in names}
