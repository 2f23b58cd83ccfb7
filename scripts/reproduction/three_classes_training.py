"""Paper 4's figures of the training: curves, what the random split adds to the accuracy, input weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from engine.comparison_charts import BENCHMARK, COLOURS
from engine.presentation import known, number, percent
from engine.tearsheet_charts import GRID, axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction.paper import Facts
from reproduction.sections import SKIPPED, Chart, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study
from reproduction.three_classes_problem import Problem, main_width, problem_of

LABELS = {"paper": "paper's procedure (LEAKS)", "honest": "honest"}
_rate = partial(percent, digits=1)
_signed = partial(percent, digits=1, sign=True)


def training(study: Study, facts: Facts) -> Found:
    """The loss and accuracy curves, and held-out accuracy under both splits."""
    problem, width = problem_of(study), main_width(study)
    main = {p: facts[f"{width}-{p}"] for p in PROTOCOLS}
    narrow = {p: facts[f"narrow-{p}"] for p in PROTOCOLS}
    long = {p: facts[f"long-{p}"] for p in PROTOCOLS}
    rows = _accuracies(main, f"2 x {problem.units[width]}", published=True)
    if width != "narrow":
        rows += _accuracies(narrow, f"2 x {problem.units['narrow']}")
    curve_section = Section(
        "Loss and accuracy by iteration",
        f"Two layers of {problem.units[width]} on 24 months. The paper's procedure: {problem.drawn} random batches of "
        f"1,000, the held-out tenth looked at after every {problem.batches}. Honest: the same batches until "
        f"{problem.patience} looks in a row bring no better held-out loss; the best weights are kept under both.",
        [three_ways("In the sample, held out, and out of sample", rows, _note(main))],
        [
            *_curves(main, problem.batches, "iteration", "loss", "Loss"),
            *_curves(main, problem.batches, "iteration", "accuracy", "Accuracy"),
        ],
    )
    return Found([curve_section, _leak(main, long, problem)], {"main": width})


def _accuracies(found: Any, which: str, published: bool = False) -> list[Row]:
    def of(side: str, key: str) -> list[Any]:
        return [found[p][side][key] if found[p] else SKIPPED for p in PROTOCOLS]

    held = "85% to 90%" if published else None
    return [
        Row(f"{which}: accuracy in the sample", _rate, held, *of("train", "accuracy")),
        Row(f"{which}: the most frequent class in the sample", _rate, None, *of("train", "base_rate")),
        Row(f"{which}: accuracy held out", _rate, held, *of("validation", "accuracy")),
        Row(f"{which}: the most frequent class held out", _rate, None, *of("validation", "base_rate")),
        Row(f"{which}: accuracy out of sample", _rate, "above 50%" if published else None, *of("figures", "accuracy")),
        Row(f"{which}: the most frequent class out of sample", _rate, None, *of("figures", "base_rate")),
        Row(f"{which}: batches until the kept weights, and in all", str, "100, 100" if published else None,
            *(_batches(found[p]) for p in PROTOCOLS)),
    ]  # fmt: skip


def _batches(one: Any) -> str:
    if not one:
        return SKIPPED
    per = one["iterations"] // one["epochs"]
    return f"{one['best_epoch'] * per}, {one['iterations']}"


def _note(main: Any) -> str:
    told = [
        f"{LABELS[p]}: {one['samples']:,} to learn from, {one['held']:,} held out" for p, one in main.items() if one
    ]
    return f"Samples, {'; '.join(told)} (published: over 180,000 in all)." if told else ""


def _curves(found: Any, per: int, unit: str, what: str, title: str) -> list[Chart]:
    data = []
    for k, p in enumerate(PROTOCOLS):
        one = found[p]
        if not one:
            continue
        for side, dash in (("train", "solid"), ("validation", "dot")):
            values = np.array(one["curves"][f"{side}_{what}"], dtype=float)
            label = f"{LABELS[p]}, {'learnt' if side == 'train' else 'held out'}"
            x: Any = [per * (e + 1) for e in range(len(values))]
            form = "%{y:.1%}" if what == "accuracy" else "%{y:.4f}"
            data.append(line(x, values, label, COLOURS[k], "y", hover=form, line={"dash": dash}))
    if not data:
        return []
    left = axis((0, 1), title, ".0%" if what == "accuracy" else ".2f")
    layout = layout_of(xaxis={"title": {"text": unit, "font": {"size": 12}}, "gridcolor": GRID}, yaxis=left)
    layout["margin"] = {"l": 56, "r": 16, "t": 8, "b": 44}
    return [Chart(f"{title} by {unit}", {"data": data, "layout": layout})]


def _leak(main: Any, long: Any, problem: Problem) -> Section:
    """Held-out accuracy less that of the most frequent class, under both splits."""
    def edge(one: Any) -> Any:
        return one["validation"]["accuracy"] - one["validation"]["base_rate"] if one else SKIPPED

    def end(one: Any, side: str) -> Any:
        return one["curves"][f"{side}_accuracy"][-1] if one else SKIPPED

    def beyond(one: Any) -> Any:
        return one["figures"]["accuracy"] - one["figures"]["base_rate"] if one else SKIPPED

    passes = f"{problem.passes} passes over all samples"
    rows = [
        Row("Held-out accuracy above the most frequent class", _signed, None, *(edge(main[p]) for p in PROTOCOLS)),
        Row("Out-of-sample accuracy above the same", _signed, None, *(beyond(main[p]) for p in PROTOCOLS)),
        Row(f"2 x {problem.units['narrow']}, {passes}: accuracy on what is learnt", _rate, None,
            *(end(long[p], "train") for p in PROTOCOLS)),
        Row(f"2 x {problem.units['narrow']}, {passes}: held-out accuracy", _rate, None,
            *(end(long[p], "validation") for p in PROTOCOLS)),
        Row(f"2 x {problem.units['narrow']}, {passes}: out of sample", _rate, None,
            *(long[p]["figures"]["accuracy"] if long[p] else SKIPPED for p in PROTOCOLS)),
    ]  # fmt: skip
    text = (
        "Samples of neighbouring months share 23 of their 24 months, and stocks of one month share its rise or fall, "
        "so a sample "
        "held out at random has near-copies among those learnt from. Held out by time it has none. " + _verdict(main)
    )
    return Section(
        "How much of the accuracy the random split makes", text, [three_ways("Held out at random, and by time", rows)],
        _curves(long, 1, "pass", "accuracy", "Accuracy of the long training"),
    )  # fmt: skip


def _verdict(main: Any) -> str:
    if not all(main[p] for p in PROTOCOLS):
        return ""
    by = {p: main[p]["validation"]["accuracy"] for p in PROTOCOLS}
    later = main["paper"]["figures"]["accuracy"]
    return (
        f"So trained, the network is right on {_rate(by['paper'])} of the samples held out at random and on "
        f"{_rate(by['honest'])} of those held out by time; on the months after the fit the one trained by the paper's "
        f"procedure is right on {_rate(later)}."
    )


# -- out of sample -----------------------------------------------------------------------------------


def outside(study: Study, facts: Facts) -> Found:
    """Accuracy by month after the fit, beside that of the most frequent class."""
    main = {p: facts[f"{facts['training']['main']}-{p}"] for p in PROTOCOLS}
    there = next((one for one in main.values() if one), None)
    if there is None:
        return Found([Section("Accuracy by month out of sample", "Skipped: the budget paid for no training.")])
    rows = [
        Row(day[:7], _rate, None, *(main[p]["accuracy"][k] if main[p] else SKIPPED for p in PROTOCOLS))
        for k, day in enumerate(there["days"])
    ]
    whole = (main[p]["figures"]["accuracy"] if main[p] else SKIPPED for p in PROTOCOLS)
    rows.append(Row("All months", _rate, "above 50%", *whole))
    rows.append(Row("Most frequent class, all months", _rate, None, *[there["figures"]["base_rate"]] * 2))
    data = [
        line(main[p]["days"], np.array(main[p]["accuracy"]), LABELS[p], COLOURS[k], "y", hover="%{y:.1%}")
        for k, p in enumerate(PROTOCOLS) if main[p]
    ]  # fmt: skip
    data.append(line(there["days"], np.array(there["base_rate"]), "Most frequent class of the month", BENCHMARK, "y",
                     hover="%{y:.1%}", line={"dash": "dot"}))  # fmt: skip
    layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=axis((0, 1), "Accuracy", ".0%"))
    down, flat, up = (_rate(x) for x in there["classes"])
    section = Section(
        "Accuracy by month out of sample",
        f"Of these stocks and months {down} fell by more than 3%, {flat} stayed between, {up} rose by more. The most "
        "frequent class of a month is known only afterwards; that of all months is the fairer yardstick.",
        [three_ways("Accuracy by month of the decision", rows)],
        [Chart("Accuracy by month", {"data": data, "layout": layout})],
    )
    return Found([section])


# -- inside ------------------------------------------------------------------------------------------


def inside(study: Study, facts: Facts) -> Found:
    """Distributions of input weights and biases by iteration, and contributions of the factors."""
    main = {p: facts[f"{facts['training']['main']}-{p}"] for p in PROTOCOLS}
    charts, tables = [], []
    for p, one in main.items():
        for what in ("weights", "biases") if one else ():
            drawn = one["charts"][what]
            title = f"Input {what} of the first layer ({one['gate']} gate) by iteration, {LABELS[p]}"
            charts.append(Chart(title, {"data": drawn["data"], "layout": drawn["layout"]}))
    text = (
        "The paper shows that the distributions settle early, and reads the sum of |input weight| as a factor's "
        "contribution. Its chart of contributions is a picture without numbers, so only ours stand here. "
    )
    shown = main["honest"] or main["paper"]
    if shown:
        from signals.learning.explain_charts import bars

        drawn = bars(_with_chinese(shown["contribution"]), ".2%")
        title = f"Contribution: share in the sum of |input weight|, {LABELS['honest' if main['honest'] else 'paper']}"
        charts.append(Chart(title, {"data": drawn["data"], "layout": drawn["layout"]}))
        tables.append(_styles(main))
        text += _kept_from_start(shown)
    return Found([Section("Inside the network: input weights and contributions", text, tables, charts)])


def _with_chinese(shares: dict[str, float]) -> dict[str, float]:
    from signals.factors.registry import select

    chinese = {one.name: one.chinese for one in select(tuple(shares))}
    return {f"{name} {chinese[name]}": share for name, share in shares.items()}


def _styles(main: Any) -> Table:
    from signals.factors.papers import STYLES

    rows = []
    for style, names in STYLES.items():
        cells = []
        for p in PROTOCOLS:
            held = main[p]["contribution"] if main[p] else {}
            shares = [held[name] for name in names if name in held]
            text = _rate(sum(shares)) if shares else "no factor" if held else SKIPPED
            cells += [text, percent(float(np.mean(shares)), 2) if shares else ""]
        rows.append([style, str(len(names)), *cells])
    head = ["Style group", "Factors", "By the paper's procedure (LEAKS)", "a factor", "Honest", "a factor"]
    note = "Sums over the group, and means over its factors that the data have."
    return table("Contribution by style group", head, rows, note=note)


def _kept_from_start(one: Any) -> str:
    """How far the contributions are those of the first, random weights."""
    from signals.learning.figures import spearman

    first, last = np.array(one["first"]), np.array(one["last"])
    same = spearman(first, last)
    if not known(same):
        return ""
    spread = float(last.max() / last.min())
    return (
        f"The largest sum is {number(spread, 2)} times the smallest, and the order of the factors at the end has a "
        f"rank correlation of {number(same, 2)} with that of the random weights before the first batch."
    )
