"""A strategy that sends random orders of every kind, and the random rules, fees and slippage of a run."""

from __future__ import annotations

import datetime as dt
import random
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import backtrader as bt
import numpy as np
from random_markets import World

from engine import entitlements
from engine.fees import FeeSchedule, PaperTwoFees, ZeroFees
from engine.rules import Rules
from engine.simulation import Simulation, simulate
from engine.slippage import BasisPoints, FixedSlippage, NoSlippage, Ticks, VolumeShare
from engine.successors import read_successors

KINDS = bt.Order


class Chaos(bt.Strategy):
    """Random baskets, orders of every kind, cancels, deposits and withdrawals, in ``next`` or before the close.

    What it does depends on what it is shown and on its seed alone.
    """

    params = (("seed", 0), ("before_close", False))

    def start(self) -> None:
        self.rng = random.Random(self.p.seed)

    def next(self) -> None:
        if not self.p.before_close:
            self.act()

    def next_open(self) -> None:
        if self.p.before_close:
            self.act()

    def act(self) -> None:
        rng, broker = self.rng, self.broker
        self.known = broker.market.running.known
        if self.known < 0:
            return
        if rng.random() < 0.12:
            names = rng.sample(broker.market.symbols, rng.randrange(0, 5))
            parts = [rng.random() for _ in names] + [rng.random() * 0.3]
            weights = {name: round(part / sum(parts), 4) * 0.999 for name, part in zip(names, parts, strict=False)}
            broker.target_weights(weights, owner=self)
        for _ in range(rng.randrange(0, 4)):
            self.one()
        if rng.random() < 0.04:
            broker.add_cash(round(10 ** rng.uniform(2, 5), 2))
        elif rng.random() < 0.04:
            broker.add_cash(-round(broker.get_withdrawable() * rng.uniform(0, 0.6) - 0.005, 2))
        if rng.random() < 0.3:
            waiting = broker.get_orders_open()
            if waiting:
                self.cancel(rng.choice(waiting))

    def price(self, i: int) -> float:
        """Last close known, or 10 yuan before the first."""
        close = float(self.broker.market.mark[self.known, i])
        return close if close == close else 10.0

    def near(self, price: float, low: float, high: float) -> float:
        return max(0.01, round(price * self.rng.uniform(low, high), 2))

    def size(self, price: float) -> float:
        """A lot or so, an odd number, what the cash pays for, or more than one order may have."""
        rng, affordable = self.rng, self.broker.getcash() / price
        k = rng.random()
        if k < 0.35:
            return 100 * rng.randrange(1, 10)
        if k < 0.5:
            return rng.randrange(1, 900)
        if k < 0.52:
            return rng.random()
        if k < 0.93:
            return max(1, int(affordable * rng.uniform(0.05, 0.7)))
        return max(1, int(affordable * rng.uniform(0.9, 3.0)))

    def until(self) -> dict[str, Any]:
        rng = self.rng
        k = rng.random()
        if k < 0.6:
            return {}
        valid = (bt.Order.DAY, dt.timedelta(hours=3), dt.timedelta(days=rng.randrange(1, 9)), rng.randrange(1, 9))
        return {"valid": valid[rng.randrange(4)]}

    def one(self) -> None:
        """One random wish about one random stock, more often than not one that is held."""
        rng, market = self.rng, self.broker.market
        held = self.broker.held
        i = rng.choice(held) if held and rng.random() < 0.45 else rng.randrange(len(market.symbols))
        data, price = market.handle(i), self.price(i)
        more = self.until()
        if rng.random() < 0.1:
            more["tradeid"] = 1
        have = self.broker.getposition(data).size
        k = rng.random()
        if k < 0.42:
            self.buy(data=data, size=self.size(price), **self.kind(price, True), **more)
        elif k < 0.5:  # both ways on one session
            size = self.size(price)
            self.buy(data=data, size=size)
            self.sell(data=data, size=size + have, **more)
        elif k < 0.57:
            self.bracket(data, price, have)
        elif k < 0.62:
            first = self.buy(data=data, size=self.size(price), exectype=KINDS.Limit, price=self.near(price, 0.94, 1.0))
            self.buy(data=data, size=self.size(price), exectype=KINDS.Stop, price=self.near(price, 1, 1.06), oco=first)
        elif k < 0.67:
            self.close(data)
        elif have or k < 0.7:
            wishes = (have, have, have // 2, rng.randrange(1, 300), have + rng.randrange(1, 200), have % 100, have - 50)
            self.sell(data=data, size=max(1, wishes[rng.randrange(7)]), **self.kind(price, False), **more)

    def kind(self, price: float, is_buy: bool) -> dict[str, Any]:
        """What kind of order, with prices that are sometimes reached."""
        rng = self.rng
        k, sign = rng.random(), 1 if is_buy else -1
        if k < 0.5:
            return {}
        if k < 0.68:
            return {"exectype": KINDS.Limit, "price": self.near(price, 0.93, 1.1)}
        trigger = self.near(price, 1 - 0.01 * sign, 1 + 0.05 * sign)
        if k < 0.76:
            return {"exectype": KINDS.Stop, "price": trigger}
        if k < 0.84:
            return {"exectype": KINDS.StopLimit, "price": trigger, "plimit": self.near(trigger, 0.97, 1.03)}
        if k < 0.89:
            return {"exectype": KINDS.StopTrail, "trailpercent": 0.02}
        if k < 0.95:
            amount = round(price * 0.02, 2) + 0.01
            return {"exectype": KINDS.StopTrailLimit, "price": price, "plimit": price + 0.05, "trailamount": amount}
        return {"exectype": KINDS.Close}

    def bracket(self, data: Any, price: float, have: int) -> None:
        rng = self.rng
        if rng.random() < 0.25 and not have:  # nothing to sell: its children never come about
            self.sell_bracket(data=data, size=100, price=price, stopprice=price * 1.1, limitprice=price * 0.9)
            return
        kind = rng.choice((KINDS.Limit, KINDS.Market))
        self.buy_bracket(
            data=data, size=100 * rng.randrange(1, 8), exectype=kind, price=self.near(price, 0.97, 1.04),
            stopprice=self.near(price, 0.9, 0.99), limitprice=self.near(price, 1.01, 1.1),
        )  # fmt: skip


def random_options(seed: int) -> dict[str, Any]:
    """Options of :func:`engine.simulation.simulate`, each value of each rule now and then."""
    rng = random.Random(seed + 1)
    choose = rng.choice
    rules = Rules(
        holder=choose(("individual", "individual", "fund", "none")),
        rights=choose(("sell", "take_up", "lapse")),
        delisting=choose(("successor", "successor", "last", "zero")),
        limit_fills=choose(("moment", "moment", "touched", "locked")),
        short_cash=choose(("cut", "cut", "refuse")),
        size_at=choose(("decision", "fill")),
        unfilled=choose(("carry", "drop")),
        sells_first=rng.random() < 0.6,
        t_plus_one=rng.random() < 0.95,
        lots=rng.random() < 0.95,
        price_limits=rng.random() < 0.95,
        corporate_actions=rng.random() < 0.97,
        check_submitted=rng.random() < 0.05,
    )
    fees = choose((
        FeeSchedule(), FeeSchedule(), FeeSchedule(minimum=200.0), FeeSchedule(on_top=True), PaperTwoFees(), ZeroFees()
    ))  # fmt: skip
    slippage = choose((
        NoSlippage(), NoSlippage(), VolumeShare(cap=0.1, impact=0.3), VolumeShare(cap=0.02), VolumeShare(cap=0.5),
        BasisPoints(bps=13), Ticks(ticks=2), FixedSlippage(yuan=0.017),
    ))  # fmt: skip
    return {
        "cash": round(10 ** choose((rng.uniform(3.7, 6), rng.uniform(6, 9))), 2),
        "rules": rules,
        "fees": fees,
        "slippage": slippage,
        "fill": choose(("next_open", "next_open", "next_close", "same_close")),
        "cash_rate": choose((0.0, 0.0, 0.015, 0.2)),
    }


def random_successors(world: World, seed: int) -> dict[str, Any]:
    """A table of what becomes of the world's stocks that leave: shares of others, cash, or unknown."""
    rng, market = random.Random(seed + 2), world.market
    rows = ["kind,old,new,from,to,ratio,cash,source,confidence"]
    for i in np.flatnonzero(market.delisted).tolist():
        gone = int(market.last_session[i])
        staying = [j for j in range(len(market.symbols)) if j != i and market.last_session[j] > gone + 3]
        first = market.sessions[min(gone + 1 + rng.randrange(4), len(market.sessions) - 1)]
        k = rng.random()
        if k < 0.6 and staying:
            ratio, cash = rng.choice(("0.56", "2", "1/3.04", "1.25")), rng.choice(("", "", "0.31"))
            new = market.symbols[rng.choice(staying)] if rng.random() < 0.9 else "603999.SH"
            rows.append(f"merger,{market.symbols[i]},{new},{first},,{ratio},{cash},test,H")
        elif k < 0.8:
            rows.append(f"cash,{market.symbols[i]},,{first},,,3.46,test,H")
        elif k < 0.9:
            rows.append(f"unknown,{market.symbols[i]},,,,,,test,H")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "successors.csv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return read_successors(path)


def random_run(
    world: World, seed: int, table: dict[str, Any], strategy: type[bt.Strategy] = Chaos
) -> tuple[Simulation, dict[str, Any]]:
    """Play a random stream of orders over ``world`` with ``table`` for the successors."""
    options = random_options(seed)
    params = {"seed": seed, "before_close": options["fill"] == "same_close"}
    with mock.patch.object(entitlements, "successors", lambda: table):
        return simulate(world.market, strategy, params, **options), options
