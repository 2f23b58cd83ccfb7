"""The registry of factors: what each is called, means, needs and comes from.

A factor is a function from a :class:`signals.factors.panel.FactorPanel` to a (D, N) array, declared with
:func:`factor`. The files of this folder declare ours; a user's file declares more in the same way.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, DataError, HuiceError, SignalError, nearest

if TYPE_CHECKING:
    from signals.factors.panel import FactorPanel

Compute = Callable[["FactorPanel"], np.ndarray]

HISTORY = 1_300
"""Sessions that a market should hold for a factor that reads all of a stock's history: 60 months and a margin."""

FAMILIES: dict[str, str] = {
    "valuation": "估值",
    "growth": "成长",
    "quality": "财务质量",
    "leverage": "杠杆",
    "size": "规模",
    "momentum": "动量反转",
    "volatility": "波动率",
    "beta": "贝塔",
    "turnover": "换手率",
    "price": "股价",
    "technical": "技术",
    "trading": "交易情绪",
    "sentiment": "分析师情绪",
    "shareholders": "股东",
    "alpha158": "Alpha158",
}
"""Families and their Chinese names; each is a module of this folder."""


@dataclass(frozen=True)
class Factor:
    """One declared factor; call it with a panel to get its values.

    Attributes
    ----------
    name : str
        Lower case with underscores; unique.
    chinese : str
        Its usual Chinese name.
    family : str
        Of :data:`FAMILIES`, or a user's own.
    direction : int
        1: high is good by its source, -1: low is good, 0: the source does not say.
    unit : str
        ``fraction``, ``yuan``, ``shares``, ``ratio``, ``log yuan`` ...
    inputs : tuple of str
        What it reads: fields of the market (``close``), ``item:revenue`` for a figure of the reports
        (:mod:`signals.factors.items`), ``table:valuation_daily.pe_ttm``, ``index:000001``, or ``none:...`` for what
        free data cannot give.
    lookback : int or None
        Own bars of the stock that it reads, the current one included; None: all of its history.
    source : str
        Paper and table, or who defined it.
    compute : callable
    resumes : bool
        Whether a factor without a ``lookback`` can go on without the history: all that it remembers of it are averages
        of :mod:`signals.factors.recursions`, and besides it reads no more than their ``WARM`` bars.
    """

    name: str
    chinese: str
    family: str
    direction: int
    unit: str
    inputs: tuple[str, ...]
    lookback: int | None
    source: str
    compute: Compute
    resumes: bool = False

    @property
    def history(self) -> int:
        """Sessions that a market should hold before the first one asked for.

        Half as many again as its bars, because a stock may have been halted; :data:`HISTORY` if it reads all.
        """
        return HISTORY if self.lookback is None else self.lookback + self.lookback // 2

    @property
    def formula(self) -> str:
        """The docstring of its function, which gives the formula."""
        return inspect.getdoc(self.compute) or ""

    def missing(self, panel: FactorPanel) -> tuple[str, ...]:
        """Inputs that the panel's data do not have.

        Raises
        ------
        ConfigError
            If an input is of a kind that does not exist.
        """
        try:
            return tuple(name for name in self.inputs if not panel.has(name))
        except ConfigError as error:
            raise ConfigError(f"factor '{self.name}' has an input that no data can have: {error}") from None

    def __call__(self, panel: FactorPanel) -> np.ndarray:
        """Values at the sessions that the panel asks for.

        Returns
        -------
        ndarray of float64, shape (D, N)
            NaN where the factor is absent: not listed, halted, too young, or without the figures it needs.

        Raises
        ------
        DataError
            If the data lack one of :attr:`inputs`.
        SignalError
            If the function fails, or does not return such an array.
        """
        lacking = self.missing(panel)
        if lacking:
            raise DataError(f"factor '{self.name}' needs {_words(lacking)}, which these data do not have")
        try:
            values = self.compute(panel)
        except (HuiceError, MemoryError):
            raise
        except Exception as error:
            from engine.plugin_files import reason

            code = getattr(self.compute, "__code__", None)
            file = None if code is None else Path(code.co_filename)
            where = "" if file is None else f" of {file.name}"
            told = reason(error, file).replace(" raised", f"{where} raised", 1)
            raise SignalError(f"factor '{self.name}' failed: {told}") from error
        if not isinstance(values, np.ndarray) or values.shape != panel.shape or values.dtype != np.float64:
            got = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
            raise SignalError(
                f"factor '{self.name}' returned {got}; float64 of shape {panel.shape} (sessions asked for x stocks) "
                "is expected: end with panel.spread(values)"
            )
        return values


def _words(inputs: Iterable[str]) -> str:
    return ", ".join(f"{name[5:]} (no free source)" if name.startswith("none:") else f"'{name}'" for name in inputs)


_FACTORS: dict[str, Factor] = {}
_LOADED: set[str] = set()


def factor(
    name: str,
    *,
    chinese: str,
    family: str,
    direction: int,
    unit: str,
    inputs: Iterable[str],
    lookback: int | None,
    source: str,
    resumes: bool = False,
) -> Callable[[Compute], Compute]:
    """Declare the function below as a factor; see :class:`Factor` for what the words mean.

    Raises
    ------
    ConfigError
        If the name is taken by another function, or is not written in lower case with underscores.
    """

    def register(compute: Compute) -> Compute:
        given = (inputs,) if isinstance(inputs, str) else tuple(inputs)  # a lone name is no list of letters
        add(Factor(name, chinese, family, direction, unit, given, lookback, source, compute, resumes))
        return compute

    return register


def add(new: Factor) -> Factor:
    """Put a factor into the registry; a file that is loaded again replaces its own.

    Raises
    ------
    ConfigError
        If the name is taken, malformed, or the direction is none of 1, -1, 0.
    """
    if not new.name.replace("_", "").isalnum() or new.name != new.name.lower() or not new.name.isascii():
        raise ConfigError(f"'{new.name}' is no name of a factor; use lower case letters, digits and underscores")
    if new.direction not in (1, -1, 0):
        raise ConfigError(f"factor '{new.name}' has direction {new.direction}; use 1, -1 or 0")
    if new.lookback is not None and new.lookback < 1:
        raise ConfigError(f"factor '{new.name}' has lookback {new.lookback}; use 1 or more bars, or None for all")
    if not new.inputs:
        raise ConfigError(f"factor '{new.name}' has no inputs; name the fields that it reads, as (\"close\",)")
    old = _FACTORS.get(new.name)
    if old is not None and _home(old.compute) != _home(new.compute):
        raise ConfigError(
            f"factor '{new.name}' of {_place(new.compute)} is already declared by {_place(old.compute)}; rename it"
        )
    if old is not None and _same_file(old.compute, new.compute):
        raise ConfigError(f"factor '{new.name}' is declared twice in {_place(new.compute)}; rename one of them")
    _FACTORS[new.name] = new
    return new


def _home(compute: Compute) -> tuple[str, str]:
    return getattr(compute, "__module__", "?"), getattr(compute, "__qualname__", "?")


def _same_file(old: Compute, new: Compute) -> bool:
    """Whether two functions come from one loading of a user's file; a cell of a notebook may be run again."""
    same = old is not new and getattr(old, "__globals__", None) is getattr(new, "__globals__", 0)
    return same and getattr(new, "__module__", "").startswith("_huice_plugin_")


def _place(compute: Compute) -> str:
    """The file of a function, as a reader knows it."""
    code = getattr(getattr(compute, "py_func", compute), "__code__", None)
    return "?" if code is None else Path(code.co_filename).name


def _load(families: Iterable[str]) -> None:
    for family in families:
        if family not in _LOADED:
            importlib.import_module(f"signals.factors.{family}")
            _LOADED.add(family)


def load_file(path: str | Path) -> list[Factor]:
    """Declare the factors of a user's Python file.

    Returns
    -------
    list of Factor
        Those that the file declares.

    Raises
    ------
    ConfigError
        If the file is not there, is no Python, raises an error or declares no factor.
    """
    from engine.plugin_files import load

    _load(FAMILIES)
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"there is no file '{path}' of factors; give the path of a .py file")
    module = load(f"the file of factors '{path}'", file)
    own = [one for one in _FACTORS.values() if one.compute.__module__ == module.__name__]
    if not own:
        raise ConfigError(f"'{path}' declares no factor; put @factor(...) from signals.factors above a function")
    return own


def registered() -> Mapping[str, Factor]:
    """All factors by name: ours by family, then those of user files, in order of declaration."""
    _load(FAMILIES)
    order = {family: place for place, family in enumerate(FAMILIES)}
    ranked = sorted(_FACTORS.values(), key=lambda one: order.get(one.family, len(order)))
    return {one.name: one for one in ranked}


def of_users() -> list[Factor]:
    """Factors that are none of ours, declared in this process so far; our own modules are not loaded for it."""
    return [one for one in _FACTORS.values() if not _home(one.compute)[0].startswith("signals.")]


def get(name: str) -> Factor:
    """One factor.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in _FACTORS:
        known = registered()
        if name not in known:
            raise ConfigError(f"there is no factor '{name}'; {_nearest(name, known)}")
    return _FACTORS[name]


def select(words: Iterable[str]) -> list[Factor]:
    """Factors by name, family (``momentum``), or paper (``paper-3``), each once, in the order asked.

    Raises
    ------
    ConfigError
        If a word is none of these.
    """
    from signals.factors.papers import PAPERS

    known = registered()
    chosen: dict[str, Factor] = {}
    for word in (one.strip() for one in words):
        if word == "all":
            chosen |= known
        elif word in PAPERS:
            chosen |= {name: known[name] for name in PAPERS[word]}
        elif word in known:
            chosen[word] = known[word]
        else:
            family = {name: one for name, one in known.items() if one.family == word}
            if not family:
                hint = _nearest(word, (*known, *FAMILIES, *PAPERS))
                raise ConfigError(f"there is no factor, family or paper '{word}'; {hint}")
            chosen |= family
    return list(chosen.values())


def _nearest(word: str, names: Iterable[str]) -> str:
    hint = nearest(word.lower(), names)
    return hint if hint.startswith("did you mean") else "`python scripts/factors.py list` shows them all"
