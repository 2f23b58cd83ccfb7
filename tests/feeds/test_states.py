"""States of stocks told from names, listings and suspensions."""

from __future__ import annotations

import numpy as np
import pytest

from engine.price_limits import STATES
from feeds.states import day_states, is_leaving, is_new, is_unreformed

CALENDAR = np.arange("2011-01-03", "2021-07-01", dtype="datetime64[D]")
CALENDAR = CALENDAR[np.is_busday(CALENDAR)]
NEVER = np.datetime64("NaT", "D")


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


def states_of(
    names: list[tuple[str, str]],
    *,
    listed: str = "1999-01-04",
    first_bar: str = "2011-01-03",
    stops: list[tuple[str, str]] | None = None,
    closes: dict[str, float] | None = None,
    panel: tuple[str, str] = ("2011-01-03", "2021-06-30"),
    peers: tuple[str, ...] = ("N乙", "N丙"),
) -> dict[str, str]:
    """States by date of one stock with the names ``(since, name)``; only those that are not normal.

    ``stops`` are the first and last days without a bar. ``peers`` are the names of other stocks on their first days.
    """
    stops = stops or []
    others = [f"60000{k}.SH" for k in range(1, len(peers) + 1)]
    sessions = CALENDAR[(day(panel[0]) <= CALENDAR) & (day(panel[1]) >= CALENDAR)]
    close = np.full((len(sessions), 1), 10.0)
    close[sessions < day(first_bar)] = np.nan
    for start, end in stops:
        close[(sessions >= day(start)) & (sessions <= day(end))] = np.nan
    for date, price in (closes or {}).items():
        close[sessions >= day(date)] = price
    table = [("000001.SZ", *row) for row in names] + [
        (other, "2015-03-02", name) for other, name in zip(others, peers, strict=True)
    ]
    found = day_states(
        sessions,
        ["000001.SZ"],
        CALENDAR,
        close,
        {
            "symbol": np.array(["000001.SZ", *others, "000009.SZ"], dtype=object),
            "list_date": np.array([listed] + ["2015-03-02"] * len(others) + ["1991-04-03"], "datetime64[D]"),
            "first_bar": np.array([first_bar] + ["2015-03-02"] * len(others) + ["2011-01-03"], "datetime64[D]"),
        },
        {
            "symbol": np.array(["000001.SZ"] * len(stops), dtype=object),
            "start": np.array([start for start, _ in stops], "datetime64[D]"),
            "end": np.array([end for _, end in stops], "datetime64[D]"),
        },
        {
            "symbol": np.array([row[0] for row in table], dtype=object),
            "start_date": np.array([row[1] for row in table], "datetime64[D]"),
            "name": np.array([row[2] for row in table], dtype=object),
        },
    )
    assert found.dtype == np.uint8
    return {str(sessions[t]): STATES[found[t, 0]] for t in np.flatnonzero(found[:, 0])}


@pytest.mark.parametrize(
    ("name", "new", "unreformed", "leaving"),
    [
        ("平安银行", False, False, False),
        ("N新股", True, False, False),
        ("NST鲁北", True, False, False),
        ("N*ST北生", True, False, False),
        ("NS*ST甲", True, True, False),
        ("S佳通", False, True, False),
        ("XDS佳通", False, True, False),
        ("SST天海", False, True, False),
        ("S*ST光明", False, True, False),
        ("ST光明", False, False, False),
        ("*ST光明", False, False, False),
        ("XDST光", False, False, False),
        ("TCL集团", False, False, False),
        ("NOVA", False, False, False),
        ("退市长油", False, False, True),
        ("中弘退", False, False, True),
    ],
)
def test_the_marks_of_a_name(name: str, new: bool, unreformed: bool, leaving: bool) -> None:
    assert (is_new(name), is_unreformed(name), is_leaving(name)) == (new, unreformed, leaving)


def test_a_plain_name_and_special_treatment_leave_the_state_to_the_bars() -> None:
    assert states_of([("1999-01-04", "甲股份"), ("2012-05-02", "*ST甲"), ("2013-05-02", "XD甲股份")]) == {}


def test_an_s_stock_is_unreformed_until_the_day_its_mark_is_gone() -> None:
    found = states_of(
        [("2006-10-09", "S甲"), ("2011-01-05", "XDS甲"), ("2011-01-06", "S甲"), ("2011-01-10", "甲股份")]
    )
    before = ("2011-01-03", "2011-01-04", "2011-01-05", "2011-01-06", "2011-01-07")
    assert found == dict.fromkeys(before, "unreformed") | {"2011-01-10": "share_reform"}


def test_an_s_stock_under_special_treatment_has_the_limits_of_st() -> None:
    assert states_of([("2006-10-09", "S*ST甲"), ("2011-01-10", "*ST甲")]) == {"2011-01-10": "share_reform"}


def test_a_delisting_period_lasts_to_the_end_and_has_a_first_day() -> None:
    found = states_of([("1999-01-04", "*ST甲"), ("2021-06-28", "甲退")])
    assert found == {"2021-06-28": "delisting_first", "2021-06-29": "delisting", "2021-06-30": "delisting"}


def test_a_stock_that_leaves_for_its_price_has_no_free_day() -> None:
    names = [("1999-01-04", "*ST甲"), ("2021-06-28", "甲退")]
    twenty = {"2021-05-31": 0.99}  # 20 weekdays from 05-31 to 06-25
    assert states_of(names, closes=twenty)["2021-06-28"] == "delisting"
    assert states_of(names, closes=twenty | {"2021-06-25": 1.00})["2021-06-28"] == "delisting_first"
    assert states_of(names, closes={"2021-06-01": 0.99})["2021-06-28"] == "delisting_first"  # 19 closes


def test_n_on_an_older_stock_is_an_offering_or_after_special_treatment_a_relisting() -> None:
    assert states_of([("1999-01-04", "甲股份"), ("2013-05-23", "N甲"), ("2013-05-24", "甲股份")]) == {
        "2013-05-23": "offering"
    }
    assert states_of([("1999-01-04", "*ST甲"), ("2013-05-23", "N甲"), ("2013-05-24", "甲股份")]) == {
        "2013-05-23": "relisting"
    }
    assert states_of([("1999-01-04", "甲股份"), ("2013-05-23", "NST甲")]) == {"2013-05-23": "relisting"}


def test_a_first_day_without_n_is_a_listing_without_an_offering() -> None:
    first = {"listed": "2015-11-02", "first_bar": "2015-11-02"}
    assert states_of([("2015-11-02", "N甲"), ("2015-11-03", "甲股份")], **first) == {}
    assert states_of([("2015-11-02", "甲股份")], **first) == {"2015-11-02": "no_offering"}


def test_a_table_that_does_not_mark_first_days_says_nothing_about_them() -> None:
    first = {"listed": "2015-11-02", "first_bar": "2015-11-02"}
    assert states_of([("2015-11-02", "甲股份")], peers=("乙股份", "丙股份"), **first) == {}


@pytest.mark.parametrize(
    ("name", "start", "end", "back", "state"),
    [
        ("*ST甲", "2012-04-27", "2013-07-04", "2013-07-05", "relisting"),
        ("S*ST甲", "2012-04-27", "2013-07-04", "2013-07-05", "relisting"),
        ("*ST甲", "2012-05-15", "2013-02-28", "2013-03-01", "relisting"),  # the last and the first day there can be
        ("*ST甲", "2012-05-16", "2013-07-04", "2013-07-05", None),  # not the season of annual reports
        ("*ST甲", "2012-11-13", "2014-01-02", "2014-01-03", None),
        ("*ST甲", "2012-04-27", "2013-02-27", "2013-02-28", None),  # before the exchange can have decided
        ("*ST甲", "2012-04-27", "2014-01-02", "2014-01-03", "relisting"),  # the year after the next
        ("*ST甲", "2012-01-04", "2012-10-08", "2012-10-09", None),  # the same year
        ("ST甲", "2012-04-27", "2013-07-04", "2013-07-05", None),
        ("甲股份", "2012-04-27", "2013-07-04", "2013-07-05", None),
    ],
)
def test_a_suspended_listing_is_told_by_name_season_and_length(
    name: str, start: str, end: str, back: str, state: str | None
) -> None:
    found = states_of([("1999-01-04", name), (back, "甲控股" if "S" not in name[:1] else name)], stops=[(start, end)])
    assert found == ({back: state} if state else {})


def test_who_comes_back_into_a_delisting_period_is_not_listed_again() -> None:
    found = states_of([("1999-01-04", "*ST甲"), ("2014-04-21", "退市甲")], stops=[("2013-04-22", "2014-04-18")])
    assert found["2014-04-21"] == "delisting_first" and "relisting" not in found.values()


def test_a_stop_before_the_panel_counts_in_a_panel_that_begins_later() -> None:
    names = [("1999-01-04", "*ST甲")]
    stops = [("2012-04-27", "2013-07-04")]
    assert states_of(names, stops=stops, panel=("2013-01-02", "2013-12-31")) == {"2013-07-05": "relisting"}
    assert states_of(names, stops=stops, panel=("2013-07-08", "2013-12-31")) == {}


def test_who_has_no_bar_for_a_year_when_the_data_begin_comes_back_from_a_suspended_listing() -> None:
    assert states_of([("1999-01-04", "*ST甲")], first_bar="2012-01-03") == {"2012-01-03": "relisting"}
    assert states_of([("1999-01-04", "*ST甲")], first_bar="2012-01-02") == {}  # 364 days
    assert states_of([], listed="2012-01-03", first_bar="2012-01-03") == {}  # a new stock
