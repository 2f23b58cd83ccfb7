"""Paper 2: one LSTM a stock, from days of factors to the next close, and a straight line beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from signals.learning import least_squares
from signals.learning.search import Space
from signals.next_price import Memory, NextClose, NextPrice, own_scale, remembered, scaled
from signals.paper_signals import PaperNetwork, standardised, with_facts
from signals.saved import Learnt

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from signals.trained import Window


ROWS = 16
"""Forecasts that a network makes at a time: of a day it is asked for one."""


class LstmPrice(NextPrice, PaperNetwork):
    """:class:`signals.next_price.NextPrice` by an LSTM for each stock.

    Each stock's inputs and closes are standardised by its own training days. Of 50 epochs the weights with the least
    error on the last tenth of the days are kept (``protocol="paper"``: on a tenth drawn at random, whose neighbours are
    among the training days). The loss of a search is the mean absolute error as a share of the close, as the paper has
    it; its lists of values are not printed, those of :attr:`space` are ours, as many as its 2,700 models in 50 epochs.

    Parameters
    ----------
    dense_layers, dense_units : int
        Between the LSTM and the price.
    """

    space: ClassVar[Space] = {
        "steps": (5, 10, 15), "layers": (1, 2, 3), "dense_layers": (1, 2, 3), "units": (16, 32),
    }  # fmt: skip

    cell: Literal["lstm", "rnn", "gru"] = "lstm"  # type: ignore[assignment]
    layers: int = Field(default=1, ge=1)
    units: int = Field(default=32, ge=1)
    dense_layers: int = Field(default=1, ge=0)
    dense_units: int = Field(default=16, ge=1)
    batch: int = Field(default=32, ge=1)
    epochs: int = Field(default=50, ge=1)
    patience: int = Field(default=0, ge=0)

    def network_params(self) -> dict[str, Any]:
        return {**super().network_params(), "dense_layers": self.dense_layers, "dense_units": self.dense_units}

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        clean, inputs = own_scale(window)
        clean, mean, std = standardised(clean)
        done = super().train(clean, seed, budget)
        return with_facts(Learnt({**done.arrays, **inputs}, done.facts), mean=mean, std=std)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted adjusted closes in yuan."""
        from signals.neural.outputs import predict

        found = predict(self.network_of(model), scaled(x, model.arrays), block=ROWS).astype(np.float64)
        return found * float(model.facts["std"]) + float(model.facts["mean"])

    def network_of(self, model: Learnt) -> Any:
        """The trained network; remembered for the next days."""
        return remembered(_NETWORKS, (id(model), ""), model, lambda: super(LstmPrice, self).network_of(model))


class LinearPrice(NextPrice):
    """Control: :class:`signals.next_price.NextPrice` by least squares for each stock; needs no torch.

    Parameters
    ----------
    ridge : float
        As of :func:`signals.learning.least_squares.fit`.
    """

    ridge: float = Field(default=0.01, ge=0.0)

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        clean, inputs = own_scale(window)
        done = least_squares.fit(clean, self.ridge)
        return Learnt({**done.arrays, **{f"input_{name}": one for name, one in inputs.items()}}, done.facts)

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted adjusted closes in yuan."""
        inputs = {name: model.arrays[f"input_{name}"] for name in ("middle", "spread")}
        return least_squares.answers(model, scaled(x, inputs))


def predicted_and_actual(
    market: Market, scores: Mapping[str, pd.DataFrame], stocks: int | Sequence[str] = 6
) -> dict[str, pd.DataFrame]:
    """The paper's picture of predicted against actual in numbers.

    Parameters
    ----------
    market : Market
    scores : mapping
        Of a walk-forward, by date of the decision.
    stocks : int or sequence of str
        Symbols, or how many of those with most predictions.

    Returns
    -------
    dict of str to DataFrame
        By symbol: ``date`` (of the close that was predicted), ``predicted``, ``actual`` and ``last`` (the close at the
        decision), adjusted yuan.
    """
    import pandas as pd

    from signals.paper_checks import outcomes

    known = outcomes(market, scores, NextClose())
    there = np.isfinite(known.predicted[:-1]) & np.isfinite(known.actual[:-1])
    chosen = (
        [market.symbols[i] for i in np.argsort(-there.sum(axis=0), kind="stable")[:stocks]]
        if isinstance(stocks, int) else list(stocks)
    )  # fmt: skip
    found = {}
    for symbol in chosen:
        i = market.index[symbol]
        rows = np.flatnonzero(there[:, i])
        columns = {"predicted": known.predicted, "actual": known.actual, "last": known.naive}
        values = {name: array[rows, i] for name, array in columns.items()}
        if len(rows):
            found[str(symbol)] = pd.DataFrame({"date": known.days[rows + 1], **values})
    return found


_NETWORKS: Memory = OrderedDict()
