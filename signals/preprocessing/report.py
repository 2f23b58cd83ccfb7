"""What became of the values: counts of each step of preprocessing by date and factor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import SignalError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Tally:
    """Counts of one step: integers by date and factor."""

    step: str
    factors: tuple[str, ...]
    counts: dict[str, np.ndarray] = field(default_factory=dict)

    def at(self, name: str, row: int, dates: int) -> np.ndarray:
        """The row of a count, made when it is first asked for."""
        if name not in self.counts:
            self.counts[name] = np.zeros((dates, len(self.factors)), dtype=np.int64)
        return self.counts[name][row]


@dataclass
class Report:
    """What an application of a chain did, by date and factor.

    Attributes
    ----------
    factors, left_factors : tuple of str
        Names of what came in (F) and of what came out (K).
    dates : ndarray of datetime64[D], shape (D,), or None
    universe : ndarray of int64, shape (D,)
        Stocks that count.
    given, infinite : ndarray of int64, shape (D, F)
        Finite values of the universe, and infinite ones, which become missing.
    left : ndarray of int64, shape (D, K)
        Values at the end.
    tallies : list of Tally
        One a step, such as ``clipped``, ``filled``, ``sparse``.
    """

    factors: tuple[str, ...]
    left_factors: tuple[str, ...]
    dates: np.ndarray | None
    universe: np.ndarray
    given: np.ndarray
    infinite: np.ndarray
    left: np.ndarray
    tallies: list[Tally] = field(default_factory=list)

    @property
    def absent(self) -> np.ndarray:
        """Where a factor has no value for any stock of a date's universe, bool (D, F); such a date stays NaN."""
        return (self.given == 0) & (self.universe > 0)[:, None]

    @property
    def vanished(self) -> np.ndarray:
        """Where a factor came in with values and left without, bool (D, F); all False if the factors changed."""
        if self.factors != self.left_factors:
            return np.zeros(self.given.shape, dtype=bool)
        return (self.given > 0) & (self.left == 0)

    def count(self, name: str) -> np.ndarray:
        """A count by date and factor, summed over the steps that have it and know all F factors; int64 (D, F)."""
        total = np.zeros(self.given.shape, dtype=np.int64)
        for tally in self.tallies:
            if name in tally.counts and tally.factors == self.factors:
                total += tally.counts[name]
        return total

    def table(self) -> pd.DataFrame:
        """One row a factor that came in: coverage and how many values each step changed.

        Columns: ``dates``, ``absent`` (dates without any value), ``coverage`` (known values over stocks, a fraction),
        then ``step: count`` for each count of each step, over all dates.
        """
        import pandas as pd

        stocks = int(self.universe.sum())
        columns: dict[str, Any] = {
            "dates": len(self.universe),
            "absent": self.absent.sum(axis=0),
            "coverage": self.given.sum(axis=0) / stocks if stocks else np.nan,
            "infinite": self.infinite.sum(axis=0),
        }
        for tally in self.tallies:
            if tally.factors == self.factors:
                for name, counts in tally.counts.items():
                    columns[f"{tally.step}: {name}"] = counts.sum(axis=0)
        return pd.DataFrame(columns, index=pd.Index(self.factors, name="factor"))

    def coverage_by_year(self) -> pd.DataFrame:
        """Known values before any step over stocks of the universe, a fraction; one row a factor, one column a year.

        Raises
        ------
        SignalError
            If the context had no dates.
        """
        import pandas as pd

        if self.dates is None:
            raise SignalError("coverage by year needs dates; give the context the dates of its rows")
        years = np.asarray(self.dates, "datetime64[Y]").astype(int) + 1970
        columns = {}
        for year in np.unique(years):
            rows = years == year
            stocks = self.universe[rows].sum()
            columns[int(year)] = self.given[rows].sum(axis=0) / stocks if stocks else np.full(len(self.factors), np.nan)
        return pd.DataFrame(columns, index=pd.Index(self.factors, name="factor"))

    def warnings(self) -> list[str]:
        """One sentence for each factor that is absent or has lost all its values on some dates."""
        said = []
        for k, name in enumerate(self.factors):
            for what, where in (("has no value for any stock", self.absent), ("lost all its values", self.vanished)):
                count = int(where[:, k].sum())
                if count:
                    dates = f"{count} of {len(self.universe)} dates"
                    said.append(f"factor '{name}' {what} on {dates} and stays missing there")
        return said
