"""Fee models without dates or rule tables: Backtrader's own percentage, and none at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from engine.fee_options import check_rate

_HIGHEST_PERCENTAGE = 0.05


class _Undated:
    """A fee model that is the same on every session."""

    def on(self, session: np.datetime64) -> Self:
        """The same on every session."""
        return self


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
        check_rate("commission", self.commission, _HIGHEST_PERCENTAGE)

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
        """As :meth:`engine.day_fees.DayFees.charge`, in unrounded fen."""
        return value_fen * self.commission, 0, 0, 0

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

    def describe(self) -> str:
        """One phrase for the report."""
        return "no fees"
