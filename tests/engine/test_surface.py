"""Backtrader's surface, row by row: each row of the README's table has its test here."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backtrader as bt
import pandas as pd
import pytest
from small_market import market_of

from engine.analyzers import Fills, MarketPositionsValue
from engine.broker import AShareBroker
from engine.errors import ConfigError, DataError, RuleError
from engine.fees import ZeroFees
from engine.market import Market

A, B, C = "600000.SH", "600001.SH", "600002.SH"
CLOSES = [10.0, 10.2, 10.4, 10.1, 10.6, 10.8, 10.7, 11.0, 11.2, 11.1]
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TABLE = README.split("## Backtrader's surface\n")[1].split("\n## ")[0]
Act = Callable[[Any], Any]


def the_market() -> Market:
    """Ten weekdays from Monday 2019-03-04; opens are the closes of the session."""
    return market_of({A: CLOSES, B: [5.0, 5.0, 5.1, 5.2, 5.2, 5.1, 5.0, 4.9, 5.0, 5.1], C: [20.0] * 10}).fork()


class Told(bt.Strategy):
    """Does ``script[n]`` on its nth bar (1-based) and keeps all that it is told."""

    params = (("script", None), ("at_open", None), ("size", 0))

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.orders: list[Any] = []
        self.trades: list[Any] = []
        self.cash: list[tuple[float, float]] = []
        self.fund: list[tuple[float, float, float, float]] = []
        self.timers: list[tuple[Any, dict[str, Any]]] = []

    @property
    def market(self) -> Market:
        return self.broker.market

    def next(self) -> None:
        if self.p.size and len(self) == 1:
            self.buy(A, size=self.p.size)
        act = (self.p.script or {}).get(len(self))
        if act is not None:
            self.told.append(act(self))

    def next_open(self) -> None:
        act = (self.p.at_open or {}).get(len(self.market.running))
        if act is not None:
            self.told.append(act(self))

    prenext_open = next_open

    def notify_order(self, order: Any) -> None:
        self.orders.append((order.ref, order.getstatusname()))

    def notify_trade(self, trade: Any) -> None:
        self.trades.append((trade.getdataname(), trade.isclosed))

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.cash.append((cash, value))

    def notify_fund(self, *fund: float) -> None:
        self.fund.append(fund)  # type: ignore[arg-type]

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        self.timers.append((self.data.datetime.date(0), kwargs))


def prepare(
    script: dict[int, Act] | None = None,
    *,
    feeds: tuple[str, ...] = (),
    at_open: dict[int, Act] | None = None,
    cash: float = 100_000,
    strategy: Any = Told,
    **cerebro_options: Any,
) -> Any:
    market = the_market()
    cerebro = bt.Cerebro(**{"stdstats": False} | cerebro_options)
    cerebro.adddata(market.clock(), name="clock")
    for symbol in feeds:
        cerebro.adddata(market.bar_feed(symbol), name=symbol)
    cerebro.setbroker(AShareBroker(market=market, cash=cash, fees=ZeroFees()))
    if strategy is not None:
        cerebro.addstrategy(strategy, script=script, at_open=at_open)
    return cerebro


def play(script: dict[int, Act] | None = None, **options: Any) -> Any:
    return prepare(script, **options).run()[0]


def fills(strategy: Any) -> list[tuple[str, str, int, float]]:
    frame = strategy.broker.ledger.fills_frame()
    return list(zip(frame["symbol"], frame["side"], frame["shares"].tolist(), frame["price"].tolist(), strict=True))


# -- the table --------------------------------------------------------------------------------------


def public_classes(module: Any, base: type) -> list[str]:
    return [
        name
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, base) and found is not base and not name.startswith("_")
    ]


def test_the_table_names_all_of_backtraders_analyzers_observers_sizers_and_order_methods() -> None:
    named = set(re.findall(r"`([A-Za-z_0-9]+)`", TABLE))
    assert set(public_classes(bt.analyzers, bt.Analyzer)) - {"TimeFrameAnalyzerBase"} <= named
    assert set(public_classes(bt.observers, bt.Observer)) <= named
    assert set(public_classes(bt.sizers, bt.Sizer)) <= named
    assert set(bt.Order.ExecTypes) <= named
    methods = {"buy", "sell", "close", "cancel", "position", "positions", "positionsbyname", "positionbyname"}
    methods |= {
        name for name in vars(bt.Strategy) if re.match(r"(buy_|sell_|order_|getposition|getsiz|setsiz|notify_)", name)
    }
    assert methods <= named
    setters = {name for name in vars(bt.brokers.BackBroker) if re.match(r"(set_|add_|get_fund)", name)}
    assert setters <= named


def test_the_broker_has_every_public_method_of_backtraders_own() -> None:
    assert [name for name in vars(bt.brokers.BackBroker) if name[0] != "_" and not hasattr(AShareBroker, name)] == []


def test_every_row_of_the_table_is_in_one_of_three_states() -> None:
    rows = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 25
    for row in rows:
        assert re.match(r"(works|replaced by|refused)", row[1]), row


# -- order methods ----------------------------------------------------------------------------------


def test_orders_name_a_stock_by_its_symbol() -> None:
    done = play(
        {
            1: lambda s: s.buy(A, size=1000),
            3: lambda s: s.sell(A, size=300),
            5: lambda s: s.close(A),
            6: lambda s: s.buy(data=B, size=100),
            7: lambda s: s.getdatabyname(A) is s.market[A],
        }
    )
    assert fills(done) == [
        (A, "buy", 1000, 10.2), (A, "sell", 300, 10.1), (A, "sell", 700, 10.8), (B, "buy", 100, 5.0),
    ]  # fmt: skip
    assert done.told[-1] is True
    assert done.trades == [(A, False), (A, True), (B, False)]


def test_an_unknown_symbol_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(DataError, match="did you mean '600000.SH'"):
        play({1: lambda s: s.buy("600000.SS", size=100)})


def test_orders_without_a_stock_are_refused_when_the_first_feed_is_the_clock() -> None:
    with pytest.raises(RuleError, match="the clock cannot be traded: name a stock"):
        play({1: lambda s: s.buy(size=100)})


@pytest.mark.parametrize(
    "look",
    [
        lambda s: s.close(),
        lambda s: s.close(s.data),
        lambda s: s.close("clock"),
        lambda s: s.order_target_size(target=0),
        lambda s: s.order_target_value(target=0.0),
        lambda s: s.order_target_percent(target=0.0),
        lambda s: s.position,
        lambda s: s.getposition(),
        lambda s: s.positionbyname,
        lambda s: s.getpositionbyname(),
    ],
)
def test_what_would_be_of_the_clock_for_want_of_a_stock_is_refused(look: Act) -> None:
    with pytest.raises(RuleError, match=r"the clock cannot be traded.*name a stock, as in self.close\(data=market"):
        play({1: lambda s: s.buy(A, size=100), 3: look})


def test_loops_over_all_feeds_find_the_clock_without_a_position() -> None:
    done = play(
        {1: lambda s: s.buy(A, size=100), 3: lambda s: [s.getposition(data).size for data in s.datas]}, feeds=(A, B)
    )
    assert done.told[-1] == [0, 100, 0]


def test_without_our_broker_these_methods_are_backtraders_own() -> None:
    market = the_market()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    cerebro.addstrategy(Told, script={2: lambda s: (s.close(), s.position.size, s.order_target_size(target=0))})
    assert cerebro.run()[0].told == [(None, 0, None)]


def test_cancel_takes_back_an_order() -> None:
    done = play({1: lambda s: s.cancel(s.buy(A, size=100, exectype=bt.Order.Limit, price=9.5))})
    assert done.orders == [(1, "Submitted"), (1, "Canceled")] and fills(done) == []


def test_targets_in_shares_yuan_and_percent() -> None:
    done = play(
        {
            1: lambda s: s.order_target_size(A, target=500),
            2: lambda s: s.order_target_value(B, target=2_000),
            3: lambda s: s.order_target_percent(C, target=0.1),
            5: lambda s: s.order_target_size(A, target=0),
        }
    )
    # 2,000 yuan at B's close of 5.00 are 400 shares; 10 % of the account of 100,140 are 500 shares of C at 20.00
    assert fills(done) == [
        (A, "buy", 500, 10.2), (B, "buy", 400, 5.1), (C, "buy", 500, 20.0), (A, "sell", 500, 10.8),
    ]  # fmt: skip


def test_buy_bracket_exits_at_its_limit_and_sell_bracket_cannot_open_a_short() -> None:
    done = play({1: lambda s: s.buy_bracket(A, size=100, exectype=bt.Order.Market, stopprice=9.0, limitprice=10.5)})
    assert fills(done) == [(A, "buy", 100, 10.2), (A, "sell", 100, 10.6)]
    assert done.orders[-1] == (2, "Canceled")
    done = play({1: lambda s: s.sell_bracket(A, size=100, exectype=bt.Order.Market, stopprice=12.0, limitprice=9.0)})
    assert fills(done) == []
    assert set(done.broker.ledger.refusals_frame()["reason"]) == {"OVERSELL", "PARENT"}


def test_positions_by_handle_by_name_and_all() -> None:
    def look(s: Any) -> Any:
        return (
            s.getposition(s.market[A]).size,
            s.getpositionbyname(B).size,
            {data._name: position.size for data, position in s.getpositions().items()},
            {name: position.size for name, position in s.getpositionsbyname().items()},
            len(s.positions),
            list(s.positionsbyname),
        )

    script = {1: lambda s: (s.buy(A, size=200), s.buy(B, size=300)), 3: look}
    held = {A: 200, B: 300}
    assert play(script).told[-1] == (200, 300, held, held, 2, [A, B])
    # with a feed of A and one of C, which is not held: Backtrader lists feeds; ours adds what else is held
    assert play(script, feeds=(A, C)).told[-1][3] == {A: 200, C: 0, B: 300}


def test_position_is_that_of_the_first_feed() -> None:
    market = the_market()
    cerebro = bt.Cerebro(stdstats=False)
    clock = market.clock()
    cerebro.adddata(market.bar_feed(A), name=A)
    cerebro.adddata(clock, name="clock")
    cerebro.setbroker(AShareBroker(market=market, fees=ZeroFees()))
    cerebro.addstrategy(
        Told, script={1: lambda s: s.buy(size=100), 3: lambda s: (s.position.size, s.positionbyname.size)}
    )
    assert cerebro.run()[0].told[-1] == (100, 100)


@pytest.mark.parametrize(
    ("sizer", "options", "bought"),
    [
        (bt.sizers.FixedSize, {"stake": 300}, 300),
        (bt.sizers.SizerFix, {"stake": 300}, 300),
        (bt.sizers.FixedReverser, {"stake": 300}, 300),
        (bt.sizers.FixedSizeTarget, {"stake": 300}, 300),
        (bt.sizers.PercentSizer, {"percents": 20}, 2000),  # 20,000 yuan at 10.00
        (bt.sizers.PercentSizerInt, {"percents": 20}, 2000),
        (bt.sizers.AllInSizer, {}, 9800),  # 10,000 asked for; 100,000 yuan buy 98 lots at 10.20
        (bt.sizers.AllInSizerInt, {}, 9800),
    ],
)
def test_sizers(sizer: Any, options: dict[str, Any], bought: int) -> None:
    cerebro = prepare({1: lambda s: (s.getsizing(s.market[A]), s.buy(A))})
    cerebro.addsizer(sizer, **options)
    assert fills(cerebro.run()[0]) == [(A, "buy", bought, 10.2)]


def test_setsizer_and_getsizer() -> None:
    class Seven(bt.Sizer):
        def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> int:
            return 700

    done = play(
        {1: lambda s: (s.setsizer(Seven()), s.buy(A)), 2: lambda s: (type(s.getsizer()), s.getsizing(s.market[A]))}
    )
    assert fills(done) == [(A, "buy", 700, 10.2)] and done.told[-1] == (Seven, 700)


# -- order types ------------------------------------------------------------------------------------

TYPES: list[tuple[int, dict[str, Any], list[float]]] = [
    (bt.Order.Market, {}, [10.2]),
    (bt.Order.Close, {}, [10.2]),
    (bt.Order.Limit, {"price": 10.1}, [10.1]),
    (bt.Order.Stop, {"price": 10.5}, [10.6]),
    (bt.Order.StopLimit, {"price": 10.5, "plimit": 10.7}, [10.6]),
    (bt.Order.StopTrail, {"trailamount": 0.25}, [10.4]),
    (bt.Order.StopTrailLimit, {"price": 10.0, "plimit": 10.0, "trailamount": 0.3}, [10.1]),
]


@pytest.mark.parametrize(("kind", "options", "prices"), TYPES)
def test_order_types(kind: int, options: dict[str, Any], prices: list[float]) -> None:
    done = play({1: lambda s: s.buy(A, size=100, exectype=kind, **options)})
    assert [row[3] for row in fills(done)] == prices
    assert done.orders[0] == (1, "Submitted")


def test_historical_orders_are_refused() -> None:
    with pytest.raises(RuleError, match="historical orders are not supported"):
        play({1: lambda s: s.buy(A, size=100, exectype=bt.Order.Historical, price=10.0)})


# -- analyzers --------------------------------------------------------------------------------------

ROUND_TRIP: dict[int, Act] = {
    1: lambda s: (s.buy(A, size=1000), s.buy(B, size=400)),
    3: lambda s: s.close(A),
    5: lambda s: s.buy(A, size=500),
    7: lambda s: s.close(A),
}


def analysed(analyzer: Any, feeds: tuple[str, ...] = (), stdstats: bool = False, **options: Any) -> Any:
    cerebro = prepare(ROUND_TRIP, feeds=feeds, stdstats=stdstats)
    cerebro.addanalyzer(analyzer, _name="it", **options)
    strategy = cerebro.run()[0]
    return strategy.analyzers.it.get_analysis(), strategy


@pytest.mark.parametrize(
    ("name", "read", "expected"),
    [
        ("AnnualReturn", lambda found: list(found), [2019]),
        ("Calmar", len, 1),
        ("DrawDown", lambda found: round(found.max.moneydown, 2), 390.0),
        ("TimeDrawDown", lambda found: found["maxdrawdownperiod"] > 0, True),
        ("GrossLeverage", lambda found: round(found[dt.datetime(2019, 3, 5)], 9), (10_200 + 2_000) / 100_000),
        ("LogReturnsRolling", len, 10),
        ("PeriodStats", lambda found: round(found["best"], 9), 0.0004),
        ("Returns", lambda found: round(found["rtot"], 9), round(math.log(1.0004), 9)),
        ("SharpeRatio", lambda found: found["sharperatio"] != 0, True),
        ("SharpeRatio_A", lambda found: found["sharperatio"] != 0, True),
        ("SQN", lambda found: found.trades, 2),
        ("TimeReturn", lambda found: round(found[dt.datetime(2019, 3, 6)], 9), 0.0024),
        (
            "TradeAnalyzer",
            lambda found: (found.total.total, found.total.closed, round(found.won.pnl.total, 9)),
            (3, 2, 100.0),
        ),
        ("VWR", lambda found: found["vwr"] != 0, True),
        ("VariabilityWeightedReturn", lambda found: found["vwr"] != 0, True),
    ],
)
def test_analyzers_that_read_the_account_or_the_trades_work(name: str, read: Any, expected: Any) -> None:
    # Closes of the account: 100,000 twice, 100,240, 99,980 twice, 99,940, 99,850, 99,960, 100,000, 100,040.
    daily = {"timeframe": bt.TimeFrame.Days} if name in ("SharpeRatio", "SharpeRatio_A", "TimeReturn") else {}
    found, _ = analysed(getattr(bt.analyzers, name), stdstats=name == "AnnualReturn", **daily)
    assert read(found) == expected


def test_annual_return_without_the_observer_that_it_reads_is_refused() -> None:
    with pytest.raises(ConfigError, match="TimeReturn with timeframe"):
        analysed(bt.analyzers.AnnualReturn)


def test_transactions_sees_handles_and_feeds() -> None:
    for feeds in ((), (A,)):
        found, _ = analysed(bt.analyzers.Transactions, feeds)
        a, b = (1, 2)  # behind the clock's 0: a feed of A comes first, and so does its first trade
        assert found[dt.datetime(2019, 3, 5)] == [[1000, 10.2, a, A, -10_200.0], [400, 5.0, b, B, -2_000.0]]
        assert found[dt.datetime(2019, 3, 7)] == [[-1000, 10.1, a, A, 10_100.0]]
        assert len(found) == 4


def test_positions_value_sees_handles_and_feeds() -> None:
    found, _ = analysed(bt.analyzers.PositionsValue, headers=True, cash=True)
    assert found["Datetime"] == ["clock", A, B, "cash"]
    assert found[dt.date(2019, 3, 4)] == [0.0, 0.0, 0.0, 100_000.0]
    assert found[dt.date(2019, 3, 6)] == [0.0, 10_400.0, pytest.approx(2_040.0), 87_800.0]
    found, _ = analysed(bt.analyzers.PositionsValue, (C, B), headers=True)
    assert found["Datetime"] == ["clock", C, B, A]
    assert found[dt.date(2019, 3, 6)] == [0.0, 0.0, pytest.approx(2_040.0), 10_400.0]


def test_an_analyzer_built_on_a_blind_one_is_refused_and_told_what_to_build_on() -> None:
    class Mine(bt.analyzers.PositionsValue):
        pass

    class Better(MarketPositionsValue):
        pass

    with pytest.raises(ConfigError, match="build it on engine.analyzers.MarketPositionsValue"):
        analysed(Mine)
    assert len(analysed(Better)[0]) == 10


def test_pyfolio_gives_frames_of_all_stocks() -> None:
    _, strategy = analysed(bt.analyzers.PyFolio)
    returns, positions, transactions, leverage = strategy.analyzers.it.get_pf_items()
    assert len(returns) == len(positions) == len(leverage) == 10
    assert positions.columns.tolist() == ["clock", A, B, "cash"]
    assert positions.loc["2019-03-06"].squeeze().tolist() == [0.0, 10_400.0, pytest.approx(2_040.0), 87_800.0]
    assert transactions["symbol"].tolist() == [A, B, A, A, A]
    assert str(returns.index.tz) == "UTC"


def test_an_analyzer_that_follows_the_clock_is_refused() -> None:
    cerebro = prepare(ROUND_TRIP, feeds=(A,))
    cerebro.addanalyzer(bt.analyzers.TimeReturn, data=cerebro.datas[0])
    with pytest.raises(ConfigError, match="TimeReturn is to follow the clock"):
        cerebro.run()
    cerebro = prepare(ROUND_TRIP, feeds=(A,))
    cerebro.addanalyzer(bt.analyzers.TimeReturn, data=cerebro.datas[1], timeframe=bt.TimeFrame.Days)
    found = cerebro.run()[0].analyzers.timereturn.get_analysis()
    assert found[dt.datetime(2019, 3, 6)] == pytest.approx(10.4 / 10.2 - 1)


# -- observers --------------------------------------------------------------------------------------


def observed(observer: Any, feeds: tuple[str, ...] = (), multi: bool = False, **options: Any) -> Any:
    cerebro = prepare(ROUND_TRIP, feeds=feeds)
    (cerebro.addobservermulti if multi else cerebro.addobserver)(observer, **options)
    strategy = cerebro.run()[0]
    return getattr(strategy.stats, observer.__name__.lower())


@pytest.mark.parametrize(
    ("name", "line", "last"),
    [
        ("Broker", "value", 100_040.0), ("CashValue", "value", 100_040.0), ("Cash", "cash", 98_000.0),
        ("Value", "value", 100_040.0), ("FundValue", "fundval", 100.04), ("FundShareValue", "fundval", 100.04),
        ("FundVal", "fundval", 100.04), ("FundShares", "fundshares", 1000.0), ("DrawDown", "maxdrawdown", 0.389066241),
        ("DrawDownLength", "maxlen", 7.0), ("DrawDown_Old", "maxdrawdown", 0.389066241),
        ("TimeReturn", "timereturn", 0.0004),
    ],
)  # fmt: skip
def test_observers_of_the_account_work(name: str, line: str, last: float) -> None:
    daily = {"timeframe": bt.TimeFrame.Days} if name == "TimeReturn" else {}
    seen = observed(getattr(bt.observers, name), **daily)
    assert getattr(seen.lines, line)[0] == pytest.approx(last)


def test_buysell_marks_the_fills_of_handles_on_the_stocks_feed() -> None:
    seen = observed(bt.observers.BuySell, (A, B), multi=True)
    bought = [value for value in seen[1].lines.buy.array[:10] if value == value]
    sold = [value for value in seen[1].lines.sell.array[:10] if value == value]
    assert bought == [10.2, 10.8] and sold == [10.1, 11.0]
    assert [value for value in seen[2].lines.buy.array[:10] if value == value] == [5.0]


def test_trades_shows_every_closed_trade_and_datatrades_those_of_feeds() -> None:
    seen = observed(bt.observers.Trades)
    assert [round(v, 9) for v in seen.lines.pnlplus.array[:10] if v == v] == [100.0]
    assert [round(v, 9) for v in seen.lines.pnlminus.array[:10] if v == v] == [-100.0]
    seen = observed(bt.observers.DataTrades, (B, A))
    assert [round(v, 9) for v in seen.lines[2].array[:10] if v == v] == [-100.0, 100.0]


@pytest.mark.parametrize(("name", "multi"), [("BuySell", True), ("DataTrades", False)])
def test_observers_of_feeds_are_refused_where_cerebro_holds_none(name: str, multi: bool) -> None:
    with pytest.raises(ConfigError, match=f"{name} shows bar feeds and Cerebro holds none: use the analyzer"):
        observed(getattr(bt.observers, name), multi=multi)


def test_cerebros_standard_observers_run_with_handles_and_the_one_without_feeds_says_so() -> None:
    strategy = play(ROUND_TRIP, stdstats=True)
    assert strategy.stats.broker.value[0] == strategy.broker.getvalue()
    with pytest.raises(ConfigError, match="BuySell shows bar feeds"):
        strategy.stats.buysell[0]
    with pytest.raises(ConfigError, match="BuySell shows bar feeds"):
        len(strategy.stats.buysell)


def test_benchmark_and_log_returns_need_a_feed_with_prices() -> None:
    for observer in (bt.observers.Benchmark, bt.observers.LogReturns):
        with pytest.raises(ConfigError, match="the clock, which has no prices"):
            observed(observer)
    cerebro = prepare(ROUND_TRIP, feeds=(A,))
    cerebro.addobserver(bt.observers.Benchmark, data=cerebro.datas[1], timeframe=bt.TimeFrame.NoTimeFrame)
    assert cerebro.run()[0].stats.benchmark.lines.benchmark[0] == pytest.approx(11.1 / 10.0 - 1)
    for observer, feeds in ((bt.observers.LogReturns, [A]), (bt.observers.LogReturns2, [A, B])):
        market = the_market()
        clock = market.clock()
        cerebro = bt.Cerebro(stdstats=False)
        for symbol in feeds:
            cerebro.adddata(market.bar_feed(symbol), name=symbol)
        cerebro.adddata(clock)
        cerebro.setbroker(AShareBroker(market=market))
        cerebro.addobserver(observer, timeframe=bt.TimeFrame.Days)
        seen = cerebro.run()[0].observers[0]
        assert seen.lines.logret1[0] == pytest.approx(math.log(11.1 / 11.2))


# -- timers, cheating on the open, notices ----------------------------------------------------------


class Timed(Told):
    params = (("cheat", False),)

    def __init__(self) -> None:
        super().__init__()
        self.add_timer(bt.timer.SESSION_START, weekdays=[2], cheat=self.p.cheat, mark="Tuesday")

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        super().notify_timer(timer, when, *args, **kwargs)
        if len(self.timers) == 1:
            self.buy(A, size=100)


@pytest.mark.parametrize(("cheat", "price"), [(False, 10.4), (True, 10.2)])
def test_timers_come_on_their_days_and_cheat_timers_before_the_open(cheat: bool, price: float) -> None:
    cerebro = prepare(strategy=None)
    cerebro.addstrategy(Timed, cheat=cheat)
    done = cerebro.run()[0]
    assert done.timers == [(dt.date(2019, 3, 5), {"mark": "Tuesday"}), (dt.date(2019, 3, 12), {"mark": "Tuesday"})]
    assert fills(done) == [(A, "buy", 100, price)]


def test_cerebros_own_timer_reaches_the_strategy() -> None:
    cerebro = prepare()
    cerebro.add_timer(bt.timer.SESSION_START, monthdays=[8], strats=True)
    assert [day for day, _ in cerebro.run()[0].timers] == [dt.date(2019, 3, 8)]


@pytest.mark.parametrize(
    "when", [{"when": bt.timer.SESSION_END}, {"when": dt.time(14, 50)}, {"when": 1, "offset": dt.timedelta(hours=1)}]
)
def test_timers_within_the_day_are_refused(when: dict[str, Any]) -> None:
    cerebro = prepare()
    cerebro.add_timer(**when, strats=True)
    with pytest.raises(ConfigError, match="would never be called: all bars are daily; use when=bt.timer.SESSION_START"):
        cerebro.run()


def test_orders_of_next_open_fill_at_that_open() -> None:
    done = play(at_open={2: lambda s: s.buy(A, size=100)}, cheat_on_open=True)
    assert fills(done) == [(A, "buy", 100, 10.2)]
    with pytest.raises(ConfigError, match="leave broker_coo as it is"):
        play(cheat_on_open=True, broker_coo=False)
    with pytest.raises(ConfigError, match="set_coo"):
        prepare().broker.set_coo(False)


def test_every_notice_of_a_strategy_arrives() -> None:
    done = play({1: lambda s: s.buy(A, size=100), 2: lambda s: s.close(A)})
    assert done.orders == [(1, "Submitted"), (1, "Accepted"), (1, "Completed")] + [
        (2, "Submitted"), (2, "Accepted"), (2, "Completed"),
    ]  # fmt: skip
    assert done.trades == [(A, False), (A, True)]
    assert done.cash[1] == (98_980.0, 100_000.0) and len(done.cash) == 10
    assert done.fund[1] == (98_980.0, 100_000.0, 100.0, 1000.0)


def test_the_trades_of_a_strategy_are_those_of_an_analyzer() -> None:
    done = play({1: lambda s: s.buy(A, size=100), 2: lambda s: s.close(A)})
    with pytest.raises(ConfigError, match="use the analyzer engine.analyzers.RoundTrips"):
        done._trades[done.market[A]]


def test_trade_history_is_refused() -> None:
    cerebro = prepare()
    with pytest.raises(ConfigError, match="trades keep no history here: use the analyzer engine.analyzers.Fills"):
        cerebro.run(tradehistory=True)


# -- the broker's setters ---------------------------------------------------------------------------


def test_setcash_before_a_run_and_between_runs() -> None:
    cerebro = prepare({1: lambda s: s.buy(A, size=100)})
    cerebro.broker.setcash(50_000)
    assert cerebro.run()[0].cash[0] == (50_000.0, 50_000.0)
    cerebro.broker.set_cash(20_000)
    assert cerebro.run()[0].cash[0] == (20_000.0, 20_000.0)


def funded(broker: Any, feeds: list[Any]) -> list[tuple[float, float, float, float]]:
    class Payer(Told):
        def next(self) -> None:
            if len(self) == 1:
                self.buy(data=self.datas[-1], size=1000)
            if len(self) in (3, 6):
                self.broker.add_cash(20_000.0 if len(self) == 3 else -5_000.0)

    cerebro = bt.Cerebro(stdstats=False)
    for feed in feeds:
        cerebro.adddata(feed, name=getattr(feed, "_name", "") or "clock")
    cerebro.setbroker(broker)
    cerebro.addstrategy(Payer)
    cerebro.addanalyzer(bt.analyzers.TimeReturn, timeframe=bt.TimeFrame.NoTimeFrame)
    done = cerebro.run()[0]
    return [*done.fund, tuple(done.analyzers.timereturn.get_analysis().values())]


def test_add_cash_is_booked_and_the_fund_is_backtraders() -> None:
    market = the_market()
    ours = AShareBroker(market=market, cash=100_000, fees=ZeroFees())
    ours.set_fundmode(True, 50.0)
    found = funded(ours, [market.clock(), market.bar_feed(A)])
    theirs = bt.brokers.BackBroker(cash=100_000)
    theirs.set_fundmode(True, 50.0)
    expected = funded(theirs, [market.bar_feed(A)])
    for got, wanted in zip(found, expected, strict=True):
        assert got == pytest.approx(wanted, rel=1e-12)
    # 1,000 A from 10.20 to 11.10, 20,000 paid in on session 4 and 5,000 taken out on session 7
    assert found[-2][:2] == (104_800.0, pytest.approx(115_900.0)) and ours.fundmode and ours.get_fundmode()
    assert ours.get_fundvalue() * ours.get_fundshares() == pytest.approx(115_900.0)


def test_add_cash_outside_a_run_and_more_than_there_is_are_refused() -> None:
    with pytest.raises(ConfigError, match="before a run use setcash"):
        prepare().broker.add_cash(5.0)
    with pytest.raises(RuleError, match="takes out 100001.00 yuan, but there are only 100000.00"):
        play({1: lambda s: s.broker.add_cash(-100_001.0)})


@pytest.mark.parametrize(
    ("name", "values", "instead"),
    [
        ("set_slippage_perc", (0.01,), "slippage=BasisPoints"),
        ("set_slippage_fixed", (0.01,), "slippage=FixedSlippage"),
        ("set_filler", (bt.fillers.FixedSize(size=10),), "slippage=VolumeShare"),
        ("set_coc", (True,), "fill='same_close'"),
        ("set_checksubmit", (True,), "check_submitted=True"),
        ("set_shortcash", (False,), "cannot be sold short"),
        ("set_int2pnl", (True,), "cash_rate"),
        ("set_eosbar", (True,), "all bars are daily"),
        ("seteosbar", (True,), "all bars are daily"),
        ("submit", (None,), "from a strategy's buy, sell and close"),
        ("setcommission", (0.001,), r"fees=FeeSchedule\(commission"),
        ("addcommissioninfo", (bt.CommissionInfo(),), r"fees=FeeSchedule\(commission"),
        ("add_order_history", ([],), "from a strategy"),
        ("set_fund_history", ([],), "setcash"),
    ],
)
def test_setters_of_backtraders_own_broker_are_refused_with_what_to_use(name: str, values: Any, instead: str) -> None:
    with pytest.raises(ConfigError, match=instead):
        getattr(prepare().broker, name)(*values)


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("coc", "fill='same_close'"), ("slip_perc", "slippage=BasisPoints"), ("slip_fixed", "slippage=FixedSlippage"),
        ("filler", "slippage=VolumeShare"), ("checksubmit", "check_submitted=True"), ("commission", "fees=FeeSchedule"),
        ("shortcash", "cannot be sold short"), ("csh", "did you mean 'cash'"),
    ],
)  # fmt: skip
def test_options_of_backtraders_own_broker_are_refused_with_what_to_use(option: str, instead: str) -> None:
    with pytest.raises(ConfigError, match=f"AShareBroker has no option '{option}': .*{instead}"):
        AShareBroker(market=the_market(), **{option: 0.5})


def test_histories_given_to_cerebro_are_refused_when_it_runs() -> None:
    cerebro = prepare()
    cerebro.add_order_history([["2019-03-05", 100, 10.0]])
    with pytest.raises(ConfigError, match="add_order_history"):
        cerebro.run()


# -- runs -------------------------------------------------------------------------------------------


def test_a_second_run_begins_with_a_fresh_account() -> None:
    cerebro = prepare(ROUND_TRIP)
    cerebro.addanalyzer(Fills)
    first = cerebro.run()[0]
    once = first.analyzers.fills.get_analysis()
    second = cerebro.run()[0]
    assert second.analyzers.fills.get_analysis().equals(once) and len(once) == 5
    assert second.cash == first.cash and second.orders == first.orders


@pytest.mark.parametrize("processes", [1, 2])
def test_optstrategy_begins_every_run_with_a_fresh_account(processes: int) -> None:
    cerebro = prepare(strategy=None, feeds=(A,), maxcpus=processes)
    cerebro.optstrategy(Told, size=[100, 200, 300])
    cerebro.addanalyzer(Fills)
    cerebro.addanalyzer(bt.analyzers.PyFolio)
    runs = cerebro.run()
    for size, (one,) in zip((100, 200, 300), runs, strict=True):
        frame = one.analyzers.fills.get_analysis()
        assert frame["shares"].tolist() == [size] and frame["order_id"].tolist() == [1]
        positions = one.analyzers.pyfolio.get_analysis()["positions"]
        assert positions[dt.date(2019, 3, 5)][1:] == [size * 10.2, 100_000 - size * 10.2]


@pytest.mark.parametrize("processes", [1, 2])
def test_optstrategy_can_be_run_again(processes: int) -> None:
    cerebro = prepare(strategy=None, maxcpus=processes)
    cerebro.optstrategy(Told, size=[100, 200])
    assert [len(cerebro.run()) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("feeds", [(), (A,)])
def test_plot_draws_the_account_and_the_bar_feeds_without_a_screen(feeds: tuple[str, ...], tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    cerebro = prepare(ROUND_TRIP, feeds=feeds, stdstats=True)
    cerebro.run()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        figure = cerebro.plot()[0][0]
    texts = " ".join(
        text.get_text()
        for axis in figure.axes
        for text in axis.texts + (axis.get_legend().get_texts() if axis.get_legend() else [])
    )
    assert "Broker" in texts and ("600000.SH" in texts) is bool(feeds) and "clock (" not in texts
    assert texts.count("Broker") == 1  # not drawn over the figure of another run
    figure.savefig(tmp_path / "plot.png")
    plt.close("all")
    assert (tmp_path / "plot.png").stat().st_size > 5_000


def test_plot_needs_no_more_than_a_process_without_a_screen() -> None:
    """In a fresh process, as Backtrader asks for a screen when its plotting is first imported."""
    code = (
        "import test_surface as t; c = t.prepare(t.ROUND_TRIP, stdstats=True); c.run(); print(len(c.plot()[0][0].axes))"
    )
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, (here.parents[1], here, here.parent / "support")))
    hidden = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=hidden | {"PYTHONPATH": paths}
    )
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr


@pytest.mark.parametrize(
    ("options", "why"), [({"exactbars": 1}, "exactbars=1 keeps no bars to draw"), ({}, "there is nothing to draw")]
)
def test_plot_of_nothing_is_refused_and_names_the_tearsheet(options: dict[str, Any], why: str) -> None:
    cerebro = prepare(ROUND_TRIP, **options)
    cerebro.run()
    with pytest.raises(ConfigError, match=f"{why}.*tearsheet"):
        cerebro.plot()


def test_plot_of_an_optimisation_is_refused_and_names_the_tearsheet() -> None:
    cerebro = prepare(strategy=None, maxcpus=1)
    cerebro.optstrategy(Told, size=[100, 200])
    cerebro.run()
    with pytest.raises(ConfigError, match="optstrategy keeps no runs to draw.*tearsheet"):
        cerebro.plot()


@pytest.mark.parametrize(
    "days", [("2019-02-25", "2019-03-25"), ("2019-03-06", "2019-03-12"), ("2019-03-04", "2019-03-08")]
)
def test_exactbars_1_beside_a_feed_with_other_dates_is_refused(days: tuple[str, str]) -> None:
    """Backtrader takes a bar back that it no longer has: the clock's date and position come apart."""
    cerebro = prepare(ROUND_TRIP, exactbars=1)
    frame = pd.DataFrame(dict.fromkeys(["open", "high", "low", "close", "volume"], 1.0), index=pd.date_range(*days))
    cerebro.adddata(bt.feeds.PandasData(dataname=frame.drop(pd.Timestamp("2019-03-07"))))
    with pytest.raises(ConfigError, match="the feeds of Cerebro have different dates, of which exactbars=1 loses bars"):
        cerebro.run()


def test_a_run_after_one_with_exactbars_sees_all_bars_again() -> None:
    cerebro = prepare(ROUND_TRIP, feeds=(A,))
    plain, short, again = (cerebro.run(exactbars=exactbars)[0] for exactbars in (0, 1, 0))
    assert short.cash == plain.cash and again.cash == plain.cash and len(plain.cash) == 10
    assert list(again.datas[1].close.get(size=10)) == CLOSES


def test_bar_feeds_can_be_resampled_and_replayed_and_the_clock_cannot() -> None:
    # a strategy's next() begins with the first bar of every feed: the first week is full on its fifth day
    for way, prices in (("resampledata", [10.8, 11.0]), ("replaydata", [10.2, 5.0, 10.1, 10.8, 11.0])):
        cerebro = prepare(ROUND_TRIP)
        market = cerebro.datas[0].p.market
        getattr(cerebro, way)(market.bar_feed(A), timeframe=bt.TimeFrame.Weeks, name="week")
        done = cerebro.run()[0]
        assert [row[3] for row in fills(done)] == prices
        assert done.datas[1].close[0] == 11.1 and len(done.datas[1]) == 2
    market = the_market()
    cerebro = bt.Cerebro()
    cerebro.resampledata(market.clock(), timeframe=bt.TimeFrame.Weeks)
    cerebro.setbroker(AShareBroker(market=market))
    with pytest.raises(ConfigError, match="add market.clock\\(\\) to Cerebro as it is"):
        cerebro.run()


@pytest.mark.parametrize(
    "mode",
    [
        {"exactbars": 1},
        {"exactbars": -1},
        {"exactbars": -2},
        {"runonce": False},
        {"preload": False},
        {"quicknotify": True},
    ],
)
def test_modes_of_cerebro_change_nothing(mode: dict[str, Any]) -> None:
    plain = play(ROUND_TRIP, feeds=(A,), stdstats=True)
    done = play(ROUND_TRIP, feeds=(A,), stdstats=True, **mode)
    assert fills(done) == fills(plain) and done.orders == plain.orders and done.trades == plain.trades
    assert done.broker.getvalue() == plain.broker.getvalue()


def test_a_handle_is_true_before_the_first_bar_and_an_indicator_refuses_it() -> None:
    class Early(Told):
        def __init__(self) -> None:
            super().__init__()
            self.early = bool(self.getdatabyname(A))

    class Careless(Told):
        def __init__(self) -> None:
            bt.indicators.SMA(self.getdatabyname(A), period=3)

    cerebro = prepare(strategy=Early)
    assert cerebro.run()[0].early is True
    with pytest.raises(TypeError, match="an indicator needs market.bar_feed\\('600000.SH'\\)"):
        prepare(strategy=Careless).run()
