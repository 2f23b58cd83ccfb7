"""Trading rules of a run: the switches, and lots by date.

Boards of codes and price limits have modules of their own and are exported here as well.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from engine.boards import BOARDS, board_of, check_symbol, exchange_of, is_a_share
from engine.dated_tables import TABLES, check_series, day_number, day_text, read_rows
from engine.dividend_tax import HOLDERS
from engine.errors import ConfigError, DataError, nearest
from engine.price_limits import NO_LIMIT_UP, price_limits

__all__ = [
    "BOARDS", "NO_LIMIT_UP", "LotRow", "LotRule", "Rules", "board_of", "check_symbol", "exchange_of", "is_a_share",
    "largest_order", "legal_buy", "legal_sell", "lot_rule", "order_sizes", "price_limits", "read_lots",
]  # fmt: skip

_CHOICES = {
    "holder": HOLDERS,
    "rights": ("sell", "take_up", "lapse"),
    "delisting": ("successor", "last", "zero"),
    "limit_fills": ("moment", "touched", "locked"),
    "short_cash": ("cut", "refuse"),
    "size_at": ("decision", "fill"),
    "unfilled": ("carry", "drop"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Which rules the broker applies.

    Parameters
    ----------
    t_plus_one : bool
        Shares bought today can be sold from the next session on.
    lots : bool
        Orders are brought to the lots of the board.
    price_limits : bool
        No buy fills at the upper limit, no sell at the lower one.
    limit_fills : {"moment", "touched", "locked"}
        When the upper limit blocks a buy (and the lower one a sale): when the price of the fill moment is at it,
        which is what a daily bar shows; when the day touched it at any time (strict: nobody knows who was filled
        before); or only when the day was locked at it from open to close (lenient: a limit that opened again
        filled somebody). See :func:`engine.matching.limit_rule`.
    short_cash : {"cut", "refuse"}
        A buy that cash cannot cover is cut to the largest legal lot, or refused whole.
    size_at : {"decision", "fill"}
        Prices with which target weights become shares.
    unfilled : {"carry", "drop"}
        What becomes of the rest of a basket order after its session.
    sells_first : bool
        Within a session sells fill before buys.
    corporate_actions : bool
        Dividends and share changes are booked on ex-dates.
    holder : {"individual", "fund", "none"}
        Whose tax on dividends is withheld (:mod:`engine.dividend_tax`).
    rights : {"sell", "take_up", "lapse"}
        Rights issues: sold at their theoretical price on the ex-date, so that wealth follows the adjusted price
        and no cash is needed; taken up as far as the cash goes (what a holder does in this market, where rights do
        not trade); or left to lapse.
    delisting : {"successor", "last", "zero"}
        A holding that leaves the market becomes the shares or the cash that the table of successors names, else it
        is paid out at its last price; or always at its last price; or is worth nothing.
    exact_money : bool
        Cash and fees are whole fen.
    check_submitted : bool
        Cash is checked at submission as Backtrader's own broker does.

    Raises
    ------
    ConfigError
        If an option has a value that it does not know.
    """

    t_plus_one: bool = True
    lots: bool = True
    price_limits: bool = True
    limit_fills: Literal["moment", "touched", "locked"] = "moment"
    short_cash: Literal["cut", "refuse"] = "cut"
    size_at: Literal["decision", "fill"] = "decision"
    unfilled: Literal["carry", "drop"] = "carry"
    sells_first: bool = True
    corporate_actions: bool = True
    holder: Literal["individual", "fund", "none"] = "individual"
    rights: Literal["sell", "take_up", "lapse"] = "sell"
    delisting: Literal["successor", "last", "zero"] = "successor"
    exact_money: bool = True
    check_submitted: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            choices = _CHOICES.get(field.name)
            if choices is None and not isinstance(value, bool):
                raise ConfigError(f"rule '{field.name}' is {value!r}; write true or false")
            if choices is not None and value not in choices:
                raise ConfigError(f"rule '{field.name}' is {value!r}; {nearest(str(value), choices)}")

    @classmethod
    def a_share(cls) -> Rules:
        """The market's rules, the default."""
        return cls()

    @classmethod
    def backtrader(cls) -> Rules:
        """What Backtrader's own broker does: none of the market's rules, float money."""
        return cls(
            t_plus_one=False,
            lots=False,
            price_limits=False,
            short_cash="refuse",
            sells_first=False,
            corporate_actions=False,
            exact_money=False,
            check_submitted=True,
        )


# -- lots -------------------------------------------------------------------------------------------


class LotRule(NamedTuple):
    """An order is ``minimum`` shares or more, in steps of ``step``."""

    minimum: int
    step: int


class LotRow(NamedTuple):
    """One row of ``lots.csv`` for one board: day numbers, lot, and the largest limit and market order in shares."""

    first: int
    last: int
    rule: LotRule
    largest: int
    largest_market: int


def read_lots(path: Path = TABLES / "lots.csv") -> dict[str, list[LotRow]]:
    """Read and check the table of lots: the rows of each board in order of date.

    Raises
    ------
    DataError
        With file and line: an unknown word, a number below 1, a largest order that is no legal lot or smaller for
        limit than for market orders, rows that overlap or leave a gap.
    """
    columns = ("kind", "boards", "from", "to", "minimum", "step", "largest", "largest_market", "source", "confidence")
    rows = read_rows(path, columns)
    found: dict[str, list[LotRow]] = {}
    for row in sorted(rows, key=lambda row: row.first):
        row.choice("kind", ("lot",))
        rule = LotRule(row.integer("minimum", 1), row.integer("step", 1))
        market, limit = (row.integer(column, 1) for column in ("largest_market", "largest"))
        for column, size in (("largest", limit), ("largest_market", market)):
            if legal_buy(size, rule) != size:
                raise row.error(f"{column} {size} is no legal order of at least {rule.minimum} in steps of {rule.step}")
        if market > limit:
            raise row.error(f"largest_market {market} is above largest {limit}; a market order may not be larger")
        for board in row.choice("boards", BOARDS, several=True):
            found.setdefault(board, []).append(LotRow(row.first, row.last, rule, limit, market))
    check_series(rows, lambda row: row.choice("boards", BOARDS, several=True))
    return found


_lot_table = functools.cache(read_lots)


def _lot_row(board: str, session: np.datetime64) -> LotRow:
    day = day_number(session)
    for row in _lot_table().get(board, ()):
        if row.first <= day <= row.last:
            return row
    raise DataError(f"lots.csv has no row for board '{board}' on {day_text(day)}")


@functools.lru_cache(maxsize=1 << 16)
def lot_rule(board: str, session: np.datetime64) -> LotRule:
    """The lot of a board on a session.

    Raises
    ------
    DataError
        If the table has none.
    """
    return _lot_row(board, session).rule


@functools.lru_cache(maxsize=1 << 16)
def largest_order(board: str, session: np.datetime64, *, market: bool = False) -> int:
    """The most shares that one order may have on a session: a limit order, or with ``market`` a market order.

    Raises
    ------
    DataError
        If the table has none.
    """
    row = _lot_row(board, session)
    return row.largest_market if market else row.largest


def order_sizes(shares: int, rule: LotRule, largest: int) -> list[int]:
    """The orders into which a wish for ``shares`` is split because one order may not exceed ``largest``.

    As many largest orders as fit, then the rest. A rest below the minimum takes what it lacks from the order
    before it, but where lots are stepped an odd rest, which only the sale of a whole holding leaves, goes out
    as it is.

    Returns
    -------
    list of int
        Sizes in the order in which they are sent; their sum is ``shares``.
    """
    full, rest = divmod(shares, largest)
    sizes = [largest] * full
    if not rest:
        return sizes
    if sizes and rest < rule.minimum and rule.step == 1:
        sizes[-1] -= rule.minimum - rest
        rest = rule.minimum
    return [*sizes, rest]


def legal_buy(shares: int, rule: LotRule) -> int:
    """The largest number of shares, at most ``shares``, that one order may buy; 0 below the minimum."""
    minimum, step = rule
    return 0 if shares < minimum else shares - (shares - minimum) % step


def legal_sell(shares: int, held: int, rule: LotRule) -> int:
    """The largest number of shares, at most ``shares``, that one order may sell out of ``held``.

    Selling all is always legal. Else an order is of legal size, and where lots are stepped it may take the
    odd rest of the holding along (250 held: 50, 100, 150, 200 and 250 are legal).
    """
    if shares >= held:
        return held
    minimum, step = rule
    regular = 0 if shares < minimum else shares - (shares - minimum) % step
    odd = held % step
    if odd <= shares:
        with_rest = shares - (shares - odd) % step
        return with_rest if odd and with_rest > regular else regular
    return regular
