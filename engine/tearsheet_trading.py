"""The tables of the tearsheet about the account: charges, refusals, holdings, round trips, and the run's facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from engine.presentation import FEE_NAMES, MISSING, data_text, known, number, percent, yuan
from engine.round_trips import FEES, RoundTrips, summary
from engine.tearsheet_tables import Cell, Table, day, signed, table


def fees(result: Mapping[str, Any], fills: pd.DataFrame, equity: pd.DataFrame) -> Table:
    """Charges by kind, in yuan and as a share of the mean account value a year; interest on its own line."""
    found = result.get("fees") or {name: float(fills[name].sum()) for name in (*FEES, "slippage") if name in fills}
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
    return table("Fees and interest", ["Kind", "Yuan", "% of mean account value, a year"], rows, kind="named")


def refusal_fates(frame: pd.DataFrame) -> pd.DataFrame:
    """What became of each refusal: ``fate`` ("later", "cut" or "never") and ``missing`` (shares that never traded).

    The rows of one order, cuts apart, are stages of one wait: suspended, then at its limit, then filled or given
    up. The last of them decides for all, and it alone counts the shares that are still missing.
    """
    outcome = frame["outcome"].fillna("").astype(str) if "outcome" in frame else pd.Series("", index=frame.index)
    order = frame["order_id"] if "order_id" in frame else pd.Series(np.arange(len(frame)), index=frame.index)
    cut = outcome == "cut"
    last = ~cut & ~order.where(~cut, -1 - np.arange(len(frame))).duplicated(keep="last")
    end = order.map(dict(zip(order[last], outcome[last], strict=True)))
    fate = np.where(cut, "cut", np.where(end == "done", "later", "never"))
    missing = (frame["wanted"] - frame["done"]).clip(lower=0).where(cut | last, 0)
    return pd.DataFrame({"fate": fate, "missing": missing.astype(float)}, index=frame.index)


def refusal_yuan(refusals: pd.DataFrame, positions: pd.DataFrame, fills: pd.DataFrame) -> dict[str, tuple[float, int]]:
    """Yuan that never traded, by reason, and the number of refusals without a price.

    Uses a ``price`` column where the refusals have one, else the last mark or fill of the stock in the run
    folder on or before that session.
    """
    frame = refusals[["date", "symbol", "reason"]].assign(missing=refusal_fates(refusals)["missing"])
    if "price" in refusals:
        frame["price"] = refusals["price"].astype(float)
    else:
        marks = pd.concat([fills[["date", "symbol", "price"]], positions[["date", "symbol", "price"]]])
        marks = marks.sort_values("date", kind="stable")
        frame = pd.merge_asof(frame.sort_values("date", kind="stable"), marks, on="date", by="symbol")
    frame["yuan"] = (frame["missing"] * frame["price"]).where(frame["missing"] > 0, 0.0)
    groups = frame.groupby("reason")["yuan"]
    return {str(reason): (float(part.sum()), int(part.isna().sum())) for reason, part in groups}


def refusals(
    result: Mapping[str, Any], frame: pd.DataFrame, positions: pd.DataFrame, fills: pd.DataFrame
) -> Table | None:
    """Orders, or parts of orders, that were held up, by reason and by what became of them."""
    title = "Refusals by reason"
    if frame.empty:
        return None if result.get("refusals") else table(title, [], [], note="Every order traded in full.")
    fates, worth = refusal_fates(frame), refusal_yuan(frame, positions, fills)
    rows: list[tuple[int, list[str]]] = []
    cost = -frame["earned"].fillna(0.0).groupby(frame["reason"].astype(str)).sum() if "earned" in frame else None
    unpriced = 0
    for reason, part in fates.groupby(frame["reason"].astype(str)):
        amount, without = worth[str(reason)]
        unpriced += without
        counts = [number(int((part["fate"] == fate).sum()), 0) for fate in ("later", "cut", "never")]
        row = [str(reason), *counts, number(part["missing"].sum(), 0), yuan(amount, 0)]
        rows.append((len(part), row if cost is None else [*row, yuan(float(cost[str(reason)]), 0)]))
    rows.sort(key=lambda row: (-row[0], row[1]))
    note = (
        "Cut: the order went on with fewer shares. Shares and yuan are those that never traded; of an order that was "
        "held up for several reasons they stand under the last."
    )
    if unpriced:
        note += f" {unpriced:,} refusals have no price in the run folder and count 0 yuan."
    head = ["Reason", "Delayed, filled later", "Cut", "Not filled", "Shares lost", "Yuan lost"]
    if cost is not None:
        head.append("Cost, yuan")
        note += (
            " Cost: what missing the trade took from the account until it was done or given up; negative where it "
            "helped."
        )
    return table(title, head, [row for _, row in rows], note=note)


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
    """What the account held at the last close: cash, then the stocks, largest first."""
    last, value = equity["date"].iloc[-1], float(equity["value"].iloc[-1])
    held = positions[positions["date"] == last].sort_values(["value", "symbol"], ascending=[False, True])
    cash = float(equity["cash"].iloc[-1])
    rows = [["cash", "", "", "", yuan(cash), percent(cash / value)]]
    rows += [
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
    head = ["Symbol", "Name", "Shares", "Price, yuan", "Value, yuan", "Weight"]
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
    """The stocks that earned and cost most: sales + corporate cash after tax + final value - purchases - fees."""
    flow = fills["shares"] * fills["price"] * np.where(fills["side"] == "buy", -1.0, 1.0)
    flow = flow - fills[[name for name in FEES if name in fills]].sum(axis=1)
    final = positions[positions["date"] == equity["date"].iloc[-1]]
    parts = [flow.groupby(fills["symbol"]).sum(), final.groupby("symbol")["value"].sum()]
    if len(actions):
        after_tax = actions["cash"] - actions.get("tax", 0.0)
        parts.append(after_tax.groupby(actions["symbol"]).sum())
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
        ["Open FIFO lots", number(len(matched.open), 0)],
        ["Share with a profit", percent(of["win_rate"], 1)],
        ["Profit factor", number(of["profit_factor"])],
        ["Mean profit", f"{yuan(of['mean_pnl'])} yuan"],
        ["Median profit", f"{yuan(of['median_pnl'])} yuan"],
        ["Total profit", f"{yuan(of['total_pnl'])} yuan"],
        ["Mean return", percent(of["mean_return"])],
        ["Mean holding", f"{number(of['mean_sessions'], 1)} sessions"],
    ]
    head = ["Symbol", "Name", "Return", "Profit, yuan", "Sessions", "Bought", "Sold"]

    def listed(part: list[dict[str, Any]]) -> list[list[Any]]:
        return [
            [
                str(row["symbol"]),
                names.get(str(row["symbol"]), ""),
                signed(row["return"], 1),
                yuan(row["pnl"], 0),
                str(row["sessions_held"]),
                day(row["open_date"]),
                day(row["close_date"]),
            ]
            for row in part
        ]

    note = (
        "A closed round trip is a first-in-first-out slice of a holding, those trimmed at a rebalance included, so one "
        "stock held once may count many times. Profits are after fees and with dividends."
    )
    return [
        table("Round trips", ["", ""], rows, kind="pairs", note=note),
        table("Best round trips", head, listed(of["best"]), texts=2),
        table("Worst round trips", head, listed(of["worst"]), texts=2),
    ]


def data_facts(result: Mapping[str, Any]) -> Table | None:
    """What the data are and how much of the universe and of the benchmark they cover."""
    data, benchmark = result.get("data"), result.get("benchmark") or {}
    fingerprint = data.get("fingerprint") if isinstance(data, Mapping) else data
    rows = [["Data", data_text(result)], ["Fingerprint", str(fingerprint or "")[:16]]]
    for label, share in (
        ("Universe memberships with bars", result.get("coverage")),
        ("Benchmark memberships with bars", benchmark.get("coverage")),
        ("Dividends in the benchmark, a year", benchmark.get("dividend_yield")),
    ):
        rows.append([label, percent(share, 2 if "Dividends" in label else 1) if known(share) else ""])
    rows = [row for row in rows if row[1]]
    return table("Data", ["", ""], rows, kind="pairs") if rows else None


#: The columns of a dated fee row, in the order of the table; its line number and its flag are for the code.
RULE_COLUMNS = (
    "kind", "exchange", "board", "side", "rate", "base", "minimum", "inside", "from", "to", "confidence", "source",
)  # fmt: skip
_BLANK = {"exchange": "all", "board": "all", "side": "both", "from": "–", "to": "–"}


def fee_rules(rows: Any) -> Table | None:
    """The dated fee rows that were in force during the run, without columns that are blank throughout."""
    if not rows:
        return None
    more = dict.fromkeys(key for row in rows for key in row if key not in (*RULE_COLUMNS, "line", "flagged"))
    head = [key for key in (*RULE_COLUMNS[:-1], *more, "source") if any(row.get(key, "") != "" for row in rows)]
    shown = [[_rule(key, row.get(key, "")) for key in head] for row in rows]
    note = (
        "Rates are of the traded value, or of the face value where the base is face; minima are yuan. Confidence says "
        "how well a row is sourced: H, by a primary body or two independent publishers; M, by one secondary publisher, "
        "or the day is unsure; L, by one weak page or carried over from another period."
    )
    return table(
        "Fee rules used", [key.capitalize() for key in head], shown, texts=len(head), kind="named wrap", note=note
    )


def _rule(key: str, x: Any) -> str:
    if x == "":
        return _BLANK.get(key, "")
    if key == "rate":
        try:
            return f"{100 * float(x):.6g}%"
        except ValueError:
            pass
    return str(x).replace("_", " ")
