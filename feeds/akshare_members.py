"""Who is in a universe, when stocks were listed and delisted, and under which names."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError
from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_routes import code_of
from feeds.universe import ALIASES, TODAY, Universe

if TYPE_CHECKING:
    import pandas as pd

LISTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("stock_info_sh_name_code", {"symbol": "主板A股"}),
    ("stock_info_sh_name_code", {"symbol": "科创板"}),
    ("stock_info_sz_name_code", {"symbol": "A股列表"}),
)
"""Calls that list the living stocks of Shanghai and Shenzhen."""

BEIJING: tuple[tuple[str, dict[str, str]], ...] = (("stock_info_bj_name_code", {}),)
"""Beijing's living stocks: sixteen pages, asked for only where they are wanted. AKShare names the columns by position:
if they moved, what stands under 证券代码 is no code, no row is left and the call is an error."""

DELISTED: tuple[tuple[str, dict[str, str]], ...] = (
    ("stock_info_sh_delist", {"symbol": "全部"}),
    ("stock_info_sz_delist", {"symbol": "终止上市公司"}),
)

RENAMED = ("stock_info_sz_change_name", {"symbol": "简称变更"})

FIRST_DAY = "1990-12-19"
"""The exchanges' first session."""


def today_name(code: str) -> str:
    """Name of the universe of an index whose members are those of the day of fetching: ``csi500-today``."""
    words = {known: word for word, known in ALIASES.items()}
    return words.get(code, code) + TODAY


@dataclass
class Listings:
    """Living and delisted stocks as far as the sources list them.

    Attributes
    ----------
    listed : dict of str to Timestamp
        First day by symbol; NaT where it is not known.
    delisted : dict of str to Timestamp
        Last day by symbol.
    names : dict of str to str
        Newest name by symbol.
    failures : list of SourceError
    """

    listed: dict[str, pd.Timestamp] = field(default_factory=dict)
    delisted: dict[str, pd.Timestamp] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    failures: list[SourceError] = field(default_factory=list)


def listings(client: Client, beijing: bool = False) -> Listings:
    """Fetch the lists of living and delisted stocks; one that fails is left out and named in ``failures``.

    Parameters
    ----------
    client : Client
    beijing : bool
        Whether to fetch those of Beijing too. No function lists the ones that left it.
    """
    found = Listings()
    # A living stock's entry wins over an old one of the same code.
    for function, given in (*DELISTED, *LISTS, *(BEIJING if beijing else ())):
        try:
            frame = client.frame(function, given)
        except SourceError as error:
            found.failures.append(error)
            continue
        gone = "delist_date" in frame
        for row in frame.to_dict("records"):
            found.listed[row["symbol"]] = row["list_date"]
            if row["name"]:
                found.names[row["symbol"]] = " ".join(row["name"].split())
            if gone:
                found.delisted[row["symbol"]] = row["delist_date"]
            else:
                found.delisted.pop(row["symbol"], None)
    return found


def fetch_members(client: Client, code: str) -> pd.DataFrame:
    """Members of an index today: symbol and as_of; from its publisher, else from a second source.

    Raises
    ------
    SourceError
    """
    import pandas as pd

    try:
        frame = client.frame("index_stock_cons_csindex", {"symbol": code})
        return frame[["symbol", "as_of"]].drop_duplicates("symbol", ignore_index=True)
    except SourceError as problem:
        try:
            frame = client.frame("index_stock_cons", {"symbol": code})
        except SourceError:
            raise problem from None
        frame = frame[["symbol"]].drop_duplicates("symbol", ignore_index=True)
        return frame.assign(as_of=pd.Timestamp(client.today).as_unit("ms"))


def dated_members(client: Client, code: str) -> pd.DataFrame:
    """True dated memberships, which only cnindex (399xxx) gives: symbol, in_date, out_date; else no rows."""
    import pandas as pd

    nothing = pd.DataFrame({"symbol": [], "in_date": [], "out_date": []})
    if not code.startswith("399"):
        return nothing
    try:
        frame = client.frame("index_detail_hist_adjust_cni", {"symbol": code})
    except SourceError:
        return nothing
    frame = frame[frame["in_date"].notna()]
    return frame.sort_values(["symbol", "in_date"], ignore_index=True)


def snapshots(client: Client, codes: list[str]) -> pd.DataFrame:
    """Every list of members that was ever fetched: index_code, snapshot_date, symbol. They grow into a history."""
    import pandas as pd

    parts = []
    for code in codes:
        for day, frame in client.history("index_stock_cons_csindex", {"symbol": code}):
            dates = frame["as_of"].fillna(pd.Timestamp(day).as_unit("ms"))
            parts.append(pd.DataFrame({"index_code": code, "snapshot_date": dates, "symbol": frame["symbol"]}))
        for day, frame in client.history("index_stock_cons", {"symbol": code}):
            one = pd.DataFrame({"index_code": code, "snapshot_date": pd.Timestamp(day), "symbol": frame["symbol"]})
            parts.append(one.astype({"snapshot_date": "datetime64[ms]"}))
    if not parts:
        return pd.DataFrame(columns=["index_code", "snapshot_date", "symbol"])
    rows = pd.concat(parts, ignore_index=True).drop_duplicates()
    return rows.sort_values(["index_code", "snapshot_date", "symbol"], ignore_index=True)


def chosen(
    client: Client, universe: Universe, start: dt.date, end: dt.date, known: Listings, folder: Path
) -> tuple[list[str], bool]:
    """Symbols to fetch, sorted, and whether the list is that of today (and so looks ahead).

    For an index whose dated memberships the folder holds already (``data.py import constituents``) these are all
    members of the span; else its members of today.

    Raises
    ------
    ConfigError
        If nothing is left to fetch.
    SourceError
        If no source lists the members.
    """
    if universe.kind == "symbols":
        return list(universe.symbols), False
    if universe.kind == "all":
        alive = {s for s, day in known.listed.items() if s not in known.delisted and not (day.date() > end)}
        gone = {s for s, day in known.delisted.items() if day.date() >= start}
        symbols, today = alive | gone, False
        if not symbols:
            raise ConfigError("no list of stocks could be had, so 'all' is not known; fetch again or name an index")
        return sorted(symbols), today
    import pandas as pd

    code = universe.code.removesuffix(TODAY)
    rows = _imported(folder, code)
    if rows is None:
        cni = dated_members(client, code)
        rows = cni if len(cni) else None
    if rows is not None:
        out = pd.to_datetime(rows["out_date"]).astype("datetime64[ms]")
        inside = (out.isna() | (out > pd.Timestamp(start))) & (pd.to_datetime(rows["in_date"]) <= pd.Timestamp(end))
        symbols = set(rows["symbol"][inside])
        if symbols:
            return sorted(symbols), False
    return sorted(fetch_members(client, code)["symbol"]), True


def _imported(folder: Path, code: str) -> pd.DataFrame | None:
    """Dated memberships of an index that are in the folder already; None if there are none."""
    import pandas as pd

    file = folder / "constituents.parquet"
    if not file.is_file():
        return None
    rows = pd.read_parquet(file)
    rows = rows[rows["index_code"] == code]
    if "as_of" in rows:
        rows = rows[rows["as_of"].isna()]
    return rows if len(rows) else None


def name_history(client: Client, symbols: list[str], known: Listings) -> tuple[pd.DataFrame, list[str]]:
    """Names by date, and the stocks that were once ST at dates that no source gives.

    Shenzhen publishes its changes with dates. For Shanghai there is the ordered list of old names without dates: a
    stock that never had another name has its name from its listing on, any other from the day on which this store
    first saw it. From then on changes are dated by the archive of name lists.

    Returns
    -------
    names : DataFrame
        symbol, start_date, name.
    undated : list of str
    """
    import pandas as pd

    wanted = set(symbols)
    dated: dict[str, list[tuple[pd.Timestamp, str]]] = {}
    history = client.history(RENAMED[0], RENAMED[1])
    for row in history[-1][1].to_dict("records") if history else []:
        if row["symbol"] in wanted and row["name"] and row["start_date"] == row["start_date"]:
            rows = dated.setdefault(row["symbol"], [])
            listed = known.listed.get(row["symbol"], pd.NaT)
            first = listed if listed == listed else pd.Timestamp(FIRST_DAY)
            if not rows and row["before"] and first < row["start_date"]:
                rows.append((first, _plain(row["before"])))
            rows.append((row["start_date"], _plain(row["name"])))
    undated: list[str] = []
    for symbol in sorted(wanted - set(dated)):
        old = client.history("stock_info_change_name", {"symbol": code_of(symbol)}) if symbol.endswith(".SH") else []
        former = [str(name) for name in old[-1][1]["name"]] if old and len(old[-1][1]) else []
        now, listed = known.names.get(symbol, ""), known.listed.get(symbol, pd.NaT)
        if any("ST" in name.upper() for name in (*former, now)) and symbol.endswith(".SH"):
            undated.append(symbol)
        if now and listed == listed and (symbol.endswith(".SZ") or (old and len(set(former) - {now}) == 0)):
            dated[symbol] = [(listed, now)]
    for function, given in (*LISTS, *BEIJING):
        for day, frame in client.history(function, given):
            for row in frame.to_dict("records"):
                if row["symbol"] in wanted and row["name"]:
                    rows = dated.setdefault(row["symbol"], [])
                    if not rows or rows[-1][1] != _plain(row["name"]):
                        rows.append((pd.Timestamp(day), _plain(row["name"])))
    out = [(symbol, day, name) for symbol in sorted(dated) for day, name in sorted(dated[symbol])]
    frame = pd.DataFrame(out, columns=["symbol", "start_date", "name"])
    return frame.astype({"start_date": "datetime64[ms]"}), undated


def st_disagreement(client: Client, symbols: list[str], known: Listings) -> list[str]:
    """Stocks that are ST by their name and not on the board of ST stocks today, or the other way round."""
    board = client.history("stock_zh_a_st_em")
    if not board:
        return []
    listed = set(board[-1][1]["symbol"])
    named = {symbol for symbol, name in known.names.items() if "ST" in name.upper() and symbol not in known.delisted}
    return sorted((listed ^ named) & set(symbols) & set(known.names))


def _plain(name: str) -> str:
    return " ".join(str(name).split())


def st_flags(names: pd.DataFrame, symbol: str, dates: np.ndarray) -> np.ndarray:
    """Whether the name of each day contains ST; False before the first known name."""
    rows = names[names["symbol"] == symbol]
    if not len(rows):
        return np.zeros(len(dates), bool)
    since = rows["start_date"].to_numpy().astype("datetime64[D]")
    flags = np.array(["ST" in name.upper() for name in rows["name"]])
    place = np.searchsorted(since, dates, side="right") - 1
    return np.where(place >= 0, flags[np.maximum(place, 0)], False)
