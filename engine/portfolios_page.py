"""The page of a run of many portfolios: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.comparison_charts import BENCHMARK as GREY
from engine.comparison_charts import COLOURS
from engine.files import write_beside
from engine.layers import Group, by_year, groups_of
from engine.net_value_measures import Row, row
from engine.portfolios_run import PortfoliosRun
from engine.presentation import number, percent
from engine.tearsheet import fill
from engine.tearsheet_charts import GRID, axis, layout_of, line
from engine.tearsheet_tables import Cell, Table, heat, table

NAME = "portfolios.html"
FULL = 0.5
"""Return of a year at which its colour is saturated."""

HEAD = ["Annual return", "Volatility", "Sharpe", "Max drawdown", "Excess a year", "Tracking error", "Information ratio",
        "Monthly wins", "Drawdown of excess", "Turnover a month"]  # fmt: skip


def write_page(run: PortfoliosRun) -> Path:
    """Write the page into the run's folder, beside and then renamed."""
    path = run.folder / NAME
    write_beside(path, fill("portfolios.html.j2", context(run)))
    return path


def context(run: PortfoliosRun) -> dict[str, Any]:
    """Everything that the page shows."""
    dates, value = run.series()
    cash, bought, sold = (run.series(column)[1] for column in ("cash", "bought", "sold"))
    groups = groups_of(dates, value, cash, {name: bought[name] + sold[name] for name in bought})
    result = run.result
    sections = [_section(group) for group in groups] if len(groups) <= 3 else []
    tables = [industries_table(groups)] if len(groups) > 3 else []
    if len(groups) in (2, 3):
        tables.insert(0, sides_table(groups))
    if not groups:
        rows = [[name, *_cells(row(dates, level))] for name, level in value.items()]
        tables.append(table("Portfolios", ["", *HEAD], rows))
    charts = {f"curves-{k}": chart for k, chart in enumerate(section["chart"] for section in sections)}
    return {
        "title": f"{len(value)} portfolios of {result['strategy']['name']}",
        "facts": _facts(result),
        "leaks": bool(result.get("leaks")),
        "sections": sections,
        "tables": tables,
        "refusals": refusals_table(result),
        "charts": charts,
        "method": METHOD if groups else "",
    }


METHOD = (
    "Every portfolio is an account of its own under all trading rules, with its own cash, fees and refusals; layer 1 "
    "has the highest scores. Figures are paper 3's: excess is the ratio of net values to the group's benchmark (all "
    "its layers together), Sharpe has a risk-free rate of 0, and long-short is the net value of layer 1 over that of "
    "the last layer, which nobody can trade as such. A mean rank is the plain mean over the years shown; years at the "
    "ends of the run count as they are."
)


def _facts(result: dict[str, Any]) -> list[tuple[str, str]]:
    def words(part: dict[str, Any]) -> str:
        return ", ".join([str(part["name"]), *(f"{key} {one}" for key, one in part.items() if key != "name")])

    return [
        ("Span", f"{result['start']} to {result['end']}"),
        ("Strategy", words(result["strategy"])),
        ("Signal", words(result["signal"])),
        ("Universe", str(result["universe"])),
        ("Data", str(result["data"]["source"])),
        ("Each begins with", f"{result['cash']:,.0f} yuan"),
        ("Fill", f"{result['fill'].replace('_', ' ')}, every {result['rebalance']}"),
        ("Fees", result["fees_text"]),
        ("Slippage", result["slippage_text"]),
    ]


def _cells(one: Row) -> list[str]:
    return [
        percent(one.annual_return), percent(one.volatility), number(one.sharpe), percent(one.max_drawdown),
        percent(one.excess_return, sign=True), percent(one.tracking_error), number(one.information_ratio),
        percent(one.monthly_win_rate), percent(one.excess_drawdown), percent(one.monthly_turnover),
    ]  # fmt: skip


def _section(group: Group) -> dict[str, Any]:
    rows = [[f"Layer {k}", *_cells(one)] for k, one in enumerate(group.rows(), 1)]
    if group.benchmark is not None:
        rows.append(["Benchmark", *_cells(row(group.dates, group.benchmark))])
    rows.append(["Long-short", *_cells(row(group.dates, group.long_short()))])
    return {
        "name": group.name,
        "tables": [table("Layers", ["", *HEAD], rows), years_table(group)],
        "chart": curves(group),
    }


def years_table(group: Group) -> Table:
    """Return and rank of each layer by year, and the mean rank."""
    found = by_year(group)
    rows = []
    for k in range(len(group.layers)):
        cells = []
        for y in range(len(found.years)):
            shown = heat(float(found.returns[y, k]), FULL)
            cells.append(Cell(f"{shown.text} ({found.ranks[y, k]})", colour=shown.colour))
        rows.append([f"Layer {k + 1}", *cells, f"{found.mean_rank[k]:.2f}"])
    return table("By year, with rank", ["", *map(str, found.years), "Mean rank"], rows, kind="heat")


def sides_table(groups: list[Group]) -> Table:
    """The layers of each group side by side: annual return and excess."""
    head = ["", *(f"{group.name}: {word}" for group in groups for word in ("return", "excess"))]
    all_rows = [group.rows() for group in groups]
    rows = [
        [f"Layer {k + 1}"]
        + [
            text
            for rows in all_rows
            for text in (percent(rows[k].annual_return), percent(rows[k].excess_return, sign=True))
        ]
        for k in range(len(groups[0].layers))
    ]
    spread = [row(group.dates, group.long_short()).annual_return for group in groups]
    rows.append(["Long-short", *(text for one in spread for text in (percent(one), ""))])
    return table("Groups side by side", head, rows)


def industries_table(groups: list[Group]) -> Table:
    """One line a group: its first layer, and the order of all layers by annual return."""
    rows = []
    for group in sorted(groups, key=lambda group: -(group.rows()[0].excess_return or 0.0)):
        first = group.rows()[0]
        rows.append(
            [group.name, percent(first.excess_return, sign=True), number(first.information_ratio),
             percent(first.annual_return), number(first.sharpe), percent(first.excess_drawdown),
             percent(first.monthly_win_rate), ",".join(map(str, group.order())),
             f"{group.dates[0]} to {group.dates[-1]}"]
        )  # fmt: skip
    head = ["Group", "Layer 1: excess a year", "Information ratio", "Annual return", "Sharpe", "Drawdown of excess",
            "Monthly wins", "Layers by return", "Held"]  # fmt: skip
    return table("By group", head, rows, note="Against all stocks of the group that have a score.")


def refusals_table(result: dict[str, Any]) -> Table:
    """Orders, fees and refusals of each portfolio."""
    reasons = sorted({reason for one in result["portfolios"].values() for reason in one["refusals"]})
    rows = [
        [name, f"{one['orders']:,}", f"{one['fees']:,.0f}", *(f"{one['refusals'].get(r, 0):,}" for r in reasons)]
        for name, one in result["portfolios"].items()
    ]
    return table("Orders and refusals", ["", "Orders", "Fees, yuan", *reasons], rows, kind="scroll")


def curves(group: Group) -> dict[str, Any]:
    """Net values, their ratios to the benchmark, and long-short, over one time axis."""
    dates = np.datetime_as_string(group.dates).tolist()
    data, ratios = [], []
    base = group.benchmark if group.benchmark is not None else group.layers[-1]
    for k, value in enumerate(group.layers):
        colour, label = COLOURS[k % len(COLOURS)], f"Layer {k + 1}"
        data.append(line(dates, value / value[0], label, colour, "y", hover="%{y:.3f}", legendgroup=label))
        ratio = (value / value[0]) / (base / base[0])
        ratios.append(
            line(dates, ratio, label, colour, "y2", hover="%{y:.3f}", showlegend=False, legendgroup=label)
        )  # fmt: skip
    if group.benchmark is not None:
        data.append(line(dates, base / base[0], "Benchmark", GREY, "y", hover="%{y:.3f}", line={"dash": "dot"}))
    spread = line(dates, group.long_short(), "Long-short", "#333333", "y3", hover="%{y:.3f}")
    layout = layout_of(
        xaxis={"type": "date", "anchor": "y3", "gridcolor": GRID},
        yaxis=axis((0.56, 1), "Net value", ".2f"),
        yaxis2=axis((0.26, 0.52), "Ratio to benchmark", ".2f"),
        yaxis3=axis((0, 0.22), "Long-short", ".2f"),
    )
    return {"data": [*data, *ratios, spread], "layout": layout}
