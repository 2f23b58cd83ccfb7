"""What factors of several families are made of: quotients, and volume that compares across splits."""

from __future__ import annotations

import numpy as np

from signals.factors.panel import FactorPanel


def over(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """``top / bottom``, NaN where that is no number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = top / bottom
    np.copyto(found, np.nan, where=~np.isfinite(found))
    return found


def adjusted_volume(panel: FactorPanel) -> np.ndarray:
    """Shares traded over the adjustment factor, which compare across splits; packed (R,)."""
    return panel.shared("adjusted volume", lambda: panel.bars("volume") / panel.bars("adj_factor"))
