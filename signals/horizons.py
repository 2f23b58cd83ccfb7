"""How far a label looks ahead, when it is known, and what must be left out between training and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from engine.errors import SignalError

if TYPE_CHECKING:
    from engine.market import Market
    from engine.view import View

NOT_YET = np.iinfo(np.int64).max
"""When a label is known whose horizon has not passed."""


@dataclass(frozen=True)
class Horizon:
    """From a decision to the session at whose close its label is known.

    Attributes
    ----------
    count : int
    unit : {"period", "session"}
        ``count`` rebalance periods (to the decision so many places on) or trading sessions.
    delay : int
        Sessions between a decision and its fill, at both ends: 0 at the same close, 1 on the session after.
    """

    count: int
    unit: Literal["period", "session"] = "period"
    delay: int = 0

    def ends(self, decisions: np.ndarray, sessions: int) -> np.ndarray:
        """The session in whose price each label ends, ``delay`` included; -1 where the panel ends before.

        Parameters
        ----------
        decisions : ndarray of int64, shape (D,)
            Ascending sessions.
        sessions : int
            T.
        """
        decisions = np.asarray(decisions, dtype=np.int64)
        if self.unit == "session":
            ends = decisions + self.count + self.delay
        else:
            ends = np.full(len(decisions), -1, dtype=np.int64)
            there = len(decisions) - self.count
            if there > 0:
                ends[:there] = decisions[self.count :] + self.delay
        return np.where((ends >= 0) & (ends < sessions), ends, -1)

    def known(self, decisions: np.ndarray, sessions: int) -> np.ndarray:
        """The session at whose close each label is known, :data:`NOT_YET` where that is not in the panel."""
        ends = self.ends(decisions, sessions)
        return np.where(ends < 0, NOT_YET, ends)

    @property
    def embargo(self) -> int:
        """Rows just before a decision whose labels are not known at its close, if rows are decisions (unit "period").

        Raises
        ------
        SignalError
            For a horizon in sessions: how many rows it spans depends on the schedule; ask :meth:`Target.known_by`.
        """
        if self.unit != "period":
            raise SignalError("a horizon in sessions spans no fixed number of rows; ask which labels are known_by(t)")
        return max(self.count + self.delay - 1, 0)

    def describe(self) -> str:
        """Such as ``1 rebalance period, from the session after``."""
        unit = "rebalance period" if self.unit == "period" else "session"
        text = f"{self.count} {unit}{'' if self.count == 1 else 's'}"
        return text + (", from the session after" if self.delay else "")


@dataclass(frozen=True)
class Target:
    """Labels of D decisions x N stocks.

    Attributes
    ----------
    values : ndarray of float64, shape (D, N)
        NaN where there is no label.
    decisions : ndarray of int64, shape (D,)
        Sessions.
    known : ndarray of int64, shape (D,)
        The session at whose close a row is known; :data:`NOT_YET` if its horizon ends after the panel.
    horizon : Horizon
    """

    values: np.ndarray
    decisions: np.ndarray
    known: np.ndarray
    horizon: Horizon

    def known_by(self, t: int) -> np.ndarray:
        """Rows whose horizon has passed at the close of session ``t``: all that a fit there may use; bool (D,)."""
        return self.known <= t

    def purged(self, train: np.ndarray, test: np.ndarray, embargo: int = 0) -> np.ndarray:
        """Training rows whose label shares no session with that of a test row.

        Parameters
        ----------
        train, test : ndarray of bool or of int
            Rows, such as those before and after a split.
        embargo : int
            So many more sessions are kept free behind each test row's label.

        Returns
        -------
        ndarray of int64
            Training rows that stay, ascending: known by the close of each later test row's decision, or decided at or
            after the close at which each earlier one was known. Rows that are not known at all go.

        Raises
        ------
        SignalError
            If a row is in both.
        """
        train, test = self._rows(train), self._rows(test)
        both = np.intersect1d(train, test)
        if len(both):
            raise SignalError(f"row {both[0]} of the labels is in the training and in the test rows")
        end = np.where(self.known == NOT_YET, NOT_YET, self.known + embargo)
        stays = [
            j for j in train
            if self.known[j] != NOT_YET
            and np.all((self.known[j] <= self.decisions[test]) | (self.decisions[j] >= end[test]))
        ]  # fmt: skip
        return np.array(stays, dtype=np.int64)

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        return np.flatnonzero(rows) if rows.dtype == bool else np.unique(rows.astype(np.int64))


def positions(market: Market | View, decisions: Any) -> np.ndarray:
    """Decisions as ascending sessions of a market or view, from places or dates.

    Raises
    ------
    SignalError
        If one is no session of it, or they do not ascend.
    """
    given = np.asarray(decisions)
    sessions = np.asarray(market.sessions)
    if given.dtype.kind in "iu":
        found = given.astype(np.int64)
        outside = (found < 0) | (found >= len(sessions))
    else:
        days = given.astype("datetime64[D]")
        found = np.searchsorted(sessions, days).astype(np.int64)
        outside = (found >= len(sessions)) | (sessions[np.minimum(found, len(sessions) - 1)] != days)
    if given.ndim != 1 or outside.any():
        what = given[outside][0] if given.ndim == 1 else given
        raise SignalError(
            f"decision {what} is no session of this panel of {len(sessions)} sessions; give sessions of its own"
        )
    if np.any(np.diff(found) <= 0):
        raise SignalError("the decisions of a label must ascend without duplicates")
    return found
