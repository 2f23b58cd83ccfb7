"""The files of a plug-in: loading one by path, and all sources that decide what it does.

The sources are its own file and, one after another, the modules beside it that it imports, found by reading
and not by running. A run's id hashes them, so that an edited plug-in is never answered with an old run.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from engine.errors import ConfigError, HuiceError

_OURS = Path(__file__).resolve().parent.parent
_PACKAGES = ("engine", "feeds", "signals", "strategies", "huice")
_PLUGIN_ROOMS = ("signals", "strategies")
_PRIVATE = "_huice_plugin_"

_APPENDED: set[Path] = set()
"""Folders that :func:`append_to_path` has put on the path."""

_LOADED: dict[Path, str] = {}
"""Digest of each source file when a plug-in that needs it was last loaded."""

_PARSING = threading.Lock()
"""CPython 3.11 counts the depth of syntax trees for all threads together and fails where two are built at once."""


def spec_of(cls: type) -> str | None:
    """How another process finds a plug-in's class: ``module:Class`` of ours, ``path.py:Class`` of a user; None: not."""
    module = sys.modules.get(cls.__module__)
    names = [name for name, value in vars(module).items() if value is cls] if module is not None else []
    if not names:
        return None
    if cls.__module__.split(".")[0] in _PLUGIN_ROOMS:
        return f"{cls.__module__}:{names[0]}"
    file = getattr(module, "__file__", None)
    return f"{file}:{names[0]}" if file and str(file).endswith(".py") else None


def append_to_path(folder: Path) -> None:
    """Let imports find modules in ``folder`` after everywhere else, so that nothing there shadows anything."""
    _APPENDED.add(folder.resolve())
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def load(what: str, path: Path) -> ModuleType:
    """Load a file under a private name; once, until it or a module beside it changes."""
    path = path.resolve()
    name = f"{_PRIVATE}{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    append_to_path(path.parent)
    try:
        files = sources(path)
        digest = digest_of(files)
    except (SyntaxError, ValueError, OSError) as error:
        raise ConfigError(f"{what} cannot be loaded: {reason(error, path)}") from None
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__huice_digest__", None) == digest:
        return loaded
    now = {source: digest_of([(source, "")]) for source, _ in files}
    changed = any(_LOADED.get(source, value) != value for source, value in now.items())
    # Two plug-ins of one folder share the modules beside them, until one of these is edited.
    _forget(name, list(now) if changed else [])
    _refuse_namesakes(what, path.parent, list(now))
    # With a search location it is a package, and `from .helper import x` finds the file beside it.
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    importlib.invalidate_caches()
    try:
        # Compiled here: the loader would take a stale .pyc for a file changed twice within a second.
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except HuiceError:
        _forget(name, [])
        raise
    except (Exception, SystemExit) as error:
        _forget(name, [])
        raise ConfigError(f"{what} cannot be loaded: {reason(error, path)}") from error
    module.__huice_digest__ = digest  # type: ignore[attr-defined]
    _LOADED.update(now)
    return module


def _forget(name: str, beside: list[Path]) -> None:
    """Drop a plug-in's module, its submodules, and the modules beside it that were imported by name."""
    files = {str(path) for path in beside if not any(path.is_relative_to(_OURS / room) for room in _PACKAGES)}
    for key, module in list(sys.modules.items()):
        if key == name or key.startswith(f"{name}.") or getattr(module, "__file__", None) in files:
            del sys.modules[key]


def _refuse_namesakes(what: str, folder: Path, files: Iterable[Path]) -> None:
    """A module beside this plug-in must not be answered by another plug-in's of the same name."""
    beside = (file for file in files if file.is_relative_to(folder))
    tops = {parts[0] for file in beside for level, parts in _imports(file) if not level}
    for top in sorted(top for top in tops if top not in _PACKAGES and _is_beside(top, folder)):
        spec = importlib.machinery.PathFinder.find_spec(top)
        for other in (getattr(sys.modules.get(top), "__file__", None), spec and spec.origin):
            if other and not Path(other).resolve().is_relative_to(folder):
                raise ConfigError(
                    f"{what} imports '{top}' from beside it, but Python takes {other} for it; rename one of them, "
                    f"or write `from .{top} import ...`"
                )


def reason(error: BaseException, path: Path | None = None) -> str:
    """An error in a plug-in's file as half a sentence, with its line."""
    if isinstance(error, SyntaxError) and error.lineno:
        where = "" if path is None or error.filename in (None, str(path)) else f" of {Path(error.filename).name}"
        return f"line {error.lineno}{where} is no Python ({error.msg})"
    line, trace = 0, error.__traceback__
    while trace is not None:
        if path is not None and trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    first = next(iter(str(error).splitlines()), "")
    return f"{f'line {line} raised ' if line else ''}{type(error).__name__}{f' ({first})' if first else ''}"


def sources(plugin: type | Path) -> list[tuple[Path, str]]:
    """Files whose bytes decide what a plug-in does.

    The plug-in's own file and, recursively, what it imports from beside it: modules in the folder that its
    absolute imports start from, relative imports, and our own ``signals`` and ``strategies`` (``engine`` is
    covered by Huice's version). A name that Python would find elsewhere (the standard library, an installed
    package, one of ours) is not beside it.

    Parameters
    ----------
    plugin : type or Path
        A resolved plug-in class, or the path of a file.

    Returns
    -------
    list of (Path, str)
        Each file and its name relative to where its imports start from, in order of the name.

    Raises
    ------
    SyntaxError
        If a file is no Python.
    """
    if isinstance(plugin, Path):
        file, root = plugin.resolve(), plugin.resolve().parent
    else:
        module = sys.modules.get(plugin.__module__)
        origin = getattr(module, "__file__", None)
        if origin is None:  # made in a notebook or at a prompt: there is no file
            return []
        file = Path(origin).resolve()
        own = plugin.__module__.startswith(_PRIVATE)
        depth = 0 if own else plugin.__module__.count(".") + (file.name == "__init__.py")
        root = file.parents[depth]
    found = {file: _relative(file, root)}
    waiting = [file]
    while waiting:
        for path in _imported(waiting.pop(), root):
            if path not in found:
                found[path] = _relative(path, root)
                waiting.append(path)
    return sorted(found.items(), key=lambda item: (item[1], str(item[0])))


def digest_of(files: Iterable[tuple[Path, str]]) -> str:
    """SHA-256 over the relative names and the bytes, as 64 hex digits."""
    total = hashlib.sha256()
    for path, name in files:
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _relative(path: Path, root: Path) -> str:
    for base in (root, _OURS):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.name


def _imports(file: Path) -> tuple[tuple[int, list[str]], ...]:
    """Level and dotted name of each import statement; the last part may be no module but a name in one."""
    return _imports_in(file.read_bytes(), str(file))


@functools.lru_cache(maxsize=1024)  # several plug-ins of a run share most of their files
def _imports_in(content: bytes, name: str) -> tuple[tuple[int, list[str]], ...]:
    found: list[tuple[int, list[str]]] = []
    with _PARSING:
        tree = ast.parse(content, name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            found += [(node.level, [*parts, alias.name]) for alias in node.names]
    return tuple(found)


def _imported(file: Path, root: Path) -> Iterator[Path]:
    """Files beside ``file`` or of our plug-in rooms that its import statements name."""
    for level, parts in _imports(file):
        if not level:
            yield from _absolute(parts, root)
        elif level <= len(file.parents):
            base = file.parents[level - 1]
            # Up to the root and no further: above it lies what is not the plug-in's.
            if base.is_relative_to(root) or base.is_relative_to(_OURS):
                yield from _chain(base, parts)


def _absolute(parts: list[str], root: Path) -> Iterator[Path]:
    top = parts[0]
    if top in _PLUGIN_ROOMS:
        yield from _chain(_OURS, parts)
    elif top not in _PACKAGES and _is_beside(top, root):
        yield from _chain(root, parts)


def _is_beside(top: str, root: Path) -> bool:
    """Whether Python would take ``top`` from ``root``, which stands last on the path."""
    if root == _OURS or top in sys.stdlib_module_names:
        return False
    if root in {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}:
        return False  # an installed plug-in: everything lies beside it there
    if not ((root / f"{top}.py").is_file() or (root / top).is_dir()):
        return False
    # Other plug-ins' folders do not count here: a name that both have is refused when it is loaded.
    places = [(entry, Path(entry or ".").resolve()) for entry in sys.path]
    elsewhere = [entry for entry, place in places if place != root and place not in _APPENDED]
    spec = importlib.machinery.PathFinder.find_spec(top, elsewhere)
    return spec is None or spec.origin is None or Path(spec.origin).resolve().is_relative_to(root)


def _chain(base: Path, parts: list[str]) -> Iterator[Path]:
    """Files that importing ``parts`` from ``base`` runs: packages on the way, and the module."""
    for part in parts:
        package, module = base / part / "__init__.py", base / f"{part}.py"
        if package.is_file():
            yield package.resolve()
        elif module.is_file():
            yield module.resolve()
            return
        elif not (base / part).is_dir():
            return
        base = base / part
