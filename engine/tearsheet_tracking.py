"""The tearsheet's chart of how well the account followed the targets of its baskets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from engine.tearsheet_charts import ACCOUNT, BENCHMARK, GRID, axis, days_of, layout_of, line
from engine.tearsheet_tables import Table, table

_WORDS = {
    "RANK": "no longer among the best",
    "LEFT_UNIVERSE": "left the universe",
    "ST": "came under special treatment",
    "DELISTING": "entered its delisting period",
    "BUFFER": "kept within the buffer",
    "KEPT": "kept although it is no candidate any more",
    "LOT": "passed over: a lot costs more than its target",
    "SPARE": "took the place of such a name",
}
"""Reasons of ``targets.parquet`` in words."""


def charts(tracking: pd.DataFrame) -> dict[str, Any]:
    """The chart ``tracking``: distance from the targets, and cash held and wanted, at each close; {} without baskets.

    Parameters
    ----------
    tracking : DataFrame
        ``tracking.parquet``, fractions of the account's value.
    """
    if tracking.empty:
        return {}
    dates = days_of(tracking)
    columns = {name: tracking[name].to_numpy(dtype=float) for name in ("off_target", "cash", "target_cash")}
    data = [
        line(dates, columns["off_target"], "Not as wanted", ACCOUNT, "y", hover="%{y:.1%}", fill="tozeroy",
             fillcolor="rgba(29,79,124,0.18)"),
        line(dates, columns["cash"], "Cash", BENCHMARK, "y", hover="%{y:.1%}"),
        line(dates, columns["target_cash"], "Cash wanted", BENCHMARK, "y", hover="%{y:.1%}", line={"dash": "dot"}),
    ]  # fmt: skip
    left = axis((0, 1), "Share of the account", ".0%") | {"rangemode": "tozero"}
    layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=left)
    return {"tracking": {"data": data, "layout": layout}}


def reasons(targets: pd.DataFrame, tracking: pd.DataFrame) -> Table | None:
    """Why names were sold, kept or passed over, most frequent first; None where no basket says."""
    named = targets["reason"].astype("str")
    counts = named[named != ""].value_counts()
    if counts.empty:
        return None
    rows = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    off, cash = (float(np.mean(tracking[name])) for name in ("off_target", "cash"))
    return table(
        "Why targets are what they are",
        ["Reason", "What it means", "Times"],
        [[reason, _WORDS.get(str(reason), ""), f"{count:,}"] for reason, count in rows],
        note=f"On the mean of the sessions {off:.1%} of the account was not as wanted, and {cash:.1%} was cash.",
        texts=2,
    )
