"""Alpha158: the 158 features of Qlib's data handler of that name, on packed rows.

Prices are back-adjusted (price x adjustment factor), volume is divided by the factor, and the day's average price is
amount / volume x factor, as in Qlib's data. As there, a window at the beginning of a history takes the rows it has
(``min_periods=1``), and ``Ref`` is missing before it. A correlation or an R2 is missing where a series in it has a
standard deviation of 2e-5 or less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from engine.errors import ConfigError, nearest
from signals.factors import alpha158_kernels, moment_kernels, order_kernels, quantile_kernels, regression_kernels
from signals.factors.kernels import NONE
from signals.factors.panel import FactorPanel
from signals.factors.quantities import adjusted_volume
from signals.factors.registry import Factor, add

WINDOWS = (5, 10, 20, 30, 60)
FEW = 8
"""Sessions asked for up to which all that one pass gives is kept for the features that come after."""
FLAT = 2e-5
"""Standard deviation up to which a correlation or an R2 counts as missing."""

BARS = {
    "KMID": ("($close-$open)/$open", "实体相对开盘价"),
    "KLEN": ("($high-$low)/$open", "振幅相对开盘价"),
    "KMID2": ("($close-$open)/($high-$low+1e-12)", "实体占振幅"),
    "KUP": ("($high-Greater($open,$close))/$open", "上影线相对开盘价"),
    "KUP2": ("($high-Greater($open,$close))/($high-$low+1e-12)", "上影线占振幅"),
    "KLOW": ("(Less($open,$close)-$low)/$open", "下影线相对开盘价"),
    "KLOW2": ("(Less($open,$close)-$low)/($high-$low+1e-12)", "下影线占振幅"),
    "KSFT": ("(2*$close-$high-$low)/$open", "收盘位置相对开盘价"),
    "KSFT2": ("(2*$close-$high-$low)/($high-$low+1e-12)", "收盘位置占振幅"),
    "OPEN0": ("$open/$close", "开盘价/收盘价"),
    "HIGH0": ("$high/$close", "最高价/收盘价"),
    "LOW0": ("$low/$close", "最低价/收盘价"),
    "VWAP0": ("$vwap/$close", "均价/收盘价"),
}
"""Features of one bar: formula and Chinese name."""

_UP, _DOWN = "Sum(Greater({x}-Ref({x},1),0),{d})", "Sum(Greater(Ref({x},1)-{x},0),{d})"
_MOVED = "(Sum(Abs({x}-Ref({x},1)),{d})+1e-12)"
_ROLLING = {
    "ROC": ("Ref($close,{d})/$close", "前价/现价"),
    "MA": ("Mean($close,{d})/$close", "均线/现价"),
    "STD": ("Std($close,{d})/$close", "价格标准差/现价"),
    "BETA": ("Slope($close,{d})/$close", "价格斜率/现价"),
    "RSQR": ("Rsquare($close,{d})", "价格趋势R方"),
    "RESI": ("Resi($close,{d})/$close", "价格趋势残差/现价"),
    "MAX": ("Max($high,{d})/$close", "最高价/现价"),
    "MIN": ("Min($low,{d})/$close", "最低价/现价"),
    "QTLU": ("Quantile($close,{d},0.8)/$close", "80%分位价/现价"),
    "QTLD": ("Quantile($close,{d},0.2)/$close", "20%分位价/现价"),
    "RANK": ("Rank($close,{d})", "现价分位"),
    "RSV": ("($close-Min($low,{d}))/(Max($high,{d})-Min($low,{d})+1e-12)", "未成熟随机值"),
    "IMAX": ("IdxMax($high,{d})/{d}", "最高价位置"),
    "IMIN": ("IdxMin($low,{d})/{d}", "最低价位置"),
    "IMXD": ("(IdxMax($high,{d})-IdxMin($low,{d}))/{d}", "最高与最低价位置差"),
    "CORR": ("Corr($close,Log($volume+1),{d})", "价格与成交量相关"),
    "CORD": ("Corr($close/Ref($close,1),Log($volume/Ref($volume,1)+1),{d})", "涨跌与量变相关"),
    "CNTP": ("Mean($close>Ref($close,1),{d})", "上涨日占比"),
    "CNTN": ("Mean($close<Ref($close,1),{d})", "下跌日占比"),
    "CNTD": ("Mean($close>Ref($close,1),{d})-Mean($close<Ref($close,1),{d})", "涨跌日占比差"),
    "SUMP": (f"{_UP}/{_MOVED}", "上涨幅度占比"),
    "SUMN": (f"{_DOWN}/{_MOVED}", "下跌幅度占比"),
    "SUMD": (f"({_UP}-{_DOWN})/{_MOVED}", "涨跌幅度差"),
    "VMA": ("Mean($volume,{d})/($volume+1e-12)", "均量/现量"),
    "VSTD": ("Std($volume,{d})/($volume+1e-12)", "成交量标准差/现量"),
    "WVMA": (
        "Std(Abs($close/Ref($close,1)-1)*$volume,{d})/(Mean(Abs($close/Ref($close,1)-1)*$volume,{d})+1e-12)",
        "量加权波动",
    ),
    "VSUMP": (f"{_UP}/{_MOVED}", "放量占比"),
    "VSUMN": (f"{_DOWN}/{_MOVED}", "缩量占比"),
    "VSUMD": (f"({_UP}-{_DOWN})/{_MOVED}", "放量缩量差"),
}  # fmt: skip
_BEFORE = ("ROC", "CORD", "CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD", "WVMA", "VSUMP", "VSUMN", "VSUMD")
"""Those that read one row before their window."""

FEATURES: dict[str, tuple[str, int]] = {name: (formula, 1) for name, (formula, _) in BARS.items()}
"""Qlib's name of each feature: its formula in Qlib's words, and its window in bars."""
for _operator, (_formula, _) in _ROLLING.items():
    for _window in WINDOWS:
        _text = _formula.replace("{x}", "$volume" if _operator.startswith("VSUM") else "$close")
        FEATURES[f"{_operator}{_window}"] = (_text.replace("{d}", str(_window)), _window)


# -- what the features are made of ------------------------------------------------------------------


def _vwap(panel: FactorPanel) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return panel.bars("amount") / panel.bars("volume") * panel.bars("adj_factor")


def _log_volume(panel: FactorPanel) -> np.ndarray:
    return panel.shared("alpha158 log volume", lambda: np.log(adjusted_volume(panel) + 1.0))


def _ratio(panel: FactorPanel) -> np.ndarray:
    """Close over the close before."""

    def make() -> np.ndarray:
        close = panel.adjusted("close")
        return _over_before(close, panel.runs)

    return panel.shared("alpha158 ratio", make)


def _over_before(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    out = np.empty(len(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(values[1:], values[:-1], out=out[1:])
    first = starts[:-1]
    out[first[first < starts[1:]]] = np.nan
    return out


def _volume_ratio(panel: FactorPanel) -> np.ndarray:
    def make() -> np.ndarray:
        ratio = _over_before(adjusted_volume(panel), panel.runs)
        ratio += 1.0
        return np.log(ratio, out=ratio)

    return panel.shared("alpha158 volume ratio", make)


def _turbulence(panel: FactorPanel) -> np.ndarray:
    """|close / close before - 1| x volume."""

    def make() -> np.ndarray:
        out = _ratio(panel) - 1.0
        np.abs(out, out=out)
        out *= adjusted_volume(panel)
        return out

    return panel.shared("alpha158 turbulence", make)


# -- a pass for each kind: (panel, windows, slots (operators, W) naming rows of out, -1 for none, out) --


def _ones(windows: np.ndarray) -> np.ndarray:
    return np.ones(len(windows), dtype=np.int64)


def _with(slots: np.ndarray, before: int, after: int) -> np.ndarray:
    """Slots with results that are not asked for before and after."""
    return np.pad(slots, ((before, after), (0, 0)), constant_values=-1)


def _lag(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    alpha158_kernels.lags(panel.adjusted("close"), panel.runs, windows, slots[0], out)


def _level(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    close = panel.adjusted("close")
    moment_kernels.moments(close, close, panel.runs, windows, _ones(windows), 1, _with(slots, 0, 1), out)


def _trend(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    close = panel.adjusted("close")
    regression_kernels.trends(close, close, panel.runs, windows, _ones(windows), FLAT, slots, out)


def _extreme(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    high, low, close = (panel.adjusted(field) for field in ("high", "low", "close"))
    order_kernels.extremes(high, low, close, panel.runs, windows, _ones(windows), slots, out)


def _quantile(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    close, fractions = panel.adjusted("close"), np.array([0.8, 0.2])
    quantile_kernels.quantiles(close, close, panel.runs, windows, fractions, _ones(windows), slots, out)


def _quantile_at(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    """At the sessions asked for alone."""
    close, fractions = panel.adjusted("close"), np.array([0.8, 0.2])
    quantile_kernels.quantiles_at(close, close, *panel.asked, windows, fractions, _ones(windows), slots, out)


def _rank(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    order_kernels.ranks(panel.adjusted("close"), panel.runs, windows, _ones(windows), slots[0], out)


def _age(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    high, low = panel.adjusted("high"), panel.adjusted("low")
    order_kernels.extreme_ages(high, low, panel.runs, windows, _ones(windows), True, False, slots, out)


def _corr(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    x, y = panel.adjusted("close"), _log_volume(panel)
    regression_kernels.pairs(x, y, panel.runs, windows, _ones(windows), FLAT, _with(slots, 0, 3), out)


def _cord(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    x, y = _ratio(panel), _volume_ratio(panel)
    regression_kernels.pairs(x, y, panel.runs, windows, _ones(windows), FLAT, _with(slots, 0, 3), out)


def _count(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    alpha158_kernels.gains(panel.adjusted("close"), panel.runs, windows, True, slots, out)


def _gain(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    alpha158_kernels.gains(panel.adjusted("close"), panel.runs, windows, False, slots, out)


def _volume_gain(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    alpha158_kernels.gains(adjusted_volume(panel), panel.runs, windows, False, slots, out)


def _volume_level(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    volume = adjusted_volume(panel)
    divisor = panel.shared("alpha158 volume divisor", lambda: volume + 1e-12)
    moment_kernels.moments(volume, divisor, panel.runs, windows, _ones(windows), 1, _with(slots, 0, 1), out)


def _weighted(panel: FactorPanel, windows: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    x = _turbulence(panel)
    moment_kernels.moments(x, NONE, panel.runs, windows, _ones(windows), 1, _with(slots, 2, 0), out)


Fill = Callable[[FactorPanel, np.ndarray, np.ndarray, np.ndarray], None]

GROUPS: tuple[tuple[Fill, tuple[str, ...]], ...] = (
    (_lag, ("ROC",)),
    (_level, ("MA", "STD")),
    (_trend, ("BETA", "RSQR", "RESI")),
    (_extreme, ("MAX", "MIN", "RSV")),
    (_quantile, ("QTLU", "QTLD")),
    (_rank, ("RANK",)),
    (_age, ("IMAX", "IMIN", "IMXD")),
    (_corr, ("CORR",)),
    (_cord, ("CORD",)),
    (_count, ("CNTP", "CNTN", "CNTD")),
    (_gain, ("SUMP", "SUMN", "SUMD")),
    (_volume_level, ("VMA", "VSTD")),
    (_weighted, ("WVMA",)),
    (_volume_gain, ("VSUMP", "VSUMN", "VSUMD")),
)
"""Rolling operators by the pass that computes them."""

_FEW_ROWS: dict[Fill, Fill] = {_quantile: _quantile_at}
"""Passes that have a quicker way to few sessions."""

_PASS: dict[str, tuple[Fill, tuple[int, ...]]] = {
    operator: (fill, tuple(0 if one == operator else -1 for one in operators))
    for fill, operators in GROUPS
    for operator in operators
}


def _bars(panel: FactorPanel, slots: np.ndarray, out: np.ndarray) -> None:
    """Features of one bar; ``slots`` (13,)."""
    opened, high, low, close = (panel.adjusted(field) for field in ("open", "high", "low", "close"))
    alpha158_kernels.bars(opened, high, low, close, _vwap(panel) if slots[-1] >= 0 else close, slots, out)


def _one_bar(panel: FactorPanel, place: int) -> np.ndarray:
    out = np.empty((1, int(panel.starts[-1])))
    slots = np.full(13, -1)
    slots[place] = 0
    _bars(panel, slots, out)
    return out[0]


def _one_window(panel: FactorPanel, fill: Fill, slots: tuple[int, ...], window: int) -> np.ndarray:
    out = np.empty((1, int(panel.starts[-1])))
    fill(panel, np.array([window]), np.array(slots)[:, None], out)
    return out[0]


def _asked(panel: FactorPanel, fill: Fill, operators: tuple[str, ...], name: str, window: int) -> np.ndarray:
    """A rolling feature at few sessions asked for, (D, N).

    The pass of its kind gives its ``operators`` over all windows that the panel has the bars for, and these are kept.
    """
    longest = max((one for one in WINDOWS if panel.tail is None or one < panel.tail), default=window)
    windows = tuple(one for one in WINDOWS if one <= max(longest, window))

    def make() -> dict[str, np.ndarray]:
        room = panel.shared("alpha158 room", lambda: np.empty((3 * len(WINDOWS), int(panel.starts[-1]))))
        places = np.arange(len(operators) * len(windows)).reshape(len(operators), len(windows))
        fill(panel, np.array(windows), places, room)
        features = [f"{operator}{one}" for operator in operators for one in windows]
        return {feature: panel.spread(values) for feature, values in zip(features, room, strict=False)}

    return panel.shared(("alpha158", fill, windows), make)[name]


def compute(name: str, panel: FactorPanel) -> np.ndarray:
    """One feature by Qlib's name (``KMID``, ``ROC5``).

    Returns
    -------
    ndarray of float64, shape (R,)
        On the panel's packed rows; NaN where Qlib's definition gives none.

    Raises
    ------
    ConfigError
        If Alpha158 has no such feature.
    """
    if name not in FEATURES:
        raise ConfigError(f"Alpha158 has no feature '{name}'; {nearest(name, FEATURES)}")
    if name in BARS:
        return _one_bar(panel, list(BARS).index(name))
    window = FEATURES[name][1]
    return _one_window(panel, *_PASS[name.removesuffix(str(window))], window)


def each(panel: FactorPanel) -> Iterator[tuple[str, np.ndarray]]:
    """All 158, those of one kind in one pass, with the bits of :func:`compute`.

    Yields
    ------
    name, values
        ``values`` (R,) lie in a buffer that the next kind is written over: use or copy them at once.
    """
    buffer = np.empty((15, int(panel.starts[-1])))
    windows = np.array(WINDOWS)
    _bars(panel, np.arange(13), buffer)
    yield from zip(BARS, buffer, strict=False)
    for fill, operators in GROUPS:
        slots = np.arange(len(operators) * len(WINDOWS)).reshape(len(operators), len(WINDOWS))
        fill(panel, windows, slots, buffer)
        for k, operator in enumerate(operators):
            for j, window in enumerate(WINDOWS):
                yield f"{operator}{window}", buffer[slots[k, j]]


def _together(name: str) -> list[str]:
    """Features that one pass gives, and whose fields are therefore read together."""
    if name in BARS:
        return list(BARS)
    fill, window = _PASS[name.rstrip("0123456789")][0], FEATURES[name][1]
    return [f"{operator}{window}" for operator in _ROLLING if _PASS[operator][0] is fill]


def _inputs(formula: str) -> tuple[str, ...]:
    fields = [field for field in ("open", "high", "low", "close", "volume") if f"${field}" in formula]
    return (*fields, *(("amount", "volume") if "$vwap" in formula else ()), "adj_factor")


def _declare(name: str, chinese: str, compute: Callable[[FactorPanel], np.ndarray], before: bool) -> None:
    formula, window = FEATURES[name]
    inputs = tuple(dict.fromkeys(field for one in _together(name) for field in _inputs(FEATURES[one][0])))
    compute.__doc__ = f"{name} = {formula}, on back-adjusted prices and volume / adjustment factor."
    lookback = window + before
    add(
        Factor(
            f"alpha158_{name.lower()}", chinese, "alpha158", 0, "ratio", inputs, lookback,
            "Qlib, Alpha158", compute,
        )
    )  # fmt: skip


def _declare_bar(name: str, place: int) -> None:
    def feature(panel: FactorPanel) -> np.ndarray:
        return panel.spread(_one_bar(panel, place))

    _declare(name, BARS[name][1], feature, False)


def _declare_window(operator: str, window: int) -> None:
    fill, slots = _PASS[operator]
    few, operators, name = _FEW_ROWS.get(fill, fill), dict(GROUPS)[fill], f"{operator}{window}"

    def feature(panel: FactorPanel) -> np.ndarray:
        if panel.shape[0] <= FEW:
            return _asked(panel, few, operators, name, window)
        return panel.spread(_one_window(panel, fill, slots, window))

    _declare(name, f"{window}日{_ROLLING[operator][1]}", feature, operator in _BEFORE)


for _place, _name in enumerate(BARS):
    _declare_bar(_name, _place)
for _operator in _ROLLING:
    for _window in WINDOWS:
        _declare_window(_operator, _window)
