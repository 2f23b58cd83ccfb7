from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import DataError
from engine.market import RAW_FIELDS
from feeds import schema


def locate(row: int) -> tuple[str, str]:
    return f"60000{row}.SH", f"2020-01-0{row + 1}"


def good() -> dict[str, np.ndarray]:
    return {name: np.array([10.0, 10.0, 10.0]) for name in schema.BAR_NUMBERS}


def test_the_number_columns_of_bars_are_the_raw_fields_of_the_market() -> None:
    assert schema.BAR_NUMBERS == RAW_FIELDS


def test_healthy_bars_pass() -> None:
    values = good() | {"turnover": np.array([np.nan, 0.0, 1.0]), "volume": np.array([0.0, 1.0, 2.0])}
    schema.check_bars("f", values, locate)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("close", np.nan, "column 'close' of 600001.SH on 2020-01-02 is empty"),
        ("open", -1.0, "column 'open' of 600001.SH on 2020-01-02 is -1;"),
        ("preclose", 0.0, "column 'preclose' of 600001.SH on 2020-01-02 is 0;"),
        ("adj_factor", np.inf, "column 'adj_factor' of 600001.SH on 2020-01-02 is inf"),
        ("high", 9.0, "column 'high' of 600001.SH on 2020-01-02 is 9, below the open of 10"),
        ("low", 11.0, "column 'low' of 600001.SH on 2020-01-02 is 11, above the open of 10"),
        ("volume", -5.0, "column 'volume' of 600001.SH on 2020-01-02 is -5"),
        ("volume", np.nan, "column 'volume' of 600001.SH on 2020-01-02 is empty"),
        ("float_shares", -5.0, "column 'float_shares' of 600001.SH on 2020-01-02 is -5"),
    ],
)
def test_a_bad_number_is_named_with_its_row(column: str, value: float, says: str) -> None:
    values = good()
    values[column][1] = value
    if column == "low":
        values["high"][1] = 12.0
    with pytest.raises(DataError, match="^daily_bars/2020.parquet: ") as caught:
        schema.check_bars("daily_bars/2020.parquet", values, locate)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("up", "down", "says"),
    [
        (-1.0, 9.0, "column 'limit_up' of 600001.SH on 2020-01-02 is -1; it must be a price in yuan, or empty"),
        (0.0, 9.0, "column 'limit_up' of 600001.SH on 2020-01-02 is 0;"),
        (11.0, -0.5, "column 'limit_down' of 600001.SH on 2020-01-02 is -0.5;"),
        (9.0, 11.0, "column 'limit_up' of 600001.SH on 2020-01-02 is 9, below the limit_down of 11; mend the row"),
    ],
)
def test_a_price_limit_that_cannot_be_is_named_with_its_row(up: float, down: float, says: str) -> None:
    values = good() | {"limit_up": np.array([11.0, up, 11.0]), "limit_down": np.array([9.0, down, 9.0])}
    with pytest.raises(DataError) as caught:
        schema.check_bars("daily_bars/2020.parquet", values, locate)
    assert str(caught.value).startswith(f"daily_bars/2020.parquet: {says}")


def test_price_limits_may_be_empty_and_no_limit_may_be_written_as_zero_and_infinity() -> None:
    values = good() | {
        "limit_up": np.array([np.nan, np.inf, 11.0]),
        "limit_down": np.array([9.0, 0.0, np.nan]),
    }
    schema.check_bars("f", values, locate)


def test_a_high_below_the_low_is_refused_where_only_these_two_are_read() -> None:
    with pytest.raises(DataError, match="column 'high' .* is 9, below the low of 10"):
        schema.check_bars("f", {"high": np.array([9.0]), "low": np.array([10.0])}, locate)


def test_rows_in_order_pass_and_a_duplicate_and_a_step_back_are_told_apart() -> None:
    schema.check_order("f", np.array([0, 0, 1]), np.array([1, 2, 1]), locate)
    with pytest.raises(DataError, match="two rows for 600001.SH on 2020-01-02"):
        schema.check_order("f", np.array([0, 0, 1]), np.array([1, 1, 1]), locate)
    with pytest.raises(DataError, match="not sorted by symbol and date: 600002.SH 2020-01-03 comes after"):
        schema.check_order("f", np.array([0, 1, 0]), np.array([1, 1, 2]), locate)


def test_a_column_of_the_wrong_type_is_named_with_what_was_expected() -> None:
    column = schema.TABLES["daily_bars"]["close"]
    schema.check_kind("f", "close", column, pa.int64())
    with pytest.raises(DataError, match="column 'close' holds string, expected a number"):
        schema.check_kind("f", "close", column, pa.string())
    with pytest.raises(DataError, match="expected a date"):
        schema.check_kind("f", "date", schema.TABLES["daily_bars"]["date"], pa.int64())
