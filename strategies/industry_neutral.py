"""Hold the best of each industry, industries weighted as in a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError
from strategies.base import Portfolio, RebalanceStrategy, best
from strategies.industries import industry_names, industry_weights

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


def by_industry(scores: pd.DataFrame, view: View) -> dict[str, list[str]]:
    """Scored symbols of each industry, sorted by its name, the highest score first; those of none are left out."""
    columns = {symbol: place for place, symbol in enumerate(view.symbols)}
    names = industry_names(view)
    groups: dict[str, list[str]] = {}
    for symbol in best(scores, len(scores)):
        name = names[columns[symbol]]
        if name is not None:
            groups.setdefault(str(name), []).append(symbol)
    return dict(sorted(groups.items()))


def neutral(groups: Mapping[str, Sequence[str]], wanted: Mapping[str, float], each: int) -> dict[str, float]:
    """Equal weights over the first ``each`` of every industry, industries in proportion to ``wanted``.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        Of :func:`by_industry`.
    wanted : mapping of str to float
        Weights of industries; those without a group go to the others in proportion.
    each : int
    """
    chosen = {name: symbols[:each] for name, symbols in groups.items() if name in wanted}
    held = sum(wanted[name] for name in chosen)
    return {symbol: wanted[name] / held / len(symbols) for name, symbols in chosen.items() for symbol in symbols}


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
        return neutral(by_industry(scores, view), wanted, self.p.each)

    def run_notes(self) -> list[str]:
        """Where the industry weights came from."""
        if not self._coverage:
            return []
        return [
            f"Industry weights of {self.p.index} are a proxy: float market values of its members in the data, "
            f"{100 * np.mean(self._coverage):.1f} % of them on the mean of the decisions "
            f"({100 * min(self._coverage):.1f} % at least), brought to a sum of 1."
        ]
