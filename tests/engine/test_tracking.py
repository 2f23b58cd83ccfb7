"""Targets of baskets, how far the account was from them, and the tearsheet's chart and table of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_market import event, market_of, play

from engine import tearsheet_tracking
from engine.backtest import run
from engine.fees import ZeroFees

A, B = "600000.SH", "600001.SH"


def tracked(done: object) -> pd.DataFrame:
    return done.broker.baskets.tracking_frame(done.broker.ledger)  # type: ignore[attr-defined]


def test_the_distance_is_half_of_all_differences_and_targets_move_with_prices() -> None:
    market = market_of({A: [10.0, 10.0, 20.0], B: [30.0, 30.0, 30.0]})
    done = play(market, {0: lambda s: s.broker.target_weights({A: 0.5, B: 0.4})}, cash=10_000.0, fees=ZeroFees())
    # wanted 5,000, 4,000 and 1,000; held 500 A, 100 B (133 wanted) and 2,000
    frame = tracked(done)
    assert frame["date"].astype(str).tolist() == ["2019-03-05", "2019-03-06"]
    assert frame["off_target"].iloc[0] == pytest.approx(0.5 * (0.0 + 0.1 + 0.1))
    assert frame["cash"].iloc[0] == pytest.approx(0.2) and frame["target_cash"].iloc[0] == pytest.approx(0.1)
    # A doubles: wanted 10,000, 4,000, 1,000 of 15,000; held 10,000, 3,000, 2,000
    assert frame["off_target"].iloc[1] == pytest.approx(0.5 * (1 / 15 + 1 / 15))
    assert frame["target_cash"].iloc[1] == pytest.approx(1 / 15)


def test_a_split_does_not_part_the_account_from_its_targets() -> None:
    # ten for ten on session 2: twice the shares at half the price
    split = event(2, 10.0, 5.0, 2.0, 0.0)
    market = market_of({A: [10.0, 10.0, 5.0]}, precloses={A: [10.0, 10.0, 5.0]}, events=split)
    factor = np.array([[1.0], [1.0], [2.0]])
    market.adj_factor.setflags(write=True)
    market.adj_factor[:] = factor
    done = play(market, {0: lambda s: s.broker.target_weights({A: 0.5})}, cash=10_000.0, fees=ZeroFees())
    assert tracked(done)["off_target"].tolist() == pytest.approx([0.0, 0.0])


def test_a_holding_sold_out_between_baskets_is_wanted_as_cash() -> None:
    market = market_of({A: [10.0] * 4, B: [20.0] * 4})
    script = {
        0: lambda s: s.broker.target_weights({A: 0.5, B: 0.5}),
        1: lambda s: s.broker.sell_out({A: "ST"}),
    }
    done = play(market, script, cash=10_000.0, fees=ZeroFees())
    assert done.broker.shares.tolist() == [0, 200]  # 250 wanted
    frame = tracked(done)
    assert frame["target_cash"].tolist() == pytest.approx([0.0, 0.5, 0.5])
    assert frame["off_target"].tolist() == pytest.approx([0.1, 0.1, 0.1])
    table = done.broker.baskets.targets_frame()
    assert table.iloc[-1][["symbol", "weight", "reason"]].tolist() == [A, 0.0, "ST"]


def test_selling_out_twice_sends_one_order() -> None:
    market = market_of({A: [10.0, 10.0, float("nan"), float("nan"), 10.0]})
    sale = {t: (lambda s: s.broker.sell_out({A: "ST", "600000.SH": "ST"})) for t in (1, 2, 3)}
    done = play(market, {0: lambda s: s.broker.target_weights({A: 0.5}), **sale}, cash=10_000.0, fees=ZeroFees())
    assert [order.size for order in done.broker.orders] == [500, -500]
    assert done.broker.shares.tolist() == [0]


def test_without_baskets_there_is_nothing_to_track() -> None:
    done = play(market_of({A: [10.0] * 3}), {0: lambda s: s.buy(s.market[A], size=100)})
    assert tracked(done).empty and done.broker.baskets.targets_frame().empty
    assert tearsheet_tracking.charts(tracked(done)) == {}


def test_a_run_stores_both_tables_and_its_tearsheet_shows_them(tmp_path: Path) -> None:
    done = run(
        {
            "data": "synthetic:stocks=60,seed=3", "start": "2012-01-04", "end": "2012-06-29", "cash": 60_000.0,
            "strategy": {"name": "top-n", "hold": 10}, "signal": "small-cap",
        },
        out=tmp_path,
    )  # fmt: skip
    assert done.tracking["off_target"].between(0.0, 1.0).all() and len(done.tracking) == len(done.equity) - (
        done.equity["date"] < done.tracking["date"].iloc[0]
    ).sum()
    assert set(done.targets["reason"]) >= {"", "RANK"}
    page = done.tearsheet().read_text(encoding="utf-8")
    assert 'id="chart-tracking"' in page and "Why targets are what they are" in page
    assert "no longer among the best" in page
