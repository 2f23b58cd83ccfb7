"""The account of one of several portfolios: many plain fills are booked in one go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.account import Account
from engine.day_fees import Charges
from engine.ledger import Ledger
from engine.rules import Rules
from engine.trades import Trade

if TYPE_CHECKING:
    from engine.market import Market

_NO_TRADES: list[Trade] = []
_NONE = np.zeros(0, dtype=np.int64)


class PlainFills(NamedTuple):
    """Whole orders of one side that fill at one price each.

    Attributes
    ----------
    orders : ndarray of int64, shape (K,)
        Numbers of the orders.
    stocks : ndarray of int64, shape (K,)
        No stock twice.
    shares : ndarray of int64, shape (K,)
        Above 0, of purchases and sales alike.
    values : ndarray of int64, shape (K,)
        Fen.
    fees : tuple of four ndarrays of int64, shape (K,)
        Fen.
    """

    orders: np.ndarray
    stocks: np.ndarray
    shares: np.ndarray
    values: np.ndarray
    fees: Charges

    def only(self, which: np.ndarray) -> PlainFills:
        """Some of them, in their order."""
        a, b, c, d = self.fees
        fees = a[which], b[which], c[which], d[which]
        return PlainFills(self.orders[which], self.stocks[which], self.shares[which], self.values[which], fees)

    @property
    def charged(self) -> np.ndarray:
        """All fees of each, fen."""
        return self.fees[0] + self.fees[1] + self.fees[2] + self.fees[3]


class PortfolioLedger(Ledger):
    """A ledger that also takes fills as columns."""

    def __init__(self, market: Market, cash: Any, exact: bool) -> None:
        super().__init__(market, cash, exact)
        self._plain: list[tuple[int, bool, PlainFills]] = []

    def plain_fills(self, t: int, is_buy: bool, fills: PlainFills) -> None:
        """Post fills of session ``t``."""
        self._plain.append((t, is_buy, fills))
        value = int(fills.values.sum())
        self._expected += (-value if is_buy else value) - int(fills.charged.sum())

    def refusal_counts(self) -> dict[str, int]:
        """Refusals by reason."""
        return dict(sorted(Counter(row.reason for row in self._refusals).items()))

    def fill_columns(self) -> dict[str, np.ndarray]:
        """All fills by session and order number.

        Returns
        -------
        dict of str to ndarray, shape (K,)
            ``t``, ``order``, ``stock``, ``shares`` (negative: sold) int64; ``price`` yuan; ``commission``,
            ``stamp_duty``, ``transfer_fee``, ``other_fees`` fen; ``slippage`` yuan.
        """
        names = ("t", "order", "stock", "shares", "price", "commission", "stamp_duty", "transfer_fee", "other_fees",
                 "slippage")  # fmt: skip
        kinds = [np.int64] * 4 + [np.float64] + [np.int64 if self.exact else np.float64] * 4 + [np.float64]
        singly = zip(*(fill[:10] for fill in self._fills), strict=True) if self._fills else [()] * len(names)
        parts = {name: [np.array(column, kind)] for name, column, kind in zip(names, singly, kinds, strict=True)}
        for t, is_buy, fills in self._plain:
            count = len(fills.stocks)
            columns = (
                np.full(count, t), fills.orders, fills.stocks, fills.shares if is_buy else -fills.shares,
                fills.values / (100.0 * fills.shares), *fills.fees, np.zeros(count),
            )  # fmt: skip
            for name, column in zip(names, columns, strict=True):
                parts[name].append(column)
        whole = {name: np.concatenate(columns) for name, columns in parts.items()}
        order = np.lexsort((whole["order"], whole["t"]))
        return {name: column[order] for name, column in whole.items()}


class PortfolioAccount(Account):
    """An account whose round trips nobody is told of."""

    ledger: PortfolioLedger

    def __init__(self, market: Market, cash: float, rules: Rules) -> None:
        super().__init__(market, cash, rules)
        self.ledger = PortfolioLedger(market, self.cash, self.exact)

    def _trade(self, i: int, owner: Any, data: Any, tradeid: int, size: int, price: float, comm: float) -> list[Trade]:
        return _NO_TRADES

    @property
    def tied(self) -> set[int]:
        """Stocks of which not all shares can be sold now."""
        return self.desk.locked.keys() | self._bought.keys()

    @property
    def taxed(self) -> set[int]:
        """Stocks whose sale may cost tax on dividends received before."""
        return self._pending

    def withhold(self, i: int, t: int, quantity: int) -> None:
        """Take that tax for a sale of ``quantity`` shares that is still to be booked."""
        self._withhold(i, t, self.holdings[i], quantity)

    def book(self, t: int, is_buy: bool, fills: PlainFills) -> None:
        """Change holdings, lots and ledger as :meth:`engine.account.Account.execute` would, fill by fill.

        The cash is the caller's matter, who knows in which order it came and went, and so is the tax on dividends. What
        is sold must not be :attr:`tied`.
        """
        holdings, costs = self.holdings, self.costs
        stocks, shares = fills.stocks.tolist(), fills.shares
        old = np.array([holdings.get(i, 0) for i in stocks], dtype=np.int64)
        if is_buy:
            new = old + shares
            before = np.array([costs.get(i, 0.0) for i in stocks])
            price = fills.values / (100.0 * shares)
            holdings.update(zip(stocks, new.tolist(), strict=True))
            averages = np.where(old > 0, (old * before + shares * price) / new, price)
            costs.update(zip(stocks, averages.tolist(), strict=True))
            bought = [(i, number) for i, number in zip(stocks, shares.tolist(), strict=True)]
            self._bought.update((i, number) for i, number in bought if i not in self._same_day)
            if self._taxed:
                for i, number in bought:
                    self._lot(i, self._day, number)
        else:
            for i, left in zip(stocks, (old - shares).tolist(), strict=True):
                if left:
                    holdings[i] = left
                else:
                    del holdings[i], costs[i]
                    self._lots.clear(i)
        self._arrays = None
        self.ledger.plain_fills(t, is_buy, fills)

    def _record(self, t: int, held: np.ndarray, shares: np.ndarray) -> None:
        """The session's end without the holdings, which follow from the fills."""
        self.ledger.close_session(
            t, self.cash, min(self.cash, self.settled), self.value, _NONE, _NONE, _NONE, self.desk.receivable
        )
