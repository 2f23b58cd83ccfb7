"""Price limits by date, exact in integer fen, for a whole panel at once.

The rules are data, ``engine/tables/price_limits.csv``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from engine.boards import BOARDS
from engine.dated_tables import OPEN_END, TABLES, Row, check_series, day_number, read_rows
from engine.errors import DataError, nearest

NO_LIMIT_UP = 2**31 - 1
"""Upper limit in fen of a stock that has none; the lower one is then 0."""

STATES = (
    "normal", "st", "unreformed", "delisting",
    "delisting_first", "relisting", "share_reform", "offering", "no_offering",
)  # fmt: skip
"""States of a stock on a session; a state's code in a market is its place here.

``unreformed`` is an S stock without special treatment, ``delisting`` the delisting period. The rest are single
days: the first of that period, the first after a suspended listing, after a share reform, of a follow-on
offering, and of a listing without a public offering (by merger, or again after a delisting).
"""

ST = STATES.index("st")
FIRST_SINGLE_DAY = STATES.index("delisting_first")
"""Codes from here on stand for single days."""

_COLUMNS = (
    "kind", "boards", "state", "first_day", "last_day", "from", "to", "up", "down", "source", "confidence",
)  # fmt: skip
_BEGAN = day_number("1996-12-16")  # earlier gaps mean that there was no limit
_NONE = -1  # basis points of a side without limit
_ONE = 10_000
_CHUNK = 1 << 17  # cells worked on at once


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of ``price_limits.csv``: rates in basis points, -1 = no limit on that side.

    ``kind`` daily: ``from`` and ``to`` are sessions. ``kind`` listing: they are *listing* dates, and the
    row overrules the daily ones on the stock's own trading days ``first_day`` to ``last_day``. A blank rate of
    either kind means no limit on that side.
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
    found = [_row(row) for row in read_rows(path, _COLUMNS)]
    of_row = {limit.row.line: limit for limit in found}

    def keys(row: Row) -> list[tuple[str, str]]:
        limit = of_row[row.line]
        return [(board, state) for board in limit.boards for state in limit.states]

    check_series((limit.row for limit in found if limit.kind == "daily"), keys, gaps_until=_BEGAN)
    listing = [limit for limit in found if limit.kind == "listing"]
    for k, one in enumerate(listing):
        for other in listing[k + 1 :]:
            dates = max(one.row.first, other.row.first) <= min(one.row.last, other.row.last)
            days = max(one.first_day, other.first_day) <= min(one.last_day, other.last_day)
            if dates and days and set(keys(one.row)) & set(keys(other.row)):
                raise other.row.error(f"overlaps line {one.row.line}: same board, state, day and listing date")
    return tuple(found)


def _row(row: Row) -> LimitRow:
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


_table = functools.cache(read_price_limits)


def price_limits(
    sessions: np.ndarray, boards: np.ndarray, reference_fen: np.ndarray, state: np.ndarray, age: np.ndarray
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
    state : ndarray of uint8, shape (T, N)
        Places in :data:`STATES`; bool stands for normal and ST.
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
        If a board or a state is unknown or the rule table is malformed.
    """
    state = np.asarray(state)
    if state.size and state.max() >= len(STATES):
        raise DataError(f"state {state.max()} is unknown; states are 0 to {len(STATES) - 1}: {', '.join(STATES)}")
    table = _table()
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
            code = np.asarray(state[rows], dtype=np.uint8)
            ages = age[rows]
            is_st = code == ST
            up_rate = np.where(is_st, rates[ST, 0], rates[0, 0])
            down_rate = np.where(is_st, rates[ST, 1], rates[0, 1])
            if code.max(initial=0) > ST:  # the few others, one by one
                t, i = np.nonzero(code > ST)
                up_rate[t, i], down_rate[t, i] = rates[code[t, i], 0, i], rates[code[t, i], 1, i]
            _overrule(listing, young, days[rows], board, code, ages, listed_on, up_rate, down_rate)
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
    code: np.ndarray,
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
    since = listed_on[i]
    for limit in listing:
        hit = (own >= limit.first_day) & (own <= limit.last_day)
        hit &= (since >= limit.row.first) & (since <= limit.row.last)
        hit &= np.isin(board[i], [BOARDS.index(name) for name in limit.boards])
        hit &= np.isin(code[t, i], [STATES.index(name) for name in limit.states])
        up_rate[t[hit], i[hit]] = limit.up
        down_rate[t[hit], i[hit]] = limit.down
