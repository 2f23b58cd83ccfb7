"""Paper 3's stock picking in one pass: the best of each industry, or of all stocks, in every size that it prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.base import best
from strategies.industries import industry_weights
from strategies.industry_neutral import by_industry, neutral
from strategies.portfolios import PortfoliosStrategy, Weights

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class StockPicks(PortfoliosStrategy):
    """Portfolios ``csi500/6`` (industry-neutral, six of each industry) and ``equal/50`` (the fifty best).

    Each is what ``industry-neutral`` and ``equal-weight`` hold in a run of their own.

    Parameters
    ----------
    indices : sequence of str
        Whose industry weights are followed; ``all`` for those of all listed stocks.
    each : sequence of int
        Stocks of an industry.
    more : sequence of int
        The same for the index ``detailed`` alone.
    detailed : str
    hold : sequence of int
        Stocks of the portfolios in equal weights.
    """

    params = (
        ("indices", ("csi300", "csi500", "all")), ("each", (2, 5, 10, 15, 20)),
        ("more", (4, 6, 8, 12, 14, 16, 18)), ("detailed", "csi500"), ("hold", (20, 50, 100, 150, 200)),
    )  # fmt: skip

    def names(self) -> Sequence[str]:
        """``index/each`` and ``equal/hold``."""
        found = [f"{index}/{each}" for index in self.p.indices for each in self._each(index)]
        return [*found, *(f"equal/{hold}" for hold in self.p.hold)]

    def _each(self, index: str) -> list[int]:
        return [*self.p.each, *(self.p.more if index == self.p.detailed else ())]

    def portfolios(self, scores: pd.DataFrame, view: View) -> Weights:  # type: ignore[override]
        """Weights of all portfolios from one sorting of the scores."""
        groups, found = by_industry(scores, view), {}
        for index in self.p.indices:
            wanted = industry_weights(view, index).weights
            for each in self._each(index):
                found[f"{index}/{each}"] = neutral(groups, wanted, each)
        chosen = best(scores, max(self.p.hold))
        for hold in self.p.hold:
            names = chosen[:hold]
            found[f"equal/{hold}"] = dict.fromkeys(names, 1.0 / len(names)) if names else {}
        return found
