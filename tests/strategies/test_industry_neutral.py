"""Industry-neutral portfolios against an example worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import NAN, market_of

from engine.errors import ConfigError, DataError
from engine.fees import ZeroFees
from engine.market import Market
from engine.simulation import Simulation, simulate
from signals.base import Signal
from strategies.industries import float_values, industry_weights
from strategies.industry_neutral import IndustryNeutral

A, B, C, D, E = "600000.SH", "600001.SH", "600002.SH", "600003.SH", "600004.SH"


class Tables:
    """Industries and members as of any day: A, B, C are banks, D and E make steel; A, B, D are members of four."""

    industries = ("bank", "bank", "bank", "steel", "steel")
    inside = (True, True, False, True, False)

    def as_of(self, table: str, column: str, days: np.ndarray) -> np.ndarray:
        assert (table, column) == ("industry_sw_history", "l1_name")
        return np.array([self.industries] * len(days), dtype=object)

    def members(self, index: str, days: np.ndarray) -> np.ndarray:
        return np.array([self.inside] * len(days))

    def member_count(self, index: str, days: np.ndarray) -> np.ndarray:
        return np.full(len(days), 4)


class Fixed(Signal):
    scores: dict[str, float] = {}

    def predict(self, view: Any) -> pd.DataFrame:
        return pd.DataFrame({"score": pd.Series(self.scores, dtype=float)})


def market(**closes: list[float]) -> Market:
    prices = {A: [10.0] * 3, B: [10.0] * 3, C: [10.0] * 3, D: [10.0] * 3, E: [10.0] * 3}
    made = market_of(prices | {globals()[name]: values for name, values in closes.items()})
    # float values of the members: A 30, B 30, D 40
    for field, values in (("float_shares", [3.0, 9.0, 5.0, 4.0, 1.0]), ("total_shares", [3.0, 3.0, 5.0, 4.0, 1.0])):
        array = np.tile(np.array(values), (3, 1))
        array[np.isnan(made.close)] = NAN
        setattr(made, field, array)
    made.tables = Tables()
    return made


def play(scores: dict[str, float], made: Market | None = None, **params: Any) -> Simulation:
    options: dict[str, Any] = {"rebalance": "5D", "cash": 100_000.0, "fees": ZeroFees()}
    return simulate(made or market(), IndustryNeutral, params, signal=Fixed(scores=scores), **options)


def weights(done: Simulation) -> dict[str, float]:
    frame = done.broker.baskets.targets_frame()
    return dict(zip(frame["symbol"], frame["weight"].round(9), strict=True))


ALL = {A: 1.0, B: 5.0, C: 4.0, D: 2.0, E: 3.0}


def test_each_industry_has_the_benchmarks_weight_and_its_names_share_it_equally() -> None:
    # the float of B, 9, is cut to its total, 3: banks 60 of 100, steel 40
    assert weights(play(ALL, each=2)) == {B: 0.3, C: 0.3, D: 0.2, E: 0.2}
    assert weights(play(ALL, each=1)) == {B: 0.6, E: 0.4}


def test_an_industry_with_fewer_names_holds_those_there_are() -> None:
    assert weights(play({A: 1.0, B: 5.0, C: 4.0, D: 2.0}, each=3)) == {B: 0.2, C: 0.2, A: 0.2, D: 0.4}


def test_an_industry_without_a_scored_stock_gives_its_weight_to_the_others() -> None:
    assert weights(play({A: 1.0, B: 5.0}, each=1)) == {B: 1.0}


def test_a_suspended_member_weighs_with_its_last_known_float() -> None:
    halted = market(B=[10.0, NAN, NAN])
    view = halted.view(1)
    assert float_values(view).tolist() == [30.0, 30.0, 50.0, 40.0, 10.0]
    assert industry_weights(view, "csi300") == ({"bank": 0.6, "steel": 0.4}, 0.75)


def test_the_notes_call_the_weights_a_proxy_and_state_their_coverage() -> None:
    (note,) = play(ALL).strategy.run_notes()
    assert "csi300 are a proxy" in note and "75.0 % of them" in note  # three of four members are here


def test_without_members_in_the_market_there_are_no_industry_weights() -> None:
    made = market()
    made.tables.inside = (False,) * 5
    with pytest.raises(DataError, match="no member of csi300 is in this market on 2019-03-04"):
        play(ALL, made)


def test_an_unknown_industry_is_neither_held_nor_counted() -> None:
    made = market()
    made.tables.industries = ("bank", None, "bank", "steel", None)
    assert weights(play(ALL, made, each=2)) == {C: round(3 / 14, 9), A: round(3 / 14, 9), D: round(4 / 7, 9)}


def test_holding_no_name_each_is_refused() -> None:
    with pytest.raises(ConfigError, match="asked for 0 names each"):
        play(ALL, each=0)


def test_the_industries_of_all_stocks_weigh_with_every_listed_stock() -> None:
    found = industry_weights(market().view(1), "all")  # A 30, B 30, C 50 are banks, D 40 and E 10 make steel
    assert found.weights == pytest.approx({"bank": 110.0 / 160.0, "steel": 50.0 / 160.0}) and found.coverage == 1.0
