"""Short-term reversal: last month's losers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class Reversal(Signal):
    """Minus the total return of the last ``window`` sessions.

    Formula: -(P[t] / P[t - window] - 1) on back-adjusted closes; a stock without a bar on either
    session has no score.

    Parameters
    ----------
    window : int
        Sessions, 20 by default.
    """

    window: int = Field(20, ge=1, le=2500)

    @property
    def lookback(self) -> int:
        """``window + 1`` sessions."""
        return self.window + 1

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``; a fraction, high for losers."""
        close = view.adjusted("close", self.lookback)
        return view.scores(1.0 - close[-1] / close[0])
