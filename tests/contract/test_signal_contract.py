"""The contract suite: kept by every built-in signal, and broken, with a word of advice, by those that leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import leaking_signals
import numpy as np
import pandas as pd
import pytest
from ridge_signal import Ridge

from engine import plugins
from engine.market_fields import FIELDS
from signals.contract.checks import Check, failures
from signals.contract.market import Source, noisy_after, same
from signals.contract.suite import audit
from signals.neural.signal import NetworkSignal

pytestmark = pytest.mark.usefixtures("own_cache")

SOURCE = Source("synthetic:stocks=60,seed=7,start=2012-01-01,end=2014-06-30")
PARAMETERS: dict[str, dict[str, Any]] = {"factor": {"factor": "return_1m"}}
QUICK = {"epochs": 1, "units": 8, "layers": 1}
"""For networks: the contract does not ask how well they forecast."""
LOOK = "noise after t leaves the scores at t as they are"
LEARN = "noise after t leaves what is learnt at t as it is"


SLOW = {"attention-gru", "blend", "lstm-price", "mlp", "three-class-rnn", "top-bottom-gru", "top-bottom-rnn"}
"""Ten or more seconds each; one network of each trainer's kind stays among the quick tests."""


def scores_of_every_session(file: Path) -> Path:
    market = SOURCE.open()
    symbols = np.repeat(market.symbol_array[None, :], len(market.sessions), axis=0)
    dates = np.repeat(market.sessions.astype("datetime64[ms]")[:, None], len(market.symbols), axis=1)
    values = np.random.default_rng(3).normal(size=symbols.shape)
    table = pd.DataFrame({"date": dates.ravel(), "symbol": symbols.ravel(), "score": values.ravel()})
    table.to_parquet(file)
    return file


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in sorted(plugins.BUILTINS["signal"])
    ],
)
def test_every_built_in_signal_keeps_the_contract(name: str, tmp_path: Path) -> None:
    cls = plugins.resolve("signal", name)
    given = PARAMETERS.get(name, {})
    if name == "scores-file":
        given = {"file": str(scores_of_every_session(tmp_path / "scores.parquet"))}
    source = SOURCE
    if issubclass(cls, NetworkSignal):
        pytest.importorskip("torch", reason="torch is not installed: make test installs it")
        given = {key: value for key, value in QUICK.items() if key in cls.model_fields}
        source = Source()
    checks = audit(cls(**given), source)
    lacking = [line for line in failures(checks) if "is not installed" in line]
    if lacking:
        pytest.skip(lacking[0])
    assert failures(checks) == []
    assert {one.name: one.status for one in checks}[LOOK] == "passed"


def test_a_signal_that_learns_keeps_every_point_of_it() -> None:
    checks = audit(Ridge(steps=2, validation=0.2, seeds=2), SOURCE)
    assert [one.status for one in checks] == ["passed"] * 11, failures(checks)


def broken(signal: Any) -> dict[str, Check]:
    market = SOURCE.open()
    return {one.name: one for one in audit(signal, market=market) if one.status == "failed"}


@pytest.mark.parametrize(
    ("signal", "check", "advice"),
    [
        (leaking_signals.LeakingSignal(), LOOK, "predict must read nothing but the view"),
        (leaking_signals.LeakingFit(), LEARN, "fit must read nothing but the view"),
        (leaking_signals.EarlyLabels(), LEARN, "fit must read nothing but the view"),
        (leaking_signals.Unfitted(), "an unfitted signal says so", "call self.needs()"),
        (leaking_signals.Restless(), "two fits give the same bytes", "seed every generator"),
        (leaking_signals.Remembering(), "days one by one, in any order, give the same scores", "keep nothing"),
        (leaking_signals.ChangingItself(), "fit leaves the parameters as they are", "having_learnt"),
        (
            leaking_signals.Pickling(),
            "saved without pickle, another process and a later day give the same scores",
            "is a pickle",
        ),
        (leaking_signals.Fragile(), "missing stocks and missing values are survived", "too few bars"),
        (leaking_signals.Reading(), "the constructor only stores a frozen, checked configuration", "opens '"),
    ],
    ids=lambda one: type(one).__name__ if hasattr(one, "predict") else "",
)
def test_a_plug_in_that_breaks_the_contract_is_caught_and_told_what_to_do(
    signal: Any, check: str, advice: str
) -> None:
    found = broken(signal)
    assert check in found, found
    assert advice in found[check].text


def test_a_leak_in_a_fit_shows_in_its_scores_too_and_nowhere_else() -> None:
    assert set(broken(leaking_signals.EarlyLabels())) == {LEARN, LOOK}
    assert set(broken(leaking_signals.LeakingSignal())) == {LOOK}


def test_a_paper_protocol_is_expected_to_leak_and_says_so() -> None:
    checks = {one.name: one for one in audit(Ridge(validation=0.2, protocol="paper"), market=SOURCE.open())}
    assert failures(list(checks.values())) == []
    assert checks[LEARN].text == "leaks, as its protocol says"


def test_the_noisy_twin_is_the_market_up_to_t_and_another_after_it() -> None:
    market = SOURCE.open()
    t = len(market.sessions) - 60
    twin = noisy_after(market, t)
    for name in FIELDS:
        one, two = getattr(market, name), getattr(twin, name)
        assert np.array_equal(one[: t + 1], two[: t + 1], equal_nan=one.dtype.kind == "f"), name
    assert not np.array_equal(market.close[t + 1 :], twin.close[t + 1 :], equal_nan=True)
    days = market.sessions[[t, t + 30]]
    one, two = (one.known.as_of("valuation_daily", "pe_ttm", days) for one in (market, twin))
    assert np.array_equal(one[0], two[0], equal_nan=True) and not np.array_equal(one[1], two[1], equal_nan=True)
    assert same(market).fingerprint == twin.fingerprint == ""
