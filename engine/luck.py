"""Whether a run is more than the luckiest of the settings tried: its trials, counted in the folder of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.measures import account_returns, per_session, simple_returns
from engine.presentation import known, plugin_name
from engine.run_store import StoredRun, stored_runs, trials
from engine.significance import deflated_sharpe, overfitting, shape_of

if TYPE_CHECKING:
    import pandas as pd

MOST = 200
"""Settings whose daily returns are read for the probability of overfitting: the best ones by Sharpe ratio."""


class Luck(NamedTuple):
    """What the settings tried say of a run.

    Attributes
    ----------
    strategy : str
    trials : int
        Settings tried, the run itself included.
    hurdle : str
        What the Sharpe ratio is measured over: "the benchmark" or "the risk-free rate".
    deflated : float or None
        Deflated Sharpe ratio, a probability.
    overfitting : float or None
        Probability of backtest overfitting; None for a single setting, or where it was not asked for.
    """

    strategy: str
    trials: int
    hurdle: str
    deflated: float | None
    overfitting: float | None


def luck(
    result: Mapping[str, Any], equity: pd.DataFrame, store: str | Path, *, overfit: bool = True
) -> Luck | None:
    """Count the settings tried beside a run and deflate its Sharpe ratio by them.

    Parameters
    ----------
    result : mapping
        The content of ``result.json``.
    equity : DataFrame
        Its ``equity.parquet``.
    store : path
        The folder of runs that holds it.
    overfit : bool
        Whether to compute the probability of overfitting, for which the daily values of every setting are read.

    Returns
    -------
    Luck or None
        None where the run has no Sharpe ratio. With a benchmark the ratio is that of the return over it.
    """
    relative = bool(result.get("benchmark")) and known(result["headline"].get("information_ratio"))
    key = "information_ratio" if relative else "sharpe"
    shape = shape_of(extra_returns(result, equity, relative).to_numpy())
    if shape is None or not known(result["headline"].get(key)):
        return None
    tried = [run for run in trials(result, stored_runs(store)) if known(run.headline.get(key))]
    if all(run.result.get("id") != result.get("id") for run in tried):  # a folder elsewhere, or one that was renamed
        tried.append(StoredRun(Path(), dict(result), 0.0))
    ratios = np.array([_per_session(run.headline, key) for run in tried])
    chance = _overfitting(tried, ratios, relative) if overfit and len(tried) > 1 else None
    hurdle = "the benchmark" if relative else "the risk-free rate"
    return Luck(plugin_name(result.get("strategy")), len(tried), hurdle, deflated_sharpe(shape, ratios), chance)


def extra_returns(result: Mapping[str, Any], equity: pd.DataFrame, relative: bool) -> pd.Series:
    """Return of each session over the benchmark, or over the run's mean risk-free rate: indexed by date."""
    import pandas as pd

    returns = account_returns(equity["value"].to_numpy(dtype=float), equity.get("deposit"))
    if relative:
        hurdle = simple_returns(equity["benchmark"].ffill().to_numpy(dtype=float))
    else:
        pace = result["headline"].get("sessions_per_year") or 1.0
        hurdle = np.full(returns.size, per_session((result.get("risk_free") or {}).get("annual") or 0.0, pace))
    return pd.Series(returns - hurdle, index=pd.DatetimeIndex(equity["date"].iloc[1:]))


def _per_session(headline: Mapping[str, Any], key: str) -> float:
    return float(headline[key]) / math.sqrt(headline["sessions_per_year"])


def _overfitting(tried: Sequence[StoredRun], ratios: np.ndarray, relative: bool) -> float | None:
    """The probability of overfitting on the sessions that all settings share."""
    import pandas as pd

    best = np.argsort(-ratios, kind="stable")[:MOST]
    found = []
    for run in (tried[k] for k in sorted(best.tolist())):
        if run.folder != Path():
            columns = ["date", "value", "benchmark", "deposit"]
            equity = pd.read_parquet(run.folder / "equity.parquet", columns=columns)
            found.append(extra_returns(run.result, equity, relative))
    if len(found) < 2:
        return None
    table = pd.concat(found, axis=1, join="inner").sort_index()
    return overfitting(table.to_numpy()) if table.notna().all(axis=None) else None
