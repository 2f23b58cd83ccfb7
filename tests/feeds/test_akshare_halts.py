"""Why a stock was suspended: few lists reach every suspension, whatever is on the disk already."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from akshare_fakes import Fakes, client

from feeds import akshare_halts
from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_plan import halt_jobs, run_jobs

LIST = pd.DataFrame({"代码": ["600000"], "停牌时间": [dt.date(2024, 1, 2)], "停牌原因": ["重大事项"]})


def halts(*spans: tuple[str, str, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(spans, columns=["symbol", "start", "end"])
    return frame.astype({"start": "datetime64[ms]", "end": "datetime64[ms]"})


def with_lists(folder: Path, *days: str) -> Client:
    mine = client(folder, Fakes())
    for day in days:
        mine.cache.put("stock_tfp_em", {"date": day.replace("-", "")}, mine.today, LIST)
    return mine


def test_every_suspension_is_reached_by_few_days_the_newest_first(tmp_path: Path) -> None:
    mine = with_lists(tmp_path)
    spans = halts(
        ("a", "2024-01-02", "2024-03-29"),  # reached by the list of 02-05
        ("b", "2024-02-05", "2024-02-06"),
        ("c", "2024-01-03", "2024-01-03"),  # but this one is not
        ("d", "2024-06-03", None),
        ("e", "2024-06-04", "2024-06-05"),  # reaches d too, which lasts
    )
    days = akshare_halts.days_to_ask(mine, spans)
    assert [str(day) for day in days] == ["2024-06-04", "2024-02-05", "2024-01-03"]


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_between_two_days_changes_no_other_day(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = np.datetime64("2020-01-01") + rng.integers(0, 900, 80)
    end = start + rng.integers(0, 40, 80)
    spans = halts(*((f"s{k}", str(a), str(b)) for k, (a, b) in enumerate(zip(start, end, strict=True))))
    whole = [str(day) for day in akshare_halts.days_to_ask(with_lists(tmp_path), spans)]
    chosen = np.array(whole, dtype="datetime64[D]")
    assert all(((chosen >= a) & (chosen <= b)).any() for a, b in zip(start, end, strict=True))
    for kill in (1, len(whole) // 2, len(whole)):
        mine = with_lists(tmp_path / str(kill), *whole[:kill])
        assert [str(day) for day in akshare_halts.days_to_ask(mine, spans)] == whole[kill:]


def test_older_days_are_left_when_the_source_does_not_reach_so_far(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_tfp_em"] = TypeError("'NoneType' object is not subscriptable")
    mine = client(tmp_path, fakes)
    spans = halts(*((f"s{k}", f"2024-01-{k + 1:02d}", f"2024-01-{k + 1:02d}") for k in range(9)))
    failures = run_jobs(mine, halt_jobs(mine, spans), None)
    assert [failure.about for failure in failures] == ["2024-01-09", "2024-01-08", "2024-01-07"]
    assert "stock_tfp_em(20240109) could not be had" in failures[0].sentence


def test_a_list_whose_columns_moved_is_not_kept(tmp_path: Path) -> None:
    fakes = Fakes()
    codes = [f"{600000 + k}" for k in range(30)]
    late = pd.DataFrame({"代码": codes, "停牌时间": dt.date(2024, 6, 12), "停牌原因": "x"})
    fakes.broken["stock_tfp_em"] = lambda frame: late
    mine = client(tmp_path, fakes)
    with pytest.raises(SourceError, match="30 of 30 rows break '停牌时间"):
        akshare_halts.fetch_day(mine, dt.date(2024, 6, 7))
    assert not list(tmp_path.rglob("*.parquet"))


def test_the_earliest_list_inside_a_suspension_gives_its_reason(tmp_path: Path) -> None:
    mine = with_lists(tmp_path, "2024-01-03")
    later = LIST.assign(停牌原因="延期复牌")
    mine.cache.put("stock_tfp_em", {"date": "20240110"}, mine.today, later)
    spans = halts(("600000.SH", "2024-01-02", "2024-01-12"), ("600000.SH", "2024-01-09", None),
                  ("600000.SH", "2023-01-02", "2023-01-05"), ("000001.SZ", "2024-01-02", None))  # fmt: skip
    told = akshare_halts.with_reasons(mine, spans, ["600000.SH", "000001.SZ"])
    assert told["reason"].tolist() == ["重大事项", "延期复牌", None, None]


def test_the_guess_for_the_remaining_time_grows_with_stocks_and_falls_with_what_is_there(tmp_path: Path) -> None:
    span = np.arange("2024-01-01", "2024-06-01", dtype="datetime64[D]")
    mine = with_lists(tmp_path)
    few, many = akshare_halts.expected(mine, 10, span), akshare_halts.expected(mine, 1000, span)
    assert 0 < few < many < len(span)
    mine = with_lists(tmp_path / "b", "2024-05-30")
    assert akshare_halts.expected(mine, 1000, span) <= 1
