"""Prices within one daily bar: resting limits, stops, price limits of the day, slippage."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest
from small_market import NAN, market_of, play

from engine import matching
from engine.fees import ZeroFees
from engine.matching import Bars
from engine.orders import Moment, Order
from engine.slippage import BasisPoints, Ticks

A, B = "600000.SH", "600001.SH"
UP, DOWN = 11.0, 9.0  # of a reference of 10.00
FREE: dict[str, Any] = {"fees": ZeroFees(), "cash": 100_000.0}


def bar(opened: float, high: float, low: float, close: float, traded: int = 1) -> Bars:
    return Bars(
        open=[opened], high=[high], low=[low], close=[close], volume=[1e6], traded=[traded], up=[UP], down=[DOWN]
    )


LOCKED_UP, LOCKED_DOWN = bar(UP, UP, UP, UP), bar(DOWN, DOWN, DOWN, DOWN)
OPENED_UP, OPENED_DOWN = bar(UP, UP, 10.5, 10.6), bar(DOWN, 9.5, DOWN, 9.4)
DAY = bar(10.1, 10.5, 9.8, 10.2)
ASLEEP = bar(NAN, NAN, NAN, NAN, traded=0)


def test_bars_are_those_of_the_session_and_stocks_asked_for() -> None:
    market = market_of(
        {A: [10.0, 10.5, 11.0], B: [20.0, 21.0, 19.0]}, opens={A: [10.0, 10.2, 10.9], B: [20.0, 20.5, 21.5]}
    )
    both = matching.bars_of(market, 1, [1, 0])
    assert both.open == [20.5, 10.2] and both.close == [21.0, 10.5]
    assert both.high == [21.0, 10.5] and both.low == [20.5, 10.2]
    assert both.volume == [1e6, 1e6] and both.traded == [1, 1]
    assert both.up == [22.0, 11.0] and both.down == [18.0, 9.0]


@pytest.mark.parametrize(
    ("bars", "is_buy", "at_close", "limits", "expected"),
    [
        (DAY, True, False, True, (10.1, "")),
        (DAY, True, True, True, (10.2, "")),
        (DAY, False, False, True, (10.1, "")),
        (LOCKED_UP, True, False, True, (0.0, "LIMIT_UP")),
        (LOCKED_UP, True, False, False, (11.0, "")),
        (LOCKED_UP, False, False, True, (11.0, "")),
        (OPENED_UP, True, False, True, (0.0, "LIMIT_UP")),
        (OPENED_UP, True, True, True, (10.6, "")),
        (LOCKED_DOWN, False, False, True, (0.0, "LIMIT_DOWN")),
        (LOCKED_DOWN, False, False, False, (9.0, "")),
        (LOCKED_DOWN, True, False, True, (9.0, "")),
        (OPENED_DOWN, False, True, True, (9.4, "")),
        (ASLEEP, True, False, True, (0.0, "SUSPENDED")),
        (ASLEEP, False, True, False, (0.0, "SUSPENDED")),
    ],
)
def test_market_orders_trade_at_the_fill_moment_unless_their_side_is_blocked(
    bars: Bars, is_buy: bool, at_close: bool, limits: bool, expected: tuple[float, str]
) -> None:
    assert matching.market_price(bars, 0, is_buy, at_close, limits) == expected


@pytest.mark.parametrize(
    ("bars", "limit", "limits", "expected"),
    [
        (DAY, 10.3, True, (10.1, "")),  # above the open: the open
        (DAY, 10.1, True, (10.1, "")),
        (DAY, 10.0, True, (10.0, "")),  # reached later in the day
        (DAY, 9.8, True, (9.8, "")),  # the day's low
        (DAY, 9.79, True, (0.0, "NOT_REACHED")),
        (DAY, UP, True, (10.1, "")),  # a limit at the day's upper limit is no hindrance where the stock trades below
        (LOCKED_UP, UP, True, (0.0, "LIMIT_UP")),
        (LOCKED_UP, 12.0, True, (0.0, "LIMIT_UP")),
        (LOCKED_UP, UP, False, (11.0, "")),
        (LOCKED_UP, 10.99, True, (0.0, "NOT_REACHED")),
        (OPENED_UP, UP, True, (10.99, "")),  # opened at the limit, then left it: one tick inside
        (OPENED_UP, UP, False, (11.0, "")),
        (OPENED_UP, 10.7, True, (10.7, "")),
        (LOCKED_DOWN, 9.5, True, (9.0, "")),
        (ASLEEP, 10.0, True, (0.0, "SUSPENDED")),
    ],
)
def test_limit_purchases_fill_at_the_open_or_their_limit_and_never_at_the_upper_price_limit(
    bars: Bars, limit: float, limits: bool, expected: tuple[float, str]
) -> None:
    assert matching.limit_price(bars, 0, True, limit, limits) == expected


@pytest.mark.parametrize(
    ("bars", "limit", "limits", "expected"),
    [
        (DAY, 9.9, True, (10.1, "")),  # below the open: the open
        (DAY, 10.1, True, (10.1, "")),
        (DAY, 10.4, True, (10.4, "")),
        (DAY, 10.5, True, (10.5, "")),  # the day's high
        (DAY, 10.51, True, (0.0, "NOT_REACHED")),
        (DAY, DOWN, True, (10.1, "")),
        (LOCKED_DOWN, DOWN, True, (0.0, "LIMIT_DOWN")),
        (LOCKED_DOWN, 8.0, True, (0.0, "LIMIT_DOWN")),
        (LOCKED_DOWN, DOWN, False, (9.0, "")),
        (LOCKED_DOWN, 9.01, True, (0.0, "NOT_REACHED")),
        (OPENED_DOWN, DOWN, True, (9.01, "")),
        (OPENED_DOWN, DOWN, False, (9.0, "")),
        (OPENED_DOWN, 9.3, True, (9.3, "")),
        (LOCKED_UP, 10.5, True, (11.0, "")),
        (ASLEEP, 10.0, True, (0.0, "SUSPENDED")),
    ],
)
def test_limit_sales_fill_at_the_open_or_their_limit_and_never_at_the_lower_price_limit(
    bars: Bars, limit: float, limits: bool, expected: tuple[float, str]
) -> None:
    assert matching.limit_price(bars, 0, False, limit, limits) == expected


def test_a_bar_that_leaves_its_limit_by_one_tick_fills_at_that_tick() -> None:
    assert matching.limit_price(bar(UP, UP, 10.99, UP), 0, True, UP, True) == (10.99, "")
    assert matching.limit_price(bar(DOWN, 9.01, DOWN, DOWN), 0, False, DOWN, True) == (9.01, "")


@pytest.mark.parametrize(
    ("bars", "is_buy", "trigger", "expected"),
    [
        (DAY, True, 10.0, (10.1, "")),  # gapped through: the open
        (DAY, True, 10.5, (10.5, "")),
        (DAY, True, 10.51, (0.0, "NOT_REACHED")),
        (DAY, False, 10.2, (10.1, "")),
        (DAY, False, 9.8, (9.8, "")),
        (DAY, False, 9.79, (0.0, "NOT_REACHED")),
        (LOCKED_UP, True, 10.5, (0.0, "LIMIT_UP")),
        (LOCKED_DOWN, False, 9.5, (0.0, "LIMIT_DOWN")),
        (bar(10.0, UP, 10.0, UP), True, UP, (0.0, "LIMIT_UP")),
        (bar(10.0, 10.0, DOWN, DOWN), False, DOWN, (0.0, "LIMIT_DOWN")),
        (ASLEEP, True, 10.0, (0.0, "SUSPENDED")),
    ],
)
def test_stops_fill_at_the_open_that_gaps_through_or_at_the_trigger(
    bars: Bars, is_buy: bool, trigger: float, expected: tuple[float, str]
) -> None:
    assert matching.stop_price(bars, 0, is_buy, trigger, True) == expected


@pytest.mark.parametrize(
    ("bars", "is_buy", "trigger", "limit", "expected"),
    [
        (DAY, True, 10.0, 10.3, (10.1, "", True)),
        (DAY, True, 10.4, 10.4, (10.4, "", True)),
        (DAY, True, 10.4, 10.3, (0.0, "NOT_REACHED", True)),  # the close does not prove that 10.30 came after
        (bar(10.1, 10.5, 9.8, 9.9), True, 10.4, 10.3, (10.3, "", True)),
        (DAY, True, 10.6, 10.7, (0.0, "NOT_REACHED", False)),
        (DAY, False, 10.2, 9.9, (10.1, "", True)),
        (DAY, False, 9.9, 9.9, (9.9, "", True)),
        (DAY, False, 9.9, 10.0, (10.0, "", True)),
        (bar(10.1, 10.5, 9.8, 9.85), False, 9.9, 10.0, (0.0, "NOT_REACHED", True)),
        (DAY, False, 9.7, 9.6, (0.0, "NOT_REACHED", False)),
        (ASLEEP, False, 9.7, 9.6, (0.0, "SUSPENDED", False)),
    ],
)
def test_stop_limits_fill_only_what_the_daily_bar_proves(
    bars: Bars, is_buy: bool, trigger: float, limit: float, expected: tuple[float, str, bool]
) -> None:
    assert matching.stop_limit_price(bars, 0, is_buy, trigger, limit, True) == expected


def order(kind: int, size: int, price: float, plimit: float | None = None) -> Order:
    made = Order(1, None, None, 0, size, Moment(0, 0, 0.0, 1), 10.0, None)
    made.exectype, made.price, made.pricelimit = kind, price, plimit
    return made


@pytest.mark.parametrize(
    ("kind", "size", "price", "plimit", "at_close", "expected"),
    [
        (Order.Market, 100, 10.0, None, False, (10.1, "")),
        (Order.Market, 100, 10.0, None, True, (10.2, "")),
        (Order.Close, 100, 10.0, None, False, (10.2, "")),
        (Order.Limit, 100, 10.0, None, True, (10.0, "")),
        (Order.Limit, -100, 10.4, None, False, (10.4, "")),
        (Order.Stop, 100, 10.4, None, False, (10.4, "")),
        (Order.StopTrail, -100, 9.9, None, False, (9.9, "")),
        (Order.StopLimit, 100, 10.4, 10.4, False, (10.4, "")),
    ],
)
def test_every_kind_of_order_is_priced_by_its_own_rule(
    kind: int, size: int, price: float, plimit: float | None, at_close: bool, expected: tuple[float, str]
) -> None:
    assert matching.price_of(order(kind, size, price, plimit), DAY, 0, at_close, True) == expected


def test_a_triggered_stop_limit_goes_on_as_a_limit_order() -> None:
    stop = order(Order.StopLimit, 100, 10.4, 10.05)
    assert matching.price_of(stop, DAY, 0, False, True) == (0.0, "NOT_REACHED")
    assert stop.triggered
    assert matching.price_of(stop, bar(10.2, 10.3, 10.0, 10.1), 0, False, True) == (10.05, "")


def test_only_orders_with_a_limit_have_a_worst_price() -> None:
    assert matching.limit_of(order(Order.Limit, 100, 10.4)) == 10.4
    assert matching.limit_of(order(Order.StopLimit, 100, 10.4, 10.5)) == 10.5
    assert matching.limit_of(order(Order.Market, 100, 10.4)) is None
    assert matching.limit_of(order(Order.Stop, 100, 10.4)) is None


@pytest.mark.parametrize(
    ("bars", "is_buy", "wished", "unslipped", "limit", "limits", "expected"),
    [
        (DAY, True, 10.3, 10.1, None, True, 10.3),
        (DAY, True, 10.9, 10.1, None, True, 10.5),  # the day's high
        (DAY, True, 10.3, 10.1, 10.2, True, 10.2),  # the order's own limit
        (DAY, True, 10.3, 10.2, 10.2, True, 10.2),
        (bar(10.1, UP, 9.8, UP), True, 12.0, 10.1, None, True, 10.99),
        (bar(10.1, UP, 9.8, UP), True, 12.0, 10.1, None, False, 11.0),
        (DAY, False, 9.9, 10.1, None, True, 9.9),
        (DAY, False, 9.0, 10.1, None, True, 9.8),  # the day's low
        (DAY, False, 9.9, 10.1, 10.0, True, 10.0),
        (bar(10.1, 10.2, DOWN, DOWN), False, 8.0, 10.1, None, True, 9.01),
        (bar(10.1, 10.2, DOWN, DOWN), False, 8.0, 10.1, None, False, 9.0),
    ],
)
def test_slippage_stays_inside_the_day_the_price_limits_and_the_orders_own_limit(
    bars: Bars, is_buy: bool, wished: float, unslipped: float, limit: float | None, limits: bool, expected: float
) -> None:
    assert matching.inside(bars, 0, is_buy, wished, unslipped, limit, limits) == expected


# -- the same through the broker --------------------------------------------------------------------


def limited(side: str, size: int, price: float) -> Any:
    return lambda s: getattr(s, side)(data=s.market[A], size=size, exectype=bt.Order.Limit, price=price)


def fills(done: Any) -> list[list[Any]]:
    frame = done.broker.ledger.fills_frame()
    frame["date"] = frame["date"].astype(str)
    return frame[["date", "side", "price"]].values.tolist()  # type: ignore[no-any-return]


def test_a_limit_purchase_waits_while_the_bar_is_locked_at_the_upper_limit() -> None:
    market = market_of({A: [10.0, 11.0, 11.5]}, opens={A: [10.0, 11.0, 11.2]})
    done = play(market, {0: limited("buy", 100, 11.3)}, **FREE)
    assert fills(done) == [["2019-03-06", "buy", 11.2]]
    assert done.broker.ledger.refusals_frame()[["reason", "days"]].values.tolist() == [["LIMIT_UP", 1]]


def test_a_limit_sale_waits_while_the_bar_is_locked_at_the_lower_limit() -> None:
    market = market_of({A: [10.0, 10.0, 9.0, 8.5]}, opens={A: [10.0, 10.0, 9.0, 8.8]})
    done = play(market, {0: limited("buy", 100, 10.0), 1: limited("sell", 100, 8.7)}, **FREE)
    assert fills(done) == [["2019-03-05", "buy", 10.0], ["2019-03-07", "sell", 8.8]]
    assert done.broker.ledger.refusals_frame()[["reason", "days"]].values.tolist() == [["LIMIT_DOWN", 1]]


def test_a_limit_order_fills_one_tick_inside_a_bar_that_opened_at_the_price_limit() -> None:
    bought = play(market_of({A: [10.0, 10.7]}, opens={A: [10.0, 11.0]}), {0: limited("buy", 100, 11.0)}, **FREE)
    assert fills(bought) == [["2019-03-05", "buy", 10.99]]
    sold = play(
        market_of({A: [10.0, 10.0, 9.3]}, opens={A: [10.0, 10.0, 9.0]}),
        {0: limited("buy", 100, 10.0), 1: limited("sell", 100, 9.0)},
        **FREE,
    )
    assert fills(sold)[1] == ["2019-03-06", "sell", 9.01]


@pytest.mark.parametrize("slippage", [Ticks(ticks=30), BasisPoints(bps=300)])
def test_slippage_never_goes_beyond_an_orders_own_limit(slippage: Any) -> None:
    market = market_of({A: [10.0, 10.6, 10.0]}, opens={A: [10.0, 10.0, 10.6]})
    script = {0: limited("buy", 100, 10.2), 1: limited("sell", 100, 10.5)}
    done = play(market, script, slippage=slippage, **FREE)
    frame = done.broker.ledger.fills_frame()
    assert frame["price"].tolist() == [10.2, 10.5]  # not 10.30 and 10.30, nor the day's ends
    np.testing.assert_allclose(frame["slippage"], [20.0, 10.0])
