"""Planted alphas: there, small, learnable only in the way that is written down, and out of reach."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from engine.errors import ConfigError
from feeds.synthetic_alphas import (
    ANCHORED,
    CUT,
    FAR,
    LONG,
    NAMES,
    PLANTED,
    PREMIA,
    Forecaster,
    Oracle,
    oracle,
    score,
    strengths,
)
from feeds.synthetic_feed import Drawn, Streams, SyntheticConfig, draw_market, write_synthetic
from feeds.synthetic_market import TREND, common_paths

ROOT = Path(__file__).resolve().parents[2]
CONFIG = SyntheticConfig(stocks=400, seed=3)
END = dt.date(2011, 6, 30)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return draw_market(CONFIG)


@pytest.fixture(scope="module")
def known() -> Oracle:
    return oracle(CONFIG)


def month_ends(sessions: np.ndarray) -> np.ndarray:
    month = sessions.astype("datetime64[M]")
    return np.flatnonzero(month[1:] != month[:-1])


def rank_ics(known: Oracle, drawn: Drawn, name: str, ends: np.ndarray) -> np.ndarray:
    """Rank IC of an alpha with the next month's return, by pandas."""
    price = pd.DataFrame(drawn.paths.mark * drawn.paths.factor)
    able = pd.DataFrame(drawn.people.trading & (np.arange(len(price))[:, None] > drawn.people.list_pos + 120))
    scores = pd.DataFrame(known.expected[name]).where(able).iloc[ends]
    ahead = (price.iloc[ends].shift(-1) / price.iloc[ends] - 1).where(scores.notna())
    found = scores.rank(axis=1).corrwith(ahead.rank(axis=1), axis=1)
    return found.dropna().to_numpy()


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_alpha_has_a_rank_ic_that_is_there_and_at_most_a_tenth(
    known: Oracle, drawn: Drawn, name: str
) -> None:
    ends = month_ends(known.sessions)
    if name == "decoy":
        ends = ends[ends < len(known.sessions) // 3]
    ics = rank_ics(known, drawn, name, ends)
    assert 0.02 < ics.mean() <= 0.10
    assert ics.mean() / (ics.std() / np.sqrt(len(ics))) > 2


def test_the_decoy_stops_after_the_first_third(known: Oracle) -> None:
    third = len(known.sessions) // 3
    assert (np.nanstd(known.expected["decoy"][: third - 1], axis=1) > 1e-4).all()
    assert (known.expected["decoy"][third - 1 : -1][np.isfinite(known.expected["decoy"][third - 1 : -1])] == 0).all()
    for name in ("linear", "interaction", "memory"):
        assert (np.nanstd(known.expected[name][200:-1], axis=1) > 1e-4).all()


def test_the_linear_alpha_is_minus_the_log_of_turnover(known: Oracle, drawn: Drawn) -> None:
    share = drawn.paths.lots * 100.0 / drawn.paths.float_shares
    mean = pd.DataFrame(np.where(drawn.people.trading, share, np.nan)).ewm(alpha=1 / 20, ignore_na=True).mean()
    for t in range(300, 2400, 500):
        expected = pd.Series(known.expected["linear"][t])
        assert expected.corr(-np.log(mean.iloc[t]), method="spearman") > 0.98


def test_the_interaction_is_a_product_whose_factors_alone_say_little(known: Oracle, drawn: Drawn) -> None:
    price = drawn.paths.mark * drawn.paths.factor
    value = np.log(drawn.paths.mark * drawn.paths.total_shares.astype(float))
    alone, together = [], []
    for t in range(300, 2400, 100):
        expected = pd.Series(known.expected["interaction"][t])
        old = np.isfinite(expected) & (drawn.people.list_pos < t - LONG - 1)
        size = value[t][old] - value[t][old].mean()
        moved = np.clip(price[t] / price[t - LONG] - 1, -0.6, 0.6)[old]
        moved = moved - moved.mean()
        together.append(expected[old].corr(pd.Series(size * moved, expected[old].index), method="spearman"))
        alone.append([expected[old].corr(pd.Series(x, expected[old].index)) for x in (size, moved)])
    assert np.mean(together) > 0.9
    assert np.abs(np.mean(alone, axis=0)).max() < 0.35


def test_the_memory_needs_more_than_three_months_and_nothing_younger() -> None:
    rng = np.random.default_rng(1)
    prices = np.exp(np.cumsum(0.02 * rng.standard_normal((FAR + 1, 30)), axis=0)) * 1000

    def memory(prices: np.ndarray) -> np.ndarray:
        past = Forecaster(prices[0], np.full(30, 0.01), np.full(30, 0.02), 900)
        for t, row in enumerate(prices):
            past.learn(t, row, np.zeros(30), np.full(30, 0.01), np.ones(30, bool))
        everything = np.ones(30, bool)
        found = past.expect(len(prices), prices[-1], prices[-1] * 1e6, everything, np.full(30, 500))
        return found[NAMES.index("memory")]

    base = memory(prices)
    growth = prices[-1 - LONG] / prices[-1 - FAR] - 1
    by_hand = (growth - growth.mean()) / growth.std()
    assert np.allclose(base, PLANTED["memory"] * np.clip(by_hand, -CUT, CUT))
    younger = prices.copy()
    younger[-LONG:] *= np.exp(0.1 * rng.standard_normal((LONG, 30)))
    assert np.array_equal(memory(younger), base)
    older = prices.copy()
    older[-1 - LONG] *= np.exp(0.1 * rng.standard_normal(30))
    assert not np.allclose(memory(older), base)


def test_what_is_expected_was_known_at_the_close_before(known: Oracle, drawn: Drawn) -> None:
    """The same market over a shorter span has the same expectations, but for the decoy, which knows its third."""
    kept: list[np.ndarray] = []
    draw_market(CONFIG, record=kept.append)
    assert len(kept) == len(known.sessions)
    for t in (0, 100, 1500):
        row = dict(zip(NAMES, kept[t + 1], strict=True))
        listed = np.isfinite(known.expected["size"][t])
        for name in NAMES:
            assert np.array_equal(known.expected[name][t][listed], row[name][listed])
    assert np.isnan(known.expected["size"][-1]).all()


def test_a_stock_is_dear_by_its_own_slow_mean_and_not_for_good() -> None:
    """A price that has doubled and stays there is dear at first, half as dear after a year and a half, then no more."""
    past = Forecaster(np.array([1000.0, 1000.0]), np.full(2, 0.01), np.full(2, 0.02), 900)
    found = []
    for t in range(8 * ANCHORED):
        past.learn(t, np.array([2000.0, 1000.0]), np.zeros(2), np.full(2, 0.01), np.ones(2, bool))
        found.append(past.dearness(t + 1))
    assert found[0] == pytest.approx([np.log(2.0) * (1 - 1 / ANCHORED), 0.0])
    half = int(np.log(0.5) / np.log(1 - 1 / ANCHORED))
    assert found[half][0] == pytest.approx(np.log(2.0) / 2, rel=0.01) and found[-1][0] < 0.001


def test_the_common_past_does_not_depend_on_the_end() -> None:
    short, long = common_paths(300, Streams(4)), common_paths(900, Streams(4))
    for name in ("market", "level", "dispersion", "activity", "regime", "industries", "styles"):
        assert np.array_equal(getattr(short, name), getattr(long, name)[:300]), name


def test_values_and_the_volatility_of_stocks_have_levels_that_keep() -> None:
    """Over forty years of the common series: no drift in volatility, and a trend that is the one written down."""
    common = common_paths(9720, Streams(1))
    assert common.market.mean() == pytest.approx(TREND, abs=0.0002)
    early, late = common.dispersion[:4860].mean(), common.dispersion[4860:].mean()
    assert 0.7 < late / early < 1.4


def test_scores_are_standard_cut_and_zero_outside() -> None:
    among = np.array([True] * 9 + [False])
    values = np.array([0, 0, 0, 0, 0, 0, 0, 0, 9.0, 1e9])
    found = score(values, among)
    # mean 1, variance (8 * 1 + 64) / 9 = 8: the last is (9 - 1) / sqrt(8) = 2.83, cut at 2.5
    assert np.allclose(found, [-1 / np.sqrt(8)] * 8 + [CUT, 0.0])


def test_style_premia_and_planted_alphas_are_the_documented_ones() -> None:
    assert NAMES == ("size", "reversal", "volatility", "value", "linear", "interaction", "memory", "decoy")
    assert PLANTED == {"linear": 0.00042, "interaction": 0.00050, "memory": 0.00060, "decoy": 0.00036}
    assert all(premium < 0 for premium in PREMIA.values())


def test_a_market_can_be_asked_for_some_alphas_alone_and_stronger() -> None:
    kept: dict[str, list[np.ndarray]] = {"": [], "value*3+memory": []}
    for alphas, rows in kept.items():
        draw_market(SyntheticConfig(stocks=30, seed=3, start=CONFIG.start, end=END, alphas=alphas), record=rows.append)
    usual, asked = kept[""][0], kept["value*3+memory"][0]  # the first session: prices are still the same
    times = dict(zip(NAMES, strengths("value*3+memory"), strict=True))
    assert times == {name: {"value": 3.0, "memory": 1.0}.get(name, 0.0) for name in NAMES}
    for name, before, after in zip(NAMES, usual, asked, strict=True):
        assert np.array_equal(after, times[name] * before), name
    later = dict(zip(NAMES, kept["value*3+memory"][120], strict=True))
    assert np.ptp(later["value"]) > 0 and np.ptp(later["memory"]) > 0 and not later["reversal"].any()


def test_without_a_wish_every_alpha_has_its_usual_strength() -> None:
    assert np.array_equal(strengths(""), np.ones(len(NAMES)))


@pytest.mark.parametrize(
    ("alphas", "words"),
    [
        ("valu*3", "'valu' in alphas='valu\\*3' is no alpha of the market; did you mean 'value'"),
        ("value+value*2", "'value' stands twice"),
        ("value*much", "'much' in alphas='value\\*much' is no multiple; write such as value\\*2.5"),
        ("value*-1", "'-1' .* is no multiple"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused_with_a_sentence(alphas: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SyntheticConfig(alphas=alphas)


def test_the_oracle_is_in_no_table_and_the_recovery_check_alone_reads_it(tmp_path: Path) -> None:
    write_synthetic(tmp_path, seed=1, stocks=20, start="2019-01-01", end="2019-06-30")
    columns = {name for path in tmp_path.rglob("*.parquet") for name in pq.read_schema(path).names}
    assert not columns & {*NAMES, "expected", "alpha", "oracle"}
    drawing = ["feeds/synthetic_alphas.py", "feeds/synthetic_feed.py", "feeds/synthetic_prices.py"]
    assert users_of(r"synthetic_alphas|draw_market") == [*drawing, "signals/learning/recovery.py"]
    assert users_of(r"learning\.recovery|learning import recovery") == ["scripts/_audit_recovery.py"]


def users_of(words: str) -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for room in ("engine", "feeds", "signals", "strategies", "scripts")
        for path in sorted((ROOT / room).rglob("*.py"))
        if re.search(words, path.read_text(encoding="utf-8"))
    ]
