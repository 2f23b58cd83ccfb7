"""What can be forecast in the synthetic market: style premia, and four planted alphas that never change.

Each is a small expected return per session on a cross-sectional score, known at the close before. A score is
standardised over the listed stocks and cut at 2.5.

Style premia, fitted to the real market's Rank ICs
    size
        log of the market value; small stocks earn more.
    reversal
        return over 18 sessions; losers earn more.
    volatility
        standard deviation of daily returns, exponential mean over 20 sessions; calm stocks earn more.
    value
        log of the adjusted price over its own mean, exponential over two years; what has grown dear earns less.

Planted alphas, each with an oracle Rank IC of at most 0.10 a month
    linear
        Minus the score of the log of turnover, exponential mean over 20 sessions. A regression finds it.
    interaction
        Score of the log market value times the score of the return over 60 sessions: the moves of large stocks go
        on, those of small stocks turn back. Neither factor earns anything from it alone, so a linear model
        cannot find it.
    memory
        Score of the return between 80 and 60 sessions ago, which comes back. Needs three past months and more.
    decoy
        Minus the score of the log price: cheap stocks earn more in the first third of the span and nothing after.

The option ``alphas`` of a market plants some of them alone, and stronger: see :func:`strengths`.
The oracle is for tests: no table holds it and no view leads to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, nearest

if TYPE_CHECKING:
    from feeds.synthetic_feed import SyntheticConfig

PREMIA = {"size": -0.00064, "reversal": -0.00121, "volatility": -0.00038, "value": -0.00044}
"""Return per session and per standard deviation of the score."""
PLANTED = {"linear": 0.00042, "interaction": 0.00050, "memory": 0.00060, "decoy": 0.00036}
"""The same of the planted alphas."""
NAMES = (*PREMIA, *PLANTED)

REVERSES = 18
"""Sessions whose return comes back."""
LOOKBACK = 20
LONG = 60
FAR = 80
"""Sessions back to where the memory begins; its month ends at :data:`LONG`."""
CUT = 2.5
ANCHORED = 480
"""Sessions of the exponential mean from which a price is judged dear or cheap: two years."""


class Forecaster:
    """Keeps the past that the alphas need and gives the expected returns, session by session.

    Parameters
    ----------
    start : ndarray, shape (N,)
        Prices before the first session.
    turnover : ndarray, shape (N,)
        Habitual turnover, fraction of the float.
    volatility : ndarray, shape (N,)
        Habitual standard deviation per session.
    length : int
        Sessions of the span; the decoy works in the first third.
    strengths : ndarray, shape (len(NAMES),), optional
        Multiples of the usual strengths, see :func:`strengths`.
    """

    def __init__(
        self,
        start: np.ndarray,
        turnover: np.ndarray,
        volatility: np.ndarray,
        length: int,
        strengths: np.ndarray | None = None,
    ) -> None:
        self.strengths = np.ones(len(NAMES)) if strengths is None else strengths
        self.prices = np.tile(start.astype(float), (FAR + 1, 1))
        self.anchor = np.log(start.astype(float))
        self.turnover = turnover.copy()
        self.square = volatility**2
        self.decoy_ends = length // 3

    def expect(self, t: int, price: np.ndarray, value: np.ndarray, listed: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Expected returns of session ``t`` by what was known at the close before.

        Parameters
        ----------
        t : int
        price : ndarray, shape (N,)
            Last close, unadjusted.
        value : ndarray, shape (N,)
            Market value, any unit.
        listed : ndarray of bool, shape (N,)
        age : ndarray of int, shape (N,)
            Sessions since listing.

        Returns
        -------
        ndarray, shape (len(NAMES), N)
        """
        turnover, size = np.log(self.turnover), score(np.log(value), listed)
        month = score(np.clip(self._past(t, 0, REVERSES, age), -0.4, 0.4), listed)
        quarter = score(np.clip(self._past(t, 0, LONG, age), -0.6, 0.6), listed)
        far = score(np.clip(self._past(t, LONG, FAR, age), -0.4, 0.4), listed)
        cheap = -score(np.log(price), listed) if t < self.decoy_ends else np.zeros(len(price))
        usual = np.stack(
            [
                PREMIA["size"] * size,
                PREMIA["reversal"] * month,
                PREMIA["volatility"] * score(np.log(self.square), listed),
                PREMIA["value"] * score(self.dearness(t), listed),
                PLANTED["linear"] * -score(turnover, listed),
                PLANTED["interaction"] * score(size * quarter, listed),
                PLANTED["memory"] * far,
                PLANTED["decoy"] * cheap,
            ]
        )
        return np.asarray(self.strengths[:, None] * usual)

    def learn(self, t: int, price: np.ndarray, returns: np.ndarray, turnover: np.ndarray, on: np.ndarray) -> None:
        """Take in the close of session ``t``: adjusted prices, returns and turnover where a stock traded (``on``)."""
        self.prices[t % (FAR + 1)] = price
        self.anchor += (np.log(price) - self.anchor) / ANCHORED
        self.turnover += np.where(on, (turnover - self.turnover) / LOOKBACK, 0.0)
        self.square += np.where(on, (returns**2 - self.square) / LOOKBACK, 0.0)

    def dearness(self, t: int) -> np.ndarray:
        """Log of the adjusted price over its own slow mean, at the close before session ``t``, (N,)."""
        return np.asarray(np.log(self.prices[(t - 1) % (FAR + 1)]) - self.anchor)

    def _past(self, t: int, near: int, far: int, age: np.ndarray) -> np.ndarray:
        """Return between ``far`` and ``near`` sessions before the last close."""
        ring = FAR + 1
        now, then = self.prices[(t - 1 - near) % ring], self.prices[(t - 1 - far) % ring]
        return np.where(age > far, now / then - 1.0, 0.0)


def strengths(alphas: str) -> np.ndarray:
    """Multiples of the usual strengths, (len(NAMES),), from ``value*3+memory``: those not named are 0; empty: all 1.

    Raises
    ------
    ConfigError
        If a name is unknown or stands twice, or a multiple is no positive number.
    """
    if not alphas:
        return np.ones(len(NAMES))
    found: dict[str, float] = {}
    for part in alphas.split("+"):
        name, times, multiple = (piece.strip() for piece in part.partition("*"))
        if name not in NAMES:
            raise ConfigError(f"'{name}' in alphas='{alphas}' is no alpha of the market; {nearest(name, NAMES)}")
        if name in found:
            raise ConfigError(f"'{name}' stands twice in alphas='{alphas}'; give it once")
        try:
            found[name] = float(multiple) if times else 1.0
        except ValueError:
            found[name] = math.nan
        if not 0.0 < found[name] < math.inf:
            raise ConfigError(f"'{multiple}' in alphas='{alphas}' is no multiple; write such as {name}*2.5")
    return np.array([found.get(name, 0.0) for name in NAMES])


def score(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Cross-sectional z-score within ``among``, cut at :data:`CUT`; zero elsewhere."""
    number = max(int(among.sum()), 1)
    centred = np.where(among, values - np.where(among, values, 0.0).sum() / number, 0.0)
    spread = np.sqrt((centred * centred).sum() / number)
    return np.asarray(np.clip(centred / max(spread, 1e-12), -CUT, CUT))


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """What nobody in the market knows.

    Attributes
    ----------
    sessions : ndarray of datetime64[D], shape (T,)
    symbols : list of str
    expected : dict of ndarray, shape (T, N)
        By name of :data:`NAMES`: at row t the return of session t + 1 that is expected at the close of t;
        NaN where the stock is not listed, and in the last row, whose next session is not drawn.
    """

    sessions: np.ndarray
    symbols: list[str]
    expected: dict[str, np.ndarray]


def oracle(config: SyntheticConfig) -> Oracle:
    """Draw the market of ``config`` again and keep what its tables do not hold.

    For tests of models: the Rank IC of ``expected[name]`` is the best that a model of that alpha can reach.
    """
    from feeds.synthetic_feed import draw_market

    kept: list[np.ndarray] = []
    drawn = draw_market(config, record=kept.append)
    length, count = len(drawn.sessions), len(drawn.people.symbols)
    t = np.arange(1, length + 1)[:, None]
    listed = (t >= drawn.people.list_pos) & (t <= drawn.people.last_pos) & (t < length)
    expected = {}
    for k, name in enumerate(NAMES):
        values = np.full((length, count), np.nan)
        values[:-1] = [row[k] for row in kept[1:]]
        expected[name] = np.where(listed, values, np.nan)
    return Oracle(sessions=drawn.sessions, symbols=drawn.people.symbols.tolist(), expected=expected)
