"""A report in the making: its data, its budget, and what walks, backtests and finished steps it has to hand."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproduction.budget import Plan, plan_of
from reproduction.paper import Facts, Paper, Step
from reproduction.sections import Found, from_plain, to_plain

if TYPE_CHECKING:
    from _train_walk import Walked

    from engine.market import Market
    from engine.portfolios_run import PortfoliosRun
    from engine.run_folder import Run

Tell = Callable[[str, float], None]
"""Told what is done next, and the share of the whole that lies behind, 0 to 1."""

PROTOCOLS = ("paper", "honest")

STEP_SHARE = 10.0
"""CPU seconds that a step is taken to cost beside its trainings, for the time left."""


class Study:
    """What the steps of a report work with.

    Everything slow is kept by its content (models, scores, runs, finished steps), so that a study that was killed goes
    on where it was and ends as if it had not been.

    Parameters
    ----------
    name : str
        Of the paper's report.
    paper : Paper
    data : str
        Folder of tables, or a synthetic market.
    folder : Path
        Where the report, its runs and its finished steps go.
    quick : bool
        The thinned problem.
    budget : float
        CPU seconds for training.
    jobs : int
        Processes that train; no figure depends on it.
    tell : callable, optional
        See :data:`Tell`.
    """

    def __init__(
        self, name: str, paper: Paper, data: str, folder: Path, *, quick: bool, budget: float, jobs: int = 1,
        tell: Tell | None = None,
    ) -> None:  # fmt: skip
        self.name, self.paper, self.data, self.folder = name, paper, data, folder
        self.quick, self.jobs = quick, jobs
        self.plan: Plan = plan_of(paper.trainings(self), budget)
        self._tell, self._behind = tell, 0.0
        self._market: tuple[dict[str, Any], Market] | None = None

    @property
    def runs(self) -> Path:
        """The folder of this report's runs; all settings tried are counted in it."""
        return self.folder / "runs"

    def pays(self, training: str | None) -> bool:
        """Whether the budget pays for a training; for what costs nothing (None) it does."""
        return training is None or training in self.plan

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all tables of the data.

        Raises
        ------
        HuiceError
            If there are no such data.
        """
        from feeds.fingerprint import Digests, fingerprint
        from feeds.sources import cache_folder, data_folder

        place = cache_folder()
        folder, known = data_folder(self.data, place), Digests(place / "digests.json")
        found = {file.relative_to(folder).as_posix(): known.of(file) for file in sorted(folder.rglob("*.parquet"))}
        known.remember()
        return fingerprint(found)

    # -- tools of the steps -----------------------------------------------------------------------

    def market(
        self, universe: str | Sequence[str], start: str, end: str | None = None, lookback: int = 0, **more: Any
    ) -> Market:
        """The data, opened as a backtest opens them; asked for twice in a row, the same object."""
        from feeds.store import open_market

        asked = {"universe": universe, "start": start, "end": end, "lookback": lookback, **more}
        if self._market is None or self._market[0] != asked:
            self._market = (asked, open_market(self.data, **asked))
        return self._market[1]

    def walk(
        self, training: str | None, signal: str, protocol: str, *, universe: str | Sequence[str], start: str,
        end: str | None = None, benchmark: str = "", exclude: Sequence[str] = (), **params: Any,
    ) -> Walked | None:  # fmt: skip
        """Train a signal over its walk-forward; None where the budget does not pay for it.

        Parameters
        ----------
        training : str or None
            Name of the :class:`reproduction.budget.Training` that this is, or is part of; None for what costs nothing.
        signal, protocol, universe, start, end, benchmark, exclude
            As ``scripts/train.py`` has them.
        params
            Parameters of the signal.
        """
        from _train_walk import Walked, market_of, signals_of

        if not self.pays(training):
            return None
        signals = signals_of(signal, params, protocol, None, 0)
        market, places = market_of(signals, self.data, universe, start, end, benchmark, exclude, protocol)
        with self.spending(training):
            stocks = universe if isinstance(universe, str) else f"{len(universe)} stocks"
            self.say(f"training {signal}, {protocol}, {stocks}")
            return Walked(market, signals[signal], places, self.jobs, None)

    def backtest(self, training: str | None, protocol: str, **config: Any) -> Run | None:
        """Run a backtest into :attr:`runs`, or take it from there; None where the budget does not pay for its signal.

        Parameters
        ----------
        training : str or None
            As of :meth:`walk`.
        protocol : {"paper", "honest"}
            ``paper`` where the signal, too, is to repeat its paper's leaks.
        config
            Options of a run (:class:`engine.config.RunConfig`); ``data`` is the study's own.
        """
        import engine.backtest

        if not self.pays(training):
            return None
        with self.spending(training):
            self.say(f"backtest of {_name_of(config.get('signal'))}, {protocol}")
            return engine.backtest.run(self._config(protocol, config), out=self.runs, protocol=protocol)

    def portfolios(self, training: str | None, protocol: str, **config: Any) -> PortfoliosRun | None:
        """The same for a strategy of many portfolios in one pass."""
        from engine.portfolios_run import run_portfolios

        if not self.pays(training):
            return None
        with self.spending(training):
            self.say(f"portfolios of {_name_of(config.get('signal'))}, {protocol}")
            return run_portfolios(self._config(protocol, config), out=self.runs, protocol=protocol)

    def load(self, run: str) -> Run:
        """A run of :attr:`runs` by the name of its folder, as a step's facts keep it."""
        from engine.run_folder import Run

        return Run.load(self.runs / run)

    def _config(self, protocol: str, config: Mapping[str, Any]) -> dict[str, Any]:
        made = {"data": self.data, **config}
        if protocol == "paper":
            signal = made["signal"]
            made["signal"] = {**({"name": signal} if isinstance(signal, str) else signal), "protocol": "paper"}
        return made

    def say(self, what: str) -> None:
        """Tell what is done next."""
        if self._tell is not None:
            self._tell(what, self._behind)

    # -- CPU time ---------------------------------------------------------------------------------

    @cached_property
    def spent(self) -> dict[str, float]:
        """CPU seconds by training, those of earlier attempts included."""
        try:
            return dict(json.loads((self.folder / "spent.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    @contextlib.contextmanager
    def spending(self, training: str | None) -> Iterator[None]:
        """Count the CPU time inside as that of a training; of None as nobody's."""
        from signals.walkforward import cpu_seconds

        began = cpu_seconds()
        try:
            yield
        finally:
            if training is not None:
                self.spent[training] = self.spent.get(training, 0.0) + cpu_seconds() - began
                _write_json(self.folder / "spent.json", self.spent)

    # -- steps --------------------------------------------------------------------------------------

    def results(self) -> dict[str, Found]:
        """All steps by name, done now or taken from where an earlier attempt left them."""
        from signals.walkforward import parallel

        with parallel(self.jobs):
            return self._results()

    def _results(self) -> dict[str, Found]:
        found: dict[str, Found] = {}
        facts: dict[str, Mapping[str, Any]] = {}
        total = self.plan.seconds + STEP_SHARE * len(self.paper.steps)
        for k, step in enumerate(self.paper.steps):
            trained = sum(one.seconds for one in self.plan.chosen if one.name in self.spent)
            self._behind = min((STEP_SHARE * k + trained) / total, 1.0)
            self.say(step.what)
            found[step.name] = self._result(step, facts)
            facts[step.name] = found[step.name].facts
        return found

    def _result(self, step: Step, facts: Facts) -> Found:
        file = self.folder / "steps" / f"{step.name}.json"
        key = self._key(step)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            held = json.loads(file.read_text(encoding="utf-8"))
            if held["key"] == key:
                return from_plain(held["found"])
        found = step.run(self, facts)
        _write_json(file, {"key": key, "found": to_plain(found)})
        return from_plain(json.loads(file.read_text(encoding="utf-8"))["found"])  # the same as when it is read again

    def _key(self, step: Step) -> str:
        """Hash of all that a step can depend on but the order of the others."""
        parts = [step.name, self.data, str(self.quick), self.fingerprint, _our_code()]
        parts += [one.name for one in self.plan.chosen]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _our_code() -> str:
    from signals.learning.declared import our_code

    root = Path(__file__).resolve().parents[2]
    total = hashlib.blake2b(our_code().encode(), digest_size=16)
    for room in ("strategies", "scripts/reproduction"):
        for file in sorted((root / room).rglob("*.py")):
            total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _name_of(signal: Any) -> str:
    return str(signal.get("name")) if isinstance(signal, Mapping) else str(signal)


def _write_json(path: Path, content: Any) -> None:
    from engine.files import write_beside

    path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(path, json.dumps(content, ensure_ascii=False, allow_nan=True, sort_keys=False))
