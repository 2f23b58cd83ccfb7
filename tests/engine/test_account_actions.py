"""Corporate actions as the account meets them: money to come, shares not yet listed, successors, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_market import NAN, event, market_of, ran

from engine.errors import DataError

A, OLD, NEW = "600000.SH", "600005.SH", "600019.SH"


def test_a_dividend_paid_later_is_part_of_the_value_from_the_ex_date_and_of_the_cash_when_it_is_paid() -> None:
    closes, pre = [10.0, 10.0, 9.5, 9.5, 9.5, 9.5], [10.0, 10.0, 9.5, 9.5, 9.5, 9.5]
    market = market_of({A: closes}, precloses={A: pre}, events=event(2, 10.0, 9.5, 1.0, 0.5, pay_t=4))
    done = ran(market, {0: lambda s: s.buy(data=s.market[A], size=1000)}, holder="none")
    frame = done.broker.ledger.equity_frame()
    assert frame["value"].tolist() == [100_000.0] * 6
    assert frame["cash"].tolist() == [100_000.0, 90_000.0, 90_000.0, 90_000.0, 90_500.0, 90_500.0]
    assert str(done.broker.ledger.corporate_frame()["date"][0].date()) == str(market.sessions[4])


def test_a_dividend_is_paid_to_who_sold_between_ex_and_pay_date() -> None:
    closes, pre = [10.0, 10.0, 9.5, 9.5, 9.5, 9.5], [10.0, 10.0, 9.5, 9.5, 9.5, 9.5]
    market = market_of({A: closes}, precloses={A: pre}, events=event(2, 10.0, 9.5, 1.0, 0.5, pay_t=4))
    script = {0: lambda s: s.buy(data=s.market[A], size=1000), 2: lambda s: s.close(s.market[A])}
    done = ran(market, script, holder="none")
    assert done.broker.getcash() == 100_000.0 and done.broker.held == []


def test_bonus_shares_are_held_on_the_ex_date_and_can_be_sold_from_their_listing_on() -> None:
    closes = [13.0, 13.0, 10.0, 10.0, 10.0, 10.0]
    market = market_of({A: closes}, precloses={A: closes}, events=event(2, 13.0, 10.0, 1.3, 0.0, list_t=4))
    heard: list[Any] = []
    script = {
        0: lambda s: s.buy(data=s.market[A], size=1000),
        2: lambda s: (heard.append((s.getposition(s.market[A]).size, s.broker.sellable(s.market[A]))),
                      s.close(s.market[A])),
    }  # fmt: skip
    done = ran(market, script)
    assert heard == [(1300, 1000)]
    fills = done.broker.ledger.fills_frame()
    assert fills["shares"].tolist() == [1000, 1000, 300]
    assert [str(day.date()) for day in fills["date"]] == [str(market.sessions[k]) for k in (1, 3, 4)]
    assert done.broker.ledger.positions_frame()["sellable"].tolist() == [0, 1000, 0]


def test_a_holding_becomes_the_shares_of_its_successor_without_a_gain_or_a_loss_but_the_tables() -> None:
    days = market_of({OLD: [5.0] * 6, NEW: [8.0] * 6}, first_day="2017-02-22", last_session=np.array([2, 5]),
                     delisted=np.array([True, False]))  # fmt: skip
    done = ran(days, {0: lambda s: s.buy(data=s.market[OLD], size=1000)})
    assert str(days.sessions[3]) == "2017-02-27"  # 0.56 new shares for one old one from that day on
    booked = done.broker.ledger.corporate_frame()
    assert booked[["symbol", "kind", "shares", "cash"]].values.tolist() == [
        [OLD, "DELISTED", -1000, 5000.0], [NEW, "SUCCESSOR", 560, -5000.0],
    ]  # fmt: skip
    assert done.broker.getposition(days[NEW]).size == 560
    assert done.broker.getcash() == 95_000.0
    assert done.broker.getvalue() == 95_000.0 + 560 * 8.0
    (closed,) = done.strategy.closed
    assert (closed.getdataname(), closed.pnl) == (OLD, 0.0)


def test_a_successor_can_be_switched_off() -> None:
    last = {"last_session": np.array([2, 5]), "delisted": np.array([True, False])}
    market = market_of({OLD: [5.0] * 6, NEW: [8.0] * 6}, first_day="2017-02-22", **last)
    buy = {0: lambda s: s.buy(data=s.market[OLD], size=1000)}
    assert ran(market, buy, delisting="last").broker.getcash() == 100_000.0
    assert ran(market, buy, delisting="zero").broker.getcash() == 95_000.0


def test_a_right_is_sold_at_its_theoretical_price_taken_up_or_lapses() -> None:
    closes = [10.0, 10.0, 9.2, 9.2, 9.2]  # 2 for 10 at 5.20: (10 + 0.2 * 5.2) / 1.2 = 9.20
    terms = event(2, 10.0, 9.2, 1.0, 0.0, bonus_ratio=0.0, transfer_ratio=0.0, rights_ratio=0.2, rights_price=5.2)
    buy = {0: lambda s: s.buy(data=s.market[A], size=1000)}

    def end(policy: str) -> tuple[float, int]:
        done = ran(market_of({A: closes}, precloses={A: closes}, events=terms), buy, rights=policy)
        return done.broker.getvalue(), done.broker.getposition(done.market[A]).size

    assert end("sell") == (100_000.0, 1000)
    assert end("take_up") == (100_000.0, 1200)
    assert end("lapse") == (99_200.0, 1000)


# -- what a refusal earned --------------------------------------------------------------------------


def test_a_purchase_kept_out_while_the_price_rose_cost_the_difference() -> None:
    market = market_of({A: [10.0, NAN, NAN, 10.5, 10.5]}, opens={A: [10.0, NAN, NAN, 10.4, 10.5]})
    done = ran(market, {0: lambda s: s.buy(data=s.market[A], size=1000)})
    (row,) = done.broker.ledger.refusals_frame().to_dict("records")
    assert (row["reason"], row["price"], row["done"], row["outcome"]) == ("SUSPENDED", 10.0, 1000, "done")
    assert row["earned"] == pytest.approx(-400.0)
    assert done.broker.ledger.refusal_totals()["SUSPENDED"]["earned"] == -400.0


def test_a_sale_kept_in_while_the_price_rose_earned_it_even_when_it_never_came() -> None:
    market = market_of({A: [10.0, 10.0, NAN, NAN, NAN]})
    script = {0: lambda s: s.buy(data=s.market[A], size=1000), 1: lambda s: s.close(s.market[A])}
    done = ran(market, script)
    (row,) = done.broker.ledger.refusals_frame().to_dict("records")
    assert (row["outcome"], row["earned"]) == ("pending", 0.0)


def test_what_a_refusal_earned_does_not_count_the_ex_date_as_a_fall() -> None:
    closes = [13.0, NAN, NAN, 10.0, 10.0]
    pre = [13.0, NAN, NAN, 10.0, 10.0]
    market = market_of({A: closes}, opens={A: [13.0, NAN, NAN, 10.0, 10.0]}, precloses={A: pre},
                       events=event(3, 13.0, 10.0, 1.3, 0.0))  # fmt: skip
    done = ran(market, {0: lambda s: s.broker.target_weights({A: 0.5}, owner=s)})
    waited, odd = done.broker.ledger.refusals_frame().to_dict("records")
    assert (waited["reason"], waited["wanted"], odd["reason"]) == ("SUSPENDED", 4940, "LOT")  # 3,800 shares x 1.3
    assert waited["earned"] == pytest.approx(0.0, abs=1e-9)


def test_adjusted_prices_with_dividends_switched_on_are_refused() -> None:
    flat = market_of({A: [10.0] * 5}, precloses={A: [10.0] * 5}, events=event(2, 13.0, 10.0, 1.3, 0.0))
    with pytest.raises(DataError, match="corporate_actions=false"):
        ran(flat, {})
    assert ran(flat, {}, corporate_actions=False).broker.getvalue() == 100_000.0
