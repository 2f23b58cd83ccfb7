"""Paper 5: one network over its rolling windows, and what it leaves for the tables: figures, components, attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reproduction.attention_problem import Problem, problem_of
from reproduction.paper import Facts
from reproduction.sections import Found
from reproduction.study import Study

if TYPE_CHECKING:
    from _train_walk import Walked

LEADING = 5
"""Factors that are named of a component."""


def walk(study: Study, facts: Facts, *, cell: str, protocol: str, early: bool = False) -> Found:
    """Train a network window by window and keep what its scores came to; no facts where the budget does not pay."""
    problem = problem_of(study)
    training = f"{'early' if early else cell}-{protocol}"
    start, end = problem.early if early else (problem.start, problem.end)
    walked = study.walk(
        training, "attention-gru", protocol, universe=problem.universe, start=start, end=end, cell=cell,
        **problem.params,
    )  # fmt: skip
    if walked is None:
        return Found([], {})
    found = _figures(walked, problem.hold)
    # What an earlier attempt has trained takes no time now: the models trained now speak for all.
    trained = walked.walk.trained
    found["seconds"] = walked.cpu_seconds * found["fits"] / trained if trained else None
    if cell == "attention-gru" and not early:
        found |= _inside(walked, problem)
    return Found([], found)


def _figures(walked: Walked, k: int) -> dict[str, Any]:
    """What the scores came to in all and by month, and how well the windows were fitted."""
    known = walked.known
    counts = (np.isfinite(known.score) & np.isfinite(known.actual)).sum(axis=1)
    some = np.flatnonzero(counts)
    months = [known.figures(np.array([d]), k) for d in some]
    pairs = list(zip(months, counts[some].tolist(), strict=True))
    fits = [signal.needs().facts for signal in walked.walk.fitted.values()]
    models = [model.facts for signal in walked.walk.fitted.values() for _, _, model in signal.models()]
    return {
        "figures": {
            **known.figures(k=k),
            "naming": float(np.mean([naming(one["precision"], k, n) for one, n in pairs])),
            "chance": float(np.mean(k / counts[some])),
        },
        "days": [str(day) for day in known.days[some]],
        "auc": [one["auc"] for one in months],
        "precision": [one["precision"] for one in months],
        "fits": len(fits),
        "rows": [one["samples"] for one in fits],
        "train": float(np.mean([one["train"]["accuracy"] for one in models])),
        "validation": float(np.mean([one["validation"]["accuracy"] for one in models])),
        "epochs": float(np.mean([one["epochs"] for one in models])),
    }


def naming(precision: float, k: int, stocks: int) -> float:
    """Accuracy of answering 1 for ``k`` stocks and 0 for the others, where ``k`` of them are 1.

    Each wrong name is two errors: of 50 stocks and 10 named 4 rightly, 50 - 2 x 6 answers are right, 76 %.
    """
    return 1.0 - 2.0 * k * (1.0 - precision) / stocks


def _inside(walked: Walked, problem: Problem) -> dict[str, Any]:
    """The components of each window, those of the paper's one sample, and where attention lay."""
    from signals.learning.explain import windows
    from signals.learning.samples import take_samples
    from signals.neural.explain import attention

    fitted = list(walked.walk.fitted.values())
    states = [one.preprocessing().states[-1] for one in fitted]
    days: list[str] = []
    weights: list[list[float]] = []
    names: tuple[str, ...] = ()
    for (day, rows), signal in zip(windows(walked.walk, walked.known).items(), fitted, strict=True):
        places = np.searchsorted(walked.market.sessions, walked.known.days[rows]).tolist()
        looked = attention(signal, walked.market, places)
        assert looked is not None, f"the attention-GRU of {day} has attention"
        names = max(names, looked[0], key=len)
        days += [str(one) for one in walked.known.days[rows]]
        weights += looked[1].tolist()
    view = walked.market.view(len(walked.market.sessions) - 1)
    samples = take_samples(view, tuple(fitted[-1].factors), fitted[-1].decisions)
    sample = samples[int(np.searchsorted(samples.dates, np.datetime64(problem.first))) :]
    whole = fitted[-1].chain().fit(sample.values, sample.context)
    last = fitted[-1].preprocessing()
    inputs = last.chain.steps[1].factors_after(last.factors, last.states[1])
    return {
        "shares": [state["share"].tolist() for state in states],
        "components": [len(state["share"]) for state in states],
        "whole": whole.states[-1]["share"].tolist(),
        "leading": [_leading(row, inputs) for row in states[-1]["loadings"][:6]],
        "attended": list(names),
        "attention_days": days,
        "attention": weights,
        "factors": len(fitted[-1].factors),
        "kept": len(inputs),
        "missing": list(fitted[-1].left_out),
    }


def _leading(loadings: np.ndarray, names: tuple[str, ...]) -> list[tuple[str, float]]:
    order = np.argsort(-np.abs(loadings), kind="stable")[:LEADING]
    return [(names[k], float(loadings[k])) for k in order]
