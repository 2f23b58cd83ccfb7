"""``data.py sql``: the tables in SQL; and how rows of any kind are printed."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

EXAMPLES = """\b
Examples:
  python scripts/data.py sql "SHOW TABLES" --data ../shared/data
  python scripts/data.py sql "select year(date), count(*) from daily_bars group by 1 order by 1" --data ../shared/data
"""

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Folder of tables, or synthetic[:stocks=500,seed=1,...]. Default: the folder that HUICE_DATA names, "
        "else synthetic.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")]
_SHOWN = 60
_WIDEST = 72


def chosen_data(data: str | None) -> str:
    """What ``--data`` stands for, by default."""
    return data or os.environ.get("HUICE_DATA") or "synthetic"


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; every table of the folder is a view.")],
    data: Data = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to print.")] = _SHOWN,
    csv: Annotated[bool, typer.Option("--csv", help="Print all rows as CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the tables in SQL (DuckDB). Reading only: nothing can be written, and no other file read."""
    import _cli

    with _cli.output(as_json) as output:
        import duckdb

        from feeds.query import query, refusal, views_of
        from feeds.store import data_folder

        folder = data_folder(chosen_data(data))
        found = query(folder, statement)
        names = [column[0] for column in found.description]
        try:
            if csv:
                _as_csv(names, found)
                return
            block = found.fetchmany(rows + 1)
        except duckdb.Error as error:  # rows are made while they are fetched
            raise refusal(error, views_of(folder)) from error
        more = len(block) > rows
        print_rows(names, block[:rows])
        if more:
            print(f"(more than {rows} rows: --rows or --csv shows them)", file=sys.stderr)
        output.result({"columns": names, "rows": [[_plain(value) for value in row] for row in block[:rows]],
                       "more": more})  # fmt: skip


def _as_csv(names: list[str], found: Any) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    while block := found.fetchmany(10_000):
        writer.writerows([["" if value is None else _plain(value) for value in row] for row in block])


def _plain(value: Any) -> Any:
    """A value as JSON and CSV know it."""
    import datetime as dt

    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def print_rows(names: list[str], rows: list[tuple[Any, ...]], widest: int = _WIDEST) -> None:
    """Print a table: numbers at the right, each character of Chinese in two columns."""
    texts = [[_cell(value, widest) for value in row] for row in rows]
    right = [all(isinstance(row[k], int | float) or row[k] is None for row in rows) for k in range(len(names))]
    widths = [max([_width(name), *(_width(row[k]) for row in texts)]) for k, name in enumerate(names)]
    for row in [names, *texts]:
        cells = [
            " " * (width - _width(text)) + text if at_right else text + " " * (width - _width(text))
            for text, width, at_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _cell(value: Any, widest: int) -> str:
    """A value as short as can be; what would move the cursor of a terminal is written out."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return f"{value:.0f}"
        return f"{value:.2f}" if 1e6 <= abs(value) < 1e15 else f"{value:.9g}"
    text = "" if value is None else str(_plain(value))
    text = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return text if len(text) <= widest else text[: widest - 3] + "..."


def _width(text: str) -> int:
    """Columns of a terminal."""
    import unicodedata

    return len(text) + sum(unicodedata.east_asian_width(one) in "WF" for one in text)
