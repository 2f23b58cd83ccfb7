"""Digests of what factors read, up to a session: a value may be used again if the history under it is the same."""

from __future__ import annotations

import hashlib

import numpy as np

from engine.market import Market
from signals.factors import packing


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
        return str(market.known.history_digest(market.sessions[last], self._firsts() <= last))

    def _field(self, name: str, last: int) -> int:
        """Sum of hashes of a field's cells up to session ``last``: only what is new since an earlier one is read."""
        if self._keys is None:
            digests = (hashlib.sha256(symbol.encode()).digest()[:8] for symbol in self._market.symbols)
            self._keys = np.array([int.from_bytes(one, "little") for one in digests], dtype=np.uint64)
        known = self._cells.setdefault(name, [(-1, 0)])
        begin, total = min(known, key=lambda one: abs(one[0] - last))
        values = np.asarray(getattr(self._market, name))
        words = values.view(f"u{values.dtype.itemsize}")
        low, high = min(begin, last), max(begin, last)
        between = int(packing.mix_cells(words, self._firsts(), self._keys, low + 1, high + 1))
        known.append((last, (total + (between if last > begin else -between)) % 2**64))
        return known[-1][1]


def source_of(name: str) -> str:
    """What an input is read from: its own field or index, or the dated tables as a whole."""
    return name if ":" not in name or name.startswith("index:") else "tables"


def _hash(*arrays: np.ndarray) -> str:
    words = []
    for values in arrays:
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        whole = len(flat) // 8 * 8
        mixed = int(packing.mix(flat[:whole].view(np.uint64)))
        words.append(f"{values.shape} {mixed:x} {flat[whole:].tobytes().hex()}")
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
