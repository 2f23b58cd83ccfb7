"""What technical factors are declared with and made of: prices, moves, ranges, smoothed averages; all packed (R,)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from signals.factors import kernels, recursions
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

Packed = Callable[[FactorPanel], np.ndarray]

PACKED: dict[str, Packed] = {}
"""The technical factors as functions of a panel to its packed rows, by name."""

CLOSE, RANGE = ("close", "adj_factor"), ("high", "low", "close", "adj_factor")
BARS = ("open", *RANGE)


def technical(
    name: str,
    chinese: str,
    inputs: tuple[str, ...],
    lookback: int | None,
    *,
    unit: str = "ratio",
    direction: int = 0,
    source: str = "standard technical indicator",
) -> Callable[[Packed], Packed]:
    """Declare a function to packed rows as a factor of the technical family."""

    def declare(values: Packed) -> Packed:
        def compute(panel: FactorPanel) -> np.ndarray:
            return panel.spread(values(panel))

        compute.__doc__ = values.__doc__
        compute.__module__ = values.__module__
        compute.__qualname__ = values.__qualname__
        factor(
            name, chinese=chinese, family="technical", direction=direction, unit=unit, inputs=inputs,
            lookback=lookback, source=source, resumes=lookback is None,
        )(compute)  # fmt: skip
        PACKED[name] = values
        return values

    return declare


def before(panel: FactorPanel, field: str) -> np.ndarray:
    """An adjusted price of the bar before."""
    return panel.shared(("before", field), lambda: kernels.shift(panel.adjusted(field), panel.runs, 1))


def moves(panel: FactorPanel) -> np.ndarray:
    """Adjusted close less that of the bar before."""
    return panel.shared("technical moves", lambda: panel.adjusted("close") - before(panel, "close"))


def typical(panel: FactorPanel) -> np.ndarray:
    """(high + low + close) / 3, adjusted."""

    def make() -> np.ndarray:
        return (panel.adjusted("high") + panel.adjusted("low") + panel.adjusted("close")) / 3.0

    return panel.shared("technical typical", make)


def true_range(panel: FactorPanel) -> np.ndarray:
    """max(high, close before) - min(low, close before), adjusted."""

    def make() -> np.ndarray:
        last = before(panel, "close")
        return np.maximum(panel.adjusted("high"), last) - np.minimum(panel.adjusted("low"), last)

    return panel.shared("technical true range", make)


def positive(values: np.ndarray) -> np.ndarray:
    """max(value, 0), NaN where it is missing."""
    return np.maximum(values, 0.0)


def summed(panel: FactorPanel, values: np.ndarray, window: int) -> np.ndarray:
    return kernels.rolling_sum(values, panel.runs, window)


def averaged(panel: FactorPanel, values: np.ndarray, window: int) -> np.ndarray:
    return kernels.rolling_mean(values, panel.runs, window)


def smoothed(panel: FactorPanel, name: str, values: np.ndarray, span: int, least: int | None = None) -> np.ndarray:
    """Exponential average, alpha 2/(span + 1), seeded with the first value, from ``least`` values (``span``) on."""
    return recursions.ema(panel, name, values, 2.0 / (span + 1.0), span if least is None else least)


def wilder(panel: FactorPanel, name: str, values: np.ndarray, window: int) -> np.ndarray:
    return recursions.wilder(panel, name, values, window)


def shifted(panel: FactorPanel, values: np.ndarray, rows: int) -> np.ndarray:
    return kernels.shift(values, panel.runs, rows)
