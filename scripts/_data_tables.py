"""``data.py info``, ``check`` and ``import``: what a folder makes of a market, and whether it is sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from _data_sql import Data, Json, chosen_data, print_rows

if TYPE_CHECKING:
    from engine.market import Market
    from feeds.data_check import Finding

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


def info(
    data: Data = None,
    universe: Annotated[str, typer.Option(help="all, an index, or symbols.")] = "all",
    as_json: Json = False,
) -> None:
    """List the fields of the market with their bytes, what is known beside them, and how much of the universe."""
    import _cli

    with _cli.output(as_json) as output:
        from feeds.store import open_market
        from feeds.survivorship import coverage_numbers, data_warnings

        market = open_market(chosen_data(data), universe=universe)
        fields = _fields(market)
        numbers = coverage_numbers(market, figures=True)
        rows, columns = market.shape
        print(f"{rows:,} sessions x {columns:,} stocks, {market.sessions[0]} .. {market.sessions[-1]}")
        print(f"fingerprint {market.fingerprint[:16]}\n")
        listed = [(one["field"], one["type"], one["bytes"]) for one in fields]
        print_rows(["field", "type", "bytes"], [*listed, ("all", "", sum(one["bytes"] for one in fields))])
        print()
        figures = numbers.pop("figures")
        output.table(_coverage(numbers))
        if figures:
            print("\nshare of the members with each figure, mean of the month ends")
            output.table([(name, f"{share:7.2%}") for name, share in figures.items()])
        warnings = data_warnings(market)
        for warning in warnings:
            print(f"\n{warning}")
        output.result({"sessions": rows, "stocks": columns, "fingerprint": market.fingerprint, "fields": fields,
                       **numbers, "figures": figures, "warnings": warnings, "files": market.info["files"]})  # fmt: skip


def _coverage(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    """The numbers of coverage and survivorship for a reader."""
    in_data = numbers["members_in_data"]
    return [
        ("members that are in the data", "" if in_data is None else f"{in_data:.2%}"),
        ("members with a bar", f"{numbers['members_with_bar']:.2%} of a session"),
        ("members", f"{numbers['members']:,.1f} a session"),
        ("left the market", f"{numbers['left_market']:,}"),
        ("members are", "those of today, applied to the past" if numbers["as_of_today"] else "those of each day"),
    ]


def _fields(market: Market) -> list[dict[str, Any]]:
    from engine.market import FIELDS

    found = [(name, getattr(market, name)) for name in FIELDS]
    found += [(f"series {name}", array) for name, array in sorted(market.series.items())]
    rows = [{"field": name, "type": str(array.dtype), "bytes": int(array.nbytes)} for name, array in found]
    events = sum(int(array.nbytes) for array in market.events.values())
    return [*rows, {"field": "corporate events", "type": "table", "bytes": events}]


def check(
    data: Data = None,
    page: Annotated[Path | None, typer.Option("--html", help="Write the page with pictures here.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the schemas of the tables.")] = False,
    as_json: Json = False,
) -> None:
    """Check the tables and what they say together. Exit code 1 if anything is fatal."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.errors import ConfigError, HuiceError
        from engine.files import write_beside
        from feeds.check_page import check_page, verdict
        from feeds.data_check import Finding, check_market, check_tables, worst
        from feeds.file_feed import FileFeed
        from feeds.manifest import contents
        from feeds.store import data_folder, open_market

        chosen = chosen_data(data)
        if page is not None and not page.absolute().parent.is_dir():
            raise ConfigError(f"'{page}' cannot be written: there is no folder '{page.parent}'; make it first")
        feed = FileFeed(data_folder(chosen))
        findings = check_tables(feed, schemas=not quick)
        market = None
        try:
            market = open_market(chosen, universe="all")
            findings += check_market(market, feed)
        except HuiceError as error:
            findings.append(Finding("market", "fatal", 1, 1, str(error)))
        _show(findings)
        print(f"\n{verdict(findings)}")
        if page is not None:
            try:
                write_beside(page, check_page(Path(chosen).name, findings, market, _readable(contents, feed.folder)))
            except OSError as error:
                raise ConfigError(f"'{page}' cannot be written ({error.strerror}); check the folder") from error
            print(page)
        level = worst(findings)
        output.result({"data": chosen, "worst": level, "findings": [vars(one) for one in findings]})
    if level == "fatal":
        raise typer.Exit(1)


def _readable(contents: Callable[[Path], list[dict[str, Any]]], folder: Path) -> list[dict[str, Any]]:
    """The tables of a folder; none if one is spoilt, which the findings say."""
    from engine.errors import HuiceError

    try:
        return contents(folder)
    except HuiceError:
        return []


def _show(findings: list[Finding]) -> None:
    rows = [(one.level, one.check, f"{one.count:,}", f"{one.of:,}", one.says) for one in findings]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for level, name, count, of, says in rows:
        print(f"{level:<{widths[0]}}  {name:<{widths[1]}}  {count:>{widths[2]}} of {of:>{widths[3]}}  {says}")
    for one in findings:
        if one.level in ("warning", "fatal"):
            for row in one.examples[:5]:
                print(f"  {one.check}: {_row(row)}")


def _row(row: dict[str, Any]) -> str:
    """An example of a finding on one line."""
    if row.keys() == {"file", "says"}:
        return f"{row['file']}: {row['says']}"
    return str(row["note"]) if row.keys() == {"note"} else ", ".join(f"{key} {value}" for key, value in row.items())


def import_(
    what: Annotated[str, typer.Argument(help="constituents or bars.")],
    source: Annotated[Path, typer.Argument(help="CSV of dated members; for bars a folder in any layout.")],
    data: Annotated[Path, typer.Option(help="Folder of tables that takes it in; for bars a new one.")],
    index: Annotated[str, typer.Option(help="Index of all rows, where the CSV has no column for it.")] = "",
    mapping: Annotated[Path | None, typer.Option(help="For bars: TOML file that says where the columns are.")] = None,
    as_json: Json = False,
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

            if data.exists() and not (data.is_dir() and not any(data.iterdir())):
                raise ConfigError(f"'{data}' is not empty; give a new folder for the tables")
            notes = convert(source, data, read_mapping(mapping) if mapping is not None else None)
            for note in dict.fromkeys(notes):
                print(note)
            print(f"tables written into {data}")
            output.result({"folder": str(data), "notes": notes})
        else:
            raise ConfigError(f"'{what}' cannot be imported; {nearest(what, ('constituents', 'bars'))}")
