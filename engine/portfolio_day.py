"""What one session means for all portfolios: prices, limits and lots of every stock, and the tariff of fees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.day_fees import DayFees, DayFeesWithMinima
from engine.fee_table import EXCHANGES, SIDES
from engine.lots import Lots
from engine.rules import Rules
from engine.slippage import NoSlippage
from engine.undated_fees import ZeroFees

if TYPE_CHECKING:
    from engine.market import Market

STOCK = np.dtype(
    [
        ("price", np.float64),  # of the fill moment, yuan
        ("mark", np.float64),
        ("up", np.float64),  # limits, yuan
        ("down", np.float64),
        ("minimum", np.int64),  # lot, step and largest order, shares
        ("step", np.int64),
        ("largest", np.int64),
        ("exchange", np.int64),  # place in EXCHANGES
        ("traded", np.int64),
        ("listed", np.int64),
        ("age", np.int64),
    ]
)
"""One stock on one session."""

STAMP_DUTY, TRANSFER_FEE, OTHER = range(3)
_KINDS = {"stamp_duty": STAMP_DUTY, "transfer_fee": TRANSFER_FEE}


class Tariff(NamedTuple):
    """The fees of one session (:class:`engine.day_fees.DayFees`) as numbers.

    ``commission`` is a rate in 1e-9 and ``minimum`` fen per order. ``rows`` (2, exchanges, R, 4) int64 are, by side
    and exchange, what is charged beside it: kind, rate on the value (1e-9), 1e-9 fen a share, least fen per order;
    rows of zeros charge nothing.
    """

    commission: int
    minimum: int
    rows: np.ndarray


def has_array_form(market: Market, rules: Rules, fees: Any, slippage: Any, first: int, last: int) -> bool:
    """Whether the sessions from ``first`` to ``last`` can be traded in arrays under these rules, fees and slippage."""
    at_the_moment = rules.limit_fills == "moment" or not rules.price_limits
    if not (rules.exact_money and at_the_moment and type(slippage) is NoSlippage) or rules.check_submitted:
        return False
    charges = (fees.on(session) for session in market.sessions[first : last + 1])
    return all(type(day_fees) in (DayFees, DayFeesWithMinima, ZeroFees) for day_fees in charges)


def tariff(day_fees: Any) -> Tariff:
    """The tariff of fees that have one."""
    if type(day_fees) is ZeroFees:
        return Tariff(0, 0, np.zeros((2, len(EXCHANGES), 0, 4), dtype=np.int64))
    charged = [fee for fee in day_fees.rows if fee.on_value or fee.per_share or fee.kind == "transfer_fee"]
    rows = np.zeros((2, len(EXCHANGES), len(charged), 4), dtype=np.int64)
    for k, fee in enumerate(charged):
        for side in fee.sides:
            for exchange in fee.exchanges:
                numbers = (_KINDS.get(fee.kind, OTHER), fee.on_value, fee.per_share, fee.minimum_fen)
                rows[SIDES.index(side), EXCHANGES.index(exchange), k] = numbers
    return Tariff(day_fees.commission_rate, day_fees.minimum_fen, rows)


class Switches(NamedTuple):
    """What matching asks of the rules (:class:`engine.rules.Rules`).

    ``cut_cash`` and ``carry`` stand for values of ``short_cash`` and ``unfilled``, ``taxed`` for a holder who pays tax
    on dividends.
    """

    lots: bool
    price_limits: bool
    cut_cash: bool
    carry: bool
    taxed: bool


class Session(NamedTuple):
    """The session that is traded: its place, its day number, the stocks (STOCK, shape (N,)), fees and rules."""

    t: int
    day: int
    stocks: np.ndarray
    tariff: Tariff
    rules: Switches


class Day:
    """Makes sessions.

    Parameters
    ----------
    market : Market
    rules : Rules
    fees : fee model
    at_close : bool
        Whether orders fill at the close.
    """

    def __init__(self, market: Market, rules: Rules, fees: Any, at_close: bool) -> None:
        self._market, self._model = market, fees
        self._rules = Switches(
            rules.lots, rules.price_limits, rules.short_cash == "cut", rules.unfilled == "carry", pays_tax(rules)
        )
        self._prices = market.close if at_close else market.open
        self._lots = Lots(market)
        self._lot_rules: np.ndarray | None = None
        self._everyone = np.arange(len(market.symbols))
        self._session: Session | None = None
        self._tariffs: dict[int, tuple[Any, Tariff]] = {}
        self._stocks = np.zeros(len(market.symbols), STOCK)
        self._stocks["exchange"] = [EXCHANGES.index(exchange) for exchange in market.exchanges]

    def at(self, t: int) -> Session:
        """Session ``t``; the arrays of the one before are used again."""
        if self._session is not None and t == self._session.t:
            return self._session
        market, stocks = self._market, self._stocks
        stocks["price"], stocks["mark"] = self._prices[t], market.mark[t]
        stocks["up"], stocks["down"] = market.limit_up[t] / 100.0, market.limit_down[t] / 100.0
        stocks["traded"], stocks["listed"], stocks["age"] = market.traded[t], market.listed[t], market.age[t]
        if self._lots.rules(t) is not self._lot_rules:
            stocks["minimum"], stocks["step"], stocks["largest"] = self._lots.of(self._everyone, t)
            self._lot_rules = self._lots.rules(t)
        day_fees = self._model.on(market.sessions[t])
        if id(day_fees) not in self._tariffs:
            self._tariffs[id(day_fees)] = day_fees, tariff(day_fees)  # kept with it, so that its id stays its own
        day = int(market.sessions[t].astype("datetime64[D]").astype(np.int64))
        self._session = Session(t, day, stocks, self._tariffs[id(day_fees)][1], self._rules)
        return self._session


def pays_tax(rules: Rules) -> bool:
    """Whether the tax on dividends is to be kept count of."""
    return rules.corporate_actions and rules.holder != "none"
