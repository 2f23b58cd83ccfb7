"""Checks of the options of a fee model, each refusal one sentence."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.errors import ConfigError


def check_rate(name: str, rate: Any, highest: float) -> float:
    """A fraction of the traded value in [0, ``highest``]; above it a percentage must have been meant.

    Raises
    ------
    ConfigError
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate >= 0:
        raise ConfigError(f"fee option '{name}' is {rate!r}; it is a fraction of the traded value, not negative")
    if rate > highest:
        meant = format(Decimal(str(rate)) / 100, "f") if math.isfinite(rate) else "a fraction"
        raise ConfigError(
            f"fee option '{name}' is {rate:g}, that is {rate * 100:g} % of the traded value; "
            f"it is a fraction: if {rate:g} % was meant, write {meant}"
        )
    return float(rate)


def check_minimum(name: str, minimum: Any) -> float:
    """Yuan per order, in whole fen.

    Raises
    ------
    ConfigError
    """
    number = isinstance(minimum, int | float) and not isinstance(minimum, bool)
    if not (number and 0 <= minimum < math.inf):
        raise ConfigError(f"fee option '{name}' is {minimum!r}; it is yuan per order, not negative")
    fen = Decimal(repr(float(minimum))) * 100
    if fen != int(fen):
        raise ConfigError(f"fee option '{name}' is {minimum!r}; it is yuan per order in whole fen, such as 0.05")
    return float(minimum)


def check_switch(name: str, switch: Any) -> bool:
    """True or false.

    Raises
    ------
    ConfigError
    """
    if not isinstance(switch, bool):
        raise ConfigError(f"fee option '{name}' is {switch!r}; write true or false")
    return switch


def check_component(name: str, value: Any, highest: float) -> bool | float:
    """True (as the table has it by date), False or 0 (none), or a flat rate.

    Raises
    ------
    ConfigError
    """
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        raise ConfigError(f"fee option '{name}' is {value!r}; write true (by date), false, or a rate such as 0.0005")
    return check_rate(name, value, highest) or False
