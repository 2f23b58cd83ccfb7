"""Low turnover: neglected stocks first (Datar, Naik and Radcliffe 1998)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class LowTurnover(Signal):
    """Minus the mean daily turnover of the last ``window`` sessions.

    Sessions without a figure are left out of the mean; a stock with fewer than half of them has no
    score.

    Parameters
    ----------
    window : int
        Sessions, 20 by default.
    """

    window: int = Field(20, ge=1, le=2500)

    @property
    def lookback(self) -> int:
        """``window`` sessions."""
        return self.window

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``; minus a fraction of the float a day."""
        turnover = view.last("turnover", self.window)
        known = (~np.isnan(turnover)).sum(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # columns without any figure
            mean = np.nanmean(turnover, axis=0)
        return view.scores(np.where(2 * known >= self.window, -mean, np.nan))
