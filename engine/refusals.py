"""An order, or part of one, that did not trade, and what missing it earned."""

from __future__ import annotations


class Refusal:
    """One order, or part of one, that did not trade for one reason.

    ``wanted`` and ``done`` are shares; ``done`` counts what traded after all on a later session.
    ``days`` is the number of sessions on which the reason held. ``outcome`` is ``cut`` (the order went
    on with less), ``dropped``, ``cancelled``, ``done`` (traded later), ``changed`` (another reason took over on
    a later session) or ``pending`` (at the end). ``price`` is that of the moment at which it should have traded, and
    ``earned`` what the missed part earned (or saved) the account until it was done or given up, yuan: negative
    where waiting was dear.
    """

    __slots__ = (
        "days", "done", "earned", "i", "is_buy", "order_id", "outcome", "price", "reason", "t", "wanted",
    )  # fmt: skip

    def __init__(
        self,
        t: int,
        order_id: int,
        i: int,
        is_buy: bool,
        wanted: int,
        done: int,
        reason: str,
        outcome: str,
        price: float,
    ) -> None:
        self.t, self.order_id, self.i, self.is_buy = t, order_id, i, is_buy
        self.wanted, self.done, self.reason, self.outcome, self.days = wanted, done, reason, outcome, 1
        self.price, self.earned = price, 0.0

    @property
    def missing(self) -> int:
        """Shares that still wait."""
        return self.wanted - self.done

    def worth(self, price: float) -> float:
        """Yuan that not having traded the missing shares has earned by the time they are at ``price``."""
        gain = (self.price - price) if self.is_buy else (price - self.price)
        return self.missing * gain if gain == gain else 0.0

    def trade(self, shares: int, price: float) -> None:
        """Part of what was missed trades after all."""
        part = min(shares, self.missing)
        if self.missing:
            self.earned += self.worth(price) * part / self.missing
        self.done += part

    def close(self, outcome: str, price: float) -> None:
        """What is missing is over at ``price``."""
        if self.outcome == "pending":
            self.earned += self.worth(price)
        self.outcome = outcome

    def rescale(self, factor: float) -> None:
        """Carry the price over an ex-date: ``factor`` is the adjustment factor's step on it."""
        if factor > 0:
            self.price /= factor
