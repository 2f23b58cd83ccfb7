"""Overlays against examples worked out by hand, alone and in a run."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import market_of

from engine.backtest import run
from engine.config import RunConfig
from engine.errors import ConfigError, StrategyError
from engine.fees import ZeroFees
from engine.simulation import Simulation, simulate
from strategies.base import RebalanceStrategy
from strategies.overlays.base import Overlay
from strategies.overlays.exposure import DrawdownStop, MarketTiming, VolatilityTarget, basket_volatility
from strategies.overlays.limits import MaxIndustry, MaxTurnover, MaxWeight, within
from strategies.targets import Targets

A, B, C, D = "600000.SH", "600001.SH", "600002.SH", "600003.SH"


class All(RebalanceStrategy):
    """All of the account in equal parts in some stocks."""

    params = (("names", (A,)),)

    def allocate(self, scores: Any, portfolio: Any, view: Any) -> dict[str, float]:
        return dict.fromkeys(self.p.names, 1.0 / len(self.p.names))


def play(market: Any, *overlays: Overlay, names: tuple[str, ...] = (A,), rebalance: str = "50D") -> Simulation:
    options: dict[str, Any] = {"rebalance": rebalance, "cash": 100_000.0, "fees": ZeroFees()}
    return simulate(market, All, {"names": names}, overlays=overlays, **options)


def holdings(weights: dict[str, float]) -> Any:
    return SimpleNamespace(weights=weights)


def shares_by_session(done: Simulation) -> list[int]:
    held = {t: int(n.sum()) for t, _, n in done.broker.ledger.held()}
    return [held.get(t, 0) for t in range(len(done.market.sessions))]


# -- exposure -----------------------------------------------------------------------------------------


def test_the_volatility_of_a_basket_is_that_of_its_weighted_daily_returns() -> None:
    market = market_of({A: [100.0, 110.0, 99.0, 108.9], B: [50.0, 50.0, 55.0, 55.0]})
    # returns of A +10 %, -10 %, +10 %, of B 0, +10 %, 0; half of A and a quarter of B
    daily = [0.05, -0.05 + 0.025, 0.05]
    mean = sum(daily) / 3
    expected = math.sqrt(sum((x - mean) ** 2 for x in daily) / 2 * 243)
    assert basket_volatility({A: 0.5, B: 0.25}, market.view(3), 3) == pytest.approx(expected)
    assert basket_volatility({A: 0.5, B: 0.25}, market.view(3), 60) == pytest.approx(expected)  # shorter market
    assert basket_volatility({A: 1.0}, market.view(1), 3) == 0.0


def test_volatility_is_brought_down_to_its_target_and_never_up() -> None:
    market = market_of({A: [100.0, 110.0, 99.0, 108.9]})
    now = basket_volatility({A: 1.0}, market.view(3), 3)
    halved = VolatilityTarget(target=now / 2, window=3).apply({A: 1.0}, holdings({}), market.view(3))
    assert halved == pytest.approx({A: 0.5})
    assert VolatilityTarget(target=2 * now, window=3).apply({A: 1.0}, holdings({}), market.view(3)) == {A: 1.0}
    assert VolatilityTarget(target=0.1, window=3).apply({A: 1.0}, holdings({}), market.view(0)) == {A: 1.0}


def test_the_stop_leaves_on_the_session_after_the_fall_and_comes_back_after_its_wait() -> None:
    prices = [10.0, 10.0, 12.0, 10.8, 9.6, 9.6, 9.6, 9.6, 9.6, 9.6]
    done = play(market_of({A: prices}), DrawdownStop(limit=0.2, wait=3))
    # high 120,000; 96,000 on session 4 is a fall of 20 %; three sessions later the wait is over
    assert shares_by_session(done) == [0, 10000, 10000, 10000, 10000, 0, 0, 0, 10000, 10000]
    assert len(done.broker.ledger.decisions_frame()) == 1


def test_after_the_wait_the_high_counts_anew() -> None:
    stop = DrawdownStop(limit=0.1, wait=2)
    values = np.array([100.0, 90.0, 90.0, 89.0, 88.0, 80.0, 80.0])
    assert [stop.stopped(values[: k + 1]) for k in range(7)] == [False, True, True, False, False, True, True]


def test_a_part_of_the_weights_may_stay() -> None:
    done = play(market_of({A: [10.0, 10.0, 8.0, 8.0, 8.0]}), DrawdownStop(limit=0.2, exposure=0.5, wait=20))
    assert shares_by_session(done) == [0, 10000, 10000, 5000, 5000]


def test_timing_is_out_while_the_index_is_below_its_mean() -> None:
    index = np.array([10.0, 11.0, 12.0, 9.0, 9.0, 12.0, 12.0])
    market = market_of({A: [10.0] * 7}, series={"benchmark_price": index, "benchmark": index})
    done = play(market, MarketTiming(window=3))
    # means of three: 11, 10.67, 10, 10, 11; below on sessions 3 and 4, acted on at the opens of 4 and 6
    assert shares_by_session(done) == [0, 10000, 10000, 10000, 0, 0, 10000]


def test_timing_without_a_benchmark_is_refused() -> None:
    with pytest.raises(ConfigError, match="give --benchmark"):
        play(market_of({A: [10.0] * 3}), MarketTiming(window=2))


# -- limits -------------------------------------------------------------------------------------------


def test_what_is_above_a_names_limit_goes_to_the_others_in_proportion() -> None:
    weights = {A: 0.6, B: 0.3, C: 0.1}
    # 0.2 above 0.4 go 3 : 1 to B and C; B's 0.45 is above too, and its 0.05 goes to C
    assert MaxWeight(most=0.4).apply(weights, holdings({}), None) == pytest.approx({A: 0.4, B: 0.4, C: 0.2})  # type: ignore[arg-type]
    spared = MaxWeight(most=0.4, spread=False).apply(weights, holdings({}), None)  # type: ignore[arg-type]
    assert spared == pytest.approx({A: 0.4, B: 0.3, C: 0.1})
    tight = MaxWeight(most=0.25).apply(weights, holdings({}), None)  # type: ignore[arg-type]
    assert tight == pytest.approx({A: 0.25, B: 0.25, C: 0.25})  # a quarter stays in cash
    assert MaxWeight().apply({}, holdings({}), None) == {}  # type: ignore[arg-type]


def test_groups_keep_their_proportions_inside() -> None:
    values = np.array([0.4, 0.2, 0.3, 0.1])
    assert within(values, np.array([0, 0, 1, 2]), 0.45, True) == pytest.approx([0.3, 0.15, 0.4125, 0.1375])


def test_no_industry_weighs_more_than_its_limit_and_unknown_ones_count_as_one() -> None:
    market = market_of({A: [1.0], B: [1.0], C: [1.0], D: [1.0]})
    names = np.array([["bank", "bank", None, None]], dtype=object)
    market.tables = SimpleNamespace(as_of=lambda table, column, days: names)
    weights = {A: 0.5, B: 0.3, C: 0.1, D: 0.1}
    got = MaxIndustry(most=0.6).apply(weights, holdings({}), market.view(0))
    assert got == pytest.approx({A: 0.375, B: 0.225, C: 0.2, D: 0.2})


def test_a_rebalance_goes_as_far_as_its_turnover_allows() -> None:
    limit = MaxTurnover(most=0.2)
    held = holdings({A: 0.5, B: 0.5})
    # 0.5 is to be sold and 0.4 bought: two fifths of the way
    moved = limit.apply({A: 0.5, C: 0.4}, held, None)  # type: ignore[arg-type]
    assert moved == pytest.approx({A: 0.5, C: 0.16, B: 0.3})
    assert limit.apply({A: 0.6, B: 0.4}, held, None) == pytest.approx({A: 0.6, B: 0.4})  # type: ignore[arg-type]
    assert limit.apply({A: 1.0}, holdings({}), None) == {A: 1.0}  # type: ignore[arg-type]


def test_a_limit_on_turnover_does_not_put_off_a_sale_that_must_be() -> None:
    wanted = Targets({A: 0.5, C: 0.5}, reasons={B: "ST"})
    moved = MaxTurnover(most=0.2).apply(wanted, holdings({A: 0.5, B: 0.5}), None)  # type: ignore[arg-type]
    assert moved == pytest.approx({A: 0.5, C: 0.2})


# -- in a run -----------------------------------------------------------------------------------------


def test_overlays_work_in_their_order() -> None:
    market = market_of({A: [10.0] * 3, B: [10.0] * 3})

    class Half(Overlay):
        def apply(self, weights: Any, portfolio: Any, view: Any) -> dict[str, float]:
            return {symbol: weight / 2 for symbol, weight in weights.items()}

    cap = MaxWeight(most=0.3)
    assert play(market, Half(), cap).broker.shares.tolist() == [3000, 0]
    assert play(market, cap, Half()).broker.shares.tolist() == [1500, 0]


def test_what_an_overlay_returns_is_checked() -> None:
    class Twice(Overlay):
        def apply(self, weights: Any, portfolio: Any, view: Any) -> dict[str, float]:
            return {symbol: 2 * weight for symbol, weight in weights.items()}

    with pytest.raises(StrategyError, match="sum to 2.0"):
        play(market_of({A: [10.0] * 3}), Twice())


def test_a_strategy_that_sends_its_own_orders_has_no_use_for_overlays() -> None:
    import backtrader as bt

    class Own(bt.Strategy):
        pass

    with pytest.raises(ConfigError, match="Own sends its own orders"):
        simulate(market_of({A: [10.0] * 3}), Own, overlays=[MaxWeight()])


def test_a_run_takes_overlays_as_text_or_tables_and_its_configuration_repeats_it(tmp_path: Any) -> None:
    config = RunConfig(
        data="synthetic:stocks=60,seed=3", start="2012-01-04", end="2012-06-29", strategy="equal-weight", signal="none",
        overlays=["max-weight:most=0.01,spread=false", {"name": "max-turnover", "most": 0.5}],
    )  # fmt: skip
    done = run(config, out=tmp_path)
    assert done.result["overlays"] == [
        {"name": "max-weight", "most": 0.01, "spread": False}, {"name": "max-turnover", "most": 0.5},
    ]  # fmt: skip
    assert done.targets["weight"].max() <= 0.01 + 1e-12
    again = RunConfig.from_toml(done.folder / "config.toml")
    assert again.overlays == done.config.overlays and run(again, out=tmp_path).reused
    changed = again.with_overrides(['overlays=["max-weight:most=0.02"]'])
    assert [overlay.flat() for overlay in changed.completed().overlays] == [
        {"name": "max-weight", "most": 0.02, "spread": True}
    ]


@pytest.mark.parametrize(
    ("overlays", "message"),
    [
        (["max-weigth"], "unknown overlay 'max-weigth'; did you mean 'max-weight'"),
        (["max-weight:mots=1"], "overlay 'max-weight' has no parameter 'mots'; did you mean 'most'"),
        (["max-weight:most=2"], "overlay 'max-weight': parameter 'most' is 2"),
        (3, "option 'overlays' is 3"),
    ],
)
def test_bad_overlays_are_refused_in_one_sentence(overlays: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig(overlays=overlays).completed()


def test_an_overlay_of_ones_own_comes_from_a_file(tmp_path: Any) -> None:
    path = tmp_path / "half.py"
    path.write_text(
        "from strategies.overlays.base import Overlay\n\n\n"
        "class Half(Overlay):\n    part: float = 0.5\n\n"
        "    def apply(self, weights, portfolio, view):\n"
        "        return {symbol: self.part * weight for symbol, weight in weights.items()}\n"
    )
    (overlay,) = RunConfig(overlays=[{"name": str(path), "part": 0.25}]).completed().overlays
    assert overlay.params == {"part": 0.25}
    from engine.plugins import build

    assert build("overlay", overlay).apply({A: 1.0}, None, None) == {A: 0.25}


def test_frames_of_scores_are_not_needed() -> None:
    assert isinstance(Targets.of(pd.Series({A: 0.5})), Targets) and Targets.of(pd.Series({A: 0.5})) == {A: 0.5}
