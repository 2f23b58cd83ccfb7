"""Technical factors of the bar's range: oscillators, directional movement. Conventions as in :mod:`technical`."""

from __future__ import annotations

import numpy as np

from signals.factors import kernels, recursions, technical_kernels
from signals.factors.panel import FactorPanel
from signals.factors.quantities import over
from signals.factors.technical_parts import (
    BARS,
    RANGE,
    averaged,
    before,
    positive,
    shifted,
    smoothed,
    summed,
    technical,
    true_range,
    typical,
    wilder,
)

# -- stochastics ------------------------------------------------------------------------------------


def _place(panel: FactorPanel, window: int) -> np.ndarray:
    """(close - lowest low) / (highest high - lowest low) of the window."""
    top = kernels.rolling_max(panel.adjusted("high"), panel.runs, window)
    bottom = kernels.rolling_min(panel.adjusted("low"), panel.runs, window)
    return over(panel.adjusted("close") - bottom, top - bottom)


def _k(panel: FactorPanel) -> np.ndarray:
    return panel.shared("technical k", lambda: recursions.ema(panel, "rsv", 100.0 * _place(panel, 9), 1.0 / 3.0))


def _d(panel: FactorPanel) -> np.ndarray:
    return panel.shared("technical d", lambda: recursions.ema(panel, "k", _k(panel), 1.0 / 3.0))


@technical("kdj_k_9", "KDJ之K", RANGE, None, unit="points")
def kdj_k_9(panel: FactorPanel) -> np.ndarray:
    """K = 2/3 K before + 1/3 RSV, seeded with the first; RSV: the close's place in the range of 9 bars, per cent."""
    return _k(panel)


@technical("kdj_d_9", "KDJ之D", RANGE, None, unit="points")
def kdj_d_9(panel: FactorPanel) -> np.ndarray:
    """D = 2/3 D before + 1/3 K, seeded with the first K."""
    return _d(panel)


@technical("kdj_j_9", "KDJ之J", RANGE, None, unit="points")
def kdj_j_9(panel: FactorPanel) -> np.ndarray:
    """J = 3 K - 2 D."""
    return 3.0 * _k(panel) - 2.0 * _d(panel)


@technical("williams_14", "14日威廉指标", RANGE, 14, unit="points")
def williams_14(panel: FactorPanel) -> np.ndarray:
    """-100 (highest high - close) / (highest high - lowest low) of 14 bars."""
    return 100.0 * _place(panel, 14) - 100.0


@technical("cci_14", "14日顺势指标", RANGE, 14)
def cci_14(panel: FactorPanel) -> np.ndarray:
    """(typical price - its mean of 14) / (0.015 x its mean absolute deviation)."""
    price = typical(panel)
    mean, deviation = averaged(panel, price, 14), np.empty(len(price))
    technical_kernels.mean_deviations(price, mean, panel.runs, 14, deviation)
    return over(price - mean, 0.015 * deviation)


@technical("ultimate_7_14_28", "终极指标", RANGE, 29, unit="points")
def ultimate_7_14_28(panel: FactorPanel) -> np.ndarray:
    """Williams: 100 (4 a7 + 2 a14 + a28) / 7, a = sum of (close - true low) over the sum of true ranges."""
    pressure = panel.adjusted("close") - np.minimum(panel.adjusted("low"), before(panel, "close"))
    shares = [over(summed(panel, pressure, w), summed(panel, true_range(panel), w)) for w in (7, 14, 28)]
    return 100.0 * (4.0 * shares[0] + 2.0 * shares[1] + shares[2]) / 7.0


# -- range ------------------------------------------------------------------------------------------


@technical("natr_14", "14日归一化真实波幅", RANGE, None, unit="per cent")
def natr_14(panel: FactorPanel) -> np.ndarray:
    """Wilder's average of the true range over 14 bars, in per cent of the close; from the 15th bar on."""
    return 100.0 * wilder(panel, "true range", true_range(panel), 14) / panel.adjusted("close")


@technical("mass_25", "梅斯线", ("high", "low", "adj_factor"), None)
def mass_25(panel: FactorPanel) -> np.ndarray:
    """Sum over 25 bars of EMA9(high - low) / EMA9(EMA9(high - low)); from the 41st bar on."""
    once = smoothed(panel, "width", panel.adjusted("high") - panel.adjusted("low"), 9, 1)
    twice = smoothed(panel, "mass once", once, 9, 17)
    return summed(panel, over(once, twice), 25)


@technical("chaikin_volatility_10", "10日佳庆波动率", ("high", "low", "adj_factor"), None, unit="per cent")
def chaikin_volatility_10(panel: FactorPanel) -> np.ndarray:
    """Change in per cent over 10 bars of EMA10(high - low); from the 20th bar on."""
    width = smoothed(panel, "width", panel.adjusted("high") - panel.adjusted("low"), 10)
    return 100.0 * over(width, shifted(panel, width, 10)) - 100.0


# -- direction --------------------------------------------------------------------------------------


def _directional(panel: FactorPanel) -> np.ndarray:
    return panel.shared("technical directional", lambda: recursions.directional(panel, 14))


@technical("plus_di_14", "14日上升动向", RANGE, None, unit="per cent")
def plus_di_14(panel: FactorPanel) -> np.ndarray:
    """Wilder's +DI: 100 x smoothed upward movement over the smoothed true range, 14 bars."""
    return _directional(panel)[0]


@technical("minus_di_14", "14日下降动向", RANGE, None, unit="per cent")
def minus_di_14(panel: FactorPanel) -> np.ndarray:
    """Wilder's -DI: 100 x smoothed downward movement over the smoothed true range, 14 bars."""
    return _directional(panel)[1]


@technical("adx_14", "14日平均趋向", RANGE, None, unit="per cent")
def adx_14(panel: FactorPanel) -> np.ndarray:
    """Wilder's average of 100 |+DI - -DI| / (+DI + -DI), 14 bars; from the 28th bar on."""
    return _directional(panel)[2]


@technical("aroon_up_25", "25日阿隆上升", ("high", "adj_factor"), 26, unit="per cent")
def aroon_up_25(panel: FactorPanel) -> np.ndarray:
    """100 (25 - bars since the highest high of 26) / 25, the latest of equals."""
    return 4.0 * (kernels.rolling_argmax(panel.adjusted("high"), panel.runs, 26, newest=True) - 1.0)


@technical("aroon_down_25", "25日阿隆下降", ("low", "adj_factor"), 26, unit="per cent")
def aroon_down_25(panel: FactorPanel) -> np.ndarray:
    """100 (25 - bars since the lowest low of 26) / 25, the latest of equals."""
    return 4.0 * (kernels.rolling_argmin(panel.adjusted("low"), panel.runs, 26, newest=True) - 1.0)


@technical("aroon_25", "25日阿隆震荡", ("high", "low", "adj_factor"), 26, unit="per cent")
def aroon_25(panel: FactorPanel) -> np.ndarray:
    """Aroon up - Aroon down."""
    return aroon_up_25(panel) - aroon_down_25(panel)


@technical("vortex_14", "14日涡旋指标", RANGE, 15)
def vortex_14(panel: FactorPanel) -> np.ndarray:
    """(sum of |high - low before| - sum of |low - high before|) / sum of true ranges, 14 bars."""
    up = np.abs(panel.adjusted("high") - before(panel, "low"))
    down = np.abs(panel.adjusted("low") - before(panel, "high"))
    return over(summed(panel, up, 14) - summed(panel, down, 14), summed(panel, true_range(panel), 14))


@technical("bull_power_13", "多头力道", RANGE, None)
def bull_power_13(panel: FactorPanel) -> np.ndarray:
    """Elder: (high - EMA13 of the close) / close."""
    close = panel.adjusted("close")
    return (panel.adjusted("high") - smoothed(panel, "close", close, 13)) / close


@technical("bear_power_13", "空头力道", RANGE, None)
def bear_power_13(panel: FactorPanel) -> np.ndarray:
    """Elder: (low - EMA13 of the close) / close."""
    close = panel.adjusted("close")
    return (panel.adjusted("low") - smoothed(panel, "close", close, 13)) / close


# -- the bar's body ---------------------------------------------------------------------------------


@technical("ar_26", "26日人气指标", ("open", "high", "low", "adj_factor"), 26, unit="per cent")
def ar_26(panel: FactorPanel) -> np.ndarray:
    """100 x sum of (high - open) / sum of (open - low), 26 bars."""
    opened = panel.adjusted("open")
    above, below = panel.adjusted("high") - opened, opened - panel.adjusted("low")
    return 100.0 * over(summed(panel, above, 26), summed(panel, below, 26))


@technical("br_26", "26日意愿指标", RANGE, 27, unit="per cent")
def br_26(panel: FactorPanel) -> np.ndarray:
    """100 x sum of max(0, high - close before) / sum of max(0, close before - low), 26 bars."""
    last = before(panel, "close")
    above, below = positive(panel.adjusted("high") - last), positive(last - panel.adjusted("low"))
    return 100.0 * over(summed(panel, above, 26), summed(panel, below, 26))


@technical("cr_26", "26日能量指标", ("high", "low", "adj_factor"), 27, unit="per cent")
def cr_26(panel: FactorPanel) -> np.ndarray:
    """100 x sum of max(0, high - middle before) / sum of max(0, middle before - low), 26; middle (high + low) / 2."""
    middle = 0.5 * (before(panel, "high") + before(panel, "low"))
    above, below = positive(panel.adjusted("high") - middle), positive(middle - panel.adjusted("low"))
    return 100.0 * over(summed(panel, above, 26), summed(panel, below, 26))


@technical("imi_14", "14日日内动量", ("open", "close", "adj_factor"), 14, unit="per cent")
def imi_14(panel: FactorPanel) -> np.ndarray:
    """100 x sum of rises from open to close over the sum of |close - open|, 14 bars."""
    body = panel.adjusted("close") - panel.adjusted("open")
    return 100.0 * over(summed(panel, positive(body), 14), summed(panel, np.abs(body), 14))


@technical("qstick_10", "10日量尺指标", ("open", "close", "adj_factor"), 10)
def qstick_10(panel: FactorPanel) -> np.ndarray:
    """Mean of close - open over 10 bars, over the close."""
    close = panel.adjusted("close")
    return averaged(panel, close - panel.adjusted("open"), 10) / close


@technical("balance_14", "14日均势指标", BARS, 14)
def balance_14(panel: FactorPanel) -> np.ndarray:
    """Mean over 14 bars of (close - open) / (high - low), 0 for a bar of one price."""
    return averaged(panel, body_share(panel), 14)


def body_share(panel: FactorPanel) -> np.ndarray:
    """(close - open) / (high - low), 0 for a bar of one price."""

    def make() -> np.ndarray:
        body = panel.bars("close") - panel.bars("open")
        width = panel.bars("high") - panel.bars("low")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(width > 0.0, body / width, np.where(np.isnan(body), np.nan, 0.0))

    return panel.shared("technical body share", make)
