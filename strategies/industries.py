"""Industries and market values of stocks, and the industry weights of an index, as of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.errors import DataError

if TYPE_CHECKING:
    from engine.view import View

_YEAR = 250
"""Sessions in which a suspended stock's share count is looked for."""


class IndustryWeights(NamedTuple):
    """An index's industry weights on a session.

    Attributes
    ----------
    weights : dict of str to float
        By industry, sum 1.
    coverage : float
        Members that are in the market with a price and an industry, over all members.
    """

    weights: dict[str, float]
    coverage: float


def industry_names(view: View) -> np.ndarray:
    """Shenwan level-1 industry in force on the view's session; text or None, shape (N,)."""
    names = view.as_of("industry_sw_history", "l1_name")
    names[names == ""] = None
    return names


def total_values(view: View) -> np.ndarray:
    """Market value of each stock in yuan at its last close; float64 (N,), NaN where it is not known.

    Of a suspended stock the last known number of shares counts.
    """
    return view.mark[-1] * _last_known(view.last("total_shares", _YEAR))  # type: ignore[no-any-return]


def float_values(view: View) -> np.ndarray:
    """As :func:`total_values`, of the float; no larger than the total, though the data know floats above it."""
    return np.fmin(view.mark[-1] * _last_known(view.last("float_shares", _YEAR)), total_values(view))


def _last_known(values: np.ndarray) -> np.ndarray:
    """The last number of each column; NaN where there is none."""
    last = np.array(values[-1])
    gaps = np.flatnonzero(np.isnan(last))
    back = np.argmax(~np.isnan(values[::-1, gaps]), axis=0)
    last[gaps] = values[len(values) - 1 - back, gaps]
    return last


def industry_weights(view: View, index: str) -> IndustryWeights:
    """Industry weights of an index on the view's session: a proxy for the publisher's.

    A member weighs with its float market value; members that the market does not hold, and those without a price or
    an industry, are left out, and the rest is brought to a sum of 1. The index ``all`` has every listed stock of the
    market, its universe or not.

    Raises
    ------
    ConfigError
        If the data have no memberships of the index.
    DataError
        If none of its members is in the market on that session.
    """
    names, values = industry_names(view), float_values(view)
    inside = view.listed[-1].astype(bool) if index == "all" else view.members(index)
    members = np.flatnonzero(inside & (values > 0.0) & (names != None))  # noqa: E711  (by element)
    if not len(members):
        raise DataError(
            f"no member of {index} is in this market on {view.date}, so there are no industry weights; take a universe "
            "that holds its members, such as all, or another index"
        )
    kinds, place = np.unique(names[members].astype(str), return_inverse=True)
    totals = np.bincount(place, weights=values[members])
    shares = dict(zip(kinds.tolist(), (totals / totals.sum()).tolist(), strict=True))
    count = int(inside.sum()) if index == "all" else view.member_count(index)
    return IndustryWeights(shares, len(members) / max(count, 1))
