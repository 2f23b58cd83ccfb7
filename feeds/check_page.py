"""The checks of a data folder as one self-contained HTML page with pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.market import Market
from feeds.data_check import Finding

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--dim:#667;--line:#d8dde4;--bar:#3b6ea5;--back:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e5e9ee;--dim:#9aa4b1;--line:#38424e;--bar:#7fb0e6;--back:#161b21}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:64rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}p,figcaption{color:var(--dim)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}.ok{color:#2a8a4a}.note{color:#3b6ea5}.warning{color:#b7791f}
.fatal{color:#c53030;font-weight:600}figure{margin:1rem 0}svg{width:100%;height:auto}svg text{fill:var(--dim);
font-size:11px}svg rect{fill:var(--bar)}svg path{stroke:var(--bar);fill:none;stroke-width:1.5}
svg line{stroke:var(--line)}.wide{overflow-x:auto}
"""


def check_page(name: str, findings: Sequence[Finding], market: Market | None) -> str:
    """The page.

    Parameters
    ----------
    name : str
        Name of the data folder (its last part, no path).
    findings : sequence of Finding
    market : Market or None
        For the pictures; None where the folder could not be opened.

    Returns
    -------
    str
        HTML without any link to elsewhere.
    """
    body = [f"<h1>Checks of {html.escape(name)}</h1>"]
    if market is not None:
        rows, columns = market.shape
        bars = int((~np.isnan(market.close)).sum())
        span = f"{market.sessions[0]} to {market.sessions[-1]}"
        body.append(f"<p>{bars:,} bars of {columns:,} stocks on {rows:,} sessions, {span}.</p>")
    body.append(_summary(findings))
    if market is not None:
        body += [_figure(text, caption) for text, caption in _pictures(market)]
    for one in findings:
        if one.examples or one.by_year:
            body.append(_details(one))
    head = f"<meta charset='utf-8'><title>Checks of {html.escape(name)}</title><style>{_STYLE}</style>"
    view = "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    return f"<!doctype html><html lang='en'><head>{head}{view}</head><body>{''.join(body)}</body></html>\n"


def _summary(findings: Sequence[Finding]) -> str:
    rows = "".join(
        f"<tr><td class='{one.level}'>{one.level}</td><td>{html.escape(one.check)}</td><td class='n'>{one.count:,}</td>"
        f"<td class='n'>{one.of:,}</td><td>{html.escape(one.says)}</td></tr>"
        for one in findings
    )
    heads = "<th></th><th>check</th><th class='n'>odd</th><th class='n'>of</th><th>what</th>"
    return f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def _details(one: Finding) -> str:
    parts = [f"<h2>{html.escape(one.check)}</h2><p class='{one.level}'>{html.escape(one.says)}: {one.count:,}</p>"]
    if len(one.by_year) > 1:
        years = {year: one.by_year.get(year, 0) for year in range(min(one.by_year), max(one.by_year) + 1)}
        parts.append(_figure(bars_svg({str(year): count for year, count in years.items()}), "odd rows by year"))
    if one.examples:
        names = list(dict.fromkeys(name for row in one.examples for name in row))
        heads = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_text(row.get(name)))}</td>" for name in names) + "</tr>"
            for row in one.examples
        )
        parts.append(f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>")
    return "".join(parts)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _figure(picture: str, caption: str) -> str:
    return f"<figure><figcaption>{html.escape(caption)}</figcaption>{picture}</figure>"


def _pictures(market: Market) -> list[tuple[str, str]]:
    """Stocks with bars and suspended ones by month, limit days, and the median size, all from the panel."""
    sessions = market.sessions
    bar = ~np.isnan(market.close)
    listed = market.listed.astype(bool)
    months = sessions.astype("datetime64[M]")
    starts = np.flatnonzero(np.append(True, months[1:] != months[:-1]))
    labels = [str(month) for month in months[starts]]

    def monthly(daily: np.ndarray) -> np.ndarray:
        total = np.add.reduceat(daily.astype(float), starts)
        return total / np.diff(np.append(starts, len(sessions)))

    traded, alive = bar.sum(axis=1), listed.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        up = ((np.rint(market.close * 100) >= market.limit_up) & bar).sum(axis=1) / np.maximum(traded, 1)
        down = ((np.rint(market.close * 100) <= market.limit_down) & bar).sum(axis=1) / np.maximum(traded, 1)
        value = np.nansum(market.amount, axis=1) / 1e9
    idle = 1.0 - traded / np.maximum(alive, 1)
    return [
        (line_svg(labels, {"": monthly(traded)}), "stocks with a bar, mean of the month"),
        (line_svg(labels, {"": 100 * monthly(idle)}), "listed stocks without a bar, per cent, mean of the month"),
        (line_svg(labels, {"": 100 * monthly(up)}), "closes at the upper limit, per cent of the bars"),
        (line_svg(labels, {"": 100 * monthly(down)}), "closes at the lower limit, per cent of the bars"),
        (line_svg(labels, {"": monthly(value)}), "amount traded a day, billion yuan, mean of the month"),
    ]


_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 760.0, 170.0, 52.0, 22.0, 8.0


def bars_svg(values: Mapping[str, float]) -> str:
    """A bar a label."""
    most = _round_up(max(values.values(), default=0.0))
    step = (_WIDTH - _LEFT) / max(len(values), 1)
    parts = [_axis(most)]
    for k, (label, value) in enumerate(values.items()):
        height = (_HEIGHT - _BOTTOM - _TOP) * value / most
        x = _LEFT + k * step
        parts.append(
            f"<rect x='{x + 0.15 * step:.1f}' y='{_HEIGHT - _BOTTOM - height:.1f}' width='{0.7 * step:.1f}' "
            f"height='{height:.1f}'><title>{html.escape(label)}: {value:,.0f}</title></rect>"
            f"<text x='{x + step / 2:.1f}' y='{_HEIGHT - 6:.1f}' text-anchor='middle'>{html.escape(label)}</text>"
        )
    return _svg(parts)


def line_svg(labels: Sequence[str], series: Mapping[str, np.ndarray]) -> str:
    """Lines over equally spaced labels (months like 2020-01), from zero up."""
    most = _round_up(max((float(np.nanmax(values)) for values in series.values() if len(values)), default=0.0))
    width = (_WIDTH - _LEFT) / max(len(labels) - 1, 1)
    parts = [_axis(most)]
    for values in series.values():
        points = [
            f"{_LEFT + k * width:.1f},{_HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / most:.1f}"
            for k, value in enumerate(values.tolist())
            if value == value
        ]
        parts.append(f"<path d='M{' L'.join(points)}'/>")
    for k, label in enumerate(labels):
        if label.endswith("-01"):
            parts.append(f"<text x='{_LEFT + k * width:.1f}' y='{_HEIGHT - 6:.1f}'>{html.escape(label[:4])}</text>")
    return _svg(parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 10, 20 ...: the end of an axis whose middle is a plain number too."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1.0, 2.0, 4.0, 5.0, 10.0) if step * power >= value))


def _axis(most: float) -> str:
    base = _HEIGHT - _BOTTOM
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = base - (base - _TOP) * share
        lines.append(
            f"<line x1='{_LEFT}' x2='{_WIDTH}' y1='{y:.1f}' y2='{y:.1f}'/>"
            f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{share * most:,.4g}</text>"
        )
    return "".join(lines)


def _svg(parts: Sequence[str]) -> str:
    return f"<svg viewBox='0 0 {_WIDTH:.0f} {_HEIGHT:.0f}' role='img'>{''.join(parts)}</svg>"
