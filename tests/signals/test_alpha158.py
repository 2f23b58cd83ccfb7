"""Alpha158 against its formulas, read as text and evaluated with pandas, one stock after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import factor_panels
import numpy as np
import pandas as pd
import pytest
from factor_panels import Rows
from small_market import market_of

from engine.errors import ConfigError
from signals.factors import alpha158, registry
from signals.factors.panel import FactorPanel

OPERATORS = (
    "ROC", "MA", "STD", "BETA", "RSQR", "RESI", "MAX", "MIN", "QTLU", "QTLD", "RANK", "RSV", "IMAX", "IMIN", "IMXD",
    "CORR", "CORD", "CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD", "VMA", "VSTD", "WVMA", "VSUMP", "VSUMN", "VSUMD",
)  # fmt: skip
NAMES = [
    "KMID", "KLEN", "KMID2", "KUP", "KUP2", "KLOW", "KLOW2", "KSFT", "KSFT2", "OPEN0", "HIGH0", "LOW0", "VWAP0",
    *(f"{operator}{window}" for operator in OPERATORS for window in (5, 10, 20, 30, 60)),
]  # fmt: skip


def rolled(values: pd.Series, window: int) -> Any:
    return values.rolling(window, min_periods=1)


def line(values: pd.Series, window: int, what: str) -> pd.Series:
    def fit(part: np.ndarray) -> float:
        time = np.arange(len(part))[np.isfinite(part)] - float(len(part) - 1)
        part = part[np.isfinite(part)]
        if len(part) < 2:
            return np.nan
        slope, level = np.polyfit(time, part, 1)
        if what == "slope":
            return slope
        return part[-1] - level if what == "rest" else np.corrcoef(time, part)[0, 1] ** 2

    found = rolled(values, window).apply(fit, raw=True)
    if what == "square":
        found[np.isclose(rolled(values, window).std(), 0, atol=2e-5)] = np.nan
    return found


def correlation(x: pd.Series, y: pd.Series, window: int) -> pd.Series:
    def one(part: np.ndarray) -> float:
        rows = slice(int(part[0]), int(part[-1]) + 1)
        u, v = x.to_numpy()[rows], y.to_numpy()[rows]
        both = np.isfinite(u) & np.isfinite(v)
        if both.sum() < 2 or np.std(u[both], ddof=1) <= 2e-5 or np.std(v[both], ddof=1) <= 2e-5:
            return np.nan
        return float(np.corrcoef(u[both], v[both])[0, 1])

    return rolled(pd.Series(np.arange(float(len(x)))), window).apply(one, raw=True)


WORDS = {
    "Ref": lambda x, d: x.shift(d),
    "Greater": np.maximum,
    "Less": np.minimum,
    "Abs": np.abs,
    "Log": np.log,
    "Mean": lambda x, d: rolled(x, d).mean(),
    "Std": lambda x, d: rolled(x, d).std(),
    "Sum": lambda x, d: rolled(x, d).sum(),
    "Max": lambda x, d: rolled(x, d).max(),
    "Min": lambda x, d: rolled(x, d).min(),
    "Quantile": lambda x, d, q: rolled(x, d).quantile(q),
    "Rank": lambda x, d: rolled(x, d).rank(pct=True),
    "IdxMax": lambda x, d: rolled(x, d).apply(lambda part: part.argmax() + 1, raw=True),
    "IdxMin": lambda x, d: rolled(x, d).apply(lambda part: part.argmin() + 1, raw=True),
    "Slope": lambda x, d: line(x, d, "slope"),
    "Rsquare": lambda x, d: line(x, d, "square"),
    "Resi": lambda x, d: line(x, d, "rest"),
    "Corr": correlation,
}


def evaluated(formula: str, stock: pd.DataFrame) -> np.ndarray:
    names = WORDS | {name: stock[name] for name in stock}
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array(eval(re.sub(r"\$(\w+)", r"\1", formula), {"__builtins__": {}}, names), dtype=float)


def stocks_of(panel: FactorPanel) -> Iterator[tuple[slice, pd.DataFrame]]:
    factor = panel.bars("adj_factor")
    columns = {name: panel.bars(name) * factor for name in ("open", "high", "low", "close")}
    columns["volume"] = panel.bars("volume") / factor
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["vwap"] = panel.bars("amount") / panel.bars("volume") * factor
    whole = pd.DataFrame(columns)
    for low, high in zip(panel.starts[:-1], panel.starts[1:], strict=True):
        yield slice(low, high), whole.iloc[low:high].reset_index(drop=True)


@pytest.fixture(scope="module")
def real() -> FactorPanel:
    return factor_panels.real_panel(3, "2015-01-05", "2016-06-30")


@pytest.fixture(scope="module")
def odd() -> FactorPanel:
    """Halts, one-price bars, a flat spell, a stock with a single bar, one without, and a day without volume."""
    rng = np.random.default_rng(2)
    long = np.round(10.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, 160))), 2)
    halted, flat, single, never = long.copy(), long.copy(), np.full(160, np.nan), np.full(160, np.nan)
    halted[40:75] = np.nan
    flat[20:110] = 10.0
    single[100] = 7.0
    closes = {"000001.SZ": long, "000002.SZ": halted, "600001.SH": flat, "600002.SH": single, "600003.SH": never}
    market = market_of(closes)
    market.volume = market.volume * rng.lognormal(0.0, 0.5, market.volume.shape)
    market.volume[50, 0] = 0.0
    market.amount = market.volume * market.close
    return FactorPanel(market)


def test_there_are_the_158_names_of_qlib_in_its_order() -> None:
    assert list(alpha158.FEATURES) == NAMES
    assert len(NAMES) == 158


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_is_its_formula_on_real_and_odd_stocks(name: str, real: FactorPanel, odd: FactorPanel) -> None:
    formula, _ = alpha158.FEATURES[name]
    for panel in (real, odd):
        ours = alpha158.compute(name, panel)
        assert ours.shape == (panel.starts[-1],)
        for rows, stock in stocks_of(panel):
            if not len(stock):
                continue
            theirs = evaluated(formula, stock)
            theirs[np.isinf(theirs)] = np.nan
            one = np.where(np.isinf(ours[rows]), np.nan, ours[rows])
            np.testing.assert_array_equal(np.isnan(one), np.isnan(theirs))
            np.testing.assert_allclose(one, theirs, rtol=1e-6, atol=1e-6)


def test_all_at_once_and_one_by_one_give_the_same_bits(real: FactorPanel, odd: FactorPanel) -> None:
    for panel in (real, odd):
        seen = []
        for name, values in alpha158.each(panel):
            np.testing.assert_array_equal(values, alpha158.compute(name, panel), err_msg=name)
            seen.append(name)
        assert sorted(seen) == sorted(NAMES)


@pytest.mark.parametrize("tail", [None, 64])
def test_few_sessions_are_served_by_one_pass_of_a_kind_with_the_same_bits(real: FactorPanel, tail: int | None) -> None:
    few = FactorPanel(real.source, real.rows[-3:], tail=tail)
    for name in NAMES:
        whole = real.spread(alpha158.compute(name, real))
        np.testing.assert_array_equal(registry.get(f"alpha158_{name.lower()}")(few), whole[-3:], err_msg=name)


def test_an_unknown_feature_is_refused_with_the_nearest_name(real: FactorPanel) -> None:
    with pytest.raises(ConfigError, match="Alpha158 has no feature 'ROC6'.*ROC"):
        alpha158.compute("ROC6", real)


def test_each_feature_is_registered_with_its_formula_and_reach(real: FactorPanel) -> None:
    factor = registry.get("alpha158_cord20")
    assert (factor.family, factor.lookback, factor.inputs) == ("alpha158", 21, ("close", "volume", "adj_factor"))
    assert "Corr($close/Ref($close,1),Log($volume/Ref($volume,1)+1),20)" in factor.formula
    np.testing.assert_array_equal(factor(real), real.spread(alpha158.compute("CORD20", real)))
    bar = {"open", "high", "low", "close", "amount", "volume", "adj_factor"}
    assert set(registry.get("alpha158_vwap0").inputs) == bar, "one pass gives all figures of a bar"
    family = [one.name for one in registry.registered().values() if one.family == "alpha158"]
    assert family == [f"alpha158_{name.lower()}" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_reads_no_more_bars_than_it_says(name: str, real: FactorPanel) -> None:
    """The last so many bars give the bits that the whole history gives."""
    lookback = registry.get(f"alpha158_{name.lower()}").lookback
    assert lookback is not None
    whole = alpha158.compute(name, real)
    for end in real.starts[1:]:
        assert alpha158.compute(name, Rows.of(real, end - lookback, end))[-1] == whole[end - 1]


def test_the_features_do_not_hang_on_where_the_adjustment_begins(real: FactorPanel) -> None:
    """Another base of the adjustment factor is another unit of price; what has no unit stays."""
    scaled = Rows.of(real, 0, real.starts[1])
    scaled.fields["adj_factor"] = 3.0 * scaled.fields["adj_factor"]
    for name in NAMES:
        if not name.startswith("CORR"):  # Log($volume+1) has a unit
            ours = alpha158.compute(name, scaled)
            np.testing.assert_allclose(ours, alpha158.compute(name, real)[: len(ours)], rtol=1e-6, atol=1e-7)
