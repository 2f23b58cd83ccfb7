"""SQL over the tables reads, and can do nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_data import Tables

from engine.errors import ConfigError, DataError
from feeds.query import query


@pytest.fixture
def folder(tables: Tables, write: Callable[[Tables], Path]) -> Path:
    return write(tables)


def test_every_table_is_a_view_and_bars_are_one_over_all_years(folder: Path) -> None:
    assert query(folder, "select count(*), min(date)::date::text from daily_bars").fetchall() == [(69, "2019-12-16")]
    names = {row[0] for row in query(folder, "SHOW TABLES").fetchall()}
    assert names == {path.stem for path in folder.glob("*.parquet")} | {"daily_bars"}


def test_an_asof_join_in_sql_gives_what_the_views_give(folder: Path) -> None:
    found = query(
        folder,
        "select n.name from (select '000001.SZ' as symbol, timestamp '2020-01-15' as start_date) q "
        "asof join name_history n using (symbol, start_date)",
    )
    assert found.fetchall() == [("平安银行",)]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("copy (select 1) to '{folder}/calendar.parquet'", "only reading is allowed here, not COPY"),
        ("with x as (copy (select 1) to '{folder}/calendar.parquet') select * from x", "only the tables can be read"),
        ("explain analyze copy (select 1) to '{folder}/new.parquet'", "only reading is allowed here, not EXPLAIN"),
        ("select * from read_text('{folder}/secret.txt')", "refuses the statement"),
        ("select * from read_parquet('{folder}/calendar.parquet')", "refuses the statement"),
        ("select * from glob('{folder}/*')", "refuses the statement"),
        ("from '{folder}/secret.txt'", "secret.txt"),
        ("create table t as select 1", "not CREATE"),
        ("drop view calendar", "not DROP"),
        ("attach '{folder}/x.db'", "not ATTACH"),
        ("set enable_external_access = true", "not SET"),
        ("install httpfs", "only reading is allowed here"),
        ("export database '{folder}/out'", "not EXPORT"),
        ("select 1; select 2", "2 statements were given"),
        ("", "no statement was given; give one SELECT"),
        ("select clsoe from daily_bars", 'did you mean "close"?'),
        ("from calendar where date = 'soon'", "write days like DATE '2020-01-31'"),
        ("select getenv('HOME')", "name getenv does not exist"),
        ("selec 1", "is no SQL"),
        ("from calender", "did you mean 'calendar'"),
    ],
)
def test_what_writes_or_leaves_the_tables_is_refused(folder: Path, statement: str, says: str) -> None:
    (folder / "secret.txt").write_text("secret")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError) as caught:
        query(folder, statement.format(folder=folder)).fetchall()
    assert says in str(caught.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_statement_that_needs_too_much_memory_ends_and_writes_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("feeds.query.MOST_MEMORY", 0.02)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="^the statement needs more than 0.02 GB of memory; ask for fewer"):
        query(folder, "select a.i, b.i from range(3000) a(i), range(3000) b(i) order by a.i + b.i").fetchall()
    assert set(tmp_path.rglob("*")) == before


def test_local_variables_of_python_are_out_of_reach(folder: Path) -> None:
    with pytest.raises(ConfigError, match="have no table 'statement'"):
        query(folder, "select * from statement")


def test_a_folder_without_tables_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no table in"):
        query(tmp_path, "select 1")


def test_a_spoilt_table_is_named(folder: Path) -> None:
    (folder / "calendar.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read"):
        query(folder, "from calendar")
