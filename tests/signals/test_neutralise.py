"""Residuals on industry and size against statsmodels and by hand, and the cases in which a regression breaks down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from engine.errors import SignalError
from signals.preprocess import Chain, Context, Fitted, ZScore
from signals.preprocessing.neutralise import Neutralise

NAN = float("nan")


def fitted_on(row: Any, step: Neutralise | None = None, **context: Any) -> tuple[Fitted, list[float]]:
    """The step on one date and one factor, and what it makes."""
    around = Context(**{name: np.array([values]) for name, values in context.items()})
    values = np.array([row], dtype=float)
    fitted = (step or Neutralise()).fit(values, around)
    return fitted, fitted.apply(values, around)[0].tolist()


def counted(fitted: Fitted, name: str) -> int:
    assert fitted.report is not None
    return int(fitted.report.count(name).sum())


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(("industry", "size"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("unknown", ["missing", "group"])
def test_residuals_equal_statsmodels(gaps: bool, industry: bool, size: bool, unknown: Any) -> None:
    rng = np.random.default_rng(11)
    stocks, units = 600, np.array([1e-6, 1.0, 1e9])
    codes = rng.integers(-1, 20, stocks)
    values = (rng.standard_t(3, (stocks, 3)) + 5.0) * units
    yuan = np.exp(rng.normal(23.0, 1.2, stocks))
    if gaps:
        values[rng.random(values.shape) < 0.1] = np.nan
        yuan[::37] = np.nan
        yuan[5] = 0.0
    around = Context(industry=codes[None], size=yuan[None])
    step = Neutralise(industry=industry, size=size, unknown=unknown)
    made = step.fit(values[None], around).apply(values[None], around)[0]
    for k in range(3):
        usable = ~np.isnan(values[:, k])
        if size:
            usable &= yuan > 0
        if industry and unknown == "missing":
            usable &= codes >= 0
        columns = [(codes[usable] == c).astype(float) for c in np.unique(codes[usable])] if industry else []
        columns += [np.log(yuan[usable])] if size else []
        exposures = np.column_stack(columns)
        expected = sm.OLS(values[usable, k], exposures if industry else sm.add_constant(exposures)).fit().resid
        np.testing.assert_allclose(made[usable, k], expected, rtol=1e-8, atol=1e-8 * units[k])
        assert np.isnan(made[~usable, k]).all()


def test_industry_means_are_taken_away_by_hand() -> None:
    _, made = fitted_on([1, 3, 10, 20, NAN], Neutralise(size=False), industry=[0, 0, 4, 4, 4])
    assert made == pytest.approx([-1, 1, -5, 5, NAN], nan_ok=True)


def test_the_slope_on_size_is_taken_away_by_hand() -> None:
    # on log sizes 0 1 2 the values 0 2 1 have slope 1/2 and mean 1
    _, made = fitted_on([0, 2, 1], Neutralise(industry=False), size=np.exp([0.0, 1.0, 2.0]))
    assert made == pytest.approx([-0.5, 1.0, -0.5])


def test_the_only_stock_of_an_industry_has_the_residual_zero_and_is_counted() -> None:
    fitted, made = fitted_on([1.1, 2.9, 7.7], industry=[0, 0, 1], size=[1e9, 1e9, 3e9])
    assert made[2] == 0.0 and counted(fitted, "alone") == 1


def test_sizes_that_do_not_differ_leave_the_industry_means_alone_to_take_away() -> None:
    fitted, made = fitted_on([1, 3, 10, 30], industry=[0, 0, 1, 1], size=[1e9, 1e9, 7e10, 7e10])
    assert made == [-1, 1, -10, 10] and counted(fitted, "singular") == 1
    fitted, made = fitted_on([1, 3], industry=[0, 1], size=[1e9, 2e9])
    assert made == [0, 0] and counted(fitted, "singular") == 1
    fitted, _ = fitted_on([1, 3, 4], Neutralise(size=False), industry=[0, 0, 0])
    assert counted(fitted, "singular") == 0


def test_a_factor_that_is_size_itself_leaves_nothing_but_zeros_and_no_z_score() -> None:
    yuan = np.exp(np.linspace(20, 26, 50))
    codes = np.arange(50) % 4
    values = 3.0 * np.log(yuan) + codes * 7.0
    fitted, made = fitted_on(values, industry=codes, size=yuan)
    assert made == [0.0] * 50 and counted(fitted, "explained") == 1
    around = Context(industry=codes[None], size=yuan[None])
    assert np.isnan(Chain(Neutralise(), ZScore()).fit(values[None], around).apply(values[None], around)).all()


def test_missing_sizes_and_unknown_industries_are_lost_and_counted() -> None:
    row, codes, yuan = [1, 2, 4, 9, NAN, 5], [0, 0, 0, 0, 0, -1], [1e9, 2e9, 3e9, NAN, 2e9, 2e9]
    fitted, made = fitted_on(row, industry=codes, size=yuan)
    assert np.isnan(made).tolist() == [False] * 3 + [True] * 3 and counted(fitted, "lost") == 2
    fitted, made = fitted_on(row, Neutralise(unknown="group"), industry=codes, size=yuan)
    assert np.isnan(made).tolist() == [False] * 3 + [True, True, False] and counted(fitted, "lost") == 1
    for nothing in (0.0, -5.0, np.inf):
        assert np.isnan(fitted_on(row, industry=codes, size=[*yuan[:2], nothing, *yuan[3:]])[1][2])


def test_a_factor_without_values_or_stocks_without_industry_stay_missing() -> None:
    fitted, made = fitted_on([NAN] * 3, industry=[0, 0, 1], size=[1e9, 2e9, 3e9])
    assert np.isnan(made).all() and counted(fitted, "singular") == counted(fitted, "explained") == 0
    fitted, made = fitted_on([1, 2, 3], industry=[-1] * 3, size=[1e9, 2e9, 3e9])
    assert np.isnan(made).all() and counted(fitted, "lost") == 3


def test_neutralising_on_what_the_context_lacks_is_refused() -> None:
    with pytest.raises(SignalError, match="neutralising on industry needs it; give the context its industry"):
        fitted_on([1, 2], size=[1e9, 2e9])
    with pytest.raises(SignalError, match="neutralising on size needs it"):
        fitted_on([1, 2], industry=[0, 0])
