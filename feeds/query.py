"""SQL over the tables of a data folder, by DuckDB: reading only.

Every table is a view (``daily_bars`` over all its years). A statement must be one ``SELECT`` (``FROM``, ``WITH``,
``SHOW TABLES``, ``DESCRIBE`` and ``SUMMARIZE`` count as such). Arrow opens the files and DuckDB has no way to any
file, not even to the tables: since a ``COPY`` may stand inside a ``WITH``, a list of allowed paths would be a list of
paths that a query can overwrite. Nothing can be loaded, attached or set either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, DataError, nearest
from feeds.manifest import tables_of

MOST_MEMORY = 4
"""Gigabytes that a statement may take."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def views_of(folder: Path) -> dict[str, list[Path]]:
    """Files by name of the view over them.

    Raises
    ------
    DataError
        If the folder has no table.
    """
    found: dict[str, list[Path]] = {}
    for file in tables_of(folder):
        name = file.partition("/")[0].removesuffix(".parquet")
        if _NAME.fullmatch(name):
            found.setdefault(name, []).append((folder / file).resolve())
    if not found:
        raise DataError(f"there is no table in '{folder}'; give a data folder, with calendar.parquet and daily_bars/")
    return found


def connect(folder: Path) -> Any:
    """An in-memory DuckDB with a view a table, locked so that it opens no file.

    Returns
    -------
    duckdb.DuckDBPyConnection

    Raises
    ------
    DataError
        If the folder has no table or one cannot be read.
    """
    import duckdb
    import pyarrow as pa
    import pyarrow.dataset
    import pyarrow.parquet

    views = views_of(folder)  # nothing is spilt to a file: a statement that needs more memory ends
    link = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{MOST_MEMORY}GB",
            "temp_directory": "",
        },
    )
    try:
        for name, files in views.items():
            schemas = [pa.parquet.read_schema(file).remove_metadata() for file in files]
            whole = pa.unify_schemas(schemas, promote_options="permissive")
            link.register(name, pa.dataset.dataset([str(file) for file in files], schema=whole, format="parquet"))
        for setting in ("python_enable_replacements = false", "enable_external_access = false"):
            link.execute(f"SET {setting}")
        link.execute("SET lock_configuration = true")
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise DataError(f"a table of '{folder}' cannot be read: {_first_line(error)}; write it again") from error
    return link


def query(folder: Path, statement: str) -> Any:
    """The result of one reading statement.

    Parameters
    ----------
    folder : Path
    statement : str

    Returns
    -------
    duckdb.DuckDBPyConnection
        With ``description`` and ``fetchmany``.

    Raises
    ------
    ConfigError
        If it is no single ``SELECT``, or DuckDB refuses it.
    DataError
        As :func:`connect`.
    """
    import duckdb

    try:
        statements = duckdb.extract_statements(statement)
    except duckdb.Error as error:
        says = _first_line(error)
        raise ConfigError(f"the statement is no SQL: {says}; write for instance: FROM calendar") from error
    if len(statements) != 1:
        given = f"{len(statements)} statements were" if statements else "no statement was"
        raise ConfigError(f"{given} given; give one SELECT, for instance: FROM calendar")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise ConfigError(f"only reading is allowed here, not {kind}; write one SELECT")
    link = connect(folder)
    try:
        return link.execute(statements[0])
    except duckdb.Error as error:
        raise refusal(error, views_of(folder)) from error


def refusal(error: Exception, tables: Iterable[str]) -> ConfigError:
    """What DuckDB says of a statement, in one sentence with what to do.

    Parameters
    ----------
    error : duckdb.Error
        Of running the statement or of fetching its rows.
    tables : iterable of str
        Names of the views.
    """
    import duckdb

    text = str(error)
    missing = re.search(r"Table with name (.+?) does not exist", text)
    if missing:
        return ConfigError(f"the data have no table '{missing[1]}'; {nearest(missing[1], tables)}")
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigError(
            f"the statement needs more than {MOST_MEMORY} GB of memory; ask for fewer columns or a shorter span"
        )
    if isinstance(error, duckdb.PermissionException):
        return ConfigError("DuckDB refuses the statement: it opens a file, and only the tables can be read here")
    offered = re.search(r"Candidate bindings: (.+)|Did you mean (.+?)\??$", text, re.MULTILINE)
    if isinstance(error, duckdb.ConversionException):
        hint = "write days like DATE '2020-01-31' and numbers without quotes"
    elif offered:
        hint = f"did you mean {(offered[1] or offered[2]).split(', ')[0].strip()}?"
    else:
        hint = "mend it"
    return ConfigError(f"DuckDB refuses the statement: {_first_line(error)}; {hint}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".!")
