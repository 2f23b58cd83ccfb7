"""Paper 3's problem on the data at hand, whole or thinned: models, span, conditions of a run, what training costs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from feeds.synthetic_feed import is_spec
from reproduction.budget import Training
from reproduction.sections import HONEST
from reproduction.study import PROTOCOLS, Study

NAMES = {
    "lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "mlp": "ANN (dense layers)", "xgboost": "XGBoost", "linear": "Linear",
}  # fmt: skip
"""The paper's models in the order of its chart 38, by our keys."""

SIGNALS = {
    "lstm": "top-bottom-lstm", "gru": "top-bottom-gru", "rnn": "top-bottom-rnn", "mlp": "mlp", "xgboost": "xgboost",
    "linear": "linear",
}  # fmt: skip

ORDER = ("linear", "lstm", "xgboost", "gru", "rnn", "mlp")
"""What is trained first: the control, the paper's best network, its best model, and the others."""

MICROSECONDS = {"lstm": 85.0, "gru": 66.0, "rnn": 15.0, "mlp": 7.0, "xgboost": 0.6, "linear": 10.0}
"""CPU time of a sample in an epoch (of one tree or one fit for the controls) at 70 factors and 2 layers of 100."""

EPOCHS = {"honest": 14, "paper": 20}
"""Epochs until ten have passed without a better validation loss, as seen on the sample data."""

ROUNDS = {"xgboost": 100, "linear": 1}
"""The controls' own, in place of epochs."""

EXCLUDE = ("st", "suspended", "new:3M")

RECORD_EVERY = 100
"""Iterations between two recordings of weights (charts 20 to 24)."""

SIDES = {"paper": "Ours, paper (LEAKS)", "honest": HONEST}
"""Heads of our rows in wide tables."""

MARK = "\u2020"
"""Behind figures of a stand-in."""

STAND_IN = (
    f"{MARK} Stand-in: the budget did not pay for this model's yearly trainings, so the network of its first stage was "
    "kept to the end."
)


@dataclass(frozen=True)
class Problem:
    """What the report computes.

    Attributes
    ----------
    universe : str or tuple of str
    start, end : str
        First and last day of the backtests.
    stages : tuple of int
        Calendar years, each with a model of its own.
    window : int
        Months that a stage learns from at most.
    months, stocks : sequence of int, int
        Months that each stage's window can have, and stocks in the universe, for the expected costs.
    network, boosted : dict
        Parameters of the networks, and of XGBoost, that differ from the paper's.
    cash : float
        Yuan of each portfolio.
    """

    universe: str | tuple[str, ...]
    start: str
    end: str
    stages: tuple[int, ...]
    window: int
    months: Sequence[int]
    stocks: int
    network: dict[str, Any]
    boosted: dict[str, Any]
    cash: float = 1e8

    def signal(self, model: str, protocol: str, once: bool = False) -> dict[str, Any]:
        """The signal of a model; ``once``: its stand-in."""
        found: dict[str, Any] = {"name": SIGNALS[model], "window": f"{self.window}M"}
        if once:
            found["refit"] = "once"
        if model in ROUNDS:
            return found | (self.boosted if model == "xgboost" else {})
        return {"record": 0 if model == "mlp" else RECORD_EVERY} | found | self.network

    def seconds(self, model: str, protocol: str, once: bool = False) -> float:
        """Expected CPU seconds of all stages, or of the first."""
        months = self.months[:1] if once else self.months
        samples = sum(months) * self.stocks * 0.6 * 0.9
        size = float(self.network.get("units", 100)) / 100.0
        rounds = ROUNDS.get(model, min(EPOCHS[protocol], self.network.get("epochs", 100)))
        if model == "xgboost":
            rounds = self.boosted.get("n_estimators", rounds)
        return samples * rounds * MICROSECONDS[model] * 1e-6 * (1.0 if model in ROUNDS else size)

    def run(self, protocol: str, **more: Any) -> dict[str, Any]:
        """Conditions of a run.

        The paper trades at the close of the month's first day, tells of no costs and compares with price indices.
        """
        leaks = protocol == "paper"
        return {
            "universe": self.universe, "exclude": EXCLUDE, "start": self.start, "end": self.end, "cash": self.cash,
            "benchmark": "000905", "benchmark_kind": "price" if leaks else "total-return",
            "fill": "next_close" if leaks else "next_open", "fees": "zero" if leaks else "a-share",
        } | more  # fmt: skip


class Model(NamedTuple):
    """A model that the budget pays for: its training and its signal, and whether it is a stand-in."""

    training: str
    signal: dict[str, Any]
    stand_in: bool

    @property
    def mark(self) -> str:
        """What stands behind its figures."""
        return MARK if self.stand_in else ""


def model_of(study: Study, model: str, protocol: str) -> Model | None:
    """The model itself, else its stand-in, else None."""
    problem = problem_of(study)
    for once in (False, True):
        name = _training(model, protocol, once)
        if name in study.plan:
            return Model(name, problem.signal(model, protocol, once), once)
    return None


def models_of(study: Study) -> list[tuple[str, str, Model]]:
    """All that the budget pays for, as (model, protocol, how)."""
    found = [(model, protocol, model_of(study, model, protocol)) for model in NAMES for protocol in PROTOCOLS]
    return [(model, protocol, how) for model, protocol, how in found if how is not None]


def trainings(study: Study) -> list[Training]:
    """Every model under both protocols, each followed by its stand-in of one stage."""
    problem = problem_of(study)
    found = []
    for model in ORDER:
        for protocol in ("honest", "paper"):
            name, what = _training(model, protocol, False), f"{NAMES[model]}, {protocol}"
            stages = f"stages {problem.stages[0]} to {problem.stages[-1]}"
            found.append(Training(name, f"{what}, {stages}", problem.seconds(model, protocol)))
            if model not in ROUNDS:
                stand_in = Training(
                    _training(model, protocol, True), f"{what}, first stage alone, in place of all",
                    problem.seconds(model, protocol, True), instead_of=name,
                )  # fmt: skip
                found.append(stand_in)
    return found


def _training(model: str, protocol: str, once: bool) -> str:
    return f"{model}-{protocol}{'-once' if once else ''}"


def problem_of(study: Study) -> Problem:
    """The problem of a study."""
    made = is_spec(study.data)
    if not study.quick:
        years = tuple(range(2014, 2022))
        months = [min(12 * (year - 2011) - 1, 72) for year in years]
        return Problem("all", "2014-01-01", "2021-06-30", years, 72, months, 400 if made else 2000, {}, {})
    universe = "all" if made else _every_tenth(study.data)
    years = (2013, 2014) if made else (2019, 2020)
    network = {"units": 8, "epochs": 3, "record": 1}
    return Problem(
        universe, f"{years[0]}-07-01", f"{years[1]}-06-30", years, 18, [18, 18], 60 if made else 300, network,
        {"n_estimators": 10},
    )  # fmt: skip


@functools.cache
def _every_tenth(data: str) -> tuple[str, ...]:
    """Every tenth stock of a folder, in order of the symbols."""
    from feeds.file_feed import FileFeed
    from feeds.sources import cache_folder, data_folder

    symbols = FileFeed(data_folder(data, cache_folder())).read("securities", ["symbol"])["symbol"]
    return tuple(sorted(map(str, symbols))[::10])
