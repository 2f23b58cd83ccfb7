"""What a run of layered portfolios says: long-short, calendar years with ranks, sizes and industries (paper 3).

Portfolios are named ``group/1`` (highest scores) to ``group/N`` and ``group/benchmark``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.measures import period_returns
from engine.net_value_measures import Row, long_short_value, row

Array = np.ndarray

BENCHMARK = "benchmark"
"""Name of the portfolio of all layers of a group together, beside ``1`` to ``N``."""


class Group(NamedTuple):
    """One group of layers over the sessions on which it held anything.

    Attributes
    ----------
    name : str
    dates : ndarray of datetime64[D], shape (T,)
        The session before the first purchase, and on to the last session with a holding.
    layers : list of ndarray, each shape (T,)
        Account values, yuan; layer 1 first.
    benchmark : ndarray, shape (T,), or None
    traded : list of ndarray, each shape (T,)
        Yuan bought plus sold.
    """

    name: str
    dates: Array
    layers: list[Array]
    benchmark: Array | None
    traded: list[Array]

    def rows(self) -> list[Row]:
        """The paper's figures of each layer."""
        pairs = zip(self.layers, self.traded, strict=True)
        return [row(self.dates, value, self.benchmark, traded) for value, traded in pairs]

    def long_short(self) -> Array:
        """Net value of layer 1 over that of the last layer, shape (T,), 1 on the first date."""
        return long_short_value(self.layers[0], self.layers[-1])

    def order(self) -> list[int]:
        """Numbers of the layers from the highest annual return to the lowest."""
        growth = np.array([value[-1] / value[0] for value in self.layers])
        return (np.argsort(-growth, kind="stable") + 1).tolist()  # type: ignore[no-any-return]


class Years(NamedTuple):
    """Returns of layers by calendar year.

    ``years`` (Y,), ``returns`` (Y, N) fractions, ``ranks`` (Y, N) with 1 for the highest, ``mean_rank`` (N,).
    """

    years: Array
    returns: Array
    ranks: Array
    mean_rank: Array


def by_year(group: Group) -> Years:
    """Return and rank of each layer in each calendar year; ties rank in order of the layer.

    Years at either end count as far as the run reaches.
    """
    found = [period_returns(group.dates, value, "Y") for value in group.layers]
    returns = np.stack([one for _, one in found], axis=1)
    ranks = np.argsort(np.argsort(-returns, axis=1, kind="stable"), axis=1, kind="stable") + 1
    return Years(found[0][0].astype("datetime64[Y]"), returns, ranks, ranks.mean(axis=0))


def groups_of(
    dates: Array, value: Mapping[str, Array], cash: Mapping[str, Array], traded: Mapping[str, Array]
) -> list[Group]:
    """The groups of a run whose portfolios are layers, in its order; none where they are not.

    Parameters
    ----------
    dates : ndarray of datetime64[D], shape (T,)
    value, cash, traded : mapping of str to ndarray, shape (T,)
        By portfolio, yuan.
    """
    names: dict[str, list[str]] = {}
    for name in value:
        group, slash, layer = name.rpartition("/")
        if slash and (layer.isdecimal() or layer == BENCHMARK):
            names.setdefault(group, []).append(name)
    found = []
    for group, members in names.items():
        layers = sorted((name for name in members if not name.endswith(BENCHMARK)), key=lambda n: int(n.split("/")[-1]))
        invested = np.flatnonzero(np.any([np.abs(value[n] - cash[n]) > 0.005 for n in members], axis=0))
        if len(layers) < 2 or not len(invested):
            continue
        span = slice(max(int(invested[0]) - 1, 0), int(invested[-1]) + 1)
        benchmark = value.get(f"{group}/{BENCHMARK}")
        found.append(
            Group(
                group,
                dates[span],
                [value[name][span] for name in layers],
                None if benchmark is None else benchmark[span],
                [traded[name][span] for name in layers],
            )
        )
    return found
