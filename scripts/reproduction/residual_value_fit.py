"""Paper 1's table 3 (factors), table 5 (fit) and check of validity."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.presentation import number, percent
from engine.tearsheet_tables import table
from reproduction.paper import Facts
from reproduction.residual_value_problem import Problem, problem_of
from reproduction.sections import SKIPPED, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

PUBLISHED_IC = {
    "pe": 0.089, "pb": 0.13, "ps": 0.096, "dp": 0.061, "rd": 0.1, "pcf": 0.096, "net_profit_to_total_revenue": 0.12,
    "gross_margin_q": 0.13, "roa_ttm": 0.14, "eps_basic": 0.13, "net_margin_q": 0.11, "roe_ttm": 0.13,
    "profit_g_q": 0.11, "sales_g_q": 0.11, "operating_profit_ttm": 0.13, "total_revenue_ttm": 0.12,
    "circulating_shares": 0.12, "turnover_1d": 0.17, "float_market_value": 0.13, "total_equity": 0.12,
}  # fmt: skip
"""Mean |Rank IC|, table 3."""

PUBLISHED_R2 = (0.94, 0.90)
"""On training and test months, table 5."""

PUBLISHED_VALIDITY = 0.82

DROPPED = ("net_margin_q", "roe_ttm", "eps_basic")
"""Candidates that the paper leaves out."""


def screening(study: Study, facts: Facts) -> Found:
    """Table 3: the mean |Rank IC| of the 20 candidates; entry at the same close (paper) or the next open (honest)."""
    from signals.factors.registry import select
    from signals.screening.market import history, screen_market
    from signals.screening.market import study as returns_of

    problem = problem_of(study)
    chosen = select(["paper-1"])
    market = study.market(problem.universe, problem.start, problem.end, lookback=history(chosen))
    study.say("table 3, screening 20 factors")
    columns: dict[str, dict[str, Any]] = {}
    for protocol, entry in (("paper", "close"), ("honest", "open")):
        held = returns_of(market, start=problem.start, end=problem.end, periods=(1,), entry=entry)
        frame = screen_market(market, chosen, held, criterion="mean-abs").table()
        columns[protocol] = frame.set_index("factor").to_dict("index")
    rows = []
    for name, published in PUBLISHED_IC.items():
        ours = [columns[p].get(name) for p in PROTOCOLS]
        titles = [one["name"] for one in ours if one]
        figures = [number(one["mean_abs_rank_ic"], 3) if one else "no data" for one in ours]
        honest = ours[1]
        more = ["", "", ""] if not honest else [
            number(honest["rank_ic"], 3), number(honest["t"], 1), percent(honest["coverage"], 0)
        ]  # fmt: skip
        kept = "dropped" if name in DROPPED else "kept"
        rows.append([f"{name} {titles[0] if titles else ''}".strip(), kept, number(published, 3), *figures, *more])
    noise = [one["noise"] for one in columns["honest"].values()]
    head = ["Factor", "In the paper", "Published", "Same close", "Next open", "Mean Rank IC", "t", "Coverage"]
    note = (
        "Mean |Rank IC| over month ends; mean, t (Newey-West) and coverage are of the next open. Noise alone gives a "
        f"mean |Rank IC| of {number(float(np.mean(noise)), 3)} in cross-sections of this size, which the paper's "
        "threshold of 0.05 hardly passes: the mean itself says more."
    )
    title = "Table 3: |Rank IC| of the candidates"
    return Found([Section(title, "", [table("Factors", head, rows, note=note, texts=2, kind="sides")])], {})


def fit(study: Study, facts: Facts) -> Found:
    """Table 5: R2 on training and later months; and the correlation of the score with the next return (5.1.2)."""
    problem = problem_of(study)
    months, begin = problem.table_5
    r2: dict[str, Any] = {}
    for p in PROTOCOLS:
        walked = study.walk(
            f"fit-{p}", "lstm-residual-value", p, universe=problem.universe, benchmark=problem.benchmark,
            start=begin, end=problem.end, window=months, refit="once", epochs=problem.epochs,
        )  # fmt: skip
        if walked is not None:
            from _train_table import fit_figures

            signal = next(iter(walked.walk.fitted.values()))
            r2[p] = {"train": fit_figures(signal)["train"], **walked.known.figures()}
    rows = [
        Row("R2 on the training months", _three, PUBLISHED_R2[0], *(_of(r2.get(p), "train") for p in PROTOCOLS)),
        Row("R2 on later months", _three, PUBLISHED_R2[1], *(_of(r2.get(p), "r2") for p in PROTOCOLS)),
        Row("R2 of today's value in its place", _three, None, *(_of(r2.get(p), "naive_r2") for p in PROTOCOLS)),
    ]
    validity = _validity(study, problem)
    checks = [
        Row("Mean Spearman, score and next return", _three, PUBLISHED_VALIDITY, *(validity[p] for p in PROTOCOLS))
    ]
    text = (
        f"Trained on {months} up to {begin}, judged on what came after. The logarithm of market value hardly moves in "
        "a month, so that today's value is itself a forecast of a high R2: only what lies above it is the model's."
    )
    why = (
        "Under the paper's procedure one model is fitted on the whole span and judged on the same months, as its 5.1.2 "
        "reads; honest is the walk-forward, each month scored by a model that ends before it."
    )
    sections = [
        Section("Table 5: fit of the model", text, [three_ways("R2 of log market value", rows)]),
        Section("5.1.2: is the score valid?", why, [three_ways("Check of validity", checks)]),
    ]
    return Found(sections, {"r2": r2, "validity": validity})


def _validity(study: Study, problem: Problem) -> dict[str, Any]:
    from signals.paper_checks import validity

    common: dict[str, Any] = {
        "universe": problem.universe, "benchmark": problem.benchmark, "end": problem.end, "epochs": problem.epochs,
    }
    walked = study.walk("static-2-honest", "lstm-residual-value", "honest", start=problem.start, **common)
    honest = SKIPPED if walked is None else validity(walked.market, walked.walk.scores)[0]
    return {"paper": _in_sample(study, problem, common), "honest": honest}


def _in_sample(study: Study, problem: Problem, common: dict[str, Any]) -> Any:
    """The same of one model fitted on the whole span, on the months that it was fitted on."""
    from _train_walk import market_of, signals_of

    from signals.paper_checks import validity
    from signals.protocols import hand_over

    if not study.pays("in-sample"):
        return SKIPPED
    name = "lstm-residual-value"
    signals = signals_of(name, {"window": "all", "epochs": problem.epochs}, "paper", None, 0)
    market, places = market_of(
        signals, study.data, problem.universe, problem.start, problem.end, problem.benchmark, protocol="paper"
    )
    with study.spending("in-sample"):
        study.say("training one model on the whole span, paper")
        fitted = hand_over(signals[name], market).fit(market.view(len(market.sessions) - 1))
        scores = {str(market.sessions[t]): fitted.predict(market.view(t)) for t in places}
    return validity(market, scores)[0]


def _of(found: dict[str, Any] | None, key: str) -> Any:
    return SKIPPED if found is None else found.get(key)


def _three(x: Any) -> str:
    return number(x, 3)
