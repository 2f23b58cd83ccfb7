"""What signals learn to predict: labels of decisions, each with the horizon after which it is known.

A label is a frozen configuration; ``label.build(market, decisions)`` gives a :class:`~signals.horizons.Target`. It may
be built from a :class:`engine.market.Market` or from a :class:`engine.view.View`, whose last rows are then NaN, because
their horizon has not passed.

Conventions of the returns, as a desk would mark its book:

- Total returns: prices times the adjustment factor, so that dividends and bonus shares are in.
- A stock that cannot be bought at the start (no bar at the price asked for) has no label.
- A stock suspended at the end is worth its last close (``halted="mark"``); leaving it out (``"missing"``) would choose
  the training rows by something that nobody knew at the decision. Its price after resumption is never used: that lies
  beyond the horizon. A stock that did not trade at all within the horizon has no label: nothing happened that a return
  of zero would tell.
- A stock delisted within the horizon is settled at its last close.
- Stocks outside the universe of a decision have no label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.errors import ConfigError, DataError, SignalError, nearest
from signals.configs import Named
from signals.horizons import NOT_YET, Horizon, Target, positions

if TYPE_CHECKING:
    from engine.market import Market
    from engine.view import View

__all__ = [
    "LABELS", "NOT_YET", "ExcessReturn", "Horizon", "Label", "MarketValue", "NextReturn", "Target", "ThreeClass",
    "TopBottom", "TopK", "label_of",
]  # fmt: skip


class Label(Named):
    """Base of all labels.

    Parameters
    ----------
    periods : int
        Rebalance periods ahead, 1 by default.
    sessions : int, optional
        Trading sessions ahead, in place of ``periods``.
    halted : {"mark", "missing"}
        What a stock without a bar at the end is worth: its last close within the horizon, or nothing that is known.
    """

    what: ClassVar[str] = "label"
    classes: ClassVar[tuple[float, ...]] = ()
    """Values of a classification; none for a regression."""

    periods: int = Field(default=1, ge=1)
    sessions: int | None = Field(default=None, ge=1)
    halted: Literal["mark", "missing"] = "mark"

    @property
    def horizon(self) -> Horizon:
        """When a row is known."""
        return self._horizon(0)

    def _horizon(self, delay: int) -> Horizon:
        if self.sessions is not None:
            return Horizon(self.sessions, "session", delay)
        return Horizon(self.periods, "period", delay)

    def build(self, market: Market | View, decisions: Any, universe: np.ndarray | None = None) -> Target:
        """The labels of ``decisions``.

        Parameters
        ----------
        market : Market or View
        decisions : sequence of int, or of dates, length D
            Ascending decision sessions; with ``periods`` the label of the k-th ends at the (k + periods)-th.
        universe : ndarray of bool, shape (D, N), optional
            By default the members that are listed and traded at the decision.

        Raises
        ------
        SignalError
            If a decision is no session, or the universe has another shape.
        DataError
            If the market lacks something that the label needs.
        """
        places = positions(market, decisions)
        shape = (len(places), len(market.symbols))
        if universe is None:
            universe = market.member[places] & market.listed[places] & market.traded[places]
        if np.shape(universe) != shape:
            raise SignalError(f"the universe of a label has shape {np.shape(universe)}, expected {shape} (D, N)")
        sessions = len(market.sessions)
        ends = self.horizon.ends(places, sessions)
        there = np.flatnonzero(ends >= 0)
        values = np.full(shape, np.nan)
        if len(there):
            inside = np.asarray(universe, dtype=bool)[there]
            values[there] = self._values(market, places[there], ends[there], inside)
        return Target(values, places, self.horizon.known(places, sessions), self.horizon)

    def _untold(self, last: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Where the last bar (D, N) says nothing of the horizon: not after its start, or, as asked, before its end."""
        if self.halted == "missing":
            return last != ends[:, None]
        return last <= starts[:, None]

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Labels of rows whose horizon has passed, (D, N), NaN where not ``inside``."""
        raise TypeError(f"{type(self).__name__} must write _values()")


def _last_bars(market: Market | View, rows: np.ndarray) -> np.ndarray:
    """The last session with a bar on or before each of ascending ``rows``; int64 (D, N), -1 if none."""
    close = market.close
    found = np.full((len(rows), close.shape[1]), -1, dtype=np.int64)
    last, begin = np.full(close.shape[1], -1, dtype=np.int64), 0
    for k, row in enumerate(rows):
        if row >= begin:
            bars = ~np.isnan(close[begin : row + 1])
            any_bar = bars.any(axis=0)
            last = np.where(any_bar, row - bars[::-1].argmax(axis=0), last)
            begin = row + 1
        found[k] = last
    return found


def _at(field: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``field`` at a session for each decision and stock, NaN where that is -1; (D, N)."""
    picked = np.take_along_axis(field, np.maximum(rows, 0), axis=0)
    return np.where(rows < 0, np.nan, picked)


# -- returns -----------------------------------------------------------------------------------------


class NextReturn(Label):
    """Total return of the horizon: adjusted price at the end over that at the start, less 1.

    Parameters
    ----------
    fill : {"same_close", "next_open", "next_close"}
        At which prices, as in a run: the closes of the decisions, or opens or closes of the sessions after them, at
        both ends. A label of the latter is known a session later.
    benchmark : str
        Take away the return of this series of the market over the same closes (``benchmark`` is the index of the run,
        ``benchmark_price`` the same without dividends), or with ``universe`` the mean of the universe's stocks. Empty:
        nothing.
    """

    name: ClassVar[str] = "next-return"
    fill: Literal["same_close", "next_open", "next_close"] = "same_close"
    benchmark: str = ""

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.fill == "next_open" and self.benchmark not in ("", "universe"):
            raise ValueError(f"series '{self.benchmark}' has closes alone; take fill=next_close or benchmark=universe")
        return self

    @property
    def horizon(self) -> Horizon:
        return self._horizon(0 if self.fill == "same_close" else 1)

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        returns = self._returns(market, starts, ends, inside)
        return np.where(inside, returns, np.nan)

    def _returns(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        starts = starts + self.horizon.delay
        price = market.open if self.fill == "next_open" else market.close
        bought = np.where(market.traded[starts].astype(bool), price[starts] * market.adj_factor[starts], np.nan)
        last = _last_bars(market, ends)
        sold = _at(market.close, last) * _at(market.adj_factor, last)
        if self.fill == "next_open":
            sold = np.where(np.isnan(price[ends]), sold, price[ends] * market.adj_factor[ends])
        sold[self._untold(last, starts - (self.fill == "next_open"), ends)] = np.nan  # an open has its close ahead
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = np.where(inside, sold / bought - 1.0, np.nan)
        return returns - self._level(market, starts, ends, returns)[:, None]

    def _level(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, returns: np.ndarray) -> np.ndarray:
        """What is taken away from each row, (D,)."""
        if not self.benchmark:
            return np.zeros(len(starts))
        if self.benchmark == "universe":
            known = ~np.isnan(returns)
            counts = known.sum(axis=1)
            return np.where(known, returns, 0.0).sum(axis=1) / np.where(counts, counts, np.nan)
        series = _series(market, self.benchmark)
        return series[ends] / series[starts] - 1.0


def _series(market: Market | View, name: str) -> np.ndarray:
    try:
        return market.series(name) if callable(market.series) else market.series[name]
    except KeyError:
        raise DataError(
            f"the market has no series '{name}' to take the excess over; open it with a benchmark, "
            "or take benchmark=universe"
        ) from None


class ExcessReturn(NextReturn):
    """:class:`NextReturn` less that of a benchmark over the same sessions (paper 3: the index of the run)."""

    name: ClassVar[str] = "excess-return"
    benchmark: str = Field(default="benchmark", min_length=1)


class MarketValue(Label):
    """Market value at the end of the horizon (paper 1): close times shares, of the last bar on or before it.

    Parameters
    ----------
    periods : int
        0 gives the value at the decision itself.
    log : bool
        Natural logarithm of the yuan, by default.
    shares : {"total_shares", "float_shares"}
    """

    name: ClassVar[str] = "market-value"
    periods: int = Field(default=1, ge=0)
    log: bool = True
    shares: Literal["total_shares", "float_shares"] = "total_shares"

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        last = _last_bars(market, ends)
        value = _at(market.close, last) * _at(getattr(market, self.shares), last)
        value[self._untold(last, starts - (self.horizon.count == 0), ends)] = np.nan
        value = np.where(inside & (value > 0.0), value, np.nan)
        return np.log(value) if self.log else value


# -- classes -----------------------------------------------------------------------------------------


class TopBottom(NextReturn):
    """1 for the best and -1 for the worst ``share`` of each decision's stocks by next return, 0 between (paper 3).

    Each end holds floor(share x stocks with a return). A tie across its edge is left out of it, so that the order of
    the stocks does not matter. A fit takes the rows that are not 0.
    """

    name: ClassVar[str] = "top-bottom"
    classes: ClassVar[tuple[float, ...]] = (-1.0, 1.0)
    share: float = Field(default=0.3, gt=0.0, le=0.5)

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        returns = super()._values(market, starts, ends, inside)
        labels = np.where(np.isnan(returns), np.nan, 0.0)
        for row, label in zip(returns, labels, strict=True):
            count = int(self.share * np.count_nonzero(~np.isnan(row)) + 1e-9)
            label[_best(row, count)] = 1.0
            label[_best(-row, count)] = -1.0
        return labels


class ThreeClass(NextReturn):
    """1 above +``threshold``, -1 below -``threshold``, else 0 (paper 4: 3 %); the threshold itself is 0."""

    name: ClassVar[str] = "three-class"
    classes: ClassVar[tuple[float, ...]] = (-1.0, 0.0, 1.0)
    threshold: float = Field(default=0.03, ge=0.0, allow_inf_nan=False)

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        returns = super()._values(market, starts, ends, inside)
        labels = (returns > self.threshold).astype(np.float64) - (returns < -self.threshold)
        return np.where(np.isnan(returns), np.nan, labels)


class TopK(NextReturn):
    """1 for the ``k`` stocks with the highest next return of each decision, else 0 (paper 5: ten).

    A tie across the edge is left out, so that there may be fewer.

    Raises
    ------
    SignalError
        When built, if a decision has returns of fewer than ``k`` stocks (none at all: no labels).
    """

    name: ClassVar[str] = "top-k"
    classes: ClassVar[tuple[float, ...]] = (0.0, 1.0)
    k: int = Field(default=10, ge=1)

    def _values(self, market: Market | View, starts: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
        returns = super()._values(market, starts, ends, inside)
        labels = np.where(np.isnan(returns), np.nan, 0.0)
        for start, row, label in zip(starts, returns, labels, strict=True):
            known = np.count_nonzero(~np.isnan(row))
            if 0 < known < self.k:
                raise SignalError(
                    f"on {market.sessions[start]} only {known} stocks have a label, fewer than k = {self.k}; "
                    "take a smaller k or a larger universe"
                )
            label[_best(row, self.k)] = 1.0
        return labels


def _best(row: np.ndarray, count: int) -> np.ndarray:
    """Which of ``row`` are among its ``count`` highest; ties across the edge are not; bool (N,)."""
    known = np.sort(row[~np.isnan(row)])[::-1]
    if count == 0 or not len(known):
        return np.zeros(row.shape, dtype=bool)
    count = min(count, len(known))
    edge = known[count - 1]
    tied = count < len(known) and known[count] == edge
    return row > edge if tied else row >= edge


LABELS: dict[str, type[Label]] = {
    label.name: label for label in (NextReturn, ExcessReturn, MarketValue, TopBottom, ThreeClass, TopK)
}
"""Labels by the name that configurations use."""


def label_of(name: str, **given: Any) -> Label:
    """A label by name.

    Raises
    ------
    ConfigError
        If there is none, or a parameter is wrong.
    """
    if name not in LABELS:
        raise ConfigError(f"there is no label '{name}'; {nearest(name, LABELS)}")
    return LABELS[name](**given)
