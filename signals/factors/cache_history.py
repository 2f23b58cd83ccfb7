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
        self._begun: dict[str, np.ndarray] = {}
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
            old = (market.events["t"] <= last) & (market.events["t"] >= self._firsts()[market.events["i"]])
            words = [market.symbols[i] for i in market.events["i"][old]]
            columns = [market.events[column][old] for column in ("t", "cash", "share_ratio", "factor_ratio")]
            return _hash(np.frombuffer("\n".join(words).encode(), dtype=np.uint8), *columns)
        if source.startswith("index:"):
            return _hash(market.known.index_close(source[6:], market.sessions[: last + 1]))
        reports = market.known.reports_digest(market.sessions[last], self._firsts() <= last)
        sums = (f"{table} {self._rows(table, last):016x}" for table in market.known.dated_tables())
        return hashlib.sha256(" ".join((reports, *sums)).encode()).hexdigest()[:16]

    def _field(self, name: str, last: int) -> int:
        """Sum of hashes of a field's cells up to session ``last``: only what is new since an earlier one is read."""
        values = np.asarray(getattr(self._market, name))
        words = values.view(f"u{values.dtype.itemsize}")
        return self._grown(
            name, last, lambda low, high: int(packing.mix_cells(words, self._firsts(), self._symbols(), low, high))
        )

    def _rows(self, table: str, last: int) -> int:
        """Sum of hashes of a dated table's rows that count by session ``last``, of stocks that have begun by then."""
        if table not in self._begun:
            keys, days, _ = self._market.known.dated(table)
            begins = np.searchsorted(self._market.sessions, days)  # a day without a time comes last
            self._begun[table] = np.where(keys < 0, _NEVER, np.maximum(begins, self._firsts()[keys]))
        begun = self._begun[table]
        return self._grown(
            table, last, lambda low, high: self._mixed(table, np.flatnonzero((begun >= low) & (begun < high)))
        )

    def _mixed(self, table: str, rows: np.ndarray) -> int:
        keys, _, columns = self._market.known.dated(table)
        sums = self._symbols()[keys[rows]]
        for name in sorted(set(columns) - {"symbol"}):
            values = columns[name]
            if values.dtype == object:
                packing.mix_into(sums, _hashes(values[rows].tolist()), np.arange(len(rows)))
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
            self._keys = np.array([_hashed(symbol) for symbol in self._market.symbols], dtype=np.uint64)
        return self._keys


def source_of(name: str) -> str:
    """What an input is read from: its own field or index, or the dated tables as a whole."""
    return name if ":" not in name or name.startswith("index:") else "tables"


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _hashes(texts: list[str | None]) -> np.ndarray:
    known = {one: _hashed(repr(one)) for one in set(texts)}
    return np.array([known[one] for one in texts], dtype=np.uint64)


def _words(values: np.ndarray) -> np.ndarray:
    """Numbers, days or flags as whole numbers of 64 bits."""
    return np.ascontiguousarray(values).view(np.uint64) if values.dtype.itemsize == 8 else values.astype(np.uint64)


def _hash(*arrays: np.ndarray) -> str:
    words = []
    for values in arrays:
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        whole = len(flat) // 8 * 8
        mixed = int(packing.mix(flat[:whole].view(np.uint64)))
        words.append(f"{values.shape} {mixed:x} {flat[whole:].tobytes().hex()}")
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
