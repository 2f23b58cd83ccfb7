"""``scripts/audit.py`` and ``scripts/new.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = "synthetic:stocks=30,seed=5,start=2012-01-01,end=2013-12-31"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


def script(place: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *words],
        cwd=place, capture_output=True, text=True, env={**os.environ, "HUICE_CACHE": str(place / "cache")}, check=False,
    )  # fmt: skip


def test_a_signal_written_by_new_passes_its_own_test_and_is_not_written_over(place: Path) -> None:
    done = script(place, "new", "signal", "my_idea", "--kind", "trained")
    assert done.returncode == 0, done.stderr
    assert "my_idea.py: the signal MyIdea" in done.stdout
    text = (place / "test_my_idea.py").read_text(encoding="utf-8")
    assert "test_it_keeps_the_contract" in text
    env = {**os.environ, "HUICE_CACHE": str(place / "cache")}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_idea.py"],
        cwd=place, capture_output=True, text=True, env=env, check=False,
    )  # fmt: skip
    assert tested.returncode == 0 and "1 passed" in tested.stdout, tested.stdout
    again = script(place, "new", "signal", "my_idea")
    assert again.returncode == 2 and again.stderr.startswith("error: my_idea.py is there already")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["signal", "My-Idea"], "'My-Idea' is no name of a file of Python"),
        (["signal", "idea", "--kind", "traind"], "there is no kind 'traind'; did you mean 'trained'"),
        (["strategy", "Idea"], "'Idea' is no name of a file of Python"),
        (["fee", "idea"], "No such command"),
    ],
)
def test_new_refuses_what_it_cannot_write_in_one_sentence(place: Path, words: list[str], said: str) -> None:
    done = script(place, "new", *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_signal_of_a_formula_written_by_new_keeps_the_contract(place: Path) -> None:
    assert script(place, "new", "signal", "plain").returncode == 0
    done = script(place, "audit", "plain.py:Plain", "-p", "window=5", "--data", DATA)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Plain keeps the contract" in done.stdout


def test_a_leaking_plug_in_is_caught_with_exit_code_1_and_advice(place: Path) -> None:
    leaky = ROOT / "tests" / "support" / "leaking_signals.py"
    done = script(place, "audit", f"{leaky}:LeakingSignal", "--data", DATA, "--json")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    failed = [check for check in answer["checks"] if check["status"] == "failed"]
    assert answer["holds"] is False and len(failed) == 1
    assert "change when all that comes later is noise" in failed[0]["text"]
    assert "LeakingSignal breaks the contract in 1 of 11 points." in done.stderr


def test_a_strategy_written_by_new_passes_its_own_test_and_a_backtest_runs_it(place: Path) -> None:
    done = script(place, "new", "strategy", "my_own")
    assert done.returncode == 0, done.stderr
    assert "my_own.py: the strategy MyOwn" in done.stdout
    source = (place / "my_own.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 16
    env = {**os.environ, "HUICE_CACHE": str(place / "cache")}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_own.py"],
        cwd=place, capture_output=True, text=True, env=env, check=False,
    )  # fmt: skip
    assert tested.returncode == 0 and "1 passed" in tested.stdout, tested.stdout
    held = script(place, "audit", "my_own.py", "--data", DATA)
    assert held.returncode == 0 and "MyOwn keeps the contract (6 checks held" in held.stdout, held.stdout + held.stderr
    run = script(place, "backtest", "--strategy", "my_own.py", "--data", DATA, "--no-tearsheet", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["decisions"]["executed"] > 20


def test_a_strategy_that_reads_the_market_past_the_view_is_caught(place: Path) -> None:
    leaky = ROOT / "tests" / "support" / "leaking_strategies.py"
    done = script(place, "audit", f"{leaky}:ReadsTomorrow", "--data", DATA, "--signal", "none", "--rebalance", "1W")
    assert done.returncode == 1, done.stderr
    assert "ReadsTomorrow breaks the contract in 1 of 6 points." in done.stdout
    assert "replaced by noise" in done.stdout


def test_options_of_the_other_kind_are_refused(place: Path) -> None:
    done = script(place, "audit", "top-n", "--date", "2012-06-29")
    assert done.returncode == 2 and "--date is no option for a strategy" in done.stderr
    done = script(place, "audit", "reversal-20d", "--signal", "none")
    assert done.returncode == 2 and "--signal is no option for a signal" in done.stderr


def test_audit_names_what_it_cannot_find_and_what_it_cannot_set(place: Path) -> None:
    done = script(place, "audit", "reversal-20")
    assert done.returncode == 2 and "did you mean 'reversal-20d'" in done.stderr
    done = script(place, "audit", "reversal-20d", "-p", "windw=3")
    assert done.returncode == 2 and "has no parameter 'windw'; did you mean 'window'" in done.stderr


def test_audit_tells_what_a_signal_finds_of_planted_alphas(place: Path) -> None:
    data = "synthetic:stocks=30,seed=5,start=2012-01-01,end=2014-12-31,alphas=reversal*2"
    done = script(place, "audit", "reversal-20d", "--recovery", "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["decisions"] == 24 and told["data"] == data
    assert told["recovered"] == pytest.approx(told["rank_ic"] / told["oracle"])
    assert told["loadings"]["reversal"] > 0.8 and told["loadings"]["memory"] is None
    assert "reversal    +" in done.stderr and "not at work" in done.stderr
    real = script(place, "audit", "top-n", "--recovery")
    assert real.returncode == 2 and "--recovery is no option for a strategy" in real.stderr
