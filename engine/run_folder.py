"""The run folder ``runs/<id>/``: its id, its files, and loading it again.

The files are the contract between the engine and every reader (tearsheet, notebooks, other programs): a
folder that exists is complete, and the same run gives the same bytes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import html
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from engine.config import RunConfig

FRAMES = (
    "equity", "fills", "positions", "orders", "refusals", "corporate", "scores", "decisions", "targets", "tracking",
    "symbols",
)  # fmt: skip
"""Tables of a run, each ``<name>.parquet``."""

FILES = ("config.toml", *(f"{name}.parquet" for name in FRAMES), "result.json")
"""Files of a complete run; ``result.json`` is written last."""

BRIEF_FILES = ("config.toml", "equity.parquet", "result.json")
"""Files of a run without tables: enough to count it among the settings tried, and to repeat it whole."""

_ATTEMPTS = 100


def run_id(config: RunConfig, fingerprint: str, version: str, digests: Iterable[str]) -> str:
    """Name of a run: 12 hex digits of a SHA-256 over everything that decides it.

    Parameters
    ----------
    config : RunConfig
        Without its ``data`` path, for which the fingerprint stands.
    fingerprint : str
        Of the data.
    version : str
        Huice's.
    digests : iterable of str
        Source digests of the plug-ins, in a fixed order.
    """
    decided_by = {
        "config": config.canonical_json(),
        "data": fingerprint,
        "sources": list(digests),
        "version": version,
    }
    return hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()[:12]


# -- writing ----------------------------------------------------------------------------------------


def json_text(value: Any) -> str:
    """JSON with sorted keys, indented; numbers as Python writes them, what is not finite as ``null``."""
    return json.dumps(_plain(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if type(value).__module__ == "numpy":
        return str(value) if type(value).__name__ == "datetime64" else _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, dt.date) else value


def write_run(
    folder: str | Path, *, config: RunConfig, result: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]
) -> Path:
    """Write a run folder beside its place and rename it, so that it is there whole or not at all.

    A folder that is there already and holds other bytes is replaced. Of two processes that write the same
    run at once, both end well and one's folder stays.

    Parameters
    ----------
    folder : path
        ``runs/<id>``; missing parents are made.
    config : RunConfig
    result : mapping
        The content of ``result.json``.
    frames : mapping of str to DataFrame
        All of :data:`FRAMES`.

    Raises
    ------
    DataError
        If the folder cannot be written, or ``folder`` is a file.
    """
    missing = [name for name in FRAMES if name not in frames]
    if missing:
        raise ValueError(f"frames lack {', '.join(missing)}")
    return write_folder(Path(folder), config, result, {name: frames[name] for name in FRAMES})


def write_folder(
    folder: Path, config: RunConfig, result: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]
) -> Path:
    """Write ``config.toml``, a Parquet file for each frame and ``result.json`` as :func:`write_run` does.

    Raises
    ------
    DataError
        If the folder cannot be written, or ``folder`` is a file.
    """
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        beside.mkdir(parents=True)
        (beside / "config.toml").write_text(config.to_toml(), encoding="utf-8", newline="\n")
        for name, frame in frames.items():
            write_parquet(frame, beside / f"{name}.parquet")
        (beside / "result.json").write_text(json_text(result), encoding="utf-8", newline="\n")
        _put_in_place(beside, folder)
    except OSError as error:
        raise DataError(f"the run cannot be written to {folder} ({error.strerror or error}); check it") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _put_in_place(beside: Path, folder: Path) -> None:
    if folder.is_file():  # one look only: between two another process may have moved the folder
        raise DataError(f"{folder} is a file where a run folder belongs; move it or choose another --out")
    old = beside.with_suffix(".old")
    for attempt in range(_ATTEMPTS):
        try:
            # A folder is never renamed onto one that holds something, so a loser of a race sees it here.
            os.rename(beside, folder)
            return
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST) or folder.is_dir()
            if not taken or attempt == _ATTEMPTS - 1:
                raise
        if all(_same(written, folder / written.name) for written in beside.iterdir()):
            return  # another process wrote this run meanwhile, or it was forced and is what it was
        try:
            with contextlib.suppress(FileNotFoundError):  # another process was faster: try again
                os.rename(folder, old)
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Plain strings, dates in milliseconds, no index, and no note of who wrote it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    columns = []
    for name in table.column_names:
        column = table.column(name)
        kind = column.type
        # A column of no type at all is an empty one of objects.
        if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
            column = column.cast(pa.string())
        elif pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp("ms"))
        columns.append(column)
    # Without pandas' own metadata, which names versions.
    pq.write_table(pa.table(dict(zip(table.column_names, columns, strict=True))), path, compression="zstd")


# -- reading ----------------------------------------------------------------------------------------


def missing_files(folder: str | Path, tables: bool = True) -> list[str]:
    """Files of :data:`FILES` that a folder lacks; without ``tables``, of :data:`BRIEF_FILES`."""
    return [name for name in (FILES if tables else BRIEF_FILES) if not (Path(folder) / name).is_file()]


def is_complete(folder: str | Path, tables: bool = True) -> bool:
    """Whether a folder holds every file of a run and its ``result.json`` can be read."""
    if missing_files(folder, tables):
        return False
    try:
        return isinstance(json.loads((Path(folder) / "result.json").read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False


def _frame(name: str, text: str) -> cached_property[pd.DataFrame]:
    def read(run: Run) -> pd.DataFrame:
        import pandas as pd

        path = run.folder / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are among them
            raise DataError(f"{path} cannot be read ({str(error).splitlines()[0]}); run it again") from error

    read.__doc__ = text
    return cached_property(read)


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, with the tables read when first asked for.

    Attributes
    ----------
    folder : Path
    id : str
    config : RunConfig
    result : dict
        The headline numbers and everything else of ``result.json``.
    reused : bool
        The folder was there before; nothing ran.
    """

    folder: Path
    id: str
    config: RunConfig
    result: dict[str, Any]
    reused: bool = False

    equity = _frame("equity", "By session, the first row the base day: date, value, cash, benchmark, ...")
    fills = _frame("fills", "By fill: order_id, date, symbol, side, shares, price, each charge, slippage.")
    positions = _frame("positions", "By session and stock held: shares, sellable, price, value.")
    orders = _frame("orders", "By order: date, symbol, side, type, wanted, done, status, ...")
    refusals = _frame("refusals", "Orders and parts that did not trade, with the reason.")
    corporate = _frame("corporate", "Corporate actions booked: date, symbol, kind, shares, cash, tax.")
    scores = _frame("scores", "By decision and symbol: date, symbol, score, ...")
    decisions = _frame("decisions", "Decision and execution sessions, status, numbers scored and chosen.")
    targets = _frame("targets", "By basket and symbol: date, symbol, weight, reason.")
    tracking = _frame("tracking", "By session: date, cash, target_cash, off_target, all as fractions of the account.")
    symbols = _frame("symbols", "Name of every symbol that appears.")

    @classmethod
    def load(cls, folder: str | Path, tables: bool = True) -> Self:
        """Open a run folder; without ``tables`` one that has :data:`BRIEF_FILES` alone will do.

        Raises
        ------
        DataError
            If it is not there or not complete; it names what is missing.
        """
        from engine.config import RunConfig

        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f"there is no run folder '{folder}'; give the path that scripts/backtest.py printed")
        missing = missing_files(folder, tables)
        if len(missing) == len(FILES):
            raise DataError(f"'{folder}' is no run folder: it has no result.json; give a folder runs/<id>")
        if tables and missing == [name for name in FILES if name not in BRIEF_FILES]:
            raise DataError(
                f"the run in '{folder}' has no tables, as a sweep leaves it; python scripts/backtest.py --config "
                f"{folder}/config.toml adds them"
            )
        if missing:
            raise DataError(f"the run in '{folder}' is incomplete: it lacks {', '.join(missing)}; run it again")
        if not is_complete(folder, tables):
            raise DataError(f"'{folder / 'result.json'}' cannot be read; run it again with --force")
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        try:
            config = RunConfig.from_toml(folder / "config.toml")
        except ConfigError as error:
            raise DataError(f"the run in '{folder}' cannot be read: {error}") from None
        return cls(folder, str(result.get("id", folder.name)), config, result)

    def as_reused(self) -> Self:
        """The same, marked as found and not run."""
        return replace(self, reused=True)

    def tearsheet(self) -> Path:
        """Write the tearsheet into the folder and return its path."""
        from engine.tearsheet import write_tearsheet

        return write_tearsheet(self.folder)

    def headline(self) -> list[tuple[str, str]]:
        """The result table as (label, text)."""
        from engine.presentation import headline_rows

        return headline_rows(self.result)

    def __repr__(self) -> str:
        head = self.result.get("headline") or {}
        value, rate = head.get("final_value"), head.get("annual_return")
        numbers = f", {value:,.0f} yuan" if isinstance(value, int | float) else ""
        numbers += f", {100 * rate:.2f}% a year" if isinstance(rate, int | float) else ""
        span = f"{self.result.get('start', '?')} to {self.result.get('end', '?')}"
        return f"<Run {self.id}: {span}{numbers}; {self.folder}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(label)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for label, text in self.headline()
        )
        return f"<table><caption>Run {html.escape(self.id)}</caption><tbody>{rows}</tbody></table>"
