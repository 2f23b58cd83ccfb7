"""Plug-ins that break the contract, each in one way that looks harmless."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any, Self

import numpy as np
from ridge_signal import Ridge

from engine.errors import LookAheadError
from signals.base import Signal
from signals.horizons import Target
from signals.learning.samples import Samples, decisions_of
from signals.saved import Learnt


class LeakingSignal(Signal):
    """Ranks by momentum, and skips stocks that will not trade tomorrow."""

    def predict(self, view: Any) -> Any:
        close = view.adjusted("close", 21)
        tomorrow = view._market.traded[min(view.t + 1, len(view._market.sessions) - 1)]
        return view.scores(np.where(tomorrow, close[-1] / close[0] - 1.0, np.nan))


class LeakingFit(Signal):
    """Learns by how much stocks move in the month after t."""

    refit = "once"

    def fit(self, history: Any) -> Self:
        close = history._market.close
        ahead = close[min(history.t + 20, len(close) - 1)] / close[history.t] - 1.0
        return self.having_learnt(Learnt({"ahead": np.nan_to_num(ahead)}))

    def predict(self, view: Any) -> Any:
        return view.scores(self.needs().arrays["ahead"])


class EarlyLabels(Ridge):
    """Builds its labels from the market, so that the last rows have labels from after t."""

    def samples(self, view: Any) -> Samples:
        found = super().samples(view)
        count = len(found.decisions)
        whole = self.label.build(view._market, decisions_of(view._market, self.decisions))
        known = np.minimum(whole.known[:count], view.t)
        target = Target(whole.values[:count], found.decisions, known, whole.horizon)
        return Samples(found.values, found.context, found.decisions, found.dates, found.digests, target)


class Unfitted(Signal):
    """Scores without having learnt."""

    refit = "once"

    def predict(self, view: Any) -> Any:
        return view.scores(view.close[-1])


_COUNT = itertools.count()


class Restless(Ridge):
    """Draws from a generator that nobody seeded alike."""

    def train(self, window: Any, seed: int, budget: float = 1.0) -> Learnt:
        return Learnt({"weights": np.full(window.x.shape[-1] + 1, float(next(_COUNT)))})


class Remembering(Signal):
    """Keeps what it saw last."""

    def predict(self, view: Any) -> Any:
        last = _LAST.get("close", view.close[-1])
        _LAST["close"] = view.close[-1]
        return view.scores(view.close[-1] / last + np.arange(len(last)))


_LAST: dict[str, Any] = {}


class ChangingItself(Signal):
    """Puts what it learns into a parameter."""

    refit = "once"
    best: int = 0

    def fit(self, history: Any) -> Self:
        return self.model_copy(update={"best": 3}).having_learnt(Learnt())

    def predict(self, view: Any) -> Any:
        self.needs()
        return view.scores(view.close[-1])


class Pickling(Signal):
    """Saves itself as a pickle."""

    def predict(self, view: Any) -> Any:
        return view.scores(view.close[-1])

    def save(self, folder: Any) -> Any:
        Path(folder).mkdir()
        (Path(folder) / "model.json").write_bytes(pickle.dumps({"model": 1}))
        return folder


class Fragile(Signal):
    """Cannot do with a stock that has no bar."""

    def predict(self, view: Any) -> Any:
        close = view.close[-1]
        if np.isnan(close[view.universe]).mean() > 0.05:
            raise LookAheadError("too few bars")
        return view.scores(close)


class Reading(Signal):
    """Opens a file when it is made."""

    def model_post_init(self, context: Any) -> None:
        Path(__file__).read_text(encoding="utf-8")

    def predict(self, view: Any) -> Any:
        return view.scores(view.close[-1])
