"""Positions and fees as Backtrader's users read them, and orders that make no sense."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import pytest
from small_market import market_of, play

from engine.broker import AShareBroker
from engine.errors import RuleError
from engine.fees import FeeSchedule

A, B = "600000.SH", "000001.SZ"


def test_a_position_that_is_kept_stays_live() -> None:
    seen: list[Any] = []

    def keep(s: Any) -> None:
        s.kept = s.getposition(s.market[A])
        s.buy(data=s.market[A], size=100)

    script = {0: keep, 1: lambda s: seen.append((s.kept.size, bool(s.kept), round(s.kept.price, 2)))}
    play(market_of({A: [10.0] * 3}), script)
    assert seen == [(100, True, 10.0)]


def test_a_position_cannot_be_written() -> None:
    with pytest.raises(RuleError, match="by orders only"):
        play(market_of({A: [10.0] * 3}), {0: lambda s: s.getposition(s.market[A]).set(5, 1.0)})


def test_a_clone_of_a_position_is_as_it_was() -> None:
    kept: list[Any] = []
    script = {
        0: lambda s: s.buy(data=s.market[A], size=100),
        1: lambda s: (kept.append(s.getposition(s.market[A]).clone()), s.close(s.market[A])),
    }
    play(market_of({A: [10.0] * 4}), script)
    assert kept[0].size == 100


def test_the_commission_info_of_a_stock_gives_todays_fees_by_side() -> None:
    seen: list[float] = []

    def ask(s: Any) -> None:
        info = s.broker.getcommissioninfo(s.market[A])
        seen.extend((info.getcommission(10_000, 10.0), info.getcommission(-10_000, 10.0)))

    play(market_of({A: [10.0] * 2}, first_day="2019-03-04"), {0: ask}, fees=FeeSchedule())
    assert seen == [25.0 + 2.0, 25.0 + 2.0 + 100.0]


def test_fees_without_a_stock_are_refused() -> None:
    with pytest.raises(RuleError, match="depend on the stock"):
        play(market_of({A: [10.0] * 2}), {0: lambda s: s.broker.getcommissioninfo(s.data).getcommission(100, 10.0)})


def test_part_of_a_share_is_a_purchase_refused_for_its_lot() -> None:
    done = play(market_of({A: [10.0] * 3}), {0: lambda s: s.buy(data=s.market[A], size=0.5)})
    frame = done.broker.ledger.refusals_frame()
    assert frame[["side", "reason", "outcome"]].values.tolist() == [["buy", "LOT", "dropped"]]
    assert [state for _, state, _ in done.strategy.told][-1] == "Rejected"


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"exectype": 17}, "exectype 17 is not one"),
        ({"exectype": "Limit"}, "exectype 'Limit' is not one"),
        ({"valid": "2019-03-08"}, "valid is '2019-03-08'"),
        ({"oco": "x"}, "oco is 'x'"),
    ],
)
def test_what_an_order_cannot_mean_is_one_sentence(order: dict[str, Any], says: str) -> None:
    with pytest.raises(RuleError, match=says):
        play(market_of({A: [10.0] * 3}), {0: lambda s: s.buy(data=s.market[A], size=100, **order)})


def test_an_order_valid_for_a_time_span_is_taken() -> None:
    script = {0: lambda s: s.buy(data=s.market[A], size=100, valid=dt.timedelta(days=3))}
    assert len(play(market_of({A: [10.0] * 3}), script).broker.ledger.fills_frame()) == 1


def test_a_basket_of_one_of_several_strategies_needs_its_owner() -> None:
    class Basket(bt.Strategy):  # type: ignore[misc]
        def next(self) -> None:
            self.broker.target_weights({A: 1.0})

    market = market_of({A: [10.0] * 3}).fork()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    cerebro.setbroker(AShareBroker(market=market))
    cerebro.addstrategy(Basket)
    cerebro.addstrategy(Basket)
    with pytest.raises(RuleError, match="owner=self"):
        cerebro.run()
