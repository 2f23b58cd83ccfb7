"""Where the return went: terms worked out by hand, planted errors found, random accounts that add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from random_market import random_ashares
from small_market import market_of, play

from engine import backtest
from engine.attribution import COSTS, SOURCES, attribution, session_terms
from engine.errors import AccountError
from engine.fees import ZeroFees
from engine.ledger import Ledger
from engine.measures import headline
from engine.rules import Rules
from engine.simulation import simulate
from engine.slippage import BasisPoints

A = "600519.SH"
DAYS = pd.to_datetime(["2019-12-27", "2019-12-30", "2019-12-31", "2020-01-02"]).as_unit("ms")


def book() -> dict[str, pd.DataFrame]:
    """Session 1 buys 500 shares, session 2 pays a dividend and 1,000 yuan in, session 3 sells all."""
    return {
        "equity": pd.DataFrame(
            {
                "date": DAYS,
                "value": [10_000.0, 10_484.9, 11_585.9, 11_817.9],
                "cash": [10_000.0, 4_984.9, 6_075.9, 11_817.9],
                "interest": [0.0, 0.0, 1.0, 0.0],
                "deposit": [0.0, 0.0, 1_000.0, 0.0],
            }
        ),
        "fills": pd.DataFrame(
            {
                "date": DAYS[[1, 3]],
                "symbol": [A, A],
                "side": ["buy", "sell"],
                "shares": [500, 500],
                "price": [10.02, 11.5],
                "commission": [5.0, 5.0],
                "stamp_duty": [0.0, 2.88],
                "transfer_fee": [0.1, 0.0],
                "other_fees": [0.0, 0.12],
                "slippage": [10.0, 25.0],  # 10.00 and 11.55 before it
            }
        ),
        "positions": pd.DataFrame(
            {"date": DAYS[[1, 2]], "symbol": [A, A], "shares": [500, 500], "value": [5_500.0, 5_510.0]}
        ),
        "refusals": pd.DataFrame(
            {
                "date": DAYS[[2, 3]],
                "symbol": ["000001.SZ", A],
                "side": ["buy", "sell"],
                "wanted": [100, 500],
                "done": [0, 500],
                "price": [10.0, np.nan],
                "earned": [-30.0, np.nan],
                "days": [1, 1],
                "outcome": ["done", "cut"],
            }
        ),
        "corporate": pd.DataFrame(
            {"date": DAYS[[2]], "symbol": [A], "kind": ["DIVIDEND"], "shares": [0], "cash": [100.0], "tax": [10.0]}
        ),
    }


def test_every_term_of_three_sessions_worked_out_by_hand() -> None:
    found = attribution(book())
    drag = [
        5_000 * 500 / 5_000,  # 5,000 yuan of cash that was not in stocks, which gained 500 on 5,000
        # the dividend counts; the 1,000 yuan that came in are those that the refused purchase waits with
        4_984.9 * 110 / 5_500 - 1.0,
        6_075.9 * 265 / 5_510,
    ]
    expected = {
        "cash_drag": sum(drag), "refusals": 30.0, "slippage": 35.0, "commission": 10.0, "stamp_duty": 2.88,
        "transfer_fee": 0.1, "other_fees": 0.12, "dividend_tax": 10.0, "net": 817.9, "price_gains": 500 + 10 + 265,
        "dividends": 100.0, "other_corporate": 0.0, "interest": 1.0,
    }  # fmt: skip
    expected["gross"] = 875 + sum(drag) + 1.0 + 30.0
    assert found["yuan"] == pytest.approx(expected, abs=1e-7)
    assert found["fraction"] == pytest.approx({name: x / 10_000 for name, x in expected.items()}, abs=1e-12)
    assert (found["capital"], found["deposits"]) == (10_000.0, 1_000.0)
    assert abs(found["residual"]) < 1e-12
    assert list(found["years"]) == ["2019", "2020"]
    assert found["years"]["2020"]["yuan"]["cash_drag"] == pytest.approx(drag[2])
    for name in expected:
        assert sum(of["yuan"][name] for of in found["years"].values()) == pytest.approx(expected[name], abs=1e-7)


@pytest.mark.parametrize(
    ("table", "column", "row", "add", "amount", "day"),
    [
        ("fills", "commission", 0, 5.0, "-5.000000", "2019-12-30"),  # booked twice
        ("fills", "commission", 1, -5.0, "5.000000", "2020-01-02"),  # forgotten
        ("fills", "stamp_duty", 1, 2.88, "-2.880000", "2020-01-02"),
        ("fills", "shares", 0, 100, "98.000000", "2019-12-30"),  # worth 1,100, paid 1,002
        ("corporate", "cash", 0, 100.0, "100.000000", "2019-12-31"),
        ("corporate", "cash", 0, -100.0, "-100.000000", "2019-12-31"),
        ("corporate", "tax", 0, 10.0, "-10.000000", "2019-12-31"),
        ("equity", "interest", 2, 1.0, "1.000000", "2019-12-31"),
        ("equity", "deposit", 2, -1_000.0, "-1000.000000", "2019-12-31"),
        ("positions", "value", 0, 20.0, "0.000000", ""),
    ],
)
def test_what_is_booked_twice_or_forgotten_breaks_the_identity(
    table: str, column: str, row: int, add: float, amount: str, day: str
) -> None:
    tables = book()
    tables[table].loc[row, column] += add
    tables["equity"]["receivable"] = 0.0
    with pytest.raises(AccountError, match=rf"{day}.*by {amount if day else '20.000000'} yuan; please report"):
        attribution(tables)


def test_rows_booked_twice_and_lost_break_the_identity() -> None:
    for table in ("fills", "corporate"):
        tables = book()
        tables[table] = pd.concat([tables[table], tables[table].tail(1)], ignore_index=True)
        with pytest.raises(AccountError, match="does not add up"):
            attribution(tables)
        tables[table] = book()[table].iloc[:-1]
        with pytest.raises(AccountError, match="does not add up"):
            attribution(tables)
    with pytest.raises(AccountError, match="corporate has a row on 2020-01-01, which is no session"):
        attribution(book() | {"corporate": book()["corporate"].assign(date=pd.Timestamp("2020-01-01"))})


def test_a_dividend_past_its_ex_date_counts_before_it_is_paid() -> None:
    tables = book()
    tables["corporate"]["date"] = DAYS[3]
    tables["equity"].loc[2, "cash"] -= 90.0  # due: the account is worth as much as before
    found = attribution(tables)
    assert found["years"]["2019"]["yuan"]["dividends"] == pytest.approx(90.0)
    assert found["yuan"]["dividends"] == pytest.approx(100.0) and found["yuan"]["net"] == pytest.approx(817.9)


def test_shares_that_leave_or_come_for_cash_are_gains_in_price() -> None:
    tables = book()
    sold = tables["fills"].iloc[:1]
    gone = {"date": DAYS[3], "symbol": A, "kind": "DELISTED", "shares": -500, "cash": 5_750.0, "tax": 0.0}
    rest = {"date": DAYS[3], "symbol": A, "kind": "UNRESOLVED", "shares": 0, "cash": 7.0, "tax": 0.0}
    tables["corporate"] = pd.concat([tables["corporate"], pd.DataFrame([gone, rest])], ignore_index=True)
    tables["equity"].loc[3, ["value", "cash"]] = 6_075.9 + 5_750.0 + 7.0
    found = attribution(tables | {"fills": sold})["yuan"]
    assert found["price_gains"] == pytest.approx(500 + 10 + 240) and found["other_corporate"] == pytest.approx(7.0)


def two_stocks(
    trades: list[tuple[Any, ...]], cash: list[float], held: list[tuple[Any, ...]]
) -> dict[str, pd.DataFrame]:
    """Tables without charges; trades (session, symbol, side, shares, price), held (session, symbol, shares, value)."""
    days, symbols, sides, shares, prices = zip(*trades, strict=True)
    at, codes, counts, values = zip(*held, strict=True)
    positions = pd.DataFrame({"date": DAYS[list(at)], "symbol": codes, "shares": counts, "value": values})
    worth = positions.groupby("date")["value"].sum().reindex(DAYS, fill_value=0.0).to_numpy()
    fills = {"date": DAYS[list(days)], "symbol": symbols, "side": sides, "shares": shares, "price": prices}
    none = {name: book()[name].iloc[:0] for name in ("refusals", "corporate")}
    equity = pd.DataFrame({"date": DAYS, "value": np.array(cash) + worth, "cash": cash})
    return none | {"equity": equity, "fills": pd.DataFrame(fills), "positions": positions}


def test_cash_is_idle_only_while_it_is_in_no_stock_all_session() -> None:
    B = "000001.SZ"
    tables = two_stocks(
        [(0, A, "buy", 100, 10.0), (1, A, "buy", 200, 10.0), (2, A, "sell", 300, 11.5), (2, B, "buy", 400, 10.0),
         (3, B, "sell", 400, 12.0), (3, A, "buy", 100, 10.0)],
        [9_000.0, 7_000.0, 6_450.0, 10_250.0],
        [(0, A, 100, 1_000.0), (1, A, 300, 3_300.0), (2, B, 400, 4_400.0), (3, A, 100, 1_000.0)],
    )  # fmt: skip
    terms = session_terms(tables)
    assert attribution(tables)["yuan"]["net"] == pytest.approx(300 + 550 + 400)
    # 1: 1,000 were in stocks and 2,000 joined them; 2: 3,300 were, of 4,000 that were bought; 3: 4,400 were
    drag = [7_000 * 300 / 3_000, (7_000 - 700) * 550 / 4_000, 6_450 * 400 / 4_400]
    assert terms["cash_drag"].tolist() == pytest.approx(drag)


def test_rights_taken_up_and_successor_shares_are_bought_with_what_is_given_for_them() -> None:
    B = "000001.SZ"
    tables = two_stocks(
        [(1, A, "buy", 100, 10.0)],
        [9_000.0, 8_000.0, 7_800.0, 7_850.0],
        [(1, A, 100, 1_000.0), (2, A, 130, 1_170.0), (3, B, 65, 1_235.0)],
    )
    tables["corporate"] = pd.DataFrame(
        [(DAYS[2], A, "RIGHTS", 30, -200.0), (DAYS[3], A, "DELISTED", -130, 1_170.0),
         (DAYS[3], B, "SUCCESSOR", 65, -1_120.0)],
        columns=["date", "symbol", "kind", "shares", "cash"],
    )  # fmt: skip
    found = attribution(tables)["yuan"]
    assert found["price_gains"] == pytest.approx((1_170 - 1_000 - 200) + (1_235 + 50 - 1_170))
    assert found["other_corporate"] == 0
    sold = pd.DataFrame({"date": DAYS[[3]], "symbol": [B], "kind": ["RIGHTS"], "shares": [0], "cash": [20.0]})
    tables["corporate"] = pd.concat([tables["corporate"], sold], ignore_index=True)
    tables["equity"].loc[3, ["value", "cash"]] += 20.0
    assert attribution(tables)["yuan"]["other_corporate"] == pytest.approx(20.0)


def test_gaps_too_small_to_see_in_one_session_add_up() -> None:
    tables = book()
    tables["equity"].loc[1:, "interest"] += 5e-6  # of 11,818 yuan: 1.2e-5 may be missing
    with pytest.raises(
        AccountError, match="on 2020-01-02: gross less costs differs from the account's gain by 0.000015"
    ):
        attribution(tables)


def test_tables_of_older_runs_count_missing_columns_as_nothing() -> None:
    tables = book()
    tables["equity"] = tables["equity"].drop(columns=["deposit", "interest"])
    tables["equity"].loc[2:, ["value", "cash"]] -= 1_001.0 - 10.0
    tables["corporate"] = tables["corporate"].drop(columns="tax")
    tables["refusals"] = tables["refusals"].drop(columns=["earned", "price", "days", "outcome"])
    found = attribution(tables)
    assert found["yuan"]["net"] == pytest.approx(826.9) and found["yuan"]["refusals"] == 0
    assert found["deposits"] == found["yuan"]["dividend_tax"] == 0


def test_a_run_without_a_trade_has_nothing_to_attribute() -> None:
    tables = {name: frame.iloc[:0] for name, frame in book().items()}
    tables["equity"] = pd.DataFrame({"date": DAYS, "value": 500.0, "cash": 500.0})
    found = attribution(tables)
    assert set(found["yuan"].values()) == {0.0} and found["residual"] == 0
    tables["equity"] = tables["equity"].assign(value=0.0, cash=0.0)
    assert set(attribution(tables)["fraction"].values()) == {None}


def frames(done: Any) -> dict[str, pd.DataFrame]:
    ledger: Ledger = done.broker.ledger
    return {
        name: getattr(ledger, f"{name}_frame")() for name in ("equity", "fills", "positions", "refusals", "corporate")
    }


def test_an_account_that_only_receives_deposits_earns_nothing() -> None:
    def pay(amount: float) -> Any:
        return lambda strategy: strategy.broker.add_cash(amount)

    done = play(market_of({A: [10.0] * 6}), {1: pay(20_000.0), 3: pay(-5_000.0)}, cash=1_000.0)
    tables = frames(done)
    equity = tables["equity"]
    assert equity["deposit"].tolist() == [0.0, 0.0, 20_000.0, 0.0, -5_000.0, 0.0]
    head = headline(equity["date"].to_numpy(), equity["value"].to_numpy(), deposits=equity["deposit"].to_numpy())
    assert (head["total_return"], head["volatility"], head["max_drawdown"]) == (0.0, 0.0, 0.0)
    assert head["final_value"] == 16_000.0
    found = attribution(tables)
    assert found["yuan"]["net"] == found["yuan"]["gross"] == 0 and found["deposits"] == 15_000.0


def test_a_fall_while_money_is_paid_in_is_a_fall() -> None:
    done = play(
        market_of({A: [10.0, 10.0, 10.0, 9.0, 9.0]}),
        {0: lambda s: s.buy(data=s.market[A], size=1_000), 2: lambda s: s.broker.add_cash(50_000.0)},
        cash=20_000.0, fees=ZeroFees(),
    )  # fmt: skip
    equity = frames(done)["equity"]
    head = headline(equity["date"].to_numpy(), equity["value"].to_numpy(), deposits=equity["deposit"].to_numpy())
    assert head["total_return"] == head["max_drawdown"] == pytest.approx(-1_000 / 70_000)


class Shuffler(bt.Strategy):
    """Random baskets, odd sales and deposits."""

    params = (("seed", 0),)

    def start(self) -> None:
        self.rng = np.random.default_rng(self.p.seed)

    def next(self) -> None:
        rng, market = self.rng, self.broker.market
        if rng.random() < 0.4:
            chosen = rng.permutation(market.symbols)[: int(rng.integers(0, 5))]
            weights = dict(zip(chosen, rng.dirichlet(np.ones(5)).tolist(), strict=False))
            self.broker.target_weights(weights, owner=self)
        if rng.random() < 0.1:
            self.broker.add_cash(float(rng.integers(1, 50_000)))


@pytest.mark.parametrize("exact", [True, False])
def test_the_attribution_of_random_accounts_adds_up_to_a_billionth(exact: bool) -> None:
    seen: dict[str, float] = {}
    for seed in range(25):
        market = random_ashares(np.random.default_rng(seed), sessions=60)
        done = simulate(
            market, Shuffler, {"seed": seed}, cash=200_000.0, cash_rate=0.03, slippage=BasisPoints(bps=8),
            rules=Rules(exact_money=exact, unfilled="carry" if seed % 2 else "drop"),
        )  # fmt: skip
        tables = frames(done)
        found = attribution(tables)
        yuan, equity = found["yuan"], tables["equity"]
        gain = equity["value"].iloc[-1] - 200_000.0 - equity["deposit"].sum()
        assert yuan["gross"] - sum(yuan[name] for name in COSTS) == pytest.approx(gain, abs=1e-9 * 200_000)
        assert yuan["net"] == pytest.approx(gain, abs=1e-6) and found["residual"] <= 1e-9
        for name in (*COSTS, *SOURCES):
            seen[name] = seen.get(name, 0.0) + abs(yuan[name])
    assert all(amount > 0 for name, amount in seen.items() if name != "other_fees"), seen


def test_gross_is_what_the_account_earns_without_charges_and_without_idle_cash() -> None:
    closes = {A: [10.0, 10.0, 11.0, 12.1, 12.1, 12.1]}
    opens = {A: [10.0, 10.0, 10.0, 11.0, 12.1, 12.1]}
    market = market_of(closes, opens=opens)
    half = play(market, {0: lambda s: s.buy(data=s.market[A], size=5_000)}, cash=100_000.0, slippage=BasisPoints(bps=5))
    terms = session_terms(frames(half))
    # bought at the second open; then every yuan, in the stock or idle, makes the stock's 10 % a session
    value = half.broker.ledger.equity_frame()["value"].to_numpy()
    assert terms["gross"].tolist() == pytest.approx([0.0, 0.1 * value[1], 0.1 * value[2], 0.0, 0.0], abs=0.01)


def test_every_run_stores_its_attribution_and_ends_in_an_error_if_it_does_not_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "data": "synthetic:stocks=40,seed=3", "start": "2012-03-01", "end": "2012-08-31", "strategy": {"hold": 8},
        "slippage": {"name": "bps", "bps": 5},
    }  # fmt: skip
    done = backtest.run(config, out=tmp_path / "runs", cache=tmp_path)
    found = json.loads((done.folder / "result.json").read_text(encoding="utf-8"))["attribution"]
    of = found["fraction"]
    total = done.result["headline"]["total_return"]
    assert of["gross"] - sum(of[name] for name in COSTS) == pytest.approx(total, abs=1e-9)
    assert found["yuan"]["commission"] == pytest.approx(done.fills["commission"].sum())
    assert found["yuan"]["slippage"] == pytest.approx(done.fills["slippage"].sum()) != 0

    whole = Ledger.fills_frame
    monkeypatch.setattr(Ledger, "fills_frame", lambda ledger: whole(ledger).assign(commission=0.0))
    with pytest.raises(AccountError, match="the attribution of the result does not add up on 2012-03"):
        backtest.run(config, out=tmp_path / "again", cache=tmp_path)
    assert not (tmp_path / "again").exists()
