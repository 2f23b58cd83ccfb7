"""CPU seconds of Huice and of plain Backtrader on the same job, measured in one run.

The job: T = 2,430 sessions, the top 50 by score every 20 sessions, decided on the close, filled at the
next open. Ours runs with every A-share rule on (lots, T+1, price limits, suspensions, dated fees with a
minimum); plain Backtrader holds one PandasData per stock and charges a percentage.

Our clock runs from ``simulate`` (before ``cerebro.run``) until the ledger's tables exist. The process's clock runs from
``import backtrader, pandas`` on: our own modules, opening the memory-mapped market, the job, the tables.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import _bench_data
import _bench_jobs
import _bench_profile
import _bench_targets
import _cli  # noqa: F401  (puts the project's packages first on the path)
import typer

from engine.errors import ConfigError

SESSIONS = 2430
SIZES = (50, 500, 2000, 5000)
FULL = (500,)
"""On which of the sizes ``--full`` runs plain Backtrader unless ``--stocks`` says."""
MARGIN = 1.25
BASELINE = Path(__file__).with_name("bench_baseline.json")
app = typer.Typer(add_completion=False, rich_markup_mode=None)


# -- measuring --------------------------------------------------------------------------------------


@contextlib.contextmanager
def jobs(sizes: Sequence[int], sessions: int) -> Iterator[dict[int, Path]]:
    """The jobs of these sizes, written to temporary folders."""
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        folders = {}
        for stocks in dict.fromkeys(sizes):
            folder = folders[stocks] = Path(place) / str(stocks)
            folder.mkdir()
            _bench_targets.in_process("make", folder, str(stocks), str(sessions))
        yield folders


def measure(
    folders: dict[int, Path], part: int, sizes: Sequence[int], plain: Sequence[int], sessions: int, repeat: int
) -> list[dict[str, Any]]:
    """One row for the cut-down job of ``part`` stocks with both sides, one for each of ``sizes``.

    Every run is a process of its own. Runs of the sizes take turns, so that a slow spell of the machine falls on
    all of them; each figure of ours is the median over its runs. Plain Backtrader runs once.
    """
    ours: dict[int, list[dict[str, Any]]] = {stocks: [] for stocks in (part, *sizes)}
    theirs: dict[int, dict[str, Any]] = {}
    for turn in range(max(1, repeat)):
        for stocks, runs in ours.items():
            runs.append(_bench_targets.in_process("ours", folders[stocks]))
            if turn == 0 and (stocks == part or stocks in plain):
                theirs[stocks] = _bench_targets.in_process("plain", folders[stocks])
    mine = {k: {name: statistics.median(run[name] for run in runs) for name in runs[0]} for k, runs in ours.items()}
    rows = [row_of(part, sessions, mine[part], theirs[part])]
    return rows + [row_of(k, sessions, mine[k], theirs.get(k) if k in plain else None) for k in sizes]


def row_of(stocks: int, sessions: int, mine: dict[str, Any], plain: dict[str, Any] | None) -> dict[str, Any]:
    """One line of the table."""
    return {
        "stocks": stocks,
        "sessions": sessions,
        "ours_cpu_s": round(mine["cpu"], 3),
        "backtrader_cpu_s": None if plain is None else round(plain["cpu"], 2),
        "times_as_fast": None if plain is None else round(plain["cpu"] / mine["cpu"], 1),
        "process_cpu_s": round(mine["process_cpu"], 3),
        "peak_mb": round(mine["peak_mb"]),
        "own_mb": None if mine["own_mb"] != mine["own_mb"] else round(mine["own_mb"]),
        "orders": round(mine["orders"]),
        "fills": round(mine["fills"]),
        "order_notices": round(mine["order_notices"]),
        "trade_notices": round(mine["trade_notices"]),
        "import_cpu_s": round(mine["import_cpu"], 3),
        "import_mb": round(mine["import_mb"]),
    }


def growth(rows: Sequence[dict[str, Any]]) -> float | None:
    """CPU of our largest job over that of our smallest, None where there is one size only."""
    small, large = rows[0], rows[-1]
    return None if small["stocks"] == large["stocks"] else round(large["ours_cpu_s"] / small["ours_cpu_s"], 2)


# -- the committed baseline -------------------------------------------------------------------------


def ratio_job(part: int, sessions: int) -> str:
    """Name of the cut-down job in the baseline."""
    return f"{part}x{sessions}"


def growth_job(sizes: Sequence[int], sessions: int) -> str:
    """Name of the growth from the smallest to the largest size in the baseline."""
    return f"growth {sizes[0]}-{sizes[-1]}x{sessions}"


def baseline(job: str) -> float:
    """The committed ratio of ``job`` ("60x2430", "growth 50-5000x2430").

    Raises
    ------
    ConfigError
        If there is none.
    """
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    if job not in known:
        raise ConfigError(
            f"{BASELINE.name} has no baseline for the job {job}; it has {', '.join(known)}; --write-baseline adds it"
        )
    return float(known[job])


def check_ratios(measured: dict[str, float]) -> list[str]:
    """Hold ratios against the committed baseline; what is to be said of each.

    Raises
    ------
    ConfigError
        If the ratio to plain Backtrader has fallen, or the growth has risen, by more than a quarter.
    """
    passed: list[str] = []
    failed: list[str] = []
    for job, figure in measured.items():
        known = baseline(job)
        if job.startswith("growth"):
            worst, what, least = known * MARGIN, "times the CPU", "most"
            worse = figure > worst
        else:
            worst, what, least = known / MARGIN, "times as fast", "least"
            worse = figure < worst
        said = f"{job}: {figure:g} {what}; the baseline is {known:g}, {worst:.2f} the {least} that passes"
        (failed if worse else passed).append(said)
    if failed:
        raise ConfigError("slower than the committed baseline: " + "; ".join(failed))
    return passed


def write_baseline(measured: dict[str, float]) -> None:
    """Put ratios into the baseline; those of other jobs stay."""
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.is_file() else {}
    beside = BASELINE.with_suffix(".tmp")
    beside.write_text(json.dumps(known | measured, indent=2) + "\n", encoding="utf-8")
    beside.replace(BASELINE)


def hold_baseline(
    part: int, sizes: Sequence[int], sessions: int, repeat: int, *, anew: bool, as_json: bool = False
) -> None:
    """Measure the cut-down job and the growth, and check them against the baseline or write it ``anew``.

    Raises
    ------
    ConfigError
        If the baseline lacks one of them, told before anything runs, or :func:`check_ratios` refuses them.
    """
    ends = list(dict.fromkeys((sizes[0], sizes[-1])))
    names = [ratio_job(part, sessions)] + ([growth_job(ends, sessions)] if len(ends) > 1 else [])
    for name in () if anew else names:
        baseline(name)
    with jobs([part, *ends], sessions) as folders:
        rows = measure(folders, part, ends, [], sessions, repeat)
    found = [rows[0]["times_as_fast"], growth(rows[1:])]
    figures = {name: float(figure) for name, figure in zip(names, found, strict=False)}
    if as_json:
        print(json.dumps({"rows": rows, "growth": found[1]}))
    else:
        print_rows(rows)
    if anew:
        write_baseline(figures)
    print("\n".join(check_ratios(figures)), file=sys.stderr)


# -- the page ---------------------------------------------------------------------------------------


def print_table(rows: Sequence[dict[str, Any]], hidden: Sequence[str] = ()) -> None:
    """Right-aligned columns."""
    heads = [head for head in rows[0] if head not in hidden]
    cells = [[("-" if row[head] is None else str(row[head])) for head in heads] for row in rows]
    widths = [max(len(head), *(len(line[k]) for line in cells)) for k, head in enumerate(heads)]
    print("  ".join(head.rjust(width) for head, width in zip(heads, widths, strict=True)))
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """The table of the jobs."""
    print_table(rows, hidden=("import_cpu_s", "import_mb"))


def print_notes(rows: Sequence[dict[str, Any]], part: int, sizes: Sequence[int], plain: Sequence[int]) -> None:
    """What the table's figures are, the growth and the ratio."""
    first = rows[0]
    grown = growth(rows[1:])
    if grown is not None:
        print(f"growth from {sizes[0]} to {sizes[-1]} stocks: {grown:g} times the CPU")
    others = ", ".join(str(stocks) for stocks in sizes if stocks not in plain)
    ratio = first["times_as_fast"]
    print(f"ratio: {ratio:g} times as fast as plain Backtrader, both on the cut-down job of {part} stocks")
    for row in rows[1:]:
        if row["times_as_fast"] is not None:
            print(f"ratio: {row['times_as_fast']:g} times as fast, both on the full job of {row['stocks']} stocks")
    if others:
        print(f"plain Backtrader did not run on the full jobs of {others} stocks; --full runs it")
    print(
        "process_cpu_s: of a fresh process beyond `import backtrader, pandas`: our imports, opening the saved market, "
        "the job, the tables\n"
        "peak_mb: of that process, mapped pages of the market that were touched included; own_mb: at the end without "
        f"mapped pages; the two imports alone take {first['import_cpu_s']:g} s and {first['import_mb']} MB"
    )


def real_folder(option: str, given: str) -> Path:
    """The folder of real data that an option of the bench works on.

    Raises
    ------
    ConfigError
        If there are none.
    """
    folder = _bench_targets.real_data(given, searched=True)
    if folder is None:
        raise ConfigError(f"--{option} needs real data; give their folder with --data or in HUICE_DATA")
    return folder


def show(
    rows: list[dict[str, Any]], as_json: bool, note: str = "", targets: list[dict[str, Any]] | None = None
) -> None:
    """Print figures, what they are and their targets, or all but the note as one JSON object."""
    if as_json:
        print(json.dumps({"rows": rows} if targets is None else {"rows": rows, "targets": targets}))
        return
    print_table(rows)
    if note:
        print(note)
    if targets is not None:
        print()
        print_table(targets)


def print_profile(stocks: int, sessions: int, as_json: bool) -> None:
    """Where our side spends its time, by part."""
    with jobs([stocks], sessions) as folders:
        rows = _bench_profile.where_time_goes(_bench_jobs.our_job(folders[stocks]))
    show(rows, as_json)


def print_rules(stocks: int, sessions: int, repeat: int, as_json: bool) -> None:
    """What the rules cost: the event loop of the job with every rule on, and with rules and fees off.

    Once as the job is, and once with a dividend a year of every stock. Runs take turns, a process each; the medians
    count.
    """
    runs: dict[tuple[int, int], list[dict[str, Any]]] = {(1, 0): [], (0, 0): [], (1, 1): [], (0, 1): []}
    with jobs([stocks], sessions) as folders:
        for _ in range(max(1, repeat)):
            for (on, events), found in runs.items():
                found.append(_bench_targets.in_process("rules", folders[stocks], str(on), str(events)))
    rows = [
        {
            "stocks": stocks,
            "sessions": sessions,
            "events": "dividends" if events else "none",
            "rules": "on" if on else "off",
            "cpu_s": round(statistics.median(run["cpu"] for run in found), 3),
            "fills": found[0]["fills"],
            "booked": found[0]["booked"],
        }
        for (on, events), found in runs.items()
    ]
    note = "booked: dividends and the tax on them; off: no T+1, lots, price limits, corporate actions or fees"
    show(rows, as_json, note, _bench_targets.of_rules(rows))


def print_data_open(given: str, repeat: int, as_json: bool) -> None:
    """Opening a whole data folder, first and from its cache, the as-of join and CSV files, beside pandas.

    Raises
    ------
    ConfigError
        If there are no real data.
    """
    folder = real_folder("data-open", given)
    rows = _bench_data.measure(folder, repeat)
    note = (
        "CPU seconds of fresh processes, system and threads included, beyond the imports of NumPy and pandas; "
        "caches begin empty; the pivot runs once"
    )
    show(rows, as_json, note, _bench_data.targets(rows))


def print_factors(given: str, as_json: bool) -> None:
    """Rolling factors, preprocessing, evaluation and a new day in the cache, pandas and Alphalens beside them.

    Raises
    ------
    ConfigError
        If there are no real data.
    """
    folder = real_folder("factors", given)
    import _bench_library

    note = (
        "CPU seconds, system and threads included, with the market open and the compiled code loaded; what others take "
        "is measured on the stocks or dates that its line names and multiplied up; times: on the same dates"
    )
    show(_bench_library.measure(folder), as_json, note)


def print_search(given: str, windows: int, as_json: bool) -> None:
    """Successive halving beside the full grid of paper 1 on windows of the real data.

    Raises
    ------
    ConfigError
        If there are no real data.
    """
    folder = real_folder("search", given)
    import _bench_search

    rows = _bench_search.measure(folder, windows, told=lambda text: print(text, file=sys.stderr, flush=True))
    note = "CPU seconds of all trainings that a search asks for, on one thread; R2 on the window's validation samples"
    show(rows, as_json, note, _bench_search.targets(rows))


def print_training(as_json: bool) -> None:
    """The trainer beside a bare torch loop, and a second run from the cache."""
    import _bench_training

    found = _bench_training.measure()
    note = "epochs: medians, ours and the bare loop by turns, one thread, float32; years: whole fresh processes"
    show(_bench_training.rows_of(found), as_json, note, _bench_training.targets(found))


def print_ten_years(job: str, given: str, as_json: bool) -> None:
    """A job over ten years of the real data: "layered" portfolios in one pass, or a "sweep".

    Raises
    ------
    ConfigError
        If there are no real data.
    """
    folder = real_folder(job, given)
    module = importlib.import_module(f"_bench_{job}")
    show(module.measure(folder), as_json, module.NOTE)


def sizes_of(text: str) -> list[int]:
    """Sorted sizes from ``--stocks``.

    Raises
    ------
    ConfigError
    """
    try:
        sizes = sorted({int(word) for word in text.split(",")})
    except ValueError:
        sizes = [0]
    if sizes[0] < 1 or sizes[-1] > 8000:
        raise ConfigError(f"--stocks '{text}' is no list of sizes from 1 to 8000; write it like 50,500")
    return sizes


@app.command(epilog="Example: python scripts/bench.py --stocks 500 --full")
def main(
    stocks: str = typer.Option(
        "", help="Sizes of the full job, with commas; 50,500,2000,5000 by default (2 GB in the temporary folder)."
    ),
    sessions: int = typer.Option(SESSIONS, min=1, help="Sessions of the job."),
    part: int = typer.Option(60, min=1, max=8000, help="Stocks of the cut-down job on which both sides run."),
    full: bool = typer.Option(
        False, help="Run plain Backtrader on the full job too: of 500 stocks (a minute), or of all in --stocks."
    ),
    repeat: int = typer.Option(3, help="Runs of our side; the median counts."),
    data: str = typer.Option(
        "", metavar="FOLDER", help="Real data to measure on too; HUICE_DATA by default, unless --stocks is given."
    ),
    check: bool = typer.Option(
        False, help="Compare the cut-down job and the growth with the committed baseline; beyond 25 % fails."
    ),
    write: bool = typer.Option(False, "--write-baseline", help="Measure as --check does and write the baseline anew."),
    profile: bool = typer.Option(
        False, help="Print where our side spends its time, on 500 stocks or the largest of --stocks."
    ),
    rules: bool = typer.Option(
        False, help="Measure what the rules cost, on 500 stocks or the largest of --stocks: every rule on over off."
    ),
    data_open: bool = typer.Option(
        False, help="Measure opening the whole of the real data, first and from its cache, and pandas beside it."
    ),
    factors: bool = typer.Option(
        False, help="Measure factors on the real data: rolling kernels, preprocessing, evaluation, a new day."
    ),
    search: bool = typer.Option(
        False, help="Measure successive halving beside the grid of paper 1 (40 CPU minutes a window, then kept)."
    ),
    windows: int = typer.Option(5, min=1, help="Windows of --search."),
    training: bool = typer.Option(
        False, help="Measure the trainer beside a bare torch loop, and a second run from the cache (two minutes)."
    ),
    layered: bool = typer.Option(
        False, help="Measure 10 layers in each third by size on the real data, ten years, from cached scores."
    ),
    sweep: bool = typer.Option(
        False, help="Measure a sweep of 100 points on the real data, ten years, from cached scores, on two cores."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object instead of the tables."),
) -> None:
    """Measure ours against plain Backtrader on the same job."""
    sizes = sizes_of(stocks) if stocks else list(SIZES)
    if profile:
        print_profile(sizes[-1] if stocks else 500, sessions, as_json)
        return
    if rules:
        print_rules(sizes[-1] if stocks else 500, sessions, repeat, as_json)
        return
    if data_open:
        print_data_open(data, repeat, as_json)
        return
    if factors:
        print_factors(data, as_json)
        return
    if search:
        print_search(data, windows, as_json)
        return
    if training:
        print_training(as_json)
        return
    if layered or sweep:
        print_ten_years("layered" if layered else "sweep", data, as_json)
        return
    if check or write:
        hold_baseline(part, sizes, sessions, repeat, anew=write, as_json=as_json)
        return
    folder = _bench_targets.real_data(data, searched=not stocks)
    plain = [] if not full else sizes if stocks else list(FULL)
    with jobs([part, *sizes], sessions) as folders:
        rows = measure(folders, part, sizes, plain, sessions, repeat)
    grown = growth(rows[1:])
    targets = _bench_targets.of_rows(rows[1:], grown) if sessions == SESSIONS else []
    targets += [] if stocks else _bench_targets.of_help()
    targets += [] if folder is None else _bench_targets.of_real_data(folder)
    if as_json:
        print(json.dumps({"rows": rows, "growth": grown, "targets": targets}))
        return
    print_rows(rows)
    print_notes(rows, part, sizes, plain)
    if targets:
        print()
        print_table(targets)
    if folder is None:
        print("real data: skipped; give their folder with --data or in HUICE_DATA")


if __name__ == "__main__":
    _cli.main_guard(app)
