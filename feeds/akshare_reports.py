"""Quarterly reports, valuation and share capital: whole-market tables first, versions kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_routes import code_of

if TYPE_CHECKING:
    import pandas as pd

STATEMENTS = ("stock_lrb_em", "stock_zcfz_em", "stock_xjll_em", "stock_yjbb_em")
"""Income, balance, cash flow, key figures: the whole market a quarter in about twelve pages each."""

DISCLOSURE = ("stock_yysj_em", {"symbol": "沪深A股"})
"""When each report really came out."""

BEIJING: tuple[tuple[str, dict[str, str]], ...] = (
    ("stock_zcfz_bj_em", {}),
    ("stock_yysj_em", {"symbol": "京市A股"}),
)
"""What the tables of the whole market leave out of Beijing's stocks: their balances and their days of disclosure."""

FIGURES: dict[str, tuple[str, ...]] = {
    "stock_lrb_em": ("total_revenue", "operating_cost", "operating_profit", "total_profit", "parent_net_profit",
                     "revenue_yoy", "net_profit_yoy"),
    "stock_zcfz_em": ("cash", "receivables", "inventory", "total_assets", "total_liabilities", "total_equity"),
    "stock_zcfz_bj_em": ("cash", "receivables", "inventory", "total_assets", "total_liabilities", "total_equity"),
    "stock_xjll_em": ("operating_cash_flow", "investing_cash_flow", "financing_cash_flow", "net_cash_flow"),
    "stock_yjbb_em": ("eps", "bvps", "roe", "gross_margin"),
}  # fmt: skip
"""Which figure is taken from which table."""

SETTLED = 730
"""Days after a quarter's end from which its tables are no longer asked for again."""

_FEW = 20
"""Rows below which an identity says nothing."""


def quarters(start: dt.date, end: dt.date) -> list[dt.date]:
    """Ends of the quarters whose reports matter from ``start`` to ``end``: from five quarters before, for TTM."""
    days = [dt.date(year, month, day) for year in range(start.year - 2, end.year + 1)
            for month, day in ((3, 31), (6, 30), (9, 30), (12, 31))]  # fmt: skip
    first = sum(day <= start for day in days) - 5
    return [day for day in days[max(0, first) :] if day <= end]


def newest_quarter(today: dt.date) -> dt.date:
    """The last quarter that has ended before ``today``."""
    days = [dt.date(year, month, day) for year in (today.year - 1, today.year)
            for month, day in ((3, 31), (6, 30), (9, 30), (12, 31))]  # fmt: skip
    return max(day for day in days if day < today)


def freshness(quarter: dt.date, today: dt.date, days: int) -> int:
    """Days for which the tables of a quarter stay good."""
    return 100_000 if (today - quarter).days > SETTLED else days


def check_identities(function: str, frame: pd.DataFrame, other: pd.DataFrame | None = None) -> None:
    """Refuse a table whose columns do not add up, as happens when a source swaps two that AKShare names by position.

    Parameters
    ----------
    function : str
    frame : DataFrame
    other : DataFrame, optional
        Key figures of the same quarter, to compare the income statement with.

    Raises
    ------
    SourceError
        If assets are not liabilities and equity in 5 % of the rows; if the three cash flows do not make the net one
        in 20 %; if profit or revenue differ from the key figures in 20 %; if a suspension begins after the day of
        the list in 20 %.
    """
    checks: list[tuple[str, pd.Series, float]] = []
    if function in ("stock_zcfz_em", "stock_zcfz_bj_em"):
        gap = frame["total_assets"] - frame["total_liabilities"] - frame["total_equity"]
        checks.append(("总资产 = 总负债 + 股东权益合计", gap.abs() > 0.005 * frame["total_assets"].abs(), 0.05))
    if function == "stock_xjll_em":
        parts = frame[["operating_cash_flow", "investing_cash_flow", "financing_cash_flow"]]
        gap = frame["net_cash_flow"] - parts.sum(axis=1)
        checks.append(("净现金流 = 经营 + 投资 + 融资", gap.abs() > 0.1 * parts.abs().max(axis=1), 0.2))
    if function == "stock_fhps_em":
        gap = frame["share_ratio"].fillna(0) - frame["bonus_ratio"].fillna(0) - frame["transfer_ratio"].fillna(0)
        checks.append(("送转总比例 = 送转比例 + 转股比例", gap.abs() > 1e-6, 0.05))
    if function == "stock_tfp_em":
        checks.append(("停牌时间 <= the day asked for", ~(frame["start"] <= frame["day"]), 0.2))
    if function == "stock_lrb_em" and other is not None and len(other):
        both = frame.merge(other, on="symbol", suffixes=("", "_2"))
        for name in ("parent_net_profit", "total_revenue"):
            gap = (both[name] - both[name + "_2"]).abs()
            checks.append((f"{name} of stock_yjbb_em", gap > 0.02 * both[name].abs(), 0.2))
    for words, broken, allowed in checks:
        if len(broken) >= _FEW and float(broken.mean()) > allowed:
            raise SourceError(
                f"{function}: {int(broken.sum())} of {len(broken)} rows break '{words}': the source has moved its "
                "columns, which AKShare names by position; upgrade AKShare, or leave the table out",
                function=function,
                reason="changed",
            )


def _versions(client: Client, function: str, date: str, wanted: set[str]) -> list[tuple[dt.date, pd.DataFrame]]:
    found = []
    for day, frame in client.history(function, {"date": date}):
        if len(frame):
            frame = frame[frame["symbol"].isin(wanted)].drop_duplicates("symbol", keep="first")
            found.append((day, frame.set_index("symbol")))
    return found


def report_rows(
    client: Client,
    quarter: dt.date,
    wanted: set[str],
    own: Mapping[str, Mapping[str, list[tuple[dt.date, pd.DataFrame]]]] | None = None,
) -> list[dict[str, object]]:
    """Rows of ``fundamentals_quarterly`` for one quarter, one a stock and version.

    The first version of each table counts as known with the disclosure; a later change of any figure is a further
    row whose ``first_seen`` is the day on which it was fetched. Disclosure is 实际披露时间, else the earliest notice
    date that any version gives.

    Parameters
    ----------
    client : Client
    quarter : date
    wanted : set of str
        Symbols.
    own : mapping, optional
        Statements stock by stock: see :func:`feeds.akshare_statements.statements`.
    """
    import pandas as pd

    date = f"{quarter:%Y%m%d}"
    tables = {function: _versions(client, function, date, wanted) for function in (*STATEMENTS, BEIJING[0][0])}
    tables |= {function: versions.get(date, []) for function, versions in (own or {}).items()}
    disclosed: dict[str, pd.Timestamp] = {}
    lists = [history for function, given in (DISCLOSURE, BEIJING[1])
             for history in client.history(function, given | {"date": date})]  # fmt: skip
    for _, frame in lists:
        for symbol, day in zip(frame["symbol"].tolist(), frame["disclosed"].tolist(), strict=True):
            if day == day and day is not None:
                disclosed[symbol] = min(day, disclosed.get(symbol, day))
    notices: dict[str, pd.Timestamp] = {}
    changes: dict[str, dict[dt.date | None, dict[str, float]]] = {}
    for function, versions in tables.items():
        before: dict[str, dict[str, float]] = {}
        for day, frame in versions:
            names = [name for name in FIGURES.get(function, frame.columns) if name in frame and name != "notice_date"]
            numbers = frame[names].to_numpy(float)
            for k, symbol in enumerate(frame.index.tolist()):
                notice = frame["notice_date"].iloc[k]
                if notice == notice and function != "stock_yjbb_em":  # that one gives the latest notice
                    notices[symbol] = min(notice, notices.get(symbol, notice))
                values = dict(zip(names, numbers[k].tolist(), strict=True))
                old = before.get(symbol)
                if old is None:
                    changes.setdefault(symbol, {}).setdefault(None, {}).update(values)
                elif not _same(old, values):
                    changes.setdefault(symbol, {}).setdefault(day, {}).update(values)
                before[symbol] = values
    rows: list[dict[str, object]] = []
    for symbol in sorted(changes):
        figures: dict[str, float] = {}
        base = {"symbol": symbol, "period_end": pd.Timestamp(quarter),
                "announce_date": disclosed.get(symbol, notices.get(symbol, pd.NaT))}  # fmt: skip
        for day in sorted(changes[symbol], key=lambda d: d or dt.date.min):
            figures = figures | changes[symbol][day]
            rows.append(base | {"first_seen": pd.Timestamp(day) if day else pd.NaT} | figures)
    return rows


def _same(old: dict[str, float], new: dict[str, float]) -> bool:
    return all(
        old.get(name, np.nan) == value or (value != value and old.get(name, np.nan) != old.get(name, np.nan))
        for name, value in new.items()
    )


def fetch_capital(client: Client, symbol: str) -> None:
    """Fetch the share counts of a stock by date of change, from a second source if the first fails.

    Raises
    ------
    SourceError
    """
    try:
        client.frame("stock_zh_a_gbjg_em", {"symbol": code_of(symbol, "suffix")}, days=0)
    except SourceError as problem:
        try:
            given = {"start_date": "19900101", "end_date": f"{client.today:%Y}1231"}
            client.frame("stock_share_change_cninfo", {"symbol": code_of(symbol), **given})
        except SourceError:
            raise problem from None


def capital_fresh(client: Client, symbol: str) -> bool:
    """Whether the share counts of a stock need not be asked for: asked lately, and the daily multiples, which come
    with counts, show no others since.
    """
    given = {"symbol": code_of(symbol, "suffix")}
    if not client.fresh("stock_zh_a_gbjg_em", given):
        return False
    asked = np.datetime64(client.cache.records("stock_zh_a_gbjg_em", given)[-1].checked, "D")
    history = client.history("stock_value_em", {"symbol": code_of(symbol)})
    if not history or not len(history[-1][1]):
        return True
    rows = history[-1][1].sort_values("date")
    counts = rows[["total_shares", "float_shares"]].to_numpy(float)
    before = rows["date"].to_numpy() < asked
    if not before.any():
        return True
    known = counts[np.flatnonzero(before)[-1]]
    return bool(np.allclose(counts[-1], known, rtol=1e-6, atol=0.0, equal_nan=True))


def capital_of(client: Client, symbol: str) -> pd.DataFrame:
    """Share counts of a stock on the disk: change_date, total_shares, float_shares; sorted, each date once."""
    import pandas as pd

    history = client.history("stock_zh_a_gbjg_em", {"symbol": code_of(symbol, "suffix")})
    frame = history[-1][1] if history else None
    if frame is None:
        records = client.windows("stock_share_change_cninfo", {"symbol": code_of(symbol)})
        frame = client.translated(records[-1]) if records else None
    names = ["change_date", "total_shares", "float_shares"]
    if frame is None or not len(frame):
        return pd.DataFrame(columns=names)
    if "float_shares" not in frame:
        frame["float_shares"] = np.nan
    frame = frame[frame["change_date"].notna() & (frame["total_shares"] > 0)][names]
    frame = frame.sort_values("change_date", kind="stable")
    return frame.drop_duplicates("change_date", keep="last", ignore_index=True)


def as_of(days: np.ndarray, since: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The last value on or before each day; NaN before the first."""
    if not len(since):
        return np.full(len(days), np.nan)
    place = np.searchsorted(since, days, side="right") - 1
    return np.where(place >= 0, values[np.maximum(place, 0)], np.nan)


def valuation_of(client: Client, symbol: str) -> pd.DataFrame:
    """Daily multiples of a stock on the disk; the earliest version of a day stands, for it was known first."""
    import pandas as pd

    names = ["date", "symbol", "pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm", "pcf_ocf_ttm"]
    parts = [frame for _, frame in client.history("stock_value_em", {"symbol": code_of(symbol)}) if len(frame)]
    if not parts:
        return pd.DataFrame(columns=names)
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["date"].notna()].drop_duplicates("date", keep="first")  # oldest frames first
    # The source divides by the operating cash flow, not by the net one.
    rows = rows.assign(symbol=symbol, pcf_ncf_ttm=np.nan)
    return rows[names].sort_values("date", ignore_index=True)
