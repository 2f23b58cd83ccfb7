"""The checks of a data folder as one self-contained HTML page with pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.market import Market
from feeds.data_check import LEVELS, Finding, worst

_ONE_LINE = 12
"""Texts of that length, such as dates and codes, are not broken."""

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--dim:#5b6675;--line:#dde2e8;--bar:#3b6ea5;--back:#fff;--soft:#f4f6f8;
--ok:#23784a;--note:#3b6ea5;--warning:#96620c;--fatal:#b92c2c}
@media(prefers-color-scheme:dark){:root{--ink:#e5e9ee;--dim:#9aa4b1;--line:#333d48;--bar:#7fb0e6;--back:#161b21;
--soft:#1f262e;--ok:#62c48d;--note:#7fb0e6;--warning:#e0b050;--fatal:#f08080}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:76rem;margin:2rem auto;
padding:0 1.2rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2.2rem 0 .3rem}p{margin:.2rem 0}
p.about,figcaption,td.says{color:var(--dim)}a{color:inherit}
p.verdict{margin:1rem 0;padding:.6rem .9rem;background:var(--soft);border-left:4px solid currentColor;font-weight:600}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.28rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim);font-size:.87em}td.n,th.n{text-align:right;white-space:nowrap}
td.check{white-space:nowrap}td.level{font-weight:600}
.ok{color:var(--ok)}.note{color:var(--note)}.warning{color:var(--warning)}.fatal{color:var(--fatal)}
figure{margin:0}body>figure{max-width:40rem}
figcaption{font-size:.9em}svg{display:block;width:100%;height:auto}svg text{fill:var(--dim);
font-size:12px}svg rect{fill:var(--bar)}svg path{stroke:var(--bar);fill:none;stroke-width:1.5}
svg line{stroke:var(--line)}.wide{overflow-x:auto}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(28rem,100%),1fr));gap:1.2rem 2rem;
margin:1.5rem 0}
@media(max-width:44rem){.checks thead{display:none}.checks tr{display:grid;grid-template-columns:5rem 1fr auto;
padding:.4rem 0;border-bottom:1px solid var(--line)}.checks td{border:0;padding:0 .3rem}.checks td.of{display:none}
.checks td.says{grid-column:2/-1}}
"""


def check_page(
    name: str, findings: Sequence[Finding], market: Market | None, tables: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The page.

    Parameters
    ----------
    name : str
        Name of the data folder (its last part, no path).
    findings : sequence of Finding
    market : Market or None
        For the pictures; None where the folder could not be opened.
    tables : sequence of mapping
        As :func:`feeds.manifest.contents` gives them.

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
        body.append(
            f"<p class='about'>{bars:,} bars of {columns:,} stocks on {rows:,} sessions, {span}. "
            f"Fingerprint {html.escape(market.fingerprint[:16])}.</p>"
        )
    body += [f"<p class='verdict {worst(findings)}'>{html.escape(verdict(findings))}</p>", _summary(findings)]
    body += [_details(one) for one in findings if _has_details(one)]
    if market is not None:
        pictures = "".join(_figure(text, caption) for text, caption in _pictures(market))
        body.append(f"<h2>The market in pictures</h2><div class='pictures'>{pictures}</div>")
    if tables:
        body.append(f"<h2>Tables</h2>{_rows(tables)}")
    head = f"<meta charset='utf-8'><title>Checks of {html.escape(name)}</title><style>{_STYLE}</style>"
    view = "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    return f"<!doctype html><html lang='en'><head>{head}{view}</head><body>{''.join(body)}</body></html>\n"


def verdict(findings: Sequence[Finding]) -> str:
    """All checks in one sentence, the worst first."""
    count = {level: sum(one.level == level for one in findings) for level in LEVELS}
    said = [f"{count['ok']} of {len(findings)} checks are right"]
    for level, plural in (("fatal", "fatal"), ("warning", "warnings"), ("note", "notes")):
        if count[level]:
            said.append(f"{count[level]} {level if count[level] == 1 else plural}")
    return f"{'Do not use these data as they are' if count['fatal'] else 'Nothing is fatal'}: {', '.join(said)}."


def _summary(findings: Sequence[Finding]) -> str:
    rows = "".join(
        f"<tr><td class='level {one.level}'>{one.level}</td><td class='check'>{_linked(one)}</td>"
        f"<td class='n'>{one.count:,}</td><td class='n of'>{one.of:,}</td>"
        f"<td class='says'>{html.escape(one.says)}</td></tr>"
        for one in findings
    )
    heads = "<th></th><th>check</th><th class='n'>odd</th><th class='n'>looked at</th><th>what counts as odd</th>"
    return f"<table class='checks'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _has_details(one: Finding) -> bool:
    return bool(one.examples or one.by_year)


def _anchor(one: Finding) -> str:
    return html.escape(one.check.replace(" ", "-"), quote=True)


def _linked(one: Finding) -> str:
    name = html.escape(one.check)
    return f"<a href='#{_anchor(one)}'>{name}</a>" if _has_details(one) else name


def _details(one: Finding) -> str:
    parts = [f"<h2 id='{_anchor(one)}'>{html.escape(one.check)}</h2>"]
    shown = f"{len(one.examples):,} of {one.count:,} shown" if one.count > len(one.examples) else f"{one.count:,}"
    parts.append(f"<p class='{one.level}'>{html.escape(one.says)}: {shown}</p>")
    if len(one.by_year) > 1 and one.count > len(one.examples):  # a picture of what the table does not show
        years = {year: one.by_year.get(year, 0) for year in range(min(one.by_year), max(one.by_year) + 1)}
        parts.append(_figure(bars_svg({str(year): count for year, count in years.items()}), "odd rows by year"))
    if one.examples:
        parts.append(_rows(one.examples))
    return "".join(parts)


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of mappings: numbers at the right, columns without a value left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    names = dict.fromkeys(name for name in names if any(_text(row.get(name)) for row in rows))
    right = {name: all(isinstance(row.get(name), int | float | None) for row in rows) for name in names}
    short = {name: all(len(_text(row.get(name))) <= _ONE_LINE for row in rows) for name in names}
    sides = {name: " class='n'" if right[name] else " class='check'" if short[name] else "" for name in names}
    heads = "".join(f"<th{sides[name]}>{html.escape(name)}</th>" for name in names)
    lines = "".join(
        "<tr>" + "".join(f"<td{sides[name]}>{html.escape(_text(row.get(name)))}</td>" for name in names) + "</tr>"
        for row in rows
    )
    return f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1e5 else f"{value:g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _figure(picture: str, caption: str) -> str:
    return f"<figure><figcaption>{html.escape(caption)}</figcaption>{picture}</figure>"


def _pictures(market: Market) -> list[tuple[str, str]]:
    """Stocks with bars, suspended, at a limit and under ST by month, and the amount traded, all from the panel."""
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
    special = (market.st.astype(bool) & bar).sum(axis=1) / np.maximum(traded, 1)
    idle = 1.0 - traded / np.maximum(alive, 1)
    return [
        (line_svg(labels, {"": monthly(traded)}), "stocks with a bar, mean of the month"),
        (line_svg(labels, {"": 100 * monthly(idle)}), "listed stocks without a bar, per cent, mean of the month"),
        (line_svg(labels, {"": 100 * monthly(up)}), "closes at the upper limit, per cent of the bars"),
        (line_svg(labels, {"": 100 * monthly(down)}), "closes at the lower limit, per cent of the bars"),
        (line_svg(labels, {"": 100 * monthly(special)}), "stocks under special treatment (ST), per cent of the bars"),
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
