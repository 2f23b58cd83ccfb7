"""The tables of the tearsheet: from the frames of a run folder to rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from engine.measures import drawdowns, max_drawdown, period_returns
from engine.presentation import FEE_NAMES, MISSING, number, percent, yuan
from engine.round_trips import FEES, RoundTrips, summary
from engine.tearsheet_charts import known_level

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
    return Table(
        title, head, [[c if isinstance(c, Cell) else Cell(str(c)) for c in row] for row in rows], **more
    )


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
    found = {"Account": equity["value"].to_numpy(dtype=float)}
    for name, column in (("Benchmark", "benchmark"), ("Price index", "benchmark_price")):
        level = known_level(equity, column)
        if level is not None:
            found[name] = level
    return found


def yearly(equity: pd.DataFrame) -> Table:
    """Returns by calendar year, with the deepest fall inside each."""
    dates = equity["date"].to_numpy()
    levels = _levels(equity)
    each = {name: period_returns(dates, level, "Y") for name, level in levels.items()}
    years = each["Account"][0]
    session_years = dates[1:].astype("datetime64[Y]")
    head = ["Year", *levels, *(["Excess"] if "Benchmark" in levels else []), "Max drawdown", "Sessions"]
    rows: list[list[Any]] = []
    for k, year in enumerate(years):
        inside = np.flatnonzero(session_years == year) + 1
        own = levels["Account"][inside[0] - 1 : inside[-1] + 1]
        row: list[Any] = [str(year), *(signed(each[name][1][k]) for name in levels)]
        if "Benchmark" in levels:
            row.append(signed(each["Account"][1][k] - each["Benchmark"][1][k]))
        rows.append([*row, percent(max_drawdown(own).depth), str(inside.size)])
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
    rows = [
        [
            str(year),
            *(heat(by_month.get(int(year.astype(int)) * 12 + m), 0.1) for m in range(12)),
            heat(total, 0.4),
        ]
        for year, total in zip(years, own_year.tolist(), strict=True)
    ]
    title = "Monthly excess over the benchmark" if excess else "Monthly returns of the account"
    return table(title, ["Year", *MONTHS, "Year"], rows, kind="heat")


def deepest_falls(equity: pd.DataFrame, top: int = 10) -> Table:
    """The deepest drawdowns of the account, with their lengths in sessions."""
    dates = equity["date"].to_numpy()
    rows = []
    for rank, fall in enumerate(drawdowns(equity["value"].to_numpy(dtype=float), top), 1):
        back = "not recovered" if fall.recovered is None else day(dates[fall.recovered])
        again = MISSING if fall.recovered is None else str(fall.recovered - fall.trough)
        rows.append(
            [
                str(rank),
                day(dates[fall.peak]),
                day(dates[fall.trough]),
                back,
                percent(fall.depth),
                str(fall.trough - fall.peak),
                again,
            ]
        )
    head = ["No.", "Peak", "Trough", "Recovered", "Depth", "Sessions down", "Sessions up"]
    return table("Deepest drawdowns", head, rows, texts=4, note="" if rows else "The account never fell.")


def stress(equity: pd.DataFrame, periods: list[tuple[str, str, str]]) -> Table | None:
    """Account and benchmark over the A-share stress periods that the run overlaps."""
    dates, levels = equity["date"].to_numpy().astype("datetime64[D]"), _levels(equity)
    rows: list[list[Any]] = []
    for name, start, end in periods:
        inside = np.flatnonzero((dates >= np.datetime64(start)) & (dates <= np.datetime64(end)))
        first = max(int(inside[0]) - 1, 0)
        moves = [float(level[inside[-1]] / level[first] - 1.0) for level in levels.values()]
        row: list[Any] = [
            name,
            f"{dates[max(first + 1, inside[0])]} to {dates[inside[-1]]}",
            *map(signed, moves),
        ]
        if "Benchmark" in levels:
            row.append(signed(moves[0] - moves[1]))
        rows.append([*row, percent(max_drawdown(levels["Account"][first : inside[-1] + 1]).depth)])
    head = [
        "Period",
        "Sessions in the run",
        *levels,
        *(["Excess"] if "Benchmark" in levels else []),
        "Max drawdown",
    ]
    return table("A-share stress periods", head, rows, texts=2) if rows else None


def fees(result: Mapping[str, Any], fills: pd.DataFrame, equity: pd.DataFrame) -> Table:
    """Charges by kind, in yuan and as a share of the mean account value a year; interest on its own line."""
    found = result.get("fees") or {
        name: float(fills[name].sum()) for name in (*FEES, "slippage") if name in fills
    }
    found = dict(found)
    found.setdefault("total", sum(found.get(name, 0.0) for name in FEES))
    scale = float(equity["value"].mean()) * float((result.get("headline") or {}).get("years") or 0.0)

    def row(label: str, amount: float) -> list[Any]:
        return [label, yuan(amount), percent(amount / scale, 3) if scale > 0 else MISSING]

    rows = [row(FEE_NAMES[name], found[name]) for name in FEES if name in found]
    rows.append([Cell(text, kind="strong") for text in row(FEE_NAMES["total"], found["total"])])
    if "slippage" in found:
        rows.append(row(FEE_NAMES["slippage"], found["slippage"]))
    interest = result.get("interest", float(equity["interest"].sum()) if "interest" in equity else 0.0)
    rows.append(row("Interest on cash (received)", interest))
    return table("Fees and interest", ["Kind", "Yuan", "Of value a year"], rows)


def refusal_yuan(
    refusals: pd.DataFrame, positions: pd.DataFrame, fills: pd.DataFrame
) -> dict[str, tuple[float, int]]:
    """Yuan that did not trade, by reason, and the number of refusals without a price.

    Uses a ``price`` column where the refusals have one, else the last mark or fill of the stock in the run
    folder on or before that session.
    """
    frame = refusals[["date", "symbol", "reason"]].copy()
    frame["missing"] = (refusals["wanted"] - refusals["done"]).astype(float)
    if "price" in refusals:
        frame["price"] = refusals["price"].astype(float)
    else:
        known = pd.concat([fills[["date", "symbol", "price"]], positions[["date", "symbol", "price"]]])
        known = known.sort_values("date", kind="stable")
        frame = pd.merge_asof(frame.sort_values("date", kind="stable"), known, on="date", by="symbol")
    frame["yuan"] = frame["missing"] * frame["price"]
    groups = frame.groupby("reason")["yuan"]
    return {str(reason): (float(part.sum()), int(part.isna().sum())) for reason, part in groups}


def refusals(
    result: Mapping[str, Any], frame: pd.DataFrame, positions: pd.DataFrame, fills: pd.DataFrame
) -> Table:
    """Orders, or parts of orders, that did not trade, by reason."""
    found = result.get("refusals")
    if found is None:
        gap = frame["wanted"] - frame["done"]
        found = {
            str(reason): {"count": len(part), "shares": int(part.sum())}
            for reason, part in gap.groupby(frame["reason"])
        }
    worth = refusal_yuan(frame, positions, fills) if len(frame) else {}
    rows, unpriced = [], 0
    for reason, of in sorted(found.items(), key=lambda item: (-item[1].get("count", 0), item[0])):
        amount, without = worth.get(reason, (float("nan"), 0))
        if "yuan" in of:
            amount, without = of["yuan"], 0
        unpriced += without
        rows.append([reason, number(of.get("count"), 0), number(of.get("shares"), 0), yuan(amount, 0)])
    note = "" if rows else "Every order traded in full."
    if unpriced:
        note = f"{unpriced:,} refusals have no price in the run folder and count 0 yuan."
    return table("Refusals by reason", ["Reason", "Count", "Shares", "Yuan"], rows, note=note)


def corporate(result: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    """Corporate actions by kind; UNRESOLVED is always named, with its number."""
    rows: list[list[Any]] = []
    for kind, part in frame.groupby("kind"):
        rows.append(
            [
                str(kind),
                number(len(part), 0),
                number(int(part["shares"].sum()), 0),
                yuan(part["cash"].sum()),
                yuan(part["tax"].sum() if "tax" in part else 0.0),
            ]
        )
    if not rows:
        rows = [
            [kind, number(of.get("count"), 0), MISSING, yuan(of.get("cash")), MISSING]
            for kind, of in sorted((result.get("corporate") or {}).items())
        ]
    unresolved = next((row[1] for row in rows if row[0] == "UNRESOLVED"), "0")
    note = f"UNRESOLVED: {unresolved} (events that fit no plain dividend or bonus, booked value-neutral)."
    return table("Corporate actions", ["Kind", "Count", "Shares", "Cash, yuan", "Tax, yuan"], rows, note=note)


def decisions(result: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    """How many decisions there were, the first and the last."""
    counts = result.get("decisions") or {}
    if len(frame):
        status = frame["status"].astype("str")
        counts = {
            "executed": int((status == "executed").sum()),
            "pending": int((status == "pending").sum()),
        } | counts
    rows = [
        ["Executed", number(counts.get("executed", 0), 0)],
        ["Pending", number(counts.get("pending", 0), 0)],
    ]
    for label, at in (("First", 0), ("Last", -1)) if len(frame) else ():
        row = frame.iloc[at]
        then = f"executed {day(row['execution'])}" if not pd.isna(row["execution"]) else "pending"
        rows.append([label, f"{day(row['decision'])}, {then}"])
    if "scored" in frame and len(frame):
        rows.append(["Stocks scored, mean", number(float(frame["scored"].mean()), 0)])
    return table("Decisions", ["", ""], rows, kind="pairs")


def holdings(equity: pd.DataFrame, positions: pd.DataFrame, names: Mapping[str, str]) -> Table:
    """What the account held at the last close, largest first."""
    last, value = equity["date"].iloc[-1], float(equity["value"].iloc[-1])
    held = positions[positions["date"] == last].sort_values(["value", "symbol"], ascending=[False, True])
    rows = [
        [
            str(row.symbol),
            names.get(str(row.symbol), ""),
            number(row.shares, 0),
            number(row.price),
            yuan(row.value),
            percent(row.value / value),
        ]
        for row in held.itertuples()
    ]
    cash = float(equity["cash"].iloc[-1])
    rows.append(["cash", "", "", "", yuan(cash), percent(cash / value)])
    head = ["Symbol", "Name", "Shares", "Price", "Value, yuan", "Weight"]
    title = f"Holdings at the close of {day(last)} ({len(held)} stocks)"
    return table(title, head, rows, texts=2, kind="scroll")


def contributors(
    fills: pd.DataFrame,
    actions: pd.DataFrame,
    equity: pd.DataFrame,
    positions: pd.DataFrame,
    names: Mapping[str, str],
    top: int = 10,
) -> list[Table]:
    """The stocks that earned and cost most: sales + corporate cash + final value - purchases - fees."""
    flow = fills["shares"] * fills["price"] * np.where(fills["side"] == "buy", -1.0, 1.0)
    flow = flow - fills[[name for name in FEES if name in fills]].sum(axis=1)
    final = positions[positions["date"] == equity["date"].iloc[-1]]
    parts = [flow.groupby(fills["symbol"]).sum(), final.groupby("symbol")["value"].sum()]
    if len(actions):
        parts.append(actions.groupby("symbol")["cash"].sum())
    profit = pd.concat(parts).groupby(level=0).sum().sort_index().sort_values(ascending=False, kind="stable")
    trades = fills.groupby("symbol").size()
    start = float(equity["value"].iloc[0])

    def rows(part: pd.Series) -> list[list[Any]]:
        return [
            [
                str(code),
                names.get(str(code), ""),
                yuan(gain, 0),
                signed(gain / start),
                str(trades.get(code, 0)),
            ]
            for code, gain in part.items()
        ]

    head = ["Symbol", "Name", "Profit, yuan", "Of starting cash", "Fills"]
    best, worst = profit[profit > 0].head(top), profit[profit < 0].tail(top).iloc[::-1]
    return [
        table("Top contributors", head, rows(best), texts=2),
        table("Top detractors", head, rows(worst), texts=2),
    ]


def trips(matched: RoundTrips, names: Mapping[str, str]) -> list[Table]:
    """Statistics of the closed round trips and the five best and worst."""
    of = summary(matched.closed)
    rows = [
        ["Closed round trips", number(of["count"], 0)],
        ["Open lots", number(len(matched.open), 0)],
        ["Share with a profit", percent(of["win_rate"], 1)],
        ["Profit factor", number(of["profit_factor"])],
        ["Mean profit", f"{yuan(of['mean_pnl'])} yuan"],
        ["Median profit", f"{yuan(of['median_pnl'])} yuan"],
        ["Total profit", f"{yuan(of['total_pnl'])} yuan"],
        ["Mean return", percent(of["mean_return"])],
        ["Mean holding", f"{number(of['mean_sessions'], 1)} sessions"],
    ]
    head = ["Symbol", "Name", "Bought", "Sold", "Sessions", "Profit", "Return"]

    def listed(part: list[dict[str, Any]]) -> list[list[Any]]:
        return [
            [
                str(row["symbol"]),
                names.get(str(row["symbol"]), ""),
                day(row["open_date"]),
                day(row["close_date"]),
                str(row["sessions_held"]),
                yuan(row["pnl"], 0),
                signed(row["return"], 1),
            ]
            for row in part
        ]

    note = "First in, first out, on whole shares; profits after fees and with dividends."
    return [
        table("Round trips", ["", ""], rows, kind="pairs", note=note),
        table("Best round trips", head, listed(of["best"]), texts=4),
        table("Worst round trips", head, listed(of["worst"]), texts=4),
    ]


def facts(title: str, content: Any) -> Table | None:
    """A free-form part of ``result.json`` (coverage, rules in force) as a table; None if it is empty."""
    if not content:
        return None
    if isinstance(content, Mapping):
        return table(title, ["", ""], [[str(key), _fact(content[key])] for key in content], kind="pairs")
    if all(isinstance(row, Mapping) for row in content):
        head = list(dict.fromkeys(str(key) for row in content for key in row))
        return table(
            title, head, [[_fact(row.get(key, "")) for key in head] for row in content], texts=len(head)
        )
    return table(title, [""], [[str(row)] for row in content])


def _fact(x: Any) -> str:
    if isinstance(x, float):
        return f"{x:,.6g}"
    if isinstance(x, Mapping):
        return ", ".join(f"{key} {_fact(x[key])}" for key in x)
    return ", ".join(map(_fact, x)) if isinstance(x, (list, tuple)) else str(x)
