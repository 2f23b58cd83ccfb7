"""A signal that trains a model on factors: samples, preprocessing, validation, search, ensemble and cache are here.

A subclass declares factors, label and hyper-parameters and writes two methods::

    class Ridge(TrainedSignal):
        factors = ("paper-1",)
        label = NextReturn()
        strength: float = 1.0                                 # a hyper-parameter

        def train(self, window, seed, budget=1.0):
            x = np.c_[window.x, np.ones(len(window.x))]
            penalty = self.strength * np.eye(x.shape[1])
            return Learnt({"weights": np.linalg.solve(x.T @ x + penalty, x.T @ window.y)})

        def output(self, model, x):
            return np.c_[x, np.ones(len(x))] @ model.arrays["weights"]

:mod:`signals.adapters` makes one of an estimator, a network or a function in one line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.errors import ConfigError, SignalError
from signals.base import Signal
from signals.learning.declared import declared
from signals.learning.figures import accuracy, nearness, r_squared
from signals.learning.model_cache import ModelCache, code_of, key_of
from signals.learning.refits import check_refit
from signals.learning.samples import Samples, latest_samples, sequences, take_samples
from signals.learning.search import Candidate, Space, search_of, search_versions
from signals.learning.training_window import Window
from signals.learning.windows import Split, parse_window, rows_in_window, split_window
from signals.preprocess import Chain, Fitted
from signals.saved import Learnt

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View
    from signals.learning.run_scores import RunScores

LONG = 5_000
"""Sessions opened before the start where the window is all of history, or a factor reads all of it."""

class TrainedSignal(Signal):
    """Base of signals that learn from factors.

    Parameters
    ----------
    refit : str
        When it is fitted again, see :class:`signals.base.Signal`.
    decisions : str
        Schedule of the samples: ``1M`` takes the last session of each month.
    window : str
        ``12M`` rolling months, ``24`` rolling decisions, ``all`` expanding.
    steps : int
        Decisions that one sample spans, its own included.
    preprocess : str
        A chain of :data:`signals.preprocess.PAPERS`, fitted in each window anew; none by default.
    missing : {"zero", "drop", "keep"}
        What becomes of values that are missing after preprocessing; a sample without any value now is left out.
    validation : float
        Fraction of the window held out: the last decisions (honest) or random samples (paper).
    embargo : int
        Sessions kept free between training labels and the first decision held out, beside their horizon.
    seed, seeds : int
        The first seed, and how many models are averaged.
    search : str
        ``none``, ``grid``, ``halving``, ``random`` or ``tpe``, see :data:`signals.learning.search.SEARCHES`, over
        :attr:`space`.
    trials : int
        Candidates of ``random`` and ``tpe``; the others begin with the whole grid.
    protocol : {"honest", "paper"}
        ``paper`` validates on random samples and fits the preprocessing on the whole history; see
        :mod:`signals.protocols`.
    """

    space: ClassVar[Space] = {}
    """Hyper-parameters to search, each with its values."""

    not_in_a_model: ClassVar[frozenset[str]] = frozenset({"seed", "seeds", "search", "trials", "refit"})
    """Parameters that say which models are trained and when, not what one of them becomes."""

    refit: str = "yearly"
    decisions: str = "1M"
    window: str = "12M"
    steps: int = Field(default=1, ge=1)
    preprocess: str = ""
    missing: Literal["zero", "drop", "keep"] = "zero"
    validation: float = Field(default=0.0, ge=0.0, lt=1.0)
    embargo: int = Field(default=0, ge=0)
    seed: int = Field(default=1, ge=0)
    seeds: int = Field(default=1, ge=1)
    search: str = "none"
    trials: int = Field(default=20, ge=1)
    protocol: Literal["honest", "paper"] = "honest"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        parse_window(self.window)
        check_refit(self.refit, type(self).__name__)
        if self.preprocess:
            Chain.of(self.preprocess)
        if self.search != "none":
            search_of(self.search)
            if self.validation <= 0.0:
                raise ConfigError("a search needs validation samples; give validation a share such as 0.2")
            if not self.space:
                raise ConfigError(f"{type(self).__name__} has nothing to search; declare space = {{name: values}}")
        return self

    # -- to write -------------------------------------------------------------------------------

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        """Train one model on a window; the same bits for the same seed.

        Parameters
        ----------
        window : Window
        seed : int
        budget : float
            Fraction of a full training that a search may spend: of the epochs, or, where there are none to cut short,
            of the samples, see :meth:`Window.part`.
        """
        raise TypeError(f"{type(self).__name__} must write train(self, window, seed, budget)")

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """What a model says of samples: predicted values (n,), or a probability for each class (n, K)."""
        raise TypeError(f"{type(self).__name__} must write output(self, model, x)")

    def score(self, output: np.ndarray, view: View, stocks: np.ndarray) -> np.ndarray:
        """Scores (n,) from outputs: the prediction, or the expected class."""
        return output if output.ndim == 1 else output @ np.asarray(self.classes)

    def loss(self, output: np.ndarray, y: np.ndarray) -> float:
        """Validation loss: mean squared error, or cross-entropy of the classes."""
        if output.ndim == 1:
            return float(np.mean((output - y) ** 2))
        codes = np.searchsorted(self.classes, y)
        return float(-np.mean(np.log(np.maximum(output[np.arange(len(y)), codes], 1e-12))))

    def figures(self, output: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """What outputs are worth beside the labels: ``loss``, and ``r2``, or ``accuracy`` and its ``base_rate``."""
        found = {"loss": self.loss(output, y)}
        if not self.classes:
            return found | {"r2": r_squared(output, y)}
        chances = output if output.ndim == 2 else nearness(output, self.classes)
        found["accuracy"], found["base_rate"] = accuracy(chances, np.searchsorted(self.classes, y))
        return found

    def chain(self) -> Chain:
        """The preprocessing; by default the one that :attr:`preprocess` names."""
        return Chain.of(self.preprocess) if self.preprocess else Chain()

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that decide what is trained; they belong to the key of the cache."""
        return {"numpy": np.__version__}

    # -- declarations ---------------------------------------------------------------------------

    @property
    def lookback(self) -> int:
        """Sessions before the start: window, steps, horizon and the factors' own past."""
        factors = declared(tuple(self.factors)).lookback
        length, unit = parse_window(self.window)
        if factors is None or unit == "all":
            return LONG
        per = {"d": 1, "w": 5, "m": 22}.get(self.decisions.lower().rstrip("s")[-1:], 22)
        span = length * (22 if unit == "months" else per) + (self.steps + 2) * per
        return span + factors + 22

    @property
    def code_digest(self) -> str:
        """Hash of the code of its factors, which belongs to what decides a run."""
        return declared(tuple(self.factors)).code

    # -- fitting --------------------------------------------------------------------------------

    def fit(self, history: View) -> Self:
        """Train on the window that ends at the view; models that are in the cache already are taken from there."""
        from signals.walkforward import train_all

        window, fitted = self.prepare(history)
        chosen = self._searched(window)
        model = self.having(chosen)
        seeds = range(self.seed, self.seed + self.seeds)
        models = train_all([(model, window, seed, 1.0, True) for seed in seeds])
        failed = [one.facts["failed"] for one in models if "failed" in one.facts]
        if failed:
            raise SignalError(str(failed[0]))
        parts = {f"model-{k}": one for k, one in enumerate(models)}
        facts = {
            "day": window.day, "digest": window.digest, "chosen": chosen, "samples": len(window.y),
            "validation_samples": len(window.y_valid), "features": list(window.features),
            "losses": [one.facts.get("loss") for one in models], "chain": _chain_facts(fitted),
        }  # fmt: skip
        states = {f"step-{k}": Learnt(state, {}) for k, state in enumerate(fitted.states)}
        return self.having_learnt(Learnt.joined({**parts, **states}, **facts))

    def for_run(self, market: Market, decisions: Sequence[int]) -> RunScores:
        """What a strategy asks in place of the signal, over the sessions at which it will.

        Scores that an equal run has left are read, see :mod:`signals.learning.run_scores`; each fit gets a view that
        ends at its own decision.
        """
        from signals.learning.run_scores import RunScores

        return RunScores(self, market, decisions)

    def having(self, candidate: Mapping[str, Any]) -> Self:
        """The signal with some parameters changed, checked again."""
        if not candidate:
            return self
        twin = type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **candidate})
        twin._full = self._full
        return twin

    def samples(self, view: View) -> Samples:
        """Samples with the labels that are known at the end of the view."""
        return take_samples(view, tuple(self.factors), self.decisions, self.label)

    def split(self, view: View, samples: Samples) -> Split:
        """Training and validation samples of the window that ends at the view."""
        rows = rows_in_window(samples, view.t, view.date, self.window, self.steps)
        return split_window(
            samples, rows, share=self.validation, steps=self.steps, protocol=self.protocol, embargo=self.embargo,
            seed=self.seed, classes=tuple(self.classes),
        )  # fmt: skip

    def prepare(self, view: View) -> tuple[Window, Fitted]:
        """The window that ends at the view, and the preprocessing fitted in it."""
        samples = self.samples(view)
        assert samples.target is not None
        split = self.split(view, samples)
        train = split.train_rows
        until = int(np.flatnonzero((split.train | split.valid).any(axis=1))[-1]) + 1
        if self.protocol == "paper":
            from signals.protocols import full_history

            past = take_samples(full_history(self).whole, tuple(self.factors), self.decisions)
        else:
            past = samples[split.first : int(train[-1]) + 1]
        fitted = self.chain().fit(past.values, past.context)
        clean = fitted.apply(samples.values[split.first : until], samples.context[split.first : until])
        clean = clean[:, :, None] if clean.ndim == 2 else clean
        masks = [mask[split.first : until] for mask in (split.train, split.valid)]
        values = samples.target.values[split.first : until]
        sides = [(self._filled(sequences(clean, mask, self.steps)), values[mask]) for mask in masks]
        (x, y), (x_valid, y_valid) = [(x[keep], y[keep]) for (x, keep), y in sides]
        self._check_classes(y, view)
        total = hashlib.blake2b(digest_size=16)
        total.update(json.dumps([self.chain().describe(), self.steps, self.missing, list(self.classes)]).encode())
        for digests in (past.digests, samples.digests[split.first : until]):
            total.update("\0".join(digests).encode())
        for array in (*masks, np.where(masks[0] | masks[1], values, 0.0)):
            total.update(np.ascontiguousarray(array).tobytes())
        window = Window(
            x, y, x_valid, y_valid, fitted.factors_after, tuple(self.classes), str(view.date), total.hexdigest()
        )
        return window, fitted

    def _filled(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Samples without gaps, and which of the given ones they are."""
        keep = np.ones(len(x), dtype=bool)
        if self.missing == "drop":
            keep = ~np.isnan(x).any(axis=tuple(range(1, x.ndim)))
        elif self.missing == "zero":
            np.nan_to_num(x, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return x, keep

    def _check_classes(self, y: np.ndarray, view: View) -> None:
        if not len(y):
            name = type(self).__name__
            raise SignalError(f"{name} has no sample left to train on at {view.date}; take fewer factors")
        if self.classes:
            found = np.unique(y)
            unknown = np.setdiff1d(found, self.classes)
            if len(unknown) or len(found) < 2:
                which = f"the class {unknown[0]:g}, which is none of its own" if len(unknown) else "one class alone"
                raise SignalError(
                    f"the window of {type(self).__name__} up to {view.date} holds {which}; take a longer window, more "
                    "stocks or another label"
                )

    def _searched(self, window: Window) -> Candidate:
        """What the search chooses; kept, because reading a grid of results again takes a second."""
        from signals.walkforward import train_all

        if self.search == "none":
            return {}
        cache = ModelCache()
        key = key_of(
            what="search", search=self.search, space=list(self.space.items()), trials=self.trials,
            versions=search_versions(self.search), full=self.key(window, self.seed, 1.0, False),
        )  # fmt: skip
        found = cache.get(key)
        if found is not None:
            return dict(found.facts["chosen"])

        def evaluate(candidates: Sequence[Candidate], budget: float = 1.0) -> list[float]:
            tasks = [(self.having(one), window, self.seed, budget, False) for one in candidates]
            return [float(done.facts.get("loss", np.inf)) for done in train_all(tasks)]

        chosen = search_of(self.search)(self.space, evaluate, self.trials, self.seed)
        cache.put(key, Learnt({}, {"chosen": chosen}))
        return chosen

    def key(self, window: Window, seed: int, budget: float, whole: bool) -> str:
        """Key of one trained model in the cache; ``whole`` if its weights are kept."""
        config = {name: value for name, value in self.model_dump().items() if name not in self.not_in_a_model}
        return key_of(
            what="model", config=config, code=code_of(type(self)), versions=self.versions(), data=window.digest,
            seed=seed, budget=budget, whole=whole,
        )  # fmt: skip

    # -- predicting -----------------------------------------------------------------------------

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``: the mean of the models' outputs, class probabilities as columns ``p_<class>``."""
        learnt = self.needs()
        samples = latest_samples(view, tuple(self.factors), self.decisions, self.steps)
        if len(samples.decisions) < self.steps:
            raise SignalError(
                f"{type(self).__name__} spans {self.steps} decisions and only {len(samples.decisions)} lie before "
                f"{view.date}; begin later, or open more history"
            )
        cache = ModelCache()
        key = key_of(
            what="output", model=learnt.facts["digest"], chosen=learnt.facts["chosen"], code=code_of(type(self)),
            config=self.model_dump(), versions=self.versions(), data=list(samples.digests),
        )  # fmt: skip
        found = cache.get(key)
        if found is None:
            found = self._output_of(samples)
            cache.put(key, found)
        stocks, output = found.arrays["stocks"], found.arrays["output"]
        values = np.full(len(view.symbols), np.nan)
        if len(stocks):
            values[stocks] = self.score(output, view, stocks)
        if output.ndim == 1:
            return view.scores(values)
        columns = {}
        for k, one in enumerate(self.classes):
            columns[f"p_{one:g}"] = np.full(len(values), np.nan)
            columns[f"p_{one:g}"][stocks] = output[:, k]
        return view.scores(values, **columns)

    def _output_of(self, samples: Samples) -> Learnt:
        stocks, x = self.inputs(samples, self.preprocessing().apply(samples.values, samples.context))
        return Learnt({"stocks": stocks, "output": self.answers(x)})

    def preprocessing(self) -> Fitted:
        """The chain as it was fitted in the window."""
        learnt = self.needs()
        facts = learnt.facts["chain"]
        states = [dict(learnt.part(f"step-{k}").arrays) for k in range(len(facts["steps"]))]
        return Fitted(Chain.of(facts["steps"]), states, tuple(facts["factors"]), facts["named"], facts["trained"])

    def inputs(self, samples: Samples, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the models are asked of the last decision of samples, ``clean`` being their preprocessed factors.

        Returns
        -------
        stocks : ndarray of int64, shape (n,)
            Columns of the market.
        x : ndarray of float32, shape (n, F) or (n, steps, F)
        """
        chosen = np.zeros(samples.values.shape[:2], dtype=bool)
        chosen[-1] = samples.universe[-1] & ~np.isnan(samples.values[-1]).all(axis=1)
        x, keep = self._filled(sequences(clean[:, :, None] if clean.ndim == 2 else clean, chosen, self.steps))
        return np.flatnonzero(chosen[-1])[keep], x[keep]

    def answers(self, x: np.ndarray, symbols: Sequence[str] = ()) -> np.ndarray:
        """The mean of the models' outputs; float64 (n,) or (n, K). Models of single stocks ask whose they are."""
        if not len(x):
            return np.empty((0, len(self.classes)) if self.classes else (0,))
        found = [np.asarray(signal.output(model, x), dtype=np.float64) for _, signal, model in self.models()]
        return np.asarray(np.mean(found, axis=0))

    def models(self) -> list[tuple[str, Self, Learnt]]:
        """What a fit has trained: the name of each model, the signal with the parameters chosen for it, and itself."""
        learnt = self.needs()
        signal = self.having(learnt.facts["chosen"])
        return [(f"model-{k}", signal, learnt.part(f"model-{k}")) for k in range(len(learnt.facts["losses"]))]


def _chain_facts(fitted: Fitted) -> dict[str, Any]:
    return {
        "steps": fitted.chain.describe(), "factors": list(fitted.factors), "named": fitted.named,
        "trained": fitted.trained,
    }  # fmt: skip
