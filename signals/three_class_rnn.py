"""Paper 4: will a stock rise by more than 3 % next month, fall by more, or neither; two years into an LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from signals.factors.papers import PAPERS
from signals.labels import Label, ThreeClass
from signals.paper_signals import PaperNetwork
from signals.preprocess import PAPERS as CHAINS
from signals.preprocess import Chain

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class ThreeClassRnn(PaperNetwork):
    """24 months of 48 factors, two layers of 400, three classes; the score is p(rise) - p(fall).

    The output layer's activations go along as ``p_-1``, ``p_0`` and ``p_1``, with ``predicted``, the class of the
    largest: portfolios by predicted class and by the top 30 % of each activation are made of these. Window: the nine
    years before the fit, as the paper's 2007-05 to 2016-04; refitted yearly, so that its year of trading sees one fit.
    The paper prints no list of its factors: these are ours, in its ten style groups.

    ``protocol="paper"`` holds out a tenth at random; windows of 24 months overlap, so a held-out sample has
    near-copies among the training samples, which is where the published 85 to 90 % come from. ``honest`` holds out
    the last tenth of the months.

    Parameters
    ----------
    cell : {"lstm", "rnn", "gru"}
        Kind of the recurrent layers.
    """

    wanted: ClassVar[tuple[str, ...]] = PAPERS["paper-4"]
    label: ClassVar[Label | None] = ThreeClass(threshold=0.03)

    refit: str = "yearly"
    window: str = "108M"
    steps: int = Field(default=24, ge=1)
    cell: Literal["lstm", "rnn", "gru"] = "lstm"  # type: ignore[assignment]
    layers: int = Field(default=2, ge=1)
    units: int = Field(default=400, ge=1)
    batch: int = Field(default=1000, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    epochs: int = Field(default=100, ge=1)

    def chain(self) -> Chain:
        """The paper's own, unless ``preprocess`` names another."""
        return super().chain() if self.preprocess else Chain(*CHAINS["paper-4"])

    def predict(self, view: View) -> pd.DataFrame:
        frame = super().predict(view)
        names = [f"p_{one:g}" for one in self.classes]
        largest = frame[names].to_numpy().argmax(axis=1) if len(frame) else np.empty(0, dtype=np.int64)
        return frame.assign(predicted=np.asarray(self.classes)[largest])
