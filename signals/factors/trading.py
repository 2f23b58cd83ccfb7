"""Trading sentiment: volume, amount, liquidity, and how they go with the price."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from signals.factors import kernels
from signals.factors.panel import FactorPanel
from signals.factors.quantities import adjusted_volume, over
from signals.factors.registry import factor


def _declare(
    name: str, chinese: str, direction: int, unit: str, inputs: tuple[str, ...], lookback: int, source: str
) -> Callable[[Callable[[FactorPanel], np.ndarray]], Callable[[FactorPanel], np.ndarray]]:
    return factor(name, chinese=chinese, family="trading", direction=direction, unit=unit, inputs=inputs,
                  lookback=lookback, source=source)  # fmt: skip


@_declare("amount_mean_20", "20日成交金额移动平均", -1, "yuan", ("amount",), 20, "paper 2, appendix 1: TVMA20")
def amount_mean_20(panel: FactorPanel) -> np.ndarray:
    """Mean amount of 20 bars."""
    return panel.spread(kernels.rolling_mean(panel.bars("amount"), panel.runs, 20))


@_declare("volume_std_20", "20日成交量标准差", -1, "shares", ("volume",), 20, "paper 2, appendix 1: VSTD20")
def volume_std_20(panel: FactorPanel) -> np.ndarray:
    """Standard deviation (n - 1) of the volume of 20 bars."""
    return panel.spread(kernels.rolling_std(panel.bars("volume"), panel.runs, 20))


def _volume_windows(bars: int) -> None:
    @_declare(
        f"amount_std_{bars}", f"{bars}日成交金额标准差", -1, "yuan", ("amount",), bars, "Uqer factor library: TVSTD"
    )
    def amount_std(panel: FactorPanel) -> np.ndarray:
        return panel.spread(kernels.rolling_std(panel.bars("amount"), panel.runs, bars))

    amount_std.__doc__ = f"Standard deviation (n - 1) of the amount of {bars} bars."

    @_declare(f"illiquidity_{bars}", f"{bars}日非流动性", 1, "fraction per 100 million yuan",
              ("close", "preclose", "amount"), bars, "Amihud 2002")  # fmt: skip
    def illiquidity(panel: FactorPanel) -> np.ndarray:
        daily = over(np.abs(panel.returns) * 1e8, panel.bars("amount"))
        return panel.spread(kernels.rolling_mean(daily, panel.runs, bars))

    illiquidity.__doc__ = f"Mean over {bars} bars of |daily return| over amount in 100 million yuan."

    @_declare(f"amount_variation_{bars}", f"{bars}日成交金额变异系数", -1, "ratio", ("amount",), bars,
              "Chordia, Subrahmanyam, Anshuman 2001")  # fmt: skip
    def variation(panel: FactorPanel) -> np.ndarray:
        amount = panel.bars("amount")
        return panel.spread(
            over(kernels.rolling_std(amount, panel.runs, bars), kernels.rolling_mean(amount, panel.runs, bars))
        )

    variation.__doc__ = f"Standard deviation over mean of the amount of {bars} bars."

    @_declare(f"money_flow_{bars}", f"{bars}日资金净流入占比", -1, "ratio", ("high", "low", "close", "amount"), bars,
              "Chaikin: money flow multiplier on amount")  # fmt: skip
    def money_flow(panel: FactorPanel) -> np.ndarray:
        high, low, close = (panel.bars(name) for name in ("high", "low", "close"))
        place = np.where(high > low, ((close - low) - (high - close)) / np.where(high > low, high - low, 1.0), 0.0)
        amount = panel.bars("amount")
        flow = kernels.rolling_sum(place * amount, panel.runs, bars)
        return panel.spread(over(flow, kernels.rolling_sum(amount, panel.runs, bars)))

    money_flow.__doc__ = (
        f"Sum of amount x ((C - L) - (H - C)) / (H - L) over the sum of amount, {bars} bars; a day "
        "without a range is 0."
    )

    @_declare(f"up_amount_share_{bars}", f"{bars}日上涨成交占比", -1, "fraction", ("close", "preclose", "amount"), bars,
              "VR volume ratio, as a share")  # fmt: skip
    def up_share(panel: FactorPanel) -> np.ndarray:
        amount = panel.bars("amount")
        rising = np.where(panel.returns > 0, amount, 0.0)
        return panel.spread(
            over(kernels.rolling_sum(rising, panel.runs, bars), kernels.rolling_sum(amount, panel.runs, bars))
        )

    up_share.__doc__ = f"Amount of days with a rise over all amount, {bars} bars."


for _bars in (20, 60):
    _volume_windows(_bars)


@_declare(
    "volume_ratio_5_60", "量比5/60", -1, "ratio", ("volume", "adj_factor"), 60, "Uqer factor library: VOL5 / VOL60"
)
def volume_ratio_5_60(panel: FactorPanel) -> np.ndarray:
    """Mean volume of 5 bars over that of 60, shares counted as of the first bar (volume / adjustment factor)."""
    volume = adjusted_volume(panel)
    return panel.spread(
        over(kernels.rolling_mean(volume, panel.runs, 5), kernels.rolling_mean(volume, panel.runs, 60))
    )


@_declare("vwap_gap_20", "收盘价相对20日成交均价", -1, "fraction", ("close", "amount", "volume", "adj_factor"), 20,
          "cost-of-position measure: close over 20-bar volume-weighted price")  # fmt: skip
def vwap_gap_20(panel: FactorPanel) -> np.ndarray:
    """Back-adjusted close over the volume-weighted back-adjusted price of 20 bars, - 1."""
    volume = adjusted_volume(panel)
    paid = kernels.rolling_sum(panel.bars("amount"), panel.runs, 20)
    return panel.spread(panel.adjusted("close") * over(kernels.rolling_sum(volume, panel.runs, 20), paid) - 1.0)


@_declare(
    "high_low_range_20", "20日振幅均值", -1, "fraction", ("high", "low", "preclose"), 20, "Parkinson 1980, plain mean"
)
def high_low_range_20(panel: FactorPanel) -> np.ndarray:
    """Mean over 20 bars of (high - low) / reference price."""
    daily = (panel.bars("high") - panel.bars("low")) / panel.bars("preclose")
    return panel.spread(kernels.rolling_mean(daily, panel.runs, 20))


@_declare("limit_up_days_60", "60日涨停天数占比", -1, "fraction", ("close", "limit_up"), 60,
          "A-share price limits: closes at the upper limit")  # fmt: skip
def limit_up_days_60(panel: FactorPanel) -> np.ndarray:
    """Share of 60 bars that closed at the upper price limit."""
    hit = np.rint(panel.bars("close") * 100.0) == panel.bars("limit_up")
    return panel.spread(kernels.rolling_mean(hit.astype(np.float64), panel.runs, 60))


@_declare("rising_days_20", "20日上涨天数占比", -1, "fraction", ("close", "preclose"), 20, "PSY without its percent")
def rising_days_20(panel: FactorPanel) -> np.ndarray:
    """Share of 20 bars with a close above the reference price."""
    return panel.spread(kernels.rolling_mean((panel.returns > 0).astype(np.float64), panel.runs, 20))
