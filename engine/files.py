"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to: renamed over it when the block ends, removed when the block fails.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_beside(path: Path, content: str | bytes) -> None:
    """Write bytes, or text as UTF-8 with the line ends it has, to ``path`` in one step."""
    with replacing(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
