"""Paper 3: the table of what differs between the paper, ours by its procedure, and ours honest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.presentation import percent
from engine.tearsheet_tables import Table, table
from feeds.synthetic_feed import is_spec
from reproduction.sections import SKIPPED
from reproduction.study import PROTOCOLS, Study
from reproduction.top_bottom_problem import problem_of


def differs(study: Study, seen: Mapping[str, Mapping[str, Any]]) -> Table:
    """The table.

    Parameters
    ----------
    seen : mapping of str to mapping
        By protocol: ``first``, ``last``, ``data_from``, ``coverage`` (:func:`feeds.survivorship.coverage_numbers`),
        ``used`` and ``left_out`` factors, ``features``, ``window``; a protocol without a walk is not there.
    """
    problem = problem_of(study)
    source = "the synthetic market: no figure here says anything of A-shares" if is_spec(study.data) else (
        "baostock tables of the folder, adjusted by its factors"
    )  # fmt: skip
    whole = problem.universe == "all"
    size = "all A-shares of the data" if whole else f"{len(problem.universe)} of them: every tenth"
    rows = [
        ["Universe", "all A-shares", size, size],
        ["Left out", "ST, suspended on the next day, listed < 3 months",
         "the same (suspended on the next day looks ahead)", "ST, suspended on the day itself, listed < 3 months; "
         "tomorrow's suspensions are the broker's refusals"],
        ["Span", "2011-01-31 to 2017-10-31", *_each(seen, lambda one: f"{one['first']} to {one['last']}")],
        ["Stages", "7, windows in a lost picture (chart 14)",
         *[f"{len(problem.stages)} calendar years, at most {problem.window} months before each"] * 2],
        ["Data", "Wind", source, source],
        ["Data begin", "not told", *_each(seen, lambda one: one["data_from"])],
        ["Stocks, mean", "not told", *_each(seen, lambda one: f"{one['coverage']['members']:,.0f}")],
        ["Members with a bar", "not told", *_each(seen, lambda one: percent(one["coverage"]["members_with_bar"], 1))],
        ["Factors", "70", *_each(seen, lambda one: f"{one['used']} of {one['used'] + len(one['left_out'])}")],
        ["Factors that the data lack", "none", *_each(seen, lambda one: ", ".join(one["left_out"]) or "none")],
        ["Industries", "CITIC level 1", *["Shenwan level 1 as of the date"] * 2],
        ["Industry weights", "of the index", *["float values of the members present: a proxy"] * 2],
        ["Held out", "10 % at random", "10 % at random", "the last 10 % of months, their overlap with training purged"],
        ["Fill", "close of the month's first day", "close of the month's first day", "open of the month's first day"],
        ["Costs", "none told", "none", "commission, stamp duty and transfer fee of the day"],
        ["Benchmarks", "price indices", "price indices; CSI All Share and equal weights built from members",
         "with dividends; CSI All Share and equal weights built from members"],
        ["Trading rules", "none told; fractions of shares", *[f"lots, T+1, price limits; {problem.cash:,.0f} yuan in "
         "each portfolio, so that lots hardly matter"] * 2],
    ]  # fmt: skip
    if study.quick:
        change = f"{problem.network['units']} units, {problem.network['epochs']} epochs at most"
        rows.append(["Thinned", "", *[f"{change}, window {problem.window} months"] * 2])
    head = ["", "The paper", "Ours, paper protocol", "Ours, honest"]
    return table("What differs", head, rows, kind="sides", texts=4)


def _each(seen: Mapping[str, Mapping[str, Any]], say: Any) -> list[str]:
    return [say(seen[protocol]) if protocol in seen else SKIPPED for protocol in PROTOCOLS]
