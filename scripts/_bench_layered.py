"""Layered portfolios on the real data: 10 layers in each third by size, monthly, ten years, from cached scores."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TARGET_S = 10.0
NOTE = "a fresh process from the command to its run folder, without the page; market and compiled code come from caches"
START, END, LOOKBACK = "2011-07-01", "2021-06-30", 20


def write_scores(folder: Path, path: Path) -> None:
    """Twenty-day reversal of all stocks at the end of each month, as an earlier run would have left it."""
    import pandas as pd

    from feeds.store import open_market
    from signals.factors.panel import month_ends

    market = open_market(str(folder), universe="all", start=START, end=END, lookback=2 * LOOKBACK)
    rows = month_ends(market.sessions, market.sessions[2 * LOOKBACK - 2], END)
    parts = []
    for t in rows[rows >= LOOKBACK]:
        now, before = (market.mark[s] * market.adj_factor[s] for s in (t, t - LOOKBACK))
        known = np.flatnonzero(np.isfinite(now / before) & (market.traded[t] > 0))
        date = market.sessions[t].astype("datetime64[ms]")
        score = 1.0 - (now / before)[known]
        parts.append(pd.DataFrame({"date": date, "symbol": market.symbol_array[known], "score": score}))
    pd.concat(parts).to_parquet(path)


def measure(folder: Path) -> list[dict[str, Any]]:
    """One row: a fresh process from the command to the run folder, after one of two layers has filled the caches."""
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        scores = Path(place) / "scores.parquet"
        write_scores(folder, scores)
        script = str(Path(__file__).with_name("portfolios.py"))
        job = ["--by", "size", "--start", START, "--end", END, "--fill", "next_close"]
        quiet = ["--no-page", "--no-progress", "--json", "--out", place]
        command = [sys.executable, script, "--data", str(folder), "--scores", str(scores), *job, *quiet]
        for layers in ("2", "10"):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run([*command, "--layers", layers], check=True, capture_output=True, text=True)
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(done.stdout)["portfolios"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        {
            "portfolios": len(found),
            "orders": sum(one["orders"] for one in found.values()),
            "refusals": sum(sum(one["refusals"].values()) for one in found.values()),
            "cpu_s": round(cpu, 2),
            "wall_s": round(wall, 2),
            "target_s": TARGET_S,
            "met": "yes" if cpu < TARGET_S else "no",
        }
    ]
