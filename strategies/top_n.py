"""Hold the n best stocks in equal weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.base import Portfolio, RebalanceStrategy, best

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class TopN(RebalanceStrategy):
    """The ``hold`` stocks of highest score, each with 1 / ``hold`` of the account, rebalanced in full.

    Parameters
    ----------
    hold : int
        Names to hold, 50 by default. With fewer scored, the rest of the account stays in cash.
    """

    params = (("hold", 50),)

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> dict[str, float]:  # type: ignore[override]
        """Equal weights over the best."""
        return dict.fromkeys(best(scores, self.p.hold), 1.0 / self.p.hold)
