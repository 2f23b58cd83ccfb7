"""The bench's figures of preprocessing and labels on a data folder, in CPU seconds, and statsmodels beside them.

The job is paper 3's: 5 x MAD, industry means into the gaps, residuals on industry and log size, z-scores, of 70 factors
x 120 months x all stocks. The factors are total returns over 1 to 70 sessions, which have the ties and the gaps of real
ones. What everybody writes first, pandas and one statsmodels regression a date, runs on a few dates and is multiplied
up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _bench_targets import line

MONTHS, FACTORS = 120, 70
STATSMODELS_DATES = 6
CPU = 0.8
"""Of the chain once it is compiled, at most."""


def _took(job: Callable[[], Any]) -> float:
    began = time.process_time()
    job()
    return time.process_time() - began


def inputs(folder: Path, months: int = MONTHS, factors: int = FACTORS, **options: Any) -> tuple[Any, ...]:
    """The market, its last month-ends, factors (D, N, F) and their context."""
    from engine.sessions import Schedule
    from feeds.store import open_market
    from signals.preprocess import codes_of, context_of

    market = open_market(str(folder), **({"universe": "all"} | options))
    rows = Schedule.parse("1M").decisions(market.sessions, 0, len(market.sessions) - 1)
    rows = rows[rows >= factors][-months:]
    adjusted = market.close * market.adj_factor
    values = np.empty((len(rows), len(market.symbols), factors))
    for k in range(factors):
        values[:, :, k] = adjusted[rows] / adjusted[rows - k - 1] - 1.0
    industry = codes_of(market.known.as_of("industry_sw_history", "l1_name", market.sessions[rows]))[0]
    return market, rows, values, context_of(market, rows, industry=industry)


def by_statsmodels(values: np.ndarray, context: Any) -> None:
    """The same of a few dates with pandas and statsmodels."""
    import pandas as pd
    import statsmodels.api as sm  # type: ignore[import-untyped]

    for d in range(len(values)):
        inside = context.universe[d]
        frame, codes = pd.DataFrame(values[d][inside]), pd.Series(context.industry[d][inside])
        size = pd.Series(np.log(context.size[d][inside]))
        middle = frame.median()
        reach = 5 * (frame - middle).abs().median()
        frame = frame.clip(middle - reach, middle + reach, axis=1)
        frame = frame.fillna(frame.groupby(codes).transform("mean"))
        exposures = pd.get_dummies(codes, dtype=float).drop(columns=-1, errors="ignore").assign(size=size)
        usable = frame.notna().all(axis=1) & size.notna() & (codes >= 0)
        left = sm.OLS(frame[usable].to_numpy(), exposures[usable].to_numpy()).fit().resid
        (left - left.mean(axis=0)) / left.std(axis=0, ddof=1)


def measure(folder: Path, repeat: int = 3, beside: bool = True, **options: Any) -> list[dict[str, Any]]:
    """CPU seconds of the chain (the first time with imports and compiled code from its cache) and of two labels.

    Parameters
    ----------
    folder : Path
        Real data, or what :func:`feeds.store.open_market` takes.
    repeat : int
        The median of so many runs counts.
    beside : bool
        Measure statsmodels too, where it is installed.
    options
        Of :func:`inputs` and :func:`feeds.store.open_market`.
    """
    import importlib.util

    from signals.labels import NextReturn, TopBottom
    from signals.preprocess import Chain

    market, rows, values, context = inputs(folder, **options)
    chain = Chain.of("paper-3")

    def job() -> None:
        chain.fit(values, context).apply(values, context)

    what = f"{values.shape[2]} factors x {values.shape[0]} months x {values.shape[1]} stocks"
    lines: list[dict[str, Any]] = [{"figure": f"preprocessing, first time, {what}", "cpu_s": _took(job)}]
    lines.append({"figure": f"preprocessing, {what}", "cpu_s": sorted(_took(job) for _ in range(repeat))[repeat // 2]})
    if beside and importlib.util.find_spec("statsmodels"):
        few = slice(0, STATSMODELS_DATES)
        cpu = _took(lambda: by_statsmodels(values[few], context[few])) * len(values) / len(values[few])
        lines.append({"figure": f"pandas and statsmodels, {what}, from {len(values[few])} dates", "cpu_s": cpu})
    for label in (NextReturn(), TopBottom(fill="next_close")):
        cpu = _took(lambda label=label: label.build(market, rows))  # type: ignore[misc]
        lines.append({"figure": f"label {label.name}, {values.shape[0]} months", "cpu_s": cpu})
    return [{"figure": one["figure"], "cpu_s": round(float(one["cpu_s"]), 3)} for one in lines]


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The chain's target beside its figure."""
    return [line(str(rows[1]["figure"]), float(rows[1]["cpu_s"]), CPU, "CPU s")]


if __name__ == "__main__":
    import json
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(json.dumps(measure(Path(sys.argv[1])), indent=1))
