"""Panels on which the cache computes factors: whole histories, or the last bars alone where values are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.market import Market
from signals.factors.cache_book import Entry
from signals.factors.panel import FactorPanel
from signals.factors.recursions import WARM
from signals.factors.registry import Factor

_TAILS = (1, 128, 256, 512, 1024)
"""Bars of the panels of factors that read one bar or many; a few, so that what is packed serves many factors."""
_ALL = 1 << 30
"""Stands for the bars of a whole history."""


@dataclass
class Plan:
    """What is there of one factor: ``rows`` of its file, and the last row if that is right; ``kept`` are both."""

    one: Factor
    code: str
    entry: Entry | None = None
    rows: int = 0
    kept: int = 0
    tip: np.ndarray | None = None


class Panels:
    """Panels for the factors that are computed whole, and for those that only go on: no longer than they need."""

    def __init__(
        self,
        market: Market,
        rows: np.ndarray,
        states: Mapping[int, Mapping[str, np.ndarray]],
        series: Mapping[str, np.ndarray],
    ) -> None:
        self._market, self._rows, self._states, self._series = market, rows, states, series
        self._made: dict[tuple[int, int | None, int | None], FactorPanel] = {}

    def longest_first(self, factors: list[Factor], plans: Mapping[str, Plan]) -> list[Factor]:
        """Factors by the bars that they need, so that a shorter panel takes what a longer one has packed."""
        new = [one for one in factors if plans[one.name].kept < len(self._rows)]
        begins = {one.name: self._begin(one, plans[one.name]) for one in new}

        def bars(one: Factor) -> int:
            tail, since = begins.get(one.name, (None, None))
            return (tail or _ALL) + (since is not None)  # one that goes on after a session packs those behind it too

        return sorted(factors, key=bars, reverse=True)

    def of(self, one: Factor, plan: Plan) -> FactorPanel:
        tail, since = self._begin(one, plan)
        if (plan.kept, tail, since) not in self._made:
            for longer in self._made.values():
                longer.release()  # no factor after the longest needs it: its memory serves the next panel
            along = next(iter(self._made.values()), None)
            states = None if since is None else self._states[plan.entry.until]  # type: ignore[union-attr]
            self._made[plan.kept, tail, since] = FactorPanel(
                self._market, self._rows[plan.kept :], tail=tail, along=along, since=since, states=states,
                series=self._series,
            )  # fmt: skip
        return self._made[plan.kept, tail, since]

    def _begin(self, one: Factor, plan: Plan) -> tuple[int | None, int | None]:
        """Bars to pack, and the session of the states to go on from."""
        if not plan.kept or plan.entry is None or (one.lookback is None and not one.resumes):
            return None, None
        reach = 2 * WARM if one.lookback is None or one.resumes else one.lookback
        if not 1 < reach <= 2 * WARM:
            return next((most for most in _TAILS if reach <= most), reach), None
        # Those that read few bars go along with those that go on from states: both are made of the same.
        since = int(self._market.position_of(np.datetime64(plan.entry.until, "D"), "right")) - 1
        if since < self._rows[plan.kept]:
            return 2 * WARM, since
        return (None, None) if one.resumes else (2 * WARM, None)
