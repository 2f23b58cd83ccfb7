"""Arrays that are filled a year at a time, in memory or in the files of a cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_data import Tables

from engine.market import FIELDS, Market
from feeds import bar_arrays, panel
from feeds.bar_arrays import BarTarget
from feeds.store import open_market

Write = Callable[[Tables], Path]

PLACE = np.array([0, 4])


def fill(target: BarTarget) -> BarTarget:
    """Three sessions of two stocks in two years: one session, then two."""
    target.begin(3)
    for name in target.fields:
        values = np.array([True, False]) if name == "st" else np.array([5, 7])
        target.put(name, slice(0, 1), PLACE[:1], values[:1])
        target.put(name, slice(1, 3), PLACE[:1] + 3, values[1:])
    target.finish()
    return target


def test_a_cell_without_a_bar_is_nan_or_no_flag() -> None:
    arrays = fill(BarTarget(["a", "b"], ["open", "st"])).arrays
    np.testing.assert_array_equal(arrays["open"], [[5.0, np.nan], [np.nan, np.nan], [np.nan, 7.0]])
    assert arrays["st"].tolist() == [[1, 0], [0, 0], [0, 0]] and arrays["st"].dtype == np.uint8


def test_divisors_work_in_double_precision() -> None:
    arrays = fill(BarTarget(["a", "b"], ["turnover"], {"turnover": 100.0})).arrays
    assert arrays["turnover"][0, 0] == 0.05 and arrays["turnover"][2, 1] == 0.07


def test_a_field_on_disk_is_the_file_that_numpy_would_save(tmp_path: Path) -> None:
    memory = fill(BarTarget(["a", "b"], ["open", "close"]))
    disk = fill(BarTarget(["a", "b"], ["open", "close"], {}, tmp_path / "new", ("open",)))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["open.npy"]
    np.save(tmp_path / "saved.npy", memory.arrays["open"])
    assert (tmp_path / "new" / "open.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()
    np.testing.assert_array_equal(disk.arrays["open"], memory.arrays["open"])
    assert not disk.arrays["open"].flags.writeable and disk.arrays["open"].flags.c_contiguous


def test_a_mapped_field_outlives_its_folder(tmp_path: Path) -> None:
    disk = fill(BarTarget(["a", "b"], ["open"], {}, tmp_path / "old", ("open",)))
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "new" / "open.npy").unlink()
    assert disk.arrays["open"][2, 1] == 7.0


def test_the_saved_market_is_the_one_built_in_memory(
    write: Write, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tables)
    open_market(str(folder), universe="all", start="2020-01-02", cache=tmp_path / "one")
    monkeypatch.setattr(panel, "ON_DISK", ())
    open_market(str(folder), universe="all", start="2020-01-02", cache=tmp_path / "two")
    one, two = (next((tmp_path / name).glob("market-*")) for name in ("one", "two"))
    files = sorted(path.name for path in one.iterdir())
    assert files == sorted(path.name for path in two.iterdir()) and len(files) > len(FIELDS)
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize("where", ["begin", "put"])
def test_a_disk_that_is_full_costs_the_cache_and_not_the_result(
    write: Write, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = write(tables)
    whole = open_market(str(folder), universe="all", start="2020-01-02", cache=tmp_path / "one")
    true = getattr(BarTarget, where)

    def full(self: BarTarget, *args: object) -> None:
        if self.folder is not None:
            raise OSError(28, "No space left on device")
        true(self, *args)

    monkeypatch.setattr(bar_arrays.BarTarget, where, full)
    again = open_market(str(folder), universe="all", start="2020-01-02", cache=tmp_path / "two")
    assert not list((tmp_path / "two").glob("*market-*"))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert isinstance(again, Market) and again.fingerprint == whole.fingerprint
