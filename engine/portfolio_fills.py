"""What a fill costs and changes, one order of one portfolio at a time; compiled.

The arithmetic of :class:`engine.account.Account`, :class:`engine.day_fees.DayFeesWithMinima`, :mod:`engine.rules` and
:class:`engine.order_ends.OrderEnds` on the records of :mod:`engine.portfolio_tables`; tests hold them to the same fen.
In all functions ``stock`` is a record of :data:`engine.portfolio_day.STOCK`, ``order`` one of ORDER.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from engine.fee_table import SCALE
from engine.portfolio_day import STAMP_DUTY, TRANSFER_FEE, Session, Tariff
from engine.portfolio_lots import bought, sell
from engine.portfolio_tables import (
    CASH,
    CHANGED,
    CUT,
    DONE,
    DROPPED,
    FILLS,
    PENDING,
    REFUSALS,
    TAXES,
    Books,
)

_HALF = SCALE // 2


# -- rules ------------------------------------------------------------------------------------------


@njit(cache=True)
def legal_buy(shares: int, stock: Any) -> int:
    """As :func:`engine.rules.legal_buy`."""
    return 0 if shares < stock.minimum else shares - (shares - stock.minimum) % stock.step


@njit(cache=True)
def legal_sell(shares: int, held: int, stock: Any) -> int:
    """As :func:`engine.rules.legal_sell`."""
    if shares >= held:
        return held
    regular = legal_buy(shares, stock)
    odd = held % stock.step
    if 0 < odd <= shares:
        return max(regular, shares - (shares - odd) % stock.step)
    return regular


@njit(cache=True)
def worth(price: float, shares: int) -> int:
    """Fen, half-up."""
    return int(price * shares * 100.0 + 0.5)


@njit(cache=True)
def _rounded(value: int, rate: int, shares: int, per_share: int) -> int:
    """``value x rate + shares x per_share`` over SCALE, half-up; factor by factor, so that no product overflows."""
    whole = value // SCALE * rate + shares // SCALE * per_share
    return whole + (value % SCALE * rate + shares % SCALE * per_share + _HALF) // SCALE


@njit(cache=True)
def charge(tariff: Tariff, stock: Any, order: Any, is_buy: bool, value: int, shares: int) -> tuple[int, int, int, int]:
    """Fees of a fill after the order's earlier ones, as :meth:`engine.day_fees.DayFeesWithMinima.charge`."""
    commission = max(tariff.minimum, _rounded(order.value + value, tariff.commission, 0, 0)) - order.commission
    duty, transfer, other = 0, 0, 0
    rows = tariff.rows[int(is_buy), stock.exchange]
    for k in range(len(rows)):
        kind, rate, per_share, least = rows[k, 0], rows[k, 1], rows[k, 2], rows[k, 3]
        if not least:
            amount = _rounded(value, rate, shares, per_share)
        else:
            amount = max(least, _rounded(order.value + value, rate, order.done + shares, per_share))
            if kind == TRANSFER_FEE:
                amount -= order.transfer_fee
            elif order.done:
                amount -= max(least, _rounded(order.value, rate, order.done, per_share))
        if kind == STAMP_DUTY:
            duty += amount
        elif kind == TRANSFER_FEE:
            transfer += amount
        else:
            other += amount
    return commission, duty, transfer, other


@njit(cache=True)
def cost(tariff: Tariff, stock: Any, order: Any, shares: int) -> int:
    """Fen that a purchase takes, fees and all."""
    value = worth(stock.price, shares)
    commission, duty, transfer, other = charge(tariff, stock, order, True, value, shares)
    return value + commission + duty + transfer + other


@njit(cache=True)
def affordable(tariff: Tariff, stock: Any, order: Any, shares: int, cash: int, lots: bool) -> int:
    """The largest legal purchase, below ``shares``, whose cost ``cash`` covers; 0 if there is none."""
    minimum, step = (stock.minimum, stock.step) if lots else (1, 1)
    most = min(shares, int(cash / (stock.price * 100.0)) + step)
    most = 0 if most < minimum else most - (most - minimum) % step
    # The legal quantities are minimum + n * step: halve the gap between an n that is covered and one that is not.
    covered, beyond = -1, (most - minimum) // step
    while beyond - covered > 1:
        middle = (covered + beyond) // 2
        if cost(tariff, stock, order, minimum + middle * step) <= cash:
            covered = middle
        else:
            beyond = middle
    return minimum + covered * step if covered >= 0 else 0


# -- refusals ---------------------------------------------------------------------------------------


@njit(cache=True)
def price_now(stock: Any) -> float:
    """Price of the fill moment, or without a bar the last close."""
    return stock.price if stock.traded else stock.mark


@njit(cache=True)
def refuse(
    books: Books, t: int, p: int, order: Any, is_buy: bool, left: int, reason: int, outcome: int, price: float
) -> int:
    """Write a refusal of what an order still wants, but for ``left`` shares, and return its place."""
    journal = books.journal
    place = journal.used[REFUSALS]
    journal.used[REFUSALS] += 1
    row = journal.refusals[place]
    row.portfolio, row.t, row.order, row.stock, row.is_buy = p, t, order.number, order.stock, is_buy
    row.wanted, row.done, row.days, row.reason, row.outcome = order.left, left, 1, reason, outcome
    row.price, row.earned = price, 0.0
    return place


@njit(cache=True)
def _earned(row: Any, price: float) -> float:
    gain = row.price - price if row.is_buy else price - row.price
    return (row.wanted - row.done) * gain if gain == gain else 0.0


@njit(cache=True)
def close_refusal(books: Books, order: Any, outcome: int, price: float) -> None:
    """Close an order's open refusal, if it has one, at ``price``."""
    if order.refusal >= 0:
        row = books.journal.refusals[order.refusal]
        row.earned += _earned(row, price)
        row.outcome = outcome
        order.refusal = -1


@njit(cache=True)
def end(books: Books, p: int, order: Any, outcome: int, price: float) -> None:
    """The order is over, and so is its open refusal."""
    close_refusal(books, order, outcome, price)
    order.left = 0
    books.waits[p, order.stock] = False


@njit(cache=True)
def reject(books: Books, session: Session, p: int, order: Any, is_buy: bool, reason: int) -> None:
    """Refuse an order for good."""
    stock = session.stocks[order.stock]
    close_refusal(books, order, CHANGED, price_now(stock))
    refuse(books, session.t, p, order, is_buy, 0, reason, DROPPED, stock.mark)
    end(books, p, order, DROPPED, stock.mark)


@njit(cache=True)
def block(books: Books, session: Session, p: int, order: Any, is_buy: bool, reason: int) -> None:
    """Note that an order could not trade on the session."""
    stock = session.stocks[order.stock]
    price = price_now(stock)
    if order.refusal >= 0:
        row = books.journal.refusals[order.refusal]
        if row.reason == reason:
            row.days += 1
            return
        close_refusal(books, order, CHANGED, price)
    order.refusal = refuse(books, session.t, p, order, is_buy, 0, reason, PENDING, price)


@njit(cache=True)
def cut(books: Books, session: Session, p: int, order: Any, is_buy: bool, left: int, reason: int) -> None:
    """Go on with ``left`` shares of an order for good."""
    stock = session.stocks[order.stock]
    close_refusal(books, order, CHANGED, price_now(stock))
    refuse(books, session.t, p, order, is_buy, left, reason, CUT if left else DROPPED, stock.mark)
    order.left = left


# -- fills ------------------------------------------------------------------------------------------


@njit(cache=True)
def execute(books: Books, session: Session, p: int, order: Any, is_buy: bool, shares: int) -> None:
    """Exchange shares for money, and where a sale costs tax on dividends take it."""
    i, stock, journal = order.stock, session.stocks[order.stock], books.journal
    value = worth(stock.price, shares)
    commission, duty, transfer, other = charge(session.tariff, stock, order, is_buy, value, shares)
    charged = commission + duty + transfer + other
    if is_buy:
        books.cash[p] -= value + charged
        books.shares[p, i] += shares
        if session.rules.taxed:
            bought(books.lots, p, i, session.t, shares)
    else:
        if charged > value and books.cash[p] + value < charged:
            reject(books, session, p, order, is_buy, CASH)
            return
        books.cash[p] += value - charged
        books.shares[p, i] -= shares
        if session.rules.taxed:
            _withhold(books, session, p, i, shares)
    fill = journal.fills[journal.used[FILLS]]
    journal.used[FILLS] += 1
    fill.portfolio, fill.t, fill.order, fill.stock = p, session.t, order.number, i
    fill.shares, fill.value = shares if is_buy else -shares, value
    fill.commission, fill.stamp_duty, fill.transfer_fee, fill.other_fees = commission, duty, transfer, other
    order.left -= shares
    order.done += shares
    order.value += value
    order.commission += commission
    order.transfer_fee += transfer
    if order.refusal >= 0:
        row = journal.refusals[order.refusal]
        missing = row.wanted - row.done
        if missing:
            part = min(shares, missing)
            row.earned += _earned(row, stock.price) * part / missing
            row.done += part
    if not order.left:
        end(books, p, order, DONE, stock.price)


@njit(cache=True)
def _withhold(books: Books, session: Session, p: int, i: int, shares: int) -> None:
    """Take the tax that a sale costs and what is owed of before, as far as the cash covers it."""
    may_cost = books.lots.taxed[p, i]
    tax = sell(books.lots, p, i, shares, session.day)
    if not may_cost:
        return
    tax += books.owed[p, i]
    taken = max(0, min(tax, books.cash[p]))
    books.owed[p, i] = tax - taken
    books.owes[p] = books.owes[p] or tax > taken
    if taken:
        books.cash[p] -= taken
        row = books.journal.taxes[books.journal.used[TAXES]]
        books.journal.used[TAXES] += 1
        row.portfolio, row.t, row.stock, row.tax = p, session.t, i, taken
