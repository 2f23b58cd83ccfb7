"""Corporate actions on raw prices: what a holding becomes on its ex-date.

An event is booked as it stands only where its own numbers agree with the exchange's reference price,
``|share_ratio * preclose + cash - prev_close| <= max(0.01 * share_ratio, 0.002 * prev_close)``. All
others (rights issues, asset swaps, relistings, share counts that step on another day) are booked
value-neutral: whole shares by ``factor_ratio``, the rest in cash at the reference price.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.market import Market

DIVIDEND = "DIVIDEND"
BONUS = "BONUS"
UNRESOLVED = "UNRESOLVED"
DELISTING = "DELISTED"

_RATIO_DIGITS = 5
"""Share ratios come from share counts rounded upstream: 1.2999997 is 1.3."""

_ELSEWHERE = 0.005
"""A share count that steps this little on a dividend's ex-date (cancelled awards, exercised options)
concerns other holders when the dividend alone explains the reference price."""


class Event(NamedTuple):
    """One ex-date of one stock; yuan a share before tax and shares after per share before."""

    i: int
    prev_close: float
    preclose: float
    factor_ratio: float
    share_ratio: float
    cash: float


class Effect(NamedTuple):
    """What an event does to a holding: shares added and fen paid."""

    kind: str
    shares: int
    cash_fen: int
    fraction: float


def is_plain(event: Event) -> bool:
    """Whether cash and share ratio explain the reference price (a dividend or bonus issue)."""
    if not (math.isfinite(event.share_ratio) and math.isfinite(event.cash)):
        return False
    if event.cash < 0.0:
        return False
    gap = abs(event.share_ratio * event.preclose + event.cash - event.prev_close)
    return gap <= max(0.01 * event.share_ratio, 0.002 * event.prev_close)


def holder_ratio(event: Event) -> float:
    """Shares after per share before, as every holder sees it."""
    if not is_plain(event):
        return event.factor_ratio if math.isfinite(event.factor_ratio) and event.factor_ratio > 0 else 1.0
    if abs(event.share_ratio - 1.0) < _ELSEWHERE and abs(event.preclose + event.cash - event.prev_close) < 0.0101:
        return 1.0
    return round(event.share_ratio, _RATIO_DIGITS)


def effects(event: Event, shares: int) -> list[Effect]:
    """Effects of ``event`` on a holding of ``shares``; whole shares, dropped fractions reported."""
    if is_plain(event):
        found = []
        ratio = holder_ratio(event)
        if ratio != 1.0:
            exact = shares * ratio
            whole = math.floor(exact + 1e-6)
            found.append(Effect(BONUS, whole - shares, 0, max(exact - whole, 0.0)))
        if event.cash > 0.0:
            found.append(Effect(DIVIDEND, 0, math.floor(shares * event.cash * 100.0 + 0.5), 0.0))
        return found
    if not (math.isfinite(event.factor_ratio) and event.factor_ratio > 0 and event.preclose > 0):
        return []
    exact = shares * event.factor_ratio
    whole = math.floor(exact)
    rest = math.floor((exact - whole) * event.preclose * 100.0 + 0.5)
    return [Effect(UNRESOLVED, whole - shares, rest, 0.0)]


class EventBook:
    """The market's events by session."""

    def __init__(self, market: Market) -> None:
        columns = market.events
        self._by_session: dict[int, list[Event]] = {}
        rows = zip(*(columns[name].tolist() for name in ("t", "i", *Event._fields[1:])), strict=True)
        for t, *values in rows:
            self._by_session.setdefault(int(t), []).append(Event(int(values[0]), *values[1:]))
        leaving = np.flatnonzero(market.delisted)
        self._delistings: dict[int, list[int]] = {}
        for i in leaving.tolist():
            self._delistings.setdefault(int(market.last_session[i]) + 1, []).append(i)

    def on(self, t: int) -> list[Event]:
        """Events whose ex-date is session ``t``."""
        return self._by_session.get(t, [])

    def delisted_on(self, t: int) -> list[int]:
        """Stocks that session ``t`` finds gone from the market."""
        return self._delistings.get(t, [])
