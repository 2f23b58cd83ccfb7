"""What the steps of preprocessing work on: the stocks of the universe, date by date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import DataError, SignalError
from engine.view import View

if TYPE_CHECKING:
    from engine.market import Market

UNKNOWN = -1
"""Industry code of a stock whose industry is not known."""


@dataclass(frozen=True)
class Context:
    """What is known beside the factors of D dates x N stocks.

    Attributes
    ----------
    universe : ndarray of bool, shape (D, N), optional
        Whose values count. Statistics of a date are those of its own universe, and everybody else becomes NaN, so
        leave out here who is suspended, not listed or delisted (:func:`context_of` does). Default: everybody.
    industry : ndarray of int, shape (D, N), optional
        Codes from 0 on, -1 where it is not known.
    size : ndarray of float64, shape (D, N), optional
        Market value in yuan; what is not finite or not above 0 is missing.
    factors : tuple of str, length F
        Names, for reports and errors; a fitted chain refuses others than it was fitted with. May be empty.
    dates : ndarray of datetime64[D], shape (D,), optional
        For reports by year.
    """

    universe: np.ndarray | None = None
    industry: np.ndarray | None = None
    size: np.ndarray | None = None
    factors: tuple[str, ...] = ()
    dates: np.ndarray | None = None

    def __getitem__(self, rows: Any) -> Context:
        """The same of some dates: ``context[:t]`` for the training rows ``values[:t]``."""
        cut = {
            name: None if array is None else np.asarray(array)[rows]
            for name, array in (
                ("universe", self.universe), ("industry", self.industry), ("size", self.size), ("dates", self.dates)
            )
        }  # fmt: skip
        return Context(factors=self.factors, **cut)

    def check(self, values: np.ndarray) -> np.ndarray:
        """``values`` as float64 of shape (D, N, F), after all shapes and types have been found to fit.

        Raises
        ------
        SignalError
            If they do not.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim not in (2, 3):
            raise SignalError(f"factor values have shape {values.shape}; (dates, stocks) or (dates, stocks, factors)")
        if values.ndim == 2:
            values = values[:, :, None]
        plane = values.shape[:2]
        for name, array in (("universe", self.universe), ("industry", self.industry), ("size", self.size)):
            if array is not None and np.shape(array) != plane:
                raise SignalError(f"the context's {name} has shape {np.shape(array)}, the factor values {plane}")
        if self.dates is not None and len(self.dates) != plane[0]:
            raise SignalError(f"the context has {len(self.dates)} dates, the factor values {plane[0]}")
        if self.factors and len(self.factors) != values.shape[2]:
            raise SignalError(f"the context names {len(self.factors)} factors, the values hold {values.shape[2]}")
        if self.industry is not None:
            codes = np.asarray(self.industry)
            if codes.dtype.kind not in "iu" or (codes.size and codes.min() < UNKNOWN):
                raise SignalError("the context's industry must be whole numbers from 0 on, -1 where it is not known")
        return values

    def names(self, count: int) -> tuple[str, ...]:
        """Names of the factors, ``factor 1`` and so on where none were given."""
        return self.factors or tuple(f"factor {k + 1}" for k in range(count))


@dataclass(frozen=True)
class Section:
    """The universe of one date.

    Attributes
    ----------
    row : int
        Which date.
    order : ndarray of int64, shape (n,)
        Stocks of the universe, sorted by industry, those of unknown industry first.
    bounds : ndarray of int64
        Where in ``order`` the industries begin, and n behind them.
    size : ndarray of float64, shape (n,), or None
        Natural log of the market value, NaN where missing.
    has_industry : bool
    """

    row: int
    order: np.ndarray
    bounds: np.ndarray
    size: np.ndarray | None
    has_industry: bool


def section_of(context: Context, row: int, stocks: int) -> Section:
    """The universe of date ``row``."""
    order = np.arange(stocks) if context.universe is None else np.flatnonzero(np.asarray(context.universe[row], bool))
    bounds = np.array([0, len(order)])
    if context.industry is not None:
        codes = np.asarray(context.industry[row], dtype=np.int64)[order]
        few = len(codes) == 0 or codes.max() < 2**15
        by_industry = np.argsort(codes.astype(np.int16) if few else codes, kind="stable")  # few bits sort faster
        order, codes = order[by_industry], codes[by_industry]
        begins = np.flatnonzero(np.diff(codes, prepend=UNKNOWN))
        bounds = np.append(begins, len(order))
    size = None
    if context.size is not None:
        value = np.asarray(context.size[row], dtype=np.float64)[order]
        size = np.log(np.where((value > 0.0) & (value < np.inf), value, np.nan))
    return Section(row, order, bounds.astype(np.int64), size, context.industry is not None)


def sections(values: np.ndarray, context: Context) -> Iterator[tuple[Section, np.ndarray]]:
    """Each date's universe and a block (F, n) to work in, which the next date overwrites; ``values`` (D, N, F)."""
    from signals.preprocessing import kernels as kernels

    dates, stocks, factors = values.shape
    room = np.empty(stocks * factors)
    for row in range(dates):
        section = section_of(context, row, stocks)
        source = values[row]
        if source.flags.c_contiguous and source.flags.aligned:
            block = room[: factors * len(section.order)].reshape(factors, len(section.order))
            kernels.gather(_plain(source), section.order, block)
        else:
            block = np.ascontiguousarray(source.T.take(section.order, axis=1))
        yield section, block


def _plain(array: np.ndarray) -> np.ndarray:
    """The same values, writable in the eyes of the compiler, so that one compiled form serves all."""
    if array.flags.writeable:
        return array
    return array.copy()


# -- from a market -----------------------------------------------------------------------------------


def context_of(
    market: Market | View,
    rows: Sequence[int] | np.ndarray,
    factors: Sequence[str] = (),
    *,
    industry: np.ndarray | None = None,
    shares: str = "float_shares",
) -> Context:
    """The context of some sessions of a market.

    The universe are its members that are listed and traded on the session: who is suspended, not yet listed or
    delisted is missing. Size is close times shares, with the float at most the total (the data know floats above it).

    Parameters
    ----------
    market : Market or View
    rows : sequence of int, length D
        Sessions.
    factors : sequence of str
        Names of the factors.
    industry : ndarray of int or of text, shape (D, N), optional
        Shenwan level 1 in force on the day by default, where the data have it.
    shares : {"float_shares", "total_shares"}

    Raises
    ------
    DataError
        If a session lies outside the market or ``shares`` is another field.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(market.sessions):
        raise DataError(
            f"sessions {rows.min()} to {rows.max()} do not lie in a panel of {len(market.sessions)} sessions"
        )
    if shares not in ("float_shares", "total_shares"):
        raise DataError(f"size cannot be measured by '{shares}'; use float_shares or total_shares")
    total = market.total_shares[rows]
    count = total
    if shares == "float_shares":
        count = market.float_shares[rows]
        count = np.where(count > total, total, count)
    codes = None
    if industry is None:
        tables = (market._market if isinstance(market, View) else market).tables
        if tables is not None and tables.has("industry_sw_history", "l1_code"):
            industry = tables.as_of("industry_sw_history", "l1_code", market.sessions[rows])
    if industry is not None:
        codes = industry if np.asarray(industry).dtype.kind in "iu" else codes_of(industry)[0]
    return Context(
        universe=(market.member[rows] & market.listed[rows] & market.traded[rows]).astype(bool),
        industry=codes,
        size=market.close[rows] * count,
        factors=tuple(factors),
        dates=market.sessions[rows],
    )


def codes_of(names: np.ndarray, known: Sequence[str] = ()) -> tuple[np.ndarray, list[str]]:
    """Industry codes of names (D, N), -1 where a name is empty or None, and the names in the order of the codes.

    The codes are places in the sorted names, or in ``known`` if given (others become -1), so that they mean the same
    in each window.
    """
    import pandas as pd

    flat = np.asarray(names, dtype=object).ravel()
    labels: Mapping[str, int]
    order = list(known) or sorted({name for name in pd.unique(flat) if isinstance(name, str) and name})
    labels = {name: code for code, name in enumerate(order)}
    found, uniques = pd.factorize(flat, use_na_sentinel=True)
    place = np.array([labels.get(name, UNKNOWN) for name in uniques] + [UNKNOWN], dtype=np.int64)
    return place[found].reshape(np.shape(names)), order
