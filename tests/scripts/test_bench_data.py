"""The bench's figures of a data folder, on a small one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feeds.synthetic_feed import write_synthetic

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "bench.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "synthetic"
    write_synthetic(place, stocks=100, start="2011-06-01", end="2013-12-31")
    return place


@pytest.fixture
def bench_data(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.delitem(sys.modules, "_bench_data", raising=False)
    return importlib.import_module("_bench_data")


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    without = os.environ | {"HUICE_DATA": str(ROOT / "no-such-folder")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False, env=without
    )


@pytest.mark.slow
def test_one_call_measures_opening_a_folder_beside_pandas(folder: Path) -> None:
    done = bench("--data-open", "--data", str(folder), "--repeat", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    names = [row["figure"] for row in found["rows"]]
    assert names[0] == "pandas: 8 fields pivoted" and names[1].startswith("market of 100 stocks x ")
    assert "figures onto 31 month-ends x 100 stocks" in names[3]
    assert names[4] == "folder of 100 CSV files, 500 rows each"
    pandas = found["rows"][0]
    assert pandas["of_pandas"] == 1.0
    for row in found["rows"]:
        assert 0 < row["best_cpu_s"] <= row["median_cpu_s"] and row["peak_mb"] > 20
        assert row["of_pandas"] == pytest.approx(row["median_cpu_s"] / pandas["median_cpu_s"], rel=0.05, abs=0.002)
    assert [line["target"] for line in found["targets"]] == [
        "at most 4", "at most 2000", "at most 1", "at most 0.05", "at most 2", "at most 3",
    ]  # fmt: skip


def test_without_real_data_one_sentence_says_what_to_give() -> None:
    done = bench("--data-open")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: --data-open needs real data; give their folder with --data or in HUICE_DATA\n"
    assert "--data-open" in bench("--help").stdout


def test_pandas_pivots_the_same_market_that_is_opened(
    bench_data: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUICE_CACHE", str(tmp_path))
    ours, theirs = bench_data.first(folder), bench_data.pivot(folder)
    assert (ours["sessions"], ours["stocks"]) == (theirs["sessions"], theirs["stocks"])
    again = bench_data.first(folder)
    assert again["bars"] == ours["bars"] and again["call_cpu"] < ours["call_cpu"]


def test_the_join_answers_for_every_figure_of_every_table(
    bench_data: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUICE_CACHE", str(tmp_path))
    found = bench_data.join(folder)
    assert found["stocks"] == 100 and found["days"] == 31
    assert 0 < found["values"] <= found["figures"] * 31 * 100


def test_a_figure_is_held_against_its_target_by_its_median(bench_data: Any) -> None:
    runs = [{"cpu": cpu, "peak_mb": 100.0} for cpu in (3.0, 9.0, 5.0)]
    row = bench_data.row_of("a", runs, 10.0)
    assert (row["best_cpu_s"], row["median_cpu_s"], row["of_pandas"], row["runs"]) == (3.0, 5.0, 0.5, 3)
    lines = bench_data.targets([row] * 5)
    assert [line["met"] for line in lines] == ["NO", "yes", "yes", "NO", "NO", "NO"]
