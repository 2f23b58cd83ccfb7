"""The A-share broker: orders in, fills and refusals out. The only place where money changes hands.

It is a ``BrokerBase`` of Backtrader's and holds the whole market as arrays. Orders come from
Backtrader's own methods on stock handles or bar feeds, or as a whole basket from
:meth:`AShareBroker.target_weights`. Time is the clock feed's own position: on a date on which the
clock has no bar nothing is matched, marked or booked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import backtrader as bt
import numpy as np

from engine import corporate, matching
from engine.account import Account
from engine.basket_orders import BasketOrders
from engine.errors import ConfigError, RuleError
from engine.fees import FeeSchedule
from engine.handles import Clock
from engine.order_book import OrderBook
from engine.orders import Order, OrderNotice, valid_until
from engine.positions import AShareComm, LivePosition, Positions
from engine.rules import Rules
from engine.slippage import NoSlippage
from engine.surface import Surface
from engine.tracking import Baskets

if TYPE_CHECKING:
    from engine.ledger import Ledger
    from engine.market import Market

FILLS = ("next_open", "next_close", "same_close")
"""When a market order trades: the open or the close of the next session, or, for orders issued in
``next_open()``, i.e. before the session's close is known, that session's close."""


class AShareBroker(BasketOrders, Surface):
    """Broker of one market and one account.

    Parameters
    ----------
    market : Market
        The panel; its clock must be one of Cerebro's feeds.
    cash : float
        Starting cash, yuan.
    rules : Rules
        Default: all A-share rules on.
    fees, slippage
        Plug-ins of :mod:`engine.fees` and :mod:`engine.slippage`.
    fill : {"next_open", "next_close", "same_close"}
    cash_rate : float
        Interest on cash, a year (fraction); accrues by calendar day, in fen.
    """

    params = (
        ("market", None),
        ("cash", 1_000_000.0),
        ("rules", None),
        ("fees", None),
        ("slippage", None),
        ("fill", "next_open"),
        ("cash_rate", 0.0),
    )

    market: Market
    rules: Rules
    ledger: Ledger
    comminfo: dict[str | None, Any]

    def init(self) -> None:
        super().init()
        if self.p.market is None:
            raise ConfigError("AShareBroker needs a market: AShareBroker(market=market, cash=1_000_000)")
        if self.p.fill not in FILLS:
            raise ConfigError(f"fill is '{self.p.fill}'; it must be one of {', '.join(FILLS)}")
        self.market = self.p.market
        self.rules = rules = self.p.rules or Rules.a_share()
        self.fees = self.p.fees or FeeSchedule()
        self.slippage = self.p.slippage or NoSlippage()
        self.comminfo = {None: AShareComm()}
        self.startingcash = float(self.p.cash)
        self._session = -1
        self.account = Account(self.market, self.p.cash, rules)
        self.book = OrderBook(self.market, self.account, rules, self.fees, self.slippage, self.p.fill)
        self.book.broker = self
        self.ledger = self.account.ledger
        self.baskets = Baskets(self.market)

    @property
    def shares(self) -> np.ndarray:
        """Shares held, by stock; int64, shape (N,). A copy: one stock's are ``getposition(...).size``."""
        vector = np.zeros(self.market.shape[1], dtype=np.int64)
        stocks, shares = self.account.arrays()
        vector[stocks] = shares
        return vector

    @property
    def held(self) -> list[int]:
        """Stocks held, ascending."""
        return sorted(self.account.holdings)

    @property
    def orders(self) -> list[Order]:
        """Every order of the run, in sequence."""
        return self.book.orders

    def start(self) -> None:
        """Begin a run on the clock that Cerebro holds.

        Raises
        ------
        ConfigError
            If none of Cerebro's feeds is a clock of this market.
        DataError
            If the market's prices are adjusted and dividends are to be booked.
        """
        super().start()
        market = self.market
        clocks = [data for data in self.cerebro.datas if isinstance(data, Clock) and data.p.market is market]
        if not clocks:
            raise ConfigError("Cerebro holds no clock of this market: cerebro.adddata(market.clock(start, end))")
        if clocks[0].resampling or clocks[0].replaying or clocks[0]._filters:
            raise ConfigError("the clock was resampled, replayed or filtered; add market.clock() to Cerebro as it is")
        if self.rules.corporate_actions:
            corporate.refuse_adjusted(market)
        market._clock = clocks[0]
        self._first = clocks[0].p.first

    # -- what Backtrader asks -------------------------------------------------------------------

    def getcash(self) -> float:
        """Cash, yuan."""
        return self.account.cash / 100.0  # type: ignore[no-any-return]

    get_cash = getcash

    def get_withdrawable(self) -> float:
        """Cash that can be withdrawn, yuan: without the proceeds of the session's own sales, which can only buy."""
        return min(self.account.cash, self.account.settled) / 100.0  # type: ignore[no-any-return]

    def setcash(self, cash: float) -> None:
        """Starting cash, yuan; before the run.

        Raises
        ------
        RuleError
            Once a session is booked.
        """
        if self._running and self._session >= 0:
            raise RuleError(f"the starting cash cannot be set on {self._today()}: the account has begun")
        self.p.cash = cash
        self.init()

    set_cash = setcash

    def getvalue(self, datas: Iterable[Any] | None = None, mkt: bool = False, lever: bool = False) -> float:
        """Account value at the last close booked, or the value of some positions; yuan."""
        if datas is None:
            return self.account.value / 100.0  # type: ignore[no-any-return]
        total = 0.0
        for data in datas:
            if data is self.market._clock:
                continue
            i = self._stock(data)
            if i in self.account.holdings:
                total += float(self.account.holdings[i]) * float(self.market.mark[max(self._session, 0), i])
        return total

    get_value = getvalue

    def getposition(self, data: Any) -> bt.Position:
        """Position of a stock by its handle or bar feed (one and the same): ``size`` and average ``price``."""
        if data is self.market._clock:
            return bt.Position()
        return LivePosition(self.account, self._stock(data))

    @property
    def positions(self) -> Positions:
        """What is held, as a mapping by stock handle."""
        return Positions(self)

    def getcommissioninfo(self, data: Any) -> AShareComm:
        """What Backtrader's sizers and users ask fees of, for one stock."""
        comminfo: AShareComm = self.comminfo[None]
        return comminfo if data is self.market._clock else comminfo.of(self, self._stock(data))

    def sellable(self, data: Any) -> int:
        """Shares that may be sold now (T+1: not those bought today)."""
        i = self._stock(data)
        return self.account.sellable(i) if self.rules.t_plus_one else self.account.unlocked(i)

    def orderstatus(self, order: Order) -> int:
        """Status of an order."""
        return self.orders[order.ref - 1].status

    def get_orders_open(self, safe: bool = False) -> list[Order | OrderNotice]:
        """Orders that can still trade."""
        return [order.clone() if safe else order for order in self.book.open]

    def get_notification(self) -> None:
        """Hand all waiting notices to the strategies in one go (Cerebro asks after each ``next``)."""
        while self.book.notices:
            notices, self.book.notices = self.book.notices, []
            if self.cerebro.p.quicknotify:
                self._notify_at_once(notices)
                continue
            if len(self.cerebro.runningstrats) == 1:
                (owner,) = self.cerebro.runningstrats
                owner._orderspending += [notice for notice in notices if type(notice) is OrderNotice]
                owner._tradespending += [trade for told in notices if type(told) is list for trade in told]
                continue
            for notice in notices:
                if isinstance(notice, OrderNotice):
                    notice._order.owner._orderspending.append(notice)
                else:
                    notice[0].owner._tradespending.extend(notice)

    def _notify_at_once(self, notices: list[Any]) -> None:
        """Cerebro's ``quicknotify``: an order goes out with the trades that its fill made."""
        for k, notice in enumerate(notices):
            if type(notice) is OrderNotice:
                behind = notices[k + 1] if k + 1 < len(notices) else None
                trades = behind if type(behind) is list else []
                notice.owner._orderspending.append(notice)
                notice.owner._tradespending.extend(trades)
                notice.owner._notify(qorders=[notice], qtrades=trades)
            elif k == 0 or type(notices[k - 1]) is list:  # closed without an order
                notice[0].owner._tradespending.extend(notice)
                notice[0].owner._notify(qorders=[], qtrades=notice)

    # -- orders in ------------------------------------------------------------------------------

    def buy(
        self,
        owner: Any,
        data: Any,
        size: float,
        price: float | None = None,
        plimit: float | None = None,
        exectype: int | None = None,
        valid: Any = None,
        tradeid: int = 0,
        oco: Any = None,
        trailamount: float | None = None,
        trailpercent: float | None = None,
        parent: Any = None,
        transmit: bool = True,
        **notes: Any,
    ) -> Order:
        """Backtrader's entry for purchases; see ``Strategy.buy``."""
        linked = (oco, parent, transmit, trailamount, trailpercent)
        return self._submit(owner, data, abs(size), price, plimit, exectype, valid, tradeid, linked, notes)

    def sell(
        self,
        owner: Any,
        data: Any,
        size: float,
        price: float | None = None,
        plimit: float | None = None,
        exectype: int | None = None,
        valid: Any = None,
        tradeid: int = 0,
        oco: Any = None,
        trailamount: float | None = None,
        trailpercent: float | None = None,
        parent: Any = None,
        transmit: bool = True,
        **notes: Any,
    ) -> Order:
        """Backtrader's entry for sales; see ``Strategy.sell``."""
        linked = (oco, parent, transmit, trailamount, trailpercent)
        return self._submit(owner, data, -abs(size), price, plimit, exectype, valid, tradeid, linked, notes)

    def cancel(self, order: Order, bracket: bool = False) -> bool:
        """Cancel an order that can still trade; False if there is nothing left to cancel."""
        if order is None:
            return False
        live = self.orders[order.ref - 1]
        if not live.alive() or live.status == Order.Created:
            return False  # over, or not yet transmitted
        if self.rules.check_submitted and live in self.book.submitted:
            return False  # Backtrader's own broker cannot cancel what it has not taken in
        self.book.remove(live)
        self.book.end(live, Order.Canceled, "cancelled")
        return True

    def _stock(self, data: Any) -> int:
        i = getattr(data, "_i", None)
        market = self.market
        if i is not None:
            theirs = getattr(data, "_market", None) or data.p.market
            if theirs.symbols is market.symbols:  # this market or a fork of it
                return i  # type: ignore[no-any-return]
        if data is market._clock:
            raise RuleError("the clock cannot be traded: name a stock, self.buy(data=market['600519.SH'], size=100)")
        return market.column(getattr(data, "_name", "") or type(data).__name__)

    @staticmethod
    def _quoted(price: float | None, is_buy: bool) -> float | None:
        """A price in whole fen, not worse for its order than what was written."""
        if price is None:
            return None
        return (math.floor(price * 100 + 1e-6) if is_buy else math.ceil(price * 100 - 1e-6)) / 100

    def _today(self) -> str:
        return str(self.market.sessions[self.market.running.t])

    def _submit(
        self,
        owner: Any,
        data: Any,
        size: float,
        price: float | None,
        plimit: float | None,
        exectype: int | None,
        valid: Any,
        tradeid: int,
        linked: tuple[Any, Any, bool, float | None, float | None],
        notes: dict[str, Any],
    ) -> Order:
        i = self._stock(data)
        market = self.market
        symbol = market.symbols[i]
        if not math.isfinite(size):
            raise RuleError(f"{symbol}: an order of {size} shares on {self._today()}; give a number of shares")
        shares = int(size)  # sizers may ask for fractions; a share is whole
        kind = Order.Market if exectype is None else exectype
        if kind not in range(len(Order.ExecTypes)):
            raise RuleError(f"{symbol}: exectype {exectype!r} is not one of Backtrader's; write bt.Order.Limit or so")
        if not isinstance(linked[0], Order | OrderNotice | None):
            raise RuleError(f"{symbol}: oco is {linked[0]!r}; give the order that this one cancels and is cancelled by")
        if price is not None and kind == Order.Market and math.isnan(price):
            price = None  # order_target_value passes on the close of a stock that has none
        if price is not None and not price > 0:
            raise RuleError(f"{symbol}: a limit price of {price} yuan on {self._today()}; it must be above 0")
        if kind == Order.Historical:
            raise RuleError(f"{symbol}: historical orders are not supported; play them back as orders of a strategy")
        if kind in (Order.Limit, Order.Stop, Order.StopLimit) and price is None:
            raise RuleError(f"{symbol}: a {Order.ExecTypes[kind]} order on {self._today()} needs price=")
        moment = self.book.moment()
        close = float(market.mark[moment.known, i]) if moment.known >= 0 else math.nan
        until = valid_until(valid, moment.date)
        if self.account.exact:  # prices are quoted in fen
            price, plimit = (self._quoted(number, size > 0) for number in (price, plimit))
        order = self.book.place(owner, data, i, shares, moment, close)
        if not shares and size > 0:
            order.ordtype = Order.Buy
        order.exectype, order.price, order.pricelimit, order.valid, order.tradeid = kind, price, plimit, until, tradeid
        if until == 0.0:
            order.day, order.valid = True, moment.date
        order.oco, order.parent, order.transmit, trailamount, trailpercent = linked
        order.whole_fen = self.account.exact
        if kind in (Order.StopTrail, Order.StopTrailLimit):
            order.trail(trailamount, trailpercent)
        for key, note in notes.items():
            order.info[key] = note
        self.book.links.join(order, order.oco)
        self.book.submit(order, moment.t)
        if not shares and order.alive():  # part of a share
            self.book.remove(order)
            self.book.reject(order, moment.t, 0, matching.LOT)
        return order

    # -- the session ----------------------------------------------------------------------------

    def next(self) -> None:
        """Book one session: actions of its ex-date, matching, interest, marking. Nothing without a clock bar."""
        clock = self.market.running
        if not self._looked:
            self._look()
        bar = len(clock)
        t = self._first + bar - 1
        previous = self._session
        if t == previous or not bar:
            return
        self._session = t
        account, book = self.account, self.book
        account.open_session(t, bar)
        if previous >= 0 and self.p.cash_rate:
            account.accrue(previous, t, self.p.cash_rate)
        if self._paid_in:
            self._pay_in()
        book.trade(t)
        clock.closed = t
        book.close(t)
