"""An account worked out anew from a run's tables, in whole fen, with rules of its own: nothing of the engine's counts.

:func:`replay` raises AssertionError at the first figure that does not agree, and returns what it met.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
from random_markets import World
from replay_tax import Purchase, half_up, rescaled, sell, tax_rates

from engine.order_book import Order
from engine.simulation import Simulation
from engine.slippage import NoSlippage

_CHINEXT_NEW = date(2020, 8, 24)


def lot(symbol: str, day: date) -> tuple[int, int, int]:
    """Least shares of an order, its step, and the most shares."""
    if symbol[:3] in ("688", "689"):
        return 200, 1, 100_000
    if symbol.endswith("BJ"):
        return 100, 1, 1_000_000
    return 100, 100, 300_000 if symbol[:2] == "30" and day >= _CHINEXT_NEW else 1_000_000


def is_legal(shares: int, held: int | None, minimum: int, step: int) -> bool:
    """Whether an order of ``shares`` is legal; a sale out of ``held`` may be of all, or take the whole odd rest."""
    if shares >= minimum and (shares - minimum) % step == 0:
        return True
    if held is None:
        return False
    odd = held % step
    return shares == held or (odd > 0 and shares >= odd and (shares - odd) % step == 0)


def rows(frame: Any, day_of: dict[Any, int]) -> list[dict[str, Any]]:
    """A table as dictionaries, its date as session ``t``."""
    columns = {name: frame[name].tolist() for name in frame.columns if name != "date"}
    columns["t"] = [day_of[stamp] for stamp in frame["date"].to_numpy().astype("datetime64[D]").tolist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def fen(yuan: float) -> int:
    return round(yuan * 100)


class Replay:
    """The account's state, session by session."""

    def __init__(self, done: Simulation, world: World, options: dict[str, Any]) -> None:
        self.done, self.market, self.options, self.rules = done, done.market, options, options["rules"]
        market, ledger = self.market, done.broker.ledger
        self.days: list[date] = market.sessions.tolist()
        day_of = {day: t for t, day in enumerate(self.days)}
        self.equity = rows(ledger.equity_frame(), day_of)
        tables = {
            "fills": ledger.fills_frame(), "corporate": ledger.corporate_frame(),
            "positions": ledger.positions_frame(), "refusals": ledger.refusals_frame(),
        }  # fmt: skip
        self.tables = {name: rows(frame, day_of) for name, frame in tables.items()}
        self.by_day: dict[str, dict[int, list[dict[str, Any]]]] = {name: defaultdict(list) for name in tables}
        for name, found in self.tables.items():
            for row in found:
                self.by_day[name][row["t"]].append(row)
        events = world.events if self.rules.corporate_actions else []
        self.events = {(event["t"], event["i"]): event for event in events}
        self.marks = np.rint(np.nan_to_num(market.mark) * 100).astype(np.int64).tolist()
        self.cash = self.start = fen(options["cash"])
        self.shares: dict[int, int] = {}
        self.purchases: dict[int, list[Purchase]] = defaultdict(list)
        self.locked: list[tuple[int, int, int]] = []
        self.rights: dict[tuple[int, int], tuple[int, int]] = {}
        self.to_come: dict[tuple[int, int], tuple[int, int]] = {}
        self.owed: Counter[int] = Counter()
        self.sums: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.traded: dict[int, int] = Counter()

    def run(self) -> Counter[str]:
        assert [row["t"] for row in self.equity] == list(range(len(self.days)))
        before: list[int] = self.marks[0]
        for row in self.equity:
            t = row["t"]
            self.day, self.now, self.bought, self.due = self.days[t], t, Counter(), Counter()
            self.locked = [one for one in self.locked if one[2] > t]
            for i, shares in self.shares.items():
                self.sums["gains"] += shares * (self.marks[t][i] - before[i])
            before = self.marks[t]
            for name in ("interest", "deposit"):
                self.sums[name] += fen(row[name])
                self.cash += fen(row[name])
            self.owed_before, self.came_in = self.owed.copy(), 0
            taxed = self.actions(t)
            opening = self.cash
            self.trade(t)
            self.collect(opening, taxed)
            self.record(t)
            self.balance(row, opening, sum(taxed.values()))
        self.orders()
        return self.counts

    # -- before trading -----------------------------------------------------------------------------

    def actions(self, t: int) -> Counter[int]:
        """Apply the session's corporate rows but the tax of sales, which is returned by stock."""
        taxed: Counter[int] = Counter()
        leaving: tuple[int, int, list[Purchase]] | None = None
        for row in self.by_day["corporate"][t]:
            i, kind, shares = self.market.index[row["symbol"]], row["kind"], row["shares"]
            cash, tax = fen(row["cash"]), fen(row["tax"])
            self.counts[kind] += 1
            if kind == "DIVIDEND_TAX":
                assert shares == cash == 0 <= tax
                taxed[i] += tax
                continue
            self.cash += cash - tax
            self.came_in += max(0, cash - tax)
            self.sums["taxes"] += tax
            held = self.shares.get(i, 0)
            self.sums["gains"] += shares * self.marks[t][i]
            if kind == "DIVIDEND":
                self.pay(i, t, cash, tax)
                continue
            self.sums["gains"] += cash
            if kind == "UNRESOLVED":
                self.purchases[i] = rescaled(self.purchases[i], held, held + shares)
            elif kind == "DELISTED":
                assert shares == -held < 0, "all shares leave"
                self.counts["delistings while holding"] += 1
                due = sell(self.purchases[i], held, self.day) if self.is_paid_out(row) else 0
                leaving = (i, held, self.purchases.pop(i, []))
                self.owed[i] += due - tax
            elif kind == "SUCCESSOR":
                assert leaving is not None
                there = self.purchases[i]
                self.purchases[i] = sorted(rescaled(leaving[2], leaving[1], shares) + there, key=lambda one: one.day)
            elif shares:
                self.new_shares(i, t, kind, shares)
            self.shares[i] = held + shares
            assert self.shares[i] >= 0
            if not self.shares[i]:
                del self.shares[i]
        return taxed

    def is_paid_out(self, row: dict[str, Any]) -> bool:
        """Whether a delisting is settled in cash: no successor's row stands behind it."""
        found = self.by_day["corporate"][row["t"]]
        k = next(k for k, other in enumerate(found) if other is row)
        return k + 1 == len(found) or found[k + 1]["kind"] != "SUCCESSOR"

    def new_shares(self, i: int, t: int, kind: str, shares: int) -> None:
        event = self.events[t, i]
        ratio = event["bonus"] + event["transfer"]
        entitled = self.rights[t, i][0] if ratio >= 0 else self.shares.get(i, 0)  # swapped is what is held now
        if kind == "BONUS":
            assert shares == entitled * ratio // 10_000, "whole shares"
            if not self.market.traded[t, i]:
                self.counts["bonus on a suspended day"] += 1
        else:
            assert 0 < shares <= entitled * event["rights"] // 10_000
        if shares < 0:  # a consolidation
            self.purchases[i] = rescaled(self.purchases[i], self.shares[i], self.shares[i] + shares)
            return
        self.purchases[i].append(Purchase(self.day, shares))
        if event["list_t"] > t:
            self.locked.append((i, shares, event["list_t"]))

    def pay(self, i: int, t: int, cash: int, tax: int) -> None:
        """A dividend: what was expected since its record date, or is now."""
        ex = next(
            e for e in self.events.values()
            if e["i"] == i and e["pay_t"] == t and e["cash"] and self.rights.get((e["t"], i), (0,))[0]
            and e["kind"] != "unresolved" and not self.rights_paid(e)
        )  # fmt: skip
        shares, kept = self.rights[ex["t"], i]
        expected = half_up(shares * ex["cash"], 100)
        assert (cash, tax) == (expected, min(kept, expected)), "the dividend of the shares held at the record date"
        ex["paid"] = self.done
        self.sums["dividends"] += cash if ex["t"] == t else 0
        if ex["t"] < t:
            assert self.to_come.pop((ex["t"], i)) == (cash, tax)
            self.sums["taxes"] -= tax  # counted on the ex-date

    def rights_paid(self, event: dict[str, Any]) -> bool:
        return event.get("paid") is self.done

    def record(self, t: int) -> None:
        """After the close: who holds has the right of the actions recorded now; ex-dates of today are expected."""
        for (ex, i), event in self.events.items():
            if event["record_t"] == t:
                held = self.shares.get(i, 0)
                base = (event["cash"] + event["bonus"]) * 100
                kept, rates = tax_rates(self.rules.holder, self.day)
                taken = 0
                if held and base and event["kind"] != "unresolved":
                    self.sums["taxable"] += held * base
                    taken = sum(one.entitle(base, kept, rates) for one in self.purchases[i])
                self.rights[ex, i] = held, taken
                bought = min((one.day for one in self.purchases[i]), default=None) if held else None
                event["since"] = bought
            if ex == t:
                self.expect(event, i)

    def expect(self, event: dict[str, Any], i: int) -> None:
        shares, kept = self.rights[event["t"], i]
        if not shares or event["kind"] == "unresolved":
            return
        cash = half_up(shares * event["cash"], 100)
        if cash and event["since"].year < self.days[min(event["pay_t"], len(self.days) - 1)].year:
            self.counts["dividends across a year boundary"] += 1
        if cash and event["pay_t"] > event["t"]:
            self.to_come[event["t"], i] = cash, min(kept, cash)
            self.sums["dividends"] += cash
            self.sums["taxes"] += min(kept, cash)
        elif cash:
            assert self.rights_paid(event), "a dividend that was not paid"
        self.due[i] += kept - min(kept, cash)

    # -- trading ------------------------------------------------------------------------------------

    def sellable(self, i: int) -> int:
        held = self.shares.get(i, 0) - sum(shares for j, shares, _ in self.locked if j == i)
        fresh = self.bought[i] if self.rules.t_plus_one and i not in self.market.same_day else 0
        return max(0, held - fresh)

    def trade(self, t: int) -> None:
        for row in self.by_day["fills"][t]:
            i, shares = self.market.index[row["symbol"]], row["shares"]
            value = fen(row["price"] * shares)
            fees = [fen(row[name]) for name in ("commission", "stamp_duty", "transfer_fee", "other_fees")]
            self.counts["fills"] += 1
            self.check_price(t, i, row, value)
            assert shares > 0 and min(fees) >= 0
            held, minimum, step, largest = self.shares.get(i, 0), *lot(row["symbol"], self.day)
            is_buy = row["side"] == "buy"
            if self.rules.lots:
                assert shares <= largest, "more than one order may have"
                assert is_legal(shares, None if is_buy else held, minimum, step), "no legal order"
            for name, fee in zip(("commission", "stamp_duty", "transfer_fee", "other_fees"), fees, strict=True):
                self.sums[name] += fee
            if is_buy:
                assert fees[1] == 0, "buyers pay no stamp duty"
                self.cash -= value + sum(fees)
                self.sums["gains"] += shares * self.marks[t][i] - value
                self.purchases[i].append(Purchase(self.day, shares))
                self.bought[i] += shares
                self.shares[i] = held + shares
            else:
                assert shares <= self.sellable(i), "sold what cannot be sold today"
                if self.rules.lots and not is_legal(shares, None, minimum, step):
                    self.counts["odd-lot sales"] += 1
                self.cash += value - sum(fees)
                self.sums["gains"] += value - shares * self.marks[t][i]
                self.due[i] += sell(self.purchases[i], shares, self.day)
                self.shares[i] = held - shares
                if not self.shares[i]:
                    del self.shares[i]
            self.traded[row["order_id"]] += shares

    def check_price(self, t: int, i: int, row: dict[str, Any], value: int) -> None:
        market, shares = self.market, row["shares"]
        low, high = (fen(float(field[t, i])) for field in (market.low, market.high))
        up, down = int(market.limit_up[t, i]), int(market.limit_down[t, i])
        assert market.traded[t, i], "a fill without a trade"
        assert low * shares <= value <= high * shares, "outside the day's range"
        if isinstance(self.options["slippage"], NoSlippage):
            assert value % shares == 0, f"no whole fen a share: {row}"
        if not self.rules.price_limits:
            return
        assert down * shares <= value <= up * shares, "outside the price limits"
        policy, is_buy = self.rules.limit_fills, row["side"] == "buy"
        if policy == "moment":
            assert value < up * shares if is_buy else value > down * shares, "at the limit"
        elif policy == "touched":
            assert high < up if is_buy else low > down, "on a day that touched the limit"
        else:
            assert low < up if is_buy else high > down, "on a day locked at the limit"

    # -- after trading ------------------------------------------------------------------------------

    def collect(self, opening: int, taxed: Counter[int]) -> None:
        """The tax rows of the day are what sales owed, but for what the cash did not cover."""
        self._taxed, self._opening = taxed, opening
        self.cash -= sum(taxed.values())
        self.sums["taxes"] += sum(taxed.values())

    def settle_tax(self) -> None:
        new = sum(self.due.values()) + sum((self.owed - self.owed_before).values())
        for i in self.due.keys() | self._taxed.keys() | {i for i, owed in self.owed.items() if owed}:
            self.owed[i] += self.due[i] - self._taxed[i]
            assert self.owed[i] >= 0, "more tax than is due"
        total = sum(self.owed.values())
        self.counts["tax owed"] += total > 0
        # What was owed before is taken at the open; what a sale owes, out of the cash after it; what a delisting
        # owes, out of what it pays.
        before = sum(self.owed_before.values())
        may_be_owed = max(0, before - self._opening + self.came_in) + new
        assert total <= may_be_owed, "tax that the cash would have covered was not taken"

    def balance(self, row: dict[str, Any], opening: int, taxed: int) -> None:
        self.settle_tax()
        t, cash = self.now, fen(row["cash"])
        assert cash == self.cash >= 0, f"cash {cash}, replayed {self.cash}"
        withdrawable = fen(row["withdrawable"])
        assert min(cash, opening - taxed) <= withdrawable <= min(cash, opening), "the session's proceeds"
        table = {p["symbol"]: (p["shares"], p["sellable"]) for p in self.by_day["positions"][t]}
        mine = {self.market.symbols[i]: (shares, self.sellable(i)) for i, shares in self.shares.items()}
        assert table == mine, f"positions {table}, replayed {mine}"
        assert all(0 <= free <= held for held, free in table.values())
        for i, shares in self.shares.items():
            assert sum(one.shares for one in self.purchases[i]) == shares
        worth = sum(shares * self.marks[t][i] for i, shares in self.shares.items())
        receivable = sum(gross - tax for gross, tax in self.to_come.values())
        value = fen(row["value"])
        assert value == cash + worth + receivable
        sums = self.sums
        fees = sums["commission"] + sums["stamp_duty"] + sums["transfer_fee"] + sums["other_fees"]
        income = sums["gains"] + sums["dividends"] + sums["interest"] + sums["deposit"]
        assert value == self.start + income - fees - sums["taxes"], "money came from nowhere"

    # -- orders -------------------------------------------------------------------------------------

    def orders(self) -> None:
        """Every order is done, pending, cancelled or refused with a reason, and nothing of it is lost."""
        refusals: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in self.tables["refusals"]:
            refusals[row["order_id"]].append(row)
            self.counts[row["reason"]] += 1
            assert 0 <= row["done"] <= row["wanted"] and row["days"] >= 1, row
            assert row["outcome"] in ("cut", "dropped", "cancelled", "done", "changed", "pending"), row
            assert row["outcome"] != "done" or row["done"] == row["wanted"], row
        filled: dict[int, dict[int, int]] = defaultdict(Counter)
        values: Counter[int] = Counter()
        charged: Counter[int] = Counter()
        for row in self.tables["fills"]:
            filled[row["order_id"]][row["t"]] += row["shares"]
            values[row["order_id"]] += fen(row["price"] * row["shares"])
            charged[row["order_id"]] += fen(row["commission"])
        rate, least = (Fraction(str(getattr(self.options["fees"], name, 0))) for name in ("commission", "minimum"))
        for ref, value in values.items():
            expected = max(int(least * 100), half_up(value * rate, 1))
            assert charged[ref] == expected, "one commission and one minimum an order"
        for order in self.done.broker.orders:
            done, found = self.traded[order.ref], refusals[order.ref]
            assert abs(order.executed.size) == done and len(order.executed.exbits) == len(order.fills)
            assert done <= order.wanted and order.left >= 0
            pending = [row for row in found if row["outcome"] == "pending"]
            assert len(pending) <= (1 if order.alive() else 0), (order, found)
            whole = sum(filled[order.ref].values())
            so_far = 0
            for shares in filled[order.ref].values():
                so_far += shares
                self.counts["partial fills"] += so_far < whole or order.status != Order.Completed
            if order.alive():
                assert order.status in (Order.Created, Order.Submitted, Order.Accepted, Order.Partial)
                assert (order.status == Order.Partial) == (done > 0), order
            elif order.status in (Order.Expired, Order.Margin, Order.Rejected):
                assert order.reason and found, order
            else:
                assert order.status in (Order.Completed, Order.Canceled), order
            if order.status == Order.Completed:
                assert done and order.left == 0, order
            lost = sum(row["wanted"] - row["done"] for row in found if row["outcome"] in ("cut", "dropped"))
            over = order.status in (Order.Completed, Order.Expired, Order.Margin, Order.Rejected)
            if over and not self.resized(order):
                assert order.wanted - done == lost, (order, order.wanted, done, found)

    def resized(self, order: Any) -> bool:
        """Whether an ex-date may have changed what the order asks for."""
        first = order.moment.t
        return order.basket or any(i == order.i and first <= t for t, i in self.events)


def replay(done: Simulation, world: World, options: dict[str, Any]) -> Counter[str]:
    """Check a run against its own tables; returns how often what happened."""
    return Replay(done, world, options).run() + Counter(runs=1, orders=len(done.broker.orders))
