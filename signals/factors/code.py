"""A digest of the code that a function runs, so that a change to one factor touches that factor alone."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.files import write_beside

_HERE = Path(__file__).resolve().parent
_SIGNALS = _HERE.parent
_BASE = ("panel.py", "packing.py", "recursions.py")
"""Files that every factor runs through; their bytes count as a whole."""


def code_digest(function: Callable[..., Any]) -> str:
    """Hash over the source of a function and of what it reaches in ``signals`` or in its own file.

    Followed are names in its code that are functions (compiled ones too), functions of modules (``kernels.mean``),
    classes, tables of functions, plain constants, default arguments and closed-over values. Other packages are left to
    the lock file.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    texts: dict[str, str] = {}
    own = getattr(function, "__module__", "")
    _visit(function, own, texts)
    whole = hashlib.sha256()
    for name in _BASE:
        whole.update((_HERE / name).read_bytes())
    for key in sorted(texts):
        whole.update(f"{key}\n{texts[key]}\n".encode())
    return whole.hexdigest()[:16]


class CodeDigests:
    """Digests of factors of the library, remembered for as long as no file of ``signals`` changes.

    Parameters
    ----------
    folder : Path
        Where to keep them; nothing is kept if it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        whole = hashlib.sha256()
        for path in sorted(_SIGNALS.rglob("*.py")):
            whole.update(path.name.encode() + path.read_bytes())
        self._file = folder / f"code-{whole.hexdigest()[:16]}.json"
        self._changed = False
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
            self._known: dict[str, str] = known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            self._known = {}

    def of(self, name: str, function: Callable[..., Any]) -> str:
        """Digest of a factor's function; one of a user's file is looked at each time."""
        if not str(getattr(function, "__module__", "")).startswith("signals."):
            return code_digest(function)
        if name not in self._known:
            self._known[name] = code_digest(function)
            self._changed = True
        return self._known[name]

    def remember(self) -> None:
        """Write what has been added."""
        if self._changed:
            with contextlib.suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_beside(self._file, json.dumps(self._known, sort_keys=True))
            self._changed = False


def _visit(value: Any, own: str, texts: dict[str, str]) -> None:
    kept = isinstance(value, functools._lru_cache_wrapper)
    function = value.__wrapped__ if kept else getattr(value, "py_func", value)
    if not isinstance(function, types.FunctionType):
        return
    module = function.__module__ or ""
    closed = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    given = [*closed, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    key = f"{module}.{function.__qualname__} {[_plain(one) for one in given]}"
    if key in texts or not (module == own or module.split(".")[0] == "signals"):
        return
    texts[key] = _source(function)
    for one in given:
        _visit(one, own, texts)
    names = set(_names(function.__code__))
    for name in sorted(names & function.__globals__.keys()):
        found = function.__globals__[name]
        if isinstance(found, types.ModuleType):
            if found.__name__.split(".")[0] == "signals" or found.__name__ == own:
                for inner in sorted(names & vars(found).keys()):
                    _reach(vars(found)[inner], f"{found.__name__}.{inner}", own, texts)
        else:
            _reach(found, f"{module}.{name}", own, texts)


@functools.cache
def _source(function: types.FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return function.__code__.co_code.hex()


def _reach(found: Any, key: str, own: str, texts: dict[str, str]) -> None:
    for one in _functions(found, own):
        _visit(one, own, texts)
    plain = _plain(found)
    if plain:
        texts[key] = plain


def _functions(value: Any, own: str) -> Iterator[Any]:
    """The functions in a value: itself, the methods of a class, those in a container or a dataclass."""
    if isinstance(value, type):
        if value.__module__ == own or value.__module__.split(".")[0] == "signals":
            for one in vars(value).values():
                yield getattr(one, "__func__", getattr(one, "fget", getattr(one, "func", one)))
    elif isinstance(value, dict):
        for one in value.values():
            yield from _functions(one, own)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from _functions(one, own)
    elif getattr(type(value), "__dataclass_fields__", None):
        for one in vars(value).values() if hasattr(value, "__dict__") else ():
            yield from _functions(one, own)
    else:
        yield value


def _plain(value: Any) -> str:
    """A constant as text; nothing for what has no text that is the same in every process."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_plain(k)}: {_plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_plain(one) for one in value) + "]"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(_plain(one) for one in value)) + "}"
    if isinstance(value, (int, float, str, bytes, bool)) or value is None:
        return repr(value)
    if isinstance(getattr(value, "py_func", value), types.FunctionType):
        return ""
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields:
        return type(value).__name__ + _plain({name: getattr(value, name) for name in fields})
    return ""


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
