"""Round trips from flat to flat that answer what Backtrader's trades answer."""

from __future__ import annotations

from typing import Any

import backtrader as bt
from backtrader.utils.date import num2date

_OPEN, _CLOSED = bt.Trade.Open, bt.Trade.Closed


class Trade:
    """A round trip from flat to flat (Backtrader's ``Trade``), amounts in yuan.

    Dividends received while it is open are part of ``pnl``; bonus shares change ``size`` and lower the
    average ``price``, so that ``pnlcomm`` of a closed trade equals the change of cash.
    """

    Created, Open, Closed = bt.Trade.Created, bt.Trade.Open, bt.Trade.Closed
    status_names = bt.Trade.status_names

    pnl = 0.0
    isclosed = historyon = False
    justopened = isopen = True
    barclose = barlen = 0
    dtclose = 0.0
    status = _OPEN

    def __init__(
        self,
        ref: int,
        owner: Any,
        data: Any,
        tradeid: int,
        size: float,
        price: float,
        commission: float,
        bar: int,
        dt: float,
    ) -> None:
        self.ref, self.owner, self.data, self.tradeid = ref, owner, data, tradeid
        self.size, self.price, self.commission, self.baropen, self.dtopen = size, price, commission, bar, dt
        self.pnl, self.pnlcomm, self.long = 0.0, -commission, size > 0
        self.value = size * price

    @property
    def history(self) -> list[Any]:
        """Backtrader's record of a trade's steps (``tradehistory``), which is not kept: the ledger has the fills."""
        return []

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
        """Book a further fill of ``size`` shares (negative: a sale) on the run's bar number ``bar``."""
        old = self.size
        self.size = new = old + size
        self.commission += commission
        self.justopened = False
        self.barlen = bar - self.baropen
        if abs(new) > abs(old):
            self.price = (old * self.price + size * price) / new
        else:
            self.pnl -= size * (price - self.price)
        if not new:
            self.isopen, self.isclosed, self.status = False, True, _CLOSED
            self.barclose, self.dtclose = bar, dt
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
