"""The embedded synthetic market: an A-share market made from a seed, in the tables of the real data.

:func:`write_synthetic` draws who is listed and what will happen to whom
(:mod:`feeds.synthetic_population`, :mod:`feeds.synthetic_schedules`), lets prices run session by
session under the exchange's rules (:mod:`feeds.synthetic_prices`), forms the indices
(:mod:`feeds.synthetic_index`) and writes the Parquet files (:mod:`feeds.synthetic_tables`).

Names are invented on purpose (the sexagenary cycle plus an industry, "甲子银行"), so nobody takes a
synthetic price for a real one; codes follow the boards' true ranges.
"""

from __future__ import annotations

import datetime as dt
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, DataError, nearest
from feeds.synthetic_alphas import strengths

if TYPE_CHECKING:
    from feeds.synthetic_population import Population
    from feeds.synthetic_prices import Paths

SCHEME = "synthetic"
"""Word that begins a data spec of this feed."""

EARLIEST = dt.date(1997, 1, 1)
"""Before the ten-per-cent limit of 1996-12-16 the model's rules do not hold."""

MOST_STOCKS = 6000


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """What determines a synthetic market, and nothing else does.

    Parameters
    ----------
    stocks : int
        Number of stocks that are ever listed, 2 to 6,000.
    seed : int
        Non-negative; the same seed gives the same bytes.
    start, end : datetime.date
        First and last calendar day; sessions are those of the exchange between them.
    alphas : str
        What can be forecast, with multiples of the usual strength: ``value*3+memory`` plants these two alone. Names
        are :data:`feeds.synthetic_alphas.NAMES`; empty: all of them, as fitted to the real market.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    stocks: int = 500
    seed: int = 1
    start: dt.date = dt.date(2010, 6, 1)
    end: dt.date = dt.date(2020, 12, 31)
    alphas: str = ""

    def __post_init__(self) -> None:
        if not 2 <= self.stocks <= MOST_STOCKS:
            raise ConfigError(f"stocks={self.stocks} is out of range; choose from 2 to {MOST_STOCKS}")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} is negative; use a whole number from 0 on")
        if self.start < EARLIEST:
            raise ConfigError(f"start={self.start} is too early for a synthetic market; choose {EARLIEST} or later")
        if self.start >= self.end:
            raise ConfigError(f"start={self.start} is not before end={self.end}; give start before end")
        strengths(self.alphas)

    @property
    def spec(self) -> str:
        """The full spec, its keys in one order, ``alphas`` only where given; :func:`parse_spec` reads it back."""
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"{SCHEME}:" + ",".join(f"{name}={value}" for name, value in given if value != "")


def is_spec(text: str) -> bool:
    """Whether ``text`` names the synthetic market and not a folder."""
    return text.strip().partition(":")[0] == SCHEME


def parse_spec(text: str) -> SyntheticConfig:
    """Read ``synthetic`` or ``synthetic:stocks=500,seed=1,start=2011-01-04,end=2020-12-31``.

    Keys that are left out take the defaults of :class:`SyntheticConfig`.

    Raises
    ------
    ConfigError
        If the text is no such spec, a key is unknown or given twice, or a value cannot be read.
    """
    head, _, tail = text.strip().partition(":")
    if head != SCHEME:
        raise ConfigError(f"'{text}' is no synthetic market; write '{SCHEME}:stocks=500,seed=1'")
    known = {f.name: f.type for f in fields(SyntheticConfig)}
    values: dict[str, int | str | dt.date] = {}
    for part in filter(None, (piece.strip() for piece in tail.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in known:
            raise ConfigError(f"'{key}' in the data spec '{text}' is unknown; {nearest(key, known)}")
        if key in values:
            raise ConfigError(f"'{key}' stands twice in the data spec '{text}'; give it once")
        if key == "alphas":
            values[key] = value
            continue
        is_date = key in ("start", "end")
        try:
            values[key] = dt.date.fromisoformat(value) if is_date else int(value)
        except ValueError:
            wanted = "a date like 2011-01-04" if is_date else "a whole number"
            raise ConfigError(f"{key}='{value}' in the data spec '{text}' is not {wanted}") from None
    return SyntheticConfig(**values)  # type: ignore[arg-type]


class Streams:
    """Independent random streams by purpose, so that one part can change without moving the others."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, purpose: str) -> np.random.Generator:
        """A fresh generator, always the same one for the same seed and purpose."""
        entropy = np.random.SeedSequence([self.seed, zlib.crc32(purpose.encode())])
        return np.random.Generator(np.random.PCG64(entropy))


def exchange_sessions(end: dt.date) -> np.ndarray:
    """Trading days of Shanghai from 1991 to ``end``.

    Returns
    -------
    ndarray of datetime64[D]

    Raises
    ------
    DataError
        If the exchange calendar does not reach ``end``.
    """
    import exchange_calendars  # pulls in pandas and half a second: only when a market is made

    try:
        with warnings.catch_warnings():  # it uses what pandas 3.1 calls out of date
            warnings.simplefilter("ignore", DeprecationWarning)
            calendar = exchange_calendars.get_calendar("XSHG", start="1991-01-02", end=end.isoformat())
    except ValueError as error:
        raise DataError(
            f"the exchange calendar has no sessions up to {end}; choose an earlier end or upgrade exchange-calendars"
        ) from error
    return calendar.sessions.to_numpy().astype("datetime64[D]")


def write_synthetic(
    folder: Path,
    *,
    seed: int = 1,
    stocks: int = 500,
    start: str | dt.date = "2010-06-01",
    end: str | dt.date = "2020-12-31",
    alphas: str = "",
) -> None:
    """Write a synthetic market into ``folder`` as the tables of the real data.

    The caller gives a folder of its own (a temporary one that it renames when all is written).

    Parameters
    ----------
    folder : Path
        Made if absent; files of the same names are overwritten.
    seed, stocks, start, end, alphas
        See :class:`SyntheticConfig`; dates may be ISO strings.

    Raises
    ------
    ConfigError
        If an argument is out of range or a date cannot be read.
    DataError
        If the exchange calendar does not cover the span, or it holds fewer than two sessions.
    """
    from feeds.synthetic_index import form_indices
    from feeds.synthetic_tables import write_tables

    span = {"start": _as_date(start, "start"), "end": _as_date(end, "end")}
    drawn = draw_market(SyntheticConfig(seed=seed, stocks=stocks, alphas=alphas, **span))
    indices = form_indices(drawn.people, drawn.paths, drawn.sessions, drawn.before)
    write_tables(folder, drawn.people, drawn.paths, indices, drawn.sessions, drawn.stream)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A market before it is written: T sessions x N stocks.

    Attributes
    ----------
    people : feeds.synthetic_population.Population
    paths : feeds.synthetic_prices.Paths
    sessions, before : ndarray of datetime64[D]
        Sessions of the span, and those before it.
    stream : Streams
    """

    people: Population
    paths: Paths
    sessions: np.ndarray
    before: np.ndarray
    stream: Streams


def draw_market(config: SyntheticConfig, record: Callable[[np.ndarray], None] | None = None) -> Drawn:
    """Draw who is listed and let prices run.

    Parameters
    ----------
    config : SyntheticConfig
    record : callable, optional
        See :func:`feeds.synthetic_prices.simulate`.

    Raises
    ------
    DataError
        If the exchange calendar does not cover the span, or it holds fewer than two sessions.
    """
    from feeds.synthetic_population import draw_population
    from feeds.synthetic_prices import simulate

    known = exchange_sessions(config.end)
    first = int(np.searchsorted(known, np.datetime64(config.start, "D")))
    sessions = known[first:]
    if len(sessions) < 2:
        raise DataError(
            f"{config.start} to {config.end} has {len(sessions)} sessions and a market needs two; choose a longer span"
        )
    stream = Streams(config.seed)
    people = draw_population(config.stocks, sessions, known[:first], stream)
    paths = simulate(people, sessions, stream, record, strengths(config.alphas))
    return Drawn(people=people, paths=paths, sessions=sessions, before=known[:first], stream=stream)


def _as_date(value: str | dt.date, name: str) -> dt.date:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ConfigError(f"{name}='{value}' is not a date like 2011-01-04") from None
