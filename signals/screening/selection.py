"""Greedy selection of factors, as papers 1 and 2 do it: the strong ones first, none too like one already kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What became of one factor: its place in the order of strength (1 is the strongest), and why."""

    name: str
    kept: bool
    reason: str
    place: int
    score: float


def select(
    names: Sequence[str],
    scores: np.ndarray,
    correlation: np.ndarray,
    *,
    min_score: float = 0.02,
    max_correlation: float = 0.7,
    coverage: np.ndarray | None = None,
    min_coverage: float = 0.0,
    families: Mapping[str, str] | None = None,
    score_name: str = "|mean Rank IC|",
    min_names: int = 0,
) -> list[Verdict]:
    """Keep the strongest factor, then the next that is not too like one kept, and so on.

    Parameters
    ----------
    names : sequence of F str
    scores : ndarray, shape (F,)
        The larger the better; NaN for a factor that could not be scored. Equal scores go by name.
    correlation : ndarray, shape (F, F)
        Its absolute value counts; an unknown one does not stand in the way.
    min_score, max_correlation : float
        A score at the bar passes, a correlation at the bar does not.
    coverage : ndarray, shape (F,), optional
        Share of the universe that has the factor; below ``min_coverage`` it is dropped.
    families : mapping of str to str, optional
        First the best within each family, then among those of all families, as in paper 2. One round otherwise.
    score_name : str
    min_names : int
        Names that a date needed for a score, for the reason of a factor without one.

    Returns
    -------
    list of Verdict
        One a factor, the strongest first, with the reason in words.
    """
    scores = np.asarray(scores, dtype=np.float64)
    order = sorted(range(len(names)), key=lambda i: (-scores[i] if math.isfinite(scores[i]) else math.inf, names[i]))
    reasons: dict[int, str] = {}
    for i in order:
        if coverage is not None and not coverage[i] >= min_coverage:
            reasons[i] = f"covers {_share(coverage[i])} of the universe, below the {_share(min_coverage)} asked for"
        elif not math.isfinite(scores[i]):
            enough = f"{min_names} names" if min_names else "enough names"
            reasons[i] = f"has no {score_name}: no date has {enough} with a return and with values that differ"
        elif scores[i] < min_score:
            reasons[i] = f"{score_name} {scores[i]:.4f} is below {min_score:g}"
    left = [i for i in order if i not in reasons]
    if families is not None:
        kept: list[int] = []
        for family in sorted({families.get(names[i], "") for i in left}):
            members = [i for i in left if families.get(names[i], "") == family]
            kept += _greedy(members, names, scores, correlation, max_correlation, reasons, f" of its family {family}")
        left = [i for i in left if i in set(kept)]
    kept = _greedy(left, names, scores, correlation, max_correlation, reasons, "")
    verdicts = []
    for place, i in enumerate(order, start=1):
        if i in kept:
            near = [k for k in kept if k != i and math.isfinite(correlation[i, k])]
            reason = f"{score_name} {scores[i]:.4f} is at least {min_score:g}"
            if near:
                nearest = max(near, key=lambda k: (abs(correlation[i, k]), names[k]))
                reason += f"; most like {names[nearest]} among those kept, correlation {correlation[i, nearest]:+.2f}"
            else:
                reason += "; no other one kept to compare it with" if len(kept) > 1 else "; the only one kept"
            verdicts.append(Verdict(names[i], True, reason, place, float(scores[i])))
        else:
            verdicts.append(Verdict(names[i], False, reasons[i], place, float(scores[i])))
    return verdicts


def _greedy(
    candidates: Sequence[int], names: Sequence[str], scores: np.ndarray, correlation: np.ndarray, bar: float,
    reasons: dict[int, str], where: str,
) -> list[int]:  # fmt: skip
    """Those kept of ``candidates`` (strongest first); why the others are not goes into ``reasons``."""
    kept: list[int] = []
    for i in candidates:
        like = [k for k in kept if abs(correlation[i, k]) >= bar]  # NaN is never like
        if like:
            best = max(like, key=lambda k: (abs(correlation[i, k]), names[k]))
            reasons[i] = (
                f"correlation {correlation[i, best]:+.2f} with {names[best]}{where}, which is stronger "
                f"({scores[best]:.4f} against {scores[i]:.4f})"
            )
        else:
            kept.append(i)
    return kept


def _share(x: float) -> str:
    return f"{x:.1%}" if math.isfinite(x) else "nothing"
