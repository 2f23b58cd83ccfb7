"""The fields of a market that follow from a feed's raw arrays: marks, states, ages, price limits.

Whole panels are large (ten years of the market are 73 MB a field), and memory that is touched for the first time costs
more than the arithmetic: everything here goes by rows, so that what stands between two fields stays in the processor's
cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.corporate import extra_columns
from engine.rules import NO_LIMIT_UP, board_of, price_limits

RAW_FIELDS = (
    "open", "high", "low", "close", "preclose", "volume", "amount", "turnover",
    "total_shares", "float_shares", "adj_factor",
)  # fmt: skip
"""Float fields that a feed delivers: yuan, shares, turnover as a fraction; NaN where no bar."""

DERIVED_FIELDS = ("mark", "traded", "listed", "st", "state", "age", "limit_up", "limit_down", "member")
"""Fields that :func:`complete` derives (``st`` carried forward, ``member`` as delivered)."""

FIELDS = RAW_FIELDS + DERIVED_FIELDS

EVENT_COLUMNS = ("t", "i", "prev_close", "preclose", "factor_ratio", "share_ratio", "cash")
"""Columns of the corporate events that every feed gives: session index, stock index, yuan, yuan, ratios, yuan a
share. :data:`engine.corporate.EXTRA_COLUMNS` come with defaults."""

_CELLS = 1 << 16
"""Cells worked on at once."""


def complete(
    sessions: np.ndarray,
    symbols: Sequence[str],
    raw: Mapping[str, np.ndarray],
    listed_before: np.ndarray,
    ends: np.ndarray,
    events: Mapping[str, np.ndarray],
    member: np.ndarray | None,
    states: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """All of :data:`FIELDS`, shape (T, N) each; raw arrays of the right type are taken as they are.

    Parameters
    ----------
    sessions : ndarray of datetime64[D], shape (T,)
    symbols : sequence of str, length N
    raw : mapping of str to ndarray, shape (T, N)
        As for :meth:`engine.market.Market.build`, and so are ``member`` and ``states``.
    listed_before, ends : ndarray of int32, shape (N,)
        Own trading days before the panel; index of the last listed session.
    events : mapping of str to ndarray, shape (E,)
        As :func:`event_table` returns.
    """
    rows, columns = shape = len(sessions), len(symbols)
    fields: dict[str, np.ndarray] = {
        name: np.ascontiguousarray(raw[name], dtype=np.float64) if name in raw else np.full(shape, np.nan)
        for name in RAW_FIELDS
    }
    has_bar = np.isnan(fields["close"])
    np.logical_not(has_bar, out=has_bar)
    if "volume" not in raw:
        fields["volume"] = np.where(has_bar, np.inf, np.nan)
    mark = _carried(fields["close"], has_bar)
    _mark_at_reference(mark, has_bar, events, ends)
    given_factor = "adj_factor" in raw
    fields["adj_factor"] = _carried(fields["adj_factor"]) if given_factor else np.where(np.isnan(mark), np.nan, 1.0)
    if "preclose" not in raw:
        previous = np.vstack([np.full((1, columns), np.nan), mark[:-1]])
        fields["preclose"] = np.where(has_bar, np.where(np.isnan(previous), fields["open"], previous), np.nan)
    st = np.asarray(raw["st"], dtype=np.uint8) if "st" in raw else np.zeros(shape, np.uint8)
    st = _carried(st, has_bar)
    state = st.copy()
    if states is not None:
        np.copyto(state, states, where=states > 0)
    age = _ages(has_bar, listed_before)
    listed = (age > 0) & (np.arange(rows, dtype=np.int32)[:, None] <= ends[None, :])
    boards = np.array([board_of(symbol) for symbol in symbols])
    limit_up, limit_down = price_limits(sessions, boards, _fen(fields["preclose"]), state, age)
    for name, limits in (("limit_up", limit_up), ("limit_down", limit_down)):
        if name in raw:
            given = ~np.isnan(raw[name])
            limits[given] = np.minimum(np.rint(raw[name][given] * 100.0), NO_LIMIT_UP)
    traded = fields["volume"] > 0
    traded &= has_bar
    return fields | {
        "mark": mark,
        "traded": traded.view(np.uint8),
        "listed": listed.view(np.uint8),
        "st": st,
        "state": state,
        "age": age,
        "limit_up": limit_up,
        "limit_down": limit_down,
        "member": np.ones(shape, np.uint8) if member is None else np.asarray(member, np.uint8),
    }


def event_table(events: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """Events with all columns in their types; what a feed does not give has its default."""
    if events is None:
        events = {name: np.zeros(0) for name in EVENT_COLUMNS}
    core = {
        name: np.asarray(events[name], dtype=np.int64 if name in ("t", "i") else np.float64) for name in EVENT_COLUMNS
    }
    return core | extra_columns(core["t"], events)


def _ages(has_bar: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Own trading days up to and including each session, int32 (T, N)."""
    age = np.empty(has_bar.shape, np.int32)
    count = before.astype(np.int32)
    for t in range(len(age)):
        count = np.add(count, has_bar[t], out=age[t])
    return age


def _fen(yuan: np.ndarray) -> np.ndarray:
    """Prices in fen, int64 (T, N); 0 where there is none."""
    fen = np.empty(yuan.shape, np.int64)
    step = max(1, _CELLS // max(1, yuan.shape[1]))
    for row in range(0, len(yuan), step):
        part = np.nan_to_num(yuan[row : row + step])
        part *= 100.0
        fen[row : row + step] = np.rint(part, out=part)
    return fen


def _carried(values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """``values`` with each unknown entry replaced by the last known one of its column; NaN is unknown by default."""
    out = np.empty_like(values)
    out[:1] = values[:1]
    for t in range(1, len(out)):
        out[t] = out[t - 1]
        np.copyto(out[t], values[t], where=~np.isnan(values[t]) if known is None else known[t])
    return out


def _mark_at_reference(
    mark: np.ndarray, has_bar: np.ndarray, events: Mapping[str, np.ndarray], ends: np.ndarray
) -> None:
    """Lower the mark of a stock that is suspended on its ex-date to the ex-right reference price."""
    t, i = events["t"], events["i"]
    open_events = np.flatnonzero(~has_bar[t, i] & np.isfinite(events["preclose"]) & (t <= ends[i]))
    for k in open_events.tolist():
        first, column = int(t[k]), int(i[k])
        following = np.flatnonzero(has_bar[first:, column])
        stop = first + int(following[0]) if len(following) else len(mark)
        mark[first:stop, column] = events["preclose"][k]
