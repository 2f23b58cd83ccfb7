"""Walk-forward: windows, purge, validation, searches, ensembles, cache, processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ridge_signal import Ridge

from engine.errors import ConfigError, LookAheadError, SignalError
from engine.market import Market
from engine.simulation import simulate
from signals.labels import NextReturn, ThreeClass, TopBottom
from signals.learning.model_cache import ModelCache
from signals.learning.samples import decisions_of, sequences, take_samples
from signals.learning.search import SEARCHES, all_of, best_of, random_search
from signals.learning.windows import parse_window, rows_in_window, split_window
from signals.walkforward import cpu_seconds, parallel, refit_sessions, train_all, walk_forward
from strategies.top_n import TopN

FACTORS = ("return_1m", "return_3m")


@pytest.fixture(scope="module")
def market(learning_market: Market) -> Market:
    return learning_market


@pytest.fixture(autouse=True)
def models(own_models: Path) -> Path:
    Ridge.calls.clear()
    return own_models


def month(market: Market, text: str) -> int:
    """The last session of a month."""
    return int(np.flatnonzero(market.sessions.astype("datetime64[M]") == np.datetime64(text))[-1])


def split_of(market: Market, t: int, **more: Any) -> tuple[Any, Any]:
    options: dict[str, Any] = {"share": 0.25, "steps": 1, "protocol": "honest", "embargo": 0, "seed": 1, **more}
    label = options.pop("label", NextReturn())
    samples = take_samples(market.view(t), FACTORS, "1M", label)
    rows = rows_in_window(samples, t, market.sessions[t], options.pop("window", "12M"), options["steps"])
    return samples, split_window(samples, rows, **options)


def months_of(samples: Any, mask: np.ndarray) -> list[str]:
    return [str(day) for day in samples.dates[np.flatnonzero(mask.any(axis=1))].astype("datetime64[M]")]


# -- windows -----------------------------------------------------------------------------------------


def test_twelve_months_are_those_whose_labels_end_in_the_twelve_up_to_the_fit(market: Market) -> None:
    t = month(market, "2013-12")
    samples, split = split_of(market, t, share=0.0)
    assert months_of(samples, split.train) == [str(np.datetime64("2012-12") + k) for k in range(12)]
    samples, split = split_of(market, t, share=0.0, window="5")
    assert months_of(samples, split.train) == ["2013-07", "2013-08", "2013-09", "2013-10", "2013-11"]
    samples, split = split_of(market, t, share=0.0, window="all")
    assert months_of(samples, split.train)[-1] == "2013-11" and len(months_of(samples, split.train)) > 15


def test_a_label_that_ends_later_leaves_more_rows_out(market: Market) -> None:
    t = month(market, "2013-12")
    samples, split = split_of(market, t, share=0.0, label=NextReturn(periods=3), window="4")
    assert months_of(samples, split.train) == ["2013-06", "2013-07", "2013-08", "2013-09"]
    samples, split = split_of(market, t, share=0.0, label=NextReturn(fill="next_open"), window="2")
    assert months_of(samples, split.train) == ["2013-09", "2013-10"]  # November's is known a session after December's


def test_honest_validation_is_the_last_decisions_and_training_labels_end_before_it(market: Market) -> None:
    t = month(market, "2013-12")
    samples, split = split_of(market, t, window="8")
    assert months_of(samples, split.valid) == ["2013-10", "2013-11"]
    assert months_of(samples, split.train)[-1] == "2013-09"  # known at the close of October's decision
    samples, split = split_of(market, t, window="8", label=NextReturn(periods=2), embargo=0)
    assert months_of(samples, split.valid) == ["2013-09", "2013-10"]
    assert months_of(samples, split.train)[-1] == "2013-07"
    samples, split = split_of(market, t, window="8", embargo=1)
    assert months_of(samples, split.train)[-1] == "2013-08"


def test_a_paper_validates_on_random_samples_of_the_same_months(market: Market) -> None:
    t = month(market, "2013-12")
    samples, split = split_of(market, t, protocol="paper")
    assert not (split.train & split.valid).any()
    assert set(months_of(samples, split.valid)) <= set(months_of(samples, split.train))
    share = split.valid.sum() / (split.valid | split.train).sum()
    assert share == pytest.approx(0.25, abs=0.01)
    again = split_of(market, t, protocol="paper")[1]
    other = split_of(market, t, protocol="paper", seed=2)[1]
    assert np.array_equal(split.valid, again.valid) and not np.array_equal(split.valid, other.valid)


def test_stocks_between_the_ends_of_a_label_are_left_out(market: Market) -> None:
    t = month(market, "2013-12")
    samples, split = split_of(market, t, label=TopBottom(), classes=TopBottom().classes)
    assert set(np.unique(samples.target.values[split.train])) == {-1.0, 1.0}


def test_a_window_without_labels_and_one_that_is_none_are_refused(market: Market) -> None:
    with pytest.raises(SignalError, match="no label is known on 2012-01-31 of a window '12M' with 1 step"):
        split_of(market, month(market, "2012-01"))
    with pytest.raises(SignalError, match="leaves .* samples to train on and 0 to validate on|take a longer window"):
        split_of(market, month(market, "2013-12"), window="1", share=0.5)
    for text in ("12 months", "0M", "-3", ""):
        with pytest.raises(ConfigError, match="write months"):
            parse_window(text)


def test_a_sequence_runs_from_the_oldest_decision_to_its_own() -> None:
    cube = np.arange(4 * 2 * 3, dtype=float).reshape(4, 2, 3)
    chosen = np.zeros((4, 2), dtype=bool)
    chosen[2, 1] = chosen[3, 0] = True
    found = sequences(cube, chosen, 2)
    assert found.tolist() == [[cube[1, 1].tolist(), cube[2, 1].tolist()], [cube[2, 0].tolist(), cube[3, 0].tolist()]]
    assert sequences(cube, chosen, 1).tolist() == [cube[2, 1].tolist(), cube[3, 0].tolist()]


def test_preprocessing_is_fitted_on_the_training_rows_alone(market: Market) -> None:
    t = month(market, "2013-12")
    signal = Ridge(validation=0.25)
    window, fitted = signal.prepare(market.view(t))
    samples = signal.samples(market.view(t))
    split = signal.split(market.view(t), samples)
    rows = split.train_rows
    assert fitted.trained["last"] == str(samples.dates[rows[-1]]) < str(samples.dates[-1])
    alone = signal.chain().fit(samples.values[rows], samples.context[rows])
    for one, two in zip(fitted.states, alone.states, strict=True):
        assert {name: array.tolist() for name, array in one.items()} == {name: a.tolist() for name, a in two.items()}
    assert len(window.y) == split.train.sum() and len(window.y_valid) == split.valid.sum()


def test_a_users_factor_that_reads_the_future_is_refused_at_the_fit(market: Market, tmp_path: Path) -> None:
    from signals.factors.registry import load_file

    file = tmp_path / "peeking_factors.py"
    file.write_text(
        "from signals.factors.registry import factor\n\n\n"
        "@factor('peek_tomorrow', chinese='x', family='momentum', direction=1, unit='yuan', inputs=('close',),\n"
        "        lookback=1, source='none')\n"
        "def compute(panel):\n"
        "    import numpy as np\n"
        "    close = panel.at('close')\n"
        "    return np.vstack([close[1:], close[-1:]]).copy()\n"
    )
    load_file(file)
    with pytest.raises(LookAheadError, match="factor 'peek_tomorrow' on 2013-12-31 changes when later sessions"):
        take_samples(market.view(month(market, "2013-12")), ("peek_tomorrow",))


# -- training, cache, processes ----------------------------------------------------------------------


def places(market: Market) -> np.ndarray:
    return decisions_of(market)[-18:]


def test_a_walk_forward_scores_as_a_fit_at_each_refit_would(market: Market) -> None:
    signal = Ridge(refit="6M", seeds=2)
    walk = walk_forward(market, signal, places(market))
    assert list(walk.fitted) == ["2013-07-31", "2014-01-30", "2014-07-31"]
    assert (walk.trained, walk.reused) == (6, 0) and Ridge.calls == [1, 2] * 3
    assert len(walk.scores) == 18
    t = month(market, "2014-03")
    by_hand = signal.fit(market.view(month(market, "2014-01"))).predict(market.view(t))
    assert walk.scores[str(market.sessions[t])].equals(by_hand)


def test_a_second_identical_run_trains_nothing_and_another_seed_trains_anew(market: Market) -> None:
    first = walk_forward(market, Ridge(), places(market))
    second = walk_forward(market, Ridge(), places(market))
    assert (second.trained, second.reused) == (0, first.trained) and len(Ridge.calls) == 2
    assert all(second.scores[day].equals(first.scores[day]) for day in first.scores)
    other = walk_forward(market, Ridge(seed=5), places(market))
    assert other.trained == 2
    changed = walk_forward(market, Ridge(strength=2.0), places(market))
    assert changed.trained == 2


def test_an_interrupted_run_goes_on_where_it_was(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    train = Ridge.train
    count = 0

    def until_two(self: Any, window: Any, seed: int, budget: float = 1.0) -> Any:
        nonlocal count
        count += 1
        if count > 2:
            raise KeyboardInterrupt
        return train(self, window, seed, budget)

    monkeypatch.setattr(Ridge, "train", until_two)
    with pytest.raises(KeyboardInterrupt):
        walk_forward(market, Ridge(refit="6M"), places(market))
    monkeypatch.setattr(Ridge, "train", train)
    Ridge.calls.clear()
    walk = walk_forward(market, Ridge(refit="6M"), places(market))
    assert (walk.trained, walk.reused, len(Ridge.calls)) == (1, 2, 1)


def test_a_grid_takes_the_least_validation_loss_and_survives_points_that_diverge(market: Market) -> None:
    signal = Ridge(search="grid", validation=0.25)
    fitted = signal.fit(market.view(month(market, "2013-12")))
    window, _ = signal.prepare(market.view(month(market, "2013-12")))
    losses = {}
    for strength in (0.1, 1.0, 1000.0):
        one = Ridge(strength=strength, validation=0.25)
        losses[strength] = one.loss(one.output(one.train(window, 1), window.x_valid), window.y_valid)
    assert fitted.needs().facts["chosen"] == {"strength": min(losses, key=losses.__getitem__)}
    assert fitted.strength == 1.0, "the search changed a parameter"
    with pytest.raises(SignalError, match="training of window '2013-12-31' diverged"):
        Ridge(strength=-1.0).fit(market.view(month(market, "2013-12")))


def test_processes_give_the_scores_of_one_process_and_leave_no_windows_behind(
    market: Market, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = Ridge(search="grid", validation=0.25, seeds=2)
    one = walk_forward(market, signal, places(market))
    monkeypatch.setenv("HUICE_MODELS", str(models.parent / "others"))
    Ridge.calls.clear()
    told: list[str] = []
    two = walk_forward(market, signal, places(market), jobs=2, progress=told.append)
    assert Ridge.calls == [], "trained in this process"
    assert two.trained == one.trained == 12 and len(told) == 12
    assert all(two.scores[day].equals(one.scores[day]) for day in one.scores)
    assert not list((models.parent / "others" / "windows").glob("*"))


def test_processes_opened_inside_others_are_shared_and_their_cpu_time_is_counted(market: Market, models: Path) -> None:
    with parallel(2) as outer:
        with parallel(2) as inner:
            assert inner.pool is outer.pool
        here, all_in = time.process_time(), cpu_seconds()
        walk_forward(market, Ridge(), places(market), jobs=2)  # the processes outlive the inner block
        assert cpu_seconds() - all_in > time.process_time() - here, "the processes' own time is missing"
        with parallel(3) as others:
            assert others.pool is not outer.pool


def test_a_backtest_trains_its_windows_ahead_in_the_processes_that_are_open(
    market: Market, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"signal": Ridge(refit="6M"), "start": "2013-08-01", "end": "2014-12-31"}
    for fill in ("next_open", "same_close"):
        monkeypatch.setenv("HUICE_MODELS", str(models.parent / fill))
        Ridge.calls.clear()
        with parallel(2) as workers:
            ahead = simulate(market, TopN, {"hold": 5}, fill=fill, **options)
        assert Ridge.calls == [], "trained in this process"
        assert workers.trained == 3 and workers.reused == 3
        monkeypatch.setenv("HUICE_MODELS", str(models.parent / f"{fill} alone"))
        alone = simulate(market, TopN, {"hold": 5}, fill=fill, **options)
        assert Ridge.calls == [1, 1, 1]
        one, two = (done.broker.ledger.scores_frame() for done in (ahead, alone))
        assert len(one) and one.equals(two)


def test_a_damaged_model_of_the_cache_is_named(market: Market, models: Path) -> None:
    signal = Ridge()
    window, _ = signal.prepare(market.view(month(market, "2013-12")))
    train_all([(signal, window, 1, 1.0, True)])
    file = ModelCache().path(signal.key(window, 1, 1.0, True))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(SignalError, match=r"the cached model '.*' is damaged .*; delete it and fit again"):
        signal.fit(market.view(month(market, "2013-12")))


def test_a_worker_that_is_closed_leaves_the_ones_before_it_open() -> None:
    with parallel(1) as outer:
        with parallel(1):
            pass
        train_all([])
        assert (outer.trained, outer.reused) == (0, 0)


def test_a_window_of_one_class_is_refused_in_one_sentence(market: Market) -> None:
    class OneClass(Ridge):
        label = ThreeClass(threshold=50.0)

    with pytest.raises(SignalError, match="up to 2013-12-31 holds one class alone; take a longer window"):
        OneClass().fit(market.view(month(market, "2013-12")))


def test_the_days_of_refits_are_those_of_a_backtest(market: Market) -> None:
    days = [str(market.sessions[t]) for t in refit_sessions(market, "yearly", places(market))]
    assert days == ["2013-07-31", "2014-01-30"]
    with pytest.raises(ConfigError, match="is never fitted"):
        walk_forward(market, Ridge(refit="never"), places(market))


# -- searches ----------------------------------------------------------------------------------------


def test_a_random_search_draws_different_points_of_the_grid() -> None:
    space = {"a": (1, 2, 3), "b": (10, 20, 30, 40)}
    asked: list[Any] = []

    def evaluate(candidates: Any, budget: float = 1.0) -> list[float]:
        asked.extend(candidates)
        return [abs(one["a"] * one["b"] - 60) for one in candidates]

    assert SEARCHES["grid"](space, evaluate, 1, 1) == {"a": 2, "b": 30} and asked == all_of(space)
    asked.clear()
    best = random_search(space, evaluate, 5, 3)
    assert len(asked) == 5 and len({tuple(one.values()) for one in asked}) == 5 and best in asked
    with pytest.raises(SignalError, match="none of 12 candidates reached a finite validation loss"):
        best_of(all_of(space), lambda candidates, budget=1.0: [float("inf")] * len(candidates))


def test_a_search_without_validation_or_space_or_of_no_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="a search needs validation samples"):
        Ridge(search="grid")
    with pytest.raises(ConfigError, match="there is no search 'gird'; did you mean 'grid'"):
        Ridge(search="gird", validation=0.2)
    with pytest.raises(ConfigError, match="has no parameter 'windw'; did you mean 'window'"):
        Ridge(windw="3M")
