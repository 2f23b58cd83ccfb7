"""From target weights to whole shares: what a basket has to sell and to buy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.lots import Lots, legal_buys, legal_sells

if TYPE_CHECKING:
    from engine.market import Market


class Entries(NamedTuple):
    """Orders of a basket, one a stock.

    Attributes
    ----------
    stocks : ndarray of int64, shape (K,)
    shares : ndarray of int64, shape (K,)
        Never negative, and 0 where less than a share, or a legal lot, is missing.
    targets : ndarray of float64, shape (K,)
        What is to be held afterwards, yuan.
    prices : ndarray of float64, shape (K,)
        The close that they are sized with, yuan.
    """

    stocks: np.ndarray
    shares: np.ndarray
    targets: np.ndarray
    prices: np.ndarray

    def only(self, which: np.ndarray) -> Entries:
        """Some of them, in their order."""
        return Entries(*(column[which] for column in self))


class Plan(NamedTuple):
    """The orders of a basket; ``unpriced`` are stocks that have no close to be sized with."""

    sales: Entries
    buys: Entries
    unpriced: Entries


def plan(
    market: Market,
    shares: np.ndarray,
    value: float,
    stocks: Sequence[int],
    weights: Sequence[float],
    t: int,
    lots: Lots | None,
) -> Plan:
    """Size a basket with the closes of session ``t``.

    Parameters
    ----------
    market : Market
    shares : ndarray of int64, shape (N,)
        What is held of each stock.
    value : float
        What the account is worth, fen.
    stocks : sequence of int
        No stock twice; a stock held but not named is sold.
    weights : sequence of float
        Fraction of the account's value to be held in each.
    t : int
        Session whose closes are known.
    lots : Lots, optional
        None where lots are off.

    Returns
    -------
    Plan
        Shares as ``order_target_percent`` would find them, brought to legal lots: what is not named first, by
        column, then the named in their order. A first purchase below one lot stays as it is: the order book refuses
        it with a reason.
    """
    named = np.asarray(stocks, dtype=np.int64)
    leaves = shares > 0
    leaves[named] = False
    leaving = np.flatnonzero(leaves)
    columns = np.concatenate([leaving, named])
    have = shares.take(columns)
    targets = np.zeros(len(columns))
    targets[len(leaving) :] = weights
    targets *= value / 100.0
    prices = np.asarray(market.mark[t].take(columns), dtype=np.float64)
    worth = have * prices
    leave = (targets == 0.0) & (have > 0)
    with np.errstate(invalid="ignore"):
        down, up = (targets < worth) & ~leave, targets > worth
    unpriced = np.isnan(prices) & (targets != 0.0)
    wished = np.where(leave, have, 0)
    moved = down | up
    wished[moved] = np.abs(targets - worth)[moved] // prices[moved]
    if lots is not None:
        sizes = lots.of(columns, t)
        legal = legal_buys(wished, sizes)
        wished = np.where(up, np.where((legal == 0) & (have == 0), wished, legal), wished)
        wished = np.where(down, legal_sells(wished, have, sizes), wished)
        wished[unpriced] = sizes.minimum[unpriced]
    else:
        wished[unpriced] = 1
    entries = Entries(columns, wished, targets, prices)
    return Plan(entries.only(down | leave), entries.only(up), entries.only(unpriced))
