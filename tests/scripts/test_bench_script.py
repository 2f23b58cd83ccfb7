"""The bench: what it measures and prints, its check against the baseline, its profile."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "bench.py"


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the bench as a user does, on a machine without real data."""
    without = os.environ | {"HUICE_DATA": str(ROOT / "no-such-folder")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False, env=without
    )


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the scripts' folder and forget it after the test."""

    def imported(name: str) -> Any:
        monkeypatch.syspath_prepend(str(SCRIPT.parent))
        monkeypatch.delitem(sys.modules, name, raising=False)
        found = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, found)
        return found

    return imported


# -- the table --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_call_shows_four_sizes_beside_plain_backtrader_on_the_cut_down_job() -> None:
    done = bench("--part", "8", "--sessions", "61", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    heads = lines[0].split()
    rows = [dict(zip(heads, line.split(), strict=True)) for line in lines[1:6]]
    assert [row["stocks"] for row in rows] == ["8", "50", "500", "2000", "5000"]
    assert [row["backtrader_cpu_s"] == "-" for row in rows] == [False, True, True, True, True]
    for row in rows:
        assert float(row["ours_cpu_s"]) > 0 and float(row["process_cpu_s"]) > 0 and int(row["peak_mb"]) > 50
    assert "growth from 50 to 5000 stocks: " in done.stdout
    assert "times as fast as plain Backtrader, both on the cut-down job of 8 stocks" in done.stdout
    assert "plain Backtrader did not run on the full jobs of 50, 500, 2000, 5000 stocks; --full runs it" in done.stdout
    assert "backtest.py --help" in done.stdout and "at most 0.3" in done.stdout
    assert lines[-1] == "real data: skipped; give their folder with --data or in HUICE_DATA"


@pytest.mark.slow
def test_both_sides_run_on_the_full_job_and_each_process_tells_its_cpu_and_memory() -> None:
    done = bench("--stocks", "12", "--part", "8", "--sessions", "120", "--repeat", "1", "--full", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["stocks"] for row in told["rows"]] == [8, 12]
    assert told["growth"] is None  # one size
    for row in told["rows"]:
        assert row["ours_cpu_s"] > 0 and row["backtrader_cpu_s"] > 0
        assert row["order_notices"] >= 3 * row["fills"] > 0 and row["trade_notices"] > 0
        assert row["process_cpu_s"] > row["ours_cpu_s"]  # our imports and the opening of the market beside the job
        assert row["import_cpu_s"] > 0 and row["peak_mb"] >= row["import_mb"] > 0
        assert row["own_mb"] is None or 0 < row["own_mb"] < row["peak_mb"]


def test_a_size_that_is_no_number_and_a_folder_that_is_not_there_are_named() -> None:
    done = bench("--stocks", "fifty")
    assert (done.returncode, done.stderr) == (
        2, "error: --stocks 'fifty' is no list of sizes from 1 to 8000; write it like 50,500\n"
    )  # fmt: skip
    done = bench("--data", "no-such-folder")
    assert (done.returncode, done.stderr) == (2, "error: --data: there is no folder 'no-such-folder'\n")


@pytest.mark.slow
def test_the_cost_of_the_rules_stands_beside_its_target() -> None:
    done = bench("--rules", "--stocks", "60", "--sessions", "400", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = [dict(zip(lines[0].split(), line.split(), strict=True)) for line in lines[1:5]]
    assert [(row["events"], row["rules"]) for row in rows] == [
        ("none", "on"), ("none", "off"), ("dividends", "on"), ("dividends", "off")
    ]  # fmt: skip
    assert [int(row["booked"]) > 50 for row in rows] == [False, False, True, False]
    assert min(float(row["cpu_s"]) for row in rows) > 0
    for line, what in zip(lines[-2:], ("60 stocks, every", "60 stocks, dividends, every"), strict=True):
        assert f"event loop, {what} rule on over rules off" in line and "at most 1.5" in line


def test_the_target_of_the_rules_is_the_ratio_of_on_to_off(load: Any) -> None:
    rows = [{"stocks": 500, "events": "none", "cpu_s": cpu} for cpu in (0.3, 0.2)]
    rows += [{"stocks": 500, "events": "dividends", "cpu_s": cpu} for cpu in (0.31, 0.2)]
    lines = load("_bench_targets").of_rules(rows)
    assert [(line["measured"], line["target"], line["met"]) for line in lines] == [
        (1.5, "at most 1.5", "yes"), (1.55, "at most 1.5", "NO")
    ]  # fmt: skip


# -- the job ----------------------------------------------------------------------------------------


def test_the_counts_of_the_timed_job_are_fixed(load: Any, tmp_path: Path) -> None:
    jobs = load("_bench_jobs")
    jobs.make(tmp_path, 60, 400)
    figures = jobs.run_ours(tmp_path)
    assert {name: figures[name] for name in COUNTS} == COUNTS


COUNTS = {"orders": 1046, "fills": 1050, "order_notices": 3145, "trade_notices": 380}


def test_a_process_holds_the_scores_of_its_decision_days_only(load: Any, tmp_path: Path) -> None:
    load("_bench_jobs").make(tmp_path, 60, 41)
    assert np.load(tmp_path / "scores.npy").shape == (3, 60)


def test_the_chosen_are_the_highest_scores_best_first(load: Any) -> None:
    best, rng = load("_bench_jobs").best, np.random.default_rng(3)
    for stocks in (7, 50, 51, 400):
        scores = rng.random(stocks)
        assert best(scores) == sorted(range(stocks), key=lambda i: -scores[i])[:50]


# -- the baseline -----------------------------------------------------------------------------------


def test_a_job_without_a_baseline_is_refused_before_anything_runs() -> None:
    done = bench("--check", "--part", "7", "--sessions", "100")
    assert done.returncode == 2
    assert done.stderr.startswith("error: bench_baseline.json has no baseline for the job 7x100")


def test_the_committed_baseline_has_the_ratio_and_the_growth_of_the_default_job(load: Any) -> None:
    module = load("bench")
    assert module.baseline(module.ratio_job(60, module.SESSIONS)) > 1
    assert 0.5 < module.baseline(module.growth_job(module.SIZES, module.SESSIONS)) < 3


@pytest.fixture
def measured(load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The bench with a baseline of its own and figures that the test chooses."""
    module, asked = load("bench"), []
    monkeypatch.setattr(module, "BASELINE", tmp_path / "baseline.json")
    monkeypatch.setattr(module, "jobs", lambda sizes, sessions: contextlib.nullcontext({}))

    def held(ratio: float, grown: float, anew: bool = False) -> list[int]:
        def rows(folders: Any, part: int, sizes: list[int], *more: Any) -> list[dict[str, Any]]:
            asked[:] = [part, *sizes]
            cpu = {60: 1.0, 50: 1.0, 5000: grown}
            return [{"stocks": n, "ours_cpu_s": cpu[n], "times_as_fast": ratio} for n in (part, *sizes)]

        monkeypatch.setattr(module, "measure", rows)
        module.hold_baseline(60, [50, 500, 5000], 2430, 1, anew=anew)
        return asked

    return held


def test_a_ratio_that_has_fallen_or_a_growth_that_has_risen_by_more_than_a_quarter_fails(
    measured: Any, tmp_path: Path
) -> None:
    from engine.errors import ConfigError

    (tmp_path / "baseline.json").write_text('{"60x2430": 100, "growth 50-5000x2430": 2, "other": 1}')
    assert measured(100 / 1.24, 2 * 1.24) == [60, 50, 5000]
    with pytest.raises(
        ConfigError, match="60x2430: 79 times as fast; the baseline is 100, 80.00 the least that passes$"
    ):
        measured(79.0, 2.0)
    with pytest.raises(
        ConfigError, match="5000x2430: 2.6 times the CPU; the baseline is 2, 2.50 the most that passes$"
    ):
        measured(100.0, 2.6)
    with pytest.raises(ConfigError, match="60x2430: 79.*; growth 50-5000x2430: 2.6"):
        measured(79.0, 2.6)
    measured(500.0, 1.0)  # faster passes


def test_writing_the_baseline_replaces_what_was_measured_and_keeps_the_rest(measured: Any, tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text('{"60x2430": 100, "other": 1}')
    measured(40.0, 2.5, anew=True)
    assert json.loads((tmp_path / "baseline.json").read_text()) == {
        "60x2430": 40.0, "other": 1, "growth 50-5000x2430": 2.5
    }  # fmt: skip


# -- the targets ------------------------------------------------------------------------------------


def test_targets_stand_beside_the_measured_figures_and_say_what_is_missed(load: Any) -> None:
    def row(stocks: int, cpu: float, process: float, peak: int, ratio: float | None = None) -> dict[str, Any]:
        return {
            "stocks": stocks, "ours_cpu_s": cpu, "process_cpu_s": process, "peak_mb": peak, "times_as_fast": ratio
        }  # fmt: skip

    rows = [row(50, 0.1, 0.2, 100), row(500, 0.17, 0.61, 250, 299.9), row(5000, 0.31, 1.1, 601)]
    lines = load("_bench_targets").of_rows(rows, 3.1)
    assert [(line["figure"], line["target"], line["met"]) for line in lines] == [
        ("job, 500 stocks", "at most 0.17", "yes"),
        ("job, 500 stocks, against plain Backtrader", "at least 300", "NO"),
        ("process beyond imports, 500 stocks", "at most 0.6", "NO"),
        ("process, 500 stocks, peak memory", "at most 250", "yes"),
        ("job, 5000 stocks", "at most 0.3", "NO"),
        ("process beyond imports, 5000 stocks", "at most 1.1", "yes"),
        ("process, 5000 stocks, peak memory", "at most 600", "NO"),
        ("growth from 50 to 5000 stocks", "at most 3", "NO"),
    ]


def test_the_command_measured_on_real_data_is_the_readmes(load: Any) -> None:
    command = f"scripts/backtest.py --data ../shared/data {load('_bench_targets').THIRD_COMMAND}"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_real_data_are_looked_for_where_they_are_named(
    load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real_data = load("_bench_targets").real_data
    monkeypatch.setenv("HUICE_DATA", str(tmp_path))
    assert real_data("", searched=True) == tmp_path.resolve()
    assert real_data("", searched=False) is None
    (tmp_path / "mine").mkdir()
    assert real_data(str(tmp_path / "mine"), searched=False) == (tmp_path / "mine").resolve()


def test_a_process_that_fails_is_told_with_its_last_line(load: Any, tmp_path: Path) -> None:
    from engine.errors import ConfigError

    with pytest.raises(ConfigError, match="_bench_jobs.py ours .*' failed: .* cannot be read"):
        load("_bench_targets").in_process("ours", tmp_path)


# -- the profile ------------------------------------------------------------------------------------


def test_the_profile_names_the_parts_and_adds_up() -> None:
    done = bench("--profile", "--stocks", "20", "--sessions", "200", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    shares = {row["part"]: float(row["share"].rstrip(" %")) for row in rows}
    assert {"clock", "matching", "rules", "orders", "account", "ledger", "strategy", "Backtrader"} <= set(shares)
    assert "unmapped" not in shares and shares.get("other", 0.0) < 2
    assert sum(shares.values()) == pytest.approx(100, abs=1)


def test_every_file_of_the_engine_belongs_to_one_part_of_the_profile(load: Any) -> None:
    parts = load("_bench_profile").PARTS
    named = [name for names in parts.values() for name in names.split()]
    assert len(named) == len(set(named))
    there = {file.stem for file in (ROOT / "engine").glob("*.py")} - {"__init__"}
    assert set(named) == there, f"put {sorted(set(named) ^ there)} into or out of PARTS of scripts/_bench_profile.py"


def test_the_time_of_a_library_goes_to_those_who_called_it(load: Any) -> None:
    spread = load("_bench_profile").spread
    ledger = (str(ROOT / "engine" / "ledger.py"), 1, "f")
    matching = (str(ROOT / "engine" / "matching.py"), 1, "g")
    outer, inner = ("/lib/numpy/a.py", 1, "outer"), ("~", 0, "<built-in>")

    def edge(cumulative: float) -> tuple[int, int, float, float]:
        return 1, 1, 0.0, cumulative

    stats = {
        ledger: (1, 1, 1.0, 0.0, {}),
        matching: (1, 1, 2.0, 0.0, {}),
        outer: (1, 1, 4.0, 0.0, {ledger: edge(3.0), matching: edge(1.0)}),
        inner: (1, 1, 8.0, 0.0, {outer: edge(1.0), matching: edge(1.0)}),
    }
    # outer: 3 to the ledger, 1 to matching; inner: 4 to matching, 4 through outer as 3 and 1
    assert spread(stats) == pytest.approx({"ledger": 1 + 3 + 3, "matching": 2 + 1 + 4 + 1})
