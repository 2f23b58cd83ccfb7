"""``data.py sql``, ``describe``, ``info``, ``check`` and ``import``: what lies in a folder, and whether it is sound."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.market import Market
    from feeds.data_check import Finding

SQL_EXAMPLES = """\b
Examples:
  python scripts/data.py sql "SHOW TABLES" --data ../shared/data
  python scripts/data.py sql "select year(date), count(*) from daily_bars group by 1 order by 1" --data ../shared/data
"""
DESCRIBE_EXAMPLES = """\b
Examples:
  python scripts/data.py describe ../shared/data
  python scripts/data.py describe ../shared/data/akshare_samples
A mapping for other columns is ten lines of TOML (--mapping my.toml):
  symbol = "code"               # a column, or "file": the code stands in the file's name
  adjusted = "no"
  [columns]
  date = "day"
  open = "o"
  high = "h"
  low = "l"
  close = "c"
  volume = "vol * 100"
"""
INFO_EXAMPLES = """\b
Examples:
  python scripts/data.py info --data ../shared/data
  python scripts/data.py info --data ../shared/data --universe csi300 --json
"""
CHECK_EXAMPLES = """\b
Examples:
  python scripts/data.py check --data ../shared/data --html check.html
  python scripts/data.py check --data synthetic --json
"""
IMPORT_EXAMPLES = """\b
Examples:
  python scripts/data.py import constituents csi1000.csv --index 000852 --data my-data
  python scripts/data.py import bars downloads --mapping my.toml --data my-data
"""

_Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Folder of tables, or synthetic[:stocks=500,seed=1,...]. Default: the folder that HUICE_DATA names, "
        "else synthetic.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")]
_SHOWN = 60
_WIDEST = 72


def _chosen(data: str | None) -> str:
    return data or os.environ.get("HUICE_DATA") or "synthetic"


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; every table of the folder is a view.")],
    data: _Data = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to print.")] = _SHOWN,
    csv: Annotated[bool, typer.Option("--csv", help="Print all rows as CSV.")] = False,
    as_json: _Json = False,
) -> None:
    """Ask the tables in SQL (DuckDB). Reading only: nothing can be written, and no other file read."""
    import _cli

    with _cli.output(as_json) as output:
        from feeds.query import query
        from feeds.store import data_folder

        found = query(data_folder(_chosen(data)), statement)
        names = [column[0] for column in found.description]
        if csv:
            _as_csv(names, found)
            return
        block = found.fetchmany(rows + 1)
        more = len(block) > rows
        _print_rows(names, block[:rows])
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


def _print_rows(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    texts = [["" if value is None else str(_plain(value))[:_WIDEST] for value in row] for row in rows]
    right = [all(isinstance(row[k], int | float) or row[k] is None for row in rows) for k in range(len(names))]
    widths = [max([len(name), *(len(row[k]) for row in texts)]) for k, name in enumerate(names)]
    for row in [names, *texts]:
        cells = [
            text.rjust(width) if at_right else text.ljust(width)
            for text, width, at_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def describe(
    folder: Annotated[Path, typer.Argument(help="Any folder of daily bars or of tables.")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file that says where the columns are.")] = None,
    as_json: _Json = False,
) -> None:
    """Say what a folder holds: its layout, files, stocks, days, units, and whether prices are those that were paid."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.errors import DataError
        from feeds.foreign import is_store

        if not folder.is_dir():
            raise DataError(f"there is no folder '{folder}'; check the path")
        found = _describe_store(folder) if is_store(folder) and mapping is None else _describe_bars(folder, mapping)
        output.table([(key, str(value)) for key, value in found.items() if not isinstance(value, list)])
        for key, value in found.items():
            if isinstance(value, list) and value:
                print(f"\n{key}")
                names = list(dict.fromkeys(name for row in value for name in row))
                _print_rows(names, [tuple(row.get(name) for name in names) for row in value])
        output.result(found)


def _describe_store(folder: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from engine.errors import HuiceError
    from feeds.manifest import Manifest, tables_of
    from feeds.table_checks import columns_of

    manifest = Manifest.read(folder)
    tables: dict[str, dict[str, Any]] = {}
    for file in tables_of(folder):
        name = file.partition("/")[0].removesuffix(".parquet")
        about = pq.read_metadata(folder / file)
        row = tables.setdefault(name, {"table": name, "files": 0, "rows": 0, "bytes": 0, "columns": about.num_columns})
        row["files"] += 1
        row["rows"] += about.num_rows
        row["bytes"] += (folder / file).stat().st_size
        row["source"] = manifest.entries.get(file, {}).get("source", "")
        try:
            columns_of(name)
            row["read by Huice"] = "yes"
        except HuiceError:
            row["read by Huice"] = "by sql only"
    return {"layout": "store", "says": "the store's own tables, read as they are", "tables": list(tables.values())}


def _describe_bars(folder: Path, mapping: Path | None) -> dict[str, Any]:
    from feeds.foreign import known_layout, read_parts
    from feeds.mappings import read_mapping

    layout = read_mapping(mapping) if mapping is not None else known_layout(folder)
    files, symbols, days = [], set(), []
    for part in read_parts(folder, layout):
        frame = part.frame
        symbols |= set(frame["symbol"].unique().tolist())
        if len(frame):
            days += [frame["date"].min(), frame["date"].max()]
        files.append({"file": part.file, "rows": len(frame), "prices": "paid" if part.adjusted == "no" else
                      part.adjusted, "because": part.why, "notes": "; ".join(part.notes)})  # fmt: skip
    bad = [row for row in files if row["prices"] != "paid"]
    use = "an account and features" if not bad else f"features only: prices of {len(bad)} files are adjusted"
    columns = ", ".join(
        f"{name} = {source.name}" + (f" * {source.factor:g}" if source.factor != 1 else "")
        for name, source in layout.columns.items()
    )
    return {
        "layout": layout.name, "says": layout.says, "columns": columns, "stocks": len(symbols),
        "first": str(min(days).date()) if days else "", "last": str(max(days).date()) if days else "",
        "good for": use, "files": (bad or files)[:_SHOWN],
    }  # fmt: skip


def info(
    data: _Data = None,
    universe: Annotated[str, typer.Option(help="all, an index, or symbols.")] = "all",
    as_json: _Json = False,
) -> None:
    """List the fields of the market with their bytes, what is known beside them, and how much of the universe."""
    import _cli

    with _cli.output(as_json) as output:
        from feeds.store import open_market
        from feeds.survivorship import coverage_numbers, survivorship_warning

        market = open_market(_chosen(data), universe=universe)
        fields = _fields(market)
        numbers = coverage_numbers(market, figures=True)
        rows, columns = market.shape
        print(f"{rows:,} sessions x {columns:,} stocks, {market.sessions[0]} .. {market.sessions[-1]}")
        print(f"fingerprint {market.fingerprint[:16]}\n")
        listed = [(one["field"], one["type"], one["bytes"]) for one in fields]
        _print_rows(["field", "type", "bytes"], [*listed, ("all", "", sum(one["bytes"] for one in fields))])
        print()
        figures = numbers.pop("figures")
        output.table([(key.replace("_", " "), str(value)) for key, value in numbers.items()])
        if figures:
            print("\nshare of the members with each figure, mean of the month ends")
            output.table([(name, f"{share:7.2%}") for name, share in figures.items()])
        warning = survivorship_warning(market)
        if warning:
            print(f"\n{warning}")
        output.result({"sessions": rows, "stocks": columns, "fingerprint": market.fingerprint, "fields": fields,
                       **numbers, "figures": figures, "files": market.info["files"]})  # fmt: skip


def _fields(market: Market) -> list[dict[str, Any]]:
    from engine.market import FIELDS

    found = [(name, getattr(market, name)) for name in FIELDS]
    found += [(f"series {name}", array) for name, array in sorted(market.series.items())]
    rows = [{"field": name, "type": str(array.dtype), "bytes": int(array.nbytes)} for name, array in found]
    events = sum(int(array.nbytes) for array in market.events.values())
    return [*rows, {"field": "corporate events", "type": "table", "bytes": events}]


def check(
    data: _Data = None,
    page: Annotated[Path | None, typer.Option("--html", help="Write the page with pictures here.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the schemas of the tables.")] = False,
    as_json: _Json = False,
) -> None:
    """Check the tables and what they say together. Exit code 1 if anything is fatal."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.errors import ConfigError, HuiceError
        from feeds.check_page import check_page
        from feeds.data_check import Finding, check_market, check_tables, worst
        from feeds.file_feed import FileFeed
        from feeds.fingerprint import write_beside
        from feeds.store import data_folder, open_market

        chosen = _chosen(data)
        feed = FileFeed(data_folder(chosen))
        findings = check_tables(feed, schemas=not quick)
        market = None
        try:
            market = open_market(chosen, universe="all")
            findings += check_market(market, feed)
        except HuiceError as error:
            findings.append(Finding("market", "fatal", 1, 1, str(error)))
        _show(findings)
        if page is not None:
            try:
                write_beside(page, check_page(Path(chosen).name, findings, market))
            except OSError as error:
                raise ConfigError(f"'{page}' cannot be written ({error.strerror}); check the folder") from error
            print(f"\n{page}")
        level = worst(findings)
        output.result({"data": chosen, "worst": level, "findings": [vars(one) for one in findings]})
    if level == "fatal":
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    rows = [(one.level, one.check, f"{one.count:,}", f"{one.of:,}", one.says) for one in findings]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for level, name, count, of, says in rows:
        print(f"{level:<{widths[0]}}  {name:<{widths[1]}}  {count:>{widths[2]}} of {of:>{widths[3]}}  {says}")
    for one in findings:
        if one.level in ("warning", "fatal"):
            for row in one.examples[:5]:
                print(f"  {one.check}: " + ", ".join(f"{key} {value}" for key, value in row.items()))


def import_(
    what: Annotated[str, typer.Argument(help="constituents or bars.")],
    source: Annotated[Path, typer.Argument(help="CSV of dated members; for bars a folder in any layout.")],
    data: Annotated[Path, typer.Option(help="Folder of tables that takes it in; for bars a new one.")],
    index: Annotated[str, typer.Option(help="Index of all rows, where the CSV has no column for it.")] = "",
    mapping: Annotated[Path | None, typer.Option(help="For bars: TOML file that says where the columns are.")] = None,
    as_json: _Json = False,
) -> None:
    """Bring dated index members, or bars in another layout, into a folder of tables."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.errors import ConfigError, nearest

        if what == "constituents":
            from feeds.import_lists import import_constituents

            counts = import_constituents(source, data, index)
            for code, count in counts.items():
                print(f"{code}: {count} memberships")
            output.result({"constituents": counts})
        elif what == "bars":
            from feeds.convert import convert
            from feeds.mappings import read_mapping

            if data.exists() and any(data.iterdir()):
                raise ConfigError(f"'{data}' is not empty; give a new folder for the tables")
            notes = convert(source, data, read_mapping(mapping) if mapping is not None else None)
            for note in dict.fromkeys(notes):
                print(note)
            print(f"tables written into {data}")
            output.result({"folder": str(data), "notes": notes})
        else:
            raise ConfigError(f"'{what}' cannot be imported; {nearest(what, ('constituents', 'bars'))}")
