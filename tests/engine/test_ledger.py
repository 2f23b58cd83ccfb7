"""What the account's books say: costs, the balance, refusals of baskets, positions, interest, the base day."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from small_market import NAN, market_of, play

from engine.account import Account
from engine.corporate import Event, effects, holder_ratio, is_plain
from engine.errors import AccountError
from engine.fees import FeeSchedule, PercentageFees, ZeroFees
from engine.rules import Rules
from engine.slippage import VolumeShare

A, B, C, IPO = "600000.SH", "600001.SH", "600002.SH", "600003.SH"
FREE: dict[str, Any] = {"fees": ZeroFees()}


def buy(symbol: str, size: int, **options: Any) -> Any:
    return lambda s: s.buy(data=s.market[symbol], size=size, **options)


def sell(symbol: str, size: int, **options: Any) -> Any:
    return lambda s: s.sell(data=s.market[symbol], size=size, **options)


def weights(**of: float) -> Any:
    named = {"a": A, "b": B, "c": C, "ipo": IPO}
    return lambda s: s.broker.target_weights({named[name]: weight for name, weight in of.items()})


def refusals(done: Any) -> list[list[Any]]:
    frame = done.broker.ledger.refusals_frame()
    frame["date"] = frame["date"].astype(str)
    return frame[["date", "symbol", "reason", "wanted", "done", "outcome"]].values.tolist()  # type: ignore[no-any-return]


def one_event(t: int, prev: float, pre: float, ratio: float, cash: float) -> dict[str, np.ndarray]:
    return {
        "t": np.array([t]), "i": np.array([0]), "prev_close": np.array([prev]), "preclose": np.array([pre]),
        "factor_ratio": np.array([prev / pre]), "share_ratio": np.array([ratio]), "cash": np.array([cash]),
    }  # fmt: skip


# -- average cost -----------------------------------------------------------------------------------


def note_position(s: Any) -> None:
    position = s.getposition(s.market[A])
    assert s.broker.positions[s.market[A]].price == position.price if position.size else True
    s.notes.append((position.size, position.price))


def test_the_price_of_a_position_is_the_average_paid_before_fees() -> None:
    market = market_of({A: [10.0, 10.0, 11.0, 11.0, 12.0, 12.0, 9.0]}, opens={A: [10.0, 10.0, 10.6, 11.0] + [12.0] * 3})
    script = {0: buy(A, 100), 1: buy(A, 200), 3: sell(A, 100), 5: sell(A, 200)}

    def both(first: Any) -> Any:
        return lambda s: (note_position(s), first and first(s))

    done = play(market, {t: both(script.get(t)) for t in range(7)}, fees=FeeSchedule())
    average = (100 * 10.0 + 200 * 10.6) / 300  # a sale does not change what the rest has cost
    expected = [(0, 0.0), (100, 10.0), (300, average), (300, average), (200, average), (200, average), (0, 0.0)]
    assert done.strategy.notes == [(n, pytest.approx(price)) for n, price in expected]


def test_bonus_shares_lower_the_average_cost_so_that_the_profit_is_what_was_earned() -> None:
    closes = [13.0, 13.0, 10.4, 10.4]
    market = market_of({A: closes}, events=one_event(2, 13.0, 10.0, 1.3, 0.0), precloses={A: [13.0, 13.0, 10.0, 10.4]})
    told = []

    def close(s: Any) -> None:
        note_position(s)
        told.append(s.close(s.market[A]))

    done = play(market, {1: note_position, 0: buy(A, 1000), 2: close}, **FREE)
    assert done.strategy.notes == [(1000, 13.0), (1300, 10.0)]
    # 1,300 shares bought for 13,000 yuan, sold at 10.40: 520 yuan, told by the order as by the trade
    assert told[0].executed.pnl == pytest.approx(520.0) and told[0].executed.value == pytest.approx(13_000.0)
    assert [trade.pnl for trade in done.strategy.closed] == [pytest.approx(520.0)]


def test_a_cash_dividend_leaves_the_average_cost_alone() -> None:
    closes = [10.0, 10.0, 9.5, 9.5]
    market = market_of({A: closes}, events=one_event(2, 10.0, 9.5, 1.0, 0.5), precloses={A: closes})
    done = play(market, {0: buy(A, 100), 2: note_position}, **FREE)
    assert done.strategy.notes == [(100, 10.0)]


# -- the balance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fen", [1, -1, 100_000])
@pytest.mark.parametrize("exact", [True, False])
def test_cash_that_moves_behind_the_ledgers_back_stops_the_run(fen: int, exact: bool) -> None:
    def steal(s: Any) -> None:
        s.broker.account.cash += fen

    options: dict[str, Any] = {"rules": Rules() if exact else Rules.backtrader(), "fees": PercentageFees(commission=0)}
    with pytest.raises(AccountError, match="does not balance on 2019-03-06"):
        play(market_of({A: [10.0] * 4}), {0: buy(A, 100), 1: steal}, cash=10_000.0, **options)


def test_a_deposit_that_is_posted_balances() -> None:
    def pay_in(s: Any) -> None:
        s.broker.account.cash += 5_000
        s.broker.ledger.deposit(5_000)

    done = play(market_of({A: [10.0] * 3}), {0: pay_in}, cash=100.0)
    assert done.broker.ledger.equity_frame()["cash"].tolist() == [100.0, 150.0, 150.0]


# -- limit orders with an end -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "valid",
    [dt.date(2019, 3, 6), dt.datetime(2019, 3, 6), dt.timedelta(days=2), 2],
    ids=["date", "datetime", "timedelta", "days"],
)
def test_a_limit_order_expires_after_its_last_day_with_a_refusal(valid: Any) -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 9.0, 9.0]})  # the limit is reached on 2019-03-07 only
    script = {0: buy(A, 300, exectype=bt.Order.Limit, price=9.5, valid=valid)}
    done = play(market, script, **FREE)
    assert done.broker.ledger.fills_frame().empty
    assert done.strategy.told == [(1, "Submitted", ""), (1, "Accepted", ""), (1, "Expired", "NOT_REACHED")]
    assert refusals(done) == [["2019-03-07", A, "NOT_REACHED", 300, 0, "dropped"]]
    row = done.broker.ledger.orders_frame(done.broker.orders).iloc[0]
    assert (row["status"], row["done"], row["limit_price"], row["type"]) == ("Expired", 0, 9.5, "limit")
    assert (str(row["valid"].date()), str(row["closed_date"].date())) == ("2019-03-06", "2019-03-07")


def test_a_limit_order_can_still_fill_on_its_last_day() -> None:
    market = market_of({A: [10.0, 10.0, 9.4, 9.0]}, opens={A: [10.0] * 4})
    script = {0: buy(A, 300, exectype=bt.Order.Limit, price=9.5, valid=dt.date(2019, 3, 6))}
    done = play(market, script, **FREE)
    assert done.broker.ledger.fills_frame()[["price", "shares"]].values.tolist() == [[9.5, 300.0]]
    assert refusals(done) == []


def test_a_partly_filled_limit_order_expires_with_the_rest_refused() -> None:
    market = market_of({A: [10.0, 10.0, 10.4, 10.4]}, opens={A: [10.0, 10.0, 10.4, 10.4]}, volume=2_000)
    script = {0: buy(A, 500, exectype=bt.Order.Limit, price=10.0, valid=dt.date(2019, 3, 6))}
    done = play(market, script, slippage=VolumeShare(cap=0.1, impact=0.0), **FREE)
    assert [status for _, status, _ in done.strategy.told] == ["Submitted", "Accepted", "Partial", "Expired"]
    totals = done.broker.ledger.refusal_totals()
    assert int(done.broker.shares[0]) == 200 and sum(row["shares"] for row in totals.values()) == 300


# -- baskets ----------------------------------------------------------------------------------------


def test_the_next_basket_cancels_what_the_one_before_left() -> None:
    market = market_of({A: [10.0, NAN, NAN, 10.0, 10.0], B: [10.0] * 5})
    done = play(market, {0: weights(a=0.4, b=0.3), 1: weights(b=0.5)}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [0, 500]
    assert refusals(done) == [["2019-03-05", A, "SUSPENDED", 400, 0, "cancelled"]]
    assert [status for ref, status, _ in done.strategy.told if ref == 1] == ["Submitted", "Accepted", "Canceled"]


def test_a_basket_leaves_single_orders_and_other_owners_alone() -> None:
    market = market_of({A: [10.0, NAN, NAN, 10.0, 10.0], B: [10.0] * 5})
    done = play(market, {0: buy(A, 200), 1: weights(a=0.4)}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [600, 0]
    other = play(
        market,
        {0: weights(a=0.4), 1: lambda s: s.broker.target_weights({B: 0.5}, owner=Another(s))},
        cash=10_000.0,
        **FREE,
    )
    assert other.broker.shares.tolist() == [400, 500]


class Another:
    """A second owner of orders, who does not listen."""

    def __init__(self, strategy: Any) -> None:
        self.cerebro = strategy.cerebro
        self._orderspending: list[Any] = []
        self._tradespending: list[Any] = []

    def _notify(self, **_: Any) -> None:
        """Nothing is of interest."""


def test_an_empty_basket_sells_everything() -> None:
    market = market_of({A: [10.0] * 5, B: [10.0] * 5})
    done = play(market, {0: weights(a=0.4, b=0.5), 2: weights()}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [0, 0] and done.broker.getcash() == 10_000.0


def test_a_first_purchase_below_one_lot_is_refused() -> None:
    market = market_of({A: [10.0] * 4, B: [10.0] * 4})
    done = play(market, {0: weights(a=0.08, b=0.3)}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [0, 300]
    assert refusals(done) == [["2019-03-05", A, "LOT", 80, 0, "dropped"]]
    assert (1, "Rejected", "LOT") in done.strategy.told


def test_a_top_up_below_one_lot_is_no_order() -> None:
    market = market_of({A: [10.0] * 5})
    done = play(market, {0: weights(a=0.3), 2: weights(a=0.35)}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [300] and refusals(done) == [] and len(done.broker.orders) == 1


def test_a_basket_that_names_an_unlisted_stock_gets_a_refusal_and_trades_the_rest() -> None:
    market = market_of({A: [10.0] * 4, IPO: [NAN, NAN, NAN, 20.0]}, list_age=np.array([10_000, 0]))
    done = play(market, {0: weights(ipo=0.4, a=0.4)}, cash=10_000.0, **FREE)
    assert done.broker.shares.tolist() == [400, 0]
    assert refusals(done) == [["2019-03-04", IPO, "NOT_LISTED", 100, 0, "dropped"]]
    statuses = {ref: status for ref, status, _ in done.strategy.told}
    rejected = [order.ref for order in done.broker.orders if order.i == 1]
    assert [statuses[ref] for ref in rejected] == ["Rejected"]


# -- positions and equity ---------------------------------------------------------------------------


def test_shares_bought_today_are_held_but_not_sellable() -> None:
    market = market_of({A: [10.0, 10.0, 10.5, 10.5, 10.5], B: [20.0] * 5})
    script = {0: buy(A, 300), 1: lambda s: (buy(A, 200)(s), buy(B, 100)(s)), 2: sell(A, 100)}
    done = play(market, script, **FREE)
    frame = done.broker.ledger.positions_frame()
    frame["date"] = frame["date"].astype(str)
    assert frame.values.tolist() == [
        ["2019-03-05", A, 300, 0, 10.0, 3_000.0],
        ["2019-03-06", A, 500, 300, 10.5, 5_250.0],
        ["2019-03-06", B, 100, 0, 20.0, 2_000.0],
        ["2019-03-07", A, 400, 400, 10.5, 4_200.0],
        ["2019-03-07", B, 100, 100, 20.0, 2_000.0],
        ["2019-03-08", A, 400, 400, 10.5, 4_200.0],
        ["2019-03-08", B, 100, 100, 20.0, 2_000.0],
    ]
    free = play(market, script, rules=Rules(t_plus_one=False), **FREE).broker.ledger.positions_frame()
    assert free["sellable"].tolist() == free["shares"].tolist()


def test_a_strategy_reads_the_same_sellable_shares() -> None:
    def look(s: Any) -> None:
        s.notes.append(s.broker.sellable(s.market[A]))

    script = {0: buy(A, 300), 1: lambda s: (look(s), buy(A, 200)(s)), 2: look, 3: look}
    market = market_of({A: [10.0] * 4})
    assert play(market, script, **FREE).strategy.notes == [0, 300, 500]
    assert play(market, script, rules=Rules(t_plus_one=False), **FREE).strategy.notes == [300, 500, 500]


@pytest.mark.parametrize(("start", "base"), [("2019-03-06", 1), ("2019-03-09", 4), ("2019-03-04", 0), (None, 0)])
def test_the_first_row_of_equity_is_the_session_before_the_start(start: str | None, base: int) -> None:
    market = market_of({A: [10.0, 10.0, 10.0, 11.0, 11.0, 12.0, 12.0]})
    done = play(market, {0: buy(A, 100)}, start=start, cash=5_000.0, **FREE)
    frame = done.broker.ledger.equity_frame()
    assert frame["date"].to_numpy().astype("datetime64[D]").tolist() == market.sessions[base:].tolist()
    assert frame[["value", "cash"]].iloc[0].tolist() == [5_000.0, 5_000.0]
    # what is decided on the base day fills on the first session of the span
    assert done.broker.ledger.fills_frame()["date"].dt.date.tolist() == [market.sessions[base + 1].item()]


def test_no_interest_accrues_without_cash_nor_on_a_debt() -> None:
    market = market_of({A: [10.0] * 5})
    done = play(market, {0: buy(A, 500)}, cash=5_000.0, cash_rate=0.05, **FREE)
    frame = done.broker.ledger.equity_frame()
    # one day of 5 % on 5,000.00 is paid before the purchase of the first session fills: 0.68, and 68 fen earn nothing
    assert frame["cash"].tolist() == [5_000.0] + [0.68] * 4 and frame["interest"].tolist() == [0.0, 0.68, 0.0, 0.0, 0.0]
    for cash in (0.0, -1_000_000.0):
        account = Account(market, cash, Rules())
        account.accrue(0, 4, 0.05)
        assert account.cash == cash * 100


def test_dividends_tax_free_rows_and_interest_are_in_their_own_columns() -> None:
    closes = [10.0, 10.0, 9.5, 9.5]
    market = market_of({A: closes}, events=one_event(2, 10.0, 9.5, 1.0, 0.5), precloses={A: closes})
    ledger = play(market, {0: buy(A, 200)}, cash=2_000.0, **FREE).broker.ledger
    frame = ledger.corporate_frame()
    frame["date"] = frame["date"].astype(str)
    assert frame.values.tolist() == [["2019-03-06", A, "DIVIDEND", 0, 100.0, 0.0]]
    assert ledger.corporate_totals() == {"DIVIDEND": {"count": 1, "shares": 0, "cash": 100.0, "tax": 0.0}}


# -- events that are none ---------------------------------------------------------------------------


def test_an_event_that_would_take_cash_from_the_holder_is_no_plain_one() -> None:
    # rights issues may come with a negative cash amount that fits the reference price to the fen
    event = Event(0, 10.0, 9.0, 10.0 / 9.0, 1.2, -0.8)
    assert abs(event.share_ratio * event.preclose + event.cash - event.prev_close) < 1e-9
    assert not is_plain(event)
    assert holder_ratio(event) == 10.0 / 9.0
    (effect,) = effects(event, 900)
    assert (effect.kind, effect.shares, effect.cash_fen) == ("UNRESOLVED", 100, 0)


def test_negative_event_cash_never_leaves_the_account() -> None:
    closes = [10.0, 10.0, 9.0, 9.0]
    market = market_of({A: closes}, events=one_event(2, 10.0, 9.0, 1.2, -0.8), precloses={A: closes})
    done = play(market, {0: buy(A, 900)}, cash=9_000.0, **FREE)
    assert done.broker.ledger.corporate_frame()[["kind", "shares", "cash"]].values.tolist() == [
        ["UNRESOLVED", 100, 0.0]
    ]
    assert done.broker.getcash() == 0.0 and done.broker.getvalue() == 9_000.0
