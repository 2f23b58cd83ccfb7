"""`make help` tells the truth, and the chores that the README names exist."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"help", "demo", "backtest", "test", "test-slow", "test-akshare", "lint", "bench", "wheel", "lock", "clean"}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60)


def test_make_alone_prints_every_target_with_a_sentence() -> None:
    shown = make()
    assert shown.returncode == 0, shown.stderr
    lines = dict(re.findall(r"^  make ([a-z-]+) +(\S.+)$", shown.stdout, flags=re.M))
    assert set(lines) == TARGETS
    assert make("help").stdout == shown.stdout


def test_every_phony_target_is_listed_and_the_other_way_round() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert phony and set(phony[1].split()) == TARGETS


def dry(tmp_path: Path, target: str) -> list[str]:
    """What a target would run in a folder without an environment."""
    return make("-n", f"PYTHON={sys.executable}", f"VENV={tmp_path}/v", target).stdout.splitlines()


def test_the_demo_trains_a_network_with_torch_from_its_lock(tmp_path: Path) -> None:
    shown = dry(tmp_path, "demo")
    assert shown[-1] == (
        f"{tmp_path}/v/bin/python scripts/backtest.py --universe csi500 --strategy top-n --signal lstm-residual-value "
        "--hold 50 --benchmark 000905 --start 2012-01-01 --jobs 2"
    )
    assert any(re.search(r"install -r locks/torch-py3\d+\.txt$", line) for line in shown)
    assert not any("locks/test-" in line for line in shown)


def test_a_backtest_without_a_network_installs_no_torch(tmp_path: Path) -> None:
    shown = dry(tmp_path, "backtest")
    assert shown[-1] == (
        f"{tmp_path}/v/bin/python scripts/backtest.py --universe csi500 --strategy top-n "
        "--signal reversal-20d --hold 50 --rebalance 1M --benchmark 000905"
    )
    installed = [lock for line in shown for lock in re.findall(r"locks/\S+\.txt", line)]
    assert len(installed) == 1
    pins = (ROOT / installed[0]).read_text(encoding="utf-8")
    assert "numpy==" in pins and not re.search(r"^(torch|nvidia|xgboost|optuna)", pins, re.M)


def test_the_lock_follows_the_interpreter_and_a_second_run_installs_nothing(tmp_path: Path) -> None:
    tag = f"py{sys.version_info[0]}{sys.version_info[1]}"
    arguments = ("-n", f"PYTHON={sys.executable}", f"VENV={tmp_path}/v", "test")
    first = make(*arguments).stdout
    assert f"install -r locks/test-{tag}.txt" in first and "-m venv --clear" in first
    assert f"install -r locks/torch-{tag}.txt" in first
    # What the first run leaves: the stamps, newer than the lock and pyproject.toml.
    (tmp_path / "v").mkdir()
    for stamp in (f".venv-{tag}", f".test-{tag}", f".torch-{tag}"):
        (tmp_path / "v" / stamp).touch()
    assert make(*arguments).stdout.split("\n")[:-1] == [f"{tmp_path}/v/bin/python -m pytest -n auto --dist worksteal"]


def test_akshare_comes_on_top_of_the_test_environment_and_only_where_it_is_locked(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for stamp in (".venv-py311", ".test-py311"):
        (tmp_path / "v" / stamp).touch()
    shown = make("-n", "PYTAG=py311", f"VENV={tmp_path}/v", "test-akshare").stdout
    assert "install -r locks/akshare-py311.txt" in shown and "venv --clear" not in shown
    last = shown.splitlines()[-1]
    assert last.startswith(f'{tmp_path}/v/bin/python -m pytest -m "slow or not slow" tests/')
    for file in re.findall(r"tests/\S+", last):
        assert "akshare" in (ROOT / file).read_text(encoding="utf-8"), file
    (tmp_path / "v" / ".akshare-py311").touch()
    again = make("-n", "PYTAG=py311", f"VENV={tmp_path}/v", "test-akshare").stdout
    assert again.splitlines() == [last]
    for stamp in (".venv-py312", ".test-py312"):
        (tmp_path / "v" / stamp).touch()
    refused = make("PYTAG=py312", f"VENV={tmp_path}/v", "test-akshare")
    assert refused.returncode != 0 and "error: AKShare is locked for Python 3.11" in refused.stderr


@pytest.mark.parametrize("extra", ["akshare", "torch"])
def test_the_pins_of_an_extras_lock_are_those_of_the_test_environment(extra: str) -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / "locks" / name).read_text(encoding="utf-8").splitlines()
        return dict(line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith("#"))

    mine, test = pins(f"{extra}-py311.txt"), pins("test-py311.txt")
    shared = set(mine) & set(test)
    assert len(shared) > 40
    assert {name: (mine[name], test[name]) for name in shared if mine[name] != test[name]} == {}


def test_an_unusable_python_is_refused_in_one_sentence(tmp_path: Path) -> None:
    refused = make("PYTHON=no-such-python", f"VENV={tmp_path}/v", "demo")
    assert refused.returncode != 0
    assert "error: 'no-such-python' is not Python 3.11, 3.12 or 3.13" in refused.stderr
    assert not (tmp_path / "v").exists()


def test_ci_runs_the_test_command_of_the_readme_last() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert lines[-2:] == ["make lint", "make test"]
