"""Turnover: how fast the float changes hands, and how that compares with the stock's own past."""

from __future__ import annotations

import numpy as np

from signals.factors import kernels
from signals.factors.panel import FactorPanel
from signals.factors.quantities import over
from signals.factors.registry import factor
from signals.factors.windows import MONTH, MONTHS, free_days, mean_of_there

_LIMITS = ("turnover", "close", "limit_up", "limit_down")
_LONG = 24 * MONTH


def mean_turnover(panel: FactorPanel, bars: int) -> np.ndarray:
    """Mean turnover of ``bars`` bars without days that closed at a limit; half of them must remain; (D, N)."""

    def make() -> np.ndarray:
        return mean_of_there(panel, free_days(panel, "turnover"), bars, bars // 2)

    return panel.shared(("mean turnover", bars), make)


def _horizon(months: int) -> None:
    bars = months * MONTH

    @factor(
        f"turnover_{months}m", chinese=f"{months}个月日均换手率", family="turnover", direction=-1, unit="fraction",
        inputs=_LIMITS, lookback=bars, source=f"paper 3, chart 13: turn_{months}m",
    )  # fmt: skip
    def plain(panel: FactorPanel) -> np.ndarray:
        return mean_turnover(panel, bars)

    plain.__doc__ = f"Mean turnover of {bars} bars, halts and days that closed at a price limit left out."

    @factor(
        f"turnover_bias_{months}m", chinese=f"{months}个月换手率偏离", family="turnover", direction=-1, unit="ratio",
        inputs=_LIMITS, lookback=_LONG, source=f"paper 3, chart 13: bias_turn_{months}m",
    )  # fmt: skip
    def bias(panel: FactorPanel) -> np.ndarray:
        return over(mean_turnover(panel, bars), mean_turnover(panel, _LONG)) - 1.0

    bias.__doc__ = f"Mean turnover of {bars} bars over that of two years ({_LONG} bars) - 1, limit days left out."


for _months in MONTHS:
    _horizon(_months)


@factor(
    "turnover_1d", chinese="换手率", family="turnover", direction=-1, unit="fraction", inputs=("turnover",), lookback=1,
    source="paper 1, table 1: Turnover_ratio; paper 2, appendix 1: S_DQ_TURN",
)  # fmt: skip
def turnover_1d(panel: FactorPanel) -> np.ndarray:
    """Shares traded on the day over the float."""
    return panel.spread(panel.bars("turnover"))


@factor(
    "turnover_mean_20", chinese="20日平均换手率", family="turnover", direction=-1, unit="fraction",
    inputs=("turnover",), lookback=20, source="paper 2, appendix 1: VOL20",
)  # fmt: skip
def turnover_mean_20(panel: FactorPanel) -> np.ndarray:
    """Mean turnover of 20 bars, limit days included."""
    return panel.spread(kernels.rolling_mean(panel.bars("turnover"), panel.runs, 20))


def _spread_of_turnover(bars: int) -> None:
    @factor(
        f"turnover_std_{bars}", chinese=f"{bars}日换手率标准差", family="turnover", direction=-1, unit="fraction",
        inputs=("turnover",), lookback=bars, source="Chordia, Subrahmanyam, Anshuman 2001",
    )  # fmt: skip
    def compute(panel: FactorPanel) -> np.ndarray:
        return panel.spread(kernels.rolling_std(panel.bars("turnover"), panel.runs, bars))

    compute.__doc__ = f"Standard deviation (n - 1) of the turnover of {bars} bars."


for _bars in (20, 60):
    _spread_of_turnover(_bars)


@factor(
    "turnover_change_5_20", chinese="换手率5日与20日之比", family="turnover", direction=-1, unit="ratio",
    inputs=("turnover",), lookback=20, source="Uqer factor library: VOL5 / VOL20",
)  # fmt: skip
def turnover_change_5_20(panel: FactorPanel) -> np.ndarray:
    """Mean turnover of 5 bars over that of 20."""
    short, long = (kernels.rolling_mean(panel.bars("turnover"), panel.runs, bars) for bars in (5, 20))
    return panel.spread(over(short, long))
