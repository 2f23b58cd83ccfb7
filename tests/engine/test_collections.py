"""A sweep of runs does not keep the garbage of the earlier ones."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from small_market import market_of, play

A = "600000.SH"


def test_a_sweep_lets_go_of_the_markets_of_its_earlier_runs() -> None:
    kept: list[weakref.ref[Any]] = []
    for k in range(60):
        done = play(market_of({A: [10.0 + k] * 5}), {0: lambda s: s.buy(data=s.market[A], size=100)})
        kept.append(weakref.ref(done.market))
        del done
    alive = sum(ref() is not None for ref in kept)
    assert alive <= 25


def test_a_run_leaves_the_collectors_settings_as_they_were() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    play(market_of({A: [10.0] * 5}), {})
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)
