"""The calls of a fetch in order, what is done already, and how long the rest takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from feeds import (
    akshare_actions,
    akshare_bars,
    akshare_halts,
    akshare_members,
    akshare_reports,
    akshare_statements,
)
from feeds.akshare_client import Client
from feeds.akshare_http import SourceError
from feeds.akshare_routes import ROUTES, code_of

if TYPE_CHECKING:
    import pandas as pd

_FACTORS = 30
"""Days for which a vendor's adjustment factors are good enough to compare with."""

_FIRST_VALUES = dt.date(2018, 1, 2)
"""The vendor's daily multiples begin about here; a stock that left before has none."""

_SEASON = 25
"""Days after a quarter's end during which a table without rows is no failure: nobody has reported yet."""

_PAID_WITHIN = 300
"""Days after a half-year's end in which its dividends go ex."""

Span = tuple[dt.date, dt.date]
Tell = Callable[[int, int, str, float], None]
"""Told before each call: calls done, calls in all, what comes next, seconds left."""


@dataclass
class Job:
    """One piece of a fetch.

    Attributes
    ----------
    table : str
        What it is for.
    function : str
        The route that is asked first.
    about : str
        Symbol, index or quarter.
    run : callable
    done : callable
        Whether nothing has to be asked.
    again : bool
        Whether that may change by what the jobs before fetch: bars tell of ex-dates and so of new distributions.
    """

    table: str
    function: str
    about: str
    run: Callable[[], object]
    done: Callable[[], bool]
    again: bool = False


@dataclass(frozen=True)
class Failure:
    """A piece that could not be had."""

    table: str
    about: str
    sentence: str


class Remaining:
    """Seconds that the open jobs will take: measured by route in this run, until then from the pace.

    Parameters
    ----------
    client : Client
    jobs : sequence of Job
        All open ones.
    later : mapping of str to int, optional
        Calls by route that will come after them.
    """

    def __init__(self, client: Client, jobs: Sequence[Job], later: Mapping[str, int] | None = None) -> None:
        self._open: dict[str, int] = dict(later or {})
        for job in jobs:
            self._open[job.function] = self._open.get(job.function, 0) + 1
        self._pace = {name: ROUTES[name].requests * client.polite.interval(ROUTES[name].site) * 1.15
                      for name in self._open}  # fmt: skip
        self._spent: dict[str, tuple[int, float]] = {}

    def took(self, function: str, seconds: float) -> None:
        """Count a finished job."""
        count, total = self._spent.get(function, (0, 0.0))
        self._spent[function] = (count + 1, total + seconds)
        self._open[function] = max(0, self._open.get(function, 0) - 1)
        self._pace.setdefault(function, 0.0)

    def seconds(self) -> float:
        """Time for what is open."""
        left = 0.0
        for function, count in self._open.items():
            measured, total = self._spent.get(function, (0, 0.0))
            # The pace counts as one measurement, so that a single slow start does not frighten anybody.
            left += count * (total + self._pace[function]) / (measured + 1)
        return left


def market_jobs(
    client: Client, codes: Sequence[str], start: dt.date, end: dt.date, beijing: bool = False
) -> list[Job]:
    """Jobs that serve all stocks: indices, names, industries, the tables of each quarter and half-year.

    Parameters
    ----------
    client : Client
    codes : sequence of str
        Of indices.
    start, end : date
    beijing : bool
        Whether there are stocks of Beijing, which most tables leave out.
    """
    jobs = []
    for code in codes:
        levels: Callable[[], object] = partial(akshare_bars.fetch_index, client, code, start, end)
        given = {"symbol": code, "period": "daily"}
        jobs.append(_dated(client, "index_daily", "index_zh_a_hist", code, (start, end), levels, given))
        total = akshare_bars.TOTAL_RETURN.get(code)
        if total:
            levels = partial(akshare_bars.fetch_total_return, client, total, start, end)
            function = "stock_zh_index_hist_csindex"
            jobs.append(_dated(client, "index_daily", function, total, (start, end), levels, {"symbol": total}))
    function, given = akshare_members.RENAMED
    jobs.append(_plain(client, "name_history", function, "Shenzhen", given))
    jobs.append(_plain(client, "name_history", "stock_zh_a_st_em", "ST today", {}))
    jobs.append(_plain(client, "industry_sw_history", "stock_industry_clf_hist_sw", "all stocks", {}))
    jobs.append(_plain(client, "cn_gov_bond_10y", "bond_zh_us_rate", "10 years", {"start_date": f"{start:%Y%m%d}"}))
    for quarter in akshare_reports.quarters(start, end):
        date = {"date": f"{quarter:%Y%m%d}"}
        # Key figures first: the income statement is compared with them.
        for function in ("stock_yjbb_em", *(f for f in akshare_reports.STATEMENTS if f != "stock_yjbb_em")):
            jobs.append(_quarter(client, "fundamentals_quarterly", function, quarter, date))
        function, given = akshare_reports.DISCLOSURE
        jobs.append(_quarter(client, "fundamentals_quarterly", function, quarter, given | date))
        for function, given in akshare_reports.BEIJING if beijing else ():
            jobs.append(_quarter(client, "fundamentals_quarterly", function, quarter, given | date))
        if quarter.month in (6, 12):
            jobs.append(_quarter(client, "ex_rights_events", "stock_fhps_em", quarter, date))
    return jobs


def stock_jobs(client: Client, symbols: Sequence[str], listed: Callable[[str], Span]) -> list[Job]:
    """Jobs of each stock: bars, a second source for a sample, distributions, rights, capital, valuation, old names,
    statements.

    Parameters
    ----------
    client : Client
    symbols : sequence of str
    listed : callable
        First and last day of a stock inside the span of the fetch.
    """
    jobs = []
    first_source, second = (function for function, _ in akshare_bars.SOURCES[:2])
    sampled = akshare_bars.sample(symbols)
    newest = akshare_actions.NewestExDates(client)
    for symbol in symbols:
        span = listed(symbol)
        if span[0] > span[1]:
            continue
        plain = {"symbol": code_of(symbol)}
        run: Callable[[], object] = partial(akshare_bars.fetch_bars, client, symbol, *span)
        given = akshare_bars.arguments(first_source, symbol)
        jobs.append(_dated(client, "daily_bars", first_source, symbol, span, run, given))
        if symbol in sampled:
            run = partial(akshare_bars.fetch_second, client, symbol, *span)
            given = akshare_bars.arguments(second, symbol)
            jobs.append(_dated(client, "second source", second, symbol, span, run, given))
            given = {"symbol": code_of(symbol, "prefix"), "adjust": "hfq-factor"}
            jobs.append(_plain(client, "second source", second, f"{symbol} factor", given, _FACTORS))
        jobs.append(Job("ex_rights_events", "stock_dividend_cninfo", symbol,
                        partial(akshare_actions.fetch_actions, client, symbol),
                        partial(akshare_actions.actions_fresh, client, symbol, newest), again=True))  # fmt: skip
        given = akshare_actions.rights_arguments(symbol)
        jobs.append(_plain(client, "ex_rights_events", "stock_allotment_cninfo", symbol, given))
        if span[1] >= _FIRST_VALUES:
            jobs.append(_plain(client, "valuation_daily", "stock_value_em", symbol, plain))
        jobs.append(Job("share_capital", "stock_zh_a_gbjg_em", symbol,
                        partial(akshare_reports.fetch_capital, client, symbol),
                        partial(akshare_reports.capital_fresh, client, symbol), again=True))  # fmt: skip
        if symbol.endswith(".SH"):
            jobs.append(_plain(client, "name_history", "stock_info_change_name", symbol, plain))
        jobs.append(Job("fundamentals_quarterly", akshare_statements.INCOME[0], symbol,
                        partial(akshare_statements.fetch_income, client, symbol),
                        partial(akshare_statements.income_fresh, client, symbol)))  # fmt: skip
        if symbol.endswith(".BJ"):
            cash = akshare_statements.CASH
            jobs.append(Job("fundamentals_quarterly", cash, symbol,
                            partial(client.frame, cash, akshare_statements.arguments(symbol)),
                            partial(akshare_statements.statement_fresh, client, cash, symbol)))  # fmt: skip
    return jobs


def halt_jobs(client: Client, halts: pd.DataFrame) -> list[Job]:
    """Jobs that find out why the stocks of ``halts`` (symbol, start, end) were suspended."""
    function = akshare_halts.FUNCTION
    return [
        Job("suspensions", function, f"{day}", run, partial(client.fresh, function, {"date": f"{day:%Y%m%d}"}))
        for day, run in akshare_halts.halt_calls(client, halts)
    ]


def run_jobs(
    client: Client, jobs: Sequence[Job], tell: Tell | None, later: Mapping[str, int] | None = None, before: int = 0
) -> list[Failure]:
    """Run the open jobs in order; one that fails is noted and the rest goes on.

    Parameters
    ----------
    client : Client
    jobs : sequence of Job
    tell : callable or None
    later : mapping of str to int, optional
        Calls by route that will come after these, for the remaining time.
    before : int
        Calls that were done before these.
    """
    failures: list[Failure] = []
    todo = [job for job in jobs if not job.done()]
    remaining = Remaining(client, todo, later)
    done, total = before + len(jobs) - len(todo), before + len(jobs) + sum((later or {}).values())
    clock = client.polite.clock
    k, wanted = 0, {id(job) for job in todo}
    for job in jobs:
        if id(job) not in wanted and not (job.again and not job.done()):
            continue
        if tell is not None:
            tell(min(done + k, total), total, f"{job.table} {job.about}", remaining.seconds())
        began = clock()
        try:
            job.run()
        except SourceError as error:
            failures.append(Failure(job.table, job.about, str(error)))
        remaining.took(job.function, clock() - began)
        k += id(job) in wanted
    if tell is not None and later is None:
        tell(total, total, "writing the tables", 0.0)
    return failures


def _plain(
    client: Client, table: str, function: str, about: str, given: dict[str, str], days: int | None = None
) -> Job:
    run, done = partial(client.frame, function, given, days=days), partial(client.fresh, function, given, days=days)
    return Job(table, function, about, run, done)


def _dated(
    client: Client,
    table: str,
    function: str,
    about: str,
    span: Span,
    run: Callable[[], object],
    given: dict[str, str],
) -> Job:
    return Job(table, function, about, run, lambda: client.missing(function, *span, given) is None)


def _quarter(client: Client, table: str, function: str, quarter: dt.date, given: dict[str, str]) -> Job:
    days = akshare_reports.freshness(quarter, client.today, ROUTES[function].days)
    if function == "stock_fhps_em" and (client.today - quarter).days <= _PAID_WITHIN:
        days = 1  # a dividend that goes ex today lowers today's reference price

    def run() -> None:
        try:
            frame = client.frame(function, given, days=days)
        except SourceError as error:
            if (client.today - quarter).days <= _SEASON and error.reason in ("changed", "empty"):
                return
            raise
        other = None
        if function == "stock_lrb_em" and client.fresh("stock_yjbb_em", {"date": given["date"]}, days=days):
            other = client.frame("stock_yjbb_em", {"date": given["date"]}, days=days)
        try:
            akshare_reports.check_identities(function, frame, other)
        except SourceError:
            client.cache.drop(function, given)
            raise

    return Job(table, function, f"{quarter}", run, lambda: client.fresh(function, given, days=days))
