"""Where Backtrader itself is wrong: each test shows its defect, then that ours is free of it."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
from small_market import NAN, market_of

from engine.broker import AShareBroker
from engine.fees import FeeSchedule, ZeroFees
from engine.market import Market
from engine.slippage import VolumeShare

A, B = "600000.SH", "600001.SH"


class Keeps(bt.Strategy):
    """Buys ``size`` of A on its first bar and keeps the account's value of every bar."""

    params = (("size", 0),)

    def start(self) -> None:
        self.days: list[str] = []
        self.values: list[float] = []

    def next(self) -> None:
        if not self.days and self.p.size:
            self.buy(data=self.getdatabyname(A), size=self.p.size)
        self.days.append(self.datetime.date().isoformat())
        self.values.append(self.broker.getvalue())


def frame_of(market: Market, i: int) -> pd.DataFrame:
    columns = {name: getattr(market, name)[:, i] for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(market.sessions.astype("datetime64[ns]")))


def on_backtrader(frames: dict[str, pd.DataFrame], prepare: Any = None, **params: Any) -> Keeps:
    cerebro = bt.Cerebro(stdstats=False)
    for symbol, frame in frames.items():
        cerebro.adddata(bt.feeds.PandasData(dataname=frame), name=symbol)
    cerebro.broker.setcash(100_000.0)
    if prepare is not None:
        prepare(cerebro.broker)
    cerebro.addstrategy(Keeps, **params)
    return cerebro.run()[0]


def on_ours(market: Market, size: int = 0, **broker: Any) -> Keeps:
    market = market.fork()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock(), name="clock")
    for symbol in market.symbols:
        cerebro.adddata(market.bar_feed(symbol), name=symbol)
    cerebro.setbroker(AShareBroker(market=market, cash=100_000.0, **({"fees": ZeroFees()} | broker)))
    cerebro.addstrategy(Keeps, size=size)
    return cerebro.run()[0]


def test_a_late_listing_does_not_silence_the_strategy() -> None:
    late = [NAN] * 6 + [20.0, 21.0, 22.0, 23.0]
    market = market_of({A: [10.0] * 10, B: late}, list_age=np.array([10_000, 0], dtype=np.int32))
    frames = {symbol: frame_of(market, i).dropna() for i, symbol in enumerate(market.symbols)}
    assert len(on_backtrader(frames).days) == 4
    ours = on_ours(market)
    assert ours.days == market.sessions.astype(str).tolist()
    assert [len(data) for data in ours.datas] == [10, 10, 10]  # a bar of each feed on every trading day
    assert math.isnan(ours.datas[2].close[-4]) and ours.datas[2].close[-3] == 20.0


def test_a_session_without_a_bar_does_not_poison_the_account_value() -> None:
    market = market_of({A: [10.0, 10.0, 10.5, NAN, NAN, 11.0]})
    theirs = on_backtrader({A: frame_of(market, 0)}, size=1000)
    assert [math.isnan(value) for value in theirs.values] == [False, False, False, True, True, False]
    assert on_ours(market, size=1000).values == [100_000.0, 100_000.0, 100_500.0, 100_500.0, 100_500.0, 101_000.0]


def test_the_minimum_commission_is_paid_once_an_order_however_many_fills_it_takes() -> None:
    class Minimum(bt.CommInfoBase):
        params = (("commission", 0.0003), ("stocklike", True), ("commtype", bt.CommInfoBase.COMM_PERC))

        def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
            return max(5.0, abs(size) * price * self.p.commission / 100)

    def prepare(broker: Any) -> None:
        broker.addcommissioninfo(Minimum())
        broker.set_filler(bt.fillers.FixedBarPerc(perc=10.0))

    market = market_of({A: [10.0] * 6}, volume=3_000.0)  # a tenth: 300 shares a session
    theirs = on_backtrader({A: frame_of(market, 0)}, prepare, size=900)
    assert theirs.values[-1] == 100_000.0 - 3 * 5.0
    fees = FeeSchedule(commission=0.0003, minimum=5.0, stamp_duty=False, transfer_fee=False)
    ours = on_ours(market, size=900, fees=fees, slippage=VolumeShare(cap=0.1))
    assert ours.broker.ledger.fills_frame()["shares"].tolist() == [300, 300, 300]
    assert ours.values[-1] == 100_000.0 - 5.0
