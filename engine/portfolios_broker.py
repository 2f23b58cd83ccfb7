"""Many portfolios in one pass over the market: one broker with an account of its own for each.

Every portfolio has its own cash, holdings, orders, fees, refusals and corporate actions, and ends at the fen at which
a run of its own would (:class:`engine.broker.AShareBroker`). What they share is the pass over the market and what the
strategy computed at a decision. A strategy names its portfolios once (:meth:`PortfoliosBroker.open`) and sends their
target weights (:meth:`PortfoliosBroker.target_portfolios`); orders of single stocks belong into a run of one account.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from backtrader.broker import BrokerBase

from engine import corporate
from engine.broker import FILLS
from engine.errors import ConfigError, RuleError, nearest
from engine.fees import FeeSchedule
from engine.handles import Clock
from engine.order_book import moment_of
from engine.portfolio_book import SeparateBooks
from engine.portfolio_day import has_array_form
from engine.positions import AShareComm
from engine.rules import Rules
from engine.slippage import NoSlippage

if TYPE_CHECKING:
    from engine.ledger import Ledger
    from engine.market import Market
    from engine.portfolio_books import PortfolioBooks
    from engine.portfolio_ledger import PortfolioLedger


class Decision(NamedTuple):
    """One decision on all portfolios; sessions are indices.

    ``made`` on data up to the close of ``known``, its orders could fill from ``execution`` on. ``scores`` is the
    signal's frame or None, ``targets`` the number of names by portfolio.
    """

    made: int
    known: int
    execution: int
    scores: Any
    targets: dict[str, int]


class PortfoliosBroker(BrokerBase):  # type: ignore[misc]
    """Broker of one market and many accounts; parameters as of :class:`engine.broker.AShareBroker`.

    ``cash`` is what each portfolio begins with.

    Attributes
    ----------
    names : list of str
        The portfolios, in the order in which they were opened.
    books : PortfolioBooks or SeparateBooks
        Their accounts and orders.
    decisions : list of Decision
    """

    params = (
        ("market", None), ("cash", 1_000_000.0), ("rules", None), ("fees", None), ("slippage", None),
        ("fill", "next_open"), ("cash_rate", 0.0),
    )  # fmt: skip

    market: Market
    books: PortfolioBooks | SeparateBooks

    def init(self) -> None:
        super().init()
        if self.p.fill not in FILLS:
            raise ConfigError(f"fill is '{self.p.fill}'; it must be one of {', '.join(FILLS)}")
        self.market = self.p.market
        self.rules = self.p.rules or Rules.a_share()
        self.fees = self.p.fees or FeeSchedule()
        self.slippage = self.p.slippage or NoSlippage()
        self.comminfo = {None: AShareComm()}
        self.startingcash = float(self.p.cash)
        self.names: list[str] = []
        self.decisions: list[Decision] = []
        self._session = -1

    def start(self) -> None:
        """Begin a run on the clock that Cerebro holds.

        Raises
        ------
        DataError
            If the market's prices are adjusted and dividends are to be booked.
        """
        super().start()
        self._clock = next(data for data in self.cerebro.datas if isinstance(data, Clock))
        if self.rules.corporate_actions:
            corporate.refuse_adjusted(self.market)

    def open(self, names: Sequence[str]) -> None:
        """Open an account for each portfolio.

        Raises
        ------
        ConfigError
            If a name is empty or there twice, or there is none.
        """
        if not names or not all(names) or len(set(names)) != len(names):
            raise ConfigError(f"portfolios must have names of their own, not {list(names)}")
        self.names = list(names)
        self._place = {name: p for p, name in enumerate(names)}
        self.startingcash = float(self.p.cash) * len(names)
        market, rules, span = self.market, self.rules, (self._clock.p.first, self._clock.p.last)
        if has_array_form(market, rules, self.fees, self.slippage, *span):
            from engine.portfolio_books import PortfolioBooks  # with Numba, for which no other run waits

            cash = math.floor(self.p.cash * 100.0 + 0.5)
            self.books = PortfolioBooks(market, rules, self.fees, len(names), cash, self.p.fill != "next_open", *span)
        else:
            models = (rules, self.fees, self.slippage)
            self.books = SeparateBooks(market, *models, len(names), self.p.cash, self.p.fill, self)

    def ledgers(self) -> dict[str, PortfolioLedger | Ledger]:
        """What happened to each portfolio, by name."""
        return dict(zip(self.names, self.books.ledgers(), strict=True))

    # -- what Backtrader asks -------------------------------------------------------------------

    def getcash(self) -> float:
        """Cash of all portfolios together, yuan."""
        return float(self.books.cash.sum() / 100.0) if self.names else self.startingcash

    def getvalue(self, datas: Any = None) -> float:
        """Value of all portfolios together at the last close booked, yuan."""
        return float(self.books.value.sum() / 100.0) if self.names else self.startingcash

    get_cash, get_value = getcash, getvalue

    def get_notification(self) -> None:
        """Nobody is told of single orders."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RuleError(
            f"{len(self.names)} portfolios share this broker: send their weights with broker.target_portfolios, or run "
            "the strategy on one account (engine.simulation.simulate)"
        )

    buy = sell = cancel = getposition = target_weights = _refuse

    # -- baskets in -----------------------------------------------------------------------------

    def target_portfolios(self, weights: Mapping[str, Mapping[str, float]], owner: Any) -> None:
        """Trade portfolios towards baskets; a portfolio that is not named keeps what it has.

        Parameters
        ----------
        weights : mapping of str to mapping of str to float
            By portfolio: fractions of its value by symbol, none negative, sum at most 1.
        owner : Strategy

        Raises
        ------
        RuleError
            If a portfolio is unknown, a weight is negative or no number, or weights sum above 1.
        """
        date = self.market.sessions[self.market.running.t]
        moment = moment_of(self.market, self.p.fill)
        if moment.known < 0:
            raise RuleError(f"target weights on {date} have no close to be sized with yet")
        for name, wanted in weights.items():
            if name not in self._place:
                raise RuleError(f"there is no portfolio '{name}' on {date}; {nearest(name, self.names)}")
            fractions = [float(weight) for weight in wanted.values()]
            total = math.fsum(fractions)
            if not (math.isfinite(total) and min(fractions, default=0.0) >= 0.0 and total <= 1.0 + 1e-9):
                raise RuleError(
                    f"target weights of portfolio '{name}' must be fractions from 0 to 1 that sum to at most 1; on "
                    f"{date} they sum to {total:.6f} with a smallest of {min(fractions, default=0.0):.6f}"
                )
            self.books.target(self._place[name], moment, self.market.columns(wanted), fractions)

    # -- the session ----------------------------------------------------------------------------

    def next(self) -> None:
        """Book one session of every portfolio."""
        clock, bar = self._clock, len(self._clock)
        t, previous = clock.t if bar else -1, self._session
        if t == previous or not bar:
            return
        self._session = t
        if previous >= 0 and self.p.cash_rate:
            self.books.accrue(previous, t, self.p.cash_rate)
        self.books.trade(t)
        clock.closed = t
        self.books.close(t)
