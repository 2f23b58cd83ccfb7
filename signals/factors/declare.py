"""Short ways to declare factors that are an accounting item, or one figure over another."""

from __future__ import annotations

import numpy as np

from signals.factors.item_sources import ITEMS, MULTIPLES, RATIOS
from signals.factors.items import item, market_value
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

MARKET = ("close", "total_shares")
"""Inputs of a market value."""

WORTH = "market_value"
"""Stands for close times total shares where a figure is named."""

Figure = tuple[str, str]
"""An item and the kind in which it is taken; ``(WORTH, "")`` is the market value."""


def inputs_of(*names: str) -> tuple[str, ...]:
    """Inputs, as a factor declares them, of figures by name."""
    found = [f"item:{name}" for name in names if name != WORTH]
    priced = any(name == WORTH or _by_multiple(name) for name in names)
    return (*dict.fromkeys(found), *(MARKET if priced else ()))


def _by_multiple(name: str) -> bool:
    if name in RATIOS:
        return False
    one = ITEMS[name]
    sources = (*one.sources, *(ITEMS[one.instead].sources if one.instead else ()))
    return any(source.table == MULTIPLES for source in sources)


def on_bars(panel: FactorPanel, values: np.ndarray) -> np.ndarray:
    """The values where the stock has a bar and they are finite, NaN elsewhere; (D, N)."""
    return np.where(panel.traded & np.isfinite(values), values, np.nan)


def quotient(panel: FactorPanel, top: np.ndarray, bottom: np.ndarray, above: bool = True) -> np.ndarray:
    """top / bottom on bars where the bottom is above zero (or, with ``above=False``, not zero); (D, N)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return on_bars(panel, np.where(bottom > 0 if above else bottom != 0, top / bottom, np.nan))


def figure(panel: FactorPanel, wanted: Figure) -> np.ndarray:
    """An item, or the market value; (D, N)."""
    name, kind = wanted
    return market_value(panel) if name == WORTH else item(panel, name, kind)


def declare_item(
    name: str, wanted: Figure, *, chinese: str, family: str, direction: int, unit: str, source: str, formula: str,
    log: bool = False,
) -> None:  # fmt: skip
    """Declare a factor that is one item (its natural logarithm where ``log``)."""

    @factor(
        name, chinese=chinese, family=family, direction=direction, unit=unit, inputs=inputs_of(wanted[0]), lookback=1,
        source=source,
    )  # fmt: skip
    def compute(panel: FactorPanel) -> np.ndarray:
        values = figure(panel, wanted)
        if log:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.where(values > 0, np.log(values), np.nan)
        return on_bars(panel, values)

    compute.__doc__ = formula


def declare_quotient(
    name: str, top: Figure, bottom: Figure, *, chinese: str, family: str, direction: int, unit: str, source: str,
    formula: str, above: bool = True,
) -> None:  # fmt: skip
    """Declare a factor that is one figure over another; absent where the lower one is not above zero.

    With ``above=False`` only where it is zero.
    """

    @factor(
        name, chinese=chinese, family=family, direction=direction, unit=unit, inputs=inputs_of(top[0], bottom[0]),
        lookback=1, source=source,
    )  # fmt: skip
    def compute(panel: FactorPanel) -> np.ndarray:
        return quotient(panel, figure(panel, top), figure(panel, bottom), above)

    compute.__doc__ = formula
