"""The contract of a signal plug-in.

A signal is a class with typed class attributes as its parameters (a frozen, validated configuration:
unknown names and wrong types are refused) and one method to write, :meth:`Signal.predict`. It sees the
market through a view that ends at t and nothing else.

    class Cheap(Signal):
        window: int = 20                                    # a parameter

        def predict(self, view):
            return view.scores(-view.close[-1])

A signal that learns declares when (``refit = "yearly"``), writes :meth:`Signal.fit`, which returns a copy that has
learnt, and calls :meth:`Signal.needs` before it uses what it learnt. :class:`signals.trained.TrainedSignal` does all
of that for a model on factors.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from engine.errors import ConfigError, SignalError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View
    from signals.saved import Learnt

# Labels and protocols are Any here: a plug-in's digest follows imports, and a score does not depend on these.

_DECLARED: dict[str, Any] = {"refit": "never", "factors": (), "label": None, "protocol": "honest"}
"""What a signal declares if it says nothing."""


class Signal(BaseModel):
    """Base of all signals; subclass it, declare parameters, write :meth:`predict`.

    Declarations are class attributes (``refit = "once"``), or parameters where the user shall choose
    (``refit: str = "yearly"``).

    Attributes
    ----------
    refit : str
        When :meth:`fit` is called: ``"never"`` (default), ``"once"`` before the first prediction, ``"every"`` before
        each, ``"yearly"`` before the first prediction of each calendar year, or every n months, as ``"3M"``.
    factors : tuple of str
        Factors, families or papers of the library that it reads; ``python scripts/factors.py list`` shows them.
    label : Label or None
        What it learns to predict, with its horizon (:mod:`signals.labels`).
    protocol : {"honest", "paper"}
        Signals that can repeat a paper's leaks have it as a parameter; see :mod:`signals.protocols`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    if TYPE_CHECKING:  # for a type checker plain attributes: a subclass may make parameters of them
        refit: str
        factors: tuple[str, ...]
        label: ClassVar[Any]
        protocol: str
    else:
        refit: ClassVar[str]
        factors: ClassVar[tuple[str, ...]]
        label: ClassVar[Any]
        protocol: ClassVar[str]

    _learnt: Learnt | None = PrivateAttr(default=None)
    _full: Any = PrivateAttr(default=None)

    def __init__(self, **given: Any) -> None:
        known = type(self).model_fields
        for key in given:
            if key not in known:
                raise ConfigError(f"signal {type(self).__name__} has no parameter '{key}'; {nearest(key, known)}")
        super().__init__(**given)

    def __getattr__(self, name: str) -> Any:
        if name in _DECLARED:
            return _DECLARED[name]
        return super().__getattr__(name)  # type: ignore[misc]

    @property
    def lookback(self) -> int:
        """Sessions of history that :meth:`fit` and :meth:`predict` read, the current one included."""
        return 1

    @property
    def classes(self) -> tuple[float, ...]:
        """Values of a classification, ascending; none for a regression."""
        return () if self.label is None else tuple(self.label.classes)

    def fit(self, history: View) -> Self:
        """Learn from everything up to the end of ``history``; returns the signal that has learnt.

        The parameters stay as they are; what was learnt goes into a copy, see :meth:`having_learnt`.
        """
        return self

    def predict(self, view: View) -> pd.DataFrame:
        """Score the universe as of ``view.date``.

        Returns
        -------
        DataFrame
            Indexed by symbol with a float column ``score`` (high is good) and any further columns, such as the
            probability of each class (``p_-1``, ``p_1``); :meth:`engine.view.View.scores` makes one from an array of
            N values. Stocks without a score are left out, never NaN.
        """
        raise TypeError(f"{type(self).__name__} must write predict(self, view)")

    # -- what was learnt ------------------------------------------------------------------------

    def having_learnt(self, learnt: Learnt) -> Self:
        """A copy of the signal that holds what a fit has learnt: arrays, and facts that JSON can hold."""
        twin = self.model_copy()
        twin._learnt = learnt
        twin._full = self._full
        return twin

    def needs(self) -> Learnt:
        """What :meth:`fit` has learnt.

        Raises
        ------
        SignalError
            If the signal has not been fitted.
        """
        if self._learnt is None:
            name = type(self).__name__
            raise SignalError(
                f"{name} has learnt nothing yet; use what {name}.fit(view) returns, load a saved one with "
                f'{name}.load(folder), or declare refit = "once" or "yearly" so that a backtest fits it'
            )
        return self._learnt

    # -- saved form -----------------------------------------------------------------------------

    def save(self, folder: Path | str) -> Path:
        """Write the signal: ``signal.json`` with its parameters, ``learnt.npz`` with its arrays; nothing pickled."""
        from signals.saved import save_signal

        return save_signal(self, Path(folder))

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        SignalError
            If the folder is missing, damaged, of another version, or holds another signal.
        """
        from signals.saved import load_signal

        return load_signal(cls, Path(folder))
