"""Paper 4: one training, and what it leaves for the tables: curves, accuracies by month, weights by iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reproduction.paper import Facts
from reproduction.sections import Found
from reproduction.study import Study
from reproduction.three_classes_problem import problem_of

if TYPE_CHECKING:
    from _train_walk import Walked

CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")


def walk(study: Study, facts: Facts, *, width: str, protocol: str, long: bool = False) -> Found:
    """Train one network once, and score the months after; no facts where the budget does not pay."""
    problem = problem_of(study)
    training = f"{'long' if long else width}-{protocol}"
    walked = study.walk(
        training, "three-class-rnn", protocol, universe=problem.universe, start=problem.start, end=problem.end,
        **problem.signal(width, protocol, long),
    )  # fmt: skip
    if walked is None:
        return Found([], {})
    return Found([], {**_figures(walked), **_inside(walked)})


def _figures(walked: Walked) -> dict[str, Any]:
    """Accuracies beside base rates: in the sample, on what was held out, and month by month out of sample."""
    known = walked.known
    some = np.flatnonzero((np.isfinite(known.score) & np.isfinite(known.actual)).any(axis=1))
    months = [known.figures(np.array([d])) for d in some]
    (signal,) = walked.walk.fitted.values()
    facts = signal.needs().facts
    model = signal.models()[0][2].facts
    actual = known.actual[some]
    return {
        "figures": known.figures(),
        "days": [str(day) for day in known.days[some]],
        "accuracy": [one["accuracy"] for one in months],
        "base_rate": [one["base_rate"] for one in months],
        "classes": [float(np.mean(actual[np.isfinite(actual)] == one)) for one in known.classes],
        "samples": facts["samples"],
        "held": facts["validation_samples"],
        "train": model["train"],
        "validation": model["validation"],
        "epochs": model["epochs"],
        "best_epoch": model["best_epoch"],
        "iterations": model["iterations"],
        "missing": list(signal.left_out),
        "factors": list(signal.factors),
    }


def _inside(walked: Walked) -> dict[str, Any]:
    """Curves, contributions, and the input weights as they went."""
    from signals.learning.explain import Inside
    from signals.learning.explain_charts import distribution
    from signals.neural import explain as networks

    ((day, signal),) = walked.walk.fitted.items()
    curves = networks.curves(signal)
    found: dict[str, Any] = {
        "curves": {name: curves[name].tolist() for name in CURVES},
        "contribution": networks.contributions(signal),
    }
    name, record, gates = networks.record(signal)
    if not record:
        return found
    one = Inside(day, tuple(signal.needs().facts["features"]), recorded=name, record=record, gates=gates)
    found["charts"] = {what: distribution(one, f"{what}_0", 0) for what in ("weights", "biases")}
    found["gate"] = gates[0]
    found["first"], found["last"] = (_sums(record["weights_0"][k]) for k in (0, -1))
    return found


def _sums(weights: np.ndarray) -> list[float]:
    """Sum of |weight| of each input over gates (G) and units (H) of (G, H, inputs)."""
    return np.abs(weights.astype(np.float64)).sum(axis=(0, 1)).tolist()  # type: ignore[no-any-return]
