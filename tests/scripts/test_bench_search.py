"""The bench of searches: what it counts as cost, what it keeps, what it says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ridge_signal import Ridge

from signals.saved import Learnt
from signals.trained import Window

ROOT = Path(__file__).parents[2]


class Line(Ridge):
    """Ridge regression over 27 strengths, the best of them 1; trained in part it knows part of the samples."""

    space = {"strength": (-1.0, *(10.0 ** (k - 1) for k in range(26)))}
    validation: float = 0.25

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        return super().train(window if budget == 1.0 else window.part(budget, seed), seed, budget)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, with a clock on which every training takes a second."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path))
    monkeypatch.delitem(sys.modules, "_bench_search", raising=False)
    found = importlib.import_module("_bench_search")
    ticks = iter(range(10_000))
    monkeypatch.setattr(found.time, "process_time", lambda: float(next(ticks)))
    Ridge.calls.clear()
    return found


@pytest.fixture
def window() -> Window:
    random = np.random.default_rng(3)
    x = random.normal(size=(500, 2)).astype(np.float32)
    y = x @ [1.0, -0.5] + random.normal(scale=0.5, size=500)
    return Window(x[:400], y[:400], x[400:], y[400:], ("a", "b"), (), "2013-12-31", "digest")


def test_a_row_holds_cost_and_score_of_both_searches_and_a_second_run_trains_nothing(
    bench: Any, window: Window
) -> None:
    row = bench.row_of(Line(), window)
    assert (row["points"], row["grid_cpu_s"]) == (27, 27.0)
    assert row["halving_cpu_s"] == 27 + 5, "the last five are the grid's own trainings, and count"
    assert row["share_of_cost"] == pytest.approx(32 / 27, abs=1e-4)
    losses = {}
    for strength in Line.space["strength"][1:]:
        one = Line(strength=strength)
        losses[strength] = one.loss(one.output(one.train(window, 1), window.x_valid), window.y_valid)
    assert row["grid_r2"] == pytest.approx(1 - min(losses.values()) / np.var(window.y_valid), abs=1e-4)
    assert row["gap_percent"] == pytest.approx(100 * (1 - row["halving_r2"] / row["grid_r2"]), abs=0.02)
    Ridge.calls.clear()
    assert bench.row_of(Line(), window) == row and Ridge.calls == []


def test_the_worst_window_is_held_against_the_targets(bench: Any) -> None:
    rows = [{"share_of_cost": 0.09, "gap_percent": 1.5}, {"share_of_cost": 0.08, "gap_percent": -0.2}]
    assert [(one["measured"], one["met"]) for one in bench.targets(rows)] == [(0.09, "yes"), (1.5, "NO")]
    assert all("2 windows" in one["figure"] for one in bench.targets(rows))


def test_without_real_data_the_bench_of_searches_says_so() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "bench.py"), "--search"], capture_output=True, text=True, check=False,
        env={"HUICE_DATA": str(ROOT / "no-such-folder"), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip() == "error: --search needs real data; give their folder with --data or in HUICE_DATA"
