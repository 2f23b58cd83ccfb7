"""A strategy without analyzers is told the same, in the same sequence, as one for which Backtrader looks for them."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pytest
from small_market import market_of

from engine.broker import AShareBroker
from engine.rules import Rules

A, B = "600000.SH", "600001.SH"


def told(analyzer: bool, **cerebro_options: Any) -> list[tuple[Any, ...]]:
    """Everything a strategy hears in a run with purchases, a sale and a fall."""

    class Hearing(bt.Strategy):  # type: ignore[misc]
        def start(self) -> None:
            self.heard: list[tuple[Any, ...]] = []

        def next(self) -> None:
            if len(self) in (1, 4, 7):
                self.broker.target_weights({A: 0.1 * len(self), B: 0.2}, owner=self)

        def notify_order(self, order: Any) -> None:
            self.heard.append((len(self), "order", order.ref, order.getstatusname(), order.executed.size))

        def notify_trade(self, trade: Any) -> None:
            self.heard.append((len(self), "trade", trade.ref, trade.status, trade.size, trade.pnlcomm))

        def notify_cashvalue(self, cash: float, value: float) -> None:
            self.heard.append((len(self), "cash", cash, value))

        def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
            self.heard.append((len(self), "fund", cash, value, fundvalue, shares))

    market = market_of({A: [10.0 + k for k in range(9)], B: [10.0 - 0.1 * k for k in range(9)]}).fork()
    cerebro = bt.Cerebro(stdstats=False, **cerebro_options)
    cerebro.adddata(market.clock())
    cerebro.setbroker(AShareBroker(market=market, rules=Rules(holder="none")))
    cerebro.addstrategy(Hearing)
    if analyzer:
        cerebro.addanalyzer(bt.analyzers.TradeAnalyzer)
    return cerebro.run()[0].heard  # type: ignore[no-any-return]


def test_with_and_without_an_analyzer_a_strategy_hears_the_same() -> None:
    direct, searched = told(False), told(True)
    assert direct == searched
    assert {row[1] for row in direct} == {"order", "trade", "cash", "fund"}


@pytest.mark.parametrize("mode", [{"runonce": False}, {"preload": False}, {"quicknotify": True}])
def test_orders_and_trades_are_the_same_in_every_mode(mode: dict[str, Any]) -> None:
    def deals(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        # with quicknotify they come before the bar is counted
        return [row[1:] for row in rows if row[1] in ("order", "trade")]

    assert sorted(deals(told(False, **mode)), key=str) == sorted(deals(told(False)), key=str)
