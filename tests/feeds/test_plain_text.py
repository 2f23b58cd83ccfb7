"""Plain columns of text become the same values as by the slow way, and others are left to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feeds import plain_text


def text(values: list[str | None]) -> pd.Series:
    return pd.Series(values, dtype="str")


def test_plain_numbers_are_the_floats_that_python_reads() -> None:
    words = ["10.24", "0.1", "-3", "1e3", "375402863.0", "0.30000000000000004", "1234567890123456789"]
    found = plain_text.numbers(text(words))
    assert found is not None and found.dtype == np.float64
    assert found.tolist() == [float(word) for word in words]


def test_an_empty_number_is_nan() -> None:
    found = plain_text.numbers(text(["1", None, "2"]))
    np.testing.assert_array_equal(found, [1.0, np.nan, 2.0])


@pytest.mark.parametrize("odd", ["1,234", "--", " 5", "", "0x10", "1_000", "None"])
def test_a_number_written_otherwise_is_left_to_the_slow_way(odd: str) -> None:
    assert plain_text.numbers(text(["1.5", odd])) is None


def test_plain_dates_are_days() -> None:
    found = plain_text.dates(text(["1969-12-31", "2020-02-29"]))
    assert found is not None and found.astype(str).tolist() == ["1969-12-31", "2020-02-29"]


@pytest.mark.parametrize("odd", ["20200131", "2020/01/31", "2020-02-30", "2020-01-31 00:00:00", "", None])
def test_a_date_written_otherwise_is_left_to_the_slow_way(odd: str | None) -> None:
    assert plain_text.dates(text(["2020-01-30", odd])) is None


def test_columns_that_are_no_text_are_left_alone() -> None:
    assert plain_text.numbers(pd.Series([1.0])) is None
    assert plain_text.dates(pd.Series(pd.to_datetime(["2020-01-31"]))) is None


@pytest.mark.parametrize("line", ["日期,开盘\n", "\ufeff日期,开盘\r\n", '"日期","开盘"\n'])
def test_a_plain_first_line_gives_the_names_that_pandas_reads(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes((line + "2020-01-02,1.5\n").encode())
    assert plain_text.header(file) == ["日期", "开盘"] == list(pd.read_csv(file, encoding="utf-8-sig").columns)


@pytest.mark.parametrize(
    "line", ["日期,开盘\n".encode("gb18030"), b"\n", b"a,a\n", b",a\n", b'"a\nb",c\n', b"a,b\rc\n", b"a,b", b""]
)
def test_another_first_line_is_left_to_the_slow_way(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(line)
    assert plain_text.header(tmp_path / "a.csv") is None
    (tmp_path / "a.csv.gz").write_bytes(b"a,b\n")
    assert plain_text.header(tmp_path / "a.csv.gz") is None
