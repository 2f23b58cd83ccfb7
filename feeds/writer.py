"""Writes the store: every feed hands its frames to one writer.

A table is brought into the store's types and order, checked by its schema, written beside its place and renamed
over it; the manifest is written last. A process that dies leaves whole tables, old ones or new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import DataError
from engine.files import replacing
from feeds import table_checks
from feeds.manifest import Manifest, now

if TYPE_CHECKING:
    import pandas as pd


class StoreWriter:
    """Writes the tables of one feed into a folder.

    Parameters
    ----------
    folder : Path
        Made if absent.
    source : str
        Name of the feed, for the manifest.
    parameters : mapping
        What the feed was asked for, for the manifest.
    """

    def __init__(self, folder: Path, source: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self._source = source
        self._parameters = dict(parameters or {})
        self._manifest = Manifest.read(folder)
        self._time = now()

    def write(self, table: str, frame: pd.DataFrame) -> None:
        """Check a table and put it in place of the one before; ``daily_bars`` is cut into years.

        Parameters
        ----------
        table : str
            A name of :data:`feeds.schema.TABLES`, or ``fundamentals_`` and more.
        frame : DataFrame
            With the units of the schema. Further columns are kept.

        Raises
        ------
        DataError
            If the frame breaks the schema; nothing of it is written.
        """
        made = table_checks.canonical(table, frame)
        if table == "daily_bars":
            parts = {f"daily_bars/{year}.parquet": rows for year, rows in made.groupby(made["date"].dt.year, sort=True)}
        else:
            parts = {f"{table}.parquet": made}
        parts = {file: rows.reset_index(drop=True) for file, rows in parts.items()}
        for file, rows in parts.items():
            table_checks.check_frame(table, rows, file)
        for file, rows in parts.items():
            write_parquet(self.folder / file, rows)
            self._manifest.record(self.folder, file, self._source, self._parameters, self._time)

    def finish(self) -> Manifest:
        """Write the manifest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._manifest.write(self.folder)
        return self._manifest


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as Parquet in one step: beside its place first, then renamed over it.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), beside, compression="zstd")
    except OSError as error:
        raise DataError(f"{path.name} cannot be written ({error.strerror}); check the folder") from error
