"""``scripts/data.py sql``, ``describe``, ``info``, ``check`` and ``import`` from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from small_data import small_tables, write_tables

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "data.py"


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tables(tmp_path / "data", small_tables())


@pytest.fixture
def run(cache: Path):  # type: ignore[no-untyped-def]
    def call(*arguments: object, cwd: Path | None = None) -> Done:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HUICE"))}
        kept |= {"PYTHONDONTWRITEBYTECODE": "1", "HUICE_CACHE": str(cache)}
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=300, cwd=cwd)
        return Done(done.returncode, done.stdout, done.stderr)

    return call


def test_sql_prints_a_table_csv_and_json(run, folder: Path) -> None:  # type: ignore[no-untyped-def]
    statement = "select symbol, count(*) n from daily_bars group by 1 order by 1"
    done = run("sql", statement, "--data", folder)
    assert done.out.splitlines() == ["symbol      n", "000001.SZ  23", "300001.SZ  23", "600000.SH  23"]
    done = run("sql", statement, "--data", folder, "--csv")
    assert done.out == "symbol,n\n000001.SZ,23\n300001.SZ,23\n600000.SH,23\n"
    done = run("sql", "select date from calendar order by 1", "--data", folder, "--rows", 2, "--json")
    assert json.loads(done.out) == {"columns": ["date"], "rows": [["2019-12-16"], ["2019-12-17"]], "more": True}


def test_sql_refuses_to_write(run, folder: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = run("sql", f"copy (select 1) to '{tmp_path}/out.csv'", "--data", folder)
    assert done.code == 2 and done.err == "error: only reading is allowed here, not COPY; write one SELECT\n"
    assert not (tmp_path / "out.csv").exists()


def test_describe_says_what_a_store_holds(run, folder: Path) -> None:  # type: ignore[no-untyped-def]
    pd.DataFrame({"x": [1]}).to_parquet(folder / "mine.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(folder / "a; drop.parquet")
    found = json.loads(run("describe", folder, "--json").out)
    tables = {row["table"]: row for row in found["tables"]}
    assert found["layout"] == "store" and tables["daily_bars"]["files"] == 2 and tables["daily_bars"]["rows"] == 69
    assert (tables["daily_bars"]["first"], tables["daily_bars"]["last"]) == ("2019-12-16", "2020-01-16")
    assert tables["a; drop"]["read by Huice"].startswith("no: ")
    assert tables["mine"]["read by Huice"] == "by sql only" and tables["calendar"]["read by Huice"] == "yes"


def test_describe_says_which_prices_are_good_for_what(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bars = pd.DataFrame({"date": ["2020-01-02"], "open": [1.0], "high": [1.0], "low": [-1.0], "close": [1.0],
                         "volume": [100.0]})  # fmt: skip
    bars.to_csv(tmp_path / "600519.csv", index=False)
    done = run("describe", tmp_path)
    assert done.code == 0 and "good for  features only: prices of 1 of 1 files are adjusted" in done.out
    assert "600519.csv     1  forward  the low of 2020-01-02 is -1" in done.out
    (tmp_path / "my.toml").write_text('layout = "plain-by-file"\nadjusted = "no"\n')
    assert "plain-by-file" in run("describe", tmp_path, "--mapping", tmp_path / "my.toml").out


def test_describe_names_all_that_is_wrong_at_once(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    head, row = "date,symbol,open,high,low,close,volume\n", "2020-01-02,600519.SH,10,11,9,10,100\n"
    (tmp_path / "a.csv").write_text(head + row)
    (tmp_path / "b.csv").write_text(head + row)
    (tmp_path / "c.csv").write_text(head + row.replace("600519.SH", "../../x"))
    (tmp_path / "d.csv").write_text("x,y\n1,2\n")
    (tmp_path / "e.csv.gz").write_bytes(b"no")
    (tmp_path / "f.csv").write_text(head + row.replace("11,9", "8,9").replace("02,", "03,"))
    found = json.loads(run("describe", tmp_path, "--json").out)
    says = {one["file"]: one["says"] for one in found["wrong"]}
    assert set(says) == {"a.csv and b.csv", "c.csv", "d.csv", "e.csv.gz", "f.csv"}
    assert found["good for"] == "nothing before what is wrong is mended" and "look like losses" in found["but"]
    assert says["a.csv and b.csv"] == "two rows for 600519.SH on 2020-01-02; leave one out"
    text = run("describe", tmp_path).out
    assert "the high 8 of 600519.SH on 2020-01-03 is below its low 9" in text and "columns   date, open, high" in text


def test_names_in_chinese_stand_under_each_other_and_nothing_moves_the_cursor(run, folder: Path) -> None:  # type: ignore[no-untyped-def]
    statement = "select * from (values ('平安', 1), ('ab' || chr(27) || '[2J', 20)) t(name, n)"
    lines = run("sql", statement, "--data", folder).out.splitlines()
    assert lines == ["name        n", "平安        1", "ab\\x1b[2J  20"]


def test_info_lists_every_field_with_its_bytes(run, folder: Path) -> None:  # type: ignore[no-untyped-def]
    found = json.loads(run("info", "--data", folder, "--json").out)
    fields = {row["field"]: row for row in found["fields"]}
    assert fields["close"] == {"field": "close", "type": "float64", "bytes": 23 * 3 * 8}
    assert fields["st"]["type"] == "uint8" and fields["limit_up"]["type"] == "int32"
    assert found["members_with_bar"] == 1.0 and len(found["fingerprint"]) == 64
    text = run("info", "--data", folder).out
    assert "23 sessions x 3 stocks, 2019-12-16 .. 2020-01-16" in text and "limit_down" in text


def test_check_exits_1_if_something_is_fatal_and_writes_the_page(run, folder: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = run("check", "--data", folder, "--html", tmp_path / "page.html")
    assert done.code == 1 and any(line.startswith("fatal") and "mean price" in line for line in done.out.splitlines())
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert "Do not use these data as they are" in (tmp_path / "page.html").read_text()
    done = run("check", "--data", "synthetic:stocks=30,start=2019-01-02,end=2020-06-30", "--json")
    found = json.loads(done.out)
    assert done.code == 0 and found["worst"] in ("ok", "note", "warning")
    assert found["findings"][0]["says"] == "every file is as its feed wrote it"


def test_check_says_why_a_folder_cannot_be_opened(run, folder: Path) -> None:  # type: ignore[no-untyped-def]
    (folder / "ex_rights_events.parquet").unlink()
    done = run("check", "--data", folder)
    assert done.code == 1 and "has no file 'ex_rights_events.parquet'" in done.out


def test_import_brings_in_members_and_bars(run, folder: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "list.csv").write_text("symbol,in_date\n600000,2019-12-16\n")
    done = run("import", "constituents", tmp_path / "list.csv", "--index", "sse50", "--data", folder)
    assert done.out == "000016: 1 memberships\n" and done.code == 0
    assert "000016" in run("sql", "select distinct index_code from constituents", "--data", folder).out
    (tmp_path / "in").mkdir()
    plain = small_tables()["daily_bars"].drop(columns=["turnover", "is_st"])
    plain.assign(amount=plain["volume"] * plain["close"]).to_csv(tmp_path / "in" / "bars.csv", index=False)
    done = run("import", "bars", tmp_path / "in", "--data", tmp_path / "new")
    assert done.code == 0 and "tables written into" in done.out
    assert run("sql", "select count(*) n from daily_bars", "--data", tmp_path / "new").out.split() == ["n", "69"]
    done = run("import", "bars", tmp_path / "in", "--data", tmp_path / "new")
    assert done.code == 2 and "is not empty; give a new folder" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sql", "from calender", "--data", "{folder}"), "did you mean 'calendar'"),
        (("describe", "nowhere"), "error: there is no folder 'nowhere'"),
        (("import", "members", "x.csv", "--data", "{folder}"), "error: 'members' cannot be imported"),
        (("import", "constituents", "x.csv", "--data", "{folder}"), "error: there is no file 'x.csv'"),
        (("check", "--data", "{folder}", "--html", "{folder}/no/page.html"), "cannot be written: there is no folder"),
        (("import", "bars", "{folder}", "--data", "{folder}/calendar.parquet"), "is not empty; give a new folder"),
        (("info", "--data", "synthetic:stocks=30", "--universe", "../../x"), "error: unknown universe '../../x'"),
        (("describe", "{folder}", "--mapping", "{folder}"), "cannot be read (Is a directory)"),
    ],
)
def test_a_mistake_is_one_sentence(run, folder: Path, arguments: tuple[str, ...], message: str) -> None:  # type: ignore[no-untyped-def]
    done = run(*(text.format(folder=folder) for text in arguments))
    assert done.code == 2 and message in done.err and len(done.err.splitlines()) == 1
