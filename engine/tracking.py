"""What baskets wanted, and how far the account was from it on each session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from engine.ledger import Ledger
    from engine.market import Market


class Basket(NamedTuple):
    """The targets of one basket.

    Attributes
    ----------
    made, known, first_fill : int
        Session of the decision, last one whose close it could see, first one on which its orders could fill.
    weights : dict of int to float
        Fraction of the account's value by stock.
    reasons : dict of int to str
        Of some stocks, those that are sold among them.
    whole : bool
        Whether all that is not named is sold; else only the named are changed.
    """

    made: int
    known: int
    first_fill: int
    weights: dict[int, float]
    reasons: dict[int, str]
    whole: bool


class Baskets:
    """All baskets of a run.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._all: list[Basket] = []

    def post(
        self, made: int, known: int, stocks: Sequence[int], weights: Sequence[float], reasons: Mapping[int, str],
        whole: bool = True,
    ) -> None:  # fmt: skip
        """Keep a basket made on session ``made`` with data up to ``known``; weights are fractions, one a stock."""
        first_fill = made if known < made else made + 1
        named = dict(zip(stocks, weights, strict=True))
        self._all.append(Basket(made, known, first_fill, named, dict(reasons), whole))

    def targets_frame(self) -> pd.DataFrame:
        """Targets by session of the decision; columns of ``targets.parquet``.

        ``reason`` is empty for most: ``RANK``, ``LEFT_UNIVERSE``, ``ST``, ``DELISTING`` say why a name was sold (its
        weight is 0), ``BUFFER`` and ``KEPT`` why it was not, ``LOT`` that its target is below a lot, ``SPARE`` that it
        took the place of such a name.
        """
        import pandas as pd

        rows = []
        for basket in self._all:
            sold = {i: 0.0 for i in basket.reasons if i not in basket.weights}
            for i, weight in sorted((basket.weights | sold).items()):
                rows.append((basket.made, i, weight, basket.reasons.get(i, "")))
        made, stocks, weights, reasons = zip(*rows, strict=True) if rows else ((), (), (), ())
        return pd.DataFrame(
            {
                "date": self._market.sessions[np.array(made, dtype=np.int64)].astype("datetime64[ms]"),
                "symbol": self._market.symbol_array[np.array(stocks, dtype=np.int64)],
                "weight": np.array(weights, dtype=np.float64),
                "reason": np.array(reasons, dtype=object),
            }
        )

    def tracking_frame(self, ledger: Ledger) -> pd.DataFrame:
        """How well the account followed its targets; columns of ``tracking.parquet``.

        One row a session from the first on which a basket could fill: ``cash`` and ``target_cash`` are fractions of
        the account's value and of the targets', ``off_target`` is half the sum of absolute differences between
        weights held and wanted, cash among them: 0 is exact, 1 nothing in common. Targets move with prices and
        dividends from the basket's close on, as a portfolio bought there without lots or costs would.
        """
        import pandas as pd

        t, value, cash, _ = ledger.equity_arrays()
        off, wanted_cash = np.full(len(t), np.nan), np.full(len(t), np.nan)
        held = {row: (stocks, shares) for row, stocks, shares in ledger.held()}
        basis: tuple[np.ndarray, np.ndarray, float] | None = None
        waiting = list(self._all)
        for k, session in enumerate(t.tolist()):
            while waiting and waiting[0].first_fill <= session:
                basis = self._begin(waiting.pop(0), basis)
            if basis is None:
                continue
            stocks, units, rest = basis
            worth = units * self._wealth(session, stocks)
            total = float(worth.sum()) + rest
            gap = np.zeros(len(self._market.symbols))
            gap[stocks] = -worth / total
            idle = 1.0
            if session in held:
                own, shares = held[session]
                have = shares * self._market.mark[session, own] / value[k]
                gap[own] += have
                idle -= float(have.sum())
            off[k] = 0.5 * (float(np.abs(gap).sum()) + abs(idle - rest / total))
            wanted_cash[k] = rest / total
        rows = np.flatnonzero(np.isfinite(off))
        return pd.DataFrame(
            {
                "date": self._market.sessions[t[rows]].astype("datetime64[ms]"),
                "cash": cash[rows] / value[rows],
                "target_cash": wanted_cash[rows],
                "off_target": off[rows],
            }
        )

    def _wealth(self, session: int, stocks: np.ndarray) -> np.ndarray:
        """Adjusted closes, carried forward; NaN counts as 0."""
        market = self._market
        return np.nan_to_num(market.mark[session, stocks] * market.adj_factor[session, stocks])

    def _begin(
        self, basket: Basket, before: tuple[np.ndarray, np.ndarray, float] | None
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Stocks, units of each, and cash, of a portfolio of 1 yuan that holds the targets at the basket's close."""
        weights = basket.weights
        if not basket.whole and before is not None:  # the named change, the rest goes on as it was
            stocks, units, rest = before
            worth = units * self._wealth(basket.known, stocks)
            total = float(worth.sum()) + rest
            weights = dict(zip(stocks.tolist(), (worth / total).tolist(), strict=True)) | weights
        stocks = np.array(sorted(weights), dtype=np.int64)
        shares = np.array([weights[i] for i in stocks.tolist()])
        wealth = self._wealth(basket.known, stocks)
        priced = wealth > 0
        units = np.where(priced, shares, 0.0) / np.where(priced, wealth, 1.0)
        return stocks, units, 1.0 - float(shares[priced].sum())
