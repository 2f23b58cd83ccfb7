"""The manifest of a store: where each file came from, when, how many rows, and the hash of its bytes.

``manifest.json`` lies beside the tables. It is for readers and for ``scripts/data.py check``; what a run records is
the hash of the tables themselves (:mod:`feeds.fingerprint`), so a lost manifest changes no result.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import DataError
from feeds.fingerprint import Digests, fingerprint, write_beside

FILE = "manifest.json"
FORMAT = 1


def now() -> str:
    """This moment as ``2026-11-21T13:00:00Z``; the one that ``SOURCE_DATE_EPOCH`` names where it is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = dt.datetime.fromtimestamp(int(epoch), dt.UTC) if epoch.isdecimal() else dt.datetime.now(dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def tables_of(folder: Path) -> list[str]:
    """Parquet files of a store, relative to it, sorted; links that lead out of the folder are no tables."""
    root = folder.resolve()
    found = (*folder.glob("*.parquet"), *folder.glob("daily_bars/*.parquet"))
    inside = (path for path in found if path.is_file() and path.resolve().is_relative_to(root))
    return sorted(path.relative_to(folder).as_posix() for path in inside)


class Manifest:
    """The entries of a store's manifest by file.

    Attributes
    ----------
    entries : dict of str to dict
        By file (``daily_bars/2020.parquet``): ``source`` (name of the feed), ``parameters``, ``time`` (of writing,
        UTC), ``rows``, ``columns``, ``sha256``.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.entries = {file: dict(entry) for file, entry in (entries or {}).items()}

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder; an empty one where there is none.

        Raises
        ------
        DataError
            If the file is no manifest of this version.
        """
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}, expected {FORMAT}")
            return cls({str(file): dict(entry) for file, entry in found["files"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{FILE} cannot be read ({error}); delete it, the tables do not need it") from error

    @property
    def fingerprint(self) -> str:
        """One hash over all files."""
        return fingerprint({file: str(entry["sha256"]) for file, entry in self.entries.items()})

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` beside and rename it."""
        content = {"format": FORMAT, "fingerprint": self.fingerprint, "files": dict(sorted(self.entries.items()))}
        write_beside(folder / FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def record(self, folder: Path, file: str, source: str, parameters: Mapping[str, Any], time: str) -> None:
        """Describe a file that has been written.

        Parameters
        ----------
        folder : Path
        file : str
            Relative to the folder.
        source : str
            Name of the feed.
        parameters : mapping
            What the feed was asked for; JSON-able, without machine paths.
        time : str
            As :func:`now` gives it.
        """
        import pyarrow.parquet as pq

        about = pq.read_metadata(folder / file)
        self.entries[file] = {
            "source": source,
            "parameters": dict(parameters),
            "time": time,
            "rows": about.num_rows,
            "columns": about.schema.to_arrow_schema().names,
            "sha256": Digests(None).of(folder / file),
        }

    def changed(self, folder: Path) -> dict[str, str]:
        """Files that are not as the manifest says: "missing", "changed" or "not in the manifest"."""
        known = Digests(None)
        there = tables_of(folder)
        found = {file: "not in the manifest" for file in there if file not in self.entries}
        for file, entry in self.entries.items():
            if file not in there:
                found[file] = "missing"
            elif known.of(folder / file) != entry["sha256"]:
                found[file] = "changed"
        return dict(sorted(found.items()))


def describe(folder: Path, source: str, parameters: Mapping[str, Any]) -> Manifest:
    """Write the manifest of a folder whose tables one feed has just written.

    Parameters
    ----------
    folder : Path
    source : str
    parameters : mapping
    """
    manifest, time = Manifest(), now()
    for file in tables_of(folder):
        manifest.record(folder, file, source, parameters, time)
    manifest.write(folder)
    return manifest
