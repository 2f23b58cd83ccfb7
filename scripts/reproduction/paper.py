"""What a paper's module declares, and the papers by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError, nearest

if TYPE_CHECKING:
    from reproduction.budget import Training
    from reproduction.sections import Found
    from reproduction.study import Study

Facts = Mapping[str, Mapping[str, Any]]
"""What the steps found, by name."""


@dataclass(frozen=True)
class Step:
    """A part of a report that is kept when it is done.

    Attributes
    ----------
    name : str
        Name of its file.
    what : str
        For the reader of the progress.
    run : callable
        Given the study and what earlier steps found.
    """

    name: str
    what: str
    run: Callable[[Study, Facts], Found]


@dataclass(frozen=True)
class Paper:
    """A paper's report.

    Attributes
    ----------
    title : str
        Of the report.
    source : str
        The paper.
    budget, quick_budget : float
        CPU seconds for training where none are asked for.
    quick_data : str
        The synthetic market of ``--quick``.
    steps : tuple of Step
    trainings : callable
        All that the study would train, the most important first.
    conclusion : callable
        The paragraph at the head, from what the steps found.
    """

    title: str
    source: str
    budget: float
    quick_budget: float
    quick_data: str
    steps: tuple[Step, ...]
    trainings: Callable[[Study], list[Training]]
    conclusion: Callable[[Study, Facts], str]


MODULES = {
    "lstm-residual-value": "residual_value",
    "lstm-price": "price_forecast",
    "top-bottom": "top_bottom",
    "three-class": "three_classes",
    "attention-gru": "attention",
}
"""Module of each paper's report, by name."""


def paper_of(name: str) -> Paper:
    """The report of a paper.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in MODULES:
        raise ConfigError(f"there is no report of a paper '{name}'; {nearest(name, MODULES)}")
    found: Paper = importlib.import_module(f"reproduction.{MODULES[name]}").PAPER
    return found
