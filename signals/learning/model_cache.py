"""Trained models and their outputs on disk, by content: configuration, data, code and seed make the key."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from engine.errors import SignalError
from engine.plugins import source_digest
from feeds.sources import cache_folder
from signals.saved import FORMAT, Learnt, from_bytes, to_bytes, write_bytes


def key_of(**parts: Any) -> str:
    """A hash of everything that decides a result, 32 hexadecimal digits; parts are what JSON can hold."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@functools.lru_cache(maxsize=256)
def code_of(cls: type) -> str:
    """Hash of a signal's own code and of what it imports of ours, read once in a process."""
    return source_digest(cls)


class ModelCache:
    """Results kept between runs; each is one file, there whole or not at all.

    Parameters
    ----------
    folder : Path, optional
        By default the folder that ``HUICE_MODELS`` names, or ``models`` in Huice's cache.

    Attributes
    ----------
    hits, misses : int
        Answers of :meth:`get` so far.
    """

    def __init__(self, folder: Path | None = None) -> None:
        named = os.environ.get("HUICE_MODELS")
        self.folder = Path(folder or named or cache_folder() / "models")
        self.hits = self.misses = 0

    def path(self, key: str) -> Path:
        """Where a result lies."""
        return self.folder / key[:2] / f"{key}.npz"

    def get(self, key: str) -> Learnt | None:
        """A result; None if there is none.

        Raises
        ------
        SignalError
            If its file is damaged.
        """
        path = self.path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            self.misses += 1
            return None
        except OSError as error:
            raise SignalError(f"the cached model '{path}' cannot be read ({error.strerror}); delete it") from None
        self.hits += 1
        return from_bytes(content, f"the cached model '{path}'")

    def put(self, key: str, learnt: Learnt) -> None:
        """Keep a result.

        Raises
        ------
        SignalError
            If it cannot be written.
        """
        try:
            write_bytes(self.path(key), to_bytes(learnt))
        except OSError as error:
            raise SignalError(
                f"the model cache cannot be written into '{self.folder}' ({error.strerror}); "
                "set HUICE_CACHE to a folder that can be written"
            ) from None
