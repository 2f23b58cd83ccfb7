"""Fees by date: a fee schedule, the charges of one session, and the table rows that a run used.

The rules are data, ``engine/tables/fees.csv``. All amounts of :class:`DayFees` are whole fen, rounded
half-up, from rates held as integers in units of 1e-9.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from engine.dated_tables import day_number
from engine.errors import ConfigError, RuleError
from engine.fee_table import EXCHANGES, SCALE, SIDES, FeeRow, fee_table

_HIGHEST_COMMISSION = 0.05
_HALF = SCALE // 2


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

    def buy_cost(
        self,
        exchange: str,
        value_fen: Any,
        shares: Any,
        order_value_fen: Any = 0,
        order_commission_fen: Any = 0,
    ) -> Any:
        """Sum of the fees of a buy."""


class Fees(Protocol):
    """What a run asks of a fee model."""

    def on(self, session: np.datetime64) -> DayCharges:
        """The fees in force on a session."""

    def rows_used(self, first: np.datetime64, last: np.datetime64) -> list[dict[str, Any]]:
        """The rule-table rows in force over a span."""

    def describe(self) -> str:
        """One phrase for the report."""


# -- the A-share schedule --------------------------------------------------------------------------


@functools.cache
def _changes() -> list[int]:
    """Days on which some row begins to hold or has just ended, ascending."""
    return sorted({fee.row.first for fee in fee_table()} | {fee.row.last + 1 for fee in fee_table()})


def _check_rate(name: str, rate: Any) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate >= 0:
        raise ConfigError(f"fee option '{name}' is {rate!r}; it is a fraction of the traded value, not negative")
    if rate > _HIGHEST_COMMISSION:
        raise ConfigError(
            f"fee option '{name}' is {rate:g}, that is {rate * 100:g} % of the traded value; "
            f"it is a fraction: if {rate:g} % was meant, write {rate / 100:g}"
        )


@dataclass(frozen=True, kw_only=True)
class FeeSchedule:
    """The fees of A shares by date, charge by charge.

    Parameters
    ----------
    commission : float
        Fraction of the traded value; as brokers quote it, so handling and regulatory fees are inside.
    minimum : float
        Least commission per order, yuan.
    on_top : bool
        Charge what the commission is said to hold (handling and regulatory fees, Shenzhen's transfer fee
        before August 2015) on top of it.
    stamp_duty, transfer_fee : bool
        Whether these are charged.

    Raises
    ------
    ConfigError
        If a rate or the minimum is negative or a percentage.
    """

    name: ClassVar[str] = "a-share"

    commission: float = 0.00025
    minimum: float = 5.0
    on_top: bool = False
    stamp_duty: bool = True
    transfer_fee: bool = True

    def __post_init__(self) -> None:
        _check_rate("commission", self.commission)
        number = isinstance(self.minimum, int | float) and not isinstance(self.minimum, bool)
        if not (number and 0 <= self.minimum < math.inf):
            raise ConfigError(f"fee option 'minimum' is {self.minimum!r}; it is yuan per order, not negative")
        for switch in ("on_top", "stamp_duty", "transfer_fee"):
            if not isinstance(getattr(self, switch), bool):
                raise ConfigError(f"fee option '{switch}' is {getattr(self, switch)!r}; write true or false")

    def on(self, session: np.datetime64) -> DayFees:
        """The fees in force on ``session``; one object per set of rows in force."""
        return _day_fees(self, bisect_right(_changes(), day_number(session)))

    def rows_used(self, first: np.datetime64, last: np.datetime64) -> list[dict[str, Any]]:
        """The rows in force on some day from ``first`` to ``last`` that this schedule charges.

        Returns
        -------
        list of dict
            The table's columns as written, ``line`` (in the table's file) and ``flagged``: whether the
            confidence is below H.
        """
        start, end = day_number(first), day_number(last)
        return [
            fee.row.values | {"line": fee.row.line, "flagged": fee.row["confidence"] != "H"}
            for fee in fee_table()
            if self._charges(fee) and fee.row.first <= end and fee.row.last >= start
        ]

    def describe(self) -> str:
        """One phrase, e.g. for the tearsheet."""
        parts = [f"commission {self.commission * 100:g} %, at least {self.minimum:g} yuan per order"]
        parts += ["stamp duty by date"] * self.stamp_duty + ["transfer fee by date"] * self.transfer_fee
        return ", ".join(parts) + (", handling and regulatory fees on top" if self.on_top else "")

    def _charges(self, fee: FeeRow) -> bool:
        if fee.inside and not self.on_top:
            return False
        return {"stamp_duty": self.stamp_duty, "transfer_fee": self.transfer_fee}.get(fee.kind, True)


@functools.lru_cache(maxsize=4096)
def _day_fees(schedule: FeeSchedule, period: int) -> DayFees:
    changes = _changes()
    day = changes[period - 1] if period else changes[0] - 1
    charged = [fee for fee in fee_table() if fee.row.first <= day <= fee.row.last and schedule._charges(fee)]
    return DayFees(schedule.commission, schedule.minimum, charged)


class DayFees:
    """The fees of one session.

    Parameters
    ----------
    commission : float
        Fraction, held to 1e-9.
    minimum : float
        Yuan per order.
    rows : list of FeeRow
        What is charged beside the commission.
    """

    __slots__ = ("_commission", "_minimum", "_rates", "rows")

    def __init__(self, commission: float, minimum: float, rows: list[FeeRow]) -> None:
        self._commission = _scaled(commission, SCALE)
        self._minimum = _scaled(minimum, 100)
        self.rows = rows
        self._rates = {exchange: tuple(self._side(exchange, side) for side in SIDES) for exchange in EXCHANGES}

    def _side(self, exchange: str, side: str) -> tuple[int, int, int, int, tuple[tuple[int, int], ...]]:
        # Stamp duty on value; transfer fee on value, per share, minimum; the others one by one.
        stamp, transfer, extras = 0, (0, 0, 0), []
        for fee in self.rows:
            if (fee.kind, exchange, side) not in fee.series():
                continue
            if fee.kind == "stamp_duty":
                stamp = fee.on_value
            elif fee.kind == "transfer_fee":
                transfer = (fee.on_value, fee.per_share, fee.minimum_fen)
            else:
                extras.append((fee.on_value, fee.per_share))
        return stamp, *transfer, tuple(extras)

    def charge(
        self,
        exchange: str,
        is_buy: bool,
        value_fen: int,
        shares: int,
        order_value_fen: int = 0,
        order_commission_fen: int = 0,
        order_shares: int = 0,
        order_transfer_fen: int = 0,
    ) -> tuple[int, int, int, int]:
        """Fees of one fill.

        The commission is counted over all fills of an order: max(minimum, rate x value so far) less what
        was charged. The other fees are rounded fill by fill.

        Parameters
        ----------
        exchange : {"SH", "SZ", "BJ"}
        is_buy : bool
        value_fen : int
            Traded value of the fill, fen.
        shares : int
        order_value_fen, order_commission_fen : int
            What the order's earlier fills traded and were charged, fen.
        order_shares, order_transfer_fen : int
            The same for the transfer fee; they matter only where that has a minimum (Shanghai before June
            2012). Left at 0, the minimum counts per fill.

        Returns
        -------
        commission, stamp_duty, transfer_fee, other_fees : int
            Fen.

        Raises
        ------
        RuleError
            If the exchange is unknown.
        """
        try:
            stamp, on_value, per_share, least, extras = self._rates[exchange][is_buy]
        except KeyError:
            raise RuleError(f"exchange '{exchange}' is unknown to the fees; it is SH, SZ or BJ") from None
        commission = ((order_value_fen + value_fen) * self._commission + _HALF) // SCALE
        if commission < self._minimum:
            commission = self._minimum
        commission -= order_commission_fen
        duty = (value_fen * stamp + _HALF) // SCALE
        if least:
            so_far = (order_value_fen + value_fen) * on_value + (order_shares + shares) * per_share
            transfer = max(least, (so_far + _HALF) // SCALE) - order_transfer_fen
        else:
            transfer = (value_fen * on_value + shares * per_share + _HALF) // SCALE
        other = 0
        for rate, a_share in extras:
            other += (value_fen * rate + shares * a_share + _HALF) // SCALE
        return commission, duty, transfer, other

    def buy_cost(
        self,
        exchange: str,
        value_fen: int,
        shares: int,
        order_value_fen: int = 0,
        order_commission_fen: int = 0,
    ) -> int:
        """Sum of the fees in fen of buying ``shares`` for ``value_fen``."""
        commission, duty, transfer, other = self.charge(
            exchange, True, value_fen, shares, order_value_fen, order_commission_fen
        )
        return commission + duty + transfer + other


def _scaled(number: float, scale: int) -> int:
    """``number`` x ``scale`` as an integer, half-up on the number's decimal form."""
    return int((Decimal(repr(float(number))) * scale).to_integral_value(ROUND_HALF_UP))


# -- models without dates ---------------------------------------------------------------------------


class _Undated:
    """A fee model that is the same on every session and uses no rule table."""

    def on(self, session: np.datetime64) -> Self:
        """The same on every session."""
        return self

    def rows_used(self, first: np.datetime64, last: np.datetime64) -> list[dict[str, Any]]:
        """No rows: nothing is dated."""
        return []


@dataclass(frozen=True, kw_only=True)
class PercentageFees(_Undated):
    """Backtrader's own percentage commission: a float, unrounded, nothing else.

    Parameters
    ----------
    commission : float
        Fraction of the traded value.

    Raises
    ------
    ConfigError
        If it is negative or a percentage.
    """

    name: ClassVar[str] = "percentage"

    commission: float

    def __post_init__(self) -> None:
        _check_rate("commission", self.commission)

    def charge(
        self,
        exchange: str,
        is_buy: bool,
        value_fen: float,
        shares: float,
        order_value_fen: float = 0,
        order_commission_fen: float = 0,
        order_shares: float = 0,
        order_transfer_fen: float = 0,
    ) -> tuple[float, int, int, int]:
        """As :meth:`DayFees.charge`, in unrounded fen."""
        return value_fen * self.commission, 0, 0, 0

    def buy_cost(
        self,
        exchange: str,
        value_fen: float,
        shares: float,
        order_value_fen: float = 0,
        order_commission_fen: float = 0,
    ) -> float:
        """The commission."""
        return value_fen * self.commission

    def describe(self) -> str:
        """One phrase for the report."""
        return f"commission {self.commission * 100:g} %, nothing else"


@dataclass(frozen=True, kw_only=True)
class ZeroFees(_Undated):
    """No fees at all."""

    name: ClassVar[str] = "zero"

    def charge(
        self,
        exchange: str,
        is_buy: bool,
        value_fen: float,
        shares: float,
        order_value_fen: float = 0,
        order_commission_fen: float = 0,
        order_shares: float = 0,
        order_transfer_fen: float = 0,
    ) -> tuple[int, int, int, int]:
        """Nothing."""
        return 0, 0, 0, 0

    def buy_cost(
        self,
        exchange: str,
        value_fen: float,
        shares: float,
        order_value_fen: float = 0,
        order_commission_fen: float = 0,
    ) -> int:
        """Nothing."""
        return 0

    def describe(self) -> str:
        """One phrase for the report."""
        return "no fees"
