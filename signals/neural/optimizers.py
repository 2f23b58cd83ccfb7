"""Adam, RMSProp and SGD on lists of tensors.

The formulas are those of ``torch.optim``, which is not used because its first call imports three CPU seconds of
compiler: more than a small network takes to train, and once more in every worker process.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from signals.neural.configs import TrainingConfig

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's, as published; the same epsilon keeps RMSProp's division finite."""
DECAY = 0.9
"""RMSProp's, as Keras has it; torch's own default is 0.99."""


class Optimizer:
    """Moves parameters against their gradients.

    Parameters
    ----------
    params : sequence of Tensor
        What moves.
    config : TrainingConfig
        ``optimizer``, ``learning_rate``, ``momentum``, ``weight_decay``, ``clip``.
    """

    def __init__(self, params: Sequence[Tensor], config: TrainingConfig) -> None:
        self._params = list(params)
        self._config = config
        self._move = {"adam": self._adam, "rmsprop": self._rmsprop, "sgd": self._sgd}[config.optimizer]
        self._steps = 0
        self._means = [torch.zeros_like(p) for p in self._params]
        self._squares = [torch.zeros_like(p) for p in self._params] if config.optimizer != "sgd" else []

    def clear(self) -> None:
        """Forget the gradients."""
        for param in self._params:
            param.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Clip the gradients to ``clip``, add the weight decay, move."""
        config, params = self._config, self._params
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        if config.clip is not None:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, torch.clamp(config.clip / (norm + 1e-6), max=1.0))
        if config.weight_decay:
            gradients = list(torch._foreach_add(gradients, params, alpha=config.weight_decay))
        self._steps += 1
        self._move(gradients)

    def _adam(self, gradients: list[Tensor]) -> None:
        means, squares, steps = self._means, self._squares, self._steps
        torch._foreach_lerp_(means, gradients, 1.0 - BETA1)
        torch._foreach_mul_(squares, BETA2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - BETA2)
        scales = torch._foreach_sqrt(squares)
        torch._foreach_div_(scales, (1.0 - BETA2**steps) ** 0.5)
        torch._foreach_add_(scales, EPSILON)
        torch._foreach_addcdiv_(self._params, means, scales, -self._config.learning_rate / (1.0 - BETA1**steps))

    def _rmsprop(self, gradients: list[Tensor]) -> None:
        torch._foreach_mul_(self._squares, DECAY)
        torch._foreach_addcmul_(self._squares, gradients, gradients, 1.0 - DECAY)
        scales = torch._foreach_sqrt(self._squares)
        torch._foreach_add_(scales, EPSILON)
        torch._foreach_addcdiv_(self._params, gradients, scales, -self._config.learning_rate)

    def _sgd(self, gradients: list[Tensor]) -> None:
        if self._config.momentum:
            torch._foreach_mul_(self._means, self._config.momentum)
            torch._foreach_add_(self._means, gradients)
            gradients = self._means
        torch._foreach_add_(self._params, gradients, alpha=-self._config.learning_rate)
