"""``factors.py screen`` and ``sheet``: which factors tell anything about the next period."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from _data_sql import Data, Json, chosen_data, print_rows
from _factors_list import File, Only, UniverseName, chosen_factors

EXAMPLES = """\b
Examples:
  python scripts/factors.py screen --data ../shared/data --universe csi300 --start 2013-01-01 --html out.html
  python scripts/factors.py screen --only momentum,paper-1 --max-correlation 0.6
"""
SHEET_EXAMPLES = """\b
Example:
  python scripts/factors.py sheet return_1m --data ../shared/data --universe csi300 --html sheet.html
"""

Start = Annotated[str | None, typer.Option(metavar="DATE", help="First day, as 2013-01-01.")]
End = Annotated[str | None, typer.Option(metavar="DATE", help="Last day.")]
Schedule = Annotated[str, typer.Option(help="How often factors are looked at: monthly, weekly or daily.")]


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar with the name of the factor at work; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("factors", total=None)

        def show(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name)

        yield show


def screen(
    only: Only = None,
    data: Data = None,
    universe: UniverseName = "all",
    start: Start = None,
    end: End = None,
    schedule: Schedule = "monthly",
    periods: Annotated[str, typer.Option(help="Horizons of the return in periods, with commas.")] = "1,2,3",
    entry: Annotated[
        str, typer.Option(help="Where the return begins: open (of the next session) or close (of the same one).")
    ] = "open",
    quantiles: Annotated[int, typer.Option(min=2, help="Groups of equal size.")] = 5,
    criterion: Annotated[str, typer.Option(help="Strength: abs-mean (|mean Rank IC|) or mean-abs.")] = "abs-mean",
    min_rank_ic: Annotated[float, typer.Option(help="Drop factors below this strength.")] = 0.02,
    max_correlation: Annotated[
        float, typer.Option(help="Drop a factor whose |rank correlation| with a stronger one is above this.")
    ] = 0.7,
    min_coverage: Annotated[float, typer.Option(help="Drop factors below this share of the universe.")] = 0.0,
    by_family: Annotated[
        bool, typer.Option("--by-family", help="Compare with factors of the same family alone.")
    ] = False,
    tried: Annotated[
        int | None, typer.Option(help="Factors tried in all, if more than are screened here: raises the t-threshold.")
    ] = None,
    file: File = None,
    page: Annotated[Path | None, typer.Option("--html", help="Write the page with pictures here.")] = None,
    as_json: Json = False,
) -> None:
    """Screen factors: IC, quantiles, turnover, correlation, coverage, and which to keep."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.errors import ConfigError
        from feeds.store import open_market
        from feeds.survivorship import data_warnings
        from signals.screening.market import history, screen_market, study

        chosen = chosen_factors(only, file)
        if page is not None and page.is_dir():
            raise ConfigError(f"--html '{page}' is a folder; give the name of a file")
        market = open_market(
            chosen_data(data), universe=universe, start=start, end=end, lookback=history(chosen), benchmark=""
        )
        what = study(market, schedule=schedule, start=start, end=end, periods=_numbers(periods), entry=entry)
        with progress_bar() as progress:
            found = screen_market(
                market, chosen, what, schedule=schedule, progress=progress, quantiles=quantiles, criterion=criterion,
                min_rank_ic=min_rank_ic, max_correlation=max_correlation, min_coverage=min_coverage,
                by_family=by_family, tried=tried,
            )  # fmt: skip
        table = found.table()
        _show(found, table)
        for warning in data_warnings(market):
            print(f"\n{warning}")
        if page is not None:
            from signals.screening.page import write_page

            write_page(found, page)
            print(f"\nPage: {page}")
        output.result(
            {
                "factors": table.to_dict("records"),
                "bought": None if found.bought is None else found.table(bought=True).to_dict("records"),
                "unavailable": found.unavailable,
                "page": None if page is None else str(page),
                "fingerprint": market.fingerprint,
            }
        )


def _numbers(text: str) -> list[int]:
    from engine.errors import ConfigError

    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise ConfigError(f"--periods '{text}' must be whole numbers with commas, as 1,2,3") from None


def _show(found: Any, table: Any) -> None:
    rows = [
        (
            row.factor, row.name, f"{row.rank_ic:+.4f}", f"{row.mean_abs_rank_ic:.4f}", f"{row.noise:.4f}",
            f"{row.ir:+.2f}", f"{row.t:+.1f}", "yes" if row.passes else "no", f"{row.share_positive:.0%}",
            f"{row.long_short:+.2%}", f"{row.turnover:.0%}", f"{row.coverage:.0%}",
            "kept" if row.kept else row.reason,
        )
        for row in table.rename(columns={"name": "title"}).rename(columns={"title": "name"}).itertuples()
    ]  # fmt: skip
    print_rows(
        ["factor", "name", "Rank IC", "mean |IC|", "noise", "IR", "t", "passes", "above 0", "long-short", "turnover",
         "coverage", "verdict"],
        rows, widest=60,
    )  # fmt: skip
    limits = found.everything.thresholds
    print(
        f"\n{len(found.everything.kept)} of {len(found.names)} factors kept, {sum(found.everything.passing.values())} "
        f"pass the test for {limits.tried} tried; {len(found.dates)} dates {found.dates[0]} .. {found.dates[-1]}"
    )
    for name, why in found.unavailable.items():
        print(f"not available: {name} {why}")


def sheet(
    name: Annotated[str, typer.Argument(help="A factor.")],
    page: Annotated[Path, typer.Option("--html", help="Write the sheet here.")],
    data: Data = None,
    universe: UniverseName = "all",
    start: Start = None,
    end: End = None,
    quantiles: Annotated[int, typer.Option(min=2, help="Groups of equal size.")] = 5,
    file: File = None,
) -> None:
    """Write Alphalens' full tear sheet of one factor, daily, as one HTML file."""
    from engine.errors import ConfigError
    from feeds.store import open_market
    from signals.factors import registry
    from signals.factors.cache import FactorCache
    from signals.screening.alphalens_sheets import write_sheet
    from signals.screening.market import history, schedule_rows

    if file is not None:
        registry.load_file(file)
    if page.is_dir():
        raise ConfigError(f"--html '{page}' is a folder; give the name of a file")
    one = registry.get(name)
    market = open_market(chosen_data(data), universe=universe, start=start, end=end, lookback=history([one]))
    rows = schedule_rows(market.sessions, "daily", start, end)
    values = FactorCache().values(market, [one], rows, schedule=f"daily from {market.sessions[rows[0]]}")[name]
    write_sheet(market, one, values, rows, page, quantiles=quantiles)
    print(f"Page: {page}")
