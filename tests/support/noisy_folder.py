"""A data folder of few stocks, and its twin in which everything after a day is noise."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

_DAYS = {
    "valuation_daily": "date", "industry_sw_history": "start_date", "name_history": "start_date",
    "index_daily": "date", "share_capital": "change_date", "cn_gov_bond_10y": "date",
}  # fmt: skip


def few_stocks(source: Path, folder: Path, symbols: Sequence[str], years: range) -> Path:
    """The tables of some stocks and years."""
    keep = set(symbols)
    for path in sorted(source.rglob("*.parquet")):
        place = folder / path.relative_to(source)
        if path.parent.name == "daily_bars" and int(path.stem) not in years:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        filters = [("symbol", "in", sorted(keep))] if _has_symbol(path) and path.stem != "constituents" else None
        frame = pd.read_parquet(path, filters=filters)
        if path.stem == "securities":
            first, last = pd.Timestamp(f"{years[0]}-01-01"), pd.Timestamp(f"{years[-1]}-12-31")
            frame["first_bar"] = frame["first_bar"].where(frame["first_bar"] >= first, first)
            frame["last_bar"] = frame["last_bar"].where(frame["last_bar"] <= last, last)
        frame.to_parquet(place, index=False)
    return folder


def noisy_twin(folder: Path, twin: Path, day: str, seed: int = 7) -> Path:
    """A copy whose rows after ``day`` hold other numbers, some of them none at all."""
    rng = np.random.default_rng(seed)
    shutil.copytree(folder, twin)
    after = pd.Timestamp(day)
    for path in sorted(twin.rglob("*.parquet")):
        frame = pd.read_parquet(path)
        if path.parent.name == "daily_bars":
            frame = _noisy_bars(frame, frame["date"] > after, rng)
        elif path.stem.startswith("fundamentals_"):
            told = frame["announce_date"] if "announce_date" in frame else pd.Series(pd.NaT, index=frame.index)
            late = (told > after) | (told.isna() & (frame["period_end"] > after - pd.Timedelta(days=120)))
            frame = _noisy_numbers(frame, late, rng)
        elif path.stem == "ex_rights_events":
            frame = frame[frame["ex_date"] <= after]
        elif path.stem in _DAYS:
            frame = _noisy_numbers(frame, frame[_DAYS[path.stem]] > after, rng)
        else:
            continue
        frame.to_parquet(path, index=False)
    return twin


def _has_symbol(path: Path) -> bool:
    import pyarrow.parquet as pq

    return "symbol" in pq.read_schema(path).names


def _noisy_bars(frame: pd.DataFrame, late: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    count = int(late.sum())
    frame = frame.copy()
    prices = rng.uniform(1.0, 300.0, (count, 2)).round(2)
    low, high = prices.min(axis=1), prices.max(axis=1)
    for name, values in (("open", low), ("low", low), ("close", high), ("high", high), ("preclose", low)):
        frame.loc[late, name] = values.astype(frame[name].dtype)
    for name in ("volume", "amount", "total_shares", "float_shares"):
        frame.loc[late, name] = pd.array(rng.integers(1_000, 10**9, count)).astype(frame[name].dtype)
    frame.loc[late, "turnover"] = rng.uniform(0.0, 30.0, count).astype(frame["turnover"].dtype)
    frame.loc[late, "adj_factor"] = rng.uniform(0.5, 90.0, count).astype(frame["adj_factor"].dtype)
    first_or_last = ~frame.duplicated("symbol", keep="first") | ~frame.duplicated("symbol", keep="last")
    gone = late & (pd.Series(rng.random(len(frame)) < 0.2, index=frame.index)) & ~first_or_last
    return frame[~gone]


def _noisy_numbers(frame: pd.DataFrame, late: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    frame = frame.copy()
    for name in frame.columns:
        if pd.api.types.is_float_dtype(frame[name]):
            noise = rng.uniform(0.1, 1e4, int(late.sum()))
            noise[rng.random(len(noise)) < 0.2] = np.nan if name != "close" else 1.0
            frame.loc[late, name] = noise.astype(frame[name].dtype)
    return frame
