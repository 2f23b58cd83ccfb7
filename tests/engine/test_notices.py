"""What strategies are told of orders and trades, by hand and against Backtrader's own broker."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from backbroker import EveryKind, RandomTrader, Recorder, on_backtrader, on_ours, random_market
from small_market import NAN, market_of

from engine.broker import AShareBroker
from engine.fees import PercentageFees, ZeroFees
from engine.market import Market
from engine.rules import Rules
from engine.slippage import VolumeShare

A, B = "600000.SH", "600001.SH"


class Listener(bt.Strategy):
    """Follows a script by the number of ``next`` calls and writes down all it is told, in sequence."""

    params = (("market", None), ("script", None))

    def start(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.orders: list[Any] = []
        self.trades: list[Any] = []

    def next(self) -> None:
        action = self.p.script.get(len(self) - 1)
        if action is not None:
            action(self)

    def trade(self, side: str, size: int, symbol: str = A, **options: Any) -> Any:
        return getattr(self, side)(data=self.p.market[symbol], size=size, **options)

    def notify_order(self, order: Any) -> None:
        new = [bit.size for bit in order.executed.iterpending()]
        assert [bit.size for bit in order.executed.getpending()] == new
        self.orders.append(order)
        self.heard.append(("order", order.ref, order.getstatusname(), order.executed.size, new))

    def notify_trade(self, trade: Any) -> None:
        self.trades.append(trade)
        state = "open" if trade.justopened else "closed" if trade.isclosed else "other"
        self.heard.append(("trade", trade.ref, state, trade.size, trade.pnl))


def listen(market: Market, script: dict[int, Any], quicknotify: bool = False, **options: Any) -> Listener:
    market = market.fork()
    cerebro = bt.Cerebro(stdstats=False, quicknotify=quicknotify)
    cerebro.adddata(market.clock())
    cerebro.setbroker(AShareBroker(market=market, **{"fees": ZeroFees(), **options}))
    cerebro.addstrategy(Listener, market=market, script=script)
    return cerebro.run()[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("quicknotify", [False, True])
def test_a_round_trip_is_told_when_it_opens_and_when_it_closes(quicknotify: bool) -> None:
    market = market_of({A: [10.0, 10.0, 10.5, 10.5, 11.0, 11.0]})
    script = {
        0: lambda s: s.trade("buy", 300), 1: lambda s: s.trade("buy", 100),
        2: lambda s: s.trade("sell", 200), 3: lambda s: s.trade("sell", 200),
    }  # fmt: skip
    done = listen(market, script, quicknotify)
    told = [event for event in done.heard if event[0] == "trade" or event[2] == "Completed"]
    # the notices of a session come orders first, as Backtrader tells them; neither topping up nor reducing is told
    assert told == [
        ("order", 1, "Completed", 300, [300]),
        ("trade", 1, "open", 300, 0.0),
        ("order", 2, "Completed", 100, [100]),
        ("order", 3, "Completed", -200, [-200]),
        ("order", 4, "Completed", -200, [-200]),
        ("trade", 1, "closed", 0, pytest.approx(200 * (10.5 - 10.125) + 200 * (11.0 - 10.125))),
    ]
    opened, closed = done.trades
    assert (opened.isopen, opened.isclosed, opened.price, opened.size, opened.value) == (True, False, 10.0, 300, 3_000)
    assert (closed.isopen, closed.isclosed, closed.justopened) == (False, True, False)
    assert opened.status == opened.Open and closed.status == closed.Closed


def test_a_trade_knows_its_bars_and_dates() -> None:
    market = market_of({A: [10.0] * 8})
    script = {1: lambda s: s.trade("buy", 100), 4: lambda s: s.trade("sell", 100)}
    opened, closed = listen(market, script).trades
    # bought on the third session (2019-03-06), sold on the sixth (2019-03-11)
    assert (opened.baropen, opened.barclose, opened.barlen, opened.dtclose) == (3, 0, 0, 0.0)
    assert (closed.baropen, closed.barclose, closed.barlen) == (3, 6, 3)
    assert closed.open_datetime() == dt.datetime(2019, 3, 6) and closed.close_datetime() == dt.datetime(2019, 3, 11)
    assert closed.dtclose == float(dt.date(2019, 3, 11).toordinal()) and closed.dtopen == opened.dtopen


def test_an_order_filled_in_parts_sums_value_fees_and_profit_and_averages_the_price() -> None:
    opens = [10.0, 10.0, 10.0, 10.0, 10.4, 10.8, 10.9, 11.0]
    market = market_of({A: [10.0] * 4 + [10.6, 10.8, 10.9, 11.0]}, opens={A: opens}, volume=3_000)
    script = {0: lambda s: s.trade("buy", 700), 3: lambda s: s.trade("sell", 700)}
    done = listen(market, script, slippage=VolumeShare(cap=0.1, impact=0.0), fees=PercentageFees(commission=0.001))
    heard = [event[1:] for event in done.heard if event[0] == "order"]
    assert heard == [
        (1, "Submitted", 0, []), (1, "Accepted", 0, []),
        (1, "Partial", 300, [300]), (1, "Partial", 600, [300]), (1, "Completed", 700, [100]),
        (2, "Submitted", 0, []), (2, "Accepted", 0, []),
        (2, "Partial", -300, [-300]), (2, "Partial", -600, [-300]), (2, "Completed", -700, [-100]),
    ]  # fmt: skip
    sales = done.orders[-3:]
    assert [len(order.executed.exbits) for order in sales][-1] == 3
    paid = [(300, 10.4), (300, 10.8), (100, 10.9)]
    for k, order in enumerate(sales):
        size = sum(n for n, _ in paid[: k + 1])
        money = sum(n * price for n, price in paid[: k + 1])
        executed = order.executed
        assert executed.price == pytest.approx(money / size)
        assert executed.value == pytest.approx(size * 10.0)  # of a sale: what the shares have cost
        assert executed.comm == pytest.approx(money * 0.001, abs=1e-9)
        assert executed.pnl == pytest.approx(money - size * 10.0)
        assert (executed.size, executed.remsize) == (-size, -(700 - size))
        assert (executed.psize, executed.pprice) == (700 - size, 10.0 if size < 700 else 0.0)
        assert executed.dt == float(dt.date(2019, 3, 8).toordinal() + (0, 3, 4)[k])
    bits = list(sales[-1].executed.exbits)
    assert [(bit.size, bit.closed, bit.opened, bit.price) for bit in bits] == [
        (-300, -300, 0, 10.4), (-300, -300, 0, 10.8), (-100, -100, 0, 10.9),
    ]  # fmt: skip
    bought = done.orders[4].executed
    assert (bought.value, bought.price, bought.pnl, bought.psize) == (7_000.0, 10.0, 0.0, 700)
    assert bought.comm == pytest.approx(7.0)
    assert [(trade.justopened, trade.isclosed) for trade in done.trades] == [(True, False), (False, True)]
    (*_, closed) = done.trades
    assert closed.pnl == pytest.approx(300 * 0.4 + 300 * 0.8 + 100 * 0.9)
    assert closed.commission == pytest.approx(7.0 + 7.45) and closed.pnlcomm == pytest.approx(closed.pnl - 14.45)


def test_two_fills_told_in_one_go_are_both_new_once() -> None:
    """A notice that is kept goes on telling of the fills that were new when it came."""
    market = market_of({A: [10.0] * 6}, volume=3_000)
    done = listen(market, {0: lambda s: s.trade("buy", 500)}, slippage=VolumeShare(cap=0.1, impact=0.0))
    partial, completed = done.orders[-2:]
    assert [bit.size for bit in partial.executed.iterpending()] == [300]
    assert [bit.size for bit in completed.executed.iterpending()] == [200]
    assert (partial.status, partial.executed.size, completed.executed.size) == (partial.Partial, 300, 500)


def busy_script() -> dict[int, Any]:
    kinds = bt.Order
    return {
        0: lambda s: (s.trade("buy", 700), s.trade("buy", 150, B)),
        1: lambda s: (s.trade("sell", 100), s.trade("buy", 100, B, exectype=kinds.Limit, price=4.0, valid=1)),
        2: lambda s: s.broker.target_weights({A: 0.001, B: 0.005}, owner=s),
        5: lambda s: (s.close(s.p.market[A]), s.close(s.p.market[B])),
    }


def test_quick_notices_tell_the_same_sequence() -> None:
    closes = {A: [10.0, 10.1, 10.2, 10.0, NAN, 10.3, 10.4, 10.5, 10.5], B: [5.0] * 3 + [5.5, 5.2, 5.1] + [5.0] * 3}
    market = market_of(closes, volume=4_000)
    options: dict[str, Any] = {"slippage": VolumeShare(cap=0.1, impact=0.0), "cash": 100_000.0}
    slow, quick = (listen(market, busy_script(), quicknotify, **options) for quicknotify in (False, True))
    assert {event[2] for event in slow.heard} >= {"Partial", "Completed", "Expired", "open", "closed"}

    def by_kind(done: Listener, kind: str) -> list[tuple[Any, ...]]:
        return [event for event in done.heard if event[0] == kind]

    assert by_kind(quick, "order") == by_kind(slow, "order")
    assert by_kind(quick, "trade") == by_kind(slow, "trade")
    assert len(quick.heard) == len(set(map(str, quick.heard))) == len(slow.heard), "told twice"


def test_trades_of_two_ids_are_kept_apart() -> None:
    market = market_of({A: [10.0, 10.0, 10.5, 11.0, 11.5, 12.0, 12.0]})
    script = {
        0: lambda s: s.trade("buy", 100, tradeid=1), 1: lambda s: s.trade("buy", 200, tradeid=2),
        3: lambda s: s.trade("sell", 100, tradeid=1), 4: lambda s: s.trade("sell", 200, tradeid=2),
    }  # fmt: skip
    done = listen(market, script)
    assert [(trade.tradeid, trade.justopened, trade.isclosed, trade.size) for trade in done.trades] == [
        (1, True, False, 100),
        (2, True, False, 200),
        (1, False, True, 0),
        (2, False, True, 0),
    ]
    first, second = done.trades[2:]
    # the account has one average cost, each trade its own price: 100 from 10.00 to 11.50, 200 from 10.50 to 12.00
    assert (first.pnl, second.pnl) == (pytest.approx(150.0), pytest.approx(300.0))
    assert (first.barlen, second.barlen) == (3, 3) and first.ref != second.ref
    assert [order.tradeid for order in done.orders if order.status == order.Completed] == [1, 2, 1, 2]


def test_a_position_opened_again_is_a_new_trade() -> None:
    market = market_of({A: [10.0] * 8})
    script = {
        0: lambda s: s.trade("buy", 100), 2: lambda s: s.trade("sell", 100),
        4: lambda s: s.trade("buy", 100), 5: lambda s: s.trade("sell", 100),
    }  # fmt: skip
    done = listen(market, script)
    assert [(trade.ref, trade.baropen, trade.barlen, trade.isclosed) for trade in done.trades] == [
        (1, 2, 0, False), (1, 2, 2, True), (2, 6, 0, False), (2, 6, 1, True),
    ]  # fmt: skip


@pytest.mark.parametrize("quicknotify", [False, True])
def test_notices_go_to_the_strategy_that_gave_the_order(quicknotify: bool) -> None:
    market = market_of({A: [10.0] * 4}).fork()
    cerebro = bt.Cerebro(stdstats=False, quicknotify=quicknotify)
    cerebro.adddata(market.clock())
    cerebro.setbroker(AShareBroker(market=market, fees=ZeroFees()))
    cerebro.addstrategy(Listener, market=market, script={})
    cerebro.addstrategy(Listener, market=market, script={0: lambda s: s.trade("buy", 100)})
    first, second = cerebro.run()
    assert first.heard == []
    assert [event[2] for event in second.heard] == ["Submitted", "Accepted", "Completed", "open"]


# -- against Backtrader's own broker ----------------------------------------------------------------


def _bits(executed: Any) -> list[tuple[float, ...]]:
    return [
        (bit.size, bit.price, bit.closed, bit.closedvalue, bit.closedcomm, bit.opened, bit.openedvalue,
         bit.openedcomm, bit.pnl, bit.psize, bit.pprice if bit.psize else 0.0, bit.value, bit.comm)
        for bit in executed.iterpending()
    ]  # fmt: skip


class Attentive(Recorder):
    """Keeps every number of a notice that a strategy can read."""

    def start(self) -> None:
        super().start()
        self.numbers: list[tuple[float, ...]] = []
        self.bits: list[tuple[float, ...]] = []
        self.details: list[tuple[Any, ...]] = []
        self.trade_details: list[tuple[Any, ...]] = []
        self.trade_numbers: list[tuple[float, ...]] = []

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        executed, new = order.executed, _bits(order.executed)
        self.details.append(
            (order.ref - self.first_ref, order.getstatusname(), order.isbuy(), order.data._name, order.alive(),
             len(executed.exbits), len(new), len(executed), executed.dt if executed.size else None)
        )  # fmt: skip
        self.numbers.append(
            (executed.value, executed.pnl, executed.psize, executed.pprice if executed.psize else 0.0,
             executed.remsize, executed.price, executed.comm, order.size, order.created.size, order.created.price)
        )  # fmt: skip
        self.bits += new

    def notify_trade(self, trade: Any) -> None:
        super().notify_trade(trade)
        self.trade_details.append(
            (trade.getdataname(), trade.tradeid, trade.justopened, trade.isopen, trade.isclosed, trade.status,
             trade.baropen, trade.barclose, trade.barlen, trade.dtopen, trade.dtclose, trade.long, len(trade))
        )  # fmt: skip
        self.trade_numbers.append((trade.size, trade.price, trade.value, trade.commission, trade.pnl, trade.pnlcomm))


class MarketAndLimit(Attentive, RandomTrader):
    """:class:`RandomTrader` on every other stock; on the others limit orders, one sale at a time, some expiring."""

    def start(self) -> None:
        super().start()
        self.lowest = 0.0
        self.selling: set[str] = set()

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        if order.issell() and not order.alive():
            self.selling.discard(order.data._name)

    def trade(self) -> None:
        names = list(self.p.names)
        self.lowest = min([self.lowest, *(self.getposition(self.data_of(name)).size for name in names)])
        self.p.names = names[::2]
        super().trade()
        self.p.names = tuple(names)
        if len(self) % 2:
            return
        for name in self.rng.permutation(names[1::2])[:3]:
            data = self.data_of(name)
            price = round(data.close[0] * float(self.rng.uniform(0.98, 1.02)), 2)
            options: dict[str, Any] = {"exectype": bt.Order.Limit, "price": price}
            if self.rng.random() < 0.7:
                options["valid"] = dt.timedelta(days=int(self.rng.integers(1, 6)))
            size = int(self.getposition(data).size)
            if size and name not in self.selling and self.rng.random() < 0.6:
                self.selling.add(name)
                self.sell(data=data, size=int(self.rng.choice([size, (size + 1) // 2])), **options)
            else:
                self.buy(data=data, size=int(self.rng.integers(1, 400)), **options)


class EveryKindAttentive(Attentive, EveryKind):
    pass


def spread(ours: list[tuple[float, ...]], theirs: list[tuple[float, ...]]) -> float:
    mine, other = np.array(ours, dtype=float), np.array(theirs, dtype=float)
    assert mine.shape == other.shape
    return float((np.abs(mine - other) / np.maximum(1.0, np.abs(other))).max())


@pytest.mark.parametrize("strategy", [MarketAndLimit, EveryKindAttentive])
def test_every_number_of_a_notice_is_backtraders(strategy: type[Attentive]) -> None:
    market = random_market(stocks=12, sessions=400, seed=11)
    theirs, ours = on_backtrader(market, strategy, 400_000.0, 5), on_ours(market, strategy, 400_000.0, 5)
    seen = {row[1] for row in theirs.details}
    assert theirs.lowest == 0, "the random strategy went short: nothing to compare"
    assert {"Completed", "Expired"} <= seen and len(theirs.details) > 1_000 and len(theirs.trade_details) > 20
    assert ours.details == theirs.details
    assert ours.trade_details == theirs.trade_details
    assert any(abs(row[1]) > 1 for row in theirs.numbers) and any(row[8] > 5 for row in theirs.trade_details)
    assert spread(ours.bits, theirs.bits) < 1e-9
    assert spread(ours.numbers, theirs.numbers) < 1e-9
    assert spread(ours.trade_numbers, theirs.trade_numbers) < 1e-9


def test_fills_in_parts_tell_what_backtraders_do() -> None:
    """Backtrader's ``filler`` against a participation cap of the same size: a tenth of the volume."""

    class Large(Attentive):
        def trade(self) -> None:
            data = self.data_of(A)
            if len(self) == 2:
                self.buy(data=data, size=2_500)
            elif len(self) == 9:
                self.sell(data=data, size=1_700)

    closes = np.round(10.0 + np.sin(np.arange(16.0)), 2)
    market = market_of({A: closes}, volume=6_000)
    theirs = _with_filler(market, Large)
    market = market.fork()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    cerebro.setbroker(
        AShareBroker(
            market=market, cash=1e6, rules=Rules.backtrader(), fees=PercentageFees(commission=0.001),
            slippage=VolumeShare(cap=0.1, impact=0.0),
        )
    )  # fmt: skip
    cerebro.addstrategy(Large, names=(A,), find=market.__getitem__)
    ours = cerebro.run()[0]
    assert [row[1] for row in theirs.details].count("Partial") == 6
    assert ours.details == theirs.details and ours.trade_details == theirs.trade_details
    assert spread(ours.bits, theirs.bits) < 1e-9
    assert spread(ours.numbers, theirs.numbers) < 1e-9


def _with_filler(market: Market, strategy: type[Recorder]) -> Any:
    import pandas as pd

    frame = pd.DataFrame(
        {name: getattr(market, name)[:, 0] for name in ("open", "high", "low", "close", "volume")},
        index=pd.DatetimeIndex(market.sessions.astype("datetime64[ns]")),
    )
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame), name=A)
    cerebro.broker.setcash(1e6)
    cerebro.broker.setcommission(commission=0.001)
    cerebro.broker.set_filler(lambda order, price, ago: min(abs(order.executed.remsize), 600))
    cerebro.addstrategy(strategy, names=(A,))
    return cerebro.run()[0]
