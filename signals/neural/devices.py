"""Where a network is trained: device, one thread, and whether bfloat16 is faster there."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from engine.errors import ConfigError, DataError

GAIN = 1.2
"""bfloat16 is taken if a step in float32 takes at least this many times as long."""
WORTH = 100
"""Optimizer steps that must lie ahead for a probe to be worth its time."""


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: with more, sums over a batch are split by threads and the bits change."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_subnormals() -> Iterator[None]:
    """Numbers below 1e-38 are 0 inside: a processor takes many times as long for them.

    A network whose units are saturated (a learning rate of 1) has gradients of nothing else, and trains in a fifth of
    the time without them.
    """
    before = (torch.tensor([1e-39]) * 1.0).item() == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """One thread without subnormal numbers, and on a GPU the library's repeatable kernels in full float32."""
    with one_thread(), no_subnormals():
        if device.type != "cuda":
            yield
        else:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
                yield


def find_device(wanted: str = "auto") -> torch.device:
    """The device that is meant: ``auto`` is a GPU when there is one.

    Raises
    ------
    ConfigError
        If ``cuda`` is asked for and there is no GPU that torch can use.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ConfigError("device 'cuda' is asked for, but torch finds no GPU here; use device = 'auto' or 'cpu'")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def probe(step: Callable[[bool], Any], device: torch.device) -> dict[str, float]:
    """Seconds of a training step in either precision, the least of three.

    Parameters
    ----------
    step : callable
        Runs one step forward and backward, in bfloat16 if its argument is true.
    device : torch.device
        CPU seconds are measured on a CPU, where another process may be at work too; elapsed ones on a GPU.
    """

    def seconds(half: bool, times: int) -> float:
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        began = clock()
        for _ in range(times):
            step(half)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (clock() - began) / times

    seconds(False, 1)
    full = seconds(False, 1)
    if seconds(True, 1) > 6.0 * full + 0.01:  # some builds have no kernels for it
        return {"float32": full, "bfloat16": float("inf")}
    times = max(1, min(20, int(0.01 / max(full, 1e-6))))
    rounds = [(seconds(False, times), seconds(True, times)) for _ in range(3)]
    return {"float32": min(a for a, _ in rounds), "bfloat16": min(b for _, b in rounds)}


_ANSWERS: dict[str, str] = {}
"""Of this process, by key."""


def faster_precision(
    step: Callable[[bool], Any], device: torch.device, case: dict[str, Any], folder: Path | None = None
) -> str:
    """``bfloat16`` if a probe shows it faster by :data:`GAIN`, else ``float32``; asked once a machine and case.

    A probe's answer may differ from one time to the next where the two are close, and the bits of the weights with
    it. So the first answer stands: for this process, and with ``folder`` for every process that names it.

    Parameters
    ----------
    step, device
        As for :func:`probe`.
    case : dict
        What the answer depends on (network, sizes, batch), JSON-able.
    folder : Path, optional
        Where answers are kept.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    case = case | {"torch": torch.__version__, "device": _device_name(device)}
    key = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:24]
    file = None if folder is None else Path(folder) / f"precision-{key}.json"
    known = _read(file) or _ANSWERS.get(key)
    if known is None:
        took = probe(step, device)
        known = "bfloat16" if took["float32"] >= GAIN * took["bfloat16"] else "float32"
    if file is not None and _read(file) is None:
        known = _keep(file, known)
    _ANSWERS[key] = known
    return known


def _read(file: Path | None) -> str | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        if file is not None:
            found = json.loads(file.read_text())["precision"]
            return found if found in ("float32", "bfloat16") else None
    return None


def _keep(file: Path, answer: str) -> str:
    """Write an answer unless another process was first; the answer that stands."""
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"precision": answer}) + "\n")
        try:
            os.link(beside, file)  # fails if the file is there, which a rename would not
        except FileExistsError:
            standing = _read(file)
            if standing is not None:
                return standing
            os.replace(beside, file)
        except OSError:  # a file system without links
            os.replace(beside, file)
        return answer
    except OSError as error:
        raise DataError(
            f"the answer of the precision probe cannot be written into '{file.parent}' ({error.strerror}); "
            "set HUICE_CACHE to a folder that can be written, or precision = 'float32'"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    text = ""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        text = "\n".join(row for row in lines if row.startswith(("model name", "flags")))
    return hashlib.sha256(f"{platform.machine()}\n{text}".encode()).hexdigest()[:16]
