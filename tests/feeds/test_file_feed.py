from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import SESSIONS, Tables

from engine.errors import DataError
from feeds.file_feed import BarTarget, FileFeed

Write = Callable[[Tables], Path]


def read_all(folder: Path) -> BarTarget:
    feed = FileFeed(folder)
    calendar = feed.calendar()
    target = BarTarget(["000001.SZ", "300001.SZ", "600000.SH"], ["open", "high", "low", "close", "volume", "st"])
    feed.read_bars(calendar, 0, len(calendar) - 1, [target])
    return target


def test_every_bar_lands_on_its_session_and_stock(write: Write, tables: Tables) -> None:
    bars = tables["daily_bars"]
    rng = np.random.default_rng(0)
    bars["volume"] = rng.integers(1, 1000, len(bars))
    bars["is_st"] = rng.random(len(bars)) < 0.5
    bars = bars[rng.random(len(bars)) < 0.7]
    target = read_all(write(tables | {"daily_bars": bars}))
    wide = bars.pivot(index="date", columns="symbol", values="volume").reindex(SESSIONS)
    np.testing.assert_array_equal(target.arrays["volume"], wide.to_numpy())
    flags = bars.pivot(index="date", columns="symbol", values="is_st").reindex(SESSIONS)
    np.testing.assert_array_equal(target.arrays["st"], flags.eq(True).to_numpy())
    assert target.arrays["volume"].flags.c_contiguous


def test_only_the_asked_stocks_and_sessions_are_read(write: Write, tables: Tables) -> None:
    feed = FileFeed(write(tables))
    calendar = feed.calendar()
    one, two = BarTarget(["600000.SH"], ["volume"]), BarTarget(["000001.SZ", "999999.SH"], ["close"])
    feed.read_bars(calendar, 10, 13, [one, two])
    assert one.arrays["volume"][:, 0].tolist() == [1100, 1200, 1300, 1400]
    assert two.arrays["close"][:, 0].tolist() == [10, 10, 10, 10]
    assert np.isnan(two.arrays["close"][:, 1]).all()


def test_rows_may_be_written_with_other_arrow_types(write: Write, tables: Tables) -> None:
    bars = tables["daily_bars"]
    bars["date"] = bars["date"].dt.date
    bars["symbol"] = bars["symbol"].astype("category")
    bars["file_year"] = [d.year for d in bars["date"]]
    bars["volume"] = bars["volume"].astype("float32")
    target = read_all(write(tables))
    assert target.arrays["volume"][:, 2].tolist() == [100.0 * (t + 1) for t in range(23)]


def test_a_stock_has_bars_only_where_the_span_holds_one(write: Write, tables: Tables) -> None:
    bars = tables["daily_bars"]
    bars = bars[(bars["symbol"] != "600000.SH") | (bars["date"] >= "2020-01-13")]
    bars = bars[(bars["symbol"] != "300001.SZ") | (bars["date"] <= "2019-12-17")]
    feed = FileFeed(write(tables | {"daily_bars": bars}))

    def present(first: str, last: str) -> list[str]:
        return feed.symbols_with_bars(np.datetime64(first), np.datetime64(last))

    assert present("2019-12-16", "2020-01-16") == ["000001.SZ", "300001.SZ", "600000.SH"]
    assert present("2019-12-18", "2020-01-10") == ["000001.SZ"]
    assert present("2019-01-01", "2019-12-31") == ["000001.SZ", "300001.SZ"]
    assert present("2020-01-01", "2020-01-13") == ["000001.SZ", "600000.SH"]


def put(column: str, value: object, row: int = 1) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        tables["daily_bars"].loc[row, column] = value

    return change


def repeat_a_row(tables: Tables) -> None:
    bars = tables["daily_bars"]
    tables["daily_bars"] = pd.concat([bars.iloc[:2], bars.iloc[1:]])


def swap_rows(tables: Tables) -> None:
    bars = tables["daily_bars"]
    tables["daily_bars"] = bars.iloc[[1, 0, *range(2, len(bars))]]


def swap_stocks(tables: Tables) -> None:
    tables["daily_bars"] = tables["daily_bars"].sort_values(["symbol", "date"], ascending=[False, True])


def drop_session(tables: Tables) -> None:
    tables["calendar"] = tables["calendar"].drop(index=1)


def wrong_year(tables: Tables) -> None:
    tables["daily_bars"]["file_year"] = tables["daily_bars"]["date"].dt.year
    tables["daily_bars"].loc[22, "file_year"] = 2019


def text_prices(tables: Tables) -> None:
    tables["daily_bars"]["close"] = tables["daily_bars"]["close"].astype(str)


def odd_code(tables: Tables) -> None:
    tables["daily_bars"]["symbol"] = tables["daily_bars"]["symbol"].replace("600000.SH", "SH600000")


def no_column(tables: Tables) -> None:
    tables["daily_bars"] = tables["daily_bars"].rename(columns={"volume": "volumes"})


def no_year(tables: Tables) -> None:
    tables["daily_bars"] = tables["daily_bars"][tables["daily_bars"]["date"].dt.year == 2019]


def mixed_calendar(tables: Tables) -> None:
    tables["calendar"] = tables["calendar"].iloc[[0, 2, 1, *range(3, 23)]]


def doubled_calendar(tables: Tables) -> None:
    tables["calendar"] = tables["calendar"].iloc[[0, 1, 1, *range(2, 23)]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("close", np.nan), "daily_bars/2019.parquet: column 'close' of 000001.SZ on 2019-12-17 is empty"),
        (put("open", -3.0), "daily_bars/2019.parquet: column 'open' of 000001.SZ on 2019-12-17 is -3;"),
        (put("close", 0.0, 40), "daily_bars/2020.parquet: column 'close' of 300001.SZ on 2020-01-09 is 0;"),
        (put("high", 9.5), "column 'high' of 000001.SZ on 2019-12-17 is 9.5, below the open of 10"),
        (put("low", 10.5), "column 'high' of 000001.SZ on 2019-12-17 is 10, below the low of 10.5"),
        (put("volume", -100), "column 'volume' of 000001.SZ on 2019-12-17 is -100"),
        (put("is_st", None), "column 'is_st' of 000001.SZ on 2019-12-17 is empty"),
        (repeat_a_row, "daily_bars/2019.parquet has two rows for 000001.SZ on 2019-12-17"),
        (swap_rows, "not sorted by symbol and date: 000001.SZ 2019-12-16 comes after 000001.SZ 2019-12-17"),
        (swap_stocks, "not sorted by symbol and date: 300001.SZ 2019-12-16 comes after 600000.SH 2019-12-31"),
        (drop_session, "the date 2019-12-17 of 000001.SZ is no session of calendar.parquet"),
        (wrong_year, "daily_bars/2019.parquet: the date 2020-01-16 of 000001.SZ does not belong to 2019"),
        (text_prices, "daily_bars/2019.parquet: column 'close' holds"),
        (odd_code, "column 'symbol' holds 'SH600000', which is no A-share code"),
        (no_column, "daily_bars/2019.parquet has no column 'volume'; did you mean 'volumes'?"),
        (no_year, "has no file 'daily_bars/2020.parquet'"),
        (mixed_calendar, "calendar.parquet is not sorted: 2019-12-17 comes after"),
        (doubled_calendar, "calendar.parquet has two rows for date 2019-12-17"),
    ],
)
def test_bad_input_is_one_sentence(write: Write, tables: Tables, change: Callable[[Tables], None], says: str) -> None:
    if change.__qualname__.startswith("put"):
        tables["daily_bars"]["is_st"] = tables["daily_bars"]["is_st"].astype(object)
        tables["daily_bars"]["volume"] = tables["daily_bars"]["volume"].astype(float)
    change(tables)
    with pytest.raises(DataError) as caught:
        read_all(write(tables))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_defect_of_a_stock_that_is_not_asked_for_stops_nothing(write: Write, tables: Tables) -> None:
    put("close", np.nan)(tables)
    feed = FileFeed(write(tables))
    target = BarTarget(["600000.SH"], ["close"])
    feed.read_bars(feed.calendar(), 0, 22, [target])
    assert (target.arrays["close"] == 5.0).all()


def test_a_missing_folder_file_and_table_are_told_apart(write: Write, tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data folder"):
        FileFeed(tmp_path / "nowhere")
    del tables["securities"]
    folder = write(tables)
    with pytest.raises(DataError, match="has no file 'securities.parquet'"):
        FileFeed(folder).read("securities")
    (folder / "calendar.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="calendar.parquet cannot be read as Parquet"):
        FileFeed(folder).calendar()


def test_two_rows_of_one_stock_in_a_small_table_are_refused(write: Write, tables: Tables) -> None:
    tables["securities"] = pd.concat([tables["securities"], tables["securities"].iloc[:1]])
    with pytest.raises(DataError, match="securities.parquet has two rows for symbol 000001.SZ"):
        FileFeed(write(tables)).read("securities")


def test_a_well_known_close_of_the_real_data_is_read(real_data: Path) -> None:
    feed = FileFeed(real_data)
    calendar = feed.calendar()
    t = int(np.searchsorted(calendar, np.datetime64("2020-12-31")))
    target = BarTarget(["000001.SZ", "600519.SH"], ["close", "volume"])
    feed.read_bars(calendar, t - 5, t, [target])
    assert target.arrays["close"][-1, 1] == 1998.00


def test_a_feeds_own_price_limits_are_read_from_the_years_that_have_them(write: Write, tables: Tables) -> None:
    folder = write(tables)
    file = folder / "daily_bars" / "2020.parquet"
    bars = pd.read_parquet(file)
    bars["limit_up"] = np.where(bars["symbol"] == "600000.SH", 5.25, np.nan)
    bars.to_parquet(file, index=False)
    feed = FileFeed(folder)
    calendar = feed.calendar()
    target = BarTarget(["000001.SZ", "600000.SH"], ["close", "limit_up", "limit_down"])
    feed.read_bars(calendar, 0, len(calendar) - 1, [target])
    assert sorted(target.arrays) == ["close", "limit_up"]  # no file has limit_down
    limits = target.arrays["limit_up"]
    assert np.isnan(limits[:12]).all() and np.isnan(limits[:, 0]).all()
    assert limits[12:, 1].tolist() == [5.25] * 11


def test_a_limit_column_without_a_single_value_is_as_good_as_none(write: Write, tables: Tables) -> None:
    tables["daily_bars"]["limit_up"] = None
    feed = FileFeed(write(tables))
    calendar = feed.calendar()
    target = BarTarget(["000001.SZ"], ["close", "limit_up"])
    feed.read_bars(calendar, 0, len(calendar) - 1, [target])
    assert np.isnan(target.arrays["limit_up"]).all()


def test_a_limit_column_of_text_is_refused(write: Write, tables: Tables) -> None:
    tables["daily_bars"]["limit_up"] = "11.00"
    feed = FileFeed(write(tables))
    calendar = feed.calendar()
    target = BarTarget(["000001.SZ"], ["close", "limit_up"])
    with pytest.raises(DataError, match="daily_bars/2019.parquet: column 'limit_up' holds .* expected a number"):
        feed.read_bars(calendar, 0, len(calendar) - 1, [target])


def test_a_suspension_that_ends_before_it_starts_is_refused(write: Write, tables: Tables) -> None:
    tables["suspensions"] = pd.DataFrame(
        {
            "symbol": ["000001.SZ", "600000.SH"],
            "start": pd.to_datetime(["2019-12-17", "2020-01-08"]),
            "end": pd.to_datetime([None, "2020-01-06"]),
        }
    )
    with pytest.raises(
        DataError, match="suspensions.parquet: the end 2020-01-06 of 600000.SH lies before its start 2020-01-08"
    ):
        FileFeed(write(tables)).read("suspensions")
