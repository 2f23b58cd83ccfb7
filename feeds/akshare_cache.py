"""Raw frames on disk: what a source once said is kept for good, with where, when and how much.

A frame is ``raw/<function>/<key>.<day>.<digits of its hash>.parquet`` and its record the same name with ``.json``; both
are written beside and renamed, the record last. A frame without its record does not count, and no frame is written
over another: what a new one replaces is named in its record and goes afterwards. So a fetch that is killed at any
point leaves whole frames behind, each once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import DataError
from engine.files import write_beside

if TYPE_CHECKING:
    import pandas as pd

_FUNCTION = re.compile(r"[a-z][a-z0-9_]{2,60}", re.ASCII)
_FORMAT = 1
SEEN = "_seen"
"""Column of merged frames: the day on which a row was first seen, as text."""

DATES = ("start_date", "end_date")
"""Arguments that say which part of a history is asked for."""


@dataclass(frozen=True)
class Record:
    """What is known of one raw frame.

    Attributes
    ----------
    function : str
    arguments : dict of str to str
    day : date
        On which it was fetched: the day its content was first seen.
    checked : date
        Last day on which the source said the same.
    rows : int
    sha256 : str
        Of the Parquet file.
    path : Path
    """

    function: str
    arguments: Mapping[str, str]
    day: dt.date
    checked: dt.date
    rows: int
    sha256: str
    path: Path


class RawCache:
    """The raw frames under one folder.

    Parameters
    ----------
    folder : Path
        Made on the first write.
    now : callable
        Wall-clock time for the records, aware of its zone.
    """

    def __init__(self, folder: Path, now: Any = None) -> None:
        self.folder = folder
        self._now = now or (lambda: dt.datetime.now(dt.UTC))
        self._index: dict[str, dict[str, list[Record]]] = {}
        self._groups: dict[str, dict[str, dict[Path, Record]]] = {}

    def records(self, function: str, arguments: Mapping[str, str]) -> list[Record]:
        """Records of a call, oldest first; only those whose frames are there."""
        return list(self._of(function).get(key_of(arguments), ()))

    def windows(self, function: str, arguments: Mapping[str, str]) -> list[Record]:
        """Records of a call with dates, whatever its dates, in the order in which they were fetched."""
        self._of(function)
        found = self._groups[function].get(_group(arguments), {})
        return sorted(found.values(), key=lambda r: (r.day, [r.arguments.get(name, "") for name in DATES[::-1]]))

    def all_records(self, function: str) -> list[Record]:
        """Records of all calls of a function, by arguments and day."""
        found = [record for records in self._of(function).values() for record in records]
        return sorted(found, key=lambda r: (json.dumps(r.arguments, sort_keys=True), r.day))

    def functions(self) -> list[str]:
        """Functions that have frames, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and _FUNCTION.fullmatch(p.name))

    def read(self, record: Record) -> pd.DataFrame:
        """The frame of a record.

        Raises
        ------
        DataError
            If its bytes are not those that were written.
        """
        import io

        import pandas as pd

        try:
            body = record.path.read_bytes()
        except OSError as error:
            raise DataError(f"{record.path.name} cannot be read ({error.strerror}); delete its record") from error
        if hashlib.sha256(body).hexdigest() != record.sha256:
            raise DataError(
                f"raw/{record.function}/{record.path.name} is not what was fetched; delete it and fetch again"
            )
        return pd.read_parquet(io.BytesIO(body))

    def put(
        self,
        function: str,
        arguments: Mapping[str, str],
        day: dt.date,
        frame: pd.DataFrame,
        replaces: Sequence[Record] = (),
    ) -> Record:
        """Write a frame and its record; a frame equal to the last one only moves that one's ``checked``.

        Parameters
        ----------
        function : str
        arguments : mapping
        day : date
        frame : DataFrame
        replaces : sequence of Record
            What the new frame holds as well; an earlier frame of the same call and day goes too.
        """
        if not _FUNCTION.fullmatch(function):
            raise DataError(f"'{function}' is no name of a function")
        body = _parquet(frame)
        sha = hashlib.sha256(body).hexdigest()
        known = self.records(function, arguments)
        place = self.folder / function
        place.mkdir(parents=True, exist_ok=True)
        first = day
        if known and known[-1].sha256 == sha and known[-1].path.is_file():
            first = known[-1].day
        name = f"{key_of(arguments)}.{first:%Y%m%d}.{sha[:12]}"
        path = place / f"{name}.parquet"
        record = Record(function, dict(arguments), first, day, len(frame), sha, path)
        gone = {r.path: r for r in (*replaces, *(r for r in known if r.day == first)) if r.path != path}
        write_beside(path, body)
        about = {
            "format": _FORMAT,
            "source": f"akshare.{function}",
            "arguments": dict(sorted(arguments.items())),
            "day": str(first),
            "checked": str(day),
            "time": self._now().isoformat(timespec="seconds"),
            "rows": len(frame),
            "sha256": sha,
            "replaces": sorted(old.stem for old in gone),
        }
        write_beside(place / f"{name}.json", json.dumps(about, ensure_ascii=False, indent=1) + "\n")
        records = self._of(function).setdefault(key_of(arguments), [])
        records[:] = sorted([r for r in records if r.path != path] + [record], key=lambda r: r.day)
        self._groups[function].setdefault(_group(arguments), {})[path] = record
        for old in gone.values():
            self._forget(old)
        return record

    def merge(self, function: str, arguments: Mapping[str, str], key: str, day: dt.date) -> None:
        """Make one frame of all frames of a call, whatever their dates, so that daily updates do not pile up.

        Each row keeps the day on which it was first seen in the column :data:`SEEN`; of a row that did not change
        only the first version stays. The old frames go when the new one is there.

        Parameters
        ----------
        function : str
        arguments : mapping
            Those of the newest call.
        key : str
            Column that tells the rows of one frame apart.
        day : date
            Under which the new frame is filed.
        """
        import pandas as pd

        old = self.windows(function, arguments)
        frames = [(record, self.read(record)) for record in old]
        parts = [frame if SEEN in frame else frame.assign(**{SEEN: str(r.day)}) for r, frame in frames if len(frame)]
        if not parts:
            return
        rows = pd.concat(parts, ignore_index=True)
        rows = rows.assign(_key=rows[key].astype(str)).sort_values(["_key", SEEN], kind="stable", ignore_index=True)
        texts = rows.drop(columns=SEEN).astype(str)
        same = (texts == texts.shift()).all(axis=1)
        whole = dict(arguments)
        for name, choose in zip(DATES, (min, max), strict=True):
            if name in whole:
                whole[name] = choose(record.arguments[name] for record in old)
        self.put(function, whole, day, rows[~same].drop(columns="_key"), replaces=old)

    def _forget(self, record: Record) -> None:
        records = self._of(record.function).get(key_of(record.arguments), [])
        records[:] = [r for r in records if r.path != record.path]
        self._groups[record.function][_group(record.arguments)].pop(record.path, None)
        _remove(record.path)

    def drop(self, function: str, arguments: Mapping[str, str]) -> None:
        """Forget the newest frame of a call: it turned out to be wrong."""
        records = self._of(function).get(key_of(arguments), [])
        if records:
            self._forget(records[-1])

    def _of(self, function: str) -> dict[str, list[Record]]:
        if function not in self._index:
            found: dict[str, list[Record]] = {}
            groups = self._groups.setdefault(function, {})
            for record in self._scan(function):
                found.setdefault(key_of(record.arguments), []).append(record)
                groups.setdefault(_group(record.arguments), {})[record.path] = record
            for records in found.values():
                records.sort(key=lambda r: r.day)
            self._index[function] = found
        return self._index[function]

    def _scan(self, function: str) -> Iterator[Record]:
        place = self.folder / function
        if not _FUNCTION.fullmatch(function) or not place.is_dir():
            return
        for spare in place.glob(".*.*.[0-9]*"):  # what a killed process was writing
            spare.unlink(missing_ok=True)
        found: dict[str, Record] = {}
        replaced: set[str] = set()
        for file in sorted(place.glob("*.json")):
            # A record that cannot be read is one that is not there: the call is made again.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                about = json.loads(file.read_text(encoding="utf-8"))
                arguments = {str(k): str(v) for k, v in about["arguments"].items()}
                path = file.with_suffix(".parquet")
                if about["format"] != _FORMAT or not path.is_file() or not file.name.startswith(key_of(arguments)):
                    continue
                found[file.stem] = Record(
                    function,
                    arguments,
                    dt.date.fromisoformat(about["day"]),
                    dt.date.fromisoformat(about["checked"]),
                    int(about["rows"]),
                    str(about["sha256"]),
                    path,
                )
                replaced |= set(about["replaces"])
        for name in replaced & set(found):  # killed before these went
            _remove(found.pop(name).path)
        for frame in place.glob("*.parquet"):
            if frame.stem not in found and not frame.with_suffix(".json").is_file():
                frame.unlink(missing_ok=True)  # killed before its record came
        yield from found.values()


def key_of(arguments: Mapping[str, str]) -> str:
    """A file name for arguments: digits of a hash, so that nothing from outside becomes a path."""
    text = json.dumps({str(k): str(v) for k, v in arguments.items()}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _group(arguments: Mapping[str, str]) -> str:
    return key_of({name: value for name, value in arguments.items() if name not in DATES})


def _remove(path: Path) -> None:
    """Remove a frame, its record first."""
    path.with_suffix(".json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _parquet(frame: pd.DataFrame) -> bytes:
    """The frame as Parquet; a column of mixed kinds becomes text, as the sources send it."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for name in frame.columns:
        values = frame[name]
        try:
            columns[str(name)] = pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError):
            texts = [None if v is None or v != v else str(v) for v in values.tolist()]
            columns[str(name)] = pa.array(texts, pa.string())
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()
