"""Codes of A shares: which are, on which exchange, on which board."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np

from engine.errors import DataError, HuiceError

BOARDS = ("MAIN_SH", "MAIN_SZ", "SME", "CHINEXT", "STAR", "BSE")

_PREFIXES: dict[str, dict[str, str]] = {
    "SH": {
        "600": "MAIN_SH", "601": "MAIN_SH", "603": "MAIN_SH", "605": "MAIN_SH", "688": "STAR", "689": "STAR",
    },
    "SZ": {
        "000": "MAIN_SZ", "001": "MAIN_SZ", "002": "SME", "003": "SME", "004": "SME",
        "300": "CHINEXT", "301": "CHINEXT", "302": "CHINEXT",
    },
    "BJ": {"920": "BSE"} | {f"{two}{digit}": "BSE" for two in ("43", "83", "87") for digit in range(10)},
}  # fmt: skip
_SME_MERGED = np.datetime64("2021-04-06")
_SYMBOL = re.compile(r"(\d{3})\d{3}\.(SH|SZ|BJ)", re.ASCII)


def _board(symbol: object) -> str | None:
    match = _SYMBOL.fullmatch(symbol) if isinstance(symbol, str) else None
    return None if match is None else _PREFIXES[match[2]].get(match[1])


def is_a_share(symbol: str) -> bool:
    """Whether ``symbol`` is the code of an A share, written like ``600519.SH``.

    B shares (200, 900), funds and index codes are not.
    """
    return _board(symbol) is not None


def check_symbol(symbol: str, error: type[HuiceError] = DataError) -> str:
    """Return ``symbol`` if it is an A-share code.

    Parameters
    ----------
    symbol : str
    error : type
        What to raise: DataError for a code met in data, ConfigError for one that an option gives.

    Raises
    ------
    DataError
        Or ``error``: the code is none, or has the suffix of another exchange.
    """
    if _board(symbol) is None:
        digits = str(symbol)[:6]
        likely = (f"{digits}.{exchange}" for exchange in _PREFIXES if is_a_share(f"{digits}.{exchange}"))
        raise error(f"'{symbol}' is no A-share code; write it like {next(likely, '600519.SH')}")
    return symbol


def board_of(symbol: str, day: np.datetime64 | dt.date | str | None = None) -> str:
    """The board of an A share: one of :data:`BOARDS`.

    Parameters
    ----------
    symbol : str
    day : date, optional
        Without it the answer is the code range, and ``SME`` stands for 002-004 of Shenzhen. With it the
        answer is the board as of that day: SME was merged into the main board on 2021-04-06, whose limits
        and lots it had always had.

    Raises
    ------
    DataError
        If ``symbol`` is no A-share code.
    """
    board = _PREFIXES[check_symbol(symbol)[-2:]][symbol[:3]]
    merged = board == "SME" and day is not None and np.datetime64(str(day), "D") >= _SME_MERGED
    return "MAIN_SZ" if merged else board


def exchange_of(symbol: str) -> str:
    """``SH``, ``SZ`` or ``BJ``.

    Raises
    ------
    DataError
        If ``symbol`` is no A-share code.
    """
    return check_symbol(symbol)[-2:]
