"""What every strategy plug-in must keep: run over ours in the tests, over a user's by ``scripts/audit.py``.

    for check in audit(MyStrategy, {"hold": 20}):
        print(check.status, check.name, check.text)

``python -m strategies.contract request.json`` answers the suite from a process of its own.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import plugins
from engine.config import PluginConfig
from engine.market import Market
from engine.plugin_files import spec_of
from engine.simulation import Simulation, simulate
from signals.contract import elsewhere
from signals.contract.checks import Broken, Check, NotHere, answers
from signals.contract.market import Source, noisy_after, same, with_gaps

if TYPE_CHECKING:
    import pandas as pd

FUTURES = 6
"""Sessions with orders after which the future is noise, one at a time."""
SUBMITTED = ["order_id", "date", "symbol", "side", "type", "limit_price"]
"""What of an order is known when it is sent; a basket's shares are cut where it fills."""

Tables = dict[str, "pd.DataFrame"]


def audit(
    strategy: type,
    params: Mapping[str, Any] | None = None,
    *,
    signal: PluginConfig | None = None,
    source: Source | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Check]:
    """Hold a strategy against the contract.

    Parameters
    ----------
    strategy : type
        A Backtrader strategy.
    params : mapping, optional
        Its parameters.
    signal : PluginConfig, optional
        Whose scores it gets, if it takes any: ``reversal-20d`` by default.
    source : Source, optional
        The market to do it on; a small synthetic one by default.
    options : mapping, optional
        Of the run: ``rebalance``, ``anchor``, ``cash``, ``fill`` (:func:`engine.simulation.simulate`).

    Returns
    -------
    list of Check
        In a fixed order.
    """
    return _Audit(strategy, params or {}, signal or PluginConfig(name="reversal-20d"), source, options or {}).run()


class _Audit:
    def __init__(
        self,
        strategy: type,
        params: Mapping[str, Any],
        signal: PluginConfig,
        source: Source | None,
        options: Mapping[str, Any],
    ) -> None:
        self.strategy, self.params, self.signal = strategy, dict(params), signal
        self.source, self.options = source or Source(), dict(options)
        self.market = same(self.source.open())

    def run(self) -> list[Check]:
        checks = [
            ("a run sends orders", self.sends_orders),
            ("weights are finite, none is negative, and they sum to at most 1", self.weights),
            ("the same run twice gives the same orders, fills and values", self.twice),
            ("another process, which orders sets and hashes otherwise, gives them too", self.other_process),
            ("missing stocks and missing values are survived", self.gaps),
            ("noise after t leaves all orders and weights up to t as they are", self.noise),
        ]
        return list(answers(self.strategy.__name__, checks))

    def simulated(self, market: Market, end: np.datetime64 | None = None) -> Simulation:
        """A run of its own, up to ``end``: nothing of an earlier one is left in strategy or signal."""
        takes_signal = "signal" in getattr(self.strategy, "params")._getkeys()  # noqa: B009 - a metaclass puts it there
        signal = plugins.build("signal", self.signal) if takes_signal and self.signal.name else None
        return simulate(market, self.strategy, self.params, signal=signal, end=end, **self.options)

    @functools.cached_property
    def truth(self) -> Tables:
        """Tables of the run on the true market."""
        return _tables(self.simulated(self.market))

    # -- the checks -----------------------------------------------------------------------------

    def sends_orders(self) -> str:
        orders = self.truth["orders"]
        if orders.empty:
            raise Broken(f"no order is sent from {self.market.sessions[0]} to {self.market.sessions[-1]}")
        return f"{len(orders):,} orders on {orders['date'].nunique():,} sessions"

    def weights(self) -> str:
        """The engine refuses such weights (:meth:`strategies.base.RebalanceStrategy.check_weights`); shown here."""
        totals = self.truth["targets"].groupby("date")["weight"].sum()
        if totals.empty:
            raise NotHere("it orders shares and no weights")
        return f"sums from {totals.min():.4g} to {totals.max():.4g} in {len(totals):,} decisions"

    def twice(self) -> str:
        different = _first_difference(self.truth, _tables(self.simulated(self.market)))
        if different:
            raise Broken(f"a second run differs: {different}; seed what is random, keep nothing in the class or module")
        return ""

    def other_process(self) -> str:
        spec = spec_of(self.strategy)
        if spec is None:
            raise NotHere("a class of a file is needed for another process")
        asked = {
            "strategy": spec, "params": self.params, "signal": [self.signal.name, dict(self.signal.params)],
            "source": asdict(self.source), "options": self.options,
        }  # fmt: skip
        complaint = "another process cannot run it"
        theirs = elsewhere.answer("strategies.contract", asked, complaint, PYTHONHASHSEED="20070413")
        for name, digest in _digests(self.truth).items():
            if theirs[name] != digest:
                raise Broken(f"another process has other {name}; go through symbols in a fixed order, as sorted(...)")
        return ""

    def gaps(self) -> str:
        orders = _tables(self.simulated(with_gaps(self.market)))["orders"]
        return f"{len(orders):,} orders with 5 % of the bars missing"

    def noise(self) -> str:
        sent = np.unique(self.truth["orders"]["date"].to_numpy())
        days = [self.market.position_of(day) for day in sent]
        days = [t for t in days if t + 1 < len(self.market.sessions)]
        if not days:
            raise NotHere("it sends no order before the last session")
        chosen = sorted({days[k] for k in np.linspace(0, len(days) - 1, FUTURES).round().astype(int).tolist()})
        for t in chosen:
            day = self.market.sessions[t]
            noisy = _tables(self.simulated(noisy_after(self.market, t), day))
            different = _first_difference(*(_known(tables, day) for tables in (self.truth, noisy)))
            if different:
                raise Broken(
                    f"with all after {day} replaced by noise, {different}; read the market through "
                    "the view (or a stock's handle), never past its end"
                )
        return f"after each of {len(chosen)} sessions"


# -- tables of a run --------------------------------------------------------------------------------


def _tables(done: Simulation) -> Tables:
    ledger, broker = done.broker.ledger, done.broker
    return {
        "targets": broker.baskets.targets_frame(),
        "orders": ledger.orders_frame(broker.orders),
        "fills": ledger.fills_frame(),
        "values": ledger.equity_frame(),
    }


def _known(tables: Tables, day: np.datetime64) -> Tables:
    """What was decided, filled and worth up to a day."""
    until = day.astype("datetime64[ms]")
    cut = {name: table[table["date"] <= until] for name, table in tables.items()}
    return cut | {"orders": cut["orders"][SUBMITTED], "values": cut["values"][["date", "value", "cash"]]}


def _first_difference(one: Tables, two: Tables) -> str:
    """The first row that two runs do not share, in words; empty if there is none."""
    for name, table in one.items():
        other = two[name]
        if table.equals(other):
            continue
        rows = min(len(table), len(other))
        same_rows = np.ones(rows, dtype=bool)
        for column in table.columns:
            mine, theirs = table[column].to_numpy()[:rows], other[column].to_numpy()[:rows]
            same_rows &= (mine == theirs) | ((mine != mine) & (theirs != theirs))
        k = rows if same_rows.all() else int(np.argmin(same_rows))
        row = (table if k < len(table) else other).iloc[k]
        where = f" of {row['symbol']}" if "symbol" in row else ""
        return f"the {name}{where} on {row['date']:%Y-%m-%d} are not the same"
    return ""


def _digests(tables: Tables) -> dict[str, str]:
    """A hash of each table to the last bit."""
    found = {}
    for name, table in tables.items():
        total = hashlib.sha256()
        for column in table.columns:
            values = table[column].to_numpy()
            total.update("\0".join(map(str, values)).encode() if values.dtype == object else values.tobytes())
        found[name] = total.hexdigest()
    return found


def main(request: Path) -> None:
    """Answer a request: strategy, parameters, signal, source of the market, options."""
    asked = json.loads(request.read_text(encoding="utf-8"))
    name, params = asked["signal"]
    one = _Audit(
        plugins.resolve("strategy", asked["strategy"]), asked["params"], PluginConfig(name=name, params=params),
        Source(**asked["source"]), asked["options"],
    )  # fmt: skip
    print(json.dumps(_digests(one.truth)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
