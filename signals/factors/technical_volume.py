"""Technical factors of price and volume; volume is over the adjustment factor, but in shares in WVAD."""

from __future__ import annotations

import numpy as np

from signals.factors.panel import FactorPanel
from signals.factors.quantities import adjusted_volume, over
from signals.factors.technical_parts import (
    CLOSE,
    RANGE,
    averaged,
    before,
    moves,
    positive,
    shifted,
    smoothed,
    summed,
    technical,
    typical,
)
from signals.factors.technical_range import body_share

_VOLUME = (*CLOSE, "volume")


@technical(
    "wvad_6", "威廉变异离散量", ("open", "high", "low", "close", "volume"), 6, unit="shares",
    source="paper 2, appendix 1: WVAD",
)  # fmt: skip
def wvad_6(panel: FactorPanel) -> np.ndarray:
    """Sum over 6 bars of (close - open) / (high - low) x volume; a bar of one price adds 0."""
    return summed(panel, body_share(panel) * panel.bars("volume"), 6)


@technical("obv_20", "20日能量潮", _VOLUME, 21)
def obv_20(panel: FactorPanel) -> np.ndarray:
    """Change of on-balance volume over 20 bars, over the volume of these bars."""
    volume = adjusted_volume(panel)
    return over(summed(panel, np.sign(moves(panel)) * volume, 20), summed(panel, volume, 20))


@technical("pvt_20", "20日价量趋势", _VOLUME, 21)
def pvt_20(panel: FactorPanel) -> np.ndarray:
    """Sum over 20 bars of (return of the close x volume), over the volume of these bars."""
    returns = moves(panel) / before(panel, "close")
    return over(summed(panel, returns * adjusted_volume(panel), 20), summed(panel, adjusted_volume(panel), 20))


@technical("mfi_14", "14日资金流量指标", (*RANGE, "volume"), 15, unit="points")
def mfi_14(panel: FactorPanel) -> np.ndarray:
    """100 x rising over rising and falling flow of 14 bars; flow is typical price x volume, rising by typical price.

    A price that changed by less than 1e-9 of itself did not: rounding would decide.
    """
    price = typical(panel)
    change = price - shifted(panel, price, 1)
    change[np.abs(change) < 1e-9 * price] = 0.0
    flow = price * adjusted_volume(panel) * np.sign(change)
    return 100.0 * over(summed(panel, positive(flow), 14), summed(panel, np.abs(flow), 14))


@technical("vr_26", "26日成交量比率", _VOLUME, 27, unit="per cent")
def vr_26(panel: FactorPanel) -> np.ndarray:
    """100 (volume of rising bars + half that of flat ones) / (of falling + half of flat), 26 bars."""
    signed = 0.5 * np.sign(moves(panel))
    up = summed(panel, (0.5 + signed) * adjusted_volume(panel), 26)
    return 100.0 * over(up, summed(panel, (0.5 - signed) * adjusted_volume(panel), 26))


@technical("cmf_20", "20日佳庆资金流", (*RANGE, "volume"), 20)
def cmf_20(panel: FactorPanel) -> np.ndarray:
    """Sum of (2 close - high - low) / (high - low) x volume over the sum of volume, 20 bars; one price adds 0."""
    high, low, close = (panel.bars(field) for field in ("high", "low", "close"))
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.where(high > low, (2.0 * close - high - low) / (high - low), 0.0)
    return over(summed(panel, place * adjusted_volume(panel), 20), summed(panel, adjusted_volume(panel), 20))


@technical("emv_14", "14日简易波动指标", ("high", "low", "adj_factor", "volume"), 27)
def emv_14(panel: FactorPanel) -> np.ndarray:
    """Mean over 14 bars of 100 x (middle / middle before - 1) x (mean volume / volume) x (range / mean range).

    The change is taken over the present middle, and the means are over 14 bars, as in Chinese charting software.
    """
    high, low = panel.adjusted("high"), panel.adjusted("low")
    change = 100.0 * (high + low - before(panel, "high") - before(panel, "low")) / (high + low)
    width = high - low
    volume = adjusted_volume(panel)
    ease = change * over(averaged(panel, volume, 14), volume) * over(width, averaged(panel, width, 14))
    return averaged(panel, ease, 14)


@technical("pvo_12_26", "量能震荡百分比", ("volume", "adj_factor"), None, unit="per cent")
def pvo_12_26(panel: FactorPanel) -> np.ndarray:
    """100 (EMA 12 / EMA 26 of volume - 1); from the 26th bar on."""
    short, long = (smoothed(panel, "volume", adjusted_volume(panel), span) for span in (12, 26))
    return 100.0 * over(short, long) - 100.0


@technical("force_13", "13日强力指数", _VOLUME, None)
def force_13(panel: FactorPanel) -> np.ndarray:
    """EMA13 of (move x volume) over the close and the mean volume of 20 bars; from the 20th bar on."""
    push = smoothed(panel, "force", moves(panel) * adjusted_volume(panel), 13)
    return over(push, panel.adjusted("close") * averaged(panel, adjusted_volume(panel), 20))


@technical("volume_osc_12_26", "成交量均线差", ("volume", "adj_factor"), 26, unit="per cent")
def volume_osc_12_26(panel: FactorPanel) -> np.ndarray:
    """100 (mean volume of 12 - mean volume of 26) / mean volume of 12."""
    short, long = averaged(panel, adjusted_volume(panel), 12), averaged(panel, adjusted_volume(panel), 26)
    return 100.0 * over(short - long, short)
