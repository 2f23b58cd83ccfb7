"""The torch modules of the networks, and their first weights. Import it only where torch is there."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from signals.neural.devices import one_thread
from signals.neural.networks import MLP, AttentionGRU, NetworkConfig, Recurrent

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


class Dropout(nn.Module):
    """Dropout whose masks come from a generator that the trainer sets, not from torch's global one."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0.0:
            return x
        kept = 1.0 - self.share
        return x * torch.empty_like(x).bernoulli_(kept, generator=self.generator).div_(kept)


class Attention(nn.Module):
    """Softmax weights over the factors of a step, or over the steps, from a linear score of the inputs."""

    def __init__(self, features: int, over: str, rescale: bool) -> None:
        super().__init__()
        self.over, self.rescale = over, rescale
        self.score = nn.Linear(features, features if over == "factors" else 1)

    def weights(self, x: Tensor) -> Tensor:
        """Weights (S, L, F) whose sum over the factors is 1, or (S, L, 1) whose sum over the steps is 1."""
        return torch.softmax(self.score(x).float(), dim=-1 if self.over == "factors" else -2)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.weights(x)
        if self.rescale:
            weights = weights * x.shape[-1 if self.over == "factors" else -2]
        return x * weights


class Network(nn.Module):
    """Base of the built networks: knows its sizes and its first layers' input weights."""

    def __init__(self, config: NetworkConfig, features: int, outputs: int, steps: int | None) -> None:
        super().__init__()
        self.config, self.features, self.outputs, self.steps = config, features, outputs, steps

    def input_weights(self, layer: int = 0) -> tuple[Tensor, Tensor]:
        """Input weights (G gates, H units, inputs) and biases (G, H) of a hidden layer.

        The two biases of a recurrent gate are summed, but for the GRU's state gate, where only the input's counts.
        """
        raise NotImplementedError


class RecurrentNetwork(Network):
    """Recurrent layers, dense layers, head."""

    def __init__(self, config: Recurrent, features: int, outputs: int, steps: int | None) -> None:
        super().__init__(config, features, outputs, steps)
        gru = isinstance(config, AttentionGRU)
        self.attention = Attention(features, config.over, config.rescale) if isinstance(config, AttentionGRU) else None
        sizes = [features] + [config.units] * config.layers
        cells: list[nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            if config.name == "rnn":
                kind = str(getattr(config, "activation", "tanh"))
                cells.append(nn.RNN(before, after, nonlinearity=kind, batch_first=True))
            else:
                cells.append((nn.GRU if gru or config.name == "gru" else nn.LSTM)(before, after, batch_first=True))
        self.cells = nn.ModuleList(cells)
        self.dropout = Dropout(config.dropout)
        sizes = [config.units] + [config.dense_units or config.units] * config.dense_layers
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.activation = ACTIVATIONS[config.dense_activation]()
        self.head = nn.Linear(sizes[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.attention is not None:
            x = self.attention(x)
        last = len(self.cells) - 1
        for number, cell in enumerate(self.cells):
            x, _ = cell(x)
            x = self.dropout(x[:, -1] if number == last else x)  # only the last step goes on from the last layer
        for layer in self.dense:
            x = self.dropout(self.activation(layer(x)))
        return self.head(x)  # type: ignore[no-any-return]

    def input_weights(self, layer: int = 0) -> tuple[Tensor, Tensor]:
        gates, units, cell = len(self.config.gates), self.config.units, cast(Any, self.cells[layer])
        bias, other = cell.bias_ih_l0.view(gates, units), cell.bias_hh_l0.view(gates, units)
        if isinstance(cell, nn.GRU):
            other = torch.cat([other[:2], torch.zeros_like(other[2:])])
        return cell.weight_ih_l0.view(gates, units, -1), bias + other


class DenseNetwork(Network):
    """Dense layers and head on the steps side by side."""

    def __init__(self, config: MLP, features: int, outputs: int, steps: int | None) -> None:
        super().__init__(config, features, outputs, steps)
        sizes = [(steps or 1) * features] + [config.units] * config.layers
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.activation = ACTIVATIONS[config.activation]()
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(config.units, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for layer in self.dense:
            x = self.dropout(self.activation(layer(x)))
        return self.head(x)  # type: ignore[no-any-return]

    def input_weights(self, layer: int = 0) -> tuple[Tensor, Tensor]:
        dense = cast(nn.Linear, self.dense[layer])
        return dense.weight[None], dense.bias[None]


def build(config: NetworkConfig, features: int, outputs: int, steps: int | None, seed: int) -> Network:
    """See :func:`signals.neural.networks.build`."""
    # torch's own first weights draw from its global generator, which is put back as it was. (The way around them, a
    # module on the "meta" device, imports seconds of other things.)
    with one_thread(), torch.random.fork_rng(devices=[]):
        if isinstance(config, Recurrent):
            made: Network = RecurrentNetwork(config, features, outputs, steps)
        else:
            assert isinstance(config, MLP)
            made = DenseNetwork(config, features, outputs, steps or 1)
        initialise(made, config.initialisation, torch.Generator().manual_seed(seed))
    return made


@torch.no_grad()
def initialise(model: nn.Module, how: str, generator: torch.Generator) -> None:
    """Give a network its first weights, see :data:`signals.neural.networks.Initialisation`."""
    for module in model.modules():
        if isinstance(module, nn.RNNBase | nn.Linear):
            for name, values in module.named_parameters(recurse=False):
                _first(module, name, values, how, generator)


def _first(module: nn.Module, name: str, values: Tensor, how: str, generator: torch.Generator) -> None:
    if how == "torch":
        wide: Any = module.in_features if isinstance(module, nn.Linear) else module.hidden_size
        edge = float(wide) ** -0.5
        nn.init.uniform_(values, -edge, edge, generator=generator)
    elif "bias" in name:
        nn.init.zeros_(values)
        if isinstance(module, nn.LSTM) and "_ih" in name:
            values[module.hidden_size : 2 * module.hidden_size] = 1.0
    elif "_hh" in name:
        nn.init.orthogonal_(values, generator=generator)
    elif how == "uniform":
        nn.init.uniform_(values, -0.05, 0.05, generator=generator)
    elif how == "normal":
        nn.init.normal_(values, 0.0, 0.05, generator=generator)
    else:
        nn.init.xavier_uniform_(values, generator=generator)
