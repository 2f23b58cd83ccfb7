"""Trading rules by date: boards of codes, price limits in integer fen, lots, and the switches of a run.

The rules themselves are data, ``engine/tables/price_limits.csv`` and ``lots.csv``; this module reads and
applies them.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from engine.dated_tables import OPEN_END, TABLES, Row, check_series, day_number, day_text, read_rows
from engine.errors import ConfigError, DataError, HuiceError, nearest

NO_LIMIT_UP = 2**31 - 1
"""Upper limit in fen of a stock that has none; the lower one is then 0."""

BOARDS = ("MAIN_SH", "MAIN_SZ", "SME", "CHINEXT", "STAR", "BSE")
STATES = ("normal", "st")

_PREFIXES: dict[str, dict[str, str]] = {
    "SH": {"600": "MAIN_SH", "601": "MAIN_SH", "603": "MAIN_SH", "605": "MAIN_SH", "688": "STAR", "689": "STAR"},
    "SZ": {
        "000": "MAIN_SZ", "001": "MAIN_SZ", "002": "SME", "003": "SME", "004": "SME",
        "300": "CHINEXT", "301": "CHINEXT", "302": "CHINEXT",
    },
    "BJ": {"920": "BSE"} | {f"{two}{digit}": "BSE" for two in ("43", "83", "87") for digit in range(10)},
}  # fmt: skip
_SYMBOL = re.compile(r"(\d{3})\d{3}\.(SH|SZ|BJ)", re.ASCII)


# -- codes ------------------------------------------------------------------------------------------


def _board(symbol: object) -> str | None:
    match = _SYMBOL.fullmatch(symbol) if isinstance(symbol, str) else None
    return None if match is None else _PREFIXES[match[2]].get(match[1])


def is_a_share(symbol: str) -> bool:
    """Whether ``symbol`` is the code of an A share, written like ``600519.SH``.

    B shares (200, 900), funds and index codes are not.
    """
    return _board(symbol) is not None


def check_symbol(symbol: str, error: type[HuiceError] = DataError) -> str:
    """Return ``symbol`` if it is an A-share code.

    Parameters
    ----------
    symbol : str
    error : type
        What to raise: DataError for a code met in data, ConfigError for one that an option gives.

    Raises
    ------
    DataError
        Or ``error``: the code is none, or has the suffix of another exchange.
    """
    if _board(symbol) is None:
        digits = str(symbol)[:6]
        likely = (f"{digits}.{exchange}" for exchange in _PREFIXES if is_a_share(f"{digits}.{exchange}"))
        raise error(f"'{symbol}' is no A-share code; write it like {next(likely, '600519.SH')}")
    return symbol


def board_of(symbol: str) -> str:
    """The board of an A share by its code: one of :data:`BOARDS`.

    ``SME`` is the code range 002-004 of Shenzhen; the board was merged into the main board on 2021-04-06
    and never had trading rules of its own.

    Raises
    ------
    DataError
        If ``symbol`` is no A-share code.
    """
    return _board(symbol) or _board(check_symbol(symbol)) or ""


def exchange_of(symbol: str) -> str:
    """``SH``, ``SZ`` or ``BJ``.

    Raises
    ------
    DataError
        If ``symbol`` is no A-share code.
    """
    return check_symbol(symbol)[-2:]


# -- the switches of a run --------------------------------------------------------------------------

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


# -- price limits -----------------------------------------------------------------------------------

_LIMIT_COLUMNS = (
    "kind", "boards", "state", "first_day", "last_day", "from", "to", "up", "down", "source", "confidence",
)  # fmt: skip
_LIMITS_BEGAN = 9846  # 1996-12-16; earlier gaps mean that there was no limit
_NONE = -1  # basis points of a side without limit
_ONE = 10_000
_CHUNK = 1 << 18  # cells worked on at once


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of ``price_limits.csv``: rates in basis points, -1 = no limit on that side.

    ``kind`` daily: ``from`` and ``to`` are sessions. ``kind`` listing: they are *listing* dates, and the
    row overrules the daily ones on the stock's own trading days ``first_day`` to ``last_day``.
    """

    row: Row
    kind: str
    boards: tuple[str, ...]
    states: tuple[str, ...]
    first_day: int
    last_day: int
    up: int
    down: int


def read_price_limits(path: Path = TABLES / "price_limits.csv") -> tuple[LimitRow, ...]:
    """Read and check the table of price limits.

    Raises
    ------
    DataError
        With file and line: an unknown word, a rate that is negative, above 1 or finer than a basis
        point, rows that overlap, or a gap between daily rows that ends after 1996-12-16.
    """
    found = [_limit_row(row) for row in read_rows(path, _LIMIT_COLUMNS)]
    of_row = {limit.row.line: limit for limit in found}

    def keys(row: Row) -> list[tuple[str, str]]:
        limit = of_row[row.line]
        return [(board, state) for board in limit.boards for state in limit.states]

    check_series((limit.row for limit in found if limit.kind == "daily"), keys, gaps_until=_LIMITS_BEGAN)
    listing = [limit for limit in found if limit.kind == "listing"]
    for k, one in enumerate(listing):
        for other in listing[k + 1 :]:
            dates = max(one.row.first, other.row.first) <= min(one.row.last, other.row.last)
            days = max(one.first_day, other.first_day) <= min(one.last_day, other.last_day)
            if dates and days and set(keys(one.row)) & set(keys(other.row)):
                raise other.row.error(f"overlaps line {one.row.line}: same board, state, day and listing date")
    return tuple(found)


def _limit_row(row: Row) -> LimitRow:
    kind = row.choice("kind", ("daily", "listing"))[0]
    first = row.integer("first_day", 1) if row["first_day"] else 1
    last = row.integer("last_day", first) if row["last_day"] else OPEN_END
    if (kind == "listing") != bool(row["last_day"]):
        raise row.error("first_day and last_day belong to a listing row, which needs them; a daily row has neither")
    rates = []
    for side in ("up", "down"):
        points = row.fraction(side, Decimal(1)) * _ONE if row[side] else Decimal(_NONE)
        if points != int(points) or not points:
            raise row.error(f"{side} {row[side]} is not a whole number of basis points above 0; blank means no limit")
        rates.append(int(points))
    boards = row.choice("boards", BOARDS, several=True)
    return LimitRow(row, kind, boards, row.choice("state", STATES, several=True), first, last, *rates)


_limit_table = functools.cache(read_price_limits)


def price_limits(
    sessions: np.ndarray, boards: np.ndarray, reference_fen: np.ndarray, st: np.ndarray, age: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower price limits, exact in integer fen.

    limit = reference x (1 +- rate), rounded half-up to one fen, at least one tick (one fen) from the
    reference.

    Parameters
    ----------
    sessions : ndarray of datetime64[D], shape (T,), ascending
    boards : ndarray of str, shape (N,)
        Of :data:`BOARDS`.
    reference_fen : ndarray of int, shape (T, N)
        Previous close, ex-right reference or issue price; 0 where unknown.
    st : ndarray of bool, shape (T, N)
    age : ndarray of int32, shape (T, N)
        Own trading days up to and including the session: 1 = first day, 0 = not listed yet. A stock that
        is already a few days old on the panel's first session is taken to have traded on every weekday.

    Returns
    -------
    up, down : ndarray of int32, shape (T, N)
        :data:`NO_LIMIT_UP` and 0 where there is no limit, no reference, or no listing yet.

    Raises
    ------
    DataError
        If a board is unknown or the rule table is malformed.
    """
    table = _limit_table()
    names = np.asarray(boards).tolist()
    for unknown in sorted(set(names) - set(BOARDS)):
        raise DataError(f"board '{unknown}' is unknown; {nearest(unknown, BOARDS)}")
    board = np.array([BOARDS.index(name) for name in names], dtype=np.int64)
    days = np.asarray(sessions, dtype="datetime64[D]").astype(np.int64)
    shape = (len(days), len(board))
    up = np.empty(shape, dtype=np.int32)
    down = np.empty(shape, dtype=np.int32)
    listing = [limit for limit in table if limit.kind == "listing"]
    young = max((limit.last_day for limit in listing), default=0)
    listed_on = np.full(len(board), OPEN_END, dtype=np.int64)  # found as the rows go by
    step = max(1, _CHUNK // max(1, len(board)))
    for first, last in _spans(days, table):
        rates = _daily_rates(table, int(days[first]))[:, :, board]  # (state, side, stock)
        for row in range(first, last, step):
            rows = slice(row, min(row + step, last))
            is_st = np.asarray(st[rows], dtype=bool)
            ages = age[rows]
            up_rate = np.where(is_st, rates[1, 0], rates[0, 0])
            down_rate = np.where(is_st, rates[1, 1], rates[0, 1])
            _overrule(listing, young, days[rows], board, is_st, ages, listed_on, up_rate, down_rate)
            reference = np.where(ages > 0, reference_fen[rows], 0).astype(np.int64, copy=False)
            up[rows], down[rows] = _limits(reference, up_rate, down_rate)
    return up, down


def _limits(reference: np.ndarray, up_rate: np.ndarray, down_rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    up = reference * (_ONE + up_rate)
    up += _ONE // 2
    up //= _ONE
    np.maximum(up, reference + 1, out=up)
    down = reference * (_ONE - down_rate)
    down += _ONE // 2
    down //= _ONE
    np.minimum(down, reference - 1, out=down)
    unknown = reference <= 0
    up[unknown | (up_rate < 0)] = NO_LIMIT_UP
    down[unknown | (down_rate < 0)] = 0
    return up, down


def _spans(days: np.ndarray, table: tuple[LimitRow, ...]) -> list[tuple[int, int]]:
    """Runs of rows on which the daily rates stay the same."""
    changes = [limit.row.first for limit in table if limit.kind == "daily"]
    changes += [limit.row.last + 1 for limit in table if limit.kind == "daily"]
    edges = np.unique(np.concatenate(([0, len(days)], np.searchsorted(days, sorted(changes)))))
    return [(int(a), int(b)) for a, b in zip(edges, edges[1:], strict=False)]


def _daily_rates(table: tuple[LimitRow, ...], day: int) -> np.ndarray:
    """Basis points by state, side (up, down) and board on one day."""
    rates = np.full((len(STATES), 2, len(BOARDS)), _NONE, dtype=np.int64)
    for limit in table:
        if limit.kind == "daily" and limit.row.first <= day <= limit.row.last:
            for state in limit.states:
                for board in limit.boards:
                    rates[STATES.index(state), :, BOARDS.index(board)] = limit.up, limit.down
    return rates


def _overrule(
    listing: list[LimitRow],
    young: int,
    days: np.ndarray,
    board: np.ndarray,
    is_st: np.ndarray,
    ages: np.ndarray,
    listed_on: np.ndarray,
    up_rate: np.ndarray,
    down_rate: np.ndarray,
) -> None:
    """Put the rates of first trading days in the place of the daily ones."""
    t, i = np.nonzero((ages > 0) & (ages <= young))
    if not len(t):
        return
    own = ages[t, i].astype(np.int64)
    new = np.flatnonzero(listed_on[i] == OPEN_END)
    if len(new):
        # Which rule a first day falls under is fixed by the day of listing, not by the session. Reversed,
        # so that a stock's earliest row is what stays.
        new = new[::-1]
        seen = days[t[new]].astype("datetime64[D]")
        listed_on[i[new]] = np.busday_offset(seen, 1 - own[new], roll="backward").astype(np.int64)
        exact = new[own[new] == 1]
        listed_on[i[exact]] = days[t[exact]]
    since = listed_on[i]
    for limit in listing:
        hit = (own >= limit.first_day) & (own <= limit.last_day)
        hit &= (since >= limit.row.first) & (since <= limit.row.last)
        hit &= np.isin(board[i], [BOARDS.index(name) for name in limit.boards])
        if len(limit.states) == 1:
            hit &= is_st[t, i] == (limit.states[0] == "st")
        up_rate[t[hit], i[hit]] = limit.up
        down_rate[t[hit], i[hit]] = limit.down


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
    day = day_number(np.datetime64(session, "D").item())
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
