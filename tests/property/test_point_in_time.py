"""Nothing that comes out after a session changes what a view of it says: noise instead of the future."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import SESSIONS, small_tables, write_tables

from engine.market import Market
from feeds.reports import KINDS
from feeds.store import open_market

SYMBOLS = ["000001.SZ", "300001.SZ", "600000.SH"]
QUARTERS = pd.date_range("2017-12-31", "2019-12-31", freq="QE")


def tables_of(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Random reports, some of them restated, and random industries and valuations over the small panel."""
    rows = []
    for symbol in SYMBOLS:
        for period in QUARTERS:
            told = max(period + pd.Timedelta(days=1), SESSIONS[0] + pd.Timedelta(days=int(rng.integers(-8, 40))))
            for version in range(int(rng.integers(0, 3))):
                seen = pd.NaT if version == 0 else SESSIONS[0] + pd.Timedelta(days=int(rng.integers(-5, 40)))
                rows.append((symbol, period, told if rng.random() < 0.9 else pd.NaT, seen, rng.normal()))
    reports = pd.DataFrame(rows, columns=["symbol", "period_end", "announce_date", "first_seen", "net_profit"])
    dated = [(symbol, day) for symbol in SYMBOLS for day in SESSIONS if rng.random() < 0.4]
    moves = pd.DataFrame(dated, columns=["symbol", "start_date"])
    moves["l1_name"] = [f"industry {k}" for k in rng.integers(0, 9, len(moves))]
    for name in ("sw_code", "l1_code", "scheme"):
        moves[name] = "x"
    values = pd.DataFrame(dated, columns=["symbol", "date"])
    for name in ("pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm"):
        values[name] = rng.normal(size=len(values))
    types = {"period_end": "datetime64[ms]", "announce_date": "datetime64[ms]", "first_seen": "datetime64[ms]"}
    return {"fundamentals_quarterly": reports.astype(types), "industry_sw_history": moves, "valuation_daily": values}


def with_noise(tables: dict[str, pd.DataFrame], day: pd.Timestamp, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """The same with everything replaced that the view of ``day`` may not know."""
    out = {name: frame.copy() for name, frame in tables.items()}
    reports = out["fundamentals_quarterly"]
    late = (reports["announce_date"] >= day) | (reports["first_seen"] >= day)
    reports.loc[late, "net_profit"] = rng.normal(size=int(late.sum())) * 1e6
    for name, column in (("industry_sw_history", "start_date"), ("valuation_daily", "date")):
        after = out[name][column] > day
        for other in out[name].columns.difference(["symbol", column]):
            text = isinstance(out[name][other].iloc[0], str) if len(out[name]) else False
            out[name].loc[after, other] = "noise" if text else -1e9
    return out


def seen(market: Market, t: int) -> list[np.ndarray]:
    view = market.view(t)
    found = [
        view.fundamentals("net_profit", kind=kind, lag=lag, skip_empty=skip)
        for kind in KINDS for lag in (0, 1, 4) for skip in (False, True)
    ]  # fmt: skip
    return [*found, view.as_of("industry_sw_history", "l1_name"), view.as_of("valuation_daily", "pe_ttm")]


@given(seed=st.integers(0, 10_000), t=st.integers(0, len(SESSIONS) - 1))
@settings(max_examples=12, deadline=None)
def test_noise_after_a_session_changes_no_view_of_it(seed: int, t: int) -> None:
    rng = np.random.default_rng(seed)
    tables = tables_of(rng)
    noisy = with_noise(tables, SESSIONS[t], rng)
    with tempfile.TemporaryDirectory() as place:
        markets = []
        for name, more in (("true", tables), ("noise", noisy)):
            folder = write_tables(Path(place) / name, small_tables() | more)
            markets.append(open_market(str(folder), universe="all", cache=Path(place) / "cache"))
        first, second = markets
        assert first.fingerprint != second.fingerprint or tables["fundamentals_quarterly"].equals(
            noisy["fundamentals_quarterly"]
        )
        for earlier in range(t + 1):
            for true, other in zip(seen(first, earlier), seen(second, earlier), strict=True):
                np.testing.assert_array_equal(true, other)


def test_a_report_is_seen_on_the_session_after_its_disclosure_and_on_no_earlier_one(tmp_path: Path) -> None:
    """The other half of the proof: what may be known is."""
    told = SESSIONS[7]
    reports = pd.DataFrame(
        {"symbol": SYMBOLS[:1], "period_end": [pd.Timestamp("2019-09-30")], "announce_date": [told], "net_profit": 5.0}
    )
    folder = write_tables(tmp_path / "data", small_tables() | {"fundamentals_quarterly": reports})
    market = open_market(str(folder), universe="all", cache=tmp_path / "cache")
    known = [float(market.view(t).fundamentals("net_profit")[0]) for t in range(len(SESSIONS))]
    assert np.isnan(known[:8]).all() and known[8:] == [5.0] * (len(SESSIONS) - 8)
