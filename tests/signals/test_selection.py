"""Which factors are kept and why; what is significant when many were tried; how alike factors are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from signals.screening.correlation import MISSING_RANK, hierarchical_order, rank_correlation, sample_dates
from signals.screening.evaluation import evaluate_with_ranks
from signals.screening.selection import Verdict, select
from signals.screening.significance import (
    critical_t,
    discoveries,
    mean_test,
    newey_west_lags,
    noise_level,
    thresholds,
    two_sided,
)


def matrix(*pairs: tuple[int, int, float], size: int) -> np.ndarray:
    result = np.eye(size)
    for i, j, value in pairs:
        result[i, j] = result[j, i] = value
    return result


def by_name(verdicts: list[Verdict]) -> dict[str, Verdict]:
    return {v.name: v for v in verdicts}


def test_the_stronger_of_two_alike_is_kept_and_the_reason_names_it() -> None:
    found = select(
        ["pe", "pb", "roe", "junk"], np.array([0.05, 0.06, 0.03, 0.01]),
        matrix((0, 1, -0.9), (1, 2, 0.3), (0, 2, 0.1), size=4), min_score=0.02, max_correlation=0.7,
    )  # fmt: skip
    assert [(v.name, v.kept, v.place) for v in found] == [
        ("pb", True, 1), ("pe", False, 2), ("roe", True, 3), ("junk", False, 4),
    ]  # fmt: skip
    reasons = {v.name: v.reason for v in found}
    assert reasons["pe"] == "correlation -0.90 with pb, which is stronger (0.0600 against 0.0500)"
    assert reasons["pb"] == "|mean Rank IC| 0.0600 is at least 0.02; most like roe among those kept, correlation +0.30"
    assert reasons["junk"] == "|mean Rank IC| 0.0100 is below 0.02"


def test_a_dropped_factor_bars_nobody() -> None:
    """b is like a, c is like b only: c stays."""
    found = select(["a", "b", "c"], np.array([3.0, 2.0, 1.0]), matrix((0, 1, 0.8), (1, 2, 0.8), (0, 2, 0.4), size=3))
    assert [v.name for v in found if v.kept] == ["a", "c"]


def test_the_bars_are_at_least_for_scores_and_below_for_correlations() -> None:
    found = by_name(
        select(["a", "b"], np.array([0.5, 0.02]), matrix((0, 1, 0.7), size=2), min_score=0.02, max_correlation=0.7)
    )
    assert not found["b"].kept and "correlation +0.70 with a" in found["b"].reason
    assert select(["b"], np.array([0.02]), np.eye(1), min_score=0.02)[0].kept


def test_a_factor_without_score_coverage_or_known_correlation_is_told_apart() -> None:
    nan = float("nan")
    found = by_name(
        select(
            ["ok", "empty", "thin", "apart"], np.array([0.3, nan, 0.4, 0.2]), matrix((0, 3, nan), size=4),
            coverage=np.array([1.0, 1.0, 0.2, 1.0]), min_coverage=0.5,
        )
    )  # fmt: skip
    assert found["empty"].reason.startswith("has no |mean Rank IC|: no date has enough names with a return and")
    assert found["thin"].reason == "covers 20.0% of the universe, below the 50.0% asked for"
    assert found["apart"].kept and found["ok"].kept


def test_equal_scores_go_by_name_whatever_the_order_given() -> None:
    alike = matrix((0, 1, 0.99), size=2)
    assert by_name(select(["b", "a"], np.array([1.0, 1.0]), alike))["a"].kept
    assert by_name(select(["a", "b"], np.array([1.0, 1.0]), alike))["a"].kept


def test_families_choose_their_best_first_as_in_paper_two() -> None:
    """In one round x falls to a and y is kept; by family y falls to x before x falls to a."""
    names, scores = ["a", "x", "y"], np.array([0.9, 0.8, 0.7])
    alike = matrix((0, 1, 0.8), (1, 2, 0.8), (0, 2, 0.1), size=3)
    assert [v.name for v in select(names, scores, alike) if v.kept] == ["a", "y"]
    found = select(names, scores, alike, families={"a": "value", "x": "risk", "y": "risk"})
    assert [v.name for v in found if v.kept] == ["a"]
    assert "of its family risk, which is stronger" in by_name(found)["y"].reason


def test_newey_west_errors_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    x = np.convolve(rng.normal(0.1, 1, 400), np.ones(5), mode="valid")
    for lags in (0, 4, 11):
        fit = OLS(x, np.ones(len(x))).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
        mine = mean_test(x, lags=lags)
        assert (mine.mean, mine.error, mine.t) == pytest.approx((fit.params[0], fit.bse[0], fit.tvalues[0]), rel=1e-10)
    with_holes = np.insert(x, [3, 100], np.nan)
    assert mean_test(with_holes, lags=4) == mean_test(x, lags=4)


def test_the_lags_cover_the_overlap_of_the_returns() -> None:
    assert newey_west_lags(100, horizon=20, every=1) == 19
    assert newey_west_lags(100, horizon=20, every=20) == 4
    assert newey_west_lags(2430, horizon=1) == 8  # floor(4 * 24.3 ** (2 / 9))
    assert newey_west_lags(1) == 0 and newey_west_lags(0) == 0
    assert mean_test(np.array([])).dates == 0 and np.isnan(mean_test(np.array([2.0])).t)
    assert np.isnan(mean_test(np.full(9, 0.3)).t)


def test_noise_alone_gives_the_noise_level() -> None:
    rng = np.random.default_rng(1)
    sample = [abs(np.corrcoef(rng.permutation(400), np.arange(400))[0, 1]) for _ in range(3000)]
    assert noise_level(400) == pytest.approx(0.03994, abs=1e-5)
    assert np.mean(sample) == pytest.approx(float(noise_level(400)), rel=0.04)
    assert np.isnan(noise_level(1))


def test_thresholds_for_many_factors_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(2)
    t = np.concatenate([rng.normal(0, 1, 60), rng.normal(4, 1, 10)])
    p = two_sided(t)
    np.testing.assert_array_equal(discoveries(t), multipletests(p, 0.05, method="fdr_by")[0])
    bars = thresholds(t)
    assert 0 < discoveries(t).sum() < 70
    np.testing.assert_array_equal(np.abs(t) >= bars.yekutieli, discoveries(t))
    np.testing.assert_array_equal(np.abs(t) >= bars.bonferroni, multipletests(p, 0.05, method="bonferroni")[0])
    np.testing.assert_array_equal(np.abs(t) >= bars.sidak, multipletests(p, 0.05, method="sidak")[0])
    assert bars.single == pytest.approx(1.959964, abs=1e-6) and bars.tried == 70


def test_factors_tried_elsewhere_and_untestable_ones_raise_the_bar() -> None:
    t = np.array([3.0, np.nan])
    assert discoveries(t).tolist() == [True, False]
    assert discoveries(t, tried=200).tolist() == [False, False]
    assert thresholds(t, tried=200).bonferroni == pytest.approx(critical_t(0.05 / 200))
    assert thresholds(t, tried=1).tried == 2


def test_correlation_is_that_of_the_ranks_over_the_names_that_have_both() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=(4, 60))
    b = a + rng.normal(size=(4, 60))
    c = np.round(-a, 0)
    a[rng.random((4, 60)) < 0.2] = np.nan
    c[rng.random((4, 60)) < 0.2] = np.nan
    c[2] = np.nan  # absent on a date
    ranks = [evaluate_with_ranks(x, {1: rng.normal(size=(4, 60))}, rows=range(4))[1] for x in (a, b, c)]
    assert ranks[2][2].max() == MISSING_RANK
    daily = [pd.DataFrame({"a": a[d], "b": b[d], "c": c[d]}).rank().corr().to_numpy() for d in range(4)]
    np.testing.assert_allclose(rank_correlation(ranks), np.nanmean(daily, axis=0), rtol=0, atol=1e-12)
    never = [np.where(np.arange(60) < 30, ranks[0], MISSING_RANK), np.where(np.arange(60) < 30, MISSING_RANK, ranks[1])]
    assert np.isnan(rank_correlation(never)[0, 1])


def test_the_hierarchical_order_puts_like_beside_like_whatever_the_sign() -> None:
    groups = np.array([0, 1, 0, 1, 2, 0])
    signs = np.array([1, 1, -1, 1, 1, 1])
    corr = np.where(groups[:, None] == groups[None, :], 0.9, 0.05) * signs[:, None] * signs[None, :]
    np.fill_diagonal(corr, 1.0)
    ordered = groups[hierarchical_order(corr)]
    assert sorted(np.flatnonzero(np.diff(ordered))) == list(np.flatnonzero(np.diff(ordered)))
    assert (np.diff(ordered) != 0).sum() == 2  # three blocks
    assert hierarchical_order(np.eye(2)).tolist() == [0, 1]
    assert sorted(hierarchical_order(np.full((4, 4), np.nan))) == [0, 1, 2, 3]


def test_the_dates_of_the_correlation_are_spread_evenly() -> None:
    assert sample_dates(5).tolist() == [0, 1, 2, 3, 4]
    rows = sample_dates(2430)
    assert len(rows) == 120 and rows[0] == 0 and rows[-1] == 2429 and set(np.diff(rows)) <= {20, 21}
