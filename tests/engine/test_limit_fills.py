"""The policies of ``limit_fills``: when a price limit keeps a daily bar from filling an order."""

from __future__ import annotations

import backtrader as bt
import numpy as np
import pytest

from engine.errors import ConfigError
from engine.market import Market
from engine.rules import Rules
from engine.simulation import simulate

A = "600000.SH"
UP, DOWN = 11.0, 9.0  # of a close of 10.00


def market_of(opened: float, high: float, low: float, close: float) -> Market:
    """A quiet day at 10.00, then the day in question, then a quiet one."""
    rows = {"open": [10.0, opened, close], "high": [10.0, high, close], "low": [10.0, low, close]}
    fields = {name: np.array(values).reshape(3, 1) for name, values in rows.items()}
    fields["close"] = np.array([[10.0], [close], [close]])
    fields["volume"] = np.full((3, 1), 1e6)
    sessions = np.array(["2019-03-04", "2019-03-05", "2019-03-06"], dtype="datetime64[D]")
    return Market.build(sessions, [A], fields, list_age=np.array([1000], dtype=np.int32))


def bought_at(policy: str, *bar: float, price: float | None = None) -> float | None:
    """At what price an order of 100 shares is filled on the day in question."""

    class Buyer(bt.Strategy):  # type: ignore[misc]
        def next(self) -> None:
            if len(self) == 1:
                kind = bt.Order.Market if price is None else bt.Order.Limit
                self.buy(data=self.broker.market[A], size=100, price=price, exectype=kind)

    done = simulate(market_of(*bar), Buyer, rules=Rules(limit_fills=policy))  # type: ignore[arg-type]
    fills = done.broker.ledger.fills_frame()
    on_the_day = fills[fills["date"] == np.datetime64("2019-03-05")]
    return None if on_the_day.empty else float(on_the_day["price"].iloc[0])


TOUCHED = (10.5, UP, 10.4, 10.8)
OPENED_AT_IT = (UP, UP, 10.8, 10.9)
LOCKED = (UP, UP, UP, UP)
FREE = (10.5, 10.99, 10.4, 10.8)


@pytest.mark.parametrize(
    ("policy", "bar", "price"),
    [
        ("moment", TOUCHED, 10.5), ("moment", OPENED_AT_IT, None), ("moment", LOCKED, None), ("moment", FREE, 10.5),
        ("touched", TOUCHED, None), ("touched", OPENED_AT_IT, None), ("touched", LOCKED, None),
        ("touched", FREE, 10.5),
        ("locked", TOUCHED, 10.5), ("locked", OPENED_AT_IT, UP), ("locked", LOCKED, None), ("locked", FREE, 10.5),
    ],
)  # fmt: skip
def test_each_policy_fills_a_purchase_near_the_upper_limit_as_it_says(
    policy: str, bar: tuple[float, ...], price: float | None
) -> None:
    assert bought_at(policy, *bar) == price


@pytest.mark.parametrize(("policy", "price"), [("moment", 10.99), ("touched", None), ("locked", UP)])
def test_a_limit_order_at_the_limit_fills_inside_it_not_at_all_or_at_it(policy: str, price: float | None) -> None:
    assert bought_at(policy, *OPENED_AT_IT, price=UP) == price


@pytest.mark.parametrize("policy", ["moment", "touched", "locked"])
def test_the_upper_limit_never_blocks_a_sale(policy: str) -> None:
    class Seller(bt.Strategy):  # type: ignore[misc]
        def next(self) -> None:
            stock = self.broker.market[A]
            if len(self) == 1:
                self.buy(data=stock, size=100)
            elif len(self) == 2:
                self.sell(data=stock, size=100)

    sessions = np.busday_offset(np.datetime64("2019-03-04"), np.arange(4)).astype("datetime64[D]")
    prices = np.array([[10.0], [10.0], [11.0], [11.0]])
    fields = {name: prices for name in ("open", "high", "low", "close")} | {"volume": np.full((4, 1), 1e6)}
    market = Market.build(sessions, [A], fields, list_age=np.array([1000], dtype=np.int32))
    done = simulate(market, Seller, rules=Rules(limit_fills=policy))  # type: ignore[arg-type]
    assert done.broker.ledger.fills_frame()["price"].tolist() == [10.0, 11.0]


def test_an_unknown_policy_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="limit_fills.*touched"):
        Rules(limit_fills="touch")  # type: ignore[arg-type]
