"""Single-factor backtests: each factor's top quantile through the engine, after fees, as paper 2's table asks."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import HuiceError

if TYPE_CHECKING:
    from engine.config import RunConfig
    from engine.run_folder import Run

COLUMNS: dict[str, str] = {
    "alpha": "alpha a year",
    "beta": "beta",
    "information_ratio": "information ratio",
    "annual_return": "annual return",
    "max_drawdown": "largest drawdown",
    "scored": "names",
}
"""Columns of paper 2's table 3.1.3.1 (beta, drawdown and the mean number of stocks with a value added), by their name
in a run's figures."""


def configuration(base: RunConfig, factor: str, *, direction: int = 0, share: float = 0.2, file: str = "") -> RunConfig:
    """The run of one factor: signal ``factor``, strategy ``top-quantile``, all else as in ``base``."""
    changes: list[tuple[str, Any]] = [
        ("strategy", "top-quantile"), ("strategy.share", share), ("signal", "factor"), ("signal.factor", factor),
        ("signal.direction", direction),
    ]  # fmt: skip
    if file:
        changes.append(("signal.file", file))
    return base.with_values(changes).completed()


def backtest_factors(
    configs: Mapping[str, RunConfig],
    out: Path,
    *,
    jobs: int = 1,
    done: Callable[[int, int, str], None] | None = None,
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Run each factor's backtest, in parallel processes; a run that is complete is taken as it is.

    Parameters
    ----------
    configs : mapping of str to RunConfig
        By factor.
    out : Path
        Folder of runs. An interrupted call goes on where it was: each run is there whole or not at all.
    jobs : int
        Processes.
    done : callable, optional
        Called with runs done, runs in all, and the factor.

    Returns
    -------
    results : dict of str to dict
        Headline figures of the run by factor, in the order given, with ``alpha``, ``beta``, ``folder``, ``reused``, and
        ``scored`` and ``scored_by_year``: stocks with a value, mean of the decisions.
    failed : dict of str to str
        One sentence by factor that could not be run.
    """
    results: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    tasks = [(name, config, out) for name, config in configs.items()]
    for count, (name, result, problem) in enumerate(_answers(tasks, jobs), start=1):
        if problem:
            failed[name] = problem
        else:
            results[name] = result
        if done is not None:
            done(count, len(tasks), name)
    return {name: results[name] for name in configs if name in results}, {
        name: failed[name] for name in configs if name in failed
    }


Answer = tuple[str, dict[str, Any], str]


def _answers(tasks: Sequence[tuple[str, RunConfig, Path]], jobs: int) -> Iterable[Answer]:
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(_one, tasks)
        return
    # Forked processes would inherit threads of Arrow and Numba; a fresh interpreter costs half a second once.
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from (future.result() for future in as_completed([pool.submit(_one, task) for task in tasks]))


def _one(task: tuple[str, RunConfig, Path]) -> Answer:
    import engine.backtest

    name, config, out = task
    try:
        run = engine.backtest.run(config, out=out)
    except HuiceError as error:
        return name, {}, str(error)
    if not len(run.fills):
        return name, {}, "it bought nothing: no stock of the universe ever had a value"
    figures = {**run.result["headline"], **market_model(run), **_scored(run)}
    return name, {**figures, "folder": str(run.folder), "reused": run.reused}, ""


def _scored(run: Run) -> dict[str, Any]:
    """Stocks with a value at a decision: mean of all decisions, and by year."""
    decisions = run.decisions
    years = decisions["scored"].groupby(decisions["decision"].dt.year).mean()
    return {
        "scored": float(decisions["scored"].mean()),
        "scored_by_year": {str(year): round(float(mean), 1) for year, mean in years.items()},
    }


def market_model(run: Run) -> dict[str, float]:
    """Alpha a year (fraction) and beta of the account's daily returns on the benchmark's; empty without a benchmark."""
    import empyrical

    equity = run.equity
    if not run.result["benchmark"] or equity["benchmark"].isna().all():
        return {}
    returns = equity[["value", "benchmark"]].pct_change().iloc[1:].to_numpy()
    year = run.result["headline"]["sessions_per_year"]
    alpha, beta = empyrical.alpha_beta_aligned(returns[:, 0], returns[:, 1], annualization=year)
    return {"alpha": float(alpha), "beta": float(beta)}
