"""A sweep: one run for each point of a grid over the options of a run, and a table of what came out.

A point is a backtest like any other. Its folder in the folder of runs has the configuration, the daily values and the
figures, but no tables, so that a hundred points take seconds; ``scripts/backtest.py --config`` adds the tables of one
that is worth a look. The points count among the settings tried, and those that are there are not run again: a sweep
that was killed goes on.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from engine.config import RunConfig
from engine.config_values import read_toml, toml
from engine.errors import ConfigError
from engine.files import replacing
from engine.run_folder import write_parquet
from engine.sweep_backends import Backend
from engine.sweep_point import Answer, Task, open_ahead, run_point
from feeds.sources import cache_folder

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    "annual_return", "volatility", "sharpe", "max_drawdown", "calmar", "excess_annual_return", "tracking_error",
    "information_ratio", "excess_max_drawdown", "monthly_win_rate", "turnover", "final_value",
)  # fmt: skip
"""Figures of the table, by their names in a run's headline."""

MOST = 100_000
"""Points of one sweep; more of them are taken for a mistake in the file."""

FOLDER, TABLE = "sweeps", "sweep.parquet"

Values = tuple[tuple[str, Any], ...]
Progress = Callable[[int, int, str], None]
"""Told of points done, of how many, and of what the last one was."""


class Point(NamedTuple):
    """One point of a grid: its values by option, and its configuration or what is wrong with it."""

    values: Values
    config: RunConfig | None
    problem: str = ""


@dataclass(frozen=True)
class Experiment:
    """An experiment file: options of a run, and lists of values for some of them.

    Attributes
    ----------
    name : str
        The file's, without its ending.
    axes : dict of str to list
        Values by option, in the order of the file.
    points : list of Point
        All combinations; the last option of the file changes fastest.
    """

    name: str
    axes: dict[str, list[Any]]
    points: list[Point]

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read an experiment file.

        Raises
        ------
        ConfigError
            If it cannot be read, has no grid, or an option or value that no point can have.
        """
        values = read_toml(path)
        grid = values.pop("grid", None)
        if not isinstance(grid, dict) or not grid:
            raise ConfigError(f"{path}: there is no table [grid]; add one with lists, as hold = [5, 10, 30, 50]")
        axes = dict(_axes(grid, str(path)))
        count = math.prod(map(len, axes.values()))
        if count > MOST:
            raise ConfigError(f"{path}: the grid has {count:,} points, above {MOST:,}; take values out")
        try:
            base = RunConfig.from_mapping(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        chosen = (tuple(zip(axes, each, strict=True)) for each in itertools.product(*axes.values()))
        points = [_point(base, each) for each in chosen]
        _check(points, str(path))
        return cls(Path(path).stem, axes, points)


def _axes(grid: Mapping[str, Any], path: str, above: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Options and their values; ``signal.window = [...]`` is a table inside a table to TOML."""
    for key, found in grid.items():
        name = f"{above}{key}"
        if isinstance(found, dict):
            yield from _axes(found, path, f"{name}.")
        elif not isinstance(found, list) or not found:
            raise ConfigError(f"{path}: [grid] {name} is {toml(found)}; give a list of values, as [5, 10, 30, 50]")
        else:
            twice = [text for text, times in Counter(map(toml, found)).items() if times > 1]
            if twice:
                raise ConfigError(f"{path}: [grid] {name} has {twice[0]} twice; leave one out")
            yield name, found


def _point(base: RunConfig, values: Values) -> Point:
    try:
        return Point(values, base.with_values(values).completed())
    except ConfigError as error:
        return Point(values, None, str(error))


def _check(points: Sequence[Point], path: str) -> None:
    """Refuse what is a mistake in the file: no point can be run, or none that has a certain value."""
    if all(point.problem for point in points):
        raise ConfigError(f"{path}: {points[0].problem}")
    good = {(key, toml(value)) for point in points if not point.problem for key, value in point.values}
    for point in points:
        for key, value in point.values:
            if (key, toml(value)) not in good:
                raise ConfigError(f"{path}: [grid] {key} = {toml(value)}: {point.problem}")


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Attributes
    ----------
    experiment : Experiment
    answers : list of Answer
        By point, in the order of the experiment.
    store : Path
        The folder of runs.
    """

    experiment: Experiment
    answers: list[Answer]
    store: Path

    @property
    def folder(self) -> Path:
        """Where its table and page lie."""
        return self.store / FOLDER / self.experiment.name

    def table(self) -> pd.DataFrame:
        """A row a point: its values, the id of its run, :data:`FIGURES`, and the error of one that failed."""
        import pandas as pd

        columns: dict[str, Any] = {"point": range(1, len(self.answers) + 1)}
        for key in self.experiment.axes:
            name = f"grid.{key}" if key in ("point", "run", "error", *FIGURES) else key
            columns[name] = _column([dict(point.values)[key] for point in self.experiment.points])
        columns["run"] = [answer.run for answer in self.answers]
        for key in FIGURES:
            columns[key] = pd.array([answer.figures.get(key) for answer in self.answers], dtype="float64")
        columns["error"] = [answer.problem for answer in self.answers]
        return pd.DataFrame(columns)

    def write_table(self) -> Path:
        """Write :meth:`table` to ``sweep.parquet`` in :attr:`folder` and return its path."""
        path = self.folder / TABLE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as beside:
                write_parquet(self.table(), beside)
        except OSError as error:
            raise ConfigError(f"the table cannot be written to {path} ({error.strerror or error}); check it") from None
        return path


def _column(values: list[Any]) -> list[Any]:
    """Numbers, texts or truths as they are; anything else as TOML, so that a column is of one kind."""
    for kind in (bool, str):
        if all(isinstance(value, kind) for value in values):
            return values
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [toml(value) for value in values]


def sweep(
    experiment: Experiment,
    *,
    out: str | Path = "runs",
    backend: Backend | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run every point of an experiment that is not there yet.

    Parameters
    ----------
    experiment : Experiment
    out : path
        Folder of runs. The workers of a cluster must see it, the data and the working folder under the same paths.
    backend : Backend, optional
        Where the points run; all cores of this machine by default.
    cache : path, optional
        Folder of market caches, see :func:`feeds.sources.cache_folder`.
    progress : callable, optional
        See :data:`Progress`.

    Returns
    -------
    Sweep
        Its answers depend on neither the backend nor the number of workers. A point that failed has a sentence, and
        will be tried again next time.
    """
    store, place = Path(out).resolve(), cache_folder(None if cache is None else Path(cache)).resolve()
    here = str(Path.cwd())
    answers = {k: Answer(k, problem=point.problem) for k, point in enumerate(experiment.points) if point.problem}
    tasks = [
        Task(k, point.config, str(store), str(place), here)
        for k, point in enumerate(experiment.points)
        if point.config is not None
    ]
    tasks.sort(key=lambda task: (task.market, task.index))  # a worker keeps few markets open
    open_ahead(tasks)
    for answer in (backend or Backend()).map(run_point, tasks):
        answers[answer.index] = answer
        if progress is not None:
            progress(len(answers), len(experiment.points), label(experiment.points[answer.index].values))
    return Sweep(experiment, [answers[k] for k in range(len(experiment.points))], Path(out))


def label(values: Values) -> str:
    """A point in words, as ``hold 5, seed 2``."""
    return ", ".join(f"{key} {value if isinstance(value, str) else toml(value)}" for key, value in values)
