"""Every high and low of a market against the computed price limits.

A bar that leaves the limits which board, lasting state, age and date give is an exception. Most are told
beforehand: on the single days of :data:`engine.price_limits.STATES` (relisting, share reform and so on) there is
no limit. What is then still outside is classed by a rule of its own, or counted as unexplained.

Each rule is shown with all the bars it covers beside the few it explains: a rule that covers thousands of bars and
explains one would be no explanation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import DataError
from engine.market import Market
from engine.price_limits import FIRST_SINGLE_DAY, STATES, price_limits
from feeds.states import data_begin

UNEXPLAINED = "unexplained"

RULES: dict[str, str] = {
    "relisting": "first day after a suspended listing",
    "share_reform": "first session without the S mark",
    "offering": "N mark on a stock that is listed already",
    "no_offering": "first day of listing without N mark: by merger, or again",
    "delisting_first": "first day of a delisting period",
    "feed_limit": "the feed's own limit prices differ from the computed ones",
    "data_error": "the mean price amount / volume lies outside low and high",
    "stopped_before_data": "first bar of a stock that stopped trading before the data begin, for a reason not in them",
    "restructuring": "first bar after a stop, with an ex-date that no cash and share ratio explain",
}
"""The classes of exceptions: in which order they are tried, and what makes a bar belong to one."""

_ONE_FEN = 0.01
_PRICES = ("preclose", "open", "high", "low", "close")


@dataclass(frozen=True)
class LimitCheck:
    """Bars outside the limits of a market.

    Attributes
    ----------
    market : Market
    covered : dict of ndarray of bool, shape (T, N)
        Bars that each rule of :data:`RULES` covers.
    outside : ndarray of bool, shape (T, N)
        Bars with a high or low outside the limits of ordinary days.
    classes : dict of ndarray of bool, shape (T, N)
        The bars of ``outside`` by the first rule that covers them; the rest under :data:`UNEXPLAINED`, where a
        bar also counts that is inside the limits of ordinary days and outside the market's own.
    at_limit : ndarray of bool, shape (T, N)
        Bars with the high on the upper limit or the low on the lower one: limits that were too wide would not be
        met to the fen.
    """

    market: Market
    covered: Mapping[str, np.ndarray]
    outside: np.ndarray
    classes: Mapping[str, np.ndarray]
    at_limit: np.ndarray

    def period(self, first: np.datetime64, last: np.datetime64) -> dict[str, Any]:
        """Counts from ``first`` to ``last``.

        Returns
        -------
        dict
            ``first``, ``last`` (sessions), ``rows``, ``at_limit``, ``outside``, ``exceptions`` (by class),
            ``unexplained``, ``per_million`` (unexplained rows in a million), ``rules`` (by class: ``covers``,
            ``explains``, ``rule``).

        Raises
        ------
        DataError
            If the market has no session in the span.
        """
        sessions = self.market.sessions
        span = slice(int(np.searchsorted(sessions, first)), int(np.searchsorted(sessions, last, side="right")))
        if span.start >= span.stop:
            held = f"they hold {sessions[0]} to {sessions[-1]}"
            raise DataError(f"the data have no session from {first} to {last}; {held}")
        count = {name: int(bars[span].sum()) for name, bars in self.classes.items()}
        rows = int((~np.isnan(self.market.close[span])).sum())
        unexplained = count.pop(UNEXPLAINED)
        return {
            "first": str(sessions[span.start]),
            "last": str(sessions[span.stop - 1]),
            "rows": rows,
            "at_limit": int(self.at_limit[span].sum()),
            "outside": int(self.outside[span].sum()),
            "exceptions": {name: count[name] for name in RULES if count[name]},
            "unexplained": unexplained,
            "per_million": round(unexplained / rows * 1e6, 3) if rows else 0.0,
            "rules": {
                name: {"covers": int(self.covered[name][span].sum()), "explains": count[name], "rule": RULES[name]}
                for name in RULES
            },
        }

    def exceptions(self) -> list[dict[str, Any]]:
        """Every exception by date and symbol: its class, name of the state, and prices in yuan."""
        market = self.market
        found = []
        for name, bars in self.classes.items():
            for t, i in zip(*np.nonzero(bars), strict=True):
                down, up = market.limits(market.symbols[i], t)
                prices = {key: float(getattr(market, key)[t, i]) for key in _PRICES}
                found.append(
                    {
                        "date": str(market.sessions[t]), "symbol": market.symbols[i], "class": name,
                        "state": STATES[market.state[t, i]], **prices, "limit_down": down, "limit_up": up,
                    }  # fmt: skip
                )
        return sorted(found, key=lambda row: (row["date"], row["symbol"]))


def check_limits(market: Market, securities: Mapping[str, np.ndarray]) -> LimitCheck:
    """Compare all bars of a market with its price limits.

    Parameters
    ----------
    market : Market
        As :func:`feeds.store.open_market` gives it, best with all the sessions of its folder: whether a listing
        was suspended is told by dates that may lie far back.
    securities : mapping of str to ndarray
        The table ``securities``.
    """
    has_bar = ~np.isnan(market.close)
    reference = np.rint(np.nan_to_num(market.preclose) * 100.0).astype(np.int64)
    lasting = np.where(market.state >= FIRST_SINGLE_DAY, market.st, market.state)
    up, down = price_limits(market.sessions, np.array(market.boards), reference, lasting, market.age)
    outside = _outside(market, up, down)
    still = _outside(market, market.limit_up, market.limit_down)
    covered = {name: has_bar & (market.state == STATES.index(name)) for name in RULES if name in STATES}
    differs = (market.limit_up != up) | (market.limit_down != down)
    covered["feed_limit"] = has_bar & differs & (market.state < FIRST_SINGLE_DAY)
    covered["data_error"] = _mean_price_outside(market)
    covered["stopped_before_data"] = _stopped_before(market, securities) & ~covered["relisting"]
    covered["restructuring"] = _restructured(market, has_bar)
    classes = {}
    left = outside | still
    for name in RULES:
        hit = left & covered[name]
        if name in STATES or name == "feed_limit":  # these explain by having other limits, or none
            hit &= ~still
        classes[name] = hit
        left = left & ~hit
    classes[UNEXPLAINED] = left
    with np.errstate(invalid="ignore"):
        at_up = np.rint(market.high * 100.0) == market.limit_up
        at_down = np.rint(market.low * 100.0) == market.limit_down
    return LimitCheck(market, covered, outside, classes, at_up | at_down)


def _outside(market: Market, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Bars whose high is above ``up`` or whose low is below ``down`` (fen)."""
    with np.errstate(invalid="ignore"):
        bad: np.ndarray = (np.rint(market.high * 100.0) > up) | (np.rint(market.low * 100.0) < down)
    return bad


def _mean_price_outside(market: Market) -> np.ndarray:
    """Bars whose amount and volume contradict their prices by more than a fen."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = market.amount / market.volume
        bad: np.ndarray = (mean > market.high + _ONE_FEN) | (mean < market.low - _ONE_FEN)
    return bad & np.isfinite(mean) & (market.volume > 0)


def _stopped_before(market: Market, securities: Mapping[str, np.ndarray]) -> np.ndarray:
    """First bars of stocks that were listed but not trading when the data begin."""
    found = np.zeros(market.shape, dtype=bool)
    begin = data_begin(market.calendar, securities)
    late = (securities["list_date"] < begin) & (securities["first_bar"] > begin)
    for k in np.flatnonzero(late).tolist():
        i = market.index.get(securities["symbol"][k])
        t = market.position_of(securities["first_bar"][k])
        if i is not None and t < len(market.sessions) and market.sessions[t] == securities["first_bar"][k]:
            found[t, i] = True
    return found


def _restructured(market: Market, has_bar: np.ndarray) -> np.ndarray:
    """First bars after a stop on an ex-date whose cash could not be worked out: a new share capital."""
    found = np.zeros(market.shape, dtype=bool)
    t, i = market.events["t"], market.events["i"]
    strange = (t > 0) & np.isnan(market.events["cash"])
    t, i = t[strange], i[strange]
    found[t, i] = has_bar[t, i] & ~has_bar[t - 1, i]
    return found
