"""The papers' networks: shapes, counts, arithmetic against references, first weights, attention."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, SignalError

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'huice[torch]'")

from signals.neural.learning_curves import contribution, distributions  # noqa: E402
from signals.neural.modules import Dropout  # noqa: E402
from signals.neural.networks import NETWORKS, build, network, parameter_count  # noqa: E402
from signals.neural.outputs import attention_weights, class_probabilities, outputs, predict  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def samples(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-z))


def weights_of(model) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().astype(np.float64) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("classes", [1, 3])
def test_a_network_maps_samples_of_steps_of_factors_to_one_row_of_outputs_each(name: str, classes: int) -> None:
    model = build(network(name, layers=2, units=6, dropout=0.2), 4, outputs=classes, steps=5)
    assert model(torch.from_numpy(samples(7, 5, 4))).shape == (7, classes)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("more", [{}, {"layers": 3}])
def test_parameters_are_as_many_as_the_formula_says(name: str, more: dict) -> None:
    config = network(name, units=6, **more)
    model = build(config, 4, outputs=2, steps=5)
    assert parameter_count(config, 4, 2, 5) == sum(p.numel() for p in model.parameters())


def test_parameters_of_the_papers_networks_counted_by_hand() -> None:
    # 2 x 100 on 70 factors: 4 gates x 100 x (70 + 100 + 2) + 4 x 100 x (100 + 100 + 2), and 2 x 101 of the head
    assert parameter_count(network("lstm", layers=2, units=100), 70, 2) == 68800 + 80800 + 202
    assert parameter_count(network("gru", units=32), 24, 2) == 3 * 32 * (24 + 32 + 2) + 66
    assert parameter_count(network("attention-gru", units=32), 24, 2) == 3 * 32 * 58 + 66 + 24 * 25
    assert parameter_count(network("attention-gru", units=32, over="steps"), 24, 2) == 3 * 32 * 58 + 66 + 25
    assert parameter_count(network("lstm", units=8, dense_layers=2, dense_units=5), 3) == 4 * 8 * 13 + 45 + 30 + 6
    assert parameter_count(network("mlp", layers=2, units=10), 4, 1, steps=3) == 130 + 110 + 11


def test_wrong_names_and_values_are_answered_with_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no network 'lstmm'; did you mean 'lstm'"):
        network("lstmm")
    with pytest.raises(ConfigError, match="network 'gru' has no parameter 'unit'; did you mean 'units'"):
        network("gru", unit=3)
    with pytest.raises(ConfigError, match="network 'lstm': activation: .*'tanh'"):
        network("lstm", activation="relu")
    with pytest.raises(ConfigError, match="network 'rnn': dropout"):
        network("rnn", dropout=1.0)


@pytest.mark.parametrize(("name", "kind"), [("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
def test_two_layers_give_what_torchs_own_two_layers_give(name: str, kind: str) -> None:
    model = build(network(name, layers=2, units=6, initialisation="torch"), 4, outputs=2).eval()
    reference = getattr(torch.nn, kind)(4, 6, 2, batch_first=True)
    own = model.state_dict()
    reference.load_state_dict(
        {f"{part}_l{k}": own[f"cells.{k}.{part}_l0"] for k in (0, 1) for part in
         ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    )  # fmt: skip
    x = torch.from_numpy(samples(9, 5, 4))
    with torch.no_grad():
        torch.testing.assert_close(model(x), model.head(reference(x)[0][:, -1]))


def recurrent_by_hand(name: str, held: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The papers' formulas, one sample, one step at a time."""
    w, u = held["cells.0.weight_ih_l0"], held["cells.0.weight_hh_l0"]
    b, c = held["cells.0.bias_ih_l0"], held["cells.0.bias_hh_l0"]
    units = u.shape[1]
    answers = []
    for sample in x.astype(np.float64):
        h, cell = np.zeros(units), np.zeros(units)
        for step in sample:
            given, kept = w @ step + b, u @ h + c
            if name == "rnn":
                h = np.tanh(given + kept)
            elif name == "lstm":
                i, f, g, o = np.split(given + kept, 4)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(cell)
            else:
                (ri, zi, ni), (rh, zh, nh) = np.split(given, 3), np.split(kept, 3)
                z = sigmoid(zi + zh)
                h = (1.0 - z) * np.tanh(ni + sigmoid(ri + rh) * nh) + z * h
        answers.append(held["head.weight"] @ h + held["head.bias"])
    return np.array(answers)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_recurrent_networks_follow_their_formulas(name: str) -> None:
    model = build(network(name, units=3, initialisation="torch"), 2, outputs=2)
    x = samples(4, 3, 2)
    np.testing.assert_allclose(outputs(model, x), recurrent_by_hand(name, weights_of(model), x), atol=1e-6)


@pytest.mark.parametrize(("activation", "function"), [("relu", lambda z: np.maximum(z, 0.0)), ("tanh", np.tanh)])
def test_the_mlp_reads_all_steps_side_by_side(activation: str, function) -> None:
    model = build(network("mlp", units=5, activation=activation), 2, steps=3)
    held, x = weights_of(model), samples(4, 3, 2)
    hidden = function(x.reshape(4, 6) @ held["dense.0.weight"].T + held["dense.0.bias"])
    np.testing.assert_allclose(outputs(model, x), hidden @ held["head.weight"].T + held["head.bias"], atol=1e-6)


def test_dense_layers_stand_between_the_last_state_and_the_head() -> None:
    model = build(network("gru", units=4, dense_layers=1, dense_units=3, dense_activation="relu"), 2)
    plain = build(network("gru", units=4), 2, outputs=4)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k.startswith("cells")} | {
        "head.weight": torch.eye(4), "head.bias": torch.zeros(4)})  # fmt: skip
    held, x = weights_of(model), samples(5, 3, 2)
    hidden = np.maximum(outputs(plain, x) @ held["dense.0.weight"].T + held["dense.0.bias"], 0.0)
    np.testing.assert_allclose(outputs(model, x), hidden @ held["head.weight"].T + held["head.bias"], atol=1e-6)


@pytest.mark.parametrize(("over", "axis", "wide"), [("factors", 2, 4), ("steps", 1, 1)])
@pytest.mark.parametrize("rescale", [False, True])
def test_attention_weights_sum_to_one_and_are_what_the_gru_is_given(
    over: str, axis: int, wide: int, rescale: bool
) -> None:
    config = network("attention-gru", units=6, over=over, rescale=rescale)
    model, x = build(config, 4, outputs=2, steps=5), samples(8, 5, 4)
    weights = attention_weights(model, x)
    assert weights.shape == (8, 5, wide)
    np.testing.assert_allclose(weights.sum(axis=axis), 1.0, atol=1e-6)
    assert weights.std() > 0.01
    gru = build(network("gru", units=6), 4, outputs=2)
    gru.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("attention")})
    scale = x.shape[axis] if rescale else 1
    np.testing.assert_allclose(outputs(model, x), outputs(gru, x * weights * scale), atol=1e-6)


def test_attention_weights_are_the_softmax_of_a_linear_score() -> None:
    model, x = build(network("attention-gru", units=3), 4, steps=2), samples(3, 2, 4)
    held = weights_of(model)
    grown = np.exp(x @ held["attention.score.weight"].T + held["attention.score.bias"])
    np.testing.assert_allclose(attention_weights(model, x), grown / grown.sum(axis=2, keepdims=True), atol=1e-6)


def test_only_attention_gru_has_attention_weights() -> None:
    with pytest.raises(SignalError, match="no attention"):
        attention_weights(build(network("gru"), 4), samples(2, 3, 4))


def test_dropout_draws_from_its_own_generator_and_rests_while_predicting() -> None:
    layer, x = Dropout(0.25), torch.ones(4000)
    before = torch.get_rng_state()
    layer.generator = torch.Generator().manual_seed(5)
    first = layer.train()(x)
    layer.generator = torch.Generator().manual_seed(5)
    assert torch.equal(first, layer(x))
    assert sorted(set(first.tolist())) == [0.0, pytest.approx(1 / 0.75)]
    assert first.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_follows_the_last_hidden_layer_too() -> None:
    model = build(network("lstm", units=4, dropout=0.5), 3, outputs=1).train()
    model.dropout.generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        answers = {round(model(torch.ones(1, 2, 3)).item(), 6) for _ in range(40)}
    assert len(answers) > 4  # one layer: between layers alone there would be none to drop
    x = np.ones((3, 2, 3), dtype=np.float32)
    assert np.array_equal(outputs(model, x), outputs(model.eval(), x))  # and none is dropped in predicting


def test_first_weights_are_as_the_papers_framework_draws_them() -> None:
    model = build(network("lstm", units=50), 20, outputs=2, seed=3)
    held = weights_of(model)
    edge = np.sqrt(6.0 / (20 + 4 * 50))
    given = held["cells.0.weight_ih_l0"]
    assert 0.95 * edge < np.abs(given).max() <= edge and abs(given.mean()) < 0.02
    kept = held["cells.0.weight_hh_l0"]
    np.testing.assert_allclose(kept.T @ kept, np.eye(50), atol=1e-5)
    bias = (held["cells.0.bias_ih_l0"] + held["cells.0.bias_hh_l0"]).reshape(4, 50)
    np.testing.assert_array_equal(bias, np.repeat([0.0, 1.0, 0.0, 0.0], 50).reshape(4, 50))
    assert np.all(held["head.bias"] == 0.0)


@pytest.mark.parametrize(("how", "spread"), [("uniform", 0.1 / np.sqrt(12)), ("normal", 0.05)])
def test_weights_of_paper_three_begin_small(how: str, spread: float) -> None:
    model = build(network("lstm", units=100, initialisation=how), 70)
    given = weights_of(model)["cells.0.weight_ih_l0"]
    assert given.std() == pytest.approx(spread, rel=0.03)
    assert (np.abs(given).max() <= 0.05) == (how == "uniform")


def test_torchs_own_first_weights_can_be_had() -> None:
    model = build(network("gru", units=25, initialisation="torch"), 4)
    for name, values in weights_of(model).items():
        assert np.abs(values).max() <= 0.2, name
        assert np.abs(values).max() > 0.1 or name == "head.bias", name  # one number


def test_first_weights_follow_the_seed_and_leave_torchs_global_generator_alone() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    one, same, other = (build(network("lstm"), 5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)


def test_the_answer_to_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    for name in NETWORKS:
        model, x = build(network(name, layers=2, units=40), 7, outputs=3, steps=4), samples(600, 4, 7)
        whole = outputs(model, x)
        chosen = np.random.default_rng(1).permutation(600)[:77]
        assert np.array_equal(outputs(model, x[chosen]), whole[chosen]), name
        assert np.array_equal(outputs(model, x[:1]), whole[:1]), name


def test_class_probabilities_are_the_softmax_of_the_outputs() -> None:
    model, x = build(network("rnn", units=4), 3, outputs=3), samples(5, 2, 3)
    grown = np.exp(outputs(model, x).astype(np.float64))
    found = class_probabilities(model, x)
    np.testing.assert_allclose(found, grown / grown.sum(axis=1, keepdims=True), rtol=1e-12)
    assert predict(build(network("rnn"), 3), x).shape == (5,)


def test_samples_that_do_not_fit_are_refused() -> None:
    model, x = build(network("lstm", units=4), 3, steps=5), samples(4, 5, 3)
    with pytest.raises(SignalError, match="x has 5 steps of 2 features; the network was trained on 5 of 3"):
        outputs(model, x[:, :, :2])
    with pytest.raises(SignalError, match="x has 4 steps"):
        outputs(model, x[:, 1:])
    with pytest.raises(SignalError, match="no sample"):
        outputs(model, x[:0])
    x[2, 1, 0] = np.nan
    with pytest.raises(SignalError, match="sample 2, step 1, feature 0"):
        outputs(model, x)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_factors_contribution_is_the_sum_of_its_first_weights_sizes(name: str) -> None:
    model = build(network(name, units=6), 4, steps=3)
    first = weights_of(model)["dense.0.weight" if name == "mlp" else "cells.0.weight_ih_l0"]
    by_hand = [sum(abs(first[:, column]).sum() for column in range(f, first.shape[1], 4)) for f in range(4)]
    np.testing.assert_allclose(contribution(model), by_hand, rtol=1e-12)


def test_input_weights_come_by_gate_with_the_biases_that_add_up() -> None:
    model = build(network("lstm", units=5), 3)
    weights, biases = model.input_weights(0)
    assert weights.shape == (4, 5, 3) and torch.equal(weights[1], model.cells[0].weight_ih_l0[5:10])
    assert torch.equal(biases[1], torch.ones(5)) and torch.equal(biases[0], torch.zeros(5))
    gru = build(network("gru", units=5, initialisation="torch"), 3)
    cell, (_, biases) = gru.cells[0], gru.input_weights(0)
    assert torch.equal(biases[0], cell.bias_ih_l0[:5] + cell.bias_hh_l0[:5])
    assert torch.equal(biases[2], cell.bias_ih_l0[10:])  # the other one is inside the reset gate's product


def test_distributions_share_their_edges_and_sum_to_one() -> None:
    edges, shares = distributions(np.array([[0.0, 1.0, 2.0, 3.9], [4.0, 4.0, 0.0, 0.0]]), bins=4)
    np.testing.assert_array_equal(edges, [0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(shares, [[0.25, 0.25, 0.25, 0.25], [0.5, 0.0, 0.0, 0.5]])


def test_configurations_are_read_without_torch() -> None:
    code = (
        "import sys; import signals.neural.networks, signals.neural.configs, signals.neural.checks, "
        "signals.neural.results, signals.neural.learning_curves, signals.neural.model_files; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
