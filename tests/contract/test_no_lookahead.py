"""Replacing everything after t by noise changes nothing decided or traded at or before t."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_market import random_ashares

from engine.market import EVENT_COLUMNS, RAW_FIELDS, Market
from engine.simulation import simulate
from signals.base import Signal
from signals.low_turnover import LowTurnover
from signals.momentum import Momentum
from signals.reversal import Reversal
from signals.small_cap import SmallCap
from strategies.equal_weight import EqualWeight
from strategies.top_n import TopN

SIGNALS = [Reversal(window=3), Momentum(window=8, skip=2), SmallCap(), LowTurnover(window=4)]


def with_shares(market: Market, rng: np.random.Generator) -> dict[str, np.ndarray]:
    raw = {name: np.array(getattr(market, name)) for name in RAW_FIELDS}
    raw["float_shares"] = np.where(np.isnan(raw["close"]), np.nan, rng.integers(10**6, 10**9, raw["close"].shape))
    raw["total_shares"] = raw["float_shares"] * 2
    raw["turnover"] = raw["volume"] / raw["float_shares"]
    return raw


def rebuilt(market: Market, raw: dict[str, np.ndarray], events: dict[str, np.ndarray], list_age: Any = None) -> Market:
    return Market.build(market.sessions, market.symbols, raw, events=events, list_age=list_age)


def pair(seed: int, t: int) -> tuple[Market, Market]:
    """A market and its twin that is noise after session ``t``: prices, volumes, suspensions, events."""
    rng = np.random.default_rng(seed)
    market = random_ashares(rng)
    raw = with_shares(market, rng)
    noise = {name: values.copy() for name, values in raw.items()}
    after = noise["close"][t + 1 :].shape
    wild = np.round(rng.uniform(1, 500, after), 2)
    missing = rng.random(after) < 0.3
    for name in ("open", "high", "low", "close", "preclose"):
        noise[name][t + 1 :] = np.where(missing, np.nan, wild)
    for name in ("volume", "amount", "turnover", "total_shares", "float_shares"):
        noise[name][t + 1 :] = np.where(missing, np.nan, rng.uniform(1, 1e9, after))
    noise["adj_factor"][t + 1 :] = np.where(missing, np.nan, rng.uniform(0.1, 50, after))
    early = market.events["t"] <= t
    age = np.where(np.isnan(raw["close"][: t + 1]).all(axis=0), 0, 10_000).astype(np.int32)
    return (
        rebuilt(market, raw, market.events, age),
        rebuilt(market, noise, {name: market.events[name][early] for name in EVENT_COLUMNS}, age),
    )


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("t", [9, 21, 33])
def test_scores_at_t_do_not_depend_on_anything_after_t(signal: Signal, t: int) -> None:
    true, noisy = pair(11, t)
    first, second = (signal.predict(market.view(t)) for market in (true, noisy))
    assert len(first) >= 2
    assert first.equals(second)


@pytest.mark.parametrize("t", [12, 25])
@pytest.mark.parametrize("fill", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize("strategy", [TopN, EqualWeight])
def test_orders_and_fills_up_to_t_do_not_depend_on_anything_after_t(strategy: type, fill: str, t: int) -> None:
    tables = []
    for market in pair(23, t):
        params = {"hold": 2} if strategy is TopN else {}
        done = simulate(market, strategy, params, signal=Reversal(window=3), rebalance="3D", cash=100_000.0, fill=fill)
        ledger = done.broker.ledger
        until = market.sessions[t].astype("datetime64[ms]")
        orders = ledger.orders_frame(done.broker.orders)[["order_id", "date", "symbol", "side"]]
        fills, equity = ledger.fills_frame(), ledger.equity_frame()
        tables.append(
            (
                orders[orders["date"] <= until],
                fills[fills["date"] <= until],
                equity[equity["date"] <= until][["value", "cash"]],
            )
        )
    for true, noisy in zip(*tables, strict=True):
        assert len(true) and true.equals(noisy)


class Peeking(Signal):
    """Reads tomorrow through the view's array base: the noise test must catch it."""

    def predict(self, view: Any) -> Any:
        market = view._market
        tomorrow = min(view.t + 1, len(market.sessions) - 1)
        return view.scores(market.close[tomorrow] / market.close[view.t] - 1)


def test_a_signal_that_peeks_is_caught_by_the_same_comparison() -> None:
    true, noisy = pair(11, 21)
    assert not Peeking().predict(true.view(21)).equals(Peeking().predict(noisy.view(21)))
