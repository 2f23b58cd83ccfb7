"""The source files of a plug-in: its own and, one after another, the modules beside it that it imports.

Found by reading the source, not by running it. A run's id hashes them, so that an edited plug-in is never
answered with an old run.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

_OURS = Path(__file__).resolve().parent.parent
_PACKAGES = ("engine", "feeds", "signals", "strategies", "huice")
_PLUGIN_ROOMS = ("signals", "strategies")
_PRIVATE = "_huice_plugin_"


def source_files(plugin: type | Path) -> list[tuple[Path, str]]:
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


def _imported(file: Path, root: Path) -> Iterator[Path]:
    """Files beside ``file`` or of our plug-in rooms that its import statements name."""
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _absolute(alias.name.split("."), root)
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            for alias in node.names:
                if node.level:
                    base = file.parents[node.level - 1] if node.level <= len(file.parents) else None
                    # Up to the root and no further: above it lies what is not the plug-in's.
                    if base is not None and (base.is_relative_to(root) or base.is_relative_to(_OURS)):
                        yield from _chain(base, [*parts, alias.name])
                else:
                    yield from _absolute([*parts, alias.name], root)


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
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != root]
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
