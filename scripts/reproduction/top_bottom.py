"""Paper 3: recurrent networks that tell next month's best 30 % from its worst, in layers and in stock picking."""

from __future__ import annotations

from typing import Any

from reproduction import top_bottom_fit, top_bottom_layers, top_bottom_picks
from reproduction import top_bottom_published as published
from reproduction.paper import Facts, Paper, Step
from reproduction.results import claim, survives
from reproduction.study import PROTOCOLS, Study
from reproduction.top_bottom_problem import trainings

MAIN = "lstm"
"""The model of the paper's headline."""


def _conclusion(study: Study, facts: Facts) -> str:
    runs, rows, fits = facts["picks"]["runs"], facts["picks"]["rows"], facts["fit"]["all"]
    control = runs.get("linear")

    def of(found: dict[str, Any], name: str) -> list[Any]:
        return [(found.get(f"{MAIN}-{protocol}") or {}).get(name) for protocol in ("paper", "honest")]

    claims = [
        claim(
            f"excess return of {MAIN.upper()} a year over the CSI 500 with {top_bottom_picks.MAIN_EACH} stocks an "
            "industry (costs are in the honest one alone)",
            published.MODELS[MAIN][4], *of(rows, "excess_return"),
        ),  # fmt: skip
        claim(f"share of right answers of {MAIN.upper()}", published.ACCURACY[MAIN], *of(fits, "accuracy")),
        claim(f"area under the curve of {MAIN.upper()}", published.AUC[MAIN], *of(fits, "auc")),
    ]
    first = [protocol for protocol in PROTOCOLS if facts["fit"]["months"].get(f"{MAIN}-{protocol}", {}).get("mark")]
    if first:
        claims.append(f"The budget paid for the first stage's network alone, kept to the end: {' and '.join(first)}.")
    return survives(study, runs.get(MAIN), None if control is None else ("linear", control), claims)


PAPER = Paper(
    title="Paper 3: RNN, LSTM and GRU on tops and bottoms",
    source="循环神经网络选股模型, Huatai AI series 9, 2017",
    budget=4 * 3600.0,
    quick_budget=20.0,
    quick_data="synthetic:stocks=60,seed=3",
    steps=(
        Step("fit", "accuracy and AUC, learning curves, weights (charts 16 to 24)", top_bottom_fit.step),
        Step("layers", "layers (charts 26 to 33)", top_bottom_layers.step),
        Step("picks", "stock picking (charts 34 to 39)", top_bottom_picks.step),
    ),
    trainings=trainings,
    conclusion=_conclusion,
)
