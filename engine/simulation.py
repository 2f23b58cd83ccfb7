"""Puts Cerebro, market, broker and strategy together and runs them once, in memory.

:func:`simulate` is what a notebook or a test calls with a ready market;
:func:`engine.backtest.run` adds configuration, data and the run folder.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import backtrader as bt

from engine.broker import AShareBroker
from engine.errors import ConfigError, DataError, nearest
from engine.market import Market
from engine.plugins import FROM_THE_RUN

Progress = Callable[[int, int, str, float], None]
"""Called as progress(session number, sessions in all, date, account value in yuan)."""


@dataclass(frozen=True)
class Simulation:
    """A finished run in memory: the broker with its ledger, and the strategy."""

    market: Market
    broker: Any
    strategy: bt.Strategy
    cerebro: bt.Cerebro


class _Progress(bt.Analyzer):  # type: ignore[misc]
    """Tells a callback about every twentieth session and the last."""

    params = (("callback", None), ("market", None))

    def start(self) -> None:
        clock = self.p.market.running
        self._count, self._total = 0, clock.p.last - clock.p.first + 1

    def next(self) -> None:
        self._count += 1
        if self._count % 20 == 0 or self._count == self._total:
            market = self.p.market
            self.p.callback(
                self._count,
                self._total,
                str(market.sessions[market.running.t]),
                self.strategy.broker.getvalue(),
            )

    prenext = nextstart = next


_AT_MOST = 250_000
"""Objects of earlier runs that may wait for the garbage collector when a run begins; or ten runs, however small."""
_waiting = 0


@contextlib.contextmanager
def _fewer_collections() -> Iterator[None]:
    """Keep what lives before and through a run out of the garbage collector's rounds.

    Afterwards all of it counts as old (that is what freezing and thawing does), so that the next round does not
    go through every order of the run. The collector does not know of these objects, so they are counted here, and
    a sweep of many runs collects what the earlier ones left behind.
    """
    global _waiting
    if _waiting > _AT_MOST:
        gc.collect()
        _waiting = 0
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count() == 0
    gc.set_threshold(200_000, 20, 20)
    if frozen:
        gc.freeze()
    try:
        yield
    finally:
        if frozen:
            _waiting += max(gc.get_count()[0], _AT_MOST // 10)
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*thresholds)


def base_session(market: Market, start: Any, end: Any) -> tuple[int, int]:
    """First and last session of a run: the base day (the one before ``start``) and the last up to ``end``.

    On the base day the account is funded; a decision scheduled on it fills on the first session. Data
    that begin at ``start`` have no session before it: the first one is then the base day.

    Raises
    ------
    DataError
        If there is no session between the dates.
    """
    first = 0 if start is None else market.position_of(start)
    last = (len(market.sessions) if end is None else market.position_of(end, "right")) - 1
    if first > last:
        raise DataError(
            f"there is no trading session from {start} to {end}: the data reach from {market.sessions[0]} to "
            f"{market.sessions[-1]}"
        )
    return max(first - 1, 0), last


def check_parameters(strategy: type[bt.Strategy], params: Mapping[str, Any]) -> None:
    """Refuse parameters the strategy does not have, naming the nearest.

    Raises
    ------
    ConfigError
    """
    known = [name for name in strategy.params._getkeys() if name not in FROM_THE_RUN]
    for name in params:
        if name not in known:
            raise ConfigError(f"strategy {strategy.__name__} has no parameter '{name}'; {nearest(name, known)}")


def simulate(
    market: Market,
    strategy: type[bt.Strategy],
    params: Mapping[str, Any] | None = None,
    *,
    signal: Any = None,
    rebalance: str = "1M",
    anchor: int = 12,
    start: Any = None,
    end: Any = None,
    cash: float = 1_000_000.0,
    rules: Any = None,
    fees: Any = None,
    slippage: Any = None,
    fill: str = "next_open",
    cash_rate: float = 0.0,
    bar_feeds: Sequence[str] = (),
    overlays: Sequence[Any] = (),
    progress: Progress | None = None,
    broker: type = AShareBroker,
) -> Simulation:
    """Run one strategy over one market.

    Parameters
    ----------
    market : Market
        Shared, not changed: the run works on a fork with a clock of its own.
    strategy : type
        A Backtrader strategy; one that has the parameters ``signal``, ``rebalance`` and ``anchor`` gets
        them.
    params : mapping
        The strategy's own parameters.
    start, end : date-like, optional
        Span of the account; the whole market by default. See :func:`base_session`.
    cash : float
        Yuan.
    rules, fees, slippage, fill, cash_rate
        As of :class:`engine.broker.AShareBroker`.
    bar_feeds : sequence of str
        Symbols that Cerebro also holds as true feeds (``self.data1`` ...), for indicators.
    overlays : sequence of Overlay
        What the strategy's weights go through before they are ordered (:mod:`strategies.overlays`).
    progress : callable, optional
    broker : type
        :class:`engine.broker.AShareBroker`, or :class:`engine.portfolios_broker.PortfoliosBroker` for a strategy that
        holds many portfolios.

    Raises
    ------
    HuiceError
        Whatever the market, the strategy or the signal refuses.
    """
    if bar_feeds and fill == "same_close":
        raise ConfigError(
            "fill is 'same_close' and the strategy has bar feeds, whose close can be read before it is known; "
            "use fill='next_open' or stock handles"
        )
    params = dict(params or {})
    check_parameters(strategy, params)
    if overlays and "overlays" not in strategy.params._getkeys():
        raise ConfigError(
            f"strategy {strategy.__name__} sends its own orders, so overlays have no weights to work on; leave them "
            "out, or subclass strategies.base.RebalanceStrategy"
        )
    market = market.fork()
    first, last = base_session(market, start, end)
    cerebro = bt.Cerebro(stdstats=False, cheat_on_open=fill == "same_close")
    cerebro.adddata(market.clock(market.sessions[first], market.sessions[last]), name="clock")
    for symbol in bar_feeds:
        cerebro.adddata(market.bar_feed(symbol), name=symbol)
    ours = broker(market=market, cash=cash, rules=rules, fees=fees, slippage=slippage, fill=fill, cash_rate=cash_rate)
    cerebro.setbroker(ours)
    given = {"signal": signal, "rebalance": rebalance, "anchor": anchor, "overlays": tuple(overlays)}
    for name, value in given.items():
        if name in strategy.params._getkeys():
            params[name] = value
    cerebro.addstrategy(strategy, **params)
    if progress is not None:
        cerebro.addanalyzer(_Progress, callback=progress, market=market)
    with _fewer_collections():
        strategies = cerebro.run()
    return Simulation(market, ours, strategies[0], cerebro)
