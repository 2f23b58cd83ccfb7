"""The folder of runs as a record, the settings counted in it, and what they say of luck."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from stored import stored

from engine.errors import ConfigError
from engine.luck import luck
from engine.run_store import stored_runs, trials
from engine.significance import deflated_sharpe, overfitting, shape_of

RNG = np.random.default_rng(21)
MARKET = RNG.normal(0.0002, 0.012, 300)
NOISE = [MARKET + RNG.normal(0.0003, 0.004, 300) for _ in range(4)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four settings of one strategy, and runs that are no trials of it."""
    place = tmp_path_factory.mktemp("runs")
    for k, returns in enumerate(NOISE):
        stored(place / f"a{k}", returns, MARKET, hold=10 * (k + 1), signal="small-cap" if k == 3 else "reversal-20d")
    stored(place / "again", NOISE[0], MARKET, hold=10)
    stored(place / "other", NOISE[1], MARKET, strategy="equal-weight")
    stored(place / "real", NOISE[1], MARKET, source="folder data")
    stored(place / "later", NOISE[2], MARKET, start="2019-01-02")
    stored(place / "leaks", NOISE[3] + 0.01, MARKET, leaks=True)
    (place / "half").mkdir()
    (place / "half" / "result.json").write_text("{}")
    (place / "comparison.html").write_text("")
    for k, folder in enumerate(sorted(place.glob("*/result.json"))):
        os.utime(folder, (1e9 + k, 1e9 + k))
    return place


def test_a_store_holds_its_complete_runs_the_newest_first(store: Path) -> None:
    assert [run.folder.name for run in stored_runs(store)] == [
        "real", "other", "leaks", "later", "again", "a3", "a2", "a1", "a0",
    ]  # fmt: skip


@pytest.mark.parametrize(("order", "key"), [("return", "annual_return"), ("drawdown", "max_drawdown")])
def test_a_store_can_be_sorted_by_a_number_the_best_first(store: Path, order: str, key: str) -> None:
    numbers = [run.headline[key] for run in stored_runs(store, order)]
    assert numbers == sorted(numbers, reverse=True)


def test_what_cannot_be_listed_is_said(store: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be sorted by 'shrpe'; did you mean 'sharpe'"):
        stored_runs(store, "shrpe")
    with pytest.raises(ConfigError, match="no folder of runs"):
        stored_runs(store / "none")


def test_trials_are_the_settings_of_one_strategy_on_the_same_data_over_overlapping_spans(store: Path) -> None:
    runs = {run.folder.name: run for run in stored_runs(store)}

    def tried(name: str) -> list[str]:
        return [run.folder.name for run in trials(runs[name].result, runs.values())]

    # "again" ended as "a0" did, to the last digit: one of the two counts
    assert tried("a1") == ["a0", "a1", "a2", "a3"]
    assert tried("again") == ["a1", "a2", "a3", "again"]
    alone = ("other", "real", "later", "leaks")
    assert [tried(name) for name in alone] == [[name] for name in alone]


def test_the_deflated_ratio_and_the_overfitting_come_from_the_returns_of_the_trials(store: Path) -> None:
    run = next(run for run in stored_runs(store) if run.folder.name == "a2")
    from engine.run_folder import Run

    found = luck(run.result, Run.load(run.folder).equity, store)
    assert found is not None
    extra = np.column_stack([returns - MARKET for returns in NOISE])
    ratios = extra.mean(axis=0) / extra.std(axis=0, ddof=1)
    shape = shape_of(extra[:, 2])
    assert shape is not None
    assert (found.strategy, found.trials, found.hurdle) == ("top-n", 4, "the benchmark")
    assert found.deflated == pytest.approx(deflated_sharpe(shape, ratios))
    assert found.overfitting == overfitting(extra)
    quick = luck(run.result, Run.load(run.folder).equity, store, overfit=False)
    assert quick == found._replace(overfitting=None)


def test_a_run_outside_the_store_counts_as_one_more_trial(store: Path, tmp_path: Path) -> None:
    run = stored(tmp_path / "new", MARKET + 0.001 * np.sign(MARKET), MARKET, hold=5)
    found = luck(run.result, run.equity, store)
    assert found is not None and found.trials == 5


def test_without_a_benchmark_the_ratio_is_over_the_risk_free_rate(tmp_path: Path) -> None:
    run = stored(tmp_path / "one", NOISE[0])
    found = luck(run.result, run.equity, tmp_path)
    assert found is not None
    assert (found.trials, found.hurdle, found.overfitting) == (1, "the risk-free rate", None)
    shape = shape_of(NOISE[0])
    assert shape is not None and found.deflated == pytest.approx(deflated_sharpe(shape, np.array([shape.sharpe])))


def test_an_account_that_never_moved_has_no_luck(tmp_path: Path) -> None:
    run = stored(tmp_path / "idle", np.zeros(100))
    assert luck(run.result, run.equity, tmp_path) is None
