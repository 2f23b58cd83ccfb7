"""How much of the account is invested: volatility target, drawdown stop, market timing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from engine.errors import ConfigError
from strategies.overlays.base import Overlay, scaled

if TYPE_CHECKING:
    from engine.view import View
    from strategies.base import Portfolio

SESSIONS_A_YEAR = 243.0
"""A-share sessions in a year; a view may be too short to count them."""


class VolatilityTarget(Overlay):
    """Invests less when the basket has been more volatile than wanted, never more than the weights say.

    The volatility is that of the basket as it is now over the last ``window`` sessions: the standard deviation of the
    sum of weight times daily return, annualised; sessions without a bar count as unchanged.

    Parameters
    ----------
    target : float
        Annual volatility, a fraction.
    window : int
        Sessions.
    """

    target: float = Field(default=0.15, gt=0.0)
    window: int = Field(default=60, ge=2)

    @property
    def lookback(self) -> int:
        return self.window + 1

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> dict[str, float]:
        """Weights times target over volatility, at most as they are."""
        volatility = basket_volatility(weights, view, self.window)
        return scaled(weights, min(1.0, self.target / volatility)) if volatility > 0.0 else dict(weights)


def basket_volatility(weights: Mapping[str, float], view: View, window: int) -> float:
    """Annual volatility of fixed weights over the last ``window`` sessions; 0 where there are fewer than two."""
    column = {symbol: i for i, symbol in enumerate(view.symbols)}
    at = np.array([column[symbol] for symbol in weights], dtype=np.intp)
    prices = view.last("mark", window + 1)[:, at] * view.last("adj_factor", window + 1)[:, at]
    daily = np.nan_to_num(prices[1:] / prices[:-1] - 1.0) @ np.array(list(weights.values()), dtype=np.float64)
    daily = daily[len(daily) - min(window, view.t) :]
    if len(daily) < 2:
        return 0.0
    return float(np.std(daily, ddof=1)) * math.sqrt(SESSIONS_A_YEAR)


class DrawdownStop(Overlay):
    """Leaves the market once the account has fallen by ``limit`` from its high, for ``wait`` sessions.

    It looks at every close, decision or not. After the wait the account is invested again, and the high counts from
    there.

    Parameters
    ----------
    limit : float
        Fall from the high, a fraction.
    exposure : float
        What is left of the weights meanwhile.
    wait : int
        Sessions.
    """

    limit: float = Field(default=0.2, gt=0.0, lt=1.0)
    exposure: float = Field(default=0.0, ge=0.0, lt=1.0)
    wait: int = Field(default=20, ge=1)

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> dict[str, float]:
        """The weights, or what is left of them."""
        return scaled(weights, self.exposure) if self.stopped(portfolio.values) else dict(weights)

    def acts(self, portfolio: Portfolio, view: View) -> bool:
        """When it begins and when it ends."""
        values = portfolio.values
        return self.stopped(values) != self.stopped(values[:-1])

    def stopped(self, values: np.ndarray) -> bool:
        """Whether the account is out of the market after the last of its values (T,), one a session."""
        high, since = -math.inf, -1
        for k, value in enumerate(values.tolist()):
            if since >= 0 and k - since >= self.wait:
                high, since = value, -1
            if since < 0:
                high = max(high, value)
                since = k if value <= high * (1.0 - self.limit) else -1
        return since >= 0


class MarketTiming(Overlay):
    """Leaves the market while the benchmark's price index is below its own mean.

    It looks at every close, decision or not.

    Parameters
    ----------
    window : int
        Sessions of the mean, the current one included.
    exposure : float
        What is left of the weights meanwhile.
    """

    window: int = Field(default=200, ge=2)
    exposure: float = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def lookback(self) -> int:
        return self.window + 1

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> dict[str, float]:
        """The weights, or what is left of them."""
        return scaled(weights, self.exposure) if self._below(view, 0) else dict(weights)

    def acts(self, portfolio: Portfolio, view: View) -> bool:
        """When the index crosses its mean."""
        return view.t > 0 and self._below(view, 0) != self._below(view, 1)

    def _below(self, view: View, back: int) -> bool:
        """Whether the index was below its mean ``back`` sessions ago; not before it has as many levels."""
        try:
            levels = view.series("benchmark_price")
        except KeyError:
            raise ConfigError(
                "overlay timing looks at the benchmark's price index and the run has none; give --benchmark"
            ) from None
        part = levels[: len(levels) - back][-self.window :]
        if len(part) < self.window or np.isnan(part).any():
            return False
        return bool(part[-1] < np.mean(part))
