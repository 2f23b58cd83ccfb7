"""Permutation importance: what the scores of a test window lose when one factor is shuffled (Breiman 2001).

The values of a factor are dealt out anew among the stocks of each decision, a stock's whole sequence of them together,
so that the factor keeps its distribution and loses its meaning. A signal with a network for each stock has its days
shuffled instead. Factors are shuffled as preprocessing leaves them; where a step mixes them (principal components),
as they come to that step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.learning.figures import mean, spearman
from signals.learning.samples import latest_samples
from signals.preprocess import Chain, Context, Fitted

if TYPE_CHECKING:
    from engine.market import Market
    from signals.learning.samples import Samples
    from signals.paper_checks import Outcomes
    from signals.trained import TrainedSignal

TOGETHER = 4096
"""Samples that are asked about at once: several shuffled factors where the stocks are few."""


@dataclass(frozen=True, eq=False)
class Importance:
    """What each of F factors is worth on a test window.

    Attributes
    ----------
    factors : tuple of str
    rank_ic, loss : float
        With every factor in its place: the mean Rank IC over the decisions, the loss of the signal over all samples.
    rank_ic_falls, loss_rises : ndarray of float64, shape (R, F)
        By how much the first falls and the second rises in each of R shuffles.
    """

    factors: tuple[str, ...]
    rank_ic: float
    loss: float
    rank_ic_falls: np.ndarray
    loss_rises: np.ndarray


def permutation_importance(
    signal: TrainedSignal,
    market: Market,
    rows: Sequence[int],
    known: Outcomes,
    *,
    repeats: int = 3,
    seed: int = 1,
    progress: Callable[[], Any] | None = None,
) -> Importance | None:
    """What a fitted signal loses on the decisions of a test window.

    Parameters
    ----------
    signal : TrainedSignal
        Fitted before the window.
    market : Market
    rows : sequence of int
        Rows of ``known`` that are the window's decisions.
    known : Outcomes
        Scores, returns and labels of the walk-forward.
    repeats : int
        Shuffles of each factor, R.
    seed : int
        Of the shuffles' own generator.
    progress : callable, optional
        Called after each factor.

    Returns
    -------
    Importance or None
        None where the window has no decision with an outcome, or fewer than two samples.
    """
    rows = [row for row in rows if np.isfinite(known.returns[row]).any()]
    asked = _Asked(signal, market, rows, known) if rows else None
    if asked is None or len(asked.x) < 2:
        return None
    base = asked.judge(signal.answers(asked.x, asked.symbols))
    names = asked.factors
    falls = np.empty((repeats, len(names), 2))
    at_once = max(1, TOGETHER // len(asked.x))
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, len(asked.x), repeat])
        orders = [asked.shuffled(rng) for _ in names]
        for first in range(0, len(names), at_once):
            some = range(first, min(first + at_once, len(names)))
            x = np.concatenate([asked.without(k, orders[k]) for k in some])
            said = signal.answers(x, list(asked.symbols) * len(some))
            for k, part in zip(some, np.split(said, len(some)), strict=True):
                falls[repeat, k] = asked.judge(part)
                if progress is not None:
                    progress()
    return Importance(names, base[0], base[1], base[0] - falls[:, :, 0], falls[:, :, 1] - base[1])


class _Asked:
    """The samples of a test window, one for each scored stock and decision."""

    def __init__(self, signal: TrainedSignal, market: Market, rows: Sequence[int], known: Outcomes) -> None:
        self.signal, self.known, self.rows = signal, known, list(rows)
        self.head, self.tail, self.factors = _parted(signal)
        self.views = [market.view(int(np.searchsorted(market.sessions, known.days[row]))) for row in self.rows]
        steps = max(one.steps for _, one, _ in signal.models())
        self.parts: list[tuple[Samples, np.ndarray]] = []
        stocks, xs = [], []
        for view in self.views:
            samples = latest_samples(view, tuple(signal.factors), signal.decisions, steps)
            clean = self._cube(self.head.apply(samples.values, samples.context))
            self.parts.append((samples, clean))
            places, x = self._inputs(samples, clean)
            stocks.append(places)
            xs.append(x)
        self.x = np.concatenate(xs)
        self.stock = np.concatenate(stocks)
        self.decision = np.repeat(np.arange(len(self.rows)), [len(one) for one in stocks])
        self.symbols = np.asarray(market.symbols)[self.stock].tolist()
        by = self.stock if getattr(signal, "own_networks", False) else self.decision
        self.groups = [np.flatnonzero(by == one) for one in np.unique(by)]

    def _cube(self, clean: np.ndarray) -> np.ndarray:
        return clean[:, :, None] if clean.ndim == 2 else clean

    def _inputs(self, samples: Samples, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.tail is not None:
            context = samples.context
            bare = Context(context.universe, context.industry, context.size, self.tail.factors, context.dates)
            clean = self._cube(self.tail.apply(clean, bare))
        return self.signal.inputs(samples, clean)

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """Whose values each sample gets; int64 (n,)."""
        order = np.arange(len(self.x))
        for group in self.groups:
            order[group] = group[rng.permutation(len(group))]
        return order

    def without(self, factor: int, order: np.ndarray) -> np.ndarray:
        """The inputs with the values of one factor dealt out in another order."""
        if self.tail is None:
            x = self.x.copy()
            x[..., factor] = self.x[order][..., factor]
            return x
        made = []
        for number, (samples, clean) in enumerate(self.parts):
            inside = self.decision == number
            moved = clean.copy()
            moved[:, self.stock[inside], factor] = clean[:, self.stock[order[inside]], factor]
            made.append(self._inputs(samples, moved)[1])
        return np.concatenate(made)

    def judge(self, output: np.ndarray) -> tuple[float, float]:
        """Mean Rank IC by decision, and the loss, of what the models answer."""
        ics = []
        answered = np.isfinite(output if output.ndim == 1 else output[:, 0])
        for number, (row, view) in enumerate(zip(self.rows, self.views, strict=True)):
            mine = self.decision == number
            stocks = self.stock[mine]
            score = np.where(np.isfinite(self.known.score[row, stocks]), 1.0, np.nan)  # who is not scored counts not
            score *= self.signal.score(output[mine], view, stocks)
            ics.append(spearman(score, self.known.returns[row, stocks]))
        actual = self.known.actual[np.asarray(self.rows)[self.decision], self.stock]
        counts = np.isin(actual, self.known.classes) if self.known.classes else np.isfinite(actual)
        counts &= answered
        loss = self.signal.loss(output[counts], actual[counts]) if counts.any() else float("nan")
        return mean(np.array(ics)), loss


def _parted(signal: TrainedSignal) -> tuple[Any, Fitted | None, tuple[str, ...]]:
    """Preprocessing up to the first step that mixes factors, that step and all after it, the factors between them."""
    fitted = signal.preprocessing()
    steps, states, names = fitted.chain.steps, fitted.states, [fitted.factors]
    for step, state in zip(steps, states, strict=True):
        names.append(step.factors_after(names[-1], state))
    mixes = [k for k in range(len(steps)) if not set(names[k + 1]) <= set(names[k])]
    if not mixes:
        return fitted, None, fitted.factors_after
    k = mixes[0]
    head = Fitted(Chain(*steps[:k]), states[:k], fitted.factors, fitted.named, fitted.trained)
    return head, Fitted(Chain(*steps[k:]), states[k:], names[k], True, fitted.trained), names[k]
