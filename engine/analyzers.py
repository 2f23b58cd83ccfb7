"""Analyzers that see the whole account, where Backtrader's look only at the feeds of Cerebro.

:class:`Holdings`, :class:`Fills`, :class:`RoundTrips` and :class:`Costs` read the broker's ledger and are
added as any other: ``cerebro.addanalyzer(Holdings)``. They tell of the account, which all strategies of one
Cerebro share. Backtrader's own ``Transactions``, ``PositionsValue`` and ``PyFolio`` are made to see stocks
traded through handles by the classes at the end, which the broker puts in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import backtrader as bt

from engine.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd


class _OfLedger(bt.Analyzer):  # type: ignore[misc]
    """Reads the ledger when the run ends; earlier, ``get_analysis()`` gives what is booked so far."""

    def create_analysis(self) -> None:
        self.rets: Any = None

    def start(self) -> None:
        if not hasattr(self.strategy.broker, "ledger"):
            raise ConfigError(
                f"{type(self).__name__} reads the ledger of AShareBroker: cerebro.setbroker(AShareBroker())"
            )

    def stop(self) -> None:
        self.rets = self.read(self.strategy.broker)

    def read(self, broker: Any) -> Any:
        raise NotImplementedError

    def get_analysis(self) -> Any:
        """What the class reads from the ledger."""
        return self.read(self.strategy.broker) if self.rets is None else self.rets


class Holdings(_OfLedger):
    """Frame of what is held after each close: date, symbol, shares, sellable, price, value (yuan)."""

    def read(self, broker: Any) -> pd.DataFrame:
        return broker.ledger.positions_frame()


class Fills(_OfLedger):
    """Frame of executions: order_id, date, symbol, side, shares, price, itemised fees and slippage (yuan)."""

    def read(self, broker: Any) -> pd.DataFrame:
        return broker.ledger.fills_frame()


class RoundTrips(_OfLedger):
    """First-in-first-out round trips.

    ``get_analysis()`` is a dict: ``closed`` and ``open`` are the frames of
    :func:`engine.round_trips.round_trips`, ``summary`` the numbers of :func:`engine.round_trips.summary`.
    """

    def read(self, broker: Any) -> dict[str, Any]:
        from engine.round_trips import round_trips, summary

        ledger = broker.ledger
        sessions = broker.market.sessions[ledger.equity_arrays()[0]]
        trips = round_trips(ledger.fills_frame(), ledger.corporate_frame(), sessions)
        return {"closed": trips.closed, "open": trips.open, "summary": summary(trips.closed)}


class Costs(_OfLedger):
    """What trading took.

    ``get_analysis()`` is a dict: ``commission``, ``stamp_duty``, ``transfer_fee``, ``other_fees``, their
    ``total``, ``slippage`` (yuan), and ``refusals``: by reason the count, the shares not traded and their worth.
    """

    def read(self, broker: Any) -> dict[str, Any]:
        return broker.ledger.fee_totals() | {"refusals": broker.ledger.refusal_totals()}


# -- Backtrader's own, made to see handles ----------------------------------------------------------


class MarketTransactions(bt.analyzers.Transactions):  # type: ignore[misc]
    """Backtrader's ``Transactions`` over every stock traded.

    ``sid`` is the feed's position in Cerebro or, for a stock without one, the next number, by first trade.
    """

    _idnames: Any

    def next(self) -> None:
        numbers: dict[str, int] = self.__dict__.setdefault("_numbers", {name: i for i, name in self._idnames})
        for name in self._positions:
            numbers.setdefault(name, len(numbers))
        self._idnames = [(i, name) for name, i in numbers.items()]
        super().next()


class MarketPositionsValue(bt.analyzers.PositionsValue):  # type: ignore[misc]
    """Backtrader's ``PositionsValue`` over every stock held: behind the feeds come those without one, by symbol."""

    def next(self) -> None:
        broker = self.strategy.broker
        values = {}
        for k, data in enumerate(self.datas):
            try:
                value = broker.getvalue([data])
            except DataError:  # a feed of something that the market does not trade
                value = 0.0
            values[data._name or f"Data{k}"] = value
        for handle in broker.positions:
            values.setdefault(handle._name, broker.getvalue([handle]))
        moment = self.strategy.datetime
        self.rets[moment.date() if self._usedate else moment.datetime()] = (values, broker.getcash())

    def stop(self) -> None:
        feeds = [data._name or f"Data{k}" for k, data in enumerate(self.datas)]
        rows = {moment: row for moment, row in self.rets.items() if moment != "Datetime"}
        others = sorted({name for values, _ in rows.values() for name in values} - set(feeds))
        if self.p.headers:
            self.rets["Datetime"] = feeds + others + ["cash"] * bool(self.p.cash)
        for moment, (values, cash) in rows.items():
            self.rets[moment] = [values.get(name, 0.0) for name in feeds + others] + [cash] * bool(self.p.cash)


class MarketPyFolio(bt.analyzers.PyFolio):  # type: ignore[misc]
    """Backtrader's ``PyFolio``, whose frame of positions has every stock held, not only the last feed."""

    def get_pf_items(self) -> tuple[Any, Any, Any, Any]:
        """Returns, positions, transactions and gross leverage as frames for pyfolio."""
        import pandas as pd

        kept = dict(self.rets["positions"])
        self.rets["positions"] = {moment: row[-2:] for moment, row in kept.items()}  # all that Backtrader's reads
        try:
            returns, _, transactions, leverage = super().get_pf_items()
        finally:
            self.rets["positions"] = kept
        names = kept["Datetime"]
        rows = {moment: row for moment, row in kept.items() if moment != "Datetime"}
        positions = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        positions.index = pd.to_datetime(positions.index).tz_localize("UTC")
        positions.index.name = "Datetime"
        return returns, positions, transactions, leverage


SEEING = {
    bt.analyzers.Transactions: MarketTransactions,
    bt.analyzers.PositionsValue: MarketPositionsValue,
    bt.analyzers.PyFolio: MarketPyFolio,
}
"""What the broker puts in the place of Backtrader's analyzers that look only at feeds."""
