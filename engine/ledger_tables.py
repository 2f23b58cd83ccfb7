"""Tables of an account's record, from columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market

FILL_COLUMNS = (
    "t", "order", "stock", "shares", "price", "commission", "stamp_duty", "transfer_fee", "other_fees", "slippage",
)  # fmt: skip


def dates(market: Market, t: Any) -> np.ndarray:
    """Midnights of sessions; datetime64[ms]."""
    return market.sessions[np.asarray(t, dtype=np.int64)].astype("datetime64[ms]")


def _texts(market: Market) -> Any:
    import pandas as pd

    return pd.array(market.symbols, dtype="str")


def symbols(market: Market, i: Any) -> Any:
    """Symbols of stock indices, as pandas keeps text: ready-made, and only taken from."""
    return market.shared(_texts).take(np.asarray(i, dtype=np.int64))


def fills_frame(market: Market, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """``fills.parquet`` from :data:`FILL_COLUMNS`, each (K,).

    Session, number of the order, stock, shares (negative: sold), price (yuan), fees (fen) and cost of slippage (yuan).
    """
    import pandas as pd

    shares = columns["shares"]
    frame = {
        "order_id": columns["order"],
        "date": dates(market, columns["t"]),
        "symbol": symbols(market, columns["stock"]),
        "side": pd.array(["sell", "buy"], dtype="str").take((shares > 0).astype(np.int64)),
        "shares": np.abs(shares),
        "price": columns["price"],
    }
    for name in ("commission", "stamp_duty", "transfer_fee", "other_fees"):
        frame[name] = columns[name] / 100.0
    frame["slippage"] = columns["slippage"]
    return pd.DataFrame(frame, copy=False)


def refusals_frame(market: Market, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """``refusals.parquet`` from the attributes of :class:`engine.refusals.Refusal`, each (K,)."""
    import pandas as pd

    return pd.DataFrame(
        {
            "date": dates(market, columns["t"]),
            "order_id": columns["order"],
            "symbol": symbols(market, columns["stock"]),
            "side": np.array(["sell", "buy"], dtype=object).take(columns["is_buy"].astype(np.int64)),
            "wanted": columns["wanted"],
            "done": columns["done"],
            "reason": columns["reason"],
            "price": columns["price"],
            "earned": columns["earned"],
            "days": columns["days"],
            "outcome": columns["outcome"],
        }
    )


def corporate_frame(market: Market, rows: Sequence[tuple[int, int, str, int, Any, Any]]) -> pd.DataFrame:
    """``corporate.parquet`` from session, stock, kind, change of shares, cash and tax (fen) of each action."""
    import pandas as pd

    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    return pd.DataFrame(
        {
            "date": dates(market, columns[0]),
            "symbol": symbols(market, columns[1]),
            "kind": np.array(columns[2], dtype=object),
            "shares": np.array(columns[3], dtype=np.int64),
            "cash": np.array(columns[4], dtype=np.float64) / 100.0,
            "tax": np.array(columns[5], dtype=np.float64) / 100.0,
        }
    )
