"""The one tree of errors a user can meet.

Every message is one sentence that names what is at fault and what to do; scripts print it after
``error:`` and exit with status 2 (see :func:`scripts._cli.main_guard`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HuiceError(Exception):
    """Base of all errors that a user can cause and mend."""


class DataError(HuiceError):
    """Input data are missing, malformed or contradict themselves."""


class ConfigError(HuiceError):
    """An option, parameter or plug-in name is unknown or out of range."""


class RuleError(HuiceError):
    """An order asks for something the market or the fill mode does not have."""


class SignalError(HuiceError):
    """A signal plug-in broke its contract."""


class StrategyError(HuiceError):
    """A strategy plug-in broke its contract."""


class LookAheadError(HuiceError):
    """Something asked for data from after the session it stands on."""


class AccountError(HuiceError):
    """The account does not balance: a defect of ours, never of the user's input."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of ``words``, or the list when none is close.

    Parameters
    ----------
    word : str
        What the user wrote.
    words : iterable of str
        What would have been valid.
    """
    known = sorted(set(words))
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "choose one of: " + ", ".join(known) if known else "there is none to choose from"
