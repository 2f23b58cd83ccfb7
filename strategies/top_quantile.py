"""Hold the best share of the universe in equal weights, as single-factor tests do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConfigError
from strategies.base import Portfolio, RebalanceStrategy, best

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class TopQuantile(RebalanceStrategy):
    """The best ``share`` of the scored stocks, each with the same weight, rebalanced in full.

    Parameters
    ----------
    share : float
        Fraction of the scored stocks, 0.2 (the top quintile) by default; at least one stock is held.
    """

    params = (("share", 0.2),)

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If ``share`` is not above 0 and at most 1.
        """
        if not 0.0 < self.p.share <= 1.0:
            raise ConfigError(f"strategy top-quantile was asked for share={self.p.share}; give a fraction up to 1")
        super().start()

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> dict[str, float]:  # type: ignore[override]
        """Equal weights over the best."""
        count = max(1, int(len(scores) * self.p.share)) if len(scores) else 0
        return dict.fromkeys(best(scores, count), 1.0 / count) if count else {}
