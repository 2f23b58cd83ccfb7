"""Finished runs of given returns, written as the engine writes them but without a market or a trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.config import RunConfig
from engine.intervals import headline_intervals
from engine.measures import headline
from engine.run_folder import FRAMES, Run, write_run

CASH = 1_000_000.0


def stored(
    folder: Path,
    returns: np.ndarray,
    market: np.ndarray | None = None,
    *,
    start: str = "2015-01-02",
    hold: int = 50,
    signal: str = "reversal-20d",
    strategy: str = "top-n",
    source: str = "synthetic",
    leaks: bool = False,
    books: Sequence[Mapping[str, float]] = (),
) -> Run:
    """Write a run and load it.

    Parameters
    ----------
    folder : Path
        ``runs/<id>``.
    returns, market : ndarray of float, shape (n,)
        Of the account and of its benchmark, one a weekday from ``start``, which is the first session.
    books : sequence of mapping
        Yuan in each stock after the close, for the first sessions.
    """
    first = np.busday_offset(start, 0, roll="forward")
    days = np.concatenate([[np.busday_offset(first, -1)], np.busday_offset(first, np.arange(returns.size))])
    level = {name: _level(x, days.size) for name, x in (("value", returns), ("benchmark", market))}
    value, benchmark = CASH * level["value"], level["benchmark"]
    known = benchmark if market is not None else None
    dates = days.astype("datetime64[ms]")
    frames = {name: pd.DataFrame({"date": dates[:0], "symbol": pd.Series([], dtype=object)}) for name in FRAMES}
    frames["equity"] = pd.DataFrame(
        {"date": dates, "value": value, "cash": value, "benchmark": benchmark, "benchmark_price": benchmark,
         "interest": 0.0, "deposit": 0.0}
    )  # fmt: skip
    held = [(dates[t], symbol, yuan) for t, book in enumerate(books, 1) for symbol, yuan in book.items()]
    frames["positions"] = pd.DataFrame(held, columns=["date", "symbol", "value"])
    frames["fills"] = pd.DataFrame(
        {"date": dates[[1, 2]], "side": ["buy", "sell"], "shares": [1000, 500], "price": [100.0, 100.0]}
    )
    result: dict[str, Any] = {
        "id": folder.name, "version": "0.1.0", "data": {"source": source}, "leaks": leaks,
        "strategy": {"name": strategy, "hold": hold}, "signal": {"name": signal}, "universe": "csi300",
        "start": str(days[1]), "end": str(days[-1]), "risk_free": {"kind": "0", "annual": 0.0},
        "benchmark": None if market is None else {"code": "000300", "kind": "price"},
        "headline": headline(days, value, known, known), "intervals": headline_intervals(days, value, known),
    }  # fmt: skip
    config = RunConfig(
        data=source, universe="csi300", start=str(days[1]), end=str(days[-1]), signal=signal,
        strategy={"name": strategy, "hold": hold}, benchmark="" if market is None else "000300",
    )  # fmt: skip
    return Run.load(write_run(folder, config=config, result=result, frames=frames))


def _level(returns: np.ndarray | None, size: int) -> np.ndarray:
    return np.full(size, np.nan) if returns is None else np.concatenate([[1.0], np.cumprod(1.0 + returns)])
