"""One line from an estimator, a network or a function to a signal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_market import market_of

from engine.errors import ConfigError, SignalError
from engine.market import Market
from engine.plugin_files import spec_of
from signals.adapters import signal_of
from signals.base import Signal
from signals.labels import NextReturn, ThreeClass, TopBottom

FACTORS = ("return_1m", "return_3m")


class LeastSquares:
    """What scikit-learn's estimators answer, and no more."""

    def __init__(self, shrink: float = 0.0, random_state: int | None = None, order: Any = None) -> None:
        self.shrink, self.random_state, self.order = shrink, random_state, order

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"shrink": self.shrink, "random_state": self.random_state, "order": self.order}

    def set_params(self, **given: Any) -> LeastSquares:
        vars(self).update(given)
        return self

    def fit(self, x: np.ndarray, y: np.ndarray) -> LeastSquares:
        fits.append((len(x), self.shrink, self.random_state))
        self.weights = np.linalg.solve(x.T @ x + self.shrink * np.eye(x.shape[1]), x.T @ y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weights


fits: list[Any] = []
Squares = signal_of(LeastSquares(shrink=2.0), factors=FACTORS, label=NextReturn(), preprocess="paper-5", seed=9)


@pytest.fixture(scope="module")
def market(learning_market: Market) -> Market:
    return learning_market


@pytest.fixture(autouse=True)
def models(own_models: Path) -> Path:
    return own_models


def scored(cls: type[Signal], market: Market, tmp_path: Path, **given: Any) -> Any:
    """Scores of a fitted signal, after it has been saved and loaded."""
    view = market.view(len(market.sessions) - 30)
    fitted = cls(**given).fit(view)
    scores = fitted.predict(view)
    loaded = cls.load(fitted.save(tmp_path / "saved"))
    os.environ["HUICE_MODELS"] = str(tmp_path / "none")
    assert loaded.predict(view).equals(scores)
    assert len(scores) > 20
    return scores


def test_a_function_becomes_a_signal_with_its_parameters() -> None:
    def cheap(view: Any, power: float = 1.0, shift: int = 0) -> np.ndarray:
        return -(view.close[-1] ** power) + shift

    cls = signal_of(cheap, lookback=3)
    view = market_of({"600001.SH": [2.0], "600002.SH": [3.0]}).view(0)
    assert cls.__name__ == "CheapSignal" and cls().lookback == 3 and cls().refit == "never"
    assert cls().predict(view)["score"].tolist() == [-2.0, -3.0]
    assert cls(power=2.0, shift=1).predict(view)["score"].tolist() == [-3.0, -8.0]
    with pytest.raises(ConfigError, match="has no parameter 'pwoer'; did you mean 'power'"):
        cls(pwoer=2.0)
    assert signal_of(cheap, power=3.0)().power == 3.0
    with pytest.raises(SignalError, match=r"returned values of shape \(1,\)"):
        signal_of(lambda view: np.ones(1))().predict(view)


def test_an_estimator_becomes_a_signal_whose_parameters_can_be_set_and_searched(market: Market, tmp_path: Path) -> None:
    fits.clear()
    signal = Squares()
    assert (signal.shrink, signal.seed, signal.preprocess, signal.factors) == (2.0, 9, "paper-5", FACTORS)
    assert "random_state" not in type(signal).model_fields and "order" not in type(signal).model_fields
    scores = scored(Squares, market, tmp_path)
    assert fits[0][1:] == (2.0, 9) and fits[0][0] > 300
    view = market.view(len(market.sessions) - 30)
    window, fitted = signal.prepare(view)
    weights = np.linalg.solve(window.x.T @ window.x + 2.0 * np.eye(window.x.shape[1]), window.x.T @ window.y)
    now = signal.samples(view)
    last = fitted.apply(now.values[-1:], now.context[-1:])[0] if now.decisions[-1] == view.t else None
    if last is not None:
        expected = last[np.isfinite(last).all(axis=1)] @ weights
        assert np.allclose(scores["score"], expected, rtol=1e-5)
    searched = signal_of(
        LeastSquares(), factors=FACTORS, label=NextReturn(), space={"shrink": (0.0, 5.0)}, search="grid", validation=0.3
    )
    assert searched().fit(view).needs().facts["chosen"]["shrink"] in (0.0, 5.0)


def test_an_estimator_that_answers_otherwise_after_loading_is_refused(market: Market, tmp_path: Path) -> None:
    from signals import adapters

    view = market.view(len(market.sessions) - 30)
    fitted = Squares(shrink=3.5).fit(view)
    fitted.save(tmp_path / "saved")
    adapters._MEMORY.clear()
    fit = LeastSquares.fit

    def drifted(self: Any, x: np.ndarray, y: np.ndarray) -> LeastSquares:
        fit(self, x, y)
        self.weights = self.weights + 1e-3
        return self

    LeastSquares.fit = drifted  # type: ignore[method-assign]
    try:
        with pytest.raises(SignalError, match="fitted again to its saved rows answers otherwise"):
            Squares.load(tmp_path / "saved").predict(view)
    finally:
        LeastSquares.fit = fit  # type: ignore[method-assign]


def test_what_is_no_model_and_what_lacks_factors_is_refused() -> None:
    with pytest.raises(ConfigError, match="learns from factors: give signal_of factors"):
        signal_of(LeastSquares())
    with pytest.raises(ConfigError, match="is given the class LeastSquares; give one of it"):
        signal_of(LeastSquares, factors=FACTORS, label=NextReturn())
    with pytest.raises(ConfigError, match="is given a int"):
        signal_of(3)
    with pytest.raises(ConfigError, match="has no parameter 'shirnk'; did you mean 'shrink'"):
        signal_of(LeastSquares(), factors=FACTORS, label=NextReturn(), shirnk=1.0)
    with pytest.raises(ConfigError, match="if it takes a view"):
        signal_of(lambda: 1)


def test_another_process_finds_a_signal_by_the_name_its_file_gives_it() -> None:
    assert spec_of(Squares) == f"{__file__}:Squares"
    assert spec_of(signal_of(lambda view: view.close[-1])) is None


def test_one_line_in_a_file_is_a_plug_in_by_its_path(tmp_path: Path) -> None:
    from engine import plugins
    from engine.config import PluginConfig

    file = tmp_path / "mine.py"
    file.write_text(
        "from signals.adapters import signal_of\n\n\n"
        "def cheap(view, power=1.0):\n    return -view.close[-1] ** power\n\n\n"
        "Cheap = signal_of(cheap)\n"
    )
    made = plugins.build("signal", PluginConfig(name=str(file), params={"power": 2.0}))
    view = market_of({"600001.SH": [2.0], "600002.SH": [3.0]}).view(0)
    assert made.predict(view)["score"].tolist() == [-4.0, -9.0]
    assert plugins.complete("signal", PluginConfig(name=str(file))).params == {"power": 1.0}
    assert spec_of(type(made)) == f"{file}:Cheap"


def test_scikit_learns_classifier_gives_the_probability_of_each_class(market: Market, tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    model = linear.LogisticRegression(C=0.5)
    cls = signal_of(model, factors=FACTORS, label=TopBottom(), preprocess="paper-5", name="Logit")
    assert cls.__name__ == "Logit" and cls().C == 0.5
    scores = scored(cls, market, tmp_path)
    assert list(scores.columns) == ["score", "p_-1", "p_1"]
    assert np.allclose(scores["p_-1"] + scores["p_1"], 1.0)
    assert np.allclose(scores["score"], scores["p_1"] - scores["p_-1"])


@pytest.mark.parametrize(("label", "columns"), [(TopBottom(), 2), (ThreeClass(), 3), (NextReturn(), 0)])
def test_xgboost_is_kept_as_its_own_bytes(market: Market, tmp_path: Path, label: Any, columns: int) -> None:
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    kind = xgboost.XGBClassifier if columns else xgboost.XGBRegressor
    model = kind(max_depth=2, n_estimators=4)
    cls = signal_of(model, factors=FACTORS, label=label, missing="keep")
    assert (cls().max_depth, cls().n_estimators) == (2, 4)
    scores = scored(cls, market, tmp_path)
    assert len(scores.columns) == 1 + columns
    window, _ = cls().prepare(market.view(len(market.sessions) - 30))
    theirs = kind(max_depth=2, n_estimators=4, random_state=1, n_jobs=1).fit(
        window.x, window.codes if columns else window.y
    )
    ours = cls().output(cls().train(window, 1), window.x)
    expected = theirs.predict_proba(window.x) if columns else theirs.predict(window.x)
    assert np.array_equal(ours.astype(np.float32), expected)


def test_a_network_and_a_module_of_ones_own_are_trained_by_our_trainer(market: Market, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from signals.neural.networks import GRU

    options: dict[str, Any] = {"factors": FACTORS, "preprocess": "paper-5", "epochs": 2, "steps": 2}
    gru = signal_of(GRU(units=4), label=TopBottom(), **options)
    scores = scored(gru, market, tmp_path / "gru")
    assert list(scores.columns) == ["score", "p_-1", "p_1"]
    os.environ["HUICE_MODELS"] = str(tmp_path / "more")
    view = market.view(len(market.sessions) - 30)
    width = len(gru().prepare(view)[0].features)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2 * width, 1))
    before = module[1].weight.clone()
    own = signal_of(module, label=NextReturn(), **options)
    one, two = (own(seed=seed).fit(view).needs().part("model-0") for seed in (1, 2))
    assert torch.equal(module[1].weight, before)
    assert not np.array_equal(one.arrays["weights/1.weight"], two.arrays["weights/1.weight"])
    assert len(one.arrays["curves/validation_loss"]) == 2
    scored(own, market, tmp_path / "own")


def test_a_network_without_torch_says_what_to_install(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from signals.neural.networks import LSTM

    monkeypatch.setitem(sys.modules, "torch", None)
    cls = signal_of(LSTM(), factors=FACTORS, label=NextReturn())
    with pytest.raises(SignalError, match="needs torch, which is not installed"):
        cls().fit(market.view(len(market.sessions) - 30))
