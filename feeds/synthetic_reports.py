"""Quarterly reports of the synthetic market, the days on which they become known, and valuation at each close.

A company's profit of a fiscal year follows the market value of the years *before* it (prices lead earnings, and no
report knows a later price), divided by a price-earnings ratio of its own; revenue, margins, equity and assets are
built around it. What the rest of the market says binds the reports: two losses in a row stand behind every ST, a
payer of cash had a profit that covers it, dividends leave the equity.

Arrays are (Q quarters x N stocks); quarters run from the first of :attr:`Reports.first_year`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.synthetic_population import CHINEXT, INDUSTRIES, Population, Stream
from feeds.synthetic_prices import Paths
from feeds.synthetic_schedules import REPORTS_ARE_OUT, ST, STAR_ST

YEARS_BEFORE = 3
"""Fiscal years before the first session that are drawn, so that the oldest report in force has a year before it."""
IN_FORCE = np.timedelta64(400, "D")
"""Reports told earlier than this before the first session are left out."""
LOSS = 0.075
"""Chance of a yearly loss without a reason of its own."""
EARNINGS_MULTIPLE, MULTIPLE_BY_SIZE, MULTIPLE_SPREAD = 32.5, -0.30, 0.40
RETURN_ON_EQUITY, RETURN_BY_SIZE, RETURN_SPREAD = 0.162, 0.10, 0.35
BANK = {"480000"}
PROSPECTUS = np.timedelta64(10, "D")
"""A new stock's last report before its listing is told so long before it."""

SEASON = np.array([0.21, 0.27, 0.25, 0.27])
LAGS = (  # first quarter, half-year, third quarter, year: days from the period's end, at these quantiles
    (10, 15, 21, 24, 27, 29, 30, 30),
    (15, 25, 35, 46, 54, 58, 61, 62),
    (12, 17, 22, 24, 28, 30, 31, 31),
    (18, 36, 66, 83, 97, 113, 119, 120),
)
QUANTILES = (0.0, 0.02, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0)
"""Those of stocks with an even hash (:func:`feeds.calibration.half_of`), 2014 to 2016, up to the legal deadline."""


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Quarterly figures; (Q, N) unless another shape is given."""

    first_year: int
    period_end: np.ndarray  # (Q,) datetime64[D]
    told: np.ndarray  # datetime64[D], day of the announcement
    public: np.ndarray  # bool, whether it is told to the market inside the span
    profit: np.ndarray  # yuan, single quarter
    revenue: np.ndarray  # yuan, single quarter
    equity: np.ndarray  # yuan, at the period's end
    assets: np.ndarray  # yuan, at the period's end
    cash_flow: np.ndarray  # yuan, net change of cash over four quarters
    gross_margin: np.ndarray  # fraction, since January
    total_shares: np.ndarray  # at the period's end
    float_shares: np.ndarray

    def over_four(self, quarterly: np.ndarray) -> np.ndarray:
        """Sum of the last four quarters, NaN in the first three."""
        total = np.full(quarterly.shape, np.nan)
        total[3:] = quarterly[3:] + quarterly[2:-1] + quarterly[1:-2] + quarterly[:-3]
        return total

    def since_january(self, quarterly: np.ndarray) -> np.ndarray:
        """Sum from the first quarter of the year."""
        years = quarterly.reshape(-1, 4, quarterly.shape[1])
        return np.cumsum(years, axis=1).reshape(quarterly.shape)


def draw_reports(people: Population, paths: Paths, sessions: np.ndarray, stream: Stream) -> Reports:
    """Draw all reports of a market whose prices are known.

    Parameters
    ----------
    people, paths
        The market, T sessions x N stocks.
    sessions : ndarray of datetime64[D], shape (T,)
    stream : callable
        Random generator by purpose.
    """
    rng, count = stream("reports"), len(people.symbols)
    years = np.arange(_year(sessions[0]) - YEARS_BEFORE, _year(sessions[-1]) + 1)
    worth = _worth_before(people, paths, sessions, years)
    size = _size(people, sessions, worth, years)
    bank = np.isin([str(row[0]) for row in INDUSTRIES], list(BANK))[people.industry[0]]
    normal = rng.standard_normal((6, count))
    multiple = EARNINGS_MULTIPLE * np.exp(MULTIPLE_BY_SIZE * size + MULTIPLE_SPREAD * normal[0])
    multiple = np.where(bank, 7.0 * np.exp(0.15 * normal[0]), multiple)
    usual = np.exp(worth + 0.25 * rng.standard_normal(worth.shape)) / multiple
    quality = RETURN_ON_EQUITY * np.exp(RETURN_BY_SIZE * size[0] + RETURN_SPREAD * normal[1])
    quality = np.where(bank, 0.14, quality)
    margin = np.where(bank, 0.35, np.clip(0.08 * np.exp(0.7 * normal[2]), 0.01, 0.55))
    dividends = _dividends(people, paths, sessions, years)
    loses = _losses(people, sessions, years, dividends, rng)

    length = 4 * len(years)
    split = SEASON[:, None] * np.exp(0.18 * rng.standard_normal((len(years), 4, count)))
    split /= split.sum(axis=1, keepdims=True)
    trade = SEASON[:, None] * np.exp(0.08 * rng.standard_normal((len(years), 4, count)))
    trade /= trade.sum(axis=1, keepdims=True)
    depth = rng.uniform(0.2, 1.6, loses.shape)
    equity_now = usual[0] / quality
    profit, equity = np.empty((length, count)), np.empty((length, count))
    for y in range(len(years)):
        earned = np.clip(usual[y], 0.01 * equity_now, 0.35 * equity_now)
        following = dividends[4 * y + 4 : 4 * y + 8].sum(axis=0)
        earned = np.where(loses[y], -depth[y] * earned, np.maximum(earned, 1.1 * following))
        for q in range(4):
            profit[4 * y + q] = earned * split[y, q]
            grown = equity_now + profit[4 * y + q] - dividends[4 * y + q]
            equity_now = np.maximum(grown, 0.05 * equity_now)
            equity[4 * y + q] = equity_now
    leverage = np.where(bank, 14.0, 1.0 + 0.9 * np.exp(0.5 * normal[3]))
    ends = _period_ends(years)
    at = np.searchsorted(sessions, ends, side="right") - 1
    shares = [
        np.where(at[:, None] >= 0, held[np.maximum(at, 0)], first)
        for held, first in ((paths.total_shares, people.total_shares), (paths.float_shares, people.float_shares))
    ]
    told = _told(ends, rng, count)
    told, public = _public(people, sessions, ends, told)
    turn = 0.15 + 1.5 * rng.standard_normal((length, count))
    gross = np.clip(margin + 0.04 + 0.22 * rng.beta(1.6, 2.2, count), 0.02, 0.95)
    return Reports(
        first_year=int(years[0]),
        period_end=ends,
        told=told,
        public=public,
        profit=profit,
        revenue=(usual / margin)[:, None].repeat(4, axis=1).reshape(length, count) * trade.reshape(length, count),
        equity=equity,
        assets=equity * leverage * np.exp(0.03 * rng.standard_normal((length, count))),
        cash_flow=usual.repeat(4, axis=0) * turn,
        gross_margin=np.clip(gross + 0.01 * rng.standard_normal((length, count)), 0.01, 0.97),
        total_shares=shares[0],
        float_shares=shares[1],
    )


def in_force(reports: Reports, sessions: np.ndarray) -> np.ndarray:
    """Quarter of the latest report that is usable on each session: told on an earlier day; -1 if none. (T, N)."""
    q, i = np.nonzero(reports.public)
    since = np.searchsorted(sessions, reports.told[q, i], side="right")
    inside = since < len(sessions)
    latest = np.full((len(sessions), reports.public.shape[1]), -1, np.int16)
    np.maximum.at(latest, (since[inside], i[inside]), q[inside].astype(np.int16))
    return np.maximum.accumulate(latest, axis=0)


def _year(day: np.datetime64) -> int:
    return int(day.astype("datetime64[Y]").astype(int)) + 1970


def _period_ends(years: np.ndarray) -> np.ndarray:
    months = np.datetime64(f"{years[0]}-04", "M") + 3 * np.arange(4 * len(years)).astype("timedelta64[M]")
    return months.astype("datetime64[D]") - np.timedelta64(1, "D")


def _worth_before(people: Population, paths: Paths, sessions: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Log of the market value that a year's profit looks back on: half the year before, half older. (years, N)."""
    first = np.log(people.price * (1.0 + people.premium) * people.total_shares)
    out = np.empty((len(years), len(first)))
    now = first
    of = sessions.astype("datetime64[Y]").astype(int) + 1970
    for k, year in enumerate(years):
        out[k] = now
        rows = np.flatnonzero(of == year)[::5]  # one session a week is enough
        if not len(rows):
            continue
        here = (rows[:, None] >= people.list_pos) & (rows[:, None] <= people.last_pos)
        value = np.log(paths.mark[rows] / 100.0 * paths.total_shares[rows])
        number = here.sum(axis=0)
        mean = np.where(here, value, 0.0).sum(axis=0) / np.maximum(number, 1)
        now = np.where(number > 0, 0.3 * now + 0.7 * mean, now)
    return out


def _size(people: Population, sessions: np.ndarray, worth: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Score of the worth among those listed by the end of the year, (years, N)."""
    end = np.searchsorted(sessions, [np.datetime64(f"{year}-12-31") for year in years], side="right")
    listed = people.list_pos < np.maximum(end, 1)[:, None]
    mean = np.mean(worth, axis=1, where=listed, keepdims=True)
    spread = np.std(worth, axis=1, where=listed, keepdims=True)
    return np.asarray((worth - mean) / np.maximum(spread, 1e-9))


def _dividends(people: Population, paths: Paths, sessions: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Cash paid in each quarter in yuan, (Q, N)."""
    out = np.zeros((4 * len(years), len(people.symbols)))
    events = paths.events
    months = sessions[events["t"]].astype("datetime64[M]").astype(int) - 12 * (int(years[0]) - 1970)
    before = paths.total_shares[events["t"], events["i"]] * 10.0 / (10.0 + events["bonus"])
    np.add.at(out, (months // 3, events["i"]), events["cash"] / 100.0 * before)
    return out


def _losses(
    people: Population, sessions: np.ndarray, years: np.ndarray, dividends: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Fiscal years that end in a loss, (years, N)."""
    length, count = len(years), len(people.symbols)
    loses = rng.random((length, count)) < LOSS
    pays = dividends.reshape(length, 4, count).sum(axis=1) > 0
    marked = np.zeros((length + 1, count), bool)  # under ST when the reports of the year before are out
    for k, year in enumerate([*years, years[-1] + 1]):
        t = int(np.searchsorted(sessions, np.datetime64(f"{year}-01-01") + REPORTS_ARE_OUT))
        if t < len(sessions) and year >= _year(sessions[0]):
            marked[k] = np.isin(people.state[t], (ST, STAR_ST))
    loses[:-1] &= ~pays[1:]
    has_rule = (people.board < CHINEXT) & (people.list_pos < 0)
    for k in range(length):
        if k:
            loses[k] &= ~(has_rule & loses[k - 1] & ~marked[k + 1])  # a second loss would have brought ST
        forced = marked[k + 1] & ~pays[min(k + 1, length - 1)]
        loses[k] |= forced
        if k:
            loses[k - 1] |= forced & ~pays[k]
    return loses


def _told(ends: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Announcement days, (Q, N): a company's habit and chance, never on a Sunday, the year before the first quarter."""
    habit = rng.standard_normal(count)
    told = np.empty((len(ends), count), "datetime64[D]")
    for q, end in enumerate(ends):
        place = _normal_share(0.6 * habit + 0.8 * rng.standard_normal(count))
        days = np.rint(np.interp(place, QUANTILES, LAGS[q % 4])).astype(int)
        told[q] = end + days.astype("timedelta64[D]")
        if q % 4 == 0 and q:
            told[q] = np.maximum(told[q], told[q - 1])
    sunday = (told.astype(int) + 3) % 7 == 6  # 1970-01-01 was a Thursday
    return np.asarray(told - sunday.astype("timedelta64[D]"))


def _normal_share(values: np.ndarray) -> np.ndarray:
    """Normal distribution function (logistic approximation, within 0.0002)."""
    return np.asarray(1.0 / (1.0 + np.exp(-1.5976 * values - 0.07056 * values**3)))


def _public(
    people: Population, sessions: np.ndarray, ends: np.ndarray, told: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Days of announcement with the prospectus of new stocks, and which reports the market sees."""
    gone = sessions[people.last_pos]
    public = (told >= people.list_date) & (told <= gone) & (told >= sessions[0] - IN_FORCE) & (told <= sessions[-1])
    public[:4] = False  # no year before to compare with
    new = np.flatnonzero((people.list_pos >= 0) & (people.list_pos < len(sessions)))
    last = np.maximum((told[:, new] < people.list_date[new]).sum(axis=0) - 1, 0)
    # The year and the first quarter can come out on one day; the count finds the last of those before the listing.
    told = told.copy()
    told[last, new] = people.list_date[new] - PROSPECTUS
    public[last, new] = True
    return told, public
