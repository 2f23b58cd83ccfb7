"""Many portfolios in one pass: each ends to the fen where a run of its own ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from random_markets import random_world
from small_market import market_of

from engine.errors import ConfigError, RuleError
from engine.fees import PaperTwoFees
from engine.ledger import Ledger
from engine.portfolio_ledger import PortfolioLedger
from engine.portfolios_broker import PortfoliosBroker
from engine.rules import Rules
from engine.simulation import Simulation, simulate
from engine.slippage import BasisPoints
from engine.undated_fees import PercentageFees, ZeroFees
from strategies.portfolios import PortfoliosStrategy

COUNT = 3


class Shuffled(PortfoliosStrategy):
    """Random weights of random stocks, anew at every decision, by session and portfolio alone."""

    params = (("seed", 0), ("count", COUNT))

    def names(self) -> list[str]:
        return [f"p{k}" for k in range(self.p.count)]

    def portfolios(self, scores: Any, view: Any) -> dict[str, dict[str, float]]:
        found = {}
        for k in range(self.p.count):
            rng = np.random.default_rng([self.p.seed, view.t, k])
            chosen = rng.permutation(view.symbols)[: int(rng.integers(0, len(view.symbols) + 1))]
            spare = int(rng.random() < 0.3)
            weights = rng.dirichlet(np.ones(len(chosen) + spare))[: len(chosen)] if len(chosen) + spare else []
            found[f"p{k}"] = dict(zip(chosen.tolist(), np.asarray(weights).tolist(), strict=True))
        return found


def closes(ledger: PortfolioLedger | Ledger) -> list[tuple[int, ...]]:
    """Session, value, cash, interest, settled cash and receivables after each close, fen."""
    if isinstance(ledger, Ledger):
        return [(t, value, cash, interest, *rest) for t, value, cash, interest, _, *rest in ledger._equity]
    return list(zip(*(column.tolist() for column in ledger.closes().values()), strict=True))


def assert_same(many: Simulation, name: str, one: Simulation) -> Counter[str]:
    """Equity, refusals, fills and corporate actions of a portfolio and of a run of its own."""
    mine, theirs = many.broker.ledgers()[name], one.broker.ledger
    assert closes(mine) == closes(theirs), name
    assert mine.corporate_frame().equals(theirs.corporate_frame()), name
    ours, other = (
        ledger.refusals_frame().sort_values(["date", "order_id", "reason", "outcome"]).reset_index(drop=True)
        for ledger in (mine, theirs)
    )
    assert ours.equals(other), name
    columns, fills = mine.fill_columns(), theirs.fills_frame()
    assert many.market.symbol_array[columns["stock"]].tolist() == fills["symbol"].tolist()
    assert np.abs(columns["shares"]).tolist() == fills["shares"].tolist()
    assert columns["price"].tolist() == fills["price"].tolist()
    assert columns["order"].tolist() == fills["order_id"].tolist()
    for fee in ("commission", "stamp_duty", "transfer_fee", "other_fees"):
        assert (columns[fee] / 100.0).tolist() == fills[fee].tolist()
    seen = Counter(other["reason"].tolist()) | Counter(theirs.corporate_frame()["kind"].tolist())
    return seen + Counter({type(mine).__name__: len(fills)})


def compare(seed: int, **options: Any) -> Counter[str]:
    market = random_world(seed).market
    many = simulate(market, Shuffled, {"seed": seed}, broker=PortfoliosBroker, **options)
    seen: Counter[str] = Counter()
    for name in many.broker.names:
        one = simulate(market, Shuffled, {"seed": seed, "portfolio": name}, **options)
        seen += assert_same(many, name, one)
    return seen


def test_portfolios_in_one_pass_agree_with_separate_runs_to_the_fen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        seen += compare(
            seed, rebalance=["1D", "1W"][seed % 2], cash=float(rng.choice([2e4, 2e5, 1e7])),
            cash_rate=0.02 * (seed % 3), fill=["next_open", "next_close"][seed // 2 % 2],
        )  # fmt: skip
    # What the worlds are full of must have happened.
    for kind in ("PortfolioLedger", "SUSPENDED", "LIMIT_UP", "LIMIT_DOWN", "CASH", "LOT", "DIVIDEND", "DELISTED"):
        assert seen[kind] > 5, (kind, seen)
    assert seen["DIVIDEND_TAX"] and seen["BONUS"]


@pytest.mark.parametrize(
    "options",
    [
        {"rules": Rules(unfilled="drop")},
        {"rules": Rules(size_at="fill")},
        {"rules": Rules(short_cash="refuse", lots=False)},
        {"rules": Rules(holder="none", t_plus_one=False, price_limits=False)},
        {"rules": Rules(limit_fills="touched")},
        {"slippage": BasisPoints(bps=7)},
        {"fees": PercentageFees(commission=0.001)},
        {"fees": PaperTwoFees()},
        {"fees": ZeroFees(), "fill": "same_close"},
    ],
    ids=["drop", "size-at-fill", "refuse", "few-rules", "touched", "slippage", "percentage", "minima", "same-close"],
)
def test_they_agree_under_other_rules_fees_and_slippage(options: dict[str, Any]) -> None:
    assert compare(11, rebalance="1W", cash=3e5, **options)["PortfolioLedger"] >= 0


def test_large_orders_are_filled_in_parts_as_in_a_run_of_their_own() -> None:
    market = market_of({"688001.SH": [10.0] * 6, "600001.SH": [5.0] * 6}, volume=1e9)
    options: dict[str, Any] = {"rebalance": "1D", "cash": 5e7}
    many = simulate(market, Shuffled, {"seed": 5}, broker=PortfoliosBroker, **options)
    for name in many.broker.names:
        assert_same(many, name, simulate(market, Shuffled, {"seed": 5, "portfolio": name}, **options))
    largest = max(abs(one.fill_columns()["shares"]).max(initial=0) for one in many.broker.ledgers().values())
    assert largest == 1_000_000  # of 600001; a holding of 50 million yuan is ten such orders


def test_the_signal_scores_once_a_decision_for_all_portfolios() -> None:
    asked = []

    class Once:
        def predict(self, view: Any) -> Any:
            asked.append(view.t)
            return view.scores(view.close[-1])

    market = random_world(3).market
    simulate(market, Shuffled, {"seed": 3}, signal=Once(), rebalance="1W", broker=PortfoliosBroker)
    assert len(asked) == len(set(asked)) > 3


def test_single_orders_and_unknown_portfolios_are_refused_with_a_sentence() -> None:
    class Buys(Shuffled):
        def portfolios(self, scores: Any, view: Any) -> dict[str, dict[str, float]]:
            self.buy(data=self.market[view.symbols[0]], size=100)
            return {}

    class Unknown(Shuffled):
        def portfolios(self, scores: Any, view: Any) -> dict[str, dict[str, float]]:
            return {"p9": {}}

    market = market_of({"600001.SH": [10.0] * 6})
    with pytest.raises(RuleError, match="3 portfolios share this broker: send their weights"):
        simulate(market, Buys, rebalance="1D", broker=PortfoliosBroker)
    with pytest.raises(RuleError, match="there is no portfolio 'p9' on 2019-03-04"):
        simulate(market, Unknown, rebalance="1D", broker=PortfoliosBroker)
    with pytest.raises(ConfigError, match="Shuffled has no portfolio 'p7'"):
        simulate(market, Shuffled, {"portfolio": "p7"}, rebalance="1D")
