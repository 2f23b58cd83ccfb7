"""Preprocessing of factors: chains of steps, fitted on training rows and applied to any.

    chain = Chain(WinsoriseMad(n=5), Fill(by="industry"), Neutralise(), ZScore())
    fitted = chain.fit(values[:t], context[:t])
    clean = fitted.apply(values, context)
    fitted.report.table()

``values`` are (D, N) or (D, N, F) float64: D dates x N stocks x F factors, NaN (or infinite) where missing. Almost all
steps take the statistics of a date from that date's universe alone, so nothing leaks from one date to another; PCA,
dropping sparse factors and statistics ``over="training"`` are learnt in :meth:`Chain.fit`, which sees nothing but what
it is given. Stocks outside the universe (suspended, delisted) leave as NaN; nothing is carried from one date to the
next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, SignalError, nearest
from engine.files import write_beside
from signals.preprocessing.components import DropSparse, Pca
from signals.preprocessing.cross_sections import Context, Section, codes_of, context_of, sections
from signals.preprocessing.neutralise import Neutralise
from signals.preprocessing.report import Report, Tally
from signals.preprocessing.steps import (
    Fill,
    Rank,
    State,
    Step,
    WinsoriseMad,
    WinsorisePercentile,
    WinsoriseSigma,
    ZScore,
)

__all__ = [
    "PAPERS", "STEPS", "Chain", "Context", "DropSparse", "Fill", "Fitted", "Neutralise", "Pca", "Rank", "Report",
    "Step", "WinsoriseMad", "WinsorisePercentile", "WinsoriseSigma", "ZScore", "codes_of", "context_of",
]  # fmt: skip

FORMAT = 1
"""Version of the saved form."""

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        WinsoriseMad, WinsorisePercentile, WinsoriseSigma, Fill, Neutralise, ZScore, Rank, DropSparse, Pca,
    )
}  # fmt: skip
"""Steps by the name that configurations use."""

PAPERS: dict[str, tuple[Step, ...]] = {
    # The paper gives no n; with 1.4826 the usual one is 3. Filling stands before standardising, as there (4.2).
    "paper-1": (WinsoriseMad(n=3, scaled=True), Fill(by="row-mean", min_coverage=0.0), ZScore()),
    "paper-2": (Fill(by="cross-section", min_coverage=0.0), WinsoriseMad(n=5), Neutralise(industry=False)),
    "paper-3": (WinsoriseMad(n=5), Fill(by="industry", min_coverage=0.0), Neutralise(), ZScore()),
    # "去极值、标准化": the paper names no method; the residual on the industries alone comes last.
    "paper-4": (WinsoriseMad(n=5), ZScore(), Neutralise(size=False)),
    # Dropping comes behind standardising, which is the same factor by factor, so that constant factors go too.
    "paper-5": (ZScore(), DropSparse(), Pca(keep=0.9, missing="mean")),
}
"""The papers' own sequences; an honest protocol fits them in each window."""


class Chain:
    """Steps in order; a frozen configuration.

    Parameters
    ----------
    *steps : Step
    """

    __slots__ = ("steps",)

    steps: tuple[Step, ...]

    def __init__(self, *steps: Step) -> None:
        for step in steps:
            if not isinstance(step, Step):
                raise ConfigError(f"a chain takes steps such as ZScore(), not {step!r}")
        object.__setattr__(self, "steps", tuple(steps))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a chain is frozen; make another one")

    def __reduce__(self) -> tuple[Any, ...]:
        return Chain, self.steps

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.steps))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chain) and self.steps == other.steps

    def __hash__(self) -> int:
        return hash(self.steps)

    @classmethod
    def of(cls, what: str | Sequence[Mapping[str, Any]]) -> Chain:
        """A chain from a name of :data:`PAPERS`, or from ``[{"step": "winsorise-mad", "n": 5}, ...]``.

        Raises
        ------
        ConfigError
            If a name or a parameter is unknown or out of range.
        """
        if isinstance(what, str):
            if what not in PAPERS:
                raise ConfigError(f"there is no preprocessing '{what}'; {nearest(what, PAPERS)}")
            return cls(*PAPERS[what])
        return cls(*(_step_of(one) for one in what))

    def describe(self) -> list[dict[str, Any]]:
        """The steps as :meth:`of` takes them."""
        return [{"step": step.name, **step.model_dump()} for step in self.steps]

    def fit(self, values: np.ndarray, context: Context | None = None) -> Fitted:
        """Learn from training rows, ``values`` (D, N) or (D, N, F); steps that learn see what those before make.

        Raises
        ------
        SignalError
            If shapes do not fit together, or a step cannot learn from these rows.
        """
        context = context or Context()
        cube = context.check(values)
        factors = context.names(cube.shape[2])
        states: list[State] = []
        names = [factors]
        for k, step in enumerate(self.steps):
            state: State = {}
            if step.learns:
                state = step.learn(_made(cube, context, self.steps[:k], states, names), names[-1])
            states.append(state)
            names.append(step.factors_after(names[-1], state))
        trained: dict[str, Any] = {"dates": len(cube)}
        if context.dates is not None and len(cube):
            days = np.asarray(context.dates, "datetime64[D]")
            trained |= {"first": str(days.min()), "last": str(days.max())}
        return Fitted(self, states, factors, bool(context.factors), trained)


def _made(
    cube: np.ndarray, context: Context, steps: Sequence[Step], states: Sequence[State], names: Sequence[tuple[str, ...]]
) -> Iterator[tuple[Section, np.ndarray]]:
    """Blocks as the steps so far leave them."""
    tallies = [Tally(step.name, own) for step, own in zip(steps, names, strict=False)]
    factors = cube.shape[2]
    given, infinite = np.zeros(factors, np.int64), np.zeros(factors, np.int64)
    for section, block in sections(cube, context):
        yield section, _through(block, section, steps, states, tallies, len(cube), given, infinite)


def _through(
    block: np.ndarray, section: Section, steps: Sequence[Step], states: Sequence[State], tallies: Sequence[Tally],
    dates: int, given: np.ndarray, infinite: np.ndarray,
) -> np.ndarray:  # fmt: skip
    from signals.preprocessing import kernels as kernels

    kernels.clean(block, given, infinite)
    for step, state, tally in zip(steps, states, tallies, strict=True):
        block = step.work(block, section, state, tally, dates)
    return block


class Fitted:
    """A chain with what its steps have learnt.

    Attributes
    ----------
    chain : Chain
    factors, factors_after : tuple of str
        Names of what goes in (F) and of what comes out (K).
    trained : dict
        ``dates``, and ``first`` and ``last`` if the context had dates: the rows it was fitted on.
    report : Report or None
        Counts by date and factor of the last :meth:`apply`.
    """

    def __init__(
        self,
        chain: Chain,
        states: Sequence[State],
        factors: tuple[str, ...],
        named: bool,
        trained: Mapping[str, Any],
    ) -> None:
        self.chain, self.states, self.factors = chain, [dict(state) for state in states], tuple(factors)
        self.named, self.trained = named, dict(trained)
        self._names = [self.factors]
        for step, state in zip(chain.steps, self.states, strict=True):
            self._names.append(step.factors_after(self._names[-1], state))
        self.report: Report | None = None

    @property
    def factors_after(self) -> tuple[str, ...]:
        return self._names[-1]

    def apply(self, values: np.ndarray, context: Context | None = None) -> np.ndarray:
        """The processed factors; what was learnt stays as it is.

        Parameters
        ----------
        values : ndarray, shape (D, N) or (D, N, F)
            Left as they are.
        context : Context, optional

        Returns
        -------
        ndarray of float64, shape (D, N, K)
            (D, N) if ``values`` were, and one factor comes out. NaN outside the universe.

        Raises
        ------
        SignalError
            If shapes do not fit together, the factors are others than the fitted ones, or a step needs an industry or a
            size that the context does not have.
        """
        from signals.preprocessing import kernels as kernels

        context = context or Context()
        cube = context.check(values)
        self._same_factors(context, cube.shape[2])
        dates, stocks, factors = cube.shape
        left = len(self.factors_after)
        out = np.empty((dates, stocks, left))
        tallies = [Tally(step.name, own) for step, own in zip(self.chain.steps, self._names, strict=False)]
        report = Report(
            self.factors, self.factors_after, context.dates, np.zeros(dates, np.int64),
            np.zeros((dates, factors), np.int64), np.zeros((dates, factors), np.int64),
            np.zeros((dates, left), np.int64), tallies,
        )  # fmt: skip
        for section, block in sections(cube, context):
            row = section.row
            block = _through(
                block, section, self.chain.steps, self.states, tallies, dates, report.given[row], report.infinite[row]
            )
            report.universe[row] = len(section.order)
            kernels.count_values(block, report.left[row])
            if len(section.order) < stocks:
                outside = np.ones(stocks, dtype=bool)
                outside[section.order] = False
                out[row, outside] = np.nan
            kernels.scatter(block, section.order, out[row])
        self.report = report
        return out[:, :, 0] if np.ndim(values) == 2 and left == 1 else out

    def _same_factors(self, context: Context, count: int) -> None:
        if count != len(self.factors):
            raise SignalError(f"this preprocessing was fitted on {len(self.factors)} factors and is given {count}")
        if self.named and context.factors and tuple(context.factors) != self.factors:
            other = next(k for k in range(count) if context.factors[k] != self.factors[k])
            raise SignalError(
                f"this preprocessing was fitted with '{self.factors[other]}' as factor {other + 1} "
                f"and is given '{context.factors[other]}'; give the factors in the same order"
            )

    # -- saved form -----------------------------------------------------------------------------

    def save(self, path: Path | str) -> None:
        """Write one JSON file; floats to the last bit."""
        path = Path(path)
        steps = [
            {"config": config, "state": {name: _listed(array) for name, array in sorted(state.items())}}
            for config, state in zip(self.chain.describe(), self.states, strict=True)
        ]
        saved = {"format": FORMAT, "factors": list(self.factors), "named": self.named, "trained": self.trained}
        text = json.dumps({**saved, "steps": steps}, ensure_ascii=False, allow_nan=False, indent=1)
        write_beside(path, text + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Fitted:
        """Read what :meth:`save` wrote.

        Raises
        ------
        SignalError
            If the file is missing, damaged or of another version.
        """
        path = Path(path)
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved["format"] != FORMAT:
                raise ValueError(f"format {saved['format']}, expected {FORMAT}")
            chain = Chain.of([one["config"] for one in saved["steps"]])
            states = [{name: _array(kept) for name, kept in one["state"].items()} for one in saved["steps"]]
            return cls(chain, states, tuple(saved["factors"]), bool(saved["named"]), saved["trained"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, ConfigError) as error:
            raise SignalError(
                f"the preprocessing '{path.name}' cannot be read ({error}); fit it again and save it"
            ) from error


def _step_of(one: Mapping[str, Any]) -> Step:
    given = dict(one)
    name = str(given.pop("step", ""))
    if name not in STEPS:
        raise ConfigError(f"there is no preprocessing step '{name}'; {nearest(name, STEPS)}")
    return STEPS[name](**given)


def _listed(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON: what is not finite as text."""
    flat = np.asarray(array).ravel().tolist()
    values = [v if isinstance(v, int) or np.isfinite(v) else str(v) for v in flat]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": values}


def _array(kept: Mapping[str, Any]) -> np.ndarray:
    if kept["dtype"] not in ("float64", "int64"):
        raise ValueError(f"an array of {kept['dtype']}")
    values = [float(v) if isinstance(v, str) else v for v in kept["values"]]
    return np.array(values, kept["dtype"]).reshape(kept["shape"])
