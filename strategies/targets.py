"""What a strategy wants to hold: weights, and what a basket may do where whole lots are in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Targets(dict[str, float]):
    """Target weights by symbol, in the order in which cash is to be spent.

    A plain mapping of weights is as good where none of the rest is wanted.

    Parameters
    ----------
    weights : mapping of str to float
        Fractions of the account's value.
    spares : sequence of str
        Best first. A stock that is not held and whose smallest lot costs more than its target is refused (``LOT``)
        and gives its target to the next of these whose lot does not.
    spread : bool
        What whole lots leave in cash buys one lot more of the stocks that lack most, while a lot fits.
    reasons : mapping of str to str
        Why stocks are where they are (``ST``: sold because of special treatment); ``targets.parquet`` keeps them.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        spares: Sequence[str] = (),
        spread: bool = False,
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(weights.items())
        self.spares, self.spread, self.reasons = tuple(spares), spread, dict(reasons or {})

    def reweighted(self, weights: Mapping[str, float]) -> Targets:
        """The same with other weights; a stock that is no longer there takes no spare's place."""
        return Targets(weights, spares=self.spares, spread=self.spread, reasons=self.reasons)

    @classmethod
    def of(cls, weights: Mapping[str, float]) -> Targets:
        """``weights`` as they are if they are targets, else (a Series too) with nothing beside them."""
        return weights if isinstance(weights, cls) else cls(weights)
