"""Looking inside a walk-forward: what shuffling a factor costs, input weights, attention, predictions, the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ridge_signal import Ridge

from engine.errors import SignalError
from engine.market import Market
from feeds.store import open_market
from signals.learning import explain_charts as charts
from signals.learning.explain import Inside, explain, load, save, windows
from signals.learning.explain_importance import permutation_importance
from signals.learning.explain_page import write_page
from signals.learning.figures import accuracy, auc, nearness, spearman
from signals.learning.samples import decisions_of, latest_samples
from signals.lstm_price import LstmPrice, NextClose, predicted_and_actual
from signals.paper_checks import outcomes
from signals.saved import Learnt
from signals.walkforward import walk_forward

NEEDS_TORCH = "torch is not installed: pip install -r locks/torch-py311.txt"


class Plain(Ridge):
    """The same on z-scored factors, which keep their names."""

    preprocess: str = "paper-4"


@pytest.fixture(scope="module")
def market(learning_market: Market) -> Market:
    return learning_market


@pytest.fixture(autouse=True)
def models(own_models: Path) -> Path:
    return own_models


@pytest.fixture(scope="module")
def decisions(market: Market) -> list[int]:
    return [int(t) for t in decisions_of(market, "1M")[-9:]]


def weighted(signal: Any, weights: list[float]) -> Any:
    """The fitted signal with other weights, the last that of the constant."""
    learnt = signal.needs()
    return signal.having_learnt(Learnt({**learnt.arrays, "model-0/weights": np.array(weights)}, learnt.facts))


# -- shuffling ----------------------------------------------------------------------------------------


def test_a_factor_without_weight_costs_nothing_and_the_only_one_all_of_its_rank_ic(
    market: Market, decisions: list[int]
) -> None:
    fitted = Plain().fit(market.view(decisions[0]))
    known = outcomes(market, walk_forward(market, Plain(refit="once"), decisions).scores, Plain().label)
    signal = weighted(fitted, [1.0, 0.0, 0.0])
    found = permutation_importance(signal, market, range(len(decisions)), known, repeats=40, seed=3)
    assert found is not None and found.factors == ("return_1m", "return_3m")
    assert (found.rank_ic_falls[:, 1] == 0.0).all() and (found.loss_rises[:, 1] == 0.0).all()
    # By another route: the score is the z-scored factor itself, whose Rank IC needs no model.
    ics = []
    for t, row in zip(decisions, known.returns, strict=True):
        samples = latest_samples(market.view(t), Plain.factors, "1M", 1)
        clean = fitted.preprocessing().apply(samples.values, samples.context)[-1, :, 0]
        ics.append(spearman(clean, row))
    assert found.rank_ic == pytest.approx(np.nanmean(ics))
    # A shuffled factor knows nothing: 40 shuffles of 8 months leave a mean Rank IC near 0.
    assert found.rank_ic - found.rank_ic_falls[:, 0].mean() == pytest.approx(0.0, abs=0.03)
    # Shuffling among the stocks of a month leaves sums over it, so the loss changes by the covariance with the label.
    assert np.isfinite(found.loss_rises[:, 0]).all() and found.loss_rises[:, 0].std() > 0.0


def test_the_loss_rises_by_twice_the_covariance_that_a_shuffle_takes_away(
    market: Market, decisions: list[int]
) -> None:
    fitted = weighted(Plain().fit(market.view(decisions[0])), [0.01, 0.0, 0.0])
    known = outcomes(market, walk_forward(market, Plain(refit="once"), decisions).scores, Plain().label)
    found = permutation_importance(fitted, market, [2], known, repeats=400, seed=1)
    samples = latest_samples(market.view(decisions[2]), Plain.factors, "1M", 1)
    clean = fitted.preprocessing().apply(samples.values, samples.context)[-1, :, 0]
    stocks = np.flatnonzero(samples.universe[-1] & ~np.isnan(samples.values[-1]).all(axis=1))
    x = np.nan_to_num(clean[stocks]) * 0.01
    y = known.actual[2, stocks]
    both = np.isfinite(y)
    assert found is not None and both.all()
    expected = 2.0 * np.mean((x - x.mean()) * (y - y.mean()))  # E over shuffles of MSE(shuffled) - MSE
    assert found.loss_rises[:, 0].mean() == pytest.approx(expected, abs=3e-5)


def test_behind_principal_components_factors_are_shuffled_before_they_are_mixed(
    market: Market, decisions: list[int]
) -> None:
    fitted = Ridge().fit(market.view(decisions[0]))
    assert fitted.needs().facts["features"][0] == "component 1"
    known = outcomes(market, walk_forward(market, Ridge(refit="once"), decisions).scores, Ridge().label)
    found = permutation_importance(fitted, market, range(len(decisions)), known, repeats=2)
    assert found is not None and found.factors == ("return_1m", "return_3m")
    assert (found.rank_ic_falls != 0.0).any(axis=0).all(), "a component holds both factors"
    again = permutation_importance(fitted, market, range(len(decisions)), known, repeats=2)
    assert again is not None and np.array_equal(found.rank_ic_falls, again.rank_ic_falls)


def test_a_window_whose_outcomes_lie_ahead_has_no_importance(market: Market, decisions: list[int]) -> None:
    fitted = Plain().fit(market.view(decisions[0]))
    known = outcomes(market, walk_forward(market, Plain(refit="once"), decisions).scores, Plain().label)
    assert permutation_importance(fitted, market, [len(decisions) - 1], known) is None


# -- a whole walk -------------------------------------------------------------------------------------


def test_a_walk_is_explained_window_by_window_and_read_back_as_it_was_saved(
    market: Market, decisions: list[int], tmp_path: Path
) -> None:
    walk = walk_forward(market, Plain(refit="3M"), decisions)
    known = outcomes(market, walk.scores, Plain().label)
    rows = windows(walk, known)
    assert [list(one) for one in rows.values()] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    found = explain(market, walk, known, repeats=2)
    assert [one.day for one in found] == list(walk.fitted)
    read = load(save(found, tmp_path / "inside.npz"))
    for one, two in zip(found, read, strict=True):
        assert one.importance is not None and two.importance is not None
        assert np.array_equal(one.importance.rank_ic_falls, two.importance.rank_ic_falls)
        assert (one.day, one.features, one.importance.rank_ic) == (two.day, two.features, two.importance.rank_ic)
    (tmp_path / "inside.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(SignalError, match="the explanation '.*' is damaged"):
        load(tmp_path / "inside.npz")


def test_the_page_needs_no_network_is_the_same_twice_and_escapes_what_it_is_given(
    market: Market, decisions: list[int], tmp_path: Path
) -> None:
    walk = walk_forward(market, Plain(refit="3M"), decisions)
    known = outcomes(market, walk.scores, Plain().label)
    found = explain(market, walk, known, repeats=2)
    pages = [
        write_page(
            found, tmp_path / name, title="Inside <b>", facts=[("Universe", "all & sundry")],
            table=(["fit", "Rank IC"], [["2014-04-30", "+0.0100"]]), total=known.figures(), warnings=["beware"],
        ).read_text(encoding="utf-8")
        for name in ("one.html", "two.html")
    ]  # fmt: skip
    assert pages[0] == pages[1]
    words = pages[0].split("<script>")[0]
    assert "Inside &lt;b&gt;" in words and "all &amp; sundry" in words and "beware" in words and "+0.0100" in words
    assert not re.search(r"(src|href)=\"https?:", words)
    assert "最近1个月收益率" in words and "the mean Rank IC is" in words
    drawn = json.loads(re.search(r"var charts = (\{.*\});", pages[0])[1])  # type: ignore[index]
    assert {"importance", "windows"} <= set(drawn) and "weights" not in drawn and "attention" not in drawn
    assert len(drawn["windows"]["data"][0]["x"]) == 3


# -- networks -----------------------------------------------------------------------------------------


def made(cell: str = "attention-gru", **more: Any) -> Any:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    from signals.attention_gru import AttentionGruSignal

    class Small(AttentionGruSignal):
        """Paper 5's network on a handful of factors."""

        wanted = ("return_1m", "return_3m", "turnover_1m", "return_std_1m", "ln_price")

    plain = {"epochs": 3, "units": 4, "steps": 2, "batch": 20, "window": "12M", "refit": "3M", "variance": 0.99}
    return Small(**{**plain, "cell": cell, **more})


def test_recording_changes_no_weight_and_what_was_recorded_is_saved_with_the_model(
    market: Market, decisions: list[int], tmp_path: Path
) -> None:
    plain = made().fit(market.view(decisions[0]))
    fitted = made(record=5).fit(market.view(decisions[0]))
    for name, values in plain.needs().arrays.items():
        assert np.array_equal(values, fitted.needs().arrays[name]), name
    assert not [name for name in plain.needs().arrays if "record" in name]
    read = type(fitted).load(fitted.save(tmp_path / "model"))
    from signals.neural import explain as networks

    name, record, gates = networks.record(read)
    steps = record["iterations"]
    assert name == "model-0" and gates == ("reset", "update", "state")
    assert steps[0] == 0 and (np.diff(steps) == 5).all() and len(steps) > 3
    inputs = len(read.needs().facts["features"])
    assert record["weights_0"].shape == (len(steps), 3, 4, inputs) and record["biases_0"].shape == (len(steps), 3, 4)
    assert not np.array_equal(record["weights_0"][0], record["weights_0"][-1])
    curves = networks.curves(read)
    assert len(curves["train_loss"]) == 3 and np.isfinite(curves["validation_accuracy"]).all()
    facts = read.models()[0][2].facts
    assert facts["epochs"] == 3 and facts["iterations"] >= steps[-1]


def test_attention_at_a_decision_is_the_mean_over_the_stocks_asked_and_sums_to_1(
    market: Market, decisions: list[int]
) -> None:
    fitted = made().fit(market.view(decisions[0]))
    from signals.neural import explain as networks
    from signals.neural.outputs import attention_weights

    looked = networks.attention(fitted, market, decisions[:2])
    assert looked is not None
    names, weights = looked
    assert names == tuple(fitted.needs().facts["features"]) and weights.shape == (2, len(names))
    assert weights.sum(axis=1) == pytest.approx([1.0, 1.0])
    samples = latest_samples(market.view(decisions[1]), fitted.factors, "1M", 2)
    x = fitted.inputs(samples, fitted.preprocessing().apply(samples.values, samples.context))[1]
    _, signal, model = fitted.models()[0]
    single = np.concatenate([attention_weights(signal.network_of(model), x[k : k + 1]) for k in range(len(x))])
    assert weights[1] == pytest.approx(single.mean(axis=(0, 1)), abs=1e-6)
    over = made(over="steps").fit(market.view(decisions[0]))
    stepped = networks.attention(over, market, decisions[:1])
    assert stepped is not None and stepped[0] == ("1 back", "now") and stepped[1].sum() == pytest.approx(1.0)
    assert networks.attention(made("gru").fit(market.view(decisions[0])), market, decisions[:1]) is None


def test_shares_of_input_weights_are_carried_from_components_to_factors_by_the_loadings(
    market: Market, decisions: list[int]
) -> None:
    fitted = made().fit(market.view(decisions[0]))
    from signals.neural import explain as networks

    found = networks.contributions(fitted)
    weights = fitted.needs().arrays["model-0/weights/cells.0.weight_ih_l0"]
    loadings = fitted.preprocessing().states[-1]["loadings"]
    by_hand = np.zeros(loadings.shape[1])
    for component, row in enumerate(loadings):
        by_hand += np.abs(weights[:, component]).sum() * np.abs(row)
    assert list(found) == list(fitted.factors)
    assert list(found.values()) == pytest.approx((by_hand / by_hand.sum()).tolist())
    assert networks.contributions(Plain().fit(market.view(decisions[0]))) == {}


def test_the_page_of_a_network_shows_weights_distributions_curves_and_attention(
    market: Market, decisions: list[int], tmp_path: Path
) -> None:
    signal = made(record=2)
    walk = walk_forward(market, signal, decisions)
    known = outcomes(market, walk.scores, signal.label)
    found = explain(market, walk, known, repeats=1)
    page = write_page(found, tmp_path / "p.html", title="t", total=known.figures()).read_text(encoding="utf-8")
    drawn = json.loads(re.search(r"var charts = (\{.*\});", page)[1])  # type: ignore[index]
    wanted = {"attention", "weights", "single-0", "weights-2", "biases-2", "curve-validation_loss", "contribution"}
    assert wanted <= set(drawn)
    assert len(drawn["attention"]["data"][0]["x"]) == len(decisions)
    lines = drawn["single-0"]["data"]
    assert len(lines) == 4 and lines[0]["x"] == found[-1].record["iterations"].tolist()
    assert "Attention is spread over" in page


def test_networks_of_single_stocks_have_their_days_shuffled_and_their_predictions_drawn(
    market: Market, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)

    class Tiny(LstmPrice):
        """Two factors, so that a few days are enough."""

        wanted = ("return_1m", "kurtosis_20")

    few = open_market(
        "synthetic:stocks=40,seed=5,start=2012-01-01,end=2014-12-31", universe=list(market.symbols[:9]), cache=tmp_path
    )
    signal = Tiny(epochs=2, units=3, dense_layers=0, steps=2, window="4M", min_samples=40, refit="once", record=1)
    walk = walk_forward(few, signal, decisions_of(few, "1D")[-8:].tolist())
    known = outcomes(few, walk.scores, signal.label)
    (found,) = explain(few, walk, known, repeats=3)
    assert found.importance is not None and found.importance.factors == ("return_1m", "kurtosis_20")
    assert np.isfinite(found.importance.loss_rises).all() and (found.importance.loss_rises != 0.0).any()
    assert found.recorded.endswith(" 1") and found.recorded.split()[0] in few.symbols
    assert found.importance.rank_ic_falls.shape == (3, 2) and np.isfinite(found.importance.rank_ic)
    assert list(found.contribution) == ["return_1m", "kurtosis_20"]
    assert sum(found.contribution.values()) == pytest.approx(1.0)
    pictures = predicted_and_actual(few, walk.scores, 2)
    assert all(len(frame) == 7 for frame in pictures.values())
    page = write_page([found], tmp_path / "p.html", title="t", predictions=pictures).read_text(encoding="utf-8")
    assert "Predicted and actual close" in page and "the last close in its place" in page


def test_a_long_record_keeps_every_second_and_then_every_fourth(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    from signals.neural import learning_curves
    from signals.neural.configs import TrainingConfig
    from signals.neural.networks import network
    from signals.neural.training import train

    monkeypatch.setattr(learning_curves, "MOST", 4)
    x = np.random.default_rng(1).normal(size=(40, 2, 3)).astype(np.float32)
    config = TrainingConfig(
        batch=10, epochs=3, validation=0.0, record_every=1, precision="float32", device="cpu", patience=None
    )
    found = train(network("rnn", units=2), config, x, x[:, 0, 0])
    assert found.record is not None and found.iterations == 12
    kept = found.record.arrays()
    assert kept["iterations"].tolist() == [0, 4, 8, 12]
    assert np.array_equal(kept["weights_0"][-1], found.model.input_weights(0)[0].detach().numpy())


# -- charts and figures -------------------------------------------------------------------------------


def test_a_distribution_by_iteration_holds_every_weight_once() -> None:
    record = {
        "iterations": np.array([0, 10]), "weights_0": np.arange(24.0).reshape(2, 1, 3, 4),
        "biases_0": np.zeros((2, 1, 3)),
    }  # fmt: skip
    one = Inside("2014-01-30", ("a", "b", "c", "d"), record=record, gates=("state",))
    chart = charts.distribution(one, "weights_0", 0)
    shares = np.array(chart["data"][0]["customdata"])
    assert shares.shape == (50, 2) and shares.sum(axis=0) == pytest.approx([1.0, 1.0], abs=1e-2)
    assert shares[:, 0].nonzero()[0].max() < shares[:, 1].nonzero()[0].min()  # 0..11, then 12..23
    names = charts.weight_map(one)["data"][0]["y"]
    assert names == ["d", "c", "b", "a"]  # of the last recording the means are 16, 17, 18, 19
    assert charts.leading(one, 2) == [3, 2]
    assert len(charts.trajectories(one, 1)["data"]) == 3


def test_accuracy_stands_beside_what_the_largest_class_gives() -> None:
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    assert accuracy(chances, np.array([0, 1, 1, 0])) == (0.75, 0.5)
    assert accuracy(chances, np.array([0, 0, 0, 1])) == (0.5, 0.75)
    assert nearness(np.array([0.4, -2.0]), (-1.0, 1.0)).argmax(axis=1).tolist() == [1, 0]
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75


def test_predicted_stands_beside_the_actual_close_of_the_day_that_was_predicted() -> None:
    days = np.array(["2019-01-02", "2019-01-03", "2019-01-04"], dtype="datetime64[D]")
    close = np.array([[10.0, 20.0], [11.0, 19.0], [12.0, 18.0]])
    raw = {name: close for name in ("open", "high", "low", "close")} | {"adj_factor": np.full_like(close, 2.0)}
    market = Market.build(days, ["600000.SH", "600001.SH"], raw)
    scores = {
        str(day): pd.DataFrame({"score": 0.0, "predicted": predicted, "last": 2.0 * close[k]}, index=market.symbols)
        for k, (day, predicted) in enumerate(zip(days, ([21.0, 41.0], [23.0, 37.0], [0.0, 0.0]), strict=True))
    }
    found = predicted_and_actual(market, scores, ["600001.SH"])
    frame = found["600001.SH"]
    assert [str(day)[:10] for day in frame["date"]] == ["2019-01-03", "2019-01-04"]
    assert frame["predicted"].tolist() == [41.0, 37.0] and frame["actual"].tolist() == [38.0, 36.0]
    assert frame["last"].tolist() == [40.0, 38.0]
    assert list(predicted_and_actual(market, scores, 1)) == ["600000.SH"]
    figures = outcomes(market, scores, NextClose()).figures()
    assert figures["r2"] == pytest.approx(1 - (1 + 1 + 9 + 1) / ((22 - 30) ** 2 + 64 + 36 + 36))
