"""Hold the whole universe in equal weights: the benchmark to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.base import Portfolio, RebalanceStrategy

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class EqualWeight(RebalanceStrategy):
    """Every stock of the universe that traded on the decision session, each with the same weight.

    It needs no signal and ignores one.
    """

    def allocate(self, scores: pd.DataFrame | None, portfolio: Portfolio, view: View) -> dict[str, float]:
        """Equal weights over the universe."""
        chosen = [view.symbols[i] for i in (view.universe & view.traded[-1].astype(bool)).nonzero()[0]]
        return dict.fromkeys(chosen, 1.0 / len(chosen)) if chosen else {}
