"""What all stocks of the synthetic market share: regimes, the market's return, the returns of industries and styles.

The market is in one of three regimes (calm, rally, slump) that change as a Markov chain. A regime sets the drift and
the level of volatility; around it the log of the level wanders (a stochastic volatility that answers to large
shocks), which gives the long memory of absolute returns. Stocks remember longer than the index does: their own
volatilities share a second slow level (the common idiosyncratic volatility of Herskovic et al. 2016). The log of the
market is drawn to a trend, so that ten years neither multiply nor wipe out prices. Each series has a random stream of
its own and is drawn forwards, so a market with a later end has the same common past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.synthetic_population import INDUSTRIES, Stream

STYLES = ("size", "turnover", "value")
"""Style factors: exposures are cross-sectional scores of log market value, log turnover, and minus the log of the
adjusted price over its own mean of two years."""
STYLE_VOLATILITY = (0.0024, 0.0022, 0.0022)
"""Return per session of a style and per standard deviation of exposure."""
MARKET_VOLATILITY = 0.0160
"""Standard deviation of the market's return per session at level one."""
INDUSTRY_VOLATILITY = 0.0060
TREND = 0.00059
"""Return of the market per session to which its sum is drawn. The log of a stock grows by less, half its variance: by
four to five per cent a year, as nominal incomes do, and so do values and, with retained profits, books."""
PULL = 0.0010

CALM, RALLY, SLUMP = range(3)
DRIFT = np.array([0.0, 0.0019, -0.0019])
LEVEL = np.array([0.86, 1.08, 1.30])
"""Volatility relative to the mean."""
STAY = np.array([200.0, 100.0, 90.0])
"""Mean length of a regime in sessions."""
NEXT = np.array([[0.0, 0.5, 0.5], [0.4, 0.0, 0.6], [0.8, 0.2, 0.0]])
"""Chance of the regime that follows, by the one that ends."""

LEVEL_MEMORY, LEVEL_SHOCK, LEVEL_NOISE = 0.989, 0.038, 0.046
"""AR(1) of the log level: memory, answer to the size of the last shock, noise."""
WITH_MARKET, DISPERSION_MEMORY, DISPERSION_NOISE = 1.0, 0.992, 0.056
"""Volatility of the stocks' own returns: elasticity to the market's level, AR(1) of what else they have in common."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """Series of the market, T sessions."""

    market: np.ndarray  # (T,) return of a stock with beta 1
    level: np.ndarray  # (T,) volatility relative to the mean
    dispersion: np.ndarray  # (T,) volatility of the stocks' own returns relative to the mean
    activity: np.ndarray  # (T,) turnover relative to the mean
    regime: np.ndarray  # (T,) int: CALM, RALLY, SLUMP
    industries: np.ndarray  # (T, len(INDUSTRIES)) returns
    styles: np.ndarray  # (T, len(STYLES)) returns per unit of exposure


def common_paths(length: int, stream: Stream) -> Common:
    """Draw the series that stocks share.

    Parameters
    ----------
    length : int
        Sessions T.
    stream : callable
        Random generator by purpose.
    """
    regime = _regimes(length, stream("regimes"))
    rng = stream("market")
    shocks = np.clip(rng.standard_t(6, length) / np.sqrt(1.5), -4.5, 4.5)
    noise, bustle = stream("volatility").standard_normal(length), stream("activity").standard_normal(length)
    market, level, activity = np.empty(length), np.empty(length), np.empty(length)
    log_level = busy = gap = 0.0
    log_base = np.log(LEVEL[regime])
    base = log_base[0]
    for t in range(length):
        base += 0.15 * (log_base[t] - base)  # a regime arrives within a fortnight
        level[t] = min(np.exp(base + log_level), 4.0)
        move = TREND + DRIFT[regime[t]] - PULL * gap + MARKET_VOLATILITY * level[t] * shocks[t]
        market[t] = min(max(move, -0.085), 0.085)
        gap += market[t] - TREND
        log_level = LEVEL_MEMORY * log_level + LEVEL_SHOCK * (abs(shocks[t]) - 0.74) + LEVEL_NOISE * noise[t]
        busy = 0.985 * busy + 0.038 * bustle[t]
        activity[t] = np.exp(busy) * level[t] ** 0.6 * (1.15 if regime[t] == RALLY else 1.0)
    apart = np.zeros(length)
    for t, draw in enumerate(stream("dispersion").standard_normal(length - 1), start=1):
        apart[t] = DISPERSION_MEMORY * apart[t - 1] + DISPERSION_NOISE * draw
    sectors = stream("sectors").standard_normal((length, len(INDUSTRIES)))
    styles = stream("styles").standard_t(6, (length, len(STYLES))) / np.sqrt(1.5)
    return Common(
        market=market,
        level=level,
        dispersion=level**WITH_MARKET * np.exp(apart),
        activity=activity,
        regime=regime,
        industries=INDUSTRY_VOLATILITY * level[:, None] * sectors,
        styles=np.array(STYLE_VOLATILITY) * level[:, None] * np.clip(styles, -4.0, 4.0),
    )


def _regimes(length: int, rng: np.random.Generator) -> np.ndarray:
    regime = np.empty(length, np.int8)
    now, t = CALM, 0
    while t < length:
        stay = 1 + int(rng.exponential(STAY[now]))
        regime[t : t + stay] = now
        t += stay
        now = int(rng.choice(3, p=NEXT[now]))
    return regime
