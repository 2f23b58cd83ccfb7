"""Corporate actions of many portfolios held as arrays.

Who is concerned is found for all portfolios at once; what an action does to one that is, its
:class:`engine.entitlements.CorporateDesk` says, as for any account.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import corporate
from engine.entitlements import Booking, CorporateDesk
from engine.portfolio_day import pays_tax
from engine.portfolio_lots import LotPool, PortfolioLots
from engine.portfolio_tables import Books
from engine.rules import Rules

if TYPE_CHECKING:
    from engine.market import Market

Posting = tuple[int, int, str, int, int, int]
"""One entry of ``corporate.parquet``: session, stock, kind, change of shares, cash and tax (fen)."""


class Row(MutableMapping[int, int]):
    """Whole numbers by stock in a row of an array, shape (N,); a stock with 0 is not there."""

    def __init__(self, row: np.ndarray) -> None:
        self._row = row

    def __getitem__(self, i: int) -> int:
        found = int(self._row[i])
        if not found:
            raise KeyError(i)
        return found

    def __setitem__(self, i: int, number: int) -> None:
        self._row[i] = number

    def __delitem__(self, i: int) -> None:
        self._row[i] = 0

    def __contains__(self, i: Any) -> bool:
        return bool(self._row[i])

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(self._row).tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(self._row))


class PortfolioActions:
    """The desks of all portfolios.

    Parameters
    ----------
    market : Market
    rules : Rules
    books : Books
    pool : LotPool
        Their purchase lots.

    Attributes
    ----------
    postings : list of list of Posting
        By portfolio.
    """

    def __init__(self, market: Market, rules: Rules, books: Books, pool: LotPool) -> None:
        self._rules, self._books = rules, books
        self._events = market.shared(corporate.EventBook)
        self._holdings = [Row(row) for row in books.shares]
        self._waiting = [Row(row) for row in books.waits]
        self._desks = [CorporateDesk(market, rules) for _ in books.cash]
        for p, desk in enumerate(self._desks):
            desk.locked, desk.owed = Row(books.locked[p]), Row(books.owed[p])
            if pays_tax(rules):
                desk.lots = PortfolioLots(pool, p)
        self.postings: list[list[Posting]] = [[] for _ in books.cash]
        self._posted = np.zeros(len(books.cash), dtype=np.int64)

    @property
    def receivable(self) -> np.ndarray:
        """Fen after tax of dividends past their ex-date that are not paid yet; int64, shape (P,)."""
        return np.array([desk.receivable for desk in self._desks], dtype=np.int64)

    def concerned(self, t: int) -> dict[int, list[corporate.Action]]:
        """Portfolios for which session ``t`` may have payments, actions or delistings, and the actions that may be."""
        books, actions = self._books, self._events.actions_on(t)
        due = books.owes | np.array([desk.is_due(t) or desk.has_rights for desk in self._desks])
        stocks = np.array([action.event.i for action in actions] + self.gone(t), dtype=np.int64)
        touched = (books.shares[:, stocks] > 0) | books.waits[:, stocks]
        found = {}
        for p in np.flatnonzero(due | touched.any(axis=1)).tolist():
            near = np.flatnonzero(touched[p, : len(actions)]).tolist()
            found[p] = actions if self._desks[p].has_rights else [actions[k] for k in near]
        return found

    def open(
        self, p: int, t: int, actions: Sequence[corporate.Action]
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Book payments and ex-dates of session ``t``.

        Returns
        -------
        (dict of int to float, dict of int to float)
            Shares after per share before, and price before over reference price, of the stocks with an ex-date that
            are held or whose orders wait.
        """
        if not self._rules.corporate_actions:
            return {}, {}
        cash, holdings, waiting = int(self._books.cash[p]), self._holdings[p], self._waiting[p]
        ratios, bookings = self._desks[p].open(t, holdings, cash, waiting, actions)
        self._book(p, t, bookings)
        self._books.owes[p] = self._books.owed[p].any()
        return ratios, {action.event.i: action.event.factor_ratio for action in actions}

    def gone(self, t: int) -> list[int]:
        """Stocks that session ``t`` finds gone from the market."""
        return self._events.delisted_on(t)

    def settle(self, p: int, t: int) -> None:
        """Book what session ``t`` makes of holdings that left the market."""
        if not (self.gone(t) or self._desks[p].is_due(t)):
            return
        self._book(p, t, self._desks[p].settle(t, self._holdings[p]))
        self._books.owes[p] = self._books.owed[p].any()

    def close(self, t: int) -> None:
        """After the close of session ``t``: who has the rights of actions to come."""
        if self._rules.corporate_actions and self._events.recorded_on(t):
            for desk, holdings in zip(self._desks, self._holdings, strict=True):
                desk.close(t, holdings)

    def _book(self, p: int, t: int, bookings: list[Booking]) -> None:
        for i, kind, shares, cash, tax, _ in bookings:
            self.postings[p].append((t, i, kind, shares, cash, tax))
            self._posted[p] += cash - tax
            self._books.cash[p] += cash - tax
            self._books.shares[p, i] += shares

    def posted(self) -> np.ndarray:
        """Fen that came in (negative: went out) since this was asked last; int64, shape (P,)."""
        found, self._posted = self._posted, np.zeros_like(self._posted)
        return found

    def taxed(self, rows: np.ndarray) -> None:
        """Post the tax on dividends that sales have paid; ``rows`` of TAX."""
        for p, t, i, tax in rows.tolist():
            self.postings[p].append((t, i, corporate.TAX, 0, 0, tax))
            self._posted[p] -= tax


def followed(left: int, held: int, ratio: float, is_sale: bool) -> int:
    """Shares that an order of ``left`` asks for after an ex-date: those of a sale of all are all that are ``held``.

    ``ratio`` is shares after per share before, ``held`` those after.
    """
    return held if is_sale and left == math.floor(held / ratio + 0.5) else int(left * ratio)
