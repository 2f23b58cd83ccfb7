"""What the random streams of ``test_conservation`` found, each in the smallest account that showed it."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest
from small_market import NAN, event, market_of, ran

from engine import entitlements
from engine.successors import read_successors

A = "600000.SH"


def buy(size: int, **more: Any) -> Any:
    return lambda s: s.buy(data=s.market[A], size=size, **more)


def sell(size: int, **more: Any) -> Any:
    return lambda s: s.sell(data=s.market[A], size=size, **more)


@pytest.mark.parametrize("ratio", [1.3, 0.5])
def test_bonus_shares_come_to_who_sold_between_record_and_ex_date(ratio: float) -> None:
    after = round(13.0 / ratio, 2)
    closes = [13.0, 13.0, 13.0, 13.0, after, after, after]
    market = market_of({A: closes}, precloses={A: closes}, events=event(4, 13.0, after, ratio, 0.0, record_t=1))
    done = ran(market, {0: buy(1000), 1: sell(1000)})
    # 300 shares come; of a consolidation nothing is left to be taken
    assert done.broker.getposition(done.market[A]).size == (300 if ratio > 1 else 0)


def test_after_a_consolidation_no_more_can_be_sold_than_is_held() -> None:
    closes = [10.0, 10.0, 20.0, 20.0, 20.0, 20.0]
    market = market_of({A: closes}, precloses={A: closes}, events=event(2, 10.0, 20.0, 0.5, 0.0, list_t=4))
    done = ran(market, {0: buy(1000)})
    assert done.broker.ledger.positions_frame()["sellable"].tolist() == [0, 500, 500, 500, 500]


def test_after_a_consolidation_the_purchase_lots_are_the_shares_held() -> None:
    closes = [10.0, 10.0, 20.0, 20.0, 20.0, 20.0]
    market = market_of({A: closes}, precloses={A: closes}, events=event(2, 10.0, 20.0, 0.5, 0.0))
    done = ran(market, {0: buy(1000)})
    lots = done.broker.account.desk.lots.resolve(0, 500)
    assert [lot.shares for lot in lots] == [500]


def test_a_dividend_of_a_stock_bought_and_sold_under_two_trade_ids_is_booked() -> None:
    closes = [10.0, 10.0, 10.0, 9.5, 9.5, 9.5]
    market = market_of({A: closes}, precloses={A: closes}, events=event(3, 10.0, 9.5, 1.0, 0.5, pay_t=4))
    script = {0: buy(1000), 2: sell(1000, tradeid=1)}
    assert ran(market, script, holder="none").broker.getcash() == 100_000.0


@pytest.mark.parametrize(
    "more",
    [
        {"exectype": bt.Order.StopTrail, "trailpercent": 0.0333},
        {"exectype": bt.Order.StopLimit, "price": 10.3, "plimit": 10.2351},
    ],
    ids=["trailpercent", "plimit"],
)
def test_without_slippage_every_price_is_whole_fen(more: dict[str, Any]) -> None:
    market = market_of({A: [10.0, 10.1, 10.8, 10.2, 10.2]}, opens={A: [10.0, 10.0, 10.1, 10.8, 10.2]})
    done = ran(market, {1: buy(1000, **more)})
    (price,) = done.broker.ledger.fills_frame()["price"].tolist()
    assert price == round(price, 2)


def test_shares_that_are_refused_for_good_after_a_wait_are_missed_once() -> None:
    market = market_of(
        {A: [10.0, NAN, NAN, NAN], "600001.SH": [5.0] * 4}, last_session=np.array([2, 3]),
        delisted=np.array([True, False]),
    )  # fmt: skip
    done = ran(market, {0: buy(1000)})
    totals = done.broker.ledger.refusal_totals()
    assert set(totals) == {"SUSPENDED", "DELISTED"}
    assert sum(row["shares"] for row in totals.values()) == 1000


def test_a_refusal_of_an_order_sized_at_the_fill_is_done_with_what_the_order_became() -> None:
    market = market_of({A: [10.0, NAN, 10.5, 10.5]}, opens={A: [10.0, NAN, 10.5, 10.5]})
    target = {0: lambda s: s.broker.target_weights({A: 0.5}, owner=s)}
    (row,) = ran(market, target, size_at="fill").broker.ledger.refusals_frame().to_dict("records")
    assert (row["outcome"], row["done"]) == ("done", 4700)
    assert row["wanted"] == 4700


def test_half_a_fen_of_a_dividend_rounds_up() -> None:
    market = market_of({A: [10.0] * 5}, precloses={A: [10.0] * 5}, events=event(2, 10.0, 10.0, 1.0, 0.0045))
    done = ran(market, {0: buy(50)}, lots=False, holder="none")
    assert done.broker.ledger.corporate_frame()["cash"].tolist() == [0.23]


def test_an_order_that_an_ex_date_leaves_without_shares_ends_with_a_reason() -> None:
    closes = [13.0, 13.0, 130.0, 130.0]
    market = market_of({A: closes}, precloses={A: closes}, events=event(1, 13.0, 130.0, 7.0, 0.0))
    done = ran(market, {0: lambda s: s.broker.target_weights({A: 0.0005}, owner=s)})
    (order,) = done.broker.orders
    assert not order.alive() and order.reason
    assert len(done.broker.ledger.refusals_frame()) == 1


def test_a_successor_that_has_not_traded_on_the_tables_date_comes_when_it_does() -> None:
    old, new = "600005.SH", "600019.SH"  # 0.56 for one from 2017-02-27 on, the fourth session here
    market = market_of(
        {old: [5.0] * 7, new: [NAN, NAN, NAN, NAN, NAN, 8.0, 8.0]}, first_day="2017-02-22",
        last_session=np.array([2, 6]), delisted=np.array([True, False]), list_age=np.array([10_000, 0]),
    )  # fmt: skip
    done = ran(market, {0: lambda s: s.buy(data=s.market[old], size=1000)})
    frame = done.broker.ledger.equity_frame()
    assert frame["value"].tolist() == [100_000.0] * 5 + [95_000.0 + 560 * 8.0] * 2


def test_shares_that_waited_and_then_found_no_cash_are_missed_once() -> None:
    b = "600001.SH"
    market = market_of({A: [10.0, NAN, 10.0, 10.0], b: [10.0] * 4})
    script = {0: lambda s: (buy(9000)(s), s.buy(data=s.market[b], size=5000))}
    totals = ran(market, script, short_cash="refuse").broker.ledger.refusal_totals()
    assert set(totals) == {"SUSPENDED", "CASH"}
    assert sum(row["shares"] for row in totals.values()) == 9000


def test_a_refusal_of_an_order_that_has_nothing_left_to_do_is_not_done() -> None:
    market = market_of({A: [10.0, NAN, 20.0, 20.0]}, opens={A: [10.0, NAN, 60_000.0, 20.0]})
    target = {0: lambda s: s.broker.target_weights({A: 0.5}, owner=s)}
    (row,) = ran(market, target, size_at="fill", price_limits=False).broker.ledger.refusals_frame().to_dict("records")
    assert (row["done"], row["outcome"]) == (0, "cancelled")


@pytest.mark.parametrize("claimed", [0.5, 7.0], ids=["consolidation", "unresolved"])
def test_shares_are_swapped_for_those_who_hold_them_on_the_ex_date(claimed: float) -> None:
    closes = [10.0, 10.0, 10.0, 10.0, 20.0, 20.0, 20.0]
    market = market_of({A: closes}, precloses={A: closes}, events=event(4, 10.0, 20.0, claimed, 0.0, record_t=1))
    done = ran(market, {0: buy(1000), 1: sell(600)})
    assert done.broker.getposition(done.market[A]).size == 200
    assert done.broker.getvalue() == 100_000.0


def test_two_mergers_into_one_stock_on_one_session_keep_the_lots_of_both(tmp_path: Any, monkeypatch: Any) -> None:
    new, first, second = A, "600001.SH", "600002.SH"
    rows = [f"merger,{old},{new},2019-03-07,,2,,test,H" for old in (first, second)]
    table = tmp_path / "successors.csv"
    table.write_text("\n".join(["kind,old,new,from,to,ratio,cash,source,confidence", *rows]) + "\n")
    monkeypatch.setattr(entitlements, "successors", lambda: read_successors(table))
    market = market_of(
        {name: [10.0] * 6 for name in (new, first, second)}, last_session=np.array([5, 2, 2]),
        delisted=np.array([False, True, True]),
    )  # fmt: skip
    script = {0: lambda s: [s.buy(data=s.market[name], size=1000) for name in (first, second)]}
    done = ran(market, script)
    bought = int(market.sessions[1].astype(int))
    lots = done.broker.account.desk.lots.resolve(0, 4000)
    assert [(lot.day, lot.shares) for lot in lots] == [(bought, 2000)] * 2
