"""Price and date lines of stock handles: what Backtrader's lines answer, read off the market at the clock."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import backtrader as bt
import numpy as np
from backtrader.utils.date import num2date

from engine.errors import ConfigError, LookAheadError

if TYPE_CHECKING:
    from engine.handles import Clock
    from engine.market import Market


class Line:
    """One price line of a stock: ``[0]`` is the current session, ``[-k]`` k sessions back."""

    __slots__ = ("_at_open", "_i", "_market", "_values")

    def __init__(self, market: Market, values: np.ndarray, i: int, at_open: bool = False) -> None:
        self._market, self._values, self._i, self._at_open = market, values, i, at_open

    def __getitem__(self, ago: int) -> float:
        clock = self._market.running
        t = clock.t
        row = t + ago
        if ago > 0 or (row > clock.known and not self._at_open):
            _check_broker(clock)
            raise LookAheadError(
                f"{self._market.symbols[self._i]}: the session {ago} from {self._market.sessions[t]} is not known yet; "
                "[0] is the current session (before its close only open[0] can be read), [-1] the one before"
            )
        if row < 0:
            raise IndexError(f"{self._market.symbols[self._i]}: {-ago} sessions back lies before the market's first")
        return float(self._values[row, self._i])

    def __call__(self, ago: int = 0) -> float:
        return self[ago]

    def get(self, ago: int = 0, size: int = 1) -> list[float]:
        """The ``size`` values that end ``ago`` from the current session, the oldest first."""
        return [self[k] for k in range(ago - size + 1, ago + 1)]

    def __float__(self) -> float:
        return self[0]

    def __bool__(self) -> bool:
        return bool(self[0])

    def __neg__(self) -> float:
        return -self[0]

    def __abs__(self) -> float:
        return abs(self[0])

    __hash__ = object.__hash__


def _of_current(operation: Callable[[Any, Any], Any], reflected: bool = False) -> Callable[[Line, Any], Any]:
    """An operator on the line's current value, which is what Backtrader's own lines compute with in ``next``."""

    def apply(self: Line, other: Any) -> Any:
        if isinstance(other, bt.LineRoot | Line):
            other = other[0]
        return operation(other, self[0]) if reflected else operation(self[0], other)

    return apply


for _name in ("add", "sub", "mul", "truediv", "floordiv", "pow"):
    setattr(Line, f"__{_name}__", _of_current(getattr(operator, _name)))
    setattr(Line, f"__r{_name}__", _of_current(getattr(operator, _name), reflected=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Line, f"__{_name}__", _of_current(getattr(operator, _name)))


def _check_broker(clock: Clock) -> None:
    """Refuse a run on another broker than ours: nobody would tell the handles which closes are known."""
    broker = getattr(getattr(clock, "_env", None), "broker", None)
    if broker is not None and not hasattr(broker, "market"):
        raise ConfigError(
            f"stock handles need our broker and Cerebro has {type(broker).__name__}: "
            "cerebro.setbroker(AShareBroker(market=market))"
        )


class DateLine:
    """The handle's ``datetime`` line: the clock's own dates."""

    __slots__ = ("_market",)

    def __init__(self, market: Market) -> None:
        self._market = market

    def __getitem__(self, ago: int) -> float:
        if ago > 0:
            raise LookAheadError(f"the date {ago} sessions ahead is not known yet")
        row = self._market.running.t + ago
        if row < 0:
            raise IndexError(f"{-ago} sessions back lies before the market's first")
        return float(self._market.day_numbers[row])

    def datetime(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.datetime:
        """Midnight of the session."""
        return num2date(self[ago], tz, naive)  # type: ignore[no-any-return]

    def date(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.date:
        """Date of the session."""
        return self.datetime(ago, tz, naive).date()

    def time(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.time:
        """Midnight: bars are daily."""
        return self.datetime(ago, tz, naive).time()

    def dt(self, ago: int = 0) -> int:
        """The whole part of Backtrader's float date."""
        return int(self[ago])

    def tm(self, ago: int = 0) -> float:
        """The time of day as a fraction: 0.0, bars are daily."""
        return self[ago] % 1.0

    def get(self, ago: int = 0, size: int = 1) -> list[float]:
        """The ``size`` float dates that end ``ago`` from the current session, the oldest first."""
        return [self[k] for k in range(ago - size + 1, ago + 1)]


class TradedLine(Line):
    """An intraday price; the last close on a session without trading."""

    __slots__ = ()

    def __getitem__(self, ago: int) -> float:
        value = super().__getitem__(ago)
        if value == value:
            return value
        return float(self._market.mark[self._market.running.t + ago, self._i])


class VolumeLine(Line):
    """Shares traded; 0 on a session without trading."""

    __slots__ = ()

    def __getitem__(self, ago: int) -> float:
        value = super().__getitem__(ago)
        return value if value == value else 0.0


class ZeroLine(Line):
    """0 on every session that is known."""

    __slots__ = ()

    def __getitem__(self, ago: int) -> float:
        return 0.0 * (super().__getitem__(ago) == 0.0)
