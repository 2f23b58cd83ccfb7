"""Methods of Backtrader's own that would do, draw or return nothing without a word: refused or mended.

What is refused is refused with our broker only.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import backtrader as bt

from engine.errors import ConfigError, RuleError
from engine.handles import Clock


def _is_ours(broker: Any) -> bool:
    return getattr(broker, "market", None) is not None


def _check_stock(strategy: Any, what: str, data: Any = None) -> None:
    if _is_ours(strategy.broker) and isinstance(strategy.datas[0] if data is None else data, Clock):
        raise RuleError(
            f"{what}: the clock cannot be traded (it is the first feed, which stands for a stock left out): name a "
            "stock, as in self.close(data=market['600519.SH'])"
        )


def _of_a_stock(method: Any) -> Any:
    """An order method that does nothing where nothing is held: refused for the clock, where nothing ever is."""

    @functools.wraps(method)
    def call(self: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        _check_stock(self, method.__name__, self.getdatabyname(data) if isinstance(data, str) else data)
        return method(self, data, *args, **kwargs)

    return call


def _named(method: Any) -> Any:
    """A look at a position, for ever empty where the first feed is the clock and no other is named."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if all(given is None for given in (*args[:1], kwargs.get("data"), kwargs.get("name"))):
            _check_stock(self, "position")
        return method(self, *args, **kwargs)

    return call


for _name in ("close", "order_target_size", "order_target_value", "order_target_percent"):
    setattr(bt.Strategy, _name, _of_a_stock(getattr(bt.Strategy, _name)))
for _name, _short in (("getposition", "position"), ("getpositionbyname", "positionbyname")):
    _method = _named(getattr(bt.Strategy, _name))
    setattr(bt.Strategy, _name, _method)
    setattr(bt.Strategy, _short, property(_method))


def _drawn(draw: Any) -> Any:
    """``Cerebro.plot``: without a screen into figures that can be saved, and refused where nothing would be drawn."""

    @functools.wraps(draw)
    def plot(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_ours(self.broker):
            return draw(self, *args, **kwargs)
        if self._exactbars > 0:
            raise ConfigError("plot: exactbars=1 keeps no bars to draw; leave it out, or look at the tearsheet")
        if self._dooptimize and self.p.optreturn:
            raise ConfigError("plot: optstrategy keeps no runs to draw; run one strategy, or look at the tearsheet")
        strategies = [strategy for strategies in self.runstrats for strategy in strategies]
        blank = all(isinstance(data, Clock) for data in self.datas)
        if blank and not any(strategy.getobservers() for strategy in strategies):
            raise ConfigError("plot: there is nothing to draw; run with stdstats=True, or look at the tearsheet")
        import backtrader.plot  # noqa: F401  asks for a backend with a screen
        import matplotlib
        import matplotlib.pyplot as plt

        try:
            plt.switch_backend(matplotlib.get_backend())
        except ImportError:
            plt.switch_backend("agg")
        for k in range(len(strategies)):
            plt.close(100 * k)  # Backtrader's number of the figure; it would draw over one that is open
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*non-interactive.*")  # there is no window to show
            figures = draw(self, *args, **kwargs)
        return figures

    return plot


bt.Cerebro.plot = _drawn(bt.Cerebro.plot)


def _repeatable(add: Any) -> Any:
    """``Cerebro.optstrategy``, whose choices the first ``run()`` would use up: a second would return nothing."""

    @functools.wraps(add)
    def optstrategy(self: Any, *args: Any, **kwargs: Any) -> None:
        add(self, *args, **kwargs)
        self.strats[-1] = list(self.strats[-1])

    return optstrategy


bt.Cerebro.optstrategy = _repeatable(bt.Cerebro.optstrategy)
