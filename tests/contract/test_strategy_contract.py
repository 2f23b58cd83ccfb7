"""The contract of strategies: kept by every built-in one, and broken, with a word of advice, by those that leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import leaking_strategies
import pytest

from engine import plugins
from engine.config import PluginConfig
from signals.contract.checks import failures
from signals.contract.market import Source
from strategies.contract import audit

SOURCE = Source("synthetic:stocks=40,seed=11,start=2012-01-01,end=2013-12-31", benchmark="000905")
NO_SIGNAL = PluginConfig(name="")
PARAMETERS: dict[str, dict[str, Any]] = {"top-n": {"hold": 8}, "industry-neutral": {"each": 1, "index": "csi500"}}
CLASSES = PluginConfig(name=f"{Path(__file__).parents[1]}/support/class_scores.py")


def leaks(name: str, **options: Any) -> list[str]:
    cls = getattr(leaking_strategies, name)
    return failures(audit(cls, signal=NO_SIGNAL, source=SOURCE, options=options))


@pytest.mark.parametrize("name", sorted(plugins.BUILTINS["strategy"]))
def test_every_built_in_strategy_keeps_the_contract(name: str) -> None:
    if name == "mean-variance":
        pytest.importorskip("cvxpy")
    signal = CLASSES if name == "class-portfolios" else None
    checks = audit(plugins.resolve("strategy", name), PARAMETERS.get(name), signal=signal, source=SOURCE)
    assert failures(checks) == []
    assert sum(check.status == "passed" for check in checks) >= 5


@pytest.mark.parametrize("fill", ["next_close", "same_close"])
def test_it_is_kept_whenever_orders_fill(fill: str) -> None:
    checks = audit(plugins.resolve("strategy", "top-n"), {"hold": 8}, source=SOURCE, options={"fill": fill})
    assert failures(checks) == []


@pytest.mark.parametrize("rebalance", ["1D", "1W", "1M"])
def test_reading_the_market_past_the_view_is_caught(rebalance: str) -> None:
    (found,) = leaks("ReadsTomorrow", rebalance=rebalance)
    assert found.startswith("noise after t leaves all orders and weights up to t as they are: with all after 201")
    assert "read the market through the view" in found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AsksForALaterView", "was asked for when only closes up to 2012-01-31 are known"),
        ("CountsItsRuns", "a second run differs: the targets of"),
        ("GoesThroughASet", "another process has other targets; go through symbols in a fixed order"),
        ("OrdersTooMuch", "weights that sum to 1.200000"),
        ("NeverTrades", "no order is sent from 2012-"),
        ("NeedsEveryBar", "NeedsEveryBar raised ValueError (cannot convert float NaN to integer) at line"),
    ],
)
def test_what_breaks_the_contract_is_named_with_what_to_do(name: str, said: str) -> None:
    assert any(said in text for text in leaks(name)), leaks(name)


def test_a_strategy_of_plain_backtrader_is_held_to_its_orders() -> None:
    import backtrader as bt

    source = Source("synthetic:stocks=40,seed=11,start=2012-01-01,end=2012-12-31")
    symbol = source.open().symbols[0]

    class BuysOne(bt.Strategy):
        def next(self) -> None:
            if len(self) % 20 == 1:
                self.order_target_percent(self.broker.market[symbol], target=0.5 if len(self) % 40 == 1 else 0.0)

    checks = audit(BuysOne, source=source)
    assert failures(checks) == []
    assert {check.name.split(",")[0]: check.status for check in checks}["weights are finite"] == "skipped"
