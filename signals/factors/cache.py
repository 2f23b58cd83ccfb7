"""Computed factors on disk, by content: data up to each session, code of the factor, sessions asked for.

A factor's values are one file of float64 rows, a row a session, so that a new day is a row more. Beside it stands what
they were computed from. A value is used again if the code is the same and the history under it is: then further
sessions are computed from the last bars alone and appended. Anything else is computed anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import DataError
from engine.files import replacing, write_beside
from engine.market import Market
from feeds.sources import cache_folder
from signals.factors import packing
from signals.factors.code import CodeDigests
from signals.factors.panel import FactorPanel
from signals.factors.registry import Factor

Progress = Callable[[int, int, str], None]
_TAILS = (1, 64, 256, 512, 1024)
"""Bars of the panels on which factors go on; a few lengths, so that what is packed serves many factors."""


@dataclass(frozen=True)
class _Entry:
    """What a file of values was computed from; ``history`` digests the inputs up to the day ``until``."""

    fingerprint: str
    days: tuple[int, ...]
    symbols: str
    history: Mapping[str, str]
    until: int


class FactorCache:
    """Values of factors, kept between runs.

    Parameters
    ----------
    folder : Path, optional
        Where to keep them; ``factors`` in Huice's cache by default.

    Attributes
    ----------
    computed, appended : list of str
        Names of the factors that the last :meth:`values` computed whole, and that it added sessions to.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = cache_folder() / "factors" if folder is None else Path(folder)
        self.computed: list[str] = []
        self.appended: list[str] = []

    def values(
        self,
        market: Market,
        factors: Iterable[Factor],
        rows: Sequence[int] | np.ndarray | None = None,
        *,
        schedule: str = "",
        progress: Progress | None = None,
    ) -> dict[str, np.ndarray]:
        """Values of factors at sessions of a market.

        Parameters
        ----------
        market : Market
        factors : iterable of Factor
        rows : sequence of int, optional
            Sessions asked for, ascending indices; all by default.
        schedule : str
            A name for how ``rows`` are chosen (``monthly``). Under one name later sessions are appended; rows without a
            name are kept by their dates alone.
        progress : callable, optional
            Called with factors done, factors in all, and a name.

        Returns
        -------
        dict of str to ndarray of float64, shape (D, N)
            Read-only, mapped from the files.

        Raises
        ------
        DataError
            If a factor's inputs are not there, or the cache cannot be written.
        """
        chosen = list(factors)
        every = np.arange(len(market.sessions)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.computed, self.appended = [], []
        work = _Work(self._folder, market, every, schedule or ("daily" if rows is None else ""))
        plans = {one.name: work.plan(one) for one in chosen}
        work.remember_code()
        panels = _Panels(market, every)
        out: dict[str, np.ndarray] = {}
        try:
            for done, one in enumerate(chosen):
                if progress is not None:
                    progress(done, len(chosen), one.name)
                kept = plans[one.name]
                if kept < len(every):
                    work.write(one, kept, one(panels.of(one, kept)))
                    (self.appended if kept else self.computed).append(one.name)
                out[one.name] = work.read(one)
        except OSError as error:
            raise DataError(
                f"the factor cache cannot be written into '{self._folder}' ({error.strerror}); "
                "set HUICE_CACHE to a folder that can be written"
            ) from error
        return out


class _Panels:
    """Panels for the factors that are computed whole, and for those that only go on: no longer than they need."""

    def __init__(self, market: Market, rows: np.ndarray) -> None:
        self._market, self._rows = market, rows
        self._made: dict[tuple[int, int | None], FactorPanel] = {}

    def of(self, one: Factor, kept: int) -> FactorPanel:
        tail = None
        if kept and one.lookback is not None:
            tail = next((most for most in _TAILS if one.lookback <= most), one.lookback)
        if (kept, tail) not in self._made:
            along = next(iter(self._made.values()), None)
            self._made[kept, tail] = FactorPanel(self._market, self._rows[kept:], tail=tail, along=along)
        return self._made[kept, tail]


class _Work:
    """Files of one market and schedule."""

    def __init__(self, folder: Path, market: Market, rows: np.ndarray, schedule: str) -> None:
        self._market = market
        self._rows = rows
        self._days = tuple(int(day) for day in market.sessions[rows].astype(np.int64))
        self._symbols = hashlib.sha256("\n".join(market.symbols).encode()).hexdigest()[:16]
        place = str(market.tables.folder) if market.tables is not None else market.fingerprint
        universe = str(market.info.get("universe", ""))
        first = str(market.sessions[0]) if len(market.sessions) else ""
        rule = schedule or hashlib.sha256(repr(self._days).encode()).hexdigest()
        if not market.fingerprint:
            raise DataError("a market without a fingerprint cannot be cached; compute its factors with a FactorPanel")
        key = hashlib.sha256("\0".join((place, universe, first, rule)).encode()).hexdigest()[:24]
        self._folder = folder / key
        self._history: dict[tuple[str, int], str] = {}
        self._cells: dict[str, list[tuple[int, int]]] = {}
        self._entries: dict[str, _Entry | None] = {}
        self._told: dict[str, tuple[tuple[int, ...], int]] = {}
        self._old: dict[str, Path] = {}
        self._said: tuple[tuple[int, ...], str] | None = None
        self._listed = False
        self._new: dict[tuple[str, int], bool] = {}
        self._wide: tuple[np.ndarray, np.ndarray] | None = None
        self._first: np.ndarray | None = None
        self._keys: np.ndarray | None = None
        self._digests = CodeDigests(folder)
        self._columns: dict[str, np.ndarray | None] = {}

    def remember_code(self) -> None:
        """Keep the digests of the factors' code."""
        self._digests.remember()

    # -- files ----------------------------------------------------------------------------------

    def _stem(self, one: Factor) -> str:
        return f"{one.name}.{self._digests.of(one.name, one.compute)}"

    def _note(self, one: Factor) -> Path:
        return self._folder / f"{self._stem(one)}.json"

    def _file(self, one: Factor, symbols: str) -> Path:
        return self._folder / f"{self._stem(one)}.{symbols}.f64"

    def _entry(self, one: Factor) -> _Entry | None:
        if one.name not in self._entries:
            try:
                found = json.loads(self._note(one).read_text(encoding="utf-8"))
                days = self._days_of(found["days"])
                self._entries[one.name] = _Entry(
                    found["fingerprint"], days, found["symbols"], found["history"], found["until"]
                )
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                self._entries[one.name] = None
        return self._entries[one.name]

    def _days_of(self, text: str) -> tuple[int, ...]:
        """Days as a note writes them; parsed once for all notes that tell the same."""
        if text not in self._told:
            days = tuple(int(word) for word in text.split())
            self._told[text] = days, _common(days, self._days)
        return self._told[text][0]

    def _kept(self, days: tuple[int, ...]) -> int:
        return next((kept for told, kept in self._told.values() if told is days), 0) or _common(days, self._days)

    # -- what can be kept -----------------------------------------------------------------------

    def plan(self, one: Factor) -> int:
        """How many of the asked sessions are already there and right."""
        entry = self._entry(one)
        if entry is None:
            return 0
        same = entry.symbols == self._symbols
        kept = self._kept(entry.days)
        file = self._file(one, entry.symbols)
        columns = None if same else self._old_columns(entry.symbols)
        width = len(self._market.symbols) if same else (0 if columns is None else len(columns))
        if not kept or not width or not file.is_file() or file.stat().st_size < kept * width * 8:
            return 0
        if entry.fingerprint == self._market.fingerprint and same:
            return kept
        last = int(self._market.position_of(np.datetime64(entry.until, "D"), "right")) - 1
        if columns is not None and self._newcomers_traded(entry.symbols, columns, last):
            return 0
        if any(entry.history.get(name) != self._past(name, last) for name in _inputs(one)):
            return 0
        if not same:
            self._widen(one, entry, kept, columns)
        return kept

    def _old_columns(self, symbols: str) -> np.ndarray | None:
        """Columns of an older list of symbols in this market; None if one of them has gone."""
        if symbols not in self._columns:
            try:
                words = (self._folder / f"{symbols}.symbols").read_text(encoding="utf-8").split("\n")
                self._columns[symbols] = np.array([self._market.index[word] for word in words], dtype=np.int64)
            except (OSError, KeyError):
                self._columns[symbols] = None
        return self._columns[symbols]

    def _newcomers_traded(self, symbols: str, columns: np.ndarray, last: int) -> bool:
        if (symbols, last) not in self._new:
            new = np.setdiff1d(np.arange(len(self._market.symbols)), columns)
            self._new[symbols, last] = bool((self._firsts()[new] <= last).any())
        return self._new[symbols, last]

    def _widen(self, one: Factor, entry: _Entry, kept: int, columns: np.ndarray | None) -> None:
        """Put columns of NaN where stocks have been added to the market since."""
        assert columns is not None
        shape = (kept, len(columns))
        if self._wide is None or self._wide[0].shape != shape:
            self._wide = np.empty(shape), np.full((kept, len(self._market.symbols)), np.nan)
        old, wide = self._wide
        with self._file(one, entry.symbols).open("rb") as file:
            file.readinto(old)  # type: ignore[arg-type]
        wide[:, columns] = old
        self._put(self._file(one, self._symbols), 0, wide)
        self._entries[one.name] = replace(entry, days=entry.days[:kept], symbols=self._symbols)
        self._old[one.name] = self._file(one, entry.symbols)
        if kept == len(self._rows):
            self._remember(one, entry.days[:kept])

    # -- the history under the values -----------------------------------------------------------

    def _firsts(self) -> np.ndarray:
        """Session of each stock's first bar."""
        if self._first is None:
            self._first = packing.first_bars(self._market.traded)
        return self._first

    def _past(self, name: str, last: int) -> str:
        """Digest of an input up to session ``last``; stocks without a bar by then do not count."""
        key = (_source_of(name), last)
        if key not in self._history:
            self._history[key] = self._digest(*key)
        return self._history[key]

    def _digest(self, name: str, last: int) -> str:
        market = self._market
        if name in market.fields:
            return f"{self._field(name, last):016x}"
        if name == "events":
            old = (market.events["t"] <= last) & (market.events["t"] >= self._firsts()[market.events["i"]])
            words = [market.symbols[i] for i in market.events["i"][old]]
            columns = [market.events[column][old] for column in ("t", "cash", "share_ratio", "factor_ratio")]
            return _hash(np.frombuffer("\n".join(words).encode(), dtype=np.uint8), *columns)
        if name.startswith("index:"):
            return _hash(market.known.index_close(name[6:], market.sessions[: last + 1]))
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

    def _remember(self, one: Factor, days: tuple[int, ...]) -> None:
        last = int(self._market.position_of(np.datetime64(days[-1], "D")))
        history = {name: self._past(name, last) for name in _inputs(one)}
        self._tell(one, _Entry(self._market.fingerprint, days, self._symbols, history, days[-1]))

    def _tell(self, one: Factor, entry: _Entry) -> None:
        listing = self._folder / f"{self._symbols}.symbols"
        if not self._listed and not listing.is_file():
            write_beside(listing, "\n".join(self._market.symbols))
        self._listed = True
        text = json.dumps(vars(entry) | {"days": self._words_of(entry.days)})
        write_beside(self._note(one), text)
        self._entries[one.name] = entry
        if one.name in self._old:
            self._old.pop(one.name).unlink(missing_ok=True)

    def _words_of(self, days: tuple[int, ...]) -> str:
        if self._said is None or self._said[0] != days:
            self._said = days, " ".join(str(day) for day in days)
        return self._said[1]

    # -- values ---------------------------------------------------------------------------------

    def write(self, one: Factor, kept: int, values: np.ndarray) -> None:
        """Put values after the first ``kept`` rows; at every moment the note tells no more than the file holds."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(one, self._symbols)
        entry = self._entry(one)
        if kept and entry is not None and len(entry.days) > kept:
            self._tell(one, replace(entry, days=entry.days[:kept]))
        elif not kept:
            self._note(one).unlink(missing_ok=True)
            self._entries[one.name] = None
        self._put(file, kept, values)
        self._remember(one, self._days[: kept + len(values)])

    @staticmethod
    def _put(file: Path, kept: int, values: np.ndarray) -> None:
        if kept:
            with file.open("r+b") as out:
                out.seek(kept * values.shape[1] * 8)
                out.truncate()
                values.tofile(out)
            return
        with replacing(file) as beside, beside.open("wb") as out:
            values.tofile(out)

    def read(self, one: Factor) -> np.ndarray:
        """The values asked for, mapped."""
        shape = (len(self._rows), len(self._market.symbols))
        if not shape[0] or not shape[1]:
            return np.empty(shape)
        return np.memmap(self._file(one, self._symbols), dtype=np.float64, mode="r", shape=shape)


def _inputs(one: Factor) -> tuple[str, ...]:
    return ("traded", *one.inputs)


def _source_of(name: str) -> str:
    """What an input is read from: its own field or index, or the dated tables as a whole."""
    return name if ":" not in name or name.startswith("index:") else "tables"


def _common(old: Sequence[int], new: Sequence[int]) -> int:
    count = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        count += 1
    return count


def _hash(*arrays: np.ndarray) -> str:
    words = []
    for values in arrays:
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        whole = len(flat) // 8 * 8
        mixed = int(packing.mix(flat[:whole].view(np.uint64)))
        words.append(f"{values.shape} {mixed:x} {flat[whole:].tobytes().hex()}")
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
