"""CPU seconds of the factor kernels on real data: twenty typical rolling factors, and Alpha158."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

TWENTY, ALPHA158 = 0.6, 6.0
"""Targets in CPU seconds with compiled kernels: 3,589 stocks x 2012-2021, 6 million rows."""


def twenty(panel: Any) -> dict[str, Callable[[], np.ndarray]]:
    """Twenty rolling factors of the kinds that factor libraries are made of, from packed prices to packed rows.

    They are written over one another into one array, as a factor that is spread over dates and stocks at once may be.
    """
    from signals.factors import kernels as k

    starts, returns = panel.starts, panel.returns
    close, high, low = (panel.adjusted(field) for field in ("close", "high", "low"))
    volume, amount = panel.bars("volume"), panel.bars("amount")
    out = np.empty(len(close))
    return {
        "mean 5": lambda: k.rolling_mean(close, starts, 5, out=out),
        "mean 20": lambda: k.rolling_mean(close, starts, 20, out=out),
        "mean 60": lambda: k.rolling_mean(close, starts, 60, out=out),
        "mean volume 20": lambda: k.rolling_mean(volume, starts, 20, out=out),
        "mean volume 120": lambda: k.rolling_mean(volume, starts, 120, out=out),
        "sum amount 20": lambda: k.rolling_sum(amount, starts, 20, out=out),
        "weighted mean 20": lambda: k.rolling_wma(close, starts, 20, out=out),
        "exponential mean 20": lambda: k.ema(close, starts, span=20, out=out),
        "deviation 20": lambda: k.rolling_std(returns, starts, 20, out=out),
        "deviation 60": lambda: k.rolling_std(returns, starts, 60, out=out),
        "skewness 20": lambda: k.rolling_skew(returns, starts, 20, out=out),
        "kurtosis 20": lambda: k.rolling_kurtosis(returns, starts, 20, out=out),
        "maximum 20": lambda: k.rolling_max(high, starts, 20, out=out),
        "minimum 20": lambda: k.rolling_min(low, starts, 20, out=out),
        "age of the maximum 20": lambda: k.rolling_argmax(high, starts, 20, out=out),
        "rank 20": lambda: k.rolling_rank(close, starts, 20, out=out),
        "return 20": lambda: k.ratio(close, starts, 20, out=out),
        "return 120": lambda: k.ratio(close, starts, 120, out=out),
        "slope 20": lambda: k.rolling_slope(close, starts, 20, out=out),
        "correlation 20": lambda: k.rolling_corr(close, volume, starts, 20, out=out),
    }


def cpu(job: Callable[[], Any], repeats: int = 3) -> float:
    """Least CPU seconds of a few runs, after one that loads the compiled code."""
    job()
    spent = []
    for _ in range(repeats):
        before = time.process_time()
        job()
        spent.append(time.process_time() - before)
    return min(spent)


def measure(data: str, start: str = "2012-01-04") -> dict[str, Any]:
    """The figures on a folder of the store, all its stocks from ``start`` on.

    Returns
    -------
    dict
        ``rows``; ``twenty_cpu_s`` and its target; ``alpha158_cpu_s``, which includes adjusted prices and the other
        intermediates, and its target; ``factors``: CPU seconds of each of the twenty.
    """
    from feeds.store import open_market
    from signals.factors import alpha158
    from signals.factors.panel import FactorPanel

    panel = FactorPanel(open_market(data, universe="all", start=start))
    single = {name: cpu(job) for name, job in twenty(panel).items()}
    for field in ("open", "high", "low", "close", "volume", "amount", "adj_factor"):
        panel.bars(field)
    raw = {key: made for key, made in panel._memo.items() if key[0] == "bars"}

    def all_features() -> None:
        panel._memo.clear()
        panel._memo.update(raw)
        for _name, _values in alpha158.each(panel):
            pass

    return {
        "rows": int(panel.starts[-1]),
        "twenty_cpu_s": round(sum(single.values()), 3),
        "twenty_target_s": TWENTY,
        "alpha158_cpu_s": round(cpu(all_features, 1), 3),
        "alpha158_target_s": ALPHA158,
        "factors": {name: round(seconds, 4) for name, seconds in single.items()},
    }


if __name__ == "__main__":
    import json
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(json.dumps(measure(sys.argv[1]), indent=1))
