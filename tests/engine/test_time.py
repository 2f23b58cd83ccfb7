"""Time is the clock's own: beside other feeds, in every mode of Cerebro, in handles, views and bar feeds."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from small_market import NAN, market_of, play

from engine.broker import AShareBroker
from engine.errors import LookAheadError
from engine.fees import ZeroFees
from engine.market import Market

A, B = "600000.SH", "600001.SH"
# Twelve weekdays from Monday 2019-03-04 to Tuesday 2019-03-19; the clock ends on Friday 2019-03-15.
CLOSES = [10.0, 10.1, 10.3, 10.2, 10.6, 10.4, 10.9, 11.0, 10.8, 11.3, 99.0, 99.0]
OPENS = [10.0, 10.05, 10.2, 10.25, 10.4, 10.5, 10.6, 10.95, 10.9, 11.1, 99.0, 99.0]
END = "2019-03-15"
PLAN = {"2019-03-05": 300, "2019-03-08": 200, "2019-03-11": -300, "2019-03-13": 100, "2019-03-14": -100}
MODES: list[dict[str, Any]] = [
    {},
    {"runonce": False},
    {"preload": False},
    {"exactbars": 1},
    {"exactbars": -1},
    {"cheat_on_open": True},
    {"cheat_on_open": True, "runonce": False},
]


def the_market() -> Market:
    return market_of({A: CLOSES, B: [5.0] * 12}, opens={A: OPENS}).fork()


class Planned(bt.Strategy):
    """Trades by the clock's date and notes, wherever it is called, what clock and handle say of the date."""

    params = (("market", None), ("plan", None), ("at_open", False))

    def start(self) -> None:
        self.left = dict(self.p.plan)
        self.dates: list[tuple[str, dt.date, dt.date]] = []
        self.closes: dict[dt.date, float] = {}

    def look(self, where: str) -> None:
        clock, handle = self.p.market.running, self.p.market[A]
        if not len(clock):
            return
        today = clock.datetime.date(0)
        self.dates.append((where, today, handle.datetime.date(0)))
        assert str(self.p.market.sessions[clock.t]) == str(today)
        assert len(handle) == len(clock) == clock.t - clock.p.first + 1
        assert handle.num2date().date() == today and handle.datetime[0] == clock.datetime[0]
        if where == "next":
            self.closes[today] = handle.close[0]

    def act(self) -> None:
        clock = self.p.market.running
        size = self.left.pop(str(clock.datetime.date(0)), None) if len(clock) else None
        if size:
            (self.buy if size > 0 else self.sell)(data=self.p.market[A], size=abs(size))

    def next(self) -> None:
        self.look("next")
        if not self.p.at_open:
            self.act()

    prenext = next

    def next_open(self) -> None:
        self.look("next_open")
        if self.p.at_open:
            self.act()

    prenext_open = next_open

    def notify_order(self, order: Any) -> None:
        self.look("order")

    def notify_trade(self, trade: Any) -> None:
        self.look("trade")

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.look("cashvalue")


def frame_of(days: pd.DatetimeIndex) -> Any:
    columns = ["open", "high", "low", "close", "volume"]
    return bt.feeds.PandasData(dataname=pd.DataFrame(dict.fromkeys(columns, 1.0), index=days))


def extra_dates(cerebro: Any, market: Market) -> None:
    """Begins a week before and ends after the clock, with week-ends."""
    cerebro.adddata(frame_of(pd.date_range("2019-02-25", "2019-03-25", freq="D")))


def missing_dates(cerebro: Any, market: Market) -> None:
    """Begins late, ends early, with holes, one of them over the days of an order."""
    cerebro.adddata(frame_of(pd.DatetimeIndex(["2019-03-06", "2019-03-07", "2019-03-12", "2019-03-13"])))


def extra_and_missing_dates(cerebro: Any, market: Market) -> None:
    cerebro.adddata(frame_of(pd.date_range("2019-02-27", "2019-03-18", freq="D").delete([7, 9, 12, 13])))


def weekly(cerebro: Any, market: Market) -> None:
    cerebro.resampledata(market.bar_feed(A), timeframe=bt.TimeFrame.Weeks)


def weekly_of_other_dates(cerebro: Any, market: Market) -> None:
    feed = frame_of(pd.date_range("2019-02-27", "2019-03-14", freq="D").delete([7, 9]))
    cerebro.resampledata(feed, timeframe=bt.TimeFrame.Weeks)


def nothing(cerebro: Any, market: Market) -> None:
    """The clock alone."""


BESIDE = [nothing, extra_dates, missing_dates, extra_and_missing_dates, weekly, weekly_of_other_dates]
PAIRS = [
    pytest.param(beside, mode, id=f"{beside.__name__}-{mode}")
    for beside in BESIDE
    for mode in MODES
    # with exactbars=1 Backtrader itself loses bars of feeds whose dates differ
    if mode != {"exactbars": 1} or beside in (nothing, weekly, weekly_of_other_dates)
]


def run(beside: Any, mode: dict[str, Any], plan: dict[str, int], at_open: bool = False) -> tuple[AShareBroker, Planned]:
    market = the_market()
    cerebro = bt.Cerebro(stdstats=False, **mode)
    cerebro.adddata(market.clock(end=END))
    beside(cerebro, market)
    broker = AShareBroker(market=market, cash=10_000.0)
    cerebro.setbroker(broker)
    cerebro.addstrategy(Planned, market=market, plan=plan, at_open=at_open)
    return broker, cerebro.run()[0]


def account_of(broker: AShareBroker) -> list[list[list[Any]]]:
    ledger = broker.ledger
    equity = ledger.equity_frame()[["date", "value", "cash"]]
    return [frame.astype({"date": str}).values.tolist() for frame in (ledger.fills_frame(), equity)]


@pytest.mark.parametrize(("beside", "mode"), PAIRS)
def test_fills_and_equity_carry_the_clocks_dates_beside_any_feed_in_any_mode(beside: Any, mode: dict[str, Any]) -> None:
    broker, strategy = run(beside, mode, PLAN)
    fills, equity = account_of(broker)
    # each order fills at the open of the session after its own
    assert [(row[1], row[3], row[4], row[5]) for row in fills] == [
        ("2019-03-06", "buy", 300, 10.2),
        ("2019-03-11", "buy", 200, 10.5),
        ("2019-03-12", "sell", 300, 10.6),
        ("2019-03-14", "buy", 100, 10.9),
        ("2019-03-15", "sell", 100, 11.1),
    ]
    shares = [0, 0, 300, 300, 300, 500, 200, 200, 300, 200]
    assert [row[0] for row in equity] == [str(day) for day in the_market().sessions[:10]]
    assert [round(value - cash, 2) for _, value, cash in equity] == [
        round(n * close, 2) for n, close in zip(shares, CLOSES, strict=False)
    ]
    # 3 purchases and 2 sales, each with the minimum commission, 0.002 % transfer fee and 0.1 % stamp duty on sales
    spent = 3_060.06 + 2_100.04 + 1_090.02 + 5 * 5.0 - (3_180 - 3.18 - 0.06) - (1_110 - 1.11 - 0.02)
    assert equity[-1][2] == pytest.approx(10_000 - spent, abs=1e-9)
    assert account_of(broker) == account_of(run(nothing, {}, PLAN)[0])
    assert all(clocks == handles for _, clocks, handles in strategy.dates)
    assert {"next", "order", "trade", "cashvalue"} <= {where for where, *_ in strategy.dates}
    assert strategy.closes == {
        day: close for day, close in zip(the_market().sessions[:10].tolist(), CLOSES, strict=False)
    }


@pytest.mark.parametrize(("beside", "mode"), [pair for pair in PAIRS if "cheat_on_open" not in pair.values[1]])
def test_orders_made_before_the_open_fill_at_that_open_beside_any_feed(beside: Any, mode: dict[str, Any]) -> None:
    plan = {"2019-03-06": 300, "2019-03-12": -200}
    broker, strategy = run(beside, {"cheat_on_open": True, **mode}, plan, at_open=True)
    fills, equity = account_of(broker)
    assert [(row[1], row[3], row[5]) for row in fills] == [("2019-03-06", "buy", 10.2), ("2019-03-12", "sell", 10.6)]
    assert [row[0] for row in equity] == [str(day) for day in the_market().sessions[:10]]
    assert all(clocks == handles for _, clocks, handles in strategy.dates)
    assert "next_open" in {where for where, *_ in strategy.dates}


def test_interest_counts_the_days_between_clock_bars_not_the_calls_of_the_broker() -> None:
    for beside in (nothing, extra_dates, extra_and_missing_dates):
        market = the_market()
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(market.clock("2019-03-07", "2019-03-12"))
        beside(cerebro, market)
        broker = AShareBroker(market=market, cash=1_000_000.0, cash_rate=0.0365)
        cerebro.setbroker(broker)
        cerebro.addstrategy(Planned, market=market, plan={})
        cerebro.run()
        interest = broker.ledger.equity_frame()["interest"].tolist()
        assert interest == [0.0, 100.0, 300.03, 100.04], beside.__name__


def test_a_trades_bars_are_bars_of_the_clock() -> None:
    for beside in BESIDE:
        market = the_market()
        closed = []

        class Keep(Planned):
            def notify_trade(self, trade: Any, closed: list[Any] = closed) -> None:
                closed.append((trade.baropen, trade.barclose, trade.barlen))

        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(market.clock(end=END))
        beside(cerebro, market)
        cerebro.setbroker(AShareBroker(market=market))
        cerebro.addstrategy(Keep, market=market, plan={"2019-03-05": 100, "2019-03-12": -100})
        cerebro.run()
        assert closed == [(3, 0, 0), (3, 8, 5)], beside.__name__


# -- what can be seen -------------------------------------------------------------------------------


def test_dates_ahead_of_the_clock_are_not_known() -> None:
    def look(s: Any) -> None:
        handle = s.market[A]
        for read in (lambda: handle.datetime[1], lambda: handle.datetime.date(1), lambda: handle.datetime.datetime(2)):
            with pytest.raises(LookAheadError, match="ahead"):
                read()
        s.notes.append((handle.datetime[0], handle.datetime[-1], handle.datetime.date(-1)))

    done = play(market_of({A: [10.0, 11.0, 12.0]}), {1: look})
    ordinal = dt.date(2019, 3, 5).toordinal()
    assert done.strategy.notes == [(float(ordinal), float(ordinal - 1), dt.date(2019, 3, 4))]


def test_no_price_ahead_of_the_clock_can_be_read_from_a_handle() -> None:
    def look(s: Any) -> None:
        handle = s.market[A]
        for line in (handle.open, handle.high, handle.low, handle.close, handle.volume):
            with pytest.raises(LookAheadError):
                line[1]
            with pytest.raises(LookAheadError):
                line(2)
            s.notes.append((line[0], line[-1]))

    market = market_of({A: [10.0, 11.0, 12.0]}, opens={A: [10.0, 10.5, 11.5]})
    done = play(market, {1: look})
    assert done.strategy.notes == [(10.5, 10.0), (11.0, 10.0), (10.5, 10.0), (11.0, 10.0), (1e6, 1e6)]


def test_a_handle_is_silent_on_sessions_without_a_bar() -> None:
    def look(s: Any) -> None:
        handle = s.market[A]
        lines = (handle.open, handle.high, handle.low, handle.close)
        s.notes.append((*(line[0] for line in lines), handle.volume[0], handle.is_trading))

    done = play(market_of({A: [10.0, NAN, 12.0]}), {1: look, 2: look})
    assert done.strategy.notes == [(10.0,) * 4 + (0.0, False), (12.0,) * 4 + (1e6, True)]


def test_series_of_a_view_end_at_its_session() -> None:
    market = market_of({A: [10.0, 11.0, 12.0, 13.0]}, series={"benchmark": np.array([1.0, 2.0, 3.0, 4.0])})
    view = market.view(1)
    assert view.series("benchmark").tolist() == [1.0, 2.0]
    assert view.sessions.tolist() == market.sessions[:2].tolist() and view.date == market.sessions[1]
    assert view.close[:, 0].tolist() == [10.0, 11.0] and view.mark.shape == (2, 1)
    assert view.upto(0).series("benchmark").tolist() == [1.0]

    def look(s: Any) -> None:
        s.notes.append(s.market.view().series("benchmark").tolist())

    assert play(market, {0: look, 2: look}).strategy.notes == [[1.0], [1.0, 2.0, 3.0]]


def test_the_universe_leaves_out_what_is_not_listed_and_what_is_no_member() -> None:
    symbols = [f"60000{k}.SH" for k in range(4)]  # plain, lists on session 2, leaves after 1, member from 1 to 2
    closes = [[10.0] * 4, [NAN, NAN, 20.0, 20.0], [30.0, 30.0, NAN, NAN], [40.0] * 4]
    member = np.ones((4, 4), np.uint8)
    member[[0, 3], 3] = 0
    market = market_of(
        dict(zip(symbols, closes, strict=True)), member=member, list_age=np.array([10_000, 0, 10_000, 10_000]),
        last_session=np.array([3, 3, 1, 3]), delisted=np.array([False, False, True, False]),
    )  # fmt: skip
    seen = [np.flatnonzero(market.view(t).universe).tolist() for t in range(4)]
    assert seen == [[0, 2], [0, 2, 3], [0, 1, 3], [0, 1]]
    scored = market.view(1).scores(np.arange(4.0))
    assert scored.index.tolist() == [symbols[0], symbols[2], symbols[3]] and scored["score"].tolist() == [0, 2, 3]


# -- bars that are none -----------------------------------------------------------------------------


def test_a_bar_without_volume_is_not_traded() -> None:
    volume = np.array([[1e6], [0.0], [0.0], [1e6]])
    market = market_of({A: [10.0, 10.2, 10.4, 10.6]}, volume=volume)
    assert market.traded[:, 0].tolist() == [1, 0, 0, 1]
    done = play(market, {0: lambda s: s.buy(data=s.market[A], size=100)}, fees=ZeroFees())
    fills = done.broker.ledger.fills_frame()
    assert fills["date"].astype(str).tolist() == ["2019-03-07"] and fills["price"].tolist() == [10.6]
    refused = done.broker.ledger.refusals_frame()
    assert refused[["reason", "days", "outcome"]].values.tolist() == [["SUSPENDED", 2, "done"]]


def test_the_volume_of_a_bar_feed_is_finite_where_the_market_has_none() -> None:
    sessions = np.busday_offset("2019-03-04", np.arange(4)).astype("datetime64[D]")
    prices = np.array([[10.0], [10.5], [NAN], [11.0]])
    market = Market.build(sessions, [A], {name: prices for name in ("open", "high", "low", "close")})
    assert market.traded[:, 0].tolist() == [1, 1, 0, 1]
    seen = []

    class Look(bt.Strategy):
        def __init__(self) -> None:
            self.mean = bt.indicators.SMA(self.data1.volume, period=2)

        def next(self) -> None:
            seen.append((self.data1.volume[0], self.mean[0]))

    market = market.fork()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    cerebro.adddata(market.bar_feed(A))
    cerebro.setbroker(AShareBroker(market=market))
    cerebro.addstrategy(Look)
    cerebro.run()
    assert len(seen) == 3 and np.isfinite(seen).all()
