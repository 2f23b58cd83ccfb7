"""The account's columnar record; it balances every session.

The broker posts every movement of cash and shares here as it happens. At the close of a session the
ledger adds up what was posted and compares the sum with the broker's cash: to the fen where money is
exact. Tables are made once, at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import AccountError
from engine.ledger_tables import FILL_COLUMNS, corporate_frame, dates, fills_frame, refusals_frame, symbols
from engine.refusals import Refusal

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from engine.orders import Fill, Order


class Ledger:
    """Everything that happened to one account.

    Parameters
    ----------
    market : Market
    cash : int or float
        Starting cash in fen.
    exact : bool
        Integer fen; the balance is then checked for equality, else to 1e-9 relative.
    """

    def __init__(self, market: Market, cash: Any, exact: bool) -> None:
        self.market = market
        self.exact = exact
        self._expected = cash
        self._interest_today: Any = 0
        self._deposit_today: Any = 0
        self._fills: list[Fill] = []
        self._refusals: list[Refusal] = []
        self._corporate: list[tuple[int, int, str, int, Any, Any]] = []
        self._equity: list[tuple[int, Any, Any, Any, Any, Any, Any]] = []
        self._held: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        self._decisions: list[tuple[int, int, int, int, int]] = []
        self._scores: list[tuple[int, Any]] = []
        self.fractions = 0.0
        """Shares dropped as fractions of bonus issues."""

    # -- postings -------------------------------------------------------------------------------

    def fill(self, fill: Fill, value: Any) -> None:
        """Post a fill that moved shares worth ``value`` fen."""
        self._fills.append(fill)
        charged = fill[5] + fill[6] + fill[7] + fill[8]
        self._expected += (-value if fill[3] > 0 else value) - charged

    def refuse(
        self, t: int, order: Order, wanted: int, done: int, reason: str, outcome: str, price: float = float("nan")
    ) -> Refusal:
        """Post a refusal and return its row, which is open where the outcome is ``pending``.

        ``price`` is that of the moment at which the order should have traded, by default the session's mark.
        """
        if price != price:
            price = float(self.market.mark[t, order.i])
        row = Refusal(t, order.ref, order.i, order.isbuy(), wanted, done, reason, outcome, price)
        self._refusals.append(row)
        return row

    def corporate(self, t: int, i: int, kind: str, shares: int, cash: Any, tax: Any = 0) -> None:
        """Post a corporate action: change of shares, cash and tax in fen."""
        self._corporate.append((t, i, kind, shares, cash, tax))
        self._expected += cash - tax

    def interest(self, cash: Any) -> None:
        """Post the session's interest on cash, in fen."""
        self._interest_today += cash
        self._expected += cash

    def deposit(self, cash: Any) -> None:
        """Post cash paid in (negative: taken out), in fen."""
        self._deposit_today += cash
        self._expected += cash

    def decision(self, made: int, known: int, first_fill: int, targets: int, scores: Any) -> None:
        """Post a rebalance decision made on session ``made`` with data up to the close of ``known``."""
        self._decisions.append((made, known, first_fill, 0 if scores is None else len(scores), targets))
        if scores is not None:
            self._scores.append((made, scores))

    def close_session(
        self,
        t: int,
        cash: Any,
        settled: Any,
        value: Any,
        held: np.ndarray,
        shares: np.ndarray,
        sellable: np.ndarray,
        receivable: Any = 0,
    ) -> None:
        """Record the session's end and check that cash is what the postings say.

        ``settled`` is the cash that could be withdrawn: without the session's own sale proceeds. ``receivable`` is
        what dividends past their ex-date will pay, in fen; ``value`` includes it.

        Raises
        ------
        AccountError
            If it is not: money appeared or vanished outside the ledger.
        """
        expected = self._expected
        balanced = cash == expected if self.exact else abs(cash - expected) <= 1e-9 * max(1.0, abs(expected))
        if not balanced:
            raise AccountError(
                f"the account does not balance on {self.market.sessions[t]}: cash is {cash / 100:.4f} yuan, "
                f"the postings add up to {expected / 100:.4f}; please report this"
            )
        self._equity.append((t, value, cash, self._interest_today, self._deposit_today, settled, receivable))
        self._interest_today = self._deposit_today = 0
        if len(held):
            self._held.append((t, held, shares, sellable))

    # -- totals ---------------------------------------------------------------------------------

    def fee_totals(self) -> dict[str, float]:
        """Yuan by kind of fee, and slippage."""
        names = ("commission", "stamp_duty", "transfer_fee", "other_fees")
        columns = list(zip(*self._fills, strict=True))
        totals = {name: sum(columns[5 + k]) / 100.0 if columns else 0.0 for k, name in enumerate(names)}
        totals["total"] = sum(totals.values())
        totals["slippage"] = float(sum(columns[9])) if columns else 0.0
        return {name: round(value, 2) for name, value in totals.items()}

    def traded_yuan(self) -> tuple[float, float]:
        """Yuan bought and sold."""
        bought = sum(row[3] * row[4] for row in self._fills if row[3] > 0)
        sold = sum(-row[3] * row[4] for row in self._fills if row[3] < 0)
        return float(bought), float(sold)

    def refusal_totals(self) -> dict[str, dict[str, float]]:
        """By reason: refusals, shares not traded, their worth at the session's mark, what missing them earned; yuan."""
        totals: dict[str, dict[str, float]] = {}
        for row in self._refusals:
            entry = totals.setdefault(row.reason, {"count": 0, "shares": 0, "yuan": 0.0, "earned": 0.0})
            price = float(self.market.mark[row.t, row.i])
            missing = 0 if row.outcome in ("changed", "done") else int(row.wanted - row.done)
            entry["count"] += 1
            entry["shares"] += missing
            entry["yuan"] = round(entry["yuan"] + (missing * price if price == price else 0.0), 2)
            entry["earned"] = round(entry["earned"] + self._earned(row), 2)
        return dict(sorted(totals.items()))

    def corporate_totals(self) -> dict[str, dict[str, float]]:
        """Count, shares and yuan of corporate actions, by kind."""
        totals: dict[str, dict[str, float]] = {}
        for _, _, kind, shares, cash, tax in self._corporate:
            entry = totals.setdefault(kind, {"count": 0, "shares": 0, "cash": 0.0, "tax": 0.0})
            entry["count"] += 1
            entry["shares"] += int(shares)
            entry["cash"] = round(entry["cash"] + cash / 100.0, 2)
            entry["tax"] = round(entry["tax"] + tax / 100.0, 2)
        return dict(sorted(totals.items()))

    def equity_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Session indices, account value, cash and interest (yuan), one entry a session."""
        rows = self._equity
        t = np.array([row[0] for row in rows], dtype=np.int64)
        value, cash, interest = (np.array([row[k] for row in rows], dtype=np.float64) / 100.0 for k in (1, 2, 3))
        return t, value, cash, interest

    def held(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Session, stocks held after its close and their shares, for each session on which there are any."""
        return [(t, stocks, shares) for t, stocks, shares, _ in self._held]

    # -- tables ---------------------------------------------------------------------------------

    def fill_columns(self) -> dict[str, np.ndarray]:
        """All fills; see :func:`engine.ledger_tables.fills_frame`."""
        rows = zip(*(fill[:10] for fill in self._fills), strict=True) if self._fills else [()] * len(FILL_COLUMNS)
        kind = np.int64 if self.exact else np.float64
        kinds = [np.int64] * 3 + [kind, np.float64] + [kind] * 4 + [np.float64]
        return {name: np.array(row, k) for name, row, k in zip(FILL_COLUMNS, rows, kinds, strict=True)}

    def fills_frame(self) -> pd.DataFrame:
        """One row per execution, fees itemised; columns of ``fills.parquet``."""
        return fills_frame(self.market, self.fill_columns())

    def positions_frame(self) -> pd.DataFrame:
        """One row per held stock and session, after the close; columns of ``positions.parquet``."""
        import pandas as pd

        held = self._held
        lengths = [len(row[1]) for row in held]
        sessions = np.array([row[0] for row in held], dtype=np.int64)
        count = np.int64 if self.exact else np.float64

        def joined(k: int, kind: Any) -> np.ndarray:
            return np.concatenate([row[k] for row in held]).astype(kind, copy=False) if held else np.zeros(0, kind)

        i = joined(1, np.int64)
        shares = joined(2, count)
        price = np.asarray(self.market.mark[np.repeat(sessions, lengths), i], dtype=np.float64)
        value = price * 100.0 if self.exact else price * shares
        if self.exact:
            np.rint(value, out=value)
            value *= shares
            value /= 100.0
        return pd.DataFrame(
            {
                "date": np.repeat(dates(self.market, sessions), lengths),
                "symbol": symbols(self.market, i),
                "shares": shares,
                "sellable": joined(3, count),
                "price": price,
                "value": value,
            },
            copy=False,
        )

    def equity_frame(self) -> pd.DataFrame:
        """One row per session; columns of ``equity.parquet``."""
        import pandas as pd

        t, value, cash, interest = self.equity_arrays()
        deposit, settled, receivable = (
            np.array([row[k] for row in self._equity], dtype=np.float64) / 100.0 for k in (4, 5, 6)
        )
        series = self.market.series
        missing = np.full(len(self.market.sessions), np.nan)
        return pd.DataFrame(
            {
                "date": dates(self.market, t),
                "value": value,
                "cash": cash,
                "benchmark": np.asarray(series.get("benchmark", missing))[t],
                "benchmark_price": np.asarray(series.get("benchmark_price", missing))[t],
                "interest": interest,
                "deposit": deposit,
                "withdrawable": settled,
                "receivable": receivable,
            }
        )

    def refusal_columns(self) -> dict[str, np.ndarray]:
        """All refusals; see :func:`engine.ledger_tables.refusals_frame`."""
        rows = self._refusals
        numbers = ("t", "order", "stock", "wanted", "done", "days")
        found = {
            name: np.array([getattr(row, mine) for row in rows], dtype=np.int64)
            for name, mine in zip(numbers, ("t", "order_id", "i", "wanted", "done", "days"), strict=True)
        }
        return found | {
            "is_buy": np.array([row.is_buy for row in rows], dtype=bool),
            "price": np.array([row.price for row in rows], dtype=np.float64),
            "earned": np.array([self._earned(row) for row in rows], dtype=np.float64),
            "reason": np.array([row.reason for row in rows], dtype=object),
            "outcome": np.array([row.outcome for row in rows], dtype=object),
        }

    def refusals_frame(self) -> pd.DataFrame:
        """Orders and parts that did not trade, with the reason; columns of ``refusals.parquet``."""
        return refusals_frame(self.market, self.refusal_columns())

    def _earned(self, row: Refusal) -> float:
        """What a refusal earned; of one that is still open, as of the last session."""
        if row.outcome != "pending" or not self._equity:
            return row.earned
        return row.earned + row.worth(float(self.market.mark[self._equity[-1][0], row.i]))

    def corporate_frame(self) -> pd.DataFrame:
        """Corporate actions booked; columns of ``corporate.parquet``."""
        return corporate_frame(self.market, self._corporate)

    def orders_frame(self, orders: list[Order]) -> pd.DataFrame:
        """Every order of the run; columns of ``orders.parquet``."""
        import pandas as pd
        from backtrader.utils.date import num2date

        def day(number: float | None) -> Any:
            return np.datetime64("NaT", "ms") if number is None else np.datetime64(num2date(number).date(), "ms")

        return pd.DataFrame(
            {
                "order_id": np.array([order.ref for order in orders], dtype=np.int64),
                "date": np.array([day(order.moment.date) for order in orders], dtype="datetime64[ms]"),
                "symbol": symbols(self.market, [order.i for order in orders]),
                "side": np.array(["buy" if order.isbuy() else "sell" for order in orders], dtype=object),
                "type": np.array([order.getordername().lower() for order in orders], dtype=object),
                "wanted": np.array([order.wanted for order in orders], dtype=np.int64),
                "done": np.array([sum(abs(fill[3]) for fill in order.fills) for order in orders], dtype=np.int64),
                "limit_price": np.array(
                    [order.price if order.exectype == order.Limit else np.nan for order in orders],
                    dtype=np.float64,
                ),
                "valid": np.array([day(order.valid) for order in orders], dtype="datetime64[ms]"),
                "status": np.array([order.getstatusname() for order in orders], dtype=object),
                "closed_date": np.array(
                    [day(None if order.alive() else order.ended or order.fills[-1][10]) for order in orders],
                    dtype="datetime64[ms]",
                ),
            }
        )

    def decisions_frame(self) -> pd.DataFrame:
        """Decision and execution sessions; columns of ``decisions.parquet``.

        ``decision`` is the session on which it was made, ``data_until`` the last session whose close it
        could see, ``execution`` the first session on which its orders could fill (empty and status
        ``pending`` when the run ended before).
        """
        import pandas as pd

        last = self._equity[-1][0] if self._equity else -1
        made, known, first_fill = (np.array([row[k] for row in self._decisions], dtype=np.int64) for k in (0, 1, 2))
        executed = first_fill <= last
        execution = np.full(len(made), np.datetime64("NaT", "ms"))
        execution[executed] = dates(self.market, first_fill[executed])
        return pd.DataFrame(
            {
                "decision": dates(self.market, made),
                "data_until": dates(self.market, known),
                "execution": execution,
                "status": np.where(executed, "executed", "pending").astype(object),
                "scored": np.array([row[3] for row in self._decisions], dtype=np.int64),
                "targets": np.array([row[4] for row in self._decisions], dtype=np.int64),
            }
        )

    def scores_frame(self) -> pd.DataFrame:
        """Scores by decision date and symbol; columns of ``scores.parquet``."""
        import pandas as pd

        if not self._scores:
            return pd.DataFrame(
                {
                    "date": dates(self.market, []),
                    "symbol": np.array([], dtype=object),
                    "score": np.array([], dtype=float),
                }
            )
        parts = [
            frame.rename_axis("symbol").reset_index().assign(date=dates(self.market, t)) for t, frame in self._scores
        ]
        joined = pd.concat(parts, ignore_index=True)
        return joined[["date", "symbol", *[c for c in joined.columns if c not in ("date", "symbol")]]]
