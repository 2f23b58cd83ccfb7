"""Alphalens' tear sheets of one factor, as one self-contained HTML page.

The library shows its tables in a notebook, closes every figure before it can be saved, prints its progress and
changes settings of pandas and warnings on the way. Here its figures and tables are caught where it would show and
close them, each sheet in a guard of its own; its settings are as before afterwards and no figure stays open.

Its own statistics follow its own conventions (one sample for all horizons, spread at half weight, 252 days a year);
the figures of :mod:`signals.screening.evaluation` equal them on the same sample.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.errors import DataError, SignalError
from engine.files import write_beside

if TYPE_CHECKING:
    import pandas as pd

    from engine.market import Market
    from signals.factors.registry import Factor

SHEETS = ("returns", "information", "turnover")
DPI = 60
STYLE = Path(__file__).parents[2] / "engine" / "templates" / "tearsheet.css"


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}: Alphalens</title>
<style>
{style}
.card table {{ width: auto; margin-bottom: 1rem; }} .card tbody th {{ text-align: left; }}
</style>
</head>
<body>
<header><h1>{title}</h1><p class="note">{facts}Drawn by the library Alphalens by its own conventions: prices carried
over halts, one sample for all horizons, the spread at half weight, 252 days a year.</p></header>
<main>
{body}
</main>
<footer>Made by Huice with Alphalens.</footer>
</body>
</html>
"""


class Sheet(NamedTuple):
    """One sheet: pictures as PNG bytes and tables, or the reason why there are none."""

    title: str
    pictures: list[bytes]
    tables: list[pd.DataFrame]
    note: str


def factor_data(
    values: np.ndarray, prices: np.ndarray, rows: np.ndarray, dates: np.ndarray, symbols: Sequence[str], *,
    horizons: Sequence[int] = (1, 5, 20), quantiles: int = 5,
) -> pd.DataFrame:  # fmt: skip
    """Alphalens' frame of one factor: forward-filled returns, quantiles, one sample for all horizons.

    Parameters
    ----------
    values : ndarray, shape (D, N)
        The factor on the evaluation dates.
    prices : ndarray, shape (T, N)
        Adjusted prices, NaN without a bar.
    rows : ndarray of int, shape (D,)
        Places of the evaluation dates in ``prices``.
    dates : ndarray of datetime64, shape (T,)
    symbols : sequence of N str

    Raises
    ------
    DataError
        If nothing is left: no name has a factor and all returns.
    """
    import pandas as pd

    days = pd.DatetimeIndex(np.asarray(dates).astype("datetime64[ns]"), name="date")
    names = pd.Index(list(symbols), name="asset")
    factor = pd.DataFrame(np.asarray(values, dtype=np.float64), days[rows], names).stack(future_stack=True).dropna()
    if factor.empty:
        raise DataError("the factor has no value on these dates; choose another factor or other dates")
    frame = pd.DataFrame(np.asarray(prices, dtype=np.float64), days, names)
    with _quiet():
        from alphalens import utils

        try:
            data = utils.get_clean_factor_and_forward_returns(
                factor, frame, quantiles=quantiles, periods=tuple(sorted(horizons)), filter_zscore=None, max_loss=1.0
            )
        except ValueError as error:
            raise DataError(f"Alphalens cannot use this factor: {' '.join(str(error).split())[:200]}") from None
    if data.empty:
        raise DataError("no name has a factor, all returns and a quantile; choose another factor or fewer quantiles")
    return data


def render(data: pd.DataFrame, sheets: Sequence[str] = SHEETS, *, long_short: bool = True) -> list[Sheet]:
    """Draw sheets of :func:`factor_data`'s frame, each in a guard of its own.

    Parameters
    ----------
    data : DataFrame
    sheets : sequence of str
        Among :data:`SHEETS`.
    long_short : bool
        As in Alphalens: returns less the mean of the date.

    Raises
    ------
    SignalError
        If there is no such sheet.
    """
    unknown = [name for name in sheets if name not in SHEETS]
    if unknown:
        raise SignalError(f"there is no Alphalens sheet '{unknown[0]}'; choose among {', '.join(SHEETS)}")
    with _quiet(), _plotting() as caught:
        from alphalens import tears

        makers: Mapping[str, Callable[[], Any]] = {
            "returns": lambda: tears.create_returns_tear_sheet(data, long_short=long_short),
            "information": lambda: tears.create_information_tear_sheet(data),
            "turnover": lambda: tears.create_turnover_tear_sheet(data),
        }
        return [_guarded(name, makers[name], caught) for name in sheets]


def write_sheets(
    data: pd.DataFrame, path: Path, *, title: str, sheets: Sequence[str] = SHEETS, facts: str = ""
) -> Path:
    """Write the sheets as one HTML file, beside and then renamed; it opens without a network.

    Parameters
    ----------
    data : DataFrame
        Of :func:`factor_data`.
    path : Path
    title : str
        The factor's name.
    sheets : sequence of str
    facts : str
        A sentence under the title: universe, span, prices.
    """
    path = Path(path)
    page = to_html(render(data, sheets), title, facts)
    write_beside(path, page)
    return path


def write_sheet(
    market: Market, factor: Factor, values: np.ndarray, rows: np.ndarray, path: Path, *, quantiles: int = 5
) -> Path:
    """:func:`write_sheets` of a registered factor on a market, for buyers at the next session's open.

    Parameters
    ----------
    market : Market
    factor : Factor
    values : ndarray, shape (D, N)
        Its values; those of names outside the universe are left out.
    rows : ndarray of int, shape (D,)
        Sessions of the values.
    path : Path
    quantiles : int

    Raises
    ------
    DataError
        If nothing is left to draw.
    """
    last = len(market.sessions) - 1
    opens = np.where(market.traded > 0, market.open * market.adj_factor, np.nan)[1:]
    inside = rows < last
    members = market.member[rows[inside]] > 0
    known = np.where(members, np.asarray(values)[inside], np.nan)
    data = factor_data(known, opens, rows[inside], market.sessions[:last], market.symbols, quantiles=quantiles)
    days = market.sessions[rows[inside]]
    facts = (
        f"Universe {market.info.get('universe', 'all')}, {days[0]} to {days[-1]}, daily; bought at the next session's "
        f"open. The factor covers {np.isfinite(known).sum() / max(members.sum(), 1):.0%} of the members."
    )
    return write_sheets(data, path, title=f"{factor.name} {factor.chinese}".strip(), facts=facts)


def to_html(sheets: Sequence[Sheet], title: str, facts: str = "") -> str:
    """The page as text."""
    parts = []
    for sheet in sheets:
        parts.append(f'<h2>{html.escape(sheet.title)}</h2><section class="card">')
        if sheet.note:
            parts.append(f'<p class="note">{html.escape(sheet.note)}</p>')
        for table in sheet.tables:
            parts.append(f'<div class="scrolls">{_table(table)}</div>')
        for picture in sheet.pictures:
            text = base64.b64encode(picture).decode("ascii")
            parts.append(f'<img class="sheet" alt="{html.escape(sheet.title)}" src="data:image/png;base64,{text}">')
        parts.append("</section>")
    body = "".join(parts)
    said = html.escape(facts) + "<br>" if facts else ""
    return PAGE.format(title=html.escape(title), style=STYLE.read_text(encoding="utf-8"), body=body, facts=said)


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(border=0, float_format=lambda x: f"{x:,.3f}", na_rep="n/a")


def _guarded(name: str, make: Callable[[], Any], caught: _Caught) -> Sheet:
    """One sheet, or the note that says why not."""
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    caught.pictures, caught.tables = [], []
    note = ""
    try:
        make()
    except Exception as error:  # any: one sheet must not cost the others
        note = f"not drawn: {' '.join(str(error).split())[:300] or type(error).__name__}"
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
    return Sheet(name.capitalize(), caught.pictures, caught.tables, note)


class _Caught:
    """Where Alphalens' pictures and tables go instead of a notebook."""

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self.tables: list[pd.DataFrame] = []

    def close(self, grid: Any) -> None:
        """In place of ``GridFigure.close``, which throws the figure away."""
        import matplotlib.pyplot as plt

        for axes in grid.fig.axes:
            if not axes.has_data():
                axes.remove()
        grid.fig.subplots_adjust(hspace=0.45)  # slanted dates run into the next title otherwise
        buffer = io.BytesIO()
        grid.fig.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
        self.pictures.append(buffer.getvalue())
        plt.close(grid.fig)
        grid.fig = grid.gs = None

    def display(self, table: Any) -> None:
        """In place of IPython's; the frame is changed after it was shown."""
        import pandas as pd

        self.tables.append(pd.DataFrame(table).copy())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress, warnings or changed options; what was set before holds again afterwards."""
    import pandas as pd

    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        before = pd.get_option("display.float_format")
        try:
            yield
        finally:
            pd.set_option("display.float_format", before)


@contextlib.contextmanager
def _plotting() -> Iterator[_Caught]:
    """Agg, matplotlib's own defaults and a patched Alphalens."""
    import matplotlib
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend(auto_select=False)
    plt.switch_backend("Agg")
    from alphalens import tears, utils

    caught = _Caught()
    kept = tears.GridFigure.close, utils.display
    tears.GridFigure.close, utils.display = (lambda grid: caught.close(grid)), caught.display
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()  # a user's style file must not change the sheets
            yield caught
    finally:
        tears.GridFigure.close, utils.display = kept
        if before:
            plt.switch_backend(before)
