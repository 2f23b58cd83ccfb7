"""Unresolved corporate actions of the real data: wealth moves by the market return alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from real_data import DATA, on_real_data

from engine.fees import ZeroFees
from engine.rules import Rules
from engine.simulation import simulate
from strategies.base import RebalanceStrategy

pytestmark = on_real_data


class Holder(RebalanceStrategy):
    params = (("symbol", ""),)

    def next(self) -> None:
        if len(self) == 1:
            self.buy(data=self.market[self.p.symbol], size=10_000)


@pytest.mark.parametrize(
    ("symbol", "ex_date", "start"),
    [("600733.SH", "2018-09-27", "2018-02-01"), ("601258.SH", "2019-12-30", "2019-11-01")],
)
def test_wealth_over_an_unresolved_event_moves_by_the_market_return_alone(
    symbol: str, ex_date: str, start: str, tmp_path: Path
) -> None:
    from feeds.store import open_market

    end = str(np.datetime64(ex_date) + np.timedelta64(40, "D"))
    market = open_market(str(DATA), universe=[symbol], start=start, end=end, cache=tmp_path)
    done = simulate(
        market,
        Holder,
        {"symbol": symbol},
        start=start,
        end=end,
        cash=1e6,
        fees=ZeroFees(),
        rules=Rules(price_limits=False),
    )
    frame = done.broker.ledger.equity_frame().set_index("date")
    booked = done.broker.ledger.corporate_frame()
    assert booked[["kind"]].values.tolist() == [["UNRESOLVED"]] and str(booked["date"][0].date()) == ex_date
    t = market.position_of(ex_date)
    before, after = (str(market.sessions[k]) for k in (t - 1, t))
    stock_before = frame.loc[before, "value"] - frame.loc[before, "cash"]
    in_stock = (frame.loc[after, "value"] - frame.loc[after, "cash"]) / stock_before
    market_return = market.close[t, 0] / market.preclose[t, 0]
    wealth = (frame.loc[after, "value"] - frame.loc[before, "cash"]) / stock_before
    assert wealth == pytest.approx(market_return, abs=2e-5)  # less than one share's worth is held in cash
    assert in_stock == pytest.approx(market_return, abs=2e-4)
