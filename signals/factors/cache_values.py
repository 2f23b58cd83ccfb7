"""Values of factors as the cache gives them: read from its files when they are asked for."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class Values(Mapping[str, np.ndarray]):
    """Values of factors by name, each a read-only (D, N) array of float64, made from the files when it is asked for."""

    def __init__(self, made: dict[str, Found]) -> None:
        self._made = made

    def __getitem__(self, name: str) -> np.ndarray:
        return self._made[name].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


@dataclass
class Found:
    """Values of one factor: rows of a file, and those behind them."""

    file: np.ndarray | None
    rows: int
    late: np.ndarray
    places: np.ndarray

    def read(self) -> np.ndarray:
        out = np.empty((self.rows + len(self.late), self.late.shape[1]))
        if self.file is not None:
            take_columns(self.file[: self.rows], self.places, out[: self.rows])
        out[self.rows :] = self.late
        out.setflags(write=False)
        return out


def take_columns(rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Some columns of some rows, NaN where there is none."""
    if len(places) and places[-1] == len(places) - 1 and (np.diff(places) == 1).all() and len(places) <= rows.shape[1]:
        out[:] = rows[:, : len(places)]
        return
    there = places < rows.shape[1]
    out[:, ~there] = np.nan
    out[:, there] = rows[:, places[there]]


def mapped(file: Path, width: int) -> np.ndarray:
    with file.open("rb") as opened:
        return np.frombuffer(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)).reshape(-1, width)
