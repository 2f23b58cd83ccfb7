"""Fetch, describe, check and query data folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import _data_calibrate
import _data_describe
import _data_fetch
import _data_sql
import _data_tables
import typer

if TYPE_CHECKING:
    from feeds.limit_check import LimitCheck

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = """\b
Examples:
  python scripts/data.py check-limits --data ../shared/data
  python scripts/data.py check-limits --data ../shared/data --split 2017-01-01 --json
"""

COMMANDS = """
Examples:
  python scripts/data.py info --data ../shared/data
  python scripts/data.py check --data ../shared/data --html check.html
  python scripts/data.py sql "SHOW TABLES" --data ../shared/data
"""


@app.callback(help="Fetch, describe, check and query data folders.", epilog=COMMANDS, invoke_without_command=True)
def main(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from engine.errors import ConfigError

        names = [str(command.name) for command in app.registered_commands]
        raise ConfigError(f"name a command: {', '.join(names)}")


def check_limits(
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder of tables, or synthetic[:stocks=500,seed=1,...]. Default: the folder that HUICE_DATA names, "
            "else synthetic."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="DATE", help="First day of the second period that is counted apart.")
    ] = "2017-01-01",
    every: Annotated[bool, typer.Option("--list", help="List every exception, not the unexplained ones only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    """Compare every high and low with the computed price limits; class what lies outside.

    Exit code 1 if more than one bar in a million of a period is outside and unexplained.
    """
    with _cli.output(as_json) as output:
        from feeds.file_feed import FileFeed
        from feeds.limit_check import check_limits
        from feeds.store import data_folder, open_market

        chosen = data or os.environ.get("HUICE_DATA") or "synthetic"
        market = open_market(chosen, universe="all")
        check = check_limits(market, FileFeed(data_folder(chosen)).read("securities"))
        periods = _periods(check, split)
        exceptions = check.exceptions()
        _show(periods, exceptions, every, output)
        output.result({"data": chosen, "periods": periods, "exceptions": exceptions})
    if any(period["per_million"] > 1 for period in periods):
        raise typer.Exit(1)


for name, call, examples, short in (
    ("describe", _data_describe.describe, _data_describe.EXAMPLES, "Say what a folder holds."),
    ("fetch", _data_fetch.fetch, _data_fetch.EXAMPLES, "Fetch free data from the net, for good."),
    ("import", _data_tables.import_, _data_tables.IMPORT_EXAMPLES, "Bring in dated members, or bars in any layout."),
    ("info", _data_tables.info, _data_tables.INFO_EXAMPLES, "List fields, bytes, and how much is there."),
    ("check", _data_tables.check, _data_tables.CHECK_EXAMPLES, "Check the tables and what they say together."),
    ("check-limits", check_limits, EXAMPLES, "Compare highs and lows with the price limits."),
    ("sql", _data_sql.sql, _data_sql.EXAMPLES, "Ask the tables in SQL, read-only."),
    ("calibrate", _data_calibrate.calibrate, _data_calibrate.EXAMPLES, "Compare the synthetic market with a real one."),
):
    app.command(name=name, epilog=examples, short_help=short)(call)


def _periods(check: LimitCheck, split: str) -> list[dict[str, Any]]:
    import datetime as dt

    import numpy as np

    from engine.errors import ConfigError

    try:
        cut = np.datetime64(dt.date.fromisoformat(split), "D")
    except ValueError:
        raise ConfigError(f"--split '{split}' is no date; write it like 2017-01-01") from None
    sessions = check.market.sessions
    one = np.timedelta64(1, "D")
    spans = ((sessions[0], min(cut - one, sessions[-1])), (max(cut, sessions[0]), sessions[-1]))
    return [check.period(first, last) for first, last in spans if (sessions[(sessions >= first)] <= last).any()]


def _show(
    periods: list[dict[str, Any]], exceptions: list[dict[str, Any]], every: bool, output: _cli.Output
) -> None:
    for period in periods:
        print(f"{period['first']} .. {period['last']}: {period['rows']:,} rows, {period['at_limit']:,} at a limit")
        rows = [("class", f"{'outside':>9}{'covered':>9}  rule")]
        for name, rule in period["rules"].items():
            if rule["covers"]:
                rows.append((name, f"{rule['explains']:>9,}{rule['covers']:>9,}  {rule['rule']}"))
        rows.append(("unexplained", f"{period['unexplained']:>9,}{'':>9}  {period['per_million']:g} in a million rows"))
        output.table(rows)
        print()
    for row in exceptions:
        if every or row["class"] == "unexplained":
            ends = (row["limit_down"], row["limit_up"])
            limits = " .. ".join("none" if end is None else f"{end:.2f}" for end in ends)
            print(
                f"{row['date']} {row['symbol']} {row['class']}: {row['low']:.2f} .. {row['high']:.2f}, "
                f"reference {row['preclose']:.2f}, limits {limits}"
            )


if __name__ == "__main__":
    _cli.main_guard(app)
