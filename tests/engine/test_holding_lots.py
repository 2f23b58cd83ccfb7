"""First-in first-out lots and the tax that hangs on them: to the fen, in however many parts they are sold."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dated_tables import day_number
from engine.dividend_tax import regime_on
from engine.holding_lots import BASE_SCALE, HoldingLots

OLD, MIDDLE, NEW = (regime_on("individual", day) for day in ("2012-06-01", "2014-06-02", "2016-06-01"))


def day(text: str) -> int:
    return day_number(text)


def base(yuan: float) -> int:
    return round(yuan * 100 * BASE_SCALE)


def half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))


def test_nothing_is_pending_and_all_tax_is_kept_at_payment_before_2013() -> None:
    book = HoldingLots()
    book.bought(0, day("2012-05-02"), 1_000)
    assert book.entitle(0, 1_000, day("2012-06-04"), OLD, base(0.5)) == 5_000
    assert not book.pending


def test_five_percent_is_kept_at_payment_and_the_rest_on_a_sale_within_a_month() -> None:
    book = HoldingLots()
    book.bought(0, day("2014-05-26"), 1_000)
    assert book.entitle(0, 1_000, day("2014-06-03"), MIDDLE, base(0.5)) == 2_500
    assert book.tax_on(0, 1_000, 1_000, day("2014-06-10")) == 7_500
    assert book.sell(0, 1_000, 1_000, day("2014-06-10")) == 7_500
    assert not book.pending and not book.lots


def test_nothing_is_kept_since_2015_and_the_oldest_shares_are_sold_first() -> None:
    book = HoldingLots()
    book.bought(0, day("2015-01-05"), 300)  # over a year on the day of the sale
    book.bought(0, day("2016-03-01"), 200)  # over a month
    book.bought(0, day("2016-05-30"), 500)  # within a month
    assert book.entitle(0, 1_000, day("2016-06-02"), NEW, base(1.0)) == 0
    assert book.sell(0, 1_000, 400, day("2016-06-10")) == 100 * 10  # 300 free, 100 at 10 %
    assert book.sell(0, 600, 600, day("2016-06-13")) == 100 * 10 + 500 * 20


def test_shares_bought_after_the_record_date_owe_nothing() -> None:
    book = HoldingLots()
    book.bought(0, day("2016-05-30"), 100)
    book.entitle(0, 100, day("2016-06-02"), NEW, base(1.0))
    book.bought(0, day("2016-06-03"), 900)
    assert book.sell(0, 1_000, 100, day("2016-06-10")) == 2_000
    assert 0 not in book.pending
    assert book.tax_on(0, 900, 900, day("2016-06-10")) == 0


def test_sales_that_nobody_told_of_have_consumed_the_oldest_lots() -> None:
    book = HoldingLots()
    for bought in ("2015-01-05", "2016-03-01", "2016-05-30"):
        book.bought(0, day(bought), 100)
    lots = book.resolve(0, 150)
    assert [(lot.day, lot.shares) for lot in lots] == [(day("2016-03-01"), 50), (day("2016-05-30"), 100)]


def test_shares_from_before_the_book_count_as_long_held() -> None:
    book = HoldingLots()
    assert book.entitle(0, 500, day("2016-06-02"), NEW, base(1.0)) == 0
    assert not book.pending


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 5_000),
    st.integers(1, 3_000_000),
    st.lists(st.tuples(st.integers(1, 2_000), st.integers(1, 500)), min_size=1, max_size=12),
    st.sampled_from([OLD, MIDDLE, NEW]),
)
def test_what_is_withheld_on_a_lot_is_the_rules_amount_rounded_once(
    shares: int, micro_yuan: int, sales: list[tuple[int, int]], regime: object
) -> None:
    book, start = HoldingLots(), day("2014-01-06")
    book.bought(0, start, shares)
    taken = book.entitle(0, shares, start + 10, regime, micro_yuan)  # type: ignore[arg-type]
    held, now, exact = shares, start + 10, Fraction(0)
    for k, (part, later) in enumerate(sales):
        part = held if k == len(sales) - 1 else min(part, held)
        if not part:
            break
        now += later
        rate = regime.bracket(start, now).rate  # type: ignore[attr-defined]
        exact += Fraction(part * micro_yuan * rate, 10_000 * BASE_SCALE)
        expected = book.tax_on(0, held, part, now)
        tax = book.sell(0, held, part, now) if 0 in book.pending else 0
        assert tax == expected >= 0
        taken += tax
        held -= part
    assert taken == half_up(exact)


def test_a_lot_that_changes_its_code_keeps_its_day_and_its_tax() -> None:
    book = HoldingLots()
    book.bought(0, day("2016-05-30"), 100)
    book.bought(7, day("2016-04-01"), 50)
    book.entitle(0, 100, day("2016-06-02"), NEW, base(1.0))
    book.rescale(0, 100, 100, 7, 50)
    assert 0 not in book.lots and book.pending == {7}
    assert [(lot.day, lot.shares) for lot in book.lots[7]] == [(day("2016-04-01"), 50), (day("2016-05-30"), 100)]
    assert book.sell(7, 150, 150, day("2016-06-10")) == 2_000


def test_rescaled_lots_stay_whole_add_up_and_owe_the_same() -> None:
    book = HoldingLots()
    for shares in (33, 33, 34):
        book.bought(0, day("2016-05-30"), shares)
    book.entitle(0, 100, day("2016-06-02"), NEW, base(1.0))
    book.rescale(0, 100, 57)
    assert sum(lot.shares for lot in book.lots[0]) == 57
    assert book.sell(0, 57, 57, day("2016-06-10")) == 2_000


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_bonus_shares_are_a_lot_of_their_own(parts: int) -> None:
    book = HoldingLots()
    book.bought(0, day("2015-01-05"), 700)
    book.bought(0, day("2016-06-02"), 700)  # ten for ten
    book.entitle(0, 1_400, day("2016-06-20"), NEW, base(0.1))
    taxes = [book.sell(0, 1_400 - k * 1_400 // parts, 1_400 // parts, day("2016-06-21")) for k in range(parts)]
    assert sum(taxes) == 700 * 2
