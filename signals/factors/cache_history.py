"""Digests of what factors read, up to a session: a value may be used again if the history under it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from engine.market import Market
from signals.factors import packing

_NEVER = np.iinfo(np.int64).max


class History:
    """Digests of a market's fields, events, index levels and tables up to any of its sessions.

    Cells before a stock's first bar do not count, so that stocks which list later change nothing.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._known: dict[tuple[str, int], str] = {}
        self._cells: dict[str, list[tuple[int, int]]] = {}
        self._tables: dict[str, tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = {}
        self._first: np.ndarray | None = None
        self._keys: np.ndarray | None = None

    def past(self, source: str, last: int) -> str:
        """Digest of a source (see :func:`source_of`) up to session ``last``."""
        if (source, last) not in self._known:
            self._known[source, last] = self._digest(source, last)
        return self._known[source, last]

    def _firsts(self) -> np.ndarray:
        """Session of each stock's first bar."""
        if self._first is None:
            self._first = packing.first_bars(self._market.traded)
        return self._first

    def _digest(self, source: str, last: int) -> str:
        market = self._market
        if source in market.fields:
            return f"{self._field(source, last):016x}"
        if source == "events":
            return f"{self._rows(source, last):016x}"
        if source.startswith("index:"):
            levels = market.known.index_close(source[6:], market.sessions[: last + 1])
            return hashlib.sha256(levels.tobytes()).hexdigest()[:16]
        sums = (f"{table} {self._rows(table, last):016x}" for table in market.known.tables())
        return hashlib.sha256(" ".join(sums).encode()).hexdigest()[:16]

    def _field(self, name: str, last: int) -> int:
        """Sum of hashes of a field's cells up to session ``last``: only what is new since an earlier one is read."""
        values = np.asarray(getattr(self._market, name))
        words = values.view(f"u{values.dtype.itemsize}")
        return self._grown(
            name, last, lambda low, high: int(packing.mix_cells(words, self._firsts(), self._symbols(), low, high))
        )

    def _rows(self, table: str, last: int) -> int:
        """Sum of hashes of a table's rows that count by session ``last``, of stocks that have begun by then."""
        begun = self._dated(table)[1]
        return self._grown(
            table, last, lambda low, high: self._mixed(table, np.flatnonzero((begun >= low) & (begun < high)))
        )

    def _dated(self, table: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Stocks of a table's rows, the sessions from which they count, and columns; ``events`` is a table too."""
        if table not in self._tables:
            if table == "events":
                keys, begins = self._market.events["i"].astype(np.int64), self._market.events["t"].astype(np.int64)
                keys = np.where(begins < self._firsts()[keys], -1, keys)  # no bar was there to be changed
                names = ("t", "cash", "share_ratio", "factor_ratio")
                values = {name: self._market.events[name] for name in names}
            else:
                keys, days, values = self._market.known.dated(table)
                begins = _session_of(self._market.sessions, days)
            begun = np.where(keys < 0, _NEVER, np.maximum(begins, self._firsts()[keys]))
            self._tables[table] = keys, begun, values
        return self._tables[table]

    def _mixed(self, table: str, rows: np.ndarray) -> int:
        keys, _, columns = self._dated(table)
        sums = self._symbols()[keys[rows]]
        for name in sorted(set(columns) - {"symbol"}):
            values = columns[name]
            if values.dtype == object:
                packing.mix_into(sums, _hashes(values[rows]), np.arange(len(rows)))
            else:
                packing.mix_into(sums, _words(values), rows)
        return int(sums.sum(dtype=np.uint64))

    def _grown(self, name: str, last: int, between: Callable[[int, int], int]) -> int:
        """A sum up to session ``last``, from one that is known and the sum ``between`` two sessions."""
        known = self._cells.setdefault(name, [(-1, 0)])
        begin, total = min(known, key=lambda one: abs(one[0] - last))
        more = between(min(begin, last) + 1, max(begin, last) + 1)
        known.append((last, (total + (more if last > begin else -more)) % 2**64))
        return known[-1][1]

    def _symbols(self) -> np.ndarray:
        """A hash of each stock's symbol."""
        if self._keys is None:
            self._keys = _hashes(np.array(self._market.symbols, dtype=object))
        return self._keys


def source_of(name: str) -> str:
    """What an input is read from: its own field or index, or the dated tables as a whole."""
    return name if ":" not in name or name.startswith("index:") else "tables"


def _session_of(sessions: np.ndarray, days: np.ndarray) -> np.ndarray:
    """First session on or after each day, the number of sessions where there is none or no day; int64."""
    span = sessions.astype(np.int64)
    by_day = np.searchsorted(span, np.arange(span[0], span[-1] + 2))
    # The least of all numbers, which stands for no day, wraps to one beyond the last session.
    return by_day.take(days.astype(np.int64) - span[0], mode="clip")


def _hashes(texts: np.ndarray) -> np.ndarray:
    """A hash of each text; none at all is another than the empty one."""
    given = ["\0" if one is None else str(one) for one in texts.tolist()]
    letters = np.frombuffer("".join(given).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return packing.mix_texts(letters, np.fromiter(map(len, given), np.int64, len(given)))


def _words(values: np.ndarray) -> np.ndarray:
    """Numbers, days or flags as whole numbers of 64 bits."""
    return np.ascontiguousarray(values).view(np.uint64) if values.dtype.itemsize == 8 else values.astype(np.uint64)
