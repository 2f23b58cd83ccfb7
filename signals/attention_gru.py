"""Paper 5: which are next month's ten best stocks; principal components, attention over them, a GRU."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from signals.factors.papers import PAPERS
from signals.labels import Label, TopK
from signals.paper_signals import PaperNetwork
from signals.preprocess import Chain, DropSparse, Pca, ZScore


class AttentionGruSignal(PaperNetwork):
    """Components of some 250 factors, weighted by attention, into a GRU; the score is p(among the ten best).

    Fitted anew at each decision on all months before it (t months for month t + 1). Sparse factors go, the others are
    standardised and brought down to the components that hold 90 % of their variance. The paper gives neither the
    length of a sequence nor units, batch and epochs; six months, 32, 100 and 50 are ours.

    With ten of fifty labelled 1, answering 0 always is right in 80 % of cases: judge it by
    :func:`signals.paper_checks.classification`. ``protocol="paper"`` fits the components on the whole history and
    stops on samples held out at random; ``honest`` fits them in each window and holds out its last months.

    Parameters
    ----------
    cell : {"attention-gru", "gru", "lstm", "rnn"}
        The paper's four networks.
    variance : float
        Share of variance that the components hold; from 1 on their number.
    over : {"factors", "steps"}
        What attention weighs, see :class:`signals.neural.networks.AttentionGRU`.
    """

    wanted: ClassVar[tuple[str, ...]] = PAPERS["paper-5"]
    label: ClassVar[Label | None] = TopK(k=10)

    refit: str = "every"
    window: str = "all"
    steps: int = Field(default=6, ge=1)
    cell: Literal["attention-gru", "gru", "lstm", "rnn"] = "attention-gru"  # type: ignore[assignment]
    over: Literal["factors", "steps"] = "factors"
    units: int = Field(default=32, ge=1)
    batch: int = Field(default=100, ge=1)
    epochs: int = Field(default=50, ge=1)
    variance: float = Field(default=0.9, gt=0.0)

    def chain(self) -> Chain:
        """The paper's own, unless ``preprocess`` names another."""
        if self.preprocess:
            return super().chain()
        keep = self.variance if self.variance < 1.0 else int(self.variance)
        return Chain(ZScore(), DropSparse(), Pca(keep=keep, missing="mean"))

    def network_params(self) -> dict[str, Any]:
        more = {"over": self.over} if self.cell == "attention-gru" else {}
        return {**super().network_params(), **more}
