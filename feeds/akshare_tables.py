"""The store's tables from raw frames: no network, no clock, the same frames give the same tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds import akshare_actions, akshare_bars, akshare_members, akshare_reports, akshare_statements
from feeds.akshare_client import Client
from feeds.akshare_industries import industries
from feeds.akshare_members import Listings
from feeds.akshare_routes import code_of

if TYPE_CHECKING:
    import pandas as pd

ACTIVE = 10
"""A stock with a bar in the last so many sessions is active at the end."""

_BAR_COLUMNS = ("open", "high", "low", "close", "volume", "amount", "turnover")
_RESTATED = ("table", "symbol", "date", "column", "before", "after", "first_seen", "restated", "source")


@dataclass
class Made:
    """Tables, restatements, and what must be said about them."""

    tables: dict[str, pd.DataFrame]
    restatements: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Stock:
    """One stock's rows on their way into the tables."""

    bars: pd.DataFrame
    events: list[dict[str, object]]
    capital: pd.DataFrame
    left_out: int


def build_tables(
    client: Client,
    folder: Path,
    symbols: Sequence[str],
    indices: Sequence[str],
    sessions: np.ndarray,
    start: dt.date,
    end: dt.date,
    known: Listings,
    current: Mapping[str, Sequence[str]],
) -> Made:
    """Make every table from what is on the disk.

    Parameters
    ----------
    client : Client
        Nothing is fetched.
    folder : Path
        The store: dated memberships that were imported stay.
    symbols, indices : sequence of str
    sessions : ndarray of datetime64[D]
        All known ones.
    start, end : date
        Span of the bars.
    known : Listings
    current : mapping of str to sequence of str
        Members of today by index code, where no true history is known.
    """
    import pandas as pd

    span = sessions[(sessions >= np.datetime64(start)) & (sessions <= np.datetime64(end))]
    names, undated = akshare_members.name_history(client, list(symbols), known)
    market = dict(list(akshare_actions.market_actions(client).groupby("symbol")))
    restated: list[dict[str, object]] = []
    stocks: dict[str, _Stock] = {}
    checks: list[akshare_bars.CrossCheck] = []
    steps = 0
    for symbol in symbols:
        bars, changes, check = akshare_bars.merged_bars(client, symbol)
        restated += changes
        checks += [check] if check else []
        stock = _stock(client, symbol, bars, sessions, span, names, market.get(symbol))
        if stock is None:
            continue
        stocks[symbol] = stock
        given = {"symbol": code_of(symbol, "prefix"), "adjust": "hfq-factor"}
        for _, factors in client.history("stock_zh_a_daily", given)[-1:]:
            steps += akshare_actions.factor_differences(stock.bars, stock.bars["adj_factor"].to_numpy(), factors)
    levels = []
    for code in indices:
        frame, changes = akshare_bars.index_levels(client, code)
        restated += changes
        inside = frame["date"].isin(span.astype("datetime64[ms]")) if len(frame) else []
        levels.append(frame[inside] if len(frame) else frame)
    wanted = set(symbols)
    own = akshare_statements.statements(client, symbols)
    reports = [row for quarter in akshare_reports.quarters(start, end)
               for row in akshare_reports.report_rows(client, quarter, wanted, own)]  # fmt: skip
    valuation = [akshare_reports.valuation_of(client, symbol) for symbol in symbols]
    tables = {
        "calendar": pd.DataFrame({"date": sessions.astype("datetime64[ms]")}),
        "daily_bars": _joined([s.bars for s in stocks.values()]),
        "securities": _securities(symbols, stocks, known, span),
        "suspensions": _suspensions(stocks, known, span),
        "ex_rights_events": _events(stocks),
        "share_capital": _joined([s.capital.assign(symbol=k) for k, s in stocks.items() if len(s.capital)]),
        "index_daily": _joined(levels),
        "constituents": _constituents(folder, current, client, indices, sessions),
        "constituents_snapshots": akshare_members.snapshots(client, [c for c in indices if c.isdigit()]),
        "name_history": names,
        "industry_sw_history": industries(client, wanted),
        "valuation_daily": _joined([v for v in valuation if len(v)]),
        "fundamentals_quarterly": pd.DataFrame(reports),
        "cn_gov_bond_10y": _bond(client, start),
    }
    made = Made(tables, _restatements(restated))
    made.figures = _figures(symbols, stocks, tables, checks, steps, made.restatements, undated, current)
    made.figures["st_differs"] = akshare_members.st_disagreement(client, list(symbols), known)
    made.notes = _notes(made.figures, checks, undated, current)
    return made


def _stock(
    client: Client,
    symbol: str,
    bars: pd.DataFrame,
    sessions: np.ndarray,
    span: np.ndarray,
    names: pd.DataFrame,
    market: pd.DataFrame | None,
) -> _Stock | None:
    """Bars with reference price, factor, share counts and ST; None without a bar."""
    if not len(bars):
        return None
    sound = (bars["high"] >= bars[["open", "close", "low"]].max(axis=1)) & (
        bars["low"] <= bars[["open", "close"]].min(axis=1)
    )
    sound &= bars["date"].isin(span.astype("datetime64[ms]")) & (bars["amount"] >= 0)
    left_out = int((~sound).sum())
    bars = bars[sound].reset_index(drop=True)
    if not len(bars):
        return None
    actions = akshare_actions.actions_of(client, symbol, market)
    capital = akshare_reports.capital_of(client, symbol)
    preclose, factor, events = akshare_actions.reference_prices(bars, actions, sessions)
    days = bars["date"].to_numpy().astype("datetime64[D]")
    since = capital["change_date"].to_numpy().astype("datetime64[D]")
    out = bars[["date", *_BAR_COLUMNS]].copy()
    out["symbol"] = symbol
    out["preclose"], out["adj_factor"] = preclose, factor
    for name in ("total_shares", "float_shares"):
        out[name] = akshare_reports.as_of(days, since, capital[name].to_numpy(float))
    out["float_shares"] = out["float_shares"].fillna(bars["float_shares"])
    out["is_st"] = akshare_members.st_flags(names, symbol, days)
    return _Stock(out, [{"symbol": symbol} | event for event in events], capital, left_out)


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _securities(
    symbols: Sequence[str], stocks: Mapping[str, _Stock], known: Listings, span: np.ndarray
) -> pd.DataFrame:
    import pandas as pd

    edge = span[-min(ACTIVE, len(span))].astype("datetime64[ms]") if len(span) else np.datetime64("NaT", "ms")
    rows = []
    for symbol in symbols:
        bars = stocks[symbol].bars["date"] if symbol in stocks else None
        last = bars.iloc[-1] if bars is not None else pd.NaT
        rows.append({
            "symbol": symbol, "list_date": known.listed.get(symbol, pd.NaT),
            "first_bar": bars.iloc[0] if bars is not None else pd.NaT, "last_bar": last,
            "active_at_end": bool(last >= edge), "delist_date": known.delisted.get(symbol, pd.NaT),
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.astype({n: "datetime64[ms]" for n in ("list_date", "first_bar", "last_bar", "delist_date")})


def _suspensions(stocks: Mapping[str, _Stock], known: Listings, span: np.ndarray) -> pd.DataFrame:
    """Sessions without a bar between a stock's first day in the span and its last."""
    import pandas as pd

    rows = []
    for symbol, stock in stocks.items():
        days = stock.bars["date"].to_numpy().astype("datetime64[D]")
        listed, gone = known.listed.get(symbol), known.delisted.get(symbol)
        knows = listed is not None and listed == listed
        begin = np.datetime64(listed, "D") if knows and listed is not None else days[0]
        mine = span[span >= max(begin, span[0])]
        if gone is not None and gone == gone:
            mine = mine[mine <= days[-1]]
        there = np.isin(mine, days)
        edges = np.flatnonzero(np.diff(np.concatenate([[True], there, [True]]).astype(np.int8)))
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            ends = mine[b - 1] if b < len(mine) else np.datetime64("NaT", "D")
            rows.append((symbol, mine[a], ends))
    frame = pd.DataFrame(rows, columns=["symbol", "start", "end"])
    return frame.astype({"start": "datetime64[ms]", "end": "datetime64[ms]", "symbol": object})


def _events(stocks: Mapping[str, _Stock]) -> pd.DataFrame:
    import pandas as pd

    columns = ["symbol", "ex_date", "prev_close", "preclose", "factor_ratio", "share_ratio", "cash_per_share_est",
               "bonus_ratio", "transfer_ratio", "rights_ratio", "rights_price", *akshare_actions.DATES]  # fmt: skip
    frame = pd.DataFrame([row for stock in stocks.values() for row in stock.events], columns=columns)
    for name in ("ex_date", *akshare_actions.DATES):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ms]")
    return frame.drop_duplicates(["symbol", "ex_date"], keep="last", ignore_index=True)


def _constituents(
    folder: Path,
    current: Mapping[str, Sequence[str]],
    client: Client,
    indices: Sequence[str],
    sessions: np.ndarray,
) -> pd.DataFrame:
    """True dated rows as they are, cnindex's own, and today's members under ``as_of``: those look ahead."""
    import pandas as pd

    nat = pd.NaT
    rows: list[pd.DataFrame] = []
    file = folder / "constituents.parquet"
    if file.is_file():
        old = pd.read_parquet(file)
        if "as_of" in old:
            old = old[old["as_of"].isna() | ~old["index_code"].isin(list(current))]
        rows.append(old)
    for code in [c for c in indices if c.startswith("399")]:
        for _, frame in client.history("index_detail_hist_adjust_cni", {"symbol": code})[-1:]:
            dated = frame[frame["in_date"].notna()][["symbol", "in_date", "out_date"]]
            rows = [part[part["index_code"] != code] for part in rows]
            rows.append(dated.assign(index_code=code, as_of=nat))
    for code, members in current.items():
        # The members of today are taken for members of always: the name of the universe says so.
        rows.append(pd.DataFrame({
            "index_code": code, "symbol": sorted(members), "in_date": pd.Timestamp(sessions[0]), "out_date": nat,
            "as_of": pd.Timestamp(client.today),
        }))  # fmt: skip
    columns = ["index_code", "symbol", "in_date", "out_date", "as_of"]
    frame = _joined(rows)
    if not len(frame):
        frame = pd.DataFrame(columns=columns)
    for name in columns[2:]:
        values = frame[name] if name in frame else pd.Series(nat, index=frame.index)
        frame[name] = pd.to_datetime(values).astype("datetime64[ms]")
    return frame.drop_duplicates(["index_code", "symbol", "in_date", "as_of"], ignore_index=True)


def _bond(client: Client, start: dt.date) -> pd.DataFrame:
    import pandas as pd

    parts = [client.translated(record) for record in client.cache.all_records("bond_zh_us_rate")]
    if not parts:
        return pd.DataFrame(columns=["date", "yield_pct"])
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["yield_pct"].notna() & (rows["date"] >= pd.Timestamp(start))]
    return rows.drop_duplicates("date", keep="last").sort_values("date", ignore_index=True)


def _restatements(rows: list[dict[str, object]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(_RESTATED))
    for name in ("date", "first_seen", "restated"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ms]")
    return frame.sort_values(["table", "symbol", "date", "column", "restated"], ignore_index=True)


def _figures(
    symbols: Sequence[str],
    stocks: Mapping[str, _Stock],
    tables: Mapping[str, pd.DataFrame],
    checks: Sequence[akshare_bars.CrossCheck],
    steps: int,
    restated: pd.DataFrame,
    undated: Sequence[str],
    current: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Coverage and agreement as numbers."""

    def share(table: str) -> float:
        frame = tables[table]
        have = set(frame["symbol"]) if len(frame) else set()
        return round(len(have & set(symbols)) / len(symbols), 4) if symbols else 0.0

    reports = tables["fundamentals_quarterly"]
    return {
        "stocks": len(symbols),
        "stocks_with_bars": len(stocks),
        "share_with": {name: share(name) for name in ("daily_bars", "share_capital", "valuation_daily",
                                                      "fundamentals_quarterly", "industry_sw_history",
                                                      "name_history")},
        "bars_left_out": sum(stock.left_out for stock in stocks.values()),
        "compared": {
            "stocks": len(checks),
            "rows": sum(check.rows for check in checks),
            "differ": {name: sum(c.differ.get(name, 0) for c in checks) for name in akshare_bars.COMPARED},
            "factor_steps": steps,
        },
        "restatements": len(restated) + (int(reports["first_seen"].notna().sum()) if len(reports) else 0),
        "undated_st": list(undated),
        "beijing": sum(symbol.endswith(".BJ") for symbol in symbols),
        "today_only": {code: len(members) for code, members in current.items()},
    }  # fmt: skip


def _notes(
    figures: Mapping[str, Any],
    checks: Sequence[akshare_bars.CrossCheck],
    undated: Sequence[str],
    current: Mapping[str, Sequence[str]],
) -> list[str]:
    """What a user must know, one sentence each."""
    found = []
    for code in current:
        found.append(
            f"Index {code}: the source gives the members of today only; as universe "
            f"'{akshare_members.today_name(code)}' they are applied to the past, so losers that left are missing "
            "(survivorship bias). Bring a dated list in with `scripts/data.py import constituents FILE.csv`."
        )
    if undated:
        found.append(
            f"{len(undated)} Shanghai stocks were called ST at some time, but no source gives the dates: is_st is "
            f"false until this store first saw the name ({', '.join(undated[:5])}{' ...' if len(undated) > 5 else ''})."
        )
    if figures["beijing"]:
        found.append(
            f"{figures['beijing']} stocks of Beijing: no source lists those that left it, and bars under the codes "
            "before October 2025 are not joined to those under 920."
        )
    compared = figures["compared"]
    if compared["rows"] and compared["differ"]["close"] > 0.001 * compared["rows"]:
        worst = max(checks, key=lambda c: c.differ.get("close", 0))
        found.append(
            f"The two sources of bars differ on {compared['differ']['close']} of {compared['rows']} closes, most in "
            f"{worst.symbol}: look at it before you trust either."
        )
    if compared["factor_steps"]:
        found.append(
            f"{compared['factor_steps']} steps of the adjustment factor differ from the second source's by more than "
            "half a per cent."
        )
    if figures["st_differs"]:
        found.append(
            f"{len(figures['st_differs'])} stocks are ST by their name but not on today's board of ST stocks, or the "
            f"other way round ({', '.join(figures['st_differs'][:5])})."
        )
    if figures["bars_left_out"]:
        found.append(
            f"{figures['bars_left_out']} bars were left out: on no session, or with prices outside their high and low."
        )
    return found
