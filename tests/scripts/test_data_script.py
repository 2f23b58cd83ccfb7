"""``scripts/data.py``: the check of price limits from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import small_tables, write_tables
from user_script import Done, run_script

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "data.py"


@pytest.fixture(scope="module", autouse=True)
def no_real_data(own_cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HUICE_DATA", raising=False)
        yield


def run(*arguments: object, **env: str) -> Done:
    return run_script("data", None, *arguments, **env)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three stocks over the turn of 2019; one high is outside its limits, one first bar after a stop as well."""
    tables = small_tables()
    bars = tables["daily_bars"]
    bars["amount"] = bars["volume"] * bars["close"]
    bars.loc[(bars["symbol"] == "600000.SH") & (bars["date"] == "2020-01-08"), "high"] = 5.6
    bars.loc[(bars["symbol"] == "300001.SZ") & (bars["date"] == "2019-12-18"), "high"] = 25.0
    late = (bars["symbol"] == "300001.SZ") & (bars["date"] < "2019-12-18")
    tables["daily_bars"] = bars[~late]
    tables["securities"]["first_bar"] = np.where(
        tables["securities"]["symbol"] == "300001.SZ", pd.Timestamp("2019-12-18"), tables["securities"]["first_bar"]
    ).astype("datetime64[ms]")
    return write_tables(tmp_path / "data", tables)


def test_both_periods_are_counted_and_the_unexplained_bar_is_shown(folder: Path) -> None:
    done = run("check-limits", "--data", folder, "--split", "2020-01-01")
    assert done.code == 1  # one in 67 rows is more than one in a million
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0] == "2019-12-16 .. 2019-12-31: 34 rows, 0 at a limit"
    assert any(line.split()[:3] == ["stopped_before_data", "1", "1"] for line in lines)
    assert "2020-01-02 .. 2020-01-16: 33 rows, 0 at a limit" in lines
    assert lines[-1] == "2020-01-08 600000.SH unexplained: 5.00 .. 5.60, reference 5.00, limits 4.50 .. 5.50"
    assert "300001.SZ" not in done.out


def test_the_list_shows_every_exception_with_its_class(folder: Path) -> None:
    done = run("check-limits", "--data", folder, "--list")
    shown = [line.split(":")[0] for line in done.out.splitlines()[-2:]]
    assert shown == ["2019-12-18 300001.SZ stopped_before_data", "2020-01-08 600000.SH unexplained"]


def test_json_gives_rows_exceptions_by_class_and_unexplained(folder: Path) -> None:
    done = run("check-limits", "--data", folder, "--split", "2020-01-01", "--json")
    found = json.loads(done.out)
    early, late = found["periods"]
    assert (early["rows"], early["exceptions"], early["unexplained"]) == (34, {"stopped_before_data": 1}, 0)
    assert (late["rows"], late["exceptions"], late["unexplained"]) == (33, {}, 1)
    assert late["per_million"] == round(1e6 / 33, 3)
    assert early["rules"]["stopped_before_data"]["covers"] == 1
    assert [row["class"] for row in found["exceptions"]] == ["stopped_before_data", "unexplained"]
    assert found["exceptions"][1]["limit_up"] == 5.5


def test_one_period_is_counted_where_the_split_lies_outside_the_data(folder: Path) -> None:
    for split in ("2017-01-01", "2030-01-01"):
        found = json.loads(run("check-limits", "--data", folder, "--split", split, "--json").out)
        assert [period["rows"] for period in found["periods"]] == [67]


def test_the_synthetic_market_is_inside_its_limits_and_huice_data_is_the_default() -> None:
    data = "synthetic:stocks=40,start=2019-01-02,end=2020-12-31"
    done = run("check-limits", "--json", HUICE_DATA=data)
    found = json.loads(done.out)
    assert done.code == 0 and found["data"] == data and found["exceptions"] == []
    assert found["periods"][0]["rows"] > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: name a command: describe, fetch, import, info, check, check-limits, sql, calibrate"),
        (("check-limits", "--data", "nowhere"), "error: there is no data folder 'nowhere'"),
        (("check-limits", "--split", "soon", "--data", "synthetic:stocks=40,start=2019-01-02,end=2020-12-31"),
         "error: --split 'soon' is no date; write it like 2017-01-01"),
        (("check-limits", "--dta", "x"), "error: No such option: --dta"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.code == 2 and done.out == ""
    assert done.err.startswith(message) and len(done.err.splitlines()) == 1
