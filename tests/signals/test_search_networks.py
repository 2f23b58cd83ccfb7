"""Searches over networks: what a share of a training is, and that shortened trainings are prefixes of the full ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from signals.labels import NextReturn
from signals.neural.networks import LSTM
from signals.neural.signal import NetworkSignal
from signals.trained import Window

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")


class Small(NetworkSignal):
    """A small recurrent network on two inputs."""

    factors = ("return_1m", "return_3m")
    label = NextReturn()
    network = LSTM(units=4)
    space = {"learning_rate": (1e-5, 1e-4, 1e-3, 1e-2, 0.1), "batch": (20, 400)}

    epochs: int = 8
    batch: int = 20
    patience: int = 0


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "models"))


@pytest.fixture
def window() -> Window:
    random = np.random.default_rng(7)
    x = random.normal(size=(500, 3, 2)).astype(np.float32)
    y = x[:, -1, 0] - 0.5 * x[:, -2, 1] + random.normal(scale=0.1, size=500)
    return Window(x[:400], y[:400], x[400:], y[400:], ("a", "b"), (), "2013-12-31", "digest")


def test_a_share_of_a_training_is_the_beginning_of_it(window: Window) -> None:
    full = Small().train(window, 1).arrays["curves/validation_loss"]
    short = Small().train(window, 1, budget=3 / 8).arrays["curves/validation_loss"]
    assert len(full) == 8 and np.array_equal(short, full[:3])


def test_less_than_an_epoch_is_one_of_a_part_of_the_samples(window: Window) -> None:
    little = Small().train(window, 1, budget=1 / 32).arrays
    by_hand = Small(epochs=1).train(window.part(0.25, 1), 1).arrays
    assert len(little["curves/validation_loss"]) == 1
    assert all(np.array_equal(little[name], by_hand[name], equal_nan=True) for name in by_hand)


def test_halving_finds_the_point_of_the_grid(window: Window) -> None:
    by_grid = Small(search="grid")._searched(window)
    assert by_grid["learning_rate"] >= 1e-2 and by_grid["batch"] == 20
    assert Small(search="halving")._searched(window) == by_grid


def test_numbers_too_small_for_their_form_are_zero_while_a_network_trains_and_no_longer() -> None:
    from signals.neural.devices import repeatable

    def tiny() -> float:
        return float((torch.tensor([1e-39]) * 1.0).item())

    for before in (False, True):
        torch.set_flush_denormal(before)
        with repeatable(torch.device("cpu")):
            assert tiny() == 0.0
        assert (tiny() == 0.0) == before
    torch.set_flush_denormal(False)
