"""Computed factors on disk, by content: data up to each session, code of the factor, sessions asked for.

A factor's values are one file of float64 rows, a row a session, so that a new day is a row more. Beside it stands what
they were computed from. A value is used again if the code is the same and the history under it is: then further
sessions are computed from the last bars alone and appended. Anything else is computed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.errors import DataError
from engine.market import Market
from feeds.fingerprint import write_beside
from feeds.sources import cache_folder
from signals.factors import packing
from signals.factors.code import CodeDigests
from signals.factors.panel import FactorPanel
from signals.factors.registry import Factor

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Entry:
    """What a file of values was computed from."""

    fingerprint: str
    days: tuple[int, ...]
    symbols: str
    history: Mapping[str, str]


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
        tail = 1 << (one.lookback - 1).bit_length() if kept and one.lookback is not None else None
        if (kept, tail) not in self._made:
            self._made[kept, tail] = FactorPanel(self._market, self._rows[kept:], tail=tail)
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
        self._history: dict[tuple[str, int, str], str] = {}
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
        try:
            found = json.loads(self._note(one).read_text(encoding="utf-8"))
            return _Entry(found["fingerprint"], tuple(found["days"]), found["symbols"], found["history"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    # -- what can be kept -----------------------------------------------------------------------

    def plan(self, one: Factor) -> int:
        """How many of the asked sessions are already there and right."""
        entry = self._entry(one)
        if entry is None:
            return 0
        same = entry.symbols == self._symbols
        kept = _common(entry.days, self._days)
        file = self._file(one, entry.symbols)
        columns = None if same else self._old_columns(entry.symbols)
        width = len(self._market.symbols) if same else (0 if columns is None else len(columns))
        if not kept or not width or not file.is_file() or file.stat().st_size < kept * width * 8:
            return 0
        if entry.fingerprint == self._market.fingerprint and same:
            return kept
        last = int(self._market.position_of(np.datetime64(entry.days[-1], "D"), "right")) - 1
        if columns is not None and self._newcomers_traded(entry.symbols, columns, last):
            return 0
        if any(entry.history.get(name) != self._past(name, last, entry.symbols) for name in _inputs(one)):
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
        new = np.setdiff1d(np.arange(len(self._market.symbols)), columns)
        return bool(self._market.traded[: last + 1, new].any())

    def _widen(self, one: Factor, entry: _Entry, kept: int, columns: np.ndarray | None) -> None:
        """Put columns of NaN where stocks have been added to the market since."""
        assert columns is not None
        old = np.fromfile(self._file(one, entry.symbols), count=kept * len(columns)).reshape(kept, len(columns))
        wide = np.full((kept, len(self._market.symbols)), np.nan)
        wide[:, columns] = old
        self._put(self._file(one, self._symbols), 0, wide)
        self._remember(one, kept)
        self._file(one, entry.symbols).unlink(missing_ok=True)

    # -- the history under the values -----------------------------------------------------------

    def _past(self, name: str, last: int, symbols: str) -> str:
        """Digest of an input up to session ``last``, in the columns of a list of symbols."""
        key = (_source_of(name), last, symbols)
        if key not in self._history:
            self._history[key] = self._digest(*key)
        return self._history[key]

    def _digest(self, name: str, last: int, symbols: str) -> str:
        market = self._market
        columns = None if symbols == self._symbols else self._old_columns(symbols)
        if name in market.fields:
            values = getattr(market, name)[: last + 1]
            if columns is not None:
                values = values[:, columns]
            return _hash(values)
        if name == "events":
            old = market.events["t"] <= last
            return _hash(*(market.events[column][old] for column in ("t", "cash", "share_ratio", "factor_ratio")))
        if name.startswith("index:"):
            return _hash(market.known.index_close(name[6:], market.sessions[: last + 1]))
        stocks = None
        if columns is not None:
            stocks = np.zeros(len(market.symbols), dtype=bool)
            stocks[columns] = True
        return str(market.known.history_digest(market.sessions[last], stocks))

    def _remember(self, one: Factor, count: int) -> None:
        last = int(self._rows[count - 1])
        history = {name: self._past(name, last, self._symbols) for name in _inputs(one)}
        entry = _Entry(self._market.fingerprint, self._days[:count], self._symbols, history)
        listing = self._folder / f"{self._symbols}.symbols"
        if not listing.is_file():
            write_beside(listing, "\n".join(self._market.symbols))
        write_beside(self._note(one), json.dumps(asdict(entry)))

    # -- values ---------------------------------------------------------------------------------

    def write(self, one: Factor, kept: int, values: np.ndarray) -> None:
        """Put values after the first ``kept`` rows; at every moment the note tells no more than the file holds."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(one, self._symbols)
        entry = self._entry(one)
        if kept and entry is not None and len(entry.days) > kept:
            self._remember(one, kept)
        elif not kept:
            self._note(one).unlink(missing_ok=True)
        self._put(file, kept, values)
        self._remember(one, kept + len(values))

    @staticmethod
    def _put(file: Path, kept: int, values: np.ndarray) -> None:
        if kept:
            with file.open("r+b") as out:
                out.seek(kept * values.shape[1] * 8)
                out.truncate()
                values.tofile(out)
            return
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with beside.open("wb") as out:
                values.tofile(out)
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)

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
