"""The bench's figures of a data folder: the first open of a whole market, its cache, an as-of join, pandas beside them.

Every figure is the CPU time, threads and system included, of a process of its own; caches begin empty. Runs take turns,
so that a slow spell of the machine falls on all of them. The baseline is what everybody writes first: pandas reads the
same Parquet files and pivots eight fields. As a script it prints one JSON object:
``python _bench_data.py first FOLDER``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _bench_targets
from _bench_jobs import memory

SPAN = {"start": "2012-01-01", "end": "2021-12-31"}
FIELDS = ("open", "high", "low", "close", "volume", "amount", "turnover", "adj_factor")
"""Fields that pandas pivots."""
MONTHS = 120
FILES, ROWS = 300, 500
"""CSV files of a folder that is converted, one a stock, and days in each."""

FIRST = (4.0, 2000)
"""CPU seconds and peak MB of the first open, at most."""
CACHED, JOIN, PIVOT = 0.05, 2.0, 1.0
CONVERT = 3.0


# -- in a process of its own ------------------------------------------------------------------------


def _open(data: Path) -> Any:
    from feeds.store import open_market

    return open_market(str(data), universe="all", **SPAN)  # type: ignore[arg-type]


def first(data: Path) -> dict[str, Any]:
    """Open the whole market through the cache that HUICE_CACHE names: CPU seconds with and without our imports."""
    began = time.process_time()
    import feeds.foreign
    import feeds.panel  # noqa: F401

    imported = time.process_time()
    market = _open(data)
    return {
        "cpu": time.process_time() - began,
        "call_cpu": time.process_time() - imported,
        "sessions": market.shape[0],
        "stocks": market.shape[1],
        "bars": int(market.traded.sum()),
    }


def join(data: Path) -> dict[str, Any]:
    """Every figure of every table of fundamentals as known on :data:`MONTHS` month-ends, tables read anew."""
    import numpy as np

    market = _open(data)
    months = market.sessions.astype("datetime64[M]")
    ends = market.sessions[np.append(months[1:] != months[:-1], True)][-MONTHS:]
    began = time.process_time()
    figures = [market.known.reports(table).all_latest(ends) for table in market.known.report_tables()]
    return {
        "cpu": time.process_time() - began,
        "days": len(ends),
        "stocks": market.shape[1],
        "figures": sum(map(len, figures)),
        "values": sum(int(np.isfinite(values).sum()) for found in figures for values in found.values()),
    }


def pivot(data: Path) -> dict[str, Any]:
    """What everybody writes first: read the bars with pandas and pivot :data:`FIELDS`."""
    import pandas as pd

    began = time.process_time()
    years = [path for path in sorted((data / "daily_bars").glob("*.parquet")) if path.stem <= SPAN["end"][:4]]
    bars = pd.concat([pd.read_parquet(path, columns=["date", "symbol", *FIELDS]) for path in years])
    frames = {name: bars.pivot(index="date", columns="symbol", values=name) for name in FIELDS}
    return {"cpu": time.process_time() - began, "sessions": len(frames["close"]), "stocks": frames["close"].shape[1]}


def convert(folder: Path) -> dict[str, Any]:
    """Open a folder of CSV files."""
    import pandas  # noqa: F401  (its import is nobody's, as for the pivot)

    from feeds.store import open_market

    began = time.process_time()
    market = open_market(str(folder), universe="all")
    return {"cpu": time.process_time() - began, "sessions": market.shape[0], "stocks": market.shape[1]}


def write_csv(data: Path, folder: Path, files: int = FILES, rows: int = ROWS) -> dict[str, Any]:
    """One CSV file a stock as AKShare's ``stock_zh_a_hist`` saves it: its last ``rows`` bars of the last four years."""
    import pandas as pd

    years = sorted((data / "daily_bars").glob("*.parquet"))[-4:]
    columns = ["date", "symbol", "open", "high", "low", "close", "preclose", "volume", "amount", "turnover"]
    bars = pd.concat([pd.read_parquet(path, columns=columns) for path in years])
    bars = bars[bars["symbol"].isin(sorted(bars["symbol"].unique().tolist())[:files])].sort_values(["symbol", "date"])
    folder.mkdir()
    for symbol, own in bars.groupby("symbol", sort=True):
        own = own.tail(rows)
        change = own["close"] - own["preclose"]
        frame = pd.DataFrame(
            {
                "日期": own["date"].dt.strftime("%Y-%m-%d"), "股票代码": str(symbol)[:6], "开盘": own["open"],
                "收盘": own["close"], "最高": own["high"], "最低": own["low"], "成交量": own["volume"] // 100,
                "成交额": own["amount"].astype(float), "涨跌幅": (100.0 * change / own["preclose"]).round(2),
                "涨跌额": change.round(2), "换手率": own["turnover"].astype(float).round(2),
            }
        )  # fmt: skip
        frame.to_csv(folder / f"{str(symbol)[:6]}.csv", index=False)
    return {"files": len(list(folder.iterdir()))}


# -- the bench's side -------------------------------------------------------------------------------


def in_process(what: str, folder: Path, cache: Path, *more: str) -> dict[str, Any]:
    """The figures of one function of this file, in a fresh process."""
    _, printed = _bench_targets.run([__file__, what, str(folder), *more], {"HUICE_CACHE": str(cache)})
    return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]


def measure(data: Path, repeat: int) -> list[dict[str, Any]]:
    """One row a figure: best and median CPU seconds of ``repeat`` runs, peak memory, how many times the median of
    pandas' pivot it takes."""
    runs: dict[str, list[dict[str, Any]]] = {"pivot": [], "first": [], "cached": [], "join": [], "convert": []}
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        cache, files = Path(place) / "cache", Path(place) / "files"
        in_process("write_csv", data, cache, str(files))
        for turn in range(max(1, repeat)):
            shutil.rmtree(cache, ignore_errors=True)
            for what, found in runs.items():
                if what != "pivot" or turn == 0:
                    folder = files if what == "convert" else data
                    found.append(in_process("first" if what == "cached" else what, folder, cache))
    for run in runs["cached"]:
        run["cpu"] = run["call_cpu"]
    stocks, days = runs["first"][0]["stocks"], runs["first"][0]["sessions"]
    table = runs["join"][0]
    titles = {
        "pivot": f"pandas: {len(FIELDS)} fields pivoted",
        "first": f"market of {stocks} stocks x {days} sessions, from Parquet",
        "cached": "the same from its cache, beyond imports",
        "join": f"as-of join of {table['figures']} figures onto {table['days']} month-ends x {stocks} stocks",
        "convert": f"folder of {runs['convert'][0]['stocks']} CSV files, {ROWS} rows each",
    }
    pandas = statistics.median(run["cpu"] for run in runs["pivot"])
    return [row_of(titles[what], found, pandas) for what, found in runs.items()]


def row_of(title: str, found: Sequence[dict[str, Any]], pandas: float) -> dict[str, Any]:
    """One line of the table."""
    median = statistics.median(run["cpu"] for run in found)
    return {
        "figure": title,
        "runs": len(found),
        "best_cpu_s": round(min(run["cpu"] for run in found), 3),
        "median_cpu_s": round(median, 3),
        "peak_mb": round(statistics.median(run["peak_mb"] for run in found)),
        "of_pandas": round(median / pandas, 3),
    }


def targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures beside what they may be; the medians count."""
    _, first_open, cached, joined, converted = rows
    line = _bench_targets.line
    return [
        line("first open of the whole market", first_open["median_cpu_s"], FIRST[0], "CPU s"),
        line("first open of the whole market, peak memory", first_open["peak_mb"], FIRST[1], "MB"),
        line("first open over pandas' pivot", first_open["of_pandas"], PIVOT, "times"),
        line("open from its cache, beyond imports", cached["median_cpu_s"], CACHED, "CPU s"),
        line("as-of join of all fundamentals", joined["median_cpu_s"], JOIN, "CPU s"),
        line(converted["figure"], converted["median_cpu_s"], CONVERT, "CPU s"),
    ]


def main(what: str, folder: Path, *more: str) -> None:
    """Measure in this fresh process."""
    import _cli  # noqa: F401  (puts the project's packages first on the path)
    import numpy  # noqa: F401  (the interpreter's start and NumPy's are nobody's)

    if what == "write_csv":
        print(json.dumps(write_csv(folder, Path(more[0]))))
        return
    jobs = {"first": first, "join": join, "pivot": pivot, "convert": convert}
    print(json.dumps(jobs[what](folder) | {"peak_mb": memory()["peak"]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
