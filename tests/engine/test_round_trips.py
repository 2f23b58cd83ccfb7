"""First-in-first-out matching, corporate actions on lots, and the account that must add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import AccountError
from engine.round_trips import CLOSED, OPEN, round_trips, summary

DAYS = np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]")
A, B = "600519.SH", "000001.SZ"


def fills_of(*rows: tuple[int, str, str, int, float, float]) -> pd.DataFrame:
    """Rows of (session, symbol, side, shares, price, fees)."""
    frame = pd.DataFrame(rows, columns=["t", "symbol", "side", "shares", "price", "commission"])
    frame["date"] = DAYS[frame.pop("t").to_numpy(dtype=int)].astype("datetime64[ms]")
    return frame.assign(stamp_duty=0.0, transfer_fee=0.0, other_fees=0.0, slippage=99.0)


def actions_of(*rows: tuple[int, str, str, int, float]) -> pd.DataFrame:
    """Rows of (session, symbol, kind, change of shares, cash)."""
    frame = pd.DataFrame(rows, columns=["t", "symbol", "kind", "shares", "cash"])
    frame["date"] = DAYS[frame.pop("t").to_numpy(dtype=int)].astype("datetime64[ms]")
    return frame.assign(tax=0.0)


def test_a_sale_takes_the_oldest_lots_first_and_splits_the_last_one() -> None:
    fills = fills_of(
        (0, A, "buy", 100, 10.0, 1.0),
        (2, A, "buy", 200, 11.0, 2.0),
        (5, A, "sell", 200, 12.0, 4.0),
    )
    closed, still = round_trips(fills, None, DAYS)
    assert list(closed.columns) == list(CLOSED) and list(still.columns) == list(OPEN)
    assert closed["shares"].tolist() == [100, 100]
    assert closed["buy_cost"].tolist() == [1000.0, 1100.0]
    assert closed["sell_proceeds"].tolist() == [1200.0, 1200.0]
    assert closed["fees"].tolist() == [1.0 + 2.0, 1.0 + 2.0]  # own share of the buy, half of the sale
    assert closed["pnl"].tolist() == [197.0, 97.0]
    assert closed["return"].tolist() == pytest.approx([0.197, 97 / 1100])
    assert closed["sessions_held"].tolist() == [5, 3]
    assert closed["open_date"].dt.day.tolist() == [1, 3]
    assert still[["shares", "cost", "fees"]].values.tolist() == [[100, 1100.0, 1.0]]


def test_bonus_shares_stretch_all_lots_at_no_cost() -> None:
    fills = fills_of(
        (0, A, "buy", 100, 13.0, 0.0), (1, A, "buy", 200, 13.0, 0.0), (9, A, "sell", 390, 10.0, 0.0)
    )
    closed, still = round_trips(fills, actions_of((4, A, "BONUS", 90, 0.0)), DAYS)
    assert closed["shares"].tolist() == [130, 260]
    assert closed["pnl"].tolist() == [0.0, 0.0] and still.empty


def test_bonus_shares_that_do_not_divide_stay_whole_and_add_up() -> None:
    fills = fills_of(*[(0, A, "buy", 100, 10.0, 0.0)] * 3)
    still = round_trips(fills, actions_of((1, A, "BONUS", 100, 0.0)), DAYS).open
    assert still["shares"].tolist() == [133, 133, 134]


def test_an_ex_date_comes_before_the_trades_of_its_day() -> None:
    fills = fills_of(
        (0, A, "buy", 100, 10.0, 0.0), (3, A, "sell", 130, 8.0, 0.0), (3, A, "buy", 100, 8.0, 0.0)
    )
    closed, still = round_trips(fills, actions_of((3, A, "BONUS", 30, 0.0)), DAYS)
    assert closed["shares"].tolist() == [130] and still["shares"].tolist() == [100]


def test_dividends_are_income_of_the_lots_held() -> None:
    fills = fills_of(
        (0, A, "buy", 100, 10.0, 0.0), (1, A, "buy", 300, 10.0, 0.0), (5, A, "sell", 200, 10.0, 0.0)
    )
    closed, still = round_trips(fills, actions_of((2, A, "DIVIDEND", 0, 40.0)), DAYS)
    assert closed["dividends"].tolist() == [10.0, 10.0] and closed["pnl"].tolist() == [10.0, 10.0]
    assert still["dividends"].tolist() == [20.0]


def test_a_tax_after_the_sale_goes_to_the_trip_closed_last() -> None:
    fills = fills_of((0, A, "buy", 100, 10.0, 0.0), (5, A, "sell", 100, 10.0, 0.0))
    closed = round_trips(fills, actions_of((6, A, "TAX", 0, -7.0)), DAYS).closed
    assert closed["pnl"].tolist() == [-7.0]


def test_a_delisting_closes_the_lots_after_the_trades_of_its_day() -> None:
    fills = fills_of((0, A, "buy", 100, 10.0, 5.0), (7, A, "buy", 100, 2.0, 5.0))
    closed, still = round_trips(fills, actions_of((7, A, "DELISTED", -200, 300.0)), DAYS)
    assert closed["sell_proceeds"].tolist() == [150.0, 150.0] and closed["sessions_held"].tolist() == [7, 0]
    assert closed["pnl"].sum() == pytest.approx(300 - 1000 - 200 - 10) and still.empty


def test_an_unresolved_event_may_take_shares_away() -> None:
    fills = fills_of(*[(0, A, "buy", 100, 10.0, 0.0)] * 2, (5, A, "sell", 20, 110.0, 0.0))
    closed, still = round_trips(fills, actions_of((2, A, "UNRESOLVED", -180, 4.0)), DAYS)
    assert closed["shares"].tolist() == [10, 10] and still.empty
    assert closed["pnl"].sum() == pytest.approx(20 * 110 + 4 - 2000)


def test_lots_that_round_down_to_nothing_hand_their_cost_on() -> None:
    fills = fills_of((0, A, "buy", 1, 10.0, 1.0), (1, A, "buy", 9, 10.0, 1.0), (5, A, "sell", 5, 20.0, 0.0))
    closed = round_trips(fills, actions_of((2, A, "UNRESOLVED", -5, 0.0)), DAYS).closed
    assert closed["shares"].tolist() == [5] and closed["pnl"].tolist() == [100 - 100 - 2]


def test_a_sale_of_more_than_is_held_names_the_stock() -> None:
    fills = fills_of((0, A, "buy", 100, 10.0, 0.0), (1, A, "sell", 300, 10.0, 0.0))
    with pytest.raises(AccountError, match="200 shares of 600519.SH"):
        round_trips(fills, None, DAYS)


def test_without_fills_the_frames_are_empty_but_have_their_columns() -> None:
    closed, still = round_trips(fills_of(), actions_of(), DAYS)
    assert list(closed.columns) == list(CLOSED) and list(still.columns) == list(OPEN)
    assert summary(closed)["count"] == 0 and summary(closed)["win_rate"] is None


def random_account(trades: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int], float]:
    """Fills, actions, the shares left by symbol and the net cash flow, kept by the simplest bookkeeping."""
    rng = np.random.default_rng(seed)
    names = [f"{600000 + k}.SH" for k in range(40)]
    held, cash = dict.fromkeys(names, 0), 0.0
    fills: list[Any] = []
    actions: list[Any] = []
    for row in range(trades):
        t, name = row * len(DAYS) // trades, names[rng.integers(40)]
        if fills and fills[-1][0] != t and held[name] > 10:
            extra, income = int(held[name] * 0.3), round(float(rng.uniform(0, 50)), 2)
            actions.append((t, name, "BONUS", extra, income))
            held[name] += extra
            cash += income
        price, fee = round(float(rng.uniform(5, 50)), 2), round(float(rng.uniform(5, 9)), 2)
        if held[name] and rng.random() < 0.5:
            shares = held[name] if rng.random() < 0.5 else int(rng.integers(1, held[name] + 1))
            fills.append((t, name, "sell", shares, price, fee))
            held[name] -= shares
            cash += shares * price - fee
        else:
            shares = 100 * int(rng.integers(1, 9))
            fills.append((t, name, "buy", shares, price, fee))
            held[name] += shares
            cash -= shares * price + fee
    return fills_of(*fills), actions_of(*actions), held, cash


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_profits_of_trips_and_lots_add_up_to_the_change_of_the_account(seed: int) -> None:
    fills, actions, held, cash = random_account(2000, seed)
    closed, still = round_trips(fills, actions, DAYS)
    assert still.groupby("symbol")["shares"].sum().to_dict() == {name: n for name, n in held.items() if n}
    assert (still["shares"] > 0).all() and (closed["shares"] > 0).all()
    unsold = (still["dividends"] - still["cost"] - still["fees"]).sum()
    assert closed["pnl"].sum() + unsold == pytest.approx(cash, abs=1e-4)


def test_the_summary_by_hand() -> None:
    fills = fills_of(
        (0, A, "buy", 100, 10.0, 0.0),
        (0, B, "buy", 100, 10.0, 0.0),
        (2, A, "sell", 100, 13.0, 0.0),
        (4, B, "sell", 100, 9.0, 0.0),
    )
    of = summary(round_trips(fills, None, DAYS).closed)
    assert of["count"] == 2 and of["win_rate"] == 0.5
    assert of["mean_pnl"] == 100.0 and of["median_pnl"] == 100.0 and of["total_pnl"] == 200.0
    assert (
        of["profit_factor"] == 3.0 and of["mean_sessions"] == 3.0 and of["mean_return"] == pytest.approx(0.1)
    )
    assert of["best"][0]["symbol"] == A and of["worst"][0]["symbol"] == B
