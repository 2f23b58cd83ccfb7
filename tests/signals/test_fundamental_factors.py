"""Valuation, growth, quality, leverage, size and shareholder factors: by hand, on 600519, and against noise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_data import DATA, on_real_data
from reports_market import QUARTERS, SESSIONS, SYMBOLS, market_of, reports, tables
from small_data import Tables, day

from engine.errors import DataError
from engine.market import Market
from feeds.store import open_market
from signals.factors import registry
from signals.factors.item_sources import ALL_SHARES, ANNUAL, ITEMS, QUARTERLY, RATIOS
from signals.factors.panel import FactorPanel

FAMILIES = ("valuation", "growth", "quality", "leverage", "size", "shareholders")
MINE = [name for name, one in registry.registered().items() if one.family in FAMILIES]

LAST_YEAR = {
    "revenue": 800.0, "total_revenue": 808.0, "gross_profit": 300.0, "net_profit": 80.0, "parent_net_profit": 60.0,
    "adjusted_net_profit": 64.0, "operating_profit": 100.0, "total_profit": 100.0, "operating_cash_flow": 100.0,
    "total_assets": 1600.0, "total_liabilities": 500.0, "parent_equity": 1000.0, "total_equity": 1100.0, "eps": 0.03,
    "shareholders": 40.0,
}  # fmt: skip
THIS_YEAR = {
    "revenue": 1000.0, "total_revenue": 1010.0, "operating_cost": 600.0, "gross_profit": 400.0,
    "total_operating_cost": 909.0, "selling_expense": 50.0, "administrative_expense": 40.0, "finance_expense": 25.0,
    "rd_expense": 30.0, "depreciation": 60.0, "investment_income": 10.0, "operating_profit": 120.0,
    "total_profit": 125.0, "net_profit": 100.0, "parent_net_profit": 90.0, "adjusted_net_profit": 80.0,
    "operating_cash_flow": 150.0, "net_cash_flow": 25.0, "capital_expenditure": 70.0, "eps": 0.045,
    "total_assets": 2000.0, "total_liabilities": 800.0, "total_equity": 1200.0, "parent_equity": 1100.0,
    "current_assets": 900.0, "current_liabilities": 500.0, "fixed_assets": 600.0, "inventory": 200.0,
    "receivables": 100.0, "cash": 300.0, "goodwill": 60.0, "interest_bearing_debt": 400.0, "shareholders": 50.0,
    "quick_assets": 700.0, "non_current_liabilities": 300.0,
}  # fmt: skip
WORTH = 10.0 * 2000.0

BY_HAND = {
    "ep": 90 / WORTH, "ep_cut": 80 / WORTH, "bp": 1100 / WORTH, "sp": 1000 / WORTH, "ncfp": 25 / WORTH,
    "ocfp": 150 / WORTH, "g_pe": 0.5 * 90 / WORTH, "pe": WORTH / 90, "pb": WORTH / 1100, "ps": WORTH / 1010,
    "pcf": WORTH / 25, "rd": WORTH / 30, "log_bp": math.log(1100 / WORTH), "cash_yield": 300 / WORTH,
    "ebitda_ev": (125 + 25 + 60) / (WORTH + 800 - 300), "sales_ev": 1000 / (WORTH + 800 - 300),
    "operating_profit_to_claims": 120 / (WORTH + 800),
    "sales_g_q": 0.25, "profit_g_q": 0.25, "parent_profit_g_q": 0.5, "ocf_g_q": 0.5, "adjusted_profit_g_q": 0.25,
    "roe_g_q": (90 / 1100) / (60 / 1000) - 1, "eps_g_q": 0.5, "assets_g": 0.25, "equity_g": 0.1,
    "liabilities_g": 0.6, "sales_g_ttm": 0.25, "profit_change_to_equity": 30 / 1100,
    "roe_q": 90 / 1100, "roe_ttm": 90 / 1100, "roe_end_q": 100 / 1200, "roa_q": 0.05, "roa_ttm": 0.05,
    "gross_margin_q": 0.4,
    "gross_margin_ttm": 0.4, "profit_margin_q": 0.08, "profit_margin_ttm": 0.08, "asset_turnover_q": 0.5,
    "asset_turnover_ttm": 0.5, "ocf_ratio_q": 1.5, "ocf_ratio_ttm": 1.5, "net_margin_q": 0.1,
    "net_profit_to_total_revenue": 100 / 1010, "pretax_margin": 0.125, "cost_to_revenue": 0.9,
    "fixed_asset_turnover": 1000 / 600, "inventory_turnover": 3.0, "receivable_turnover": 10.0, "rd_intensity": 0.03,
    "current_asset_share": 0.45, "goodwill_to_equity": 0.05, "accruals": -50 / 2000,
    "operating_to_total_profit": 110 / 125, "non_recurring_share": 1 - 80 / 90,
    "operating_profit_to_current_liabilities": 0.24, "gross_profit_to_assets": 0.2,
    "financial_leverage": 2000 / 1200, "debt_equity_ratio": 0.25, "cash_ratio": 0.6, "current_ratio": 1.8,
    "quick_ratio": 1.4, "debt_to_assets": 0.4, "liabilities_to_equity": 800 / 1200, "market_leverage": 1 + 300 / WORTH,
    "book_leverage": 1 + 300 / 1100, "interest_coverage": 6.0, "working_capital_to_assets": 0.2,
    "ocf_to_current_liabilities": 0.3, "interest_debt_to_assets": 0.2, "liabilities_to_market": 800 / WORTH,
    "market_value": WORTH, "ln_capital": math.log(WORTH), "float_market_value": 10_000.0, "circulating_shares": 1000.0,
    "net_assets": 1100.0, "total_equity": 1200.0, "operating_profit": 120.0, "total_revenue_ttm": 1010.0,
    "ebit": 150.0, "ebitda": 210.0, "fcff": 150 + 0.75 * 25 - 70, "eps_basic": 0.045, "eps_ttm": 0.045, "bvps": 0.55,
    "revenue_per_share": 0.5, "selling_expense": 50.0, "ln_assets": math.log(2000.0),
    "holder_avgpctchange": -0.2, "shares_per_holder": 40.0, "value_per_holder": 200.0, "float_share": 0.5,
}  # fmt: skip


def one_year_reports() -> pd.DataFrame:
    rows = [
        {"symbol": "000001.SZ", "period_end": "2017-12-31", "announce_date": "2018-03-20"} | LAST_YEAR,
        {"symbol": "000001.SZ", "period_end": "2018-12-31", "announce_date": "2019-03-20"} | THIS_YEAR,
    ]
    return reports(rows)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return market_of(tmp_path_factory.mktemp("hand"), tables(fundamentals_quarterly=one_year_reports()))


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_a_factor_is_its_formula(by_hand: Market, name: str) -> None:
    rows = [by_hand.position_of("2019-06-03")]
    values = registry.get(name)(FactorPanel(by_hand, rows))
    assert values[0, 0] == pytest.approx(BY_HAND[name], rel=1e-12)


@pytest.mark.parametrize("name", ["ep", "sales_g_q", "roe_q", "debt_to_assets", "net_assets"])
def test_a_report_counts_from_the_session_after_its_disclosure(by_hand: Market, name: str) -> None:
    told = by_hand.position_of("2019-03-20")
    values = registry.get(name)(FactorPanel(by_hand, [told, told + 1]))
    assert values[1, 0] == pytest.approx(BY_HAND[name], rel=1e-12)
    assert values[0, 0] != pytest.approx(BY_HAND[name], rel=1e-3)


def test_a_halted_stock_has_no_fundamental_factor(tmp_path: Path) -> None:
    close = np.full(len(SESSIONS), 10.0)
    close[200:203] = np.nan
    flat = {symbol: np.full(len(SESSIONS), 5.0) for symbol in SYMBOLS}
    found = tables(flat | {"000001.SZ": close}, fundamentals_quarterly=one_year_reports())
    panel = FactorPanel(market_of(tmp_path, found), [199, 200, 202, 203])
    for name in ("ep", "roe_q", "net_assets", "debt_to_assets", "profit_g_q", "market_value", "circulating_shares"):
        assert np.isfinite(registry.get(name)(panel)[:, 0]).tolist() == [True, False, False, True], name


def test_dividend_yield_counts_cash_of_twelve_months_by_ex_date_on_the_shares_of_then(tmp_path: Path) -> None:
    closes = {symbol: np.full(len(SESSIONS), 10.0) for symbol in SYMBOLS}
    closes["300001.SZ"][:50] = np.nan
    found = tables(closes)
    bars = found["daily_bars"]
    bonus = (bars["symbol"] == "000001.SZ") & (bars["date"] >= SESSIONS[100])
    bars.loc[bonus, "total_shares"] = 4000.0
    found["securities"].loc[1, ["list_date", "first_bar"]] = SESSIONS[50]
    found["ex_rights_events"] = pd.DataFrame(
        {"symbol": "000001.SZ", "ex_date": [SESSIONS[5], SESSIONS[100]], "prev_close": 10.0, "preclose": [9.7, 4.75],
         "factor_ratio": [10 / 9.7, 10 / 4.75], "share_ratio": [1.0, 2.0], "cash_per_share_est": [0.3, 0.5]}
    )  # fmt: skip
    market = market_of(tmp_path, found)
    days = ["2019-10-07", "2019-10-08", "2019-10-14", "2019-10-15", "2019-12-16", "2019-12-17"]
    values = registry.get("dp")(FactorPanel(market, [market.position_of(text) for text in days]))
    assert SESSIONS[5] == day("2018-10-15")
    both, second = (0.3 * 2000 + 0.5 * 2000) / 40_000, 0.5 * 2000 / 40_000
    np.testing.assert_allclose(values[:, 0], [np.nan, both, both, second, second, second], rtol=1e-12)
    np.testing.assert_array_equal(values[:, 2], [np.nan, 0, 0, 0, 0, 0])  # it paid nothing
    np.testing.assert_array_equal(values[:, 1], [np.nan] * 5 + [0.0])  # listed on 2018-12-17


def test_issuance_counts_shares_sold_and_no_bonus(tmp_path: Path) -> None:
    found = tables()
    bars = found["daily_bars"]
    late = bars["date"] >= SESSIONS[100]
    bonus, sold = late & (bars["symbol"] == "000001.SZ"), late & (bars["symbol"] == "300001.SZ")
    bars.loc[bonus, ["total_shares", "float_shares", "adj_factor"]] = [4000.0, 2000.0, 2.0]
    bars.loc[sold, "total_shares"] = 3000.0
    market = market_of(tmp_path, found)
    panel = FactorPanel(market, [241, 242, 300, 341 - 22])
    np.testing.assert_allclose(
        registry.get("issuance_1y")(panel),
        [[np.nan] * 3, [0, math.log(1.5), 0], [0, math.log(1.5), 0], [0, math.log(1.5), 0]],
        atol=1e-14,
    )
    growth = registry.get("float_growth_1y")(panel)
    np.testing.assert_allclose(growth[1:], [[0, 1000 / 3000 - 0.5, 0]] * 3, atol=1e-14)


def test_value_beside_the_industry_is_less_its_mean(tmp_path: Path) -> None:
    rows = [{"symbol": symbol, "period_end": "2018-12-31", "announce_date": "2019-03-20", "parent_net_profit": profit}
            for symbol, profit in zip(SYMBOLS, (200.0, 1200.0, 100.0), strict=True)]  # fmt: skip
    panel = FactorPanel(market_of(tmp_path, tables(fundamentals_quarterly=reports(rows))), [200])
    ep = [200 / 20_000, 1200 / 40_000, 100 / 10_000]
    mean = (ep[0] + ep[1]) / 2
    np.testing.assert_allclose(
        registry.get("ep_to_industry")(panel), [[ep[0] - mean, ep[1] - mean, 0.0]], rtol=1e-12, atol=1e-15
    )


def test_mid_cap_is_the_residual_of_a_regression(by_hand: Market) -> None:
    panel = FactorPanel(by_hand, [10])
    size = np.log(registry.get("market_value")(panel)[0])
    z = (size - size.mean()) / size.std(ddof=1)
    design = np.column_stack([np.ones(3), z])
    residual = z**3 - design @ np.linalg.lstsq(design, z**3, rcond=None)[0]
    np.testing.assert_allclose(registry.get("mid_cap")(panel)[0], residual, atol=1e-12)


def test_analyst_factors_say_what_they_need(by_hand: Market) -> None:
    panel = FactorPanel(by_hand, [10])
    names = [name for name, one in registry.registered().items() if one.family == "sentiment"]
    assert {"rating_average", "rating_change", "rating_targetprice"} <= set(names)
    for name in names:
        with pytest.raises(DataError, match=f"factor '{name}' needs analyst .* \\(no free source\\)"):
            registry.get(name)(panel)


def test_a_missing_item_is_named_and_no_factor_is_made_of_nothing(tmp_path: Path) -> None:
    panel = FactorPanel(market_of(tmp_path, tables()), [10])
    with pytest.raises(DataError, match="factor 'ep' needs 'item:parent_net_profit', which these data do not have"):
        registry.get("ep")(panel)


@pytest.mark.parametrize("name", MINE)
def test_a_declaration_is_complete(name: str) -> None:
    one = registry.get(name)
    assert len(one.formula) > 10 and one.chinese and one.unit and one.source and one.inputs and one.lookback
    for given in one.inputs:
        kind, _, rest = given.partition(":")
        assert kind != "item" or rest in ITEMS or rest in RATIOS


# -- noise ------------------------------------------------------------------------------------------


def random_tables(rng: np.random.Generator) -> Tables:
    """Reports of every item and layout, multiples, moving industries, events and prices at random."""
    closes = {symbol: np.round(rng.uniform(5.0, 50.0, len(SESSIONS)), 2) for symbol in SYMBOLS}
    for close in closes.values():
        close[rng.random(len(close)) < 0.05] = np.nan
        close[0] = 10.0
    layouts: dict[str, set[str]] = {}
    for one in ITEMS.values():
        for source in (*one.sources, *one.growth):
            layouts.setdefault(source.table, set()).update(source.columns)
    for ratio in RATIOS.values():
        for source in ratio.published:
            layouts.setdefault(source.table, set()).update(source.columns)
    made = {}
    for table in (QUARTERLY, ANNUAL, ALL_SHARES):
        rows = []
        for symbol in SYMBOLS:
            for end in QUARTERS if table != ANNUAL else QUARTERS[QUARTERS.month == 12]:
                told = end + pd.Timedelta(days=int(rng.integers(10, 110)))
                for version in range(int(rng.integers(1, 3))):
                    seen = pd.NaT if not version else told + pd.Timedelta(days=int(rng.integers(1, 60)))
                    figures = {name: value for name in sorted(layouts[table])
                               if (value := rng.lognormal(3.0, 1.0) - 2.0) and rng.random() < 0.9}  # fmt: skip
                    keys = {"symbol": symbol, "period_end": end, "announce_date": told, "first_seen": seen}
                    rows.append(keys | figures)
        made[table] = reports(rows)
    days = [(symbol, date) for symbol in SYMBOLS for date in SESSIONS if rng.random() < 0.8]
    multiples = pd.DataFrame(days, columns=["symbol", "date"])
    for name in ("pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm"):
        multiples[name] = rng.normal(20.0, 10.0, len(multiples))
    found = tables(closes, valuation_daily=multiples, **made)
    bars = found["daily_bars"]
    for name in ("total_shares", "float_shares"):
        bars[name] = rng.integers(1000, 3000, len(bars)) * (2.0 if name == "total_shares" else 1.0)
    bars["adj_factor"] = rng.uniform(1.0, 3.0, len(bars))
    found["ex_rights_events"] = pd.DataFrame(
        {"symbol": SYMBOLS * 4, "ex_date": SESSIONS[np.sort(rng.choice(np.arange(5, 315), 12, replace=False))],
         "prev_close": 10.0, "preclose": 9.5, "factor_ratio": 10 / 9.5, "share_ratio": 1.0, "cash_per_share_est": 0.5}
    )  # fmt: skip
    return found


def with_noise(found: Tables, after: pd.Timestamp, rng: np.random.Generator) -> Tables:
    """The same with other numbers in all that was not known at the close of a day."""
    out = {name: frame.copy() for name, frame in found.items()}
    for name, frame in out.items():
        if name.startswith("fundamentals_"):
            late = (frame["announce_date"] >= after) | (frame["first_seen"] >= after)
        elif name in ("daily_bars", "valuation_daily"):
            late = frame["date"] > after
        elif name == "ex_rights_events":
            late = frame["ex_date"] > after
        else:
            continue
        for column in frame.columns:
            if pd.api.types.is_float_dtype(frame[column]):
                frame.loc[late, column] = rng.uniform(1.0, 1e3, int(late.sum()))
        if name == "daily_bars":
            for column in ("open", "high", "low"):
                frame[column] = frame["close"]
    return out


@pytest.mark.parametrize("t", [130, 285])
def test_noise_after_a_session_changes_no_bit_of_a_factor_up_to_it(tmp_path: Path, t: int) -> None:
    rng = np.random.default_rng(t)
    found = random_tables(rng)
    true, noisy = (
        market_of(tmp_path / name, given)
        for name, given in (("true", found), ("noise", with_noise(found, SESSIONS[t], rng)))
    )
    rows = [t - 40, t - 1, t, t + 1, t + 30]
    panels = [FactorPanel(market, rows) for market in (true, noisy)]
    view = FactorPanel(noisy.view(t))
    seen, same = 0, []
    for name in MINE:
        one = registry.get(name)
        assert not one.missing(panels[0]), name
        first, second = (one(panel) for panel in panels)
        np.testing.assert_array_equal(first[:3], second[:3], err_msg=name)
        np.testing.assert_array_equal(one(view)[0], first[2], err_msg=name)
        seen += int(np.isfinite(first[:3]).any())
        if np.array_equal(first[3:], second[3:], equal_nan=True):
            same.append(name)
    assert seen >= len(MINE) - 3  # but for those that need a year of bars
    assert len(same) < 0.1 * len(MINE), same


# -- real reports -----------------------------------------------------------------------------------


@on_real_data
def test_600519_has_the_figures_of_its_tables() -> None:
    """Figures read from the tables by eye: the report of September 2015 (told 2015-10-23) and the day's multiples."""
    market = open_market(str(DATA), universe=["600519.SH"], start="2014-06-01", end="2016-01-29")
    panel = FactorPanel(market, [market.position_of("2015-12-31")])
    bars = pd.read_parquet(DATA / "daily_bars" / "2015.parquet", filters=[("symbol", "==", "600519.SH")])
    bar = bars[bars["date"] == "2015-12-31"].iloc[0]
    worth = bar["close"] * bar["total_shares"]
    assert worth == pytest.approx(218.19 * 1_256_197_800)
    table = pd.read_parquet(DATA / "fundamentals_quarterly.parquet", filters=[("symbol", "==", "600519.SH")])
    told = table[table["announce_date"] < "2015-12-31"].sort_values("period_end").iloc[-1]
    assert str(told["period_end"].date()) == "2015-09-30"
    multiple = pd.read_parquet(DATA / "valuation_daily.parquet", filters=[("symbol", "==", "600519.SH")])
    multiple = multiple[multiple["date"] == "2015-12-31"].iloc[0]
    ep = registry.get("ep")(panel)[0, 0]
    assert ep == pytest.approx(told["eps_ttm"] * told["total_shares"] / worth, rel=1e-9)
    assert 1.0 / ep == pytest.approx(multiple["pe_ttm"], rel=2e-3)
    assert registry.get("bp")(panel)[0, 0] == pytest.approx(1.0 / multiple["pb_mrq"], rel=1e-6)
    assert registry.get("roe_q")(panel)[0, 0] == told["roe_avg"]
    assert registry.get("net_margin_q")(panel)[0, 0] == pytest.approx(told["net_margin"], rel=1e-6)
    assert registry.get("profit_g_q")(panel)[0, 0] == pytest.approx(told["yoy_net_profit"], abs=2e-3)
    # 4.374 yuan a share of 2015-07-17, on 1,141,998,000 shares of before that day's bonus issue.
    assert registry.get("dp")(panel)[0, 0] == pytest.approx(4.374 * 1_141_998_000 / worth, rel=3e-3)
