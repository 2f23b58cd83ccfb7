"""Markets to hold a plug-in against: a true one, its twin that is noise after t, and its twin with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import DataError
from engine.market import Market
from engine.market_fields import FIELDS, RAW_FIELDS

DATA = "synthetic:stocks=80,seed=7,start=2010-01-01,end=2014-12-31"
"""The market of an audit that names none."""



@dataclass(frozen=True)
class Source:
    """Where a market comes from, so that another process can open it too.

    Parameters
    ----------
    data, universe, benchmark : str
        As of a run.
    """

    data: str = DATA
    universe: str = "all"
    benchmark: str = ""

    def open(self) -> Market:
        """The market."""
        from feeds.store import open_market

        return open_market(self.data, universe=self.universe, benchmark=self.benchmark)


class _NoisyTables:
    """Dated tables of which every answer for a day after ``day`` is noise."""

    def __init__(self, tables: Any, day: np.datetime64, seed: int) -> None:
        self._tables, self._day, self._seed = tables, day, seed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def fundamentals(self, field: str, days: np.ndarray, **more: Any) -> np.ndarray:
        return self._after(self._tables.fundamentals(field, days, **more), days)

    def as_of(self, table: str, column: str, days: np.ndarray) -> np.ndarray:
        return self._after(self._tables.as_of(table, column, days), days)

    def members(self, index: str, days: np.ndarray) -> np.ndarray:
        return self._after(self._tables.members(index, days), days)

    def index_close(self, code: str, days: np.ndarray) -> np.ndarray:
        return self._after(self._tables.index_close(code, days), days)

    def _after(self, values: np.ndarray, days: np.ndarray) -> np.ndarray:
        late = np.flatnonzero(np.asarray(days, dtype="datetime64[D]") > self._day)
        out = np.array(values)
        rng = np.random.default_rng([self._seed, len(late)])
        for d in late:
            if out.dtype.kind == "f":
                out[d] = np.where(rng.random(out[d].shape) < 0.2, np.nan, rng.uniform(1, 1e9, out[d].shape))
            else:
                out[d] = rng.permutation(out[d]) if out.ndim > 1 else out[d]
        return out


def _rebuilt(market: Market, fields: dict[str, np.ndarray], **other: Any) -> Market:
    given: dict[str, Any] = {
        "last_session": market.last_session, "delisted": market.delisted, "events": market.events,
        "names": market.names, "series": market.series, "calendar": market.calendar, "info": market.info,
        "fingerprint": "",  # nothing of a twin may be answered from a cache
    }  # fmt: skip
    twin = Market(market.sessions, market.symbols, fields, **{**given, **other})
    twin.tables = market.tables
    return twin


def same(market: Market) -> Market:
    """The market itself without a fingerprint, so that all is computed."""
    return _rebuilt(market, {name: np.array(getattr(market, name)) for name in FIELDS})


def noisy_after(market: Market, t: int, seed: int = 7) -> Market:
    """The same up to session ``t``, noise in every field, series, event and table after it.

    Raises
    ------
    DataError
        If there is no session after ``t``.
    """
    last = len(market.sessions) - 1
    if t >= last:
        raise DataError(f"no session lies after {market.sessions[t]} to be made noise; audit at an earlier date")
    rng = np.random.default_rng(seed)
    fields = {name: np.array(getattr(market, name)) for name in FIELDS}
    shape = fields["close"][t + 1 :].shape
    gone = rng.random(shape) < 0.3
    price = np.round(rng.uniform(1.0, 500.0, shape), 2)
    for name, values in fields.items():
        after = values[t + 1 :]
        if name in ("open", "high", "low", "close", "preclose"):
            after[:] = np.where(gone, np.nan, price)
        elif name in RAW_FIELDS:
            after[:] = np.where(gone, np.nan, rng.uniform(0.1, 1e9, shape))
        elif values.dtype.kind == "f":
            after[:] = price
        elif name == "traded":
            after[:] = ~gone
        else:
            after[:] = rng.integers(0, 2, shape) if values.dtype.itemsize == 1 else rng.integers(1, 9_999, shape)
    leaves_later = market.last_session > t
    early = market.events["t"] <= t
    series = {name: np.array(values) for name, values in market.series.items()}
    for values in series.values():
        values[t + 1 :] = rng.uniform(1.0, 9_999.0, last - t)
    twin = _rebuilt(
        market, fields, last_session=np.where(leaves_later, last, market.last_session),
        delisted=market.delisted & ~leaves_later,
        events={name: values[early] for name, values in market.events.items() if len(values) == len(early)},
        series=series,
    )  # fmt: skip
    if market.tables is not None:
        twin.tables = _NoisyTables(market.tables, market.sessions[t], seed)
    return twin


def with_gaps(market: Market, seed: int = 11, stocks: int = 3, share: float = 0.05) -> Market:
    """The same with some stocks that never trade, bars missing at random, and single fields missing at random."""
    rng = np.random.default_rng(seed)
    fields = {name: np.array(getattr(market, name)) for name in FIELDS}
    shape = fields["close"].shape
    gone = rng.random(shape) < share
    gone[:, rng.permutation(shape[1])[:stocks]] = True
    for name in RAW_FIELDS:
        alone = rng.random(shape) < share / 5 if name not in ("open", "high", "low", "close") else False
        fields[name][gone | alone] = np.nan
    fields["traded"][gone] = 0
    return _rebuilt(market, fields)


