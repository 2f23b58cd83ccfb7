"""``scripts/audit.py`` and ``scripts/new.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from user_script import Done, run_script

pytestmark = pytest.mark.usefixtures("own_cache")

ROOT = Path(__file__).resolve().parents[2]
DATA = "synthetic:stocks=30,seed=5,start=2012-01-01,end=2013-12-31"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


def script(place: Path, name: str, *words: str) -> Done:
    return run_script(name, place, *words)


def own_test_passes(place: Path, name: str) -> None:
    """The test that ``new`` writes, run as its first line says."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}.py"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_a_signal_written_by_new_passes_its_own_test_and_is_not_written_over(place: Path) -> None:
    done = script(place, "new", "signal", "my_idea", "--kind", "trained")
    assert done.code == 0, done.err
    assert "my_idea.py: the signal MyIdea" in done.out
    text = (place / "test_my_idea.py").read_text(encoding="utf-8")
    assert "test_it_keeps_the_contract" in text
    own_test_passes(place, "my_idea")
    again = script(place, "new", "signal", "my_idea")
    assert again.code == 2 and again.err.startswith("error: my_idea.py is there already")


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
    assert done.code == 2 and said in done.err and "Traceback" not in done.err


def test_a_signal_of_a_formula_written_by_new_keeps_the_contract(place: Path) -> None:
    assert script(place, "new", "signal", "plain").code == 0
    done = script(place, "audit", "plain.py:Plain", "-p", "window=5", "--data", DATA)
    assert done.code == 0, done.out + done.err
    assert "Plain keeps the contract" in done.out


def test_a_leaking_plug_in_is_caught_with_exit_code_1_and_advice(place: Path) -> None:
    leaky = ROOT / "tests" / "support" / "leaking_signals.py"
    done = script(place, "audit", f"{leaky}:LeakingSignal", "--data", DATA, "--json")
    assert done.code == 1, done.err
    answer = json.loads(done.out)
    failed = [check for check in answer["checks"] if check["status"] == "failed"]
    assert answer["holds"] is False and len(failed) == 1
    assert "change when all that comes later is noise" in failed[0]["text"]
    assert "LeakingSignal breaks the contract in 1 of 11 points." in done.err


def test_a_strategy_written_by_new_passes_its_own_test_and_a_backtest_runs_it(place: Path) -> None:
    done = script(place, "new", "strategy", "my_own")
    assert done.code == 0, done.err
    assert "my_own.py: the strategy MyOwn" in done.out
    source = (place / "my_own.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 16
    own_test_passes(place, "my_own")
    held = script(place, "audit", "my_own.py", "--data", DATA)
    assert held.code == 0 and "MyOwn keeps the contract (6 checks held" in held.out, held.out + held.err
    run = script(place, "backtest", "--strategy", "my_own.py", "--data", DATA, "--no-tearsheet", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["decisions"]["executed"] > 20


def test_a_strategy_that_reads_the_market_past_the_view_is_caught(place: Path) -> None:
    leaky = ROOT / "tests" / "support" / "leaking_strategies.py"
    done = script(place, "audit", f"{leaky}:ReadsTomorrow", "--data", DATA, "--signal", "none", "--rebalance", "1W")
    assert done.code == 1, done.err
    assert "ReadsTomorrow breaks the contract in 1 of 6 points." in done.out
    assert "replaced by noise" in done.out


def test_options_of_the_other_kind_are_refused(place: Path) -> None:
    done = script(place, "audit", "top-n", "--date", "2012-06-29")
    assert done.code == 2 and "--date is no option for a strategy" in done.err
    done = script(place, "audit", "reversal-20d", "--signal", "none")
    assert done.code == 2 and "--signal is no option for a signal" in done.err


def test_audit_names_what_it_cannot_find_and_what_it_cannot_set(place: Path) -> None:
    done = script(place, "audit", "reversal-20")
    assert done.code == 2 and "did you mean 'reversal-20d'" in done.err
    done = script(place, "audit", "reversal-20d", "-p", "windw=3")
    assert done.code == 2 and "has no parameter 'windw'; did you mean 'window'" in done.err


def test_audit_tells_what_a_signal_finds_of_planted_alphas(place: Path) -> None:
    data = "synthetic:stocks=30,seed=5,start=2012-01-01,end=2014-12-31,alphas=reversal*2"
    done = script(place, "audit", "reversal-20d", "--recovery", "--data", data, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["decisions"] == 24 and told["data"] == data
    assert told["recovered"] == pytest.approx(told["rank_ic"] / told["oracle"])
    assert told["loadings"]["reversal"] > 0.8 and told["loadings"]["memory"] is None
    assert "reversal    +" in done.err and "not at work" in done.err
    real = script(place, "audit", "top-n", "--recovery")
    assert real.code == 2 and "--recovery is no option for a strategy" in real.err
