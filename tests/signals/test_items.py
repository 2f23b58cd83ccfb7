"""Accounting items at sessions: kinds, sources, disclosure, staleness; figures by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_data import DATA, on_real_data
from reports_market import SESSIONS, market_of, multiples, reports, tables

from engine.errors import ConfigError, DataError
from feeds.store import open_market
from signals.factors.item_sources import ITEMS, RATIOS
from signals.factors.items import available, due_quarters, item, oldest_quarters
from signals.factors.panel import FactorPanel, month_ends


def row(end: str, told: str, **figures: float) -> dict[str, object]:
    return {"symbol": "000001.SZ", "period_end": end, "announce_date": told, **figures}


def panel_of(folder: Path, **more: pd.DataFrame) -> FactorPanel:
    return FactorPanel(market_of(folder, tables(**more)))


def on(panel: FactorPanel, values: np.ndarray, date: str, symbol: str = "000001.SZ") -> float:
    at = int(np.searchsorted(panel.dates, np.datetime64(date)))
    assert panel.dates[at] == np.datetime64(date)
    return float(values[at, panel.symbols.index(symbol)])


THREE_YEARS = [
    row("2017-03-31", "2017-04-20", parent_net_profit=10.0),
    row("2017-06-30", "2017-08-20", parent_net_profit=24.0),
    row("2017-09-30", "2017-10-20", parent_net_profit=39.0),
    row("2017-12-31", "2018-03-20", parent_net_profit=50.0),
    row("2018-03-31", "2018-04-20", parent_net_profit=12.0),
    row("2018-06-30", "2018-08-20", parent_net_profit=30.0),
    row("2018-09-30", "2018-10-24", parent_net_profit=45.0),
    row("2018-12-31", "2019-03-20", parent_net_profit=70.0),
    row("2019-03-31", "2019-04-24", parent_net_profit=20.0),
]


@pytest.mark.parametrize(
    ("kind", "lag", "value"),
    [
        ("reported", 0, 20.0),
        ("quarter", 0, 20.0),
        ("quarter", 1, 70.0 - 45.0),
        ("ttm", 0, 20.0 + 70.0 - 12.0),
        ("ttm", 2, 45.0 + 50.0 - 39.0),
        ("yoy", 0, 20.0 / 12.0 - 1.0),
        ("yoy", 1, 70.0 / 50.0 - 1.0),
        ("quarter_yoy", 1, 25.0 / 11.0 - 1.0),
        ("ttm_yoy", 0, 78.0 / 52.0 - 1.0),
        ("acceleration", 0, (20.0 / 12.0) - (25.0 / 11.0)),
    ],
)
def test_kinds_of_a_flow_are_what_they_say(tmp_path: Path, kind: str, lag: int, value: float) -> None:
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(THREE_YEARS))
    assert on(panel, item(panel, "parent_net_profit", kind, lag), "2019-06-03") == pytest.approx(value, rel=1e-13)


def test_a_figure_counts_from_the_session_after_its_disclosure(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(THREE_YEARS))
    values = item(panel, "parent_net_profit", "ttm")
    assert on(panel, values, "2018-10-24") == 30.0 + 50.0 - 24.0
    assert on(panel, values, "2018-10-25") == 45.0 + 50.0 - 39.0
    assert on(panel, values, "2019-04-24") == 70.0
    assert on(panel, values, "2019-04-25") == 78.0
    assert np.isnan(values[:, 1:]).all()


def test_a_restatement_counts_from_the_day_it_was_seen_in_every_figure_it_enters(tmp_path: Path) -> None:
    again = row("2018-12-31", "2019-03-20", parent_net_profit=60.0) | {"first_seen": "2019-07-10"}
    panel = panel_of(tmp_path, fundamentals_quarterly=reports([*THREE_YEARS, again], first_seen=None))
    values = item(panel, "parent_net_profit", "ttm")
    assert on(panel, values, "2019-07-10") == 20.0 + 70.0 - 12.0
    assert on(panel, values, "2019-07-11") == 20.0 + 60.0 - 12.0


def test_an_empty_figure_is_that_of_the_report_before_for_18_months(tmp_path: Path) -> None:
    rows = [row("2018-03-31", "2018-04-20", total_assets=7.0), row("2018-09-30", "2018-10-24", total_assets=np.nan)]
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(rows))
    values = item(panel, "total_assets")
    assert on(panel, values, "2018-10-24") == on(panel, values, "2018-10-26") == on(panel, values, "2019-09-30") == 7.0
    assert np.isnan(on(panel, values, "2019-10-01"))  # 18 months after March 2018


def test_of_two_sources_the_later_quarter_counts_and_in_doubt_the_first(tmp_path: Path) -> None:
    quarterly = reports(
        [row("2018-06-30", "2018-08-20", net_profit=10.0, net_margin=0.1, main_revenue=90.0),
         row("2018-09-30", "2018-11-20", net_profit=18.0, net_margin=0.001, main_revenue=np.nan)]
    )  # fmt: skip
    other = reports([row("2018-09-30", "2018-10-30", business_income=0.0002, gross_profit_rate=25.0)])
    panel = panel_of(
        tmp_path, fundamentals_quarterly=quarterly, fundamentals_alla_2014q1_2016q2=other
    )
    values = item(panel, "revenue")
    assert on(panel, values, "2018-10-30") == pytest.approx(100.0)  # from profit and margin, before main_revenue
    assert on(panel, values, "2018-10-31") == pytest.approx(200.0)  # million yuan of the other table
    assert on(panel, values, "2018-11-21") == pytest.approx(200.0)  # that margin is too small to divide by
    assert on(panel, item(panel, "gross_profit"), "2018-11-21") == pytest.approx(50.0)
    assert on(panel, item(panel, "operating_cost"), "2018-11-21") == pytest.approx(150.0)


def test_a_multiple_of_the_day_gives_profit_where_no_report_of_a_quarter_that_is_due_does(tmp_path: Path) -> None:
    annual = reports([row("2018-12-31", "2019-03-20", net_profit_10k=0.5)])
    panel = panel_of(
        tmp_path,
        fundamentals_quarterly=reports(THREE_YEARS[:5]),
        fundamentals_annual=annual.drop(columns="announce_date"),
        valuation_daily=multiples([("000001.SZ", "2019-04-30", 8.0), ("000001.SZ", "2019-05-06", 8.0)]),
    )
    values = item(panel, "parent_net_profit", "ttm")
    assert on(panel, values, "2019-04-29") == 12.0 + 50.0 - 10.0  # the report of March 2018 is all there is
    assert on(panel, values, "2019-04-30") == 10.0 * 2000 / 8.0  # market value over PE
    assert on(panel, values, "2019-05-01") == 5000.0  # the year, from the day after its legal deadline
    assert on(panel, values, "2019-05-06") == 2500.0  # due is the first quarter of 2019
    assert on(panel, values, "2019-05-07") == 5000.0  # a multiple of another day is none of this one


def test_a_figure_since_january_is_never_set_beside_a_years(tmp_path: Path) -> None:
    annual = reports([row("2017-12-31", "", operating_profit_10k=3.0, main_revenue_10k=9.0)])
    quarterly = reports([row("2018-06-30", "2018-08-20", revenue=40_000.0) | {"symbol": "600000.SH"}])
    annual = annual.drop(columns="announce_date")
    panel = panel_of(tmp_path, fundamentals_quarterly=quarterly, fundamentals_annual=annual)
    since_january, year = item(panel, "revenue"), item(panel, "revenue", "ttm")
    assert np.isnan(on(panel, since_january, "2018-10-08"))
    assert on(panel, since_january, "2018-10-08", "600000.SH") == 40_000.0
    assert on(panel, year, "2018-10-08") == 90_000.0
    assert on(panel, item(panel, "operating_profit"), "2018-10-08") == 30_000.0  # only years are known of it


def test_levels_have_a_mean_and_growth_and_no_twelve_months(tmp_path: Path) -> None:
    rows = [row("2017-06-30", "2017-08-20", total_assets=80.0, total_liabilities=30.0),
            row("2018-06-30", "2018-08-20", total_assets=100.0, total_liabilities=40.0)]  # fmt: skip
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(rows))
    assert on(panel, item(panel, "total_assets", "average"), "2018-10-08") == 90.0
    assert on(panel, item(panel, "total_assets", "yoy"), "2018-10-08") == 0.25
    assert on(panel, item(panel, "total_equity"), "2018-10-08") == 60.0
    assert on(panel, item(panel, "parent_equity"), "2018-10-08") == 60.0  # nothing says what is the parent's
    assert on(panel, item(panel, "asset_to_equity"), "2018-10-08") == pytest.approx(100.0 / 60.0)
    with pytest.raises(ConfigError, match="'total_assets' is a figure of one day and has no kind 'ttm'"):
        item(panel, "total_assets", "ttm")


def test_a_ratio_takes_both_parts_from_one_report(tmp_path: Path) -> None:
    rows = [row("2018-06-30", "2018-08-20", operating_profit=8.0, revenue=100.0, gross_margin=0.3),
            row("2018-09-30", "2018-10-24", operating_profit=15.0, revenue=np.nan, gross_margin=0.4)]  # fmt: skip
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(rows))
    assert on(panel, item(panel, "operating_margin"), "2018-12-03") == pytest.approx(0.08)
    assert on(panel, item(panel, "gross_margin"), "2018-10-24") == 0.3
    assert on(panel, item(panel, "gross_margin"), "2018-10-25") == 0.4


def test_published_growth_counts_where_the_year_before_is_not_there_or_not_above_zero(tmp_path: Path) -> None:
    rows = [row("2018-06-30", "2018-08-20", parent_net_profit=-5.0, net_profit_yoy=0.7),
            row("2019-03-31", "2019-04-24", parent_net_profit=6.0, net_profit_yoy=0.5),
            row("2019-06-30", "2019-08-20", parent_net_profit=9.0, net_profit_yoy=2.8)]  # fmt: skip
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(rows))
    values = item(panel, "parent_net_profit", "yoy")
    assert on(panel, values, "2019-04-25") == 0.5
    assert on(panel, values, "2019-08-21") == 2.8


def test_surprise_variation_and_trend_equal_numpy_on_the_same_quarters(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    ends = pd.date_range("2013-03-31", "2018-06-30", freq="QE")
    single = rng.normal(10.0, 3.0, len(ends))
    totals = [single[k - k % 4 : k + 1].sum() for k in range(len(ends))]
    rows = [row(str(end.date()), str((end + pd.Timedelta(days=25)).date()), net_profit=value)
            for end, value in zip(ends, totals, strict=True)]  # fmt: skip
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(rows))
    change = single[4:] - single[:-4]
    x = change[-8:]
    years = single[:20].reshape(5, 4).sum(axis=1)  # 2013 to 2017
    expected = {
        "surprise": (x[-1] - x.mean()) / x.std(ddof=1),
        "variation": single[-8:].std(ddof=1) / abs(single[-8:].mean()),
        "trend": np.polyfit(np.arange(5), years, 1)[0] / np.abs(years).mean(),
        "quarter": single[-1],
        "ttm": single[-4:].sum(),
    }
    for kind, value in expected.items():
        assert on(panel, item(panel, "net_profit", kind), "2018-10-08") == pytest.approx(value, rel=1e-9), kind


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, fundamentals_quarterly=reports(THREE_YEARS))
    assert available(panel, "parent_net_profit") and available(panel, "net_profit")
    assert not available(panel, "rd_expense") and not available(panel, "gross_margin")
    with pytest.raises(DataError, match="do not have 'rd_expense'; a column 'rd_expense' of fundamentals_quarterly"):
        item(panel, "rd_expense")
    with pytest.raises(ConfigError, match="no accounting item 'revenues'; did you mean 'revenue'"):
        item(panel, "revenues")
    with pytest.raises(ConfigError, match="unknown kind 'tm' of figure; did you mean 'ttm'"):
        item(panel, "revenue", "tm")
    with pytest.raises(ConfigError, match="lag=-1 asks for reports that are not out"):
        item(panel, "revenue", lag=-1)


def test_due_and_oldest_quarters_by_hand() -> None:
    days = np.array(["2019-04-30", "2019-05-01", "2019-09-02", "2019-11-01", "2020-01-31"], dtype="datetime64[D]")
    quarters = [2018 * 4 + 2, 2019 * 4, 2019 * 4 + 1, 2019 * 4 + 2, 2019 * 4 + 2]
    assert due_quarters(days).tolist() == quarters
    # 18 months before April 2019 is October 2017: the year's end of 2017 is the first that counts.
    assert oldest_quarters(days[:1]).tolist() == [2017 * 4 + 3]
    assert oldest_quarters(np.array(["2019-03-29", "2019-06-28"], dtype="datetime64[D]")).tolist() == [
        2017 * 4 + 2,
        2017 * 4 + 3,
    ]


def test_a_panel_of_a_view_and_of_single_sessions_give_the_same_figures(tmp_path: Path) -> None:
    found = tables(
        fundamentals_quarterly=reports(THREE_YEARS), valuation_daily=multiples([("600000.SH", "2019-04-30", 8.0)])
    )
    market = market_of(tmp_path, found)
    whole = item(FactorPanel(market), "parent_net_profit", "ttm")
    rows = [3, 141, 142, 143, 200]
    np.testing.assert_array_equal(item(FactorPanel(market, rows), "parent_net_profit", "ttm"), whole[rows])
    for t in rows:
        np.testing.assert_array_equal(item(FactorPanel(market.view(t)), "parent_net_profit", "ttm"), whole[t : t + 1])
    assert np.isfinite(whole[int(np.flatnonzero(SESSIONS == "2019-04-30")[0]), 2])


def test_every_ratio_and_stand_in_is_of_known_items() -> None:
    for name, ratio in RATIOS.items():
        assert ratio.top in ITEMS and ratio.bottom in ITEMS, name
        assert name not in ITEMS
    assert all(one.instead in ITEMS for one in ITEMS.values() if one.instead)


@on_real_data
def test_items_equal_the_plain_reading_of_their_table_on_real_reports() -> None:
    market = open_market(str(DATA), universe="all")
    panel = FactorPanel(market, month_ends(market.sessions, "2012-01-01", "2019-12-31"))
    table = "fundamentals_annual"
    ends = panel.fundamentals("period_end", table=table)
    months = panel.dates.astype("datetime64[M]")[:, None] - ends.astype("datetime64[M]")
    fresh = ~np.isnat(ends) & (months.astype(np.int64) <= 18)
    plain = np.where(fresh, panel.fundamentals("current_assets_10k", table=table) * 1e4, np.nan)
    mine = item(panel, "current_assets")
    there = np.isfinite(plain)
    assert there.mean() > 0.7
    np.testing.assert_array_equal(mine[there], plain[there])
    table = "fundamentals_quarterly"
    plain = panel.fundamentals("net_profit", table=table, kind="ttm")
    newest = panel.fundamentals("period_end", table=table).astype("datetime64[M]")
    months = (panel.dates.astype("datetime64[M]")[:, None] - newest).astype(np.int64)
    there = np.isfinite(plain) & (months <= 6)
    assert there.sum() > 20_000
    np.testing.assert_array_equal(item(panel, "net_profit", "ttm")[there], plain[there])


def test_figures_of_a_table_are_made_once_for_all_panels_of_a_market(tmp_path: Path) -> None:
    market = market_of(tmp_path, tables(fundamentals_quarterly=reports(THREE_YEARS)))
    first = item(FactorPanel(market.view(200)), "parent_net_profit", "ttm")
    reports_of = market.known.reports("fundamentals_quarterly")
    (series,) = reports_of.derived.values()
    made = dict(series._latest)
    assert item(FactorPanel(market.view(201)), "parent_net_profit", "ttm")[0, 0] == first[0, 0]
    assert list(reports_of.derived.values()) == [series]
    assert all(series._latest[key] is made[key] for key in made) and len(made) == len(series._latest)
