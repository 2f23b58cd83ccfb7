"""Corners of the order flow in which money, time or orders could go astray."""

from __future__ import annotations

import signal as process_signal
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from small_market import NAN, market_of, play

from engine.broker import AShareBroker
from engine.errors import ConfigError, RuleError
from engine.fees import FeeSchedule, PercentageFees, ZeroFees
from engine.rules import Rules
from engine.simulation import simulate
from engine.slippage import BasisPoints, VolumeShare
from signals.base import Signal
from strategies.top_n import TopN

A, B, STAR = "600000.SH", "600001.SH", "688001.SH"
FREE: dict[str, Any] = {"fees": ZeroFees()}


def buy(symbol: str, size: int, **options: Any) -> Any:
    return lambda s: s.buy(data=s.market[symbol], size=size, **options)


def sell(symbol: str, size: int, **options: Any) -> Any:
    return lambda s: s.sell(data=s.market[symbol], size=size, **options)


def refusals(done: Any) -> list[list[Any]]:
    return done.broker.ledger.refusals_frame()[["reason", "wanted", "done", "outcome"]].values.tolist()  # type: ignore[no-any-return]


# -- time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode",
    [{}, {"runonce": False}, {"preload": False}, {"exactbars": 1}, {"exactbars": -1}, {"exactbars": -2}],
    ids=str,
)
def test_every_mode_of_cerebro_gives_the_same_account_and_stops_at_the_clocks_end(mode: dict[str, Any]) -> None:
    market = market_of({A: [10.0, 10.5, 11.0, 12.0, 99.0, 99.0]}).fork()

    class Buy(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                self.buy(data=market[A], size=100)

    cerebro = bt.Cerebro(stdstats=False, **mode)
    cerebro.adddata(market.clock("2019-03-04", "2019-03-07"))
    cerebro.adddata(market.bar_feed(A))
    broker = AShareBroker(market=market, cash=10_000.0, fees=ZeroFees())
    cerebro.setbroker(broker)
    cerebro.addstrategy(Buy)
    cerebro.run()
    assert broker.ledger.equity_arrays()[1].tolist() == [10_000.0, 10_000.0, 10_050.0, 10_150.0]


def test_the_broker_reads_the_clock_that_cerebro_holds_not_the_last_one_made() -> None:
    market = market_of({A: [10.0, 11.0, 12.0]}).fork()
    seen = []

    class Look(bt.Strategy):
        def next(self) -> None:
            seen.append(market[A].close[0])

    first, second = market.clock(), market.clock()
    for clock in (second, first):
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(clock)
        cerebro.setbroker(AShareBroker(market=market))
        cerebro.addstrategy(Look)
        cerebro.run()
    assert seen == [10.0, 11.0, 12.0] * 2
    lost = bt.Cerebro(stdstats=False)
    lost.adddata(market.bar_feed(A))
    lost.setbroker(AShareBroker(market=market))
    with pytest.raises(ConfigError, match="no clock of this market"):
        lost.run()


def test_a_resampled_clock_is_refused() -> None:
    market = market_of({A: [10.0] * 12}).fork()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.resampledata(market.clock(), timeframe=bt.TimeFrame.Weeks)
    cerebro.setbroker(AShareBroker(market=market))
    with pytest.raises(ConfigError, match="resampled"):
        cerebro.run()


def test_a_basket_before_the_first_close_is_sized_with_the_close_before_the_run_or_refused() -> None:
    class Early(bt.Strategy):
        def prenext_open(self) -> None:
            self.broker.target_weights({A: 0.5}, owner=self)

    market = market_of({A: [10.0, 12.0, 12.0]})
    done = simulate(market, Early, start="2019-03-06", fill="same_close", cash=100_000.0, **FREE)
    order = done.broker.orders[0]  # made before the close of the base day, 2019-03-05
    assert (order.created.pclose, order.size) == (10.0, 5000)
    with pytest.raises(RuleError, match="no close to be sized with"):
        simulate(market, Early, fill="same_close")


def test_bar_feeds_are_refused_where_their_close_could_be_read_before_it_is_known() -> None:
    with pytest.raises(ConfigError, match="same_close"):
        simulate(market_of({A: [10.0] * 3}), TopN, bar_feeds=[A], fill="same_close")


@pytest.mark.parametrize("of", [lambda handle: handle, lambda handle: handle.close])
def test_an_indicator_on_a_handle_fails_at_once_and_names_the_bar_feed(of: Any) -> None:
    market = market_of({A: [10.0] * 5}).fork()

    class Wrong(bt.Strategy):
        def __init__(self) -> None:
            self.mean = bt.indicators.SMA(of(market[A]), period=2)

    def too_long(*_: Any) -> None:
        raise AssertionError("the indicator looped")

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock())
    cerebro.setbroker(AShareBroker(market=market))
    cerebro.addstrategy(Wrong)
    previous = process_signal.signal(process_signal.SIGALRM, too_long)
    process_signal.alarm(10)
    try:
        with pytest.raises(TypeError, match=r"bar_feed\('600000.SH'\)"):
            cerebro.run()
    finally:
        process_signal.alarm(0)
        process_signal.signal(process_signal.SIGALRM, previous)


def test_dates_before_the_market_are_an_error_not_its_last_day() -> None:
    done = play(market_of({A: [10.0] * 3}), {0: lambda s: s.notes.append(s.market[A])})
    with pytest.raises(IndexError):
        done.strategy.notes[0].datetime.date(-3)


# -- money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cash", "shares"), [(5_010.0, 500), (5_005.09, 400), (5_005.10, 500), (1_005.02, 100), (1_005.0, 0)]
)
def test_a_purchase_is_cut_to_the_largest_lot_that_cash_with_fees_covers(cash: float, shares: int) -> None:
    # 500 shares at 10.00: 5,000 + 5.00 commission + 0.10 transfer fee; 100 shares: 1,000 + 5.00 + 0.02
    done = play(market_of({A: [10.0] * 3}), {0: buy(A, 1_000_000)}, cash=cash)
    assert int(done.broker.shares[0]) == shares
    assert done.broker.getcash() >= 0


@pytest.mark.parametrize("cash", [2_100.0, 54_321.0, 1e6])
def test_the_cut_is_the_largest_also_where_shares_count_one_by_one(cash: float) -> None:
    market = market_of({STAR: [10.0] * 3}, first_day="2020-03-02")
    done = play(market, {0: buy(STAR, 10_000_000)}, cash=cash)
    shares = int(done.broker.shares[0])
    day = FeeSchedule().on(market.sessions[1])
    one_more = (shares + 1) * 1_000
    assert shares >= 200 and done.broker.getcash() >= 0
    assert one_more + sum(day.charge("SH", True, one_more, shares + 1)) > round(cash * 100)


def test_a_sale_whose_fees_exceed_proceeds_and_cash_is_refused() -> None:
    done = play(
        market_of({A: [1.0] * 5}), {0: buy(A, 100), 2: sell(A, 1)}, cash=105.01,
        rules=Rules(lots=False, price_limits=False),
    )  # fmt: skip
    assert done.broker.getcash() >= 0 and refusals(done) == [["CASH", 1, 0, "dropped"]]


def test_percentage_fees_are_whole_fen_where_money_is_exact() -> None:
    done = play(market_of({A: [10.01] * 3}), {0: buy(A, 300)}, cash=10_000.0, fees=PercentageFees(commission=0.00033))
    assert done.broker.account.cash == 1_000_000 - 300_300 - 99


def test_cash_that_comes_within_the_day_does_not_pay_for_what_trades_at_the_open() -> None:
    market = market_of({A: [10.0, 10.0, 10.5, 10.5], B: [10.0] * 4}, opens={A: [10.0, 10.0, 10.0, 10.5]})

    def switch(s: Any) -> None:
        s.sell(data=s.market[A], size=900, exectype=bt.Order.Limit, price=10.5)  # reached after the open
        s.buy(data=s.market[B], size=500)

    done = play(market, {0: buy(A, 900), 1: switch}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [0, 100]


def test_the_participation_cap_is_shared_by_all_orders_of_a_stock() -> None:
    many = {0: lambda s: [s.buy(data=s.market[A], size=300) for _ in range(5)]}
    done = play(market_of({A: [10.0] * 3}, volume=4_000), many, slippage=VolumeShare(cap=0.1, impact=0.0), **FREE)
    fills = done.broker.ledger.fills_frame()
    assert fills.groupby("date")["shares"].sum().tolist() == [400, 400]  # a tenth of 4,000, over two sessions


def test_slippage_does_not_lift_a_purchase_onto_the_upper_limit() -> None:
    market = market_of({A: [10.0, 11.0, 11.0]}, opens={A: [10.0, 10.98, 11.0]})
    done = play(market, {0: buy(A, 100)}, slippage=BasisPoints(bps=50), **FREE)
    assert done.broker.ledger.fills_frame()["price"].tolist() == [10.99]


def test_limit_prices_are_quoted_in_fen() -> None:
    market = market_of({A: [10.0, 9.9, 9.9]}, opens={A: [10.0, 10.0, 9.9]})
    done = play(market, {0: buy(A, 100, exectype=bt.Order.Limit, price=9.9567)}, **FREE)
    assert done.broker.ledger.fills_frame()["price"].tolist() == [9.95]


# -- orders that could be lost ----------------------------------------------------------------------


def test_target_percent_of_a_name_without_a_price_is_a_refusal_not_a_crash() -> None:
    market = market_of({A: [10.0] * 4, B: [NAN, NAN, NAN, 9.0]}, list_age=np.array([10_000, 0]))
    done = play(market, {0: lambda s: s.order_target_percent(s.market[B], 0.5)}, **FREE)
    assert refusals(done) == [["NOT_LISTED", 100, 0, "dropped"]]
    basket = play(market, {0: lambda s: s.broker.target_weights({B: 0.5})}, **FREE)
    assert refusals(basket) == [["NOT_LISTED", 100, 0, "dropped"]]
    assert basket.strategy.told[-1][1] == "Rejected"


def test_a_basket_sized_at_the_fill_that_comes_below_a_lot_is_refused() -> None:
    market = market_of({A: [10.0, 10.5, 10.5]}, opens={A: [10.0, 10.5, 10.5]})
    options: dict[str, Any] = {"cash": 100_000.0, "rules": Rules(size_at="fill"), **FREE}
    done = play(market, {0: lambda s: s.broker.target_weights({A: 0.01})}, **options)
    assert refusals(done) == [["LOT", 95, 0, "dropped"]]
    sized = play(market, {0: lambda s: s.broker.target_weights({A: 0.5})}, **options)
    order = sized.broker.orders[0]
    assert (order.size, order.created.size, order.executed.size, order.wanted) == (4700, 4700, 4700, 4700)


def test_an_order_whose_rest_is_below_a_lot_ends_completed_and_the_rest_is_refused_once() -> None:
    market = market_of({STAR: [10.0] * 5}, first_day="2020-03-02", volume=2_200)
    done = play(market, {0: buy(STAR, 250)}, slippage=VolumeShare(cap=0.1, impact=0.0), **FREE)
    assert int(done.broker.shares[0]) == 220
    assert done.strategy.told[-1][1] == "Completed"
    assert done.broker.ledger.refusal_totals()["LOT"]["shares"] == 30
    assert sum(entry["shares"] for entry in done.broker.ledger.refusal_totals().values()) == 30


def test_only_purchases_decided_with_blocked_sales_wait_for_their_cash() -> None:
    market = market_of({A: [10.0, 10.0] + [NAN] * 4 + [10.0], B: [10.0] * 7})
    done = play(market, {0: buy(A, 900), 1: sell(A, 900), 3: buy(B, 500)}, cash=10_000.0, **FREE)
    assert done.broker.ledger.fills_frame()["shares"].tolist() == [900, 100, 900]
    assert ["CASH", 500, 100, "cut"] in refusals(done)


def test_a_sale_of_what_is_bought_the_same_session_waits_for_the_next() -> None:
    done = play(market_of({A: [10.0] * 4}), {0: lambda s: (buy(A, 200)(s), sell(A, 200)(s))}, **FREE)
    assert refusals(done) == [["T_PLUS_ONE", 200, 200, "done"]]


def test_fractional_sizers_buy_whole_shares_and_sizes_that_are_no_number_are_refused() -> None:
    market = market_of({A: [10.0] * 3})
    done = play(
        market,
        {0: lambda s: (s.setsizer(bt.sizers.PercentSizer(percents=33)), s.buy(data=s.market[A]))},
        cash=10_007.0,
        **FREE,
    )
    assert int(done.broker.shares[0]) == 300
    with pytest.raises(RuleError, match="nan shares"):
        play(market, {0: buy(A, NAN)})  # type: ignore[arg-type]


def test_settings_that_would_be_ignored_are_refused() -> None:
    market = market_of({A: [10.0] * 3})
    with pytest.raises(RuleError, match="starting cash"):
        play(market, {0: lambda s: s.broker.setcash(5.0)})
    with pytest.raises(ConfigError, match="AShareBroker\\(fees="):
        play(market, {0: lambda s: s.broker.setcommission(commission=0.01)})


def test_a_handle_of_another_market_is_found_by_its_symbol() -> None:
    other = market_of({"000001.SZ": [5.0] * 3, B: [6.0] * 3})
    done = play(market_of({A: [10.0] * 3, B: [6.0] * 3}), {0: lambda s: s.buy(data=other[B], size=100)}, **FREE)
    assert done.broker.shares.tolist() == [0, 100]


def test_position_of_the_clock_is_empty() -> None:
    done = play(
        market_of({A: [10.0] * 2}),
        {0: lambda s: s.notes.append((s.getposition(s.data).size, s.broker.getvalue([s.data])))},
    )
    assert done.strategy.notes == [(0, 0.0)]


# -- trades -----------------------------------------------------------------------------------------


def test_trades_of_other_ids_than_the_purchase_do_not_divide_by_zero() -> None:
    done = play(
        market_of({A: [10.0] * 8}),
        {0: buy(A, 100, tradeid=1), 2: lambda s: s.close(s.market[A]), 4: buy(A, 100)},
        **FREE,
    )
    assert done.broker.shares.tolist() == [100]
    assert [trade.pnl for trade in done.strategy.closed] == [0.0]


def events(ratio: float, cash: float, pre: float) -> dict[str, np.ndarray]:
    row = {
        "t": 2,
        "i": 0,
        "prev_close": 13.0,
        "preclose": pre,
        "factor_ratio": 13.0 / pre,
        "share_ratio": ratio,
        "cash": cash,
    }
    return {name: np.array([value]) for name, value in row.items()}


def test_dividend_with_bonus_is_shared_fairly_between_trades() -> None:
    pre = round((13.0 - 0.5) / 1.3, 2)
    market = market_of({A: [13.0, 13.0, pre, pre]}, events=events(1.3, 0.5, pre), precloses={A: [13.0, 13.0, pre, pre]})
    done = play(market, {0: lambda s: (buy(A, 1000, tradeid=1)(s), buy(A, 1000, tradeid=2)(s))}, **FREE)
    trades = list(done.broker.account._trades[0].values())
    assert [(trade.size, trade.pnl) for trade in trades] == [(1300, 500.0), (1300, 500.0)]


def test_waiting_orders_follow_a_bonus_issue() -> None:
    closes = [13.0, 13.0, 10.0, 10.0, 10.0]
    market = market_of({A: closes}, events=events(1.3, 0.0, 10.0), precloses={A: closes})
    halves = {0: buy(A, 1000), 1: lambda s: (sell(A, 500)(s), sell(A, 500)(s))}
    assert play(market, halves, **FREE).broker.shares.tolist() == [0]
    basket = play(market, {0: buy(A, 1000), 1: lambda s: s.broker.target_weights({A: 0.5})}, cash=13_000.0, **FREE)
    assert basket.broker.shares.tolist() == [700]  # half of 1,300, in lots: 500 x 1.3 = 650 sold, 600 legal
    twice = events(2.0, 0.0, 6.5)
    closes = [13.0, 13.0, 6.5, 6.5]
    doubled = market_of({A: closes}, events=twice, precloses={A: closes})
    done = play(doubled, {1: lambda s: s.broker.target_weights({A: 0.5})}, cash=26_000.0, **FREE)
    assert done.broker.shares.tolist() == [2000]  # 13,000 yuan at 6.50


@pytest.mark.parametrize("quick", [False, True])
def test_the_trade_that_a_delisting_closes_is_told(quick: bool) -> None:
    market = market_of(
        {A: [10.0, 10.0, 9.0, NAN], B: [5.0] * 4}, last_session=np.array([2, 3]), delisted=np.array([True, False])
    ).fork()
    told = []

    class Hold(bt.Strategy):
        def notify_trade(self, trade: Any) -> None:
            told.append((trade.isclosed, trade.pnl))

        def next(self) -> None:
            if len(self) == 1:
                self.buy(data=market[A], size=100)

    cerebro = bt.Cerebro(stdstats=False, quicknotify=quick)
    cerebro.adddata(market.clock())
    cerebro.setbroker(AShareBroker(market=market, fees=ZeroFees()))
    cerebro.addstrategy(Hold)
    cerebro.run()
    assert told == [(False, 0.0), (True, -100.0)]


# -- signals ----------------------------------------------------------------------------------------


def test_what_fit_returns_is_what_predicts_and_an_unknown_refit_is_refused() -> None:
    from engine.errors import SignalError

    class Learner(Signal):
        learnt: bool = False
        refit = "once"

        def fit(self, history: Any) -> Any:
            return self.model_copy(update={"learnt": True})

        def predict(self, view: Any) -> Any:
            assert self.learnt
            return view.scores(np.ones(len(view.symbols)))

    simulate(market_of({A: [10.0] * 4}), TopN, {"hold": 1}, signal=Learner(), rebalance="2D")
    Learner.refit = "monthly"
    with pytest.raises(SignalError, match="refit is 'monthly'"):
        simulate(market_of({A: [10.0] * 4}), TopN, {"hold": 1}, signal=Learner(), rebalance="2D")


def test_a_markets_arrays_are_read_only_also_after_pickling() -> None:
    import pickle

    market = market_of({A: [10.0] * 3}, series={"benchmark": np.ones(3)})
    for one in (market, pickle.loads(pickle.dumps(market))):
        for array in (one.close, one.sessions, one.view().series("benchmark"), one.view().sessions):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[0]
