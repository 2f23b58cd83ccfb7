"""What is left out of a universe: special treatment, suspension, delisting periods, recent listings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, nearest
from engine.price_limits import STATES
from feeds.file_feed import FileFeed

if TYPE_CHECKING:
    from engine.market import Market

WORDS = ("st", "suspended", "delisting", "new:3M")
_NEW = re.compile(r"new:([1-9]\d{0,2})m", re.ASCII)
_STATES = {"st": (STATES.index("st"),), "delisting": (STATES.index("delisting"), STATES.index("delisting_first"))}


def parse_exclusions(words: str | Sequence[str]) -> tuple[str, ...]:
    """Read the option ``exclude``: each word once, sorted.

    Parameters
    ----------
    words : str or sequence of str
        ``st``, ``suspended``, ``delisting`` and ``new:3M`` (listed for less than three calendar months); a text may
        hold several, separated by commas.

    Raises
    ------
    ConfigError
        If a word is none of these.
    """
    parts = words.split(",") if isinstance(words, str) else list(words)
    found = sorted({part.strip().lower() for part in parts if part.strip()})
    for word in found:
        if word not in WORDS and not _NEW.fullmatch(word):
            raise ConfigError(
                f"'{word}' cannot be excluded from a universe; {nearest(word, WORDS)} (new:3M: listed for less than "
                "three months)"
            )
    if sum(word.startswith("new:") for word in found) > 1:
        raise ConfigError(f"exclude names several ages ({', '.join(found)}); give one, as new:3M")
    return tuple(word.replace("m", "M") if word.startswith("new:") else word for word in found)


def members_left(market: Market, exclusions: Sequence[str], feed: FileFeed, protocol: str) -> np.ndarray:
    """Membership without what is excluded, uint8 (T, N).

    Parameters
    ----------
    market : Market
    exclusions : sequence of str
        As :func:`parse_exclusions` returns them.
    feed : FileFeed
        Knows the dates of listing.
    protocol : {"honest", "paper"}
        ``suspended`` leaves out who does not trade on the session itself; under ``paper`` who does not trade on the
        next one, which looks ahead. What is suspended tomorrow an honest run learns from the broker's refusals.
    """
    member = market.member.astype(bool)
    for word in exclusions:
        months = _NEW.fullmatch(word.lower())
        if months is not None:
            member &= market.sessions[:, None] >= _months_after(_list_dates(feed, market.symbols), int(months[1]))
        elif word == "suspended":
            trades = market.traded.astype(bool)
            if protocol == "paper":
                trades = np.vstack([trades[1:], np.ones((1, trades.shape[1]), dtype=bool)])
            member &= trades
        else:
            member &= ~np.isin(market.state, _STATES[word])
    return member.astype(np.uint8)


def _list_dates(feed: FileFeed, symbols: Sequence[str]) -> np.ndarray:
    """First day of each stock's listing, datetime64[D] (N,): its first bar where the date is not known."""
    table = feed.read("securities", ["symbol", "list_date", "first_bar"])
    dates = np.where(np.isnat(table["list_date"]), table["first_bar"], table["list_date"]).astype("datetime64[D]")
    of = dict(zip(table["symbol"].tolist(), dates, strict=True))
    return np.array([of[symbol] for symbol in symbols], dtype="datetime64[D]")


def _months_after(days: np.ndarray, months: int) -> np.ndarray:
    """The same day of the month ``months`` later, the month's last day where there is none."""
    month = days.astype("datetime64[M]")
    last = (month + months + 1).astype("datetime64[D]") - 1
    return np.minimum((month + months).astype("datetime64[D]") + (days - month.astype("datetime64[D]")), last)
