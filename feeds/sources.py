"""What ``data`` stands for: a folder of tables, one in another layout, the synthetic market, a feed plug-in.

All but the first are written into the cache as the store's tables on their first use.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from engine.errors import DataError, nearest
from feeds.file_feed import FileFeed
from feeds.fingerprint import Digests
from feeds.manifest import describe


def cache_folder(cache: Path | None = None) -> Path:
    """The folder of caches: the argument, else ``HUICE_CACHE``, else ``.huice/cache`` here."""
    return Path(cache) if cache is not None else Path(os.environ.get("HUICE_CACHE") or Path(".huice") / "cache")


def data_folder(data: str, cache: Path | None = None) -> Path:
    """The folder of tables that ``data`` stands for.

    A synthetic market, a folder in another layout and what a feed plug-in makes are written into the cache on
    their first use.

    Parameters
    ----------
    data : str
        As for :func:`open_market`: a folder, ``synthetic[:key=value,...]``, or ``name[:key=value,...]`` of a feed
        that is an entry point of ``huice.feeds``.
    cache : Path, optional
        See :func:`cache_folder`.

    Raises
    ------
    ConfigError, DataError
        If there is no such folder or market.
    """
    from feeds.synthetic_feed import is_spec

    place = cache_folder(cache)
    if is_spec(data):
        return _synthetic(data, place)
    folder = Path(data)
    if folder.is_dir():
        from feeds.foreign import is_store

        return folder if is_store(folder) else _converted(folder, place)
    return _from_plugin(data, place)


def _synthetic(data: str, place: Path) -> Path:
    from feeds.synthetic_feed import parse_spec, write_synthetic

    config = parse_spec(data)
    total = hashlib.sha256(config.spec.encode())
    for source in sorted(Path(__file__).parent.glob("synthetic_*.py")):
        total.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    folder = place / f"synthetic-{total.hexdigest()[:24]}"

    def write(beside: Path) -> None:
        write_synthetic(beside, **{field.name: getattr(config, field.name) for field in fields(config)})
        describe(beside, "synthetic", {"spec": config.spec})

    return _made(folder, write, "synthetic market")


def _converted(folder: Path, place: Path) -> Path:
    """A folder in another layout as tables, keyed by the content of its files."""
    from feeds.convert import content, convert
    from feeds.foreign import known_layout

    known = Digests(place / "digests.json")
    found = content(folder, known)
    if not found:
        raise DataError(
            f"the data folder '{folder}' has no file 'calendar.parquet' and no other bars, which this needs; add them"
        )
    layout = known_layout(folder)
    known.remember()
    target = place / f"files-{found[:24]}"

    def write(beside: Path) -> None:
        convert(folder, beside, layout)

    return _made(target, write, "tables")


def _from_plugin(data: str, place: Path) -> Path:
    """What a feed of an entry point writes; keyed by its parameters, its source and its ``version()`` if it has one."""
    from engine import plugins
    from engine.config_values import parse_value
    from feeds.synthetic_feed import SCHEME

    name, _, rest = data.partition(":")
    if name not in plugins.names("feed"):
        if os.sep not in data and nearest(name, [SCHEME]).startswith("did"):
            raise DataError(f"there is no data folder '{data}'; did you mean '{SCHEME}'?")
        FileFeed(Path(data))  # says that there is no such folder
    cls = plugins.resolve("feed", name)
    pairs = dict(part.partition("=")[::2] for part in rest.split(",") if part.strip())
    params = {key.strip(): parse_value(value.strip()) for key, value in pairs.items()}
    plugins.check_parameters("feed", name, params)
    made = cls(**params)
    version = made.version() if callable(getattr(made, "version", None)) else ""
    identity = json.dumps([name, params, str(version), plugins.source_digest(cls)], sort_keys=True, default=str)
    folder = place / f"feed-{hashlib.sha256(identity.encode()).hexdigest()[:24]}"
    return _made(folder, made.write, f"data of feed '{name}'")


def _made(folder: Path, write: Callable[[Path], None], what: str) -> Path:
    """A folder of the cache, written if it is not there."""
    if not folder.is_dir():
        try:
            write_folder(folder, write)
        except OSError as error:
            if not folder.is_dir():  # another process may have put it there meanwhile
                raise DataError(
                    f"the {what} cannot be written into '{folder.parent}' ({error.strerror}); "
                    "set HUICE_CACHE to a folder that can be written"
                ) from error
    return folder


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder beside and put it in place of ``folder`` when it is complete."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        write(beside)
        try:
            beside.rename(folder)
        except OSError:  # a spoilt folder is in the way
            shutil.rmtree(folder, ignore_errors=True)
            beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
