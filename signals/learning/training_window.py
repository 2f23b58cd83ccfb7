"""What one fit trains on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Window:
    """Samples of one window, after preprocessing.

    Attributes
    ----------
    x, x_valid : ndarray of float32, shape (n, F) or (n, steps, F)
        Preprocessed factors; oldest step first.
    y, y_valid : ndarray of float64, shape (n,)
        Labels.
    features : tuple of str, length F
        Names of the inputs after preprocessing.
    classes : tuple of float
        Of the label; empty for a regression.
    day : str
        The session at which the window ends.
    digest : str
        Hash of all of it.
    """

    x: np.ndarray
    y: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    features: tuple[str, ...]
    classes: tuple[float, ...]
    day: str
    digest: str

    @property
    def codes(self) -> np.ndarray:
        """The class of each training sample as 0, 1 ...; int64, shape (n,)."""
        return np.searchsorted(self.classes, self.y)

    def part(self, share: float, seed: int) -> Window:
        """The window with a share of its training samples, drawn at random; at least one."""
        drawn = np.random.default_rng([seed, len(self.y)]).permutation(len(self.y))
        rows = np.sort(drawn[: max(1, round(share * len(self.y)))])
        return replace(self, x=self.x[rows], y=self.y[rows])
