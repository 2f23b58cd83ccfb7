"""How much of its universe a market really has: coverage and survivorship as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.market import Market
from feeds.manifest import NO_FACTORS, source_notes
from feeds.universe import PROXIES, TODAY


def coverage_numbers(
    market: Market,
    first: np.datetime64 | None = None,
    last: np.datetime64 | None = None,
    figures: bool | None = None,
) -> dict[str, Any]:
    """Numbers on a run's universe between two days.

    Parameters
    ----------
    market : Market
    first, last : datetime64[D], optional
        The whole panel by default.
    figures : bool, optional
        Whether to count the figures of the reports as well; by default those of the tables that have been asked
        about, so that a run which read no reports does not read them for this.

    Returns
    -------
    dict
        ``members_in_data`` (mean share of the universe's memberships whose stock is in the data at all),
        ``members_with_bar`` (mean share of the listed members that have a bar on the session), ``members`` (mean
        count), ``left_market`` (members that were delisted in the span), ``as_of_today`` (whether the universe is
        today's list applied to the past), ``figures`` (by table and figure: share of the listed members that have
        a value, mean of the month ends; ``fundamentals_quarterly.net_profit``).
    """
    sessions = market.sessions
    start = 0 if first is None else int(np.searchsorted(sessions, first))
    stop = len(sessions) if last is None else int(np.searchsorted(sessions, last, side="right"))
    span = slice(start, max(stop, start))
    inside = (market.member[span] & market.listed[span]).astype(bool)
    count = inside.sum(axis=1)
    some = count > 0
    with_bar = (inside & ~np.isnan(market.close[span])).sum(axis=1)
    ever = inside.any(axis=0)
    left = market.delisted & (market.last_session >= span.start) & (market.last_session < span.stop) & ever
    found: dict[str, Any] = {
        "members_in_data": market.info.get("coverage"),
        "members_with_bar": round(float(np.mean(with_bar[some] / count[some])), 6) if some.any() else 0.0,
        "members": round(float(count.mean()), 1) if len(count) else 0.0,
        "left_market": int(left.sum()),
        "as_of_today": str(market.info.get("universe", "")).endswith(TODAY),
    }
    tables: list[str] = []
    if market.tables is not None and figures is not False:
        tables = market.tables.report_tables() if figures else market.tables.asked()
    if tables or figures:
        found["figures"] = _figures(market, span, inside, tables)
    return found


def survivorship_warning(market: Market) -> str | None:
    """The sentence that a run on today's members must show; None where members are dated."""
    universe = str(market.info.get("universe", ""))
    if not universe.endswith(TODAY):
        return None
    return (
        f"Survivorship: universe '{universe}' is today's list of members applied to the past; it leaves out what has "
        "dropped out since, so results are too good. Dated lists come in with scripts/data.py import constituents."
    )


def _proxy_warning(market: Market) -> str | None:
    universe = str(market.info.get("universe", ""))
    if universe not in PROXIES:
        return None
    of, exchange, count = PROXIES[universe]
    return (
        f"Universe '{universe}' is built, not published: on each session the {count} largest members of index {of} "
        f"on exchange {exchange[1:]}, by float value."
    )


def data_warnings(market: Market) -> list[str]:
    """What a reader of any result on these data must know first, one sentence each."""
    found = [survivorship_warning(market), _proxy_warning(market)]
    if market.tables is not None and NO_FACTORS in source_notes(market.tables.folder):
        found.append(f"Dividends: in these data {NO_FACTORS}.")
    return [sentence for sentence in found if sentence]


def _figures(market: Market, span: slice, inside: np.ndarray, tables: list[str]) -> dict[str, float]:
    sessions = market.sessions[span]
    if not len(sessions):
        return {}
    months = sessions.astype("datetime64[M]")
    ends = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    members = inside[ends]
    total = max(int(members.sum()), 1)
    found: dict[str, float] = {}
    for table in tables:
        for name, values in market.tables.reports(table).all_latest(sessions[ends]).items():
            found[f"{table}.{name}"] = round(float((np.isfinite(values) & members).sum()) / total, 4)
    return found
