"""Round trips: what was bought, when it was sold again, and what it earned.

Lots are matched first in, first out, on whole shares. pyfolio's own matching keeps one list element per share
(29 s for 9,000 fills) and knows no corporate actions, on which raw prices depend; hence this one.

Rules
-----
* Within a session corporate entries come before fills (an ex-date is booked before the open), except
  ``DELISTED``, which comes after them. Fills keep the order of the file.
* A change of shares (``BONUS``, ``UNRESOLVED``) stretches or shrinks all open lots of the stock pro rata, at
  no cost; the shares of the lots stay whole and add up to the holding.
* Cash of a corporate entry goes to the open lots by their shares, as income; where nothing is held any more
  (a tax charged on the sale) it goes to the trip that was closed last.
* ``DELISTED`` closes all lots for its cash. So does any other entry that leaves no share.
* ``SUCCESSOR`` is a purchase of its shares for what it hands over, before the session's fills.
* Tax is taken off the cash of the entry.

So the profits of closed trips and open lots add up to the change of the account but for interest on cash:
``sum(closed.pnl) + sum(open.shares * mark + open.dividends - open.cost - open.fees)
= value - starting cash - interest``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.errors import AccountError

if TYPE_CHECKING:
    import pandas as pd

FEES = ("commission", "stamp_duty", "transfer_fee", "other_fees")
CLOSED = (
    "symbol", "open_date", "close_date", "shares", "buy_cost", "sell_proceeds", "dividends", "fees", "pnl",
    "return", "sessions_held",
)  # fmt: skip
OPEN = ("symbol", "open_date", "shares", "cost", "dividends", "fees")


class RoundTrips(NamedTuple):
    """``closed``: one row per lot, or part of a lot, that was sold; ``open``: the lots still held.

    ``closed`` has the columns :data:`CLOSED`: dates as midnight timestamps, ``shares`` as counted at the sale
    (after bonus shares), ``buy_cost`` and ``sell_proceeds`` in yuan before fees, ``dividends`` the cash of
    corporate entries, ``fees`` those of both sides, ``pnl = sell_proceeds + dividends - buy_cost - fees``,
    ``return = pnl / buy_cost`` (fraction), ``sessions_held`` in trading days. ``open`` has :data:`OPEN`.
    """

    closed: pd.DataFrame
    open: pd.DataFrame


class _Lot:
    """Shares bought in one fill; the yuan figures are those of the shares still in the lot."""

    __slots__ = ("cost", "dividends", "fees", "shares", "start")

    def __init__(self, start: int, shares: int, cost: float, fees: float) -> None:
        self.start, self.shares, self.cost, self.fees, self.dividends = start, shares, cost, fees, 0.0

    def take(self, shares: int) -> tuple[float, float, float]:
        """Remove ``shares`` and return their cost, fees and dividends in yuan."""
        if shares == self.shares:
            part = self.cost, self.fees, self.dividends
            self.cost = self.fees = self.dividends = 0.0
        else:
            share = shares / self.shares
            part = self.cost * share, self.fees * share, self.dividends * share
            self.cost, self.fees, self.dividends = (
                self.cost - part[0],
                self.fees - part[1],
                self.dividends - part[2],
            )
        self.shares -= shares
        return part


class _Book:
    """Open lots by symbol, and the rows of closed trips (symbol, start, end, shares, cost, in, div, fees)."""

    def __init__(self) -> None:
        self.lots: dict[str, list[_Lot]] = {}
        self.closed: list[list[Any]] = []
        self.last: dict[str, int] = {}

    def buy(self, session: int, symbol: str, shares: int, yuan: float, fees: float) -> None:
        self.lots.setdefault(symbol, []).append(_Lot(session, shares, yuan, fees))

    def sell(self, session: int, symbol: str, shares: int, yuan: float, fees: float) -> None:
        lots, left, used = self.lots.get(symbol, []), shares, 0
        while left and used < len(lots):
            lot = lots[used]
            take = min(left, lot.shares)
            part = take / shares
            cost, paid, dividends = lot.take(take)
            self.last[symbol] = len(self.closed)
            self.closed.append([symbol, lot.start, session, take, cost, yuan * part, dividends, paid + fees * part])
            left -= take
            used += lot.shares == 0
        del lots[:used]
        if left:
            raise AccountError(f"the fills sell {left} shares of {symbol} more than they and corporate.parquet hold")

    def corporate(self, session: int, symbol: str, kind: str, change: int, cash: float) -> None:
        if kind == "SUCCESSOR":
            self.buy(session, symbol, change, -cash, 0.0)
            return
        lots = self.lots.get(symbol, [])
        held = sum(lot.shares for lot in lots)
        if not held:
            if cash and symbol in self.last:
                self.closed[self.last[symbol]][6] += cash
            return
        if kind == "DELISTED" or held + change <= 0:
            self.sell(session, symbol, held, cash, 0.0)
            return
        before = 0
        for lot in lots:  # whole shares that add up: the difference of the rounded running totals
            after = before + lot.shares
            lot.dividends += cash * lot.shares / held
            lot.shares = after * (held + change) // held - before * (held + change) // held
            before = after
        self._fold(lots)

    @staticmethod
    def _fold(lots: list[_Lot]) -> None:
        """Give what lots rounded down to no share have cost to the first lot that still has shares."""
        gone = [lot for lot in lots if not lot.shares]
        if gone:
            lots[:] = [lot for lot in lots if lot.shares]
            for lot in gone:
                for name in ("cost", "fees", "dividends"):
                    setattr(lots[0], name, getattr(lots[0], name) + getattr(lot, name))


def round_trips(fills: pd.DataFrame, corporate: pd.DataFrame | None, sessions: np.ndarray) -> RoundTrips:
    """Match the fills of a run first in, first out.

    Parameters
    ----------
    fills : DataFrame
        ``fills.parquet``: date, symbol, side ("buy"/"sell"), shares, price and the fee columns, in the order
        of trading.
    corporate : DataFrame or None
        ``corporate.parquet``: date, symbol, kind, shares (change), cash (yuan to the account), tax (yuan off it).
    sessions : ndarray of datetime64, shape (T,)
        The run's sessions (``equity.date``), which holding periods are counted in.

    Raises
    ------
    AccountError
        If more shares are sold than were bought and received.
    """
    days = np.asarray(sessions).astype("datetime64[D]")
    book = _Book()
    # (session, phase, row) sorts ex-dates before fills before delistings and keeps the order of the files.
    events = _fill_events(fills, days)
    if corporate is not None and len(corporate):
        events += _corporate_events(corporate, days)
    for (session, phase, _), what in sorted(events, key=lambda event: event[0]):
        if phase != 1:
            book.corporate(session, *what)
        elif what[0]:
            book.buy(session, *what[1:])
        else:
            book.sell(session, *what[1:])
    return _frames(book, days)


def _positions(column: pd.Series, days: np.ndarray) -> list[int]:
    return np.searchsorted(days, column.to_numpy().astype("datetime64[D]")).tolist()


def _fill_events(fills: pd.DataFrame, days: np.ndarray) -> list[tuple[tuple[int, int, int], tuple]]:
    yuan = (fills["shares"].to_numpy(dtype=float) * fills["price"].to_numpy(dtype=float)).tolist()
    fees = np.zeros(len(fills))
    for name in FEES:
        if name in fills:
            fees += fills[name].to_numpy(dtype=float)
    columns = zip(
        (fills["side"] == "buy").tolist(), fills["symbol"].tolist(), fills["shares"].astype("int64").tolist(),
        yuan, fees.tolist(), strict=True,
    )  # fmt: skip
    at = _positions(fills["date"], days)
    return [((t, 1, row), what) for row, (t, what) in enumerate(zip(at, columns, strict=True)) if what[2]]


def _corporate_events(corporate: pd.DataFrame, days: np.ndarray) -> list[tuple[tuple[int, int, int], tuple]]:
    cash = corporate["cash"].astype(float)
    if "tax" in corporate:
        cash = cash - corporate["tax"].astype(float)
    columns = zip(
        corporate["symbol"].tolist(),
        corporate["kind"].tolist(),
        corporate["shares"].astype("int64").tolist(),
        cash.tolist(),
        strict=True,
    )
    at = _positions(corporate["date"], days)
    return [
        ((t, 2 if what[1] == "DELISTED" else 0, row), what)
        for row, (t, what) in enumerate(zip(at, columns, strict=True))
    ]


def _frames(book: _Book, days: np.ndarray) -> RoundTrips:
    import pandas as pd

    def stamps(positions: list[int]) -> np.ndarray:
        return days[np.asarray(positions, dtype=int)].astype("datetime64[ms]")

    # Each list is one column; an empty book still has its columns.
    symbol, start, end, shares, cost, proceeds, dividends, fees = (
        [list(column) for column in zip(*book.closed, strict=True)] if book.closed else [[] for _ in range(8)]
    )
    closed = pd.DataFrame(
        {"symbol": pd.Series(symbol, dtype="str"), "open_date": stamps(start), "close_date": stamps(end)}
        | {"shares": np.asarray(shares, dtype="int64")}
        | {"buy_cost": np.asarray(cost, dtype=float), "sell_proceeds": np.asarray(proceeds, dtype=float)}
        | {"dividends": np.asarray(dividends, dtype=float), "fees": np.asarray(fees, dtype=float)}
    )
    closed["pnl"] = closed["sell_proceeds"] + closed["dividends"] - closed["buy_cost"] - closed["fees"]
    closed["return"] = closed["pnl"] / closed["buy_cost"]
    closed["sessions_held"] = np.asarray(end, dtype="int64") - np.asarray(start, dtype="int64")
    held = [(name, lot) for name in sorted(book.lots) for lot in book.lots[name]]
    still = pd.DataFrame(
        {
            "symbol": pd.Series([name for name, _ in held], dtype="str"),
            "open_date": stamps([lot.start for _, lot in held]),
            "shares": np.asarray([lot.shares for _, lot in held], dtype="int64"),
            "cost": np.asarray([lot.cost for _, lot in held], dtype=float),
            "dividends": np.asarray([lot.dividends for _, lot in held], dtype=float),
            "fees": np.asarray([lot.fees for _, lot in held], dtype=float),
        }
    )
    return RoundTrips(closed[list(CLOSED)], still[list(OPEN)])


def summary(closed: pd.DataFrame, extremes: int = 5) -> dict[str, Any]:
    """Statistics of closed round trips.

    Returns
    -------
    dict
        ``count``; ``win_rate`` (share with pnl above 0); ``mean_pnl``, ``median_pnl`` and ``total_pnl``
        (yuan); ``mean_return`` (fraction, unweighted); ``mean_sessions``; ``profit_factor`` (gains / losses);
        ``best`` and ``worst`` (rows as dicts, at most ``extremes`` each). None where undefined.
    """
    count = len(closed)
    if not count:
        empty = dict.fromkeys(
            (
                "win_rate",
                "mean_pnl",
                "median_pnl",
                "total_pnl",
                "mean_return",
                "mean_sessions",
                "profit_factor",
            )
        )
        return {"count": 0, **empty, "best": [], "worst": []}
    pnl = closed["pnl"].to_numpy()
    lost = float(-pnl[pnl < 0].sum())
    order = np.argsort(pnl, kind="stable")
    return {
        "count": count,
        "win_rate": float(np.mean(pnl > 0)),
        "mean_pnl": float(pnl.mean()),
        "median_pnl": float(np.median(pnl)),
        "total_pnl": float(pnl.sum()),
        "mean_return": float(closed["return"].mean()),
        "mean_sessions": float(closed["sessions_held"].mean()),
        "profit_factor": float(pnl[pnl > 0].sum()) / lost if lost else None,
        "best": closed.iloc[order[::-1][:extremes]].to_dict("records"),
        "worst": closed.iloc[order[:extremes]].to_dict("records"),
    }
