"""Weights that trade expected return against variance and the cost of trading (Markowitz 1952)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, StrategyError
from strategies.base import Portfolio, RebalanceStrategy, best

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View

SESSIONS_A_YEAR = 243.0
"""A-share sessions in a year, which annualises daily returns."""

_TINY = 1e-6
"""Weights below this are the optimiser's noise."""


class MeanVariance(RebalanceStrategy):
    """Maximises expected return - aversion / 2 x variance - cost x turnover over the best stocks.

    All of the account is invested, no weight is negative or above ``most``. The expected return of a stock is ``ic``
    times its volatility times its standardised score (Grinold 1994); the covariance is that of daily returns, shrunk
    (Ledoit and Wolf 2004). Both are annual. The optimiser is CVXPY, an extra: ``pip install cvxpy``.

    Parameters
    ----------
    hold : int
        The best of the scored stocks that are considered; those with bars on fewer than half of the sessions are not.
    aversion : float
        Risk aversion; the larger, the nearer to the portfolio of least variance.
    ic : float
        Strength of the scores; 0 asks for least variance alone.
    most : float
        Largest weight of a name, a fraction; no smaller than 1 over the names is possible.
    cost : float
        Cost of trading, a fraction of what is bought and sold.
    window : int
        Sessions of returns.
    """

    params = (("hold", 100), ("aversion", 5.0), ("ic", 0.05), ("most", 0.05), ("cost", 0.002), ("window", 240))

    @classmethod
    def lookback_of(cls, params: Mapping[str, Any]) -> int:
        """The window, and the session before it."""
        return int(params.get("window", 240)) + 1

    def start(self) -> None:
        """Check the parameters, and that the optimiser is there.

        Raises
        ------
        ConfigError
        """
        p = self.p
        for name, low in (("hold", 1), ("aversion", 1e-9), ("ic", 0.0), ("most", 1e-9), ("cost", 0.0), ("window", 2)):
            if getattr(p, name) < low:
                raise ConfigError(f"strategy mean-variance was given {name}={getattr(p, name)}; give {low:g} or more")
        if importlib.util.find_spec("cvxpy") is None:
            raise ConfigError("strategy mean-variance needs CVXPY, which is not installed: pip install cvxpy")
        super().start()

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> dict[str, float]:  # type: ignore[override]
        """Optimal weights."""
        column = {symbol: i for i, symbol in enumerate(view.symbols)}
        closes = view.adjusted("close", self.p.window + 1)
        enough = (~np.isnan(closes)).sum(axis=0) > self.p.window / 2
        symbols = [symbol for symbol in best(scores, self.p.hold) if enough[column[symbol]]]
        if not symbols:
            return {}
        prices = view.last("mark", self.p.window + 1) * view.last("adj_factor", self.p.window + 1)
        prices = prices[:, [column[symbol] for symbol in symbols]]
        returns = np.nan_to_num(prices[1:] / prices[:-1] - 1.0)
        covariance = shrunk_covariance(returns) * SESSIONS_A_YEAR
        score = scores["score"].loc[symbols].to_numpy(dtype=np.float64)
        spread = float(np.std(score))
        standard = (score - score.mean()) / spread if spread > 0.0 else np.zeros(len(score))
        expected = self.p.ic * np.sqrt(np.diag(covariance)) * standard
        held = np.array([portfolio.weights.get(symbol, 0.0) for symbol in symbols])
        weights = optimal_weights(expected, covariance, held, self.p.aversion, self.p.most, self.p.cost)
        return {symbol: float(weight) for symbol, weight in zip(symbols, weights, strict=True) if weight > 0.0}


def optimal_weights(
    expected: np.ndarray, covariance: np.ndarray, held: np.ndarray, aversion: float, most: float, cost: float
) -> np.ndarray:
    """Weights w that maximise expected w - aversion / 2 w covariance w - cost |w - held|, sum 1, 0 <= w <= most.

    Parameters
    ----------
    expected, held : ndarray of float64, shape (K,)
    covariance : ndarray of float64, shape (K, K)
        Symmetric, positive semi-definite.
    aversion, cost : float
    most : float
        Raised to 1 / K where that is larger: else nothing sums to 1.

    Returns
    -------
    ndarray of float64, shape (K,)

    Raises
    ------
    StrategyError
        If the optimiser finds no solution.
    """
    import cvxpy as cp  # type: ignore[import-not-found, unused-ignore]

    weights = cp.Variable(len(expected))
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    gain = expected @ weights - 0.5 * aversion * cp.sum_squares(root @ weights)
    limits = [cp.sum(weights) == 1.0, weights >= 0.0, weights <= max(most, 1.0 / len(expected))]
    problem = cp.Problem(cp.Maximize(gain - cost * cp.norm1(weights - held)), limits)
    try:
        problem.solve(solver=cp.CLARABEL)
    except cp.SolverError as error:
        raise StrategyError(f"mean-variance: the optimiser failed ({error}); try a larger aversion") from None
    if weights.value is None:
        raise StrategyError(f"mean-variance: the optimiser found no weights ({problem.status}); try other limits")
    found = np.where(weights.value > _TINY, weights.value, 0.0)
    return found / found.sum()  # type: ignore[no-any-return]


def shrunk_covariance(returns: np.ndarray) -> np.ndarray:
    """Sample covariance drawn towards a multiple of the identity as far as its own noise asks for.

    Parameters
    ----------
    returns : ndarray of float64, shape (T, K)

    Returns
    -------
    ndarray of float64, shape (K, K)

    Notes
    -----
    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004: with S the sample
    covariance (divisor T), m its mean variance, d2 = |S - m I|^2 / K and b2 the mean of |x x' - S|^2 / K over the
    sessions, divided by T and at most d2, it is (b2 / d2) m I + (1 - b2 / d2) S.
    """
    sessions, stocks = returns.shape
    x = returns - returns.mean(axis=0)
    sample = x.T @ x / sessions
    mean = float(np.trace(sample)) / stocks
    identity = np.eye(stocks)
    d2 = float(np.sum((sample - mean * identity) ** 2)) / stocks
    # sum over sessions of |x x' - S|^2 = sum (x'x)^2 - T |S|^2
    b2 = (float(np.sum(np.sum(x**2, axis=1) ** 2)) - sessions * float(np.sum(sample**2))) / (stocks * sessions**2)
    part = min(b2, d2) / d2 if d2 > 0.0 else 0.0
    return part * mean * identity + (1.0 - part) * sample
