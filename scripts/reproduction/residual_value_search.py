"""Paper 1's tables 9, 11 and 13: static sets, parameters searched in each window, number of holdings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.presentation import number, percent
from engine.tearsheet_tables import Table, table
from reproduction.paper import Facts
from reproduction.residual_value_problem import Problem, problem_of, search_name
from reproduction.results import curves, figure, figures_of
from reproduction.sections import SKIPPED, Found, Row, Section, three_ways
from reproduction.study import PROTOCOLS, Study

if TYPE_CHECKING:
    from engine.market import Market
    from signals.lstm_residual_value import LstmResidualValue

PUBLISHED_STATIC = {1: (0.79, 0.1106, 0.6780), 2: (0.82, 0.1418, 0.6347), 3: (0.78, 0.1079, 0.6891)}
"""Score of cross-validation, annual return and drawdown by set, table 9."""

PUBLISHED_SEARCHED = (0.80, 0.1483, 0.5960)
"""The same with the parameters searched, table 11."""

PUBLISHED_HOLDS = {5: (0.1520, 0.7151), 10: (0.0942, 0.6799), 30: (0.1069, 0.6324), 50: (0.1483, 0.5960)}
"""Annual return and drawdown by number of stocks, table 13."""

PUBLISHED_FINAL = (0.1678, 0.6463)
"""Five stocks, 20 months of training: the paper's conclusion."""


def static_sets(study: Study, facts: Facts) -> Found:
    """Table 9."""
    problem = problem_of(study)
    rows: list[Row] = []
    for k, published in PUBLISHED_STATIC.items():
        runs, scores = {}, {}
        for p in PROTOCOLS:
            signal = {"name": "lstm-residual-value", "epochs": problem.epochs} | ({"static": k} if k != 2 else {})
            runs[p] = study.backtest(f"static-{k}-{p}", p, **problem.run(p, problem.hold, signal=signal))
            scores[p] = _validation(study, problem, p, signal) if runs[p] is not None else SKIPPED
        rows += _three_rows(f"Set {k}", published, scores, {p: figures_of(runs[p]) for p in PROTOCOLS})
    text = "Sets of table 8: batch, layers, units, learning rate; 2 is the default of the signal."
    note = "The score of cross-validation is the mean R2 on each window's validation samples."
    return Found([Section("Table 9: static parameter sets", text, [three_ways("Three sets", rows, note)])], {})


def rolling(study: Study, facts: Facts) -> Found:
    """Table 11: searched in each window, with the full grid beside the cheaper search where the budget pays for it."""
    problem = problem_of(study)
    runs, scores, searched, tables = {}, {}, {}, []
    for p in PROTOCOLS:
        study.say(f"table 11, searching windows, {p}")
        signal, chosen = _searched(study, problem, p, 12)
        searched[p] = chosen
        runs[p] = study.backtest(None, p, **problem.run(p, problem.hold, signal=signal)) if chosen else None
        scores[p] = _validation(study, problem, p, signal) if chosen else SKIPPED
        tables.append(_windows(study, problem, p, chosen))
    found = {p: figures_of(runs[p]) for p in PROTOCOLS}
    rows = _three_rows("Searched", PUBLISHED_SEARCHED, scores, found)
    rows += [
        Row(f"Set 2: {label}", write, published, *(_main(facts, p, key) for p in PROTOCOLS))
        for label, key, write, published in (
            ("annual return", "annual_return", percent, PUBLISHED_STATIC[2][1]),
            ("max drawdown", "max_drawdown", percent, -PUBLISHED_STATIC[2][2]),
        )
    ]  # fmt: skip
    counts = {p: f"{len(searched[p])} of {problem.windows}" for p in PROTOCOLS}
    note = (
        f"Windows searched: {counts['paper']} (paper's procedure), {counts['honest']} (honest); the others keep set 2. "
        "Halving trains every point with a small share of the epochs and only the best in full."
    )
    sections = [
        Section("Table 11: static or searched in each window", "", [three_ways("Searching", rows, note), *tables],
                [curves("Net value", {"Searched, paper's procedure (LEAKS)": runs["paper"], "Searched, honest":
                                      runs["honest"]})]),
    ]  # fmt: skip
    return Found(sections, {"runs": found, "searched": searched})


def holdings(study: Study, facts: Facts) -> Found:
    """Table 13, and the paper's final model."""
    problem = problem_of(study)
    rows: list[Row] = []
    for asked, hold in problem.holds:
        found = {}
        for p in PROTOCOLS:
            signal = _signal(problem, facts["rolling"]["searched"][p])
            training = None if facts["rolling"]["searched"][p] else f"static-2-{p}"
            found[p] = figures_of(study.backtest(training, p, **problem.run(p, hold, signal=signal)))
        label = f"{asked} stocks" if asked == hold else f"{asked} stocks (here {hold})"
        rows += _two_rows(label, PUBLISHED_HOLDS[asked], found)
    final, searched = {}, {}
    for p in PROTOCOLS:
        signal, searched[p] = _searched(study, problem, p, 20)
        training = None if searched[p] else f"twenty-{p}"
        final[p] = figures_of(study.backtest(training, p, **problem.run(p, 5, signal=signal | {"window": "20M"})))
    rows += _two_rows("5 stocks, 20 months of training", PUBLISHED_FINAL, final)
    note = (
        "Signals are those of table 11. The last model's windows of 20 months were searched in "
        f"{len(searched['paper'])} (paper's procedure) and {len(searched['honest'])} (honest) of {problem.windows} "
        "cases; the others keep set 2."
    )
    return Found(
        [Section("Table 13: number of holdings, and the final model", "", [three_ways("Holdings", rows, note)])],
        {"final": final},
    )


# -- searching ---------------------------------------------------------------------------------------


def _signal(problem: Problem, searches: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": "lstm-residual-value", "epochs": problem.epochs, "searched": problem.searched}
    return made | {"searches": dict(searches)} if searches else made


def _searched(study: Study, problem: Problem, protocol: str, months: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Search the windows that the budget pays for; the signal with them, and the search of each date of a fit."""
    market, fits = _fits(study, problem)
    searches: dict[str, str] = {}
    for t in fits:
        day = str(market.sessions[t])
        for kind in ("grid", "halving"):
            training = search_name(kind, protocol, months, day[:7])
            if not study.pays(training):
                continue
            signal = _own(study, market, _signal(problem, {day: kind}) | {"window": f"{months}M"}, protocol)
            _fit(study, training, signal, market, t)
            searches.setdefault(day, kind)
    return _signal(problem, searches), searches


def _fits(study: Study, problem: Problem) -> tuple[Market, list[int]]:
    """The market as a backtest opens it, and the sessions of the fits."""
    from engine import plugins
    from engine.config import PluginConfig
    from signals.learning.samples import decisions_of

    longest: Any = plugins.build("signal", PluginConfig(name="lstm-residual-value", params={"window": "20M"}))
    market = study.market(
        problem.universe, problem.start, problem.end, lookback=longest.lookback, benchmark=problem.benchmark
    )
    places = decisions_of(market, "3M")
    last = max(np.datetime64(month, "M") for month in problem.months)
    return market, [
        int(t) for t in places
        if str(market.sessions[t]) >= problem.start and market.sessions[t].astype("datetime64[M]") <= last
    ]  # fmt: skip


def _own(study: Study, market: Market, signal: Mapping[str, Any], protocol: str) -> LstmResidualValue:
    from engine import plugins
    from engine.config import PluginConfig
    from signals.protocols import hand_over

    params = {key: value for key, value in signal.items() if key != "name"} | {"protocol": protocol}
    built: Any = plugins.build("signal", PluginConfig(name=str(signal["name"]), params=params))
    return hand_over(built, market) if protocol == "paper" else built  # type: ignore[no-any-return]


def _fit(study: Study, training: str | None, signal: LstmResidualValue, market: Market, t: int) -> LstmResidualValue:
    with study.spending(training):
        return signal.fit(market.view(t))


def _validation(study: Study, problem: Problem, protocol: str, signal: Mapping[str, Any]) -> float:
    """Mean over windows of R2 on the validation samples; every model is there already."""
    from _train_table import fit_figures

    from signals.learning.figures import mean

    market, fits = _fits(study, problem)
    own = _own(study, market, signal, protocol)
    return mean([fit_figures(_fit(study, None, own, market, t))["validation"] for t in fits])


def _windows(study: Study, problem: Problem, protocol: str, searches: Mapping[str, str]) -> Table:
    """What each searched window chose; where the whole grid was trained, how far from its best halving ended."""
    from _train_table import fit_figures

    market, fits = _fits(study, problem)
    rows = []
    for t in fits:
        day = str(market.sessions[t])
        if day not in searches:
            continue
        found = {}
        for kind in ("grid", "halving"):
            if study.pays(search_name(kind, protocol, 12, day[:7])):
                own = _own(study, market, _signal(problem, {day: kind}), protocol)
                fitted = _fit(study, None, own, market, t)
                found[kind] = (fit_figures(fitted)["chosen"], fit_figures(fitted)["validation"])
        cells = [found.get(kind, ("", None)) for kind in ("grid", "halving")]
        rows.append([day, *(text for one in cells for text in (one[0], "" if one[1] is None else number(one[1], 4)))])
    head = ["Fit", "Full grid chose", "R2", "Halving chose", "R2"]
    of = "paper's procedure" if protocol == "paper" else "honest"
    skipped = [month for month in problem.months if not any(day.startswith(month) for day in searches)]
    note = f"Not searched for want of budget: {', '.join(skipped) or 'none'}."
    return table(f"Searched windows, {of}", head, rows, note=note, texts=2, kind="sides")


# -- rows --------------------------------------------------------------------------------------------


def _main(facts: Facts, protocol: str, key: str) -> Any:
    return figure(facts["main"]["lstm"][protocol], key)


def _two_rows(label: str, published: tuple[float, float], found: Mapping[str, Any]) -> list[Row]:
    return [
        Row(f"{label}: annual return", percent, published[0], *(figure(found[p], "annual_return") for p in PROTOCOLS)),
        Row(f"{label}: max drawdown", percent, -published[1], *(figure(found[p], "max_drawdown") for p in PROTOCOLS)),
    ]


def _three_rows(
    label: str, published: tuple[float, float, float], scores: Mapping[str, Any], found: Mapping[str, Any]
) -> list[Row]:
    ours = (scores[p] for p in PROTOCOLS)
    score = Row(f"{label}: score of cross-validation", lambda x: number(x, 3), published[0], *ours)
    return [score, *_two_rows(label, published[1:], found)]
