"""A second equal run: its scores come from the cache, and from nowhere else than an equal run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ridge_signal import Ridge

from engine.errors import SignalError
from engine.market import Market
from engine.simulation import simulate
from feeds.store import open_market
from signals.contract.market import noisy_after, same
from signals.learning.model_cache import ModelCache
from signals.learning.run_scores import RunScores, key_of_run
from signals.saved import Learnt
from strategies.top_n import TopN

DATA = "synthetic:stocks=30,seed=5,start=2012-01-01,end=2014-06-30"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def market(own_cache: Path) -> Market:
    return open_market(DATA, universe="all")


@pytest.fixture(autouse=True)
def models(own_models: Path) -> Path:
    Ridge.calls.clear()
    return own_models


def decisions_in_2014(market: Market) -> list[int]:
    months = market.sessions.astype("datetime64[M]")
    ends = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    return [int(t) for t in ends if market.sessions[t] >= np.datetime64("2013-10-01")]


def scored(signal: Any, market: Market, decisions: list[int], run: RunScores | None = None) -> list[pd.DataFrame]:
    """What a strategy does: a fit at the first decision, scores at each."""
    run = RunScores(signal, market, decisions) if run is None else run
    run = run.fit(market.view(decisions[0]))
    return [run.predict(market.view(t)) for t in decisions]


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> Any:
        raise AssertionError("fitted, or scored, again")

    monkeypatch.setattr(Ridge, "fit", refuse)
    monkeypatch.setattr(Ridge, "predict", refuse)


def test_a_second_equal_run_fits_nothing_scores_nothing_and_is_the_same_to_the_bit(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fill in ("next_open", "same_close"):
        options: dict[str, Any] = {
            "signal": Ridge(refit="3M"), "fill": fill, "start": "2013-08-01", "end": "2014-06-30",
        }  # fmt: skip
        first = simulate(market, TopN, {"hold": 5}, **options).broker.ledger
        with monkeypatch.context() as patch:
            forbid(patch)
            second = simulate(market, TopN, {"hold": 5}, **options).broker.ledger
            other = simulate(market, TopN, {"hold": 3}, **options).broker.ledger
        assert len(first.scores_frame()) > 200
        assert first.scores_frame().equals(second.scores_frame()) and first.scores_frame().equals(other.scores_frame())
        assert first.equity_frame().equals(second.equity_frame())
        assert not first.equity_frame().equals(other.equity_frame())


def test_whatever_can_change_a_score_changes_the_key(market: Market, tmp_path: Path) -> None:
    times = decisions_in_2014(market)
    fitted = Ridge().fit(market.view(times[0]))
    later = open_market(DATA, universe=market.symbols[:20])
    other_data = open_market(DATA.replace("seed=5", "seed=6"), universe="all")
    keys = [
        key_of_run(Ridge(), market, times),
        key_of_run(Ridge(strength=2.0), market, times),
        key_of_run(Ridge(seed=2), market, times),
        key_of_run(Ridge(protocol="paper"), market, times),
        key_of_run(Ridge(), market, times[1:]),
        key_of_run(Ridge(), later, times),
        key_of_run(Ridge(), other_data, times),
        key_of_run(fitted, market, times),
    ]
    assert None not in keys and len(set(keys)) == len(keys)
    assert key_of_run(Ridge(), open_market(DATA, universe="all"), times) == keys[0]


def test_a_market_of_no_known_content_and_a_class_made_on_the_spot_are_never_answered_from_the_cache(
    market: Market,
) -> None:
    class Local(Ridge):
        pass

    times = decisions_in_2014(market)
    scored(Ridge(), market, times)
    assert key_of_run(Local(), market, times) is None
    for twin in (same(market), noisy_after(market, times[-2])):
        assert key_of_run(Ridge(), twin, times) is None
    noisy = noisy_after(market, times[0] - 40)
    kept, true = scored(Ridge(), market, times), scored(Ridge(), noisy, times)
    assert not kept[-1].equals(true[-1])


def test_scores_are_given_out_only_where_the_fits_were_the_same(market: Market) -> None:
    times = decisions_in_2014(market)
    kept = scored(Ridge(), market, times)
    run = RunScores(Ridge(), market, times).fit(market.view(times[0]))
    assert run.predict(market.view(times[0])).equals(kept[0])
    run = run.fit(market.view(times[3]))  # a strategy that fits when it likes
    late = run.predict(market.view(times[3]))
    assert not late.equals(kept[3])
    assert late.equals(Ridge().fit(market.view(times[3])).predict(market.view(times[3])))
    between = RunScores(Ridge(), market, times).fit(market.view(times[0])).predict(market.view(times[0] + 1))
    assert between.equals(Ridge().fit(market.view(times[0])).predict(market.view(times[0] + 1)))


def test_an_interrupted_run_leaves_no_scores(market: Market) -> None:
    times = decisions_in_2014(market)
    run = RunScores(Ridge(), market, times).fit(market.view(times[0]))
    for t in times[:-1]:
        run.predict(market.view(t))
    Ridge.calls.clear()
    key = key_of_run(Ridge(), market, times)
    assert key is not None and ModelCache().get(key) is None
    run.predict(market.view(times[-1]))
    assert ModelCache().get(key) is not None


def test_scores_that_are_damaged_or_of_another_run_are_refused_in_a_sentence(market: Market) -> None:
    times = decisions_in_2014(market)
    scored(Ridge(), market, times)
    key = key_of_run(Ridge(), market, times)
    assert key is not None
    file = ModelCache().path(key)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SignalError, match=rf"{key}.npz' is damaged \(.*\); delete it"):
        RunScores(Ridge(), market, times)
    file.write_bytes(whole)
    other = key_of_run(Ridge(seed=2), market, times)
    assert other is not None
    ModelCache().path(other).parent.mkdir(parents=True, exist_ok=True)
    file.rename(ModelCache().path(other))
    with pytest.raises(SignalError, match=rf"the cached scores '.*{other}.npz' are not those of this run; delete"):
        RunScores(Ridge(seed=2), market, times)


class Worded(Ridge):
    """Adds a column of text, which is no number."""

    def predict(self, view: Any) -> pd.DataFrame:
        return super().predict(view).assign(why="because")


def test_scores_that_are_not_all_numbers_are_made_anew_each_time(market: Market) -> None:
    times = decisions_in_2014(market)
    for _ in range(2):
        assert set(scored(Worded(), market, times)[0]["why"]) == {"because"}
    key = key_of_run(Worded(), market, times)
    assert key is not None and ModelCache().get(key) is None


class OfReports(Ridge):
    """Reads the statements."""

    factors = ("return_1m", "roe_ttm")


def test_a_run_from_the_cache_names_the_same_tables_of_reports(market: Market) -> None:
    times = decisions_in_2014(market)
    asked = []
    for _ in range(2):
        fresh = open_market(DATA, universe="all")
        scored(OfReports(), fresh, times)
        asked.append(fresh.tables.asked())
    assert asked == [["fundamentals_quarterly"]] * 2


def test_a_learnt_signal_is_known_by_what_it_has_learnt(market: Market) -> None:
    times = decisions_in_2014(market)
    weights = [Ridge().having_learnt(Learnt({"weights": np.full(3, w)}, {})) for w in (1.0, 2.0)]
    assert key_of_run(weights[0], market, times) != key_of_run(weights[1], market, times)


def test_a_run_from_the_cache_loads_neither_numba_nor_a_factor(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests" / "support")!r}]
from engine.backtest import run
run({{"data": {DATA!r}, "signal": {{"name": {str(ROOT / "tests/support/ridge_signal.py")!r}}}, "start": "2013-10-08",
     "strategy": {{"name": "top-n", "hold": int(sys.argv[1])}}}}, out="runs")
print(sorted(name for name in ("numba", "signals.factors.momentum", "torch") if name in sys.modules))
"""
    environment = os.environ | {"HUICE_CACHE": str(tmp_path / "cache")}
    environment.pop("HUICE_MODELS")
    said = [
        subprocess.run(
            [sys.executable, "-c", code, hold], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        for hold in ("5", "4")
    ]
    assert [done.returncode for done in said] == [0, 0], said[0].stderr + said[1].stderr
    assert said[0].stdout.strip() == "['numba', 'signals.factors.momentum']" and said[1].stdout.strip() == "[]"
