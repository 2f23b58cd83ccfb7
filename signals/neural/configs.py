"""How a network is trained, as a frozen configuration. Does not import torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from signals.configs import Named


class TrainingConfig(Named):
    """Options of the trainer.

    Attributes
    ----------
    loss : str
        ``"mse"`` or ``"huber"`` of a number, ``"cross-entropy"`` of classes 0..C-1.
    huber_delta : float
        Where the Huber loss turns from square to straight, in units of the label.
    classes : int, optional
        C; without it the largest class of the labels plus one.
    class_weights : str or tuple of float
        ``"none"``, ``"balanced"`` (training rows over C times those of the class), or C weights.
    optimizer : str
        ``"adam"``, ``"rmsprop"`` (decay 0.9, as Keras has it) or ``"sgd"`` (with ``momentum``).
    learning_rate, momentum, weight_decay : float
        Of the optimizer; ``weight_decay`` adds that share of a weight to its gradient.
    batch : int
        Rows a step; the last batch of an epoch holds what is left.
    batches : int
        Of an epoch, each drawn at random from all rows (paper 4 trains 100 of these); 0: an epoch takes every row once.
    epochs : int
        At most.
    patience : int, optional
        Stop after so many epochs in a row without a better validation loss; None: never.
    min_delta : float
        By how much a validation loss must fall to count as better.
    validation : float
        Share of the rows that validate where no rows are given: the last by ``"time"`` or drawn at ``"random"``.
    split : str
        Which.
    embargo : int
        Distinct times left out between training and validation when split by time.
    clip : float, optional
        Largest norm of a step's gradient over all weights.
    precision : str
        ``"auto"`` asks a probe, see :func:`signals.neural.devices.faster_precision`.
    device : str
        ``"auto"`` is a GPU when there is one.
    record_every, record_layers : int
        Record the input weights of the first layers every so many steps (of a long training every second, fourth ...
        of these, see :class:`signals.neural.learning_curves.WeightRecord`); 0: never.
    seed : int
        Of first weights, order of rows, dropout and random split.
    """

    what: ClassVar[str] = "configuration"
    name: ClassVar[str] = "training"

    loss: Literal["mse", "huber", "cross-entropy"] = "mse"
    huber_delta: float = Field(default=1.0, gt=0.0)
    classes: int | None = Field(default=None, ge=2)
    class_weights: Literal["none", "balanced"] | tuple[float, ...] = "none"
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0.0, allow_inf_nan=False)
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    batch: int = Field(default=1000, ge=1)
    batches: int = Field(default=0, ge=0)
    epochs: int = Field(default=100, ge=1)
    patience: int | None = Field(default=10, ge=1)
    min_delta: float = Field(default=0.0, ge=0.0)
    validation: float = Field(default=0.1, ge=0.0, lt=1.0)
    split: Literal["random", "time"] = "time"
    embargo: int = Field(default=0, ge=0)
    clip: float | None = Field(default=None, gt=0.0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    record_every: int = Field(default=0, ge=0)
    record_layers: int = Field(default=1, ge=1)
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _classes_go_with_their_loss(self) -> Self:
        if self.loss != "cross-entropy":
            for field, plain in (("classes", None), ("class_weights", "none")):
                if getattr(self, field) != plain:
                    raise ValueError(f"{field} is set, but the loss is '{self.loss}'; it goes with 'cross-entropy'")
        if isinstance(self.class_weights, tuple):
            if not all(np.isfinite(weight) and weight >= 0.0 for weight in self.class_weights):
                raise ValueError(f"class_weights are {list(self.class_weights)}; none may be negative")
            if self.classes is not None and len(self.class_weights) != self.classes:
                raise ValueError(f"class_weights are {len(self.class_weights)}, but classes = {self.classes}")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum is set, but the optimizer is '{self.optimizer}'; it goes with 'sgd'")
        return self
