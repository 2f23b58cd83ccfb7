"""The market panel: raw prices and states of all stocks as T sessions x N stocks arrays.

A :class:`Market` is read-only. It is built once from a feed's raw arrays (:meth:`Market.build`),
saved as plain ``.npy`` files and opened memory-mapped (:meth:`Market.load`). Strategies and signals
never index it directly: they look through :meth:`Market.view`, which ends at t, or through stock
handles (:mod:`engine.handles`), which read at the clock's position.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from engine.corporate import EXTRA_COLUMNS
from engine.errors import DataError, LookAheadError, nearest
from engine.market_fields import DERIVED_FIELDS, EVENT_COLUMNS, FIELDS, RAW_FIELDS, complete, event_table
from engine.rules import NO_LIMIT_UP, board_of
from engine.view import View

if TYPE_CHECKING:
    from engine.handles import BarFeed, Clock, StockHandle

__all__ = ["DERIVED_FIELDS", "EVENT_COLUMNS", "FIELDS", "FORMAT", "LISTED_LONG_AGO", "RAW_FIELDS", "Market"]

FORMAT = 2
"""Version of the saved form; part of every cache key."""

LISTED_LONG_AGO = 10_000
"""``age`` of a stock whose first trading days lie well before the panel."""


def _day_numbers(sessions: np.ndarray) -> np.ndarray:
    """Backtrader's float date of each session (days since 0001-01-01, midnight)."""
    return sessions.astype("datetime64[D]").astype(np.int64).astype(np.float64) + 719163.0


class _Saved(NamedTuple):
    """Where a market was opened: its folder, the fingerprint written there, the arrays as they came."""

    folder: Path
    fingerprint: str
    fields: Mapping[str, np.ndarray]


class Market:
    """Prices, states, events and series of one panel.

    Attributes
    ----------
    sessions : ndarray of datetime64[D], shape (T,)
    symbols : list of str, length N, sorted
    open, high, low, close, preclose : ndarray of float64, shape (T, N)
        Unadjusted yuan, NaN on sessions without a bar. ``preclose`` is the exchange's reference
        price (lowered on ex-dates).
    volume, amount : ndarray of float64, shape (T, N)
        Shares and yuan, NaN without a bar.
    turnover : ndarray of float64, shape (T, N)
        Fraction of the float traded.
    total_shares, float_shares : ndarray of float64, shape (T, N)
    adj_factor : ndarray of float64, shape (T, N)
        Cumulative forward factor, carried over sessions without a bar; ``close * adj_factor`` is the
        back-adjusted price.
    mark : ndarray of float64, shape (T, N)
        Last close, carried forward (also past a delisting); NaN before the first bar.
    traded, listed, st, member : ndarray of uint8, shape (T, N)
    state : ndarray of uint8, shape (T, N)
        Places in :data:`engine.price_limits.STATES`: what decides the price limits beside board, age and date.
    age : ndarray of int32, shape (T, N)
        Own trading days up to and including the session; 0 before listing.
    limit_up, limit_down : ndarray of int32, shape (T, N)
        Price limits in fen: the feed's own where it has them, else :func:`engine.rules.price_limits`.
    events : dict of ndarray
        Corporate events sorted by session and stock, columns :data:`EVENT_COLUMNS` and
        :data:`engine.corporate.EXTRA_COLUMNS`.
    series : dict of ndarray, shape (T,)
        ``benchmark``, ``benchmark_price``, ``risk_free_10y`` where the feed has them.
    calendar : ndarray of datetime64[D]
        All known sessions; reaches beyond the panel where the data do.
    names : dict of str to str
        Stock name by symbol, the last one known in the panel.
    info : dict
        Coverage and provenance, JSON-able.
    fingerprint : str
        Content hash of the tables that the panel was read from.
    """

    fields: ClassVar = frozenset(FIELDS)
    """Names of the (T, N) arrays."""

    sessions: np.ndarray
    symbols: list[str]
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    preclose: np.ndarray
    volume: np.ndarray
    amount: np.ndarray
    turnover: np.ndarray
    total_shares: np.ndarray
    float_shares: np.ndarray
    adj_factor: np.ndarray
    mark: np.ndarray
    traded: np.ndarray
    listed: np.ndarray
    st: np.ndarray
    state: np.ndarray
    age: np.ndarray
    limit_up: np.ndarray
    limit_down: np.ndarray
    member: np.ndarray

    def __init__(
        self,
        sessions: np.ndarray,
        symbols: Sequence[str],
        fields: Mapping[str, np.ndarray],
        *,
        last_session: np.ndarray,
        delisted: np.ndarray,
        events: Mapping[str, np.ndarray],
        names: Mapping[str, str],
        series: Mapping[str, np.ndarray],
        calendar: np.ndarray,
        info: Mapping[str, Any],
        fingerprint: str,
    ) -> None:
        self.sessions = np.asarray(sessions, dtype="datetime64[D]")
        self.symbols = list(symbols)
        self.symbol_array = np.array(self.symbols, dtype=object)
        self.index = {symbol: i for i, symbol in enumerate(self.symbols)}
        self.boards = [board_of(symbol) for symbol in self.symbols]
        self.exchanges = [symbol[-2:] for symbol in self.symbols]
        for name in FIELDS:
            setattr(self, name, fields[name])
        self.last_session = np.asarray(last_session, dtype=np.int32)
        self.delisted = np.asarray(delisted, dtype=bool)
        self.events = {name: np.asarray(events[name]) for name in (*EVENT_COLUMNS, *EXTRA_COLUMNS)}
        self.names = dict(names)
        self.series = dict(series)
        self.calendar = np.asarray(calendar, dtype="datetime64[D]")
        self.info = dict(info)
        self.fingerprint = fingerprint
        self.same_day = frozenset(self.column(symbol) for symbol in self.info.get("same_day", ()))
        """Stocks that may be sold on the day of purchase (T+0)."""
        self.day_numbers = _day_numbers(self.sessions)
        self._freeze()
        self.tables: Any = None
        """What knows the dated tables of the data folder: a :class:`feeds.point_in_time.PointInTime`."""
        self._clock: Clock | None = None
        self._handles: dict[int, StockHandle] = {}
        self._shared: dict[Any, Any] = {}
        self._saved: _Saved | None = None

    def _freeze(self) -> None:
        """Make every array read-only."""
        arrays = [getattr(self, name) for name in (*FIELDS, "sessions", "calendar", "last_session", "delisted")]
        for array in (*arrays, self.day_numbers, *self.events.values(), *self.series.values()):
            array.setflags(write=False)

    def __getstate__(self) -> dict[str, Any]:
        """All of it; of a market opened from a folder, the folder, its fingerprint and what has changed since."""
        if self._saved is None:
            return self.__dict__ | {"_clock": None, "_handles": {}, "_shared": {}}
        folder, fingerprint, opened = self._saved
        changed = {name: array for name, array in ((n, getattr(self, n)) for n in FIELDS) if array is not opened[name]}
        more = {name: getattr(self, name) for name in ("info", "series", "fingerprint", "tables")}
        return {"saved": (folder, fingerprint), "changed": changed | more}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "saved" in state:
            folder, fingerprint = state["saved"]
            opened = type(self).load(folder)
            if opened.fingerprint != fingerprint:
                raise DataError(f"the market cache '{folder.name}' holds other data than before; run again")
            self.__dict__ |= opened.__dict__ | state["changed"]
        else:
            self.__dict__ |= state
        self._freeze()

    # -- construction ---------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        sessions: np.ndarray,
        symbols: Sequence[str],
        raw: Mapping[str, np.ndarray],
        *,
        list_age: np.ndarray | None = None,
        last_session: np.ndarray | None = None,
        delisted: np.ndarray | None = None,
        member: np.ndarray | None = None,
        states: np.ndarray | None = None,
        events: Mapping[str, np.ndarray] | None = None,
        names: Mapping[str, str] | None = None,
        series: Mapping[str, np.ndarray] | None = None,
        calendar: np.ndarray | None = None,
        info: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        same_day: Sequence[str] = (),
    ) -> Market:
        """Derive states and limits from a feed's raw arrays.

        Parameters
        ----------
        sessions : ndarray of datetime64[D], shape (T,)
        symbols : sequence of str, length N, sorted
        raw : mapping of str to ndarray, shape (T, N)
            :data:`RAW_FIELDS` as float64 (NaN without a bar) and ``st`` as uint8. ``open``, ``high``,
            ``low``, ``close`` are needed; what else is absent is derived where a definition exists
            (preclose from the close before, adj_factor 1) or left NaN. ``limit_up`` and ``limit_down``,
            the feed's own price limits in yuan, take the place of ours where they are not NaN.
        list_age : ndarray of int32, shape (N,)
            Own trading days before the panel: 0 for a stock that lists inside it.
        last_session : ndarray of int32, shape (N,)
            Index of the last session on which the stock is listed.
        delisted : ndarray of bool, shape (N,)
            Whether the stock leaves the market after ``last_session``.
        member : ndarray of uint8, shape (T, N)
            Membership of the universe; all ones by default.
        states : ndarray of uint8, shape (T, N)
            Codes of :data:`engine.price_limits.STATES`; where 0, ``st`` decides between normal and ST.
        events, names, series, calendar, info, fingerprint
            As the attributes of the same names.

        Raises
        ------
        DataError
            If the symbols are not sorted and unique or an array has another shape than (T, N).
        """
        sessions = np.asarray(sessions, dtype="datetime64[D]")
        symbols = list(symbols)
        rows, columns = len(sessions), len(symbols)
        if symbols != sorted(set(symbols)):
            raise DataError("the symbols of a market must be sorted and without duplicates")
        given_states = {} if states is None else {"states": states}
        for name, array in (*raw.items(), *given_states.items()):
            if array.shape != (rows, columns):
                raise DataError(f"field '{name}' has shape {array.shape}, expected {(rows, columns)} (T, N)")
        listed_before = (
            np.full(columns, LISTED_LONG_AGO, dtype=np.int32) if list_age is None else np.asarray(list_age, np.int32)
        )
        ends = np.full(columns, rows - 1, dtype=np.int32) if last_session is None else np.asarray(last_session)
        table = event_table(events)
        return cls(
            sessions,
            symbols,
            complete(sessions, symbols, raw, listed_before, ends, table, member, states),
            last_session=ends,
            delisted=np.zeros(columns, bool) if delisted is None else delisted,
            events=table,
            names=names or {},
            series=series or {},
            calendar=sessions if calendar is None else calendar,
            info={**(info or {}), **({"same_day": sorted(same_day)} if same_day else {})},
            fingerprint=fingerprint,
        )

    # -- saved form -----------------------------------------------------------------------------

    def save(self, folder: Path, present: Collection[str] = ()) -> None:
        """Write the panel into the new ``folder`` as ``.npy`` files and ``meta.json``.

        Parameters
        ----------
        folder : Path
        present : collection of str
            Fields whose arrays are mapped from files that a feed has put into ``folder`` already.
        """
        folder.mkdir(parents=True, exist_ok=bool(present))
        for name in FIELDS:
            if name in present:
                continue
            np.save(folder / f"{name}.npy", getattr(self, name))
        for name in ("sessions", "calendar", "last_session", "delisted"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        for name, array in self.events.items():
            np.save(folder / f"event_{name}.npy", array)
        for name, array in self.series.items():
            np.save(folder / f"series_{name}.npy", array)
        meta = {
            "format": FORMAT,
            "symbols": self.symbols,
            "names": self.names,
            "series": sorted(self.series),
            "info": self.info,
            "fingerprint": self.fingerprint,
        }
        (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Market:
        """Open a saved panel memory-mapped.

        It pickles as the folder and its fingerprint: another process opens it again and shares its memory.

        Raises
        ------
        DataError
            If the folder is incomplete or was written by another version.
        """
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            if meta["format"] != FORMAT:
                raise ValueError(f"format {meta['format']}, expected {FORMAT}")

            def read(name: str, mode: Literal["r"] | None = None) -> np.ndarray:
                # A plain array over the same pages: indexing a memmap costs a microsecond of Python each time.
                return np.asarray(np.load(folder / f"{name}.npy", mmap_mode=mode, allow_pickle=False))

            fields = {name: read(name, "r") for name in FIELDS}
            market = cls(
                read("sessions"),
                meta["symbols"],
                fields,
                last_session=read("last_session"),
                delisted=read("delisted"),
                events={name: read(f"event_{name}") for name in (*EVENT_COLUMNS, *EXTRA_COLUMNS)},
                names=meta["names"],
                series={name: read(f"series_{name}") for name in meta["series"]},
                calendar=read("calendar"),
                info=meta["info"],
                fingerprint=meta["fingerprint"],
            )
            market._saved = _Saved(folder.resolve(), market.fingerprint, fields)
            return market
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"the market cache '{folder.name}' cannot be read ({error}); delete it and run again"
            ) from error

    # -- looking in -----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N)."""
        return len(self.sessions), len(self.symbols)

    def __repr__(self) -> str:
        span = f"{self.sessions[0]} .. {self.sessions[-1]}" if len(self.sessions) else "empty"
        return f"Market({len(self.sessions)} sessions x {len(self.symbols)} stocks, {span})"

    def column(self, symbol: str) -> int:
        """Index of ``symbol`` among the N stocks.

        Raises
        ------
        DataError
            If the market does not hold it.
        """
        try:
            return self.index[symbol]
        except (KeyError, TypeError):
            few = len(self.symbols) <= 40
            advice = nearest(str(symbol), self.symbols) if few else "check the code or widen the universe"
            raise DataError(f"'{symbol}' is not in this market of {len(self.symbols)} stocks; {advice}") from None

    def columns(self, symbols: Iterable[str]) -> list[int]:
        """:meth:`column` of each of ``symbols``."""
        wanted = list(symbols)
        try:
            return [*map(self.index.__getitem__, wanted)]
        except (KeyError, TypeError):
            return [self.column(symbol) for symbol in wanted]

    def position_of(self, date: Any, side: str = "left") -> int:
        """Index of the first session on or after ``date`` (``side="right"``: after it)."""
        return int(np.searchsorted(self.sessions, np.datetime64(date, "D"), side=side))  # type: ignore[call-overload]

    def view(self, t: int | None = None) -> View:
        """What is known after the close of session ``t`` (default: the clock's latest known close).

        Raises
        ------
        LookAheadError
            If a clock runs and ``t`` lies after the last close it has seen.
        """
        known = None if self._clock is None or not len(self._clock) else self._clock.known
        if t is None:
            t = len(self.sessions) - 1 if known is None else known
        elif known is not None and t > known:
            raise LookAheadError(
                f"a view of {self.sessions[t] if t < len(self.sessions) else t} was asked for "
                f"when only closes up to {self.sessions[known] if known >= 0 else 'nothing'} are known"
            )
        return View(self, t)

    @property
    def known(self) -> Any:
        """The dated tables of the folder that the market was opened from.

        Raises
        ------
        DataError
            If it was built from arrays.
        """
        if self.tables is None:
            raise DataError("this market was built from arrays and has no reports; open a data folder")
        return self.tables

    def shared(self, make: Callable[[Market], Any]) -> Any:
        """What ``make(market)`` derives from the arrays, made once for this market and all its forks."""
        found = self._shared.get(make)
        if found is None:
            found = self._shared[make] = make(self)
        return found

    def fork(self) -> Market:
        """A copy that shares all arrays but has a clock and handles of its own (one per run)."""
        twin = type(self).__new__(type(self))
        twin.__dict__ |= self.__dict__
        twin._clock = None
        twin._handles = {}
        return twin

    # -- Backtrader's side ----------------------------------------------------------------------

    def clock(self, start: Any = None, end: Any = None) -> Clock:
        """The one feed that drives Cerebro: a bar on every session in [start, end]."""
        from engine.handles import Clock

        first = 0 if start is None else self.position_of(start)
        last = (len(self.sessions) if end is None else self.position_of(end, "right")) - 1
        if first > last:
            raise DataError(f"there is no trading session between {start} and {end} in this market")
        self._clock = Clock(market=self, first=first, last=last)
        return self._clock

    @property
    def running(self) -> Clock:
        """The clock of the current run.

        Raises
        ------
        LookAheadError
            If no clock has been made or its first bar has not come.
        """
        if self._clock is None:
            raise LookAheadError("no clock runs on this market; make one with market.clock() and add it to Cerebro")
        return self._clock

    def __getitem__(self, symbol: str) -> StockHandle:
        """The handle of one stock, accepted wherever Backtrader's order methods take a ``data``."""
        return self.handle(self.column(symbol))

    def handle(self, i: int) -> StockHandle:
        """The handle of stock index ``i``."""
        found = self._handles.get(i)
        if found is None:
            from engine.handles import StockHandle

            found = self._handles[i] = StockHandle(self, i)
        return found

    def bar_feed(self, symbol: str) -> BarFeed:
        """A true Backtrader feed of one stock with a bar on every session of the clock.

        It shares position and trades with the handle ``market[symbol]``.
        """
        from engine.handles import BarFeed

        clock = self.running
        return BarFeed(market=self, symbol=symbol, first=clock.p.first, last=clock.p.last)  # type: ignore[call-arg]

    def limits(self, symbol: str, t: int) -> tuple[float | None, float | None]:
        """Lower and upper price limit of a session in yuan; ``None`` where there is no limit."""
        i = self.column(symbol)
        up, down = int(self.limit_up[t, i]), int(self.limit_down[t, i])
        return (None if down <= 0 else down / 100.0, None if up >= NO_LIMIT_UP else up / 100.0)
