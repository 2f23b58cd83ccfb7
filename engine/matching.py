"""At what price, if any, an order can trade within one daily bar.

Judged by the price of the fill moment alone (never the day's close for an open fill) and one-sided:
the upper limit blocks buys, the lower limit blocks sells (``ashare_rules`` section 5.6). All prices
in yuan; limits in fen as the market holds them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.market import Market
from engine.orders import Order

SUSPENDED = "SUSPENDED"
LIMIT_UP = "LIMIT_UP"
LIMIT_DOWN = "LIMIT_DOWN"
NOT_LISTED = "NOT_LISTED"
DELISTED = "DELISTED"
NOT_REACHED = "NOT_REACHED"
T_PLUS_ONE = "T_PLUS_ONE"
LOT = "LOT"
CASH = "CASH"
VOLUME_CAP = "VOLUME_CAP"
OVERSELL = "OVERSELL"
PARENT = "PARENT"
EXPIRED = "EXPIRED"

REASONS = {
    SUSPENDED: "the stock did not trade that session",
    LIMIT_UP: "a buy at the upper price limit finds no seller",
    LIMIT_DOWN: "a sale at the lower price limit finds no buyer",
    NOT_LISTED: "the stock is not listed yet",
    DELISTED: "the stock has left the market",
    NOT_REACHED: "the limit price was not reached",
    T_PLUS_ONE: "shares bought on a session can be sold from the next one on",
    LOT: "less than the smallest legal lot",
    CASH: "the account's cash does not cover it",
    VOLUME_CAP: "the participation cap of the slippage model",
    OVERSELL: "more than the account holds; short selling is not modelled",
    EXPIRED: "its validity ended before a session on which it could trade",
    PARENT: "the bracket's main order did not come about",
}
"""Every reason of a refusal, in words."""


class Bars(NamedTuple):
    """One session's bars of the stocks concerned, as plain lists (yuan, shares, limits in yuan)."""

    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    traded: list[int]
    up: list[float]
    down: list[float]


def bars_of(market: Market, t: int, stocks: list[int], whole: bool = True) -> Bars:
    """Gather the bars of session ``t``; one array operation a field, whatever N is.

    Not ``whole``: without high, low and volume, which market orders do not ask for.
    """
    at = np.array(stocks, dtype=np.intp)
    high, low, volume = (market.high, market.low, market.volume) if whole else (None, None, None)
    return Bars(
        market.open[t].take(at).tolist(),
        [] if high is None else high[t].take(at).tolist(),
        [] if low is None else low[t].take(at).tolist(),
        market.close[t].take(at).tolist(),
        [] if volume is None else volume[t].take(at).tolist(),
        market.traded[t].take(at).tolist(),
        (market.limit_up[t].take(at) / 100.0).tolist(),
        (market.limit_down[t].take(at) / 100.0).tolist(),
    )


def limit_rule(policy: str, bars: Bars, k: int, is_buy: bool) -> tuple[bool, str]:
    """What the policy ``limit_fills`` says of a stock's bar: whether limits hold, or why nothing fills at all.

    Take an upper limit of 11.00. ``touched``: a day of open 10.50 and high 11.00 blocks all buys, one of high
    10.99 none. ``locked``: open 11.00, low 10.80 fills a buy at the open, at 11.00; only low = high = 11.00 blocks
    it. ``moment``, the default and not asked here: open 11.00 blocks a buy at the open, open 10.50 fills it at
    10.50 whatever the day does later.
    """
    if not bars.traded[k]:
        return True, ""
    if policy == "touched":
        if is_buy:
            return True, LIMIT_UP if bars.high[k] >= bars.up[k] else ""
        return True, LIMIT_DOWN if bars.low[k] <= bars.down[k] else ""
    locked = bars.low[k] >= bars.up[k] if is_buy else bars.high[k] <= bars.down[k]
    return locked, ""


def market_price(bars: Bars, k: int, is_buy: bool, at_close: bool, limits: bool) -> tuple[float, str]:
    """Price of a market order at the open or the close, or the reason why there is none.

    Parameters
    ----------
    bars : Bars
    k : int
        Position of the stock in ``bars``.
    is_buy, at_close, limits : bool
        Side, fill moment, and whether price limits hold.

    Returns
    -------
    (float, str)
        Yuan and ``""``, or 0.0 and a reason.
    """
    if not bars.traded[k]:
        return 0.0, SUSPENDED
    price = bars.close[k] if at_close else bars.open[k]
    if limits:
        if is_buy:
            if price >= bars.up[k]:
                return 0.0, LIMIT_UP
        elif price <= bars.down[k]:
            return 0.0, LIMIT_DOWN
    return price, ""


def limit_price(bars: Bars, k: int, is_buy: bool, limit: float, limits: bool) -> tuple[float, str]:
    """Price of a resting limit order within the bar, or the reason why there is none.

    The open if that is better than the limit, else the limit when the day's range reaches it. With
    price limits on, a bar locked at the limit fills nothing on its blocked side, and one that opened
    there but left it fills one tick inside at best.
    """
    if not bars.traded[k]:
        return 0.0, SUSPENDED
    opened, high, low = bars.open[k], bars.high[k], bars.low[k]
    if is_buy:
        if limits and min(limit, opened) >= bars.up[k]:
            if low >= bars.up[k]:
                return 0.0, LIMIT_UP
            return max(low, round(bars.up[k] - 0.01, 2)), ""
        if limit >= opened:
            return opened, ""
        return (limit, "") if limit >= low else (0.0, NOT_REACHED)
    if limits and max(limit, opened) <= bars.down[k]:
        if high <= bars.down[k]:
            return 0.0, LIMIT_DOWN
        return min(high, round(bars.down[k] + 0.01, 2)), ""
    if limit <= opened:
        return opened, ""
    return (limit, "") if limit <= high else (0.0, NOT_REACHED)


def at_price(bars: Bars, k: int, is_buy: bool, price: float, limits: bool) -> tuple[float, str]:
    """``price`` for an order that trades on the spot, or the limit that keeps it from doing so."""
    if limits:
        if is_buy and price >= bars.up[k]:
            return 0.0, LIMIT_UP
        if not is_buy and price <= bars.down[k]:
            return 0.0, LIMIT_DOWN
    return price, ""


def stop_price(bars: Bars, k: int, is_buy: bool, trigger: float, limits: bool) -> tuple[float, str]:
    """Price of a stop order: the open if it gaps through the trigger, else the trigger once touched."""
    if not bars.traded[k]:
        return 0.0, SUSPENDED
    opened = bars.open[k]
    if opened >= trigger if is_buy else opened <= trigger:
        return at_price(bars, k, is_buy, opened, limits)
    if bars.high[k] >= trigger if is_buy else bars.low[k] <= trigger:
        return at_price(bars, k, is_buy, trigger, limits)
    return 0.0, NOT_REACHED


def stop_limit_price(
    bars: Bars, k: int, is_buy: bool, trigger: float, limit: float, limits: bool
) -> tuple[float, str, bool]:
    """Price of a stop-limit order within the bar that triggers it, and whether it is triggered.

    After a touch within the day only what the daily bar proves is filled, as Backtrader's own broker
    judges it: at the trigger when the limit allows it, or at the limit when the close lies beyond it.
    """
    if not bars.traded[k]:
        return 0.0, SUSPENDED, False
    opened, close = bars.open[k], bars.close[k]
    if opened >= trigger if is_buy else opened <= trigger:
        return *limit_price(bars, k, is_buy, limit, limits), True
    if not (bars.high[k] >= trigger if is_buy else bars.low[k] <= trigger):
        return 0.0, NOT_REACHED, False
    if limit >= trigger if is_buy else limit <= trigger:
        return *at_price(bars, k, is_buy, trigger, limits), True
    if is_buy and opened > close and limit >= close:
        return *at_price(bars, k, is_buy, limit, limits), True
    if not is_buy and opened <= close and limit <= close:
        return *at_price(bars, k, is_buy, limit, limits), True
    return 0.0, NOT_REACHED, True


def price_of(order: Order, bars: Bars, k: int, at_close: bool, limits: bool) -> tuple[float, str]:
    """Price at which an order's kind trades within the bar, or the reason why it does not.

    ``at_close`` is the fill moment of market orders. A stop-limit order that the bar triggers remembers it.
    """
    kind, is_buy, created = order.exectype, order.size > 0, order.created
    if kind == Order.Market:
        return market_price(bars, k, is_buy, at_close, limits)
    if kind == Order.Limit:
        return limit_price(bars, k, is_buy, created.price, limits)
    if kind == Order.Close:
        return market_price(bars, k, is_buy, True, limits)
    if kind in (Order.Stop, Order.StopTrail):
        return stop_price(bars, k, is_buy, created.price, limits)
    if order.triggered:
        return limit_price(bars, k, is_buy, created.pricelimit, limits)
    price, reason, order.triggered = stop_limit_price(bars, k, is_buy, created.price, created.pricelimit, limits)
    return price, reason


def limit_of(order: Order) -> float | None:
    """The worst price that an order accepts."""
    if order.exectype == Order.Limit:
        return order.created.price
    return order.created.pricelimit if order.exectype in (Order.StopLimit, Order.StopTrailLimit) else None


def inside(
    bars: Bars, k: int, is_buy: bool, price: float, unslipped: float, limit: float | None, limits: bool
) -> float:
    """``price`` after slippage, pulled back into the day's range, inside the price limits and the order's own.

    Slippage never lifts a purchase onto the upper limit, where it would find no seller, nor presses a sale
    onto the lower one.
    """
    if is_buy:
        worst = bars.high[k] if not limits else min(bars.high[k], round(bars.up[k] - 0.01, 2))
        worst = worst if limit is None else min(worst, limit)
        return max(min(price, worst), unslipped)
    worst = bars.low[k] if not limits else max(bars.low[k], round(bars.down[k] + 0.01, 2))
    worst = worst if limit is None else max(worst, limit)
    return min(max(price, worst), unslipped)
