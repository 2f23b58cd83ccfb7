"""Stylised facts: what they are, how far a synthetic market may be off, and that each measure counts right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.errors import DataError
from engine.market import Market
from feeds.calibration import (
    FACTS,
    FITTED,
    JUDGED,
    Sample,
    compare,
    half_of,
    halves,
    measure_real,
    measure_synthetic,
    within,
)
from feeds.file_feed import FileFeed
from feeds.store import open_market
from feeds.stylised_facts import (
    autocorrelation,
    kurtosis,
    measure,
    pairwise_correlation,
    rank_correlation,
)
from feeds.synthetic_feed import write_synthetic

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "data.py"

# Written down before the first parameter was fitted. A market is compared by its facts, each within a quarter of
# the real figure; shares and correlations, which can be near zero, within 0.02 where that is more.
QUARTER, SHARE = "quarter", "quarter or 0.02"
TOLERANCES = {
    "daily volatility": QUARTER,
    "spread of volatility": QUARTER,
    "kurtosis": QUARTER,
    "autocorrelation 1": SHARE,
    "autocorrelation 5": SHARE,
    "autocorrelation 20": SHARE,
    "autocorrelation of size 1": SHARE,
    "autocorrelation of size 5": SHARE,
    "autocorrelation of size 20": SHARE,
    "pairwise correlation": SHARE,
    "limit-up closes": SHARE,
    "limit-down closes": SHARE,
    "locked sessions": SHARE,
    "suspended": SHARE,
    "special treatment": SHARE,
    "new listings a year": SHARE,
    "daily range": QUARTER,
    "overnight variance": SHARE,
    "turnover p10": QUARTER,
    "turnover p50": QUARTER,
    "turnover p90": QUARTER,
    "turnover with size": SHARE,
    "turnover with volatility": SHARE,
    "turnover with the day's move": SHARE,
    "value p10": QUARTER,
    "value p50": QUARTER,
    "value p90": QUARTER,
    "Rank IC of size": SHARE,
    "Rank IC of reversal": SHARE,
    "Rank IC of turnover": SHARE,
    "Rank IC of volatility": SHARE,
    "Rank IC of momentum": SHARE,
    "spread of the Rank IC of size": QUARTER,
    "CSI 300 volatility": QUARTER,
    "CSI 500 volatility": QUARTER,
    "CSI 300 autocorrelation of size 1": SHARE,
    "stocks with an ex-date a year": SHARE,
    "dividend yield": QUARTER,
    "disclosure lag, annual report": QUARTER,
    "disclosure lag, other reports": QUARTER,
    "P/E of the CSI 300": QUARTER,
    "P/B of the CSI 300": QUARTER,
}


def test_the_tolerances_are_those_that_were_set_before_the_fit() -> None:
    assert {fact.name: fact.tolerance for fact in FACTS} == TOLERANCES
    assert len(FACTS) >= 20


def test_a_fact_is_inside_within_a_quarter_and_a_share_within_two_hundredths() -> None:
    assert within(0.025, 0.03, QUARTER) and not within(0.025, 0.032, QUARTER)
    assert within(-0.01, 0.009, SHARE) and not within(-0.01, 0.011, SHARE)
    assert within(0.40, 0.31, SHARE) and not within(0.40, 0.29, SHARE)
    assert not within(0.40, float("nan"), SHARE) and not within(float("nan"), 0.4, SHARE)


def test_halves_are_told_by_the_first_byte_of_the_sha256_of_the_symbol() -> None:
    # sha256sum says 07..., de... and d5...
    assert [half_of(symbol) for symbol in ("600519.SH", "000001.SZ", "300750.SZ")] == ["odd", "even", "odd"]
    codes = [f"{code:06d}.SH" for code in range(600000, 602000)]
    even, odd = halves(codes, "even"), halves(codes, "odd")
    assert sorted([*even, *odd]) == list(range(2000)) and 900 < len(even) < 1100


def test_fit_and_judgement_share_no_stock_and_no_session() -> None:
    assert {FITTED.half, JUDGED.half} == {"even", "odd"} and FITTED.last < JUDGED.first
    assert str(FITTED.first) == "2011-01-01" and str(FITTED.last) == "2016-12-31"
    assert str(JUDGED.first) == "2017-01-01" and str(JUDGED.last) == "2021-12-31"


def test_small_measures_give_what_a_hand_finds() -> None:
    swing = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])[:, None]
    assert autocorrelation(swing, 1)[0] == pytest.approx(-1.0)
    assert autocorrelation(swing, 2)[0] == pytest.approx(1.0)
    assert kurtosis(swing)[0] == pytest.approx(-2.0)  # 1 / 1 - 3
    assert kurtosis(np.array([0.0, 0, 0, 0, 0, 0, 3, -3])[:, None])[0] == pytest.approx(1.0)  # 162/8 / (18/8)^2 - 3
    gap = np.array([1.0, np.nan, 1.0, -1.0, np.nan, -1.0])[:, None]
    # mean 0, variance 1, one pair of neighbours: 1 x -1
    assert autocorrelation(gap, 1)[0] == pytest.approx(-1.0)
    one, two = np.arange(12.0), np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10])
    assert rank_correlation(one, two) == pytest.approx(1 - 6 * 2 / (12 * 143))
    assert np.isnan(rank_correlation(one[:9], two[:9]))
    tied = np.array([1.0, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    assert rank_correlation(tied, np.arange(10.0)) == pytest.approx(
        pd.Series(tied).corr(pd.Series(np.arange(10.0)), method="spearman")
    )


def test_the_pairwise_correlation_is_the_mean_over_all_pairs_of_a_year() -> None:
    rng = np.random.default_rng(2)
    days = np.arange("2018-01-01", "2018-04-11", dtype="datetime64[D]")
    returns = rng.standard_normal((100, 1)) + rng.standard_normal((100, 6))
    pairs = np.corrcoef(returns.T)[np.triu_indices(6, 1)]
    assert pairwise_correlation(returns, days) == pytest.approx(pairs.mean())
    holed = np.concatenate([returns, np.where(np.arange(100)[:, None] < 80, 1.0, np.nan)], axis=1)
    assert pairwise_correlation(holed, days) == pytest.approx(pairs.mean())  # too few bars to count
    assert np.isnan(pairwise_correlation(returns[:50], days[:50]))


def test_a_row_of_the_comparison_has_the_mean_of_the_seeds_and_says_how_many_are_inside() -> None:
    found = {seed: {"kurtosis": figure, "suspended": 0.01} for seed, figure in ((1, 1.0), (2, 2.0), (3, 3.9))}
    rows = {row["fact"]: row for row in compare({"kurtosis": 2.0, "suspended": 0.04}, found)}
    assert list(rows) == list(TOLERANCES)
    row = rows["kurtosis"]
    assert row["synthetic"] == pytest.approx(2.3) and row["inside"] is True and row["seeds_inside"] == 1
    assert rows["suspended"]["inside"] is False
    assert rows["suspended"]["moved"] is None
    moved = compare({"kurtosis": 2.0, "suspended": 0.04}, found, {"kurtosis": 2.4, "suspended": 0.01})
    assert [row["moved"] for row in moved if row["fact"] in ("kurtosis", "suspended")] == [False, True]
    assert rows["dividend yield"]["inside"] is None and np.isnan(rows["dividend yield"]["real"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for real data here: 60 stocks of another seed."""
    place = tmp_path_factory.mktemp("calibration") / "data"
    write_synthetic(place, seed=9, stocks=60, start="2015-06-01", end="2018-12-31")
    return place


@pytest.fixture(scope="module")
def market(folder: Path) -> Market:
    return open_market(str(folder), universe="all", cache=folder.parent / "cache")


FIRST, LAST = np.datetime64("2017-01-01"), np.datetime64("2018-12-31")


@pytest.fixture(scope="module")
def facts(market: Market, folder: Path) -> dict[str, float]:
    return measure(market, FileFeed(folder), np.arange(0, 60, 2), FIRST, LAST)


@pytest.fixture(scope="module")
def bars(market: Market, folder: Path) -> pd.DataFrame:
    """The same stocks and days, with the number of each bar since listing, by pandas."""
    paths = sorted((folder / "daily_bars").glob("*.parquet"))
    whole = pd.concat([pd.read_parquet(path) for path in paths]).sort_values(["symbol", "date"])
    listed = whole["symbol"].map(pd.read_parquet(folder / "securities.parquet").set_index("symbol")["list_date"])
    old = listed < pd.Timestamp("2015-06-01")
    whole["age"] = whole.groupby("symbol").cumcount() + 1 + 1000 * old
    whole["move"] = whole["close"] / whole["preclose"] - 1
    return whole[whole["symbol"].isin(market.symbols[::2]) & (whole["date"] >= "2017-01-01")]


def test_every_fact_is_measured(facts: dict[str, float]) -> None:
    assert set(facts) == set(TOLERANCES) and np.isfinite(list(facts.values())).all()


def test_facts_of_returns_agree_with_pandas(facts: dict[str, float], bars: pd.DataFrame) -> None:
    ripe = bars[bars["age"] > 20].groupby("symbol").filter(lambda rows: len(rows) >= 120)
    spread = ripe.groupby("symbol")["move"].std(ddof=0)
    assert facts["daily volatility"] == pytest.approx(spread.median())
    assert facts["spread of volatility"] == pytest.approx(spread.quantile(0.9) / spread.quantile(0.1))
    night = (ripe["open"] / ripe["preclose"] - 1).groupby(ripe["symbol"]).var(ddof=0)
    assert facts["overnight variance"] == pytest.approx((night / spread**2).median())
    seasoned = bars[bars["age"] > 20]
    assert facts["daily range"] == pytest.approx((seasoned["high"] / seasoned["low"] - 1).median())


def test_facts_of_trading_agree_with_pandas(facts: dict[str, float], bars: pd.DataFrame, folder: Path) -> None:
    assert facts["special treatment"] == pytest.approx(bars["is_st"].mean())
    rate = np.where(bars["is_st"], 5, 10)
    fen = (bars["preclose"] * 100).round().astype(int)
    close = (bars["close"] * 100).round().astype(int)
    first = bars["age"] == 1
    up = np.where(first, (fen * 144 + 50) // 100, (fen * (100 + rate) + 50) // 100)
    down = np.where(first, (fen * 64 + 50) // 100, (fen * (100 - rate) + 50) // 100)
    assert facts["limit-up closes"] == pytest.approx((close == up).mean())
    assert facts["limit-down closes"] == pytest.approx((close == down).mean())
    locked = ((close == up) | (close == down)) & (bars["high"] == bars["low"])
    assert facts["locked sessions"] == pytest.approx(locked.mean())
    share = bars["turnover"][bars["age"] > 20].astype(float) / 100
    for name, q in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        assert facts[f"turnover {name}"] == pytest.approx(share.quantile(q), rel=1e-5)
    events = pd.read_parquet(folder / "ex_rights_events.parquet")
    mine = events[events["symbol"].isin(bars["symbol"].unique()) & (events["ex_date"] >= "2017-01-01")]
    cash = mine["cash_per_share_est"] / mine["prev_close"]
    assert facts["dividend yield"] == pytest.approx(cash[cash > 0].median())


def test_rank_ics_agree_with_pandas(facts: dict[str, float], market: Market) -> None:
    keep = slice(0, 60, 2)
    price = pd.DataFrame((market.mark * market.adj_factor)[:, keep])
    days = market.sessions
    month = days.astype("datetime64[M]")
    a = int(np.searchsorted(days, FIRST))
    ends = [t for t in range(a, len(days) - 1) if month[t] != month[t + 1]]
    value = pd.DataFrame((market.mark * market.total_shares)[:, keep]).ffill()
    past, far = price / price.shift(20) - 1, price.shift(20) / price.shift(240) - 1
    signals = {"reversal": past, "momentum": far, "size": value}
    for name, signal in signals.items():
        found = []
        for t, after in zip(ends, [*ends[1:], len(days) - 1], strict=True):
            able = (market.traded[t, keep] > 0) & (market.age[t, keep] >= 120) & (market.listed[after, keep] > 0)
            found.append(signal.iloc[t][able].corr((price.iloc[after] / price.iloc[t])[able], method="spearman"))
        assert facts[f"Rank IC of {name}"] == pytest.approx(np.mean(found)), name


def test_facts_of_indices_and_reports_agree_with_pandas(
    facts: dict[str, float], folder: Path, bars: pd.DataFrame
) -> None:
    levels = pd.read_parquet(folder / "index_daily.parquet")
    close = levels[(levels["index_code"] == "000300") & (levels["date"] >= "2017-01-01")]["close"]
    assert facts["CSI 300 volatility"] == pytest.approx(np.log(close).diff().std(ddof=0) * np.sqrt(243))
    told = pd.read_parquet(folder / "fundamentals_quarterly.parquet")
    told = told[told["symbol"].isin(bars["symbol"].unique()) & (told["period_end"] >= "2017-01-01")]
    days, annual = (told["announce_date"] - told["period_end"]).dt.days, told["period_end"].dt.month == 12
    assert facts["disclosure lag, annual report"] == days[annual].median()
    assert facts["disclosure lag, other reports"] == days[~annual].median()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "calibrate", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, "HUICE_DATA": "", **environment},
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_prints_every_fact_for_every_seed(folder: Path, tmp_path: Path) -> None:
    cache = {"HUICE_CACHE": str(tmp_path)}
    done = run("--data", str(folder), "--stocks", "30", "--seeds", "4,2", **cache)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Real: the odd half of") and "2017-01-03 .. 2018-12-28" in lines[0]
    assert lines[0].endswith("Synthetic: 30 stocks, seeds 4, 2.")
    assert lines[1].split()[-4:] == ["seed", "4", "seed", "2"]
    assert lines[1].split()[:4] == ["fact", "real", "fit", "synthetic"]
    assert [line.split("  ")[0] for line in lines[2:44]] == list(TOLERANCES)
    assert lines[44].endswith("of 42 facts inside their tolerance")
    moved = [line for line in lines[2:44] if "NO, moved" in line]
    assert moved and lines[45].startswith(f"moved: {len(moved)} facts outside had real figures in the sample of the")
    told = json.loads(run("--data", str(folder), "--stocks", "30", "--seeds", "4", "--json", **cache).stdout)
    assert (told["half"], told["first"], told["last"]) == ("odd", "2017-01-03", "2018-12-28")
    assert [row["fact"] for row in told["facts"]] == list(TOLERANCES)
    inside = sum(row["inside"] for row in told["facts"])
    assert 5 < inside < 42


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: calibrate needs real data to compare with; give --data FOLDER"),
        (("--data", "synthetic:stocks=50"), "error: calibrate needs real data"),
        (("--data", "FOLDER", "--seeds", "1,one"), "error: --seeds '1,one' is no list of different whole numbers"),
        (("--data", "FOLDER", "--seeds", "1,1"), "error: --seeds '1,1' is no list"),
        (("--data", "FOLDER", "--stocks", "1"), "error: stocks=1 is out of range"),
        (("--data", "nowhere"), "error: there is no data folder 'nowhere'"),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(*(str(folder) if word == "FOLDER" else word for word in arguments))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(message) and len(done.stderr.splitlines()) == 1


def test_data_outside_the_sample_are_refused(folder: Path) -> None:
    late = Sample("odd", np.datetime64("2020-01-01"), np.datetime64("2020-12-31"))
    with pytest.raises(DataError, match="has no bars of the odd half between 2020-01-01 and 2020-12-31"):
        measure_real(str(folder), late, folder.parent / "cache")


@pytest.mark.slow
def test_the_embedded_market_has_the_facts_it_was_fitted_to(real_data: Path, real_cache: Path) -> None:
    real, _, last = measure_real(str(real_data), FITTED, real_cache)
    rows = compare(real, {seed: measure_synthetic(seed, 300, FITTED, last) for seed in (1, 2)})
    assert sum(row["inside"] for row in rows) >= 34, [row["fact"] for row in rows if not row["inside"]]
