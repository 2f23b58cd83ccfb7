"""Why a stock was suspended: the list of one day tells it for every suspension that the day lies in.

The spans themselves come from the bars. So few days are asked for as reach every span: from the newest on, the first
day of a span that no day asked for lies in.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from feeds import akshare_reports
from feeds.akshare_client import Client
from feeds.akshare_http import SourceError

if TYPE_CHECKING:
    import pandas as pd

FUNCTION = "stock_tfp_em"

A_YEAR = 0.7
"""Suspensions that a stock has had a year, for the remaining time."""

GIVE_UP = 3
"""Days in a row without a list after which the older ones are not asked for: the source does not reach so far."""


def asked_days(client: Client) -> np.ndarray:
    """Days whose lists are on the disk, sorted; datetime64[D]."""
    days = [dt.datetime.strptime(r.arguments["date"], "%Y%m%d").date() for r in client.cache.all_records(FUNCTION)]
    return np.unique(np.array(days, dtype="datetime64[D]"))


def expected(client: Client, stocks: int, span: np.ndarray) -> int:
    """About how many days an update will ask for, before the bars are there.

    Parameters
    ----------
    client : Client
    stocks : int
    span : ndarray of datetime64[D]
        Sessions of the bars.
    """
    asked = asked_days(client)
    open_days = len(span) if not len(asked) else int((span > asked[-1]).sum())
    return round(open_days * (1.0 - math.exp(-A_YEAR * stocks / 243.0)))


def days_to_ask(client: Client, halts: pd.DataFrame) -> list[dt.date]:
    """Days that reach every suspension which no list on the disk reaches; newest first.

    A kill between two days leaves those before asked for and the same ones after.

    Parameters
    ----------
    client : Client
    halts : DataFrame
        symbol, start, end (NaT while it lasts).
    """
    today = np.datetime64(client.today, "D")
    starts = halts["start"].to_numpy().astype("datetime64[D]")
    ends = halts["end"].to_numpy().astype("datetime64[D]")
    ends = np.where(np.isnat(ends), today, ends)
    found: list[dt.date] = []
    never = np.datetime64("9999-12-31", "D")
    known = np.append(asked_days(client), never)
    reached = known[np.searchsorted(known, starts)] <= ends
    order = np.argsort(starts, kind="stable")[::-1]
    nearest = never  # the oldest day chosen so far; starts only fall from here
    for k in order:
        if not reached[k] and not starts[k] <= nearest <= ends[k]:
            nearest = starts[k]
            found.append(nearest.item())
    return found


def fetch_day(client: Client, day: dt.date) -> None:
    """Fetch the list of one day.

    Raises
    ------
    SourceError
        Also if the list does not look like one of that day.
    """
    given = {"date": f"{day:%Y%m%d}"}
    frame = client.frame(FUNCTION, given)
    try:
        akshare_reports.check_identities(FUNCTION, frame.assign(day=np.datetime64(day, "ms")))
    except SourceError:
        client.cache.drop(FUNCTION, given)
        raise


def halt_calls(client: Client, halts: pd.DataFrame) -> list[tuple[dt.date, partial[None]]]:
    """Days and the calls that fetch them; after :data:`GIVE_UP` failures in a row the rest is not asked for."""
    misses = [0]

    def run(day: dt.date) -> None:
        if misses[0] >= GIVE_UP:
            return
        try:
            fetch_day(client, day)
        except SourceError:
            misses[0] += 1
            raise
        misses[0] = 0

    return [(day, partial(run, day)) for day in days_to_ask(client, halts)]


def with_reasons(client: Client, halts: pd.DataFrame, symbols: Sequence[str]) -> pd.DataFrame:
    """The suspensions with the column ``reason``: what the earliest list inside a span says, None where none does."""
    import pandas as pd

    wanted, parts = set(symbols), []
    for record in client.cache.all_records(FUNCTION):
        frame = client.translated(record)
        frame = frame[frame["symbol"].isin(wanted) & frame["reason"].notna()]
        parts.append(frame.assign(day=pd.Timestamp(record.arguments["date"]))[["symbol", "reason", "day"]])
    if not parts or not len(halts):
        return halts.assign(reason=pd.Series([None] * len(halts), dtype=object, index=halts.index))
    lists = pd.concat(parts, ignore_index=True).sort_values("day", kind="stable")
    told = {symbol: rows for symbol, rows in lists.groupby("symbol", sort=False)}
    last = pd.Timestamp(client.today)
    reasons: list[str | None] = []
    for symbol, start, end in zip(halts["symbol"], halts["start"], halts["end"], strict=True):
        rows = told.get(symbol)
        if rows is not None:
            rows = rows[rows["day"].between(start, end if end == end else last)]
        reasons.append(str(rows["reason"].iloc[0]) if rows is not None and len(rows) else None)
    return halts.assign(reason=pd.Series(reasons, dtype=object, index=halts.index))
