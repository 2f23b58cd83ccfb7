"""Inside a finished walk-forward: window by window what was learnt from, how, and what the scores hang on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.learning.explain_importance import Importance, permutation_importance
from signals.saved import Learnt, from_bytes, to_bytes, write_bytes

if TYPE_CHECKING:
    from engine.market import Market
    from signals.paper_checks import Outcomes
    from signals.walkforward import Walk


@dataclass(frozen=True, eq=False)
class Inside:
    """One window of the walk-forward.

    Attributes
    ----------
    day : str
        Of the fit.
    features : tuple of str
        Inputs of the model.
    curves : dict of ndarray, shape (E,)
        Learning curves by epoch, means over the window's models.
    best_epoch : int
        Of the first model, counted from 1; 0 without epochs.
    recorded : str
        The model whose weights are in ``record``; empty for none.
    record : dict of ndarray
        ``iterations`` (K,) and ``weights_0`` (K, gates, units, inputs), see
        :class:`signals.neural.learning_curves.WeightRecord`.
    gates : tuple of str
    contribution : dict of str to float
        Share of each factor in the sum of |input weight|.
    importance : Importance or None
        What shuffling each factor costs on the decisions up to the next fit.
    attended : tuple of str
    attention : ndarray of float64, shape (D, K)
        Mean attention on each of ``attended`` at the decisions ``days``; both are empty without attention.
    days : tuple of str
    """

    day: str
    features: tuple[str, ...]
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    best_epoch: int = 0
    recorded: str = ""
    record: dict[str, np.ndarray] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    contribution: dict[str, float] = field(default_factory=dict)
    importance: Importance | None = None
    attended: tuple[str, ...] = ()
    attention: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    days: tuple[str, ...] = ()


def explain(
    market: Market,
    walk: Walk,
    known: Outcomes,
    *,
    repeats: int = 3,
    seed: int = 1,
    progress: Callable[[int, int, str], Any] | None = None,
) -> list[Inside]:
    """Look into every window of a walk-forward.

    Parameters
    ----------
    market : Market
    walk : Walk
    known : Outcomes
        Of its scores.
    repeats, seed : int
        Shuffles of each factor, and the seed of their generator.
    progress : callable, optional
        Told of windows done, windows in all, and the day of the fit.

    Returns
    -------
    list of Inside
        In order of the fits.
    """
    found, rows = [], windows(walk, known)
    for number, (day, signal) in enumerate(walk.fitted.items()):
        if progress is not None:
            progress(number, len(walk.fitted), day)
        own: dict[str, Any] = {}
        if _networks(signal):
            from signals.neural import explain as networks

            places = np.searchsorted(market.sessions, known.days[rows[day]])
            looked = networks.attention(signal, market, places.tolist())
            if looked is not None:
                days = tuple(str(one) for one in known.days[rows[day]])
                own |= {"attended": looked[0], "attention": looked[1], "days": days}
            own["recorded"], own["record"], own["gates"] = networks.record(signal)
            own["curves"], own["contribution"] = networks.curves(signal), networks.contributions(signal)
            own["best_epoch"] = int(signal.models()[0][2].facts.get("best_epoch", 0))
        importance = permutation_importance(signal, market, rows[day].tolist(), known, repeats=repeats, seed=seed)
        found.append(Inside(day, tuple(signal.needs().facts["features"]), importance=importance, **own))
    return found


def windows(walk: Walk, known: Outcomes) -> dict[str, np.ndarray]:
    """Rows of the outcomes that each fit has scored, by day of the fit."""
    fits = np.array(list(walk.fitted), dtype="datetime64[D]")
    which = np.searchsorted(fits, known.days, side="right") - 1
    return {day: np.flatnonzero(which == k) for k, day in enumerate(walk.fitted)}


def _networks(signal: Any) -> bool:
    from signals.neural.signal import NetworkSignal

    return isinstance(signal, NetworkSignal)


def mean_by_factor(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over windows of figures by factor; a factor that a window does not have counts 0 there."""
    names = list(dict.fromkeys(name for one in found for name in one))
    return {name: float(np.mean([one.get(name, 0.0) for one in found])) for name in names}


# -- saved form --------------------------------------------------------------------------------------


def save(found: Sequence[Inside], path: Path) -> Path:
    """Write what was found, arrays and JSON in one file, nothing pickled; the recorded weights stay with their models.

    Raises
    ------
    SignalError
        If it cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    facts = []
    for k, one in enumerate(found):
        held = {f"curves/{name}": values for name, values in one.curves.items()} | {"attention": one.attention}
        told: dict[str, Any] = {
            "day": one.day, "features": list(one.features), "best_epoch": one.best_epoch, "days": list(one.days),
            "contribution": one.contribution, "attended": list(one.attended), "importance": None,
        }  # fmt: skip
        if one.importance is not None:
            held |= {"rank_ic_falls": one.importance.rank_ic_falls, "loss_rises": one.importance.loss_rises}
            told["importance"] = {
                "factors": list(one.importance.factors), "rank_ic": one.importance.rank_ic, "loss": one.importance.loss,
            }  # fmt: skip
        arrays |= {f"window-{k}/{name}": values for name, values in held.items()}
        facts.append(told)
    write_bytes(path, to_bytes(Learnt(arrays, {"windows": facts})))
    return path


def load(path: Path) -> list[Inside]:
    """Read what :func:`save` wrote.

    Raises
    ------
    SignalError
        If it is damaged.
    """
    held = from_bytes(Path(path).read_bytes(), f"the explanation '{path}'")
    found = []
    for k, told in enumerate(held.facts["windows"]):
        head = f"window-{k}/"
        own = {name.removeprefix(head): one for name, one in held.arrays.items() if name.startswith(head)}
        kept = told["importance"]
        importance = None
        if kept is not None:
            importance = Importance(
                tuple(kept["factors"]), kept["rank_ic"], kept["loss"], own["rank_ic_falls"], own["loss_rises"]
            )
        curves = {name.removeprefix("curves/"): one for name, one in own.items() if name.startswith("curves/")}
        found.append(
            Inside(
                told["day"], tuple(told["features"]), curves, told["best_epoch"], importance=importance,
                contribution=told["contribution"], attended=tuple(told["attended"]), attention=own["attention"],
                days=tuple(told["days"]),
            )
        )  # fmt: skip
    return found
