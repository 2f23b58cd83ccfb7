"""The registry of factors: what may be declared, what can be asked for, and how a factor that fails is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_market import NAN, market_of

from engine.errors import ConfigError, DataError, SignalError
from signals.factors import registry
from signals.factors.panel import FactorPanel
from signals.factors.papers import PAPERS

GIVEN: dict[str, Any] = {
    "chinese": "收盘", "family": "mine", "direction": 1, "unit": "yuan", "inputs": ("close",), "lookback": 1,
    "source": "a test",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is gone after it, and what others declared is not there."""
    ours = {name: one for name, one in registry.registered().items() if one.family in registry.FAMILIES}
    monkeypatch.setattr(registry, "_FACTORS", ours)


@pytest.fixture
def panel() -> FactorPanel:
    return FactorPanel(market_of({"600001.SH": [10.0, 11.0, 12.0], "600002.SH": [20.0, NAN, 22.0]}))


def close(panel: FactorPanel) -> np.ndarray:
    """The close."""
    return panel.spread(panel.bars("close"))


def declare(compute: Callable[[FactorPanel], Any] = close, name: str = "my_close", **changes: Any) -> registry.Factor:
    registry.factor(name, **(GIVEN | changes))(compute)
    return registry.get(name)


def test_a_declared_factor_is_found_computed_and_keeps_what_it_was_declared_with(panel: FactorPanel) -> None:
    one = declare()
    assert (one.chinese, one.inputs, one.lookback, one.formula) == ("收盘", ("close",), 1, "The close.")
    expected = [[10.0, 20.0], [11.0, NAN], [12.0, 22.0]]
    assert np.array_equal(one(panel), expected, equal_nan=True)
    assert registry.select(["mine"]) == [one] and registry.select(["my_close"]) == [one]
    assert list(registry.registered())[-1] == "my_close"  # those of user files come last


def test_a_single_input_may_be_a_plain_text() -> None:
    assert declare(inputs="close").inputs == ("close",)


@pytest.mark.parametrize("name", ["My_Close", "my close", "my-close", "收盘", "", "_"])
def test_a_name_is_lower_case_with_underscores(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is no name of a factor; use lower case letters, digits"):
        declare(name=name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"direction": 2}, "factor 'my_close' has direction 2; use 1, -1 or 0"),
        ({"lookback": 0}, "factor 'my_close' has lookback 0; use 1 or more bars, or None for all"),
        ({"inputs": ()}, "factor 'my_close' has no inputs; name the fields that it reads"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        declare(**changes)


def test_a_name_that_is_taken_is_refused_and_the_same_function_may_come_again() -> None:
    declare()
    declare(unit="fen")
    assert registry.get("my_close").unit == "fen"
    with pytest.raises(ConfigError, match=r"'my_close' of test_factor_registry.py is already declared by test_factor"):
        declare(lambda panel: close(panel))
    with pytest.raises(ConfigError, match=r"'return_1m' of test_factor_registry.py is already declared by momentum.py"):
        declare(name="return_1m")
    assert registry.get("return_1m").family == "momentum"


def test_a_file_may_be_edited_but_not_declare_a_factor_twice(tmp_path: Path) -> None:
    file = tmp_path / "twice.py"
    words = ", ".join(f"{key}={value!r}" for key, value in GIVEN.items())
    one = f"@factor('twice', {words})\ndef compute(panel):\n    return panel.spread(panel.bars('close'))\n"
    head = "from signals.factors.registry import factor\n\n"
    file.write_text(head + one, encoding="utf-8")
    (first,) = registry.load_file(file)
    file.write_text(head + "\n\n" + one.replace("'yuan'", "'fen'"), encoding="utf-8")
    (second,) = registry.load_file(file)
    assert (first.unit, second.unit) == ("yuan", "fen")
    file.write_text(head + one + "\n" + one, encoding="utf-8")
    with pytest.raises(ConfigError, match="factor 'twice' is declared twice in twice.py; rename one of them"):
        registry.load_file(file)


def test_factors_are_chosen_by_name_family_and_paper_each_once_in_the_order_asked() -> None:
    chosen = [one.name for one in registry.select(["ln_price", "beta", "paper-1", "dp", " ln_price "])]
    assert chosen == ["ln_price", "ha_alpha", "beta_60m", "beta_250d", *PAPERS["paper-1"]]
    assert len(registry.select(["all"])) == len(registry.registered())


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("return_1n", "there is no factor, family or paper 'return_1n'; did you mean 'return_1m'?"),
        ("RETURN_1M", "'RETURN_1M'; did you mean 'return_1m'?"),
        ("momentun", "did you mean 'momentum'?"),
        ("paper-6", "did you mean 'paper-"),
        ("qqqqqq", "'qqqqqq'; `python scripts/factors.py list` shows them all"),
    ],
)
def test_an_unknown_word_is_told_with_what_comes_nearest(word: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.select([word])
    assert words in str(caught.value)
    with pytest.raises(ConfigError, match="there is no factor"):
        registry.get(word)


def test_inputs_that_the_data_lack_are_told_and_nothing_is_computed(panel: FactorPanel) -> None:
    none = "none:analyst ratings as of each day"
    one = declare(lambda panel: 1 / 0, inputs=("close", "table:valuation_daily.pe_ttm", "clsoe", none))
    assert one.missing(panel) == ("table:valuation_daily.pe_ttm", "clsoe", none)
    words = r"needs 'table:valuation_daily.pe_ttm', 'clsoe', analyst .* \(no free source\)"
    with pytest.raises(DataError, match=words):
        one(panel)


def test_an_accounting_item_that_does_not_exist_is_told_with_the_factor(tmp_path: Path) -> None:
    from feeds.store import open_market

    market = open_market("synthetic:stocks=100,seed=2", universe="all", start="2019-01-02", end="2019-03-29")
    one = declare(inputs=("item:revenu",))
    with pytest.raises(ConfigError, match="factor 'my_close' has an input .*no accounting item 'revenu'; did you mean"):
        one.missing(FactorPanel(market))


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda panel: panel.bars("close"), r"returned float64 \(5,\); float64 of shape \(3, 2\)"),
        (lambda panel: close(panel).astype(np.float32), r"returned float32 \(3, 2\); float64 of shape"),
        (lambda panel: close(panel).tolist(), "returned list; float64 of shape"),
        (lambda panel: None, "returned NoneType; .* end with panel.spread"),
    ],
)
def test_what_is_no_array_of_sessions_by_stocks_is_refused(
    panel: FactorPanel, returned: Callable[[FactorPanel], Any], words: str
) -> None:
    with pytest.raises(SignalError, match=f"factor 'my_close' {words}"):
        declare(returned)(panel)


def boom(panel: FactorPanel) -> np.ndarray:
    raise ValueError("a wrong\nturn")


def test_an_error_inside_a_factor_names_it_with_file_and_line_and_keeps_its_cause(panel: FactorPanel) -> None:
    line = boom.__code__.co_firstlineno + 1
    with pytest.raises(SignalError) as caught:
        declare(boom)(panel)
    where = f"line {line} of test_factor_registry.py"
    assert str(caught.value) == f"factor 'my_close' failed: {where} raised ValueError (a wrong)"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_sentence_of_ours_inside_a_factor_stays_as_it_is(panel: FactorPanel) -> None:
    with pytest.raises(DataError, match="^this market was built from arrays and has no reports") as caught:
        declare(lambda panel: panel.spread(panel.index("000001")[panel.bar_sessions]))(panel)
    assert caught.value.__cause__ is None
