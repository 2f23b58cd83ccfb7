"""``scripts/backtest.py --next``: the file for the coming session, from a run that is there and from own positions."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "backtest.py"
DATA = "synthetic:stocks=60,start=2019-01-02,end=2020-12-31"
RUN = ("--data", DATA, "--start", "2020-03-02", "--end", "2020-07-31", "--hold", "5", "--no-tearsheet")

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


def python(folder: Path, *arguments: str) -> Done:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", "HUICE_CACHE": str(folder / "cache")}
    command = [sys.executable, str(SCRIPT), *RUN, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8", timeout=300, check=False)


@pytest.fixture(scope="module")
def first(folder: Path) -> tuple[Path, Done]:
    """The run's file and what was printed."""
    done = python(folder, "--next")
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.rsplit("Targets: ", 1)[1].strip(), done


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_next_prints_the_trades_of_the_pending_decision_and_writes_them(first: tuple[Path, Done]) -> None:
    path, done = first
    rows = lines(path)
    assert path.name == "targets.csv" and path.parent.parent.name == "runs"
    assert {row["date"] for row in rows} == {"2020-08-03"}  # Friday was the last session of July
    assert "Next trading day: 2020-08-03\n" in done.stdout
    assert "Next rebalance: decided after the close of 2020-08-31.\n" in done.stdout
    traded = [row for row in rows if row["trade"] != "0"]
    assert traded and all(row["name"] for row in rows)
    for row in traded:
        shown = next(line for line in done.stdout.splitlines() if row["symbol"] in line)
        assert shown.split()[0] == ("buy" if int(row["trade"]) > 0 else "sell")
        assert f"{abs(int(row['trade'])):,}" in shown.split()


def test_a_run_that_is_there_gives_the_same_file_again(folder: Path, first: tuple[Path, Done]) -> None:
    path, _ = first
    before = path.read_bytes()
    path.unlink()
    done = python(folder, "--next", "--json")
    told = json.loads(done.stdout)
    assert told["reused"] and path.read_bytes() == before
    assert told["next"]["date"] == "2020-08-03" and told["next"]["decided"]
    assert told["next"]["trades"] == {row["symbol"]: int(row["trade"]) for row in lines(path) if row["trade"] != "0"}


def test_own_positions_have_a_file_of_their_own_and_the_run_stays_as_it_is(
    folder: Path, first: tuple[Path, Done]
) -> None:
    path, _ = first
    bought = next(row["symbol"] for row in lines(path) if int(row["trade"]) > 0)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    (folder / "mine.csv").write_text(f"symbol,shares\nCASH,50000\n{bought},300\n", encoding="utf-8")
    done = python(folder, "--next", "--positions", "mine.csv")
    assert done.returncode == 0, done.stderr
    assert "Next trading day: 2020-08-03, to be traded for mine.csv\n" in done.stdout
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert {name: raw for name, raw in after.items() if name != "targets-mine.csv"} == before
    mine = {row["symbol"]: row for row in lines(path.parent / "targets-mine.csv")}
    assert mine[bought]["shares_now"] == "300"
    wanted = {row["symbol"] for row in lines(path) if float(row["target_weight"])}
    assert {symbol for symbol, row in mine.items() if float(row["target_weight"])} == wanted


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--positions", "mine.csv"), "--positions says on what --next decides; add --next"),
        (("--next", "--positions", "none.csv"), "the positions in none.csv cannot be read (No such file or directory)"),
        (("--next", "--fill", "same_close"), "--next needs orders that fill on the next session"),
    ],
)
def test_what_cannot_be_answered_is_said_before_anything_runs(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = python(tmp_path, *arguments)
    assert done.returncode == 2 and done.stderr.startswith("error: " + says)
    assert not (tmp_path / "runs").exists()


def test_a_holding_that_the_data_do_not_have_is_named_with_its_row(folder: Path) -> None:
    (folder / "odd.csv").write_text("symbol,shares\nCASH,50000\n000050.SZ,300\n", encoding="utf-8")
    done = python(folder, "--next", "--positions", "odd.csv")
    assert done.returncode == 2
    assert done.stderr.startswith("error: odd.csv, row 3, column symbol: ") and "000050.SZ" in done.stderr
