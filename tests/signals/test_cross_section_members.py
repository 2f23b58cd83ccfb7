"""Factors that compare stocks with each other compare members of the day: who joins an index later is not told."""

from __future__ import annotations

import numpy as np
import pytest

from engine.market import Market
from feeds.store import open_market
from signals.factors.fama_french import daily_factors
from signals.factors.panel import FactorPanel, month_ends
from signals.factors.registry import get

DATA = "synthetic:stocks=200,seed=5"
SPAN = {"start": "2015-01-05", "end": "2016-06-30"}


@pytest.fixture(scope="module")
def later_and_never() -> tuple[Market, Market]:
    """The same market twice; in the first a third of the stocks are members only after the middle, and in the other
    their quantities are ten times as large until then."""
    one, other = (open_market(DATA, universe="all", **SPAN) for _ in range(2))
    late, half = np.arange(len(one.symbols)) % 3 == 0, len(one.sessions) // 2
    for market in (one, other):
        market.member = market.member.copy()
        market.member[:half, late] = 0
    other.total_shares, other.float_shares = other.total_shares.copy(), other.float_shares.copy()
    other.total_shares[:half, late] *= 10.0
    other.float_shares[:half, late] *= 10.0
    return one, other


@pytest.mark.parametrize("name", ["mid_cap", "bp_to_industry", "sp_to_industry"])
def test_stocks_that_are_no_members_yet_change_nothing_for_those_that_are(
    later_and_never: tuple[Market, Market], name: str
) -> None:
    one, other = later_and_never
    rows = month_ends(one.sessions)
    members = (one.member[rows] > 0) & (rows < len(one.sessions) // 2)[:, None]
    first, second = (get(name)(FactorPanel(market, rows)) for market in (one, other))
    assert np.isfinite(first[members]).mean() > 0.7
    assert np.array_equal(first[members], second[members], equal_nan=True)


def test_the_factors_of_fama_and_french_are_formed_from_members(later_and_never: tuple[Market, Market]) -> None:
    one, other = later_and_never
    half = len(one.sessions) // 2
    last = int(month_ends(one.sessions[:half])[-2])
    for first, second in zip(*(daily_factors(FactorPanel(market)) for market in (one, other)), strict=True):
        assert np.isfinite(first[30:last]).all()
        assert np.array_equal(first[:last], second[:last], equal_nan=True)
