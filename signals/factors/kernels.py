"""Rolling statistics over packed rows at compiled speed.

Bars of stock i are rows ``starts[i]:starts[i + 1]``; a window of w is the stock's own last w rows, the current one
included. NaN and infinities are missing values: skipped inside a window, and the result is NaN where fewer than
``min_count`` values remain (all w by default). Every function returns float64, shape (R,): the array ``out`` where one
is given (new memory is a quarter of the time of a mean), which must not be one of the inputs.

Windows without a gap are put together from blocks of 1, 2, 4, ... rows: neighbouring blocks of a and b rows merge by

    d = mean_b - mean_a,  mean = mean_a + d b/(a+b),  M2 = M2_a + M2_b + d^2 ab/(a+b)

(Chan, Golub and LeVeque 1979; Pebay 2008 for the third and fourth moment). So a result depends on the rows of its
window alone, to the last bit, wherever the history begins; nothing is subtracted from a running sum, a constant window
has a deviation of exactly 0, and neighbouring rows share the work in vector instructions. Windows with gaps, and those
that begin before the history, are computed one by one.

The compiled functions are in :mod:`moment_kernels`, :mod:`sum_kernels`, :mod:`order_kernels`,
:mod:`quantile_kernels`, :mod:`regression_kernels` and :mod:`residual_kernels`. They take several windows at once,
share what the windows have in common (5 is on the way to 10 and 20), and can divide the result by another series. None
calls a compiled function of another file: Numba would keep a stale copy of it in its cache.
"""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from signals.factors import (
    blocks,
    moment_kernels,
    order_kernels,
    quantile_kernels,
    regression_kernels,
    residual_kernels,
    sum_kernels,
)

NONE = np.empty(0, dtype=np.float64)
"""As ``divisor`` of a compiled function: divide by nothing."""

LONGEST = 4000
"""Longest window that the compiled functions have room for, in rows."""


def _array(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64)


def _ready(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if not 1 <= window <= LONGEST:
        raise ConfigError(f"a rolling window has from 1 to {LONGEST} rows, not {window}")
    least = window if min_count is None else min_count
    if not 1 <= least <= window:
        raise ConfigError(f"a window of {window} rows needs from 1 to {window} values, not {least}: set min_count so")
    return _array(values), np.ascontiguousarray(starts, dtype=np.int64), np.array([window]), np.array([least])


def _slot(place: int, of: int) -> np.ndarray:
    """Only result ``place`` of ``of``, into row 0."""
    slots = np.full((of, 1), -1)
    slots[place] = 0
    return slots


def _room(rows: int, out: np.ndarray | None) -> np.ndarray:
    if out is None:
        return np.empty(rows)
    if out.shape != (rows,) or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise ConfigError(f"'out' takes a contiguous float64 array of {rows} values, not {out.dtype} {out.shape}")
    return out


# -- moments ----------------------------------------------------------------------------------------


def rolling_mean(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Mean of the last ``window`` rows."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    moment_kernels.moments(x, NONE, begin, windows, least, 1, _slot(0, 3), room)
    return room[0]


def rolling_std(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, ddof: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Standard deviation of the last ``window`` rows, divided by n - ``ddof``; NaN where that is not above 0."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    moment_kernels.moments(x, NONE, begin, windows, least, ddof, _slot(1, 3), room)
    return room[0]


def rolling_skew(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, bias: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Skewness, biased (g1) or not (G1, as pandas); NaN for a constant window."""
    x, begin, _, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)
    moment_kernels.shapes(x, begin, window, int(least[0]), False, bias, room)
    return room


def rolling_kurtosis(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, bias: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Excess kurtosis, biased (g2) or not (G2, as pandas); NaN for a constant window."""
    x, begin, _, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)
    moment_kernels.shapes(x, begin, window, int(least[0]), True, bias, room)
    return room


# -- sums and averages ------------------------------------------------------------------------------


def _summed(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None, rate: float, mode: int,
    out: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    x, begin, _, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)
    sum_kernels.sums(x, begin, window, int(least[0]), float(rate), mode, room)
    return room


def rolling_sum(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Sum of the last ``window`` rows."""
    return _summed(values, starts, window, min_count, 1.0, 0, out)


def rolling_decay(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, *, rate: float,
    normalise: bool = True, out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Average with weights ``rate**age``, age in rows from the current one.

    ``normalise`` divides by the weights of the values there are; without it by their number.
    """
    return _summed(values, starts, window, min_count, rate, 2 if normalise else 1, out)


def decay_at(
    values: np.ndarray, rows: np.ndarray, lows: np.ndarray, window: int, min_count: int, *, rate: float,
    normalise: bool = True,
) -> np.ndarray:  # fmt: skip
    """:func:`rolling_decay` at some ``rows`` alone; ``lows``: first row of each one's stock; (A,), NaN at row -1."""
    x, _, _, least = _ready(values, rows, window, min_count)
    out = np.empty(len(rows))
    sum_kernels.sums_at(
        x, rows, lows, window, int(least[0]), float(rate), 2 if normalise else 1, blocks.steps(window), out
    )
    return out


def rolling_wma(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Average with weights w, w - 1, ..., 1 from the current row back, over the weights of the values there are."""
    return _summed(values, starts, window, min_count, 1.0, 3, out)


def rolling_weighted(
    values: np.ndarray, weights: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Sum of value x weight over the sum of weights, where both are there; NaN where the weights add up to 0."""
    product = _array(values) * weights
    there = np.where(np.isfinite(product), weights, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = rolling_sum(product, starts, window, min_count, out)
        result /= rolling_sum(there, starts, window, min_count)
    result[np.isinf(result)] = np.nan
    return result


def ema(
    values: np.ndarray, starts: np.ndarray, *, span: float = 0.0, alpha: float = 0.0, min_count: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Exponential average, alpha = 2/(span + 1) or as given, seeded with a stock's first value.

    It is NaN until ``min_count`` values are there, passes over missing ones, and remembers all of the history.
    """
    x = _array(values)
    room = _room(len(x), out)
    begin = np.ascontiguousarray(starts, dtype=np.int64)
    state = np.zeros((len(begin) - 1, 2))
    sum_kernels.emas(x, begin[:-1], begin[1:], state, float(alpha) or 2.0 / (span + 1.0), min_count, room)
    return room


def shift(values: np.ndarray, starts: np.ndarray, rows: int, out: np.ndarray | None = None) -> np.ndarray:
    """The value ``rows`` rows earlier in the same stock, NaN before its history."""
    x = _array(values)
    room = _room(len(x), out)
    sum_kernels.shifts(x, np.ascontiguousarray(starts, dtype=np.int64), int(rows), room)
    return room


def ratio(values: np.ndarray, starts: np.ndarray, rows: int, out: np.ndarray | None = None) -> np.ndarray:
    """The value over that ``rows`` rows earlier in the same stock (1 + return), NaN before its history."""
    x = _array(values)
    room = _room(len(x), out)
    sum_kernels.ratios(x, np.ascontiguousarray(starts, dtype=np.int64), int(rows), room)
    return room


# -- order ------------------------------------------------------------------------------------------


def rolling_max(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Greatest of the last ``window`` rows."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    order_kernels.extremes(x, x, NONE, begin, windows, least, _slot(0, 3), room)
    return room[0]


def rolling_min(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Least of the last ``window`` rows."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    order_kernels.extremes(x, x, NONE, begin, windows, least, _slot(1, 3), room)
    return room[0]


def rolling_argmax(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, newest: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Place of the maximum: 1 for the oldest row there is in the window, ``window`` for the current one.

    Of equals the oldest counts, or the ``newest``.
    """
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    order_kernels.extreme_ages(x, x, begin, windows, least, False, newest, _slot(0, 3), room)
    return room[0]


def rolling_argmin(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, newest: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Place of the minimum, as :func:`rolling_argmax`."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    order_kernels.extreme_ages(x, x, begin, windows, least, False, newest, _slot(1, 3), room)
    return room[0]


def rolling_rank(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Rank of the current value over the number of values in the window, ties averaged; NaN if it is missing."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    order_kernels.ranks(x, begin, windows, least, np.array([0]), room)
    return room[0]


def rolling_quantile(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, *, fraction: float,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Quantile of the last ``window`` rows, linear between neighbours."""
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    quantile_kernels.quantiles(x, NONE, begin, windows, np.array([float(fraction)]), least, _slot(0, 1), room)
    return room[0]


# -- regressions ------------------------------------------------------------------------------------


def _trend(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None, place: int, out: np.ndarray | None
) -> np.ndarray:
    x, begin, windows, least = _ready(values, starts, window, min_count)
    room = _room(len(x), out)[None]
    regression_kernels.trends(x, NONE, begin, windows, least, 0.0, _slot(place, 3), room)
    return room[0]


def rolling_slope(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Slope a row of the regression on time."""
    return _trend(values, starts, window, min_count, 0, out)


def rolling_rsquare(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """R2 of the regression on time; NaN for a constant window."""
    return _trend(values, starts, window, min_count, 1, out)


def rolling_resid(
    values: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Residual of the current row in the regression on time."""
    return _trend(values, starts, window, min_count, 2, out)


def _pair(
    x: np.ndarray, y: np.ndarray, starts: np.ndarray, window: int, min_count: int | None, place: int,
    out: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    xs, begin, windows, least = _ready(x, starts, window, min_count)
    room = _room(len(xs), out)[None]
    regression_kernels.pairs(xs, _array(y), begin, windows, least, 0.0, _slot(place, 4), room)
    return room[0]


def rolling_corr(
    x: np.ndarray, y: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Correlation of two series over the rows that have both; NaN where one is constant."""
    return _pair(x, y, starts, window, min_count, 0, out)


def rolling_cov(
    x: np.ndarray, y: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Covariance of two series, divided by n - 1."""
    return _pair(x, y, starts, window, min_count, 1, out)


def rolling_beta(
    y: np.ndarray, x: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Slope of ``y`` on ``x`` with an intercept; ``x`` aligned to the packed rows."""
    return _pair(x, y, starts, window, min_count, 2, out)


def rolling_alpha(
    y: np.ndarray, x: np.ndarray, starts: np.ndarray, window: int, min_count: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Intercept of ``y`` on ``x``."""
    return _pair(x, y, starts, window, min_count, 3, out)


def rolling_residual_std(
    y: np.ndarray, regressors: tuple[np.ndarray, np.ndarray, np.ndarray], starts: np.ndarray, window: int,
    min_count: int | None = None, ddof: int = 1, out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Standard deviation of the residuals of ``y`` on an intercept and three series aligned to the packed rows.

    ``ddof`` 1 gives the sample deviation of the residuals, 4 the regression's standard error.
    """
    ys, begin, _, least = _ready(y, starts, window, min_count)
    a, b, c = (_array(one) for one in regressors)
    room = _room(len(ys), out)
    residual_kernels.three_factor_residuals(ys, a, b, c, begin, window, int(least[0]), ddof, room)
    return room


def residual_std_at(
    y: np.ndarray, regressors: tuple[np.ndarray, np.ndarray, np.ndarray], rows: np.ndarray, lows: np.ndarray,
    window: int, ddof: int = 1,
) -> np.ndarray:  # fmt: skip
    """:func:`rolling_residual_std` at some ``rows`` alone; ``lows``: first row of each one's stock; (A,)."""
    ys, _, _, least = _ready(y, rows, window, None)
    a, b, c = (_array(one) for one in regressors)
    out = np.empty(len(rows))
    residual_kernels.residuals_at(ys, a, b, c, rows, lows, window, int(least[0]), ddof, blocks.steps(window), out)
    return out
