"""What the papers' plug-ins share: those of a paper's factors that the data have, stocks left out, networks by name."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr

from engine.errors import DataError, SignalError
from signals.learning.samples import Samples, take_samples
from signals.neural.networks import NetworkConfig, network
from signals.neural.signal import NetworkSignal
from signals.saved import Learnt
from signals.trained import TrainedSignal, Window

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View
    from signals.preprocess import Fitted


class PaperSignal(TrainedSignal):
    """A signal on those factors of its paper that the data can give; a fit keeps their names.

    Parameters
    ----------
    min_age : int
        Trading days since listing below which a stock is neither learnt from nor scored; 0: none.
    leave_out_st : bool
        The same for stocks under special treatment.
    """

    wanted: ClassVar[tuple[str, ...]] = ()
    """Factors of the paper, in its order; names, families or papers of the library."""

    min_age: int = Field(default=0, ge=0)
    leave_out_st: bool = False

    _have: tuple[str, ...] | None = PrivateAttr(default=None)

    @property  # type: ignore[misc]
    def factors(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those that were used in the fit; before it all that are wanted."""
        if self._learnt is not None:
            return tuple(self._learnt.facts["chain"]["factors"])
        return self.wanted if self._have is None else self._have

    @property
    def left_out(self) -> tuple[str, ...]:
        """Factors of the paper that the data of the fit do not have."""
        from signals.factors.registry import select

        used = set(self.needs().facts["chain"]["factors"])
        return tuple(one.name for one in select(self.wanted) if one.name not in used)

    def on(self, view: View) -> Self:
        """The signal, not fitted, with the factors that these data have.

        Raises
        ------
        DataError
            If they have none.
        """
        from signals.factors.panel import FactorPanel
        from signals.factors.registry import select

        panel = FactorPanel(view, np.array([view.t]))
        chosen = select(self.wanted)
        have = tuple(one.name for one in chosen if not one.missing(panel))
        if not have:
            raise DataError(
                f"the data have none of the {len(chosen)} factors of {type(self).__name__}; "
                "`python scripts/factors.py list` shows what each needs"
            )
        twin = self.model_copy()
        twin._learnt, twin._have, twin._full = None, have, self._full
        return twin

    def samples(self, view: View) -> Samples:
        """Samples with the labels known at the end of the view, ranked among the stocks that count."""
        found = take_samples(view, self.on(view).factors, self.decisions)
        if self.label is None:
            raise SignalError(f"{type(self).__name__} has no label; declare label = NextReturn() or another")
        counted = found.universe & self.eligible(view, found.decisions)
        target = self.label.build(view, found.decisions, counted)
        return Samples(found.values, found.context, found.decisions, found.dates, found.digests, target)

    def prepare(self, view: View) -> tuple[Window, Fitted]:
        return super(PaperSignal, self.on(view)).prepare(view)

    def eligible(self, view: View, decisions: np.ndarray) -> np.ndarray:
        """Stocks old enough and not under special treatment; bool (D, N)."""
        keep = np.ones((len(decisions), len(view.symbols)), dtype=bool)
        if self.min_age:
            keep &= view.age[decisions] >= self.min_age
        if self.leave_out_st:
            keep &= ~view.st[decisions].astype(bool)
        return keep

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date`` the stocks that count."""
        frame = super().predict(view)
        if not (self.min_age or self.leave_out_st):
            return frame
        keep = self.eligible(view, np.array([view.t]))[0]
        return frame[np.isin(frame.index.to_numpy(), np.asarray(view.symbols)[keep])]


class PaperNetwork(PaperSignal, NetworkSignal):
    """A paper's network as a signal.

    Parameters
    ----------
    cell : {"rnn", "lstm", "gru", "attention-gru", "mlp"}
        Which of :data:`signals.neural.networks.NETWORKS`.
    layers, units, dropout, initialisation
        As of :class:`signals.neural.networks.NetworkConfig`.
    """

    validation: float = Field(default=0.1, ge=0.0, lt=1.0)
    cell: Literal["rnn", "lstm", "gru", "attention-gru", "mlp"] = "lstm"
    layers: int = Field(default=1, ge=1)
    units: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    initialisation: Literal["glorot", "uniform", "normal", "torch"] = "glorot"

    def make(self, features: int, seed: int) -> NetworkConfig:
        """The configuration of the network."""
        return network(self.cell, **self.network_params())

    def network_params(self) -> dict[str, Any]:
        """Parameters of the network."""
        names = ("layers", "units", "dropout", "initialisation")
        return {name: getattr(self, name) for name in names}

    def versions(self) -> dict[str, str]:
        """Versions of NumPy and torch; does not import torch, so that a run from the cache is quick.

        Raises
        ------
        SignalError
            If torch is not installed.
        """
        try:
            found = importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            raise SignalError(
                f"{type(self).__name__} trains a network and needs torch, which is not installed: "
                "pip install -r locks/torch-py311.txt"
            ) from None
        return {**TrainedSignal.versions(self), "torch": found}


def standardised(window: Window) -> tuple[Window, float, float]:
    """The window with labels of training mean 0 and standard deviation 1, and these two."""
    from dataclasses import replace

    mean, std = float(np.mean(window.y)), float(np.std(window.y))
    std = std if std > 0.0 else 1.0
    return replace(window, y=(window.y - mean) / std, y_valid=(window.y_valid - mean) / std), mean, std


def with_facts(model: Learnt, **facts: Any) -> Learnt:
    """The same model with more facts."""
    return Learnt(model.arrays, {**model.facts, **facts})
