"""The same strategy on Backtrader's own broker and on ours, with the same simple rules."""

from __future__ import annotations

import datetime as dt
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


class EveryKind(Recorder):
    """Random orders of every kind, brackets and one-cancels-the-other groups, never selling short.

    Brackets live on every other stock, where nothing else trades; a stock's sales together never exceed what
    is held.
    """

    def start(self) -> None:
        super().start()
        self.promised: dict[str, int] = {}
        self.lowest = 0.0

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        name = order.data._name
        if order.issell() and not order.alive() and name in self.promised:
            self.promised[name] -= abs(order.created.size)

    def trade(self) -> None:
        names = list(self.p.names)
        self.lowest = min([self.lowest, *(self.getposition(self.data_of(name)).size for name in names)])
        if len(self) % 2:
            return
        for name in self.rng.permutation(names)[:5]:
            if names.index(name) % 2:
                self.bracket(name)
            else:
                self.enter(name)
                self.leave(name)

    def near(self, price: float, low: float, high: float) -> float:
        return round(price * float(self.rng.uniform(low, high)), 2)

    def until(self) -> dict[str, Any]:
        if self.rng.random() < 0.5:
            return {}
        return {"valid": self.data.datetime.datetime(0) + dt.timedelta(days=int(self.rng.integers(1, 9)))}

    def bracket(self, name: str) -> None:
        data = self.data_of(name)
        price = data.close[0]
        if self.getposition(data).size or self.promised.get(name):
            return
        size = int(self.rng.integers(1, 400))
        made = self.buy_bracket(
            data=data, size=size, price=self.near(price, 0.97, 1.01), stopprice=self.near(price, 0.90, 0.96),
            limitprice=self.near(price, 1.03, 1.1), **self.until(),
        )  # fmt: skip
        self.promised[name] = sum(abs(order.size) for order in made[1:])

    def enter(self, name: str) -> None:
        data, rng, kinds = self.data_of(name), self.rng, bt.Order
        price, size, until = data.close[0], int(rng.integers(1, 400)), self.until()
        trigger = self.near(price, 0.99, 1.04)
        action = int(rng.integers(8))
        if action == 0:
            self.buy(data=data, size=size)
        elif action == 1:
            self.buy(data=data, size=size, exectype=kinds.Limit, price=self.near(price, 0.95, 1.02), **until)
        elif action == 2:
            self.buy(data=data, size=size, exectype=kinds.Stop, price=trigger, **until)
        elif action == 3:
            plimit = self.near(trigger, 0.98, 1.02)
            self.buy(data=data, size=size, exectype=kinds.StopLimit, price=trigger, plimit=plimit, **until)
        elif action == 4:
            self.buy(data=data, size=size, exectype=kinds.StopTrail, trailpercent=0.03, **until)
        elif action == 5:
            gap = round(price * 0.02, 2)
            plimit = round(price * 1.01, 2)
            self.buy(
                data=data,
                size=size,
                exectype=kinds.StopTrailLimit,
                price=price,
                plimit=plimit,
                trailamount=gap,
                **until,
            )
        elif action == 6:
            self.buy(data=data, size=size, exectype=kinds.Close, **until)
        else:
            first = self.buy(data=data, size=size, exectype=kinds.Limit, price=self.near(price, 0.95, 1.0))
            self.buy(data=data, size=size, exectype=kinds.Stop, price=self.near(price, 1.0, 1.05), oco=first)

    def leave(self, name: str) -> None:
        data, rng, kinds = self.data_of(name), self.rng, bt.Order
        price = data.close[0]
        size = (self.getposition(data).size - self.promised.get(name, 0)) // 3
        if size < 5 or rng.random() < 0.3:
            return
        action = int(rng.integers(6))
        orders = []
        if action == 0:
            orders = [self.sell(data=data, size=size)]
        elif action == 1:
            orders = [self.sell(data=data, size=size, exectype=kinds.Limit, price=self.near(price, 0.99, 1.05))]
        elif action == 2:
            first = self.sell(data=data, size=size, exectype=kinds.Stop, price=self.near(price, 0.95, 1.0))
            second = self.sell(data=data, size=size, exectype=kinds.Limit, price=self.near(price, 1.0, 1.05), oco=first)
            orders = [first, second]
        elif action == 3:
            gap = round(price * 0.03, 2)
            orders = [self.sell(data=data, size=size, exectype=kinds.StopTrail, trailamount=gap)]
        elif action == 4:
            trigger = self.near(price, 0.96, 1.0)
            plimit = self.near(trigger, 0.98, 1.01)
            orders = [self.sell(data=data, size=size, exectype=kinds.StopLimit, price=trigger, plimit=plimit)]
        else:
            orders = [self.sell(data=data, size=size, exectype=kinds.Close)]
        self.promised[name] = self.promised.get(name, 0) + sum(abs(order.size) for order in orders)


def stream_differences(ours: Recorder, theirs: Recorder) -> tuple[int, float]:
    """Notices compared, and the largest relative difference of size, price or commission; statuses must agree."""
    assert ours.told.keys() == theirs.told.keys()
    worst, count = 0.0, 0
    for ref, stream in theirs.told.items():
        assert [row[0] for row in ours.told[ref]] == [row[0] for row in stream], ref
        for mine, other in zip(ours.told[ref], stream, strict=True):
            count += 1
            worst = max([worst, *(abs(a - b) / max(1.0, abs(b)) for a, b in zip(mine[1:], other[1:], strict=True))])
    assert [row[0] for row in ours.trades_told] == [row[0] for row in theirs.trades_told]
    for mine, other in zip(ours.trades_told, theirs.trades_told, strict=True):
        count += 1
        worst = max([worst, *(abs(a - b) / max(1.0, abs(b)) for a, b in zip(mine[1:], other[1:], strict=True))])
    return count, worst


class Baskets(Recorder):
    """A random basket every few sessions; one call on ours, sales then purchases one by one on Backtrader."""

    def trade(self) -> None:
        if len(self) % 5:
            return
        chosen = [str(name) for name in self.rng.permutation(self.p.names)[: int(self.rng.integers(0, 8))]]
        shares = self.rng.dirichlet(np.ones(len(chosen) + 1))[:-1] if chosen else []
        plan = {name: round(float(part) * 0.98, 4) for name, part in zip(chosen, shares, strict=True)}
        if self.p.find is not None:
            self.broker.target_weights(plan, owner=self)
            return
        value = self.broker.getvalue()
        for name in sorted(self.p.names):
            data = self.data_of(name)
            if self.getposition(data).size and name not in plan:
                self.close(data)
        later = []
        for name, weight in plan.items():
            data = self.data_of(name)
            if weight * value < self.getposition(data).size * data.close[0]:
                self.order_target_percent(data, weight)
            else:
                later.append((data, weight))
        for data, weight in later:
            self.order_target_percent(data, weight)
