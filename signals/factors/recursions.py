"""Averages that remember all of a stock's history, and the states from which they go on without it.

An exponential average, Wilder's average or directional movement takes each bar into a few numbers a stock. These are
its state. Over a whole history a panel keeps the states as they stand :data:`WARM` bars before the last session asked
for; a panel that goes on after that session packs twice as many bars before it, of which the first half serve what is
computed before the average (a range over 9 bars, a move) and the second half what is computed after it (a sum over 25
bars), and begins with the states between them. So values have the bits that the whole history gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from signals.factors import sum_kernels, technical_kernels

if TYPE_CHECKING:
    from signals.factors.panel import FactorPanel

WARM = 32
"""Bars that may be read before and after an average; a panel that goes on packs twice as many."""

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
"""Takes rows ``begin[i]`` to ``end[i] - 1`` of each stock into its state, (N, K), and gives their values."""


class Recursions:
    """States of a panel's recursive averages.

    Parameters
    ----------
    begin, mark, end : ndarray of int64, shape (N,)
        Packed rows of each stock from which the averages run, of which the states are kept, and which end them.
    given : mapping of str to ndarray of float64, shape (N, K), optional
        States before ``begin``; without them the averages begin anew.

    Attributes
    ----------
    kept : dict of str to ndarray
        States before ``mark``, by average.
    used : set of str
        Averages asked for since this was last set.
    """

    def __init__(
        self, begin: np.ndarray, mark: np.ndarray, end: np.ndarray, given: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self._begin, self._mark, self._end = begin, mark, end
        self._given = given
        self.kept: dict[str, np.ndarray] = {}
        self.used: set[str] = set()

    def run(self, key: str, size: int, step: Step) -> None:
        """Run ``step`` over the rows up to the mark, and over those from it on; ``size``: numbers in a state."""
        state = np.zeros((len(self._begin), size)) if self._given is None else self._given[key].copy()
        step(self._begin, self._mark, state)
        self.kept[key] = state.copy()
        self.used.add(key)
        step(self._mark, self._end, state)


def ema(panel: FactorPanel, name: str, values: np.ndarray, alpha: float, least: int = 1) -> np.ndarray:
    """Exponential average of packed values, seeded with a stock's first; (R,).

    Parameters
    ----------
    panel : FactorPanel
    name : str
        What the values are; the same name must stand for the same values everywhere.
    values : ndarray of float64, shape (R,)
    alpha : float
    least : int
        Values from which on it is there; missing ones are passed over.
    """
    x, out = np.ascontiguousarray(values), np.full(len(values), np.nan)
    panel.recursions.run(
        f"ema {alpha} of {name}", 2,
        lambda begin, end, state: sum_kernels.emas(x, begin, end, state, alpha, least, out),
    )  # fmt: skip
    return out


def wilder(panel: FactorPanel, name: str, values: np.ndarray, window: int) -> np.ndarray:
    """Wilder's average of packed values, there from ``window`` values on; (R,). ``name`` as for :func:`ema`."""
    x, out = np.ascontiguousarray(values), np.full(len(values), np.nan)
    panel.recursions.run(
        f"wilder {window} of {name}", 2,
        lambda begin, end, state: technical_kernels.wilder(x, begin, end, state, window, out),
    )  # fmt: skip
    return out


def directional(panel: FactorPanel, window: int) -> np.ndarray:
    """Wilder's +DI, -DI and ADX in per cent; (3, R)."""
    high, low, close = (panel.adjusted(field) for field in ("high", "low", "close"))
    out = np.full((3, len(close)), np.nan)
    panel.recursions.run(
        f"directional {window}", 6,
        lambda begin, end, state: technical_kernels.directional(high, low, close, begin, end, state, window, out),
    )  # fmt: skip
    return out
