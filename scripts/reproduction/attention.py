"""Paper 5: next month's ten best of the SSE 50 by components, attention and a GRU: what is trained, run, concluded."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.presentation import known, number, percent
from engine.tearsheet_tables import Table, table
from feeds.synthetic_feed import is_spec
from reproduction.attention_networks import components, networks
from reproduction.attention_problem import CELLS, NAMES, Problem, named, problem_of
from reproduction.attention_walk import walk
from reproduction.budget import Training
from reproduction.paper import Facts, Paper, Step
from reproduction.results import claim, curves, figure, figures_of, survives
from reproduction.sections import Found, Row, Section, Write, three_ways
from reproduction.study import PROTOCOLS, Study

PUBLISHED = {"annual_return": 0.298, "sharpe": 2.53, "information_ratio": 2.09, "max_drawdown": -0.173}
"""Table 3."""

MAIN = "attention-gru"


def trainings(study: Study) -> list[Training]:
    """The paper's own network first, then those beside it, then its rolling prediction from 2016 on."""
    problem = problem_of(study)
    months = f"{problem.fits} monthly windows"
    found = [
        Training(f"{cell}-{protocol}", f"{NAMES[cell]} in {months}, {protocol}", problem.cost(cell))
        for cell in (MAIN, *(one for one in CELLS if one != MAIN))
        for protocol in reversed(PROTOCOLS)
    ]
    early = f"{NAMES[MAIN]} in the {problem.early_fits} windows before, from {problem.early[0][:7]} on"
    cost = problem.cost(MAIN, problem.early_fits)
    return found + [Training(f"early-{p}", f"{early}, {p}", cost) for p in reversed(PROTOCOLS)]


def runs(study: Study, facts: Facts) -> Found:
    """The backtests of Table 3, of the other networks, and of the linear control."""
    problem = problem_of(study)
    found: dict[str, Any] = {}
    for cell in CELLS:
        for protocol in PROTOCOLS:
            run = study.backtest(f"{cell}-{protocol}", protocol, **problem.run(problem.signal(cell)))
            found[f"{cell}-{protocol}"] = figures_of(run)
    found["linear"] = figures_of(study.backtest(None, "honest", **problem.run(problem.linear)))
    return Found([], found)


def differs(study: Study, facts: Facts) -> Found:
    """What the paper did, and what is done here."""
    tables = [_differences(study, problem_of(study), facts)]
    there = next((one for p in PROTOCOLS if (one := facts[f"{MAIN}-{p}"])), None)
    if there:
        tables.append(_classes(there))
    return Found([Section("What differs from the paper", tables=tables)])


def _differences(study: Study, problem: Problem, facts: Facts) -> Table:
    run = study.load(facts["runs"]["linear"]["run"])
    covered = run.result["coverage_numbers"]
    told = [facts[f"{MAIN}-{p}"] for p in PROTOCOLS]
    counts = [_range(one.get("rows")) for one in told]
    there = next((one for one in told if one), None)
    least = f"{percent(covered['members_in_data'], 1)} of the memberships are in the data"
    span = f"{run.result['start']} to {run.result['end']}{problem.end_text}"
    source = "synthetic market" if is_spec(study.data) else f"folder of free data; {least}"
    inputs = [_range(one.get("components")) for one in told]
    factors = "n/a" if there is None else f"{there['factors']} of ours, {there['kept']} known well enough (below)"
    rows = [
        ["Universe", "SSE 50", *[problem.universe_text] * 2],
        ["Backtest", "2020-01-01 to 2021-10-31", *[span] * 2],
        ["Benchmark", "SSE 50", *[problem.benchmark_text] * 2],
        ["Data", "Uqer", *[source] * 2],
        ["Factors", "244 of five classes, daily", *[f"{factors}, at month ends"] * 2],
        ["Components", "24, fitted on the whole sample", f"{inputs[0]}, fitted on the whole history (leak)",
         f"{inputs[1]}, fitted in each window anew"],
        ["Training windows", "all months before, from 2016-01", *[problem.window_text] * 2],
        ["Training samples", "not told", *counts],
        ["Held out to stop the training", "not told", "a tenth drawn at random (leak)", "the last tenth of the months"],
        ["Sequence, units, batch, epochs", "not told", *[problem.network_text] * 2],
        ["Fill", "not told", *["next session's open, price limits and halts held"] * 2],
        ["Costs", "not told", *[run.result["fees_text"]] * 2],
    ]  # fmt: skip
    return table(
        "What differs", ["", "The paper", "Ours, paper protocol", "Ours, honest"], rows, texts=4, kind="sides",
        note="Nor does the paper tell which risk-free rate its Sharpe ratio uses; ours uses 0.",
    )  # fmt: skip


def _range(found: list[float] | None) -> str:
    if not found:
        return "n/a"
    low, high = min(found), max(found)
    return number(low, 0) if low == high else f"{number(low, 0)} to {number(high, 0)}"


def _classes(found: Any) -> Table:
    """The library's factors in the paper's classes, and those that the data cannot give."""
    from signals.factors.papers import CLASSES

    rows = []
    for name, factors in CLASSES.items():
        lacking = [one for one in factors if one in found["missing"]]
        rows.append([name, str(len(factors)), str(len(factors) - len(lacking)), ", ".join(lacking) or "none"])
    head = ["Class", "Ours", "Used", "Not in these data"]
    note = "The paper lists neither its 244 factors nor how many it dropped."
    return table("Factors by class", head, rows, note=note, texts=4, kind="sides")


def returns(study: Study, facts: Facts) -> Found:
    """Figure 3 and Table 3, and the other networks under the same strategy."""
    found = facts["runs"]
    main = {p: found[f"{MAIN}-{p}"] for p in PROTOCOLS}
    writes: dict[str, tuple[str, Write]] = {
        "annual_return": ("Annual return", percent), "sharpe": ("Sharpe ratio", number),
        "information_ratio": ("Information ratio", number), "max_drawdown": ("Max drawdown", percent),
        "benchmark_annual_return": ("Benchmark, annual return", percent),
        "excess_annual_return": ("Excess over the benchmark a year", partial(percent, sign=True)),
        "volatility": ("Volatility a year", percent), "monthly_win_rate": ("Months that beat the benchmark", percent),
        "turnover": ("Turnover a year, two-sided", number),
    }  # fmt: skip
    rows = [
        Row(label, write, PUBLISHED.get(key), *(figure(main[p], key) for p in PROTOCOLS))
        for key, (label, write) in writes.items()
    ]
    there = {
        f"{NAMES[MAIN]}, paper's procedure (LEAKS)": main["paper"], f"{NAMES[MAIN]}, honest": main["honest"],
        "Linear control, honest": found["linear"],
    }  # fmt: skip
    lines = {label: None if one is None else study.load(one["run"]) for label, one in there.items()}
    chart = curves("Figure 3: cumulative return", lines, "Net values after all costs; the benchmark is a price index.")
    section = Section(
        "Table 3 and Figure 3: the backtest",
        "Each month the ten stocks of highest p(among the ten best); leavers are sold first, newcomers bought in equal "
        "parts.",
        [three_ways("Table 3: attention-GRU, ten stocks, monthly", rows), _beside(found)],
        [chart],
    )
    return Found([section], {"main": main})


def _beside(found: Any) -> Table:
    heads: dict[str, Write] = {
        "annual_return": percent, "excess_annual_return": partial(percent, sign=True), "sharpe": number,
        "information_ratio": number, "max_drawdown": percent,
    }  # fmt: skip
    lines = [(named(cell, p), found[f"{cell}-{p}"]) for p in PROTOCOLS for cell in CELLS]
    lines.append(("Linear control, honest", found["linear"]))
    rows = [
        [label, *(write(one[key]) if one else figure(one, key) for key, write in heads.items())] for label, one in lines
    ]
    head = ["", "Annual return", "Excess a year", "Sharpe", "Information ratio", "Max drawdown"]
    return table("The networks and the control under the same strategy and costs", head, rows)


def conclusion(study: Study, facts: Facts) -> str:
    """What survives of the honest run, and the published figures beside ours."""
    found, nets = facts["runs"], facts["networks"]
    ours = [figure(found[f"{MAIN}-{p}"], "annual_return") for p in PROTOCOLS]
    claims = [claim("annual return", PUBLISHED["annual_return"], *ours)]
    honest = nets.get(f"{MAIN}-honest")
    if honest and known(honest.get("accuracy")):
        claims.append(
            f"Published accuracy: 99.73%; ours, honest and out of sample: {percent(honest['accuracy'])} where always "
            f"answering 'not among the ten' gives {percent(honest['base_rate'])}, AUC {number(honest['auc'], 3)} (0.5 "
            f"is chance), and {percent(honest['precision'])} of the ten chosen were among the ten best (chance: "
            f"{percent(honest['chance'])})."
        )
    return survives(study, found[f"{MAIN}-honest"], ("linear", found["linear"]), claims)


PAPER = Paper(
    title="Paper 5: attention-GRU on the SSE 50",
    source="A multi-factor stock selection strategy on a GRU with attention, SSE 50, 2016 to 2021",
    budget=1800.0,
    quick_budget=60.0,
    quick_data="synthetic:stocks=60,seed=3,start=2017-06-01,end=2020-12-31",
    steps=(
        *(
            Step(f"{cell}-{p}", f"{NAMES[cell]}, {p}", partial(walk, cell=cell, protocol=p))
            for cell in (MAIN, *(one for one in CELLS if one != MAIN))
            for p in reversed(PROTOCOLS)
        ),
        *(
            Step(f"early-{p}", f"{NAMES[MAIN]} before, {p}", partial(walk, cell=MAIN, protocol=p, early=True))
            for p in PROTOCOLS
        ),
        Step("runs", "backtests", runs),
        Step("differs", "what differs", differs),
        Step("components", "table 1, components and attention", components),
        Step("networks", "table 2, networks", networks),
        Step("returns", "table 3, backtest", returns),
    ),
    trainings=trainings,
    conclusion=conclusion,
)
