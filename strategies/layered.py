"""Layered portfolios: stocks sorted by score inside each industry and cut into layers of equal weight (paper 3).

Inside an industry of n stocks each has the weight 1/n, and the cumulated weight is cut into N equal parts; a stock on
a cut belongs to both layers, each with its part. Five stocks in three layers: the first holds stocks 1 and 2 as 3:2,
the second 2, 3, 4 as 1:3:1, the third 4 and 5 as 2:3 (the paper's chart 25). Industries weigh what they weigh in an
index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, nearest
from engine.layers import BENCHMARK
from strategies.industries import industry_names, industry_weights, total_values
from strategies.portfolios import PortfoliosStrategy, Weights

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View

GROUPS = ("all", "size", "industry")
"""What layers are formed in: all stocks, each third by market value, or each industry."""

SIZES = ("large", "middle", "small")


def parts(places: np.ndarray, counts: np.ndarray, layers: int) -> np.ndarray:
    """What of each stock's weight falls into each layer.

    Parameters
    ----------
    places : ndarray of int, shape (K,)
        Of the stock in its industry, from 0 for the highest score.
    counts : ndarray of int, shape (K,)
        Stocks of that industry.
    layers : int

    Returns
    -------
    ndarray of int64, shape (K, layers)
        In units of 1 / ``layers`` of the stock's weight; over an industry's stocks a layer's parts sum to the count.
    """
    first, count, layer = places[:, None], counts[:, None], np.arange(layers)[None, :]
    ends = np.minimum((first + 1) * layers, (layer + 1) * count)
    return np.maximum(ends - np.maximum(first * layers, layer * count), 0).astype(np.int64)


class Layered(PortfoliosStrategy):
    """Layers of scores, industry-neutral.

    Parameters
    ----------
    layers : int
        5 by default; layer 1 has the highest scores.
    by : {"all", "size", "industry"}
        Form the layers among all scored stocks, within each third by total market value, or within each industry.
    index : str
        Whose industry weights (float value of its members, a proxy) the layers have; industries without a scored stock
        in a group are left out and the others scaled up. Not used within single industries. With ``""`` industries
        count for nothing: the stocks of a group are cut as if they were of one.

    Which stocks take part is the universe's matter (``--exclude``); who has no known industry does not.
    """

    params = (("layers", 5), ("by", "all"), ("index", "csi300"))

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If ``layers`` is below 2, ``by`` is unknown, or there is no signal to sort by.
        """
        if self.p.layers < 2:
            raise ConfigError(f"strategy layered was asked for {self.p.layers} layers; give layers=2 or more")
        if self.p.by not in GROUPS:
            raise ConfigError(f"strategy layered cannot form layers by '{self.p.by}'; {nearest(self.p.by, GROUPS)}")
        if self.p.signal is None:
            raise ConfigError("strategy layered sorts by scores; give it a signal")
        super().start()

    def names(self) -> Sequence[str]:
        """``group/layer`` with the layers ``1`` to ``N`` and ``benchmark``, group by group."""
        groups: Sequence[str] = {"all": ("all",), "size": SIZES}.get(self.p.by, ())
        if self.p.by == "industry":
            views = (self.market.view(t) for t in sorted(self._decisions))
            groups = sorted({kind for view in views for kind in industry_names(view) if isinstance(kind, str)})
        return [f"{group}/{layer}" for group in groups for layer in (*range(1, self.p.layers + 1), BENCHMARK)]

    def portfolios(self, scores: pd.DataFrame, view: View) -> Weights:  # type: ignore[override]
        """Weights of every layer of every group, and of the group as a whole."""
        by_industry = self.p.by == "industry"
        plain = not (self.p.index or by_industry)
        kinds = np.full(len(view.symbols), "all", dtype=object) if plain else industry_names(view)
        stocks = np.array(self.market.columns(scores.index.tolist()), dtype=np.int64)
        values = scores["score"].to_numpy(dtype=np.float64)
        stocks = stocks[np.lexsort((stocks, -values))]
        stocks = stocks[np.array([isinstance(kind, str) for kind in kinds[stocks]], dtype=bool)]
        if by_industry:
            return self._layers({str(kind): stocks[kinds[stocks] == kind] for kind in set(kinds[stocks])}, kinds, {})
        groups = {"all": stocks}
        if self.p.by == "size":
            worth = np.nan_to_num(total_values(view)[stocks])
            thirds = np.array_split(np.lexsort((stocks, -worth)), len(SIZES))
            groups = {name: stocks[np.sort(third)] for name, third in zip(SIZES, thirds, strict=True)}
        return self._layers(groups, kinds, {} if plain else industry_weights(view, self.p.index).weights)

    def _layers(self, groups: dict[str, np.ndarray], kinds: np.ndarray, heavy: dict[str, float]) -> Weights:
        """Layers of groups whose stocks are sorted from the highest score; ``heavy`` are weights of industries."""
        found = {name: dict[str, float]() for name in self.broker.names} if self.together else {}
        symbols = self.market.symbol_array
        for group, stocks in groups.items():
            _, kind, counts = np.unique(kinds[stocks].astype(str), return_inverse=True, return_counts=True)
            names = kinds[stocks]
            share = np.array([heavy.get(name, 0.0) for name in names]) if heavy else np.ones(len(stocks))
            by_kind = np.argsort(kind, kind="stable")
            places = np.empty(len(stocks), dtype=np.int64)
            places[by_kind] = np.arange(len(stocks)) - np.repeat(np.cumsum(counts) - counts, counts)
            count = counts[kind] if len(stocks) else counts
            whole = share / count
            total = whole.sum()
            if not total > 0.0:
                continue
            whole = whole / total
            layered = parts(places, count, self.p.layers) * whole[:, None]
            for layer in range(self.p.layers):
                held = np.flatnonzero(layered[:, layer])
                found[f"{group}/{layer + 1}"] = dict(
                    zip(symbols[stocks[held]].tolist(), layered[held, layer].tolist(), strict=True)
                )
            held = np.flatnonzero(whole)
            found[f"{group}/{BENCHMARK}"] = dict(zip(symbols[stocks[held]].tolist(), whole[held].tolist(), strict=True))
        return found
