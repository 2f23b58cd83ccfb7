"""Tables of the tearsheet: what a table is, and those about returns and drawdowns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from engine.drawdowns import drawdowns, max_drawdown
from engine.measures import period_returns
from engine.presentation import MISSING, percent
from engine.tearsheet_charts import account_level, known_level

#: Returns at which the heat maps are saturated, by month and by year: excess returns are much smaller.
HEAT, EXCESS_HEAT = (0.1, 0.4), (0.04, 0.2)

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Cell(NamedTuple):
    """One cell: its text, and a background colour and a class for the style sheet if any."""

    text: str
    colour: str = ""
    kind: str = ""


class Table(NamedTuple):
    """A table: the first ``texts`` columns hold words (left), the others numbers (right)."""

    title: str
    head: list[str]
    rows: list[list[Cell]]
    note: str = ""
    texts: int = 1
    kind: str = ""


def table(title: str, head: list[str], rows: list[list[Any]], **more: Any) -> Table:
    """A :class:`Table` whose cells may be given as plain strings."""
    return Table(title, head, [[c if isinstance(c, Cell) else Cell(str(c)) for c in row] for row in rows], **more)


def day(stamp: Any) -> str:
    """ISO date, or ``MISSING`` for a null."""
    return MISSING if pd.isna(stamp) else str(np.datetime64(stamp, "D"))


def signed(x: float | None, digits: int = 2) -> Cell:
    """A return as per cent with its sign, coloured by the sign."""
    text = percent(x, digits, sign=True)
    return Cell(text, kind="" if x is None or text == MISSING else "up" if x > 0 else "down" if x < 0 else "")


def heat(x: float | None, full: float) -> Cell:
    """A return on a blue (up) to orange (down) scale that is saturated at ``full``; one decimal."""
    if x is None or not np.isfinite(x):
        return Cell("")
    strength = min(abs(x) / full, 1.0) ** 0.8
    end = (74, 134, 190) if x > 0 else (214, 122, 66)
    rgb = [round(255 + (to - 255) * strength * 0.85) for to in end]
    return Cell(percent(x, 1), colour="#" + "".join(f"{part:02x}" for part in rgb))


def _levels(equity: pd.DataFrame) -> dict[str, np.ndarray]:
    """Account and benchmark levels by name, only those that exist."""
    found = {"Account": account_level(equity)}
    for name, column in (("Benchmark", "benchmark"), ("Price index", "benchmark_price")):
        level = known_level(equity, column)
        if level is not None:
            found[name] = level
    return found


def _side_by_side(moves: dict[str, float]) -> dict[str, float]:
    """Returns by name in the order of the columns, with the excess over the benchmark (if there is one) third."""
    if "Benchmark" not in moves:
        return moves
    excess = moves["Account"] - moves["Benchmark"]
    return {"Account": moves["Account"], "Benchmark": moves["Benchmark"], "Excess": excess} | moves


def yearly(equity: pd.DataFrame) -> Table:
    """Returns by calendar year, with the deepest fall inside each."""
    dates = equity["date"].to_numpy()
    levels = _levels(equity)
    each = {name: period_returns(dates, level, "Y") for name, level in levels.items()}
    years = each["Account"][0]
    session_years = dates[1:].astype("datetime64[Y]")
    rows: list[list[Any]] = []
    for k, year in enumerate(years):
        inside = np.flatnonzero(session_years == year) + 1
        own = levels["Account"][inside[0] - 1 : inside[-1] + 1]
        moves = _side_by_side({name: float(each[name][1][k]) for name in levels})
        rows.append([str(year), *map(signed, moves.values()), percent(max_drawdown(own).depth), str(inside.size)])
    head = ["Year", *_side_by_side(dict.fromkeys(levels, 0.0)), "Max drawdown", "Sessions"]
    return table("Returns by year", head, rows)


def monthly(equity: pd.DataFrame, excess: bool) -> Table | None:
    """Heat map of monthly returns, or of monthly returns less those of the benchmark (None without one)."""
    dates, levels = equity["date"].to_numpy(), _levels(equity)
    if excess and "Benchmark" not in levels:
        return None
    months, own = period_returns(dates, levels["Account"], "M")
    years, own_year = period_returns(dates, levels["Account"], "Y")
    if excess:
        own = own - period_returns(dates, levels["Benchmark"], "M")[1]
        own_year = own_year - period_returns(dates, levels["Benchmark"], "Y")[1]
    by_month = dict(zip(months.astype(int).tolist(), own.tolist(), strict=True))
    full, full_year = EXCESS_HEAT if excess else HEAT
    rows = [
        [
            str(year),
            *(heat(by_month.get(int(year.astype(int)) * 12 + m), full) for m in range(12)),
            heat(total, full_year),
        ]
        for year, total in zip(years, own_year.tolist(), strict=True)
    ]
    title = "Monthly excess over the benchmark" if excess else "Monthly returns of the account"
    note = f"Full colour at {full:.0%} a month and {full_year:.0%} a year."
    return table(title, ["Year", *MONTHS, "Total"], rows, kind="heat", note=note)


def deepest_falls(equity: pd.DataFrame, top: int = 10) -> Table:
    """The deepest drawdowns of the account, with their lengths in sessions."""
    dates = equity["date"].to_numpy()
    rows = []
    for rank, fall in enumerate(drawdowns(account_level(equity), top), 1):
        back, again = "not recovered", MISSING
        if fall.recovered is not None:
            back, again = day(dates[fall.recovered]), str(fall.recovered - fall.trough)
        down = str(fall.trough - fall.peak)
        rows.append([str(rank), percent(fall.depth), down, again, day(dates[fall.peak]), day(dates[fall.trough]), back])
    head = ["No.", "Depth", "Sessions down", "Sessions up", "Peak", "Trough", "Recovered"]
    return table("Deepest drawdowns", head, rows, note="" if rows else "The account never fell.")


def stress(equity: pd.DataFrame, periods: list[tuple[str, str, str]]) -> Table | None:
    """Account and benchmark over the A-share stress periods that the run overlaps."""
    dates, levels = equity["date"].to_numpy().astype("datetime64[D]"), _levels(equity)
    rows: list[list[Any]] = []
    for name, start, end in periods:
        inside = np.flatnonzero((dates >= np.datetime64(start)) & (dates <= np.datetime64(end)))
        first = max(int(inside[0]) - 1, 0)
        moves = {name: float(level[inside[-1]] / level[first] - 1.0) for name, level in levels.items()}
        fall = percent(max_drawdown(levels["Account"][first : inside[-1] + 1]).depth)
        span = f"{dates[max(first + 1, inside[0])]} to {dates[inside[-1]]}"
        rows.append([name, *map(signed, _side_by_side(moves).values()), fall, span])
    head = ["Period", *_side_by_side(dict.fromkeys(levels, 0.0)), "Max drawdown", "Sessions in the run"]
    return table("A-share stress periods", head, rows, kind="named") if rows else None
