"""Hold the best of each industry, industries weighted as in a benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError
from strategies.base import Portfolio, RebalanceStrategy, best
from strategies.industries import industry_names, industry_weights

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class IndustryNeutral(RebalanceStrategy):
    """The ``each`` best of every industry in equal weights; industries weigh as in ``index`` on that date (paper 3).

    Industries are Shenwan level 1 in force on the date. The benchmark's weights are a proxy, float market values of
    the members present (:func:`strategies.industries.industry_weights`); the run's notes state their coverage. The
    weight of an industry without a scored stock goes to the others in proportion.

    Parameters
    ----------
    each : int
        Names of each industry; all there are where there are fewer.
    index : str
        Whose industry weights are followed.
    """

    params = (("each", 5), ("index", "csi300"))

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If ``each`` is not at least 1.
        """
        if self.p.each < 1:
            raise ConfigError(f"strategy industry-neutral was asked for {self.p.each} names each; give each=1 or more")
        self._coverage: list[float] = []
        super().start()

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> dict[str, float]:  # type: ignore[override]
        """Equal weights inside each industry."""
        wanted, coverage = industry_weights(view, self.p.index)
        self._coverage.append(coverage)
        own = industry_names(view)[[self.market.column(symbol) for symbol in scores.index]]
        groups = {name: scores[own == name] for name in wanted}
        chosen = {name: best(group, self.p.each) for name, group in groups.items() if len(group)}
        held = sum(wanted[name] for name in chosen)
        return {symbol: wanted[name] / held / len(symbols) for name, symbols in chosen.items() for symbol in symbols}

    def run_notes(self) -> list[str]:
        """Where the industry weights came from."""
        if not self._coverage:
            return []
        return [
            f"Industry weights of {self.p.index} are a proxy: float market values of its members in the data, "
            f"{100 * np.mean(self._coverage):.1f} % of them on the mean of the decisions "
            f"({100 * min(self._coverage):.1f} % at least), brought to a sum of 1."
        ]
