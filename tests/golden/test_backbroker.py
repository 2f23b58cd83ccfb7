"""With the same simple rules our account equals Backtrader's own, day by day."""

from __future__ import annotations

import pytest
from backbroker import RandomTrader, largest_difference, on_backtrader, on_ours, random_market


@pytest.mark.parametrize("through", ["handles", "feeds"])
@pytest.mark.parametrize("cash", [100_000.0, 2_000_000.0])
def test_account_equals_backtraders_own_broker_day_by_day(through: str, cash: float) -> None:
    market = random_market(stocks=20, sessions=500, seed=7)
    theirs = on_backtrader(market, RandomTrader, cash, seed=3)
    ours = on_ours(market, RandomTrader, cash, seed=3, through=through)
    assert len(ours.account) == 500
    assert sum(len(v) for v in theirs.told.values()) > 1000
    assert largest_difference(ours, theirs) < 1e-9
    if cash < 1e6:
        assert any(status == "Margin" for order in theirs.told.values() for status, *_ in order)
