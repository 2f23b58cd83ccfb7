"""The benches over ten years, on a synthetic market that has a part of one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feeds.synthetic_feed import write_synthetic

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "scripts" / "bench.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "tables"
    write_synthetic(path, stocks=60, start="2011-01-04", end="2012-03-30")
    return path


def row_of(job: str, folder: Path) -> dict[str, Any]:
    environment = os.environ | {"HUICE_CACHE": str(folder.parent / "cache")}
    command = [sys.executable, str(SCRIPT), job, "--data", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["met"] == "yes") == (row["cpu_s" if job == "--layered" else "wall_s"] < row["target_s"])
    return row  # type: ignore[no-any-return]


def test_the_layered_bench_trades_thirty_portfolios_and_their_benchmarks_from_cached_scores(folder: Path) -> None:
    row = row_of("--layered", folder)
    assert row["portfolios"] == 33  # ten layers and their benchmark, in three thirds by size
    assert row["orders"] > 33 * 9 and row["refusals"] > 0  # nine months
    assert row["cpu_s"] > 0 and row["wall_s"] > 0


def test_the_sweep_bench_runs_a_hundred_points_on_two_workers(folder: Path) -> None:
    row = row_of("--sweep", folder)
    assert (row["points"], row["failed"], row["jobs"]) == (100, 0, 2)
    assert row["cpu_s"] > 0 and row["wall_s"] > 0
