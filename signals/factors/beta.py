"""Alpha and beta of monthly returns against the Shanghai Composite over 60 months."""

from __future__ import annotations

import numpy as np
from numba import njit

from signals.factors import kernels, packing
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor
from signals.factors.windows import aged

COMPOSITE = "000001"
"""The Shanghai Composite, the market of paper 3."""

MONTHS = 60
LEAST = 48
"""Months with a return that must be there; a month without a bar, or after one, has none."""


@njit(cache=True)
def regress_months(returns: np.ndarray, market: np.ndarray, least: int, out: np.ndarray) -> None:
    """OLS with a constant of each column on the market, NaN left out; ``out`` (2, N) gets alpha and beta.

    Parameters
    ----------
    returns : ndarray, shape (M, N)
    market : ndarray, shape (M,)
    least : int
        Pairs that must be there; NaN with fewer, or where the market does not move.
    """
    months, stocks = returns.shape
    for i in range(stocks):
        count, mean_x, mean_y = 0, 0.0, 0.0
        for m in range(months):
            if np.isfinite(returns[m, i]) and np.isfinite(market[m]):
                count += 1
                mean_x += market[m]
                mean_y += returns[m, i]
        out[0, i] = np.nan
        out[1, i] = np.nan
        if count < least or count < 3:
            continue
        mean_x /= count
        mean_y /= count
        xx, xy = 0.0, 0.0
        for m in range(months):
            if np.isfinite(returns[m, i]) and np.isfinite(market[m]):
                dx = market[m] - mean_x
                xx += dx * dx
                xy += dx * (returns[m, i] - mean_y)
        if xx > 0.0:
            out[1, i] = xy / xx
            out[0, i] = mean_y - out[1, i] * mean_x


def month_closes(panel: FactorPanel, months: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Last back-adjusted close of each stock in some months, NaN without a bar; (M, N).

    Parameters
    ----------
    panel : FactorPanel
    months : ndarray of int, shape (M,)
    month : ndarray of int, shape (T,)
        Month of each session, ascending.
    """
    source, stocks = panel.source, np.arange(len(panel.symbols))
    closes = np.full((len(months), len(stocks)), np.nan)
    for k, one in enumerate(months):
        low, high = np.searchsorted(month, [one, one + 1])
        traded = source.traded[low:high][::-1] > 0  # the last session first
        if len(traded):
            last = high - 1 - traded.argmax(axis=0)
            prices = source.close[last, stocks] * source.adj_factor[last, stocks]
            closes[k] = np.where(traded.any(axis=0), prices, np.nan)
    return closes


def _fits(panel: FactorPanel) -> tuple[np.ndarray, np.ndarray]:
    """Alpha and beta at the sessions asked for, each (D, N)."""
    month = panel.sessions.astype("datetime64[M]").astype(np.int64)
    month -= month[0]
    index = panel.index(COMPOSITE)
    market = np.full(int(month[-1]) + 1, np.nan)
    market[month] = index  # of several sessions in a month the last one stays
    asked = [int(m) for m in month[panel.rows] if m >= MONTHS]
    needed = np.unique([before for m in asked for before in range(m - MONTHS, m)]).astype(np.int64)
    closes = month_closes(panel, needed, month)
    now = np.where(panel.traded, panel.at("close") * panel.at("adj_factor"), np.nan)
    first = packing.first_bars(panel.source.traded)
    alpha, beta = np.full(panel.shape, np.nan), np.full(panel.shape, np.nan)
    out = np.empty((2, panel.shape[1]))
    for d, t in enumerate(panel.rows):
        m = int(month[t])
        if m < MONTHS:
            continue
        # The running month counts with its return to date.
        begin = int(np.searchsorted(needed, m - MONTHS))
        prices = np.vstack([closes[begin : begin + MONTHS], now[d : d + 1]])
        levels = np.append(market[m - MONTHS : m], index[t])
        regress_months(prices[1:] / prices[:-1] - 1.0, levels[1:] / levels[:-1] - 1.0, LEAST, out)
        # A stock that listed later has been through fewer than 60 months.
        old = first < np.searchsorted(month, m - MONTHS, side="right")
        alpha[d], beta[d] = np.where(old, out[0], np.nan), np.where(old, out[1], np.nan)
    gone = ~np.isfinite(now)
    alpha[gone], beta[gone] = np.nan, np.nan
    return alpha, beta


_INPUTS = ("close", "adj_factor", f"index:{COMPOSITE}")


@factor(
    "ha_alpha", chinese="60个月阿尔法", family="beta", direction=-1, unit="fraction a month", inputs=_INPUTS,
    lookback=None, source="paper 3, chart 13: HAAlpha", resumes=True,
)  # fmt: skip
def ha_alpha(panel: FactorPanel) -> np.ndarray:
    """Constant of the regression r_m = alpha + beta R_m over 60 calendar months, the current one to date.

    r_m: total return of the stock, R_m: price return of the Shanghai Composite. At least 48 months must be there, and
    the stock must have traded 60 months ago.
    """
    return panel.shared("60 months", lambda: _fits(panel))[0]


@factor(
    "beta_60m", chinese="60个月贝塔", family="beta", direction=-1, unit="ratio", inputs=_INPUTS, lookback=None,
    source="paper 3, chart 13: beta", resumes=True,
)  # fmt: skip
def beta_60m(panel: FactorPanel) -> np.ndarray:
    """Slope of the regression of :func:`ha_alpha`."""
    return panel.shared("60 months", lambda: _fits(panel))[1]


@factor(
    "beta_250d", chinese="250日贝塔", family="beta", direction=-1, unit="ratio",
    inputs=("close", "preclose", f"index:{COMPOSITE}"), lookback=250, source="Barra CNE5: BETA, without its weights",
)  # fmt: skip
def beta_250d(panel: FactorPanel) -> np.ndarray:
    """Slope of daily returns on those of the Shanghai Composite over 250 own bars."""
    level = panel.index(COMPOSITE)
    daily = np.full(len(level), np.nan)
    daily[1:] = level[1:] / level[:-1] - 1.0
    slope = kernels.rolling_beta(panel.returns, daily[panel.bar_sessions], panel.runs, 250, 240)
    return panel.spread(aged(panel, slope, 250))
