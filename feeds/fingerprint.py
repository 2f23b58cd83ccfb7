"""Content hashes of data files: equal bytes give an equal fingerprint, wherever the folder lies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

from engine.files import write_beside

_SETTLED_NS = 2_000_000_000  # a file younger than this may change again within one tick of its time stamp


class Digests:
    """SHA-256 of files, remembered by path, size and modification time.

    Parameters
    ----------
    memory : Path or None
        JSON file that remembers digests between processes; None remembers nothing. A memory that cannot
        be read or written is done without.
    """

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        self._changed = False
        if memory is not None:
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(memory.read_text(encoding="utf-8"))
                self._known = known if isinstance(known, dict) else {}

    def of(self, path: Path) -> str:
        """Hexadecimal SHA-256 of the file's bytes.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        state = path.stat()
        name = str(path.resolve())
        known = self._known.get(name)
        if isinstance(known, list) and len(known) == 3 and known[:2] == [state.st_size, state.st_mtime_ns]:
            return str(known[2])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - state.st_mtime_ns > _SETTLED_NS:
            self._known[name] = [state.st_size, state.st_mtime_ns, digest]
            self._changed = True
        return digest

    def remember(self) -> None:
        """Write the memory if it has changed."""
        if self._memory is None or not self._changed:
            return
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_beside(self._memory, json.dumps(self._known, indent=0, sort_keys=True))
        self._changed = False


def fingerprint(digests: Mapping[str, str]) -> str:
    """One hash over the names and digests of several files.

    Parameters
    ----------
    digests : mapping of str to str
        SHA-256 by file name relative to the data folder.
    """
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()
