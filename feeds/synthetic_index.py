"""Indices of the synthetic market: half-yearly membership by size, price levels by float weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.synthetic_population import Population
from feeds.synthetic_prices import Paths
from feeds.synthetic_schedules import PLAIN

LARGE, MID, TOP, COMPOSITE = "000300", "000905", "000016", "000001"
LARGE_SHARE, MID_SHARE, TOP_SHARE = 0.20, 0.35, 0.035
"""Members as a share of the stocks listed on the review's cut-off."""
INCUMBENT = 1.12
"""A member's size counts for so much more at a review, which keeps the changes few (the buffer zone)."""
BASE_LEVEL = 3000.0
SEASONING = 60  # sessions since listing before a stock may enter
COMPOSITE_FROM = 11  # a new stock enters the composite on its eleventh later session, as since 2011


@dataclass(frozen=True, kw_only=True)
class Indices:
    """Membership as intervals and levels as series."""

    spells: dict[str, np.ndarray]
    """Columns index_code, i, in_date, out_date, in_announced, out_announced (NaT while still in)."""
    levels: dict[str, dict[str, np.ndarray]]
    """By index code: open, high, low, close (points) and volume (shares), each (T,)."""


def form_indices(people: Population, paths: Paths, sessions: np.ndarray, before: np.ndarray) -> Indices:
    """Hold the reviews and compute the price indices.

    Parameters
    ----------
    people, paths
        The market, T sessions x N stocks.
    sessions : ndarray of datetime64[D], shape (T,)
    before : ndarray of datetime64[D]
        Sessions before the panel: the membership on the first session dates from a review before it.
    """
    reviews = review_days(np.concatenate([before, sessions]))
    first = max(int(np.searchsorted(reviews["effective"], sessions[0], side="right")) - 1, 0)
    reviews = {name: column[first:] for name, column in reviews.items()}
    effective = np.searchsorted(sessions, reviews["effective"])
    cutoff = np.searchsorted(sessions, reviews["announced"])
    value = paths.mark.astype(np.float64) * paths.float_shares  # fen, at each close
    opening = paths.preclose[0].astype(np.float64) * people.float_shares  # at the close before the panel
    chosen = {code: np.zeros((len(effective), len(people.symbols)), bool) for code in (LARGE, MID, TOP)}
    for k, a in enumerate(cutoff):
        for code, inside in _select(people, value, opening, int(a), chosen, k).items():
            chosen[code][k] = inside
    spells = _spells(chosen, reviews)
    session_review = np.searchsorted(effective, np.arange(len(sessions)), side="right") - 1
    t = np.arange(len(sessions))[:, None]
    shanghai = (people.exchange == "SH") & (t >= people.list_pos + COMPOSITE_FROM) & (t <= people.last_pos)
    members = {code: inside[session_review] for code, inside in chosen.items()} | {COMPOSITE: shanghai}
    return Indices(
        spells=spells,
        levels={code: _level(inside, people, paths, value, opening) for code, inside in members.items()},
    )


def review_days(sessions: np.ndarray) -> dict[str, np.ndarray]:
    """Effective and announcement days of the half-yearly reviews.

    A review takes effect on the first session after the second Friday of June and December and is
    announced on the last session at least fourteen days earlier.
    """
    months = np.unique(sessions.astype("datetime64[M]"))
    months = months[np.isin(months.astype(int) % 12, (5, 11))]
    first = months.astype("datetime64[D]")
    days_on = (4 - (first.astype(int) + 3) % 7) % 7 + 7
    second_friday = first + days_on.astype("timedelta64[D]")  # 1970-01-01 was a Thursday
    position = np.searchsorted(sessions, second_friday, side="right")
    position = position[position < len(sessions)]
    effective = sessions[position]
    announced = sessions[
        np.maximum(np.searchsorted(sessions, effective - np.timedelta64(14, "D"), side="right") - 1, 0)
    ]
    return {"effective": effective, "announced": announced}


def _select(
    people: Population, value: np.ndarray, opening: np.ndarray, a: int, chosen: dict[str, np.ndarray], k: int
) -> dict[str, np.ndarray]:
    """Members of the three indices, judged by what was known at the close before session ``a``."""
    count = value.shape[1]
    listed = (people.list_pos < a) & (people.last_pos >= a)
    able = listed & (people.list_pos <= a - SEASONING) & (people.state[max(a - 1, 0)] == PLAIN)
    size = value[max(0, a - 120) : a].mean(axis=0) if a else opening
    last = [chosen[code][k - 1] if k else np.zeros(count, bool) for code in (LARGE, MID, TOP)]
    large = _top(np.where(last[0], INCUMBENT, 1.0) * size, able, max(1, round(LARGE_SHARE * listed.sum())))
    shanghai = able & (people.exchange == "SH")
    top = _top(np.where(last[2], INCUMBENT, 1.0) * size, shanghai, max(1, round(TOP_SHARE * listed.sum())))
    mid = _top(
        np.where(last[0] | last[1], INCUMBENT, 1.0) * size,
        able & ~large,
        max(1, round(MID_SHARE * listed.sum())),
    )
    return {LARGE: large, MID: mid, TOP: top}


def _top(score: np.ndarray, able: np.ndarray, number: int) -> np.ndarray:
    order = np.argsort(np.where(able, -score, np.inf), kind="stable")[:number]
    inside = np.zeros(len(score), bool)
    inside[order] = able[order]
    return inside


def _spells(chosen: dict[str, np.ndarray], reviews: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    parts: list[tuple[np.ndarray, ...]] = []
    for code, inside in chosen.items():
        padded = np.zeros((len(inside) + 2, inside.shape[1]), np.int8)
        padded[1:-1] = inside
        step = np.diff(padded, axis=0).T  # by stock, so that starts and ends pair up
        i, begin = np.nonzero(step == 1)
        _, end = np.nonzero(step == -1)
        ends = {name: np.append(days, np.datetime64("NaT", "D")) for name, days in reviews.items()}
        parts.append(
            (
                np.full(len(i), code),
                i,
                reviews["effective"][begin],
                ends["effective"][end],
                reviews["announced"][begin],
                ends["announced"][end],
            )
        )
    names = ("index_code", "i", "in_date", "out_date", "in_announced", "out_announced")
    return {name: np.concatenate([part[j] for part in parts]) for j, name in enumerate(names)}


def _level(
    inside: np.ndarray, people: Population, paths: Paths, value: np.ndarray, opening: np.ndarray
) -> dict[str, np.ndarray]:
    """Chain of daily returns of the members' float value: bonus shares are neutral, dividends not added."""
    before = np.concatenate([opening[None], value[:-1]])
    base = np.where(inside, before, 0.0).sum(axis=1)
    base = np.where(base > 0, base, np.nan)
    trades = inside & people.trading

    def relative(prices: np.ndarray) -> np.ndarray:
        worth = np.where(trades, prices * paths.float_shares.astype(np.float64), value)
        ratio = np.where(inside, worth, 0.0).sum(axis=1) / base
        return np.where(np.isnan(ratio), 1.0, ratio)  # no member yet: the level stands

    growth = relative(paths.close)
    close = BASE_LEVEL * np.cumprod(growth)
    previous = close / growth
    start = previous * relative(paths.open)
    top, bottom = np.maximum(start, close), np.minimum(start, close)
    # Members do not reach their extremes together: less than half of the sum is left of the range.
    high = np.maximum(top, top + 0.4 * (previous * relative(paths.high) - top))
    low = np.minimum(bottom, bottom + 0.4 * (previous * relative(paths.low) - bottom))
    levels = {"open": start, "high": high, "low": low, "close": close}
    shares = np.where(trades, paths.lots.astype(np.float64), 0.0).sum(axis=1) * 100.0
    return {name: np.round(column, 2) for name, column in levels.items()} | {"volume": shares}
