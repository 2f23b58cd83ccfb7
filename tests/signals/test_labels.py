"""Labels by hand, their horizons, and that none uses anything beyond its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from small_market import market_of

from engine.errors import ConfigError, DataError, SignalError
from engine.market import Market
from signals.horizons import NOT_YET, Horizon, Target
from signals.labels import (
    LABELS,
    ExcessReturn,
    Label,
    MarketValue,
    NextReturn,
    ThreeClass,
    TopBottom,
    TopK,
    label_of,
)

NAN = float("nan")
A, B, C = "600000.SH", "600001.SH", "600002.SH"

EVERY = [
    NextReturn(),
    NextReturn(periods=2, fill="next_close"),
    NextReturn(sessions=3, fill="next_open", halted="missing"),
    ExcessReturn(),
    ExcessReturn(benchmark="universe", fill="next_open"),
    MarketValue(),
    MarketValue(periods=0, log=False),
    TopBottom(share=0.4),
    TopBottom(sessions=2, fill="next_close"),
    ThreeClass(),
    TopK(k=2, periods=3),
]


def values_of(label: Label, market: Any, decisions: Any, **more: Any) -> list[list[float]]:
    return label.build(market, decisions, **more).values.tolist()


def near(expected: Any) -> Any:
    return pytest.approx(np.array(expected, dtype=float), nan_ok=True)


# -- returns -----------------------------------------------------------------------------------------


def test_the_next_return_runs_from_decision_to_decision_and_the_last_has_none() -> None:
    market = market_of({A: [10, 11, 12, 15], B: [20, 20, 10, 30]})
    target = NextReturn().build(market, [0, 2, 3])
    assert target.values == near([[0.2, -0.5], [0.25, 2.0], [NAN, NAN]])
    assert target.known.tolist() == [2, 3, NOT_YET]
    by_date = NextReturn().build(market, market.sessions[[0, 2, 3]])
    assert by_date.values.tobytes() == target.values.tobytes()


def test_dividends_and_bonus_shares_are_in_the_return() -> None:
    # B goes ex half its price on session 1: the factor doubles
    market = market_of({A: [10, 11], B: [20, 10]})
    factor = np.array([[1.0, 1.0], [1.0, 2.0]])
    object.__setattr__(market, "adj_factor", factor)
    assert NextReturn().build(market, [0, 1]).values == near([[0.1, 0.0], [NAN, NAN]])


def test_a_horizon_in_sessions_counts_from_each_decision() -> None:
    market = market_of({A: [10, 11, 12, 15, 18]})
    target = NextReturn(sessions=2).build(market, [0, 1, 3])
    assert target.values == near([[0.2], [15 / 11 - 1], [NAN]]) and target.known.tolist() == [2, 3, NOT_YET]


def test_fills_after_the_decision_are_paid_at_both_ends_and_known_a_session_later() -> None:
    market = market_of({A: [10, 12, 15, 20, 22]}, opens={A: [10, 11, 14, 16, 24]})
    opens = NextReturn(fill="next_open").build(market, [0, 2, 4])
    assert opens.values == near([[16 / 11 - 1], [NAN], [NAN]]) and opens.known.tolist() == [3, NOT_YET, NOT_YET]
    closes = NextReturn(fill="next_close").build(market, [0, 2, 4])
    assert closes.values == near([[20 / 12 - 1], [NAN], [NAN]]) and closes.known.tolist() == [3, NOT_YET, NOT_YET]


def test_a_stock_suspended_at_the_end_is_worth_its_last_close_or_is_left_out() -> None:
    market = market_of({A: [10, 11, NAN, 30], B: [10, 10, 10, 10]})
    assert NextReturn().build(market, [0, 2, 3]).values == near([[0.1, 0.0], [NAN, 0.0], [NAN, NAN]])
    assert NextReturn(halted="missing").build(market, [0, 2, 3]).values == near([[NAN, 0.0], [NAN, 0.0], [NAN, NAN]])
    # filled at the next open and suspended when it would be sold: the last close
    market = market_of({A: [10, 11, NAN, 30]}, opens={A: [10, 8, NAN, 30]})
    assert NextReturn(fill="next_open").build(market, [0, 1]).values == near([[11 / 8 - 1], [NAN]])


def test_a_stock_that_does_not_trade_within_the_horizon_has_no_return_of_zero() -> None:
    market = market_of({A: [10, NAN, NAN, 12], B: [10, 10, 10, 10]})
    assert NextReturn().build(market, [0, 2, 3]).values == near([[NAN, 0.0], [NAN, 0.0], [NAN, NAN]])
    assert NextReturn().build(market, [0, 3]).values[0] == near([0.2, 0.0])
    assert ThreeClass().build(market, [0, 1]).values[0] == near([NAN, 0])
    gone = market_of({A: [10, NAN, NAN]}, last_session=np.array([0], np.int32), delisted=np.array([True]))
    assert np.isnan(NextReturn().build(gone, [0, 2]).values).all()


def test_an_ex_date_within_a_suspension_does_not_show_before_the_stock_trades_again() -> None:
    market = market_of({A: [10, 11, NAN, 6]})
    object.__setattr__(market, "adj_factor", np.array([[1.0], [1.0], [1.0], [2.0]]))
    assert NextReturn(sessions=2).build(market, [0]).values == near([[0.1]])
    assert NextReturn(sessions=3).build(market, [0]).values == near([[0.2]])


def test_who_cannot_be_bought_has_no_label() -> None:
    market = market_of({A: [NAN, 11, 12, 13], B: [10, NAN, 12, 13]})
    assert NextReturn().build(market, [0, 2]).values == near([[NAN, 0.2], [NAN, NAN]])
    assert NextReturn(fill="next_close").build(market, [0, 2]).values == near([[NAN, NAN], [NAN, NAN]])


def test_a_delisted_stock_is_settled_at_its_last_close() -> None:
    market = market_of(
        {A: [10, 8, NAN, NAN], B: [10, 10, 10, 11]},
        last_session=np.array([1, 3], np.int32), delisted=np.array([True, False]),
    )  # fmt: skip
    assert NextReturn().build(market, [0, 2, 3]).values == near([[-0.2, 0.0], [NAN, 0.1], [NAN, NAN]])


def test_stocks_outside_the_universe_have_no_label() -> None:
    member = np.array([[1, 0], [1, 1], [1, 1]], dtype=np.uint8)
    market = market_of({A: [10, 11, 12], B: [10, 20, 30]}, member=member)
    assert NextReturn().build(market, [0, 1, 2]).values == near([[0.1, NAN], [1 / 11, 0.5], [NAN, NAN]])
    everybody = np.ones((3, 2), dtype=bool)
    made = NextReturn().build(market, [0, 1, 2], universe=everybody).values
    assert made == near([[0.1, 1.0], [1 / 11, 0.5], [NAN, NAN]])
    with pytest.raises(SignalError, match=r"the universe of a label has shape \(2, 2\), expected \(3, 2\)"):
        NextReturn().build(market, [0, 1, 2], universe=everybody[:2])


def test_the_excess_is_over_a_series_or_the_mean_of_the_universe() -> None:
    series = {"benchmark": np.array([100.0, 110.0, 99.0]), "benchmark_price": np.array([100.0, 100.0, 100.0])}
    market = market_of({A: [10, 12, 12], B: [10, 10, 11]}, series=series)
    assert ExcessReturn().build(market, [0, 1, 2]).values == near([[0.1, -0.1], [0.1, 0.2], [NAN, NAN]])
    assert ExcessReturn(benchmark="benchmark_price").build(market, [0, 2]).values == near([[0.2, 0.1], [NAN, NAN]])
    assert ExcessReturn(benchmark="universe").build(market, [0, 2]).values == near([[0.05, -0.05], [NAN, NAN]])
    delayed = ExcessReturn(fill="next_close").build(market, [0, 1]).values
    assert delayed == near([[0.1, 0.2], [NAN, NAN]])
    with pytest.raises(DataError, match="the market has no series 'csi300' to take the excess over"):
        ExcessReturn(benchmark="csi300").build(market, [0, 1])
    with pytest.raises(ConfigError, match="label 'excess-return': series 'benchmark' has closes alone"):
        ExcessReturn(fill="next_open")


def test_the_market_value_is_close_times_shares_at_the_end() -> None:
    market = market_of({A: [10, NAN, 12], B: [20, 30, NAN]})
    object.__setattr__(market, "total_shares", np.array([[100.0, 10.0], [NAN, 20.0], [200.0, NAN]]))
    made = MarketValue(log=False).build(market, [0, 1, 2]).values
    assert made == near([[NAN, 600], [NAN, NAN], [NAN, NAN]])  # A has no bar after 0 and cannot be bought on 1
    assert MarketValue().build(market, [0, 2]).values == near([[math.log(2400), math.log(600)], [NAN, NAN]])
    now = MarketValue(periods=0, log=False).build(market, [0, 1, 2])
    assert now.values == near([[1000, 200], [NAN, 600], [2400, NAN]]) and now.known.tolist() == [0, 1, 2]
    with pytest.raises(ConfigError, match="label 'next-return': periods"):
        NextReturn(periods=0)


# -- classes -----------------------------------------------------------------------------------------


def market_with(returns: list[float]) -> Market:
    """One stock a return, from session 0 to 1."""
    return market_of({f"{600000 + k}.SH": [100.0, 100.0 * (1 + r)] for k, r in enumerate(returns)})


def test_the_best_and_worst_thirty_percent_are_labelled() -> None:
    market = market_with([0.05, -0.02, 0.01, 0.3, -0.4, 0.0, 0.02, 0.03, 0.04, -0.01])
    assert values_of(TopBottom(), market, [0, 1])[0] == [1, -1, 0, 1, -1, 0, 0, 0, 1, -1]
    # three tenths of four stocks is one
    assert values_of(TopBottom(), market_with([0.1, 0.2, 0.3, 0.4]), [0, 1])[0] == [-1, 0, 0, 1]


def test_a_tie_across_the_edge_belongs_to_neither_side() -> None:
    market = market_with([0.1, 0.1, 0.05, 0.0, -0.1, -0.2])  # two at each end
    assert values_of(TopBottom(share=0.34), market, [0, 1])[0] == [1, 1, 0, 0, -1, -1]
    assert values_of(TopBottom(share=0.17), market, [0, 1])[0] == [0, 0, 0, 0, 0, -1]
    assert values_of(TopK(k=1), market, [0, 1])[0] == [0] * 6
    assert values_of(TopBottom(), market_with([0.1] * 5), [0, 1])[0] == [0] * 5


def test_three_classes_lie_beyond_three_percent() -> None:
    market = market_of({A: [100, 104, 100], B: [100, 97.5, 100], C: [100, 96, NAN]})
    made = ThreeClass().build(market, [0, 1, 2]).values
    assert made == near([[1, 0, -1], [-1, 0, NAN], [NAN, NAN, NAN]])
    exact = market_of({A: [64, 66, 62]})  # exactly 1/32
    assert values_of(ThreeClass(threshold=1 / 32), exact, [0, 1])[0] == [0]


def test_the_k_best_are_one_and_too_small_a_universe_is_named() -> None:
    market = market_with([0.05, -0.02, 0.01, 0.3])
    assert values_of(TopK(k=2), market, [0, 1])[0] == [1, 0, 0, 1]
    assert values_of(TopK(k=4), market, [0, 1])[0] == [1, 1, 1, 1]
    with pytest.raises(
        SignalError, match="on 2019-03-04 only 4 stocks have a label, fewer than k = 10; take a smaller"
    ):
        TopK().build(market, [0, 1])
    empty = np.zeros((2, 4), dtype=bool)
    assert np.isnan(TopK().build(market, [0, 1], universe=empty).values).all()


# -- nothing beyond the horizon ----------------------------------------------------------------------


def random_market(seed: int, noise_from: int | None = None, sessions: int = 40, stocks: int = 12) -> Market:
    """Halts, delistings, dividends and a benchmark; everything from session ``noise_from`` on is other noise."""
    rng = np.random.default_rng(seed)

    def draw() -> dict[str, np.ndarray]:
        close = np.round(20 * np.exp(np.cumsum(rng.normal(0, 0.03, (sessions, stocks)), axis=0)), 2)
        close[rng.random(close.shape) < 0.15] = np.nan
        opened = np.round(close * (1 + rng.normal(0, 0.01, close.shape)), 2)
        return {
            "open": opened, "close": close, "high": np.fmax(opened, close), "low": np.fmin(opened, close),
            "adj_factor": np.cumprod(1 + 0.05 * (rng.random(close.shape) < 0.05), axis=0),
            "total_shares": np.round(rng.uniform(1e7, 1e9, close.shape)),
            "benchmark": 1000 * np.cumprod(1 + rng.normal(0, 0.01, (sessions, 1)), axis=0),
            "member": (rng.random(close.shape) < 0.95).astype(np.uint8),
        }  # fmt: skip

    raw, other = draw(), draw()
    ends = np.full(stocks, sessions - 1)
    ends[:3] = [15, 22, 30]
    for k in range(3):
        for name in ("open", "high", "low", "close"):
            raw[name][ends[k] + 1 :, k] = np.nan
    if noise_from is not None:
        raw = {name: np.vstack([raw[name][:noise_from], other[name][noise_from:]]) for name in raw}
    raw["adj_factor"][np.isnan(raw["close"])] = np.nan
    benchmark, member = raw.pop("benchmark")[:, 0], raw.pop("member")
    days = np.busday_offset("2019-03-04", np.arange(sessions), roll="forward").astype("datetime64[D]")
    return Market.build(
        days, [f"{600000 + k}.SH" for k in range(stocks)], raw, member=member, series={"benchmark": benchmark},
        last_session=ends.astype(np.int32), delisted=ends < sessions - 1,
    )  # fmt: skip


DECISIONS = np.array([3, 8, 9, 15, 20, 26, 33, 38])


@pytest.mark.parametrize("label", EVERY, ids=repr)
def test_a_label_never_uses_anything_after_its_horizon(label: Label) -> None:
    whole = label.build(random_market(7), DECISIONS)
    assert np.isfinite(whole.values).any(axis=1)[whole.known != NOT_YET].all()
    for k in range(len(DECISIONS)):
        if whole.known[k] == NOT_YET:
            assert np.isnan(whole.values[k]).all()
            continue
        noisy = label.build(random_market(7, noise_from=int(whole.known[k]) + 1), DECISIONS)
        assert noisy.values[k].tobytes() == whole.values[k].tobytes()
        assert noisy.known.tolist() == whole.known.tolist()


@pytest.mark.parametrize("label", EVERY, ids=repr)
def test_the_horizon_is_no_longer_than_what_a_label_uses(label: Label) -> None:
    whole = label.build(random_market(7), DECISIONS)
    changed = 0
    for k in np.flatnonzero(whole.known != NOT_YET):
        noisy = label.build(random_market(7, noise_from=int(whole.known[k])), DECISIONS)
        changed += noisy.values[k].tobytes() != whole.values[k].tobytes()
    assert changed >= 3


@pytest.mark.parametrize("label", EVERY, ids=repr)
def test_a_view_gives_the_labels_known_by_its_session_and_no_others(label: Label) -> None:
    market = random_market(7)
    whole = label.build(market, DECISIONS)
    for t in range(3, 40):
        seen = np.array([d for d in DECISIONS if d <= t])
        part = label.build(market.view(t), seen)
        known = whole.known_by(t)[: len(seen)]
        assert part.known_by(t).tolist() == known.tolist()
        assert part.values[known].tobytes() == whole.values[: len(seen)][known].tobytes()
        assert np.isnan(part.values[~known]).all()


# -- horizons and embargoes --------------------------------------------------------------------------


@pytest.mark.parametrize("label", EVERY, ids=repr)
@pytest.mark.parametrize("decisions", [DECISIONS, np.arange(2, 40)])
def test_the_embargo_is_the_number_of_rows_not_known_before_a_decision(label: Label, decisions: np.ndarray) -> None:
    target = label.build(random_market(7), decisions)
    if label.horizon.unit == "session":
        with pytest.raises(SignalError, match="spans no fixed number of rows"):
            _ = label.horizon.embargo
        return
    for k in range(5, len(decisions)):
        unknown = k - int(target.known_by(decisions[k])[:k].sum())
        assert unknown == label.horizon.embargo


def test_purging_leaves_out_training_rows_whose_label_runs_into_a_test_row() -> None:
    decisions = np.array([0, 5, 10, 15, 20, 25])

    def target(horizon: Horizon) -> Target:
        return Target(np.zeros((6, 1)), decisions, horizon.known(decisions, 40), horizon)

    before = np.arange(6) < 3
    assert target(Horizon(1)).purged(before, ~before).tolist() == [0, 1, 2]
    assert target(Horizon(1, delay=1)).purged(before, ~before).tolist() == [0, 1]
    assert target(Horizon(2)).purged(before, ~before).tolist() == [0, 1]
    assert target(Horizon(12, "session")).purged(before, ~before).tolist() == [0]
    # test rows in the middle: training behind them starts when their labels are known, and an embargo later
    middle = np.array([2, 3])
    assert target(Horizon(1)).purged(np.array([0, 1, 4, 5]), middle).tolist() == [0, 1, 4]  # row 5 is not known yet
    assert target(Horizon(1)).purged(np.array([0, 1, 4]), middle, embargo=1).tolist() == [0, 1]
    with pytest.raises(SignalError, match="row 2 of the labels is in the training and in the test rows"):
        target(Horizon(1)).purged(np.array([1, 2]), middle)


def test_every_label_declares_its_horizon() -> None:
    assert NextReturn().horizon == Horizon(1, "period", 0)
    assert NextReturn(sessions=20, fill="next_open").horizon == Horizon(20, "session", 1)
    assert MarketValue(periods=3).horizon == Horizon(3, "period", 0)
    assert NextReturn().horizon.describe() == "1 rebalance period"
    assert TopK(sessions=20, fill="next_close").horizon.describe() == "20 sessions, from the session after"


# -- what a user can get wrong -----------------------------------------------------------------------


def test_labels_are_made_by_name_and_refuse_what_they_do_not_know() -> None:
    assert {type(label) for label in EVERY} == set(LABELS.values())
    assert label_of("three-class", threshold=0.05) == ThreeClass(threshold=0.05)
    with pytest.raises(ConfigError, match="there is no label 'next-retrun'; did you mean 'next-return'"):
        label_of("next-retrun")
    with pytest.raises(ConfigError, match="label 'top-k' has no parameter 'n'"):
        TopK(n=3)
    with pytest.raises(ConfigError, match="label 'top-bottom': share: .* less than or equal to 0.5"):
        TopBottom(share=0.7)


def test_decisions_must_be_ascending_sessions_of_the_panel() -> None:
    market = market_of({A: [10, 11, 12]})
    with pytest.raises(SignalError, match="decision 3 is no session of this panel of 3 sessions"):
        NextReturn().build(market, [0, 3])
    with pytest.raises(SignalError, match="decision 2019-03-09 is no session"):
        NextReturn().build(market, np.array(["2019-03-04", "2019-03-09"], "datetime64[D]"))
    with pytest.raises(SignalError, match="must ascend without duplicates"):
        NextReturn().build(market, [1, 1])
    assert NextReturn().build(market, np.array([], dtype=int)).values.shape == (0, 1)
