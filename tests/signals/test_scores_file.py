"""Scores read from a file: only those of the session, of stocks in the universe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_market import market_of

from engine.errors import SignalError
from engine.view import View
from signals.scores_file import ScoresFile

MARKET = market_of({"600001.SH": [10.0] * 4, "600002.SH": [11.0] * 4, "600003.SH": [12.0] * 4})
DAYS = MARKET.sessions


def file_of(tmp_path: Path, rows: list[tuple[int, str, float]], **more: object) -> str:
    frame = pd.DataFrame(rows, columns=["t", "symbol", "score"])
    frame.insert(0, "date", DAYS[frame.pop("t").to_numpy()].astype("datetime64[ms]"))
    path = tmp_path / "scores.parquet"
    frame.assign(**more).to_parquet(path)
    return str(path)


def test_scores_are_those_stamped_with_the_session(tmp_path: Path) -> None:
    rows = [(1, "600002.SH", 0.5), (1, "600001.SH", 0.25), (2, "600001.SH", 9.0), (1, "999999.SH", 7.0)]
    signal = ScoresFile(file=file_of(tmp_path, rows, p_1=[0.1, 0.2, 0.3, 0.4]))
    found = signal.predict(View(MARKET, 1))
    assert found["score"].to_dict() == {"600001.SH": 0.25, "600002.SH": 0.5}
    assert found["p_1"].to_dict() == {"600001.SH": 0.2, "600002.SH": 0.1}
    assert signal.predict(View(MARKET, 2))["score"].to_dict() == {"600001.SH": 9.0}
    assert len(signal.predict(View(MARKET, 0))) == 0  # before its first date


def test_a_session_that_the_file_passes_over_is_refused_with_the_date_before(tmp_path: Path) -> None:
    signal = ScoresFile(file=file_of(tmp_path, [(1, "600001.SH", 1.0)]))
    with pytest.raises(SignalError, match=f"no row of {DAYS[2]}; their last date before it is {DAYS[1]}"):
        signal.predict(View(MARKET, 2))


def test_what_is_no_file_of_scores_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="cannot be read"):
        ScoresFile(file=str(tmp_path / "nothing.parquet")).predict(View(MARKET, 1))
    with pytest.raises(SignalError, match="cannot be read"):
        _ = ScoresFile(file=str(tmp_path / "nothing.parquet")).code_digest
    other = tmp_path / "other.parquet"
    pd.DataFrame({"date": DAYS.astype("datetime64[ms]"), "score": np.ones(4)}).to_parquet(other)
    with pytest.raises(SignalError, match="have no column 'symbol'"):
        ScoresFile(file=str(other)).predict(View(MARKET, 1))
    twice = file_of(tmp_path, [(1, "600001.SH", 1.0), (1, "600001.SH", 2.0)])
    with pytest.raises(SignalError, match=f"have 600001.SH twice on {DAYS[1]}"):
        ScoresFile(file=twice).predict(View(MARKET, 1))


def test_a_change_of_the_file_is_a_change_of_the_run(tmp_path: Path) -> None:
    signal = ScoresFile(file=file_of(tmp_path, [(1, "600001.SH", 1.0)]))
    before = signal.code_digest
    file_of(tmp_path, [(1, "600001.SH", 2.0)])
    assert ScoresFile(file=signal.file).code_digest != before


def test_a_file_is_read_once_for_all_runs_over_a_market_and_no_run_changes_it_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet

    file = file_of(tmp_path, [(1, "600001.SH", 1.0)])
    first = ScoresFile(file=file).predict(View(MARKET, 1))
    first.loc["600001.SH", "score"] = 5.0
    monkeypatch.delattr(pyarrow.parquet, "read_table")
    assert ScoresFile(file=file).predict(View(MARKET.fork(), 1))["score"].to_dict() == {"600001.SH": 1.0}
