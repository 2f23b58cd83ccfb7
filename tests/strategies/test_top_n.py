"""The variants of top-n, each against an example worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import market_of

from engine.errors import ConfigError
from engine.fees import ZeroFees
from engine.rules import Rules
from engine.simulation import Simulation, simulate
from engine.undated_fees import PercentageFees
from signals.base import Signal
from strategies.top_n import TopN

A, B, C, D, E = "600000.SH", "600001.SH", "600002.SH", "600003.SH", "600004.SH"


class Ranks(Signal):
    """Best first, one string of letters a decision; the last one goes on."""

    orders: list[str] = []
    _asked: list[int] = []

    def predict(self, view: Any) -> pd.DataFrame:
        order = self.orders[min(view.t // 2, len(self.orders) - 1)]
        named = {"A": A, "B": B, "C": C, "D": D, "E": E}
        return pd.DataFrame({"score": {named[letter]: -float(k) for k, letter in enumerate(order)}})


def play(market: Any, orders: list[str], cash: float = 100_000.0, **params: Any) -> Simulation:
    """Decisions on sessions 1, 3, 5 ... (``2D``), without fees."""
    more = {key: params.pop(key) for key in ("rules", "fill", "rebalance") if key in params}
    options: dict[str, Any] = {"signal": Ranks(orders=orders), "rebalance": "2D", "fees": ZeroFees(), "cash": cash}
    return simulate(market, TopN, params, **options | more)


def decided(done: Simulation) -> list[str]:
    return done.broker.ledger.decisions_frame()["decision"].astype(str).tolist()


def shares(done: Simulation, session: int) -> list[int]:
    """Shares of all stocks after the close of a session."""
    held = {t: dict(zip(i.tolist(), n.tolist(), strict=True)) for t, i, n in done.broker.ledger.held()}
    return [held.get(session, {}).get(i, 0) for i in range(len(done.market.symbols))]


def targets(done: Simulation) -> list[tuple[str, str, float, str]]:
    frame = done.broker.baskets.targets_frame()
    names = {A: "A", B: "B", C: "C", D: "D", E: "E"}
    return [
        (str(row.date.date()), names[row.symbol], round(row.weight, 6), row.reason) for row in frame.itertuples()
    ]


def test_the_schedule_of_these_tests_decides_on_every_second_session() -> None:
    assert decided(play(market_of({A: [10.0] * 5}), ["A"], hold=1)) == ["2019-03-04", "2019-03-06", "2019-03-08"]


# At the second decision A is worth 60,000 and B 50,000 of 110,000; C comes for B.
RISING = {A: [10.0, 10.0, 12.0, 12.0, 12.0], B: [20.0] * 5, C: [5.0] * 5}


def test_full_brings_every_name_back_to_its_equal_share() -> None:
    done = play(market_of(RISING), ["ABC", "ACB"], hold=2)
    assert shares(done, 1) == [5000, 2500, 0]
    # 55,000 in each: of A 416 shares too many, 400 of them in lots; of C 11,000, and the 54,800 there pay 10,900
    assert shares(done, 3) == [4600, 0, 10900]


def test_freed_cash_leaves_kept_names_alone_and_splits_all_cash_over_the_newcomers() -> None:
    four = {**RISING, D: [8.0] * 5}
    done = play(market_of(four), ["ABCD", "ACDB"], hold=3, trade="freed-cash")
    # a third each: A 3,333 -> 3,300, B 1,666 -> 1,600, C 6,666 -> 6,600; the 2,000 left pay one lot more of B
    assert shares(done, 1) == [3300, 1700, 6600, 0]
    # A, C are kept; B's 34,000 all go to D: 4,250 shares, 4,200 in lots, and no lot more
    assert shares(done, 3) == [3300, 0, 6600, 4200]


def test_freed_cash_of_one_leaver_is_split_equally_over_two_newcomers() -> None:
    four = {A: [10.0] * 5, B: [20.0] * 5, C: [5.0] * 5, D: [8.0] * 5}
    done = play(market_of(four), ["A", "ACD"], hold=3, trade="freed-cash")
    # one name scored: it gets a third, the two empty places stay in cash; then 66,700 over C and D
    assert shares(done, 1) == [3300, 0, 0, 0]
    assert shares(done, 3) == [3300, 0, 6700, 4100]  # 33,500 / 5; 33,500 / 8 = 4,187


def test_newcomers_get_their_equal_share_and_no_more() -> None:
    done = play(market_of(RISING), ["ABC", "ACB"], hold=2, trade="newcomers")
    assert shares(done, 3) == [5000, 0, 10000]  # 55,000 wanted, 50,000 there: B's proceeds
    falling = {A: [10.0, 10.0, 8.0, 8.0, 8.0], B: [20.0] * 5, C: [5.0] * 5}
    done = play(market_of(falling), ["ABC", "ACB"], hold=2, trade="newcomers", spread=False)
    assert shares(done, 3) == [5000, 0, 9000]  # 45,000 of 90,000, though B brings 50,000
    assert done.broker.getcash() == 5_000.0


def test_within_the_buffer_a_name_held_stays() -> None:
    flat = {A: [10.0] * 5, B: [20.0] * 5, C: [5.0] * 5}
    assert shares(play(market_of(flat), ["ABC", "ACB"], hold=2), 3) == [5000, 0, 10000]
    done = play(market_of(flat), ["ABC", "ACB"], hold=2, buffer=1)
    assert shares(done, 3) == [5000, 2500, 0]
    assert ("2019-03-06", "B", 0.5, "BUFFER") in targets(done)
    assert shares(play(market_of(flat), ["ABC", "CAB"], hold=1, buffer=1), 3) == [10000, 0, 0]


def test_a_trade_below_the_minimum_is_not_made() -> None:
    # A is at 54.5 %: 4.5 % of the account away from one half
    assert shares(play(market_of(RISING), ["AB", "AB"], hold=2), 3) == [4600, 2700, 0]
    assert shares(play(market_of(RISING), ["AB", "AB"], hold=2, min_trade=0.05), 3) == [5000, 2500, 0]
    assert shares(play(market_of(RISING), ["AB", "AB"], hold=2, min_trade=0.04), 3) == [4600, 2700, 0]


# -- a small account ----------------------------------------------------------------------------------

DEAR = {A: [10.0] * 5, B: [300.0] * 5, C: [5.0] * 5, D: [250.0] * 5, E: [8.0] * 5}


def refusals(done: Simulation) -> list[tuple[str, str, int, str]]:
    frame = done.broker.ledger.refusals_frame()
    return [(str(r.date.date()), r.symbol, r.wanted, r.reason) for r in frame.itertuples()]


def test_a_stock_whose_lot_exceeds_its_target_is_refused_and_the_next_in_rank_takes_its_place() -> None:
    done = play(market_of(DEAR), ["ABDCE"], hold=2, cash=40_000.0)
    # 20,000 each; a lot of B costs 30,000 and one of D 25,000, so C takes the place
    assert shares(done, 1) == [2000, 0, 4000, 0, 0]
    assert refusals(done)[:2] == [("2019-03-04", B, 66, "LOT"), ("2019-03-04", D, 80, "LOT")]
    first = [row for row in targets(done) if row[0] == "2019-03-04"]
    assert first == [
        ("2019-03-04", "A", 0.5, ""), ("2019-03-04", "B", 0.0, "LOT"), ("2019-03-04", "C", 0.5, "SPARE"),
        ("2019-03-04", "D", 0.0, "LOT"),
    ]  # fmt: skip


def test_the_hole_can_be_kept_and_its_cash_stays() -> None:
    done = play(market_of(DEAR), ["ABDCE"], hold=2, cash=40_000.0, replace=False)
    assert shares(done, 1) == [2000, 0, 0, 0, 0] and done.broker.getcash() == 20_000.0
    assert refusals(done)[0] == ("2019-03-05", B, 66, "LOT")


def test_a_stock_held_keeps_its_place_although_a_lot_exceeds_its_target() -> None:
    dearer = {A: [10.0] * 5, B: [150.0, 150.0, 300.0, 300.0, 300.0], C: [5.0] * 5}
    done = play(market_of(dearer), ["AB", "AB"], hold=2, cash=40_000.0)
    assert shares(done, 1) == [2000, 100, 0]
    # 27,500 each, less than a lot of B: it stays, and the 5,000 in cash buy A
    assert shares(done, 3) == [2500, 100, 0] and {row[3] for row in refusals(done)} == {"CASH"}


def test_leftover_cash_buys_one_lot_more_of_what_lacks_most_while_a_lot_fits() -> None:
    prices = {A: [70.0] * 3, B: [61.0] * 3, C: [45.0] * 3}
    # 20,000 each of 60,000: A 285 -> 200 lacks 6,000; B 327 -> 300 lacks 1,700; C 444 -> 400 lacks 2,000; 9,700 left
    without = play(market_of(prices), ["ABC"], hold=3, cash=60_000.0, spread=False)
    assert shares(without, 1) == [200, 300, 400] and without.broker.getcash() == 9_700.0
    # the first lot goes to A (7,000); of the 2,700 left neither C's lot (4,500) nor B's (6,100) can be paid
    done = play(market_of(prices), ["ABC"], hold=3, cash=60_000.0)
    assert shares(done, 1) == [300, 300, 400] and done.broker.getcash() == 2_700.0


def test_a_lot_too_dear_for_the_rest_does_not_stop_cheaper_ones() -> None:
    prices = {A: [70.0] * 3, B: [61.0] * 3, C: [6.9] * 3}
    # A lacks 6,000, B 1,700, C (2,898 -> 2,800) 680: 8,380. A's lot leaves 1,380, not enough for B's but for C's
    done = play(market_of(prices), ["ABC"], hold=3, cash=60_000.0)
    assert shares(done, 1) == [300, 300, 2900] and done.broker.getcash() == 690.0


def test_cash_that_is_left_on_purpose_is_not_spread() -> None:
    done = play(market_of({A: [10.0] * 3}), ["A"], hold=3)
    assert shares(done, 1) == [3300]  # 333.33 is lacking, less than a lot, though 66,666.67 are idle


def test_the_second_pass_keeps_back_what_the_fees_will_take() -> None:
    # 19,950 each: A 201 -> 200; B 199 -> 100 lacks 9,950; 10,100 are left for B's lot at 10,000, less the fees
    options: dict[str, Any] = {"signal": Ranks(orders=["AB"]), "rebalance": "5D", "cash": 39_900.0}
    prices = {A: [99.0] * 3, B: [100.0] * 3}
    cheap = simulate(market_of(prices), TopN, {"hold": 2}, fees=PercentageFees(commission=0.0002), **options)
    dear = simulate(market_of(prices), TopN, {"hold": 2}, fees=PercentageFees(commission=0.01), **options)
    assert shares(cheap, 1) == [200, 200] and shares(dear, 1) == [200, 100]
    assert refusals(cheap) == refusals(dear) == []


def test_with_lots_off_nothing_is_replaced() -> None:
    done = play(market_of(DEAR), ["ABDCE"], hold=2, cash=40_000.0, rules=Rules(lots=False))
    assert shares(done, 1) == [2000, 66, 0, 0, 0]


# -- names that are no candidates any more --------------------------------------------------------------

TURNS = {
    "closes": {A: [10.0] * 7, B: [20.0] * 7, C: [5.0] * 7},
    "st": {A: [0, 0, 0, 1, 1, 1, 1], B: [0] * 7, C: [0] * 7},
}


def turning() -> Any:
    return market_of(TURNS["closes"], st=TURNS["st"])


def test_a_name_under_special_treatment_is_sold_at_the_next_rebalance_with_that_reason() -> None:
    done = play(turning(), ["AB", "AB", "ABC"], hold=2)
    assert shares(done, 4) == [5000, 2500, 0] and shares(done, 5) == [0, 2500, 10000]
    assert ("2019-03-08", "A", 0.0, "ST") in targets(done)


def test_it_can_be_sold_at_once() -> None:
    done = play(turning(), ["AB", "AB", "ABC"], hold=2, exits="at-once")
    assert shares(done, 3) == [5000, 2500, 0] and shares(done, 4) == [0, 2500, 0]  # known on session 3, sold on 4
    assert ("2019-03-07", "A", 0.0, "ST") in targets(done)


def test_it_can_be_kept_as_it_is_and_takes_a_place() -> None:
    done = play(turning(), ["AB", "AB", "ABC"], hold=2, exits="keep")
    assert shares(done, 6) == [5000, 2500, 0]
    assert ("2019-03-08", "A", 0.5, "KEPT") in targets(done)


def test_names_outside_the_universe_or_in_their_delisting_period_leave_with_their_reason() -> None:
    member = np.ones((7, 3), np.uint8)
    member[3:, 1] = 0
    states = np.zeros((7, 3), np.uint8)
    states[3:, 0] = 3
    market = market_of(TURNS["closes"], member=member, states=states)
    done = play(market, ["AB", "AB", "C"], hold=2)
    assert shares(done, 5) == [0, 0, 10000]
    rows = [row for row in targets(done) if row[0] == "2019-03-08"]
    assert rows == [
        ("2019-03-08", "A", 0.0, "DELISTING"), ("2019-03-08", "B", 0.0, "LEFT_UNIVERSE"), ("2019-03-08", "C", 0.5, ""),
    ]  # fmt: skip


def test_a_name_under_special_treatment_is_not_bought() -> None:
    done = play(turning(), ["B", "B", "ABC"], hold=2)
    assert shares(done, 5)[0] == 0 and shares(done, 5)[2] == 10000


def test_fills_at_the_next_close_are_an_option_of_the_run() -> None:
    market = market_of({A: [10.0, 8.0, 8.0]}, opens={A: [10.0, 10.0, 8.0]})
    at_open = play(market, ["A"], hold=1, cash=10_000.0)
    at_close = play(market, ["A"], hold=1, cash=10_000.0, fill="next_close")
    fills = [done.broker.ledger.fills_frame()["price"].tolist()[0] for done in (at_open, at_close)]
    assert fills == [10.0, 8.0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"trade": "freed"}, "trade='freed'; did you mean 'freed-cash'"),
        ({"exits": "once"}, "exits='once'; did you mean 'at-once'"),
        ({"buffer": -1}, "a buffer of -1 names"),
        ({"min_trade": 1.0}, "min_trade=1.0"),
    ],
)
def test_bad_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play(market_of(RISING), ["A"], **params)
