"""Brings dated lists of index members into a store.

Two forms of CSV: spells (``index_code, symbol, in_date, out_date``) and full lists by date (``index_code, date,
symbol``). Chinese headers of the index companies' files are understood. The rows of an index take the place of those
that the store had of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.boards import is_a_share
from engine.errors import ConfigError, DataError
from feeds.file_feed import FileFeed
from feeds.foreign import is_store, read_csv
from feeds.mappings import symbol_of
from feeds.universe import index_code

if TYPE_CHECKING:
    import pandas as pd

_HEADERS = {
    "index_code": ("index_code", "index", "指数代码"),
    "symbol": ("symbol", "code", "证券代码", "成分券代码", "样本代码", "股票代码"),
    "in_date": ("in_date", "in", "纳入日期", "开始日期", "生效日期"),
    "out_date": ("out_date", "out", "剔除日期", "结束日期"),
    "date": ("date", "snapshot_date", "日期"),
}


def import_constituents(file: Path, store: Path, index: str = "") -> dict[str, int]:
    """Put dated memberships into a store's ``constituents``.

    Parameters
    ----------
    file : Path
        CSV.
    store : Path
        A folder of the store's tables.
    index : str
        Index of all rows, where the file has no column for it.

    Returns
    -------
    dict of str to int
        Rows by index code.

    Raises
    ------
    ConfigError
        If the file lacks a column.
    DataError
        If a row has no code or date, a spell ends before it begins, or a stock is in twice at a time.
    """
    import pandas as pd

    from feeds.writer import StoreWriter

    feed = FileFeed(store)
    if not is_store(store):
        raise ConfigError(
            f"'{store}' is no folder of tables, so it cannot take members in; make one with scripts/data.py import bars"
        )
    rows = _rows(file, index)
    kept = None
    if feed.exists("constituents"):
        old = pd.read_parquet(feed.require(feed.file("constituents")))
        dated = old["as_of"].isna() if "as_of" in old else pd.Series(True, index=old.index)
        kept = old[~(old["index_code"].isin(rows["index_code"].unique().tolist()) & dated)]
    whole = rows if kept is None or not len(kept) else pd.concat([kept, rows], ignore_index=True)
    writer = StoreWriter(store, "import", {"file": file.name})
    writer.write("constituents", whole)
    writer.finish()
    return {str(code): int(count) for code, count in rows["index_code"].value_counts().sort_index().items()}


def _rows(file: Path, index: str) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file():
        raise ConfigError(f"there is no file '{file}'; check the path")
    try:
        raw = read_csv(file)
    except (ValueError, OSError) as error:
        detail = str(error).splitlines()[0]
        raise DataError(f"{file.name} cannot be read as CSV: {detail}; write it again in UTF-8") from error
    if not len(raw):
        raise DataError(f"{file.name} has no row; a line is a member, such as 600519.SH,2012-01-04,")
    named: dict[str, Any] = {}
    for column, headers in _HEADERS.items():
        found = next((header for header in headers if header in raw.columns), None)
        if found is not None:
            named[column] = raw[found].str.strip()
    if index:
        named["index_code"] = pd.Series(index, index=raw.index)
    for column in ("index_code", "symbol"):
        if column not in named:
            hint = " or give --index" if column == "index_code" else ""
            present = ", ".join(raw.columns)
            raise ConfigError(f"{file.name} has no column '{column}'; its columns are {present}; name one so{hint}")
    frame = pd.DataFrame(named)
    frame["index_code"] = [_index(file.name, str(code)) for code in frame["index_code"]]
    frame["symbol"] = [_stock(file.name, row, code) for row, code in enumerate(frame["symbol"].tolist())]
    if "in_date" in frame:
        frame["in_date"] = _dates(file.name, frame, "in_date", needed=True)
        out = frame["out_date"] if "out_date" in frame else pd.Series(None, index=frame.index, dtype="str")
        frame["out_date"] = _dates(file.name, frame.assign(out_date=out), "out_date", needed=False)
    elif "date" in frame:
        frame["date"] = _dates(file.name, frame, "date", needed=True)
        frame = _spells(frame)
    else:
        raise ConfigError(f"{file.name} has no column 'in_date' (spells) and none 'date' (full lists); add one")
    frame = frame[["index_code", "symbol", "in_date", "out_date"]]
    _check(file.name, frame)
    return frame


def _index(file: str, text: str) -> str:
    code = index_code(text)
    if not (len(code) == 6 and code.isascii() and code.isdecimal()):
        raise DataError(f"{file}: '{text}' is no index; write its six digits, such as 000905")
    return code


def _stock(file: str, row: int, code: Any) -> str:
    symbol = symbol_of(code.zfill(6) if isinstance(code, str) and code.isdecimal() else str(code), whole=True)
    if symbol is None or not is_a_share(symbol):
        raise DataError(f"{file} row {row + 2}: '{code}' is no A-share code such as 600519.SH; mend it")
    return symbol


def _dates(file: str, frame: pd.DataFrame, column: str, needed: bool) -> pd.Series:
    import pandas as pd

    text = frame[column]
    days = pd.to_datetime(text.str.replace("/", "-").str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", regex=True),
                          format="%Y-%m-%d", errors="coerce")  # fmt: skip
    bad = days.isna() & (needed | (text.notna() & (text != "")))
    if bad.any():
        row = int(bad.to_numpy().argmax())
        says = f"'{text.iloc[row]}' is no date like 2020-01-31" if isinstance(text.iloc[row], str) else "is empty"
        raise DataError(f"{file} row {row + 2}: {column} {says}; mend it")
    return days.astype("datetime64[ms]")


def _spells(lists: pd.DataFrame) -> pd.DataFrame:
    """Full lists by date as spells: a member until the first list that leaves it out."""
    import pandas as pd

    found = []
    for code, rows in lists.groupby("index_code", sort=True):
        days = sorted(rows["date"].unique().tolist())
        following = dict(zip(days, [*days[1:], pd.NaT], strict=True))
        for symbol, dates in rows.groupby("symbol", sort=True)["date"]:
            begin = before = None
            for day in sorted(set(dates.tolist())):
                if before is None or following[before] != day:
                    if begin is not None:
                        found.append((code, symbol, begin, following[before]))
                    begin = day
                before = day
            found.append((code, symbol, begin, following[before]))
    made = pd.DataFrame(found, columns=["index_code", "symbol", "in_date", "out_date"])
    return made.astype({"in_date": "datetime64[ms]", "out_date": "datetime64[ms]"})


def _check(file: str, frame: pd.DataFrame) -> None:
    bad = frame["out_date"] <= frame["in_date"]
    if bad.any():
        row = frame[bad].iloc[0]
        raise DataError(
            f"{file}: {row['symbol']} leaves {row['index_code']} on {row['out_date']:%Y-%m-%d}, not after it came in "
            f"on {row['in_date']:%Y-%m-%d}; mend the row"
        )
    ordered = frame.sort_values(["index_code", "symbol", "in_date"], ignore_index=True)
    same = (ordered["symbol"] == ordered["symbol"].shift()) & (ordered["index_code"] == ordered["index_code"].shift())
    before = ordered["out_date"].shift()
    twice = same & (before.isna() | (before > ordered["in_date"]))
    if twice.any():
        row = ordered[twice].iloc[0]
        raise DataError(
            f"{file}: {row['symbol']} comes into {row['index_code']} on {row['in_date']:%Y-%m-%d} while it is still "
            "in; end the row before"
        )
