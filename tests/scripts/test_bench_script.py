"""The bench: what it prints, its check against the baseline, its profile."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench.py"


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("huice_bench", SCRIPT)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "huice_bench", loaded)  # Backtrader looks a strategy's module up
    spec.loader.exec_module(loaded)
    return loaded


def test_both_sides_trade_the_same_names_and_count_what_they_are_told() -> None:
    done = bench("--stocks", "12", "--part", "8", "--sessions", "120", "--repeat", "1", "--full", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["stocks"] for row in rows] == [8, 12]
    for row in rows:
        assert row["ours_cpu_s"] > 0 and row["backtrader_cpu_s"] > 0
        assert row["order_notices"] >= 3 * row["fills"] > 0 and row["trade_notices"] > 0


def test_the_counts_of_the_timed_job_are_fixed(module: Any) -> None:
    figures = module.run_ours(60, 400)
    counted = {name: figures[name] for name in COUNTS}
    assert counted == pytest.approx(COUNTS, rel=0.01)  # prices hang on the machine's exponential function


COUNTS = {"orders": 1046, "fills": 1050, "order_notices": 3145, "trade_notices": 380}


def test_the_profile_names_the_parts_and_adds_up() -> None:
    done = bench("--profile", "--stocks", "20", "--sessions", "200", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {"matching", "orders", "ledger", "Backtrader", "strategy"} <= {row["part"] for row in rows}
    assert sum(float(row["share"].rstrip(" %")) for row in rows) == pytest.approx(100, abs=1)


def test_a_job_without_a_baseline_is_refused_before_anything_runs() -> None:
    done = bench("--check", "--part", "7", "--sessions", "100")
    assert done.returncode == 2
    assert done.stderr.startswith("error: bench_baseline.json has no baseline for the job 7x100")


def test_a_ratio_that_has_fallen_by_more_than_a_quarter_fails(module: Any) -> None:
    from engine.errors import ConfigError

    expected = module.baseline("60x2430")
    module.check_ratio(expected / 1.24, "60x2430")
    with pytest.raises(ConfigError, match="the least that passes"):
        module.check_ratio(expected / 1.26, "60x2430")
