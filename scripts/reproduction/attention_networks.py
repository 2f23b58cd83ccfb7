"""Paper 5's Tables 1 and 2: principal components and attention over them, the four networks side by side."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from engine.comparison_charts import BENCHMARK, COLOURS
from engine.presentation import number, percent
from engine.tearsheet_charts import GRID, axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction.attention_problem import CELLS, NAMES, named
from reproduction.paper import Facts
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

TABLE_1 = (0.210972, 0.148613, 0.091765, 0.071063, 0.054442, 0.03962)
"""Contribution of the first six components."""
COMPONENTS = 24
"""Components that reach about 90 %."""

TABLE_2 = {
    "rnn": (0.9536, 10.2027), "lstm": (0.9815, 36.1919), "gru": (0.9876, 28.9503), "attention-gru": (0.9973, 24.8736),
}  # fmt: skip
"""Accuracy, and training time in seconds."""

MAIN = "attention-gru"
_rate = partial(percent, digits=1)
_exact = partial(number, digits=3)


def components(study: Study, facts: Facts) -> Found:
    """Table 1: what the components contribute, what they are made of, and how attention weighs them."""
    paper, honest = (facts[f"{MAIN}-{p}"] for p in PROTOCOLS)
    rows = [
        Row(f"F{k + 1}, contribution", _exact, share, _of(paper, "whole", k), _mean(honest, k))
        for k, share in enumerate(TABLE_1)
    ]
    for k, share in list(enumerate(np.cumsum(TABLE_1).tolist()))[1:]:
        rows.append(Row(f"F1 to F{k + 1}, cumulative", _exact, share, _sum(paper, "whole", k), _mean_sum(honest, k)))
    rows.append(
        Row("Components to 90%", partial(number, digits=1), COMPONENTS,
            len(paper["whole"]) if paper else SKIPPED,
            float(np.mean(honest["components"])) if honest else SKIPPED)
    )  # fmt: skip
    tables = [three_ways(
        "Table 1: contribution of the components", rows,
        "By the paper's procedure: one fit on the whole sample, later months included. Honest: fitted in each window "
        "on the months before it; means over the windows.",
    )]  # fmt: skip
    charts = []
    shown = honest or paper
    if shown:
        tables.append(_made_of(shown["leading"]))
        charts.append(_attention(shown, "honest" if honest else "paper's procedure (LEAKS)"))
    text = (
        "Factors are standardised month by month, those known for fewer than half of the stocks and months are left "
        "out, and the others are brought down to the components that hold 90% of their variance. Attention gives each "
        "component a weight by a softmax for each stock and month."
    )
    return Found([Section("Table 1: principal components, and attention over them", text, tables, charts)])


def _of(found: Any, key: str, k: int) -> Any:
    return (found[key][k] if k < len(found[key]) else None) if found else SKIPPED


def _sum(found: Any, key: str, k: int) -> Any:
    return (float(np.sum(found[key][: k + 1])) if k < len(found[key]) else None) if found else SKIPPED


def _mean(found: Any, k: int) -> Any:
    return float(np.mean([row[k] for row in found["shares"] if k < len(row)])) if found else SKIPPED


def _mean_sum(found: Any, k: int) -> Any:
    return float(np.mean([np.sum(row[: k + 1]) for row in found["shares"]])) if found else SKIPPED


def _made_of(leading: list[list[tuple[str, float]]]) -> Table:
    from signals.factors.registry import select

    rows = []
    for k, row in enumerate(leading):
        chinese = {one.name: one.chinese for one in select(tuple(name for name, _ in row))}
        words = [f"{name} {chinese[name]} {loading:+.2f}" for name, loading in row]
        rows.append([f"F{k + 1}", "; ".join(words)])
    note = "Largest loadings in the last window. The sign of a component is free: the largest loading is made positive."
    head = ["Component", "Factors and loadings"]
    return table("What the first components are made of", head, rows, texts=2, note=note, kind="sides")


def _attention(found: Any, which: str) -> Chart:
    from signals.learning.explain_charts import attention_map

    names, weights = found["attended"], found["attention"]
    wide = np.full((len(weights), len(names)), np.nan)
    for row, values in zip(wide, weights, strict=True):
        row[: len(values)] = values
    even = 1.0 / np.mean([len(values) for values in weights])
    mapped = attention_map([day[:7] for day in found["attention_days"]], names, wide)
    mapped["layout"]["xaxis"]["type"] = "category"
    note = f"Means over the stocks, {which}; equal attention would be {percent(even, 1)} each."
    return Chart("Attention on each component by month", {"data": mapped["data"], "layout": mapped["layout"]}, note)


# -- the networks ------------------------------------------------------------------------------------


def networks(study: Study, facts: Facts) -> Found:
    """Table 2: accuracy and training time, and what accuracy hides where one answer is right in four cases of five."""
    held = {(cell, p): facts[f"{cell}-{p}"] for cell in CELLS for p in PROTOCOLS}
    rows = [
        Row(f"{NAMES[cell]}: accuracy out of sample", percent, TABLE_2[cell][0],
            *(_figure(held[cell, p], "accuracy") for p in PROTOCOLS))
        for cell in CELLS
    ]  # fmt: skip
    always = (_figure(held[MAIN, p], "base_rate") for p in PROTOCOLS)
    rows.append(Row("Answering 'not among the ten' always", percent, 0.8, *always))
    rows += [
        Row(f"{NAMES[cell]}: training time, CPU s", partial(number, digits=1), TABLE_2[cell][1],
            *(held[cell, p]["seconds"] if held[cell, p] else SKIPPED for p in PROTOCOLS))
        for cell in CELLS
    ]  # fmt: skip
    fits = next((one["fits"] for one in held.values() if one), 0)
    note = (
        f"Training time: of all {fits} windows here, with components and scores; what the paper's time is of is not "
        "told. Its accuracies are those of 10 labels of 50, so that 80.00% needs no network."
    )
    sections = [
        Section(
            "Table 2: four networks side by side",
            "The paper judges by accuracy. With ten of fifty labelled 1 that says little: AUC and the precision of the "
            "ten chosen say whether the right stocks are found, and the accuracy of naming exactly ten is held beside "
            "it. Not all that lies between the two protocols is a leak: who holds out samples at random learns from "
            "the latest months, and who holds out the last tenth of the months does not.",
            [three_ways("Table 2: accuracy and training time", rows, note), _beside(held)],
            _by_month(held),
        )
    ]
    early = {p: facts[f"early-{p}"] for p in PROTOCOLS}
    sections.append(_rolling(held, early))
    kept = {f"{cell}-{p}": one["figures"] for (cell, p), one in held.items() if one}
    return Found(sections, kept)


def _figure(found: Any, key: str) -> Any:
    return found["figures"][key] if found else SKIPPED


def _beside(held: Any) -> Table:
    rows = []
    for p in PROTOCOLS:
        for cell in CELLS:
            one = held[cell, p]
            label = named(cell, p)
            if not one:
                rows.append([label, *[SKIPPED] * 9])
                continue
            of = one["figures"]
            rows.append([
                label, _rate(of["base_rate"]), _rate(of["accuracy"]), _rate(of["naming"]), _exact(of["auc"]),
                _rate(of["precision"]), _exact(of["rank_ic"]), _rate(one["train"]), _rate(one["validation"]),
                number(one["epochs"], 0),
            ])  # fmt: skip
    chance = next((one["figures"]["chance"] for one in held.values() if one), None)
    head = ["", "Base rate", "Accuracy", "Naming ten", "AUC", "Precision", "Rank IC", "In sample", "Held out", "Epochs"]
    note = (
        f"Out of sample but for the last three columns. By chance: precision {_rate(chance)}, AUC 0.5. Naming ten: "
        "accuracy if the ten highest scores are answered 1. In sample, held out: accuracy of the likelier class."
    )
    return table("What the accuracy hides", head, rows, note=note)


def _by_month(held: Any) -> list[Chart]:
    data = []
    for k, (p, label) in enumerate((("paper", "paper's procedure (LEAKS)"), ("honest", "honest"))):
        one = held[MAIN, p]
        if one:
            data.append(line(one["days"], np.array(one["precision"]), label, COLOURS[k], "y", hover="%{y:.0%}"))
    if not data:
        return []
    one = next(one for one in (held[MAIN, p] for p in PROTOCOLS) if one)
    chance = np.full(len(one["days"]), one["figures"]["chance"])
    data.append(line(one["days"], chance, "Chance", BENCHMARK, "y", hover="%{y:.0%}", line={"dash": "dot"}))
    left = axis((0, 1), "Share", ".0%") | {"rangemode": "tozero"}
    layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=left)
    title = f"{NAMES[MAIN]}: share of the ten chosen that were among the ten best, by month of the decision"
    return [Chart(title, {"data": data, "layout": layout})]


def _rolling(held: Any, early: Any) -> Section:
    """The rolling prediction before the backtest's span, month t + 1 from the months before."""
    rows = []
    for label, key, write in (
        ("accuracy", "accuracy", percent), ("base rate", "base_rate", percent), ("AUC", "auc", _exact),
        ("precision of ten", "precision", percent), ("Rank IC", "rank_ic", _exact),
    ):  # fmt: skip
        rows.append(Row(f"Before: {label}", write, None, *(_figure(early[p], key) for p in PROTOCOLS)))
        now = (_figure(held[MAIN, p], key) for p in PROTOCOLS)
        rows.append(Row(f"In the backtest's span: {label}", write, None, *now))
    told = next(((one["days"][0][:7], one["days"][-1][:7]) for one in early.values() if one), None)
    span = f", {told[0]} to {told[1]}" if told else ""
    return Section(
        f"Rolling prediction before the backtest{span}",
        "The paper predicts month t + 1 from months 1 to t, t = 2, 3, 4 ...; its Table 2 may hold all of them. "
        f"{NAMES[MAIN]} on the earlier months, by the same walk.",
        [three_ways("Earlier months beside those of the backtest", rows)],
    )
