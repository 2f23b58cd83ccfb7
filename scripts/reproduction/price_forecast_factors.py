"""Paper 2's choice of factors: single-factor tests (its table 3.1.3.1), correlations, the seven that remain."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.measures import alpha, annual_return, information_ratio
from engine.presentation import number, percent
from engine.tearsheet_tables import Table, table
from reproduction.paper import Facts
from reproduction.price_forecast_problem import Problem, problem_of
from reproduction.sections import Chart, Found, Row, Section, three_ways
from reproduction.study import Study

if TYPE_CHECKING:
    from engine.market import Market
    from signals.factors.registry import Factor
    from signals.screen import Screening
    from signals.screening.evaluation import Evaluation

PUBLISHED = {
    "pe": (0.038, 0.8299, 0.0521), "pb": (0.025, 0.7634, 0.0437), "ps": (0.037, 0.8745, 0.0863),
    "net_assets": (0.028, 0.9107, 0.0561), "turnover_1d": (-0.023, 0.6201, 0.0429),
    "float_market_value": (0.009, 0.7923, 0.0328),
}  # fmt: skip
"""Alpha, information ratio and annual return, table 3.1.3.1."""

KEPT = {
    "ps": "value", "net_assets": "value", "current_liabilities": "basic", "kurtosis_20": "risk",
    "skewness_20": "risk", "wvad_6": "sentiment", "roe_end_q": "quality",
}  # fmt: skip
"""The seven that remain, by class: the table behind chart 3.1.3.3."""

REMOVED = ("revenue_ttm", "total_assets", "volume_std_20", "operating_to_total_profit", "fixed_asset_turnover")
"""Those that chart 3.1.3.3 still has and the text takes out for their correlations."""

ALIKE = (("pe", "pb"), ("pe", "ps"), ("pb", "ps"))
"""Pairs that the text calls highly correlated (chart 3.1.3.2)."""

FIGURES = (("alpha", "alpha", percent), ("information_ratio", "information ratio", number),
           ("annual_return", "annual return", percent))  # fmt: skip

SHARE = 0.2


def single_tests(study: Study, facts: Facts) -> Found:
    """Table 3.1.3.1, the other classes, the two heat maps and the last cut."""
    from signals.factors.registry import select
    from signals.screening.market import history

    problem = problem_of(study)
    chosen = select(["paper-2"])
    market = study.market(problem.universe, problem.start, problem.end, lookback=history(chosen))
    study.say(f"tests of {len(chosen)} factors")
    found = laboratory(market, problem, chosen)
    pace = _pace(market, problem)
    drawn = {name: top_quintile(one, pace) for name, one in found.everything.evaluations.items()}
    earned = _engine_runs(study, problem, list(PUBLISHED if study.quick else drawn))
    sections = [
        Section(
            "Table 3.1.3.1: single-factor tests",
            "The fifth of the universe with the largest values of a factor, in equal weights. By the paper's "
            "procedure as Alphalens has it: cleaned factors, new weights every day at the close whose factor is "
            "known only afterwards, no costs, alpha and information ratio against the mean of the universe. Honest: "
            "monthly through the engine, raw factors, filled at the next open, dated fees, alpha and information "
            "ratio against the CSI 300 total return.",
            [_value_class(found, drawn, earned), _other_classes(found, drawn, earned), _without_data(found)],
        ),
        *_correlations(found),
    ]  # fmt: skip
    return Found(sections, {"missing": dict(found.unavailable)})


def laboratory(market: Market, problem: Problem, chosen: Sequence[Factor]) -> Screening:
    """All factors that the data have, cleaned as the paper cleans them, against the returns from close to close."""
    from signals.factors.panel import FactorPanel
    from signals.preprocess import PAPERS, Chain, context_of
    from signals.screen import screen
    from signals.screening.market import factor_values, study

    held = study(market, schedule="daily", start=problem.start, end=problem.end, periods=(1,), entry="close")
    panel = FactorPanel(market, held.rows, tail=1)
    missing = {one.name: ", ".join(one.missing(panel)) for one in chosen}
    there = [one for one in chosen if not missing[one.name]]
    kept = factor_values(market, there, held.rows, schedule=f"daily from {held.dates[0]}")
    chain = Chain(*PAPERS["paper-2"])

    def cleaned(name: str) -> np.ndarray:
        values, context = kept[name], context_of(market, held.rows, (name,))
        if name == "float_market_value":  # of itself nothing remains
            return values
        made = chain.fit(values, context).apply(values, context)
        return made if made.ndim == 2 else made[:, :, 0]

    return screen(
        {one.name: functools.partial(cleaned, one.name) for one in there}, held.targets, held.dates,
        families=paper_classes(), titles={one.name: one.chinese for one in there},
        unavailable={name: words for name, words in missing.items() if words},
    )  # fmt: skip


def paper_classes() -> dict[str, str]:
    """The five classes of the paper's appendix 1, by factor."""
    from signals.factors.papers import PAPERS

    sizes = {"value": 6, "basic": 13, "risk": 4, "sentiment": 4, "quality": 14}
    words = [name for name, count in sizes.items() for _ in range(count)]
    return dict(zip(PAPERS["paper-2"], words, strict=True))


def top_quintile(one: Evaluation, pace: float) -> dict[str, Any]:
    """Figures of the quantile of the largest values, rebalanced on every date, against the mean of all names."""
    returns, market = one.quantile_means[0, :, -1], one.means[0]
    known = np.isfinite(returns) & np.isfinite(market)
    returns, market = returns[known], market[known]
    return {
        "alpha": alpha(returns, market, 0.0, pace),
        "information_ratio": information_ratio(returns, market, pace),
        "annual_return": annual_return(returns, pace),
    }


def _pace(market: Market, problem: Problem) -> float:
    from engine.measures import sessions_per_year

    inside = market.sessions[market.sessions >= np.datetime64(problem.start, "D")]
    return sessions_per_year(inside) or 1.0


def _engine_runs(study: Study, problem: Problem, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Headline figures of each factor's top quintile after costs."""
    from engine.config import RunConfig
    from signals.screening.backtests import backtest_factors, configuration

    base = RunConfig(
        data=study.data, universe=problem.universe, start=problem.start, end=problem.end, rebalance="1M",
        benchmark="000300", cash=100_000_000.0,
    )  # fmt: skip
    configs = {name: configuration(base, name, direction=1, share=SHARE) for name in names}
    results, _ = backtest_factors(
        configs, study.runs, jobs=study.jobs, done=lambda k, of, name: study.say(f"test of {name}, {k} of {of}")
    )
    return results


# -- tables --------------------------------------------------------------------------------------------


def _value_class(found: Screening, drawn: Mapping[str, Any], earned: Mapping[str, Any]) -> Table:
    rows = []
    for name, published in PUBLISHED.items():
        for (key, words, write), there in zip(FIGURES, published, strict=True):
            ours = [side.get(name, {}).get(key) for side in (drawn, earned)]
            rows.append(Row(f"{_label(found, name)}: {words}", write, there, *ours))
    note = (
        "The paper does not say which end of a factor it buys, what its alpha and information ratio are measured "
        "against, nor how often it trades; its information ratios, printed as per cent, are written here as numbers."
    )
    return three_ways("Value class", rows, note)


def _other_classes(found: Screening, drawn: Mapping[str, Any], earned: Mapping[str, Any]) -> Table:
    sides = [("LEAKS", drawn)] + ([("honest", earned)] if set(earned) - set(PUBLISHED) else [])
    head = ["Factor", "Class", *(f"{words.capitalize()}, {side}" for side, _ in sides for _, words, _ in FIGURES)]
    rows = []
    for name, kind in paper_classes().items():
        if name in PUBLISHED or name in found.unavailable:
            continue
        figures = [write(there.get(name, {}).get(key)) for _, there in sides for key, _, write in FIGURES]
        ic = found.everything.summaries[name][1].rank_ic
        rows.append([_label(found, name), kind, *figures, number(ic.mean, 4), number(ic.t, 1)])
    note = "Tested by the paper and not printed for want of room."
    if len(sides) == 1:
        note += " The thinned problem runs no honest backtests of these."
    return table("The other classes", [*head, "Rank IC of a day", "t"], rows, note=note, texts=2)


def _without_data(found: Screening) -> Table:
    from signals.factors.registry import get

    rows = [
        [f"{name} {get(name).chinese}", paper_classes()[name], ", ".join(x.split(":")[-1] for x in words.split(", "))]
        for name, words in found.unavailable.items()
    ]
    note = "Free data have no such items for these stocks; nothing is put in their place."
    return table("Factors that the data cannot give", ["Factor", "Class", "Needs"], rows, note=note, texts=3)


def _label(found: Screening, name: str) -> str:
    return f"{name} {found.titles.get(name, '')}".strip()


# -- correlations ------------------------------------------------------------------------------------


def _correlations(found: Screening) -> list[Section]:
    value = [name for name, kind in paper_classes().items() if kind == "value" and name in found.names]
    last = [name for name in (*KEPT, *REMOVED) if name in found.names]
    pairs = [
        [f"{a}, {b}", "highly correlated", number(correlation(found, a, b), 2)]
        for a, b in ALIKE
        if a in found.names and b in found.names
    ]
    note = "Mean over days of the rank correlation of cleaned factors; the paper prints the picture without numbers."
    return [
        Section(
            "Chart 3.1.3.2: correlations of the value class",
            "Of PE, PB and PS the paper keeps PS, which did best in its tests; net assets is its second of this class.",
            [table("Pairs", ["Pair", "The paper", "Ours"], pairs, note=note, kind="sides")],
            [heat_map(found, value, "Value class")],
        ),
        Section(
            "Chart 3.1.3.3: the last cut",
            "What the classes leave, and what is taken out of it for its correlations.",
            [last_cut(found)],
            [heat_map(found, last, "Kept and removed")],
        ),
    ]


def correlation(found: Screening, a: str, b: str) -> float:
    """Of two factors that were screened."""
    places = [found.names.index(name) for name in (a, b)]
    return float(found.everything.correlation[places[0], places[1]])


def last_cut(found: Screening) -> Table:
    """The seven and the five, each with the one of the seven that it goes with most."""
    from signals.factors.registry import get

    rows = []
    for name in (*KEPT, *REMOVED):
        said = "kept" if name in KEPT else "removed as correlated"
        if name not in found.names:
            rows.append([f"{name} {get(name).chinese}", paper_classes()[name], said, "no data", ""])
            continue
        others = [other for other in KEPT if other != name and other in found.names]
        nearest = max(others, key=lambda other: _strength(correlation(found, name, other)), default="")
        value = correlation(found, name, nearest) if nearest else float("nan")
        kind = paper_classes()[name]
        rows.append([_label(found, name), kind, said, nearest, number(value, 2)])
    head = ["Factor", "Class", "The paper", "Nearest of the seven", "Correlation"]
    return table("The seven that remain", head, rows, texts=4, kind="sides")


def _strength(x: float) -> float:
    return abs(x) if np.isfinite(x) else -1.0


def heat_map(found: Screening, names: Sequence[str], title: str) -> Chart:
    """The correlation matrix of some factors, like beside like."""
    from dataclasses import replace

    from signals.screening.charts import heat_map as drawn
    from signals.screening.correlation import hierarchical_order

    places = [found.names.index(name) for name in names]
    matrix = found.everything.correlation[np.ix_(places, places)]
    sample = replace(found.everything, correlation=matrix)
    part = replace(found, names=list(names), order=hierarchical_order(matrix), everything=sample)
    figure = drawn(part)
    return Chart(title, {"data": figure["data"], "layout": figure["layout"]})
