"""What happened to one of several portfolios, read from the journal of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.ledger_tables import FILL_COLUMNS, corporate_frame, fills_frame, refusals_frame
from engine.portfolio_tables import FILL, OUTCOMES, PENDING, REASONS, REFUSAL

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market

FEES = ("commission", "stamp_duty", "transfer_fee", "other_fees")
CLOSE = ("value", "cash", "interest", "settled", "receivable")
"""What is known of a portfolio after each close, fen."""


class History:
    """What is known of all portfolios after each close.

    Attributes
    ----------
    sessions : list of int
    """

    def __init__(self, portfolios: int, sessions: int) -> None:
        self.sessions: list[int] = []
        self._closes = np.zeros((portfolios, len(CLOSE), sessions), dtype=np.int64)

    def close(self, t: int, columns: tuple[np.ndarray, ...]) -> None:
        """Record the close of session ``t``: :data:`CLOSE`, each (P,) int64."""
        self._closes[:, :, len(self.sessions)] = np.stack(columns, axis=1)
        self.sessions.append(t)

    def of(self, p: int) -> np.ndarray:
        """Of one portfolio: :data:`CLOSE`, int64, shape (5, T)."""
        return self._closes[p, :, : len(self.sessions)]


class PortfolioLedger:
    """One portfolio's tables; what :class:`engine.ledger.Ledger` says of one account.

    Parameters
    ----------
    market : Market
    p : int
        Place of the portfolio.
    history : History
    fills, refusals : ndarray of FILL, of REFUSAL
        Its own, in the sequence in which they were written.
    corporate : list of tuple
        Session, stock, kind, change of shares, cash and tax (fen).
    """

    def __init__(
        self,
        market: Market,
        p: int,
        history: History,
        fills: np.ndarray,
        refusals: np.ndarray,
        corporate: list[tuple[int, int, str, int, int, int]],
    ) -> None:
        self.market, self._p, self._history = market, p, history
        self._fills, self._refusals, self._corporate = fills, refusals, corporate

    def closes(self) -> dict[str, np.ndarray]:
        """Session indices ``t`` and :data:`CLOSE` in fen; int64, shape (T,)."""
        columns = zip(CLOSE, self._history.of(self._p), strict=True)
        return {"t": np.array(self._history.sessions, dtype=np.int64), **dict(columns)}

    def equity_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """As of :class:`engine.ledger.Ledger`."""
        found = self.closes()
        return found["t"], found["value"] / 100.0, found["cash"] / 100.0, found["interest"] / 100.0

    def fill_columns(self) -> dict[str, np.ndarray]:
        """All fills by session and order; see :func:`engine.ledger_tables.fills_frame`."""
        fills = self._fills[np.lexsort((self._fills["order"], self._fills["t"]))]
        found = {name: fills[name] for name in FILL_COLUMNS if name in (FILL.names or ())}
        found["price"] = fills["value"] / (100.0 * np.abs(fills["shares"]))  # what was truly paid a share
        found["slippage"] = np.zeros(len(fills))
        return found

    def refusal_columns(self) -> dict[str, np.ndarray]:
        """All refusals; see :func:`engine.ledger_tables.refusals_frame`."""
        rows = self._refusals
        found = {name: rows[name] for name in REFUSAL.names or () if name != "portfolio"}
        if self._history.sessions:  # of one that is still open, as of the last session
            now = self.market.mark[self._history.sessions[-1]].take(rows["stock"])
            gain = np.where(rows["is_buy"], rows["price"] - now, now - rows["price"])
            gain = (rows["wanted"] - rows["done"]) * np.where(np.isnan(gain), 0.0, gain)
            found["earned"] = rows["earned"] + np.where(rows["outcome"] == PENDING, gain, 0.0)
        return found | {
            "reason": np.array(REASONS, dtype=object).take(rows["reason"]),
            "outcome": np.array(OUTCOMES, dtype=object).take(rows["outcome"]),
        }

    def fills_frame(self) -> pd.DataFrame:
        """Columns of ``fills.parquet``."""
        return fills_frame(self.market, self.fill_columns())

    def refusals_frame(self) -> pd.DataFrame:
        """Columns of ``refusals.parquet``."""
        return refusals_frame(self.market, self.refusal_columns())

    def corporate_frame(self) -> pd.DataFrame:
        """Columns of ``corporate.parquet``."""
        return corporate_frame(self.market, self._corporate)
