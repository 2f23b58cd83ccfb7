"""The screening as one self-contained HTML page: words first, then the table, the charts and the small print.

It opens without a network: styles, data and Plotly itself are inside. No clock is read: the same screening gives the
same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.files import write_beside
from engine.presentation import percent
from signals.pages import cell, figure, rendered, shade, share
from signals.screen import Screening
from signals.screening.charts import heat_map, ic_chart, quantile_chart
from signals.screening.words import line, method, span, statement_on_tests, summary

TEMPLATES = Path(__file__).parent / "templates"


def write_page(
    found: Screening, path: Path, *, title: str = "Factor screening", facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write the page, beside and then renamed.

    Parameters
    ----------
    found : Screening
    path : Path
        The HTML file.
    title : str
    facts : sequence of (label, text)
        Lines under the title, such as data and universe.
    warnings : sequence of str
        What a reader must know first, such as survivorship; above all else.

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    page = render(found, title=title, facts=facts, warnings=warnings)
    write_beside(path, page)
    return path


def render(
    found: Screening, *, title: str = "Factor screening", facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> str:  # fmt: skip
    """The page as text."""
    return rendered(TEMPLATES, "screen.html.j2", **context(found, title, facts), warnings=list(warnings))


def context(found: Screening, title: str, facts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Everything that the template shows."""
    sample = found.everything
    kept = sample.kept
    charts: dict[str, Any] = {"heat": heat_map(found)} if len(found.names) > 1 else {}
    details = []
    for place, name in enumerate(kept):
        one = sample.evaluations[name]
        charts[f"ic-{place}"], charts[f"quantiles-{place}"] = ic_chart(found, one), quantile_chart(found, one)
        details.append({"place": place, "name": name, "title": found.titles.get(name, ""), "text": line(found, name)})
    dates = f"{found.dates[0]} to {found.dates[-1]}" if len(found.dates) else ""
    pairs = [*facts, ("Span", dates), ("Dates", f"{len(found.dates)}, {span(found, found.every)} apart"),
             ("Return", f"over {span(found, found.horizon)}")]  # fmt: skip
    return {
        "title": title,
        "subtitle": pairs,
        "summary": summary(found),
        "tiles": _tiles(found),
        "table": _table(found),
        "verdicts": _verdicts(found),
        "decay": _decay(found),
        "coverage": _coverage(found),
        "details": details,
        "charts": charts,
        "testing": statement_on_tests(found),
        "method": method(found),
        "unavailable": sorted(found.unavailable.items()),
    }


# -- tables ------------------------------------------------------------------------------------------


def _tiles(found: Screening) -> list[tuple[str, str, str]]:
    sample, bars = found.everything, found.everything.thresholds
    t = np.array([sample.summaries[name][found.horizon].rank_ic.t for name in found.names])
    missing = f"{len(found.unavailable)} without data" if found.unavailable else "all with data"
    tiles = [
        ("Factors tried", str(bars.tried), missing),
        ("Pass the adjusted bar", str(int((np.abs(t) >= bars.bonferroni).sum())), f"|t| ≥ {bars.bonferroni:.2f}"),
        ("Discoveries", str(sum(sample.passing.values())), f"{percent(bars.alpha, 0)} false allowed"),
        ("Kept", str(len(sample.kept)), "after correlation"),
    ]
    if found.bought is not None:
        away = f"{percent(found.unbuyable, 1)} of names taken away"
        tiles.append(("Kept when bought", str(len(found.bought.kept)), away))
    return tiles


HEAD = (
    ("Factor", "text", ""), ("Rank IC", "", "mean of Spearman's IC over dates"), ("t", "", "Newey-West"),
    ("Passes", "", "B: Bonferroni; Y: Benjamini, Hochberg and Yekutieli"), ("Kept", "", ""),
    ("Cover­age", "", "share of the universe's stock-dates"), ("mean |IC|", "", "mean of |Rank IC|"),
    ("noise", "", "mean |IC| of a factor that knows nothing"), ("|mean IC|", "", "|mean Rank IC|"),
    ("noise of mean", "", "|mean IC| of a factor that knows nothing"), ("IR", "", "mean over deviation, a date"),
    ("IC > 0", "", "share of dates"), ("IC", "", "mean of Pearson's IC"), ("Long-short", "", "mean a period"),
    ("its t", "", "Newey-West"), ("Auto­corr.", "", "of ranks, first lag"), ("Turn­over", "", "ends, first lag"),
    ("Names", "", "mean in the IC"),
)  # fmt: skip


def _table(found: Screening) -> dict[str, Any]:
    bar = found.everything.thresholds.bonferroni
    rows = []
    for row in found.table().to_dict("records"):
        marks = ("B" if abs(row["t"]) >= bar else "", "Y" if row["passes"] else "")
        passed = " ".join(mark for mark in marks if mark)
        colour = "up" if row["rank_ic"] > 0 else "down"
        rows.append(
            [
                cell(row["factor"], kind="text" + (" strong" if row["kept"] else "")) | {"small": row["name"]},
                figure(row["rank_ic"], 4, True, colour), figure(row["t"], 1, kind="strong" if passed else ""),
                cell(passed or "–", len(passed)), cell("kept" if row["kept"] else "–"), share(row["coverage"], 0),
                figure(row["mean_abs_rank_ic"], 4), figure(row["noise"], 4),
                figure(row["abs_mean_rank_ic"], 4), figure(row["noise_of_mean"], 4), figure(row["ir"], 2),
                share(row["share_positive"], 0), figure(row["ic"], 4, True), share(row["long_short"], 2, True),
                figure(row["long_short_t"], 1), figure(row["autocorrelation"], 2), share(row["turnover"], 0),
                figure(row["names"], 0),
            ]
        )  # fmt: skip
    return {"head": HEAD, "rows": rows}


def _verdicts(found: Screening) -> dict[str, Any]:
    """Every factor's verdict, and the one among names that could be bought."""
    second = {v.name: v for v in found.bought.verdicts} if found.bought else {}
    head = [("Factor", "text", ""), ("", "text", ""), ("Reason", "text", "")]
    if second:
        head += [("Rank IC, bought", "", "mean over the names that could be bought"), ("", "text", ""),
                 ("Why, where it changes", "text", "")]  # fmt: skip
    rows = []
    for v in found.everything.verdicts:
        row = [
            cell(v.name, kind="text" + (" strong" if v.kept else "")),
            cell("kept" if v.kept else "dropped", kind="text"), cell(v.reason, kind="text words"),
        ]  # fmt: skip
        if found.bought is not None:
            w = second[v.name]
            changed = w.kept != v.kept
            row += [
                figure(found.bought.summaries[v.name][found.horizon].rank_ic.mean, 4, True),
                cell("kept" if w.kept else "dropped", kind="text strong" if changed else "text"),
                cell(w.reason if changed else "", kind="text words" if changed else "text"),
            ]  # fmt: skip
        rows.append(row)
    return {"head": head, "rows": rows}


def _decay(found: Screening) -> dict[str, Any]:
    frame = found.decay()
    top = float(np.nanmax(np.abs(frame.to_numpy()))) if np.isfinite(frame.to_numpy()).any() else 1.0
    rows = [
        [cell(str(name), kind="text"), *(figure(x, 4, True) | {"colour": shade(x / top)} for x in values)]
        for name, values in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    return {"head": [("Factor", "text", ""), *((span(found, h), "", "") for h in frame.columns)], "rows": rows}


def _coverage(found: Screening) -> dict[str, Any]:
    order = {v.name: place for place, v in enumerate(found.everything.verdicts)}
    names = sorted(found.names, key=order.__getitem__)
    rows = []
    for name in names:
        shares = found.coverage[found.names.index(name)]
        rows.append([cell(name, kind="text"), *(share(x, 0) | {"colour": _paper(x)} for x in shares)])
    return {"head": [("Factor", "text", ""), *((str(y), "", "") for y in found.years)], "rows": rows}


def _paper(x: float) -> str:
    """The emptier, the redder."""
    if not math.isfinite(x):
        return "#eef0f3"
    lack = max(0.0, 1.0 - x) * 0.6
    return "rgb(" + ",".join(str(round(255 - (255 - c) * lack)) for c in (196, 90, 60)) + ")" if lack > 0.005 else ""
