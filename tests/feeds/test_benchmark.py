from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import SESSIONS, Tables

from engine.errors import ConfigError, DataError
from feeds import benchmark
from feeds.file_feed import FileFeed

Write = Callable[[Tables], Path]
DAYS = SESSIONS.to_numpy().astype("datetime64[D]")


def events(*rows: tuple[int, int, float, float, float, float]) -> dict[str, np.ndarray]:
    """Rows of t, i, prev_close, preclose, share_ratio, cash."""
    t, i, prev_close, preclose, share_ratio, cash = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "t": t,
        "i": i,
        "prev_close": prev_close,
        "preclose": preclose,
        "factor_ratio": prev_close / preclose,
        "share_ratio": share_ratio,
        "cash": cash,
    }


def three_stocks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float values of 1, 1024 and 1 yuan; ** 0.7 they weigh 1 : 128 : 1."""
    close = np.array([[1.0, 4.0, 0.5]] * 4)
    float_shares = np.array([[1.0, 256.0, 2.0]] * 4)
    return np.ones((4, 3), np.uint8), close, float_shares


def test_the_yield_is_the_weighted_dividend_of_the_ex_date() -> None:
    member, close, shares = three_stocks()
    y = benchmark.dividend_yields(member, close, shares, events((2, 1, 4.0, 3.8, 1.0, 0.2), (3, 0, 1.0, 0.9, 1.0, 0.1)))
    np.testing.assert_allclose(y, [0.0, 0.0, 128 / 130 * 0.05, 1 / 130 * 0.1], rtol=1e-12)


def test_a_stock_that_is_out_of_the_index_neither_pays_nor_weighs() -> None:
    member, close, shares = three_stocks()
    member[2, 0] = 0
    y = benchmark.dividend_yields(member, close, shares, events((2, 0, 1.0, 0.9, 1.0, 0.1), (2, 1, 4.0, 3.8, 1.0, 0.2)))
    np.testing.assert_allclose(y[2], 128 / 129 * 0.05, rtol=1e-12)


def test_a_suspended_member_keeps_its_last_weight_and_one_without_bars_has_none() -> None:
    member, close, shares = three_stocks()
    close[1, 1] = np.nan
    close[:2, 0] = np.nan
    y = benchmark.dividend_yields(member, close, shares, events((2, 1, 4.0, 3.8, 1.0, 0.2)))
    np.testing.assert_allclose(y[2], 128 / 129 * 0.05, rtol=1e-12)


def test_a_bonus_with_cash_counts_by_the_cash_and_a_rights_issue_not_at_all() -> None:
    member, close, shares = three_stocks()
    plain = (2, 1, 4.0, 1.9, 2.0, 0.2)  # 2.0 x 1.90 + 0.20 = 4.00
    odd = (2, 1, 4.0, 3.0, 1.0, 0.2)  # 3.00 + 0.20 leaves 0.80 unexplained
    unknown = (2, 1, 4.0, 3.8, 1.0, np.nan)
    assert benchmark.dividend_yields(member, close, shares, events(plain))[2] == pytest.approx(128 / 130 * 0.05)
    assert not benchmark.dividend_yields(member, close, shares, events(odd)).any()
    assert not benchmark.dividend_yields(member, close, shares, events(unknown)).any()


def test_the_total_return_level_starts_at_the_price_and_adds_the_yield_to_each_return() -> None:
    price = np.array([np.nan, 100.0, 110.0, 99.0])
    level = benchmark.total_return(price, np.array([0.5, 0.5, 0.01, 0.02]))
    assert np.isnan(level[0])
    np.testing.assert_allclose(level[1:], [100.0, 111.0, 111.0 * 0.92])


def test_a_year_of_yield_is_a_year_s() -> None:
    sessions = np.array(["2012-01-01", "2014-01-01"], dtype="datetime64[D]")
    assert benchmark.annual_yield(sessions, np.array([0.0, 0.04])) == pytest.approx(0.02, rel=1e-3)


def test_index_levels_stand_on_their_sessions(write: Write, tables: Tables) -> None:
    levels = tables["index_daily"]
    levels["close"] = np.arange(100.0, 123.0)
    tables["index_daily"] = levels.iloc[3:].sample(frac=1.0, random_state=0)
    found = benchmark.price_levels(FileFeed(write(tables)), "000300", DAYS[:10])
    assert np.isnan(found[:3]).all()
    assert found[3:].tolist() == [103.0, 104.0, 105.0, 106.0, 107.0, 108.0, 109.0]


@pytest.mark.parametrize(
    ("value", "says"), [(None, "on 2020-01-03 is missing"), (0.0, "on 2020-01-03 is not above zero")]
)
def test_a_gap_in_the_index_is_named(write: Write, tables: Tables, value: float | None, says: str) -> None:
    levels = tables["index_daily"]
    row = levels["date"] == "2020-01-03"
    tables["index_daily"] = levels[~row] if value is None else levels.assign(close=levels["close"].mask(row, value))
    with pytest.raises(DataError, match="index_daily.parquet: the close of index 000300 ") as caught:
        benchmark.price_levels(FileFeed(write(tables)), "000300", DAYS)
    assert says in str(caught.value)


def test_two_levels_of_one_day_are_refused(write: Write, tables: Tables) -> None:
    tables["index_daily"] = pd.concat([tables["index_daily"], tables["index_daily"].iloc[4:5]])
    with pytest.raises(DataError, match="index_daily.parquet has two rows for index_code 000300 and date 2019-12-20"):
        benchmark.price_levels(FileFeed(write(tables)), "000300", DAYS)


def test_an_unknown_benchmark_names_those_there_are(write: Write, tables: Tables) -> None:
    with pytest.raises(ConfigError, match="no index '000301' for a benchmark; did you mean '000300'"):
        benchmark.price_levels(FileFeed(write(tables)), "000301", DAYS)


def test_the_bond_yield_is_carried_forward_as_a_fraction(write: Write, tables: Tables) -> None:
    rate = benchmark.bond_yield(FileFeed(write(tables)), DAYS)
    assert np.isnan(rate[0])
    assert rate[1:13].tolist() == [0.03] * 12
    assert rate[13:].tolist() == [0.025] * 10
