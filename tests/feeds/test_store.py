from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_data import Tables, day

from engine.errors import ConfigError, DataError
from engine.market import Market
from feeds import panel, store
from feeds.fingerprint import Digests, fingerprint
from feeds.store import open_market

Write = Callable[[Tables], Path]
Open = Callable[..., Market]


@pytest.fixture
def open_(write: Write, tables: Tables, tmp_path: Path) -> Open:
    """Writes the tables as they are at the call and opens them."""

    def call(**options: Any) -> Market:
        folder = write(tables)
        chosen = {"universe": "csi300", "start": "2020-01-02", "cache": tmp_path / "cache"} | options
        return open_market(str(folder), **chosen)

    return call


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one entry for each panel that is built and not taken from the cache."""
    done: list[str] = []
    true_build = panel.build_panel

    def counted(*args: Any) -> Market:
        done.append("built")
        return true_build(*args)

    monkeypatch.setattr(panel, "build_panel", counted)
    return done


# -- span and columns -------------------------------------------------------------------------------


def test_a_panel_begins_with_the_year_that_holds_the_base_day(open_: Open) -> None:
    market = open_(start="2020-01-02", end="2020-01-10")
    assert str(market.sessions[0]) == "2019-12-16"
    assert str(market.sessions[-1]) == "2020-01-10"
    assert len(market.calendar) == 23


def test_the_base_day_must_be_in_the_data(open_: Open) -> None:
    with pytest.raises(DataError, match="start 2019-12-16 leaves no session before it.*start on 2019-12-17 or later"):
        open_(start="2019-12-16")
    with pytest.raises(DataError, match="leaves no session before it"):
        open_(start="2005-01-01")
    assert open_(start="2019-12-17").sessions[0] == np.datetime64("2019-12-16")


def test_without_dates_all_data_are_opened(open_: Open) -> None:
    assert open_(start=None).shape == (23, 3)


def test_a_date_object_and_a_text_are_the_same(open_: Open, builds: list[str]) -> None:
    open_(start=dt.date(2020, 1, 2), end="2020-01-10")
    open_(start="2020-01-02", end=dt.date(2020, 1, 10))
    assert len(builds) == 1


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"start": "2020-01-10", "end": "2020-01-03"}, ConfigError, "end 2020-01-03 is before start 2020-01-10"),
        ({"start": "2020-01-04", "end": "2020-01-05"}, DataError, "no trading session from 2020-01-04 to 2020-01-05"),
        ({"start": "2021-01-01"}, DataError, "they hold 2019-12-16 to 2020-01-16"),
        ({"start": "2020/01/02"}, ConfigError, "start '2020/01/02' is no date"),
        ({"universe": "csi30"}, ConfigError, "unknown universe 'csi30'; did you mean 'csi300'"),
        ({"universe": "600001.SH"}, DataError, "securities.parquet does not list 600001.SH; did you mean '600000.SH'"),
        ({"extra_symbols": ["600001.SH"]}, DataError, "does not list 600001.SH"),
        ({"extra_symbols": ["bad"]}, ConfigError, "'BAD' is no A-share code"),
        ({"benchmark": "000905"}, ConfigError, "no index '000905' for a benchmark; did you mean"),
        ({"benchmark": "000300", "benchmark_kind": "total"}, ConfigError, "unknown benchmark_kind 'total'"),
    ],
)
def test_a_bad_option_is_one_sentence(
    open_: Open, tmp_path: Path, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        open_(**options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("*market-*"))


def test_a_missing_folder_suggests_the_synthetic_market(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data folder 'syntetic'; did you mean 'synthetic'"):
        open_market("syntetic", universe="all", cache=tmp_path)
    with pytest.raises(DataError, match="no data folder"):
        open_market(str(tmp_path / "x"), universe="all", cache=tmp_path)


@pytest.mark.parametrize("table", ["calendar", "securities", "suspensions", "ex_rights_events", "constituents"])
def test_a_missing_table_is_named(tables: Tables, open_: Open, table: str) -> None:
    del tables[table]
    with pytest.raises(DataError, match=f"has no file '{table}.parquet'"):
        open_()


def test_optional_tables_may_be_absent(tables: Tables, open_: Open) -> None:
    del tables["name_history"], tables["cn_gov_bond_10y"]
    market = open_()
    assert market.names == {}
    assert market.series == {}


# -- membership -------------------------------------------------------------------------------------


def test_an_index_universe_changes_on_the_day(open_: Open) -> None:
    market = open_()
    t = market.position_of("2020-01-06")
    assert market.symbols == ["000001.SZ", "300001.SZ", "600000.SH"]
    assert market.member[t - 1].tolist() == [1, 1, 0]
    assert market.member[t].tolist() == [1, 0, 1]


def test_members_without_bars_are_left_out_and_counted(tables: Tables, open_: Open) -> None:
    tables["daily_bars"] = tables["daily_bars"].query("symbol != '600000.SH'")
    market = open_()
    assert market.symbols == ["000001.SZ", "300001.SZ"]
    # 14 sessions with both members, then 9 with one of two.
    assert market.info["coverage"] == pytest.approx((14 * 1.0 + 9 * 0.5) / 23)


def test_all_and_lists_and_extra_stocks(open_: Open) -> None:
    everything = open_(universe="all")
    assert everything.symbols == ["000001.SZ", "300001.SZ", "600000.SH"]
    assert everything.member.all()
    some = open_(universe="600000.SH", extra_symbols=["000001.SZ"])
    assert some.symbols == ["000001.SZ", "600000.SH"]
    assert some.member.tolist() == [[0, 1]] * 23


def test_extra_stocks_are_no_members_of_an_index(tables: Tables, open_: Open) -> None:
    tables["constituents"] = tables["constituents"].iloc[:1]
    assert open_(extra_symbols=["600000.SH"]).member.tolist() == [[1, 0]] * 23


# -- states, events, names --------------------------------------------------------------------------


def test_a_stock_that_stops_is_delisted_unless_it_is_still_suspended(tables: Tables, open_: Open) -> None:
    bars, securities = tables["daily_bars"], tables["securities"]
    for symbol in ("000001.SZ", "300001.SZ"):
        bars = bars[(bars["symbol"] != symbol) | (bars["date"] <= "2020-01-03")]
        row = securities["symbol"] == symbol
        securities.loc[row, "last_bar"] = day("2020-01-03")
        securities.loc[row, "active_at_end"] = False
    tables["daily_bars"] = bars
    tables["suspensions"] = pd.DataFrame(
        {"symbol": ["300001.SZ"], "start": [day("2020-01-06")], "end": pd.DatetimeIndex([pd.NaT])}
    )
    market = open_(universe="all")
    assert market.delisted.tolist() == [True, False, False]
    assert market.last_session.tolist() == [13, 22, 22]
    assert market.listed[14].tolist() == [0, 1, 1]


def test_a_delisting_after_the_panel_is_not_known_yet(tables: Tables, open_: Open) -> None:
    tables["securities"].loc[0, "active_at_end"] = False
    assert not open_(universe="all").delisted.any()


def test_the_age_before_the_panel_counts_sessions(tables: Tables, open_: Open) -> None:
    tables["securities"]["list_date"] = [day("1991-04-03"), day("2019-12-09"), day("2019-12-18")]
    tables["daily_bars"] = tables["daily_bars"].query("symbol != '600000.SH' or date >= '2019-12-18'")
    market = open_(universe="all")
    # The calendar begins on 2019-12-16: five weekdays lie between 2019-12-09 and it.
    assert market.age[0].tolist() == [10001, 6, 0]
    assert market.age[2].tolist() == [10003, 8, 1]


def test_events_of_the_panel_have_their_session_and_stock(tables: Tables, open_: Open) -> None:
    events = tables["ex_rights_events"]
    tables["ex_rights_events"] = pd.concat(
        [
            events.assign(symbol="600000.SH", ex_date=day("2020-01-03"), cash_per_share_est=np.nan),
            events,
            events.assign(ex_date=day("2020-01-16")),
            events.assign(symbol="300002.SZ"),
        ]
    )
    found = open_(universe="all", end="2020-01-10").events
    assert found["t"].tolist() == [13, 14]
    assert found["i"].tolist() == [2, 0]
    assert np.isnan(found["cash"][0]) and found["cash"][1] == 0.5
    assert found["preclose"].tolist() == [9.5, 9.5]


def test_an_event_on_a_day_without_trading_is_refused(tables: Tables, open_: Open) -> None:
    tables["ex_rights_events"]["ex_date"] = day("2020-01-05")
    with pytest.raises(DataError, match="ex_date 2020-01-05 of 000001.SZ is no session"):
        open_()


def test_names_are_the_last_ones_without_the_marks_of_a_day(open_: Open) -> None:
    assert open_().names == {"000001.SZ": "平安银行", "300001.SZ": "特锐德", "600000.SH": "*ST浦"}


def test_a_new_name_on_an_ex_date_is_taken(tables: Tables, open_: Open) -> None:
    tables["name_history"].loc[1, "name"] = "XD新银行"
    assert open_().names["000001.SZ"] == "新银行"
    assert open_(end="2020-01-15").names["000001.SZ"] == "平安银行"


def test_turnover_is_a_fraction(open_: Open) -> None:
    assert open_().turnover[0, 0] == pytest.approx(0.015)


# -- benchmark --------------------------------------------------------------------------------------


def test_the_total_return_benchmark_adds_the_dividends_of_members_beside_the_universe(open_: Open) -> None:
    market = open_(universe="600000.SH", benchmark="csi300")
    # On 2020-01-06 the members are 000001 (10 yuan) and 600000 (5 yuan), both with 1000 float shares.
    weight = 10_000**0.7 / (10_000**0.7 + 5_000**0.7)
    level = market.series["benchmark"]
    assert market.symbols == ["600000.SH"]
    assert level[:14].tolist() == [1000.0] * 14
    np.testing.assert_allclose(level[14:], 1000.0 * (1 + weight * 0.05))
    assert (market.series["benchmark_price"] == 1000.0).all()
    about = market.info["benchmark"]
    assert (about["code"], about["kind"], about["coverage"]) == ("000300", "total-return", 1.0)
    assert about["dividend_yield"] == pytest.approx(weight * 0.05 / (31 / 365.25))


def test_the_price_benchmark_is_the_index_file(open_: Open) -> None:
    market = open_(benchmark="000300", benchmark_kind="price")
    assert (market.series["benchmark"] == 1000.0).all()
    assert market.info["benchmark"] == {"code": "000300", "kind": "price"}


def test_an_index_without_members_can_be_a_price_benchmark_only(tables: Tables, open_: Open) -> None:
    tables["index_daily"]["index_code"] = "000016"
    with pytest.raises(ConfigError, match="membership history of index 000016 is missing"):
        open_(benchmark="000016")
    assert (open_(benchmark="sse50", benchmark_kind="price").series["benchmark"] == 1000.0).all()


def test_a_benchmark_that_begins_after_the_base_day_is_refused_also_from_the_cache(tables: Tables, open_: Open) -> None:
    tables["index_daily"] = tables["index_daily"].iloc[14:]
    assert np.isnan(open_(start="2020-01-07", benchmark="000300").series["benchmark"][13])
    with pytest.raises(DataError, match="no close of index 000300 on 2020-01-03, .* begins on 2020-01-06"):
        open_(start="2020-01-06", benchmark="000300")


# -- cache ------------------------------------------------------------------------------------------


def same(a: Market, b: Market) -> bool:
    names = ("open", "close", "mark", "age", "limit_up", "member", "listed")
    return all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=True) for n in names) and a.info == b.info


def test_a_second_opening_is_mapped_from_the_cache(open_: Open, builds: list[str]) -> None:
    first, second = open_(), open_()
    assert builds == ["built"]
    assert same(first, second)
    assert isinstance(second.close.base, np.memmap)  # a plain array over mapped pages


def test_lookbacks_and_starts_of_one_year_share_a_cache_and_other_requests_do_not(
    open_: Open, builds: list[str]
) -> None:
    open_(start="2020-01-02", lookback=0)
    open_(start="2020-01-06", lookback=250)
    assert len(builds) == 1
    for count, options in enumerate(
        [{"universe": "all"}, {"end": "2020-01-10"}, {"benchmark": "000300"}, {"extra_symbols": ["600000.SH"]}], start=2
    ):
        open_(**options)
        assert len(builds) == count


def test_one_changed_byte_of_a_table_makes_a_new_panel(
    write: Write, tables: Tables, tmp_path: Path, builds: list[str]
) -> None:
    folder = write(tables)
    options: dict[str, Any] = {"universe": "csi300", "start": "2020-01-02", "cache": tmp_path / "cache"}
    first = open_market(str(folder), **options)
    tables["daily_bars"].loc[0, "volume"] = 101
    write(tables)
    second = open_market(str(folder), **options)
    assert len(builds) == 2
    assert first.fingerprint != second.fingerprint
    assert (first.volume[0, 0], second.volume[0, 0]) == (100.0, 101.0)


def test_a_copied_folder_has_the_same_fingerprint_and_cache(
    write: Write, tables: Tables, tmp_path: Path, builds: list[str]
) -> None:
    folder = write(tables)
    shutil.copytree(folder, tmp_path / "copy")
    options: dict[str, Any] = {"universe": "csi300", "start": "2020-01-02", "cache": tmp_path / "cache"}
    a, b = open_market(str(folder), **options), open_market(str(tmp_path / "copy"), **options)
    assert a.fingerprint == b.fingerprint
    assert len(builds) == 1
    assert a.info == b.info


def test_a_table_that_is_not_read_does_not_touch_the_fingerprint(tables: Tables, open_: Open) -> None:
    first = open_(universe="all")
    tables["notes"] = tables["index_daily"].rename(columns={"close": "remark"})
    assert open_(universe="all").fingerprint == first.fingerprint
    assert "notes.parquet" not in first.info["files"]


def test_a_table_that_a_view_can_serve_is_in_the_fingerprint_but_makes_no_new_panel(
    tables: Tables, open_: Open, builds: list[str]
) -> None:
    first = open_(universe="all")
    assert first.view(22).members("000300").tolist() == [True, False, True]
    tables["constituents"] = tables["constituents"].iloc[:1]
    second = open_(universe="all")
    assert second.fingerprint != first.fingerprint and len(builds) == 1
    assert second.view(22).members("000300").tolist() == [True, False, False]


def test_a_table_that_changes_under_an_open_market_is_not_served(tables: Tables, open_: Open, write: Write) -> None:
    market = open_(universe="all")
    tables["constituents"] = tables["constituents"].iloc[:1]
    write(tables)
    with pytest.raises(DataError, match="constituents.parquet has changed since the market was opened; open it again"):
        market.view(22).members("000300")


@pytest.mark.parametrize("damage", ["meta.json", "close.npy", "member.npy"])
def test_a_spoilt_cache_is_built_again(open_: Open, builds: list[str], tmp_path: Path, damage: str) -> None:
    first = open_()
    [folder] = (tmp_path / "cache").glob("market-*")
    with (folder / damage).open("r+b") as file:
        file.truncate(40)
    assert same(first, open_())
    assert same(first, open_())
    assert len(builds) == 2


def test_changed_source_code_makes_a_new_panel(open_: Open, builds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    open_()
    monkeypatch.setattr(store, "_sources", lambda: "other code")
    open_()
    assert len(builds) == 2


def test_the_sources_of_the_key_exist() -> None:
    assert len(store._sources()) == 64


def test_nothing_half_written_stays_in_the_cache(open_: Open, tmp_path: Path) -> None:
    open_()
    assert sorted(path.name[:6] for path in (tmp_path / "cache").iterdir()) == ["calend", "market"]


def test_a_cache_that_cannot_be_written_costs_only_time(open_: Open, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert open_(cache=tmp_path / "file" / "cache").shape == (23, 3)


def test_the_cache_folder_is_the_argument_or_the_variable_or_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUICE_CACHE", raising=False)
    assert store.cache_folder() == Path(".huice/cache")
    monkeypatch.setenv("HUICE_CACHE", "elsewhere")
    assert store.cache_folder() == Path("elsewhere")
    assert store.cache_folder(Path("mine")) == Path("mine")


def test_digests_are_remembered_for_files_that_have_settled(tmp_path: Path) -> None:
    file, memory = tmp_path / "table", tmp_path / "memory.json"
    file.write_text("one")
    young = Digests(memory)
    young.of(file)
    young.remember()
    assert not memory.exists()  # it may change again within one tick of its time stamp
    os.utime(file, ns=(0, 10**18))
    old = Digests(memory)
    digest = old.of(file)
    old.remember()
    file.write_text("two")
    os.utime(file, ns=(0, 10**18))  # the same size and time: believed
    assert Digests(memory).of(file) == digest
    os.utime(file, ns=(0, 10**18 + 1))
    assert Digests(memory).of(file) != digest


def test_the_fingerprint_depends_on_names_and_digests_only() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"a": "1", "b": "2"}) != fingerprint({"a": "2", "b": "1"})


# -- other sources ----------------------------------------------------------------------------------


def test_a_synthetic_market_is_written_once_and_opened_like_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: Tables, write: Write
) -> None:
    from feeds import synthetic_feed

    written: list[Path] = []

    def fake(folder: Path, **options: Any) -> None:
        written.append(folder)
        shutil.copytree(write(tables), folder)

    monkeypatch.setattr(synthetic_feed, "write_synthetic", fake)
    for spec in ("synthetic:stocks=20", "synthetic:seed=1,stocks=20"):
        assert open_market(spec, universe="all", cache=tmp_path / "cache").shape == (23, 3)
    assert len(written) == 1
    assert len(list((tmp_path / "cache").glob("synthetic-*"))) == 1
    open_market("synthetic:stocks=21", universe="all", cache=tmp_path / "cache")
    assert len(written) == 2


def test_real_data_open_with_known_prices_and_members(real_data: Path, real_cache: Path) -> None:
    market = open_market(
        str(real_data), universe="csi500", start="2020-06-01", end="2020-12-31", benchmark="000300", cache=real_cache,
        extra_symbols=["600519.SH"],
    )  # fmt: skip
    assert market.close[-1, market.column("600519.SH")] == 1998.00
    assert market.names["600519.SH"] == "贵州茅台"
    assert market.series["benchmark_price"][-1] == 5211.29
    assert str(market.sessions[0]) == "2020-01-02"
    assert 0.80 < market.info["coverage"] < 0.86
    assert 500 * 0.80 < market.member[-1].sum() < 500 * 0.86
    assert 0.015 < market.info["benchmark"]["dividend_yield"] < 0.025
    events = market.events
    dividend = events["cash"][events["i"] == market.column("600519.SH")]
    assert dividend == pytest.approx([17.02], abs=0.01)
