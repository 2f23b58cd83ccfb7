"""One paragraph, made from numbers, on what survives of a result.

Three questions, in this order: is the excess return after all costs distinguishably above zero, above a simpler
control, and above the luck of the best of the settings tried. "Distinguishably" has one meaning: the whole bootstrap
interval is above zero, or the deflated Sharpe ratio is at least :data:`SURE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.bootstrap import LEVEL, Interval
from engine.luck import Luck
from engine.presentation import bounds, known, number, percent

SURE = LEVEL


class Conclusion(NamedTuple):
    """What survives in one sentence, and the numbers behind it, a sentence each."""

    verdict: str
    grounds: list[str]

    @property
    def text(self) -> str:
        """Both as one paragraph."""
        return " ".join([self.verdict, *self.grounds])


class Against(NamedTuple):
    """Annual return of a run less that of a control on the same sessions, a fraction, with its interval."""

    control: str
    difference: float
    interval: Interval | None


def conclude(result: Mapping[str, Any], *, control: Against | None = None, luck: Luck | None = None) -> Conclusion:
    """The honest conclusion of a run.

    Parameters
    ----------
    result : mapping
        The content of ``result.json``.
    control : Against, optional
        The difference to a simpler model, as :func:`engine.comparison.against` gives it.
    luck : Luck, optional
        What the settings tried say, as :func:`engine.luck.luck` counts them.
    """
    benchmark = result.get("benchmark")
    key = "excess_annual_return" if benchmark else "annual_return"
    what = f"excess return over {benchmark.get('code', 'the benchmark')}" if benchmark else "return"
    found, span = (result.get("headline") or {}).get(key), bounds(result, key)
    leaks = ["This run used data from after its decisions (LEAKS): nothing below tells of what could have been earned."]
    grounds = leaks if result.get("leaks") else []
    if not known(found) or span is None:
        sessions = number((result.get("headline") or {}).get("sessions"), 0)
        short = f"The run is too short, or moved too little, to tell anything from chance ({sessions} sessions)."
        return Conclusion(short, grounds)
    tests = [("zero", span[0] > 0.0)]
    grounds += [f"After all costs the {what} was {_with_interval(found, span)}."]
    if control is not None:
        tests.append((f"the control {control.control}", control.interval is not None and control.interval.low > 0.0))
        beyond = _with_interval(control.difference, control.interval)
        grounds.append(f"Less the return of the control {control.control} it was {beyond}.")
    if luck is not None:
        grounds += _of_luck(luck)
        if span[0] > 0.0 and luck.trials > 1 and luck.deflated is not None:
            tests.append((f"the luck of the best of {luck.trials} settings tried", luck.deflated >= SURE))
    return Conclusion(_verdict(what, tests), grounds)


def _with_interval(x: float, span: Interval | tuple[float, float] | None) -> str:
    text = f"{percent(x, sign=True)} a year"
    if span is None:
        return text
    return f"{text} ({LEVEL:.0%} interval {percent(span[0], sign=True)} to {percent(span[1], sign=True)})"


def _verdict(what: str, tests: list[tuple[str, bool]]) -> str:
    passed, failed = ([f"above {name}" for name, clear in tests if clear is wanted] for wanted in (True, False))
    subject = f"The {what} after costs is"
    if not tests[0][1]:  # what is beyond luck or a control alone has earned nothing
        return f"{subject} not distinguishably above zero{', though ' + _listed(passed, 'and') if passed else ''}."
    beyond = f", but not {_listed(failed, 'or')}" if failed else ""
    return f"{subject} distinguishably {_listed(passed, 'and')}{beyond}."


def _listed(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _of_luck(luck: Luck) -> list[str]:
    if luck.trials == 1:
        return [
            f"The folder of runs holds no other setting of {luck.strategy} on these data, so nothing was picked from "
            "many; what was tried elsewhere, or deleted, is not counted."
        ]
    found = [
        f"The folder of runs holds {luck.trials} settings of {luck.strategy} on overlapping data; the deflated Sharpe "
        f"ratio (over {luck.hurdle}) is {number(luck.deflated, 3)}, the probability that this one is more than the "
        "luckiest of so many."
    ]
    if luck.overfitting is not None:
        picking = "" if luck.overfitting < 0.5 else "; to pick the best of them says nothing of other days"
        found.append(
            f"The probability of backtest overfitting is {number(luck.overfitting)}: so often the setting that is best "
            f"in one half of the days is no better than the median in the other{picking}."
        )
    return found
