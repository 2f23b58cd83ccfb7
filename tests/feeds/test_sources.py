"""A fourth source is an entry point away, and writes the same tables as the others."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_data import small_tables

from engine import plugins
from engine.errors import ConfigError, DataError
from feeds.convert import FilesFeed
from feeds.manifest import Manifest
from feeds.store import open_market
from feeds.writer import StoreWriter


class Mine:
    """A source of one's own: the small tables, the first ``stocks`` of them."""

    written = 0
    edition = "1"

    def __init__(self, stocks: int = 3) -> None:
        self.stocks = stocks

    def version(self) -> str:
        return self.edition

    def write(self, target: Path) -> None:
        type(self).written += 1
        tables = small_tables()
        kept = sorted(tables["securities"]["symbol"])[: self.stocks]
        store = StoreWriter(target, "mine", {"stocks": self.stocks})
        for name, frame in tables.items():
            store.write(name, frame[frame["symbol"].isin(kept)] if "symbol" in frame else frame)
        store.finish()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = types.ModuleType("my_source_for_tests")
    module.Mine = Mine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_source_for_tests", module)
    point = types.SimpleNamespace(name="mine", value="my_source_for_tests:Mine")
    monkeypatch.setattr(plugins, "_entry_points", lambda kind: [point] if kind == "feed" else [])
    monkeypatch.setattr(plugins, "source_digest", lambda cls: "digest")
    monkeypatch.setattr(Mine, "written", 0)
    yield


def test_a_feed_of_an_entry_point_is_a_data_source_by_its_name(installed: None, tmp_path: Path) -> None:
    options: dict[str, Any] = {"universe": "all", "cache": tmp_path}
    assert open_market("mine", **options).shape == (23, 3)
    assert open_market("mine:stocks=2", **options).shape == (23, 2)
    assert open_market("mine:stocks=2", **options).shape == (23, 2)
    assert Mine.written == 2
    entries = [Manifest.read(folder).entries["calendar.parquet"] for folder in tmp_path.glob("feed-*")]
    assert sorted(entry["parameters"]["stocks"] for entry in entries) == [2, 3]


def test_a_new_version_of_its_data_is_written_again(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_market("mine", universe="all", cache=tmp_path)
    monkeypatch.setattr(Mine, "edition", "2")
    open_market("mine", universe="all", cache=tmp_path)
    assert Mine.written == 2


def test_a_mistake_in_its_name_or_parameters_is_named(installed: None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="feed 'mine' has no parameter 'stock'; did you mean 'stocks'"):
        open_market("mine:stock=2", universe="all", cache=tmp_path)
    with pytest.raises(DataError, match="there is no data folder 'min'"):
        open_market("min", universe="all", cache=tmp_path)


def test_files_are_a_feed_like_any_other(tmp_path: Path) -> None:
    assert plugins.resolve("feed", "files") is FilesFeed
    (tmp_path / "in").mkdir()
    bars = small_tables()["daily_bars"].drop(columns=["turnover"])
    bars.assign(amount=bars["volume"] * bars["close"]).to_feather(tmp_path / "in" / "bars.feather")
    FilesFeed(str(tmp_path / "in")).write(tmp_path / "out")
    assert Manifest.read(tmp_path / "out").entries["calendar.parquet"]["source"] == "files"
    assert open_market(str(tmp_path / "out"), universe="all", cache=tmp_path / "cache").shape == (23, 3)


def test_a_folder_with_a_mapping_is_a_data_source_and_a_changed_mapping_counts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bars = small_tables()["daily_bars"].drop(columns=["turnover", "amount"])
    bars = bars.rename(columns={"date": "d", "volume": "v"})
    bars["is_st"] = bars["symbol"] == "600000.SH"
    bars.to_csv(tmp_path / "in" / "bars.csv", index=False)
    mapping = tmp_path / "my.toml"
    data = f"files:folder={tmp_path / 'in'},mapping={mapping}"
    for lots in (1, 100):
        mapping.write_text(
            'layout = "plain"\nadjusted = "no"\n[columns]\ndate = "d"\nvolume = "v * ' + f'{lots}"\n', encoding="utf-8"
        )
        market = open_market(data, universe="all", cache=tmp_path / "cache")
        assert market.volume[0, 0] == 100.0 * lots and market.st[0].tolist() == [0, 0, 1]
    with pytest.raises(DataError, match="there is no folder 'nowhere'; write it like files:folder="):
        open_market("files:folder=nowhere", universe="all", cache=tmp_path / "cache")
