"""Optimal weights against closed forms, and in a run."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import market_of

from engine.errors import ConfigError
from engine.fees import ZeroFees
from engine.simulation import simulate
from signals.base import Signal
from strategies.mean_variance import MeanVariance, optimal_weights, shrunk_covariance

A, B, C = "600000.SH", "600001.SH", "600002.SH"

with_cvxpy = pytest.mark.skipif(
    importlib.util.find_spec("cvxpy") is None, reason="CVXPY, an extra, is not installed: pip install cvxpy"
)

TWO = np.diag([0.04, 0.01])


class Fixed(Signal):
    def predict(self, view: Any) -> pd.DataFrame:
        return pd.DataFrame({"score": {A: 1.0, B: 2.0, C: 3.0}})


@with_cvxpy
def test_without_expected_returns_uncorrelated_stocks_weigh_inversely_to_their_variance() -> None:
    weights = optimal_weights(np.zeros(2), TWO, np.zeros(2), aversion=3.0, most=1.0, cost=0.0)
    assert weights == pytest.approx([0.2, 0.8], abs=1e-5)


@with_cvxpy
def test_expected_return_is_weighed_against_variance() -> None:
    # gain 0.02 w - (0.04 w^2 + 0.01 (1 - w)^2) at aversion 2: 0.02 - 0.08 w + 0.02 (1 - w) = 0, w = 0.4
    weights = optimal_weights(np.array([0.02, 0.0]), TWO, np.zeros(2), aversion=2.0, most=1.0, cost=0.0)
    assert weights == pytest.approx([0.4, 0.6], abs=1e-5)


@with_cvxpy
def test_no_name_weighs_more_than_its_limit_where_that_is_possible() -> None:
    capped = optimal_weights(np.zeros(2), TWO, np.zeros(2), aversion=2.0, most=0.7, cost=0.0)
    assert capped == pytest.approx([0.3, 0.7], abs=1e-5)
    impossible = optimal_weights(np.zeros(2), TWO, np.zeros(2), aversion=2.0, most=0.1, cost=0.0)
    assert impossible == pytest.approx([0.5, 0.5], abs=1e-5)


@with_cvxpy
def test_what_trading_costs_keeps_holdings_where_they_are() -> None:
    held = np.array([0.3, 0.7])
    # moving w from A to B earns 2 x (0.04 x 0.3 - 0.01 x 0.7) = 0.01 a unit at first and costs 0.01: nothing moves
    assert optimal_weights(np.zeros(2), TWO, held, aversion=2.0, most=1.0, cost=0.006) == pytest.approx(held, abs=1e-4)
    free = optimal_weights(np.zeros(2), TWO, held, aversion=2.0, most=1.0, cost=0.0)
    assert free == pytest.approx([0.2, 0.8], abs=1e-5)


def test_the_covariance_of_two_uncorrelated_stocks_of_one_variance_is_not_changed_by_shrinking() -> None:
    returns = np.array([[0.1, 0.1], [0.1, -0.1], [-0.1, 0.1], [-0.1, -0.1]])
    assert shrunk_covariance(returns) == pytest.approx(np.diag([0.01, 0.01]))


def test_shrinking_follows_ledoit_and_wolf_by_hand() -> None:
    returns = np.array([[0.2, 0.0], [-0.2, 0.0], [0.0, 0.1], [0.0, -0.1]])
    # S = diag(0.02, 0.005), m = 0.0125, d2 = 0.0075^2 = 5.625e-5
    # |x x' - S|^2: twice 0.02^2 + 0.005^2 = 4.25e-4, twice 0.02^2 + 0.005^2 = 4.25e-4; b2 = 4 x 4.25e-4 / 2 / 16
    b2, d2 = 5.3125e-5, 5.625e-5
    part = b2 / d2
    expected = np.diag([0.02 + part * (0.0125 - 0.02), 0.005 + part * (0.0125 - 0.005)])
    assert shrunk_covariance(returns) == pytest.approx(expected)


@with_cvxpy
def test_a_run_holds_the_calm_stock_where_scores_count_for_nothing() -> None:
    rng = np.random.default_rng(1)
    calm, wild = (100.0 * np.cumprod(1.0 + size * rng.standard_normal(60)) for size in (0.002, 0.03))
    market = market_of({A: calm.tolist(), B: wild.tolist()})
    params = {"ic": 0.0, "most": 1.0, "window": 40, "cost": 0.0}
    options: dict[str, Any] = {"rebalance": "50D", "fees": ZeroFees(), "cash": 1_000_000.0}

    class Both(Signal):
        def predict(self, view: Any) -> pd.DataFrame:
            return pd.DataFrame({"score": {A: 1.0, B: 2.0}})

    done = simulate(market, MeanVariance, params, signal=Both(), start=market.sessions[1], **options)
    frame = done.broker.baskets.targets_frame()
    last = frame[frame["date"] == frame["date"].max()].set_index("symbol")["weight"]
    assert last[A] > 0.9 and last.sum() == pytest.approx(1.0)


@pytest.mark.skipif(importlib.util.find_spec("cvxpy") is not None, reason="CVXPY is installed")
def test_without_its_optimiser_the_strategy_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match="needs CVXPY, which is not installed: pip install cvxpy"):
        simulate(market_of({A: [10.0] * 3}), MeanVariance, signal=Fixed(), rebalance="5D")


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="given window=1; give 2 or more"):
        simulate(market_of({A: [10.0] * 3}), MeanVariance, {"window": 1}, signal=Fixed(), rebalance="5D")


def test_its_lookback_is_the_window_and_one() -> None:
    assert MeanVariance.lookback_of({"window": 60}) == 61 and MeanVariance.lookback_of({}) == 241
