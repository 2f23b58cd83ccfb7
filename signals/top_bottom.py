"""Paper 3: which stocks belong to next month's best or worst 30 %; RNN, LSTM, GRU and the controls beside them."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.errors import SignalError
from signals.adapters import EstimatorSignal
from signals.factors.papers import PAPERS
from signals.labels import Label, TopBottom
from signals.learning import least_squares
from signals.paper_signals import PaperNetwork, PaperSignal
from signals.preprocess import PAPERS as CHAINS
from signals.preprocess import Chain
from signals.saved import Learnt
from signals.trained import Window


class _Protocol(PaperSignal):
    """What the networks and the controls share.

    Stages are calendar years and learn from at most the 72 months before (the paper's windows stand in a lost
    picture). Stocks under ST and those listed for less than 60 trading days are left out. Excess over the CSI 300 does
    not change the order of a month's returns, so the label ranks the returns themselves. Preprocessing works month by
    month (5 MAD, industry mean, industries and log size taken out, z-score) and leaks nothing; under
    ``protocol="paper"`` the tenth that stops the training is drawn at random, under ``honest`` it is the last one.
    """

    wanted: ClassVar[tuple[str, ...]] = PAPERS["paper-3"]
    label: ClassVar[Label | None] = TopBottom(share=0.3)

    refit: str = "yearly"
    window: str = "72M"
    validation: float = Field(default=0.1, ge=0.0, lt=1.0)
    min_age: int = Field(default=60, ge=0)
    leave_out_st: bool = True

    def chain(self) -> Chain:
        """The paper's own, unless ``preprocess`` names another."""
        return super().chain() if self.preprocess else Chain(*CHAINS["paper-3"])


class TopBottomNetwork(_Protocol, PaperNetwork):
    """Two layers of 100 on five months of 70 factors; the score is p(best) - p(worst).

    Dropout 0.2, tanh, RMSProp at 1e-3, batches of 1000, cross-entropy, first weights uniform, best validation loss
    kept, stopped after ten rounds without a better one.
    """

    steps: int = Field(default=5, ge=1)
    layers: int = Field(default=2, ge=1)
    units: int = Field(default=100, ge=1)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    initialisation: Literal["glorot", "uniform", "normal", "torch"] = "uniform"
    optimizer: Literal["adam", "rmsprop", "sgd"] = "rmsprop"
    learning_rate: float = Field(default=1e-3, gt=0.0)
    batch: int = Field(default=1000, ge=1)
    patience: int = Field(default=10, ge=0)


class TopBottomRnn(TopBottomNetwork):
    """:class:`TopBottomNetwork` with plain recurrent layers."""

    cell: Literal["rnn"] = "rnn"  # type: ignore[assignment]


class TopBottomLstm(TopBottomNetwork):
    """:class:`TopBottomNetwork` with LSTM layers."""

    cell: Literal["lstm"] = "lstm"  # type: ignore[assignment]


class TopBottomGru(TopBottomNetwork):
    """:class:`TopBottomNetwork` with GRU layers."""

    cell: Literal["gru"] = "gru"  # type: ignore[assignment]


class TopBottomMlp(TopBottomNetwork):
    """Control: dense layers on one month's factors, as the paper's earlier network (its page 5)."""

    cell: Literal["mlp"] = "mlp"  # type: ignore[assignment]
    steps: int = Field(default=1, ge=1)


class TopBottomLinear(_Protocol):
    """Control: least squares of the label, 1 or -1, on one month's factors; needs no torch.

    Parameters
    ----------
    ridge : float
        As of :func:`signals.learning.least_squares.fit`.
    """

    steps: int = Field(default=1, ge=1)
    ridge: float = Field(default=1e-6, ge=0.0)

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        return least_squares.fit(window, self.ridge)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Fitted labels, (n,)."""
        return least_squares.answers(model, x)


class TopBottomXgboost(_Protocol, EstimatorSignal):
    """Control: boosted trees on one month's factors; needs the library ``xgboost``.

    The paper names the model but not its parameters; these are ours.
    """

    steps: int = Field(default=1, ge=1)
    n_estimators: int = Field(default=100, ge=1)
    max_depth: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=0.1, gt=0.0)
    subsample: float = Field(default=0.9, gt=0.0, le=1.0)

    @property
    def estimator(self) -> Any:  # type: ignore[override]
        """An untrained classifier.

        Raises
        ------
        SignalError
            If ``xgboost`` is not installed.
        """
        try:
            library: Any = importlib.import_module("xgboost")
        except ImportError:
            raise SignalError(
                f"{type(self).__name__} needs xgboost, which is not installed: pip install xgboost-cpu"
            ) from None
        return library.XGBClassifier(tree_method="hist")
