"""One factor against the returns that followed: IC, quantile portfolios, turnover, rank autocorrelation.

Arrays are D evaluation dates x N stocks; NaN (or an infinity) is a missing value, never a zero. The forward returns
are sorted once (:func:`prepare`) and shared by all factors.

Which names count, for one factor on one date: those of the universe, minus those that could not be bought where that
is asked for, with a value. Ranks and quantiles are formed on all of them, without a look at which ones will have a
return; an IC is taken at each horizon over those that have one. ``common_sample=True`` with
``drop_unbinned=True`` is Alphalens' way instead: a name without a return at any one horizon is left out everywhere,
and a date whose quantile edges coincide is left out altogether.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from engine.errors import SignalError
from signals.screening.significance import MeanTest, mean_test, noise_level

MOST_NAMES = 2**15 - 1
"""Places of a row are kept in 16 bits: what is read for every factor is memory's speed."""

Weights = Literal["dates", "observations"]


@dataclass(frozen=True)
class Targets:
    """Forward returns, sorted, and the sample they are asked on; from :func:`prepare`.

    Attributes
    ----------
    horizons : tuple of int
        Sessions.
    returns : ndarray, shape (H, D, N)
        Fractions, NaN where unknown.
    order, lengths : ndarray, shapes (H, D, N) and (H, D)
        Places of the known returns in rising order, and how many there are.
    runs, run_offsets : ndarray, shapes (K, 2) and (H, D + 1)
        Where runs of equal returns begin in that order and have ended; rows of ``runs`` that belong to a date.
    universe, base : ndarray of uint8, shape (D, N)
        The cross-section, and what of it may be in the sample.
    """

    horizons: tuple[int, ...]
    returns: np.ndarray
    order: np.ndarray
    lengths: np.ndarray
    runs: np.ndarray
    run_offsets: np.ndarray
    universe: np.ndarray
    base: np.ndarray

    def only(self, allowed: np.ndarray) -> Targets:
        """The same returns on fewer names, such as those that could be bought; ``allowed`` is bool (D, N)."""
        _same_shape("allowed", allowed, self.base.shape)
        return replace(self, base=np.ascontiguousarray((self.base != 0) & (allowed != 0), dtype=np.uint8))


def prepare(
    forward_returns: Mapping[int, np.ndarray], *, universe: np.ndarray | None = None, common_sample: bool = False
) -> Targets:
    """Sort the forward returns once for all factors.

    Parameters
    ----------
    forward_returns : mapping of int to ndarray, shape (D, N)
        By horizon in sessions.
    universe : ndarray of bool, shape (D, N), optional
        Members of the cross-section; everything by default.
    common_sample : bool
        Leave out names without a return at any one horizon, as Alphalens does.

    Raises
    ------
    SignalError
        If there is no horizon or the shapes differ.
    """
    from signals.screening.sorting_kernels import order_returns

    if not forward_returns:
        raise SignalError("no forward returns were given; give at least one horizon")
    horizons = tuple(sorted(int(h) for h in forward_returns))
    shape = np.shape(forward_returns[horizons[0]])
    if len(shape) != 2:
        raise SignalError(f"forward returns must have dates x stocks, not the shape {shape}")
    if shape[1] > MOST_NAMES:
        raise SignalError(f"{shape[1]:,} stocks are more than the {MOST_NAMES:,} that a cross-section may have")
    returns = np.empty((len(horizons), *shape))
    order, lengths = np.empty(returns.shape, dtype=np.uint16), np.empty(returns.shape[:2], dtype=np.int64)
    runs, offsets = [np.empty((0, 2), dtype=np.int16)], np.empty((len(horizons), shape[0] + 1), dtype=np.int64)
    for horizon in horizons:
        _same_shape(f"the forward return over {horizon}", forward_returns[horizon], shape)
    for k, horizon in enumerate(horizons):
        given = np.ascontiguousarray(forward_returns[horizon], dtype=np.float64)
        found = order_returns(given, returns[k], order[k], lengths[k], offsets[k])
        offsets[k] += sum(len(one) for one in runs)
        runs.append(found)
    members = np.ones(shape, dtype=np.uint8)
    if universe is not None:
        _same_shape("universe", universe, shape)
        members = np.ascontiguousarray(np.asarray(universe) != 0, dtype=np.uint8)
    base = members
    if common_sample:
        base = members & np.isfinite(returns).all(axis=0).view(np.uint8)
    return Targets(horizons, returns, order, lengths, np.concatenate(runs), offsets, members, base)


def _same_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if np.shape(array) != tuple(shape):
        raise SignalError(f"{name} has the shape {np.shape(array)}, the first forward return {tuple(shape)}")


@dataclass(frozen=True)
class Evaluation:
    """What one factor was worth, date by date. H horizons, D dates, Q quantiles (the last holds the largest values).

    Attributes
    ----------
    horizons, lags : tuple of int
        Sessions of the returns; rows of the dates for turnover and autocorrelation.
    ic, rank_ic : ndarray, shape (H, D)
        Pearson and Spearman; NaN with fewer names than asked for or where either side is constant.
    sizes : ndarray of int, shape (H, D)
        Names with factor and return.
    present, universe : ndarray of int, shape (D,)
        Names with a factor in the sample; names in the universe.
    covered : ndarray of int, shape (D,)
        Names of the universe with a factor, bought or not.
    means : ndarray, shape (H, D)
        Mean return of the names with factor and return.
    quantile_means, quantile_stds, quantile_sizes : ndarray, shape (H, D, Q)
        Mean, standard deviation (n - 1) and number of the returns in each quantile; NaN means where there are none.
    turnover : ndarray, shape (L, D, Q)
        Share of a quantile's names that were not in it ``lag`` rows earlier.
    autocorrelation : ndarray, shape (L, D)
        Of the ranks, over the names present on both dates.
    """

    horizons: tuple[int, ...]
    lags: tuple[int, ...]
    ic: np.ndarray
    rank_ic: np.ndarray
    sizes: np.ndarray
    present: np.ndarray
    universe: np.ndarray
    covered: np.ndarray
    means: np.ndarray
    quantile_means: np.ndarray
    quantile_stds: np.ndarray
    quantile_sizes: np.ndarray
    turnover: np.ndarray
    autocorrelation: np.ndarray

    @property
    def quantiles(self) -> int:
        """Number of quantiles."""
        return int(self.quantile_means.shape[2])

    def at(self, horizon: int) -> int:
        """Place of a horizon.

        Raises
        ------
        SignalError
            If it was not evaluated.
        """
        if horizon not in self.horizons:
            raise SignalError(f"horizon {horizon} was not evaluated; choose one of {list(self.horizons)}")
        return self.horizons.index(horizon)

    def returns_by_date(self, demeaned: bool = True) -> np.ndarray:
        """Quantile returns (H, D, Q), as they are or less the mean of the sample's names on the date."""
        return self.quantile_means - self.means[:, :, None] if demeaned else self.quantile_means

    def errors_by_date(self) -> np.ndarray:
        """Standard errors (H, D, Q) of the quantile returns of a date: deviation over the root of the number."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.quantile_stds / np.sqrt(self.quantile_sizes)

    def mean_returns(self, demeaned: bool = True, weights: Weights = "dates") -> np.ndarray:
        """Mean return of every quantile, (H, Q).

        Parameters
        ----------
        demeaned : bool
            Less the sample's mean of the date.
        weights : {"dates", "observations"}
            Every date counts the same, as in Alphalens, or every name.
        """
        daily = self.returns_by_date(demeaned)
        if weights == "dates":
            return _mean(daily, np.ones_like(daily))
        return _mean(daily, self.quantile_sizes.astype(np.float64))

    def errors(self, demeaned: bool = True) -> np.ndarray:
        """Standard errors (H, Q) of :meth:`mean_returns` with dates weighed alike: over dates, taken as independent."""
        daily = self.returns_by_date(demeaned)
        known = np.isfinite(daily)
        count = known.sum(axis=1)
        rest = np.where(known, daily - _mean(daily, np.ones_like(daily))[:, None, :], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(np.where(count > 1, (rest**2).sum(axis=1) / (count - 1), np.nan) / count)

    def long_short(self) -> np.ndarray:
        """Highest quantile less the lowest, (H, D): one yuan long and one short (Alphalens 0.5 halves it)."""
        return self.quantile_means[:, :, -1] - self.quantile_means[:, :, 0]

    def coverage(self) -> np.ndarray:
        """Share of the universe with a factor, (D,); NaN where the universe is empty."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.universe > 0, self.covered / np.maximum(self.universe, 1), np.nan)

    def summary(self, horizon: int, every: int = 1) -> ICSummary:
        """The figures of one horizon; ``every`` is the distance of the dates in the horizons' unit."""
        k = self.at(horizon)
        test, pearson = mean_test(self.rank_ic[k], horizon, every), mean_test(self.ic[k], horizon, every)
        known = np.isfinite(self.rank_ic[k])
        x, sizes = self.rank_ic[k][known], self.sizes[k][known]
        deviation = float(np.std(x, ddof=1)) if len(x) > 1 else float("nan")
        spread = mean_test(self.long_short()[k], horizon, every)
        noise = noise_level(sizes)
        chance = np.sqrt(2.0 / np.pi * (1.0 / (sizes - 1.0)).sum()) / len(x) if len(x) else float("nan")
        return ICSummary(
            horizon=horizon,
            rank_ic=test,
            ic=pearson,
            names=float(sizes.mean()) if len(x) else float("nan"),
            mean_abs_rank_ic=float(np.abs(x).mean()) if len(x) else float("nan"),
            noise=float(noise.mean()) if len(x) else float("nan"),
            noise_of_mean=float(chance),
            deviation=deviation,
            ir=test.mean / deviation if deviation > 0 else float("nan"),
            share_positive=float((x > 0).mean()) if len(x) else float("nan"),
            long_short=spread,
        )


@dataclass(frozen=True)
class ICSummary:
    """The figures of one factor at one horizon.

    Attributes
    ----------
    rank_ic, ic, long_short : MeanTest
        Means with Newey-West t of Spearman's and Pearson's IC and of the long-short return.
    names : float
        Mean number of names in the IC.
    mean_abs_rank_ic : float
        mean(|Rank IC|); compare ``noise``, its value for a factor that knows nothing.
    noise_of_mean : float
        Likewise for \\|mean(Rank IC)\\|, were the dates independent.
    deviation, ir : float
        Of the Rank IC over dates; mean over deviation, per date, not annualised.
    share_positive : float
    """

    horizon: int
    rank_ic: MeanTest
    ic: MeanTest
    names: float
    mean_abs_rank_ic: float
    noise: float
    noise_of_mean: float
    deviation: float
    ir: float
    share_positive: float
    long_short: MeanTest


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean over dates (axis 1) of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, weights, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.where(known, values * weights, 0.0).sum(axis=1) / total, np.nan)


def evaluate(
    values: np.ndarray,
    forward_returns: Mapping[int, np.ndarray] | Targets,
    *,
    quantiles: int | Sequence[float] = 5,
    lags: Sequence[int] = (1,),
    min_names: int = 10,
    drop_unbinned: bool = False,
) -> Evaluation:
    """Evaluate one factor.

    Parameters
    ----------
    values : ndarray of float64, shape (D, N)
    forward_returns : mapping of int to ndarray (D, N), or Targets
        :func:`prepare` them once when there are several factors.
    quantiles : int or sequence of float
        Number of portfolios, or their edges from 0 to 1. Edges are interpolated as ``pandas.qcut`` does; where two
        coincide (too many ties) the date has no portfolios.
    lags : sequence of int
        Rows between the dates that turnover and autocorrelation compare.
    min_names : int
        An IC needs as many names with factor and return.
    drop_unbinned : bool
        Leave a date without portfolios out of everything, as Alphalens does.

    Raises
    ------
    SignalError
        If a shape, the quantiles or a lag make no sense.
    """
    return evaluate_with_ranks(values, forward_returns, quantiles, lags, min_names, drop_unbinned)[0]


def evaluate_with_ranks(
    values: np.ndarray,
    forward_returns: Mapping[int, np.ndarray] | Targets,
    quantiles: int | Sequence[float] = 5,
    lags: Sequence[int] = (1,),
    min_names: int = 10,
    drop_unbinned: bool = False,
    rows: Sequence[int] | np.ndarray = (),
) -> tuple[Evaluation, np.ndarray]:
    """:func:`evaluate`, and the ranks on some of the dates.

    ``rows`` rise; the ranks come as ``2 rank - (n + 1)``, int32 (len(rows), N), the least int32 where absent.
    """
    from signals.screening.evaluation_kernels import evaluate_rows

    targets = forward_returns if isinstance(forward_returns, Targets) else prepare(forward_returns)
    _same_shape("the factor", values, targets.base.shape)
    edges = _edges(quantiles)
    if not lags or min(lags) < 1:
        raise SignalError(f"lags must be at least 1 row, not {list(lags)}")
    values = np.ascontiguousarray(values, dtype=np.float64)
    h, (d, n), q = len(targets.horizons), values.shape, len(edges) - 1
    ic, rank_ic, means = np.empty((h, d)), np.empty((h, d)), np.empty((h, d))
    sizes, numbers = np.empty((h, d), dtype=np.int64), np.empty((h, d, q), dtype=np.int64)
    offsets, squares = np.empty((h, d, q)), np.empty((h, d, q))
    present, covered = np.empty(d, dtype=np.int64), np.empty(d, dtype=np.int64)
    autocorrelation, turnover = np.empty((len(lags), d)), np.empty((len(lags), d, q))
    wanted = np.asarray(rows, dtype=np.int64)
    sampled = np.empty((len(wanted), n), dtype=np.int32)
    evaluate_rows(
        values, targets.returns, targets.order, targets.lengths, targets.runs, targets.run_offsets, targets.universe,
        targets.base, edges, drop_unbinned, max(2, min_names), np.array(lags, dtype=np.int64), wanted, ic, rank_ic,
        sizes, means, offsets, squares, numbers, present, covered, autocorrelation, turnover, sampled,
    )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        stds = np.sqrt(np.where(numbers > 1, squares / (numbers - 1), np.nan))
    return Evaluation(
        horizons=targets.horizons, lags=tuple(int(lag) for lag in lags), ic=ic, rank_ic=rank_ic, sizes=sizes,
        present=present, universe=targets.universe.sum(axis=1, dtype=np.int64), covered=covered, means=means,
        quantile_means=offsets + means[:, :, None], quantile_stds=stds, quantile_sizes=numbers, turnover=turnover,
        autocorrelation=autocorrelation,
    ), sampled  # fmt: skip


def _edges(quantiles: int | Sequence[float]) -> np.ndarray:
    """The edges as fractions, rounded as ``pandas.Series.quantile`` rounds them (through per cent and back)."""
    if isinstance(quantiles, (int, np.integer)):
        if not 2 <= quantiles <= 250:
            raise SignalError(f"quantiles must be from 2 to 250, not {quantiles}")
        edges = np.linspace(0.0, 1.0, int(quantiles) + 1)
    else:
        edges = np.asarray(quantiles, dtype=np.float64)
        if len(edges) < 2 or len(edges) > 251 or edges[0] != 0.0 or edges[-1] != 1.0 or (np.diff(edges) <= 0).any():
            raise SignalError(f"the edges of quantiles must rise from 0 to 1, not {list(quantiles)}")
    return edges * 100.0 / 100.0
