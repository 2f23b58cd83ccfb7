"""One trainer for every network: in-memory arrays, batches by index, the best weights kept.

The order of rows, dropout masks and first weights come from generators of the training's own, and one thread does the
sums: the same arrays, configuration and precision give the same bits on one machine. Import it only where torch is
there.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ConfigError, SignalError
from signals.neural.checks import (
    check_same_network,
    check_validation_counts,
    checked_labels,
    checked_rows,
    checked_samples,
    class_weights,
    split_rows,
)
from signals.neural.configs import TrainingConfig
from signals.neural.devices import WORTH, faster_precision, find_device, repeatable
from signals.neural.learning_curves import LearningCurves, WeightRecord
from signals.neural.modules import Dropout, Network
from signals.neural.networks import NetworkConfig, build
from signals.neural.optimizers import Optimizer
from signals.neural.results import DivergenceError, Progress, Trained

EVALUATED = 1024
"""Rows at a time on the way to a validation loss."""


def train(
    network: NetworkConfig | nn.Module, config: TrainingConfig, x: np.ndarray, y: np.ndarray, **more: Any
) -> Trained:
    """Train a network to its end; arguments and errors as for :class:`Training`."""
    return Training(network, config, x, y, **more).run().result()


class Training:
    """A training that can be run a few epochs at a time, and goes on as if it had not stopped.

    Parameters
    ----------
    network : NetworkConfig or torch.nn.Module
        What to train; a module of the user's own is copied, begins with its weights and maps (S, L, F) to (S,), (S, 1)
        or (S, C).
    config : TrainingConfig
        How.
    x : ndarray (S, L, F) float32
        Samples x steps x features, all finite.
    y : ndarray (S,)
        Numbers, or classes 0..C-1.
    train, validation : ndarray of int, optional
        Rows to learn from and to validate on; without them :func:`signals.neural.checks.split_rows` parts all rows.
    times : ndarray (S,), optional
        When each row was decided, for a split by time.
    start : torch.nn.Module or mapping of tensors, optional
        Weights to begin with (a warm start); the optimizer begins afresh.
    window : str
        The caller's name for the sample, for messages.
    progress : callable, optional
        Called with a :class:`Progress` after each epoch; the training ends if it returns True.
    probes : Path, optional
        Folder that keeps the answers of precision probes for other processes.

    Raises
    ------
    ConfigError
        If options do not go with the network or the machine.
    SignalError
        If arrays have the wrong shape or hold values that are not finite, a class is unknown or alone, no row is left
        to train or to validate on, or the weights to begin with are of another network.
    """

    def __init__(
        self,
        network: NetworkConfig | nn.Module,
        config: TrainingConfig,
        x: np.ndarray,
        y: np.ndarray,
        *,
        train: np.ndarray | None = None,
        validation: np.ndarray | None = None,
        times: np.ndarray | None = None,
        start: nn.Module | Mapping[str, Tensor] | None = None,
        window: str = "",
        progress: Callable[[Progress], Any] | None = None,
        probes: Path | None = None,
    ) -> None:
        self.config, self._progress = config, progress
        self._named = f" of window '{window}'" if window else ""
        x = checked_samples(x, self._named)
        self._classes, labels = checked_labels(y, len(x), config, self._named)
        if train is None:
            if validation is not None:
                raise SignalError("validation rows are given without rows to train on; give both or neither")
            train, validation = split_rows(len(x), config, times, window)
        self.train = checked_rows(train, len(x), "train on", self._named)
        self.validation = checked_rows(() if validation is None else validation, len(x), "validate on", self._named)
        weights = class_weights(labels[self.train], self._classes, config, self._named)
        check_validation_counts(labels[self.validation], weights, self._named)

        self.device = find_device(config.device)
        self._weights = None if weights is None else torch.from_numpy(weights).to(self.device)
        self.model = self._make(network, x.shape)
        self._foreign = not isinstance(self.model, Network)
        if start is not None:
            given = dict(start.state_dict() if isinstance(start, nn.Module) else start)
            check_same_network(given, self.model.state_dict())
            self.model.load_state_dict(given)
        self.record = self._recorder()
        seeds = [int(seed) for seed in np.random.SeedSequence(config.seed).generate_state(3)]
        self._order = torch.Generator().manual_seed(seeds[0])
        self._masks = torch.Generator(self.device).manual_seed(seeds[1])
        self._seed = seeds[2]
        self.model.to(self.device)
        for module in self.model.modules():
            if isinstance(module, Dropout):
                module.generator = self._masks
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")  # read only here
            self._x = torch.from_numpy(x).to(self.device)
            self._y = torch.from_numpy(labels).to(self.device)
        self._train = torch.from_numpy(self.train).to(self.device)
        self._validation = torch.from_numpy(self.validation).to(self.device)
        self._optimizer = Optimizer([p for p in self.model.parameters() if p.requires_grad], config)
        self.curves = LearningCurves()
        self.iterations, self.best_epoch, self.stopped = 0, 0, ""
        self._best: dict[str, Tensor] = {}
        self._least = float("inf")
        self.precision = self._choose_precision(network, probes)

    # -- running ------------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Self:
        """Go on to the end, or until ``until`` epochs have been run in all.

        Raises
        ------
        DivergenceError
            If a loss is not finite; the sentence names window, epoch and learning rate.
        """
        last = self.config.epochs if until is None else min(until, self.config.epochs)
        with repeatable(self.device):
            if self.record is not None and not self.record.iterations:
                self.record.add(0, self.model)
            while not self.stopped and len(self.curves) < last:
                with self._own_randomness(len(self.curves)):
                    values = (*self._epoch(), *self._validate())
                self._note(values)
        return self

    def result(self) -> Trained:
        """What has been learnt so far, apart from the training: going on does not change it."""
        model = self._copied()
        if self._best:
            model.load_state_dict(self._best)
        return Trained(
            model=model.cpu().eval(),
            curves=self.curves,
            best_epoch=self.best_epoch,
            stopped=self.stopped,
            precision=self.precision,
            device=self.device.type,
            iterations=self.iterations,
            record=copy.deepcopy(self.record),
            train=self.train,
            validation=self.validation,
        )

    def _epoch(self) -> tuple[float, float]:
        """One pass over the training rows, or so many drawn batches: mean loss and share of right answers."""
        config, model, x, y = self.config, self.model.train(), self._x, self._y
        half, every, classes = self.precision == "bfloat16", config.record_every, self._classes
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        hits = torch.zeros((), dtype=torch.int64, device=self.device)
        count = 0
        for rows in self._batches():
            count += len(rows)
            labels = y.index_select(0, rows)
            out = self._forward(x.index_select(0, rows), half)
            loss = self._loss(out, labels)
            self._optimizer.clear()
            loss.backward()
            self._optimizer.step()
            total.add_(loss.detach(), alpha=len(rows))
            if classes:
                hits.add_((out.detach().argmax(1) == labels).sum())
            self.iterations += 1
            if every and self.iterations % every == 0 and self.record is not None:
                self.record.add(self.iterations, model)
        return total.item() / count, hits.item() / count if classes else float("nan")

    def _batches(self) -> Iterator[Tensor]:
        """The rows of an epoch's batches: every row once, or each batch drawn anew."""
        size, count = self.config.batch, len(self._train)
        if not self.config.batches:
            order = self._train[torch.randperm(count, generator=self._order).to(self.device)]
            yield from order.split(size)
        for _ in range(self.config.batches):
            yield self._train[torch.randperm(count, generator=self._order)[:size].to(self.device)]

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        if not len(self._validation):
            return float("nan"), float("nan")
        self.model.eval()
        half, total, parts, hits = self.precision == "bfloat16", 0.0, 0.0, 0
        for rows in self._validation.split(EVALUATED):
            labels = self._y.index_select(0, rows)
            out = self._forward(self._x.index_select(0, rows), half)
            total += self._loss(out, labels, "sum").item()
            parts += len(rows) if self._weights is None else self._weights[labels].sum().item()
            hits += int((out.argmax(1) == labels).sum()) if self._classes else 0
        return total / parts, hits / len(self._validation) if self._classes else float("nan")

    def _note(self, values: tuple[float, ...]) -> None:
        """Take an epoch's figures: curves, best weights, whether to stop."""
        epoch, validated = len(self.curves) + 1, len(self.validation) > 0
        if not np.isfinite(values[0]) or (validated and not np.isfinite(values[2])):
            which = "training" if not np.isfinite(values[0]) else "validation"
            raise DivergenceError(
                f"training{self._named} diverged in epoch {epoch} at learning rate {self.config.learning_rate:g}: "
                f"the {which} loss is not finite; lower learning_rate or set clip"
            )
        self.curves = self.curves.with_epoch(*values)
        if not validated:
            self.best_epoch = epoch
        elif values[2] < self._least - self.config.min_delta or epoch == 1:
            self._least, self.best_epoch = values[2], epoch
            self._best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        told = Progress(epoch, self.config.epochs, values[0], values[2], self.best_epoch)
        wished = self._progress is not None and self._progress(told) is True
        if validated and self.config.patience is not None and epoch - self.best_epoch >= self.config.patience:
            self.stopped = "patience"
        elif epoch == self.config.epochs:
            self.stopped = "epochs"
        elif wished:
            self.stopped = "progress"

    def _forward(self, x: Tensor, half: bool) -> Tensor:
        if half:
            with torch.autocast(self.device.type, torch.bfloat16):
                out = self.model(x)
            out = out.float()
        else:
            out = self.model(x)
        if self._classes:
            if out.shape != (len(x), self._classes):
                raise SignalError(f"the network answers {tuple(out.shape)} to {len(x)} rows of {self._classes} classes")
            return out  # type: ignore[no-any-return]
        if out.shape not in ((len(x), 1), (len(x),)):
            raise SignalError(f"the network answers {tuple(out.shape)} to {len(x)} rows; one number each is needed")
        return out.reshape(-1)  # type: ignore[no-any-return]

    def _loss(self, out: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        if self._classes:
            if self._weights is None:
                return functional.cross_entropy(out, labels, reduction=reduction)
            total = functional.cross_entropy(out, labels, weight=self._weights, reduction="sum")
            # A batch of nothing but classes of weight 0 has the loss 0, not 0/0.
            return total if reduction == "sum" else total / self._weights[labels].sum().clamp(min=1e-12)
        if self.config.loss == "huber":
            return functional.huber_loss(out, labels, reduction=reduction, delta=self.config.huber_delta)
        return functional.mse_loss(out, labels, reduction=reduction)

    @contextmanager
    def _own_randomness(self, epoch: int) -> Iterator[None]:
        """Modules of others draw from torch's global generator: seeded inside, as it was outside."""
        if not self._foreign:
            yield
            return
        with torch.random.fork_rng(devices=[0] if self.device.type == "cuda" else []):
            torch.manual_seed(self._seed + epoch)
            yield

    # -- parts ---------------------------------------------------------------------------------------

    def _make(self, network: NetworkConfig | nn.Module, shape: tuple[int, ...]) -> nn.Module:
        if isinstance(network, nn.Module):
            return copy.deepcopy(network)
        outputs = self._classes or 1
        return build(network, shape[2], outputs=outputs, steps=shape[1], seed=self.config.seed)

    def _recorder(self) -> WeightRecord | None:
        if not self.config.record_every:
            return None
        if not isinstance(self.model, Network):
            raise ConfigError("record_every goes with our own networks, not with a module of yours")
        if self.config.record_layers > self.model.config.layers:
            raise ConfigError(
                f"record_layers = {self.config.record_layers}, but the network has layers = {self.model.config.layers}"
            )
        return WeightRecord(self.config.record_layers, self.config.record_every)

    def _copied(self) -> nn.Module:
        """The network apart from the training; generators cannot be copied."""
        drops = [module for module in self.model.modules() if isinstance(module, Dropout)]
        for module in drops:
            module.generator = None
        self.model.zero_grad(set_to_none=True)
        model = copy.deepcopy(self.model)
        for module in drops:
            module.generator = self._masks
        return model

    def _choose_precision(self, network: NetworkConfig | nn.Module, probes: Path | None) -> str:
        config = self.config
        steps = (config.batches or -(-len(self._train) // config.batch)) * config.epochs
        if config.precision != "auto" or steps < WORTH:
            return "float32" if config.precision == "auto" else config.precision
        trial = Trial(self)
        case = {
            "network": repr(network),
            "sizes": [min(config.batch, len(self._train)), *self._x.shape[1:], self._classes],
        }
        with repeatable(self.device), torch.random.fork_rng(devices=[0] if self.device.type == "cuda" else []):
            return faster_precision(trial.step, self.device, case, probes)


class Trial:
    """A step on a copy of the network, for the precision probe."""

    def __init__(self, training: Training) -> None:
        self._training = copy.copy(training)
        self._training.model = training._copied().train()
        rows = training._train[: training.config.batch]
        self._x, self._y = training._x.index_select(0, rows), training._y.index_select(0, rows)

    def step(self, half: bool) -> None:
        """Forward and backward."""
        training = self._training
        training._loss(training._forward(self._x, half), self._y).backward()
