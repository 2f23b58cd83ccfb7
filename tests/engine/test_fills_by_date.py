"""Fees, lots and listings are those of the session on which an order trades, and of the stock's exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from small_market import NAN, market_of, play

from engine import rules
from engine.fees import FeeSchedule, ZeroFees
from engine.rules import LotRow, LotRule
from engine.slippage import VolumeShare

SH, SZ, OTHER = "600000.SH", "000001.SZ", "600001.SH"
FEES = ["commission", "stamp_duty", "transfer_fee", "other_fees"]


def trade(side: str, size: int, *symbols: str) -> Any:
    return lambda s: [getattr(s, side)(data=s.market[symbol], size=size) for symbol in symbols]


def fills(done: Any) -> Any:
    frame = done.broker.ledger.fills_frame()
    return frame.assign(date=frame["date"].astype(str))


# -- fees -------------------------------------------------------------------------------------------


def test_stamp_duty_is_halved_from_the_first_session_of_the_new_rate_on() -> None:
    # Tuesday 2023-08-22 .. Tuesday 2023-08-29; 10,000 shares at 10.00 are 100,000 yuan
    market = market_of({SH: [10.0] * 6}, first_day="2023-08-22")
    script = {0: trade("buy", 30_000, SH), 2: trade("sell", 10_000, SH), 3: trade("sell", 10_000, SH)}
    done = play(market, script, cash=400_000.0, fees=FeeSchedule())
    assert fills(done)[["date", "side", *FEES]].values.tolist() == [
        ["2023-08-23", "buy", 75.0, 0.0, 3.0, 0.0],
        ["2023-08-25", "sell", 25.0, 100.0, 1.0, 0.0],  # 0.1 % of 100,000
        ["2023-08-28", "sell", 25.0, 50.0, 1.0, 0.0],  # ordered on the 25th, traded under 0.05 %
    ]
    assert done.broker.getcash() == 400_000 - 300_078 + 100_000 - 126 + 100_000 - 76


def test_the_parts_of_one_order_pay_the_duty_of_their_own_sessions() -> None:
    market = market_of({SH: [10.0] * 6}, first_day="2023-08-22", volume=100_000)
    script = {0: trade("buy", 8_000, SH), 2: trade("sell", 8_000, SH)}
    done = play(market, script, cash=100_000.0, fees=FeeSchedule(), slippage=VolumeShare(cap=0.05, impact=0.0))
    sales = fills(done).query("side == 'sell'")
    assert sales[["date", "shares", "stamp_duty"]].values.tolist() == [
        ["2023-08-25", 5_000, 50.0],
        ["2023-08-28", 3_000, 15.0],
    ]


def test_transfer_fees_are_those_of_the_exchange_until_they_become_one() -> None:
    # Friday 2015-07-31: Shanghai 0.06 % of the face value of 1 yuan a share on both sides, Shenzhen nothing on its own;
    # Monday 2015-08-03: 0.002 % of the traded value on both exchanges
    market = market_of({SH: [20.0] * 6, SZ: [20.0] * 6}, first_day="2015-07-29")
    script = {
        0: trade("buy", 20_000, SH, SZ),
        1: trade("sell", 10_000, SH, SZ),
        2: trade("sell", 10_000, SH, SZ),
        3: trade("buy", 5_000, SH, SZ),
    }
    frame = fills(play(market, script, cash=1_000_000.0, fees=FeeSchedule()))
    assert frame[["date", "symbol", "side", "transfer_fee"]].values.tolist() == [
        ["2015-07-30", SH, "buy", 12.0],
        ["2015-07-30", SZ, "buy", 0.0],
        ["2015-07-31", SH, "sell", 6.0],
        ["2015-07-31", SZ, "sell", 0.0],
        ["2015-08-03", SH, "sell", 4.0],
        ["2015-08-03", SZ, "sell", 4.0],
        ["2015-08-04", SH, "buy", 2.0],
        ["2015-08-04", SZ, "buy", 2.0],
    ]
    assert frame["stamp_duty"].tolist() == [0.0, 0.0, 200.0, 200.0, 200.0, 200.0, 0.0, 0.0]


def test_what_cash_covers_is_counted_with_the_fees_of_the_fills_session() -> None:
    # 5.00 commission, and of 10,000 shares at 1.00: 6.00 face-value fee on 2015-07-31, 0.20 on 2015-08-03
    market = market_of({SH: [1.0] * 6}, first_day="2015-07-29")
    dear = play(market, {1: trade("buy", 10_000, SH)}, cash=10_010.0, fees=FeeSchedule())
    cheap = play(market, {2: trade("buy", 10_000, SH)}, cash=10_010.0, fees=FeeSchedule())
    assert (dear.broker.shares.tolist(), cheap.broker.shares.tolist()) == ([9_900], [10_000])


# -- lots -------------------------------------------------------------------------------------------


@pytest.fixture
def lots_that_change(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Main-board lots of 100 until 2019-03-05, from 2019-03-06 on 200 shares and more, one by one."""
    day = rules.day_number
    eve, change = day(np.datetime64("2019-03-05")), day(np.datetime64("2019-03-06"))
    most = (10**6, 10**6)
    main = [LotRow(-(10**6), eve, LotRule(100, 100), *most), LotRow(change, 10**6, LotRule(200, 1), *most)]
    table = {"MAIN_SH": main, "MAIN_SZ": [LotRow(-(10**6), 10**6, LotRule(300, 300), *most)]}
    monkeypatch.setattr(rules, "_lot_table", lambda: table)
    rules.lot_rule.cache_clear()
    yield
    monkeypatch.undo()
    rules.lot_rule.cache_clear()


@pytest.mark.usefixtures("lots_that_change")
def test_lots_are_those_of_the_fills_session_and_of_the_stocks_board() -> None:
    market = market_of({SH: [10.0] * 5, SZ: [10.0] * 5})
    script = {0: trade("buy", 450, SH, SZ), 1: trade("buy", 251, SH, SZ), 2: trade("buy", 150, SH)}
    done = play(market, script, fees=ZeroFees())
    assert fills(done)[["date", "symbol", "shares"]].values.tolist() == [
        ["2019-03-05", SH, 400],
        ["2019-03-05", SZ, 300],
        ["2019-03-06", SH, 251],
    ]
    refused = done.broker.ledger.refusals_frame()
    assert refused[["symbol", "reason", "wanted", "done"]].values.tolist() == [
        [SH, "LOT", 450, 400],
        [SZ, "LOT", 450, 300],
        [SZ, "LOT", 251, 0],
        [SH, "LOT", 150, 0],
    ]


# -- listings ---------------------------------------------------------------------------------------


def listing() -> Any:
    """A stock whose debut is the fourth session, 2019-03-07, beside an old one."""
    return market_of({OTHER: [NAN, NAN, NAN, 20.0, 21.0], SH: [10.0] * 5}, list_age=np.array([10_000, 0]))


def test_a_stock_can_be_ordered_on_the_eve_of_its_debut() -> None:
    done = play(listing(), {2: trade("buy", 100, OTHER)}, fees=ZeroFees())
    assert fills(done)[["date", "symbol", "price"]].values.tolist() == [["2019-03-07", OTHER, 20.0]]
    assert done.broker.ledger.refusals_frame().empty


@pytest.mark.parametrize("session", [0, 1])
def test_a_stock_cannot_be_ordered_earlier_than_the_eve_of_its_debut(session: int) -> None:
    done = play(listing(), {session: trade("buy", 100, OTHER)}, fees=ZeroFees())
    assert fills(done).empty
    refused = done.broker.ledger.refusals_frame()
    assert refused[["reason", "wanted", "done", "outcome"]].values.tolist() == [["NOT_LISTED", 100, 0, "dropped"]]
    assert refused["date"].astype(str).tolist() == [str(listing().sessions[session])]
    assert done.strategy.told == [(1, "Submitted", ""), (1, "Rejected", "NOT_LISTED")]


def test_before_the_close_the_debut_of_that_session_can_be_ordered_and_the_next_ones_not() -> None:
    debut = play(listing(), {}, {3: trade("buy", 100, OTHER)}, fill="same_close", fees=ZeroFees())
    assert fills(debut)[["date", "price"]].values.tolist() == [["2019-03-07", 20.0]]
    early = play(listing(), {}, {2: trade("buy", 100, OTHER)}, fill="same_close", fees=ZeroFees())
    assert early.broker.ledger.refusals_frame()["reason"].tolist() == ["NOT_LISTED"]


def test_a_stock_that_has_left_cannot_be_ordered() -> None:
    market = market_of(
        {SH: [10.0, 10.0, NAN, NAN], OTHER: [5.0] * 4}, last_session=np.array([1, 3]), delisted=np.array([True, False])
    )
    done = play(market, {2: trade("buy", 100, SH)}, fees=ZeroFees())
    assert done.strategy.told == [(1, "Submitted", ""), (1, "Rejected", "DELISTED")]
