"""One session of all portfolios: every order is tried at its turn; compiled.

What :class:`engine.order_book.OrderBook` does with the market orders of a basket, on records.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from engine.portfolio_day import Session
from engine.portfolio_fills import (
    affordable,
    block,
    cost,
    cut,
    end,
    execute,
    legal_buy,
    legal_sell,
    price_now,
    reject,
)
from engine.portfolio_tables import (
    CANCELLED,
    CASH,
    DELISTED,
    DROPPED,
    FILLS,
    LIMIT_DOWN,
    LIMIT_UP,
    LOT,
    NO_REASON,
    NOT_LISTED,
    OVERSELL,
    REFUSALS,
    ROWS_A_TRY,
    SUSPENDED,
    T_PLUS_ONE,
    TAXES,
    Books,
)


@njit(cache=True)
def trade(books: Books, session: Session, p: int, k: int) -> tuple[int, int]:
    """Try all orders, portfolio by portfolio, from order ``k`` of portfolio ``p`` on.

    Returns
    -------
    (int, int)
        The order before which it stopped because there is no room to write down what comes of it; the portfolio is P
        when all are tried.
    """
    while p < len(books.cash):
        if not k:
            books.blocked[p] = False
        while k < books.counts[p]:
            order = books.orders[p, k]
            if order.left:
                if is_full(books, session, order):
                    return p, k
                _try(books, session, p, order, k >= books.sales[p])
            k += 1
        _tidy(books, p)
        p, k = p + 1, 0
    return p, 0


@njit(cache=True)
def is_full(books: Books, session: Session, order: Any) -> bool:
    """Whether there is no room for what may come of an order."""
    journal = books.journal
    fills, taxes = len(journal.fills) - journal.used[FILLS], len(journal.taxes) - journal.used[TAXES]
    parts = order.left // session.stocks[order.stock].largest + 2
    refusals = len(journal.refusals) - journal.used[REFUSALS]
    return min(fills, taxes, books.lots.room[0]) < parts or refusals < ROWS_A_TRY


@njit(cache=True)
def worths(books: Books, session: Session) -> np.ndarray:
    """Fen that the holdings of each portfolio are worth at the close; int64, shape (P,)."""
    found = np.zeros(len(books.cash), dtype=np.int64)
    fen = np.zeros(len(session.stocks), dtype=np.int64)
    for i in range(len(fen)):
        mark = session.stocks[i].mark
        if mark == mark:
            fen[i] = np.rint(mark * 100.0)
    for p in range(len(found)):
        shares, total = books.shares[p], 0
        for i in range(len(fen)):
            total += shares[i] * fen[i]
        found[p] = total
    return found


@njit(cache=True)
def cancel(books: Books, session: Session, p: int) -> None:
    """Cancel all orders of a portfolio after the close."""
    for k in range(books.counts[p]):
        order = books.orders[p, k]
        end(books, p, order, CANCELLED, session.stocks[order.stock].mark)
    books.sales[p] = books.counts[p] = 0


@njit(cache=True)
def refuse_order(books: Books, session: Session, p: int, k: int, is_buy: bool, reason: int) -> None:
    """Refuse order ``k`` of a portfolio for good."""
    reject(books, session, p, books.orders[p, k], is_buy, reason)


@njit(cache=True)
def _try(books: Books, session: Session, p: int, order: Any, is_buy: bool) -> None:
    """Fill an order, or note why not."""
    stock, limits, reason = session.stocks[order.stock], session.rules.price_limits, NO_REASON
    if not stock.traded:
        reason = SUSPENDED
    elif limits and is_buy and stock.price >= stock.up:
        reason = LIMIT_UP
    elif limits and not is_buy and stock.price <= stock.down:
        reason = LIMIT_DOWN
    if reason == SUSPENDED and not stock.listed:
        reject(books, session, p, order, is_buy, DELISTED if stock.age else NOT_LISTED)
    elif reason != NO_REASON:
        _wait(books, session, p, order, is_buy, reason)
    elif order.target and not _resized(books, session, p, order, is_buy):
        pass  # nothing left to do, or less than a lot
    elif is_buy:
        _buy(books, session, p, order)
    else:
        _sell(books, session, p, order)


@njit(cache=True)
def _wait(books: Books, session: Session, p: int, order: Any, is_buy: bool, reason: int) -> None:
    """Leave an order to the next session, or where none waits drop it."""
    block(books, session, p, order, is_buy, reason)
    if not session.rules.carry:
        end(books, p, order, DROPPED, price_now(session.stocks[order.stock]))
    elif not is_buy:
        books.blocked[p] = True


@njit(cache=True)
def _resized(books: Books, session: Session, p: int, order: Any, is_buy: bool) -> bool:
    """Size an order at the fill's price; False if that ends it."""
    stock = session.stocks[order.stock]
    gap = order.target - books.shares[p, order.stock] * stock.price
    size = int(abs(gap) // stock.price) if (gap > 0) == is_buy else 0
    order.target = 0.0
    if not size:
        end(books, p, order, CANCELLED, stock.price)
        return False
    legal = legal_buy(size, stock) if session.rules.lots and is_buy else size
    order.left = legal if legal else size
    if not legal:
        reject(books, session, p, order, is_buy, LOT)
        return False
    if order.refusal >= 0:
        row = books.journal.refusals[order.refusal]
        row.wanted = row.done + legal
    return True


@njit(cache=True)
def _sell(books: Books, session: Session, p: int, order: Any) -> None:
    stock, held = session.stocks[order.stock], books.shares[p, order.stock]
    if order.left > held:
        cut(books, session, p, order, False, held, OVERSELL)
    free = max(0, held - books.locked[p, order.stock])
    waits = order.left > free
    quantity = min(order.left, free)
    if quantity < held and session.rules.lots:
        quantity = legal_sell(quantity, held, stock)
        if quantity < order.left and not waits:
            cut(books, session, p, order, False, quantity, LOT)
    _fill(books, session, p, order, False, quantity)
    if order.left and waits:
        _wait(books, session, p, order, False, T_PLUS_ONE)
    elif not quantity:
        end(books, p, order, DROPPED, stock.price)


@njit(cache=True)
def _buy(books: Books, session: Session, p: int, order: Any) -> None:
    stock, rules, waits = session.stocks[order.stock], session.rules, False
    quantity = legal_buy(order.left, stock) if rules.lots else order.left
    if quantity < order.left:
        cut(books, session, p, order, True, quantity, LOT)
    cash = books.cash[p]
    if quantity and cost(session.tariff, stock, order, quantity) > cash:
        waits = books.blocked[p] and rules.cut_cash  # sales decided with it are blocked and may still bring the cash
        quantity = affordable(session.tariff, stock, order, quantity, cash, rules.lots) if rules.cut_cash else 0
        if not (waits or quantity):
            reject(books, session, p, order, True, CASH)
            return
        if not waits:
            cut(books, session, p, order, True, quantity, CASH)
    _fill(books, session, p, order, True, quantity)
    if order.left and waits:
        _wait(books, session, p, order, True, CASH)
    elif not quantity:
        end(books, p, order, DROPPED, stock.price)


@njit(cache=True)
def _fill(books: Books, session: Session, p: int, order: Any, is_buy: bool, quantity: int) -> None:
    """Fill ``quantity`` shares, in parts where one order may not be that large (:func:`engine.rules.order_sizes`)."""
    stock, left = session.stocks[order.stock], quantity
    while left and order.left:
        size = left
        if session.rules.lots and left > stock.largest:
            size, rest = stock.largest, left - stock.largest
            if rest < stock.minimum and stock.step == 1:
                size -= stock.minimum - rest
        if left < quantity and is_buy and cost(session.tariff, stock, order, size) > books.cash[p]:
            cut(books, session, p, order, True, 0, CASH)  # fees rounded part by part
            end(books, p, order, DROPPED, stock.price)
            return
        execute(books, session, p, order, is_buy, size)
        left -= size


@njit(cache=True)
def _tidy(books: Books, p: int) -> None:
    """Close the gaps that orders which are over have left."""
    orders, kept, sales = books.orders[p], 0, 0
    for k in range(books.counts[p]):
        if orders[k].left:
            if kept < k:
                orders[kept] = orders[k]
            kept += 1
            sales += k < books.sales[p]
    books.sales[p], books.counts[p] = sales, kept
