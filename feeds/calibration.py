"""Stylised facts of a market, and how far a synthetic market may be from a real one.

A fact is one number that :mod:`feeds.stylised_facts` measures on a market: how volatile its stocks are, how fat
the tails, how long volatility remembers, how often a price limit stops trading, what a month's Rank IC of size is
(Cont 2001 lists most of them for other markets). The parameters of the synthetic market were fitted on the half of
the stocks and the sessions of :data:`FITTED`; those of :data:`JUDGED` were not looked at before the fit was over.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DataError

QUARTER, SHARE = "quarter", "quarter or 0.02"
"""Tolerances: a quarter of the real figure; for shares and correlations, which may be near zero, at least 0.02."""



@dataclass(frozen=True)
class Sample:
    """Which stocks, and from when to when."""

    half: str
    first: np.datetime64
    last: np.datetime64


FITTED = Sample("even", np.datetime64("2011-01-01"), np.datetime64("2016-12-31"))
JUDGED = Sample("odd", np.datetime64("2017-01-01"), np.datetime64("2021-12-31"))
FIRST_SYNTHETIC = "2010-06-01"
"""First day of the synthetic markets that are compared: as that of the embedded default."""


@dataclass(frozen=True)
class Fact:
    """One stylised fact.

    Attributes
    ----------
    name : str
    tolerance : str
        :data:`QUARTER` or :data:`SHARE`.
    meaning : str
        What is measured, in words and unit.
    """

    name: str
    tolerance: str
    meaning: str


FACTS = (
    Fact("daily volatility", QUARTER, "standard deviation of close / reference - 1, median stock"),
    Fact("spread of volatility", QUARTER, "its 90 % over its 10 % quantile across stocks"),
    Fact("kurtosis", QUARTER, "excess kurtosis of daily returns, median stock"),
    Fact("autocorrelation 1", SHARE, "of daily returns at one session, median stock"),
    Fact("autocorrelation 5", SHARE, "at five sessions"),
    Fact("autocorrelation 20", SHARE, "at twenty sessions"),
    Fact("autocorrelation of size 1", SHARE, "of absolute daily returns at one session, median stock"),
    Fact("autocorrelation of size 5", SHARE, "at five sessions"),
    Fact("autocorrelation of size 20", SHARE, "at twenty sessions"),
    Fact("pairwise correlation", SHARE, "mean correlation of two stocks' daily returns inside a year"),
    Fact("limit-up closes", SHARE, "share of bars that close at the upper limit"),
    Fact("limit-down closes", SHARE, "share of bars that close at the lower limit"),
    Fact("locked sessions", SHARE, "share of bars with one price, at a limit"),
    Fact("suspended", SHARE, "share of listed stock-sessions without a bar"),
    Fact("special treatment", SHARE, "share of bars under ST or *ST"),
    Fact("new listings a year", SHARE, "listings a year over stocks listed"),
    Fact("daily range", QUARTER, "median of high / low - 1"),
    Fact("overnight variance", SHARE, "variance of open / reference over that of close / reference, median stock"),
    Fact("turnover p10", QUARTER, "quantile of a session's turnover, fraction of the float"),
    Fact("turnover p50", QUARTER, "the same, median"),
    Fact("turnover p90", QUARTER, "the same, 90 %"),
    Fact("turnover with size", SHARE, "rank correlation of 20-session turnover and value, mean of months"),
    Fact("turnover with volatility", SHARE, "rank correlation of 20-session turnover and volatility, mean of months"),
    Fact("turnover with the day's move", SHARE, "correlation of log turnover and the absolute return, median stock"),
    Fact("value p10", QUARTER, "quantile of market value at month-ends, yuan"),
    Fact("value p50", QUARTER, "the same, median"),
    Fact("value p90", QUARTER, "the same, 90 %"),
    Fact("Rank IC of size", SHARE, "rank correlation of value and the next month's return, mean of months"),
    Fact("Rank IC of reversal", SHARE, "of the past 20-session return"),
    Fact("Rank IC of turnover", SHARE, "of the mean turnover of 20 sessions"),
    Fact("Rank IC of volatility", SHARE, "of the standard deviation of 20 daily returns"),
    Fact("Rank IC of momentum", SHARE, "of the return from 240 to 20 sessions ago"),
    Fact("spread of the Rank IC of size", QUARTER, "standard deviation of its months"),
    Fact("CSI 300 volatility", QUARTER, "daily, times the root of 243"),
    Fact("CSI 500 volatility", QUARTER, "the same"),
    Fact("CSI 300 autocorrelation of size 1", SHARE, "of absolute daily returns of the index at one session"),
    Fact("stocks with an ex-date a year", SHARE, "ex-dates a year over stocks listed"),
    Fact("dividend yield", QUARTER, "cash over the close before the ex-date, median of those that pay"),
    Fact("disclosure lag, annual report", QUARTER, "days from the period's end, median"),
    Fact("disclosure lag, other reports", QUARTER, "the same, first to third quarter"),
    Fact("P/E of the CSI 300", QUARTER, "price over earnings of four quarters, median of members with a profit"),
    Fact("P/B of the CSI 300", QUARTER, "price over book, median of members"),
)
"""Facts in the order of the table."""


def half_of(symbol: str) -> str:
    """Half of the market that a stock belongs to: "even" or "odd" by the first byte of the SHA-256 of its symbol."""
    return "odd" if hashlib.sha256(symbol.encode()).digest()[0] % 2 else "even"


def halves(symbols: Sequence[str], half: str) -> np.ndarray:
    """Places of the symbols of one half."""
    return np.array([i for i, symbol in enumerate(symbols) if half_of(symbol) == half], dtype=np.int64)


def within(real: float, synthetic: float, tolerance: str) -> bool:
    """Whether a synthetic figure is near enough to the real one; never if one of them is missing."""
    allowed = max(0.25 * abs(real), 0.02 if tolerance == SHARE else 0.0)
    return bool(abs(synthetic - real) <= allowed)


def measure_real(
    data: str, sample: Sample, cache: Path | None = None
) -> tuple[dict[str, float], np.datetime64, np.datetime64]:
    """Facts of one half of the stocks of a data folder, and the first and last session that were measured.

    Raises
    ------
    DataError
        If the folder cannot be read, or none of its sessions or stocks is in the sample.
    """
    from feeds.file_feed import FileFeed
    from feeds.store import data_folder, open_market
    from feeds.stylised_facts import measure

    market = open_market(data, universe="all", cache=cache)
    inside = (market.sessions >= sample.first) & (market.sessions <= sample.last)
    keep = halves(market.symbols, sample.half)
    if not inside.any() or not len(keep):
        raise DataError(
            f"'{data}' has no bars of the {sample.half} half between {sample.first} and {sample.last}, which are "
            "compared; give a folder that has"
        )
    first, last = market.sessions[inside][[0, -1]]
    return measure(market, FileFeed(data_folder(data, cache)), keep, first, last), first, last


def measure_synthetic(seed: int, stocks: int, sample: Sample, end: np.datetime64) -> dict[str, float]:
    """Facts of all stocks of a synthetic market that runs up to ``end``; its files are removed afterwards."""
    from feeds.file_feed import FileFeed
    from feeds.store import open_market
    from feeds.stylised_facts import measure
    from feeds.synthetic_feed import write_synthetic

    with tempfile.TemporaryDirectory(prefix="huice-calibrate-") as place:
        folder = Path(place) / "data"
        write_synthetic(folder, seed=seed, stocks=stocks, start=FIRST_SYNTHETIC, end=str(end))
        market = open_market(str(folder), universe="all", cache=Path(place) / "cache")
        return measure(market, FileFeed(folder), np.arange(len(market.symbols)), sample.first, sample.last)


def compare(
    real: Mapping[str, float],
    seeds: Mapping[int, Mapping[str, float]],
    fitted: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """One row a fact: the real figure, each seed's, their mean, and whether the mean is inside.

    Parameters
    ----------
    real : mapping of str to float
        Figures by name of the fact; NaN where the data do not have it.
    seeds : mapping of int to mapping
        Figures of the synthetic market by seed.
    fitted : mapping of str to float, optional
        Real figures of the sample of the fit. Where they are themselves outside the tolerance, the real market has
        ``moved`` since, and no market that is fitted to them can be expected inside.
    """
    rows = []
    for fact in FACTS:
        true = float(real.get(fact.name, np.nan))
        figures = {seed: float(found.get(fact.name, np.nan)) for seed, found in seeds.items()}
        mean = _mean(figures.values())
        before = None if fitted is None else float(fitted.get(fact.name, np.nan))
        rows.append(
            {
                "fact": fact.name,
                "meaning": fact.meaning,
                "tolerance": fact.tolerance,
                "real": true,
                "synthetic": mean,
                "seeds": figures,
                "seeds_inside": sum(within(true, figure, fact.tolerance) for figure in figures.values()),
                "inside": None if np.isnan(true) else within(true, mean, fact.tolerance),
                "fitted": before,
                "moved": None
                if before is None or np.isnan(true) or np.isnan(before)
                else not within(true, before, fact.tolerance),
            }
        )
    return rows


def _mean(figures: Iterable[float]) -> float:
    known = [figure for figure in figures if not np.isnan(figure)]
    return float(np.mean(known)) if known else float("nan")
