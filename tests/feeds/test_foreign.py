"""Folders in the usual layouts become the same market as the store's own tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.errors import ConfigError, DataError
from engine.market import Market
from feeds.foreign import features, known_layout, layout_of, read_parts
from feeds.mappings import read_mapping, recognise, symbol_of
from feeds.store import open_market
from feeds.survivorship import data_warnings

DAYS = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"])
CLOSE = np.array([10.0, 10.5, 9.97, 10.2, 10.3])
"""An ex-date on the third session: the reference price is 10.00 where the close before was 10.50."""
REFERENCE = np.array([9.9, 10.0, 10.0, 9.97, 10.2])
LOTS = np.array([100, 200, 300, 400, 500])


def frame(close: np.ndarray = CLOSE) -> pd.DataFrame:
    """Prices as they were paid, in lots and yuan."""
    return pd.DataFrame(
        {"day": DAYS.strftime("%Y-%m-%d"), "open": close - 0.1, "high": close + 0.1, "low": close - 0.2,
         "close": close, "lots": LOTS, "yuan": np.round(LOTS * 100 * close, 2)}
    )  # fmt: skip


def eastmoney(folder: Path, close: np.ndarray = CLOSE, paid: np.ndarray = CLOSE) -> None:
    bars = frame(close)
    bars["yuan"] = LOTS * 100 * paid
    names = dict(zip(bars.columns, ["日期", "开盘", "最高", "最低", "收盘", "成交量", "成交额"], strict=True))
    bars = bars.rename(columns=names).assign(股票代码="000001", 换手率=1.0)
    folder.mkdir(exist_ok=True)
    bars.to_csv(folder / "000001.csv.gz", index=False)


def tushare(folder: Path) -> None:
    bars = frame().rename(columns={"lots": "vol"})
    bars["trade_date"] = DAYS.strftime("%Y%m%d")
    bars["amount"] = bars["yuan"] / 1000
    bars = bars.assign(ts_code="000001.SZ", pre_close=REFERENCE).drop(columns=["day", "yuan"])
    folder.mkdir()
    bars.iloc[::-1].to_csv(folder / "daily.csv", index=False)


def baostock(folder: Path, flag: str = "3") -> None:
    bars = frame().rename(columns={"day": "date", "yuan": "amount"})
    bars["volume"] = LOTS * 100
    bars = bars.assign(code="sz.000001", preclose=REFERENCE, turn=1.0, tradestatus=1, isST=0, adjustflag=flag)
    idle = bars.iloc[3:4].assign(volume=0, amount=0, tradestatus=0)
    index = bars.assign(code="sh.000300", close=4000.0, high=4000.0, low=4000.0, open=4000.0, amount=0.0)
    folder.mkdir()
    pd.concat([bars.iloc[:3], idle, bars.iloc[4:], index]).drop(columns="lots").to_parquet(folder / "all.parquet")


def qlib(folder: Path) -> None:
    (folder / "calendars").mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("\n".join(["2019-12-31", *DAYS.strftime("%Y-%m-%d")]))
    place = folder / "features" / "sz000001"
    place.mkdir(parents=True)
    factor = np.array([2.0, 2.000002, 2.1, 2.099998, 2.1])  # single precision makes steps that are none
    bars = frame()
    for name in ("open", "high", "low", "close"):
        np.append(1.0, bars[name] * factor).astype("<f4").tofile(place / f"{name}.day.bin")
    np.append(1.0, LOTS * 100 / factor).astype("<f4").tofile(place / "volume.day.bin")
    np.append(1.0, factor).astype("<f4").tofile(place / "factor.day.bin")


def sina(folder: Path) -> None:
    bars = frame().rename(columns={"day": "date", "yuan": "amount"})
    bars["volume"] = LOTS * 100
    bars = bars.assign(outstanding_share=1e6, turnover=LOTS * 100 / 1e6).drop(columns="lots")
    folder.mkdir()
    bars.to_feather(folder / "sz000001.feather")


def opened(folder: Path) -> Market:
    return open_market(str(folder), universe="all", cache=folder.parent / "cache")


@pytest.mark.parametrize(
    ("make", "name"),
    [(eastmoney, "eastmoney"), (tushare, "tushare"), (baostock, "baostock"), (qlib, "qlib"), (sina, "sina")],
)
def test_the_usual_layouts_are_recognised_and_open_with_the_same_prices(
    tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    make(tmp_path / "in")
    assert known_layout(tmp_path / "in").name == name
    market = opened(tmp_path / "in")
    bars = ~np.isnan(market.close[:, 0])
    assert market.symbols == ["000001.SZ"] and bars.tolist() == [True, True, True, name != "baostock", True]
    np.testing.assert_allclose(market.close[bars, 0], CLOSE[bars], atol=1e-9)
    np.testing.assert_allclose(market.volume[bars, 0], (LOTS * 100)[bars])
    if name == "qlib":  # it has no amount: an estimate from the day's prices
        np.testing.assert_allclose(market.amount[bars, 0], LOTS * 100 * (CLOSE - 0.05), rtol=1e-3)
    else:
        np.testing.assert_allclose(market.amount[bars, 0], (LOTS * 100 * CLOSE)[bars])
    if name in ("eastmoney", "sina", "baostock"):
        wanted = LOTS * 100 / 1e6 if name == "sina" else np.full(5, 0.01)
        np.testing.assert_allclose(market.turnover[bars, 0], wanted[bars])


@pytest.mark.parametrize("make", [tushare, qlib])
def test_an_ex_date_comes_from_reference_prices_or_from_factors(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "in")
    market = opened(tmp_path / "in")
    np.testing.assert_allclose(market.adj_factor[:, 0], [1, 1, 1.05, 1.05, 1.05], atol=2e-6)
    assert len(set(market.adj_factor[:, 0].tolist())) == 2 and market.preclose[2, 0] == 10.0
    assert market.events["t"].tolist() == [2] and market.events["prev_close"].tolist() == [10.5]


def test_a_day_without_trade_is_a_suspension_and_an_index_is_no_stock(tmp_path: Path) -> None:
    baostock(tmp_path / "in")
    market = open_market(
        str(tmp_path / "in"), universe="all", benchmark="000300", benchmark_kind="price", cache=tmp_path / "cache"
    )
    assert market.series["benchmark"].tolist() == [4000.0] * 5
    assert market.symbols == ["000001.SZ"] and market.traded[3, 0] == 0 and market.listed[3, 0] == 1


def test_forward_adjusted_prices_are_refused_for_an_account_and_good_for_features(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in", close=CLOSE - 12.0)
    with pytest.raises(DataError) as caught:
        opened(tmp_path / "in")
    assert str(caught.value).startswith("000001.csv.gz is forward-adjusted (the low of 2020-01-02 is -2.2), so no ")
    assert not list((tmp_path / "cache").glob("files-*"))
    np.testing.assert_allclose(features(tmp_path / "in")["close"]["000001.SZ"], CLOSE - 12.0)


@pytest.mark.parametrize(("factor", "kind"), [(0.5, "forward"), (3.0, "backward")])
def test_adjusted_prices_above_zero_are_told_by_amount_and_volume(tmp_path: Path, factor: float, kind: str) -> None:
    eastmoney(tmp_path / "in", close=np.round(CLOSE * factor, 2))
    [part] = read_parts(tmp_path / "in", known_layout(tmp_path / "in"))
    assert part.adjusted == kind and part.why.startswith("amount / volume lies between low and high on 0 %")


def test_baostocks_flag_of_adjustment_is_believed(tmp_path: Path) -> None:
    baostock(tmp_path / "in", flag="2")
    with pytest.raises(DataError, match="all.parquet is forward-adjusted .the flag of adjustment is 2"):
        opened(tmp_path / "in")


def test_volume_in_shares_where_lots_are_usual_is_set_right_and_noted(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    bars = pd.read_csv(tmp_path / "in" / "000001.csv.gz", dtype={"股票代码": str})
    bars["成交量"] *= 100
    bars.to_csv(tmp_path / "in" / "000001.csv.gz", index=False)
    [part] = read_parts(tmp_path / "in", known_layout(tmp_path / "in"))
    assert part.frame["volume"].tolist() == (LOTS * 100).tolist() and "volume times 0.01" in part.notes[0]


def test_a_mapping_of_ten_lines_reads_any_other_file(tmp_path: Path) -> None:
    bars = frame().rename(columns={"day": "d", "open": "o", "high": "h", "low": "l", "close": "c", "lots": "v"})
    (tmp_path / "in").mkdir()
    text = "made by somebody\n" + bars.drop(columns="yuan").assign(code=1).to_csv(index=False)
    (tmp_path / "in" / "bars.csv").write_text(text, encoding="gb18030")
    (tmp_path / "my.toml").write_text(
        'symbol = "code"\nadjusted = "no"\nskip_lines = 1\n[columns]\ndate = "d"\nopen = "o"\nhigh = "h"\nlow = "l"\n'
        'close = "c"\nvolume = "v * 100"\n'
    )
    assert layout_of(tmp_path / "in") is None
    [part] = read_parts(tmp_path / "in", read_mapping(tmp_path / "my.toml"))
    assert part.frame["symbol"].unique().tolist() == ["000001.SZ"] and part.frame["volume"].tolist() == [
        10000, 20000, 30000, 40000, 50000
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("date =", "is no TOML"),
        ('colums = "x"', "unknown key 'colums'; did you mean 'columns'"),
        ('layout = "tushar"', "unknown layout 'tushar'; did you mean 'tushare'"),
        ('[columns]\nvol = "v"', "unknown column 'vol'"),
        ('[columns]\ndate = "d"', "does not say where 'open' is"),
        ('layout = "tushare"\n[columns]\nvolume = "v * many"', "'v . many' is no column with a factor"),
        ('layout = "tushare"\nadjusted = "yes"', "adjusted is 'yes'"),
        ('layout = "tushare"\nfiles = "../*.csv"', "files '../.*csv' leads out of the folder"),
        ('layout = "tushare"\nfiles = "/etc/*.csv"', "leads out of the folder"),
        ('layout = "tushare"\nskip_lines = -1', "skip_lines is -1"),
        ('layout = "tushare"\n[columns]\nvolume = 100', "volume = 100 is no column; write its name in quotes"),
        ('layout = "tushare"\nfiles = "a\\u0000"', "leads out of the folder"),
    ],
)
def test_a_mistake_in_a_mapping_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_mapping(tmp_path / "my.toml")


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("600519", "600519.SH"), ("sh600519", "600519.SH"), ("SH.600519", "600519.SH"), ("600519.XSHG", "600519.SH"),
        ("stock_zh_a_hist_daily_qfq_000001", "000001.SZ"), ("sz_000001", "000001.SZ"), ("600519_SH", "600519.SH"),
        ("sh000300", "000300.SH"), ("430047", "430047.BJ"), ("20200102", None), ("x6005190", None), ("bond", None),
    ],
)  # fmt: skip
def test_codes_in_all_spellings_become_the_stores(text: str, symbol: str | None) -> None:
    assert symbol_of(text) == symbol


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [("收盘", "high", "column '收盘' holds 'high', which is no number"),
     ("日期", "soon", "column '日期' holds 'soon', which is no date"),
     ("股票代码", "gold", "column '股票代码' holds 'gold', which is no code")],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_file_and_column(tmp_path: Path, column: str, value: str, says: str) -> None:
    eastmoney(tmp_path / "in")
    bars = pd.read_csv(tmp_path / "in" / "000001.csv.gz", dtype=str)
    bars.loc[2, column] = value
    bars.to_csv(tmp_path / "in" / "000001.csv.gz", index=False)
    with pytest.raises(DataError, match="000001.csv.gz: " + says):
        list(read_parts(tmp_path / "in", known_layout(tmp_path / "in")))


def test_a_bar_that_is_there_twice_is_named(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    bars = pd.read_csv(tmp_path / "in" / "000001.csv.gz", dtype=str)
    bars.to_csv(tmp_path / "in" / "again.csv", index=False)
    with pytest.raises(DataError, match="000001.csv.gz and again.csv: two rows for 000001.SZ on 2020-01-02"):
        opened(tmp_path / "in")


@pytest.mark.parametrize(
    "code", ["../../x", "600519.XX", "510300.SH", "600519.SH/../x", "x600519", "600519 000001"]
)
def test_a_code_of_no_exchange_that_we_know_is_refused(tmp_path: Path, code: str) -> None:
    eastmoney(tmp_path / "in")
    bars = pd.read_csv(tmp_path / "in" / "000001.csv.gz", dtype=str).assign(股票代码=code)
    bars.to_csv(tmp_path / "in" / "000001.csv.gz", index=False)
    with pytest.raises(DataError, match="which is no code such as 600519.SH; mend the row or leave it out"):
        opened(tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("in", "cache")] == []


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("最高", "9.0", "the high 9 of 000001.SZ on 2020-01-06 is below its low 9.77"),
        ("最低", "10.5", "the high 10.07 of 000001.SZ on 2020-01-06 is below its low 10.5"),
        ("收盘", "", "column 'close' of 000001.SZ on 2020-01-06 is empty"),
        ("开盘", "inf", "column 'open' of 000001.SZ on 2020-01-06 is infinite"),
        ("日期", "1200-01-06", "bars of 1200 and of 2020 and none between; check the dates"),
        ("日期", "2999-01-06", "bars of 2020 and of 2999 and none between; check the dates"),
    ],
)  # fmt: skip
def test_a_row_that_no_market_can_have_had_is_named_and_not_called_adjusted(
    tmp_path: Path, column: str, value: str, says: str
) -> None:
    eastmoney(tmp_path / "in")
    bars = pd.read_csv(tmp_path / "in" / "000001.csv.gz", dtype=str)
    bars.loc[2, column] = value
    bars.to_csv(tmp_path / "in" / "000001.csv.gz", index=False)
    with pytest.raises(DataError) as caught:
        opened(tmp_path / "in")
    assert says in str(caught.value)


def test_a_spoilt_file_beside_good_ones_is_an_error_and_no_missing_stock(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    (tmp_path / "in" / "600000.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="600000.csv.gz cannot be read .Not a gzipped file"):
        opened(tmp_path / "in")
    (tmp_path / "in" / "600000.csv.gz").unlink()
    (tmp_path / "in" / "list.csv").write_text("code,name\n1,2\n")  # of another kind
    wrong: list[dict[str, str]] = []
    assert len(list(read_parts(tmp_path / "in", known_layout(tmp_path / "in"), wrong))) == 1
    [row] = wrong
    assert row["file"] == "list.csv" and row["says"].startswith("left out: it has no column '日期'")


def test_what_lies_in_hidden_folders_is_no_data(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    eastmoney(tmp_path / "in" / ".huice", close=CLOSE * 2)
    assert [part.file for part in read_parts(tmp_path / "in", known_layout(tmp_path / "in"))] == ["000001.csv.gz"]


def test_a_pattern_of_files_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    (tmp_path / "my.toml").write_text('layout = "eastmoney"\nfiles = "***/*"\n')
    with pytest.raises(ConfigError, match="files '[*]{3}/[*]' is no pattern"):
        list(read_parts(tmp_path / "in", read_mapping(tmp_path / "my.toml")))


def test_a_mapping_that_fits_no_file_names_the_column(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    (tmp_path / "my.toml").write_text('layout = "eastmoney"\n[columns]\nclose = "收盘价"\n')
    with pytest.raises(ConfigError, match="000001.csv.gz has no column '收盘价' .did you mean '收盘'"):
        list(read_parts(tmp_path / "in", read_mapping(tmp_path / "my.toml")))


def test_that_nothing_tells_of_dividends_is_kept_and_warned_of(tmp_path: Path) -> None:
    eastmoney(tmp_path / "a")
    tushare(tmp_path / "b")
    [warning] = data_warnings(opened(tmp_path / "a"))
    assert warning.startswith("Dividends: in these data neither factors nor reference prices are given")
    assert data_warnings(opened(tmp_path / "b")) == []


def test_a_dump_that_does_not_fit_its_calendar_is_named(tmp_path: Path) -> None:
    qlib(tmp_path / "in")
    np.append(4.0, np.ones(5)).astype("<f4").tofile(tmp_path / "in" / "features" / "sz000001" / "close.day.bin")
    with pytest.raises(DataError, match="features/sz000001/close.day.bin does not fit calendars/day.txt"):
        opened(tmp_path / "in")


def test_unknown_columns_are_no_layout_and_say_what_to_do(tmp_path: Path) -> None:
    assert recognise(["a", "b"]) is None
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"in no known layout .x.csv has the columns a, b.; write a mapping"):
        opened(tmp_path / "in")


def test_a_changed_file_is_converted_again(tmp_path: Path) -> None:
    eastmoney(tmp_path / "in")
    assert opened(tmp_path / "in").close[0, 0] == 10.0
    eastmoney(tmp_path / "in", close=CLOSE + 1.0, paid=CLOSE + 1.0)
    assert opened(tmp_path / "in").close[0, 0] == 11.0


def test_the_real_samples_of_akshare_are_told_to_be_forward_adjusted(real_data: Path) -> None:
    samples = real_data / "akshare_samples"
    parts = {part.file[-13:-7]: part for part in read_parts(samples, known_layout(samples))}
    assert {part.adjusted for part in parts.values()} == {"forward"} and len(parts) == 8
    assert parts["600519"].why == "the low of 2011-01-04 is -126.51"


def test_real_bars_in_tushares_layout_become_the_market_of_the_stores_own_tables(
    real_data: Path, real_cache: Path, tmp_path: Path
) -> None:
    """Factors, ex-dates and suspensions follow from reference prices; the store's tables have them from elsewhere."""
    true = open_market(str(real_data), universe="all", start="2019-01-02", end="2020-12-31", cache=real_cache)
    some = slice(0, None, 150)
    bars = [pd.read_parquet(real_data / "daily_bars" / f"{year}.parquet") for year in (2019, 2020)]
    chosen = pd.concat(bars)
    chosen = chosen[chosen["symbol"].isin(true.symbols[some])]
    names = {"symbol": "ts_code", "preclose": "pre_close"}
    given = chosen[["symbol", "open", "high", "low", "close", "preclose"]].rename(columns=names).assign(
        trade_date=chosen["date"].dt.strftime("%Y%m%d"), vol=chosen["volume"] / 100, amount=chosen["amount"] / 1000
    )
    (tmp_path / "in").mkdir()
    for day, rows in given.groupby(given["trade_date"].str[:6]):
        rows.to_csv(tmp_path / "in" / f"{day}.csv.gz", index=False)
    made = opened(tmp_path / "in")
    first = true.position_of("2019-01-02")
    columns = [true.index[symbol] for symbol in made.symbols]
    assert made.symbols == [symbol for symbol in true.symbols[some] if symbol in made.index] and len(columns) > 15
    rows = np.searchsorted(true.sessions, made.sessions)
    assert rows[0] == first and len(rows) == len(true.sessions) - first
    for name in ("open", "high", "low", "close", "preclose", "volume"):
        np.testing.assert_allclose(getattr(made, name), getattr(true, name)[first:, columns], atol=1e-6)
    np.testing.assert_array_equal(made.traded, true.traded[first:, columns])
    begin = np.array([np.argmax(~np.isnan(column)) for column in made.close.T])
    scale = true.adj_factor[first + begin, columns]
    np.testing.assert_allclose(made.adj_factor, true.adj_factor[first:, columns] / scale, rtol=1e-8)
    inside = np.isin(true.events["i"], columns) & (true.events["t"] >= first)
    ours = {(made.sessions[t], made.symbols[i]) for t, i in zip(made.events["t"], made.events["i"], strict=True)}
    theirs = {
        (true.sessions[t], true.symbols[i])
        for t, i in zip(true.events["t"][inside], true.events["i"][inside], strict=True)
        if t > first + begin[columns.index(i)]  # a step on the first bar is not seen by who has no bar before
    }
    assert ours == theirs and len(ours) > 15
