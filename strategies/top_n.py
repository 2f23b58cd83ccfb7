"""Hold the n best stocks in equal weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ConfigError, nearest
from engine.price_limits import STATES
from strategies.base import Portfolio, RebalanceStrategy, best
from strategies.targets import Targets

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View

TRADES = ("full", "freed-cash", "newcomers")
EXITS = ("rebalance", "at-once", "keep")

_BARRED = {STATES.index("st"): "ST"} | {
    STATES.index(state): "DELISTING" for state in ("delisting", "delisting_first")
}  # fmt: skip


class TopN(RebalanceStrategy):
    """The ``hold`` stocks of highest score in equal weights.

    Stocks under special treatment or in their delisting period are not bought.

    Parameters
    ----------
    hold : int
        Names to hold, 50 by default. With fewer scored, the rest of the account stays in cash.
    trade : {"full", "freed-cash", "newcomers"}
        ``full``: every name goes to 1 / ``hold`` of the account. ``freed-cash``: names kept are not traded, and all
        cash, with what the leavers bring, is split equally over the newcomers (paper 1). ``newcomers``: names kept
        are not traded, each newcomer gets 1 / ``hold`` of the account, or an equal part of the cash where that is
        less (paper 5).
    buffer : int
        A name held stays while it is among the best ``hold + buffer``.
    min_trade : float
        With ``full``, names that lack or exceed their weight by less than this fraction of the account are left alone.
    replace : bool
        A stock whose smallest lot costs more than its target gives its place to the next in rank; else the place
        stays empty. Either way it is refused with ``LOT``.
    spread : bool
        Cash that whole lots leave buys one lot more of the stocks that lack most, while a lot fits.
    exits : {"rebalance", "at-once", "keep"}
        When a held name that left the universe, came under special treatment or entered its delisting period is
        sold: at the next rebalance, on the session after, or not for that (it is held as it is until it is a
        candidate again). The reason (``LEFT_UNIVERSE``, ``ST``, ``DELISTING``) stands in ``targets.parquet``.
    """

    params = (
        ("hold", 50),
        ("trade", "full"),
        ("buffer", 0),
        ("min_trade", 0.0),
        ("replace", True),
        ("spread", True),
        ("exits", "rebalance"),
    )

    def start(self) -> None:
        """Check the parameters.

        Raises
        ------
        ConfigError
            If one has a value that it cannot have.
        """
        p = self.p
        if p.hold < 1:
            raise ConfigError(f"strategy top-n was asked to hold {p.hold} names; give hold=1 or more")
        if p.buffer < 0:
            raise ConfigError(f"strategy top-n was given a buffer of {p.buffer} names; give buffer=0 or more")
        if not 0.0 <= p.min_trade < 1.0:
            raise ConfigError(f"strategy top-n was given min_trade={p.min_trade}; give a fraction below 1")
        for name, value, words in (("trade", p.trade, TRADES), ("exits", p.exits, EXITS)):
            if value not in words:
                raise ConfigError(f"strategy top-n was given {name}='{value}'; {nearest(value, words)}")
        super().start()

    def allocate(self, scores: pd.DataFrame, portfolio: Portfolio, view: View) -> Targets:  # type: ignore[override]
        """Weights of the best, and what becomes of the names held."""
        held = portfolio.weights
        leaving = self.departures(held, view)
        stay = dict.fromkeys(leaving, "KEPT") if self.p.exits == "keep" else {}
        barred = self._barred(view)
        ranked = [symbol for symbol in best(scores, len(scores)) if symbol not in leaving and symbol not in barred]
        places = max(self.p.hold - len(stay), 0)
        wide = ranked[: self.p.hold + self.p.buffer]
        kept = [symbol for symbol in wide if symbol in held][:places]
        newcomers = [symbol for symbol in ranked if symbol not in held][: places - len(kept)]
        chosen = sorted({*kept, *newcomers}, key={symbol: k for k, symbol in enumerate(ranked)}.__getitem__)
        weights = self._weights(chosen, kept, held, stay, places)
        reasons = {symbol: "RANK" for symbol in held if symbol not in weights}
        reasons |= {symbol: "BUFFER" for symbol in kept if symbol in ranked[self.p.hold :]}
        spares = [symbol for symbol in ranked if symbol not in weights] if self.p.replace else ()
        return Targets(weights, spares=spares, spread=self.p.spread, reasons=reasons | (stay or leaving))

    def _weights(
        self, chosen: list[str], kept: list[str], held: Mapping[str, float], stay: Iterable[str], places: int
    ) -> dict[str, float]:
        """Target weights; ``places`` are to be filled, by ``chosen`` as far as there are stocks."""
        equal = 1.0 / self.p.hold
        if self.p.trade == "full":
            alone = [symbol for symbol in kept if abs(held[symbol] - equal) < self.p.min_trade]
        else:
            alone = kept
        untouched = {symbol: held[symbol] for symbol in (*stay, *alone)}
        free = max(1.0 - sum(untouched.values()), 0.0)
        share = free / max(places - len(alone), 1)
        if self.p.trade != "freed-cash":
            share = min(share, equal)
        return {symbol: untouched.get(symbol, share) for symbol in (*stay, *chosen)}

    def departures(self, held: Iterable[str], view: View) -> dict[str, str]:
        """Held names that are no candidates any more, and why."""
        inside, barred = view.universe, self._barred(view)
        return {
            symbol: barred.get(symbol, "LEFT_UNIVERSE")
            for symbol in held
            if symbol in barred or not inside[self.market.column(symbol)]
        }

    def between(self, view: View) -> None:
        """Sell at once what is to be sold at once."""
        super().between(view)
        if self.p.exits == "at-once":
            leaving = self.departures(Portfolio(self.broker).shares, view)
            if leaving:
                self.broker.sell_out(leaving, owner=self)

    @staticmethod
    def _barred(view: View) -> dict[str, str]:
        """Stocks that are not bought, and why."""
        state = view.state[-1]
        return {view.symbols[i]: _BARRED[state[i]] for i in np.flatnonzero(np.isin(state, list(_BARRED))).tolist()}
