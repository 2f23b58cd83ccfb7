"""Arrow columns as NumPy arrays, straight from their buffers.

``ChunkedArray.to_numpy`` imports pandas, which takes longer than opening a mapped market.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_PER_DAY = {"D": 1, "s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}

_MOST_ROWS_OF_WORDS = 4096
"""Text columns of more rows are coded first, so that each different word is decoded once."""


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers.

    Returns
    -------
    ndarray, shape (R,)
        The column's own type where no value is missing, else float64 with NaN.
    """
    return _joined([_primitive(chunk, np.nan) for chunk in column.chunks], np.float64)


def days(column: pa.ChunkedArray) -> np.ndarray:
    """A column of timestamps or dates as datetime64[D], shape (R,); NaT where empty.

    Text is no date; a column without a single value is all NaT.
    """
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.full(len(column), np.datetime64("NaT", "D"))
    unit = (
        column.type.unit if pa.types.is_timestamp(column.type) else "D" if pa.types.is_date32(column.type) else "ms"
    )
    plain = column.cast(pa.int32() if unit == "D" else pa.int64())
    parts = []
    for chunk in plain.chunks:
        # Whole numbers divide several times faster than NumPy converts dates.
        part = (_raw(chunk).astype(np.int64, copy=False) // _PER_DAY[unit]).view("datetime64[D]")
        missing = _missing(chunk)
        if missing is not None:
            part[missing] = np.datetime64("NaT", "D")
        parts.append(part)
    return _joined(parts, np.dtype("datetime64[D]"))


def flags(column: pa.ChunkedArray) -> np.ndarray:
    """A column of flags as bool where none is missing, else as object with None; shape (R,)."""
    if column.null_count:
        return np.array(column.to_pylist(), dtype=object)
    parts = []
    for chunk in column.chunks:
        bits = np.unpackbits(np.frombuffer(chunk.buffers()[1], np.uint8), bitorder="little")
        parts.append(bits[chunk.offset : chunk.offset + len(chunk)].astype(bool))
    return _joined(parts, np.bool_)


def words(column: pa.ChunkedArray) -> np.ndarray:
    """A column of text as objects, shape (R,); None where empty."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.full(len(column), None, dtype=object)
    if not pa.types.is_dictionary(column.type):
        if len(column) <= _MOST_ROWS_OF_WORDS:
            return np.array(column.to_pylist(), dtype=object)
        column = column.dictionary_encode()
    codes, names = coded(column)
    table = np.array([*names, None], dtype=object)
    return table[codes]


def coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """A dictionary column as codes into a list of its words; -1 where empty.

    Returns
    -------
    codes : ndarray of int32, shape (R,)
    names : list of str
    """
    chunks = column.unify_dictionaries().chunks
    names = chunks[0].dictionary.to_pylist() if chunks else []
    parts = []
    for chunk in chunks:
        part = _raw(chunk.indices).astype(np.int32)
        missing = _missing(chunk.indices)
        if missing is not None:
            part[missing] = -1
        parts.append(part)
    return _joined(parts, np.int32), names


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    if not parts:
        return np.zeros(0, dtype)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _primitive(chunk: pa.Array, empty: float) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_null(chunk.type):
        return np.full(len(chunk), empty)
    values = _raw(chunk)
    missing = _missing(chunk)
    if missing is None:
        return values
    out = values.astype(np.float64)
    out[missing] = empty
    return out


def _raw(chunk: pa.Array) -> np.ndarray:
    """The values of a fixed-width chunk; what stands where one is missing means nothing."""
    import pyarrow as pa

    if pa.types.is_dictionary(chunk.type):
        raise TypeError("a dictionary has indices")
    kind = chunk.type.to_pandas_dtype()
    buffer = chunk.buffers()[1]
    if buffer is None:
        return np.zeros(len(chunk), kind)
    return np.frombuffer(buffer, kind, count=chunk.offset + len(chunk))[chunk.offset :]


def _missing(chunk: pa.Array) -> np.ndarray | None:
    """Which values of a chunk are missing; None where none is."""
    if not chunk.null_count:
        return None
    buffer = chunk.buffers()[0]
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return bits[chunk.offset : chunk.offset + len(chunk)] == 0
