"""Where the points of a sweep run: the cores of this machine, a Ray cluster, or a Dask cluster.

On a cluster each point is a task of its own, which the cluster itself runs again when a worker dies. Joblib's backends
for the two would lose the whole sweep with one worker.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import ConfigError, nearest
from engine.sweep_point import Answer, Task

ATTEMPTS = 2
"""Times that a point is sent out again, or all points left together, after a worker died."""

_DIED = "the worker process died while it ran this point, as one that runs out of memory does; try fewer --jobs"

Work = Callable[[Task], Answer]


@dataclass(frozen=True)
class Backend:
    """Where points run.

    Parameters
    ----------
    name : {"local", "ray", "dask"}
    address : str
        Of a cluster that runs: for Ray ``auto`` or ``host:port``, for Dask ``tcp://host:port``.
    jobs : int
        Points at once; -1 for as many as there are cores.

    Raises
    ------
    ConfigError
        If there is no such backend, or it needs an address and has none.
    """

    name: str = "local"
    address: str = ""
    jobs: int = -1

    def __post_init__(self) -> None:
        if self.name not in _BACKENDS:
            raise ConfigError(f"there is no backend '{self.name}'; {nearest(self.name, _BACKENDS)}")
        if self.name == "local" and self.address:
            raise ConfigError("--address is of a cluster; add --backend ray or --backend dask")
        if self.name != "local" and not self.address:
            example = "auto or host:port" if self.name == "ray" else "tcp://host:8786"
            raise ConfigError(f"--backend {self.name} needs the --address of a running cluster, as {example}")
        if self.jobs == 0 or self.jobs < -1:
            raise ConfigError(f"--jobs is {self.jobs}; give the number of processes, or -1 for all cores")

    def map(self, work: Work, tasks: Sequence[Task]) -> Iterator[Answer]:
        """Answers as they come; a worker that dies costs its points another attempt, not the sweep.

        Raises
        ------
        ConfigError
            If the package of the cluster is not installed, or no cluster is at the address.
        """
        yield from _BACKENDS[self.name](self, work, tasks)


def _local(backend: Backend, work: Work, tasks: Sequence[Task]) -> Iterator[Answer]:
    """Processes of joblib, or this one for a single job.

    Who killed a pool cannot be told: all points left are sent out again, and at last each alone.
    """
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    def together(some: Sequence[Task]) -> Iterator[Answer]:
        if some:
            parallel = joblib.Parallel(n_jobs=backend.jobs, return_as="generator_unordered")
            yield from parallel(joblib.delayed(work)(task) for task in some)

    left = {task.index: task for task in tasks}
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        for _ in range(ATTEMPTS):
            with contextlib.suppress(BrokenProcessPool):
                for answer in together(list(left.values())):
                    del left[answer.index]
                    yield answer
        for task in left.values():
            try:
                yield from together([task])
            except BrokenProcessPool:
                yield Answer(task.index, problem=_DIED)


def _ray(backend: Backend, work: Work, tasks: Sequence[Task]) -> Iterator[Answer]:
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed; run: pip install 'huice[ray]'") from None
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=backend.address, log_to_driver=False, logging_level="WARNING")
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            said = f"there is no Ray cluster at '{backend.address}' ({_short(error)}); start one with: ray start --head"
            raise ConfigError(said) from None
    send = ray.remote(work).options(num_cpus=1, max_retries=ATTEMPTS)
    most = backend.jobs if backend.jobs > 0 else 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = iter(tasks)
    running: dict[Any, Task] = {}
    try:
        while True:
            running |= {send.remote(task): task for task in itertools.islice(waiting, most - len(running))}
            if not running:
                return
            ready = ray.wait(list(running), num_returns=1)[0][0]
            task = running.pop(ready)
            try:
                answer = ray.get(ready)
            except ray.exceptions.RayError as error:
                answer = _lost(task, error)
            yield answer
    finally:
        if ours:
            ray.shutdown()


def _dask(backend: Backend, work: Work, tasks: Sequence[Task]) -> Iterator[Answer]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ConfigError("Dask is not installed; run: pip install 'huice[dask]'") from None
    try:
        client = Client(backend.address, timeout="10s")
    except (OSError, ValueError) as error:
        said = f"there is no Dask scheduler at '{backend.address}' ({_short(error)}); check --address"
        raise ConfigError(said) from None
    with client:
        waiting = iter(tasks)
        running: dict[Any, Task] = {}

        def sent(count: int | None) -> list[Any]:
            fresh = {client.submit(work, task, pure=False): task for task in itertools.islice(waiting, count)}
            running.update(fresh)
            return list(fresh)

        coming = as_completed(sent(backend.jobs if backend.jobs > 0 else None))
        for future in coming:
            task = running.pop(future)
            try:
                answer = future.result()
            except Exception as error:  # whatever a worker could not load or send
                answer = _lost(task, error)
            coming.update(sent(1))
            yield answer


_BACKENDS: dict[str, Callable[[Backend, Work, Sequence[Task]], Iterator[Answer]]] = {
    "local": _local,
    "ray": _ray,
    "dask": _dask,
}


def _lost(task: Task, error: Exception) -> Answer:
    return Answer(task.index, problem=f"the cluster gave no answer ({_short(error)})")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip()}" if lines else type(error).__name__
