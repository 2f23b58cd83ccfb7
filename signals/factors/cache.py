"""Computed factors on disk, by content: data up to each session, code of the factor, sessions asked for.

A factor's values are a file of float64 rows, a row a session, in columns that stay where they are when stocks list:
there is room for more. The last row of every factor stands in one file for all, with the states of averages that
remember the whole history: it is what a new day replaces, or puts a row behind. One book tells what was computed from
what. A value is used again if the code is the same and the history under it is: then further sessions are computed from
the last bars alone. Anything else is computed anew.

Rows that the book tells are not written over, but by rows of the same history; files are renamed before the book that
tells them is. So a reader, or a computer that stops, finds what is told.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import DataError
from engine.market import Market
from feeds.sources import cache_folder
from signals.factors.cache_book import Book, Entry, locked, series_of, shared, sizes, text_of
from signals.factors.cache_history import History, source_of
from signals.factors.cache_panels import Panels, Plan
from signals.factors.cache_values import Found, Values, mapped, take_columns
from signals.factors.code import CodeDigests
from signals.factors.panel import FactorPanel
from signals.factors.registry import Factor

Progress = Callable[[int, int, str], None]
_FORMAT = "2"
_BATCH = 16
"""Factors computed whole between two writings of the book."""


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
    ) -> Values:
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
        Values
            By name, float64, shape (D, N).

        Raises
        ------
        DataError
            If a factor's inputs are not there, or the cache cannot be written.
        """
        chosen = list(factors)
        every = np.arange(len(market.sessions)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.computed, self.appended = [], []
        if not len(every):
            nothing = Found(None, 0, np.empty((0, len(market.symbols))), np.empty(0))
            return Values({one.name: nothing for one in chosen})
        work = _Work(self._folder, market, every, schedule or ("daily" if rows is None else ""))
        plans = {one.name: work.plan(one) for one in chosen}
        panels = Panels(market, every, work.states(plans.values()), work.series(plans.values()))
        fresh: set[str] = set()
        try:
            try:
                for done, one in enumerate(panels.longest_first(chosen, plans)):
                    if progress is not None:
                        progress(done, len(chosen), one.name)
                    plan = plans[one.name]
                    if plan.kept < len(every):
                        panel = panels.of(one, plan)
                        panel.recursions.used = set()
                        work.take(plan, one(panel), panel)
                        fresh.add(one.name)
            finally:
                work.commit()
        except OSError as error:
            raise DataError(
                f"the factor cache cannot be written into '{self._folder}' ({error.strerror}); "
                "set HUICE_CACHE to a folder that can be written"
            ) from error
        self.computed = [one.name for one in chosen if one.name in fresh and not plans[one.name].kept]
        self.appended = [one.name for one in chosen if one.name in fresh and plans[one.name].kept]
        return Values({one.name: work.found(plans[one.name]) for one in chosen})


@dataclass
class _Taken:
    """What has been computed of a factor and is not told yet; ``beside``: a file for its first rows."""

    plan: Plan
    late: np.ndarray
    states: dict[str, np.ndarray]
    series: dict[str, np.ndarray]
    beside: Path | None = None


class _Work:
    """Files of one market and schedule."""

    def __init__(self, folder: Path, market: Market, rows: np.ndarray, schedule: str) -> None:
        if not market.fingerprint:
            raise DataError("a market without a fingerprint cannot be cached; compute its factors with a FactorPanel")
        self._market = market
        self._days: list[int] = market.sessions[rows].astype(np.int64).tolist()
        self._last = int(rows[-1])
        self._symbols = hashlib.sha256("\n".join(market.symbols).encode()).hexdigest()[:16]
        place = str(market.tables.folder) if market.tables is not None else market.fingerprint
        universe = str(market.info.get("universe", ""))
        rule = schedule or hashlib.sha256(repr(self._days).encode()).hexdigest()
        key = "\0".join((_FORMAT, place, universe, str(market.sessions[0]), rule))
        self._folder = folder / hashlib.sha256(key.encode()).hexdigest()[:24]
        self._digests = CodeDigests(folder)
        self._history = History(market)
        self._book = Book.load(self._folder)
        self._sizes = sizes(self._folder)
        self._tips = self._book.read_tips(self._folder)
        self._common = shared(self._book.days, self._days)
        self._columns, self._places = _placed(self._book.columns, market.symbols)
        self._width = len(self._columns) + max(64, len(self._columns) // 8)
        self._same: dict[tuple[int, str], bool] = {}
        self._taken: list[_Taken] = []
        self._found: dict[str, Found] = {}

    # -- what can be kept -----------------------------------------------------------------------

    def plan(self, one: Factor) -> Plan:
        """How many of the asked sessions are already there and right."""
        plan = Plan(one, self._digests.of(one.name, one.compute), self._book.entries.get(one.name))
        entry = plan.entry
        if entry is None or entry.code != plan.code or entry.width < len(self._columns) or not len(self._tips):
            return plan
        rows = min(entry.rows, self._common)
        tip = rows == entry.rows and rows < len(self._days) and self._days[rows] == entry.until
        if rows + tip == 0 or not self._holds(one.name, entry) or not self._right(one, entry):
            return plan
        plan.rows, plan.kept = rows, rows + tip
        if tip:
            plan.tip = np.full((1, len(self._places)), np.nan)
            take_columns(self._tips[entry.tip : entry.tip + 1], self._places, plan.tip)
        return plan

    def _holds(self, name: str, entry: Entry) -> bool:
        size = self._sizes.get(self._file(name, entry.code).name, 0)
        return size >= entry.rows * entry.width * 8

    def _right(self, one: Factor, entry: Entry) -> bool:
        """Whether what the factor reads is what it was, up to the day of its last row."""
        if (entry.fingerprint, entry.symbols) == (self._market.fingerprint, self._symbols):
            return True
        return all(self._unchanged(source, entry.until) for source in _sources(one))

    def _unchanged(self, source: str, until: int) -> bool:
        if (until, source) not in self._same:
            last = int(self._market.position_of(np.datetime64(until, "D"), "right")) - 1
            told = self._book.histories.get(until, {}).get(source)
            self._same[until, source] = told is not None and told == self._history.past(source, last)
        return self._same[until, source]

    def states(self, plans: Iterable[Plan]) -> dict[int, dict[str, np.ndarray]]:
        """States of averages before the last row of what is kept, (N, K), by day and average; zeros for new stocks."""
        out: dict[int, dict[str, np.ndarray]] = {}
        there = self._places < self._tips.shape[1]
        for plan in plans:
            if not plan.kept or plan.entry is None:
                continue
            states = out.setdefault(plan.entry.until, {})
            for key, (place, count) in plan.entry.states.items():
                if key not in states:
                    states[key] = np.zeros((len(self._places), count))
                    states[key][there] = self._tips[place : place + count, self._places[there]].T
        return out

    def series(self, plans: Iterable[Plan]) -> dict[str, np.ndarray]:
        """Series along the sessions under what is kept, (rows, T), by name; of several days the latest."""
        kept = sorted((plan.entry for plan in plans if plan.kept and plan.entry), key=lambda entry: entry.until)
        days = {name: entry.until for entry in kept for name in entry.series}
        return {name: series_of(self._book.series[day][name]) for name, day in days.items()}

    # -- what is new ----------------------------------------------------------------------------

    def take(self, plan: Plan, values: np.ndarray, panel: FactorPanel) -> None:
        """Take what comes after the kept rows."""
        used = sorted(panel.recursions.used)
        states = {key: panel.recursions.kept[key] for key in used if key in panel.recursions.kept}
        series = {key: panel.left[key] for key in used if key in panel.left}
        if plan.kept:
            late = values if plan.tip is None else np.concatenate([plan.tip, values])
            self._taken.append(_Taken(plan, late, states, series))
            return
        beside = None
        if len(values) > 1:
            self._folder.mkdir(parents=True, exist_ok=True)
            beside = self._folder / f".{plan.one.name}.{os.getpid()}"
            self._wide(values[:-1], self._width).tofile(beside)
        file = None if beside is None else mapped(beside, self._width)
        self._found[plan.one.name] = Found(file, len(values) - 1, values[-1:].copy(), self._places)
        self._taken.append(_Taken(plan, values[-1:].copy(), states, series, beside))
        if sum(one.beside is not None for one in self._taken) >= _BATCH:
            self.commit()

    def found(self, plan: Plan) -> Found:
        """Where the values of a factor are."""
        if plan.one.name not in self._found:
            late = np.empty((0, len(self._places))) if plan.tip is None else plan.tip
            self._found[plan.one.name] = self._behind(plan, late)
        return self._found[plan.one.name]

    def _behind(self, plan: Plan, late: np.ndarray) -> Found:
        file = mapped(self._file(plan.one.name, plan.code), plan.entry.width) if plan.rows and plan.entry else None
        return Found(file, plan.rows, late, self._places)

    def _wide(self, values: np.ndarray, width: int) -> np.ndarray:
        out = np.full((len(values), width), np.nan)
        out[:, self._places] = values
        return out

    def _file(self, name: str, code: str) -> Path:
        return self._folder / f"{name}.{code}.f64"

    # -- telling it -----------------------------------------------------------------------------

    def commit(self) -> None:
        """Put what has been taken into the files and tell it; what others have told meanwhile stays."""
        self._digests.remember()
        taken, self._taken = self._taken, []
        for one in taken:
            if one.plan.kept:
                self._found[one.plan.one.name] = self._behind(one.plan, one.late)
        if not taken:
            return
        with locked(self._folder):
            book = Book.load(self._folder)
            tips = self._tips if book.tips == self._book.tips else book.read_tips(self._folder)
            if self._columns[: len(book.columns)] != book.columns:  # another market's stocks have come in between
                for one in taken:
                    if one.beside is not None:
                        one.beside.unlink(missing_ok=True)
                return
            taken = [one for one in taken if one.beside or book.entries.get(one.plan.one.name) == one.plan.entry]
            stale = [one for one in taken if not one.plan.kept and one.plan.one.name in book.entries]
            if stale:  # a file is replaced: until it is told anew, nothing is told of it
                for one in stale:
                    gone = book.entries.pop(one.plan.one.name)
                    self._file(one.plan.one.name, gone.code).unlink(missing_ok=True)
                book.save(self._folder)
            book.columns = self._columns
            book.agree_on_days(self._days[:-1])
            for one in taken:
                self._put(one)
            old = book.tips
            self._tell(book, tips, taken)
            if old:
                (self._folder / old).unlink(missing_ok=True)

    def _put(self, one: _Taken) -> None:
        """All but the last row into the factor's file."""
        file = self._file(one.plan.one.name, one.plan.code)
        if one.beside is not None:
            one.beside.replace(file)
        elif len(one.late) > 1:
            assert one.plan.entry is not None
            with file.open("r+b" if one.plan.rows else "wb") as out:
                out.seek(one.plan.rows * one.plan.entry.width * 8)
                self._wide(one.late[:-1], one.plan.entry.width).tofile(out)

    def _tell(self, book: Book, tips: np.ndarray, taken: list[_Taken]) -> None:
        """The last rows and states into a file of their own, and all of it into the book."""
        names = {one.plan.one.name for one in taken}
        keep = sorted({row for name, entry in book.entries.items() if name not in names for row in entry.rows_of_tips})
        states = {id(values): values for one in taken for values in one.states.values()}
        count = len(keep) + len(taken) + sum(values.shape[1] for values in states.values())
        rows = np.full((count, len(self._columns)), np.nan)
        rows[: len(keep), : tips.shape[1]] = tips[keep] if len(keep) else 0.0
        moved = {old: new for new, old in enumerate(keep)}
        book.entries = {name: _moved(entry, moved) for name, entry in book.entries.items() if name not in names}
        place = len(keep)
        where: dict[int, tuple[int, int]] = {}
        for key, values in states.items():
            where[key] = place, values.shape[1]
            rows[place : place + values.shape[1]] = 0.0
            rows[place : place + values.shape[1], self._places] = values.T
            place += values.shape[1]
        until = self._days[-1]
        history = book.histories.setdefault(until, {})
        for one in taken:
            plan = one.plan
            for source in _sources(plan.one):
                history[source] = self._history.past(source, self._last)
            rows[place, self._places] = one.late[-1]
            width = plan.entry.width if plan.kept and plan.entry else self._width
            book.entries[plan.one.name] = Entry(
                plan.code, width, len(self._days) - 1, until, place,
                {key: where[id(values)] for key, values in one.states.items()},
                self._market.fingerprint, self._symbols, sorted(one.series),
            )  # fmt: skip
            place += 1
        left = {name: values for one in taken for name, values in one.series.items()}
        book.series.setdefault(until, {}).update((name, text_of(values)) for name, values in left.items())
        book.write_tips(self._folder, rows)
        book.save(self._folder)


def _sources(one: Factor) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(source_of, ("traded", *one.inputs))))


def _placed(columns: list[str], symbols: list[str]) -> tuple[list[str], np.ndarray]:
    """The columns with those of new symbols behind them, and the column of each symbol."""
    place = {symbol: k for k, symbol in enumerate(columns)}
    new = [symbol for symbol in symbols if symbol not in place]
    place.update((symbol, len(columns) + k) for k, symbol in enumerate(new))
    return columns + new, np.array([place[symbol] for symbol in symbols], dtype=np.int64)


def _moved(entry: Entry, places: Mapping[int, int]) -> Entry:
    states = {key: (places[first], count) for key, (first, count) in entry.states.items()}
    return replace(entry, tip=places[entry.tip], states=states)
