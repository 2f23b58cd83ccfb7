"""The base of signals: declarations, refits, what is learnt and its saved form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from small_market import market_of

from engine.errors import ConfigError, SignalError
from engine.simulation import simulate
from signals.base import Signal
from signals.labels import TopBottom
from signals.learning.refits import check_refit, is_due
from signals.reversal import Reversal
from signals.saved import Learnt, from_bytes, to_bytes
from strategies.top_n import TopN

A, B = "600001.SH", "600002.SH"


class Mean(Signal):
    """Learns the mean close of each stock."""

    refit = "once"
    label = TopBottom()
    shift: float = 0.0

    def fit(self, history: Any) -> Self:
        return self.having_learnt(Learnt({"mean": history.close.mean(axis=0) + self.shift}, {"day": str(history.date)}))

    def predict(self, view: Any) -> Any:
        return view.scores(self.needs().arrays["mean"])


class Other(Mean):
    pass


def view() -> Any:
    return market_of({A: [10.0, 20.0], B: [1.0, 3.0]}).view(1)


def test_a_signal_that_declares_nothing_never_learns_and_is_honest() -> None:
    plain = Reversal()
    assert (plain.refit, plain.factors, plain.label, plain.classes, plain.protocol) == ("never", (), None, (), "honest")
    assert Mean().refit == "once" and Mean().classes == (-1.0, 1.0)
    with pytest.raises(AttributeError):
        plain.no_such_thing  # noqa: B018


def test_an_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="signal Mean has no parameter 'shfit'; did you mean 'shift'"):
        Mean(shfit=1.0)


def test_a_fit_gives_a_copy_and_an_unfitted_signal_says_what_to_do() -> None:
    signal = Mean(shift=1.0)
    fitted = signal.fit(view())
    assert fitted.predict(view())["score"].tolist() == [16.0, 3.0]
    assert fitted.model_dump() == signal.model_dump()
    with pytest.raises(SignalError, match=r"Mean has learnt nothing yet; use what Mean\.fit\(view\) returns"):
        signal.predict(view())


def test_a_saved_signal_gives_the_same_bits_and_the_same_bytes(tmp_path: Path) -> None:
    fitted = Mean(shift=0.1).fit(view())
    for name in ("one", "two"):
        fitted.save(tmp_path / name)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["learnt.npz", "signal.json"]
    for file in ("learnt.npz", "signal.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    loaded = Mean.load(tmp_path / "one")
    assert loaded.shift == 0.1 and loaded.needs().facts == {"day": "2019-03-05"}
    assert loaded.predict(view()).equals(fitted.predict(view()))
    Mean(shift=2.0).save(tmp_path / "plain")
    assert Mean.load(tmp_path / "plain").shift == 2.0


def test_a_folder_that_holds_something_else_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = Mean().fit(view()).save(tmp_path / "saved")

    def edited(**changes: Any) -> None:
        meta = json.loads((folder / "signal.json").read_text())
        (folder / "signal.json").write_text(json.dumps({**meta, **changes}))

    with pytest.raises(SignalError, match="there is no saved signal in"):
        Mean.load(tmp_path / "none")
    with pytest.raises(SignalError, match=r"is a Mean; load it with Mean\.load"):
        Other.load(folder)
    content = (folder / "learnt.npz").read_bytes()
    (folder / "learnt.npz").write_bytes(content[:-7] + b"corrupt")
    with pytest.raises(SignalError, match=r"is damaged \(learnt\.npz is not the file that was saved\)"):
        Mean.load(folder)
    (folder / "learnt.npz").unlink()
    with pytest.raises(SignalError, match=r"lacks its learnt\.npz"):
        Mean.load(folder)
    edited(parameters={"shfit": 1.0})
    with pytest.raises(SignalError, match="does not fit this version of Mean .*did you mean 'shift'"):
        Mean.load(folder)
    edited(format=99)
    with pytest.raises(SignalError, match="is of format 99, this version reads 1"):
        Mean.load(folder)
    (folder / "signal.json").write_text("{")
    with pytest.raises(SignalError, match="is damaged"):
        Mean.load(folder)


def test_what_json_and_arrays_of_numbers_cannot_hold_is_refused() -> None:
    with pytest.raises(SignalError, match="'names' holds Python objects"):
        to_bytes(Learnt({"names": np.array([object()])}))
    with pytest.raises(SignalError, match="keep facts to numbers"):
        to_bytes(Learnt({}, {"made": object()}))
    with pytest.raises(SignalError, match="the cached model is damaged"):
        from_bytes(b"nothing", "the cached model")


def test_parts_are_kept_apart_by_their_names() -> None:
    parts = {"a": Learnt({"w": np.arange(3)}, {"loss": 1}), "b": Learnt({"w": np.ones(2)}, {"loss": 2})}
    held = from_bytes(to_bytes(Learnt.joined(parts, day="2020-01-31")), "it")
    assert held.facts["day"] == "2020-01-31"
    assert held.part("a").arrays["w"].tolist() == [0, 1, 2] and held.part("b").facts == {"loss": 2}


# -- refits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refit", "fitted"),
    [
        ("never", []),
        ("once", ["2019-11-29"]),
        ("every", ["2019-11-29", "2019-12-31", "2020-01-23", "2020-02-28", "2020-03-31"]),
        ("yearly", ["2019-11-29", "2020-01-23"]),
        ("2M", ["2019-11-29", "2020-01-23", "2020-03-31"]),
        ("3M", ["2019-11-29", "2020-02-28"]),
    ],
)
def test_a_schedule_of_refits_counts_calendar_months_from_the_last_fit(refit: str, fitted: list[str]) -> None:
    last, found = None, []
    for text in ("2019-11-29", "2019-12-31", "2020-01-23", "2020-02-28", "2020-03-31"):
        day = np.datetime64(text)
        if is_due(refit, day, last):
            found.append(text)
            last = day
    assert found == fitted


@pytest.mark.parametrize("refit", ["monthly", "0M", "M", "3m ", ""])
def test_what_is_no_schedule_of_refits_is_refused(refit: str) -> None:
    with pytest.raises(SignalError, match="it must be never, once, every, yearly, or a number of months such as 3M"):
        check_refit(refit, "Mean")


def test_a_backtest_fits_by_the_schedule_with_a_view_that_ends_at_the_decision() -> None:
    seen = []

    class Watching(Mean):
        refit = "3M"

        def fit(self, history: Any) -> Self:
            seen.append((str(history.date), len(history.close)))
            return super().fit(history)

    days = 190
    market = market_of({A: [10.0] * days, B: [11.0] * days})
    simulate(market, TopN, {"hold": 1}, signal=Watching(), rebalance="1M")
    ends = [day for day, _ in seen]
    assert ends == ["2019-03-29", "2019-06-28", "2019-09-30"]
    assert [count for _, count in seen] == [1 + int(market.position_of(day)) for day in ends]
