"""When a signal is fitted again: never, once, before every prediction, by calendar years or by months."""

from __future__ import annotations

import re

import numpy as np

from engine.errors import SignalError

_MONTHS = re.compile(r"([1-9]\d{0,2})M", re.ASCII)
_WORDS = ("never", "once", "every", "yearly")


def check_refit(refit: str, name: str) -> None:
    """Refuse what is no schedule of refits; ``name`` is the signal's.

    Raises
    ------
    SignalError
    """
    if refit not in _WORDS and not (isinstance(refit, str) and _MONTHS.fullmatch(refit)):
        raise SignalError(
            f"{name}.refit is '{refit}'; it must be never, once, every, yearly, or a number of months such as 3M"
        )


def is_due(refit: str, day: np.datetime64, last: np.datetime64 | None) -> bool:
    """Whether a signal fitted at ``last`` (None: not yet) is fitted before the prediction of ``day``.

    ``yearly`` begins with each calendar year, ``3M`` when three calendar months have begun since the last fit.
    """
    if refit == "never":
        return False
    if last is None or refit == "every":
        return True
    if refit == "once":
        return False
    begun = int(day.astype("datetime64[M]").astype(int) - last.astype("datetime64[M]").astype(int))
    if refit == "yearly":
        return bool(day.astype("datetime64[Y]") != last.astype("datetime64[Y]"))
    match = _MONTHS.fullmatch(refit)
    assert match is not None
    return begun >= int(match[1])
