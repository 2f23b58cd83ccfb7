"""Volatility: of returns, of what the Fama-French factors leave over, and the shape of the distribution."""

from __future__ import annotations

import numpy as np

from signals.factors import kernels
from signals.factors.fama_french import daily_factors
from signals.factors.panel import FactorPanel
from signals.factors.quantities import over
from signals.factors.registry import factor
from signals.factors.windows import MONTH, MONTHS, at_asked

_CHART = "paper 3, chart 13: "
_APPENDIX = "paper 2, appendix 1: "
_DAILY = ("close", "preclose")


def _horizon(months: int) -> None:
    bars = months * MONTH

    @factor(
        f"return_std_{months}m", chinese=f"最近{months}个月收益率标准差", family="volatility", direction=-1,
        unit="fraction", inputs=_DAILY, lookback=bars, source=f"{_CHART}std_{months}m",
    )  # fmt: skip
    def plain(panel: FactorPanel) -> np.ndarray:
        return panel.spread(kernels.rolling_std(panel.returns, panel.runs, bars))

    plain.__doc__ = f"Standard deviation (n - 1) of the daily returns of {bars} bars."

    @factor(
        f"ff3_residual_std_{months}m", chinese=f"{months}个月特质波动率", family="volatility", direction=-1,
        unit="fraction", lookback=bars,
        inputs=(*_DAILY, "float_shares", "total_shares", "member", "item:parent_equity"),
        source=f"{_CHART}std_FF3factor_{months}m",
    )  # fmt: skip
    def residual(panel: FactorPanel) -> np.ndarray:
        market, size, value = (series[panel.bar_sessions] for series in daily_factors(panel))
        three = market, size, value
        return at_asked(
            panel,
            bars,
            lambda rows, lows: kernels.residual_std_at(panel.returns, three, rows, lows, bars),
            lambda: kernels.rolling_residual_std(panel.returns, three, panel.runs, bars),
        )

    residual.__doc__ = (
        f"Standard deviation of the residuals of daily returns regressed on the three Fama-French factors over {bars} "
        "bars (n - 1)."
    )


for _months in MONTHS:
    _horizon(_months)


@factor(
    "variance_20", chinese="20日年化收益方差", family="volatility", direction=-1, unit="fraction squared a year",
    inputs=_DAILY, lookback=20, source=f"{_APPENDIX}Variance20",
)  # fmt: skip
def variance_20(panel: FactorPanel) -> np.ndarray:
    """Variance (n - 1) of 20 daily returns x 250."""
    return panel.spread(kernels.rolling_std(panel.returns, panel.runs, 20) ** 2 * 250.0)


@factor(
    "kurtosis_20", chinese="个股收益的20日峰度", family="volatility", direction=-1, unit="ratio", inputs=_DAILY,
    lookback=20, source=f"{_APPENDIX}Kurtosis20",
)  # fmt: skip
def kurtosis_20(panel: FactorPanel) -> np.ndarray:
    """Excess kurtosis of 20 daily returns, corrected for bias (G2)."""
    return panel.spread(kernels.rolling_kurtosis(panel.returns, panel.runs, 20, bias=False))


@factor(
    "skewness_20", chinese="个股收益的20日偏度", family="volatility", direction=-1, unit="ratio", inputs=_DAILY,
    lookback=20, source=f"{_APPENDIX}Skewness20",
)  # fmt: skip
def skewness_20(panel: FactorPanel) -> np.ndarray:
    """Skewness of 20 daily returns, corrected for bias (G1)."""
    return panel.spread(kernels.rolling_skew(panel.returns, panel.runs, 20, bias=False))


@factor(
    "sharpe_20", chinese="20日夏普比率", family="volatility", direction=1, unit="ratio", inputs=_DAILY,
    lookback=20, source=f"{_APPENDIX}SharpeRatio20",
)  # fmt: skip
def sharpe_20(panel: FactorPanel) -> np.ndarray:
    """(mean of 20 daily returns x 250 - 4 %) / (their standard deviation x sqrt 250); 4 % as JoinQuant defines it."""
    mean = kernels.rolling_mean(panel.returns, panel.runs, 20) * 250.0 - 0.04
    return panel.spread(over(mean, kernels.rolling_std(panel.returns, panel.runs, 20) * np.sqrt(250.0)))


@factor(
    "downside_std_60", chinese="60日下行波动率", family="volatility", direction=-1, unit="fraction", inputs=_DAILY,
    lookback=60, source="Ang, Chen, Xing 2006 (downside risk)",
)  # fmt: skip
def downside_std_60(panel: FactorPanel) -> np.ndarray:
    """Root of the mean square of the negative daily returns, zero for the others; 60 bars."""
    below = np.minimum(panel.returns, 0.0)
    return panel.spread(np.sqrt(kernels.rolling_mean(below * below, panel.runs, 60)))


@factor(
    "parkinson_20", chinese="20日极差波动率", family="volatility", direction=-1, unit="fraction",
    inputs=("high", "low"), lookback=20, source="Parkinson 1980",
)  # fmt: skip
def parkinson_20(panel: FactorPanel) -> np.ndarray:
    """sqrt(mean of ln(high / low)^2 over 20 bars / (4 ln 2))."""
    spread = np.log(panel.bars("high") / panel.bars("low"))
    return panel.spread(np.sqrt(kernels.rolling_mean(spread * spread, panel.runs, 20) / (4.0 * np.log(2.0))))
