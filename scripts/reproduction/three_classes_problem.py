"""Paper 4's problem on the data at hand, whole or thinned, and what its trainings are expected to cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from feeds.synthetic_feed import is_spec, parse_spec
from reproduction.study import PROTOCOLS, Study

STEPS, FACTORS = 24, 48
"""Months of a sample, and factors of a month."""

MONTHS = 32
"""Samples of a stock of the universe on average, of the 40 months learnt from."""

PRODUCTS = 5.2e10
"""Multiplications and additions that a core does in a second of training."""
PER_UNIT = 7.5e-8
"""CPU seconds that a unit costs a sample and month beside its products."""

WIDTHS = ("wide", "narrow")
"""The paper's network, and a narrow one that a small budget pays for."""

HONEST_RUN = 10
"""Rounds that early stopping lets run, as far as is known before."""


@dataclass(frozen=True)
class Problem:
    """What the report computes.

    Attributes
    ----------
    universe, benchmark : str
    start, end : str
        The day of the one fit, which is the first decision, and the last day.
    samples, stocks : int
        Of the training window, and of a month; for the expected costs.
    units : dict of str to int
        Of the two layers, by width.
    rounds, batches : int
        The paper's 100 batches are so many rounds of so many; after each round the held-out samples are looked at.
    patience, most : int
        Rounds without a better loss after which the honest training stops, and rounds at most.
    passes : int
        Of the long training, over all samples.
    """

    universe: str
    benchmark: str
    start: str
    end: str
    samples: int
    stocks: int
    units: dict[str, int]
    rounds: int
    batches: int
    patience: int
    most: int
    passes: int

    @property
    def drawn(self) -> int:
        """Batches of the paper's training."""
        return self.rounds * self.batches

    @property
    def after(self) -> str:
        """The day after the fit, with which a backtest begins: its base day is the decision's."""
        return str(np.datetime64(self.start, "D") + 1)

    def signal(self, width: str, protocol: str, long: bool = False) -> dict[str, Any]:
        """Parameters of the plug-in, without its name."""
        own: dict[str, Any] = {"units": self.units[width], "refit": "once", "precision": "auto"}
        if long:
            return {**own, "epochs": self.passes, "patience": 0}
        own |= {"batches": self.batches, "record": max(self.drawn // 20, 1)}
        if protocol == "paper":
            return {**own, "epochs": self.rounds, "patience": 0}
        return {**own, "epochs": self.most, "patience": self.patience}

    def cost(self, width: str, protocol: str, long: bool = False) -> float:
        """Expected CPU seconds of a training in float32, its figures and a year's scores."""
        units = self.units[width]
        products = 4 * units * (FACTORS + units) + 8 * units * units
        sample = STEPS * (3 * products / PRODUCTS + PER_UNIT * units)
        held, learnt = 0.1 * self.samples, 0.9 * self.samples
        rounds = self.passes if long else self.rounds if protocol == "paper" else min(HONEST_RUN, self.most)
        trained = rounds * (learnt if long else min(1000, learnt) * self.batches)
        return sample * (trained + (rounds * held + learnt + 12 * self.stocks) / 3)


def problem_of(study: Study) -> Problem:
    """The whole problem, or the thinned one."""
    made = is_spec(study.data)
    universe, stocks = ("csi300", 250) if study.quick and not made else ("all", 2_400)
    if made:
        stocks = parse_spec(study.data).stocks
    if study.quick:
        return Problem(
            universe, "000300", "2016-04-29", "2016-10-31", stocks * MONTHS, stocks, {"wide": 16, "narrow": 8},
            rounds=4, batches=3, patience=3, most=6, passes=3,
        )  # fmt: skip
    return Problem(
        universe, "000985", "2016-04-29", "2017-04-28", stocks * MONTHS, stocks, {"wide": 400, "narrow": 64},
        rounds=10, batches=10, patience=5, most=40, passes=10,
    )  # fmt: skip


def main_width(study: Study) -> str:
    """The width that the report's main figures are of: the paper's, unless the budget pays for the narrow one alone."""
    paid = [width for width in WIDTHS if all(f"{width}-{p}" in study.plan for p in PROTOCOLS)]
    return paid[0] if paid else WIDTHS[0]
