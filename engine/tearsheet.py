"""The tearsheet: one self-contained HTML file made from a run folder.

No network, no clock: the file holds its styles, its pictures and Plotly itself, and the same folder gives the
same bytes. One thing is read beside it: the folder of runs around it, which tells how many settings were tried.
A part that cannot be drawn becomes a note with the reason; only a folder that is not a complete run is an error.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from engine import (
    pyfolio_sheets,
    tearsheet_charts,
    tearsheet_costs,
    tearsheet_tables,
    tearsheet_tracking,
    tearsheet_trading,
)
from engine.conclusions import Conclusion, conclude
from engine.errors import DataError
from engine.files import write_beside
from engine.luck import luck
from engine.presentation import (
    account_facts,
    benchmark_kind,
    bracket,
    data_text,
    deposits,
    headline_rows,
    is_synthetic,
    known,
    number,
    percent,
    plugin_name,
    plugin_text,
    risk_free_text,
    yuan,
)
from engine.round_trips import round_trips
from engine.tearsheet_tables import Table

TEMPLATES = Path(__file__).parent / "templates"
NAME = "tearsheet.html"

#: Small print beside a label of the headline table; the console has no room for it.
SMALL = dict.fromkeys(("Sharpe ratio", "Sortino ratio", "Information ratio"), "mean daily return, annualised")

SYNTHETIC = (
    "These data are made up: the embedded synthetic market has no real stock and no real history, so the A-share "
    "stress periods are left out."
)

# Columns that a frame must have; a frame that is missing altogether is empty, but for those of NEEDED.
COLUMNS = {
    "equity": ("date", "value", "cash"),
    "fills": ("date", "symbol", "side", "shares", "price"),
    "positions": ("date", "symbol", "shares", "price", "value"),
    "refusals": ("date", "symbol", "side", "wanted", "done", "reason"),
    "corporate": ("date", "symbol", "kind", "shares", "cash"),
    "decisions": ("decision", "execution", "status"),
    "symbols": ("symbol", "name"),
    "targets": ("date", "symbol", "weight", "reason"),
    "tracking": ("date", "cash", "target_cash", "off_target"),
}
NEEDED = ("equity", "fills", "positions")


class RunFiles(NamedTuple):
    """A run folder in memory: ``result.json``, the text of ``config.toml``, and the frames by name."""

    result: dict[str, Any]
    config: str
    frames: dict[str, pd.DataFrame]


def load(run_folder: Path) -> RunFiles:
    """Read a run folder.

    Raises
    ------
    DataError
        If it is no complete run: a file or column is missing, or there is no session.
    """
    if not run_folder.is_dir():
        raise DataError(f"there is no run folder {run_folder}; give the path that scripts/backtest.py printed")
    result_path = run_folder / "result.json"
    if not result_path.is_file():
        raise DataError(f"{run_folder} has no result.json: the run is incomplete, run it again")
    try:
        result = json.loads(result_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{result_path} is no JSON ({error}); run it again with --force") from None
    frames = {name: _frame(run_folder / f"{name}.parquet", name) for name in COLUMNS}
    if frames["equity"].empty:
        raise DataError(f"{run_folder / 'equity.parquet'} has no row; run it again with --force")
    config = run_folder / "config.toml"
    return RunFiles(result, config.read_text(encoding="utf-8") if config.is_file() else "", frames)


def _frame(path: Path, name: str) -> pd.DataFrame:
    columns = COLUMNS[name]
    if not path.is_file():
        if name in NEEDED:
            raise DataError(f"{path.parent} has no {path.name}: the run is incomplete, run it again")
        return _dated(pd.DataFrame({column: [] for column in columns}))
    frame = pd.read_parquet(path)
    for column in columns:
        if column not in frame:
            raise DataError(f"{path} has no column '{column}'; run it again with --force")
    return _dated(frame)


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    """One unit for all dates (an empty column has no type of its own): frames are joined on them."""
    for column in ("date", "decision", "execution"):
        if column in frame:
            frame[column] = pd.to_datetime(frame[column]).astype("datetime64[ms]")
    return frame


def write_tearsheet(run_folder: Path) -> Path:
    """Write ``tearsheet.html`` into a run folder, beside and then renamed.

    Parameters
    ----------
    run_folder : Path
        A complete run; the settings tried are counted in the folder that holds it.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        If the folder is no complete run.
    """
    folder = Path(run_folder)
    page = render(load(folder), folder.parent)
    target = folder / NAME
    write_beside(target, page)
    return target


def render(run: RunFiles, store: Path | None = None) -> str:
    """The page as text; ``store`` is the folder of runs in which the settings tried are counted."""
    return fill("tearsheet.html.j2", context(run, store))


def fill(template: str, shown: Mapping[str, Any]) -> str:
    """A page of :data:`TEMPLATES` with the style sheet and Plotly inside."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["days"] = _unbroken_days
    return environment.get_template(template).render(
        shown, style=(TEMPLATES / "tearsheet.css").read_text(encoding="utf-8"), plotlyjs=get_plotlyjs()
    )


def _unbroken_days(text: str) -> Any:
    """The text, escaped, with its dates in spans that the style sheet does not break at a hyphen."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"\d{4}-\d\d-\d\d", r'<span class="day">\g<0></span>', str(escape(text))))


def context(run: RunFiles, store: Path | None = None) -> dict[str, Any]:
    """Everything the template shows; the parameters are those of :func:`render`."""
    result, frames = run.result, run.frames
    equity, fills, positions = frames["equity"], frames["fills"], frames["positions"]
    names = dict(zip(frames["symbols"]["symbol"].astype("str"), frames["symbols"]["name"].fillna(""), strict=True))
    parts = _Parts()
    made = parts.table
    tables, accounts = tearsheet_tables, tearsheet_trading
    synthetic = is_synthetic(result)
    spans = [] if synthetic else pyfolio_sheets.overlapping(pd.DatetimeIndex(equity["date"].iloc[1:]))
    trading = [
        made("Where the return went", lambda: tearsheet_costs.where_it_went(result)),
        made("Refusals by reason", lambda: accounts.refusals(result, frames["refusals"], positions, fills)),
        made("Return and costs by year", lambda: tearsheet_costs.by_year(result)),
        made("Where the return came from", lambda: tearsheet_costs.where_it_came_from(result)),
        made("Fees and interest", lambda: accounts.fees(result, fills, equity)),
        made("Corporate actions", lambda: accounts.corporate(result, frames["corporate"])),
        made("Decisions", lambda: accounts.decisions(result, frames["decisions"])),
        made("Targets", lambda: tearsheet_tracking.reasons(frames["targets"], frames["tracking"])),
    ]
    by_period = [
        made("Returns by year", lambda: tables.yearly(equity)),
        made("Monthly returns", lambda: tables.monthly(equity, excess=False)),
        made("Monthly excess", lambda: tables.monthly(equity, excess=True)),
        made("Deepest drawdowns", lambda: tables.deepest_falls(equity)),
        made("A-share stress periods", lambda: tables.stress(equity, spans)),
    ]
    stocks = [
        made("Holdings", lambda: accounts.holdings(equity, positions, names)),
        *parts.tables(
            "Contributors", lambda: accounts.contributors(fills, frames["corporate"], equity, positions, names)
        ),
    ]
    facts = [
        made("Data", lambda: accounts.data_facts(result)),
        made("Fee rules used", lambda: accounts.fee_rules(result.get("rules"))),
    ]
    matched = parts.tables(
        "Round trips",
        lambda: accounts.trips(round_trips(fills, frames["corporate"], equity["date"].to_numpy()), names),
    )
    survives = parts.tables("Conclusion", lambda: [_conclusion(result, equity, store)])
    return {
        "conclusion": survives[0] if survives else None,
        "leaks": bool(result.get("leaks")),
        "title": _title(result),
        "subtitle": _subtitle(result),
        "tiles": _tiles(result),
        "account": account_facts(result),
        "headline": [(label, SMALL.get(label, ""), text) for label, text in headline_rows(result)],
        "warnings": [str(text) for text in result.get("warnings") or []],
        "remarks": ([SYNTHETIC] if synthetic else []) + [str(text) for text in result.get("notes") or []],
        "charts": {
            "performance": tearsheet_charts.performance(equity, benchmark_kind(result.get("benchmark"))),
            "cash": tearsheet_charts.cash_share(equity, positions),
            **tearsheet_tracking.charts(frames["tracking"]),
        },
        "has_benchmark": tearsheet_charts.known_level(equity, "benchmark") is not None,
        "trading": _only(trading),
        "by_period": _only(by_period),
        "stocks": _only(stocks),
        "round_trips": _only(matched),
        "facts": _only(facts),
        "config": run.config,
        "sheets": _sheets(frames, names, stress=not synthetic),
        "notes": parts.notes,
    }  # fmt: skip


def _conclusion(result: Mapping[str, Any], equity: pd.DataFrame, store: Path | None) -> Conclusion:
    return conclude(result, luck=None if store is None else luck(result, equity, store))


class _Parts:
    """Runs the makers of tables; one that fails leaves a note in :attr:`notes` instead of its table."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def table(self, title: str, make: Callable[[], Table | None]) -> Table | None:
        return next(iter(self.tables(title, lambda: [make()])), None)

    def tables(self, title: str, make: Callable[[], list[Any]]) -> list[Any]:
        try:
            return make()
        except Exception as error:  # any: a table must never cost the whole report
            self.notes.append(f"{title}: not shown, {type(error).__name__}: {' '.join(str(error).split())[:300]}")
            return []


def _only(tables: list[Table | None]) -> list[Table]:
    return [one for one in tables if one is not None]


def _title(result: Mapping[str, Any]) -> str:
    universe = result.get("universe") or "the whole market"
    if isinstance(universe, (list, tuple)):
        universe = f"{len(universe)} stocks"
    return f"{plugin_name(result.get('strategy'))} on {plugin_name(result.get('signal'))}, {universe}"


def _subtitle(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [
        ("Span", f"{result.get('start', '')} to {result.get('end', '')}"),
        ("Run", str(result.get("id", ""))),
        ("Strategy", plugin_text(result.get("strategy"))),
        ("Signal", plugin_text(result.get("signal"))),
        ("Overlays", "; ".join(plugin_text(overlay) for overlay in result.get("overlays") or ())),
        ("Left out of the universe", ", ".join(result.get("exclude") or ())),
        ("Data", data_text(result)),
        ("Huice", str(result.get("version", ""))),
    ]
    return [(label, text) for label, text in pairs if text]


def _tiles(result: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """The few large numbers on top: (label, value, its interval, small print)."""
    head = result.get("headline") or {}
    dates = " to ".join(str(head.get(f"max_drawdown_{end}"))[:7] for end in ("peak", "trough"))
    worth = f"{yuan(head.get('final_value'), 0)} yuan"
    if known(result.get("cash")):
        worth = f"{yuan(result['cash'], 0)} to {worth}"
    if deposits(result):
        worth += f", {yuan(abs(deposits(result)), 0)} {'paid in' if deposits(result) > 0 else 'taken out'}"
    turnover = head.get("turnover")
    half = f", one-sided {number(turnover / 2, 1)}×" if known(turnover) else ""
    rate, over = functools.partial(percent, digits=1), functools.partial(percent, digits=1, sign=True)
    tiles = [
        ("Annual return", rate(head.get("annual_return")), bracket(result, "annual_return", rate), worth),
        ("Volatility", rate(head.get("volatility")), bracket(result, "volatility", rate), "a year"),
        (
            "Sharpe",
            number(head.get("sharpe")),
            bracket(result, "sharpe", number),
            f"risk-free {risk_free_text(result.get('risk_free'))}",
        ),
        (
            "Max drawdown",
            rate(head.get("max_drawdown")),
            bracket(result, "max_drawdown", rate),
            dates if head.get("max_drawdown_peak") else "never fell",
        ),
        ("Turnover", f"{number(turnover, 1)}×", "", f"a year, two-sided{half}"),
    ]
    if result.get("benchmark"):
        own = rate(head.get("benchmark_annual_return"))
        tiles.insert(
            1,
            (
                "Excess a year",
                over(head.get("excess_annual_return")),
                bracket(result, "excess_annual_return", over),
                f"difference to the benchmark's {own}, {benchmark_kind(result['benchmark'])}",
            ),
        )
    return tiles


def _sheets(frames: Mapping[str, pd.DataFrame], names: Mapping[str, str], stress: bool) -> list[dict[str, Any]]:
    """pyfolio's sheets with their pictures as text; a failure of the adapter itself is a note as well."""
    try:
        frames_in = pyfolio_sheets.inputs(frames["equity"], frames["positions"], frames["fills"])
        sheets = pyfolio_sheets.render(frames_in, dict(names), stress=stress)
    except Exception as error:  # any: pyfolio is an appendix
        sheets = [pyfolio_sheets.Sheet("pyfolio", None, [], f"not drawn: {error}")]
    return [
        {
            "title": sheet.title,
            "note": sheet.note,
            "png": base64.b64encode(sheet.png).decode("ascii") if sheet.png else "",
            "tables": [_pyfolio_table(name, frame) for name, frame in sheet.tables if len(frame)],
        }
        for sheet in sheets
    ]


def _pyfolio_table(name: str, frame: pd.DataFrame) -> Table:
    rows = [[str(label), *map(str, row)] for label, row in zip(frame.index, frame.to_numpy(), strict=True)]
    return tearsheet_tables.table(name, ["", *map(str, frame.columns)], rows)
