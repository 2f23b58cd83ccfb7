"""What Backtrader's users read off a broker: positions that stay live, and the fees of a stock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import backtrader as bt

from engine.errors import RuleError

if TYPE_CHECKING:
    from engine.account import Account
    from engine.broker import AShareBroker


class AShareComm(bt.CommInfoBase):  # type: ignore[misc]
    """Backtrader's view of our fees; sizes are whole shares, fees live in :mod:`engine.fees`."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_PERC), ("percabs", True))
    broker: Any = None
    stock = -1

    def of(self, broker: AShareBroker, stock: int) -> AShareComm:
        """The same for one stock of a broker's market."""
        twin = AShareComm()
        twin.broker, twin.stock = broker, stock
        return twin

    def getsize(self, price: float, cash: float) -> int:
        """Whole shares that ``cash`` yuan buy; one lot of a stock without a price, so that its order is refused."""
        return int(cash // price) if price > 0 else 100

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        """All fees of a fill today, yuan."""
        if self.stock < 0:
            raise RuleError("fees depend on the stock and the date: getcommissioninfo(market['600519.SH'])")
        account, market = self.broker.account, self.broker.market
        day_fees = self.broker.fees.on(market.sessions[market.running.t])
        value = account.fen(abs(size) * price)
        return sum(day_fees.charge(market.exchanges[self.stock], size > 0, value, abs(int(size)))) / 100.0  # type: ignore[no-any-return]


class LivePosition(bt.Position):  # type: ignore[misc]
    """A stock's position as it is whenever it is looked at: Backtrader's users keep the object."""

    def __init__(self, account: Account, i: int) -> None:
        self._account, self._i = account, i
        self.price_orig, self.adjbase, self.updt, self.datetime = 0.0, None, None, None
        self.upopened = self.upclosed = 0

    @property
    def size(self) -> int:
        """Shares."""
        return self._account.holdings.get(self._i, 0)

    @property
    def price(self) -> float:
        """Average price paid a share, yuan."""
        return self._account.costs.get(self._i, 0.0)

    def clone(self) -> bt.Position:
        """As it is now."""
        return bt.Position(self.size, self.price)

    def _only_read(self, *_: Any, **__: Any) -> None:
        raise RuleError("a position changes by orders only: buy, sell or close the stock")

    fix = set = update = _only_read


class Positions(Mapping[Any, bt.Position]):
    """``broker.positions``: what is held, by stock handle."""

    def __init__(self, broker: AShareBroker) -> None:
        self._broker = broker

    def __getitem__(self, data: Any) -> bt.Position:
        return self._broker.getposition(data)

    def __iter__(self) -> Iterator[Any]:
        market = self._broker.market
        return (market.handle(i) for i in self._broker.held)

    def __len__(self) -> int:
        return len(self._broker.held)
