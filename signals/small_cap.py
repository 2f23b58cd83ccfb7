"""Size: small companies first (Banz 1981)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class SmallCap(Signal):
    """Minus the logarithm of market value.

    Formula: -ln(close * shares) with the session's raw close and share count.

    Parameters
    ----------
    shares : {"float", "total"}
        Which share count; the float by default.
    """

    shares: Literal["float", "total"] = "float"

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``; minus log yuan."""
        count = view.float_shares[-1] if self.shares == "float" else view.total_shares[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            return view.scores(-np.log(view.close[-1] * count))
