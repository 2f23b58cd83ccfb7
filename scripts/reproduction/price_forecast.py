"""Paper 2: one LSTM a stock forecasts the next close. What it trains, what differs, and what is concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.presentation import number, percent
from engine.tearsheet_tables import Table, table
from feeds.synthetic_feed import is_spec
from reproduction.budget import Training
from reproduction.paper import Facts, Paper, Step
from reproduction.price_forecast_errors import forecasts
from reproduction.price_forecast_factors import single_tests
from reproduction.price_forecast_portfolios import beaten, portfolios
from reproduction.price_forecast_problem import Problem, listed, problem_of
from reproduction.price_forecast_search import search
from reproduction.results import survives
from reproduction.sections import Found, Section
from reproduction.study import PROTOCOLS, Study

if TYPE_CHECKING:
    from engine.run_folder import Run
    from engine.view import View
    from signals.lstm_price import LstmPrice


def trainings(study: Study) -> list[Training]:
    """Those of the problem."""
    return problem_of(study).trainings()


def differs(study: Study, facts: Facts) -> Found:
    """The fixed list of stocks, and what is not as in the paper."""
    from signals.lstm_price import LstmPrice

    problem = problem_of(study)
    ranked = listed(study, problem)
    symbols = sorted(ranked)
    signal = LstmPrice.model_validate({"window": f"{problem.window}M"})
    market = study.market(symbols, problem.start, problem.end, lookback=signal.lookback)
    covered = _covered(signal, market.view(len(market.sessions) - 1), problem.start)
    missing = [name for name in signal.wanted if name not in covered]
    hold = problem.holds[-1][1]
    runs = {p: study.backtest(f"list-{p}", p, **problem.run(p, hold, symbols, problem.signal(p))) for p in PROTOCOLS}
    names = {symbol: market.names.get(symbol, "") for symbol in symbols}
    tables = [_table(study, problem, runs, covered, missing), _list(names)]
    kept = {"symbols": symbols, "names": names, "largest": ranked[0], "missing": missing}
    return Found([Section("What differs from the paper", tables=tables)], kept)


def _covered(signal: LstmPrice, view: View, start: str) -> dict[str, float]:
    """Share of the list's days since the start on which each factor that the data have is known."""
    import numpy as np

    own = signal.on(view)
    samples = own.samples(view)
    inside = samples.universe & (samples.dates >= np.datetime64(start, "D"))[:, None]
    return dict(zip(own.factors, np.isfinite(samples.values[inside]).mean(axis=0).tolist(), strict=True))


def _table(
    study: Study, problem: Problem, runs: dict[str, Run | None], covered: dict[str, float], missing: list[str]
) -> Table:
    run = next((one for one in runs.values() if one is not None), None)
    numbers = {} if run is None else run.result["coverage_numbers"]
    held = " / ".join(str(ours) for _, ours in problem.holds)
    ours = (
        f"{problem.listed} of {problem.words} on the day before the start, at even distances of rank by float value; "
        f"{percent(numbers.get('members_with_bar'), 1)} of their sessions have a bar"
    )
    source = "synthetic market" if is_spec(study.data) else "free exports in the data folder"
    left = ", ".join(missing)
    factors = f"7 less {left}, which these data lack" if left else "the same seven"
    rows = [
        ["Universe of the networks", "CSI 300, all members", ours, ours],
        ["Universe of the factor tests", "CSI 300", *[f"{problem.words}, members as they were on each day"] * 2],
        ["Span of the backtest", "2017-02-10 to 2022-03-31", *[f"{problem.start} to {problem.end}, where the data end"
         if not study.quick else f"{problem.start} to {problem.end} (thinned)"] * 2],
        ["Data", "Wind", *[source] * 2],
        ["Factors of the network", "7", *[factors] * 2],
        ["Days on which they are known", "not told",
         *[", ".join(f"{name} {percent(share, 0)}" for name, share in covered.items()) + "; else the day's mean"] * 2],
        ["Days that are learnt from", "2015-02 to 2022-03, the days backtested among them",
         f"{problem.window} months before the start to the end, once: in sample",
         f"the {problem.window} months before, again each year"],
        ["Days held out", "a tenth at random", "a tenth at random", "the last tenth"],
        ["Setting of the network", "least MAPE of up to 2,700 models",
         *["defaults (5 days, 1 LSTM layer of 32, 1 dense); the search's own stands beside"] * 2],
        ["Prices", "closes", *["closes adjusted for dividends and splits"] * 2],
        ["Stocks held", "20 / 30 / 50 / 100 of 300", *[f"{held} of {problem.listed}, the same shares"] * 2],
        ["Fill", "close of the next day", "close of the next day, price limits ignored",
         "close of the next day, price limits held"],
        ["Costs", "commission 0.1 % (5 yuan), stamp duty 0.1 % (1 yuan)", *["the same"] * 2],
        ["Account", "not told", *["10 million yuan"] * 2],
        ["Benchmark", "CSI 300", "CSI 300, price index", "CSI 300, total return"],
    ]  # fmt: skip
    return table(
        "What differs", ["", "The paper", "Ours, paper's procedure", "Ours, honest"], rows, texts=4, kind="sides"
    )


def _list(names: dict[str, str]) -> Table:
    text = ", ".join(f"{symbol} {name}".strip() for symbol, name in names.items())
    return table("The list", ["Stocks"], [[text]], kind="sides")


def conclusion(study: Study, facts: Facts) -> str:
    """What survives of the honest run, and the paper's sentences beside ours."""
    found = facts["portfolios"]
    main = "whole" if found["runs"]["whole"]["honest"] else "list"
    chosen, control = found["runs"][main], found["control"]
    honest = chosen["honest"][-1] if chosen["honest"] else None
    earned = {p: percent(runs[-1]["annual_return"]) if runs else "not computed" for p, runs in chosen.items()}
    claims = [
        "Published: all four portfolios beat the CSI 300 and the largest earns most; by the paper's own procedure "
        f"{beaten(chosen['paper'])} beat it and the largest makes {earned['paper']} a year, honestly "
        f"{beaten(chosen['honest'])} and {earned['honest']}."
    ]
    told = {p: facts["forecasts"]["figures"].get(f"LSTM {p}", {}) for p in PROTOCOLS}
    if all(told.values()):
        claims.append(
            f"Its networks tell the next day's direction in {percent(told['paper'].get('hits'), 1)} of the cases on "
            f"days that they have learnt from and in {percent(told['honest'].get('hits'), 1)} on later ones (the "
            f"more frequent direction: {percent(told['honest'].get('naive_hits'), 1)}), with a mean error of "
            f"{percent(told['honest'].get('mape'))} where the last close has "
            f"{percent(told['honest'].get('naive_mape'))}."
        )
    gross = found["gross"]
    if gross is not None:
        claims.append(
            f"Without any costs the same honest portfolio makes {percent(gross['annual_return'])} a year at a "
            f"turnover of {number(gross['turnover'], 0)} times the account."
        )
    beside = ("linear (least squares of each stock)", control) if main == "list" else None
    return survives(study, honest, beside, claims)


PAPER = Paper(
    title="Paper 2: LSTM forecast of the close",
    source="Machine learning multi-factor selection of A-shares, CSI 300, 2017 to 2022",
    budget=5400.0,
    quick_budget=30.0,
    quick_data="synthetic:stocks=60,seed=3",
    steps=(
        Step("differs", "the list, and what differs", differs),
        Step("factors", "single-factor tests and correlations", single_tests),
        Step("search", "search of the network's setting", search),
        Step("forecasts", "predicted against actual", forecasts),
        Step("portfolios", "backtests", portfolios),
    ),
    trainings=trainings,
    conclusion=conclusion,
)
