"""The interactive charts of the tearsheet, as plain Plotly dictionaries.

Building dictionaries keeps Plotly's object layer (and its random ids) out: the same run gives the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from engine.drawdowns import drawdown_series
from engine.measures import net_value

ACCOUNT, BENCHMARK, PRICE, EXCESS = "#1d4f7c", "#c8741f", "#8d949c", "#2a7f73"
INK, GRID = "#3a424c", "#e6e9ed"


def _rounded(values: np.ndarray, digits: int) -> list[float | None]:
    """JSON-ready numbers: rounded, None for NaN."""
    return [x if np.isfinite(x) else None for x in np.round(values, digits).tolist()]


def line(dates: list[str], y: np.ndarray, name: str, colour: str, axis: str, **more: Any) -> dict[str, Any]:
    """A curve as Plotly has it; ``hover`` is the template of its label."""
    trace = {
        "type": "scatter", "mode": "lines", "x": dates, "y": _rounded(y, 5), "name": name, "yaxis": axis,
        "line": {"color": colour, "width": 1.6, **more.pop("line", {})}, "hovertemplate": more.pop("hover"),
    }  # fmt: skip
    return trace | more


def axis(domain: tuple[float, float], title: str, form: str) -> dict[str, Any]:
    """A vertical axis over a part of the height, its ticks in ``form``."""
    return {
        "domain": list(domain), "title": {"text": title, "font": {"size": 12}}, "tickformat": form,
        "gridcolor": GRID, "zerolinecolor": "#c9ced5", "automargin": True,
    }  # fmt: skip


def layout_of(**more: Any) -> dict[str, Any]:
    """The look of all charts, with ``more`` of this one."""
    return {
        "font": {"family": "system-ui, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "#ffffff", "plot_bgcolor": "#ffffff", "hovermode": "x unified", "autosize": True,
        "margin": {"l": 56, "r": 16, "t": 8, "b": 28}, "hoverlabel": {"font": {"size": 12}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    } | more  # fmt: skip


def days_of(equity: pd.DataFrame) -> list[str]:
    """The dates of a frame as text."""
    return np.datetime_as_string(equity["date"].to_numpy().astype("datetime64[D]")).tolist()


def known_level(equity: pd.DataFrame, column: str) -> np.ndarray | None:
    """A benchmark column of ``equity`` carried over gaps, or None where the base day has no level."""
    if column not in equity:
        return None
    level = equity[column].astype(float).ffill().to_numpy()
    return level if len(level) and np.isfinite(level[0]) and level[0] > 0 else None


def account_level(equity: pd.DataFrame) -> np.ndarray:
    """The account's value, yuan, as if nothing had been paid in or out since the base day: (T,)."""
    return net_value(equity["value"].to_numpy(dtype=float), equity.get("deposit"))


def performance(equity: pd.DataFrame, kind: str) -> dict[str, Any]:
    """Net value, drawdown and excess over one time axis.

    Parameters
    ----------
    equity : DataFrame
        ``equity.parquet``, (T rows), the base day first; every curve starts at 1 there.
    kind : str
        What the benchmark is ("total return" or "price"), for the legend.
    """
    dates, value = days_of(equity), account_level(equity)
    account = value / value[0]
    benchmark, price = known_level(equity, "benchmark"), known_level(equity, "benchmark_price")
    data = [line(dates, account, "Account", ACCOUNT, "y", hover="%{y:.3f}", line={"width": 2})]
    falls = [line(dates, drawdown_series(value), "Account drawdown", ACCOUNT, "y2", hover="%{y:.1%}",
                   fill="tozeroy", fillcolor="rgba(29,79,124,0.15)", showlegend=False)]  # fmt: skip
    layout = layout_of(
        xaxis={
            "type": "date", "anchor": "y3" if benchmark is not None else "y2", "gridcolor": GRID,
            "rangeselector": {
                "buttons": [
                    {"count": n, "step": "year", "stepmode": "backward", "label": f"{n}y"} for n in (1, 3, 5)
                ] + [{"step": "all", "label": "all"}],
                "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "bgcolor": "#eef1f4",
            },
        }
    )  # fmt: skip
    if benchmark is None:
        layout |= {
            "yaxis": axis((0.36, 1), "Net value", ".2f"),
            "yaxis2": axis((0, 0.3), "Drawdown", ".0%"),
        }
        return {"data": data + falls, "layout": layout}
    level = benchmark / benchmark[0]
    data.append(line(dates, level, f"Benchmark ({kind})", BENCHMARK, "y", hover="%{y:.3f}"))
    if price is not None and kind != "price":
        data.append(line(dates, price / price[0], "Price index", PRICE, "y", hover="%{y:.3f}", line={"dash": "dot"}))
    falls.append(line(dates, drawdown_series(level), "Benchmark drawdown", BENCHMARK, "y2", hover="%{y:.1%}",
                       line={"width": 1}, showlegend=False))  # fmt: skip
    extra = line(dates, account / level - 1.0, "Excess (ratio of net values - 1)", EXCESS, "y3",
                  hover="%{y:.1%}", fill="tozeroy", fillcolor="rgba(42,127,115,0.15)")  # fmt: skip
    layout |= {
        "yaxis": axis((0.52, 1), "Net value", ".2f"),
        "yaxis2": axis((0.27, 0.47), "Drawdown", ".0%"),
        "yaxis3": axis((0, 0.22), "Excess", ".0%"),
    }
    return {"data": data + falls + [extra], "layout": layout}


def cash_share(equity: pd.DataFrame, positions: pd.DataFrame) -> dict[str, Any]:
    """Cash as a share of the account, and the number of stocks held, at each close.

    The base day, all cash by definition, is left out where there is a session after it.
    """
    equity = equity.iloc[1:] if len(equity) > 1 else equity
    dates = days_of(equity)
    share = equity["cash"].to_numpy(dtype=float) / equity["value"].to_numpy(dtype=float)
    counts = positions.groupby("date").size().reindex(equity["date"]).fillna(0).to_numpy(dtype=float)
    cash = line(dates, share, "Cash share", ACCOUNT, "y", hover="%{y:.1%}", fill="tozeroy",
                 fillcolor="rgba(29,79,124,0.18)", line={"shape": "hv"})  # fmt: skip
    held = line(dates, counts, "Stocks held (right)", BENCHMARK, "y2", hover="%{y:.0f}",
                 line={"width": 1.2, "shape": "hv"})  # fmt: skip
    right = {"overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False,
             "tickmode": "auto", "nticks": 6, "tickformat": ".0f"}  # fmt: skip
    left = axis((0, 1), "Cash / value", ".0%") | {"rangemode": "tozero"}
    margin = {"l": 56, "r": 44, "t": 8, "b": 28}
    return {
        "data": [cash, held],
        "layout": layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=left, yaxis2=right, margin=margin),
    }
