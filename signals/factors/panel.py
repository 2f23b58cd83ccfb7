"""What a factor computes from: the market up to its last session, packed by stock, and the reports known by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from engine.errors import ConfigError, DataError
from engine.market import Market
from engine.view import View
from signals.factors import packing
from signals.factors.recursions import WARM, Recursions

Made = TypeVar("Made")


class FactorPanel:
    """Bars, reports and dated tables of N stocks, asked for at D sessions.

    A window of a factor counts a stock's own bars: sessions on which it was halted are not there, and a stock without
    a bar on a session has no factor on it.

    Parameters
    ----------
    source : Market or View
        A view ends at its t, and so does everything here.
    rows : sequence of int, optional
        Sessions asked for, ascending indices; all of a market and the last of a view by default.
    tail : int, optional
        Pack only the last so many bars of each stock up to the first session asked for, and those after it. Enough for
        factors whose ``lookback`` is at most ``tail``; the whole history by default.
    along : FactorPanel, optional
        Another panel of the same source, with which :meth:`of_source` is shared.
    since : int, optional
        A session before the first one asked for, from which factors go on: what is packed are the ``tail`` bars up to
        it, at least 2 ``recursions.WARM``, and all after it.
    states : mapping of str to ndarray, optional
        What ``recursions.kept`` was of a panel whose last session asked for was ``since``.
    series : mapping of str to ndarray, optional
        What ``left`` was of a panel of the same history that ended with an earlier session.

    Attributes
    ----------
    source : Market or View
    shape : tuple of int
        (D, N).
    tail : int or None
        As given.
    rows : ndarray of int64, shape (D,)
    dates : ndarray of datetime64[D], shape (D,)
    symbols : list of str, length N
    starts : ndarray of int64, shape (N + 1,)
        Bars of stock i are packed rows ``starts[i]:starts[i + 1]``.
    runs : ndarray of int64
        ``starts`` for rolling kernels: stocks that have bars before all that may be asked for are taken as one, which
        spares the windows at their beginning. Equal to ``starts`` where the whole history is packed.
    recursions : Recursions
        States of the averages that remember all of the history.
    left : dict of str to ndarray
        Series of :meth:`daily` by name, those of the panels along this one among them.

    Raises
    ------
    ConfigError
        If ``rows`` are not ascending or lie outside the source.
    """

    def __init__(
        self,
        source: Market | View,
        rows: Sequence[int] | np.ndarray | None = None,
        tail: int | None = None,
        along: FactorPanel | None = None,
        since: int | None = None,
        states: Mapping[str, np.ndarray] | None = None,
        series: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.source = source
        self._market: Market = source._market if isinstance(source, View) else source
        self.sessions: np.ndarray = source.sessions
        count = len(self.sessions)
        if rows is None:
            rows = [count - 1] if isinstance(source, View) else range(count)
        self.rows = np.asarray(rows, dtype=np.int64)
        if len(self.rows) and (self.rows[0] < 0 or self.rows[-1] >= count or (np.diff(self.rows) <= 0).any()):
            raise ConfigError(f"factors are asked for at ascending sessions from 0 to {count - 1} of this panel")
        self.dates = self.sessions[self.rows]
        self.symbols = source.symbols
        self.shape = (len(self.rows), len(self.symbols))
        self.tail = tail
        self._traded: np.ndarray = source.traded
        end, held = 0, 0
        if tail is None or not len(self.rows):
            self._begin = np.zeros(len(self.symbols), dtype=np.int64)
        elif since is None:
            wanted = np.asarray(self._traded[self.rows].any(axis=0))
            end, held = int(self.rows[0]), int(tail) - 1
            self._begin = packing.last_bars(self._traded, wanted, end, held)
        else:
            wanted = np.asarray(self._traded[since + 1 : self.rows[-1] + 1].any(axis=0))
            end, held = since + 1, int(tail)
            self._begin = packing.last_bars(self._traded, wanted, end, held)
        self._order = np.argsort(self._begin, kind="stable")
        counts = packing.count_bars(self._traded, self._begin, self._order)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.runs = self._runs(counts - self._traded[end:].sum(axis=0, dtype=np.int64) >= held) if held else self.starts
        self._memo: dict[Any, Any] = {}
        self._under: dict[Any, set[str]] = {}
        self.recursions = self._recursions(since, states)
        self._of_source: dict[Any, Any] = {} if along is None else along._of_source
        self._series = {} if series is None else series
        self.left: dict[str, np.ndarray] = {} if along is None else along.left

    def _runs(self, cut: np.ndarray) -> np.ndarray:
        """Starts without those between two stocks of which no value is asked for whose window reaches over them."""
        counts = np.diff(self.starts)
        whole = (counts > 0) & ~cut
        edges = np.zeros(len(self.starts), dtype=bool)
        edges[[0, -1]] = True
        edges[:-1] |= whole
        edges[1:] |= whole
        return self.starts[edges]

    def _recursions(self, since: int | None, states: Mapping[str, np.ndarray] | None) -> Recursions:
        def before(session: int) -> np.ndarray:
            """Packed row of each stock, the warming bars before those after a session; its first if it has fewer."""
            after = self._traded[session + 1 :].sum(axis=0, dtype=np.int64)
            return np.maximum(self.starts[:-1], self.starts[1:] - after - WARM)

        begin = self.starts[:-1] if since is None else before(since)
        mark = np.maximum(begin, before(int(self.rows[-1]))) if len(self.rows) else begin
        return Recursions(begin, mark, self.starts[1:], states)

    # -- bars, packed -------------------------------------------------------------------------------

    def shared(self, key: Any, make: Callable[[], Made]) -> Made:
        """What ``make()`` gives, made once for all factors of this panel."""
        if key not in self._memo:
            outer, self.recursions.used = self.recursions.used, set()
            try:
                self._memo[key] = make()
            finally:
                self._under[key], self.recursions.used = self.recursions.used, outer
        self.recursions.used |= self._under[key]
        found: Made = self._memo[key]
        return found

    def of_source(self, key: Any, make: Callable[[], Made]) -> Made:
        """What ``make()`` gives from the source alone, whatever was asked; made once for all panels along this one."""
        if key not in self._of_source:
            self._of_source[key] = make()
        found: Made = self._of_source[key]
        return found

    def daily(self, name: str, rows: int) -> np.ndarray:
        """Series of the source along its sessions, to be filled by who asks; float64, (rows, T).

        NaN where nothing has been filled in yet, and on the last calendar month of a panel that ended earlier: what is
        made of a month in which days were still to come is made again.
        """
        if name not in self.left:
            self.left[name] = np.full((rows, len(self.sessions)), np.nan)
            given = self._series.get(name, np.empty((rows, 0)))
            month = self.sessions[: given.shape[1]].astype("datetime64[M]")
            whole = int(np.searchsorted(month, month[-1])) if len(month) else 0
            self.left[name][:, :whole] = given[:, :whole]
        self.recursions.used.add(name)
        return self.left[name]

    def release(self) -> None:
        """Drop the intermediate results that :meth:`shared` holds."""
        self._memo.clear()
        self._under.clear()

    def forget(self) -> None:
        """Drop the intermediate results that :meth:`shared` and :meth:`of_source` hold."""
        self.release()
        self._of_source.clear()
        self.left.clear()

    def bars(self, field: str) -> np.ndarray:
        """A field of the market on the bars; float64, shape (R,), in its unit (yuan, shares, fractions)."""

        def make() -> np.ndarray:
            held: dict[str, np.ndarray] = self.of_source(("packed", field), dict)  # by a longer panel, perhaps
            if held and (np.diff(held["starts"]) >= np.diff(self.starts)).all():
                return packing.cut(held["values"], held["starts"], self.starts)
            values = packing.pack(getattr(self.source, field), self.bar_sessions, self.starts)
            held.update(starts=self.starts, values=values)
            return values

        return self.shared(("bars", field), make)

    def adjusted(self, field: str) -> np.ndarray:
        """A price times the adjustment factor on the bars, so that ratios are total returns; shape (R,)."""
        return self.shared(("adjusted", field), lambda: self.bars(field) * self.bars("adj_factor"))

    @property
    def returns(self) -> np.ndarray:
        """Close over the exchange's reference price - 1, the return since the bar before; fractions, shape (R,)."""
        return self.shared("returns", lambda: self.bars("close") / self.bars("preclose") - 1.0)

    @property
    def bar_sessions(self) -> np.ndarray:
        """Index of the session of each packed row; int32, shape (R,)."""
        return self.shared(
            "sessions", lambda: packing.pack_sessions(self._traded, self._begin, self._order, self.starts)
        )

    @property
    def bar_stocks(self) -> np.ndarray:
        """Index of the stock of each packed row; int32, shape (R,)."""
        stocks = np.arange(len(self.symbols), dtype=np.int32)
        return self.shared("stocks", lambda: np.repeat(stocks, np.diff(self.starts)))

    @property
    def places(self) -> np.ndarray:
        """Packed row of each stock at each session asked for, -1 without a bar; int32, shape (D, N)."""
        return self.shared(
            "places",
            lambda: packing.find_places(self._traded, self._begin, self._order, self.starts, self.rows),
        )

    @property
    def asked(self) -> tuple[np.ndarray, np.ndarray]:
        """:attr:`places` and the first packed row of the stock of each, in one row; int64, (D x N,)."""

        def make() -> tuple[np.ndarray, np.ndarray]:
            lows = np.broadcast_to(self.starts[:-1], self.shape)
            return self.places.ravel().astype(np.int64), lows.ravel()

        return self.shared("asked", make)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Packed values at the sessions asked for, NaN where a stock has no bar; (R,) to (D, N)."""
        return packing.gather(values, self.places)

    # -- at the sessions asked for ------------------------------------------------------------------

    def at(self, field: str) -> np.ndarray:
        """A field of the market at the sessions asked for; shape (D, N)."""
        values: np.ndarray = getattr(self.source, field)
        return values if self.shape[0] == len(self.sessions) else values[self.rows]

    @property
    def traded(self) -> np.ndarray:
        """Which stocks have a bar at the sessions asked for; bool, shape (D, N)."""
        return self.at("traded").astype(bool)

    def fundamentals(
        self, field: str, *, table: str, kind: str = "reported", lag: int = 0, skip_empty: bool = False
    ) -> np.ndarray:
        """A figure of the reports out before each session asked for; see :meth:`engine.view.View.fundamentals`."""
        return self._known.fundamentals(  # type: ignore[no-any-return]
            field, self.dates, kind=kind, lag=lag, skip_empty=skip_empty, table=table
        )

    def as_of(self, table: str, column: str) -> np.ndarray:
        """The last value of a dated table on or before each session asked for; shape (D, N)."""
        return self._known.as_of(table, column, self.dates)  # type: ignore[no-any-return]

    def members(self, index: str) -> np.ndarray:
        """Which stocks are in an index (``csi300``) at each session asked for; bool, shape (D, N)."""
        return self._known.members(index, self.dates)  # type: ignore[no-any-return]

    @property
    def industry(self) -> np.ndarray:
        """Shenwan level-1 industry in force at each session asked for, as whole numbers; -1 unknown; (D, N) int64."""

        def make() -> np.ndarray:
            import pandas as pd

            names = self.as_of("industry_sw_history", "l1_code")
            codes, _ = pd.factorize(names.ravel(), sort=True, use_na_sentinel=True)
            return np.asarray(codes, dtype=np.int64).reshape(self.shape)

        return self.shared("industry", make)

    # -- along the sessions -------------------------------------------------------------------------

    def index(self, code: str) -> np.ndarray:
        """Closes of an index in points on all T sessions, NaN where the data have none.

        Raises
        ------
        DataError
            If the data do not have the index.
        """
        return self.shared(("index", code), lambda: self._known.index_close(code, self.sessions))

    @property
    def dividends(self) -> dict[str, np.ndarray]:
        """Cash dividends up to the last session: ``t``, ``i``, ``cash`` in yuan a share held before the ex-date."""
        events = self._market.events
        keep = (events["t"] < len(self.sessions)) & np.isfinite(events["cash"]) & (events["cash"] > 0)
        return {name: events[name][keep] for name in ("t", "i", "cash")}

    # -- what there is ------------------------------------------------------------------------------

    @property
    def _known(self) -> Any:
        return self._market.known

    def has(self, name: str) -> bool:
        """Whether the data hold an input, written as in :class:`signals.factors.registry.Factor`."""
        kind, _, rest = name.partition(":")
        if not rest:
            return name in self._market.fields or name == "events"
        if kind == "none" or self._market.tables is None:
            return False
        if kind == "item":
            from signals.factors import items

            return items.available(self, rest)
        if kind == "index":
            return self._known.has_index(rest)  # type: ignore[no-any-return]
        table, _, column = rest.partition(".")
        return self._known.has(table, column)  # type: ignore[no-any-return]


def month_ends(sessions: np.ndarray, start: Any = None, end: Any = None) -> np.ndarray:
    """Indices of the last session of each month in [start, end]; the last month counts though it may run on.

    Raises
    ------
    DataError
        If no session lies in the span.
    """
    first = 0 if start is None else int(np.searchsorted(sessions, np.datetime64(start, "D")))
    last = len(sessions) if end is None else int(np.searchsorted(sessions, np.datetime64(end, "D"), side="right"))
    if first >= last:
        raise DataError(f"there is no session between {start} and {end} in this market")
    month = sessions[first:last].astype("datetime64[M]")
    return first + np.flatnonzero(np.append(month[1:] != month[:-1], True))
