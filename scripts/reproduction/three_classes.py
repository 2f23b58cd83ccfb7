"""Paper 4: will a stock rise by 3 %, fall by 3 % or neither, by an LSTM over 24 months: trainings and conclusion."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.presentation import percent
from engine.tearsheet_tables import Table, table
from feeds.synthetic_feed import is_spec
from reproduction.budget import Training
from reproduction.paper import Facts, Paper, Step
from reproduction.results import figure, survives
from reproduction.sections import Found, Section
from reproduction.study import PROTOCOLS, Study
from reproduction.three_classes_portfolios import PUBLISHED, portfolios, runs
from reproduction.three_classes_problem import FACTORS, WIDTHS, Problem, main_width, problem_of
from reproduction.three_classes_training import inside, outside, training
from reproduction.three_classes_walk import walk


def trainings(study: Study) -> list[Training]:
    """The paper's network under both protocols, a long training that shows what memory makes, and a narrow network."""
    problem = problem_of(study)
    how = {"honest": "to early stopping", "paper": f"{problem.drawn} random batches"}
    wide, narrow = (
        [
            Training(f"{width}-{p}", f"LSTM 2 x {problem.units[width]}, {how[p]}, {p}", problem.cost(width, p))
            for p in reversed(PROTOCOLS)
        ]
        for width in WIDTHS
    )
    what = f"LSTM 2 x {problem.units['narrow']}, {problem.passes} passes over all samples"
    long = [Training(f"long-{p}", f"{what}, {p}", problem.cost("narrow", p, long=True)) for p in PROTOCOLS]
    return [*wide, *long, *narrow]


def differs(study: Study, facts: Facts) -> Found:
    """What the paper did, and what is done here."""
    return Found([Section("What differs from the paper", tables=[_differences(study, problem_of(study), facts)])])


def _differences(study: Study, problem: Problem, facts: Facts) -> Table:
    run = study.load(facts["runs"]["linear"]["run"])
    covered = run.result["coverage_numbers"]
    width = main_width(study)
    told = [facts[f"{width}-{p}"] for p in PROTOCOLS]
    missing = next((one["missing"] for one in told if one), None)
    factors = f"{FACTORS} of ours in its ten groups" + (f", less {len(missing)} that the data lack" if missing else "")
    source = "synthetic market" if is_spec(study.data) else "folder of free data, from 2011 on"
    counts = [f"{one['samples'] + one['held']:,}" if one else "skipped" for one in told]
    which = "all that these data hold" if problem.universe == "all" else problem.universe
    stocks = f"{which}: {covered['members']:,.0f} stocks on average"
    benchmark = run.result["benchmark"]
    rows = [
        ["Universe", "all A-shares", *[stocks] * 2],
        ["Learnt from", "2007-05 to 2016-04", *["2012-12 to 2016-03: data from 2011 on, 24 months a sample"] * 2],
        ["Samples", "over 180,000", *counts],
        ["Traded", "2016-05-01 to 2017-04-30", *[f"{run.result['start']} to {run.result['end']}"] * 2],
        ["Data", "not told", *[source] * 2],
        ["Factors", "48 in ten style groups, not listed", *[factors] * 2],
        ["Factors that the data lack", "", *["n/a" if missing is None else ", ".join(missing) or "none"] * 2],
        ["Preprocessing", "extremes, z-score, industry residual", *["5 MAD, z-score, industry residual, by month"] * 2],
        ["Network", "LSTM, 2 x 400", *[f"LSTM, 2 x {problem.units[width]}"] * 2],
        ["Trained on", "100 random batches of 1,000", f"{problem.drawn} random batches of 1,000",
         f"the same, until {problem.patience} looks, one each {problem.batches} batches, bring no better loss"],
        ["Held out", "10% at random", "10% at random (leak)", "the last tenth of the months, none overlapping"],
        ["Arithmetic", "not told", *["bfloat16 where a trial shows it faster on the machine, else float32"] * 2],
        ["Weights that are kept", "the last", *["those of the best held-out loss"] * 2],
        ["Fill", "not told", *["next session's open, price limits and halts held"] * 2],
        ["Costs", "not told", *[run.result["fees_text"]] * 2],
        ["Benchmark", "none", *[f"{benchmark['code']}, {benchmark['kind']}"] * 2],
    ]  # fmt: skip
    note = "Charts 'structure of the network' and 'data structure' of the paper are drawings; they hold no figures."
    head = ["", "The paper", "Ours, paper protocol", "Ours, honest"]
    return table("What differs", head, rows, texts=4, kind="sides", note=note)


def conclusion(study: Study, facts: Facts) -> str:
    """What survives of the honest long portfolio, and the published figures beside ours."""
    found, main = facts["runs"], {p: facts[f"{main_width(study)}-{p}"] for p in PROTOCOLS}
    claims = []
    if main["paper"] and main["honest"]:
        random, by_time = (percent(main[p]["validation"]["accuracy"], 1) for p in PROTOCOLS)
        later = main["honest"]["figures"]
        claims.append(
            f"Published held-out accuracy: 85% to 90%; ours {random} held out at random as the paper does, {by_time} "
            f"held out by time, and {percent(later['accuracy'], 1)} on the months after, where the most frequent class "
            f"alone gives {percent(later['base_rate'], 1)}."
        )
    for by, words in (("prediction", "by predicted class"), ("activation", "of the top 30% of activations")):
        total, won = PUBLISHED[by]
        ours = [_told(found[f"{by}-{p}"]) for p in PROTOCOLS]
        claims.append(
            f"Published long less short {words}: {percent(total, 1)} over the year, {won} of months won; by the "
            f"paper's own procedure {ours[0]}, honestly {ours[1]}."
        )
    honest = found["activation-1-honest"]
    return survives(study, honest, ("linear", found["linear"]), claims)


def _told(one: Any) -> str:
    if one is None:
        return "not computed"
    return f"{percent(figure(one, 'total'), 1, sign=True)}, {one['months']} of {one['many']} months"


PAPER = Paper(
    title="Paper 4: three classes by an LSTM over 24 months",
    source="A multi-factor stock prediction model on RNN and LSTM, all A-shares, 2007 to 2017",
    budget=3600.0,
    quick_budget=60.0,
    quick_data="synthetic:stocks=60,seed=3,start=2011-01-01,end=2016-12-30",
    steps=(
        *(
            Step(f"{width}-{p}", f"the {width} network, {p}", partial(walk, width=width, protocol=p))
            for width in WIDTHS
            for p in reversed(PROTOCOLS)
        ),
        *(
            Step(f"long-{p}", f"long training, {p}", partial(walk, width="narrow", protocol=p, long=True))
            for p in PROTOCOLS
        ),
        Step("runs", "backtests of the portfolios", runs),
        Step("differs", "what differs", differs),
        Step("training", "loss, accuracy and the leak", training),
        Step("outside", "accuracy out of sample", outside),
        Step("portfolios", "portfolios by class", portfolios),
        Step("inside", "input weights", inside),
    ),
    trainings=trainings,
    conclusion=conclusion,
)
