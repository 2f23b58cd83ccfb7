"""Measures the stylised facts of :mod:`feeds.calibration` on a market, real or synthetic, in the same way.

Arrays are (T sessions x N stocks), float64, NaN on sessions without a bar. A return is close over the exchange's
reference price, so ex-dates need no care; the first :data:`SEASONED` sessions of a stock are left out of returns and
turnover, because a new listing is a story of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from engine.market import Market
    from feeds.file_feed import FileFeed

SEASONED = 20
YEAR = 243.0
"""Sessions of a year."""
ENOUGH = 120
"""Bars that a stock must have to count in a median over stocks, and its age in a Rank IC."""
NO_LIMIT = 10**8
"""Limits from here on, in fen, stand for none."""


def measure(
    market: Market, feed: FileFeed, keep: np.ndarray, first: np.datetime64, last: np.datetime64
) -> dict[str, float]:
    """All facts of some stocks between two days.

    Parameters
    ----------
    market : Market
        Panel that holds the span; sessions before it serve as the past of signals.
    feed : FileFeed
        The tables beside the panel: index levels, reports, valuation.
    keep : ndarray of int
        Columns of the stocks that count.
    first, last : datetime64[D]
        The span.

    Returns
    -------
    dict of str to float
        By name of the fact; what the data do not have is left out or NaN.
    """
    a, b = np.searchsorted(market.sessions, first), np.searchsorted(market.sessions, last, side="right")
    panel = Panel(market, keep, int(a), int(b))
    facts = _returns(panel) | _limits(panel) | _turnover(panel) | _months(panel)
    facts |= _indices(feed, first, last) | _reports(feed, set(panel.symbols), first, last)
    return facts | _valuation(feed, set(panel.symbols), panel.days[panel.month_ends()])


class Panel:
    """The columns ``keep`` of a market; [a, b) are the sessions of the span."""

    def __init__(self, market: Market, keep: np.ndarray, a: int, b: int) -> None:
        self.symbols = [market.symbols[i] for i in keep]
        self.market, self.keep, self.a, self.b = market, keep, a, b
        self.days = market.sessions[a:b]
        self.years = (b - a) / YEAR
        self.traded = self.field("traded") > 0
        self.listed = self.field("listed") > 0
        self.age = self.field("age")
        close, before = self.field("close"), self.field("preclose")
        self.seasoned = self.traded & (self.age > SEASONED)
        self.returns = np.where(self.seasoned, close / before - 1.0, np.nan)

    def field(self, name: str) -> np.ndarray:
        """A field of the span, (T, N)."""
        return np.asarray(getattr(self.market, name)[self.a : self.b][:, self.keep])

    def month_ends(self) -> np.ndarray:
        """Last session of each month of the span but the month it ends in."""
        month = self.days.astype("datetime64[M]")
        return np.flatnonzero(month[1:] != month[:-1])


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def autocorrelation(values: np.ndarray, lag: int) -> np.ndarray:
    """Autocorrelation of each column at ``lag`` sessions, (N,); pairs with a gap are left out."""
    known = np.isfinite(values)
    number = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / number, 0.0)
        pairs = (known[lag:] & known[:-lag]).sum(axis=0)
        together = (centred[lag:] * centred[:-lag]).sum(axis=0) / pairs
        return np.asarray(together / ((centred**2).sum(axis=0) / number))


def kurtosis(values: np.ndarray) -> np.ndarray:
    """Excess kurtosis of each column, (N,)."""
    known = np.isfinite(values)
    number = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / number, 0.0)
        square = centred**2
        return np.asarray((square**2).sum(axis=0) / number / ((square.sum(axis=0) / number) ** 2) - 3.0)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation over the places at which both are known; NaN with fewer than ten."""
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 10:
        return float("nan")
    return float(np.corrcoef(_ranks(one[both]), _ranks(other[both]))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, ties share their mean."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends - 1) / 2.0, ends - starts)
    return ranks


def _returns(panel: Panel) -> dict[str, float]:
    returns = panel.returns[:, np.isfinite(panel.returns).sum(axis=0) >= ENOUGH]
    if not returns.shape[1]:
        return {}
    size = np.abs(returns)
    spread = np.nanstd(returns, axis=0)
    low, high = np.quantile(spread, (0.1, 0.9))
    facts = {
        "daily volatility": _median(spread),
        "spread of volatility": float(high / low),
        "kurtosis": _median(kurtosis(returns)),
        "pairwise correlation": pairwise_correlation(panel.returns, panel.days),
    }
    for lag in (1, 5, 20):
        facts[f"autocorrelation {lag}"] = _median(autocorrelation(returns, lag))
        facts[f"autocorrelation of size {lag}"] = _median(autocorrelation(size, lag))
    night = np.where(panel.seasoned, panel.field("open") / panel.field("preclose") - 1.0, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        nights, whole = _variance(night), _variance(panel.returns)
        facts["overnight variance"] = _median((nights / whole)[panel.seasoned.sum(axis=0) >= ENOUGH])
    facts["daily range"] = _median((panel.field("high") / panel.field("low") - 1.0)[panel.seasoned])
    return facts


def _variance(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    number = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    return np.asarray((filled**2).sum(axis=0) / number - (filled.sum(axis=0) / number) ** 2)


def pairwise_correlation(returns: np.ndarray, days: np.ndarray) -> float:
    """Mean correlation of two stocks, by calendar year, over stocks with nine tenths of its bars.

    The mean over all pairs of n standardised series is (n Var(their mean) - 1) / (n - 1).
    """
    years, found = days.astype("datetime64[Y]"), []
    for year in np.unique(years):
        part = returns[years == year]
        part = part[:, np.isfinite(part).sum(axis=0) >= 0.9 * len(part)]
        if len(part) < 60 or part.shape[1] < 2:
            continue
        known = np.isfinite(part)
        centred = np.where(known, part - np.nanmean(part, axis=0), 0.0) / np.nanstd(part, axis=0)
        number = part.shape[1]
        found.append((number * centred.mean(axis=1).var() - 1.0) / (number - 1.0))
    return float(np.mean(found)) if found else float("nan")


def _limits(panel: Panel) -> dict[str, float]:
    fen = np.rint(np.nan_to_num(panel.field("close")) * 100).astype(np.int64)
    up, down = panel.field("limit_up"), panel.field("limit_down")
    bars = max(int(panel.traded.sum()), 1)
    risen = panel.traded & (fen == up) & (up < NO_LIMIT)
    fallen = panel.traded & (fen == down) & (down > 1)
    locked = (risen | fallen) & (panel.field("high") == panel.field("low"))
    listed = panel.listed.sum()
    new = (panel.traded & (panel.age == 1)).any(axis=0).sum()
    events = panel.market.events
    column = np.full(len(panel.market.symbols), -1)
    column[panel.keep] = np.arange(len(panel.keep))
    rows = (events["t"] >= panel.a) & (events["t"] < panel.b) & (column[events["i"]] >= 0)
    cash = events["cash"][rows] / events["prev_close"][rows]
    a_year = listed / (panel.b - panel.a) * panel.years
    return {
        "limit-up closes": float(risen.sum() / bars),
        "limit-down closes": float(fallen.sum() / bars),
        "locked sessions": float(locked.sum() / bars),
        "suspended": float((panel.listed & ~panel.traded).sum() / listed),
        "special treatment": float((panel.traded & (panel.field("st") > 0)).sum() / bars),
        "new listings a year": float(new / a_year),
        "stocks with an ex-date a year": float(rows.sum() / a_year),
        "dividend yield": _median(cash[(cash > 0) & (cash < 0.25)]),
    }


def _turnover(panel: Panel) -> dict[str, float]:
    share = np.where(panel.seasoned, panel.field("turnover"), np.nan)
    known = share[np.isfinite(share)]
    if not len(known):
        return {}
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9))
    facts = {"turnover p10": low, "turnover p50": middle, "turnover p90": high}
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.where(share > 0, np.log(share), np.nan)
        size = np.where(np.isfinite(log), np.abs(panel.returns), np.nan)
        log = np.where(np.isfinite(size), log, np.nan)
        number = np.isfinite(log).sum(axis=0)
        x, y = log - np.nansum(log, axis=0) / number, size - np.nansum(size, axis=0) / number
        together = np.nansum(x * y, axis=0) / np.sqrt(np.nansum(x * x, axis=0) * np.nansum(y * y, axis=0))
    facts["turnover with the day's move"] = _median(together[number >= ENOUGH])
    return {name: float(value) for name, value in facts.items()}


def month_signals(panel: Panel, t: int) -> dict[str, np.ndarray]:
    """What the Rank ICs rank, at the close of session ``t`` of the market (not of the span), each (N,)."""
    market, keep = panel.market, panel.keep
    back = slice(max(t - 19, 0), t + 1)
    price = (market.mark[max(t - 240, 0) : t + 1] * market.adj_factor[max(t - 240, 0) : t + 1])[:, keep]
    past = price[-1] / price[-21] - 1.0 if len(price) > 20 else np.full(len(keep), np.nan)
    far = price[-21] / price[0] - 1.0 if len(price) > 240 else np.full(len(keep), np.nan)
    bars = market.traded[back][:, keep] > 0
    returns = np.where(bars, (market.close[back] / market.preclose[back])[:, keep] - 1.0, np.nan)
    share = np.where(bars, market.turnover[back][:, keep], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(_variance(returns))
        mean = np.nansum(share, axis=0) / np.isfinite(share).sum(axis=0)
    shares = _carried_shares(market, keep, t)
    return {
        "size": shares * market.mark[t, keep],
        "reversal": past,
        "turnover": mean,
        "volatility": np.where(bars.sum(axis=0) >= 10, spread, np.nan),
        "momentum": far,
    }


def _carried_shares(market: Market, keep: np.ndarray, t: int) -> np.ndarray:
    """Total shares of the last bar of the past month; NaN after a longer halt."""
    found = np.full(len(keep), np.nan)
    for row in market.total_shares[max(t - 20, 0) : t + 1][:, keep]:
        found = np.where(np.isfinite(row), row, found)
    return found


def _months(panel: Panel) -> dict[str, float]:
    market, keep = panel.market, panel.keep
    ends = panel.month_ends() + panel.a
    ics: dict[str, list[float]] = {}
    values, with_size, with_spread = [], [], []
    for t, after in zip(ends, [*ends[1:], panel.b - 1], strict=True):
        able = (market.traded[t, keep] > 0) & (market.age[t, keep] >= ENOUGH) & (market.listed[after, keep] > 0)
        signals = {name: np.where(able, value, np.nan) for name, value in month_signals(panel, int(t)).items()}
        ahead = (market.mark[after] * market.adj_factor[after] / (market.mark[t] * market.adj_factor[t]))[keep]
        for name, value in signals.items():
            ics.setdefault(name, []).append(rank_correlation(value, np.where(able, ahead, np.nan)))
        values.append(signals["size"][np.isfinite(signals["size"])])
        with_size.append(rank_correlation(signals["turnover"], signals["size"]))
        with_spread.append(rank_correlation(signals["turnover"], signals["volatility"]))
    if not ics:
        return {}
    facts = {f"Rank IC of {name}": float(np.nanmean(found)) for name, found in ics.items()}
    facts["spread of the Rank IC of size"] = float(np.nanstd(ics["size"]))
    for name, value in zip(("p10", "p50", "p90"), np.quantile(np.concatenate(values), (0.1, 0.5, 0.9)), strict=True):
        facts[f"value {name}"] = float(value)
    facts["turnover with size"] = float(np.nanmean(with_size))
    facts["turnover with volatility"] = float(np.nanmean(with_spread))
    return facts


def _indices(feed: FileFeed, first: np.datetime64, last: np.datetime64) -> dict[str, float]:
    levels = feed.read("index_daily")
    facts = {}
    for code, name in (("000300", "CSI 300"), ("000905", "CSI 500")):
        rows = (levels["index_code"] == code) & (levels["date"] >= first) & (levels["date"] <= last)
        moves = np.diff(np.log(levels["close"][rows][np.argsort(levels["date"][rows], kind="stable")]))
        if len(moves) < ENOUGH:
            continue
        facts[f"{name} volatility"] = float(np.std(moves) * np.sqrt(YEAR))
        if code == "000300":
            facts["CSI 300 autocorrelation of size 1"] = float(autocorrelation(np.abs(moves)[:, None], 1)[0])
    return facts


def _read(feed: FileFeed, table: str, columns: list[str]) -> dict[str, Any] | None:
    path = Path(feed.folder) / f"{table}.parquet"
    if not path.is_file():
        return None
    import pyarrow.parquet as pq

    found = pq.read_table(path, columns=columns)
    return {name: found[name].to_numpy() for name in columns}


def _reports(feed: FileFeed, symbols: set[str], first: np.datetime64, last: np.datetime64) -> dict[str, float]:
    table = _read(feed, "fundamentals_quarterly", ["symbol", "period_end", "announce_date"])
    if table is None:
        return {}
    ends, told = (table[name].astype("datetime64[D]") for name in ("period_end", "announce_date"))
    keep = np.array([symbol in symbols for symbol in table["symbol"].tolist()], bool)
    keep &= (ends >= first) & (ends <= last) & ~np.isnat(told)
    days = (told - ends).astype(np.float64)
    annual = ends.astype("datetime64[M]").astype(int) % 12 == 11
    return {
        "disclosure lag, annual report": _median(days[keep & annual]),
        "disclosure lag, other reports": _median(days[keep & ~annual]),
    }


def _valuation(feed: FileFeed, symbols: set[str], days: np.ndarray) -> dict[str, float]:
    table = _read(feed, "valuation_daily", ["date", "symbol", "pe_ttm", "pb_mrq"])
    if table is None:
        return {}
    from feeds.universe import memberships

    when = table["date"].astype("datetime64[D]")
    rows = np.flatnonzero(np.isin(when, days))
    names = table["symbol"][rows]
    index = memberships(feed, "000300", "universe")
    column = {symbol: i for i, symbol in enumerate(sorted(symbols))}
    inside = index.mask(days, sorted(symbols)) > 0
    place = np.array([column.get(symbol, -1) for symbol in names.tolist()])
    member = (place >= 0) & inside[np.searchsorted(days, when[rows]), np.maximum(place, 0)]
    earnings, book = (table[name][rows][member].astype(np.float64) for name in ("pe_ttm", "pb_mrq"))
    return {
        "P/E of the CSI 300": _median(earnings[earnings > 0]),
        "P/B of the CSI 300": _median(book[book > 0]),
    }
