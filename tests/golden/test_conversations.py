"""Strategies that answer their notices, share stocks and link orders at random: every notice equals Backtrader's."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from backbroker import COMMISSION, random_market

from engine.broker import AShareBroker
from engine.fees import PercentageFees
from engine.market import Market
from engine.rules import Rules

KINDS = bt.Order


@dataclass
class Talk:
    """What all strategies of one run are told, in sequence, and what their live sales promise to deliver."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    promised: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    orders: int = 0


class Talker(bt.Strategy):
    """Trades at random in ``next`` and in its notices, where it cancels, too; sells only what it bought itself."""

    params = (("seed", 0), ("find", None), ("names", ()), ("talk", None), ("number", 0), ("trade_ids", 1))

    def start(self) -> None:
        self.rng = np.random.default_rng([self.p.seed, self.p.number])
        self.live: dict[int, Any] = {}
        self.own: Counter[tuple[str, int]] = Counter()
        self.pledged: Counter[tuple[str, int]] = Counter()
        self.later: list[Any] = []

    # -- what it is told ----------------------------------------------------------------------------

    def notify_order(self, order: Any) -> None:
        done, talk = order.executed, self.p.talk
        talk.told.append(
            ("order", self.p.number, order.ref - talk.first, order.getstatusname(), order.data._name, done.size,
             done.price, done.comm, done.value, done.pnl, done.remsize, order.size, order.alive())
        )  # fmt: skip
        if not order.alive():
            self.live.pop(order.ref, None)
            key = order.data._name, order.tradeid
            self.own[key] += done.size
            if order.issell():
                talk.promised[key[0]] -= abs(order.created.size)
                self.pledged[key] -= abs(order.created.size)
        draw = self.rng.random()
        if draw < 0.04:
            self.act()
        elif draw < 0.07:
            self.drop()
        elif draw < 0.09 and order.alive():
            self.cancel(order)

    def notify_trade(self, trade: Any) -> None:
        self.p.talk.told.append(
            ("trade", self.p.number, trade.tradeid, trade.status, trade.getdataname(), trade.size, trade.price,
             trade.pnl, trade.pnlcomm, trade.commission, trade.value, trade.barlen, trade.baropen, trade.barclose,
             trade.dtopen, trade.dtclose, trade.justopened, trade.isopen, trade.isclosed)
        )  # fmt: skip
        if self.rng.random() < 0.08:
            self.act()

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.p.talk.told.append(("account", self.p.number, self.data.datetime.date(0), "", "", cash, value))

    # -- what it does -------------------------------------------------------------------------------

    def next(self) -> None:
        for _ in range(4):
            if self.rng.random() < 0.35:
                self.act()
        if self.rng.random() < 0.05:
            self.drop()

    def drop(self) -> None:
        """Cancel one of its orders, if it was transmitted."""
        if self.live:
            order = self.live[sorted(self.live)[int(self.rng.integers(len(self.live)))]]
            if order.status != KINDS.Created:
                self.cancel(order)

    def data_of(self, name: str) -> Any:
        return self.getdatabyname(name) if self.p.find is None else self.p.find(name)

    def near(self, price: float, low: float, high: float) -> float:
        return round(price * float(self.rng.uniform(low, high)), 2)

    def until(self) -> dict[str, Any]:
        days = dt.timedelta(days=int(self.rng.integers(1, 12)))
        now = self.data.datetime.datetime(0)
        end = [None, None, now + days, (now + days).date(), days][int(self.rng.integers(5))]
        return {} if end is None else {"valid": end}

    def kind(self, price: float, buys: bool) -> dict[str, Any]:
        """A kind of order with its prices."""
        trigger = self.near(price, 0.985, 1.04) if buys else self.near(price, 0.96, 1.015)
        limit = self.near(price, 0.95, 1.03) if buys else self.near(price, 0.97, 1.05)
        gap, start, beyond = self.near(price, 0.01, 0.05), self.near(price, 0.99, 1.01), self.near(price, 0.98, 1.02)
        return [
            {},
            {"exectype": KINDS.Close},
            {"exectype": KINDS.Limit, "price": limit},
            {"exectype": KINDS.Stop, "price": trigger},
            {"exectype": KINDS.StopLimit, "price": trigger, "plimit": self.near(trigger, 0.98, 1.02)},
            {"exectype": KINDS.StopTrail, "trailamount": gap},
            {"exectype": KINDS.StopTrail, "trailpercent": 0.03, "price": start},
            {"exectype": KINDS.StopTrailLimit, "price": start, "plimit": beyond, "trailamount": gap},
            {"exectype": KINDS.StopTrailLimit, "price": start, "plimit": beyond, "trailpercent": 0.02},
        ][int(self.rng.integers(9))]

    def send(self, buys: bool, name: str, size: int, trade_id: int, **more: Any) -> Any:
        order = (self.buy if buys else self.sell)(data=self.data_of(name), size=size, tradeid=trade_id, **more)
        return self.keep(order)

    def keep(self, order: Any) -> Any:
        talk = self.p.talk
        talk.first = order.ref if talk.first is None else talk.first
        talk.orders += 1
        self.live[order.ref] = order
        if order.issell():
            name = order.data._name
            talk.promised[name] += abs(order.created.size)
            self.pledged[name, order.tradeid] += abs(order.created.size)
        return order

    def act(self) -> None:
        rng, name = self.rng, str(self.rng.choice(self.p.names))
        data, size, trade_id = self.data_of(name), int(rng.integers(1, 500)), int(rng.integers(self.p.trade_ids))
        price = data.close[0]
        mine = self.own[name, trade_id] - self.pledged[name, trade_id]
        free = min(mine, self.getposition(data).size - self.p.talk.promised[name])
        action = int(rng.integers(11))
        if action <= 3:
            self.send(True, name, size, trade_id, **self.kind(price, True), **self.until())
        elif action <= 6 and free > 3:
            self.send(False, name, int(rng.integers(1, free + 1)), trade_id, **self.kind(price, False), **self.until())
        elif action == 7:
            exits = [{}, {"stopexec": KINDS.StopTrail, "stopargs": {"trailpercent": 0.03}}, {"stopexec": None},
                     {"limitexec": None}, {"stopexec": None, "limitexec": None}][int(rng.integers(5))]  # fmt: skip
            entry = {"exectype": KINDS.Market} | self.kind(price, True)
            made = self.buy_bracket(
                data=data, size=size, tradeid=trade_id, stopprice=self.near(price, 0.90, 0.97),
                limitprice=self.near(price, 1.02, 1.1), **entry, **exits, **self.until(),
            )  # fmt: skip
            for order in made:
                if order is not None:
                    self.keep(order)
        elif action == 8:  # one cancels the others, over several stocks
            order = self.send(True, name, size, trade_id, exectype=KINDS.Limit, price=self.near(price, 0.95, 1.0))
            for _ in range(int(rng.integers(1, 4))):
                other = str(rng.choice(self.p.names))
                kind = self.kind(self.data_of(other).close[0], True)
                order = self.send(True, other, size, trade_id, oco=order, **kind, **self.until())
        elif action == 9 and free >= 3:
            order = self.send(False, name, free // 3, trade_id, **self.kind(price, False))
            for _ in range(int(rng.integers(1, 3))):
                order = self.send(False, name, free // 3, trade_id, oco=order, **self.kind(price, False))
        elif action == 10:  # a parent and its exits, transmitted with the last of them, now or on a later day
            if self.later and rng.random() < 0.5:
                parent = self.later.pop()
                children = 1
            else:
                parent = self.send(True, name, size, trade_id, transmit=False, **self.kind(price, True), **self.until())
                children = int(rng.integers(0, 4))
                if not children:
                    self.later.append(parent)
            for k in range(children):
                self.send(
                    False, parent.data._name, parent.size, parent.tradeid, parent=parent, transmit=k == children - 1,
                    **self.kind(self.data_of(parent.data._name).close[0], False),
                )  # fmt: skip


def talk_on(market: Market, through: str, cash: float, strategies: int, mode: dict[str, Any], **params: Any) -> Talk:
    """Run on Backtrader's own broker (``through="backtrader"``) or on ours, through handles or bar feeds."""
    cerebro, talk, find = bt.Cerebro(stdstats=False, **mode), Talk(), None
    if through == "backtrader":
        for i, symbol in enumerate(market.symbols):
            columns = {name: getattr(market, name)[:, i] for name in ("open", "high", "low", "close", "volume")}
            frame = pd.DataFrame(columns, index=pd.DatetimeIndex(market.sessions.astype("datetime64[ns]")))
            cerebro.adddata(bt.feeds.PandasData(dataname=frame), name=symbol)
        cerebro.broker.setcash(cash)
        cerebro.broker.setcommission(commission=COMMISSION)
    else:
        market = market.fork()
        cerebro.adddata(market.clock(), name="clock")
        for symbol in market.symbols if through == "feeds" else []:
            cerebro.adddata(market.bar_feed(symbol), name=symbol)
        find = market.__getitem__ if through == "handles" else None
        fees = PercentageFees(commission=COMMISSION)
        cerebro.setbroker(AShareBroker(market=market, cash=cash, rules=Rules.backtrader(), fees=fees))
    for number in range(strategies):
        cerebro.addstrategy(Talker, names=tuple(market.symbols), find=find, talk=talk, number=number, **params)
    cerebro.run()
    return talk


@pytest.mark.parametrize("mode", [{}, {"runonce": False}, {"quicknotify": True}], ids=str)
@pytest.mark.parametrize("strategies", [1, 2, 3])
@pytest.mark.parametrize("through", ["handles", "feeds"])
def test_what_strategies_are_told_equals_what_backtraders_own_broker_tells_them(
    through: str, strategies: int, mode: dict[str, Any]
) -> None:
    case = 10 * strategies + len(str(mode)) + (through == "feeds")
    cash = [20_000.0, 300_000.0, 5_000_000.0][case % 3]
    market = random_market(stocks=4 + case % 9, sessions=120, seed=case)
    params = {"seed": case, "trade_ids": 1 + case % 2}
    theirs = talk_on(market, "backtrader", cash, strategies, mode, **params)
    ours = talk_on(market, through, cash, strategies, mode, **params)
    assert ours.orders == theirs.orders > 100
    assert [row[:5] for row in ours.told] == [row[:5] for row in theirs.told]
    for mine, other in zip(ours.told, theirs.told, strict=True):
        assert mine[5:] == pytest.approx(other[5:], rel=1e-9, abs=1e-9), other

def played(script: dict[int, Any], bars: list[list[float]]) -> list[list[tuple[Any, ...]]]:
    """What one strategy is told on both brokers: bar, order, status, executed, trigger, limit."""
    days = np.busday_offset("2019-03-04", np.arange(len(bars))).astype("datetime64[D]")
    raw = {name: np.array([bar[k] for bar in bars])[:, None] for k, name in enumerate(("open", "high", "low", "close"))}
    market = Market.build(days, ["600000.SH"], raw | {"volume": np.full((len(bars), 1), 1e6)}).fork()
    streams = []
    for ours in (False, True):
        told: list[tuple[Any, ...]] = []

        class Plays(bt.Strategy):
            params = (("told", told),)
            first = 0

            def notify_order(self, order: Any) -> None:
                self.first = self.first or order.ref
                done, made = order.executed, order.created
                self.p.told.append(
                    (len(self), order.ref - self.first, order.getstatusname(), done.size, done.price, made.price,
                     made.pricelimit)
                )  # fmt: skip

            def next(self) -> None:
                if len(self) in script:
                    script[len(self)](self, self.data1 if len(self.datas) > 1 else self.data)

        cerebro = bt.Cerebro(stdstats=False)
        if ours:
            cerebro.adddata(market.clock(), name="clock")
            cerebro.adddata(market.bar_feed("600000.SH"))
            fees = PercentageFees(commission=0.0)
            cerebro.setbroker(AShareBroker(market=market, rules=Rules.backtrader(), fees=fees))
        else:
            frame = pd.DataFrame({name: column[:, 0] for name, column in raw.items()} | {"volume": 1e6}, index=days)
            cerebro.adddata(bt.feeds.PandasData(dataname=frame))
            cerebro.broker.setcash(1e6)
        cerebro.addstrategy(Plays, told=told)
        cerebro.run()
        streams.append(told)
    return streams


def test_a_trailing_stop_limit_still_trails_on_the_bar_that_triggers_it() -> None:
    order = {"size": 100, "exectype": KINDS.StopTrailLimit, "price": 10.0, "plimit": 10.0, "trailamount": 0.2}
    bars = [[10, 10.05, 9.95, 10.0], [10.3, 10.5, 10.25, 9.6], [10.0, 10.1, 9.85, 9.9], [9.9, 10.4, 9.85, 10.1]]
    theirs, ours = played({1: lambda s, data: s.buy(data=data, **order)}, bars)
    assert [row[2] for row in theirs] == ["Submitted", "Accepted"]  # the limit went down to 9.80 with the close
    assert ours == theirs


def test_an_order_that_was_not_transmitted_cannot_be_cancelled() -> None:
    kept: list[Any] = []
    theirs, ours = played(
        {
            1: lambda s, data: kept.append(s.buy(data=data, size=100, transmit=False)),
            2: lambda s, data: s.cancel(kept[-1]),
            3: lambda s, data: s.sell(data=data, size=100, parent=kept[-1], exectype=KINDS.Stop, price=9.0),
        },
        [[10.0, 10.05, 9.95, 10.0]] * 6,
    )
    assert [row[2] for row in theirs if row[1] == 0] == ["Submitted", "Accepted", "Completed"]
    assert [row[:5] for row in ours] == [row[:5] for row in theirs]
