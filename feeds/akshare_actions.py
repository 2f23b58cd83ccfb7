"""Dividends, bonus shares, transfers and rights; the reference prices and factors that follow from them.

The exchange's reference price of an ex-date is

    (previous close - cash + rights price x rights) / (1 + bonus + transfer + rights)

a share, rounded to the fen (trading rules of both exchanges, chapter on ex-rights). The factor is multiplied by
previous close / reference price: it looks back only, unlike an adjusted price.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.akshare_bars import ex_days_after
from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_routes import code_of

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("cash", "bonus_ratio", "transfer_ratio", "rights_ratio", "rights_price")
DATES = ("record_date", "pay_date", "list_date")

_SAME = np.timedelta64(12, "D")
"""Two sources that put an ex-date so close together mean the same distribution."""


def fetch_actions(client: Client, symbol: str) -> None:
    """Fetch the dividends of a stock: the source with pay dates first, another behind it.

    Raises
    ------
    SourceError
    """
    code = code_of(symbol)
    try:
        client.frame("stock_dividend_cninfo", {"symbol": code}, days=0)
    except SourceError as problem:
        try:
            client.frame("stock_history_dividend_detail", {"symbol": code, "indicator": "分红", "date": ""}, days=0)
        except SourceError:
            raise problem from None


class NewestExDates:
    """Newest ex-date of each stock in the whole-market tables, read again when one of them has changed.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._read: list[str] = []
        self._days: dict[str, dt.date] = {}

    def after(self, symbol: str, day: dt.date) -> bool:
        """Whether a stock has gone ex since ``day``, as far as the tables know."""
        state = [record.sha256 for record in self._client.cache.all_records("stock_fhps_em")]
        if state != self._read:
            rows = market_actions(self._client)
            rows = rows[rows["ex_date"].to_numpy() <= np.datetime64(self._client.today, "ms")]
            self._days = {str(s): d.date() for s, d in rows.groupby("symbol")["ex_date"].max().items()}
            self._read = state
        return symbol in self._days and self._days[symbol] > day


def actions_fresh(client: Client, symbol: str, newest: NewestExDates) -> bool:
    """Whether the distributions of a stock need not be asked for: asked lately, and no ex-date since.

    Ex-dates are told by the tables of the whole market and by the change in the bars. The first source answers a
    company that never paid with a body like a broken one; the second says so plainly.
    """
    plain = {"symbol": code_of(symbol)}
    sina = plain | {"indicator": "分红", "date": ""}
    asked = [record.checked for function, given in (("stock_dividend_cninfo", plain),
                                                    ("stock_history_dividend_detail", sina))
             for record in client.cache.records(function, given)[-1:]]  # fmt: skip
    if asked and (newest.after(symbol, max(asked)) or ex_days_after(client, symbol, max(asked))):
        return False
    if client.fresh("stock_dividend_cninfo", plain):
        return True
    return client.fresh("stock_history_dividend_detail", sina) and not len(
        _latest(client, "stock_history_dividend_detail", sina)
    )


def rights_arguments(symbol: str) -> dict[str, str]:
    """Arguments for all rights issues of a stock."""
    return {"symbol": code_of(symbol), "start_date": "19900101", "end_date": "22220222"}


def actions_of(client: Client, symbol: str, market: pd.DataFrame | None = None) -> pd.DataFrame:
    """Distributions of a stock on the disk, one row an ex-date.

    Parameters
    ----------
    client : Client
    symbol : str
    market : DataFrame, optional
        Rows of the whole-market tables for this stock: ex_date, cash, bonus_ratio, transfer_ratio, record_date.

    Returns
    -------
    DataFrame
        ex_date, cash (yuan a share before tax), bonus_ratio, transfer_ratio, rights_ratio (per share), rights_price,
        record_date, pay_date, list_date; sorted.
    """
    import pandas as pd

    code = code_of(symbol)
    found: list[pd.DataFrame] = []
    _take(found, _latest(client, "stock_dividend_cninfo", {"symbol": code}))
    sina = _latest(client, "stock_history_dividend_detail", {"symbol": code, "indicator": "分红", "date": ""})
    _take(found, sina[sina["state"] == "实施"] if "state" in sina else sina)
    _take(found, market)
    rights = _latest(client, "stock_allotment_cninfo", rights_arguments(symbol))
    if len(rights):
        sound = rights["rights_ratio"].between(0, 1.0, "right") & (rights["rights_price"] > 0)
        found.append(rights[sound & rights["ex_date"].notna()])
    rows = pd.concat([f for f in found if len(f)], ignore_index=True) if any(len(f) for f in found) else pd.DataFrame()
    for name in PARTS:
        rows[name] = rows[name].fillna(0.0) if name in rows else 0.0
    for name in ("ex_date", *DATES):
        if name not in rows:
            rows[name] = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[ms]")
    rows = rows[list(("ex_date", *PARTS, *DATES))].drop_duplicates(["ex_date", *PARTS])
    rows = rows[(rows[["cash", "bonus_ratio", "transfer_ratio", "rights_ratio"]] > 0).any(axis=1)]
    if not len(rows):
        return rows
    how: dict[str, Any] = {
        "cash": "sum", "bonus_ratio": "sum", "transfer_ratio": "sum", "rights_ratio": "sum", "rights_price": "max",
        "record_date": "min", "pay_date": "max", "list_date": "max",
    }  # fmt: skip
    return rows.groupby("ex_date", as_index=False, sort=True).agg(how)


def _take(found: list[pd.DataFrame], frame: pd.DataFrame | None) -> None:
    """Add the distributions that the frames before do not have already."""
    if frame is None or not len(frame):
        return
    frame = frame[frame["ex_date"].notna()]
    known = np.concatenate([f["ex_date"].to_numpy() for f in found]) if found else np.array([], "datetime64[ms]")
    days = frame["ex_date"].to_numpy()
    near = (np.abs(days[:, None] - known[None, :]) <= _SAME).any(axis=1) if len(known) else np.zeros(len(days), bool)
    found.append(frame[~near])


def _latest(client: Client, function: str, arguments: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    history = client.history(function, arguments)
    return history[-1][1] if history else pd.DataFrame()


def market_actions(client: Client) -> pd.DataFrame:
    """All distributions of the whole-market tables on the disk that have gone ex: symbol and as :func:`actions_of`."""
    import pandas as pd

    parts = [client.translated(r) for r in client.cache.all_records("stock_fhps_em")]
    parts = [p for p in parts if len(p)]
    if not parts:
        return pd.DataFrame({"symbol": [], "ex_date": pd.DatetimeIndex([]).as_unit("ms")})
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["ex_date"].notna() & rows["state"].fillna("").str.contains("实施")]
    names = ["symbol", "ex_date", "cash", "bonus_ratio", "transfer_ratio", "record_date"]
    return rows[names].drop_duplicates(["symbol", "ex_date"], keep="last").sort_values(names[:2], ignore_index=True)


def to_fen(price: float) -> float:
    """Rounded half up to the fen, as the exchanges do."""
    return float(np.floor(price * 100.0 + 0.5 + 1e-7) / 100.0)


def reference_prices(
    bars: pd.DataFrame, actions: pd.DataFrame, sessions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[dict[str, object]]]:
    """Reference price and cumulative factor of each bar, and the rows of ``ex_rights_events``.

    Parameters
    ----------
    bars : DataFrame
        date, open, close and change (to the reference price, where the source has it); sorted.
    actions : DataFrame
        As :func:`actions_of` returns.
    sessions : ndarray of datetime64[D]
        The calendar; an ex-date that is no session is moved to the next one.

    Returns
    -------
    preclose, factor : ndarray of float64, shape (R,)
    events : list of dict
    """
    dates = bars["date"].to_numpy().astype("datetime64[D]")
    close = bars["close"].to_numpy(float)
    preclose = np.empty(len(close))
    preclose[1:] = close[:-1]
    # On its first bar the source's own change leads to the issue price; without one the open must do.
    change = float(bars["change"].iloc[0]) if "change" in bars else np.nan
    first = to_fen(close[0] - change) if change == change else np.nan
    preclose[0] = first if first > 0 else float(bars["open"].iloc[0])
    step = np.ones(len(close))
    events: list[dict[str, object]] = []
    for row in actions.to_dict("records"):
        ex = np.datetime64(row["ex_date"], "D")
        at = int(np.searchsorted(sessions, ex))
        k = int(np.searchsorted(dates, ex))
        if at == len(sessions) or k == 0 or k == len(dates):
            continue  # before the first bar there is nothing to lower, after the last nothing has happened yet
        before = preclose[k]
        free = 1.0 + row["bonus_ratio"] + row["transfer_ratio"]
        paid = row["rights_ratio"]
        after = to_fen((before - row["cash"] + row["rights_price"] * paid) / (free + paid))
        if not after > 0:
            continue
        preclose[k] = after
        step[k] *= before / after
        dated = {name: row[name] for name in DATES}
        dated["record_date"] = dated["record_date"] if dated["record_date"] < row["ex_date"] else None
        for name in ("pay_date", "list_date"):
            dated[name] = dated[name] if dated[name] >= row["ex_date"] else None
        events.append({
            "ex_date": sessions[at], "prev_close": before, "preclose": after, "factor_ratio": before / after,
            "share_ratio": free + paid, "cash_per_share_est": row["cash"], "bonus_ratio": row["bonus_ratio"],
            "transfer_ratio": row["transfer_ratio"], "rights_ratio": paid,
            "rights_price": row["rights_price"] if paid else np.nan, **dated,
        })  # fmt: skip
    return preclose, np.cumprod(step), events


def factor_differences(bars: pd.DataFrame, factor: np.ndarray, other: pd.DataFrame) -> int:
    """Steps of a vendor's cumulative factor (date, factor) that differ from ours by more than half a per cent.

    Only steps inside the span of the bars count.
    """
    dates = bars["date"].to_numpy().astype("datetime64[D]")
    table = other.sort_values("date")
    days, values = table["date"].to_numpy().astype("datetime64[D]"), table["factor"].to_numpy(float)
    place = np.searchsorted(days, dates, side="right") - 1
    theirs = np.where(place >= 0, values[np.maximum(place, 0)], np.nan)
    ours, wide = factor[1:] / factor[:-1], theirs[1:] / theirs[:-1]
    return int((np.abs(ours / wide - 1.0) > 0.005).sum())
