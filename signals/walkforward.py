"""Walk-forward: a signal fitted again and again on the past, in parallel processes, never twice on the same.

Inside a backtest nothing of this is needed: the strategy calls ``fit`` when a refit is due. :func:`walk_forward` does
the same for all windows at once, so that a backtest afterwards finds every model in the cache, and gives the scores of
all decisions to whoever evaluates a signal without a portfolio.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, SignalError
from engine.plugin_files import spec_of
from signals.learning.model_cache import ModelCache, key_of
from signals.learning.refits import check_refit, is_due
from signals.saved import Learnt, from_bytes, to_bytes, write_bytes

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View
    from signals.trained import TrainedSignal, Window

Task = tuple["TrainedSignal", "Window", int, float, bool]
"""A signal, its window, the seed, the budget, and whether the weights are kept."""

Progress = Callable[[str], None]
"""Told of each model that has been trained: the end of its window and its parameters."""

FitProgress = Callable[[int, int], None]
"""Told of each window that is done: how many are, of how many."""


class _Workers:
    """Processes that train, for as long as :func:`parallel` is open."""

    def __init__(self, pool: Executor | None, progress: Progress | None, jobs: int = 1) -> None:
        self.pool, self.progress, self.jobs = pool, progress, jobs
        self.trained = self.reused = 0
        self.lock = threading.Lock()

    def count(self, trained: int, reused: int, told: str = "") -> None:
        with self.lock:
            self.trained += trained
            self.reused += reused
            if told and self.progress is not None:
                self.progress(told)


_open: _Workers | None = None


@contextlib.contextmanager
def parallel(jobs: int, progress: Progress | None = None) -> Iterator[_Workers]:
    """Train in ``jobs`` processes inside; the outcome does not depend on their number.

    Inside another one of as many jobs its processes are shared: to start them takes seconds.

    Yields
    ------
    object
        With ``trained`` and ``reused``: models trained inside, and models found in the cache.
    """
    global _open
    before = _open
    pool = before.pool if before is not None and before.jobs == jobs else None
    own = pool is None and jobs > 1
    if own:
        # Forked processes would inherit threads of Arrow, Numba and torch; a fresh interpreter starts clean.
        pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread)
    _open = _Workers(pool, progress, jobs)
    try:
        yield _open
    finally:
        _open = before
        if own and pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


_elsewhere = 0.0


def cpu_seconds() -> float:
    """CPU seconds of this process so far, and those that other processes have trained for it."""
    return time.process_time() + _elsewhere


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _one_thread() -> None:
    for name in _THREADS:
        os.environ[name] = "1"


def train_all(tasks: Sequence[Task]) -> list[Learnt]:
    """The models of tasks, in their order: from the cache, else trained, in parallel where :func:`parallel` is open.

    A model that cannot be trained (a learning rate at which it diverges) is an answer too: its facts have ``failed``
    and an infinite loss. Each result is kept as soon as it is there, so that an interrupted call goes on where it was.
    """
    global _elsewhere
    cache, workers = ModelCache(), _open or _Workers(None, None)
    keys = [signal.key(window, seed, budget, whole) for signal, window, seed, budget, whole in tasks]
    done: dict[str, Learnt] = {}
    missing: dict[str, Task] = {}
    for key, task in zip(keys, tasks, strict=True):
        if key in done or key in missing:
            continue
        found = cache.get(key)
        if found is None:
            missing[key] = task
        else:
            done[key] = found
    workers.count(0, len(done))
    away: dict[str, Future[float]] = {}
    try:
        away = _dispatched(missing, workers, cache)
        for key, (signal, window, seed, budget, whole) in missing.items():
            if key in away:
                _elsewhere += away[key].result()
                kept = cache.get(key)
                assert kept is not None
                done[key] = kept
            else:
                done[key] = _train(signal, window, seed, budget, whole)
                cache.put(key, done[key])
            workers.count(1, 0, f"{window.day} seed {seed}")
    except BrokenExecutor:
        raise SignalError(
            "a process that trained has ended without a word, perhaps for want of memory; start again with fewer jobs: "
            "what it had finished is kept"
        ) from None
    finally:
        for file in {_window_file(cache, task[1]) for task in missing.values()} if workers.pool else ():
            file.unlink(missing_ok=True)
    return [done[key] for key in keys]


def _train(signal: TrainedSignal, window: Window, seed: int, budget: float, whole: bool) -> Learnt:
    try:
        model = signal.train(window, seed, budget)
    except SignalError as error:
        return Learnt({}, {"failed": str(error), "loss": math.inf})
    facts = dict(model.facts)
    if len(window.y_valid):
        said = np.asarray(signal.output(model, window.x_valid), dtype=np.float64)
        facts["validation"] = signal.figures(said, window.y_valid)
        loss = facts["validation"]["loss"]
        facts["loss"] = loss if math.isfinite(loss) else math.inf
    if whole:
        facts["train"] = signal.figures(np.asarray(signal.output(model, window.x), dtype=np.float64), window.y)
    return Learnt(model.arrays if whole else {}, facts)


# -- other processes ---------------------------------------------------------------------------------


def _dispatched(missing: dict[str, Task], workers: _Workers, cache: ModelCache) -> dict[str, Future[float]]:
    if workers.pool is None or not missing:
        return {}
    away: dict[str, Future[float]] = {}
    for key, (signal, window, seed, budget, whole) in missing.items():
        spec = spec_of(type(signal))
        if spec is None:  # a class made at a prompt or inside a function: no other process can find it
            continue
        file = _window_file(cache, window)
        if not file.is_file():
            write_bytes(file, _window_bytes(window))
        away[key] = workers.pool.submit(
            _work, spec, signal.model_dump(), str(file), seed, budget, whole, key, str(cache.folder)
        )
    return away


def _work(
    spec: str, parameters: dict[str, Any], file: str, seed: int, budget: float, whole: bool, key: str, folder: str
) -> float:
    """Train a model into the cache; the CPU seconds that it took."""
    began = time.process_time()
    window = _window_of(Path(file))
    ModelCache(Path(folder)).put(key, _train(_class_of(spec)(**parameters), window, seed, budget, whole))
    return time.process_time() - began


@functools.cache
def _class_of(spec: str) -> Any:
    """A signal's class, once in a process: to read a user's file and all that it imports takes a third of a second."""
    from engine import plugins

    return plugins.resolve("signal", spec)


def _window_file(cache: ModelCache, window: Window) -> Path:
    shape = key_of(digest=window.digest, features=list(window.features), day=window.day)
    return cache.folder / "windows" / f"{shape}-{os.getpid()}.npz"


_ARRAYS = ("x", "y", "x_valid", "y_valid")


def _window_bytes(window: Window) -> bytes:
    facts = {name: value for name, value in asdict(window).items() if name not in _ARRAYS}
    return to_bytes(Learnt({name: getattr(window, name) for name in _ARRAYS}, json.loads(json.dumps(facts))))


def _window_of(file: Path) -> Window:
    from signals.trained import Window

    held = from_bytes(file.read_bytes(), f"the training window '{file}'")
    more: dict[str, Any] = {**held.arrays, **held.facts}
    more["features"], more["classes"] = tuple(more["features"]), tuple(more["classes"])
    return Window(**more)


# -- all windows of a span ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Walk:
    """A finished walk-forward.

    Attributes
    ----------
    scores : dict of str to DataFrame
        By date of the decision, as :meth:`signals.base.Signal.predict` gives them.
    fitted : dict of str to Signal
        By date of the refit.
    trained, reused : int
        Models trained by this call, and models found in the cache.
    """

    scores: dict[str, pd.DataFrame]
    fitted: dict[str, TrainedSignal]
    trained: int
    reused: int


def refit_sessions(market: Market, refit: str, decisions: Sequence[int] | np.ndarray) -> list[int]:
    """Which of the decisions begin with a fit, as a backtest would have it."""
    found: list[int] = []
    last = None
    for t in decisions:
        day = market.sessions[int(t)]
        if is_due(refit, day, last):
            found.append(int(t))
            last = day
    return found


def fit_ahead(market: Market, signal: TrainedSignal, decisions: Sequence[int]) -> None:
    """Train the windows of a run at once, if :func:`parallel` is open with more than one process."""
    from engine.view import View

    sessions = refit_sessions(market, signal.refit, decisions)
    if _open is None or _open.pool is None or not sessions:
        return
    _fits(signal, [View(market, t) for t in sessions], _open)


def _fits(
    signal: TrainedSignal, views: Sequence[View], workers: _Workers, fitted: FitProgress | None = None
) -> list[TrainedSignal]:
    signal.samples(views[0])  # made once, before threads ask for it
    done = []
    # Threads only wait for the processes: a window prepared ahead keeps these busy.
    with ThreadPoolExecutor(workers.jobs + 1) if workers.pool is not None else contextlib.nullcontext() as threads:
        for one in map(signal.fit, views) if threads is None else threads.map(signal.fit, views):
            done.append(one)
            if fitted is not None:
                fitted(len(done), len(views))
    return done


def walk_forward(
    market: Market,
    signal: TrainedSignal,
    decisions: Sequence[int] | np.ndarray,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    fitted: FitProgress | None = None,
) -> Walk:
    """Fit a signal on every window of a span and score every decision.

    Parameters
    ----------
    market : Market
    signal : TrainedSignal
    decisions : sequence of int
        Sessions to score, ascending; the first refit is at the first one.
    jobs : int
        Processes that train windows, grid points and seeds; scores do not depend on it.
    progress, fitted : callable, optional
        See :data:`Progress` and :data:`FitProgress`.

    Returns
    -------
    Walk
        A second identical call trains nothing; an interrupted one goes on where it was.

    Raises
    ------
    SignalError
        If a window has too little to train on, or the signal is never fitted.
    """
    places = [int(t) for t in decisions]
    check_refit(signal.refit, type(signal).__name__)
    if signal.refit == "never":
        raise ConfigError(f"{type(signal).__name__} is never fitted; declare refit = 'yearly' or another schedule")
    sessions = refit_sessions(market, signal.refit, places)
    if not sessions:
        return Walk({}, {}, 0, 0)
    with parallel(jobs, progress) as workers:
        signals = _fits(signal, [market.view(t) for t in sessions], workers, fitted)
        trained, reused = workers.trained, workers.reused
    scores = {}
    for t in places:
        current = signals[int(np.searchsorted(sessions, t, side="right")) - 1]
        scores[str(market.sessions[t])] = current.predict(market.view(t))
    days = [str(market.sessions[t]) for t in sessions]
    return Walk(scores, dict(zip(days, signals, strict=True)), trained, reused)
