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
        int | None,
        typer.Option(min=1, help="Factors tried in all, if more than are screened here: raises the t-threshold."),
    ] = None,
    file: File = None,
    page: Annotated[Path | None, typer.Option("--html", help="Write the page with pictures here.")] = None,
    as_json: Json = False,
) -> None:
    """Screen factors: IC, quantiles, turnover, correlation, coverage, and which to keep."""
    import _cli

    with _cli.output(as_json) as output:
        from feeds.store import open_market
        from feeds.survivorship import data_warnings
        from signals.screen import check_options
        from signals.screening.market import history, screen_market, study

        check_options(min_rank_ic, max_correlation, min_coverage, tried)
        chosen = chosen_factors(only, file)
        check_page(page)
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
        warnings = data_warnings(market)
        for warning in warnings:
            print(f"\n{warning}")
        if page is not None:
            from signals.screening.market import ENTRIES
            from signals.screening.page import write_page

            facts = [("Data", chosen_data(data)), ("Universe", universe), ("Bought at", ENTRIES[entry])]
            write_page(found, page, facts=facts, warnings=warnings)
            print(f"\nPage: {page}")
        output.result(
            {
                "factors": table.to_dict("records"),
                "bought": None if found.bought is None else found.table(bought=True).to_dict("records"),
                "dates": [str(day) for day in found.dates],
                "horizon": found.horizon,
                "unit": found.unit,
                "thresholds": found.everything.thresholds._asdict(),
                "decay": {name: dict(row) for name, row in found.decay().rename(columns=str).iterrows()},
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


def check_page(page: Path | None) -> None:
    """Refuse a page that could not be written, before anything is computed."""
    from engine.errors import ConfigError

    if page is not None and page.is_dir():
        raise ConfigError(f"--html '{page}' is a folder; give the name of a file")
    if page is not None and not page.absolute().parent.is_dir():
        raise ConfigError(f"--html '{page}' lies in a folder that is not there; make it first")


def _text(value: float, form: str) -> str:
    """A figure, a dash where there is none."""
    return format(value, form) if value == value else "-"


def _show(found: Any, table: Any) -> None:
    limits = found.everything.thresholds
    rows = [
        (
            row.factor, _text(row.rank_ic, "+.4f"), _text(row.mean_abs_rank_ic, ".4f"), _text(row.noise, ".4f"),
            _text(row.ir, "+.2f"), _text(row.t, "+.1f"),
            " ".join(("B",) * (abs(row.t) >= limits.bonferroni) + ("Y",) * row.passes) or "-",
            _text(row.share_positive, ".0%"), _text(row.long_short, "+.2%"), _text(row.turnover, ".0%"),
            _text(row.coverage, ".0%"), "kept" if row.kept else "no",
        )
        for row in table.itertuples()
    ]  # fmt: skip
    print_rows(
        ["factor", "Rank IC", "mean |IC|", "noise", "IR", "t", "test", "IC>0", "spread", "turns", "covers", "kept"],
        rows,
    )
    print("spread: mean return of the highest quantile less the lowest, before costs; turns: share of their names new")
    _show_coverage(found)
    dropped = [(row.factor, row.reason) for row in table.itertuples() if not row.kept]
    if dropped:
        print("\nNot kept:")
        width = max(len(name) for name, _ in dropped)
        for name, reason in dropped:
            print(f"  {name:<{width}}  {reason}")
    many = len(found.names)
    print(
        f"\n{len(found.everything.kept)} of {many} factor{'s' if many > 1 else ''} kept; of {limits.tried} tried, "
        f"{sum(abs(table.t) >= limits.bonferroni)} with |t| at or above Bonferroni's {limits.bonferroni:.2f} (B), "
        f"{sum(table.passes)} by Benjamini, Hochberg and Yekutieli's procedure (Y)"
    )
    dates = len(found.dates)
    print(f"{dates} date{'s' if dates > 1 else ''} {found.dates[0]} .. {found.dates[-1]}")
    for name, why in found.unavailable.items():
        print(f"not available: {name} {why}")


_THIN = 0.8
"""Coverage of a year below which a factor is shown by year."""


def _show_coverage(found: Any) -> None:
    """Share of the universe by year, of the factors that fall below :data:`_THIN` in some year."""
    thin = [name for name, years in zip(found.names, found.coverage, strict=True) if (years < _THIN).any()]
    if not thin:
        print(f"covers: share of the universe; at least {_THIN:.0%} in every year for all of them")
        return
    print(f"\nShare of the universe by year, below {_THIN:.0%} in some year ({len(thin)} of {len(found.names)}):")
    rows = [
        (name, *(_text(x, ">4.0%") for x in found.coverage[place]))
        for place, name in enumerate(found.names)
        if name in thin
    ]
    print_rows(["factor", *(f"{year:>4}" for year in found.years)], rows)


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
    from feeds.store import open_market
    from signals.factors import registry
    from signals.screening.alphalens_sheets import write_sheet
    from signals.screening.market import factor_values, history, schedule_rows

    if file is not None:
        registry.load_file(file)
    check_page(page)
    one = registry.get(name)
    market = open_market(chosen_data(data), universe=universe, start=start, end=end, lookback=history([one]))
    rows = schedule_rows(market.sessions, "daily", start, end)
    values = factor_values(market, [one], rows, schedule=f"daily from {market.sessions[rows[0]]}")
    write_sheet(market, one, values[name], rows, page, quantiles=quantiles)
    print(f"Page: {page}")
