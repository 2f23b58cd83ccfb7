"""``data.py fetch``: AKShare into a folder of tables, and the folder up to date again."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import _cli
import typer

if TYPE_CHECKING:
    from feeds.akshare_feed import Summary
    from feeds.akshare_plan import Tell

EXAMPLES = """\b
Examples:
  python scripts/data.py fetch --universe csi500 --start 2012-01-01
  python scripts/data.py fetch --universe 600519.SH,000001.SZ --start 2020-01-01 --out my-data
Run it again to bring the folder up to date, or to go on after it was stopped.
"""

_SHOWN = 10
"""Failures that are listed by a table."""

_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""


def fetch(
    universe: Annotated[
        str, typer.Option(help="An index (csi300, csi500, 399006, ...), all, or symbols separated by commas.")
    ],
    start: Annotated[str, typer.Option(metavar="DATE", help="First day of the bars.")],
    end: Annotated[str, typer.Option(metavar="DATE", help="Last day of the bars. Default: yesterday.")] = "",
    out: Annotated[Path, typer.Option(help="The folder of tables; made if absent.")] = Path("data"),
    pace: Annotated[
        float, typer.Option(help="Factor on the waits between requests; above 1 is slower, below 1 at your own risk.")
    ] = 1.0,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Say nothing while fetching.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    """Fetch free data with AKShare, slowly and for good; run it again to bring them up to date.

    Exit code 1 if some part could not be had: what could is written, and the next fetch tries the rest again.
    """
    with _cli.output(as_json) as output:
        from engine.errors import ConfigError
        from feeds.akshare_client import Client, load_akshare
        from feeds.akshare_feed import RAW, fetch
        from feeds.akshare_http import Polite

        if not 0.1 <= pace <= 100.0:
            raise ConfigError(f"pace {pace:g} must lie between 0.1 and 100; 1 is polite")
        first, last = _day(start, "--start"), _day(end, "--end") if end else None
        today = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()  # Shanghai has no summer time
        client = Client(out / RAW, today=today, functions=load_akshare(), polite=Polite(pace=pace))
        with _progress(not no_progress) as tell:
            summary = fetch(out, universe, first, last, client=client, tell=tell)
        _show(summary, out, output)
        output.result(_result(summary))
    if summary.failures:
        raise typer.Exit(1)


def _day(text: str, option: str) -> dt.date:
    from engine.errors import ConfigError

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} '{text}' is no date; write it like 2012-01-31") from None


def words(seconds: float) -> str:
    """A span of time as a reader wants it: rounded the more the longer it is."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return "under 2 min"
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def _progress(wanted: bool) -> Iterator[Tell | None]:
    """A bar where standard error is a terminal, a line now and then elsewhere."""
    if not wanted:
        yield None
        return
    stream = sys.stderr  # AKShare's own output is swallowed by redirecting sys.stderr: hold on to the real one
    if not stream.isatty():
        spoken = [-_EVERY]

        def speak(done: int, total: int, what: str, left: float) -> None:
            if time.monotonic() - spoken[0] >= _EVERY:
                spoken[0] = time.monotonic()
                print(f"{done} of {total} calls, {words(left)} left: {what}", file=stream, flush=True)

        yield speak
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    left = TextColumn("{task.fields[left]} left")
    columns = (BarColumn(), MofNCompleteColumn(), left, TextColumn("{task.description}"))
    bar = Progress(*columns, console=Console(file=stream), transient=True, redirect_stdout=False, redirect_stderr=False)
    with bar:
        task = bar.add_task("", total=None, left="?")

        def show(done: int, total: int, what: str, left: float) -> None:
            bar.update(task, completed=done, total=total, description=what, left=words(left))

        yield show


def _show(summary: Summary, out: Path, output: _cli.Output) -> None:
    figures = summary.figures
    print(f"{figures['stocks_with_bars']} of {figures['stocks']} stocks with bars, "
          f"{summary.requests} requests, universe '{summary.universe}'")  # fmt: skip
    output.table([(table, f"{rows:>12,} rows") for table, rows in sorted(summary.tables.items())])
    compared = figures["compared"]
    if compared["rows"]:
        differ = ", ".join(f"{name} {count}" for name, count in compared["differ"].items() if count) or "none"
        print(f"second source: {compared['stocks']} stocks, {compared['rows']:,} days compared; differ: {differ}")
    for note in summary.notes:
        print(f"warning: {note}")
    for table, lines in _by_table(summary).items():
        print(f"not had, {table}: {len(lines)}")
        for line in lines[:_SHOWN]:
            print(f"  {line}")
        if len(lines) > _SHOWN:
            print(f"  and {len(lines) - _SHOWN} more: see fetch.json")
    print(f"written to {out}")


def _by_table(summary: Summary) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for failure in summary.failures:
        found.setdefault(failure.table, []).append(f"{failure.about}: {failure.sentence}")
    return found


def _result(summary: Summary) -> dict[str, Any]:
    return {
        "universe": summary.universe,
        "today_only": summary.today_only,
        "stocks": len(summary.symbols),
        "tables": summary.tables,
        "figures": summary.figures,
        "notes": summary.notes,
        "requests": summary.requests,
        "failures": [vars(failure) for failure in summary.failures],
    }
