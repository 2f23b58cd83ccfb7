"""Purchase lots of many portfolios and the tax on dividends that hangs on them, as arrays; compiled.

The rules are those of :class:`engine.holding_lots.HoldingLots`, and the tax is the same to the fen. Lots lie in one
pool, chained from the oldest to the youngest of a portfolio's stock, and so do the claims of each lot. Income a share
is a whole number of units and a rest over ``parts``, so that it stays exact when an action changes how many there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.dividend_tax import RATE_SCALE, Regime, months_after
from engine.errors import AccountError
from engine.holding_lots import BASE_SCALE

_SCALE = RATE_SCALE * BASE_SCALE
_END = -1
_EXACT = 2.0**62
"""Products from here on may not fit 64 bits."""
_TOO_FINE = (
    "the dividends of a lot went through more changes of its share count within a year than 64 bits can split exactly; "
    "run this portfolio alone with scripts/backtest.py"
)
_FOREVER = 2**62
_ROWS = 4096
_LOTS, _CLAIMS = range(2)

LOT = np.dtype([(name, np.int64) for name in ("t", "shares", "claim", "next")])
"""Shares bought on session ``t``, its first claim and the next younger lot."""

CLAIM = np.dtype(
    [
        (name, np.int64)
        for name in ("regime", "base", "rest", "parts", "due", "due_rest", "withheld", "next")
    ]
)
"""The tax on one dividend of a lot: income a share is ``base + rest / parts``, the tax of sold shares ``due + due_rest
/ parts`` (units of :class:`engine.holding_lots.Claim`)."""


class LotArrays(NamedTuple):
    """Lots of P portfolios over N stocks.

    Attributes
    ----------
    first, last : ndarray of int64, shape (P, N)
        Oldest and youngest lot, or -1.
    taxed : ndarray of bool, shape (P, N)
        Whether a sale may cost tax.
    lots, claims : ndarray of LOT, of CLAIM
        The pools; what is free is chained, too.
    free, room : ndarray of int64, shape (2,)
        First free lot and claim, and how many there are.
    until : ndarray of int64, shape (regimes, T, brackets)
        Last day number on which a purchase of session t is sold within a bracket.
    rates : ndarray of int64, shape (regimes, brackets)
    kept : ndarray of int64, shape (regimes,)
        Part withheld at payment.
    """

    first: np.ndarray
    last: np.ndarray
    taxed: np.ndarray
    lots: np.ndarray
    claims: np.ndarray
    free: np.ndarray
    room: np.ndarray
    until: np.ndarray
    rates: np.ndarray
    kept: np.ndarray

    @classmethod
    def empty(cls, portfolios: int, stocks: int, days: list[int], regimes: tuple[Regime, ...]) -> LotArrays:
        """No lots; ``days`` are the day numbers of the sessions."""
        brackets = max((len(regime.brackets) for regime in regimes), default=0)
        until = np.full((len(regimes), len(days), brackets), _FOREVER, dtype=np.int64)
        rates = np.zeros((len(regimes), brackets), dtype=np.int64)
        for r, regime in enumerate(regimes):
            for b, bracket in enumerate(regime.brackets):
                rates[r, b:] = bracket.rate
                if bracket.up_to is not None:
                    until[r, :, b] = [months_after(day, bracket.up_to) for day in days]
        grid = portfolios, stocks
        return cls(
            np.full(grid, _END, np.int64), np.full(grid, _END, np.int64), np.zeros(grid, bool),
            _chained(np.zeros(_ROWS, LOT), 0, _END), _chained(np.zeros(_ROWS, CLAIM), 0, _END),
            np.zeros(2, np.int64), np.full(2, _ROWS, np.int64),
            until, rates, np.array([regime.kept for regime in regimes], dtype=np.int64),
        )  # fmt: skip

    def grown(self) -> LotArrays:
        """The same with twice the room."""
        pools = []
        for kind, pool in ((_LOTS, self.lots), (_CLAIMS, self.claims)):
            wider = np.concatenate([pool, np.zeros_like(pool)])
            pools.append(_chained(wider, len(pool), int(self.free[kind])))
            self.free[kind] = len(pool)
            self.room[kind] += len(pool)
        return self._replace(lots=pools[0], claims=pools[1])


def _chained(pool: np.ndarray, start: int, then: int) -> np.ndarray:
    """Chain the records from ``start`` on, and behind them ``then``."""
    pool["next"][start:] = np.arange(start + 1, len(pool) + 1)
    pool["next"][-1] = then
    return pool


@njit(cache=True)
def _take(a: LotArrays, kind: int) -> int:
    place = a.free[kind]
    a.free[kind] = a.lots[place].next if kind == _LOTS else a.claims[place].next
    a.room[kind] -= 1
    return place


@njit(cache=True)
def _give_lot(a: LotArrays, place: int) -> None:
    claim = a.lots[place].claim
    while claim != _END:
        claim = _give_claim(a, claim)
    a.lots[place].next = a.free[_LOTS]
    a.free[_LOTS] = place
    a.room[_LOTS] += 1


@njit(cache=True)
def _give_claim(a: LotArrays, place: int) -> int:
    """Free a claim; returns the one behind it."""
    behind = a.claims[place].next
    a.claims[place].next = a.free[_CLAIMS]
    a.free[_CLAIMS] = place
    a.room[_CLAIMS] += 1
    return behind


@njit(cache=True)
def bought(a: LotArrays, p: int, i: int, t: int, shares: int) -> bool:
    """Add a lot; False where there is no room."""
    if not a.room[_LOTS]:
        return False
    place = _take(a, _LOTS)
    lot = a.lots[place]
    lot.t, lot.shares, lot.claim, lot.next = t, shares, _END, _END
    if a.first[p, i] == _END:
        a.first[p, i] = place
    else:
        a.lots[a.last[p, i]].next = place
    a.last[p, i] = place
    return True


@njit(cache=True)
def clear(a: LotArrays, p: int, i: int) -> None:
    """Forget a stock's lots."""
    place = a.first[p, i]
    while place != _END:
        behind = a.lots[place].next
        _give_lot(a, place)
        place = behind
    a.first[p, i] = a.last[p, i] = _END
    a.taxed[p, i] = False


@njit(cache=True)
def _rate(a: LotArrays, regime: int, t: int, day: int) -> int:
    """Rate of a holding from session ``t`` to a day number."""
    bracket = 0
    while day > a.until[regime, t, bracket]:
        bracket += 1
    return a.rates[regime, bracket]


@njit(cache=True)
def _is_settled(a: LotArrays, regime: int, t: int, day: int) -> bool:
    """Whether no sale on ``day`` or later costs more than what was kept at payment."""
    for bracket in range(a.rates.shape[1]):
        if day <= a.until[regime, t, bracket] and a.rates[regime, bracket] != a.kept[regime]:
            return False
    return True


@njit(cache=True)
def _add_due(claim: Any, shares: int, rate: int) -> None:
    """Let ``shares`` of the lot owe their tax."""
    over = shares * claim.rest
    part = over % claim.parts * rate + claim.due_rest
    claim.due += (shares * claim.base + over // claim.parts) * rate + part // claim.parts
    claim.due_rest = part % claim.parts


@njit(cache=True)
def _charge(a: LotArrays, claim: Any, left: int) -> int:
    """Fen to take now so that sold shares have paid in full and the ``left`` ones what is kept at payment."""
    kept = a.kept[claim.regime]
    over = left * claim.rest
    part = over % claim.parts * kept + claim.due_rest
    whole = claim.due + (left * claim.base + over // claim.parts) * kept + part // claim.parts
    total = (2 * whole + 2 * (part % claim.parts) // claim.parts + _SCALE) // (2 * _SCALE)
    taken = total - claim.withheld
    claim.withheld = total
    return taken


@njit(cache=True)
def sell(a: LotArrays, p: int, i: int, shares: int, day: int) -> int:
    """Take shares out of the oldest lots; returns the fen of tax that this costs."""
    tax, place = 0, a.first[p, i]
    while shares > 0:
        lot = a.lots[place]
        part = min(shares, lot.shares)
        lot.shares -= part
        shares -= part
        claim = lot.claim
        while claim != _END:
            owed = a.claims[claim]
            _add_due(owed, part, _rate(a, owed.regime, lot.t, day))
            tax += _charge(a, owed, lot.shares)
            claim = owed.next
        if not lot.shares:
            behind = lot.next
            _give_lot(a, place)
            place = behind
    a.first[p, i] = place
    if place == _END:
        a.last[p, i] = _END
    if a.taxed[p, i]:
        while place != _END and a.lots[place].claim == _END:
            place = a.lots[place].next
        a.taxed[p, i] = place != _END
    return tax


@njit(cache=True)
def entitle(a: LotArrays, p: int, i: int, day: int, regime: int, base: int) -> int:
    """Give every lot its share of a dividend; returns the fen kept at payment, or -1 where there is no room."""
    count, place = 0, a.first[p, i]
    while place != _END:
        count, place = count + 1, a.lots[place].next
    if a.room[_CLAIMS] < count:
        return -1
    kept, waiting, place = 0, False, a.first[p, i]
    while place != _END:
        lot = a.lots[place]
        new = _take(a, _CLAIMS)
        claim = a.claims[new]
        claim.regime, claim.base, claim.rest, claim.parts = regime, base, 0, 1
        claim.due, claim.due_rest, claim.withheld, claim.next = 0, 0, 0, lot.claim
        lot.claim = new
        kept += _charge(a, claim, lot.shares)
        before, at = _END, new
        while at != _END:
            if _is_settled(a, a.claims[at].regime, lot.t, day):
                at = _give_claim(a, at)
                if before == _END:
                    lot.claim = at
                else:
                    a.claims[before].next = at
            else:
                before, at = at, a.claims[at].next
        waiting = waiting or lot.claim != _END
        place = lot.next
    a.taxed[p, i] = waiting
    return kept


@njit(cache=True)
def _divisor(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


@njit(cache=True)
def _spread(claim: Any, before: int, after: int) -> None:
    """Put the income of ``before`` shares on ``after`` ones.

    In lowest terms 64 bits hold ``parts`` of two such actions on millions of shares, within the year a claim is open;
    more of them are refused rather than counted wrong.
    """
    left, right = float(before), float(after)
    if max(
        claim.base * left, right * claim.parts + claim.rest * left, claim.parts * right, claim.due_rest * right
    ) >= _EXACT:
        raise AccountError(_TOO_FINE)
    over = claim.base * before
    rest = over % after * claim.parts + claim.rest * before
    parts = claim.parts * after
    claim.base, rest = over // after + rest // parts, rest % parts
    due_rest = claim.due_rest * after
    common = _divisor(_divisor(parts, rest), due_rest)
    claim.rest, claim.parts, claim.due_rest = rest // common, parts // common, due_rest // common


@njit(cache=True)
def rescale(a: LotArrays, p: int, i: int, held: int, shares: int, to: int) -> None:
    """Turn ``held`` shares into ``shares`` of stock ``to`` without a purchase: :meth:`HoldingLots.rescale`."""
    place, before, first, last, taxed = a.first[p, i], 0, _END, _END, False
    a.first[p, i] = a.last[p, i] = _END
    a.taxed[p, i] = False
    while place != _END:
        lot, behind = a.lots[place], a.lots[place].next
        after = before + lot.shares
        size = after * shares // held - before * shares // held
        before = after
        if size:
            claim = lot.claim
            while claim != _END:
                _spread(a.claims[claim], lot.shares, size)
                claim, taxed = a.claims[claim].next, True
            lot.shares, lot.next = size, _END
            if first == _END:
                first = place
            else:
                a.lots[last].next = place
            last = place
        else:
            _give_lot(a, place)
        place = behind
    if first != _END:
        _merge(a, p, to, first)
        a.taxed[p, to] = a.taxed[p, to] or taxed


@njit(cache=True)
def _merge(a: LotArrays, p: int, i: int, new: int) -> None:
    """Put a chain of lots among those of a stock, by session; of one session the new ones come first."""
    old, last = a.first[p, i], _END
    while new != _END or old != _END:
        if old == _END or (new != _END and a.lots[new].t <= a.lots[old].t):
            place, new = new, a.lots[new].next
        else:
            place, old = old, a.lots[old].next
        if last == _END:
            a.first[p, i] = place
        else:
            a.lots[last].next = place
        last = place
    a.last[p, i] = last


class LotPool:
    """The arrays of all portfolios' lots, replaced when they grow.

    Attributes
    ----------
    arrays : LotArrays
    """

    def __init__(self, portfolios: int, stocks: int, sessions: np.ndarray, regimes: tuple[Regime, ...]) -> None:
        days = sessions.astype("datetime64[D]").astype(np.int64).tolist()
        self.arrays = LotArrays.empty(portfolios, stocks, days, regimes)
        self.regimes = {regime.first: r for r, regime in enumerate(regimes)}
        self.session = {day: t for t, day in enumerate(days)}

    def grow(self) -> None:
        """Make room."""
        self.arrays = self.arrays.grown()


class PortfolioLots:
    """The lots of one portfolio, as :class:`engine.entitlements.CorporateDesk` asks for them.

    Methods are those of :class:`engine.holding_lots.HoldingLots`.
    """

    def __init__(self, pool: LotPool, p: int) -> None:
        self._pool, self._p = pool, p

    @property
    def pending(self) -> set[int]:
        """Stocks on which a sale may cost tax."""
        return set(np.flatnonzero(self._pool.arrays.taxed[self._p]).tolist())

    def bought(self, i: int, day: int, shares: int) -> None:
        """Shares that an action added on a day number."""
        while not bought(self._pool.arrays, self._p, i, self._pool.session[day], shares):
            self._pool.grow()

    def clear(self, i: int) -> None:
        """Forget a stock that is held no more."""
        clear(self._pool.arrays, self._p, i)

    def entitle(self, i: int, held: int, day: int, regime: Regime, base: int) -> int:
        """Give every lot its share of a dividend; returns the fen kept at payment."""
        found = _END
        while found == _END:
            found = entitle(self._pool.arrays, self._p, i, day, self._pool.regimes[regime.first], base)
            if found == _END:
                self._pool.grow()
        return found

    def sell(self, i: int, held: int, shares: int, day: int) -> int:
        """Take shares out of the oldest lots; returns the fen of tax that this costs."""
        return sell(self._pool.arrays, self._p, i, shares, day)  # type: ignore[no-any-return]

    def rescale(self, i: int, held: int, shares: int, to: int | None = None, held_to: int = 0) -> None:
        """Turn ``held`` shares into ``shares`` without a purchase."""
        rescale(self._pool.arrays, self._p, i, held, shares, i if to is None else to)
