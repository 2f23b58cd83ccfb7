"""Income statements stock by stock: research expense, which no table of the whole market gives, and Beijing's reports.

Dear (about fourteen requests a stock), so a statement is asked for again only when a newer quarter may be in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_reports import newest_quarter
from feeds.akshare_routes import code_of

if TYPE_CHECKING:
    import pandas as pd

INCOME = ("stock_profit_sheet_by_report_em", "stock_profit_sheet_by_report_delisted_em")
"""Income statement of a company; the second route serves those that left the market too."""

CASH = "stock_cash_flow_sheet_by_report_em"
"""Cash flows of a company, asked for Beijing's only: the whole-market table leaves them out."""

ONLY_HERE = ("net_profit", "revenue", "rd_expense")
"""Figures of the income statement that no whole-market table has."""

BEIJING = (*ONLY_HERE, "total_revenue", "operating_cost", "operating_profit", "total_profit", "parent_net_profit")
"""Figures that are taken from it for a stock of Beijing."""

CASH_FLOWS = ("operating_cash_flow", "investing_cash_flow", "financing_cash_flow", "net_cash_flow")

Versions = list[tuple[dt.date, "pd.DataFrame"]]


def arguments(symbol: str) -> dict[str, str]:
    """Arguments of every route of this module."""
    return {"symbol": code_of(symbol, "upper")}


def fetch_income(client: Client, symbol: str) -> None:
    """Fetch the income statements of a stock, from the second route if the first fails.

    Raises
    ------
    SourceError
    """
    first, second = INCOME
    try:
        client.frame(first, arguments(symbol))
    except SourceError as problem:
        try:
            client.frame(second, arguments(symbol))
        except SourceError:
            raise problem from None


def income_fresh(client: Client, symbol: str) -> bool:
    """Whether one of the routes needs no call."""
    return any(statement_fresh(client, function, symbol) for function in INCOME)


def statement_fresh(client: Client, function: str, symbol: str) -> bool:
    """Whether a statement was checked lately, or has the newest quarter that there can be."""
    given = arguments(symbol)
    if client.fresh(function, given):
        return True
    history = client.history(function, given)
    if not history:
        return False
    newest = history[-1][1]["period_end"].max()
    return bool(newest == newest and newest.date() >= newest_quarter(client.today))


def statements(client: Client, symbols: Sequence[str]) -> dict[str, dict[str, Versions]]:
    """All versions of the statements on the disk.

    Returns
    -------
    dict
        By function and quarter (``20240331``): day first seen and a frame with the index ``symbol``, the figures that
        are taken from there and ``notice_date``; oldest first.
    """
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {}
    for symbol in symbols:
        beijing = symbol.endswith(".BJ")
        wanted = {INCOME[0]: BEIJING, CASH: CASH_FLOWS} if beijing else {INCOME[0]: ONLY_HERE}
        for function, names in wanted.items():
            history = client.history(function, arguments(symbol))
            if function == INCOME[0] and not history:
                history = client.history(INCOME[1], arguments(symbol))
            for day, frame in history:
                rows = frame[frame["period_end"].notna()].drop_duplicates("period_end", keep="first")
                kept = ["period_end", "notice_date", *(name for name in names if name in rows)]
                parts.setdefault(function, []).append(rows[kept].assign(symbol=symbol, day=day))
    made: dict[str, dict[str, Versions]] = {}
    for function, frames in parts.items():
        rows = pd.concat(frames, ignore_index=True)
        for (quarter, day), group in rows.groupby(["period_end", "day"], sort=True):
            version = group.drop(columns=["period_end", "day"]).set_index("symbol")
            made.setdefault(function, {}).setdefault(f"{quarter:%Y%m%d}", []).append((day, version))
    return made
