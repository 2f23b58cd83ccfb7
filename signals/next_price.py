"""The next close of each stock by a model of its own, from days of paper 2's seven factors."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.errors import ConfigError, SignalError
from signals.labels import Label, _at, _last_bars
from signals.learning.model_cache import ModelCache, code_of, key_of
from signals.learning.samples import Samples, latest_samples, sequences
from signals.learning.search import Candidate, search_of
from signals.paper_signals import PaperSignal
from signals.preprocess import PAPERS as CHAINS
from signals.preprocess import Chain, Fitted
from signals.protocols import full_history
from signals.saved import Learnt
from signals.trained import TrainedSignal, Window

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View


Tried = tuple[Candidate, float, float]
"""A point of a search, the share of a full training that it got, and its loss."""


class NextClose(Label):
    """Adjusted close at the end of the horizon (close times adjustment factor, yuan), of the last bar within it."""

    name: ClassVar[str] = "next-close"

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        last = _last_bars(market, ends)
        close = _at(market.close, last) * _at(market.adj_factor, last)
        close[self._untold(last, starts, ends)] = np.nan
        return np.where(inside, close, np.nan)


class NextPrice(PaperSignal):
    """Predicted next close over the last one, less 1; the base of what learns to predict it.

    Day by day gaps get the mean of the universe, outliers stop at 5 MAD and market value is taken out. Closes are
    adjusted, so that a dividend is no fall. A model sees its own stock's days alone.

    Parameters
    ----------
    steps : int
        The paper's mem_day.
    min_samples : int
        Training days that a stock must have; others have no model and no score.
    stocks : tuple of str
        Symbols that get a model; none given: all.
    in_sample : bool
        With ``protocol="paper"``: learn from the last ``window`` of the whole history, in which the days that are
        scored lie. Whoever splits one table at random, fits once and backtests on the same table does this.
    """

    own_networks: ClassVar[bool] = True
    """Each stock has a model of its own."""

    not_in_a_model: ClassVar[frozenset[str]] = TrainedSignal.not_in_a_model | {"stocks", "in_sample"}

    wanted: ClassVar[tuple[str, ...]] = (
        "ps", "net_assets", "current_liabilities", "kurtosis_20", "skewness_20", "wvad_6", "roe_end_q",
    )  # fmt: skip
    label: ClassVar[Label | None] = NextClose()

    refit: str = "yearly"
    decisions: str = "1D"
    window: str = "24M"
    steps: int = Field(default=5, ge=1)
    missing: Literal["zero"] = "zero"  # type: ignore[assignment]
    validation: float = Field(default=0.1, ge=0.0, lt=1.0)
    min_samples: int = Field(default=60, ge=2)
    stocks: tuple[str, ...] = ()
    in_sample: bool = False

    @model_validator(mode="after")
    def _leaks_openly(self) -> Self:
        if self.in_sample and self.protocol != "paper":
            raise ConfigError(
                f"{type(self).__name__} was given in_sample=true, which learns from the days that it scores: it needs "
                "protocol=paper"
            )
        return self

    def chain(self) -> Chain:
        """The paper's own, unless ``preprocess`` names another.

        Raises
        ------
        ConfigError
            If a step learns: inputs of a day come from that day alone here.
        """
        chosen = super().chain() if self.preprocess else Chain(*CHAINS["paper-2"])
        learning = [step.name for step in chosen.steps if step.learns]
        if learning:
            name = type(self).__name__
            raise ConfigError(f"{name} cannot use preprocess '{self.preprocess}', whose step {learning[0]} learns")
        return chosen

    def loss(self, output: np.ndarray, y: np.ndarray) -> float:
        """Mean absolute error as a share of the close."""
        return float(np.mean(np.abs(output - y) / np.abs(y)))

    def score(self, output: np.ndarray, view: View, stocks: np.ndarray) -> np.ndarray:
        """Predicted over last close, less 1; both adjusted."""
        return np.asarray(output / _last(view)[stocks] - 1.0)

    # -- fitting --------------------------------------------------------------------------------

    def fit(self, history: View) -> Self:
        """Train a model for each stock on the window that ends at the view; in parallel where a pool is open.

        What a search tried stays in the facts, ``tried``, by stock.
        """
        from signals.walkforward import train_all

        history = full_history(self).whole if self.in_sample else history
        signal = self.on(history)
        samples = signal.samples(history)
        cleaned = signal.cleaned(samples)
        names = signal.factors
        windows: dict[int, dict[str, Window]] = {}

        def of_stocks(steps: int) -> dict[str, Window]:
            if steps not in windows:
                windows[steps] = signal.having({"steps": steps})._stock_windows(history, samples, cleaned, names)
            return windows[steps]

        own = of_stocks(self.steps)
        if not own:
            raise SignalError(
                f"no stock has min_samples = {self.min_samples} days to train {type(self).__name__} on up to "
                f"{history.date}; begin later, or lower min_samples"
            )
        chosen: dict[str, Candidate] = {symbol: {} for symbol in own}
        tried: dict[str, list[Tried]] = {}
        if self.search != "none":
            tried = {symbol: [] for symbol in own}
            chosen = {symbol: signal._best_for(symbol, of_stocks, tried[symbol]) for symbol in own}
        tasks, owners = [], []
        for symbol, candidate in chosen.items():
            window = of_stocks(candidate.get("steps", self.steps))[symbol]
            for seed in range(self.seed, self.seed + self.seeds):
                tasks.append((signal.having(candidate), window, seed, 1.0, True))
                owners.append(f"{symbol} {seed}")
        models = dict(zip(owners, train_all(tasks), strict=True))
        failed = [one.facts["failed"] for one in models.values() if "failed" in one.facts]
        if failed:
            raise SignalError(str(failed[0]))
        digest = hashlib.blake2b("\0".join(task[1].digest for task in tasks).encode(), digest_size=16).hexdigest()
        facts = {
            "day": str(history.date), "digest": digest, "chosen": chosen, "tried": tried, "features": list(names),
            "samples": sum(len(one.y) for one in own.values()),
            "validation_samples": sum(len(one.y_valid) for one in own.values()),
            "losses": {name: one.facts.get("loss") for name, one in models.items()}, "chain": {"factors": list(names)},
        }  # fmt: skip
        return self.having_learnt(Learnt.joined(models, **facts))

    def preprocessing(self) -> Fitted:
        """The chain, which learns nothing here."""
        names = tuple(self.factors)
        return Fitted(self.chain(), [{} for _ in self.chain().steps], names, True, {})

    def cleaned(self, samples: Samples) -> np.ndarray:
        """Preprocessed factors (D, N, F), NaN outside the universe."""
        made = self.preprocessing().apply(samples.values, samples.context)
        return made if made.ndim == 3 else made[:, :, None]

    def _stock_windows(
        self, view: View, samples: Samples, cleaned: np.ndarray, names: tuple[str, ...]
    ) -> dict[str, Window]:
        split = self.split(view, samples)
        assert samples.target is not None
        found = {}
        for i in np.flatnonzero(split.train.sum(axis=0) >= self.min_samples):
            if self.stocks and str(view.symbols[i]) not in self.stocks:
                continue
            sides: list[np.ndarray] = []
            for mask in (split.train, split.valid):
                x = sequences(cleaned[:, i : i + 1], mask[:, i : i + 1], self.steps)
                sides += [x if x.ndim == 3 else x[:, None, :], samples.target.values[mask[:, i], i]]
            x, y, x_valid, y_valid = sides
            total = hashlib.blake2b(digest_size=16)
            for array in sides:
                total.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
            symbol = str(view.symbols[i])
            found[symbol] = Window(
                x, y, x_valid, y_valid, names, (), f"{view.date} {symbol}", total.hexdigest()
            )
        return found

    def _best_for(
        self, symbol: str, windows: Callable[[int], dict[str, Window]], tried: list[Tried]
    ) -> Candidate:
        from signals.walkforward import train_all

        def evaluate(candidates: Sequence[Candidate], budget: float = 1.0) -> list[float]:
            held = [windows(one.get("steps", self.steps)).get(symbol) for one in candidates]
            pairs = list(zip(candidates, held, strict=True))
            tasks = [(self.having(one), found, self.seed, budget, False) for one, found in pairs if found is not None]
            known = iter([float(done.facts.get("loss", np.inf)) for done in train_all(tasks)])
            losses = [np.inf if found is None else next(known) for found in held]
            tried.extend((dict(one), budget, loss) for one, loss in zip(candidates, losses, strict=True))
            return losses

        return search_of(self.search)(self.space, evaluate, self.trials, self.seed)

    # -- predicting -----------------------------------------------------------------------------

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``: predicted next close over the last, less 1; both prices go along, adjusted."""
        learnt = self.needs()
        chosen = learnt.facts["chosen"]
        longest = max(one.get("steps", self.steps) for one in chosen.values())
        samples = latest_samples(view, self.factors, self.decisions, longest)
        if len(samples.decisions) < longest:
            raise SignalError(
                f"{type(self).__name__} spans {longest} days and only {len(samples.decisions)} lie before {view.date}; "
                "begin later"
            )
        cache = ModelCache()
        key = key_of(
            what="prices", model=learnt.facts["digest"], chosen=chosen, code=code_of(type(self)),
            config=self.model_dump(), versions=self.versions(), data=list(samples.digests),
        )  # fmt: skip
        found = cache.get(key)
        if found is None:
            found = self._prices(samples, [str(one) for one in view.symbols])
            cache.put(key, found)
        predicted = found.arrays["predicted"]
        keep = self.eligible(view, np.array([view.t]))[0]
        score = np.where(keep, self.score(predicted, view, np.arange(len(predicted))), np.nan)
        return view.scores(score, predicted=predicted, last=_last(view))

    def _prices(self, samples: Samples, symbols: list[str]) -> Learnt:
        predicted = np.full(len(symbols), np.nan)
        stocks, x = self.inputs(samples, self.cleaned(samples))
        predicted[stocks] = self.answers(x, [symbols[i] for i in stocks])
        return Learnt({"predicted": predicted})

    def inputs(self, samples: Samples, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All stocks with factors, and their days; a model takes as many of the last ones as it reads."""
        stocks = np.flatnonzero(samples.universe[-1] & ~np.isnan(samples.values[-1]).all(axis=1))
        return stocks, np.ascontiguousarray(clean.transpose(1, 0, 2)[stocks], dtype=np.float32)

    def answers(self, x: np.ndarray, symbols: Sequence[str] = ()) -> np.ndarray:
        """Each stock's next close by its own model, (n,) yuan; NaN where it has none."""
        found, names, learnt = np.full(len(x), np.nan), np.asarray(symbols), self.needs()
        for symbol, candidate in learnt.facts["chosen"].items():
            rows = np.flatnonzero(names == symbol)
            if len(rows):
                one = self.having(candidate)
                seeds = range(self.seed, self.seed + self.seeds)
                said = [one.output(_kept(learnt, f"{symbol} {seed}"), x[rows, -one.steps :]) for seed in seeds]
                found[rows] = np.mean(said, axis=0)
        return found

    def models(self) -> list[tuple[str, Self, Learnt]]:
        """A model for each stock and seed."""
        learnt = self.needs()
        return [
            (f"{symbol} {seed}", self.having(candidate), _kept(learnt, f"{symbol} {seed}"))
            for symbol, candidate in learnt.facts["chosen"].items()
            for seed in range(self.seed, self.seed + self.seeds)
        ]


Memory = OrderedDict[tuple[int, str], tuple[Learnt, Any]]

_KEPT = 2000
_PARTS: Memory = OrderedDict()


def remembered(memory: Memory, key: tuple[int, str], owner: Learnt, make: Callable[[], Any]) -> Any:
    """What was made of ``owner``; it is kept beside, so that its id stays its own."""
    if key not in memory:
        memory[key] = (owner, make())
        while len(memory) > _KEPT:
            memory.popitem(last=False)
    return memory[key][1]


def _kept(learnt: Learnt, name: str) -> Learnt:
    found: Learnt = remembered(_PARTS, (id(learnt), name), learnt, lambda: learnt.part(name))
    return found


def _last(view: View) -> np.ndarray:
    return np.asarray(view.close[-1] * view.adj_factor[-1])


def own_scale(window: Window) -> tuple[Window, dict[str, np.ndarray]]:
    """The window with inputs of training mean 0 and deviation 1, and these two, ``middle`` and ``spread``."""
    flat = window.x.reshape(-1, window.x.shape[-1]).astype(np.float64)
    known = ~np.isnan(flat)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, flat, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, flat - middle, 0.0) ** 2).sum(axis=0) / count)
    scale = {"middle": middle, "spread": np.where(spread > 0.0, spread, 1.0)}
    return replace(window, x=scaled(window.x, scale), x_valid=scaled(window.x_valid, scale)), scale


def scaled(x: np.ndarray, scale: Mapping[str, np.ndarray]) -> np.ndarray:
    """Standardised inputs as float32, 0 where there is none."""
    found = (x - scale["middle"]) / scale["spread"]
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
