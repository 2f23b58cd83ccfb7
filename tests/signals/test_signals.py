"""The built-in signals by hand-computed figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from engine.errors import ConfigError
from engine.market import Market
from signals.low_turnover import LowTurnover
from signals.momentum import Momentum
from signals.reversal import Reversal
from signals.small_cap import SmallCap

NAN = float("nan")
A, B = "600000.SH", "600001.SH"


def view(**fields: Any) -> Any:
    close = np.array(fields.pop("close"), dtype=float)
    raw = {name: close for name in ("open", "high", "low", "close")}
    raw |= {name: np.array(values, dtype=float) for name, values in fields.items() if name != "member"}
    days = np.busday_offset(np.datetime64("2019-03-04"), np.arange(len(close))).astype("datetime64[D]")
    return Market.build(days, [A, B], raw, member=fields.get("member")).view(len(close) - 1)


def test_reversal_is_minus_the_total_return_over_the_window() -> None:
    # B pays a dividend in between: its factor steps, so its total return is 0
    seen = view(close=[[10, 20], [11, 20], [12, 16]], adj_factor=[[1, 1], [1, 1], [1, 1.25]])
    assert Reversal(window=2).predict(seen)["score"].to_dict() == pytest.approx({A: -0.2, B: 0.0})


def test_momentum_skips_the_last_sessions() -> None:
    seen = view(close=[[10, 20], [15, 10], [99, 99]])
    assert Momentum(window=2, skip=1).predict(seen)["score"].to_dict() == pytest.approx({A: 0.5, B: -0.5})


def test_small_cap_is_minus_the_log_of_float_or_total_value() -> None:
    seen = view(close=[[10, 20]], float_shares=[[100, 10]], total_shares=[[100, 1000]])
    assert SmallCap().predict(seen)["score"].to_dict() == pytest.approx({A: -math.log(1000), B: -math.log(200)})
    assert SmallCap(shares="total").predict(seen)["score"][B] == pytest.approx(-math.log(20_000))


def test_low_turnover_leaves_out_missing_sessions_and_stocks_with_too_few() -> None:
    seen = view(close=[[10, 20]] * 4, turnover=[[0.01, NAN], [NAN, NAN], [0.03, NAN], [0.02, 0.05]])
    assert LowTurnover(window=4).predict(seen)["score"].to_dict() == pytest.approx({A: -0.02})


def test_stocks_without_history_outside_the_universe_or_suspended_have_no_score() -> None:
    seen = view(close=[[10, NAN], [11, 20]])
    assert Reversal(window=1).predict(seen).index.tolist() == [A]
    assert Reversal(window=5).predict(seen).empty
    member = np.array([[1, 0], [1, 0]], dtype=np.uint8)
    assert SmallCap().predict(
        view(close=[[10, 5], [11, 5]], float_shares=[[1, 1], [1, 1]], member=member)
    ).index.tolist() == [A]


@pytest.mark.parametrize(
    ("signal", "lookback"), [(Reversal(), 21), (Momentum(), 241), (SmallCap(), 1), (LowTurnover(window=7), 7)]
)
def test_signals_declare_what_they_read_and_do_not_change(signal: Any, lookback: int) -> None:
    assert signal.lookback == lookback
    with pytest.raises(ValidationError):
        signal.window = 3
    with pytest.raises(ConfigError, match="has no parameter 'windw'"):
        type(signal)(windw=3)
