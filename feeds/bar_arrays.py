"""The T x N arrays that a pass over the daily bars fills, in memory or straight into the files of a cache.

Bars come a calendar year at a time, and so does each array: a year of a field is put together where the processor's
cache still holds it. Fields that nothing is derived from are written to their ``.npy`` file at once and mapped, so
that a whole market needs no memory for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from feeds import schema


@dataclass
class BarTarget:
    """Stocks and fields to read, and the arrays that receive them.

    Attributes
    ----------
    symbols : sequence of str, length N
    fields : sequence of str
        Of :data:`feeds.schema.BAR_NUMBERS` and :data:`feeds.schema.BAR_OPTIONAL`; "st" stands for the flag
        ``is_st``.
    divisors : mapping of str to float
        What the numbers of a field are divided by.
    folder : Path or None
        Where the fields ``on_disk`` become ``<field>.npy``; None keeps all in memory.
    on_disk : collection of str
        Of the float fields.
    arrays : dict of ndarray, shape (T, N)
        Filled by :meth:`feeds.file_feed.FileFeed.read_bars`: float64, NaN without a bar; "st" is uint8, 0 without a
        bar. An optional column that no file has stays without an array.

    Raises
    ------
    OSError
        By the methods, if a file cannot be written.
    """

    symbols: Sequence[str]
    fields: Sequence[str]
    divisors: Mapping[str, float] = field(default_factory=dict)
    folder: Path | None = None
    on_disk: Collection[str] = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = 0
        self._files: dict[str, IO[bytes]] = {}
        self._hot = np.zeros(0)

    def begin(self, rows: int) -> None:
        """Make the arrays of T = ``rows`` sessions, or their files."""
        self._rows, shape = rows, (rows, len(self.symbols))
        self.arrays = {}
        for name in self.fields:
            if name in schema.BAR_OPTIONAL:
                continue
            if self.folder is not None and name in self.on_disk:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._files[name] = file = (self.folder / f"{name}.npy").open("w+b")
                about = {"descr": "<f8", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, about)
            else:
                self.arrays[name] = np.empty(shape, np.uint8 if name == "st" else np.float64)

    def put(self, name: str, rows: slice, place: np.ndarray, values: np.ndarray) -> None:
        """Fill the sessions ``rows`` of a field; they follow those that were put before.

        Parameters
        ----------
        name : str
        rows : slice
        place : ndarray of int, shape (R,)
            Cell of each value, counted from the first of ``rows`` along the stocks.
        values : ndarray, shape (R,)
        """
        cells = (rows.stop - rows.start) * len(self.symbols)
        if name in self._files:
            if len(self._hot) < cells:
                self._hot = np.empty(cells)
            block = self._hot[:cells]
        else:
            if name not in self.arrays:  # an optional column
                self.arrays[name] = np.full((self._rows, len(self.symbols)), np.nan)
            block = self.arrays[name][rows].reshape(-1)
        block.fill(0 if name == "st" else np.nan)
        if name in self.divisors:
            values = values.astype(np.float64) / self.divisors[name]
        block[place] = values if values.dtype == block.dtype else values.astype(block.dtype)
        if name in self._files:
            self._files[name].write(block.data)

    def finish(self) -> None:
        """Map the files that were written: the open ones, wherever their folder has gone meanwhile."""
        shape = (self._rows, len(self.symbols))
        for name, file in self._files.items():
            file.flush()
            size = file.seek(0, 2)
            header = size - 8 * shape[0] * shape[1]
            # A plain array over the same pages: indexing a memmap costs a microsecond of Python each time.
            self.arrays[name] = np.asarray(np.memmap(file, np.dtype("<f8"), "r", header, shape))
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._hot = np.zeros(0)
        files, self._files = self._files, {}
        for file in files.values():
            file.close()
