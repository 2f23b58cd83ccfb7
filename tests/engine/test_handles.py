"""Stock handles answer what Backtrader's lines answer, and what they cannot be is refused with what to use."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import backtrader as bt
import pytest
from small_market import market_of, play

from engine.broker import AShareBroker
from engine.errors import ConfigError, LookAheadError
from engine.market import Market

A, B = "600000.SH", "600001.SH"


def the_market() -> Market:
    return market_of({A: [10.0, 11.0, 12.0, 13.0], B: [5.0, 5.0, 6.0, 6.0]}, opens={A: [9.5, 10.5, 11.5, 12.5]}).fork()


def asked(look: Callable[[Any], Any], session: int = 2) -> Any:
    """What ``look(strategy)`` gives on a session (0-based)."""
    found: list[Any] = []
    play(the_market(), {session: lambda s: found.append(look(s))})
    return found[0]


def test_a_line_compares_and_computes_with_its_current_value() -> None:
    def look(s: Any) -> Any:
        a, b = s.market[A], s.market[B]
        return (
            a.close > 11.9, a.close < b.close, a.close >= 12, a.close == 12.0, a.close != 12.0, a.close - a.open,
            2 * b.close, 24 / a.close, a.close / b.close, -b.close, float(a.open), a.volume - 1e6 == 0, bool(a.volume),
        )  # fmt: skip

    assert asked(look) == (True, False, True, True, False, 0.5, 12.0, 2.0, 2.0, -6.0, 11.5, True, True)


def test_a_line_computes_with_a_true_feeds_line_on_either_side() -> None:
    seen: list[Any] = []

    class Look(bt.Strategy):
        def next(self) -> None:
            close = self.broker.market[B].close
            seen.append((close < self.data1.close, self.data1.close > close, close - self.data1.close))

    run_with_feed(Look)
    assert seen == [(True, True, -5.0), (True, True, -6.0), (True, True, -6.0), (True, True, -7.0)]


def test_the_last_values_of_a_line_come_oldest_first_as_backtraders_do() -> None:
    assert asked(lambda s: s.market[A].close.get(size=3)) == [10.0, 11.0, 12.0]
    assert asked(lambda s: s.market[A].close.get(ago=-1, size=2)) == [10.0, 11.0]
    assert asked(lambda s: s.market[A].datetime.get(size=2)) == [737123.0, 737124.0]
    with pytest.raises(LookAheadError):
        asked(lambda s: s.market[A].close.get(ago=1))


def test_a_handle_has_the_names_of_a_feed() -> None:
    def look(s: Any) -> Any:
        h = s.market[A]
        return h.lines.close[0], h.l.open[-1], h.openinterest[0], h.buflen(), h.datetime.time(), h.datetime.dt(0)

    assert asked(look) == (12.0, 10.5, 0.0, 4, dt.time(0), 737124)
    assert asked(lambda s: s.market[A].datetime.tm(0)) == 0.0
    with pytest.raises(LookAheadError):
        asked(lambda s: s.market[A].openinterest[1])


def test_what_a_handle_has_not_names_the_bar_feed() -> None:
    with pytest.raises(AttributeError, match=r"has no 'plotinfo'.*market.bar_feed\('600000.SH'\)"):
        asked(lambda s: s.market[A].plotinfo)
    assert asked(lambda s: getattr(s.market[A], "tick_open", None)) is None


def run_with_feed(strategy: type[bt.Strategy], broker: bool = True) -> Any:
    market = the_market()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock(), name="clock")
    cerebro.adddata(market.bar_feed(A), name=A)
    if broker:
        cerebro.setbroker(AShareBroker(market=market))
    cerebro.addstrategy(strategy, **({"market": market} if "market" in strategy.params._getkeys() else {}))
    return cerebro.run()[0]


class Computes(bt.Strategy):
    params = (("market", None),)
    make: Any = None

    def __init__(self) -> None:
        self.line = type(self).make(self)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: bt.indicators.SMA(s.p.market[A], period=2),
        lambda s: bt.indicators.CrossOver(s.p.market[A].close, 10.0),
        lambda s: bt.And(s.p.market[A].close, s.data1.close > 1),
        lambda s: bt.Max(s.data1.close, s.p.market[A].close),
        lambda s: s.data1.close - s.p.market[A].close,
    ],
)
def test_an_indicator_or_a_line_made_of_a_handle_is_refused(make: Any) -> None:
    with pytest.raises(TypeError, match=r"needs market.bar_feed\('600000.SH'\): a stock's handle is no feed"):
        run_with_feed(type("Given", (Computes,), {"make": make}))


def test_a_handles_prices_cannot_be_computed_with_before_the_first_bar() -> None:
    with pytest.raises(LookAheadError, match=r"no bar has come yet.*an indicator needs market.bar_feed"):
        run_with_feed(type("Early", (Computes,), {"make": lambda s: s.p.market[A].close - s.p.market[A].open}))


@pytest.mark.parametrize(
    "make",
    [
        lambda s: bt.indicators.SMA(period=2),
        lambda s: bt.indicators.SMA(s.data, period=2),
        lambda s: bt.indicators.SMA(s.data.close, period=2),
        lambda s: bt.indicators.CrossOver(s.data1.close, s.data.close),
        lambda s: s.data.close - s.data.open,
        lambda s: s.data.close(-1),
        lambda s: bt.Or(s.data.high, s.data1.high),
    ],
)
def test_an_indicator_of_the_clocks_prices_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"on the clock would be NaN for ever.*SMA\(self.data1.close\)"):
        run_with_feed(type("OnClock", (Computes,), {"make": make}))


def test_a_signal_on_the_clock_is_refused_and_one_on_a_feed_trades() -> None:
    def signals(index: int) -> Any:
        class Above(bt.SignalStrategy):
            def __init__(self) -> None:
                data = self.datas[index]
                self.signal_add(bt.SIGNAL_LONG, data.close - 10.5)

        market = the_market()
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(market.clock(), name="clock")
        cerebro.adddata(market.bar_feed(A), name=A)
        cerebro.setbroker(AShareBroker(market=market))
        cerebro.addsizer(bt.sizers.FixedSize, stake=100)
        cerebro.addstrategy(Above, _data=B)
        return cerebro.run()[0].broker.ledger.fills_frame()[["symbol", "shares", "price"]].values.tolist()

    assert signals(1) == [[B, 100, 6.0]]
    with pytest.raises(ConfigError, match="on the clock would be NaN for ever"):
        signals(0)


def test_an_indicator_of_ones_own_may_read_the_clocks_dates() -> None:
    class Weekday(bt.Indicator):
        lines = ("weekday",)

        def next(self) -> None:
            self.lines.weekday[0] = self.data.datetime.date(0).weekday()

    class Look(bt.Strategy):
        def __init__(self) -> None:
            self.weekday = Weekday(self.data)
            self.mean = bt.indicators.SMA(self.data1.close, period=2)

    done = run_with_feed(Look)
    assert [done.weekday[-k] for k in (3, 2, 1, 0)] == [0.0, 1.0, 2.0, 3.0] and done.mean[0] == 12.5


def test_handles_on_another_broker_than_ours_name_the_broker_to_set() -> None:
    class Look(bt.Strategy):
        params = (("market", None),)

        def next(self) -> None:
            self.p.market[A].close[0]

    with pytest.raises(ConfigError, match=r"Cerebro has BackBroker: cerebro.setbroker\(AShareBroker\(market=market\)"):
        run_with_feed(Look, broker=False)
