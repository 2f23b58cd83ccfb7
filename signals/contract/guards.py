"""What the contract suite watches with: parameters, what a constructor opens, an empty cache of models."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def parameters(signal: Any) -> dict[str, Any]:
    """A signal's parameters as they are."""
    if hasattr(type(signal), "model_fields"):
        return {name: getattr(signal, name) for name in type(signal).model_fields}
    from engine.plugins import parameter_names

    return {name: getattr(signal, name) for name in parameter_names(type(signal)) if hasattr(signal, name)}


def line_of(error: BaseException) -> str:
    """The last line outside this package that an error went through."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if not file.is_relative_to(Path(__file__).parents[1]):
            found = f" at line {trace.tb_lineno} of {file.name}"
        trace = trace.tb_next
    return found


@contextlib.contextmanager
def fresh_cache() -> Iterator[None]:
    """An empty cache of models, so that everything is trained; data stay where they are."""
    before = os.environ.get("HUICE_MODELS")
    with tempfile.TemporaryDirectory() as place:
        os.environ["HUICE_MODELS"] = place
        try:
            yield
        finally:
            os.environ.pop("HUICE_MODELS")
            if before is not None:
                os.environ["HUICE_MODELS"] = before


_watching: list[list[str]] = []
_hooked = False


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """Files, sockets and processes that are opened inside."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_heard)
        _hooked = True
    opened: list[str] = []
    _watching.append(opened)
    try:
        yield opened
    finally:
        _watching.pop()


def _heard(event: str, details: tuple[Any, ...]) -> None:
    if _watching and event in ("open", "socket.connect", "subprocess.Popen"):
        _watching[-1].append(str(details[0] if event != "socket.connect" else details[1]))
