"""How the synthetic market trades: one loop over sessions, vectors over stocks, prices in whole fen.

Each stock has a fair value V (yuan) that follows

    V_t = V_{t-1} (1 + (1 - d) x_t + d x_{t-1} + alpha_t),   x_t = beta m_t + f_{industry,t} + b' s_t + e_t

with the market m, industries f and styles s of :mod:`feeds.synthetic_market`, exposures b, and idiosyncratic
returns e whose volatility follows a level of all stocks and a log AR(1) of the stock's own and whose shocks are
Student t; a share d of every move sinks in a session later. The printed close is V cut to the session's price limits
and rounded to the fen. What the limit cuts off stays in V, so that a large shock becomes a run of locked sessions, as
on the real exchange; V also moves while a stock is suspended.

alpha_t is what a strategy can find (:mod:`feeds.synthetic_alphas`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feeds.synthetic_alphas import Forecaster, score
from feeds.synthetic_market import common_paths
from feeds.synthetic_population import CHINEXT, CHINEXT_REFORM, STAR, Population, Stream
from feeds.synthetic_schedules import LEAVING, PLAIN

LATE = 0.02
"""Share of a move that sinks in a session later."""
OWN_MEMORY, OWN_SHOCK, OWN_NOISE = 0.992, 0.050, 0.091
"""AR(1) of the log of a stock's own volatility: memory, answer to the size of the last shock, noise."""
NEWS = 0.0106  # share of stock-sessions with news
NEWS_UP, NEWS_DOWN = 0.060, 0.045  # mean size of good news (three in five) and of bad
NEWS_MEAN = NEWS * (0.6 * NEWS_UP - 0.4 * NEWS_DOWN)
SMALL_BETA = 0.15
"""Small stocks answer more to the market: beta falls by this per standard deviation of log market value."""
NIGHT, NIGHT_NOISE = 0.26, 0.23
"""Part of a session's move that the opening auction has, and its error relative to the session's volatility."""
REACH = 0.54
"""Reach of highs and lows beyond open and close, relative to the session's volatility."""
OWN_TURNOVER = 0.86
"""Elasticity of turnover to the stock's own volatility."""
FLOOR_YUAN = 1.2  # fair value never falls below
NO_LIMIT = 1 << 30  # fen
ST_TEN_PERCENT = np.datetime64("2026-07-06")  # main-board ST moves from 5 % to 10 %


@dataclass(frozen=True, kw_only=True)
class Paths:
    """What the exchange printed, each (T, N); only ``mark`` means something where a stock does not trade."""

    open: np.ndarray  # int32 fen
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    preclose: np.ndarray
    lots: np.ndarray  # int32, volume in hundreds of shares
    amount: np.ndarray  # int64 yuan
    total_shares: np.ndarray  # int64
    float_shares: np.ndarray  # int64
    factor: np.ndarray  # float64, cumulative
    mark: np.ndarray  # int32 fen, last close carried forward (issue price before the first)
    events: dict[str, np.ndarray]  # columns t, i, prev_close, preclose, cash (fen), bonus (per 10)


def simulate(
    people: Population,
    sessions: np.ndarray,
    stream: Stream,
    record: Callable[[np.ndarray], None] | None = None,
    strengths: np.ndarray | None = None,
) -> Paths:
    """Run the market.

    Parameters
    ----------
    people : Population
        N stocks with their schedules.
    sessions : ndarray of datetime64[D], shape (T,)
    stream : callable
        Random generator by purpose.
    record : callable, optional
        Receives the expected returns of each session, (len(feeds.synthetic_alphas.NAMES), N); for tests.
    strengths : ndarray, optional
        Multiples of these, see :func:`feeds.synthetic_alphas.strengths`; 1 by default.
    """
    length, count = len(sessions), len(people.symbols)
    common = common_paths(length, stream)
    level = common.level
    shocks, news, magnet = stream("shocks"), stream("news"), stream("magnet")
    bars, trade, moods = stream("bars"), stream("turnover"), stream("moods")
    out = {
        name: np.zeros((length, count), np.int32)
        for name in ("open", "high", "low", "close", "preclose", "lots", "mark")
    }
    out |= {name: np.zeros((length, count), np.int64) for name in ("amount", "total_shares", "float_shares")}
    factors = np.ones((length, count))
    events: list[tuple[np.ndarray, ...]] = []

    prev = np.rint(people.price * 100).astype(np.int64)  # last close in fen
    value = people.price * (1.0 + people.premium)
    total, floating = people.total_shares.copy(), people.float_shares.copy()
    factor, own, late = np.ones(count), np.zeros(count), np.zeros(count)
    appetite = np.zeros(count)
    known = Forecaster(prev, people.turnover, 1.3 * people.volatility, length, strengths)
    exposure = np.zeros((3, count))
    owed_cash, owed_bonus = np.zeros(count), np.zeros(count, np.int64)
    jump, payout = _by_session(people.jumps, length), _by_session(people.payouts, length)

    for t in range(length):
        age = t - people.list_pos
        listed, on = (age >= 0) & (t <= people.last_pos), people.trading[t]
        state = people.state[t]

        # -- what one could have known at the last close
        expected = known.expect(t, prev, total * prev, listed, age)
        if record is not None:
            record(expected)
        if t % 5 == 0:
            worth, grown = np.log(total * prev), known.dearness(t)
            exposure = np.stack([score(worth, listed), score(np.log(known.turnover), listed), -score(grown, listed)])

        # -- fair value
        spread = people.volatility * common.dispersion[t] * np.exp(own)
        shock = np.clip(shocks.standard_t(8, count) * np.sqrt(0.75), -6.0, 6.0)
        moved = np.where(t >= people.industry_pos, people.industry[1], people.industry[0])
        beta = people.beta - SMALL_BETA * exposure[0]
        style = (common.styles[t][:, None] * exposure).sum(axis=0)  # no matrix product: its last bit is the library's
        fresh = beta * common.market[t] + common.industries[t, moved] + style + spread * shock
        move = (1.0 - LATE) * fresh + LATE * late + expected.sum(axis=0)
        late = fresh
        own = OWN_MEMORY * own + OWN_SHOCK * (np.abs(shock) - 0.73) + OWN_NOISE * moods.standard_normal(count)
        move += (_news(news.random((3, count))) - NEWS_MEAN) * level[t] ** 0.75
        move -= 0.0012 * (people.delisted & (state != PLAIN))
        rows = slice(*jump[t : t + 2])
        np.add.at(move, people.jumps["i"][rows], people.jumps["size"][rows])
        rate = _rate(people, state, sessions[t])  # per cent
        move = np.clip(_drawn(move, rate, magnet.random(count)), -0.5, 0.5) * listed

        # -- ex-dates fall on sessions on which the stock trades
        reference = prev
        rows = slice(*payout[t : t + 2])
        if rows.start < rows.stop:
            owed_cash[people.payouts["i"][rows]] = people.payouts["cash_yield"][rows]
            owed_bonus[people.payouts["i"][rows]] = people.payouts["bonus"][rows]
        ex = np.flatnonzero(on & ((owed_cash > 0) | (owed_bonus > 0)))
        if len(ex):
            cash = np.rint(owed_cash[ex] * prev[ex]).astype(np.int64)
            bonus = np.where(prev[ex] >= 600, owed_bonus[ex], 0)
            owed_cash[ex], owed_bonus[ex] = 0.0, 0
            keep = (state[ex] == PLAIN) & ((cash > 0) | (bonus > 0))
            ex, cash, bonus = ex[keep], cash[keep], bonus[keep]
            reference = prev.copy()
            reference[ex] = half_up_ratio((prev[ex] - cash) * 10, 10 + bonus)
            ratio = prev[ex] / reference[ex]
            factor[ex] *= ratio
            value[ex] /= ratio
            total[ex] = half_up_ratio(total[ex] * (10 + bonus), 10)
            floating[ex] = half_up_ratio(floating[ex] * (10 + bonus), 10)
            events.append((np.full(len(ex), t), ex, prev[ex], reference[ex], cash, bonus))

        # -- the bar, inside the limits
        up, down = _limits(people, reference, age, rate)
        swing = spread + 0.008 * level[t]
        normal = bars.standard_normal((3, count))
        first = value * (1.0 + NIGHT * move + NIGHT_NOISE * swing * normal[0])
        value = np.maximum(value * (1.0 + move), FLOOR_YUAN)
        low_open, high_open = _auction_band(people, reference, age, up, down)
        start = np.clip(np.rint(first * 100), low_open, high_open).astype(np.int64)
        last = np.clip(np.rint(value * 100), down, up).astype(np.int64)
        top, bottom = np.maximum(start, last), np.minimum(start, last)
        reach = REACH * swing * np.abs(normal[1:])
        high = np.minimum(np.rint(top * (1.0 + reach[0])).astype(np.int64), up)
        low = np.maximum(np.rint(bottom * (1.0 - reach[1])).astype(np.int64), down)
        sealed = bars.random(count) < 0.3
        locked_up = (bottom == up) & (sealed | (value * 100 > 1.02 * up))
        locked_down = (top == down) & (sealed | (value * 100 < 0.98 * down))
        low = np.where(locked_up, up, low)
        high = np.where(locked_down, down, high)

        # -- volume
        appetite = 0.94 * appetite + 0.14 * trade.standard_normal(count)
        share = people.turnover * common.activity[t] * np.exp(appetite + OWN_TURNOVER * own)
        share *= 0.76 + 6.6 * np.abs(last / reference - 1.0)
        share *= np.where(locked_up | locked_down, 0.12, 1.0 + 9.0 * np.exp(-np.maximum(age, 0) / 12.0))
        share = np.clip(share, 1e-4, 0.6)
        lots = np.maximum(np.rint(share * floating / 100).astype(np.int64), 1)
        mean = np.rint((start + 2 * last + high + low) * 0.2 * lots).astype(np.int64)
        amount = np.clip(mean, low * lots, high * lots)  # fen x hundreds of shares = yuan

        prev = np.where(on, last, prev)
        known.learn(t, prev * factor, last / reference - 1.0, share, on)
        printed = (start, high, low, last, reference, lots, prev, amount, total, floating)
        for array, column in zip(out.values(), printed, strict=True):
            array[t] = column
        factors[t] = factor
    columns = zip(*events, strict=True) if events else [[np.zeros(0, np.int64)]] * 6
    names = ("t", "i", "prev_close", "preclose", "cash", "bonus")
    return Paths(
        **out,
        factor=factors,
        events={n: np.concatenate(list(c)) for n, c in zip(names, columns, strict=True)},
    )


def half_up_ratio(above: np.ndarray, below: np.ndarray | int) -> np.ndarray:
    """Quotient of non-negative integers, rounded half-up to an integer without floats."""
    return (2 * above + below) // (2 * below)


def _by_session(table: dict[str, np.ndarray], length: int) -> np.ndarray:
    # rows of session t are [edges[t], edges[t + 1])
    return np.searchsorted(table["t"], np.arange(length + 1))


def _news(draw: np.ndarray) -> np.ndarray:
    """Rare jumps with exponential sizes from uniform draws (3, N): whether, which way, how far."""
    size = -np.log1p(-draw[2])
    return np.where(draw[0] < NEWS, np.where(draw[1] < 0.6, NEWS_UP, -NEWS_DOWN) * size, 0.0)


def _drawn(move: np.ndarray, rate: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Moves that come near a limit are often drawn to it (the magnet effect), up more than down."""
    limit: np.ndarray = rate / 100.0
    risen = (move > 0.65 * limit) & (move < limit) & (draw < 0.5)
    fallen = (move < -0.75 * limit) & (move > -limit) & (draw < 0.35)
    return np.where(risen, 1.02 * limit, np.where(fallen, -1.02 * limit, move))


def _rate(people: Population, state: np.ndarray, session: np.datetime64) -> np.ndarray:
    """Ordinary price limit in per cent of the reference, by board, state and date."""
    wide = (people.board == STAR) | ((people.board == CHINEXT) & (session >= CHINEXT_REFORM))
    special = (state != PLAIN) & (state != LEAVING)
    return np.where(wide, 20, np.where(special & (session < ST_TEN_PERCENT), 5, 10))


def _limits(
    people: Population, reference: np.ndarray, age: np.ndarray, rate: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Highest and lowest legal price in fen: reference x (1 +- r), half-up; new listings differ."""
    up, down = half_up_ratio(reference * (100 + rate), 100), half_up_ratio(reference * (100 - rate), 100)
    first = (age == 0) & people.capped_first
    up = np.where(first, half_up_ratio(reference * 144, 100), up)
    down = np.where(first, half_up_ratio(reference * 64, 100), down)
    free = (age >= 0) & (age < people.free_days)
    return np.where(free, NO_LIMIT, up), np.where(free, 1, down)


def _auction_band(
    people: Population, reference: np.ndarray, age: np.ndarray, up: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Band of the opening price: on a capped first day the auction takes 80 % to 120 % of the issue price."""
    first = (age == 0) & people.capped_first
    return (
        np.where(first, half_up_ratio(reference * 80, 100), down),
        np.where(first, half_up_ratio(reference * 120, 100), up),
    )
