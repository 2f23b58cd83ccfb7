"""Arrow columns become the same arrays as by Arrow's own slow way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from feeds import arrow_numpy

ROOT = Path(__file__).resolve().parents[2]


def chunked(values: list[object], kind: pa.DataType) -> pa.ChunkedArray:
    """Three chunks, the last one a slice that begins inside a byte of the validity bits."""
    long = pa.array(values + values, kind)
    return pa.chunked_array([pa.array(values[:3], kind), pa.array([], kind), long.slice(5, len(values) - 2)])


def test_numbers_keep_their_type_where_none_is_missing() -> None:
    whole = chunked(list(range(20)), pa.int64())
    assert arrow_numpy.numbers(whole).dtype == np.int64
    assert arrow_numpy.numbers(whole).tolist() == whole.to_pylist()
    assert arrow_numpy.numbers(chunked([0.5] * 20, pa.float32())).dtype == np.float32


def test_a_missing_number_is_nan() -> None:
    values = [None if k % 3 == 0 else k for k in range(20)]
    column = chunked(values, pa.int32())
    expected = [np.nan if value is None else float(value) for value in column.to_pylist()]
    np.testing.assert_array_equal(arrow_numpy.numbers(column), expected)
    np.testing.assert_array_equal(arrow_numpy.numbers(pa.chunked_array([pa.nulls(3)])), [np.nan] * 3)


@pytest.mark.parametrize("kind", [pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us"), pa.date32(), pa.date64()])
def test_dates_of_every_kind_are_days(kind: pa.DataType) -> None:
    import datetime as dt

    days = [None if k % 4 == 1 else dt.date(1969, 12, 25) + dt.timedelta(days=k) for k in range(20)]
    values = days if kind in (pa.date32(), pa.date64()) else [d and dt.datetime(d.year, d.month, d.day) for d in days]
    column = chunked(values, kind)
    expected = np.array([None if one is None else str(one)[:10] for one in column.to_pylist()], "datetime64[D]")
    found = arrow_numpy.days(column)
    assert found.dtype == np.dtype("datetime64[D]")
    np.testing.assert_array_equal(found, expected)
    assert np.isnat(arrow_numpy.days(pa.chunked_array([pa.nulls(2)]))).all()


def test_flags_are_unpacked_from_their_bits() -> None:
    column = chunked([k % 3 == 0 for k in range(20)], pa.bool_())
    assert arrow_numpy.flags(column).tolist() == column.to_pylist()
    assert arrow_numpy.flags(chunked([True, None] * 10, pa.bool_())).dtype == object


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_words_and_codes_give_the_text_back(kind: pa.DataType) -> None:
    values = [None if k % 5 == 2 else f"w{k % 7}" for k in range(20)]
    column = pa.chunked_array([pa.array(values, kind), pa.array(values[4:9], kind)])
    assert arrow_numpy.words(column).tolist() == column.to_pylist()
    many = pa.chunked_array([pa.array(values * 300, kind)])
    assert arrow_numpy.words(many).tolist() == many.to_pylist()
    codes, names = arrow_numpy.coded(column if pa.types.is_dictionary(kind) else column.dictionary_encode())
    assert [None if code < 0 else names[code] for code in codes.tolist()] == column.to_pylist()


def test_reading_a_table_does_not_import_pandas(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    days = pa.array(np.array(["2020-01-02", "2020-01-03"], "datetime64[ms]"))
    pq.write_table(pa.table({"date": days}), tmp_path / "calendar.parquet")
    code = (
        "import sys, pathlib; from feeds.file_feed import FileFeed;"
        f"FileFeed(pathlib.Path({str(tmp_path)!r})).calendar(); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
