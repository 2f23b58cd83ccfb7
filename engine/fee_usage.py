"""Which fee rows charged the fills of a run, and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.fee_table import LIMITS, SCALE, SIDES, FeeRow

if TYPE_CHECKING:
    import pandas as pd

    from engine.fees import FeeSchedule

_AMOUNTS = ("commission", "stamp_duty", "transfer_fee", "other_fees")
_HANDLING = ("handling_fee", "regulatory_fee")


class FeeUsage(NamedTuple):
    """The fee rows of a run.

    Attributes
    ----------
    rows : list of dict
        The table's columns as written, ``line`` (in the table's file; 0 for a rate that the run gave),
        ``flagged`` (the confidence is below H), ``fills`` and ``charged``: the fills that it charged and how
        much, yuan. Handling and regulatory fee share what a fill was charged of both by their rates. The rows of
        the commission's cap and floor have the commission of the fills that were held against them.
    warnings : list of str
        One sentence each: rows below high confidence that charged fills, a commission that breaks the rule of
        the date, fills for which no row says anything.
    """

    rows: list[dict[str, Any]]
    warnings: list[str]


@dataclass(frozen=True)
class _Part:
    """The fills of one exchange and side within one span without a change of rules; amounts in yuan."""

    exchange: str
    side: str
    fills: int
    value: float
    shares: float
    charged: dict[str, float]
    first: str
    last: str
    period: int

    def of(self, rows: list[FeeRow]) -> list[FeeRow]:
        return [fee for fee in rows if self.exchange in fee.exchanges and self.side in fee.sides]


class _Breach(NamedTuple):
    """Fills whose commission is out of bounds: with handling and regulatory fees on top, and the bound, 1e-9."""

    part: _Part
    total: int
    bound: int


def usage(schedule: FeeSchedule, fills: pd.DataFrame) -> FeeUsage:
    """Hold the fills of a run against the rows of a schedule.

    Parameters
    ----------
    schedule : FeeSchedule
        That charged them.
    fills : DataFrame
        Columns ``date``, ``symbol``, ``side``, ``shares``, ``price`` (yuan) and the four fees (yuan).
    """
    parts = list(_parts(schedule, fills))
    used: dict[tuple[int, str], tuple[FeeRow, list[float]]] = {}
    for part in parts:
        for fee, charged in _shares(schedule, part):
            entry = used.setdefault((fee.row.line, fee.kind), (fee, [0, 0.0]))[1]
            entry[0] += part.fills
            entry[1] += charged
    order = sorted(used, key=lambda key: (key[0] or 10**9, key[1]))  # as in the file, the run's own rates last
    rows = [
        used[key][0].row.values
        | {
            "line": key[0],
            "flagged": used[key][0].row["confidence"] in ("M", "L"),
            "fills": int(used[key][1][0]),
            "charged": round(used[key][1][1], 2),
        }
        for key in order
    ]
    found = [*_doubtful(schedule, rows), *_unlawful(schedule, parts), *_unsaid(schedule, parts)]
    return FeeUsage(rows, found)


def _parts(schedule: FeeSchedule, fills: pd.DataFrame) -> Iterator[_Part]:
    if not len(fills):
        return
    import pandas as pd

    days, which = np.unique(fills["date"].to_numpy().astype("datetime64[D]"), return_inverse=True)
    periods = np.array([schedule.period(day) for day in days])
    frame = pd.DataFrame(
        {
            "period": periods[which],
            "exchange": fills["symbol"].astype(str).str[-2:].to_numpy(),
            "side": fills["side"].astype(str).to_numpy(),
            "day": days[which],
            "value": (fills["shares"] * fills["price"]).to_numpy(),
            "shares": fills["shares"].to_numpy(),
            **{name: fills[name].to_numpy() for name in _AMOUNTS},
        }
    )
    for (period, exchange, side), some in frame.groupby(["period", "exchange", "side"], sort=True):
        yield _Part(
            exchange,
            side,
            len(some),
            float(some["value"].sum()),
            float(some["shares"].sum()),
            {name: float(some[name].sum()) for name in _AMOUNTS},
            str(some["day"].min().date()),
            str(some["day"].max().date()),
            int(period),
        )


def _shares(schedule: FeeSchedule, part: _Part) -> Iterator[tuple[FeeRow, float]]:
    """The rows that concern a part, each with what it was charged by it."""
    rows = part.of(list(schedule.in_period(part.period).rows))
    # Yuan by the bare rates; a rate per share is in fen.
    bare = {id(fee): (fee.on_value * part.value + fee.per_share * part.shares / 100) / SCALE for fee in rows}
    whole = sum(bare[id(fee)] for fee in rows if fee.kind in _HANDLING)
    for fee in rows:
        if fee.kind not in _HANDLING:
            yield fee, part.charged[fee.kind]
        else:
            yield fee, part.charged["other_fees"] * bare[id(fee)] / whole if whole else 0.0
    for fee in part.of(schedule.rows_in_period(part.period)):
        if fee.kind in LIMITS:
            yield fee, part.charged["commission"]


def _doubtful(schedule: FeeSchedule, rows: list[dict[str, Any]]) -> Iterator[str]:
    found = [
        f"{_name(row)} (confidence {row['confidence']}, line {row['line']}: {row['charged']:,.2f} yuan on "
        f"{_fills(row['fills'])})"
        for row in rows
        if row["flagged"] and row["kind"] not in LIMITS and float(row["rate"])
    ]
    if found:
        yield f"Fee rows of {schedule.table_name} below high confidence charged fills: {', '.join(found)}."


def _fills(count: int) -> str:
    return f"{count:,} fill" + "s" * (count != 1)


def _name(row: dict[str, Any]) -> str:
    """A row in words, as ``transfer fee SH 2012-06-01 to 2012-08-31``."""
    span = f"{row['from']} to {row['to'] or 'today'}" if row["from"] or row["to"] else "on every date"
    words = (row["kind"].replace("_", " "), row["exchange"], row["side"], span.strip())
    return " ".join(word for word in words if word)


def _unlawful(schedule: FeeSchedule, parts: list[_Part]) -> Iterator[str]:
    """Commissions that the law of the date did not allow: a sentence for each row that is broken."""
    broken: dict[tuple[str, int], list[_Breach]] = {}
    for part in parts:
        in_force = part.of(schedule.rows_in_period(part.period))
        charged = part.of(list(schedule.in_period(part.period).rows))
        total = round(schedule.commission * SCALE) + sum(fee.on_value for fee in charged if fee.kind in _HANDLING)
        for fee in in_force:
            if fee.kind == "commission_cap":
                least = fee.minimum_fen
                if total > fee.on_value:
                    broken.setdefault(("cap", fee.row.line), []).append(_Breach(part, total, fee.on_value))
                elif least and schedule.minimum * 100 > least:
                    broken.setdefault(("minimum", fee.row.line), []).append(_Breach(part, total, least))
            elif fee.kind == "commission_floor":
                of_fees = fee.row["base"] == "fees"
                floor = sum(one.on_value for one in in_force if one.kind in _HANDLING) if of_fees else fee.on_value
                if total < floor:
                    broken.setdefault(("fees" if of_fees else "floor", fee.row.line), []).append(
                        _Breach(part, total, floor)
                    )
    for (what, line), some in broken.items():
        parts_of, totals, bounds = [one.part for one in some], {one.total for one in some}, {one.bound for one in some}
        extra = f" (with the fees on top {_range(totals)})" if max(totals) > round(schedule.commission * SCALE) else ""
        commission = f"The commission of {_percent(schedule.commission * SCALE)}{extra} is"
        text = {
            "cap": f"{commission} above the legal cap of {_range(bounds)}",
            "floor": f"{commission} below the legal floor of {_range(bounds)}",
            "fees": f"{commission} below the handling and regulatory fees that it has to hold, {_range(bounds)}",
            "minimum": f"The minimum commission of {schedule.minimum:g} yuan per order is above the legal "
            f"{max(bounds) / 100:g} yuan",
        }[what]
        places = ", ".join(sorted({part.exchange for part in parts_of}))
        span = f"{min(part.first for part in parts_of)} to {max(part.last for part in parts_of)}"
        count = _fills(sum(part.fills for part in parts_of))
        yield f"{text} (line {line} of {schedule.table_name}); it was charged as given on {count} ({places}, {span})."


def _range(rates: set[int]) -> str:
    low, high = min(rates), max(rates)
    return _percent(low) if low == high else f"{_percent(low)} to {_percent(high)}"


def _percent(rate: float) -> str:
    return f"{rate * 100 / SCALE:.6g} %"


def _unsaid(schedule: FeeSchedule, parts: list[_Part]) -> Iterator[str]:
    """Fills for which the table has no row of a fee that the schedule charges by date."""
    for kind in ("stamp_duty", "transfer_fee"):
        if getattr(schedule, kind) is not True:
            continue
        bare = [
            part for part in parts
            if not any(fee.kind == kind for fee in part.of(schedule.rows_in_period(part.period)))
        ]  # fmt: skip
        if bare:
            places = ", ".join(sorted({f"{part.exchange} {part.side}" for part in bare}, key=_by_side))
            yield (
                f"No row of {schedule.table_name} says {kind.replace('_', ' ')} for {places} from "
                f"{min(part.first for part in bare)} to {max(part.last for part in bare)}: nothing was charged on "
                f"{_fills(sum(part.fills for part in bare))}."
            )


def _by_side(place: str) -> tuple[str, int]:
    exchange, side = place.split()
    return exchange, SIDES.index(side)
