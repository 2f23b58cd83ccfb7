"""The papers' plug-ins on a small market: they fit, score, repeat themselves and do not know the future."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import ConfigError, DataError, SignalError
from engine.market import Market
from engine.plugins import BUILTINS, resolve
from feeds.store import open_market
from signals.contract.market import noisy_after
from signals.labels import ThreeClass, TopK
from signals.learning.figures import r_squared
from signals.learning.samples import decisions_of, latest_samples
from signals.learning.search import all_of
from signals.lstm_price import LstmPrice, NextClose
from signals.lstm_residual_value import SPACES, STATIC, LinearResidualValue, LstmResidualValue
from signals.paper_checks import classification, market_value_r2, validity
from signals.saved import Learnt
from signals.top_bottom import TopBottomLinear, TopBottomLstm

SMALL: dict[str, dict[str, Any]] = {
    "lstm-residual-value": {"epochs": 2, "units": 8, "batch": 100},
    "top-bottom-rnn": {"epochs": 2, "units": 4, "window": "12M"},
    "top-bottom-lstm": {"epochs": 2, "units": 4, "window": "12M"},
    "top-bottom-gru": {"epochs": 2, "units": 4, "window": "12M"},
    "linear": {"window": "12M"},
    "mlp": {"epochs": 2, "units": 4, "window": "12M"},
    "xgboost": {"n_estimators": 3, "window": "12M"},
    "three-class-rnn": {"epochs": 2, "units": 4, "steps": 3, "window": "12M"},
    "attention-gru": {"epochs": 2, "units": 4, "window": "12M"},
    "lstm-price": {"epochs": 1, "units": 4, "dense_units": 4, "window": "4M", "min_samples": 70},
}
DATA = "synthetic:stocks=100,seed=5,start=2012-01-01,end=2014-12-31"
NEEDS = {"linear": "", "xgboost": "xgboost"}
INSTALL = {"torch": "pip install -r locks/torch-py311.txt", "xgboost": "pip install xgboost-cpu"}


def made(name: str, **more: Any) -> Any:
    """The plug-in of a name, tiny; skips where its library is not installed."""
    library = NEEDS.get(name, "torch")
    if library:
        pytest.importorskip(library, reason=f"{library} is not installed: {INSTALL[library]}")
    return resolve("signal", name)(**{**SMALL[name], **more})


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    return open_market(DATA, universe="all", cache=folder)


@pytest.fixture(scope="module")
def t(market: Market) -> int:
    """A decision half a year before the end."""
    return int(decisions_of(market, "1M")[-6])


@pytest.fixture(scope="module")
def noisy(market: Market, t: int) -> Market:
    return noisy_after(market, t)


# -- every plug-in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_plug_in_scores_the_universe_again_alike_and_noise_after_t_changes_nothing(
    name: str, market: Market, noisy: Market, t: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = made(name)
    scores = signal.fit(market.view(t)).predict(market.view(t))
    assert np.isfinite(scores["score"]).all()
    inside = set(np.asarray(market.symbols)[market.view(t).universe & market.traded[t].astype(bool)])
    assert set(scores.index) <= inside
    assert len(scores) > 0.7 * len(inside)
    assert scores["score"].nunique() > 5
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "other"))  # nothing of the first fit is taken from the cache
    seen = noisy.view(t)
    pd.testing.assert_frame_equal(made(name).fit(seen).predict(seen), scores, check_exact=True)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_labels_whose_month_has_not_passed_are_not_learnt_from(name: str, market: Market, t: int) -> None:
    signal = made(name, validation=0.0)
    view = market.view(t)
    samples = signal.samples(view)
    split = signal.split(view, samples)
    used = np.flatnonzero(split.train.any(axis=1))
    assert samples.target is not None
    assert samples.decisions[-1] == t
    assert (samples.target.known[used] <= t).all()
    assert used[-1] == len(samples.decisions) - 2  # the last decision's label lies ahead, the one before is known now


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_plug_in_is_registered_and_names_a_wrong_parameter(name: str) -> None:
    assert name in BUILTINS["signal"]
    with pytest.raises(ConfigError, match="has no parameter 'epoch'"):
        resolve("signal", name)(epoch=3)


def test_another_seed_gives_other_scores(market: Market, t: int) -> None:
    view = market.view(t)
    one, two = (made("top-bottom-gru", seed=seed).fit(view).predict(view)["score"] for seed in (1, 2))
    assert not np.allclose(one, two)


def test_factors_that_the_data_lack_are_left_out_and_listed(market: Market, t: int) -> None:
    fitted = TopBottomLinear(window="12M").fit(market.view(t))
    assert "rating_average" in fitted.left_out
    assert "ln_capital" in fitted.factors
    assert len(fitted.factors) + len(fitted.left_out) == 70
    assert "rating_average" in TopBottomLinear().factors  # of the paper, before a fit


def test_data_without_any_factor_of_the_paper_are_refused_with_a_sentence(market: Market, t: int) -> None:
    class Rated(TopBottomLinear):
        wanted = ("rating_average", "rating_change")

    with pytest.raises(DataError, match="none of the 2 factors of Rated"):
        Rated().fit(market.view(t))


def test_without_torch_a_network_says_how_to_install_it(
    market: Market, t: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata as metadata

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(SignalError, match=r"needs torch.*pip install -r locks/torch-py311.txt"):
        TopBottomLstm(window="12M").fit(market.view(t))


def test_without_xgboost_the_control_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(SignalError, match="pip install xgboost-cpu"):
        _ = resolve("signal", "xgboost")().estimator


# -- paper 1 ------------------------------------------------------------------------------------------


def test_paper_1_offers_its_three_static_sets_and_216_points() -> None:
    assert len(all_of(SPACES["grid"])) == 216
    assert [set(one) for one in STATIC.values()] == [set(SPACES["grid"])] * 3
    assert all_of(LstmResidualValue(searched="static").space) == [{"static": 1}, {"static": 2}, {"static": 3}]
    assert len(LstmResidualValue().wanted) == 17


def test_the_score_of_paper_1_is_predicted_less_actual_over_actual_in_yuan(market: Market, t: int) -> None:
    view = market.view(t)
    stocks = np.flatnonzero(~np.isnan(view.close[-1]))[:3]
    actual = view.close[-1][stocks] * view.total_shares[-1][stocks]
    found = LstmResidualValue().score(np.log(actual * [1.5, 1.0, 0.8]), view, stocks)
    assert found == pytest.approx([0.5, 0.0, -0.2])


def test_a_model_of_paper_1_keeps_its_r2_on_both_sides(market: Market, t: int) -> None:
    model = made("lstm-residual-value", epochs=8).fit(market.view(t)).needs().facts["model-0"]
    assert 0.3 < model["train"]["r2"] < 1.0
    assert model["validation"]["r2"] < 1.0


def test_a_static_set_trains_the_same_model_as_its_values_and_a_search_finds_one(market: Market, t: int) -> None:
    view = market.view(t)
    one = made("lstm-residual-value", static=1, epochs=1).fit(view).predict(view)
    two = made("lstm-residual-value", epochs=1, **{**STATIC[1]}).fit(view).predict(view)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    fitted = made("lstm-residual-value", search="grid", searched="static", epochs=1).fit(view)
    assert fitted.needs().facts["chosen"]["static"] in (1, 2, 3)
    assert len(fitted.predict(view)) == len(one)


def test_a_window_can_have_a_search_of_its_own(market: Market, t: int, tmp_path: Path) -> None:
    day, view = str(market.sessions[t]), market.view(t)
    searched = made("lstm-residual-value", searched="static", searches={day: "grid"}).fit(view)
    assert searched.needs().facts["chosen"] == made("lstm-residual-value", searched="static", search="grid").fit(
        view
    ).needs().facts["chosen"]
    other = made("lstm-residual-value", searched="static", searches={"2000-01-31": "grid"}).fit(view)
    plain = made("lstm-residual-value").fit(view)
    assert other.needs().facts["chosen"] == {} and other.predict(view).equals(plain.predict(view))
    with pytest.raises(ConfigError, match="hallving"):
        made("lstm-residual-value", searches={day: "hallving"})


def test_the_control_of_paper_1_is_least_squares_of_the_same_inputs(market: Market, t: int) -> None:
    view = market.view(t)
    signal = LinearResidualValue()  # type: ignore[call-arg]
    fitted = signal.fit(view)
    window, _ = fitted.prepare(view)
    x = np.c_[window.x.reshape(len(window.x), -1).astype(float), np.ones(len(window.x))]
    weights = np.linalg.lstsq(x, window.y, rcond=None)[0]
    (_, own, model), *_ = fitted.models()
    assert np.allclose(own.output(model, window.x), x @ weights, atol=1e-3)
    samples = latest_samples(view, fitted.factors, "1M", fitted.steps)
    stocks, asked = fitted.inputs(samples, fitted.preprocessing().apply(samples.values, samples.context))
    said = np.c_[asked.reshape(len(asked), -1).astype(float), np.ones(len(asked))] @ weights
    frame = fitted.predict(view)
    assert list(frame.index) == [market.symbols[i] for i in stocks]
    value = market.close[t][stocks] * market.total_shares[t][stocks]
    assert np.allclose(frame["score"], np.exp(said) / value - 1.0, rtol=5e-3, atol=5e-3)


def test_r2_by_hand() -> None:
    assert r_squared(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.5)
    assert math.isnan(r_squared(np.array([1.0]), np.array([1.0])))


# -- checks -------------------------------------------------------------------------------------------


def _three_months() -> tuple[Market, list[str]]:
    """Four stocks, three month ends; returns of the first month 1, 2, 3, 4 %, of the second the other way round."""
    days = np.array(["2019-01-31", "2019-02-28", "2019-03-29"], dtype="datetime64[D]")
    close = np.array([[100.0] * 4, [101.0, 102.0, 103.0, 104.0], [0.0] * 4])
    close[2] = close[1] * [1.04, 1.03, 1.02, 1.01]
    names = [f"60000{k}.SH" for k in range(4)]
    raw = {name: close for name in ("open", "high", "low", "close")} | {"total_shares": np.full_like(close, 10.0)}
    return Market.build(days, names, raw), names


def _scores(names: list[str], values: list[list[float]], **more: list[list[float]]) -> dict[str, pd.DataFrame]:
    days = ("2019-01-31", "2019-02-28", "2019-03-29")
    return {
        day: pd.DataFrame({"score": row} | {key: rows[k] for key, rows in more.items()}, index=names)
        for k, (day, row) in enumerate(zip(days, values, strict=True))
    }


def test_validity_is_the_mean_spearman_of_score_and_next_return() -> None:
    market, names = _three_months()
    mean, by = validity(market, _scores(names, [[1, 2, 3, 4], [1, 2, 4, 3], [0, 0, 0, 0]]))
    assert by == pytest.approx([1.0, -0.8])  # 1 - 6 x (9 + 1 + 4 + 4) / 60
    assert mean == pytest.approx(0.1)
    with pytest.raises(SignalError, match="at least two decisions"):
        validity(market, {"2019-01-31": pd.DataFrame({"score": [1.0]}, index=names[:1])})


def test_market_value_r2_is_1_for_scores_that_are_the_next_returns() -> None:
    market, names = _three_months()
    right = [[0.01, 0.02, 0.03, 0.04], [0.04, 0.03, 0.02, 0.01], [0.0] * 4]
    assert market_value_r2(market, _scores(names, right)) == pytest.approx(1.0)
    assert market_value_r2(market, _scores(names, [[0.5] * 4, [0.5] * 4, [0.0] * 4])) < 0.0


def test_classification_counts_hits_beside_the_base_rate() -> None:
    market, names = _three_months()
    score = [[0.1, 0.2, 0.3, 0.4], [0.1, 0.9, 0.2, 0.3], [0.0] * 4]
    other = [[1 - p for p in row] for row in score]
    found = classification(market, _scores(names, score, p_0=other, p_1=score), TopK(k=1), k=2)
    # First month: the best is the fourth, scored highest. Second: the best is the first, scored lowest.
    assert found["base_rate"] == pytest.approx(0.75)
    assert found["accuracy"] == pytest.approx(5 / 8)  # never 1 in month one: 3 of 4; 1 for the second stock: 2 of 4
    assert found["auc"] == pytest.approx(0.5)
    assert found["precision"] == pytest.approx(0.25)


# -- paper 2 ------------------------------------------------------------------------------------------


def test_next_close_is_the_adjusted_close_of_the_next_decision() -> None:
    market, _ = _three_months()
    found = NextClose().build(market, [0, 1, 2]).values
    assert found[0] == pytest.approx([101.0, 102.0, 103.0, 104.0])
    assert np.isnan(found[2]).all()


def test_the_score_of_paper_2_is_predicted_over_last_and_young_stocks_have_none(market: Market, t: int) -> None:
    view = market.view(t)
    fitted = made("lstm-price").fit(view)
    frame = fitted.predict(view)
    assert frame["score"].to_numpy() == pytest.approx((frame["predicted"] / frame["last"] - 1.0).to_numpy())
    column = market.index[frame.index[0]]
    assert frame["last"].iloc[0] == pytest.approx(market.close[t, column] * market.adj_factor[t, column])
    assert set(frame.index) <= set(fitted.needs().facts["chosen"])
    with pytest.raises(SignalError, match="min_samples = 900"):
        made("lstm-price", min_samples=900).fit(view)


def test_paper_2_searches_each_stock_for_itself(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = open_market(DATA, universe=market.symbols[:4], cache=tmp_path)
    monkeypatch.setattr(LstmPrice, "space", {"steps": (2, 3), "units": (3,)})
    view = few.view(int(decisions_of(few, "1M")[-6]))
    fitted = made("lstm-price", search="grid", validation=0.2, min_samples=30, missing="zero").fit(view)
    chosen = fitted.needs().facts["chosen"]
    assert chosen
    assert all(one["steps"] in (2, 3) and one["units"] == 3 for one in chosen.values())
    assert len(fitted.predict(view)) > 0


def test_a_chain_that_learns_is_refused_for_single_stocks() -> None:
    with pytest.raises(ConfigError, match="whose step drop-sparse learns"):
        LstmPrice(preprocess="paper-5").chain()


# -- papers 3, 4 and 5 --------------------------------------------------------------------------------


def test_classes_go_along_with_the_scores(market: Market, t: int) -> None:
    view = market.view(t)
    three = made("three-class-rnn").fit(view).predict(view)
    chances = three[["p_-1", "p_0", "p_1"]].to_numpy()
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(three)))
    assert three["score"].to_numpy() == pytest.approx(chances[:, 2] - chances[:, 0])
    assert (three["predicted"].to_numpy() == np.array([-1.0, 0.0, 1.0])[chances.argmax(axis=1)]).all()
    found = classification(market, {str(market.sessions[t]): three, str(market.sessions[-1]): three}, ThreeClass())
    assert 0.0 <= found["auc"] <= 1.0


def test_stocks_under_st_and_young_ones_are_neither_learnt_from_nor_scored(market: Market) -> None:
    for t in decisions_of(market, "1M")[14:]:
        view = market.view(int(t))
        out = view.universe & market.traded[t].astype(bool) & (view.st[-1].astype(bool) | (view.age[-1] < 60))
        if out.any():
            break
    else:
        pytest.fail("this market has no such stock")
    fitted = TopBottomLinear(window="12M").fit(view)
    names = set(np.asarray(market.symbols)[out])
    assert not names & set(fitted.predict(view).index)
    assert names & set(TopBottomLinear(window="12M", min_age=0, leave_out_st=False).fit(view).predict(view).index)
    samples = TopBottomLinear().samples(view)
    assert samples.target is not None
    refused = samples.universe & ~TopBottomLinear().eligible(view, samples.decisions)
    assert np.isnan(samples.target.values[refused]).all()


def test_least_squares_on_a_window_are_those_of_numpy(market: Market, t: int) -> None:
    signal = TopBottomLinear(window="12M", ridge=0.0)
    window, _ = signal.prepare(market.view(t))
    model = signal.train(window, 1)
    design = np.c_[window.x.astype(np.float64), np.ones(len(window.x))]
    expected = design @ np.linalg.lstsq(design, window.y, rcond=None)[0]
    assert signal.output(model, window.x) == pytest.approx(expected, abs=1e-4)
    assert isinstance(model, Learnt)


def test_paper_5_works_on_fewer_components_than_factors_and_any_of_its_networks(market: Market, t: int) -> None:
    view = market.view(t)
    for cell in ("attention-gru", "rnn"):
        facts = made("attention-gru", cell=cell, variance=5, epochs=1).fit(view).needs().facts
        assert facts["features"] == [f"component {k}" for k in range(1, 6)]
        assert len(facts["chain"]["factors"]) > 100


def test_torch_is_not_imported_by_the_plug_ins_themselves() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install -r locks/torch-py311.txt")
    import subprocess

    code = "import sys\nfrom engine.plugins import BUILTINS, resolve\n"
    code += "for name in BUILTINS['signal']: resolve('signal', name)\nassert 'torch' not in sys.modules\n"
    code += "assert 'xgboost' not in sys.modules\n"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
