"""A straight line through a window's samples: the linear control of the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from signals.saved import Learnt

if TYPE_CHECKING:
    from signals.trained import Window


def fit(window: Window, ridge: float) -> Learnt:
    """Weights of the inputs, all steps of a sample side by side, that come closest to the labels.

    Parameters
    ----------
    window : Window
    ridge : float
        Penalty on squared weights, as a share of a factor's sum of squares; a small one only parts factors that are
        the same.
    """
    x = np.asarray(window.x, dtype=np.float64).reshape(len(window.x), -1)
    middle, level = x.mean(axis=0), float(np.mean(window.y))
    x = x - middle
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += ridge * max(float(np.trace(gram)) / len(gram), 1e-12)
    weights = np.linalg.lstsq(gram, x.T @ (window.y - level), rcond=None)[0]
    return Learnt({"weights": weights, "middle": middle}, {"level": level})


def answers(model: Learnt, x: np.ndarray) -> np.ndarray:
    """Fitted labels, (n,)."""
    flat = np.asarray(x, dtype=np.float64).reshape(len(x), -1) - model.arrays["middle"]
    # One sum a row: a matrix product's order of sums, and so its last bit, depends on how many rows there are.
    return (flat * model.arrays["weights"]).sum(axis=1) + float(model.facts["level"])
