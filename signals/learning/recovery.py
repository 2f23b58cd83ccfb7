"""How much of what a synthetic market plants a signal finds: its Rank IC beside that of an oracle that knows it.

    market = open_market(DATA)
    found = recover(market, MySignal(), planted(market, DATA))
    found.ratio, found.loading("memory")

A ratio of one market and a few months is noise: :func:`pooled` puts several seeds together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, SignalError
from signals.labels import NextReturn
from signals.learning.figures import mean, ranks, spearman

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View
    from signals.base import Signal
    from signals.learning.samples import Samples
    from signals.trained import TrainedSignal

DATA = "synthetic:stocks=200,seed=1,start=2010-06-01,end=2017-12-31"
"""A market with six years to learn from before its last twelve months."""

Planted = Mapping[str, np.ndarray]
"""Return of the next session (T, N) that each alpha of :mod:`feeds.synthetic_alphas` gives, by name."""


@dataclass(frozen=True, eq=False)
class Recovery:
    """Scores of D decisions beside the oracle, on the same stocks.

    Attributes
    ----------
    dates : ndarray of datetime64[D], shape (D,)
        Decisions with an outcome.
    rank_ic, oracle : ndarray of float64, shape (D,)
        Spearman's correlation with the return that followed, of the scores and of the sum of all planted alphas. The
        sum is what the next session is expected to bring; over a month a slow alpha is worth more than it says.
    loadings : dict of str to ndarray, shape (D,)
        What the scores are made of: the regression of their ranks on the ranks of all alphas, in standard deviations.
        No return is in it, and so little noise; NaN for an alpha that is not at work.
    """

    dates: np.ndarray
    rank_ic: np.ndarray
    oracle: np.ndarray
    loadings: dict[str, np.ndarray]

    @property
    def ratio(self) -> float:
        """Mean Rank IC over that of the oracle."""
        return mean(self.rank_ic) / mean(self.oracle)

    @property
    def error(self) -> float:
        """Standard error of the mean Rank IC."""
        known = self.rank_ic[np.isfinite(self.rank_ic)]
        return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")

    def loading(self, alpha: str) -> float:
        """Mean loading on an alpha while it is at work."""
        return mean(self.loadings[alpha])


def planted(market: Market, data: str) -> dict[str, np.ndarray]:
    """What the oracle of a synthetic market expects, on the sessions and stocks of ``market``.

    Parameters
    ----------
    market : Market
        Opened from ``data``.
    data : str
        Its spec, ``synthetic[:stocks=200,...]``.

    Raises
    ------
    ConfigError
        If ``data`` is no synthetic market, or not that of ``market``.
    """
    from feeds.synthetic_alphas import oracle
    from feeds.synthetic_feed import is_spec, parse_spec

    if not is_spec(data):
        raise ConfigError(f"nobody knows what could be found in '{data}'; give a synthetic market such as {DATA}")
    known = oracle(parse_spec(data))
    places = {symbol: i for i, symbol in enumerate(known.symbols)}
    rows = np.searchsorted(known.sessions, market.sessions)
    if not set(market.symbols) <= set(places) or not np.isin(market.sessions, known.sessions).all():
        raise ConfigError(f"the market has stocks or sessions that '{data}' has not; open it from that spec")
    columns = [places[symbol] for symbol in market.symbols]
    return {name: values[rows][:, columns] for name, values in known.expected.items()}


def recovery(
    market: Market, scores: Mapping[str, pd.DataFrame], alphas: Planted, label: NextReturn | None = None
) -> Recovery:
    """Hold scores against the oracle.

    Parameters
    ----------
    market : Market
    scores : mapping
        By date of the decision, as of :class:`signals.walkforward.Walk`.
    alphas : mapping
        Of :func:`planted`.
    label : NextReturn, optional
        The return that a score is held against; by default that to the next decision.

    Raises
    ------
    SignalError
        If no score has an outcome.
    """
    days = np.array(sorted(scores), dtype="datetime64[D]")
    rows = np.searchsorted(market.sessions, days)
    ahead = (label or NextReturn()).build(market, days).values
    total = np.sum(list(alphas.values()), axis=0)
    kept, own, best, made = [], [], [], []
    for k, t in enumerate(rows):
        score = np.full(len(market.symbols), np.nan)
        frame = scores[str(days[k])]
        score[[market.index[symbol] for symbol in frame.index]] = frame["score"].to_numpy()
        both = np.isfinite(score) & np.isfinite(ahead[k]) & np.isfinite(total[t])
        if both.sum() <= len(alphas):
            continue
        kept.append(days[k])
        own.append(spearman(score[both], ahead[k][both]))
        best.append(spearman(total[t][both], ahead[k][both]))
        made.append(_loadings(score[both], [values[t][both] for values in alphas.values()]))
    if not kept:
        raise SignalError("no decision has scores of enough stocks with a later return; give earlier decisions")
    parts = np.array(made).T
    return Recovery(np.array(kept), np.array(own), np.array(best), dict(zip(alphas, parts, strict=True)))


def recover(
    market: Market,
    signal: Signal,
    alphas: Planted,
    decisions: Sequence[int] | np.ndarray | None = None,
    label: NextReturn | None = None,
) -> Recovery:
    """Fit a signal as a backtest would, score every decision, and hold the scores against the oracle.

    Parameters
    ----------
    decisions : sequence of int, optional
        Sessions, ascending; by default those of the signal's schedule (the ends of months, if it has none) in the last
        two years of the market.
    market, signal, alphas, label
        See :func:`recovery`.
    """
    from signals.learning.samples import decisions_of
    from signals.trained import TrainedSignal
    from signals.walkforward import refit_sessions, walk_forward

    if decisions is None:
        decisions = decisions_of(market, getattr(signal, "decisions", "1M"))
        since = market.sessions[-1].astype("datetime64[M]") - np.timedelta64(24, "M")
        decisions = decisions[market.sessions[decisions].astype("datetime64[M]") >= since]
    if isinstance(signal, TrainedSignal):
        return recovery(market, walk_forward(market, signal, decisions).scores, alphas, label)
    scores, current = {}, signal
    due = set(refit_sessions(market, signal.refit, decisions))
    for t in map(int, decisions):
        current = signal.fit(market.view(t)) if t in due else current
        scores[str(market.sessions[t])] = current.predict(market.view(t))
    return recovery(market, scores, alphas, label)


def pooled(parts: Sequence[Recovery]) -> Recovery:
    """The decisions of several markets as one: its means weigh every decision alike."""
    names = parts[0].loadings
    return Recovery(
        np.concatenate([one.dates for one in parts]),
        np.concatenate([one.rank_ic for one in parts]),
        np.concatenate([one.oracle for one in parts]),
        {name: np.concatenate([one.loadings[name] for one in parts]) for name in names},
    )


def shuffled(signal: TrainedSignal, seed: int) -> TrainedSignal:
    """The same signal, not fitted, whose labels are dealt out anew among the stocks of each decision.

    What it then finds is chance, if its score is made of what it has learnt alone. A score that compares a prediction
    with today's price (``lstm-price``, ``lstm-residual-value``) still holds that price.
    """
    kind: Any = type(signal)

    class Shuffled(kind):  # type: ignore[misc]
        def samples(self, view: View) -> Samples:
            from dataclasses import replace

            found = super().samples(view)
            values = found.target.values.copy()
            for row, day in zip(values, found.dates, strict=True):
                known = np.flatnonzero(~np.isnan(row))
                rng = np.random.default_rng([seed, int(day.astype(int))])
                row[known] = row[rng.permutation(known)]
            return replace(found, target=replace(found.target, values=values))

    return Shuffled(**{name: getattr(signal, name) for name in kind.model_fields})


def _loadings(score: np.ndarray, alphas: list[np.ndarray]) -> np.ndarray:
    """Weights of standardised ranks, NaN for alphas without spread."""
    there = np.array([np.ptp(one) > 0.0 for one in alphas])
    out = np.full(len(alphas), np.nan)
    if np.ptp(score) > 0.0 and there.any():
        columns = np.stack([_standard(one) for one, has in zip(alphas, there, strict=True) if has], axis=1)
        out[there] = np.linalg.lstsq(columns, _standard(score), rcond=None)[0]
    return out


def _standard(values: np.ndarray) -> np.ndarray:
    order = ranks(values)
    return np.asarray((order - order.mean()) / order.std())
