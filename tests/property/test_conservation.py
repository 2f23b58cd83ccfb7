"""Over random markets, rules and orders the account is what its tables say, to the fen, and knows no tomorrow."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_markets import SESSIONS, World, random_world
from random_orders import Chaos, random_run, random_successors
from replay import replay

from engine.matching import REASONS
from engine.simulation import Simulation

SEEDS = st.integers(0, 2**31 - 1)
EVERY = settings(
    deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
"""A seed says all; smaller seeds are not simpler, so that nothing is shrunk."""

WANTED = {
    "partial fills", "odd-lot sales", "dividends across a year boundary", "bonus on a suspended day",
    "delistings while holding", *REASONS,
}  # fmt: skip
"""What the streams must contain."""


def stream(seed: int) -> Counter[str]:
    world = random_world(seed)
    return replay(*run_of(world, seed))


def run_of(world: World, seed: int) -> tuple[Simulation, World, dict[str, Any]]:
    done, options = random_run(world, seed, random_successors(world, seed))
    return done, world, options


# -- conservation -----------------------------------------------------------------------------------


def test_a_hundred_and_fifty_random_streams_balance_to_the_fen_and_keep_the_rules() -> None:
    counts: Counter[str] = Counter()

    @settings(EVERY, max_examples=150)
    @given(SEEDS)
    def holds(seed: int) -> None:
        counts.update(stream(seed))

    holds()
    assert counts["runs"] >= 150
    assert {name for name in WANTED if counts[name] < 15} == set(), counts


@pytest.mark.slow
def test_ten_thousand_random_streams_hold_a_thousand_of_each_rare_event(capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()

    @settings(EVERY, max_examples=10_000)
    @given(SEEDS)
    def holds(seed: int) -> None:
        counts.update(stream(seed))

    holds()
    with capsys.disabled():
        print("\n" + "\n".join(f"{count:>9,}  {name}" for name, count in sorted(counts.items())))
    assert counts["runs"] >= 10_000
    assert {name for name in WANTED if counts[name] < 1_000} == set(), counts


def test_the_limits_of_every_random_bar_are_those_it_was_drawn_in() -> None:
    for seed in range(40):
        world = random_world(seed)
        drawn = world.up > 0
        assert drawn.sum() > 50
        assert np.array_equal(world.market.limit_up[drawn], world.up[drawn])
        assert np.array_equal(world.market.limit_down[drawn], world.down[drawn])


def test_a_fen_that_is_not_in_the_tables_is_found() -> None:
    world = random_world(3)
    for table, column in (("_fills", 5), ("_corporate", 4), ("_equity", 2)):
        done, _, options = run_of(world, 3)
        rows = getattr(done.broker.ledger, table)
        row = list(rows[-1])
        row[column] += 1
        rows[-1] = tuple(row)
        with pytest.raises(AssertionError):
            replay(done, world, options)


# -- no look ahead ----------------------------------------------------------------------------------


def known_by(done: Simulation, t: int) -> list[Any]:
    """All that the tables say of sessions up to ``t`` that nothing later may change."""
    ledger = done.broker.ledger
    until = done.market.sessions[t].astype("datetime64[ms]")
    refusals = ledger.refusals_frame()[["date", "order_id", "symbol", "side", "reason"]]
    orders = ledger.orders_frame(done.broker.orders)
    ended = orders["closed_date"] <= until
    orders.loc[~ended, ["status", "wanted", "done"]] = None
    orders.loc[~ended, "closed_date"] = np.datetime64("NaT", "ms")
    equity = ledger.equity_frame()[["date", "value", "cash", "interest", "deposit", "withdrawable"]]
    tables = (ledger.fills_frame(), refusals, orders, equity, ledger.positions_frame(), ledger.corporate_frame())
    return [frame[frame["date"] <= until].reset_index(drop=True) for frame in tables]


def twins(seed: int, strategy: type = Chaos) -> tuple[bool, bool]:
    """Whether two worlds that differ after a session give the same up to it, and the same in the end."""
    t = 4 + seed % (SESSIONS - 6)
    world, other = random_world(seed, after=t), random_world(seed, after=t, other=seed + 1)
    table = random_successors(world, seed)
    runs = [random_run(one, seed, table, strategy)[0] for one in (world, other)]
    first, second = (known_by(run, t) for run in runs)
    same = all(len(one) == len(two) == 0 or one.equals(two) for one, two in zip(first, second, strict=True))
    return same, runs[0].broker.getvalue() == runs[1].broker.getvalue()


def hold_twins(examples: int) -> None:
    in_the_end: list[bool] = []

    @settings(EVERY, max_examples=examples)
    @given(SEEDS)
    def holds(seed: int) -> None:
        same, same_later = twins(seed)
        assert same
        in_the_end.append(same_later)

    holds()
    assert np.mean(in_the_end) < 0.3, "the worlds hardly differ"


def test_nothing_up_to_a_session_depends_on_prices_events_or_limits_after_it() -> None:
    hold_twins(60)


@pytest.mark.slow
def test_nothing_up_to_a_session_depends_on_anything_after_it_in_two_thousand_worlds() -> None:
    hold_twins(2_000)


class Prophet(Chaos):
    """Prices its orders with the next session's close."""

    def price(self, i: int) -> float:
        mark = self.broker.market.mark
        close = float(mark[min(self.known + 1, len(mark) - 1), i])
        return close if close == close else 10.0


def test_a_strategy_that_peeks_is_caught_by_the_same_comparison() -> None:
    assert not all(twins(seed, Prophet)[0] for seed in range(12))
