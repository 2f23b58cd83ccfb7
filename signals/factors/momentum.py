"""Momentum and reversal: past returns, plain, weighted by turnover, and without the latest month."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from signals.factors import kernels
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor
from signals.factors.windows import MONTH, MONTHS, back, decayed, mean_of_there

_CHART = "paper 3, chart 13: "


def past_return(panel: FactorPanel, bars: int, skip: int = 0) -> np.ndarray:
    """Return over ``bars`` bars that ended ``skip`` bars ago, dividends included; fractions, (D, N)."""
    price = panel.adjusted("close")
    return back(panel, price, skip) / back(panel, price, skip + bars) - 1.0


def _horizon(months: int) -> None:
    bars = months * MONTH

    @factor(
        f"return_{months}m", chinese=f"最近{months}个月收益率", family="momentum", direction=-1, unit="fraction",
        inputs=("close", "adj_factor"), lookback=bars + 1, source=f"{_CHART}return_{months}m",
    )  # fmt: skip
    def plain(panel: FactorPanel) -> np.ndarray:
        return past_return(panel, bars)

    plain.__doc__ = f"P_t / P_(t-{bars}) - 1 with back-adjusted closes P, {months} months of {MONTH} bars."

    @factor(
        f"turnover_weighted_return_{months}m", chinese=f"换手率加权{months}个月收益率", family="momentum", direction=-1,
        unit="fraction", inputs=("close", "preclose", "turnover"), lookback=bars,
        source=f"{_CHART}wgt_return_{months}m",
    )  # fmt: skip
    def weighted(panel: FactorPanel) -> np.ndarray:
        product = panel.bars("turnover") * panel.returns
        return mean_of_there(panel, product, bars, bars * 4 // 5)

    weighted.__doc__ = (
        f"Mean over {bars} bars of turnover x daily return; bars without a turnover left out, four fifths must be "
        "there."
    )

    @factor(
        f"decayed_turnover_weighted_return_{months}m", chinese=f"指数衰减换手率加权{months}个月收益率",
        family="momentum", direction=-1, unit="fraction", inputs=("close", "preclose", "turnover"), lookback=bars,
        source=f"{_CHART}exp_wgt_return_{months}m",
    )  # fmt: skip
    def by_age(panel: FactorPanel) -> np.ndarray:
        product = panel.bars("turnover") * panel.returns
        rate = float(np.exp(-1.0 / (4.0 * months)))
        return decayed(panel, product, bars, bars * 4 // 5, rate, normalise=False)

    by_age.__doc__ = (
        f"Mean over {bars} bars of turnover x exp(-x / {months} / 4) x daily return, x bars before the current one; "
        "bars without a turnover left out, four fifths must be there."
    )


for _months in MONTHS:
    _horizon(_months)


def _simple(
    name: str, chinese: str, direction: int, lookback: int, formula: str, source: str,
    compute: Callable[[FactorPanel], np.ndarray], inputs: tuple[str, ...] = ("close", "adj_factor"),
) -> None:  # fmt: skip
    compute.__doc__ = formula
    factor(name, chinese=chinese, family="momentum", direction=direction, unit="fraction", inputs=inputs,
           lookback=lookback, source=source)(compute)  # fmt: skip


def _momentum(bars: int, skip: int) -> Callable[[FactorPanel], np.ndarray]:
    def compute(panel: FactorPanel) -> np.ndarray:
        return past_return(panel, bars, skip)

    return compute


for _bars in (5, 10, 120):
    _simple(f"return_{_bars}d", f"{_bars}日收益率", -1, _bars + 1, f"P_t / P_(t-{_bars}) - 1, back-adjusted closes.",
            "Jegadeesh 1990 (short-term reversal)", _momentum(_bars, 0))  # fmt: skip
for _long, _name in ((6, "momentum_6_1"), (12, "momentum_12_1"), (24, "momentum_24_12")):
    _skip = MONTH if _long < 24 else 12 * MONTH
    _span = _long * MONTH - _skip
    _simple(_name, f"{_long}个月动量（剔除最近{_skip // MONTH}个月）", 1, _long * MONTH + 1,
            f"P_(t-{_skip}) / P_(t-{_long * MONTH}) - 1, back-adjusted closes.",
            "Jegadeesh and Titman 1993; De Bondt and Thaler 1985 for 24-12", _momentum(_span, _skip))  # fmt: skip


def _near_high(bars: int) -> Callable[[FactorPanel], np.ndarray]:
    def compute(panel: FactorPanel) -> np.ndarray:
        price = panel.adjusted("close")
        return panel.spread(price / kernels.rolling_max(price, panel.runs, bars))

    return compute


_simple("near_high_250d", "距250日最高价", 1, 250, "P_t over the highest back-adjusted close of 250 bars.",
        "George and Hwang 2004 (52-week high)", _near_high(250))  # fmt: skip
_simple("near_high_60d", "距60日最高价", 1, 60, "P_t over the highest back-adjusted close of 60 bars.",
        "George and Hwang 2004, over a quarter", _near_high(60))  # fmt: skip


@factor(
    "overnight_return_20", chinese="20日隔夜收益", family="momentum", direction=-1, unit="fraction",
    inputs=("open", "preclose"), lookback=20, source="Lou, Polk, Skouras 2019",
)  # fmt: skip
def overnight_return_20(panel: FactorPanel) -> np.ndarray:
    """Mean over 20 bars of open / reference price - 1."""
    return panel.spread(kernels.rolling_mean(panel.bars("open") / panel.bars("preclose") - 1.0, panel.runs, 20))


@factor(
    "intraday_return_20", chinese="20日日内收益", family="momentum", direction=-1, unit="fraction",
    inputs=("open", "close"), lookback=20, source="Lou, Polk, Skouras 2019",
)  # fmt: skip
def intraday_return_20(panel: FactorPanel) -> np.ndarray:
    """Mean over 20 bars of close / open - 1."""
    return panel.spread(kernels.rolling_mean(panel.bars("close") / panel.bars("open") - 1.0, panel.runs, 20))


@factor(
    "max_return_20", chinese="20日最大日收益", family="momentum", direction=-1, unit="fraction",
    inputs=("close", "preclose"), lookback=20, source="Bali, Cakici, Whitelaw 2011 (MAX)",
)  # fmt: skip
def max_return_20(panel: FactorPanel) -> np.ndarray:
    """Highest daily return of 20 bars."""
    return panel.spread(kernels.rolling_max(panel.returns, panel.runs, 20))


@factor(
    "path_consistency_60", chinese="60日路径平滑动量", family="momentum", direction=1, unit="ratio",
    inputs=("close", "preclose"), lookback=60, source="Da, Gurun, Warachka 2014 (information discreteness)",
)  # fmt: skip
def path_consistency_60(panel: FactorPanel) -> np.ndarray:
    """Sum of daily returns over the sum of their absolute values, 60 bars: 1 is a straight climb."""
    moves = kernels.rolling_sum(np.abs(panel.returns), panel.runs, 60)
    with np.errstate(invalid="ignore", divide="ignore"):
        return panel.spread(np.where(moves > 0, kernels.rolling_sum(panel.returns, panel.runs, 60) / moves, np.nan))
