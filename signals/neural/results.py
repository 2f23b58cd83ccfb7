"""What the trainer gives back: a result, what a callback is told, the error of a divergence. Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import SignalError
from signals.neural.learning_curves import LearningCurves, WeightRecord

if TYPE_CHECKING:
    from torch import nn


class DivergenceError(SignalError):
    """A loss stopped being a number. A search over learning rates may count the point as its worst."""


@dataclass(frozen=True)
class Progress:
    """What a progress callback is told after each epoch, ``epoch`` counted from 1; NaN without validation rows."""

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float
    best_epoch: int


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes
    ----------
    model : torch.nn.Module
        On the CPU, ready to predict, with the weights of ``best_epoch``.
    curves : LearningCurves
        By epoch.
    best_epoch : int
        Counted from 1: of the least validation loss, the last without validation rows.
    stopped : str
        ``"patience"``, ``"epochs"``, ``"progress"`` (the callback's wish) or ``""`` (not finished).
    precision, device : str
        In and on which it was trained.
    iterations : int
        Optimizer steps taken.
    record : WeightRecord, optional
        Input weights as they went, if ``record_every`` was set.
    train, validation : ndarray of int64
        The rows.
    """

    model: nn.Module
    curves: LearningCurves
    best_epoch: int
    stopped: str
    precision: str
    device: str
    iterations: int
    record: WeightRecord | None
    train: np.ndarray
    validation: np.ndarray
