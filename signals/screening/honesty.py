"""Whether a user's factor keeps to what it declares: no bar after the session, no more bars, no other field.

Ours are held to it by the tests, over the whole registry; a user's file has no tests here, so its factors are computed
again, on a few of the sessions asked for, from a view that ends there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import LookAheadError, SignalError
from signals.factors.panel import FactorPanel

if TYPE_CHECKING:
    from engine.market import Market
    from signals.factors.registry import Factor

LOOKS = 3
"""Sessions on which a factor is computed again: the first, the middle one and the last but one."""

ALWAYS = frozenset({"traded"})
"""Fields that a panel reads for itself."""


def is_own(one: Factor) -> bool:
    """Whether a factor is one of the library's."""
    return one.compute.__module__.startswith("signals.factors.")


def check_factor(market: Market, one: Factor, values: np.ndarray, rows: np.ndarray) -> None:
    """Compare a factor's values with what views that end on a few of the sessions give.

    Values count as the same within 1e-7 of their size: rolling sums of the user's own may begin elsewhere.

    Parameters
    ----------
    market : Market
    one : Factor
    values : ndarray, shape (D, N)
        Computed from the whole market.
    rows : ndarray of int, shape (D,)
        Sessions of the values.

    Raises
    ------
    LookAheadError
        If a value changes when the sessions after it are taken away.
    SignalError
        If it reads more bars than its lookback, or a field that is not among its inputs.
    """
    if not len(rows):
        return
    for d in np.unique(np.linspace(0, max(len(rows) - 2, 0), LOOKS).astype(np.int64)):
        symbol = _first_other(_at(market, one, int(rows[d]), one.lookback), values[d], market.symbols)
        if symbol is None:
            continue
        day = market.sessions[rows[d]]
        whole = _first_other(_at(market, one, int(rows[d]), None), values[d], market.symbols)
        if whole is not None:
            raise LookAheadError(
                f"factor '{one.name}' of {whole} on {day} changes when later sessions are taken away; "
                "it reads the future"
            )
        raise SignalError(
            f"factor '{one.name}' of {symbol} on {day} reads more of the stock's bars than its lookback of "
            f"{one.lookback} tells; declare more, or None for all"
        )


def _at(market: Market, one: Factor, row: int, tail: int | None) -> np.ndarray:
    """Values at one session from a view that ends there, (N,); checks the fields read."""
    panel = FactorPanel(market.view(row), tail=tail)
    read: set[str] = set()
    panel.source = _Noting(panel.source, market.fields, read)  # type: ignore[assignment]
    panel._market = _Noting(panel._market, market.fields, read)  # type: ignore[assignment]
    found = one(panel)[0]
    other = sorted(read - set(one.inputs) - ALWAYS)
    if other:
        fields = ", ".join(f"'{name}'" for name in other)
        raise SignalError(f"factor '{one.name}' reads {fields}, not among its inputs; add it to them")
    return found


def _first_other(found: np.ndarray, values: np.ndarray, symbols: list[str]) -> str | None:
    """The first symbol whose value is another one."""
    same = np.isclose(found, values, rtol=1e-7, atol=1e-12, equal_nan=True)
    return None if same.all() else symbols[int(np.argmin(same))]


class _Noting:
    """A market or view that notes which fields are read."""

    def __init__(self, inner: Any, fields: frozenset[str], read: set[str]) -> None:
        self._inner, self._fields, self._read = inner, fields, read

    def __getattr__(self, name: str) -> Any:
        if name in self._fields or name == "events":
            self._read.add(name)
        return getattr(self._inner, name)
