"""Upper limits: weight of a name, weight of an industry, turnover of a rebalance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from strategies.industries import industry_names
from strategies.overlays.base import Overlay

if TYPE_CHECKING:
    from engine.view import View
    from strategies.base import Portfolio

FORCED = frozenset({"ST", "LEFT_UNIVERSE", "DELISTING"})
"""Reasons of sales that a limit on turnover does not put off."""


class MaxWeight(Overlay):
    """No name above ``most`` of the account.

    Parameters
    ----------
    most : float
        Fraction of the account.
    spread : bool
        What is above goes to the other names in proportion, as far as they stay below; else it is cash.
    """

    most: float = Field(default=0.1, gt=0.0, le=1.0)
    spread: bool = True

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> dict[str, float]:
        """The weights within the limit."""
        values = np.array(list(weights.values()), dtype=np.float64)
        return _named(weights, within(values, np.arange(len(values)), self.most, self.spread))


class MaxIndustry(Overlay):
    """No Shenwan level-1 industry above ``most`` of the account; stocks of unknown industry count as one.

    Parameters
    ----------
    most : float
        Fraction of the account.
    spread : bool
        What is above goes to the other industries in proportion, as far as they stay below; else it is cash.
    """

    most: float = Field(default=0.3, gt=0.0, le=1.0)
    spread: bool = True

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> dict[str, float]:
        """The weights within the limit; inside an industry they keep their proportions."""
        column = {symbol: i for i, symbol in enumerate(view.symbols)}
        kinds = industry_names(view)[np.array([column[symbol] for symbol in weights], dtype=np.intp)]
        _, groups = np.unique(kinds.astype(str), return_inverse=True)
        values = np.array(list(weights.values()), dtype=np.float64)
        return _named(weights, within(values, groups, self.most, self.spread))


class MaxTurnover(Overlay):
    """No rebalance buys or sells more than ``most`` of the account: it goes part of the way.

    An account without stocks is not held back, and sales of names under special treatment, in their delisting period
    or outside the universe are not put off.

    Parameters
    ----------
    most : float
        One-sided: the larger of what is bought and what is sold, a fraction of the account.
    """

    most: float = Field(default=0.3, gt=0.0, le=1.0)

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> dict[str, float]:
        """Weights held, moved towards those wanted as far as the limit allows."""
        reasons = getattr(weights, "reasons", {})
        held = {s: w for s, w in portfolio.weights.items() if s in weights or reasons.get(s) not in FORCED}
        if not held:
            return dict(weights)
        names = [*weights, *(symbol for symbol in held if symbol not in weights)]
        change = {symbol: weights.get(symbol, 0.0) - held.get(symbol, 0.0) for symbol in names}
        bought = sum(step for step in change.values() if step > 0.0)
        sold = -sum(step for step in change.values() if step < 0.0)
        part = min(1.0, self.most / max(bought, sold, self.most))
        moved = {symbol: held.get(symbol, 0.0) + part * change[symbol] for symbol in names}
        total = sum(moved.values())
        return {symbol: weight / max(total, 1.0) for symbol, weight in moved.items() if weight > 0.0}


def within(weights: np.ndarray, groups: np.ndarray, most: float, spread: bool) -> np.ndarray:
    """Weights whose sums by group are at most ``most``.

    Parameters
    ----------
    weights : ndarray of float64, shape (K,)
    groups : ndarray of int, shape (K,)
        Codes from 0 on.
    most : float
    spread : bool
        Whether groups below the limit take over what is above, in proportion, until all of it is placed or none is
        below.

    Returns
    -------
    ndarray of float64, shape (K,)
        Inside a group proportions stay.
    """
    before = np.bincount(groups, weights=weights) if len(weights) else np.zeros(0)
    totals, full = before.copy(), np.zeros(len(before), dtype=bool)
    while (totals > most + 1e-12).any():
        excess = float((totals - most)[totals > most].sum())
        full |= totals > most
        totals[full] = most
        room = float(totals[~full].sum())
        if not spread or room <= 0.0:
            break
        totals[~full] *= 1.0 + excess / room
    grown = np.divide(totals, before, out=np.zeros_like(totals), where=before > 0.0)
    return weights * grown[groups]


def _named(weights: Mapping[str, float], values: np.ndarray) -> dict[str, float]:
    return dict(zip(weights, values.tolist(), strict=True))
