"""Paper 3, charts 34 to 39: stock picking by each model in many sizes, against five indices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.comparison_charts import COLOURS
from engine.measures import period_returns
from engine.net_value_measures import Row, relative_net_value, row
from engine.presentation import number, percent
from engine.tearsheet_charts import GRID, axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction import top_bottom_published as published
from reproduction.paper import Facts
from reproduction.results import curves, figures_of
from reproduction.sections import PUBLISHED, SKIPPED, Chart, Found, Section, written
from reproduction.study import PROTOCOLS, Study
from reproduction.top_bottom_problem import NAMES, SIDES, STAND_IN, Problem, models_of, problem_of

if TYPE_CHECKING:
    from engine.portfolios_run import PortfoliosRun

MAIN_EACH = 6
"""Stocks of an industry in charts 37 to 39."""
MAIN_INDEX, MAIN_CODE = "csi500", "000905"

INDICES = {"000300": "csi300", "000905": "csi500", "000985": "all"}
"""Benchmarks of the industry-neutral portfolios (chart 34) and whose industry weights these have."""

EQUAL = ("000984", "000982", "000985")
"""Benchmarks of the portfolios in equal weights (chart 35)."""

TITLES = {
    "000300": "CSI 300", "000905": "CSI 500", "000985": "CSI All Share", "000984": "CSI 300 equal",
    "000982": "CSI 500 equal",
}  # fmt: skip

SHORT = {"000300": "300", "000905": "500", "000985": "All", "000984": "300 equal", "000982": "500 equal"}
"""Their names in the heads of wide tables."""

COMPARED = ("lstm", "gru", "rnn", "linear")
"""Models of charts 34 and 35."""

MEASURES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("excess_return", "Excess return a year", percent), ("excess_drawdown", "Drawdown of the excess", percent),
    ("information_ratio", "Information ratio", number), ("calmar", "Calmar ratio", number),
)  # fmt: skip
"""Parts of charts 34 and 35."""

COLUMNS = (
    ("annual_return", "Annual return", percent), ("volatility", "Volatility", percent), ("sharpe", "Sharpe", number),
    ("max_drawdown", "Max drawdown", percent), ("excess_return", "Excess a year", percent),
    ("tracking_error", "Tracking error", percent), ("excess_drawdown", "Drawdown of excess", percent),
    ("information_ratio", "Information ratio", number), ("calmar", "Calmar", number),
    ("monthly_win_rate", "Monthly wins", percent), ("monthly_turnover", "Turnover a month", percent),
)  # fmt: skip
"""Columns of charts 36 and 38, in the paper's order."""


class Picked(NamedTuple):
    """The portfolios of a model: dates (T,), and by portfolio values and yuan traded, each (T,); and its mark."""

    dates: np.ndarray
    value: dict[str, np.ndarray]
    traded: dict[str, np.ndarray]
    mark: str

    def row(self, portfolio: str, level: np.ndarray) -> Row:
        """The paper's figures of a portfolio beside an index."""
        return row(self.dates, self.value[portfolio], level, self.traded[portfolio])


Levels = Mapping[str, Mapping[str, np.ndarray]]
"""By protocol and code: an index on the sessions of the portfolios, (T,)."""


def step(study: Study, facts: Facts) -> Found:
    """Run all portfolios of every model in one pass each, and the headline's as runs of their own."""
    problem, picked, levels, runs = problem_of(study), {}, {}, {}
    for model, protocol, how in models_of(study):
        strategy: dict[str, Any] = {"name": "reproduction.top_bottom_strategy:StockPicks"}
        done = study.portfolios(
            how.training, protocol, strategy=strategy, signal=how.signal, **problem.run(protocol)
        )  # fmt: skip
        assert done is not None
        picked[f"{model}-{protocol}"] = _picked(done, how.mark)
        if protocol not in levels:
            levels[protocol] = index_levels(study, problem, protocol, done)
        if protocol == "honest":
            strategy = {"name": "industry-neutral", "each": MAIN_EACH, "index": MAIN_INDEX}
            runs[model] = study.backtest(
                how.training, protocol, strategy=strategy, signal=how.signal, **problem.run(protocol)
            )  # fmt: skip
    main = {
        key: one.row(f"{MAIN_INDEX}/{MAIN_EACH}", levels[key.rsplit("-", 1)[1]][MAIN_CODE])._asdict()
        for key, one in picked.items()
    }
    sections = [
        Section(
            "Charts 34 and 35: stock picking by each model",
            "Industry-neutral: so many stocks of each industry in equal weights, industries as in the index that is "
            "the benchmark; and so many stocks in equal weights against the equal-weighted indices. Monthly. All "
            "portfolios of a model trade in one pass, each on an account of its own; figures by the paper's formulas.",
            [
                *(_grid("Chart 34", f"{what} (industry-neutral)", name, write, picked, levels, True)
                  for name, what, write in MEASURES),
                *(_grid("Chart 35", f"{what} (equal weights)", name, write, picked, levels, False)
                  for name, what, write in MEASURES),
            ],
        ),
        Section(
            "Charts 36 and 37: LSTM and linear model, industry-neutral against the CSI 500",
            tables=[_detail(picked, levels)],
            charts=[_against(picked, levels, protocol, ("lstm", "linear")) for protocol in levels],
        ),
        Section(
            "Charts 38 and 39: all models, six stocks of each industry against the CSI 500",
            "The honest rows are repeated as runs of their own, whose daily values stand behind the conclusion and "
            "whose number is what it counts as settings tried; the sizes of charts 34 to 36 come on top of that.",
            tables=[_models(picked, levels)],
            charts=[
                *(_against(picked, levels, protocol, tuple(NAMES)) for protocol in levels),
                *([curves("Honest runs, after costs", {NAMES[m]: r for m, r in runs.items()})] if runs else []),
            ],
        ),
    ]  # fmt: skip
    return Found(sections, {"rows": main, "runs": {model: figures_of(run) for model, run in runs.items()}})


def _picked(done: PortfoliosRun, mark: str) -> Picked:
    dates, value = done.series()
    bought, sold = (done.series(column)[1] for column in ("bought", "sold"))
    return Picked(dates, value, {name: bought[name] + sold[name] for name in value}, mark)


def index_levels(
    study: Study, problem: Problem, protocol: str, done: PortfoliosRun
) -> dict[str, np.ndarray]:
    """The five indices on the sessions of a run: price indices under ``paper``, with dividends under ``honest``."""
    dates, _ = done.series()
    one = str(done.table("scores")["symbol"].iloc[0])  # an index is built from its own members whatever the market
    found = {}
    for code in TITLES:
        market = study.market(
            (one,), problem.start, problem.end, benchmark=code,
            benchmark_kind=problem.run(protocol)["benchmark_kind"],
        )  # fmt: skip
        found[code] = market.series["benchmark"][np.searchsorted(market.sessions, dates)]
    return found


def _grid(
    chart: str, what: str, name: str, write: Callable[[Any], str], picked: Mapping[str, Picked], levels: Levels,
    neutral: bool,
) -> Table:  # fmt: skip
    """One measure of chart 34 or 35: three lines a model, the sizes under each benchmark."""
    codes, sizes = (tuple(INDICES), published.EACH) if neutral else (EQUAL, published.HOLD)
    printed = published.NEUTRAL if neutral else published.EQUAL
    place = [measure for measure, *_ in MEASURES].index(name)
    rows: list[list[Any]] = []
    for model in COMPARED:
        row_of = [written(write, x) for code in codes for x in printed[model][code][place]]
        rows.append([NAMES[model], PUBLISHED, *row_of])
        for protocol in PROTOCOLS:
            one = picked.get(f"{model}-{protocol}")
            cells = [SKIPPED] * (len(codes) * len(sizes))
            if one is not None:
                cells = [
                    written(write, getattr(one.row(_name(code, size, neutral), levels[protocol][code]), name))
                    for code in codes
                    for size in sizes
                ]
            rows.append(["", SIDES[protocol] + (one.mark if one else ""), *cells])
    head = ["", "", *(f"{SHORT[code]}: {size}" for code in codes for size in sizes)]
    note = f"Against the {', '.join(TITLES[code] for code in codes)}: by stocks{' of each industry' * neutral}. "
    return table(f"{chart}: {what}", head, rows, note=note + _note(picked), kind="scroll", texts=2)


def _name(code: str, size: int, neutral: bool) -> str:
    return f"{INDICES[code]}/{size}" if neutral else f"equal/{size}"


def _note(picked: Mapping[str, Picked]) -> str:
    return STAND_IN if any(one.mark for one in picked.values()) else ""


def _cells(found: Row) -> list[str]:
    return [written(write, getattr(found, name)) for name, _, write in COLUMNS]


def _detail(picked: Mapping[str, Picked], levels: Levels) -> Table:
    """Chart 36: two models by the number of stocks of an industry."""
    rows: list[list[Any]] = []
    for model in ("lstm", "linear"):
        for each, printed in published.DETAIL[model].items():
            rows.append([NAMES[model], str(each), PUBLISHED, *_cells(Row(*printed))])
            rows += [["", "", *_side(picked, levels, model, protocol, each)] for protocol in PROTOCOLS]
    rows += _index_rows(picked, levels)
    head = ["", "Each industry", "", *(title for _, title, _ in COLUMNS)]
    return table("Chart 36", head, rows, note=_note(picked), kind="scroll", texts=3)


def _models(picked: Mapping[str, Picked], levels: Levels) -> Table:
    """Chart 38: all models at one size."""
    rows: list[list[Any]] = []
    for model, printed in published.MODELS.items():
        rows.append([NAMES[model], "", PUBLISHED, *_cells(Row(*printed))])
        rows += [["", "", *_side(picked, levels, model, protocol, MAIN_EACH)] for protocol in PROTOCOLS]
    rows += _index_rows(picked, levels)
    head = ["", "", "", *(title for _, title, _ in COLUMNS)]
    return table("Chart 38", head, rows, note=_note(picked), kind="scroll", texts=3)


def _side(picked: Mapping[str, Picked], levels: Levels, model: str, protocol: str, each: int) -> list[str]:
    one = picked.get(f"{model}-{protocol}")
    if one is None:
        return [SIDES[protocol], *[SKIPPED] * len(COLUMNS)]
    return [SIDES[protocol] + one.mark, *_cells(one.row(f"{MAIN_INDEX}/{each}", levels[protocol][MAIN_CODE]))]


def _index_rows(picked: Mapping[str, Picked], levels: Levels) -> list[list[Any]]:
    """The benchmark itself, the last line of both charts."""
    nothing = [None] * (len(COLUMNS) - len(published.INDEX))
    rows: list[list[Any]] = [["CSI 500", "", PUBLISHED, *_index_cells(Row(*published.INDEX, *nothing))]]
    for protocol, codes in levels.items():
        dates = next(one.dates for key, one in picked.items() if key.endswith(protocol))
        rows.append(["", "", SIDES[protocol], *_index_cells(row(dates, codes[MAIN_CODE]))])
    return rows


def _index_cells(found: Row) -> list[str]:
    return [text if k < len(published.INDEX) else "" for k, text in enumerate(_cells(found))]


def _against(picked: Mapping[str, Picked], levels: Levels, protocol: str, models: tuple[str, ...]) -> Chart:
    """Net values over the CSI 500's, and the month's excess below where there are few models."""
    few, data = len(models) < 3, []
    for k, model in enumerate(NAMES):
        one = picked.get(f"{model}-{protocol}") if model in models else None
        if one is None:
            continue
        label, dates = NAMES[model] + one.mark, np.datetime_as_string(one.dates).tolist()
        ratio = relative_net_value(one.value[f"{MAIN_INDEX}/{MAIN_EACH}"], levels[protocol][MAIN_CODE])
        data.append(line(dates, ratio, label, COLOURS[k], "y", hover="%{y:.3f}", legendgroup=model))
        if few:
            months, moves = period_returns(one.dates, ratio, "M")
            data.append(
                {"type": "bar", "x": np.datetime_as_string(months.astype("datetime64[D]")).tolist(),
                 "y": np.round(moves, 5).tolist(), "marker": {"color": COLOURS[k]}, "yaxis": "y2", "name": label,
                 "legendgroup": model, "showlegend": False, "hovertemplate": "%{y:.2%}"}
            )  # fmt: skip
    layout = layout_of(
        xaxis={"type": "date", "anchor": "y2" if few else "y", "gridcolor": GRID},
        yaxis=axis((0.44, 1) if few else (0, 1), "Net value over the CSI 500's", ".2f"),
        **({"yaxis2": axis((0, 0.36), "Excess of the month", ".0%"), "barmode": "group"} if few else {}),
    )  # fmt: skip
    return Chart(f"Chart {37 if few else 39}, {protocol}", {"data": data, "layout": layout})


