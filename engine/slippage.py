"""Slippage models: how much worse than the reference price a fill is, and how much a session can take.

A model answers two questions about one fill. ``max_shares`` is the participation cap, ``price`` the adverse
price per share before the broker clips it to the session's range and limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from engine.errors import ConfigError

TICK = 0.01
"""Smallest price step of a share, yuan."""


class Slippage(Protocol):
    """What the broker asks of a slippage model."""

    def max_shares(self, volume: float) -> int | None:
        """Largest number of shares one order may take out of a session's ``volume``; None: any."""

    def price(self, is_buy: bool, price: float, shares: int, volume: float) -> float:
        """Price in yuan at which ``shares`` trade when the reference is ``price``."""

    def describe(self) -> str:
        """One phrase for the report."""


def _check(name: str, value: float, what: str, below: float = math.inf) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 <= value < below):
        limit = "" if below == math.inf else f" and below {below:g}"
        raise ConfigError(f"slippage option '{name}' is {value!r}; it is {what}, not negative{limit}")


@dataclass(frozen=True, kw_only=True, slots=True)
class NoSlippage:
    """Fills at the reference price, in any size."""

    def max_shares(self, volume: float) -> int | None:
        return None

    def price(self, is_buy: bool, price: float, shares: int, volume: float) -> float:
        return price

    def describe(self) -> str:
        return "no slippage"


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedSlippage:
    """A fixed amount per share.

    Parameters
    ----------
    yuan : float
        Yuan a share.
    """

    yuan: float

    def __post_init__(self) -> None:
        _check("yuan", self.yuan, "an amount a share in yuan")

    def max_shares(self, volume: float) -> int | None:
        return None

    def price(self, is_buy: bool, price: float, shares: int, volume: float) -> float:
        return price + self.yuan if is_buy else price - self.yuan

    def describe(self) -> str:
        return f"{self.yuan:g} yuan a share"


@dataclass(frozen=True, kw_only=True, slots=True)
class BasisPoints:
    """A fixed part of the price.

    Parameters
    ----------
    bps : float
        Hundredths of a percent of the price.
    """

    bps: float

    def __post_init__(self) -> None:
        _check("bps", self.bps, "hundredths of a percent of the price", below=10_000)

    def max_shares(self, volume: float) -> int | None:
        return None

    def price(self, is_buy: bool, price: float, shares: int, volume: float) -> float:
        part = self.bps / 10_000.0
        return price * (1.0 + part) if is_buy else price * (1.0 - part)

    def describe(self) -> str:
        return f"{self.bps:g} basis points"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticks:
    """A number of price steps of 0.01 yuan.

    Parameters
    ----------
    ticks : int
    """

    ticks: int = 1

    def __post_init__(self) -> None:
        _check("ticks", self.ticks, "a number of price steps of 0.01 yuan")
        if self.ticks != int(self.ticks):
            raise ConfigError(f"slippage option 'ticks' is {self.ticks!r}; it is a whole number of price steps")

    def max_shares(self, volume: float) -> int | None:
        return None

    def price(self, is_buy: bool, price: float, shares: int, volume: float) -> float:
        return price + TICK * self.ticks if is_buy else price - TICK * self.ticks

    def describe(self) -> str:
        return "1 tick" if self.ticks == 1 else f"{self.ticks} ticks"


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeShare:
    """Impact that grows with the square of the order's share of the session's volume, and a cap on it.

    price = reference x (1 +- impact x (shares / volume)^2).

    Parameters
    ----------
    cap : float
        Largest fraction of the session's volume that one order may take, in (0, 1].
    impact : float
        Fraction of the price that an order as large as the whole volume would cost.
    """

    cap: float = 0.1
    impact: float = 0.1

    def __post_init__(self) -> None:
        _check("cap", self.cap, "a fraction of the session's volume")
        _check("impact", self.impact, "a fraction of the price", below=1)
        if not 0 < self.cap <= 1:
            raise ConfigError(
                f"slippage option 'cap' is {self.cap!r}; it is a fraction of the volume above 0, at most 1"
            )

    def max_shares(self, volume: float) -> int | None:
        if volume == math.inf:  # a feed without volumes
            return None
        # 0.29 x 100 is 28.999999999999996 in floats: the small addend keeps such products whole.
        return int(self.cap * volume + 1e-6) if volume > 0 else 0

    def price(self, is_buy: bool, price: float, shares: int, volume: float) -> float:
        if not volume > 0:
            return price
        share = shares / volume
        move = self.impact * share * share
        return price * (1.0 + move) if is_buy else price * (1.0 - move)

    def describe(self) -> str:
        return f"{self.impact:g} x (share of volume)^2, at most {self.cap * 100:g} % of a session's volume"
