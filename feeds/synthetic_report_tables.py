"""The reports and the valuation of the synthetic market as columns of their tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from feeds.synthetic_population import Population
from feeds.synthetic_prices import Paths
from feeds.synthetic_reports import Reports, in_force


def report_columns(reports: Reports, people: Population) -> dict[str, Any]:
    """Columns of ``fundamentals_quarterly``: public reports by stock and period. Flow ratios count from January."""
    i, q = np.nonzero(reports.public.T)
    profit, revenue = reports.since_january(reports.profit), reports.since_january(reports.revenue)
    year = reports.over_four(reports.profit)
    opening = np.concatenate([reports.equity[:1], reports.equity[3:-1:4]]).repeat(4, axis=0)
    return {
        "symbol": _symbols(i, people),
        "period_end": _days(reports.period_end[q]),
        "announce_date": _days(reports.told[q, i]),
        "roe_avg": np.round((profit / (0.5 * (opening + reports.equity)))[q, i], 6),
        "net_margin": np.round((profit / revenue)[q, i], 6),
        "gross_margin": np.round(np.maximum(reports.gross_margin, profit / revenue + 0.01)[q, i], 6),
        "net_profit": np.round(profit[q, i], 0),
        "eps_ttm": np.round((year / reports.total_shares)[q, i], 6),
        "main_revenue": np.round(revenue[q, i], 0),
        "total_shares": reports.total_shares[q, i].astype(np.float64),
        "float_shares": reports.float_shares[q, i].astype(np.float64),
        "yoy_equity": _growth(reports.equity)[q, i],
        "yoy_assets": _growth(reports.assets)[q, i],
        "yoy_net_profit": _growth(profit)[q, i],
        "yoy_eps_basic": _growth(profit / reports.total_shares)[q, i],
        "yoy_parent_net_profit": _growth(profit)[q, i],
    }


def valuation_columns(reports: Reports, people: Population, paths: Paths, sessions: np.ndarray) -> dict[str, Any]:
    """Columns of ``valuation_daily``: close times total shares over what the latest report told on an earlier day.

    Four significant digits; stocks by rows, then dates; no row on a session without a bar or before a first report.
    """
    latest = in_force(reports, sessions)
    i, t = np.nonzero((people.trading & (latest >= 0)).T)
    q = latest[t, i]
    value = paths.close[t, i] / 100.0 * paths.total_shares[t, i]
    under = {
        "pe_ttm": reports.over_four(reports.profit),
        "pb_mrq": reports.equity,
        "ps_ttm": reports.over_four(reports.revenue),
        "pcf_ncf_ttm": reports.cash_flow,
    }
    return {
        "date": _days(sessions[t]),
        "symbol": _symbols(i, people),
        **{name: four_digits(value / base[q, i]) for name, base in under.items()},
    }


def four_digits(values: np.ndarray) -> np.ndarray:
    """Rounded to four significant digits, float32."""
    exponent = np.floor(np.log10(np.maximum(np.abs(values), 1e-12)))
    scale = 10.0 ** (3.0 - exponent)
    return np.asarray(np.rint(values * scale) / scale, dtype=np.float32)


def _growth(values: np.ndarray) -> np.ndarray:
    """Change over four quarters relative to the size of the figure then."""
    out = np.full(values.shape, np.nan)
    out[4:] = np.round((values[4:] - values[:-4]) / np.abs(values[:-4]), 6)
    return out


def _days(days: np.ndarray) -> pa.Array:
    return pa.array(days.astype("datetime64[ms]"), pa.timestamp("ms"))


def _symbols(index: np.ndarray, people: Population) -> pa.Array:
    words = pa.array(people.symbols.tolist(), pa.large_string())
    picked = pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), words)
    return picked.cast(pa.large_string())
