"""pyfolio's sheets as pictures: our adapter around a library with edges.

pyfolio wants UTC indexes (it drops stress periods in silence otherwise), every position beside a ``cash``
column (Backtrader's own analyzer hands over two), and signed trades. It prints its tables as HTML, draws a
histogram of trade times in New York time, and warns about what pandas will change. All of that is dealt with
here: each sheet runs in a guard of its own, so that one that fails becomes a note; the settings of
matplotlib, warnings and pyfolio are as before afterwards; figures are closed.

Only ``engine.tearsheet`` imports this module, since pyfolio takes more than a second to load.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from engine.measures import account_returns
from engine.presentation import MISSING

DPI = 90

#: Times of stress in the A-share market (first and last day, both included).
STRESS_PERIODS = (
    ("Bear market 2008", "2007-10-16", "2008-10-28"),
    ("Cash crunch 2013", "2013-06-03", "2013-07-05"),
    ("Crash 2015", "2015-06-12", "2015-09-30"),
    ("Circuit breaker 2016", "2016-01-04", "2016-01-29"),
    ("Trade war 2018", "2018-03-22", "2018-12-31"),
    ("Covid 2020", "2020-01-20", "2020-03-31"),
    ("Core-asset unwind 2021", "2021-02-18", "2021-03-31"),
    ("Spring 2022", "2022-03-01", "2022-04-27"),
    ("Small-cap quake 2024", "2024-01-15", "2024-02-23"),
    ("September rally 2024", "2024-09-24", "2024-10-18"),
    ("Tariffs 2025", "2025-04-03", "2025-04-30"),
)

# Fonts with Chinese glyphs, in the order of preference; without one of them only symbols are drawn.
CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei", "PingFang SC",
    "Hiragino Sans GB", "Arial Unicode MS",
)  # fmt: skip


class Inputs(NamedTuple):
    """What pyfolio's functions take; every index is UTC midnight of a session.

    ``returns`` and ``benchmark`` are fractions, (T-1,), the benchmark None where there is none;
    ``positions`` (T-1, K+1) is yuan by symbol with ``cash`` last; ``transactions`` has amount (shares, sells
    negative), price (yuan) and symbol, one row a fill.
    """

    returns: pd.Series
    benchmark: pd.Series | None
    positions: pd.DataFrame
    transactions: pd.DataFrame


class Sheet(NamedTuple):
    """One sheet: its picture as PNG bytes and pyfolio's tables, or the reason why there is none."""

    title: str
    png: bytes | None
    tables: list[tuple[str, pd.DataFrame]]
    note: str | None


def inputs(equity: pd.DataFrame, positions: pd.DataFrame, fills: pd.DataFrame) -> Inputs:
    """Turn the frames of a run folder into pyfolio's.

    The base day is left out, since it has no return. On every row of ``positions`` the sum is the account's
    value.
    """
    index = pd.DatetimeIndex(equity["date"]).as_unit("ns").tz_localize("UTC")
    days = index[1:]
    returns = pd.Series(account_returns(equity["value"], equity.get("deposit")), index=days, name="account")
    benchmark = None
    if "benchmark" in equity and np.isfinite(equity["benchmark"].to_numpy(dtype=float)).all():
        level = pd.Series(equity["benchmark"].to_numpy(dtype=float), index=index, name="benchmark")
        benchmark = level.pct_change().iloc[1:]
    wide = positions.pivot_table(index="date", columns="symbol", values="value", aggfunc="sum")
    wide.index = pd.DatetimeIndex(wide.index).as_unit("ns").tz_localize("UTC")
    wide = wide.reindex(days).fillna(0.0)
    wide.columns = [str(name) for name in wide.columns]
    wide["cash"] = equity["cash"].to_numpy(dtype=float)[1:]
    trades = pd.DataFrame(
        {
            "amount": fills["shares"].to_numpy(dtype=float) * np.where(fills["side"] == "buy", 1.0, -1.0),
            "price": fills["price"].to_numpy(dtype=float),
            "symbol": fills["symbol"].astype("str").to_numpy(),
        },
        index=pd.DatetimeIndex(fills["date"]).as_unit("ns").tz_localize("UTC"),
    )
    return Inputs(returns, benchmark, wide, trades)


def overlapping(dates: pd.Series | pd.DatetimeIndex) -> list[tuple[str, str, str]]:
    """The stress periods in which the run has at least two sessions."""
    days = pd.DatetimeIndex(dates).tz_localize(None)
    return [p for p in STRESS_PERIODS if ((days >= p[1]) & (days <= p[2])).sum() >= 2]


def cjk_font() -> str | None:
    """The first installed font of :data:`CJK_FONTS`, or None."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CJK_FONTS if name in installed), None)


def render(frames: Inputs, names: dict[str, str], *, stress: bool = True) -> list[Sheet]:
    """Draw returns, positions, transactions and stress periods.

    Parameters
    ----------
    frames : Inputs
        Of :func:`inputs`.
    names : dict
        Stock name by symbol; drawn beside the symbol where a Chinese font is installed.
    stress : bool
        Whether to draw the stress periods; they mean nothing on synthetic data.

    Returns
    -------
    list of Sheet
        All of them, in this order; a failed one carries a note and no picture.
    """
    sheets: list[tuple[str, Callable[[Inputs], Any]]] = [
        ("Returns", _returns_sheet),
        ("Positions", _positions_sheet),
        ("Transactions", _transactions_sheet),
    ]
    if stress:
        sheets.append(("Stress periods", _stress_sheet))
    with _quiet():
        try:
            tables = _Tables()
            with _plotting(tables) as font:
                # "$" would start a formula in matplotlib's text.
                named = {code: f"{code} {names[code]}".replace("$", r"\$") for code in names if names[code]}
                labels = {code: named[code] for code in frames.positions if code in named} if font else {}
                renamed = frames._replace(positions=frames.positions.rename(columns=labels))
                return [_guarded(title, draw, renamed, tables) for title, draw in sheets]
        except ImportError as error:
            return [Sheet(title, None, [], f"pyfolio cannot be imported: {error}") for title, _ in sheets]


def _guarded(title: str, draw: Callable[[Inputs], Any], frames: Inputs, tables: _Tables) -> Sheet:
    """One sheet, or the note that says why not; no figure stays open."""
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    tables.found = []
    try:
        figure = draw(frames)
        _say_account(figure)
        return Sheet(title, _png(figure), tables.found, None)
    except Exception as error:  # any: the sheet is an appendix and must never cost the report
        reason = " ".join(str(error).split())[:300]
        return Sheet(title, None, [], f"not drawn: {reason or type(error).__name__}")
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


#: pyfolio's words for what the rest of the tearsheet calls the account; "portfolio beta" and the like are left.
_ACCOUNT = {"Backtest": "Account", "Portfolio": "Account", "Algo": "Account"}


def _say_account(figure: Any) -> None:
    """Call the account so in titles and legends."""
    for axes in figure.axes:
        axes.set_title(_account(axes.get_title()))
        legend = axes.get_legend()
        for text in legend.get_texts() if legend is not None else ():
            text.set_text(_account(text.get_text()))


def _account(text: str) -> str:
    first, space, rest = text.partition(" ")
    return _ACCOUNT.get(first, first) + space + rest


def _drop_shorts(axes: Any) -> None:
    """Take the short side, which an A-share account does not have, out of a picture and its legend."""
    handles, labels = axes.get_legend_handles_labels()
    if axes.get_legend() is None or not any("short" in label.lower() for label in labels):
        return
    for handle, label in zip(handles, labels, strict=True):
        if "short" in label.lower():
            handle.remove()
    for text in axes.legend(loc="best", frameon=True, framealpha=0.5).get_texts():
        text.set_text(text.get_text().replace("_long", "").capitalize())
    axes.set_title(axes.get_title().replace("Long/short max", "Max"))


def _png(figure: Any) -> bytes:
    """Same picture, same bytes: without the library's version and the date in the file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def _returns_sheet(frames: Inputs) -> Any:
    import pyfolio

    return pyfolio.create_returns_tear_sheet(frames.returns, benchmark_rets=frames.benchmark, return_fig=True)


def _positions_sheet(frames: Inputs) -> Any:
    import pyfolio

    if frames.positions.shape[1] < 2:
        raise ValueError("the account never held a stock")
    figure = pyfolio.create_position_tear_sheet(frames.returns, frames.positions, return_fig=True)
    for axes in figure.axes:
        _drop_shorts(axes)
        legend = axes.get_legend()
        if legend is not None and len(legend.get_texts()) > 6:  # the top ten run into the next title
            for text in legend.get_texts():
                text.set_fontsize(10)
            legend.set_bbox_to_anchor((0.5, -0.1), transform=axes.transAxes)
    return figure


def _transactions_sheet(frames: Inputs) -> Any:
    import pyfolio

    if frames.transactions.empty:
        raise ValueError("the account never traded")
    return pyfolio.create_txn_tear_sheet(
        frames.returns, frames.positions, frames.transactions, estimate_intraday=False, return_fig=True
    )


def _stress_sheet(frames: Inputs) -> Any:
    import pyfolio
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    spans = overlapping(pd.DatetimeIndex(frames.returns.index))
    if not spans:
        raise ValueError("the run overlaps none of the A-share stress periods")
    periods = OrderedDict((name, (pd.Timestamp(a, tz="UTC"), pd.Timestamp(b, tz="UTC"))) for name, a, b in spans)
    with pd.plotting.plot_params.use("x_compat", True):  # dates on every axis, not periods on some
        figure = pyfolio.create_interesting_times_tear_sheet(
            frames.returns, benchmark_rets=frames.benchmark, periods=periods, return_fig=True
        )
    for axes in figure.axes:
        locator = AutoDateLocator(maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.tick_params(axis="x", labelrotation=0)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("center")
    return figure


def rolling_beta(returns: pd.Series, factor_returns: pd.Series, rolling_window: int = 126) -> pd.Series:
    """pyfolio's rolling beta without its loop over windows (4 s of a 9-year report).

    As there, a window holds ``rolling_window + 1`` sessions, both ends included.
    """
    frame = returns.rolling(rolling_window + 1)
    return frame.cov(factor_returns) / factor_returns.rolling(rolling_window + 1).var()


class _Tables:
    """Takes the place of pyfolio's ``print_table`` and keeps the tables of the sheet at work."""

    #: Of an account that is never short the one is empty and the other that of all positions.
    NEEDLESS = ("Top 10 long positions of all time", "Top 10 short positions of all time")

    def __init__(self) -> None:
        self.found: list[tuple[str, pd.DataFrame]] = []

    def __call__(
        self, table: Any, name: str | None = None, float_format: Any = None, formatters: Any = None,
        header_rows: Any = None,
    ) -> None:  # fmt: skip
        if name in self.NEEDLESS:
            return
        frame = pd.DataFrame(table)
        write = float_format or "{:.2f}".format

        def cell(x: Any) -> str:
            if x is None or x is pd.NaT or (isinstance(x, float) and np.isnan(x)):
                return MISSING
            if isinstance(x, pd.Timestamp):
                return str(x.date())
            return write(x) if isinstance(x, float) else str(x)

        text = frame.map(cell).rename(columns=lambda head: _account(str(head)))
        self.found.append((name or str(frame.columns.name or "Performance statistics"), text))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings from the libraries of the report; what was set before holds again afterwards."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _plotting(tables: _Tables) -> Iterator[str | None]:
    """Agg, matplotlib's own defaults and a patched pyfolio; yields the Chinese font, if there is one."""
    import matplotlib
    import matplotlib.pyplot as plt
    import pyfolio
    import pyfolio.plotting
    import pyfolio.timeseries
    import pyfolio.utils

    def left_out(*_: Any, ax: Any = None, **__: Any) -> None:
        """For pictures that say nothing here: an account on daily bars that is never short nor in debt."""
        ax.remove()

    useless = (
        "plot_txn_time_hist", "plot_daily_turnover_hist", "plot_long_short_holdings", "plot_gross_leverage",
    )  # fmt: skip
    before = matplotlib.get_backend(auto_select=False)
    plt.switch_backend("Agg")
    patches = (
        (pyfolio.utils, "print_table", tables),
        *((pyfolio.plotting, name, left_out) for name in useless),
        (pyfolio.timeseries, "rolling_beta", rolling_beta),
    )
    kept = [(module, name, getattr(module, name)) for module, name, _ in patches]
    for module, name, ours in patches:
        setattr(module, name, ours)
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()  # a user's style file must not change the report
            font = cjk_font()
            if font:
                # pyfolio's style asks for "sans-serif", which is looked up here when the picture is drawn.
                matplotlib.rcParams["font.sans-serif"] = [font, "DejaVu Sans"]
                matplotlib.rcParams["axes.unicode_minus"] = False
            yield font
    finally:
        for module, name, theirs in kept:
            setattr(module, name, theirs)
        if before and before.lower() != "agg":
            plt.switch_backend(before)
