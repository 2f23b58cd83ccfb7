"""The tool that holds scores against the oracle of a synthetic market: right for scores whose worth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.errors import ConfigError, SignalError
from engine.market import Market
from engine.view import View
from feeds.store import open_market
from signals.base import Signal
from signals.labels import NextReturn
from signals.learning.recovery import Recovery, planted, pooled, recover, recovery, shuffled
from signals.learning.samples import decisions_of
from signals.top_bottom import TopBottomLinear

DATA = "synthetic:stocks=60,seed=5,start=2011-01-01,end=2013-12-31"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return open_market(DATA, universe="all", cache=tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def alphas(market: Market) -> dict[str, np.ndarray]:
    return planted(market, DATA)


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "models"))


def frames(market: Market, values: np.ndarray, rows: np.ndarray) -> dict[str, pd.DataFrame]:
    """Scores (T, N) as a walk gives them, of every other stock that has one."""
    found = {}
    for t in rows:
        there = np.flatnonzero(np.isfinite(values[t]))[::2]
        symbols = pd.Index(np.asarray(market.symbols)[there], name="symbol")
        found[str(market.sessions[t])] = pd.DataFrame({"score": values[t][there]}, index=symbols)
    return found


def test_the_sum_of_all_alphas_recovers_the_oracle_and_its_opposite_the_opposite(
    market: Market, alphas: dict[str, np.ndarray]
) -> None:
    total, rows = sum(alphas.values()), decisions_of(market)[6:]
    found = recovery(market, frames(market, total, rows), alphas)
    assert found.ratio == 1.0 and np.array_equal(found.rank_ic, found.oracle)
    assert len(found.dates) == len(rows) - 1  # the last decision has no next one
    opposite = recovery(market, frames(market, -total, rows), alphas)
    assert opposite.ratio == pytest.approx(-1.0)
    assert opposite.error == pytest.approx(found.error)


def test_the_rank_ic_is_that_of_pandas_on_the_stocks_that_have_scores(
    market: Market, alphas: dict[str, np.ndarray]
) -> None:
    rows = decisions_of(market)[20:23]
    noise = np.random.default_rng(1).standard_normal(market.close.shape)
    scores = frames(market, np.where(np.isfinite(market.close), noise, np.nan), rows)
    found = recovery(market, scores, alphas)
    price = pd.DataFrame(market.close * market.adj_factor, columns=market.symbols).ffill()
    for k, t in enumerate(rows[:2]):
        ahead = price.iloc[rows[k + 1]] / price.iloc[t] - 1.0
        score = scores[str(market.sessions[t])]["score"]
        assert found.rank_ic[k] == pytest.approx(score.corr(ahead[score.index], method="spearman"))
        total = pd.Series(sum(alphas.values())[t], market.symbols)[score.index]
        assert found.oracle[k] == pytest.approx(total.corr(ahead[score.index], method="spearman"))


def test_scores_made_of_one_alpha_load_on_it_alone(market: Market, alphas: dict[str, np.ndarray]) -> None:
    rows = decisions_of(market)[6:11]  # the decoy is at work in the first third
    for name, values in alphas.items():
        found = recovery(market, frames(market, 3.0 * values, rows), alphas)
        assert {one: round(found.loading(one), 9) + 0.0 for one in alphas} == {
            one: float(one == name) for one in alphas
        }


def test_an_alpha_that_has_ended_has_no_loading(market: Market, alphas: dict[str, np.ndarray]) -> None:
    found = recovery(market, frames(market, alphas["size"], decisions_of(market)[-4:]), alphas)
    assert np.isnan(found.loading("decoy")) and found.loading("size") == pytest.approx(1.0)


def test_a_shorter_return_can_be_asked_for(market: Market, alphas: dict[str, np.ndarray]) -> None:
    rows = decisions_of(market)[20:30]
    found = recovery(market, frames(market, sum(alphas.values()), rows), alphas, NextReturn(sessions=1))
    assert len(found.dates) == len(rows)  # each has a next session


def test_scores_that_nothing_followed_are_refused(market: Market, alphas: dict[str, np.ndarray]) -> None:
    with pytest.raises(SignalError, match="no decision has scores of enough stocks with a later return"):
        recovery(market, frames(market, alphas["size"], decisions_of(market)[-1:]), alphas)


def test_several_markets_are_pooled_decision_by_decision() -> None:
    day = np.array(["2012-01-31", "2012-02-29"], dtype="datetime64[D]")
    one = Recovery(day, np.array([0.1, 0.2]), np.array([0.2, 0.2]), {"size": np.array([1.0, 0.0])})
    two = Recovery(day[:1], np.array([0.0]), np.array([0.5]), {"size": np.array([0.5])})
    both = pooled([one, two])
    assert both.ratio == pytest.approx(0.1 / 0.3)
    assert both.loading("size") == pytest.approx(0.5)
    assert both.error == pytest.approx(0.1 / np.sqrt(3))  # 0.1, 0.2, 0: standard deviation 0.1


def test_nobody_knows_what_real_data_hold_and_another_market_is_another(market: Market) -> None:
    with pytest.raises(ConfigError, match="nobody knows what could be found in '../shared/data'"):
        planted(market, "../shared/data")
    with pytest.raises(ConfigError, match="the market has stocks or sessions that 'synthetic:stocks=20' has not"):
        planted(market, "synthetic:stocks=20")


def test_a_signal_that_learns_nothing_is_scored_on_the_last_two_years(
    market: Market, alphas: dict[str, np.ndarray]
) -> None:
    class Small(Signal):
        def predict(self, view: View) -> pd.DataFrame:
            return view.scores(-np.log(view.close[-1] * view.total_shares[-1]))

    found = recover(market, Small(), alphas)
    assert str(found.dates[0])[:7] == "2011-12" and len(found.dates) == 24
    assert found.loading("size") > 0.9


def test_a_signal_of_another_kind_is_fitted_when_it_is_due(market: Market, alphas: dict[str, np.ndarray]) -> None:
    fits = []

    class Yearly(Signal):
        refit = "yearly"

        def fit(self, history: View) -> Yearly:
            fits.append(str(history.date)[:7])
            return self

        def predict(self, view: View) -> pd.DataFrame:
            return view.scores(np.arange(len(view.symbols), dtype=float))

    recover(market, Yearly(), alphas)
    assert fits == ["2011-12", "2012-01", "2013-01"]


def test_a_trained_signal_is_fitted_and_held_against_the_oracle(market: Market, alphas: dict[str, np.ndarray]) -> None:
    signal = TopBottomLinear(window="12M", refit="once")
    found = recover(market, signal, alphas, decisions_of(market)[-13:])
    view = market.view(int(decisions_of(market)[-13]))
    first = signal.fit(view).predict(view)
    by_hand = recovery(market, {str(view.date): first}, alphas, NextReturn(sessions=20))
    assert len(found.dates) == 12
    for name in alphas:
        assert found.loadings[name][0] == pytest.approx(by_hand.loadings[name][0], nan_ok=True)


def test_shuffled_labels_are_the_same_of_each_decision_in_another_order(market: Market) -> None:
    signal = TopBottomLinear(window="12M")
    view = market.view(int(decisions_of(market)[-3]))
    true, dealt = signal.samples(view).target, shuffled(signal, 1).samples(view).target
    assert true is not None and dealt is not None
    assert np.array_equal(np.sort(true.values, axis=1), np.sort(dealt.values, axis=1), equal_nan=True)
    assert np.array_equal(np.isnan(true.values), np.isnan(dealt.values))
    known = np.isfinite(true.values)
    assert abs(np.corrcoef(true.values[known], dealt.values[known])[0, 1]) < 0.1
    later = shuffled(signal, 1).samples(market.view(int(decisions_of(market)[-1]))).target
    assert later is not None
    rows = len(dealt.values) - 1  # the last row's label is not known yet
    assert np.array_equal(dealt.values[:rows], later.values[:rows], equal_nan=True)
    assert shuffled(signal, 1).window == "12M"
