"""The three Fama-French factors of the panel's own stocks, day by day."""

from __future__ import annotations

import numpy as np

from signals.factors.panel import FactorPanel, month_ends


def daily_factors(panel: FactorPanel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Market, size and value returns on all T sessions, fractions; NaN before the first formation.

    At the end of each month the members of the universe with a bar are split at the median of float market value,
    and those whose book equity is known and positive at the 30th and 70th percentile of book over market value (total
    shares x close). The six groups are weighted by float market value and held over the next month, halts left out.
    SMB is the mean of the three small groups less that of the three big ones, HML the mean of the two value groups
    less that of the two growth groups (Fama and French 1993, formed monthly as Chinese desks do). The market is
    all members by float market value, without a riskless rate: with a constant in the regression, and over windows
    in which the rate hardly moves, it changes no residual.

    Months in which the panel has packed no bar are left out.

    Returns
    -------
    tuple of three ndarray of float64, shape (T,)
    """
    out = panel.daily("fama french", 4)
    ends = month_ends(panel.sessions)
    used = np.zeros(len(panel.sessions), dtype=bool)
    used[panel.bar_sessions] = True
    months = np.unique(np.searchsorted(ends, np.flatnonzero(used)) - 1)
    wanted = np.array([m for m in months if m >= 0 and np.isnan(out[_DONE, _days(panel, ends, m)]).any()], np.int64)
    if len(wanted):
        _fill(panel, ends, wanted, out)
    return out[0], out[1], out[2]


_DONE = 3
"""Row of 1 for days that have been computed."""


def _days(panel: FactorPanel, ends: np.ndarray, month: int) -> slice:
    """Sessions of the month that is held after a formation at the end of ``month``."""
    last = ends[month + 1] if month + 1 < len(ends) else len(panel.sessions) - 1
    return slice(int(ends[month]) + 1, int(last) + 1)


def _fill(panel: FactorPanel, ends: np.ndarray, months: np.ndarray, out: np.ndarray) -> None:
    from signals.factors import items

    source = panel.source
    formed = FactorPanel(source, ends[months], tail=1, along=panel)
    close = formed.at("close")
    members = formed.traded & (formed.at("member") > 0)
    float_value = np.where(members, close * formed.at("float_shares"), np.nan)
    whole_value = np.where(formed.traded, close * formed.at("total_shares"), np.nan)
    book = items.item(formed, "parent_equity")
    for k, month in enumerate(months):
        span = _days(panel, ends, int(month))
        returns = source.close[span] / source.preclose[span] - 1.0
        returns = np.where(source.traded[span] > 0, returns, np.nan)
        out[:_DONE, span] = _month(float_value[k], book[k], whole_value[k], returns)
        out[_DONE, span] = 1.0


def _month(size: np.ndarray, book: np.ndarray, value: np.ndarray, returns: np.ndarray) -> np.ndarray:
    """The factors of the days of one holding month; (3, days)."""
    sized = np.isfinite(size) & (size > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(sized & (book > 0), book / value, np.nan)
    valued = np.isfinite(ratio)
    out = np.full((3, len(returns)), np.nan)
    if sized.any():
        out[0] = _weighted(returns, size, sized)
    if valued.sum() < 30:
        return out
    small = size <= np.median(size[sized])
    low, high = np.quantile(ratio[valued], [0.3, 0.7])
    groups = {
        (one, two): _weighted(returns, size, valued & big & kind)
        for one, big in (("S", small), ("B", ~small))
        for two, kind in (("L", ratio <= low), ("M", (ratio > low) & (ratio < high)), ("H", ratio >= high))
    }
    out[1] = sum(groups["S", kind] - groups["B", kind] for kind in "LMH") / 3.0
    out[2] = sum(groups[one, "H"] - groups[one, "L"] for one in "SB") / 2.0
    return out


def _weighted(returns: np.ndarray, size: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Mean return of a group by size, stocks without a return left out day by day; (days,)."""
    inside = returns[:, keep]
    there = np.isfinite(inside)
    weights = np.where(there, size[keep], 0.0)
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, np.where(there, inside * weights, 0.0).sum(axis=1) / total, np.nan)
