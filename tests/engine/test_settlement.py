"""Two ledgers: what can be sold today, and what cash can be withdrawn today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_market import market_of, play

from engine.errors import DataError
from engine.fees import ZeroFees
from engine.market import Market

A, B = "600000.SH", "600001.SH"


def test_an_instrument_with_same_day_trading_can_be_sold_on_the_day_it_is_bought() -> None:
    def both(s: Any) -> None:
        for name in (A, B):
            s.buy(data=s.market[name], size=100)
            s.sell(data=s.market[name], size=100)

    market = market_of({A: [10.0] * 5, B: [10.0] * 5}, same_day=[B])
    # Sales come first within a session, so that the sale of a day waits for what is bought on it.
    fills = play(market, {0: both}, fees=ZeroFees()).broker.ledger.fills_frame()
    days = {name: fills.loc[fills["symbol"] == name, "date"].dt.date.astype(str).tolist() for name in (A, B)}
    assert days[A] == [str(market.sessions[1]), str(market.sessions[2])]
    kept = play(market, {0: lambda s: [s.buy(data=s.market[name], size=100) for name in (A, B)]}, fees=ZeroFees())
    held = kept.broker.ledger.positions_frame()
    first = held[held["date"].dt.date.astype(str) == str(market.sessions[1])].set_index("symbol")["sellable"]
    assert first.to_dict() == {A: 0, B: 100}


def test_same_day_trading_is_kept_with_a_saved_market(tmp_path: Any) -> None:
    market_of({A: [10.0] * 3, B: [10.0] * 3}, same_day=[B]).save(tmp_path / "market")
    assert Market.load(tmp_path / "market").same_day == frozenset({1})


def test_an_unknown_instrument_with_same_day_trading_is_named() -> None:
    with pytest.raises(DataError, match="600009.SH"):
        market_of({A: [10.0] * 3}, same_day=["600009.SH"])


def test_proceeds_buy_at_once_and_can_be_withdrawn_from_the_next_session_on() -> None:
    seen: list[float] = []
    script = {
        0: lambda s: s.buy(data=s.market[A], size=9_000),
        1: lambda s: s.broker.target_weights({B: 0.5}, owner=s),
        2: lambda s: seen.append(s.broker.get_withdrawable()),
        3: lambda s: seen.append(s.broker.get_withdrawable()),
    }
    done = play(market_of({A: [10.0] * 5, B: [10.0] * 5}), script, fees=ZeroFees(), cash=100_000.0)
    frame = done.broker.ledger.equity_frame()
    # 10,000 were left of the first day; 90,000 come in on the third, 50,000 of them are spent at once.
    assert frame["cash"].tolist() == [100_000.0, 10_000.0, 50_000.0, 50_000.0, 50_000.0]
    assert frame["withdrawable"].tolist() == [100_000.0, 10_000.0, 10_000.0, 50_000.0, 50_000.0]
    assert seen == [10_000.0, 50_000.0]
    assert np.all(frame["withdrawable"] <= frame["cash"])
