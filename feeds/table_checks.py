"""The schema of the store as pandera sees it: types, ranges, forms and uniqueness of every column.

Feeds check a frame here before they write it (:mod:`feeds.writer`), and ``scripts/data.py check`` checks what lies in
a folder. Reading a market does not: :mod:`feeds.schema` has the same rules on arrays, a hundred times faster.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from engine.errors import DataError
from feeds import schema

if TYPE_CHECKING:
    import pandas as pd

SORTED: dict[str, tuple[str, ...]] = {
    "daily_bars": ("symbol", "date"),
    "calendar": ("date",),
    "securities": ("symbol",),
    "suspensions": ("symbol", "start"),
    "ex_rights_events": ("symbol", "ex_date"),
    "constituents": ("index_code", "in_date", "symbol"),
    "constituents_snapshots": ("index_code", "snapshot_date", "symbol"),
    "index_daily": ("index_code", "date"),
    "name_history": ("symbol", "start_date"),
    "cn_gov_bond_10y": ("date",),
    "industry_sw_history": ("symbol", "start_date"),
    "valuation_daily": ("symbol", "date"),
    "share_capital": ("symbol", "change_date"),
    "fundamentals_quarterly": ("symbol", "period_end", "announce_date"),
    "fundamentals_annual": ("symbol", "period_end"),
}
"""Order of the rows that the writer gives to each table."""

_UNIQUE = schema.UNIQUE | {"daily_bars": ("symbol", "date"), "valuation_daily": ("symbol", "date")}
_WORDS = {"not_nullable": "must not be empty", "multiple_fields_uniqueness": "the same row is there twice"}
_REPORTS = re.compile(schema.OPEN + r"[a-z0-9_]+")


def columns_of(table: str) -> tuple[dict[str, schema.Column], dict[str, schema.Column]]:
    """Columns that a table must have and those that it may have.

    Raises
    ------
    DataError
        If there is no such table.
    """
    if table in schema.TABLES:
        return schema.TABLES[table], schema.OPTIONAL_COLUMNS.get(table, {})
    if _REPORTS.fullmatch(table):
        return schema.TABLES["fundamentals_annual"], schema.FUNDAMENTAL_OPTIONAL
    from engine.errors import nearest

    raise DataError(f"the store has no table '{table}'; {nearest(table, schema.TABLES)}")


def frame_schema(table: str) -> Any:
    """The ``pandera`` schema of a table; each column carries its unit as description.

    Returns
    -------
    pandera.pandas.DataFrameSchema
    """
    import pandera.pandas as pandera

    needed, optional = columns_of(table)
    columns = {}
    for name, column in (*needed.items(), *optional.items()):
        checks = []
        if column.above is not None:
            checks.append(pandera.Check.gt(column.above, error=f"must be above {column.above:g}"))
        if column.least is not None:
            checks.append(pandera.Check.ge(column.least, error=f"must be {column.least:g} or more"))
        if column.kind == "number" and not column.empty:
            checks.append(pandera.Check.lt(float("inf"), error="must be finite"))
        if column.pattern:
            checks.append(pandera.Check.str_matches(rf"^(?:{column.pattern})$", error=f"must be {column.unit}"))
        columns[name] = pandera.Column(
            None, checks=checks, nullable=column.empty, required=name in needed, description=column.unit, title=name
        )
    unique = list(_UNIQUE.get(table, ())) or None
    checks = []
    if table == "daily_bars":
        for upper, lower in (("high", "open"), ("high", "close"), ("high", "low"), ("open", "low"), ("close", "low")):
            said = f"{upper} must not be below {lower}"
            checks.append(
                pandera.Check(lambda frame, a=upper, b=lower: frame[a] >= frame[b], error=said, name=said)
            )
    return pandera.DataFrameSchema(columns, unique=unique, checks=checks, name=table, strict=False)


def canonical(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the store's types, its columns in order and its rows sorted.

    Days become midnight timestamps, flags bool, numbers int64 or float64 (float32 stays); columns that the schema
    does not know follow behind.

    Raises
    ------
    DataError
        If a column is missing or does not hold what the schema says.
    """
    import pandas as pd

    needed, optional = columns_of(table)
    known = needed | optional
    out = {}
    for name in [*known, *(name for name in frame.columns if name not in known)]:
        if name not in frame.columns:
            if name in needed:
                raise schema.missing_column(table, name, [str(one) for one in frame.columns])
            continue
        values, column = frame[name], known.get(name)
        kind = column.kind if column is not None else "any"
        try:
            if kind == "date":
                values = pd.to_datetime(values).dt.tz_localize(None).dt.normalize().astype("datetime64[ms]")
            elif kind == "flag":
                if values.isna().any():
                    raise ValueError("a flag is empty")
                values = values.astype(bool)
            elif kind == "number":
                values = pd.to_numeric(values)
                if values.dtype == bool:
                    values = values.astype("int64")
            elif kind == "text":
                values = values.astype("str")
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{table}: column '{name}' does not hold a {kind} ({known[name].unit}) in every row: "
                f"{str(error).splitlines()[0]}; mend it"
            ) from error
        out[name] = values.reset_index(drop=True)
    made = pd.DataFrame(out)
    keys = [name for name in SORTED.get(table, ("symbol", "period_end")) if name in made.columns]
    return made.sort_values(keys, kind="stable", ignore_index=True)


def check_frame(table: str, frame: pd.DataFrame, file: str = "") -> None:
    """Check a canonical frame.

    Raises
    ------
    DataError
        At the first failure: file, column, what is asked for, the value, and symbol and date of the row.
    """
    failures = find_failures(table, frame)
    if failures:
        raise DataError(f"{file or table}: {failures[0]}; mend the row or leave it out")


def find_failures(table: str, frame: pd.DataFrame) -> list[str]:
    """All ways in which a frame breaks its schema, one sentence a column and rule, with the first row."""
    import pandera.errors

    with warnings.catch_warnings():  # pandera uses what pandas 3 calls out of date
        warnings.simplefilter("ignore")
        try:
            frame_schema(table).validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as errors:
            cases = errors.failure_cases
        else:
            return []
    # A rule on whole rows comes back once a column: it is said once a row.
    whole = cases["schema_context"] == "DataFrameSchema"
    wide = whole & (cases["check"] != "column_in_dataframe")
    cases.loc[wide, ["column", "failure_case"]] = None
    cases = cases[~(wide & cases.duplicated(["check", "index"]))]
    said: dict[tuple[str, str], tuple[int, Any, Any]] = {}
    for case in cases.to_dict("records"):
        key = (str(case["column"] or ""), str(case["check"]))
        count, value, row = said.get(key, (0, case["failure_case"], case["index"]))
        said[key] = (count + 1, value, row)
    return [_sentence(frame, column, check, *found) for (column, check), found in said.items()]


def _sentence(frame: pd.DataFrame, column: str, check: str, count: int, value: Any, row: Any) -> str:
    where = ""
    if isinstance(row, int | float) and row == row and int(row) < len(frame):
        line = frame.iloc[int(row)]
        parts = [f"{line[name]:%Y-%m-%d}" if hasattr(line[name], "strftime") else str(line[name])
                 for name in frame.columns[:4] if name in ("symbol", "index_code") or _is_day(line[name])]  # fmt: skip
        where = f" at {' '.join(parts)}" if parts else f" in row {int(row) + 1}"
    if check == "column_in_dataframe":
        return f"has no column '{value}'"
    words = _WORDS.get(check, check)
    shown = "" if check in _WORDS or value is None or value != value else f" and is {value}"
    more = f" ({count:,} in all)" if count > 1 else ""
    name = f"column '{column}' " if column and column in frame.columns else ""
    return f"{name}{words}{shown}{where}{more}"


def _is_day(value: Any) -> bool:
    return hasattr(value, "strftime") and value == value
