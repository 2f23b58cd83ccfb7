"""The bench's table of factors, on a small folder."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feeds.synthetic_feed import write_synthetic

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "bench.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "synthetic"
    write_synthetic(place, stocks=100, start="2012-06-01", end="2013-12-31")
    return place


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    without = os.environ | {"HUICE_DATA": str(ROOT / "no-such-folder")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False, env=without
    )


def test_without_real_data_one_sentence_says_what_to_give_and_the_help_names_the_option() -> None:
    done = bench("--factors")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: --factors needs real data; give their folder with --data or in HUICE_DATA\n"
    assert "--factors" in bench("--help").stdout


@pytest.mark.slow
def test_each_of_the_last_sessions_is_appended_in_a_process_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = module("_bench_append", monkeypatch)
    assert append.last_days(folder, 2) == ["2013-12-30", "2013-12-31"]
    rows = append.measure(folder, "2012-06-04", days=1)
    assert "factors filled, month-ends up to 2013-12-30 x " in rows[0]["figure"]
    assert rows[1]["figure"].startswith("2013-12-31 appended to ") and "computed anew" not in rows[1]["figure"]
    assert int(rows[1]["figure"].split()[3]) == int(rows[0]["figure"].split()[0]) > 250
    (line,) = append.targets(rows)
    assert line["target"] == "at most 1" and line["measured"] == pytest.approx(rows[1]["cpu_s"])


def test_the_table_holds_every_part_against_its_target(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = module("_bench_library", monkeypatch)
    kernels = {"rows": 1000, "twenty_cpu_s": 0.5, "alpha158_cpu_s": 7.0}
    parts = {
        "kernels": kernels,
        "pandas": {"cpu": 0.4, "stocks": 300, "rows": 1000},
        "preprocess": [{"figure": "preprocessing", "cpu_s": 1.0}, {"figure": "preprocessing", "cpu_s": 0.7}],
    }
    laboratory = {
        "one": 0.6, "many": 14.0, "dates": 2430, "alike_dates": 243, "alphalens": 2.0, "times": 50.0,
        "times_clean": 30.0,
    }  # fmt: skip
    filled = [{"figure": "filled", "cpu_s": 30.0}, {"figure": "appended", "cpu_s": 3.0}]
    monkeypatch.setattr(library, "in_process", lambda what, *_: parts[what])
    monkeypatch.setattr(library._bench_screen, "measure", lambda *_, **__: laboratory)
    monkeypatch.setattr(library._bench_append, "measure", lambda *_: filled)
    rows = library.measure(folder)
    asked = [(row["target"], row["met"]) for row in rows if row["target"]]
    assert asked == [
        ("at most 0.6", "yes"), ("at most 6", "NO"), ("at most 0.8", "yes"), ("at most 0.8", "yes"),
        ("at most 20", "yes"), ("at least 40", "yes"), ("at most 1", "NO"),
    ]  # fmt: skip
    scaled = next(row for row in rows if row["figure"].startswith("Alphalens"))
    assert scaled["figure"].endswith("from 243 dates") and scaled["measured"] == pytest.approx(20.0)


def test_what_pandas_takes_is_scaled_to_the_rows_of_all_stocks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = module("_bench_library", monkeypatch)
    found = json.loads(json.dumps(library.by_pandas(str(folder), "2012-06-04", stocks=10)))
    assert found["stocks"] == 10 and found["rows"] > 10_000 and found["cpu"] > 0
