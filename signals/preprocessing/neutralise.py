"""Neutralisation: what industry and size explain of a factor on a date is taken away."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from engine.errors import SignalError
from signals.preprocessing.cross_sections import Section
from signals.preprocessing.report import Tally
from signals.preprocessing.steps import State, Step


class Neutralise(Step):
    """The residual of an ordinary least-squares regression on industry dummies and log size.

    Each date and factor for itself, over the stocks of the universe that have the factor, an industry and a size. What
    is missing stays missing, and more becomes so: stocks without a size, and those of unknown industry unless
    ``unknown`` is ``"group"`` (counted as ``lost``). Special cases, each counted:

    ``alone``
        The only stock of its industry: its dummy explains it whole, its residual is exactly 0.
    ``singular``
        Sizes do not differ inside the industries, so that no slope exists: only industry means are taken away. That is
        the least-squares solution of least norm.
    ``explained``
        Nothing but rounding is left: all residuals of the factor are exactly 0, and a ``ZScore``
        behind makes them NaN instead of blowing rounding up to noise.

    Parameters
    ----------
    industry, size : bool
        What to regress on; with size alone a constant is added. Size is the natural log of the market value.
    unknown : {"missing", "group"}
        Stocks of unknown industry become NaN, or are an industry of their own.
    """

    name: ClassVar[str] = "neutralise"
    industry: bool = True
    size: bool = True
    unknown: Literal["missing", "group"] = "missing"

    @model_validator(mode="after")
    def _on_something(self) -> Self:
        if not self.industry and not self.size:
            raise ValueError("neutralise on industry, on size or on both")
        return self

    def work(self, block: np.ndarray, section: Section, state: State, tally: Tally, dates: int) -> np.ndarray:
        from signals.preprocessing import neutralise_kernels as kernels

        for wanted, there, what in (
            (self.industry, section.has_industry, "industry"),
            (self.size, section.size is not None, "size"),
        ):
            if wanted and not there:
                raise SignalError(f"neutralising on {what} needs it; give the context its {what}")
        stocks = block.shape[1]
        bounds = np.array([0, stocks])
        if self.industry:
            bounds = section.bounds
            if self.unknown == "group" and bounds[0] > 0:
                bounds = np.concatenate([[0], bounds])
        size = section.size if self.size and section.size is not None else np.zeros(stocks)
        counts = [tally.at(name, section.row, dates) for name in ("lost", "alone", "singular", "explained")]
        kernels.residuals(block, bounds, size, *counts)
        if not self.size:
            counts[2][:] = 0  # there was no slope to find
        return block
