"""Opens a data folder as a :class:`engine.market.Market`, through a cache that is mapped into memory.

A panel spans whole calendar years before ``start``, so that signals of different lookbacks share one
cache. The cache is keyed by the content of the tables that were read, by what was asked for, and by the
source of the code that builds the panel: a cache can be stale in no way but by deleting files inside it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.errors import ConfigError, DataError, HuiceError, nearest
from engine.files import replacing
from engine.market import FORMAT, Market
from feeds.benchmark import KINDS
from feeds.built_benchmark import RECIPES
from feeds.exclusions import members_left, parse_exclusions
from feeds.file_feed import FileFeed
from feeds.fingerprint import Digests, fingerprint
from feeds.point_in_time import DATED, PointInTime
from feeds.sources import cache_folder, data_folder, write_folder
from feeds.universe import Universe, index_code, parse_symbols, parse_universe

MARGIN = 5
"""Sessions before the base day and the lookback that are read in any case."""

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = (
    "engine/boards.py",
    "engine/dated_tables.py",
    "engine/market.py",
    "engine/market_fields.py",
    "engine/price_limits.py",
    "engine/rules.py",
    "engine/corporate.py",
    "engine/tables/price_limits.csv",
    "engine/successors.py",
    "engine/tables/successors.csv",
    "feeds/arrow_numpy.py",
    "feeds/bar_arrays.py",
    "feeds/benchmark.py",
    "feeds/built_benchmark.py",
    "feeds/ex_rights.py",
    "feeds/file_feed.py",
    "feeds/panel.py",
    "feeds/parquet_columns.py",
    "feeds/schema.py",
    "feeds/states.py",
    "feeds/store.py",
    "feeds/universe.py",
)
"""Files that decide what a panel holds: their bytes are part of the cache key."""


@dataclass(frozen=True)
class Request:
    """All that decides a panel besides the tables themselves.

    Attributes
    ----------
    universe : Universe
    extra : tuple of str
        Symbols beside the universe, sorted.
    first, last : str
        First and last session.
    benchmark : str
        Index code; "" for none.
    benchmark_kind : str
    """

    universe: Universe
    extra: tuple[str, ...]
    first: str
    last: str
    benchmark: str
    benchmark_kind: str

    @property
    def needs_members(self) -> bool:
        """Whether dated memberships are read."""
        recipe = RECIPES.get(self.benchmark)
        weighs = self.benchmark_kind == "total-return" if recipe is None else bool(recipe.base)
        return self.universe.kind == "index" or (bool(self.benchmark) and weighs)


def open_market(
    data: str,
    *,
    universe: str | Sequence[str],
    start: dt.date | str | None = None,
    end: dt.date | str | None = None,
    lookback: int = 0,
    benchmark: str = "",
    benchmark_kind: str = "total-return",
    extra_symbols: Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    protocol: str = "honest",
    cache: Path | None = None,
) -> Market:
    """Open the panel of a universe.

    Parameters
    ----------
    data : str
        A folder of the store's tables, or ``synthetic[:key=value,...]`` for the embedded market.
    universe : str or sequence of str
        ``all``, an index (``csi300``, ``000905``, ...) as it was on each day, or symbols.
    start, end : date or str, optional
        First and last day of the backtest, inclusive; all that the data have by default. The panel
        begins earlier and holds at least the session before ``start``.
    lookback : int
        Sessions wanted before ``start``; fewer where the data begin later.
    benchmark : str
        Index code; "" for none.
    benchmark_kind : {"total-return", "price"}
    extra_symbols : sequence of str
        Stocks beside the universe (they are no members of it).
    exclude : str or sequence of str
        What is left out of the universe: ``st``, ``suspended``, ``delisting``, ``new:3M``; see
        :mod:`feeds.exclusions`.
    protocol : {"honest", "paper"}
        Under ``paper`` ``suspended`` looks at the next session.
    cache : Path, optional
        See :func:`cache_folder`.

    Returns
    -------
    Market
        With ``info``: ``universe``, ``coverage`` (mean share of the members that have bars), ``files``
        (first 16 digits of each table's SHA-256) and, with a benchmark, ``benchmark`` (code, kind,
        coverage, dividend_yield a year).

    Raises
    ------
    ConfigError
        If an option is malformed or asks for what the data do not have.
    DataError
        If a table, column or row is missing or breaks a rule of :mod:`feeds.schema`, or if the data
        have no session in the span or none before ``start``.
    """
    place = cache_folder(cache)
    asked = parse_universe(universe)
    if benchmark_kind not in KINDS:
        raise ConfigError(f"unknown benchmark_kind '{benchmark_kind}'; {nearest(benchmark_kind, KINDS)}")
    extra, left_out = parse_symbols(extra_symbols), parse_exclusions(exclude)
    feed = FileFeed(data_folder(data, place))
    known = Digests(place / "digests.json")
    calendar, held = _held(feed, known, place)
    first, last, base = _span(calendar, held, _day(start, "start"), _day(end, "end"), lookback)
    request = Request(
        asked,
        extra,
        str(calendar[first]),
        str(calendar[last]),
        index_code(benchmark) if benchmark else "",
        benchmark_kind,
    )
    digests = _digests(feed, request, known)
    whole = fingerprint(digests)

    def build(place: Path | None) -> Market:
        from feeds.panel import build_panel

        return build_panel(feed, calendar, first, last, request, digests, whole, place)

    market = _cached(place, request, whole, build)
    _add_tables(market, feed, digests, known)
    if left_out:
        market.member = members_left(market, left_out, feed, protocol)
        market.member.setflags(write=False)
        market.info["exclude"] = list(left_out)
    if request.benchmark and base is not None:
        _check_base(market, request.benchmark, calendar[base])
    return market


def _add_tables(market: Market, feed: FileFeed, digests: Mapping[str, str], known: Digests) -> None:
    """Put the dated tables beside the panel: they are read when asked for, and the fingerprint covers them."""
    names = [*feed.report_tables(), *(name for name in (*DATED, "constituents", "index_daily") if feed.exists(name))]
    files = dict(digests) | {feed.file(name): _digest(feed, known, feed.file(name)) for name in names}
    known.remember()
    market.fingerprint = fingerprint(files)
    market.info["files"] = {name: digest[:16] for name, digest in sorted(files.items())}
    market.tables = PointInTime(feed.folder, market.symbols, files)


def _day(value: dt.date | str | None, name: str) -> np.datetime64 | None:
    if value is None or value == "":
        return None
    try:
        day = value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} '{value}' is no date; write it like 2012-01-31") from None
    return np.datetime64(day, "D")


def _held(feed: FileFeed, known: Digests, place: Path) -> tuple[np.ndarray, slice]:
    """All sessions, and which of them the bars span.

    Both are remembered by the content of their tables: reading Parquet takes longer than mapping a panel.
    """
    files = [feed.file("calendar"), feed.file("securities")]
    key = hashlib.sha256("".join((*(_digest(feed, known, file) for file in files), _sources())).encode()).hexdigest()
    memory = place / f"calendar-{key[:24]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        days = np.load(memory, allow_pickle=False)
        return days[2:].view("datetime64[D]"), slice(int(days[0]), int(days[1]))
    calendar = feed.calendar()
    bars = feed.read("securities", ["first_bar", "last_bar"])
    if np.isnat(bars["first_bar"]).all() or np.isnat(bars["last_bar"]).all():
        raise DataError("securities.parquet has no stock with bars; fill in first_bar and last_bar")
    begin = int(np.searchsorted(calendar, np.nanmin(bars["first_bar"])))
    stop = int(np.searchsorted(calendar, np.nanmax(bars["last_bar"]), side="right"))
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        with replacing(memory) as beside, beside.open("wb") as file:
            np.save(file, np.concatenate([[begin, stop], calendar.astype(np.int64)]))
    return calendar, slice(begin, stop)


def _span(
    calendar: np.ndarray,
    held: slice,
    start: np.datetime64 | None,
    end: np.datetime64 | None,
    lookback: int,
) -> tuple[int, int, int | None]:
    """Indices in ``calendar`` of the panel's first and last session and of the base day."""
    if start is not None and end is not None and end < start:
        raise ConfigError(f"end {end} is before start {start}; give an end on or after the start")
    begin, stop = held.start, held.stop - 1
    low = begin if start is None else max(int(np.searchsorted(calendar, start)), begin)
    high = stop if end is None else min(int(np.searchsorted(calendar, end, side="right")) - 1, stop)
    if low > high:
        asked = f"from {calendar[0] if start is None else start} to {calendar[-1] if end is None else end}"
        words = (
            f"they hold {calendar[begin]} to {calendar[stop]}"
            if begin <= stop
            else "their calendar ends before their bars"
        )
        raise DataError(f"the data have no trading session {asked}; {words}")
    if start is None:
        return begin, high, None
    if low == begin:
        raise DataError(
            f"start {start} leaves no session before it, which the account needs as its base day: the data "
            f"begin on {calendar[begin]}; start on {calendar[min(begin + 1, stop)]} or later"
        )
    early = max(begin, low - 1 - max(0, int(lookback)) - MARGIN)
    year = calendar[early].astype("datetime64[Y]").astype("datetime64[D]")
    return max(begin, int(np.searchsorted(calendar, year))), high, low - 1


def _check_base(market: Market, code: str, base: np.datetime64) -> None:
    levels = market.series["benchmark_price"]
    if np.isnan(levels[market.position_of(base)]):
        first = market.sessions[int(np.argmax(~np.isnan(levels)))]
        raise DataError(
            f"index_daily.parquet has no close of index {code} on {base}, the session before the start; "
            f"the index begins on {first}: start later or choose another benchmark"
        )


# -- what is read ---------------------------------------------------------------------------------


def _digest(feed: FileFeed, known: Digests, file: str) -> str:
    """SHA-256 of a file that must be there."""
    feed.require(file)
    try:
        return known.of(feed.folder / file)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); check the file") from error


def _digests(feed: FileFeed, request: Request, known: Digests) -> dict[str, str]:
    """SHA-256 of each file that the request reads."""
    tables = ["calendar", "securities", "suspensions", "ex_rights_events"]
    tables += ["constituents"] if request.needs_members else []
    tables += ["index_daily"] if request.benchmark else []
    tables += [name for name in ("name_history", "cn_gov_bond_10y") if feed.exists(name)]
    files = [feed.file(name) for name in tables]
    files += [feed.bar_file(year) for year in range(int(request.first[:4]), int(request.last[:4]) + 1)]
    found = {file: _digest(feed, known, file) for file in files}
    known.remember()
    return found


@functools.cache
def _sources() -> str:
    """Hash of the code and rule tables that decide what a panel holds."""
    total = hashlib.sha256()
    for name in _SOURCES:
        total.update(name.encode() + b"\0" + (_ROOT / name).read_bytes() + b"\0")
    return total.hexdigest()


def _cached(place: Path, request: Request, whole: str, build: Callable[[Path | None], Market]) -> Market:
    """The saved panel of this request, or a new one that is saved.

    ``build`` may write some fields into the folder that it is given.
    """
    identity = {"fingerprint": whole, "format": FORMAT, "sources": _sources(), "request": asdict(request)}
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
    folder = place / f"market-{key}"
    if folder.is_dir():
        # A folder that a crash or a hand has spoilt is worth no words: the tables are there.
        with contextlib.suppress(HuiceError, OSError, ValueError, KeyError, TypeError, EOFError):
            market = Market.load(folder)
            if market.fingerprint == whole and market.close.shape == market.shape:
                return market
    built: list[Market] = []

    def write(beside: Path) -> None:
        from feeds.panel import ON_DISK

        market = build(beside)
        built.append(market)
        market.save(beside, ON_DISK)

    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, not the result
        write_folder(folder, write)
    return built[0] if built else build(None)
