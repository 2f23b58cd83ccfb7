"""``scripts/data.py fetch`` as a process of its own, with a module ``akshare`` that needs no network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "data.py"

AKSHARE = """
import json, os, signal
from akshare_fakes import Fakes

fakes = Fakes()
log = os.environ["CALLS"]


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    function = getattr(fakes, name)
    if os.environ.get("BROKEN") == name:
        fakes.broken[name] = KeyError("data")

    def call(**given):
        done = open(log).read().count("\\n") if os.path.exists(log) else 0
        if str(done) == os.environ.get("KILL"):
            os.kill(os.getpid(), signal.SIGKILL)
        with open(log, "a") as file:
            file.write(json.dumps([name, sorted(given.items())], ensure_ascii=False) + "\\n")
        return function(**given)

    return call
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str
    calls: Counter[str]


def run(place: Path, *arguments: object, log: str = "calls", **env: str) -> Done:
    stub = place / "stub"
    stub.mkdir(exist_ok=True)
    (stub / "akshare.py").write_text(AKSHARE, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    kept |= {"PYTHONPATH": f"{stub}{os.pathsep}{ROOT / 'tests' / 'support'}", "PYTHONDONTWRITEBYTECODE": "1"}
    kept |= {"CALLS": str(place / log), "PYTHONUTF8": "1"} | env
    command = [sys.executable, str(SCRIPT), "fetch", *map(str, arguments)]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=300, cwd=place)
    calls = Counter((place / log).read_text().splitlines() if (place / log).exists() else [])
    return Done(done.returncode, done.stdout, done.stderr, calls)


SPAN = ("--universe", "csi300", "--start", "2024-06-03", "--end", "2024-06-21")


def tables(folder: Path) -> dict[str, bytes]:
    files = (*folder.glob("*.parquet"), *folder.glob("daily_bars/*.parquet"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def test_a_fetch_says_what_it_wrote_and_that_members_of_today_look_ahead(tmp_path: Path) -> None:
    done = run(tmp_path, *SPAN, "--out", "here")
    assert done.code == 0, done.err
    assert "2 of 2 stocks with bars" in done.out and "universe 'csi300-today'" in done.out
    assert "warning: Index 000300" in done.out and "survivorship" in done.out
    assert "calls, " in done.err and " left: " in done.err  # one line of progress where there is no terminal
    assert len(pd.read_parquet(tmp_path / "here" / "daily_bars" / "2024.parquet")) == 27


@pytest.mark.slow
def test_a_process_killed_in_the_middle_goes_on_without_repeating_a_call(tmp_path: Path) -> None:
    whole = run(tmp_path, *SPAN, "--out", "whole", log="whole.log")
    for kill in (3, 30):
        log = f"{kill}.log"
        killed = run(tmp_path, *SPAN, "--out", str(kill), log=log, KILL=str(kill))
        assert killed.code == -signal.SIGKILL and sum(killed.calls.values()) == kill
        done = run(tmp_path, *SPAN, "--out", str(kill), log=log)
        assert done.code == 0, done.err
        assert done.calls == whole.calls and max(done.calls.values()) == 1
        assert tables(tmp_path / str(kill)) == tables(tmp_path / "whole")


def test_what_could_not_be_had_is_listed_and_the_code_is_1(tmp_path: Path) -> None:
    done = run(tmp_path, *SPAN, "--out", "here", "--json", BROKEN="stock_industry_clf_hist_sw")
    assert done.code == 1, done.err
    result = json.loads(done.out)
    assert [f["table"] for f in result["failures"]] == ["industry_sw_history"]
    assert "stock_industry_clf_hist_sw()" in result["failures"][0]["sentence"]
    assert "not had, industry_sw_history: 1" in done.err
    assert result["today_only"] and result["universe"] == "csi300-today"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--universe", "csi300", "--start", "yesterday"), "--start 'yesterday' is no date"),
        (("--universe", "../x", "--start", "2024-06-03"), "unknown universe '../x'"),
        ((*SPAN, "--pace", "0"), "pace 0"),
        (("--universe", "600519.SZ", "--start", "2024-06-03"), "600519.SH"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_code_2(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = run(tmp_path, *arguments, "--out", "here")
    assert done.code == 2 and done.err.startswith("error: ") and says in done.err
    assert "Traceback" not in done.err and not done.calls and not (tmp_path / "here").exists()


def test_without_akshare_the_sentence_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "akshare.py").write_text("raise ImportError('no such module')")
    env = {"PYTHONPATH": str(tmp_path / "none"), "PATH": os.environ["PATH"]}
    command = [sys.executable, str(SCRIPT), "fetch", *SPAN, "--out", str(tmp_path / "here")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "pip install -r locks/akshare-py311.txt" in done.stderr
