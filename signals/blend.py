"""Several signals in one: ranks averaged, weighted by their information coefficients, or stacked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, field_validator

from engine.config import PluginConfig
from engine.errors import ConfigError, DataError, SignalError
from engine.plugins import build, shorthand, source_digest
from signals.base import Signal
from signals.factors.panel import month_ends
from signals.labels import NextReturn
from signals.learning.refits import is_due
from signals.saved import Learnt

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View

_SESSIONS_A_MONTH = 23


class Blend(Signal):
    """Several signals, each as its ranks among the stocks that all of them score (from -0.5 to 0.5), times weights.

    Weights of ``ic`` and ``stack`` are estimated anew at every decision, on what each signal would have said at the
    month ends before it and on returns known by then. A signal that learns is fitted as it declares, in that past
    too, so that none of its scores there has seen the return it is held against.

    Parameters
    ----------
    signals : sequence
        Two or more: names (``low-turnover:window=60``), tables (``{name = "factor", factor = "bp"}``) or signals.
    method : {"rank", "ic", "stack"}
        ``rank``: given or equal weights. ``ic``: in proportion to the mean Rank IC with the next month's return, 0
        where that is negative; equal where all are. ``stack``: least squares of the return's rank on theirs.
    weights : sequence of float
        For ``rank``, one a signal; equal by default.
    months : int
        Month ends that ``ic`` and ``stack`` look back on; equal weights while there are fewer than ``at_least``.
    at_least : int
    """

    signals: tuple[Any, ...]
    method: Literal["rank", "ic", "stack"] = "rank"
    weights: tuple[float, ...] = ()
    months: int = Field(default=24, ge=2)
    at_least: int = Field(default=6, ge=1)

    _past: _Past | None = PrivateAttr(default=None)

    @field_validator("signals", mode="before")
    @classmethod
    def _made(cls, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence) or len(value) < 2:
            raise ConfigError('a blend has two signals or more; write signals = ["reversal-20d", "low-turnover"]')
        return tuple(_signal(one) for one in value)

    def model_post_init(self, context: Any) -> None:
        """Refuse weights that do not fit."""
        super().model_post_init(context)
        if self.weights and (self.method != "rank" or len(self.weights) != len(self.signals)):
            raise ConfigError(
                f"a blend by {self.method} of {len(self.signals)} signals was given {len(self.weights)} weights; "
                "give one a signal, with method=rank"
            )

    @property  # type: ignore[misc]
    def refit(self) -> str:  # type: ignore[override]
        """``every`` where there is something to learn: it is for the signals to say when they do."""
        learns = self.method != "rank" or any(one.refit != "never" for one in self.signals)
        return "every" if learns else "never"

    @property
    def lookback(self) -> int:
        own = 0 if self.method == "rank" else (self.months + 1) * _SESSIONS_A_MONTH
        return own + max(int(one.lookback) for one in self.signals)

    @property
    def code_digest(self) -> str:
        """Hash over the code of all signals."""
        parts = [source_digest(type(one)) + getattr(one, "code_digest", "") for one in self.signals]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def fit_ahead(self, market: Market, decisions: Sequence[int]) -> None:
        """Let signals that can train for all decisions at once do so."""
        for one in self.signals:
            if hasattr(one, "fit_ahead"):
                one.fit_ahead(market, decisions)

    def fit(self, history: View) -> Self:
        """Fit the signals that are due, and estimate the weights."""
        past = self._past
        if past is None or past.close is not history._market.close or past.until > history.t:
            past = _Past(history._market.close, tuple(self.signals), (None,) * len(self.signals), -1, {})
        weights = np.full(len(self.signals), 1.0 / len(self.signals))
        if self.method != "rank":
            ends = month_ends(history.sessions)[-(self.months + 1) :]
            past = past.through(history, ends[:-1].tolist())
            weights = self._weights(history, ends, past)
        past = past.fitted(history)
        learnt = {f"signal_{k}": one._learnt for k, one in enumerate(past.signals) if one._learnt is not None}
        facts: dict[str, Any] = {"learnt": sorted(learnt)}
        joined = Learnt.joined(learnt, **facts)
        twin = self.having_learnt(Learnt({**joined.arrays, "weights": weights}, joined.facts))
        twin._past = past
        return twin

    def _weights(self, history: View, ends: np.ndarray, past: _Past) -> np.ndarray:
        """Weights by ``method``, float64 (K,), from ranks at month ends and the returns to the next ones."""
        count = len(self.signals)
        equal = np.full(count, 1.0 / count)
        rows = ends.tolist()
        if len(rows) < 2:
            return equal
        returns = NextReturn().build(history, ends).values
        pairs = [
            (past.ranks[row][:, both], ranks_of(returns[k, both]))
            for k, row in enumerate(rows[:-1])
            if row in past.ranks and (both := np.isfinite(returns[k]) & np.isfinite(past.ranks[row][0])).sum() > count
        ]
        if len(pairs) < self.at_least:
            return equal
        if self.method == "stack":
            design, target = np.hstack([x for x, _ in pairs]).T, np.concatenate([y for _, y in pairs])
            return np.linalg.lstsq(design, target, rcond=None)[0]  # type: ignore[no-any-return]
        mean = np.mean([[_correlation(part, y) for part in x] for x, y in pairs], axis=0)
        positive = np.maximum(mean, 0.0)
        return positive / positive.sum() if positive.sum() > 0.0 else equal

    def predict(self, view: View) -> pd.DataFrame:
        """Blended scores of the stocks that every signal scores."""
        signals, weights = self.signals, np.array(self.weights or [1.0 / len(self.signals)] * len(self.signals))
        if self.refit != "never":
            learnt = self.needs()
            signals = tuple(
                one.having_learnt(learnt.part(f"signal_{k}")) if f"signal_{k}" in learnt.facts["learnt"] else one
                for k, one in enumerate(signals)
            )
            weights = weights if self.weights else learnt.arrays["weights"]
        return view.scores(weights @ joint_ranks(signals, view))


class _Past:
    """The signals as they were fitted last, and what they said at sessions before.

    Parameters
    ----------
    close : ndarray
        Of the market that they saw: of another one nothing is taken over.
    signals : tuple of Signal
    fitted_on : tuple of datetime64[D] or None
        When each was fitted.
    until : int
        Last session that a signal has seen.
    ranks : dict of int to ndarray of float64, shape (K, N)
        By session.
    """

    def __init__(
        self, close: np.ndarray, signals: tuple[Any, ...], fitted_on: tuple[Any, ...], until: int,
        ranks: dict[int, np.ndarray],
    ) -> None:  # fmt: skip
        self.close, self.signals, self.fitted_on, self.until, self.ranks = close, signals, fitted_on, until, ranks

    def fitted(self, view: View) -> _Past:
        """The same with the signals that are due fitted at the end of ``view``."""
        signals, days = list(self.signals), list(self.fitted_on)
        for k, one in enumerate(signals):
            if is_due(one.refit, view.date, days[k]):
                signals[k], days[k] = one.fit(view), view.date
        return _Past(self.close, tuple(signals), tuple(days), view.t, self.ranks)

    def through(self, view: View, sessions: Sequence[int]) -> _Past:
        """The same with ranks at each of ascending ``sessions``; those before a signal can learn have none."""
        past = self
        kept = {t: ranks for t, ranks in self.ranks.items() if t in set(sessions)}
        for t in sessions:
            if t in kept or t < past.until:
                continue
            then = view.upto(t)
            try:
                past = past.fitted(then)
                kept[t] = joint_ranks(past.signals, then)
            except (SignalError, DataError):
                continue
        return _Past(past.close, past.signals, past.fitted_on, past.until, kept)


def joint_ranks(signals: Sequence[Any], view: View) -> np.ndarray:
    """Ranks from -0.5 to 0.5 of the stocks that all signals score, NaN for the others; float64 (K, N)."""
    frames = [one.predict(view)["score"] for one in signals]
    column = {symbol: i for i, symbol in enumerate(view.symbols)}
    values = np.full((len(signals), len(column)), np.nan)
    for row, scores in zip(values, frames, strict=True):
        row[[column[symbol] for symbol in scores.index]] = scores.to_numpy(dtype=np.float64)
    common = np.isfinite(values).all(axis=0)
    values[:, ~common] = np.nan
    for row in values:
        row[common] = ranks_of(row[common])
    return values


def ranks_of(values: np.ndarray) -> np.ndarray:
    """Ranks of numbers from -0.5 to 0.5, ties their mean; float64 (n,), 0 for a single one."""
    from scipy.stats import rankdata

    if len(values) < 2:
        return np.zeros(len(values))
    return (rankdata(values) - 1.0) / (len(values) - 1.0) - 0.5  # type: ignore[no-any-return]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    spread = float(np.std(one) * np.std(other))
    return float(np.mean((one - one.mean()) * (other - other.mean()))) / spread if spread > 0.0 else 0.0


def _signal(one: Any) -> Any:
    """A signal from its name, its table, or itself."""
    if callable(getattr(one, "predict", None)):
        return one
    if isinstance(one, str):
        name, params = shorthand("signal", one)
        return build("signal", PluginConfig(name=name, params=params))
    if isinstance(one, Mapping):
        return build("signal", PluginConfig.model_validate(one))
    raise ConfigError(f"{one!r} is no signal of a blend; give a name, a table with a name, or a signal")
