"""Technical factors against TA-Lib, or against their definition written out with pandas, on real stocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import factor_panels
import numpy as np
import pandas as pd
import pytest
import talib
from factor_panels import Rows
from small_market import market_of

from signals.factors import registry, technical  # noqa: F401  declares the family
from signals.factors.panel import FactorPanel
from signals.factors.technical_parts import PACKED


class Stock:
    """Adjusted bars of one stock as arrays, and shorthands over them."""

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        self.factor = columns["adj_factor"]
        self.open, self.high, self.low, self.close = (
            columns[name] * self.factor for name in ("open", "high", "low", "close")
        )
        self.raw = columns
        self.volume = columns["volume"] / self.factor

    def last(self, values: np.ndarray, rows: int = 1) -> np.ndarray:
        return pd.Series(values).shift(rows).to_numpy()

    def sum(self, values: np.ndarray, window: int) -> np.ndarray:
        return pd.Series(values).rolling(window).sum().to_numpy()

    def mean(self, values: np.ndarray, window: int) -> np.ndarray:
        return pd.Series(values).rolling(window).mean().to_numpy()

    def ema(self, values: np.ndarray, span: int, least: int | None = None) -> np.ndarray:
        """From the first value on, as TA-Lib's Metastock mode and Chinese charts have it."""
        ewm = pd.Series(values).ewm(span=span, adjust=False, min_periods=span if least is None else least)
        return ewm.mean().to_numpy()

    @property
    def move(self) -> np.ndarray:
        return np.append(np.nan, np.diff(self.close))

    @property
    def true_range(self) -> np.ndarray:
        return talib.TRANGE(self.high, self.low, self.close)

    @property
    def body(self) -> np.ndarray:
        return talib.BOP(self.open, self.high, self.low, self.close)


def seeded(values: np.ndarray, span: int) -> np.ndarray:
    """TA-Lib's exponential average, made to begin with the first value: its seed is the mean of ``span`` of them."""
    return talib.EMA(np.append(np.full(span - 1, values[0]), values), span)[span - 1 :]


def ready(values: np.ndarray, bars: int) -> np.ndarray:
    return np.where(np.arange(len(values)) < bars - 1, np.nan, values)


def dif(s: Stock) -> np.ndarray:
    return ready((seeded(s.close, 10) - seeded(s.close, 30)) / s.factor, 30)


def dea(s: Stock) -> np.ndarray:
    return ready(seeded(seeded(s.close, 10) - seeded(s.close, 30), 15) / s.factor, 44)


def kdj(s: Stock) -> tuple[np.ndarray, np.ndarray]:
    top, bottom = talib.MAX(s.high, 9), talib.MIN(s.low, 9)
    k, d, found = np.nan, np.nan, []
    for r in range(len(s.close)):
        if top[r] > bottom[r]:
            rsv = 100.0 * (s.close[r] - bottom[r]) / (top[r] - bottom[r])
            k = rsv if np.isnan(k) else 2.0 / 3.0 * k + rsv / 3.0
            d = k if np.isnan(d) else 2.0 / 3.0 * d + k / 3.0
        found.append((k, d))
    return tuple(np.array(found).T)  # type: ignore[return-value]


def trix(s: Stock) -> np.ndarray:
    triple = s.ema(s.ema(s.ema(s.close, 12, 1), 12, 1), 12, 1)
    out = 100.0 * (triple / s.last(triple) - 1.0)
    out[:34] = np.nan
    return out


def tsi(s: Stock) -> np.ndarray:
    up, whole = (s.ema(s.ema(values[1:], 25, 1), 13, 1) for values in (s.move, np.abs(s.move)))
    out = np.append(np.nan, 100.0 * up / whole)
    out[:37] = np.nan
    return out


def mass(s: Stock) -> np.ndarray:
    once = s.ema(s.high - s.low, 9, 1)
    ratio = once / s.ema(once, 9, 1)
    ratio[:16] = np.nan
    return s.sum(ratio, 25)


def chaikin(s: Stock) -> np.ndarray:
    width = s.ema(s.high - s.low, 10)
    return 100.0 * (width / s.last(width, 10) - 1.0)


def emv(s: Stock) -> np.ndarray:
    both = s.high + s.low
    width = s.high - s.low
    ease = 100.0 * (both - s.last(both)) / both * s.mean(s.volume, 14) / s.volume * width / s.mean(width, 14)
    return s.mean(ease, 14)


def force(s: Stock) -> np.ndarray:
    push = np.append(np.nan, s.ema((s.move * s.volume)[1:], 13))
    return push / (s.close * s.mean(s.volume, 20))


def mfi(s: Stock) -> np.ndarray:
    """TA-Lib's, but in the windows with an unchanged typical price, where rounding would decide on its sign."""
    price = (s.high + s.low + s.close) / 3.0
    change = price - s.last(price)
    still = np.abs(change) < 1e-9 * price
    flow = np.where(still, 0.0, np.sign(change)) * price * s.volume
    ours = share(s, np.maximum(flow, 0), np.abs(flow), 14)
    return np.where(s.sum(still, 14) > 0, ours, talib.MFI(s.high, s.low, s.close, s.volume, 14))


def share(s: Stock, above: np.ndarray, below: np.ndarray, window: int = 26) -> np.ndarray:
    return 100.0 * s.sum(above, window) / s.sum(below, window)


def middle(s: Stock) -> np.ndarray:
    return s.last(s.high + s.low) / 2.0


def bands(s: Stock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return talib.BBANDS(s.close, 20, 2.0, 2.0)


REFERENCES: dict[str, Callable[[Stock], np.ndarray]] = {
    "dif_30_10_15": dif,
    "dea_30_10_15": dea,
    "macd_30_10_15": lambda s: 2.0 * (dif(s) - dea(s)),
    "rsi_20": lambda s: talib.RSI(s.close, 20),
    "rsi_6": lambda s: talib.RSI(s.close, 6),
    "psy_20": lambda s: 100.0 * s.mean(np.where(np.isnan(s.move), np.nan, s.move > 0), 20),
    "cmo_14": lambda s: talib.CMOU(s.close, 14),
    "roc_12": lambda s: talib.ROC(s.close, 12),
    "efficiency_10": lambda s: talib.ER(s.close, 10),
    "vhf_28": lambda s: (talib.MAX(s.close, 28) - talib.MIN(s.close, 28)) / s.sum(np.abs(s.move), 28),
    "bias_20": lambda s: 100.0 * (s.close / talib.SMA(s.close, 20) - 1.0),
    "bias_60": lambda s: 100.0 * (s.close / talib.SMA(s.close, 60) - 1.0),
    "dma_10_50": lambda s: (talib.SMA(s.close, 10) - talib.SMA(s.close, 50)) / s.close,
    "bbi": lambda s: sum(talib.SMA(s.close, n) for n in (3, 6, 12, 24)) / 4.0 / s.close,
    "ppo_12_26": lambda s: ready(100.0 * (seeded(s.close, 12) / seeded(s.close, 26) - 1.0), 26),
    "trix_12": trix,
    "tsi_25_13": tsi,
    "dpo_20": lambda s: (s.close - s.last(talib.SMA(s.close, 20), 11)) / s.close,
    "forecast_14": lambda s: 100.0 * (s.close - talib.LINEARREG(s.close, 14)) / s.close,
    "bbands_width_20": lambda s: (bands(s)[0] - bands(s)[2]) / bands(s)[1],
    "bbands_place_20": lambda s: (s.close - bands(s)[2]) / (bands(s)[0] - bands(s)[2]),
    "kdj_k_9": lambda s: kdj(s)[0],
    "kdj_d_9": lambda s: kdj(s)[1],
    "kdj_j_9": lambda s: 3.0 * kdj(s)[0] - 2.0 * kdj(s)[1],
    "williams_14": lambda s: talib.WILLR(s.high, s.low, s.close, 14),
    "cci_14": lambda s: talib.CCI(s.high, s.low, s.close, 14),
    "ultimate_7_14_28": lambda s: talib.ULTOSC(s.high, s.low, s.close, 7, 14, 28),
    "natr_14": lambda s: talib.NATR(s.high, s.low, s.close, 14),
    "mass_25": mass,
    "chaikin_volatility_10": chaikin,
    "plus_di_14": lambda s: talib.PLUS_DI(s.high, s.low, s.close, 14),
    "minus_di_14": lambda s: talib.MINUS_DI(s.high, s.low, s.close, 14),
    "adx_14": lambda s: talib.ADX(s.high, s.low, s.close, 14),
    "aroon_up_25": lambda s: talib.AROON(s.high, s.low, 25)[1],
    "aroon_down_25": lambda s: talib.AROON(s.high, s.low, 25)[0],
    "aroon_25": lambda s: talib.AROONOSC(s.high, s.low, 25),
    "vortex_14": lambda s: np.subtract(*talib.VORTEX(s.high, s.low, s.close, 14)),
    "bull_power_13": lambda s: ready((s.high - seeded(s.close, 13)) / s.close, 13),
    "bear_power_13": lambda s: ready((s.low - seeded(s.close, 13)) / s.close, 13),
    "ar_26": lambda s: share(s, s.high - s.open, s.open - s.low),
    "br_26": lambda s: share(s, np.maximum(s.high - s.last(s.close), 0), np.maximum(s.last(s.close) - s.low, 0)),
    "cr_26": lambda s: share(s, np.maximum(s.high - middle(s), 0), np.maximum(middle(s) - s.low, 0)),
    "imi_14": lambda s: share(s, np.maximum(s.close - s.open, 0), np.abs(s.close - s.open), 14),
    "qstick_10": lambda s: talib.QSTICK(s.open, s.close, 10) / s.close,
    "balance_14": lambda s: s.mean(s.body, 14),
    "wvad_6": lambda s: s.sum(s.body * s.raw["volume"], 6),
    "obv_20": lambda s: (lambda obv: (obv - s.last(obv, 20)) / s.sum(s.volume, 20))(talib.OBV(s.close, s.volume)),
    "pvt_20": lambda s: s.sum(s.move / s.last(s.close) * s.volume, 20) / s.sum(s.volume, 20),
    "mfi_14": mfi,
    "vr_26": lambda s: share(
        s, s.volume * (0.5 + 0.5 * np.sign(s.move)), s.volume * (0.5 - 0.5 * np.sign(s.move))
    ),
    "cmf_20": lambda s: s.sum(talib.AD(s.high, s.low, s.close, s.volume) - np.append(
        0.0, talib.AD(s.high, s.low, s.close, s.volume)[:-1]), 20) / s.sum(s.volume, 20),
    "emv_14": emv,
    "pvo_12_26": lambda s: ready(100.0 * (seeded(s.volume, 12) / seeded(s.volume, 26) - 1.0), 26),
    "force_13": force,
    "volume_osc_12_26": lambda s: 100.0 * (1.0 - s.mean(s.volume, 26) / s.mean(s.volume, 12)),
}  # fmt: skip


def stocks_of(panel: Any) -> Iterator[tuple[slice, Stock]]:
    names = ("open", "high", "low", "close", "volume", "adj_factor")
    for low, high in zip(panel.starts[:-1], panel.starts[1:], strict=True):
        yield slice(low, high), Stock({name: panel.bars(name)[low:high] for name in names})


@pytest.fixture(scope="module")
def real() -> FactorPanel:
    return factor_panels.real_panel()


def test_each_technical_factor_has_a_reference_and_is_registered() -> None:
    assert set(REFERENCES) == set(PACKED)
    family = {name: one for name, one in registry.registered().items() if one.family == "technical"}
    assert set(family) == set(PACKED)
    for name, one in family.items():
        assert one.formula.endswith("."), name
        assert one.chinese and one.unit


@pytest.mark.parametrize("name", list(REFERENCES))
def test_a_factor_is_its_definition_on_real_stocks(name: str, real: FactorPanel) -> None:
    ours = PACKED[name](real)
    compared = 0
    for rows, stock in stocks_of(real):
        with np.errstate(divide="ignore", invalid="ignore"):
            theirs = REFERENCES[name](stock)
        theirs = np.where(np.isfinite(theirs), theirs, np.nan)
        np.testing.assert_array_equal(np.isnan(ours[rows]), np.isnan(theirs))
        size = np.nanmedian(np.abs(theirs))
        np.testing.assert_allclose(ours[rows], theirs, rtol=1e-8, atol=1e-8 * size)
        compared += int(np.isfinite(theirs).sum())
    assert compared > 1000
    np.testing.assert_array_equal(registry.get(name)(real), real.spread(ours))


@pytest.mark.parametrize("name", [name for name in PACKED if registry.get(name).lookback])
def test_a_factor_with_a_lookback_reads_no_more_bars_than_it_says(name: str, real: FactorPanel) -> None:
    lookback = registry.get(name).lookback
    assert lookback is not None
    whole = PACKED[name](real)
    for end in real.starts[1:]:
        assert np.isfinite(whole[end - 1])
        assert PACKED[name](Rows.of(real, end - lookback, end))[-1] == whole[end - 1]


@pytest.mark.parametrize("name", list(REFERENCES))
def test_a_factor_younger_than_its_window_is_absent(name: str, real: FactorPanel) -> None:
    values = PACKED[name](real)
    lookback = registry.get(name).lookback
    for begin in real.starts[:-1]:
        first = int(np.argmax(np.isfinite(values[begin:])))
        assert first + 1 == lookback if lookback else first > 0


@pytest.mark.parametrize("name", list(REFERENCES))
def test_the_base_of_the_adjustment_factor_does_not_matter(name: str, real: FactorPanel) -> None:
    scaled = Rows.of(real, 0, real.starts[1])
    scaled.fields["adj_factor"] = 4.0 * scaled.fields["adj_factor"]
    values = PACKED[name](scaled)
    np.testing.assert_array_equal(values, PACKED[name](real)[: len(values)])


def test_a_stock_that_never_moves_has_no_oscillator_and_no_noise() -> None:
    panel = FactorPanel(market_of({"000001.SZ": [10.0] * 80, "000002.SZ": [5.0] * 10 + [np.nan] * 70}))
    for name in ("rsi_20", "williams_14", "cci_14", "adx_14", "cmo_14", "bbands_place_20", "kdj_k_9", "br_26"):
        assert np.isnan(PACKED[name](panel)).all(), name
    for name in ("macd_30_10_15", "bias_20", "bbands_width_20", "psy_20", "wvad_6", "natr_14"):
        values = PACKED[name](panel)
        assert (values[60:80] == 0.0).all(), name
        assert np.isnan(values[:5]).all() and np.isnan(values[80:85]).all(), name
