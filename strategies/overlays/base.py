"""The contract of an overlay: weights in, weights out.

An overlay is a class with typed class attributes as its parameters and one method to write, :meth:`Overlay.apply`:

    class Half(Overlay):
        part: float = 0.5                                    # a parameter

        def apply(self, weights, portfolio, view):
            return {symbol: self.part * weight for symbol, weight in weights.items()}

A run names overlays in the order in which they work: ``--overlay timing:window=200 --overlay max-weight:most=0.05``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from engine.view import View
    from strategies.base import Portfolio


class Overlay(BaseModel):
    """Base of all overlays; subclass it, declare parameters, write :meth:`apply`.

    An overlay keeps nothing between calls: what it does follows from what it is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def lookback(self) -> int:
        """Sessions of history that it reads, the current one included."""
        return 1

    def apply(self, weights: Mapping[str, float], portfolio: Portfolio, view: View) -> Mapping[str, float]:
        """Change the weights of a decision.

        Parameters
        ----------
        weights : mapping of str to float
            Fractions of the account by symbol; :class:`strategies.targets.Targets`, with its reasons.
        portfolio : Portfolio
        view : View
            The market up to the decision.

        Returns
        -------
        mapping of str to float
            None negative, sum at most 1.
        """
        raise TypeError(f"{type(self).__name__} must write apply(self, weights, portfolio, view)")

    def acts(self, portfolio: Portfolio, view: View) -> bool:
        """Whether what was allocated last goes through the overlays again on a session without a decision."""
        return False


def scaled(weights: Mapping[str, float], exposure: float) -> dict[str, float]:
    """All weights times ``exposure``; the rest is cash."""
    return {symbol: exposure * weight for symbol, weight in weights.items()}
