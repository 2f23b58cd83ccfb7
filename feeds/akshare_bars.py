"""Daily bars and index levels: one route first, others behind it, and a comparison of the two on a sample."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_routes import code_of

if TYPE_CHECKING:
    import pandas as pd

SOURCES = (("stock_zh_a_hist", "plain"), ("stock_zh_a_daily", "prefix"), ("stock_zh_a_hist_tx", "prefix"))
"""Routes of daily bars in order of preference, and the form of code that each wants."""

TOTAL_RETURN = {"000300": "H00300", "000905": "H00905", "000016": "H00016", "000852": "H00852"}
"""Total-return indices by their price index."""

PRICES = ("open", "high", "low", "close")
COMPARED = (*PRICES, "volume", "amount")

SAMPLE = 20
"""One stock in so many is fetched from a second source too."""

_CHECKED_AT_LEAST = 3


@dataclass
class CrossCheck:
    """Bars of one stock from two sources.

    Attributes
    ----------
    symbol, first, second : str
    rows : int
        Days that both have.
    differ : dict of str to int
        Days by column on which they differ: prices by more than half a fen, volume and amount by more than 1 %
        and 200 shares or yuan.
    """

    symbol: str
    first: str
    second: str
    rows: int = 0
    differ: dict[str, int] = field(default_factory=dict)


def arguments(function: str, symbol: str) -> dict[str, str]:
    """Arguments of a route of daily bars but for its dates."""
    form = dict(SOURCES)[function]
    plain = {"symbol": code_of(symbol, form), "adjust": ""}
    return plain | {"period": "daily"} if function == "stock_zh_a_hist" else plain


def fetch_bars(client: Client, symbol: str, start: dt.date, end: dt.date) -> str:
    """Fetch what is missing of a stock's bars from the first source that has it; the name of that source.

    Raises
    ------
    SourceError
        If none has it; the sentence of the first one.
    """
    problem: SourceError | None = None
    for function, _ in SOURCES:
        try:
            _update(client, function, symbol, start, end)
        except SourceError as error:
            problem = problem or error
        else:
            return function
    assert problem is not None
    raise problem


def _update(client: Client, function: str, symbol: str, start: dt.date, end: dt.date) -> None:
    """No rows are an answer only where there are earlier ones: a stock that is suspended throughout an update."""
    given = arguments(function, symbol)
    known = any(record.rows for record in client.windows(function, given))
    client.update(function, start, end, given, may_be_empty=known)


def ex_days_after(client: Client, symbol: str, day: dt.date) -> bool:
    """Whether the newest bars of the first source have an ex-date after ``day``.

    Its change is one to the reference price, so close less change is another price than the close before.
    """
    records = client.windows(SOURCES[0][0], arguments(SOURCES[0][0], symbol))
    if not records or records[-1].day <= day:
        return False
    bars = client.translated(records[-1]).sort_values("date", ignore_index=True)
    if "change" not in bars:
        return False
    gap = (bars["close"] - bars["change"] - bars["close"].shift()).abs() > 0.0051
    return bool((gap & (bars["date"].to_numpy() > np.datetime64(day, "D"))).any())


def sample(symbols: Sequence[str]) -> set[str]:
    """The stocks that two sources are compared on: one in :data:`SAMPLE` by a hash of its code."""
    ranked = sorted(symbols, key=lambda s: (zlib.crc32(s.encode()), s))
    return set(ranked[: max(_CHECKED_AT_LEAST, len(symbols) // SAMPLE)])


def fetch_second(client: Client, symbol: str, start: dt.date, end: dt.date) -> None:
    """Fetch a stock's bars from the second source too.

    Raises
    ------
    SourceError
    """
    _update(client, SOURCES[1][0], symbol, start, end)


def source_bars(client: Client, function: str, symbol: str) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """Bars of a stock from one source, the latest version of each, and the restatements met on the way.

    Returns
    -------
    bars : DataFrame
        date and what the source has; sorted, each date once, volume in shares.
    restated : list of dict
        table, symbol, date, column, before, after, first_seen, restated, source.
    """
    import pandas as pd

    parts = []
    for record in client.windows(function, arguments(function, symbol)):
        frame = _in_shares(_traded(client.translated(record)))  # each by itself: a source may change its unit
        if len(frame):
            parts.append(_with_day(frame, record.day))
    if not parts:
        return pd.DataFrame({"date": pd.DatetimeIndex([]).as_unit("ms")}), []
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["date"].notna()].sort_values(["date", "seen"], kind="stable", ignore_index=True)
    restated = restatements(rows, "daily_bars", ["date"], list(COMPARED), symbol, function)
    bars = rows.drop_duplicates("date", keep="last", ignore_index=True).drop(columns="seen")
    return bars, restated


def _with_day(frame: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """The frame with the column ``seen``: a merged frame has it already."""
    import pandas as pd

    return frame if "seen" in frame else frame.assign(seen=pd.Timestamp(day).as_unit("ms"))


def _traded(bars: pd.DataFrame) -> pd.DataFrame:
    """Without days on which nothing was traded: some sources repeat the last price with no volume."""
    if not len(bars):
        return bars
    return bars[(bars["volume"] > 0) & (bars[list(PRICES)] > 0).all(axis=1)].reset_index(drop=True)


def _in_shares(bars: pd.DataFrame) -> pd.DataFrame:
    """Volume in shares, decided by amount / volume: some routes count some boards in lots (AKShare PR 7328)."""
    if not len(bars) or "amount" not in bars:
        return bars
    ratio = float(np.nanmedian(bars["amount"] / bars["volume"] / bars["close"]))
    if 50.0 < ratio < 200.0:
        bars["volume"] *= 100.0
    elif 0.005 < ratio < 0.02:
        bars["volume"] /= 100.0
    return bars


def restatements(
    rows: pd.DataFrame, table: str, keys: list[str], columns: list[str], symbol: str, source: str
) -> list[dict[str, object]]:
    """Values that a later version gives otherwise; ``rows`` sorted by ``keys`` and by the column ``seen``."""
    again = rows.duplicated(keys, keep=False)
    if not again.any():
        return []
    found: list[dict[str, object]] = []
    for _, versions in rows[again].groupby(keys, sort=False):
        first = versions.iloc[0]
        before = first
        for _, now in versions.iloc[1:].iterrows():
            changed = False
            for column in columns:
                old, new = before.get(column, np.nan), now.get(column, np.nan)
                if old != old and new != new or abs(old - new) <= 1e-9 * max(1.0, abs(old)):
                    continue
                changed = True
                found.append({
                    "table": table, "symbol": symbol, "date": first[keys[-1]], "column": column,
                    "before": float(old), "after": float(new), "first_seen": before["seen"], "restated": now["seen"],
                    "source": source,
                })  # fmt: skip
            before = now if changed else before  # the day of the first version stands while nothing changes
    return found


def merged_bars(client: Client, symbol: str) -> tuple[pd.DataFrame, list[dict[str, object]], CrossCheck | None]:
    """Bars of a stock: of the first source that has a day; restatements; the comparison where two have it.

    Returns
    -------
    bars : DataFrame
        date, open, high, low, close, volume, amount, turnover (per cent), float_shares (where a source has it by
        date), change, source.
    restated : list of dict
    check : CrossCheck or None
    """
    import pandas as pd

    found, restated, check = [], [], None
    for function, _ in SOURCES:
        bars, changes = source_bars(client, function, symbol)
        if len(bars):
            found.append((function, bars.assign(source=function)))
            restated += changes
    if not found:
        return pd.DataFrame({"date": pd.DatetimeIndex([]).as_unit("ms")}), restated, None
    if len(found) > 1:
        check = compare(symbol, found[0], found[1])
    rows = pd.concat([bars for _, bars in found], ignore_index=True)
    rows = rows.drop_duplicates("date", keep="first").sort_values("date", ignore_index=True)
    for name in ("turnover", "float_shares", "change", "amount"):
        if name not in rows:
            rows[name] = np.nan
    return rows, restated, check


def compare(symbol: str, first: tuple[str, pd.DataFrame], second: tuple[str, pd.DataFrame]) -> CrossCheck:
    """Count the days on which two sources differ."""
    both = first[1].merge(second[1], on="date", suffixes=("", "_2"))
    check = CrossCheck(symbol, first[0], second[0], len(both))
    for name in COMPARED:
        if name + "_2" not in both:
            continue
        gap = (both[name] - both[name + "_2"]).abs()
        wide = gap > 0.0051 if name in PRICES else (gap > 0.01 * both[name]) & (gap > 200.0)
        check.differ[name] = int(wide.sum())
    return check


def fetch_index(client: Client, code: str, start: dt.date, end: dt.date) -> str:
    """Fetch an index's levels from the first source that has them; the name of that source.

    Raises
    ------
    SourceError
    """
    try:
        client.update("index_zh_a_hist", start, end, {"symbol": code, "period": "daily"})
        return "index_zh_a_hist"
    except SourceError as problem:
        try:
            client.frame("stock_zh_index_daily", {"symbol": _sina_index(code)})
            return "stock_zh_index_daily"
        except SourceError:
            raise problem from None


def fetch_total_return(client: Client, code: str, start: dt.date, end: dt.date) -> None:
    """Fetch the levels of a total-return index from its publisher.

    Raises
    ------
    SourceError
    """
    client.update("stock_zh_index_hist_csindex", start, end, {"symbol": code})


def _sina_index(code: str) -> str:
    return ("sz" if code.startswith("399") else "sh") + code


def index_levels(client: Client, code: str) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """Levels of an index on the disk: date, index_code, open, high, low, close, volume; and restatements."""
    import pandas as pd

    parts = []
    if code.startswith("H"):
        routes = [("stock_zh_index_hist_csindex", {"symbol": code})]
    else:
        routes = [("index_zh_a_hist", {"symbol": code, "period": "daily"})]
    for function, given in routes:
        for record in client.windows(function, given):
            parts.append(_with_day(client.translated(record), record.day).assign(rank=0))
    if not code.startswith("H"):
        for day, frame in client.history("stock_zh_index_daily", {"symbol": _sina_index(code)}):
            parts.append(_with_day(frame, day).assign(rank=1))
    columns = ["date", "index_code", *PRICES, "volume"]
    if not parts:
        return pd.DataFrame(columns=columns), []
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["date"].notna() & (rows["close"] > 0)]
    rows = rows.sort_values(["rank", "date", "seen"], kind="stable", ignore_index=True)
    restated = restatements(rows, "index_daily", ["rank", "date"], ["close"], code, routes[0][0])
    last = rows.drop_duplicates(["rank", "date"], keep="last").drop_duplicates("date", keep="first")
    return last.assign(index_code=code)[columns].sort_values("date", ignore_index=True), restated
