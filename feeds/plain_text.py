"""Text that is written plainly, as numbers, dates and names of columns: read in a tenth of pandas' time.

Most CSV files have nothing but ``10.25`` and ``2020-01-31`` in their columns. What is written in another way
(``1,234``, ``--``, ``20200131``) is left to the slow and patient way of :mod:`feeds.foreign`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds import arrow_numpy

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 1 << 16
"""Bytes of a first line, at most."""


def numbers(values: pd.Series) -> np.ndarray | None:
    """A column of text as float64, shape (R,), NaN where empty; None if any value is not written plainly."""
    column = _parsed(values, "float64")
    return None if column is None else arrow_numpy.numbers(column).astype(np.float64)


def dates(values: pd.Series) -> np.ndarray | None:
    """A column of text as datetime64[D], shape (R,); None if any value is not written as 2020-01-31, or is empty."""
    column = _parsed(values, "date32")
    return None if column is None or column.null_count else arrow_numpy.days(column)


def header(path: Path) -> list[str] | None:
    """Names in the first line of a CSV file in UTF-8; None if they are not written plainly, or the file is packed.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if not path.name.lower().endswith(".csv"):
        return None
    with path.open("rb") as file:
        line = file.readline(_LONGEST)
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    whole = text.endswith("\n") and text.count('"') % 2 == 0 and "\r" not in text.rstrip("\r\n")
    names = next(csv.reader([text]), []) if whole else []
    plain = bool(names) and all(names) and len(set(names)) == len(names)
    return names if plain else None


def _parsed(values: pd.Series, kind: str) -> Any:
    import pandas as pd
    import pyarrow as pa

    if not isinstance(values.dtype, pd.StringDtype):
        return None
    try:
        text = pa.chunked_array([pa.array(values, type=pa.large_string(), from_pandas=True)])
        return text.cast(getattr(pa, kind)())
    except pa.ArrowException:
        return None
