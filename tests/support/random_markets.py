"""Random markets of several boards and eras in which everything that happens to A shares is frequent.

A world is drawn row by row: what session t looks like depends on the draws of sessions up to t alone, so that a
twin with other draws after t is the same market up to t and a different, consistent one behind it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.corporate import EXTRA_COLUMNS
from engine.market import EVENT_COLUMNS, Market

SESSIONS, STOCKS = 36, 8
_ERAS = (
    "2010-12-07", "2012-12-10", "2013-12-09", "2014-12-08", "2019-12-09", "2021-12-06", "2022-12-12", "2025-12-08",
    "2015-08-17", "2020-08-03", "2023-03-20", "2026-06-15",
)  # fmt: skip
"""First days: in most the year ends within the panel, in the rest a rule changes."""
_BOARDS = (("600", "SH", ""), ("000", "SZ", ""), ("002", "SZ", ""), ("601", "SH", ""), ("300", "SZ", "2009-10-30"),
           ("688", "SH", "2019-07-22"), ("920", "BJ", "2021-11-15"))  # fmt: skip
_CHINEXT_20, _ST_10 = np.datetime64("2020-08-24"), np.datetime64("2026-07-06")


@dataclass(frozen=True)
class World:
    """A market, the limits in fen that its bars were drawn in (0 where they do not apply), and its events in words.

    ``events`` are dictionaries of whole numbers: sessions, ten-thousandths of a yuan, and ``kind``.
    """

    market: Market
    up: np.ndarray
    down: np.ndarray
    events: list[dict[str, Any]]


def band(prefix: str, day: np.datetime64, st: bool) -> int:
    """Width of the daily price limit in hundredths."""
    if prefix == "920":
        return 30
    if prefix == "688" or (prefix == "300" and day >= _CHINEXT_20):
        return 20
    return 5 if st and day < _ST_10 else 10


def random_world(seed: int, *, after: int | None = None, other: int | None = None) -> World:
    """The world of a seed, or with ``other`` its twin, which is drawn anew behind the session ``after``.

    With ``after`` no action whose ex-date lies behind it is recorded before: a record date that has passed is known.
    """
    rng = np.random.default_rng(seed)
    fixed = random.Random(seed)
    days = _days(fixed)
    shape = (SESSIONS, STOCKS, 12)
    draws, normals = rng.random(shape), rng.normal(size=(SESSIONS, STOCKS, 4))
    if after is not None and other is not None:
        again = np.random.default_rng([seed, other])
        draws[after + 1 :] = again.random(shape)[after + 1 :]
        normals[after + 1 :] = again.normal(size=normals.shape)[after + 1 :]
    open_boards = [board for board in _BOARDS if not board[2] or days[0] >= np.datetime64(board[2])]
    drawn = [fixed.choice(open_boards) for _ in range(STOCKS)]
    stocks = sorted((f"{prefix}{k:03d}.{exchange}", prefix) for k, (prefix, exchange, _) in enumerate(drawn, 1))
    starts = [fixed.randrange(2, SESSIONS // 2) if fixed.random() < 0.3 else 0 for _ in stocks]
    ends = [fixed.randrange(SESSIONS // 2, SESSIONS - 1) if fixed.random() < 0.35 else SESSIONS - 1 for _ in stocks]
    is_st = [prefix in ("600", "601", "000", "002") and fixed.random() < 0.12 for _, prefix in stocks]
    firsts = [round(10 ** fixed.uniform(2.3, 3.8)) for _ in stocks]
    depth = 10 ** fixed.uniform(3.5, 6.5)
    same_day = [symbol for symbol, _ in stocks if fixed.random() < 0.04]
    if after is not None and other is not None:  # who leaves behind that session leaves on another one
        ends = [end if end <= after else min(SESSIONS - 1, after + 1 + (end + other) % 7) for end in ends]

    fields = {name: np.full((SESSIONS, STOCKS), np.nan) for name in _FIELDS}
    up, down = np.zeros((2, SESSIONS, STOCKS), np.int64)
    events: list[dict[str, Any]] = []
    for i, (_, prefix) in enumerate(stocks):
        last, age, was_out = firsts[i], 0, False
        for t in range(starts[i], ends[i] + 1):
            u, z = draws[t, i].tolist(), normals[t, i].tolist()
            event = None
            if age and u[0] < 0.09 and last > 250:
                event = _event(t, i, last, u, starts[i])
                if after is not None and t > after:
                    event["record_t"] = max(event["record_t"], min(after + 1, t - 1))
                events.append(event)
            reference = last if event is None else event["reference"]
            was_out = age > 0 and u[1] < (0.5 if event or was_out else 0.07)
            if was_out:
                last = reference
                continue
            age += 1
            fields["preclose"][t, i] = reference / 100
            width = 30 if age == 1 and starts[i] else band(prefix, days[t], is_st[i])
            if age > 5 and u[2] < 0.03:  # the feed has limits of its own
                width = 4
                fields["limit_up"][t, i], fields["limit_down"][t, i] = (x / 100 for x in _limits(reference, width))
            if age > 5 or starts[i] == 0:
                up[t, i], down[t, i] = _limits(reference, width)
            bar = _bar(reference, *_limits(reference, width), u, z)
            for name, price in zip(("open", "high", "low", "close"), bar, strict=True):
                fields[name][t, i] = price / 100
            fields["volume"][t, i] = 0.0 if u[5] < 0.01 else float(int(depth * np.exp(z[3])) + 100)
            last = bar[3]
    return World(_market(days, stocks, fields, starts, ends, is_st, events, same_day), up, down, events)


_FIELDS = ("open", "high", "low", "close", "preclose", "volume", "limit_up", "limit_down")


def _days(fixed: random.Random) -> np.ndarray:
    """Weekdays from a first day on, often with a gap of up to more than a year: holding periods of every length."""
    steps = [1] * SESSIONS
    if fixed.random() < 0.45:
        steps[fixed.randrange(5, SESSIONS)] = fixed.choice((10, 21, 25, 60, 240, 290))
    first = fixed.choice(_ERAS)
    return np.busday_offset(first, np.cumsum([0, *steps[1:]]), roll="forward").astype("datetime64[D]")


def _limits(reference: int, width: int) -> tuple[int, int]:
    """Upper and lower limit in fen, rounded half-up, at least a fen away."""
    high = (reference * (100 + width) + 50) // 100
    low = (reference * (100 - width) + 50) // 100
    return max(high, reference + 1), min(low, reference - 1)


def _bar(reference: int, high: int, low: int, u: list[float], z: list[float]) -> tuple[int, int, int, int]:
    """Open, high, low and close in fen: locked at a limit, opened from one, touching one, or none of it."""

    def inside(price: float) -> int:
        return min(max(round(price), low + 1), high - 1) if high - low > 1 else reference

    opened = inside(reference * (1 + 0.015 * z[0]))
    closed = inside(opened * (1 + 0.02 * z[1]))
    k, kind = u[3], "normal"
    for name, part in (
        ("locked up", 0.05), ("locked down", 0.05), ("left up", 0.03), ("left down", 0.03), ("touched up", 0.03),
        ("touched down", 0.03), ("closed up", 0.02), ("closed down", 0.02),
    ):  # fmt: skip
        if k < part:
            kind = name
            break
        k -= part
    if kind.startswith("locked"):
        opened = closed = high if kind == "locked up" else low
        return closed, closed, closed, closed
    if kind.startswith("left"):
        opened = high if kind == "left up" else low
    elif kind.startswith("closed"):
        closed = high if kind == "closed up" else low
    top, bottom = max(opened, closed), min(opened, closed)
    top = high if kind == "touched up" else max(top, inside(top * (1 + 0.01 * abs(z[2]))))
    bottom = low if kind == "touched down" else min(bottom, inside(bottom * (1 - 0.01 * u[4])))
    return opened, top, bottom, closed


def _event(t: int, i: int, last: int, u: list[float], start: int) -> dict[str, Any]:
    """A corporate action; ``cash`` and ``rights_price`` in 1/10,000 yuan, ratios in 1/10,000."""
    k, v, w = u[6:9]
    cash = (500, 1230, 3105, 45)[int(v * 4)] if last > 500 else 123
    event: dict[str, Any] = {
        "t": t, "i": i, "last": last, "cash": cash, "bonus": 0, "transfer": 0, "rights": 0, "rights_price": 0,
        "told": False, "factor": 0, "record_t": max(start, t - 1 - (int(w * 20) if w < 0.2 else 0)),
        "pay_t": t + (int(u[9] * 14) if u[9] < 0.6 else 0), "list_t": t + (int(u[10] * 14) if u[10] < 0.6 else 0),
    }  # fmt: skip
    if k < 0.25:
        event["kind"] = "cash"
    elif k < 0.6:
        event |= {"kind": "bonus", "told": True, "bonus": (0, 1000, 3000, 5000)[int(u[11] * 4)]}
        event |= {"transfer": (3000, 10000, 0, 1234)[int(v * 4)], "cash": cash if w > 0.4 else 0}
        if not event["bonus"] + event["transfer"]:
            event["bonus"] = 2000
    elif k < 0.68:
        event |= {"kind": "share ratio", "transfer": (3000, 10000, 2222, 5000)[int(v * 4)]}
    elif k < 0.84:
        event |= {"kind": "rights", "told": True, "rights": (2000, 3000, 1500, 2800)[int(v * 4)]}
        event |= {"rights_price": round(last * (0.5 + 0.6 * u[11])) * 100, "cash": cash if w > 0.5 else 0}
    elif k < 0.9:
        event |= {"kind": "consolidation", "transfer": -(5000, 2000, 5000, 8000)[int(v * 4)], "cash": 0}
    else:
        event |= {"kind": "unresolved", "factor": (8000, 15000, 5000, 21000)[int(v * 4)], "cash": 0}
    if event["kind"] == "unresolved":
        reference = last * 10000 // event["factor"]
    else:
        free = 10000 + event["bonus"] + event["transfer"]
        worth = last * 10000 - event["cash"] * 100 + event["rights"] * event["rights_price"] // 100
        reference = (2 * worth + free + event["rights"]) // (2 * (free + event["rights"]))
    event["reference"] = max(reference, 20)
    return event


def _market(
    days: np.ndarray,
    stocks: list[tuple[str, str]],
    fields: dict[str, np.ndarray],
    starts: list[int],
    ends: list[int],
    is_st: list[bool],
    events: list[dict[str, Any]],
    same_day: list[str],
) -> Market:
    events.sort(key=lambda event: (event["t"], event["i"]))
    rows = [
        {
            "t": e["t"], "i": e["i"], "prev_close": e["last"] / 100, "preclose": e["reference"] / 100,
            "factor_ratio": e["last"] / e["reference"],
            "share_ratio": 7.0 if e["kind"] == "unresolved" else (10000 + e["bonus"] + e["transfer"]) / 10000,
            "cash": e["cash"] / 10000, "record_t": e["record_t"], "pay_t": e["pay_t"], "list_t": e["list_t"],
            "bonus_ratio": e["bonus"] / 10000 if e["told"] else np.nan,
            "transfer_ratio": e["transfer"] / 10000 if e["told"] else np.nan,
            "rights_ratio": e["rights"] / 10000, "rights_price": e["rights_price"] / 10000,
        }
        for e in events
    ]  # fmt: skip
    columns = {name: np.array([row[name] for row in rows]) for name in (*EVENT_COLUMNS, *EXTRA_COLUMNS)}
    ages = np.array([0 if start else 10_000 for start in starts], np.int32)
    last = np.array(ends, np.int32)
    raw = fields | {"st": np.broadcast_to(np.array(is_st, np.uint8), (SESSIONS, STOCKS)).copy()}
    return Market.build(
        days, [symbol for symbol, _ in stocks], raw, list_age=ages, last_session=last, delisted=last < SESSIONS - 1,
        events=columns, same_day=same_day,
    )  # fmt: skip
