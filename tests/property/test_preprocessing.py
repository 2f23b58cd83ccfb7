"""Random cross-sections, full of ties, gaps and constants, against slow references; what must hold for any of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from signals.preprocess import (
    PAPERS,
    Chain,
    Context,
    Fill,
    Neutralise,
    Rank,
    WinsoriseMad,
    WinsorisePercentile,
    WinsoriseSigma,
    ZScore,
)


@st.composite
def panels(draw: st.DrawFn) -> tuple[np.ndarray, Context]:
    """Up to three dates, 150 stocks and four factors of any unit; small whole numbers give ties and constants."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 150)), draw(st.integers(1, 4)))
    kinds = {
        "normal": rng.standard_normal(shape) * 10.0 ** draw(st.integers(-8, 12)),
        "few": rng.integers(0, draw(st.integers(1, 4)), shape).astype(float),
        "heavy": rng.standard_t(1, shape),
        "far": 1e6 + rng.standard_normal(shape),
    }
    values = kinds[draw(st.sampled_from(sorted(kinds)))]
    values[rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.6, 1.0]))] = np.nan
    if draw(st.booleans()):
        values[:, :, 0] = np.nan
    plane = shape[:2]
    size = np.exp(rng.normal(23, draw(st.sampled_from([0.0, 1.0])), plane))
    size[rng.random(plane) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    return values, Context(
        universe=rng.random(plane) < draw(st.sampled_from([1.0, 0.7])),
        industry=rng.integers(-1, draw(st.sampled_from([1, 3, 40])), plane),
        size=size,
    )


def rows_of(values: np.ndarray, around: Context) -> Any:
    """Date, factor, and the universe's places."""
    assert around.universe is not None
    for d in range(len(values)):
        for f in range(values.shape[2]):
            yield d, f, np.flatnonzero(around.universe[d])


@settings(deadline=None, max_examples=60)
@given(panels(), st.sampled_from([0.5, 3.0]))
def test_winsorising_equals_numpy_for_any_cross_section(panel: tuple[np.ndarray, Context], n: float) -> None:
    values, around = panel

    def bounds(x: np.ndarray, which: str) -> tuple[float, float]:
        if which == "mad":
            reach = n * np.median(np.abs(x - np.median(x)))
            return (np.median(x) - reach, np.median(x) + reach) if reach > 0 else (-np.inf, np.inf)
        if which == "percentile":
            return tuple(np.quantile(x, [0.1, 0.8]))
        reach = n * x.std(ddof=1) if len(x) > 1 else np.inf
        return x.mean() - reach, x.mean() + reach

    steps = {
        "mad": WinsoriseMad(n=n),
        "percentile": WinsorisePercentile(lower=0.1, upper=0.8),
        "sigma": WinsoriseSigma(n=n),
    }
    for which, step in steps.items():
        made = step.fit(values, around).apply(values, around)
        for d, f, inside in rows_of(values, around):
            x = values[d, inside, f]
            known = x[~np.isnan(x)]
            expected = np.clip(x, *bounds(known, which)) if len(known) else x
            np.testing.assert_allclose(made[d, inside, f], expected, rtol=1e-12, atol=1e-14)


@settings(deadline=None, max_examples=60)
@given(panels())
def test_ranks_equal_scipy_for_any_cross_section(panel: tuple[np.ndarray, Context]) -> None:
    values, around = panel
    made = Rank().fit(values, around).apply(values, around)
    for d, f, inside in rows_of(values, around):
        x = values[d, inside, f]
        known = ~np.isnan(x)
        expected = np.full(len(x), np.nan)
        expected[known] = (rankdata(x[known]) - 0.5) / max(known.sum(), 1)
        np.testing.assert_allclose(made[d, inside, f], expected, rtol=1e-14)


@settings(deadline=None, max_examples=60)
@given(panels(), st.booleans(), st.sampled_from(["missing", "group"]))
def test_residuals_equal_least_squares_for_any_cross_section(
    panel: tuple[np.ndarray, Context], size: bool, unknown: Any
) -> None:
    values, around = panel
    assert around.industry is not None and around.size is not None
    made = Neutralise(size=size, unknown=unknown).fit(values, around).apply(values, around)
    for d, f, inside in rows_of(values, around):
        y, codes, yuan = values[d, inside, f], around.industry[d, inside], around.size[d, inside]
        usable = ~np.isnan(y) & ((codes >= 0) | (unknown == "group")) & (np.full(len(y), not size) | ~np.isnan(yuan))
        assert np.isnan(made[d, inside, f][~usable]).all()
        if not usable.any():
            continue
        exposures = (codes[usable][:, None] == np.unique(codes[usable])).astype(float)
        if size:
            logs = np.log(yuan[usable])
            logs -= exposures @ (exposures.T @ logs / exposures.sum(axis=0))
            if np.abs(logs).max() > 1e-8:
                exposures = np.column_stack([exposures, logs])
        left = y[usable] - exposures @ np.linalg.lstsq(exposures, y[usable], rcond=None)[0]
        np.testing.assert_allclose(made[d, inside, f][usable], left, atol=1e-9 * np.abs(y[usable]).max())


@settings(deadline=None, max_examples=60)
@given(panels(), st.sampled_from(["industry", "cross-section", "row-mean"]), st.sampled_from([0.0, 0.3]))
def test_filling_changes_no_known_value_and_makes_no_factor_out_of_nothing(
    panel: tuple[np.ndarray, Context], by: Any, least: float
) -> None:
    values, around = panel
    fitted = Fill(by=by, min_coverage=least).fit(values, around)
    made = fitted.apply(values, around)
    assert fitted.report is not None
    for d, f, inside in rows_of(values, around):
        before, after = values[d, inside, f], made[d, inside, f]
        known = ~np.isnan(before)
        assert after[known].tobytes() == before[known].tobytes()
        assert fitted.report.count("filled")[d, f] == (np.isnan(before) & ~np.isnan(after)).sum()
        if known.sum() < max(1, least * len(inside) - 1e-9):
            assert np.isnan(after[~known]).all()


@settings(deadline=None, max_examples=40)
@given(panels(), st.sampled_from(sorted(set(PAPERS) - {"paper-5"})))
def test_every_chain_leaves_finite_values_or_nan_and_the_same_bits_again(
    panel: tuple[np.ndarray, Context], name: str
) -> None:
    values, around = panel
    fitted = Chain.of(name).fit(values, around)
    made = fitted.apply(values, around)
    assert not np.isinf(made).any()
    assert fitted.apply(values, around).tobytes() == made.tobytes()
    assert fitted.report is not None and around.universe is not None
    assert np.isnan(made[~around.universe]).all()
    left = fitted.report.left
    for d, f, inside in rows_of(values, around):
        assert left[d, f] == (~np.isnan(made[d, inside, f])).sum()
        if fitted.report.absent[d, f]:
            assert left[d, f] == 0


@settings(deadline=None, max_examples=60)
@given(panels(), st.sampled_from([0, 1]))
def test_z_scores_have_mean_zero_and_deviation_one_or_are_missing(panel: tuple[np.ndarray, Context], ddof: Any) -> None:
    values, around = panel
    made = ZScore(ddof=ddof).fit(values, around).apply(values, around)
    for d, f, inside in rows_of(values, around):
        x, z = values[d, inside, f], made[d, inside, f]
        z = z[~np.isnan(z)]
        if len(z):
            assert len(z) == (~np.isnan(x)).sum()
            assert abs(z.mean()) < 1e-6 and abs(z.std(ddof=ddof) - 1.0) < 1e-9
        else:
            known = x[~np.isnan(x)]
            assert len(known) <= 1 or np.ptp(known) <= 1e-12 * np.abs(known).max()
