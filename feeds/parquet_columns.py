"""Columns of one Parquet file, checked against the schema before any is read."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import DataError
from feeds import schema

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetColumns:
    """Columns of an open Parquet file, read as they are asked for: a column's memory serves for the next one.

    Raises
    ------
    DataError
        If the file cannot be read, or a column is missing or of the wrong kind.
    """

    def __init__(
        self,
        file: str,
        path: Path,
        names: Sequence[str],
        known: Mapping[str, schema.Column],
        optional: Collection[str],
        encode: Sequence[str] = ("symbol",),
    ) -> None:
        import pyarrow.parquet as pq

        self._file = file
        with self._readable():
            self._parquet = pq.ParquetFile(path, read_dictionary=list(encode))
        try:
            columns = self._parquet.schema_arrow
            present = list(columns.names)
            self.names = [name for name in names if name in present or name not in optional]
            for name in self.names:
                if name not in present:
                    raise schema.missing_column(file, name, present)
            for name in self.names:
                schema.check_kind(file, name, known[name], columns.field(name).type)
            self.rows: int = self._parquet.metadata.num_rows
        except BaseException:
            self._parquet.close()
            raise

    def __enter__(self) -> ParquetColumns:
        return self

    def __exit__(self, *error: object) -> None:
        self._parquet.close()

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError) as error:
            detail = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{self._file} cannot be read as Parquet ({detail}); write it again") from error

    def read_all(self) -> pa.Table:
        """All the columns."""
        with self._readable():
            return self._parquet.read(columns=self.names, use_threads=False)

    def read(self, name: str) -> pa.ChunkedArray:
        """One column."""
        with self._readable():
            return self._parquet.read(columns=[name], use_threads=False)[name]
