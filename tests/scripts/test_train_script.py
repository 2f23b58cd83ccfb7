"""``scripts/train.py``: windows and their figures, what it writes, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = "synthetic:stocks=40,seed=5,start=2012-01-01,end=2014-12-31"
TORCH = "torch is not installed: pip install -r locks/torch-py311.txt"

OWN = '''
import numpy as np

from signals.factors.registry import factor
from signals.labels import NextReturn, ThreeClass, TopK
from signals.saved import Learnt
from signals.trained import TrainedSignal


class Ridge(TrainedSignal):
    factors = ("return_1m", "turnover_1m")
    label = NextReturn()
    preprocess: str = "paper-4"
    strength: float = 1.0

    def train(self, window, seed, budget=1.0):
        x = window.x.reshape(len(window.x), -1)
        return Learnt({"w": np.linalg.solve(x.T @ x + self.strength * np.eye(x.shape[1]), x.T @ window.y)})

    def output(self, model, x):
        return x.reshape(len(x), -1) @ model.arrays["w"]


class Fifty(Ridge):
    label = TopK(k=50)


class Same(Ridge):
    label = ThreeClass(threshold=50.0)


class Empty(Ridge):
    factors = ("nothing_known",)


@factor("nothing_known", chinese="无", family="mine", direction=1, unit="ratio", inputs=("close",), lookback=1,
        source="a")
def nothing_known(panel):
    """Absent everywhere."""
    return panel.spread(panel.bars("close") * np.nan)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    return folder


def train(place: Path, *words: str, start: str = "2013-09-01") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train.py"), *words, "--data", DATA, "--start", start],
        cwd=place, capture_output=True, text=True, check=False,
        env={**os.environ, "HUICE_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_each_window_has_its_line_and_a_second_run_trains_nothing(place: Path) -> None:
    done = train(place, "own.py:Ridge", "--set", "refit=6M", "--out", "models/ridge")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["fit", "rows", "held", "train", "R2", "tested", "Rank", "IC", "R2"]
    assert [line.split()[0] for line in lines[1:5]] == ["2013-09-30", "2014-03-31", "2014-09-30", "all"]
    assert "3 models trained, 0 kept from before" in done.stdout
    saved = sorted(path.name for path in (place / "models" / "ridge").iterdir())
    assert saved == ["2013-09-30", "2014-03-31", "2014-09-30", "train.json"]
    assert {path.name for path in (place / "models/ridge/2013-09-30").iterdir()} == {"signal.json", "learnt.npz"}
    again = train(place, "own.py:Ridge", "--set", "refit=6M", "--json")
    answer = json.loads(again.stdout)["results"][0]
    assert (answer["trained"], answer["reused"]) == (0, 3)
    written = json.loads((place / "models/ridge/train.json").read_text(encoding="utf-8"))
    assert written["windows"] == answer["windows"] and written["all"] == answer["all"]


def test_the_figures_are_those_of_the_walk_in_this_process(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import plugins
    from feeds.store import open_market
    from signals.learning.samples import decisions_of
    from signals.paper_checks import validity
    from signals.walkforward import walk_forward

    monkeypatch.setenv("HUICE_CACHE", str(tmp_path))
    signal = plugins.resolve("signal", f"{place / 'own.py'}:Ridge")()  # type: ignore[call-arg]
    market = open_market(DATA, universe="all", start="2013-09-01", lookback=signal.lookback)
    places = [t for t in decisions_of(market, "1M") if str(market.sessions[t]) >= "2013-09-01"]
    mean, _ = validity(market, walk_forward(market, signal, places).scores)
    answer = json.loads(train(place, "own.py:Ridge", "--json").stdout)["results"][0]
    assert answer["all"]["rank_ic"] == pytest.approx(mean, rel=1e-9)
    assert answer["all"]["decisions"] == len(places) - 1


def test_values_of_a_parameter_stand_side_by_side(place: Path) -> None:
    done = train(place, "own.py:Ridge", "--compare", "strength=1,1000", "--out", "models/both")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == ["with", "strength=1", "strength=1000"]
    assert (place / "models/both/strength-1000/train.json").is_file()


def test_explain_writes_a_page_and_what_it_shows(place: Path) -> None:
    done = train(place, "own.py:Ridge", "--explain", "--repeats", "1", "--out", "models/inside")
    assert done.returncode == 0, done.stderr
    page = (place / "models/inside/explain.html").read_text(encoding="utf-8")
    assert "Inside own.py:Ridge" in page and "What shuffling costs" in page and "turnover_1m" in page
    assert (place / "models/inside/inside.npz").is_file() and "Page: models/inside/explain.html" in done.stdout


@pytest.mark.slow
def test_attention_gru_is_explained_with_weights_attention_and_figures_beside_the_base_rate(place: Path) -> None:
    pytest.importorskip("torch", reason=TORCH)
    words = "--set epochs=2 --set units=4 --set refit=yearly --repeats 1 --record 2 --explain --out models/a --json"
    done = train(place, "attention-gru", *words.split(), start="2014-03-01")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["results"][0]
    assert {"accuracy", "base_rate", "auc", "precision", "rank_ic"} <= set(answer["all"])
    assert answer["all"]["base_rate"] == pytest.approx(0.7, abs=0.1)  # ten of some 35 are the best
    assert answer["windows"][0]["epochs"].endswith("of 2")
    page = (place / "models/a/explain.html").read_text(encoding="utf-8")
    for heading in ("Attention over time", "Learning curves", "Single weights into the reset gate", "Share of the"):
        assert heading in page, heading


def test_protocol_paper_says_that_it_leaks(place: Path) -> None:
    done = train(place, "linear", "--protocol", "paper", "--set", "window=12M", start="2014-03-01")
    assert done.returncode == 0, done.stderr
    assert "LEAKS: these models used data from after their decisions" in done.stdout


BAD = {
    "a signal without a model": (["reversal-20d"], "signal 'reversal-20d' has nothing to train"),
    "an unknown signal": (["attention-gr"], "did you mean 'attention-gru'"),
    "an unknown parameter": (["linear", "--set", "windw=12M"], "has no parameter 'windw'; did you mean 'window'"),
    "no folder to explain into": (["linear", "--explain"], "--explain writes explain.html and needs a folder"),
    "one value to compare": (["linear", "--compare", "window=12M"], "--compare 'window=12M' must be a parameter with"),
    "a date that is none": (["linear", "--end", "2014-13-01"], "2014-13-01"),
    "a universe smaller than top-k": (["own.py:Fifty"], "fewer than k = 50; take a smaller k or a larger universe"),
    "a lookback longer than the data": (["own.py:Ridge", "--set", "steps=30"], "begin later, or open more history"),
    "a window with one class": (["own.py:Same"], "holds one class alone; take a longer window"),
    "factors that are missing everywhere": (["own.py:Empty"], "all 1 factors are missing for every stock"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_one_sentence(place: Path, case: str) -> None:
    words, said = BAD[case]
    done = train(place, *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and not done.stdout


def test_too_few_decisions_are_counted(place: Path) -> None:
    done = train(place, "linear", start="2014-12-01")
    assert done.returncode == 2 and "only 1 decision of schedule '1M' from 2014-12-01 to 2014-12-31" in done.stderr


def test_a_damaged_model_of_the_cache_is_named_with_what_to_do(place: Path) -> None:
    words = ["own.py:Ridge", "--set", "strength=7"]
    before = set((place / "cache" / "models").rglob("*.npz"))
    assert train(place, *words).returncode == 0
    for file in set((place / "cache" / "models").rglob("*.npz")) - before:
        file.write_bytes(file.read_bytes()[:-40])
    done = train(place, *words)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert "is damaged" in done.stderr and "delete it and fit again" in done.stderr


def test_a_training_that_diverges_names_window_epoch_and_learning_rate(place: Path) -> None:
    pytest.importorskip("torch", reason=TORCH)
    words = ["top-bottom-rnn", "--set", "learning_rate=1e38", "--set", "window=12M", "--set", "optimizer=sgd"]
    done = train(place, *words, "--set", "batch=50")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "training of window '2013-09-30' diverged in epoch" in done.stderr and "rate 1e+38" in done.stderr


def test_a_model_that_another_version_has_kept_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from signals.learning import model_cache

    before = model_cache.key_of(what="model", seed=1)
    monkeypatch.setattr(model_cache, "FORMAT", 0)
    assert model_cache.key_of(what="model", seed=1) != before
