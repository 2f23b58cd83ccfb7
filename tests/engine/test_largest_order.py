"""Orders above the exchange's largest size go out in parts."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest

from engine.market import Market
from engine.rules import Rules, largest_order, read_lots
from engine.simulation import Simulation, simulate


def ran(symbol: str, start: str, size: int, cash: float = 1e9, rules: Rules | None = None) -> Simulation:
    """Buy ``size`` shares of a stock at 10.00 on the first session."""
    sessions = np.busday_offset(np.datetime64(start), np.arange(4)).astype("datetime64[D]")
    fields = {name: np.full((4, 1), 10.0) for name in ("open", "high", "low", "close")}
    fields["volume"] = np.full((4, 1), 1e9)
    market = Market.build(sessions, [symbol], fields, list_age=np.array([1000], dtype=np.int32))

    class Buyer(bt.Strategy):  # type: ignore[misc]
        heard: list[Any]

        def start(self) -> None:
            self.heard = []

        def next(self) -> None:
            if len(self) == 1:
                self.buy(data=self.broker.market[symbol], size=size)

        def notify_order(self, order: Any) -> None:
            self.heard.append((order.getstatusname(), order.executed.size))

    return simulate(market, Buyer, cash=cash, rules=rules)


@pytest.mark.parametrize(
    ("symbol", "start", "size", "parts"),
    [
        ("600000.SH", "2019-03-04", 2_300_000, [1_000_000, 1_000_000, 300_000]),
        ("300001.SZ", "2021-03-01", 650_000, [300_000, 300_000, 50_000]),
        ("688001.SH", "2021-03-01", 200_050, [100_000, 99_850, 200]),  # the rest of 50 is below the minimum of 200
        ("600000.SH", "2019-03-04", 1_000_000, [1_000_000]),
    ],
)
def test_a_large_order_fills_in_parts_of_at_most_the_boards_largest(
    symbol: str, start: str, size: int, parts: list[int]
) -> None:
    done = ran(symbol, start, size)
    fills = done.broker.ledger.fills_frame()
    assert fills["shares"].tolist() == parts
    assert fills["order_id"].nunique() == 1
    told = np.cumsum(parts).tolist()
    states = ["Partial"] * (len(parts) - 1) + ["Completed"]
    assert done.strategy.heard[2:] == list(zip(states, told, strict=True))


def test_without_lots_nothing_is_split() -> None:
    fills = ran("600000.SH", "2019-03-04", 2_300_000, rules=Rules(lots=False)).broker.ledger.fills_frame()
    assert fills["shares"].tolist() == [2_300_000]


def test_parts_never_spend_more_than_the_cash() -> None:
    done = ran("600000.SH", "2019-03-04", 2_300_000, cash=23_005_980.00)
    assert done.broker.getcash() >= 0.0
    assert done.broker.getposition(done.broker.market["600000.SH"]).size >= 2_000_000


def test_the_constant_of_the_hot_path_is_below_every_row_of_the_table() -> None:
    from engine.order_book import _ALWAYS_ALLOWED

    assert min(row.largest for rows in read_lots().values() for row in rows) >= _ALWAYS_ALLOWED
    assert largest_order("STAR", np.datetime64("2021-03-01")) == 100_000
