"""What all stocks of the synthetic market share: regimes, the market's return, the returns of industries and styles.

The market is in one of three regimes (calm, rally, slump) that change as a Markov chain. A regime sets the drift and
the level of volatility; around it the log of the level wanders (a stochastic volatility that answers to large
shocks), which gives the long memory of absolute returns. The log of the market is drawn to a trend, so that ten years
neither multiply nor wipe out prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.synthetic_population import INDUSTRIES, Stream

STYLES = ("size", "turnover", "value")
"""Style factors: exposures are cross-sectional scores of log market value, log turnover, and minus the log of the
price over that of the first session."""
STYLE_VOLATILITY = (0.0037, 0.0022, 0.0022)
"""Return per session of a style and per standard deviation of exposure."""
MARKET_VOLATILITY = 0.0144
"""Standard deviation of the market's return per session at level one."""
INDUSTRY_VOLATILITY = 0.0060
TREND = 0.00025
"""Growth of the log of the market per session to which it is drawn."""
PULL = 0.0020

CALM, RALLY, SLUMP = range(3)
DRIFT = np.array([0.0, 0.0020, -0.0020])
LEVEL = np.array([0.75, 1.10, 1.60])
"""Volatility relative to the mean."""
STAY = np.array([200.0, 100.0, 90.0])
"""Mean length of a regime in sessions."""
NEXT = np.array([[0.0, 0.5, 0.5], [0.4, 0.0, 0.6], [0.8, 0.2, 0.0]])
"""Chance of the regime that follows, by the one that ends."""

LEVEL_MEMORY, LEVEL_SHOCK, LEVEL_NOISE = 0.987, 0.046, 0.055
"""AR(1) of the log level: memory, answer to the size of the last shock, noise."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """Series of the market, T sessions."""

    market: np.ndarray  # (T,) return of a stock with beta 1
    level: np.ndarray  # (T,) volatility relative to the mean
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
    noise, bustle = rng.standard_normal(length), stream("activity").standard_normal(length)
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
        busy = 0.985 * busy + 0.045 * bustle[t]
        activity[t] = np.exp(busy) * level[t] ** 0.6 * (1.15 if regime[t] == RALLY else 1.0)
    sectors = stream("sectors").standard_normal((length, len(INDUSTRIES)))
    styles = stream("styles").standard_t(6, (length, len(STYLES))) / np.sqrt(1.5)
    return Common(
        market=market,
        level=level,
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
