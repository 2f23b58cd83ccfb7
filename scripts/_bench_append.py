"""The bench's figure of a new day: one session appended to all factors kept in a cache.

A cache is filled at the month-ends up to a session near the end of the data; then each of the next sessions is appended
in a process of its own, on ordinary days and on those on which stocks list. Counted are the CPU seconds, threads and
system included, of the call that brings all factors up to date: digests of the code and of the whole history under the
values, as after a day on which every file has grown, reading, computing and writing. The market is open, its dated
tables read and the compiled code loaded. As a script it prints one JSON object:
``python _bench_append.py DATA CACHE END [START]``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _bench_targets

if TYPE_CHECKING:
    from engine.market import Market

START, DAYS = "2012-01-04", 3
LONGEST = 512
"""Bars of the panel from which all factors are computed once, so that the compiled code is loaded."""
APPEND = 1.0
"""CPU seconds of a new day in all factors, at most."""


# -- in a process of its own ------------------------------------------------------------------------


def bring_up(data: str, folder: Path, end: str, start: str = START) -> dict[str, Any]:
    """Bring all factors that the data serve up to the month-ends until ``end``."""
    from feeds.store import open_market
    from signals.factors.cache import FactorCache
    from signals.factors.cache_history import History
    from signals.factors.panel import FactorPanel, month_ends
    from signals.factors.registry import registered

    def opened() -> Market:
        market = open_market(data, universe="all", start=start, end=end)
        for source in ("tables", "events", "index:000001", "close", "age", "st"):
            History(market).past(source, 0)  # reads the tables, loads the hashes' compiled code
        market.fingerprint += end  # the files of another day are other files: their history must be looked at
        return market

    first = opened()
    panel = FactorPanel(first, [len(first.sessions) - 1], tail=LONGEST)
    factors = [one for one in registered().values() if not one.missing(panel)]
    for one in factors:
        one(panel)  # loads the compiled code; what it read is not used again
    FactorPanel(first, panel.rows, tail=2, along=panel).bars("close")
    market = opened()
    rows = month_ends(market.sessions)
    cache = FactorCache(folder)
    began = time.process_time()
    cache.values(market, factors, rows, schedule="monthly")
    return {
        "cpu": time.process_time() - began,
        "factors": len(factors),
        "computed": len(cache.computed),
        "appended": len(cache.appended),
        "stocks": len(market.symbols),
        "sessions": len(market.sessions),
    }


# -- the bench's side -------------------------------------------------------------------------------


def last_days(data: Path, count: int) -> list[str]:
    """The last sessions on which the data have bars."""
    import pandas as pd

    year = sorted((data / "daily_bars").glob("*.parquet"))[-1]
    days = pd.read_parquet(year, columns=["date"])["date"].unique()
    return [str(day)[:10] for day in sorted(days)[-count:]]


def measure(data: Path, start: str = START, days: int = DAYS) -> list[dict[str, Any]]:
    """CPU seconds of filling a cache, and of each of the last sessions appended to it.

    Parameters
    ----------
    data : Path
        A data folder.
    start : str
        First day of the market.
    days : int
        How many sessions are appended.
    """
    lines = []
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        more = {"HUICE_CACHE": str(Path(place) / "cache")} if "HUICE_CACHE" not in os.environ else {}
        before = 0
        for k, end in enumerate(last_days(data, days + 1)):
            _, printed = _bench_targets.run([__file__, str(data), str(Path(place) / "factors"), end, start], more)
            found = json.loads(printed.splitlines()[-1])
            if k == 0:
                what = f"{found['factors']} factors filled, month-ends up to {end} x {found['stocks']} stocks"
            else:
                what = f"{end} appended to {found['appended']} factors, {found['stocks'] - before} stocks more"
                what += f", {found['computed']} computed anew" if found["computed"] else ""
            lines.append({"figure": what, "cpu_s": round(float(found["cpu"]), 3)})
            before = found["stocks"]
    return lines


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each appended session beside what it may take."""
    return [_bench_targets.line(str(row["figure"]), float(row["cpu_s"]), APPEND, "CPU s") for row in rows[1:]]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(json.dumps(bring_up(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
