"""Reports of the synthetic market: told in time, in line with prices, dividends and ST, and blind to the future."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feeds.synthetic_feed import Drawn, SyntheticConfig, draw_market, write_synthetic
from feeds.synthetic_report_tables import four_digits
from feeds.synthetic_reports import Reports, draw_reports

CONFIG = SyntheticConfig(stocks=150, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("reports")
    write_synthetic(place, seed=CONFIG.seed, stocks=CONFIG.stocks, start=CONFIG.start, end=CONFIG.end)
    return place


@pytest.fixture(scope="module")
def table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "fundamentals_quarterly.parquet")


@pytest.fixture(scope="module")
def bars(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((folder / "daily_bars").glob("*.parquet"))])


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return draw_market(CONFIG)


@pytest.fixture(scope="module")
def reports(drawn: Drawn) -> Reports:
    return draw_reports(drawn.people, drawn.paths, drawn.sessions, drawn.stream)


def test_reports_are_told_once_in_time_and_on_no_sunday(table: pd.DataFrame, folder: Path) -> None:
    assert not table.duplicated(["symbol", "period_end"]).any()
    assert (table.sort_values(["symbol", "period_end"]).index == table.index).all()
    days = (table["announce_date"] - table["period_end"]).dt.days
    assert days.min() >= 9
    listed = table["symbol"].map(pd.read_parquet(folder / "securities.parquet").set_index("symbol")["list_date"])
    usual = table["announce_date"] >= listed
    month = table["period_end"].dt.month
    for quarter, latest in ((3, 30), (6, 62), (9, 31), (12, 121)):
        assert days[usual & (month == quarter)].max() <= latest  # 30 April, 31 August, 31 October, 30 April
    assert (table["announce_date"].dt.day_of_week != 6)[usual].all()
    before = table[~usual]  # the last report of a prospectus: one a new stock, ten days before its listing
    assert len(before) > 20 and not before.duplicated("symbol").any()
    assert ((listed - table["announce_date"]).dt.days[~usual] == 10).all()


def test_the_first_quarter_is_never_told_before_the_year(table: pd.DataFrame) -> None:
    told = table.set_index(["symbol", "period_end"])["announce_date"]
    year = table[table["period_end"].dt.month == 12]
    spring = pd.MultiIndex.from_arrays([year["symbol"], year["period_end"] + pd.Timedelta(days=92)])
    quarter = told.reindex(spring).to_numpy()  # 31 December plus 92 days is the second of April or the first
    assert np.isnat(quarter).all()
    ends = pd.MultiIndex.from_arrays(
        [year["symbol"], pd.to_datetime(year["period_end"].dt.year.add(1).astype(str) + "-03-31")]
    )
    quarter = told.reindex(ends).to_numpy()
    both = ~np.isnat(quarter)
    assert both.sum() > 500 and (quarter[both] >= year["announce_date"].to_numpy()[both]).all()


def test_twelve_months_are_the_sum_of_four_single_quarters(table: pd.DataFrame) -> None:
    frame = table.assign(year=table["period_end"].dt.year, q=table["period_end"].dt.quarter)
    wide = frame.pivot(index="symbol", columns=["year", "q"], values="net_profit")
    single = wide[2015].diff(axis=1).fillna({1: wide[2015][1]})
    single[1] = wide[2015][1]
    earned = single.sum(axis=1, skipna=False)
    rows = frame[(frame["year"] == 2015) & (frame["q"] == 4)].set_index("symbol")
    told = (rows["eps_ttm"] * rows["total_shares"]).reindex(earned.index)
    known = earned.notna() & told.notna()
    assert known.sum() > 60 and np.allclose(told[known], earned[known], rtol=1e-3, atol=1e4)


def test_valuation_is_the_close_over_what_the_latest_report_told_before(
    table: pd.DataFrame, bars: pd.DataFrame, folder: Path
) -> None:
    told = table.assign(earned=table["eps_ttm"] * table["total_shares"])
    told = told.sort_values(["announce_date", "period_end"])[["announce_date", "symbol", "earned"]]
    left = bars.sort_values("date")[["date", "symbol", "close", "total_shares"]]
    joined = pd.merge_asof(
        left, told, left_on="date", right_on="announce_date", by="symbol", allow_exact_matches=False
    ).dropna(subset=["earned"])
    value = pd.read_parquet(folder / "valuation_daily.parquet")
    assert len(value) == len(joined)
    both = value.merge(joined, on=["date", "symbol"])
    assert len(both) == len(value)
    ratio = both["close"] * both["total_shares"].astype(float) / both["earned"]
    far = (both["pe_ttm"] / ratio - 1).abs()
    assert (far[both["earned"].abs() > 1e6] < 0.0015).all()  # four digits, and eps to six decimals
    assert (value[["pb_mrq", "ps_ttm"]] > 0).all().all() and value["pe_ttm"].lt(0).mean() < 0.25
    assert value.sort_values(["symbol", "date"]).index.equals(value.index)


def test_two_losses_stand_behind_a_stock_under_special_treatment(table: pd.DataFrame, bars: pd.DataFrame) -> None:
    years = table[table["period_end"].dt.month == 12].assign(year=lambda rows: rows["period_end"].dt.year)
    profit = years.set_index(["symbol", "year"])["net_profit"]
    seen = 0
    for year in range(2012, 2021):
        day = bars["date"][bars["date"] >= f"{year}-05-10"].min()
        marked = bars[(bars["date"] == day) & bars["is_st"]]["symbol"]
        for symbol in marked:
            for before in (1, 2):
                figure = profit.get((symbol, year - before))
                if figure is not None:
                    seen += 1
                    assert figure < 0, (symbol, year, before)
    assert seen > 10


def test_who_pays_cash_had_a_profit_that_covers_it(table: pd.DataFrame, folder: Path) -> None:
    events = pd.read_parquet(folder / "ex_rights_events.parquet")
    events = events[events["cash_per_share_est"] > 0]
    years = table[table["period_end"].dt.month == 12]
    profit = years.set_index([years["symbol"], years["period_end"].dt.year])["net_profit"]
    keys = pd.MultiIndex.from_arrays([events["symbol"], events["ex_date"].dt.year - 1])
    earned = profit.reindex(keys).to_numpy()
    known = np.isfinite(earned)
    assert known.sum() > 200 and (earned[known] > 0).all()


def test_equity_grows_by_profit_less_dividends(drawn: Drawn, reports: Reports) -> None:
    events = drawn.paths.events
    month = drawn.sessions[events["t"]].astype("datetime64[M]").astype(int) - 12 * (reports.first_year - 1970)
    paid = np.zeros(reports.equity.shape)
    held = drawn.paths.total_shares[events["t"], events["i"]] * 10 / (10 + events["bonus"])
    np.add.at(paid, (month // 3, events["i"]), events["cash"] / 100 * held)
    change = np.diff(reports.equity, axis=0)
    expected = (reports.profit - paid)[1:]
    floor = np.isclose(reports.equity[1:], 0.05 * reports.equity[:-1])
    assert paid.sum() > 0 and floor.mean() < 0.01
    assert np.allclose(change[~floor], expected[~floor], rtol=1e-6, atol=1.0)


def test_no_report_knows_a_later_price(drawn: Drawn, reports: Reports) -> None:
    cut = int(np.searchsorted(drawn.sessions, np.datetime64("2015-02-01")))
    mark = drawn.paths.mark.copy()
    mark[cut:] *= 3
    later = draw_reports(drawn.people, dataclasses.replace(drawn.paths, mark=mark), drawn.sessions, drawn.stream)
    year = reports.period_end.astype("datetime64[Y]").astype(int) + 1970
    assert np.array_equal(later.profit[year <= 2015], reports.profit[year <= 2015])
    assert not np.array_equal(later.profit[year == 2016], reports.profit[year == 2016])
    assert np.array_equal(later.told, reports.told)


def test_figures_have_four_significant_digits() -> None:
    assert four_digits(np.array([123456.0, -0.0012345678, 9.99951])).tolist() == pytest.approx(
        [123500.0, -0.001235, 10.0], rel=1e-6
    )
