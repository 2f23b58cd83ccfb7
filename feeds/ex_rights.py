"""The table ``ex_rights_events``: its optional columns, its checks, and its place in a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.corporate import EXTRA_COLUMNS, HARDLY, Event, is_plain
from engine.errors import DataError
from engine.market import EVENT_COLUMNS

FILE = "ex_rights_events.parquet"

_PER_TEN = 10.0
"""A ratio from here on must be counted per ten shares; the largest issue of this market gave three for one."""

_LARGEST_DIVIDEND = 0.25
"""Cash as a fraction of the price before, above which an estimate is no plain dividend."""


def check_events(values: Mapping[str, np.ndarray]) -> None:
    """Check the numbers and the order of the dates of ex-rights events.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (R,)
        Columns of the table; optional ones may be absent.

    Raises
    ------
    DataError
        At the first offending row of the first rule that is broken: an empty or missing date, a record date that
        is not before the ex-date, a payment or listing before it, a ratio of zero or counted per ten shares, a
        rights issue without a price or without the ratios of bonus and transfer.
    """

    def refuse(bad: np.ndarray, column: str, advice: str) -> None:
        if bad.any():
            k = int(np.argmax(bad))
            value = values[column][k]
            says = "is empty" if value != value else f"is {value:g}" if values[column].dtype == float else f"is {value}"
            raise DataError(
                f"{FILE} row {k + 1}: column '{column}' of {values['symbol'][k]} with ex_date {values['ex_date'][k]} "
                f"{says}; {advice}"
            )

    ex = values["ex_date"]
    refuse(np.isnat(ex), "ex_date", "write the first session without the right")
    if "record_date" in values:
        refuse(values["record_date"] >= ex, "record_date", "the record date is the last day with the right, before it")
    for column in ("pay_date", "list_date"):
        if column in values:
            refuse(values[column] < ex, column, "it cannot lie before the ex-date")
    for column in ("factor_ratio", "share_ratio"):
        refuse(values[column] <= 0, column, "a ratio is above zero: shares after per share before, 1 where none come")
    for column in ("bonus_ratio", "transfer_ratio", "rights_ratio"):
        if column in values:
            refuse(values[column] < 0, column, "new shares per share are zero or more")
            refuse(values[column] >= _PER_TEN, column, "it is counted per share: three for ten is 0.3")
    if "rights_ratio" in values:
        issue = values["rights_ratio"] > 0
        for column in ("rights_price", "bonus_ratio", "transfer_ratio"):
            given = values.get(column)
            if given is None:
                if issue.any():
                    raise DataError(f"{FILE} has rights issues but no column '{column}'; add it")
                continue
            floor = given <= 0 if column == "rights_price" else np.zeros(len(given), bool)
            refuse(issue & (np.isnan(given) | floor), column, "a rights issue needs it (zero where there is no bonus)")


def events_of(
    rights: Mapping[str, np.ndarray], sessions: np.ndarray, symbols: Sequence[str], calendar: np.ndarray
) -> dict[str, np.ndarray]:
    """Ex-dates of ``symbols`` inside the panel, sorted by session and stock; columns as in ``Market.events``.

    Days become session indices: record dates the last session up to them, payment and listing the first from
    them on (the number of sessions where the panel ends before).

    Raises
    ------
    DataError
        If an ex-date inside the calendar is no session.
    """
    column = {symbol: i for i, symbol in enumerate(symbols)}
    i = np.array([column.get(symbol, -1) for symbol in rights["symbol"].tolist()], dtype=np.int64)
    days = rights["ex_date"]
    bad = (i >= 0) & ~np.isin(days, calendar) & ~((days < calendar[0]) | (days > calendar[-1]))
    if bad.any():
        k = int(np.argmax(bad))
        raise DataError(
            f"{FILE}: the ex_date {days[k]} of {rights['symbol'][k]} is no session of "
            "calendar.parquet; mend the row or the calendar"
        )
    keep = np.flatnonzero((i >= 0) & (days >= sessions[0]) & (days <= sessions[-1]))
    t = np.searchsorted(sessions, days[keep])
    order = np.lexsort((i[keep], t))
    keep, t = keep[order], t[order].astype(np.int64)
    found = {"t": t, "i": i[keep]}
    for name in EVENT_COLUMNS[2:]:
        found[name] = rights["cash_per_share_est" if name == "cash" else name][keep]
    for name in EXTRA_COLUMNS:
        given = rights.get(name.replace("_t", "_date") if name.endswith("_t") else name)
        if given is None:
            continue
        given = given[keep]
        if not name.endswith("_t"):
            found[name] = given
            continue
        default = t - 1 if name == "record_t" else t
        side = np.searchsorted(sessions, given, side="right") - 1
        if name != "record_t":
            side = np.searchsorted(sessions, given, side="left")
        found[name] = np.where(np.isnat(given), default, side).astype(np.int64)
    return found


def mend_share_ratios(events: Mapping[str, np.ndarray], total_shares: np.ndarray) -> dict[str, np.ndarray]:
    """Repair estimates whose share count moved on another day than the ex-date.

    A feed that derives ``share_ratio`` from share counts misses new shares that are listed a session later, and
    takes exercised options and cancelled awards for an issue. Only events that do not explain their own reference
    price, do not say their parts and whose count hardly moved on the ex-date are looked at:

    * If the count moves on the next session with a bar, and that ratio leaves between nothing and a quarter of
      the price for the cash, it is the event's ratio and the new shares are sellable from that session on.
    * Else, if the count did move a little and the price was lowered, it was a dividend of the difference.

    Parameters
    ----------
    events : mapping of str to ndarray, shape (E,)
        As :func:`events_of` returns.
    total_shares : ndarray of float64, shape (T, N)
        NaN without a bar.

    Returns
    -------
    dict of ndarray
        The events; ``share_ratio``, ``cash`` and ``list_t`` new where something was repaired.
    """
    mended = {name: values.copy() for name, values in events.items()}
    mended.setdefault("list_t", mended["t"].copy())
    known = np.isfinite(events["prev_close"]) & (events["prev_close"] > 0) & (events["preclose"] > 0)
    told = np.isfinite(events.get("bonus_ratio", np.full(len(known), np.nan)))
    for k in np.flatnonzero(known & ~told & (np.abs(events["share_ratio"] - 1.0) < HARDLY)).tolist():
        t, i = int(events["t"][k]), int(events["i"][k])
        event = Event(i, *(float(events[name][k]) for name in Event._fields[1:]))
        if is_plain(event):
            continue
        ahead = np.flatnonzero(np.isfinite(total_shares[t + 1 :, i]))
        ratio, later = 1.0, t
        if len(ahead) and np.isfinite(total_shares[t, i]):
            later = t + 1 + int(ahead[0])
            ratio = round(float(total_shares[later, i] / total_shares[t, i]), 5)
        cash = round(event.prev_close - ratio * event.preclose, 4)
        if abs(ratio - 1.0) < HARDLY or not -0.01 * ratio <= cash <= _LARGEST_DIVIDEND * event.prev_close:
            ratio, later, cash = 1.0, t, round(event.prev_close - event.preclose, 4)
            if event.share_ratio == 1.0 or not 0.0 < cash <= _LARGEST_DIVIDEND * event.prev_close:
                continue
        mended["share_ratio"][k], mended["cash"][k], mended["list_t"][k] = ratio, max(cash, 0.0), later
    return mended
