"""The contract of a signal plug-in.

A signal is a class with typed class attributes as its parameters (a frozen, validated configuration:
unknown names and wrong types are refused) and one method to write, :meth:`Signal.predict`. It sees the
market through a view that ends at t and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class Signal(BaseModel):
    """Base of all signals; subclass it, declare parameters, write :meth:`predict`.

    Attributes
    ----------
    refit : str
        When :meth:`fit` is called: ``"never"`` (default), ``"once"`` before the first prediction, or
        ``"every"`` before each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refit: ClassVar[str] = "never"

    @property
    def lookback(self) -> int:
        """Sessions of history that :meth:`predict` reads, the current one included."""
        return 1

    def fit(self, history: View) -> Self:
        """Learn from everything up to the end of ``history``; returns the signal."""
        return self

    def predict(self, view: View) -> pd.DataFrame:
        """Score the universe as of ``view.date``.

        Returns
        -------
        DataFrame
            Indexed by symbol with a float column ``score`` (high is good) and any further columns;
            :meth:`engine.view.View.scores` makes one from an array of N values. Stocks without a score
            are left out, never NaN.
        """
        raise TypeError(f"{type(self).__name__} must write predict(self, view)")
