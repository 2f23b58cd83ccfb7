"""Answers of a contract suite: what must hold of a plug-in, whether it does, and what to do if not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from engine.errors import DataError, HuiceError
from signals.contract.guards import line_of


@dataclass(frozen=True)
class Check:
    """One answer of a suite.

    Attributes
    ----------
    name : str
        What must hold.
    status : {"passed", "failed", "skipped"}
    text : str
        What was found, and what to do.
    """

    name: str
    status: Literal["passed", "failed", "skipped"]
    text: str = ""


class Broken(Exception):
    """A check that does not hold; its text says what to do."""


class NotHere(Exception):
    """A check that cannot be made here."""


def failures(checks: list[Check]) -> list[str]:
    """One line for each check that does not hold."""
    return [f"{check.name}: {check.text}" for check in checks if check.status == "failed"]


def answers(plug_in: str, checks: Iterable[tuple[str, Callable[[], str]]]) -> Iterator[Check]:
    """Make the checks in their order.

    Parameters
    ----------
    plug_in : str
        Name of its class, for what it raises itself.
    checks : iterable of (str, callable)
        What must hold, and a function that returns what was found or raises :class:`Broken` or :class:`NotHere`.

    Yields
    ------
    Check
        An exception of the plug-in's own is an answer too.
    """
    for name, check in checks:
        try:
            yield Check(name, "passed", check())
        except Broken as broken:
            yield Check(name, "failed", str(broken))
        except NotHere as reason:
            yield Check(name, "skipped", str(reason))
        except DataError as error:
            yield Check(name, "failed", f"{error} (if the data lack it, audit on others with --data)")
        except HuiceError as error:
            yield Check(name, "failed", str(error))
        except Exception as error:
            said = next(iter(str(error).splitlines()), "")
            yield Check(name, "failed", f"{plug_in} raised {type(error).__name__} ({said}){line_of(error)}")
