"""Paper 5's problem on the data at hand, whole or thinned, and what its trainings are expected to cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feeds.synthetic_feed import is_spec, parse_spec
from reproduction.study import Study

CELLS = ("rnn", "lstm", "gru", "attention-gru")
NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "attention-gru": "Attention-GRU"}

STEP = {"rnn": 0.9e-3, "lstm": 1.6e-3, "gru": 1.5e-3, "attention-gru": 1.9e-3}
"""CPU seconds of a batch of 100 on sequences of six months."""

PREPARED = 1.1e-4
"""CPU seconds of a sample's components, beside the training."""

EPOCHS_RUN = 0.4
"""Share of the epochs that early stopping lets run, as seen on windows of some 5,000 samples."""


@dataclass(frozen=True)
class Problem:
    """What the report computes.

    Attributes
    ----------
    universe, benchmark : str
    start, end : str
        First decision and last day of the backtest.
    early : (str, str)
        First decision and last day of the rolling prediction before it.
    first : str
        The day from which the paper takes its one sample of components.
    stocks, months : int
        Of the universe, and of history before ``start``; for the expected costs.
    hold : int
    params : dict
        Of the networks, where they are not the plug-in's own.
    """

    universe: str
    benchmark: str
    start: str
    end: str
    early: tuple[str, str]
    first: str
    stocks: int
    months: int
    hold: int = 10
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def fits(self) -> int:
        """Windows of the backtest."""
        return self._windows(self.start, self.end)

    @property
    def early_fits(self) -> int:
        """Windows of the rolling prediction before."""
        return self._windows(*self.early)

    def _windows(self, start: str, end: str) -> int:
        first, last = (int(np.datetime64(day[:7], "M").astype(int)) for day in (start, end))
        return -(-(last - first + 1) // int(self.params.get("refit", "1M").rstrip("M")))

    def cost(self, cell: str, fits: int | None = None) -> float:
        """Expected CPU seconds of a network in all windows of the backtest, or in so many."""
        samples = self.stocks * self.months
        epochs = max(self.params.get("epochs", 50) * EPOCHS_RUN, 1.0)
        return (self.fits if fits is None else fits) * samples * (PREPARED + epochs * STEP[cell] / 100.0)

    def signal(self, cell: str) -> dict[str, Any]:
        """The plug-in with one of the networks."""
        return {"name": "attention-gru", "cell": cell, **self.params}

    @property
    def linear(self) -> dict[str, Any]:
        """The control: a straight line through one month's factors of paper 3."""
        return {"name": "linear"}

    def run(self, signal: dict[str, Any]) -> dict[str, Any]:
        """Options of a backtest."""
        return {
            "universe": self.universe, "benchmark": self.benchmark, "benchmark_kind": "price", "start": self.after(),
            "end": self.end, "rebalance": "1M", "signal": signal,
            "strategy": {"name": "top-n", "hold": self.hold, "trade": "newcomers"},
        }  # fmt: skip

    def after(self) -> str:
        """The day after the first decision, with which a backtest begins: its base day is the decision's."""
        return str(np.datetime64(self.start, "D") + 1)

    # -- for the table of differences ---------------------------------------------------------------

    @property
    def universe_text(self) -> str:
        """The universe in words."""
        if self.universe != "sse50-proxy":
            return f"all {self.stocks} stocks of the synthetic market"
        return "sse50-proxy (the data lack the members): the 50 largest Shanghai members of the CSI 300 by float value"

    @property
    def benchmark_text(self) -> str:
        """The benchmark in words."""
        name = f"{self.benchmark}{' (SSE 50)' if self.benchmark == '000016' else ''}"
        return f"{name}, price index: it leaves out the dividends that the account receives"

    @property
    def end_text(self) -> str:
        """Why it ends where it does."""
        return ", where the data end" if self.end == "2021-06-30" else ""

    @property
    def window_text(self) -> str:
        """The training window in words."""
        window = self.params.get("window", "all")
        return "all months before, from the data's beginning (2011) on" if window == "all" else f"{window} before"

    @property
    def network_text(self) -> str:
        """What the paper leaves open."""
        epochs = self.params.get("epochs", 50)
        return f"6 months, 32, 100, at most {epochs}, stopped after 10 without a better loss"


def named(cell: str, protocol: str) -> str:
    """A network and its protocol, for a line of a table."""
    return f"{NAMES[cell]}, {protocol}{' (LEAKS)' * (protocol == 'paper')}"


def problem_of(study: Study) -> Problem:
    """The whole problem, or the thinned one."""
    universe, benchmark, stocks = "sse50-proxy", "000016", 50
    if is_spec(study.data):
        universe, benchmark, stocks = "all", "000300", parse_spec(study.data).stocks
    if study.quick:
        return Problem(
            universe, benchmark, "2020-03-31", "2020-12-31", ("2019-11-29", "2020-02-28"), "2019-01-01", stocks, 12,
            params={"epochs": 4, "window": "12M", "refit": "3M"},
        )  # fmt: skip
    return Problem(
        universe, benchmark, "2019-12-31", "2021-06-30", ("2016-02-29", "2019-12-30"), "2016-01-01", stocks, 110
    )
