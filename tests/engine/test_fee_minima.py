"""A minimum on any component of the fees, counted once over the fills of an order, and flat rates by option."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest
from small_market import market_of, play

from engine.day_fees import DayFees, DayFeesWithMinima
from engine.errors import ConfigError, RuleError
from engine.fees import FeeSchedule, FundFees, PaperTwoFees, Retail2024Fees
from engine.slippage import VolumeShare

DAY = np.datetime64("2020-01-06")
SH, SZ = "600000.SH", "000001.SZ"


def in_parts(fees: Any, is_buy: bool, parts: list[tuple[int, int]], exchange: str = "SH") -> list[tuple[int, ...]]:
    """Charges of an order's fills, given as (value in fen, shares), kept as the broker keeps them."""
    value = commission = shares = transfer = 0
    charged = []
    for fill_value, fill_shares in parts:
        fee = fees.charge(exchange, is_buy, fill_value, fill_shares, value, commission, shares, transfer)
        charged.append(fee)
        value, commission = value + fill_value, commission + fee[0]
        shares, transfer = shares + fill_shares, transfer + fee[2]
    return charged


def test_the_worked_order_of_9000_yuan_in_three_parts_pays_5_yuan_in_all() -> None:
    charged = in_parts(FeeSchedule(commission=0.00025).on(DAY), True, [(300_000, 300)] * 3)
    assert [fee[0] for fee in charged] == [500, 0, 0]


def test_a_minimum_of_stamp_duty_is_paid_once_over_the_fills_of_a_sale() -> None:
    fees = FeeSchedule(stamp_duty_minimum=1.0).on(DAY)
    # 0.1 % of 400 yuan is 0.40; of 800 is 0.80; of 1,200 is 1.20: 1.00 at first, nothing, then 0.20
    assert [fee[1] for fee in in_parts(fees, False, [(40_000, 100)] * 3)] == [100, 0, 20]
    assert [fee[1] for fee in in_parts(fees, True, [(40_000, 100)] * 3)] == [0, 0, 0]  # buyers owe none to be raised


def test_every_component_can_have_a_minimum() -> None:
    day = np.datetime64("2013-03-01")
    fees = FeeSchedule(
        minimum=5.0, on_top=True, stamp_duty_minimum=3.0, transfer_fee_minimum=2.0, handling_fee_minimum=0.5,
        regulatory_fee_minimum=0.25,
    )  # fmt: skip
    # 1,000 yuan, 100 shares: 0.25 -> 5.00; 1.00 -> 3.00; 0.06 -> 2.00; 0.07 -> 0.50 and 0.02 -> 0.25
    assert fees.on(day).charge("SH", False, 100_000, 100) == (500, 300, 200, 75)
    # Large orders are beyond every minimum: 100,000 yuan, 10,000 shares, the worked amounts of that day
    assert fees.on(day).charge("SH", False, 10_000_000, 10_000) == (2500, 10_000, 600, 696 + 200)


def test_the_parts_of_an_order_sum_to_what_one_fill_of_the_whole_is_charged() -> None:
    rng = random.Random(4)
    fees = FeeSchedule(
        on_top=True, stamp_duty_minimum=1.0, transfer_fee_minimum=1.0, handling_fee_minimum=0.3,
        regulatory_fee_minimum=0.2,
    ).on(DAY)  # fmt: skip
    for _ in range(300):
        parts = [(rng.randrange(1, 300_000), 100 * rng.randrange(1, 9)) for _ in range(rng.randrange(1, 6))]
        whole = fees.charge("SZ", False, sum(value for value, _ in parts), sum(shares for _, shares in parts))
        charged = in_parts(fees, False, parts, "SZ")
        assert tuple(map(sum, zip(*charged, strict=True))) == whole
        assert all(fee >= 0 for fill in charged for fee in fill)
        value = Decimal(sum(value for value, _ in parts))
        due = [
            max(least, int((value * Decimal(rate)).quantize(Decimal(1), ROUND_HALF_UP)))
            for rate, least in (("0.001", 100), ("0.00002", 100), ("0.0000487", 30), ("0.00002", 20))
        ]
        assert whole[1:] == (due[0], due[1], due[2] + due[3])


def test_the_tables_own_minimum_stands_where_the_options_is_lower() -> None:
    day = np.datetime64("2011-03-01")  # Shanghai: 0.1 % of face, at least 1 yuan
    assert FeeSchedule(transfer_fee_minimum=0.5).on(day).charge("SH", True, 100_000, 100)[2] == 100
    assert FeeSchedule(transfer_fee_minimum=2.0).on(day).charge("SH", True, 100_000, 100)[2] == 200


def test_only_a_schedule_with_more_minima_takes_the_slower_charges() -> None:
    assert type(FeeSchedule().on(np.datetime64("2011-03-01"))) is DayFees
    assert type(FeeSchedule(transfer_fee_minimum=1.0).on(DAY)) is DayFees
    assert type(PaperTwoFees().on(DAY)) is DayFeesWithMinima
    with pytest.raises(RuleError, match="exchange 'HK' is unknown"):
        PaperTwoFees().on(DAY).charge("HK", True, 100, 1)


# -- flat rates -------------------------------------------------------------------------------------


def test_a_rate_given_for_a_component_holds_on_every_date_and_exchange() -> None:
    fees = FeeSchedule(stamp_duty=0.001, transfer_fee=0.00002)
    for day in ("2007-06-01", "2013-03-01", "2024-03-01"):
        for exchange in ("SH", "SZ", "BJ"):
            assert fees.on(np.datetime64(day)).charge(exchange, False, 10_000_000, 10_000) == (2500, 10_000, 200, 0)
            assert fees.on(np.datetime64(day)).charge(exchange, True, 10_000_000, 10_000) == (2500, 0, 200, 0)


def test_a_handling_fee_with_a_rate_of_its_own_is_charged_on_top_of_the_commission() -> None:
    fees = FeeSchedule(handling_fee=0.00005).on(DAY)
    assert fees.charge("SH", True, 10_000_000, 10_000) == (2500, 0, 200, 500)
    assert FeeSchedule(on_top=True, handling_fee=False).on(DAY).charge("SH", True, 10_000_000, 10_000)[3] == 200


def test_a_rate_of_0_is_the_same_as_none() -> None:
    assert FeeSchedule(stamp_duty=0) == FeeSchedule(stamp_duty=False)
    assert FeeSchedule(stamp_duty=0.0).on(DAY).charge("SH", False, 10_000_000, 10_000)[1] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"commission": 0.03}, "'commission' is 0.03, that is 3 % .*: if 0.03 % was meant, write 0.0003"),
        ({"stamp_duty": 0.05}, "'stamp_duty' is 0.05, that is 5 % .*: if 0.05 % was meant, write 0.0005"),
        ({"transfer_fee": -0.00001}, "'transfer_fee' is -1e-05; .* not negative"),
        ({"stamp_duty": "yes"}, "'stamp_duty' is 'yes'; write true \\(by date\\), false, or a rate"),
        ({"stamp_duty_minimum": -1}, "'stamp_duty_minimum' is -1; it is yuan per order"),
        ({"stamp_duty_minimum": 0.001}, "'stamp_duty_minimum' is 0.001; .* whole fen"),
        ({"stamp_duty_minimum": True}, "'stamp_duty_minimum' is True; it is yuan"),
        ({"stamp_duty": False, "stamp_duty_minimum": 1}, "'stamp_duty_minimum' is 1, but stamp_duty is not charged"),
        ({"handling_fee_minimum": 1}, "the handling fee is inside the commission; set on_top = true, or give"),
        ({"table": 3}, "'table' is 3; give the path"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_with_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeeSchedule(**options)


# -- presets ----------------------------------------------------------------------------------------


def test_paper_2_charges_two_rates_with_two_minima_on_every_date() -> None:
    for day in ("2008-01-04", "2015-06-01", "2024-06-03"):
        fees = PaperTwoFees().on(np.datetime64(day))
        assert fees.charge("SH", True, 10_000_000, 10_000) == (10_000, 0, 0, 0)
        assert fees.charge("SZ", False, 10_000_000, 10_000) == (10_000, 10_000, 0, 0)
        assert fees.charge("SZ", False, 50_000, 100) == (500, 100, 0, 0)  # 500 yuan: both minima


def test_the_retail_preset_charges_the_dated_duties_and_a_contract_that_is_pinned() -> None:
    fees = Retail2024Fees()
    assert fees.on(np.datetime64("2024-01-03")).charge("SZ", False, 10_000_000, 10_000) == (2500, 5_000, 100, 0)
    assert fees.on(np.datetime64("2012-07-03")).charge("SH", False, 10_000_000, 10_000) == (2500, 10_000, 750, 0)
    assert fees.on(np.datetime64("2024-01-03")).charge("SZ", True, 100_000, 100)[0] == 500


def test_a_funds_account_has_no_minimum_and_owes_the_duty_on_what_it_sells() -> None:
    fees = FundFees().on(np.datetime64("2024-01-03"))
    assert fees.charge("SZ", False, 10_000_000, 10_000) == (5_000, 5_000, 100, 0)
    assert fees.charge("SZ", True, 100_000, 100) == (50, 0, 1, 0)


def test_a_schedule_describes_what_it_charges() -> None:
    assert PaperTwoFees().describe() == (
        "commission 0.1 %, at least 5 yuan per order, stamp duty 0.1 % of sales, at least 1 yuan per order"
    )
    assert FeeSchedule(on_top=True).describe().endswith("transfer fee by date, handling and regulatory fees on top")
    assert FeeSchedule(on_top=True, regulatory_fee=False).describe().endswith(", handling fee on top")
    assert "handling fee 0.00341 %" in FeeSchedule(handling_fee=0.0000341).describe()


# -- through the broker -----------------------------------------------------------------------------


def order(side: str, size: int, symbol: str) -> Any:
    return lambda s: getattr(s, side)(data=s.market[symbol], size=size)


def test_an_order_that_fills_on_three_days_pays_each_minimum_once() -> None:
    market = market_of({SH: [10.0] * 9}, volume=3_000)  # a tenth of it a day: 300 shares, 3,000 yuan
    script = {0: order("buy", 900, SH), 4: order("sell", 900, SH)}
    capped = VolumeShare(cap=0.1, impact=0.0)
    done = play(market, script, cash=20_000.0, slippage=capped, fees=PaperTwoFees(stamp_duty_minimum=5.0))
    fills = done.broker.ledger.fills_frame()
    assert fills["shares"].tolist() == [300] * 6
    # 0.1 % of 3,000, 6,000, 9,000: 3, 6, 9 yuan, at least 5: parts of 5, 1 and 3 yuan on each side
    assert fills["commission"].tolist() == [5.0, 1.0, 3.0] * 2
    assert fills["stamp_duty"].tolist() == [0.0] * 3 + [5.0, 1.0, 3.0]
    assert done.broker.getcash() == 20_000 - 9 - 9 - 9


def test_two_orders_on_one_day_pay_a_minimum_each() -> None:
    market = market_of({SH: [10.0] * 4})
    done = play(market, {0: lambda s: [order("buy", 100, SH)(s), order("buy", 100, SH)(s)]}, cash=20_000.0)
    assert done.broker.ledger.fills_frame()["commission"].tolist() == [5.0, 5.0]


def test_shanghais_minimum_before_june_2012_is_paid_once_over_three_fills() -> None:
    market = market_of({SH: [10.0] * 6}, volume=6_000, first_day="2011-03-07")
    capped = VolumeShare(cap=0.1, impact=0.0)
    fills = play(market, {0: order("buy", 1_800, SH)}, cash=20_000.0, slippage=capped).broker.ledger.fills_frame()
    # 600 shares a day at 0.1 % of face: 0.60, 1.20, 1.80 so far, at least 1.00
    assert fills["transfer_fee"].tolist() == [1.0, 0.2, 0.6]
