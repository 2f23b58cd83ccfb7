"""Round trips from flat to flat that answer what Backtrader's trades answer."""

from __future__ import annotations

from typing import Any

import backtrader as bt
from backtrader.utils.date import num2date


class Trade:
    """A round trip from flat to flat (Backtrader's ``Trade``), amounts in yuan.

    Dividends received while it is open are part of ``pnl``; bonus shares change ``size`` and lower the
    average ``price``, so that ``pnlcomm`` of a closed trade equals the change of cash.
    """

    __slots__ = (
        "barclose", "barlen", "baropen", "commission", "data", "dtclose", "dtopen", "history", "historyon",
        "isclosed", "isopen", "justopened", "long", "owner", "pnl", "pnlcomm", "price", "ref", "size",
        "status", "tradeid", "value",
    )  # fmt: skip

    Created, Open, Closed = bt.Trade.Created, bt.Trade.Open, bt.Trade.Closed
    status_names = bt.Trade.status_names

    def __init__(self, ref: int, owner: Any, data: Any, tradeid: int) -> None:
        self.ref, self.owner, self.data, self.tradeid = ref, owner, data, tradeid
        self.size: float = 0
        self.price = self.value = self.commission = self.pnl = self.pnlcomm = 0.0
        self.justopened = self.isopen = self.isclosed = self.historyon = False
        self.baropen = self.barclose = self.barlen = 0
        self.dtopen = self.dtclose = 0.0
        self.history: list[Any] = []
        self.long = True
        self.status = bt.Trade.Created

    def __len__(self) -> int:
        return int(abs(self.size))

    def __bool__(self) -> bool:
        return self.size != 0

    def getdataname(self) -> str:
        """The symbol."""
        return self.data._name  # type: ignore[no-any-return]

    def open_datetime(self, tz: Any = None, naive: bool = True) -> Any:
        """When it was opened."""
        return num2date(self.dtopen, tz, naive)

    def close_datetime(self, tz: Any = None, naive: bool = True) -> Any:
        """When it was closed."""
        return num2date(self.dtclose, tz, naive)

    def update(self, size: float, price: float, commission: float, bar: int, dt: float) -> None:
        """Book one fill of ``size`` shares (negative: a sale) on the run's bar number ``bar``."""
        old = self.size
        self.commission += commission
        self.size = new = old + size
        self.justopened = not old
        if self.justopened:
            self.baropen, self.dtopen = bar, dt
        self.isopen = bool(new)
        self.barlen = bar - self.baropen
        self.isclosed = bool(old) and not new
        if self.isclosed:
            self.barclose, self.dtclose, self.status = bar, dt, bt.Trade.Closed
        else:
            self.status = bt.Trade.Open
        if abs(new) > abs(old):
            self.price = (old * self.price + size * price) / new
        else:
            self.pnl += -size * (price - self.price)
        self.pnlcomm = self.pnl - self.commission
        self.value = new * self.price

    def adjust(self, added: float, cash: float, bar: int, dt: float) -> None:
        """Book a corporate action: ``added`` shares at no cost and ``cash`` yuan of dividends."""
        self.pnl += cash
        if added:
            old, self.size = self.size, self.size + added
            if self.size:
                self.price = old * self.price / self.size
            else:  # not even one share is left: what was paid is lost
                self.pnl -= old * self.price
                self.isopen, self.isclosed, self.status = False, True, bt.Trade.Closed
                self.barclose, self.dtclose, self.barlen = bar, dt, bar - self.baropen
        self.pnlcomm = self.pnl - self.commission
        self.value = self.size * self.price

    def clone(self) -> Trade:
        """A snapshot for a notification."""
        twin = Trade.__new__(Trade)
        twin.ref, twin.data, twin.tradeid, twin.size, twin.price = (
            self.ref,
            self.data,
            self.tradeid,
            self.size,
            self.price,
        )
        twin.value, twin.commission, twin.pnl, twin.pnlcomm = (
            self.value,
            self.commission,
            self.pnl,
            self.pnlcomm,
        )
        twin.justopened, twin.isopen, twin.isclosed = self.justopened, self.isopen, self.isclosed
        twin.baropen, twin.barclose, twin.barlen = self.baropen, self.barclose, self.barlen
        twin.dtopen, twin.dtclose, twin.long, twin.status = self.dtopen, self.dtclose, self.long, self.status
        twin.owner, twin.history, twin.historyon = self.owner, self.history, self.historyon
        return twin
