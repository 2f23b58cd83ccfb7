"""``scripts/portfolios.py`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from user_script import Done, run_script

DATA = "synthetic:stocks=40,start=2018-01-02,end=2018-12-28"


def call(folder: Path, *options: str) -> Done:
    return run_script("portfolios", folder, "--data", DATA, "--no-progress", *options)


def test_scores_of_a_run_give_the_same_layers_again(tmp_path: Path) -> None:
    first = call(tmp_path, "--layers", "3", "--json")
    assert first.code == 0, first.err
    found = json.loads(first.out)
    assert list(found["portfolios"]) == ["all/1", "all/2", "all/3", "all/benchmark"]
    assert Path(tmp_path, found["page"]).is_file()
    scores = Path(found["folder"], "scores.parquet")
    again = call(tmp_path, "--layers", "3", "--scores", str(scores), "--no-page", "--json")
    assert again.code == 0, again.err
    other = json.loads(again.out)
    assert other["id"] != found["id"] and other["portfolios"] == found["portfolios"]
    values = pd.read_parquet(tmp_path / other["folder"] / "values.parquet")
    assert list(values.columns) == ["date", "portfolio", "value", "cash", "bought", "sold", "fees"]


def test_what_cannot_be_run_is_one_sentence(tmp_path: Path) -> None:
    for options, sentence in (
        (("--strategy", "top-n"), "strategy top-n holds one portfolio"),
        (("--scores", "x.parquet", "--signal", "small-cap"), "--scores takes the place of --signal"),
        (("--by", "height"), "cannot form layers by 'height'"),
    ):
        done = call(tmp_path, *options)
        assert done.code == 2 and done.err.startswith("error: ") and sentence in done.err
        assert "Traceback" not in done.err
