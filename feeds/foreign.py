"""Reads folders of daily bars that are not in the store's layout: CSV, CSV.gz, Parquet, feather, Qlib's dump.

Every file comes out in the store's columns and units, with a verdict on its prices: those of an account must be the
prices that were paid. Forward- or backward-adjusted prices are good for features only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, DataError, nearest
from feeds import plain_text
from feeds.adjusted import judge, where
from feeds.mappings import FILE, LAYOUTS, Layout, Source, is_index, recognise, symbol_of

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".csv.gz", ".parquet", ".feather")
QLIB = Layout("qlib", FILE, {}, "no", says="Qlib's binary dump: prices times factor, volume over factor")


@dataclass
class Part:
    """The bars of one file.

    Attributes
    ----------
    file : str
        Relative to the folder.
    frame : DataFrame
        Columns of the store that the file has, in the store's units; ``date`` and ``symbol`` among them.
    adjusted : str
        "no", "forward", "backward", or "adjusted" where the direction is not known.
    why : str
        What tells that prices are adjusted; "" where they are not.
    notes : list of str
    idle : ndarray of datetime64[ms]
        Sessions that the file itself calls days without trade.
    """

    file: str
    frame: pd.DataFrame
    adjusted: str = "no"
    why: str = ""
    notes: list[str] = field(default_factory=list)
    idle: np.ndarray = field(default_factory=lambda: np.zeros(0, "datetime64[ms]"))


def is_store(folder: Path) -> bool:
    """Whether a folder is laid out as the store."""
    return (folder / "daily_bars").is_dir() or (folder / "calendar.parquet").is_file()


def data_files(folder: Path, layout: Layout | None = None) -> list[Path]:
    """Files of daily bars of a folder, sorted; hidden ones and links that lead out of it are left out.

    Raises
    ------
    ConfigError
        If the layout's pattern is none.
    """
    root = folder.resolve()
    pattern = layout.files if layout is not None and layout.files else "**/*"
    try:
        found = [path for path in folder.glob(pattern) if path.name.lower().endswith(ENDINGS) and path.is_file()]
    except (ValueError, NotImplementedError) as error:
        says = f"the mapping's files '{pattern}' is no pattern ({error})"
        raise ConfigError(f"{says}; write for instance **/*.csv") from error
    hidden = {path for path in found if any(part.startswith(".") for part in path.relative_to(folder).parts)}
    return sorted(path for path in found if path not in hidden and path.resolve().is_relative_to(root))


def layout_of(folder: Path) -> Layout | None:
    """The built-in layout of a folder, told by the columns of its first readable file; None for none."""
    from feeds.qlib_dump import is_dump

    if is_dump(folder):
        return QLIB
    for path in data_files(folder)[:20]:
        found = recognise(columns_of(path))
        if found is not None:
            return found
    return None


def columns_of(path: Path, skip_lines: int = 0) -> list[str]:
    """Names of a file's columns; empty where it cannot be read."""
    try:
        return _columns(path, skip_lines)
    except (OSError, ValueError):
        return []


def _columns(path: Path, skip_lines: int) -> list[str]:
    if path.name.endswith((".parquet", ".feather")):
        import pyarrow.dataset

        kind = "parquet" if path.name.endswith(".parquet") else "feather"
        return list(pyarrow.dataset.dataset(str(path), format=kind).schema.names)
    plain = plain_text.header(path) if skip_lines == 0 else None
    return plain if plain is not None else [str(name) for name in read_csv(path, skip_lines, nrows=0).columns]


def read_parts(folder: Path, layout: Layout, wrong: list[dict[str, str]] | None = None) -> Iterator[Part]:
    """The bars of a folder, file by file; files with other columns are passed over.

    Parameters
    ----------
    folder : Path
    layout : Layout
    wrong : list, optional
        Takes what is wrong with a file (``file``, ``says``), also with one that is passed over. Without it the first
        spoilt file is an error: a stock must not go missing without a word.

    Raises
    ------
    ConfigError
        If no file has the layout.
    DataError
        If a file cannot be read or a value is no number or date.
    """
    if layout.name == QLIB.name:
        from feeds.qlib_dump import read_dump

        for symbol, frame in read_dump(folder):
            yield Part(f"features/{symbol}", frame)
        return
    some, other = False, ""
    for path in data_files(folder, layout):
        file = path.relative_to(folder).as_posix()
        try:
            try:
                present = _columns(path, layout.skip_lines)
            except (OSError, ValueError) as error:
                raise _unreadable(file, error) from error
            if not layout.fits(present):
                lacks = layout.missing(present)[0]
                other = other or f"{file} has no column '{lacks}' ({nearest(lacks, present)})"
                if wrong is not None:
                    wrong.append({"file": file, "says": f"left out: it has no column '{lacks}'"})
                continue
            some = True
            part = read_part(folder, path, layout)
        except DataError as error:
            if wrong is None:
                raise
            wrong.append({"file": file, "says": str(error).removeprefix(f"{file}: ").removeprefix(f"{file} ")})
            continue
        yield part
    if not some and not (wrong and not other):
        raise ConfigError(
            f"no file of '{folder}' has the columns of the layout '{layout.name}': "
            f"{other or 'there is no ' + ', '.join(ENDINGS) + ' file'}; mend the mapping or the path"
        )


def _unreadable(file: str, error: Exception) -> DataError:
    says = str(error).splitlines()[0].rsplit("': ", 1)[-1].rstrip(".")  # Arrow names the path first
    return DataError(f"{file} cannot be read ({says}); write it again")


def read_part(folder: Path, path: Path, layout: Layout) -> Part:
    """Read one file in the store's columns and units, and judge its prices."""
    import pandas as pd

    file = path.relative_to(folder).as_posix()
    raw = _frame(path, layout.skip_lines)
    out: dict[str, Any] = {}
    for name, source in layout.columns.items():
        if source.name not in raw.columns:
            continue
        values = raw[source.name]
        if name == "date":
            out[name] = _dates(file, source.name, values)
        elif name == "adjust_flag":
            out[name] = values.astype(str).str.strip().str.removesuffix(".0")
        elif name in ("is_st", "traded"):
            words = values.astype(str).str.strip().str.lower().replace({"true": "1", "false": "0"})
            out[name] = _numbers(file, source, words)
        else:
            out[name] = _numbers(file, source, values)
    frame = pd.DataFrame(out)
    if layout.symbol == FILE:
        named = symbol_of(path.name.split(".csv")[0].removesuffix(".parquet").removesuffix(".feather"))
        if named is None:
            raise DataError(f"{file}: no stock code stands in the file's name; name it like 600519.csv")
        frame["symbol"] = named
    else:
        codes = raw[layout.symbol].astype(str).str.strip().str.removesuffix(".0")
        known = {code: symbol_of(code.zfill(6) if code.isdecimal() else code, whole=True) for code in
                 codes.unique().tolist()}  # fmt: skip
        frame["symbol"] = codes.map(known)
        if frame["symbol"].isna().any():
            bad = codes[frame["symbol"].isna()].iloc[0]
            raise DataError(
                f"{file}: column '{layout.symbol}' holds '{bad}', which is no code such as 600519.SH; "
                "mend the row or leave it out"
            )
    if "is_st" in frame:
        frame["is_st"] = frame["is_st"].fillna(0) != 0
    part = Part(file, frame)
    _drop_idle(part)
    judge(part, layout)
    return part


def _frame(path: Path, skip_lines: int) -> pd.DataFrame:
    import pandas as pd

    try:
        if path.name.endswith(".parquet"):
            return pd.read_parquet(path)
        if path.name.endswith(".feather"):
            return pd.read_feather(path)
        return read_csv(path, skip_lines)
    except (OSError, ValueError, ImportError) as error:
        raise _unreadable(path.name, error) from error


def read_csv(path: Path, skip_lines: int = 0, nrows: int | None = None) -> pd.DataFrame:
    """A CSV file in UTF-8 or GB18030, with every value as text: codes keep their zeros.

    Raises
    ------
    OSError, ValueError
        If it cannot be read.
    """
    import pandas as pd

    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return pd.read_csv(path, dtype=str, encoding=encoding, skiprows=skip_lines, nrows=nrows)
        except UnicodeDecodeError:
            continue
    raise ValueError("neither UTF-8 nor GB18030")


def _dates(file: str, name: str, values: pd.Series) -> pd.Series:
    import pandas as pd

    plain = plain_text.dates(values)
    if plain is not None:
        return pd.Series(plain.astype("datetime64[ms]"), index=values.index)
    if values.dtype.kind == "M":
        days = values
    else:
        text = values.astype(str).str.strip().str.removesuffix(".0")
        form = "%Y%m%d" if text.str.fullmatch(r"\d{8}").all() else None
        days = pd.to_datetime(text, format=form, errors="coerce")
    bad = days.isna()
    if bad.any():
        raise DataError(f"{file}: column '{name}' holds '{values[bad].iloc[0]}', which is no date like 2020-01-31")
    return days.dt.tz_localize(None).dt.normalize().astype("datetime64[ms]")


def _numbers(file: str, source: Source, values: pd.Series) -> pd.Series:
    import pandas as pd

    plain = plain_text.numbers(values)
    if plain is not None:
        return pd.Series(plain if source.factor == 1.0 else plain * source.factor, index=values.index)
    if values.dtype.kind in "OSU" or not pd.api.types.is_numeric_dtype(values):
        text = values.astype("str").str.replace(",", "").str.strip()
        values = text.where(~text.isin(["", "nan", "None", "--", "-"]))
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    bad = numbers.isna() & values.notna()
    if bad.any():
        raise DataError(f"{file}: column '{source.name}' holds '{values[bad].iloc[0]}', which is no number")
    return numbers if source.factor == 1.0 else numbers * source.factor


def _drop_idle(part: Part) -> None:
    """Leave out the days without trade: the store has no row for them."""
    frame = part.frame
    idle = frame["volume"].fillna(0) <= 0
    if "traded" in frame:
        idle |= frame.pop("traded") == 0
        part.idle = np.unique(frame.loc[idle, "date"].to_numpy())
    if idle.any():
        part.notes.append(f"{int(idle.sum()):,} rows without trade left out")
    part.frame = frame[~idle].reset_index(drop=True)


def features(folder: Path, layout: Layout | None = None) -> dict[str, pd.DataFrame]:
    """Bars for features: sessions x stocks by field, adjusted prices included.

    Parameters
    ----------
    folder : Path
    layout : Layout, optional
        Recognised by default.

    Returns
    -------
    dict of DataFrame, shape (T, N)
        ``open``, ``high``, ``low``, ``close``, ``volume`` and what else there is, by date and symbol; prices as they
        stand in the files, negative ones too. Nothing here may price an account.

    Raises
    ------
    ConfigError, DataError
        As :func:`read_parts`, or if a stock has two rows for a day.
    """
    import pandas as pd

    layout = layout or known_layout(folder)
    whole = pd.concat([part.frame for part in read_parts(folder, layout)], ignore_index=True)
    twice = whole.duplicated(["date", "symbol"])
    if twice.any():
        raise DataError(f"'{folder}' has two rows for {where(whole[twice], 0)}; leave one out")
    names = [name for name in whole.columns if name not in ("date", "symbol")]
    return {name: whole.pivot(index="date", columns="symbol", values=name) for name in names}


def known_layout(folder: Path) -> Layout:
    """:func:`layout_of`, or an error.

    Raises
    ------
    ConfigError
        If the layout is not recognised.
    """
    found = layout_of(folder)
    if found is not None:
        return found
    files = data_files(folder)
    if not files:
        raise ConfigError(f"'{folder}' has no file that ends in {', '.join(ENDINGS)}; check the path")
    file = files[0].relative_to(folder).as_posix()
    try:
        present = _columns(files[0], 0)
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error
    near = min(LAYOUTS, key=lambda layout: len(layout.missing(present)))
    missing = near.missing(present)
    hint = f"; {near.name} has '{missing[0]}' too" if len(missing) == 1 else ""
    shown = ", ".join(present[:12]) + (" ..." if len(present) > 12 else "")
    raise ConfigError(
        f"the files of '{folder}' are in no known layout ({file} has the columns {shown}{hint}); write a mapping (ten "
        "lines of TOML, see python scripts/data.py describe --help)"
    )


def split_indices(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars of stocks, and those of indices."""
    codes = frame["symbol"].unique().tolist()
    indices = {code for code in codes if is_index(code)}
    at = frame["symbol"].isin(indices)
    return frame[~at], frame[at]
