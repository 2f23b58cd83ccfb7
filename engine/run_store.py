"""The folder of runs as a record: what was run, and how many settings of a strategy were tried.

Nobody remembers how often he tried, so nobody is asked: every run leaves a folder, and the folders are counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, nearest
from engine.presentation import data_source, known, plugin_name
from engine.run_folder import missing_files


@dataclass(frozen=True)
class StoredRun:
    """A finished run in a folder of runs, without its tables.

    Attributes
    ----------
    folder : Path
    result : dict
        The content of ``result.json``.
    made : float
        When that file was written, seconds since 1970.
    """

    folder: Path
    result: dict[str, Any]
    made: float

    @property
    def headline(self) -> Mapping[str, Any]:
        """The headline numbers."""
        return self.result["headline"]


ORDERS = {
    "date": lambda run: run.made,
    "return": lambda run: _number(run, "annual_return"),
    "sharpe": lambda run: _number(run, "sharpe"),
    "drawdown": lambda run: _number(run, "max_drawdown"),
}
"""What a list of runs can be sorted by; the newest, or best, comes first."""


def _number(run: StoredRun, key: str) -> float:
    found = run.headline.get(key)
    return found if known(found) else float("-inf")


def stored_runs(store: str | Path, order: str = "date") -> list[StoredRun]:
    """The runs in a folder of runs, those without tables too; other folders and what cannot be read are passed over.

    Raises
    ------
    ConfigError
        If the folder is not there, or ``order`` is none of :data:`ORDERS`.
    """
    store = Path(store)
    if order not in ORDERS:
        raise ConfigError(f"runs cannot be sorted by '{order}'; {nearest(order, ORDERS)}")
    if not store.is_dir():
        raise ConfigError(f"there is no folder of runs '{store}'; run a backtest first, or give --out")
    found = [run for folder in sorted(store.iterdir()) if (run := _stored(folder)) is not None]
    return sorted(found, key=ORDERS[order], reverse=True)


def _stored(folder: Path) -> StoredRun | None:
    if folder.name.startswith(".") or not folder.is_dir() or missing_files(folder, tables=False):
        return None
    path = folder / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        made = path.stat().st_mtime
    except (OSError, ValueError):
        return None
    return StoredRun(folder, result, made) if isinstance(result.get("headline"), dict) else None


def trials(result: Mapping[str, Any], runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Settings tried of the strategy of a run: those of the same strategy on the same data over overlapping spans.

    Parameters
    ----------
    result : mapping
        The content of the run's ``result.json``.
    runs : iterable of StoredRun

    Returns
    -------
    list of StoredRun
        By folder, the run itself included if it is among ``runs``. Signal, universe, fees and every parameter are
        settings. Runs that ended alike to the last digit count once, and a run that leaks is no trial of one that
        does not.
    """
    family, span = _family(result), (str(result.get("start")), str(result.get("end")))
    found: dict[tuple[Any, ...], StoredRun] = {}
    for run in sorted(runs, key=lambda run: (run.result.get("id") != result.get("id"), run.folder)):
        start, end = str(run.result.get("start")), str(run.result.get("end"))
        if _family(run.result) == family and start <= span[1] and end >= span[0]:
            found.setdefault((start, end, run.headline.get("final_value"), run.headline.get("sharpe")), run)
    return sorted(found.values(), key=lambda run: run.folder)


def _family(result: Mapping[str, Any]) -> tuple[str, str, bool]:
    return plugin_name(result.get("strategy")), data_source(result), bool(result.get("leaks"))
