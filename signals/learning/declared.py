"""What the factors of a signal declare, remembered so that a run that computes none does not load the library.

Loading it brings Numba, and digesting the code that the factors reach takes as long again. Both can only change with a
file of ours; where a user's file has declared factors too, all is looked at anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.files import write_beside
from feeds.sources import cache_folder


@dataclass(frozen=True)
class Declared:
    """Of all factors together.

    Attributes
    ----------
    lookback : int or None
        Sessions that they read, half as many again as their bars, because a stock may have been halted; None: all.
    code : str
        Digest of the code that they run.
    """

    lookback: int | None
    code: str


def declared(factors: tuple[str, ...]) -> Declared:
    """What factors, families or papers of the library declare.

    Raises
    ------
    ConfigError
        If there is no factor of a name.
    """
    from signals.factors.registry import of_users

    file = cache_folder() / "factors" / f"declared-{our_code()}.json"
    known: dict[str, dict[str, int | str | None]] = {}
    if not of_users():
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(file.read_text(encoding="utf-8"))
    key = " ".join(factors)
    with contextlib.suppress(KeyError, TypeError):
        return Declared(**known[key])  # type: ignore[arg-type]
    found = _looked_at(factors)
    if not of_users():
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_beside(file, json.dumps({**known, key: asdict(found)}, sort_keys=True))
    return found


def _looked_at(factors: tuple[str, ...]) -> Declared:
    from signals.factors.code import CodeDigests
    from signals.factors.registry import select

    chosen = select(factors)
    digests = CodeDigests(cache_folder() / "factors")
    code = hashlib.sha256("".join(digests.of(one.name, one.compute) for one in chosen).encode()).hexdigest()
    digests.remember()
    bars = [one.lookback for one in chosen]
    longest = None if None in bars else max((bar + bar // 2 for bar in bars if bar is not None), default=1)
    return Declared(longest, code)


@functools.cache
def our_code() -> str:
    """Hash of all of our code that runs between the tables and a score; 32 hexadecimal digits."""
    root = Path(__file__).resolve().parents[2]
    total = hashlib.blake2b(digest_size=16)
    for room in ("engine", "feeds", "signals"):
        for file in sorted((*(root / room).rglob("*.py"), *(root / room).rglob("*.csv"))):
            total.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return total.hexdigest()
