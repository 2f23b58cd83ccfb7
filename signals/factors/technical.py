"""Technical factors of the close: trend, momentum, bands. Those of the range and of volume are in files beside it.

Prices are back-adjusted; what would be in yuan is divided by the adjustment factor of the day (the price as of that
day, forward-adjusted) or by the close. Exponential averages begin with a stock's first bar in the data, as the usual
Chinese charting software does, and are absent for as many bars as their span; Wilder's begin as TA-Lib's do.
"""

from __future__ import annotations

import numpy as np

from signals.factors import kernels
from signals.factors.panel import FactorPanel
from signals.factors.quantities import over
from signals.factors.technical_parts import CLOSE, averaged, moves, positive, shifted, smoothed, summed, technical
from signals.factors.technical_parts import wilder as wilder_average
from signals.factors.windows import aged

_CHART = "paper 3, chart 13: "


# -- MACD 10, 30, 15 --------------------------------------------------------------------------------


def _dif(panel: FactorPanel) -> np.ndarray:
    """Adjusted EMA 10 - EMA 30 from the first bar on; (R,)."""

    def make() -> np.ndarray:
        close = panel.adjusted("close")
        return smoothed(panel, "close", close, 10, 1) - smoothed(panel, "close", close, 30, 1)

    return panel.shared("technical dif", make)


def _dea(panel: FactorPanel) -> np.ndarray:
    return panel.shared("technical dea", lambda: smoothed(panel, "dif", _dif(panel), 15, 1))


def _yuan_of_the_day(panel: FactorPanel, values: np.ndarray, bars: int) -> np.ndarray:
    """Adjusted prices over the adjustment factor, NaN on the first ``bars - 1`` bars."""
    return aged(panel, values / panel.bars("adj_factor"), bars)


@technical("dif_30_10_15", "DIF(10,30)", CLOSE, None, unit="yuan", direction=-1, source=f"{_CHART}DIF")
def dif_30_10_15(panel: FactorPanel) -> np.ndarray:
    """EMA(close, 10) - EMA(close, 30), in yuan of the day; from the 30th bar on."""
    return _yuan_of_the_day(panel, _dif(panel), 30)


@technical("dea_30_10_15", "DEA(10,30,15)", CLOSE, None, unit="yuan", direction=-1, source=f"{_CHART}DEA")
def dea_30_10_15(panel: FactorPanel) -> np.ndarray:
    """EMA(DIF, 15), in yuan of the day; from the 44th bar on."""
    return _yuan_of_the_day(panel, _dea(panel), 44)


@technical("macd_30_10_15", "MACD(10,30,15)", CLOSE, None, unit="yuan", direction=-1, source=f"{_CHART}MACD")
def macd_30_10_15(panel: FactorPanel) -> np.ndarray:
    """2 (DIF - DEA), the histogram of Chinese charts, in yuan of the day; from the 44th bar on."""
    return _yuan_of_the_day(panel, 2.0 * (_dif(panel) - _dea(panel)), 44)


# -- strength ---------------------------------------------------------------------------------------


def _rsi(panel: FactorPanel, window: int) -> np.ndarray:
    gain = wilder_average(panel, "rises", positive(moves(panel)), window)
    loss = wilder_average(panel, "falls", positive(-moves(panel)), window)
    return over(100.0 * gain, gain + loss)


@technical("rsi_20", "20日相对强弱指标", CLOSE, None, unit="points", direction=-1, source=f"{_CHART}RSI")
def rsi_20(panel: FactorPanel) -> np.ndarray:
    """100 G / (G + L), G and L Wilder's averages of rises and falls over 20 bars; from the 21st bar on."""
    return _rsi(panel, 20)


@technical("rsi_6", "6日相对强弱指标", CLOSE, None, unit="points")
def rsi_6(panel: FactorPanel) -> np.ndarray:
    """100 G / (G + L), G and L Wilder's averages of rises and falls over 6 bars; from the 7th bar on."""
    return _rsi(panel, 6)


@technical("psy_20", "20日心理线", CLOSE, 21, unit="per cent", direction=-1, source=f"{_CHART}PSY")
def psy_20(panel: FactorPanel) -> np.ndarray:
    """Share of the last 20 bars whose adjusted close is above the one before, in per cent."""
    change = moves(panel)
    return 100.0 * averaged(panel, np.where(np.isnan(change), np.nan, change > 0.0), 20)


@technical("cmo_14", "14日钱德动量摆动", CLOSE, 15, unit="points")
def cmo_14(panel: FactorPanel) -> np.ndarray:
    """Chande: 100 (sum of rises - sum of falls) / (both) over 14 bars."""
    return over(100.0 * summed(panel, moves(panel), 14), summed(panel, np.abs(moves(panel)), 14))


@technical("roc_12", "12日变动率", CLOSE, 13, unit="per cent")
def roc_12(panel: FactorPanel) -> np.ndarray:
    """100 (close / close 12 bars ago - 1)."""
    close = panel.adjusted("close")
    return 100.0 * (close / shifted(panel, close, 12) - 1.0)


@technical("efficiency_10", "10日效率比", CLOSE, 11)
def efficiency_10(panel: FactorPanel) -> np.ndarray:
    """Kaufman: |close - close 10 bars ago| over the sum of the 10 absolute moves."""
    close = panel.adjusted("close")
    return over(np.abs(close - shifted(panel, close, 10)), summed(panel, np.abs(moves(panel)), 10))


@technical("vhf_28", "28日十字过滤线", CLOSE, 29)
def vhf_28(panel: FactorPanel) -> np.ndarray:
    """Vertical horizontal filter: (highest - lowest close of 28) / sum of the 28 absolute moves."""
    close = panel.adjusted("close")
    reach = kernels.rolling_max(close, panel.runs, 28) - kernels.rolling_min(close, panel.runs, 28)
    return over(reach, summed(panel, np.abs(moves(panel)), 28))


# -- averages ---------------------------------------------------------------------------------------


def _bias(panel: FactorPanel, window: int) -> np.ndarray:
    close = panel.adjusted("close")
    return 100.0 * (close / averaged(panel, close, window) - 1.0)


@technical("bias_20", "20日乖离率", CLOSE, 20, unit="per cent", direction=-1, source=f"{_CHART}BIAS")
def bias_20(panel: FactorPanel) -> np.ndarray:
    """100 (close / mean close of 20 - 1)."""
    return _bias(panel, 20)


@technical("bias_60", "60日乖离率", CLOSE, 60, unit="per cent")
def bias_60(panel: FactorPanel) -> np.ndarray:
    """100 (close / mean close of 60 - 1)."""
    return _bias(panel, 60)


@technical("dma_10_50", "平行线差", CLOSE, 50)
def dma_10_50(panel: FactorPanel) -> np.ndarray:
    """(mean close of 10 - mean close of 50) / close."""
    close = panel.adjusted("close")
    return (averaged(panel, close, 10) - averaged(panel, close, 50)) / close


@technical("bbi", "多空指数", CLOSE, 24)
def bbi(panel: FactorPanel) -> np.ndarray:
    """Bull and bear index over the close: (MA3 + MA6 + MA12 + MA24) / 4 / close."""
    close = panel.adjusted("close")
    return sum(averaged(panel, close, window) for window in (3, 6, 12, 24)) / 4.0 / close


@technical("ppo_12_26", "价格震荡百分比", CLOSE, None, unit="per cent")
def ppo_12_26(panel: FactorPanel) -> np.ndarray:
    """100 (EMA 12 / EMA 26 - 1); from the 26th bar on."""
    close = panel.adjusted("close")
    return 100.0 * (smoothed(panel, "close", close, 12) / smoothed(panel, "close", close, 26) - 1.0)


@technical("trix_12", "三重指数平滑变动", CLOSE, None, unit="per cent")
def trix_12(panel: FactorPanel) -> np.ndarray:
    """Change in per cent of the EMA of the EMA of the EMA of the close, 12 bars each; from the 35th bar on."""
    triple = panel.adjusted("close")
    for name, least in (("close", 1), ("trix once", 1), ("trix twice", 34)):
        triple = smoothed(panel, name, triple, 12, least)
    return 100.0 * (triple / shifted(panel, triple, 1) - 1.0)


@technical("tsi_25_13", "真实强弱指数", CLOSE, None, unit="points")
def tsi_25_13(panel: FactorPanel) -> np.ndarray:
    """100 EMA13(EMA25(move)) / EMA13(EMA25(|move|)); from the 38th bar on."""

    def twice(name: str, values: np.ndarray) -> np.ndarray:
        return smoothed(panel, f"tsi {name}", smoothed(panel, name, values, 25, 1), 13, 37)

    return over(100.0 * twice("moves", moves(panel)), twice("absolute moves", np.abs(moves(panel))))


@technical("dpo_20", "20日去势价格", CLOSE, 31)
def dpo_20(panel: FactorPanel) -> np.ndarray:
    """(close - mean close of 20 as of 11 bars ago) / close."""
    close = panel.adjusted("close")
    return (close - shifted(panel, averaged(panel, close, 20), 11)) / close


@technical("forecast_14", "14日预测偏差", CLOSE, 14, unit="per cent")
def forecast_14(panel: FactorPanel) -> np.ndarray:
    """100 (close - end of the regression line on 14 bars) / close."""
    close = panel.adjusted("close")
    return 100.0 * kernels.rolling_resid(close, panel.runs, 14) / close


# -- bands ------------------------------------------------------------------------------------------


@technical("bbands_width_20", "20日布林带宽", CLOSE, 20)
def bbands_width_20(panel: FactorPanel) -> np.ndarray:
    """4 deviations (n) over the mean of 20 closes."""
    close = panel.adjusted("close")
    return 4.0 * kernels.rolling_std(close, panel.runs, 20, ddof=0) / averaged(panel, close, 20)


@technical("bbands_place_20", "20日布林带位置", CLOSE, 20)
def bbands_place_20(panel: FactorPanel) -> np.ndarray:
    """(close - lower band) / (upper - lower), bands 2 deviations (n) from the mean of 20 closes."""
    close = panel.adjusted("close")
    width = 4.0 * kernels.rolling_std(close, panel.runs, 20, ddof=0)
    return over(close - averaged(panel, close, 20), width) + 0.5


from signals.factors import technical_range, technical_volume  # noqa: E402, F401  they declare theirs after these
