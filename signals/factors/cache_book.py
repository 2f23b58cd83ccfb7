"""What a folder of the factor cache holds: one file tells it for all factors, and is replaced as a whole."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.files import write_beside


@dataclass(frozen=True)
class Entry:
    """What is told of one factor.

    Attributes
    ----------
    code : str
        Digest of its code, which is in the name of its file.
    width : int
        Columns of its file; those beyond the symbols are for stocks that list later.
    rows : int
        Rows of its file that count: the first of the book's days.
    until : int
        Day of its last row, which stands in the tips and not in its file: a month that goes on replaces it.
    tip : int
        Row of the tips.
    states : dict of str to tuple of int
        States of its averages before that day: first row of the tips, and rows.
    fingerprint, symbols : str
        Of the market that it was computed from.
    series : list of str
        Series along the sessions that it reads, of the book's until that day.
    """

    code: str
    width: int
    rows: int
    until: int
    tip: int
    states: dict[str, tuple[int, int]]
    fingerprint: str
    symbols: str
    series: list[str] = field(default_factory=list)

    @property
    def rows_of_tips(self) -> set[int]:
        """Its row and its states'."""
        return {self.tip, *(row for first, count in self.states.values() for row in range(first, first + count))}


@dataclass
class Book:
    """What is told of a folder.

    Attributes
    ----------
    columns : list of str
        Symbols by column, of all files; further ones are put behind.
    days : list of int
        Days by row, of all files.
    tips : str
        File of the last rows and states.
    histories : dict
        By day and source the digest of the history that the entries until that day were computed from.
    series : dict
        By day and name a series along the sessions until then, as text.
    entries : dict of str to Entry
    """

    columns: list[str] = field(default_factory=list)
    days: list[int] = field(default_factory=list)
    tips: str = ""
    histories: dict[int, dict[str, str]] = field(default_factory=dict)
    series: dict[int, dict[str, str]] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Book:
        """The book of a folder; an empty one if it has none that can be read."""
        try:
            told = json.loads((folder / "book.json").read_text(encoding="utf-8"))
            entries = {name: Entry(**one) for name, one in told["entries"].items()}
            histories, series = ({int(day): one for day, one in told[key].items()} for key in ("histories", "series"))
            return cls(told["columns"].split(), told["days"], told["tips"], histories, series, entries)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def save(self, folder: Path) -> None:
        """Write it, without histories and series that no entry needs."""
        needed = {one.until for one in self.entries.values()}
        self.histories = {day: digests for day, digests in self.histories.items() if day in needed}
        self.series = {day: series for day, series in self.series.items() if day in needed}
        told = vars(self) | {
            "columns": " ".join(self.columns),
            "entries": {name: vars(one) for name, one in self.entries.items()},
        }
        write_beside(folder / "book.json", json.dumps(told))

    def read_tips(self, folder: Path) -> np.ndarray:
        """Last rows and states, (rows, columns); none if they cannot be read whole."""
        rows = max((row for one in self.entries.values() for row in one.rows_of_tips), default=-1) + 1
        width = len(self.columns)
        try:
            found = np.fromfile(folder / self.tips, dtype=np.float64) if self.tips else np.empty(0)
        except OSError:
            found = np.empty(0)
        whole = rows and len(found) >= rows * width and len(found) % width == 0
        return found.reshape(-1, width) if whole else np.empty((0, width))

    def write_tips(self, folder: Path, rows: np.ndarray) -> None:
        """Put them into a file of a name that has not been told."""
        number = int(self.tips.split("-")[1]) + 1 if self.tips else 0
        self.tips = f"tips-{number}-{os.getpid()}.f64"
        rows.tofile(folder / self.tips)

    def agree_on_days(self, days: list[int]) -> None:
        """Let the first rows of the files be these days; entries keep what they have in common with them."""
        common = shared(self.days, days)
        if common == len(days):
            return
        if common < len(self.days):
            self.entries = {name: replace(one, rows=min(one.rows, common)) for name, one in self.entries.items()}
        self.days = list(days)


def text_of(series: np.ndarray) -> str:
    """A series (rows, T) of float64 as text, bit by bit."""
    return f"{len(series)} {base64.b64encode(series.tobytes()).decode()}"


def series_of(text: str) -> np.ndarray:
    """What :func:`text_of` made text."""
    rows, _, digits = text.partition(" ")
    return np.frombuffer(base64.b64decode(digits), dtype=np.float64).reshape(int(rows), -1)


def shared(old: list[int], new: list[int]) -> int:
    """How many leading days are the same."""
    if old == new[: len(old)]:
        return len(old)
    return next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of a folder; nothing if it is not there."""
    try:
        with os.scandir(folder) as found:
            return {one.name: one.stat().st_size for one in found}
    except OSError:
        return {}


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes into a folder meanwhile, where the system has such locks."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
