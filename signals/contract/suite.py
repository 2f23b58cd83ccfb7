"""What every signal plug-in must keep, as a library: run over ours in the tests, over a user's by ``scripts/audit.py``.

    for check in audit(MySignal()):
        print(check.status, check.name, check.text)
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, HuiceError, SignalError
from engine.market import Market
from engine.plugin_files import spec_of
from signals.contract import elsewhere
from signals.contract.checks import Broken, Check, NotHere, answers
from signals.contract.guards import fresh_cache, parameters, watched
from signals.contract.market import Source, noisy_after, same, with_gaps
from signals.contract.process import digest_of
from signals.learning.samples import decisions_of
from signals.protocols import hand_over


def audit(signal: Any, source: Source | None = None, *, date: str = "", market: Market | None = None) -> list[Check]:
    """Hold a signal against the contract.

    Parameters
    ----------
    signal : Signal
        With its parameters, not fitted.
    source : Source, optional
        The market to do it on; a small synthetic one by default.
    date : str, optional
        The decision at which the future begins to be noise: by default the last session of a month four months before
        the data end.
    market : Market, optional
        In place of ``source``; what needs another process is skipped then.

    Returns
    -------
    list of Check
        In a fixed order.
    """
    return list(_Audit(signal, source or Source(), date, market).run())


class _Audit:
    def __init__(self, signal: Any, source: Source, date: str, market: Market | None) -> None:
        self.signal, self.name = signal, type(signal).__name__
        self.source = None if market is not None else source
        self.market = same(source.open() if market is None else market)
        months = decisions_of(self.market, "1M")
        if date:
            self.t = int(self.market.position_of(np.datetime64(date, "D"), "right")) - 1
        elif len(months) > 5:
            self.t = int(months[-5])
        else:
            self.t = len(self.market.sessions) * 3 // 4
        later = [int(t) for t in months if t > self.t] or [min(self.t + 5, len(self.market.sessions) - 1)]
        before = [int(t) for t in months if t < self.t][-2:] or [max(self.t - 1, 0)]
        self.days = [*before, self.t, later[0]]
        self._fitted: dict[tuple[int, int], Any] = {}

    # -- helpers --------------------------------------------------------------------------------

    @property
    def learns(self) -> bool:
        return bool(getattr(self.signal, "refit", "never") != "never")

    def given(self, market: Market) -> Any:
        """The signal as a run on this market would get it."""
        return hand_over(self.signal, market) if getattr(self.signal, "protocol", "") == "paper" else self.signal

    @functools.cached_property
    def noisy(self) -> Market:
        """The twin that is noise after t."""
        return noisy_after(self.market, self.t)

    def fit(self, market: Market, t: int) -> Any:
        """Fitted anew."""
        if not self.learns:
            return self.given(market)
        with fresh_cache():
            return self.given(market).fit(market.view(t))

    def fitted(self, market: Market, t: int) -> Any:
        """Fitted, once for each market and day."""
        if (id(market), t) not in self._fitted:
            self._fitted[id(market), t] = self.fit(market, t)
        return self._fitted[id(market), t]

    @property
    def ready(self) -> Any:
        """Fitted on the true market at the first of the days."""
        return self.fitted(self.market, self.days[0])

    def scores(self, signal: Any, market: Market, t: int) -> Any:
        from strategies.base import check_scores

        view = market.view(t)
        with fresh_cache():
            found = signal.predict(view)
        check_scores(found, view, self.name)
        return found

    # -- running --------------------------------------------------------------------------------

    def run(self) -> Iterator[Check]:
        checks: list[tuple[str, Callable[[], str]]] = [
            ("the constructor only stores a frozen, checked configuration", self.constructor),
            ("an unfitted signal says so", self.unfitted),
            ("scores are finite, one a stock, of this market", self.plain_scores),
            ("fit leaves the parameters as they are", self.parameters_stay),
            ("two fits give the same bytes", self.same_bytes),
            ("saved without pickle, another process and a later day give the same scores", self.other_process),
            ("days one by one, in any order, give the same scores", self.any_order),
            ("missing stocks and missing values are survived", self.gaps),
            ("noise after t leaves what is learnt at t as it is", self.noise_in_fit),
            ("noise after t leaves the scores at t as they are", self.noise_in_scores),
            ("no label reaches a fit before its horizon has passed", self.labels_known),
        ]
        yield from answers(self.name, checks)

    # -- the checks -----------------------------------------------------------------------------

    def constructor(self) -> str:
        cls, values = type(self.signal), parameters(self.signal)
        again = cls(**values)
        if parameters(again) != values:
            changed = next(name for name in values if parameters(again).get(name) != values[name])
            raise Broken(f"parameter '{changed}' is not what was given; store it as it is and derive from it later")
        with watched() as opened:
            cls(**values)
        if opened:
            raise Broken(f"the constructor opens '{opened[0]}'; move that into fit or predict")
        if getattr(again, "_learnt", None) is not None:
            raise Broken("the constructor learns; move that into fit")
        if not hasattr(cls, "model_fields"):
            return ""
        try:
            cls(**values, no_such_parameter_=1)
        except (ConfigError, ValueError):
            pass
        else:
            raise Broken("an unknown parameter is accepted; keep extra='forbid'")
        for name in values:
            try:
                setattr(again, name, values[name])
            except (ValueError, AttributeError, TypeError):
                continue
            raise Broken(f"parameter '{name}' can be changed after the constructor; keep frozen=True")
        return ""

    def unfitted(self) -> str:
        if not self.learns:
            raise NotHere('it does not learn (refit = "never")')
        try:
            self.scores(self.given(self.market), self.market, self.t)
        except SignalError as error:
            return str(error)
        except Exception as error:
            raise Broken(
                f"predict of an unfitted {self.name} raises {type(error).__name__}; call self.needs() first"
            ) from None
        raise Broken(f"an unfitted {self.name} gives scores; call self.needs() first, or declare refit = 'never'")

    def plain_scores(self) -> str:
        counts = [len(self.scores(self.ready, self.market, t)) for t in self.days]
        if not any(counts):
            raise Broken(f"no stock is scored from {self._day(self.days[0])} to {self._day(self.days[-1])}")
        return f"{min(counts)} to {max(counts)} stocks"

    def parameters_stay(self) -> str:
        if not self.learns:
            raise NotHere('it does not learn (refit = "never")')
        before = parameters(self.signal)
        fitted = self.ready
        if type(fitted) is not type(self.signal):
            raise Broken(f"fit returns a {type(fitted).__name__}; return self.having_learnt(...)")
        for found, whose in ((parameters(self.signal), "its own"), (parameters(fitted), "the fitted signal's")):
            changed = [name for name in before if found.get(name) != before[name]]
            if changed:
                raise Broken(
                    f"fit changes {whose} parameter '{changed[0]}' from {before[changed[0]]!r} to "
                    f"{found.get(changed[0])!r}; what is learnt belongs into self.having_learnt(...)"
                )
        return ""

    def same_bytes(self) -> str:
        if not self.learns:
            raise NotHere('it does not learn (refit = "never")')
        one, two = (self._saved(fitted) for fitted in (self.ready, self.fit(self.market, self.days[0])))
        for name in sorted(one.keys() | two.keys()):
            if one.get(name) != two.get(name):
                raise Broken(f"two fits differ in '{name}'; seed every generator and use one thread")
        return f"{sum(map(len, one.values())):,} bytes"

    def other_process(self) -> str:
        signal = self.ready
        if not hasattr(signal, "save"):
            raise NotHere(f"{self.name} has no save; subclass signals.base.Signal")
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "signal"
            signal.save(folder)
            for path in sorted(folder.rglob("*")):
                if path.is_file() and (path.suffix not in (".json", ".npz", ".npy", ".safetensors", ".toml", ".ubj")):
                    raise Broken(f"save writes '{path.name}'; keep to JSON, .npz and safetensors")
                if path.is_file() and path.read_bytes()[:1] == b"\x80":
                    raise Broken(f"'{path.name}' is a pickle; write it as JSON, .npz or safetensors")
            mine = {t: digest_of(self.scores(signal, self.market, t)) for t in self.days}
            loaded = type(self.signal).load(folder)
            loaded = hand_over(loaded, self.market) if loaded.protocol == "paper" else loaded
            for t in self.days:
                if digest_of(self.scores(loaded, self.market, t)) != mine[t]:
                    raise Broken(f"loaded again it scores {self._day(t)} otherwise; save all that predict reads")
            spec = spec_of(type(self.signal))
            if spec is None or self.source is None:
                raise NotHere("loaded here it scores the same; a class of a file is needed for another process")
            asked = {"class": spec, "folder": str(folder), "source": asdict(self.source), "sessions": self.days}
            with fresh_cache():
                complaint = "another process cannot use what was saved"
                theirs = elsewhere.answer("signals.contract.process", asked, complaint)
            wrong = [t for t in self.days if theirs[str(t)] != mine[t]]
            if wrong:
                raise Broken(f"another process scores {self._day(wrong[0])} otherwise; seed all, and use one thread")
        return ""

    def any_order(self) -> str:
        signal = self.ready
        forward = {t: digest_of(self.scores(signal, self.market, t)) for t in self.days}
        for t in reversed(self.days):
            if digest_of(self.scores(signal, self.market, t)) != forward[t]:
                raise Broken(f"{self._day(t)} is scored otherwise after later days; keep nothing between predictions")
        return f"{len(self.days)} days"

    def gaps(self) -> str:
        market = with_gaps(self.market)
        scores = self.scores(self.fit(market, self.t), market, self.t)
        universe = market.view(self.t).universe
        outside = [symbol for symbol in scores.index if not universe[market.index[symbol]]]
        if outside:
            raise Broken(f"{outside[0]} is scored and not in the universe; end with view.scores(values)")
        if not len(scores):
            raise Broken("with 5 % of the bars missing no stock is scored at all; a gap must cost its own stock alone")
        return f"{len(scores)} stocks scored"

    def noise_in_fit(self) -> str:
        if not self.learns:
            raise NotHere('it does not learn (refit = "never")')
        try:
            one, two = (self._saved(self.fitted(market, self.t)) for market in (self.market, self.noisy))
        except HuiceError as error:
            if not self._leaks:
                raise
            return f"leaks, as its protocol says ({error})"
        return self._judged(
            one == two,
            f"what it learns on {self._day(self.t)} changes when all that comes later is noise; "
            "fit must read nothing but the view",
        )

    def noise_in_scores(self) -> str:
        noisy = self.noisy
        learnt = self.fitted(self.market, self.t)
        other = hand_over(learnt, noisy) if self._leaks else learnt
        one = self.scores(learnt, self.market, self.t)
        if not self.learns:
            other = self.given(noisy)
        elif not self._leaks:
            other = self.fitted(noisy, self.t)
        try:
            two = self.scores(other, noisy, self.t)
        except HuiceError as error:
            raise Broken(f"with noise after {self._day(self.t)} it fails: {error}") from None
        text = ""
        if not one.equals(two):
            where = one.index.symmetric_difference(two.index)
            if len(where):
                text = f"{where[0]} is scored in one case alone"
            else:
                symbol = one.index[int(np.argmax((one != two).any(axis=1).to_numpy()))]
                text = f"{symbol} from {one.loc[symbol, 'score']:.6g} to {two.loc[symbol, 'score']:.6g}"
        broken = (
            f"scores of {self._day(self.t)} change when all that comes later is noise ({text}); "
            "predict must read nothing but the view"
        )
        if self._leaks:
            return "" if not text else "leaks, as its protocol says"
        return self._judged(not text, broken)

    def labels_known(self) -> str:
        signal = self.signal
        if not self.learns or not hasattr(signal, "samples") or not hasattr(signal, "split"):
            raise NotHere("it is no TrainedSignal; the noise test covers its labels")
        view = self.market.view(self.t)
        samples = signal.samples(view)
        split = signal.split(view, samples)
        rows = np.flatnonzero((split.train | split.valid).any(axis=1))
        late = rows[samples.target.known[rows] > self.t]
        if len(late):
            raise Broken(
                f"the label of {samples.dates[late[0]]} is used on {view.date}, before its horizon "
                f"({samples.target.horizon.describe()}) has passed; split by target.known_by(view.t)"
            )
        if signal.protocol == "paper" or not split.valid.any():
            return f"the last of {len(rows)} decisions is {samples.dates[rows[-1]]}"
        held = np.flatnonzero(split.valid.any(axis=1))
        if samples.target.known[split.train_rows].max() > samples.decisions[held[0]]:
            raise Broken("a training label is known only after the first decision held out; purge with target.purged")
        return f"the last of {len(rows)} decisions is {samples.dates[rows[-1]]}"

    @property
    def _leaks(self) -> bool:
        return getattr(self.signal, "protocol", "") == "paper"

    def _judged(self, unchanged: bool, broken: str) -> str:
        if self._leaks:
            return "no leak seen, though its protocol has some" if unchanged else "leaks, as its protocol says"
        if not unchanged:
            raise Broken(broken)
        return ""

    def _saved(self, signal: Any) -> dict[str, bytes]:
        if not hasattr(signal, "save"):
            raise NotHere(f"{self.name} has no save; subclass signals.base.Signal")
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "signal"
            signal.save(folder)
            return {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in sorted(folder.rglob("*")) if path.is_file()
            }  # fmt: skip

    def _day(self, t: int) -> str:
        return str(self.market.sessions[t])
