"""What to trade on the session after the last bar: ``targets.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import matching
from engine.backtest import Opener, Prepared, prepare
from engine.errors import ConfigError, DataError
from engine.files import write_beside
from engine.holdings_file import OwnHoldings
from engine.next_decision import Ordered, decide, ordered_by
from engine.price_limits import FIRST_SINGLE_DAY, NO_LIMIT_UP, ST, STATES, price_limits
from engine.rules import largest_order, legal_buy, legal_sell, lot_rule, order_sizes
from engine.sessions import Schedule

if TYPE_CHECKING:
    from engine.config import RunConfig
    from engine.market import Market
    from engine.run_folder import Run
    from engine.simulation import Progress

COLUMNS = (
    "date", "symbol", "name", "shares_now", "sellable", "target_weight", "target_yuan", "target_shares", "trade",
    "reference_price", "limit_up", "limit_down", "note",
)  # fmt: skip
"""Of ``targets.csv``; see :class:`Line`."""

_AHEAD = (400, 200, 90, 40, 15)
"""Days after the last session that are asked of the exchange's calendar, until it knows so many."""

_LISTING_DAYS = 30
_DELISTING, _DELISTING_FIRST = STATES.index("delisting"), STATES.index("delisting_first")


@dataclass(frozen=True)
class Line:
    """A stock that is held or to be traded.

    Attributes
    ----------
    symbol, name : str
    shares_now, sellable : int
        Held after the last close, and what of it can be sold on the next session.
    target_weight, target_yuan : float or None
        What the decision wants; None where there is none.
    target_shares, trade : int
        Held when all orders fill, and the shares to buy (above 0) or sell, as the lots of the board allow.
    reference_price : float
        Last close, yuan; an ex-date on the next session lowers it and the limits.
    limit_up, limit_down : float or None
        Price limits of the next session, yuan; None where there are none.
    note : str
        Words with blanks between: ``SUSPENDED`` (on the last session), ``ST``, ``DELISTING``, a reason of
        ``targets.parquet`` or ``refusals.parquet``, ``CARRIED`` (the order waits from an earlier day), ``LOT`` and
        ``T_PLUS_ONE`` (the trade is smaller than the order for that), ``2_ORDERS`` (one may not be so large).
    """

    symbol: str
    name: str
    shares_now: int
    sellable: int
    target_weight: float | None
    target_yuan: float | None
    target_shares: int
    trade: int
    reference_price: float
    limit_up: float | None
    limit_down: float | None
    note: str


@dataclass(frozen=True)
class NextSession:
    """Orders for the session after the last.

    Attributes
    ----------
    date, last : datetime64[D]
        The session, and the last one with bars.
    decided : bool
        Whether a decision was made on ``last``.
    due : datetime64[D] or None
        The next session on which the schedule decides, where the calendar knows it.
    cash, cash_after : float
        Yuan now, and when all orders fill at the reference prices, fees paid.
    value : float
        Of the account, yuan.
    lines : list of Line
        Sales, purchases in the order in which they take cash, and what stays, by symbol.
    """

    date: np.datetime64
    last: np.datetime64
    decided: bool
    due: np.datetime64 | None
    cash: float
    cash_after: float
    value: float
    lines: list[Line]

    def write(self, path: Path) -> Path:
        """Write the lines as CSV; with a byte-order mark, by which Excel knows the Chinese names.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for line in self.lines:
            cells = [getattr(line, name) for name in COLUMNS[1:]]
            table.writerow([self.date, *(_cell(name, x) for name, x in zip(COLUMNS[1:], cells, strict=True))])
        try:
            write_beside(path, text.getvalue().encode("utf-8-sig"))
        except OSError as error:
            raise DataError(f"{path} cannot be written ({error.strerror or error}); close what has it open") from error
        return path


def _cell(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6f}" if name == "target_weight" else f"{value:.2f}"
    return "" if value is None else str(value)


def check_next(config: RunConfig) -> None:
    """Refuse runs whose orders fill on the session on which they are made.

    Raises
    ------
    ConfigError
    """
    if config.fill == "same_close":
        raise ConfigError(
            "--next needs orders that fill on the next session; with fill 'same_close' they fill on the session "
            "itself: use --fill next_open or next_close"
        )


def next_session(
    run: Run, own: OwnHoldings | None = None, *, opener: Opener | None = None, progress: Progress | None = None
) -> NextSession:
    """What a run's strategy wants traded on the session after its last.

    Parameters
    ----------
    run : Run
        Stays as it is.
    own : OwnHoldings, optional
        Take the place of the run's account; the strategy then decides after the last session whether the schedule
        says so or not. See :func:`engine.next_decision.decide`.
    opener : callable, optional
        As for :func:`engine.backtest.run`.
    progress : callable, optional
        Told about the repetition of the run where one is needed.

    Raises
    ------
    ConfigError
        See :func:`check_next`; or the strategy sends its own orders and cannot decide on ``own``.
    DataError
        If a holding is not in the data, or the exchange's calendar ends with them.
    """
    check_next(run.config)
    ready = _prepared(run, own, opener)
    market, config = ready.market, run.config
    stored = ordered_by(run, market, config.rules.t_plus_one)
    first = market.position_of(run.equity["date"].iloc[0].to_datetime64())
    calendar, place = _calendar(market, stored.t)
    due: list[int] = []
    if hasattr(ready.strategy, "decision_sessions"):
        schedule = Schedule.parse(config.rebalance, config.anchor)
        begin = int(np.searchsorted(calendar, market.sessions[first]))
        due = schedule.decisions(calendar, begin, len(calendar) - 1).tolist()
    # A run knows the sessions of its data only: that the last one ends a period may follow from the exchange's.
    found = decide(ready, own, progress) if own or (place in due and not stored.decided) else stored
    later = [k for k in due if k > place]
    lines = _lines(market, found, calendar[place + 1], config.rules.lots)
    return NextSession(
        calendar[place + 1],
        market.sessions[found.t],
        found.decided,
        calendar[later[0]] if later else None,
        found.cash,
        found.cash + _proceeds(ready, lines, calendar[place + 1]),
        found.value,
        lines,
    )


def _prepared(run: Run, own: OwnHoldings | None, opener: Opener | None) -> Prepared:
    """The run's market and plug-ins again; with holdings outside of its universe, a market that has them."""
    protocol = "paper" if run.result.get("leaks") else "honest"
    ready = prepare(run.config, protocol=protocol, opener=opener)
    lacking = [symbol for symbol in own.shares if symbol not in ready.market.index] if own else []
    if not lacking:
        return ready
    assert own is not None
    try:
        return prepare(run.config, protocol=protocol, opener=_with(lacking, opener))
    except DataError as error:
        raise own.error(next((s for s in lacking if s in str(error)), lacking[0]), str(error)) from None


def _with(symbols: Sequence[str], opener: Opener | None) -> Callable[..., Market]:
    """An opener of markets that hold ``symbols`` as well."""
    from feeds.store import open_market

    def opened(data: str, extra_symbols: Sequence[str] = (), **more: Any) -> Market:
        return (opener or open_market)(data, extra_symbols=(*extra_symbols, *symbols), **more)

    return opened


def _calendar(market: Market, t: int) -> tuple[np.ndarray, int]:
    """Sessions known beyond session ``t``, and its place among them.

    Those of the data come first, then those of the exchange.
    """
    from feeds.synthetic_feed import exchange_sessions

    calendar, last = market.calendar, market.calendar[-1]
    for days in _AHEAD:
        try:
            known = exchange_sessions((last + days).item())
        except DataError:
            continue
        calendar = np.concatenate([calendar, known[known > last]])
        break
    place = int(np.searchsorted(calendar, market.sessions[t]))
    if place + 1 >= len(calendar):
        raise DataError(f"no session after {market.sessions[t]} is known; upgrade exchange-calendars")
    return calendar, place


def limits_after(market: Market, t: int, day: np.datetime64, stocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Price limits of the session after ``t``, which has no row in the market, from what is known at its close.

    Parameters
    ----------
    market : Market
    t : int
    day : datetime64[D]
        The session.
    stocks : ndarray of int, shape (K,)

    Returns
    -------
    up, down : ndarray of int32, shape (K,)
        Fen; :data:`engine.price_limits.NO_LIMIT_UP` and 0 where there is none.
    """
    rows = slice(max(0, t + 1 - _LISTING_DAYS), t + 1)  # a listing's own rules hang on its first session
    state = market.state[t, stocks]
    after = np.where(state < FIRST_SINGLE_DAY, state, np.where(market.st[t, stocks] > 0, ST, 0))
    after = np.where(state == _DELISTING_FIRST, _DELISTING, after).astype(np.uint8)
    age = market.age[t, stocks]
    reference = np.rint(np.nan_to_num(market.mark[t, stocks]) * 100.0).astype(np.int64)
    past = market.age[rows][:, stocks]
    up, down = price_limits(
        np.append(market.sessions[rows], day),
        np.array([market.boards[i] for i in stocks.tolist()]),
        np.vstack([np.zeros_like(past, dtype=np.int64), reference]),
        np.vstack([market.state[rows][:, stocks], after]),
        np.vstack([past, np.where(age > 0, age + 1, 0)]).astype(np.int32),
    )
    return up[-1], down[-1]


def _lines(market: Market, found: Ordered, day: np.datetime64, lots: bool) -> list[Line]:
    t, orders = found.t, found.orders
    signed = np.where(orders["side"] == "buy", 1, -1) * (orders["wanted"] - orders["done"])
    trades = signed.groupby(orders["symbol"], sort=False).sum().to_dict()
    weights = dict(zip(found.targets["symbol"], found.targets["weight"].tolist(), strict=True))
    whole = found.decided or any(weights.values())  # then what is not named is sold
    wanted = [symbol for symbol, weight in weights.items() if weight]
    symbols = sorted({*found.shares, *trades, *wanted, *found.refused["symbol"]})
    rank = {symbol: k for k, symbol in enumerate(trades)}
    symbols.sort(key=lambda s: (0, 0) if trades.get(s, 0) < 0 else (1, rank[s]) if trades.get(s, 0) > 0 else (2, 0))
    stocks = np.array([market.column(symbol) for symbol in symbols], dtype=np.int64)
    up, down = limits_after(market, t, day, stocks)
    why = _reasons(found, market.sessions[t])
    lines = []
    for k, (i, symbol) in enumerate(zip(stocks.tolist(), symbols, strict=True)):
        weight = weights.get(symbol, 0.0 if whole else None)
        shares, free = found.shares.get(symbol, 0), found.sellable.get(symbol, 0)
        trade, refused = _legal(market.boards[i], day, int(trades.get(symbol, 0)), shares, free, lots)
        notes = [*_states(market, t, i), *why.get(symbol, ()), *refused]
        lines.append(
            Line(
                symbol, market.names.get(symbol, ""), shares, free, weight,
                None if weight is None else weight * found.value, shares + trade, trade, float(market.mark[t, i]),
                None if up[k] >= NO_LIMIT_UP else float(up[k]) / 100.0, float(down[k]) / 100.0 if down[k] > 0 else None,
                " ".join(dict.fromkeys(notes)),
            )
        )  # fmt: skip
    return lines


def _legal(board: str, day: np.datetime64, trade: int, shares: int, free: int, lots: bool) -> tuple[int, list[str]]:
    """What of a signed order the session can take, as the order book will find it, and what is to be said of it."""
    notes = []
    legal = max(trade, -free)
    if legal != trade:
        notes.append(matching.T_PLUS_ONE)
    if lots and legal:
        rule = lot_rule(board, day)
        wish, legal = legal, legal_buy(legal, rule) if legal > 0 else -legal_sell(-legal, shares, rule)
        if legal != wish:
            notes.append(matching.LOT)
        pieces = len(order_sizes(abs(legal), rule, largest_order(board, day)))
        if pieces > 1:
            notes.append(f"{pieces}_ORDERS")
    return legal, notes


def _states(market: Market, t: int, i: int) -> list[str]:
    """What a stock is on session ``t``, in the words of the tables."""
    state = market.state[t, i]
    said = {ST: "ST", _DELISTING: "DELISTING", _DELISTING_FIRST: "DELISTING"}.get(int(state), "")
    gone = market.delisted[i] and market.last_session[i] <= t
    return [
        word
        for word in (matching.DELISTED if gone else "", "" if market.traded[t, i] else matching.SUSPENDED, said)
        if word
    ]


def _reasons(found: Ordered, last: np.datetime64) -> dict[str, list[str]]:
    """Why stocks are where they are, by symbol."""
    why: dict[str, list[str]] = {}
    for frame in (found.targets, found.refused):
        for symbol, reason in zip(frame["symbol"], frame["reason"], strict=True):
            if reason:
                why.setdefault(symbol, []).append(reason)
    orders = found.orders
    old = orders["date"].to_numpy().astype("datetime64[D]") < last
    for symbol in orders.loc[old, "symbol"]:
        why.setdefault(symbol, []).append("CARRIED")
    for symbol, kind, price in zip(orders["symbol"], orders["type"], orders["limit_price"], strict=True):
        if kind != "market":
            why.setdefault(symbol, []).append(kind.upper() + (f"@{price:.2f}" if price == price else ""))
    return why


def _proceeds(ready: Prepared, lines: Sequence[Line], day: np.datetime64) -> float:
    """Yuan that the orders bring (or cost, below 0) at the reference prices, fees paid."""
    charges = ready.options["fees"].on(day)
    fen = 0
    for line in lines:
        if line.trade:
            shares = abs(line.trade)
            value = round(shares * line.reference_price * 100.0)
            fees = sum(charges.charge(line.symbol[-2:], line.trade > 0, value, shares))
            fen -= (value if line.trade > 0 else -value) + round(fees)
    return fen / 100.0
