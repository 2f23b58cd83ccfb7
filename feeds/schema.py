"""The tables of the store: their columns, units and checks.

A data folder holds one Parquet file per table (``calendar.parquet``), but for ``daily_bars``, which is
one file a calendar year (``daily_bars/2020.parquet``). Every feed writes these tables and
:mod:`feeds.file_feed` reads them. Columns that are not named here are left alone.

The checks are vectorised and stop at the first offending row: one sentence names the file, the column,
the symbol and the date, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import DataError, nearest


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    kind : {"date", "text", "number", "flag"}
    unit : str
        Unit or form of the values.
    empty : bool
        Whether a value may be missing.
    above, least : float or None
        A number is greater than ``above``, or at least ``least``.
    pattern : str
        Regular expression that a whole text matches; "" for any text.
    """

    kind: str
    unit: str
    empty: bool = False
    above: float | None = None
    least: float | None = None
    pattern: str = ""


def _maybe(column: Column, unit: str = "") -> Column:
    """The same column where a value may be missing."""
    return replace(column, empty=True, unit=unit or column.unit)


_DATE = Column("date", "trading day, midnight")
_DAY = Column("date", "day")
_SYMBOL = Column("text", "six digits, a dot, SH, SZ or BJ", pattern=r"[0-9]{6}\.(SH|SZ|BJ)")
_CODE = Column("text", "six digits, or H and five digits for a total return", pattern=r"[0-9H][0-9]{5}")
_YUAN = Column("number", "yuan, unadjusted", above=0.0)
_SHARES = Column("number", "shares", least=0.0)
_RATIO = Column("number", "ratio", empty=True, above=0.0)
_NUMBER = Column("number", "", empty=True)

TABLES: dict[str, dict[str, Column]] = {
    "daily_bars": {
        "date": _DATE,
        "symbol": _SYMBOL,
        "open": _YUAN,
        "high": _YUAN,
        "low": _YUAN,
        "close": _YUAN,
        "preclose": replace(_YUAN, unit="yuan, the exchange's reference price (lowered on ex-dates)"),
        "volume": _SHARES,
        "amount": Column("number", "yuan", least=0.0),
        "turnover": Column("number", "per cent of the float, empty where unknown", empty=True, least=0.0),
        "total_shares": _maybe(_SHARES),
        "float_shares": _maybe(_SHARES),
        "adj_factor": Column("number", "cumulative forward factor, 1 on the first bar", above=0.0),
        "is_st": Column("flag", "special treatment on that day"),
    },
    "calendar": {"date": _DATE},
    "securities": {
        "symbol": _SYMBOL,
        "list_date": _maybe(_DAY, "first day of listing"),
        "first_bar": _maybe(_DATE),
        "last_bar": _maybe(_DATE),
        "active_at_end": Column("flag", "has bars in the last days of the data"),
    },
    "suspensions": {
        "symbol": _SYMBOL,
        "start": Column("date", "first day without a bar"),
        "end": Column("date", "last day without a bar, empty while still suspended", empty=True),
    },
    "ex_rights_events": {
        "symbol": _SYMBOL,
        "ex_date": _DATE,
        "prev_close": _maybe(_YUAN),
        "preclose": _maybe(_YUAN, "yuan, reference price of the ex-date"),
        "factor_ratio": replace(_RATIO, unit="step of adj_factor"),
        "share_ratio": replace(_RATIO, unit="total shares after / before"),
        "cash_per_share_est": replace(_NUMBER, unit="yuan a share before tax, empty where unknown"),
    },
    "constituents": {
        "index_code": _CODE,
        "symbol": _SYMBOL,
        "in_date": Column("date", "first day of membership"),
        "out_date": Column("date", "first day no longer a member, empty if still in", empty=True),
    },
    "constituents_snapshots": {"index_code": _CODE, "snapshot_date": _DAY, "symbol": _SYMBOL},
    "index_daily": {"date": _DATE, "index_code": _CODE, "close": Column("number", "index points", above=0.0)},
    "name_history": {
        "symbol": _SYMBOL,
        "start_date": Column("date", "first day of the name"),
        "name": Column("text", "name of the day, with its XD, XR, DR, N, C marks", empty=True),
    },
    "cn_gov_bond_10y": {"date": _DATE, "yield_pct": Column("number", "per cent a year")},
    "industry_sw_history": {
        "symbol": _SYMBOL,
        "start_date": Column("date", "first day in the industry, until the next row of the symbol"),
        "sw_code": Column("text", "code of the lowest level", empty=True),
        "l1_code": Column("text", "code of level 1", empty=True),
        "scheme": Column("text", "which edition of the classification", empty=True),
        "l1_name": Column("text", "name of level 1", empty=True),
    },
    "valuation_daily": {
        "date": _DATE,
        "symbol": _SYMBOL,
        "pe_ttm": replace(_NUMBER, unit="price / earnings of the last twelve months, negative with a loss"),
        "pb_mrq": replace(_NUMBER, unit="price / book of the latest report"),
        "ps_ttm": replace(_NUMBER, unit="price / sales of the last twelve months"),
        "pcf_ncf_ttm": replace(_NUMBER, unit="price / net cash flow of the last twelve months"),
    },
    "share_capital": {
        "symbol": _SYMBOL,
        "change_date": Column("date", "day from which the counts hold"),
        "total_shares": _maybe(_SHARES),
        "float_shares": _maybe(_SHARES),
    },
    "fundamentals_quarterly": {
        "symbol": _SYMBOL,
        "period_end": Column("date", "last day of the quarter; flows count from 1 January"),
        "announce_date": Column("date", "day of disclosure, empty: the last day that the law allows", empty=True),
    },
    "fundamentals_annual": {
        "symbol": _SYMBOL,
        "period_end": Column("date", "last day of the year"),
    },
}
"""Columns that Huice reads, by table. Fundamental tables have any further number columns: see
:data:`FUNDAMENTALS`."""

FUNDAMENTALS: dict[str, str] = {
    "total_revenue": "yuan", "revenue": "yuan", "operating_cost": "yuan", "operating_profit": "yuan",
    "total_profit": "yuan", "net_profit": "yuan", "parent_net_profit": "yuan", "rd_expense": "yuan",
    "operating_cash_flow": "yuan", "net_cash_flow": "yuan", "total_assets": "yuan", "total_liabilities": "yuan",
    "total_equity": "yuan", "parent_equity": "yuan", "eps": "yuan a share", "bvps": "yuan a share",
    "roe": "fraction", "gross_margin": "fraction", "net_margin": "fraction", "total_shares": "shares",
    "float_shares": "shares", "revenue_yoy": "fraction", "net_profit_yoy": "fraction",
}  # fmt: skip
"""Names and units that a feed gives to the figures of a report. Flows are cumulative from 1 January. A table may
have other number columns beside them; they are served as they are."""

OPEN = "fundamentals_"
"""Tables whose name begins so have a row a stock and report, and any number columns."""

FUNDAMENTAL_OPTIONAL: dict[str, Column] = {
    "announce_date": Column("date", "day of disclosure, empty: the last day that the law allows", empty=True),
    "first_seen": Column("date", "day on which this version was first fetched, empty: with the disclosure", empty=True),
}
"""Columns of fundamental tables that a feed may have. A restatement is a further row with a ``first_seen``."""

BAR_OPTIONAL: dict[str, Column] = {
    "limit_up": Column("number", "yuan, the feed's own upper price limit, empty where unknown", empty=True, above=0.0),
    "limit_down": Column("number", "yuan, the feed's own lower limit, empty where unknown", empty=True, least=0.0),
}
"""Columns of ``daily_bars`` that a feed may have; where they are filled in they take the place of our limits."""

EVENT_OPTIONAL: dict[str, Column] = {
    "record_date": Column("date", "last day with the right, empty: the session before the ex-date", empty=True),
    "pay_date": Column("date", "day on which the cash is paid, empty: the ex-date", empty=True),
    "list_date": Column("date", "day from which new shares can be sold, empty: the ex-date", empty=True),
    "bonus_ratio": Column("number", "shares out of profits per share, taxed at face; empty where unknown", empty=True),
    "transfer_ratio": Column("number", "shares out of reserves per share, no income; empty where unknown", empty=True),
    "rights_ratio": Column("number", "shares offered per share, empty or 0: none", empty=True),
    "rights_price": Column("number", "yuan a share offered", empty=True),
}
"""Columns of ``ex_rights_events`` that a feed may have."""

CONSTITUENT_OPTIONAL: dict[str, Column] = {
    "as_of": Column("date", "day on which the source gave this list as that of today, empty: truly dated", empty=True),
}
"""Columns of ``constituents`` that a feed may have. Rows with ``as_of`` look ahead and form ``<index>-today``."""

OPTIONAL_COLUMNS: dict[str, dict[str, Column]] = {
    "daily_bars": BAR_OPTIONAL,
    "ex_rights_events": EVENT_OPTIONAL,
    "constituents": CONSTITUENT_OPTIONAL,
    "fundamentals_quarterly": FUNDAMENTAL_OPTIONAL,
    "fundamentals_annual": FUNDAMENTAL_OPTIONAL,
}

OPTIONAL = frozenset(
    {
        "constituents_snapshots", "name_history", "cn_gov_bond_10y", "industry_sw_history", "valuation_daily",
        "share_capital", "fundamentals_quarterly", "fundamentals_annual",
    }  # fmt: skip
)
"""Tables without which a backtest runs all the same."""

UNIQUE: dict[str, tuple[str, ...]] = {
    "calendar": ("date",),
    "securities": ("symbol",),
    "ex_rights_events": ("symbol", "ex_date"),
    "index_daily": ("index_code", "date"),
    "cn_gov_bond_10y": ("date",),
}
"""Columns that together tell the rows of a small table apart."""

SPANS: dict[str, tuple[str, str]] = {"suspensions": ("start", "end")}
"""First and last day of what the rows of a small table are about."""

BAR_NUMBERS = tuple(name for name, column in TABLES["daily_bars"].items() if column.kind == "number")
"""Number columns of ``daily_bars``; they are the raw fields of :class:`engine.market.Market`."""

_PRICES = ("open", "high", "low", "close", "preclose", "adj_factor")
_AMOUNTS = ("volume", "amount")
_MAY_BE_EMPTY = ("turnover", "total_shares", "float_shares")

Locate = Callable[[int], tuple[str, str]]
"""Gives symbol and date of a row."""


def missing_column(file: str, column: str, present: list[str]) -> DataError:
    """The error for a file without a needed column."""
    return DataError(f"{file} has no column '{column}'; {nearest(column, present)}")


def check_kind(file: str, name: str, column: Column, arrow_type: object) -> None:
    """Check that an Arrow column holds what the schema says.

    Raises
    ------
    DataError
        If a number column holds text, a date column holds numbers, and so on.
    """
    import pyarrow as pa

    plain = arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type  # type: ignore[attr-defined]
    fits = {
        "date": pa.types.is_timestamp(plain) or pa.types.is_date(plain),
        "text": pa.types.is_string(plain) or pa.types.is_large_string(plain),
        "number": pa.types.is_floating(plain) or pa.types.is_integer(plain),
        "flag": pa.types.is_boolean(plain),
    }
    if not fits[column.kind] and not pa.types.is_null(plain):
        raise DataError(
            f"{file}: column '{name}' holds {plain}, expected a {column.kind} ({column.unit}); "
            "write the column with that type"
        )


def check_unique(file: str, names: tuple[str, ...], values: Mapping[str, np.ndarray]) -> None:
    """Check that no two rows of a small table have equal values in the columns ``names``.

    Raises
    ------
    DataError
        If there is a duplicate.
    """
    seen = set()
    for row in zip(*(values[name].tolist() for name in names), strict=True):
        if row in seen:
            words = " and ".join(f"{name} {value}" for name, value in zip(names, row, strict=True))
            raise DataError(f"{file} has two rows for {words}; leave one out")
        seen.add(row)


def check_spans(file: str, names: tuple[str, str], symbols: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
    """Check that no span of a small table ends before it starts.

    Raises
    ------
    DataError
        At the first such row.
    """
    start, end = names
    bad = values[end] < values[start]
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{file}: the {end} {values[end][row]} of {symbols[row]} lies before its {start} {values[start][row]}; "
            "mend the row"
        )


def check_order(file: str, rank: np.ndarray, days: np.ndarray, locate: Locate) -> None:
    """Check that the bars are sorted by symbol and date and that each row is there once.

    Parameters
    ----------
    file : str
    rank : ndarray of int, shape (R,)
        Place of each row's symbol among the sorted symbols.
    days : ndarray of int64, shape (R,)
        Day numbers.
    locate : callable

    Raises
    ------
    DataError
        At the first row that is not after the one before.
    """
    key = rank.astype(np.int64) * 10_000_000 + days
    bad = key[1:] <= key[:-1]
    if not bad.any():
        return
    row = int(np.argmax(bad)) + 1
    symbol, date = locate(row)
    if key[row] == key[row - 1]:
        raise DataError(f"{file} has two rows for {symbol} on {date}; leave one out")
    before = " ".join(locate(row - 1))
    raise DataError(
        f"{file} is not sorted by symbol and date: {symbol} {date} comes after {before}; "
        "sort the file by (symbol, date)"
    )


def check_bars(file: str, values: Mapping[str, np.ndarray], locate: Locate) -> None:
    """Check the numbers of daily bars.

    Prices and factors are finite and above zero, the high is the highest and the low the lowest price
    of the day, volume and amount are there and not negative, turnover and share counts are not negative
    where they are given, a price limit that is given is above zero (the lower one may be zero: none) and the
    upper one is not below the lower one.

    Parameters
    ----------
    file : str
    values : mapping of str to ndarray, shape (R,)
        Some or all of :data:`BAR_NUMBERS` and :data:`BAR_OPTIONAL`; what is absent is not checked.
    locate : callable

    Raises
    ------
    DataError
        At the first offending row of the first rule that is broken.
    """

    def fail(bad: np.ndarray, name: str, says: Callable[[int], str], advice: str) -> None:
        row = int(np.argmax(bad))
        symbol, date = locate(row)
        raise DataError(f"{file}: column '{name}' of {symbol} on {date} {says(row)}; {advice}")

    def value(name: str) -> Callable[[int], str]:
        def says(row: int) -> str:
            number = float(values[name][row])
            return "is empty" if np.isnan(number) else f"is {number:g}"

        return says

    for name in _PRICES:
        if name in values:
            bad = ~((values[name] > 0) & (values[name] < np.inf))
            if bad.any():
                fail(bad, name, value(name), "it must be a number above zero: mend the row or leave it out")
    for upper, lower in (
        ("high", "open"),
        ("high", "close"),
        ("high", "low"),
        ("open", "low"),
        ("close", "low"),
    ):
        if upper in values and lower in values:
            bad = values[upper] < values[lower]
            if bad.any():
                name, other = ("low", upper) if lower == "low" and upper != "high" else (upper, lower)
                side = "above" if name == "low" else "below"

                def says(row: int, name: str = name, other: str = other, side: str = side) -> str:
                    return f"is {values[name][row]:g}, {side} the {other} of {values[other][row]:g}"

                fail(bad, name, says, "mend the row or leave it out")
    for name in (*_AMOUNTS, *_MAY_BE_EMPTY):
        if name in values:
            bad = values[name] < 0 if name in _MAY_BE_EMPTY else ~(values[name] >= 0)
            if bad.any():
                fail(bad, name, value(name), "it must be zero or more: mend the row or leave it out")
    for name, lowest in (("limit_up", 0.005), ("limit_down", 0.0)):
        if name in values:
            bad = values[name] < lowest
            if bad.any():
                fail(bad, name, value(name), "it must be a price in yuan, or empty where it is not known")
    if "limit_up" in values and "limit_down" in values:
        bad = values["limit_up"] < values["limit_down"]
        if bad.any():

            def crossed(row: int) -> str:
                return f"is {values['limit_up'][row]:g}, below the limit_down of {values['limit_down'][row]:g}"

            fail(bad, "limit_up", crossed, "mend the row or leave both limits empty")
