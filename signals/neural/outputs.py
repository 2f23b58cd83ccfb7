"""What a trained network says: numbers, class probabilities, attention. Import it only where torch is there.

Rows go through in blocks of one size, the last one padded: the kernels that multiply matrices choose their order of
sums by the number of rows, so a stock's answer would else depend on how many others are asked with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import SignalError
from signals.neural.checks import checked_samples
from signals.neural.devices import find_device, repeatable
from signals.neural.modules import RecurrentNetwork

BLOCK = 256
"""Rows at a time."""


def outputs(model: nn.Module, x: np.ndarray, device: str = "cpu") -> np.ndarray:
    """The network's last layer, in float32.

    Parameters
    ----------
    model : torch.nn.Module
        A trained network.
    x : ndarray (S, L, F) float32
        Samples, all finite.
    device : str
        ``"auto"`` is a GPU when there is one. One date's stocks are too few for it to be worth the way.

    Returns
    -------
    ndarray (S, outputs) float32
        Activations before the softmax, or the predicted number.

    Raises
    ------
    SignalError
        If ``x`` does not fit the network or holds values that are not finite.
    """
    return _by_blocks(model, x, model, device)


def predict(model: nn.Module, x: np.ndarray, device: str = "cpu", block: int = BLOCK) -> np.ndarray:
    """The predicted numbers of a regression, (S,) float32; ``block`` rows at a time, always as many for a network."""
    found = _by_blocks(model, x, model, device, block)
    return found.reshape(len(found), -1)[:, 0]


def class_probabilities(model: nn.Module, x: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Softmax of the activations in float64, (S, C); rows sum to 1."""
    activations = outputs(model, x, device).astype(np.float64)
    grown = np.exp(activations - activations.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def attention_weights(model: nn.Module, x: np.ndarray, device: str = "cpu") -> np.ndarray:
    """The weights that ``attention-gru`` applies to its inputs.

    Returns
    -------
    ndarray float32
        (S, L, F) that sum to 1 over the factors, or (S, L, 1) that sum to 1 over the steps.

    Raises
    ------
    SignalError
        If the network has no attention.
    """
    attention = model.attention if isinstance(model, RecurrentNetwork) else None
    if attention is None:
        raise SignalError("this network has no attention; only 'attention-gru' has")
    return _by_blocks(model, x, attention.weights, device)


@torch.no_grad()
def _by_blocks(
    model: nn.Module, x: np.ndarray, what: Callable[[Tensor], Any], device: str, size: int = BLOCK
) -> np.ndarray:
    if len(x) == 0:
        raise SignalError("there is no sample to predict")
    x = checked_samples(x, "")
    features, steps = getattr(model, "features", x.shape[2]), getattr(model, "steps", None) or x.shape[1]
    if (features, steps) != (x.shape[2], x.shape[1]):
        raise SignalError(
            f"x has {x.shape[1]} steps of {x.shape[2]} features; the network was trained on {steps} of {features}"
        )
    place, training = find_device(device), model.training
    found = []
    with repeatable(place):
        model.to(place).eval()
        for begin in range(0, len(x), size):
            block = np.zeros((size, *x.shape[1:]), dtype=np.float32)
            rows = x[begin : begin + size]
            block[: len(rows)] = rows
            found.append(what(torch.from_numpy(block).to(place))[: len(rows)].float().cpu().numpy())
        model.cpu().train(training)
    return np.concatenate(found)
