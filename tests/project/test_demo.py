"""What `make demo` runs: a network trained walk-forward on the embedded market, to the tearsheet."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_demo_trains_a_model_each_quarter_and_writes_run_and_tearsheet(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    words = shlex.split(re.search(r"^DEMO *= (.*)$", (ROOT / "Makefile").read_text(), re.M)[1])  # type: ignore[index]
    environment = os.environ | {"HUICE_CACHE": str(tmp_path / "cache"), "HUICE_MODELS": str(tmp_path / "models")}
    done = subprocess.run(
        [sys.executable, str(ROOT / words[0]), *words[1:], "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["start"], told["end"], told["leaks"]) == ("2012-01-04", "2020-12-31", False)
    assert (tmp_path / told["tearsheet"]).stat().st_size > 1_000_000
    scores = pd.read_parquet(tmp_path / told["folder"] / "scores.parquet")
    assert scores["date"].nunique() == 109, "the month ends from 2011-12 to 2020-12"
    assert scores.groupby("date").size().min() > 50
    # A model a quarter, its outputs of each month, and the scores of the whole run.
    assert len(list((tmp_path / "models").rglob("*.npz"))) == 37 + 109 + 1
