"""Each check of a data folder finds what is wrong, and is silent where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import Tables, write_tables

from feeds.check_page import bars_svg, check_page
from feeds.data_check import Finding, check_market, check_tables, worst
from feeds.file_feed import FileFeed
from feeds.manifest import contents
from feeds.store import open_market

Findings = dict[str, Finding]


@pytest.fixture
def sound(tables: Tables) -> Tables:
    """The small tables made whole: true amounts, and prices that follow the one ex-date."""
    bars = tables["daily_bars"]
    bars["amount"] = bars["volume"] * bars["close"]
    after = (bars["symbol"] == "000001.SZ") & (bars["date"] >= "2020-01-06")
    bars.loc[after, ["open", "high", "low", "close", "preclose"]] = 9.5
    bars.loc[after, "amount"] = bars.loc[after, "volume"] * 9.5
    bars.loc[after, "adj_factor"] = 10.0 / 9.5
    bars["total_shares"] = 1_000_000
    bars.loc[bars["symbol"] == "600000.SH", "is_st"] = True  # as its name says
    return tables


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Tables], Findings]:
    def run(tables: Tables) -> Findings:
        folder = write_tables(tmp_path / "data", tables)
        feed = FileFeed(folder)
        found = check_tables(feed)
        if worst(found) != "fatal":
            market = open_market(str(folder), universe="all", cache=tmp_path / "cache")
            found += check_market(market, feed)
        return {one.check: one for one in found}

    return run


def test_sound_tables_have_no_finding(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    found = check(sound)
    assert {name: one.count for name, one in found.items() if one.count} == {}
    assert set(found) == {
        "manifest", "schema", "calendar", "gaps", "bars in suspensions", "mean price", "reference price",
        "factor steps", "price limits", "jumps", "share capital", "names", "members", "reports",
    }  # fmt: skip
    assert worst(list(found.values())) == "note"


def at(tables: Tables, symbol: str, day: str) -> tuple[pd.DataFrame, pd.Index]:
    bars = tables["daily_bars"]
    return bars, bars.index[(bars["symbol"] == symbol) & (bars["date"] == day)]


def test_a_gap_without_a_suspension_is_found(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    bars, row = at(sound, "600000.SH", "2020-01-07")
    sound["daily_bars"] = bars.drop(row)
    found = check(sound)["gaps"]
    assert (found.count, found.examples[0]["symbol"], found.examples[0]["date"]) == (1, "600000.SH", "2020-01-07")
    assert found.by_year == {2020: 1}
    sound["suspensions"] = pd.DataFrame(
        {"symbol": ["600000.SH"], "start": [pd.Timestamp("2020-01-07")], "end": [pd.Timestamp("2020-01-07")]}
    )
    assert check(sound)["gaps"].count == 0


def test_a_bar_inside_a_suspension_is_found(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    sound["suspensions"] = pd.DataFrame(
        {"symbol": ["600000.SH"], "start": [pd.Timestamp("2020-01-07")], "end": [pd.Timestamp("2020-01-08")]}
    )
    assert check(sound)["bars in suspensions"].count == 2


def test_amount_and_volume_must_give_a_price_of_the_day(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    bars, row = at(sound, "600000.SH", "2020-01-07")
    bars.loc[row, "volume"] *= 100
    found = check(sound)["mean price"]
    assert (found.count, found.level) == (1, "fatal")  # one in 69 is more than one in a hundred
    assert found.examples[0]["mean"] == 0.05


def test_the_reference_price_must_follow_from_close_and_factor(
    sound: Tables, check: Callable[[Tables], Findings]
) -> None:
    bars, row = at(sound, "600000.SH", "2020-01-07")
    bars.loc[row, "preclose"] = 4.9
    found = check(sound)["reference price"]
    assert (found.count, found.level, found.examples[0]["expected"]) == (1, "fatal", 5.0)


def test_a_step_of_the_factor_needs_an_ex_date(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    sound["ex_rights_events"] = sound["ex_rights_events"].iloc[:0]
    found = check(sound)["factor steps"]
    assert (found.count, found.of, found.level) == (1, 1, "fatal")


def test_a_bar_outside_its_limits_and_a_jump_without_an_ex_date_are_found(
    sound: Tables, check: Callable[[Tables], Findings]
) -> None:
    bars, row = at(sound, "600000.SH", "2020-01-08")
    bars.loc[row, ["high", "close"]] = 6.6
    bars.loc[row, "amount"] = bars.loc[row, "volume"] * 6.0
    found = check(sound)
    assert found["price limits"].count >= 1 and found["price limits"].level == "fatal"
    assert found["jumps"].count == 1 and found["jumps"].examples[0]["change"] == 0.32


def test_more_floating_than_total_shares_is_found(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    bars, row = at(sound, "600000.SH", "2020-01-08")
    bars.loc[row, "float_shares"] = 1_000_002
    found = check(sound)["share capital"]
    assert found.count == 1 and set(found.examples[0]) == {"date", "symbol", "float_shares", "total_shares", "volume"}


def test_a_flag_that_contradicts_the_name_of_the_day_is_found(
    sound: Tables, check: Callable[[Tables], Findings]
) -> None:
    bars, row = at(sound, "000001.SZ", "2020-01-16")
    bars.loc[row, "is_st"] = True  # the name of the day is XD平安银; the last session of the panel is a month's end
    found = check(sound)["names"]
    assert (found.count, found.examples[0]["symbol"]) == (1, "000001.SZ")
    assert found.examples[0]["is_st"] == "true" and "平安银" in found.examples[0]["name"]


def test_an_index_that_loses_members_for_some_days_is_found(
    sound: Tables, check: Callable[[Tables], Findings]
) -> None:
    sound["constituents"].loc[2, "in_date"] = pd.Timestamp("2020-01-08")  # two days after the one it replaces went out
    found = check(sound)["members"]
    assert (found.level, found.count, found.of) == ("warning", 2, 23)
    assert found.examples[0] == {"date": "2020-01-06", "index": "000300", "members": 1, "usual": 2.0}


def test_a_day_that_is_no_session_is_fatal(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    days = sound["calendar"]["date"]
    with_holiday = [*days[days < "2020-01-01"], pd.Timestamp("2020-01-01"), *days[days > "2020-01-02"]]
    sound["calendar"] = pd.DataFrame({"date": pd.DatetimeIndex(with_holiday)})
    sound["daily_bars"] = sound["daily_bars"][sound["daily_bars"]["date"] != "2020-01-02"]
    found = check(sound)["calendar"]
    assert found.level == "fatal"
    assert found.examples == [
        {"date": "2020-01-01", "is": "no session of the exchange"}, {"date": "2020-01-02", "is": "missing here"}
    ]  # fmt: skip


def test_a_report_from_before_its_periods_end_is_fatal(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    sound["fundamentals_quarterly"] = pd.DataFrame(
        {"symbol": ["000001.SZ"], "period_end": [pd.Timestamp("2019-12-31")], "net_profit": [1.0],
         "announce_date": [pd.Timestamp("2019-12-30")]}
    )  # fmt: skip
    found = check(sound)["reports"]
    assert (found.count, found.level, found.examples[0]["disclosed"]) == (1, "fatal", "2019-12-30")


def test_a_broken_schema_is_fatal_and_names_the_file(sound: Tables, check: Callable[[Tables], Findings]) -> None:
    sound["securities"]["symbol"] = ["000001.SZ", "300001", "600000.SH"]
    found = check(sound)["schema"]
    assert found.level == "fatal" and found.examples[0]["file"] == "securities.parquet"
    assert "must be six digits" in found.examples[0]["says"]


def test_the_worst_level_is_the_gravest() -> None:
    levels = [Finding("a", level, 0, 0, "") for level in ("ok", "warning", "note")]
    assert worst(levels) == "warning" and worst([]) == "ok"


def test_the_page_holds_everything_itself_and_escapes_what_the_data_say(
    sound: Tables, tmp_path: Path
) -> None:
    folder = write_tables(tmp_path / "data", sound)
    market = open_market(str(folder), universe="all", cache=tmp_path / "cache")
    bad = Finding("gaps", "warning", 2, 9, "<b>odd</b>", [{"symbol": "<script>x</script>"}], {2019: 1, 2020: 1})
    page = check_page("<folder>", [bad], market)
    assert page == check_page("<folder>", [bad], market)
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;folder&gt;" in page
    assert page.count("<svg") == 7 and "http" not in page and "69 bars of 3 stocks on 23 sessions" in page
    assert "0 of 1 checks are right, 1 warning." in page and "<a href='#gaps'>" in page and "<h2 id='gaps'>" in page
    assert "<td>calendar</td>" in check_page("x", [bad], None, contents(folder))
    assert "<svg" not in check_page("x", [Finding("market", "fatal", 1, 1, "cannot be opened")], None)


def test_a_bar_is_as_high_as_its_value() -> None:
    picture = bars_svg({"2019": 1.0, "2020": 2.0})
    heights = [float(part.split("'")[0]) for part in picture.split("height='")[1:]]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.11)


def test_the_real_data_have_two_bars_to_explain_and_nothing_fatal(real_data: Path, real_cache: Path) -> None:
    market = open_market(str(real_data), universe="all", cache=real_cache)
    found = {one.check: one for one in check_market(market, FileFeed(real_data))}
    assert worst(list(found.values())) == "warning"
    assert {name: one.count for name, one in found.items() if one.count} == {"price limits": 2}
    assert found["reference price"].of > 5_900_000 and np.isclose(found["reports"].of, 68119)
