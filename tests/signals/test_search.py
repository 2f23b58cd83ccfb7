"""Searches of hyper-parameters: what they ask for, what they choose, what an interrupted one repeats."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ridge_signal import Ridge

from engine.errors import SignalError
from signals.adapters import EstimatorSignal
from signals.learning.search import SEARCHES, all_of, halving, random_search, tpe
from signals.lstm_residual_value import SPACES
from signals.saved import Learnt
from signals.trained import Window
from signals.walkforward import parallel, train_all

NO_OPTUNA = "optuna is not installed: pip install -r locks/torch-py311.txt"


class Asked:
    """Losses in closed form: a point's own after a full training, plus what a shorter one leaves undone."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss
        self.rounds: list[tuple[int, float]] = []
        self.points: list[tuple[Any, ...]] = []

    def __call__(self, candidates: Sequence[dict[str, Any]], budget: float = 1.0) -> list[float]:
        self.rounds.append((len(candidates), budget))
        self.points += [tuple(one.values()) for one in candidates]
        return [self.loss(one, budget) for one in candidates]


def bowl(point: dict[str, Any], budget: float = 1.0) -> float:
    """Least at batch 40, 2 layers, 128 units, 0.01; wide networks are behind until they are trained."""
    logs = [np.log(point[name] / best) for name, best in (("batch", 40), ("units", 128), ("learning_rate", 0.01))]
    return float(np.sum(np.square(logs)) + (point["layers"] - 2) ** 2 + (1 - budget) * point["units"] / 1000)


BEST = {"batch": 40, "layers": 2, "units": 128, "learning_rate": 0.01}
PAPER = SPACES["grid"]


# -- halving -----------------------------------------------------------------------------------------


def test_halving_trains_a_fifth_of_the_points_twelve_times_as_long_each_round() -> None:
    asked = Asked(bowl)
    assert halving(PAPER, asked, 20, 1) == BEST
    assert asked.rounds == [(216, pytest.approx(1 / 144)), (43, pytest.approx(1 / 12)), (8, 1.0)]


def test_halving_keeps_the_best_of_each_round() -> None:
    asked = Asked(bowl)
    halving(PAPER, asked, 20, 1)
    points = all_of(PAPER)
    for budget, count, first in ((1 / 144, 43, 216), (1 / 12, 8, 216 + 43)):
        points = sorted(points, key=lambda point: bowl(point, budget))[:count]
        assert {tuple(point.values()) for point in points} == set(asked.points[first : first + count])


def test_halving_spends_less_than_a_tenth_of_the_grid() -> None:
    asked = Asked(bowl)
    halving(PAPER, asked, 20, 1)
    assert sum(count * budget for count, budget in asked.rounds) < 0.1 * 216


def test_halving_of_a_few_points_is_the_grid() -> None:
    for values in ((1,), (1, 2), (1, 2, 3)):
        asked = Asked(lambda point, budget: -point["a"])
        assert halving({"a": values}, asked, 20, 1) == {"a": values[-1]}
        assert asked.rounds == [(len(values), 1.0)]


def test_halving_drops_points_that_diverge_and_fails_if_all_do() -> None:
    asked = Asked(lambda point, budget: np.inf if point["a"] % 2 else point["a"])
    assert halving({"a": tuple(range(1, 28))}, asked, 20, 1) == {"a": 2}
    with pytest.raises(SignalError, match="none of 27 candidates reached a finite validation loss"):
        halving({"a": tuple(range(27))}, Asked(lambda point, budget: np.inf), 20, 1)


# -- Optuna ------------------------------------------------------------------------------------------


def test_tpe_tries_different_points_again_alike_for_a_seed_and_comes_closer_than_chance() -> None:
    pytest.importorskip("optuna", reason=NO_OPTUNA)
    first, again, other = Asked(bowl), Asked(bowl), Asked(bowl)
    best = tpe(PAPER, first, 40, 3)
    assert tpe(PAPER, again, 40, 3) == best and first.points == again.points
    tpe(PAPER, other, 40, 4)
    assert other.points != first.points
    assert len(first.points) == len(set(first.points)) == 40
    assert set(first.points) <= {tuple(point.values()) for point in all_of(PAPER)}
    found = {
        search: np.mean([bowl(SEARCHES[search](PAPER, Asked(bowl), 40, seed)) for seed in range(5)])
        for search in ("tpe", "random")
    }
    assert found["tpe"] < 0.5 * found["random"]


def test_tpe_ends_when_it_has_tried_all_points_and_survives_those_that_diverge() -> None:
    pytest.importorskip("optuna", reason=NO_OPTUNA)
    space = {"kind": ("b", "a", "c"), "deep": (True, False), "rate": (0.1, 0.01)}
    asked = Asked(lambda point, budget: np.inf if point["kind"] != "c" else point["rate"] + point["deep"])
    assert tpe(space, asked, 100, 1) == {"kind": "c", "deep": False, "rate": 0.01}
    assert len(set(asked.points)) == len(asked.points) <= 12
    with pytest.raises(SignalError, match="reached a finite validation loss"):
        tpe(space, Asked(lambda point, budget: np.inf), 5, 1)


def test_without_optuna_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(SignalError, match=r"^search 'tpe' needs optuna, .* pip install -r locks/torch-py311.txt"):
        tpe(PAPER, Asked(bowl), 5, 1)


# -- in a signal: budgets, the cache, processes --------------------------------------------------------


class Slow(Ridge):
    """A ridge that counts what it is asked to train."""

    space = {"strength": tuple(10.0**k for k in range(-13, 14))}
    asked: ClassVar[list[tuple[float, float]]] = []
    last: ClassVar[int] = 10**6
    validation: float = 0.25

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        if len(self.asked) >= self.last:
            raise KeyboardInterrupt
        self.asked.append((self.strength, budget))
        return super().train(window if budget == 1.0 else window.part(budget, seed), seed, budget)


class Dying(Slow):
    """One whose process ends without a word at its last point."""

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        if self.strength == 1e13:
            os._exit(1)
        return super().train(window, seed, budget)


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(Slow, "asked", [])
    return tmp_path / "models"


@pytest.fixture
def window() -> Window:
    """400 samples of a straight line, 100 to validate on."""
    random = np.random.default_rng(7)
    x = random.normal(size=(500, 2)).astype(np.float32)
    y = x @ [1.0, -0.5] + random.normal(scale=0.5, size=500)
    return Window(x[:400], y[:400], x[400:], y[400:], ("a", "b"), (), "2013-12-31", "digest")


def test_a_part_of_a_window_is_drawn_by_seed_and_keeps_the_validation_samples(window: Window) -> None:
    part = window.part(0.25, 1)
    assert len(part.y) == len(part.x) == 100 and part.x_valid is window.x_valid and part.y_valid is window.y_valid
    pairs = {(*x, y) for x, y in zip(window.x.tolist(), window.y.tolist(), strict=True)}
    assert {(*x, y) for x, y in zip(part.x.tolist(), part.y.tolist(), strict=True)} <= pairs
    assert np.array_equal(window.part(0.25, 1).y, part.y) and not np.array_equal(window.part(0.25, 2).y, part.y)
    assert len(window.part(1e-6, 1).y) == 1


def test_an_estimator_is_fitted_to_a_part_of_the_samples_under_a_smaller_budget(window: Window) -> None:
    class Counting:
        rows: ClassVar[list[int]] = []

        def fit(self, x: np.ndarray, y: np.ndarray) -> Counting:
            self.rows.append(len(x))
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.zeros(len(x))

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {}

        def set_params(self) -> Counting:
            return self

    class Counted(EstimatorSignal):
        estimator = Counting()

    for budget in (0.1, 1.0):
        Counted().train(window, 1, budget)
    assert Counting.rows == [40, 400]


def test_an_interrupted_search_repeats_no_finished_point(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Slow(search="halving")
    monkeypatch.setattr(Slow, "last", 31)  # in the second round
    with pytest.raises(KeyboardInterrupt):
        signal._searched(window)
    before = list(Slow.asked)
    monkeypatch.setattr(Slow, "last", 10**6)
    resumed = signal._searched(window)
    assert len(Slow.asked) == len(set(Slow.asked)) and Slow.asked[:31] == before
    monkeypatch.setenv("HUICE_MODELS", os.environ["HUICE_MODELS"] + " others")
    done, Slow.asked[:] = sorted(Slow.asked), []
    assert signal._searched(window) == resumed and sorted(Slow.asked) == done


def test_a_finished_search_is_read_in_one_piece(window: Window) -> None:
    signal = Slow(search="grid")
    chosen = signal._searched(window)
    with parallel(1) as workers:
        assert signal._searched(window) == chosen
    assert (workers.trained, workers.reused) == (0, 0)
    for other in (Slow(search="halving"), Slow(search="grid", seed=2), Slow(search="random", trials=3)):
        with parallel(1) as workers:
            other._searched(window)
        assert workers.trained + workers.reused > 0


def test_processes_choose_what_one_process_chooses(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Slow(search="halving")._searched(window)
    count = len(Slow.asked)
    monkeypatch.setenv("HUICE_MODELS", os.environ["HUICE_MODELS"] + " others")
    Slow.asked.clear()
    with parallel(2) as workers:
        assert Slow(search="halving")._searched(window) == alone
    assert Slow.asked == [] and workers.trained == count


def test_a_process_that_dies_is_told_in_one_sentence_and_costs_no_finished_model(window: Window, models: Path) -> None:
    signals = [Dying(strength=strength) for strength in Slow.space["strength"]]
    tasks = [(signal, window, 1, 1.0, False) for signal in signals]
    with parallel(2), pytest.raises(SignalError, match="a process that trained has ended without a word"):
        train_all(tasks)
    assert not list((models / "windows").glob("*"))
    with parallel(1) as workers:
        train_all(tasks[:-1])
    assert workers.trained <= 1 and workers.reused + workers.trained == 26  # one may have been under way beside it


def test_a_random_search_of_more_trials_than_points_is_the_grid() -> None:
    asked = Asked(bowl)
    assert random_search(PAPER, asked, 1000, 1) == BEST and asked.points == [tuple(p.values()) for p in all_of(PAPER)]
