"""Hold the n best stocks in equal weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConfigError
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

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If ``hold`` is not at least 1.
        """
        if self.p.hold < 1:
            raise ConfigError(f"strategy top-n was asked to hold {self.p.hold} names; give hold=1 or more")
        super().start()

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> dict[str, float]:  # type: ignore[override]
        """Equal weights over the best."""
        return dict.fromkeys(best(scores, self.p.hold), 1.0 / self.p.hold)
