"""The bench's figures of a search: successive halving over paper 1's 216 points beside the full grid, window by window.

The score is the paper's: R2 on the window's validation samples, of the fully trained network that a search chooses.
The cost is the CPU seconds of every training that a search asks for, in this one process on one thread. What a
training took is kept with its loss in the models' cache, so that an interrupted bench goes on where it was, and the
trainings that both searches ask for run once and count for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _bench_targets
import numpy as np

UNIVERSE = "csi300"
FIRST = 20
"""Decisions before the first window: twelve months of samples, six months of steps, and the last label."""
SHARE, GAP = 0.1, 1.0
"""Cost of halving over that of the grid, and per cent of the grid's score that it may miss, both at most."""


@dataclass
class Meter:
    """Evaluates candidates on a window, and adds up what a search has asked for."""

    signal: Any
    window: Any
    cpu_s: float = 0.0
    trainings: int = 0

    def __call__(self, candidates: Sequence[dict[str, Any]], budget: float = 1.0) -> list[float]:
        """Validation losses, as a search asks for them."""
        found = [self._one(candidate, budget) for candidate in candidates]
        self.trainings += len(found)
        self.cpu_s += sum(one["cpu_s"] for one in found)
        return [one["loss"] for one in found]

    def _one(self, candidate: dict[str, Any], budget: float) -> dict[str, float]:
        from signals.learning.model_cache import ModelCache, key_of
        from signals.saved import Learnt

        one, cache = self.signal.having(candidate), ModelCache()
        key = key_of(what="bench of searches", model=one.key(self.window, one.seed, budget, False))
        found = cache.get(key)
        if found is None:
            began = time.process_time()
            loss = loss_of(one, self.window, budget)
            found = Learnt({}, {"loss": loss, "cpu_s": time.process_time() - began})
            cache.put(key, found)
        return dict(found.facts)


def loss_of(signal: Any, window: Any, budget: float) -> float:
    """Validation loss of a training; infinite where it diverges."""
    from engine.errors import SignalError

    try:
        model = signal.train(window, signal.seed, budget)
    except SignalError:
        return float("inf")
    return float(signal.loss(np.asarray(signal.output(model, window.x_valid), dtype=np.float64), window.y_valid))


def measure(data: Path, windows: int, told: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """One row for each of ``windows`` quarterly refits at equal distances, the first and the last among them."""
    from engine.plugins import resolve
    from feeds.store import open_market
    from signals.learning.samples import decisions_of
    from signals.walkforward import refit_sessions

    market = open_market(str(data), universe=UNIVERSE)
    signal = resolve("signal", "lstm-residual-value")(search="grid")
    refits = refit_sessions(market, signal.refit, decisions_of(market)[FIRST:])
    chosen = np.unique(np.linspace(0, len(refits) - 1, windows).round().astype(int))
    rows = []
    for k in chosen:
        window, _ = signal.prepare(market.view(refits[k]))
        rows.append(row_of(signal, window))
        told(" ".join(f"{name}={value}" for name, value in rows[-1].items()))
    return rows


def row_of(signal: Any, window: Any) -> dict[str, Any]:
    """Both searches on one window."""
    from signals.learning.search import grid, halving

    meters, scores = {}, {}
    for name, search in (("grid", grid), ("halving", halving)):
        meter = meters[name] = Meter(signal, window)
        best = search(signal.space, meter, signal.trials, signal.seed)
        loss = Meter(signal, window)([best])[0]
        scores[name] = 1.0 - loss / float(np.var(window.y_valid))
    return {
        "window": window.day,
        "samples": len(window.y),
        "validation_samples": len(window.y_valid),
        "points": meters["grid"].trainings,
        "grid_cpu_s": round(meters["grid"].cpu_s, 1),
        "halving_cpu_s": round(meters["halving"].cpu_s, 1),
        "share_of_cost": round(meters["halving"].cpu_s / meters["grid"].cpu_s, 4),
        "grid_r2": round(scores["grid"], 4),
        "halving_r2": round(scores["halving"], 4),
        "gap_percent": round(100.0 * (1.0 - scores["halving"] / scores["grid"]), 3),
    }


def targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst window beside what it may be."""
    many = f"{len(rows)} window{'s' * (len(rows) != 1)}"
    costs, gaps = ([row[name] for row in rows] for name in ("share_of_cost", "gap_percent"))
    return [
        _bench_targets.line(f"halving, CPU over that of the grid, worst of {many}", max(costs), SHARE, "times"),
        _bench_targets.line(f"halving, R2 below the best of the grid, worst of {many}", max(gaps), GAP, "%"),
    ]
