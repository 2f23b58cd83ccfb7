"""The configuration: defaults, checks, TOML there and back, overrides."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.config import PluginConfig, RulesConfig, RunConfig
from engine.errors import ConfigError
from engine.rules import Rules


def again(config: RunConfig) -> RunConfig:
    return RunConfig.from_mapping(tomllib.loads(config.to_toml()))


def refusal(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        RunConfig(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- defaults ---------------------------------------------------------------------------------------


def test_the_defaults_are_a_run_on_the_synthetic_market_from_2011_to_2020() -> None:
    config = RunConfig()
    assert (config.data, config.universe, config.cash, config.fill) == ("synthetic", "all", 1e6, "next_open")
    assert (config.start, config.end) == (dt.date(2011, 1, 4), dt.date(2020, 12, 31))
    assert [config.strategy.name, config.signal.name, config.fees.name, config.slippage.name] == [
        "top-n", "reversal-20d", "a-share", "none",
    ]  # fmt: skip


def test_a_folder_of_data_is_run_over_its_whole_span() -> None:
    config = RunConfig(data="../somewhere")
    assert (config.start, config.end) == (None, None)


@pytest.mark.parametrize(
    ("data", "start", "end"),
    [
        ("synthetic:stocks=60,seed=2", dt.date(2011, 1, 4), dt.date(2020, 12, 31)),
        ("synthetic:stocks=60,start=2015-01-05", None, dt.date(2020, 12, 31)),
        ("synthetic:start=2015-01-05,end=2016-01-05", None, None),
    ],
)
def test_a_synthetic_market_that_names_its_span_is_run_over_it(
    data: str, start: dt.date | None, end: dt.date | None
) -> None:
    config = RunConfig(data=data)
    assert (config.start, config.end) == (start, end)


def test_the_rules_of_a_configuration_are_the_engines_with_the_same_defaults() -> None:
    ours, engines = RulesConfig().model_dump(), Rules()
    assert set(ours) == {f.name for f in fields(Rules)} - {"exact_money", "check_submitted"}
    assert ours == {name: getattr(engines, name) for name in ours}


def test_a_configuration_does_not_change() -> None:
    config = RunConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.cash = 5.0  # type: ignore[misc]


# -- checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"cahs": 1}, "unknown option 'cahs'; did you mean 'cash'?"),
        ({"rules": {"lot": True}}, "unknown rule 'lot'; did you mean 'lots'?"),
        ({"rules": {"lots": "yes"}}, "rule 'lots' is 'yes'; write true or false"),
        ({"rules": {"short_cash": "cutt"}}, "rule 'short_cash' is 'cutt'; did you mean 'cut'?"),
        ({"rules": 3}, "rules is 3; it is a table, for instance lots = true"),
        ({"cash": 0}, "option 'cash' is 0; give the starting cash in yuan, above 0"),
        ({"cash": "much"}, "option 'cash' is 'much'; it is a number"),
        ({"cash": True}, "option 'cash' is True; it is a number"),
        ({"cash": float("inf")}, "option 'cash' is inf; it is a number"),
        ({"fill": "next_opne"}, "option 'fill' is 'next_opne'; did you mean 'next_open'?"),
        ({"benchmark_kind": "totalreturn"}, "option 'benchmark_kind' is 'totalreturn'; did you mean 'total-return'?"),
        ({"anchor": 1.5}, "option 'anchor' is 1.5; it is a whole number"),
        ({"anchor": 13}, "option 'anchor' is 13; it is the month in which a period ends, 1 to 12"),
        ({"start": "2012-02-30"}, "option 'start' is '2012-02-30', which is no date; write it like 2012-01-31"),
        ({"end": 20120131}, "option 'end' is 20120131, which is no date; write it like 2012-01-31"),
        (
            {"start": "2012-02-02", "end": "2012-02-01"},
            "end 2012-02-01 is before start 2012-02-02; give an end on or after the start",
        ),
        (
            {"risk_free": 2},
            "option 'risk_free' is 2, that is 200 % a year; it is a fraction, write 0.02 for 2 %",
        ),
        ({"cash_rate": -0.6}, "option 'cash_rate' is -0.6, that is -60 % a year; it is a fraction, write 0.02 for 2 %"),
        ({"risk_free": "cgb5y"}, "option 'risk_free' is 'cgb5y'; give a rate such as 0.02, or cgb10y"),
        ({"universe": []}, "option 'universe' is an empty list; give symbols, an index such as 'csi500', or 'all'"),
        ({"bar_feeds": 5}, "option 'bar_feeds' is 5; it is a list of symbols such as [\"600519.SH\"]"),
        ({"data": ""}, "option 'data' is empty; leave it out for its default"),
        ({"data": 3}, "option 'data' is 3; it is text, write it in quotes"),
        ({"strategy": 3}, "option 'strategy' is 3; give a plug-in's name, module:Class, or a path to a .py file"),
        ({"signal": {"name": 3}}, "a plug-in's name is text, not 3"),
        (
            {"signal": {"name": "reversal-20d", "window": None}},
            "parameter 'reversal-20d: window' is not given; a configuration holds numbers, texts, dates, true, "
            "false and lists of them",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(values: dict[str, Any], sentence: str) -> None:
    assert refusal(**values) == sentence


def test_a_schedule_that_is_none_is_refused_at_once() -> None:
    assert refusal(rebalance="5X").startswith("option 'rebalance' is '5X', which is no schedule")


def test_numbers_of_numpy_are_numbers() -> None:
    config = RunConfig(cash=np.int64(5), anchor=np.int64(3), strategy={"name": "top-n", "hold": np.int64(7)})
    assert (config.cash, config.anchor, config.strategy.params) == (5.0, 3, {"hold": 7})
    assert again(config) == config


@pytest.mark.parametrize(
    "given", ["2012-01-31", dt.date(2012, 1, 31), dt.datetime(2012, 1, 31, 15), np.datetime64("2012-01-31")]
)
def test_a_date_may_be_given_in_any_of_the_usual_ways(given: Any) -> None:
    assert RunConfig(start=given).start == dt.date(2012, 1, 31)


def test_an_index_code_without_quotes_keeps_its_six_digits() -> None:
    config = RunConfig.from_mapping(tomllib.loads("benchmark = 399905\nuniverse = 300"))
    assert (config.benchmark, config.universe) == ("399905", "000300")


def test_the_risk_free_rate_is_a_number_or_the_bond() -> None:
    assert [RunConfig(risk_free=rate).risk_free for rate in ("0", "0.02", 0.03, "cgb10y")] == [
        0.0,
        0.02,
        0.03,
        "cgb10y",
    ]


def test_a_table_without_a_name_sets_parameters_of_the_default_plugin() -> None:
    config = RunConfig(strategy={"hold": 30}, fees={"commission": 0.0001})
    assert config.strategy == PluginConfig(name="top-n", params={"hold": 30})
    assert config.fees == PluginConfig(name="a-share", params={"commission": 0.0001})


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("bps:5", {"bps": 5}),
        ("bps:bps=2.5", {"bps": 2.5}),
        ("volume-share:cap=0.2,impact=0.3", {"cap": 0.2, "impact": 0.3}),
        ("volume-share:0.2, 0.3", {"cap": 0.2, "impact": 0.3}),
        ("volume-share", {}),
    ],
)
def test_a_builtin_may_be_written_with_its_parameters_in_one_text(text: str, params: dict[str, Any]) -> None:
    assert RunConfig(slippage=text).slippage == PluginConfig(name=text.partition(":")[0], params=params)


def test_a_value_too_many_in_the_short_form_is_refused() -> None:
    assert refusal(slippage="bps:5,6") == "slippage 'bps:5,6': '6' is one value too many; 'bps' takes 1"


# -- TOML -------------------------------------------------------------------------------------------


def test_the_toml_of_a_run_is_what_a_user_would_write() -> None:
    config = RunConfig(
        start="2012-01-01", end="2012-12-31", benchmark="000905", slippage="bps:5", bar_feeds=["600519.SH"]
    )
    assert config.to_toml().splitlines()[:17] == [
        'data = "synthetic"',
        'universe = "all"',
        "exclude = []",
        "start = 2012-01-01",
        "end = 2012-12-31",
        "cash = 1000000.0",
        'benchmark = "000905"',
        'benchmark_kind = "total-return"',
        'rebalance = "1M"',
        "anchor = 12",
        'fill = "next_open"',
        "risk_free = 0.0",
        "cash_rate = 0.0",
        "seed = 1",
        'bar_feeds = ["600519.SH"]',
        "overlays = []",
        "",
    ]
    assert '[slippage]\nname = "bps"\nbps = 5\n' in config.to_toml()


def test_toml_read_back_gives_an_equal_configuration() -> None:
    config = RunConfig(
        data='C:\\data "raw"\t中文\x7f',
        universe=["600519.SH", "000001.SZ"],
        signal={
            "name": "my.py:Idea",
            "a key": [1, 2.5, "x"],
            "when": dt.date(2012, 1, 1),
            "deep": {"b": True, "c": []},
        },
        rules={"lots": False, "unfilled": "drop"},
    )
    assert again(config) == config
    assert again(config).to_toml() == config.to_toml()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXTS.filter(lambda key: key not in ("name", "params")), VALUES, max_size=4))
def test_any_parameters_survive_toml(params: dict[str, Any]) -> None:
    config = RunConfig(strategy=PluginConfig(name="x", params=params))
    assert again(config) == config


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"cash = ", "configuration file '{}' is no valid TOML: Invalid value (at line 1, column 8)"),
        (b"data = '\xff'", "configuration file '{}' is no UTF-8 text; save it as UTF-8"),
        (b"cahs = 5", "{}: unknown option 'cahs'; did you mean 'cash'?"),
        (None, "there is no configuration file '{}'; check the path"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_toml(path)
    expected = sentence.format(path)
    # What tomllib calls the place differs between versions of Python.
    assert str(caught.value).split("(at")[0] == expected.split("(at")[0]


# -- hashing ----------------------------------------------------------------------------------------


def test_the_text_to_hash_knows_neither_the_datas_path_nor_an_order_of_keys() -> None:
    one = RunConfig(data="a", slippage={"name": "volume-share", "cap": 0.1, "impact": 0.2})
    two = RunConfig(data="b", slippage={"impact": 0.2, "cap": 0.1, "name": "volume-share"})
    assert one.canonical_json() == two.canonical_json()
    assert "data" not in json.loads(one.canonical_json())
    assert one.canonical_json() != RunConfig(data="a", slippage={"name": "volume-share", "cap": 0.1}).canonical_json()


# -- overrides --------------------------------------------------------------------------------------


def test_overrides_reach_options_and_parameters_of_strategy_and_signal() -> None:
    config = RunConfig().with_overrides(
        [
            "hold=30",
            "window=10",
            "cash=5e5",
            "rules.lots=false",
            "fees.commission=0.0001",
            "universe=csi500",
            "start=2012-01-01",
        ]
    )
    assert config.strategy.params == {"hold": 30}
    assert config.signal.params == {"window": 10}
    assert (config.cash, config.rules.lots, config.fees.params) == (500000.0, False, {"commission": 0.0001})
    assert (config.universe, config.start) == ("csi500", dt.date(2012, 1, 1))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["hodl=3"], "unknown option 'hodl'; did you mean 'hold'?"),
        (["wndow=3"], "unknown option 'wndow'; did you mean 'window'?"),
        (["strategy.hodl=3"], "strategy 'top-n' has no parameter 'hodl'; did you mean 'hold'?"),
        (["signal.hold=3"], "signal 'reversal-20d' has no parameter 'hold'; choose one of: window"),
        (["fees.commision=0"], "fees 'a-share' has no parameter 'commision'; did you mean 'commission'?"),
        (["rules.lot=true"], "unknown rule 'lot'; did you mean 'lots'?"),
        (["stratgy.hold=3"], "unknown table in 'stratgy.hold'; did you mean 'strategy'?"),
        (
            ["strategy.rebalance=3M"],
            "'rebalance' is an option of the run and no parameter of the strategy; give it as rebalance",
        ),
        (["hold"], "'hold' is no KEY=VALUE; write for instance hold=30"),
        (
            ["signal=none", "signal.window=3"],
            "there is no signal, so nothing takes the parameter 'window'; name a signal",
        ),
    ],
)  # fmt: skip
def test_an_override_that_fits_nothing_is_refused_with_the_nearest(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig().with_overrides(overrides)
    assert str(caught.value) == sentence


def test_a_parameter_of_both_plugins_must_be_written_with_its_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from strategies.base import RebalanceStrategy\nclass Mine(RebalanceStrategy):\n    params = (('window', 1),)\n"
    )
    base = RunConfig(strategy=str(path))
    with pytest.raises(ConfigError, match=r"'window' is a parameter of both; write strategy.window or signal.window"):
        base.with_overrides(["window=5"])
    changed = base.with_overrides(["strategy.window=5", "signal.window=6"])
    assert (changed.strategy.params, changed.signal.params) == ({"window": 5}, {"window": 6})


def test_another_plugin_starts_with_its_own_parameters_and_the_same_one_keeps_its() -> None:
    base = RunConfig(strategy={"name": "top-n", "hold": 30}, slippage="bps:5")
    assert base.with_overrides(["strategy=equal-weight"]).strategy.params == {}
    assert base.with_overrides(["strategy=top-n"]).strategy.params == {"hold": 30}
    assert base.with_overrides(["slippage=bps:7"]).slippage.params == {"bps": 7}
    assert base.with_overrides(["slippage.name=none"]).slippage.params == {}


def test_overrides_count_together_whatever_their_order() -> None:
    base = RunConfig(start="2012-01-01", end="2012-12-31")
    moved = base.with_overrides(["start=2015-01-01", "end=2015-12-31"])
    assert (moved.start, moved.end) == (dt.date(2015, 1, 1), dt.date(2015, 12, 31))
    switched = base.with_overrides(["skip=5", "signal=momentum-12-1"])
    assert switched.signal == PluginConfig(name="momentum-12-1", params={"skip": 5})


def test_other_data_have_their_own_span_unless_one_was_given() -> None:
    assert RunConfig().with_overrides(["data=folder"]).start is None
    assert RunConfig(start="2012-01-04").with_overrides(["data=folder"]).start == dt.date(2012, 1, 4)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30", 30), ("0.5", 0.5), ("true", True), ("csi500", "csi500"), ("000905", "000905"), ('"7"', "7"),
        ("[1, 2]", [1, 2]), ("a\nb = 2", "a\nb = 2"), ("1\nb = 2", "1\nb = 2"), ("", ""),
    ],
)  # fmt: skip
def test_the_value_of_an_override_is_toml_or_else_text(text: str, value: Any) -> None:
    from engine.config_values import parse_value

    assert parse_value(text) == value


# -- completion -------------------------------------------------------------------------------------


def test_a_completed_configuration_writes_out_every_parameter() -> None:
    config = RunConfig(fees={"commission": 0.0001}).completed()
    assert config.strategy.params == {
        "hold": 50, "trade": "full", "buffer": 0, "min_trade": 0.0, "replace": True, "spread": True,
        "exits": "rebalance",
    }  # fmt: skip
    assert config.signal.params == {"window": 20}
    assert config.fees.params == {
        "commission": 0.0001, "minimum": 5.0, "on_top": False, "stamp_duty": True, "transfer_fee": True,
        "handling_fee": True, "regulatory_fee": True, "stamp_duty_minimum": 0.0, "transfer_fee_minimum": 0.0,
        "handling_fee_minimum": 0.0, "regulatory_fee_minimum": 0.0, "table": "",
    }  # fmt: skip
    assert config.completed() == config
    assert RunConfig(fees={"minimum": 5.0, "commission": 0.0001}).completed().to_toml() == config.to_toml()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"strategy": {"hodl": 3}}, "strategy 'top-n' has no parameter 'hodl'; did you mean 'hold'?"),
        (
            {"strategy": {"hold": "all"}},
            "strategy 'top-n': parameter 'hold' is 'all'; it is a whole number, 50 by default",
        ),
        (
            {"strategy": {"hold": 2.5}},
            "strategy 'top-n': parameter 'hold' is 2.5; it is a whole number, 50 by default",
        ),
        (
            {"signal": {"window": 0}},
            "signal 'reversal-20d': parameter 'window' is 0; input should be greater than or equal to 1",
        ),
        ({"slippage": "bps"}, "slippage 'bps' needs a value for its parameter 'bps'; give slippage.bps"),
    ],
)  # fmt: skip
def test_completing_checks_the_plugins_parameters(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig(**values).completed()
    assert str(caught.value) == sentence
