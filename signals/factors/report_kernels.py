"""Figures of reports laid over sessions, and dividends added up, at compiled speed."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def last_changes(starts: np.ndarray, days: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Place of the last change of each stock up to each day asked for (ascending), -1: none; (D, N) int32.

    Changes of stock i are places ``starts[i]:starts[i + 1]`` of ``days``, ascending day numbers.
    """
    stocks = len(starts) - 1
    out = np.empty((len(asked), stocks), dtype=np.int32)
    at = starts[:-1].copy()
    for d in range(len(asked)):
        for i in range(stocks):
            while at[i] < starts[i + 1] and days[at[i]] <= asked[d]:
                at[i] += 1
            out[d, i] = at[i] - 1 if at[i] > starts[i] else -1
    return out


@njit(cache=True, error_model="numpy")
def take_newer(
    out: np.ndarray,
    best: np.ndarray,
    values: np.ndarray,
    quarters: np.ndarray,
    places: np.ndarray,
    oldest: np.ndarray,
) -> None:
    """Put values into ``out`` (D, N) where they are of a later quarter than what is there (``best``), in place.

    ``values`` and ``quarters`` are by place; figures of quarters before ``oldest`` (D,) are too old to be used.
    """
    days, stocks = out.shape
    for d in range(days):
        for i in range(stocks):
            k = places[d, i]
            if k >= 0 and quarters[k] > best[d, i] and quarters[k] >= oldest[d] and not np.isnan(values[k]):
                out[d, i] = values[k]
                best[d, i] = quarters[k]


@njit(cache=True, error_model="numpy")
def add_between(
    t: np.ndarray, stock: np.ndarray, amount: np.ndarray, after: np.ndarray, upto: np.ndarray, stocks: int
) -> np.ndarray:
    """Sum of the amounts of each stock with ``after[d] < t <= upto[d]``; events sorted by t; (D, N) float64."""
    out = np.zeros((len(upto), stocks), dtype=np.float64)
    for d in range(len(upto)):
        for k in range(np.searchsorted(t, after[d] + 1), np.searchsorted(t, upto[d] + 1)):
            out[d, stock[k]] += amount[k]
    return out


@njit(cache=True, error_model="numpy")
def sessions_before(t: np.ndarray, stock: np.ndarray, traded: np.ndarray) -> np.ndarray:
    """Session of the last bar of a stock before a session; -1 where there is none; (E,) int64."""
    out = np.empty(len(t), dtype=np.int64)
    for k in range(len(t)):
        last = t[k] - 1
        while last >= 0 and not traded[last, stock[k]]:
            last -= 1
        out[k] = last
    return out
