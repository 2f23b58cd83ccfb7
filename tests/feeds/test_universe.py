from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import SESSIONS, Tables

from engine.errors import ConfigError, DataError
from feeds.file_feed import FileFeed
from feeds.universe import Memberships, index_code, memberships, parse_universe

Write = Callable[[Tables], Path]
DAYS = SESSIONS.to_numpy().astype("datetime64[D]")


def spans(*rows: tuple[str, str, str]) -> Memberships:
    return Memberships(
        np.array([row[0] for row in rows], dtype=object),
        np.array([row[1] for row in rows], dtype="datetime64[D]"),
        np.array([row[2] for row in rows], dtype="datetime64[D]"),
    )


def test_a_member_is_in_from_its_first_day_to_the_day_before_it_leaves() -> None:
    index = spans(("600000.SH", "2019-12-18", "2019-12-20"))
    mask = index.mask(DAYS, ["000001.SZ", "600000.SH"])
    assert mask.dtype == np.uint8
    assert [str(d) for d in DAYS[mask[:, 1] == 1]] == ["2019-12-18", "2019-12-19"]
    assert not mask[:, 0].any()


def test_a_stock_may_come_back_and_dates_need_not_be_sessions() -> None:
    index = spans(("600000.SH", "2019-12-21", "2019-12-24"), ("600000.SH", "2020-01-01", "9999-12-31"))
    mask = index.mask(DAYS, ["600000.SH"])[:, 0]
    assert [str(d) for d in DAYS[mask == 1]][:2] == ["2019-12-23", "2020-01-02"]
    assert mask.sum() == 1 + 11


def test_members_of_a_span_are_those_of_any_day_in_it() -> None:
    index = spans(("600000.SH", "2019-12-18", "2019-12-20"), ("000001.SZ", "2020-01-06", "9999-12-31"))
    day = np.datetime64
    assert index.members(day("2019-12-19"), day("2020-01-06")) == ["000001.SZ", "600000.SH"]
    assert index.members(day("2019-12-20"), day("2020-01-05")) == []
    assert index.members(day("2019-12-01"), day("2019-12-18")) == ["600000.SH"]


@pytest.mark.parametrize(
    ("written", "kind", "name"),
    [
        ("all", "all", "all"),
        ("csi500", "index", "000905"),
        ("CSI300", "index", "000300"),
        ("000905", "index", "000905"),
        ("000905.SH", "index", "000905"),
        (["csi500"], "index", "000905"),
        ("600519.SH", "symbols", "600519.SH"),
        ("600519.SH, 000001.sz", "symbols", "000001.SZ,600519.SH"),
        (["600519.SH", "000001.SZ", "600519.SH"], "symbols", "000001.SZ,600519.SH"),
    ],
)
def test_a_universe_is_all_an_index_or_symbols(written: str | list[str], kind: str, name: str) -> None:
    universe = parse_universe(written)
    assert (universe.kind, universe.name) == (kind, name)


@pytest.mark.parametrize("written", ["600519.SH,banana", ["000001.SZ", "600519.SZ"], "200012.SZ,600519.SH"])
def test_a_symbol_that_is_no_a_share_is_refused(written: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="is no A-share code"):
        parse_universe(written)


@pytest.mark.parametrize("written", ["", [], ","])
def test_an_empty_universe_is_refused(written: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="universe is empty"):
        parse_universe(written)


def test_an_index_code_is_found_by_word_and_with_a_suffix() -> None:
    assert [index_code(word) for word in ("sse50", " 000300.SH ", "csi1000", "x")] == [
        "000016",
        "000300",
        "000852",
        "x",
    ]


def test_an_unknown_universe_lists_what_there_is(write: Write, tables: Tables) -> None:
    says = "unknown universe 'cs300'; did you mean 'csi300'. There are 000300, all, csi300, sse50-proxy, and"
    with pytest.raises(ConfigError, match=says):
        memberships(FileFeed(write(tables)), "cs300", "universe")


def test_an_index_without_dated_members_is_refused_with_what_the_data_hold_of_it(write: Write, tables: Tables) -> None:
    levels = tables["index_daily"]
    tables["index_daily"] = pd.concat([levels, levels.assign(index_code="000016")])
    tables["constituents_snapshots"] = pd.DataFrame(
        {"index_code": ["000852"], "snapshot_date": [SESSIONS[0]], "symbol": ["600000.SH"]}
    )
    feed = FileFeed(write(tables))
    with pytest.raises(ConfigError, match="membership history of index 000016 is missing .*only its levels"):
        memberships(feed, "000016", "universe")
    with pytest.raises(ConfigError, match="membership history of index 000852 is missing .*only its snapshots"):
        memberships(feed, "000852", "universe")


def test_a_member_without_a_first_day_is_refused(write: Write, tables: Tables) -> None:
    tables["constituents"].loc[1, "in_date"] = pd.NaT
    with pytest.raises(DataError, match="column 'in_date' of 300001.SZ in 000300 is empty"):
        memberships(FileFeed(write(tables)), "000300", "universe")


def test_the_real_csi_500_has_its_members_on_the_day_and_no_others(real_data: Path) -> None:
    feed = FileFeed(real_data)
    index = memberships(feed, "000905", "universe")
    days = np.array(["2013-06-28", "2013-07-01", "2018-12-28", "2020-12-31"], dtype="datetime64[D]")
    everyone = sorted(set(index.symbols.tolist()))
    count = index.mask(days, everyone).sum(axis=1)
    assert count[[0, 1, 3]].tolist() == [500, 500, 500]
    assert 498 <= count[2] <= 500
    table = feed.read("constituents")
    for day, row in zip(days, index.mask(days, everyone), strict=True):
        slow = {
            s
            for c, s, a, b in zip(*(table[k] for k in ("index_code", "symbol", "in_date", "out_date")), strict=True)
            if c == "000905" and a <= day and (np.isnat(b) or b > day)
        }
        assert {everyone[i] for i in np.flatnonzero(row)} == slow
