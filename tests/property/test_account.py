"""Whatever the orders, the account balances to the fen and keeps the exchange's rules."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_market import random_ashares

from engine.rules import Rules, lot_rule
from engine.simulation import Simulation, simulate
from engine.slippage import BasisPoints, NoSlippage, Ticks, VolumeShare

START = 200_000.0


class Restless(bt.Strategy):
    """Random orders of every kind: baskets, market and limit orders, sales, closes, cancels."""

    params = (("seed", 0),)

    def start(self) -> None:
        self.rng = np.random.default_rng(self.p.seed)

    def next(self) -> None:
        rng, market = self.rng, self.broker.market
        if rng.random() < 0.25:
            chosen = rng.permutation(market.symbols)[: int(rng.integers(0, 4))]
            self.broker.target_weights(dict(zip(chosen, rng.dirichlet(np.ones(4)).tolist(), strict=False)), owner=self)
        for _ in range(int(rng.integers(0, 3))):
            data = market[str(rng.choice(market.symbols))]
            options: dict[str, Any] = {"valid": bt.Order.DAY} if rng.random() < 0.3 else {}
            if rng.random() < 0.4 and data.close[0] == data.close[0]:
                options |= {
                    "exectype": bt.Order.Limit,
                    "price": round(data.close[0] * float(rng.uniform(0.95, 1.05)), 2),
                }
            size = int(rng.integers(1, 3_000))
            if rng.random() < 0.5:
                self.buy(data=data, size=size, **options)
            elif rng.random() < 0.5:
                self.sell(data=data, size=size, **options)
            else:
                self.close(data)
        for order in self.broker.get_orders_open():
            if rng.random() < 0.1:
                self.cancel(order)


def check(done: Simulation) -> dict[str, int]:
    """Recompute the account from the tables alone; returns what was exercised."""
    ledger, market = done.broker.ledger, done.market
    fills, booked, equity = ledger.fills_frame(), ledger.corporate_frame(), ledger.equity_frame()
    positions, refusals = ledger.positions_frame(), ledger.refusals_frame()
    day = {date: t for t, date in enumerate(market.sessions.astype("datetime64[ms]"))}
    cash = round(START * 100)
    shares = dict.fromkeys(market.symbols, 0)
    for row in equity.itertuples():
        t = day[np.datetime64(row.date, "ms")]
        for event in booked[booked["date"] == row.date].itertuples():
            shares[event.symbol] += event.shares
            cash += round(event.cash * 100) - round(event.tax * 100)
        sellable = dict(shares)
        for fill in fills[fills["date"] == row.date].itertuples():
            i = market.index[fill.symbol]
            value = round(fill.price * fill.shares * 100)
            fees = sum(round(x * 100) for x in (fill.commission, fill.stamp_duty, fill.transfer_fee, fill.other_fees))
            assert market.low[t, i] - 1e-9 <= fill.price <= market.high[t, i] + 1e-9
            up, down = market.limit_up[t, i] / 100, market.limit_down[t, i] / 100
            assert down - 1e-9 <= fill.price <= up + 1e-9
            if fill.side == "buy":
                lot = lot_rule(market.boards[i], market.sessions[t])
                assert fill.shares >= lot.minimum and (fill.shares - lot.minimum) % lot.step == 0
                shares[fill.symbol] += fill.shares
                cash -= value + fees
                assert fill.stamp_duty == 0
            else:
                sellable[fill.symbol] -= fill.shares
                assert sellable[fill.symbol] >= 0, "sold what was bought today"
                shares[fill.symbol] -= fill.shares
                cash += value - fees
        assert round(row.cash * 100) == cash >= 0
        held = positions[positions["date"] == row.date]
        assert dict(zip(held["symbol"], held["shares"], strict=True)) == {s: n for s, n in shares.items() if n}
        worth = sum(n * round(float(market.mark[t, market.index[s]]) * 100) for s, n in shares.items() if n)
        assert round(row.value * 100) == cash + worth
    assert all(n >= 0 for n in shares.values())
    for order in done.broker.orders:
        assert order.alive() or order.status in (
            order.Completed,
            order.Canceled,
            order.Expired,
            order.Margin,
            order.Rejected,
        )
        if order.status in (order.Expired, order.Margin, order.Rejected):
            assert order.reason and (refusals["order_id"] == order.ref).any()
        if order.status == order.Completed and abs(order.executed.size) < order.wanted:
            assert (refusals["order_id"] == order.ref).any(), "shares went missing without a refusal"
    counts = refusals["reason"].value_counts().to_dict() | booked["kind"].value_counts().to_dict()
    return counts | {"fills": len(fills), "orders": len(done.broker.orders)}


def random_run(seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    market = random_ashares(rng)
    rules = Rules(
        short_cash=str(rng.choice(["cut", "refuse"])), size_at=str(rng.choice(["decision", "fill"])),
        unfilled=str(rng.choice(["carry", "drop"])), sells_first=bool(rng.integers(2)),
    )  # fmt: skip
    slippage = [NoSlippage(), BasisPoints(bps=7), Ticks(ticks=1), VolumeShare(cap=0.05, impact=0.1)][
        int(rng.integers(4))
    ]
    fill = str(rng.choice(["next_open", "next_close"]))
    return check(simulate(market, Restless, {"seed": seed}, cash=START, rules=rules, slippage=slippage, fill=fill))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.integers(0, 2**31 - 1))
def test_account_recomputed_from_its_tables_balances_to_the_fen(seed: int) -> None:
    random_run(seed)


def test_random_runs_meet_every_kind_of_event_and_refusal() -> None:
    seen: dict[str, int] = {}
    for seed in range(40):
        for name, count in random_run(seed).items():
            seen[name] = seen.get(name, 0) + count
    wanted = {
        "SUSPENDED", "LIMIT_UP", "LIMIT_DOWN", "T_PLUS_ONE", "LOT", "CASH", "VOLUME_CAP", "NOT_LISTED", "DELISTED",
        "OVERSELL", "NOT_REACHED", "DIVIDEND", "BONUS", "UNRESOLVED",
    }  # fmt: skip
    assert wanted <= set(seen), wanted - set(seen)
    assert seen["fills"] > 1_000


@pytest.mark.slow
def test_two_thousand_random_runs_balance() -> None:
    for seed in range(100_000, 102_000):
        random_run(seed)
