"""Proof of the bookings: what is credited on every ex-date of a market against sources that do not depend on it.

Everything here runs the same :class:`engine.entitlements.CorporateDesk` as an account does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine import corporate
from engine.entitlements import CorporateDesk
from engine.errors import DataError
from engine.rules import Rules

if TYPE_CHECKING:
    from engine.market import Market

_LOT = 1_000_000
"""Shares bought of every stock: a fen on all of them is nothing per share."""


class Booked(NamedTuple):
    """What one share before an ex-date became.

    Attributes
    ----------
    t, i : int
    resolved : bool
        False where the event was booked value-neutral (:data:`engine.corporate.UNRESOLVED`).
    ratio, cash : float
        Shares after, and yuan before tax.
    gap_fen : float
        Worth of both at the reference price less what ``close x adj_factor`` says, fen per share held after.
    """

    t: int
    i: int
    resolved: bool
    ratio: float
    cash: float
    gap_fen: float


def buy_and_hold(market: Market) -> list[Booked]:
    """Hold every stock of a market from its first to its last session and book each of its ex-dates before tax.

    Parameters
    ----------
    market : Market
        Needs ``adj_factor``, which must not be derived from the event table.

    Returns
    -------
    list of Booked
        One row per stock and session with a booking or with a step of ``adj_factor`` that nothing was booked for
        (``resolved`` False, ratio 1, cash 0), in order of session and stock.
    """
    desk = CorporateDesk(market, Rules(holder="none"))
    stocks = range(len(market.symbols))
    holdings = dict.fromkeys(stocks, _LOT)
    factor, found = market.adj_factor, []
    for t in range(1, len(market.sessions)):
        booked: dict[int, list[float]] = {}
        neutral = set()
        for i, kind, shares, cash, _, _ in desk.open(t, holdings, float("inf"))[1]:
            sums = booked.setdefault(i, [0.0, 0.0])
            sums[0] += shares
            sums[1] += cash / 100.0
            if kind == corporate.UNRESOLVED:
                neutral.add(i)
        with np.errstate(invalid="ignore"):
            step = factor[t] / factor[t - 1]
        moved = np.flatnonzero(np.abs(step - 1.0) > 1e-9).tolist()
        for i in sorted({*booked, *moved}):
            if not np.isfinite(step[i]):
                continue  # not listed yet
            added, yuan = booked.get(i, (0.0, 0.0))
            before = holdings[i]
            after = before + int(added)
            reference = float(market.preclose[t, i])
            if not np.isfinite(reference):  # suspended on its ex-date
                reference = float(market.mark[t, i])
            gap = after * reference + yuan - before * float(step[i]) * reference
            resolved = i in booked and i not in neutral
            off = 100.0 * gap / after if after else np.nan
            found.append(Booked(t, i, resolved, after / before, yuan / before, off))
            holdings[i] = _LOT  # afresh, so that every event weighs the same
    return found


def against_announced(market: Market, announced: Mapping[str, np.ndarray]) -> list[tuple[Booked | None, float, float]]:
    """Compare the bookings with announced distributions.

    Parameters
    ----------
    market : Market
    announced : mapping of str to ndarray, shape (R,)
        ``symbol``, ``ex_date``, ``cash`` (yuan a share) and ``ratio`` (shares after per share before).

    Returns
    -------
    list of (Booked or None, float, float)
        By row: the booking (None where there is none on that day), announced cash and announced ratio. Rows of
        stocks or days outside the market are left out.
    """
    by_place = {(row.t, row.i): row for row in buy_and_hold(market)}
    found = []
    columns = (announced[name].tolist() for name in ("symbol", "ex_date", "cash", "ratio"))
    for symbol, ex_date, cash, ratio in zip(*columns, strict=True):
        i, day = market.index.get(symbol), np.datetime64(ex_date, "D")
        t = market.position_of(day)
        if i is None or not 0 < t < len(market.sessions) or market.sessions[t] != day:
            continue
        found.append((by_place.get((t, i)), cash, ratio))
    return found


def parse_distribution(text: str) -> tuple[float, float, float]:
    """Cash (yuan), bonus and conversion shares per share of a distribution written like ``10派1.5送2转3``.

    Raises
    ------
    DataError
        If the text has another form.
    """
    found = re.fullmatch(r"10((?:[派送转]\d+(?:\.\d+)?)+)", text)
    parts = re.findall(r"([派送转])(\d+(?:\.\d+)?)", found[1]) if found else []
    amounts = {word: float(number) / 10.0 for word, number in parts}
    if not parts or len(amounts) < len(parts):
        raise DataError(f"distribution '{text}' is not of the form 10派1.5送2转3")
    return amounts.get("派", 0.0), amounts.get("送", 0.0), amounts.get("转", 0.0)


def first_event_after(market: Market, symbols: np.ndarray, announced: np.ndarray, within: int) -> np.ndarray:
    """Ex-date of the first event of each symbol later than ``announced`` and at most ``within`` days after it.

    Returns
    -------
    ndarray of datetime64[D], shape (R,)
        NaT where there is none, or the stock has no bar at all.
    """
    days: dict[int, list[np.datetime64]] = {}
    for t, i in zip(market.events["t"].tolist(), market.events["i"].tolist(), strict=True):
        days.setdefault(i, []).append(market.sessions[t])
    found = []
    for symbol, start in zip(symbols.tolist(), announced.astype("datetime64[D]"), strict=True):
        later = [day for day in days.get(market.index.get(symbol, -1), []) if day > start]
        near = later and later[0] - start <= np.timedelta64(within, "D")
        found.append(later[0] if near else np.datetime64("NaT", "D"))
    return np.array(found, dtype="datetime64[D]")
