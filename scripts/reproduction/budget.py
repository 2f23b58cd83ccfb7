"""CPU time for training: what a report may spend, and which trainings that pays for.

What a training costs is estimated before it starts, from sizes alone, and not measured: a budget then buys the same
trainings on every machine and in every attempt, and a report that was killed and resumed is the same report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import ConfigError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True)
class Training:
    """Models that are trained together or not at all.

    Attributes
    ----------
    name : str
        What a step asks by, once in a report.
    what : str
        The same for a reader.
    seconds : float
        Expected CPU seconds.
    instead_of : str
        Name of a training before it that it stands in for: with that one there is no want of it.
    """

    name: str
    what: str
    seconds: float
    instead_of: str = ""


@dataclass(frozen=True)
class Plan:
    """Which trainings a budget pays for.

    Attributes
    ----------
    budget : float
        CPU seconds.
    chosen, skipped : tuple of Training
    """

    budget: float
    chosen: tuple[Training, ...]
    skipped: tuple[Training, ...]

    def __contains__(self, name: object) -> bool:
        return any(one.name == name for one in self.chosen)

    @property
    def seconds(self) -> float:
        """Expected CPU seconds of what was chosen."""
        return sum(one.seconds for one in self.chosen)


def plan_of(trainings: Iterable[Training], budget: float) -> Plan:
    """Take trainings in their order as long as they fit; one that does not is skipped, a smaller one after it is not.

    Parameters
    ----------
    trainings : iterable of Training
        The most important first.
    budget : float
        CPU seconds.
    """
    chosen: list[Training] = []
    skipped: list[Training] = []
    left = budget
    for one in trainings:
        if one.instead_of and any(one.instead_of == other.name for other in chosen):
            continue
        if one.seconds <= left:
            chosen.append(one)
            left -= one.seconds
        else:
            skipped.append(one)
    return Plan(budget, tuple(chosen), tuple(skipped))


def seconds_of(text: str) -> float:
    """CPU seconds of a text as ``2h``, ``90m``, ``1h30m`` or ``600s``.

    Raises
    ------
    ConfigError
        If it is no such text, or nothing.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip().lower():
        raise ConfigError(f"--budget '{text}' is no CPU time; write 2h, 90m, 1h30m or 600s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration(seconds: float) -> str:
    """Seconds for a reader: ``45 s``, ``12 min``, ``2.5 h``."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 6000.0 else f"{seconds / 3600.0:.1f} h"
