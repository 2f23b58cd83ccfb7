"""Searches of hyper-parameters, all through one seam: a batch of candidates goes in, their validation losses come out.

A search is a function of the space, ``evaluate``, the number of trials and a seed that returns the best candidate.
:data:`SEARCHES` names them; successive halving or Optuna's samplers are one more entry, see :class:`Evaluate`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from engine.errors import ConfigError, SignalError, nearest

Space = Mapping[str, Sequence[Any]]
Candidate = dict[str, Any]


class Evaluate(Protocol):
    """Losses of candidates on the window's validation samples, in their order; infinite for one that fails."""

    def __call__(self, candidates: Sequence[Candidate], budget: float = 1.0) -> list[float]:
        """``budget`` is the fraction of a full training (of its epochs) that each may spend; results are cached."""


Search = Callable[[Space, Evaluate, int, int], Candidate]
"""search(space, evaluate, trials, seed) -> candidate."""


def all_of(space: Space) -> list[Candidate]:
    """Every point of the grid, the last parameter changing fastest."""
    names = list(space)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*space.values())]


def grid(space: Space, evaluate: Evaluate, trials: int, seed: int) -> Candidate:
    """The best of all points."""
    return best_of(all_of(space), evaluate)


def random_search(space: Space, evaluate: Evaluate, trials: int, seed: int) -> Candidate:
    """The best of ``trials`` different points drawn at random."""
    points = all_of(space)
    drawn = np.random.default_rng([seed, len(points)]).permutation(len(points))[:trials]
    return best_of([points[k] for k in np.sort(drawn)], evaluate)


def best_of(points: Sequence[Candidate], evaluate: Evaluate) -> Candidate:
    """The candidate of least loss, the first of equals.

    Raises
    ------
    SignalError
        If every one failed.
    """
    losses = evaluate(points)
    best = min(range(len(points)), key=lambda k: losses[k])
    if not math.isfinite(losses[best]):
        raise SignalError(f"none of {len(points)} candidates reached a finite validation loss; narrow the space")
    return points[best]


SEARCHES: dict[str, Search] = {"grid": grid, "random": random_search}
"""Searches by the name that signals use."""


def search_of(name: str) -> Search:
    """A search by name.

    Raises
    ------
    ConfigError
    """
    if name not in SEARCHES:
        raise ConfigError(f"there is no search '{name}'; {nearest(name, [*SEARCHES, 'none'])}")
    return SEARCHES[name]
