"""From AKShare to the store: fetch what is new, keep it for good, write the tables from all that is kept.

The tables are made from the raw frames alone, so a fetch that is killed loses nothing that it had, and writing them
twice gives the same bytes. What changed upstream between two fetches is in ``restatements.parquet`` (old and new
value, day first seen, day restated) and, for reports, a further row with ``first_seen``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, DataError
from engine.files import write_beside
from feeds import akshare_bars, akshare_halts, akshare_members
from feeds.akshare_client import Client, load_akshare
from feeds.akshare_http import SourceError
from feeds.akshare_plan import Failure, Tell, halt_jobs, market_jobs, run_jobs, stock_jobs
from feeds.akshare_tables import build_tables
from feeds.universe import TODAY, Universe, parse_universe

if TYPE_CHECKING:
    import pandas as pd

RAW = "raw"
STATE = "fetch.json"
"""What was asked of a folder and what could not be had; the next fetch goes on from it."""

BENCHMARKS = ("000300", "000905", "000016")
"""Indices that every fetch takes along, with their total-return versions."""

_INDEX_CODES = ("000", "399", "93", "95", "98", "899")
"""How codes of indices begin: Shanghai and CSI, Shenzhen and cnindex, CSI, Beijing."""


@dataclass
class Summary:
    """What a fetch did.

    Attributes
    ----------
    symbols : list of str
    universe : str
        By this name a run may choose it.
    today_only : bool
        The membership is that of the day of fetching: a run on it looks ahead.
    tables : dict of str to int
        Rows by table.
    failures : list of Failure
    notes : list of str
        What else a user must know, one sentence each.
    calls, requests : int
        Made in this run.
    figures : dict
        Coverage, restatements and the comparison of sources as numbers.
    """

    symbols: list[str]
    universe: str
    today_only: bool
    tables: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    calls: int = 0
    requests: int = 0
    figures: dict[str, Any] = field(default_factory=dict)


def fetch(
    folder: Path,
    universe: str | Sequence[str],
    start: dt.date,
    end: dt.date | None = None,
    *,
    client: Client | None = None,
    today: dt.date | None = None,
    tell: Tell | None = None,
) -> Summary:
    """Fetch a universe into a folder, or bring the folder up to date.

    Parameters
    ----------
    folder : Path
        The store; made if absent. Raw frames are kept in its folder ``raw``.
    universe : str or sequence of str
        ``all``, an index (``csi500``; cnindex codes have true dates), or symbols.
    start, end : date
        First and last day of the bars; ``end`` is the day before ``today`` by default.
    client : Client, optional
        Tests give one with functions and a clock of their own.
    today : date, optional
        In Shanghai.
    tell : callable, optional
        See :data:`feeds.akshare_plan.Tell`.

    Raises
    ------
    ConfigError
        If an option is malformed or AKShare is not installed.
    DataError
        If the folder holds another source's tables, or another fetch is at work in it.
    SourceError
        If the calendar or the members of the universe cannot be had, or not one bar.
    """
    today = today or (client.today if client else dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date())
    end = end or today - dt.timedelta(1)
    if start < dt.date(1990, 12, 19) or start > end:
        raise ConfigError(f"start {start} must lie between 1990-12-19 and the end {end}; give another start")
    if end > today:
        raise ConfigError(f"end {end} is in the future (today is {today}); give an earlier end")
    asked = parse_universe(universe)
    wanted = _index_of(asked)
    if client is None:
        client = Client(folder / RAW, today=today, functions=load_akshare())
    if (folder / "daily_bars").is_dir() and not (folder / RAW).is_dir() and not (folder / STATE).is_file():
        raise DataError(f"the folder '{folder}' holds tables that no fetch has written; give --out another folder")
    with only_one(folder):
        return _fetch(folder, asked, wanted, start, end, client, tell)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch into a folder; the lock of a killed one is gone with it.

    Raises
    ------
    DataError
        If another one is at work.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows: two fetches at once would only ask twice
        yield
        return
    place = folder / RAW
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"another fetch is at work in '{folder}'; wait for it or give --out another") from None
        yield


def _fetch(
    folder: Path,
    asked: Universe,
    wanted: list[str],
    start: dt.date,
    end: dt.date,
    client: Client,
    tell: Tell | None,
) -> Summary:
    """:func:`fetch` once its options are known to make sense."""
    state = _read_state(folder)
    sessions, calendar_note = calendar(client, end)
    end = max(sessions[sessions <= np.datetime64(end, "D")], default=np.datetime64(start, "D")).astype(dt.date)
    some = {*asked.symbols, *state["symbols"]}
    beijing = asked.kind == "all" or any(symbol.endswith(".BJ") for symbol in some)
    known = akshare_members.listings(client, beijing)
    members, today_only = akshare_members.chosen(client, asked, start, end, known, folder)
    symbols = sorted(set(members) | set(state["symbols"]))
    codes = list(dict.fromkeys([*state["indices"], *BENCHMARKS, *wanted]))
    span = min([start, *(dt.date.fromisoformat(s) for s in state["starts"])])

    def listed(symbol: str) -> tuple[dt.date, dt.date]:
        first, last = known.listed.get(symbol), known.delisted.get(symbol)
        begin = max(span, first.date()) if first is not None and first == first else span
        stop = min(end, last.date()) if last is not None and last == last else end
        return begin, stop

    beijing = any(symbol.endswith(".BJ") for symbol in symbols)
    jobs = market_jobs(client, codes, span, end, beijing) + stock_jobs(client, symbols, listed)
    failures = [Failure("securities", "lists", str(error)) for error in known.failures]
    inside = sessions[(sessions >= np.datetime64(span)) & (sessions <= np.datetime64(end))]
    lists = akshare_halts.expected(client, len(symbols), inside)
    failures += run_jobs(client, jobs, tell, {akshare_halts.FUNCTION: lists})
    indices = [*codes, *(akshare_bars.TOTAL_RETURN[c] for c in codes if c in akshare_bars.TOTAL_RETURN)]
    plain = asked.code.removesuffix(TODAY)
    name = akshare_members.today_name(plain) if today_only else asked.name
    summary = Summary(symbols, name, today_only, failures=failures)
    summary.notes += [calendar_note] if calendar_note else []
    current = {plain: members} if today_only else {}
    made = build_tables(client, folder, symbols, indices, sessions, span, end, known, current)
    if not len(made.tables["daily_bars"]):
        first = next((f.sentence for f in failures if f.table == "daily_bars"), "the span has none")
        raise SourceError(f"not one bar could be had: {first}", reason="unavailable")
    halts = made.tables["suspensions"]
    failures += run_jobs(client, halt_jobs(client, halts), tell, before=len(jobs))
    halts = made.tables["suspensions"] = akshare_halts.with_reasons(client, halts, symbols)
    made.figures["suspensions_with_reason"] = int(halts["reason"].notna().sum())
    summary.notes += made.notes
    summary.figures = made.figures
    _write(folder, made.tables, made.restatements, summary, asked, start, end)
    summary.calls, summary.requests = client.calls, client.polite.sent
    _write_state(folder, summary, state, start, end, codes)
    return summary


def calendar(client: Client, end: dt.date) -> tuple[np.ndarray, str]:
    """All known sessions, datetime64[D], and a sentence if they come from the second source.

    Raises
    ------
    SourceError
        If neither source reaches ``end``.
    """
    problem: SourceError | None = None
    try:
        days = client.frame("tool_trade_date_hist_sina")["date"].dropna()
        sessions = np.unique(days.to_numpy().astype("datetime64[D]"))
    except SourceError as error:
        problem, sessions = error, _bundled_calendar()
    if not len(sessions) or sessions[-1] < np.datetime64(end - dt.timedelta(12), "D"):
        raise problem or SourceError(
            f"the calendar ends on {sessions[-1] if len(sessions) else 'no day'}, before the end {end}; "
            "upgrade AKShare or give an earlier end",
            reason="changed",
        )
    note = f"The calendar comes from the file inside AKShare, because {problem}" if problem else ""
    return sessions, note


def _bundled_calendar() -> np.ndarray:
    """The calendar file inside AKShare; no sessions if it is not installed."""
    import importlib.resources

    try:
        text = (importlib.resources.files("akshare") / "file_fold" / "calendar.json").read_text(encoding="utf-8")
        days = [f"{day[:4]}-{day[4:6]}-{day[6:8]}" for day in map(str, json.loads(text))]
    except (ImportError, OSError, ValueError):
        days = []
    return np.unique(np.array(days, dtype="datetime64[D]"))


def _index_of(asked: Universe) -> list[str]:
    code = asked.code.removesuffix(TODAY)
    if asked.kind != "index":
        return []
    if not (len(code) == 6 and code.isascii() and code.isdigit() and code.startswith(_INDEX_CODES)):
        raise ConfigError(
            f"unknown universe '{asked.code}'; name an index (csi300, csi500, 399006), 'all', or symbols such as "
            "600519.SH"
        )
    return [code]


def _write(
    folder: Path,
    tables: dict[str, pd.DataFrame],
    restated: pd.DataFrame,
    summary: Summary,
    asked: Universe,
    start: dt.date,
    end: dt.date,
) -> None:
    from feeds.manifest import now
    from feeds.writer import StoreWriter, write_parquet

    parameters = {"universe": asked.name, "start": str(start), "end": str(end)}
    writer = StoreWriter(folder, "akshare", parameters)
    for table, frame in tables.items():
        if len(frame) or table in ("suspensions", "ex_rights_events", "constituents"):
            try:
                writer.write(table, frame)
            except DataError as error:
                if table in ("daily_bars", "calendar", "securities"):
                    raise
                summary.failures.append(Failure(table, "writing", str(error)))
                continue
            summary.tables[table] = len(frame)
    write_parquet(folder / "restatements.parquet", restated)
    summary.tables["restatements"] = len(restated)
    manifest = writer.finish()
    manifest.record(folder, "restatements.parquet", "akshare", parameters, now())
    manifest.write(folder)


def _read_state(folder: Path) -> dict[str, list[str]]:
    """Symbols, indices and starts of the fetches before; nothing where there was none."""
    empty: dict[str, list[str]] = {"symbols": [], "indices": [], "starts": []}
    file = folder / STATE
    if not file.is_file():
        return empty
    from feeds.universe import parse_symbols

    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        indices = [str(code) for code in about["indices"] if str(code).isdigit() and len(str(code)) == 6]
        starts = [str(dt.date.fromisoformat(about["start"]))]
        return {"symbols": list(parse_symbols(about["symbols"])), "indices": indices, "starts": starts}
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{STATE} in the data folder cannot be read ({error}); delete it and fetch again") from error


def _write_state(
    folder: Path, summary: Summary, state: dict[str, list[str]], start: dt.date, end: dt.date, codes: list[str]
) -> None:
    about = {
        "universe": summary.universe,
        "today_only": summary.today_only,
        "start": min([str(start), *state["starts"]]),
        "end": str(end),
        "indices": codes,
        "symbols": summary.symbols,
        "tables": summary.tables,
        "figures": summary.figures,
        "notes": summary.notes,
        "failures": [vars(failure) for failure in summary.failures],
    }
    write_beside(folder / STATE, json.dumps(about, ensure_ascii=False, indent=1) + "\n")
