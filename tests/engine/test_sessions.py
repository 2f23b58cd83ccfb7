"""Rebalance schedules: which sessions decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.errors import ConfigError, DataError
from engine.sessions import Schedule


def calendar(first: str, last: str, closed: tuple[str, ...] = ()) -> np.ndarray:
    """Weekdays from ``first`` to ``last`` but for ``closed`` days."""
    days = np.arange(np.datetime64(first), np.datetime64(last) + np.timedelta64(1, "D"))
    days = days[np.is_busday(days)]
    return days[~np.isin(days, np.array(closed, dtype="datetime64[D]"))]


def dates(text: str, days: np.ndarray, first: int = 0, last: int | None = None, anchor: int = 12) -> list[str]:
    last = len(days) - 1 if last is None else last
    return [str(day) for day in days[Schedule.parse(text, anchor).decisions(days, first, last)]]


YEAR = calendar("2019-12-16", "2021-01-15", closed=("2020-01-01", "2021-01-01"))


@pytest.mark.parametrize(
    ("text", "anchor", "expected"),
    [
        ("3M", 12, ["2019-12-31", "2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31"]),
        ("3m", 1, ["2020-01-31", "2020-04-30", "2020-07-31", "2020-10-30"]),
        ("6M", 12, ["2019-12-31", "2020-06-30", "2020-12-31"]),
        ("12M", 4, ["2020-04-30"]),
        ("3MS", 12, ["2020-01-02", "2020-04-01", "2020-07-01", "2020-10-01", "2021-01-04"]),
        ("3MS", 1, ["2020-02-03", "2020-05-01", "2020-08-03", "2020-11-02"]),
    ],
)
def test_periods_of_months_end_in_the_anchor_month(text: str, anchor: int, expected: list[str]) -> None:
    assert dates(text, YEAR, anchor=anchor) == expected


def test_month_ends_and_starts_are_those_that_pandas_groups() -> None:
    months = pd.Series(YEAR).groupby(pd.Series(YEAR).dt.to_period("M"))
    ends = [str(day.date()) for day in months.last()][:-1]  # January 2021 goes on
    starts = [str(day.date()) for day in months.first()][1:]  # December 2019 began earlier
    for text in ("1M", "M", "m", "monthly", "Monthly"):
        assert dates(text, YEAR) == ends
    for text in ("MS", "1MS", "monthly-start"):
        assert dates(text, YEAR) == starts


def test_a_week_decides_on_its_last_session_and_a_week_without_trading_is_skipped() -> None:
    closed = ("2020-01-24", *(f"2020-01-{day}" for day in range(27, 32)))
    days = calendar("2020-01-06", "2020-02-14", closed)
    assert dates("weekly", days) == ["2020-01-10", "2020-01-17", "2020-01-23", "2020-02-07", "2020-02-14"]
    assert dates("1WS", days) == ["2020-01-06", "2020-01-13", "2020-01-20", "2020-02-03", "2020-02-10"]
    assert dates("weekly-start", days) == dates("1ws", days)


def test_a_week_across_new_year_is_one_week() -> None:
    days = calendar("2020-12-21", "2021-01-08", closed=("2021-01-01",))
    assert dates("1W", days) == ["2020-12-25", "2020-12-31", "2021-01-08"]


def test_weeks_are_counted_from_a_fixed_monday_whatever_the_span() -> None:
    whole = dates("2W", YEAR)
    # Monday 2019-12-16 is 1563 weeks after Monday 1990-01-01: that week closes a period.
    fridays = [str(np.datetime64("2019-12-20") + np.timedelta64(14 * k, "D")) for k in range(29)]
    assert whole == ["2020-12-31" if day == "2021-01-01" else day for day in fridays]
    for first in range(1, 12):
        assert dates("2W", YEAR, first) == [day for day in whole if day >= str(YEAR[first])]
        assert dates("2W", YEAR[first:]) == [day for day in whole if day >= str(YEAR[first])]


def test_every_n_sessions_counts_from_the_first_of_the_span() -> None:
    assert Schedule.parse("20D").decisions(YEAR, 7, 67).tolist() == [7, 27, 47, 67]
    assert Schedule.parse("daily").decisions(YEAR, 3, 6).tolist() == [3, 4, 5, 6]
    assert Schedule.parse("1D").decisions(YEAR, 3, 6).tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("last", "decides"),
    [
        ("2020-05-27", False),  # a Wednesday: two weekdays of May are to come
        ("2020-05-28", False),
        ("2020-05-29", True),  # Friday; the 30th and 31st are a weekend
    ],
)
def test_the_last_period_decides_only_if_it_is_over(last: str, decides: bool) -> None:
    for text in ("1M", "1W"):
        found = dates(text, calendar("2020-04-01", last))
        assert (found[-1] == last) is decides


def test_a_session_in_a_later_period_shows_that_the_period_is_over() -> None:
    days = calendar("2020-11-02", "2021-01-04", closed=("2020-12-31", "2021-01-01"))
    assert dates("1M", days[:-1]) == ["2020-11-30"]  # 31 December might still come
    assert dates("1M", days) == ["2020-11-30", "2020-12-30"]
    assert dates("1M", days, last=len(days) - 2) == ["2020-11-30", "2020-12-30"]


def test_a_calendar_that_begins_within_a_period_does_not_know_its_first_day() -> None:
    assert dates("MS", calendar("2020-06-02", "2020-07-10")) == ["2020-07-01"]
    assert dates("MS", calendar("2020-06-01", "2020-07-10")) == ["2020-06-01", "2020-07-01"]
    assert dates("MS", calendar("2020-08-03", "2020-08-10")) == ["2020-08-03"]  # 1 August is a Saturday


def test_decisions_lie_inside_the_span() -> None:
    found = Schedule.parse("1W").decisions(YEAR, 30, 60)
    assert found.dtype == np.int64
    assert found.min() >= 30 and found.max() <= 60
    assert Schedule.parse("1W").decisions(YEAR, 5, 4).tolist() == []
    with pytest.raises(DataError, match="do not lie in a calendar of 5 sessions"):
        Schedule.parse("1W").decisions(YEAR[:5], 0, 5)
    with pytest.raises(DataError, match="not ascending"):
        Schedule.parse("1W").decisions(YEAR[::-1], 0, 5)


@pytest.mark.parametrize("text", ["", "fortnightly", "0D", "3", "1DS", "D20", "-1M", "1.5M", "3Q", "99999D"])
def test_unknown_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="option 'rebalance' is .* 20D, 1W or weekly"):
        Schedule.parse(text)


def test_months_that_do_not_divide_a_year_and_impossible_anchors_are_refused() -> None:
    with pytest.raises(ConfigError, match="option 'rebalance' is '5M'; write 1M, 2M, 3M"):
        Schedule.parse("5M")
    for anchor in (0, 13, True, "12"):
        with pytest.raises(ConfigError, match="option 'anchor'"):
            Schedule.parse("3M", anchor)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "anchor", "phrase"),
    [
        ("1D", 12, "every session"),
        ("20D", 12, "every 20 sessions from the first on"),
        ("1W", 12, "last trading day of every week"),
        ("2WS", 12, "first trading day of every period of 2 weeks"),
        ("M", 12, "last trading day of every month"),
        ("3M", 12, "last trading day of Mar, Jun, Sep and Dec"),
        ("3M", 1, "last trading day of Jan, Apr, Jul and Oct"),
        ("3MS", 12, "first trading day of Jan, Apr, Jul and Oct"),
        ("12M", 4, "last trading day of Apr"),
        ("6MS", 12, "first trading day of Jan and Jul"),
    ],
)
def test_a_schedule_describes_itself(text: str, anchor: int, phrase: str) -> None:
    assert Schedule.parse(text, anchor).describe() == phrase
