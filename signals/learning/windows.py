"""Which samples a fit at t may use: the training window before it, and the part of it held out for validation."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError, SignalError
from signals.horizons import Target
from signals.learning.samples import Samples

_FORM = re.compile(r"([1-9]\d{0,3})(M?)", re.ASCII)


def parse_window(text: str) -> tuple[int, str]:
    """``"12M"`` to (12, "months"), ``"24"`` to (24, "decisions"), ``"all"`` to (0, "all").

    Raises
    ------
    ConfigError
    """
    if text == "all":
        return 0, "all"
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ConfigError(
            f"the training window is '{text}'; write months (12M), a count of decisions (24), or all (expanding)"
        )
    return int(match[1]), "months" if match[2] else "decisions"


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of one window.

    Attributes
    ----------
    train, valid : ndarray of bool, shape (D, N)
        Samples to learn from and those held out; they share none.
    first : int
        The earliest decision that any of their sequences reads.
    """

    train: np.ndarray
    valid: np.ndarray
    first: int

    @property
    def train_rows(self) -> np.ndarray:
        """Decisions with training samples, ascending."""
        return np.flatnonzero(self.train.any(axis=1))


def rows_in_window(samples: Samples, t: int, day: np.datetime64, window: str, steps: int) -> np.ndarray:
    """Decisions whose labels are known at the close of session ``t`` and that lie in the window; ascending.

    The window counts back from ``t``: ``12M`` holds the decisions of the twelve calendar months before that of ``t``
    (whose labels end in the twelve up to it), ``24`` the last so many with a known label.

    Raises
    ------
    SignalError
        If there is none.
    """
    target = _target(samples)
    length, unit = parse_window(window)
    known = target.known_by(t)
    known[: steps - 1] = False
    rows = np.flatnonzero(known)
    if unit == "decisions":
        rows = rows[-length:]
    elif unit == "months":
        first = day.astype("datetime64[M]") - np.timedelta64(length, "M")
        rows = rows[samples.dates[rows].astype("datetime64[M]") >= first]
    if not len(rows):
        raise SignalError(
            f"no label is known on {day} of a window '{window}' with {steps} step{'s' * (steps != 1)}: there are "
            f"{len(samples.decisions)} decisions from {samples.dates[0]} on; begin later, or open more history"
        )
    return rows


def split_window(
    samples: Samples, rows: np.ndarray, *, share: float, steps: int, protocol: str, embargo: int, seed: int,
    classes: tuple[float, ...] = (),
) -> Split:  # fmt: skip
    """Divide the samples of a window into training and validation.

    Parameters
    ----------
    rows : ndarray of int64
        Of :func:`rows_in_window`.
    share : float
        Fraction held out; 0 for none.
    protocol : {"honest", "paper"}
        ``honest`` holds out the last decisions, and drops training rows whose label overlaps with one of theirs.
        ``paper`` holds out samples drawn at random.
    embargo : int
        So many sessions more are kept free (honest).
    seed : int
    classes : tuple of float
        Labels that count, where not all do: those between the ends of a top and bottom label are left out.

    Raises
    ------
    SignalError
        If nothing is left on either side.
    """
    target = _target(samples)
    labelled = np.zeros(samples.values.shape[:2], dtype=bool)
    labelled[rows] = ~np.isnan(target.values[rows]) & samples.universe[rows]
    labelled[rows] &= ~np.isnan(samples.values[rows]).all(axis=2)
    if classes:
        labelled[rows] &= np.isin(target.values[rows], classes)
    valid = np.zeros_like(labelled)
    train = labelled.copy()
    if share > 0.0 and protocol == "paper":
        found = np.flatnonzero(labelled)
        held = np.random.default_rng([seed, len(found)]).permutation(len(found))[: round(share * len(found))]
        valid.flat[found[held]] = True
        train &= ~valid
    elif share > 0.0:
        count = max(1, math.ceil(share * len(rows) - 1e-9))
        last = rows[len(rows) - count :]
        # A label known at the close of the first held-out decision may stay: whoever decides there knows it.
        before = rows[: len(rows) - count]
        stay = target.purged(before[target.known[before] + embargo <= target.decisions[last[0]]], last)
        valid[last] = labelled[last]
        train[:] = False
        train[stay] = labelled[stay]
    if np.isnan(samples.values[rows]).all():
        raise SignalError(
            f"all {samples.values.shape[2]} factors are missing for every stock on the {len(rows)} decisions of the "
            f"window up to {samples.dates[rows[-1]]}; `python scripts/factors.py list --coverage` shows when the data "
            "have them"
        )
    if not train.any() or (share > 0.0 and not valid.any()):
        raise SignalError(
            f"a window of {len(rows)} decisions up to {samples.dates[rows[-1]]} leaves {int(train.sum())} samples to "
            f"train on and {int(valid.sum())} to validate on; take a longer window or a smaller validation share"
        )
    return Split(train, valid, int(rows[0]) - (steps - 1))


def _target(samples: Samples) -> Target:
    if samples.target is None:
        raise SignalError("these samples have no labels; declare label = NextReturn() or another of signals.labels")
    return samples.target
