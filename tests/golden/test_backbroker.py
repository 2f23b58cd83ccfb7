"""With the same simple rules our account and our notices equal Backtrader's own, day by day."""

from __future__ import annotations

import pytest
from backbroker import (
    Baskets,
    EveryKind,
    RandomTrader,
    largest_difference,
    on_backtrader,
    on_ours,
    random_market,
    stream_differences,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import DATA, WHY

from engine.market import Market


@pytest.mark.parametrize("through", ["handles", "feeds"])
@pytest.mark.parametrize("cash", [100_000.0, 2_000_000.0])
def test_account_equals_backtraders_own_broker_day_by_day(through: str, cash: float) -> None:
    market = random_market(stocks=20, sessions=500, seed=7)
    theirs = on_backtrader(market, RandomTrader, cash, seed=3)
    ours = on_ours(market, RandomTrader, cash, seed=3, through=through)
    assert len(ours.account) == 500
    assert sum(len(v) for v in theirs.told.values()) > 1000
    assert largest_difference(ours, theirs) < 1e-9
    assert stream_differences(ours, theirs)[1] < 1e-9
    if cash < 1e6:
        assert any(status == "Margin" for order in theirs.told.values() for status, *_ in order)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("cash", [100_000.0, 3_000_000.0])
def test_every_kind_of_order_gives_the_same_account_and_the_same_notices(seed: int, cash: float) -> None:
    market = random_market(stocks=20, sessions=500, seed=seed)
    theirs = on_backtrader(market, EveryKind, cash, seed)
    ours = on_ours(market, EveryKind, cash, seed)
    assert theirs.lowest == 0, "the random strategy went short: nothing to compare"
    count, worst = stream_differences(ours, theirs)
    assert count > 2500 and worst < 1e-9
    assert largest_difference(ours, theirs) < 1e-9
    seen = {status for stream in theirs.told.values() for status, *_ in stream}
    assert {"Completed", "Canceled", "Expired"} <= seen


@pytest.mark.parametrize("cash", [50_000.0, 2_000_000.0])
def test_baskets_in_one_call_give_the_account_of_the_orders_sent_one_by_one(cash: float) -> None:
    market = random_market(stocks=20, sessions=500, seed=11)
    theirs, ours = (run(market, Baskets, cash, 4) for run in (on_backtrader, on_ours))
    assert len(theirs.told) > 500
    assert largest_difference(ours, theirs) < 1e-9


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    cash=st.sampled_from([20_000.0, 100_000.0, 1_000_000.0]),
    strategy=st.sampled_from([RandomTrader, EveryKind, Baskets]),
    through=st.sampled_from(["handles", "feeds"]),
)
def test_strategies_drawn_at_random_give_the_same_account_and_notices(
    seed: int, cash: float, strategy: type, through: str
) -> None:
    market = random_market(stocks=8, sessions=120, seed=seed % 1000)
    theirs = on_backtrader(market, strategy, cash, seed)
    ours = on_ours(market, strategy, cash, seed, "handles" if strategy is Baskets else through)
    assert largest_difference(ours, theirs) < 1e-9
    if strategy is not Baskets:
        assert stream_differences(ours, theirs)[1] < 1e-9


@pytest.fixture(scope="module")
def twenty_real_stocks(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """500 sessions of the first twenty members of the CSI 300 that traded on all of them."""
    if not DATA.is_dir():
        pytest.skip(WHY)
    from feeds.store import open_market

    cache = tmp_path_factory.mktemp("cache")
    whole = open_market(str(DATA), universe="csi300", start="2018-01-02", end="2020-01-31", cache=cache)
    first, last = whole.position_of("2018-01-02"), whole.position_of("2018-01-02") + 500
    steady = [symbol for i, symbol in enumerate(whole.symbols) if whole.traded[first:last, i].all()][:20]
    assert len(steady) == 20
    at = [whole.index[symbol] for symbol in steady]
    fields = ("open", "high", "low", "close", "volume")
    return Market.build(
        whole.sessions[first:last], steady, {name: getattr(whole, name)[first:last][:, at] for name in fields}
    )


@pytest.mark.parametrize(
    ("strategy", "through"),
    [
        (RandomTrader, "handles"), (RandomTrader, "feeds"), (EveryKind, "handles"), (EveryKind, "feeds"),
        (Baskets, "handles"),
    ],
)  # fmt: skip
def test_twenty_real_stocks_give_the_same_account_and_notices(
    strategy: type, through: str, twenty_real_stocks: Market
) -> None:
    theirs = on_backtrader(twenty_real_stocks, strategy, 1e6, 5)
    ours = on_ours(twenty_real_stocks, strategy, 1e6, 5, through)
    assert theirs.broker.getvalue() != 1e6
    assert largest_difference(ours, theirs) < 1e-9
    if strategy is not Baskets:
        assert stream_differences(ours, theirs)[1] < 1e-9
