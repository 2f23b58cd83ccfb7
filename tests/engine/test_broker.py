"""Orders, refusals and money of the A-share broker on markets small enough to work out by hand."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from small_market import NAN, market_of, play

from engine.errors import DataError, LookAheadError, RuleError
from engine.fees import FeeSchedule, ZeroFees
from engine.rules import Rules
from engine.slippage import BasisPoints, Ticks, VolumeShare

A, B, STAR, IPO = "600000.SH", "600001.SH", "688001.SH", "600002.SH"
FREE: dict[str, Any] = {"fees": ZeroFees()}


def buy(symbol: str, size: int, **options: Any) -> Any:
    return lambda s: s.buy(data=s.market[symbol], size=size, **options)


def sell(symbol: str, size: int, **options: Any) -> Any:
    return lambda s: s.sell(data=s.market[symbol], size=size, **options)


def reasons(done: Any) -> list[tuple[str, int, int]]:
    frame = done.broker.ledger.refusals_frame()
    return list(zip(frame["reason"], frame["wanted"], frame["done"], strict=True))


def test_market_order_fills_at_the_next_open_and_pays_itemised_fees_to_the_fen() -> None:
    market = market_of({A: [10.0, 10.1, 10.2]}, opens={A: [10.0, 10.05, 10.2]})
    done = play(market, {0: buy(A, 1000)}, cash=20_000)
    fill = done.broker.ledger.fills_frame().iloc[0]
    # 10,050.00 yuan in March 2019: commission 0.025 % = 2.5125 -> minimum 5.00, transfer 0.002 % = 0.201 -> 0.20
    assert (fill["price"], fill["commission"], fill["stamp_duty"], fill["transfer_fee"]) == (
        10.05,
        5.0,
        0.0,
        0.2,
    )
    assert str(fill["date"].date()) == "2019-03-05"
    assert done.broker.getcash() == 20_000 - 10_050 - 5.20
    assert done.broker.getvalue() == 20_000 - 10_050 - 5.20 + 10_200


def test_sale_pays_stamp_duty_and_cash_returns() -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 11.0]}, opens={A: [10.0, 10.0, 10.0, 10.5]})
    done = play(market, {0: buy(A, 1000), 2: sell(A, 1000)}, cash=20_000)
    fill = done.broker.ledger.fills_frame().iloc[1]
    # 10,500.00 yuan: stamp duty 0.1 % on the seller = 10.50, transfer 0.21, commission minimum 5.00
    assert (fill["stamp_duty"], fill["transfer_fee"], fill["commission"]) == (10.5, 0.21, 5.0)
    assert done.broker.getcash() == pytest.approx(20_000 - 10_000 - 5.2 + 10_500 - 15.71, abs=1e-9)


def test_next_close_fills_at_the_close_of_the_next_session() -> None:
    market = market_of({A: [10.0, 10.3, 10.2]}, opens={A: [10.0, 10.1, 10.2]})
    done = play(market, {0: buy(A, 100)}, fill="next_close", **FREE)
    assert done.broker.ledger.fills_frame()["price"].tolist() == [10.3]


def test_same_close_fills_orders_issued_before_the_close_at_that_close() -> None:
    market = market_of({A: [10.0, 10.3, 10.2]}, opens={A: [10.0, 10.1, 10.2]})
    done = play(market, {}, {1: buy(A, 100)}, fill="same_close", **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills["price"].tolist() == [10.3] and str(fills["date"][0].date()) == "2019-03-05"


def test_same_close_refuses_orders_issued_after_that_close() -> None:
    market = market_of({A: [10.0, 10.3, 10.2]})
    with pytest.raises(RuleError, match="after the close it would fill at"):
        play(market, {1: buy(A, 100)}, fill="same_close")


def test_before_the_close_only_the_open_can_be_read() -> None:
    market = market_of({A: [10.0, 10.3, 10.2]}, opens={A: [10.0, 10.1, 10.2]})
    seen = []

    def look(s: Any) -> None:
        handle = s.market[A]
        seen.append((handle.open[0], handle.close[-1], s.market.view().t))
        for line in (handle.close, handle.high, handle.low, handle.volume):
            with pytest.raises(LookAheadError):
                line[0]
        with pytest.raises(LookAheadError):
            s.market.view(1)

    play(market, {}, {1: look}, fill="same_close")
    assert seen == [(10.1, 10.0, 0)]


def test_shares_bought_today_can_be_sold_tomorrow_only() -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 10.0]})
    both = {0: lambda s: (buy(A, 200)(s), sell(A, 200)(s))}
    done = play(market, both, rules=Rules(sells_first=False), **FREE)
    fills = done.broker.ledger.fills_frame()
    assert [(str(d.date()), side) for d, side in zip(fills["date"], fills["side"], strict=True)] == [
        ("2019-03-05", "buy"),
        ("2019-03-06", "sell"),
    ]
    assert reasons(done) == [("T_PLUS_ONE", 200, 200)]
    assert done.broker.ledger.refusals_frame()["outcome"].tolist() == ["done"]
    free = play(market, both, rules=Rules(sells_first=False, t_plus_one=False), **FREE)
    assert set(free.broker.ledger.fills_frame()["date"].astype(str)) == {"2019-03-05"}


@pytest.mark.parametrize(
    ("symbol", "size", "done_shares", "refused"),
    [(A, 250, 200, 50), (A, 99, 0, 99), (STAR, 250, 250, 0), (STAR, 199, 0, 199)],
)
def test_buys_are_cut_to_the_lots_of_the_board(symbol: str, size: int, done_shares: int, refused: int) -> None:
    market = market_of({symbol: [10.0, 10.0, 10.0]}, first_day="2020-03-02")
    done = play(market, {0: buy(symbol, size)}, **FREE)
    assert int(done.broker.shares[0]) == done_shares
    assert sum(wanted - traded for _, wanted, traded in reasons(done)) == refused
    assert {reason for reason, *_ in reasons(done)} <= {"LOT"}


def test_a_stock_that_opens_at_its_upper_limit_cannot_be_bought_but_can_be_sold() -> None:
    market = market_of(
        {A: [10.0, 10.0, 11.0, 11.2], B: [10.0, 10.0, 11.0, 11.2]},
        opens={A: [10.0, 10.0, 11.0, 11.1], B: [10.0, 10.0, 11.0, 11.1]},
    )
    done = play(market, {0: buy(A, 100), 1: lambda s: (sell(A, 100)(s), buy(B, 100)(s))}, **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills[["symbol", "side", "price"]].values.tolist() == [
        [A, "buy", 10.0],
        [A, "sell", 11.0],
        [B, "buy", 11.1],
    ]
    assert reasons(done) == [("LIMIT_UP", 100, 100)]


def test_a_stock_that_opens_at_its_lower_limit_cannot_be_sold_but_can_be_bought() -> None:
    market = market_of({A: [10.0, 10.0, 9.0, 9.0], B: [10.0, 10.0, 9.0, 9.0]})
    done = play(market, {0: buy(A, 100), 1: lambda s: (sell(A, 100)(s), buy(B, 100)(s))}, **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills[["symbol", "side", "price"]].values.tolist() == [
        [A, "buy", 10.0],
        [B, "buy", 9.0],
        [A, "sell", 9.0],
    ]
    assert reasons(done) == [("LIMIT_DOWN", 100, 100)]


def test_limit_price_is_judged_at_the_fill_moment_not_with_the_days_close() -> None:
    # closes at the upper limit 11.00 but opened at 10.50: an order for the open fills
    market = market_of({A: [10.0, 11.0, 11.5]}, opens={A: [10.0, 10.5, 11.2]})
    done = play(market, {0: buy(A, 100)}, **FREE)
    assert done.broker.ledger.fills_frame()["price"].tolist() == [10.5]


def test_suspended_stock_is_not_traded_keeps_its_value_and_the_order_waits() -> None:
    market = market_of({A: [10.0, 10.0, NAN, NAN, 10.5], B: [5.0] * 5})
    done = play(market, {0: buy(A, 100), 1: sell(A, 100)}, cash=10_000, **FREE)
    assert done.broker.ledger.equity_arrays()[1].tolist() == [
        10_000.0,
        10_000.0,
        10_000.0,
        10_000.0,
        10_050.0,
    ]
    refused = done.broker.ledger.refusals_frame()
    assert refused[["reason", "wanted", "done", "days", "outcome"]].values.tolist() == [
        ["SUSPENDED", 100, 100, 2, "done"]
    ]


def test_day_order_that_cannot_trade_is_dropped() -> None:
    market = market_of({A: [10.0, NAN, 10.0, 10.0]})
    done = play(market, {0: buy(A, 100, valid=bt.Order.DAY)}, **FREE)
    assert len(done.broker.ledger.fills_frame()) == 0
    assert done.strategy.told[-1] == (1, "Expired", "SUSPENDED")
    assert done.broker.ledger.refusals_frame()["outcome"].tolist() == ["dropped"]


def test_order_on_a_name_not_yet_listed_is_a_refusal_not_a_silent_none() -> None:
    market = market_of({A: [10.0] * 4, IPO: [NAN, NAN, NAN, 20.0]}, list_age=np.array([10_000, 0]))
    done = play(market, {0: buy(IPO, 100)}, **FREE)
    assert done.strategy.told == [(1, "Submitted", ""), (1, "Rejected", "NOT_LISTED")]
    assert reasons(done) == [("NOT_LISTED", 100, 0)]


def test_delisted_stock_is_settled_at_its_last_price_with_an_entry_and_a_closed_trade() -> None:
    market = market_of(
        {A: [10.0, 10.0, 9.0, NAN, NAN], B: [5.0] * 5},
        last_session=np.array([2, 4]), delisted=np.array([True, False]),
    )  # fmt: skip
    done = play(market, {0: buy(A, 100), 3: buy(A, 100)}, cash=10_000, **FREE)
    booked = done.broker.ledger.corporate_frame()
    assert booked[["symbol", "kind", "shares", "cash"]].values.tolist() == [[A, "DELISTED", -100, 900.0]]
    assert str(booked["date"][0].date()) == "2019-03-07"
    assert done.broker.getcash() == 9_900.0 and not done.broker.held
    assert [trade.pnl for trade in done.strategy.closed] == [-100.0]
    assert reasons(done) == [("DELISTED", 100, 0)]


def test_buy_that_cash_cannot_cover_is_cut_to_the_largest_legal_lot() -> None:
    market = market_of({A: [10.0, 10.0, 10.0]})
    done = play(market, {0: buy(A, 1000)}, cash=5_000.0)
    # 500 shares cost 5,000 + 5.10 of fees: 400 it is
    assert int(done.broker.shares[0]) == 400
    assert reasons(done) == [("CASH", 1000, 400)]
    assert done.broker.getcash() == 5_000 - 4_000 - 5.08
    assert done.strategy.told[-1][1] == "Completed"


def test_buy_that_cash_cannot_cover_is_refused_whole_where_asked() -> None:
    market = market_of({A: [10.0, 10.0, 10.0]})
    done = play(market, {0: buy(A, 1000)}, cash=5_000.0, rules=Rules(short_cash="refuse"))
    assert not done.broker.shares[0] and reasons(done) == [("CASH", 1000, 0)]
    assert done.strategy.told[-1] == (1, "Margin", "CASH")


def test_sales_come_before_purchases_so_that_their_cash_can_be_used() -> None:
    market = market_of({A: [10.0] * 4, B: [10.0] * 4})
    switch = {0: buy(A, 900), 1: lambda s: (buy(B, 800)(s), sell(A, 900)(s))}
    done = play(market, switch, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [0, 800] and reasons(done) == []
    in_order = play(market, switch, cash=10_000.0, rules=Rules(sells_first=False), **FREE)
    assert in_order.broker.shares.tolist() == [0, 100]


def test_purchases_wait_for_the_cash_of_sales_that_are_blocked_and_carried() -> None:
    market = market_of({A: [10.0, 10.0, NAN, NAN, 10.0, 10.0], B: [10.0] * 6})
    switch = {0: buy(A, 900), 1: lambda s: s.broker.target_weights({B: 0.9})}
    done = play(market, switch, cash=10_000.0, **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills[["symbol", "side", "shares"]].values.tolist() == [
        [A, "buy", 900],
        [B, "buy", 100],  # what the cash covers at once
        [A, "sell", 900],  # two sessions later
        [B, "buy", 800],
    ]
    assert [row[0] for row in reasons(done)] == ["SUSPENDED", "CASH"]
    assert done.broker.ledger.refusals_frame()["outcome"].tolist() == ["done", "done"]
    dropped = play(market, switch, cash=10_000.0, rules=Rules(unfilled="drop"), **FREE)
    assert dropped.broker.shares.tolist() == [900, 100]


def test_sale_beyond_the_holding_is_refused() -> None:
    market = market_of({A: [10.0] * 4})
    done = play(market, {0: buy(A, 200), 1: sell(A, 500)}, **FREE)
    assert done.broker.shares.tolist() == [0]
    assert reasons(done) == [("OVERSELL", 500, 200)]
    nothing = play(market, {0: sell(A, 100)}, **FREE)
    assert nothing.strategy.told[-1] == (1, "Rejected", "OVERSELL")


@pytest.mark.parametrize(
    ("limit", "side", "price"),
    [
        (10.2, "buy", 10.1),
        (10.0, "buy", 10.0),
        (9.95, "buy", None),
        (10.0, "sell", 10.1),
        (10.3, "sell", 10.3),
        (10.6, "sell", None),
    ],
)
def test_limit_orders_fill_at_the_open_or_at_their_price_within_the_days_range(
    limit: float, side: str, price: float | None
) -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 10.4]}, opens={A: [10.0, 10.0, 10.1, 10.1]})
    # session 2 (the fill) opens 10.1 and ranges over [10.0, 10.1]; session 3 over [10.1, 10.4]
    order = buy if side == "buy" else sell
    script: dict[int, Any] = {1: order(A, 100, exectype=bt.Order.Limit, price=limit, valid=dt.timedelta(days=2))}
    if side == "sell":
        script[0] = buy(A, 100)
    done = play(market, script, **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills[fills["order_id"] == len(script)]["price"].tolist() == ([] if price is None else [price])


def test_good_till_cancelled_limit_order_waits_until_it_is_cancelled() -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 9.0, 9.0]})
    orders: list[Any] = []
    done = play(
        market,
        {
            0: lambda s: orders.append(buy(A, 100, exectype=bt.Order.Limit, price=9.5)(s)),
            1: lambda s: s.cancel(orders[0]),
        },
        **FREE,
    )
    assert len(done.broker.ledger.fills_frame()) == 0
    assert [status for _, status, _ in done.strategy.told] == ["Submitted", "Accepted", "Canceled"]


def test_target_weights_equal_the_same_orders_sent_one_by_one() -> None:
    rng = np.random.default_rng(5)
    closes = {f"{600000 + k}.SH": np.round(10 * np.exp(np.cumsum(rng.normal(0, 0.02, 60))), 2) for k in range(8)}
    market = market_of(closes)
    plans = {
        t: dict(zip(rng.permutation(sorted(closes))[:4], [0.3, 0.3, 0.2, 0.19], strict=True)) for t in range(0, 55, 7)
    }

    def one_by_one(plan: dict[str, float]) -> Any:
        def act(s: Any) -> None:
            for data in list(s.broker.positions):
                if data._name not in plan:
                    s.close(data)
            for symbol, weight in plan.items():
                s.order_target_percent(s.market[symbol], weight)

        return act

    basket = play(market, {t: (lambda s, p=plan: s.broker.target_weights(p)) for t, plan in plans.items()}, cash=1e5)
    single = play(market, {t: one_by_one(plan) for t, plan in plans.items()}, cash=1e5)
    columns = ["date", "symbol", "side", "shares", "price", "commission", "stamp_duty"]
    first, second = (
        done.broker.ledger.fills_frame()[columns].sort_values(["date", "side", "symbol"]).reset_index(drop=True)
        for done in (basket, single)
    )
    assert len(first) > 30
    assert first.equals(second)
    assert basket.broker.getvalue() == single.broker.getvalue()


def test_sizing_at_the_fill_uses_the_fill_price() -> None:
    market = market_of({A: [10.0, 10.0, 12.0]}, opens={A: [10.0, 10.5, 12.0]})
    at_decision = play(market, {0: lambda s: s.broker.target_weights({A: 0.5})}, cash=100_000.0, **FREE)
    at_fill = play(
        market,
        {0: lambda s: s.broker.target_weights({A: 0.5})},
        cash=100_000.0,
        rules=Rules(size_at="fill"),
        **FREE,
    )
    assert at_decision.broker.shares.tolist() == [5000]  # 50,000 / 10.00
    assert at_fill.broker.shares.tolist() == [4700]  # 50,000 / 10.50 = 4,761


def test_what_a_basket_left_unfilled_is_carried_or_dropped() -> None:
    market = market_of({A: [10.0, NAN, 10.0, 10.0], B: [10.0] * 4})
    plan = {0: lambda s: s.broker.target_weights({A: 0.4, B: 0.4})}
    carried = play(market, plan, cash=10_000.0, **FREE)
    dropped = play(market, plan, cash=10_000.0, rules=Rules(unfilled="drop"), **FREE)
    assert carried.broker.shares.tolist() == [400, 400]
    assert dropped.broker.shares.tolist() == [0, 400]
    assert dropped.broker.ledger.refusals_frame()[["reason", "outcome"]].values.tolist() == [["SUSPENDED", "dropped"]]


@pytest.mark.parametrize("weights", [{A: 0.7, B: 0.5}, {A: -0.1}, {A: math.nan}])
def test_weights_that_are_no_fractions_of_one_account_are_refused(weights: dict[str, float]) -> None:
    market = market_of({A: [10.0] * 3, B: [10.0] * 3})
    with pytest.raises(RuleError, match="2019-03-04"):
        play(market, {0: lambda s: s.broker.target_weights(weights)})


def test_participation_cap_fills_over_several_sessions_and_pays_one_minimum_commission() -> None:
    market = market_of({A: [10.0] * 6}, volume=3_000)
    done = play(market, {0: buy(A, 900)}, slippage=VolumeShare(cap=0.1, impact=0.0), fees=FeeSchedule())
    fills = done.broker.ledger.fills_frame()
    assert fills["shares"].tolist() == [300, 300, 300]
    assert fills["commission"].tolist() == [5.0, 0.0, 0.0]
    assert reasons(done) == [("VOLUME_CAP", 600, 600)]
    assert [status for _, status, _ in done.strategy.told] == [
        "Submitted",
        "Accepted",
        "Partial",
        "Partial",
        "Completed",
    ]


def test_slippage_is_adverse_stays_inside_the_days_range_and_is_itemised() -> None:
    market = market_of({A: [10.0, 10.5, 10.0, 9.9]}, opens={A: [10.0, 10.0, 10.0, 10.0]})
    done = play(market, {0: buy(A, 1000), 2: sell(A, 1000)}, slippage=Ticks(ticks=2), **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills["price"].tolist() == [10.02, 9.98]
    assert fills["slippage"].round(6).tolist() == [20.0, 20.0]
    clipped = play(market_of({A: [10.0, 10.0, 10.0]}), {0: buy(A, 1000)}, slippage=BasisPoints(bps=50), **FREE)
    assert clipped.broker.ledger.fills_frame()["price"].tolist() == [10.0]  # the day never left 10.00


def test_interest_on_cash_accrues_by_calendar_day_in_fen() -> None:
    market = market_of({A: [10.0] * 6}, first_day="2019-03-07")  # Thu, Fri, Mon, Tue, Wed, Thu
    done = play(market, {}, cash=1_000_000.0, cash_rate=0.0365)
    frame = done.broker.ledger.equity_frame()
    assert frame["interest"].tolist()[:3] == [0.0, 100.0, 300.03]  # 1 day, then a week-end of 3 on 1,000,100
    assert frame["cash"].iloc[2] == 1_000_400.03


def test_the_clock_cannot_be_traded_and_unknown_names_are_refused() -> None:
    market = market_of({A: [10.0] * 3})
    with pytest.raises(RuleError, match="clock cannot be traded"):
        play(market, {0: lambda s: s.buy(size=100)})
    with pytest.raises(DataError, match=r"600009.SH.*600000.SH"):
        play(market, {0: lambda s: s.market["600009.SH"]})


def test_handles_never_show_tomorrow() -> None:
    market = market_of({A: [10.0, 11.0, 12.0]})

    def look(s: Any) -> None:
        handle = s.market[A]
        s.notes.append((handle.close[0], handle.close[-1], handle.datetime.date(0).isoformat(), len(handle)))
        with pytest.raises(LookAheadError):
            handle.close[1]
        with pytest.raises(LookAheadError):
            s.market.view(2)
        with pytest.raises(LookAheadError):
            s.market.view().upto(2)

    done = play(market, {1: look})
    assert done.strategy.notes == [(11.0, 10.0, "2019-03-05", 2)]


def test_an_indicator_on_a_handle_raises_and_names_the_bar_feed() -> None:
    market = market_of({A: [10.0] * 3})
    with pytest.raises(TypeError, match="bar_feed"):
        play(market, {0: lambda s: iter(s.market[A])})


def test_time_is_the_clocks_own_also_beside_a_feed_with_other_dates() -> None:
    import pandas as pd

    market = market_of({A: [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]}).fork()
    days = pd.date_range("2019-02-25", "2019-03-20", freq="D").delete([8, 10])  # week-ends too, two days missing
    other = pd.DataFrame(dict.fromkeys(["open", "high", "low", "close", "volume"], 1.0), index=days)
    seen = []

    class Look(bt.Strategy):
        def next(self) -> None:
            pass

        prenext = next

    class Watch(Look):
        def next(self) -> None:
            clock = market.running
            if len(clock):
                seen.append((clock.datetime.date(0), market[A].datetime.date(0), market[A].close[0]))

        prenext = next

    from engine.broker import AShareBroker

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    cerebro.adddata(bt.feeds.PandasData(dataname=other))
    broker = AShareBroker(market=market)
    cerebro.setbroker(broker)
    cerebro.addstrategy(Watch)
    cerebro.run()
    assert all(ours == theirs for ours, theirs, _ in seen)
    assert {str(day): price for day, _, price in seen} == {str(market.sessions[t]): 10.0 + t for t in range(6)}
    assert len(broker.ledger.equity_arrays()[0]) == 6


def test_two_runs_of_one_cerebro_start_from_the_same_account() -> None:
    from engine.broker import AShareBroker

    market = market_of({A: [10.0] * 4}).fork()

    class Buy(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                self.buy(data=market[A], size=100)

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    broker = AShareBroker(market=market, cash=10_000.0)
    cerebro.setbroker(broker)
    cerebro.addstrategy(Buy)
    values = []
    for _ in range(2):
        cerebro.run()
        values.append((broker.getcash(), broker.shares.tolist(), len(broker.ledger.fills_frame())))
    assert values[0] == values[1] == (8_994.98, [100], 1)


def test_feed_and_handle_of_one_stock_share_position_and_trade() -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 11.0, 11.0]}, opens={A: [10.0, 10.0, 10.0, 11.0, 11.0]})
    done = play(
        market,
        {0: lambda s: s.buy(data=s.data1, size=100), 2: lambda s: s.close(s.market[A])},
        bar_feeds=[A], rules=Rules(price_limits=False), **FREE,
    )  # fmt: skip
    assert [trade.pnl for trade in done.strategy.closed] == [100.0]
    assert done.strategy.getposition(done.strategy.data1).size == 0


def test_bar_feed_has_a_bar_on_every_session_and_indicators_run_on_it() -> None:
    market = market_of({A: [10.0, NAN, 12.0, 13.0], B: [5.0] * 4})

    class Crossing(bt.Strategy):
        bar_feeds = (A,)

        def __init__(self) -> None:
            self.mean = bt.indicators.SMA(self.data1.close, period=2)
            self.seen: list[tuple[float, float, float]] = []

        def next(self) -> None:
            self.seen.append((self.data1.close[0], self.data1.volume[0], self.mean[0]))

    from engine.simulation import simulate

    done = simulate(market, Crossing, bar_feeds=[A])
    assert done.strategy.seen == [(10.0, 0.0, 10.0), (12.0, 1e6, 11.0), (13.0, 1e6, 12.5)]
