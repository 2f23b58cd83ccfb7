"""Our analyzers read the ledger; expected figures are worked out by hand."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pytest
from small_market import NAN, market_of

from engine.analyzers import Costs, Fills, Holdings, RoundTrips
from engine.broker import AShareBroker
from engine.errors import ConfigError
from engine.market import Market
from engine.slippage import FixedSlippage

A, B = "600000.SH", "600001.SH"


class TwoStocks(bt.Strategy):
    """Buys 1,000 A and 200 B, sells 400 and then 600 A, keeps B."""

    def next(self) -> None:
        plan = {1: (A, 1000), 2: (B, 200), 3: (A, -400), 4: (A, -600)}
        symbol, size = plan.get(len(self), (A, 0))
        if size:
            (self.buy if size > 0 else self.sell)(symbol, size=abs(size))
        if len(self) == 3:
            self.so_far = len(self.analyzers.fills.get_analysis())


def the_market() -> Market:
    # Opens are the closes: fills of sessions 2, 3, 4, 5 are at 10.00, 5.00, 12.00, 11.00.
    return market_of({A: [10.0, 10.0, 11.0, 12.0, 11.0, 11.0], B: [5.0, 5.0, 5.0, 5.1, 5.2, NAN]}).fork()


def run(market: Market | None = None, cash: float = 50_000, **options: Any) -> Any:
    market = market or the_market()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(market.clock(), name="clock")
    cerebro.setbroker(AShareBroker(market=market, cash=cash, **options))
    cerebro.addstrategy(TwoStocks)
    for analyzer in (Holdings, Fills, RoundTrips, Costs):
        cerebro.addanalyzer(analyzer)
    return cerebro.run()[0]


def test_holdings_has_a_row_for_each_stock_and_close() -> None:
    frame = run().analyzers.holdings.get_analysis()
    rows = list(
        zip(frame["date"].dt.day, frame["symbol"], frame["shares"], frame["sellable"], frame["value"], strict=True)
    )
    assert rows == [
        (5, A, 1000, 0, 10_000.0),
        (6, A, 1000, 1000, 11_000.0),
        (6, B, 200, 0, 1_000.0),
        (7, A, 600, 600, 7_200.0),
        (7, B, 200, 200, 1_020.0),
        (8, B, 200, 200, 1_040.0),
        (11, B, 200, 200, 1_040.0),
    ]


def test_fills_itemises_the_fees_and_can_be_read_during_the_run() -> None:
    strategy = run()
    frame = strategy.analyzers.fills.get_analysis()
    assert strategy.so_far == 2
    assert frame["symbol"].tolist() == [A, B, A, A]
    assert frame["side"].tolist() == ["buy", "buy", "sell", "sell"]
    assert frame["price"].tolist() == [10.0, 5.0, 12.0, 11.0]
    # Stamp duty of 2019 is 0.1 % of 4,800 and of 6,600 yuan, transfer fee 0.002 % of each trade.
    assert frame["stamp_duty"].tolist() == [0.0, 0.0, 4.8, 6.6]
    assert frame["transfer_fee"].tolist() == [0.2, 0.02, 0.1, 0.13]


def test_round_trips_are_first_in_first_out_with_the_fees_of_both_sides() -> None:
    trips = run().analyzers.roundtrips.get_analysis()
    closed = trips["closed"]
    assert closed["shares"].tolist() == [400, 600]
    # Buying fees 5.20 are shared 400 : 600; sales pay 5 + 4.80 + 0.10 and 5 + 6.60 + 0.13.
    assert closed["pnl"].tolist() == pytest.approx([800 - 2.08 - 9.90, 600 - 3.12 - 11.73])
    assert closed["sessions_held"].tolist() == [2, 3]
    assert trips["open"][["symbol", "shares", "cost"]].values.tolist() == [[B, 200, 1000.0]]
    assert trips["summary"]["count"] == 2 and trips["summary"]["win_rate"] == 1.0


def test_costs_adds_up_fees_slippage_and_refusals() -> None:
    # Bars as high as 10.50 and as low as 10.90 where A is bought and first sold leave room for a fen of slippage.
    market = market_of({A: [10.0, 10.5, 11.0, 10.9, 11.0, NAN], B: [5.0] * 6}, opens={A: [10, 10, 11, 12, 11, NAN]})
    costs = run(market.fork(), slippage=FixedSlippage(yuan=0.01)).analyzers.costs.get_analysis()
    assert costs["commission"] == 20.0
    assert costs["slippage"] == pytest.approx(0.01 * 1000 + 0.01 * 400)
    # 10,010.00 + 1,000.00 bought, 4,796.00 + 6,600.00 sold: 4.80 + 6.60, and 0.20 + 0.02 + 0.10 + 0.13
    assert costs["stamp_duty"] == 11.40 and costs["transfer_fee"] == 0.45
    assert costs["total"] == pytest.approx(20.0 + 11.40 + 0.45) and costs["refusals"] == {}
    costs = run(cash=1_000).analyzers.costs.get_analysis()
    assert {reason: row["count"] for reason, row in costs["refusals"].items()} == {"CASH": 2, "OVERSELL": 2}


def test_an_analyzer_of_ours_needs_our_broker() -> None:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(the_market().clock())
    cerebro.addanalyzer(Costs)
    with pytest.raises(ConfigError, match="Costs reads the ledger of AShareBroker"):
        cerebro.run()


def test_a_writer_prints_what_our_analyzers_found(tmp_path: Any) -> None:
    market = the_market()
    cerebro = bt.Cerebro()
    cerebro.adddata(market.clock(), name="clock")
    cerebro.setbroker(AShareBroker(market=market))
    cerebro.addstrategy(TwoStocks)
    cerebro.addanalyzer(Fills)
    cerebro.addanalyzer(Costs)
    cerebro.addwriter(bt.WriterFile, csv=True, out=str(tmp_path / "out.txt"))
    cerebro.run()
    text = (tmp_path / "out.txt").read_text()
    assert "- stamp_duty: 11.4" in text and "order_id, date, symbol" in text  # of a frame a writer prints the columns
    assert text.splitlines()[6].split(",")[1:4] == ["clock", "5", "2019-03-08 00:00:00"]
