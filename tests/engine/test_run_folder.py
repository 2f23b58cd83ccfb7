"""The run folder: its id, its files written whole or not at all, and loading it again."""

from __future__ import annotations

import dataclasses
import json
import threading
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from engine import run_folder
from engine.config import RunConfig
from engine.errors import DataError
from engine.run_folder import FILES, FRAMES, Run, is_complete, json_text, run_id, write_run

CONFIG = RunConfig(data="tables", start="2019-01-03", end="2019-01-04", universe=["600519.SH"])
RESULT = {
    "id": "abc", "start": "2019-01-03", "end": "2019-01-04",
    "headline": {"final_value": 1_010_000.0, "annual_return": 0.1234, "sharpe": float("nan")},
    "fees": {"total": np.float64(0.1)}, "days": np.int64(2),
}  # fmt: skip


def frames(scale: float = 1.0) -> dict[str, pd.DataFrame]:
    days = np.array(["2019-01-02", "2019-01-03", "2019-01-04"], dtype="datetime64[ms]")
    some = pd.DataFrame({"date": days, "symbol": np.array(["600519.SH"] * 3, dtype=object), "shares": [1, 2, 3]})
    made = {name: some.copy() for name in FRAMES}
    made["equity"] = pd.DataFrame({"date": days, "value": np.array([1.0, 1.1, 1.2]) * scale})
    made["refusals"] = some.iloc[:0]
    made["positions"] = some.assign(symbol=some["symbol"].astype("category"))
    made["fills"] = some.assign(date=some["date"].astype("datetime64[ns]"), symbol=some["symbol"].astype("str"))
    made["decisions"] = pd.DataFrame(
        {"decision": days, "execution": np.array(["2019-01-03", "2019-01-04", "NaT"], dtype="datetime64[ms]")}
    )
    return made


def write(folder: Path, **changes: Any) -> Path:
    return write_run(folder, **{"config": CONFIG, "result": RESULT, "frames": frames(), **changes})


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- the id -----------------------------------------------------------------------------------------


def test_the_id_follows_from_what_decides_the_run_and_from_nothing_else() -> None:
    base = run_id(CONFIG, "data1", "0.1.0", ["s1", "s2"])
    assert len(base) == 12 and int(base, 16) >= 0
    assert run_id(CONFIG.with_overrides(["data=elsewhere"]), "data1", "0.1.0", ("s1", "s2")) == base
    others = {
        run_id(CONFIG.with_overrides(["cash=2e6"]), "data1", "0.1.0", ["s1", "s2"]),
        run_id(CONFIG.with_overrides(["hold=3"]), "data1", "0.1.0", ["s1", "s2"]),
        run_id(CONFIG, "data2", "0.1.0", ["s1", "s2"]),
        run_id(CONFIG, "data1", "0.1.1", ["s1", "s2"]),
        run_id(CONFIG, "data1", "0.1.0", ["s1", "s3"]),
        run_id(CONFIG, "data1", "0.1.0", ["s2", "s1"]),
    }
    assert len(others) == 6 and base not in others


# -- writing ----------------------------------------------------------------------------------------


def test_a_run_is_written_with_every_file_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs" / "abc")
    assert sorted(content(folder)) == sorted(FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["abc"]
    assert RunConfig.from_mapping(tomllib.loads((folder / "config.toml").read_text())) == CONFIG
    assert is_complete(folder)


def test_two_runs_with_the_same_outcome_have_the_same_bytes(tmp_path: Path) -> None:
    assert content(write(tmp_path / "a")) == content(write(tmp_path / "b"))


def test_the_tables_hold_plain_strings_dates_in_milliseconds_and_no_note_of_pandas(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    for name in FRAMES:
        schema = pq.read_schema(folder / f"{name}.parquet")
        assert not (schema.metadata or {}).get(b"pandas")
        for field in schema:
            expected = {
                "date": "timestamp[ms]",
                "symbol": "string",
                "decision": "timestamp[ms]",
                "execution": "timestamp[ms]",
            }
            assert str(field.type) == expected.get(field.name, str(field.type)), (name, field)


def test_the_result_is_strict_json_with_sorted_keys_and_exact_numbers(tmp_path: Path) -> None:
    text = (write(tmp_path / "a") / "result.json").read_text()
    loaded = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert loaded["headline"] == {"final_value": 1_010_000.0, "annual_return": 0.1234, "sharpe": None}
    assert (loaded["fees"]["total"], loaded["days"]) == (0.1, 2)
    assert list(loaded) == sorted(loaded) and text.startswith('{\n  "days": 2,\n')
    assert json_text({"a": np.datetime64("2019-01-02"), "b": np.array([1.5, np.inf])}) == (
        '{\n  "a": "2019-01-02",\n  "b": [\n    1.5,\n    null\n  ]\n}\n'
    )


def test_an_incomplete_folder_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "abc"
    folder.mkdir()
    (folder / "equity.parquet").write_bytes(b"half")
    write(folder)
    assert sorted(content(folder)) == sorted(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_a_run_written_again_with_another_outcome_replaces_the_old_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "abc")
    (folder / "tearsheet.html").write_text("old")
    write(folder, frames=frames(scale=2.0))
    assert Run.load(folder).equity["value"].tolist() == [2.0, 2.2, 2.4]
    assert not (folder / "tearsheet.html").exists()


def test_a_run_written_again_with_the_same_outcome_keeps_its_tearsheet(tmp_path: Path) -> None:
    folder = write(tmp_path / "abc")
    (folder / "tearsheet.html").write_text("kept")
    write(folder)
    assert (folder / "tearsheet.html").read_text() == "kept"


def test_a_failure_while_writing_leaves_what_was_there_and_no_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "abc")
    before = content(folder)

    def fail(frame: pd.DataFrame, path: Path) -> None:
        if path.name == "scores.parquet":
            raise KeyboardInterrupt
        path.touch()

    monkeypatch.setattr(run_folder, "write_parquet", fail)
    with pytest.raises(KeyboardInterrupt):
        write(folder)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "new")
    assert content(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_many_writers_of_one_run_all_end_well(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(scale: float) -> None:
        try:
            for _ in range(5):
                write(tmp_path / "abc", frames=frames(scale))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(1.0 + k % 2,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert is_complete(tmp_path / "abc")
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_a_place_that_cannot_hold_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is a file where a run folder belongs"):
        write(tmp_path / "file")
    with pytest.raises(DataError, match=r"the run cannot be written to .*abc \(Not a directory\)"):
        write(tmp_path / "file" / "abc")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# -- reading ----------------------------------------------------------------------------------------


def test_a_run_loads_with_its_tables_as_attributes(tmp_path: Path) -> None:
    run = Run.load(write(tmp_path / "abc"))
    assert (run.id, run.config, run.reused, run.result["days"]) == ("abc", CONFIG, False, 2)
    for name in FRAMES:
        expected = frames()[name]
        got = getattr(run, name)
        assert list(got.columns) == list(expected.columns)
        assert len(got) == len(expected)
    assert run.equity is run.equity  # read once
    assert str(run.equity["date"].dtype) == "datetime64[ms]"
    assert run.equity["date"].iloc[0] == pd.Timestamp("2019-01-02")
    assert run.positions["symbol"].tolist() == ["600519.SH"] * 3
    assert run.decisions["execution"].isna().tolist() == [False, False, True]


def test_a_reused_run_says_so_and_cannot_be_changed(tmp_path: Path) -> None:
    run = Run.load(write(tmp_path / "abc"))
    assert run.as_reused().reused and not run.reused
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.reused = True  # type: ignore[misc]


def test_a_run_shows_its_headline(tmp_path: Path) -> None:
    run = Run.load(write(tmp_path / "abc"))
    assert repr(run) == f"<Run abc: 2019-01-03 to 2019-01-04, 1,010,000 yuan, 12.34% a year; {tmp_path / 'abc'}>"
    page = run._repr_html_()
    assert "<th style='text-align:left'>Annual return</th><td style='text-align:left'>12.34%</td>" in page


def test_a_folder_that_is_no_complete_run_is_explained(tmp_path: Path) -> None:
    def refusal(folder: Path) -> str:
        assert not is_complete(folder)
        with pytest.raises(DataError) as caught:
            Run.load(folder)
        return str(caught.value)

    nothing = tmp_path / "nothing"
    assert refusal(nothing) == f"there is no run folder '{nothing}'; give the path that scripts/backtest.py printed"
    nothing.mkdir()
    assert refusal(nothing) == f"'{nothing}' is no run folder: it has no result.json; give a folder runs/<id>"
    folder = write(tmp_path / "abc")
    for name in ("fills.parquet", "orders.parquet"):
        (folder / name).unlink()
    assert (
        refusal(folder) == f"the run in '{folder}' is incomplete: it lacks fills.parquet, orders.parquet; run it again"
    )
    folder = write(tmp_path / "abc")
    (folder / "result.json").write_text('{"id": ')
    assert refusal(folder) == f"'{folder / 'result.json'}' cannot be read; run it again with --force"


def test_a_spoilt_table_or_configuration_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "abc")
    (folder / "fills.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"fills.parquet cannot be read \(.*\); run it again"):
        Run.load(folder).fills  # noqa: B018
    (folder / "config.toml").write_text("cahs = 1\n")
    with pytest.raises(DataError, match="unknown option 'cahs'; did you mean 'cash'"):
        Run.load(folder)
