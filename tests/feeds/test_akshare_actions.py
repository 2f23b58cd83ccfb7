"""Reference prices and factors from distributions: by hand, and against the exchange's own of a whole year."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feeds.akshare_actions import DATES, reference_prices, to_fen
from feeds.ex_rights import check_events

SESSIONS = np.array([f"2024-06-{d:02d}" for d in (3, 4, 5, 6, 7)], "datetime64[D]")


def bars(closes: list[float], days: list[int] | None = None, **more: Any) -> pd.DataFrame:
    chosen = SESSIONS if days is None else SESSIONS[days]
    return pd.DataFrame({"date": chosen.astype("datetime64[ms]"), "open": closes, "close": closes} | more)


def actions(*rows: dict[str, Any]) -> pd.DataFrame:
    parts = {"cash": 0.0, "bonus_ratio": 0.0, "transfer_ratio": 0.0, "rights_ratio": 0.0, "rights_price": 0.0}
    frame = pd.DataFrame([parts | dict.fromkeys(DATES) | row for row in rows])
    for name in ("ex_date", *DATES):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ms]")
    return frame


def test_cash_bonus_and_rights_lower_the_price_by_the_exchanges_formula() -> None:
    row = {"ex_date": "2024-06-05", "cash": 0.5, "bonus_ratio": 0.1, "transfer_ratio": 0.2, "rights_ratio": 0.3}
    table = actions(row | {"rights_price": 6.0})
    preclose, factor, events = reference_prices(bars([10.0, 11.0, 7.5, 7.6, 7.7]), table, SESSIONS)
    # (11 - 0.5 + 6 x 0.3) / (1 + 0.1 + 0.2 + 0.3) = 12.3 / 1.6 = 7.6875, to the fen 7.69
    assert preclose.tolist() == [10.0, 10.0, 7.69, 7.5, 7.6]
    assert factor.tolist() == pytest.approx([1.0, 1.0, 11 / 7.69, 11 / 7.69, 11 / 7.69])
    assert (events[0]["prev_close"], events[0]["preclose"], events[0]["share_ratio"]) == (11.0, 7.69, 1.6)


def test_an_event_while_suspended_lowers_the_price_of_the_first_bar_after() -> None:
    made = reference_prices(bars([10.0, 9.6], [0, 3]), actions({"ex_date": "2024-06-04", "cash": 0.5}), SESSIONS)
    assert made[0].tolist() == [10.0, 9.5] and made[2][0]["ex_date"] == np.datetime64("2024-06-04")


def test_two_events_before_one_bar_are_taken_one_after_the_other() -> None:
    rows = ({"ex_date": "2024-06-04", "cash": 1.0}, {"ex_date": "2024-06-05", "bonus_ratio": 1.0})
    preclose, factor, events = reference_prices(bars([10.0, 4.6], [0, 3]), actions(*rows), SESSIONS)
    assert preclose[1] == 4.5 and factor[1] == pytest.approx(10 / 4.5)  # 10 - 1 = 9, 9 / 2 = 4.5
    assert [event["preclose"] for event in events] == [9.0, 4.5]


def test_events_before_the_first_bar_and_after_the_last_change_nothing() -> None:
    rows = ({"ex_date": "2024-06-03", "cash": 1.0}, {"ex_date": "2024-06-07", "cash": 1.0})
    preclose, factor, events = reference_prices(bars([10.0, 10.5], [0, 1]), actions(*rows), SESSIONS)
    assert preclose.tolist() == [10.0, 10.0] and factor.tolist() == [1.0, 1.0] and events == []


def test_the_first_bar_refers_to_the_issue_price_that_the_sources_change_leads_to() -> None:
    listed = bars([14.4, 15.84], [0, 1], change=[4.4, 1.44])
    assert reference_prices(listed, pd.DataFrame(), SESSIONS)[0].tolist() == [10.0, 14.4]


def test_dates_that_contradict_the_ex_date_are_left_empty() -> None:
    row = {"ex_date": "2024-06-05", "cash": 1.0, "record_date": "2024-06-05", "pay_date": "2024-06-04",
           "list_date": "2024-06-06"}  # fmt: skip
    event = reference_prices(bars([10.0] * 5), actions(row), SESSIONS)[2][0]
    assert event["record_date"] is None and event["pay_date"] is None
    assert event["list_date"] == pd.Timestamp("2024-06-06")
    values = {name: np.array([event[name]]) for name in event if name not in DATES}
    check_events(values | {"symbol": np.array(["600000.SH"])})


def test_half_a_fen_is_rounded_up() -> None:
    assert [to_fen(x) for x in (1.005, 2.675, 10.004, 10.0049)] == [1.01, 2.68, 10.0, 10.0]


def test_explicit_distributions_of_2011_give_the_exchanges_reference_prices(real_data: Path) -> None:
    """Published dividends, bonus shares and rights against the reference prices that the exchange set."""
    file = real_data / "dividends_explicit_2005_2011.parquet"
    if not file.is_file():
        pytest.skip("no dividends_explicit_2005_2011.parquet beside the real data")
    given = pd.read_parquet(file)
    given = given[given["ex_date"].dt.year == 2011]
    columns = ["date", "symbol", "open", "close", "preclose"]
    year = pd.read_parquet(real_data / "daily_bars" / "2011.parquet", columns=columns)
    sessions = np.unique(year["date"].to_numpy().astype("datetime64[D]"))
    stocks = dict(list(year[year["symbol"].isin(set(given["symbol"]))].groupby("symbol")))
    met = right = 0
    for symbol, rows in given.groupby("symbol"):
        if symbol not in stocks:
            continue
        mine = stocks[symbol].reset_index(drop=True)
        table = actions(*({
            "ex_date": row["ex_date"], "cash": row["cash_per_10"] / 10, "bonus_ratio": row["bonus_shares_per_10"] / 10,
            "transfer_ratio": row["transfer_shares_per_10"] / 10, "rights_ratio": row["rights_shares_per_10"] / 10,
            "rights_price": row["rights_price"],
        } for row in rows.fillna(0.0).sort_values("ex_date").to_dict("records")))  # fmt: skip
        preclose, _, events = reference_prices(mine, table, sessions)
        for event in events:
            at = int(np.searchsorted(mine["date"].to_numpy().astype("datetime64[D]"), event["ex_date"]))
            met += 1
            right += abs(preclose[at] - mine["preclose"].iloc[at]) < 0.0101
    assert met > 1_200 and right / met > 0.99, (right, met)
