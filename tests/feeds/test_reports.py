"""Reports as they were known: hand-worked figures of one company and what may not be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError
from feeds.reports import Reports, deadlines

A, B = "000001.SZ", "600000.SH"


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def table(rows: list[tuple[Any, ...]], *columns: str) -> dict[str, np.ndarray]:
    """Rows of symbol, period, announced and figures."""
    names = ("symbol", "period_end", "announce_date", *(columns or ("net_profit",)))
    found: dict[str, np.ndarray] = {}
    for k, name in enumerate(names):
        values = [row[k] for row in rows]
        dated = name in ("period_end", "announce_date", "first_seen")
        kind = "datetime64[D]" if dated else object if name == "symbol" else float
        found[name] = np.array([value if value is not None else ("NaT" if dated else np.nan) for value in values], kind)
    return found


YEARS = [
    (A, "2018-03-31", "2018-04-20", 10.0),
    (A, "2018-06-30", "2018-08-20", 25.0),
    (A, "2018-09-30", "2018-10-20", 45.0),
    (A, "2018-12-31", "2019-04-10", 100.0),
    (A, "2019-03-31", "2019-04-26", 12.0),
    (A, "2019-06-30", "2019-08-24", 33.0),
]


def get(reports: Reports, day: str, **more: Any) -> float:
    return float(reports.get("net_profit", days(day), **more)[0, 0])


def test_a_report_counts_from_the_day_after_its_disclosure() -> None:
    reports = Reports(table(YEARS), [A])
    assert np.isnan(get(reports, "2018-04-20"))
    assert get(reports, "2018-04-21") == 10.0
    # Saturday 2019-08-24: Friday's view does not hold it, Monday's does.
    assert get(reports, "2019-08-23") == 12.0 and get(reports, "2019-08-26") == 33.0


def test_quarter_and_twelve_months_and_growth_are_as_worked_by_hand() -> None:
    reports = Reports(table(YEARS), [A])
    assert [get(reports, day, kind="quarter") for day in ("2018-05-02", "2018-09-03", "2018-11-01", "2019-04-15")] == [
        10.0, 15.0, 20.0, 55.0
    ]  # fmt: skip
    assert get(reports, "2019-04-15", kind="ttm") == 100.0
    assert get(reports, "2019-05-06", kind="ttm") == 12.0 + 100.0 - 10.0
    assert get(reports, "2019-09-02", kind="ttm") == 33.0 + 100.0 - 25.0
    assert get(reports, "2019-09-02", kind="yoy") == pytest.approx(33.0 / 25.0 - 1.0)
    assert np.isnan(get(reports, "2018-11-01", kind="ttm"))  # no year before


def test_growth_over_a_loss_is_unknown() -> None:
    rows = [(A, "2018-03-31", "2018-04-20", -5.0), (A, "2019-03-31", "2019-04-20", 5.0)]
    assert np.isnan(get(Reports(table(rows), [A]), "2019-05-06", kind="yoy"))


def test_a_lag_goes_back_by_quarters_from_the_latest_report() -> None:
    reports = Reports(table(YEARS), [A])
    assert [get(reports, "2019-05-06", lag=lag) for lag in range(5)] == [12.0, 100.0, 45.0, 25.0, 10.0]
    assert np.isnan(get(reports, "2019-05-06", lag=5))
    with pytest.raises(ConfigError, match="lag=-1 asks for reports that are not out"):
        get(reports, "2019-05-06", lag=-1)


def test_the_latest_period_counts_even_if_an_older_one_comes_out_later() -> None:
    rows = [(A, "2019-03-31", "2019-04-20", 2.0), (A, "2018-12-31", "2019-04-29", 9.0)]
    reports = Reports(table(rows), [A])
    assert get(reports, "2019-04-30") == 2.0
    assert get(reports, "2019-04-30", lag=1) == 9.0 and np.isnan(get(reports, "2019-04-26", lag=1))


def test_without_a_day_of_disclosure_the_legal_deadline_counts() -> None:
    quarters = np.array([2019 * 4, 2019 * 4 + 1, 2019 * 4 + 2, 2019 * 4 + 3])
    assert deadlines(quarters).astype(str).tolist() == ["2019-04-30", "2019-08-31", "2019-10-31", "2020-04-30"]
    rows = [(A, "2019-12-31", None, 7.0), (B, "2019-12-31", "2019-12-01", 8.0)]
    reports = Reports(table(rows), [A, B])
    assert np.isnan(reports.get("net_profit", days("2020-04-30"))).all()
    assert reports.get("net_profit", days("2020-05-06")).tolist() == [[7.0, 8.0]]
    assert reports.undated == 2


def test_a_restatement_counts_from_the_day_it_was_first_seen_and_not_before() -> None:
    columns = ("net_profit", "first_seen")
    rows = [
        (A, "2018-12-31", "2019-04-10", 100.0, None),
        (A, "2019-03-31", "2019-04-26", 12.0, "2026-11-21"),  # the first version: its disclosure counts
        (A, "2018-12-31", "2019-04-10", 80.0, "2019-06-03"),
    ]
    reports = Reports(table(rows, *columns), [A])
    assert get(reports, "2019-05-06", lag=1) == 100.0 and get(reports, "2019-05-06") == 12.0
    assert get(reports, "2019-06-03", lag=1) == 100.0
    assert get(reports, "2019-06-04", lag=1) == 80.0


def test_a_figure_that_the_latest_report_lacks_can_be_taken_from_the_one_before() -> None:
    rows = [(A, "2018-12-31", "2019-04-10", 100.0), (A, "2019-03-31", "2019-04-26", None)]
    reports = Reports(table(rows), [A])
    assert np.isnan(get(reports, "2019-05-06"))
    assert get(reports, "2019-05-06", skip_empty=True) == 100.0


def test_a_period_that_is_no_quarter_is_left_out_and_counted() -> None:
    rows = [(A, "2018-12-31", "2019-04-10", 100.0), (A, "2019-02-15", "2019-04-26", 5.0)]
    reports = Reports(table(rows), [A])
    assert reports.left_out == 1 and get(reports, "2019-05-06") == 100.0


def test_dates_of_the_report_can_be_asked_for() -> None:
    reports = Reports(table(YEARS), [A, B])
    assert reports.get("period_end", days("2019-05-06")).astype(str).tolist() == [["2019-03-31", "NaT"]]
    assert reports.get("announce_date", days("2019-05-06"), lag=1).astype(str).tolist() == [["2019-04-10", "NaT"]]


def test_one_join_for_all_figures_gives_the_same_as_one_by_one() -> None:
    rows = [(A, "2018-12-31", "2019-04-10", 1.0, 2.0), (B, "2018-12-31", "2019-04-12", 3.0, None)]
    reports = Reports(table(rows, "net_profit", "eps"), [B, A])
    asked = days("2019-04-11", "2019-05-06")
    found = reports.all_latest(asked)
    assert set(found) == {"net_profit", "eps"}
    for name, values in found.items():
        np.testing.assert_array_equal(values, reports.get(name, asked))


def test_an_unknown_figure_or_kind_names_the_nearest() -> None:
    reports = Reports(table(YEARS), [A])
    with pytest.raises(ConfigError, match="no figure 'net_profits'; did you mean 'net_profit'"):
        reports.get("net_profits", days("2019-05-06"))
    with pytest.raises(ConfigError, match="unknown kind 'tmt' of figure; did you mean 'ttm'"):
        get(reports, "2019-05-06", kind="tmt")
