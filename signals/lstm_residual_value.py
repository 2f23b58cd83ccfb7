"""Paper 1: next month's market value by an LSTM, or a straight line; a stock worth less than predicted is good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from signals.factors.papers import PAPERS
from signals.labels import Label, MarketValue
from signals.learning import least_squares
from signals.learning.search import Candidate, Space, search_of
from signals.paper_signals import PaperNetwork, PaperSignal, standardised, with_facts
from signals.preprocess import PAPERS as CHAINS
from signals.preprocess import Chain, WinsoriseMad, ZScore
from signals.saved import Learnt
from signals.trained import TrainedSignal

if TYPE_CHECKING:
    from engine.view import View
    from signals.trained import Window

STATIC: dict[int, dict[str, Any]] = {
    1: {"batch": 20, "layers": 2, "units": 32, "learning_rate": 0.001},
    2: {"batch": 40, "layers": 1, "units": 64, "learning_rate": 0.005},
    3: {"batch": 60, "layers": 3, "units": 128, "learning_rate": 0.01},
}
"""The paper's table 8; its table 9 finds the second best."""

SPACES: dict[str, Space] = {
    "static": {"static": tuple(STATIC)},
    "grid": {
        "batch": (20, 40, 60),
        "layers": (1, 2, 3),
        "units": (32, 64, 128, 256),
        "learning_rate": (1.0, 0.1, 0.05, 0.01, 0.005, 0.001),
    },
}
"""What a search goes through, by name: table 8, and the 216 points of table 10."""

HONEST = Chain(WinsoriseMad(n=3, scaled=True), ZScore())
"""Paper 1's chain without its filling."""

_DROPPED = ("eps_basic", "net_margin_q", "roe_ttm")


class ResidualValue(PaperSignal):
    """(predicted - actual) / actual market value, from six months of the 17 factors of table 4.

    What is learnt is next month's logarithm of market value. ``protocol="paper"`` fills a missing factor with the mean
    of the stock's other factors before standardising and validates on samples drawn at random; ``honest`` leaves gaps
    at 0 behind standardising.
    """

    wanted: ClassVar[tuple[str, ...]] = tuple(name for name in PAPERS["paper-1"] if name not in _DROPPED)
    label: ClassVar[Label | None] = MarketValue()

    refit: str = "3M"
    window: str = "12M"
    steps: int = Field(default=6, ge=1)
    validation: float = Field(default=0.1, ge=0.0, lt=1.0)

    def chain(self) -> Chain:
        """Winsorised at the median plus and minus three scaled MAD, z-scored; the paper's own under its protocol."""
        if self.preprocess:
            return super().chain()
        return Chain(*CHAINS["paper-1"]) if self.protocol == "paper" else HONEST

    def score(self, output: np.ndarray, view: View, stocks: np.ndarray) -> np.ndarray:
        """(predicted - actual) / actual, both in yuan, actual as of the decision."""
        with np.errstate(over="ignore"):
            return np.exp(output) / _value(view)[stocks] - 1.0


class LstmResidualValue(ResidualValue, PaperNetwork):
    """:class:`ResidualValue` by an LSTM.

    Labels are standardised by their training mean and deviation, because the paper's learning rates leave a bias of 23
    log yuan no time to grow. Each model keeps the R2 of log yuan on its training and validation samples;
    :mod:`signals.paper_checks` has that of later months and the paper's check of validity. The paper gives neither
    optimizer nor epochs; Adam and early stopping on the last decisions of the window are ours.

    Parameters
    ----------
    static : {0, 1, 2, 3}
        A set of :data:`STATIC` in place of ``batch``, ``layers``, ``units`` and ``learning_rate``.
    searched : {"grid", "static"}
        Which of :data:`SPACES` a ``search`` goes through.
    searches : dict of str to str
        By date of the fit, the search of that window in place of ``search``; ``none`` for none.
    """

    not_in_a_model: ClassVar[frozenset[str]] = TrainedSignal.not_in_a_model | {"searched", "searches"}

    batch: int = Field(default=40, ge=1)
    layers: int = Field(default=1, ge=1)
    units: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=0.005, gt=0.0)
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=5, ge=0)
    static: Literal[0, 1, 2, 3] = 0
    searched: Literal["grid", "static"] = "grid"
    searches: dict[str, str] = Field(default_factory=dict)

    @field_validator("searches")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if name != "none":
                search_of(name)
        return value

    @property
    def space(self) -> Space:  # type: ignore[override]
        """Of :data:`SPACES`."""
        return SPACES[self.searched]

    def _searched(self, window: Window) -> Candidate:
        own = self.having({"search": self.searches.get(window.day, self.search), "searches": {}})
        return TrainedSignal._searched(own, window)

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        if self.static:
            return self.having({**STATIC[self.static], "static": 0}).train(window, seed, budget)
        scaled, mean, std = standardised(window)
        shape = {"layers": self.layers, "units": self.units}
        return with_facts(super().train(scaled, seed, budget), mean=mean, std=std, **shape)

    def network_of(self, model: Learnt) -> Any:
        shape = {"layers": model.facts["layers"], "units": model.facts["units"], "static": 0}
        own = {name: getattr(self, name) for name in shape}
        return super().network_of(model) if own == shape else self.having(shape).network_of(model)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted logarithms of next market values in yuan."""
        return super().output(model, x).astype(np.float64) * model.facts["std"] + model.facts["mean"]


class LinearResidualValue(ResidualValue):
    """Control: :class:`ResidualValue` by least squares on the same inputs; needs no torch.

    Parameters
    ----------
    ridge : float
        As of :func:`signals.learning.least_squares.fit`.
    """

    ridge: float = Field(default=1e-6, ge=0.0)

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        return least_squares.fit(window, self.ridge)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted logarithms of next market values in yuan."""
        return least_squares.answers(model, x)


def _value(view: View) -> np.ndarray:
    return np.asarray(view.close[-1] * view.total_shares[-1])
