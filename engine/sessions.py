"""Rebalance schedules: which sessions of a calendar are decision sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.errors import ConfigError, DataError

_WORDS = {
    "daily": "1d", "weekly": "1w", "monthly": "1m",
    "weekly-start": "1ws", "monthly-start": "1ms", "weekly-end": "1w", "monthly-end": "1m",
}  # fmt: skip
_FORM = re.compile(r"([1-9]\d{0,3})?(d$|w|m)(s?)", re.ASCII)
_UNITS: dict[str, Literal["session", "week", "month"]] = {"d": "session", "w": "week", "m": "month"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EXAMPLES = "1D or daily, 20D, 1W or weekly, 2W, 1M or monthly, 3M (last days of quarters), 3MS (first days), 1WS"

# Days from Monday 1990-01-01, which n-week periods are counted from, to 1970-01-01.
_WEEK_EPOCH = 7305


@dataclass(frozen=True, slots=True)
class Schedule:
    """Decisions every n sessions, or at the start or end of n-week or n-month periods.

    Attributes
    ----------
    unit : {"session", "week", "month"}
    n : int
        Length of a period in units.
    at : {"end", "start"}
        Which session of the period decides; of no meaning for sessions.
    anchor : int
        Month, 1 to 12, in which a period of months ends.
    """

    unit: Literal["session", "week", "month"]
    n: int = 1
    at: Literal["end", "start"] = "end"
    anchor: int = 12

    @classmethod
    def parse(cls, text: str, anchor: int = 12) -> Schedule:
        """Read the option ``rebalance``.

        Parameters
        ----------
        text : str
            ``1D``/``daily``, ``20D``, ``1W``/``weekly``, ``2W``, ``1M``/``M``/``monthly``, ``3M``, with
            ``S`` behind for the first instead of the last session of the period (``3MS``, ``1WS``,
            ``monthly-start``, ``weekly-start``); case does not matter.
        anchor : int
            Month in which a period of months ends: with 12 ``3M`` is Mar, Jun, Sep, Dec; with 1 it is
            Jan, Apr, Jul, Oct.

        Raises
        ------
        ConfigError
            If the text is none of these, a month count does not divide 12, or ``anchor`` is no month.

        Examples
        --------
        >>> Schedule.parse("3M").describe()
        'last trading day of Mar, Jun, Sep and Dec'
        """
        if isinstance(anchor, bool) or not isinstance(anchor, int) or not 1 <= anchor <= 12:
            raise ConfigError(f"option 'anchor' is {anchor!r}; it is the month in which a period ends, 1 to 12")
        word = str(text).strip().lower()
        match = _FORM.fullmatch(_WORDS.get(word, word))
        if match is None:
            raise ConfigError(f"option 'rebalance' is '{text}', which is no schedule; examples: {_EXAMPLES}")
        count, unit, start = match.groups()
        n = int(count or 1)
        if unit == "m" and 12 % n:
            raise ConfigError(f"option 'rebalance' is '{text}'; write 1M, 2M, 3M, 4M, 6M or 12M, which divide a year")
        return cls(_UNITS[unit], n, "start" if start else "end", anchor)

    def decisions(self, calendar: np.ndarray, first: int, last: int) -> np.ndarray:
        """Positions of the decision sessions in ``calendar[first : last + 1]``.

        A period without a session yields nothing. The first or last session of a period decides only
        where it is known to be that: the calendar holds a session beyond the period's edge, or no weekday
        lies between the session and the edge. So a last incomplete period yields no decision.

        Parameters
        ----------
        calendar : ndarray of datetime64[D], shape (K,)
            All known sessions, ascending; it may reach beyond the span on both sides.
        first, last : int
            The span, both inclusive.

        Returns
        -------
        ndarray of int64
            Ascending positions in ``calendar``.

        Raises
        ------
        DataError
            If the calendar does not ascend or the span lies outside it.
        """
        days = np.asarray(calendar, dtype="datetime64[D]")
        if first < 0 or last >= len(days):
            raise DataError(f"sessions {first} to {last} do not lie in a calendar of {len(days)} sessions")
        if first > last:
            return np.empty(0, dtype=np.int64)
        if self.unit == "session":
            return np.arange(first, last + 1, self.n, dtype=np.int64)
        if np.any(days[1:] <= days[:-1]):
            raise DataError("the calendar of sessions is not ascending without duplicates")
        period = self._period(days)
        changes = np.flatnonzero(period[1:] != period[:-1])
        if self.at == "end":
            edge = self._start(int(period[-1]) + 1)
            over = np.busday_count(days[-1] + np.timedelta64(1, "D"), edge) == 0
            found = np.append(changes, len(days) - 1) if over else changes
        else:
            edge = self._start(int(period[0]))
            begun = np.busday_count(edge, days[0]) == 0
            found = np.append(0, changes + 1) if begun else changes + 1
        found = found.astype(np.int64)
        return found[(found >= first) & (found <= last)]

    def describe(self) -> str:
        """One phrase, e.g. ``last trading day of Mar, Jun, Sep and Dec``."""
        if self.unit == "session":
            return "every session" if self.n == 1 else f"every {self.n} sessions from the first on"
        edge = "first" if self.at == "start" else "last"
        if self.unit == "week":
            return f"{edge} trading day of every " + ("week" if self.n == 1 else f"period of {self.n} weeks")
        if self.n == 1:
            return f"{edge} trading day of every month"
        # A period starts in the month after the one in which the one before ends.
        month = self.anchor if self.at == "start" else self.anchor - 1
        months = [_MONTHS[k] for k in sorted((month + step) % 12 for step in range(0, 12, self.n))]
        names = months[0] if len(months) == 1 else ", ".join(months[:-1]) + " and " + months[-1]
        return f"{edge} trading day of {names}"

    def _period(self, days: np.ndarray) -> np.ndarray:
        """Number of the period of each day; ascending, counted from a fixed epoch."""
        if self.unit == "week":
            return (days.astype(np.int64) - _WEEK_EPOCH) // (7 * self.n)  # type: ignore[no-any-return]
        # Months since 1970-01 less the anchor: n divides 12, so the anchor month closes a period.
        return (days.astype("datetime64[M]").astype(np.int64) - self.anchor) // self.n  # type: ignore[no-any-return]

    def _start(self, period: int) -> Any:
        """First calendar day of a period."""
        if self.unit == "week":
            return np.datetime64(period * 7 * self.n + _WEEK_EPOCH, "D")
        return np.datetime64(period * self.n + self.anchor, "M").astype("datetime64[D]")
