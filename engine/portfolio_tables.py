"""Many portfolios as arrays: what they hold, the orders that wait, and the journal of what became of them.

P portfolios over N stocks. A portfolio has at most one order a stock, so its orders fit into N records: its sales,
then its purchases, each in the sequence in which they are tried. Money is whole fen throughout.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine import matching
from engine.portfolio_lots import LotArrays

REASONS = (
    matching.SUSPENDED, matching.LIMIT_UP, matching.LIMIT_DOWN, matching.NOT_LISTED, matching.DELISTED,
    matching.T_PLUS_ONE, matching.LOT, matching.CASH, matching.OVERSELL,
)  # fmt: skip
"""Why an order of a portfolio may not trade; the journal keeps places in here."""
SUSPENDED, LIMIT_UP, LIMIT_DOWN, NOT_LISTED, DELISTED, T_PLUS_ONE, LOT, CASH, OVERSELL = range(len(REASONS))
NO_REASON = -1

OUTCOMES = ("pending", "changed", "done", "cut", "dropped", "cancelled")
"""What a refusal ends with (:class:`engine.refusals.Refusal`); the journal keeps places in here."""
PENDING, CHANGED, DONE, CUT, DROPPED, CANCELLED = range(len(OUTCOMES))

ORDER = np.dtype(
    [
        ("number", np.int64),  # among the portfolio's orders, from 1
        ("stock", np.int64),
        ("left", np.int64),  # shares still to trade; 0 once it is over
        ("done", np.int64),  # shares traded
        ("value", np.int64),  # fen traded, and of it charged as commission and transfer fee: minimums hold per order
        ("commission", np.int64),
        ("transfer_fee", np.int64),
        ("refusal", np.int64),  # place of its open refusal in the journal, or -1
        ("target", np.float64),  # yuan to be held, where it is sized at the fill; else 0
    ]
)
"""One order."""

REFUSAL = np.dtype(
    [
        ("portfolio", np.int64),
        ("t", np.int64),
        ("order", np.int64),
        ("stock", np.int64),
        ("wanted", np.int64),
        ("done", np.int64),
        ("days", np.int64),
        ("price", np.float64),
        ("earned", np.float64),
        ("reason", np.int64),
        ("outcome", np.int64),
        ("is_buy", np.int64),
    ]
)
"""One order, or part of one, that did not trade: :class:`engine.refusals.Refusal` as a record."""

FILL = np.dtype(
    [
        ("portfolio", np.int64),
        ("t", np.int64),
        ("order", np.int64),
        ("stock", np.int64),
        ("shares", np.int64),  # negative: sold
        ("value", np.int64),  # fen, as the fees
        ("commission", np.int64),
        ("stamp_duty", np.int64),
        ("transfer_fee", np.int64),
        ("other_fees", np.int64),
    ]
)
"""One fill."""

TAX = np.dtype([(name, np.int64) for name in ("portfolio", "t", "stock", "tax")])
"""Tax on dividends that a sale cost, fen."""

FILLS, REFUSALS, TAXES = range(3)
"""Places of the journal's tables."""

ROWS_A_TRY = 6
"""Refusals that one try of an order may write, and more."""


class Journal(NamedTuple):
    """What happened, in tables that grow; ``used`` says how many rows of each are."""

    fills: np.ndarray
    refusals: np.ndarray
    taxes: np.ndarray
    used: np.ndarray

    @classmethod
    def empty(cls, rows: int = 4096) -> Journal:
        """Tables without a row, with room for ``rows``."""
        return cls(np.zeros(rows, FILL), np.zeros(rows, REFUSAL), np.zeros(rows, TAX), np.zeros(3, np.int64))

    def grown(self) -> Journal:
        """The same with twice the room in each table that is more than half full."""
        used = self.used.tolist()
        fills, refusals, taxes = map(_doubled, (self.fills, self.refusals, self.taxes), used)
        return Journal(fills, refusals, taxes, self.used)

    def by_portfolio(self, portfolios: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Fills and refusals of each portfolio, in the sequence in which they were written."""
        found = []
        for table, used in ((self.fills, self.used[FILLS]), (self.refusals, self.used[REFUSALS])):
            owner = table["portfolio"][:used]
            ends = np.cumsum(np.bincount(owner, minlength=portfolios))
            found.append(np.split(table[:used][np.argsort(owner, kind="stable")], ends[:-1]))
        return found[0], found[1]


def _doubled(table: np.ndarray, used: int) -> np.ndarray:
    if 2 * used <= len(table):
        return table
    wider = np.zeros(2 * len(table), table.dtype)  # memory that is only touched when it is written to
    wider[:used] = table[:used]
    return wider


class Books(NamedTuple):
    """What the portfolios have, and what happened to them.

    Attributes
    ----------
    cash : ndarray of int64, shape (P,)
        Fen.
    shares, locked : ndarray of int64, shape (P, N)
        Held, and of these credited but not yet listed.
    owed : ndarray of int64, shape (P, N)
        Fen of tax on dividends by stock that the cash did not cover.
    owes : ndarray of bool, shape (P,)
        Whether there may be any.
    orders : ndarray of ORDER, shape (P, N)
    sales, counts : ndarray of int64, shape (P,)
        How many of a portfolio's orders are sales, and how many there are.
    waits : ndarray of bool, shape (P, N)
        Whether an order for the stock waits.
    blocked : ndarray of bool, shape (P,)
        Whether a sale of the session is to be tried again.
    lots : LotArrays
    journal : Journal
    """

    cash: np.ndarray
    shares: np.ndarray
    locked: np.ndarray
    owed: np.ndarray
    owes: np.ndarray
    orders: np.ndarray
    sales: np.ndarray
    counts: np.ndarray
    waits: np.ndarray
    blocked: np.ndarray
    lots: LotArrays
    journal: Journal

    @classmethod
    def empty(cls, portfolios: int, stocks: int, cash: int, lots: LotArrays) -> Books:
        """All in cash."""
        grid = portfolios, stocks
        return cls(
            np.full(portfolios, cash, dtype=np.int64),
            np.zeros(grid, np.int64),
            np.zeros(grid, np.int64),
            np.zeros(grid, np.int64),
            np.zeros(portfolios, bool),
            np.zeros(grid, ORDER),
            np.zeros(portfolios, np.int64),
            np.zeros(portfolios, np.int64),
            np.zeros(grid, bool),
            np.zeros(portfolios, bool),
            lots,
            Journal.empty(),
        )
