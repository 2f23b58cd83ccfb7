"""What the broker relies on, held against every built-in fee model."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from engine import plugins
from engine.config import PluginConfig
from engine.day_fees import DayFees

NAMES = sorted(plugins.BUILTINS["fees"])
DAYS = ["1990-12-19", "2002-04-30", "2008-09-18", "2012-05-31", "2015-07-31", "2022-04-28", "2023-08-28", "2030-01-02"]


def model(name: str) -> Any:
    return plugins.build("fees", PluginConfig(name=name, params={"commission": 0.001} if name == "percentage" else {}))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_charges_by_position_and_returns_four_amounts_that_are_never_negative(name: str) -> None:
    for day in DAYS:
        charge = model(name).on(np.datetime64(day)).charge
        assert list(inspect.signature(charge).parameters) == list(inspect.signature(DayFees.charge).parameters)[1:]
        for exchange in ("SH", "SZ", "BJ"):
            for is_buy in (True, False):
                first = charge(exchange, is_buy, 1_234_567, 300, 0, 0, 0, 0)
                more = charge(exchange, is_buy, 7_654_321, 1_900, 1_234_567, first[0], 300, first[2])
                assert len(first) == len(more) == 4
                assert all(amount >= 0 for amount in (*first, *more))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "percentage"])
def test_a_model_with_whole_fen_charges_the_parts_of_an_order_what_the_whole_costs(name: str) -> None:
    """Commission exactly; the rest to the rounding of each part."""
    for day in DAYS:
        charge = model(name).on(np.datetime64(day)).charge
        for value, shares in ((80_000, 100), (1_234_500, 900), (90_000_300, 30_000)):
            whole = charge("SH", False, 3 * value, 3 * shares)
            assert all(type(amount) is int for amount in whole)
            order: tuple[int, ...] = (0, 0, 0, 0)
            sums = [0, 0, 0, 0]
            for _ in range(3):
                fee = charge("SH", False, value, shares, *order)
                sums = [a + b for a, b in zip(sums, fee, strict=True)]
                order = (order[0] + value, order[1] + fee[0], order[2] + shares, order[3] + fee[2])
            assert sums[0] == whole[0]
            assert max(abs(a - b) for a, b in zip(sums, whole, strict=True)) <= 4


@pytest.mark.parametrize("name", NAMES)
def test_a_model_says_in_one_phrase_what_it_charges(name: str) -> None:
    text = model(name).describe()
    assert text and "\n" not in text and not text.endswith(".")
