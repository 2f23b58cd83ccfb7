"""Which stocks a backtest may choose from, session by session."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.boards import check_symbol, is_a_share
from engine.errors import ConfigError, DataError, nearest
from feeds.file_feed import FileFeed

ALIASES = {
    "csi300": "000300", "csi500": "000905", "csi1000": "000852", "sse50": "000016",
    "csi-all": "000985", "csi300-equal": "000984", "csi500-equal": "000982",
}  # fmt: skip
"""Words for index codes."""

PROXIES = {"sse50-proxy": ("000300", ".SH", 50)}
"""Universes that stand in for an index whose members the data do not know: the largest members, by float value on
each session, of another index on one exchange."""

TODAY = "-today"
"""Ends the name of an index whose members are those of the day of fetching, applied to the past."""

_FOREVER = np.datetime64("9999-12-31", "D")


@dataclass(frozen=True)
class Universe:
    """What the option ``universe`` asks for.

    Attributes
    ----------
    kind : {"all", "index", "symbols"}
    code : str
        Index code, or the unknown word itself; "" for the other kinds.
    symbols : tuple of str
        Sorted, for kind "symbols".
    """

    kind: str
    code: str = ""
    symbols: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """One spelling for all ways of writing the same universe."""
        return {"all": "all", "index": self.code, "symbols": ",".join(self.symbols)}[self.kind]


@dataclass(frozen=True)
class Memberships:
    """Dated memberships of one index: a member on day d if ``first <= d < end``.

    Attributes
    ----------
    symbols : ndarray of str, shape (R,)
    first, end : ndarray of datetime64[D], shape (R,)
        ``end`` is far in the future for those still in.
    """

    symbols: np.ndarray
    first: np.ndarray
    end: np.ndarray

    def members(self, first: np.datetime64, last: np.datetime64) -> list[str]:
        """Symbols that are members on some day from ``first`` to ``last``, sorted."""
        return sorted(set(self.symbols[(self.first <= last) & (self.end > first)].tolist()))

    def of_exchange(self, ending: str) -> Memberships:
        """Those of the symbols that end in ``ending``."""
        own = np.array([symbol.endswith(ending) for symbol in self.symbols.tolist()], dtype=bool)
        return Memberships(self.symbols[own], self.first[own], self.end[own])

    def mask(self, sessions: np.ndarray, symbols: Sequence[str]) -> np.ndarray:
        """Membership as uint8 of shape (T, N) for ``symbols`` on ``sessions``."""
        column = {symbol: i for i, symbol in enumerate(symbols)}
        steps = np.zeros((len(sessions) + 1, len(symbols)), dtype=np.int16)
        begin = np.searchsorted(sessions, self.first)
        stop = np.searchsorted(sessions, self.end)
        for symbol, a, b in zip(self.symbols.tolist(), begin.tolist(), stop.tolist(), strict=True):
            if symbol in column and a < b:
                steps[a, column[symbol]] += 1
                steps[b, column[symbol]] -= 1
        np.cumsum(steps, axis=0, dtype=np.int16, out=steps)
        return (steps[:-1] > 0).astype(np.uint8)


def index_code(word: str) -> str:
    """The six-digit code that ``word`` (``csi500``, ``000905``, ``000905.SH``) stands for, else the word."""
    text = word.strip().lower()
    if text.endswith(TODAY):
        return index_code(text.removesuffix(TODAY)) + TODAY
    code = re.fullmatch(r"(\d{6})\.(sh|sz)", text, re.ASCII)
    return ALIASES.get(text, code[1] if code else text)


def parse_symbols(words: Iterable[str]) -> tuple[str, ...]:
    """A-share codes, sorted and each once; blank words are skipped.

    Raises
    ------
    ConfigError
        If a word is no A-share code.
    """
    found = (str(word).strip().upper() for word in words)
    return tuple(sorted({check_symbol(word, ConfigError) for word in found if word}))


def parse_universe(universe: str | Sequence[str]) -> Universe:
    """Read the option ``universe``.

    Parameters
    ----------
    universe : str or sequence of str
        ``all``, an index by word or code, one of :data:`PROXIES`, or symbols as a list or separated by commas.

    Raises
    ------
    ConfigError
        If a symbol is no A-share code or nothing is asked for.
    """
    if isinstance(universe, str):
        text = universe.strip()
        if text.lower() == "all":
            return Universe("all")
        if "," not in text and not is_a_share(text.upper()) and text:
            return Universe("index", code=index_code(text))
        words = text.split(",")
    else:
        words = list(universe)
        if len(words) == 1 and isinstance(words[0], str) and not is_a_share(words[0].strip().upper()):
            return parse_universe(words[0])
    symbols = parse_symbols(words)
    if not symbols:
        raise ConfigError("the universe is empty; give 'all', an index such as 'csi500', or symbols such as 600519.SH")
    return Universe("symbols", symbols=symbols)


def largest(member: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` members of highest value on each session, ties by column.

    Parameters
    ----------
    member : ndarray of uint8, shape (T, N)
    value : ndarray of float64, shape (T, N)
        Yuan; members without one are not among them.

    Returns
    -------
    ndarray of uint8, shape (T, N)
    """
    key = np.where(member.astype(bool) & (value > 0.0), value, -np.inf)
    order = np.argsort(-key, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(member.shape, np.uint8)
    np.put_along_axis(chosen, order, 1, axis=1)
    return chosen & np.isfinite(key)


def memberships(feed: FileFeed, code: str, option: str) -> Memberships:
    """Dated memberships of the index ``code``.

    Parameters
    ----------
    feed : FileFeed
    code : str
    option : str
        What asked for them, for the error message: "universe" or "total-return benchmark".

    Raises
    ------
    ConfigError
        If the data do not have this index, or have no dated memberships of it.
    DataError
        If the table is missing or has an empty date.
    """
    if code in PROXIES and option == "universe":
        of, exchange, _ = PROXIES[code]
        return memberships(feed, of, option).of_exchange(exchange)
    if not feed.exists("constituents"):
        raise ConfigError(
            f"these data have no index members, so {code} cannot be the {option}; use all or symbols, or bring dated "
            "lists in with scripts/data.py import constituents"
        )
    table = feed.read("constituents")
    codes = table["index_code"]
    if "as_of" in table:  # a list of today looks ahead and goes by a name of its own
        today = ~np.isnat(table["as_of"])
        codes = np.where(today, codes + TODAY, codes).astype(object)
    rows = np.flatnonzero(codes == code)
    available = sorted(set(codes.tolist()))
    if not len(rows):
        words = {alias for alias, known in ALIASES.items() if known in available} | set(available)
        if option == "universe":
            words |= {name for name, (of, _, _) in PROXIES.items() if of in available}
        lacks = _what_is_there(feed, code)
        if lacks:
            raise ConfigError(
                f"the membership history of index {code} is missing from these data (they hold only its "
                f"{lacks}), so it cannot be the {option}; use one of: {', '.join(sorted(words))}"
            )
        if option == "universe":
            words.add("all")
            hint = nearest(code, words)
            hint = f"{hint} There are" if hint.startswith("did") else "there are"
            raise ConfigError(
                f"unknown universe '{code}'; {hint} {', '.join(sorted(words))}, and symbols such as 600519.SH"
            )
        raise ConfigError(f"unknown {option} '{code}'; {nearest(code, words)}")
    symbols, first, end = table["symbol"][rows], table["in_date"][rows], table["out_date"][rows].copy()
    if np.isnat(first).any():
        symbol = symbols[int(np.argmax(np.isnat(first)))]
        raise DataError(f"constituents.parquet: column 'in_date' of {symbol} in {code} is empty; fill it in")
    end[np.isnat(end)] = _FOREVER
    return Memberships(symbols, first, end)


def _what_is_there(feed: FileFeed, code: str) -> str:
    """What the data do have of an index without dated memberships."""
    found = []
    for table, words in (("index_daily", "levels"), ("constituents_snapshots", "snapshots")):
        if feed.exists(table) and (feed.read(table, ["index_code"])["index_code"] == code).any():
            found.append(words)
    return " and ".join(found)
