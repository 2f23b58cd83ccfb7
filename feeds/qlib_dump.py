"""Qlib's binary dump of daily bars: ``calendars/day.txt`` and ``features/sh600519/close.day.bin``.

A file is a row of little-endian float32: the place of its first session in the calendar, then a value a session.
Prices are multiplied by ``factor`` and volumes divided by it; dividing again gives the prices that were paid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import DataError
from feeds.mappings import symbol_of

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = re.compile(r"(?:sh|sz|bj)\d{6}", re.IGNORECASE | re.ASCII)
_PRICES = ("open", "high", "low", "close")


def is_dump(folder: Path) -> bool:
    """Whether a folder is a Qlib dump of days."""
    return (folder / "calendars" / "day.txt").is_file() and (folder / "features").is_dir()


def read_calendar(folder: Path) -> np.ndarray:
    """Sessions of the dump, datetime64[D].

    Raises
    ------
    DataError
        If a line is no date.
    """
    try:
        lines = (folder / "calendars" / "day.txt").read_text(encoding="utf-8").split()
        return np.array(lines, dtype="datetime64[D]")
    except (OSError, ValueError) as error:
        raise DataError(f"calendars/day.txt cannot be read ({error}); write one date like 2020-01-31 a line") from error


def read_dump(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name of each stock's folder and its bars, unadjusted, with ``adj_factor``.

    Raises
    ------
    DataError
        If a file is shorter or longer than its calendar allows, or a stock has no ``factor``.
    """
    import pandas as pd

    days = read_calendar(folder)
    root = folder.resolve()
    for place in sorted((folder / "features").iterdir()):
        if not (_FOLDER.fullmatch(place.name) and place.is_dir() and place.resolve().is_relative_to(root)):
            continue
        symbol = symbol_of(place.name)
        if symbol is None:  # funds and bonds
            continue
        columns = {name: _values(place, name, len(days)) for name in (*_PRICES, "volume", "amount", "factor")}
        if columns["close"] is None:
            continue
        start, close = columns["close"]
        length = len(close)

        def series(name: str, start: int = start, length: int = length, columns: dict = columns) -> np.ndarray | None:
            found = columns[name]
            if found is None:
                return None
            out = np.full(length, np.nan)
            first = found[0] - start
            low, high = max(first, 0), min(first + len(found[1]), length)
            if low < high:
                out[low:high] = found[1][low - first : high - first]
            return out

        factor = series("factor")
        if factor is None:
            raise DataError(f"features/{place.name} has no factor.day.bin, so its prices cannot be made those paid")
        frame = pd.DataFrame({"date": days[start : start + length].astype("datetime64[ms]"), "symbol": symbol})
        for name in _PRICES:
            values = series(name)
            if values is not None:
                frame[name] = np.round(values / factor, 2)
        volume, amount = series("volume"), series("amount")
        frame["volume"] = np.rint(volume * factor) if volume is not None else np.nan
        if amount is not None:
            frame["amount"] = amount
        frame["adj_factor"] = factor
        yield place.name, frame[(frame["volume"] > 0) & frame["close"].notna()].reset_index(drop=True)


def _values(place: Path, name: str, sessions: int) -> tuple[int, np.ndarray] | None:
    """First session and values of one file; None where there is none."""
    path = place / f"{name}.day.bin"
    if not path.is_file():
        return None
    raw = np.fromfile(path, dtype="<f4")
    first = float(raw[0]) if len(raw) else 0.0
    if path.stat().st_size % 4 or not len(raw) or first != int(first) or not 0 <= first <= sessions - len(raw) + 1:
        raise DataError(f"features/{place.name}/{path.name} does not fit calendars/day.txt; write the dump again")
    return int(first), raw[1:].astype(np.float64)
