"""Paper 2's problem on the data at hand, whole or thinned, and what its trainings are expected to cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feeds.synthetic_feed import is_spec
from reproduction.budget import Training
from reproduction.study import PROTOCOLS, Study

LINEAR = "signals.lstm_price:LinearPrice"
"""The control: least squares on the same inputs, one a stock."""

MONTH = 20.3
"""Sessions."""

_STEP = (0.0006, 0.0008, 0.00002)
"""CPU seconds of a step of training: in any case, for each layer, for each layer and day."""

_FORECAST = 0.0012
"""CPU seconds of one forecast."""


@dataclass(frozen=True)
class Problem:
    """What the report computes.

    Attributes
    ----------
    universe : str
        Of the tests of factors, and what the list is taken from.
    members : int
        Its size, for the expected costs.
    start, end : str
        First decision and last day of the backtests.
    listed : int
        Stocks of the fixed list that stands for the universe.
    holds : sequence of (int, int)
        The paper's number of holdings of 300, and ours of the list; the last is the headline.
    window : int
        Months before a fit.
    epochs : int
    search : str
        How the paper's grid is gone through.
    trials : int
        Points that this trains.
    """

    universe: str
    members: int
    start: str
    end: str
    listed: int
    holds: Sequence[tuple[int, int]]
    window: int
    epochs: int
    search: str
    trials: int

    @property
    def words(self) -> str:
        """The universe for a reader."""
        return {"csi300": "the CSI 300", "all": "all stocks of the market"}[self.universe]

    @property
    def months(self) -> int:
        """Months of the backtest, those of both ends among them."""
        first, last = (int(np.datetime64(day[:7], "M").astype(int)) for day in (self.start, self.end))
        return last - first + 1

    @property
    def refits(self) -> int:
        """Calendar years that the backtest touches."""
        return int(self.end[:4]) - int(self.start[:4]) + 1

    def network(self, months: float, layers: float = 1.0, steps: float = 5.0) -> float:
        """Expected CPU seconds of training one network on so many months, batches of 32."""
        batches = math.ceil(months * MONTH * 0.9 / 32.0)
        base, layer, day = _STEP
        return 0.1 + self.epochs * batches * (base + layer * layers + day * layers * steps)

    def walk(self, protocol: str, stocks: int, layers: float = 1.0, steps: float = 5.0) -> float:
        """Expected CPU seconds of all networks and forecasts of a backtest."""
        forecasts = _FORECAST * self.months * MONTH
        if protocol == "paper":
            return stocks * (self.network(self.window + self.months, layers, steps) + forecasts)
        return stocks * (self.refits * self.network(self.window, layers, steps) + forecasts)

    def trainings(self) -> list[Training]:
        """The most important first."""
        words = {
            "paper": "one network a stock on all days (in sample)",
            "honest": f"a network a stock in {self.refits} windows of {self.window} months",
        }
        found = [
            Training(f"list-{p}", f"the list of {self.listed}: {words[p]}, {p}", self.walk(p, self.listed))
            for p in reversed(PROTOCOLS)
        ]
        found += [
            Training(f"search-{p}", f"search over {self.trials} settings for one stock, {p}",
                     self.trials * self.network(self.window, 2.0, 10.0))
            for p in reversed(PROTOCOLS)
        ]  # fmt: skip
        found += [
            Training(f"best-{p}", f"the list of {self.listed} with the setting that the search found, {p}",
                     self.walk(p, self.listed, 2.0, 10.0))
            for p in reversed(PROTOCOLS)
        ]  # fmt: skip
        found += [
            Training(f"whole-{p}", f"{self.words}: {words[p]}, {p}", self.walk(p, self.members))
            for p in reversed(PROTOCOLS)
        ]
        return found

    def signal(self, protocol: str, **more: Any) -> dict[str, Any]:
        """The LSTM: a fit a year on the months before; by the paper one fit on the table that is backtested."""
        return {"name": "lstm-price", "epochs": self.epochs, **self._windows(protocol), **more}

    def control(self, protocol: str) -> dict[str, Any]:
        """Least squares on the same windows."""
        return {"name": LINEAR, **self._windows(protocol)}

    def _windows(self, protocol: str) -> dict[str, Any]:
        if protocol == "paper":
            return {"window": f"{self.window + self.months - 1}M", "refit": "once", "in_sample": True}
        return {"window": f"{self.window}M"}

    def run(
        self, protocol: str, hold: int, universe: str | Sequence[str], signal: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        """Options of a backtest: every day, filled at the next day's close, at the paper's costs (4.1)."""
        return {
            "universe": universe, "benchmark": "000300", "start": self.start, "end": self.end, "cash": 10_000_000.0,
            "benchmark_kind": "price" if protocol == "paper" else "total-return", "rebalance": "1D",
            "fill": "next_close", "strategy": {"name": "top-n", "hold": hold}, "fees": "paper-2",
            "rules": {"price_limits": protocol == "honest"}, "signal": signal,
        } | more  # fmt: skip


def problem_of(study: Study) -> Problem:
    """The problem of a study."""
    made = is_spec(study.data)
    universe, members = ("all", 400) if made else ("csi300", 300)
    if study.quick:
        holds = ((20, 1), (30, 2), (50, 3), (100, 4))
        return Problem(universe, members, "2018-11-01", "2019-02-01", 6, holds, 6, 4, "random", 4)
    holds = ((20, 2), (30, 3), (50, 5), (100, 10))
    end = "2020-12-31" if made else "2021-06-30"
    return Problem(universe, members, "2017-02-10", end, 30, holds, 24, 50, "grid", 54)


def listed(study: Study, problem: Problem) -> list[str]:
    """The list: members with a price on the day before the start, at even distances of rank, the largest first.

    The rank is that of the float value on that day, so that nothing is known of what became of them.
    """
    market = study.market(problem.universe, problem.start, problem.end, lookback=1)
    first = int(np.searchsorted(market.sessions, np.datetime64(problem.start, "D")))
    t = max(first - 1, 0)
    value = np.where(market.member[t] > 0, market.close[t] * market.float_shares[t], np.nan)
    return [str(market.symbols[i]) for i in spread(value, problem.listed)]


def spread(value: np.ndarray, count: int) -> list[int]:
    """Places of ``count`` known values at even distances of rank, the largest first; all if there are fewer."""
    order = [int(i) for i in np.argsort(-value, kind="stable") if np.isfinite(value[i])]
    if len(order) <= count:
        return order
    return [order[k] for k in np.linspace(0, len(order) - 1, count).round().astype(int)]
