"""What will happen to the stocks of the synthetic market: ST spells, delistings, suspensions, dividends.

Schedules are drawn before the first price, each from a stream of its own. Positions are session
indices t of the panel (T sessions x N stocks); a spell [a, b) starts on session a and is over on b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PLAIN, ST, STAR_ST, LEAVING = range(4)
"""States of a stock's name: plain, ST, *ST, delisting period (退)."""
SHORT_HALTS, LONG_HALTS = 1.5, 0.50
"""Halts a stock and year: of a day, and longer ones."""
LONG_MEDIAN, LONG_SPREAD = 16.0, 1.25
"""Sessions of the longer ones, log-normal."""
MEETINGS_UNTIL = np.datetime64("2012-07-01")
CAPPED_FROM, CURBED_FROM = np.datetime64("2016-05-27"), np.datetime64("2018-11-06")
"""From when the exchanges hold halts to three months, and to ten sessions."""
TRANSFERS_CURBED = np.datetime64("2018-11-23")
"""From when the exchanges tie large bonus issues to the growth of profits."""
REPORTS_ARE_OUT = np.timedelta64(123, "D")
"""From the first of January to the fourth of May, or the third: who is under ST by then is so for the last report."""
DELISTING_SESSIONS = 30
BONUS = (1, 2, 3, 5, 6, 8, 10, 15, 20)
BONUS_CHANCE = (0.04, 0.09, 0.13, 0.19, 0.06, 0.06, 0.35, 0.05, 0.03)
"""New shares for ten held, and how often each is the number."""
NEVER = 1 << 30
LONG_AGO = -(1 << 20)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Special treatment and delisting."""

    state: np.ndarray  # (T, N) int8: PLAIN, ST, STAR_ST, LEAVING
    last_pos: np.ndarray  # (N,) last session on which the stock is listed
    delisted: np.ndarray  # (N,) bool
    pauses: dict[str, np.ndarray]  # halts before a delisting period: i, begin, end
    jumps: dict[str, np.ndarray]  # sudden changes of value: t, i, size (fraction)


def special_treatment(can: np.ndarray, cap: np.ndarray, sessions: np.ndarray, rng: np.random.Generator) -> Standing:
    """Draw ST spells and delistings.

    Parameters
    ----------
    can : ndarray of bool, shape (N,)
        Stocks that may come under ST: listed before the panel, on a board that has it.
    cap : ndarray, shape (N,)
        Market value; trouble comes to the smaller half.
    sessions : ndarray of datetime64[D], shape (T,)
    rng : numpy.random.Generator
    """
    length, count = len(sessions), len(can)
    small = np.flatnonzero(can & (cap <= np.median(cap[can] if can.any() else cap)))
    small = rng.permutation(small)
    # Delistings, more of them late; each comes after an ST spell, a halt and a delisting period.
    wanted = int(round(0.006 * count * length / 243)) if length >= 120 else 0
    wanted = min(max(wanted, int(length >= 120 and count >= 10)), len(small) // 2)
    doomed, rest = small[:wanted], small[wanted:]
    last_pos = np.full(count, length - 1)
    ends = 100 + ((length - 112) * np.sqrt(rng.uniform(0.04, 1.0, wanted))).astype(int)
    last_pos[doomed] = np.minimum(ends, length - 3)
    leaving = last_pos[doomed] - DELISTING_SESSIONS + 1
    halt = leaving - rng.integers(20, 60, wanted)
    marked = np.maximum(leaving - rng.integers(300, 520, wanted), 0)
    # Ordinary spells: some at the start, new ones around the deadline of the annual reports.
    opening = rest[: max(int(round(0.035 * can.sum())), int(count >= 10))]
    spells = [(opening, np.zeros(len(opening), int), rng.integers(60, 480, len(opening)))]
    month_day = sessions.astype("datetime64[D]") - sessions.astype("datetime64[Y]").astype("datetime64[D]")
    april = np.flatnonzero((month_day >= np.timedelta64(108, "D")) & (month_day <= np.timedelta64(122, "D")))
    for year in np.unique(sessions[april].astype("datetime64[Y]")):
        days = april[sessions[april].astype("datetime64[Y]") == year]
        picked = rest[rng.random(len(rest)) < 0.038]
        begin = days[rng.integers(0, len(days), len(picked))]
        spells.append((picked, begin, begin + rng.integers(230, 480, len(picked))))
    who = np.concatenate([s[0] for s in spells])
    begin = np.concatenate([s[1] for s in spells])
    end = np.minimum(np.concatenate([s[2] for s in spells]), length)  # first session without
    state = np.zeros((length, count), np.int8)
    state[_covered(who, begin, end, length, count)] = ST
    hard = rng.random(count) < 0.5
    state[:, hard] *= STAR_ST
    for i, a, b, c in zip(doomed, marked, leaving, last_pos[doomed], strict=True):
        state[a:b, i] = STAR_ST
        state[b : c + 1, i] = LEAVING
    fall, rise = begin > 0, end < length
    jumps = {
        "t": np.concatenate([begin[fall], end[rise], marked[marked > 0], leaving]),
        "i": np.concatenate([who[fall], who[rise], doomed[marked > 0], doomed]),
        "size": np.concatenate(
            [
                np.clip(-0.12 + 0.08 * rng.standard_normal(fall.sum()), -0.4, 0.1),
                np.clip(0.08 + 0.06 * rng.standard_normal(rise.sum()), -0.1, 0.3),
                np.full((marked > 0).sum(), -0.2),
                np.full(wanted, -0.45),
            ]
        ),
    }
    return Standing(
        state=state,
        last_pos=last_pos,
        delisted=last_pos < length - 1,
        pauses={"i": doomed, "begin": np.maximum(halt, 1), "end": leaving},
        jumps=jumps,
    )


def _covered(who: np.ndarray, begin: np.ndarray, end: np.ndarray, length: int, count: int) -> np.ndarray:
    """(T, N) bool, true inside any of the half-open spells [begin, end)."""
    edges = np.zeros((length + 1, count), np.int16)
    np.add.at(edges, (begin, who), 1)
    np.add.at(edges, (end, who), -1)
    return np.cumsum(edges[:-1], axis=0, dtype=np.int16) > 0


def suspensions(
    list_pos: np.ndarray, standing: Standing, sessions: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw halts: sessions on which each stock trades (T, N), and the news that waits behind a halt."""
    length, count = len(sessions), len(list_pos)
    last_pos, delisted, pauses = standing.last_pos, standing.delisted, standing.pauses
    number = rng.poisson((SHORT_HALTS + LONG_HALTS) * length / 243.0, count)
    who = np.repeat(np.arange(count), number)
    begin = rng.integers(1, length, len(who))
    day = sessions[begin]
    short = rng.random(len(who)) * (SHORT_HALTS + LONG_HALTS) < SHORT_HALTS
    drawn = np.ceil(LONG_MEDIAN * np.exp(LONG_SPREAD * rng.standard_normal(len(who)))).astype(int)
    most = np.where(day < CAPPED_FROM, 280, np.where(day < CURBED_FROM, 60, 10))
    end = begin + np.where(short, 1, np.minimum(drawn, most))
    luck = rng.random(len(who))
    # Meetings closed a stock for a day until 2012; from November 2018 a halt needs a reason that few have.
    gone = np.where(short, (day >= MEETINGS_UNTIL) & (luck < 0.9), (day >= CURBED_FROM) & (luck < 0.7))
    keep = (begin >= np.maximum(list_pos[who] + 30, 1)) & ~gone
    # A delisted stock's story is told apart: no other halt near its end. The rest may end in a halt.
    keep &= ~delisted[who] | (end < last_pos[who] - 130)
    who, begin, end = who[keep], begin[keep], np.minimum(end[keep], length)
    stayers = np.flatnonzero((list_pos < 0) & ~delisted)
    if len(stayers) > 2 and length > 20:  # at least one stock is still suspended at the end
        who = np.append(who, stayers[int(rng.integers(2, len(stayers)))])
        begin = np.append(begin, length - int(rng.integers(8, 16)))
        end = np.append(end, length)
    closed = _covered(
        np.append(who, pauses["i"]),
        np.append(begin, pauses["begin"]),
        np.append(end, pauses["end"]),
        length,
        count,
    )
    t = np.arange(length)[:, None]
    trading = (t >= list_pos) & (t <= last_pos) & ~closed
    news = (end - begin >= 5) & (end < length)
    size = np.clip((0.07 + 0.1 * (end - begin > 30)) * rng.standard_normal(len(who)), -0.4, 0.6)
    return trading, {"t": end[news], "i": who[news], "size": size[news]}


def payouts(
    list_pos: np.ndarray, standing: Standing, sessions: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Planned ex-dates: one a stock and year, from May to July; ST stocks drop theirs later.

    Who comes under ST in the next spring has had a loss in the year before, and pays no cash on it.
    """
    count = len(list_pos)
    month = sessions.astype("datetime64[M]").astype(int) % 12 + 1
    season = np.flatnonzero((month >= 5) & (month <= 7))
    season_year = sessions[season].astype("datetime64[Y]")
    out: dict[str, list[np.ndarray]] = {"t": [], "i": [], "cash_yield": [], "bonus": []}
    habit = np.clip(0.0070 * np.exp(0.85 * rng.standard_normal(count)), 0.0008, 0.04)
    for year in np.unique(season_year):
        days = season[season_year == year]
        t = days[(rng.beta(2.0, 2.0, count) * len(days)).astype(int)]
        cash = habit * np.exp(0.25 * rng.standard_normal(count)) * (rng.random(count) < 0.72)
        often = 0.3 if sessions[days[0]] < TRANSFERS_CURBED else 0.12
        bonus = np.where(rng.random(count) < often, rng.choice(BONUS, size=count, p=BONUS_CHANCE), 0)
        spring = int(np.searchsorted(sessions, np.datetime64(year + 1, "D") + REPORTS_ARE_OUT))
        if spring < len(sessions):
            cash[np.isin(standing.state[spring], (ST, STAR_ST))] = 0.0
        keep = (t > list_pos + 60) & (t > 0) & (t <= standing.last_pos) & ((cash > 0) | (bonus > 0))
        values = (t, np.arange(count), np.where(cash > 0, np.clip(cash, 0.0008, 0.045), 0.0), bonus)
        for name, column in zip(out, values, strict=True):
            out[name].append(column[keep])
    empty = {
        "t": np.zeros(0, int),
        "i": np.zeros(0, int),
        "cash_yield": np.zeros(0),
        "bonus": np.zeros(0, int),
    }
    return sorted_by_t({k: np.concatenate([empty[k], *v]) for k, v in out.items()})


def sorted_by_t(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    order = np.lexsort((table["i"], table["t"]))
    return {name: column[order] for name, column in table.items()}
