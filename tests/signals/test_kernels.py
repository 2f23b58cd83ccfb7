"""Rolling kernels against pandas, SciPy and statsmodels, on real stocks and on hard cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import factor_panels
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm

from engine.errors import ConfigError
from signals.factors import kernels as k
from signals.factors import quantile_kernels
from signals.factors.blocks import steps

REAL = "real stocks"


def packs() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Two series and starts by case: values, others, starts."""
    rng = np.random.default_rng(7)
    walk = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, 400)))
    other = rng.lognormal(10.0, 1.0, 400)
    holes, other_holes = walk.copy(), other.copy()
    holes[rng.random(400) < 0.15] = np.nan
    holes[100:140] = np.nan
    other_holes[rng.random(400) < 0.1] = np.inf
    flat = np.round(walk / 10.0)
    flat[50:230] = 0.1 + 0.2
    huge = 1e10 * rng.lognormal(0.0, 0.7, 400)
    level = 1e6 + rng.normal(0.0, 1.0, 400)
    starts = np.array([0, 3, 3, 30, 95, 400])  # stocks younger than every window, and one without a bar
    return {
        "one long stock": (walk, other, np.array([0, 400])),
        "young stocks": (walk, other, starts),
        "missing values": (holes, other_holes, starts),
        "constants": (flat, other, starts),
        "amounts of 1e10": (huge, other, starts),
        "a high level": (level, other, starts),
    }


CASES = packs()


@pytest.fixture(scope="module")
def real_panel() -> Any:
    return factor_panels.real_panel(3, "2015-05-04", "2016-06-30")


@pytest.fixture(scope="module")
def real_pack(real_panel: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return real_panel.adjusted("close"), real_panel.bars("amount"), real_panel.starts


@pytest.fixture(params=[*CASES, REAL])
def case(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if request.param == REAL:
        return request.getfixturevalue("real_pack")
    return CASES[request.param]


def by_window(
    series: tuple[np.ndarray, ...], starts: np.ndarray, window: int, least: int, measure: Callable[..., float]
) -> np.ndarray:
    """``measure`` of the complete rows of each window, one window after the other."""
    out = np.full(len(series[0]), np.nan)
    for low, high in zip(starts[:-1], starts[1:], strict=True):
        for r in range(low, high):
            part = np.array([one[max(low, r - window + 1) : r + 1] for one in series])
            there = np.isfinite(part).all(axis=0)
            if there.sum() >= max(least, 1):
                out[r] = measure(*part[:, there])
    return out


def by_pandas(values: np.ndarray, starts: np.ndarray, window: int, least: int, name: str, **more: Any) -> np.ndarray:
    stock = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    rolling = pd.Series(np.where(np.isfinite(values), values, np.nan)).groupby(stock).rolling(window, min_periods=least)
    return getattr(rolling, name)(**more).to_numpy(copy=True)


def agree(ours: np.ndarray, theirs: np.ndarray, floor: float = 1e-12) -> None:
    """Equal to 1e-8 of the value, or of ``floor`` where that is tiny; missing together."""
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8 * floor)


def usual(values: np.ndarray) -> float:
    """The usual size of the values; 1 if all are missing."""
    there = values[np.isfinite(values)]
    return float(np.median(np.abs(there))) if len(there) else 1.0


@pytest.mark.parametrize(("window", "least"), [(1, 1), (5, 5), (20, 1), (60, 7), (120, 120)])
def test_sums_means_and_extremes_are_those_of_pandas(case: Any, window: int, least: int) -> None:
    x, _, starts = case
    scale = float(np.nanmax(np.abs(x[np.isfinite(x)])))
    for name in ("mean", "sum", "max", "min"):
        ours = getattr(k, f"rolling_{name}")(x, starts, window, least)
        agree(ours, by_pandas(x, starts, window, least, name), scale * window * 1e-6)


@pytest.mark.parametrize(("window", "least", "ddof"), [(2, 2, 1), (5, 3, 1), (20, 20, 0), (60, 2, 1), (120, 120, 1)])
def test_standard_deviations_are_those_of_numpy(case: Any, window: int, least: int, ddof: int) -> None:
    x, _, starts = case
    ours = k.rolling_std(x, starts, window, least, ddof=ddof)
    theirs = by_window((x,), starts, window, max(least, ddof + 1), lambda v: np.std(v - v[0], ddof=ddof))
    agree(ours, theirs, 1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("window", "least"), [(20, 20), (63, 5)])
def test_skewness_and_kurtosis_are_those_of_scipy(case: Any, window: int, least: int, bias: bool) -> None:
    x, _, starts = case
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.concatenate([[np.nan], x[1:] / x[:-1] - 1.0])

    def measure(of: Callable[..., float], v: np.ndarray) -> float:
        constant = np.ptp(v) == 0.0
        return np.nan if constant else float(of(v, bias=bias))

    for ours, of in ((k.rolling_skew, scipy.stats.skew), (k.rolling_kurtosis, scipy.stats.kurtosis)):
        theirs = by_window((returns,), starts, window, least, lambda v, of=of: measure(of, v))
        agree(ours(returns, starts, window, least, bias=bias), theirs, 1.0)


def test_kurtosis_beside_an_earlier_crash_keeps_its_digits() -> None:
    """A running sum of fourth powers would not."""
    rng = np.random.default_rng(3)
    x = rng.normal(0.0, 1e-4, 400)
    x[100] = 1e3
    ours = k.rolling_kurtosis(x, np.array([0, 400]), 20)
    theirs = [scipy.stats.kurtosis(x[r - 19 : r + 1]) for r in range(150, 400)]
    np.testing.assert_allclose(ours[150:], theirs, rtol=1e-8)


@pytest.mark.parametrize(("window", "least"), [(5, 5), (20, 1), (60, 7)])
def test_ranks_and_quantiles_are_those_of_pandas(case: Any, window: int, least: int) -> None:
    x, _, starts = case
    ranked = by_pandas(x, starts, window, least, "rank", pct=True)
    ranked[~np.isfinite(x)] = np.nan
    agree(k.rolling_rank(x, starts, window, least), ranked)
    for fraction in (0.0, 0.2, 0.5, 0.8, 1.0):
        ours = k.rolling_quantile(x, starts, window, least, fraction=fraction)
        agree(ours, by_pandas(x, starts, window, least, "quantile", q=fraction))


@pytest.mark.parametrize(("window", "least"), [(1, 1), (5, 5), (20, 1), (60, 7)])
def test_the_place_of_an_extreme_is_that_of_the_oldest_of_equals(case: Any, window: int, least: int) -> None:
    x, _, starts = case
    found = {"max": np.full(len(x), np.nan), "min": np.full(len(x), np.nan)}
    for low, high in zip(starts[:-1], starts[1:], strict=True):
        for r in range(low, high):
            part = x[max(low, r - window + 1) : r + 1]
            if np.isfinite(part).sum() >= least:
                found["max"][r] = 1 + np.nanargmax(np.where(np.isfinite(part), part, np.nan))
                found["min"][r] = 1 + np.nanargmin(np.where(np.isfinite(part), part, np.nan))
    np.testing.assert_array_equal(k.rolling_argmax(x, starts, window, least), found["max"])
    np.testing.assert_array_equal(k.rolling_argmin(x, starts, window, least), found["min"])


@pytest.mark.parametrize(("window", "least"), [(2, 2), (20, 20), (60, 7), (120, 120)])
def test_trends_are_those_of_scipy(case: Any, window: int, least: int) -> None:
    x, _, starts = case
    time = np.arange(float(len(x)))
    finite = x[np.isfinite(x)]
    scale = float(np.ptp(finite))

    def line(t: np.ndarray, v: np.ndarray) -> Any:
        return scipy.stats.linregress(t - t[0], v - v[0])

    few = max(least, 2)
    agree(
        k.rolling_slope(x, starts, window, least),
        by_window((time, x), starts, window, few, lambda t, v: line(t, v).slope),
        scale / window,
    )
    agree(
        k.rolling_rsquare(x, starts, window, least),
        by_window((time, x), starts, window, few, lambda t, v: np.nan if np.ptp(v) == 0 else line(t, v).rvalue ** 2),
        1e-2,
    )
    rest = by_window(
        (time, x), starts, window, few,
        lambda t, v: v[-1] - v[0] - line(t, v).intercept - line(t, v).slope * (t[-1] - t[0]),
    )  # fmt: skip
    rest[~np.isfinite(x)] = np.nan
    agree(k.rolling_resid(x, starts, window, least), rest, 1e-2 * scale)


@pytest.mark.parametrize(("window", "least"), [(5, 5), (20, 2), (60, 60), (120, 7)])
def test_pairs_are_those_of_numpy(case: Any, window: int, least: int) -> None:
    x, y, starts = case

    def products(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
        u, v = a - a[0] - (a - a[0]).mean(), b - b[0] - (b - b[0]).mean()
        return float(u @ u), float(v @ v), float(u @ v)

    def correlation(a: np.ndarray, b: np.ndarray) -> float:
        aa, bb, ab = products(a, b)
        return np.nan if np.ptp(a) == 0 or np.ptp(b) == 0 else ab / np.sqrt(aa * bb)

    def slope(a: np.ndarray, b: np.ndarray) -> float:
        aa, _, ab = products(a, b)
        return np.nan if np.ptp(a) == 0 else ab / aa

    few = max(least, 2)
    agree(k.rolling_corr(x, y, starts, window, least), by_window((x, y), starts, window, few, correlation), 1e-1)
    betas = by_window((x, y), starts, window, few, slope)
    agree(k.rolling_beta(y, x, starts, window, least), betas, usual(betas))
    covariances = by_window((x, y), starts, window, few, lambda a, b: products(a, b)[2] / (len(a) - 1))
    agree(k.rolling_cov(x, y, starts, window, least), covariances, usual(covariances))
    alphas = by_window((x, y), starts, window, few, lambda a, b: b.mean() - slope(a, b) * a.mean())
    agree(k.rolling_alpha(y, x, starts, window, least), alphas, usual(alphas))


def test_alpha_beta_and_three_factor_residuals_are_those_of_statsmodels(real_panel: Any) -> None:
    rng = np.random.default_rng(11)
    returns, starts = real_panel.returns, real_panel.starts
    dates = real_panel.bar_sessions
    factors = rng.normal(0.0, 0.01, (3, dates.max() + 1))
    market, small, value = factors[:, dates]
    window = 60
    beta = k.rolling_beta(returns, market, starts, window)
    alpha = k.rolling_alpha(returns, market, starts, window)
    rest = {ddof: k.rolling_residual_std(returns, (market, small, value), starts, window, ddof=ddof) for ddof in (1, 4)}
    for low, high in zip(starts[:-1], starts[1:], strict=True):
        for r in range(low, high, 37):
            if r - low + 1 < window:
                assert np.isnan([beta[r], alpha[r], rest[1][r], rest[4][r]]).all()
                continue
            rows = slice(r - window + 1, r + 1)
            one = sm.OLS(returns[rows], sm.add_constant(market[rows])).fit()
            np.testing.assert_allclose([alpha[r], beta[r]], one.params, rtol=1e-8, atol=1e-12)
            three = sm.OLS(returns[rows], sm.add_constant(np.column_stack([market, small, value])[rows])).fit()
            assert rest[4][r] == pytest.approx(np.sqrt(three.mse_resid), rel=1e-8)
            assert rest[1][r] == pytest.approx(np.std(three.resid, ddof=1), rel=1e-8)


def test_three_factor_residuals_pass_over_missing_rows_and_refuse_collinear_factors() -> None:
    rng = np.random.default_rng(5)
    a, b, c, noise = rng.normal(size=(4, 120))
    y = 0.3 + a - 2.0 * b + 0.5 * c + 0.1 * noise
    y[[3, 50, 51]], b[70] = np.nan, np.inf
    starts = np.array([0, 120])
    ours = k.rolling_residual_std(y, (a, b, c), starts, 60, 20)
    for r in (22, 59, 69, 90, 119):
        rows = slice(max(0, r - 59), r + 1)
        part = np.column_stack([y, a, b, c])[rows]
        part = part[np.isfinite(part).all(axis=1)]
        if len(part) < 20:
            assert np.isnan(ours[r])
            continue
        fit = sm.OLS(part[:, 0], sm.add_constant(part[:, 1:])).fit()
        assert ours[r] == pytest.approx(np.std(fit.resid, ddof=1), rel=1e-8)
    assert np.isnan(k.rolling_residual_std(noise, (a, a, c), starts, 60)).all()


@pytest.mark.parametrize(("window", "least"), [(1, 1), (5, 5), (20, 1), (60, 7)])
def test_weighted_averages_are_the_written_out_ones(case: Any, window: int, least: int) -> None:
    x, y, starts = case
    rate = 0.97
    place = np.arange(float(len(x)))
    scale = float(np.nanmax(np.abs(x[np.isfinite(x)]))) * 1e-3

    def against(ours: np.ndarray, weight: Callable[[np.ndarray], np.ndarray], plain: bool = False) -> None:
        theirs = np.full(len(x), np.nan)
        for low, high in zip(starts[:-1], starts[1:], strict=True):
            for r in range(low, high):
                rows = np.arange(max(low, r - window + 1), r + 1)
                rows = rows[np.isfinite(x[rows])]
                if len(rows) >= least:
                    w = weight(place[r] - place[rows])
                    theirs[r] = (w * x[rows]).sum() / (len(rows) if plain else w.sum())
        agree(ours, theirs, scale)

    against(k.rolling_decay(x, starts, window, least, rate=rate), lambda age: rate**age)
    against(k.rolling_decay(x, starts, window, least, rate=rate, normalise=False), lambda age: rate**age, plain=True)
    against(k.rolling_wma(x, starts, window, least), lambda age: window - age)
    theirs = by_window((x, y), starts, window, least, lambda a, b: (a * b).sum() / b.sum())
    agree(k.rolling_weighted(x, y, starts, window, least), theirs, scale)


def test_the_exponential_average_is_that_of_pandas_and_begins_anew_with_each_stock(case: Any) -> None:
    x, _, starts = case
    values = pd.Series(np.where(np.isfinite(x), x, np.nan))
    stock = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    theirs = values.groupby(stock).transform(
        lambda one: one.ewm(span=12, adjust=False, ignore_na=True, min_periods=12).mean()
    )
    agree(k.ema(x, starts, span=12, min_count=12), theirs.to_numpy(), float(values.abs().max()) * 1e-3)
    shifted = values.groupby(stock).shift(3).to_numpy()
    np.testing.assert_array_equal(k.shift(values.to_numpy(), starts, 3), shifted)
    np.testing.assert_array_equal(k.ratio(values.to_numpy(), starts, 3), values.to_numpy() / shifted)
    for rows in (0, 1000):
        expected = values.to_numpy() if rows == 0 else np.full(len(values), np.nan)
        np.testing.assert_array_equal(k.shift(values.to_numpy(), starts, rows), expected)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 20, 31, 60])
@pytest.mark.parametrize("case", ["young stocks", "missing values", "constants"])
def test_single_windows_have_the_bits_of_a_pass_over_all_rows(case: str, window: int) -> None:
    x, y, starts = CASES[case]
    rows, lows = np.arange(len(x)), np.repeat(starts[:-1], np.diff(starts))
    rows, lows = np.append(rows, -1), np.append(lows, 0)
    for least in {1, window}:
        for normalise in (True, False):
            whole = k.rolling_decay(x, starts, window, least, rate=0.9, normalise=normalise)
            single = k.decay_at(x, rows, lows, window, least, rate=0.9, normalise=normalise)
            np.testing.assert_array_equal(single, np.append(whole, np.nan))
    three = y, np.sqrt(np.abs(y)), np.cbrt(y)
    whole = k.rolling_residual_std(x, three, starts, window)
    np.testing.assert_array_equal(k.residual_std_at(x, three, rows, lows, window), np.append(whole, np.nan))
    windows, fractions, least_of = np.array([window, window + 7]), np.array([0.8, 0.2]), np.array([1, 3])
    found = np.full((2, 4, len(x)), np.nan)
    slots = np.arange(4).reshape(2, 2)
    quantile_kernels.quantiles(x, y, starts, windows, fractions, least_of, slots, found[0])
    quantile_kernels.quantiles_at(x, y, rows, lows, windows, fractions, least_of, slots, found[1])
    np.testing.assert_array_equal(found[1], found[0])


@pytest.mark.parametrize("window", [1, 2, 7, 20, 63, 252])
def test_the_steps_of_a_window_join_neighbours_until_it_is_whole(window: int) -> None:
    blocks = [[row] for row in range(window)]
    for place, size, append in steps(window).tolist():
        assert len(blocks[place]) == size
        behind = [place + size] if append else blocks[place + size]
        assert len(behind) == (1 if append else size)
        blocks[place] = blocks[place] + behind
    assert blocks[0] == list(range(window)) and len(steps(window)) <= max(0, window - 1)


def everything(x: np.ndarray, y: np.ndarray, starts: np.ndarray, window: int, least: int) -> dict[str, np.ndarray]:
    one = (
        "mean", "std", "skew", "kurtosis", "sum", "wma", "max", "min", "argmax", "argmin", "rank", "slope", "rsquare",
        "resid",
    )  # fmt: skip
    two = ("corr", "cov", "beta", "alpha")
    found = {name: getattr(k, f"rolling_{name}")(x, starts, window, least) for name in one}
    found |= {name: getattr(k, f"rolling_{name}")(x, y, starts, window, least) for name in two}
    found["quantile"] = k.rolling_quantile(x, starts, window, least, fraction=0.8)
    found["decay"] = k.rolling_decay(x, starts, window, least, rate=0.9)
    found["residual"] = k.rolling_residual_std(x, (y, np.sqrt(np.abs(y)), np.cbrt(y)), starts, window, least)
    found["shift"], found["ratio"] = k.shift(x, starts, 4), k.ratio(x, starts, 4)
    found["ema"] = k.ema(x, starts, span=9)
    return found


@pytest.mark.parametrize("kind", ["young stocks", "missing values", "constants"])
@pytest.mark.parametrize(("window", "least"), [(20, 20), (60, 5)])
def test_later_rows_and_other_stocks_change_nothing_to_the_last_bit(kind: str, window: int, least: int) -> None:
    x, y, _ = CASES[kind]
    before = everything(x, y, np.array([0, len(x)]), window, least)
    rng = np.random.default_rng(1)
    for cut in (1, 21, 333):
        noise, other = x.copy(), y.copy()
        noise[cut:] = rng.normal(1e3, 1e6, len(x) - cut)
        noise[cut + 5 :: 7] = np.nan
        other[cut:] = rng.normal(0.0, 1.0, len(x) - cut)
        after = everything(noise, other, np.array([0, len(x)]), window, least)
        short = everything(x[:cut], y[:cut], np.array([0, cut]), window, least)
        apart = everything(noise, other, np.array([0, cut, len(x)]), window, least)
        for name, values in before.items():
            np.testing.assert_array_equal(after[name][:cut], values[:cut], err_msg=name)
            np.testing.assert_array_equal(short[name], values[:cut], err_msg=name)
            np.testing.assert_array_equal(apart[name][:cut], values[:cut], err_msg=name)


def test_a_full_window_gives_the_same_bits_wherever_the_history_begins() -> None:
    x, y, _ = CASES["one long stock"]
    long = everything(x, y, np.array([0, 400]), 60, 60)
    for begin in (1, 37, 200):
        late = everything(x[begin:], y[begin:], np.array([0, 400 - begin]), 60, 60)
        for name in set(long) - {"ema", "shift", "ratio"}:
            np.testing.assert_array_equal(late[name][59:], long[name][begin + 59 :], err_msg=name)


def test_a_constant_window_has_no_deviation_and_no_shape() -> None:
    x, starts = np.full(300, 1e8 / 3.0), np.array([0, 300])
    other = np.random.default_rng(0).normal(size=300)
    for window in (5, 20, 60, 97):
        assert (k.rolling_std(x, starts, window)[window - 1 :] == 0.0).all()
        assert (k.rolling_slope(x, starts, window)[window - 1 :] == 0.0).all()
        for result in (
            k.rolling_corr(x, other, starts, window), k.rolling_rsquare(x, starts, window),
            k.rolling_kurtosis(x, starts, window), k.rolling_skew(x, starts, window),
            k.rolling_beta(other, x, starts, window),
        ):  # fmt: skip
            assert np.isnan(result).all()


def test_of_equal_extremes_the_oldest_or_the_newest_is_shown() -> None:
    x, starts = np.array([3.0, 1.0, 3.0, 1.0, 2.0]), np.array([0, 5])
    assert k.rolling_argmax(x, starts, 5)[-1] == 1.0
    assert k.rolling_argmax(x, starts, 5, newest=True)[-1] == 3.0
    assert k.rolling_argmin(x, starts, 5)[-1] == 2.0
    assert k.rolling_argmin(x, starts, 5, newest=True)[-1] == 4.0


def test_a_deviation_needs_more_values_than_degrees_of_freedom() -> None:
    x, starts = np.array([3.0, 1.0, 2.0]), np.array([0, 3])
    assert np.isnan(k.rolling_std(x, starts, 1, 1)).all()
    np.testing.assert_array_equal(k.rolling_std(x, starts, 1, 1, ddof=0), 0.0)
    assert np.isnan(k.rolling_std(x, starts, 3, 1)[0])


def test_a_window_beyond_what_there_is_room_for_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="from 1 to 4000 rows, not 0"):
        k.rolling_mean(np.zeros(3), np.array([0, 3]), 0)
    with pytest.raises(ConfigError, match="not 5000"):
        k.rolling_corr(np.zeros(3), np.zeros(3), np.array([0, 3]), 5000)


@pytest.mark.parametrize("least", [0, 21])
def test_a_count_that_the_window_cannot_hold_is_refused_in_words(least: int) -> None:
    with pytest.raises(ConfigError, match=f"from 1 to 20 values, not {least}"):
        k.rolling_std(np.zeros(30), np.array([0, 30]), 20, least)


def test_one_row_has_no_slope_and_no_covariance() -> None:
    x, y, starts = CASES["one long stock"]
    for name in ("slope", "rsquare", "resid"):
        assert np.isnan(getattr(k, f"rolling_{name}")(x, starts, 1)).all()
    for name in ("corr", "cov", "beta", "alpha"):
        assert np.isnan(getattr(k, f"rolling_{name}")(x, y, starts, 1)).all()


def test_a_result_is_written_into_the_array_that_is_given() -> None:
    x, y, starts = CASES["missing values"]
    jobs: list[tuple[Any, tuple[Any, ...], dict[str, Any]]]
    one = ("mean", "std", "skew", "kurtosis", "sum", "wma", "max", "min", "argmax", "argmin", "rank", "slope", "resid")
    jobs = [(getattr(k, f"rolling_{name}"), (x, starts, 20, 5), {}) for name in one]
    jobs += [(getattr(k, f"rolling_{name}"), (x, y, starts, 20, 5), {}) for name in ("corr", "cov", "beta", "alpha")]
    jobs += [
        (k.rolling_weighted, (x, y, starts, 20, 5), {}), (k.rolling_decay, (x, starts, 20), {"rate": 0.9}),
        (k.rolling_quantile, (x, starts, 20), {"fraction": 0.3}), (k.ema, (x, starts), {"span": 5}),
        (k.shift, (x, starts, 3), {}), (k.ratio, (x, starts, 3), {}),
        (k.rolling_residual_std, (x, (y, np.sqrt(np.abs(y)), np.cbrt(y)), starts, 20), {}),
    ]  # fmt: skip
    room = np.full(len(x), 77.0)
    for job, given, more in jobs:
        found = job(*given, **more, out=room)
        assert np.shares_memory(found, room)
        np.testing.assert_array_equal(room, job(*given, **more), err_msg=job.__name__)
    with pytest.raises(ConfigError, match="contiguous float64 array of 400 values, not float32"):
        k.rolling_mean(x, starts, 5, out=np.empty(400, dtype=np.float32))


def test_a_pack_without_rows_or_stocks_gives_nothing() -> None:
    for starts in (np.array([0]), np.array([0, 0, 0])):
        for name, values in everything(np.empty(0), np.empty(0), starts, 20, 20).items():
            assert values.shape == (0,), name
