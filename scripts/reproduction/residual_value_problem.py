"""Paper 1's problem on the data at hand, whole or thinned, and what its trainings are expected to cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feeds.synthetic_feed import is_spec
from reproduction.budget import Training
from reproduction.study import Study
from signals.lstm_residual_value import SPACES, STATIC

EPOCHS_RUN = 0.7
"""Share of the epochs that early stopping lets run, as seen on CSI 300 windows."""

HALVING = 1 / 144 + (43 / 216) / 12 + 8 / 216
"""Cost of a halving over 216 points as a share of the whole grid's (:func:`signals.learning.search.halving`)."""


@dataclass(frozen=True)
class Problem:
    """What the report computes.

    Attributes
    ----------
    universe, benchmark, second, second_benchmark : str
        The main universe and the second one.
    second_size : float
        Size of the second as a share of the main one.
    start, end : str
        First decision and last day.
    stocks : int
        In the universe, for the expected costs.
    hold : int
        Of the headline; the paper's 50.
    holds : sequence of (int, int)
        The paper's number of stocks, and ours.
    epochs : int
        At most.
    searched : {"grid", "static"}
        What a search goes through.
    table_5 : (str, str)
        Window and end of the training months of the one fit.
    """

    universe: str
    benchmark: str
    second: str
    second_benchmark: str
    second_size: float
    start: str
    end: str
    stocks: int
    hold: int
    holds: Sequence[tuple[int, int]]
    epochs: int
    searched: str
    table_5: tuple[str, str]

    @property
    def months(self) -> list[str]:
        """Months of the fits: the last of each quarter."""
        first, last = (np.datetime64(day[:7], "M").astype(int) for day in (self.start, self.end))
        return [str(np.datetime64(int(m), "M")) for m in range(first, last) if m % 3 == 2]

    @property
    def windows(self) -> int:
        """How many fits a walk-forward has."""
        return len(self.months)

    def cost(self, static: int, months: int = 12) -> float:
        """Expected CPU seconds of one of the static sets on a window."""
        return self._point(months, **STATIC[static])

    def _point(self, months: int, *, batch: int, layers: int, units: int, learning_rate: float) -> float:
        samples = self.stocks * max(months - 2, 1) * 0.8
        epochs = max(self.epochs * EPOCHS_RUN, 1.0)
        return samples * epochs * (1300.0 * layers / batch + 0.6 * _products(layers, units)) * 1e-6

    def _grid(self, months: int) -> float:
        space = SPACES[self.searched]
        if self.searched == "static":
            return sum(self.cost(k, months) for k in space["static"])
        points = itertools.product(*space.values())
        return sum(self._point(months, **dict(zip(space, point, strict=True))) for point in points)

    def searches(self, kind: str, protocol: str, months: int) -> list[Training]:
        """The windows' searches, each a training: any number of them covers the span evenly."""
        share = 1.0 if kind == "grid" or self.searched == "static" else HALVING
        chosen = spread(self.months)
        if kind == "grid":
            chosen = chosen[:3]
        what = "full grid" if kind == "grid" else "halving"
        return [
            Training(
                search_name(kind, protocol, months, month),
                f"{what} over {len(list(itertools.product(*SPACES[self.searched].values())))} points, window of "
                f"{months} months to {month}, {protocol}",
                share * self._grid(months),
            )
            for month in chosen
        ]

    def run(self, protocol: str, hold: int, second: bool = False, **more: Any) -> dict[str, Any]:
        """Options of a backtest: every three months at the open, names kept are left alone (the paper's 5.2.1)."""
        signal = {"name": "lstm-residual-value", "epochs": self.epochs}
        return {
            "universe": self.second if second else self.universe,
            "benchmark": self.second_benchmark if second else self.benchmark,
            "start": self.start, "end": self.end, "cash": 1_000_000.0, "rebalance": "3M", "fill": "next_open",
            "strategy": {"name": "top-n", "hold": hold, "trade": "freed-cash"}, "slippage": "bps:5",
            "rules": {"price_limits": protocol == "honest"}, "signal": signal,
        } | more  # fmt: skip


def search_name(kind: str, protocol: str, months: int, month: str) -> str:
    """Name of the training that searches a window."""
    return f"{kind}-{months}-{protocol}-{month}"


def spread(months: Sequence[str]) -> list[str]:
    """Months in an order whose every beginning covers the span: both ends, the middle, the quarters, and so on."""
    places: dict[int, None] = {}
    last = len(months) - 1
    parts = 1
    while len(places) <= last:
        places.update(dict.fromkeys(round(k * last / parts) for k in range(parts + 1)))
        parts *= 2
    return [months[k] for k in places]


def _products(layers: int, units: int) -> float:
    """Thousands of products in one step of an LSTM of 17 inputs."""
    inputs: Iterable[int] = (17, *[units] * (layers - 1))
    return sum(4.0 * units * (one + units) for one in inputs) / 1000.0


def problem_of(study: Study) -> Problem:
    """The problem of a study."""
    made = is_spec(study.data)
    main = ("all", "000300") if made else ("csi300", "000300")  # a small synthetic market has few members of an index
    if not study.quick:
        return Problem(
            *main, "csi500", "000905", 1.0 if made else 1.6, "2013-12-31", "2020-12-31" if made else "2021-06-30",
            400 if made else 300, 50, ((5, 5), (10, 10), (30, 30), (50, 50)), 30, "grid",
            ("96M", "2019-12-31"),
        )  # fmt: skip
    return Problem(
        *main, "csi500", "000905", 0.3 if made else 1.6, "2018-03-30" if made else "2019-09-30",
        "2018-12-28" if made else "2020-12-31", 50 if made else 300, 15, ((5, 5), (10, 8), (30, 10), (50, 15)), 2,
        "static", ("24M", "2017-12-29" if made else "2019-12-31"),
    )  # fmt: skip
