"""The price itself."""

from __future__ import annotations

import numpy as np

from signals.factors.panel import FactorPanel
from signals.factors.registry import factor


@factor(
    "ln_price", chinese="股价取对数", family="price", direction=-1, unit="log yuan", inputs=("close",), lookback=1,
    source="paper 3, chart 13: ln_price",
)  # fmt: skip
def ln_price(panel: FactorPanel) -> np.ndarray:
    """Natural logarithm of the unadjusted close in yuan."""
    return panel.spread(np.log(panel.bars("close")))
