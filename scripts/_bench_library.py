"""The bench's table of factors: kernels, preprocessing, the laboratory, a new day; pandas and Alphalens beside them.

What others take is measured in the same run on fewer stocks or dates and multiplied up, which the figure's name says.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import _bench_append
import _bench_factors
import _bench_preprocess
import _bench_screen
import _bench_targets

START = "2012-01-04"
PANDAS_STOCKS, ALPHALENS_DATES = 300, 250


def by_pandas(data: str, start: str = START, stocks: int = PANDAS_STOCKS) -> dict[str, Any]:
    """CPU seconds of one rolling factor by pandas' groupby-rolling on some stocks, scaled to the rows of all."""
    import numpy as np
    import pandas as pd

    from feeds.store import open_market

    market = open_market(data, universe="all", start=start)
    step = max(1, len(market.symbols) // stocks)
    close = market.close[:, ::step]
    stock, session = np.nonzero(market.traded[:, ::step].T)
    frame = pd.DataFrame({"stock": stock, "close": close[session, stock]})
    began = time.process_time()
    frame.groupby("stock", sort=False)["close"].rolling(20).mean()
    spent = time.process_time() - began
    rows = int(np.count_nonzero(market.traded))
    return {"cpu": spent * rows / max(len(frame), 1), "stocks": close.shape[1], "rows": rows}


def measure(data: Path, start: str = START, alphalens_dates: int = ALPHALENS_DATES) -> list[dict[str, Any]]:
    """All figures; each part runs in processes of its own, one after the other.

    Parameters
    ----------
    data : Path
        A data folder.
    start : str
        First day of the markets of the kernels and of the cache.
    alphalens_dates : int
        Dates on which Alphalens and ours are compared.

    Returns
    -------
    list of dict
        ``figure``, ``cpu_s`` (times as fast where the unit says so), ``target``, ``unit``, ``met``; the last three are
        empty where nothing was asked.
    """
    kernels = in_process("kernels", data, start)
    pandas = in_process("pandas", data, start)
    chain = in_process("preprocess", data, start)
    laboratory = _bench_screen.measure(data, dates=alphalens_dates)
    appended = _bench_append.measure(data, start)
    line = _bench_targets.line
    per = kernels["twenty_cpu_s"] / 20
    rows = [
        line(
            f"twenty rolling factors, {kernels['rows']:,} rows", kernels["twenty_cpu_s"], _bench_factors.TWENTY, "CPU s"
        ),
        line("Alpha158", kernels["alpha158_cpu_s"], _bench_factors.ALPHA158, "CPU s"),
        told(f"pandas groupby-rolling, one factor, from {pandas['stocks']} stocks", pandas["cpu"], "CPU s"),
        told("one rolling factor of ours on average", per, "CPU s"),
        *_bench_preprocess.targets(chain),
        *(told(one["figure"], one["cpu_s"], "CPU s") for one in (chain[0], *chain[2:])),
        *_bench_screen.targets(laboratory),
    ]
    if "alphalens" in laboratory:
        scale = laboratory["dates"] / max(laboratory["alike_dates"], 1)
        what = f"Alphalens, five statistics of one factor, from {laboratory['alike_dates']} dates"
        rows.append(told(what, laboratory["alphalens"] * scale, "CPU s"))
        rows.append(told("the same and its cleaning, Alphalens over ours", laboratory["times_clean"], "times"))
    rows += [told(appended[0]["figure"], appended[0]["cpu_s"], "CPU s"), *_bench_append.targets(appended)]
    return rows


def told(figure: str, measured: float, unit: str) -> dict[str, Any]:
    """A row without a target."""
    return {"figure": figure, "measured": round(float(measured), 3), "target": "", "unit": unit, "met": ""}


def in_process(what: str, data: Path, start: str) -> Any:
    """The figures of one part, in a fresh process."""
    _, printed = _bench_targets.run([__file__, what, str(data), start])
    return json.loads(printed.splitlines()[-1])


def main(what: str, data: str, start: str) -> None:
    """Measure one part in this fresh process."""
    if what == "kernels":
        found: Any = _bench_factors.measure(data, start)
    elif what == "pandas":
        found = by_pandas(data, start)
    else:
        found = _bench_preprocess.measure(Path(data))
    print(json.dumps(found))


if __name__ == "__main__":
    import sys

    import _cli  # noqa: F401  (puts the project's packages first on the path)

    main(*sys.argv[1:])
