"""The figures of a walk-forward as ``train.py`` prints them: one line a window, one for all decisions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

HEADS = {
    "rows": "rows", "held": "held", "epochs": "epochs", "train": "train", "validation": "valid",
    "decisions": "tested", "rank_ic": "Rank IC", "auc": "AUC", "accuracy": "right", "base_rate": "base",
    "precision": "best", "r2": "R2", "naive_r2": "naive R2", "seconds": "CPU s",
}  # fmt: skip
"""Figures of a line in their order, and their headings."""

FORMS = {
    "rows": ",.0f", "held": ",.0f", "epochs": "", "decisions": ".0f", "rank_ic": "+.4f", "auc": ".3f",
    "accuracy": ".1%", "base_rate": ".1%", "precision": ".1%", "r2": ".3f", "naive_r2": ".3f",
    "seconds": ".1f",
}  # fmt: skip


def lines(walk: Any, known: Any) -> list[dict[str, Any]]:
    """Figures of each window: what it was fitted on, how well it fits, what its scores came to."""
    from signals.learning.explain import windows

    return [
        {"fit": day, **fit_figures(signal), **known.figures(rows, best_of(signal))}
        for (day, signal), rows in zip(walk.fitted.items(), windows(walk, known).values(), strict=True)
    ]


def best_of(signal: Any) -> int:
    """How many stocks the precision counts: those that the label calls best, else ten."""
    return int(getattr(signal.label, "k", 10))


def fit_figures(signal: Any) -> dict[str, Any]:
    """Samples, epochs, and the score on training and validation samples: R2, or the share of right answers."""
    from signals.learning.figures import mean

    facts = signal.needs().facts
    models = [model.facts for _, _, model in signal.models()]
    of = "accuracy" if signal.classes else "r2"
    found = {"rows": facts["samples"], "held": facts["validation_samples"], "chosen": chosen(facts["chosen"])}
    for side in ("train", "validation"):
        found[side] = mean([one[side][of] for one in models if side in one])
    if any("epochs" in one for one in models):
        best, run = (mean([one[name] for one in models]) for name in ("best_epoch", "epochs"))
        found["epochs"] = f"{best:.0f} of {run:.0f}"
    return found


def chosen(candidate: Mapping[str, Any]) -> str:
    """What a search chose; of a search for each stock the most frequent choice."""
    if candidate and all(isinstance(one, Mapping) for one in candidate.values()):
        counts = Counter(_said(one) for one in candidate.values())
        most, many = counts.most_common(1)[0]
        return f"{most} ({many} of {len(candidate)} stocks)" if most else ""
    return _said(candidate)


def _said(candidate: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in candidate.items())


def show(results: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], signals: Mapping[str, Any]) -> None:
    """Print the windows of one signal, or several side by side."""
    from _data_sql import print_rows

    classes = bool(next(iter(signals.values())).classes)
    if len(results) == 1:
        rows = [*results[0]["windows"], {"fit": "all", **_overall(results[0])}]
        print_rows(*table(rows, "fit", classes), widest=90)
        return
    rows = [
        {"with": one["signal"], **_overall(one), "seconds": seconds[one["signal"]] if one["trained"] else None}
        for one in results
    ]
    print_rows(*table(rows, "with", classes))


def _overall(result: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of all decisions, beside means over the windows."""
    from signals.learning.figures import mean

    windows = result["windows"]
    means = {side: mean([one[side] for one in windows]) for side in ("train", "validation")}
    return {**means, **result["all"]}


def table(rows: Sequence[Mapping[str, Any]], first: str, classes: bool) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and texts of the columns that any row has; ``first`` names the column that says which row it is."""
    there = [name for name in HEADS if any(_is_known(row.get(name)) for row in rows)]
    score, kind = ("right", ".1%") if classes else ("R2", ".3f")
    heads = {**HEADS, "train": f"train {score}", "validation": f"valid {score}"}
    form = {**FORMS, "train": kind, "validation": kind}
    more = ["chosen"] if any(row.get("chosen") for row in rows) else []
    texts = [
        (str(row[first]), *(_text(row.get(name), form[name]) for name in there), *(row.get(name, "") for name in more))
        for row in rows
    ]
    return [first, *(heads[name] for name in there), *more], texts


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _text(value: Any, form: str) -> str:
    return format(value, form) if _is_known(value) else "-"


def meaning(signal: Any) -> list[str]:
    """What the columns are, in a few lines."""
    best = best_of(signal)
    if signal.classes:
        return [
            "right: share of stocks whose likeliest class is theirs; base: what answering the most frequent class "
            "always would reach;",
            f"best: share of the {best} highest scores that belong to the highest class; AUC: of that class",
        ]
    naive = "; naive R2: of the last known value in place of the prediction" if _levels(signal) else ""
    return [f"R2: of the label, over all stocks and tested decisions{naive}"]


def _levels(signal: Any) -> bool:
    return signal.label.name in ("market-value", "next-close")
