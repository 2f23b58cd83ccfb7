"""The AKShare feed from end to end, on functions that stand in for AKShare's: no network, no clock, no waiting."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from akshare_fakes import Fakes, client
from akshare_replay import SESSIONS

from engine.errors import ConfigError, DataError
from feeds.akshare_feed import Summary, fetch, only_one
from feeds.akshare_http import SourceError
from feeds.akshare_plan import market_jobs, run_jobs
from feeds.store import open_market

START = dt.date(2024, 6, 3)


def run(folder: Path, fakes: Fakes, universe: str = "csi300", **options: Any) -> Summary:
    return fetch(folder, universe, START, client=client(folder, fakes), **options)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def digest(folder: Path) -> dict[str, bytes]:
    files = (*folder.glob("*.parquet"), *folder.glob("daily_bars/*.parquet"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One fetched folder for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("store")
    run(folder, Fakes())
    return folder


def test_a_fetch_writes_every_table_and_a_market_opens_on_it(tmp_path: Path) -> None:
    summary = run(tmp_path, Fakes())
    assert summary.failures == []
    assert {name for name, rows in summary.tables.items() if rows} == {
        "calendar", "daily_bars", "securities", "suspensions", "ex_rights_events", "share_capital", "index_daily",
        "constituents", "constituents_snapshots", "name_history", "industry_sw_history", "valuation_daily",
        "fundamentals_quarterly", "cn_gov_bond_10y",
    }  # fmt: skip
    market = open_market(str(tmp_path), universe="csi300-today", start="2024-06-04", cache=tmp_path / "cache")
    assert market.symbols == ["000001.SZ", "600000.SH"]
    assert [str(day) for day in market.sessions] == SESSIONS
    assert market.close[0].tolist() == [10.0, 10.0]
    assert market.member.all()


def test_the_published_total_return_is_the_benchmark_where_it_was_fetched(store: Path, tmp_path: Path) -> None:
    market = open_market(
        str(store), universe="csi300-today", start="2024-06-04", benchmark="000300", cache=tmp_path / "cache"
    )
    assert market.series["benchmark"].tolist() == [5000.0 + k for k in range(len(SESSIONS))]
    assert market.series["benchmark_price"].tolist() == [3001.0 + k for k in range(len(SESSIONS))]


def test_units_are_shares_yuan_and_fractions_of_the_sources_lots_wan_and_per_cent(store: Path) -> None:
    bars = pd.read_parquet(store / "daily_bars" / "2024.parquet")
    first = bars[bars["symbol"] == "600000.SH"].iloc[0]
    assert (first["volume"], first["amount"]) == (100_000.0, 1_000_000.0)  # 1,000 lots at 10 yuan
    assert first["turnover"] == pytest.approx(1.0)  # per cent, as the table of bars has it
    assert ((bars["amount"] / bars["volume"]).between(bars["low"], bars["high"])).all()
    report = table(store, "fundamentals_quarterly").iloc[0]
    assert (report["roe"], report["gross_margin"], report["revenue_yoy"]) == (0.045, 0.355, 0.05)


def test_the_reference_price_of_an_ex_date_is_the_exchanges_formula(store: Path) -> None:
    event = table(store, "ex_rights_events").iloc[0]
    # (10.60 - 0.30) / 1.1 = 9.3636 where the close before is that of 2024-06-11
    bars = pd.read_parquet(store / "daily_bars" / "2024.parquet").query("symbol == '600000.SH'")
    before = bars[bars["date"] == "2024-06-11"]["close"].item()
    expected = round((before - 0.3) / 1.1, 2)
    on = bars[bars["date"] == "2024-06-12"].iloc[0]
    assert event["preclose"] == on["preclose"] == pytest.approx(expected)
    assert on["adj_factor"] == pytest.approx(before / expected)
    assert event["pay_date"] == pd.Timestamp("2024-06-13")
    assert (event["cash_per_share_est"], event["bonus_ratio"], event["share_ratio"]) == (0.3, 0.1, 1.1)
    assert (bars[bars["date"] < "2024-06-12"]["adj_factor"] == 1.0).all()
    assert bars["total_shares"].iloc[[0, -1]].tolist() == [20_000_000.0, 22_000_000.0]


def test_names_and_st_are_dated_where_the_source_dates_them(store: Path) -> None:
    names = table(store, "name_history")
    mine = names[names["symbol"] == "000001.SZ"]
    assert list(zip(mine["start_date"].astype(str), mine["name"], strict=True)) == [
        ("1991-04-03", "深发展A"), ("2012-08-02", "平安银行"), ("2024-06-18", "ST平安"),
    ]  # fmt: skip
    bars = pd.read_parquet(store / "daily_bars" / "2024.parquet").query("symbol == '000001.SZ'")
    assert bars.set_index("date")["is_st"].loc["2024-06-17":"2024-06-18"].tolist() == [False, True]


def test_a_day_without_a_bar_is_a_suspension_and_the_list_of_a_day_in_it_tells_why(store: Path) -> None:
    halts = table(store, "suspensions")
    assert halts[["symbol", "start", "end", "reason"]].astype(str).to_numpy().tolist() == [
        ["000001.SZ", "2024-06-07", "2024-06-07", "重大事项"]
    ]


def test_a_report_counts_from_its_real_disclosure_else_from_its_notice(store: Path) -> None:
    reports = table(store, "fundamentals_quarterly").set_index("symbol")
    assert reports["announce_date"].astype(str).to_dict() == {"600000.SH": "2024-04-27", "000001.SZ": "2024-04-29"}
    assert reports["first_seen"].isna().all()


def test_members_of_today_are_stored_as_such_and_said_to_look_ahead(tmp_path: Path) -> None:
    summary = run(tmp_path, Fakes())
    assert summary.today_only and summary.universe == "csi300-today"
    assert "survivorship" in summary.notes[0]
    members = table(tmp_path, "constituents")
    assert (members["as_of"] == pd.Timestamp("2024-06-22")).all()
    with pytest.raises(ConfigError):
        open_market(str(tmp_path), universe="csi300", start="2024-06-04", cache=tmp_path / "cache")


def test_snapshots_of_members_grow_into_a_history(tmp_path: Path) -> None:
    run(tmp_path, Fakes("2024-06-19"))
    run(tmp_path, Fakes("2024-06-22"))
    dates = table(tmp_path, "constituents_snapshots")["snapshot_date"].astype(str).unique().tolist()
    assert dates == ["2024-06-18", "2024-06-21"]


def test_dated_members_that_a_user_brought_in_are_fetched_and_kept(tmp_path: Path) -> None:
    rows = {"index_code": "000300", "symbol": ["600000.SH"], "in_date": [pd.Timestamp("2010-01-04")],
            "out_date": [pd.NaT]}  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "constituents.parquet")
    summary = run(tmp_path, Fakes())
    assert summary.symbols == ["600000.SH"] and not summary.today_only
    assert table(tmp_path, "constituents")["symbol"].tolist() == ["600000.SH"]


def test_an_index_of_cnindex_has_true_dates(tmp_path: Path) -> None:
    summary = run(tmp_path, Fakes(), "399006")
    assert not summary.today_only and summary.universe == "399006"
    members = table(tmp_path, "constituents").set_index("symbol")
    assert str(members.loc["000001.SZ", "out_date"].date()) == "2024-06-14"


def test_all_takes_the_living_and_those_delisted_inside_the_span(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_info_sh_name_code"] = lambda frame: frame[frame["证券代码"] == "600000"]
    fakes.broken["stock_info_sz_delist"] = lambda f: f.assign(终止上市日期=dt.date(2024, 6, 5))
    summary = run(tmp_path, fakes, "all")
    assert summary.symbols == ["000001.SZ", "000003.SZ", "600000.SH", "920001.BJ"]
    assert [f.about for f in summary.failures if f.table == "daily_bars"] == ["000003.SZ"]
    assert summary.figures["share_with"]["daily_bars"] == pytest.approx(3 / 4)


def test_beijings_stocks_come_with_all_and_with_their_own_tables(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_info_sh_name_code"] = lambda frame: frame[frame["证券代码"] == "600000"]
    summary = run(tmp_path, fakes, "all")
    assert [failure.table for failure in summary.failures] == ["securities"]  # the list of 科创板, emptied above
    assert "920001.BJ" in summary.symbols
    assert any("Beijing" in note for note in summary.notes)
    row = table(tmp_path, "fundamentals_quarterly").set_index("symbol").loc["920001.BJ"]
    # Income and cash flows from its own statements, the balance from Beijing's table, eps from nowhere here.
    assert (row["total_revenue"], row["parent_net_profit"], row["rd_expense"]) == (1e9, 2e8, 5e7)
    assert (row["operating_cash_flow"], row["net_cash_flow"], row["total_assets"]) == (5e8, 2e8, 1e9)
    assert str(row["announce_date"].date()) == "2024-04-25"
    assert table(tmp_path, "name_history").set_index("symbol").loc["920001.BJ", "name"] == "北证一号"
    assert "stock_info_bj_name_code" in {name for name, _ in fakes.calls}


def test_nothing_of_beijing_is_asked_for_an_index_without_its_stocks(tmp_path: Path) -> None:
    fakes = Fakes()
    run(tmp_path, fakes)
    asked = {name for name, _ in fakes.calls}
    assert not asked & {"stock_info_bj_name_code", "stock_zcfz_bj_em", "stock_cash_flow_sheet_by_report_em"}
    assert ("date", "20240331") in {pair for name, given in fakes.calls if name == "stock_yysj_em" for pair in given}


def test_research_expense_comes_from_the_companys_own_statement_and_a_bank_has_none(store: Path) -> None:
    reports = table(store, "fundamentals_quarterly").set_index("symbol")
    assert reports.loc["000001.SZ", "rd_expense"] == 5e7 and np.isnan(reports.loc["600000.SH", "rd_expense"])
    assert (reports["net_profit"] == 2.5e8).all() and (reports["revenue"] == 1e9).all()
    assert reports.loc["000001.SZ", "total_revenue"] == 2e9  # the whole market's table, not the statement's 1e9


def test_the_statement_of_a_company_that_left_comes_from_the_second_route(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_profit_sheet_by_report_em 000001"] = TypeError("'NoneType' object is not subscriptable")
    assert run(tmp_path, fakes).failures == []
    assert table(tmp_path, "fundamentals_quarterly").set_index("symbol").loc["000001.SZ", "rd_expense"] == 5e7
    again = Fakes()
    again.broken = fakes.broken
    run(tmp_path, again)
    assert again.calls == []


def test_a_general_form_without_research_expense_is_a_changed_source(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken |= {
        f"{name} 000001": lambda frame: frame.rename(columns={"RESEARCH_EXPENSE": "RD_EXPENSE"})
        for name in ("stock_profit_sheet_by_report_em", "stock_profit_sheet_by_report_delisted_em")
    }
    failures = run(tmp_path, fakes).failures
    assert [failure.about for failure in failures] == ["000001.SZ"]
    assert "no column 'RESEARCH_EXPENSE'" in failures[0].sentence and "RD_EXPENSE" in failures[0].sentence


def test_industries_have_the_names_of_their_edition(store: Path, real_data: Path) -> None:
    from feeds.akshare_industries import NAMES_BEFORE

    rows = table(store, "industry_sw_history")
    assert rows["l1_name"].tolist() == ["银行", "银行"] and rows["l1_code"].tolist() == ["480000", "480000"]
    true = pd.read_parquet(real_data / "industry_sw_history.parquet", columns=["l1_code", "l1_name", "scheme"])
    true = true[true["scheme"].str.startswith("pre-2021")].drop_duplicates()
    assert len(true) >= 30
    assert {code: NAMES_BEFORE.get(code[:2]) for code in true["l1_code"]} == dict(
        zip(true["l1_code"], true["l1_name"], strict=True)
    )


def test_a_code_keeps_the_name_of_the_edition_of_its_day(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_industry_clf_hist_sw"] = lambda frame: frame.assign(
        industry_code=["350101", "999999"], start_date=[dt.date(2021, 7, 30), dt.date(2014, 2, 21)]
    )
    run(tmp_path, fakes)
    rows = table(tmp_path, "industry_sw_history").set_index("symbol")
    assert rows.loc["600000.SH", ["l1_name", "scheme"]].tolist() == ["纺织服饰", "SW2021"]
    assert pd.isna(rows.loc["000001.SZ", "l1_name"])


def test_a_fetch_killed_anywhere_goes_on_without_repeating_a_call_and_ends_the_same(tmp_path: Path) -> None:
    whole = Fakes()
    run(tmp_path / "whole", whole)
    for kill in (1, 9, 33, len(whole.calls) - 1):
        folder = tmp_path / str(kill)
        fakes = Fakes()
        fakes.stop_after = kill
        with pytest.raises(KeyboardInterrupt):
            run(folder, fakes)
        fakes.stop_after = None
        fakes.calls.pop()  # the killed call had no answer
        run(folder, fakes)
        assert Counter(fakes.calls) == Counter(whole.calls)
        assert max(Counter(fakes.calls).values()) == 1
        assert digest(folder) == digest(tmp_path / "whole")


def test_a_fetch_killed_while_a_frame_is_written_asks_for_that_frame_again(tmp_path: Path) -> None:
    fakes = Fakes()
    run(tmp_path, fakes)
    victim = next((tmp_path / "raw" / "stock_value_em").glob("*.json"))
    victim.unlink()  # the frame is there, its record is not: killed between the two
    again = Fakes()
    run(tmp_path, again)
    assert [name for name, _ in again.calls] == ["stock_value_em"]


def test_a_spoilt_raw_frame_is_fetched_again(tmp_path: Path) -> None:
    run(tmp_path, Fakes())
    before = digest(tmp_path)
    victim = next((tmp_path / "raw" / "stock_info_sz_name_code").glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-20])
    again = Fakes()
    run(tmp_path, again)
    assert [name for name, _ in again.calls] == ["stock_info_sz_name_code"]
    assert digest(tmp_path) == before


def test_when_the_first_source_fails_the_second_serves_and_then_the_third(tmp_path: Path) -> None:
    one, two, three = Fakes(), Fakes(), Fakes()
    two.broken["stock_zh_a_hist"] = ConnectionError("reset")
    three.broken |= {name: IndexError("list index out of range") for name in ("stock_zh_a_hist", "stock_zh_a_daily")}
    made = {}
    for name, fakes in (("one", one), ("two", two), ("three", three)):
        summary = run(tmp_path / name, fakes)
        made[name] = pd.read_parquet(tmp_path / name / "daily_bars" / "2024.parquet")
        assert not [f for f in summary.failures if f.table == "daily_bars"]
    columns = ["date", "symbol", "open", "high", "low", "close", "volume", "amount"]
    # Tencent's 000001 comes in lots, which amount / volume gives away.
    pd.testing.assert_frame_equal(made["two"][columns], made["one"][columns])
    pd.testing.assert_frame_equal(made["three"][columns], made["one"][columns])


def test_two_sources_are_compared_on_a_sample_and_a_difference_is_told(tmp_path: Path) -> None:
    fakes = Fakes()

    def higher(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(close=frame["close"] + 0.02, high=frame["high"] + 0.02) if "close" in frame else frame

    fakes.broken["stock_zh_a_daily 600000"] = higher
    summary = run(tmp_path, fakes)
    compared = summary.figures["compared"]
    assert (compared["stocks"], compared["rows"]) == (2, 27)
    assert compared["differ"]["close"] == 14 and compared["differ"]["volume"] == 0
    assert any("600000.SH" in note for note in summary.notes)


def test_a_factor_that_misses_a_dividend_is_told(tmp_path: Path) -> None:
    fakes = Fakes()
    gone = lambda frame: frame.iloc[:0]  # noqa: E731
    fakes.broken |= {"stock_dividend_cninfo": gone, "stock_fhps_em": lambda frame: frame.assign(除权除息日=None)}
    summary = run(tmp_path, fakes)
    assert summary.figures["compared"]["factor_steps"] == 1


def test_the_second_source_of_dividends_and_of_capital_serve_too(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken |= {"stock_dividend_cninfo": KeyError("records"), "stock_zh_a_gbjg_em": KeyError("data")}
    run(tmp_path, fakes)
    event = table(tmp_path, "ex_rights_events").iloc[0]
    assert event["cash_per_share_est"] == 0.3 and pd.isna(event["pay_date"])
    bars = pd.read_parquet(tmp_path / "daily_bars" / "2024.parquet")
    assert bars[bars["symbol"] == "600000.SH"]["total_shares"].unique().tolist() == [20_000_000.0]


def test_what_could_not_be_had_is_listed_and_tried_again_next_time(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_value_em 600000"] = KeyError("result")
    summary = run(tmp_path, fakes)
    assert [(f.table, f.about) for f in summary.failures] == [("valuation_daily", "600000.SH")]
    assert "stock_value_em(600000)" in summary.failures[0].sentence
    assert summary.figures["share_with"]["valuation_daily"] == 0.5
    state = json.loads((tmp_path / "fetch.json").read_text())
    assert state["failures"][0]["about"] == "600000.SH"
    again = Fakes()
    assert run(tmp_path, again).failures == []
    assert [name for name, _ in again.calls] == ["stock_value_em"]


def test_no_bars_for_a_listed_stock_are_an_error_not_an_empty_history(tmp_path: Path) -> None:
    fakes = Fakes()
    nothing = lambda frame: frame.iloc[:0]  # noqa: E731
    sources = ("stock_zh_a_hist", "stock_zh_a_daily", "stock_zh_a_hist_tx")
    fakes.broken |= {f"{name} 600000": nothing for name in sources}
    summary = run(tmp_path, fakes)
    failure = next(f for f in summary.failures if f.table == "daily_bars")
    assert failure.about == "600000.SH" and "no rows" in failure.sentence


def test_columns_that_a_source_swapped_are_found_by_what_they_must_add_up_to() -> None:
    from feeds.akshare_reports import check_identities

    sound = pd.DataFrame({"total_assets": np.full(30, 10.0), "total_liabilities": 6.0, "total_equity": 4.0})
    check_identities("stock_zcfz_em", sound)
    swapped = sound.rename(columns={"total_assets": "total_liabilities", "total_liabilities": "total_assets"})
    with pytest.raises(SourceError, match="stock_zcfz_em: 30 of 30 rows break"):
        check_identities("stock_zcfz_em", swapped)


def test_a_table_whose_columns_were_swapped_is_left_out_and_named(tmp_path: Path) -> None:
    fakes = Fakes()

    def swapped(frame: pd.DataFrame) -> pd.DataFrame:
        many = pd.concat([frame] * 15, ignore_index=True)
        return many.rename(columns={"资产-总资产": "负债-总负债", "负债-总负债": "资产-总资产"})

    fakes.broken["stock_zcfz_em"] = lambda frame: swapped(frame) if len(frame) == 2 else frame
    summary = run(tmp_path, fakes)
    assert [(f.table, f.about) for f in summary.failures] == [("fundamentals_quarterly", "2024-03-31")]
    assert "position" in summary.failures[0].sentence
    reports = table(tmp_path, "fundamentals_quarterly")
    assert "total_assets" not in reports and reports["total_revenue"].notna().all()


def test_st_by_name_is_compared_with_the_board_of_the_day(tmp_path: Path) -> None:
    assert run(tmp_path / "one", Fakes()).figures["st_differs"] == []
    fakes = Fakes()
    fakes.broken["stock_zh_a_st_em"] = lambda frame: frame.iloc[:1]
    summary = run(tmp_path / "two", fakes)
    assert summary.figures["st_differs"] == ["000001.SZ"] and any("board of ST" in note for note in summary.notes)


def test_a_quarter_that_nobody_has_reported_yet_is_no_failure(tmp_path: Path) -> None:
    for today, failures in (("2024-04-10", 0), ("2024-06-22", 1)):
        fakes = Fakes(today)
        fakes.broken["stock_xjll_em"] = lambda frame: frame.iloc[:0] if len(frame) == 2 else frame
        start = dt.date(2024, 4, 1)
        mine = client(tmp_path / today, fakes)
        days = [j for j in market_jobs(mine, [], start, mine.today) if j.about == "2024-03-31"]
        assert len(run_jobs(mine, days, None)) == failures


def test_a_company_that_never_paid_is_not_asked_about_every_day(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_dividend_cninfo 000001"] = KeyError("F006D")  # what AKShare makes of no records
    assert run(tmp_path, fakes).failures == []
    again = Fakes()
    run(tmp_path, again)
    assert again.calls == []


def test_the_calendar_inside_akshare_serves_when_sina_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from feeds import akshare_feed

    fakes = Fakes()
    fakes.broken["tool_trade_date_hist_sina"] = IndexError("list index out of range")
    monkeypatch.setattr(akshare_feed, "_bundled_calendar", lambda: np.array(SESSIONS, "datetime64[D]"))
    assert any("calendar" in note for note in run(tmp_path, fakes).notes)
    monkeypatch.setattr(akshare_feed, "_bundled_calendar", lambda: np.array([], "datetime64[D]"))
    with pytest.raises(SourceError, match="tool_trade_date_hist_sina"):
        run(tmp_path / "other", fakes)


def test_remaining_time_is_told_and_falls_to_zero(tmp_path: Path) -> None:
    told: list[tuple[int, int, str, float]] = []
    run(tmp_path, Fakes(), tell=lambda *words: told.append(words))
    left = [words[3] for words in told]
    # One list of suspensions more than the first guess, which knows no bars.
    assert told[0][0] == 0 and told[-1][0] == told[-1][1] == told[0][1] + 1
    assert left[0] > 60 and left[-1] == 0.0 and all(a >= b for a, b in zip(left, left[1:], strict=False))


def test_two_fetches_at_once_into_one_folder_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="no file locks on this system")
    with only_one(tmp_path), pytest.raises(DataError, match="another fetch is at work"):
        run(tmp_path, Fakes())
    assert run(tmp_path, Fakes()).failures == []


def test_a_folder_of_another_source_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "daily_bars").mkdir()
    with pytest.raises(DataError, match="no fetch has written"):
        run(tmp_path, Fakes())


@pytest.mark.parametrize(
    ("universe", "start", "end", "says"),
    [
        ("csi300", "1980-01-01", None, "start 1980-01-01"),
        ("csi300", "2024-06-03", "2024-12-31", "in the future"),
        ("../../etc", "2024-06-03", None, "unknown universe"),
        ("no-such", "2024-06-03", None, "unknown universe"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_before_anything_is_asked(
    tmp_path: Path, universe: str, start: str, end: str | None, says: str
) -> None:
    fakes = Fakes()
    with pytest.raises(ConfigError, match=says):
        fetch(tmp_path, universe, dt.date.fromisoformat(start), end and dt.date.fromisoformat(end),
              client=client(tmp_path, fakes))  # fmt: skip
    assert fakes.calls == []
