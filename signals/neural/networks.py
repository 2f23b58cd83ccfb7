"""The papers' networks as frozen configurations, and how one is built.

=================  =============================================================================================
name               network
=================  =============================================================================================
``rnn``            plain recurrent layers, h_t = tanh(W x_t + U h_{t-1} + b)
``lstm``           LSTM layers (papers 1 to 4)
``gru``            GRU layers, the reset gate applied after the recurrent product: the form that libraries compute
``attention-gru``  softmax weights over the inputs, the weighted inputs into a GRU (paper 5)
``mlp``            dense layers on all steps side by side (the control of paper 3)
=================  =============================================================================================

The recurrent ones read (S samples, L steps, F features) and put a dense head on the last step's state; dropout
follows every hidden layer, the last one too (paper 3, chart 15). This module does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from engine.errors import ConfigError, nearest
from signals.configs import Named

if TYPE_CHECKING:
    from torch import nn

Initialisation = Literal["glorot", "uniform", "normal", "torch"]
"""How weights begin.

``glorot`` is Keras's default: Glorot-uniform input and dense weights, orthogonal recurrent ones, biases 0 and 1 for
the LSTM's forget gate. ``uniform`` and ``normal`` replace the first by U(-0.05, 0.05) and N(0, 0.05): the
``RandomUniform`` of paper 3, whose text says normal and whose charts 20 to 23 show a uniform start. ``torch`` is
uniform within 1/sqrt(units), dense layers within 1/sqrt(inputs), biases alike.
"""


class NetworkConfig(Named):
    """What every network has: ``layers`` x ``units``, ``dropout`` after each, how its weights begin."""

    what: ClassVar[str] = "network"
    gates: ClassVar[tuple[str, ...]] = ()
    """Blocks of the first layer's input weights, in the order in which they are stored; empty for dense layers."""

    layers: int = Field(default=1, ge=1)
    units: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    initialisation: Initialisation = "glorot"


class Recurrent(NetworkConfig):
    """Recurrent layers, then ``dense_layers`` x ``dense_units`` (paper 2; ``units`` if not given), then the head."""

    dense_layers: int = Field(default=0, ge=0)
    dense_units: int | None = Field(default=None, ge=1)
    dense_activation: Literal["relu", "tanh", "sigmoid", "linear"] = "relu"


class RNN(Recurrent):
    """Plain recurrent network."""

    name: ClassVar[str] = "rnn"
    gates: ClassVar[tuple[str, ...]] = ("state",)
    activation: Literal["tanh", "relu"] = "tanh"


class LSTM(Recurrent):
    """Long short-term memory; its activation is tanh in every paper."""

    name: ClassVar[str] = "lstm"
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    activation: Literal["tanh"] = "tanh"


class GRU(Recurrent):
    """Gated recurrent unit."""

    name: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "state")
    activation: Literal["tanh"] = "tanh"


class AttentionGRU(GRU):
    """GRU on its inputs times softmax weights of a linear score of them (paper 5, section 3.1).

    Attributes
    ----------
    over : str
        ``"factors"`` weighs the F factors of each step (the paper weighs its components), ``"steps"`` the L steps.
    rescale : bool
        Multiply by the number weighed, so that equal weights leave the inputs as they are; the paper does not.
    """

    name: ClassVar[str] = "attention-gru"
    over: Literal["factors", "steps"] = "factors"
    rescale: bool = False


class MLP(NetworkConfig):
    """Dense layers on the L x F inputs of a sample."""

    name: ClassVar[str] = "mlp"
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"


NETWORKS: dict[str, type[NetworkConfig]] = {kind.name: kind for kind in (RNN, LSTM, GRU, AttentionGRU, MLP)}
"""Configurations by name."""


def network(name: str, **params: Any) -> NetworkConfig:
    """The configuration of a network by its name.

    Raises
    ------
    ConfigError
        If the name or a parameter is unknown (the nearest is named) or a value is not allowed.
    """
    if name not in NETWORKS:
        raise ConfigError(f"there is no network '{name}'; {nearest(name, NETWORKS)}")
    return NETWORKS[name](**params)


def parameter_count(config: NetworkConfig, features: int, outputs: int = 1, steps: int = 1) -> int:
    """Number of weights and biases, by formula.

    A recurrent layer of G gates and u units on n inputs has G u (n + u + 2), two biases a unit as torch keeps them;
    a dense one u (n + 1); attention over F factors F (F + 1), over steps F + 1.
    """
    units = config.units
    if not isinstance(config, Recurrent):
        sizes = [steps * features] + [units] * config.layers + [outputs]
        return sum(after * (before + 1) for before, after in zip(sizes[:-1], sizes[1:], strict=True))
    inputs = [features] + [units] * (config.layers - 1)
    count = sum(len(config.gates) * units * (before + units + 2) for before in inputs)
    if isinstance(config, AttentionGRU):
        count += (features if config.over == "factors" else 1) * (features + 1)
    sizes = [units] + [config.dense_units or units] * config.dense_layers + [outputs]
    return count + sum(after * (before + 1) for before, after in zip(sizes[:-1], sizes[1:], strict=True))


def build(
    config: NetworkConfig, features: int, *, outputs: int = 1, steps: int | None = None, seed: int = 1
) -> nn.Module:
    """A network with its first weights, from a generator of its own.

    Parameters
    ----------
    config : NetworkConfig
        Which network.
    features, outputs : int
        F; 1 for regression, the number of classes else.
    steps : int, optional
        L, which only ``mlp`` needs (1 without it); a recurrent network that is not given it reads any number.
    seed : int
        Of the first weights; the same seed gives the same bits.

    Returns
    -------
    torch.nn.Module
        From (S, L, F) float32 to (S, outputs); it keeps ``config``, ``features``, ``outputs`` and ``steps``.
    """
    from signals.neural import modules as network_modules

    return network_modules.build(config, features, outputs, steps, seed)
