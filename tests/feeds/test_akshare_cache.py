"""Raw frames on disk: whole or not there, each once, whenever the process dies."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from akshare_fakes import Fakes, client

from engine.errors import DataError
from feeds.akshare_cache import RawCache, key_of


def test_nothing_from_outside_becomes_a_path(tmp_path: Path) -> None:
    for symbol in ("../../x", "a/b", "x\x00y", "6" * 99, "600000&reportName=X", "a'b"):
        with pytest.raises(DataError, match="no code, date or plain word"):
            client(tmp_path, Fakes()).frame("stock_value_em", {"symbol": symbol})
    cache = RawCache(tmp_path / "raw")
    with pytest.raises(DataError, match="no name of a function"):
        cache.put("../evil", {}, dt.date(2024, 6, 22), pd.DataFrame({"a": [1]}))
    cache.put("stock_value_em", {"symbol": "../../x"}, dt.date(2024, 6, 22), pd.DataFrame({"a": [1]}))
    assert {p.parent for p in tmp_path.rglob("*.parquet")} == {tmp_path / "raw" / "stock_value_em"}


def test_a_record_that_names_other_arguments_than_its_file_does_not_count(tmp_path: Path) -> None:
    cache = RawCache(tmp_path)
    cache.put("stock_value_em", {"symbol": "600000"}, dt.date(2024, 6, 22), pd.DataFrame({"a": [1]}))
    record = next(tmp_path.rglob("*.json"))
    record.write_text(record.read_text().replace("600000", "600001"))
    assert RawCache(tmp_path).all_records("stock_value_em") == []
    assert key_of({"symbol": "600000"}) in record.name


class Killed(BaseException):
    """The process dies here."""


def dying_writes(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """The rename or removal number ``at`` from now on does not happen, nor anything after it."""
    count = [0]

    def guarded(original: Any) -> Any:
        def act(self: Path, *words: Any, **options: Any) -> Any:
            if not self.name.startswith(".") or original is replace:  # removing what lies beside is no step
                count[0] += 1
            if count[0] >= at:
                raise Killed
            return original(self, *words, **options)

        return act

    replace, unlink = Path.replace, Path.unlink
    monkeypatch.setattr(Path, "replace", guarded(replace))
    monkeypatch.setattr(Path, "unlink", guarded(unlink))


def test_a_kill_at_any_step_of_a_merge_loses_no_row_and_no_first_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename and every removal of a merge is a point at which the process may die."""
    day = dt.date(2024, 6, 22)
    given = {"symbol": "600000", "start_date": "20240601", "end_date": "20240622"}

    def filled(folder: Path) -> RawCache:
        cache = RawCache(folder)
        early = pd.DataFrame({"日期": ["2024-06-03", "2024-06-04"], "收盘": [10.0, 11.0]})
        late = pd.DataFrame({"日期": ["2024-06-04", "2024-06-05"], "收盘": [11.5, 12.0]})
        cache.put("stock_zh_a_hist", given | {"end_date": "20240604"}, dt.date(2024, 6, 5), early)
        cache.put("stock_zh_a_hist", given, day, late)  # the merged frame has the same arguments and the same day
        return cache

    def rows(folder: Path) -> list[Any]:
        cache, found = RawCache(folder), set()
        for record in cache.windows("stock_zh_a_hist", given):
            for row in cache.read(record).to_dict("records"):
                found.add((row["日期"], row["收盘"], str(row.get("_seen", record.day))))
        return sorted(found)

    whole = filled(tmp_path / "whole")
    expected = rows(tmp_path / "whole")
    whole.merge("stock_zh_a_hist", given, "日期", day)
    assert rows(tmp_path / "whole") == expected and len(expected) == 4
    died = 0
    for at in range(1, 9):
        folder = tmp_path / str(at)
        cache = filled(folder)
        with monkeypatch.context() as patch:
            dying_writes(patch, at)
            try:
                cache.merge("stock_zh_a_hist", given, "日期", day)
            except Killed:
                died += 1
        assert rows(folder) == expected, at
        again = RawCache(folder)
        again.merge("stock_zh_a_hist", given, "日期", day)
        assert rows(folder) == expected, at
        assert len(RawCache(folder).windows("stock_zh_a_hist", given)) == 1
    assert died == 6  # two renames, and two removals for each of the two old frames


def test_what_a_killed_process_was_writing_is_swept_up(tmp_path: Path) -> None:
    cache = RawCache(tmp_path)
    record = cache.put("stock_value_em", {"symbol": "600000"}, dt.date(2024, 6, 22), pd.DataFrame({"a": [1]}))
    spare = record.path.with_name(f".{record.path.name}.4711")
    spare.write_bytes(b"half")
    assert RawCache(tmp_path).records("stock_value_em", {"symbol": "600000"}) == [record]
    assert not spare.exists() and record.path.exists()


def test_a_second_answer_of_one_day_takes_the_place_of_the_first(tmp_path: Path) -> None:
    given, day = {"symbol": "600000"}, dt.date(2024, 6, 22)
    cache = RawCache(tmp_path)
    for value in (1, 2):
        cache.put("stock_value_em", given, day, pd.DataFrame({"a": [value]}))
    for known in (cache, RawCache(tmp_path)):
        records = known.records("stock_value_em", given)
        assert [known.read(record)["a"].tolist() for record in records] == [[2]]
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_mixed_columns_and_empty_frames_can_be_kept(tmp_path: Path) -> None:
    cache = RawCache(tmp_path)
    mixed = pd.DataFrame({"a": [1, "x", None], "日期": [dt.date(2024, 6, 3)] * 3})
    back = cache.read(cache.put("stock_value_em", {"symbol": "1"}, dt.date(2024, 6, 22), mixed))
    assert back["a"].tolist()[:2] == ["1", "x"] and back["日期"][0] == dt.date(2024, 6, 3)
    assert len(cache.read(cache.put("stock_value_em", {"symbol": "2"}, dt.date(2024, 6, 22), pd.DataFrame()))) == 0
