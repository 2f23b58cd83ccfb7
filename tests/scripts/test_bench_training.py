"""The bench of training: both sides learn the same task, what it times, and what it says of the figures."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError

ROOT = Path(__file__).parents[2]
FOUND = {
    "batch_1000": {"ours": 0.2, "bare": 0.2, "ratio": 1.0},
    "batch_20": {"ours": 0.3, "bare": 0.25, "ratio": 1.2},
    "bfloat16_over_float32": 0.55,
    "run": {"first": 20.0, "again": 1.9, "plain": 1.7},
}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.delitem(sys.modules, "_bench_training", raising=False)
    return importlib.import_module("_bench_training")


def test_the_help_names_the_option() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "bench.py"), "--help"], capture_output=True, text=True
    )
    assert "--training" in done.stdout


def test_without_torch_one_sentence_says_how_to_get_it(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="--training needs torch, which is not installed; run pip install -r locks/"):
        bench.measure()


def test_the_two_sides_take_turns_and_the_median_of_their_ratios_counts(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    now = 0.0

    def side(name: str, seconds: float) -> Any:
        def call() -> None:
            nonlocal now
            order.append(name)
            now += seconds * (10.0 if len(order) in (3, 4) else 1.0)  # a busy moment, for both

        return call

    monkeypatch.setattr(bench.time, "process_time", lambda: now)
    found = bench.by_turns(side("a", 3.0), side("b", 2.0), 3)
    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert found == {"ours": 3.0, "bare": 2.0, "ratio": 1.5}


def test_a_ratio_above_its_target_is_told_and_every_figure_has_a_row(bench: Any) -> None:
    lines = bench.targets(FOUND)
    assert [(line["measured"], line["target"], line["met"]) for line in lines] == [
        (1.0, "at most 1.05", "yes"), (1.2, "at most 1.1", "NO"), (1.9, "at most 3", "yes"),
    ]  # fmt: skip
    assert [row["measured"] for row in bench.rows_of(FOUND)] == [0.2, 0.2, 0.3, 0.25, 0.55, 20.0, 1.9, 1.7]


def test_the_second_run_is_the_first_ones_command_on_its_cache(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(words: list[str], more: dict[str, str]) -> tuple[float, str]:
        calls.append((words, more))
        return float(len(calls)), json.dumps(FOUND)

    monkeypatch.setattr(bench._bench_targets, "run", run)
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: object())
    found = bench.measure()
    assert found["run"] == {"first": 3.0, "again": 4.0, "plain": 5.0} and found["batch_20"] == FOUND["batch_20"]
    assert calls[2] == calls[3] and calls[1] == calls[4] and "lstm-residual-value" in calls[2][0]
    assert "--force" in calls[3][0], "the run folder is not simply shown again"
    assert calls[1][1]["HUICE_CACHE"] == calls[2][1]["HUICE_CACHE"]


@pytest.mark.slow
def test_both_sides_of_an_epoch_learn(bench: Any) -> None:
    pytest.importorskip("torch")
    case = bench.CASES["batch_20"]
    random = np.random.default_rng(1)
    x = random.normal(size=(600, 6, 17)).astype(np.float32)
    y = x[:, -1, 0].copy()
    for make in (bench.ours, bench.bare):
        epoch = make(case, x, y, 60)
        first = epoch()
        for _ in range(8):
            last = epoch()
        assert last < 0.7 * first, make.__name__
