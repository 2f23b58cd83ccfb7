"""The as-of join: which row of a dated table is the last one known on a day.

A table has a key (a stock, or a stock and a period) and the day from which each row counts. Both go into one sorted
column of whole numbers, so that a question for many days and stocks is one binary search: exact, as DuckDB's ``ASOF
JOIN`` is, in about a quarter of its time on 120 month-ends and 3,589 stocks.
"""

from __future__ import annotations

import numpy as np

NEVER = np.iinfo(np.int32).max
"""Day number of a row that never counts."""

_DAYS = 1 << 24
_FIRST = 1 << 23  # day numbers are shifted by it, so that those before 1970 are positive


class AsOf:
    """The rows of a dated table in order of key and day.

    Parameters
    ----------
    keys : ndarray of int, shape (R,)
        From 0 on; a row with a negative key is left out.
    days : ndarray of datetime64[D] or int, shape (R,)
        First day on which each row counts; NaT and :data:`NEVER`: never.

    Notes
    -----
    Of several rows with one key and day the last one in the table counts.
    """

    def __init__(self, keys: np.ndarray, days: np.ndarray) -> None:
        numbers = _numbers(days)
        keep = np.flatnonzero((keys >= 0) & (numbers < NEVER))
        whole = keys[keep].astype(np.int64) * _DAYS + numbers[keep] + _FIRST
        order = np.argsort(whole, kind="stable")
        self._sorted = whole[order]
        self.rows = keep[order]
        """Row of the table by place in this order."""
        self.keys = self._sorted >> 24
        """Key by place."""

    def places(self, keys: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Place in :attr:`rows` of the last row of each key up to and including each day; -1 where there is none.

        Parameters
        ----------
        keys, days : ndarray of int and of datetime64[D] or int
            Broadcast against each other, for instance (1, N) and (D, 1); a negative key has no row.

        Returns
        -------
        ndarray of int64
        """
        keys = np.asarray(keys, dtype=np.int64)
        numbers = np.minimum(_numbers(days), _FIRST - 1)
        at = np.searchsorted(self._sorted, keys * _DAYS + numbers + _FIRST, side="right") - 1
        if not len(self._sorted):
            return np.full(at.shape, -1, dtype=np.int64)
        same = (self.keys[np.maximum(at, 0)]) == keys
        return np.where(same & (at >= 0) & (keys >= 0), at, -1)

    def overruled(self) -> np.ndarray:
        """Rows of the table that never count, because a later one has their key and day."""
        return self.rows[:-1][self._sorted[1:] == self._sorted[:-1]]

    def find(self, keys: np.ndarray, days: np.ndarray) -> np.ndarray:
        """As :meth:`places`, as row numbers of the table."""
        places = self.places(keys, days)
        if not len(self.rows):
            return places
        return np.where(places < 0, -1, self.rows[np.maximum(places, 0)])


def spells(keys: np.ndarray, first: np.ndarray, end: np.ndarray) -> tuple[AsOf, np.ndarray]:
    """Spells that may overlap, as steps of an as-of join.

    Parameters
    ----------
    keys : ndarray of int, shape (R,)
    first, end : ndarray of datetime64[D], shape (R,)
        First day of each spell and first day after it; NaT: it goes on.

    Returns
    -------
    steps : AsOf
        With twice as many rows.
    open_spells : ndarray of int64
        How many spells are open from each place of ``steps`` on, by place.
    """
    steps = AsOf(np.concatenate([keys, keys]), np.concatenate([first, end]))
    change = np.where(steps.rows < len(keys), 1, -1)
    # Spells that never end are left out of the steps; each key begins and ends at its own count.
    key = steps.keys
    total = np.cumsum(change)
    begins = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.zeros(0, np.int64)
    before = np.concatenate([[0], total])[begins]
    return steps, total - np.repeat(before, np.diff(np.append(begins, len(key))))


def gather(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``values[rows]`` where there is a row; NaN, None or NaT elsewhere, False for flags."""
    if values.dtype == np.bool_:
        empty: object = False
    elif values.dtype.kind == "M":
        empty = np.datetime64("NaT")
    else:
        empty = None if values.dtype == object else np.nan
        values = values if values.dtype == object else values.astype(np.float64, copy=False)
    if not len(values):
        return np.full(rows.shape, empty, dtype=values.dtype)
    found = values[np.maximum(rows, 0)]
    found[rows < 0] = empty
    return found


def _numbers(days: np.ndarray) -> np.ndarray:
    """Day numbers as int64; NaT becomes :data:`NEVER`."""
    days = np.asarray(days)
    if days.dtype.kind == "M":
        missing = np.isnat(days)
        return np.where(missing, NEVER, days.astype("datetime64[D]").astype(np.int64))
    return days.astype(np.int64)
