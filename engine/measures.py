"""Performance measures of one account, on plain arrays.

Every figure of the headline table is defined here and nowhere else. NumPy only: the hot path imports this
module. Conventions:

* ``dates`` (T,) are sessions, the first one the *base day* before the run; ``value`` (T,) is the account's
  value in yuan at each close; ``returns`` (T-1,) are fractions, one a session.
* ``deposits`` (T,) are yuan paid in (negative: taken out) before a session's trading. They are no gain:
  ``r[t] = value[t] / (value[t-1] + deposits[t]) - 1``. Every measure but ``final_value`` and ``turnover`` is of the
  net value that these returns make (:func:`net_value`), drawdowns included.
* ``per_year`` is the number of sessions a year, measured over the run by :func:`sessions_per_year` and not
  252: A-share years have had 238 to 246 sessions.
* A number that is not defined (a ratio with zero dispersion, a run of one session) is ``None``, never NaN or
  infinity, so that it survives JSON.

Sharpe, Sortino, Calmar and the information ratio agree with ``empyrical`` called with
``annualization=per_year`` (its ``excess_sharpe`` times the root of ``per_year`` for the information ratio), and so
do alpha and beta. Paper 3's own formulas, which differ, are in :mod:`engine.net_value_measures`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.drawdowns import max_drawdown

Array = np.ndarray
Number = float | None

DAYS_PER_YEAR = 365.25


def _number(x: float) -> Number:
    """``x`` as a Python float, or None where it is NaN or infinite."""
    x = float(x)
    return x if math.isfinite(x) else None


def _days(dates: Array) -> Array:
    return np.asarray(dates).astype("datetime64[D]")


def _spread(x: Array) -> float:
    """Sample standard deviation (n - 1); exactly 0 for equal numbers, NaN below two numbers."""
    if x.size < 2:
        return math.nan
    # The mean of equal numbers can differ from them in the last bit; dividing by that residue gives 1e15.
    return 0.0 if x.max() == x.min() else float(x.std(ddof=1))


def _ratio(top: float, bottom: float) -> Number:
    return _number(top / bottom) if bottom else None


def years(dates: Array) -> float:
    """Calendar days from the first to the last date, over 365.25."""
    day = _days(dates)
    return float((day[-1] - day[0]).astype(int)) / DAYS_PER_YEAR if day.size else 0.0


def sessions_per_year(dates: Array) -> Number:
    """Real number of trading days a year in the span: ``(T - 1) / (calendar days / 365.25)``.

    Parameters
    ----------
    dates : ndarray of datetime64, shape (T,)
        Sessions with the base day first, so that T - 1 of them earned a return.

    Returns
    -------
    float or None
        About 243 for A-shares over whole years; None below two dates.
    """
    span = years(dates)
    return (len(dates) - 1) / span if span > 0 else None


def simple_returns(level: Array) -> Array:
    """``level[1:] / level[:-1] - 1``: fractions, shape (T-1,)."""
    level = np.asarray(level, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return level[1:] / level[:-1] - 1.0


def account_returns(value: Array, deposits: Array | None = None) -> Array:
    """Returns of an account that is paid into, ``value[1:] / (value[:-1] + deposits[1:]) - 1``, shape (T-1,).

    Parameters
    ----------
    value : ndarray of float, shape (T,)
        Yuan at each close, the base day first.
    deposits : ndarray of float, shape (T,), optional
        Yuan paid in (negative: taken out) before each session's trading; the base day's entry is not used.

    Returns
    -------
    ndarray of float
        Fractions; 0 on a session on which the account is empty.
    """
    value = np.asarray(value, dtype=float)
    if deposits is None or not np.any(deposits):
        return simple_returns(value)
    if np.shape(deposits) != value.shape:
        raise ValueError(f"the deposits have shape {np.shape(deposits)} and the account {value.shape}")
    base = value[:-1] + np.asarray(deposits, dtype=float)[1:]
    return np.divide(value[1:], base, out=np.ones(base.size), where=base != 0) - 1.0


def net_value(value: Array, deposits: Array | None = None) -> Array:
    """The account as if nothing had been paid in or out: ``value`` itself without deposits, shape (T,).

    With them, ``value[0]`` (1 where the account began empty) grown by :func:`account_returns`.
    """
    value = np.asarray(value, dtype=float)
    if deposits is None or not np.any(deposits):
        return value
    start = value[0] if value[0] > 0 else 1.0
    return start * np.concatenate([[1.0], np.cumprod(1.0 + account_returns(value, deposits))])


def per_session(annual: float | Array, per_year: float) -> float | Array:
    """An annual rate spread over sessions, ``(1 + annual) ** (1 / per_year) - 1`` (fractions)."""
    return (1.0 + annual) ** (1.0 / per_year) - 1.0


def annual_return(returns: Array, per_year: float) -> Number:
    """Compound growth a year: ``prod(1 + r) ** (per_year / n) - 1``."""
    if not returns.size:
        return None
    growth = float(np.prod(1.0 + returns))
    return _number(growth ** (per_year / returns.size) - 1.0) if growth >= 0 else None


def volatility(returns: Array, per_year: float) -> Number:
    """``std(r, n - 1) * sqrt(per_year)``; zero is a value, fewer than two sessions are not."""
    return _number(_spread(returns) * math.sqrt(per_year))


def sharpe(returns: Array, risk_free: float | Array, per_year: float) -> Number:
    """``mean(r - f) / std(r - f, n - 1) * sqrt(per_year)``; ``f`` is the risk-free rate of a session."""
    extra = returns - risk_free
    spread = _spread(extra)
    return _ratio(float(extra.mean()) * math.sqrt(per_year), spread) if extra.size > 1 else None


def sortino(returns: Array, risk_free: float | Array, per_year: float) -> Number:
    """``mean(r - f) * per_year / (sqrt(mean(min(r - f, 0) ** 2)) * sqrt(per_year))``."""
    extra = returns - risk_free
    if extra.size < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(extra, 0.0) ** 2))) * math.sqrt(per_year)
    return _ratio(float(extra.mean()) * per_year, downside)


def calmar(returns: Array, per_year: float) -> Number:
    """``annual_return / |max_drawdown|``; None when the account never fell."""
    growth = annual_return(returns, per_year)
    fall = max_drawdown(np.concatenate([[1.0], np.cumprod(1.0 + returns)])).depth
    return None if growth is None else _ratio(growth, abs(fall))


def tracking_error(returns: Array, benchmark: Array, per_year: float) -> Number:
    """``std(r - b, n - 1) * sqrt(per_year)`` with ``b`` the benchmark's returns."""
    return volatility(returns - benchmark, per_year)


def information_ratio(returns: Array, benchmark: Array, per_year: float) -> Number:
    """``mean(r - b) / std(r - b, n - 1) * sqrt(per_year)``: the Sharpe ratio of the active return."""
    return sharpe(returns, benchmark, per_year)


def beta(returns: Array, benchmark: Array, risk_free: float | Array = 0.0) -> Number:
    """CAPM beta, ``cov(r - f, b - f) / var(b - f)``; None below two sessions or for a benchmark that never moves."""
    own, market = returns - risk_free, benchmark - risk_free
    if own.size < 2 or not _spread(market):
        return None
    apart = market - market.mean()
    return _number(float(apart @ own) / float(apart @ apart))


def alpha(returns: Array, benchmark: Array, risk_free: float | Array, per_year: float) -> Number:
    """CAPM alpha a year, ``(1 + mean((r - f) - beta (b - f))) ** per_year - 1`` (Jensen 1968; fractions)."""
    slope = beta(returns, benchmark, risk_free)
    if slope is None:
        return None
    left = (returns - risk_free) - slope * (benchmark - risk_free)
    return _number((1.0 + float(left.mean())) ** per_year - 1.0)


def period_returns(dates: Array, level: Array, unit: str) -> tuple[Array, Array]:
    """Returns by calendar period.

    Parameters
    ----------
    dates, level : ndarray, shape (T,)
        Sessions with the base day first, and yuan or index points.
    unit : {"M", "Y"}
        Month or year.

    Returns
    -------
    periods : ndarray of datetime64[unit], shape (P,)
        Periods in which the run has a session (the base day alone makes none).
    returns : ndarray of float, shape (P,)
        Last level of the period over the last level before it, minus 1; the first period starts from the
        base day.
    """
    period = _days(dates)[1:].astype(f"datetime64[{unit}]")
    if not period.size:
        return period, np.empty(0)
    level = np.asarray(level, dtype=float)
    last = np.append(np.flatnonzero(period[1:] != period[:-1]), period.size - 1)
    return period[last], simple_returns(level[np.concatenate([[0], last + 1])])


def monthly_win_rate(dates: Array, value: Array, benchmark: Array | None = None) -> Number:
    """Share of calendar months in which the account beat the benchmark, or rose when there is none."""
    _, own = period_returns(dates, value, "M")
    if not own.size:
        return None
    hurdle = 0.0 if benchmark is None else period_returns(dates, benchmark, "M")[1]
    return float(np.mean(own > hurdle))


def turnover(value: Array, buys: float, sells: float, span_years: float) -> Number:
    """Two-sided turnover a year: ``(buys + sells) / mean(value) / years``; 2.0 replaces the account once."""
    value = np.asarray(value, dtype=float)
    traded = value[1:] if value.size > 1 else value
    scale = float(traded.mean()) * span_years
    return _ratio(buys + sells, scale) if scale > 0 else None


def _levels(level: Array | None, size: int) -> Array | None:
    """A usable level series: gaps carried forward; None when there is none on the base day."""
    if level is None:
        return None
    level = np.asarray(level, dtype=float)
    if level.shape != (size,):
        raise ValueError(f"the benchmark has shape {level.shape} and the account ({size},)")
    known = np.isfinite(level)
    if not size or not known[0]:
        return None
    return level[np.maximum.accumulate(np.where(known, np.arange(size), 0))]


class Performance(NamedTuple):
    """What the measures of one account are computed from; see :func:`performance`.

    ``net`` (T,) is the account's net value, ``returns`` (T-1,) what it grew by; ``market`` (T,) and
    ``market_returns`` (T-1,) are the benchmark's, None without one; ``risk_free`` the rate of a session;
    ``per_year`` sessions a year, NaN below two dates.
    """

    net: Array
    returns: Array
    market: Array | None
    market_returns: Array | None
    risk_free: float | Array
    per_year: float


def performance(
    dates: Array,
    value: Array,
    benchmark: Array | None = None,
    risk_free: float | Array = 0.0,
    deposits: Array | None = None,
) -> Performance:
    """The series behind every measure; the parameters are those of :func:`headline`."""
    day, value = _days(dates), np.asarray(value, dtype=float)
    if day.shape != value.shape or value.size == 0:
        raise ValueError(f"dates {day.shape} and value {value.shape} must have one and the same length above 0")
    per_year = sessions_per_year(day)
    rate: float | Array
    if np.ndim(risk_free):
        rate = np.asarray(risk_free, dtype=float)
        rate = rate[1:] if rate.size == value.size else rate
    else:
        rate = per_session(float(risk_free), per_year) if per_year else 0.0
    market = _levels(benchmark, value.size)
    return Performance(
        net_value(value, deposits), account_returns(value, deposits), market,
        None if market is None else simple_returns(market), rate, per_year or math.nan,
    )  # fmt: skip


def headline(
    dates: Array,
    value: Array,
    benchmark: Array | None = None,
    benchmark_price: Array | None = None,
    risk_free: float | Array = 0.0,
    buys_yuan_total: float = 0.0,
    sells_yuan_total: float = 0.0,
    deposits: Array | None = None,
) -> dict[str, float | int | str | None]:
    """Every number of the headline table.

    Parameters
    ----------
    dates : ndarray of datetime64, shape (T,)
        Sessions, the base day first.
    value : ndarray of float, shape (T,)
        Account value in yuan at the close; ``value[0]`` is the starting cash.
    benchmark, benchmark_price : ndarray of float, shape (T,), optional
        Level of the benchmark used, and of its price index. Gaps are carried forward; a series without a
        level on the base day counts as absent.
    risk_free : float or ndarray
        A float is an *annual* rate (fraction), spread over sessions by :func:`per_session`. An array holds
        the rate *of each session*, shape (T,) with the base day's entry unused, or (T-1,).
    buys_yuan_total, sells_yuan_total : float
        Yuan bought and sold over the run, before fees.
    deposits : ndarray of float, shape (T,), optional
        Yuan paid in (negative: taken out) before each session's trading.

    Returns
    -------
    dict
        Fractions for returns, volatility and drawdowns (these at most 0), ISO dates as strings, ``None``
        where a number is undefined. ``excess_annual_return`` is the difference of the two annual returns;
        ``excess_total_return`` and ``excess_max_drawdown`` are those of the ratio of the two net values.
    """
    net, returns, market, market_returns, rate, pace = performance(dates, value, benchmark, risk_free, deposits)
    day, value = _days(dates), np.asarray(value, dtype=float)
    span, per_year = years(day), sessions_per_year(day)
    price = _levels(benchmark_price, value.size)
    fall = max_drawdown(net)
    fell = fall.depth < 0
    ratio = None if market is None else (net / net[0]) / (market / market[0])
    growth = annual_return(returns, pace)
    market_growth = None if market_returns is None else annual_return(market_returns, pace)
    out: dict[str, float | int | str | None] = {
        "total_return": _number(net[-1] / net[0] - 1.0),
        "annual_return": growth,
        "benchmark_annual_return": market_growth,
        "benchmark_price_annual_return": None if price is None else annual_return(simple_returns(price), pace),
        "excess_annual_return": None if growth is None or market_growth is None else growth - market_growth,
        "excess_total_return": None if ratio is None else _number(ratio[-1] - 1.0),
        "excess_max_drawdown": None if ratio is None else max_drawdown(ratio).depth,
        "volatility": volatility(returns, pace),
        "sharpe": sharpe(returns, rate, pace),
        "sortino": sortino(returns, rate, pace),
        "calmar": calmar(returns, pace) if returns.size else None,
        "information_ratio": None if market_returns is None else information_ratio(returns, market_returns, pace),
        "tracking_error": None if market_returns is None else tracking_error(returns, market_returns, pace),
        "alpha": None if market_returns is None else alpha(returns, market_returns, rate, pace),
        "beta": None if market_returns is None else beta(returns, market_returns, rate),
        "max_drawdown": fall.depth,
        "max_drawdown_peak": str(day[fall.peak]) if fell else None,
        "max_drawdown_trough": str(day[fall.trough]) if fell else None,
        "max_drawdown_recovered": None if not fell or fall.recovered is None else str(day[fall.recovered]),
        "monthly_win_rate": monthly_win_rate(day, net, market),
        "turnover": turnover(value, buys_yuan_total, sells_yuan_total, span),
        "sessions": value.size - 1,
        "years": span,
        "sessions_per_year": per_year,
        "final_value": float(value[-1]),
    }
    return out
