"""Momentum that leaves out the last month (Jegadeesh and Titman 1993)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class Momentum(Signal):
    """Total return from ``window`` to ``skip`` sessions ago.

    Formula: P[t - skip] / P[t - window] - 1 on back-adjusted closes; twelve months less the last one
    by default. A stock without a bar on either session, or younger than ``window``, has no score.

    Parameters
    ----------
    window, skip : int
        Sessions, 240 and 20 by default.
    """

    window: int = Field(240, ge=2, le=2500)
    skip: int = Field(20, ge=0, le=2500)

    @property
    def lookback(self) -> int:
        """``window + 1`` sessions."""
        return self.window + 1

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``; a fraction."""
        close = view.adjusted("close", self.lookback)
        return view.scores(close[-1 - self.skip] / close[0] - 1.0)
