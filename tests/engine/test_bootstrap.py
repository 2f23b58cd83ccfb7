"""The stationary bootstrap: what is drawn, sums and drawdowns against the plain way, and whether intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import measures
from engine.bootstrap import Interval, interval, resamples
from engine.drawdowns import max_drawdown
from engine.intervals import headline_intervals
from engine.measures import headline

RETURNS = np.random.default_rng(2).normal(0.0005, 0.015, 500)
MARKET = 0.7 * RETURNS + np.random.default_rng(3).normal(0.0, 0.006, 500)
DATES = np.arange(np.datetime64("2018-01-01"), np.datetime64("2021-01-01"))[:501]


def level(returns: np.ndarray) -> np.ndarray:
    return 100.0 * np.concatenate([[1.0], np.cumprod(1.0 + returns)])


def test_a_resample_is_runs_of_consecutive_sessions_of_the_length_asked_for() -> None:
    drawn = resamples(500)
    assert (drawn.length.sum(axis=1) == 500).all()
    places = drawn.places() % 500
    assert places.shape == (500, 1000) and set(np.unique(places)) == set(range(500))
    follows = (np.diff(places, axis=0) % 500) == 1
    assert follows.mean() == pytest.approx(1 - 1 / 20, abs=0.002)  # a run ends one time in twenty
    assert np.bincount(places.ravel()) == pytest.approx(1000, rel=0.2)  # and begins anywhere


def test_the_same_arguments_draw_the_same() -> None:
    first = resamples(100).start.copy()
    resamples.cache_clear()
    assert (resamples(100).start == first).all()
    assert (resamples(100, seed=1).start != first).any()


def test_sums_and_drawdowns_are_those_of_the_sessions_drawn() -> None:
    drawn = resamples(500)
    sample = RETURNS[drawn.places() % 500]
    np.testing.assert_allclose(drawn.sums(RETURNS), sample.sum(axis=0), atol=1e-12)
    falls = drawn.deepest_falls(np.log1p(np.column_stack([RETURNS, MARKET])))
    for k in (0, 7, 999):
        assert falls[k, 0] == pytest.approx(max_drawdown(level(sample[:, k])).depth)
        assert falls[k, 1] == pytest.approx(max_drawdown(level(MARKET[drawn.places()[:, k] % 500])).depth)


def test_an_interval_is_the_middle_of_what_was_found_and_none_where_something_is_undefined() -> None:
    found = interval(np.arange(1001.0))
    assert found is not None and found == pytest.approx(Interval(25.0, 975.0))
    assert found.excludes(24.9) and not found.excludes(25.1)
    assert interval(np.array([1.0, np.nan])) is None


def test_every_interval_holds_what_the_measures_give_for_the_resamples() -> None:
    per_year = measures.sessions_per_year(DATES)
    assert per_year is not None
    rate = measures.per_session(0.02, per_year)
    found = headline_intervals(DATES, level(RETURNS), level(MARKET), 0.02)
    places = resamples(500).places() % 500
    slow: dict[str, list[float | None]] = {}
    for k in range(1000):
        own, market = RETURNS[places[:, k]], MARKET[places[:, k]]
        net, other = level(own), level(market)
        growth = [measures.annual_return(x, per_year) or 0.0 for x in (own, market)]
        numbers = {
            "total_return": net[-1] / net[0] - 1,
            "annual_return": growth[0],
            "volatility": measures.volatility(own, per_year),
            "sharpe": measures.sharpe(own, rate, per_year),
            "sortino": measures.sortino(own, rate, per_year),
            "calmar": measures.calmar(own, per_year),
            "max_drawdown": max_drawdown(net).depth,
            "excess_annual_return": growth[0] - growth[1],
            "excess_annual_ratio": (1 + growth[0]) / (1 + growth[1]) - 1,
            "excess_total_return": net[-1] / other[-1] - 1,
            "excess_max_drawdown": max_drawdown(net / other).depth,
            "tracking_error": measures.tracking_error(own, market, per_year),
            "information_ratio": measures.information_ratio(own, market, per_year),
            "alpha": measures.alpha(own, market, rate, per_year),
            "beta": measures.beta(own, market, rate),
        }
        for name, x in numbers.items():
            slow.setdefault(name, []).append(x)
    for name, all_of in slow.items():
        assert found[name] == pytest.approx(np.quantile(np.array(all_of, dtype=float), [0.025, 0.975]).tolist()), name
    assert set(found) == {*slow, "monthly_win_rate", "level", "draws", "mean_block"}


def test_the_win_rate_varies_as_a_share_of_that_many_months_does() -> None:
    dates = np.arange(np.datetime64("2010-01-01"), np.datetime64("2020-01-01"))
    value = level(np.random.default_rng(6).normal(0.0002, 0.01, dates.size - 1))
    share = headline(dates, value)["monthly_win_rate"]
    low, high = headline_intervals(dates, value)["monthly_win_rate"]
    assert isinstance(share, float)
    wide = 1.96 * math.sqrt(share * (1 - share) / 120)
    assert (low, high) == (pytest.approx(share - wide, abs=0.02), pytest.approx(share + wide, abs=0.02))


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says() -> None:
    rng, drawn = np.random.default_rng(11), resamples(400)
    hits = 0
    for _ in range(200):
        found = interval(drawn.sums(rng.normal(0.01, 1.0, 400)) / 400)
        hits += found is not None and not found.excludes(0.01)
    assert 0.88 <= hits / 200 <= 0.98


def test_returns_that_remember_have_a_wider_interval_than_by_days_alone() -> None:
    noise = np.random.default_rng(12).normal(0.0, 0.01, 1000)
    slow = np.convolve(noise, np.ones(10) / 10, mode="same")  # each day shares nine with the next
    blocks, days = (interval(resamples(1000, mean).sums(slow)) for mean in (20.0, 1.0))
    assert blocks is not None and days is not None
    assert blocks.high - blocks.low > 2 * (days.high - days.low)


def test_a_short_run_an_idle_one_and_one_that_lost_everything_have_no_intervals() -> None:
    assert headline_intervals(DATES[:60], level(RETURNS[:59])) == {}
    assert headline_intervals(DATES, np.full(501, 100.0)) == {}
    assert headline_intervals(DATES, np.append(level(RETURNS)[:-1], 0.0)) == {}


def test_an_account_that_is_its_own_benchmark_has_an_excess_of_exactly_nothing() -> None:
    found = headline_intervals(DATES, level(RETURNS), level(RETURNS))
    assert found["excess_annual_return"] == [0.0, 0.0]
    assert found["beta"] == pytest.approx([1.0, 1.0])
    assert "information_ratio" not in found
