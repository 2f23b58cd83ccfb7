"""What a training leaves behind as plain arrays: learning curves, recorded weights, what a factor contributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

MOST = 100
"""Recordings of weights that are held."""


@dataclass
class LearningCurves:
    """Losses and shares of right answers by epoch, E long each.

    Attributes
    ----------
    train_loss, train_accuracy : ndarray (E,)
        Means over the epoch's batches while the weights move and dropout is on, each batch weighted by its rows.
    validation_loss, validation_accuracy : ndarray (E,)
        After the epoch, dropout off; NaN without validation rows. Accuracies are NaN in regression.
    """

    train_loss: np.ndarray = field(default_factory=lambda: np.zeros(0))
    train_accuracy: np.ndarray = field(default_factory=lambda: np.zeros(0))
    validation_loss: np.ndarray = field(default_factory=lambda: np.zeros(0))
    validation_accuracy: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.train_loss)

    def with_epoch(self, *values: float) -> LearningCurves:
        """The curves and one epoch more, its values in the order of the attributes."""
        return LearningCurves(*(np.append(old, new) for old, new in zip(self.arrays().values(), values, strict=True)))

    def arrays(self) -> dict[str, np.ndarray]:
        """The curves by name."""
        return dict(vars(self))


@dataclass
class WeightRecord:
    """Input weights of the first layers as they went (papers 3 and 4), one layer a list item.

    At most :data:`MOST` recordings are held: a longer training leaves every second, fourth ... of those asked for.

    Attributes
    ----------
    layers, every : int
        How many layers, and every how many iterations.
    iterations : list of int
        K numbers of optimizer steps taken; the first is 0, before any.
    weights, biases : list of list of ndarray
        By layer, K arrays (G gates, H units, inputs) and (G, H); see
        :meth:`signals.neural.modules.Network.input_weights`.
    """

    layers: int
    every: int = 1
    iterations: list[int] = field(default_factory=list)
    weights: list[list[np.ndarray]] = field(default_factory=list)
    biases: list[list[np.ndarray]] = field(default_factory=list)

    def add(self, iteration: int, model: Any) -> None:
        """Record a network as it is, unless this iteration is to be left out."""
        if iteration % self.every:
            return
        if not self.weights:
            self.weights, self.biases = [[] for _ in range(self.layers)], [[] for _ in range(self.layers)]
        self.iterations.append(iteration)
        for layer in range(self.layers):
            weights, biases = model.input_weights(layer)
            self.weights[layer].append(weights.detach().cpu().numpy().copy())
            self.biases[layer].append(biases.detach().cpu().numpy().copy())
        if len(self.iterations) > MOST:
            self.every *= 2
            self.iterations = self.iterations[::2]
            self.weights, self.biases = ([layer[::2] for layer in kept] for kept in (self.weights, self.biases))

    def arrays(self) -> dict[str, np.ndarray]:
        """``iterations`` (K,), and by layer ``weights_0`` (K, G, H, inputs), ``biases_0`` (K, G, H)."""
        found: dict[str, np.ndarray] = {"iterations": np.asarray(self.iterations, dtype=np.int64)}
        for layer in range(len(self.weights)):
            found[f"weights_{layer}"] = np.stack(self.weights[layer])
            found[f"biases_{layer}"] = np.stack(self.biases[layer])
        return found


def contribution(model: nn.Module) -> np.ndarray:
    """What each factor adds: the sum of its input weights' sizes over the first layer's gates and units (paper 4).

    Returns
    -------
    ndarray (F,) float64
        Sum of |weight|; over the steps too where each has weights of its own (``mlp``).
    """
    weights = model.input_weights(0)[0].detach().cpu().numpy().astype(np.float64)  # type: ignore[operator]
    return np.abs(weights).reshape(-1, int(model.features)).sum(axis=0)  # type: ignore[arg-type]


def distributions(weights: np.ndarray, bins: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Histogram of recorded weights by iteration (paper 3, charts 22 and 24; paper 4).

    Parameters
    ----------
    weights : ndarray (K, ...)
        One recording a row.
    bins : int
        Of equal width, over the range of all recordings.

    Returns
    -------
    edges : ndarray (bins + 1,)
    shares : ndarray (K, bins)
        Share of the weights in each bin, rows that sum to 1.
    """
    flat = np.asarray(weights, dtype=np.float64).reshape(len(weights), -1)
    edges = np.histogram_bin_edges(flat, bins)
    return edges, np.stack([np.histogram(row, edges)[0] / row.size for row in flat])
