"""The one trainer: learning, stopping, arithmetic against hand and torch, bits, precision, refusals."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, SignalError
from signals.neural.checks import class_weights, split_rows
from signals.neural.configs import TrainingConfig

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'huice[torch]'")

from signals.neural import devices  # noqa: E402
from signals.neural.networks import build, network  # noqa: E402
from signals.neural.outputs import class_probabilities, outputs, predict  # noqa: E402
from signals.neural.training import DivergenceError, Progress, Training, train  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"precision": "float32", "device": "cpu"}


def planted(rows: int = 2000, steps: int = 3, factors: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A product of a factor now and another a step ago: nothing for a line, nothing for the last step alone."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, steps, factors)).astype(np.float32)
    y = x[:, -1, 0] * x[:, -2, 1] + 0.3 * rng.normal(size=rows)
    return x, y.astype(np.float32)


def parts(rows: int, held: int) -> dict[str, np.ndarray]:
    return {"train": np.arange(rows - held), "validation": np.arange(rows - held, rows)}


def state_bytes(model) -> str:
    content = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
    return hashlib.sha256(content).hexdigest()


# -- learning ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "gru", "attention-gru", "mlp"])
def test_networks_learn_an_interaction_across_steps_that_a_line_cannot(name: str) -> None:
    x, y = planted(3000)
    config = TrainingConfig(batch=100, epochs=14, learning_rate=0.01, **QUICK)
    found = train(network(name, units=24), config, x[:2500], y[:2500])
    flat = np.c_[x.reshape(3000, -1), np.ones(3000)]
    line = flat[2500:] @ np.linalg.lstsq(flat[:2500], y[:2500], rcond=None)[0]
    of_line = np.mean((line - y[2500:]) ** 2)
    assert np.mean((predict(found.model, x[2500:]) - y[2500:]) ** 2) < 0.5 * of_line


def test_a_plain_recurrent_network_learns_a_sum_over_past_steps() -> None:
    x, _ = planted(1500)
    y = x[:, 0, 0] + 2.0 * x[:, 1, 0]
    found = train(network("rnn", units=16), TrainingConfig(batch=50, epochs=12, learning_rate=0.01, **QUICK), x, y)
    assert found.curves.validation_loss.min() < 0.1 * y.var()


def test_classes_are_learnt_and_counted_right() -> None:
    x, y = planted(2000)
    labels = np.digitize(y, [-0.4, 0.4])
    config = TrainingConfig(loss="cross-entropy", batch=100, epochs=15, learning_rate=0.01, **QUICK)
    found = train(network("gru", units=24), config, x, labels, **parts(2000, 400))
    chances = class_probabilities(found.model, x[1600:])
    right = np.mean(chances.argmax(axis=1) == labels[1600:])
    assert right == pytest.approx(found.curves.validation_accuracy[found.best_epoch - 1])
    assert right > np.bincount(labels[1600:]).max() / 400 + 0.1
    loss = -np.log(chances[np.arange(400), labels[1600:]]).mean()
    assert loss == pytest.approx(found.curves.validation_loss.min(), rel=1e-5)
    assert np.all((found.curves.train_accuracy >= 0) & (found.curves.train_accuracy <= 1))


def test_the_planted_factors_contribute_most() -> None:
    from signals.neural.learning_curves import contribution

    x, y = planted(2000)
    found = train(network("lstm", units=24), TrainingConfig(batch=50, epochs=12, learning_rate=0.01, **QUICK), x, y)
    assert set(np.argsort(contribution(found.model))[-2:]) == {0, 1}


# -- stopping ---------------------------------------------------------------------------------------


def overfitting(**more) -> tuple[Training, np.ndarray, np.ndarray]:
    x, _ = planted(260, seed=4)
    y = np.random.default_rng(9).normal(size=260).astype(np.float32)
    config = TrainingConfig(batch=20, learning_rate=0.02, **{"epochs": 60, **QUICK, **more})
    return Training(network("lstm", units=24), config, x, y, **parts(260, 60)), x, y


def test_training_stops_after_patience_and_keeps_the_best_weights() -> None:
    training, x, y = overfitting(patience=4)
    found = training.run().result()
    losses = found.curves.validation_loss
    assert found.stopped == "patience" and len(losses) == found.best_epoch + 4 < 60
    assert found.best_epoch == losses.argmin() + 1
    assert losses[-1] > losses.min() * 1.01
    again = np.mean((predict(found.model, x[200:]) - y[200:]) ** 2)
    assert again == pytest.approx(losses.min(), rel=1e-5)


def test_without_patience_all_epochs_run_and_the_best_is_kept_still() -> None:
    found = overfitting(patience=None, epochs=12)[0].run().result()
    assert found.stopped == "epochs" and len(found.curves) == 12 > found.best_epoch
    assert found.iterations == 12 * 10


def test_without_validation_rows_the_last_weights_are_kept() -> None:
    x, y = planted(100)
    found = train(network("rnn", units=4), TrainingConfig(epochs=3, validation=0.0, patience=1, **QUICK), x, y)
    assert len(found.curves) == found.best_epoch == 3 and np.isnan(found.curves.validation_loss).all()
    assert len(found.validation) == 0 and len(found.train) == 100


def test_min_delta_is_what_an_improvement_must_exceed() -> None:
    assert overfitting(patience=2, min_delta=100.0)[0].run().result().best_epoch == 1


def test_progress_is_told_each_epoch_and_may_end_the_training() -> None:
    x, y = planted(100)
    told: list[Progress] = []

    def progress(now: Progress) -> bool:
        told.append(now)
        return now.epoch == 3

    found = train(network("rnn", units=4), TrainingConfig(epochs=9, **QUICK), x, y, progress=progress)
    assert found.stopped == "progress" and [now.epoch for now in told] == [1, 2, 3] and told[0].epochs == 9
    assert [now.train_loss for now in told] == list(found.curves.train_loss)
    assert [now.validation_loss for now in told] == list(found.curves.validation_loss)


# -- arithmetic -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_the_first_epochs_loss_in_one_batch_is_that_of_the_first_weights(loss: str) -> None:
    x, y = planted(80)
    config = TrainingConfig(loss=loss, epochs=1, batch=80, huber_delta=0.5, seed=6, **QUICK)
    found = train(network("lstm", units=5), config, x, y, **parts(80, 30))

    def by_hand(model, rows: slice) -> float:
        off = np.abs(predict(model, x[rows]).astype(np.float64) - y[rows])
        return np.mean(off**2 if loss == "mse" else np.where(off < 0.5, 0.5 * off**2, 0.5 * (off - 0.25)))

    first = build(network("lstm", units=5), 5, steps=3, seed=6)
    assert found.curves.train_loss[0] == pytest.approx(by_hand(first, slice(0, 50)), rel=1e-5)
    assert found.curves.validation_loss[0] == pytest.approx(by_hand(found.model, slice(50, 80)), rel=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, weight_decay=0.01)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.01)),
    ],
)
def test_the_trainer_does_what_a_loop_written_by_hand_does(optimizer: str, make) -> None:
    x, y = planted(60)
    more = {"momentum": 0.9} if optimizer == "sgd" else {}
    config = TrainingConfig(
        optimizer=optimizer, learning_rate=0.01, weight_decay=0.01, batch=60, epochs=5, validation=0.0, **more, **QUICK
    )
    found = train(network("gru", units=6), config, x, y)
    model = build(network("gru", units=6), 5, steps=3, seed=1)
    by_hand, inputs, labels = make(model.parameters()), torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(5):
        by_hand.zero_grad()
        ((model(inputs)[:, 0] - labels) ** 2).mean().backward()
        by_hand.step()
    for ours, theirs in zip(found.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-5)


def test_an_epoch_uses_every_row_once_in_an_order_that_changes() -> None:
    seen: list[np.ndarray] = []

    class Spy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(1, 1)

        def forward(self, x):
            seen.append(x[:, 0, 0].numpy().copy())
            return self.head(x[:, 0])

    x = np.arange(50, dtype=np.float32).reshape(50, 1, 1)
    config = TrainingConfig(batch=20, epochs=2, validation=0.0, learning_rate=1e-6, **QUICK)
    train(Spy(), config, x, np.zeros(50))
    assert [len(rows) for rows in seen] == [20, 20, 10] * 2
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert sorted(first) == sorted(second) == list(range(50)) and list(first) != list(second) != list(range(50))


def test_drawn_batches_hold_distinct_rows_of_all_and_an_epoch_so_many_of_them() -> None:
    class Seen(torch.nn.Linear):
        rows: list[list[int]] = []

        def forward(self, x):
            if self.training:
                Seen.rows.append(x[:, 0, 0].tolist())
            return super().forward(x[:, 0])

    x = np.arange(90, dtype=np.float32).reshape(90, 1, 1)
    config = TrainingConfig(batch=20, batches=3, epochs=4, patience=None, learning_rate=1e-9, optimizer="sgd", **QUICK)
    found = train(Seen(1, 1), config, x, x[:, 0, 0], **parts(90, 10))
    assert found.iterations == len(Seen.rows) == 12 and len(found.curves) == 4
    assert all(len(set(rows)) == 20 and max(rows) < 80 for rows in Seen.rows)
    firsts = [tuple(sorted(rows)) for rows in Seen.rows]
    assert len(set(firsts)) == 12
    in_an_epoch = [set().union(*Seen.rows[k : k + 3]) for k in range(0, 12, 3)]
    assert min(map(len, in_an_epoch)) < 60  # drawn anew, a row may come twice where a pass would take another


def test_clipping_bounds_the_whole_gradients_norm() -> None:
    x, y = planted(60)
    config = {"optimizer": "sgd", "learning_rate": 0.5, "epochs": 1, "batch": 60, "validation": 0.0, **QUICK}
    first = list(build(network("lstm", units=6), 5, steps=3).parameters())

    def moved(**more) -> float:
        found = train(network("lstm", units=6), TrainingConfig(**config, **more), x, 10.0 * y)
        pairs = zip(found.model.parameters(), first, strict=True)
        return sum(((a - b) ** 2).sum().item() for a, b in pairs) ** 0.5

    assert moved() > 0.1
    assert moved(clip=0.01) == pytest.approx(0.5 * 0.01, rel=1e-3)
    assert moved(clip=1e6) == moved()  # never enlarged


def test_balanced_class_weights_count_each_class_alike() -> None:
    labels, config = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2]), TrainingConfig(loss="cross-entropy")
    balanced = config.model_copy(update={"class_weights": "balanced"})
    np.testing.assert_allclose(class_weights(labels, 3, balanced, ""), [0.5, 1.5, 3.0])
    np.testing.assert_allclose(class_weights(labels, 4, balanced, ""), [0.375, 1.125, 2.25, 0.0])
    assert class_weights(labels, 3, config, "") is None
    with pytest.raises(ConfigError, match="class_weights are 2, but the labels have 3 classes"):
        class_weights(labels, 3, config.model_copy(update={"class_weights": (1.0, 2.0)}), "")


def test_class_weights_weigh_the_loss_and_move_the_answers_to_the_rare_class() -> None:
    x, _ = planted(600)
    noise = np.random.default_rng(3).normal(size=600)
    labels = (x[:, -1, 0] + noise > 1.8).astype(int)  # one in ten
    config = {"loss": "cross-entropy", "batch": 100, "epochs": 8, "learning_rate": 0.01, **QUICK}
    plain = train(network("gru", units=8), TrainingConfig(**config), x, labels, **parts(600, 200))
    weights = (1.0, 9.0)
    heavy = train(
        network("gru", units=8), TrainingConfig(**config, class_weights=weights), x, labels, **parts(600, 200)
    )
    assert class_probabilities(heavy.model, x)[:, 1].mean() > 2 * class_probabilities(plain.model, x)[:, 1].mean()
    held, chances = labels[400:], class_probabilities(heavy.model, x[400:])
    weight = np.take(weights, held)
    loss = (-np.log(chances[np.arange(200), held]) * weight).sum() / weight.sum()
    assert loss == pytest.approx(heavy.curves.validation_loss.min(), rel=1e-5)


def test_classes_of_weight_zero_leave_no_trace() -> None:
    x, _ = planted(60)
    config = TrainingConfig(loss="cross-entropy", class_weights=(1.0, 0.0, 1.0), batch=1, epochs=2, **QUICK)
    labels = np.arange(60) % 3
    one = train(network("rnn", units=4), config, x, labels, **parts(60, 20))
    assert np.isfinite(one.curves.train_loss).all()
    every = {"train": np.arange(40), "validation": np.arange(40, 60)}
    with pytest.raises(SignalError, match=r"validation rows hold only classes of weight 0 \(\[1\]\)"):
        train(network("rnn", units=4), config, x, np.where(np.arange(60) < 40, labels, 1), **every)


def test_input_weights_are_recorded_every_so_many_steps() -> None:
    x, y = planted(100)
    config = TrainingConfig(batch=10, epochs=2, validation=0.0, record_every=8, record_layers=2, **QUICK)
    found = train(network("lstm", layers=2, units=6), config, x, y)
    assert found.record is not None
    kept = found.record.arrays()
    assert list(kept["iterations"]) == [0, 8, 16] and found.iterations == 20
    assert kept["weights_0"].shape == (3, 4, 6, 5) and kept["weights_1"].shape == (3, 4, 6, 6)
    assert kept["biases_1"].shape == (3, 4, 6)
    first = build(network("lstm", layers=2, units=6), 5, steps=3)
    assert np.array_equal(kept["weights_1"][0], first.input_weights(1)[0].detach().numpy())
    assert not np.array_equal(kept["weights_0"][1], kept["weights_0"][2])
    whole = train(network("lstm", layers=2, units=6), config.model_copy(update={"record_every": 20}), x, y)
    assert whole.record is not None
    last = whole.record.arrays()["weights_0"][-1]
    assert np.array_equal(last, whole.model.input_weights(0)[0].detach().numpy())
    training = Training(network("lstm", layers=2, units=6), config, x, y).run(1)
    early = training.result().record
    training.run()
    assert early is not None and early.iterations == [0, 8] and len(early.weights[1]) == 2
    assert train(network("lstm", units=6), TrainingConfig(epochs=1, **QUICK), x, y).record is None


# -- going on ---------------------------------------------------------------------------------------


def test_a_warm_start_goes_on_from_the_weights_that_it_is_given() -> None:
    x, y = planted(1500)
    config = TrainingConfig(batch=50, epochs=8, learning_rate=0.01, **QUICK)
    cold = train(network("lstm", units=16), config, x, y)
    warm = train(network("lstm", units=16), config, x, y, start=cold.model)
    assert warm.curves.validation_loss[0] < 0.6 * cold.curves.validation_loss[0]
    still = config.model_copy(update={"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 1})
    kept = train(network("lstm", units=16), still, x, y, start=dict(cold.model.state_dict()))
    assert state_bytes(kept.model) == state_bytes(cold.model)


def test_weights_of_another_network_are_no_start() -> None:
    x, y = planted(100)
    other = build(network("lstm", units=8), 4)
    with pytest.raises(SignalError, match=r"'cells.0.weight_ih_l0' is \(32, 4\), here \(32, 5\)"):
        Training(network("lstm", units=8), TrainingConfig(**QUICK), x, y, start=other)
    with pytest.raises(SignalError, match="of another network: 'cells.1.bias_hh_l0' is not there, here"):
        Training(
            network("lstm", units=8, layers=2), TrainingConfig(**QUICK), x, y, start=build(network("lstm", units=8), 5)
        )


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_running_in_parts_gives_the_bits_of_running_at_once(optimizer: str) -> None:
    x, y = planted(300)
    config = TrainingConfig(batch=32, epochs=6, optimizer=optimizer, patience=None, **QUICK)
    net = network("gru", units=8, dropout=0.3, layers=2)
    whole = train(net, config, x, y)
    training = Training(net, config, x, y)
    early = training.run(2).result()
    before = state_bytes(early.model)
    later = training.run(5).run().result()
    assert state_bytes(early.model) == before != state_bytes(later.model) == state_bytes(whole.model)
    assert early.stopped == "" and len(early.curves) == 2
    assert np.array_equal(later.curves.train_loss, whole.curves.train_loss)


# -- bits -------------------------------------------------------------------------------------------

REPEATED = """
import hashlib, sys
import numpy as np
from signals.neural.outputs import outputs
from signals.neural.networks import network
from signals.neural.training import train
from signals.neural.configs import TrainingConfig

x = np.random.default_rng(1).normal(size=(2000, 3, 8)).astype(np.float32)
y = x[:, -1, 0] > 0
config = TrainingConfig(epochs=2, batch=1000, clip=1.0, precision="float32", device="cpu")
found = train(network("lstm", units=32, layers=2, dropout=0.2), config, x, y)
content = b"".join(t.numpy().tobytes() for t in found.model.state_dict().values()) + outputs(found.model, x).tobytes()
bits = hashlib.sha256(content).hexdigest()
"""
LAST = "assert 'torch._dynamo' not in sys.modules  # three seconds of import\nprint(bits)"


def test_bits_are_the_same_in_any_process_and_with_any_number_of_threads() -> None:
    space: dict = {}
    torch.manual_seed(77)  # whatever the caller's own generators hold
    exec(REPEATED, space)
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", REPEATED + LAST], cwd=ROOT, check=True, capture_output=True, text=True,
            env=os.environ | {"OMP_NUM_THREADS": threads},
        )  # fmt: skip
        assert done.stdout.strip() == space["bits"]


def test_the_seed_decides_and_the_callers_generators_and_threads_stay_as_they_were() -> None:
    x, y = planted(200)
    before, drawn, threads = torch.get_rng_state(), np.random.get_state()[1].tolist(), torch.get_num_threads()
    net = network("mlp", units=8, dropout=0.2)
    one, same, other = (train(net, TrainingConfig(epochs=2, seed=seed, **QUICK), x, y) for seed in (1, 1, 2))
    assert state_bytes(one.model) == state_bytes(same.model) != state_bytes(other.model)
    assert torch.equal(torch.get_rng_state(), before) and np.random.get_state()[1].tolist() == drawn
    assert torch.get_num_threads() == threads


def test_a_module_of_ones_own_is_copied_and_repeats_its_bits_too() -> None:
    x, y = planted(200)
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(15, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    before, held = state_bytes(own), torch.get_rng_state()
    config = TrainingConfig(epochs=4, batch=30, validation=0.0, **QUICK)
    one = train(own, config, x, y)
    torch.rand(3)
    in_parts = Training(own, config, x, y).run(1).run().result()
    assert state_bytes(own) == before != state_bytes(one.model) == state_bytes(in_parts.model)
    torch.set_rng_state(held)
    assert predict(one.model, x).shape == (200,)
    with pytest.raises(ConfigError, match="not with a module of yours"):
        train(own, TrainingConfig(record_every=1, **QUICK), x, y)
    with pytest.raises(SignalError, match=r"answers \(\d+, 1\) to \d+ rows of 2 classes"):
        train(own, TrainingConfig(loss="cross-entropy", **QUICK), x, (y > 0).astype(int))


def test_arrays_that_may_not_be_written_are_read() -> None:
    x, y = planted(100)
    config = TrainingConfig(epochs=1, **QUICK)
    expected = state_bytes(train(network("rnn", units=4), config, x, y).model)
    for array in (x, y):
        array.setflags(write=False)
    assert state_bytes(train(network("rnn", units=4), config, x, y).model) == expected


# -- precision and device ---------------------------------------------------------------------------


def test_bfloat16_trains_float32_weights_to_nearly_the_same_loss() -> None:
    x, y = planted(1000)
    base = {"batch": 50, "epochs": 8, "learning_rate": 0.01, "device": "cpu"}
    full = train(network("lstm", units=16), TrainingConfig(precision="float32", **base), x, y)
    half = train(network("lstm", units=16), TrainingConfig(precision="bfloat16", **base), x, y)
    again = train(network("lstm", units=16), TrainingConfig(precision="bfloat16", **base), x, y)
    assert half.precision == "bfloat16" and state_bytes(half.model) == state_bytes(again.model)
    assert state_bytes(half.model) != state_bytes(full.model)
    assert {tensor.dtype for tensor in half.model.state_dict().values()} == {torch.float32}
    assert half.curves.validation_loss.min() < 1.2 * full.curves.validation_loss.min() < 0.6 * y.var()


def test_losses_are_taken_in_float32_where_the_network_runs_in_bfloat16() -> None:
    x, y = planted(60)
    config = TrainingConfig(
        loss="cross-entropy", epochs=4, batch=60, validation=0.0, precision="bfloat16", device="cpu"
    )
    losses = train(network("lstm", units=8), config, x, (y > 0).astype(int)).curves.train_loss
    rounded = torch.from_numpy(losses).bfloat16().double().numpy()
    assert (losses != rounded).any()


@pytest.mark.parametrize(("took", "chosen"), [((1.0, 0.5), "bfloat16"), ((1.0, 0.9), "float32")])
def test_auto_precision_follows_the_probe(took, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def probe(step, device) -> dict[str, float]:
        step(False), step(True)
        steps.append(1)
        return dict(zip(("float32", "bfloat16"), took, strict=True))

    monkeypatch.setattr(devices, "probe", probe)
    monkeypatch.setattr(devices, "_ANSWERS", {})
    x, y = planted(200)
    before = torch.get_rng_state()
    config = TrainingConfig(batch=10, epochs=20, device="cpu")
    net = network("gru", units=4, dropout=0.2)
    training = Training(net, config, x, y)
    assert training.precision == chosen and len(steps) == 1
    assert torch.equal(torch.get_rng_state(), before)
    assert Training(net, config, x, y).precision == chosen and len(steps) == 1  # the first answer stands
    exact = config.model_copy(update={"precision": chosen, "epochs": 2})
    assert state_bytes(training.run(2).result().model) == state_bytes(train(net, exact, x, y).model)


def test_a_short_training_is_not_worth_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "probe", lambda step, device: pytest.fail("probed"))
    x, y = planted(200)
    assert Training(network("gru"), TrainingConfig(epochs=5, device="cpu"), x, y).precision == "float32"


def test_a_probes_answer_is_kept_for_other_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = iter([{"float32": 2.0, "bfloat16": 1.0}, {"float32": 1.0, "bfloat16": 2.0}])
    monkeypatch.setattr(devices, "probe", lambda step, device: next(answers))
    case, cpu, folder = {"batch": 1}, torch.device("cpu"), tmp_path / "probes"
    monkeypatch.setattr(devices, "_ANSWERS", {})
    assert devices.faster_precision(lambda half: None, cpu, case, folder) == "bfloat16"
    monkeypatch.setattr(devices, "_ANSWERS", {})  # another process
    assert devices.faster_precision(lambda half: None, cpu, case, folder) == "bfloat16"
    assert [file.name.startswith("precision-") for file in folder.iterdir()] == [True]
    assert devices.faster_precision(lambda half: None, cpu, {"batch": 2}, folder) == "float32"  # another case
    for file in folder.iterdir():
        file.write_text("{")  # damaged: asked again
    monkeypatch.setattr(devices, "_ANSWERS", {})
    monkeypatch.setattr(devices, "probe", lambda step, device: {"float32": 1.0, "bfloat16": 1.0})
    assert devices.faster_precision(lambda half: None, cpu, case, folder) == "float32"
    monkeypatch.setattr(devices, "_ANSWERS", {})
    monkeypatch.setattr(devices, "probe", lambda step, device: pytest.fail("probed"))
    assert devices.faster_precision(lambda half: None, cpu, case, folder) == "float32"


def test_a_probe_gives_up_at_once_where_bfloat16_is_many_times_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []

    def step(half: bool) -> None:
        calls.append(half)
        clock[0] += 18.0 if half else 1.0

    monkeypatch.setattr(devices.time, "process_time", lambda: clock[0])
    assert devices.probe(step, torch.device("cpu")) == {"float32": 1.0, "bfloat16": np.inf}
    assert calls.count(True) == 1
    clock[0], calls[:] = 0.0, []
    quick = devices.probe(lambda half: clock.__setitem__(0, clock[0] + (0.5 if half else 1.0)), torch.device("cpu"))
    assert quick == {"float32": 1.0, "bfloat16": 0.5}


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    x, y = planted(50)
    with pytest.raises(ConfigError, match="torch finds no GPU here; use device = 'auto' or 'cpu'"):
        Training(network("rnn"), TrainingConfig(device="cuda"), x, y)
    assert devices.find_device("auto").type == "cpu"


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "attention-gru", "mlp"])
def test_a_gpu_trains_to_what_the_processor_trains_to(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU at hand")
    x, y = planted(500)
    base = {"batch": 50, "epochs": 3, "precision": "float32", "record_every": 10}
    found = [train(network(name, units=16), TrainingConfig(device=where, **base), x, y) for where in ("cpu", "cuda")]
    again = train(network(name, units=16), TrainingConfig(device="cuda", **base), x, y)
    assert [one.device for one in found] == ["cpu", "cuda"]
    np.testing.assert_allclose(*(one.curves.validation_loss for one in found), rtol=1e-3)
    np.testing.assert_allclose(*(outputs(one.model, x) for one in found), atol=5e-3)
    np.testing.assert_allclose(outputs(again.model, x, "cuda"), outputs(found[1].model, x), atol=1e-4)
    assert state_bytes(again.model) == state_bytes(found[1].model)
    half = train(
        network(name, units=16, dropout=0.1), TrainingConfig(device="cuda", **base | {"precision": "bfloat16"}), x, y
    )
    assert half.curves.validation_loss.min() < 1.5 * y.var()


# -- rows -------------------------------------------------------------------------------------------


def test_a_split_by_time_keeps_dates_whole_and_leaves_an_embargo() -> None:
    times = np.array([3, 1, 2, 3, 1, 2, 4, 4, 5, 5])
    config = TrainingConfig(validation=0.3)
    train_rows, held = split_rows(10, config, times)
    assert list(held) == [6, 7, 8, 9] and list(train_rows) == [0, 1, 2, 3, 4, 5]  # 2 of 10 would be too few, so 4
    train_rows, held = split_rows(10, config.model_copy(update={"embargo": 2}), times)
    assert list(held) == [6, 7, 8, 9] and list(train_rows) == [1, 4]
    train_rows, held = split_rows(10, TrainingConfig(validation=0.2))
    assert list(held) == [8, 9] and list(train_rows) == list(range(8))


def test_a_random_split_draws_its_share_by_the_seed() -> None:
    config = TrainingConfig(validation=0.25, split="random", seed=4)
    train_rows, held = split_rows(200, config)
    assert len(held) == 50 and sorted([*train_rows, *held]) == list(range(200)) and held.min() < 50 < 150 < held.max()
    assert np.array_equal(held, split_rows(200, config)[1])
    assert not np.array_equal(held, split_rows(200, config.model_copy(update={"seed": 5}))[1])


def test_a_window_too_short_for_its_split_is_refused() -> None:
    with pytest.raises(SignalError, match="3 rows of window '2015' leave none to train on with validation = 0.4"):
        split_rows(3, TrainingConfig(validation=0.4, embargo=1), window="2015")
    with pytest.raises(SignalError, match="1 rows leave none to train on"):
        split_rows(1, TrainingConfig(split="random"))


def test_the_rows_given_are_the_rows_used() -> None:
    x, y = planted(120)
    y[100:] = 1e6  # neither to train nor to validate on
    found = train(
        network("rnn", units=4),
        TrainingConfig(epochs=1, **QUICK),
        x,
        y,
        train=np.arange(80),
        validation=np.arange(120) // 20 == 4,
    )
    assert list(found.validation) == list(range(80, 100)) and found.curves.validation_loss[0] < 100.0


# -- refusals ---------------------------------------------------------------------------------------


def test_a_divergence_names_window_epoch_and_learning_rate() -> None:
    x, y = planted(200)
    config = TrainingConfig(optimizer="sgd", learning_rate=1e6, batch=20, epochs=50, **QUICK)
    with pytest.raises(
        DivergenceError, match=r"window '2014-01 to 2014-12' diverged in epoch \d+ at learning rate 1e\+06"
    ):
        train(network("mlp", units=8), config, x, y, window="2014-01 to 2014-12")
    assert issubclass(DivergenceError, SignalError)
    x, y = planted(40)
    y[30:] = 3e38  # squares overflow
    with pytest.raises(DivergenceError, match="training diverged in epoch 1 .* the validation loss is not finite"):
        train(network("mlp", units=8), TrainingConfig(**QUICK), x, y, **parts(40, 10))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x, y: (x[:, 0], y), r"x of window 'w' has the shape \(60, 5\)"),
        (lambda x, y: (x[:, :, :0], y), "none of them 0"),
        (lambda x, y: (np.where(np.arange(60)[:, None, None] == 7, np.nan, x), y), "at sample 7, step 0, feature 0"),
        (lambda x, y: (x, y[:-1]), r"y of window 'w' has the shape \(59,\); x has 60 samples"),
        (lambda x, y: (x, np.where(np.arange(60) == 9, np.inf, y)), "y of window 'w' is not finite at sample 9"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_learnt_from_are_refused(change, sentence: str) -> None:
    with pytest.raises(SignalError, match=sentence):
        Training(network("rnn"), TrainingConfig(**QUICK), *change(*planted(60)), window="w")


def test_labels_that_are_no_classes_and_a_lone_class_are_refused() -> None:
    x, y = planted(60)
    config = TrainingConfig(loss="cross-entropy", **QUICK)
    for labels, sentence in (
        (np.full(60, 0.5), "y holds 0.5; classes are 0, 1, 2"),
        (np.full(60, -1), "y holds -1; classes are 0, 1, 2"),
        (np.ones(60), "training rows hold only class 1; take a longer window or another label"),
    ):
        with pytest.raises(SignalError, match=sentence):
            Training(network("rnn"), config, x, labels)
    with pytest.raises(SignalError, match="y holds class 4, but classes = 3: 0 to 2"):
        Training(network("rnn"), config.model_copy(update={"classes": 3}), x, np.arange(60) % 5)
    with pytest.raises(SignalError, match="rows to validate on must be numbers from 0 to 59"):
        Training(network("rnn"), TrainingConfig(**QUICK), x, y, train=np.arange(5), validation=np.array([60]))
    with pytest.raises(SignalError, match="no row to train on"):
        Training(network("rnn"), TrainingConfig(**QUICK), x, y, train=np.zeros(60, dtype=bool))
    with pytest.raises(SignalError, match="give both or neither"):
        Training(network("rnn"), TrainingConfig(**QUICK), x, y, validation=np.arange(5))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epoch": 3}, "no parameter 'epoch'; did you mean 'epochs'"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"optimizer": "adamw"}, "optimizer"),
        ({"classes": 3}, "classes is set, but the loss is 'mse'"),
        ({"class_weights": "balanced"}, "class_weights is set, but the loss is 'mse'"),
        ({"loss": "cross-entropy", "classes": 3, "class_weights": (1.0, 2.0)}, "class_weights are 2, but classes = 3"),
        ({"loss": "cross-entropy", "class_weights": (1.0, -2.0)}, "none may be negative"),
        ({"momentum": 0.9}, "it goes with 'sgd'"),
    ],
)
def test_wrong_options_are_answered_with_one_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        TrainingConfig(**options)


def test_more_layers_than_there_are_cannot_be_recorded() -> None:
    with pytest.raises(ConfigError, match="record_layers = 2, but the network has layers = 1"):
        Training(network("rnn"), TrainingConfig(record_every=1, record_layers=2, **QUICK), *planted(60))
