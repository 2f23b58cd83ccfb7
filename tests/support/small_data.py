"""A hand-written data folder of three stocks, one index and 23 sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

Tables = dict[str, pd.DataFrame]

SESSIONS = pd.DatetimeIndex([d for d in pd.bdate_range("2019-12-16", "2020-01-16") if str(d.date()) != "2020-01-01"])
"""2019-12-16 .. 2020-01-16: 12 sessions of 2019 and 11 of 2020."""


def bars_of(symbol: str, close: float, float_shares: int = 1000) -> pd.DataFrame:
    """A flat price on every session; the volume is the number of the session, from 1."""
    n = len(SESSIONS)
    return pd.DataFrame(
        {
            "date": SESSIONS,
            "symbol": symbol,
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "preclose": close,
            "volume": np.arange(1, n + 1) * 100,
            "amount": np.arange(1, n + 1) * 1000,
            "turnover": np.float32(1.5),
            "total_shares": float_shares * 2,
            "float_shares": float_shares,
            "adj_factor": 1.0,
            "is_st": False,
        }
    )


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def small_tables() -> Tables:
    """Healthy tables; a test changes what it is about. ``daily_bars`` is cut into years when written."""
    prices = {"000001.SZ": 10.0, "300001.SZ": 20.0, "600000.SH": 5.0}
    return {
        "daily_bars": pd.concat([bars_of(*item) for item in prices.items()], ignore_index=True),
        "calendar": pd.DataFrame({"date": SESSIONS}),
        "securities": pd.DataFrame(
            {
                "symbol": ["000001.SZ", "300001.SZ", "600000.SH"],
                "list_date": [day("1991-04-03"), day("2009-10-30"), day("1999-11-10")],
                "first_bar": SESSIONS[0],
                "last_bar": SESSIONS[-1],
                "active_at_end": True,
            }
        ),
        "suspensions": pd.DataFrame(
            {
                "symbol": pd.Series([], dtype=str),
                "start": pd.DatetimeIndex([]),
                "end": pd.DatetimeIndex([]),
            }
        ),
        "ex_rights_events": pd.DataFrame(
            {
                "symbol": ["000001.SZ"],
                "ex_date": [day("2020-01-06")],
                "prev_close": [10.0],
                "preclose": [9.5],
                "factor_ratio": [10.0 / 9.5],
                "share_ratio": [1.0],
                "cash_per_share_est": [0.5],
            }
        ),
        "constituents": pd.DataFrame(
            {
                "index_code": "000300",
                "symbol": ["000001.SZ", "300001.SZ", "600000.SH"],
                "in_date": [day("2010-01-01"), day("2010-01-01"), day("2020-01-06")],
                "out_date": [pd.NaT, day("2020-01-06"), pd.NaT],
            }
        ),
        "index_daily": pd.DataFrame({"date": SESSIONS, "index_code": "000300", "close": 1000.0}),
        "name_history": pd.DataFrame(
            {
                "symbol": ["000001.SZ", "000001.SZ", "300001.SZ", "600000.SH"],
                "start_date": [day("2019-12-16"), day("2020-01-16"), day("2019-12-16"), day("2019-12-16")],
                "name": ["平安银行", "XD平安银", "N特锐德", "XD*ST浦"],
            }
        ),
        "cn_gov_bond_10y": pd.DataFrame({"date": [day("2019-12-17"), day("2020-01-03")], "yield_pct": [3.0, 2.5]}),
    }


def write_tables(folder: Path, tables: Tables) -> Path:
    """Write the tables as Parquet, ``daily_bars`` by the year that its rows name."""
    (folder / "daily_bars").mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        if name != "daily_bars":
            frame.to_parquet(folder / f"{name}.parquet", index=False)
            continue
        years = frame["file_year"] if "file_year" in frame else frame["date"].dt.year
        for year, rows in frame.drop(columns="file_year", errors="ignore").groupby(years):
            rows.to_parquet(folder / "daily_bars" / f"{year}.parquet", index=False)
    return folder
