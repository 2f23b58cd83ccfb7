"""Benchmark levels: the price index as published, and a total-return index with dividends put back.

Index files are price levels: on an ex-date the index falls with the prices of its members, while an
account that holds them is paid. The total return of session t is

    price[t] / price[t-1] - 1 + sum over members with a cash dividend on t of w_i * cash_i / prev_close_i

with w_i the weight of the member at the close of t-1 among the members that have bars. Bonus shares need
nothing: the publisher adjusts the divisor for them. Dividends count before tax, as in the publishers' own
total-return indices.

The publisher weighs by free float, which the data do not have: ``float_shares`` counts the state's
tradable blocks, so that banks and oil would weigh several times too much. Weights are therefore
proportional to (float shares x close) ** 0.7: over 2011-2020 this follows the published CSI 300 best (the
members' price return deviates by 2.5 % a year against 4.6 % with the exponent 1) and costs the CSI 500
nothing (1.3 % against 1.2 %). Only price levels were used to choose it, no dividends.

Where the data have the publisher's own total-return index (H00300 beside 000300), that is taken instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.corporate import Event, is_plain
from engine.errors import ConfigError, DataError, nearest
from feeds.file_feed import FileFeed

KINDS = ("total-return", "price")

SIZE_EXPONENT = 0.7
"""Exponent of the float market value in a member's weight (see above); 1 is plain float weighting."""

_DAYS_A_YEAR = 365.25


def price_levels(feed: FileFeed, code: str, sessions: np.ndarray) -> np.ndarray:
    """Closes of an index on the panel's sessions.

    Returns
    -------
    ndarray of float64, shape (T,)
        NaN before the first session of the index.

    Raises
    ------
    ConfigError
        If the data do not have the index.
    DataError
        If a session after the first is missing or a level is not above zero.
    """
    table = feed.read("index_daily")
    rows = np.flatnonzero(table["index_code"] == code)
    if not len(rows):
        raise ConfigError(
            f"the data have no index '{code}' for a benchmark; {nearest(code, table['index_code'])}"
        )
    days, close = table["date"][rows], table["close"][rows]
    order = np.argsort(days, kind="stable")
    days, close = days[order], close[order]
    place = np.minimum(np.searchsorted(days, sessions), len(days) - 1)
    there = days[place] == sessions
    levels = np.where(there, close[place], np.nan)
    bad = there & ~((levels > 0) & (levels < np.inf))
    missing = ~there & (sessions > days[0])
    for mask, words in ((bad, "is not above zero"), (missing, "is missing")):
        if mask.any():
            raise DataError(
                f"index_daily.parquet: the close of index {code} on {sessions[int(np.argmax(mask))]} "
                f"{words}; add the row or choose another benchmark"
            )
    return levels


def published_total_return(feed: FileFeed, code: str, sessions: np.ndarray) -> np.ndarray | None:
    """Closes of the publisher's own total-return index (of 000300 it is H00300) on the panel's sessions.

    Returns
    -------
    ndarray of float64, shape (T,), or None
        None where the data do not have it on every session on which they have the price index.
    """
    own = "H" + code[1:]
    if own not in set(feed.read("index_daily", ["index_code"])["index_code"].tolist()):
        return None
    try:
        levels = price_levels(feed, own, sessions)
    except DataError:
        return None
    return None if np.isnan(levels).sum() > np.isnan(price_levels(feed, code, sessions)).sum() else levels


def dividend_yields(
    member: np.ndarray, close: np.ndarray, float_shares: np.ndarray, events: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Dividend yield of an index on each session.

    Parameters
    ----------
    member : ndarray of uint8, shape (T, M)
        Membership during the session.
    close, float_shares : ndarray of float64, shape (T, M)
        Yuan and shares, NaN without a bar: the last values stand.
    events : mapping
        Columns ``t``, ``i`` and the rest as in :class:`engine.market.Market`; those whose cash and
        share ratio do not explain the reference price (:func:`engine.corporate.is_plain`) do not count.

    Returns
    -------
    ndarray of float64, shape (T,)
        Fractions of the index's value at the close before.
    """
    yields = np.zeros(len(close))
    value = np.nan_to_num(carried(close * float_shares)) ** SIZE_EXPONENT
    total = np.zeros(len(close))
    total[1:] = (value[:-1] * member[1:]).sum(axis=1)
    columns = [events[name].tolist() for name in ("t", "i", *Event._fields[1:])]
    for t, i, *numbers in zip(*columns, strict=True):
        event = Event(i, *numbers)
        if t > 0 and event.cash > 0 and member[t, i] and value[t - 1, i] > 0 and is_plain(event):
            yields[t] += value[t - 1, i] / total[t] * event.cash / event.prev_close
    return yields


def total_return(price: np.ndarray, yields: np.ndarray) -> np.ndarray:
    """Level of the total-return index, equal to ``price`` on its first session.

    Parameters
    ----------
    price, yields : ndarray of float64, shape (T,)
        ``price`` may begin with NaN; the level is NaN there too.
    """
    level = np.full(len(price), np.nan)
    known = np.flatnonzero(~np.isnan(price))
    if len(known):
        first = int(known[0])
        growth = price[first + 1 :] / price[first:-1] + yields[first + 1 :]
        level[first:] = price[first] * np.concatenate([[1.0], np.cumprod(growth)])
    return level


def annual_yield(sessions: np.ndarray, yields: np.ndarray) -> float:
    """Mean dividend yield a year, a fraction."""
    days = float((sessions[-1] - sessions[0]).astype(np.int64))
    return float(yields.sum()) / (days / _DAYS_A_YEAR) if days else 0.0


def bond_yield(feed: FileFeed, sessions: np.ndarray) -> np.ndarray:
    """Yield of the 10-year government bond, a fraction a year, last known one on each session.

    NaN before the first quotation; shape (T,).
    """
    table = feed.read("cn_gov_bond_10y")
    known = ~(np.isnat(table["date"]) | np.isnan(table["yield_pct"]))
    days, rate = table["date"][known], table["yield_pct"][known] / 100.0
    order = np.argsort(days, kind="stable")
    place = np.searchsorted(days[order], sessions, side="right") - 1
    return np.concatenate([rate[order], [np.nan]])[place]  # place -1, before the first, is the NaN


def carried(values: np.ndarray) -> np.ndarray:
    """Each NaN replaced by the last number of its column; (T, M)."""
    out = values.copy()
    for t in range(1, len(out)):
        np.copyto(out[t], out[t - 1], where=np.isnan(out[t]))
    return out
