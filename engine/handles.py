"""Backtrader's side of the market: the clock, stock handles and classic bar feeds.

Cerebro holds one :class:`Clock`. A :class:`StockHandle` is what a strategy passes to Backtrader's own
order methods as ``data``: it reads the panel at the clock's position, so five thousand of them cost
nothing until they are looked at. A :class:`BarFeed` is a true feed for strategies with indicators.
"""

from __future__ import annotations

import array
import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import backtrader as bt
import numpy as np
from backtrader.utils.date import date2num, num2date

from engine.errors import ConfigError, DataError, LookAheadError
from engine.handle_lines import DateLine, Line, TradedLine, VolumeLine, ZeroLine

if TYPE_CHECKING:
    from engine.market import Market

_SESSION_END = dt.time(23, 59, 59, 999990)


class _BulkFeed(bt.feed.DataBase):  # type: ignore[misc]
    """A daily feed whose lines are filled in one go from arrays.

    Subclasses give the columns in :meth:`_columns`. Cerebro may also pull the bars one by one
    (``exactbars``, ``preload=False``, filters): :meth:`_load` serves those.
    """

    params: Any = (("market", None), ("first", 0), ("last", -1))
    _bulk: tuple[Any, ...] | None = None  # the lines, once all their bars are there

    def _columns(self) -> dict[str, np.ndarray]:
        raise DataError("a bulk feed must give its columns")

    def start(self) -> None:
        super().start()
        market, first, last = self.p.market, self.p.first, self.p.last
        self._values = {"datetime": market.day_numbers[first : last + 1]} | self._columns()
        self._row, self._bulk = -1, None

    def reset(self) -> None:
        """Begin anew, with room for all bars: Cerebro never takes back the ``exactbars`` of the run before."""
        for line in self.lines:
            line.mode = line.UnBounded
        super().reset()

    def preload(self) -> None:
        """Fill all lines at once; bar by bar where filters or date bounds want to see each bar."""
        plain = not self._filters and self._tzinput is None and self.p.fromdate is None and self.p.todate is None
        if not plain:
            super().preload()
            return
        length = len(self._values["datetime"])
        for name in self.getlinealiases():
            values = self._values.get(name)
            filled = array.array("d", (np.zeros(length) if values is None else values).astype("<f8").tobytes())
            line = getattr(self.lines, name)
            filled.extend(line.array)  # the room that Cerebro asked for beyond the last bar
            line.array = filled
        self._row = length  # Cerebro asks for further bars at the end of some modes: there are none
        self.home()
        if all(line.mode == line.UnBounded for line in self.lines.lines):
            self._bulk = tuple(self.lines.lines)
            self._dates, self._length = self.lines.datetime, length

    def advance_peek(self) -> float:
        """Date of the next bar, infinite after the last."""
        if self._bulk is None:
            return super().advance_peek()  # type: ignore[no-any-return]
        dates = self._dates
        return dates.array[dates._idx + 1] if dates.lencount < self._length else math.inf  # type: ignore[no-any-return]

    def advance(self, size: int = 1, datamaster: Any = None, ticks: bool = True) -> None:
        """One bar on; without Backtrader's five calls a line where all bars are there and no feed leads."""
        if self._bulk is None or datamaster is not None:
            super().advance(size, datamaster, ticks)
            return
        if ticks:
            self._tick_nullify()
        for line in self._bulk:
            line._idx += size
            line.lencount += size
        if ticks and line.lencount < line.buflen():
            self._tick_fill()

    def _load(self) -> bool:
        self._row += 1
        if self._row >= len(self._values["datetime"]):
            return False
        for name in self.getlinealiases():
            values = self._values.get(name)
            getattr(self.lines, name)[0] = 0.0 if values is None else float(values[self._row])
        return True


class Clock(_BulkFeed):
    """One bar on every session of the span; its position is the engine's time.

    Its prices are NaN: it cannot be traded. ``t`` is read off the feed itself, never counted beside it.
    """

    plotinfo = dict(plot=False)
    closed: int
    """Last session whose close the broker has booked, -1 before the first."""

    def start(self) -> None:
        self.closed = -1
        for name in ("open", "high", "low", "close"):
            getattr(self.lines, name).of_clock = True
        super().start()

    def _columns(self) -> dict[str, np.ndarray]:
        nothing = np.full(self.p.last - self.p.first + 1, np.nan)
        return {"open": nothing, "high": nothing, "low": nothing, "close": nothing}

    def _tick_fill(self, force: bool = False) -> None:
        """Nothing trades on the clock: it needs no ticks."""

    def _tick_nullify(self) -> None:
        """Nothing trades on the clock: it needs no ticks."""

    @property
    def t(self) -> int:
        """Index of the current session in the market's panel.

        Raises
        ------
        LookAheadError
            Before the first bar.
        """
        position = len(self)
        if not position:
            raise LookAheadError(
                "no bar has come yet: prices can be read from the first next() on (an indicator needs market.bar_feed)"
            )
        return self.p.first + position - 1  # type: ignore[no-any-return]

    @property
    def known(self) -> int:
        """Last session whose close is known: t, or the one before while the open is being awaited."""
        t = self.t
        return t if self.closed >= t else t - 1


class _HandleParams:
    """The parameters of a feed that Backtrader reads off a ``data``."""

    __slots__ = ()
    sessionend = _SESSION_END
    sessionstart = dt.time.min
    tz = None
    timeframe = bt.TimeFrame.Days
    compression = 1


class StockHandle:
    """A light stand-in for a feed: name, prices at the clock, accepted by every order method.

    ``close`` on a session without trading is the last close; ``volume`` is 0 there. Before the stock's
    first bar prices are NaN.
    """

    __slots__ = ("_i", "_market", "_name", "close", "datetime", "high", "low", "open", "volume")

    _compensate = None
    _tz = None
    _timeframe = bt.TimeFrame.Days
    _compression = 1
    p = params = _HandleParams()

    def __init__(self, market: Market, i: int) -> None:
        self._market, self._i, self._name = market, i, market.symbols[i]
        self.datetime = DateLine(market)
        self.open = TradedLine(market, market.open, i, at_open=True)
        self.high = TradedLine(market, market.high, i)
        self.low = TradedLine(market, market.low, i)
        self.close = Line(market, market.mark, i)
        self.volume = VolumeLine(market, market.volume, i)

    def __len__(self) -> int:
        return len(self._market.running)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"StockHandle({self._name})"

    def __iter__(self) -> Any:
        raise TypeError(f"{self._name} is a handle, not a feed: an indicator needs market.bar_feed('{self._name}')")

    def __getitem__(self, ago: int) -> float:
        raise TypeError(
            f"{self._name} is a handle, not a line: read handle.close[{ago}]; an indicator needs "
            f"market.bar_feed('{self._name}')"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # as asked by pickle, before there is a name to tell of
        raise AttributeError(
            f"{self._name} is a handle and has no '{name}': it has open, high, low, close, volume and datetime; "
            f"for more use market.bar_feed('{self._name}')"
        )

    @property
    def symbol(self) -> str:
        """The symbol, as ``600519.SH``."""
        return self._name

    @property
    def lines(self) -> StockHandle:
        """The handle itself: ``handle.lines.close`` is ``handle.close``."""
        return self

    l = lines  # noqa: E741  Backtrader's own short name

    @property
    def openinterest(self) -> Line:
        """0 on every session: stocks have none."""
        return ZeroLine(self._market, self._market.mark, self._i)

    def buflen(self) -> int:
        """Number of bars of the clock."""
        return self._market.running.buflen()  # type: ignore[no-any-return]

    @property
    def is_trading(self) -> bool:
        """Whether the stock has a bar on the current session."""
        return bool(self._market.traded[self._market.running.t, self._i])

    def date2num(self, date: dt.datetime) -> float:
        """Backtrader's float date."""
        return date2num(date)  # type: ignore[no-any-return]

    def num2date(self, number: float | None = None, tz: Any = None, naive: bool = True) -> dt.datetime:
        """The date of one of Backtrader's float dates (default: the current session)."""
        return num2date(self.datetime[0] if number is None else number, tz, naive)  # type: ignore[no-any-return]


class BarFeed(_BulkFeed):
    """The bars of one stock as a true Backtrader feed, one on every session of the clock.

    Suspended sessions repeat the last price with volume 0; sessions before the listing are NaN.
    """

    params: Any = (("symbol", ""),)

    def __init__(self) -> None:
        self._i = self.p.market.column(self.p.symbol)
        self._name = self.p.symbol

    def _columns(self) -> dict[str, np.ndarray]:
        market, i = self.p.market, self._i
        rows = slice(self.p.first, self.p.last + 1)
        mark = market.mark[rows, i]
        columns = {"close": mark.copy()}
        for name in ("open", "high", "low"):
            values = getattr(market, name)[rows, i]
            columns[name] = np.where(np.isnan(values), mark, values)
        columns["volume"] = np.nan_to_num(market.volume[rows, i], posinf=0.0)
        return columns


def _refuse_what_is_no_feed() -> None:
    """Let an indicator that is given a handle or the clock fail at once.

    Backtrader takes an argument that is no line for a constant, which an indicator would repeat for ever; on
    the clock, the feed that an indicator takes when it is given none, it would be NaN for ever.
    """
    from backtrader.linebuffer import MetaLineActions
    from backtrader.lineiterator import MetaLineIterator

    make, prepare = MetaLineIterator.donew, MetaLineActions.dopreinit

    def refuse(given: Any, what: str) -> None:
        if isinstance(given, StockHandle | Line):
            name = given._market.symbols[given._i]
            raise TypeError(f"{what} needs market.bar_feed('{name}'): a stock's handle is no feed")
        if isinstance(given, Clock) or getattr(given, "of_clock", False):
            raise ConfigError(
                f"{what} on the clock would be NaN for ever, as it has no prices: add market.bar_feed('600519.SH') to "
                "Cerebro and name it, as in bt.indicators.SMA(self.data1.close)"
            )

    def donew(cls: Any, *args: Any, **kwargs: Any) -> Any:
        is_indicator = issubclass(cls, bt.Indicator)
        for given in args:
            if is_indicator or isinstance(given, StockHandle | Line):
                if isinstance(given, Clock) and not cls.__module__.startswith("backtrader."):
                    continue  # an indicator of the user's own may read the clock's dates
                refuse(given, "an indicator")
        made = make(cls, *args, **kwargs)
        if is_indicator and cls.__module__.startswith("backtrader."):
            for data in made[0].datas:
                refuse(data, "an indicator")
        return made

    def dopreinit(cls: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        for given in args:
            refuse(given, "an operation on prices")
        return prepare(cls, obj, *args, **kwargs)

    MetaLineIterator.donew, MetaLineActions.dopreinit = donew, dopreinit


_refuse_what_is_no_feed()
