"""``data.py describe``: what a folder holds, file by file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from _data_sql import Json, print_rows

EXAMPLES = """\b
Examples:
  python scripts/data.py describe ../shared/data
  python scripts/data.py describe ../shared/data/akshare_samples
A mapping for other columns is ten lines of TOML (--mapping my.toml):
  symbol = "code"               # a column, or "file": the code stands in the file's name
  adjusted = "no"
  [columns]
  date = "day"
  open = "o"
  high = "h"
  low = "l"
  close = "c"
  volume = "vol * 100"
"""

_SHOWN = 60


def describe(
    folder: Annotated[Path, typer.Argument(help="Any folder of daily bars or of tables.")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file that says where the columns are.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a folder holds: its layout, files, stocks, days, units, and whether prices are those that were paid."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.errors import DataError
        from feeds.foreign import is_store

        if not folder.is_dir():
            raise DataError(f"there is no folder '{folder}'; check the path")
        found = _describe_store(folder) if is_store(folder) and mapping is None else _describe_bars(folder, mapping)
        lines = [(key, str(value)) for key, value in found.items() if not isinstance(value, list) and value != ""]
        output.table([line for line in lines if line[0] != "stocks"])
        for key, value in found.items():
            if isinstance(value, list) and value:
                print(f"\n{key}")
                filled = dict.fromkeys(name for row in value for name, text in row.items() if text != "")
                names = [name for row in value[:1] for name in row if name in filled]
                print_rows(names, [tuple(row.get(name) for name in names) for row in value], widest=200)
        output.result(found)


def _describe_store(folder: Path) -> dict[str, Any]:
    from engine.errors import HuiceError
    from feeds.manifest import contents
    from feeds.query import views_of
    from feeds.table_checks import columns_of

    tables: list[dict[str, Any]] = [dict(row) for row in contents(folder)]
    for row in tables:
        try:
            columns_of(row["table"])
            row["read by Huice"] = "yes"
        except HuiceError:
            known = row["table"] in views_of(folder)
            row["read by Huice"] = "by sql only" if known else "no: its name is more than a-z, 0-9 and _"
    return {"layout": "store", "says": "the store's own tables, read as they are", "tables": tables}


def _describe_bars(folder: Path, mapping: Path | None) -> dict[str, Any]:
    import pandas as pd

    from engine.errors import DataError
    from feeds.adjusted import broken_row
    from feeds.convert import refuse_twice
    from feeds.foreign import known_layout, read_parts
    from feeds.manifest import NO_FACTORS
    from feeds.mappings import read_mapping

    layout = read_mapping(mapping) if mapping is not None else known_layout(folder)
    files: list[dict[str, Any]] = []
    wrong: list[dict[str, str]] = []
    found, symbols, days, keys = set(), set(), [], []
    for part in read_parts(folder, layout, wrong):
        frame = part.frame
        symbols |= set(frame["symbol"].unique().tolist())
        found |= set(frame.columns)
        if len(frame):
            days += [frame["date"].min(), frame["date"].max()]
            keys.append(frame[["symbol", "date"]].assign(_file=len(files)))
        says = broken_row(frame)
        wrong += [{"file": part.file, "says": says}] if says else []
        files.append({"file": part.file, "rows": len(frame), "prices": "paid" if part.adjusted == "no" else
                      part.adjusted, "because": part.why, "notes": "; ".join(part.notes)})  # fmt: skip
    try:
        if keys:
            refuse_twice(pd.concat(keys, ignore_index=True), [row["file"] for row in files])
    except DataError as error:
        wrong.append(dict(zip(("file", "says"), str(error).split(": ", 1), strict=True)))
    adjusted = [row for row in files if row["prices"] != "paid"]
    spoilt = [row for row in wrong if not row["says"].startswith("left out")]
    if not days:
        use = "nothing: there is no bar"
    elif adjusted:
        use = f"features only: prices of {len(adjusted)} of {len(files)} files are adjusted"
    elif spoilt:
        use = "nothing before what is wrong is mended"
    else:
        use = "an account and features"
    columns = [
        source.text + ("" if source.text == name else f" as {name}")
        for name, source in layout.columns.items()
        if name in found | {"traded", "adjust_flag"}
    ]
    made: dict[str, Any] = {
        "layout": layout.name, "says": layout.says, "columns": ", ".join(columns),
        "read": f"{len(files):,} files, {len(symbols):,} stocks", "stocks": len(symbols),
        "first": str(min(days).date()) if days else "", "last": str(max(days).date()) if days else "", "good for": use,
    }  # fmt: skip
    if days and not found & {"adj_factor", "preclose"}:
        made["but"] = NO_FACTORS
    return made | {"wrong": wrong[:_SHOWN], "files": (adjusted or files)[:_SHOWN]}
