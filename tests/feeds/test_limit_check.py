"""Highs and lows against the limits: a planted exception of every class, and the real data."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_data import write_tables

from engine.boards import board_of
from engine.errors import DataError
from engine.price_limits import NO_LIMIT_UP, price_limits
from feeds.file_feed import FileFeed
from feeds.limit_check import RULES, UNEXPLAINED, LimitCheck, check_limits
from feeds.store import open_market

DAYS = pd.bdate_range("2018-01-02", "2021-03-31")

PLANTED: dict[str, dict[str, Any]] = {
    # what the bar of a day has instead of the flat price of 10 yuan
    "000001.SZ": {"2019-06-03": {"high": 11.5}},  # nothing tells why
    "000002.SZ": {"2019-07-08": {"high": 20.0}},  # back from a suspended listing
    "000004.SZ": {"2019-03-01": {"high": 15.0}},  # the S mark is gone
    "000005.SZ": {"2018-06-01": {"high": 20.0}},  # stopped before the data begin
    "000006.SZ": {"2020-03-02": {"low": 7.0}},  # back from a stop with a new share capital
    "000007.SZ": {"2020-05-06": {"high": 12.0, "amount": 15_000.0}, "2020-05-07": {"amount": 500.0}},
    "000008.SZ": {"2020-09-01": {"high": 11.8, "limit_up": 12.0, "limit_down": 8.0}},
    "000009.SZ": {},  # also stopped before the data begin, and came back inside its limits
    "000011.SZ": {},  # also back from a stop on an ex-date without cash, inside its limits
    "000012.SZ": {"2019-03-04": {"high": 20.0}},  # no bar in the first year of the data: its listing was suspended
    "600001.SH": {"2019-05-06": {"high": 12.0}},  # N mark
    "600002.SH": {"2019-02-11": {"high": 20.0}},  # listed without an offering
    "600003.SH": {"2019-02-12": {"high": 14.4}},  # an offering at the cap of its first day
    "600004.SH": {"2019-02-13": {"low": 6.4}},
    "600005.SH": {"2021-03-15": {"low": 6.0}},  # first day of a delisting period
}
LISTED = {"600002.SH": "2019-02-11", "600003.SH": "2019-02-12", "600004.SH": "2019-02-13"}
FIRST_BARS = LISTED | {"000005.SZ": "2018-06-01", "000009.SZ": "2018-02-01", "000012.SZ": "2019-03-04"}
STOPS = {
    "000002.SZ": ("2018-04-27", "2019-07-05"),
    "000006.SZ": ("2020-02-03", "2020-02-28"),
    "000011.SZ": ("2020-02-03", "2020-02-28"),
}
NAMES = [
    ("000002.SZ", "2015-05-04", "*ST乙"), ("000002.SZ", "2019-07-08", "乙控股"),
    ("000004.SZ", "2006-10-09", "S丁"), ("000004.SZ", "2019-03-01", "丁股份"),
    ("600001.SH", "2010-01-04", "子股份"), ("600001.SH", "2019-05-06", "N子"), ("600001.SH", "2019-05-07", "子股份"),
    ("600002.SH", "2019-02-11", "丑股份"),
    ("600003.SH", "2019-02-12", "N寅"), ("600003.SH", "2019-02-13", "寅股份"),
    ("600004.SH", "2019-02-13", "N卯"), ("600004.SH", "2019-02-14", "卯股份"),
    ("600005.SH", "2010-01-04", "*ST辰"), ("600005.SH", "2021-03-15", "退市辰"),
]  # fmt: skip


def planted_folder(folder: Path) -> Path:
    bars = []
    for symbol, changes in PLANTED.items():
        bar = pd.DataFrame({"date": DAYS, "symbol": symbol})
        for name in ("open", "high", "low", "close", "preclose"):
            bar[name] = 10.0
        bar["volume"], bar["amount"] = 1000.0, 10_000.0
        bar["turnover"], bar["total_shares"], bar["float_shares"], bar["adj_factor"] = 1.0, 2e6, 1e6, 1.0
        bar["is_st"] = False
        bar["limit_up"] = bar["limit_down"] = np.nan
        for date, cells in changes.items():
            for name, value in cells.items():
                bar.loc[bar["date"] == date, name] = value
        bar = bar[bar["date"] >= FIRST_BARS.get(symbol, "2018-01-02")]
        start, end = STOPS.get(symbol, ("2100-01-01", "2100-01-01"))
        bars.append(bar[(bar["date"] < start) | (bar["date"] > end)])
    symbols = sorted(PLANTED)
    tables = {
        "daily_bars": pd.concat(bars, ignore_index=True),
        "calendar": pd.DataFrame({"date": DAYS}),
        "securities": pd.DataFrame(
            {
                "symbol": symbols,
                "list_date": pd.to_datetime([LISTED.get(symbol, "1999-01-04") for symbol in symbols]),
                "first_bar": pd.to_datetime([FIRST_BARS.get(symbol, "2018-01-02") for symbol in symbols]),
                "last_bar": DAYS[-1],
                "active_at_end": True,
            }
        ),
        "suspensions": pd.DataFrame(
            {
                "symbol": list(STOPS),
                "start": pd.to_datetime([start for start, _ in STOPS.values()]),
                "end": pd.to_datetime([end for _, end in STOPS.values()]),
            }
        ),
        "ex_rights_events": pd.DataFrame(
            {
                "symbol": ["000001.SZ", "000006.SZ", "000011.SZ"],  # the first did not stop before its ex-date
                "ex_date": pd.Timestamp("2020-03-02"),
                "prev_close": 20.0,
                "preclose": 10.0,
                "factor_ratio": 2.0,
                "share_ratio": 3.0,
                "cash_per_share_est": np.nan,
            }
        ),
        "name_history": pd.DataFrame(NAMES, columns=["symbol", "start_date", "name"]).astype(
            {"start_date": "datetime64[ms]"}
        ),
    }
    return write_tables(folder, tables)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> LimitCheck:
    place = tmp_path_factory.mktemp("planted")
    folder = planted_folder(place / "data")
    market = open_market(str(folder), universe="all", cache=place / "cache")
    return check_limits(market, FileFeed(folder).read("securities"))


def test_each_planted_exception_is_explained_by_its_own_rule_and_one_by_none(planted: LimitCheck) -> None:
    found = {(row["symbol"], row["date"]): row["class"] for row in planted.exceptions()}
    assert found == {
        ("000001.SZ", "2019-06-03"): UNEXPLAINED,
        ("000002.SZ", "2019-07-08"): "relisting",
        ("000004.SZ", "2019-03-01"): "share_reform",
        ("000005.SZ", "2018-06-01"): "stopped_before_data",
        ("000006.SZ", "2020-03-02"): "restructuring",
        ("000007.SZ", "2020-05-06"): "data_error",
        ("000008.SZ", "2020-09-01"): "feed_limit",
        ("000012.SZ", "2019-03-04"): "relisting",
        ("600001.SH", "2019-05-06"): "offering",
        ("600002.SH", "2019-02-11"): "no_offering",
        ("600005.SH", "2021-03-15"): "delisting_first",
    }
    assert set(found.values()) == {*RULES, UNEXPLAINED}


def test_the_counts_say_how_much_a_rule_covers_beside_what_it_explains(planted: LimitCheck) -> None:
    counts = planted.period(np.datetime64("2018-01-02"), np.datetime64("2021-03-31"))
    assert counts["outside"] == 11
    assert counts["unexplained"] == 1
    assert counts["exceptions"] == dict.fromkeys(RULES, 1) | {"relisting": 2}
    covers = {name: rule["covers"] for name, rule in counts["rules"].items()}
    twice = {"relisting": 2, "data_error": 2, "stopped_before_data": 2, "restructuring": 2}
    assert covers == dict.fromkeys(RULES, 1) | twice
    assert counts["rows"] == int((~np.isnan(planted.market.close)).sum())
    assert counts["at_limit"] == 2  # the cap and the floor of two first days
    assert counts["per_million"] == round(1e6 / counts["rows"], 3)


def test_a_period_counts_its_own_rows_only(planted: LimitCheck) -> None:
    counts = planted.period(np.datetime64("2018-01-01"), np.datetime64("2018-12-31"))
    assert (counts["first"], counts["last"]) == ("2018-01-02", "2018-12-31")
    assert counts["exceptions"] == {"stopped_before_data": 1} and counts["unexplained"] == 0
    with pytest.raises(DataError, match="no session from 2030-01-01 to 2030-12-31; they hold 2018-01-02 to 2021-03-31"):
        planted.period(np.datetime64("2030-01-01"), np.datetime64("2030-12-31"))


def test_the_days_without_limit_have_none_in_the_market_and_the_days_after_have_one(planted: LimitCheck) -> None:
    market = planted.market
    for symbol, date in (("000002.SZ", "2019-07-08"), ("000004.SZ", "2019-03-01"), ("600005.SH", "2021-03-15")):
        t = market.position_of(date)
        assert market.limits(symbol, t) == (None, None)
        assert market.limits(symbol, t + 1) == (9.0, 11.0)
    assert market.limits("000004.SZ", market.position_of("2019-02-28")) == (9.5, 10.5)  # an S stock


def test_a_feeds_own_limits_take_the_place_of_ours_where_it_has_them(planted: LimitCheck) -> None:
    market = planted.market
    t = market.position_of("2020-09-01")
    assert [market.limits("000008.SZ", t + k) for k in (-1, 0, 1)] == [(9.0, 11.0), (8.0, 12.0), (9.0, 11.0)]
    assert market.limits("000001.SZ", t) == (9.0, 11.0)


def test_a_bar_outside_the_feeds_own_limits_is_unexplained(tmp_path: Path) -> None:
    folder = planted_folder(tmp_path / "data")
    file = folder / "daily_bars" / "2018.parquet"
    bars = pd.read_parquet(file)
    row = (bars["symbol"] == "000001.SZ") & (bars["date"] == "2018-03-01")
    bars.loc[row, ["high", "limit_up", "limit_down"]] = [10.9, 10.5, 9.5]
    bars.to_parquet(file, index=False)
    market = open_market(str(folder), universe="all", cache=tmp_path / "cache")
    check = check_limits(market, FileFeed(folder).read("securities"))
    first = check.exceptions()[0]
    assert (first["symbol"], first["date"], first["class"]) == ("000001.SZ", "2018-03-01", UNEXPLAINED)
    assert (first["limit_down"], first["limit_up"], first["state"]) == (9.5, 10.5, "normal")


def test_no_symbol_and_no_day_of_a_stock_stands_in_the_rules() -> None:
    root = Path(__file__).resolve().parents[2]
    for name in ("feeds/states.py", "feeds/limit_check.py", "engine/price_limits.py"):
        text = (root / name).read_text(encoding="utf-8")
        assert not re.search(r"\b\d{6}\b(?!\.\.)", text.replace("10_000_000", "")), name
    assert not re.search(r"\b\d{6}\b", (root / "engine/tables/price_limits.csv").read_text(encoding="utf-8"))
    for name in ("feeds/states.py", "feeds/limit_check.py"):
        assert not re.search(r"20\d\d-\d\d", (root / name).read_text(encoding="utf-8")), name


def test_highs_and_lows_of_a_real_year_lie_inside_by_board_st_and_age_alone(real_data: Path) -> None:
    """2020 has ChiNext's change, ST, STAR's and the main board's first days; relistings have no limit."""
    bars = pd.read_parquet(
        real_data / "daily_bars" / "2020.parquet", columns=["date", "symbol", "high", "low", "preclose", "is_st"]
    )
    listed = pd.read_parquet(real_data / "securities.parquet").set_index("symbol")["list_date"]
    t, sessions = pd.factorize(bars["date"], sort=True)
    i, symbols = pd.factorize(bars["symbol"], sort=True)
    shape = (len(sessions), len(symbols))
    reference, st, has_bar = np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, bool)
    reference[t, i] = np.rint(bars["preclose"] * 100)
    st[t, i], has_bar[t, i] = bars["is_st"], True
    before = np.where(listed.reindex(symbols) < sessions[0], 10_000, 0)
    age = (has_bar.cumsum(axis=0) + before).astype(np.int32)
    boards = np.array([board_of(symbol) for symbol in symbols])
    up, down = price_limits(sessions.to_numpy().astype("datetime64[D]"), boards, reference, st, age)
    outside = (np.rint(bars["high"] * 100) > up[t, i]) | (np.rint(bars["low"] * 100) < down[t, i])
    assert len(bars) > 700_000
    assert outside.sum() <= 5
    assert (up[t, i] < NO_LIMIT_UP).mean() > 0.998


def test_on_the_real_data_one_bar_in_a_million_at_most_is_unexplained(real_data: Path, tmp_path: Path) -> None:
    """The rules were written on 2011-2016; 2017-2021 was looked at when they were done."""
    market = open_market(str(real_data), universe="all", cache=tmp_path)
    check = check_limits(market, FileFeed(real_data).read("securities"))
    early = check.period(np.datetime64("2011-01-01"), np.datetime64("2016-12-31"))
    late = check.period(np.datetime64("2017-01-01"), np.datetime64("2021-12-31"))
    assert (early["rows"], late["rows"]) == (2_805_984, 3_167_302)
    assert (early["outside"], late["outside"]) == (36, 11)
    assert (early["unexplained"], late["unexplained"]) == (1, 1)
    for period in (early, late):
        rules = period["rules"]
        for name in ("relisting", "share_reform"):  # nearly every day on which a rule lifts the limits uses it
            assert rules[name]["explains"] >= 0.8 * rules[name]["covers"]
        assert sum(rule["covers"] for rule in rules.values()) < 200  # of three million rows
    shutil.rmtree(tmp_path)  # a gigabyte that nobody needs any more
