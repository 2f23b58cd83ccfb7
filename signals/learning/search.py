"""Searches of hyper-parameters, all through one seam: a batch of candidates goes in, their validation losses come out.

A search is a function of the space, ``evaluate``, the number of trials and a seed that returns the best candidate; its
choice depends on nothing else, least of all on how many processes evaluate. :data:`SEARCHES` names them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from engine.errors import ConfigError, SignalError, nearest

Space = Mapping[str, Sequence[Any]]
Candidate = dict[str, Any]


class Evaluate(Protocol):
    """Losses of candidates on the window's validation samples, in their order; infinite for one that fails."""

    def __call__(self, candidates: Sequence[Candidate], budget: float = 1.0) -> list[float]:
        """``budget`` is the fraction of a full training that each may spend; results are cached."""


Search = Callable[[Space, Evaluate, int, int], Candidate]
"""search(space, evaluate, trials, seed) -> candidate."""

KEPT, LONGER, ROUNDS = 5, 12, 2
"""A round of ``halving`` leaves one point of five for a training twelve times as long; two rounds at most.

Short trainings tell good learning rates from bad ones, hardly the best point from a good one, and full ones are cut
short by early stopping: so the steps are long ones, and the last round has several points.
"""
TOGETHER = 4
"""Points that ``tpe`` draws before it learns their losses; as many processes are kept busy, however many there are."""
STALE = 10
"""Draws of ``tpe`` for each point that it may try: where it draws what it knows already, it comes to an end."""


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


def halving(space: Space, evaluate: Evaluate, trials: int, seed: int) -> Candidate:
    """Successive halving: every point is trained a little, the best twelve times as long, the last of them in full.

    As Jamieson and Talwalkar (2016) have it, with :data:`KEPT` and :data:`LONGER` in place of 2. A round trains anew:
    a point of the last round gets the training that the grid would give it.
    """
    points = all_of(space)
    rounds = min(ROUNDS, max(0, round(math.log(len(points), KEPT)) - 1))
    for left in range(rounds, 0, -1):
        losses = evaluate(points, LONGER**-left)
        least(points, losses)  # fails where every point has
        best = sorted(range(len(points)), key=lambda k: losses[k])[: len(points) // KEPT]
        points = [points[k] for k in sorted(best)]
    return best_of(points, evaluate)


def tpe(space: Space, evaluate: Evaluate, trials: int, seed: int) -> Candidate:
    """The best of ``trials`` different points, drawn by Optuna's tree of Parzen estimators near those that did well.

    Raises
    ------
    SignalError
        If Optuna is not installed.
    """
    search_versions("tpe")
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    axes = {name: _axis(optuna.distributions, values) for name, values in space.items()}
    trials = min(trials, math.prod(len(values) for values in space.values()))
    known: dict[tuple[int, ...], float] = {}
    for _ in range(STALE * trials):
        drawn = [study.ask(axes) for _ in range(min(TOGETHER, trials - len(known)))]
        if not drawn:
            break
        places = [tuple(one.params[name] for name in space) for one in drawn]
        new = [place for place in dict.fromkeys(places) if place not in known]
        known.update(zip(new, evaluate([_at(space, place) for place in new]), strict=True))
        for one, place in zip(drawn, places, strict=True):
            study.tell(one, known[place])
    return least([_at(space, place) for place in known], list(known.values()))


def best_of(points: Sequence[Candidate], evaluate: Evaluate) -> Candidate:
    """The candidate of least loss after a full training, see :func:`least`."""
    return least(points, evaluate(points))


def least(points: Sequence[Candidate], losses: Sequence[float]) -> Candidate:
    """The candidate of least loss, the first of equals.

    Raises
    ------
    SignalError
        If every one failed.
    """
    best = min(range(len(points)), key=lambda k: losses[k])
    if not math.isfinite(losses[best]):
        raise SignalError(f"none of {len(points)} candidates reached a finite validation loss; narrow the space")
    return points[best]


def _axis(distributions: Any, values: Sequence[Any]) -> Any:
    """Places of a parameter's values: numbers in order are drawn with their neighbours in mind, others each alone."""
    numeric = all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values)
    if numeric and list(values) in (sorted(values), sorted(values, reverse=True)):
        return distributions.IntDistribution(0, len(values) - 1)
    return distributions.CategoricalDistribution(range(len(values)))


def _at(space: Space, place: Sequence[int]) -> Candidate:
    return {name: values[k] for (name, values), k in zip(space.items(), place, strict=True)}


SEARCHES: dict[str, Search] = {"grid": grid, "random": random_search, "halving": halving, "tpe": tpe}
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


def search_versions(name: str) -> dict[str, str]:
    """Versions of the libraries that decide what a search finds, which belong to its key in the cache.

    Raises
    ------
    SignalError
        If one is not installed.
    """
    if name != "tpe":
        return {}
    try:
        return {"optuna": importlib.metadata.version("optuna")}
    except importlib.metadata.PackageNotFoundError:
        raise SignalError(
            "search 'tpe' needs optuna, which is not installed: pip install -r locks/torch-py311.txt; 'halving' and "
            "'random' do without"
        ) from None
