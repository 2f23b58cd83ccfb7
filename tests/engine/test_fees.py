"""Fees by date: worked amounts, the order's one minimum, the table's checks."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.dated_tables import TABLES
from engine.errors import ConfigError, DataError, RuleError
from engine.fee_table import read_fees
from engine.fees import FeeSchedule, PercentageFees, ZeroFees

VALUE, SHARES = 10_000_000, 10_000  # 100,000 yuan, 10,000 shares at 10.00

# Day; yuan: buyer's stamp duty, seller's, transfer fee SH, SZ, handling SH, regulatory
WORKED = [
    ("2006-01-04", "100.00", "100.00", "10.00", "2.55", "11.00", "4.00"),
    ("2007-06-01", "300.00", "300.00", "10.00", "2.55", "11.00", "4.00"),
    ("2008-05-05", "100.00", "100.00", "10.00", "2.55", "11.00", "4.00"),
    ("2008-10-06", "0", "100.00", "10.00", "2.55", "11.00", "4.00"),
    ("2012-07-02", "0", "100.00", "7.50", "2.55", "8.70", "2.00"),
    ("2013-03-01", "0", "100.00", "6.00", "2.55", "6.96", "2.00"),
    ("2016-03-01", "0", "100.00", "2.00", "2.00", "4.87", "2.00"),
    ("2022-06-01", "0", "100.00", "1.00", "1.00", "4.87", "2.00"),
    ("2023-08-25", "0", "100.00", "1.00", "1.00", "4.87", "2.00"),
    ("2023-08-28", "0", "50.00", "1.00", "1.00", "3.41", "2.00"),
]


def fen(yuan: str) -> int:
    return int(Decimal(yuan) * 100)


@pytest.mark.parametrize(("day", "buyer", "seller", "sh", "sz", "handling", "regulatory"), WORKED)
def test_the_worked_amounts_of_the_rule_book(
    day: str, buyer: str, seller: str, sh: str, sz: str, handling: str, regulatory: str
) -> None:
    fees = FeeSchedule(commission=0.0, minimum=0.0, on_top=True).on(np.datetime64(day))
    others = fen(handling) + fen(regulatory)
    assert fees.charge("SH", True, VALUE, SHARES) == (0, fen(buyer), fen(sh), others)
    assert fees.charge("SH", False, VALUE, SHARES) == (0, fen(seller), fen(sh), others)
    for is_buy in (True, False):
        assert fees.charge("SZ", is_buy, VALUE, SHARES)[2] == fen(sz)


def test_what_the_commission_holds_costs_nothing_extra_by_default() -> None:
    before = FeeSchedule().on(np.datetime64("2014-01-06"))
    assert before.charge("SH", False, VALUE, SHARES) == (2500, 10_000, 600, 0)
    assert before.charge("SZ", False, VALUE, SHARES) == (2500, 10_000, 0, 0)
    after = FeeSchedule().on(np.datetime64("2016-01-04"))
    assert after.charge("SZ", False, VALUE, SHARES) == (2500, 10_000, 200, 0)


@pytest.mark.parametrize(
    ("eve", "day", "exchange", "is_buy", "old", "new"),
    [
        ("2005-01-21", "2005-01-24", "SH", True, 20_000, 10_000),
        ("2007-05-29", "2007-05-30", "SZ", True, 10_000, 30_000),
        ("2008-04-23", "2008-04-24", "SH", False, 30_000, 10_000),
        ("2008-09-18", "2008-09-19", "SH", True, 10_000, 0),
        ("2008-09-18", "2008-09-19", "SH", False, 10_000, 10_000),
        ("2023-08-27", "2023-08-28", "BJ", False, 10_000, 5_000),
        ("1992-06-11", "1992-06-12", "SH", True, 30_000, 30_000),
        ("1991-09-30", "1991-10-01", "SH", True, 0, 30_000),
        ("1991-09-30", "1991-10-01", "SZ", False, 60_000, 30_000),
    ],
)
def test_stamp_duty_changes_on_its_day(
    eve: str, day: str, exchange: str, is_buy: bool, old: int, new: int
) -> None:
    charged = [
        FeeSchedule().on(np.datetime64(d)).charge(exchange, is_buy, VALUE, SHARES)[1] for d in (eve, day)
    ]
    assert charged == [old, new]


def test_shanghai_charged_by_the_number_of_shares_before_august_2015() -> None:
    cheap, dear = 4_000_000, 40_000_000  # the same 20,000 shares at 2 and at 20 yuan
    before = FeeSchedule().on(np.datetime64("2015-07-31"))
    assert [before.charge("SH", True, value, 20_000)[2] for value in (cheap, dear)] == [1200, 1200]
    since = FeeSchedule().on(np.datetime64("2015-08-03"))
    assert [since.charge("SH", True, value, 20_000)[2] for value in (cheap, dear)] == [80, 800]


def test_beijing_has_its_own_transfer_fee_until_april_2022() -> None:
    assert FeeSchedule().on(np.datetime64("2022-04-28")).charge("BJ", True, VALUE, SHARES)[2] == 250
    assert FeeSchedule().on(np.datetime64("2022-04-29")).charge("BJ", True, VALUE, SHARES)[2] == 100


def test_an_order_that_fills_in_three_parts_pays_one_minimum() -> None:
    fees = FeeSchedule(commission=0.00025).on(np.datetime64("2020-01-06"))
    value = commission = 0
    charged = []
    for _ in range(3):
        fee = fees.charge("SZ", True, 300_000, 100, value, commission)[0]
        charged.append(fee)
        value, commission = value + 300_000, commission + fee
    assert charged == [500, 0, 0]


def test_commission_beyond_the_minimum_is_that_of_the_whole_order() -> None:
    fees = FeeSchedule(commission=0.00025).on(np.datetime64("2020-01-06"))
    assert fees.charge("SZ", True, 900_000, 300)[0] == 500
    assert fees.charge("SZ", True, 3_000_000, 1000, 900_000, 500)[0] == 975 - 500
    # Odd parts: what is charged in all is what one fill of the same value would be charged.
    value = commission = 0
    for part in (123_457, 987_654, 3_333_333, 10_001):
        commission += fees.charge("SZ", True, part, 100, value, commission)[0]
        value += part
    assert commission == fees.charge("SZ", True, value, 400)[0]


def test_shanghais_minimum_of_one_yuan_is_paid_once_per_order() -> None:
    fees = FeeSchedule().on(np.datetime64("2011-03-01"))
    assert fees.charge("SH", True, 500_000, 500)[2] == 100  # 0.50 by face
    assert (
        fees.charge("SH", True, 500_000, 700, 500_000, 500, order_shares=500, order_transfer_fen=100)[2] == 20
    )
    assert fees.charge("SZ", True, 500_000, 500)[2] == 0


def test_amounts_are_rounded_half_up_and_exact() -> None:
    fees = FeeSchedule(commission=0.0003, minimum=0.0).on(np.datetime64("2020-01-06"))
    assert fees.charge("SH", False, 500, 1)[1] == 1  # 0.5 fen
    assert fees.charge("SH", False, 499, 1)[1] == 0
    rng = random.Random(7)
    for _ in range(2_000):
        value = rng.randrange(1, 10**11)
        exact = [
            int((value * Decimal(rate)).quantize(Decimal(1), ROUND_HALF_UP))
            for rate in ("0.0003", "0.001", "0.00002")
        ]
        assert fees.charge("SH", False, value, 100) == (*exact, 0)


def test_components_can_be_switched_off() -> None:
    day = np.datetime64("2020-01-06")
    assert FeeSchedule(stamp_duty=False).on(day).charge("SH", False, VALUE, SHARES) == (2500, 0, 200, 0)
    assert FeeSchedule(transfer_fee=False).on(day).charge("SH", False, VALUE, SHARES) == (2500, 10_000, 0, 0)


def test_the_charges_of_a_day_are_made_once_per_set_of_rows() -> None:
    schedule = FeeSchedule()
    a, b = (schedule.on(np.datetime64(day)) for day in ("2016-01-04", "2021-06-30"))
    assert a is b
    assert schedule.on(np.datetime64("2023-08-25")) is not schedule.on(np.datetime64("2023-08-28"))
    assert FeeSchedule(commission=0.001).on(np.datetime64("2016-01-04")) is not a


def test_a_day_before_every_row_has_the_rows_that_are_open_at_the_start() -> None:
    fees = FeeSchedule(on_top=True).on(np.datetime64("1990-01-02"))
    assert fees.charge("SH", False, VALUE, SHARES) == (2500, 0, 1000, 1100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"commission": 0.25}, "'commission' is 0.25, that is 25 % .* write 0.0025"),
        ({"commission": -0.0001}, "'commission' is -0.0001; .*not negative"),
        ({"commission": float("nan")}, "'commission' is nan"),
        ({"commission": "0.001"}, "'commission' is '0.001'"),
        ({"minimum": -5}, "'minimum' is -5; it is yuan per order"),
        ({"minimum": float("inf")}, "'minimum' is inf"),
        ({"on_top": 1}, "'on_top' is 1; write true or false"),
    ],
)
def test_options_out_of_range_are_refused_with_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeeSchedule(**options)


def test_options_may_be_numpy_numbers() -> None:
    fees = FeeSchedule(commission=np.float64(0.0003), minimum=0).on(np.datetime64("2020-01-06"))
    assert fees.charge("SH", True, VALUE, SHARES)[0] == 3000


def test_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(RuleError, match="exchange 'HK' is unknown"):
        FeeSchedule().on(np.datetime64("2020-01-06")).charge("HK", True, VALUE, SHARES)


def test_percentage_fees_are_unrounded_and_have_no_other_part() -> None:
    fees = PercentageFees(commission=0.0003).on(np.datetime64("2020-01-06"))
    assert fees.charge("SH", False, 12_345, 100) == (12_345 * 0.0003, 0, 0, 0)
    with pytest.raises(ConfigError, match="'commission' is 0.1"):
        PercentageFees(commission=0.1)


def test_zero_fees_charge_nothing() -> None:
    fees = ZeroFees().on(np.datetime64("2020-01-06"))
    assert fees.charge("SH", False, VALUE, SHARES) == (0, 0, 0, 0)


def test_each_model_describes_itself() -> None:
    assert FeeSchedule().describe() == (
        "commission 0.025 %, at least 5 yuan per order, stamp duty by date, transfer fee by date"
    )
    assert "on top" in FeeSchedule(on_top=True).describe()
    assert PercentageFees(commission=0.001).describe() == "commission 0.1 %, nothing else"
    assert ZeroFees().describe() == "no fees"


# -- the table's checks


def table(folder: Path, old: str, new: str) -> Path:
    """The shipped table with one text replaced."""
    text = (TABLES / "fees.csv").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / "my_fees.csv"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "2005-01-24,2007-05-29",
            "2005-01-24,2007-05-30",
            "line 10: overlaps line 9 for stamp_duty .* on 2007-05-30",
        ),
        ("2005-01-24,2007-05-29", "2005-01-24,2007-05-28", "line 10: no row says .* from 2007-05-29 on"),
        (
            "sell,2023-08-28,,value",
            "sell,2023-08-28,2025-01-01,value",
            "line 14: nothing follows for stamp_duty",
        ),
        (
            "sell,2023-08-28,,value,0.0005",
            "sell,2023-08-28,,value,-0.0005",
            "line 14: rate -0.0005 is negative",
        ),
        (
            "sell,2023-08-28,,value,0.0005",
            "sell,2023-08-28,,value,0.05",
            "line 14: rate 0.05 looks like a percentage",
        ),
        ("sell,2023-08-28,,value,0.0005", "sell,2023-08-28,,value,5bp", "line 14: rate '5bp' is no number"),
        (
            "sell,2023-08-28,,value,0.0005",
            "sell,2023-08-28,,volume,0.0005",
            "line 14: base 'volume' is unknown",
        ),
        (
            "stamp_duty,,,sell,2023",
            "stampduty,,,sell,2023",
            "line 14: kind 'stampduty' is unknown; did you mean",
        ),
        ("stamp_duty,,,sell,2023", "stamp_duty,HK,,sell,2023", "line 14: exchange 'HK' is unknown"),
        ("sell,2023-08-28,", "sell,2023-8-28,", "line 14: from '2023-8-28' is no date"),
        (
            "2008-09-19,2023-08-27",
            "2008-09-19,2003-08-27",
            "line 13: from 2008-09-19 lies after to 2003-08-27",
        ),
        ("Xinhua 2005-01-24,H", "Xinhua 2005-01-24,X", "line 9: confidence 'X' is not H, M or L"),
        ("Xinhua 2005-01-24,H", ",H", "line 9: the source is blank"),
        ("Xinhua 2005-01-24,H", "Xinhua, 2005,H", "line 9: 13 cells, expected 12"),
        ("kind,exchange,board", "kind,market,board", "the header must be kind,exchange,board"),
    ],
)
def test_a_malformed_table_is_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(DataError, match=f"my_fees.csv:? ?{message}"):
        read_fees(table(tmp_path, old, new))


def test_rows_can_be_added(tmp_path: Path) -> None:
    old = "stamp_duty,,,sell,2023-08-28,,value,0.0005,"
    new = old.replace("2023-08-28,", "2023-08-28,2029-12-31")
    extra = "stamp_duty,,,sell,2030-01-01,,value,0,,,a notice,H\n"
    path = table(tmp_path, old, new)
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    assert len(read_fees(path)) == len(read_fees()) + 1


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'nowhere.csv' cannot be read"):
        read_fees(tmp_path / "nowhere.csv")
