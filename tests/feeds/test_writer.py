"""The writer of the store: checked, atomic, with a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_data import Tables

from engine.errors import DataError
from feeds import schema, writer
from feeds.manifest import Manifest, describe
from feeds.store import open_market
from feeds.table_checks import canonical, columns_of, find_failures, frame_schema
from feeds.writer import StoreWriter


def write_all(folder: Path, tables: Tables) -> Manifest:
    store = StoreWriter(folder, "test", {"universe": "all"})
    for name, frame in tables.items():
        store.write(name, frame)
    return store.finish()


def test_what_the_writer_writes_opens_as_a_market(tables: Tables, tmp_path: Path) -> None:
    shuffled = {name: frame.sample(frac=1, random_state=1) for name, frame in tables.items()}
    write_all(tmp_path / "data", shuffled)
    market = open_market(str(tmp_path / "data"), universe="csi300", start="2020-01-02", cache=tmp_path / "cache")
    assert market.shape == (23, 3) and market.info["coverage"] == 1.0
    years = sorted(path.name for path in (tmp_path / "data" / "daily_bars").iterdir())
    assert years == ["2019.parquet", "2020.parquet"]


def test_the_manifest_says_source_parameters_time_rows_and_fingerprint(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1577934245")
    write_all(tmp_path, tables)
    found = json.loads((tmp_path / "manifest.json").read_text())
    entry = found["files"]["daily_bars/2019.parquet"]
    assert entry["source"] == "test" and entry["parameters"] == {"universe": "all"}
    assert entry["time"] == "2020-01-02T03:04:05Z"
    assert entry["rows"] == 36 and entry["columns"][:2] == ["date", "symbol"] and len(entry["sha256"]) == 64
    assert found["fingerprint"] == Manifest.read(tmp_path).fingerprint and len(found["fingerprint"]) == 64


def test_the_manifest_notices_changed_missing_and_foreign_files(tables: Tables, tmp_path: Path) -> None:
    manifest = write_all(tmp_path, tables)
    assert manifest.changed(tmp_path) == {}
    (tmp_path / "calendar.parquet").unlink()
    (tmp_path / "own.parquet").write_bytes((tmp_path / "securities.parquet").read_bytes())
    tables["name_history"].iloc[:1].to_parquet(tmp_path / "name_history.parquet")
    assert Manifest.read(tmp_path).changed(tmp_path) == {
        "calendar.parquet": "missing", "name_history.parquet": "changed", "own.parquet": "not in the manifest"
    }  # fmt: skip


def test_a_second_feed_keeps_what_the_manifest_says_of_other_files(tables: Tables, tmp_path: Path) -> None:
    write_all(tmp_path, tables)
    other = StoreWriter(tmp_path, "other")
    other.write("calendar", tables["calendar"])
    entries = other.finish().entries
    assert entries["calendar.parquet"]["source"] == "other" and entries["securities.parquet"]["source"] == "test"


def test_a_spoilt_manifest_is_named(tmp_path: Path) -> None:
    for text in ("{", "[1]", '{"format": 1, "files": {"a": {}}}', '{"format": 2, "files": {}}',
                 '{"format": 1, "files": {"a": {"sha256": 5, "parameters": {}}}}',
                 '{"format": 1, "files": {"a": {"sha256": "5", "parameters": {"notes": 3}}}}'):  # fmt: skip
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(DataError, match="manifest.json cannot be read.*delete it"):
            Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("close", -1.0, "daily_bars/2020.parquet: close must not be below low at 2020-01-02 000001.SZ"),
        ("preclose", np.nan, "column 'preclose' must not be empty at 2020-01-02 000001.SZ"),
        ("preclose", np.inf, "column 'preclose' must be finite and is inf"),
        ("symbol", "1.SZ", "column 'symbol' must be six digits, a dot, SH, SZ or BJ and is 1.SZ"),
        ("volume", -5, "column 'volume' must be 0 or more and is -5"),
        ("adj_factor", 0.0, "column 'adj_factor' must be above 0 and is 0.0"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    tables: Tables, tmp_path: Path, column: str, value: object, says: str
) -> None:
    bars = tables["daily_bars"]
    row = bars.index[(bars["date"] == "2020-01-02") & (bars["symbol"] == "000001.SZ")]
    bars.loc[row, column] = value
    with pytest.raises(DataError) as caught:
        StoreWriter(tmp_path, "test").write("daily_bars", bars)
    assert says in str(caught.value)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_row_that_is_there_twice_is_refused(tables: Tables, tmp_path: Path) -> None:
    bars = pd.concat([tables["daily_bars"], tables["daily_bars"].iloc[:1]])
    with pytest.raises(DataError, match="the same row is there twice at 2019-12-16 000001.SZ"):
        StoreWriter(tmp_path, "test").write("daily_bars", bars)


def test_a_process_that_dies_leaves_the_old_table(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path, tables)
    before = (tmp_path / "calendar.parquet").read_bytes()

    def dies(table: object, where: Path, **options: object) -> None:
        Path(where).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pyarrow.parquet.write_table", dies)
    with pytest.raises(KeyboardInterrupt):
        writer.write_parquet(tmp_path / "calendar.parquet", tables["calendar"].iloc[:3])
    assert (tmp_path / "calendar.parquet").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_pandera_schema_carries_the_units_and_agrees_with_the_arrays_schema(tables: Tables) -> None:
    for name in schema.TABLES:
        made = frame_schema(name)
        for column, about in schema.TABLES[name].items():
            assert made.columns[column].description == about.unit and made.columns[column].required
    for name, frame in tables.items():
        assert find_failures(name, canonical(name, frame)) == []


def test_a_table_of_fundamentals_may_have_any_figures_and_an_unknown_table_is_refused() -> None:
    assert set(columns_of("fundamentals_mine")[0]) == {"symbol", "period_end"}
    with pytest.raises(DataError, match="no table 'calender'; did you mean 'calendar'"):
        columns_of("calender")


def test_types_are_the_stores_whatever_the_frame_had(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": ["2020-01-03", "2020-01-02"], "yield_pct": ["2.5", "3"], "note": ["a", "b"]})
    store = StoreWriter(tmp_path, "test")
    store.write("cn_gov_bond_10y", frame)
    found = pq.read_table(tmp_path / "cn_gov_bond_10y.parquet")
    assert [str(kind) for kind in found.schema.types] == ["timestamp[ms]", "double", "large_string"]
    assert found["date"].to_pylist()[0].day == 2
    with pytest.raises(DataError, match="column 'yield_pct' does not hold a number"):
        store.write("cn_gov_bond_10y", frame.assign(yield_pct=["2.5", "high"]))


def test_describe_writes_the_manifest_of_tables_that_a_feed_wrote_itself(tables: Tables, tmp_path: Path) -> None:
    tables["calendar"].to_parquet(tmp_path / "calendar.parquet", index=False)
    describe(tmp_path, "own", {"seed": 1})
    assert Manifest.read(tmp_path).entries["calendar.parquet"]["parameters"] == {"seed": 1}


def test_a_link_that_leads_out_of_the_folder_is_no_table(tables: Tables, tmp_path: Path) -> None:
    tables["calendar"].to_parquet(tmp_path / "outside.parquet", index=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "calendar.parquet").symlink_to(tmp_path / "outside.parquet")
    assert describe(tmp_path / "data", "own", {}).entries == {}
