"""The bench's figures of the laboratory: one factor's evaluation, seventy of them, a whole screening, Alphalens beside.

Real daily bars, all stocks, ten years: forward returns over 1, 5 and 20 sessions, five quantiles, IC and Rank IC,
quantile means, long-short, turnover and rank autocorrelation at one session. The factors are returns over 70 windows.
CPU seconds, threads and system included, of a fresh process; arrays are in memory and the kernels loaded before. As a
script it prints one JSON object: ``python _bench_screen.py ours FOLDER``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _bench_targets
from _bench_jobs import memory

if TYPE_CHECKING:
    import numpy as np

SPAN = {"start": "2011-01-05", "end": "2021-06-30"}
SESSIONS, HORIZONS, FACTORS = 2430, (1, 5, 20), 70
WINDOWS = tuple(range(3, 3 + 2 * FACTORS, 2))
"""Sessions of the returns that serve as factors; the 20 of one factor alone are apart."""

ONE, MANY, TIMES = 0.8, 20.0, 40.0
"""CPU seconds of one factor and of :data:`FACTORS`, at most; times as fast as Alphalens, at least."""


# -- in a process of its own ------------------------------------------------------------------------


def _prices(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Adjusted closes (T, N), evaluation rows (D,), sessions and symbols."""
    import numpy as np

    from feeds.store import open_market

    market = open_market(str(data), universe="all", **SPAN)  # type: ignore[arg-type]
    prices = np.where(market.traded > 0, market.close * market.adj_factor, np.nan)
    last = len(prices) - max(HORIZONS)
    return prices, np.arange(max(0, last - SESSIONS), last), market.sessions, market.symbols


def _factor(prices: np.ndarray, rows: np.ndarray, window: int) -> np.ndarray:
    """Minus the return over a window, (D, N)."""
    import numpy as np

    before = rows - window
    return np.where((before >= 0)[:, None], -(prices[rows] / prices[np.maximum(before, 0)] - 1.0), np.nan)


def _cpu(job: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = job()
    return time.process_time() - began, result


def ours(data: Path) -> dict[str, Any]:
    """One factor, seventy, and a screening of seventy."""
    import numpy as np

    from signals.screen import screen
    from signals.screening.evaluation import evaluate, prepare
    from signals.screening.forward_returns import forward_returns

    small = np.random.default_rng(0).normal(size=(3, 30))
    evaluate(small, {1: small})  # loads the kernels
    prices, rows, sessions, _ = _prices(data)
    makes, returns = _cpu(lambda: forward_returns(prices, rows, HORIZONS))
    one = _factor(prices, rows, 20)
    sorts, targets = _cpu(lambda: prepare(returns))
    alone = min(_cpu(lambda: evaluate(one, targets))[0] for _ in range(3))
    many = 0.0
    for window in WINDOWS:
        values = _factor(prices, rows, window)
        many += _cpu(lambda values=values: evaluate(values, targets))[0]  # type: ignore[misc]
    factors = {f"return_{w}": _factor(prices, rows, w) for w in WINDOWS[:10]}
    whole, _ = _cpu(lambda: screen(factors, targets, sessions[rows]))
    shape = {"dates": len(rows), "stocks": prices.shape[1], "values": int(np.isfinite(one).sum())}
    seconds = {"returns": makes, "prepare": sorts, "one": sorts + alone, "many": sorts + many, "screen_of_10": whole}
    return shape | seconds


def alike(data: Path, dates: int = 0) -> dict[str, Any]:
    """One factor as Alphalens does it (forward-filled prices, one sample): what goes before, and its statistics.

    ``dates``: on the first so many of the dates alone.
    """
    import numpy as np

    from signals.screening.evaluation import evaluate, prepare
    from signals.screening.forward_returns import forward_returns

    small = np.random.default_rng(0).normal(size=(3, 30))
    evaluate(small, {1: small})
    prices, rows, _, _ = _prices(data)
    rows = rows[:dates] if dates else rows
    values = _factor(prices, rows, 20)
    whole, targets = _cpu(
        lambda: prepare(forward_returns(prices, rows, HORIZONS, forward_fill=True), common_sample=True)
    )
    alone, result = _cpu(lambda: evaluate(values, targets, min_names=2, drop_unbinned=True))
    return {"clean": whole, "statistics": alone, "rank_ic": result.rank_ic.mean(axis=1).tolist(), "dates": len(rows)}


def theirs(data: Path, dates: int = 0) -> dict[str, Any]:
    """The same five statistics by Alphalens: IC, quantile means, spread, turnover, rank autocorrelation."""
    import contextlib
    import io
    import warnings

    import numpy as np
    import pandas as pd
    from alphalens import performance, utils

    prices, rows, sessions, symbols = _prices(data)
    rows = rows[:dates] if dates else rows
    days, names = pd.DatetimeIndex(sessions.astype("datetime64[ns]"), name="date"), pd.Index(symbols, name="asset")
    frame = pd.DataFrame(prices, days, names)
    factor = pd.DataFrame(_factor(prices, rows, 20), days[rows], names).stack(future_stack=True).dropna()
    warnings.simplefilter("ignore")

    def statistics(table: pd.DataFrame) -> pd.DataFrame:
        ic = performance.factor_information_coefficient(table)
        performance.mean_return_by_quantile(table)
        daily, errors = performance.mean_return_by_quantile(table, by_date=True)
        performance.compute_mean_returns_spread(daily, 5, 1, errors)
        for quantile in range(1, 6):
            performance.quantile_turnover(table["factor_quantile"], quantile)
        performance.factor_rank_autocorrelation(table)
        return ic

    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        clean, table = _cpu(
            lambda: utils.get_clean_factor_and_forward_returns(
                factor, frame, periods=HORIZONS, filter_zscore=None, max_loss=1.0
            )
        )
        alone, ic = _cpu(lambda: statistics(table))
    return {"clean": clean, "statistics": alone, "rank_ic": ic.mean().tolist()}


# -- the bench's side -------------------------------------------------------------------------------


def in_process(what: str, data: Path, dates: int = 0) -> dict[str, Any]:
    """The figures of one function of this file, in a fresh process."""
    _, printed = _bench_targets.run([__file__, what, str(data), str(dates)])
    return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]


def measure(data: Path, alphalens: bool = True, dates: int = 0) -> dict[str, Any]:
    """CPU seconds of the laboratory, and how many times Alphalens takes.

    Parameters
    ----------
    data : Path
        A data folder.
    alphalens : bool
        Whether to run it too, which takes a minute.
    dates : int
        Run it, and ours beside it, on the first so many dates; on all by default.

    Returns
    -------
    dict
        ``dates``, ``stocks``, ``values``, ``peak_mb``; seconds of ``one`` factor and of ``many`` (both with the sorting
        of the returns, ``prepare``), of the forward ``returns``, of a screening of ten; with Alphalens ``times`` (its
        five statistics over ours with everything that ours need) and ``times_clean`` (from prices on, both), and the
        largest difference of the mean ICs.
    """
    found = in_process("ours", data)
    if alphalens:
        mine, other = in_process("alike", data, dates), in_process("theirs", data, dates)
        found |= {
            "alike_dates": mine["dates"],
            "alphalens": other["statistics"],
            "alphalens_clean": other["clean"],
            "alike": mine["statistics"],
            "alike_clean": mine["clean"],
            "times": other["statistics"] / mine["statistics"],
            "times_clean": (other["statistics"] + other["clean"]) / (mine["statistics"] + mine["clean"]),
            "difference": max(abs(a - b) for a, b in zip(mine["rank_ic"], other["rank_ic"], strict=True)),
        }
    return found


def targets(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures beside what they may be."""
    line = _bench_targets.line
    rows = [
        line("one factor's evaluation", found["one"], ONE, "CPU s"),
        line(f"evaluation of {FACTORS} factors", found["many"], MANY, "CPU s"),
    ]
    if "times" in found:
        rows.append(line("five statistics, Alphalens over ours", found["times"], TIMES, "times", least=True))
    return rows


def main(what: str, data: Path, dates: int = 0) -> None:
    """Measure in this fresh process."""
    import _cli  # noqa: F401  (puts the project's packages first on the path)

    found = ours(data) if what == "ours" else {"alike": alike, "theirs": theirs}[what](data, dates)
    print(json.dumps(found | {"peak_mb": memory()["peak"]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
