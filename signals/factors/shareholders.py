"""Shareholders: how many there are, how much of the company trades, and how many shares are issued."""

from __future__ import annotations

import numpy as np

from signals.factors.declare import inputs_of, on_bars, quotient
from signals.factors.items import item
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor
from signals.factors.windows import back

_YEAR = 243
"""Bars of a year, the current one included."""


@factor(
    "holder_avgpctchange", chinese="户均持股比例同比增长率", family="shareholders", direction=1, unit="fraction",
    inputs=inputs_of("shareholders"), lookback=1, source="paper 3, chart 13: holder_avgpctchange",
)  # fmt: skip
def holder_avgpctchange(panel: FactorPanel) -> np.ndarray:
    """Mean holding of a shareholder as a share of the company (1 over their number) over a year before, less 1."""
    more = item(panel, "shareholders", "yoy")
    return quotient(panel, -more, 1.0 + more)


@factor(
    "shares_per_holder", chinese="户均持股数", family="shareholders", direction=1, unit="shares",
    inputs=(*inputs_of("shareholders"), "total_shares"), lookback=1, source="common",
)  # fmt: skip
def shares_per_holder(panel: FactorPanel) -> np.ndarray:
    """Total shares over the number of shareholders."""
    return quotient(panel, panel.at("total_shares"), item(panel, "shareholders"))


@factor(
    "value_per_holder", chinese="户均持股市值", family="shareholders", direction=1, unit="yuan",
    inputs=(*inputs_of("shareholders"), "close", "float_shares"), lookback=1, source="common",
)  # fmt: skip
def value_per_holder(panel: FactorPanel) -> np.ndarray:
    """Float market value over the number of shareholders."""
    return quotient(panel, panel.at("close") * panel.at("float_shares"), item(panel, "shareholders"))


@factor(
    "float_share", chinese="流通股占比", family="shareholders", direction=0, unit="fraction",
    inputs=("float_shares", "total_shares"), lookback=1, source="common",
)  # fmt: skip
def float_share(panel: FactorPanel) -> np.ndarray:
    """Float shares over total shares; absent where the data give more float than total."""
    share = quotient(panel, panel.at("float_shares"), panel.at("total_shares"))
    return np.where(share <= 1.0, share, np.nan)


@factor(
    "float_growth_1y", chinese="流通股本增长率", family="shareholders", direction=-1, unit="fraction",
    inputs=("float_shares", "total_shares"), lookback=_YEAR, source="common: unlocked shares",
)  # fmt: skip
def float_growth_1y(panel: FactorPanel) -> np.ndarray:
    """Change over a year (242 bars) of the float shares as a fraction of all shares."""
    share = panel.shared("float share of bars", lambda: panel.bars("float_shares") / panel.bars("total_shares"))
    return on_bars(panel, panel.spread(share) - back(panel, share, _YEAR - 1))


@factor(
    "issuance_1y", chinese="复合股票发行", family="shareholders", direction=-1, unit="log ratio",
    inputs=("close", "total_shares", "adj_factor"), lookback=_YEAR, source="Daniel and Titman (2006)",
)  # fmt: skip
def issuance_1y(panel: FactorPanel) -> np.ndarray:
    """Logarithm of the growth of market value over a year (242 bars), less that of the total return.

    Shares sold count up, cash paid out counts down; a bonus issue changes nothing.
    """

    def make() -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(panel.bars("total_shares") / panel.bars("adj_factor"))

    worth = panel.shared("log value over total return", make)
    return on_bars(panel, panel.spread(worth) - back(panel, worth, _YEAR - 1))
