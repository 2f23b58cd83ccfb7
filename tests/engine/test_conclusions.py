"""The paragraph on what survives says what the numbers say."""

from __future__ import annotations

from typing import Any

import pytest

from engine.bootstrap import Interval
from engine.conclusions import Against, conclude
from engine.luck import Luck

LUCK = Luck("top-n", 12, "the benchmark", 0.97, 0.20)


def result(excess: float = 0.079, low: float = 0.003, high: float = 0.164, **more: Any) -> dict[str, Any]:
    return {
        "headline": {"excess_annual_return": excess, "annual_return": 0.2, "sessions": 2432},
        "intervals": {"excess_annual_return": [low, high], "annual_return": [-0.01, 0.4]},
        "benchmark": {"code": "000905"},
        **more,
    }


def test_what_survives_all_three_questions_is_said_with_its_numbers() -> None:
    found = conclude(result(), control=Against("linear", 0.031, Interval(0.002, 0.06)), luck=LUCK)
    assert found.verdict == (
        "The excess return over 000905 after costs is distinguishably above zero, above the control linear and above "
        "the luck of the best of 12 settings tried."
    )
    assert found.grounds == [
        "After all costs the excess return over 000905 was +7.90% a year (95% interval +0.30% to +16.40%).",
        "Less the return of the control linear it was +3.10% a year (95% interval +0.20% to +6.00%).",
        "The folder of runs holds 12 settings of top-n on overlapping data; the deflated Sharpe ratio (over the "
        "benchmark) is 0.970, the probability that this one is more than the luckiest of so many.",
        "The probability of backtest overfitting is 0.20: so often the setting that is best in one half of the days is "
        "no better than the median in the other.",
    ]
    assert found.text == " ".join([found.verdict, *found.grounds])


@pytest.mark.parametrize(
    ("control", "deflated", "ends"),
    [
        (Interval(-0.01, 0.06), 0.97, "above zero and {luck}, but not above the control linear."),
        (Interval(0.01, 0.06), 0.94, "above zero and above the control linear, but not {luck}."),
        (Interval(-0.01, 0.06), 0.94, "above zero, but not above the control linear or {luck}."),
        (None, 0.97, "above zero and {luck}, but not above the control linear."),
    ],
)
def test_each_question_that_is_not_passed_is_named(control: Interval | None, deflated: float, ends: str) -> None:
    found = conclude(result(), control=Against("linear", 0.03, control), luck=LUCK._replace(deflated=deflated))
    luck = "above the luck of the best of 12 settings tried"
    assert found.verdict == f"The excess return over 000905 after costs is distinguishably {ends.format(luck=luck)}"


def test_an_excess_that_may_be_nothing_is_never_said_to_beat_luck() -> None:
    found = conclude(result(low=-0.001), luck=LUCK)
    assert found.verdict == "The excess return over 000905 after costs is not distinguishably above zero."
    found = conclude(result(-0.08, -0.2, 0.1), control=Against("linear", 0.1, Interval(0.05, 0.2)), luck=LUCK)
    assert found.verdict == (
        "The excess return over 000905 after costs is not distinguishably above zero, though above the control linear."
    )


def test_a_single_setting_has_nothing_to_be_lucky_among_and_what_is_not_counted_is_said() -> None:
    found = conclude(result(), luck=Luck("top-n", 1, "the benchmark", 0.3, None))
    assert found.verdict == "The excess return over 000905 after costs is distinguishably above zero."
    assert "holds no other setting of top-n" in found.grounds[-1] and "not counted" in found.grounds[-1]


def test_overfitting_of_a_half_or_more_says_that_picking_means_nothing() -> None:
    assert conclude(result(), luck=LUCK._replace(overfitting=0.5)).text.endswith(
        "; to pick the best of them says nothing of other days."
    )


def test_without_a_benchmark_the_return_itself_is_asked_about() -> None:
    found = conclude(result() | {"benchmark": None})
    assert found.verdict == "The return after costs is not distinguishably above zero."
    assert found.grounds == ["After all costs the return was +20.00% a year (95% interval -1.00% to +40.00%)."]


def test_a_run_that_leaks_says_so_before_any_number() -> None:
    assert conclude(result(leaks=True)).grounds[0].startswith("This run used data from after its decisions (LEAKS)")


def test_a_run_without_intervals_concludes_nothing() -> None:
    short = {"headline": {"annual_return": 0.3, "sessions": 40}, "intervals": {}, "benchmark": None}
    assert conclude(short).text == (
        "The run is too short, or moved too little, to tell anything from chance (40 sessions)."
    )
