"""Inside the networks of a fitted signal: curves, recorded weights, what factors contribute, where attention lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.learning.samples import latest_samples
from signals.neural.learning_curves import contribution
from signals.neural.networks import NetworkConfig
from signals.neural.signal import NetworkSignal
from signals.preprocess import Fitted

if TYPE_CHECKING:
    from engine.market import Market
    from signals.trained import TrainedSignal


def can_record(signal: TrainedSignal) -> bool:
    """Whether the signal trains one of our networks, whose input weights can be recorded."""
    return isinstance(signal, NetworkSignal) and (
        isinstance(signal.network, NetworkConfig) or (signal.network is None and _made(signal))
    )


def _made(signal: NetworkSignal) -> bool:
    return isinstance(signal.make(1, signal.seed), NetworkConfig)


def curves(signal: TrainedSignal) -> dict[str, np.ndarray]:
    """Learning curves by epoch, means over the models still in training then; empty without epochs."""
    found: dict[str, list[np.ndarray]] = {}
    for _, _, model in signal.models():
        for name, values in model.arrays.items():
            if name.startswith("curves/"):
                found.setdefault(name.removeprefix("curves/"), []).append(np.asarray(values, dtype=np.float64))
    return {name: _mean_of(rows) for name, rows in sorted(found.items())}


def _mean_of(rows: Sequence[np.ndarray]) -> np.ndarray:
    wide = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for k, row in enumerate(rows):
        wide[k, : len(row)] = row
    known = np.isfinite(wide)
    total = np.where(known, wide, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(wide.shape[1], np.nan), where=known.any(axis=0))


def record(signal: TrainedSignal) -> tuple[str, dict[str, np.ndarray], tuple[str, ...]]:
    """Recorded input weights of the first model that has them: its name, the arrays and the names of its gates."""
    for name, one, model in signal.models():
        arrays = {
            key.removeprefix("record/"): value for key, value in model.arrays.items() if key.startswith("record/")
        }
        if arrays:
            made: Any = one
            return name, arrays, made.network_of(model).config.gates or ("dense",)
    return "", {}, ()


def contributions(signal: TrainedSignal) -> dict[str, float]:
    """Each factor's share of the sum of |input weight| (paper 4), a mean over the models; empty without our networks.

    Of principal components the sums are carried on to the factors by the size of the loadings.
    """
    if not isinstance(signal, NetworkSignal):
        return {}
    sums = []
    for _, one, model in signal.models():
        network = one.network_of(model)
        if not hasattr(network, "input_weights"):
            return {}
        sums.append(contribution(network))
    names, values = _through_components(signal.preprocessing(), np.mean(sums, axis=0))
    return dict(zip(names, (values / values.sum()).tolist(), strict=True))


def _through_components(fitted: Fitted, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    names = [fitted.factors]
    for step, state in zip(fitted.chain.steps, fitted.states, strict=True):
        names.append(step.factors_after(names[-1], state))
    last = fitted.states[-1] if fitted.states else {}
    if "loadings" not in last:
        return names[-1], values
    return names[-2], values @ np.abs(last["loadings"])


def attention(
    signal: TrainedSignal, market: Market, decisions: Sequence[int]
) -> tuple[tuple[str, ...], np.ndarray] | None:
    """The weights that attention gives at each decision, means over the stocks and models.

    Returns
    -------
    names : tuple of str, length K
        Inputs of the network, or its steps (``now``, ``1 back`` ...) where these are weighed.
    weights : ndarray of float64, shape (D, K)
        Rows that sum to 1.

    None where no network has attention.
    """
    networks = []
    if isinstance(signal, NetworkSignal):
        networks = [one.network_of(model) for _, one, model in signal.models()]
    networks = [network for network in networks if getattr(network, "attention", None) is not None]
    if not networks or not len(decisions):
        return None
    from signals.neural.outputs import attention_weights

    fitted, rows = signal.preprocessing(), []
    for t in decisions:
        samples = latest_samples(market.view(int(t)), tuple(signal.factors), signal.decisions, signal.steps)
        x = signal.inputs(samples, fitted.apply(samples.values, samples.context))[1]
        x = x if x.ndim == 3 else x[:, None, :]
        weights = np.mean([attention_weights(network, x) for network in networks], axis=0, dtype=np.float64)
        rows.append(weights.mean(axis=(0, 2) if networks[0].attention.over == "steps" else (0, 1)))
    back = [f"{k} back" for k in range(signal.steps - 1, 0, -1)]
    names = (*back, "now") if networks[0].attention.over == "steps" else fitted.factors_after
    return names, np.stack(rows)
