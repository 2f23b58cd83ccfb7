"""The table of successors: what it holds, what it refuses, and what the data themselves show."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from small_market import NAN, market_of

from engine.errors import DataError
from engine.successors import KINDS, code_changes, read_successors, renamed_pairs, stable_id, successors

HEADER = "kind,old,new,from,to,ratio,cash,source,confidence\n"
A, B, C = "600000.SH", "600001.SH", "600002.SH"


def test_every_row_that_says_what_became_of_a_holding_has_a_date_and_every_row_a_source() -> None:
    rows = successors()
    assert {row.kind for row in rows.values()} == set(KINDS)
    for row in rows.values():
        assert row.row["source"]
        assert not (row.is_known and np.isnat(row.date))


def test_one_for_304_is_kept_exact() -> None:
    assert successors()["600832.SH"].ratio == Fraction(100, 304)


def test_a_stable_id_outlives_a_change_of_code_but_not_a_merger() -> None:
    assert stable_id("000022.SZ") == stable_id("001872.SZ") == "001872.SZ"
    assert stable_id("600005.SH") == "600005.SH"
    assert set(code_changes()) == {"001872.SZ", "001914.SZ", "601360.SH"}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("merger,600005.SH,600019.SH,2017-02-27,,0,,s,H", "ratio 0 is not above zero"),
        ("merger,600005.SH,600019.SH,2017-02-27,,-1,,s,H", "ratio -1 is not above zero"),
        ("merger,600005.SH,600019.SH,2017-02-27,,half,,s,H", "ratio 'half' is no number"),
        ("merger,600005.SH,600019.SH,,,0.56,,s,H", "from is blank"),
        ("merger,600005.SH,,2017-02-27,,0.56,,s,H", "kind 'merger' does not fit"),
        ("merger,600005,600019.SH,2017-02-27,,0.56,,s,H", "old '600005' is no A-share code"),
        ("cash,600005.SH,,2017-02-27,,,-1,s,H", "cash -1 is negative"),
        ("cash,600005.SH,,2017-02-27,,,,s,H", "kind 'cash' does not fit"),
        ("code_change,600005.SH,600019.SH,2017-02-27,,2,,s,H", "a code_change is one share for one"),
        ("unknown,600005.SH,,,,0.5,,s,H", "kind 'unknown' does not fit"),
        ("sold,600005.SH,,,,,,s,H", "kind 'sold' is unknown"),
        ("unknown,600005.SH,,,,,,,H", "the source is blank"),
        ("merger,600005.SH,600005.SH,2017-02-27,,1,,s,H", "cannot be its own successor"),
        ("unknown,600005.SH,,,,,,s,H\nunknown,600005.SH,,,,,,s,H", "is there already in line 2"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(row: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "successors.csv"
    path.write_text(HEADER + row + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=says) as error:
        read_successors(path)
    assert str(error.value).startswith("successors.csv line ")


def test_two_codes_with_the_same_bars_are_one_company_and_two_that_differ_once_are_not() -> None:
    closes = {A: [10.0, 11.0, 12.0, NAN, NAN], B: [10.0, 11.0, 12.0, 13.0, 14.0], C: [10.0, 11.0, 12.5, 13.0, 14.0]}
    leaves = {"last_session": np.array([2, 4, 4]), "delisted": np.array([True, False, False])}
    assert renamed_pairs(market_of(closes, **leaves)) == [(A, B)]
    closes[B][2] = 12.01
    assert renamed_pairs(market_of(closes, **leaves)) == []
