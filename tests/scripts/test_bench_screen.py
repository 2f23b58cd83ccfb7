"""The bench of the laboratory: it compares like with like, and its targets read its figures."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.delitem(sys.modules, "_bench_screen", raising=False)
    module = importlib.import_module("_bench_screen")
    rng = np.random.default_rng(0)
    prices = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (100, 30)), axis=0))
    prices[rng.random((100, 30)) < 0.05] = np.nan
    days = np.busday_offset("2020-01-01", np.arange(100), roll="forward")
    made = (prices, np.arange(30, 80), days, [f"S{k:02d}" for k in range(30)])
    monkeypatch.setattr(module, "_prices", lambda data: made)
    monkeypatch.setattr(module, "WINDOWS", tuple(range(3, 13)))
    return module


@pytest.mark.slow
def test_both_sides_compute_the_same_figures(bench: ModuleType) -> None:
    mine, other = bench.alike(Path()), bench.theirs(Path())
    assert mine["rank_ic"] == pytest.approx(other["rank_ic"], abs=1e-12)
    assert min(mine["statistics"], other["statistics"]) > 0


@pytest.mark.slow
def test_our_side_counts_the_sorting_of_returns_in_every_figure(bench: ModuleType) -> None:
    found = bench.ours(Path())
    assert (found["dates"], found["stocks"]) == (50, 30) and found["values"] <= 1500
    assert found["one"] > found["prepare"] and found["many"] > found["prepare"]


def test_the_ratio_has_a_line_only_where_alphalens_ran(bench: ModuleType) -> None:
    assert [line["met"] for line in bench.targets({"one": 0.7, "many": 21.0})] == ["yes", "NO"]
    assert [line["met"] for line in bench.targets({"one": 0.7, "many": 19.0, "times": 39.0})] == ["yes", "yes", "NO"]
