"""Orders and executions that answer what Backtrader's answer, at a thirtieth of the cost.

A ``bt.Order`` copies itself with all its parameters for every notification; ours are slotted objects
with the same attributes and methods, so that a basket of a hundred names costs microseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import backtrader as bt
from backtrader.utils import AutoOrderedDict
from backtrader.utils.date import date2num

_Base = bt.Order


class Execution:
    """One fill of an order (Backtrader's ``OrderExecutionBit``).

    ``size``, ``closed`` and ``opened`` are shares, negative for sales; the rest is yuan.
    """

    __slots__ = (
        "closed", "closedcomm", "closedvalue", "comm", "dt", "opened", "openedcomm", "openedvalue",
        "pnl", "pprice", "price", "psize", "size", "value",
    )  # fmt: skip

    def __init__(
        self,
        dt: float,
        size: float,
        price: float,
        value: float,
        comm: float,
        pnl: float,
        psize: float,
        pprice: float,
    ) -> None:
        self.dt, self.size, self.price, self.value, self.comm = dt, size, price, value, comm
        self.pnl, self.psize, self.pprice = pnl, psize, pprice
        self.opened: float
        self.closed: float
        if size > 0:
            self.opened, self.openedvalue, self.openedcomm = size, value, comm
            self.closed, self.closedvalue, self.closedcomm = 0, 0.0, 0.0
        else:
            self.closed, self.closedvalue, self.closedcomm = size, value, comm
            self.opened, self.openedvalue, self.openedcomm = 0, 0.0, 0.0


class Created:
    """What an order asked for (Backtrader's ``order.created``); yuan and shares."""

    __slots__ = (
        "dt",
        "pclose",
        "plimit",
        "price",
        "pricelimit",
        "remsize",
        "size",
        "trailamount",
        "trailpercent",
    )

    def __init__(self, dt: float, size: float, price: float, pricelimit: float | None, pclose: float) -> None:
        self.dt, self.size, self.price, self.pclose = dt, size, price, pclose
        self.pricelimit = self.plimit = pricelimit if pricelimit else price
        self.remsize = 0
        self.trailamount: float | None = None
        self.trailpercent: float | None = None


class Executed:
    """What an order has traded so far (Backtrader's ``order.executed``)."""

    __slots__ = (
        "bits",
        "comm",
        "dt",
        "margin",
        "p1",
        "p2",
        "pnl",
        "pprice",
        "price",
        "psize",
        "remsize",
        "size",
        "value",
    )

    def __init__(self, remsize: float) -> None:
        self.dt: float | None = None
        self.size: float = 0
        self.price = self.value = self.comm = self.pnl = self.pprice = 0.0
        self.remsize, self.psize, self.margin = remsize, 0.0, None
        self.bits: list[Execution] = []
        self.p1 = self.p2 = 0

    @property
    def exbits(self) -> list[Execution]:
        """All fills."""
        return self.bits

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, key: int) -> Execution:
        return self.bits[key]

    def add(self, bit: Execution) -> None:
        """Book one fill."""
        self.bits.append(bit)
        self.remsize -= bit.size
        self.dt = bit.dt
        total = self.size + bit.size
        self.price = (self.size * self.price + bit.size * bit.price) / total
        self.size = total
        self.value += bit.value
        self.comm += bit.comm
        self.pnl += bit.pnl
        self.psize, self.pprice = bit.psize, bit.pprice

    def iterpending(self) -> Iterator[Execution]:
        """Fills since the notification before."""
        return iter(self.bits[self.p1 : self.p2])

    def getpending(self) -> list[Execution]:
        """Fills since the notification before, as a list."""
        return self.bits[self.p1 : self.p2]

    def mark(self) -> None:
        """Note which fills the next notification is the first to tell of."""
        self.p1, self.p2 = self.p2, len(self.bits)

    def clone(self) -> Executed:
        """A snapshot for a notification."""
        self.mark()
        twin = Executed.__new__(Executed)
        twin.dt, twin.size, twin.price, twin.value, twin.comm = (
            self.dt,
            self.size,
            self.price,
            self.value,
            self.comm,
        )
        twin.pnl, twin.psize, twin.pprice, twin.remsize = self.pnl, self.psize, self.pprice, self.remsize
        twin.margin, twin.bits, twin.p1, twin.p2 = self.margin, self.bits, self.p1, self.p2
        return twin


class _Answers:
    """What a ``bt.Order`` answers, on top of the attributes of :class:`Order`."""

    __slots__ = ()

    if TYPE_CHECKING:
        ref: int
        size: float
        status: int
        ordtype: int
        exectype: int
        reason: str
        data: Any
        broker: Any
        pricelimit: float | None
        executed: Executed

    Market, Close, Limit, Stop = _Base.Market, _Base.Close, _Base.Limit, _Base.Stop
    StopLimit, StopTrail, StopTrailLimit, Historical = (
        _Base.StopLimit,
        _Base.StopTrail,
        _Base.StopTrailLimit,
        _Base.Historical,
    )
    Created, Submitted, Accepted, Partial, Completed = (
        _Base.Created,
        _Base.Submitted,
        _Base.Accepted,
        _Base.Partial,
        _Base.Completed,
    )
    Canceled = Cancelled = _Base.Canceled
    Expired, Margin, Rejected = _Base.Expired, _Base.Margin, _Base.Rejected
    Buy, Sell = _Base.Buy, _Base.Sell
    DAY = _Base.DAY
    ExecTypes, OrdTypes, Status = _Base.ExecTypes, _Base.OrdTypes, _Base.Status
    simulated = False
    histnotify = False
    dteos = 0.0

    @property
    def p(self) -> Any:
        """Backtrader keeps an order's parameters here; ours are the order's own attributes."""
        return self

    params = p

    @property
    def plimit(self) -> float | None:
        """Limit price of a stop-limit order."""
        return self.pricelimit

    def isbuy(self) -> bool:
        """Whether it buys."""
        return self.ordtype == _Base.Buy

    def issell(self) -> bool:
        """Whether it sells."""
        return self.ordtype == _Base.Sell

    def alive(self) -> bool:
        """Whether it can still trade."""
        return self.status <= _Base.Partial

    def getstatusname(self, status: int | None = None) -> str:
        """``"Completed"`` and so on."""
        return _Base.Status[self.status if status is None else status]  # type: ignore[no-any-return]

    def getordername(self, exectype: int | None = None) -> str:
        """``"Market"`` and so on."""
        return _Base.ExecTypes[self.exectype if exectype is None else exectype]  # type: ignore[no-any-return]

    def ordtypename(self, ordtype: int | None = None) -> str:
        """``"Buy"`` or ``"Sell"``."""
        return _Base.OrdTypes[self.ordtype if ordtype is None else ordtype]  # type: ignore[no-any-return]

    def brokerstatus(self) -> int:
        """The status at the broker."""
        return self.broker.orderstatus(self) if self.broker is not None else self.status

    @property
    def remaining(self) -> int:
        """Shares still to trade."""
        return abs(self.executed.remsize)  # type: ignore[arg-type,return-value]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Answers) and self.ref == other.ref

    def __hash__(self) -> int:
        return self.ref

    def __repr__(self) -> str:
        return (
            f"Order({self.ref}: {self.ordtypename().lower()} {abs(self.size)} {self.data._name} "
            f"{self.getordername().lower()}, {self.getstatusname()}{', ' + self.reason if self.reason else ''})"
        )


class Order(_Answers):
    """One order of one stock.

    Attributes
    ----------
    ref : int
        1, 2, 3 ... in the order of submission within a run.
    data : StockHandle or feed
        What the strategy named.
    i : int
        Index of the stock in the market.
    size : float
        Whole shares asked for, negative for a sale.
    status : int
        ``Created`` .. ``Rejected`` as in Backtrader.
    created, executed : Created, Executed
    charged : tuple
        Fen traded, commission charged, shares traded and transfer fee charged so far: minimums hold per order.
    reason : str
        Why it, or its last part, did not trade; ``""`` if it did.
    """

    __slots__ = (
        "_info", "_unfilled", "basket", "broker", "charged", "comminfo", "created", "data", "day", "exectype",
        "executed", "i", "limit_offset", "oco", "ordtype", "owner", "parent", "plen", "position", "price",
        "pricelimit", "reason", "ref", "refusal", "size", "status", "target", "tradeid", "trailamount",
        "trailpercent", "transmit", "triggered", "valid", "waits", "wanted",
    )  # fmt: skip

    def __init__(
        self,
        ref: int,
        owner: Any,
        data: Any,
        i: int,
        size: float,
        exectype: int,
        price: float | None,
        pricelimit: float | None,
        valid: float | None,
        tradeid: int,
        created: Created,
    ) -> None:
        self.ref, self.owner, self.data, self.i, self.size = ref, owner, data, i, size
        self.exectype, self.price, self.pricelimit, self.valid = exectype, price, pricelimit, valid
        self.tradeid, self.created, self.executed = tradeid, created, Executed(size)
        self.ordtype = _Base.Buy if size > 0 else _Base.Sell
        self.status = _Base.Created
        self.wanted = int(abs(size))
        self.broker = self.comminfo = self.oco = self.parent = None
        self.trailamount: float | None = None
        self.trailpercent: float | None = None
        self.transmit, self.triggered, self.position, self.plen = True, False, 0, 0
        self.waits = False  # for its parent, or for the order that transmits it
        self.limit_offset = 0.0
        self._info: AutoOrderedDict | None = None
        self._unfilled: Executed | None = None
        self.charged: tuple[Any, Any, Any, Any] = (0, 0, 0, 0)
        self.reason = ""
        self.refusal: Any = None  # the ledger's open refusal of this order
        self.target: float | None = None  # yuan to hold, when sized at the fill
        self.day = False
        self.basket = False

    @property
    def info(self) -> AutoOrderedDict:
        """Notes of the user (``addinfo``)."""
        if self._info is None:
            self._info = AutoOrderedDict()
        return self._info

    def addinfo(self, **notes: Any) -> None:
        """Keep notes with the order."""
        for key, value in notes.items():
            self.info[key] = value

    def addcomminfo(self, comminfo: Any) -> None:
        """Keep the commission scheme with the order."""
        self.comminfo = comminfo

    def shrink(self, left: int) -> None:
        """Go on with ``left`` shares to trade."""
        sign = 1 if self.ordtype == _Base.Buy else -1
        self.executed.remsize = sign * left
        self.size = self.created.size = self.executed.size + sign * left

    def resize(self, left: int) -> None:
        """Ask for ``left`` shares more instead of what was asked for."""
        self.shrink(left)
        self.wanted = int(abs(self.size))

    def active(self) -> bool:
        """Whether it may be tried: a child of a bracket waits for its parent."""
        return not self.waits

    def trail(self, amount: float | None, percent: float | None) -> None:
        """Make a trailing stop of the order: its trigger follows the close at ``amount`` yuan or ``percent``."""
        created = self.created
        self.trailamount = created.trailamount = amount
        self.trailpercent = created.trailpercent = percent
        start = created.price
        self.limit_offset = start - created.pricelimit
        created.price = float("inf") if self.isbuy() else float("-inf")
        self.trailadjust(start)

    def trailadjust(self, price: float) -> None:
        """Move the trigger after ``price``, towards it only."""
        created = self.created
        gap = self.trailamount or (price * self.trailpercent if self.trailpercent else 0.0)
        trigger = price + gap if self.isbuy() else price - gap
        if trigger < created.price if self.isbuy() else trigger > created.price:
            created.price = trigger
            if self.exectype == _Base.StopTrailLimit:
                created.pricelimit = trigger - self.limit_offset

    def clone(self) -> OrderNotice:
        """The order as it stands now, for a notification.

        What an order has executed is copied only while it can still change, and the first two notices
        (submitted, accepted) share one empty copy.
        """
        executed = self.executed
        if self.status > _Base.Partial:
            executed.mark()
        elif not executed.bits:
            if self._unfilled is None:
                self._unfilled = executed.clone()
            executed = self._unfilled
        else:
            executed = executed.clone()
        return OrderNotice(self, self.status, executed, self.reason)


class OrderNotice(_Answers):
    """An order as it stood when a notification was made; answers all that the order answers."""

    __slots__ = ("_order", "exectype", "executed", "reason", "status")

    def __init__(self, order: Order, status: int, executed: Executed, reason: str) -> None:
        self._order, self.status, self.executed, self.reason = order, status, executed, reason
        self.exectype = order.exectype  # Backtrader looks at it for every notice

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_order"), name)

    def clone(self) -> OrderNotice:
        """Itself: it does not change."""
        return self


def valid_until(valid: Any, today: float) -> float | None:
    """Backtrader's ``valid`` as a float date; 0.0 for a day order (the first session it can trade)."""
    if valid is None:
        return None
    if isinstance(valid, dt.timedelta):
        return 0.0 if valid == dt.timedelta() else today + valid / dt.timedelta(days=1)
    if isinstance(valid, dt.datetime):
        return date2num(valid)  # type: ignore[no-any-return]
    if isinstance(valid, dt.date):
        return date2num(dt.datetime.combine(valid, dt.time()))  # type: ignore[no-any-return]
    return 0.0 if not valid else today + float(valid)
