"""The steps of preprocessing on one date's cross-section: winsorise, fill, standardise, rank.

A step is a frozen configuration. ``step.fit(values, context)`` gives a fitted chain of that one step (see
:mod:`signals.preprocess`); most steps learn nothing, because they take the statistics of each date from that date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.errors import SignalError
from signals.configs import Named
from signals.preprocessing.cross_sections import Section
from signals.preprocessing.report import Tally

if TYPE_CHECKING:
    from signals.preprocess import Fitted
    from signals.preprocessing.cross_sections import Context

State = Mapping[str, np.ndarray]
"""What a step has learnt; empty for most."""

MAD_TO_SIGMA = 1.4826
"""Median absolute deviations in a normal distribution's standard deviation."""


class Step(Named):
    """Base of all steps.

    Subclasses set ``name`` and write :meth:`work`; those that learn write :meth:`learn` too and set
    :attr:`learns`.
    """

    what: ClassVar[str] = "step"

    @property
    def learns(self) -> bool:
        """Whether the step takes something from the training rows."""
        return False

    def learn(self, blocks: Iterator[tuple[Section, np.ndarray]], factors: tuple[str, ...]) -> State:
        """What the step takes from the training rows; blocks (F, n), each valid until the next is asked for."""
        return {}

    def factors_after(self, factors: tuple[str, ...], state: State) -> tuple[str, ...]:
        """Names of what comes out."""
        return factors

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        """Change one date's block (F, n), in place where F stays; count into ``tally``."""
        raise TypeError(f"{type(self).__name__} must write work()")

    def fit(self, values: np.ndarray, context: Context | None = None) -> Fitted:
        """A fitted chain of this step alone; ``values`` and ``context`` are the training rows."""
        from signals.preprocess import Chain

        return Chain(self).fit(values, context)


def pooled(blocks: Iterator[tuple[Section, np.ndarray]], factors: int) -> np.ndarray:
    """All training values side by side, (F, all)."""
    parts = [block.copy() for _, block in blocks]
    return np.concatenate(parts, axis=1) if parts else np.empty((factors, 0))


# -- winsorising -------------------------------------------------------------------------------------


class _Winsorise(Step):
    def _bounds(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise TypeError(f"{type(self).__name__} must write _bounds()")

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import kernels as kernels

        lower, upper = (state["lower"], state["upper"]) if state else self._bounds(block)
        kernels.clip(block, lower, upper, tally.at("clipped", section.row, dates))
        return block


class WinsoriseMad(_Winsorise):
    """Move values beyond median -+ n x MAD onto that bound.

    MAD is the median of \\|value - median\\| over the date's universe. A factor more than half of whose values are
    equal has MAD 0; it is left as it is (and counted as ``flat``) instead of being made a constant.

    Parameters
    ----------
    n : float
        5 by default, as papers 2 and 3.
    scaled : bool
        Take n x 1.4826 x MAD (paper 1), n standard deviations of a normal distribution.
    """

    name: ClassVar[str] = "winsorise-mad"
    n: float = Field(default=5.0, gt=0.0, allow_inf_nan=False)
    scaled: bool = False

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import kernels as kernels
        from signals.preprocessing import order_kernels

        lower, upper = np.empty(len(block)), np.empty(len(block))
        order_kernels.median_bounds(block, self.n * (MAD_TO_SIGMA if self.scaled else 1.0), lower, upper)
        kernels.clip(block, lower, upper, tally.at("clipped", section.row, dates))
        flat = np.flatnonzero(np.isinf(lower))
        tally.at("flat", section.row, dates)[flat] = ~np.isnan(block[flat]).all(axis=1)
        return block


class WinsorisePercentile(_Winsorise):
    """Move values beyond two quantiles onto them.

    Quantiles are linear between order statistics, NumPy's default.

    Parameters
    ----------
    lower, upper : float
        Fractions, 0.01 and 0.99 by default.
    over : {"date", "training"}
        Quantiles of each date's universe, or those of all training rows together, which then stay.
    """

    name: ClassVar[str] = "winsorise-percentile"
    lower: float = Field(default=0.01, ge=0.0, le=1.0)
    upper: float = Field(default=0.99, ge=0.0, le=1.0)
    over: Literal["date", "training"] = "date"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"lower is {self.lower}, not below upper, which is {self.upper}")
        return self

    @property
    def learns(self) -> bool:
        return self.over == "training"

    def learn(self, blocks: Iterator[tuple[Section, np.ndarray]], factors: tuple[str, ...]) -> State:
        lower, upper = self._bounds(pooled(blocks, len(factors)))
        return {"lower": lower, "upper": upper}

    def _bounds(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from signals.preprocessing import order_kernels

        lower, upper = np.empty(len(block)), np.empty(len(block))
        order_kernels.quantile_bounds(block, self.lower, self.upper, lower, upper)
        return lower, upper


class WinsoriseSigma(_Winsorise):
    """Move values beyond mean -+ n standard deviations (divisor count - 1) of the date onto that bound.

    Parameters
    ----------
    n : float
        3 by default.
    """

    name: ClassVar[str] = "winsorise-sigma"
    n: float = Field(default=3.0, gt=0.0, allow_inf_nan=False)

    def _bounds(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from signals.preprocessing import kernels as kernels

        mean, spread = np.empty(len(block)), np.empty(len(block))
        kernels.moments(block, mean, spread, 1)
        known = ~np.isnan(mean)
        return (
            np.where(known, mean - self.n * spread, -np.inf),
            np.where(known, mean + self.n * spread, np.inf),
        )


# -- filling -----------------------------------------------------------------------------------------


class Fill(Step):
    """Give missing values of the universe's stocks a value of the same date.

    Nothing is carried forward. A factor that fewer than ``min_coverage`` of the universe have on a date stays as it is
    and is counted as ``sparse``: filling it would make it a constant.

    Parameters
    ----------
    by : {"industry", "cross-section", "row-mean", "none"}
        ``industry``: the mean of the stocks of the same industry (paper 3). ``cross-section``: the mean of the universe
        (paper 2). ``row-mean``: the mean of the same stock's other factors (paper 1). That paper fills before it
        standardises, so to the letter the step stands before :class:`ZScore` and averages figures of different units;
        it means something only behind it.
    otherwise : {"none", "cross-section"}
        With ``industry``: what a stock of unknown industry, or of one without a known value, gets.
    min_coverage : float
        Fraction of the universe, 0.1 by default; 0 fills wherever there is one value.
    min_known : int
        Fill only stocks that have at least so many of the factors; 0 by default.
    """

    name: ClassVar[str] = "fill"
    by: Literal["industry", "cross-section", "row-mean", "none"] = "industry"
    otherwise: Literal["none", "cross-section"] = "none"
    min_coverage: float = Field(default=0.1, ge=0.0, le=1.0)
    min_known: int = Field(default=0, ge=0)

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import kernels as kernels

        if self.by == "none":
            return block
        if self.by == "industry" and not section.has_industry:
            raise SignalError("filling by industry needs the industries; give the context its industry codes")
        filled, sparse = tally.at("filled", section.row, dates), tally.at("sparse", section.row, dates)
        stocks = block.shape[1]
        need = max(1, int(np.ceil(self.min_coverage * stocks - 1e-9)))
        allowed = np.ones(stocks, dtype=bool)
        if self.min_known:
            allowed = (~np.isnan(block)).sum(axis=0) >= self.min_known
        if self.by == "row-mean":
            kernels.fill_rows(block, need, allowed, filled, sparse)
            return block
        industry = self.by == "industry"
        bounds = section.bounds if industry else np.array([0, stocks])
        otherwise = industry and self.otherwise == "cross-section"
        elsewhere = np.zeros(len(block), dtype=np.int64)
        kernels.fill_groups(block, bounds, need, otherwise, allowed, filled, elsewhere, sparse)
        if otherwise:
            tally.at("filled by cross-section", section.row, dates)[:] = elsewhere
        return block


# -- standardising -----------------------------------------------------------------------------------


class ZScore(Step):
    """(value - mean) / standard deviation.

    A factor without spread (one value, or all equal up to rounding) says nothing about any stock: it becomes NaN and is
    counted as ``constant``.

    Parameters
    ----------
    ddof : {0, 1}
        The divisor is count - ddof; 1 by default, as pandas (scikit-learn's scaler has 0).
    over : {"date", "training"}
        Mean and deviation of each date's universe, or those of all training rows together, which then stay.
    """

    name: ClassVar[str] = "z-score"
    ddof: Literal[0, 1] = 1
    over: Literal["date", "training"] = "date"

    @property
    def learns(self) -> bool:
        return self.over == "training"

    def learn(self, blocks: Iterator[tuple[Section, np.ndarray]], factors: tuple[str, ...]) -> State:
        mean, spread = self._moments(pooled(blocks, len(factors)))
        return {"mean": mean, "spread": spread}

    def _moments(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from signals.preprocessing import kernels as kernels

        mean, spread = np.empty(len(block)), np.empty(len(block))
        kernels.moments(block, mean, spread, self.ddof)
        return mean, spread

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import kernels as kernels

        mean, spread = (state["mean"], state["spread"]) if state else self._moments(block)
        flat = np.flatnonzero(~(spread > 0.0))
        tally.at("constant", section.row, dates)[flat] = ~np.isnan(block[flat]).all(axis=1)
        kernels.scale(block, mean, spread)
        return block


class Rank(Step):
    """Replace values by their rank among the date's universe; ties share their average rank.

    Parameters
    ----------
    to : {"uniform", "normal"}
        (rank - 1/2) / count, in (0, 1), or the standard normal quantile of that.
    """

    name: ClassVar[str] = "rank"
    to: Literal["uniform", "normal"] = "uniform"

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import kernels as kernels

        kernels.ranks(block, np.argsort(block, axis=1))
        if self.to == "normal":
            from scipy.special import ndtri

            block[:] = ndtri(block)
        return block
