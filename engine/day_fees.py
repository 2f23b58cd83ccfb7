"""The fees of one session, fill by fill: the arithmetic of the hot path, in whole fen rounded half-up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NoReturn

from engine.errors import RuleError
from engine.fee_table import EXCHANGES, SCALE, SIDES, FeeRow

_HALF = SCALE // 2

def day_fees(commission: float, minimum: float, rows: Sequence[FeeRow]) -> DayFees:
    """The charges of ``rows``: the plain ones unless a row needs a minimum that these do not know."""
    plain = all(not fee.minimum_fen or fee.kind == "transfer_fee" for fee in rows)
    return (DayFees if plain else DayFeesWithMinima)(commission, minimum, rows)


class DayFees:
    """The fees of one session.

    Parameters
    ----------
    commission : float
        Fraction, held to 1e-9.
    minimum : float
        Yuan per order.
    rows : sequence of FeeRow
        What is charged beside the commission; a minimum only on the transfer fee.
    """

    __slots__ = ("_rates", "commission_rate", "minimum_fen", "rows")

    def __init__(self, commission: float, minimum: float, rows: Sequence[FeeRow]) -> None:
        self.commission_rate = _scaled(commission, SCALE)
        self.minimum_fen = _scaled(minimum, 100)
        self.rows = tuple(rows)
        self._rates = {exchange: tuple(self._side(exchange, side) for side in SIDES) for exchange in EXCHANGES}

    def _of(self, exchange: str, side: str) -> list[FeeRow]:
        return [fee for fee in self.rows if exchange in fee.exchanges and side in fee.sides]

    def _side(self, exchange: str, side: str) -> tuple[int, int, int, int, tuple[tuple[int, int], ...]]:
        # Stamp duty on value; transfer fee on value, per share, minimum; the others one by one.
        stamp, transfer, extras = 0, (0, 0, 0), []
        for fee in self._of(exchange, side):
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
            _unknown(exchange)
        commission = ((order_value_fen + value_fen) * self.commission_rate + _HALF) // SCALE
        if commission < self.minimum_fen:
            commission = self.minimum_fen
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


class DayFeesWithMinima(DayFees):
    """The fees of one session where stamp duty, handling or regulatory fee have a minimum per order as well.

    An order owes max(minimum, rate x value) once it has traded at all; a fill is charged what the order owes with
    it less what the order owed without it. So nothing beyond the order's earlier value and shares need be kept,
    and the fills of an order sum to what one fill of the whole would have been charged at the day's rates.
    """

    __slots__ = ("_components",)

    def __init__(self, commission: float, minimum: float, rows: Sequence[FeeRow]) -> None:
        super().__init__(commission, minimum, rows)
        self._components = {
            exchange: tuple(
                tuple(
                    (fee.kind == "stamp_duty", fee.on_value, fee.per_share, fee.minimum_fen)
                    for fee in self._of(exchange, side)
                    if fee.kind != "transfer_fee" and (fee.on_value or fee.per_share)
                )
                for side in SIDES
            )
            for exchange in EXCHANGES
        }

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
        """As :meth:`DayFees.charge`."""
        commission, _, transfer, _ = super().charge(
            exchange, is_buy, value_fen, shares,
            order_value_fen, order_commission_fen, order_shares, order_transfer_fen,
        )  # fmt: skip
        duty = other = 0
        for is_duty, on_value, per_share, least in self._components[exchange][is_buy]:
            if least:
                before = order_value_fen * on_value + order_shares * per_share
                after = before + value_fen * on_value + shares * per_share
                amount = max(least, (after + _HALF) // SCALE)
                if order_value_fen or order_shares:
                    amount -= max(least, (before + _HALF) // SCALE)
            else:
                amount = (value_fen * on_value + shares * per_share + _HALF) // SCALE
            if is_duty:
                duty += amount
            else:
                other += amount
        return commission, duty, transfer, other


def _unknown(exchange: str) -> NoReturn:
    raise RuleError(f"exchange '{exchange}' is unknown to the fees; it is SH, SZ or BJ") from None


def _scaled(number: float, scale: int) -> int:
    """``number`` x ``scale`` as an integer, half-up on the number's decimal form."""
    return int((Decimal(repr(float(number))) * scale).to_integral_value(ROUND_HALF_UP))
