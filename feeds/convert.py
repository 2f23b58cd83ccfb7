"""Writes the store's tables from a folder in another layout.

What such a folder does not say is derived, and only where a definition exists: reference prices from factors or
closes, factors from reference prices, suspensions from gaps, ex-dates from steps of the factor. Share capital, names
and memberships stay unknown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import DataError
from feeds.adjusted import broken_row
from feeds.fingerprint import Digests, fingerprint
from feeds.foreign import ENDINGS, QLIB, Part, known_layout, read_parts, split_indices
from feeds.manifest import NO_FACTORS
from feeds.mappings import Layout
from feeds.writer import StoreWriter

if TYPE_CHECKING:
    import pandas as pd

_NO_STEP = 2e-5
"""Change of a factor that is rounding only: factors come in single precision."""

_HALF_FEN = 0.005
_FILE = "_file"
_ENDS_WITHIN = np.timedelta64(10, "D")


class FilesFeed:
    """The feed ``files``: a folder in a layout that is recognised or mapped.

    Parameters
    ----------
    folder : str
    mapping : str
        Path of a mapping file (:mod:`feeds.mappings`); "" recognises the layout.
    """

    def __init__(self, folder: str = "", mapping: str = "") -> None:
        self.folder = folder
        self.mapping = mapping

    def version(self) -> str:
        """Hash of the mapping and of all that lies in the folder; a changed file is converted again."""
        if not Path(self.folder).is_dir():
            raise DataError(f"there is no folder '{self.folder}'; write it like files:folder=downloads,mapping=my.toml")
        mapping = Path(self.mapping)
        return content(Path(self.folder), Digests(None)) + (
            Digests(None).of(mapping) if self.mapping and mapping.is_file() else ""
        )

    def write(self, target: Path) -> None:
        """Write the store's tables into ``target``; see :func:`convert`."""
        from feeds.mappings import read_mapping

        convert(Path(self.folder), target, read_mapping(Path(self.mapping)) if self.mapping else None)


def content(folder: Path, known: Digests) -> str:
    """Hash of the files of a folder and of the code that converts them; "" for a folder without any."""
    files = (path for path in folder.rglob("*") if path.name.endswith((*ENDINGS, ".bin", ".txt")) and path.is_file())
    found = {path.relative_to(folder).as_posix(): known.of(path) for path in files}
    if not found:
        return ""
    total = hashlib.sha256(fingerprint(found).encode())
    for name in (
        "adjusted", "convert", "foreign", "mappings", "plain_text", "qlib_dump", "schema", "table_checks", "writer",
    ):  # fmt: skip
        total.update((Path(__file__).parent / f"{name}.py").read_bytes() + b"\0")
    return total.hexdigest()


def convert(folder: Path, target: Path, layout: Layout | None = None) -> list[str]:
    """Write the tables of a foreign folder.

    Parameters
    ----------
    folder : Path
    target : Path
        A folder of the caller's own.
    layout : Layout, optional
        Recognised by default.

    Returns
    -------
    list of str
        What was derived or left out, one sentence each.

    Raises
    ------
    ConfigError
        If the layout is not known.
    DataError
        If prices are adjusted: they are good for features, but an account cannot trade at them; or if a row breaks
        the schema.
    """
    import pandas as pd

    layout = layout or known_layout(folder)
    notes: list[str] = []
    parts, idle = [], []
    files: list[str] = []
    for part in read_parts(folder, layout):
        refuse_broken(part)
        refuse_adjusted(part)
        notes += [f"{part.file}: {note}" for note in part.notes]
        parts.append(part.frame.assign(**{_FILE: len(files)}))
        idle.append(part.idle)
        files.append(part.file)
    bars, indices = split_indices(pd.concat(parts, ignore_index=True))
    if not len(bars):
        raise DataError(f"'{folder}' has no bar of an A share; check its codes")
    bars = bars.sort_values(["symbol", "date"], kind="stable", ignore_index=True)
    refuse_twice(bars, files)
    bars = _completed(bars.drop(columns=_FILE), notes)
    days = [bars["date"].to_numpy(), indices["date"].to_numpy(), *idle]
    calendar = _calendar(folder, layout, np.concatenate([one.astype("datetime64[D]") for one in days]))
    _refuse_empty_years(folder, bars["date"].dt.year.to_numpy())
    writer = StoreWriter(target, "files", {"layout": layout.name, "notes": _shortened(notes)})
    writer.write("daily_bars", bars)
    writer.write("calendar", pd.DataFrame({"date": calendar}))
    for table, frame in _derived(bars, calendar).items():
        writer.write(table, frame)
    if len(indices):
        level = indices[["date", "close"]].assign(index_code=indices["symbol"].str[:6])
        writer.write("index_daily", level.drop_duplicates(["index_code", "date"]))
    writer.finish()
    return notes


def refuse_broken(part: Part) -> None:
    """Refuse a file with a row that no market can have had.

    Raises
    ------
    DataError
    """
    says = broken_row(part.frame)
    if says:
        raise DataError(f"{part.file}: {says}; mend the row or leave it out")


def refuse_twice(bars: pd.DataFrame, files: Sequence[str]) -> None:
    """Refuse bars that are there twice.

    Parameters
    ----------
    bars : DataFrame
        ``symbol``, ``date`` and the number of the file of each row.
    files : sequence of str

    Raises
    ------
    DataError
    """
    twice = bars.duplicated(["symbol", "date"])
    if not twice.any():
        return
    row = bars[twice].iloc[0]
    same = bars[(bars["symbol"] == row["symbol"]) & (bars["date"] == row["date"])]
    where = " and ".join(dict.fromkeys(files[k] for k in same[_FILE].tolist()))
    raise DataError(f"{where}: two rows for {row['symbol']} on {row['date']:%Y-%m-%d}; leave one out")


def _refuse_empty_years(folder: Path, years: np.ndarray) -> None:
    """A slip of the pen in a date makes a market of centuries."""
    there = np.unique(years)
    hole = np.flatnonzero(np.diff(there) > 1)
    if len(hole):
        before, after = there[hole[0]], there[hole[0] + 1]
        raise DataError(f"'{folder}' has bars of {before} and of {after} and none between; check the dates")


def _shortened(notes: Sequence[str]) -> list[str]:
    """Each note once; what is said of many files is said of the first and counted."""
    files: dict[str, list[str]] = {}
    for note in notes:
        file, colon, says = note.partition(": ")
        key = re.sub(r"[\d,.]+", "", says) if colon else note
        files.setdefault(key, []).append(note)
    more = {key: f" (and so in {len(same) - 1:,} more files)" if len(same) > 1 else "" for key, same in files.items()}
    return [same[0] + more[key] for key, same in files.items()]


def refuse_adjusted(part: Part) -> None:
    """Refuse prices that nobody paid.

    Raises
    ------
    DataError
    """
    if part.adjusted != "no":
        kind = {"forward": "forward-adjusted", "backward": "backward-adjusted"}.get(part.adjusted, "adjusted")
        raise DataError(
            f"{part.file} is {kind} ({part.why}), so no account can trade at its prices; download it unadjusted "
            '(adjust="" in AKShare), or use it for features only (feeds.foreign.features)'
        )


def _completed(bars: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Every column of ``daily_bars``, from those that there are."""
    bars = bars.copy()
    symbol = bars["symbol"].to_numpy()
    first = np.append(True, symbol[1:] != symbol[:-1])
    close = bars["close"].to_numpy()
    before = np.where(first, np.nan, np.append(np.nan, close[:-1]))
    factor = bars["adj_factor"].to_numpy() if "adj_factor" in bars and bars["adj_factor"].notna().all() else None
    given = bars["preclose"].to_numpy() if "preclose" in bars else None
    if factor is not None:
        step = np.where(first, 1.0, factor / np.append(1.0, factor[:-1]))
        step = np.where(np.abs(step - 1.0) < _NO_STEP, 1.0, step)
    elif given is not None:
        step = np.where(first | (np.abs(before - given) < _HALF_FEN), 1.0, before / given)
    else:
        step = np.ones(len(bars))
        notes.append(NO_FACTORS)
    reference = np.round(before / step, 2)
    if given is not None:
        reference = np.where(given > 0, given, reference)
    bars["preclose"] = np.where(np.isnan(reference), bars["open"].to_numpy(), reference)
    bars["adj_factor"] = _product_by_stock(step, first)
    if "amount" not in bars or bars["amount"].isna().any():
        mean = bars[["open", "high", "low", "close"]].mean(axis=1)
        amount = bars.get("amount", np.nan)
        bars["amount"] = np.where(np.isnan(amount), np.round(mean * bars["volume"]), amount)
        notes.append("amount is not given everywhere: estimated as volume times the mean of the day's prices")
    for name in ("turnover", "total_shares", "float_shares"):
        if name not in bars:
            bars[name] = np.nan
    bars["is_st"] = bars["is_st"].fillna(False).astype(bool) if "is_st" in bars else False
    return bars


def _product_by_stock(step: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Running product within each stock, 1 on its first bar."""
    out = np.cumsum(np.log(step))
    begins = np.flatnonzero(first)
    lengths = np.diff(np.append(begins, len(step)))
    return np.round(np.exp(out - np.repeat(out[begins], lengths)), 10)


def _calendar(folder: Path, layout: Layout, days: np.ndarray) -> np.ndarray:
    """Sessions: those of Qlib's calendar and the days that the files have, for stocks or indices."""
    days = np.unique(days)
    if layout.name == QLIB.name:
        from feeds.qlib_dump import read_calendar

        known = read_calendar(folder)
        days = np.union1d(days, known[(known >= days[0]) & (known <= days[-1])])
    return days.astype("datetime64[ms]")


def _derived(bars: pd.DataFrame, calendar: np.ndarray) -> dict[str, pd.DataFrame]:
    """The small tables that follow from the bars."""
    import pandas as pd

    symbol = bars["symbol"].to_numpy()
    date = bars["date"].to_numpy().astype("datetime64[ms]")
    first = np.append(True, symbol[1:] != symbol[:-1])
    begins, ends = np.flatnonzero(first), np.append(np.flatnonzero(first)[1:], len(bars)) - 1
    opened = date[begins]
    securities = pd.DataFrame(
        {
            "symbol": symbol[begins],
            "list_date": np.where(opened > calendar[0], opened, np.datetime64("NaT", "ms")),
            "first_bar": opened,
            "last_bar": date[ends],
            "active_at_end": date[ends] >= calendar[-1] - _ENDS_WITHIN,
        }
    )
    place = np.searchsorted(calendar, date)
    gap = np.flatnonzero(~first & (np.diff(place, prepend=place[0]) > 1))
    halts: dict[str, Any] = {
        "symbol": symbol[gap], "start": calendar[place[gap - 1] + 1], "end": calendar[place[gap] - 1]
    }  # fmt: skip
    factor = bars["adj_factor"].to_numpy()
    step = np.where(first, 1.0, factor / np.append(1.0, factor[:-1]))
    event = np.flatnonzero(np.abs(step - 1.0) > _NO_STEP)
    total = bars["total_shares"].to_numpy(dtype=float)
    ratio = np.where(first, np.nan, total / np.append(np.nan, total[:-1]))
    ratio = np.where(ratio > 0, ratio, np.nan)
    closes, reference = bars["close"].to_numpy(), bars["preclose"].to_numpy()
    cash = np.round(closes[event - 1] - reference[event] * ratio[event], 4)
    events = {
        "symbol": symbol[event], "ex_date": date[event], "prev_close": closes[event - 1],
        "preclose": reference[event], "factor_ratio": step[event], "share_ratio": ratio[event],
        "cash_per_share_est": np.where(cash < -_HALF_FEN, np.nan, np.maximum(cash, 0.0)),
    }  # fmt: skip
    return {"securities": securities, "suspensions": pd.DataFrame(halts), "ex_rights_events": pd.DataFrame(events)}
