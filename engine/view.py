"""What is known as of one session: arrays that physically end at t."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import LookAheadError, SignalError

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market


class View:
    """The market up to and including the close of session ``t``.

    Every field of :class:`engine.market.Market` is an attribute here, as a read-only (t + 1, N) array
    whose last row is the session itself: ``view.close[-1]``, ``view.volume[-20:]``. It guards against
    mistakes, not intent; the proof of honesty is the noise test of the contract suite.

    Attributes
    ----------
    t : int
        Index of the session.
    date : numpy.datetime64
        The session.
    """

    __slots__ = ("_market", "t")

    def __init__(self, market: Market, t: int) -> None:
        if not 0 <= t < len(market.sessions):
            raise LookAheadError(f"session {t} lies outside this market of {len(market.sessions)} sessions")
        self._market = market
        self.t = t

    def __getattr__(self, name: str) -> Any:
        market = object.__getattribute__(self, "_market")
        if name in market.fields:
            return getattr(market, name)[: self.t + 1]
        raise AttributeError(f"a view has no field '{name}'; it has: {', '.join(sorted(market.fields))}")

    def __repr__(self) -> str:
        return f"View({self.date}, {self.t + 1} sessions x {len(self.symbols)} stocks)"

    @property
    def date(self) -> np.datetime64:
        """The session at which the view ends."""
        return self._market.sessions[self.t]  # type: ignore[no-any-return]

    @property
    def sessions(self) -> np.ndarray:
        """Sessions up to t, datetime64[D], shape (t + 1,)."""
        return self._market.sessions[: self.t + 1]

    @property
    def symbols(self) -> list[str]:
        """All N stocks of the market, in column order."""
        return self._market.symbols

    @property
    def universe(self) -> np.ndarray:
        """Which of the N stocks are in the universe and listed at t; bool, shape (N,)."""
        market = self._market
        return (market.member[self.t] & market.listed[self.t]).astype(bool)

    def last(self, field: str, sessions: int) -> np.ndarray:
        """The last ``sessions`` rows of a field, NaN above where the panel is shorter; (sessions, N)."""
        values: np.ndarray = getattr(self, field)
        if sessions <= len(values):
            return values[len(values) - sessions :]
        padding = np.full((sessions - len(values), values.shape[1]), np.nan)
        return np.vstack([padding, values])

    def adjusted(self, field: str, sessions: int) -> np.ndarray:
        """The last ``sessions`` rows of a price field times the adjustment factor; (sessions, N).

        Back-adjusted yuan (up to a constant a stock), so that ratios of rows are total returns. NaN on
        sessions without a bar.
        """
        return self.last(field, sessions) * self.last("adj_factor", sessions)

    def series(self, name: str) -> np.ndarray:
        """A market-wide series up to t (``benchmark_price``, ``risk_free_10y`` ...), shape (t + 1,)."""
        return self._market.series[name][: self.t + 1]

    def fundamentals(
        self, field: str, *, kind: str = "reported", lag: int = 0, skip_empty: bool = False, table: str = ""
    ) -> np.ndarray:
        """One figure of the reports disclosed before this session, shape (N,); NaN where there is none.

        Parameters
        ----------
        field : str
            Such as ``net_profit`` (``python scripts/data.py info`` lists them), or ``period_end``.
        kind : {"reported", "quarter", "ttm", "yoy"}
            Cumulative from 1 January as reported, the single quarter, the last twelve months, or growth.
        lag : int
            So many quarters before the latest report.
        skip_empty : bool
            Take the latest report that has the figure.
        table : str
            Which table of fundamentals; by default the first that has the field.

        Raises
        ------
        ConfigError, DataError
            As :meth:`feeds.point_in_time.PointInTime.fundamentals`.
        """
        days = self._market.sessions[self.t : self.t + 1]
        more = {"kind": kind, "lag": lag, "skip_empty": skip_empty, "table": table}
        return self._market.known.fundamentals(field, days, **more)[0]  # type: ignore[no-any-return]

    def as_of(self, table: str, column: str) -> np.ndarray:
        """The last value of a dated table on or before this session, shape (N,).

        ``view.as_of("industry_sw_history", "l1_name")``; see :meth:`feeds.point_in_time.PointInTime.as_of`.
        """
        return self._market.known.as_of(table, column, self._market.sessions[self.t : self.t + 1])[0]  # type: ignore[no-any-return]

    def members(self, index: str) -> np.ndarray:
        """Which of the N stocks are in an index (``csi300``) on this session; bool, shape (N,)."""
        return self._market.known.members(index, self._market.sessions[self.t : self.t + 1])[0]  # type: ignore[no-any-return]

    def member_count(self, index: str) -> int:
        """How many members an index has on this session, those outside the market too."""
        return int(self._market.known.member_count(index, self._market.sessions[self.t : self.t + 1])[0])

    def upto(self, t: int | np.datetime64 | str) -> View:
        """The view of an earlier session.

        Raises
        ------
        LookAheadError
            If ``t`` lies after this view's session.
        """
        market = self._market
        index = t if isinstance(t, int) else market.position_of(t, "right") - 1
        late = not isinstance(t, int) and np.array(t, dtype="datetime64[D]") > self.date
        if index > self.t or late:
            raise LookAheadError(f"this view ends at {self.date}; session {t} is not known yet")
        return View(market, index)

    def scores(self, values: np.ndarray, **more: np.ndarray) -> pd.DataFrame:
        """Scores of the universe from one value per stock of the market.

        Parameters
        ----------
        values : ndarray, shape (N,)
            High is good. Stocks outside the universe, and those whose value is not finite, are left out.
        **more : ndarray, shape (N,)
            Further columns, for instance class probabilities.

        Returns
        -------
        DataFrame
            Indexed by symbol in column order, with the column ``score`` and those of ``more``.
        """
        import pandas as pd

        values = np.asarray(values, dtype=np.float64)
        if values.shape != (len(self.symbols),):
            raise SignalError(
                f"scores at {self.date} have shape {values.shape}; one value for each of the "
                f"{len(self.symbols)} stocks of the market is expected"
            )
        keep = np.flatnonzero(self.universe & np.isfinite(values))
        columns = {"score": values[keep]} | {name: np.asarray(extra)[keep] for name, extra in more.items()}
        return pd.DataFrame(columns, index=pd.Index(self._market.symbol_array[keep], name="symbol"))
