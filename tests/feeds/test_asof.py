"""The as-of join against a search row by row."""

from __future__ import annotations

import numpy as np
import pytest

from feeds.asof import AsOf, gather, spells


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def by_hand(keys: np.ndarray, since: np.ndarray, key: int, day: np.datetime64) -> int:
    """The last row of the key whose day is the latest one not after ``day``."""
    best = -1
    for row in range(len(keys)):
        fits = keys[row] == key and not np.isnat(since[row]) and since[row] <= day
        if fits and (best < 0 or since[row] >= since[best]):
            best = row
    return best


@pytest.mark.parametrize("seed", range(5))
def test_the_join_finds_what_a_search_by_hand_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 200
    keys = rng.integers(-1, 6, rows)
    since = np.datetime64("1969-06-01") + rng.integers(0, 400, rows)
    since[rng.random(rows) < 0.1] = np.datetime64("NaT")
    join = AsOf(keys, since)
    asked = np.datetime64("1969-05-25") + np.arange(0, 420, 7)
    found = join.find(np.arange(-1, 7)[None, :], asked[:, None])
    for d, day in enumerate(asked):
        for k, key in enumerate(range(-1, 7)):
            assert found[d, k] == (-1 if key < 0 else by_hand(keys, since, key, day)), (key, day)


def test_the_join_finds_what_duckdb_finds() -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(7)
    rows = pd.DataFrame({"key": rng.integers(0, 40, 2000), "day": rng.integers(0, 3000, 2000)})
    rows = rows.drop_duplicates(ignore_index=True)
    rows["row"] = np.arange(len(rows))
    asked = pd.DataFrame({"key": np.tile(np.arange(42), 60), "day": np.repeat(np.arange(0, 3000, 50), 42)})
    link = duckdb.connect()
    link.register("rows", rows)
    link.register("asked", asked)
    found = link.execute(
        "select coalesce(r.row, -1) from asked a asof left join rows r on a.key = r.key and a.day >= r.day "
        "order by a.day, a.key"
    ).fetchall()
    ours = AsOf(rows["key"].to_numpy(), rows["day"].to_numpy()).find(asked["key"].to_numpy(), asked["day"].to_numpy())
    assert ours.tolist() == [row[0] for row in found]


def test_of_two_rows_of_a_day_the_later_one_in_the_table_counts() -> None:
    join = AsOf(np.array([3, 3]), days("2020-01-02", "2020-01-02"))
    assert join.find(np.array([3]), days("2020-01-02")).tolist() == [1]


def test_an_empty_table_knows_nothing() -> None:
    join = AsOf(np.zeros(0, int), np.zeros(0, "datetime64[D]"))
    assert join.find(np.array([[0, 1]]), days("2020-01-01")[:, None]).tolist() == [[-1, -1]]


def test_spells_count_how_many_are_open() -> None:
    keys = np.array([0, 0, 1, 0])
    first = days("2020-01-02", "2020-01-05", "2020-01-01", "2020-02-01")
    end = days("2020-01-10", "2020-01-07", "NaT", "NaT")
    steps, count = spells(keys, first, end)
    asked = days("2020-01-01", "2020-01-02", "2020-01-06", "2020-01-08", "2020-01-10", "2020-02-01", "2030-01-01")
    places = steps.places(np.array([[0, 1, 2]]), asked[:, None])
    found = np.append(count, 0)[places]
    assert found[:, 0].tolist() == [0, 1, 2, 1, 0, 1, 1]
    assert found[:, 1].tolist() == [1] * 7
    assert found[:, 2].tolist() == [0] * 7


def test_gather_gives_the_empty_value_of_the_type() -> None:
    rows = np.array([1, -1])
    assert gather(np.array([1, 2]), rows)[0] == 2.0 and np.isnan(gather(np.array([1, 2]), rows)[1])
    assert gather(np.array(["a", "b"], object), rows).tolist() == ["b", None]
    assert gather(np.array([False, True]), rows).tolist() == [True, False]
    assert np.isnat(gather(days("2020-01-01", "2020-01-02"), rows)[1])
