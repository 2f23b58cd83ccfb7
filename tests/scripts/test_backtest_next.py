"""``scripts/backtest.py --next``: the file for the coming session, from a run that is there and from own positions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from user_script import Done, run_script

pytestmark = pytest.mark.usefixtures("own_cache")

DATA = "synthetic:stocks=60,start=2019-01-02,end=2020-12-31"
RUN = ("--data", DATA, "--start", "2020-03-02", "--end", "2020-07-31", "--hold", "5", "--no-tearsheet")

@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


def python(folder: Path, *arguments: str) -> Done:
    return run_script("backtest", folder, *RUN, *arguments, PYTHONIOENCODING="utf-8")


@pytest.fixture(scope="module")
def first(folder: Path) -> tuple[Path, Done]:
    """The run's file and what was printed."""
    done = python(folder, "--next")
    assert done.code == 0, done.err
    return folder / done.out.rsplit("Targets: ", 1)[1].strip(), done


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_next_prints_the_trades_of_the_pending_decision_and_writes_them(first: tuple[Path, Done]) -> None:
    path, done = first
    rows = lines(path)
    assert path.name == "targets.csv" and path.parent.parent.name == "runs"
    assert {row["date"] for row in rows} == {"2020-08-03"}  # Friday was the last session of July
    assert "Next trading day: 2020-08-03\n" in done.out
    assert "Next rebalance: decided after the close of 2020-08-31.\n" in done.out
    traded = [row for row in rows if row["trade"] != "0"]
    assert traded and all(row["name"] for row in rows)
    for row in traded:
        shown = next(line for line in done.out.splitlines() if row["symbol"] in line)
        assert shown.split()[0] == ("buy" if int(row["trade"]) > 0 else "sell")
        assert f"{abs(int(row['trade'])):,}" in shown.split()


def test_a_run_that_is_there_gives_the_same_file_again(folder: Path, first: tuple[Path, Done]) -> None:
    path, _ = first
    before = path.read_bytes()
    path.unlink()
    done = python(folder, "--next", "--json")
    told = json.loads(done.out)
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
    assert done.code == 0, done.err
    assert "Next trading day: 2020-08-03, to be traded for mine.csv\n" in done.out
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
    assert done.code == 2 and done.err.startswith("error: " + says)
    assert not (tmp_path / "runs").exists()


def test_a_holding_that_the_data_do_not_have_is_named_with_its_row(folder: Path) -> None:
    (folder / "odd.csv").write_text("symbol,shares\nCASH,50000\n000050.SZ,300\n", encoding="utf-8")
    done = python(folder, "--next", "--positions", "odd.csv")
    assert done.code == 2
    assert done.err.startswith("error: odd.csv, row 3, column symbol: ") and "000050.SZ" in done.err
