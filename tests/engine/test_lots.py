"""Lots of many stocks at once equal those of one."""

from __future__ import annotations

import numpy as np

from engine.lots import LotArrays, legal_buys, legal_sells
from engine.rules import LotRule, legal_buy, legal_sell

RULES = [LotRule(100, 100), LotRule(200, 1), LotRule(100, 1)]


def test_legal_lots_of_arrays_are_those_of_single_orders() -> None:
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, len(RULES), 3_000)
    held, shares = rng.integers(0, 1_200, (2, 3_000))
    lots = LotArrays(*np.array([(*RULES[k], 10**6) for k in kinds]).T)
    for k, buy, sale in zip(range(3_000), legal_buys(shares, lots), legal_sells(shares, held, lots), strict=True):
        rule = RULES[kinds[k]]
        assert buy == legal_buy(int(shares[k]), rule)
        assert sale == legal_sell(int(shares[k]), int(held[k]), rule)
