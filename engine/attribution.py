"""Where an account's return went: from what its stocks could have earned down to what it did earn.

Everything comes from the tables of a run and is in yuan, for each session t of the run (the base day has none):

* ``S`` stocks at the close: shares rolled forward from fills and corporate actions, times the mark.
* ``P``, ``Q`` purchases and sales at the reference price, which is the fill's before slippage:
  ``P = sum(shares * price - slippage)``, ``Q = sum(shares * price + slippage)``.
* ``X`` cash of corporate actions that exchange shares for it (delistings, successors, rights taken up).
* ``price_gains = S[t] - S[t-1] - P + Q + X``; ``dividends``: before tax, on the ex-date where the account counts
  them from then on (the change of what is due and not yet paid is part of it); ``other_corporate``: cash for rights
  sold and for the rest of unresolved actions; ``interest``.
* ``base = max(S[t-1], S[t-1] + P - Q, P)``: the most that was in stocks during the session, and
  ``r = (price_gains + dividends + other_corporate) / base``: what the held stocks returned (0 without any).
* ``idle = cash[t-1] + deposit - (base - S[t-1])``: cash that was held throughout, less what waited for purchases
  that were refused (they are priced under ``refusals``); never below 0.

Costs are positive where they took something away:

* ``cash_drag = idle * r - interest``: what idle cash would have earned in the stocks held, less what it did earn.
* ``refusals = -sum(earned)``: what missed trades would have brought until they were done or given up, on the
  session of the refusal.
* ``slippage``, ``commission``, ``stamp_duty``, ``transfer_fee``, ``other_fees``, ``dividend_tax``: as charged.

``gross = price_gains + dividends + other_corporate + idle * r - sum(earned)`` never looks at the account's balance,
``net = value[t] - value[t-1] - deposit`` at nothing else. That ``gross - costs = net`` is therefore a check:
a charge or a dividend that is booked twice or forgotten, in a table or in the cash, breaks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import corporate as actions
from engine.errors import AccountError

if TYPE_CHECKING:
    import pandas as pd

FEES = ("commission", "stamp_duty", "transfer_fee", "other_fees")
CHARGES = ("slippage", *FEES, "dividend_tax")
COSTS = ("cash_drag", "refusals", *CHARGES)
"""What lies between gross and net, in the order of the table."""
SOURCES = ("price_gains", "dividends", "other_corporate", "interest")
"""What the account earned before :data:`CHARGES`."""

TOLERANCE = 1e-9

Terms = dict[str, np.ndarray]


def attribution(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Attribute an account's result, in all and by year.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``equity`` (T rows, the base day first), ``fills``, ``positions``, ``refusals`` and ``corporate`` of a run
        folder. Columns that runs of older versions lack (``deposit``, ``earned``, ``tax``) count as 0.

    Returns
    -------
    dict
        ``capital`` (yuan on the base day); ``yuan`` and ``fraction`` (of capital; None without any), each with
        ``gross``, :data:`COSTS`, ``net`` and :data:`SOURCES`; ``deposits`` (yuan paid in less taken out, part of
        none of them); ``residual`` (the largest ``|gross - costs - net|`` up to any session, a fraction of
        capital); ``years``: by year the same ``yuan`` and ``fraction``.

    Raises
    ------
    AccountError
        If at the end of some session ``gross - costs`` differs from ``net``, or ``sources - charges`` does, by more
        than 1e-9 of the capital (of the largest account value, if that is more).
    """
    equity = tables["equity"]
    value = _column(equity, "value")
    dates = equity["date"].to_numpy().astype("datetime64[D]")
    terms = session_terms(tables)
    capital = float(value[0]) if value.size else 0.0
    scale = max(capital, float(np.abs(value).max(initial=0.0)), 1.0)
    residual = _check(terms, dates, TOLERANCE * scale)
    years = dates[1:].astype("datetime64[Y]")
    names = ("gross", *COSTS, "net", *SOURCES)

    def entry(inside: Any) -> dict[str, Any]:
        yuan = {name: float(terms[name][inside].sum()) for name in names}
        return {
            "yuan": {name: round(amount, 8) + 0.0 for name, amount in yuan.items()},
            "fraction": {n: round(x / capital, 14) + 0.0 if capital > 0 else None for n, x in yuan.items()},
        }

    return {
        "capital": capital,
        **entry(slice(None)),
        "deposits": round(float(_column(equity, "deposit").sum()), 8),
        "residual": round(residual / capital, 14) if capital > 0 else None,
        "years": {str(year): entry(years == year) for year in np.unique(years)},
    }


def session_terms(tables: Mapping[str, pd.DataFrame]) -> Terms:
    """Every term of the attribution by session, yuan, each of shape (T-1,): the base day has none.

    Raises
    ------
    AccountError
        If a table has a row on a day that is none of the run's sessions.
    """
    equity, fills, positions, refusals, corporate = (
        tables[name] for name in ("equity", "fills", "positions", "refusals", "corporate")
    )
    days = equity["date"].to_numpy().astype("datetime64[D]")
    size = len(days)
    at = {name: _sessions(days, tables[name], name) for name in ("fills", "positions", "refusals", "corporate")}

    def by_session(name: str, amounts: np.ndarray) -> np.ndarray:
        return np.bincount(at[name], weights=amounts, minlength=size).astype(float)

    value, cash = _column(equity, "value"), _column(equity, "cash")
    deposit, interest = _column(equity, "deposit"), _column(equity, "interest")
    worth, slip, buy = _column(positions, "value"), _column(fills, "slippage"), _side(fills)
    traded = _column(fills, "shares") * _column(fills, "price")
    bought = by_session("fills", np.where(buy, traded - slip, 0.0))
    sold = by_session("fills", np.where(buy, 0.0, traded + slip))
    money, kind = _column(corporate, "cash"), corporate["kind"].to_numpy(dtype=object)
    moved = _column(corporate, "shares")
    exchange = ((kind == actions.RIGHTS) & (moved != 0)) | (kind == actions.DELISTING) | (kind == actions.SUCCESSOR)
    dividend = kind == actions.DIVIDEND
    marked = by_session("positions", worth)
    due = _column(equity, "receivable") if "receivable" in equity else _due(value - cash - marked, value)
    stocks = by_session("positions", _rolled(at, size, fills, positions, corporate) * _per_share(positions))

    terms = {name: by_session("fills", _column(fills, name))[1:] for name in ("slippage", *FEES)}
    terms["dividend_tax"] = by_session("corporate", _column(corporate, "tax"))[1:]
    terms["dividends"] = by_session("corporate", np.where(dividend, money, 0.0))[1:] + np.diff(due)
    terms["other_corporate"] = by_session("corporate", np.where(dividend | exchange, 0.0, money))[1:]
    terms["interest"] = interest[1:]
    net_sales = (sold - bought + by_session("corporate", np.where(exchange, money, 0.0)))[1:]
    terms["price_gains"] = np.diff(marked) + net_sales

    held, bought, sold = stocks[:-1], bought[1:], sold[1:]
    income = np.diff(stocks) + net_sales + terms["dividends"] + terms["other_corporate"]
    base = np.maximum(np.maximum(held, held + bought - sold), bought)
    waiting = _waiting(at["refusals"], size, refusals)[1:]
    idle = np.maximum(cash[:-1] + deposit[1:] - (base - held) - waiting, 0.0)
    missed = idle * np.divide(income, base, out=np.zeros(size - 1), where=base > 0)
    earned = by_session("refusals", np.nan_to_num(_column(refusals, "earned")))[1:]
    terms["cash_drag"] = missed - terms["interest"]
    terms["refusals"] = -earned
    terms["gross"] = income + missed - earned
    terms["net"] = np.diff(value) - deposit[1:]
    return terms


def _check(terms: Terms, dates: np.ndarray, most: float) -> float:
    """The largest gap between the two sides up to any session, yuan; more than ``most`` is an error."""
    gross = terms["gross"] - sum(terms[name] for name in COSTS)
    earned = sum(terms[name] for name in SOURCES) - sum(terms[name] for name in CHARGES)
    worst = 0.0
    for what, side in (("gross less costs", gross), ("what was earned less what was charged", earned)):
        gap = np.cumsum(side - terms["net"])
        wrong = np.flatnonzero(~(np.abs(gap) <= most))
        if wrong.size:
            raise AccountError(
                f"the attribution of the result does not add up on {dates[1 + wrong[0]]}: {what} differs from the "
                f"account's gain by {gap[wrong[0]]:.6f} yuan; please report this"
            )
        worst = max(worst, float(np.abs(gap).max(initial=0.0)))
    return worst


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column as floats; 0 where the table lacks it."""
    return frame[name].to_numpy(dtype=float) if name in frame else np.zeros(len(frame))


def _side(fills: pd.DataFrame) -> np.ndarray:
    return (fills["side"] == "buy").to_numpy(dtype=bool)


def _sessions(days: np.ndarray, frame: pd.DataFrame, name: str) -> np.ndarray:
    """Rows' positions among the sessions ``days`` (T,)."""
    dates = frame["date"].to_numpy().astype("datetime64[D]")
    t = np.searchsorted(days, dates)
    if len(dates) and not (days.take(t, mode="clip") == dates).all():
        stray = dates[days.take(t, mode="clip") != dates][0]
        raise AccountError(f"{name} has a row on {stray}, which is no session of the run; please report this")
    return t


def _per_share(positions: pd.DataFrame) -> np.ndarray:
    """Mark a share, as valued (whole fen where money is exact)."""
    shares = _column(positions, "shares")
    return np.divide(_column(positions, "value"), shares, out=np.zeros(len(shares)), where=shares != 0)


def _rolled(
    at: Mapping[str, np.ndarray],
    size: int,
    fills: pd.DataFrame,
    positions: pd.DataFrame,
    corporate: pd.DataFrame,
) -> np.ndarray:
    """Shares that fills and corporate actions add up to, for each row of ``positions``."""
    import pandas as pd

    frames = {"fills": fills, "corporate": corporate, "positions": positions}
    codes = pd.factorize(pd.concat([frame["symbol"] for frame in frames.values()], ignore_index=True))[0]
    keys = codes.astype(np.int64) * size + np.concatenate([at[name] for name in frames])
    count = len(fills) + len(corporate)
    shares = np.where(_side(fills), 1.0, -1.0) * _column(fills, "shares")
    changes = np.concatenate([shares, _column(corporate, "shares")])
    order = np.argsort(keys[:count], kind="stable")
    when, total = keys[:count][order], np.concatenate([[0.0], np.cumsum(changes[order])])
    rows = keys[count:]
    return total[np.searchsorted(when, rows, "right")] - total[np.searchsorted(when, rows - rows % size, "left")]


def _waiting(t: np.ndarray, size: int, refusals: pd.DataFrame) -> np.ndarray:
    """Yuan that waited for refused purchases, by session: of those priced over time (with ``earned``) alone."""
    if not len(refusals) or "earned" not in refusals or "price" not in refusals:
        return np.zeros(size)
    priced = np.nan_to_num(_column(refusals, "earned")) != 0
    rows = priced & (refusals["side"] == "buy").to_numpy(dtype=bool)
    worth = np.nan_to_num(_column(refusals, "wanted") * _column(refusals, "price"))[rows]
    days = _column(refusals, "days")[rows].astype(np.int64) if "days" in refusals else np.ones(rows.sum(), np.int64)
    ends = np.minimum(t[rows] + np.maximum(days, 1), size)
    steps = np.bincount(t[rows], worth, size + 1) - np.bincount(ends, worth, size + 1)
    return np.maximum(np.cumsum(steps)[:size], 0.0)


def _due(rest: np.ndarray, value: np.ndarray) -> np.ndarray:
    """What is neither cash nor stocks: dividends past their ex-date that are not paid yet."""
    noise = TOLERANCE * np.maximum(np.abs(value), 1.0)
    return np.where(np.abs(rest) <= noise, 0.0, rest)
