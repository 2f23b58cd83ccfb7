"""Benchmarks that the data lack, built from their members: the CSI All Share and the equal-weighted indices.

Each member earns ``close / preclose``, for the exchange's reference price has taken dividends, bonus shares and rights
out already: that is the total return. The price index loses the dividends again, ``x (1 - cash / prev_close)`` on an
ex-date. A member without a bar stands still.

* The CSI All Share (000985) holds all A-shares but ST stocks and those listed for less than three months, weighed by
  float value as :mod:`feeds.benchmark` does and for its reasons.
* Equal weights (000984 of the CSI 300, 000982 of the CSI 500) are set at each review of the index and drift between
  two of them; who joins in between takes over, in equal parts, what those who leave had. A review is a session on
  which at least one member in fifty is new.

Levels begin at 1,000, so that only returns can be read off them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.corporate import Event, is_plain
from feeds.benchmark import SIZE_EXPONENT, carried
from feeds.file_feed import FileFeed

BASE = 1000.0
YOUNG = np.timedelta64(3, "M")
REVIEW = 0.02
"""Share of new members that makes a review."""


class Recipe(NamedTuple):
    """How an index is built: its name, the index whose members it has ("" for all A-shares), equal weights or not."""

    name: str
    base: str
    equal: bool


RECIPES = {
    "000985": Recipe("CSI All Share", "", False),
    "000984": Recipe("CSI 300 equal weight", "000300", True),
    "000982": Recipe("CSI 500 equal weight", "000905", True),
}


def recipe_for(feed: FileFeed, code: str) -> Recipe | None:
    """The recipe of an index that the data lack; None where they have it, or where there is none."""
    recipe = RECIPES.get(code)
    if recipe is None or code in set(feed.read("index_daily", ["index_code"])["index_code"].tolist()):
        return None
    return recipe


def gross_returns(
    close: np.ndarray, preclose: np.ndarray, events: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What a yuan in each stock became over each session, with dividends and without: two (T, M), 1 without a bar.

    Parameters
    ----------
    close, preclose : ndarray of float64, shape (T, M)
        Yuan, NaN without a bar.
    events : mapping
        As :func:`feeds.benchmark.dividend_yields` takes them.
    """
    total = np.where(np.isnan(close) | ~(preclose > 0), 1.0, close / preclose)
    price = total.copy()
    columns = [events[name].tolist() for name in ("t", "i", *Event._fields[1:])]
    for t, i, *numbers in zip(*columns, strict=True):
        event = Event(i, *numbers)
        if event.cash > 0 and is_plain(event):
            price[t, i] *= 1.0 - event.cash / event.prev_close
    return total, price


def all_share_members(st: np.ndarray, close: np.ndarray, sessions: np.ndarray, list_dates: np.ndarray) -> np.ndarray:
    """Members of the CSI All Share on each session, bool (T, M), by what was known at the close before.

    Parameters
    ----------
    st : ndarray of uint8, shape (T, M)
        1 on sessions with a bar under special treatment; without a bar the last one counts.
    close : ndarray of float64, shape (T, M)
        NaN without a bar.
    sessions : ndarray of datetime64[D], shape (T,)
    list_dates : ndarray of datetime64[D], shape (M,)
    """
    treated = carried(np.where(np.isnan(close), np.nan, st.astype(float)))
    member = np.zeros(close.shape, dtype=bool)
    months = list_dates.astype("datetime64[M]")
    old = (months + YOUNG).astype("datetime64[D]") + (list_dates - months.astype("datetime64[D]"))
    member[1:] = (treated[:-1] == 0.0) & (sessions[1:, None] >= old)
    return member


def float_weighted(member: np.ndarray, value: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Level of an index whose weights are ``value ** 0.7`` at the close before, shape (T,).

    Parameters
    ----------
    member : ndarray of bool, shape (T, M)
    value : ndarray of float64, shape (T, M)
        Float value, yuan; NaN before the first bar.
    gross : ndarray of float64, shape (T, M)
        From :func:`gross_returns`.
    """
    weight = np.nan_to_num(value[:-1]) ** SIZE_EXPONENT * member[1:]
    total = weight.sum(axis=1)
    growth = np.divide((weight * gross[1:]).sum(axis=1), total, out=np.ones(len(total)), where=total > 0)
    return BASE * np.concatenate([[1.0], np.cumprod(growth)])


def equal_weighted(member: np.ndarray, priced: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Level of an index with equal weights at each review, shape (T,).

    Parameters
    ----------
    member, priced : ndarray of bool, shape (T, M)
        Membership on a session, and whether the stock had a bar before it.
    gross : ndarray of float64, shape (T, M)
        From :func:`gross_returns`.
    """
    level = np.full(len(member), BASE)
    held = np.zeros(member.shape[1])
    for t in range(1, len(member)):
        inside = member[t] & priced[t]
        joins, leaves = inside & (held == 0.0), ~inside & (held > 0.0)
        if held.sum() == 0.0 or joins.sum() >= REVIEW * max(inside.sum(), 1):
            held = np.where(inside, level[t - 1] / max(inside.sum(), 1), 0.0)
        elif joins.any() or leaves.any():
            freed = held[leaves].sum()
            held[leaves] = 0.0
            if joins.any() and freed > 0.0:
                held[joins] = freed / joins.sum()
            elif held.sum() > 0.0:
                held *= level[t - 1] / held.sum()
        held = held * gross[t]
        level[t] = held.sum() if held.any() else level[t - 1]
    return level
