"""A network as a signal: one of :mod:`signals.neural.networks`, or a module of the user's own, under our trainer."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.errors import SignalError
from signals.neural.networks import NetworkConfig
from signals.saved import Learnt
from signals.trained import TrainedSignal, Window


class NetworkSignal(TrainedSignal):
    """Base of signals that train a network; declare ``network = LSTM(layers=2, units=100)`` or write :meth:`make`.

    Parameters
    ----------
    epochs, batch, batches, learning_rate, optimizer, patience, clip, class_weights, precision, device
        As of :class:`signals.neural.configs.TrainingConfig`; ``patience`` and ``clip`` of 0 mean none. Float32 on
        the CPU by default: the bits are then the same each time.
    record : int
        Keep the layers' input weights every so many steps with the model, see
        :class:`signals.neural.learning_curves.WeightRecord`; 0: never.
    """

    network: ClassVar[Any] = None

    validation: float = Field(default=0.1, ge=0.0, lt=1.0)
    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=1000, ge=1)
    batches: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    patience: int = Field(default=10, ge=0)
    clip: float = Field(default=0.0, ge=0.0)
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    record: int = Field(default=0, ge=0)

    def make(self, features: int, seed: int) -> Any:
        """The network to train: a configuration, or a module with its first weights."""
        if self.network is None:
            raise SignalError(f"{type(self).__name__} has no network; declare network = LSTM() or write make()")
        if isinstance(self.network, NetworkConfig):
            return self.network
        return _fresh(self.network, seed)

    def versions(self) -> dict[str, str]:
        """Versions of NumPy and torch."""
        return {**super().versions(), "torch": str(_torch().__version__)}

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        """Train with early stopping on the window's validation samples; less than an epoch is one of fewer samples.

        Raises
        ------
        SignalError
            If the training diverges, with window, epoch and learning rate.
        """
        _torch()
        from signals.neural.configs import TrainingConfig
        from signals.neural.training import train

        classes, epochs = window.classes, self.epochs * budget
        if epochs < 1.0:
            window = window.part(epochs, seed)
        model = self.make(window.x.shape[-1], seed)
        layers = model.layers if isinstance(model, NetworkConfig) else 1
        config = TrainingConfig(
            loss="cross-entropy" if classes else "mse", classes=len(classes) or None, class_weights=self.class_weights,
            optimizer=self.optimizer, learning_rate=self.learning_rate, batch=self.batch,
            batches=self.batches, epochs=max(1, round(epochs)), patience=self.patience or None, clip=self.clip or None,
            precision=self.precision, device=self.device, seed=seed, record_every=self.record,
            record_layers=layers,
        )  # fmt: skip
        x = np.concatenate([_steps(window.x), _steps(window.x_valid)])
        y = np.concatenate([window.y, window.y_valid])
        y = np.searchsorted(classes, y) if classes else y
        count = len(window.y)
        done = train(
            model, config, x, y, train=np.arange(count), validation=np.arange(count, len(x)), window=window.day
        )
        weights = {f"weights/{name}": value.numpy() for name, value in done.model.state_dict().items()}
        curves = {f"curves/{name}": value for name, value in done.curves.arrays().items()}
        record = {} if done.record is None else {f"record/{name}": one for name, one in done.record.arrays().items()}
        facts = {
            "features": x.shape[2], "steps": x.shape[1], "seed": seed, "best_epoch": done.best_epoch,
            "epochs": len(done.curves), "iterations": done.iterations, "stopped": done.stopped,
        }  # fmt: skip
        return Learnt({**weights, **curves, **record}, facts)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted values, or a probability for each class."""
        from signals.neural.outputs import class_probabilities, predict

        network = self.network_of(model)
        return class_probabilities(network, _steps(x)) if self.classes else predict(network, _steps(x))

    def network_of(self, model: Learnt) -> Any:
        """The trained network, a ``torch.nn.Module`` on the CPU."""
        torch = _torch()
        from signals.neural.networks import build

        facts = model.facts
        made = self.make(facts["features"], facts["seed"])
        if isinstance(made, NetworkConfig):
            made = build(
                made, facts["features"], outputs=len(self.classes) or 1, steps=facts["steps"], seed=facts["seed"]
            )
        held = {
            name.removeprefix("weights/"): torch.from_numpy(np.array(value))
            for name, value in model.arrays.items() if name.startswith("weights/")
        }  # fmt: skip
        made.load_state_dict(held)
        return made.eval()


def _steps(x: np.ndarray) -> np.ndarray:
    """Samples x steps x features, also of one step."""
    return np.ascontiguousarray(x if x.ndim == 3 else x[:, None, :], dtype=np.float32)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise SignalError(
            "a network needs torch, which is not installed; run pip install -r locks/torch-py311.txt "
            "(the README says how to get the CPU build first)"
        ) from None
    return torch


def _fresh(module: Any, seed: int) -> Any:
    """A copy of a module whose layers begin anew from the seed."""
    torch = _torch()
    twin = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in twin.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return twin
