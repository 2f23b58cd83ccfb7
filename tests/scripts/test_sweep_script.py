"""``scripts/sweep.py``: a grid from the command line, killed and resumed, and everything a user can get wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from user_script import Done, command, environment, run_script

pytestmark = pytest.mark.usefixtures("own_cache")

BASE = 'data = "synthetic:stocks=40,end=2012-12-31"\n'
GRID = BASE + "start = 2012-06-01\n[grid]\nhold = [3, 4, 5, 6, 7, 8]\nsignal.window = [10, 20]\n"


def python(folder: Path, *arguments: object) -> Done:
    return run_script("sweep", folder, *arguments)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "grid.toml").write_text(GRID)
    return folder


@pytest.fixture(scope="module")
def done(user: Path) -> dict[str, object]:
    """What ``--json`` says of a sweep that nobody killed."""
    found = python(user, "grid.toml", "--jobs", "2", "--json")
    assert found.code == 0, found.err
    return json.loads(found.out)


def test_a_sweep_writes_its_table_and_page_and_says_which_points_are_best(user: Path, done: dict[str, object]) -> None:
    assert (done["points"], done["reused"], done["failed"]) == (12, 0, [])
    table = pd.read_parquet(user / "runs" / "sweeps" / "grid" / "sweep.parquet")
    assert table["hold"].tolist() == [h for h in range(3, 9) for _ in range(2)]
    assert table["run"].tolist() == done["runs"] and (table["error"] == "").all()
    assert done["table"] == "runs/sweeps/grid/sweep.parquet"
    assert "Sharpe ratio by hold (down) and signal.window (across)" in (user / str(done["page"])).read_text()
    again = python(user, "grid.toml", "--no-page")
    best = table.sort_values("sharpe").iloc[-1]
    assert "12 points, 12 of them there already" in again.out and "Page" not in again.out
    assert f"run {best['run']}: hold {best['hold']}, signal.window {best['signal.window']}" in again.out.splitlines()[1]


def test_a_sweep_that_is_killed_goes_on_where_it_was(user: Path, done: dict[str, object]) -> None:
    runs = user / "killed"
    began = subprocess.Popen(
        command("sweep", "grid.toml", "--out", runs, "--jobs", 2), cwd=user, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while began.poll() is None and len(list(runs.glob("*/result.json"))) < 2:
        time.sleep(0.01)
    os.killpg(began.pid, signal.SIGKILL)
    began.wait()
    there = len(list(runs.glob("[!.]*/result.json")))
    assert 2 <= there < 12 and not (runs / "sweeps").exists()
    again = python(user, "grid.toml", "--out", runs, "--jobs", "2", "--json")
    assert json.loads(again.out)["reused"] == there and json.loads(again.out)["runs"] == done["runs"]
    tables = [folder / "sweeps" / "grid" / "sweep.parquet" for folder in (runs, user / "runs")]
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_a_point_that_fails_is_told_and_the_sweep_ends_well(user: Path) -> None:
    (user / "late.toml").write_text(BASE + "[grid]\nstart = [2012-06-01, 2030-01-01]\n")
    found = python(user, "late.toml", "--jobs", "1")
    assert found.code == 0 and "failed: start 2030-01-01: the data have no trading session from" in found.out


def test_a_sweep_without_one_good_point_ends_with_its_sentence_and_its_table(user: Path) -> None:
    (user / "never.toml").write_text(BASE + "[grid]\nstart = [2030-01-01, 2031-01-01]\n")
    found = python(user, "never.toml", "--jobs", "1")
    assert found.code == 2 and found.err.startswith("error: all 2 points failed, the first of them: the data have no")
    assert (user / "runs" / "sweeps" / "never" / "sweep.parquet").exists()


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (None, (), "there is no configuration file 'bad.toml'"),
        ("[grid", (), "configuration file 'bad.toml' is no valid TOML"),
        (BASE, (), "bad.toml: there is no table [grid]"),
        (BASE + "[grid]\nhodl = [1, 2]", (), "bad.toml: unknown option 'hodl'; did you mean 'hold'"),
        (GRID, ("--jobs", "0"), "--jobs is 0"),
        (GRID, ("--backend", "ray"), "--backend ray needs the --address of a running cluster"),
        (GRID, ("--out", "bad.toml"), "--out 'bad.toml' is a file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_exit_code_2(
    user: Path, text: str | None, options: tuple[str, ...], sentence: str
) -> None:
    (user / "bad.toml").unlink(missing_ok=True)
    if text is not None:
        (user / "bad.toml").write_text(text)
    found = python(user, "bad.toml", *options)
    assert found.code == 2 and found.err.startswith("error: ") and sentence in found.err
    assert found.err.count("\n") == 1
