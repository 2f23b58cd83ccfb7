"""The synthetic market as Parquet files: same tables, columns, types and order as the real data.

Units are the store's: yuan with two decimals, shares, turnover in per cent, dates as midnight
timestamps. A session on which a stock does not trade has no row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.synthetic_index import Indices
from feeds.synthetic_population import BOARD_NAMES, INDUSTRIES, Population, Stream
from feeds.synthetic_prices import Paths
from feeds.synthetic_report_tables import report_columns, valuation_columns
from feeds.synthetic_reports import draw_reports
from feeds.synthetic_schedules import LEAVING, NEVER, PLAIN

SCHEME = "pre-2021 (SW2008/SW2014)"
SHANGHAI_PAYS_AT_ONCE = np.datetime64("2013-01-01")
_NAME_PREFIX = ("", "ST", "*ST", "")
_MARKS = ("", "N", "XD", "XR", "DR")


def write_tables(
    folder: Path, people: Population, paths: Paths, indices: Indices, sessions: np.ndarray, stream: Stream
) -> None:
    """Write every table of the market into ``folder``.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    (folder / "daily_bars").mkdir(parents=True, exist_ok=True)
    _write_bars(folder, people, paths, sessions)
    reports = draw_reports(people, paths, sessions, stream)
    tables = {
        "calendar": {"date": _dates(sessions)},
        "securities": _securities(people, sessions),
        "constituents": _constituents(people, indices),
        "index_daily": _index_daily(indices, sessions),
        "ex_rights_events": _events(people, paths, sessions),
        "name_history": _name_history(people, paths, sessions),
        "suspensions": _suspensions(people, sessions),
        "industry_sw_history": _industry_history(people, sessions),
        "fundamentals_quarterly": report_columns(reports, people),
        "valuation_daily": valuation_columns(reports, people, paths, sessions),
        "cn_gov_bond_10y": _bond(sessions, stream("bond")),
    }
    for name, columns in tables.items():
        _write(folder / f"{name}.parquet", columns)


def _write(path: Path, columns: dict[str, Any]) -> None:
    table = pa.table(columns)
    # As in the real tables, so that pandas reads whole numbers with gaps as whole numbers.
    gaps = [field.name for field in table.schema if pa.types.is_integer(field.type) and table[field.name].null_count]
    if gaps:
        about = [
            {
                "name": name,
                "field_name": name,
                "pandas_type": "int64",
                "numpy_type": "Int64",
                "metadata": None,
            }
            for name in gaps
        ]
        note = json.dumps({"index_columns": [], "column_indexes": [], "columns": about})
        table = table.replace_schema_metadata({"pandas": note})
    pq.write_table(table, path, compression="zstd")


def _dates(days: np.ndarray) -> pa.Array:
    return pa.array(days.astype("datetime64[ms]"), pa.timestamp("ms"))


def _words(values: Any) -> pa.Array:
    return pa.array(list(values), pa.large_string())


def _by_index(index: np.ndarray, words: Any) -> pa.Array:
    """Strings picked by position, without a Python object per row."""
    picked = pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), _words(words))
    return picked.cast(pa.large_string())


def _write_bars(folder: Path, people: Population, paths: Paths, sessions: np.ndarray) -> None:
    years = sessions.astype("datetime64[Y]")
    for year in np.unique(years):
        part = slice(*np.searchsorted(years, [year, year + np.timedelta64(1, "Y")]))
        # Stocks by rows, so that the flat order is symbol, then date.
        traded = people.trading[part].T
        i, t = np.nonzero(traded)

        def pick(array: np.ndarray, part: slice = part, traded: np.ndarray = traded) -> np.ndarray:
            return array[part].T[traded]

        volume = pick(paths.lots).astype(np.int64) * 100
        float_shares, state = pick(paths.float_shares), pick(people.state)
        columns: dict[str, Any] = {"date": _dates(sessions[part][t]), "symbol": _by_index(i, people.symbols)}
        for name in ("open", "high", "low", "close", "preclose"):
            columns[name] = pick(getattr(paths, name)) / 100.0
        columns |= {
            "volume": volume,
            "amount": pick(paths.amount),
            "turnover": np.round(100.0 * volume / float_shares, 2).astype(np.float32),
            "total_shares": pick(paths.total_shares),
            "float_shares": float_shares,
            "adj_factor": np.round(pick(paths.factor), 10),
            "is_st": (state != PLAIN) & (state != LEAVING),
        }
        _write(folder / "daily_bars" / f"{year}.parquet", columns)


def _securities(people: Population, sessions: np.ndarray) -> dict[str, Any]:
    some = people.trading.any(axis=0)
    first = people.trading.argmax(axis=0)[some]
    last = (len(sessions) - 1 - people.trading[::-1].argmax(axis=0))[some]
    return {
        "symbol": _words(people.symbols[some]),
        "exchange": _words(people.exchange[some]),
        "board": _by_index(people.board[some], BOARD_NAMES),
        "list_date": _dates(people.list_date[some]),
        "first_bar": _dates(sessions[first]),
        "last_bar": _dates(sessions[last]),
        "n_bars": people.trading.sum(axis=0)[some].astype(np.int64),
        # as in the real table: a bar within the last ten days
        "active_at_end": sessions[last] >= sessions[-1] - np.timedelta64(10, "D"),
    }


def _constituents(people: Population, indices: Indices) -> dict[str, Any]:
    spells = indices.spells
    still = np.datetime64("9999-12-31")
    out = np.where(np.isnat(spells["out_date"]), still, spells["out_date"])
    order = np.lexsort((spells["i"], spells["in_date"], out, spells["index_code"]))
    spells = {name: column[order] for name, column in spells.items()}
    return {
        "index_code": _words(spells["index_code"]),
        "symbol": _by_index(spells["i"], people.symbols),
        **{name: _dates(spells[name]) for name in ("in_date", "out_date", "in_announced", "out_announced")},
        "in_bars": (people.trading.sum(axis=0) > 0)[spells["i"]],
    }


def _index_daily(indices: Indices, sessions: np.ndarray) -> dict[str, Any]:
    codes = sorted(indices.levels)
    rows = len(codes) * len(sessions)
    stacked = {
        name: np.concatenate([indices.levels[code][name] for code in codes])
        for name in ("open", "high", "low", "close", "volume")
    }
    empty = pa.nulls(rows, pa.float64())  # valuation of indices is not modelled
    return {
        "date": _dates(np.tile(sessions, len(codes))),
        "index_code": _by_index(np.repeat(np.arange(len(codes)), len(sessions)), codes),
        **stacked,
        **{name: empty for name in ("pe", "pe_ttm", "pb_lf", "ps")},
    }


def _events(people: Population, paths: Paths, sessions: np.ndarray) -> dict[str, Any]:
    order = np.lexsort((paths.events["t"], paths.events["i"]))
    events = {name: column[order] for name, column in paths.events.items()}
    t, cash, bonus = events["t"], events["cash"], events["bonus"]
    shanghai = people.exchange[events["i"]] == "SH"
    nat = np.datetime64("NaT", "D")

    def later(wait: np.ndarray | int) -> np.ndarray:
        """Session ``wait`` after the ex-date; empty where the data end before."""
        at = t + wait
        return np.where(at < len(sessions), sessions[np.minimum(at, len(sessions) - 1)], nat)

    # Shenzhen pays and lists on the ex-date. Shanghai lists new shares a session later and paid some cash late.
    late = np.where(shanghai & (sessions[t] < SHANGHAI_PAYS_AT_ONCE), (7 * events["i"] + t) % 6, 0)
    from_profits = np.where(bonus % 5 == 0, bonus // 5 * (events["i"] % 4 == 0), 0)  # a fifth, by one company in four
    return {
        "symbol": _by_index(events["i"], people.symbols),
        "ex_date": _dates(sessions[events["t"]]),
        "prev_close": events["prev_close"] / 100.0,
        "preclose": events["preclose"] / 100.0,
        "factor_ratio": events["prev_close"] / events["preclose"],
        "share_ratio": (10 + events["bonus"]) / 10.0,
        "cash_per_share_est": events["cash"] / 100.0,
        "record_date": _dates(sessions[t - 1]),
        "pay_date": _dates(np.where(cash > 0, later(late), nat)),
        "list_date": _dates(np.where(bonus > 0, later(shanghai.astype(int)), nat)),
        "bonus_ratio": from_profits / 10.0,
        "transfer_ratio": (bonus - from_profits) / 10.0,
        "rights_ratio": np.zeros(len(t)),
        "rights_price": np.full(len(t), np.nan),
    }


def _name_history(people: Population, paths: Paths, sessions: np.ndarray) -> dict[str, Any]:
    """A row on each session on which the printed name differs from that of the stock's bar before."""
    mark = np.zeros(people.trading.shape, np.int8)
    new = np.flatnonzero((people.list_pos >= 0) & (people.list_pos < len(sessions)))
    mark[people.list_pos[new], new] = 1
    events = paths.events
    mark[events["t"], events["i"]] = np.where(events["bonus"] == 0, 2, np.where(events["cash"] == 0, 3, 4))
    printed = people.state + 4 * mark
    i, t = np.nonzero(people.trading.T)  # every bar, by stock and session
    code = printed[t, i]
    fresh = np.append(True, i[1:] != i[:-1])
    change = fresh | np.append(True, code[1:] != code[:-1])
    i, t, code, fresh = i[change], t[change], code[change], fresh[change]
    since = np.where(fresh & (people.list_pos[i] < 0), people.list_date[i], sessions[t])
    state = code % 4
    return {
        "symbol": _by_index(i, people.symbols),
        "start_date": _dates(since),
        "name": _words(_printed_name(str(people.names[j]), int(c)) for j, c in zip(i, code, strict=True)),
        "is_st": (state != PLAIN) & (state != LEAVING),
        "is_delisting_period": state == LEAVING,
    }


def _printed_name(plain: str, code: int) -> str:
    """The exchange's screens hold four wide characters: ST甲子, XD甲子银, N甲子, 甲子退."""
    state, mark = code % 4, code // 4
    if state == LEAVING:
        return plain[:2] + "退"
    if mark:
        return _MARKS[mark] + plain[: 2 if mark == 1 else 3]
    return _NAME_PREFIX[state] + (plain[:2] if state != PLAIN else plain)


def _suspensions(people: Population, sessions: np.ndarray) -> dict[str, Any]:
    """Runs of sessions without a bar between two bars, and those that last to the end of the data."""
    length = len(sessions)
    t = np.arange(length)[:, None]
    closed = ((t >= people.list_pos) & (t <= people.last_pos) & ~people.trading).T
    padded = np.zeros((closed.shape[0], length + 2), np.int8)
    padded[:, 1:-1] = closed
    step = np.diff(padded, axis=1)
    i, begin = np.nonzero(step == 1)
    _, end = np.nonzero(step == -1)  # first session after
    still = end == length
    nat = np.datetime64("NaT", "D")
    later = np.minimum(end, length - 1)
    return {
        "symbol": _by_index(i, people.symbols),
        "start": _dates(sessions[begin]),
        "end": _dates(np.where(still, nat, sessions[end - 1])),
        "resume_date": _dates(np.where(still, nat, sessions[later])),
        "n_days": pa.array((end - begin).astype(np.int64), pa.int64(), mask=still),
    }


def _industry_history(people: Population, sessions: np.ndarray) -> dict[str, Any]:
    count = len(people.symbols)
    moved = np.flatnonzero(people.industry_pos < NEVER)
    i = np.concatenate([np.arange(count), moved])
    at_first = np.where(people.industry_pos <= people.list_pos, people.industry[1], people.industry[0])
    which = np.concatenate([at_first, people.industry[1][moved]])
    since = np.concatenate([people.list_date, sessions[people.industry_pos[moved]]])
    later = since > people.list_date[i]
    keep = (np.arange(len(i)) < count) | later  # a change before the listing is no change
    order = np.lexsort((since[keep], i[keep]))
    i, which, since = i[keep][order], which[keep][order], since[keep][order]
    codes = [str(row[0]) for row in INDUSTRIES]
    return {
        "symbol": _by_index(i, people.symbols),
        "start_date": _dates(since),
        "sw_code": _by_index(which, [code[:2] + "0101" for code in codes]),
        "l1_code": _by_index(which, codes),
        "scheme": _words([SCHEME] * len(i)),
        "l1_name": _by_index(which, [row[1] for row in INDUSTRIES]),
    }


def _bond(sessions: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Ten-year government bond yield in per cent: slow mean reversion around 3.3."""
    shocks = 0.022 * rng.standard_normal(len(sessions))
    level, path = 3.4, np.empty(len(sessions))
    for t, shock in enumerate(shocks):
        level = max(level + 0.003 * (3.3 - level) + shock, 1.0)
        path[t] = level
    return {"date": _dates(sessions), "yield_pct": np.round(path, 4)}
