"""Lots of many stocks at once: the rules of :func:`engine.rules.lot_rule` as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.rules import largest_order, lot_rule

if TYPE_CHECKING:
    from engine.market import Market


class LotArrays(NamedTuple):
    """Smallest order, step above it and largest order of some stocks; int64, shape (K,), shares."""

    minimum: np.ndarray
    step: np.ndarray
    largest: np.ndarray


class Lots:
    """The lots of a market's stocks by session.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        self._sessions = market.sessions
        self._boards, self._board_of = market.shared(_boards)
        self._t = -1
        self._rows: list[tuple[int, int, int]]
        self._rules: np.ndarray

    def of(self, stocks: np.ndarray, t: int) -> LotArrays:
        """The lots of ``stocks`` (int, shape (K,)) on session ``t``.

        Raises
        ------
        DataError
            If the table of lots does not know a board on that date.
        """
        return LotArrays(*self.rules(t).take(self._board_of.take(stocks), axis=1))

    def rules(self, t: int) -> np.ndarray:
        """Minimum, step and largest order of each board on session ``t``; the same object while they are the same."""
        if t != self._t:
            session = self._sessions[t]
            rows = [(*lot_rule(board, session), largest_order(board, session)) for board in self._boards]
            if self._t < 0 or rows != self._rows:
                self._rows, self._rules = rows, np.array(rows, dtype=np.int64).reshape(-1, 3).T.copy()
            self._t = t
        return self._rules


def _boards(market: Market) -> tuple[list[str], np.ndarray]:
    names = sorted(set(market.boards))
    place = {board: k for k, board in enumerate(names)}
    return names, np.array([place[board] for board in market.boards], dtype=np.intp)


def legal_buys(shares: np.ndarray, lots: LotArrays) -> np.ndarray:
    """:func:`engine.rules.legal_buy` of each; int64, shape (K,)."""
    return np.where(shares < lots.minimum, 0, shares - (shares - lots.minimum) % lots.step)


def legal_sells(shares: np.ndarray, held: np.ndarray, lots: LotArrays) -> np.ndarray:
    """:func:`engine.rules.legal_sell` of each; int64, shape (K,)."""
    regular = legal_buys(shares, lots)
    odd = held % lots.step
    with_rest = np.where((odd > 0) & (odd <= shares), shares - (shares - odd) % lots.step, 0)
    return np.where(shares >= held, held, np.maximum(regular, with_rest))
