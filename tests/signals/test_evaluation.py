"""One factor's figures: against Alphalens, pandas and SciPy on random and on real data, and by hand."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from engine.errors import SignalError
from signals.screening.evaluation import Evaluation, evaluate, prepare
from signals.screening.forward_returns import buyable, forward_returns

DATA = Path(os.environ.get("HUICE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
HORIZONS = (1, 5, 20)
NEAR = {"rtol": 0.0, "atol": 1e-10, "equal_nan": True}


def random_case(seed: int, ties: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prices with halts and a departure, and a factor with holes; with ties, both repeat values."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=90, name="date")
    names = pd.Index([f"S{k:02d}" for k in range(43)], name="asset")
    prices = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (90, 43)), axis=0))
    factor = rng.normal(0, 1, (90, 43)) * np.array([1.0, 1e6])[rng.integers(0, 2, 43)]
    if ties:
        prices, factor = np.round(prices, 1), np.round(rng.normal(0, 2, (90, 43)), 1)
        factor[[7, 30], 5:] = 0.0  # no five portfolios here
        factor[:, 3] = -0.0
    prices[rng.random((90, 43)) < 0.06] = np.nan
    prices[50:, 0] = np.nan
    factor[rng.random((90, 43)) < 0.1] = np.nan
    factor[3, 4] = np.inf
    return pd.DataFrame(prices, days, names), pd.DataFrame(factor, days, names)


def real_case() -> tuple[pd.DataFrame, pd.DataFrame]:
    if not (DATA / "daily_bars").is_dir():
        pytest.skip("no real data: set HUICE_DATA")
    bars = pd.read_parquet(DATA / "daily_bars" / "2018.parquet", columns=["date", "symbol", "close", "adj_factor"])
    symbols = np.sort(bars["symbol"].unique())[::9]
    bars = bars[bars["symbol"].isin(symbols)].assign(price=lambda b: b["close"] * b["adj_factor"])
    prices = bars.pivot(index="date", columns="symbol", values="price")
    prices.index = pd.DatetimeIndex(prices.index).as_unit("ns")
    prices = prices.rename_axis(index="date", columns="asset").rename(columns=str)
    return prices.iloc[:120], -(prices / prices.shift(10) - 1).iloc[:120]


CASES = {
    "random": lambda: random_case(1, ties=False),
    "random with ties": lambda: random_case(2, ties=True),
    "real": real_case,
}


def ours(prices: pd.DataFrame, factor: pd.DataFrame, **options: Any) -> Evaluation:
    """As Alphalens does: forward-filled prices, one sample for all horizons."""
    rows = np.arange(len(prices))
    returns = forward_returns(prices.to_numpy(), rows, HORIZONS, forward_fill=True)
    targets = prepare(returns, common_sample=True)
    return evaluate(factor.to_numpy(), targets, lags=HORIZONS, min_names=2, drop_unbinned=True, **options)


class Theirs:
    """Alphalens' tables of the same, on all dates."""

    def __init__(self, prices: pd.DataFrame, factor: pd.DataFrame, quantiles: object = 5) -> None:
        from alphalens import performance, utils

        self.performance = performance
        self.dates = factor.index
        stacked = factor.stack(future_stack=True)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            self.data = utils.get_clean_factor_and_forward_returns(
                stacked, prices, quantiles=quantiles, periods=HORIZONS, filter_zscore=None, max_loss=1.0
            )
            self.ic = performance.factor_information_coefficient(self.data)
        assert list(self.ic.columns) == ["1D", "5D", "20D"]

    def on_dates(self, frame: pd.DataFrame) -> np.ndarray:
        return frame.reindex(self.dates).to_numpy().T

    def by_quantile(self, frame: pd.DataFrame) -> np.ndarray:
        """(H, D, Q) of a frame by quantile and date."""
        return np.stack([frame[c].unstack("factor_quantile").reindex(self.dates).to_numpy() for c in frame])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("quantiles", [5, [0.0, 0.1, 0.5, 0.9, 1.0]])
def test_ic_quantile_returns_turnover_and_autocorrelation_are_those_of_alphalens(case: str, quantiles: object) -> None:
    prices, factor = CASES[case]()
    mine, theirs = ours(prices, factor, quantiles=quantiles), Theirs(prices, factor, quantiles)
    perf, data = theirs.performance, theirs.data
    assert np.isfinite(mine.rank_ic).sum() > 100
    np.testing.assert_allclose(mine.rank_ic, theirs.on_dates(theirs.ic), **NEAR)
    for demeaned in (True, False):
        daily, errors = perf.mean_return_by_quantile(data, by_date=True, demeaned=demeaned)
        np.testing.assert_allclose(mine.returns_by_date(demeaned), theirs.by_quantile(daily), **NEAR)
        np.testing.assert_allclose(mine.errors_by_date(), theirs.by_quantile(errors), **NEAR)
        means, errors = perf.mean_return_by_quantile(data, demeaned=demeaned)
        np.testing.assert_allclose(mine.mean_returns(demeaned), means.to_numpy().T, **NEAR)
        np.testing.assert_allclose(mine.errors(demeaned), errors.to_numpy().T, **NEAR)
    spread, _ = perf.compute_mean_returns_spread(daily, mine.quantiles, 1)
    np.testing.assert_allclose(mine.long_short() / 2, theirs.on_dates(spread), **NEAR)
    for place, lag in enumerate(HORIZONS):
        for quantile in range(1, mine.quantiles + 1):
            turnover = perf.quantile_turnover(data["factor_quantile"], quantile, lag).reindex(theirs.dates)
            np.testing.assert_allclose(mine.turnover[place, :, quantile - 1], turnover.to_numpy(float), **NEAR)
        with np.errstate(all="ignore"):
            autocorrelation = perf.factor_rank_autocorrelation(data, lag).reindex(theirs.dates)
        np.testing.assert_allclose(mine.autocorrelation[place], autocorrelation.to_numpy(float), **NEAR)


@pytest.mark.parametrize("case", ["random", "random with ties"])
def test_quantile_means_can_weigh_every_name_alike(case: str) -> None:
    prices, factor = CASES[case]()
    data = Theirs(prices, factor).data
    horizons = ["1D", "5D", "20D"]
    pooled = data.groupby("factor_quantile")[horizons].mean().to_numpy().T
    mine = ours(prices, factor)
    np.testing.assert_allclose(mine.mean_returns(demeaned=False, weights="observations"), pooled, **NEAR)
    assert np.abs(mine.mean_returns(demeaned=False) - pooled).max() > 1e-7


def test_each_horizon_keeps_the_names_that_have_a_return_over_it() -> None:
    prices, factor = random_case(2, ties=True)
    returns = forward_returns(prices.to_numpy(), np.arange(90), HORIZONS)
    mine = evaluate(factor.to_numpy(), returns, min_names=2)
    for h, horizon in enumerate(HORIZONS):
        for d in range(90):
            x, y = factor.to_numpy()[d], returns[horizon][d]
            both = np.isfinite(x) & np.isfinite(y)
            assert mine.sizes[h, d] == both.sum()
            if both.sum() < 2 or len(set(x[both])) < 2:
                assert np.isnan(mine.rank_ic[h, d]) and np.isnan(mine.ic[h, d])
                continue
            assert mine.rank_ic[h, d] == pytest.approx(stats.spearmanr(x[both], y[both])[0], abs=1e-12)
            assert mine.ic[h, d] == pytest.approx(stats.pearsonr(x[both], y[both])[0], abs=1e-10)
            # quantiles are formed on every name with a factor, whether or not a return will follow
            finite = np.isfinite(x)
            try:
                bins = pd.qcut(pd.Series(x[finite]), 5, labels=False).to_numpy()
            except ValueError:
                assert np.isnan(mine.quantile_means[h, d]).all()
                continue
            means = pd.Series(y[finite]).groupby(bins).mean().reindex(range(5))
            np.testing.assert_allclose(mine.quantile_means[h, d], means, rtol=0, atol=1e-12)


def test_ranks_survive_outliers_and_values_that_differ_in_their_last_bits_only() -> None:
    """The sort's first key is linear in 22 bits: these values share it, or have no linear scale."""
    rng = np.random.default_rng(5)
    steps = rng.integers(0, 40, (3, 300))
    close = 1.0 + steps * np.spacing(1.0)
    huge = np.where(rng.random((3, 300)) < 0.5, -1.0, 1.0) * 10.0 ** rng.integers(-300, 300, (3, 300))
    groups = (rng.integers(1, 40, (3, 300)) + 1.0) * (1.0 + steps * np.spacing(1.0))  # runs of eight or so
    outlier = rng.normal(size=(3, 300))
    outlier[:, 7] = 1e15
    wide = np.where(rng.random((3, 300)) < 0.5, -1.7e308, 1.7e308) * rng.random((3, 300))
    tiny = steps * 5e-324
    for values in (close, -close, huge, groups, outlier, wide, tiny, close * 1e-3 + (outlier > 1e14) * 1e9):
        returns = {1: rng.normal(size=(3, 300))}
        mine = evaluate(values, returns)
        expected = [stats.spearmanr(x, y)[0] for x, y in zip(values, returns[1], strict=True)]
        np.testing.assert_allclose(mine.rank_ic[0], expected, rtol=0, atol=1e-13)


def test_a_constant_factor_has_no_ic_and_no_portfolios() -> None:
    returns = {1: np.random.default_rng(0).normal(size=(2, 50))}
    mine = evaluate(np.full((2, 50), 0.1), returns)
    assert np.isnan(mine.rank_ic).all() and np.isnan(mine.ic).all() and np.isnan(mine.quantile_means).all()
    assert mine.covered.tolist() == [50, 50]


def test_figures_of_ten_names_by_hand() -> None:
    factor = np.arange(10.0)[None].repeat(2, axis=0)
    factor[1] = factor[1][[1, 0, *range(2, 10)]]  # the lowest two change places
    factor[1, 9], factor[1, 7] = 7.0, 9.0  # out of the top fifth and into it
    returns = {1: np.array([np.arange(10.0), -np.arange(10.0)]) / 100}
    mine = evaluate(factor, returns, quantiles=5)
    assert mine.rank_ic[0, 0] == pytest.approx(1.0) and mine.ic[0, 0] == pytest.approx(1.0)
    # squared rank differences of date two: two of 1 and two of 4, so 1 - 6 * 10 / (10 * 99), signs turned
    assert mine.rank_ic[0, 1] == pytest.approx(-(1 - 60 / 990))
    np.testing.assert_allclose(mine.quantile_means[0, 0], [0.005, 0.025, 0.045, 0.065, 0.085])
    assert mine.long_short()[0, 0] == pytest.approx(0.08)
    assert mine.means[0].tolist() == pytest.approx([0.045, -0.045])
    assert mine.turnover[0, 1].tolist() == [0.0, 0.0, 0.0, 0.5, 0.5]
    assert mine.autocorrelation[0, 1] == pytest.approx(1 - 60 / 990)
    assert np.isnan(mine.turnover[0, 0]).all() and np.isnan(mine.autocorrelation[0, 0])


def test_names_outside_the_universe_count_nowhere_and_coverage_is_a_share_of_it() -> None:
    rng = np.random.default_rng(3)
    factor, returns = rng.normal(size=(4, 60)), rng.normal(size=(4, 60))
    factor[:, 0:6] = np.nan
    universe = np.zeros((4, 60), dtype=bool)
    universe[:, :30] = True
    mine = evaluate(factor, prepare({1: returns}, universe=universe))
    alone = evaluate(factor[:, :30], {1: returns[:, :30]})
    np.testing.assert_array_equal(mine.rank_ic, alone.rank_ic)
    np.testing.assert_array_equal(mine.quantile_means, alone.quantile_means)
    assert mine.coverage().tolist() == pytest.approx([0.8] * 4)


def test_names_that_could_not_be_bought_leave_the_sample_but_not_the_coverage() -> None:
    rng = np.random.default_rng(4)
    factor, returns = rng.normal(size=(3, 40)), rng.normal(size=(3, 40))
    allowed = np.ones((3, 40), dtype=bool)
    allowed[:, ::4] = False
    mine = evaluate(factor, prepare({1: returns}).only(allowed))
    kept = np.flatnonzero(allowed[0])
    alone = evaluate(factor[:, kept], {1: returns[:, kept]})
    np.testing.assert_array_equal(mine.rank_ic, alone.rank_ic)
    assert mine.coverage().tolist() == [1.0, 1.0, 1.0] and mine.present.tolist() == [30, 30, 30]


def test_returns_are_missing_where_a_stock_is_halted_at_either_end_unless_filled_forward() -> None:
    prices = np.array([[10.0], [np.nan], [12.0], [15.0]])
    rows = np.arange(4)
    plain = forward_returns(prices, rows, [1, 2])
    np.testing.assert_allclose(plain[1][:, 0], [np.nan, np.nan, 0.25, np.nan])
    np.testing.assert_allclose(plain[2][:, 0], [0.2, np.nan, np.nan, np.nan])
    filled = forward_returns(prices, rows, [1], forward_fill=True)
    np.testing.assert_allclose(filled[1][:, 0], [0.0, 0.2, 0.25, np.nan])
    late = forward_returns(prices, rows, [1], delay=2)
    np.testing.assert_allclose(late[1][:, 0], [0.25, np.nan, np.nan, np.nan])
    begun = forward_returns(np.array([[np.nan], [2.0], [np.nan], [3.0]]), rows, [1], forward_fill=True)
    np.testing.assert_allclose(begun[1][:, 0], [np.nan, 0.0, 0.5, np.nan])


def test_a_name_at_its_upper_limit_or_without_a_bar_cannot_be_bought() -> None:
    prices = np.array([[10.0, 11.0, np.nan], [10.0, 10.99, 8.0]])
    limit = np.full((2, 3), 1100)
    assert buyable(prices, limit, np.arange(2)).tolist() == [[True, False, False], [True, True, True]]
    assert buyable(prices, limit, np.arange(2), delay=1).tolist() == [[True, True, True], [False, False, False]]


def test_the_summary_says_what_the_series_say() -> None:
    rng = np.random.default_rng(6)
    factor, noise = rng.normal(size=(200, 80)), rng.normal(size=(200, 80))
    mine = evaluate(factor, {1: 0.1 * factor + noise, 5: noise})
    one = mine.summary(1)
    x = mine.rank_ic[0]
    assert one.rank_ic.mean == pytest.approx(x.mean()) and one.ir == pytest.approx(x.mean() / x.std(ddof=1))
    assert one.mean_abs_rank_ic == pytest.approx(np.abs(x).mean()) and one.share_positive == (x > 0).mean()
    assert one.noise == pytest.approx(np.sqrt(2 / (np.pi * 79))) and one.names == 80
    assert one.noise_of_mean == pytest.approx(one.noise / np.sqrt(200))
    five = mine.summary(5)
    assert five.mean_abs_rank_ic == pytest.approx(five.noise, rel=0.15)  # knows nothing: noise is what is left
    assert abs(five.rank_ic.t) < 3 < one.rank_ic.t


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f, r: evaluate(f, {}), "at least one horizon"),
        (lambda f, r: prepare({1: np.zeros((1, 33_000))}), "33,000 stocks are more"),
        (lambda f, r: evaluate(f[:, :3], {1: r}), "the factor has the shape"),
        (lambda f, r: evaluate(f, {1: r, 2: r[:1]}), "the forward return over 2"),
        (lambda f, r: evaluate(f, {1: r}, quantiles=1), "quantiles must be from 2"),
        (lambda f, r: evaluate(f, {1: r}, quantiles=[0.0, 0.5]), "rise from 0 to 1"),
        (lambda f, r: evaluate(f, {1: r}, lags=[0]), "lags"),
        (lambda f, r: evaluate(f, {1: r}).at(7), "horizon 7 was not evaluated"),
        (lambda f, r: forward_returns(f, np.arange(2), [0]), "at least 1 session"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(call: object, says: str) -> None:
    factor = np.random.default_rng(0).normal(size=(2, 20))
    with pytest.raises(SignalError, match=says):
        call(factor, factor)  # type: ignore[operator]
