"""One point of a sweep, as a worker process runs it."""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import HuiceError

if TYPE_CHECKING:
    from engine.config import RunConfig
    from engine.market import Market

KEPT = 2
"""Markets that a worker keeps open; points of the same one follow each other."""

_OF_A_MARKET = (
    "data", "universe", "exclude", "start", "end", "benchmark", "benchmark_kind", "bar_feeds", "signal", "overlays",
)  # fmt: skip
"""Options that decide the panel; signal and overlays by how far they look back."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Task:
    """A point to run: its place in the grid, its configuration, and absolute paths.

    Attributes
    ----------
    index : int
    config : RunConfig
    store : str
        Folder of runs.
    cache : str
        Folder of market caches.
    here : str
        Working folder, against which the paths of the configuration stand.
    """

    index: int
    config: RunConfig
    store: str
    cache: str
    here: str

    @property
    def market(self) -> str:
        """The same for points that look at the same market."""
        mapping = self.config.to_mapping()
        return json.dumps([mapping.get(key) for key in _OF_A_MARKET], sort_keys=True, default=str)


@dataclass(frozen=True)
class Answer:
    """What came of a point: the id and headline of its run, or one sentence on why there is none.

    Attributes
    ----------
    reused : bool
        The run was there before.
    """

    index: int
    run: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    reused: bool = False


@functools.lru_cache(maxsize=KEPT)
def _opened(*args: Any, **kwargs: Any) -> Market:
    """:func:`feeds.store.open_market`, remembered by this process: the arrays of all workers are the same memory."""
    from feeds.store import open_market

    return open_market(*args, **kwargs)


def open_ahead(tasks: Iterable[Task]) -> None:
    """Put the market of each task into the cache once, so that workers only map it."""
    from engine.backtest import prepare

    seen: set[str] = set()
    for task in tasks:
        if task.market not in seen:
            seen.add(task.market)
            try:
                prepare(task.config, cache=task.cache)
            except Exception:  # the point itself will say so
                continue


def run_point(task: Task) -> Answer:
    """Run a point, or take it from the folder of runs; what goes wrong becomes the answer's sentence."""
    import engine.backtest

    with _one_at_a_time:  # a worker of Dask may have threads
        try:
            if os.getcwd() != task.here:
                os.chdir(task.here)
            run = engine.backtest.run(task.config, out=task.store, cache=task.cache, tables=False, opener=_opened)
        except HuiceError as error:
            return Answer(task.index, problem=" ".join(str(error).split()))
        except Exception as error:  # a plug-in of the user's: the other points go on
            return Answer(task.index, problem=" ".join(f"{type(error).__name__}: {error}".split()))
    return Answer(task.index, run.id, dict(run.result["headline"]), reused=run.reused)
