"""A market of a few stocks over 300 sessions with reports of every item: for tests of fundamental factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from small_data import Tables, day, small_tables, write_tables

from engine.market import Market
from feeds.store import open_market

SESSIONS = pd.bdate_range("2018-10-08", periods=320)
SYMBOLS = ["000001.SZ", "300001.SZ", "600000.SH"]
QUARTERS = pd.date_range("2013-12-31", "2019-12-31", freq="QE")


def bars(closes: dict[str, np.ndarray]) -> pd.DataFrame:
    """Bars with these closes, 1,000 float and 2,000 total shares; a session with a NaN close has no row."""
    frames = []
    for symbol, close in closes.items():
        before = pd.Series(close).ffill().shift(1).bfill().to_numpy()
        frame = pd.DataFrame({"date": SESSIONS[: len(close)], "symbol": symbol, "close": close, "preclose": before})
        for name in ("open", "high", "low"):
            frame[name] = frame["close"]
        frame = frame.assign(volume=100.0, amount=1000.0, turnover=1.5, total_shares=2000.0, float_shares=1000.0)
        frames.append(frame.assign(adj_factor=1.0, is_st=False)[frame["close"].notna()])
    return pd.concat(frames, ignore_index=True)


def tables(closes: dict[str, np.ndarray] | None = None, **more: pd.DataFrame) -> Tables:
    """Tables of a folder: flat prices of 10, 20 and 5 yuan unless others are given; no events; ``more`` by name."""
    flat = dict(zip(SYMBOLS, (10.0, 20.0, 5.0), strict=True))
    closes = closes or {symbol: np.full(len(SESSIONS), price) for symbol, price in flat.items()}
    found = small_tables()
    found["daily_bars"] = bars(closes)
    found["calendar"] = pd.DataFrame({"date": SESSIONS})
    found["securities"]["first_bar"], found["securities"]["last_bar"] = SESSIONS[0], SESSIONS[-1]
    found["ex_rights_events"] = found["ex_rights_events"].iloc[:0]
    found["index_daily"] = pd.DataFrame({"date": SESSIONS, "index_code": "000300", "close": 1000.0})
    found["industry_sw_history"] = pd.DataFrame(
        {"symbol": SYMBOLS, "start_date": SESSIONS[0], "sw_code": "110101", "l1_code": ["110000", "110000", "480000"],
         "scheme": "x", "l1_name": "x"}
    )  # fmt: skip
    return found | more


def market_of(folder: Path, found: Tables) -> Market:
    """The market of a folder written from these tables."""
    write_tables(folder, found)
    return open_market(str(folder), universe="all", cache=folder / ".cache")


def reports(rows: list[dict[str, object]], **default: object) -> pd.DataFrame:
    """Rows of a table of reports; dates as text."""
    frame = pd.DataFrame([default | row for row in rows])
    for name in ("period_end", "announce_date", "first_seen"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ms]")
    return frame


def multiples(rows: list[tuple[str, str, float]], column: str = "pe_ttm") -> pd.DataFrame:
    """Rows of ``valuation_daily`` (symbol, date, value of one column)."""
    frame = pd.DataFrame(rows, columns=["symbol", "date", column])
    frame["date"] = [day(text) for text in frame["date"]]
    for name in ("pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm"):
        if name not in frame:
            frame[name] = np.nan
    return frame
