"""Computed factors are kept by content, appended by session and computed anew when anything under them changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factor_panels import library
from noisy_folder import few_stocks

from engine.errors import DataError
from engine.market import Market
from feeds.sources import data_folder
from feeds.store import open_market
from signals.factors import cache as cache_module
from signals.factors import fama_french
from signals.factors.cache import FactorCache
from signals.factors.cache_book import series_of, text_of
from signals.factors.cache_history import History
from signals.factors.panel import FactorPanel, month_ends
from signals.factors.registry import Factor, get


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small data folder, and a cache."""
    place = tmp_path_factory.mktemp("world")
    source = data_folder("synthetic:stocks=100,seed=3", place)
    symbols = sorted(pd.read_parquet(source / "securities.parquet")["symbol"])[:25]
    return few_stocks(source, place / "true", symbols, range(2012, 2016)), place / "cache"


@pytest.fixture
def open_at(world: tuple[Path, Path]) -> Callable[..., Market]:
    def open_at(end: str, **more: Any) -> Market:
        return open_market(str(world[0]), universe="all", start="2013-01-04", end=end, cache=world[1], **more)

    return open_at


NAMES = ("return_1m", "turnover_1m", "macd_30_10_15", "ep")


@pytest.fixture
def factors() -> list[Factor]:
    return [get(name) for name in NAMES]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def test_a_second_call_computes_nothing_and_gives_the_same_bits(
    open_at: Callable[..., Market], factors: list[Factor], tmp_path: Path
) -> None:
    cache, market = FactorCache(tmp_path), open_at("2015-06-30")
    rows = month_ends(market.sessions, "2013-01-04")
    first = cache.values(market, factors, rows, schedule="monthly")
    assert cache.computed == list(NAMES) and cache.appended == []
    again = FactorCache(tmp_path)
    second = again.values(open_at("2015-06-30"), factors, rows, schedule="monthly")
    assert again.computed == again.appended == []
    for one in factors:
        assert same(first[one.name], second[one.name]) and same(second[one.name], one(FactorPanel(market, rows)))
        assert not second[one.name].flags.writeable


def test_a_new_day_is_appended_to_every_factor_with_the_bits_of_the_whole_history(
    open_at: Callable[..., Market], factors: list[Factor], tmp_path: Path
) -> None:
    cache = FactorCache(tmp_path)
    old, new = open_at("2015-06-29"), open_at("2015-06-30")
    cache.values(old, factors)
    found = cache.values(new, factors)
    assert cache.computed == [] and cache.appended == list(NAMES)
    for one in factors:
        assert same(found[one.name], one(FactorPanel(new)))


def test_the_last_look_of_a_month_that_went_on_is_replaced(
    open_at: Callable[..., Market], factors: list[Factor], tmp_path: Path
) -> None:
    cache = FactorCache(tmp_path)
    for end in ("2015-06-15", "2015-07-10"):
        market = open_at(end)
        rows = month_ends(market.sessions, "2013-01-04")
        found = cache.values(market, factors, rows, schedule="monthly")
    assert cache.appended == list(NAMES)
    for one in factors:
        assert same(found[one.name], one(FactorPanel(market, rows)))


def test_a_change_of_history_computes_what_reads_it_and_nothing_else(
    world: tuple[Path, Path], factors: list[Factor], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    symbols = sorted(pd.read_parquet(world[0] / "securities.parquet")["symbol"])
    few_stocks(world[0], folder, symbols, range(2012, 2016))
    options: dict[str, Any] = {"universe": "all", "start": "2013-01-04", "cache": tmp_path / "markets"}
    cache = FactorCache(tmp_path / "factors")
    cache.values(open_market(str(folder), end="2015-06-29", **options), factors)
    path = folder / "daily_bars" / "2014.parquet"
    bars = pd.read_parquet(path)
    bars["turnover"] = (bars["turnover"] * 1.01).astype(bars["turnover"].dtype)
    bars.to_parquet(path, index=False)
    market = open_market(str(folder), end="2015-06-30", **options)
    found = cache.values(market, factors)
    assert cache.computed == ["turnover_1m"]
    for one in factors:
        assert same(found[one.name], one(FactorPanel(market)))


@pytest.fixture(scope="module")
def listing(world: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Market]:
    """A folder in which a stock, not the last of the list, has its first bar on 2015-06-29, and another is halted."""
    place = tmp_path_factory.mktemp("listing")
    symbols = sorted(pd.read_parquet(world[0] / "securities.parquet")["symbol"])
    late, halted = symbols[7], symbols[11]
    folder = few_stocks(world[0], place / "data", symbols, range(2012, 2016))
    for path in sorted((folder / "daily_bars").glob("*.parquet")):
        bars = pd.read_parquet(path)
        gone = ((bars["symbol"] == late) & (bars["date"] < "2015-06-29")) | (
            (bars["symbol"] == halted) & bars["date"].between("2015-06-26", "2015-06-30")
        )
        bars[~gone].to_parquet(path, index=False)

    def open_at(end: str) -> Market:
        market = open_market(str(folder), universe="all", start="2013-01-04", end=end, cache=place / "markets")
        market.fingerprint += end  # as if the files had grown by a session: what is kept is held to its history
        return market

    assert late not in open_at("2015-06-26").symbols and late in open_at("2015-06-29").symbols[:-1]
    return open_at


@pytest.mark.parametrize("schedule", ["monthly", "daily"])
def test_every_factor_goes_on_over_listings_halts_and_ends_of_months_with_the_bits_of_the_whole_history(
    listing: Callable[[str], Market], tmp_path: Path, schedule: str
) -> None:
    cache = FactorCache(tmp_path)
    for end in ("2015-06-25", "2015-06-26", "2015-06-29", "2015-07-02", "2015-07-03"):
        market = listing(end)
        first = int(market.position_of("2015-05-04"))
        rows = month_ends(market.sessions) if schedule == "monthly" else np.arange(first, len(market.sessions))
        whole = FactorPanel(market, rows)
        there = [one for one in library() if not one.missing(whole)]
        found = cache.values(market, there, rows, schedule=schedule)
        if end != "2015-06-25":
            assert cache.computed == [] and len(cache.appended) == len(there) > 350
        wrong = [one.name for one in there if not same(found[one.name], one(whole))]
        assert wrong == []


def test_the_daily_series_under_a_factor_go_on_from_the_last_whole_month(
    open_at: Callable[..., Market], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formed: list[int] = []
    month = fama_french._month

    def counted(*args: Any) -> np.ndarray:
        formed.append(1)
        return month(*args)

    monkeypatch.setattr(fama_french, "_month", counted)
    one, cache = get("ff3_residual_std_3m"), FactorCache(tmp_path)
    for end, at_most in (("2015-05-29", 50), ("2015-06-29", 2), ("2015-06-30", 2)):
        market = open_at(end)
        formed.clear()
        found = cache.values(market, [one], month_ends(market.sessions), schedule="monthly")
        assert 0 < len(formed) <= at_most
    assert cache.appended == [one.name]
    assert same(found[one.name], one(FactorPanel(market, month_ends(market.sessions))))


def test_a_series_in_the_book_keeps_its_bits() -> None:
    series = np.array([[0.1, np.nan, -0.0], [1e-300, np.inf, 3.0]])
    np.testing.assert_array_equal(series_of(text_of(series)).view(np.uint64), series.view(np.uint64))


def test_no_file_of_values_is_written_when_a_stock_lists_in_a_month_that_goes_on(
    listing: Callable[[str], Market], factors: list[Factor], tmp_path: Path
) -> None:
    cache = FactorCache(tmp_path)
    old, new = listing("2015-06-26"), listing("2015-06-29")
    cache.values(old, factors, month_ends(old.sessions), schedule="monthly")
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.f64") if "tips" not in path.name}
    before = cache.values(old, factors, month_ends(old.sessions), schedule="monthly")
    told = {name: values.copy() for name, values in before.items()}
    cache.values(new, factors, month_ends(new.sessions), schedule="monthly")
    assert len(cache.appended) == len(factors) == len(files)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.f64") if "tips" not in path.name}
    assert len(list(tmp_path.rglob("tips*"))) == 1, "the last rows of the day before are gone"
    assert all(same(before[name], told[name]) for name in told), "who has read values keeps them"


def test_touching_the_code_of_one_factor_computes_that_one_alone(
    open_at: Callable[..., Market], tmp_path: Path
) -> None:
    def file(scale: float) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(
            "from signals.factors.registry import factor\n"
            f"SCALE = {scale}\n"
            "def declare(name):\n"
            "    return factor(name, chinese='x', family='mine', direction=1, unit='x', inputs=('close',),\n"
            "                  lookback=1, source='mine')\n"
            "@declare('mine_one')\n"
            "def one(panel):\n"
            "    return panel.spread(panel.bars('close') * SCALE)\n"
            "@declare('mine_two')\n"
            "def two(panel):\n"
            "    return panel.spread(panel.bars('close') + 1.0)\n"
        )
        return path

    from signals.factors.registry import load_file

    market, cache = open_at("2015-06-30"), FactorCache(tmp_path / "factors")
    cache.values(market, load_file(file(2.0)))
    assert cache.computed == ["mine_one", "mine_two"]
    found = cache.values(market, load_file(file(3.0)))
    assert cache.computed == ["mine_one"]
    assert same(found["mine_one"], np.where(market.traded > 0, market.close * 3.0, np.nan))


@pytest.mark.parametrize("step", ["_put", "_tell"])
def test_a_write_that_is_cut_off_is_never_taken_for_values(
    open_at: Callable[..., Market], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    cache, one = FactorCache(tmp_path), get("macd_30_10_15")
    cache.values(open_at("2015-06-15"), [one], month_ends(open_at("2015-06-15").sessions), schedule="monthly")
    market = open_at("2015-07-10")
    rows = month_ends(market.sessions)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache_module._Work, step, killed)
        with pytest.raises(KeyboardInterrupt):
            cache.values(market, [one], rows, schedule="monthly")
    assert same(cache.values(market, [one], rows, schedule="monthly")[one.name], one(FactorPanel(market, rows)))
    assert cache.appended == [one.name], "what was told before is there"


@pytest.mark.parametrize("file", ["return_1m*.f64", "tips*.f64", "book.json"])
def test_a_file_that_was_cut_is_computed_again(open_at: Callable[..., Market], tmp_path: Path, file: str) -> None:
    cache, one, market = FactorCache(tmp_path), get("return_1m"), open_at("2015-06-15")
    cache.values(market, [one])
    cut = next(tmp_path.rglob(file))
    cut.write_bytes(cut.read_bytes()[:-8])
    assert same(cache.values(market, [one])["return_1m"], one(FactorPanel(market)))
    assert cache.computed == ["return_1m"]


def test_factors_that_others_have_told_meanwhile_stay(
    open_at: Callable[..., Market], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market, mine, theirs = open_at("2015-06-15"), get("return_1m"), get("turnover_1m")
    put = cache_module._Work.take

    def meanwhile(work: Any, *rest: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(cache_module._Work, "take", put)
            FactorCache(tmp_path).values(market, [theirs])
        put(work, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(cache_module._Work, "take", meanwhile)
        FactorCache(tmp_path).values(market, [mine])
    cache = FactorCache(tmp_path)
    cache.values(market, [mine, theirs])
    assert cache.computed == []


def test_a_folder_that_cannot_be_written_is_named(open_at: Callable[..., Market], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataError, match="factor cache cannot be written into .*file.*HUICE_CACHE"):
        FactorCache(blocked).values(open_at("2015-06-15"), [get("return_1m")])


def test_the_hash_of_a_history_grows_by_its_new_sessions_and_leaves_out_stocks_that_have_not_begun() -> None:
    from signals.factors.packing import first_bars, mix_cells

    rng = np.random.default_rng(0)
    traded = (rng.random((40, 6)) < 0.8).astype(np.uint8)
    traded[:30, 5] = 0
    words = rng.integers(0, 2**60, (40, 6)).astype(np.uint64)
    first, keys = first_bars(traded), rng.integers(0, 2**60, 6).astype(np.uint64)
    assert first.tolist() == [int(np.flatnonzero(column)[0]) for column in traded.T]
    whole = int(mix_cells(words, first, keys, 0, 40))
    parts = [int(mix_cells(words, first, keys, begin, end)) for begin, end in ((0, 25), (25, 40))]
    assert sum(parts) % 2**64 == whole
    before = int(mix_cells(words, first, keys, 0, 30))
    assert before == int(mix_cells(words[:, :5], first[:5], keys[:5], 0, 30))
    changed = words.copy()
    changed[12, 3] ^= np.uint64(1)
    assert int(mix_cells(changed, first, keys, 0, 30)) != before


def test_the_hash_of_the_dated_tables_counts_the_rows_that_tell_something_by_then(
    world: tuple[Path, Path], tmp_path: Path
) -> None:
    symbols = sorted(pd.read_parquet(world[0] / "securities.parquet")["symbol"])
    folder = few_stocks(world[0], tmp_path / "data", symbols, range(2012, 2016))
    path = folder / "name_history.parquet"
    names = pd.read_parquet(path)
    day = pd.Series(["2015-06-29"]).astype(names["start_date"].dtype)[0]

    def hashed(rows: pd.DataFrame, end: str = "2015-06-30") -> str:
        rows.to_parquet(path, index=False)
        market = open_market(str(folder), universe="all", start="2013-01-04", end=end, cache=tmp_path / "markets")
        history = History(market)
        history.past("tables", 100)  # what comes after is added to it
        return history.past("tables", int(np.searchsorted(market.sessions, np.datetime64("2015-06-29"))))

    def with_name(name: str, start: Any) -> pd.DataFrame:
        return pd.DataFrame([{**names.iloc[0].to_dict(), "name": name, "start_date": start}]).astype(names.dtypes)

    plain = hashed(names)
    assert hashed(names, "2015-06-29") == plain
    assert hashed(pd.concat([names, with_name("later", day + pd.Timedelta(days=1))])) == plain
    told = hashed(pd.concat([names, with_name("told", day)]))
    assert told != plain
    assert hashed(pd.concat([names, with_name("overruled", day), with_name("told", day)])) == told
    assert hashed(pd.concat([names, with_name("told", day), with_name("overruled", day)])) != told


def test_a_shorter_panel_takes_what_a_longer_one_has_packed_with_the_same_bits(open_at: Callable[..., Market]) -> None:
    market = open_at("2015-06-30")
    rows = [len(market.sessions) - 1]
    longer = FactorPanel(market, rows, tail=50)
    for tail in (8, 80):
        longer.bars("close")
        along, alone = FactorPanel(market, rows, tail=tail, along=longer), FactorPanel(market, rows, tail=tail)
        assert same(along.bars("close"), alone.bars("close")) and len(alone.bars("close"))


def test_the_last_bars_of_a_stock_begin_where_it_has_so_many() -> None:
    from signals.factors.packing import last_bars

    rng = np.random.default_rng(1)
    traded = (rng.random((500, 9)) < 0.7).astype(np.uint8)
    traded[:450, 2] = 0
    wanted = np.arange(9) != 4
    begin = last_bars(traded, wanted, 470, 70)
    for i in range(9):
        bars = np.flatnonzero(traded[:470, i])
        assert begin[i] == (bars[max(0, len(bars) - 70)] if wanted[i] else 500)
