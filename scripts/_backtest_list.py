"""``backtest.py --list``: the runs of a folder with their headlines."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import _cli

from engine.presentation import data_text, number, percent, plugin_name
from engine.run_store import StoredRun, stored_runs

HEAD = ("run", "made", "strategy", "signal", "universe", "data", "span", "a year", "excess", "Sharpe", "drawdown", "")
NUMBERS = ("a year", "excess", "Sharpe", "drawdown")


def show_runs(store: Path, order: str, output: _cli.Output) -> None:
    """Print the runs of a folder, one a line, the newest or best first.

    Raises
    ------
    ConfigError
        If the folder is not there or ``order`` is unknown.
    """
    found = stored_runs(store, order)
    rows = [_row(run) for run in found]
    widths = [max(len(row[k]) for row in [HEAD, *rows]) for k in range(len(HEAD))]
    for row in [HEAD, *rows] if rows else []:
        cells = zip(HEAD, row, widths, strict=True)
        print("  ".join(f"{x:>{w}}" if name in NUMBERS else f"{x:<{w}}" for name, x, w in cells).rstrip())
    print(f"{len(rows):,} run{'s' * (len(rows) != 1)} in {store}" if rows else f"{store} holds no complete run.")
    output.result({"folder": str(store), "runs": [_fields(run) for run in found]})


def _row(run: StoredRun) -> tuple[str, ...]:
    result, head = run.result, run.headline
    return (
        run.folder.name,
        f"{_made(run):%Y-%m-%d %H:%M}",
        plugin_name(result.get("strategy")),
        plugin_name(result.get("signal")) if (result.get("signal") or {}).get("name") else "none",
        _universe(result.get("universe")),
        data_text(result).removeprefix("folder ").replace("embedded synthetic market", "synthetic"),
        f"{result.get('start')} to {result.get('end')}",
        percent(head.get("annual_return"), 1),
        percent(head.get("excess_annual_return"), 1, sign=True) if result.get("benchmark") else "",
        number(head.get("sharpe")),
        percent(head.get("max_drawdown"), 1),
        "LEAKS" if result.get("leaks") else "",
    )


def _universe(universe: Any) -> str:
    return universe if isinstance(universe, str) else f"{len(universe or ())} stocks"


def _made(run: StoredRun) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(run.made))


def _fields(run: StoredRun) -> dict[str, Any]:
    kept = ("id", "strategy", "signal", "universe", "data", "start", "end", "benchmark", "leaks", "headline")
    fields = {key: run.result.get(key) for key in kept}
    return {"folder": str(run.folder), "made": _made(run).isoformat(), **fields}
