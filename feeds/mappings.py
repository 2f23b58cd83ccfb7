"""How the usual files of Chinese daily bars are laid out, and the ten lines of TOML that describe any other.

A mapping file says where the columns are::

    files = "bars/*.csv"          # which files of the folder
    symbol = "code"               # a column, or "file": the code stands in the file's name
    adjusted = "no"               # no, forward, backward
    [columns]
    date = "day"
    open = "o"
    high = "h"
    low = "l"
    close = "c"
    volume = "vol * 100"          # a factor brings it to the store's unit, here lots to shares

Units of the store: yuan, shares, turnover in per cent. ``layout = "tushare"`` takes a built-in layout and changes what
the file says. TOML only: nothing in a mapping is executed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.boards import is_a_share
from engine.errors import ConfigError, nearest

ADJUSTED = ("no", "forward", "backward", "unknown")
FILE = "file"
"""Stands for a symbol that is found in the name of the file."""

COLUMNS = (
    "date", "open", "high", "low", "close", "preclose", "volume", "amount", "turnover", "total_shares",
    "float_shares", "adj_factor", "is_st", "traded", "adjust_flag",
)  # fmt: skip
"""Columns that a mapping can give. ``traded`` is 0 on a day without trade, ``adjust_flag`` is baostock's 1, 2, 3."""

NEEDED = ("date", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Source:
    """A column of a foreign file and the factor that brings it to the store's unit."""

    name: str
    factor: float = 1.0

    @property
    def text(self) -> str:
        """As a mapping writes it."""
        return self.name + (f" * {self.factor:g}" if self.factor != 1.0 else "")


@dataclass(frozen=True)
class Layout:
    """A layout of daily bars.

    Attributes
    ----------
    name : str
    symbol : str
        Column, or :data:`FILE`.
    columns : dict of str to Source
        By column of the store.
    adjusted : str
        Of :data:`ADJUSTED`; "unknown": the numbers tell.
    files : str
        Pattern of the files relative to the folder.
    skip_lines : int
        Lines above the header of a CSV.
    says : str
        For a reader: where such files come from.
    sure : bool
        The units stand in the user's own mapping, so they are never guessed.
    """

    name: str
    symbol: str
    columns: Mapping[str, Source]
    adjusted: str = "unknown"
    files: str = ""
    skip_lines: int = 0
    says: str = ""
    sure: bool = field(default=False)

    def fits(self, present: Iterable[str]) -> bool:
        """Whether a file with these columns has all that the layout needs."""
        return not self.missing(present)

    def missing(self, present: Iterable[str]) -> list[str]:
        """Needed columns that are not among those."""
        names = set(present)
        needed = [self.columns[name].name for name in NEEDED] + ([self.symbol] if self.symbol != FILE else [])
        return [name for name in needed if name not in names]


def _layout(name: str, says: str, symbol: str, adjusted: str = "unknown", **columns: str) -> Layout:
    return Layout(name, symbol, {key: _source(text, name) for key, text in columns.items()}, adjusted, says=says)


def _source(text: str, where: str) -> Source:
    """Read ``vol`` or ``vol * 100``."""
    name, star, number = (part.strip() for part in str(text).rpartition("*"))
    if not star:
        return Source(str(text).strip())
    try:
        factor = float(number)
    except ValueError:
        factor = 0.0
    if not (0 < factor < float("inf")) or not name:
        raise ConfigError(f"mapping '{where}': '{text}' is no column with a factor; write it like \"vol * 100\"")
    return Source(name, factor)


LAYOUTS: tuple[Layout, ...] = (
    _layout(
        "eastmoney", "akshare stock_zh_a_hist (Eastmoney): volume in lots, turnover in per cent", "股票代码",
        date="日期", open="开盘", high="最高", low="最低", close="收盘", volume="成交量 * 100", amount="成交额",
        turnover="换手率",
    ),
    _layout(
        "eastmoney-by-file", "the same without a column of codes", FILE,
        date="日期", open="开盘", high="最高", low="最低", close="收盘", volume="成交量 * 100", amount="成交额",
        turnover="换手率",
    ),
    _layout(
        "tushare", "Tushare daily: volume in lots, amount in 1,000 yuan, reference price given", "ts_code", "no",
        date="trade_date", open="open", high="high", low="low", close="close", preclose="pre_close",
        volume="vol * 100", amount="amount * 1000", adj_factor="adj_factor",
    ),
    _layout(
        "baostock", "baostock history: volume in shares, adjustflag says how prices are adjusted", "code",
        date="date", open="open", high="high", low="low", close="close", preclose="preclose", volume="volume",
        amount="amount", turnover="turn", is_st="isST", traded="tradestatus", adjust_flag="adjustflag",
    ),
    _layout(
        "sina", "akshare stock_zh_a_daily (Sina): volume in shares, turnover as a fraction", FILE,
        date="date", open="open", high="high", low="low", close="close", volume="volume", amount="amount",
        turnover="turnover * 100", float_shares="outstanding_share",
    ),
    _layout(
        "plain", "date, symbol and plain English names, the store's units", "symbol",
        **{name: name for name in COLUMNS if name not in ("traded", "adjust_flag")},
    ),
    _layout(
        "plain-by-file", "the same, one file a stock", FILE,
        **{name: name for name in COLUMNS if name not in ("traded", "adjust_flag")},
    ),
)  # fmt: skip
"""Layouts that are recognised by their columns, the first that fits."""

_TELLING = {"tushare": {"pre_close"}, "baostock": {"adjustflag"}, "sina": {"outstanding_share"}}
"""Columns that tell a layout from a plainer one with the same prices."""


def recognise(present: Iterable[str]) -> Layout | None:
    """The built-in layout of a file with these columns; None for none."""
    names = set(present)
    for layout in LAYOUTS:
        if layout.fits(names) and _TELLING.get(layout.name, set()) <= names:
            return layout
    return None


def read_mapping(path: Path) -> Layout:
    """Read a mapping file.

    Raises
    ------
    ConfigError
        If it is no TOML, a key or column is unknown, or a needed column is missing.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the mapping '{path.name}' cannot be read ({error.strerror}); check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the mapping '{path.name}' is no TOML: {error}; mend the line") from error
    where = path.name
    known = ("layout", "files", "symbol", "adjusted", "skip_lines", "columns")
    for key in found:
        if key not in known:
            raise ConfigError(f"mapping '{where}' has an unknown key '{key}'; {nearest(key, known)}")
    base: Layout | None = None
    if "layout" in found:
        named = {layout.name: layout for layout in LAYOUTS}
        if str(found["layout"]) not in named:
            hint = nearest(str(found["layout"]), named)
            raise ConfigError(f"mapping '{where}': unknown layout '{found['layout']}'; {hint}")
        base = named[found["layout"]]
    given: Any = found.get("columns", {})
    if not isinstance(given, dict):
        raise ConfigError(f"mapping '{where}': columns is no table; write [columns] and a line a column")
    for key in given:
        if key not in COLUMNS:
            raise ConfigError(f"mapping '{where}' has an unknown column '{key}'; {nearest(key, COLUMNS)}")
        if not isinstance(given[key], str):
            raise ConfigError(f"mapping '{where}': {key} = {given[key]!r} is no column; write its name in quotes")
    columns = dict(base.columns) if base else {}
    columns |= {key: _source(text, where) for key, text in given.items()}
    for key in NEEDED:
        if key not in columns:
            raise ConfigError(f"mapping '{where}' does not say where '{key}' is; add it under [columns]")
    adjusted = found.get("adjusted", base.adjusted if base else "unknown")
    if adjusted not in ADJUSTED:
        raise ConfigError(f"mapping '{where}': adjusted is '{adjusted}'; {nearest(str(adjusted), ADJUSTED)}")
    files = str(found.get("files", ""))
    if files.startswith(("/", "\\")) or ".." in Path(files).parts or ":" in files or "\0" in files:
        raise ConfigError(f"mapping '{where}': files '{files}' leads out of the folder; name files inside it")
    skip = found.get("skip_lines", 0)
    if not isinstance(skip, int) or isinstance(skip, bool) or skip < 0:
        raise ConfigError(f"mapping '{where}': skip_lines is {skip!r}; give a number of lines, 0 or more")
    symbol = str(found.get("symbol", base.symbol if base else FILE))
    made = Layout(where.removesuffix(".toml"), symbol, columns, adjusted, files, skip, "your own mapping", True)
    return made if base is None else replace(made, says=f"your own mapping over {base.name}")


_CODES = re.compile(
    r"(?<![0-9A-Za-z])(?:(?P<before>sh|sz|bj)[._]?(?P<a>\d{6})|(?P<b>\d{6})[._](?P<after>sh|sz|bj|xshg|xshe|ss)"
    r"|(?P<c>\d{6}))(?![0-9A-Za-z])",
    re.IGNORECASE | re.ASCII,
)
_EXCHANGES = {"XSHG": "SH", "SS": "SH", "XSHE": "SZ"}
_INDEX = re.compile(r"(?:000\d{3}\.SH|399\d{3}\.SZ)", re.ASCII)


def symbol_of(text: str, whole: bool = False) -> str | None:
    """The store's code (``600519.SH``) in ``sh600519``, ``sh.600519``, ``600519.XSHG``, ``600519``; None: none.

    Six digits without an exchange are a stock's. With one they may be an index (``000300.SH``). In the name of a file
    other words may stand beside the code; with ``whole`` nothing may: ``600519.XX`` is no stock of Shanghai.
    """
    match = (_CODES.fullmatch if whole else _CODES.search)(str(text) if whole else _spaced(str(text)))
    if match is None:
        return None
    exchange = (match["before"] or match["after"] or "").upper()
    exchange = _EXCHANGES.get(exchange, exchange)
    digits = match["a"] or match["b"] or match["c"]
    for candidate in (exchange,) if exchange else ("SH", "SZ", "BJ"):
        symbol = f"{digits}.{candidate}"
        if is_a_share(symbol) or (exchange and is_index(symbol)):
            return symbol
    return None


def _spaced(text: str) -> str:
    """Words of a file name apart: ``daily_qfq_000001`` holds the code 000001."""
    return re.sub(r"_(?!(?:sh|sz|bj|ss|xshg|xshe)(?![0-9A-Za-z]))", " ", text, flags=re.IGNORECASE)


def is_index(symbol: str) -> bool:
    """Whether a code with its exchange is that of an index."""
    return _INDEX.fullmatch(symbol) is not None and not is_a_share(symbol)
