"""The bench's other processes: the commands and the real data, and every target beside its measured figure."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent

THIRD_COMMAND = (
    "--universe csi500 --start 2012-01-01 --end 2020-12-31 --strategy top-n --signal reversal-20d --hold 50 "
    "--rebalance 3M --cash 1000000 --benchmark 000905"
)
"""Options of the README's command on real data."""

JOB = {500: 0.17, 5000: 0.30}
"""CPU seconds of the job, at most, by stocks."""
PROCESS = {500: (0.6, 250), 5000: (1.1, 600)}
"""CPU seconds beyond the imports and peak MB of the whole process, at most, by stocks."""
RATIO, GROWTH = 300, 3.0
RULES = 1.5
"""CPU of the job with every rule on over that with rules off, at most."""


def run(arguments: Sequence[str], more: Mapping[str, str] | None = None) -> tuple[float, str]:
    """CPU seconds of one Python process from its start to its exit, and what it printed.

    Raises
    ------
    ConfigError
        If it failed, with the last line that it wrote.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=os.environ | dict(more or {})
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        from engine.errors import ConfigError

        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConfigError(f"'{Path(arguments[0]).name} {' '.join(arguments[1:])}' failed: {last}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def in_process(what: str, folder: Path, *more: str, cache: Path | None = None) -> dict[str, Any]:
    """The figures of :mod:`_bench_jobs`, in a fresh process."""
    names = {} if cache is None else {"HUICE_CACHE": str(cache)}
    _, printed = run([str(SCRIPTS / "_bench_jobs.py"), what, str(folder), *more], names)
    return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]


def line(figure: str, measured: float, target: float, unit: str, least: bool = False) -> dict[str, Any]:
    """One row of the table of targets."""
    met = measured >= target if least else measured <= target
    return {
        "figure": figure,
        "measured": round(measured, 3),
        "target": f"{'at least' if least else 'at most'} {target:g}",
        "unit": unit,
        "met": "yes" if met else "NO",
    }


def of_rows(rows: Sequence[dict[str, Any]], grown: float | None) -> list[dict[str, Any]]:
    """Targets of the full jobs that ran."""
    lines = []
    for row in rows:
        stocks = row["stocks"]
        if stocks in JOB:
            lines.append(line(f"job, {stocks} stocks", row["ours_cpu_s"], JOB[stocks], "CPU s"))
        if stocks == 500 and row["times_as_fast"] is not None:
            lines.append(line("job, 500 stocks, against plain Backtrader", row["times_as_fast"], RATIO, "times", True))
        if stocks in PROCESS:
            seconds, megabytes = PROCESS[stocks]
            lines.append(line(f"process beyond imports, {stocks} stocks", row["process_cpu_s"], seconds, "CPU s"))
            lines.append(line(f"process, {stocks} stocks, peak memory", row["peak_mb"], megabytes, "MB"))
    if grown is not None and (rows[0]["stocks"], rows[-1]["stocks"]) == (50, 5000):
        lines.append(line("growth from 50 to 5000 stocks", grown, GROWTH, "times"))
    return lines


def of_rules(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the rules cost; rows of one market stand together, on before off."""
    return [
        line(
            f"event loop, {on['stocks']} stocks{', ' + on['events'] if on['events'] != 'none' else ''}, "
            "every rule on over rules off", on["cpu_s"] / off["cpu_s"], RULES, "times",
        )
        for on, off in zip(rows[::2], rows[1::2], strict=True)
    ]  # fmt: skip


def of_help() -> list[dict[str, Any]]:
    """The help of the backtest, from the interpreter's start to its exit."""
    script = str(SCRIPTS / "backtest.py")
    run([script, "--help"])  # the first one compiles
    cpu = sorted(run([script, "--help"])[0] for _ in range(3))[1]
    return [line("backtest.py --help", cpu, 0.3, "CPU s")]


def real_data(given: str, searched: bool) -> Path | None:
    """The folder of real data: ``--data``, else, if it is ``searched`` and there, ``HUICE_DATA`` or ../shared/data.

    Raises
    ------
    ConfigError
        If the folder given is not there.
    """
    if given and not Path(given).is_dir():
        from engine.errors import ConfigError

        raise ConfigError(f"--data: there is no folder '{given}'")
    usual = Path(os.environ.get("HUICE_DATA") or SCRIPTS.parents[1] / "shared" / "data")
    folder = Path(given) if given else usual if searched else None
    return folder.resolve() if folder is not None and folder.is_dir() else None


def of_real_data(data: Path) -> list[dict[str, Any]]:
    """One index over ten years, the README's command on real data and its tearsheet; caches begin empty."""
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        cache = Path(place) / "cache"
        lines = []
        for how, most in (("from Parquet", 3.0), ("from its cache", 0.5)):
            cpu = in_process("open", data, cache=cache)["cpu"]
            lines.append(line(f"market of one index, ten years, {how}, beyond imports", cpu, most, "CPU s"))
        options = [*THIRD_COMMAND.split(), "--data", str(data), "--out", str(Path(place) / "runs")]
        for when, most in (("first time", 8.0), ("after", 3.0)):
            cpu, printed = run(
                [str(SCRIPTS / "backtest.py"), *options, "--no-tearsheet", "--json", "--force"],
                {"HUICE_CACHE": str(Path(place) / "other-cache")},
            )
            lines.append(line(f"third command without the tearsheet, {when}", cpu, most, "CPU s"))
        cpu, _ = run([str(SCRIPTS / "tearsheet.py"), json.loads(printed)["folder"]])
        lines.append(line("its tearsheet", cpu, 15.0, "CPU s"))
    return lines
