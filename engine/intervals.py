"""Bootstrap intervals of the headline numbers: how far each could have come out by the luck of the days.

Every measure is written in sums over sessions, which :class:`engine.bootstrap.Resamples` has for a thousand resamples
at the price of one; the drawdowns are walked through. Account and benchmark are drawn alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.bootstrap import DRAWS, LEVEL, MEAN_BLOCK, Resamples, interval, resamples
from engine.measures import Performance, performance, period_returns

Array = np.ndarray

FEWEST = 3 * MEAN_BLOCK
"""Sessions below which no interval is given."""


def headline_intervals(
    dates: Array,
    value: Array,
    benchmark: Array | None = None,
    risk_free: float | Array = 0.0,
    deposits: Array | None = None,
) -> dict[str, Any]:
    """Intervals of the numbers that :func:`engine.measures.headline` gives for the same arguments.

    Returns
    -------
    dict
        ``level``, ``draws`` and ``mean_block`` (sessions), and by the headline's keys ``[low, high]``;
        ``excess_annual_ratio`` is the excess a year of the ratio of net values. Empty below :data:`FEWEST` sessions,
        for an account that lost everything, and for one that never moved; a key is missing where the number is.
    """
    series = performance(dates, value, benchmark, risk_free, deposits)
    returns = series.returns
    if returns.size < FEWEST or not (returns > -1.0).all() or returns.max() == returns.min():
        return {}
    drawn = resamples(returns.size)
    found = _of_account(series, drawn)
    if series.market_returns is not None and (series.market_returns > -1.0).all():
        found |= _of_excess(series, series.market_returns, drawn, found["annual_return"])
    found |= _of_drawdowns(series, drawn, found["annual_return"])
    found["monthly_win_rate"] = _win_rates(dates, series)
    kept = {name: interval(numbers) for name, numbers in found.items()}
    about: dict[str, Any] = {"level": LEVEL, "draws": DRAWS, "mean_block": MEAN_BLOCK}
    return about | {name: [*bounds] for name, bounds in kept.items() if bounds is not None}


def annual_returns(returns: Array, drawn: Resamples, per_year: float) -> Array:
    """Annual return of each resample, shape (draws,); ``returns`` (n,) above -1."""
    return np.expm1(drawn.sums(np.log1p(returns)) * (per_year / returns.size))


def sharpe_ratios(extra: Array, drawn: Resamples, per_year: float) -> Array:
    """Sharpe ratio of each resample of returns over the risk-free rate, (n,), or over a benchmark."""
    mean, spread = _moments(extra, drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean / spread * math.sqrt(per_year)


def _moments(x: Array, drawn: Resamples) -> tuple[Array, Array]:
    """Mean and sample standard deviation of each resample."""
    n, centre = x.size, float(x.mean())  # about the mean, so that no digits cancel
    mean = drawn.sums(x - centre) / n
    variance = (drawn.sums((x - centre) ** 2) - n * mean**2) / (n - 1)
    return mean + centre, np.sqrt(np.maximum(variance, 0.0))


def _of_account(series: Performance, drawn: Resamples) -> dict[str, Array]:
    returns, pace = series.returns, series.per_year
    extra = returns - series.risk_free
    downside = np.sqrt(drawn.sums(np.minimum(extra, 0.0) ** 2) / extra.size)
    annual = annual_returns(returns, drawn, pace)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "total_return": np.expm1(np.log1p(annual) * (returns.size / pace)),
            "annual_return": annual,
            "volatility": _moments(returns, drawn)[1] * math.sqrt(pace),
            "sharpe": sharpe_ratios(extra, drawn, pace),
            "sortino": drawn.sums(extra) / extra.size / downside * math.sqrt(pace),
        }


def _of_excess(series: Performance, market: Array, drawn: Resamples, annual: Array) -> dict[str, Array]:
    pace, n = series.per_year, market.size
    market_annual = annual_returns(market, drawn, pace)
    own, other, active = series.returns - series.risk_free, market - series.risk_free, series.returns - market
    ratio = (1.0 + annual) / (1.0 + market_annual) - 1.0
    found = {
        "excess_annual_return": annual - market_annual,
        "excess_annual_ratio": ratio,
        "excess_total_return": np.expm1(np.log1p(ratio) * (n / pace)),
    }
    mean_own, _ = _moments(own, drawn)
    mean_other, spread = _moments(other, drawn)
    together = drawn.sums((own - own.mean()) * (other - other.mean())) / n
    together -= (mean_own - own.mean()) * (mean_other - other.mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        found["beta"] = together * n / (n - 1) / spread**2
        found["alpha"] = np.expm1(np.log1p(mean_own - found["beta"] * mean_other) * pace)
    if active.max() > active.min():
        found["tracking_error"] = _moments(active, drawn)[1] * math.sqrt(pace)
        found["information_ratio"] = sharpe_ratios(active, drawn, pace)
    return found


def _of_drawdowns(series: Performance, drawn: Resamples, annual: Array) -> dict[str, Array]:
    market = series.market_returns
    growth = [np.log1p(series.returns)]
    if market is not None and (market > -1.0).all():
        growth.append(growth[0] - np.log1p(market))
    falls = drawn.deepest_falls(np.stack(growth, axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {"max_drawdown": falls[:, 0], "calmar": annual / np.abs(falls[:, 0])}
    return found | ({"excess_max_drawdown": falls[:, 1]} if len(growth) > 1 else {})


def _win_rates(dates: Array, series: Performance) -> Array:
    """Share of winning months in each draw of as many months, one by one."""
    _, own = period_returns(dates, series.net, "M")
    hurdle = 0.0 if series.market is None else period_returns(dates, series.market, "M")[1]
    return resamples(own.size, mean_block=1.0).sums((own > hurdle).astype(float)) / own.size
