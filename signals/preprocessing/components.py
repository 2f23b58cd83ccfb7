"""Steps that change which factors there are, learnt on the training rows alone: dropping sparse ones, PCA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.errors import SignalError
from signals.preprocessing.cross_sections import Section
from signals.preprocessing.report import Tally
from signals.preprocessing.steps import State, Step, pooled

_Blocks = Iterator[tuple[Section, np.ndarray]]


class DropSparse(Step):
    """Leave out factors that too few training rows have (paper 5).

    Parameters
    ----------
    min_coverage : float
        Known values over stocks of the universe, over all training rows; 0.5 by default.

    Raises
    ------
    SignalError
        When fitted, if no factor is left.
    """

    name: ClassVar[str] = "drop-sparse"
    min_coverage: float = Field(default=0.5, gt=0.0, le=1.0)

    @property
    def learns(self) -> bool:
        return True

    def learn(self, blocks: _Blocks, factors: tuple[str, ...]) -> State:
        known, stocks = np.zeros(len(factors), dtype=np.int64), 0
        for _, block in blocks:
            known += (~np.isnan(block)).sum(axis=1)
            stocks += block.shape[1]
        keep = known >= self.min_coverage * stocks if stocks else np.zeros(len(factors), bool)
        if not keep.any():
            raise SignalError(
                f"none of the {len(factors)} factors is known on {self.min_coverage:.0%} of the training rows; "
                "lower min_coverage or give later dates"
            )
        return {"keep": np.flatnonzero(keep)}

    def factors_after(self, factors: tuple[str, ...], state: State) -> tuple[str, ...]:
        return tuple(factors[k] for k in state["keep"])

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        return block[state["keep"]]


class Pca(Step):
    """Principal components of the training rows' covariance matrix.

    Standardise first: the factors are only centred here, on their training means. Components come in order of their
    variance, and of each the loading of largest absolute value (the first of such) is positive.

    Parameters
    ----------
    keep : float or int
        Below 1 the share of variance to reach, with as few components as do; from 1 on their number. 0.9 by default.
    missing : {"absent", "mean"}
        A stock that lacks a factor has no components and no part in the fit, or has the factor's training mean in its
        place.

    Raises
    ------
    SignalError
        When fitted, if a factor has no training value, there are fewer than two rows or less variance than asked for.
    """

    name: ClassVar[str] = "pca"
    keep: float = Field(default=0.9, gt=0.0, allow_inf_nan=False)
    missing: Literal["absent", "mean"] = "absent"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.keep >= 1.0 and self.keep != int(self.keep):
            raise ValueError(f"keep is {self.keep}; give a share below 1 or a whole number of components")
        return self

    @property
    def learns(self) -> bool:
        return True

    def learn(self, blocks: _Blocks, factors: tuple[str, ...]) -> State:
        from signals.preprocessing import component_kernels
        from signals.preprocessing import kernels as kernels

        count = len(factors)
        block = pooled(blocks, count)
        known = ~np.isnan(block)
        for k in np.flatnonzero(~known.any(axis=1)):
            raise SignalError(f"factor '{factors[k]}' has no value in the training rows; drop it before the PCA")
        if self.missing == "absent":
            block = np.ascontiguousarray(block[:, known.all(axis=0)])
        if block.shape[1] < 2:
            raise SignalError(
                f"only {block.shape[1]} training rows have all {count} factors; fill or drop sparse ones before the "
                "PCA, or take missing=mean"
            )
        mean, spread = np.empty(count), np.empty(count)
        kernels.moments(block, mean, spread, 0)
        block -= mean[:, None]
        block[np.isnan(block)] = 0.0
        values, vectors = component_kernels.eigen(component_kernels.products_of(block) / (block.shape[1] - 1))
        order = np.argsort(-values, kind="stable")
        values, vectors = np.maximum(values[order], 0.0), vectors[order]
        share = values / values.sum() if values.sum() > 0.0 else np.zeros(count)
        wanted = int(self.keep) if self.keep >= 1.0 else int(np.searchsorted(share.cumsum(), self.keep - 1e-12)) + 1
        usable = int((values > values[0] * 1e-13).sum())
        if wanted > usable:
            raise SignalError(f"PCA to {self.keep:g} is not possible: the {count} factors have {usable} components")
        loadings = vectors[:wanted].copy()
        largest = np.abs(loadings).round(12).argmax(axis=1)  # rounded: a tie must not hang on the last bit
        loadings *= np.sign(loadings[np.arange(wanted), largest])[:, None]
        return {"mean": mean, "loadings": loadings, "share": share[:wanted]}

    def factors_after(self, factors: tuple[str, ...], state: State) -> tuple[str, ...]:
        return tuple(f"component {k + 1}" for k in range(len(state["loadings"])))

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import component_kernels as kernels

        block -= state["mean"][:, None]
        if self.missing == "mean":
            tally.at("taken as the mean", section.row, dates)[:] = np.isnan(block).sum(axis=1)
            block[np.isnan(block)] = 0.0
        out = np.empty((len(state["loadings"]), block.shape[1]))
        kernels.project(block, state["loadings"], out)
        return out
