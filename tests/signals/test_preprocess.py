"""Steps of preprocessing against pandas and by hand, and chains of them."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from real_data import DATA, WHY
from scipy.stats import norm
from small_market import market_of

from engine.errors import ConfigError, DataError, SignalError
from signals.preprocess import (
    PAPERS,
    STEPS,
    Chain,
    Context,
    DropSparse,
    Fill,
    Fitted,
    Neutralise,
    Pca,
    Rank,
    Step,
    WinsoriseMad,
    WinsorisePercentile,
    WinsoriseSigma,
    ZScore,
    codes_of,
    context_of,
)

NAN = float("nan")
ROOT = Path(__file__).resolve().parents[2]


def one(step: Step, row: Any, **context: Any) -> list[float]:
    """A step on one date and one factor."""
    around = Context(**{name: np.array([values]) for name, values in context.items()})
    values = np.array([row], dtype=float)
    return step.fit(values, around).apply(values, around)[0].tolist()


def random_panel(seed: int = 3, dates: int = 4, stocks: int = 700, factors: int = 5) -> tuple[np.ndarray, Context]:
    """Heavy tails, units from 1e-4 to 1e12, 8 % missing, unknown industries and sizes, a universe of most stocks."""
    rng = np.random.default_rng(seed)
    units = 10.0 ** np.linspace(-4, 12, factors)
    values = (rng.standard_t(2, (dates, stocks, factors)) + 3.0) * units
    values[rng.random(values.shape) < 0.08] = np.nan
    size = np.exp(rng.normal(23.0, 1.5, (dates, stocks)))
    size[rng.random(size.shape) < 0.02] = np.nan
    around = Context(
        universe=rng.random((dates, stocks)) < 0.9,
        industry=rng.integers(-1, 12, (dates, stocks)),
        size=size,
        factors=tuple(f"f{k}" for k in range(factors)),
        dates=np.datetime64("2019-01-31") + 30 * np.arange(dates),
    )
    return values, around


def frames(values: np.ndarray, around: Context) -> list[pd.DataFrame]:
    """One frame a date: the universe's rows and the factors as columns."""
    assert around.universe is not None and around.industry is not None and around.size is not None
    return [
        pd.DataFrame(values[d]).assign(industry=around.industry[d], size=around.size[d])[around.universe[d]]
        for d in range(len(values))
    ]


def same(made: np.ndarray, around: Context, expected: list[pd.DataFrame], rtol: float = 1e-10) -> None:
    """Both agree on the universe, and everybody outside is NaN."""
    assert around.universe is not None
    for d, frame in enumerate(expected):
        np.testing.assert_allclose(made[d][around.universe[d]], frame.to_numpy(), rtol=rtol, atol=rtol)
        assert np.isnan(made[d][~around.universe[d]]).all()


# -- winsorising -------------------------------------------------------------------------------------


def test_mad_by_hand_in_both_conventions() -> None:
    # median 3, distances 2 1 0 1 97, MAD 1
    assert one(WinsoriseMad(n=5), [1, 2, 3, 4, 100]) == [1, 2, 3, 4, 8]
    assert one(WinsoriseMad(n=5, scaled=True), [1, 2, 3, 4, 100]) == [1, 2, 3, 4, 3 + 5 * 1.4826]
    assert one(WinsoriseMad(n=1), [1, 2, NAN, 4, 100]) == pytest.approx([1.5, 2, NAN, 4, 4.5], nan_ok=True)


def test_mad_leaves_a_factor_alone_most_of_whose_values_are_equal() -> None:
    values = np.array([[0.0, 0.0, 0.0, 1.0, 50.0], [NAN] * 5])
    fitted = WinsoriseMad().fit(values)
    np.testing.assert_array_equal(fitted.apply(values), values)
    assert fitted.report is not None and fitted.report.count("flat").tolist() == [[1], [0]]


@pytest.mark.parametrize("scaled", [False, True])
def test_mad_equals_pandas(scaled: bool) -> None:
    values, around = random_panel()
    expected = []
    for frame in frames(values, around):
        frame = frame[range(5)]
        middle = frame.median()
        reach = 3 * (1.4826 if scaled else 1.0) * (frame - middle).abs().median()
        expected.append(frame.clip(middle - reach, middle + reach, axis=1))
    step = WinsoriseMad(n=3, scaled=scaled)
    same(step.fit(values, around).apply(values, around), around, expected, 1e-12)


@pytest.mark.parametrize("stocks", [1, 2, 3, 64, 95, 96, 97, 98, 300, 3589])
def test_medians_are_exact_for_any_number_of_stocks_ties_and_orders(stocks: int) -> None:
    from signals.preprocessing.order_kernels import median_bounds, quantile_bounds

    rng = np.random.default_rng(stocks)
    plain = rng.standard_normal(stocks)
    rows = [plain, np.sort(plain), np.sort(plain)[::-1], np.round(plain), np.round(plain * 3), np.abs(plain) ** 9]
    rows += [np.where(rng.random(stocks) < 0.5, np.nan, plain), np.where(np.arange(stocks) % 2, plain, np.nan)]
    rows += [np.where(rng.random(stocks) < 0.4, 0.0, plain), np.full(stocks, 7.0), np.full(stocks, np.nan)]
    block = np.ascontiguousarray(rows)
    lower, upper = np.empty(len(rows)), np.empty(len(rows))
    median_bounds(block, 1.0, lower, upper)
    for row, low, high in zip(block, lower, upper, strict=True):
        known = row[~np.isnan(row)]
        middle = np.median(known) if len(known) else 0.0
        mad = np.median(np.abs(known - middle)) if len(known) else 0.0
        assert (low, high) == ((middle - mad, middle + mad) if mad > 0 else (-np.inf, np.inf))
    quantile_bounds(block, 0.013, 0.99, lower, upper)
    for row, low, high in zip(block, lower, upper, strict=True):
        known = row[~np.isnan(row)]
        wanted = np.quantile(known, [0.013, 0.99]) if len(known) else [-np.inf, np.inf]
        np.testing.assert_allclose([low, high], wanted, rtol=1e-14, atol=1e-15)


def test_percentiles_of_a_date_and_of_the_training_rows() -> None:
    values, around = random_panel()
    expected = [f[range(5)].clip(f[range(5)].quantile(0.02), f[range(5)].quantile(0.9), axis=1)
                for f in frames(values, around)]  # fmt: skip
    step = WinsorisePercentile(lower=0.02, upper=0.9)
    same(step.fit(values, around).apply(values, around), around, expected, 1e-12)

    pooled = pd.concat(frames(values, around)[:2])[range(5)]
    learnt = WinsorisePercentile(lower=0.02, upper=0.9, over="training").fit(values[:2], around[:2])
    expected = [f[range(5)].clip(pooled.quantile(0.02), pooled.quantile(0.9), axis=1) for f in frames(values, around)]
    same(learnt.apply(values, around), around, expected, 1e-12)


def test_three_sigma_equals_pandas() -> None:
    values, around = random_panel()
    expected = [f[range(5)].clip(f[range(5)].mean() - 3 * f[range(5)].std(), f[range(5)].mean() + 3 * f[range(5)].std(),
                                 axis=1) for f in frames(values, around)]  # fmt: skip
    same(WinsoriseSigma().fit(values, around).apply(values, around), around, expected)


# -- filling -----------------------------------------------------------------------------------------


def test_filling_by_industry_by_hand() -> None:
    row, industry = [1, 3, NAN, 10, NAN, NAN, 6], [0, 0, 0, 1, 1, 2, -1]
    # industry 2 has no value and the last stock but one no industry mean: missing, or the mean of 1 3 10 6
    assert one(Fill(), row, industry=industry) == pytest.approx([1, 3, 2, 10, 10, NAN, 6], nan_ok=True)
    assert one(Fill(otherwise="cross-section"), row, industry=industry) == [1, 3, 2, 10, 10, 5, 6]
    assert one(Fill(by="cross-section"), row) == [1, 3, 5, 10, 5, 5, 6]
    assert one(Fill(by="none"), row) == pytest.approx(row, nan_ok=True)


def test_filling_equals_pandas() -> None:
    values, around = random_panel()
    expected = []
    for frame in frames(values, around):
        known = frame[frame["industry"] >= 0]
        filled = known[range(5)].fillna(known.groupby("industry")[list(range(5))].transform("mean"))
        expected.append(frame[range(5)].fillna(filled))
    same(Fill().fit(values, around).apply(values, around), around, expected)
    expected = [f[range(5)].fillna(f[range(5)].mean()) for f in frames(values, around)]
    same(Fill(by="cross-section").fit(values, around).apply(values, around), around, expected)


def test_the_row_mean_is_that_of_the_stocks_own_known_factors() -> None:
    values = np.array([[[1.0, NAN, 5.0], [2.0, 4.0, NAN], [NAN, NAN, NAN]]])
    made = Fill(by="row-mean").fit(values).apply(values)
    np.testing.assert_array_equal(made, [[[1, 3, 5], [2, 4, 3], [NAN, NAN, NAN]]])


@pytest.mark.parametrize("by", ["industry", "cross-section", "row-mean"])
def test_a_factor_without_any_value_stays_missing_and_is_reported(by: Any) -> None:
    values = np.array([[[1.0, NAN], [2.0, NAN], [NAN, NAN]], [[1.0, 5.0], [NAN, 6.0], [3.0, 7.0]]])
    around = Context(industry=np.zeros((2, 3), int), factors=("pe", "rd"))
    fitted = Chain(Fill(by=by), ZScore()).fit(values, around)
    made = fitted.apply(values, around)
    report = fitted.report
    assert report is not None and np.isnan(made[0, :, 1]).all() and not np.isnan(made[1]).any()
    assert report.absent.tolist() == [[False, True], [False, False]]
    assert report.count("sparse").tolist() == [[0, 1], [0, 0]]
    assert report.warnings() == ["factor 'rd' has no value for any stock on 1 of 2 dates and stays missing there"]
    assert report.table().loc["rd", "absent"] == 1


def test_a_factor_that_few_have_is_not_filled_into_a_constant() -> None:
    row = [5.0] + [NAN] * 19
    values = np.array([row])
    fitted = Fill(by="cross-section").fit(values)  # a tenth of 20 is 2
    np.testing.assert_array_equal(fitted.apply(values), values)
    assert fitted.report is not None and fitted.report.count("sparse").tolist() == [[1]]
    assert one(Fill(by="cross-section", min_coverage=0.05), row) == [5.0] * 20


def test_stocks_of_which_too_little_is_known_are_not_filled() -> None:
    values = np.array([[[1.0, 2.0, 3.0], [4.0, NAN, NAN], [5.0, 6.0, NAN]]])
    made = Fill(by="cross-section", min_known=2).fit(values).apply(values)
    np.testing.assert_array_equal(made, [[[1, 2, 3], [4, NAN, NAN], [5, 6, 3]]])


def test_filling_by_industry_without_industries_is_refused() -> None:
    with pytest.raises(SignalError, match="filling by industry needs the industries"):
        one(Fill(), [1, NAN])


# -- standardising -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ddof", [0, 1])
def test_z_scores_equal_pandas(ddof: Any) -> None:
    values, around = random_panel()
    expected = [(f[range(5)] - f[range(5)].mean()) / f[range(5)].std(ddof=ddof) for f in frames(values, around)]
    same(ZScore(ddof=ddof).fit(values, around).apply(values, around), around, expected)


def test_a_z_score_over_the_training_rows_keeps_their_mean_and_deviation() -> None:
    values = np.array([[1.0, 3.0], [5.0, 7.0], [100.0, NAN]])
    made = ZScore(ddof=0, over="training").fit(values[:2]).apply(values)  # mean 4, deviation sqrt(5)
    np.testing.assert_allclose(made * 5**0.5, [[-3, -1], [1, 3], [96, NAN]], rtol=1e-14)


@pytest.mark.parametrize("row", [[4, 4, 4], [0.1 + 0.2, 0.3, 0.3], [NAN, 7, NAN], [0, 0, 0]])
def test_a_constant_factor_has_no_z_score_and_is_counted(row: list[float]) -> None:
    values = np.array([row], dtype=float)
    fitted = ZScore().fit(values)
    assert np.isnan(fitted.apply(values)).all()
    assert fitted.report is not None and fitted.report.count("constant").tolist() == [[1]]
    assert fitted.report.vanished.tolist() == [[True]]
    assert "lost all its values on 1 of 1 dates" in fitted.report.warnings()[0]


def test_ranks_share_ties_and_lie_between_0_and_1() -> None:
    assert one(Rank(), [30, 10, NAN, 20, 20]) == pytest.approx([0.875, 0.125, NAN, 0.5, 0.5], nan_ok=True)
    values, around = random_panel()
    values = np.round(values, -11)
    expected = [(f[range(5)].rank() - 0.5) / f[range(5)].count() for f in frames(values, around)]
    same(Rank().fit(values, around).apply(values, around), around, expected)
    normal = [pd.DataFrame(norm.ppf(frame), frame.index) for frame in expected]
    same(Rank(to="normal").fit(values, around).apply(values, around), around, normal)


# -- PCA and sparse factors --------------------------------------------------------------------------


def correlated(seed: int = 5, dates: int = 6, stocks: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((dates, stocks, 3)) @ rng.standard_normal((3, 7)) + 0.1 * rng.standard_normal(
        (dates, stocks, 7)
    )


def test_components_equal_a_singular_value_decomposition_of_the_training_rows() -> None:
    values = correlated()
    fitted = Pca(keep=4).fit(values[:4])
    rows = values[:4].reshape(-1, 7)
    _, singular, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    vectors = vectors * np.sign(vectors[np.arange(7), np.abs(vectors).argmax(axis=1)])[:, None]
    np.testing.assert_allclose(fitted.states[0]["loadings"], vectors[:4], atol=1e-10)
    np.testing.assert_allclose(fitted.states[0]["share"], (singular**2 / (singular**2).sum())[:4], rtol=1e-10)
    made = fitted.apply(values)
    np.testing.assert_allclose(made, (values - rows.mean(axis=0)) @ vectors[:4].T, atol=1e-10)
    assert fitted.factors_after == ("component 1", "component 2", "component 3", "component 4")


def test_a_share_of_variance_takes_as_few_components_as_reach_it() -> None:
    share = np.cumsum(Pca(keep=7).fit(correlated()).states[0]["share"])
    for wanted in (0.3, 0.9, 0.97, 0.9999):
        made = Pca(keep=wanted).fit(correlated()).apply(correlated())
        assert made.shape[2] == np.argmax(share >= wanted) + 1


def test_components_learn_from_the_training_rows_alone() -> None:
    values = correlated()
    later = values.copy()
    later[4:] = np.random.default_rng(9).standard_normal(later[4:].shape) * 100
    before, after = (Chain(ZScore(), Pca(keep=3)).fit(v[:4]) for v in (values, later))
    assert before.states[1]["loadings"].tobytes() == after.states[1]["loadings"].tobytes()
    assert before.apply(values)[:4].tobytes() == after.apply(later)[:4].tobytes()


def test_a_stock_that_lacks_a_factor_has_no_components_or_takes_the_mean() -> None:
    values = correlated()
    values[0, 0, 2] = NAN
    complete = values.reshape(-1, 7)[1:]
    fitted = Pca(keep=2).fit(values)
    np.testing.assert_allclose(fitted.states[0]["mean"], complete.mean(axis=0), rtol=1e-12)
    assert np.isnan(fitted.apply(values)[0, 0]).all() and not np.isnan(fitted.apply(values)[0, 1]).any()
    fitted = Pca(keep=2, missing="mean").fit(values)
    completed = values.copy()
    completed[0, 0, 2] = fitted.states[0]["mean"][2]
    np.testing.assert_allclose(fitted.apply(values), fitted.apply(completed), atol=1e-14)


def test_pca_says_which_factor_it_cannot_use() -> None:
    values = correlated()
    values[:, :, 3] = NAN
    names = Context(factors=tuple("abcdefg"))
    with pytest.raises(SignalError, match="factor 'd' has no value in the training rows; drop it before the PCA"):
        Pca().fit(values, names)
    fitted = Chain(DropSparse(min_coverage=0.2), Pca(keep=2)).fit(values, names)
    assert fitted.apply(values, names).shape == (6, 40, 2)
    with pytest.raises(SignalError, match="PCA to 8 is not possible: the 7 factors have 7 components"):
        Pca(keep=8).fit(correlated())


def test_sparse_factors_are_dropped_by_the_training_rows() -> None:
    values = np.ones((4, 10, 3))
    values[:2, 4:, 1] = NAN  # 40 % of the training rows
    values[2:, :, 2] = NAN  # afterwards
    fitted = DropSparse(min_coverage=0.5).fit(values[:2], Context(factors=("a", "b", "c")))
    assert fitted.factors_after == ("a", "c") and fitted.apply(values).shape == (4, 10, 2)
    with pytest.raises(SignalError, match="none of the 3 factors is known on 50% of the training rows"):
        DropSparse().fit(np.full((2, 5, 3), NAN))


def test_the_chain_of_paper_5_drops_constant_factors_before_the_pca() -> None:
    values = correlated()
    values[:, :, 2] = 4.0
    fitted = Chain.of("paper-5").fit(values)
    assert np.isfinite(fitted.apply(values)).all()
    assert len(fitted.states[1]["keep"]) == 6 and 2 not in fitted.states[1]["keep"]


def test_components_have_the_same_bits_for_any_number_of_threads() -> None:
    code = (
        "import hashlib, numpy as np; from signals.preprocess import Pca; "
        "v = np.random.default_rng(1).standard_normal((5, 300, 120)); v[:, :, 1:] += 0.5 * v[:, :, :1]; "
        "print(hashlib.sha256(Pca(keep=40).fit(v).apply(v).tobytes()).hexdigest())"
    )
    one_thread = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    values = np.random.default_rng(1).standard_normal((5, 300, 120))
    values[:, :, 1:] += 0.5 * values[:, :, :1]
    here = hashlib.sha256(Pca(keep=40).fit(values).apply(values).tobytes()).hexdigest()
    assert one_thread.stdout.strip() == here


# -- chains ------------------------------------------------------------------------------------------


def test_the_chain_of_paper_3_equals_pandas_and_least_squares() -> None:
    values, around = random_panel()
    expected = []
    for frame in frames(values, around):
        factors = frame[range(5)]
        middle = factors.median()
        reach = 5 * (factors - middle).abs().median()
        factors = factors.clip(middle - reach, middle + reach, axis=1)
        known = frame["industry"] >= 0
        factors[known] = factors[known].fillna(factors[known].groupby(frame["industry"]).transform("mean"))
        usable = known & frame["size"].notna()
        exposures = pd.get_dummies(frame["industry"][usable], dtype=float).assign(size=np.log(frame["size"][usable]))
        left = factors * NAN
        fitted = exposures.to_numpy() @ np.linalg.lstsq(exposures.to_numpy(), factors[usable].to_numpy(), rcond=None)[0]
        left[usable] = factors[usable] - fitted
        expected.append((left - left.mean()) / left.std())
    same(Chain.of("paper-3").fit(values, around).apply(values, around), around, expected, 1e-8)


def test_a_chain_does_what_its_steps_do_one_after_the_other() -> None:
    values, around = random_panel()
    steps = (WinsorisePercentile(over="training"), Fill(otherwise="cross-section"), ZScore(over="training"), Rank())
    made = values
    for step in steps:
        made = step.fit(made[:2], around[:2]).apply(made, around)
    assert Chain(*steps).fit(values[:2], around[:2]).apply(values, around).tobytes() == made.tobytes()


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_a_date_does_not_hang_on_other_dates_or_on_stocks_outside_the_universe(name: str) -> None:
    values, around = random_panel()
    fitted = Chain.of(name).fit(values[:2], around[:2])
    made = fitted.apply(values, around)
    other = values.copy()
    other[3] = np.random.default_rng(1).standard_normal(other[3].shape)
    assert around.universe is not None
    other[2][~around.universe[2]] = 1e9
    again = fitted.apply(other, around)
    assert again[:3].tobytes() == made[:3].tobytes()
    assert fitted.apply(values[2:3], around[2:3]).tobytes() == made[2:3].tobytes()


def test_the_order_of_the_stocks_does_not_matter() -> None:
    values, around = random_panel()
    order = np.random.default_rng(2).permutation(values.shape[1])
    assert around.universe is not None and around.industry is not None and around.size is not None
    mixed = Context(around.universe[:, order], around.industry[:, order], around.size[:, order])
    chain = Chain.of("paper-3")
    made = chain.fit(values, around).apply(values, around)
    np.testing.assert_allclose(
        chain.fit(values[:, order], mixed).apply(values[:, order], mixed), made[:, order], rtol=1e-9, atol=1e-10
    )


def test_values_are_left_as_they_are_in_any_layout_and_infinite_ones_are_missing() -> None:
    values, around = random_panel(factors=3)
    kept = values.copy()
    chain = Chain.of("paper-3")
    made = chain.fit(values, around).apply(values, around)
    np.testing.assert_array_equal(values, kept)
    by_factor = np.ascontiguousarray(values.transpose(2, 0, 1)).transpose(1, 2, 0)
    frozen = values.copy()
    frozen.setflags(write=False)
    for layout in (by_factor, frozen, np.repeat(values, 2, axis=1)[:, ::2]):
        assert chain.fit(layout, around).apply(layout, around).tobytes() == made.tobytes()
    infinite = np.where(np.isnan(values), np.inf, values)
    fitted = chain.fit(infinite, around)
    assert fitted.apply(infinite, around).tobytes() == made.tobytes()
    assert fitted.report is not None and fitted.report.infinite.sum() > 0


def test_the_report_counts_by_factor_and_date() -> None:
    values = np.array([[[1.0, 1.0], [2.0, NAN], [3.0, 3.0], [100.0, NAN]], [[1.0, NAN]] * 4])
    around = Context(
        universe=np.array([[True] * 4, [True, True, False, False]]), factors=("a", "b"),
        dates=np.array(["2019-12-31", "2020-01-31"], "datetime64[D]"),
    )  # fmt: skip
    fitted = Chain(WinsoriseMad(n=5), Fill(by="cross-section")).fit(values, around)
    fitted.apply(values, around)
    report = fitted.report
    assert report is not None
    assert report.universe.tolist() == [4, 2] and report.given.tolist() == [[4, 2], [2, 0]]
    assert report.count("clipped").tolist() == [[1, 0], [0, 0]]
    assert report.count("filled").tolist() == [[0, 2], [0, 0]]
    assert report.left.tolist() == [[4, 4], [2, 0]]
    assert report.coverage_by_year().to_dict() == {2019: {"a": 1.0, "b": 0.5}, 2020: {"a": 1.0, "b": 0.0}}
    table = report.table()
    assert table.loc["b", ["coverage", "fill: filled", "absent"]].tolist() == [2 / 6, 2, 1]


def test_the_chain_of_paper_3_equals_statsmodels_on_real_stocks(tmp_path: Path) -> None:
    """Four dates of every tenth stock, Shenwan industries, returns over five windows."""
    import statsmodels.api as sm

    from feeds.store import open_market

    folder = DATA
    if not (folder / "securities.parquet").is_file():
        pytest.skip(WHY)
    symbols = pd.read_parquet(folder / "securities.parquet", columns=["symbol"])["symbol"].sort_values()[::10]
    market = open_market(str(folder), universe=symbols.tolist(), start="2014-07-01", end="2016-12-30", cache=tmp_path)
    rows = np.array([150, 250, 350, 450])
    names = market.known.as_of("industry_sw_history", "l1_name", market.sessions[rows])
    around = context_of(market, rows, industry=codes_of(names)[0])
    adjusted = market.close * market.adj_factor
    values = np.stack([adjusted[rows] / adjusted[rows - k] - 1.0 for k in (1, 5, 20, 60, 120)], axis=2)
    made = Chain.of("paper-3").fit(values, around).apply(values, around)
    for d, frame in enumerate(frames(values, around)):
        assert len(frame) > 150
        known, factors = frame["industry"] >= 0, frame[range(5)]
        middle = factors.median()
        reach = 5 * (factors - middle).abs().median()
        factors = factors.clip(middle - reach, middle + reach, axis=1)
        factors[known] = factors[known].fillna(factors[known].groupby(frame["industry"]).transform("mean"))
        for f in range(5):
            usable = known & frame["size"].notna() & factors[f].notna()
            exposures = pd.get_dummies(frame["industry"][usable], dtype=float).assign(
                size=np.log(frame["size"][usable])
            )
            left = sm.OLS(factors[f][usable].to_numpy(), exposures.to_numpy()).fit().resid
            z = (left - left.mean()) / left.std(ddof=1)
            np.testing.assert_allclose(made[d, usable.index[usable], f], z, rtol=0, atol=1e-10)


def test_an_empty_universe_and_a_date_without_stocks_are_survived() -> None:
    values, around = random_panel()
    nobody = Context(np.zeros(values.shape[:2], bool), around.industry, around.size)
    for name in ("paper-1", "paper-2", "paper-4", "paper-3"):
        fitted = Chain.of(name).fit(values, nobody)
        assert np.isnan(fitted.apply(values, nobody)).all()
    assert fitted.report is not None and not fitted.report.absent.any()
    assert Chain.of("paper-3").fit(values[:0], around[:0]).apply(values, around).shape == values.shape


# -- saved form --------------------------------------------------------------------------------------


def test_a_saved_chain_gives_the_same_bits_in_another_process(tmp_path: Path) -> None:
    values = correlated()
    names = Context(factors=tuple("abcdefg"), dates=np.datetime64("2020-01-01") + np.arange(6))
    values[:, :, 6] = NAN
    values[0, :, 6] = np.inf
    steps = (WinsorisePercentile(over="training"), DropSparse(), ZScore(over="training"), Pca(keep=0.9))
    fitted = Chain(*steps).fit(values[:4], names[:4])
    fitted.save(tmp_path / "chain.json")
    loaded = Fitted.load(tmp_path / "chain.json")
    assert loaded.chain == fitted.chain
    assert loaded.trained == {"dates": 4, "first": "2020-01-01", "last": "2020-01-04"}
    assert loaded.factors_after == fitted.factors_after
    made = fitted.apply(values, names)
    assert loaded.apply(values, names).tobytes() == made.tobytes()
    np.save(tmp_path / "values.npy", values)
    code = (
        "import sys, hashlib, numpy as np; from signals.preprocess import Fitted; from pathlib import Path; "
        "p = Path(sys.argv[1]); f = Fitted.load(p / 'chain.json'); "
        "print(hashlib.sha256(f.apply(np.load(p / 'values.npy')).tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == hashlib.sha256(made.tobytes()).hexdigest()
    fitted.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "chain.json").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.json", "chain.json", "values.npy"]


def test_fitted_chains_travel_between_processes() -> None:
    values = correlated()
    fitted = Chain(ZScore(), Pca(keep=2)).fit(values)
    twin = pickle.loads(pickle.dumps(fitted))
    assert twin.chain == fitted.chain and twin.apply(values).tobytes() == fitted.apply(values).tobytes()


def test_a_damaged_or_foreign_file_is_refused_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    with pytest.raises(SignalError, match=r"the preprocessing 'chain.json' cannot be read .*; fit it again"):
        Fitted.load(path)
    ZScore(over="training").fit(np.array([[1.0, 2.0]])).save(path)
    whole = json.loads(path.read_text())
    for damage in (
        "{", json.dumps(whole | {"format": 99}), json.dumps(whole | {"steps": [{"config": {"step": "x"}}]}), "[]",
    ):  # fmt: skip
        path.write_text(damage)
        with pytest.raises(SignalError, match="cannot be read"):
            Fitted.load(path)


# -- what a user can get wrong -----------------------------------------------------------------------


def test_steps_are_frozen_and_refuse_what_they_do_not_know() -> None:
    assert sorted(STEPS) == sorted(step.name for step in STEPS.values())
    with pytest.raises(ConfigError, match="step 'winsorise-mad' has no parameter 'scale'; did you mean 'scaled'"):
        WinsoriseMad(scale=True)
    with pytest.raises(ConfigError, match="step 'winsorise-percentile': lower is 0.9, not below upper"):
        WinsorisePercentile(lower=0.9, upper=0.1)
    with pytest.raises(ConfigError, match="step 'pca': keep is 2.5; give a share below 1 or a whole number"):
        Pca(keep=2.5)
    with pytest.raises(ConfigError, match="step 'neutralise': neutralise on industry, on size or on both"):
        Neutralise(industry=False, size=False)
    with pytest.raises(ConfigError, match="there is no preprocessing step 'zscore'; did you mean 'z-score'"):
        Chain.of([{"step": "zscore"}])
    with pytest.raises(ConfigError, match="there is no preprocessing 'paper-33'"):
        Chain.of("paper-33")
    with pytest.raises(ConfigError, match="a chain takes steps"):
        Chain("z-score")  # type: ignore[arg-type]
    chain = Chain.of("paper-3")
    assert Chain.of(chain.describe()) == chain and hash(Chain.of(chain.describe())) == hash(chain)
    with pytest.raises(AttributeError):
        chain.steps = ()


def test_shapes_names_and_codes_that_do_not_fit_are_named() -> None:
    values = np.ones((2, 3, 2))
    for around, message in (
        (Context(universe=np.ones((2, 4), bool)), r"universe has shape \(2, 4\), the factor values \(2, 3\)"),
        (Context(factors=("a",)), "names 1 factors, the values hold 2"),
        (Context(dates=np.zeros(3, "datetime64[D]")), "has 3 dates, the factor values 2"),
        (Context(industry=np.full((2, 3), -2)), "whole numbers from 0 on"),
        (Context(industry=np.full((2, 3), 1.0)), "whole numbers from 0 on"),
    ):
        with pytest.raises(SignalError, match=message):
            ZScore().fit(values, around)
    with pytest.raises(SignalError, match=r"have shape \(3,\)"):
        ZScore().fit(np.ones(3))
    fitted = ZScore().fit(values, Context(factors=("a", "b")))
    with pytest.raises(SignalError, match="fitted with 'a' as factor 1 and is given 'b'; give the factors in the same"):
        fitted.apply(values, Context(factors=("b", "a")))
    with pytest.raises(SignalError, match="fitted on 2 factors and is given 1"):
        fitted.apply(values[:, :, 0])


# -- from a market -----------------------------------------------------------------------------------


def test_the_context_of_a_market_leaves_out_who_is_suspended_or_gone_and_caps_the_float() -> None:
    market = market_of(
        {"600000.SH": [10, NAN, 12], "600001.SH": [20, 21, NAN], "600002.SH": [NAN, 5, 6]},
        last_session=np.array([2, 1, 2], np.int32), delisted=np.array([False, True, False]),
        list_age=np.array([50, 50, 0], np.int32),
    )  # fmt: skip
    shares = {"total_shares": np.full((3, 3), 100.0), "float_shares": np.array([[80.0, 120.0, NAN]] * 3)}
    for name, values in shares.items():
        object.__setattr__(market, name, values)
    around = context_of(market, [0, 1, 2], ["f"])
    assert around.universe is not None and around.size is not None
    assert around.universe.tolist() == [[True, True, False], [False, True, True], [True, False, True]]
    np.testing.assert_array_equal(around.size, [[800, 2000, NAN], [NAN, 2100, NAN], [960, NAN, NAN]])
    assert around.dates is not None and around.dates.tolist() == market.sessions.tolist()
    with pytest.raises(DataError, match="sessions 0 to 3 do not lie in a panel of 3 sessions"):
        context_of(market, [0, 3])


def test_industry_names_become_codes_that_keep_their_meaning() -> None:
    codes, names = codes_of(np.array([["bank", None, "coal"], ["", "coal", "bank"]], dtype=object))
    assert names == ["bank", "coal"] and codes.tolist() == [[0, -1, 1], [-1, 1, 0]]
    codes, _ = codes_of(np.array([["coal", "steel"]], dtype=object), known=["bank", "coal"])
    assert codes.tolist() == [[1, -1]]


def test_listing_the_steps_does_not_load_the_compiler() -> None:
    code = "import sys, signals.preprocess, signals.labels; print('numba' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
