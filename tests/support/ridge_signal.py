"""A small signal that learns, as a user would write it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from engine.errors import SignalError
from signals.labels import NextReturn
from signals.saved import Learnt
from signals.trained import TrainedSignal, Window


class Ridge(TrainedSignal):
    """Next return by ridge regression; a negative strength diverges."""

    factors = ("return_1m", "return_3m")
    label = NextReturn()
    space = {"strength": (0.1, 1.0, 1000.0, -1.0)}
    calls: ClassVar[list[int]] = []
    """Seeds of the models trained in this process."""

    preprocess: str = "paper-5"
    strength: float = 1.0

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        self.calls.append(seed)
        if self.strength < 0:
            raise SignalError(f"training of window '{window.day}' diverged")
        x = np.c_[window.x.reshape(len(window.x), -1), np.ones(len(window.x))].astype(np.float64)
        keep = np.random.default_rng(seed).random(len(x)) < 0.9
        penalty = self.strength * np.eye(x.shape[1])
        return Learnt({"weights": np.linalg.solve(x[keep].T @ x[keep] + penalty, x[keep].T @ window.y[keep])})

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        return np.c_[x.reshape(len(x), -1), np.ones(len(x))] @ model.arrays["weights"]
