"""The A-share broker: orders in, fills and refusals out. The only place where money changes hands.

It subclasses Backtrader's ``BrokerBase`` and holds the whole market as arrays. Orders come from
Backtrader's own methods on stock handles or bar feeds, or as a whole basket from
:meth:`AShareBroker.target_weights`. Time is the clock feed's own position: on a date on which the
clock has no bar nothing is matched, marked or booked.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import backtrader as bt
import numpy as np
from backtrader.broker import BrokerBase
from backtrader.utils.date import date2num

from engine import corporate, matching
from engine.errors import ConfigError, RuleError
from engine.fees import FeeSchedule
from engine.ledger import Ledger
from engine.orders import Created, Execution, Order, Trade
from engine.rules import Rules, legal_buy, legal_sell, lot_rule
from engine.slippage import NoSlippage

if TYPE_CHECKING:
    from engine.market import Market

FILLS = ("next_open", "next_close", "same_close")
"""When a market order trades: the open or the close of the next session, or, for orders issued in
``next_open()``, i.e. before the session's close is known, that session's close."""


class _Moment(NamedTuple):
    """When an order is made: session, last known close, Backtrader's date, bar number."""

    t: int
    known: int
    date: float
    bar: int


_NONE: list[Trade] = []
"""No trades to tell of; shared, never changed."""


class AShareComm(bt.CommInfoBase):  # type: ignore[misc]
    """Backtrader's view of our fees; sizes are whole shares, fees live in :mod:`engine.fees`."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_PERC), ("percabs", True))


class _Positions(Mapping[Any, bt.Position]):
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


class AShareBroker(BrokerBase):  # type: ignore[misc]
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
        self._exact = rules.exact_money
        self.startingcash = float(self.p.cash)
        self._cash: Any = math.floor(self.p.cash * 100.0 + 0.5) if self._exact else self.p.cash * 100.0
        self._value: Any = self._cash
        columns = self.market.shape[1]
        self.shares = np.zeros(columns, dtype=np.int64)
        """Shares held, by stock."""
        self._cost = np.zeros(columns)  # average price a share held, yuan
        self.held: list[int] = []
        """Stocks held, ascending."""
        self._held_array: np.ndarray | None = None
        self._bought: dict[int, int] = {}
        self.orders: list[Order] = []
        self._submitted: list[Order] = []
        self._pending: list[Order] = []
        self._notices: list[tuple[Order, list[Trade]]] = []
        self._trades: dict[int, dict[tuple[int, int], Trade]] = {}
        self._trade_refs = 0
        self._events = corporate.EventBook(self.market)
        self._session = -1
        self._lots: dict[str, Any] = {}
        self.ledger = Ledger(self.market, self._cash, self._exact)

    # -- what Backtrader asks -------------------------------------------------------------------

    def getcash(self) -> float:
        """Cash, yuan."""
        return self._cash / 100.0  # type: ignore[no-any-return]

    get_cash = getcash

    def setcash(self, cash: float) -> None:
        """Starting cash, yuan; before the run."""
        self.p.cash = cash
        self.init()

    set_cash = setcash

    def getvalue(self, datas: Iterable[Any] | None = None, mkt: bool = False, lever: bool = False) -> float:
        """Account value at the last close booked, or the value of some positions; yuan."""
        if datas is None:
            return self._value / 100.0  # type: ignore[no-any-return]
        total = 0.0
        for data in datas:
            i = self._stock(data)
            if self.shares[i]:
                total += float(self.shares[i]) * float(self.market.mark[max(self._session, 0), i])
        return total

    get_value = getvalue

    def get_value_lever(self, datas: Iterable[Any] | None = None, mkt: bool = False) -> float:
        """The same: nothing is levered."""
        return self.getvalue(datas)

    def get_leverage(self) -> float:
        """1.0: nothing is levered."""
        return 1.0

    def getposition(self, data: Any) -> bt.Position:
        """Position of a stock by its handle or bar feed (one and the same): ``size`` and average ``price``."""
        i = self._stock(data)
        size = int(self.shares[i])
        return bt.Position(size, float(self._cost[i]) if size else 0.0)

    @property
    def positions(self) -> _Positions:
        """What is held, as a mapping by stock handle."""
        return _Positions(self)

    def sellable(self, data: Any) -> int:
        """Shares that may be sold now (T+1: not those bought today)."""
        i = self._stock(data)
        return int(self.shares[i]) - self._bought.get(i, 0)

    def orderstatus(self, order: Order) -> int:
        """Status of an order."""
        return self.orders[order.ref - 1].status

    def get_orders_open(self, safe: bool = False) -> list[Order]:
        """Orders that can still trade."""
        return [order.clone() if safe else order for order in (*self._pending, *self._submitted)]

    def get_notification(self) -> None:
        """Hand all waiting notices to the strategies in one go (Cerebro asks after each ``next``)."""
        if not self._notices:
            return
        notices, self._notices = self._notices, []
        for order, trades in notices:
            owner = order.owner
            owner._orderspending.append(order)
            if trades:
                owner._tradespending.extend(trades)
            if owner.cerebro.p.quicknotify:
                owner._notify(qorders=[order], qtrades=trades)

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
        self._plain(exectype, oco, parent, trailamount, trailpercent, transmit)
        return self._submit(owner, data, abs(size), price, plimit, exectype, valid, tradeid, notes)

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
        self._plain(exectype, oco, parent, trailamount, trailpercent, transmit)
        return self._submit(owner, data, -abs(size), price, plimit, exectype, valid, tradeid, notes)

    def cancel(self, order: Order, bracket: bool = False) -> bool:
        """Cancel an order that can still trade; False if there is nothing left to cancel."""
        live = self.orders[order.ref - 1]
        if not live.alive():
            return False
        for queue in (self._pending, self._submitted):
            if live in queue:
                queue.remove(live)
        self._end(live, Order.Canceled, "cancelled")
        return True

    def target_weights(self, weights: Mapping[str, float] | Any, owner: Any = None) -> list[Order]:
        """Trade towards a whole basket: stocks held but not named are sold.

        Parameters
        ----------
        weights : mapping or Series of str to float
            Fractions of account value by symbol, none negative, sum at most 1. Cash goes to purchases in
            this order.
        owner : Strategy, optional
            Who is notified; the first strategy of Cerebro by default.

        Returns
        -------
        list of Order
            Sales first. The fills are those of the same orders sent one by one with
            ``order_target_percent``. What is left of the basket before is cancelled.

        Raises
        ------
        RuleError
            If a weight is negative or not a number, or they sum above 1.
        """
        market, rules = self.market, self.rules
        owner = owner if owner is not None else self.cerebro.runningstrats[0]
        for order in [order for order in (*self._pending, *self._submitted) if order.basket and order.owner is owner]:
            self.cancel(order)
        stocks = [market.column(symbol) for symbol, _ in weights.items()]
        shares_of_value = [float(weight) for _, weight in weights.items()]
        total = math.fsum(shares_of_value)
        if not (math.isfinite(total) and min(shares_of_value, default=0.0) >= 0.0 and total <= 1.0 + 1e-9):
            raise RuleError(
                f"target weights must be fractions from 0 to 1 that sum to at most 1; on {self._today()} they sum to "
                f"{total:.6f} with a smallest of {min(shares_of_value, default=0.0):.6f}"
            )
        t = self._known()
        wanted = dict(zip(stocks, shares_of_value, strict=True))
        if len(wanted) != len(stocks):
            raise RuleError(f"target weights name a stock twice on {self._today()}")
        value = self._value / 100.0
        leaving = [i for i in self.held if i not in wanted]
        concerned = leaving + stocks
        marks = market.mark[t, np.array(concerned, dtype=np.intp)].tolist() if concerned else []
        sales: list[tuple[int, int, float, float]] = []
        buys: list[tuple[int, int, float, float]] = []
        for i, price in zip(concerned, marks, strict=True):
            have = int(self.shares[i])
            target = wanted.get(i, 0.0) * value
            if target == 0.0:
                if have:
                    sales.append((i, have, 0.0, price))
            elif price != price:  # no close yet: the broker will say NOT_LISTED or SUSPENDED
                buys.append((i, self._lot(i, t).minimum, target, price))
            elif target > have * price:
                size = int((target - have * price) // price)
                if rules.lots:  # a first purchase below one lot goes out as it is, to be refused with a reason
                    size = legal_buy(size, self._lot(i, t)) or (0 if have else size)
                buys.append((i, size, target, price))
            elif target < have * price:
                size = int((have * price - target) // price)
                sales.append((i, legal_sell(size, have, self._lot(i, t)) if rules.lots else size, target, price))
        moment = self._moment()
        day = 0.0 if rules.unfilled == "drop" else None
        made = []
        for sign, entries in ((-1, sales), (1, buys)):
            for i, size, target, price in entries:
                if not size:
                    continue
                order = self._place(owner, market.handle(i), i, sign * size, moment, price, valid=day)
                order.basket = True
                if target and rules.size_at == "fill":
                    order.target = target
                made.append(order)
        self._submitted.extend(made)
        return made

    def _plain(
        self, exectype: int | None, oco: Any, parent: Any, trailamount: Any, trailpercent: Any, transmit: bool
    ) -> None:
        if exectype not in (None, Order.Market, Order.Limit):
            raise RuleError(f"{Order.ExecTypes[exectype]} orders are not supported yet; use Market or Limit")
        if oco is not None or parent is not None or trailamount or trailpercent or not transmit:
            raise RuleError("bracket, OCO and trailing orders are not supported yet; use Market or Limit")

    def _stock(self, data: Any) -> int:
        i = getattr(data, "_i", None)
        if i is not None:
            return i  # type: ignore[no-any-return]
        name = getattr(data, "_name", "") or type(data).__name__
        if data is self.market._clock:
            raise RuleError("the clock cannot be traded: name a stock, self.buy(data=market['600519.SH'], size=100)")
        return self.market.column(name)

    def _known(self) -> int:
        """Last session whose close has been booked; the clock's start if none has."""
        return self._session if self._session >= 0 else self.market.running.p.first  # type: ignore[no-any-return]

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
        notes: dict[str, Any],
    ) -> Order:
        i = self._stock(data)
        market = self.market
        symbol = market.symbols[i]
        shares = int(size)
        if shares != size and self._exact:
            raise RuleError(f"{symbol}: {abs(size)} shares were ordered on {self._today()}; whole shares only")
        if price is not None and not price > 0:
            raise RuleError(f"{symbol}: a limit price of {price} yuan on {self._today()}; it must be above 0")
        kind = Order.Market if exectype is None else exectype
        if kind == Order.Limit and price is None:
            raise RuleError(f"{symbol}: a limit order on {self._today()} needs price=")
        moment = self._moment()
        close = float(market.mark[moment.known, i])
        order = self._place(owner, data, i, shares, moment, close, kind, price, plimit, self._valid(valid, moment.t), tradeid)
        for key, note in notes.items():
            order.info[key] = note
        if not self._refused_at_once(order, moment.t):
            self._submitted.append(order)
        return order

    def _moment(self) -> _Moment:
        """Where the clock stands, and whether the session's close is still to come."""
        clock = self.market.running
        t = clock.t
        before_close = clock.closed < t
        if self.p.fill == "same_close" and not before_close:
            raise RuleError(
                f"an order on {self._today()} came after the close it would fill at: with fill='same_close' issue "
                "orders in next_open(), before the close is known, or use fill='next_open'"
            )
        return _Moment(t, max(t - 1, 0) if before_close else t, float(self.market.day_numbers[t]), len(clock))

    def _place(
        self,
        owner: Any,
        data: Any,
        i: int,
        shares: int,
        moment: _Moment,
        close: float,
        kind: int = Order.Market,
        price: float | None = None,
        plimit: float | None = None,
        valid: float | None = None,
        tradeid: int = 0,
    ) -> Order:
        """Make an order, enter it in the book and notice its submission."""
        created = Created(moment.date, shares, price if price else close, plimit, close)
        order = Order(len(self.orders) + 1, owner, data, i, shares, kind, price, plimit, valid, tradeid, created)
        if valid == 0.0:
            order.day, order.valid = True, moment.date
        order.broker, order.plen, order.comminfo = self, moment.bar, self.comminfo[None]
        order.status = Order.Submitted
        self.orders.append(order)
        self._notices.append((order.clone(), _NONE))
        return order

    def _valid(self, valid: Any, t: int) -> float | None:
        """Backtrader's ``valid`` as a float date; 0.0 for a day order (the first session it can trade)."""
        if valid is None:
            return None
        if isinstance(valid, dt.timedelta):
            return 0.0 if valid == dt.timedelta() else float(self.market.day_numbers[t]) + valid / dt.timedelta(days=1)
        if isinstance(valid, dt.datetime):
            return date2num(valid)  # type: ignore[no-any-return]
        if isinstance(valid, dt.date):
            return date2num(dt.datetime.combine(valid, dt.time()))  # type: ignore[no-any-return]
        return 0.0 if not valid else float(self.market.day_numbers[t]) + float(valid)

    def _refused_at_once(self, order: Order, t: int) -> bool:
        """Refuse what can never trade: a name without listing, a sale of what is not held."""
        market, i = self.market, order.i
        known = max(market.running.known, 0)
        if not market.listed[known, i]:
            reason = matching.DELISTED if market.age[known, i] else matching.NOT_LISTED
            trades_on = known + 1  # listing dates are announced: a debut on that session can be ordered
            if reason == matching.DELISTED or trades_on >= len(market.sessions) or not market.listed[trades_on, i]:
                self._reject(order, t, order.wanted, reason)
                return True
        if order.issell() and not self.shares[i] and not any(o.i == i and o.isbuy() for o in self._submitted + self._pending):
            self._reject(order, t, order.wanted, matching.OVERSELL)
            return True
        return False

    # -- the session ----------------------------------------------------------------------------

    def next(self) -> None:
        """Book one session: actions of its ex-date, matching, interest, marking. Nothing without a clock bar."""
        clock = self.market.running
        if not len(clock):
            return
        t = clock.t
        if t == self._session:
            return
        previous, self._session = self._session, t
        self._bought.clear()
        if previous >= 0:
            self._accrue(previous, t)
        if self.held and self.rules.corporate_actions:
            self._book_actions(t)
        self._remove_delisted(t)
        if self._submitted:
            self._accept()
        if self._pending:
            self._match(t)
        clock.closed = t
        self._mark(t)

    def _accrue(self, previous: int, t: int) -> None:
        if not self.p.cash_rate or self._cash <= 0:
            return
        days = int((self.market.sessions[t] - self.market.sessions[previous]).astype(int))
        earned = self._cash * self.p.cash_rate * days / 365.0
        interest = math.floor(earned + 0.5) if self._exact else earned
        self._cash += interest
        self.ledger.interest(interest)

    def _book_actions(self, t: int) -> None:
        for event in self._events.on(t):
            i = event.i
            shares = int(self.shares[i])
            if not shares:
                continue
            for effect in corporate.effects(event, shares):
                self.ledger.corporate(t, i, effect.kind, effect.shares, effect.cash_fen)
                self.ledger.fractions += effect.fraction
                self._cash += effect.cash_fen
                if effect.shares:
                    self._cost[i] *= shares / (shares + effect.shares) if shares + effect.shares else 0.0
                    self.shares[i] = shares + effect.shares
                self._adjust_trades(i, shares, effect.shares, effect.cash_fen / 100.0)
            if not self.shares[i]:
                self._forget(i)
            for order in (*self._pending, *self._submitted):  # a sale of the whole position follows the position
                if order.i == i and order.issell() and order.remaining == shares:
                    now_held = int(self.shares[i])
                    order.executed.remsize = -now_held
                    order.size = order.created.size = order.executed.size - now_held
                    order.wanted = -int(order.size)

    def _adjust_trades(self, i: int, shares: int, added: int, cash: float) -> None:
        """Share an action out over the open trades of a stock by size, the last taking the rest."""
        open_trades = [trade for trade in self._trades.get(i, {}).values() if trade.size]
        left_shares, left_cash = added, cash
        for k, trade in enumerate(open_trades):
            last = k == len(open_trades) - 1
            part = left_shares if last else int(added * trade.size / shares)
            money = left_cash if last else round(cash * trade.size / shares, 2)
            trade.adjust(part, money)
            left_shares, left_cash = left_shares - part, left_cash - money

    def _remove_delisted(self, t: int) -> None:
        """Settle what left the market at its last price and drop orders on it."""
        for i in self._events.delisted_on(t):
            shares = int(self.shares[i])
            for order in [order for order in (*self._pending, *self._submitted) if order.i == i]:
                for queue in (self._pending, self._submitted):
                    if order in queue:
                        queue.remove(order)
                self._reject(order, t, order.remaining, matching.DELISTED)
            if not shares:
                continue
            price = float(self.market.mark[t, i])
            proceeds = self._fen(price * shares)
            self._cash += proceeds
            self.ledger.corporate(t, i, corporate.DELISTING, -shares, proceeds)
            for trade in self._trades.get(i, {}).values():
                if trade.size:
                    trade.update(-trade.size, price, 0.0, len(self.market.running), float(self.market.day_numbers[t]))
                    self._close_without_order(trade)
            self.shares[i] = 0
            self._forget(i)

    def _close_without_order(self, trade: Trade) -> None:
        owner = next((order.owner for order in reversed(self.orders) if order.data._name == trade.data._name), None)
        if owner is not None:
            owner._tradespending.append(trade.clone())

    def _accept(self) -> None:
        """Take in what was submitted; with ``check_submitted`` as Backtrader's own broker does."""
        submitted, self._submitted = self._submitted, []
        cash = self._cash
        for order in submitted:
            if self.rules.check_submitted:
                value = abs(order.created.size) * order.created.price * 100.0
                fees = self._day_fees().charge(
                    self.market.exchanges[order.i], order.isbuy(), value, order.remaining, 0, 0
                )
                cash += (-value if order.isbuy() else value) - fees[0] - fees[1] - fees[2] - fees[3]
                if cash < 0:
                    order.reason = matching.CASH
                    self.ledger.refuse(self._session, order, order.wanted, 0, matching.CASH, "dropped")
                    self._end(order, Order.Margin, "dropped")
                    continue
            order.status = Order.Accepted
            self._notice(order)
            self._pending.append(order)

    def _day_fees(self) -> Any:
        return self.fees.on(self.market.sessions[self._session])

    def _match(self, t: int) -> None:
        """Try every pending order on session ``t``, sales first where the rules say so."""
        market, rules = self.market, self.rules
        orders = self._pending
        now = float(market.day_numbers[t])
        expired = [order for order in orders if order.valid is not None and not order.day and now > order.valid]
        for order in expired:
            orders.remove(order)
            self._expire(order, t)
        if rules.sells_first:
            orders = [order for order in orders if order.size < 0] + [order for order in orders if order.size > 0]
        stocks = list(dict.fromkeys(order.i for order in orders))
        place = {i: k for k, i in enumerate(stocks)}
        bars = matching.bars_of(market, t, stocks)
        day_fees = self._day_fees()
        at_close = self.p.fill != "next_open"
        for order in orders:
            k = place[order.i]
            is_buy = order.size > 0
            if order.target is not None:
                self._resize(order, bars, k, at_close)
                if not order.remaining:
                    self._end(order, Order.Canceled, "done")
                    continue
            if order.exectype == Order.Limit:
                price, reason = matching.limit_price(bars, k, is_buy, order.created.price, rules.price_limits)
            else:
                price, reason = matching.market_price(bars, k, is_buy, at_close, rules.price_limits)
            if reason:
                if reason == matching.SUSPENDED and not market.listed[t, order.i]:
                    left = bool(market.age[t, order.i])
                    self._reject(order, t, order.remaining, matching.DELISTED if left else matching.NOT_LISTED)
                else:
                    self._blocked(order, t, order.remaining, reason)
            elif is_buy:
                self._fill_buy(order, t, bars, k, price, day_fees)
            else:
                self._fill_sale(order, t, bars, k, price, day_fees)
        self._pending = [order for order in self._pending if order.alive()]
        for order in [order for order in self._pending if order.day]:
            self._pending.remove(order)
            self._expire(order, t)

    def _resize(self, order: Order, bars: matching.Bars, k: int, at_close: bool) -> None:
        """Size an order at the fill moment's price (``size_at='fill'``)."""
        price = bars.close[k] if at_close else bars.open[k]
        if not price > 0:
            return
        gap = (order.target or 0.0) - int(self.shares[order.i]) * price
        size = int(abs(gap) // price) if (gap > 0) == order.isbuy() else 0
        order.wanted = size
        order.executed.remsize = size if order.isbuy() else -size
        order.target = None

    def _fill_sale(self, order: Order, t: int, bars: matching.Bars, k: int, price: float, day_fees: Any) -> None:
        i, rules = order.i, self.rules
        held = int(self.shares[i])
        wanted = order.remaining
        quantity = wanted
        if quantity > held:
            self._cut(order, t, wanted - held, matching.OVERSELL)
            quantity = held
        waiting = ""
        if rules.t_plus_one:
            sellable = held - self._bought.get(i, 0)
            if quantity > sellable:
                quantity, waiting = sellable, matching.T_PLUS_ONE
        cap = self.slippage.max_shares(bars.volume[k])
        if cap is not None and quantity > cap:
            quantity, waiting = int(cap), matching.VOLUME_CAP
        if rules.lots and 0 < quantity:
            legal = legal_sell(quantity, held, self._lot(i, t))
            if legal < quantity:
                if not waiting:
                    self._cut(order, t, quantity - legal, matching.LOT)
                quantity = legal
        if quantity > 0:
            slipped = matching.inside(
                bars, k, False, self.slippage.price(False, price, quantity, bars.volume[k]),
                order.created.price if order.exectype == Order.Limit else None, rules.price_limits,
            )  # fmt: skip
            self._execute(order, t, -quantity, slipped, price, day_fees)
        elif not waiting and order.alive():
            self._end(order, Order.Rejected, "dropped")
        if waiting and order.alive():
            self._blocked(order, t, order.remaining, waiting)

    def _fill_buy(self, order: Order, t: int, bars: matching.Bars, k: int, price: float, day_fees: Any) -> None:
        i, rules = order.i, self.rules
        quantity = order.remaining
        waiting = ""
        cap = self.slippage.max_shares(bars.volume[k])
        if cap is not None and quantity > cap:
            quantity, waiting = int(cap), matching.VOLUME_CAP
        lot = self._lot(i, t) if rules.lots else None
        if lot is not None:
            legal = legal_buy(quantity, lot)
            if legal < quantity and not waiting:
                self._cut(order, t, quantity - legal, matching.LOT)
            quantity = legal
        if quantity > 0:
            limit = order.created.price if order.exectype == Order.Limit else None
            slipped = matching.inside(
                bars, k, True, self.slippage.price(True, price, quantity, bars.volume[k]), limit, rules.price_limits
            )
            affordable = self._affordable(order, quantity, slipped, day_fees, lot)
            if affordable < quantity:
                if rules.short_cash == "refuse" or not affordable:
                    order.reason = matching.CASH
                    self.ledger.refuse(t, order, order.remaining, 0, matching.CASH, "dropped")
                    self._end(order, Order.Margin, "dropped")
                    return
                self._cut(order, t, order.remaining - affordable, matching.CASH)
                quantity, waiting = affordable, ""
            self._execute(order, t, quantity, slipped, price, day_fees)
        elif not waiting and order.alive():
            self._end(order, Order.Rejected, "dropped")
        if waiting and order.alive():
            self._blocked(order, t, order.remaining, waiting)

    def _affordable(self, order: Order, quantity: int, price: float, day_fees: Any, lot: Any) -> int:
        """The largest legal quantity whose cost with fees the cash covers."""
        exchange = self.market.exchanges[order.i]
        while quantity > 0:
            value = self._fen(price * quantity)
            fees = day_fees.charge(exchange, True, value, quantity, *order.charged)
            cost = value + fees[0] + fees[1] + fees[2] + fees[3]
            if cost <= self._cash:
                return quantity
            if self.rules.short_cash == "refuse":
                return 0
            smaller = min(quantity - 1, int((self._cash - (cost - value)) / (price * 100.0)))
            quantity = legal_buy(smaller, lot) if lot is not None else max(smaller, 0)
        return 0

    def _fen(self, yuan: float) -> Any:
        return math.floor(yuan * 100.0 + 0.5) if self._exact else yuan * 100.0

    def _lot(self, i: int, t: int) -> Any:
        board = self.market.boards[i]
        found = self._lots.get(board)
        if found is None or found[0] != t:
            found = self._lots[board] = (t, lot_rule(board, self.market.sessions[t]))
        return found[1]

    def _execute(self, order: Order, t: int, size: int, price: float, unslipped: float, day_fees: Any) -> None:
        """Exchange shares for money: the one place where both change."""
        i = order.i
        quantity = abs(size)
        value = self._fen(price * quantity)
        if self._exact:
            price = value / (100.0 * quantity)  # what was truly paid a share
        fees = day_fees.charge(self.market.exchanges[i], size > 0, value, quantity, *order.charged)
        charged = fees[0] + fees[1] + fees[2] + fees[3]
        before = order.charged
        order.charged = (before[0] + value, before[1] + fees[0], before[2] + quantity, before[3] + fees[2])
        old = int(self.shares[i])
        new = old + size
        cost = float(self._cost[i])
        self._cash += (-value if size > 0 else value) - charged
        self.shares[i] = new
        if size > 0:
            self._cost[i] = (old * cost + quantity * price) / new
            self._bought[i] = self._bought.get(i, 0) + quantity
            if not old:
                self._remember(i)
            pnl, booked = 0.0, value / 100.0
        else:
            pnl, booked = quantity * (price - cost), quantity * cost
            if not new:
                self._forget(i)
        self.ledger.fill(t, order.ref, i, size, price, value, fees, abs(price - unslipped) * quantity)
        bit = Execution(
            float(self.market.day_numbers[t]), size, price, booked, charged / 100.0, pnl, new, float(self._cost[i])
        )
        order.executed.add(bit)
        order.status = Order.Completed if not order.executed.remsize else Order.Partial
        if order.refusal is not None:
            order.refusal.done += min(quantity, order.refusal.wanted - order.refusal.done)
            if order.status == Order.Completed:
                order.refusal.outcome, order.refusal, order.reason = "done", None, ""
        self._notice(order, self._update_trades(order, bit, t))

    def _update_trades(self, order: Order, bit: Execution, t: int) -> list[Trade]:
        key = (id(order.owner), order.tradeid)
        trades = self._trades.setdefault(order.i, {})
        trade = trades.get(key)
        if trade is None or trade.isclosed:
            self._trade_refs += 1
            trade = trades[key] = Trade(self._trade_refs, order.data, order.tradeid)
        trade.update(bit.size, bit.price, bit.comm, len(self.market.running), float(self.market.day_numbers[t]))
        if trade.isclosed:  # it will not change again
            return [trade]
        return [trade.clone()] if trade.justopened else []

    def _remember(self, i: int) -> None:
        insort(self.held, i)
        self._held_array = None

    def _forget(self, i: int) -> None:
        self.held.remove(i)
        self._cost[i] = 0.0
        self._held_array = None

    def _mark(self, t: int) -> None:
        held = self._held_array
        if held is None:
            held = self._held_array = np.array(self.held, dtype=np.int64)
        shares = self.shares[held]
        marks = self.market.mark[t, held]
        if self._exact:
            self._value = self._cash + int((np.rint(marks * 100.0).astype(np.int64) * shares).sum())
        else:
            self._value = self._cash + float((marks * shares).sum()) * 100.0
        sellable = shares
        if self._bought and self.rules.t_plus_one:
            bought = np.array([self._bought.get(i, 0) for i in self.held], dtype=np.int64)
            sellable = shares - bought
        self.ledger.close_session(t, self._cash, self._value, held, shares, sellable)

    # -- refusals and ends ----------------------------------------------------------------------

    def _notice(self, order: Order, trades: list[Trade] | None = None) -> None:
        self._notices.append((order.clone(), _NONE if trades is None else trades))

    def _end(self, order: Order, status: int, outcome: str) -> None:
        order.status = status
        order.executed.dt = float(self.market.day_numbers[self.market.running.t])
        if order.refusal is not None:
            order.refusal.outcome, order.refusal = outcome, None
        self._notice(order)

    def _reject(self, order: Order, t: int, wanted: int, reason: str) -> None:
        order.reason = reason
        if order.refusal is not None:
            order.refusal.outcome, order.refusal = "dropped", None
        self.ledger.refuse(t, order, wanted, 0, reason, "dropped")
        self._end(order, Order.Rejected, "dropped")

    def _expire(self, order: Order, t: int) -> None:
        if order.refusal is None:
            self.ledger.refuse(t, order, order.remaining, 0, matching.NOT_REACHED, "dropped")
            order.reason = matching.NOT_REACHED
        self._end(order, Order.Expired, "dropped")

    def _blocked(self, order: Order, t: int, wanted: int, reason: str) -> None:
        """Note that a pending order could not trade today; it stays pending unless it is a day order."""
        order.reason = reason
        if reason == matching.NOT_REACHED:
            return  # a resting limit order that waits is not refused; its expiry is
        row = order.refusal
        if row is not None and row.reason == reason:
            row.days += 1
            return
        if row is not None:
            row.outcome = "changed"
        order.refusal = self.ledger.refuse(t, order, wanted, 0, reason, "pending")

    def _cut(self, order: Order, t: int, missing: int, reason: str) -> None:
        """Take ``missing`` shares off an order for good; it goes on with the rest."""
        left = order.remaining - missing
        order.reason = reason
        self.ledger.refuse(t, order, order.remaining, left, reason, "cut" if left else "dropped")
        if not left and not order.executed.size:
            return  # nothing is left: the caller rejects the order as it was
        order.executed.remsize = left if order.isbuy() else -left
        order.size = order.created.size = (order.executed.size + left) if order.isbuy() else (order.executed.size - left)
