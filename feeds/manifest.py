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
from engine.files import write_beside
from feeds.fingerprint import Digests, fingerprint

FILE = "manifest.json"
FORMAT = 1

NO_FACTORS = "neither factors nor reference prices are given: dividends and splits look like losses"
"""The note of a feed whose source tells of no ex-date; a reader of any result on such bars must know."""


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
            entries = {str(file): dict(entry) for file, entry in found["files"].items()}
            for file, entry in entries.items():
                notes = dict(entry["parameters"]).get("notes", [])
                if not (isinstance(entry["sha256"], str) and isinstance(notes, list)):
                    raise ValueError(f"the entry of {file} is none")
            return cls(entries)
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


def source_notes(folder: Path) -> list[str]:
    """What the feed had to derive or leave out when it wrote the bars; [] where it said nothing."""
    try:
        entries = Manifest.read(folder).entries
    except DataError:
        return []
    found: dict[str, None] = {}
    for file, entry in entries.items():
        notes = entry["parameters"].get("notes", []) if file.startswith("daily_bars/") else []
        found |= dict.fromkeys(str(note) for note in notes)
    return list(found)


def contents(folder: Path) -> list[dict[str, Any]]:
    """What the tables of a store hold, from the heads of their files.

    Returns
    -------
    list of dict
        By table: ``table``, ``files``, ``rows``, ``bytes``, ``columns``, ``first`` and ``last`` (least and greatest
        value of the first column of days, "" where the file does not say) and ``source`` ("" without a manifest).

    Raises
    ------
    DataError
        If a file is no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    manifest = Manifest.read(folder)
    tables: dict[str, dict[str, Any]] = {}
    for file in tables_of(folder):
        try:
            about = pq.read_metadata(folder / file)
        except (OSError, pa.ArrowException) as error:
            detail = str(error).splitlines()[0]
            raise DataError(f"{file} cannot be read as Parquet ({detail}); write it again") from error
        name = file.partition("/")[0].removesuffix(".parquet")
        row = tables.setdefault(name, {"table": name, "files": 0, "rows": 0, "bytes": 0, "columns": about.num_columns,
                                       "first": "", "last": "", "source": ""})  # fmt: skip
        row["files"] += 1
        row["rows"] += about.num_rows
        row["bytes"] += (folder / file).stat().st_size
        row["source"] = str(manifest.entries.get(file, {}).get("source", ""))
        for day in _days(about):
            row["first"] = min(row["first"] or day, day)
            row["last"] = max(row["last"], day)
    return list(tables.values())


def _days(about: Any) -> list[str]:
    """Ends of the first column of days in each row group of a file, as its statistics have them."""
    import pyarrow as pa

    schema = about.schema.to_arrow_schema()
    days = [k for k, one in enumerate(schema) if pa.types.is_timestamp(one.type) or pa.types.is_date(one.type)]
    found = []
    for group in range(about.num_row_groups if days else 0):
        ends = about.row_group(group).column(days[0]).statistics
        if ends is not None and ends.has_min_max:
            found += [str(ends.min)[:10], str(ends.max)[:10]]
    return found


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
