"""Corporate actions on raw prices: what a holding becomes on its ex-date.

An event is booked as it stands only where its own numbers agree with the exchange's reference price,
``|share_ratio * preclose + cash - prev_close| <= max(0.01 * share_ratio, 0.002 * prev_close)``. All
others (asset swaps, relistings, share counts that step on another day) are booked value-neutral: whole
shares by ``factor_ratio``, the rest in cash at the reference price. A rights issue is booked as such where
the feed says its ratio and price.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.errors import DataError

if TYPE_CHECKING:
    from engine.market import Market

DIVIDEND = "DIVIDEND"
BONUS = "BONUS"
RIGHTS = "RIGHTS"
UNRESOLVED = "UNRESOLVED"
DELISTING = "DELISTED"
SUCCESSOR = "SUCCESSOR"
TAX = "DIVIDEND_TAX"
"""Kinds of entries in ``corporate.parquet``; ``TAX`` is what a sale owes on dividends received before."""

EXTRA_COLUMNS = ("record_t", "pay_t", "list_t", "bonus_ratio", "transfer_ratio", "rights_ratio", "rights_price")
"""Event columns that a feed may leave out: sessions of record, payment and listing of new shares, ratios per share.

``bonus_ratio`` (out of profits, taxed) and ``transfer_ratio`` (out of reserves) are NaN where the feed does not
tell them apart; both are then taken as a transfer.
"""

_RATIO_DIGITS = 5
"""Share ratios come from share counts rounded upstream: 1.2999997 is 1.3."""

HARDLY = 0.005
"""A share count that steps this little on a dividend's ex-date (cancelled awards, exercised options)
concerns other holders when the dividend alone explains the reference price."""

_ADJUSTED_MOST = 0.2
"""Events whose previous close is not that of the bars, as a share of all, above which the prices are adjusted."""


class Event(NamedTuple):
    """One ex-date of one stock; yuan a share before tax and shares after per share before."""

    i: int
    prev_close: float
    preclose: float
    factor_ratio: float
    share_ratio: float
    cash: float


class Effect(NamedTuple):
    """What an event does to a holding: shares added and fen paid."""

    kind: str
    shares: int
    cash_fen: int
    fraction: float


@dataclass(frozen=True)
class Action:
    """An event with its dates (session indices) and, where the feed has them, its parts per share."""

    event: Event
    record_t: int
    pay_t: int
    list_t: int
    bonus_ratio: float = math.nan
    transfer_ratio: float = math.nan
    rights_ratio: float = 0.0
    rights_price: float = 0.0

    @property
    def is_split(self) -> bool:
        """Whether bonus shares and conversions are told apart."""
        return math.isfinite(self.bonus_ratio) and math.isfinite(self.transfer_ratio)

    @functools.cached_property
    def plain(self) -> bool:
        """Whether the parts explain the reference price."""
        if not (self.is_split or self.rights_ratio):
            return is_plain(self.event)
        _, prev_close, preclose, _, _, cash = self.event
        free, all_shares = self.free_ratio, self.free_ratio + self.rights_ratio
        # Where not all rights are taken up Shenzhen's reference lies between the theoretical price and that without.
        ends = (prev_close - cash) / free, (prev_close - cash + self.rights_price * self.rights_ratio) / all_shares
        spare = max(0.01, 0.002 * prev_close / all_shares)
        return cash >= 0.0 and min(ends) - spare <= preclose <= max(ends) + spare

    @property
    def free_ratio(self) -> float:
        """Shares after per share before, without those that are paid for."""
        return 1.0 + self.bonus_ratio + self.transfer_ratio if self.is_split else holder_ratio(self.event)

    @functools.cached_property
    def ratio(self) -> float:
        """Shares after per share before as waiting orders and targets follow it: free shares only."""
        return round(self.free_ratio, _RATIO_DIGITS) if self.plain else holder_ratio(self.event)

    @functools.cached_property
    def taxed_yuan(self) -> float:
        """Taxable income a share: the cash, and the face value of 1 yuan per bonus share out of profits."""
        if not self.plain:
            return 0.0
        return self.event.cash + (self.bonus_ratio if self.is_split else 0.0)

    @functools.cached_property
    def right_worth(self) -> float:
        """Theoretical value of the right that one share carries, yuan: 0 where the price is not below the reference.

        It is what the share lost on the ex-date beside cash and free shares; with the theoretical reference price
        that is ``rights_ratio * (preclose - rights_price)``.
        """
        event = self.event
        if not self.plain or self.rights_price >= event.preclose:
            return 0.0
        return max(0.0, event.prev_close - event.cash - self.free_ratio * event.preclose)


def is_plain(event: Event) -> bool:
    """Whether cash and share ratio explain the reference price (a dividend or bonus issue)."""
    if not (math.isfinite(event.share_ratio) and math.isfinite(event.cash)):
        return False
    if event.cash < 0.0:
        return False
    gap = abs(event.share_ratio * event.preclose + event.cash - event.prev_close)
    return gap <= max(0.01 * event.share_ratio, 0.002 * event.prev_close)


def holder_ratio(event: Event) -> float:
    """Shares after per share before, as every holder sees it."""
    if not is_plain(event):
        return event.factor_ratio if math.isfinite(event.factor_ratio) and event.factor_ratio > 0 else 1.0
    if abs(event.share_ratio - 1.0) < HARDLY and abs(event.preclose + event.cash - event.prev_close) < 0.0101:
        return 1.0
    return round(event.share_ratio, _RATIO_DIGITS)


def effects(event: Event, shares: int) -> list[Effect]:
    """Effects of ``event`` on a holding of ``shares``; whole shares, dropped fractions reported."""
    if is_plain(event):
        return _plain_effects(holder_ratio(event), event.cash, shares)
    if not (math.isfinite(event.factor_ratio) and event.factor_ratio > 0 and event.preclose > 0):
        return []
    exact = shares * event.factor_ratio
    whole = math.floor(exact)
    rest = math.floor((exact - whole) * event.preclose * 100.0 + 0.5)
    return [Effect(UNRESOLVED, whole - shares, rest, 0.0)]


def _plain_effects(ratio: float, cash: float, shares: int) -> list[Effect]:
    found = []
    if ratio != 1.0:
        whole, fraction = whole_shares(shares, ratio)
        found.append(Effect(BONUS, whole - shares, 0, fraction))
    if cash > 0.0:
        found.append(Effect(DIVIDEND, 0, fen(shares * cash), 0.0))
    return found


def action_effects(action: Action, shares: int, policy: str, cash_fen: float = math.inf) -> list[Effect]:
    """Effects of an action on a holding of ``shares``.

    Parameters
    ----------
    action : Action
    shares : int
        Holding at the record date.
    policy : {"sell", "take_up", "lapse"}
        What is done with rights. They are sold at their theoretical price (:attr:`Action.right_worth`); or as many
        are taken up as ``cash_fen`` pays for, the rest lapsing; or all lapse. Rights whose price is not below the
        reference price are worth nothing and always lapse.
    cash_fen : float
        What the account can spend on rights.

    Returns
    -------
    list of Effect
        Of kind :data:`BONUS`, :data:`DIVIDEND`, :data:`RIGHTS` (cash negative where they are paid for; the fraction
        is that of the shares not subscribed for), or one of kind :data:`UNRESOLVED`.
    """
    if not action.plain:
        return effects(action.event, shares)
    found = _plain_effects(action.ratio, action.event.cash, shares)
    if not action.rights_ratio:
        return found
    exact = shares * action.rights_ratio
    if action.right_worth <= 0.0 or policy == "lapse":
        return [*found, Effect(RIGHTS, 0, 0, exact)]
    if policy == "sell":
        return [*found, Effect(RIGHTS, 0, fen(shares * action.right_worth), 0.0)]
    whole, fraction = whole_shares(shares, action.rights_ratio)
    price_fen = fen(action.rights_price)
    bought = whole if whole * price_fen <= cash_fen else max(0, int(cash_fen // price_fen))
    return [*found, Effect(RIGHTS, bought, -bought * price_fen, whole - bought + fraction)]


def whole_shares(shares: int, ratio: float) -> tuple[int, float]:
    """Whole shares of ``shares x ratio``, and the fraction that is dropped."""
    exact = shares * ratio
    whole = math.floor(exact + 1e-6)
    return whole, max(exact - whole, 0.0)


def fen(yuan: float) -> int:
    """Yuan as whole fen, half-up; 50 shares x 0.0045 yuan are 23 fen, though floats make it 22.499999999999996."""
    return math.floor(round(yuan * 100.0, 6) + 0.5)


def refuse_adjusted(market: Market) -> None:
    """Refuse prices that are adjusted already when dividends are to be booked on top of them.

    A feed may say so (``info["adjusted"]``). Else an adjusted series betrays itself: the close before an ex-date
    is not the one that the event names. Prices pass while no more than a fifth of the events disagree by more than
    a fen and 0.2 %.

    Raises
    ------
    DataError
    """
    advice = (
        "dividends would be counted twice: use unadjusted prices, or switch the booking off with "
        "--rule corporate_actions=false"
    )
    declared = market.info.get("adjusted")
    if declared:
        raise DataError(f"the feed says that its prices are adjusted ('{declared}'); {advice}")
    t, i, named = (market.events[name] for name in ("t", "i", "prev_close"))
    known = (t > 0) & np.isfinite(named)
    t, i, named = t[known], i[known], named[known]
    before = market.mark[t - 1, i]
    there = np.isfinite(before)
    gap = np.abs(before[there] - named[there])
    wrong = gap > np.maximum(0.0101, 0.002 * named[there])
    if len(wrong) and wrong.mean() > _ADJUSTED_MOST:
        k = int(np.flatnonzero(there)[np.argmax(wrong)])
        raise DataError(
            f"the prices look adjusted: on the session before its ex-date {market.sessions[t[k]]} "
            f"{market.symbols[i[k]]} closed at {before[k]:.2f}, where ex_rights_events says {named[k]:.2f} "
            f"(so it is for {wrong.sum()} of {len(wrong)} events); {advice}"
        )


class EventBook:
    """The market's events by session."""

    def __init__(self, market: Market) -> None:
        columns = market.events
        self._by_session: dict[int, list[Action]] = {}
        self._early: dict[int, list[Action]] = {}
        core = zip(*(columns[name].tolist() for name in Event._fields), strict=True)
        extra = zip(*(columns[name].tolist() for name in EXTRA_COLUMNS), strict=True)
        for t, event, rest in zip(columns["t"].tolist(), core, extra, strict=True):
            action = Action(Event(*event), *rest)
            self._by_session.setdefault(t, []).append(action)
            if action.record_t < t - 1:
                self._early.setdefault(action.record_t, []).append(action)
        leaving = np.flatnonzero(market.delisted)
        self._delistings: dict[int, list[int]] = {}
        for i in leaving.tolist():
            self._delistings.setdefault(int(market.last_session[i]) + 1, []).append(i)
        self.sessions = self._by_session.keys() | self._early.keys() | self._delistings.keys()
        """Sessions on which something happens."""

    def on(self, t: int) -> list[Event]:
        """Events whose ex-date is session ``t``."""
        return [action.event for action in self._by_session.get(t, ())]

    def actions_on(self, t: int) -> list[Action]:
        """Actions whose ex-date is session ``t``."""
        return self._by_session.get(t, [])

    def recorded_on(self, t: int) -> list[Action]:
        """Actions whose record date is session ``t`` and whose ex-date is not the session after."""
        return self._early.get(t, [])

    def delisted_on(self, t: int) -> list[int]:
        """Stocks that session ``t`` finds gone from the market."""
        return self._delistings.get(t, [])


def extra_columns(t: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """:data:`EXTRA_COLUMNS` of events on sessions ``t``, with their defaults where ``columns`` lacks them.

    Record is the session before, payment and listing are the ex-date, the parts of the share ratio are not known
    (NaN) and there are no rights.
    """
    blank, zero = np.full(len(t), np.nan), np.zeros(len(t))
    found = {}
    for name, default in zip(EXTRA_COLUMNS, (t - 1, t, t, blank, blank, zero, zero), strict=True):
        given = np.asarray(columns.get(name, default), dtype=default.dtype)
        found[name] = np.nan_to_num(given) if name.startswith("rights") else given
    return found
