"""Hold the universe, or the n best of it, in equal weights: the benchmark to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConfigError
from strategies.base import Portfolio, RebalanceStrategy, best

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class EqualWeight(RebalanceStrategy):
    """Every stock of the universe that traded on the decision session, or the best of the signal, in equal weights.

    All of the account is invested, however few they are; ``top-n`` leaves empty places in cash.

    Parameters
    ----------
    hold : int
        How many of the best; 0, the default, for the whole universe, which needs no signal and ignores one.
    """

    params = (("hold", 0),)

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If ``hold`` is negative, or there is no signal to choose by.
        """
        if self.p.hold < 0:
            raise ConfigError(f"strategy equal-weight was asked to hold {self.p.hold} names; give hold=0 for all")
        if self.p.hold and self.p.signal is None:
            raise ConfigError(f"strategy equal-weight chooses the {self.p.hold} best by a signal; give one, or hold=0")
        super().start()

    def allocate(self, scores: pd.DataFrame | None, portfolio: Portfolio, view: View) -> dict[str, float]:
        """Equal weights over what is chosen."""
        if self.p.hold and scores is not None:
            chosen = best(scores, self.p.hold)
        else:
            chosen = [view.symbols[i] for i in (view.universe & view.traded[-1].astype(bool)).nonzero()[0]]
        return dict.fromkeys(chosen, 1.0 / len(chosen)) if chosen else {}
