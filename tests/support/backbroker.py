"""The same strategy on Backtrader's own broker and on ours, with the same simple rules."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from engine.broker import AShareBroker
from engine.fees import PercentageFees
from engine.market import Market
from engine.rules import Rules

COMMISSION = 0.001


def random_market(stocks: int, sessions: int, seed: int) -> Market:
    """A random-walk market without suspensions, prices with two decimals."""
    rng = np.random.default_rng(seed)
    close = np.round(10.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, stocks)), axis=0)), 2)
    opened = np.round(close * np.exp(rng.normal(0, 0.01, close.shape)), 2)
    high = np.round(np.maximum(opened, close) * (1 + rng.random(close.shape) * 0.02), 2)
    low = np.round(np.minimum(opened, close) * (1 - rng.random(close.shape) * 0.02), 2)
    days = np.busday_offset("2015-01-05", np.arange(sessions)).astype("datetime64[D]")
    symbols = [f"{600000 + k}.SH" for k in range(stocks)]
    volume = rng.integers(10_000, 1_000_000, close.shape).astype(float)
    return Market.build(days, symbols, {"open": opened, "high": high, "low": low, "close": close, "volume": volume})


class Recorder(bt.Strategy):
    """Keeps cash, value and positions of every session; subclasses trade in ``trade``."""

    params = (("seed", 0), ("find", None), ("names", ()))

    def start(self) -> None:
        self.rng = np.random.default_rng(self.p.seed)
        self.account: list[tuple[str, float, float]] = []
        self.told: dict[int, list[Any]] = {}
        self.trades_told: list[tuple[Any, ...]] = []
        self.first_ref: int | None = None

    def data_of(self, name: str) -> Any:
        return self.getdatabyname(name) if self.p.find is None else self.p.find(name)

    def notify_order(self, order: Any) -> None:
        self.first_ref = order.ref if self.first_ref is None else self.first_ref
        self.told.setdefault(order.ref - self.first_ref, []).append(
            (order.getstatusname(), order.executed.size, order.executed.price, order.executed.comm)
        )

    def notify_trade(self, trade: Any) -> None:
        self.trades_told.append((trade.getdataname(), trade.size, trade.price, trade.pnl, trade.pnlcomm))

    def next(self) -> None:
        date = self.data.datetime.date().isoformat()
        self.account.append((date, self.broker.getcash(), self.broker.getvalue()))
        self.trade()

    def trade(self) -> None:
        raise NotImplementedError


class RandomTrader(Recorder):
    """Random market buys, sales of part of a position, closes and target percents, cash running short."""

    def trade(self) -> None:
        if len(self) % 3:
            return
        for name in self.rng.permutation(self.p.names)[:5]:
            data = self.data_of(name)
            size = self.getposition(data).size
            action = int(self.rng.integers(4))
            if action == 0:
                self.buy(data=data, size=int(self.rng.integers(1, 900)))
            elif action == 1 and size > 1:
                self.sell(data=data, size=int(self.rng.integers(1, size)))
            elif action == 2 and size:
                self.close(data)
            elif action == 3:
                self.order_target_percent(data, float(self.rng.choice([0.0, 0.02, 0.05, 0.1])))


def on_backtrader(market: Market, strategy: type[Recorder], cash: float, seed: int) -> Recorder:
    """Run on ``BackBroker`` with one feed per stock."""
    cerebro = bt.Cerebro(stdstats=False)
    for i, symbol in enumerate(market.symbols):
        frame = pd.DataFrame(
            {name: getattr(market, name)[:, i] for name in ("open", "high", "low", "close", "volume")},
            index=pd.DatetimeIndex(market.sessions.astype("datetime64[ns]")),
        )
        cerebro.adddata(bt.feeds.PandasData(dataname=frame), name=symbol)
    cerebro.broker.setcash(cash)
    cerebro.broker.setcommission(commission=COMMISSION)
    cerebro.addstrategy(strategy, seed=seed, names=tuple(market.symbols))
    return cerebro.run()[0]


def on_ours(market: Market, strategy: type[Recorder], cash: float, seed: int, through: str = "handles") -> Recorder:
    """Run on :class:`AShareBroker` with Backtrader's rules, through stock handles or bar feeds."""
    market = market.fork()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock(), name="clock")
    find = market.__getitem__
    if through == "feeds":
        for symbol in market.symbols:
            cerebro.adddata(market.bar_feed(symbol), name=symbol)
        find = None
    cerebro.setbroker(
        AShareBroker(market=market, cash=cash, rules=Rules.backtrader(), fees=PercentageFees(commission=COMMISSION))
    )
    cerebro.addstrategy(strategy, seed=seed, names=tuple(market.symbols), find=find)
    return cerebro.run()[0]


def largest_difference(ours: Recorder, theirs: Recorder) -> float:
    """Largest relative difference of cash or value on any day; the days must be the same."""
    assert [row[0] for row in ours.account] == [row[0] for row in theirs.account]
    mine, other = (np.array([row[1:] for row in run.account]) for run in (ours, theirs))
    return float((np.abs(mine - other) / np.maximum(1.0, np.abs(other))).max())
