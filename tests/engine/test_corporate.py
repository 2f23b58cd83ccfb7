"""Corporate actions on raw prices: cash, whole shares, trades, and wealth that moves by the market alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_market import NAN, event, market_of, play

from engine.corporate import Event, effects, is_plain
from engine.fees import FeeSchedule, ZeroFees
from engine.rules import Rules

A = "600000.SH"


def held_over(
    closes: list[float], book: dict[str, np.ndarray], precloses: list[float], shares: int = 100, **more: Any
) -> Any:
    market = market_of({A: closes}, events=book, precloses={A: precloses})
    return play(
        market,
        {0: lambda s: s.buy(data=s.market[A], size=shares), len(closes) - 2: lambda s: s.close(s.market[A])},
        **{"fees": ZeroFees(), "cash": 100_000.0, **more},
    )


def test_cash_dividend_is_paid_on_the_ex_date_and_kept_in_the_open_trade() -> None:
    cash, rules = event(2, 10.0, 9.5, 1.0, 0.5), Rules(holder="none")
    done = held_over([10.0, 10.0, 9.5, 9.5, 9.5], cash, [10.0, 10.0, 9.5, 9.5, 9.5], rules=rules)
    booked = done.broker.ledger.corporate_frame()
    assert booked[["kind", "shares", "cash", "tax"]].values.tolist() == [["DIVIDEND", 0, 50.0, 0.0]]
    assert str(booked["date"][0].date()) == "2019-03-06"
    assert done.broker.getcash() == 100_000.0
    assert [(trade.pnl, trade.pnlcomm) for trade in done.strategy.closed] == [(0.0, 0.0)]


def test_an_individual_who_sells_within_a_month_pays_a_fifth_of_the_dividend_on_the_sale() -> None:
    cash = event(2, 10.0, 9.5, 1.0, 0.5)
    done = held_over([10.0, 10.0, 9.5, 9.5, 9.5], cash, [10.0, 10.0, 9.5, 9.5, 9.5])
    booked = done.broker.ledger.corporate_frame()
    assert booked[["kind", "cash", "tax"]].values.tolist() == [["DIVIDEND", 50.0, 0.0], ["DIVIDEND_TAX", 0.0, 10.0]]
    assert done.broker.getcash() == 99_990.0
    assert [trade.pnlcomm for trade in done.strategy.closed] == [-10.0]


def test_bonus_of_three_for_ten_then_close_gives_one_closed_trade_whose_pnlcomm_is_the_change_of_cash() -> None:
    book = event(2, 13.0, 10.0, 1.3, 0.0)
    done = held_over([13.0, 13.0, 10.4, 10.4, 10.4], book, [13.0, 13.0, 10.0, 10.4, 10.4], fees=FeeSchedule())
    (trade,) = done.strategy.closed
    assert done.broker.ledger.fills_frame()["shares"].tolist() == [100, 130]
    assert trade.pnlcomm == pytest.approx(done.broker.getcash() - 100_000.0, abs=1e-9)
    assert trade.pnl == pytest.approx(130 * 10.4 - 100 * 13.0)


def test_only_whole_shares_are_credited_and_the_fraction_is_reported() -> None:
    done = held_over([13.0, 13.0, 10.0, 10.0], event(2, 13.0, 10.0, 1.3, 0.0), [13.0, 13.0, 10.0, 10.0], shares=1100)
    assert done.broker.ledger.corporate_frame()["shares"].tolist() == [330]
    odd = effects(Event(0, 13.0, 10.0, 1.3, 1.3, 0.0), 101)
    assert odd[0].shares == 30 and odd[0].fraction == pytest.approx(0.3)


@pytest.mark.parametrize("shares", [100, 1_000, 123_400, 1_000_000])
def test_share_ratios_that_come_rounded_from_share_counts_do_not_lose_a_share(shares: int) -> None:
    assert effects(Event(0, 13.0, 10.0, 1.3, 1.2999997, 0.0), shares)[0].shares == shares * 3 // 10


def test_a_share_count_that_steps_a_little_on_a_dividend_date_is_not_the_holders_business() -> None:
    # 002051 on 2018-09-25: 0.35 yuan a share while cancelled awards lowered the share count
    found = effects(Event(0, 15.62, 15.27, 1.022921, 0.999909, 0.35), 1_000)
    assert [(effect.kind, effect.shares, effect.cash_fen) for effect in found] == [("DIVIDEND", 0, 35_000)]


def test_event_whose_numbers_do_not_fit_the_reference_price_is_booked_value_neutral() -> None:
    # a reference price 40 % lower, with a share count that grew seventeen times
    event = Event(0, 20.0, 12.0, 20.0 / 12.0, 17.0, NAN)
    assert not is_plain(event)
    (effect,) = effects(event, 1_000)
    assert effect.kind == "UNRESOLVED" and effect.shares == 666
    assert (1_000 + 666) * 12.0 + effect.cash_fen / 100 == pytest.approx(1_000 * 20.0)


def test_wealth_moves_by_the_market_return_alone_over_an_unresolved_event() -> None:
    book = event(2, 20.0, 12.0, 17.0, NAN)
    done = held_over([20.0, 20.0, 13.2, 13.2, 13.2], book, [20.0, 20.0, 12.0, 13.2, 13.2], shares=1000)
    value = done.broker.ledger.equity_arrays()[1]
    stock = value - (100_000.0 - 20_000.0)
    assert stock[2] / stock[1] == pytest.approx(13.2 / 12.0, rel=1e-3)  # the rest in cash stays behind


def test_the_tolerance_of_a_plain_event_is_the_larger_of_a_fen_a_share_and_a_fifth_of_a_percent() -> None:
    assert is_plain(Event(0, 10.0, 9.5, 10 / 9.5, 1.0, 0.519))
    assert not is_plain(Event(0, 10.0, 9.5, 10 / 9.5, 1.0, 0.5201))
    assert is_plain(Event(0, 2.0, 1.9, 2 / 1.9, 1.0, 0.1099))
    assert not is_plain(Event(0, 2.0, 1.9, 2 / 1.9, 1.0, 0.1101))


def test_ex_date_on_a_suspended_day_marks_at_the_reference_so_that_value_stays() -> None:
    book = event(2, 13.0, 10.0, 1.3, 0.0)
    done = held_over([13.0, 13.0, NAN, 10.0, 10.0, 10.0], book, [13.0, 13.0, NAN, 10.0, 10.0, 10.0])
    assert done.broker.ledger.equity_arrays()[1].tolist() == [100_000.0] * 6


def test_bonus_shares_can_be_sold_on_the_ex_date() -> None:
    market = market_of(
        {A: [13.0, 13.0, 10.0, 10.0]},
        events=event(2, 13.0, 10.0, 1.3, 0.0),
        precloses={A: [13.0, 13.0, 10.0, 10.0]},
    )
    done = play(
        market,
        {0: lambda s: s.buy(data=s.market[A], size=100), 1: lambda s: s.close(s.market[A])},
        fees=ZeroFees(),
    )
    assert done.broker.ledger.fills_frame()["shares"].tolist() == [100, 130]
