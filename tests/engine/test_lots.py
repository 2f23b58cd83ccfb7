"""Lots and fees of many stocks at once equal those of one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.day_fees import DayFees, DayFeesWithMinima
from engine.fee_table import EXCHANGES
from engine.fees import FeeSchedule, FundFees, PaperTwoFees
from engine.lots import LotArrays, legal_buys, legal_sells
from engine.rules import LotRule, legal_buy, legal_sell
from engine.undated_fees import ZeroFees

RULES = [LotRule(100, 100), LotRule(200, 1), LotRule(100, 1)]


def test_legal_lots_of_arrays_are_those_of_single_orders() -> None:
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, len(RULES), 3_000)
    held, shares = rng.integers(0, 1_200, (2, 3_000))
    lots = LotArrays(*np.array([(*RULES[k], 10**6) for k in kinds]).T)
    for k, buy, sale in zip(range(3_000), legal_buys(shares, lots), legal_sells(shares, held, lots), strict=True):
        rule = RULES[kinds[k]]
        assert buy == legal_buy(int(shares[k]), rule)
        assert sale == legal_sell(int(shares[k]), int(held[k]), rule)


@pytest.mark.parametrize("day", ["2010-06-01", "2014-03-03", "2016-05-05", "2023-09-01"])
@pytest.mark.parametrize(
    "schedule",
    [FeeSchedule(), FundFees(), PaperTwoFees(), FeeSchedule(on_top=True), FeeSchedule(stamp_duty_minimum=3.0),
     ZeroFees()],
)
def test_fees_of_first_fills_are_those_of_single_fills(day: str, schedule: FeeSchedule) -> None:
    rng = np.random.default_rng(2)
    fees: DayFees | DayFeesWithMinima | ZeroFees = schedule.on(np.datetime64(day))
    places = rng.integers(0, len(EXCHANGES), 500)
    values, shares = rng.integers(1, 10**9, 500), rng.integers(1, 10**6, 500)
    for is_buy in (False, True):
        found = fees.charge_first_fills(places, is_buy, values, shares)
        assert found is not None
        for k in range(500):
            one = fees.charge(EXCHANGES[places[k]], is_buy, int(values[k]), int(shares[k]))
            assert tuple(int(column[k]) for column in found) == one


def test_amounts_beyond_64_bits_are_left_to_single_fills() -> None:
    fees = FeeSchedule().on(np.datetime64("2020-01-02"))
    assert fees.charge_first_fills(np.array([0]), True, np.array([10**15]), np.array([100])) is None
