"""Orders and executions that answer what Backtrader's answer, at a thirtieth of the cost.

A ``bt.Order`` copies itself with all its parameters for every notification; ours are slotted objects
with the same attributes and methods, so that a basket of a hundred names costs microseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import backtrader as bt
from backtrader.utils import AutoOrderedDict
from backtrader.utils.date import date2num

from engine.errors import RuleError

_Base = bt.Order

Fill = tuple[Any, ...]
"""One fill, as the ledger keeps it and as its order does until somebody asks for an :class:`Execution`.

Session, order, stock, shares (negative: sold), price (yuan), commission, stamp duty, transfer fee and other fees
(fen), cost of slippage (yuan); then what Backtrader wants to know: its date, all fees (yuan), value at cost and
profit realised (yuan), and the position after it with its average price."""

_BUY, _SELL = _Base.Buy, _Base.Sell
_CREATED, _COMPLETED, _PARTIAL, _MARKET = _Base.Created, _Base.Completed, _Base.Partial, _Base.Market


class Moment(NamedTuple):
    """When an order is made: session, last known close, Backtrader's date, bar number."""

    t: int
    known: int
    date: float
    bar: int


class Execution:
    """One fill of an order (Backtrader's ``OrderExecutionBit``).

    ``size``, ``closed`` and ``opened`` are shares, negative for sales; the rest is yuan.
    """

    __slots__ = (
        "closed", "closedcomm", "closedvalue", "comm", "dt", "opened", "openedcomm", "openedvalue",
        "pnl", "pprice", "price", "psize", "size", "value",
    )  # fmt: skip

    def __init__(self, fill: Fill) -> None:
        self.size, self.price = fill[3], fill[4]
        self.dt, self.comm, self.value, self.pnl, self.psize, self.pprice = fill[10:]
        booked: tuple[float, float, float] = (self.size, self.value, self.comm)
        nothing = (0.0, 0.0, 0.0)
        bought = self.size > 0
        self.opened, self.openedvalue, self.openedcomm = booked if bought else nothing
        self.closed, self.closedvalue, self.closedcomm = nothing if bought else booked


class Created:
    """What an order asked for (Backtrader's ``order.created``); yuan and shares."""

    __slots__ = (
        "dt", "pclose", "plimit", "price", "pricelimit", "remsize", "size", "trailamount", "trailpercent",
    )  # fmt: skip

    def __init__(self, dt: float, size: float, price: float, pricelimit: float | None, pclose: float) -> None:
        self.dt, self.size, self.price, self.pclose = dt, size, price, pclose
        self.pricelimit = self.plimit = pricelimit if pricelimit else price
        self.remsize = 0
        self.trailamount: float | None = None
        self.trailpercent: float | None = None


class Executed:
    """What an order had traded when it was looked at (Backtrader's ``order.executed``).

    Parameters
    ----------
    fills : tuple of Fill
        Those that count in its totals.
    told : int
        How many of them the notification before has told of.
    all_fills : tuple of Fill
        What ``exbits`` holds; Backtrader's notices share it with the order.
    remsize : float
        Shares still to trade, negative for a sale.
    ended : float or None
        Backtrader's date of the order's end, where it ended without a fill.
    """

    __slots__ = (
        "comm", "dt", "exbits", "margin", "p1", "p2", "pnl", "pprice", "price", "psize", "remsize", "size", "value",
    )  # fmt: skip

    def __init__(
        self, fills: tuple[Fill, ...], told: int, all_fills: tuple[Fill, ...], remsize: float, ended: float | None
    ) -> None:
        self.exbits = [Execution(fill) for fill in all_fills]
        self.p1, self.p2, self.remsize, self.margin = told, len(fills), remsize, None
        self.size: float = 0
        self.price = self.value = self.comm = self.pnl = self.psize = self.pprice = 0.0
        self.dt = None
        for bit in self.exbits[: len(fills)]:
            total = self.size + bit.size
            self.price = (self.size * self.price + bit.size * bit.price) / total
            self.dt, self.size, self.psize, self.pprice = bit.dt, total, bit.psize, bit.pprice
            self.value += bit.value
            self.comm += bit.comm
            self.pnl += bit.pnl
        if ended is not None:
            self.dt = ended

    def __len__(self) -> int:
        return len(self.exbits)

    def __getitem__(self, key: int) -> Execution:
        return self.exbits[key]

    def iterpending(self) -> Iterator[Execution]:
        """Fills since the notification before."""
        return iter(self.exbits[self.p1 : self.p2])

    def getpending(self) -> list[Execution]:
        """Fills since the notification before, as a list."""
        return self.exbits[self.p1 : self.p2]


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
        return self.ordtype == _BUY

    def issell(self) -> bool:
        """Whether it sells."""
        return self.ordtype == _SELL

    def alive(self) -> bool:
        """Whether it can still trade."""
        return self.status <= _PARTIAL

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

    Most orders of a basket never differ from the defaults of the class, so that making one costs little; what
    Backtrader keeps in ``created`` and ``executed`` is put together when somebody asks.

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
    wanted, left : int
        Shares asked for at first, and still to trade.
    moment : Moment
        When it was made.
    close : float
        Last close known then, yuan.
    fills : tuple of Fill
    status : int
        ``Created`` .. ``Rejected`` as in Backtrader.
    charged : tuple
        Fen traded, commission charged, shares traded and transfer fee charged so far: minimums hold per order.
    reason : str
        Why it, or its last part, did not trade; ``""`` if it did.
    refusal : Refusal or None
        The ledger's open refusal of this order.
    target : float or None
        Yuan to hold, when sized at the fill.
    whole_fen : bool
        Whether a trailing trigger is a price of whole fen.
    waits : bool
        For its parent, or for the order that transmits it.
    """

    valid: float | None
    target: float | None
    fills: tuple[Fill, ...]
    parent: Any
    refusal: Any

    price: float | None = None
    pricelimit: float | None = None
    oco: Any = None
    trailamount: float | None = None
    trailpercent: float | None = None
    transmit, triggered, day, basket, whole_fen = True, False, False, False, False
    limit_offset = 0.0
    position = 0
    charged: tuple[Any, Any, Any, Any] = (0, 0, 0, 0)
    ended: float | None = None
    _info: AutoOrderedDict | None = None
    _created: Created | None = None
    _comminfo: Any = None

    def __init__(
        self, ref: int, owner: Any, data: Any, i: int, size: float, moment: Moment, close: float, broker: Any
    ) -> None:
        self.ref, self.owner, self.data, self.i, self.size = ref, owner, data, i, size
        self.moment, self.close, self.broker = moment, close, broker
        if size > 0:
            self.ordtype, self.wanted = _BUY, int(size)
        else:
            self.ordtype, self.wanted = _SELL, int(-size)
        self.left = self.wanted
        # What every order is asked for stands on it: a default of the class is found three times as slowly.
        self.status, self.exectype, self.valid, self.parent, self.target = _CREATED, _MARKET, None, None, None
        self.waits, self.fills, self.refusal, self.reason, self.tradeid = False, (), None, "", 0

    @property
    def created(self) -> Created:
        """What it asked for, as Backtrader has it."""
        if self._created is None:
            self._created = Created(
                self.moment.date, self.size, self.price if self.price else self.close, self.pricelimit, self.close
            )
        return self._created

    @property
    def executed(self) -> Executed:  # type: ignore[override]
        """What it has traded so far, as Backtrader has it."""
        told = max(len(self.fills) - 1, 0)
        left = self.left if self.ordtype == _BUY else -self.left
        return Executed(self.fills, told, self.fills, left, self.ended)

    @property
    def plen(self) -> int:
        """Bar of the run on which it was made."""
        return self.moment.bar

    @property
    def comminfo(self) -> Any:
        """The commission scheme that Backtrader's users find there."""
        return self._comminfo or self.broker.comminfo[None]

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
        self._comminfo = comminfo

    def shrink(self, left: int) -> None:
        """Go on with ``left`` shares to trade."""
        done = sum(fill[3] for fill in self.fills)
        self.left = left
        self.size = done + (left if self.ordtype == _BUY else -left)
        if self._created is not None:
            self._created.size = self.size

    def resize(self, left: int) -> None:
        """Ask for ``left`` shares more instead of what was asked for."""
        self.shrink(left)
        self.wanted = int(abs(self.size))
        if self.refusal is not None:
            self.refusal.wanted = self.refusal.done + left

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
        if self.whole_fen:
            trigger = round(trigger, 2)
        if trigger < created.price if self.isbuy() else trigger > created.price:
            created.price = trigger
            if self.exectype == _Base.StopTrailLimit:
                limit = trigger - self.limit_offset
                created.pricelimit = round(limit, 2) if self.whole_fen else limit

    def clone(self) -> OrderNotice:
        """The order as it stands now, for a notification."""
        return OrderNotice(self)


class OrderNotice(_Answers):
    """An order as it stood when a notification was made; answers all that the order answers."""

    __slots__ = ("_executed", "_order", "exectype", "fills", "left", "reason", "status")

    def __init__(self, order: Order) -> None:
        self._order = order
        self.status, self.reason, self.left, self.fills = order.status, order.reason, order.left, order.fills
        self.exectype = order.exectype  # Backtrader looks at it for every notice
        self._executed: Executed | None = None

    @property
    def executed(self) -> Executed:  # type: ignore[override]
        """What it had traded by then."""
        if self._executed is None:
            order, told = self._order, len(self.fills)
            left = self.left if order.ordtype == _BUY else -self.left
            ended = order.ended if self.status > _PARTIAL else None
            if told and ended is None:  # each fill is noticed at once: the last one is news
                told -= 1
            self._executed = Executed(self.fills, told, order.fills, left, ended)
        return self._executed

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_order"), name)

    def clone(self) -> OrderNotice:
        """Itself: it does not change."""
        return self


def valid_until(valid: Any, today: float) -> float | None:
    """Backtrader's ``valid`` as a float date; 0.0 for a day order (the first session it can trade).

    Raises
    ------
    RuleError
        If it is no date, time span or number.
    """
    if valid is None:
        return None
    if isinstance(valid, dt.timedelta):
        return 0.0 if valid == dt.timedelta() else today + valid / dt.timedelta(days=1)
    if isinstance(valid, dt.datetime):
        return date2num(valid)  # type: ignore[no-any-return]
    if isinstance(valid, dt.date):
        return date2num(dt.datetime.combine(valid, dt.time()))  # type: ignore[no-any-return]
    if isinstance(valid, str) or not isinstance(valid, int | float):
        raise RuleError(f"valid is {valid!r}; give a date, a datetime, a timedelta or a number of days")
    return 0.0 if not valid else today + float(valid)
