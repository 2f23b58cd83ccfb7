"""Optional columns of ``ex_rights_events`` and what is refused at load, with file and row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_data import Tables, bars_of, day

from engine.errors import DataError
from engine.market import Market
from feeds.ex_rights import mend_share_ratios
from feeds.store import open_market

Open = Callable[[], Market]


@pytest.fixture
def open_(write: Callable[[Tables], Path], tables: Tables, tmp_path: Path) -> Open:
    return lambda: open_market(str(write(tables)), universe="all", cache=tmp_path / "cache")


def set_columns(tables: Tables, **columns: Any) -> None:
    tables["ex_rights_events"] = tables["ex_rights_events"].assign(**columns)


def test_a_table_without_the_optional_columns_gets_their_defaults(open_: Open) -> None:
    events = open_().events
    t = events["t"][0]
    assert [events[name][0] for name in ("record_t", "pay_t", "list_t")] == [t - 1, t, t]
    assert np.isnan(events["bonus_ratio"][0]) and np.isnan(events["transfer_ratio"][0])
    assert events["rights_ratio"][0] == events["rights_price"][0] == 0.0


def test_dates_become_sessions_and_parts_of_the_ratio_are_kept(tables: Tables, open_: Open) -> None:
    set_columns(
        tables, record_date=day("2020-01-02"), pay_date=day("2020-01-11"), list_date=day("2020-01-08"),
        bonus_ratio=0.1, transfer_ratio=0.2, rights_ratio=0.3, rights_price=5.0,
    )  # fmt: skip
    market = open_()
    events = market.events
    assert [str(market.sessions[events[name][0]]) for name in ("record_t", "pay_t", "list_t")] == [
        "2020-01-02", "2020-01-13", "2020-01-08",
    ]  # fmt: skip
    assert [events[name][0] for name in ("bonus_ratio", "transfer_ratio", "rights_ratio", "rights_price")] == [
        0.1, 0.2, 0.3, 5.0,
    ]  # fmt: skip


def test_a_record_date_that_is_no_session_means_the_session_before(tables: Tables, open_: Open) -> None:
    set_columns(tables, record_date=day("2020-01-05"))  # a Sunday
    events = open_().events
    assert events["record_t"][0] == events["t"][0] - 1


def test_empty_cells_of_the_optional_columns_are_defaults_and_a_late_payment_lies_behind_the_panel(
    tables: Tables, open_: Open
) -> None:
    set_columns(tables, record_date=pd.NaT, pay_date=day("2020-06-01"), list_date=pd.NaT, rights_ratio=np.nan)
    market = open_()
    t = market.events["t"][0]
    assert market.events["record_t"][0] == t - 1 and market.events["list_t"][0] == t
    assert market.events["pay_t"][0] == len(market.sessions)
    assert market.events["rights_ratio"][0] == 0.0


def test_the_optional_columns_survive_the_cache(tables: Tables, open_: Open) -> None:
    set_columns(tables, pay_date=day("2020-01-08"), bonus_ratio=0.1, transfer_ratio=0.0)
    first, again = open_(), open_()
    for name, values in first.events.items():
        np.testing.assert_array_equal(values, again.events[name])


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            {"record_date": day("2020-01-06")},
            "row 1: column 'record_date' of 000001.SZ with ex_date 2020-01-06 is 2020-01-06",
        ),
        ({"record_date": day("2020-01-07")}, "the record date is the last day with the right, before it"),
        ({"pay_date": day("2020-01-03")}, "'pay_date' of 000001.SZ .* cannot lie before the ex-date"),
        ({"list_date": day("2020-01-03")}, "'list_date' of 000001.SZ .* cannot lie before the ex-date"),
        ({"share_ratio": 0.0}, "row 1: column 'share_ratio' of 000001.SZ .* is 0; a ratio is above zero"),
        ({"factor_ratio": 0.0}, "column 'factor_ratio' of 000001.SZ .* is 0; a ratio is above zero"),
        ({"bonus_ratio": -0.1}, "column 'bonus_ratio' .* is -0.1; new shares per share are zero or more"),
        ({"transfer_ratio": 10.0}, "column 'transfer_ratio' .* is 10; it is counted per share: three for ten is 0.3"),
        ({"rights_ratio": 0.3}, "has rights issues but no column 'rights_price'"),
        (
            {"rights_ratio": 0.3, "rights_price": 0.0, "bonus_ratio": 0.0, "transfer_ratio": 0.0},
            "column 'rights_price' .* is 0; a rights issue needs it",
        ),
        (
            {"rights_ratio": 0.3, "rights_price": 5.0, "bonus_ratio": np.nan, "transfer_ratio": 0.0},
            "column 'bonus_ratio' .* is empty; a rights issue needs it",
        ),
        ({"ex_date": pd.NaT}, "column 'ex_date' .* is empty; write the first session without the right"),
    ],
)
def test_a_bad_row_is_refused_at_load_with_file_and_row(
    tables: Tables, open_: Open, columns: dict[str, Any], says: str
) -> None:
    set_columns(tables, **columns)
    with pytest.raises(DataError, match=says) as error:
        open_()
    assert str(error.value).startswith("ex_rights_events.parquet")


def test_the_row_is_counted_from_one(tables: Tables, open_: Open) -> None:
    good = tables["ex_rights_events"]
    tables["ex_rights_events"] = pd.concat([good, good.assign(symbol="600000.SH", share_ratio=0.0)], ignore_index=True)
    with pytest.raises(DataError, match="row 2: column 'share_ratio' of 600000.SH"):
        open_()


def test_a_company_whose_code_changed_is_a_member_once(tables: Tables, open_: Open) -> None:
    pair = [bars_of("000022.SZ", 16.0), bars_of("001872.SZ", 16.0)]
    tables["daily_bars"] = pd.concat([pair[0], tables["daily_bars"], pair[1]]).sort_values(["symbol", "date"])
    known = tables["securities"]
    tables["securities"] = pd.concat(
        [known, known.head(2).assign(symbol=["000022.SZ", "001872.SZ"])], ignore_index=True
    )
    market = open_()  # both have bars in 2020, after the change of December 2018
    assert market.member[:, market.column("001872.SZ")].all()
    for table in ("daily_bars", "calendar", "index_daily"):
        tables[table]["date"] -= pd.Timedelta(days=364)
    for column in ("first_bar", "last_bar"):
        tables["securities"][column] -= pd.Timedelta(days=364)
    tables["ex_rights_events"]["ex_date"] -= pd.Timedelta(days=364)
    earlier = open_()
    changed = earlier.sessions >= np.datetime64("2018-12-26")
    assert changed.any() and not changed.all()
    assert earlier.member[:, earlier.column("001872.SZ")].astype(bool).tolist() == changed.tolist()
    assert earlier.member[:, earlier.column("000022.SZ")].all()


def estimates(*rows: tuple[float, float, float, float]) -> dict[str, np.ndarray]:
    """Events on session 2 of stocks 0, 1 ...: previous close, reference, share ratio, cash."""
    prev, pre, ratio, cash = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    core = {"t": np.full(n, 2), "i": np.arange(n), "prev_close": prev, "preclose": pre, "factor_ratio": prev / pre}
    return core | {"share_ratio": ratio, "cash": cash}


def test_new_shares_that_are_counted_a_session_late_are_found_and_sellable_from_then_on() -> None:
    # 603607 on 2020-06-18: 21.91 to 15.44, the count grows by 1.4 on the next session
    counts = np.array([[100.0], [100.0], [100.0], [np.nan], [140.0]])
    found = mend_share_ratios(estimates((21.91, 15.44, 1.0, np.nan)), counts)
    assert (found["share_ratio"][0], found["cash"][0], found["list_t"][0]) == (1.4, 0.294, 4)


def test_a_count_that_moves_a_little_makes_no_issue_of_a_dividend() -> None:
    counts = np.full((5, 1), 100.0)
    found = mend_share_ratios(estimates((15.57, 15.54, 1.0034, np.nan)), counts)
    assert (found["share_ratio"][0], found["cash"][0], found["list_t"][0]) == (1.0, 0.03, 2)


def test_estimates_that_fit_or_cannot_be_explained_are_left_alone() -> None:
    counts = np.tile([[100.0], [100.0], [100.0], [300.0], [300.0]], (1, 4))
    events = estimates(
        (10.0, 9.5, 1.0, 0.5),  # fits
        (10.0, 9.9, 1.0, np.nan),  # a threefold count would leave negative cash
        (10.0, 10.2, 1.001, np.nan),  # raised
        (20.0, 12.0, 17.0, np.nan),  # a relisting
    )
    found = mend_share_ratios(events, counts)
    for name in events:
        np.testing.assert_array_equal(found[name], events[name])


def test_a_feed_that_tells_the_parts_is_believed() -> None:
    events = estimates((21.91, 15.44, 1.0, np.nan)) | {"bonus_ratio": np.array([0.0])}
    counts = np.array([[100.0], [100.0], [100.0], [140.0], [140.0]])
    assert mend_share_ratios(events, counts)["share_ratio"][0] == 1.0
