"""Forward returns of a panel, and which names could be bought at their start.

A factor known after the close of t cannot be traded at that close: ``delay=1`` with opening prices is the honest
choice, ``delay=0`` with closes the textbook's (and what Alphalens does when it is given closes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.errors import SignalError


def forward_returns(
    prices: np.ndarray, rows: np.ndarray, horizons: Sequence[int], *, delay: int = 0, forward_fill: bool = False
) -> dict[int, np.ndarray]:
    """Return from session t + delay to session t + delay + h, for every evaluation row t.

    Parameters
    ----------
    prices : ndarray of float64, shape (T, N)
        Adjusted prices, NaN where a stock has no bar.
    rows : ndarray of int, shape (D,)
        Places of the evaluation dates in ``prices``.
    horizons : sequence of int
        Sessions, each at least 1.
    delay : int
        Sessions between the evaluation date and the purchase.
    forward_fill : bool
        Carry the last price over sessions without a bar, as Alphalens does: a halted stock then earns 0 and a
        delisted one for ever. False: the return is missing unless the stock trades at both ends.

    Returns
    -------
    dict of int to ndarray, shape (D, N)
        Fractions by horizon, NaN where unknown, also where the panel ends too early.

    Raises
    ------
    SignalError
        If a horizon is below 1 or the delay below 0.
    """
    if delay < 0 or not horizons or min(horizons) < 1:
        raise SignalError(f"horizons must be at least 1 session and the delay at least 0, not {horizons} and {delay}")
    from signals.screening.return_kernels import fill_forward, returns_ahead

    prices = np.ascontiguousarray(prices, dtype=np.float64)
    if forward_fill:
        prices = fill_forward(prices)
    starts = np.asarray(rows, dtype=np.int64) + delay
    result = {}
    for horizon in horizons:
        returns = np.empty((len(starts), prices.shape[1]))
        returns_ahead(prices, starts, int(horizon), returns)
        result[int(horizon)] = returns
    return result


def buyable(prices: np.ndarray, limit_up: np.ndarray, rows: np.ndarray, *, delay: int = 0) -> np.ndarray:
    """Whether a name could be bought at the start of its forward return.

    Parameters
    ----------
    prices : ndarray of float64, shape (T, N)
        Unadjusted yuan at which the purchase is made (opens or closes), NaN where the stock is suspended.
    limit_up : ndarray of int, shape (T, N)
        Upper price limit in fen, as ``Market.limit_up``.
    rows : ndarray of int, shape (D,)
        Places of the evaluation dates.
    delay : int
        Sessions between the evaluation date and the purchase.

    Returns
    -------
    ndarray of bool, shape (D, N)
        False where it is suspended or at its upper limit, and where the panel ends before the purchase.
    """
    starts = np.asarray(rows, dtype=np.int64) + delay
    result = np.zeros((len(starts), prices.shape[1]), dtype=bool)
    inside = starts < len(prices)
    entry, limit = prices[starts[inside]], limit_up[starts[inside]]
    with np.errstate(invalid="ignore"):
        result[inside] = np.isfinite(entry) & (np.rint(entry * 100.0) < limit)
    return result
