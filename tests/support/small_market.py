"""Tiny markets written out by hand, and a strategy that follows a script of orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import backtrader as bt
import numpy as np

from engine.fees import ZeroFees
from engine.market import Market
from engine.rules import Rules
from engine.simulation import Simulation, simulate

NAN = float("nan")


def market_of(
    closes: Mapping[str, Sequence[float]],
    *,
    opens: Mapping[str, Sequence[float]] | None = None,
    precloses: Mapping[str, Sequence[float]] | None = None,
    first_day: str = "2019-03-04",
    volume: float = 1e6,
    **more: Any,
) -> Market:
    """A market whose bars open at the close before (or at ``opens``) and range over open and close.

    NaN closes are sessions without a bar. Days are consecutive weekdays from ``first_day``.
    """
    symbols = sorted(closes)
    close = np.array([closes[symbol] for symbol in symbols], dtype=float).T
    opened = close.copy()
    for k, symbol in enumerate(symbols):
        if opens and symbol in opens:
            opened[:, k] = opens[symbol]
    opened[np.isnan(close)] = np.nan
    raw = {
        "open": opened,
        "high": np.fmax(opened, close),
        "low": np.fmin(opened, close),
        "close": close,
        "volume": np.where(np.isnan(close), np.nan, volume),
    }
    if precloses is not None:
        raw["preclose"] = np.array([precloses[symbol] for symbol in symbols], dtype=float).T
    if "st" in more:
        treated = more.pop("st")
        raw["st"] = np.array([treated[symbol] for symbol in symbols], dtype=np.uint8).T
    sessions = np.busday_offset(first_day, np.arange(len(close)), roll="forward").astype("datetime64[D]")
    return Market.build(sessions, symbols, raw, **more)


def event(t: int, prev: float, pre: float, ratio: float, cash: float, **more: float) -> dict[str, np.ndarray]:
    """One ex-date of the first stock, as ``events=`` of :func:`market_of` takes it."""
    columns = {
        "t": t, "i": 0, "prev_close": prev, "preclose": pre, "factor_ratio": prev / pre, "share_ratio": ratio,
        "cash": cash, **more,
    }  # fmt: skip
    return {name: np.array([value]) for name, value in columns.items()}


class Scripted(bt.Strategy):
    """Calls ``script[n](self)`` in ``next`` of the nth session (0-based) and keeps what it is told."""

    params = (("script", None), ("before_close", None))

    def start(self) -> None:
        self.told: list[tuple[int, str, str]] = []
        self.closed: list[Any] = []
        self.notes: list[Any] = []

    @property
    def market(self) -> Market:
        return self.broker.market

    def notify_order(self, order: Any) -> None:
        self.told.append((order.ref, order.getstatusname(), order.reason))

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.closed.append(trade)

    def next(self) -> None:
        action = (self.p.script or {}).get(len(self) - 1)
        if action is not None:
            action(self)

    def next_open(self) -> None:
        action = (self.p.before_close or {}).get(len(self.market.running) - 1)
        if action is not None:
            action(self)


Action = Callable[[Any], Any]


def play(
    market: Market,
    script: Mapping[int, Action],
    before_close: Mapping[int, Action] | None = None,
    **options: Any,
) -> Simulation:
    """Run ``script`` over the whole market."""
    return simulate(market, Scripted, {"script": dict(script), "before_close": dict(before_close or {})}, **options)


def ran(market: Market, script: Mapping[int, Action], cash: float = 100_000.0, **rules: Any) -> Simulation:
    """Play a script without fees under the given rules."""
    return play(market, script, fees=ZeroFees(), cash=cash, rules=Rules(**rules))
