"""One factor of the library as a signal: rank by it, high or low."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.errors import LookAheadError
from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View
    from signals.factors.registry import Factor


class OneFactor(Signal):
    """The value of a registered factor, turned so that high is good.

    Values of the whole market are computed once; at the first prediction of each year they are computed again from the
    view alone and must be the same to the last bit.

    Parameters
    ----------
    factor : str
        Name; ``python scripts/factors.py list`` shows them.
    direction : {0, 1, -1}
        1: high is good, -1: low is good, 0 (default): as the factor is declared, or 1 where it does not say.
    file : str
        A Python file that declares further factors.
    """

    factor: str
    direction: Literal[0, 1, -1] = 0
    file: str = ""

    @functools.cached_property
    def _declared(self) -> Factor:
        from signals.factors import registry

        if self.file:
            registry.load_file(self.file)
        return registry.get(self.factor)

    @property
    def lookback(self) -> int:
        """Sessions of history that the factor should have before the first prediction."""
        return self._declared.history

    @property
    def code_digest(self) -> str:
        """Hash of the factor's code, which belongs to what decides a run."""
        from signals.factors.code import code_digest

        return code_digest(self._declared.compute)

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``: the factor times its direction, in its own unit.

        Raises
        ------
        LookAheadError
            If the factor's value changes when the sessions after ``view.date`` are taken away.
        DataError
            If the data lack what the factor needs.
        """
        from signals.factors.panel import FactorPanel

        one = self._declared
        values = view._market.shared(_whole(one))[view.t]
        year = int(view.date.astype("datetime64[Y]").astype(int))
        checked: set[int] = view._market.shared(_years_checked(one))
        if year not in checked:
            alone = one(FactorPanel(view, tail=one.lookback))[0]
            wrong = ~((alone == values) | (np.isnan(alone) & np.isnan(values)))
            if wrong.any():
                symbol = view.symbols[int(np.argmax(wrong))]
                raise LookAheadError(
                    f"factor '{one.name}' of {symbol} on {view.date} changes when later sessions are taken away; "
                    "it reads the future, or more bars than its lookback tells"
                )
            checked.add(year)
        return view.scores(values * (self.direction or one.direction or 1))


@functools.lru_cache(maxsize=64)
def _years_checked(one: Factor) -> Callable[[Market], set[int]]:
    """What makes the set of years in which a factor has been checked on a market."""

    def begin(market: Market) -> set[int]:
        return set()

    return begin


@functools.lru_cache(maxsize=64)
def _whole(one: Factor) -> Callable[[Market], np.ndarray]:
    """What computes a factor on all sessions of a market; one function a factor, so that markets can remember it."""
    from signals.factors.panel import FactorPanel

    def compute(market: Market) -> np.ndarray:
        return one(FactorPanel(market))

    return compute
