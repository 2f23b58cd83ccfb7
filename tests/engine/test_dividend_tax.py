"""Tax on dividends by regime and holding period: worked by hand from the notices' texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.dated_tables import day_number
from engine.dividend_tax import HOLDERS, months_after, read_dividend_tax, regime_on, regimes
from engine.errors import ConfigError, DataError

HEADER = "holder,from,to,up_to_months,rate,kept,source,confidence\n"
OTHERS = "fund,,,,0,0,s,H\nnone,,,,0,0,s,H\n"


def rate(record: str, bought: str, sold: str, holder: str = "individual") -> tuple[int, int]:
    bracket = regime_on(holder, record).bracket(day_number(bought), day_number(sold))
    return bracket.rate, bracket.kept


@pytest.mark.parametrize(
    ("record", "expected"),
    [("2005-06-12", (2000, 2000)), ("2005-06-13", (1000, 1000)), ("2012-12-31", (1000, 1000))],
)
def test_before_2013_the_whole_tax_is_kept_at_payment_however_long_the_holding(
    record: str, expected: tuple[int, int]
) -> None:
    assert rate(record, "2004-01-05", "2012-12-31") == rate(record, "2012-12-28", "2013-01-04") == expected


@pytest.mark.parametrize(
    ("sold", "in_2013", "in_2015"),
    [
        ("2014-06-24", 2000, 2000),  # 24 May to 23 June: one month
        ("2014-06-25", 1000, 1000),
        ("2015-05-24", 1000, 1000),  # one year to the day before
        ("2015-05-25", 500, 0),
    ],
)
def test_a_holding_counts_calendar_months_from_purchase_to_the_day_before_the_sale(
    sold: str, in_2013: int, in_2015: int
) -> None:
    assert rate("2014-06-18", "2014-05-24", sold) == (in_2013, 500)
    assert rate("2015-09-08", "2014-05-24", sold) == (in_2015, 0)


def test_the_record_date_fixes_the_regime_and_not_the_day_of_the_sale() -> None:
    assert rate("2015-09-07", "2014-01-02", "2016-03-01") == (500, 500)
    assert rate("2015-09-08", "2014-01-02", "2016-03-01") == (0, 0)


def test_months_without_the_day_end_on_their_last() -> None:
    assert months_after(day_number("2015-01-31"), 1) == day_number("2015-02-28")
    assert months_after(day_number("2016-02-29"), 12) == day_number("2017-02-28")
    assert rate("2016-01-31", "2015-12-31", "2016-01-31")[0] == 2000


def test_no_later_sale_can_cost_more_once_the_holding_is_over_a_year() -> None:
    regime = regime_on("individual", "2016-06-01")
    bought = day_number("2015-01-05")
    assert regime.is_settled(bought, day_number("2016-01-06"))
    assert not regime.is_settled(bought, day_number("2016-01-05"))
    assert regime_on("individual", "2012-06-01").is_settled(bought, bought)


def test_nobody_is_taxed_as_none_and_every_holder_has_rows_for_all_times() -> None:
    assert rate("2014-06-18", "2014-06-01", "2014-06-19", "none") == (0, 0)
    for holder in HOLDERS:
        assert regimes(holder)[0].first < 0 and regimes(holder)[-1].last > day_number("2030-01-01")


def test_rows_that_no_text_backs_are_marked_low() -> None:
    found = {bracket.row["confidence"] for regime in regimes("fund") for bracket in regime.brackets}
    assert found == {"L"}


def test_an_unknown_holder_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="holder 'indivdual' is unknown; did you mean 'individual'"):
        regimes("indivdual")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("individual,,,,20,0,s,H\n", "line 2: rate 20 looks like a percentage"),
        ("individual,,,,-0.1,0,s,H\n", "line 2: rate -0.1 is negative"),
        ("individual,,,,0.1,0.2,s,H\n", "line 2: kept 0.2 is more than the rate 0.1"),
        ("individual,,,1,0.2,0,s,H\n", "line 2: the longest holding has no row"),
        ("individual,,,12,0.1,0,s,H\nindividual,,,1,0.2,0,s,H\n", "line 3: the rows of one period must go from"),
        ("individual,,,1,0.2,0.05,s,H\nindividual,,,,0.1,0,s,H\n", "line 3: kept must be the same"),
        ("individual,,2010-01-01,,0.2,0,s,H\nindividual,2010-01-03,,,0.2,0,s,H\n", "line 3: no row says what holds"),
        ("individual,,2010-01-05,,0.2,0,s,H\nindividual,2010-01-03,,,0.2,0,s,H\n", "line 3: overlaps line 2"),
        ("person,,,,0.2,0,s,H\n", "line 2: holder 'person' is unknown"),
        ("individual,,,,0.00001,0,s,H\n", "line 2: rate 0.00001 is finer than 0.0001"),
        ("", "has no row for holder 'individual'"),
    ],
)
def test_a_bad_table_is_refused_with_file_and_line(rows: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "dividend_tax.csv"
    path.write_text(HEADER + rows + OTHERS, encoding="utf-8")
    with pytest.raises(DataError, match=says) as error:
        read_dividend_tax(path)
    assert "dividend_tax.csv" in str(error.value)
