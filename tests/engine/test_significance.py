"""The deflated Sharpe ratio on its authors' own example, and the probability of overfitting counted by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from engine import significance as s

# Bailey and Lopez de Prado 2014, numerical example: a Sharpe ratio of 2.5 a year from 1,250 daily returns with
# skewness -3 and kurtosis 10, the best of 100 trials whose annual ratios have a variance of 1/2; 250 days a year.
CHOSEN = s.Shape(1250, 2.5 / math.sqrt(250), -3.0, 10.0)
SPREAD = math.sqrt(0.5 / 250)


def with_spread(trials: int) -> np.ndarray:
    """That many numbers whose sample standard deviation is SPREAD."""
    x = np.arange(trials, dtype=float)
    return x / x.std(ddof=1) * SPREAD


def test_the_published_example_of_the_deflated_sharpe_ratio() -> None:
    assert s.best_by_luck(100, SPREAD) == pytest.approx(0.1132, abs=0.00005)
    assert s.deflated_sharpe(CHOSEN, with_spread(100)) == pytest.approx(0.9004, abs=0.0001)
    assert s.deflated_sharpe(CHOSEN, with_spread(46)) == pytest.approx(0.9505, abs=0.0001)
    normal = CHOSEN._replace(skewness=0.0, kurtosis=3.0)
    assert s.deflated_sharpe(normal, with_spread(88)) == pytest.approx(0.9505, abs=0.0005)


def test_the_best_of_many_is_what_a_simulation_of_worthless_settings_shows() -> None:
    tries = np.random.default_rng(5).normal(0.0, 1.0, (20000, 30))
    assert s.best_by_luck(30, 1.0) == pytest.approx(tries.max(axis=1).mean(), abs=0.04)


def test_one_trial_has_no_luck_to_be_deflated_by() -> None:
    assert s.best_by_luck(1, SPREAD) == 0.0
    assert s.deflated_sharpe(CHOSEN, np.array([CHOSEN.sharpe])) == s.probabilistic_sharpe(CHOSEN)
    assert s.deflated_sharpe(CHOSEN, np.full(9, CHOSEN.sharpe)) == s.probabilistic_sharpe(CHOSEN)


def test_the_shape_of_a_sample_agrees_with_scipy() -> None:
    x = np.random.default_rng(1).standard_t(4, 500) * 0.01 + 0.001
    shape = s.shape_of(x)
    assert shape is not None
    found = (shape.sessions, shape.sharpe, shape.skewness, shape.kurtosis)
    theirs = (500, x.mean() / x.std(ddof=1), scipy.stats.skew(x), scipy.stats.kurtosis(x, fisher=False))
    assert found == pytest.approx(theirs)
    assert s.shape_of(np.full(5, 0.1)) is None and s.shape_of(np.array([0.1, 0.2])) is None


def test_half_of_the_probability_lies_on_either_side_of_the_ratio_found() -> None:
    assert s.probabilistic_sharpe(CHOSEN, CHOSEN.sharpe) == pytest.approx(0.5)
    # a normal sample of 101 sessions with a ratio of 0.2: 0.2 * 10 / sqrt(1 + 0.02)
    shape = s.Shape(101, 0.2, 0.0, 3.0)
    assert s.probabilistic_sharpe(shape) == pytest.approx(scipy.stats.norm.cdf(2.0 / math.sqrt(1.02)))


def slow_overfitting(extra: np.ndarray, parts: int) -> float:
    """The same by its definition, one halving after the other."""
    blocks = np.array_split(extra, parts)
    below = []
    for chosen in itertools.combinations(range(parts), parts // 2):
        inside = np.concatenate([blocks[k] for k in chosen])
        outside = np.concatenate([blocks[k] for k in range(parts) if k not in chosen])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0)))
        rank = scipy.stats.rankdata(outside.mean(axis=0) / outside.std(axis=0))[best]
        omega = rank / (extra.shape[1] + 1)
        below.append(math.log(omega / (1 - omega)) <= 1e-12)
    return float(np.mean(below))


def test_the_probability_of_overfitting_follows_its_definition() -> None:
    extra = np.random.default_rng(3).normal(0.0002, 0.01, (320, 7))
    assert s.overfitting(extra, 8) == slow_overfitting(extra, 8)


def test_a_setting_that_is_best_everywhere_is_not_overfit_and_one_that_turns_is() -> None:
    noise = np.random.default_rng(4).normal(0.0, 0.01, (400, 2))
    always = np.column_stack([noise[:, 0] + 0.02, noise[:, 0]])
    assert s.overfitting(always) == 0.0
    turns = np.concatenate([always[:200], always[200:, ::-1]])
    assert s.overfitting(turns, 2) == 1.0


def test_worthless_settings_are_overfit_about_half_of_the_time() -> None:
    rng = np.random.default_rng(8)
    found = [s.overfitting(rng.normal(0.0, 0.01, (240, 10)), 6) for _ in range(100)]
    assert np.mean([share for share in found if share is not None]) == pytest.approx(0.5, abs=0.07)


def test_too_little_to_halve_gives_no_probability_and_an_odd_number_of_parts_is_refused() -> None:
    assert s.overfitting(np.zeros((100, 1))) is None
    assert s.overfitting(np.zeros((9, 3))) is None
    with pytest.raises(ValueError, match="7 parts cannot be halved"):
        s.overfitting(np.zeros((100, 2)), 7)
