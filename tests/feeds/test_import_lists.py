"""Dated lists of index members come into a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small_data import Tables

from engine.errors import ConfigError, DataError
from feeds.file_feed import FileFeed
from feeds.import_lists import import_constituents
from feeds.manifest import Manifest
from feeds.store import open_market
from feeds.survivorship import coverage_numbers, survivorship_warning


@pytest.fixture
def store(tables: Tables, write: Callable[[Tables], Path]) -> Path:
    return write(tables)


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_spells_take_the_place_of_those_of_their_index_only(store: Path, tmp_path: Path) -> None:
    text = "index_code,symbol,in_date,out_date\n000852,600000,2019-12-16,20200106\n000852,sz300001,2020/01/06,\n"
    assert import_constituents(csv(tmp_path, text), store) == {"000852": 2}
    assert import_constituents(csv(tmp_path, text), store) == {"000852": 2}
    found = FileFeed(store).read("constituents")
    assert sorted(found["index_code"].tolist()) == ["000300"] * 3 + ["000852"] * 2
    market = open_market(str(store), universe="csi1000", cache=tmp_path / "cache")
    assert market.symbols == ["300001.SZ", "600000.SH"]
    assert market.member[market.position_of("2020-01-03")].tolist() == [0, 1]
    assert market.member[market.position_of("2020-01-06")].tolist() == [1, 0]
    assert Manifest.read(store).entries["constituents.parquet"]["source"] == "import"


def test_full_lists_by_date_become_spells(store: Path, tmp_path: Path) -> None:
    rows = ("2019-12-16,600000", "2019-12-16,000001", "2020-01-06,600000", "2020-01-13,600000", "2020-01-13,000001")
    text = "\n".join(["日期,成分券代码", *rows])
    import_constituents(csv(tmp_path, text), store, index="csi1000")
    frame = pd.read_parquet(store / "constituents.parquet").query("index_code == '000852'")
    rows = [(row.symbol, str(row.in_date)[:10], str(row.out_date)[:10]) for row in frame.itertuples()]
    assert sorted(rows) == [
        ("000001.SZ", "2019-12-16", "2020-01-06"), ("000001.SZ", "2020-01-13", "NaT"),
        ("600000.SH", "2019-12-16", "NaT"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("symbol,in_date\n600000,2020-01-02\n", ConfigError, "no column 'index_code'.*or give --index"),
        ("index_code,in_date\n000852,2020-01-02\n", ConfigError, "no column 'symbol'"),
        ("index_code,symbol\n000852,600000\n", ConfigError, "no column 'in_date'"),
        ("index_code,symbol,in_date\n../x,600000,2020-01-02\n", DataError, "'../x' is no index"),
        ("index_code,symbol,in_date\n000852,../600,2020-01-02\n", DataError, "row 2: '../600' is no A-share code"),
        ("index_code,symbol,in_date\n000852,600000.XX,2020-01-02\n", DataError, "'600000.XX' is no A-share code"),
        ("index_code,symbol,in_date\n000852,600000,\n", DataError, "row 2: in_date is empty; mend it"),
        ("index_code,symbol,in_date\n", DataError, "members.csv has no row; a line is a member"),
        ("", DataError, "members.csv cannot be read as CSV: .*; write it again in UTF-8"),
        ("index_code,symbol,in_date\n000852,600000,soon\n", DataError, "row 2: in_date 'soon' is no date"),
        ("index_code,symbol,in_date,out_date\n000852,600000,2020-01-02,2020-01-02\n", DataError, "not after it"),
        ("index_code,symbol,in_date\n000852,600000,2020-01-02\n000852,600000,2020-01-06\n", DataError, "still in; end"),
    ],
)
def test_a_bad_list_is_refused_and_the_store_stays(
    store: Path, tmp_path: Path, text: str, error: type[Exception], says: str
) -> None:
    before = (store / "constituents.parquet").read_bytes()
    with pytest.raises(error, match=says):
        import_constituents(csv(tmp_path, text), store)
    assert (store / "constituents.parquet").read_bytes() == before


def test_lists_of_the_index_company_in_gb18030_are_understood(store: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("指数代码,证券代码,纳入日期\n000852,600000,2020-01-02\n".encode("gb18030"))
    assert import_constituents(tmp_path / "list.csv", store) == {"000852": 1}


def test_members_go_into_a_folder_of_tables_and_no_other(store: Path, tmp_path: Path) -> None:
    list_of_one = csv(tmp_path, "index_code,symbol,in_date\n000852,600000,2020-01-02\n")
    (tmp_path / "downloads").mkdir()
    with pytest.raises(ConfigError, match="downloads' is no folder of tables.*import bars"):
        import_constituents(list_of_one, tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


def test_todays_list_is_a_universe_of_its_own_with_a_warning(
    tables: Tables, write: Callable[[Tables], Path], tmp_path: Path
) -> None:
    dated = tables["constituents"].assign(as_of=pd.NaT)
    today = dated.iloc[[0]].assign(index_code="000905", as_of=pd.Timestamp("2026-11-21"))
    tables["constituents"] = pd.concat([dated, today]).astype({"as_of": "datetime64[ms]"})
    folder = write(tables)
    market = open_market(str(folder), universe="csi500-today", cache=tmp_path / "cache")
    assert market.symbols == ["000001.SZ"] and market.info["universe"] == "000905-today"
    assert coverage_numbers(market)["as_of_today"] is True
    assert "today's list of members applied to the past" in str(survivorship_warning(market))
    with pytest.raises(ConfigError, match="csi500-today|000905-today"):
        open_market(str(folder), universe="csi500", cache=tmp_path / "cache")
    plain = open_market(str(folder), universe="csi300", cache=tmp_path / "cache")
    assert survivorship_warning(plain) is None and coverage_numbers(plain)["as_of_today"] is False


def test_coverage_is_counted_over_members_and_month_ends(
    tables: Tables, write: Callable[[Tables], Path], tmp_path: Path
) -> None:
    bars = tables["daily_bars"]
    tables["daily_bars"] = bars[~((bars["symbol"] == "300001.SZ") & (bars["date"] == "2019-12-18"))]
    tables["fundamentals_quarterly"] = pd.DataFrame(
        {"symbol": ["000001.SZ"], "period_end": [pd.Timestamp("2019-09-30")], "net_profit": [1.0],
         "announce_date": [pd.Timestamp("2020-01-08")]}
    )  # fmt: skip
    market = open_market(str(write(tables)), universe="all", cache=tmp_path / "cache")
    assert "figures" not in coverage_numbers(market)  # nobody has asked about reports
    market.view(22).fundamentals("net_profit")
    found = coverage_numbers(market)
    assert found["members_with_bar"] == pytest.approx((22 + 2 / 3) / 23, abs=1e-6) and found["members"] == 3.0
    assert found["figures"] == {"fundamentals_quarterly.net_profit": round(1 / 6, 4)}  # known at the second month end
    index = open_market(str(write(tables)), universe="csi300", cache=tmp_path / "cache")
    assert coverage_numbers(index)["members"] == 2.0  # one goes out on the day on which another comes in
    assert coverage_numbers(index, figures=True)["figures"] == {"fundamentals_quarterly.net_profit": 0.25}
    early = coverage_numbers(market, last=market.sessions[11])
    assert early["figures"] == {"fundamentals_quarterly.net_profit": 0.0}
