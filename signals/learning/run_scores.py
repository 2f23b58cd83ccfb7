"""A signal in one run: where an equal run has left its scores, nothing is fitted and no factor is computed.

:class:`RunScores` stands between a strategy and its signal and answers as the signal does. The signal itself is never
answered from here: whoever calls its ``fit`` and ``predict`` (the contract suite, an audit, walk-forward) has them run.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from engine.errors import SignalError
from engine.plugin_files import spec_of
from signals.learning.declared import our_code
from signals.learning.model_cache import ModelCache, code_of, key_of
from signals.saved import Learnt, to_bytes
from signals.walkforward import fit_ahead

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.view import View
    from signals.trained import TrainedSignal


class RunScores:
    """A signal's scores over the decisions of a run, read from the cache, else made and kept for the next run.

    Scores are kept when the last decision has been scored, under a hash of all that they can depend on: see
    :func:`key_of_run`. They are given out only to a caller that fits and scores at the same sessions as then. Where
    there are none, models are trained ahead in the processes of :func:`signals.walkforward.parallel`, if any are open.

    Parameters
    ----------
    signal : TrainedSignal
    market : Market
    decisions : sequence of int
        Sessions that will be scored, ascending.

    Attributes
    ----------
    refit : str
        Of the signal.

    Raises
    ------
    SignalError
        If what lies in the cache is damaged.
    """

    def __init__(self, signal: TrainedSignal, market: Market, decisions: Sequence[int]) -> None:
        self.refit = signal.refit
        self._signal, self._market = signal, market
        self._places = {int(t): k for k, t in enumerate(decisions)}
        self._key = key_of_run(signal, market, decisions) if len(decisions) else None
        self._kept = None if self._key is None else _read(self._key, market, len(decisions))
        self._fits: list[int] = []
        self._waiting: list[View] = []
        self._made: dict[int, tuple[int, pd.DataFrame]] = {}
        self._asked: set[str] = set()
        if self._kept is None:
            with self._at_work():
                fit_ahead(market, signal, decisions)

    def fit(self, view: View) -> Self:
        """Fit the signal, or, where its scores are known, remember to do so if one is asked for that is not."""
        self._fits.append(view.t)
        self._waiting.append(view)
        if self._kept is None:
            self._catch_up()
        return self

    def predict(self, view: View) -> pd.DataFrame:
        """Scores as of ``view.date``, as the signal gives them."""
        place = self._places.get(view.t) if view._market is self._market else None
        if self._kept is not None and place is not None and self._kept.follows(self._fits, place):
            return self._kept.frame(place, self._market)
        self._catch_up()
        with self._at_work():
            scores = self._signal.predict(view)
        if self._kept is None and self._key is not None and place is not None:
            self._made[place] = (len(self._fits), scores)
            if len(self._made) == len(self._places):
                self._keep(self._key)
        return scores

    def _catch_up(self) -> None:
        with self._at_work():
            for view in self._waiting:
                self._signal = self._signal.fit(view)
        self._waiting.clear()

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Notes which tables of reports the signal asks for: a run tells how much of its reports there was."""
        before = _asked(self._market)
        yield
        self._asked |= _asked(self._market) - before

    def _keep(self, key: str) -> None:
        made = _Kept.of([self._made[k] for k in range(len(self._made))], self._fits, self._market)
        if made is not None:
            facts = {"scores_of": key, "columns": made.columns, "asked": sorted(self._asked)}
            ModelCache().put(key, Learnt(made.arrays, facts))


def _asked(market: Market) -> set[str]:
    return set() if market.tables is None else set(market.tables.asked())


# -- what decides the scores -------------------------------------------------------------------------


def key_of_run(signal: TrainedSignal, market: Market, decisions: Sequence[int]) -> str | None:
    """A hash of all that the scores of a run can depend on; None where that cannot be told.

    That is the signal's class with what it imports, its parameters (protocol and seeds among them), its factors' code,
    what it has learnt before, the libraries' versions, all of our own code, the data's tables, the panel and the
    decisions. It cannot be told for a market without a fingerprint, nor for a class made at a prompt.
    """
    full = signal._full
    if not market.fingerprint or (full is not None and full.market is not market) or spec_of(type(signal)) is None:
        return None
    learnt = None if signal._learnt is None else hashlib.sha256(to_bytes(signal._learnt)).hexdigest()
    return key_of(
        what="scores", signal=type(signal).__qualname__, config=signal.model_dump(), code=code_of(type(signal)),
        factors=signal.code_digest, learnt=learnt, versions=signal.versions(), ours=our_code(), data=_panel(market),
        decisions=[int(t) for t in decisions],
    )  # fmt: skip


def _panel(market: Market) -> str:
    """Hash of a market: its tables, and what of them was asked for."""
    total = hashlib.blake2b("\0".join((market.fingerprint, *market.symbols)).encode(), digest_size=16)
    for name, array in (
        ("sessions", market.sessions), ("calendar", market.calendar), ("member", market.member),
        *sorted(market.series.items()),
    ):  # fmt: skip
        total.update(f"\0{name}\0{array.dtype}\0{array.shape}\0".encode() + np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


# -- scores of all decisions in one file -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Kept:
    """Frames of D decisions below each other.

    Attributes
    ----------
    arrays : dict of str to ndarray
        ``starts`` int64 (D + 1,): decision d has rows ``starts[d]:starts[d + 1]``; ``stocks`` int32 (R,): columns of
        the market; ``values`` float64 (R, C); ``fits`` int64 (K,): sessions of the fits; ``fitted`` int64 (D,): how
        many of these came before the decision.
    columns : list of str, length C
    """

    arrays: dict[str, np.ndarray]
    columns: list[str]

    @staticmethod
    def of(made: Sequence[tuple[int, pd.DataFrame]], fits: Sequence[int], market: Market) -> _Kept | None:
        """None if the frames are not all of one form, numbers by symbol: they would not come back as they are."""
        frames = [frame for _, frame in made]
        columns = [str(name) for name in frames[0].columns]
        stocks = [market.index.get(symbol, -1) for frame in frames for symbol in frame.index]
        if -1 in stocks or any([*one.columns] != columns or (one.dtypes != np.float64).any() for one in frames):
            return None
        arrays = {
            "starts": np.concatenate([[0], np.cumsum([len(frame) for frame in frames])]),
            "stocks": np.array(stocks, dtype=np.int32),
            "values": np.concatenate([frame.to_numpy() for frame in frames]),
            "fits": np.array(fits, dtype=np.int64),
            "fitted": np.array([count for count, _ in made], dtype=np.int64),
        }
        kept = _Kept(arrays, columns)
        same = (kept.frame(k, market) for k in range(len(frames)))
        return kept if all(_alike(one, frame) for one, frame in zip(same, frames, strict=True)) else None

    def follows(self, fits: Sequence[int], place: int) -> bool:
        """Whether these fits are those that came before a decision."""
        return np.array_equal(self.arrays["fits"][: self.arrays["fitted"][place]], fits)

    def frame(self, place: int, market: Market) -> pd.DataFrame:
        """The scores of one decision, as :meth:`engine.view.View.scores` makes them."""
        import pandas as pd

        rows = slice(*self.arrays["starts"][place : place + 2])
        stocks, values = self.arrays["stocks"][rows], self.arrays["values"][rows]
        columns = {name: values[:, c] for c, name in enumerate(self.columns)}
        return pd.DataFrame(columns, index=pd.Index(market.symbol_array[stocks], name="symbol"))


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    index = one.index.equals(other.index) and one.index.dtype == other.index.dtype
    return index and one.index.name == other.index.name and one.equals(other)


def _read(key: str, market: Market, decisions: int) -> _Kept | None:
    cache = ModelCache()
    found = cache.get(key)
    if found is None:
        return None
    if found.facts.get("scores_of") != key or len(found.arrays.get("fitted", ())) != decisions:
        raise SignalError(f"the cached scores '{cache.path(key)}' are not those of this run; delete the file")
    for table in found.facts["asked"]:
        market.tables.reports(table)
    return _Kept(dict(found.arrays), list(found.facts["columns"]))
