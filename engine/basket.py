"""From target weights to whole shares: what a basket has to sell and to buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.account import Account
from engine.rules import LotRule, legal_buy, legal_sell

Entry = tuple[int, int, float, float]
"""One order of a basket: stock, shares, what is to be held afterwards and the close it is sized with (yuan)."""


class Plan(NamedTuple):
    """The orders of a basket; ``unpriced`` are stocks that have no close to be sized with."""

    sales: list[Entry]
    buys: list[Entry]
    unpriced: list[Entry]


def plan(account: Account, wanted: dict[int, float], t: int, lot_of: Callable[[int, int], LotRule] | None) -> Plan:
    """Size a basket with the closes of session ``t``.

    Parameters
    ----------
    account : Account
    wanted : dict of int to float
        Fraction of the account's value by stock; a stock held but not named is sold.
    t : int
        Session whose closes are known.
    lot_of : callable, optional
        Lot rule of (stock, session); None where lots are off.

    Returns
    -------
    Plan
        Shares as ``order_target_percent`` would find them, brought to legal lots. A first purchase below
        one lot stays as it is: the order book refuses it with a reason.
    """
    market, holdings = account.market, account.holdings
    value = account.value / 100.0
    stocks = [i for i in sorted(holdings) if i not in wanted] + list(wanted)
    marks = market.mark[t, np.array(stocks, dtype=np.intp)].tolist() if stocks else []
    sales: list[Entry] = []
    buys: list[Entry] = []
    unpriced: list[Entry] = []
    for i, price in zip(stocks, marks, strict=True):
        have, target = holdings.get(i, 0), wanted.get(i, 0.0) * value
        worth = have * price
        if target == 0.0:
            if have:
                sales.append((i, have, 0.0, price))
        elif price != price:
            unpriced.append((i, lot_of(i, t).minimum if lot_of else 1, target, price))
        elif target > worth:
            size = int((target - worth) // price)
            if lot_of:
                size = legal_buy(size, lot_of(i, t)) or (0 if have else size)
            buys.append((i, size, target, price))
        elif target < worth:
            size = int((worth - target) // price)
            sales.append((i, legal_sell(size, have, lot_of(i, t)) if lot_of else size, target, price))
    return Plan(sales, buys, unpriced)
