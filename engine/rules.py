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
from engine.errors import ConfigError, DataError, nearest
from engine.price_limits import NO_LIMIT_UP, price_limits

__all__ = [
    "BOARDS", "NO_LIMIT_UP", "LotRule", "Rules", "board_of", "check_symbol", "exchange_of", "is_a_share",
    "legal_buy", "legal_sell", "lot_rule", "price_limits", "read_lots",
]  # fmt: skip

_CHOICES = {"short_cash": ("cut", "refuse"), "size_at": ("decision", "fill"), "unfilled": ("carry", "drop")}


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
    short_cash: Literal["cut", "refuse"] = "cut"
    size_at: Literal["decision", "fill"] = "decision"
    unfilled: Literal["carry", "drop"] = "carry"
    sells_first: bool = True
    corporate_actions: bool = True
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


def read_lots(path: Path = TABLES / "lots.csv") -> dict[str, list[tuple[int, int, LotRule]]]:
    """Read and check the table of lots: by board, (first day, last day, rule) in order of date.

    Raises
    ------
    DataError
        With file and line: an unknown word, a number below 1, rows that overlap or leave a gap.
    """
    rows = read_rows(path, ("kind", "boards", "from", "to", "minimum", "step", "source", "confidence"))
    found: dict[str, list[tuple[int, int, LotRule]]] = {}
    for row in sorted(rows, key=lambda row: row.first):
        row.choice("kind", ("lot",))
        rule = LotRule(row.integer("minimum", 1), row.integer("step", 1))
        for board in row.choice("boards", BOARDS, several=True):
            found.setdefault(board, []).append((row.first, row.last, rule))
    check_series(rows, lambda row: row.choice("boards", BOARDS, several=True))
    return found


_lot_table = functools.cache(read_lots)


@functools.lru_cache(maxsize=1 << 16)
def lot_rule(board: str, session: np.datetime64) -> LotRule:
    """The lot of a board on a session.

    Raises
    ------
    DataError
        If the table has none.
    """
    day = day_number(session)
    for first, last, rule in _lot_table().get(board, ()):
        if first <= day <= last:
            return rule
    raise DataError(f"lots.csv has no row for board '{board}' on {day_text(day)}")


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
