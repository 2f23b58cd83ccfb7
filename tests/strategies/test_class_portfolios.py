"""Portfolios of predicted classes against an example worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from small_market import market_of

from engine.errors import ConfigError, StrategyError
from engine.fees import ZeroFees
from engine.simulation import simulate
from signals.base import Signal
from strategies.class_portfolios import ClassPortfolio, class_members

A, B, C, D = "600000.SH", "600001.SH", "600002.SH", "600003.SH"

SCORES = pd.DataFrame(
    {
        "score": [0.3, -0.5, 0.0, 0.1], "p_-1": [0.2, 0.7, 0.4, 0.3], "p_0": [0.3, 0.1, 0.4, 0.3],
        "p_1": [0.5, 0.2, 0.2, 0.4],
    },
    index=[A, B, C, D],
)  # fmt: skip


class Classes(Signal):
    def predict(self, view: Any) -> pd.DataFrame:
        return SCORES


@pytest.mark.parametrize(("label", "expected"), [(1.0, [A, D]), (0.0, []), (-1.0, [B, C])])
def test_a_stock_belongs_to_its_most_active_class_and_of_equal_ones_to_the_lowest(
    label: float, expected: list[str]
) -> None:
    assert class_members(SCORES, label) == expected


@pytest.mark.parametrize(
    ("label", "share", "expected"),
    [(1.0, 0.5, [A, D]), (0.0, 0.5, [C, A]), (-1.0, 0.75, [B, C, D]), (-1.0, 0.1, [B]), (0.0, 0.3, [C])],
)
def test_by_activation_the_share_in_which_the_class_is_most_active_is_taken(
    label: float, share: float, expected: list[str]
) -> None:
    assert class_members(SCORES, label, "activation", share) == expected


def test_the_account_holds_a_class_in_equal_weights() -> None:
    market = market_of({A: [10.0] * 3, B: [20.0] * 3, C: [5.0] * 3, D: [25.0] * 3})
    options: dict[str, Any] = {"signal": Classes(), "rebalance": "5D", "cash": 100_000.0, "fees": ZeroFees()}
    up = simulate(market, ClassPortfolio, {"label": 1}, **options)
    assert up.broker.shares.tolist() == [5000, 0, 0, 2000]
    active = simulate(market, ClassPortfolio, {"label": -1.0, "by": "activation", "share": 0.5}, **options)
    assert active.broker.shares.tolist() == [0, 2500, 10000, 0]
    none = simulate(market, ClassPortfolio, {"label": 0.0}, **options)
    assert none.broker.shares.tolist() == [0, 0, 0, 0]


def test_a_class_that_the_scores_do_not_have_is_refused_with_those_that_they_have() -> None:
    with pytest.raises(StrategyError, match="holds class 2, and the scores have the classes -1, 0, 1"):
        class_members(SCORES, 2.0)
    with pytest.raises(StrategyError, match="the scores have no classes"):
        class_members(SCORES[["score"]], 1.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"by": "predicted"}, "did you mean 'prediction'"), ({"share": 0.0}, "share=0.0")],
)
def test_bad_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(market_of({A: [10.0] * 3}), ClassPortfolio, params, signal=Classes(), rebalance="5D")
