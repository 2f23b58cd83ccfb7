"""``audit.py --recovery``: what a signal finds in a synthetic market, beside what there is to find."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signals.base import Signal


def show(signal: Signal, data: str | None, universe: str) -> dict[str, Any]:
    """Print it, and give the same as numbers (None: not at work).

    Raises
    ------
    ConfigError
        If ``data`` is no synthetic market: nobody knows what others hold.
    """
    from feeds.store import open_market
    from signals.learning.figures import mean
    from signals.learning.recovery import DATA, planted, recover

    data = data or DATA
    market = open_market(data, universe=universe)
    found = recover(market, signal, planted(market, data))
    figures = {
        "rank_ic": mean(found.rank_ic), "error": found.error, "oracle": mean(found.oracle), "recovered": found.ratio,
    }  # fmt: skip
    loadings = {name: found.loading(name) for name in found.loadings}
    print(f"{type(signal).__name__} on {data}")
    print(f"{len(found.dates)} decisions from {found.dates[0]} to {found.dates[-1]}\n")
    print(f"Rank IC    {figures['rank_ic']:+.3f}, standard error {figures['error']:.3f}")
    print(f"oracle     {figures['oracle']:+.3f}")
    print(f"recovered  {figures['recovered']:.0%}\n")
    print("What the scores are made of, in standard deviations of ranks:")
    for name, value in loadings.items():
        print(f"  {name:<12}" + ("not at work" if math.isnan(value) else f"{value:+.2f}"))
    told = {name: None if math.isnan(value) else value for name, value in loadings.items()}
    return {"data": data, "decisions": len(found.dates), **figures, "loadings": told}
