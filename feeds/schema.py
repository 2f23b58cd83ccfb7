"""The tables of the store: their columns, units and checks.

A data folder holds one Parquet file per table (``calendar.parquet``), but for ``daily_bars``, which is
one file a calendar year (``daily_bars/2020.parquet``). Every feed writes these tables and
:mod:`feeds.file_feed` reads them. Columns that are not named here are left alone.

The checks are vectorised and stop at the first offending row: one sentence names the file, the column,
the symbol and the date, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    """

    kind: str
    unit: str


_DATE = Column("date", "trading day, midnight")
_SYMBOL = Column("text", "six digits, a dot, SH, SZ or BJ")
_CODE = Column("text", "six digits")
_YUAN = Column("number", "yuan, unadjusted")
_SHARES = Column("number", "shares")
_RATIO = Column("number", "ratio")

TABLES: dict[str, dict[str, Column]] = {
    "daily_bars": {
        "date": _DATE,
        "symbol": _SYMBOL,
        "open": _YUAN,
        "high": _YUAN,
        "low": _YUAN,
        "close": _YUAN,
        "preclose": Column("number", "yuan, the exchange's reference price (lowered on ex-dates)"),
        "volume": _SHARES,
        "amount": Column("number", "yuan"),
        "turnover": Column("number", "per cent of the float, empty where unknown"),
        "total_shares": _SHARES,
        "float_shares": _SHARES,
        "adj_factor": Column("number", "cumulative forward factor, 1 on the first bar"),
        "is_st": Column("flag", "special treatment on that day"),
    },
    "calendar": {"date": _DATE},
    "securities": {
        "symbol": _SYMBOL,
        "list_date": Column("date", "first day of listing"),
        "first_bar": _DATE,
        "last_bar": _DATE,
        "active_at_end": Column("flag", "has bars in the last days of the data"),
    },
    "suspensions": {
        "symbol": _SYMBOL,
        "start": Column("date", "first day without a bar"),
        "end": Column("date", "last day without a bar, empty while still suspended"),
    },
    "ex_rights_events": {
        "symbol": _SYMBOL,
        "ex_date": _DATE,
        "prev_close": _YUAN,
        "preclose": Column("number", "yuan, reference price of the ex-date"),
        "factor_ratio": Column("number", "step of adj_factor"),
        "share_ratio": Column("number", "total shares after / before"),
        "cash_per_share_est": Column("number", "yuan a share before tax, empty where unknown"),
    },
    "constituents": {
        "index_code": _CODE,
        "symbol": _SYMBOL,
        "in_date": Column("date", "first day of membership"),
        "out_date": Column("date", "first day no longer a member, empty if still in"),
    },
    "constituents_snapshots": {"index_code": _CODE, "snapshot_date": _DATE, "symbol": _SYMBOL},
    "index_daily": {"date": _DATE, "index_code": _CODE, "close": Column("number", "index points")},
    "name_history": {
        "symbol": _SYMBOL,
        "start_date": Column("date", "first day of the name"),
        "name": Column("text", "name of the day, with its XD, XR, DR, N, C marks"),
    },
    "cn_gov_bond_10y": {"date": _DATE, "yield_pct": Column("number", "per cent a year")},
}
"""Columns that Huice reads, by table."""

BAR_OPTIONAL: dict[str, Column] = {
    "limit_up": Column("number", "yuan, the feed's own upper price limit, empty where unknown"),
    "limit_down": Column("number", "yuan, the feed's own lower price limit, empty where unknown"),
}
"""Columns of ``daily_bars`` that a feed may have; where they are filled in they take the place of our limits."""

EVENT_OPTIONAL: dict[str, Column] = {
    "record_date": Column("date", "last day with the right, empty: the session before the ex-date"),
    "pay_date": Column("date", "day on which the cash is paid, empty: the ex-date"),
    "list_date": Column("date", "day from which new shares can be sold, empty: the ex-date"),
    "bonus_ratio": Column("number", "shares out of profits per share, taxed at face; empty where unknown"),
    "transfer_ratio": Column("number", "shares out of reserves per share, no income; empty where unknown"),
    "rights_ratio": Column("number", "shares offered per share, empty or 0: none"),
    "rights_price": Column("number", "yuan a share offered"),
}
"""Columns of ``ex_rights_events`` that a feed may have."""

OPTIONAL_COLUMNS: dict[str, dict[str, Column]] = {"daily_bars": BAR_OPTIONAL, "ex_rights_events": EVENT_OPTIONAL}

OPTIONAL = frozenset({"constituents_snapshots", "name_history", "cn_gov_bond_10y"})
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
