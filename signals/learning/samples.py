"""Factors of a market at its decisions, as samples to learn from: one for each stock and decision, with its past.

Values of the whole market are computed once and each view gets the rows up to its own end; that the library's factors
read nothing later is proven elsewhere, and a user's factor is computed again from the view alone and compared.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import DataError, LookAheadError, SignalError
from engine.sessions import Schedule
from engine.view import View
from signals.factors.registry import Factor, select
from signals.horizons import Target
from signals.preprocess import Context, context_of

if TYPE_CHECKING:
    from engine.market import Market
    from signals.labels import Label


@dataclass(frozen=True, eq=False)
class Samples:
    """Raw factors of D decisions x N stocks x F factors, and what is known beside them.

    Attributes
    ----------
    values : ndarray of float64, shape (D, N, F)
        NaN where a factor is absent.
    context : Context
        Universe, industry and size of each decision.
    decisions : ndarray of int64, shape (D,)
        Sessions, ascending.
    dates : ndarray of datetime64[D], shape (D,)
    digests : tuple of str, length D
        Hash of values and context of each decision.
    target : Target or None
        Labels as far as they are known at the end of the view they were built from.
    """

    values: np.ndarray
    context: Context
    decisions: np.ndarray
    dates: np.ndarray
    digests: tuple[str, ...]
    target: Target | None = None

    @property
    def universe(self) -> np.ndarray:
        """Stocks that count; bool, shape (D, N)."""
        inside = self.context.universe
        return np.ones(self.values.shape[:2], dtype=bool) if inside is None else inside

    def __getitem__(self, rows: slice) -> Samples:
        return Samples(
            self.values[rows], self.context[rows], self.decisions[rows], self.dates[rows], self.digests[rows], None
        )


def decisions_of(view: View | Market, rows: str = "1M", anchor: int = 12) -> np.ndarray:
    """Sessions of a schedule (``1M``: the last of each month) up to the end of the view; int64 (D,).

    Which session is the last of a month is known by the exchange's calendar, not by later bars.
    """
    market = view._market if isinstance(view, View) else view
    first, last = np.searchsorted(market.calendar, [view.sessions[0], view.sessions[-1]])
    return Schedule.parse(rows, anchor).decisions(market.calendar, int(first), int(last)) - first


def take_samples(view: View, factors: tuple[str, ...], rows: str = "1M", label: Label | None = None) -> Samples:
    """Samples of all decisions up to the end of a view, with their labels.

    Raises
    ------
    ConfigError
        If there is no factor of a name.
    DataError
        If the data lack what a factor needs.
    LookAheadError
        If a user's factor changes when the sessions after the view are taken away.
    SignalError
        If there is no decision yet.
    """
    whole: Samples = view._market.shared(_whole(factors, rows))
    count = len(decisions_of(view, rows))
    if not count:
        raise SignalError(f"there is no decision of schedule '{rows}' up to {view.date}; open more history")
    _hold_to_the_past(view, factors, whole, count)
    found = whole[:count]
    if label is None:
        return found
    target = label.build(view, found.decisions, found.universe)
    return Samples(found.values, found.context, found.decisions, found.dates, found.digests, target)


def latest_samples(view: View, factors: tuple[str, ...], rows: str, steps: int) -> Samples:
    """The session at which a view ends and the ``steps - 1`` decisions before it; fewer where history is short."""
    whole: Samples = view._market.shared(_whole(factors, rows))
    count = len(decisions_of(view, rows))
    if count and whole.decisions[count - 1] == view.t:
        return whole[max(0, count - steps) : count]
    today = _taken(view, factors, np.array([view.t]))
    if steps == 1 or not count:
        return today
    return _joined(whole[max(0, count - steps + 1) : count], today)


# -- computing ---------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def _whole(factors: tuple[str, ...], rows: str) -> Callable[[Market], Samples]:
    """What samples a whole market; one function for each choice, so that markets can remember it."""

    def compute(market: Market) -> Samples:
        return _taken(market, factors, decisions_of(market, rows), f"samples {rows}")

    return compute


def _taken(source: Market | View, factors: tuple[str, ...], rows: np.ndarray, schedule: str = "") -> Samples:
    chosen = select(factors)
    if not chosen:
        raise SignalError("a signal that learns needs factors; declare factors = ('book_to_price', ...) or a family")
    values = _values(source, chosen, rows, schedule)
    names = tuple(one.name for one in chosen)
    context = context_of(source, rows, names)
    dates = np.asarray(source.sessions)[rows]
    context = Context(context.universe, context.industry, context.size, names, dates)
    digests = tuple(_digest(values[d], context, d, names) for d in range(len(rows)))
    return Samples(values, context, rows, dates, digests)


def _values(source: Market | View, chosen: list[Factor], rows: np.ndarray, schedule: str) -> np.ndarray:
    from signals.factors.cache import FactorCache
    from signals.factors.panel import FactorPanel

    out = np.empty((len(rows), len(source.symbols), len(chosen)))
    if schedule and not isinstance(source, View) and source.fingerprint:
        found = FactorCache().values(source, chosen, rows, schedule=schedule)
        for k, one in enumerate(chosen):
            out[:, :, k] = found[one.name]
        return out
    bars = [one.lookback for one in chosen]
    tail = None if schedule or None in bars else max(bar for bar in bars if bar is not None)
    panel = FactorPanel(source, rows, tail=tail)
    for k, one in enumerate(chosen):
        out[:, :, k] = one(panel)
    return out


def _joined(before: Samples, today: Samples) -> Samples:
    def both(a: Any, b: Any) -> Any:
        return None if a is None or b is None else np.concatenate([a, b])

    one, two = before.context, today.context
    dates = np.concatenate([before.dates, today.dates])
    context = Context(
        both(one.universe, two.universe), both(one.industry, two.industry), both(one.size, two.size), two.factors, dates
    )
    return Samples(
        np.concatenate([before.values, today.values]), context, np.append(before.decisions, today.decisions), dates,
        before.digests + today.digests,
    )  # fmt: skip


def _hold_to_the_past(view: View, factors: tuple[str, ...], whole: Samples, count: int) -> None:
    """Users' factors must give the view alone the same values at its last decision."""
    from signals.factors.panel import FactorPanel

    foreign = [(k, one) for k, one in enumerate(select(factors)) if not one.compute.__module__.startswith("signals.")]
    t = int(whole.decisions[count - 1])
    for k, one in foreign:
        alone = one(FactorPanel(view.upto(t), tail=one.lookback))[0]
        values = whole.values[count - 1, :, k]
        if not np.array_equal(alone, values, equal_nan=True):
            raise LookAheadError(
                f"factor '{one.name}' on {whole.dates[count - 1]} changes when later sessions are taken away; "
                "it reads the future, or more bars than its lookback tells"
            )


def _digest(values: np.ndarray, context: Context, d: int, names: tuple[str, ...]) -> str:
    total = hashlib.blake2b("\0".join(names).encode(), digest_size=16)
    for array in (values, context.universe, context.industry, context.size):
        if array is not None:
            row = array if array is values else np.asarray(array)[d]
            total.update(np.ascontiguousarray(row).tobytes())
    return total.hexdigest()


# -- samples into rows of a matrix -------------------------------------------------------------------


def sequences(clean: np.ndarray, chosen: np.ndarray, steps: int) -> np.ndarray:
    """Each chosen stock and decision with the ``steps - 1`` decisions before it, the oldest first.

    Parameters
    ----------
    clean : ndarray, shape (D, N, F)
    chosen : ndarray of bool, shape (D, N)
        In rows from ``steps - 1`` on.

    Returns
    -------
    ndarray of float32, shape (n, F) for one step, else (n, steps, F)
        In order of the decision, then of the stock.
    """
    d, i = np.nonzero(chosen)
    if len(d) and d[0] < steps - 1:
        raise DataError(f"a sample of decision {d[0]} has no {steps - 1} decisions before it")
    if steps == 1:
        return np.asarray(clean[d, i], dtype=np.float32)
    out = np.empty((len(d), steps, clean.shape[2]), dtype=np.float32)
    for back in range(steps):
        out[:, steps - 1 - back] = clean[d - back, i]
    return out
