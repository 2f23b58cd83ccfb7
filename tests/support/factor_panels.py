"""Panels for the tests of factors: a few real stocks, chosen by their place in the list."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import numpy as np
import pytest
from real_data import DATA, WHY

from feeds.store import open_market
from signals.factors.panel import FactorPanel
from signals.factors.recursions import Recursions
from signals.factors.registry import Factor, of_users, registered


@cache
def real_panel(stocks: int = 4, start: str = "2014-07-01", end: str = "2016-12-30") -> FactorPanel:
    """Stocks at even distances in the list of securities; skips the test where the real data are not here."""
    if not DATA.is_dir():
        pytest.skip(WHY)
    import pandas as pd

    listed = pd.read_parquet(DATA / "securities.parquet", columns=["symbol", "first_bar", "last_bar"])
    there = listed[(listed["first_bar"] < "2015-06-01") & (listed["last_bar"] > "2016-01-01")]
    symbols = sorted(there["symbol"])[:: max(1, len(there) // stocks)][:stocks]
    return FactorPanel(open_market(str(DATA), universe=symbols, start=start, end=end))


class Rows:
    """What packed factors read of a panel, over given bars."""

    def __init__(self, fields: dict[str, np.ndarray], starts: np.ndarray) -> None:
        self.fields, self.starts = fields, np.asarray(starts, dtype=np.int64)
        self.runs = self.starts
        self.memo: dict[Hashable, Any] = {}
        self.recursions = Recursions(self.starts[:-1], self.starts[:-1], self.starts[1:])

    @classmethod
    def of(cls, panel: FactorPanel, low: int, high: int) -> Any:
        """Rows ``low`` to ``high`` of a panel as the bars of one stock."""
        names = ("open", "high", "low", "close", "preclose", "volume", "amount", "adj_factor")
        return cls({name: panel.bars(name)[low:high] for name in names}, np.array([0, high - low]))

    def bars(self, field: str) -> np.ndarray:
        return self.fields[field]

    def adjusted(self, field: str) -> np.ndarray:
        return self.shared(("adjusted", field), lambda: self.bars(field) * self.bars("adj_factor"))

    def shared(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]


def library() -> list[Factor]:
    """The factors of the library, without what other tests of this process have declared."""
    users = {one.name for one in of_users()}
    return [one for one in registered().values() if one.name not in users]
