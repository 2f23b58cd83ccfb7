"""Momentum, volatility, beta and turnover against statsmodels, SciPy, pandas and hand computation on real stocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm

from engine.market import Market
from feeds.store import open_market
from signals.factors import fama_french, items
from signals.factors.panel import FactorPanel, month_ends
from signals.factors.registry import get
from signals.factors.windows import MONTH


@pytest.fixture(scope="module")
def panel(real_market: Market) -> FactorPanel:
    return FactorPanel(real_market)


@pytest.fixture(scope="module")
def large(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Market:
    """The CSI 300 from 2013 to 2016: enough stocks for a double sort."""
    cache = tmp_path_factory.mktemp("large")
    return open_market(str(real_data), universe="csi300", start="2014-01-02", end="2016-06-30", cache=cache)


def bars_until(market: Market, i: int, t: int, count: int) -> np.ndarray:
    """Sessions of the last ``count`` bars of stock i up to t; fewer if there are fewer."""
    return np.flatnonzero(market.traded[: t + 1, i])[-count:]


def samples(market: Market, bars: int) -> list[tuple[int, int]]:
    """(t, i) with a bar at t and at least ``bars`` bars by then."""
    rng = np.random.default_rng(5)
    found = []
    for i in range(len(market.symbols)):
        own = np.flatnonzero(market.traded[:, i])[bars - 1 :]
        found += [(int(t), i) for t in rng.choice(own, 6, replace=False)] if len(own) > 6 else []
    assert len(found) >= 40
    return found


def test_past_returns_are_ratios_of_back_adjusted_closes_of_own_bars(real_market: Market, panel: FactorPanel) -> None:
    market = real_market
    for months in (1, 3, 6, 12):
        values = get(f"return_{months}m")(panel)
        for t, i in samples(market, months * MONTH + 1):
            first = bars_until(market, i, t, months * MONTH + 1)[0]
            price = market.close[[first, t], i] * market.adj_factor[[first, t], i]
            assert values[t, i] == pytest.approx(price[1] / price[0] - 1.0, rel=1e-12)


def test_a_factor_younger_than_its_window_is_absent_and_so_is_one_of_a_halted_stock(
    real_market: Market, panel: FactorPanel, young: int
) -> None:
    own = np.flatnonzero(real_market.traded[:, young])
    values = get("return_12m")(panel)[:, young]
    assert np.isnan(values[: own[252]]).all() and np.isfinite(values[own[252]])
    assert (np.isfinite(get("turnover_1m")(panel)) <= (real_market.traded > 0)).all()
    assert np.isnan(get("ln_price")(panel)[real_market.traded == 0]).all()


def test_the_weighted_returns_follow_the_formula(real_market: Market, panel: FactorPanel) -> None:
    market = real_market
    plain, decayed = get("turnover_weighted_return_3m")(panel), get("decayed_turnover_weighted_return_3m")(panel)
    for t, i in samples(market, 3 * MONTH):
        rows = bars_until(market, i, t, 3 * MONTH)
        product = market.turnover[rows, i] * (market.close[rows, i] / market.preclose[rows, i] - 1.0)
        ages = np.arange(len(rows))[::-1]
        known = np.isfinite(product)
        if known.sum() < 3 * MONTH * 4 // 5:
            assert np.isnan(plain[t, i]) and np.isnan(decayed[t, i])
            continue
        assert plain[t, i] == pytest.approx(product[known].mean(), rel=1e-9, abs=1e-15)
        weights = np.exp(-ages / 3 / 4)
        assert decayed[t, i] == pytest.approx((product * weights)[known].mean(), rel=1e-9, abs=1e-15)


def test_moments_of_twenty_returns_are_scipys(real_market: Market, panel: FactorPanel) -> None:
    market = real_market
    found = {name: get(name)(panel) for name in ("variance_20", "kurtosis_20", "skewness_20", "sharpe_20")}
    for t, i in samples(market, 20):
        rows = bars_until(market, i, t, 20)
        daily = market.close[rows, i] / market.preclose[rows, i] - 1.0
        assert found["variance_20"][t, i] == pytest.approx(daily.var(ddof=1) * 250, rel=1e-9)
        assert found["kurtosis_20"][t, i] == pytest.approx(scipy.stats.kurtosis(daily, bias=False), rel=1e-8, abs=1e-8)
        assert found["skewness_20"][t, i] == pytest.approx(scipy.stats.skew(daily, bias=False), rel=1e-8, abs=1e-8)
        sharpe = (daily.mean() * 250 - 0.04) / (daily.std(ddof=1) * np.sqrt(250))
        assert found["sharpe_20"][t, i] == pytest.approx(sharpe, rel=1e-8)


@pytest.mark.parametrize("months", [1, 12])
def test_residual_volatility_is_that_of_statsmodels_on_the_three_factors(
    large: Market, months: int
) -> None:
    market, panel = large, FactorPanel(large)
    values = get(f"ff3_residual_std_{months}m")(panel)
    factors = np.column_stack(fama_french.daily_factors(panel))
    compared = 0
    for t, i in samples(market, months * MONTH)[::9]:
        rows = bars_until(market, i, t, months * MONTH)
        if not np.isfinite(factors[rows]).all():
            assert np.isnan(values[t, i])
            continue
        daily = market.close[rows, i] / market.preclose[rows, i] - 1.0
        fit = sm.OLS(daily, sm.add_constant(factors[rows])).fit()
        assert values[t, i] == pytest.approx(fit.resid.std(ddof=1), rel=1e-8)
        compared += 1
    assert compared > 30


def test_the_factors_of_fama_and_french_are_those_of_a_plain_double_sort(large: Market) -> None:
    market = large
    found = np.column_stack(fama_french.daily_factors(FactorPanel(market)))
    ends = month_ends(market.sessions)
    end = int(ends[np.searchsorted(market.sessions[ends], np.datetime64("2014-09-30"))])
    book = items.item(FactorPanel(market, [end], tail=1), "parent_equity")[0]
    frame = pd.DataFrame({
        "size": market.close[end] * market.float_shares[end], "value": market.close[end] * market.total_shares[end],
        "book": book,
    })[(market.traded[end] > 0) & (market.member[end] > 0)]  # fmt: skip
    frame = frame[frame["size"] > 0]
    frame["bm"] = (frame["book"] / frame["value"]).where(frame["book"] > 0)
    frame["big"] = frame["size"] > frame["size"].median()
    known = frame.dropna(subset=["bm"]).copy()
    low, high = known["bm"].quantile([0.3, 0.7])
    known["kind"] = np.select([known["bm"] <= low, known["bm"] >= high], ["L", "H"], "M")
    for t in (end + 1, end + 10):
        daily = pd.Series(market.close[t] / market.preclose[t] - 1.0).where(pd.Series(market.traded[t] > 0))

        def mean(group: pd.DataFrame, daily: pd.Series = daily) -> float:
            own = daily[group.index].dropna()
            return float(np.average(own, weights=group.loc[own.index, "size"]))

        cell = {key: mean(group) for key, group in known.groupby(["big", "kind"])}
        smb = np.mean([cell[False, k] - cell[True, k] for k in "LMH"])
        hml = np.mean([cell[b, "H"] - cell[b, "L"] for b in (False, True)])
        assert found[t] == pytest.approx([mean(frame), smb, hml], rel=1e-9)


def test_alpha_and_beta_of_sixty_months_are_statsmodels(real_market: Market, panel: FactorPanel) -> None:
    market = real_market
    alpha, beta = get("ha_alpha")(panel), get("beta_60m")(panel)
    index = panel.index("000001")
    ends = month_ends(market.sessions)
    compared = 0
    for t in (*ends[62::7], ends[70] - 5):
        months = np.append(ends[ends < t][-60:], t)
        for i in range(len(market.symbols)):
            early = market.traded[: months[0] + 1, i].any()
            if not (early and market.traded[t, i]):
                assert np.isnan(beta[t, i])
                continue
            stock, level = [], []
            for a, b in zip(months[:-1], months[1:], strict=True):
                # the last bar inside each month, none if it was halted throughout
                closes = []
                for end in (a, b):
                    month = market.sessions[: end + 1].astype("datetime64[M]")
                    own = np.flatnonzero((month == month[-1]) & (market.traded[: end + 1, i] > 0))
                    closes.append(market.close[own[-1], i] * market.adj_factor[own[-1], i] if len(own) else np.nan)
                stock.append(closes[1] / closes[0] - 1.0)
                level.append(index[b] / index[a] - 1.0)
            kept = np.isfinite(stock)
            if kept.sum() < 48:
                assert np.isnan(beta[t, i])
                continue
            fit = sm.OLS(np.array(stock)[kept], sm.add_constant(np.array(level)[kept])).fit()
            assert (alpha[t, i], beta[t, i]) == pytest.approx(tuple(fit.params), rel=1e-8)
            compared += 1
    assert compared > 50


def test_daily_beta_is_that_of_statsmodels(real_market: Market, panel: FactorPanel) -> None:
    market, values, index = real_market, get("beta_250d")(panel), panel.index("000001")
    for t, i in samples(market, 260)[::4]:
        rows = bars_until(market, i, t, 250)
        daily = market.close[rows, i] / market.preclose[rows, i] - 1.0
        fit = sm.OLS(daily, sm.add_constant(index[rows] / index[rows - 1] - 1.0)).fit()
        assert values[t, i] == pytest.approx(fit.params[1], rel=1e-8)


def test_turnover_leaves_out_halts_and_days_at_a_limit(real_market: Market, panel: FactorPanel) -> None:
    market = real_market
    month, bias = get("turnover_1m")(panel), get("turnover_bias_1m")(panel)

    def mean(t: int, i: int, count: int) -> float:
        rows = bars_until(market, i, t, count)
        fen = np.rint(market.close[rows, i] * 100)
        free = (fen != market.limit_up[rows, i]) & (fen != market.limit_down[rows, i])
        own = market.turnover[rows, i][free]
        own = own[np.isfinite(own)]
        return float(own.mean()) if len(own) >= count // 2 else np.nan

    at_limit = 0
    for t, i in samples(market, 24 * MONTH):
        assert month[t, i] == pytest.approx(mean(t, i, MONTH), rel=1e-9, nan_ok=True)
        long = mean(t, i, 24 * MONTH)
        assert bias[t, i] == pytest.approx(mean(t, i, MONTH) / long - 1.0, rel=1e-8, abs=1e-12, nan_ok=True)
        rows = bars_until(market, i, t, 24 * MONTH)
        at_limit += int((np.rint(market.close[rows, i] * 100) == market.limit_up[rows, i]).sum())
    assert at_limit > 20


def test_volume_factors_follow_their_formulas(real_market: Market, panel: FactorPanel) -> None:
    market = real_market
    names = ("amount_mean_20", "volume_std_20", "illiquidity_20", "money_flow_20", "up_amount_share_20", "vwap_gap_20")
    found = {name: get(name)(panel) for name in names}
    for t, i in samples(market, 20):
        rows = bars_until(market, i, t, 20)
        high, low, close, amount, volume, factor, before = (
            getattr(market, name)[rows, i]
            for name in ("high", "low", "close", "amount", "volume", "adj_factor", "preclose")
        )
        daily = close / before - 1.0
        place = np.where(high > low, (2 * close - high - low) / np.where(high > low, high - low, 1), 0.0)
        expected = {
            "amount_mean_20": amount.mean(),
            "volume_std_20": volume.std(ddof=1),
            "illiquidity_20": (np.abs(daily) * 1e8 / amount).mean(),
            "money_flow_20": (place * amount).sum() / amount.sum(),
            "up_amount_share_20": amount[daily > 0].sum() / amount.sum(),
            "vwap_gap_20": close[-1] * factor[-1] / (amount.sum() / (volume / factor).sum()) - 1.0,
        }
        for name in names:
            assert found[name][t, i] == pytest.approx(expected[name], rel=1e-8, abs=1e-12), name
