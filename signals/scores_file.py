"""Scores that were made before, read from a Parquet file: of an earlier run, or of another program."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.errors import SignalError
from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View


KEPT = 300
"""Sessions of which scores are kept with a market: 25 years of months."""


class _Table(NamedTuple):
    """Rows sorted by date: ``dates`` (D,) distinct, ``bounds`` (D + 1,), ``symbol`` codes into ``symbols``, columns."""

    dates: np.ndarray
    bounds: np.ndarray
    symbol: np.ndarray
    symbols: list[str]
    digest: str
    columns: dict[str, np.ndarray]


class ScoresFile(Signal):
    """What a file says of the session, and nothing else.

    Only rows stamped with the session itself are read. Whether they were made with what was known then is up to who
    made them: ``scores.parquet`` of a run folder was.

    Parameters
    ----------
    file : str
        Parquet with the columns ``date``, ``symbol``, ``score`` (high is good) and any further numbers. Sessions before
        its first date have no scores.
    """

    file: str

    @property
    def code_digest(self) -> str:
        """Hash of the file, which belongs to what decides a run."""
        try:
            return hashlib.sha256(Path(self.file).read_bytes()).hexdigest()
        except OSError as error:
            said = error.strerror
            raise SignalError(f"the scores '{self.file}' cannot be read ({said}); check signal.file") from None

    @functools.cached_property
    def _table(self) -> _Table:
        return _read(self.file, self.code_digest)

    def predict(self, view: View) -> pd.DataFrame:
        """The file's scores of ``view.date``, of stocks in the universe.

        Raises
        ------
        SignalError
            If the file cannot be read, or begins before that session and has no row of it.
        """
        table = self._table
        place, frames = view._market.shared(_InMarket(table.digest, table.symbols))
        if view.t in frames:
            return frames[view.t].copy(deep=False)
        k = int(np.searchsorted(table.dates, view.date))
        known = k < len(table.dates) and table.dates[k] == view.date
        if not known and k:
            raise SignalError(
                f"the scores '{self.file}' have no row of {view.date}; their last date before it is "
                f"{table.dates[k - 1]}: rebalance on the dates that they were made for, or end the run there"
            )
        rows = slice(*table.bounds[k : k + 2]) if known else slice(0, 0)
        places = place[table.symbol[rows]]
        there = places >= 0
        found = {}
        for name, column in table.columns.items():
            found[name] = np.full(len(view.symbols), np.nan)
            found[name][places[there]] = column[rows][there]
        if len(frames) >= KEPT:
            frames.clear()
        scores = frames[view.t] = view.scores(found.pop("score"), **found)
        return scores.copy(deep=False)


@functools.lru_cache(maxsize=4)
def _read(file: str, digest: str) -> _Table:
    """The rows of a file; a sweep reads them once a process, as long as its content stays."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        short = str(error).splitlines()[0]
        raise SignalError(f"the scores '{file}' cannot be read ({short}); check signal.file") from None
    for name in ("date", "symbol", "score"):
        if name not in table.column_names:
            raise SignalError(f"the scores '{file}' have no column '{name}'; they need date, symbol, score")
    try:
        days = table["date"].cast(pa.timestamp("ms")).to_numpy().astype("datetime64[D]")
        symbol = pc.dictionary_encode(table["symbol"].cast(pa.string())).combine_chunks()
        names = [n for n in table.column_names if n not in ("date", "symbol") and _is_number(table[n].type)]
        columns = {name: table[name].cast(pa.float64()).to_numpy() for name in names}
    except pa.ArrowException as error:
        raise SignalError(f"the scores '{file}' are of another kind: {str(error).splitlines()[0]}") from None
    if "score" not in columns:
        raise SignalError(f"the column 'score' of '{file}' holds no numbers")
    codes = symbol.indices.to_numpy(zero_copy_only=False)
    order = np.lexsort((codes, days))
    days, codes = days[order], codes[order]
    twice = np.flatnonzero((days[1:] == days[:-1]) & (codes[1:] == codes[:-1]))
    symbols = symbol.dictionary.to_pylist()
    if len(twice):
        raise SignalError(f"the scores '{file}' have {symbols[codes[twice[0]]]} twice on {days[twice[0]]}")
    dates, begins = np.unique(days, return_index=True)
    bounds = np.append(begins, len(days))
    return _Table(dates, bounds, codes, symbols, digest, {name: column[order] for name, column in columns.items()})


@dataclass(frozen=True)
class _InMarket:
    """What is kept with a market of a file, for all runs of a sweep over it.

    That is the column of each of its symbols, -1 if the market does not have it, and the frames given by session.
    """

    digest: str
    symbols: list[str] = field(compare=False)

    def __call__(self, market: Market) -> tuple[np.ndarray, dict[int, pd.DataFrame]]:
        return np.array([market.index.get(symbol, -1) for symbol in self.symbols], dtype=np.int64), {}


def _is_number(kind: object) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
