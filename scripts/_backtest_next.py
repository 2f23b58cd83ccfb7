"""``backtest.py --next``: what to trade on the session after the last."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from engine.next_session import Line, NextSession
from engine.run_folder import Run

HEAD = ("", "symbol", "name", "shares", "held", "close", "low limit", "high limit", "note")
NUMBERS = ("shares", "held", "close", "low limit", "high limit")
SHOWN = 20


def show_next(run: Run, coming: NextSession, positions: Path | None) -> dict[str, Any]:
    """Write the file into the run's folder, print its trades, and return the facts for ``--json``.

    With ``positions`` the file is called after theirs: the one of the run's own account stays.
    """
    name = "targets.csv" if positions is None else f"targets-{positions.stem}.csv"
    path = coming.write(run.folder / name)
    trades = [line for line in coming.lines if line.trade]
    print()
    print(f"Next trading day: {coming.date}" + (f", to be traded for {positions}" if positions else ""))
    if trades:
        _table(trades)
        print(f"Cash {coming.cash:,.2f} yuan, {coming.cash_after:,.2f} after all trades at these prices, fees paid.")
    else:
        print(f"Nothing to trade; {len(coming.lines)} stocks held, {coming.cash:,.2f} yuan in cash.")
    if not coming.decided:
        print(f"No decision was due on {coming.last}; --positions FILE asks for one all the same.")
    if coming.due is not None:
        print(f"Next rebalance: decided after the close of {coming.due}.")
    print(f"Targets: {path}")
    return {
        "date": str(coming.date),
        "decided": coming.decided,
        "due": None if coming.due is None else str(coming.due),
        "cash": coming.cash,
        "cash_after": coming.cash_after,
        "trades": {line.symbol: line.trade for line in trades},
        "targets": str(path),
    }


def _table(trades: list[Line]) -> None:
    rows = [_row(line) for line in trades[:SHOWN]]
    widths = [max(_width(row[k]) for row in [HEAD, *rows]) for k in range(len(HEAD))]
    for row in [HEAD, *rows]:
        cells = zip(HEAD, row, widths, strict=True)
        print("  ".join(_padded(text, width, right=name in NUMBERS) for name, text, width in cells).rstrip())
    if len(trades) > SHOWN:
        print(f"and {len(trades) - SHOWN} more")


def _row(line: Line) -> tuple[str, ...]:
    limits = ("" if price is None else f"{price:.2f}" for price in (line.limit_down, line.limit_up))
    return (
        "buy" if line.trade > 0 else "sell",
        line.symbol,
        line.name,
        f"{abs(line.trade):,}",
        f"{line.shares_now:,}",
        f"{line.reference_price:.2f}",
        *limits,
        line.note,
    )


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks
