"""Paper 3, charts 26 to 33: layers of the LSTM's scores, by year, by size and by industry, and long-short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.layers import Group, by_year, groups_of
from engine.measures import period_returns
from engine.net_value_measures import Row, relative_net_value, row
from engine.portfolios_page import curves, sides_table, years_table
from engine.presentation import number, percent
from engine.tearsheet_charts import ACCOUNT, GRID, axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction import top_bottom_published as published
from reproduction.paper import Facts
from reproduction.sections import PUBLISHED, SKIPPED, Chart, Found, Section, three_ways, written
from reproduction.sections import Row as Line
from reproduction.study import PROTOCOLS, Study
from reproduction.top_bottom_picks import index_levels
from reproduction.top_bottom_problem import NAMES, SIDES, STAND_IN, model_of, problem_of

if TYPE_CHECKING:
    from engine.portfolios_run import PortfoliosRun

LAYERED = "lstm"
"""The model whose scores the paper cuts into layers."""

KINDS = {"five": (5, "all"), "ten": (10, "all"), "size": (10, "size"), "industry": (5, "industry")}
"""Layers and what they are formed in: charts 26 to 30, 31, 32 and 33."""

COLUMNS = (
    ("annual_return", "Annual return", percent), ("volatility", "Volatility", percent), ("sharpe", "Sharpe", number),
    ("max_drawdown", "Max drawdown", percent), ("excess_return", "Excess a year", percent),
    ("tracking_error", "Volatility of excess", percent), ("information_ratio", "Information ratio", number),
    ("monthly_win_rate", "Monthly wins", percent), ("excess_drawdown", "Drawdown of excess", percent),
)  # fmt: skip
"""Columns of chart 26, in the paper's order."""

SHENWAN = {
    "农林牧渔": "农林牧渔", "电子元器件": "电子", "建材": "建筑材料", "通信": "通信", "机械": "机械设备",
    "汽车": "汽车", "钢铁": "钢铁", "基础化工": "化工", "计算机": "计算机", "传媒": "传媒",
    "电力及公用事业": "公用事业", "家电": "家用电器", "国防军工": "国防军工", "房地产": "房地产",
    "建筑": "建筑装饰", "有色金属": "有色金属", "电力设备": "电气设备", "轻工制造": "轻工制造",
    "食品饮料": "食品饮料", "餐饮旅游": "休闲服务", "纺织服装": "纺织服装", "综合": "综合", "医药": "医药生物",
    "商贸零售": "商业贸易", "银行": "银行", "交通运输": "交通运输", "煤炭": "采掘", "非银行金融": "非银金融",
}  # fmt: skip
"""The Shenwan industry of 2014 that is nearest to each of the paper's CITIC ones; 石油石化 has none of its own."""


def step(study: Study, facts: Facts) -> Found:
    """Run the layers of every kind under both protocols."""
    problem, marks, levels = problem_of(study), {}, {}
    found: dict[str, dict[str, list[Group]]] = {kind: {} for kind in KINDS}
    for protocol in PROTOCOLS:
        how = model_of(study, LAYERED, protocol)
        if how is None:
            continue
        marks[protocol] = how.mark
        for kind, (layers, by) in KINDS.items():
            strategy = {"name": "layered", "layers": layers, "by": by}
            done = study.portfolios(
                how.training, protocol, strategy=strategy, signal=how.signal, **problem.run(protocol)
            )  # fmt: skip
            assert done is not None
            found[kind][protocol] = _groups(done)
            if kind == "five":
                levels[protocol] = (done.series()[0], index_levels(study, problem, protocol, done))
    note = STAND_IN if any(marks.values()) else ""
    sections = [
        Section(
            f"Charts 26 to 30: five layers of {NAMES[LAYERED]} scores",
            "Inside each industry the weights of the stocks, sorted by score, are cut into equal parts; a stock on a "
            "cut is held by both layers. Industries weigh as in the CSI 300. The benchmark is all layers together; "
            "long-short is the net value of layer 1 over that of layer 5, which nobody can trade as such.",
            [_five(found["five"], marks, note)],
            [chart for p, groups in found["five"].items() for chart in _charts(groups, levels[p], p)],
        ),
        Section(
            "Chart 31: ten layers by year",
            "Return of each layer in each calendar year and its rank among the ten. The paper's last column is not "
            "the mean of the ranks that it prints: layer 1 has six times rank 1 and once 8, which is 2.00, not 1.58.",
            [_mean_ranks(found["ten"], note), _printed_years(), *_years(found["ten"], marks)],
        ),
        Section(
            "Chart 32: ten layers in each third by market value",
            "The paper's chart has no numbers in the text. Large, middle and small thirds by total market value on "
            "each date, layers and benchmark inside each.",
            [t._replace(title=f"{SIDES[p]}{marks[p]}", kind="scroll") for p, t in _sides(found["size"]).items()],
        ),
        Section(
            "Chart 33: five layers in each industry",
            "Layer 1 beside all scored stocks of its industry in equal weights. The paper's industries are CITIC's, "
            "ours Shenwan's: the nearest one by name stands in the same line, and a Shenwan industry that none is near "
            "to has a line of its own.",
            [_industries(found["industry"], marks, note)],
        ),
    ]  # fmt: skip
    ranks = {p: by_year(groups[0]).mean_rank.tolist() for p, groups in found["ten"].items() if groups}
    spread = {
        p: row(groups[0].dates, groups[0].long_short()).annual_return for p, groups in found["five"].items() if groups
    }
    return Found(sections, {"mean_ranks": ranks, "long_short": spread})


def _groups(done: PortfoliosRun) -> list[Group]:
    dates, value = done.series()
    cash, bought, sold = (done.series(column)[1] for column in ("cash", "bought", "sold"))
    return groups_of(dates, value, cash, {name: bought[name] + sold[name] for name in value})


# -- charts 26 to 30 -----------------------------------------------------------------------------------


def _five(found: Mapping[str, list[Group]], marks: Mapping[str, str], note: str) -> Table:
    rows: list[list[Any]] = []
    ours = {protocol: _rows_of(groups[0]) for protocol, groups in found.items() if groups}
    for name, printed in published.LAYERS.items():
        cells = [written(write, x) for (*_, write), x in zip(COLUMNS, printed, strict=True)]
        rows.append([_title(name), PUBLISHED, *cells])
        for protocol in PROTOCOLS:
            cells = [SKIPPED] * len(COLUMNS)
            if protocol in ours:
                cells = [written(write, getattr(ours[protocol][name], key)) for key, _, write in COLUMNS]
            rows.append(["", SIDES[protocol] + marks.get(protocol, ""), *cells])
    head = ["", "", *(title for _, title, _ in COLUMNS)]
    return table("Chart 26", head, rows, note=note, kind="scroll", texts=2)


def _title(name: str) -> str:
    return f"Layer {name}" if name.isdecimal() else name.capitalize()


def _rows_of(group: Group) -> dict[str, Row]:
    assert group.benchmark is not None
    found = {str(k): one for k, one in enumerate(group.rows(), 1)}
    return found | {
        "benchmark": row(group.dates, group.benchmark), "long-short": row(group.dates, group.long_short()),
    }  # fmt: skip


def _charts(groups: list[Group], levels: tuple[np.ndarray, Mapping[str, np.ndarray]], protocol: str) -> list[Chart]:
    if not groups:
        return []
    group, (dates, codes) = groups[0], levels
    inside = np.searchsorted(dates, group.dates)
    days = np.datetime_as_string(group.dates).tolist()
    found = []
    for place, number_of, what, form in (
        ("y", 27, "net values", ".2f"), ("y2", 28, "net values over the benchmark's", ".2f"),
        ("y3", 30, "long-short, cumulated", ".2f"),
    ):  # fmt: skip
        data = [one | {"yaxis": "y", "showlegend": True} for one in curves(group)["data"] if one["yaxis"] == place]
        if place == "y":
            for code, title, colour in (("000300", "CSI 300", "#555555"), ("000905", "CSI 500", "#999999")):
                level = codes[code][inside]
                data.append(
                    line(days, level / level[0], title, colour, "y", hover="%{y:.3f}", line={"dash": "dash"})
                )
        layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=axis((0, 1), "", form))
        found.append(Chart(f"Chart {number_of}: {what}, {protocol}", {"data": data, "layout": layout}))
    return [*found, _histogram(group, codes["000300"][inside], protocol), _long_short_months(group, protocol)]


def month_bins(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chart 29's bins: middles, a multiple of one per cent each, from the lowest to the highest, and their counts."""
    places = np.floor(excess * 100.0 + 0.5).astype(int)
    middles = np.arange(places.min(), places.max() + 1)
    return middles / 100.0, np.bincount(places - places.min(), minlength=len(middles))


def _histogram(group: Group, level: np.ndarray, protocol: str) -> Chart:
    _, moves = period_returns(group.dates, relative_net_value(group.layers[0], level), "M")
    middles, counts = month_bins(moves)
    data = [
        {"type": "bar", "x": middles.tolist(), "y": counts.tolist(), "marker": {"color": ACCOUNT},
         "hovertemplate": "near %{x:.0%}: %{y} months<extra></extra>"}
    ]  # fmt: skip
    layout = layout_of(
        xaxis={"tickformat": ".0%", "dtick": 0.02, "title": {"text": "excess of the month"}},
        yaxis=axis((0, 1), "Months", "d"),
        hovermode="closest", bargap=0.05, margin={"l": 56, "r": 16, "t": 8, "b": 44},
    )  # fmt: skip
    return Chart(f"Chart 29: monthly excess of layer 1 over the CSI 300, {protocol}", {"data": data, "layout": layout})


def _long_short_months(group: Group, protocol: str) -> Chart:
    months, moves = period_returns(group.dates, group.long_short(), "M")
    data = [
        {"type": "bar", "x": np.datetime_as_string(months.astype("datetime64[D]")).tolist(),
         "y": np.round(moves, 5).tolist(), "marker": {"color": ACCOUNT},
         "hovertemplate": "%{y:.2%}<extra></extra>"}
    ]  # fmt: skip
    layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=axis((0, 1), "Long-short, month", ".0%"))
    return Chart(f"Chart 30: long-short by month, {protocol}", {"data": data, "layout": layout})


# -- chart 31 ------------------------------------------------------------------------------------------


def _mean_ranks(found: Mapping[str, list[Group]], note: str) -> Table:
    ours = {protocol: by_year(groups[0]).mean_rank for protocol, groups in found.items() if groups}
    rows = [
        Line(f"Layer {k + 1}", number, printed, *(float(ours[p][k]) if p in ours else SKIPPED for p in PROTOCOLS))
        for k, printed in enumerate(published.MEAN_RANKS)
    ]
    return three_ways("Chart 31: mean rank", rows, note)


def _printed_years() -> Table:
    rows = [
        [f"Layer {k}", *(f"{percent(x, 1)} ({rank})" for x, rank in years), number(mean)]
        for k, (years, mean) in enumerate(zip(published.TEN_LAYERS, published.MEAN_RANKS, strict=True), 1)
    ]
    return table(PUBLISHED, ["", *map(str, published.YEARS), "Mean rank"], rows, kind="heat")


def _years(found: Mapping[str, list[Group]], marks: Mapping[str, str]) -> list[Table]:
    return [
        years_table(groups[0])._replace(title=SIDES[protocol] + marks[protocol])
        for protocol, groups in found.items()
        if groups
    ]


# -- charts 32 and 33 ----------------------------------------------------------------------------------


def _sides(found: Mapping[str, list[Group]]) -> dict[str, Table]:
    return {protocol: sides_table(groups) for protocol, groups in found.items() if groups}


def _industries(found: Mapping[str, list[Group]], marks: Mapping[str, str], note: str) -> Table:
    """Excess, information ratio and order of the layers, three ways."""
    ours = {protocol: {group.name: group for group in groups} for protocol, groups in found.items()}
    lines = [(name, SHENWAN.get(name, "")) for name in published.INDUSTRIES]
    lines += [("", name) for name in sorted({n for groups in ours.values() for n in groups} - set(SHENWAN.values()))]
    rows: list[list[Any]] = []
    for name, own in lines:
        printed = published.INDUSTRIES.get(name)
        cells = ["", "", ""] if printed is None else [percent(printed[0]), number(printed[1]), printed[6]]
        for protocol in PROTOCOLS:
            cells += _industry(ours[protocol].get(own)) if protocol in ours else [SKIPPED] * 3
        rows.append([name, own, *cells])
    sides = (PUBLISHED, *(SIDES[p] + marks.get(p, "") for p in PROTOCOLS))
    head = ["CITIC", "Shenwan", *(f"{side}: {what}" for side in sides for what in ("excess", "IR", "order"))]
    return table("Chart 33: layer 1, and the layers by return", head, rows, note=note, kind="scroll", texts=2)


def _industry(group: Group | None) -> list[str]:
    if group is None:
        return ["", "", ""]
    first = group.rows()[0]
    return [percent(first.excess_return), number(first.information_ratio), ",".join(map(str, group.order()))]
