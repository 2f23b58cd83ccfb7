"""A second fetch into the same folder: what is new, what was restated, what is asked for again and what is not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from akshare_fakes import Fakes, client

from feeds import akshare_client
from feeds.akshare_cache import RawCache
from feeds.akshare_feed import Summary, fetch

START = dt.date(2024, 6, 3)


def run(folder: Path, fakes: Fakes, universe: str = "csi300", **options: Any) -> Summary:
    return fetch(folder, universe, START, client=client(folder, fakes), **options)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def digest(folder: Path) -> dict[str, bytes]:
    files = (*folder.glob("*.parquet"), *folder.glob("daily_bars/*.parquet"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def test_a_restated_research_expense_is_a_further_row(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-12"))
    later = Fakes("2024-08-22")  # the second quarter may be out: the statement is asked for again
    later.broken["stock_profit_sheet_by_report_em"] = lambda frame: (
        frame.assign(RESEARCH_EXPENSE=4e7) if "RESEARCH_EXPENSE" in frame else frame
    )
    run(tmp_path, later, end=dt.date(2024, 6, 21))
    rows = table(tmp_path, "fundamentals_quarterly").query("symbol == '000001.SZ'")
    rows = rows.sort_values("first_seen", na_position="first")
    assert rows["rd_expense"].tolist() == [5e7, 4e7]
    assert rows["first_seen"].tolist() == [pd.NaT, pd.Timestamp("2024-08-22")]


def test_a_statement_is_asked_for_again_only_when_a_newer_quarter_may_be_in_it(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-12"))
    for today, asked in (("2024-06-30", 0), ("2024-07-13", 2)):
        fakes = Fakes(today)
        run(tmp_path, fakes, end=dt.date(2024, 6, 21))
        assert sum(name == "stock_profit_sheet_by_report_em" for name, _ in fakes.calls) == asked


def test_the_same_day_asks_for_nothing_twice_and_writes_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path, Fakes())
    before = digest(tmp_path)
    again = Fakes()
    run(tmp_path, again)
    assert again.calls == [] and digest(tmp_path) == before


def test_a_later_fetch_asks_for_the_new_days_and_the_last_ones_again(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-19"))
    later = Fakes("2024-06-22")
    run(tmp_path, later)
    asked = {dict(given)["symbol"]: dict(given) for name, given in later.calls if name == "stock_zh_a_hist"}
    assert asked["600000"]["start_date"] == "20240603"  # the 18th less fifteen days
    assert asked["600000"]["end_date"] == "20240621"
    assert "stock_zcfz_em" not in {name for name, _ in later.calls}  # a week old at most is good
    fresh = tmp_path / "fresh"
    run(fresh, Fakes("2024-06-22"))
    assert digest(tmp_path)["daily_bars/2024.parquet"] == digest(fresh)["daily_bars/2024.parquet"]


def paid(frame: pd.DataFrame) -> pd.DataFrame:
    """As the source is before the dividend has been announced."""
    return frame.iloc[:0]


@pytest.mark.parametrize("told_by", ["the bars", "the table of the market"])
def test_a_dividend_that_goes_ex_is_asked_for_although_the_stock_was_asked_about_lately(
    tmp_path: Path, told_by: str
) -> None:
    early, later = Fakes("2024-06-11"), Fakes("2024-06-13")
    early.broken |= {"stock_dividend_cninfo": paid, "stock_fhps_em": lambda f: f.assign(方案进度="董事会决议通过")}
    if told_by == "the bars":
        later.broken["stock_fhps_em"] = lambda frame: frame.assign(方案进度="董事会决议通过")
    else:
        later.broken["stock_zh_a_hist"] = lambda frame: frame.assign(涨跌额=None)
        early.broken["stock_zh_a_hist"] = later.broken["stock_zh_a_hist"]
    run(tmp_path, early)
    run(tmp_path, later)
    assert [dict(given)["symbol"] for name, given in later.calls if name == "stock_dividend_cninfo"] == ["600000"]
    event = table(tmp_path, "ex_rights_events").iloc[0]
    assert event["pay_date"] == pd.Timestamp("2024-06-13") and event["cash_per_share_est"] == 0.3


def test_share_counts_are_asked_for_when_the_daily_multiples_show_others(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-11"))
    same, other = Fakes("2024-06-13"), Fakes("2024-06-14")
    run(tmp_path, same)
    assert "stock_zh_a_gbjg_em" not in {name for name, _ in same.calls}
    other.broken["stock_value_em 600000"] = lambda frame: frame.assign(
        总股本=[*frame["总股本"].iloc[:-1], 2.2e7], 流通股本=[*frame["流通股本"].iloc[:-1], 1.1e7]
    )
    run(tmp_path, other)
    assert [dict(g)["symbol"] for name, g in other.calls if name == "stock_zh_a_gbjg_em"] == ["600000.SH"]


@pytest.mark.slow
def test_daily_updates_do_not_pile_up_and_change_nothing_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ["2024-06-12", "2024-06-14", "2024-06-18", "2024-06-19", "2024-06-22"]

    def restate(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(成交量=frame["成交量"] + (frame["日期"] == dt.date(2024, 6, 11)))

    for folder, limit in (("merged", 2), ("plain", 99)):
        monkeypatch.setattr(akshare_client, "MERGE_AT", limit)
        for day in days:
            fakes = Fakes(day)
            if day > "2024-06-14":
                fakes.broken["stock_zh_a_hist 600000"] = restate
            run(tmp_path / folder, fakes)
    merged, plain = digest(tmp_path / "merged"), digest(tmp_path / "plain")
    assert merged == plain and len(table(tmp_path / "merged", "restatements")) == 1
    frames = {folder: len(list((tmp_path / folder).rglob("raw/stock_*/*.parquet"))) for folder in ("merged", "plain")}
    for route in ("stock_zh_a_hist", "stock_value_em"):
        assert len(list((tmp_path / "merged" / "raw" / route).glob("*.parquet"))) <= 2 * 2
        assert len(list((tmp_path / "plain" / "raw" / route).glob("*.parquet"))) == 2 * len(days)
    assert frames["merged"] < frames["plain"]
    again = Fakes(days[-1])
    run(tmp_path / "merged", again)
    assert again.calls == []


def test_a_fetch_killed_while_frames_are_merged_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(akshare_client, "MERGE_AT", 1)
    run(tmp_path, Fakes("2024-06-19"))
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(RawCache, "_forget", killed)  # the merged frame is there, the old ones too
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, Fakes("2024-06-22"))
    run(tmp_path, Fakes("2024-06-22"))
    run(tmp_path / "fresh", Fakes("2024-06-22"))
    assert digest(tmp_path)["daily_bars/2024.parquet"] == digest(tmp_path / "fresh")["daily_bars/2024.parquet"]
    assert len(table(tmp_path, "restatements")) == 0


def test_a_restated_bar_replaces_the_old_one_and_leaves_a_trace(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-19"))
    later = Fakes("2024-06-22")

    def restate(frame: pd.DataFrame) -> pd.DataFrame:
        on = frame["日期"] == dt.date(2024, 6, 17)
        frame.loc[on, "成交量"] = 2000
        frame.loc[on, "成交额"] = 2000 * 100 * frame.loc[on, "收盘"]
        return frame

    later.broken["stock_zh_a_hist 600000"] = restate
    summary = run(tmp_path, later)
    trace = table(tmp_path, "restatements")
    row = trace[trace["column"] == "volume"].iloc[0]
    assert (row["symbol"], row["before"], row["after"]) == ("600000.SH", 100_900.0, 200_000.0)
    dates = [str(row[name].date()) for name in ("date", "first_seen", "restated")]
    assert dates == ["2024-06-17", "2024-06-19", "2024-06-22"]
    bars = pd.read_parquet(tmp_path / "daily_bars" / "2024.parquet")
    assert bars[(bars["symbol"] == "600000.SH") & (bars["date"] == "2024-06-17")]["volume"].item() == 200_000.0
    assert summary.figures["restatements"] == 2


def test_a_restated_report_is_a_further_row_with_the_day_it_was_first_seen(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-12"))
    later = Fakes("2024-06-22")
    later.broken["stock_lrb_em"] = lambda frame: frame.assign(净利润=[1.5e8, 4e8]) if len(frame) == 2 else frame
    run(tmp_path, later)
    rows = table(tmp_path, "fundamentals_quarterly").query("symbol == '600000.SH'")
    rows = rows.sort_values("first_seen", na_position="first")
    assert rows["parent_net_profit"].tolist() == [2e8, 1.5e8]
    assert rows["first_seen"].tolist() == [pd.NaT, pd.Timestamp("2024-06-22")]
    assert (rows["announce_date"] == pd.Timestamp("2024-04-27")).all()
    assert rows["total_assets"].tolist() == [1e10, 1e10]


def test_a_stock_that_left_the_index_keeps_being_fetched(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-19"))
    later = Fakes("2024-06-22")
    later.broken["index_stock_cons_csindex"] = lambda frame: frame[frame["成分券代码"] == "600000"]
    summary = run(tmp_path, later)
    assert summary.symbols == ["000001.SZ", "600000.SH"]
    assert table(tmp_path, "constituents")["symbol"].tolist() == ["600000.SH"]
    assert table(tmp_path, "securities").set_index("symbol")["last_bar"].astype(str)["000001.SZ"] == "2024-06-21"


def test_a_day_without_a_session_asks_for_no_bars_again(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-22"))  # a Saturday
    monday = Fakes("2024-06-24")
    run(tmp_path, monday)
    assert not {name for name, _ in monday.calls} & {"stock_zh_a_hist", "stock_zh_a_daily", "index_zh_a_hist"}
