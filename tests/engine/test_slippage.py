"""Slippage models."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.slippage import BasisPoints, FixedSlippage, NoSlippage, Ticks, VolumeShare


@pytest.mark.parametrize(
    ("model", "buy", "sell"),
    [
        (NoSlippage(), 20.0, 20.0),
        (FixedSlippage(yuan=0.05), 20.05, 19.95),
        (BasisPoints(bps=10), 20.02, 19.98),
        (Ticks(), 20.01, 19.99),
        (Ticks(ticks=3), 20.03, 19.97),
        # 5 % of the volume at impact 0.1: 0.1 x 0.0025 = 0.00025
        (VolumeShare(), 20.005, 19.995),
        (VolumeShare(impact=0.8), 20.04, 19.96),
    ],
)
def test_buys_pay_more_and_sales_get_less(model: Any, buy: float, sell: float) -> None:
    assert model.price(True, 20.0, 5_000, 100_000.0) == pytest.approx(buy, abs=1e-12)
    assert model.price(False, 20.0, 5_000, 100_000.0) == pytest.approx(sell, abs=1e-12)
    assert model.describe()


def test_impact_grows_with_the_square_of_the_share_of_volume() -> None:
    model = VolumeShare(impact=0.2)
    small, large = (model.price(True, 10.0, shares, 1e6) - 10.0 for shares in (10_000, 30_000))
    assert large / small == pytest.approx(9.0)


def test_only_volume_share_caps_what_a_session_can_take() -> None:
    for model in (NoSlippage(), FixedSlippage(yuan=0.01), BasisPoints(bps=5), Ticks()):
        assert model.max_shares(1_000.0) is None
    assert VolumeShare(cap=0.1).max_shares(12_345.0) == 1_234
    assert VolumeShare(cap=0.29).max_shares(100.0) == 29  # 28.999999999999996 in floats
    assert VolumeShare(cap=1).max_shares(100.0) == 100


def test_sessions_without_a_volume_are_neither_capped_nor_divided_by() -> None:
    model = VolumeShare()
    assert model.max_shares(0.0) == 0
    assert model.max_shares(math.nan) == 0
    assert model.max_shares(math.inf) is None  # the feed has no volumes
    for volume in (0.0, math.nan, math.inf):
        assert model.price(True, 10.0, 100, volume) == 10.0


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: FixedSlippage(yuan=-0.01), "yuan"),
        (lambda: FixedSlippage(yuan=math.nan), "yuan"),
        (lambda: FixedSlippage(yuan=math.inf), "yuan"),
        (lambda: FixedSlippage(yuan="0.01"), "yuan"),  # type: ignore[arg-type]
        (lambda: BasisPoints(bps=-1), "bps"),
        (lambda: BasisPoints(bps=10_000), "bps"),
        (lambda: Ticks(ticks=-1), "ticks"),
        (lambda: Ticks(ticks=0.5), "ticks"),  # type: ignore[arg-type]
        (lambda: VolumeShare(cap=-0.1), "cap"),
        (lambda: VolumeShare(cap=0), "cap"),
        (lambda: VolumeShare(cap=10), "cap"),
        (lambda: VolumeShare(impact=-0.1), "impact"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make: Any, option: str) -> None:
    with pytest.raises(ConfigError, match=f"slippage option '{option}' is"):
        make()


def test_models_are_keyword_only_and_frozen() -> None:
    with pytest.raises(TypeError):
        BasisPoints(5)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        BasisPoints(bps=5).bps = 6  # type: ignore[misc]
