"""Paper 2: one LSTM a stock, from days of factors to the next close; the score is predicted over last."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from engine.errors import ConfigError, SignalError
from signals.labels import Label, _at, _last_bars
from signals.learning.model_cache import ModelCache, code_of, key_of
from signals.learning.samples import Samples, latest_samples, sequences
from signals.learning.search import Candidate, Space, search_of
from signals.paper_signals import PaperNetwork, standardised, with_facts
from signals.preprocess import PAPERS as CHAINS
from signals.preprocess import Chain, Fitted
from signals.saved import Learnt
from signals.trained import Window

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View


class NextClose(Label):
    """Adjusted close at the end of the horizon (close times adjustment factor, yuan), of the last bar within it."""

    name: ClassVar[str] = "next-close"

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        last = _last_bars(market, ends)
        close = _at(market.close, last) * _at(market.adj_factor, last)
        close[self._untold(last, starts, ends)] = np.nan
        return np.where(inside, close, np.nan)


class LstmPrice(PaperNetwork):
    """Next close of each stock by a network of its own, from the paper's seven factors.

    Day by day gaps get the mean of the universe, outliers stop at 5 MAD and market value is taken out; each stock's
    inputs and closes are then standardised by its own training days. Closes are adjusted, so that a dividend is no
    fall. Of 50 epochs the weights with the least error on the last tenth of the days are kept (``protocol="paper"``:
    on a tenth drawn at random, whose neighbours are among the training days). The loss of a search is the mean absolute
    error as a share of the close, as the paper has it; its lists of values are not printed, those of :attr:`space` are
    ours.

    Parameters
    ----------
    steps : int
        The paper's mem_day.
    dense_layers, dense_units : int
        Between the LSTM and the price.
    min_samples : int
        Training days that a stock must have; others have no network and no score.
    """

    own_networks: ClassVar[bool] = True
    """Each stock has a network of its own."""

    wanted: ClassVar[tuple[str, ...]] = (
        "ps", "net_assets", "current_liabilities", "kurtosis_20", "skewness_20", "wvad_6", "roe_end_q",
    )  # fmt: skip
    label: ClassVar[Label | None] = NextClose()
    space: ClassVar[Space] = {
        "steps": (5, 10, 15), "layers": (1, 2, 3), "dense_layers": (1, 2, 3), "units": (16, 32),
    }  # fmt: skip

    refit: str = "yearly"
    decisions: str = "1D"
    window: str = "24M"
    steps: int = Field(default=5, ge=1)
    missing: Literal["zero"] = "zero"  # type: ignore[assignment]
    cell: Literal["lstm", "rnn", "gru"] = "lstm"  # type: ignore[assignment]
    layers: int = Field(default=1, ge=1)
    units: int = Field(default=32, ge=1)
    dense_layers: int = Field(default=1, ge=0)
    dense_units: int = Field(default=16, ge=1)
    batch: int = Field(default=32, ge=1)
    epochs: int = Field(default=50, ge=1)
    patience: int = Field(default=0, ge=0)
    min_samples: int = Field(default=60, ge=2)

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
            raise ConfigError(f"LstmPrice cannot use preprocess '{self.preprocess}', whose step {learning[0]} learns")
        return chosen

    def network_params(self) -> dict[str, Any]:
        return {**super().network_params(), "dense_layers": self.dense_layers, "dense_units": self.dense_units}

    def loss(self, output: np.ndarray, y: np.ndarray) -> float:
        """Mean absolute error as a share of the close."""
        return float(np.mean(np.abs(output - y) / np.abs(y)))

    # -- one stock ------------------------------------------------------------------------------

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        flat = window.x.reshape(-1, window.x.shape[-1]).astype(np.float64)
        known = ~np.isnan(flat)
        count = np.maximum(known.sum(axis=0), 1)
        middle = np.where(known, flat, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, flat - middle, 0.0) ** 2).sum(axis=0) / count)
        inputs = {"middle": middle, "spread": np.where(spread > 0.0, spread, 1.0)}
        scaled, mean, std = standardised(window)
        clean = replace(scaled, x=_scaled(window.x, inputs), x_valid=_scaled(window.x_valid, inputs))
        done = super().train(clean, seed, budget)
        return with_facts(Learnt({**done.arrays, **inputs}, done.facts), mean=mean, std=std)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted adjusted closes in yuan."""
        found = super().output(model, _scaled(x, model.arrays)).astype(np.float64)
        return found * float(model.facts["std"]) + float(model.facts["mean"])

    # -- all stocks -----------------------------------------------------------------------------

    def fit(self, history: View) -> Self:
        """Train a network for each stock on the window that ends at the view; in parallel where a pool is open."""
        from signals.walkforward import train_all

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
                f"no stock has min_samples = {self.min_samples} days to train LstmPrice on up to {history.date}; begin "
                "later, or lower min_samples"
            )
        chosen: dict[str, Candidate] = {symbol: {} for symbol in own}
        if self.search != "none":
            chosen = {symbol: signal._best_for(symbol, of_stocks) for symbol in own}
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
            "day": str(history.date), "digest": digest, "chosen": chosen, "features": list(names),
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

    def _best_for(self, symbol: str, windows: Callable[[int], dict[str, Window]]) -> Candidate:
        from signals.walkforward import train_all

        def evaluate(candidates: Sequence[Candidate], budget: float = 1.0) -> list[float]:
            held = [windows(one.get("steps", self.steps)).get(symbol) for one in candidates]
            pairs = list(zip(candidates, held, strict=True))
            tasks = [(self.having(one), found, self.seed, budget, False) for one, found in pairs if found is not None]
            losses = iter([float(done.facts.get("loss", np.inf)) for done in train_all(tasks)])
            return [np.inf if found is None else next(losses) for found in held]

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
                f"LstmPrice spans {longest} days and only {len(samples.decisions)} lie before {view.date}; begin later"
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

    def score(self, output: np.ndarray, view: View, stocks: np.ndarray) -> np.ndarray:
        """Predicted over last close, less 1; both adjusted."""
        return np.asarray(output / _last(view)[stocks] - 1.0)

    def _prices(self, samples: Samples, symbols: list[str]) -> Learnt:
        predicted = np.full(len(symbols), np.nan)
        stocks, x = self.inputs(samples, self.cleaned(samples))
        predicted[stocks] = self.answers(x, [symbols[i] for i in stocks])
        return Learnt({"predicted": predicted})

    def inputs(self, samples: Samples, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All stocks with factors, and their days; a network takes as many of the last ones as it reads."""
        stocks = np.flatnonzero(samples.universe[-1] & ~np.isnan(samples.values[-1]).all(axis=1))
        return stocks, np.ascontiguousarray(clean.transpose(1, 0, 2)[stocks], dtype=np.float32)

    def answers(self, x: np.ndarray, symbols: Sequence[str] = ()) -> np.ndarray:
        """Each stock's next close by its own network, (n,) yuan; NaN where it has none."""
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
        """A network for each stock and seed."""
        learnt = self.needs()
        return [
            (f"{symbol} {seed}", self.having(candidate), _kept(learnt, f"{symbol} {seed}"))
            for symbol, candidate in learnt.facts["chosen"].items()
            for seed in range(self.seed, self.seed + self.seeds)
        ]

    def network_of(self, model: Learnt) -> Any:
        """The trained network; remembered for the next days."""
        return _remembered(_NETWORKS, (id(model), ""), model, lambda: super(LstmPrice, self).network_of(model))


def predicted_and_actual(
    market: Market, scores: Mapping[str, pd.DataFrame], stocks: int | Sequence[str] = 6
) -> dict[str, pd.DataFrame]:
    """The paper's picture of predicted against actual in numbers.

    Parameters
    ----------
    market : Market
    scores : mapping
        Of a walk-forward, by date of the decision.
    stocks : int or sequence of str
        Symbols, or how many of those with most predictions.

    Returns
    -------
    dict of str to DataFrame
        By symbol: ``date`` (of the close that was predicted), ``predicted``, ``actual`` and ``last`` (the close at the
        decision), adjusted yuan.
    """
    import pandas as pd

    from signals.paper_checks import outcomes

    known = outcomes(market, scores, NextClose())
    there = np.isfinite(known.predicted[:-1]) & np.isfinite(known.actual[:-1])
    chosen = (
        [market.symbols[i] for i in np.argsort(-there.sum(axis=0), kind="stable")[:stocks]]
        if isinstance(stocks, int) else list(stocks)
    )  # fmt: skip
    found = {}
    for symbol in chosen:
        i = market.index[symbol]
        rows = np.flatnonzero(there[:, i])
        columns = {"predicted": known.predicted, "actual": known.actual, "last": known.naive}
        values = {name: array[rows, i] for name, array in columns.items()}
        if len(rows):
            found[str(symbol)] = pd.DataFrame({"date": known.days[rows + 1], **values})
    return found


_Memory = OrderedDict[tuple[int, str], tuple[Learnt, Any]]

_KEPT = 2000
_NETWORKS: _Memory = OrderedDict()
_PARTS: _Memory = OrderedDict()


def _remembered(memory: _Memory, key: tuple[int, str], owner: Learnt, make: Callable[[], Any]) -> Any:
    """What was made of ``owner``; it is kept beside, so that its id stays its own."""
    if key not in memory:
        memory[key] = (owner, make())
        while len(memory) > _KEPT:
            memory.popitem(last=False)
    return memory[key][1]


def _kept(learnt: Learnt, name: str) -> Learnt:
    found: Learnt = _remembered(_PARTS, (id(learnt), name), learnt, lambda: learnt.part(name))
    return found


def _last(view: View) -> np.ndarray:
    return np.asarray(view.close[-1] * view.adj_factor[-1])


def _scaled(x: np.ndarray, inputs: Any) -> np.ndarray:
    """Standardised inputs as float32, 0 where there is none."""
    return np.nan_to_num((x - inputs["middle"]) / inputs["spread"], nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
