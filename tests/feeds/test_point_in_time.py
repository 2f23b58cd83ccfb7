"""The dated tables of a folder through a market's views."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import Tables, day

from engine.errors import ConfigError, DataError
from engine.market import Market
from feeds.store import open_market
from feeds.universe import memberships

Write = Callable[[Tables], Path]


@pytest.fixture
def market(tables: Tables, write: Write, tmp_path: Path) -> Market:
    tables["industry_sw_history"] = pd.DataFrame(
        {"symbol": ["600000.SH", "600000.SH"], "start_date": [day("2010-01-01"), day("2020-01-06")],
         "sw_code": "480101", "l1_code": "480000", "scheme": "SW", "l1_name": ["银行", "钢铁"]}
    )  # fmt: skip
    tables["fundamentals_quarterly"] = pd.DataFrame(
        {"symbol": ["600000.SH"], "period_end": [day("2019-09-30")], "announce_date": [day("2020-01-03")], "eps": [0.5]}
    )
    tables["fundamentals_other"] = pd.DataFrame(
        {"symbol": ["000001.SZ"], "period_end": [day("2019-06-30")], "eps": [1.5], "roe": [0.1], "text": ["x"]}
    )
    return open_market(str(write(tables)), universe="all", cache=tmp_path / "cache")


def at(market: Market, date: str) -> object:
    return market.view(market.position_of(date))


def test_an_industry_counts_from_its_first_day_on(market: Market) -> None:
    for date, name in (("2020-01-03", "银行"), ("2020-01-06", "钢铁")):
        assert at(market, date).as_of("industry_sw_history", "l1_name").tolist() == [None, None, name]


def test_a_name_counts_from_its_first_day_on(market: Market) -> None:
    assert at(market, "2020-01-15").as_of("name_history", "name")[0] == "平安银行"
    assert at(market, "2020-01-16").as_of("name_history", "name")[0] == "XD平安银"


def test_members_are_those_of_the_day_and_equal_the_mask_of_the_universe(market: Market, tmp_path: Path) -> None:
    assert at(market, "2020-01-03").members("csi300").tolist() == [True, True, False]
    assert at(market, "2020-01-06").members("000300").tolist() == [True, False, True]
    mask = memberships(market.tables._feed, "000300", "universe").mask(market.sessions, market.symbols)
    np.testing.assert_array_equal(market.tables.members("000300", market.sessions), mask.astype(bool))


def test_the_first_table_with_a_figure_answers_and_another_can_be_named(market: Market) -> None:
    view = at(market, "2020-01-06")
    np.testing.assert_array_equal(view.fundamentals("eps"), [np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(view.fundamentals("eps", table="fundamentals_other"), [1.5, np.nan, np.nan])
    np.testing.assert_array_equal(view.fundamentals("roe"), [0.1, np.nan, np.nan])
    assert np.isnan(at(market, "2020-01-03").fundamentals("eps")).all()


def test_a_mistake_names_the_nearest(market: Market) -> None:
    view = at(market, "2020-01-06")
    with pytest.raises(ConfigError, match="no fundamentals have the figure 'epps'; did you mean 'eps'"):
        view.fundamentals("epps")
    with pytest.raises(ConfigError, match="no fundamentals 'fundamentals_othe'; did you mean 'fundamentals_other'"):
        view.fundamentals("eps", table="fundamentals_othe")
    with pytest.raises(ConfigError, match="'names' is no dated table"):
        view.as_of("names", "name")
    with pytest.raises(ConfigError, match="has no column 'nam'; did you mean 'name'"):
        view.as_of("name_history", "nam")
    with pytest.raises(ConfigError, match="000905"):
        view.members("csi500")


def test_text_of_a_report_is_no_figure(market: Market) -> None:
    assert "text" not in market.tables.figures("fundamentals_other")


def test_a_market_from_arrays_says_that_it_has_no_reports() -> None:
    close = np.ones((2, 1))
    market = Market.build(
        np.array(["2020-01-02", "2020-01-03"], "datetime64[D]"), ["600000.SH"],
        {"open": close, "high": close, "low": close, "close": close},
    )  # fmt: skip
    with pytest.raises(DataError, match="was built from arrays and has no reports; open a data folder"):
        market.view(1).fundamentals("eps")


def test_a_folder_without_reports_is_named(tables: Tables, write: Write, tmp_path: Path) -> None:
    market = open_market(str(write(tables)), universe="all", cache=tmp_path / "cache")
    with pytest.raises(DataError, match="has no fundamentals; add fundamentals_quarterly.parquet"):
        market.view(5).fundamentals("eps")


def test_a_pickled_market_answers_the_same(market: Market) -> None:
    at(market, "2020-01-06").fundamentals("eps")
    again = pickle.loads(pickle.dumps(market))
    np.testing.assert_array_equal(at(again, "2020-01-06").fundamentals("eps"), [np.nan, np.nan, 0.5])
    assert at(market.fork(), "2020-01-06").fundamentals("eps")[2] == 0.5


def test_real_reports_of_moutai_are_known_the_day_after(real_data: Path, real_cache: Path) -> None:
    market = open_market(str(real_data), universe="600519.SH", cache=real_cache)

    def known(date: str, **more: object) -> float:
        return float(at(market, date).fundamentals("net_profit", **more)[0])

    # Annual report 2019 on 2020-04-22, first quarter on 2020-04-28 (published: 43.97 and 13.86 billion yuan).
    assert known("2020-04-22") == pytest.approx(32.41e9, rel=1e-3)
    assert known("2020-04-23") == known("2020-04-28") == pytest.approx(43.97e9, rel=1e-3)
    assert known("2020-04-29") == known("2020-04-29", kind="quarter") == pytest.approx(13.86e9, rel=1e-3)
    assert known("2020-04-29", kind="ttm") == pytest.approx(45.92e9, rel=1e-3)
    assert at(market, "2020-04-29").as_of("industry_sw_history", "l1_name").tolist() == ["食品饮料"]


def test_one_join_gives_all_real_reports_on_120_month_ends(
    real_data: Path, real_cache: Path
) -> None:
    market = open_market(str(real_data), universe="all", cache=real_cache)
    months = np.arange("2011-07", "2021-07", dtype="datetime64[M]").astype("datetime64[D]")
    ends = market.sessions[np.searchsorted(market.sessions, months) - 1]
    found = [market.tables.reports(name).all_latest(ends) for name in market.tables.report_tables()]
    assert sum(map(len, found)) == 59
    assert {values.shape for figures in found for values in figures.values()} == {(120, 3589)}


def test_a_market_opens_from_its_cache_without_pandas_arrow_duckdb_or_pandera(
    tables: Tables, write: Write, tmp_path: Path
) -> None:
    folder, cache = str(write(tables)), tmp_path / "cache"
    open_market(folder, universe="all", cache=cache)
    code = (
        "import sys, pathlib; from feeds.store import open_market;"
        f"market = open_market({folder!r}, universe='all', cache=pathlib.Path({str(cache)!r}));"
        "print(market.shape, [name for name in ('pandas', 'pyarrow', 'duckdb', 'pandera') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == "(23, 3) []\n", done.stderr
