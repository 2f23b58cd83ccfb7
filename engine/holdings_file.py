"""A CSV file of what somebody holds: symbols, shares and cash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.boards import check_symbol
from engine.errors import DataError, HuiceError

CASH = "CASH"
"""Stands for the cash in the column of symbols; its shares are yuan."""

_LARGEST = 10**15  # beyond it sums of fen are not exact


@dataclass(frozen=True)
class OwnHoldings:
    """What an account holds after a close.

    Attributes
    ----------
    source : Path
    shares : dict of str to int
        By symbol, in the order of the file, none 0.
    rows : dict of str to int
        The file's line of each symbol, for messages.
    cash : float
        Yuan.
    """

    source: Path
    shares: dict[str, int]
    rows: dict[str, int]
    cash: float

    def error(self, symbol: str, what: str) -> DataError:
        """An error that says where a symbol stands."""
        return _error(self.source, self.rows[symbol], "symbol", what)


def read_holdings(path: Path) -> OwnHoldings:
    """Read the columns ``symbol`` and ``shares``; others, a name say, may stand beside them.

    The row ``CASH`` has yuan in the place of shares; without one there is no cash. UTF-8 and GB18030, which Excel
    writes in China, are understood.

    Raises
    ------
    DataError
        With file, row (the header is row 1) and column: a column is missing, a symbol is none or stands twice, shares
        are no whole number or below 0, or nothing is held at all.
    """
    from feeds.foreign import read_csv

    try:
        frame = read_csv(path).fillna("")
    except (OSError, ValueError) as error:  # pandas' errors are among them
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"the positions in {path} cannot be read ({why}); give a CSV with symbol,shares") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    for name in ("symbol", "shares"):
        if name not in frame.columns:
            raise DataError(f"{path} has no column '{name}'; its first line must name symbol and shares")
    shares: dict[str, int] = {}
    rows: dict[str, int] = {}
    cash = 0.0
    for row, (raw, number) in enumerate(zip(frame["symbol"], frame["shares"], strict=True), 2):
        symbol = str(raw).strip().upper()
        if symbol in rows:
            raise _error(path, row, "symbol", f"{symbol} stands in row {rows[symbol]} already; add the two up")
        rows[symbol] = row
        if symbol == CASH:
            cash = _yuan(path, row, str(number))
            continue
        try:
            check_symbol(symbol)
        except HuiceError as error:
            raise _error(path, row, "symbol", str(error)) from None
        count = _whole(path, row, str(number))
        if count:
            shares[symbol] = count
    if not shares and not cash:
        raise DataError(f"{path} holds neither shares nor cash; add rows, as 600519.SH,100 and {CASH},50000")
    return OwnHoldings(path, shares, rows, cash)


def _error(path: Path, row: int, column: str, what: str) -> DataError:
    return DataError(f"{path}, row {row}, column {column}: {what}")


def _whole(path: Path, row: int, text: str) -> int:
    plain = text.strip().replace(",", "").removesuffix(".0")
    if not (plain.isascii() and plain.isdigit() and int(plain) < _LARGEST):
        raise _error(path, row, "shares", f"'{text}' is no number of shares; write a whole number, 0 or more")
    return int(plain)


def _yuan(path: Path, row: int, text: str) -> float:
    try:
        cash = float(text.replace(",", ""))
    except ValueError:
        cash = -1.0
    if not 0.0 <= cash < _LARGEST:
        raise _error(path, row, "shares", f"'{text}' is no amount of cash; write yuan, 0 or more")
    return cash
