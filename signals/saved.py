"""What a signal has learnt, on disk: arrays in one ``.npz``, all else in JSON; nothing that runs when it is read."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from engine.errors import ConfigError, SignalError
from engine.files import write_beside

if TYPE_CHECKING:
    from signals.base import Signal

FORMAT = 1
"""Version of the saved form."""

_FACTS = "__facts__"


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a fit has learnt.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Weights and the like; numbers, no objects.
    facts : dict
        All else, as JSON holds it: chosen parameters, curves, windows.
    """

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> Learnt:
        """What :meth:`joined` has put under ``name``."""
        head = f"{name}/"
        arrays = {key.removeprefix(head): value for key, value in self.arrays.items() if key.startswith(head)}
        return Learnt(arrays, self.facts[name])

    @staticmethod
    def joined(parts: Mapping[str, Learnt], **facts: Any) -> Learnt:
        """Several in one, each under its name."""
        arrays = {f"{name}/{key}": value for name, part in parts.items() for key, value in part.arrays.items()}
        return Learnt(arrays, {**{name: dict(part.facts) for name, part in parts.items()}, **facts})


def to_bytes(learnt: Learnt) -> bytes:
    """One ``.npz``, the same bytes for the same content.

    Raises
    ------
    SignalError
        If an array holds objects or the facts are nothing that JSON can hold.
    """
    arrays = {}
    for name in sorted(learnt.arrays):
        array = np.asarray(learnt.arrays[name])
        if array.dtype.hasobject:
            raise SignalError(f"what was learnt cannot be saved: '{name}' holds Python objects; keep arrays of numbers")
        arrays[name] = array
    try:
        facts = json.dumps(learnt.facts, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise SignalError(f"what was learnt cannot be saved: {error}; keep facts to numbers, texts and lists") from None
    arrays[_FACTS] = np.frombuffer(facts.encode(), dtype=np.uint8)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def from_bytes(content: bytes, what: str) -> Learnt:
    """Read what :func:`to_bytes` made; ``what`` names it in errors.

    Raises
    ------
    SignalError
        If it is damaged.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        facts = json.loads(arrays.pop(_FACTS).tobytes().decode())
        return Learnt(arrays, facts)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        short = next(iter(str(error).splitlines()), type(error).__name__)
        raise SignalError(f"{what} is damaged ({short}); delete it and fit again") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a folder that may not be there yet, beside the place first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(path, content)


def parameters_of(signal: Signal) -> dict[str, Any]:
    """Parameters as JSON holds them.

    Raises
    ------
    SignalError
        If one cannot be held.
    """
    values = signal.model_dump()
    try:
        return dict(json.loads(json.dumps(values, sort_keys=True)))
    except (TypeError, ValueError) as error:
        raise SignalError(
            f"{type(signal).__name__} has a parameter that JSON cannot hold ({error}); use numbers, texts and lists"
        ) from None


def save_signal(signal: Signal, folder: Path) -> Path:
    """See :meth:`signals.base.Signal.save`."""
    learnt = None if signal._learnt is None else to_bytes(signal._learnt)
    meta = {
        "format": FORMAT,
        "signal": type(signal).__name__,
        "parameters": parameters_of(signal),
        "learnt": None if learnt is None else hashlib.sha256(learnt).hexdigest(),
    }
    text = json.dumps(meta, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    try:
        if learnt is not None:
            write_bytes(folder / "learnt.npz", learnt)
        write_bytes(folder / "signal.json", text.encode())
    except OSError as error:
        raise SignalError(f"the signal cannot be saved into '{folder}' ({error.strerror}); choose another") from None
    return folder


AnySignal = TypeVar("AnySignal", bound="Signal")


def load_signal(cls: type[AnySignal], folder: Path) -> AnySignal:
    """See :meth:`signals.base.Signal.load`."""
    what = f"the saved signal in '{folder}'"
    try:
        meta = json.loads((folder / "signal.json").read_text(encoding="utf-8"))
        saved, name, parameters, digest = (meta[key] for key in ("format", "signal", "parameters", "learnt"))
    except FileNotFoundError:
        raise SignalError(f"there is no saved signal in '{folder}'; give a folder that save() has written") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SignalError(f"{what} is damaged ({error}); save it again") from None
    if saved != FORMAT:
        raise SignalError(f"{what} is of format {saved}, this version reads {FORMAT}; fit it again and save it")
    if name != cls.__name__:
        raise SignalError(f"{what} is a {name}; load it with {name}.load")
    try:
        signal = cls(**parameters)
    except (ConfigError, ValueError) as error:
        said = " ".join(str(error).split())
        raise SignalError(f"{what} does not fit this version of {name} ({said}); fit it again and save it") from None
    if digest is None:
        return signal
    try:
        content = (folder / "learnt.npz").read_bytes()
    except OSError as error:
        raise SignalError(f"{what} lacks its learnt.npz ({error.strerror}); fit it again and save it") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise SignalError(f"{what} is damaged (learnt.npz is not the file that was saved); fit it again and save it")
    return signal.having_learnt(from_bytes(content, what))
