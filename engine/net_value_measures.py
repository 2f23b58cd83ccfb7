"""The formulas of paper 3 (Huatai 2017), which work on ratios of net values and not on differences of returns.

They give other numbers than :mod:`engine.measures` where the terms are the same, so each has a name of its own. All
are found in, and tested on, the rows that the paper prints (its charts 26 and 36). Its excess return of chart 26 is the
ratio of annual returns to the last digit; that of chart 36 lies up to 0.3 points beside it and its formula is not told.
Returns, volatilities and drawdowns are fractions; drawdowns are given, as the paper prints them, without their sign.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine import measures
from engine.drawdowns import max_drawdown
from engine.measures import Number

Array = np.ndarray


def relative_net_value(net: Array, benchmark: Array) -> Array:
    """Net value of the account over that of its benchmark, 1 on the base day: (T,)."""
    net, benchmark = np.asarray(net, dtype=float), np.asarray(benchmark, dtype=float)
    return (net / net[0]) / (benchmark / benchmark[0])


def relative_excess(annual: float, benchmark: float) -> float:
    """Excess return a year as a ratio, ``(1 + a) / (1 + b) - 1``: 1.2295 / 1.1097 - 1 = 10.79 %."""
    return (1.0 + annual) / (1.0 + benchmark) - 1.0


def plain_sharpe(annual: float, volatility: float) -> Number:
    """Annual return over annual volatility, the risk-free rate being 0: 22.95 / 26.97 = 0.85."""
    return annual / volatility if volatility else None


def plain_information_ratio(excess: float, tracking_error: float) -> Number:
    """Excess return a year over its volatility: 10.79 / 3.31 = 3.26."""
    return excess / tracking_error if tracking_error else None


def excess_calmar(excess: float, excess_drawdown: float) -> Number:
    """Excess return a year over the drawdown of the excess: 25.0 / 15.5 = 1.61; the drawdown has either sign."""
    return excess / abs(excess_drawdown) if excess_drawdown else None


def long_short_value(top: Array, bottom: Array) -> Array:
    """Net value of the best portfolio over that of the worst, which stands for buying one and selling the other.

    Parameters
    ----------
    top, bottom : ndarray of float, shape (T,)
        Net values; both count as 1 on their first session.

    Returns
    -------
    ndarray of float, shape (T,)
    """
    return relative_net_value(top, bottom)


def monthly_turnover(dates: Array, value: Array, traded: Array) -> Number:
    """Two-sided turnover as a mean over months: of 1.3 a month, 130 % of the account is bought and sold.

    Parameters
    ----------
    dates : ndarray of datetime64, shape (T,)
        Sessions, the base day first.
    value : ndarray of float, shape (T,)
        Account value at each close, yuan.
    traded : ndarray of float, shape (T,)
        Yuan bought plus yuan sold on each session.

    Returns
    -------
    float or None
        Mean over the calendar months of the run of ``traded / value at the close before the month``; a month without
        a trade counts as 0, the first one with its one-sided purchase as it is.
    """
    months = np.asarray(dates).astype("datetime64[M]")[1:]
    if not months.size:
        return None
    first = np.flatnonzero(np.append(True, months[1:] != months[:-1]))
    yuan = np.add.reduceat(np.asarray(traded, dtype=float)[1:], first)
    before = np.asarray(value, dtype=float)[first]  # the base day stands at the head, so this is the close before
    return float(np.mean(yuan / before)) if (before > 0).all() else None


class Row(NamedTuple):
    """A row of the paper's chart 36 (26 has the first nine); fractions, drawdowns without sign, None: undefined."""

    annual_return: Number
    volatility: Number
    sharpe: Number
    max_drawdown: float
    excess_return: Number
    tracking_error: Number
    excess_drawdown: float | None
    information_ratio: Number
    calmar: Number
    monthly_win_rate: Number
    monthly_turnover: Number


def row(dates: Array, value: Array, benchmark: Array | None = None, traded: Array | None = None) -> Row:
    """All that the paper prints of a portfolio.

    Parameters
    ----------
    dates : ndarray of datetime64, shape (T,)
        Sessions, the base day first.
    value, benchmark : ndarray of float, shape (T,)
        Net values in any unit.
    traded : ndarray of float, shape (T,), optional
        Yuan bought plus sold on each session, for the turnover.

    Returns
    -------
    Row
        The tracking error is the volatility of the ratio of net values, a win a month in which that ratio rose.
    """
    net = np.asarray(value, dtype=float)
    per_year = measures.sessions_per_year(dates) or math.nan
    returns = measures.simple_returns(net)
    annual, spread = measures.annual_return(returns, per_year), measures.volatility(returns, per_year)
    turnover = None if traded is None else monthly_turnover(dates, net, traded)
    sharpe = plain_sharpe(annual, spread) if annual is not None and spread is not None else None
    fall = abs(max_drawdown(net).depth)
    if benchmark is None:
        return Row(annual, spread, sharpe, fall, None, None, None, None, None, None, turnover)
    ratio = relative_net_value(net, benchmark)
    market = measures.annual_return(measures.simple_returns(np.asarray(benchmark, dtype=float)), per_year)
    excess = relative_excess(annual, market) if annual is not None and market is not None else None
    error = measures.volatility(measures.simple_returns(ratio), per_year)
    ratio_fall = abs(max_drawdown(ratio).depth)
    return Row(
        annual, spread, sharpe, fall, excess, error, ratio_fall,
        plain_information_ratio(excess, error) if excess is not None and error is not None else None,
        excess_calmar(excess, ratio_fall) if excess is not None else None,
        measures.monthly_win_rate(dates, ratio), turnover,
    )  # fmt: skip
