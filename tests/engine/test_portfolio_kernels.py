"""The compiled arithmetic of many portfolios is that of single accounts, number by number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numba import njit

from engine.dividend_tax import regimes
from engine.errors import AccountError
from engine.fee_table import EXCHANGES
from engine.fees import FeeSchedule, FundFees, PaperTwoFees
from engine.holding_lots import HoldingLots
from engine.portfolio_day import STOCK, tariff
from engine.portfolio_fills import charge, legal_buy, legal_sell
from engine.portfolio_lots import CLAIM, LotPool, PortfolioLots, _spread, bought, sell
from engine.portfolio_tables import ORDER, Journal
from engine.rules import LotRule
from engine.rules import legal_buy as legal_buy_of_one
from engine.rules import legal_sell as legal_sell_of_one
from engine.undated_fees import ZeroFees

RULES = [LotRule(100, 100), LotRule(200, 1), LotRule(100, 1)]


def test_lots_are_legal_as_in_single_orders() -> None:
    rng = np.random.default_rng(1)
    stocks = np.zeros(len(RULES), STOCK)
    stocks["minimum"], stocks["step"] = np.array(RULES).T
    for kind, held, shares in zip(*rng.integers(0, [[3], [1200], [1200]], (3, 2000)).tolist(), strict=True):
        assert legal_buy(shares, stocks[kind]) == legal_buy_of_one(shares, RULES[kind])
        assert legal_sell(shares, held, stocks[kind]) == legal_sell_of_one(shares, held, RULES[kind])


@pytest.mark.parametrize("day", ["2010-06-01", "2014-03-03", "2016-05-05", "2023-09-01"])
@pytest.mark.parametrize(
    "schedule",
    [FeeSchedule(), FundFees(), PaperTwoFees(), FeeSchedule(on_top=True), FeeSchedule(stamp_duty_minimum=3.0),
     ZeroFees()],
)  # fmt: skip
def test_fees_of_every_fill_of_an_order_are_those_of_a_single_account(day: str, schedule: FeeSchedule) -> None:
    rng = np.random.default_rng(2)
    fees = schedule.on(np.datetime64(day))
    stock, rates = np.zeros(1, STOCK), tariff(fees)
    for _ in range(200):
        place, is_buy = int(rng.integers(len(EXCHANGES))), bool(rng.integers(2))
        stock["exchange"], order, before = place, np.zeros(1, ORDER), [0, 0, 0, 0]
        for value, shares in zip(*rng.integers(1, [[10**12], [10**7]], (2, 3)).tolist(), strict=True):
            one = fees.charge(EXCHANGES[place], is_buy, value, shares, *before)
            assert charge(rates, stock[0], order[0], is_buy, value, shares) == one
            before = [before[0] + value, before[1] + one[0], before[2] + shares, before[3] + one[2]]
            order["value"], order["commission"], order["done"], order["transfer_fee"] = before


@pytest.mark.parametrize("holder", ["individual", "fund"])
@pytest.mark.parametrize("seed", range(6))
def test_the_tax_of_lots_bought_paid_sold_split_and_merged_is_that_of_a_single_account(holder: str, seed: int) -> None:
    rng = np.random.default_rng([seed, len(holder)])
    sessions = np.arange("2012-10-01", "2016-10-01", 3, dtype="datetime64[D]")
    days, known = sessions.astype(np.int64).tolist(), regimes(holder)
    pool, plain = LotPool(1, 2, sessions, known), HoldingLots()
    lots, held, paid = PortfolioLots(pool, 0), [0, 0], 0
    for t, day in enumerate(days):
        i, kind, size = int(rng.integers(2)), rng.random(), int(rng.integers(1, 5000))
        regime = next(one for one in known if one.first <= day <= one.last)
        if kind < 0.4:
            assert bought(pool.arrays, 0, i, t, size)
            plain.bought(i, day, size)
            held[i] += size
        elif kind < 0.7 and held[i]:
            size = min(size, held[i])
            tax = plain.sell(i, held[i], size, day) if i in plain.pending else 0
            assert sell(pool.arrays, 0, i, size, day) == tax
            held[i], paid = held[i] - size, paid + tax
            if not held[i]:
                plain.clear(i)
        elif kind < 0.9 and held[i]:
            base = int(rng.integers(1, 10**6))
            assert lots.entitle(i, held[i], day, regime, base) == plain.entitle(i, held[i], day, regime, base)
        elif kind < 0.96 and held[i]:
            after = int(held[i] * rng.uniform(0.3, 1.6))
            for one in (lots, plain):
                one.rescale(i, held[i], after)
            held[i] = after
        elif kind >= 0.96 and held[i]:
            for one in (lots, plain):
                one.rescale(i, held[i], held[i] // 2, 1 - i, held[1 - i])
            held[1 - i], held[i] = held[1 - i] + held[i] // 2, 0
        assert lots.pending == set(plain.pending), t
    assert paid > 0
    assert pool.arrays.lots["shares"][pool.arrays.first[pool.arrays.first >= 0]].all()


@njit
def spread_first(claims: Any, before: int, after: int) -> None:
    _spread(claims[0], before, after)


def test_income_that_64_bits_cannot_split_exactly_is_refused_and_never_counted_wrong() -> None:
    claims = np.zeros(1, CLAIM)
    claims["base"], claims["parts"] = 7, 1
    for before, after in ((1_000_003, 1_000_033), (1_000_037, 1_000_039)):
        spread_first(claims, before, after)
    whole = Fraction(7 * 1_000_003 * 1_000_037, 1_000_033 * 1_000_039)
    assert claims["base"][0] + Fraction(int(claims["rest"][0]), int(claims["parts"][0])) == whole
    with pytest.raises(AccountError, match="more changes of its share count"):
        spread_first(claims, 10_000_019, 10_000_079)


def test_the_journal_grows_where_it_is_half_full_and_keeps_what_it_has() -> None:
    journal = Journal.empty(rows=4)
    journal.fills["t"], journal.used[:] = [1, 2, 3, 0], [3, 2, 0]
    wider = journal.grown()
    assert [len(table) for table in (wider.fills, wider.refusals, wider.taxes)] == [8, 4, 4]
    assert wider.fills["t"].tolist() == [1, 2, 3, 0, 0, 0, 0, 0]
