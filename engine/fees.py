"""Fees by date: what a run asks of a fee model, the schedule of A shares, and presets of it.

The rules are data, ``engine/tables/fees.csv``. Amounts are whole fen, rounded half-up, from rates held as
integers in units of 1e-9; see :mod:`engine.day_fees`.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from engine.dated_tables import day_number
from engine.day_fees import DayFees, day_fees
from engine.errors import ConfigError
from engine.fee_options import check_component, check_minimum, check_rate, check_switch
from engine.fee_table import HIGHEST_RATE, KINDS, FeeRow, fee_table, flat_row, read_fees
from engine.undated_fees import PercentageFees, ZeroFees

if TYPE_CHECKING:
    import pandas as pd

    from engine.fee_usage import FeeUsage

__all__ = [
    "DayCharges", "DayFees", "Fees", "FeeSchedule", "FundFees", "PaperTwoFees", "PercentageFees", "Retail2024Fees",
    "ZeroFees",
]  # fmt: skip


class DayCharges(Protocol):
    """What the broker asks of the fees of one session. Amounts are fen; see :meth:`DayFees.charge`."""

    def charge(
        self,
        exchange: str,
        is_buy: bool,
        value_fen: Any,
        shares: Any,
        order_value_fen: Any = 0,
        order_commission_fen: Any = 0,
        order_shares: Any = 0,
        order_transfer_fen: Any = 0,
    ) -> tuple[Any, Any, Any, Any]:
        """Commission, stamp duty, transfer fee and other fees of one fill."""


class Fees(Protocol):
    """What a run asks of a fee model.

    A model with rules by date may have more: ``usage(fills)``, see :meth:`FeeSchedule.usage`, and
    ``table_digest``, a text that changes with the rules and enters the run's id.
    """

    def on(self, session: np.datetime64) -> DayCharges:
        """The fees in force on a session."""

    def describe(self) -> str:
        """One phrase for the report."""


# -- the A-share schedule --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FeeSchedule:
    """The fees of A shares by date, charge by charge.

    An order of 9,000 yuan at 0.025 % owes 2.25 yuan of commission and pays the minimum of 5.00; filled in three
    parts of 3,000 it pays 5.00, 0 and 0.

    The commission and its minimum are the account's contract and are charged as given. What the law of the date
    says of them (cap, floor, minimum) is held against the fills of a run, and what breaks it is a warning of the
    run (:func:`engine.fee_usage.usage`), not a refusal: a test may want a cost that no broker may charge.

    Parameters
    ----------
    commission : float
        Fraction of the traded value; as brokers quote it, so handling and regulatory fees are inside.
    minimum : float
        Least commission per order, yuan.
    on_top : bool
        Charge what the commission is said to hold (handling and regulatory fees, Shenzhen's transfer fee
        before August 2015) on top of it.
    stamp_duty, transfer_fee, handling_fee, regulatory_fee : bool or float
        True: by the table's rows of the date; False or 0: none; a number: that fraction of the value on every
        date and exchange, on top of the commission, stamp duty from sellers alone.
    stamp_duty_minimum, transfer_fee_minimum, handling_fee_minimum, regulatory_fee_minimum : float
        Least amount per order in yuan, where the fee is levied at all; a higher one of the table stands.
    table : str
        Path of a fee table of the columns of ``engine/tables/fees.csv``, instead of that one.

    Raises
    ------
    ConfigError
        If a rate or a minimum is negative, a rate is a percentage, or a minimum is set on a fee that is not
        charged.
    DataError
        If ``table`` has a bad row; names file and line.
    """

    name: ClassVar[str] = "a-share"

    commission: float = 0.00025
    minimum: float = 5.0
    on_top: bool = False
    stamp_duty: bool | float = True
    transfer_fee: bool | float = True
    handling_fee: bool | float = True
    regulatory_fee: bool | float = True
    stamp_duty_minimum: float = 0.0
    transfer_fee_minimum: float = 0.0
    handling_fee_minimum: float = 0.0
    regulatory_fee_minimum: float = 0.0
    table: str = ""

    _table: tuple[FeeRow, ...] = field(init=False, repr=False, compare=False)
    _rows: tuple[FeeRow, ...] = field(init=False, repr=False, compare=False)
    _days: list[int] = field(init=False, repr=False, compare=False)
    _made: dict[int, DayFees] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        highest = float(HIGHEST_RATE)
        minima = [one.name for one in fields(self) if one.name.endswith("minimum")]
        keep: dict[str, Any] = {"commission": check_rate("commission", self.commission, highest)}
        keep |= {name: check_minimum(name, getattr(self, name)) for name in minima}
        keep |= {kind: check_component(kind, getattr(self, kind), highest) for kind in KINDS}
        check_switch("on_top", self.on_top)
        for kind in KINDS:
            self._check_minimum(kind, keep[kind], keep[f"{kind}_minimum"])
        if not isinstance(self.table, str):
            raise ConfigError(f"fee option 'table' is {self.table!r}; give the path of a CSV file as text")
        table = read_fees(Path(self.table)) if self.table else fee_table()
        # Past the freeze: checked values in one type each, and what is worked out once.
        rows = self._own_rows(table, keep)
        days = sorted({fee.row.first for fee in table} | {fee.row.last + 1 for fee in table})
        for name, value in (keep | {"_table": table, "_rows": rows, "_days": days, "_made": {}}).items():
            object.__setattr__(self, name, value)

    def _check_minimum(self, kind: str, component: bool | float, minimum: float) -> None:
        if not minimum:
            return
        if component is False:
            raise ConfigError(f"fee option '{kind}_minimum' is {minimum:g}, but {kind} is not charged; leave one out")
        if kind in ("handling_fee", "regulatory_fee") and component is True and not self.on_top:
            raise ConfigError(
                f"fee option '{kind}_minimum' is {minimum:g}, but the {kind.replace('_', ' ')} is inside the "
                f"commission; set on_top = true, or give {kind} a rate"
            )

    def _own_rows(self, table: tuple[FeeRow, ...], options: dict[str, Any]) -> tuple[FeeRow, ...]:
        """What this schedule charges beside the commission, on any date."""
        charged = [
            fee for fee in table
            if fee.kind in KINDS and options[fee.kind] is True and (self.on_top or not fee.inside)
        ]  # fmt: skip
        charged += [flat_row(kind, options[kind]) for kind in KINDS if not isinstance(options[kind], bool)]
        return tuple(fee.with_minimum(round(options[f"{fee.kind}_minimum"] * 100)) for fee in charged)

    # -- what the broker asks -----------------------------------------------------------------------

    def on(self, session: np.datetime64) -> DayFees:
        """The fees in force on ``session``; one object per set of rows in force."""
        return self.in_period(self.period(session))

    def period(self, session: np.datetime64) -> int:
        """Number of the span without a change of rules in which ``session`` lies."""
        return bisect_right(self._days, day_number(session))

    def in_period(self, period: int) -> DayFees:
        """The fees of a span without a change of rules."""
        found = self._made.get(period)
        if found is None:
            day = self._day_in(period)
            rows = [fee for fee in self._rows if fee.holds(day)]
            found = self._made[period] = day_fees(self.commission, self.minimum, rows)
        return found

    def _day_in(self, period: int) -> int:
        return self._days[period - 1] if period else self._days[0] - 1

    # -- what the report asks -----------------------------------------------------------------------

    def rows_in_period(self, period: int) -> list[FeeRow]:
        """The table's rows of a span without a change of rules, charged or not, the limits of the commission too."""
        return [fee for fee in self._table if fee.holds(self._day_in(period))]

    def usage(self, fills: pd.DataFrame) -> FeeUsage:
        """The rows that charged ``fills`` (columns of ``fills.parquet``), and what is doubtful about them."""
        from engine.fee_usage import usage

        return usage(self, fills)

    @property
    def table_name(self) -> str:
        """File name of the rule table."""
        return Path(self.table).name if self.table else "fees.csv"

    @property
    def table_digest(self) -> str:
        """SHA-256 over the rule table's rows."""
        return hashlib.sha256(repr([fee.row.values for fee in self._table]).encode()).hexdigest()

    def describe(self) -> str:
        """One phrase, e.g. for the tearsheet."""
        parts = [f"commission {self.commission * 100:g} %, at least {self.minimum:g} yuan per order"]
        inside = ("handling_fee", "regulatory_fee")
        for kind in KINDS:
            rate, least = getattr(self, kind), getattr(self, f"{kind}_minimum")
            if rate is False or (rate is True and kind in inside and not least):
                continue
            how = "by date" if rate is True else f"{rate * 100:g} %" + " of sales" * (kind == "stamp_duty")
            parts.append(f"{_words(kind)} {how}" + (f", at least {least:g} yuan per order" if least else ""))
        extra = [_words(kind) for kind in inside if self.on_top and getattr(self, kind) is True]
        if len(extra) == 2:
            parts.append("handling and regulatory fees on top")
        elif extra:
            parts.append(f"{extra[0]} on top")
        return ", ".join(parts) + (f"; rules of {self.table_name}" if self.table else "")


def _words(kind: str) -> str:
    return kind.replace("_", " ")


# -- presets: an account's contract under a name that does not move with the default ------------------


@dataclass(frozen=True, kw_only=True)
class Retail2024Fees(FeeSchedule):
    """A retail account of 2024: 0.025 % all-in, at least 5 yuan per order; duties and fees by date."""

    name: ClassVar[str] = "retail-2024"

    commission: float = 0.00025
    minimum: float = 5.0


@dataclass(frozen=True, kw_only=True)
class FundFees(FeeSchedule):
    """A fund's account trading shares: no minimum per order, and a higher rate, which pays for research as well.

    The rate is a convention of ours. A fund that sells shares owes stamp duty as anybody does; it is the units
    of funds that bear none.
    """

    name: ClassVar[str] = "fund"

    commission: float = 0.0005
    minimum: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PaperTwoFees(FeeSchedule):
    """The costs of the project's paper 2, the same on every date.

    Commission 0.1 %, at least 5 yuan per order; stamp duty 0.1 % of sales, at least 1 yuan per order.
    """

    name: ClassVar[str] = "paper-2"

    commission: float = 0.001
    minimum: float = 5.0
    stamp_duty: bool | float = 0.001
    stamp_duty_minimum: float = 1.0
    transfer_fee: bool | float = False
