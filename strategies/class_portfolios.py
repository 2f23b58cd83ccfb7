"""Hold the stocks of one predicted class, or those in which the class is most active."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, StrategyError, nearest
from strategies.base import Portfolio, RebalanceStrategy

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View

WAYS = ("prediction", "activation")
_CLASS = re.compile(r"p_(-?\d+(?:\.\d+)?)", re.ASCII)


class ClassPortfolio(RebalanceStrategy):
    """The stocks of one class of a classifier in equal weights (paper 4).

    A signal with classes scores with a column ``p_<class>`` for each: the activation of its output.

    Parameters
    ----------
    label : float
        The class: of ``three-class-rnn`` 1 (above +3 %), 0 or -1 (below -3 %).
    by : {"prediction", "activation"}
        Stocks whose most active class it is, or the ``share`` of all in which it is most active.
    share : float
        Fraction of the scored stocks, with ``by="activation"``.
    """

    params = (("label", 1.0), ("by", "prediction"), ("share", 0.3))

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If ``by`` or ``share`` has a value that it cannot have.
        """
        if self.p.by not in WAYS:
            raise ConfigError(f"strategy class-portfolios was given by='{self.p.by}'; {nearest(self.p.by, WAYS)}")
        if not 0.0 < self.p.share <= 1.0:
            raise ConfigError(
                f"strategy class-portfolios was asked for share={self.p.share}; give a fraction up to 1"
            )
        super().start()

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> dict[str, float]:  # type: ignore[override]
        """Equal weights over the class."""
        chosen = class_members(scores, self.p.label, self.p.by, self.p.share)
        return dict.fromkeys(chosen, 1.0 / len(chosen)) if chosen else {}


def class_members(scores: pd.DataFrame, label: float, by: str = "prediction", share: float = 0.3) -> list[str]:
    """Symbols of a class, most active first, ties in order of the symbol.

    Parameters
    ----------
    scores : DataFrame
        Indexed by symbol, with a column ``p_<class>`` for each class.
    label : float
    by : {"prediction", "activation"}
        Where it is the most active class (of equally active ones the lowest counts), or the ``share`` of the stocks
        in which it is most active, rounded down, at least one.
    share : float

    Raises
    ------
    StrategyError
        If the scores have no such class.
    """
    columns = {float(match[1]): name for name in scores.columns if (match := _CLASS.fullmatch(str(name)))}
    if label not in columns:
        known = ", ".join(f"{value:g}" for value in sorted(columns))
        raise StrategyError(
            f"class-portfolios holds class {label:g}, and the scores have "
            f"{f'the classes {known}' if known else 'no classes'}; take a signal that classifies, as three-class-rnn"
        )
    if scores.empty:
        return []
    active = scores[columns[label]].to_numpy(dtype=np.float64)
    symbols = scores.index.to_numpy()
    order = np.lexsort((symbols.astype(str), -active))
    if by == "activation":
        return symbols[order[: max(1, int(len(scores) * share))]].tolist()  # type: ignore[no-any-return]
    ascending = sorted(columns)
    winner = np.argmax(scores[[columns[value] for value in ascending]].to_numpy(dtype=np.float64), axis=1)
    own = winner == ascending.index(label)
    return symbols[order[own[order]]].tolist()  # type: ignore[no-any-return]
