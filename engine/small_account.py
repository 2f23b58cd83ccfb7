"""What whole lots do to a small account: stocks too dear for their target, and the cash that rounding leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from engine.account import Account
from engine.basket import Plan
from engine.lots import Lots

Fees = Callable[[int, float, int], float]
"""Fees in yuan of a trade in a stock: ``fees(i, value in yuan, shares)``, the shares negative for a sale."""

_HALF_FEN = 0.005


class Seated(NamedTuple):
    """Stocks and weights of a basket, and the stocks that were too dear: with the shares of their target."""

    stocks: list[int]
    weights: list[float]
    too_dear: list[tuple[int, int]]


def seat(
    account: Account, stocks: Sequence[int], weights: Sequence[float], spares: Iterable[int], t: int, lots: Lots
) -> Seated:
    """Give the target of each stock whose smallest lot costs more to the first spare whose lot does not.

    Parameters
    ----------
    account : Account
    stocks, weights : sequence, length K
        The basket, fractions of the account's value. Stocks held, or without a close, stay.
    spares : iterable of int
        Best first; those of the basket are passed over, and none is taken twice.
    t : int
        Session whose closes size the basket.
    lots : Lots

    Returns
    -------
    Seated
        ``too_dear`` holds spares that were passed over as well. With no spare left the place stays empty.
    """
    value, marks, named = account.value / 100.0, account.market.mark[t], set(stocks)
    waiting = [i for i in spares if i not in named]
    columns = np.array([*stocks, *waiting], dtype=np.int64)
    least = dict(zip(columns.tolist(), lots.of(columns, t).minimum.tolist(), strict=True))
    prices = dict(zip(columns.tolist(), marks.take(columns).tolist(), strict=True))
    queue = iter(waiting)
    found = Seated([], [], [])
    for first, weight in zip(stocks, weights, strict=True):
        i: int | None = first
        while i is not None:
            shares = _shares(weight * value, prices[i])
            if shares is None or shares >= least[i] or weight == 0.0 or i in account.holdings:
                found.stocks.append(i)
                found.weights.append(weight)
                break
            found.too_dear.append((i, max(shares, 1)))
            i = next(queue, None)
    return found


def _shares(target: float, price: float) -> int | None:
    """Whole shares that ``target`` yuan buy; None without a price."""
    return int(target // price) if price == price else None


def spread(account: Account, plan: Plan, t: int, lots: Lots, fees: Fees) -> Plan:
    """Buy with the cash that whole lots leave: one lot more of the stocks that lack most, while a lot fits.

    Parameters
    ----------
    account : Account
    plan : Plan
        As :func:`engine.basket.plan` sized it.
    t : int
        Session whose closes size the basket.
    lots : Lots
    fees : callable
        See :data:`Fees`; what all orders will be charged is kept back.

    Returns
    -------
    Plan
        With larger purchases. Together they cost no more than the basket lacks in all: cash that the weights leave on
    purpose, and the target of a stock that is too dear for a lot, stay. Only stocks that traded on ``t`` get more, and
    proceeds of stocks that did not trade count for nothing.
    """
    buys, sales, traded = plan.buys, plan.sales, account.market.traded[t]
    sizes = lots.of(buys.stocks, t)
    have = np.array([account.holdings.get(i, 0) for i in buys.stocks.tolist()], dtype=np.int64)
    shares = buys.shares.copy()
    orders = (shares > 0) & ((have > 0) | (shares >= sizes.minimum))
    holes = (have == 0) & ~orders
    lacking = np.where(holes, 0.0, buys.targets - (have + shares) * buys.prices)
    cash, lacks = account.cash / 100.0, float(lacking.sum())
    for i, sold, target, price in zip(*(column.tolist() for column in sales), strict=True):
        lacks += target - (account.holdings[i] - sold) * price
        if sold and traded[i]:
            cash += sold * price - fees(i, sold * price, -sold)
    for k in np.flatnonzero(orders).tolist():
        cash -= _cost(fees, buys.stocks[k], shares[k], buys.prices[k])
    may = traded.take(buys.stocks).astype(bool) & (lacking >= buys.prices)
    for k in np.flatnonzero(may)[np.argsort(-lacking[may], kind="stable")].tolist():
        lot = sizes.step[k] if orders[k] else sizes.minimum[k]
        price, i = buys.prices[k], buys.stocks[k]
        cost = _cost(fees, i, shares[k] + lot, price) - (_cost(fees, i, shares[k], price) if orders[k] else 0.0)
        if cost <= cash + _HALF_FEN and lot * price <= lacks + _HALF_FEN:
            cash, lacks, shares[k] = cash - cost, lacks - lot * price, shares[k] + lot
    return plan._replace(buys=buys._replace(shares=shares))


def _cost(fees: Fees, i: int, shares: int, price: float) -> float:
    """Yuan that a purchase takes, fees included."""
    value = float(shares * price)
    return value + fees(int(i), value, int(shares))
