"""Single values of a configuration: their checks, their TOML, and overrides written as text."""

from __future__ import annotations

import datetime as dt
import json
import math
import numbers
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, nearest

_HIGHEST_RATE = 0.5
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


# -- files, and overrides as text ------------------------------------------------------------------------------


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a configuration file.

    Raises
    ------
    ConfigError
        If it is missing, cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file '{path}'; check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"configuration file '{path}' is no UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"configuration file '{path}' cannot be read ({error.strerror}); check it") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"configuration file '{path}' is no valid TOML: {error}") from None


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``KEY=VALUE``; the value is read as TOML and, where it is none, taken as text.

    Raises
    ------
    ConfigError
        If there is no key or no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"'{text}' is no KEY=VALUE; write for instance hold=30")
    return key.strip(), parse_value(value.strip())


def parse_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


# -- checks of single options -----------------------------------------------------------------------


def check_known(data: Mapping[str, Any], fields: Iterable[str], what: str) -> None:
    """Refuse keys that are not among ``fields``, naming the nearest."""
    names = list(fields)
    for key in data:
        if key not in names:
            raise ConfigError(f"unknown {what} '{key}'; {nearest(str(key), names)}")


def check_text(key: str, value: Any) -> str:
    """Text that is not empty."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ConfigError(f"option '{key}' is {value!r}; it is text, write it in quotes")
    if not value.strip():
        raise ConfigError(f"option '{key}' is empty; leave it out for its default")
    return value


def check_code(key: str, value: Any) -> str:
    """An index code, or nothing; a number is one whose quotes were forgotten."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:06d}"
    return value if value == "" else check_text(key, value)


def check_universe(key: str, value: Any) -> str | tuple[str, ...]:
    """A word, a code or symbols."""
    if isinstance(value, list | tuple):
        return check_symbols(key, value)
    return check_code(key, value) or check_text(key, value)


def check_symbols(key: str, value: Any) -> tuple[str, ...]:
    """Symbols as a list, or separated by commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"option '{key}' is {value!r}; it is a list of symbols such as [\"600519.SH\"]")
    if key == "universe" and not value:
        raise ConfigError("option 'universe' is an empty list; give symbols, an index such as 'csi500', or 'all'")
    return tuple(value)


def check_words(key: str, value: Any) -> tuple[str, ...]:
    """Words as a list, or separated by commas."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"option '{key}' is {value!r}; it is a list of words")
    return tuple(one.strip() for one in value if one.strip())


def check_date(key: str, value: Any) -> dt.date | None:
    """A date, ISO text, or nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value)[:10] if type(value).__module__ == "numpy" else value)
    except (TypeError, ValueError):
        raise ConfigError(f"option '{key}' is {value!r}, which is no date; write it like 2012-01-31") from None


def check_number(key: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ConfigError(f"option '{key}' is {value!r}; it is a number")
    return float(value)


def check_cash(key: str, value: Any) -> float:
    """Yuan above 0."""
    amount = check_number(key, value)
    if amount <= 0:
        raise ConfigError(f"option 'cash' is {amount:g}; give the starting cash in yuan, above 0")
    return amount


def check_rate(key: str, value: Any) -> float:
    """An annual rate; one above 50 % is taken for a percentage that was meant as such."""
    rate = check_number(key, value)
    if abs(rate) > _HIGHEST_RATE:
        raise ConfigError(
            f"option '{key}' is {rate:g}, that is {rate * 100:g} % a year; it is a fraction, write 0.02 for 2 %"
        )
    return rate


def check_risk_free(key: str, value: Any) -> float | str:
    """An annual rate or ``cgb10y``."""
    if value == "cgb10y":
        return "cgb10y"
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ConfigError(f"option 'risk_free' is '{value}'; give a rate such as 0.02, or cgb10y") from None
    return check_rate(key, value)


def check_integer(key: str, value: Any) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"option '{key}' is {value!r}; it is a whole number")
    return int(value)


def check_one_of(choices: tuple[str, ...]) -> Callable[[str, Any], str]:
    """A check that the value is one of ``choices``."""

    def check(key: str, value: Any) -> str:
        if value not in choices:
            raise ConfigError(f"option '{key}' is {value!r}; {nearest(str(value), choices)}")
        return str(value)

    return check


# -- values and their TOML --------------------------------------------------------------------------


def plain(value: Any, where: str) -> Any:
    """A parameter as TOML can hold it."""
    if isinstance(value, list | tuple):
        return [plain(one, where) for one in value]
    if isinstance(value, Mapping):
        return {str(key): plain(one, where) for key, one in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if not isinstance(value, bool | int | float | str | dt.date):
        raise ConfigError(
            f"parameter '{where}' is {'not given' if value is None else 'a ' + type(value).__name__}; "
            "a configuration holds numbers, texts, dates, true, false and lists of them"
        )
    return value


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes what a basic string must escape, but for DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return value.isoformat() if isinstance(value, dt.date) else repr(value)


def toml_key(key: str) -> str:
    """A key as TOML, in quotes where it must be."""
    return key if _BARE_KEY.fullmatch(key) else toml(key)
