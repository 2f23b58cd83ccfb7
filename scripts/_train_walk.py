"""``train.py``: from options to finished walk-forwards, and their files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Show = Callable[[int, int | None, str], None]
"""Told of what is done, of how much (None: not known yet), and what it is."""


@contextlib.contextmanager
def progress_bar(wanted: bool, what: str) -> Iterator[Show | None]:
    """A bar with the time left; None where standard error is no terminal."""
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, now="")

        def show(done: int, total: int | None, now: str) -> None:
            bar.update(task, completed=done, total=total, now=now)

        yield show


def signals_of(
    name: str, given: Mapping[str, Any], protocol: str, compare: str | None, record: int
) -> dict[str, Any]:
    """The signals to train: one, or one for each value of ``KEY=A,B``; by what sets them apart.

    Raises
    ------
    ConfigError
        If the signal is unknown or learns nothing, a parameter is, or the protocol is none of its own.
    """
    from engine import plugins
    from engine.config import PluginConfig
    from engine.config_values import parse_value
    from engine.errors import ConfigError
    from signals.neural.explain import can_record
    from signals.protocols import check_protocol
    from signals.trained import TrainedSignal

    cls = plugins.resolve("signal", name)
    if not issubclass(cls, TrainedSignal):
        raise ConfigError(
            f"signal '{name}' has nothing to train; train.py takes signals that subclass signals.trained.TrainedSignal"
        )
    params = {**given, "protocol": protocol} if protocol != "honest" else dict(given)
    choices: dict[str, dict[str, Any]] = {name: {}}
    if compare is not None:
        key, equals, values = compare.partition("=")
        words = [word for word in values.split(",") if word.strip()]
        if not equals or len(words) < 2:
            raise ConfigError(f"--compare '{compare}' must be a parameter with two values or more, as cell=lstm,gru")
        choices = {f"{key}={word.strip()}": {key.strip(): parse_value(word.strip())} for word in words}
    found = {}
    for label, more in choices.items():
        signal: Any = plugins.build("signal", PluginConfig(name=name, params={**params, **more}))
        if record and can_record(signal):
            signal = signal.having({"record": record})
        check_protocol(signal, protocol)
        found[label] = signal
    return found


def market_of(
    signals: Mapping[str, Any], data: str, universe: str | Sequence[str], start: str, end: str | None, benchmark: str,
    exclude: Sequence[str] = (), protocol: str = "honest",
) -> tuple[Any, list[int]]:  # fmt: skip
    """The market with enough history before ``start``, and the decisions to score.

    Raises
    ------
    HuiceError
        If an option is wrong, the data lack something, or there are fewer than two decisions.
    """
    from engine.config_values import check_date
    from engine.errors import ConfigError
    from feeds.store import open_market
    from signals.learning.samples import decisions_of

    check_date("start", start)
    first = next(iter(signals.values()))
    lookback = max(signal.lookback for signal in signals.values())
    market = open_market(
        data, universe=universe, start=start, end=end, lookback=lookback, benchmark=benchmark, exclude=exclude,
        protocol=protocol,
    )  # fmt: skip
    places = [int(t) for t in decisions_of(market, first.decisions) if str(market.sessions[t]) >= start]
    if len(places) < 2:
        raise ConfigError(
            f"only {len(places)} decision{'s' * (len(places) != 1)} of schedule '{first.decisions}' from {start} to "
            f"{market.sessions[-1]}; two are needed, so that one has an outcome: begin earlier, or end later"
        )
    return market, places


class Walked:
    """A signal, trained and scored over its walk-forward.

    Attributes
    ----------
    market, signal, walk, known
        What went in; the finished walk, and what its scores came to.
    cpu_seconds : float
        Of this process and those that trained for it; scoring is in it.
    """

    def __init__(self, market: Any, signal: Any, places: list[int], jobs: int, show: Show | None) -> None:
        from signals.paper_checks import outcomes
        from signals.protocols import hand_over
        from signals.walkforward import cpu_seconds, walk_forward

        self.market = market
        self.signal = hand_over(signal, market) if signal.protocol == "paper" else signal
        now: dict[str, Any] = {"done": 0, "total": None, "what": ""}

        def tell(**news: Any) -> None:
            now.update(news)
            if show is not None:
                show(now["done"], now["total"], now["what"])

        began = cpu_seconds()
        self.walk = walk_forward(
            market, self.signal, places, jobs=jobs, progress=lambda what: tell(what=what),
            fitted=lambda done, total: tell(done=done, total=total),
        )  # fmt: skip
        self.cpu_seconds = cpu_seconds() - began
        self.known = outcomes(market, self.walk.scores, self.signal.label)

    def save(self, folder: Path, figures: Mapping[str, Any]) -> None:
        """Write each window's signal, and its figures as ``train.json``."""
        from engine.files import write_beside
        from engine.run_folder import json_text

        for day, signal in self.walk.fitted.items():
            signal.save(folder / day)
        write_beside(folder / "train.json", json_text(figures))


def check_out(out: Path | None, explain: bool) -> None:
    """Refuse a folder that cannot be written, before anything is trained.

    Raises
    ------
    ConfigError
    """
    from engine.errors import ConfigError

    if explain and out is None:
        raise ConfigError("--explain writes explain.html and needs a folder: give --out models/name")
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"--out '{out}' is a file; give a folder")
