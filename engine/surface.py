"""What Backtrader's users may ask of a run beyond orders: names, funds, setters, analyzers, observers.

Each either works with stock handles or is refused with one sentence that names what to use instead; nothing
answers with an empty result. The README's table "Backtrader's surface" has it row by row.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import OrderedDict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import backtrader as bt
from backtrader.broker import BrokerBase
from backtrader.lineiterator import LineIterator
from backtrader.metabase import ItemCollection

from engine import guards  # noqa: F401  refuses what would be silently wrong
from engine.analyzers import SEEING
from engine.errors import ConfigError, DataError, RuleError, nearest
from engine.handles import BarFeed, Clock, StockHandle

if TYPE_CHECKING:
    from engine.account import Account

_INSTEAD = {
    "set_slippage_perc": "use AShareBroker(slippage=BasisPoints(bps=5))",
    "set_slippage_fixed": "use AShareBroker(slippage=FixedSlippage(yuan=0.01))",
    "set_filler": "use AShareBroker(slippage=VolumeShare(cap=0.1)), which caps a session's fills",
    "set_coc": "use AShareBroker(fill='same_close') and issue orders in next_open()",
    "set_checksubmit": "use AShareBroker(rules=Rules(check_submitted=True))",
    "set_shortcash": "shares cannot be sold short here, so there is no cash of short sales",
    "set_int2pnl": "there is no short selling and no interest on it; cash earns the broker's cash_rate",
    "set_eosbar": "all bars are daily: each ends its session",
    "seteosbar": "all bars are daily: each ends its session",
    "add_order_history": "place the orders from a strategy, or the holdings with broker.target_weights",
    "set_fund_history": "set the cash with setcash and pay in or out with add_cash",
    "setcommission": "use AShareBroker(fees=FeeSchedule(commission=0.00025))",
    "addcommissioninfo": "use AShareBroker(fees=FeeSchedule(commission=0.00025))",
} | dict.fromkeys(
    ("submit", "transmit", "submit_accept", "check_submitted", "notify"),
    "orders come from a strategy's buy, sell and close, or as a basket from broker.target_weights",
)
"""What our broker takes instead of a setter of Backtrader's own."""


_OPTIONS = {name: f"set_{name}" for name in ("filler", "coc", "checksubmit", "shortcash", "int2pnl", "eosbar")} | {
    "slip_perc": "set_slippage_perc",
    "slip_fixed": "set_slippage_fixed",
    "commission": "setcommission",
}
"""Options of Backtrader's own broker, and the setter whose refusal says what to use instead."""


class Surface(BrokerBase):  # type: ignore[misc]
    """The part of Backtrader's broker that is not about orders: paying in, funds, setters."""

    account: Account
    startingcash: float

    _running = _looked = _fundmode = False
    _fund_start = 100.0
    _fund_shares = 1.0

    def __init__(self, **unknown: Any) -> None:
        super().__init__()
        if self.p.notdefault("commission"):  # an option that BrokerBase has
            unknown["commission"] = self.p.commission
        for name in unknown:
            known = sorted(set(self.p._getkeys()) - {"commission"})
            instead = _INSTEAD.get(_OPTIONS.get(name, ""), nearest(name, known))
            raise ConfigError(f"AShareBroker has no option '{name}': {instead}")

    def start(self) -> None:
        """Begin a run on a fresh account."""
        super().start()
        self._paid_in: list[float] = []
        self._fund_shares = self.startingcash / self._fund_start or 1.0
        self._running, self._looked = True, False
        cerebro = self.cerebro
        if cerebro.p.cheat_on_open and not cerebro.p.broker_coo:
            raise ConfigError(
                "orders of next_open() fill at that bar's open: leave broker_coo as it is, or order in next()"
            )
        for data in cerebro.datas:
            vars(data).pop("rewind", None)
            if cerebro._exactbars > 0 and not data.resampling:
                data.rewind = _refuse_other_dates  # resampled bars are put back on purpose
        names = cerebro.datasbyname
        if not isinstance(names, Names):
            names = cerebro.datasbyname = Names(names)
        names.broker = self

    def stop(self) -> None:
        """End the run; its account can still be read."""
        self._running = False

    def get_value_lever(self, datas: Any = None, mkt: bool = False) -> float:
        """The account's value: nothing is levered."""
        return self.getvalue(datas)  # type: ignore[no-any-return]

    def get_leverage(self) -> float:
        """1.0: nothing is levered."""
        return 1.0

    def set_coo(self, coo: bool = True) -> None:
        """What Cerebro asks for with ``cheat_on_open``; orders of ``next_open`` fill at that bar's open anyway."""
        if not coo:
            raise ConfigError("set_coo(False): orders of next_open() fill at that bar's open; order in next() instead")

    # -- paying in, and the account as a fund ---------------------------------------------------

    def add_cash(self, cash: float) -> None:
        """Pay in ``cash`` yuan (negative: take out) before the next session opens.

        Raises
        ------
        ConfigError
            Outside a run, where ``setcash`` sets what it begins with.
        """
        if not self._running:
            raise ConfigError("add_cash pays into a running account: before a run use setcash")
        self._paid_in.append(float(cash))

    def _pay_in(self) -> None:
        """Book what was paid in; fund shares are bought at the last close."""
        account = self.account
        for cash in self._paid_in:
            fen = account.fen(cash)
            if account.cash + fen < 0:
                raise RuleError(f"add_cash takes out {-cash:.2f} yuan, but there are only {account.cash / 100:.2f}")
            self._fund_shares += cash / (self.get_fundvalue() or self._fund_start)
            account.cash += fen
            account.value += fen
            account.ledger.deposit(fen)
        self._paid_in.clear()

    def get_fundshares(self) -> float:
        """Shares of the account as a fund: the starting cash by the fund's starting value, and paid-in cash since."""
        return self._fund_shares

    def get_fundvalue(self) -> float:
        """Value of one share of the account as a fund, yuan; 100 at the start."""
        return self.getvalue() / self._fund_shares  # type: ignore[no-any-return]

    fundshares = property(get_fundshares)
    fundvalue = property(get_fundvalue)

    def set_fundmode(self, fundmode: bool, fundstartval: float | None = None) -> None:
        """Let analyzers and observers measure the value of a fund's share, which paid-in cash leaves as it is."""
        self._fundmode = bool(fundmode)
        if fundstartval is not None:
            self.set_fundstartval(fundstartval)

    def set_fundstartval(self, fundstartval: float) -> None:
        """What a fund's share is worth at the start, yuan."""
        self._fund_start = float(fundstartval)

    def get_fundmode(self) -> bool:
        """Whether analyzers measure a fund's share."""
        return self._fundmode

    fundmode = property(get_fundmode, set_fundmode)

    # -- what the run holds ---------------------------------------------------------------------

    def _look(self) -> None:
        """Once, at the first bar: let analyzers and observers see handles, or refuse them."""
        self._looked = True
        feeds: dict[int, Any] = {}
        for data in self.cerebro.datas:
            i = stock_of(self, data)
            if i is not None:
                feeds.setdefault(i, data)
        if all(isinstance(data, Clock | BarFeed) for data in self.cerebro.datas):
            _refuse_times([*self.cerebro._timers, *self.cerebro._timerscheat])
        for strategy in self.cerebro.runningstrats:
            if strategy._tradehistoryon:
                raise ConfigError("trades keep no history here: use the analyzer engine.analyzers.Fills")
            strategy._trades = _Refused("a strategy keeps no trades here: use the analyzer engine.analyzers.RoundTrips")
            for analyzer in [*strategy.analyzers, *strategy._slave_analyzers]:
                _see(analyzer, strategy)
            for observer in strategy._lineiterators[LineIterator.ObsType]:
                _show(observer, strategy, feeds)
            strategy.analyzers.__class__ = _Analyzers
            if _can_be_direct(strategy):
                strategy._notify = functools.partial(_notify, strategy)


class _Analyzers(ItemCollection):  # type: ignore[misc]
    """Backtrader's collection of analyzers, gone through without an exception at its end.

    Backtrader goes through it for every notification and finds the end by an ``IndexError``, which costs more
    than the notification.
    """

    def __iter__(self) -> Any:
        return iter(self._items)


def _refuse_other_dates(size: int = 1) -> NoReturn:
    """Backtrader, keeping only the bars it needs, would lose one: dates and prices would be those of another day."""
    raise ConfigError(
        "the feeds of Cerebro have different dates, of which exactbars=1 loses bars: leave exactbars out, or use -1"
    )


def _can_be_direct(strategy: Any) -> bool:
    """Whether Backtrader's own ``_notify`` of this strategy does nothing but call its ``notify_*`` methods."""
    own = type(strategy)._notify is not bt.Strategy._notify
    return not (own or len(strategy.analyzers) or strategy._slave_analyzers or strategy.cerebro.p.quicknotify)


def _notify(strategy: Any) -> None:
    """What ``bt.Strategy._notify`` does for a strategy without analyzers.

    Backtrader looks for them anew for each notification, which costs more than the notification. What is called,
    with what and in which sequence is the same.
    """
    for order in strategy._orderspending:
        strategy.notify_order(order)
    for trade in strategy._tradespending:
        strategy.notify_trade(trade)
    kind, broker = type(strategy), strategy.broker
    if kind.notify_cashvalue is not bt.Strategy.notify_cashvalue:
        strategy.notify_cashvalue(broker.getcash(), broker.getvalue())
    if kind.notify_fund is not bt.Strategy.notify_fund:
        strategy.notify_fund(broker.getcash(), broker.getvalue(), broker.fundvalue, broker.fundshares)


def _refusal(name: str, instead: str) -> Any:
    def setter(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConfigError(f"{name} is for Backtrader's own broker: {instead}")

    setter.__name__ = name
    setter.__doc__ = f"Refused: {instead}."
    return setter


for _name, _instead in _INSTEAD.items():
    setattr(Surface, _name, _refusal(_name, _instead))


class Names(OrderedDict[str, Any]):
    """Cerebro's feeds by name; a symbol of the market without a feed gives its handle."""

    broker: Any = None

    def __missing__(self, name: str) -> Any:
        return self.broker.market[name]

    def items(self) -> Any:
        """Feeds of stocks and the handles of all else that is held: what ``getpositionsbyname`` goes through."""
        broker = self.broker
        found = {name: data for name, data in super().items() if stock_of(broker, data) is not None}
        feeds = {stock_of(broker, data) for data in found.values()}
        return (found | {data._name: data for data in broker.positions if data._i not in feeds}).items()

    def __reduce__(self) -> Any:
        return OrderedDict, (list(super().items()),)


def stock_of(broker: Any, data: Any) -> int | None:
    """The stock of a feed; None for the clock and for what the market does not trade."""
    try:
        return None if isinstance(data, Clock) else broker._stock(data)
    except DataError:
        return None


def _see(analyzer: Any, strategy: Any) -> None:
    """Give an analyzer and its children eyes for handles, or refuse what would come out empty."""
    kind = type(analyzer)
    for theirs, ours in SEEING.items():
        if kind is theirs:
            analyzer.__class__ = ours
        elif issubclass(kind, theirs) and not issubclass(kind, ours):
            raise ConfigError(
                f"{kind.__name__} builds on bt.analyzers.{theirs.__name__}, which sees feeds only: build it on "
                f"engine.analyzers.{ours.__name__}"
            )
    if isinstance(getattr(analyzer.p, "data", None), Clock):
        raise ConfigError(
            f"{kind.__name__} is to follow the clock, which has no prices: give it data=feed with a bar feed that "
            "Cerebro holds (LogReturns reads the first feed: add the bar feed before the clock)"
        )
    if isinstance(analyzer, bt.analyzers.AnnualReturn) and not hasattr(strategy.stats, "broker"):
        raise ConfigError(
            "AnnualReturn reads the observer Broker, which stdstats=False leaves out: use "
            "bt.analyzers.TimeReturn with timeframe=bt.TimeFrame.Years"
        )
    for child in analyzer._children:
        _see(child, strategy)


def _refuse_times(timers: list[Any]) -> None:
    """Refuse timers within the day: daily bars carry their date's midnight, so that no time of day is ever reached."""
    for timer in timers:
        when = timer.p.when
        if (
            when == bt.timer.SESSION_END
            or timer.p.offset > dt.timedelta()
            or when not in (bt.timer.SESSION_START, dt.time.min)
        ):
            raise ConfigError(
                "the timer would never be called: all bars are daily; use when=bt.timer.SESSION_START without offset, "
                "with cheat=True for orders at that session's open"
            )


class _Refused:
    """Stands for an observer that has nothing to show and says so when it is read."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def _refuse(self, *args: Any) -> NoReturn:
        raise ConfigError(self._sentence)

    __getitem__ = __iter__ = __len__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConfigError(self._sentence)


def _show(observer: Any, strategy: Any, feeds: dict[int, Any]) -> None:
    """Let an observer of orders or trades see those of handles as its feeds' own."""
    if not isinstance(observer, bt.observers.BuySell | bt.observers.DataTrades | bt.observers.Trades):
        return
    all_trades = isinstance(observer, bt.observers.Trades)
    if not feeds and not all_trades:
        name = type(observer).__name__
        sentence = (
            f"{name} shows bar feeds and Cerebro holds none: use the analyzer engine.analyzers.Fills or RoundTrips"
        )
        if any(asked[1] is type(observer) for asked in strategy.cerebro.observers):
            raise ConfigError(sentence)
        setattr(strategy.stats, name.lower(), _Refused(sentence))  # one of Cerebro's standard observers
        shown = strategy._lineiterators
        shown[LineIterator.ObsType] = [other for other in shown[LineIterator.ObsType] if other is not observer]
        return
    step = observer.next

    def feed_of(data: Any) -> Any:
        if all_trades:
            return observer.data
        return feeds.get(data._i) if isinstance(data, StockHandle) else data

    def next_with_handles() -> None:
        owner = observer._owner
        orders = [(feed_of(x.data), x) for x in owner._orderspending]
        trades = [(feed_of(x.data), x) for x in owner._tradespending]
        observer._owner = SimpleNamespace(
            _orderspending=[
                SimpleNamespace(data=data, executed=x.executed, isbuy=x.isbuy) for data, x in orders if data is not None
            ],
            _tradespending=[
                SimpleNamespace(data=data, isclosed=x.isclosed, pnl=x.pnl, pnlcomm=x.pnlcomm)
                for data, x in trades
                if data is not None
            ],
        )
        try:
            step()
        finally:
            observer._owner = owner

    observer.next = next_with_handles
